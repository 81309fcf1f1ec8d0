//! The machine's clock, moved on when the walk need not wait.

use chrono::{DateTime, Duration, Utc};
use portal_interface::{Clock, SystemClock};
use std::sync::atomic::{AtomicI64, Ordering};

/// The machine's clock and an offset.
#[derive(Debug, Default)]
pub(crate) struct DemoClock {
    seconds: AtomicI64,
}

impl DemoClock {
    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + Duration::seconds(self.seconds.load(Ordering::Relaxed))
    }
}
