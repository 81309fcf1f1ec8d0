//! What Mews's contract asks of whoever keeps keys, where no other file shows it.
//! `adapters/mews/CONTRACT-COVERAGE.md` lists all of it.

use crate::harness::{CLIENT_TOKEN, Portal};
use crate::who_sees_what::log;
use chrono::{DateTime, Duration, Utc};
use portal_mews::fake::{Booking, Fault};

const RESERVATIONS: &str = "reservations/getAll/2023-06-06";
/// A read of all stays, and a look at what changed, as the fake tells them apart.
const WINDOW: &str = "reservations/getAll/2023-06-06 (CollidingUtc, States)";
const LOOK: &str = "reservations/getAll/2023-06-06 (UpdatedUtc)";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn asked(portal: &Portal, kind: &str) -> u32 {
    portal.mews.asked().get(kind).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_too_heavy_for_mews_is_asked_for_in_smaller_ones() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    for n in 0..60 {
        hotel.book(&n.to_string(), None);
    }
    let before = asked(&portal, LOOK);
    for _ in 0..2 {
        let heavy = Fault::Status { status: 408 };
        portal.mews.inject(heavy, Some(RESERVATIONS), 1);
    }
    portal.next_look().await;
    for n in [0, 59] {
        assert_eq!(hotel.access(&n.to_string()).await.1, "ROOM_UNASSIGNED");
    }
    // A thousand were too many, and 250; fifty were not, and the rest came as usual.
    assert_eq!(asked(&portal, LOOK) - before, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stay_over_the_change_of_the_clocks_keeps_its_instants() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    // From 15:00 of winter to 11:00 of summer, in Prague.
    let (from, until) = (at("2027-03-27T14:00:00Z"), at("2027-03-28T09:00:00Z"));
    let stay = Booking::new(from, until).number("31").room("101");
    portal.mews.book(&hotel.enterprise, &stay);
    portal.next_look().await;
    let keychain = hotel.reservation("31").await["keychain"].clone();
    assert_eq!(keychain["startsAt"], "2027-03-27T14:00:00Z");
    assert_eq!(keychain["endsAt"], "2027-03-28T09:00:00Z");
    let held = portal.mews.pins("31");
    assert_eq!((held[0].from, held[0].until), (from, until));
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_read_again_once_a_day_without_being_told() {
    let portal = Portal::start().await;
    let mut hotel = portal.house("Aurora", &[]).await;
    portal.mews.rename_room(&hotel.enterprise, "103", "Attic");
    let reads = portal.mews.calls_of("resources/getAll");
    portal.later(Duration::hours(12)).await;
    assert_eq!(portal.mews.calls_of("resources/getAll"), reads);
    portal.later(Duration::hours(18)).await;
    assert_eq!(portal.mews.calls_of("resources/getAll"), reads + 1);
    hotel.owner = hotel.sign_in().await;
    assert_ne!(hotel.room("Attic").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_months_without_a_look_all_stays_are_read_anew() {
    let portal = Portal::start().await;
    let mut hotel = portal.house("Aurora", &[]).await;
    let windows = asked(&portal, WINDOW);
    // Mews cannot be asked for the changes of so long a time.
    portal.clock.advance(Duration::days(1));
    hotel.book("31", None);
    let now = portal.env.now();
    let stay = Booking::new(now + Duration::days(120), now + Duration::days(122));
    portal.mews.book(&hotel.enterprise, &stay.number("32"));
    portal.clock.advance(Duration::days(99));
    portal.settle().await;
    assert!(asked(&portal, WINDOW) > windows);
    hotel.owner = hotel.sign_in().await;
    assert_eq!(hotel.access("32").await.1, "ROOM_UNASSIGNED");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stays_are_compared_once_a_day() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let mut hotel = hotel.with_door("101").await;
    let now = portal.env.now();
    let stay = Booking::new(now + Duration::days(3), now + Duration::days(5)).number("31");
    portal.mews.book(&hotel.enterprise, &stay.room("101"));
    portal.next_look().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    // The last looks reach back ten minutes.
    portal.later(Duration::minutes(30)).await;
    let windows = asked(&portal, WINDOW);
    // Whether a move always counts as a change is not written in the contract.
    portal.mews.change_quietly(true);
    portal.mews.assign("31", Some("102"));
    portal.later(Duration::minutes(30)).await;
    hotel.owner = hotel.sign_in().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    assert_eq!(asked(&portal, WINDOW), windows);
    portal.later(Duration::hours(24)).await;
    portal.next_look().await;
    hotel.owner = hotel.sign_in().await;
    // A year, in pieces of eighty days.
    assert_eq!(asked(&portal, WINDOW), windows + 5);
    assert_eq!(hotel.access("31").await.1, "ROOM_NOT_MAPPED");
    portal.next_look().await;
    assert_eq!(asked(&portal, WINDOW), windows + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_client_token_is_an_alarm_and_mends_by_itself() {
    let log = log();
    let alarm = b"APP_CREDENTIALS";
    let portal = Portal::start().await;
    let mut hotels = Vec::new();
    for name in ["Aurora", "Borealis", "Corona", "Dawn"] {
        hotels.push(portal.hotel(name).await.with_mews().await);
    }
    portal.mews.expect_client_token("another".into());
    for _ in 0..4 {
        portal.later(Duration::seconds(95)).await;
    }
    for hotel in &hotels {
        assert_eq!(hotel.status().await, "CONNECTED");
    }
    let said = log.lock().expect("the log").clone();
    assert!(said.windows(alarm.len()).any(|part| part == alarm));

    portal.mews.expect_client_token(CLIENT_TOKEN.into());
    for hotel in &hotels {
        hotel.book("31", None);
    }
    for _ in 0..2 {
        portal.later(Duration::seconds(95)).await;
    }
    for hotel in &hotels {
        assert_eq!(hotel.access("31").await.1, "ROOM_UNASSIGNED");
    }
}
