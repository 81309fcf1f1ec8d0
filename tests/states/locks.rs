//! A PIN on one lock.

use super::{instant, is};
use crate::harness::Portal;
use chrono::Duration;
use portal_domain::{DeviceRule, Lead};
use portal_virtual::fake::{Fault, Operation};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_wants_it_late_gets_it_then_and_is_not_asked_to_forget_what_it_never_had() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    let rules = [DeviceRule::Lead(Lead::JustInTime { minutes: 60 })];
    let lock = hotel.install_with("Room 101", "Lock 101", &rules).await;
    let [from, _] = hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let pin = hotel.on_lock("31").await;
    assert_eq!(pin["status"], json!("WAITING"));
    assert_eq!(instant(&pin["nextAttemptAt"]), from - Duration::hours(1));
    assert_eq!(hotel.copy("31").await, is("WAITING", "DOOR"));

    // Canceled before its time: the lock is not asked for anything.
    let writes = portal.locks.calls().writes();
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    assert_eq!(hotel.stands("31").await, is("REVOKED", "REMOVED"));
    assert_eq!(portal.locks.calls().writes(), writes);

    let [from, _] = hotel.book_in("32", "101", 5, 50);
    portal.next_look().await;
    let early = from - Duration::minutes(61) - portal.env.now();
    portal.later(early).await;
    assert_eq!(hotel.on_lock("32").await["status"], json!("WAITING"));
    assert_eq!(portal.locks.codes(&lock), []);
    portal.later(Duration::minutes(2)).await;
    assert_eq!(hotel.on_lock("32").await["status"], json!("SET"));
    assert_eq!(portal.locks.codes(&lock).len(), 1);
    assert_eq!(hotel.copy("32").await, is("STORED", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_held_stays_live_until_the_new_times_are_there() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [from, until] = hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let before = hotel.on_lock("31").await;
    let pin = hotel.reveal("31").await;
    let held = portal.locks.codes(&lock);
    portal.locks.set_online(&lock, false);
    let later = until + Duration::hours(24);
    portal.mews.redate("31", from, later);
    portal.next_look().await;
    let waiting = hotel.on_lock("31").await;
    assert_eq!(waiting["id"], before["id"]);
    assert_eq!(waiting["status"], json!("WAITING"));
    assert_eq!(waiting["lastError"], json!("DEVICE_OFFLINE"));
    assert_eq!(portal.locks.codes(&lock), held);
    assert!(portal.locks.opens(&lock, &pin, from));
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(15)).await;
    assert_eq!(hotel.on_lock("31").await["status"], json!("SET"));
    let [code] = &portal.locks.codes(&lock)[..] else {
        panic!("one code");
    };
    assert_eq!(
        (code.label.as_str(), code.pin.as_str()),
        (held[0].label.as_str(), pin.as_str())
    );
    assert_eq!((code.from, code.until), (from, later));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lock_refused_is_gone_with_the_stay_and_comes_back_with_it() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let fault = Fault::Status { status: 422 };
    portal.locks.inject(fault, Some(Operation::Put), 1);
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let blocked = hotel.on_lock("31").await;
    assert_eq!(blocked["status"], json!("BLOCKED"));
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    assert_eq!(hotel.on_lock("31").await["status"], json!("REMOVED"));
    assert_eq!(portal.locks.codes(&lock), []);
    portal
        .mews
        .set_state("31", portal_mews::fake::StayState::Confirmed);
    portal.next_look().await;
    let again = hotel.on_lock("31").await;
    assert_eq!(
        (&again["id"], &again["status"]),
        (&blocked["id"], &json!("SET"))
    );
    assert_eq!(portal.locks.codes(&lock).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_a_lie_is_found_by_reading_and_written_again() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    portal.locks.inject(Fault::Lose, Some(Operation::Put), 1);
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    assert_eq!(hotel.on_lock("31").await["status"], json!("WAITING"));
    assert_eq!(portal.locks.codes(&lock), []);
    assert_eq!(hotel.copy("31").await, is("WAITING", "DOOR"));
    portal.later(Duration::seconds(30)).await;
    assert_eq!(hotel.on_lock("31").await["status"], json!("SET"));
    assert_eq!(portal.locks.codes(&lock).len(), 1);
    assert_eq!(hotel.copy("31").await, is("STORED", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_with_few_slots_holds_who_is_in_and_who_comes_first() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    let rules = [DeviceRule::MaxCodes(2)];
    let lock = hotel.install_with("Room 101", "Lock 101", &rules).await;
    let [_, until] = hotel.book_in("31", "101", 1, 6);
    hotel.book_in("32", "101", 200, 220);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pins = [hotel.reveal("31").await, hotel.reveal("32").await];
    let opens = |pin: &str| portal.locks.codes(&lock).iter().any(|code| code.pin == pin);
    assert!(opens(&pins[0]) && opens(&pins[1]));

    // Somebody comes tonight: who comes next week makes room, who is in does not.
    hotel.book_in("33", "101", 7, 20);
    portal.next_look().await;
    let tonight = hotel.reveal("33").await;
    assert!(opens(&tonight) && opens(&pins[0]) && !opens(&pins[1]));
    assert_eq!(hotel.on_lock("33").await["status"], json!("SET"));
    let waits = hotel.on_lock("32").await;
    assert_eq!(waits["status"], json!("WAITING"));
    assert_eq!(waits["lastError"], json!("DEVICE_FULL"));
    assert_eq!(hotel.copy("33").await, is("STORED", ""));

    // One for tomorrow has to wait, and nobody makes room for it.
    hotel.book_in("34", "101", 30, 40);
    portal.next_look().await;
    assert_eq!(hotel.on_lock("34").await["lastError"], json!("DEVICE_FULL"));
    assert_eq!(hotel.copy("34").await, is("WAITING", "DOOR"));
    assert!(opens(&tonight) && opens(&pins[0]));
    assert!(hotel.asks_for_a_person().await.is_empty());

    // Whoever leaves makes room for the next, without anybody acting.
    portal.later(until - portal.env.now()).await;
    assert_eq!(hotel.on_lock("34").await["status"], json!("SET"));
    assert_eq!(hotel.on_lock("32").await["lastError"], json!("DEVICE_FULL"));
    portal.mews.cancel("34", "Other");
    portal.next_look().await;
    assert_eq!(hotel.on_lock("32").await["status"], json!("SET"));
    assert_eq!(hotel.reveal("32").await, pins[1], "the same PIN is back");
    assert!(opens(&pins[1]) && opens(&tonight));

    // With both slots in use by who is in, the third is a problem before it is too late.
    portal.mews.check_in("33");
    portal.mews.check_in("32");
    hotel.book_in("35", "101", 10, 15);
    portal.next_look().await;
    portal.later(Duration::minutes(5)).await;
    assert_eq!(hotel.on_lock("35").await["lastError"], json!("DEVICE_FULL"));
    let told = hotel.asks_for_a_person().await;
    let ready = told
        .iter()
        .filter(|line| line.starts_with("keychain.not_ready"));
    assert_eq!(ready.count(), 1, "{told:?}");
    assert_eq!(portal.locks.codes(&lock).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_with_whole_hours_and_a_longest_time_opens_all_through_a_long_stay() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    let rules = [DeviceRule::TimeGrid(60), DeviceRule::MaxDays(3)];
    let lock = hotel.install_with("Room 101", "Lock 101", &rules).await;
    let [from, until] = hotel.book_in("31", "101", 5, 24 * 9);
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let (mut now, mut writes) = (from, 0);
    portal.later(from - portal.env.now()).await;
    while now < until {
        assert!(portal.locks.opens(&lock, &pin, now), "at {now}");
        assert_eq!(hotel.on_lock("31").await["status"], json!("SET"));
        writes = portal.locks.calls().writes();
        portal.later(Duration::hours(13)).await;
        now = portal.env.now();
    }
    assert!(
        writes < 12,
        "told anew every day and a half, not each time: {writes}"
    );
    portal.later(Duration::hours(1)).await;
    assert_eq!(portal.locks.codes(&lock), []);
    assert_eq!(hotel.stands("31").await, is("PAST", "REMOVED"));
    assert_eq!(portal.locks.refused(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_keeps_the_slot_whatever_becomes_of_who_made_room() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    let rules = [DeviceRule::MaxCodes(2)];
    let lock = hotel.install_with("Room 101", "Lock 101", &rules).await;
    for (number, from) in [("31", 1), ("32", 200), ("33", 2)] {
        hotel.book_in(number, "101", from, from + 90);
        portal.next_look().await;
    }
    portal.mews.check_in("31");
    portal.mews.check_in("33");
    portal.next_look().await;
    let inside = [hotel.reveal("31").await, hotel.reveal("33").await];
    let holds = || {
        let codes = portal.locks.codes(&lock);
        inside
            .iter()
            .all(|pin| codes.iter().any(|code| code.pin == *pin))
    };
    assert!(holds());
    assert_eq!(hotel.on_lock("32").await["lastError"], json!("DEVICE_FULL"));
    // The lock is not even asked: nothing of it is there.
    let writes = portal.locks.calls().writes();
    portal.mews.cancel("32", "Other");
    portal.next_look().await;
    assert_eq!(hotel.on_lock("32").await["status"], json!("REMOVED"));
    let now = portal.env.now();
    portal.mews.redate("32", now, now + Duration::hours(50));
    portal
        .mews
        .set_state("32", portal_mews::fake::StayState::Confirmed);
    portal.next_look().await;
    assert_eq!(hotel.on_lock("32").await["lastError"], json!("DEVICE_FULL"));
    assert_eq!(portal.locks.calls().writes(), writes);
    assert!(holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_times_that_a_lock_refuses_take_nothing_from_what_it_has() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let [from, until] = hotel.book_in("31", "101", 1, 6);
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let fault = Fault::Status { status: 422 };
    portal.locks.inject(fault, Some(Operation::Put), 1);
    portal.mews.redate("31", from, until + Duration::hours(20));
    portal.next_look().await;
    assert_eq!(hotel.on_lock("31").await["status"], json!("BLOCKED"));
    // Whoever comes next has the lock written again.
    hotel.book_in("32", "101", 30, 40);
    portal.next_look().await;
    assert_eq!(hotel.on_lock("32").await["status"], json!("SET"));
    assert!(portal.locks.opens(&lock, &pin, portal.env.now()));
}
