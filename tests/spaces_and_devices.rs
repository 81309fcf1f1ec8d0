//! Spaces, mappings and devices: bad input gets a sentence, and removing asks for consent.

use crate::harness::Portal;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_space_needs_a_name_of_its_own() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let create = "mutation($property: ID!, $name: String!) { spaceCreate(input: {property: $property,
        name: $name, kind: COMMON_AREA}) { space { name kind } userErrors { field code message } } }";
    let run = async |name: &str| {
        let variables = json!({ "property": hotel.id, "name": name });
        hotel.owner.run(create, variables).await["spaceCreate"].take()
    };
    let made = run("  Gate ").await;
    assert_eq!(
        made["space"],
        json!({"name": "Gate", "kind": "COMMON_AREA"})
    );
    for (name, code, message) in [
        (
            "Gate",
            "NAME_TAKEN",
            "There is already a space called Gate.",
        ),
        ("  ", "NAME_BLANK", "Give the space a name."),
        (
            &"x".repeat(101),
            "NAME_TOO_LONG",
            "The name may have 100 characters at most.",
        ),
    ] {
        let refused = run(name).await;
        assert_eq!(refused["space"], Value::Null);
        assert_eq!(
            refused["userErrors"],
            json!([{"field": "name", "code": code, "message": message}])
        );
    }
    let query = "query($id: ID!) { property(id: $id) { spaces { nodes { name } } } }";
    let spaces = hotel.owner.run(query, json!({ "id": hotel.id })).await;
    assert_eq!(
        spaces["property"]["spaces"]["nodes"],
        json!([{"name": "Gate"}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_has_one_space_and_a_device_one_place() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.map("102", "Room 102").await;
    let map = "mutation($room: ID!, $space: ID!) { roomMap(input: {room: $room, space: $space}) {
        userErrors { code message } } }";
    let room = hotel.room("101").await;
    let again = json!({ "room": room, "space": hotel.space("Room 101").await });
    let answer = hotel.owner.run(map, again).await;
    assert_eq!(
        answer["roomMap"]["userErrors"],
        json!([]),
        "mapped so already"
    );
    let elsewhere = json!({ "room": room, "space": hotel.space("Room 102").await });
    let answer = hotel.owner.run(map, elsewhere.clone()).await;
    let message = "Room 101 is mapped to another space. Unmap it first.";
    let expected = json!([{"code": "ALREADY_MAPPED", "message": message}]);
    assert_eq!(answer["roomMap"]["userErrors"], expected);

    let query = "query($id: ID!) { property(id: $id) { devices(installed: true) { nodes { id name space { name } } } } }";
    let devices = hotel.owner.run(query, json!({ "id": hotel.id })).await;
    let device = &devices["property"]["devices"]["nodes"][0];
    assert_eq!(device["space"]["name"], json!("Room 101"));
    let install = "mutation($device: ID!, $space: ID!) { deviceInstall(input: {device: $device, space: $space}) {
        userErrors { code } } }";
    let variables = json!({ "device": device["id"], "space": elsewhere["space"] });
    let answer = hotel.owner.run(install, variables).await;
    assert_eq!(
        answer["deviceInstall"]["userErrors"],
        json!([{"code": "ALREADY_INSTALLED"}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_the_last_lock_from_a_guest_in_the_house_asks_for_a_reason() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let query = "query($id: ID!) { property(id: $id) { devices { nodes { id } } } }";
    let devices = hotel.owner.run(query, json!({ "id": hotel.id })).await;
    let device = devices["property"]["devices"]["nodes"][0]["id"].clone();
    let remove = "mutation($input: DeviceRemoveInput!) { deviceRemove(input: $input) {
        device { space { name } } userErrors { code message } } }";
    let ask = async |input: Value| {
        let variables = json!({ "input": input });
        hotel.owner.run(remove, variables).await["deviceRemove"].take()
    };
    let refused = ask(json!({ "device": device })).await;
    assert_eq!(refused["userErrors"][0]["code"], json!("IN_HOUSE_GUESTS"));
    let refused = ask(json!({ "device": device, "endInHouseAccess": true })).await;
    assert_eq!(refused["userErrors"][0]["code"], json!("REASON_MISSING"));
    portal.settle().await;
    assert_eq!(portal.locks.codes(&lock).len(), 1, "nothing changed");
    let input = json!({ "device": device, "endInHouseAccess": true, "reason": "it is defect" });
    assert_eq!(ask(input).await["userErrors"], json!([]));
    portal.settle().await;
    assert_eq!(
        hotel.access("31").await,
        ("WITHHELD".into(), "NO_DEVICE_IN_ROOM".into())
    );
    assert_eq!(
        portal.locks.codes(&lock),
        [],
        "the lock has forgotten the code"
    );
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_the_token_on_request_tells_what_came_of_it() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let id = hotel.integration().await["id"].clone();
    let validate = "mutation($id: ID!) { integrationValidate(input: {integration: $id}) {
        integration { status validationAttempts(first: 1) { nodes { trigger outcome httpStatus } } }
        userErrors { code } } }";
    let answer = hotel.owner.run(validate, json!({ "id": id })).await["integrationValidate"].take();
    assert_eq!(answer["userErrors"], json!([]));
    let attempts = &answer["integration"]["validationAttempts"]["nodes"];
    assert_eq!(
        *attempts,
        json!([{"trigger": "STAFF", "outcome": "VALID", "httpStatus": 200}])
    );
    portal.mews.revoke_token(&hotel.token);
    portal.clock.advance(chrono::Duration::seconds(1));
    let answer = hotel.owner.run(validate, json!({ "id": id })).await["integrationValidate"].take();
    assert_eq!(
        answer["integration"]["status"],
        json!("CONNECTED"),
        "one refusal is not enough"
    );
    let attempts = &answer["integration"]["validationAttempts"]["nodes"];
    assert_eq!(
        *attempts,
        json!([{"trigger": "STAFF", "outcome": "REFUSED", "httpStatus": 401}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_suggested_with_a_reason_and_made_by_a_person() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Hotel Names").await.with_mews().await;
    for space in ["Door 102", "Room 101"] {
        hotel.add_space(space, "ROOM").await;
    }
    let query = "query($id: ID!) { property(id: $id) { rooms(mapped: true) { nodes { name } }
        mappingSuggestions { room { id name } space { id name } score reason } } }";
    let seen = hotel.ask(query, json!({ "id": hotel.id })).await;
    let told = &seen["property"]["mappingSuggestions"];
    assert_eq!(told[0]["room"]["name"], json!("101"));
    assert_eq!(told[0]["space"]["name"], json!("Room 101"));
    assert_eq!(told[0]["score"], json!(90));
    assert_eq!(told[0]["reason"], json!("101 and Room 101 say the same."));
    assert_eq!(told[1]["space"]["name"], json!("Door 102"));
    assert_eq!(told[2], Value::Null, "nothing is like 103");
    // Nothing is mapped by itself.
    portal.next_look().await;
    let seen = hotel.ask(query, json!({ "id": hotel.id })).await;
    assert_eq!(seen["property"]["rooms"]["nodes"], json!([]));
    let map = "mutation($room: ID!, $space: ID!) { roomMap(input: {room: $room, space: $space})
        { userErrors { code } } }";
    let variables = json!({ "room": told[0]["room"]["id"], "space": told[0]["space"]["id"] });
    hotel.ask(map, variables).await;
    let seen = hotel.ask(query, json!({ "id": hotel.id })).await;
    assert_eq!(
        seen["property"]["rooms"]["nodes"],
        json!([{ "name": "101" }])
    );
    let left = seen["property"]["mappingSuggestions"].as_array();
    assert_eq!(
        left.map(Vec::len),
        Some(1),
        "what is mapped is not suggested"
    );
}
