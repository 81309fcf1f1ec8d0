//! Portal as it is, with the places at which a test makes it die compiled in, and a clock that a
//! test can move on.

use chrono::{DateTime, Duration, Utc};
use portal_interface::{Clock, SystemClock};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The machine's clock and the microseconds in a file.
#[derive(Debug)]
struct FileClock(PathBuf);

impl Clock for FileClock {
    fn now(&self) -> DateTime<Utc> {
        let ahead = std::fs::read_to_string(&self.0).ok();
        let ahead = ahead.and_then(|text| text.parse().ok()).unwrap_or(0);
        SystemClock.now() + Duration::microseconds(ahead)
    }
}

fn main() -> ExitCode {
    let clock: Arc<dyn Clock> = match std::env::var_os("PORTAL_CLOCK_FILE") {
        Some(file) => Arc::new(FileClock(file.into())),
        None => Arc::new(SystemClock),
    };
    // Due work is looked for often, as a test moves the clock on instead of waiting.
    portal::command::main(clock, std::time::Duration::from_millis(200))
}
