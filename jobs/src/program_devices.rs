//! Makes one device hold exactly the PINs it shall hold.

use crate::effects::{self, DEADLINE, LEASE, LOOK_AGAIN};
use crate::job::{Job, JobError, enqueue};
use crate::{Env, PushPins, account, trigger, validate_integration};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    ActorKind, ConfirmationHow, CredentialState, DeviceConnectivity, DeviceId, DevicePinStatus,
    DeviceRule, EffectError, EventKind, IntegrationStatus, KeychainProvisioning, PinId,
    PinPushStatus, PinPushWait, PropertyId, SubjectKind, ValidationTrigger, Window, slots,
};
use portal_faults::step;
use portal_interface::{AdapterError, Code, Held, HeldCode, Refusal, Trouble};
use portal_store::device::Device;
use portal_store::device_pin::{self, DevicePin};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::problem::{self, NewProblem};
use portal_store::{DbError, Tx, device, integration, keychain, pin, pin_push};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Programs one device: its due PINs are leased together, as the vendor writes a device as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProgramDevices {
    /// Where.
    pub property: PropertyId,
    /// Which.
    pub device: DeviceId,
}

/// How long a lock may take to confirm what it accepted.
pub const READ_BACK_WITHIN: Duration = Duration::minutes(10);
/// How often a lock that accepted is read until it confirms.
const READ_BACK_EVERY: Duration = Duration::seconds(30);

/// When a code that waits for a slot is looked at without anything having freed one.
const SLOT: Duration = Duration::hours(1);

/// Problem: a lock refused a PIN for good.
pub(crate) const BLOCKED: &str = "device_pin.blocked";

impl Job for ProgramDevices {
    const KIND: &'static str = "program-devices";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(1);
    const CONCURRENCY: usize = 8;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.device.to_string())
    }

    /// A hotel's locks are programmed through one account or few.
    fn group(&self) -> Option<String> {
        Some(self.property.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        let Some(leased) = step("program-devices.lease", || self.lease(env)).await? else {
            return Ok(());
        };
        let Some(locks) = env.apps.locks(&leased.app) else {
            return Ok(());
        };
        let answer = step("program-devices.call", || async {
            let call = locks.put_codes(&leased.account, &leased.device_key, &leased.codes);
            tokio::time::timeout(DEADLINE, call)
                .await
                .unwrap_or(Err(AdapterError::Unreachable(Trouble::Deadline)))
        })
        .await;
        step("program-devices.finish", || {
            effects::see_through(|| self.finish(env, &leased, &answer))
        })
        .await?;
        Ok(())
    }
}

/// A device whose due PINs are ours to write.
struct Leased {
    lease: Uuid,
    app: String,
    account: portal_interface::Account,
    device_key: portal_interface::VendorId,
    integration: portal_domain::IntegrationId,
    rows: Vec<DevicePin>,
    codes: Vec<Code>,
}

impl Leased {
    /// Whether a code that is wanted, but had to make room, is gone from the device.
    fn has_taken_off(&self, row: &DevicePin, answer: &Result<Vec<HeldCode>, AdapterError>) -> bool {
        let own = mark(row.pin_id);
        let sent = self.codes.iter().any(|code| code.mark == own);
        let there = |codes: &Vec<HeldCode>| {
            let mut codes = codes.iter();
            codes.any(|code| code.mark == own && code.is != Held::Gone)
        };
        row.desired().is_some() && !sent && answer.as_ref().is_ok_and(|codes| !there(codes))
    }
}

pub(crate) fn mark(pin: PinId) -> String {
    format!("portal:{pin}")
}

impl ProgramDevices {
    async fn lease(&self, env: &Env) -> Result<Option<Leased>, DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let Some(device) = device::lock(&mut tx, self.property, self.device).await? else {
            return Ok(None);
        };
        let mut all = device_pin::on_device(&mut tx, self.property, self.device).await?;
        let busy = all
            .iter()
            .any(|row| row.lease_until.is_some_and(|until| *until > now));
        if busy {
            return Ok(None);
        }
        let hold = hold(&device, &all, now);
        self.make_room(&mut tx, env, &device, &mut all, hold.as_ref())
            .await?;
        let due: Vec<DevicePin> = all
            .iter()
            .filter(|row| {
                row.done_generation < row.generation
                    && row.next_attempt_at.is_some_and(|at| *at <= now)
            })
            .cloned()
            .collect();
        if due.is_empty() {
            // Those without a slot are put off.
            tx.commit().await?;
            return Ok(None);
        }
        let link = integration::by_id(&mut tx, self.property, device.integration_id).await?;
        let Some(link) = link.filter(|link| link.status == IntegrationStatus::Connected) else {
            // Taken up again when the lock vendor is back.
            self.put_off(&mut tx, env, due, EffectError::Unauthorized)
                .await?;
            tx.commit().await?;
            return Ok(None);
        };
        let account = account::open(&mut tx, env, &link, CredentialState::Active).await?;
        let key = account::vendor_id(&device.external_id);
        let (Some(account), Some(device_key)) = (account, key) else {
            return Ok(None);
        };
        all.retain(|row| hold.as_ref().is_none_or(|hold| hold.contains(&row.pin_id)));
        let codes = codes(&mut tx, env, self.property, &all, now).await?;
        let ids: Vec<_> = due.iter().map(|row| row.id).collect();
        let lease = Uuid::now_v7();
        let taken =
            device_pin::lease(&mut tx, self.property, &ids, lease, now, now + LEASE).await?;
        if taken != ids.len() {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(Leased {
            lease,
            app: link.app,
            account,
            device_key,
            integration: link.id,
            rows: due,
            codes,
        }))
    }

    /// Puts off what has no slot on the device, and has codes taken off that have to make room for
    /// guests who come sooner.
    async fn make_room(
        &self,
        tx: &mut Tx,
        env: &Env,
        device: &Device,
        all: &mut [DevicePin],
        hold: Option<&BTreeSet<PinId>>,
    ) -> Result<(), DbError> {
        let Some(hold) = hold else {
            return Ok(());
        };
        let now = env.now();
        for row in all {
            if row.desired().is_none() {
                continue;
            }
            if hold.contains(&row.pin_id) {
                // There is one for it by now.
                if row.waits_for_slot() && row.next_attempt_at.is_some_and(|at| *at > now) {
                    row.next_attempt_at = Some(now.into());
                    device_pin::save(tx, row).await?;
                }
                continue;
            }
            match row.status {
                DevicePinStatus::Sent | DevicePinStatus::Set => row.want(now),
                DevicePinStatus::Blocked if row.code().holds_slot() => row.want(now),
                // It may be there.
                DevicePinStatus::Waiting if row.was_ever_sent() => {
                    row.next_attempt_at = Some(now.into());
                }
                DevicePinStatus::Waiting if !row.code().is_early(now) => {
                    no_slot(env, device, row);
                }
                _ => continue,
            }
            device_pin::save(tx, row).await?;
        }
        Ok(())
    }

    async fn put_off(
        &self,
        tx: &mut Tx,
        env: &Env,
        due: Vec<DevicePin>,
        error: EffectError,
    ) -> Result<(), DbError> {
        for mut row in due {
            row.last_error = Some(error);
            row.next_attempt_at = Some(env.about(Duration::minutes(5)).into());
            device_pin::save(tx, &row).await?;
        }
        Ok(())
    }

    async fn finish(
        &self,
        env: &Env,
        leased: &Leased,
        answer: &Result<Vec<HeldCode>, AdapterError>,
    ) -> Result<(), DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let Some(device) = device::lock(&mut tx, self.property, self.device).await? else {
            return Ok(());
        };
        let mut events = Vec::new();
        let mut pins = Vec::new();
        let mut freed = false;
        for row in device_pin::on_device(&mut tx, self.property, self.device).await? {
            let Some(was) = leased.rows.iter().find(|leased| leased.id == row.id) else {
                continue;
            };
            let held_by_us = row.lease.is_some_and(|lease| lease.0 == leased.lease);
            if !held_by_us {
                // Late: somebody else has taken over and will read first.
                tracing::warn!(device_pin.id = %row.id, "a late finish changes nothing");
                continue;
            }
            let mut done = row.clone();
            done.lease = None;
            done.lease_until = None;
            if row.generation == was.generation {
                if leased.has_taken_off(&done, answer) {
                    no_slot(env, &device, &mut done);
                    freed = true;
                    if was.outcome_unknown {
                        // A write from before may still arrive.
                        done.attempts = 1;
                        done.next_attempt_at = Some((now + LOOK_AGAIN).into());
                    }
                } else {
                    settle(env, &device, &mut done, answer, now);
                }
                if was.outcome_unknown && done.done_generation == done.generation {
                    done.generation += 1;
                    done.attempts = 0;
                    done.next_attempt_at = Some((now + LOOK_AGAIN).into());
                }
            } else {
                done.next_attempt_at = Some(now.into());
            }
            device_pin::save(&mut tx, &done).await?;
            events.extend(told(&row, &done));
            events.extend(self.note_problem(&mut tx, &done, now).await?);
            freed |= row.code().holds_slot() && !done.code().holds_slot();
            pins.push(done.pin_id);
        }
        self.note_connectivity(&mut tx, &device, answer, &mut events, now)
            .await?;
        self.follow_up(&mut tx, env, &pins, &mut events).await?;
        if matches!(answer, Err(AdapterError::Unauthorized)) {
            let trigger = ValidationTrigger::RefusedCall;
            validate_integration::ask(&mut tx, env, self.property, leased.integration, trigger)
                .await?;
        }
        self.next_run(&mut tx, env, freed).await?;
        let actor = Actor::named(ActorKind::Lock, env.apps.name(&leased.app));
        event::publish(&mut tx, self.property, &actor, now, events).await?;
        tx.commit().await
    }

    /// A lock that refused a PIN for good needs a person.
    async fn note_problem(
        &self,
        tx: &mut Tx,
        row: &DevicePin,
        now: DateTime<Utc>,
    ) -> Result<Option<NewEvent>, DbError> {
        let subject = row.id.to_string();
        match row.status {
            DevicePinStatus::Blocked => {
                let new = NewProblem {
                    key: BLOCKED,
                    subject_kind: SubjectKind::DevicePin,
                    subject: &subject,
                    detail: row.last_error.map_or("", EffectError::as_str),
                    critical: true,
                };
                Ok(problem::raise(tx, self.property, &new, now).await?)
            }
            DevicePinStatus::Set | DevicePinStatus::Removed => {
                Ok(problem::resolve(tx, self.property, BLOCKED, &subject, now).await?)
            }
            _ => Ok(None),
        }
    }

    async fn note_connectivity(
        &self,
        tx: &mut Tx,
        device: &Device,
        answer: &Result<Vec<HeldCode>, AdapterError>,
        events: &mut Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let is = match answer {
            Ok(_) => DeviceConnectivity::Online,
            Err(AdapterError::Unreachable(_)) => DeviceConnectivity::Offline,
            Err(_) => return Ok(()),
        };
        let mut device = device.clone();
        if device.connectivity != is {
            let kind = match is {
                DeviceConnectivity::Online => EventKind::DeviceOnline,
                _ => EventKind::DeviceOffline,
            };
            events.push(NewEvent::new(kind, SubjectKind::Device, device.id));
            device.connectivity = is;
        }
        if is == DeviceConnectivity::Online {
            device.last_seen_at = Some(now.into());
        }
        device::put(tx, &device).await?;
        Ok(())
    }

    /// What the locks have done may be what the PMS copy waited for, and is what staff look at.
    async fn follow_up(
        &self,
        tx: &mut Tx,
        env: &Env,
        pins: &[PinId],
        events: &mut Vec<NewEvent>,
    ) -> Result<(), DbError> {
        let now = env.now();
        for &pin in pins {
            for keychain in keychain::of_pin(tx, self.property, pin).await? {
                let provisioning = provisioning(tx, &keychain, now).await?;
                let event = NewEvent::new(
                    EventKind::KeychainProvisioning,
                    SubjectKind::Keychain,
                    keychain.id,
                );
                events.push(event.with("provisioning", provisioning));
                self.after_a_move(tx, env, &keychain).await?;
            }
            for push in pin_push::of_pin(tx, self.property, pin).await? {
                let Some(mut push) = pin_push::lock(tx, self.property, push.reservation_id).await?
                else {
                    continue;
                };
                let ready = match push.status {
                    PinPushStatus::Waiting if push.waiting_for == Some(PinPushWait::Door) => {
                        let keychains =
                            keychain::current(tx, self.property, &[push.reservation_id]).await?;
                        match keychains.first() {
                            Some(keychain) => {
                                let taken = effects::TAKEN;
                                effects::main_door_has(tx, self.property, keychain, taken).await?
                            }
                            None => false,
                        }
                    }
                    PinPushStatus::Removing => {
                        effects::is_gone_from_locks(tx, self.property, pin).await?
                    }
                    _ => false,
                };
                if ready && push.done_generation < push.generation {
                    push.waiting_for = None;
                    push.next_attempt_at = Some(now.into());
                    pin_push::save(tx, &push).await?;
                    let job = PushPins {
                        property: self.property,
                        reservation: push.reservation_id,
                    };
                    enqueue(tx, now, &job).await?;
                }
            }
        }
        Ok(())
    }

    /// The room a guest moved from closes some time after the new one opens.
    async fn after_a_move(
        &self,
        tx: &mut Tx,
        env: &Env,
        keychain: &keychain::Keychain,
    ) -> Result<(), DbError> {
        let (Some(stay), None) = (keychain.reservation_id, keychain.superseded_by) else {
            return Ok(());
        };
        let left = keychain::superseded(tx, self.property, stay, env.now()).await?;
        if left.is_empty() {
            return Ok(());
        }
        trigger::reservations(tx, env, self.property, &[stay]).await
    }

    /// What is left to do on this device has a time; the job comes back then, or at once where a slot
    /// became free and somebody waits for one.
    async fn next_run(&self, tx: &mut Tx, env: &Env, freed: bool) -> Result<(), DbError> {
        let rows = device_pin::on_device(tx, self.property, self.device).await?;
        let waits = rows.iter().any(DevicePin::waits_for_slot);
        let next = rows
            .into_iter()
            .filter(|row| row.done_generation < row.generation)
            .filter_map(|row| row.next_attempt_at)
            .min();
        if let Some(next) = next {
            let next = if freed && waits { env.now() } else { *next };
            crate::job::enqueue_at(tx, env.now(), self, next).await?;
        }
        Ok(())
    }
}

/// The codes a device with a known number of slots shall hold now. `None`: any number fits.
fn hold(device: &Device, all: &[DevicePin], now: DateTime<Utc>) -> Option<BTreeSet<PinId>> {
    let capacity = device.capacity()?;
    let codes: Vec<_> = all.iter().map(DevicePin::code).collect();
    Some(slots::hold(capacity, &codes, now))
}

/// There is no slot for it, and nothing of it is on the device. Whatever frees one rings; the time is
/// for what nobody tells. One the device takes shortly before its stay waits for that alone.
fn no_slot(env: &Env, device: &Device, row: &mut DevicePin) {
    row.forget();
    let due = row
        .desired()
        .and_then(|window| device.takes_from(window.from));
    if let Some(due) = due.filter(|due| *due > env.now()) {
        row.last_error = None;
        row.next_attempt_at = Some(due.into());
    } else {
        row.last_error = Some(EffectError::DeviceFull);
        row.next_attempt_at = Some(env.about(SLOT).into());
    }
}

/// The times for which a code shall be on the device. Other times that the device refused for good
/// take those from nobody that it has.
fn held_for(row: &DevicePin, now: DateTime<Utc>) -> Option<Window> {
    let desired = row.desired()?;
    if row.status != DevicePinStatus::Blocked {
        return Some(desired);
    }
    let (from, until) = (*row.confirmed_from?, *row.confirmed_until?);
    (until > now).then_some(Window { from, until })
}

/// Every code the device shall hold, opened.
pub(crate) async fn codes(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    all: &[DevicePin],
    now: DateTime<Utc>,
) -> Result<Vec<Code>, DbError> {
    let wanted: Vec<_> = all
        .iter()
        // One that is not due yet is not on the device yet either.
        .filter(|row| row.next_attempt_at.is_none_or(|at| *at <= now) || row.was_ever_sent())
        .filter_map(|row| Some((row.pin_id, held_for(row, now)?)))
        .collect();
    let ids: Vec<_> = wanted.iter().map(|(pin, _)| *pin).collect();
    let mut opened = pin::open(tx, &env.sealer, property, &ids, now).await?;
    Ok(wanted
        .into_iter()
        .filter_map(|(pin, window)| {
            Some(Code {
                mark: mark(pin),
                pin: opened.remove(&pin)?,
                from: window.from,
                until: window.until,
            })
        })
        .collect())
}

/// Writes into a row what the device answered about it.
fn settle(
    env: &Env,
    device: &Device,
    row: &mut DevicePin,
    answer: &Result<Vec<HeldCode>, AdapterError>,
    now: DateTime<Utc>,
) {
    let own = mark(row.pin_id);
    let held = match answer {
        Ok(codes) => {
            row.outcome_unknown = false;
            let code = codes.iter().find(|code| code.mark == own);
            // A code that shall be gone and is not spoken of is gone.
            match (code, row.desired()) {
                (Some(code), _) => Some(code.is),
                (None, None) => Some(Held::Gone),
                (None, Some(_)) => None,
            }
        }
        Err(error) => {
            trouble(env, row, error, now);
            return;
        }
    };
    match (held, row.desired().is_some()) {
        (Some(Held::Gone), false) => removed(device, row, now),
        (Some(Held::Confirmed), true) => confirmed(row, ConfirmationHow::ReadBack, now),
        (Some(Held::Accepted), true) => accepted(device, row, now),
        (Some(Held::Refused(Refusal::Full)), true) => {
            row.last_error = Some(EffectError::DeviceFull);
            retry(env, row, now, None);
        }
        (Some(Held::Refused(why)), true) => {
            row.status = DevicePinStatus::Blocked;
            row.done_generation = row.generation;
            row.next_attempt_at = None;
            row.last_error = Some(match why {
                Refusal::Code => EffectError::CodeNotAllowed,
                Refusal::Full | Refusal::Other => EffectError::Declined,
            });
        }
        // Neither as wanted nor refused: it is written again.
        _ => retry(env, row, now, None),
    }
}

fn retry(env: &Env, row: &mut DevicePin, now: DateTime<Utc>, asked: Option<std::time::Duration>) {
    let removing = row.desired().is_none();
    let begun = row.desired().is_some_and(|window| window.from <= now);
    row.status = if removing {
        DevicePinStatus::Removing
    } else {
        DevicePinStatus::Waiting
    };
    let at = effects::again_at(env, row.attempts, removing || begun, asked);
    row.next_attempt_at = Some(at.into());
}

fn trouble(env: &Env, row: &mut DevicePin, error: &AdapterError, now: DateTime<Utc>) {
    row.last_error = Some(match error {
        AdapterError::Unreachable(Trouble::Status(503)) => EffectError::DeviceOffline,
        other => effects::effect_error(other, row.last_error),
    });
    match error {
        AdapterError::Declined { .. } if row.desired().is_some() => {
            row.outcome_unknown = false;
            row.status = DevicePinStatus::Blocked;
            row.done_generation = row.generation;
            row.next_attempt_at = None;
        }
        AdapterError::RateLimited { retry_after } => {
            // The gate was shut before anything was sent.
            row.outcome_unknown = false;
            retry(env, row, now, *retry_after);
        }
        _ => retry(env, row, now, None),
    }
}

fn confirmed(row: &mut DevicePin, how: ConfirmationHow, now: DateTime<Utc>) {
    row.status = DevicePinStatus::Set;
    row.done_generation = row.generation;
    row.confirmed_from = row.desired_from;
    row.confirmed_until = row.desired_until;
    row.confirmed_generation = Some(row.generation);
    row.confirmed_how = Some(how);
    row.confirmed_at = Some(now.into());
    row.code_matches = (how == ConfirmationHow::ReadBack).then_some(true);
    row.drift = None;
    if how == ConfirmationHow::ReadBack {
        row.verified_at = Some(now.into());
    }
    row.next_attempt_at = None;
    row.last_error = None;
}

fn accepted(device: &Device, row: &mut DevicePin, now: DateTime<Utc>) {
    if !device.reads_back() {
        confirmed(row, ConfirmationHow::Accepted, now);
        return;
    }
    let since = match row.status {
        DevicePinStatus::Sent => row.confirmed_at.map_or(now, |at| *at),
        _ => now,
    };
    if now - since > READ_BACK_WITHIN {
        row.status = DevicePinStatus::Waiting;
    } else {
        row.status = DevicePinStatus::Sent;
    }
    row.confirmed_how = Some(ConfirmationHow::Accepted);
    row.confirmed_at = Some(since.into());
    row.next_attempt_at = Some((now + READ_BACK_EVERY).into());
    row.last_error = None;
}

fn removed(device: &Device, row: &mut DevicePin, now: DateTime<Utc>) {
    let revocable = !device
        .rules()
        .iter()
        .any(|rule| matches!(rule, DeviceRule::Revocable(false)));
    let still_valid = row.confirmed_until.is_some_and(|until| *until > now);
    row.status = if revocable || !still_valid {
        DevicePinStatus::Removed
    } else {
        DevicePinStatus::Residual
    };
    row.done_generation = row.generation;
    row.confirmed_generation = Some(row.generation);
    // Of a lock that cannot be read back only its word is known.
    row.confirmed_how = Some(if device.reads_back() {
        row.verified_at = Some(now.into());
        ConfirmationHow::ReadBack
    } else {
        ConfirmationHow::Accepted
    });
    row.confirmed_at = Some(now.into());
    row.drift = None;
    row.next_attempt_at = None;
    row.last_error = None;
}

/// The events of a row's change, if any.
fn told(was: &DevicePin, is: &DevicePin) -> Option<NewEvent> {
    let kind = match is.status {
        status if status == was.status => return None,
        DevicePinStatus::Set => EventKind::DevicePinSet,
        DevicePinStatus::Blocked => EventKind::DevicePinBlocked,
        DevicePinStatus::Removed => EventKind::DevicePinRemoved,
        DevicePinStatus::Residual => EventKind::DevicePinResidual,
        _ => return None,
    };
    let event = NewEvent::new(kind, SubjectKind::DevicePin, is.id).with("device", is.device_id);
    Some(match is.last_error {
        Some(error) => event.with("error", error),
        None => event,
    })
}

/// How far the locks have got with a keychain.
async fn provisioning(
    tx: &mut Tx,
    keychain: &keychain::Keychain,
    now: DateTime<Utc>,
) -> Result<KeychainProvisioning, DbError> {
    let property = keychain.property_id;
    let doors = keychain::doors(tx, property, &[keychain.id]).await?;
    let spaces: Vec<_> = doors.iter().map(|door| door.space_id).collect();
    let devices = device::in_spaces(tx, property, &spaces).await?;
    let rows = device_pin::of_pins(tx, property, &[keychain.pin_id]).await?;
    let installed: Vec<_> = devices.iter().map(|device| device.id).collect();
    Ok(keychain.provisioning(&rows, &installed, now))
}

#[cfg(test)]
mod tests;
