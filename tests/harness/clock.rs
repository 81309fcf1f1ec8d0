//! The clock of a test: it stands still until told to move, or runs on from where it stood.

use chrono::{DateTime, Duration, Utc};
use portal_interface::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// See above.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Stand>);

#[derive(Debug)]
enum Stand {
    Still(DateTime<Utc>),
    /// Runs so far from the machine's clock, which other processes read in a file.
    Running {
        ahead: Duration,
        file: PathBuf,
    },
}

impl TestClock {
    /// One that stands.
    pub(crate) fn at(at: DateTime<Utc>) -> Self {
        Self(Mutex::new(Stand::Still(at)))
    }

    fn stand(&self) -> std::sync::MutexGuard<'_, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves it on, or back with a negative length.
    pub(crate) fn advance(&self, by: Duration) {
        match &mut *self.stand() {
            Stand::Still(at) => *at += by,
            Stand::Running { ahead, file } => {
                *ahead += by;
                tell(file, *ahead);
            }
        }
    }

    /// Lets it run from where it stands, and tells other processes in `file`.
    pub(crate) fn run(&self, file: PathBuf) {
        let ahead = self.now() - SystemClock.now();
        tell(&file, ahead);
        *self.stand() = Stand::Running { ahead, file };
    }
}

/// Replaces the file at once: a reader meets the old text or the new.
fn tell(file: &std::path::Path, ahead: Duration) {
    let next = file.with_extension("next");
    let micros = ahead.num_microseconds().expect("a span of this age");
    std::fs::write(&next, micros.to_string()).expect("the clock's file");
    std::fs::rename(next, file).expect("the clock's file");
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        match &*self.stand() {
            Stand::Still(at) => *at,
            Stand::Running { ahead, .. } => SystemClock.now() + *ahead,
        }
    }
}
