//! The adapter against the fake, over loopback HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be had ends the test, in helpers as well"
)]

mod control;
mod coverage;
mod errors;
mod house;
mod pins;
mod reading;
mod secrets;
mod support;
mod webhooks;
