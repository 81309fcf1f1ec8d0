//! Common areas open by explicit links only, and for the guests of the linked rooms only.

use crate::harness::{Hotel, Portal};
use chrono::Duration;
use portal_domain::DeviceRule;
use portal_mews::fake::NewRoom;
use serde_json::{Value, json};

const LINK: &str = "mutation($main: ID!, $linked: ID!) { spaceLink(input: {mainSpace: $main, linkedSpace: $linked}) {
    space { linkedSpaces { name } } userErrors { code message } } }";
const UNLINK: &str =
    "mutation($main: ID!, $linked: ID!, $agreed: Boolean, $reason: String) { spaceUnlink(input: {
    mainSpace: $main, linkedSpace: $linked, endInHouseAccess: $agreed, reason: $reason}) {
    space { linkedSpaces { name } } userErrors { code message } } }";

async fn common_area(hotel: &Hotel<'_>, name: &str) -> String {
    hotel.add_space(name, "COMMON_AREA").await;
    hotel.install(name, &format!("Lock {name}")).await
}

async fn ends(hotel: &Hotel<'_>, main: &str, linked: &str) -> Value {
    json!({ "main": hotel.space(main).await, "linked": hotel.space(linked).await })
}

async fn doors(hotel: &Hotel<'_>, number: &str) -> Vec<String> {
    let stay = hotel.reservation(number).await;
    let doors = stay["keychain"]["doors"].as_array().expect("doors").clone();
    let named = |door: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} {}", text(&door["role"]), text(&door["space"]["name"]))
    };
    doors.iter().map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_chosen_means_nobody_and_a_link_opens_for_its_room_alone() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101", "102"]).await;
    let gate = common_area(&hotel, "Gate").await;
    hotel.book("31", Some("101"));
    hotel.book("32", Some("102"));
    portal.next_look().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN Room 101"]);
    assert_eq!(portal.locks.codes(&gate).len(), 0, "no link, no code");

    let answer = hotel
        .ask(LINK, ends(&hotel, "Room 101", "Gate").await)
        .await;
    let expected = json!({"space": {"linkedSpaces": [{"name": "Gate"}]}, "userErrors": []});
    assert_eq!(answer["spaceLink"], expected);
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN Room 101", "COMMON Gate"]);
    assert_eq!(doors(&hotel, "32").await, ["MAIN Room 102"]);
    let arrival = portal.env.now() + Duration::hours(6);
    let (one, two) = (hotel.reveal("31").await, hotel.reveal("32").await);
    assert!(portal.locks.opens(&gate, &one, arrival));
    assert!(!portal.locks.opens(&gate, &two, arrival));
    let held = &portal.mews.pins("31")[0];
    assert!(held.permissions.building, "the copy in the PMS says so too");

    // A room is no common area, and once is enough.
    let wrong = hotel
        .ask(LINK, ends(&hotel, "Room 101", "Room 102").await)
        .await;
    assert_eq!(
        wrong["spaceLink"]["userErrors"][0]["code"],
        json!("NOT_COMMON")
    );
    let twice = hotel
        .ask(LINK, ends(&hotel, "Room 101", "Gate").await)
        .await;
    assert_eq!(twice["spaceLink"]["userErrors"], json!([]));

    let answer = hotel
        .ask(UNLINK, ends(&hotel, "Room 101", "Gate").await)
        .await;
    assert_eq!(
        answer["spaceUnlink"],
        json!({"space": {"linkedSpaces": []}, "userErrors": []})
    );
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN Room 101"]);
    assert!(!portal.locks.opens(&gate, &one, arrival));
    let again = hotel
        .ask(UNLINK, ends(&hotel, "Room 101", "Gate").await)
        .await;
    assert_eq!(
        again["spaceUnlink"]["userErrors"][0]["code"],
        json!("NOT_LINKED")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_in_the_house_loses_a_common_door_only_by_a_person_with_a_reason() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    let gate = common_area(&hotel, "Gate").await;
    hotel
        .ask(LINK, ends(&hotel, "Room 101", "Gate").await)
        .await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let now = portal.env.now();
    assert!(portal.locks.opens(&gate, &pin, now));

    let mut input = ends(&hotel, "Room 101", "Gate").await;
    let asked = hotel.ask(UNLINK, input.clone()).await;
    assert_eq!(
        asked["spaceUnlink"]["userErrors"][0]["code"],
        json!("IN_HOUSE_GUESTS")
    );
    input["agreed"] = json!(true);
    let asked = hotel.ask(UNLINK, input.clone()).await;
    assert_eq!(
        asked["spaceUnlink"]["userErrors"][0]["code"],
        json!("REASON_MISSING")
    );
    portal.settle().await;
    assert!(portal.locks.opens(&gate, &pin, portal.env.now()));
    input["reason"] = json!("the gate is being rebuilt");
    let done = hotel.ask(UNLINK, input).await;
    assert_eq!(done["spaceUnlink"]["userErrors"], json!([]));
    portal.settle().await;
    assert!(!portal.locks.opens(&gate, &pin, portal.env.now()));
    // The room itself stays open, with the same PIN.
    assert_eq!(doors(&hotel, "31").await, ["MAIN Room 101"]);
    assert_eq!(hotel.reveal("31").await, pin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_common_door_that_cannot_take_the_pin_is_left_out_for_who_is_in_the_house() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    hotel.book("32", None);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    hotel.add_space("Gate", "COMMON_AREA").await;
    // This lock takes four digits; the guest's PIN has six.
    let rules = [DeviceRule::Lengths(vec![4])];
    let gate = hotel.install_with("Gate", "Lock Gate", &rules).await;
    hotel
        .ask(LINK, ends(&hotel, "Room 101", "Gate").await)
        .await;
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN Room 101"]);
    assert_eq!(
        hotel.reveal("31").await,
        pin,
        "nobody in the house gets another PIN for it"
    );
    assert_eq!(portal.locks.codes(&gate).len(), 0);
    let problems = "query($id: ID!) { property(id: $id) { problems { nodes { key message } } } }";
    let list = hotel.ask(problems, json!({ "id": hotel.id })).await;
    let keys = list["property"]["problems"]["nodes"].to_string();
    assert!(keys.contains("stay.door_left_out"), "{keys}");
    // A person gives the guest another PIN, and both doors open.
    let keychain = hotel.reservation("31").await["keychain"]["id"].clone();
    let input = json!({ "keychain": keychain, "reason": "the guest wants to use the gate" });
    hotel.tell("pinRotate", input).await;
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN Room 101", "COMMON Gate"]);
    let short = hotel.reveal("31").await;
    assert_eq!(short.len(), 4);
    assert!(portal.locks.opens(&gate, &short, portal.env.now()));
    let list = hotel.ask(problems, json!({ "id": hotel.id })).await;
    assert_eq!(list["property"]["problems"]["nodes"], json!([]));
    // A guest to come gets a PIN that suits both.
    portal.mews.assign("32", Some("101"));
    portal.next_look().await;
    assert_eq!(doors(&hotel, "32").await, ["MAIN Room 101", "COMMON Gate"]);
    assert_eq!(hotel.reveal("32").await.len(), 4);
    assert_eq!(portal.locks.codes(&gate).len(), 2);
}

/// A guest in the house who sleeps in a bed and has the door of the dorm, and the lock of that door.
async fn in_a_dorm(portal: &Portal) -> (Hotel<'_>, String) {
    let hotel = portal.hotel("Aurora").await;
    let dorm = NewRoom::new("Dorm").category(Some("Dorm"));
    portal.mews.add_room(&hotel.enterprise, &dorm);
    let bed = NewRoom::new("Bed A").category(Some("Bed")).parent("Dorm");
    portal.mews.add_room(&hotel.enterprise, &bed);
    let hotel = hotel.with_mews().await;
    hotel.map("Dorm", "The dorm").await;
    let lock = hotel.install("The dorm", "Dorm door").await;
    hotel.book("31", Some("Bed A"));
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN The dorm"]);
    (hotel, lock)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearer_lock_takes_nothing_from_who_is_in_the_house() {
    let portal = Portal::start().await;
    let (hotel, dorm) = in_a_dorm(&portal).await;
    let pin = hotel.reveal("31").await;
    // The locker takes four digits, the guest's PIN has six.
    hotel.map("Bed A", "Locker A").await;
    let rules = [DeviceRule::Lengths(vec![4])];
    let locker = hotel.install_with("Locker A", "Locker lock", &rules).await;
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN The dorm"]);
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(portal.locks.opens(&dorm, &pin, portal.env.now()));
    assert_eq!(portal.locks.codes(&locker), []);
    // Whatever the PMS changes next but the room, it stays so.
    let now = portal.env.now();
    let [from, until] = [now - Duration::hours(1), now + Duration::hours(90)];
    portal.mews.redate("31", from, until);
    portal.next_look().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN The dorm"]);
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(
        portal
            .locks
            .opens(&dorm, &pin, until - Duration::minutes(1))
    );
    // With another PIN by a person's hand the guest has both.
    let keychain = hotel.reservation("31").await["keychain"]["id"].clone();
    let input = json!({ "keychain": keychain, "reason": "the guest wants a locker" });
    hotel.tell("pinRotate", input).await;
    portal.settle().await;
    let pin = hotel.reveal("31").await;
    let now = portal.env.now();
    assert_eq!(
        doors(&hotel, "31").await,
        ["MAIN Locker A", "PARENT The dorm"]
    );
    assert!(portal.locks.opens(&dorm, &pin, now) && portal.locks.opens(&locker, &pin, now));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearer_lock_that_would_cost_a_guest_in_the_house_a_common_door_is_asked_about() {
    let portal = Portal::start().await;
    let (hotel, _) = in_a_dorm(&portal).await;
    let gate = common_area(&hotel, "Gate").await;
    hotel
        .ask(LINK, ends(&hotel, "The dorm", "Gate").await)
        .await;
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN The dorm", "COMMON Gate"]);
    let pin = hotel.reveal("31").await;

    // The gate is linked to the dorm, and not to the locker.
    hotel.add_space("Locker A", "ROOM").await;
    hotel.install("Locker A", "Locker lock").await;
    let mut input =
        json!({ "room": hotel.room("Bed A").await, "space": hotel.space("Locker A").await });
    let map = "mutation($input: RoomMapInput!) { roomMap(input: $input) { userErrors { code message } } }";
    let asked = hotel.ask(map, json!({ "input": input })).await;
    let expected = json!([{"code": "IN_HOUSE_GUESTS",
        "message": "1 guests in the house use this. Confirm with a reason to go on."}]);
    assert_eq!(asked["roomMap"]["userErrors"], expected);
    portal.settle().await;
    assert_eq!(doors(&hotel, "31").await, ["MAIN The dorm", "COMMON Gate"]);
    assert!(portal.locks.opens(&gate, &pin, portal.env.now()));

    input["endInHouseAccess"] = json!(true);
    let no_reason = hotel.ask(map, json!({ "input": input })).await;
    assert_eq!(
        no_reason["roomMap"]["userErrors"][0]["code"],
        json!("REASON_MISSING")
    );
    input["reason"] = json!("lockers were promised");
    hotel.tell("roomMap", input).await;
    portal.settle().await;
    assert_eq!(
        doors(&hotel, "31").await,
        ["MAIN Locker A", "PARENT The dorm"]
    );
    portal.later(Duration::minutes(61)).await;
    assert!(!portal.locks.opens(&gate, &pin, portal.env.now()));
}
