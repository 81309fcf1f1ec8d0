//! Words about reservations.

use crate::code::codes;

codes! {
    /// State of a stay, the same for every PMS.
    ReservationState {
        /// Not certain yet.
        Tentative = "TENTATIVE",
        /// Booked for certain.
        Confirmed = "CONFIRMED",
        /// The guest has arrived.
        CheckedIn = "CHECKED_IN",
        /// The guest has left.
        CheckedOut = "CHECKED_OUT",
        /// Canceled.
        Canceled = "CANCELED",
        /// The guest did not come.
        NoShow = "NO_SHOW",
        /// A state Portal does not know; nothing is changed because of it.
        Unknown = "UNKNOWN",
    }
}

codes! {
    /// Whether a reservation has access.
    ReservationTransfer {
        /// None, for exactly one reason.
        Withheld = "WITHHELD",
        /// It has a keychain, upcoming or current.
        Transferred = "TRANSFERRED",
        /// Over: canceled, not shown up, checked out or past.
        Ended = "ENDED",
    }
}

codes! {
    /// Why a reservation has no access, in the order of the gates.
    WithheldCode {
        /// It was canceled.
        Canceled = "CANCELED",
        /// The guest did not come.
        NoShow = "NO_SHOW",
        /// The guest has checked out.
        CheckedOut = "CHECKED_OUT",
        /// The stay is over.
        Departed = "DEPARTED",
        /// A person took the access away.
        RevokedByStaff = "REVOKED_BY_STAFF",
        /// The integration is broken.
        IntegrationBroken = "INTEGRATION_BROKEN",
        /// The integration was disconnected.
        IntegrationDisconnected = "INTEGRATION_DISCONNECTED",
        /// Portal is reading what changed while the integration was away.
        CatchingUp = "CATCHING_UP",
        /// The property is not live yet.
        PropertyInSetup = "PROPERTY_IN_SETUP",
        /// The reservation is not confirmed yet.
        StateNotEligible = "STATE_NOT_ELIGIBLE",
        /// No room is assigned.
        RoomUnassigned = "ROOM_UNASSIGNED",
        /// The room is not mapped to a space.
        RoomNotMapped = "ROOM_NOT_MAPPED",
        /// No lock is installed in the main room.
        NoDeviceInRoom = "NO_DEVICE_IN_ROOM",
        /// It is too early.
        OutsideHorizon = "OUTSIDE_HORIZON",
        /// Access is made at check-in.
        AwaitingCheckIn = "AWAITING_CHECK_IN",
        /// No PIN suits all doors.
        PinUnavailable = "PIN_UNAVAILABLE",
    }
}

impl WithheldCode {
    /// Whether the stay is over for good unless the PMS says otherwise.
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::Canceled | Self::NoShow | Self::CheckedOut | Self::Departed
        )
    }
}
