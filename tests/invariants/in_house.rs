//! INV-16: whoever is in the house gets in until the end of the stay, whatever goes wrong that
//! nobody said in the PMS and no person gave a reason for.

use super::chance;
use crate::harness::{Hotel, Portal, find, shown};
use chrono::{DateTime, Duration, Utc};
use portal_mews::fake::{Booking, Fault};
use portal_virtual::fake::Fault as LockFault;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

const NUMBER: &str = "31";

/// A house with a guest in it.
struct House<'a> {
    hotel: Hotel<'a>,
    room: String,
    gate: String,
    pin: String,
    until: DateTime<Utc>,
}

impl<'a> House<'a> {
    async fn new(portal: &'a Portal, length: Duration) -> Self {
        let hotel = portal.house("Aurora", &[]).await;
        let room = hotel.door("101").await;
        let mut house = House {
            hotel,
            room,
            gate: String::new(),
            pin: String::new(),
            until: portal.env.now() + length,
        };
        let area = json!({ "property": house.hotel.id, "name": "Gate", "kind": "COMMON_AREA" });
        assert!(house.ask("SpaceCreate", area).await.is_empty());
        house.gate = house.hotel.install("Gate", "Lock Gate").await;
        let link = house.link().await;
        assert!(house.ask("SpaceLink", link).await.is_empty());
        let stay = Booking::new(portal.env.now(), house.until).number(NUMBER);
        portal.mews.book(&house.hotel.enterprise, &stay.room("101"));
        portal.mews.check_in(NUMBER);
        portal.next_look().await;
        house.pin = house.hotel.reveal(NUMBER).await;
        house
    }

    async fn link(&self) -> Value {
        json!({ "mainSpace": self.hotel.space("Room 101").await,
            "linkedSpace": self.hotel.space("Gate").await })
    }

    /// Asks for a mutation without any consent. Answers the codes of its refusals.
    async fn ask(&self, name: &str, input: Value) -> Vec<String> {
        let mut field = name.to_owned();
        field[..1].make_ascii_lowercase();
        let query = format!(
            "mutation($input: {name}Input!) {{ x: {field}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        let answer = self.hotel.ask(&query, json!({ "input": input })).await;
        let errors = answer["x"]["userErrors"].as_array().cloned();
        let code = |error: &Value| crate::harness::text(&error["code"]);
        errors.unwrap_or_default().iter().map(code).collect()
    }

    async fn policy(&self, rng: &mut StdRng) -> String {
        let mut pick = |words: &[&'static str]| *words.choose(rng).expect("one");
        let mut input = json!({ "property": self.hotel.id,
            "issueAt": pick(&["BOOKING", "CHECK_IN"]),
            "onCheckOut": pick(&["REVOKE", "KEEP_TO_END"]),
            "pushWhen": pick(&["GRANTED", "DOOR_ACCEPTED"]) });
        for (field, values) in [
            ("bufferBefore", [0, 30, 1440]),
            ("bufferAfter", [0, 30, 1440]),
            ("horizonDays", [1, 30, 730]),
            ("luggageMinutes", [0, 60, 1440]),
            ("pinLength", [4, 6, 9]),
            ("cooldownDays", [0, 30, 90]),
        ] {
            input[field] = json!(values.choose(rng));
        }
        let told = format!("policy {input}");
        assert!(self.ask("PolicyUpdate", input).await.is_empty(), "{told}");
        told
    }

    /// Tries to take a door away without a reason.
    async fn take_away(&self, rng: &mut StdRng) -> String {
        let query = "query($id: ID!) { property(id: $id) { devices { nodes { id name } } } }";
        let devices = self.hotel.ask(query, json!({ "id": self.hotel.id })).await;
        let device = find(&devices["property"]["devices"]["nodes"], "Lock 101");
        let (name, input) = match rng.random_range(0..3) {
            0 => ("DeviceRemove", json!({ "device": device })),
            1 => ("SpaceUnlink", self.link().await),
            _ => ("RoomUnmap", json!({ "room": self.hotel.room("101").await })),
        };
        let refused = self.ask(name, input).await;
        format!("{name} without a reason: {refused:?}")
    }

    async fn something(&self, rng: &mut StdRng) -> String {
        let portal = self.hotel.portal;
        match rng.random_range(0..12) {
            0 => {
                portal.mews.revoke_tokens(&self.hotel.enterprise);
                portal.later(Duration::minutes(20)).await;
                "the token is revoked".to_owned()
            }
            1 | 2 => {
                let token = portal.mews.add_access_token(&self.hotel.enterprise);
                let answer = self.hotel.reconnect(&shown(&token)).await;
                format!("reconnected: {}", answer["userErrors"])
            }
            3 => {
                portal.mews.assign(NUMBER, None);
                "unassigned".to_owned()
            }
            4 => {
                portal.mews.assign(NUMBER, Some("101"));
                "assigned again".to_owned()
            }
            5 | 6 => self.policy(rng).await,
            7 => self.take_away(rng).await,
            8 => {
                let setup = json!({ "property": self.hotel.id });
                let refused = self.ask("PropertyEnterSetup", setup).await;
                format!("set up anew: {refused:?}")
            }
            9 => {
                let open = rng.random();
                portal
                    .mews
                    .set_room_active(&self.hotel.enterprise, "101", open);
                format!("the room is there: {open}")
            }
            10 => {
                let fault = Fault::Status { status: 500 };
                portal.mews.inject(fault, None, rng.random_range(1..5));
                portal.locks.inject(LockFault::Cut, None, 3);
                "the vendors stumble".to_owned()
            }
            _ => {
                let online = rng.random();
                portal.locks.set_online(&self.room, online);
                format!("the lock is online: {online}")
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_in_the_house_gets_in_to_the_end_whatever_goes_wrong() {
    let (mut rng, steps, replay) = chance("INV-16", 60);
    let portal = Portal::start_unlimited().await;
    let house = House::new(
        &portal,
        Duration::hours(24 + 5 * i64::try_from(steps).expect("few")),
    )
    .await;
    let mut story = Vec::new();
    for _ in 0..steps {
        story.push(house.something(&mut rng).await);
        let minutes = rng.random_range(1..240);
        portal.later(Duration::minutes(minutes)).await;
        let (now, last) = (portal.env.now(), house.until - Duration::seconds(1));
        for (at, lock) in [now, last]
            .into_iter()
            .flat_map(|at| [(at, &house.room), (at, &house.gate)])
        {
            let opens = portal.locks.opens(lock, &house.pin, at);
            assert!(opens, "{replay}: shut at {at} of {now}: {story:#?}");
        }
    }
    // A person may, with a reason.
    let keychain = house.hotel.reservation(NUMBER).await["keychain"]["id"].clone();
    let input = json!({ "keychain": keychain, "reason": "asked to leave" });
    assert!(house.ask("KeychainRevoke", input).await.is_empty());
    portal.locks.clear_faults();
    portal.locks.set_online(&house.room, true);
    portal.later(Duration::minutes(20)).await;
    let opens = portal
        .locks
        .opens(&house.room, &house.pin, portal.env.now());
    assert!(!opens, "{replay}: {story:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_the_key_of_a_room_that_was_unassigned_is_asked_about_like_the_others() {
    let portal = Portal::start().await;
    let house = House::new(&portal, Duration::days(3)).await;
    portal.mews.assign(NUMBER, None);
    portal.next_look().await;
    let query = "query($id: ID!) { property(id: $id) { devices { nodes { id name } } } }";
    let devices = house
        .hotel
        .ask(query, json!({ "id": house.hotel.id }))
        .await;
    let device = find(&devices["property"]["devices"]["nodes"], "Lock 101");
    let room = json!({ "room": house.hotel.room("101").await });
    for (name, input) in [
        ("DeviceRemove", json!({ "device": device })),
        ("SpaceUnlink", house.link().await),
        ("RoomUnmap", room),
    ] {
        assert_eq!(house.ask(name, input).await, ["IN_HOUSE_GUESTS"], "{name}");
    }
    portal.settle().await;
    for lock in [&house.room, &house.gate] {
        assert!(portal.locks.opens(lock, &house.pin, portal.env.now()));
    }
    // With a reason the door goes, and the lock forgets at once.
    let reason =
        json!({ "device": device, "endInHouseAccess": true, "reason": "the door is replaced" });
    assert_eq!(
        house.ask("DeviceRemove", reason).await,
        Vec::<String>::new()
    );
    portal.settle().await;
    assert_eq!(portal.locks.codes(&house.room), []);
    let none = ("WITHHELD".to_owned(), "ROOM_UNASSIGNED".to_owned());
    assert_eq!(house.hotel.access(NUMBER).await, none);
}
