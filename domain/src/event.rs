//! Words of the log of a property.

use crate::code::codes;

codes! {
    /// Who or what can act.
    ActorKind {
        /// A person signed in to Portal.
        User = "USER",
        /// A partner's program.
        ApiClient = "API_CLIENT",
        /// The person who runs the server.
        Operator = "OPERATOR",
        /// The PMS.
        Pms = "PMS",
        /// A lock or its vendor.
        Lock = "LOCK",
        /// Time that passed.
        Clock = "CLOCK",
        /// Portal itself.
        System = "SYSTEM",
    }
}

codes! {
    /// What an event or problem is about.
    SubjectKind {
        /// An integration.
        Integration = "INTEGRATION",
        /// A room.
        Room = "ROOM",
        /// A space.
        Space = "SPACE",
        /// A device.
        Device = "DEVICE",
        /// A reservation.
        Reservation = "RESERVATION",
        /// A keychain.
        Keychain = "KEYCHAIN",
        /// A PIN.
        Pin = "PIN",
        /// A PIN on a device.
        DevicePin = "DEVICE_PIN",
        /// A PIN in the PMS.
        PinPush = "PIN_PUSH",
        /// A problem.
        Problem = "PROBLEM",
        /// A piece of background work.
        Job = "JOB",
        /// The property itself.
        Property = "PROPERTY",
    }
}

codes! {
    /// What can happen.
    EventKind {
        /// A device was installed.
        DeviceInstalled = "DEVICE_INSTALLED",
        /// A device cannot be reached.
        DeviceOffline = "DEVICE_OFFLINE",
        /// A device can be reached again.
        DeviceOnline = "DEVICE_ONLINE",
        /// A lock refused a PIN for good.
        DevicePinBlocked = "DEVICE_PIN_BLOCKED",
        /// Someone changed a PIN on the lock.
        DevicePinDrifted = "DEVICE_PIN_DRIFTED",
        /// A lock has forgotten a PIN.
        DevicePinRemoved = "DEVICE_PIN_REMOVED",
        /// A lock cannot forget a PIN yet.
        DevicePinResidual = "DEVICE_PIN_RESIDUAL",
        /// A PIN is on the lock.
        DevicePinSet = "DEVICE_PIN_SET",
        /// A device was removed.
        DeviceRemoved = "DEVICE_REMOVED",
        /// The app refuses the token.
        IntegrationBroken = "INTEGRATION_BROKEN",
        /// Everything missed has been read.
        IntegrationCaughtUp = "INTEGRATION_CAUGHT_UP",
        /// An integration was connected.
        IntegrationConnected = "INTEGRATION_CONNECTED",
        /// An integration was disconnected.
        IntegrationDisconnected = "INTEGRATION_DISCONNECTED",
        /// A token was saved and awaits its verdict.
        IntegrationPending = "INTEGRATION_PENDING",
        /// An integration works again.
        IntegrationRecovered = "INTEGRATION_RECOVERED",
        /// A new token is in use.
        IntegrationTokenReplaced = "INTEGRATION_TOKEN_REPLACED",
        /// A keychain was made.
        KeychainCreated = "KEYCHAIN_CREATED",
        /// A keychain became valid.
        KeychainCurrent = "KEYCHAIN_CURRENT",
        /// A keychain leads to other doors.
        KeychainMoved = "KEYCHAIN_MOVED",
        /// A keychain ran out.
        KeychainPast = "KEYCHAIN_PAST",
        /// The locks got further with a keychain.
        KeychainProvisioning = "KEYCHAIN_PROVISIONING",
        /// A keychain was given back.
        KeychainReinstated = "KEYCHAIN_REINSTATED",
        /// The times of a keychain changed.
        KeychainRescheduled = "KEYCHAIN_RESCHEDULED",
        /// A keychain was taken away.
        KeychainRevoked = "KEYCHAIN_REVOKED",
        /// Another keychain replaced it.
        KeychainSuperseded = "KEYCHAIN_SUPERSEDED",
        /// A PIN was chosen.
        PinAllocated = "PIN_ALLOCATED",
        /// Someone changed a PIN in the PMS.
        PinPushDrifted = "PIN_PUSH_DRIFTED",
        /// The PMS declined a PIN.
        PinPushRefused = "PIN_PUSH_REFUSED",
        /// A PIN is gone from the PMS.
        PinPushRemoved = "PIN_PUSH_REMOVED",
        /// A PIN is stored in the PMS.
        PinPushStored = "PIN_PUSH_STORED",
        /// A PIN was replaced.
        PinRotated = "PIN_ROTATED",
        /// A plan was applied.
        PlanApplied = "PLAN_APPLIED",
        /// The property gives access in another way.
        PolicyChanged = "POLICY_CHANGED",
        /// A problem was put aside.
        ProblemDismissed = "PROBLEM_DISMISSED",
        /// A problem came up.
        ProblemRaised = "PROBLEM_RAISED",
        /// A problem went away.
        ProblemResolved = "PROBLEM_RESOLVED",
        /// The property went live, or back into preparation.
        PropertyModeChanged = "PROPERTY_MODE_CHANGED",
        /// A reservation changed in the PMS.
        ReservationChanged = "RESERVATION_CHANGED",
        /// A reservation ended.
        ReservationEnded = "RESERVATION_ENDED",
        /// The guest of a reservation was erased.
        ReservationErased = "RESERVATION_ERASED",
        /// A reservation was given access.
        ReservationTransferred = "RESERVATION_TRANSFERRED",
        /// Access is withheld, or for another reason than before.
        ReservationWithheld = "RESERVATION_WITHHELD",
        /// A room is new or changed.
        RoomChanged = "ROOM_CHANGED",
        /// A room vanished.
        RoomGone = "ROOM_GONE",
        /// A room was mapped.
        RoomMapped = "ROOM_MAPPED",
        /// A mapping was taken away.
        RoomUnmapped = "ROOM_UNMAPPED",
        /// A common area opens together with a main room.
        SpaceLinked = "SPACE_LINKED",
        /// It no longer does.
        SpaceUnlinked = "SPACE_UNLINKED",
    }
}
