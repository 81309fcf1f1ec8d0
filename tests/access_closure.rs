//! Proof that access is closed, and what is said when it is not.

use crate::harness::{Caller, Hotel, Portal, find, shown};
use chrono::{DateTime, Duration, Utc};
use portal::admin::create_key;
use portal_domain::{DeviceRule, Permission, ReadBack, Role};
use portal_store::device;
use portal_store::page::Page;
use serde_json::{Value, json};

const CLOSURE: &str =
    "query($id: ID!) { accessClosure(keychain: $id) { verdict reason message until
    pmsCopy keychain { id status } doors { device { name } space { name } state how at risk message
      until } } }";

impl Hotel<'_> {
    /// The keychains of a stay, newest first.
    async fn keychains(&self, number: &str) -> Vec<String> {
        let query = "query($id: ID!, $number: String!) { property(id: $id) {
            reservations(filter: {number: $number}, transfer: [TRANSFERRED, WITHHELD, ENDED]) { nodes {
            keychains { nodes { id status } } } } } }";
        let answer = self
            .ask(query, json!({ "id": self.id, "number": number }))
            .await;
        let nodes = &answer["property"]["reservations"]["nodes"][0]["keychains"]["nodes"];
        let id = |node: &Value| node["id"].as_str().unwrap_or_default().to_owned();
        nodes.as_array().into_iter().flatten().map(id).collect()
    }

    async fn closure(&self, keychain: &str) -> Value {
        let answer = self.ask(CLOSURE, json!({ "id": keychain })).await;
        answer["accessClosure"].clone()
    }

    /// The closure of the only keychain of a stay.
    async fn closure_of(&self, number: &str) -> Value {
        let keychains = self.keychains(number).await;
        assert_eq!(keychains.len(), 1, "{number}");
        self.closure(&keychains[0]).await
    }

    /// Says of the locks what their vendor would until they are read again.
    async fn rule(&self, rules: &[DeviceRule]) {
        let mut tx = self.portal.env.db.begin().await.expect("an answer");
        let locks = device::page(&mut tx, self.property, None, None, &Page::first(9)).await;
        for mut lock in locks.expect("an answer") {
            lock.rules = serde_json::to_string(rules).expect("an answer");
            device::put(&mut tx, &lock).await.expect("an answer");
        }
        tx.commit().await.expect("an answer");
    }

    /// Takes a lock out of its space.
    async fn remove(&self, lock: &str) {
        let query = "query($id: ID!) { property(id: $id) { devices { nodes { id name } } } }";
        let answer = self.ask(query, json!({ "id": self.id })).await;
        let device = find(&answer["property"]["devices"]["nodes"], lock);
        let remove =
            "mutation($id: ID!) { deviceRemove(input: {device: $id}) { userErrors { code } } }";
        let answer = self.ask(remove, json!({ "id": device })).await;
        assert_eq!(answer["deviceRemove"]["userErrors"], json!([]));
    }
}

fn instant(at: DateTime<Utc>) -> Value {
    json!(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

/// The verdict, why it is open and how the copy in the PMS stands.
fn verdict(closure: &Value) -> Value {
    json!([closure["verdict"], closure["reason"], closure["pmsCopy"]])
}

/// Each door's lock, state and risk.
fn doors(closure: &Value) -> Value {
    let doors = closure["doors"].as_array().expect("a list");
    let told = |door: &Value| json!([door["device"]["name"], door["state"], door["risk"]]);
    doors.iter().map(told).collect()
}

async fn booked(portal: &Portal) -> (Hotel<'_>, String) {
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    (hotel, lock)
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_closed_once_every_lock_and_the_pms_have_forgotten_the_pin() {
    let portal = Portal::start().await;
    let (hotel, lock) = booked(&portal).await;
    let arrival = portal.env.now() + Duration::hours(5) - Duration::seconds(75);
    let end = instant(arrival + Duration::hours(45));
    let before = hotel.closure_of("31").await;
    assert_eq!(verdict(&before), json!(["OPEN", "NOT_OVER", "STORED"]));
    assert_eq!(before["message"], json!("The keychain is not over."));
    assert_eq!(before["keychain"]["status"], json!("UPCOMING"));
    let door = json!([{"device": {"name": "Lock 101"}, "space": {"name": "Room 101"}, "state": "SET",
        "how": null, "at": null, "risk": "NOT_OVER", "until": end,
        "message": "The keychain is not over: Lock 101 opens for it, or will."}]);
    assert_eq!(before["doors"], door);

    portal.locks.set_online(&lock, false);
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let open = hotel.closure_of("31").await;
    assert_eq!(verdict(&open), json!(["OPEN", "DOOR", "REMOVING"]));
    let message = "1 of 1 locks have not confirmed that they forgot the PIN.";
    assert_eq!(open["message"], json!(message));
    let door = json!([{"device": {"name": "Lock 101"}, "space": {"name": "Room 101"},
        "state": "REMOVING", "how": null, "at": null, "risk": "NOT_REACHED", "until": end,
        "message": "Lock 101 cannot be reached to make it forget the PIN; it may still open."}]);
    assert_eq!(open["doors"], door);

    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(6)).await;
    let closed = hotel.closure_of("31").await;
    let at = closed["doors"][0]["at"].clone();
    assert!(at.as_str() <= instant(portal.env.now()).as_str());
    let door = json!([{"device": {"name": "Lock 101"}, "space": {"name": "Room 101"},
        "state": "REMOVED", "how": "READ_BACK", "at": at, "risk": null, "until": null,
        "message": null}]);
    assert_eq!(closed["doors"], door);
    assert_eq!(verdict(&closed), json!(["CLOSED", null, "REMOVED"]));
    let message = "Every lock has confirmed that it forgot the PIN.";
    assert_eq!(closed["message"], json!(message));
    assert_eq!(portal.locks.codes(&lock), []);

    // The same keychain comes back to life, and its doors with it.
    let again = hotel.keychains("31").await;
    portal
        .mews
        .set_state("31", portal_mews::fake::StayState::Confirmed);
    portal.next_look().await;
    let open = hotel.closure(&again[0]).await;
    assert_eq!(verdict(&open), json!(["OPEN", "NOT_OVER", "STORED"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_left_in_the_pms_keeps_access_open() {
    let portal = Portal::start().await;
    let (hotel, _) = booked(&portal).await;
    portal.mews.cancel("31", "Other");
    portal.mews.inject(
        portal_mews::fake::Fault::Status { status: 500 },
        Some("resourceAccessTokens/delete"),
        40,
    );
    portal.next_look().await;
    let open = hotel.closure_of("31").await;
    assert_eq!(verdict(&open), json!(["OPEN", "PMS_COPY", "REMOVING"]));
    assert_eq!(doors(&open), json!([["Lock 101", "REMOVED", null]]));
    portal.mews.clear_faults();
    portal.later(Duration::minutes(16)).await;
    let closed = hotel.closure_of("31").await;
    assert_eq!(verdict(&closed), json!(["CLOSED", null, "REMOVED"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_forget_or_cannot_be_read_says_how_little_is_known() {
    let portal = Portal::start().await;
    let (hotel, _) = booked(&portal).await;
    let end = portal.env.now() + Duration::hours(50) - Duration::seconds(75);
    hotel.rule(&[DeviceRule::Revocable(false)]).await;
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let residual = hotel.closure_of("31").await;
    assert_eq!(verdict(&residual), json!(["RESIDUAL", null, "REMOVED"]));
    assert_eq!(residual["until"], instant(end));
    let risk = json!([["Lock 101", "RESIDUAL", "CANNOT_FORGET"]]);
    assert_eq!(doors(&residual), risk);
    assert_eq!(residual["doors"][0]["until"], instant(end));
    // Its own end closes it, whether the sweep has noted that yet or not.
    portal.clock.advance(end - portal.env.now());
    let over = hotel.closure_of("31").await;
    assert_eq!(verdict(&over), json!(["CLOSED", null, "REMOVED"]));
    portal.settle().await;
    let over = hotel.closure_of("31").await;
    assert_eq!(over["doors"][0]["how"], json!("WINDOW_OVER"));

    hotel.book("32", Some("101"));
    portal.next_look().await;
    hotel.rule(&[DeviceRule::ReadBack(ReadBack::None)]).await;
    portal.mews.cancel("32", "Other");
    portal.next_look().await;
    let blind = hotel.closure_of("32").await;
    assert_eq!(verdict(&blind), json!(["CLOSED", null, "REMOVED"]));
    let message = "Every lock says it forgot the PIN; 1 cannot be read back.";
    assert_eq!(blind["message"], json!(message));
    let door = &blind["doors"][0];
    assert_eq!(
        (&door["how"], &door["risk"]),
        (&json!("ACCEPTED"), &json!("NOT_READABLE"))
    );
    let message =
        "Lock 101 says it forgot the PIN. It cannot be read back, so that is its word alone.";
    assert_eq!(door["message"], json!(message));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_taken_out_is_on_record_and_one_that_never_had_the_pin_is_not() {
    let portal = Portal::start().await;
    let (hotel, lock) = booked(&portal).await;
    let offline = hotel.install("Room 101", "Lock 101b").await;
    portal.settle().await;
    portal.locks.set_online(&lock, false);
    hotel.remove("Lock 101").await;
    portal.settle().await;
    // Not over, yet what the lock holds is wanted no more.
    let open = hotel.closure_of("31").await;
    let risks = json!([
        ["Lock 101", "REMOVING", "NOT_REACHED"],
        ["Lock 101b", "SET", "NOT_OVER"]
    ]);
    assert_eq!(doors(&open), risks);
    let message = "Lock 101 cannot be reached to make it forget the PIN; it may still open. \
        It was taken out of its space.";
    assert_eq!(open["doors"][0]["message"], json!(message));
    assert_eq!(open["doors"][0]["space"], Value::Null);
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(6)).await;
    // One that is to have the PIN days before the stay was never sent it.
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let closed = hotel.closure_of("31").await;
    let risks = json!([
        ["Lock 101", "REMOVED", "TAKEN_OUT"],
        ["Lock 101b", "REMOVED", null]
    ]);
    assert_eq!(doors(&closed), risks);
    assert_eq!(verdict(&closed), json!(["CLOSED", null, "REMOVED"]));

    portal.locks.set_online(&offline, false);
    portal.later(Duration::minutes(16)).await;
    hotel
        .rule(&[DeviceRule::Lead(portal_domain::Lead::JustInTime {
            minutes: 60,
        })])
        .await;
    hotel.book("32", Some("101"));
    portal.next_look().await;
    portal.mews.cancel("32", "Other");
    portal.next_look().await;
    let never = hotel.closure_of("32").await;
    assert_eq!(never["doors"], json!([]));
    assert_eq!(never["verdict"], json!("CLOSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_move_in_mid_stay_the_old_door_counts_by_itself() {
    let portal = Portal::start().await;
    let (hotel, _) = booked(&portal).await;
    hotel.map("102", "Room 102").await;
    hotel.install("Room 102", "Lock 102").await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let old = hotel.keychains("31").await.remove(0);
    portal.mews.assign("31", Some("102"));
    portal.next_look().await;
    let both = hotel.keychains("31").await;
    let new = both.iter().find(|id| **id != old).expect("a new keychain");
    // The luggage may still be fetched.
    assert_eq!(verdict(&hotel.closure(&old).await)[1], json!("NOT_OVER"));
    portal.later(Duration::minutes(61)).await;
    portal.later(Duration::minutes(6)).await;
    let closed = hotel.closure(&old).await;
    assert_eq!(verdict(&closed), json!(["CLOSED", null, "STORED"]));
    let each = json!([
        ["Lock 102", "SET", "FOLLOWED"],
        ["Lock 101", "REMOVED", null]
    ]);
    assert_eq!(doors(&closed), each);
    let open = hotel.closure(new).await;
    assert_eq!(verdict(&open), json!(["OPEN", "NOT_OVER", "STORED"]));
    let each = json!([
        ["Lock 102", "SET", "NOT_OVER"],
        ["Lock 101", "REMOVED", null]
    ]);
    assert_eq!(doors(&open), each);
    portal.mews.check_out("31");
    portal.next_look().await;
    for keychain in [&old, new] {
        let closed = hotel.closure(keychain).await;
        assert_eq!(verdict(&closed), json!(["CLOSED", null, "REMOVED"]));
        let each = json!([["Lock 101", "REMOVED", null], ["Lock 102", "REMOVED", null]]);
        assert_eq!(doors(&closed), each);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_was_replaced_is_on_record_too() {
    let portal = Portal::start().await;
    let (hotel, lock) = booked(&portal).await;
    let pin = hotel.reveal("31").await;
    // The new room's lock does not take a digit of the PIN.
    let without: String = ('0'..='9').filter(|digit| !pin.contains(*digit)).collect();
    hotel.map("102", "Room 102").await;
    hotel
        .install_with("Room 102", "Lock 102", &[DeviceRule::Digits(without)])
        .await;
    portal.locks.set_online(&lock, false);
    portal.mews.assign("31", Some("102"));
    portal.next_look().await;
    assert_ne!(hotel.reveal("31").await, pin);
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let open = hotel.closure_of("31").await;
    assert_eq!(open["reason"], json!("DOOR"));
    let each = json!([
        ["Lock 101", "REMOVING", "NOT_REACHED"],
        ["Lock 102", "REMOVED", null]
    ]);
    assert_eq!(doors(&open), each);
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(6)).await;
    assert_eq!(hotel.closure_of("31").await["verdict"], json!("CLOSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_access_is_shown_to_who_may_read_keychains() {
    let portal = Portal::start().await;
    let (hotel, _) = booked(&portal).await;
    let other = portal.hotel("Borealis").await;
    let id = json!({ "id": hotel.keychains("31").await[0] });
    for (role, code) in [
        (Role::Team, Value::Null),
        (Role::Housekeeping, Value::Null),
        (Role::Installer, json!("FORBIDDEN")),
    ] {
        let person = portal.person(&hotel, role).await;
        let answer = person.answer(CLOSURE, id.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{role}");
        let verdict = &answer["data"]["accessClosure"]["verdict"];
        let expected = if code.is_null() {
            json!("OPEN")
        } else {
            Value::Null
        };
        assert_eq!(verdict, &expected, "{role}");
    }
    let key = async |permission: Permission| {
        let now = portal.env.now();
        let key = create_key(
            &portal.env.db,
            hotel.property,
            "Partner",
            &[permission],
            now,
        )
        .await;
        Caller::with_key(portal.address, &shown(&key.unwrap()))
    };
    let plain =
        "query($id: ID!) { accessClosure(keychain: $id) { verdict doors { state message } } }";
    let partner = key(Permission::KeychainsRead).await;
    let answer = partner.run(plain, id.clone()).await;
    assert_eq!(answer["accessClosure"]["doors"][0]["state"], json!("SET"));
    let reader = key(Permission::ReservationsRead).await;
    assert_eq!(reader.refused(plain, id.clone()).await, "FORBIDDEN");
    let theirs = other.owner.run(CLOSURE, id).await;
    assert_eq!(theirs, json!({"accessClosure": null}));
    for wrong in ["", "x", hotel.id.as_str()] {
        let answer = hotel.ask(CLOSURE, json!({ "id": wrong })).await;
        assert_eq!(answer, json!({"accessClosure": null}), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queries_of_the_readme_run_as_they_stand() {
    let readme = include_str!("../README.md");
    let text = readme.split("```graphql\n").nth(1).expect("queries");
    let text = text.split("```").next().expect("their end");
    let queries: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(queries.len(), 3);
    let portal = Portal::start().await;
    let (hotel, _) = booked(&portal).await;
    let team = portal.person(&hotel, Role::Team).await;
    let tonight = team.run(queries[0], json!({ "property": hotel.id })).await;
    let line = &tonight["property"]["arrivals"]["nodes"][0];
    assert_eq!(
        (&line["number"], &line["verdict"]),
        (&json!("31"), &json!("READY"))
    );
    let lock = &tonight["property"]["lockForecast"]["nodes"][0];
    assert_eq!((&lock["capacity"], &lock["peak"]), (&json!(20), &json!(1)));
    let why = hotel.ask(queries[1], json!({ "property": hotel.id })).await;
    let why = &why["property"]["explainAccess"];
    assert_eq!(why["transfer"], json!("TRANSFERRED"));
    assert_eq!(why["gates"].as_array().map(Vec::len), Some(16));
    let keychain = hotel.keychains("31").await;
    let closed = team
        .run(queries[2], json!({ "keychain": keychain[0] }))
        .await;
    assert_eq!(closed["accessClosure"]["verdict"], json!("OPEN"));
}
