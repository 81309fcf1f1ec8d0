//! Portal's words and decisions. Pure: no I/O, no async, no clock; chance comes in as an argument.
//!
//! [`access::decide`] says which keychain should exist for a reservation, or why none should.
//! [`pin::allocate`] chooses the digits.

pub mod access;
pub mod arrival;
pub mod checklist;
pub mod closure;
mod code;
mod device;
mod effect;
mod event;
mod id;
mod integration;
mod keychain;
pub mod local;
pub mod mapping;
pub mod pin;
mod plan;
mod policy;
mod reservation;
mod role;
mod room;
pub mod slots;
#[cfg(feature = "sql")]
pub mod sql;
pub mod validity;

pub use code::UnknownCode;
pub use device::{DeviceConnectivity, DeviceRule, Lead, ReadBack};
pub use effect::{
    ConfirmationHow, DevicePinStatus, Drift, EffectError, PinPushStatus, PinPushWait,
};
pub use event::{ActorKind, EventKind, SubjectKind};
pub use id::*;
pub use integration::{
    AppCategory, CredentialState, IntegrationStatus, IntegrationStatusReason, SyncState,
    ValidationOutcome, ValidationTrigger,
};
pub use keychain::{KeychainDoorRole, KeychainProvisioning, KeychainStatus};
pub use plan::PlanOperation;
pub use policy::{
    AccessIssueAt, AccessOnCheckOut, PinPushWhen, Policy, PropertyMode, RETENTION_DAYS,
};
pub use reservation::{ReservationState, ReservationTransfer, WithheldCode};
pub use role::{Permission, Role};
pub use room::{RoomKind, SpaceKind};

/// A half-open span of time: `from` included, `until` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// First instant inside.
    pub from: chrono::DateTime<chrono::Utc>,
    /// First instant after.
    pub until: chrono::DateTime<chrono::Utc>,
}

impl Window {
    /// Whether nothing lies inside.
    pub fn is_empty(&self) -> bool {
        self.from >= self.until
    }

    /// Whether the instant lies inside.
    pub fn contains(&self, at: chrono::DateTime<chrono::Utc>) -> bool {
        self.from <= at && at < self.until
    }

    /// The smallest window that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            until: self.until.max(other.until),
        }
    }
}
