//! The suite every PMS adapter passes, and what it says of broken ones.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be had ends the test, in helpers as well"
)]

mod mutants;
mod stage;

use portal_interface::conformance;
use std::collections::BTreeSet;

/// Whatever does not apply to a PMS without a network is said, and nothing else is skipped.
#[tokio::test]
async fn the_demo_pms_does_what_every_pms_does() {
    let report = conformance::pms(stage::open).await;
    report.assert();
    assert_eq!(
        report.skipped(),
        ["CRED-2", "HOOK-1", "CALL-1", "CALL-2"],
        "{report}"
    );
    assert_eq!(
        report.passed(),
        [
            "FORM-1", "CRED-1", "CRED-3", "ROOM-1", "PULL-1", "PULL-2", "PULL-3", "PULL-4",
            "PULL-5", "STAY-1", "PIN-1", "PIN-2", "PIN-3", "PIN-4", "LEAK-1"
        ],
        "{report}"
    );
    let reasons: BTreeSet<&str> = report
        .left_out()
        .iter()
        .map(|(_, why)| why.as_str())
        .collect();
    let expected = [
        "a token opens one house",
        "everything in its book can be read",
        "it has no network",
        "it sells nothing without a door",
        "its bookings name no companies",
        "its rooms are told all at once",
        "its rooms stand where they stand",
        "its states are all described",
    ];
    assert_eq!(reasons, BTreeSet::from(expected), "{report}");
}
