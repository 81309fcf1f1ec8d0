//! The suite every PMS adapter passes, and what it says of broken ones.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be had ends the test, in helpers as well"
)]

mod mutants;
mod stage;

use portal_interface::conformance;

/// All of it, without any part left out.
#[tokio::test]
async fn mews_does_what_every_pms_does() {
    let report = conformance::pms(stage::open).await;
    report.assert();
    assert_eq!(report.skipped(), Vec::<&str>::new(), "{report}");
    assert_eq!(report.left_out(), [], "{report}");
    assert_eq!(report.passed().len(), 19, "{report}");
}
