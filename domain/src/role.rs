//! Who may do what. The tables of the design stand here once; the API only asks.

use crate::code::codes;

codes! {
    /// What a person is at a property.
    Role {
        /// May do everything.
        Owner = "OWNER",
        /// Runs the property; trusted with the Apps tab.
        GeneralManager = "GENERAL_MANAGER",
        /// Works the desk: reservations, keychains, PINs.
        Team = "TEAM",
        /// Sees rooms, times and keychains, no names.
        Housekeeping = "HOUSEKEEPING",
        /// Installs devices.
        Installer = "INSTALLER",
    }
}

codes! {
    /// Something a caller may be allowed to do at a property.
    Permission {
        /// Use the Apps tab: see the catalogue and accounts, connect, repair and disconnect.
        Apps = "APPS",
        /// Read the audit log.
        AuditRead = "AUDIT_READ",
        /// Read devices.
        DevicesRead = "DEVICES_READ",
        /// Install, remove and rename devices.
        DevicesWrite = "DEVICES_WRITE",
        /// Erase the guest of a stay that is over, before the time.
        Erase = "ERASE",
        /// Follow the log, as far as the other permissions reach.
        EventsRead = "EVENTS_READ",
        /// Put a property into live operation, or take it out.
        GoLive = "GO_LIVE",
        /// Read the names of guests.
        GuestsRead = "GUESTS_READ",
        /// See which integrations there are and how they stand.
        IntegrationsRead = "INTEGRATIONS_READ",
        /// Read keychains, without PINs.
        KeychainsRead = "KEYCHAINS_READ",
        /// Revoke and reinstate keychains, rotate PINs, retry and refresh.
        KeychainsWrite = "KEYCHAINS_WRITE",
        /// See a PIN, with a reason and on record.
        PinsReveal = "PINS_REVEAL",
        /// Read and change the access policy.
        PolicyManage = "POLICY_MANAGE",
        /// Read and dismiss problems.
        Problems = "PROBLEMS",
        /// Read reservations in full, with why they are withheld.
        ReservationsRead = "RESERVATIONS_READ",
        /// Read rooms and spaces.
        RoomsRead = "ROOMS_READ",
        /// Create and link spaces, map rooms.
        SpacesWrite = "SPACES_WRITE",
        /// Read times and rooms of reservations.
        StaysRead = "STAYS_READ",
    }
}

impl Role {
    /// Whether the role allows it.
    pub const fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Owner => true,
            Self::GeneralManager => !matches!(permission, P::AuditRead | P::Erase | P::GoLive),
            Self::Team => matches!(
                permission,
                P::DevicesRead
                    | P::EventsRead
                    | P::GuestsRead
                    | P::IntegrationsRead
                    | P::KeychainsRead
                    | P::KeychainsWrite
                    | P::PinsReveal
                    | P::Problems
                    | P::ReservationsRead
                    | P::RoomsRead
                    | P::StaysRead
            ),
            Self::Housekeeping => matches!(
                permission,
                P::DevicesRead | P::EventsRead | P::KeychainsRead | P::RoomsRead | P::StaysRead
            ),
            Self::Installer => matches!(
                permission,
                P::DevicesRead | P::DevicesWrite | P::EventsRead | P::Problems | P::RoomsRead
            ),
        }
    }
}

impl Permission {
    /// Those a program may be given. Apps, policy, spaces, problems and audit are for people.
    pub const GRANTABLE: &'static [Self] = &[
        Self::DevicesRead,
        Self::DevicesWrite,
        Self::EventsRead,
        Self::GuestsRead,
        Self::KeychainsRead,
        Self::KeychainsWrite,
        Self::PinsReveal,
        Self::ReservationsRead,
        Self::RoomsRead,
        Self::StaysRead,
    ];
}
