//! Brings one reservation's keychain in line with the decision.

use crate::effects::{self, Touched};
use crate::job::{Code, Job, JobError, enqueue};
use crate::{Env, ProgramDevices, PushPins, trigger};
use chrono::{DateTime, Utc};
use portal_domain::access::{self, Decision, Facts};
use portal_domain::{DeviceId, KeychainDoorRole, PropertyId, ReservationId};
use portal_faults::step;
use portal_store::event::{self, Actor};
use portal_store::keychain;
use portal_store::property::{self, Property};
use portal_store::reservation::{self, Reservation};
use portal_store::{DbError, QueryError, Tx, decision};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use work::Work;

pub(crate) mod choose;
mod facts;
mod overlap;
mod work;

pub(crate) use facts::{facts, next_to, places};

/// Decides about one reservation and makes its keychain so. Every trigger ends here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileAccess {
    /// Where.
    pub property: PropertyId,
    /// Which.
    pub reservation: ReservationId,
}

impl Job for ReconcileAccess {
    const KIND: &'static str = "reconcile-access";
    const DEADLINE: Duration = Duration::from_secs(10);
    const CONCURRENCY: usize = 8;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.reservation.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        step("reconcile-access.decide", || self.decide(env)).await
    }
}

impl ReconcileAccess {
    async fn decide(&self, env: &Env) -> Result<(), JobError> {
        let mut tx = env.db.begin_in(self.property).await?;
        let Some(property) = property::by_id(&mut tx, self.property).await? else {
            return Ok(());
        };
        if reconcile(&mut tx, env, &property, self.reservation).await? == Reconciled::CodeTaken {
            // Somebody took the code in this very moment; the next run sees it.
            return Err(JobError::Retry(Code::Busy));
        }
        tx.commit().await?;
        Ok(())
    }
}

/// How a reconciliation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// Everything is as decided, and what has to happen outside is enqueued.
    Done,
    /// The transaction is over: another one took the code meanwhile.
    CodeTaken,
}

/// Decides about a reservation and makes its keychain so, in the caller's transaction.
pub(crate) async fn reconcile(
    tx: &mut Tx,
    env: &Env,
    property: &Property,
    reservation: ReservationId,
) -> Result<Reconciled, DbError> {
    let now = env.now();
    let Some(mut reservation) = reservation::lock(tx, property.id, reservation).await? else {
        return Ok(Reconciled::Done);
    };
    let facts = facts(tx, property, &reservation).await?;
    let mut work = Work {
        env,
        now,
        reservation: &mut reservation,
        facts: &facts,
        events: Vec::new(),
        same_room: false,
        left: Vec::new(),
        touched: Vec::new(),
        fault: None,
    };
    let decision = work.decide_and_apply(tx).await?;
    if work.fault.take().is_some() {
        return Ok(Reconciled::CodeTaken);
    }
    let mut events = std::mem::take(&mut work.events);
    let left = std::mem::take(&mut work.left);
    let shared = std::mem::take(&mut work.touched);
    record(tx, property, &reservation, &facts, now).await?;
    reservation.decided_revision = reservation.revision;
    reservation.decided_at = Some(now.into());
    let granted = matches!(decision, Decision::Grant(_));
    let touched = effects::desire(tx, env, property, &reservation, granted, &left).await?;
    let next = facts.next_decision(&decision, now);
    let next = next.into_iter().chain(touched.next_end).min();
    reservation.decide_at = next.map(Into::into);
    reservation::save(tx, &reservation).await?;
    let room = facts.rooms.first().map_or("", |room| &room.name);
    events.extend(overlap::look(tx, &reservation, room, now).await?);
    event::publish(tx, property.id, &Actor::system(), now, events).await?;
    ring(tx, property.id, reservation.id, touched, now).await?;
    if !shared.is_empty() {
        let mut sharing = keychain::of_pins(tx, property.id, &shared).await?;
        sharing.retain(|other| !other.status(now).is_over());
        let others = sharing.iter().filter_map(|other| other.reservation_id);
        let others: Vec<_> = others.filter(|other| *other != reservation.id).collect();
        trigger::reservations(tx, env, property.id, &others).await?;
    }
    Ok(Reconciled::Done)
}

/// Enqueues what has to happen on locks, in the order of their ids, so that two transactions cannot
/// wait for each other.
pub(crate) async fn ring_devices(
    tx: &mut Tx,
    property: PropertyId,
    mut devices: Vec<DeviceId>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    devices.sort_unstable();
    devices.dedup();
    for device in devices {
        enqueue(tx, now, &ProgramDevices { property, device }).await?;
    }
    Ok(())
}

/// Enqueues what has to happen on locks and in the PMS.
pub(crate) async fn ring(
    tx: &mut Tx,
    property: PropertyId,
    reservation: ReservationId,
    touched: Touched,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    ring_devices(tx, property, touched.devices, now).await?;
    if touched.push {
        let job = PushPins {
            property,
            reservation,
        };
        enqueue(tx, now, &job).await?;
    }
    Ok(())
}

/// Writes the decision down, unless the last one says the same.
async fn record(
    tx: &mut Tx,
    property: &Property,
    reservation: &Reservation,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let json = serde_json::to_string(facts)
        .map_err(|error| QueryError::SerializationError(Box::new(error)))?;
    let last = decision::last(tx, property.id, reservation.id).await?;
    let is = decision::Decision {
        property_id: property.id,
        reservation_id: reservation.id,
        seq: last.as_ref().map_or(1, |last| last.seq + 1),
        at: now.into(),
        revision: reservation.revision,
        policy_version: property.policy_version,
        rules: access::RULES,
        transfer: reservation.transfer,
        code: reservation.withheld_code,
        detail: reservation.withheld_detail.clone(),
        facts: json,
    };
    let same = last.is_some_and(|last| {
        let (seq, at) = (is.seq, is.at);
        decision::Decision { seq, at, ..last } == is
    });
    if !same {
        decision::insert(tx, &is).await?;
    }
    Ok(())
}

/// The main door of a keychain.
pub(crate) fn is_main(door: &keychain::KeychainDoor) -> bool {
    door.role == KeychainDoorRole::Main
}
