//! What can go wrong at a vendor, by what the core does about it.

use std::time::Duration;

/// A call that did not do what it should. A variant for each thing the core does differently.
///
/// No variant holds a body, an address or a token; nothing here has a source, as those of
/// `serde_json` and `reqwest` quote values and addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdapterError {
    /// Wrong, expired or revoked credentials. From `validate` it counts towards Broken; from any
    /// other call it only asks for a validation.
    #[error("the vendor refused the credentials")]
    Unauthorized,
    /// Understood and declined: the same request will be declined again.
    #[error("the vendor declined the request")]
    Declined {
        /// The vendor's words where it means them for people, at most 300 characters.
        said: Option<String>,
    },
    /// Too many requests.
    #[error("the vendor asked us to slow down")]
    RateLimited {
        /// How long to wait, when the vendor said so.
        retry_after: Option<Duration>,
    },
    /// The answer would be too large or take too long.
    #[error("the vendor asked for a smaller request")]
    TooHeavy,
    /// Reading must start again with a new cursor.
    #[error("the vendor no longer knows the cursor")]
    StaleCursor,
    /// Nobody knows what happened to the request.
    #[error("the vendor could not be reached: {0}")]
    Unreachable(Trouble),
    /// The answer is not what the vendor's contract says.
    #[error("the vendor's answer could not be read at {at}")]
    Unreadable {
        /// Path of the member that could not be read. Never its value.
        at: String,
    },
}

/// Why a vendor could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error("no connection")]
    Connect,
    /// No answer in time.
    #[error("no answer in time")]
    Deadline,
    /// The connection ended in the middle.
    #[error("the connection ended")]
    Cut,
    /// A status that says nothing about the request.
    #[error("status {0}")]
    Status(u16),
}

impl From<portal_faults::Injected> for AdapterError {
    fn from(_: portal_faults::Injected) -> Self {
        Self::Unreachable(Trouble::Cut)
    }
}
