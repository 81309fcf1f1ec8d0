//! Words about keychains, and what is computed rather than stored.

use crate::code::codes;
use crate::{DevicePinStatus, Window};
use chrono::{DateTime, Utc};

codes! {
    /// Where a keychain is in its life.
    KeychainStatus {
        /// Not valid yet.
        Upcoming = "UPCOMING",
        /// Valid now.
        Current = "CURRENT",
        /// Over.
        Past = "PAST",
        /// Taken away.
        Revoked = "REVOKED",
    }
}

impl KeychainStatus {
    /// Reads the status off the clock.
    pub fn at(now: DateTime<Utc>, window: Window, revoked: bool) -> Self {
        if revoked {
            Self::Revoked
        } else if now < window.from {
            Self::Upcoming
        } else if now < window.until {
            Self::Current
        } else {
            Self::Past
        }
    }

    /// Whether it will open no door any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Past | Self::Revoked)
    }
}

codes! {
    /// Why a keychain opens a door.
    KeychainDoorRole {
        /// The main room.
        Main = "MAIN",
        /// A room the main room is part of.
        Parent = "PARENT",
        /// A common area linked to the main room.
        Common = "COMMON",
    }
}

codes! {
    /// How far the locks have got with a keychain.
    KeychainProvisioning {
        /// No door has it yet.
        Pending = "PENDING",
        /// Some doors have the PIN, not all.
        Partial = "PARTIAL",
        /// Every door has it.
        Provisioned = "PROVISIONED",
        /// Over, and at least one door still has to forget it.
        Removing = "REMOVING",
        /// Over, and some lock cannot forget it before a known time.
        Residual = "RESIDUAL",
        /// Over, and every door has forgotten it.
        Removed = "REMOVED",
    }
}

impl KeychainProvisioning {
    /// Sums up how the PIN stands on the devices of all doors.
    pub fn of(over: bool, devices: impl IntoIterator<Item = DevicePinStatus>) -> Self {
        use DevicePinStatus as S;
        let (mut all, mut set, mut removed, mut residual) = (0, 0, 0, 0);
        for device in devices {
            all += 1;
            match device {
                S::Set => set += 1,
                S::Removed => removed += 1,
                S::Residual => residual += 1,
                S::Waiting | S::Sent | S::Blocked | S::Removing => {}
            }
        }
        match (over, all) {
            (true, all) if removed == all => Self::Removed,
            (true, all) if removed + residual == all => Self::Residual,
            (true, _) => Self::Removing,
            (false, all) if all > 0 && set == all => Self::Provisioned,
            (false, _) if set > 0 => Self::Partial,
            (false, _) => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
