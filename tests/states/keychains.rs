//! A keychain in its life, and how far the locks have got with it.

use super::{instant, is};
use crate::harness::Portal;
use chrono::Duration;
use portal_mews::fake::StayState;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_alone_makes_it_current_and_past() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.door("101").await;
    let [from, until] = hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let second = Duration::seconds(1);
    let upcoming = is("UPCOMING", "PROVISIONED");
    let current = is("CURRENT", "PROVISIONED");
    // Nothing is stored meanwhile: no job runs.
    for (at, expected) in [
        (from - second, &upcoming),
        (from, &current),
        (until - second, &current),
        (until, &is("PAST", "REMOVING")),
    ] {
        portal.clock.advance(at - portal.env.now());
        assert_eq!(hotel.stands("31").await, *expected, "{at}");
    }
    assert_eq!(
        hotel.access("31").await,
        is("TRANSFERRED", ""),
        "as last decided"
    );
    portal.settle().await;
    assert_eq!(hotel.stands("31").await, is("PAST", "REMOVED"));
    assert_eq!(hotel.access("31").await, is("ENDED", "DEPARTED"));
    assert_eq!(hotel.copy("31").await, is("REMOVED", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_locks_get_it_one_by_one_and_forget_it_one_by_one() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let room = hotel.door("101").await;
    hotel.add_space("Gate", "COMMON_AREA").await;
    let gate = hotel.install("Gate", "Lock Gate").await;
    let link = json!({ "mainSpace": hotel.space("Room 101").await,
        "linkedSpace": hotel.space("Gate").await });
    hotel.tell("spaceLink", link).await;
    let both = |online: bool| {
        portal.locks.set_online(&room, online);
        portal.locks.set_online(&gate, online);
    };
    both(false);
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    assert_eq!(hotel.stands("31").await, is("UPCOMING", "PENDING"));
    portal.locks.set_online(&gate, true);
    portal.later(Duration::minutes(15)).await;
    assert_eq!(hotel.stands("31").await, is("UPCOMING", "PARTIAL"));
    portal.locks.set_online(&room, true);
    portal.later(Duration::minutes(15)).await;
    assert_eq!(hotel.stands("31").await, is("UPCOMING", "PROVISIONED"));

    portal.locks.set_online(&gate, false);
    portal.mews.cancel("31", "Other");
    portal.next_look().await;
    assert_eq!(hotel.stands("31").await, is("REVOKED", "REMOVING"));
    assert_eq!(portal.locks.codes(&room), []);
    portal.locks.set_online(&gate, true);
    portal.later(Duration::minutes(6)).await;
    assert_eq!(hotel.stands("31").await, is("REVOKED", "REMOVED"));
    assert_eq!(portal.locks.codes(&gate), []);
}

/// What happens to a stay in the PMS, or by the clock.
type Act = fn(&Portal, &str);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ended_it_the_pms_can_bring_the_same_back() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let in_the_future: Act = |portal, number| {
        let now = portal.env.now();
        let (from, until) = (now + Duration::hours(3), now + Duration::hours(30));
        portal.mews.redate(number, from, until);
    };
    let table: [(&str, Act, &str, Act, &str); 5] = [
        (
            "CANCELED",
            |p, n| p.mews.cancel(n, "Other"),
            "REVOKED",
            |p, n| p.mews.set_state(n, StayState::Confirmed),
            "UPCOMING",
        ),
        (
            "NO_SHOW",
            |p, n| p.mews.no_show(n),
            "REVOKED",
            |p, n| p.mews.set_state(n, StayState::Confirmed),
            "UPCOMING",
        ),
        (
            "CHECKED_OUT",
            |p, n| {
                p.mews.check_in(n);
                p.mews.check_out(n);
            },
            "PAST",
            |p, n| p.mews.check_in(n),
            "CURRENT",
        ),
        (
            "DEPARTED",
            |p, n| {
                let now = p.env.now();
                let from = now - Duration::hours(9);
                p.mews.redate(n, from, now - Duration::hours(1));
            },
            "PAST",
            in_the_future,
            "UPCOMING",
        ),
        (
            "DEPARTED",
            |p, _| p.clock.advance(Duration::hours(51)),
            "PAST",
            in_the_future,
            "UPCOMING",
        ),
    ];
    for (n, (code, end, ended, back, returned)) in table.into_iter().enumerate() {
        let number = format!("S{n}");
        hotel.book_in(&number, "101", 5, 50);
        portal.next_look().await;
        let before = hotel.only_keychain(&number).await;
        let pin = hotel.reveal(&number).await;
        end(&portal, &number);
        portal.next_look().await;
        assert_eq!(hotel.access(&number).await, is("ENDED", code));
        assert_eq!(hotel.stands(&number).await, is(ended, "REMOVED"), "{code}");
        assert_eq!(portal.locks.codes(&lock), [], "{code}");

        back(&portal, &number);
        portal.next_look().await;
        assert_eq!(hotel.access(&number).await, is("TRANSFERRED", ""), "{code}");
        let after = hotel.only_keychain(&number).await;
        assert_eq!(after["id"], before["id"], "{code}");
        assert!(after["generation"].as_i64() > before["generation"].as_i64());
        let stands = is(returned, "PROVISIONED");
        assert_eq!(hotel.stands(&number).await, stands, "{code}");
        assert_eq!(hotel.reveal(&number).await, pin, "{code}");
        let [held] = &portal.locks.codes(&lock)[..] else {
            panic!("{code}: one code");
        };
        assert_eq!(held.pin, pin);
        assert_eq!(held.until, instant(&after["endsAt"]), "{code}");
        assert_eq!(hotel.in_mews(&number), [pin]);
        portal.mews.cancel(&number, "Other");
        portal.next_look().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_nobody_knows_gives_nothing_and_takes_nothing() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    for (number, from) in [("31", 1), ("32", 60), ("33", 120)] {
        hotel.book_in(number, "101", from, from + 50);
    }
    portal.mews.set_new_state("33", "Frozen");
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pins = [hotel.reveal("31").await, hotel.reveal("32").await];
    portal.mews.set_new_state("31", "Frozen");
    portal.mews.set_new_state("32", "Frozen");
    portal.next_look().await;
    assert_eq!(
        hotel.access("33").await,
        is("WITHHELD", "STATE_NOT_ELIGIBLE")
    );
    assert_eq!(hotel.all_keychains("33").await, Vec::<Value>::new());
    for (number, pin) in [("31", &pins[0]), ("32", &pins[1])] {
        assert_eq!(
            hotel.access(number).await,
            is("TRANSFERRED", ""),
            "{number}"
        );
        assert_eq!(&hotel.reveal(number).await, pin, "{number}");
        assert_eq!(hotel.in_mews(number), std::slice::from_ref(pin), "{number}");
    }
    assert_eq!(portal.locks.codes(&lock).len(), 2);
    // What was known of them stays; of a new one nothing is.
    let states =
        "query($id: ID!) { property(id: $id) { reservations(transfer: [TRANSFERRED, WITHHELD]) {
        nodes { number state rawState } } } }";
    let told = hotel.ask(states, json!({ "id": hotel.id })).await;
    let expected = json!([
        {"number": "31", "state": "CHECKED_IN", "rawState": "Frozen"},
        {"number": "32", "state": "CONFIRMED", "rawState": "Frozen"},
        {"number": "33", "state": "UNKNOWN", "rawState": "Frozen"},
    ]);
    assert_eq!(told["property"]["reservations"]["nodes"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_is_no_longer_certain_loses_it_until_it_is() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    hotel.book_in("31", "101", 5, 50);
    portal.next_look().await;
    let keychain = hotel.only_keychain("31").await["id"].clone();
    let pin = hotel.reveal("31").await;
    portal.mews.set_state("31", StayState::Optional);
    portal.next_look().await;
    let withheld = is("WITHHELD", "STATE_NOT_ELIGIBLE");
    assert_eq!(hotel.access("31").await, withheld);
    assert_eq!(hotel.stands("31").await, is("REVOKED", "REMOVED"));
    assert_eq!(hotel.reservation("31").await["keychain"], Value::Null);
    assert_eq!(portal.locks.codes(&lock), []);
    portal.mews.set_state("31", StayState::Confirmed);
    portal.next_look().await;
    assert_eq!(hotel.only_keychain("31").await["id"], keychain);
    assert_eq!(hotel.stands("31").await, is("UPCOMING", "PROVISIONED"));
    assert_eq!(hotel.reveal("31").await, pin);
}
