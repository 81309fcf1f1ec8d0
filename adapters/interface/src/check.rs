//! Tries everything an adapter reads, once, for whoever sets a server up.

use crate::{Account, AdapterError, Opens, SetAside};
use async_trait::async_trait;
use std::time::Duration;

/// The part of an app that tries credentials and each operation it reads. It writes nothing.
#[async_trait]
pub trait Check: Send + Sync {
    /// Tries the credentials, then each operation once. What cannot be asked without the answer to
    /// another is not asked where that failed.
    async fn check(&self, account: &Account) -> Checked;
}

/// What came of a check.
#[derive(Debug)]
pub struct Checked {
    /// What the credentials open; `None` where they were not accepted.
    pub opens: Option<Opens>,
    /// One for each operation, the trial of the credentials first.
    pub probes: Vec<Probe>,
}

/// One operation and what came of it.
#[derive(Debug)]
pub struct Probe {
    /// The vendor's name of it.
    pub operation: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the answer took.
    pub took: Duration,
    /// Status of the answer; `None` where there was none.
    pub status: Option<u16>,
    /// The vendor's number for the request, to quote to its support.
    pub request_id: Option<String>,
}

/// What came of one operation.
#[derive(Debug)]
pub enum Outcome {
    /// It worked.
    Read {
        /// How many items of its first page could be read.
        items: usize,
        /// Those that could not.
        set_aside: Vec<SetAside>,
        /// Whether there are more pages.
        more: bool,
    },
    /// It did not.
    Failed(AdapterError),
    /// It was not tried.
    NotAsked(NotAsked),
}

/// Why an operation was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAsked {
    /// Another operation failed that it needs the answer of.
    Needs(&'static str),
    /// Another operation found nothing to ask about.
    Empty(&'static str),
}
