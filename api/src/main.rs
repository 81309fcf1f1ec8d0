//! The one binary.

use portal_interface::SystemClock;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often a server looks for due work.
const SWEEP: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    portal::command::main(Arc::new(SystemClock), SWEEP)
}
