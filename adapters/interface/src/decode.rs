//! Shows how an adapter reads a payload of its vendor's, for support and for partners.

use serde_json::Value;

/// The part of an app that reads payloads aloud. It reads with the very functions the adapter reads
/// with, and needs neither credentials nor a connection.
///
/// Secrets are never shown: where one stands, `"<set>"` does.
pub trait Decode: Send + Sync {
    /// What can be read.
    fn kinds(&self) -> Vec<Kind>;
    /// How a payload of this kind is read, in Portal's words: what was read, and what was set aside
    /// with its path and the reason.
    fn decode(&self, kind: &str, payload: &[u8]) -> Result<Value, Undecoded>;
}

/// One kind of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Short name, for example `reservations`.
    pub name: &'static str,
    /// What it is at the vendor.
    pub about: &'static str,
}

/// One item that was set aside: where, and why. Never what stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Path of what could not be read, for example `Reservations[3].ScheduledStartUtc`.
    pub at: String,
    /// What is wrong there, as the rest of a sentence: `is missing`.
    pub why: &'static str,
}

/// Why a payload is not read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecoded {
    /// The app has no such kind.
    #[error("there is no such kind of payload")]
    Kind,
    /// It is larger than any answer the adapter reads.
    #[error("the payload is larger than 10 MB, which is more than Portal reads of any answer")]
    TooLarge,
    /// It is not what the vendor's contract says.
    #[error("the payload cannot be read: {at} {why}")]
    Unreadable {
        /// Path of what could not be read; `$`: all of it. Never its value.
        at: String,
        /// What is wrong there, as the rest of a sentence.
        why: &'static str,
    },
}
