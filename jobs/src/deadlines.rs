//! Whatever waits has a time by which it should be done. When that passes, people are told; when the
//! cause goes, the problem goes with it.

use crate::Env;
use crate::reconcile_access::ring_devices;
use crate::sweep::QUARANTINED;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{ActorKind, DevicePinId, EventKind, ProblemId, PropertyId, SubjectKind};
use portal_store::DbError;
use portal_store::deadline::{self, Found, Late};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::problem::{self, NewProblem};
use std::collections::BTreeMap;

/// How long a lock may take to confirm that a code is gone.
pub const REMOVAL: Duration = Duration::minutes(15);
/// How long a change may go undecided.
const DECISION: Duration = Duration::seconds(60);
/// How long anything has at least before it can be late.
const GRACE: Duration = Duration::minutes(2);
/// How long a link may catch up, wait for a verdict, or go without an answer.
const LINK: Duration = Duration::minutes(15);
/// How long before the end of a stay it is told that the guest is still there.
const DEPARTURE: Duration = Duration::minutes(30);
/// How long after it.
const DEPARTED: Duration = Duration::days(1);
/// A problem that lasts is counted once in so long.
const COUNTED: Duration = Duration::seconds(60);
/// Codes that ran out, taken up by one sweep.
const BATCH: i64 = 500;

/// Something that can be late: its problem, what that is about, and which rows.
type Kind = (&'static str, SubjectKind, Late);

/// What changes at one house.
#[derive(Default)]
struct Changes {
    raised: Vec<(&'static str, SubjectKind, Found)>,
    gone: Vec<(&'static str, ProblemId)>,
    run_out: Vec<DevicePinId>,
}

fn kinds(now: DateTime<Utc>) -> [Kind; 9] {
    use SubjectKind as S;
    let grace = now - GRACE;
    let link = now - LINK;
    [
        (
            "access.not_removed",
            S::DevicePin,
            Late::removals(now - REMOVAL),
        ),
        (
            "decision.late",
            S::Reservation,
            Late::decisions(now - DECISION),
        ),
        (
            "integration.catching_up_long",
            S::Integration,
            Late::catching_up(link),
        ),
        (
            "integration.token_unverified",
            S::Integration,
            Late::verdicts(link),
        ),
        (
            "integration.unreachable",
            S::Integration,
            Late::unreachable(link),
        ),
        (QUARANTINED, S::Job, Late::jobs()),
        (
            "keychain.not_ready",
            S::Keychain,
            Late::keychains(now, grace),
        ),
        ("pin_push.late", S::PinPush, Late::pushes(now, grace)),
        (
            "stay.overdue",
            S::Reservation,
            Late::departures(now + DEPARTURE, now - DEPARTED),
        ),
    ]
}

/// Raises the problems of passed deadlines, and resolves those that are over.
pub(crate) async fn look(env: &Env) -> Result<(), DbError> {
    let now = env.now();
    let kinds = kinds(now);
    let mut changes: BTreeMap<PropertyId, Changes> = BTreeMap::new();
    let mut conn = env.db.read().await?;
    for (key, kind, late) in &kinds {
        for found in deadline::unnoticed(&mut conn, late, key).await? {
            let house = changes.entry(found.property_id).or_default();
            house.raised.push((key, *kind, found));
        }
        for gone in deadline::over(&mut conn, late, key).await? {
            let house = changes.entry(gone.property_id).or_default();
            house.gone.push((key, gone.id));
        }
    }
    for (property, id) in deadline::run_out(&mut conn, now, BATCH).await? {
        changes.entry(property).or_default().run_out.push(id);
    }
    drop(conn);
    let mut tx = env.db.begin().await?;
    for (key, _, late) in &kinds {
        deadline::see_again(&mut tx, late, key, now, now - COUNTED).await?;
    }
    tx.commit().await?;
    // Mostly there are none: a house in order costs nothing more.
    for (property, changes) in changes {
        apply(env, property, changes, now).await?;
    }
    Ok(())
}

async fn apply(
    env: &Env,
    property: PropertyId,
    changes: Changes,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let mut tx = env.db.begin_in(property).await?;
    let mut events = Vec::new();
    for (key, id) in changes.gone {
        events.extend(problem::resolve_id(&mut tx, property, key, id, now).await?);
    }
    for (key, subject_kind, found) in changes.raised {
        let new = NewProblem {
            key,
            subject_kind,
            subject: &found.subject.0.to_string(),
            detail: &found.detail,
            critical: found.critical,
        };
        events.extend(problem::raise(&mut tx, property, &new, now).await?);
    }
    event::publish(&mut tx, property, &Actor::system(), now, events).await?;
    // The clock removes what a lock could not, and somebody may wait for the slot.
    let removed = deadline::note_run_out(&mut tx, property, &changes.run_out, now).await?;
    let devices = removed.iter().map(|(_, device)| *device).collect();
    ring_devices(&mut tx, property, devices, now).await?;
    let removed = removed.into_iter().map(|(id, device)| {
        let line = NewEvent::new(EventKind::DevicePinRemoved, SubjectKind::DevicePin, id);
        line.with("device", device)
    });
    let clock = Actor::named(ActorKind::Clock, "Clock");
    event::publish(&mut tx, property, &clock, now, removed.collect()).await?;
    tx.commit().await
}
