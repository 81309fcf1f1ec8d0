//! What holds when things go wrong: Portal killed, calls lost, steps repeated, databases restarted.

mod always;
mod differences;
mod fleet;
mod histories;
mod house;
mod kills;
mod proxy;
mod restarts;
mod steps;
mod trouble;
pub(crate) mod world;

/// A count a person may raise for a long run.
pub(crate) fn count(variable: &str, usual: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

/// The seed of a random test: the one a person gives, or a new one.
pub(crate) fn seed(variable: &str) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random)
}
