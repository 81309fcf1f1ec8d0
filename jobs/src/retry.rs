//! A person asks once more for what was given up, or for what waits longer than they like.

use crate::change::By;
use crate::job::enqueue_urgent;
use crate::program_devices::BLOCKED;
use crate::push_pins::REFUSED;
use crate::sweep::QUARANTINED;
use crate::{Env, ProgramDevices, PushPins};
use chrono::{DateTime, Utc};
use portal_domain::{
    DevicePinId, DevicePinStatus, IntegrationId, IntegrationStatus, JobId, PinPushId,
    PinPushStatus, PinPushWait, PropertyId, SubjectKind,
};
use portal_store::audit::NewEntry;
use portal_store::device_pin::{self, DevicePin};
use portal_store::event::Actor;
use portal_store::pin_push::{self, PinPush};
use portal_store::{Conn, DbError, Timestamp, device, integration, job, problem};

/// Why nothing was tried again.
#[derive(Debug)]
pub enum Refused<R> {
    /// There is no such thing here.
    NotFound,
    /// It is done, under way or no longer wanted; this is how it stands.
    Nothing(R),
    /// Nobody can be asked while the integration is not connected.
    NotConnected,
}

/// Puts a PIN on a device, or takes it off, now.
pub async fn device_pin(
    env: &Env,
    property: PropertyId,
    id: DevicePinId,
    actor: &Actor,
) -> Result<Result<DevicePin, Refused<DevicePin>>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut row) = device_pin::by_ids(&mut tx, property, &[id]).await?.pop() else {
        return Ok(Err(Refused::NotFound));
    };
    let Some(device) = device::lock(&mut tx, property, row.device_id).await? else {
        return Ok(Err(Refused::NotFound));
    };
    let before = row.status;
    let under_way = row.lease_until.is_some_and(|until| *until > now);
    let waits = row.done_generation < row.generation && is_put_off(row.next_attempt_at, now);
    match row.status {
        DevicePinStatus::Blocked => row.want(now),
        DevicePinStatus::Waiting | DevicePinStatus::Removing if waits && row.attempts > 0 => {}
        _ => return Ok(Err(Refused::Nothing(row))),
    }
    if under_way {
        return Ok(Err(Refused::Nothing(row)));
    }
    if !is_connected(&mut tx, property, device.integration_id).await? {
        return Ok(Err(Refused::NotConnected));
    }
    row.next_attempt_at = Some(now.into());
    device_pin::save(&mut tx, &row).await?;
    let resolved = problem::resolve(&mut tx, property, BLOCKED, &id.to_string(), now).await?;
    let entry = NewEntry::new("devicePinRetry", SubjectKind::DevicePin, id)
        .before("status", before)
        .after("status", row.status);
    By::of(actor)
        .note(&mut tx, property, now, entry, resolved)
        .await?;
    let job = ProgramDevices {
        property,
        device: row.device_id,
    };
    enqueue_urgent(&mut tx, now, &job).await?;
    tx.commit().await?;
    Ok(Ok(row))
}

/// Stores a PIN in the PMS, or takes it out, now.
pub async fn pin_push(
    env: &Env,
    property: PropertyId,
    id: PinPushId,
    actor: &Actor,
) -> Result<Result<PinPush, Refused<PinPush>>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(found) = pin_push::by_ids(&mut tx, property, &[id]).await?.pop() else {
        return Ok(Err(Refused::NotFound));
    };
    let locked = pin_push::lock(&mut tx, property, found.reservation_id).await?;
    let Some(mut row) = locked.filter(|row| row.id == id) else {
        return Ok(Err(Refused::NotFound));
    };
    let before = row.status;
    let under_way = row.lease_until.is_some_and(|until| *until > now);
    let is_due_later = row.done_generation < row.generation
        && is_put_off(row.next_attempt_at, now)
        && row.attempts > 0;
    match row.status {
        PinPushStatus::Refused => row.want(now),
        PinPushStatus::Waiting | PinPushStatus::Removing
            if is_due_later && row.waiting_for != Some(PinPushWait::Door) => {}
        _ => return Ok(Err(Refused::Nothing(row))),
    }
    if under_way {
        return Ok(Err(Refused::Nothing(row)));
    }
    if !is_connected(&mut tx, property, row.integration_id).await? {
        return Ok(Err(Refused::NotConnected));
    }
    row.waiting_for = None;
    row.next_attempt_at = Some(now.into());
    pin_push::save(&mut tx, &row).await?;
    let resolved = problem::resolve(&mut tx, property, REFUSED, &id.to_string(), now).await?;
    let entry = NewEntry::new("pinPushRetry", SubjectKind::PinPush, id)
        .before("status", before)
        .after("status", row.status);
    By::of(actor)
        .note(&mut tx, property, now, entry, resolved)
        .await?;
    let job = PushPins {
        property,
        reservation: row.reservation_id,
    };
    enqueue_urgent(&mut tx, now, &job).await?;
    tx.commit().await?;
    Ok(Ok(row))
}

/// Runs a job that was given up once more from the start.
pub async fn job(
    env: &Env,
    property: PropertyId,
    id: JobId,
    actor: &Actor,
) -> Result<Result<(), Refused<()>>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(found) = job::of_property(&mut tx, property, &[id]).await?.pop() else {
        return Ok(Err(Refused::NotFound));
    };
    if !found.is_given_up() || !job::replay(&mut tx, now, id).await? {
        return Ok(Err(Refused::Nothing(())));
    }
    let resolved = problem::resolve(&mut tx, property, QUARANTINED, &id.to_string(), now).await?;
    let entry = NewEntry::new("jobRetry", SubjectKind::Job, id)
        .before("kind", &found.kind)
        .before("code", found.code.as_deref().unwrap_or_default());
    By::of(actor)
        .note(&mut tx, property, now, entry, resolved)
        .await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// Who asked, and that the problem is gone, if there was one.
fn is_put_off(next: Option<Timestamp>, now: DateTime<Utc>) -> bool {
    next.is_some_and(|at| *at > now)
}

async fn is_connected(
    conn: &mut Conn,
    property: PropertyId,
    id: IntegrationId,
) -> Result<bool, DbError> {
    let link = integration::by_id(conn, property, id).await?;
    Ok(link.is_some_and(|link| link.status == IntegrationStatus::Connected))
}
