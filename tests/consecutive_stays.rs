//! A guest who stays on in the same room under another reservation notices nothing.

use crate::harness::{Hotel, Portal, text};
use chrono::{DateTime, Duration, Utc};
use portal_mews::fake::Booking;

const HOUR: fn(i64) -> Duration = Duration::hours;

struct Stays<'a> {
    hotel: Hotel<'a>,
    lock: String,
    /// When the first stay begins.
    from: DateTime<Utc>,
}

impl<'a> Stays<'a> {
    /// Two stays in room 101: until eleven, and from two in the afternoon of the same day on.
    async fn book(portal: &'a Portal, same_guest: bool) -> Stays<'a> {
        let hotel = portal.house("Aurora", &[]).await;
        let lock = hotel.door("101").await;
        let from = portal.env.now() + HOUR(2);
        let first = Booking::new(from, from + HOUR(45))
            .number("31")
            .guest("Ada Guest")
            .room("101");
        portal.mews.book(&hotel.enterprise, &first);
        let mut second = Booking::new(from + HOUR(48), from + HOUR(93))
            .number("32")
            .room("101");
        if same_guest {
            second = second.same_guest_as("31");
        }
        portal.mews.book(&hotel.enterprise, &second);
        portal.next_look().await;
        Stays { hotel, lock, from }
    }

    fn opens(&self, pin: &str, hours: i64) -> bool {
        self.hotel
            .portal
            .locks
            .opens(&self.lock, pin, self.from + HOUR(hours))
    }
}

/// Gives the keychain of a reservation another PIN.
async fn rotate(hotel: &Hotel<'_>, number: &str) {
    let id = hotel.reservation(number).await["keychain"]["id"].clone();
    let input = serde_json::json!({ "keychain": id, "reason": "asked for" });
    hotel.tell("pinRotate", input).await;
    hotel.portal.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pin_and_one_window_for_both_stays() {
    let portal = Portal::start().await;
    let stays = Stays::book(&portal, true).await;
    let hotel = &stays.hotel;
    let pin = hotel.reveal("31").await;
    assert_eq!(hotel.reveal("32").await, pin, "the same PIN");
    let keychains = [hotel.reservation("31").await, hotel.reservation("32").await];
    let times = keychains.each_ref().map(|stay| {
        let at = |name: &str| {
            text(&stay["keychain"][name])
                .parse::<DateTime<Utc>>()
                .expect("a time")
        };
        (at("startsAt"), at("endsAt"))
    });
    assert_eq!(
        times[1].0, times[0].1,
        "the second begins where the first ends"
    );
    // One code on the lock, from the first hour to the last, without a break.
    assert_eq!(portal.locks.codes(&stays.lock).len(), 1);
    for hour in [1, 44, 46, 47, 50, 92] {
        assert!(stays.opens(&pin, hour), "hour {hour}");
    }
    assert!(!stays.opens(&pin, 94));
    // Mews holds it for each reservation.
    assert_eq!(
        (hotel.in_mews("31"), hotel.in_mews("32")),
        (vec![pin.clone()], vec![pin.clone()])
    );

    // The guest checks out of the first and into the second: the door goes on opening.
    portal.mews.check_in("31");
    portal.later(HOUR(47)).await;
    portal.mews.check_out("31");
    portal.next_look().await;
    assert!(portal.locks.opens(&stays.lock, &pin, portal.env.now()));
    portal.mews.check_in("32");
    portal.next_look().await;
    assert_eq!(hotel.reveal("32").await, pin);
    assert!(portal.locks.opens(&stays.lock, &pin, portal.env.now()));
    assert_eq!(portal.locks.codes(&stays.lock).len(), 1);
    portal.later(Duration::minutes(20)).await;
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    portal.mews.check_out("32");
    portal.next_look().await;
    portal.later(Duration::minutes(5)).await;
    assert_eq!(portal.locks.codes(&stays.lock), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_share_nothing() {
    let portal = Portal::start().await;
    let stays = Stays::book(&portal, false).await;
    let (one, two) = (
        stays.hotel.reveal("31").await,
        stays.hotel.reveal("32").await,
    );
    assert_ne!(one, two);
    assert!(stays.opens(&one, 44) && !stays.opens(&one, 46));
    assert!(!stays.opens(&two, 47) && stays.opens(&two, 49));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_they_part_each_goes_its_own_way() {
    let portal = Portal::start().await;
    let stays = Stays::book(&portal, true).await;
    let hotel = &stays.hotel;
    let pin = hotel.reveal("31").await;

    // The second is canceled: the code ends with the first.
    portal.mews.cancel("32", "RequestedByGuest");
    portal.next_look().await;
    assert!(stays.opens(&pin, 44) && !stays.opens(&pin, 46));
    assert_eq!(hotel.in_mews("31"), std::slice::from_ref(&pin));
    // It comes back: they are one again.
    portal
        .mews
        .set_state("32", portal_mews::fake::StayState::Confirmed);
    portal.next_look().await;
    assert!(stays.opens(&pin, 46) && stays.opens(&pin, 92));

    // The first is canceled: the second begins at its own time, with the same PIN.
    portal.mews.cancel("31", "RequestedByGuest");
    portal.next_look().await;
    assert_eq!(hotel.reveal("32").await, pin);
    assert!(!stays.opens(&pin, 44) && !stays.opens(&pin, 47));
    assert!(stays.opens(&pin, 49) && stays.opens(&pin, 92));
    assert_eq!(portal.locks.codes(&stays.lock).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pin_for_one_leaves_the_other_its_own() {
    let portal = Portal::start().await;
    let stays = Stays::book(&portal, true).await;
    let hotel = &stays.hotel;
    let old = hotel.reveal("31").await;
    rotate(hotel, "32").await;
    let new = hotel.reveal("32").await;
    assert_ne!(new, old);
    assert_eq!(hotel.reveal("31").await, old);
    assert!(
        stays.opens(&old, 44) && !stays.opens(&old, 50),
        "the old one ends with the first stay"
    );
    assert!(stays.opens(&new, 50) && stays.opens(&new, 92));
    assert_eq!(
        (hotel.in_mews("31"), hotel.in_mews("32")),
        (vec![old], vec![new])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_stays_that_end_before_the_pin_of_the_last_goes_on() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let from = portal.env.now() + HOUR(2);
    // Two of them at once, each with a PIN of its own.
    for (number, until) in [("31", 40), ("32", 46)] {
        let mut booking = Booking::new(from, from + HOUR(until)).number(number);
        if number == "32" {
            booking = booking.same_guest_as("31");
        }
        portal.mews.book(&hotel.enterprise, &booking.room("101"));
    }
    portal.next_look().await;
    let (one, two) = (hotel.reveal("31").await, hotel.reveal("32").await);
    assert_ne!(one, two);
    let third = Booking::new(from + HOUR(49), from + HOUR(90)).number("33");
    let third = third.same_guest_as("31").room("101");
    portal.mews.book(&hotel.enterprise, &third);
    portal.next_look().await;
    assert_eq!(hotel.reveal("33").await, two, "it goes on from the last");
    let opens = |pin: &str, hour: i64| portal.locks.opens(&lock, pin, from + HOUR(hour));
    assert!(opens(&one, 39) && !opens(&one, 41));
    assert!(opens(&two, 45) && opens(&two, 47) && opens(&two, 89));

    // One more that ends while the second goes on: it is not the third's guest who goes on from it.
    rotate(&hotel, "33").await;
    let three = hotel.reveal("33").await;
    let fourth = Booking::new(from + HOUR(20), from + HOUR(41)).number("34");
    let fourth = fourth.same_guest_as("31").room("101");
    portal.mews.book(&hotel.enterprise, &fourth);
    portal.next_look().await;
    assert_eq!(hotel.reveal("33").await, three, "it keeps its PIN");
    assert_ne!(hotel.reveal("34").await, three);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_earlier_moves_towards_the_later_both_keep_the_pin() {
    for first in ["31", "32"] {
        let portal = Portal::start().await;
        let hotel = portal.house("Aurora", &[]).await;
        let lock = hotel.door("101").await;
        let from = portal.env.now() + HOUR(2);
        let second = if first == "31" { "32" } else { "31" };
        for number in [first, second] {
            let (begins, ends) = if number == "31" { (0, 36) } else { (48, 93) };
            let mut stay = Booking::new(from + HOUR(begins), from + HOUR(ends)).number(number);
            if number == second {
                stay = stay.same_guest_as(first);
            }
            portal.mews.book(&hotel.enterprise, &stay.room("101"));
            portal.next_look().await;
        }
        let pin = hotel.reveal("31").await;
        assert_eq!(hotel.reveal("32").await, pin);
        // Whichever is decided first: what the other was is no reason for another PIN.
        portal.mews.redate("31", from + HOUR(43), from + HOUR(47));
        portal.next_look().await;
        assert_eq!(hotel.reveal("31").await, pin, "{first} first");
        assert_eq!(hotel.reveal("32").await, pin, "{first} first");
        assert_eq!(portal.locks.codes(&lock).len(), 1);
    }
}

/// A stay as the model has it.
#[derive(Clone)]
struct Booked {
    number: String,
    room: Option<&'static str>,
    canceled: bool,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Booked {
    /// From when until when it opens its room: at once after a stay of the guest in the same room that
    /// ended half a day before or later.
    fn window(&self, all: &[Self]) -> Option<(&'static str, DateTime<Utc>, DateTime<Utc>)> {
        let room = self.room.filter(|_| !self.canceled)?;
        let before = all.iter().filter(|other| {
            let near = other.until <= self.from && self.from - other.until <= HOUR(12);
            other.number != self.number && !other.canceled && other.room == Some(room) && near
        });
        let from = before.map(|other| other.until).max().unwrap_or(self.from);
        Some((room, from, self.until))
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told from its start")]
#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_them_each_door_opens_when_it_should_and_never_else() {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    let seed: u64 = std::env::var("PORTAL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("consecutive stays: seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    let mut locks = Vec::new();
    for room in ["101", "102"] {
        hotel.map(room, &format!("Room {room}")).await;
        locks.push((
            room,
            hotel
                .install(&format!("Room {room}"), &format!("Lock {room}"))
                .await,
        ));
    }
    // Three stays of one guest, with three hours between them.
    let start = portal.env.now() + HOUR(24 * 20);
    let mut stays = Vec::new();
    for n in 0..3 {
        let (from, until) = (start + HOUR(48 * n), start + HOUR(48 * n + 45));
        let number = format!("S{n}");
        let mut booking = Booking::new(from, until).number(&number).room("101");
        if n > 0 {
            booking = booking.same_guest_as("S0");
        }
        portal.mews.book(&hotel.enterprise, &booking);
        stays.push(Booked {
            number,
            room: Some("101"),
            canceled: false,
            from,
            until,
        });
    }
    portal.next_look().await;
    let held = |n: usize| hotel.in_mews(&format!("S{n}"));
    assert_eq!((held(0), held(1)), (held(1), held(2)), "they begin as one");
    for event in 0..40 {
        let n = rng.random_range(0..3);
        let stay = &mut stays[n];
        match rng.random_range(0..5) {
            0 if stay.canceled => {
                portal
                    .mews
                    .set_state(&stay.number, portal_mews::fake::StayState::Confirmed);
                stay.canceled = false;
            }
            0 => {
                portal.mews.cancel(&stay.number, "RequestedByGuest");
                stay.canceled = true;
            }
            1 | 2 if !stay.canceled => {
                stay.room = *[Some("101"), Some("101"), Some("102"), None]
                    .choose(&mut rng)
                    .expect("one");
                portal.mews.assign(&stay.number, stay.room);
            }
            3 if !stay.canceled => {
                let slot = start + HOUR(48 * i64::try_from(n).expect("few"));
                stay.from = slot + HOUR(rng.random_range(0..6));
                stay.until = slot + HOUR(rng.random_range(30..46));
                portal.mews.redate(&stay.number, stay.from, stay.until);
            }
            _ => {}
        }
        portal.next_look().await;
        // The codes each stay has, as the PMS holds them.
        let codes: Vec<Option<String>> = stays
            .iter()
            .map(|stay| hotel.in_mews(&stay.number).first().cloned())
            .collect();
        for hour in -3..145 {
            let at = start + HOUR(hour) + Duration::minutes(30);
            for (room, lock) in &locks {
                for code in codes.iter().flatten() {
                    let should = stays.iter().zip(&codes).any(|(stay, has)| {
                        let window = stay.window(&stays).filter(|window| window.0 == *room);
                        let inside =
                            window.is_some_and(|(_, from, until)| from <= at && at < until);
                        inside && has.as_ref() == Some(code)
                    });
                    let opens = portal.locks.opens(lock, code, at);
                    assert_eq!(
                        opens, should,
                        "seed {seed}, event {event}: {room} at hour {hour}"
                    );
                }
            }
        }
        for (stay, code) in stays.iter().zip(&codes) {
            assert_eq!(
                code.is_some(),
                stay.window(&stays).is_some(),
                "seed {seed}, event {event}"
            );
        }
    }
}
