//! Payloads, those Mews publishes and those nobody has seen, and how each is read.
//!
//! All of it goes through [`Payloads`], which reads with the functions the adapter itself reads with.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be had ends the test, in helpers as well"
)]

mod examples;
mod generate;
mod json;
mod mutate;
mod mutations;
mod rules;
mod strange;

use portal_interface::{Decode, Undecoded};
use portal_mews::Payloads;
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// Every kind of payload.
const KINDS: &[&str] = &[
    "configuration",
    "services",
    "resource-categories",
    "resource-category-assignments",
    "resources",
    "reservations",
    "customers",
    "companionships",
    "resource-access-tokens",
    "resource-access-token-added",
    "webhook",
];

fn decode(kind: &str, payload: &[u8]) -> Result<Value, Undecoded> {
    Payloads.decode(kind, payload)
}

/// How it is read, or where it cannot be and why.
fn told(kind: &str, payload: &[u8]) -> Result<Value, String> {
    decode(kind, payload).map_err(|error| match error {
        Undecoded::Unreadable { at, why } => format!("{at} {why}"),
        other => other.to_string(),
    })
}

#[test]
fn the_kinds_are_all_there() {
    let kinds: Vec<&str> = Payloads.kinds().iter().map(|kind| kind.name).collect();
    assert_eq!(kinds, KINDS);
}
