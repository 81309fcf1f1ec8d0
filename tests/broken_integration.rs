//! A token revoked in Mews: Broken, what that does and does not do, and mending it.

use crate::harness::{Portal, shown};
use chrono::Duration;
use portal_mews::fake::{Booking, Fault};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_later_revoked_in_mews_eventually_turns_the_status_to_broken() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    portal.mews.revoke_token(&hotel.token);
    assert_eq!(
        hotel.status().await,
        "CONNECTED",
        "status updates are not instantaneous"
    );
    // The next look at the reservations is refused, which asks for a check: one refusal.
    portal.next_look().await;
    assert_eq!(
        hotel.status().await,
        "CONNECTED",
        "one refusal is not enough"
    );
    portal.later(Duration::seconds(95)).await;
    let integration = hotel.integration().await;
    assert_eq!(integration["status"], json!("BROKEN"));
    assert_eq!(integration["statusReason"], json!("TOKEN_REFUSED"));
    assert_eq!(integration["fix"], json!("integrationReconnect"));
    let message = "Mews no longer accepts the token. Get a new one from the Mews Marketplace and paste it here.";
    assert_eq!(integration["statusMessage"], json!(message));
    let query =
        "query($id: ID!) { property(id: $id) { problems { nodes { key critical message } } } }";
    let problems = hotel
        .sign_in()
        .await
        .run(query, json!({ "id": hotel.id }))
        .await;
    assert_eq!(
        problems["property"]["problems"]["nodes"][0]["key"],
        json!("integration.broken")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_says_nothing_about_the_token_never_breaks_anything() {
    let portal = Portal::start().await;
    let mut hotel = portal.house("Aurora", &[]).await;
    for fault in [
        Fault::Status { status: 500 },
        Fault::Status { status: 403 },
        Fault::Status { status: 408 },
        Fault::Status { status: 404 },
        Fault::TooMany { seconds: Some(1) },
        Fault::Html,
        Fault::Cut,
    ] {
        portal.mews.inject(fault, None, 1_000);
        for _ in 0..5 {
            portal.later(Duration::minutes(16)).await;
        }
        portal.mews.clear_faults();
        // The session has run out meanwhile.
        hotel.owner = hotel.sign_in().await;
        assert_eq!(
            hotel.integration().await["status"],
            json!("CONNECTED"),
            "{fault:?}"
        );
    }
    // A refusal of another operation is no verdict either: the check says so.
    portal.mews.inject(
        Fault::Status { status: 401 },
        Some("reservations/getAll/2023-06-06"),
        20,
    );
    for _ in 0..20 {
        portal.later(Duration::minutes(2)).await;
    }
    let hotel_now = hotel.sign_in().await;
    let query = "query($id: ID!) { property(id: $id) { pmsIntegration { status } } }";
    let answer = hotel_now.run(query, json!({ "id": hotel.id })).await;
    assert_eq!(
        answer["property"]["pmsIntegration"]["status"],
        json!("CONNECTED")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_broken_nothing_syncs_guests_keep_their_keys_and_a_new_token_mends_it() {
    let portal = Portal::start().await;
    let mut hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("1", Some("101"));
    hotel.book("2", Some("102"));
    portal.next_look().await;
    assert_eq!(hotel.access("1").await.0, "TRANSFERRED");
    assert_eq!(
        hotel.access("2").await,
        ("WITHHELD".into(), "ROOM_NOT_MAPPED".into())
    );
    let pin = hotel.reveal("1").await;

    portal.mews.revoke_token(&hotel.token);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    hotel.owner = hotel.sign_in().await;
    assert_eq!(hotel.status().await, "BROKEN");
    assert_eq!(
        hotel.access("1").await.0,
        "TRANSFERRED",
        "the guest keeps the key"
    );
    assert_eq!(
        hotel.access("2").await,
        ("WITHHELD".into(), "INTEGRATION_BROKEN".into())
    );
    let message = hotel.reservation("2").await["withheld"]["message"].clone();
    assert_eq!(
        message,
        json!("The connection to Mews is broken. Paste a new token.")
    );

    // Booked and changed while nobody listens.
    let now = portal.env.now();
    let stay = Booking::new(now + Duration::days(9), now + Duration::days(10));
    portal
        .mews
        .book(&hotel.enterprise, &stay.number("3").room("101"));
    let calls = portal.mews.calls_of("reservations/getAll/2023-06-06");
    portal.later(Duration::minutes(10)).await;
    assert_eq!(
        portal.mews.calls_of("reservations/getAll/2023-06-06"),
        calls
    );
    assert_eq!(hotel.reservation("3").await, Value::Null);

    // The token of another property does not mend it.
    let other = portal.mews.add_enterprise("Borealis", "Europe/Prague");
    let answer = hotel.reconnect(&shown(&other.access_token)).await;
    let expected = json!([{ "field": "accessToken", "code": "WRONG_ACCOUNT",
        "message": "This token belongs to Borealis, but this property is linked to Aurora. Use a token of Aurora." }]);
    assert_eq!(answer["userErrors"], expected);
    assert_eq!(hotel.status().await, "BROKEN");

    let token = portal.mews.add_access_token(&hotel.enterprise);
    let answer = hotel.reconnect(&shown(&token)).await;
    assert_eq!(answer["userErrors"], json!([]));
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
    assert_eq!(
        hotel.integration().await["sync"]["state"],
        json!("CATCHING_UP")
    );
    portal.settle().await;
    assert_eq!(hotel.integration().await["sync"]["state"], json!("CURRENT"));
    assert_eq!(
        hotel.access("3").await.0,
        "TRANSFERRED",
        "what was missed has been read"
    );
    assert_eq!(hotel.access("2").await.1, "ROOM_NOT_MAPPED");
    assert_eq!(hotel.reveal("1").await, pin);
    assert_eq!(hotel.in_mews("1"), [pin]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_can_be_replaced_and_a_bad_one_changes_nothing() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let answer = hotel.reconnect("WRONG").await;
    assert_eq!(answer["userErrors"][0]["code"], json!("TOKEN_REFUSED"));
    assert_eq!(hotel.status().await, "CONNECTED");
    let token = portal.mews.add_access_token(&hotel.enterprise);
    hotel.reconnect(&shown(&token)).await;
    let integration = hotel.integration().await;
    assert_eq!(integration["credential"]["version"], json!(2));
    portal.mews.revoke_token(&hotel.token);
    portal.later(Duration::minutes(20)).await;
    assert_eq!(
        hotel.status().await,
        "CONNECTED",
        "the old token is used no more"
    );
    // No verdict about a new one leaves the old one in use.
    portal
        .mews
        .inject(Fault::Status { status: 503 }, Some("configuration/get"), 1);
    let third = portal.mews.add_access_token(&hotel.enterprise);
    let answer = hotel.reconnect(&shown(&third)).await;
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
    assert_eq!(answer["integration"]["candidate"], json!({"version": 3}));
    portal.later(Duration::seconds(11)).await;
    assert_eq!(hotel.integration().await["credential"]["version"], json!(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_of_refusals_accuses_the_server_and_breaks_no_hotel() {
    let portal = Portal::start().await;
    let mut hotels = Vec::new();
    for name in ["Aurora", "Borealis", "Corona", "Dawn"] {
        hotels.push(portal.hotel(name).await.with_mews().await);
    }
    for hotel in &hotels[..3] {
        portal.mews.revoke_token(&hotel.token);
    }
    // The fourth is silent, so that nothing proves the server's own credentials alive.
    portal.mews.revoke_token(&hotels[3].token);
    for _ in 0..4 {
        portal.later(Duration::seconds(95)).await;
    }
    let problems = "query($id: ID!) { property(id: $id) { problems { nodes { key fix } } } }";
    for hotel in &hotels {
        assert_eq!(hotel.status().await, "CONNECTED");
        let seen = hotel.ask(problems, json!({ "id": hotel.id })).await;
        let told = &seen["property"]["problems"]["nodes"];
        assert_eq!(told[0]["key"], json!("integration.server_suspect"));
        assert_eq!(told[0]["fix"], json!("integrationValidate"));
    }
}
