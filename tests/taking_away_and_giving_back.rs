//! What people do to keychains: take them away, give them back, give them another PIN.

use crate::harness::{Hotel, Portal, text};
use chrono::Duration;
use portal_domain::Role;
use serde_json::{Value, json};

const REVOKE: &str = "mutation($id: ID!, $reason: String!) { keychainRevoke(input: {keychain: $id, reason: $reason}) {
    keychain { status revocation { by { name } reason } } userErrors { code } } }";
const REINSTATE: &str = "mutation($id: ID!) { keychainReinstate(input: {keychain: $id}) {
    keychain { status } userErrors { code } } }";
const ROTATE: &str = "mutation($id: ID!, $reason: String!, $dry: Boolean!) { pinRotate(input: {keychain: $id,
    reason: $reason, dryRun: $dry}) { keychain { generation } rotation { learning { name } forgetting { name }
    pmsCopy proof { length } } userErrors { code } } }";

async fn house(portal: &Portal) -> (Hotel<'_>, String) {
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    (hotel, lock)
}

async fn keychain(hotel: &Hotel<'_>, number: &str) -> Value {
    let id = hotel.reservation(number).await["keychain"]["id"].clone();
    assert_ne!(id, Value::Null);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_by_staff_outlives_whatever_the_pms_says() {
    let portal = Portal::start().await;
    let (hotel, lock) = house(&portal).await;
    let id = keychain(&hotel, "31").await;
    let pin = hotel.reveal("31").await;
    let arrival = portal.env.now() + Duration::hours(6);
    assert!(portal.locks.opens(&lock, &pin, arrival));

    let blank = hotel.ask(REVOKE, json!({ "id": id, "reason": " " })).await;
    assert_eq!(
        blank["keychainRevoke"]["userErrors"][0]["code"],
        json!("REASON_MISSING")
    );
    let answer = hotel
        .ask(REVOKE, json!({ "id": id, "reason": "lost phone" }))
        .await;
    let expected = json!({"keychain": {"status": "REVOKED", "revocation":
        {"by": {"name": "Olive Owner"}, "reason": "lost phone"}}, "userErrors": []});
    assert_eq!(answer["keychainRevoke"], expected);
    portal.settle().await;
    assert!(!portal.locks.opens(&lock, &pin, arrival));
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    let again = hotel
        .ask(REVOKE, json!({ "id": id, "reason": "twice" }))
        .await;
    assert_eq!(
        again["keychainRevoke"]["userErrors"][0]["code"],
        json!("ALREADY_ENDED")
    );

    // Another room and back, a cancellation and a reinstatement, a check-in, a mapping anew.
    portal.mews.assign("31", None);
    portal.next_look().await;
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;
    portal.mews.cancel("31", "RequestedByGuest");
    portal.next_look().await;
    portal
        .mews
        .set_state("31", portal_mews::fake::StayState::Confirmed);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    assert_eq!(
        hotel.access("31").await,
        ("WITHHELD".to_owned(), "REVOKED_BY_STAFF".to_owned())
    );
    assert!(!portal.locks.opens(&lock, &pin, arrival));

    // Only a person gives it back, with the PIN the guest knows.
    let answer = hotel.ask(REINSTATE, json!({ "id": id })).await;
    let expected = json!({"keychain": {"status": "CURRENT"}, "userErrors": []});
    assert_eq!(answer["keychainReinstate"], expected);
    portal.settle().await;
    assert_eq!(keychain(&hotel, "31").await, id);
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(portal.locks.opens(&lock, &pin, arrival));
    assert_eq!(hotel.in_mews("31"), [pin]);
    let again = hotel.ask(REINSTATE, json!({ "id": id })).await;
    assert_eq!(
        again["keychainReinstate"]["userErrors"][0]["code"],
        json!("NOT_REVOKED")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_back_decides_afresh() {
    let portal = Portal::start().await;
    let (hotel, _) = house(&portal).await;
    let id = keychain(&hotel, "31").await;
    hotel
        .ask(REVOKE, json!({ "id": id, "reason": "lost phone" }))
        .await;
    portal.mews.assign("31", None);
    portal.next_look().await;
    let answer = hotel.ask(REINSTATE, json!({ "id": id })).await;
    assert_eq!(
        answer["keychainReinstate"]["keychain"]["status"],
        json!("REVOKED")
    );
    assert_eq!(hotel.access("31").await.1, "ROOM_UNASSIGNED");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pin_takes_the_place_of_the_old_one_everywhere() {
    let portal = Portal::start().await;
    let (hotel, lock) = house(&portal).await;
    let id = keychain(&hotel, "31").await;
    let old = hotel.reveal("31").await;
    let arrival = portal.env.now() + Duration::hours(6);
    let effect = json!({"learning": [{"name": "Lock 101"}], "forgetting": [{"name": "Lock 101"}],
        "pmsCopy": true, "proof": {"length": 6}});

    // A dry run tells the same and does nothing.
    let input = |dry| json!({ "id": id, "reason": "seen by a stranger", "dry": dry });
    let dry = hotel.ask(ROTATE, input(true)).await["pinRotate"].take();
    assert_eq!(dry["userErrors"], json!([]));
    assert_eq!(dry["rotation"], effect);
    assert_eq!(dry["keychain"]["generation"], json!(1));
    portal.settle().await;
    assert_eq!(hotel.reveal("31").await, old);
    assert!(portal.locks.opens(&lock, &old, arrival));

    let done = hotel.ask(ROTATE, input(false)).await["pinRotate"].take();
    assert_eq!(done["rotation"], effect);
    assert_eq!(done["keychain"]["generation"], json!(2));
    portal.settle().await;
    let new = hotel.reveal("31").await;
    assert_ne!(new, old);
    assert!(portal.locks.opens(&lock, &new, arrival));
    assert!(!portal.locks.opens(&lock, &old, arrival));
    assert_eq!(hotel.in_mews("31"), std::slice::from_ref(&new));
    assert_eq!(keychain(&hotel, "31").await, id, "the same keychain");

    // What the PMS changes later leaves the new one alone.
    portal.mews.assign("31", None);
    portal.next_look().await;
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;
    assert_eq!(hotel.reveal("31").await, new);
    let blank = json!({ "id": id, "reason": "", "dry": false });
    let blank = hotel.ask(ROTATE, blank).await;
    assert_eq!(
        blank["pinRotate"]["userErrors"][0]["code"],
        json!("REASON_MISSING")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_may_and_housekeeping_may_not_and_strangers_find_nothing() {
    let portal = Portal::start().await;
    let (hotel, _) = house(&portal).await;
    let other = portal.hotel("Borealis").await;
    let id = keychain(&hotel, "31").await;
    let input = json!({ "id": id, "reason": "lost phone" });
    let keeper = portal.person(&hotel, Role::Housekeeping).await;
    assert_eq!(keeper.refused(REVOKE, input.clone()).await, "FORBIDDEN");
    let stranger = other.owner.run(REVOKE, input.clone()).await;
    assert_eq!(
        stranger["keychainRevoke"]["userErrors"][0]["code"],
        json!("KEYCHAIN_NOT_FOUND")
    );
    let team = portal.person(&hotel, Role::Team).await;
    let done = team.run(REVOKE, input).await;
    assert_eq!(done["keychainRevoke"]["userErrors"], json!([]));
    let query =
        "query($id: ID!) { node(id: $id) { ... on Keychain { revocation { by { kind name } } } } }";
    let node = hotel.ask(query, json!({ "id": id })).await;
    assert_eq!(text(&node["node"]["revocation"]["by"]["name"]), "TEAM");
}
