use super::*;
use crate::DevicePinStatus as Status;
use chrono::Duration;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-{text}:00Z")
        .parse()
        .expect("a time in December")
}

fn pin(n: u128) -> PinId {
    PinId(uuid::Uuid::from_u128(n))
}

/// A code that is to be on the lock for a stay.
fn code(n: u128, status: Status, from: &str, until: &str) -> Code {
    let on_lock = matches!(status, Status::Set | Status::Sent);
    Code {
        pin: pin(n),
        status,
        desired: Some(Window {
            from: at(from),
            until: at(until),
        }),
        confirmed_until: on_lock.then(|| at(until)),
        next_attempt_at: (status == Status::Waiting).then(|| at("01T09:00")),
        attempts: 0,
        last_error: None,
    }
}

/// A code that the lock takes two hours before its stay.
fn early(n: u128, from: &str, until: &str) -> Code {
    Code {
        next_attempt_at: Some(at(from) - Duration::hours(2)),
        ..code(n, Status::Waiting, from, until)
    }
}

fn december() -> Window {
    Window {
        from: at("01T00:00"),
        until: at("31T00:00"),
    }
}

const NOW: &str = "01T10:00";

fn look(capacity: usize, codes: &[Code]) -> Forecast {
    forecast(capacity, codes, true, december(), at(NOW))
}

/// Who waits, since when, when there is a slot, and whether that is too late.
type Told = (Claimant, DateTime<Utc>, Option<DateTime<Utc>>, bool);

fn waiting(forecast: &Forecast) -> Vec<Told> {
    let told = |wait: &Wait| (wait.by, wait.from, wait.slot_at, wait.is_late());
    forecast.waits.iter().map(told).collect()
}

#[test]
fn a_code_takes_a_slot_from_when_it_is_sent_until_it_is_gone() {
    let set = code(1, Status::Set, "01T14:00", "03T11:00");
    let over = Code {
        status: Status::Removing,
        desired: None,
        ..set
    };
    let full = Code {
        status: Status::Waiting,
        last_error: Some(EffectError::DeviceFull),
        attempts: 3,
        confirmed_until: None,
        ..set
    };
    let changed = Code {
        status: Status::Waiting,
        ..set
    };
    let blocked = code(1, Status::Blocked, "01T14:00", "03T11:00");
    let removed = Code {
        status: Status::Removed,
        ..over
    };
    let residual = Code {
        status: Status::Residual,
        ..over
    };
    let due = code(1, Status::Waiting, "01T14:00", "03T11:00");
    let early = early(1, "01T14:00", "03T11:00");
    let end = Some(at("03T11:00"));
    let (now, noon) = (Some(at(NOW)), Some(at("01T12:00")));
    // The code, whether the lock can be reached; whether it holds a slot now, from when until when.
    let table = [
        (set, true, true, now, end),
        (
            code(1, Status::Sent, "01T14:00", "03T11:00"),
            true,
            true,
            now,
            end,
        ),
        (changed, true, true, now, end),
        (full, true, false, now, end),
        (due, true, false, now, end),
        (early, true, false, noon, end),
        (over, true, true, None, None),
        (over, false, true, now, end),
        (residual, true, true, now, end),
        (removed, true, false, None, None),
        (blocked, true, false, None, None),
        (
            Code {
                status: Status::Blocked,
                ..set
            },
            true,
            true,
            now,
            end,
        ),
    ];
    for (n, (code, reachable, holds, from, until)) in table.into_iter().enumerate() {
        assert_eq!(code.holds_slot(), holds, "line {n}");
        let claim = code.claim(reachable, at(NOW));
        assert_eq!(claim.map(|claim| claim.from), from, "line {n}");
        assert_eq!(claim.map(|claim| claim.until), until, "line {n}");
        assert!(claim.is_none_or(|claim| claim.held == holds), "line {n}");
    }
}

#[test]
fn the_most_that_is_wanted_at_once_and_when_it_first_exceeds_the_lock() {
    let codes = [
        code(1, Status::Set, "01T08:00", "02T11:00"),
        early(2, "02T14:00", "04T11:00"),
        early(3, "03T14:00", "05T11:00"),
        early(4, "03T15:00", "04T11:00"),
    ];
    let roomy = look(3, &codes);
    let expected = Forecast {
        used: 1,
        peak: 3,
        peak_at: at("03T13:00"),
        exceeds_at: None,
        waits: Vec::new(),
    };
    assert_eq!(roomy, expected);

    let narrow = look(2, &codes);
    assert_eq!((narrow.peak, narrow.exceeds_at), (3, Some(at("03T13:00"))));
    // The fourth is wanted at 13:00 and gets the slot the second leaves on the 4th.
    let wait = (Claimant::Pin(pin(4)), at("03T13:00"), None, true);
    assert_eq!(waiting(&narrow), [wait], "its own stay ends in that moment");
}

#[test]
fn what_ends_makes_room_for_what_begins_in_the_same_moment() {
    let codes = [
        code(1, Status::Set, "01T08:00", "02T11:00"),
        Code {
            next_attempt_at: Some(at("02T11:00")),
            ..code(2, Status::Waiting, "02T14:00", "04T11:00")
        },
    ];
    let looked = look(1, &codes);
    assert_eq!((looked.peak, looked.exceeds_at), (1, None));
    assert_eq!(looked.waits, []);
}

#[test]
fn a_slot_that_becomes_free_goes_to_the_soonest_stay() {
    let codes = [
        code(1, Status::Set, "01T08:00", "01T11:00"),
        code(2, Status::Set, "01T08:00", "03T11:00"),
        // All due now, on a lock that takes codes at any time.
        code(3, Status::Waiting, "05T14:00", "06T11:00"),
        code(4, Status::Waiting, "01T15:00", "02T11:00"),
        code(5, Status::Waiting, "02T10:00", "04T11:00"),
    ];
    let looked = look(2, &codes);
    assert_eq!((looked.used, looked.peak), (2, 5));
    assert_eq!(looked.exceeds_at, Some(at(NOW)));
    let now = at(NOW);
    let expected = [
        (Claimant::Pin(pin(4)), now, Some(at("01T11:00")), false),
        (Claimant::Pin(pin(5)), now, Some(at("02T11:00")), true),
        (Claimant::Pin(pin(3)), now, Some(at("03T11:00")), false),
    ];
    assert_eq!(waiting(&looked), expected);
}

#[test]
fn a_lock_without_any_slot_lets_everyone_wait_to_the_end() {
    let codes = [code(1, Status::Waiting, "01T14:00", "03T11:00")];
    let looked = look(0, &codes);
    assert_eq!(looked.exceeds_at, Some(at(NOW)));
    let expected = [(Claimant::Pin(pin(1)), at(NOW), None, true)];
    assert_eq!(waiting(&looked), expected);
}

#[test]
fn a_code_that_an_unreachable_lock_should_forget_keeps_its_slot_to_its_own_end() {
    let gone = Code {
        status: Status::Removing,
        desired: None,
        ..code(1, Status::Set, "01T08:00", "02T18:00")
    };
    let codes = [gone, early(2, "02T14:00", "04T11:00")];
    assert_eq!(look(1, &codes).waits, []);
    let looked = forecast(1, &codes, false, december(), at(NOW));
    assert_eq!(looked.exceeds_at, Some(at("02T12:00")));
    let wait = (
        Claimant::Pin(pin(2)),
        at("02T12:00"),
        Some(at("02T18:00")),
        true,
    );
    assert_eq!(waiting(&looked), [wait]);
}

#[test]
fn only_what_touches_the_days_asked_for_is_told() {
    let codes = [
        code(1, Status::Set, "01T08:00", "10T11:00"),
        early(2, "05T14:00", "06T11:00"),
    ];
    let days = |from: &str, until: &str| {
        let range = Window {
            from: at(from),
            until: at(until),
        };
        forecast(1, &codes, true, range, at(NOW))
    };
    let before = days("02T00:00", "05T00:00");
    assert_eq!((before.peak, before.peak_at), (1, at("02T00:00")));
    assert_eq!((before.exceeds_at, before.waits), (None, Vec::new()));
    let there = days("05T00:00", "06T00:00");
    assert_eq!(there.exceeds_at, Some(at("05T12:00")));
    assert_eq!(there.waits.len(), 1);
    let past = days("01T00:00", "01T09:00");
    assert_eq!((past.used, past.peak, past.exceeds_at), (1, 0, None));
}

#[test]
fn a_stay_without_a_pin_yet_waits_like_the_others() {
    let stay = Claimant::Stay(ReservationId(uuid::Uuid::from_u128(9)));
    let held = code(1, Status::Set, "01T08:00", "02T11:00").claim(true, at(NOW));
    let wish = Claim {
        by: stay,
        from: at("01T14:00"),
        starts_at: at("01T14:00"),
        until: at("03T11:00"),
        held: false,
    };
    let claims: Vec<Claim> = held.into_iter().chain([wish]).collect();
    let waits = waits(1, &claims, at(NOW));
    let told: Vec<_> = waits.iter().map(|wait| (wait.by, wait.slot_at)).collect();
    assert_eq!(told, [(stay, Some(at("02T11:00")))]);
    assert!(waits[0].is_late());
}

#[test]
fn a_slot_is_given_up_for_a_sooner_stay_until_the_own_one_has_begun() {
    let codes = [
        code(1, Status::Set, "01T08:00", "03T11:00"),
        code(2, Status::Set, "10T14:00", "12T11:00"),
        // Booked for tonight while both slots are in use.
        code(3, Status::Waiting, "01T15:00", "02T11:00"),
    ];
    let looked = look(2, &codes);
    let back = Some(at("02T11:00"));
    let expected = [(Claimant::Pin(pin(2)), at(NOW), back, false)];
    assert_eq!(waiting(&looked), expected);
    // Once it has begun it stays, whoever comes.
    let later = at("10T15:00");
    let claims = [code(2, Status::Set, "10T14:00", "12T11:00"), {
        let booked_late = code(3, Status::Waiting, "10T13:00", "11T11:00");
        Code {
            next_attempt_at: Some(later),
            ..booked_late
        }
    }];
    let claims: Vec<_> = claims
        .iter()
        .filter_map(|code| code.claim(true, later))
        .collect();
    let waits = waits(1, &claims, later);
    assert_eq!(waits.len(), 1);
    assert_eq!(
        (waits[0].by, waits[0].slot_at),
        (Claimant::Pin(pin(3)), None)
    );
}

/// The numbers of the PINs a lock shall hold.
fn held(capacity: usize, codes: &[Code]) -> Vec<u128> {
    let held = hold(capacity, codes, at(NOW));
    held.into_iter().map(|pin| pin.0.as_u128()).collect()
}

#[test]
fn a_lock_holds_who_is_in_and_then_who_comes_first() {
    let inside = code(1, Status::Set, "01T08:00", "03T11:00");
    let far = code(2, Status::Set, "10T14:00", "12T11:00");
    let tonight = code(3, Status::Waiting, "01T15:00", "02T11:00");
    let next_week = code(4, Status::Waiting, "08T15:00", "09T11:00");
    let all = [inside, far, tonight, next_week];
    assert_eq!(held(4, &all), [1, 2, 3, 4]);
    // One of the two new ones has to wait, and it is not the one that comes first.
    assert_eq!(held(3, &[inside, tonight, next_week, far]), [1, 3]);
    // The far one makes room; the new one goes there when it is gone.
    assert_eq!(held(2, &all), [1]);
    let gone = Code {
        status: Status::Waiting,
        confirmed_until: None,
        last_error: Some(EffectError::DeviceFull),
        ..far
    };
    assert_eq!(held(2, &[inside, gone, tonight, next_week]), [1, 3]);
    // Nobody who is in makes room, not even for who should be in by now.
    let late = code(5, Status::Waiting, "01T07:00", "02T11:00");
    assert_eq!(held(1, &[inside, late]), [1]);
    // Not even for what has to go first.
    let going = Code {
        status: Status::Removing,
        desired: None,
        ..far
    };
    let also_inside = code(8, Status::Set, "01T09:00", "02T11:00");
    assert_eq!(held(2, &[inside, also_inside, going]), [1, 8]);
    // What cannot be forgotten takes its slot to the end.
    let residual = Code {
        status: Status::Residual,
        desired: None,
        ..code(6, Status::Set, "01T07:00", "02T11:00")
    };
    assert_eq!(held(2, &[residual, inside, tonight]), [1]);
    // One that is not due is not in the way.
    let soon = early(7, "01T14:00", "02T11:00");
    assert_eq!(held(2, &[inside, soon, tonight]), [1, 3]);
}

#[test]
fn a_lock_never_holds_more_than_fits_and_nobody_waits_for_who_comes_later() {
    use rand::{RngExt, SeedableRng};
    let seed = 20_261_201;
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    for round in 0..2_000 {
        let capacity = rng.random_range(1..6);
        let mut codes: Vec<Code> = (0..rng.random_range(1..12))
            .map(|n| {
                let from = at("01T00:00") + Duration::hours(rng.random_range(0..72));
                let until = from + Duration::hours(rng.random_range(1..60));
                Code {
                    desired: Some(Window { from, until }),
                    ..code(n, Status::Waiting, "01T14:00", "03T11:00")
                }
            })
            .collect();
        let mut begun: BTreeSet<PinId> = BTreeSet::new();
        let mut now = at(NOW);
        for step in 0..60 {
            let told = format!("seed {seed} round {round} step {step}");
            let chosen = hold(capacity, &codes, now);
            let due = |code: &Code| code.desired.is_some();
            let before: BTreeSet<PinId> = codes
                .iter()
                .filter(|code| code.holds_slot())
                .map(|code| code.pin)
                .collect();
            for code in &mut codes {
                let over = code.desired.is_none_or(|window| window.until <= now);
                match (chosen.contains(&code.pin), code.status) {
                    // What goes takes its time.
                    (_, Status::Removing) if rng.random_range(0..2) == 0 => {}
                    (_, Status::Removing) => code.status = Status::Removed,
                    (_, Status::Set) if over => {
                        code.status = Status::Removing;
                        code.desired = None;
                    }
                    (true, _) => {
                        code.status = Status::Set;
                        code.confirmed_until = code.desired.map(|window| window.until);
                        code.last_error = None;
                    }
                    (false, Status::Set) => {
                        assert!(!begun.contains(&code.pin), "{told}: taken from who is in");
                        code.status = Status::Waiting;
                        code.confirmed_until = None;
                        code.last_error = Some(EffectError::DeviceFull);
                    }
                    (false, _) if over => {
                        code.status = Status::Removed;
                        code.desired = None;
                    }
                    (false, _) => {}
                }
            }
            let on_lock: BTreeSet<PinId> = codes
                .iter()
                .filter(|code| code.holds_slot())
                .map(|code| code.pin)
                .collect();
            let most = before.union(&on_lock).count();
            assert!(most <= capacity, "{told}: {most} at once");
            begun = codes
                .iter()
                .filter(|code| code.status == Status::Set)
                .filter(|code| code.desired.is_some_and(|window| window.from <= now))
                .map(|code| code.pin)
                .collect();
            // Once nothing moves any more, nobody waits for one who comes later.
            if hold(capacity, &codes, now) == on_lock {
                let starts = |wanted: &dyn Fn(&Code) -> bool| -> Vec<DateTime<Utc>> {
                    let these = codes.iter().filter(|code| due(code) && wanted(code));
                    these.filter_map(|code| Some(code.desired?.from)).collect()
                };
                let first_waits = starts(&|code| code.status == Status::Waiting);
                let last_held =
                    starts(&|code| code.status == Status::Set && !begun.contains(&code.pin));
                let (first, last) = (first_waits.iter().min(), last_held.iter().max());
                assert!(
                    first.zip(last).is_none_or(|(first, last)| last <= first),
                    "{told}: {first:?} waits for {last:?}"
                );
            }
            now += Duration::minutes(rng.random_range(0..180));
        }
    }
}
