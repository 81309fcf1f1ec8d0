//! The link to the PMS.

use super::is;
use crate::harness::{Portal, shown};
use chrono::Duration;
use portal_mews::fake::{Fault, IntegrationEvent};
use serde_json::{Value, json};

const VALIDATE: &str = "configuration/get";

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_token_without_a_verdict_is_given_up_after_a_day() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    portal
        .mews
        .inject(Fault::Status { status: 503 }, Some(VALIDATE), 100_000);
    let answer = hotel.paste(&shown(&hotel.token)).await;
    assert_eq!(answer["integration"]["status"], json!("PENDING"));
    for _ in 0..23 {
        portal.later(Duration::hours(1)).await;
    }
    assert_eq!(hotel.status().await, "PENDING");
    portal.later(Duration::minutes(70)).await;
    let integration = hotel.integration().await;
    assert_eq!(integration["status"], json!("DISCONNECTED"));
    assert_eq!(integration["candidate"], Value::Null, "the token is erased");
    assert_ne!(integration["statusReason"], Value::Null);
    // The vendor is back: nobody asks it any more.
    portal.mews.clear_faults();
    portal.later(Duration::hours(1)).await;
    assert_eq!(hotel.status().await, "DISCONNECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_token_of_an_account_that_was_taken_meanwhile_is_erased() {
    let portal = Portal::start().await;
    let slow = portal.hotel("Aurora").await;
    portal
        .mews
        .inject(Fault::Status { status: 503 }, Some(VALIDATE), 1);
    slow.paste(&shown(&slow.token)).await;
    assert_eq!(slow.status().await, "PENDING");
    let quick = portal.hotel("Borealis").await;
    let token = portal.mews.add_access_token(&slow.enterprise);
    let answer = quick.paste(&shown(&token)).await;
    assert_eq!(answer["integration"]["status"], json!("CONNECTED"));
    portal.later(Duration::seconds(11)).await;
    let integration = slow.integration().await;
    assert_eq!(integration["status"], json!("DISCONNECTED"));
    assert_eq!(integration["statusReason"], json!("ACCOUNT_ALREADY_LINKED"));
    assert_eq!(integration["candidate"], Value::Null);
    assert_eq!(quick.status().await, "CONNECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_token_mends_it_too_when_the_pms_takes_it_again() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal
        .mews
        .integration_event(&hotel.enterprise, IntegrationEvent::Disabled);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    assert_eq!(hotel.status().await, "BROKEN");
    portal.mews.assign("31", None);
    portal
        .mews
        .integration_event(&hotel.enterprise, IntegrationEvent::Enabled);
    for _ in 0..4 {
        portal.later(Duration::minutes(16)).await;
    }
    assert_eq!(hotel.status().await, "CONNECTED");
    assert_eq!(hotel.integration().await["sync"]["state"], json!("CURRENT"));
    // What was missed has been read.
    assert_eq!(hotel.access("31").await, is("WITHHELD", "ROOM_UNASSIGNED"));
    let arrival = portal.env.now() + Duration::hours(6);
    assert!(!portal.locks.opens(&lock, &pin, arrival));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_disconnecting_keychains_run_to_their_end_and_the_same_account_returns_to_its_rooms()
{
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [_, until] = hotel.book_in("31", "101", 5, 50);
    hotel.book_in("32", "102", 5, 50);
    portal.next_look().await;
    assert_eq!(hotel.access("32").await, is("WITHHELD", "ROOM_NOT_MAPPED"));
    let pin = hotel.reveal("31").await;
    let before = hotel.integration().await["id"].clone();
    // Asked for by someone who signed in a moment ago.
    let owner = hotel.sign_in().await;
    let leave = "mutation($id: ID!) { integrationDisconnect(input: {integration: $id}) {
        userErrors { code } } }";
    let answer = owner.run(leave, json!({ "id": before })).await;
    assert_eq!(answer["integrationDisconnect"]["userErrors"], json!([]));
    portal.settle().await;
    assert_eq!(hotel.access("31").await, is("TRANSFERRED", ""));
    let gone = is("WITHHELD", "INTEGRATION_DISCONNECTED");
    assert_eq!(hotel.access("32").await, gone);
    let almost = until - Duration::seconds(1);
    assert!(portal.locks.opens(&lock, &pin, almost));

    let answer = hotel.paste(&shown(&hotel.token)).await;
    assert_eq!(answer["integration"]["id"], before, "the same row");
    portal.settle().await;
    assert_eq!(hotel.access("32").await, is("WITHHELD", "ROOM_NOT_MAPPED"));
    hotel.book_in("33", "101", 60, 80);
    portal.next_look().await;
    assert_eq!(
        hotel.access("33").await,
        is("TRANSFERRED", ""),
        "the mapping is still there"
    );

    let owner = hotel.sign_in().await;
    owner.run(leave, json!({ "id": before })).await;
    portal.later(until - portal.env.now()).await;
    assert_eq!(hotel.access("31").await, is("ENDED", "DEPARTED"));
    assert_eq!(hotel.stands("31").await, is("PAST", "REMOVED"));
    assert_eq!(portal.locks.codes(&lock).len(), 1, "the next guest's");
}
