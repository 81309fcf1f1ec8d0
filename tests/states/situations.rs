//! What becomes of a stay in each situation a hotel knows.

use super::{instant, is};
use crate::harness::{Hotel, Portal, text};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

/// The main room of each keychain of a stay with the state it is in, in the order of the rooms.
async fn rooms(hotel: &Hotel<'_>, number: &str) -> Vec<(String, String)> {
    let all = hotel.all_keychains(number).await;
    let told = |k: &Value| (text(&k["mainSpace"]["name"]), text(&k["status"]));
    let mut rooms: Vec<_> = all.iter().map(told).collect();
    rooms.sort();
    rooms
}

/// Two guests in two rooms with locks, and their PINs.
async fn two<'a>(portal: &'a Portal, name: &str) -> (Hotel<'a>, [String; 2], [String; 2]) {
    let hotel = portal.house(name, &[]).await;
    let locks = [hotel.door("101").await, hotel.door("102").await];
    hotel.book_in("31", "101", 5, 50);
    hotel.book_in("32", "102", 5, 50);
    portal.next_look().await;
    let pins = [hotel.reveal("31").await, hotel.reveal("32").await];
    assert_ne!(pins[0], pins[1]);
    (hotel, locks, pins)
}

/// A guest in the house whom the PMS has moved while the lock of the new room is away: the locks of
/// both rooms, and the PIN.
async fn moved_to_a_lock_that_is_away(portal: &Portal) -> (Hotel<'_>, [String; 2], String) {
    let hotel = portal.house("Aurora", &[]).await;
    let locks = [hotel.door("101").await, hotel.door("102").await];
    hotel.book_in("31", "101", 5, 90);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal.locks.set_online(&locks[1], false);
    portal.mews.assign("31", Some("102"));
    portal.next_look().await;
    (hotel, locks, pin)
}

/// Which of the PINs open which of the locks at a time.
fn opens(portal: &Portal, locks: &[String], pins: &[String], at: DateTime<Utc>) -> Vec<Vec<bool>> {
    let of = |lock| {
        pins.iter()
            .map(move |pin| portal.locks.opens(lock, pin, at))
    };
    locks.iter().map(|lock| of(lock).collect()).collect()
}

fn swap(portal: &Portal) {
    portal.mews.assign("31", Some("102"));
    portal.mews.assign("32", Some("101"));
}

fn in_mews(portal: &Portal, number: &str) -> (String, Option<String>) {
    let mut held = portal.mews.pins(number);
    assert_eq!(held.len(), 1, "{number}");
    let held = held.remove(0);
    (held.value, held.room)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guests_to_come_swap_rooms_and_keep_keychains_and_pins() {
    let portal = Portal::start().await;
    let (hotel, locks, pins) = two(&portal, "Aurora").await;
    let ids = [
        hotel.only_keychain("31").await["id"].clone(),
        hotel.only_keychain("32").await["id"].clone(),
    ];
    swap(&portal);
    portal.next_look().await;
    assert_eq!(hotel.only_keychain("31").await["id"], ids[0]);
    assert_eq!(hotel.only_keychain("32").await["id"], ids[1]);
    let arrival = portal.env.now() + Duration::hours(5);
    let crossed = [vec![false, true], vec![true, false]];
    assert_eq!(opens(&portal, &locks, &pins, arrival), crossed);
    let room = |room: &str| Some(room.to_owned());
    assert_eq!(in_mews(&portal, "31"), (pins[0].clone(), room("102")));
    assert_eq!(in_mews(&portal, "32"), (pins[1].clone(), room("101")));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guests_in_the_house_swap_rooms_and_both_doors_take_both_for_the_luggage() {
    let portal = Portal::start().await;
    let (hotel, locks, pins) = two(&portal, "Aurora").await;
    portal.mews.check_in("31");
    portal.mews.check_in("32");
    portal.next_look().await;
    swap(&portal);
    portal.next_look().await;
    let moved = portal.env.now();
    for (number, old, new) in [
        ("31", "Room 101", "Room 102"),
        ("32", "Room 102", "Room 101"),
    ] {
        let mut all = hotel.all_keychains(number).await;
        all.sort_by_key(|keychain| text(&keychain["endsAt"]));
        let [first, next] = &all[..] else {
            panic!("two keychains");
        };
        assert_eq!(first["mainSpace"]["name"], json!(old));
        assert_eq!(instant(&first["endsAt"]), moved + Duration::hours(1));
        assert_eq!(next["mainSpace"]["name"], json!(new));
        assert_eq!(next["provisioning"], json!("PROVISIONED"));
    }
    let all = [vec![true, true], vec![true, true]];
    assert_eq!(opens(&portal, &locks, &pins, moved), all);
    portal.later(Duration::minutes(61)).await;
    let crossed = [vec![false, true], vec![true, false]];
    let now = portal.env.now();
    assert_eq!(opens(&portal, &locks, &pins, now), crossed);
    assert_eq!(portal.locks.codes(&locks[0]).len(), 1);
    assert_eq!(portal.locks.codes(&locks[1]).len(), 1);
    let expected = [is("Room 101", "PAST"), is("Room 102", "CURRENT")];
    assert_eq!(rooms(&hotel, "31").await, expected);
    let room = |room: &str| Some(room.to_owned());
    assert_eq!(in_mews(&portal, "31"), (pins[0].clone(), room("102")));
    assert_eq!(in_mews(&portal, "32"), (pins[1].clone(), room("101")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_a_lock_that_is_away_leaves_the_old_door_open() {
    let portal = Portal::start().await;
    let (hotel, [old, new], pin) = moved_to_a_lock_that_is_away(&portal).await;
    let now = portal.env.now();
    assert!(portal.locks.opens(&old, &pin, now));
    let expected = [is("Room 101", "CURRENT"), is("Room 102", "CURRENT")];
    assert_eq!(rooms(&hotel, "31").await, expected);
    // Longer than the luggage has time: the guest has no other door.
    portal.later(Duration::hours(3)).await;
    assert!(portal.locks.opens(&old, &pin, portal.env.now()));
    portal.locks.set_online(&new, true);
    portal.later(Duration::minutes(6)).await;
    let moved = portal.env.now();
    assert!(portal.locks.opens(&new, &pin, moved));
    assert_eq!(
        in_mews(&portal, "31"),
        (pin.clone(), Some("102".to_owned()))
    );
    // From then on it has the usual time.
    assert!(portal.locks.opens(&old, &pin, moved));
    portal.later(Duration::minutes(61)).await;
    assert!(!portal.locks.opens(&old, &pin, portal.env.now()));
    let expected = [is("Room 101", "PAST"), is("Room 102", "CURRENT")];
    assert_eq!(rooms(&hotel, "31").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_room_closes_though_the_link_breaks_before_the_new_lock_is_back() {
    let portal = Portal::start().await;
    let (hotel, [old, new], pin) = moved_to_a_lock_that_is_away(&portal).await;
    hotel.break_link().await;
    assert!(portal.locks.opens(&old, &pin, portal.env.now()));
    portal.locks.set_online(&new, true);
    portal.later(Duration::minutes(6)).await;
    assert!(portal.locks.opens(&new, &pin, portal.env.now()));
    assert!(portal.locks.opens(&old, &pin, portal.env.now()));
    portal.later(Duration::minutes(61)).await;
    assert!(portal.locks.opens(&new, &pin, portal.env.now()));
    assert!(!portal.locks.opens(&old, &pin, portal.env.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_check_in_opens_the_door_at_once_and_a_late_one_changes_nothing() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [_, until] = hotel.book_in("31", "101", 5, 50);
    let [late_from, _] = hotel.book_in("32", "101", 3, 50);
    portal.next_look().await;
    let (pin, late) = (hotel.reveal("31").await, hotel.reveal("32").await);
    assert!(!portal.locks.opens(&lock, &pin, portal.env.now()));
    let arrived = portal.env.now();
    portal.mews.check_in("31");
    portal.next_look().await;
    let keychain = hotel.only_keychain("31").await;
    assert_eq!(keychain["status"], json!("CURRENT"));
    // Mews tells the time in whole seconds.
    let from = instant(&keychain["startsAt"]);
    assert!((arrived - from).num_seconds().abs() <= 1, "{from}");
    assert_eq!(instant(&keychain["endsAt"]), until);
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(portal.locks.opens(&lock, &pin, portal.env.now()));

    portal.later(Duration::hours(4)).await;
    portal.mews.check_in("32");
    portal.next_look().await;
    let keychain = hotel.only_keychain("32").await;
    assert_eq!(instant(&keychain["startsAt"]), late_from);
    assert_eq!(hotel.reveal("32").await, late);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_check_out_lengthens_it_and_an_early_one_ends_it() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [from, until] = hotel.book_in("31", "101", 1, 6);
    portal.next_look().await;
    portal.later(Duration::hours(2)).await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let id = hotel.only_keychain("31").await["id"].clone();
    let agreed = until + Duration::hours(4);
    assert!(!portal.locks.opens(&lock, &pin, until));
    portal.mews.redate("31", from, agreed);
    portal.next_look().await;
    assert_eq!(hotel.only_keychain("31").await["id"], id);
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(portal.locks.opens(&lock, &pin, until));
    assert_eq!(portal.mews.pins("31")[0].until, agreed);

    portal.mews.check_out("31");
    portal.next_look().await;
    assert_eq!(hotel.access("31").await, is("ENDED", "CHECKED_OUT"));
    assert_eq!(hotel.stands("31").await, is("PAST", "REMOVED"));
    assert_eq!(portal.locks.codes(&lock), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_overstays_is_out_on_time_and_back_when_the_pms_extends() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [from, until] = hotel.book_in("31", "101", 1, 6);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal
        .later(until - portal.env.now() - Duration::minutes(31))
        .await;
    assert_eq!(hotel.asks_for_a_person().await, Vec::<String>::new());
    portal.later(Duration::minutes(2)).await;
    let overdue = [
        "stay.overdue: The guest of reservation 31 is in the house, and access ends \
        within 30 minutes or has ended. Check the guest out in the PMS, or give the stay a later end \
        there.",
    ];
    assert_eq!(hotel.asks_for_a_person().await, overdue);
    portal.later(until - portal.env.now()).await;
    assert_eq!(hotel.access("31").await, is("ENDED", "DEPARTED"));
    assert_eq!(portal.locks.codes(&lock), []);
    assert_eq!(hotel.asks_for_a_person().await, overdue);
    portal.mews.redate("31", from, until + Duration::hours(9));
    portal.next_look().await;
    assert_eq!(hotel.asks_for_a_person().await, Vec::<String>::new());
    assert_eq!(hotel.stands("31").await, is("CURRENT", "PROVISIONED"));
    assert_eq!(hotel.reveal("31").await, pin);
    assert!(portal.locks.opens(&lock, &pin, portal.env.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_for_the_day_is_a_stay_like_any_other() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [from, until] = hotel.book_in("31", "101", 1, 7);
    hotel.book_in("32", "101", 3, 3);
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let second = Duration::seconds(1);
    for (at, expected) in [
        (from - second, false),
        (from, true),
        (until - second, true),
        (until, false),
    ] {
        assert_eq!(portal.locks.opens(&lock, &pin, at), expected, "{at}");
    }
    // One of no length opens for nobody.
    assert_eq!(hotel.access("32").await, is("ENDED", "DEPARTED"));
    assert_eq!(hotel.all_keychains("32").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stays_in_one_room_at_once_both_open_it() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book_in("31", "101", 5, 50);
    hotel.book_in("32", "101", 9, 30);
    portal.next_look().await;
    let pins = [hotel.reveal("31").await, hotel.reveal("32").await];
    assert_ne!(pins[0], pins[1]);
    let both = portal.env.now() + Duration::hours(10);
    let open = opens(&portal, std::slice::from_ref(&lock), &pins, both);
    assert_eq!(open, [vec![true, true]]);
    let overlap = [
        "stay.overlap: Two reservations have one room at the same time, and both guests get \
        in: 31 and 32 in 101. Move one in the PMS, or put this aside if they share the room.",
    ];
    assert_eq!(hotel.asks_for_a_person().await, overlap);
    // Where they came from does not matter, nor who is decided about first.
    portal.mews.assign("31", None);
    portal.next_look().await;
    assert_eq!(hotel.asks_for_a_person().await, Vec::<String>::new());
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;
    assert_eq!(hotel.asks_for_a_person().await, overlap);
    // One leaves, and the other's door still opens.
    portal.mews.cancel("32", "Other");
    portal.next_look().await;
    assert_eq!(hotel.asks_for_a_person().await, Vec::<String>::new());
    let open = opens(&portal, &[lock], &pins, both);
    assert_eq!(open, [vec![true, false]]);
    assert_eq!(hotel.stands("31").await, is("UPCOMING", "PROVISIONED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_keeps_the_key_to_the_end_where_the_policy_says_so() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let keep = json!({ "property": hotel.id, "onCheckOut": "KEEP_TO_END" });
    hotel.tell("policyUpdate", keep).await;
    let [_, until] = hotel.book_in("31", "101", 1, 6);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal.mews.check_out("31");
    portal.next_look().await;
    assert_eq!(hotel.access("31").await, is("TRANSFERRED", ""));
    assert!(portal.locks.opens(&lock, &pin, portal.env.now()));
    portal.later(until - portal.env.now()).await;
    assert_eq!(hotel.access("31").await, is("ENDED", "DEPARTED"));
    assert_eq!(portal.locks.codes(&lock), []);
    assert_eq!(hotel.stands("31").await, is("PAST", "REMOVED"));
}
