//! What people are told about each gate: verdict, reason, who can clear it and how, by what facts.

use super::invariants::{base, each, facts, minutes};
use super::tests::{room, space, stay};
use super::*;
use crate::{
    DevicePinStatus, EffectError, IntegrationStatus as Status, PinPushStatus, PinPushWait,
    ReservationState as State, WithheldCode as Code,
};

const MANAGERS: &[Fixer] = &[Fixer::Owner, Fixer::GeneralManager];
const DESK: &[Fixer] = &[Fixer::Owner, Fixer::GeneralManager, Fixer::Team];
const INSTALLERS: &[Fixer] = &[Fixer::Owner, Fixer::GeneralManager, Fixer::Installer];
const PMS: &[Fixer] = &[Fixer::PmsUser];

fn time(at: DateTime<Utc>) -> String {
    at.format("%d %H:%M").to_string()
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-{text}:00Z").parse().expect("a time")
}

fn words() -> Words<'static> {
    Words {
        app: "Mews",
        read_at: Some(at("01T08:55")),
        raw_state: "Booked",
        revision: 3,
        blocked_by: Some("Rita"),
        blocked_reason: Some("lost phone"),
        no_pin: None,
        has_pin: true,
        time: &time,
    }
}

fn of(gates: &[Explained], gate: Gate) -> &Explained {
    gates
        .iter()
        .find(|explained| explained.gate == gate)
        .expect("each gate is explained")
}

/// What is expected of a gate that withholds.
struct Row {
    code: Code,
    arrange: fn(&mut Facts),
    gate: Gate,
    verdict: Verdict,
    fix: Option<&'static str>,
    fix_by: &'static [Fixer],
    subject: Subject,
    message: &'static str,
    evidence: &'static str,
}

fn ends() -> [Row; 4] {
    let row = |code, gate, arrange, message, evidence| Row {
        code,
        arrange,
        gate,
        verdict: Verdict::Ended,
        fix: None,
        fix_by: PMS,
        subject: Subject::Reservation,
        message,
        evidence,
    };
    [
        row(
            Code::Canceled,
            Gate::NotCanceled,
            |f| f.state = State::Canceled,
            "The reservation was canceled.",
            "CANCELED; Mews says Booked.",
        ),
        row(
            Code::NoShow,
            Gate::NotCanceled,
            |f| f.state = State::NoShow,
            "The guest did not show up.",
            "NO_SHOW; Mews says Booked.",
        ),
        row(
            Code::CheckedOut,
            Gate::NotOver,
            |f| {
                f.state = State::CheckedOut;
                f.checked_out_at = Some(at("04T07:00"));
            },
            "The guest has checked out.",
            "Access from 02 14:00 to 04 07:00; looked at 01 09:00. The guest left at 04 07:00.",
        ),
        row(
            Code::Departed,
            Gate::NotOver,
            |f| {
                f.scheduled.from = at("01T06:00");
                f.scheduled.until = at("01T09:00");
            },
            "The stay is over.",
            "Access from 01 06:00 to 01 09:00; looked at 01 09:00.",
        ),
    ]
}

/// The reasons around a reservation: the staff, the link to the PMS, the property.
fn house() -> [Row; 6] {
    let row = |code, gate, arrange, fix, fix_by, subject, message, evidence| Row {
        code,
        arrange,
        gate,
        verdict: Verdict::Hold,
        fix,
        fix_by,
        subject,
        message,
        evidence,
    };
    [
        row(
            Code::RevokedByStaff,
            Gate::NotRevoked,
            |f| f.revoked_by_staff = true,
            Some("keychainReinstate"),
            DESK,
            Subject::Keychain,
            "Rita took this access away: lost phone.",
            "Rita: lost phone.",
        ),
        row(
            Code::IntegrationBroken,
            Gate::Integration,
            |f| f.integration = Status::Broken,
            Some("integrationReconnect"),
            MANAGERS,
            Subject::Integration,
            "The connection to Mews is broken. Paste a new token.",
            "Mews is BROKEN; last read without a gap at 01 08:55.",
        ),
        row(
            Code::IntegrationDisconnected,
            Gate::Integration,
            |f| f.integration = Status::Disconnected,
            Some("integrationConnect"),
            MANAGERS,
            Subject::Integration,
            "Mews is no longer connected.",
            "Mews is DISCONNECTED; last read without a gap at 01 08:55.",
        ),
        row(
            Code::IntegrationDisconnected,
            Gate::Integration,
            |f| f.integration = Status::Pending,
            Some("integrationConnect"),
            MANAGERS,
            Subject::Integration,
            "Mews is no longer connected.",
            "Mews is PENDING; last read without a gap at 01 08:55.",
        ),
        row(
            Code::CatchingUp,
            Gate::Integration,
            |f| f.sync = Some(SyncState::CatchingUp),
            None,
            &[],
            Subject::Integration,
            "Portal is reading what changed while Mews was away.",
            "Mews is CONNECTED, CATCHING_UP; last read without a gap at 01 08:55.",
        ),
        row(
            Code::PropertyInSetup,
            Gate::Live,
            |f| f.mode = PropertyMode::Setup,
            Some("propertyGoLive"),
            &[Fixer::Owner],
            Subject::Property,
            "The property is not live yet.",
            "The property is being set up.",
        ),
    ]
}

/// The reasons of the stay itself and of its room.
fn place() -> [Row; 7] {
    let row = |code, gate, arrange, fix, fix_by, subject, message, evidence| Row {
        code,
        arrange,
        gate,
        verdict: Verdict::Hold,
        fix,
        fix_by,
        subject,
        message,
        evidence,
    };
    let room_of = |facts: &Facts| Subject::Room(facts.rooms[0].id);
    let space_of = |facts: &Facts| Subject::Space(facts.mapped().next().expect("mapped").id);
    [
        row(
            Code::StateNotEligible,
            Gate::State,
            |f| f.state = State::Tentative,
            None,
            PMS,
            Subject::Reservation,
            "The reservation is not confirmed yet.",
            "TENTATIVE; Mews says Booked.",
        ),
        row(
            Code::StateNotEligible,
            Gate::State,
            |f| f.state = State::Unknown,
            None,
            PMS,
            Subject::Reservation,
            "The reservation is not confirmed yet.",
            "UNKNOWN; Mews says Booked.",
        ),
        row(
            Code::RoomUnassigned,
            Gate::Room,
            |f| f.rooms.clear(),
            None,
            PMS,
            Subject::Reservation,
            "No room is assigned.",
            "Mews assigned no room.",
        ),
        row(
            Code::RoomNotMapped,
            Gate::Mapping,
            |f| f.rooms[0].space = None,
            Some("roomMap"),
            MANAGERS,
            room_of(&stay()),
            "Room 101 is not mapped to a space.",
            "101 leads to no space, nor does a room it is part of.",
        ),
        row(
            Code::NoDeviceInRoom,
            Gate::Device,
            |f| f.rooms = vec![room("101", space(1, 0)), room("House", space(2, 0))],
            Some("deviceInstall"),
            INSTALLERS,
            space_of(&stay()),
            "No lock is installed in Space 1.",
            "Space 1: 0 locks; Space 2: 0 locks.",
        ),
        row(
            Code::OutsideHorizon,
            Gate::Horizon,
            |f| f.policy.horizon_days = 1,
            None,
            &[],
            Subject::Reservation,
            "Access is made 1 days before arrival.",
            "Made from 01 14:00 on, 1 days before arrival.",
        ),
        row(
            Code::AwaitingCheckIn,
            Gate::CheckIn,
            |f| f.policy.issue_at = AccessIssueAt::CheckIn,
            None,
            PMS,
            Subject::Reservation,
            "Access is made at check-in.",
            "The guest has not checked in.",
        ),
    ]
}

#[test]
fn each_reason_tells_its_gate_what_is_in_the_way_and_who_clears_it_how() {
    let now = at("01T09:00");
    let rows = ends().into_iter().chain(house()).chain(place());
    let mut told: std::collections::BTreeSet<Code> = [Code::PinUnavailable].into();
    for row in rows {
        let mut facts = stay();
        (row.arrange)(&mut facts);
        let gates = explain(&facts, &words(), now);
        let is = of(&gates, row.gate);
        let clears_at = (row.code == Code::OutsideHorizon).then(|| at("01T14:00"));
        let expected = Explained {
            gate: row.gate,
            verdict: row.verdict,
            code: Some(row.code),
            message: Some(row.message.to_owned()),
            evidence: row.evidence.to_owned(),
            fix_by: row.fix_by,
            fix: row.fix,
            subject: Some(row.subject),
            clears_at,
        };
        assert_eq!(*is, expected);
        // Each of these facts alone is in the way of one gate.
        for other in gates.iter().filter(|other| other.gate != row.gate) {
            assert!(other.code.is_none(), "{}: {other:?}", row.code);
        }
        told.insert(row.code);
    }
    assert_eq!(told.len(), Code::ALL.len(), "{told:?}");
}

#[test]
fn with_nothing_in_the_way_every_gate_passes_and_says_by_what() {
    let gates = explain(&stay(), &words(), at("01T09:00"));
    let told: Vec<_> = gates
        .iter()
        .map(|gate| (gate.gate, gate.evidence.as_str()))
        .collect();
    let expected = [
        (
            Gate::Received,
            "Revision 3 from Mews; last read without a gap at 01 08:55.",
        ),
        (Gate::NotCanceled, "CONFIRMED; Mews says Booked."),
        (
            Gate::NotOver,
            "Access from 02 14:00 to 05 11:00; looked at 01 09:00.",
        ),
        (Gate::NotRevoked, "Nobody took it away."),
        (
            Gate::Integration,
            "Mews is CONNECTED, CURRENT; last read without a gap at 01 08:55.",
        ),
        (Gate::Live, "The property is live."),
        (Gate::State, "CONFIRMED; Mews says Booked."),
        (Gate::Room, "Room 101."),
        (Gate::Mapping, "101 → Space 1."),
        (Gate::Device, "Space 1: 1 lock."),
        (
            Gate::Horizon,
            "Made from 02 14:00 on, 365 days before arrival.",
        ),
        (Gate::CheckIn, "Access is made at booking."),
        (Gate::Pin, "All doors take its PIN."),
    ];
    assert_eq!(told, expected);
    for gate in &gates {
        assert_eq!(gate.verdict, Verdict::Pass, "{gate:?}");
        assert_eq!(gate.message, None, "{gate:?}");
        assert_eq!((gate.fix, gate.subject, gate.clears_at), (None, None, None));
        assert!(gate.fix_by.is_empty(), "{gate:?}");
    }
}

#[test]
fn a_pin_that_suits_no_door_fails_only_where_nothing_else_is_in_the_way() {
    let words = Words {
        no_pin: Some("Room 101 takes 4 digits, Garage 6"),
        has_pin: false,
        ..words()
    };
    let gates = explain(&stay(), &words, at("01T09:00"));
    let expected = Explained {
        gate: Gate::Pin,
        verdict: Verdict::Fail,
        code: Some(Code::PinUnavailable),
        message: Some("No PIN suits all doors: Room 101 takes 4 digits, Garage 6.".to_owned()),
        evidence: "Room 101 takes 4 digits, Garage 6.".to_owned(),
        fix_by: MANAGERS,
        fix: Some("policyUpdate"),
        subject: Some(Subject::Property),
        clears_at: None,
    };
    assert_eq!(*of(&gates, Gate::Pin), expected);
    let mut unassigned = stay();
    unassigned.rooms.clear();
    let gates = explain(&unassigned, &words, at("01T09:00"));
    let pin = of(&gates, Gate::Pin);
    assert_eq!((pin.verdict, pin.code), (Verdict::NotReached, None));
    assert_eq!(pin.evidence, "No PIN is chosen.");
}

#[test]
fn gates_that_look_at_what_is_missing_are_not_reached_and_say_so() {
    let mut unassigned = stay();
    unassigned.rooms.clear();
    let gates = explain(&unassigned, &words(), at("01T09:00"));
    for (gate, evidence) in [
        (Gate::Mapping, "There is no room to look up."),
        (Gate::Device, "There is no space to look into."),
    ] {
        let is = of(&gates, gate);
        assert_eq!(is.verdict, Verdict::NotReached);
        assert_eq!(is.evidence, evidence);
        assert_eq!(
            (is.message.as_ref(), is.fix, is.subject),
            (None, None, None)
        );
    }
}

#[test]
fn the_first_gate_in_the_way_is_the_one_that_decides() {
    let mut withheld = 0;
    each("explained as decided", |rng| {
        let facts = facts(rng);
        let now = base() + minutes(rng, -2..15);
        let gates = explain(&facts, &words(), now);
        let order: Vec<Gate> = gates.iter().map(|gate| gate.gate).collect();
        assert_eq!(order[..], Gate::ALL[..13], "all, in their order");
        let in_the_way: Vec<Code> = gates.iter().filter_map(|gate| gate.code).collect();
        match decide(&facts, now) {
            Decision::Withhold(why) => {
                withheld += 1;
                assert_eq!(in_the_way.first(), Some(&why.code), "{now} {facts:?}");
                let first = gates.iter().find(|gate| gate.verdict != Verdict::Pass);
                assert_eq!(first.and_then(|gate| gate.code), Some(why.code));
            }
            Decision::Grant(_) => assert_eq!(in_the_way, [], "{now} {facts:?}"),
        }
        for gate in &gates {
            let verdict = match gate.code {
                Some(code) if code.is_end() => Verdict::Ended,
                Some(_) => Verdict::Hold,
                None if gate.verdict == Verdict::NotReached => Verdict::NotReached,
                None => Verdict::Pass,
            };
            assert_eq!(gate.verdict, verdict, "{gate:?}");
            assert_eq!(gate.message.is_some(), gate.code.is_some(), "{gate:?}");
            assert_eq!(gate.subject.is_some(), gate.code.is_some(), "{gate:?}");
            // Whoever is told of a mutation is told who may run it.
            assert!(gate.fix.is_none() || !gate.fix_by.is_empty(), "{gate:?}");
        }
    });
    assert!(withheld > 0);
}

#[test]
fn the_evidence_names_the_room_the_space_and_the_time() {
    each("evidence", |rng| {
        let facts = facts(rng);
        let now = base() + minutes(rng, -2..15);
        let gates = explain(&facts, &words(), now);
        let says = |gate: Gate, what: &str| {
            let evidence = &of(&gates, gate).evidence;
            assert!(evidence.contains(what), "{gate}: {what} in {evidence:?}");
        };
        for gate in &gates {
            let is_a_sentence = gate.evidence.ends_with('.') && gate.evidence.len() > 1;
            assert!(is_a_sentence, "{gate:?}");
        }
        says(Gate::NotCanceled, facts.state.as_str());
        says(Gate::State, facts.state.as_str());
        says(Gate::Integration, facts.integration.as_str());
        let window = facts.window();
        for at in [window.from, window.until, now] {
            says(Gate::NotOver, &time(at));
        }
        let made = window.from - Duration::days(facts.policy.horizon_days.into());
        says(Gate::Horizon, &time(made));
        if let Some(room) = facts.rooms.first() {
            says(Gate::Room, &room.name);
            says(Gate::Mapping, &room.name);
        }
        let mapped = facts.rooms.iter().filter_map(|room| room.space.as_ref());
        for (n, space) in mapped.enumerate() {
            if n == 0 {
                says(Gate::Mapping, &space.name);
            }
            let locks = space.devices.len();
            let noun = if locks == 1 { "lock" } else { "locks" };
            says(Gate::Device, &format!("{}: {locks} {noun}", space.name));
        }
    });
}

#[test]
fn what_clears_a_gate_that_holds_clears_it() {
    let mut cleared = std::collections::BTreeSet::new();
    each("clearing", |rng| {
        let facts = facts(rng);
        let now = base() + minutes(rng, -2..15);
        for gate in Gate::DECIDING {
            let Outcome::Withheld(why) = judge(&facts, gate, now) else {
                continue;
            };
            let Some(assumption) = Assumption::clearing(gate, &facts) else {
                assert!(why.code.is_end(), "nothing clears {}", why.code);
                continue;
            };
            assert!(!why.code.is_end(), "{} is over for good", why.code);
            let (mut other, mut then) = (facts.clone(), now);
            assumption.apply(&mut other, &mut then);
            assert_eq!(judge(&other, gate, then), Outcome::Passed, "{facts:?}");
            assert!(!assumption.words(&facts, &time).is_empty());
            cleared.insert(why.code);
        }
    });
    let holds = Code::ALL.iter().filter(|code| !code.is_end());
    // The allocator's reason is behind the gates that decide.
    assert_eq!(cleared.len(), holds.count() - 1, "{cleared:?}");
}

#[test]
fn an_outlook_is_the_decision_on_other_facts_and_changes_none() {
    let mut transfers = std::collections::BTreeSet::new();
    each("outlook", |rng| {
        let facts = facts(rng);
        let now = base() + minutes(rng, -2..15);
        let gates = Gate::DECIDING.into_iter();
        let mut assume: Vec<Assumption> = gates
            .filter(|&gate| matches!(judge(&facts, gate, now), Outcome::Withheld(_)))
            .filter_map(|gate| Assumption::clearing(gate, &facts))
            .collect();
        assume.truncate(rand::RngExt::random_range(rng, 0..=assume.len()));
        let before = facts.clone();
        let looked = outlook(&facts, &assume, now);
        assert_eq!(facts, before);
        let (mut other, mut then) = (facts.clone(), now);
        for assumption in &assume {
            assumption.apply(&mut other, &mut then);
        }
        let told: Vec<Code> = explain(&other, &words(), then)
            .iter()
            .filter_map(|gate| gate.code)
            .collect();
        assert_eq!(looked.remaining, told, "{assume:?} {facts:?}");
        let first = match decide(&other, then) {
            Decision::Grant(_) => None,
            Decision::Withhold(why) => Some(why.code),
        };
        assert_eq!(looked.remaining.first(), first.as_ref());
        let transfer = match first {
            None => crate::ReservationTransfer::Transferred,
            Some(code) if code.is_end() => crate::ReservationTransfer::Ended,
            Some(_) => crate::ReservationTransfer::Withheld,
        };
        assert_eq!(looked.transfer, transfer, "{assume:?} {facts:?}");
        transfers.insert(transfer.as_str());
    });
    assert_eq!(transfers.len(), 3, "{transfers:?}");
}

/// A keychain for two doors, one of them with these locks.
fn keychain(locks: Vec<(DevicePinStatus, Option<EffectError>)>, copy: CopyProgress) -> Progress {
    let door = |space: &str, locks| DoorProgress {
        space: space.to_owned(),
        locks,
    };
    Progress {
        doors: vec![
            door("Room 101", locks),
            door("Garage", vec![(DevicePinStatus::Set, None)]),
        ],
        copy,
        window: stay().window(),
    }
}

#[test]
fn without_a_keychain_the_gates_behind_it_are_not_reached() {
    for gate in progress(None, &words(), at("03T09:00")) {
        assert_eq!(gate.verdict, Verdict::NotReached);
        assert_eq!(gate.evidence, "There is no keychain.");
    }
    let with = keychain(Vec::new(), CopyProgress::NotWanted);
    let gates = progress(Some(&with), &words(), at("03T09:00")).map(|gate| gate.gate);
    assert_eq!(gates[..], Gate::ALL[13..], "the last three, in their order");
}

#[test]
fn a_door_passes_once_the_lock_has_the_pin_and_fails_when_it_refused_it() {
    let doors = |locks| {
        let keychain = keychain(locks, CopyProgress::NotWanted);
        let [doors, ..] = progress(Some(&keychain), &words(), at("03T09:00"));
        doors
    };
    for &status in DevicePinStatus::ALL {
        let is = doors(vec![(status, Some(EffectError::DeviceOffline))]);
        let evidence = format!("Room 101: {status} (DEVICE_OFFLINE); Garage: SET.");
        assert_eq!(is.evidence, evidence);
        assert_eq!((is.code, is.clears_at), (None, None));
        let expected = match status {
            DevicePinStatus::Set => (Verdict::Pass, None, &[][..], None, None),
            DevicePinStatus::Blocked => (
                Verdict::Fail,
                Some("The lock refused the PIN for good: Room 101."),
                DESK,
                Some("pinRotate"),
                Some(Subject::Keychain),
            ),
            _ => (
                Verdict::Hold,
                Some("Not yet confirmed by the lock: Room 101."),
                &[][..],
                None,
                Some(Subject::Keychain),
            ),
        };
        let told = (
            is.verdict,
            is.message.as_deref(),
            is.fix_by,
            is.fix,
            is.subject,
        );
        assert_eq!(told, expected, "{status}");
    }
    let empty = doors(Vec::new());
    assert_eq!(empty.verdict, Verdict::Hold);
    assert_eq!(empty.evidence, "Room 101: no lock yet; Garage: SET.");
    // What was refused for good comes before what only takes its time.
    let mixed = doors(vec![
        (DevicePinStatus::Waiting, None),
        (DevicePinStatus::Blocked, None),
    ]);
    assert_eq!(mixed.verdict, Verdict::Fail);
    assert_eq!(
        mixed.evidence,
        "Room 101: WAITING; Room 101: BLOCKED; Garage: SET."
    );
}

#[test]
fn the_copy_in_the_pms_passes_once_it_is_stored_or_not_wanted() {
    let copy = |copy| {
        let set = vec![(DevicePinStatus::Set, None)];
        let [_, copy, _] = progress(Some(&keychain(set, copy)), &words(), at("03T09:00"));
        copy
    };
    let none = copy(CopyProgress::NotWanted);
    assert_eq!(none.verdict, Verdict::Pass);
    assert_eq!(none.evidence, "No copy is wanted in Mews.");
    for &status in PinPushStatus::ALL {
        for waits in PinPushWait::ALL.iter().map(Some).chain([None]) {
            let is = copy(CopyProgress::Wanted(status, waits.copied()));
            let evidence = match waits {
                Some(waits) => format!("Mews: {status}, waits for {waits}."),
                None => format!("Mews: {status}."),
            };
            assert_eq!(is.evidence, evidence);
            assert_eq!((is.code, is.clears_at), (None, None));
            let expected = match status {
                PinPushStatus::Stored => (Verdict::Pass, None, &[][..], None, None),
                PinPushStatus::Refused => (
                    Verdict::Fail,
                    Some("Mews declined to store the PIN."),
                    DESK,
                    Some("pinPushRetry"),
                    Some(Subject::PinPush),
                ),
                PinPushStatus::Waiting | PinPushStatus::Removing | PinPushStatus::Removed => (
                    Verdict::Hold,
                    Some("Mews does not hold the PIN yet. The door opens without it."),
                    &[][..],
                    None,
                    None,
                ),
            };
            let told = (
                is.verdict,
                is.message.as_deref(),
                is.fix_by,
                is.fix,
                is.subject,
            );
            assert_eq!(told, expected, "{status}");
        }
    }
}

#[test]
fn the_window_holds_before_it_passes_in_it_and_is_over_after_it() {
    let set = vec![(DevicePinStatus::Set, None)];
    let keychain = keychain(set, CopyProgress::NotWanted);
    let opens = Some("It opens from 02 14:00 on.");
    let closed = Some("It was valid until 05 11:00.");
    for (now, verdict, message) in [
        ("02T13:59", Verdict::Hold, opens),
        ("02T14:00", Verdict::Pass, None),
        ("05T10:59", Verdict::Pass, None),
        ("05T11:00", Verdict::Ended, closed),
    ] {
        let [_, _, is] = progress(Some(&keychain), &words(), at(now));
        assert_eq!(is.verdict, verdict, "{now}");
        assert_eq!(is.message.as_deref(), message, "{now}");
        assert_eq!(is.evidence, "02 14:00 to 05 11:00.");
        let clears_at = (verdict == Verdict::Hold).then(|| at("02T14:00"));
        assert_eq!(is.clears_at, clears_at, "{now}");
    }
}
