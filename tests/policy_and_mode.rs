//! How a property gives access, and whether it does.

use crate::harness::{Hotel, Portal, text};
use chrono::{DateTime, Duration, Utc};
use portal_domain::Role;
use serde_json::{Value, json};

const POLICY: &str =
    "query($id: ID!) { property(id: $id) { mode policy { version pinLength bufferAfter issueAt }
    policyHistory { replacedBy policy { version pinLength } } } }";

async fn update(hotel: &Hotel<'_>, fields: &str) -> Value {
    let query = format!(
        "mutation($id: ID!) {{ policyUpdate(input: {{property: $id, {fields}}}) {{
           property {{ policy {{ version }} }} userErrors {{ code field message }} }} }}"
    );
    hotel.ask(&query, json!({ "id": hotel.id })).await["policyUpdate"].take()
}

async fn house(portal: &Portal) -> (Hotel<'_>, String) {
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    (hotel, lock)
}

async fn until(hotel: &Hotel<'_>, number: &str) -> DateTime<Utc> {
    let stay = hotel.reservation(number).await;
    text(&stay["keychain"]["endsAt"]).parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_a_version_on_record_and_bad_numbers_change_nothing() {
    let portal = Portal::start().await;
    let (hotel, _) = house(&portal).await;
    let out = update(&hotel, "pinLength: 12, bufferAfter: 30").await;
    let expected = json!([{"code": "OUT_OF_BOUNDS", "field": "pinLength", "message": "Give a number from 4 to 9."}]);
    assert_eq!(out["userErrors"], expected);
    let done = update(&hotel, "pinLength: 5").await;
    assert_eq!(done["property"]["policy"]["version"], json!(2));
    // The same once more is no change.
    let same = update(&hotel, "pinLength: 5").await;
    assert_eq!(same["property"]["policy"]["version"], json!(2));
    let read = hotel.ask(POLICY, json!({ "id": hotel.id })).await;
    let policy = json!({"version": 2, "pinLength": 5, "bufferAfter": 0, "issueAt": "BOOKING"});
    assert_eq!(read["property"]["policy"], policy);
    let past = json!([{"replacedBy": "Olive Owner", "policy": {"version": 1, "pinLength": 6}}]);
    assert_eq!(read["property"]["policyHistory"], past);
    let team = portal.person(&hotel, Role::Team).await;
    assert_eq!(
        team.refused(POLICY, json!({ "id": hotel.id })).await,
        "FORBIDDEN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keychains_follow_the_policy_and_keep_their_pins() {
    let portal = Portal::start().await;
    let (hotel, lock) = house(&portal).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let (ends, pin) = (until(&hotel, "31").await, hotel.reveal("31").await);
    update(&hotel, "bufferAfter: 90, pinLength: 8").await;
    portal.settle().await;
    assert_eq!(until(&hotel, "31").await, ends + Duration::minutes(90));
    assert_eq!(hotel.reveal("31").await, pin, "a PIN in use stays");
    assert!(
        portal
            .locks
            .opens(&lock, &pin, ends + Duration::minutes(80))
    );
    hotel.book("32", Some("101"));
    portal.next_look().await;
    assert_eq!(hotel.reveal("32").await.len(), 8);

    // At check-in only: keychains of guests still to come go, and come back with the same PIN.
    update(&hotel, "issueAt: CHECK_IN").await;
    portal.settle().await;
    assert_eq!(hotel.access("31").await.1, "AWAITING_CHECK_IN");
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    portal.mews.check_in("31");
    portal.next_look().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    assert_eq!(hotel.reveal("31").await, pin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_in_the_house_never_gets_less_by_a_new_policy() {
    let portal = Portal::start().await;
    let (hotel, lock) = house(&portal).await;
    update(&hotel, "bufferAfter: 120").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let (ends, pin) = (until(&hotel, "31").await, hotel.reveal("31").await);
    update(
        &hotel,
        "bufferAfter: 0, pinLength: 9, issueAt: CHECK_IN, horizonDays: 1",
    )
    .await;
    portal.settle().await;
    assert_eq!(until(&hotel, "31").await, ends);
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(portal.locks.opens(&lock, &pin, ends - Duration::minutes(1)));
    // A new end in the PMS follows the policy of now.
    let scheduled = ends - Duration::minutes(120);
    let now = portal.env.now();
    portal.mews.redate(
        "31",
        now - Duration::hours(1),
        scheduled - Duration::hours(3),
    );
    portal.next_look().await;
    assert_eq!(until(&hotel, "31").await, scheduled - Duration::hours(3));
    assert_eq!(hotel.reveal("31").await, pin);
}

const CHECKLIST: &str = "query($id: ID!) { property(id: $id) { liveChecklist { code passed required count message fix } } }";
const GO_LIVE: &str =
    "mutation($id: ID!) { propertyGoLive(input: {property: $id}) { property { mode }
    userErrors { code message } } }";
const SET_UP: &str =
    "mutation($id: ID!) { propertyEnterSetup(input: {property: $id}) { property { mode }
    userErrors { code } } }";

async fn open_items(hotel: &Hotel<'_>) -> Vec<String> {
    let answer = hotel.ask(CHECKLIST, json!({ "id": hotel.id })).await;
    let items = answer["property"]["liveChecklist"]
        .as_array()
        .expect("items")
        .clone();
    let open = items.iter().filter(|item| item["passed"] == json!(false));
    open.map(|item| format!("{} -> {}", text(&item["message"]), text(&item["fix"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_is_set_up_without_keys_and_goes_live_by_its_checklist() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let done = hotel.ask(SET_UP, json!({ "id": hotel.id })).await;
    assert_eq!(
        done["propertyEnterSetup"]["property"]["mode"],
        json!("SETUP")
    );
    let early = hotel.ask(GO_LIVE, json!({ "id": hotel.id })).await;
    let expected =
        json!([{"code": "NOT_READY", "message": "Connect the property management system."}]);
    assert_eq!(early["propertyGoLive"]["userErrors"], expected);

    // Data flows, keys do not.
    let hotel = hotel.with_mews().await;
    hotel.map("101", "Room 101").await;
    hotel.install("Room 101", "Lock 101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    assert_eq!(
        hotel.access("31").await,
        ("WITHHELD".to_owned(), "PROPERTY_IN_SETUP".to_owned())
    );
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    assert_eq!(
        open_items(&hotel).await,
        ["2 rooms are mapped to no space: reservations there get no keychain. -> roomMap"]
    );
    let manager = portal.person(&hotel, Role::GeneralManager).await;
    let list = manager.run(CHECKLIST, json!({ "id": hotel.id })).await;
    assert_eq!(
        list["property"]["liveChecklist"].as_array().map(Vec::len),
        Some(8)
    );
    assert_eq!(
        manager.refused(GO_LIVE, json!({ "id": hotel.id })).await,
        "FORBIDDEN"
    );

    // What is only advised does not keep the owner from going live.
    let done = hotel.ask(GO_LIVE, json!({ "id": hotel.id })).await;
    assert_eq!(
        done["propertyGoLive"],
        json!({"property": {"mode": "LIVE"}, "userErrors": []})
    );
    portal.settle().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    let again = hotel.ask(GO_LIVE, json!({ "id": hotel.id })).await;
    assert_eq!(
        again["propertyGoLive"]["userErrors"][0]["code"],
        json!("ALREADY_LIVE")
    );

    // Back into setup: who has a key keeps it, also through a change of dates.
    hotel.ask(SET_UP, json!({ "id": hotel.id })).await;
    portal.settle().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    portal.mews.cancel("31", "RequestedByGuest");
    portal.next_look().await;
    assert_eq!(hotel.access("31").await.0, "ENDED", "what ends, ends");
}
