//! The log: to standard error, as text or as JSON lines. Secrets never reach it.

use tracing_subscriber::EnvFilter;

/// Starts the log. `PORTAL_LOG` chooses what is written (default `info`), `PORTAL_LOG_FORMAT=json`
/// how.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("PORTAL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var("PORTAL_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.init();
    }
    // A panic's text may quote what it was working on: only its place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(|| "unknown".to_owned(), ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}
