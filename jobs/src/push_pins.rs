//! Makes the PMS hold exactly the PIN of a reservation, or none; and of others of the same PMS that
//! are due as well, in the same few requests.

use crate::effects::{self, DEADLINE, LEASE, LOOK_AGAIN};
use crate::job::{Job, JobError, enqueue_at};
use crate::{Env, account, validate_integration};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    ActorKind, CredentialState, EffectError, EventKind, IntegrationStatus, PinPushStatus,
    PinPushWait, PropertyId, ReservationId, RoomKind, SubjectKind, SyncState, ValidationTrigger,
};
use portal_faults::step;
use portal_interface::{AdapterError, StayPin, StayPins, Stored, Trouble};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::pin_push::{self, PinPush};
use portal_store::problem::{self, NewProblem};
use portal_store::{DbError, Tx, integration, pin, reservation, room};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Stores the PIN of one reservation in the PMS, or takes it out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PushPins {
    /// Where.
    pub property: PropertyId,
    /// Whose.
    pub reservation: ReservationId,
}

/// Copies written together: enough that a full house is stored in minutes, and few enough that not
/// much is unknown when a call ends without an answer.
const TOGETHER: i64 = 50;
/// Problem: the PMS declined a PIN for good.
pub(crate) const REFUSED: &str = "pin_push.refused";
/// Problem: the account may not store PINs.
pub(crate) const PERMISSION: &str = "integration.may_not_store_pins";

impl Job for PushPins {
    const KIND: &'static str = "push-pins";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(1);
    const CONCURRENCY: usize = 8;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.reservation.to_string())
    }

    /// A hotel has one PMS.
    fn group(&self) -> Option<String> {
        Some(self.property.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        let Some(leased) = step("push-pins.lease", || self.lease(env)).await? else {
            return Ok(());
        };
        let Some(pms) = env.apps.pms(&leased.app) else {
            return Ok(());
        };
        let Some(store) = pms.pins() else {
            return Ok(());
        };
        let answer = step("push-pins.call", || async {
            tokio::time::timeout(DEADLINE, store.put_all(&leased.account, &leased.wants))
                .await
                .unwrap_or(Err(AdapterError::Unreachable(Trouble::Deadline)))
        })
        .await;
        step("push-pins.finish", || {
            effects::see_through(|| self.finish(env, &leased, &answer))
        })
        .await?;
        Ok(())
    }
}

/// Copies that are ours to write.
struct Leased {
    lease: Uuid,
    app: String,
    account: portal_interface::Account,
    rows: Vec<PinPush>,
    /// What they shall be, in the same order.
    wants: Vec<StayPins>,
}

/// What the PMS answered: to the whole, then to each.
type Answers = Result<Vec<Result<Stored, AdapterError>>, AdapterError>;

impl PushPins {
    async fn lease(&self, env: &Env) -> Result<Option<Leased>, DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let Some(row) = pin_push::lock(&mut tx, self.property, self.reservation).await? else {
            return Ok(None);
        };
        let due = row.done_generation < row.generation
            && row.next_attempt_at.is_some_and(|at| *at <= now)
            && row.lease_until.is_none_or(|until| *until <= now);
        if !due {
            return Ok(None);
        }
        let link = integration::by_id(&mut tx, self.property, row.integration_id).await?;
        let link = link.filter(|link| {
            link.status == IntegrationStatus::Connected
                && link.sync_state != Some(SyncState::CatchingUp)
        });
        let account = match &link {
            Some(link) => account::open(&mut tx, env, link, CredentialState::Active).await?,
            None => None,
        };
        let (Some(link), Some(account)) = (link, account) else {
            self.park(&mut tx, env, row).await?;
            tx.commit().await?;
            return Ok(None);
        };
        let lease = Uuid::now_v7();
        let mut rows = vec![row];
        let beside = pin_push::due_beside(
            &mut tx,
            self.property,
            link.id,
            self.reservation,
            now,
            TOGETHER - 1,
        );
        rows.extend(beside.await?);
        let mut leased = Leased {
            lease,
            app: link.app,
            account,
            rows: Vec::new(),
            wants: Vec::new(),
        };
        for row in rows {
            let job = Self {
                property: self.property,
                reservation: row.reservation_id,
            };
            let Some(want) = job.want(&mut tx, env, &row).await? else {
                continue;
            };
            if pin_push::lease(&mut tx, self.property, row.id, lease, now, now + LEASE).await? {
                leased.rows.push(row);
                leased.wants.push(want);
            }
        }
        if leased.rows.is_empty() {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(leased))
    }

    /// Waits for the integration; it is brought forward when that is back. A copy whose validity
    /// is over need not be taken out any more.
    async fn park(&self, tx: &mut Tx, env: &Env, mut row: PinPush) -> Result<(), DbError> {
        let over = match reservation::by_id(tx, self.property, self.reservation).await? {
            Some(reservation) => *reservation.ends_at <= env.now(),
            None => true,
        };
        if row.status == PinPushStatus::Removing && over {
            row.status = PinPushStatus::Removed;
            row.done_generation = row.generation;
            row.next_attempt_at = None;
            row.waiting_for = None;
        } else {
            row.waiting_for = Some(PinPushWait::Integration);
            row.next_attempt_at = Some(env.about(Duration::minutes(15)).into());
        }
        pin_push::save(tx, &row).await?;
        Ok(())
    }

    pub(crate) async fn want(
        &self,
        tx: &mut Tx,
        env: &Env,
        row: &PinPush,
    ) -> Result<Option<StayPins>, DbError> {
        let found = reservation::by_id(tx, self.property, self.reservation).await?;
        let Some(stay) = found.and_then(|r| account::vendor_id(&r.external_id)) else {
            return Ok(None);
        };
        let pin = match (row.desired_room_id, row.desired()) {
            (Some(room), Some(window)) => {
                let room = room::by_id(tx, self.property, room).await?;
                let code = pin::open(tx, &env.sealer, self.property, &[row.pin_id], env.now())
                    .await?
                    .remove(&row.pin_id);
                let (Some(room), Some(code)) = (room, code) else {
                    return Ok(None);
                };
                let Some(id) = account::vendor_id(&room.external_id) else {
                    return Ok(None);
                };
                Some(StayPin {
                    room: id,
                    bed: room.kind == RoomKind::Bed,
                    common_doors: row.common_doors,
                    pin: code,
                    from: window.from,
                    until: window.until,
                })
            }
            _ => None,
        };
        Ok(Some(StayPins {
            reservation: stay,
            mark: format!("portal:{}", self.reservation),
            known: row
                .external_token_id
                .as_deref()
                .and_then(account::vendor_id),
            pin,
        }))
    }

    async fn finish(&self, env: &Env, leased: &Leased, answers: &Answers) -> Result<(), DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let mut events = Vec::new();
        let mut again = Vec::new();
        let mut refused = None;
        for (n, was) in leased.rows.iter().enumerate() {
            let cut = || AdapterError::Unreachable(Trouble::Cut);
            let answer = match answers {
                Ok(all) => all.get(n).cloned().unwrap_or_else(|| Err(cut())),
                Err(error) => Err(error.clone()),
            };
            let Some(row) = pin_push::lock(&mut tx, self.property, was.reservation_id).await?
            else {
                continue;
            };
            if row.lease.is_none_or(|lease| lease.0 != leased.lease) {
                // Late: somebody else has taken over and will read first.
                tracing::warn!(pin_push.id = %row.id, "a late finish changes nothing");
                continue;
            }
            let done = settled(env, &row, was, &answer, now);
            pin_push::save(&mut tx, &done).await?;
            events.extend(told(&row, &done));
            events.extend(self.note_problem(&mut tx, &done, now).await?);
            if answer == Err(AdapterError::Unauthorized) {
                refused = Some(row.integration_id);
            }
            if let Some(next) = done.next_attempt_at {
                again.push((row.reservation_id, *next));
            }
        }
        let actor = Actor::named(ActorKind::Pms, env.apps.name(&leased.app));
        event::publish(&mut tx, self.property, &actor, now, events).await?;
        if let Some(integration) = refused {
            let trigger = ValidationTrigger::RefusedCall;
            validate_integration::ask(&mut tx, env, self.property, integration, trigger).await?;
        }
        // In the order of their keys.
        again.sort_unstable_by_key(|(reservation, _)| reservation.to_string());
        for (reservation, next) in again {
            let job = Self {
                property: self.property,
                reservation,
            };
            enqueue_at(&mut tx, now, &job, next).await?;
        }
        tx.commit().await
    }

    async fn note_problem(
        &self,
        tx: &mut Tx,
        row: &PinPush,
        now: DateTime<Utc>,
    ) -> Result<Option<NewEvent>, DbError> {
        let subject = row.id.to_string();
        match row.status {
            PinPushStatus::Refused => {
                let new = NewProblem {
                    key: REFUSED,
                    subject_kind: SubjectKind::PinPush,
                    subject: &subject,
                    detail: row.error_said.as_deref().unwrap_or(""),
                    critical: false,
                };
                Ok(problem::raise(tx, self.property, &new, now).await?)
            }
            PinPushStatus::Stored | PinPushStatus::Removed => {
                Ok(problem::resolve(tx, self.property, REFUSED, &subject, now).await?)
            }
            _ => Ok(None),
        }
    }
}

/// A row after the PMS answered about it. `was`: as it was when it was leased.
fn settled(
    env: &Env,
    row: &PinPush,
    was: &PinPush,
    answer: &Result<Stored, AdapterError>,
    now: DateTime<Utc>,
) -> PinPush {
    let mut done = row.clone();
    done.lease = None;
    done.lease_until = None;
    if let Ok(stored) = answer {
        done.external_token_id = stored.id.as_ref().map(ToString::to_string);
    }
    if row.generation == was.generation {
        settle(env, &mut done, answer, now);
        if was.outcome_unknown && done.done_generation == done.generation {
            done.generation += 1;
            done.attempts = 0;
            done.next_attempt_at = Some((now + LOOK_AGAIN).into());
        }
    } else {
        done.next_attempt_at = Some(now.into());
    }
    done
}

/// Writes into a row what the PMS answered about it.
fn settle(env: &Env, row: &mut PinPush, answer: &Result<Stored, AdapterError>, now: DateTime<Utc>) {
    let Err(error) = answer else {
        row.status = if row.desired().is_some() {
            PinPushStatus::Stored
        } else {
            PinPushStatus::Removed
        };
        row.done_generation = row.generation;
        row.outcome_unknown = false;
        row.waiting_for = None;
        row.next_attempt_at = None;
        row.last_error = None;
        row.error_said = None;
        // `put` reads before and is answered after the write.
        row.verified_at = Some(now.into());
        row.drift = None;
        return;
    };
    row.last_error = Some(effects::effect_error(error, row.last_error));
    let asked = match error {
        AdapterError::Declined { said } => {
            row.outcome_unknown = false;
            row.error_said.clone_from(said);
            row.status = PinPushStatus::Refused;
            row.done_generation = row.generation;
            row.next_attempt_at = None;
            row.waiting_for = None;
            return;
        }
        AdapterError::Unauthorized => {
            // The token is checked now; whether it is the token or the right is known then.
            row.outcome_unknown = false;
            row.waiting_for = Some(PinPushWait::Integration);
            row.next_attempt_at = Some(env.about(Duration::minutes(2)).into());
            if row.attempts > 1 {
                row.waiting_for = Some(PinPushWait::Permission);
                row.last_error = Some(EffectError::Permission);
                row.next_attempt_at = Some(env.about(Duration::hours(24)).into());
            }
            return;
        }
        AdapterError::RateLimited { retry_after } => *retry_after,
        _ => None,
    };
    let removing = row.desired().is_none();
    let begun = row.desired().is_some_and(|window| window.from <= now);
    row.waiting_for = Some(PinPushWait::Retry);
    let at = effects::again_at(env, row.attempts, removing || begun, asked);
    row.next_attempt_at = Some(at.into());
}

fn told(was: &PinPush, is: &PinPush) -> Vec<NewEvent> {
    let kind = match is.status {
        status if status == was.status => return Vec::new(),
        PinPushStatus::Stored => EventKind::PinPushStored,
        PinPushStatus::Refused => EventKind::PinPushRefused,
        PinPushStatus::Removed => EventKind::PinPushRemoved,
        PinPushStatus::Waiting | PinPushStatus::Removing => return Vec::new(),
    };
    let event =
        NewEvent::new(kind, SubjectKind::PinPush, is.id).with("reservation", is.reservation_id);
    vec![event]
}
