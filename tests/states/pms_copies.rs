//! The copy of a PIN in the PMS.

use super::is;
use crate::harness::{Portal, shown};
use chrono::Duration;
use portal_mews::fake::Fault;
use serde_json::json;

const ADD: &str = "resourceAccessTokens/add";

#[tokio::test(flavor = "multi_thread")]
async fn other_times_are_written_into_it_and_another_room_replaces_it() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.door("101").await;
    hotel.door("102").await;
    let [from, until] = hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let first = portal.mews.pins("31").remove(0);
    portal.mews.redate("31", from, until + Duration::hours(24));
    portal.next_look().await;
    let [redated] = &portal.mews.pins("31")[..] else {
        panic!("one entry");
    };
    assert_eq!((&redated.id, &redated.value), (&first.id, &first.value));
    assert_eq!(redated.until, until + Duration::hours(24));
    assert_eq!(portal.mews.calls_of(ADD), 1);

    portal.mews.assign("31", Some("102"));
    portal.next_look().await;
    let [moved] = &portal.mews.pins("31")[..] else {
        panic!("one entry");
    };
    assert_ne!(moved.id, first.id);
    assert_eq!(moved.room.as_deref(), Some("102"));
    assert_eq!(moved.value, first.value);
    assert_eq!(hotel.copy("31").await, is("STORED", ""));
    assert_eq!(portal.mews.calls_of(ADD), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_after_the_lock_has_forgotten_or_after_a_quarter_of_an_hour() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    for (number, minutes) in [("31", 8), ("32", 16)] {
        hotel.book_in(number, "101", 5, 50);
        portal.next_look().await;
        assert_eq!(hotel.in_mews(number).len(), 1);
        portal.locks.set_online(&lock, false);
        portal.mews.cancel(number, "Other");
        portal.next_look().await;
        assert_eq!(hotel.copy(number).await.0, "REMOVING");
        assert_eq!(hotel.in_mews(number).len(), 1, "the lock still opens");
        let forgets = minutes < 15;
        portal.locks.set_online(&lock, forgets);
        portal.later(Duration::minutes(minutes)).await;
        assert_eq!(hotel.copy(number).await, is("REMOVED", ""));
        assert_eq!(hotel.in_mews(number), Vec::<String>::new());
        let left = portal.locks.codes(&lock).len();
        assert_eq!(left, usize::from(!forgets), "{minutes}");
        portal.locks.set_online(&lock, true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_link_is_broken_it_waits_and_is_written_once_that_is_mended() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [from, _] = hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let old = hotel.reveal("31").await;
    hotel.break_link().await;
    let keychain = hotel.only_keychain("31").await["id"].clone();
    let input = json!({ "keychain": keychain, "reason": "seen by a stranger" });
    hotel.tell("pinRotate", input).await;
    portal.settle().await;
    let new = hotel.reveal("31").await;
    assert_ne!(new, old);
    assert!(portal.locks.opens(&lock, &new, from), "locks do not wait");
    assert_eq!(hotel.copy("31").await, is("WAITING", "INTEGRATION"));
    assert_eq!(hotel.in_mews("31"), [old]);
    let token = portal.mews.add_access_token(&hotel.enterprise);
    hotel.reconnect(&shown(&token)).await;
    portal.settle().await;
    assert_eq!(hotel.copy("31").await, is("STORED", ""));
    assert_eq!(hotel.in_mews("31"), [new]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_tried_daily_and_the_token_is_not_blamed() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.door("101").await;
    let refused = Fault::Status { status: 401 };
    portal.mews.inject(refused, Some(ADD), 1_000);
    hotel.book_in("31", "101", 72, 96);
    portal.next_look().await;
    portal.later(Duration::minutes(5)).await;
    portal.later(Duration::minutes(5)).await;
    assert_eq!(hotel.copy("31").await, is("WAITING", "PERMISSION"));
    assert_eq!(hotel.status().await, "CONNECTED");
    let tried = portal.mews.calls_of(ADD);
    portal.later(Duration::hours(10)).await;
    assert_eq!(portal.mews.calls_of(ADD), tried, "not again the same day");
    portal.mews.clear_faults();
    portal.later(Duration::hours(20)).await;
    assert_eq!(hotel.copy("31").await, is("STORED", ""));
    assert_eq!(hotel.in_mews("31"), [hotel.reveal("31").await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pms_declined_is_forgotten_with_the_stay() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.door("101").await;
    portal
        .mews
        .inject(Fault::Status { status: 403 }, Some(ADD), 1);
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    assert_eq!(hotel.copy("31").await, is("REFUSED", ""));
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    assert_eq!(hotel.copy("31").await, is("REMOVED", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_door_unless_the_policy_says_otherwise() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal.locks.set_online(&lock, false);
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    assert_eq!(hotel.copy("31").await, is("WAITING", "DOOR"));
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    let early = json!({ "property": hotel.id, "pushWhen": "GRANTED" });
    hotel.tell("policyUpdate", early).await;
    hotel.book_in("32", "101", 5, 50);
    portal.next_look().await;
    assert_eq!(hotel.on_lock("32").await["status"], json!("WAITING"));
    assert_eq!(hotel.copy("32").await, is("STORED", ""));
}
