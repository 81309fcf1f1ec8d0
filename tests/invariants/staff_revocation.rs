//! INV-17: what staff took away comes back by their word alone.

use super::chance;
use crate::harness::{Hotel, Portal};
use chrono::Duration;
use portal_mews::fake::{Booking, StayState};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

const NUMBER: &str = "31";

/// Something the staff at the PMS do to the stay, or time does.
async fn edit(portal: &Portal, rng: &mut StdRng) -> String {
    let mews = &portal.mews;
    let now = portal.env.now();
    let told = match rng.random_range(0..8) {
        0 | 1 => {
            let room = *[Some("101"), Some("102"), Some("103"), None]
                .choose(rng)
                .expect("one");
            mews.assign(NUMBER, room);
            format!("moved to {room:?}")
        }
        2 => {
            let reason = *["RequestedByGuest", "NoShow"].choose(rng).expect("one");
            mews.cancel(NUMBER, reason);
            format!("canceled, {reason}")
        }
        3 => {
            let from = now + Duration::hours(rng.random_range(-40..40));
            let until = from + Duration::hours(rng.random_range(1..60));
            mews.redate(NUMBER, from, until);
            format!("redated to {from} to {until}")
        }
        4..=6 => {
            let states = [
                StayState::Confirmed,
                StayState::Optional,
                StayState::Started,
                StayState::Processed,
            ];
            let state = *states.choose(rng).expect("one");
            mews.set_state(NUMBER, state);
            format!("{state:?}")
        }
        _ => {
            let hours = Duration::hours(rng.random_range(1..9));
            portal.later(hours).await;
            format!("{hours} pass")
        }
    };
    portal.next_look().await;
    told
}

async fn mutate(hotel: &Hotel<'_>, mutation: &str, variables: Value) {
    let answer = hotel.ask(mutation, variables).await;
    assert_eq!(answer["x"]["userErrors"], json!([]), "{mutation}");
}

/// Books and lets Portal make the keychain. Answers its identifier.
async fn booked(hotel: &Hotel<'_>) -> Value {
    let portal = hotel.portal;
    let now = portal.env.now();
    let stay = Booking::new(now + Duration::hours(5), now + Duration::hours(50));
    let stay = stay.number(NUMBER).room("101");
    portal.mews.book(&hotel.enterprise, &stay);
    portal.next_look().await;
    hotel.reservation(NUMBER).await["keychain"]["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_took_away_no_change_in_the_pms_brings_back() {
    let (mut rng, steps, replay) = chance("INV-17", 60);
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    let mut locks = Vec::new();
    for room in ["101", "102"] {
        let space = format!("Room {room}");
        hotel.map(room, &space).await;
        locks.push(hotel.install(&space, &format!("Lock {room}")).await);
    }
    let id = booked(&hotel).await;
    let pin = hotel.reveal(NUMBER).await;
    // What Portal itself took away may be forbidden to come back as well.
    if rng.random() {
        portal.mews.assign(NUMBER, None);
        portal.next_look().await;
    }
    let revoke = "mutation($id: ID!) { x: keychainRevoke(input: {keychain: $id,
        reason: \"lost phone\"}) { userErrors { code } } }";
    mutate(&hotel, revoke, json!({ "id": id })).await;
    portal.settle().await;
    let mut story = Vec::new();
    for _ in 0..steps {
        story.push(edit(&portal, &mut rng).await);
        let stay = hotel.reservation(NUMBER).await;
        let told = format!("{replay}: {story:?}");
        assert_ne!(stay["transfer"], json!("TRANSFERRED"), "{told}");
        assert_eq!(stay["keychain"], Value::Null, "{told}");
        for lock in &locks {
            assert_eq!(portal.locks.codes(lock), [], "{told}");
        }
        assert_eq!(hotel.in_mews(NUMBER), Vec::<String>::new(), "{told}");
    }
    // With nothing else in the way it is still theirs, and one word gives it back.
    let now = portal.env.now();
    let (from, until) = (now + Duration::hours(1), now + Duration::hours(20));
    portal.mews.set_state(NUMBER, StayState::Confirmed);
    portal.mews.redate(NUMBER, from, until);
    portal.mews.assign(NUMBER, Some("101"));
    portal.next_look().await;
    let theirs = ("WITHHELD".to_owned(), "REVOKED_BY_STAFF".to_owned());
    assert_eq!(hotel.access(NUMBER).await, theirs, "{replay}: {story:?}");
    let reinstate = "mutation($id: ID!) { x: keychainReinstate(input: {keychain: $id}) { userErrors { code } } }";
    mutate(&hotel, reinstate, json!({ "id": id })).await;
    portal.settle().await;
    assert_eq!(hotel.reservation(NUMBER).await["keychain"]["id"], id);
    assert_eq!(hotel.reveal(NUMBER).await, pin, "{replay}: {story:?}");
    assert!(portal.locks.opens(&locks[0], &pin, from), "{replay}");
}
