//! Reads back what locks and the PMS hold, and compares it with what Portal made of them: nightly,
//! after a catch-up, and when a person asks.
//!
//! | Found | Means | What follows |
//! |---|---|---|
//! | as wanted | | noted with the time |
//! | other, or gone | somebody changed it elsewhere | written again, with the same PIN |
//! | there, and must not be | somebody put it back, or it never went | taken off again |
//!
//! What is repaired a second time within a day is left to a person, who learns of it: two parties
//! must not write against each other all day. A code that must not be there goes each time.

use crate::job::{Job, JobError, enqueue};
use crate::program_devices::{self, mark};
use crate::{Env, ProgramDevices, PushPins, SyncReservations, account, catch_up};
use crate::{effects, trigger, validate_integration};
use chrono::{DateTime, Days, Duration, NaiveTime, Utc};
use chrono_tz::Tz;
use portal_domain::local::{self, Edge};
use portal_domain::{
    ActorKind, AppCategory, CredentialState, DeviceId, DevicePinStatus, Drift, EventKind,
    IntegrationId, IntegrationStatus, PropertyId, SubjectKind, SyncState, ValidationTrigger,
};
use portal_interface::{Account, AdapterError, Held, HeldCode, Locks, PinCopy, Pms, Trouble};
use portal_store::device_pin::DevicePin;
use portal_store::event::{self, Actor, NewEvent};
use portal_store::integration::Integration;
use portal_store::pin_push::PinPush;
use portal_store::problem::{self, NewProblem};
use portal_store::{DbError, Tx, device, device_pin, integration, pin_push, property};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Reads back what one link holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComparePins {
    /// Where.
    pub property: PropertyId,
    /// Which link.
    pub integration: IntegrationId,
}

/// Problem: a PIN on a lock was changed elsewhere again and again.
const DEVICE_PIN_DRIFTS: &str = "device_pin.drifts";
/// Problem: a PIN in the PMS was changed elsewhere again and again.
const PUSH_DRIFTS: &str = "pin_push.drifts";
/// Problem: a lock holds a code under our mark that Portal knows nothing of.
const UNKNOWN_CODE: &str = "device.unknown_code";
/// Copies read back at once.
const COPIES: i64 = 100;
/// How long a run goes on before it makes room for other jobs.
const RUN: std::time::Duration = std::time::Duration::from_secs(25);
/// When a round that met trouble goes on.
const REST: Duration = Duration::minutes(15);
/// A second repair within this time is left to a person.
const A_DAY: Duration = Duration::hours(20);
/// The hours of the night, by the clock on the property's wall.
const NIGHT: std::ops::Range<u32> = 3..5;

impl Job for ComparePins {
    const KIND: &'static str = "compare-pins";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);
    const CONCURRENCY: usize = 2;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.integration.to_string())
    }

    fn group(&self) -> Option<String> {
        Some(self.property.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        let Some(round) = self.begin(env).await? else {
            return Ok(());
        };
        let begun = tokio::time::Instant::now();
        loop {
            let ended = match &round.held_by {
                HeldBy::Locks(locks) => round.device(env, &**locks).await?,
                HeldBy::Pms(pms) => round.copies(env, &**pms).await?,
            };
            match ended {
                Ended::More if begun.elapsed() < RUN => {}
                ended => return Ok(round.end(env, ended).await?),
            }
        }
    }
}

/// How a step ended.
enum Ended {
    /// There is more to read.
    More,
    /// Everything was read.
    All,
    /// The vendor does not answer now.
    Trouble(AdapterError),
}

/// A round that is under way.
struct Round<'a> {
    job: &'a ComparePins,
    link: Integration,
    account: Account,
    since: DateTime<Utc>,
    held_by: HeldBy,
}

enum HeldBy {
    Locks(Arc<dyn Locks>),
    Pms(Arc<dyn Pms>),
}

impl ComparePins {
    /// Begins a round, or goes on with the one under way.
    async fn begin(&self, env: &Env) -> Result<Option<Round<'_>>, DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let found = integration::lock(&mut tx, self.property, self.integration).await?;
        let connected = |link: &Integration| link.status == IntegrationStatus::Connected;
        let Some(mut link) = found.filter(connected) else {
            return Ok(None);
        };
        if link
            .sync_state
            .is_some_and(|state| state != SyncState::Current)
        {
            // What is wanted is not known before everything is read.
            link.next_compare_at = Some(env.about(Duration::minutes(2)).into());
            integration::save(&mut tx, &link).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let account = account::open(&mut tx, env, &link, CredentialState::Active).await?;
        let held_by = match link.category {
            AppCategory::Pms => env.apps.pms(&link.app).map(HeldBy::Pms),
            AppCategory::Lock => env.apps.locks(&link.app).map(HeldBy::Locks),
        };
        let (Some(account), Some(held_by)) = (account, held_by) else {
            return Ok(None);
        };
        if link.compare_since.is_none() {
            link.compare_since = Some(now.into());
            if link.category == AppCategory::Pms {
                self.read_all(&mut tx, env, &link).await?;
            }
        }
        let since = link.compare_since.map_or(now, |since| *since);
        integration::save(&mut tx, &link).await?;
        tx.commit().await?;
        Ok(Some(Round {
            job: self,
            link,
            account,
            since,
            held_by,
        }))
    }

    /// Reservations are compared too: all stays are read once more, which finds what was missed, and
    /// every one is decided again.
    async fn read_all(&self, tx: &mut Tx, env: &Env, link: &Integration) -> Result<(), DbError> {
        let now = env.now();
        catch_up::begin(tx, env, link).await?;
        trigger::integration(tx, env, self.property, self.integration).await?;
        let read = SyncReservations {
            property: self.property,
            integration: self.integration,
        };
        enqueue(tx, now, &read).await?;
        Ok(())
    }
}

impl Round<'_> {
    /// What comes next: more of this round, the same later, or the next night.
    async fn end(&self, env: &Env, ended: Ended) -> Result<(), DbError> {
        let now = env.now();
        let property = self.job.property;
        let mut tx = env.db.begin_in(property).await?;
        let Some(mut link) = integration::lock(&mut tx, property, self.job.integration).await?
        else {
            return Ok(());
        };
        if !link.status.is_live() {
            return Ok(());
        }
        match ended {
            Ended::More => link.next_compare_at = Some(now.into()),
            Ended::Trouble(error) => {
                tracing::info!(integration.id = %link.id, error = account::word(&error), "PINs could not be read back");
                link.next_compare_at = Some(match error {
                    AdapterError::RateLimited {
                        retry_after: Some(pause),
                    } => (now + Duration::from_std(pause).unwrap_or(REST).min(REST)).into(),
                    _ => env.about(REST).into(),
                });
                if error == AdapterError::Unauthorized {
                    let trigger = ValidationTrigger::RefusedCall;
                    validate_integration::ask(&mut tx, env, property, link.id, trigger).await?;
                }
            }
            Ended::All => {
                let zone = zone_of(&mut tx, property).await?;
                link.compared_at = Some(now.into());
                link.compare_since = None;
                link.next_compare_at = Some(next_night(env, zone).into());
            }
        }
        integration::save(&mut tx, &link).await?;
        if link.next_compare_at.is_some_and(|at| *at <= now) {
            enqueue(&mut tx, now, self.job).await?;
        }
        tx.commit().await
    }

    /// Reads back the next lock.
    async fn device(&self, env: &Env, locks: &dyn Locks) -> Result<Ended, DbError> {
        let property = self.job.property;
        let now = env.now();
        let mut tx = env.db.begin_in(property).await?;
        let since = self.since.into();
        let next = device::to_compare(&mut tx, property, self.job.integration, since, 1).await?;
        let Some(mut device) = next.into_iter().next() else {
            return Ok(Ended::All);
        };
        let rows = device_pin::on_device(&mut tx, property, device.id).await?;
        let codes = program_devices::codes(&mut tx, env, property, &rows, now).await?;
        // Whatever comes of it, the others have their turn before this one is read again.
        device.compared_at = Some(now.into());
        device::put(&mut tx, &device).await?;
        tx.commit().await?;
        let Some(key) = account::vendor_id(&device.external_id).filter(|_| device.reads_back())
        else {
            return Ok(Ended::More);
        };
        let call = locks.check_codes(&self.account, &key, &codes);
        let answer = tokio::time::timeout(effects::DEADLINE, call)
            .await
            .unwrap_or(Err(AdapterError::Unreachable(Trouble::Deadline)));
        match answer {
            Ok(held) => self.judge_device(env, device.id, &rows, &held).await?,
            Err(error @ (AdapterError::Unauthorized | AdapterError::RateLimited { .. })) => {
                return Ok(Ended::Trouble(error));
            }
            Err(error) => {
                tracing::info!(device.id = %device.id, error = account::word(&error), "a lock could not be read back");
            }
        }
        Ok(Ended::More)
    }

    async fn judge_device(
        &self,
        env: &Env,
        device: DeviceId,
        seen: &[DevicePin],
        held: &[HeldCode],
    ) -> Result<(), DbError> {
        let now = env.now();
        let property = self.job.property;
        let mut tx = env.db.begin_in(property).await?;
        if device::lock(&mut tx, property, device).await?.is_none() {
            return Ok(());
        }
        let mut notes = Notes::default();
        let rows = device_pin::ever_on_device(&mut tx, property, device).await?;
        for mut row in rows.iter().cloned() {
            let mark = mark(row.pin_id);
            let is = held.iter().find(|held| held.mark == mark);
            let unchanged = seen
                .iter()
                .find(|seen| seen.id == row.id)
                .is_none_or(|seen| seen.generation == row.generation);
            let Some(found) = is
                .filter(|_| unchanged)
                .and_then(|is| found_on_device(&row, is.is, now))
            else {
                continue;
            };
            let repair = note_device_pin(&mut row, found, now);
            device_pin::save(&mut tx, &row).await?;
            if let Err(drift) = found {
                let event =
                    NewEvent::new(EventKind::DevicePinDrifted, SubjectKind::DevicePin, row.id);
                notes
                    .events
                    .push(event.with("device", device).with("drift", drift));
            }
            let (kind, subject) = (SubjectKind::DevicePin, row.id.to_string());
            notes.repair |= repair;
            self.problem(
                &mut tx,
                &mut notes,
                DEVICE_PIN_DRIFTS,
                kind,
                &subject,
                found.is_err() && !repair,
                now,
            )
            .await?;
        }
        let unknown = held.iter().any(|held| {
            !matches!(held.is, Held::Gone) && rows.iter().all(|row| mark(row.pin_id) != held.mark)
        });
        let subject = device.to_string();
        self.problem(
            &mut tx,
            &mut notes,
            UNKNOWN_CODE,
            SubjectKind::Device,
            &subject,
            unknown,
            now,
        )
        .await?;
        let name = env.apps.name(&self.link.app);
        notes
            .publish(&mut tx, property, ActorKind::Lock, name, now)
            .await?;
        if notes.repair {
            enqueue(&mut tx, now, &ProgramDevices { property, device }).await?;
        }
        tx.commit().await
    }

    /// Reads back the next copies in the PMS.
    async fn copies(&self, env: &Env, pms: &dyn Pms) -> Result<Ended, DbError> {
        let (property, now) = (self.job.property, env.now());
        let Some(pins) = pms.pins().filter(|_| self.link.may_store_pins) else {
            return Ok(Ended::All);
        };
        let mut tx = env.db.begin_in(property).await?;
        let since = self.since.into();
        let rows =
            pin_push::to_compare(&mut tx, property, self.job.integration, since, now, COPIES)
                .await?;
        if rows.is_empty() {
            return Ok(Ended::All);
        }
        let mut asked = Vec::new();
        let mut wants = Vec::new();
        for row in &rows {
            let push = PushPins {
                property,
                reservation: row.reservation_id,
            };
            if let Some(want) = push.want(&mut tx, env, row).await? {
                asked.push(row);
                wants.push(want);
            }
        }
        drop(tx);
        let answer = match wants.as_slice() {
            [] => Ok(Vec::new()),
            wants => tokio::time::timeout(effects::DEADLINE, pins.check(&self.account, wants))
                .await
                .unwrap_or(Err(AdapterError::Unreachable(Trouble::Deadline))),
        };
        let copies = match answer {
            Ok(copies) => copies,
            Err(error) => return Ok(Ended::Trouble(error)),
        };
        let found: Vec<(&PinPush, PinCopy)> = asked.into_iter().zip(copies).collect();
        let mut tx = env.db.begin_in(property).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        pin_push::note_compared(&mut tx, property, &ids, now).await?;
        let mut notes = Notes::default();
        let mut repairs = Vec::new();
        for (seen, copy) in found {
            if self
                .judge_copy(&mut tx, env, &mut notes, seen, copy)
                .await?
            {
                repairs.push(seen.reservation_id);
            }
        }
        notes
            .publish(
                &mut tx,
                property,
                ActorKind::Pms,
                env.apps.name(&self.link.app),
                now,
            )
            .await?;
        repairs.sort_unstable();
        for reservation in repairs {
            enqueue(
                &mut tx,
                now,
                &PushPins {
                    property,
                    reservation,
                },
            )
            .await?;
        }
        tx.commit().await?;
        Ok(Ended::More)
    }

    /// Whether it has to be written again.
    async fn judge_copy(
        &self,
        tx: &mut Tx,
        env: &Env,
        notes: &mut Notes,
        seen: &PinPush,
        copy: PinCopy,
    ) -> Result<bool, DbError> {
        let now = env.now();
        let property = self.job.property;
        let row = pin_push::lock(tx, property, seen.reservation_id).await?;
        let same = |row: &PinPush| {
            row.id == seen.id && row.generation == seen.generation && row.lease.is_none()
        };
        let Some(mut row) = row.filter(same) else {
            return Ok(false);
        };
        let found = match (copy, row.desired().is_some()) {
            (PinCopy::Match, _) => Ok(()),
            (PinCopy::Missing, _) => Err(Drift::Missing),
            (PinCopy::Differs, true) => Err(Drift::Changed),
            (PinCopy::Differs, false) => Err(Drift::Unwanted),
        };
        let repair = note_push(&mut row, found, now);
        pin_push::save(tx, &row).await?;
        if let Err(drift) = found {
            let event = NewEvent::new(EventKind::PinPushDrifted, SubjectKind::PinPush, row.id);
            let event = event.with("reservation", row.reservation_id);
            notes.events.push(event.with("drift", drift));
        }
        let (kind, subject) = (SubjectKind::PinPush, row.id.to_string());
        self.problem(
            tx,
            notes,
            PUSH_DRIFTS,
            kind,
            &subject,
            found.is_err() && !repair,
            now,
        )
        .await?;
        Ok(repair)
    }

    #[expect(clippy::too_many_arguments, reason = "each is a column of one row")]
    async fn problem(
        &self,
        tx: &mut Tx,
        notes: &mut Notes,
        key: &'static str,
        subject_kind: SubjectKind,
        subject: &str,
        is_one: bool,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let event = if is_one {
            let new = NewProblem {
                key,
                subject_kind,
                subject,
                detail: "",
                critical: key == UNKNOWN_CODE,
            };
            problem::raise(tx, self.job.property, &new, now).await?
        } else {
            problem::resolve(tx, self.job.property, key, subject, now).await?
        };
        notes.events.extend(event);
        Ok(())
    }
}

/// What a comparison has to tell.
#[derive(Default)]
struct Notes {
    events: Vec<NewEvent>,
    repair: bool,
}

impl Notes {
    async fn publish(
        &mut self,
        tx: &mut Tx,
        property: PropertyId,
        kind: ActorKind,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let events = std::mem::take(&mut self.events);
        event::publish(tx, property, &Actor::named(kind, name), now, events).await?;
        Ok(())
    }
}

/// What reading back says about a row that is done. `None`: nothing.
fn found_on_device(row: &DevicePin, is: Held, now: DateTime<Utc>) -> Option<Result<(), Drift>> {
    if row.lease_until.is_some_and(|until| *until > now) || row.done_generation < row.generation {
        return None;
    }
    match (row.status, is) {
        // A lock may drop by itself what is over.
        (DevicePinStatus::Set, _) if row.desired_until.is_none_or(|until| *until <= now) => None,
        (DevicePinStatus::Set, Held::Confirmed) | (DevicePinStatus::Removed, Held::Gone) => {
            Some(Ok(()))
        }
        (DevicePinStatus::Set, Held::Differs) => Some(Err(Drift::Changed)),
        (DevicePinStatus::Set, Held::Gone) => Some(Err(Drift::Missing)),
        (DevicePinStatus::Removed, Held::Confirmed | Held::Differs) => Some(Err(Drift::Unwanted)),
        _ => None,
    }
}

/// Notes what was found and makes the row due again where it has to be. Says whether it is.
fn note_device_pin(row: &mut DevicePin, found: Result<(), Drift>, now: DateTime<Utc>) -> bool {
    let Err(drift) = found else {
        row.verified_at = Some(now.into());
        row.drift = None;
        return false;
    };
    let repair = may_repair(drift, row.drifted_at.map(|at| *at), now);
    row.drift = Some(drift);
    row.drifted_at = Some(now.into());
    if drift == Drift::Changed {
        row.code_matches = Some(false);
    }
    if repair {
        row.want(now);
    }
    repair
}

/// The same for a copy in the PMS.
fn note_push(row: &mut PinPush, found: Result<(), Drift>, now: DateTime<Utc>) -> bool {
    let Err(drift) = found else {
        row.verified_at = Some(now.into());
        row.drift = None;
        return false;
    };
    let repair = may_repair(drift, row.drifted_at.map(|at| *at), now);
    row.drift = Some(drift);
    row.drifted_at = Some(now.into());
    if repair {
        row.want(now);
    }
    repair
}

fn may_repair(drift: Drift, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    drift == Drift::Unwanted || last.is_none_or(|last| now - last >= A_DAY)
}

/// A random moment of the next night there.
fn next_night(env: &Env, zone: Tz) -> DateTime<Utc> {
    let now = env.now();
    let minutes = env
        .chance
        .rng()
        .random_range(NIGHT.start * 60..NIGHT.end * 60);
    let at = NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0).unwrap_or_default();
    let today = now.with_timezone(&zone).date_naive();
    (0..3)
        .filter_map(|days| today.checked_add_days(Days::new(days)))
        .map(|day| local::instant(zone, day.and_time(at), Edge::Start))
        .find(|at| *at > now + Duration::hours(1))
        .unwrap_or(now + Duration::days(1))
}

/// When a link that was connected is compared first: at night, or soon where something may have been
/// changed elsewhere while nobody looked. Its catch-up reads all stays by itself.
pub(crate) fn plan(env: &Env, link: &mut Integration, zone: Tz) {
    let soon = link.last_synced_at.is_some();
    link.compare_since = soon.then(|| env.now().into());
    link.next_compare_at = Some(if soon {
        env.about(Duration::minutes(5)).into()
    } else {
        next_night(env, zone).into()
    });
}

/// The clock on a property's wall.
pub(crate) async fn zone_of(tx: &mut Tx, property: PropertyId) -> Result<Tz, DbError> {
    let found = property::by_id(tx, property).await?;
    let name = found.and_then(|property| property.time_zone);
    Ok(local::zone(name.as_deref()))
}

/// Reads everything back now: what a person asks for.
pub async fn ask(env: &Env, property: PropertyId) -> Result<(), DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let mut links = integration::live(&mut tx, property).await?;
    links.sort_unstable_by_key(|link| link.id);
    for link in links {
        let Some(mut link) = integration::lock(&mut tx, property, link.id).await? else {
            continue;
        };
        if link.status != IntegrationStatus::Connected {
            continue;
        }
        link.next_compare_at = Some(now.into());
        integration::save(&mut tx, &link).await?;
        let job = ComparePins {
            property,
            integration: link.id,
        };
        crate::job::enqueue_urgent(&mut tx, now, &job).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_second_repair_within_a_day_is_left_to_a_person() {
        let now = at("2026-11-24T03:00:00Z");
        let an_hour_ago = Some(now - Duration::hours(1));
        let last_night = Some(now - Duration::hours(23));
        for (drift, last, repair) in [
            (Drift::Changed, None, true),
            (Drift::Missing, last_night, true),
            (Drift::Missing, an_hour_ago, false),
            (Drift::Changed, an_hour_ago, false),
            (Drift::Unwanted, an_hour_ago, true),
        ] {
            assert_eq!(may_repair(drift, last, now), repair, "{drift} {last:?}");
        }
    }
}
