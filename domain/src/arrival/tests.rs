use super::*;
use crate::slots::Claimant;
use crate::{PinId, Window};
use ArrivalReasonCode as R;
use ArrivalVerdict::{AtRisk, Ready, WillFail};
use DevicePinStatus as Status;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-{text}:00Z")
        .parse()
        .expect("a time in December")
}

/// Nine in the morning; the guest may come in at two.
const NOW: &str = "01T09:00";
const START: &str = "01T14:00";
/// Quarter of an hour and two hours before.
const NEAR: &str = "01T13:45";
const FAR: &str = "01T12:00";

fn device(n: u128) -> DeviceId {
    DeviceId(uuid::Uuid::from_u128(n))
}

fn code(status: Status) -> Code {
    Code {
        pin: PinId(uuid::Uuid::from_u128(7)),
        status,
        desired: Some(Window {
            from: at(START),
            until: at("03T11:00"),
        }),
        confirmed_until: None,
        next_attempt_at: Some(at("01T08:00")),
        attempts: 1,
        last_error: None,
    }
}

/// One that is tried an hour before the stay.
fn early() -> Code {
    Code {
        next_attempt_at: Some(at("01T13:00")),
        attempts: 0,
        ..code(Status::Waiting)
    }
}

fn failing(error: EffectError) -> Code {
    Code {
        last_error: Some(error),
        ..code(Status::Waiting)
    }
}

fn lock(code: Option<Code>) -> Lock {
    Lock {
        device: device(1),
        connectivity: DeviceConnectivity::Online,
        connected: true,
        lead: None,
        code,
        wait: None,
    }
}

fn offline(code: Option<Code>) -> Lock {
    Lock {
        connectivity: DeviceConnectivity::Offline,
        ..lock(code)
    }
}

fn unknown(code: Option<Code>) -> Lock {
    Lock {
        connectivity: DeviceConnectivity::Unknown,
        ..lock(code)
    }
}

fn cut_off(code: Option<Code>) -> Lock {
    Lock {
        connected: false,
        ..lock(code)
    }
}

/// A lock without a slot until then.
fn full(code: Option<Code>, slot_at: Option<&str>) -> Lock {
    let wait = Wait {
        by: Claimant::Pin(PinId(uuid::Uuid::from_u128(7))),
        from: at(NOW),
        starts_at: at(START),
        slot_at: slot_at.map(at),
    };
    Lock {
        wait: Some(wait),
        ..lock(code)
    }
}

fn granted(locks: &[Lock]) -> Facts {
    Facts {
        starts_at: at(START),
        deciding: false,
        granted: true,
        withheld: None,
        lock_integration: true,
        locks: locks.to_vec(),
    }
}

fn withheld(code: WithheldCode, locks: &[Lock]) -> Facts {
    Facts {
        granted: false,
        withheld: Some(code),
        ..granted(locks)
    }
}

/// The verdict, until when somebody can act, and why.
fn told(facts: &Facts, now: &str) -> (ArrivalVerdict, Option<DateTime<Utc>>, Vec<R>) {
    let outlook = judge(facts, at(now));
    let because = outlook.because.iter().map(|reason| reason.code).collect();
    (outlook.verdict, outlook.act_by, because)
}

#[test]
fn every_state_of_a_lock_has_its_verdict() {
    let on = |code| lock(Some(code));
    let off = |code| offline(Some(code));
    let cut = |code| cut_off(Some(code));
    let set = code(Status::Set);
    let sent = code(Status::Sent);
    let due = code(Status::Waiting);
    let again = code(Status::Removing);
    let blocked = code(Status::Blocked);
    let silent = failing(EffectError::Unreachable);
    let no_room = failing(EffectError::DeviceFull);
    let away = failing(EffectError::DeviceOffline);
    let soon = full(Some(no_room), Some("01T11:00"));
    let late = full(Some(no_room), Some("01T13:50"));
    let ready = || (Ready, None, vec![]);
    let itself = |why| (AtRisk, None, vec![why]);
    let by = |time, why| (AtRisk, Some(at(time)), vec![why]);
    let lost = |time, why| (WillFail, Some(at(time)), vec![why]);
    let table = [
        ("set", on(set), ready()),
        ("set, then offline", off(set), ready()),
        ("set, then cut off", cut(set), ready()),
        ("not due", on(early()), ready()),
        ("due", on(due), itself(R::PinPending)),
        ("no row yet", lock(None), itself(R::PinPending)),
        ("granted again", on(again), itself(R::PinPending)),
        ("sent", on(sent), itself(R::PinUnconfirmed)),
        ("sent, offline", off(sent), by(FAR, R::DeviceOffline)),
        ("blocked", on(blocked), lost(NEAR, R::PinBlocked)),
        ("blocked, offline", off(blocked), lost(FAR, R::PinBlocked)),
        ("offline", off(due), by(FAR, R::DeviceOffline)),
        ("offline early", off(early()), by(FAR, R::DeviceOffline)),
        ("says it is away", on(away), by(FAR, R::DeviceOffline)),
        ("unknown", unknown(Some(due)), by(FAR, R::DeviceUnknown)),
        ("cut off", cut(early()), by(NEAR, R::LocksDisconnected)),
        ("no answer", on(silent), by(NEAR, R::PinNotTaken)),
        ("freed since", on(no_room), itself(R::DeviceFull)),
        ("frees in time", soon, itself(R::DeviceFull)),
        ("frees too late", late, by(NEAR, R::DeviceFull)),
        ("full", full(Some(due), None), by(NEAR, R::DeviceFull)),
    ];
    for (name, lock, expected) in table {
        assert_eq!(told(&granted(&[lock]), NOW), expected, "{name}");
    }
}

#[test]
fn when_it_is_too_late_to_act_the_door_will_stay_shut() {
    let due = code(Status::Waiting);
    let just_due = Code {
        next_attempt_at: Some(at(START)),
        ..due
    };
    let sent = code(Status::Sent);
    let silent = failing(EffectError::Unreachable);
    let table = [
        ("offline", offline(Some(due)), "01T11:59", AtRisk),
        ("offline", offline(Some(due)), FAR, WillFail),
        ("unknown", unknown(Some(due)), FAR, WillFail),
        ("no answer", lock(Some(silent)), "01T13:44", AtRisk),
        ("no answer", lock(Some(silent)), NEAR, WillFail),
        ("full", full(Some(due), None), NEAR, WillFail),
        // What goes by itself has until the guest stands there.
        ("due", lock(Some(due)), "01T13:59", AtRisk),
        ("due", lock(Some(due)), START, WillFail),
        ("just due", lock(Some(just_due)), START, AtRisk),
        ("no row yet", lock(None), START, WillFail),
        ("sent", lock(Some(sent)), "01T14:05", AtRisk),
        ("set", lock(Some(code(Status::Set))), "02T14:00", Ready),
    ];
    for (name, lock, now, verdict) in table {
        assert_eq!(told(&granted(&[lock]), now).0, verdict, "{name} at {now}");
    }
}

#[test]
fn a_lock_that_wants_its_codes_shortly_before_wants_that_time() {
    let lead = |lead| Lock {
        lead: Some(lead),
        ..lock(Some(failing(EffectError::Unreachable)))
    };
    let hour = lead(Lead::JustInTime { minutes: 60 });
    assert_eq!(told(&granted(&[hour]), NOW).1, Some(at("01T13:00")));
    let days = lead(Lead::Preload { hours: 72 });
    assert_eq!(told(&granted(&[days]), NOW).1, Some(at(NEAR)));
    let slow = Lock {
        connectivity: DeviceConnectivity::Offline,
        ..lead(Lead::JustInTime { minutes: 180 })
    };
    assert_eq!(told(&granted(&[slow]), NOW).1, Some(at("01T11:00")));
    // The slowest lock of the doors sets the time for all that comes before the locks.
    let room = withheld(WithheldCode::PinUnavailable, &[lock(None), hour]);
    let outlook = judge(&room, at(NOW));
    assert_eq!(outlook.because[0].act_by, Some(at("01T13:00")));
}

#[test]
fn every_reason_to_withhold_is_somebodys_or_nobodys_to_clear() {
    use WithheldCode as W;
    let near = Some(at(NEAR));
    // Who is to act until when, and why.
    let table = [
        (W::RevokedByStaff, near, Some(R::RevokedByStaff)),
        (W::IntegrationBroken, near, Some(R::IntegrationBroken)),
        (
            W::IntegrationDisconnected,
            near,
            Some(R::IntegrationDisconnected),
        ),
        (W::CatchingUp, None, Some(R::CatchingUp)),
        (W::PropertyInSetup, near, Some(R::PropertyInSetup)),
        (W::StateNotEligible, near, Some(R::StateNotEligible)),
        (W::RoomUnassigned, near, Some(R::RoomUnassigned)),
        (W::RoomNotMapped, near, Some(R::RoomNotMapped)),
        (W::NoDeviceInRoom, near, Some(R::NoDeviceInRoom)),
        (W::PinUnavailable, near, Some(R::PinUnavailable)),
        // The clock's and the desk's.
        (W::OutsideHorizon, None, None),
        (W::AwaitingCheckIn, None, None),
        // Over, and just come back.
        (W::Canceled, None, Some(R::Deciding)),
        (W::NoShow, None, Some(R::Deciding)),
        (W::CheckedOut, None, Some(R::Deciding)),
        (W::Departed, None, Some(R::Deciding)),
    ];
    assert_eq!(table.len(), W::ALL.len());
    for (code, act_by, because) in table {
        let facts = withheld(code, &[]);
        let (before, once_there) = match because {
            None => (Ready, Ready),
            Some(R::Deciding) => (AtRisk, AtRisk),
            Some(_) => (AtRisk, WillFail),
        };
        let expected = (before, act_by, because.into_iter().collect());
        assert_eq!(told(&facts, NOW), expected, "{code}");
        assert_eq!(told(&facts, START).0, once_there, "{code}");
    }
    let new = Facts {
        withheld: None,
        ..withheld(W::RoomNotMapped, &[])
    };
    assert_eq!(told(&new, NOW), (AtRisk, None, vec![R::Deciding]));
}

#[test]
fn the_locks_behind_a_room_count_before_there_is_a_keychain() {
    use WithheldCode as W;
    let far = Some(at(FAR));
    let awaiting = withheld(W::AwaitingCheckIn, &[lock(None)]);
    assert_eq!(told(&awaiting, START), (Ready, None, vec![]));
    let awaiting = withheld(W::AwaitingCheckIn, &[offline(None)]);
    assert_eq!(told(&awaiting, NOW), (AtRisk, far, vec![R::DeviceOffline]));
    assert_eq!(told(&awaiting, FAR).0, WillFail);
    let crowded = withheld(W::OutsideHorizon, &[full(None, None)]);
    let near = Some(at(NEAR));
    assert_eq!(told(&crowded, NOW), (AtRisk, near, vec![R::DeviceFull]));
    // Both have to be put right, and the lock takes longer.
    let both = withheld(W::IntegrationBroken, &[offline(None)]);
    let expected = (AtRisk, far, vec![R::IntegrationBroken, R::DeviceOffline]);
    assert_eq!(told(&both, NOW), expected);
}

#[test]
fn a_property_without_a_lock_integration_has_no_door_to_open() {
    use WithheldCode as W;
    let bare = |code| Facts {
        lock_integration: false,
        ..withheld(code, &[])
    };
    let far = Some(at(FAR));
    let no_locks = vec![R::NoLockIntegration];
    assert_eq!(told(&bare(W::NoDeviceInRoom), NOW), (AtRisk, far, no_locks));
    let both = vec![R::NoLockIntegration, R::RoomNotMapped];
    assert_eq!(told(&bare(W::RoomNotMapped), NOW), (AtRisk, far, both));
    assert_eq!(told(&bare(W::NoDeviceInRoom), FAR).0, WillFail);
    // The locks are there still, only cut off.
    let left = Facts {
        lock_integration: false,
        ..withheld(W::AwaitingCheckIn, &[cut_off(None)])
    };
    let near = Some(at(NEAR));
    assert_eq!(told(&left, NOW), (AtRisk, near, vec![R::LocksDisconnected]));
}

#[test]
fn a_stay_that_changed_a_moment_ago_is_not_judged_by_what_was() {
    let set = lock(Some(code(Status::Set)));
    let changed = Facts {
        deciding: true,
        ..granted(&[set])
    };
    assert_eq!(told(&changed, NOW), (AtRisk, None, vec![R::Deciding]));
    assert_eq!(told(&changed, "02T14:00").0, AtRisk, "in the house");
    let unmapped = Facts {
        deciding: true,
        ..withheld(WithheldCode::RoomNotMapped, &[])
    };
    let both = vec![R::RoomNotMapped, R::Deciding];
    assert_eq!(told(&unmapped, NOW), (AtRisk, Some(at(NEAR)), both));
}

#[test]
fn a_key_to_a_door_whose_lock_was_taken_away_opens_nothing() {
    let near = Some(at(NEAR));
    let lost = granted(&[]);
    assert_eq!(told(&lost, NOW), (AtRisk, near, vec![R::NoDeviceInRoom]));
    assert_eq!(told(&lost, "02T14:00").0, WillFail);
}

#[test]
fn the_worst_comes_first_and_the_earliest_time_counts() {
    let on = |n, lock: Lock| Lock {
        device: device(n),
        ..lock
    };
    let facts = granted(&[
        on(1, lock(Some(code(Status::Waiting)))),
        on(2, offline(Some(early()))),
        on(3, lock(Some(code(Status::Blocked)))),
        on(4, offline(Some(early()))),
        on(5, lock(Some(code(Status::Set)))),
    ]);
    let outlook = judge(&facts, at(NOW));
    assert_eq!((outlook.verdict, outlook.act_by), (WillFail, Some(at(FAR))));
    let because: Vec<_> = outlook
        .because
        .iter()
        .map(|reason| (reason.code, reason.device, reason.verdict))
        .collect();
    let expected = [
        (R::PinBlocked, Some(device(3)), WillFail),
        (R::DeviceOffline, Some(device(2)), AtRisk),
        (R::DeviceOffline, Some(device(4)), AtRisk),
        (R::PinPending, Some(device(1)), AtRisk),
    ];
    assert_eq!(because, expected);
}

#[test]
fn a_full_lock_says_when_there_is_a_slot() {
    let no_room = failing(EffectError::DeviceFull);
    let slot = |lock| judge(&granted(&[lock]), at(NOW)).because[0].slot_at;
    let eleven = full(Some(no_room), Some("01T11:00"));
    assert_eq!(slot(eleven), Some(at("01T11:00")));
    assert_eq!(slot(full(Some(no_room), None)), None);
    let unplugged = Lock {
        connectivity: DeviceConnectivity::Offline,
        ..eleven
    };
    assert_eq!(slot(unplugged), None, "that is not what is missing");
}
