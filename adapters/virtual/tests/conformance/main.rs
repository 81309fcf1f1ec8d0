//! The suite every adapter of a lock vendor passes, and what it says of broken ones.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be had ends the test, in helpers as well"
)]

mod mutants;
mod stage;

use portal_interface::conformance;

/// All of it, without any part left out but one: no key opens two sites.
#[tokio::test]
async fn virtual_locks_do_what_all_locks_do() {
    let report = conformance::locks(stage::open).await;
    report.assert();
    assert_eq!(report.skipped(), Vec::<&str>::new(), "{report}");
    let left_out = [("CRED-1", "a key opens one site".to_owned())];
    assert_eq!(report.left_out(), left_out, "{report}");
    assert_eq!(report.passed().len(), 10, "{report}");
}
