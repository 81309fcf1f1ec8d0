//! What holds for every reservation, tried on random ones. `PORTAL_CASES` says on how many, and
//! `PORTAL_SEED` replays those of a failure.

use super::*;
use crate::PropertyMode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Tries something on many random reservations.
pub(super) fn each(what: &str, mut case: impl FnMut(&mut StdRng)) {
    let seed = number("PORTAL_SEED").unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    let cases = number("PORTAL_CASES").unwrap_or(10_000);
    println!("{what}: {cases} cases, seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..cases {
        case(&mut rng);
    }
}

pub(super) fn minutes(rng: &mut StdRng, days: std::ops::Range<i64>) -> Duration {
    Duration::minutes(rng.random_range(days.start * 24 * 60..days.end * 24 * 60))
}

/// The first of the month the stays here are in.
pub(super) fn base() -> DateTime<Utc> {
    "2026-12-01T00:00:00Z".parse().expect("an instant")
}

fn policy(rng: &mut StdRng) -> Policy {
    let buffer = |rng: &mut StdRng| *[0, 0, 30, 180, 1440].choose(rng).expect("one");
    Policy {
        issue_at: *AccessIssueAt::ALL.choose(rng).expect("one"),
        buffer_before: buffer(rng),
        buffer_after: buffer(rng),
        horizon_days: *[1, 30, 365].choose(rng).expect("one"),
        on_check_out: *AccessOnCheckOut::ALL.choose(rng).expect("one"),
        ..Policy::default()
    }
}

/// The spaces of a house with their locks. The last two are common areas.
fn spaces(rng: &mut StdRng) -> Vec<SpaceFacts> {
    (1..=6)
        .map(|n: u128| SpaceFacts {
            id: SpaceId(Uuid::from_u128(n)),
            name: format!("Space {n}"),
            devices: (0..rng.random_range(0..3_u128))
                .map(|device| DeviceId(Uuid::from_u128(100 * n + device)))
                .collect(),
        })
        .collect()
}

/// Rooms, mapping, locks and links as they may be at any time.
fn place(facts: &mut Facts, rng: &mut StdRng) {
    let spaces = spaces(rng);
    facts.rooms = (0..rng.random_range(0..4_u128))
        .map(|n| RoomFacts {
            id: RoomId(Uuid::from_u128(n)),
            name: format!("Room {n}"),
            space: spaces[..4]
                .choose(rng)
                .filter(|_| rng.random_range(0..4) > 0)
                .cloned(),
        })
        .collect();
    facts.links = (0..rng.random_range(0..4))
        .map(|_| LinkFacts {
            main: spaces[..4].choose(rng).expect("one").id,
            space: spaces[2..].choose(rng).expect("one").clone(),
        })
        .collect();
}

pub(super) fn facts(rng: &mut StdRng) -> Facts {
    use ReservationState as State;
    let from = base() + minutes(rng, 0..10);
    let until = from + minutes(rng, 0..6);
    let usual = [State::Confirmed, State::CheckedIn];
    let states = if rng.random_range(0..3) > 0 {
        &usual[..]
    } else {
        State::ALL
    };
    let state = *states.choose(rng).expect("one");
    let checked_in_at = match state {
        State::CheckedIn | State::CheckedOut => Some(from + minutes(rng, -1..1)),
        _ => None,
    };
    let mut facts = Facts {
        state,
        scheduled: Window { from, until },
        checked_in_at,
        checked_out_at: (state == State::CheckedOut).then(|| until + minutes(rng, -2..1)),
        revoked_by_staff: rng.random_range(0..10) == 0,
        integration: match rng.random_range(0..4) {
            0 => *IntegrationStatus::ALL.choose(rng).expect("one"),
            _ => IntegrationStatus::Connected,
        },
        sync: SyncState::ALL
            .choose(rng)
            .copied()
            .filter(|_| rng.random_range(0..4) == 0),
        mode: match rng.random_range(0..10) {
            0 => PropertyMode::Setup,
            _ => PropertyMode::Live,
        },
        policy: policy(rng),
        rooms: Vec::new(),
        links: Vec::new(),
        held: None,
        follows: None,
    };
    place(&mut facts, rng);
    facts
}

/// A reservation that is granted, and when.
fn granted(rng: &mut StdRng) -> (Facts, Access, DateTime<Utc>) {
    loop {
        let facts = facts(rng);
        let now = base() + minutes(rng, -2..15);
        if let Decision::Grant(access) = decide(&facts, now) {
            return (facts, access, now);
        }
    }
}

/// The gates as the design lists them, said anew: the first that fails, and what it does.
fn expected(facts: &Facts, now: DateTime<Utc>) -> Option<(WithheldCode, Existing)> {
    use Existing::{End, Keep};
    use ReservationState as State;
    use WithheldCode as Code;
    let policy = &facts.policy;
    let in_house = facts.state == State::CheckedIn;
    let revoke = policy.on_check_out == AccessOnCheckOut::Revoke;
    let left = facts.state == State::CheckedOut;
    let booked = facts.scheduled.from - Duration::minutes(policy.buffer_before.into());
    let from = match (policy.issue_at, facts.checked_in_at) {
        (_, None) => booked,
        (AccessIssueAt::CheckIn, Some(at)) => at,
        (AccessIssueAt::Booking, Some(at)) => booked.min(at),
    };
    let mut until = facts.scheduled.until + Duration::minutes(policy.buffer_after.into());
    if let (true, true, Some(at)) = (left, revoke, facts.checked_out_at) {
        until = until.min(at);
    }
    let no_window = until <= from || until <= now;
    let spaces: Vec<_> = facts
        .rooms
        .iter()
        .filter_map(|room| room.space.as_ref())
        .collect();
    let no_lock = spaces.iter().all(|space| space.devices.is_empty());
    let status = |is| facts.integration == is;
    let missing = if in_house { Keep } else { End };
    let early = from - Duration::days(policy.horizon_days.into()) > now;
    let at_desk = policy.issue_at == AccessIssueAt::CheckIn && !left;
    let gates = [
        (facts.state == State::Canceled, Code::Canceled, End),
        (facts.state == State::NoShow, Code::NoShow, End),
        (left && revoke, Code::CheckedOut, End),
        (no_window, Code::Departed, End),
        (facts.revoked_by_staff, Code::RevokedByStaff, End),
        (
            status(IntegrationStatus::Broken),
            Code::IntegrationBroken,
            Keep,
        ),
        (
            !status(IntegrationStatus::Connected),
            Code::IntegrationDisconnected,
            Keep,
        ),
        (
            facts.sync == Some(SyncState::CatchingUp),
            Code::CatchingUp,
            Keep,
        ),
        (
            facts.mode == PropertyMode::Setup,
            Code::PropertyInSetup,
            Keep,
        ),
        (facts.state == State::Tentative, Code::StateNotEligible, End),
        (facts.state == State::Unknown, Code::StateNotEligible, Keep),
        (facts.rooms.is_empty(), Code::RoomUnassigned, missing),
        (spaces.is_empty(), Code::RoomNotMapped, missing),
        (no_lock, Code::NoDeviceInRoom, missing),
        (early && !in_house, Code::OutsideHorizon, End),
        (at_desk && !in_house, Code::AwaitingCheckIn, End),
    ];
    let failed = gates.into_iter().find(|(fails, ..)| *fails);
    failed.map(|(_, code, existing)| (code, existing))
}

#[test]
fn there_is_a_grant_or_the_one_code_the_table_of_gates_says() {
    let mut seen = std::collections::BTreeMap::new();
    each("INV-15", |rng| {
        let facts = facts(rng);
        let now = base() + minutes(rng, -2..15);
        let code = match decide(&facts, now) {
            Decision::Grant(access) => {
                assert!(!access.doors.is_empty(), "{facts:?}");
                assert!(!access.window.is_empty() && access.window.until > now);
                assert_eq!(expected(&facts, now), None, "{now} {facts:?}");
                "GRANT".to_owned()
            }
            Decision::Withhold(why) => {
                let is = Some((why.code, why.existing));
                assert_eq!(is, expected(&facts, now), "{now} {facts:?}");
                why.code.to_string()
            }
        };
        *seen.entry(code).or_insert(0) += 1;
    });
    println!("INV-15: {seen:?}");
    // Every code of the gates came up, but for the one the allocator gives.
    assert_eq!(seen.len(), WithheldCode::ALL.len(), "{seen:?}");
}

#[test]
fn a_guest_in_the_house_loses_nothing_by_what_is_not_said_in_the_pms() {
    let mut kept = 0;
    each("INV-16", |rng| {
        let (mut facts, access, mut now) = loop {
            let (facts, access, now) = granted(rng);
            let is_in = facts.in_house() && facts.checked_in_at.is_some_and(|at| at <= now);
            if is_in {
                break (facts, access, now);
            }
        };
        let mut held = access.window;
        facts.held = Some(Held {
            until: held.until,
            scheduled_until: facts.scheduled.until,
        });
        for _ in 0..8 {
            match rng.random_range(0..6) {
                0 => facts.integration = *IntegrationStatus::ALL.choose(rng).expect("one"),
                1 => facts.sync = SyncState::ALL.choose(rng).copied(),
                2 => facts.mode = *PropertyMode::ALL.choose(rng).expect("one"),
                3 | 4 => facts.policy = policy(rng),
                _ => place(&mut facts, rng),
            }
            now = held.until.min(now + minutes(rng, 0..1)) - Duration::minutes(1);
            match decide(&facts, now) {
                Decision::Withhold(why) => {
                    assert_eq!(why.existing, Existing::Keep, "{now} {why:?} {facts:?}");
                    kept += 1;
                }
                Decision::Grant(access) => {
                    assert!(access.window.until >= held.until, "{now} {facts:?}");
                    assert!(access.window.contains(now), "{now} {facts:?}");
                    held = access.window;
                    facts.held = Some(Held {
                        until: held.until,
                        scheduled_until: facts.scheduled.until,
                    });
                }
            }
        }
        // A person may, and so may the PMS.
        let mut revoked = facts.clone();
        revoked.revoked_by_staff = true;
        let mut canceled = facts.clone();
        canceled.state = ReservationState::Canceled;
        for (facts, code) in [
            (revoked, WithheldCode::RevokedByStaff),
            (canceled, WithheldCode::Canceled),
        ] {
            let ends = matches!(decide(&facts, now),
                Decision::Withhold(why) if why.code == code && why.existing == Existing::End);
            assert!(ends, "{now} {facts:?}");
        }
        let mut shortened = facts;
        let end = now + Duration::minutes(1);
        if end != shortened.scheduled.until {
            shortened.scheduled.until = end;
            shortened.policy.buffer_after = 0;
            assert_eq!(shortened.window().until, end, "{now} {shortened:?}");
        }
    });
    assert!(kept > 0);
}

#[test]
fn only_mapping_the_way_up_and_links_open_a_space() {
    let mut common = 0;
    each("INV-19", |rng| {
        let (facts, access, _) = granted(rng);
        let main = access.doors[0];
        assert_eq!(main.role, KeychainDoorRole::Main);
        for (n, door) in access.doors.iter().enumerate() {
            let mapped = facts.mapped().find(|space| space.id == door.space);
            let linked = facts
                .links
                .iter()
                .find(|link| link.main == main.space && link.space.id == door.space);
            let space = match door.role {
                KeychainDoorRole::Main => mapped.filter(|_| n == 0),
                KeychainDoorRole::Parent => mapped.filter(|_| n > 0),
                KeychainDoorRole::Common => linked.map(|link| &link.space),
            };
            let space = space.unwrap_or_else(|| panic!("{door:?} {facts:?}"));
            assert!(!space.devices.is_empty(), "{door:?} {facts:?}");
            common += usize::from(door.role == KeychainDoorRole::Common);
            let twice = access.doors[n + 1..].iter().any(|d| d.space == door.space);
            assert!(!twice, "{access:?}");
        }
        let mut without = facts.clone();
        without.links.clear();
        let now = access.window.until - Duration::minutes(1);
        let Decision::Grant(without) = decide(&without, now) else {
            return;
        };
        let is_common = |door: &Door| door.role == KeychainDoorRole::Common;
        assert!(!without.doors.iter().any(is_common));
    });
    assert!(common > 0);
}

/// What carrying out a change leaves, as far as the next comparison sees it.
fn carried_out(
    current: Option<Current>,
    decision: &Decision,
    in_house: bool,
    now: DateTime<Utc>,
) -> Option<Current> {
    match decision {
        Decision::Grant(access) => match change(current.as_ref(), access, in_house, now) {
            Change::Nothing => current,
            Change::Create
            | Change::Revive
            | Change::Repoint
            | Change::Supersede
            | Change::Reschedule => Some(Current {
                doors: access.doors.clone(),
                window: access.window,
                revoked: false,
            }),
        },
        Decision::Withhold(why) => current.map(|current| Current {
            revoked: current.revoked || why.existing == Existing::End,
            ..current
        }),
    }
}

#[test]
fn the_same_facts_end_the_same_whatever_came_before_and_however_often() {
    each("INV-20", |rng| {
        let last = facts(rng);
        let now = base() + minutes(rng, -2..15);
        let decision = decide(&last, now);
        assert_eq!(decision, decide(&last.clone(), now));
        let text = serde_json::to_string(&last).expect("JSON");
        let read: Facts = serde_json::from_str(&text).expect("facts");
        assert_eq!(decision, decide(&read, now), "{text}");

        let mut history: Vec<Facts> = (0..rng.random_range(0..4)).map(|_| facts(rng)).collect();
        let end = |history: &[Facts]| {
            let mut current = None;
            for facts in history.iter().chain([&last]) {
                current = carried_out(current, &decide(facts, now), facts.in_house(), now);
            }
            current
        };
        let one = end(&history);
        history.reverse();
        let other = end(&history);
        match &decision {
            Decision::Grant(access) => {
                assert_eq!(one, other);
                let current = one.expect("a keychain");
                assert_eq!(current.window, access.window);
                let again = change(Some(&current), access, last.in_house(), now);
                assert_eq!(again, Change::Nothing, "{last:?}");
                // The order in which doors are read says nothing.
                let mut turned = current;
                turned.doors.reverse();
                assert_eq!(
                    change(Some(&turned), access, last.in_house(), now),
                    Change::Nothing
                );
            }
            Decision::Withhold(why) if why.existing == Existing::End => {
                let opens = |current: Option<Current>| current.is_some_and(|c| !c.revoked);
                assert!(!opens(one) && !opens(other), "{last:?}");
            }
            // What is kept is what was there.
            Decision::Withhold(_) => {}
        }
    });
}

#[test]
fn without_a_lock_or_a_mapping_nothing_is_granted_until_it_comes() {
    each("INV-24", |rng| {
        let (facts, access, now) = granted(rng);
        let mut bare = facts.clone();
        let mut unmapped = facts.clone();
        for room in &mut bare.rooms {
            if let Some(space) = &mut room.space {
                space.devices.clear();
            }
        }
        for room in &mut unmapped.rooms {
            room.space = None;
        }
        for (without, code) in [
            (bare, WithheldCode::NoDeviceInRoom),
            (unmapped, WithheldCode::RoomNotMapped),
        ] {
            match decide(&without, now) {
                Decision::Withhold(why) => assert_eq!(why.code, code, "{without:?}"),
                Decision::Grant(_) => panic!("granted: {without:?}"),
            }
        }
        assert_eq!(decide(&facts, now), Decision::Grant(access));
    });
}
