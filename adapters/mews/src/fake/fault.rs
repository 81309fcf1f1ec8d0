//! Faults to order.

use serde::{Deserialize, Serialize};
use std::time::Duration;

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
        /// How long to wait, in the header of the answer. `None`: no header, as Mews does at times.
        seconds: Option<u32>,
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
#[derive(Default)]
pub(super) struct Faults(Vec<Planned>);

struct Planned {
    fault: Fault,
    /// The operation; `None`: any.
    on: Option<String>,
    times: u32,
}

impl Faults {
    pub(super) fn plan(&mut self, fault: Fault, on: Option<&str>, times: u32) {
        let on = on.map(ToOwned::to_owned);
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
    pub(super) fn next(&mut self, operation: &str) -> Option<Fault> {
        self.0.retain(|planned| planned.times > 0);
        let fits = |planned: &&mut Planned| planned.on.as_deref().is_none_or(|on| on == operation);
        let planned = self.0.iter_mut().find(fits)?;
        planned.times -= 1;
        Some(planned.fault)
    }
}
