//! The same PIN, once, on the lock and in Mews, whatever goes wrong on the way.

use crate::harness::Portal;
use chrono::Duration;
use portal_domain::Role;
use portal_mews::fake::Fault;
use portal_virtual::fake::{Fault as LockFault, Operation};
use serde_json::{Value, json};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_mews_stored_the_pin_leaves_one_entry() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    portal
        .mews
        .inject(Fault::CommitThenDrop, Some("resourceAccessTokens/add"), 1);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let copy = &hotel.reservation("31").await["keychain"]["pmsCopy"];
    assert_eq!(copy["status"], json!("WAITING"));
    assert_eq!(copy["waitingFor"], json!("RETRY"));
    assert_eq!(hotel.in_mews("31").len(), 1);
    portal.later(Duration::seconds(30)).await;
    assert_eq!(
        hotel.reservation("31").await["keychain"]["pmsCopy"]["status"],
        json!("STORED")
    );
    assert_eq!(hotel.in_mews("31"), [hotel.reveal("31").await]);
    assert_eq!(portal.mews.calls_of("resourceAccessTokens/add"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_of_others_in_mews_are_never_touched() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.mews.add_pin("31", None, "9999#");
    portal.mews.add_pin("31", Some("spa"), "8888");
    portal.next_look().await;
    assert_eq!(hotel.in_mews("31").len(), 3);
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let left: HashSet<String> = hotel.in_mews("31").into_iter().collect();
    assert_eq!(left, HashSet::from(["9999#".to_owned(), "8888".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_offline_gets_the_pin_when_it_is_back_and_mews_waits_for_it() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal.locks.set_online(&lock, false);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let stay = hotel.reservation("31").await;
    let keychain = &stay["keychain"];
    assert_eq!(
        stay["transfer"],
        json!("TRANSFERRED"),
        "an offline lock counts"
    );
    assert_eq!(keychain["provisioning"], json!("PENDING"));
    let waiting = json!([{"status": "WAITING", "lastError": "DEVICE_OFFLINE"}]);
    assert_eq!(keychain["doors"][0]["devicePins"], waiting);
    assert_eq!(keychain["pmsCopy"]["waitingFor"], json!("DOOR"));
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(15)).await;
    let stay = hotel.sign_in().await;
    let mut hotel = hotel;
    hotel.owner = stay;
    let keychain = hotel.reservation("31").await["keychain"].clone();
    assert_eq!(keychain["provisioning"], json!("PROVISIONED"));
    assert_eq!(keychain["pmsCopy"]["status"], json!("STORED"));
    assert_eq!(hotel.in_mews("31"), [hotel.reveal("31").await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lock_waits_and_lost_answers_of_a_lock_leave_one_code() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal
        .locks
        .inject(LockFault::CommitThenDrop, Some(Operation::Put), 1);
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.later(Duration::seconds(30)).await;
    assert_eq!(
        hotel.reservation("31").await["keychain"]["provisioning"],
        json!("PROVISIONED")
    );
    assert_eq!(portal.locks.codes(&lock).len(), 1);

    portal.locks.set_max_codes(&lock, 1);
    hotel.book("32", Some("101"));
    portal.next_look().await;
    let door = &hotel.reservation("32").await["keychain"]["doors"][0]["devicePins"];
    assert_eq!(
        *door,
        json!([{"status": "WAITING", "lastError": "DEVICE_FULL"}])
    );
    let first = hotel.reservation("31").await["keychain"]["provisioning"].clone();
    assert_eq!(first, json!("PROVISIONED"), "nobody is pushed out");
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    portal.later(Duration::minutes(15)).await;
    let mut hotel = hotel;
    hotel.owner = hotel.sign_in().await;
    assert_eq!(
        hotel.reservation("32").await["keychain"]["provisioning"],
        json!("PROVISIONED")
    );
    assert_eq!(portal.locks.codes(&lock).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_store_pins_the_guest_still_gets_in() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    portal.mews.allow_pins(&hotel.enterprise, false);
    let mut hotel = hotel.with_mews().await.with_door("101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let keychain = hotel.reservation("31").await["keychain"].clone();
    assert_eq!(keychain["provisioning"], json!("PROVISIONED"));
    assert_eq!(keychain["pmsCopy"], Value::Null);
    let query = "query($id: ID!) { property(id: $id) { problems { nodes { key message } }
        pmsIntegration { status capabilities } } }";
    let answer = hotel.owner.run(query, json!({ "id": hotel.id })).await["property"].take();
    assert_eq!(
        answer["pmsIntegration"],
        json!({"status": "CONNECTED", "capabilities": ["HOOKS"]})
    );
    let expected = json!({"key": "integration.may_not_store_pins",
        "message": "Mews does not let Portal store PINs. Ask your Mews admin for that right."});
    assert_eq!(answer["problems"]["nodes"], json!([expected]));
    // Granted later, the PIN is stored.
    portal.mews.allow_pins(&hotel.enterprise, true);
    portal.later(Duration::hours(30)).await;
    hotel.owner = hotel.sign_in().await;
    hotel.book("32", Some("101"));
    portal.next_look().await;
    assert_eq!(hotel.in_mews("32").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_guests_of_a_house_have_the_same_pin_and_leaving_one_does_not_touch_the_other() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    for number in 0..12 {
        hotel.book(&format!("N{number}"), Some("101"));
    }
    portal.next_look().await;
    let codes = portal.locks.codes(&lock);
    let pins: HashSet<&str> = codes.iter().map(|code| code.pin.as_str()).collect();
    assert_eq!((codes.len(), pins.len()), (12, 12));
    portal.mews.cancel("N3", "Other");
    portal.next_look().await;
    assert_eq!(portal.locks.codes(&lock).len(), 11);
    assert_eq!(hotel.in_mews("N4"), [hotel.reveal("N4").await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_shown_to_who_may_see_it_with_a_reason_and_on_record() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let id = hotel.reservation("31").await["keychain"]["id"].clone();
    let reveal =
        "mutation($id: ID!, $reason: String!) { pinReveal(input: {keychain: $id, reason: $reason})
        { code userErrors { code } } }";
    let why = json!({ "id": id, "reason": "asked at the desk" });
    for role in [Role::Housekeeping, Role::Installer] {
        let person = portal.person(&hotel, role).await;
        assert_eq!(person.refused(reveal, why.clone()).await, "FORBIDDEN");
    }
    let team = portal.person(&hotel, Role::Team).await;
    let blank = team.run(reveal, json!({ "id": id, "reason": " " })).await;
    assert_eq!(
        blank["pinReveal"],
        json!({"code": null, "userErrors": [{"code": "REASON_MISSING"}]})
    );
    let shown = team.run(reveal, why.clone()).await["pinReveal"]["code"].take();
    assert_eq!(json!(hotel.in_mews("31")), json!([shown]));

    let mut conn = portal.env.db.read().await.unwrap();
    let house = portal_store::property::by_id(&mut conn, hotel.property)
        .await
        .unwrap()
        .unwrap();
    let log = portal_store::audit::all(&mut conn, house.organization_id)
        .await
        .unwrap();
    drop(conn);
    let reveals: Vec<_> = log
        .iter()
        .filter(|entry| entry.action == "pinReveal")
        .collect();
    assert_eq!(reveals.len(), 1);
    assert_eq!(reveals[0].actor_name, "TEAM");
    assert_eq!(reveals[0].reason.as_deref(), Some("asked at the desk"));
    // Each line hashes over the line before.
    for pair in log.windows(2) {
        assert_eq!(pair[1].prev_hash, pair[0].hash);
        assert_eq!(pair[1].seq, pair[0].seq + 1);
    }
    assert!(log.iter().all(|entry| entry.hash == entry.digest()));

    // A sign-in of long ago is not enough, and ten a minute are.
    portal.later(Duration::minutes(6)).await;
    assert_eq!(
        team.refused(reveal, why.clone()).await,
        "FRESH_SIGN_IN_REQUIRED"
    );
    let owner = hotel.sign_in().await;
    for _ in 0..10 {
        owner.run(reveal, why.clone()).await;
    }
    let eleventh = owner.run(reveal, why).await["pinReveal"].take();
    assert_eq!(
        eleventh,
        json!({"code": null, "userErrors": [{"code": "TOO_MANY_ATTEMPTS"}]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pin_for_a_key_that_is_kept_takes_the_place_of_the_old_one_everywhere() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book("1", Some("101"));
    portal.mews.check_in("1");
    portal.next_look().await;
    // A room without a lock, then none at all: the guest in the house keeps the key of the old one.
    for room in [Some("103"), None] {
        portal.mews.assign("1", room);
        portal.next_look().await;
        let id = hotel.reservation("1").await["keychain"]["id"].clone();
        let input = json!({ "keychain": id, "reason": "told to others" });
        hotel.tell("pinRotate", input).await;
        portal.settle().await;
        let pin = hotel.reveal("1").await;
        let now = portal.env.now();
        assert!(portal.locks.opens(&lock, &pin, now), "{room:?}");
        let held = portal.mews.pins("1");
        assert_eq!(held.len(), 1, "{room:?}");
        assert_eq!(
            (held[0].value.as_str(), held[0].room.as_deref()),
            (pin.as_str(), Some("101"))
        );
    }
}
