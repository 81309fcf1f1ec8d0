use super::*;
use crate::{IntegrationStatus as Status, ReservationState as State, WithheldCode as Code};

const MAIN: KeychainDoorRole = KeychainDoorRole::Main;
const PARENT: KeychainDoorRole = KeychainDoorRole::Parent;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-{text}:00Z")
        .parse()
        .expect("a time in December")
}

#[expect(clippy::unnecessary_wraps, reason = "rooms take an option")]
pub(super) fn space(n: u128, devices: usize) -> Option<SpaceFacts> {
    Some(SpaceFacts {
        id: SpaceId(uuid::Uuid::from_u128(n)),
        name: format!("Space {n}"),
        devices: (0..devices)
            .map(|d| DeviceId(uuid::Uuid::from_u128(100 * n + d as u128)))
            .collect(),
    })
}

pub(super) fn room(name: &str, space: Option<SpaceFacts>) -> RoomFacts {
    RoomFacts {
        id: RoomId(uuid::Uuid::from_u128(7)),
        name: name.to_owned(),
        space,
    }
}

/// A confirmed stay from the 2nd to the 5th in room 101, mapped, with a lock.
pub(crate) fn stay() -> Facts {
    Facts {
        state: State::Confirmed,
        scheduled: Window {
            from: at("02T14:00"),
            until: at("05T11:00"),
        },
        checked_in_at: None,
        checked_out_at: None,
        revoked_by_staff: false,
        integration: Status::Connected,
        sync: Some(SyncState::Current),
        mode: PropertyMode::Live,
        policy: Policy::default(),
        rooms: vec![room("101", space(1, 1))],
        links: Vec::new(),
        held: None,
        follows: None,
    }
}

/// The reason, and whether a keychain that is there stays.
fn withheld(facts: &Facts, now: &str) -> Option<(Code, Existing)> {
    match decide(facts, at(now)) {
        Decision::Grant(_) => None,
        Decision::Withhold(w) => Some((w.code, w.existing)),
    }
}

#[test]
fn every_gate_names_its_reason_and_what_becomes_of_a_keychain() {
    use Existing::{End, Keep};
    type Verdict = Option<(Code, Existing)>;
    type Row = (&'static str, fn(&mut Facts), Verdict, Verdict);
    let table: &[Row] = &[
        ("nothing in the way", |_| {}, None, None),
        (
            "revoked",
            |f| f.revoked_by_staff = true,
            Some((Code::RevokedByStaff, End)),
            Some((Code::RevokedByStaff, End)),
        ),
        (
            "broken",
            |f| f.integration = Status::Broken,
            Some((Code::IntegrationBroken, Keep)),
            Some((Code::IntegrationBroken, Keep)),
        ),
        (
            "disconnected",
            |f| f.integration = Status::Disconnected,
            Some((Code::IntegrationDisconnected, Keep)),
            Some((Code::IntegrationDisconnected, Keep)),
        ),
        (
            "catching up",
            |f| f.sync = Some(SyncState::CatchingUp),
            Some((Code::CatchingUp, Keep)),
            Some((Code::CatchingUp, Keep)),
        ),
        (
            "first load",
            |f| f.sync = Some(SyncState::FirstLoad),
            None,
            None,
        ),
        (
            "no room",
            |f| f.rooms.clear(),
            Some((Code::RoomUnassigned, End)),
            Some((Code::RoomUnassigned, Keep)),
        ),
        (
            "room not mapped",
            |f| f.rooms = vec![room("101", None)],
            Some((Code::RoomNotMapped, End)),
            Some((Code::RoomNotMapped, Keep)),
        ),
        (
            "no lock",
            |f| f.rooms = vec![room("101", space(1, 0))],
            Some((Code::NoDeviceInRoom, End)),
            Some((Code::NoDeviceInRoom, Keep)),
        ),
        (
            "outside the horizon",
            |f| f.policy.horizon_days = 1,
            Some((Code::OutsideHorizon, End)),
            None,
        ),
        (
            "access at check-in",
            |f| f.policy.issue_at = AccessIssueAt::CheckIn,
            Some((Code::AwaitingCheckIn, End)),
            None,
        ),
    ];
    for (case, arrange, booked, in_house) in table {
        let mut facts = stay();
        arrange(&mut facts);
        // Two days and more before arrival.
        assert_eq!(withheld(&facts, "01T00:00"), *booked, "{case}, booked");
        facts.state = State::CheckedIn;
        facts.checked_in_at = Some(at("02T13:00"));
        assert_eq!(withheld(&facts, "01T00:00"), *in_house, "{case}, in house");
    }
}

#[test]
fn states_of_the_pms_decide_before_anything_else() {
    use Existing::{End, Keep};
    for (state, expected) in [
        (State::Tentative, Some((Code::StateNotEligible, End))),
        (State::Confirmed, None),
        (State::CheckedIn, None),
        (State::CheckedOut, Some((Code::CheckedOut, End))),
        (State::Canceled, Some((Code::Canceled, End))),
        (State::NoShow, Some((Code::NoShow, End))),
        (State::Unknown, Some((Code::StateNotEligible, Keep))),
    ] {
        let mut facts = stay();
        facts.state = state;
        assert_eq!(withheld(&facts, "02T00:00"), expected, "{state}");
    }
    let mut canceled = stay();
    canceled.state = State::Canceled;
    canceled.integration = Status::Broken;
    canceled.rooms.clear();
    assert_eq!(withheld(&canceled, "02T00:00"), Some((Code::Canceled, End)));
}

#[test]
fn a_stay_is_over_when_its_window_is() {
    let facts = stay();
    assert_eq!(withheld(&facts, "05T10:59"), None);
    assert_eq!(
        withheld(&facts, "05T11:00"),
        Some((Code::Departed, Existing::End))
    );
    let mut no_length = stay();
    no_length.scheduled.until = no_length.scheduled.from;
    assert_eq!(
        withheld(&no_length, "01T00:00"),
        Some((Code::Departed, Existing::End))
    );
    let mut kept = stay();
    kept.state = State::CheckedOut;
    kept.checked_out_at = Some(at("04T08:00"));
    kept.policy.on_check_out = AccessOnCheckOut::KeepToEnd;
    assert_eq!(withheld(&kept, "04T09:00"), None);
    assert_eq!(
        withheld(&kept, "05T11:00"),
        Some((Code::Departed, Existing::End))
    );
}

#[test]
fn early_check_in_opens_the_window_and_buffers_widen_it() {
    let mut facts = stay();
    facts.policy.buffer_before = 30;
    facts.policy.buffer_after = 15;
    let scheduled = Window {
        from: at("02T13:30"),
        until: at("05T11:15"),
    };
    assert_eq!(facts.window(), scheduled);
    facts.checked_in_at = Some(at("02T18:00"));
    assert_eq!(facts.window(), scheduled, "late arrival changes nothing");
    facts.checked_in_at = Some(at("02T09:00"));
    assert_eq!(facts.window().from, at("02T09:00"));
    facts.state = State::CheckedOut;
    facts.checked_out_at = Some(at("04T07:00"));
    assert_eq!(facts.window().until, at("04T07:00"));
}

#[test]
fn the_main_room_is_the_nearest_with_a_lock_and_the_way_up_opens_too() {
    let doors = |rooms: Vec<RoomFacts>| {
        let mut facts = stay();
        facts.rooms = rooms;
        match decide(&facts, at("01T00:00")) {
            Decision::Grant(access) => access
                .doors
                .iter()
                .map(|door| (door.space.0.as_u128(), door.role))
                .collect::<Vec<_>>(),
            Decision::Withhold(why) => panic!("withheld: {why:?}"),
        }
    };
    let bed = |space| room("Dorm 1, bed A", space);
    let dorm = |space| room("Dorm 1", space);
    assert_eq!(doors(vec![bed(None), dorm(space(2, 1))]), [(2, MAIN)]);
    assert_eq!(
        doors(vec![bed(space(1, 1)), dorm(space(2, 2))]),
        [(1, MAIN), (2, PARENT)]
    );
    assert_eq!(
        doors(vec![bed(space(1, 0)), dorm(space(2, 1))]),
        [(2, MAIN)]
    );
    assert_eq!(
        doors(vec![bed(space(2, 1)), dorm(space(2, 1))]),
        [(2, MAIN)]
    );
}

#[test]
fn the_sentence_names_the_assigned_room_or_the_nearest_space() {
    let mut facts = stay();
    facts.rooms = vec![room("Bed A", None), room("Dorm 1", None)];
    let detail = |facts: &Facts| match decide(facts, at("01T00:00")) {
        Decision::Withhold(why) => why.detail,
        Decision::Grant(_) => panic!("granted"),
    };
    assert_eq!(detail(&facts).as_deref(), Some("Bed A"));
    facts.rooms[1].space = space(7, 0);
    assert_eq!(detail(&facts).as_deref(), Some("Space 7"));
}

#[test]
fn the_clock_asks_again_when_it_matters() {
    let mut facts = stay();
    let now = at("01T00:00");
    let next = |facts: &Facts| facts.next_decision(&decide(facts, now), now);
    assert_eq!(next(&facts), Some(at("05T11:00")));
    facts.policy.horizon_days = 1;
    assert_eq!(next(&facts), Some(at("01T14:00")));
    facts.state = State::Canceled;
    assert_eq!(next(&facts), None);
}

#[test]
fn a_keychain_changes_only_as_far_as_it_must() {
    let access = |facts: &Facts| match decide(facts, at("01T00:00")) {
        Decision::Grant(access) => access,
        Decision::Withhold(why) => panic!("withheld: {why:?}"),
    };
    let mut facts = stay();
    let was = access(&facts);
    let current = Current {
        doors: was.doors.clone(),
        window: was.window,
        revoked: false,
    };
    let later = current.window.from + Duration::hours(1);
    assert_eq!(change(None, &was, false, later), Change::Create);
    assert_eq!(change(Some(&current), &was, false, later), Change::Nothing);

    facts.scheduled.until = at("06T11:00");
    assert_eq!(
        change(Some(&current), &access(&facts), true, later),
        Change::Reschedule
    );

    facts.rooms = vec![room("102", space(2, 1))];
    assert_eq!(
        change(Some(&current), &access(&facts), false, later),
        Change::Repoint
    );
    assert_eq!(
        change(Some(&current), &access(&facts), true, later),
        Change::Supersede
    );

    // Moved and checked in early at once: the old door has never opened.
    assert_eq!(
        change(
            Some(&current),
            &access(&facts),
            true,
            current.window.from - Duration::hours(1)
        ),
        Change::Repoint
    );

    facts.rooms = vec![room("101", space(1, 1)), room("House", space(3, 1))];
    assert_eq!(
        change(Some(&current), &access(&facts), true, later),
        Change::Repoint
    );

    let revoked = Current {
        revoked: true,
        ..current
    };
    assert_eq!(change(Some(&revoked), &was, true, later), Change::Revive);
}
