//! Keychains made by hand: the spaces chosen and no other, for the time chosen and no longer.

use crate::harness::{Hotel, Portal, text};
use chrono::Duration;
use portal_domain::Role;
use serde_json::{Value, json};

const CREATE: &str = "mutation($property: ID!, $holder: String!, $spaces: [ID!]!, $until: DateTime!, $reason: String!) {
    staffKeychainCreate(input: {property: $property, holder: $holder, spaces: $spaces, endsAt: $until, reason: $reason}) {
      keychain { id holder status reservation { number } doors { role space { name } } }
      userErrors { code field message } } }";
const REVEAL: &str =
    "mutation($id: ID!) { pinReveal(input: {keychain: $id, reason: \"for the round\"}) { code } }";

async fn create(hotel: &Hotel<'_>, spaces: &[&str], hours: i64) -> Value {
    let mut ids = Vec::new();
    for space in spaces {
        ids.push(hotel.space(space).await);
    }
    let until = hotel.portal.env.now() + Duration::hours(hours);
    let variables = json!({ "property": hotel.id, "holder": "Night round", "spaces": ids,
        "until": until, "reason": "checks the doors" });
    hotel.ask(CREATE, variables).await["staffKeychainCreate"].take()
}

async fn pin(hotel: &Hotel<'_>, keychain: &Value) -> String {
    let owner = hotel.sign_in().await;
    let answer = owner.run(REVEAL, json!({ "id": keychain["id"] })).await;
    text(&answer["pinReveal"]["code"])
}

async fn act(hotel: &Hotel<'_>, mutation: &str, keychain: &Value) {
    let input = json!({ "keychain": keychain["id"], "reason": "lost" });
    hotel.tell(mutation, input).await;
    hotel.portal.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_opens_its_doors_and_ends() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let mut locks = Vec::new();
    for room in ["101", "102", "103"] {
        hotel.map(room, &format!("Room {room}")).await;
        locks.push(
            hotel
                .install(&format!("Room {room}"), &format!("Lock {room}"))
                .await,
        );
    }
    let made = create(&hotel, &["Room 101", "Room 103"], 48).await;
    assert_eq!(made["userErrors"], json!([]));
    let keychain = made["keychain"].clone();
    assert_eq!(keychain["holder"], json!("Night round"));
    assert_eq!(keychain["reservation"], Value::Null);
    assert_eq!(keychain["status"], json!("CURRENT"));
    portal.settle().await;
    let code = pin(&hotel, &keychain).await;
    let now = portal.env.now();
    let opens = |code: &str, at| {
        locks
            .iter()
            .map(|lock| portal.locks.opens(lock, code, at))
            .collect::<Vec<_>>()
    };
    assert_eq!(opens(&code, now), [true, false, true]);

    // A guest gets other digits, and nothing a guest does touches it.
    hotel.book("31", Some("101"));
    portal.next_look().await;
    assert_ne!(hotel.reveal("31").await, code);
    portal.mews.cancel("31", "RequestedByGuest");
    portal.next_look().await;
    assert_eq!(opens(&code, portal.env.now()), [true, false, true]);

    // Another PIN, taken away, given back.
    act(&hotel, "pinRotate", &keychain).await;
    let other = pin(&hotel, &keychain).await;
    assert_ne!(other, code);
    assert_eq!(opens(&code, portal.env.now()), [false, false, false]);
    assert_eq!(opens(&other, portal.env.now()), [true, false, true]);
    act(&hotel, "keychainRevoke", &keychain).await;
    assert_eq!(opens(&other, portal.env.now()), [false, false, false]);
    act(&hotel, "keychainReinstate", &keychain).await;
    assert_eq!(opens(&other, portal.env.now()), [true, false, true]);

    // A second lock on one of its doors learns it too.
    let second = hotel.install("Room 103", "Lock 103 b").await;
    portal.settle().await;
    assert!(portal.locks.opens(&second, &other, portal.env.now()));

    // At its end the codes go from the locks by themselves.
    portal.later(Duration::hours(50)).await;
    portal.later(Duration::minutes(5)).await;
    for lock in locks.iter().chain([&second]) {
        assert_eq!(portal.locks.codes(lock), [], "nothing is left");
    }
    let query = "query($id: ID!) { node(id: $id) { ... on Keychain { status provisioning } } }";
    let over = hotel.ask(query, json!({ "id": keychain["id"] })).await;
    assert_eq!(
        over["node"],
        json!({"status": "PAST", "provisioning": "REMOVED"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_sentence_and_makes_nothing() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.map("102", "Room 102").await;
    assert_eq!(
        create(&hotel, &[], 2).await["userErrors"][0]["code"],
        json!("SPACES_INVALID")
    );
    assert_eq!(
        create(&hotel, &["Room 101"], -1).await["userErrors"][0]["code"],
        json!("TIMES_INVALID")
    );
    let no_lock = create(&hotel, &["Room 102"], 2).await;
    let expected = json!([{"code": "NO_LOCK", "field": "spaces", "message": "None of these spaces has a lock. Install one first."}]);
    assert_eq!(no_lock["userErrors"], expected);
    let other = portal.hotel("Borealis").await;
    let foreign = json!({ "property": hotel.id, "holder": "x", "spaces": [hotel.space("Room 101").await],
        "until": portal.env.now() + Duration::hours(1), "reason": "x" });
    let answer = other.owner.run(CREATE, foreign.clone()).await;
    assert_eq!(
        answer["staffKeychainCreate"]["userErrors"][0]["code"],
        json!("PROPERTY_NOT_FOUND")
    );
    let keeper = portal.person(&hotel, Role::Housekeeping).await;
    assert_eq!(keeper.refused(CREATE, foreign).await, "FORBIDDEN");
    let list = "query($id: ID!) { property(id: $id) { keychains { nodes { id } } } }";
    let none = hotel.ask(list, json!({ "id": hotel.id })).await;
    assert_eq!(none["property"]["keychains"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_closure_tells_of_the_pins_it_had_before() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let made = create(&hotel, &["Room 101"], 8).await;
    let keychain = made["keychain"].clone();
    portal.settle().await;
    let states = async || {
        let query = "query($id: ID!) { accessClosure(keychain: $id) { verdict doors { state } } }";
        let answer = hotel.ask(query, json!({ "id": keychain["id"] })).await;
        let closure = &answer["accessClosure"];
        json!([closure["verdict"], closure["doors"]])
    };
    let one = |state: &str| json!({ "state": state });
    assert_eq!(states().await, json!(["OPEN", [one("SET")]]));
    act(&hotel, "pinRotate", &keychain).await;
    let both = json!(["OPEN", [one("SET"), one("REMOVED")]]);
    assert_eq!(states().await, both);

    // A lock that cannot be reached holds the one before still, whatever became of the last.
    portal.locks.set_online(&lock, false);
    act(&hotel, "pinRotate", &keychain).await;
    act(&hotel, "keychainRevoke", &keychain).await;
    let open = states().await;
    assert_eq!(open[0], json!("OPEN"));
    assert!(
        open[1].as_array().unwrap().contains(&one("REMOVING")),
        "{open}"
    );
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(20)).await;
    portal.later(Duration::minutes(20)).await;
    let closed = states().await;
    assert_eq!(closed[0], json!("CLOSED"), "{closed}");
    assert!(closed[1].as_array().unwrap().len() >= 2, "{closed}");
}
