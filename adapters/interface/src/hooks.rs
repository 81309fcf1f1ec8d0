//! What a vendor says when it calls Portal by itself.

use crate::{AdapterError, VendorId};

/// The part of an app that reads what the vendor delivers to Portal's own address.
pub trait Hooks: Send + Sync {
    /// What a delivery asks to look at again. Pure; the body is a stranger's.
    ///
    /// What is unknown in it (events, members, their order) gives no hint and no error. A secret in
    /// it is skipped, never kept. Only what is no JSON at all is
    /// [`Unreadable`](AdapterError::Unreadable).
    fn read(&self, body: &[u8]) -> Result<Vec<Hint>, AdapterError>;
}

/// Where to look again. It says nothing about what will be found there: anybody who learns the
/// address can send one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The account it is about.
    pub account: Option<VendorId>,
    /// The vendor's identifier of our connection to the account. Some vendors name nothing else.
    pub connection: Option<VendorId>,
    /// At what.
    pub look: Look,
}

/// What to look at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// These reservations.
    Reservations(Vec<VendorId>),
    /// All rooms.
    Rooms,
    /// Whether the credentials are still good.
    Credentials,
}
