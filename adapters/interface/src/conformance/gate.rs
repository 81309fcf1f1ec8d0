//! The gate the adapters under test call through.

use crate::{App, Gate, GateClosed, Reach};
use async_trait::async_trait;
use portal_domain::IntegrationId;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time told to those who are not let through.
pub(super) const WAIT: Duration = Duration::from_secs(3);

/// Counts who passes, and lets something happen each time.
#[derive(Default)]
pub(super) struct Turnstile(Mutex<State>);

#[derive(Default)]
struct State {
    passed: u32,
    /// Permits left; `None`: any number.
    left: Option<u32>,
    closed: Vec<Duration>,
    on_pass: Option<Box<dyn FnMut() + Send>>,
}

impl Turnstile {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many passed.
    pub(super) fn passed(&self) -> u32 {
        self.with(|state| state.passed)
    }

    /// Lets so many more pass; `None`: any number.
    pub(super) fn limit(&self, left: Option<u32>) {
        self.with(|state| state.left = left);
    }

    /// The pauses it was closed for since this was asked last.
    pub(super) fn closed(&self) -> Vec<Duration> {
        self.with(|state| std::mem::take(&mut state.closed))
    }

    /// Lets something happen just before each request from now on.
    pub(super) fn on_pass(&self, act: Option<Box<dyn FnMut() + Send>>) {
        self.with(|state| state.on_pass = act);
    }
}

#[async_trait]
impl Gate for Turnstile {
    async fn pass(&self, _: &'static App, _: IntegrationId) -> Result<(), GateClosed> {
        self.with(|state| {
            if state.left == Some(0) {
                return Err(GateClosed { retry_after: WAIT });
            }
            state.left = state.left.map(|left| left - 1);
            state.passed += 1;
            if let Some(act) = &mut state.on_pass {
                act();
            }
            Ok(())
        })
    }

    async fn close(&self, _: &'static App, _: IntegrationId, pause: Duration) {
        self.with(|state| state.closed.push(pause));
    }

    async fn report(&self, _: &'static App, _: IntegrationId, _: Reach) {}
}
