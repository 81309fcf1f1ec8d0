//! What a vendor of locks implements. The wish is the set of codes of one device.

use crate::{Account, AdapterError, App, Opens, VendorId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portal_domain::DeviceRule;
use secrecy::SecretString;

/// A vendor of locks.
#[async_trait]
pub trait Locks: Send + Sync + 'static {
    /// Its entry in the catalogue.
    fn app(&self) -> &'static App;
    /// Tries the credentials: which account they open.
    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError>;
    /// Every lock of the account.
    async fn devices(&self, account: &Account) -> Result<Vec<Device>, AdapterError>;
    /// Makes the device hold exactly `want` under our marks, removals first. Answers for each mark
    /// wanted, and `Gone` for each entry of ours it took off. Entries without our mark stay.
    async fn put_codes(
        &self,
        account: &Account,
        device: &VendorId,
        want: &[Code],
    ) -> Result<Vec<HeldCode>, AdapterError>;
    /// The reading half alone, and `Differs` for each entry of ours beyond those wanted. Codes are
    /// compared, never returned.
    async fn check_codes(
        &self,
        account: &Account,
        device: &VendorId,
        want: &[Code],
    ) -> Result<Vec<HeldCode>, AdapterError>;
}

/// A lock as its vendor tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The vendor's identifier.
    pub id: VendorId,
    /// Its name there.
    pub name: String,
    /// Whether it can be reached; `None` when the vendor does not tell.
    pub online: Option<bool>,
    /// What codes on it must obey.
    pub rules: Vec<DeviceRule>,
}

/// A code a device shall hold.
#[derive(Debug)]
pub struct Code {
    /// Our name for it: `portal:` and the PIN's id.
    pub mark: String,
    /// The digits.
    pub pin: SecretString,
    /// From when it is valid.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// How one code stands on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCode {
    /// Our name for it.
    pub mark: String,
    /// The vendor's identifier of the entry, where it has one.
    pub id: Option<VendorId>,
    /// How it stands.
    pub is: Held,
}

/// How a code stands on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Taken, not confirmed yet.
    Accepted,
    /// Read back and as wanted.
    Confirmed,
    /// There, but other.
    Differs,
    /// Not there.
    Gone,
    /// Not taken.
    Refused(Refusal),
}

/// Why a device did not take a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No slot is free.
    Full,
    /// Not these digits.
    Code,
    /// Something else, for good.
    Other,
}
