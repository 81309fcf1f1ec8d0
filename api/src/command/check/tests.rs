//! Against the fake Mews.

use super::*;
use portal_interface::{ExposeSecret, SystemClock};
use portal_mews::fake::{FakeMews, Fault, NewEnterprise, Options};
use serde_json::json;
use std::net::SocketAddr;

const CLIENT_TOKEN: &str = "CLIENT-0123456789ABCDEF";
const RESERVATIONS: &str = "reservations/getAll/2023-06-06";

/// A fake with one house.
struct House {
    fake: FakeMews,
    house: NewEnterprise,
}

impl House {
    async fn open() -> Self {
        let options = Options::new(CLIENT_TOKEN.into(), Arc::new(SystemClock));
        let fake = FakeMews::start(SocketAddr::from(([127, 0, 0, 1], 0)), options);
        let fake = fake.await.unwrap();
        let house = fake.add_demo_house("Hotel Aurora", None);
        Self { fake, house }
    }

    async fn check(&self) -> (String, bool) {
        check(self.fake.url(), &self.house.access_token).await
    }
}

fn vendors(url: &str) -> Vendors {
    Vendors {
        mews_client_token: Some(CLIENT_TOKEN.into()),
        mews_client_name: "Portal 0.1.0".to_owned(),
        mews_api_url: url.to_owned(),
        mews_webhook_secrets: None,
        virtual_locks_url: None,
        demo_app: false,
    }
}

async fn check(url: &str, token: &SecretString) -> (String, bool) {
    let checked = mews(&vendors(url), token, Arc::new(SystemClock)).await;
    let (report, worked) = checked.unwrap();
    assert!(!report.contains(CLIENT_TOKEN), "{report}");
    assert!(!report.contains(token.expose_secret()), "{report}");
    (report, worked)
}

/// The row of an operation: result, items and set aside.
fn cells<'a>(report: &'a str, operation: &str) -> Vec<&'a str> {
    let row = report.lines().find(|line| line.starts_with(operation));
    let cells = row.unwrap_or_else(|| panic!("{operation}: {report}"));
    let cells = cells.trim_start_matches(operation);
    cells.split_whitespace().take(3).collect()
}

#[tokio::test]
async fn every_operation_is_read_once_and_nothing_is_written() {
    let house = House::open().await;
    let (report, worked) = house.check().await;
    assert!(worked, "{report}");
    assert!(report.contains("opens Hotel Aurora ("), "{report}");
    let calls = house.fake.calls();
    for (operation, count) in &calls {
        assert_eq!(*count, 1, "{operation}");
        let is_read = operation.contains("/get");
        assert!(is_read, "{operation}");
        assert_eq!(cells(&report, operation)[0], "worked", "{report}");
    }
    assert!(
        house.fake.refused().is_empty(),
        "{:?}",
        house.fake.refused()
    );
    let rows = report.lines().filter(|line| line.contains("/get"));
    assert_eq!(rows.count(), 9, "{report}");
}

#[tokio::test]
async fn a_bad_token_is_told_as_one_and_nothing_else_is_asked() {
    let house = House::open().await;
    let (report, worked) = check(house.fake.url(), &"WRONG".into()).await;
    assert!(!worked);
    assert_eq!(cells(&report, "configuration/get")[0], "FAILED");
    assert!(
        report.contains("Mews refused the tokens. Check"),
        "{report}"
    );
    assert!(
        report.contains("1 failed; 8 could not be asked."),
        "{report}"
    );
    let calls: u32 = house.fake.calls().values().sum();
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn an_operation_that_is_not_granted_is_told_as_that() {
    let house = House::open().await;
    house.fake.allow_pins(&house.house.id, false);
    let (report, worked) = house.check().await;
    assert!(!worked);
    assert_eq!(cells(&report, "resourceAccessTokens/getAll")[0], "FAILED");
    assert_eq!(cells(&report, "resources/getAll")[0], "worked");
    let advice = "Mews has not granted this operation to MEWS_CLIENT_TOKEN.";
    assert!(report.contains(advice), "{report}");
    assert!(report.contains("opens Hotel Aurora ("), "{report}");
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_told_as_that() {
    // Port 9 discards, and here nobody listens on it.
    let (report, worked) = check("http://127.0.0.1:9", &"TOKEN".into()).await;
    assert!(!worked);
    let advice = "No connection to http://127.0.0.1:9. Check MEWS_API_URL";
    assert!(report.contains(advice), "{report}");
}

#[tokio::test]
async fn a_token_of_several_properties_is_refused() {
    let house = House::open().await;
    let token = house.fake.add_portfolio_token(&[&house.house.id]);
    let (report, worked) = check(house.fake.url(), &token).await;
    assert!(!worked);
    assert!(report.contains("opens several properties"), "{report}");
}

#[tokio::test]
async fn what_fails_on_the_way_leaves_the_rest_to_be_asked() {
    let house = House::open().await;
    for (fault, advice) in [
        (
            Fault::Status { status: 503 },
            "trouble of its own (status 503)",
        ),
        (
            Fault::Status { status: 302 },
            "sends elsewhere (status 302)",
        ),
        (Fault::Status { status: 404 }, "no such operation at"),
        (
            Fault::Status { status: 400 },
            "declined the request (status 400)",
        ),
        (Fault::Status { status: 408 }, "too heavy"),
        (Fault::TooMany { seconds: Some(7) }, "again in 7 seconds"),
        (Fault::TooMany { seconds: None }, "again in 30 seconds"),
        (Fault::Html, "cannot be read at $"),
        (Fault::Cut, "ended before the answer did"),
    ] {
        house.fake.inject(fault, Some("services/getAll"), 1);
        let (report, worked) = house.check().await;
        assert!(!worked);
        assert!(report.contains(advice), "{advice}: {report}");
        assert_eq!(cells(&report, "services/getAll")[0], "FAILED");
        assert_eq!(
            cells(&report, "resourceCategories/getAll")[..2],
            ["not", "asked"]
        );
        assert_eq!(cells(&report, RESERVATIONS)[0], "worked");
    }
}

#[tokio::test]
async fn reservations_set_aside_are_counted_and_listed() {
    let house = House::open().await;
    let enterprise = &house.house.id;
    let now = SystemClock.now();
    let item = json!({
        "Id": "0f515589-99b4-423d-b83a-b237009f0509",
        "State": "Confirmed",
        "ScheduledStartUtc": now,
        "ScheduledEndUtc": now + chrono::Duration::days(1),
        "Number": { "no": "text" },
    });
    house.fake.add_raw_reservation(enterprise, item);
    let (report, worked) = house.check().await;
    assert!(worked, "{report}");
    assert_eq!(cells(&report, RESERVATIONS)[2], "1", "{report}");
    assert!(report.contains(".Number is no text"), "{report}");
}

#[tokio::test]
async fn a_missing_token_is_told_before_anything_is_asked() {
    let clock = || Arc::new(SystemClock);
    let mut vendors = vendors("http://127.0.0.1:9");
    for (token, word) in [
        ("", "no access token"),
        (" \u{200b}\n", "no access token"),
        ("tökén", "accented"),
    ] {
        let error = mews(&vendors, &token.into(), clock()).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    vendors.mews_client_token = None;
    let error = mews(&vendors, &"TOKEN".into(), clock()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("MEWS_CLIENT_TOKEN must be set")
    );
}
