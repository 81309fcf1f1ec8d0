//! Faults to order, and the count of calls.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Reading the site.
    Site,
    /// Reading its locks.
    Locks,
    /// Reading the codes of a lock.
    Codes,
    /// Setting a code.
    Put,
    /// Taking a code off.
    Delete,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    /// It is answered with this status and not carried out.
    Status {
        /// The status.
        status: u16,
    },
    /// It is answered with 429.
    TooMany {
        /// How long to wait, in the header of the answer.
        seconds: u32,
    },
    /// It is answered with a page instead of data.
    Html,
    /// It is carried out after a while.
    Delay {
        /// How long.
        millis: u32,
    },
    /// The connection ends, and nothing is carried out.
    Cut,
    /// It is carried out, and the connection ends before the answer.
    CommitThenDrop,
    /// It is answered as if it had been carried out.
    Lose,
}

/// An answer written by a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripted {
    /// Status.
    pub status: u16,
    /// Headers besides the usual.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

impl Fault {
    /// How long it holds the request up.
    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Delay { millis } => Duration::from_millis(millis.into()),
            _ => Duration::ZERO,
        }
    }
}

/// Faults that wait for their requests.
#[derive(Clone, Default)]
pub(super) struct Faults(Vec<Planned>);

#[derive(Clone)]
struct Planned {
    fault: Fault,
    on: Option<Operation>,
    times: u32,
}

impl Faults {
    pub(super) fn plan(&mut self, fault: Fault, on: Option<Operation>, times: u32) {
        self.0.push(Planned { fault, on, times });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many have not happened yet.
    pub(super) fn left(&self) -> u32 {
        self.0.iter().map(|planned| planned.times).sum()
    }

    /// The fault for a request, the one ordered first.
    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        self.0.retain(|planned| planned.times > 0);
        let planned = self
            .0
            .iter_mut()
            .find(|planned| planned.on.is_none_or(|on| on == operation))?;
        planned.times -= 1;
        Some(planned.fault)
    }
}

/// How often each kind of request came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Reading the site.
    pub site: u32,
    /// Reading its locks.
    pub locks: u32,
    /// Reading the codes of a lock.
    pub codes: u32,
    /// Setting a code.
    pub put: u32,
    /// Taking a code off.
    pub delete: u32,
}

impl Calls {
    /// All of them.
    pub fn total(self) -> u32 {
        self.site + self.locks + self.codes + self.writes()
    }

    /// Those that write.
    pub fn writes(self) -> u32 {
        self.put + self.delete
    }

    pub(super) fn count(&mut self, operation: Operation) {
        *match operation {
            Operation::Site => &mut self.site,
            Operation::Locks => &mut self.locks,
            Operation::Codes => &mut self.codes,
            Operation::Put => &mut self.put,
            Operation::Delete => &mut self.delete,
        } += 1;
    }
}
