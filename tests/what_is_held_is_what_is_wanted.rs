//! What locks and the PMS hold is read back and compared with what Portal wants: nightly, and when a
//! person asks. What was changed elsewhere is put right, and told.

use crate::harness::{Hotel, Portal, text};
use chrono::{Duration, Timelike};
use portal_virtual::fake::LockCode;
use serde_json::{Value, json};

const COPIES: &str = "query($id: ID!) { property(id: $id) {
    integrations { nodes { comparedAt nextComparisonAt } }
    problems(first: 20) { nodes { key fix message } }
    reservations(transfer: [TRANSFERRED]) { nodes { keychain {
      copies { where verdict why readAt device { name } } } } } } }";

impl Hotel<'_> {
    async fn seen(&self) -> Value {
        let mut answer = self.ask(COPIES, json!({ "id": self.id })).await;
        answer["property"].take()
    }

    /// Where the first stay's PIN is held: place, verdict and why.
    async fn copies(&self) -> Vec<(String, String, String)> {
        let seen = self.seen().await;
        let copies = &seen["reservations"]["nodes"][0]["keychain"]["copies"];
        let told = |copy: &Value| {
            (
                text(&copy["where"]),
                text(&copy["verdict"]),
                text(&copy["why"]),
            )
        };
        copies
            .as_array()
            .expect("a list")
            .iter()
            .map(told)
            .collect()
    }

    async fn compare(&self) {
        let query = "mutation($id: ID!) { pinsCompare(input: {property: $id}) {
            property { id } userErrors { code } } }";
        let answer = self.ask(query, json!({ "id": self.id })).await;
        assert_eq!(answer["pinsCompare"]["userErrors"], json!([]));
        self.portal.settle().await;
    }

    /// After a time, everything is read back.
    async fn compare_after(&self, time: Duration) {
        self.portal.clock.advance(time);
        self.compare().await;
    }

    async fn open_problems(&self) -> Vec<String> {
        let seen = self.seen().await;
        let nodes = seen["problems"]["nodes"].as_array().expect("a list");
        nodes.iter().map(|problem| text(&problem["key"])).collect()
    }
}

/// A hotel with a guest whose PIN is on the lock of room 101 and in Mews, and that lock.
async fn guest<'a>(portal: &'a Portal, name: &str) -> (Hotel<'a>, String) {
    let hotel = portal.hotel(name).await.with_mews().await;
    let lock = hotel.door("101").await;
    hotel.book("1", Some("101"));
    portal.next_look().await;
    (hotel, lock)
}

fn is(place: &str, verdict: &str, why: &str) -> (String, String, String) {
    (place.to_owned(), verdict.to_owned(), why.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_elsewhere_is_put_right() {
    let portal = Portal::start().await;
    let (hotel, lock) = guest(&portal, "Hotel Drift").await;
    let pin = hotel.reveal("1").await;
    let right = [is("lock Lock 101", "MATCH", ""), is("Mews", "MATCH", "")];
    assert_eq!(hotel.copies().await, right);

    // Somebody writes another code over ours on the lock, and into the PMS.
    let ours = portal.locks.codes(&lock).remove(0);
    let other = LockCode {
        pin: "909090".into(),
        ..ours.clone()
    };
    portal.locks.set_code(&lock, &other);
    let entry = portal.mews.pins("1").remove(0);
    portal.mews.edit_pin(&entry.id, "111111");
    hotel.compare_after(Duration::minutes(1)).await;
    assert_eq!(hotel.copies().await, right);
    assert_eq!(hotel.in_mews("1"), [pin.as_str()]);
    assert!(portal.locks.opens(&lock, &pin, ours.from));
    assert!(!portal.locks.opens(&lock, "909090", ours.from));
    assert_eq!(hotel.reveal("1").await, pin, "the guest's PIN stays");

    // Taken away the day after: the same.
    portal.later(Duration::hours(21)).await;
    assert!(portal.locks.drop_code(&lock, &ours.label));
    portal.mews.drop_pin(&portal.mews.pins("1")[0].id);
    hotel.compare_after(Duration::minutes(1)).await;
    assert_eq!(hotel.copies().await, right);
    assert_eq!(hotel.in_mews("1"), [pin.as_str()]);
    assert!(portal.locks.opens(&lock, &pin, ours.from));
    assert_eq!(hotel.open_problems().await, Vec::<String>::new());

    // And again within the hour: now it is for a person to find out who does that.
    assert!(portal.locks.drop_code(&lock, &ours.label));
    portal.mews.edit_pin(&portal.mews.pins("1")[0].id, "222222");
    hotel.compare_after(Duration::hours(1)).await;
    assert_eq!(
        hotel.copies().await,
        [
            is("lock Lock 101", "DRIFTED", "MISSING"),
            is("Mews", "DRIFTED", "CHANGED")
        ]
    );
    let mut problems = hotel.open_problems().await;
    problems.sort_unstable();
    assert_eq!(problems, ["device_pin.drifts", "pin_push.drifts"]);
    // The next day it is written again, and the problems go.
    hotel.compare_after(Duration::hours(21)).await;
    hotel.compare_after(Duration::minutes(1)).await;
    assert_eq!(hotel.copies().await, right);
    assert_eq!(hotel.open_problems().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_there_goes() {
    let portal = Portal::start().await;
    let (hotel, lock) = guest(&portal, "Hotel Back").await;
    let ours = portal.locks.codes(&lock).remove(0);
    let serial = portal.mews.pins("1").remove(0).serial;
    portal.mews.cancel("1", "RequestedByGuest");
    portal.next_look().await;
    assert!(portal.locks.codes(&lock).is_empty());
    assert!(hotel.in_mews("1").is_empty());

    // An old copy of the lock's memory is played back; so is one of the PMS.
    portal.locks.set_code(&lock, &ours);
    portal.mews.add_pin("1", serial.as_deref(), "333333");
    hotel.compare_after(Duration::minutes(1)).await;
    assert!(portal.locks.codes(&lock).is_empty());
    assert!(hotel.in_mews("1").is_empty());

    // A code under our mark that belongs to nothing: a person has to look.
    let stranger = LockCode {
        label: "portal:00000000-0000-0000-0000-000000000001".to_owned(),
        ..ours
    };
    portal.locks.set_code(&lock, &stranger);
    hotel.compare_after(Duration::minutes(1)).await;
    assert_eq!(hotel.open_problems().await, ["device.unknown_code"]);
    portal.locks.drop_code(&lock, &stranger.label);
    hotel.compare_after(Duration::minutes(1)).await;
    assert_eq!(hotel.open_problems().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_done_each_night() {
    let portal = Portal::start().await;
    let (hotel, lock) = guest(&portal, "Hotel Night").await;
    portal.later(Duration::minutes(10)).await;
    let seen = hotel.seen().await;
    for link in seen["integrations"]["nodes"].as_array().expect("a list") {
        let next: chrono::DateTime<chrono::Utc> =
            text(&link["nextComparisonAt"]).parse().expect("a time");
        let there = next.with_timezone(&chrono_tz::Europe::Prague);
        assert!((3..5).contains(&there.hour()), "{there}");
        assert_eq!(link["comparedAt"], Value::Null);
    }
    let ours = portal.locks.codes(&lock).remove(0);
    portal.locks.drop_code(&lock, &ours.label);
    for _ in 0..24 {
        portal.later(Duration::hours(1)).await;
    }
    assert_eq!(portal.locks.codes(&lock).len(), 1);
    let seen = hotel.seen().await;
    for link in seen["integrations"]["nodes"].as_array().expect("a list") {
        assert_ne!(link["comparedAt"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_says_so() {
    let portal = Portal::start().await;
    let (hotel, lock) = guest(&portal, "Hotel Silent").await;
    portal.locks.set_online(&lock, false);
    portal.later(Duration::minutes(20)).await;
    portal.mews.revoke_tokens(&hotel.enterprise);
    portal.later(Duration::minutes(20)).await;
    portal.later(Duration::minutes(2)).await;
    hotel.compare().await;
    assert_eq!(
        hotel.copies().await,
        [
            is("lock Lock 101", "UNREADABLE", "OFFLINE"),
            is("Mews", "UNREADABLE", "INTEGRATION")
        ]
    );
}
