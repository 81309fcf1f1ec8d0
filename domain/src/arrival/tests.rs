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
    let set = code(Status::Set);
    let sent = code(Status::Sent);
    let due = code(Status::Waiting);
    let blocked = Code {
        last_error: Some(EffectError::CodeNotAllowed),
        ..code(Status::Blocked)
    };
    let silent = failing(EffectError::Unreachable);
    let no_room = failing(EffectError::DeviceFull);
    let unplugged = failing(EffectError::DeviceOffline);
    let locks_as = [
        ("set", lock(Some(set)), Ready, None, None),
        ("set, then offline", offline(Some(set)), Ready, None, None),
        ("set, then cut off", cut_off(Some(set)), Ready, None, None),
        ("not due", lock(Some(early())), Ready, None, None),
        ("due", lock(Some(due)), AtRisk, None, Some(R::PinPending)),
        ("no row yet", lock(None), AtRisk, None, Some(R::PinPending)),
        (
            "sent",
            lock(Some(sent)),
            AtRisk,
            None,
            Some(R::PinUnconfirmed),
        ),
        (
            "blocked",
            lock(Some(blocked)),
            WillFail,
            Some(NEAR),
            Some(R::PinBlocked),
        ),
        (
            "blocked offline",
            offline(Some(blocked)),
            WillFail,
            Some(FAR),
            Some(R::PinBlocked),
        ),
        (
            "offline",
            offline(Some(due)),
            AtRisk,
            Some(FAR),
            Some(R::DeviceOffline),
        ),
        (
            "offline, not due",
            offline(Some(early())),
            AtRisk,
            Some(FAR),
            Some(R::DeviceOffline),
        ),
        (
            "sent, then offline",
            offline(Some(sent)),
            AtRisk,
            Some(FAR),
            Some(R::DeviceOffline),
        ),
        (
            "says it is away",
            lock(Some(unplugged)),
            AtRisk,
            Some(FAR),
            Some(R::DeviceOffline),
        ),
        (
            "unknown",
            unknown(Some(early())),
            AtRisk,
            Some(FAR),
            Some(R::DeviceUnknown),
        ),
        (
            "cut off",
            cut_off(Some(early())),
            AtRisk,
            Some(NEAR),
            Some(R::LocksDisconnected),
        ),
        (
            "no answer",
            lock(Some(silent)),
            AtRisk,
            Some(NEAR),
            Some(R::PinNotTaken),
        ),
        (
            "full, freed since",
            lock(Some(no_room)),
            AtRisk,
            None,
            Some(R::DeviceFull),
        ),
        (
            "full, frees in time",
            full(Some(no_room), Some("01T11:00")),
            AtRisk,
            None,
            Some(R::DeviceFull),
        ),
        (
            "frees too late",
            full(Some(no_room), Some("01T13:50")),
            AtRisk,
            Some(NEAR),
            Some(R::DeviceFull),
        ),
        (
            "full to the end",
            full(Some(early()), None),
            AtRisk,
            Some(NEAR),
            Some(R::DeviceFull),
        ),
        (
            "granted again",
            lock(Some(code(Status::Removing))),
            AtRisk,
            None,
            Some(R::PinPending),
        ),
    ];
    for (name, lock, verdict, act_by, because) in locks_as {
        let expected = (verdict, act_by.map(at), because.into_iter().collect());
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
    let table = [
        (
            W::RevokedByStaff,
            AtRisk,
            Some(NEAR),
            Some(R::RevokedByStaff),
        ),
        (
            W::IntegrationBroken,
            AtRisk,
            Some(NEAR),
            Some(R::IntegrationBroken),
        ),
        (
            W::IntegrationDisconnected,
            AtRisk,
            Some(NEAR),
            Some(R::IntegrationDisconnected),
        ),
        (W::CatchingUp, AtRisk, None, Some(R::CatchingUp)),
        (
            W::StateNotEligible,
            AtRisk,
            Some(NEAR),
            Some(R::StateNotEligible),
        ),
        (
            W::RoomUnassigned,
            AtRisk,
            Some(NEAR),
            Some(R::RoomUnassigned),
        ),
        (W::RoomNotMapped, AtRisk, Some(NEAR), Some(R::RoomNotMapped)),
        (
            W::NoDeviceInRoom,
            AtRisk,
            Some(NEAR),
            Some(R::NoDeviceInRoom),
        ),
        (
            W::PinUnavailable,
            AtRisk,
            Some(NEAR),
            Some(R::PinUnavailable),
        ),
        // The clock's and the desk's.
        (W::OutsideHorizon, Ready, None, None),
        (W::AwaitingCheckIn, Ready, None, None),
        // Over, and just come back.
        (W::Canceled, AtRisk, None, Some(R::Deciding)),
        (W::NoShow, AtRisk, None, Some(R::Deciding)),
        (W::CheckedOut, AtRisk, None, Some(R::Deciding)),
        (W::Departed, AtRisk, None, Some(R::Deciding)),
    ];
    assert_eq!(table.len(), W::ALL.len());
    for (code, verdict, act_by, because) in table {
        let facts = withheld(code, &[]);
        let expected = (verdict, act_by.map(at), because.into_iter().collect());
        assert_eq!(told(&facts, NOW), expected, "{code}");
        let late = match because {
            Some(R::Deciding) => AtRisk,
            Some(_) => WillFail,
            None => Ready,
        };
        assert_eq!(
            told(&facts, START).0,
            late,
            "{code} once the guest is there"
        );
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
