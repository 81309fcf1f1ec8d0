//! Some time after a stay no name of its guest and no PIN that can be read is left in any table.

use crate::faults::seed;
use crate::harness::{Hotel, Portal, text};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{EventKind, PinId, Role};
use portal_mews::fake::Booking;
use portal_store::{audit, event, pin, property, reservation};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ERASE: &str = "mutation($id: ID!, $reason: String!) {
    reservationErase(input: {reservation: $id, reason: $reason}) {
      reservation { number guestName } userErrors { code field message } } }";
const REVEAL: &str =
    "mutation($id: ID!) { pinReveal(input: {keychain: $id, reason: \"a question\"}) {
    code userErrors { code message } } }";

impl Hotel<'_> {
    /// The PINs of a stay that can be read.
    async fn readable(&self, number: &str) -> BTreeMap<PinId, String> {
        let env = &self.portal.env;
        let mut conn = env.db.read().await.expect("a connection");
        let filter = reservation::Filter {
            number: Some(number.to_owned()),
            ..reservation::Filter::default()
        };
        let found = reservation::first(&mut conn, self.property, &filter, 1).await;
        let Some(stay) = found.expect("an answer").pop() else {
            return BTreeMap::new();
        };
        let ids = pin::of_reservation(&mut conn, self.property, stay.id).await;
        let ids = ids.expect("an answer");
        let codes = pin::open(&mut conn, &env.sealer, self.property, &ids, env.now()).await;
        let codes = codes.expect("keys that fit");
        let shown = |(id, code): (PinId, secrecy::SecretString)| (id, code.expose_secret().into());
        codes.into_iter().map(shown).collect()
    }

    /// The keychains of a stay, newest first.
    async fn chains(&self, number: &str) -> Vec<Value> {
        let query = "query($id: ID!, $number: String!) { property(id: $id) {
            reservations(filter: {number: $number}, transfer: [TRANSFERRED, WITHHELD, ENDED]) { nodes {
            keychains { nodes { id status pin { length } } } } } } }";
        let variables = json!({ "id": self.id, "number": number });
        let answer = self.ask(query, variables).await;
        let nodes = &answer["property"]["reservations"]["nodes"][0]["keychains"]["nodes"];
        nodes.as_array().cloned().unwrap_or_default()
    }

    async fn erase(&self, number: &str, reason: &str) -> Value {
        let id = self.reservation(number).await["id"].clone();
        let variables = json!({ "id": id, "reason": reason });
        self.ask(ERASE, variables).await["reservationErase"].take()
    }

    async fn keep_guests_for(&self, days: i64) {
        let input = json!({ "property": self.id, "retentionDays": days });
        self.tell("policyUpdate", input).await;
    }

    async fn is_stored(&self, text: &str) -> bool {
        let rows = self.portal.database.rows().await;
        let mut parts = rows.windows(text.len());
        parts.any(|part| part == text.as_bytes())
    }
}

/// A stay, and since when it cannot be told to be over, or must be.
#[derive(Debug)]
struct Stay {
    number: String,
    name: String,
    room: usize,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// What is still to happen in the PMS, the next last.
    to_come: Vec<(DateTime<Utc>, &'static str)>,
    pins: BTreeMap<PinId, String>,
    /// When a lock was last seen with one of its PINs.
    last_held: DateTime<Utc>,
    /// When it was first seen that all is over.
    quiet: Option<DateTime<Utc>>,
}

impl Stay {
    fn random(n: usize, now: DateTime<Utc>, rng: &mut StdRng) -> Self {
        let from = now + Duration::hours(rng.random_range(5..90));
        let until = from + Duration::hours(rng.random_range(20..80));
        let hour = Duration::hours(1);
        let mut to_come = match rng.random_range(0..5) {
            0 => vec![(from, "in"), (until - hour, "out")],
            1 => vec![(from, "in"), (from + hour * 9, "out")],
            2 => vec![(from - hour * 3, "cancel")],
            3 => vec![(from + hour * 9, "no show")],
            // The PMS never says that the guest has left.
            _ => vec![(from, "in")],
        };
        to_come.reverse();
        Self {
            number: format!("{}", 31 + n),
            name: format!("Zoe Canary{n:02}"),
            room: n % 2,
            from,
            until,
            to_come,
            pins: BTreeMap::new(),
            last_held: until,
            quiet: None,
        }
    }

    /// Lets the PMS tell what has happened by now.
    fn go_on(&mut self, portal: &Portal) {
        let now = portal.env.now();
        while let Some((_, what)) = self.to_come.pop_if(|(at, _)| *at <= now) {
            match what {
                "in" => portal.mews.check_in(&self.number),
                "out" => portal.mews.check_out(&self.number),
                "cancel" => portal.mews.cancel(&self.number, "Other"),
                _ => portal.mews.no_show(&self.number),
            }
        }
    }

    /// Looks what there is, and whether it should be.
    async fn look(&mut self, hotel: &Hotel<'_>, days: i64, lock: &str, online: bool) {
        let now = hotel.portal.env.now();
        let held = hotel.portal.locks.codes(lock);
        let is_held = held
            .iter()
            .any(|code| self.pins.values().any(|pin| *pin == code.pin));
        if is_held {
            self.last_held = self.last_held.max(now);
        } else if online && now >= self.until {
            self.quiet.get_or_insert(now);
        }
        let readable = hotel.readable(&self.number).await;
        let named = hotel.is_stored(&self.name).await;
        let kept = Duration::days(days);
        if now < self.last_held + kept {
            assert!(named, "{now}: the name is gone too soon: {self:?}");
            for pin in self.pins.keys() {
                assert!(
                    readable.contains_key(pin),
                    "{now}: a PIN is gone too soon: {self:?}"
                );
            }
        }
        if self.quiet.is_some_and(|quiet| now >= quiet + kept) {
            assert!(!named, "{now}: the name is still there: {self:?}");
            assert_eq!(readable, BTreeMap::new(), "{now}: {self:?}");
        }
        self.pins.extend(readable);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_pins_are_there_until_the_stay_is_long_over_and_nowhere_afterwards() {
    let seed = seed("PORTAL_SEED");
    println!("replay with PORTAL_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    let locks = [hotel.door("101").await, hotel.door("102").await];
    let days = rng.random_range(1..=6);
    hotel.keep_guests_for(days).await;
    let mut stays: Vec<Stay> = (0..6)
        .map(|n| Stay::random(n, portal.env.now(), &mut rng))
        .collect();
    for stay in &stays {
        let booking = Booking::new(stay.from, stay.until)
            .number(&stay.number)
            .guest(&stay.name)
            .room(["101", "102"][stay.room]);
        portal.mews.book(&hotel.enterprise, &booking);
    }
    portal.next_look().await;
    let mut online = [true; 2];
    let end = portal.env.now() + Duration::hours(90 + 80 + 24 * days + 60);
    while portal.env.now() < end {
        for (lock, online) in locks.iter().zip(&mut online) {
            *online = rng.random_ratio(4, 5);
            portal.locks.set_online(lock, *online);
        }
        portal
            .later(Duration::minutes(rng.random_range(100..1500)))
            .await;
        for stay in &mut stays {
            stay.go_on(&portal);
        }
        portal.later(Duration::minutes(10)).await;
        for stay in &mut stays {
            stay.look(&hotel, days, &locks[stay.room], online[stay.room])
                .await;
            let gone = stay
                .quiet
                .is_some_and(|at| portal.env.now() >= at + Duration::days(days));
            if gone && rng.random_ratio(1, 4) {
                // The PMS tells of the same stay once more.
                let name = format!("{} Again", stay.name);
                portal.mews.rename_guest(&stay.number, &name);
            } else if stay.quiet.is_none() && rng.random_ratio(1, 8) {
                let chain = hotel.reservation(&stay.number).await["keychain"]["id"].clone();
                if chain.is_string() {
                    let rotate = json!({ "keychain": chain, "reason": "seen by others" });
                    hotel.tell("pinRotate", rotate).await;
                    portal.settle().await;
                    stay.pins.extend(hotel.readable(&stay.number).await);
                }
            }
        }
    }
    assert!(
        stays.iter().any(|stay| !stay.pins.is_empty()),
        "nobody had a PIN: {stays:?}"
    );
}

/// Lets a stay pass, and as many days after it. Answers its PIN.
async fn stayed(hotel: &Hotel<'_>, days: i64) -> String {
    let portal = hotel.portal;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal.later(Duration::hours(51)).await;
    portal.later(Duration::hours(1)).await;
    portal.later(Duration::days(days)).await;
    pin
}

/// Answers of pinReveal about the last keychain of a stay.
async fn reveal(hotel: &Hotel<'_>, number: &str) -> Value {
    let chain = hotel.chains(number).await[0]["id"].clone();
    let owner = hotel.sign_in().await;
    owner.run(REVEAL, json!({ "id": chain })).await["pinReveal"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_thirty_days_the_guest_is_erased_and_the_past_can_still_be_explained() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    let in_the_house = portal.env.now() + Duration::hours(20);
    let pin = stayed(&hotel, 29).await;
    assert_eq!(
        hotel.reservation("31").await["guestName"],
        json!("Ada Guest")
    );
    assert_eq!(reveal(&hotel, "31").await["code"], json!(pin));
    portal.later(Duration::days(1)).await;
    portal.later(Duration::hours(2)).await;
    let stay = hotel.reservation("31").await;
    assert_eq!(stay["guestName"], Value::Null);
    assert!(!hotel.is_stored("Ada Guest").await);
    let refused = reveal(&hotel, "31").await;
    let expected = json!({"code": null, "userErrors": [
        {"code": "PIN_ERASED", "message": "The PIN is erased, as the stay is over."}]});
    assert_eq!(refused, expected);
    let chains = hotel.chains("31").await;
    assert_eq!(chains[0]["pin"], Value::Null);

    let closure = "query($id: ID!) { accessClosure(keychain: $id) { verdict doors { state } } }";
    let closed = hotel.ask(closure, json!({ "id": chains[0]["id"] })).await;
    let expected = json!({"verdict": "CLOSED", "doors": [{"state": "REMOVED"}]});
    assert_eq!(closed["accessClosure"], expected);
    let why = "query($id: ID!, $at: DateTime) { property(id: $id) {
        explainAccess(number: \"31\", at: $at) { transfer headline { code } } } }";
    for (at, transfer) in [(None, "ENDED"), (Some(in_the_house), "TRANSFERRED")] {
        let answer = hotel.ask(why, json!({ "id": hotel.id, "at": at })).await;
        let transferred = &answer["property"]["explainAccess"]["transfer"];
        assert_eq!(*transferred, json!(transfer));
    }
    let mut conn = portal.env.db.read().await.unwrap();
    let log = event::after(&mut conn, hotel.property, 0, 10_000)
        .await
        .unwrap();
    let told = log
        .iter()
        .filter(|line| line.kind == EventKind::ReservationErased);
    assert_eq!(told.count(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_again_under_the_same_reservation_has_a_name_and_another_pin() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.keep_guests_for(1).await;
    let old = stayed(&hotel, 2).await;
    portal.later(Duration::hours(2)).await;
    assert_eq!(hotel.reservation("31").await["guestName"], Value::Null);
    let now = portal.env.now();
    let (from, until) = (now + Duration::hours(3), now + Duration::hours(30));
    portal.mews.redate("31", from, until);
    portal.next_look().await;
    let stay = hotel.reservation("31").await;
    assert_eq!(stay["guestName"], json!("Ada Guest"));
    assert_eq!(stay["transfer"], json!("TRANSFERRED"));
    let new = hotel.reveal("31").await;
    assert_ne!(new, old);
    assert!(portal.locks.opens(&lock, &new, from));
    assert!(!portal.locks.opens(&lock, &old, from));
    // And is erased again.
    portal.later(Duration::hours(31)).await;
    portal.later(Duration::hours(26)).await;
    portal.later(Duration::hours(2)).await;
    assert_eq!(hotel.readable("31").await, BTreeMap::new());
    assert!(!hotel.is_stored("Ada Guest").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_was_over_long_before_it_was_read_is_stored_without_its_guest() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.keep_guests_for(2).await;
    let now = portal.env.now();
    for (number, days) in [("31", 1), ("32", 3)] {
        let until = now - Duration::days(days);
        let stay = Booking::new(until - Duration::days(2), until)
            .number(number)
            .guest(&format!("Guest of {number}"));
        portal.mews.book(&hotel.enterprise, &stay);
    }
    portal.next_look().await;
    let name = |stay: Value| text(&stay["guestName"]);
    assert_eq!(name(hotel.reservation("31").await), "Guest of 31");
    assert_eq!(hotel.reservation("32").await["number"], Value::Null);
    assert!(hotel.reservation("32").await["id"].is_string());
    assert!(!hotel.is_stored("Guest of 32").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_erases_a_guest_before_the_time_and_nobody_else_does() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let refused = |answer: &Value, code: &str, message: &str| {
        assert_eq!(answer["userErrors"][0]["code"], json!(code));
        assert_eq!(answer["userErrors"][0]["message"], json!(message));
    };
    let early = hotel.erase("31", "asked to").await;
    refused(
        &early,
        "NOT_OVER",
        "The stay is not over. Erase its guest after it has ended.",
    );
    let silent = hotel.erase("31", " ").await;
    refused(&silent, "REASON_MISSING", "Give a reason.");

    // A lock that does not answer holds the PIN, and a person looks for it.
    portal.locks.set_online(&lock, false);
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    let on_lock = hotel.erase("31", "asked to").await;
    let message = "A lock has not confirmed that it forgot the PIN. Bring the lock back or remove it, then try again.";
    refused(&on_lock, "NOT_OVER", message);
    assert_eq!(
        hotel.reservation("31").await["guestName"],
        json!("Ada Guest")
    );
    portal.locks.set_online(&lock, true);
    // What ended without an answer is looked at once more.
    portal.later(Duration::minutes(20)).await;
    portal.later(Duration::minutes(20)).await;

    let id = hotel.reservation("31").await["id"].clone();
    for role in [Role::GeneralManager, Role::Team] {
        let person = portal.person(&hotel, role).await;
        let asked = json!({ "id": id, "reason": "asked to" });
        assert_eq!(person.refused(ERASE, asked).await, "FORBIDDEN", "{role}");
    }
    assert_eq!(reveal(&hotel, "31").await["code"], json!(pin));
    let done = hotel.erase("31", "the guest asked for it").await;
    let expected = json!({"reservation": {"number": "31", "guestName": null}, "userErrors": []});
    assert_eq!(done, expected);
    assert!(!hotel.is_stored("Ada Guest").await);
    assert_eq!(hotel.readable("31").await, BTreeMap::new());
    assert_eq!(
        reveal(&hotel, "31").await["userErrors"][0]["code"],
        json!("PIN_ERASED")
    );

    // The same once more is no error, and what Mews tells again brings nothing back.
    assert_eq!(hotel.erase("31", "once more").await, expected);
    portal.mews.rename_guest("31", "Ada Guest again");
    portal.next_look().await;
    let refresh = json!({ "reservation": id });
    hotel.tell("reservationRefresh", refresh).await;
    assert!(!hotel.is_stored("Ada Guest").await);

    let mut conn = portal.env.db.read().await.unwrap();
    let house = property::by_id(&mut conn, hotel.property)
        .await
        .unwrap()
        .unwrap();
    let log = audit::all(&mut conn, house.organization_id).await.unwrap();
    let lines = log.iter().filter(|line| line.action == "reservationErase");
    let reasons: Vec<_> = lines.map(|line| line.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("the guest asked for it")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_guests_are_kept_is_set_within_bounds_and_holds_at_once() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    let read = "query($id: ID!) { property(id: $id) { retentionDays policy { version } } }";
    let answer = hotel.ask(read, json!({ "id": hotel.id })).await;
    let expected = json!({"retentionDays": 30, "policy": {"version": 1}});
    assert_eq!(answer["property"], expected);
    let set = "mutation($id: ID!, $days: Int!) { policyUpdate(input: {property: $id, retentionDays: $days}) {
        userErrors { code field message } } }";
    for days in [0, 366] {
        let answer = hotel
            .ask(set, json!({ "id": hotel.id, "days": days }))
            .await;
        let expected = json!([{"code": "OUT_OF_BOUNDS", "field": "retentionDays",
            "message": "Give a number from 1 to 365."}]);
        assert_eq!(answer["policyUpdate"]["userErrors"], expected);
    }
    stayed(&hotel, 10).await;
    assert!(hotel.is_stored("Ada Guest").await);
    hotel.keep_guests_for(9).await;
    portal.settle().await;
    assert!(!hotel.is_stored("Ada Guest").await);
    // No keychain depends on it: the policy is the same.
    let answer = hotel.ask(read, json!({ "id": hotel.id })).await;
    let expected = json!({"retentionDays": 9, "policy": {"version": 1}});
    assert_eq!(answer["property"], expected);
    let team = portal.person(&hotel, Role::Team).await;
    let refused = team.refused(read, json!({ "id": hotel.id })).await;
    assert_eq!(refused, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_keychain_was_made_for_by_hand_is_erased_with_its_pins() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.keep_guests_for(3).await;
    let create = "mutation($property: ID!, $spaces: [ID!]!, $until: DateTime!) {
        staffKeychainCreate(input: {property: $property, holder: \"Nora Canary\", spaces: $spaces,
          endsAt: $until, reason: \"mends the door\"}) { keychain { id } userErrors { code } } }";
    let until = portal.env.now() + Duration::hours(8);
    let spaces = [hotel.space("Room 101").await];
    let variables = json!({ "property": hotel.id, "spaces": spaces, "until": until });
    let made = hotel.ask(create, variables).await["staffKeychainCreate"]["keychain"]["id"].clone();
    portal.settle().await;
    let rotate = json!({ "keychain": made, "reason": "lost" });
    hotel.tell("pinRotate", rotate).await;
    portal.later(Duration::hours(9)).await;
    portal.later(Duration::hours(1)).await;
    portal.later(Duration::days(2)).await;
    assert!(hotel.is_stored("Nora Canary").await);
    portal.later(Duration::days(1)).await;
    portal.later(Duration::hours(2)).await;
    assert!(!hotel.is_stored("Nora Canary").await);
    let read =
        "query($id: ID!) { node(id: $id) { ... on Keychain { holder status pin { length } } } }";
    let over = hotel.ask(read, json!({ "id": made })).await;
    let expected = json!({"holder": null, "status": "PAST", "pin": null});
    assert_eq!(over["node"], expected);
    let owner = hotel.sign_in().await;
    let shown = owner.run(REVEAL, json!({ "id": made })).await;
    assert_eq!(
        shown["pinReveal"]["userErrors"][0]["code"],
        json!("PIN_ERASED")
    );
}
