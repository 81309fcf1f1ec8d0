//! Whatever waits has a time by which it should be done. When that passes, people are told; when the
//! cause goes, the problem goes with it.

use crate::Env;
use crate::sweep::QUARANTINED;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{ActorKind, EventKind, PropertyId, SubjectKind};
use portal_store::deadline::{self, Late};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::problem::{self, NewProblem};
use portal_store::{DbError, Tx};
use std::collections::BTreeMap;

/// How long a lock may take to confirm that a code is gone.
pub const REMOVAL: Duration = Duration::minutes(15);
/// How long a change may go undecided.
const DECISION: Duration = Duration::seconds(60);
/// How long anything has at least before it can be late.
const GRACE: Duration = Duration::minutes(2);
/// How long a link may catch up, wait for a verdict, or go without an answer.
const LINK: Duration = Duration::minutes(15);
/// A problem that lasts is counted once in so long.
const COUNTED: Duration = Duration::seconds(60);
/// Codes that ran out, taken up by one sweep.
const BATCH: i64 = 500;

/// Events by property, written last and in the order of properties, as their logs are locked then.
type Events = BTreeMap<PropertyId, Vec<NewEvent>>;

/// Raises the problems of passed deadlines, and resolves those that are over.
pub(crate) async fn look(env: &Env) -> Result<(), DbError> {
    let now = env.now();
    let grace = now - GRACE;
    let keys = [
        (
            "access.not_removed",
            SubjectKind::DevicePin,
            Late::removals(now - REMOVAL),
        ),
        (
            "decision.late",
            SubjectKind::Reservation,
            Late::decisions(now - DECISION),
        ),
        (
            "integration.catching_up_long",
            SubjectKind::Integration,
            Late::catching_up(now - LINK),
        ),
        (
            "integration.token_unverified",
            SubjectKind::Integration,
            Late::verdicts(now - LINK),
        ),
        (
            "integration.unreachable",
            SubjectKind::Integration,
            Late::unreachable(now - LINK),
        ),
        (QUARANTINED, SubjectKind::Job, Late::jobs()),
        (
            "keychain.not_ready",
            SubjectKind::Keychain,
            Late::keychains(now, grace),
        ),
        (
            "pin_push.late",
            SubjectKind::PinPush,
            Late::pushes(now, grace),
        ),
    ];
    let mut tx = env.db.begin().await?;
    let mut events = Events::new();
    for (key, kind, late) in keys {
        raise(&mut tx, key, kind, &late, now, &mut events).await?;
    }
    for (property, events) in events {
        event::publish(&mut tx, property, &Actor::system(), now, events).await?;
    }
    tx.commit().await?;
    run_out(env).await
}

async fn raise(
    tx: &mut Tx,
    key: &'static str,
    subject_kind: SubjectKind,
    late: &Late,
    now: DateTime<Utc>,
    events: &mut Events,
) -> Result<(), DbError> {
    for gone in deadline::resolve(tx, late, key, now).await? {
        let line = NewEvent::new(EventKind::ProblemResolved, SubjectKind::Problem, gone.id);
        let lines = events.entry(gone.property_id).or_default();
        lines.push(line.with("key", key));
    }
    deadline::see_again(tx, late, key, now, now - COUNTED).await?;
    for found in deadline::unnoticed(tx, late, key).await? {
        let new = NewProblem {
            key,
            subject_kind,
            subject: &found.subject.0.to_string(),
            detail: &found.detail,
            critical: found.critical,
        };
        let raised = problem::raise(tx, found.property_id, &new, now).await?;
        events.entry(found.property_id).or_default().extend(raised);
    }
    Ok(())
}

/// The clock removes what a lock could not.
async fn run_out(env: &Env) -> Result<(), DbError> {
    let now = env.now();
    let mut tx = env.db.begin().await?;
    let mut events = Events::new();
    for (property, id, device) in deadline::run_out(&mut tx, now, BATCH).await? {
        let line = NewEvent::new(EventKind::DevicePinRemoved, SubjectKind::DevicePin, id);
        let lines = events.entry(property).or_default();
        lines.push(line.with("device", device));
    }
    let clock = Actor::named(ActorKind::Clock, "Clock");
    for (property, events) in events {
        event::publish(&mut tx, property, &clock, now, events).await?;
    }
    tx.commit().await
}
