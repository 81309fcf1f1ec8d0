//! What shall be true on locks and in the PMS, derived from the keychains. These rows are the record
//! of what must happen; jobs only ring the bell.

use crate::Env;
use crate::compare_pins::zone_of;
use crate::job::chain;
use crate::reconcile_access::is_main;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    DeviceId, DevicePinStatus, EffectError, PinId, PinPushId, PinPushStatus, PinPushWait,
    PinPushWhen, PropertyId, Window, validity,
};
use portal_store::device_pin::{self, DevicePin};
use portal_store::keychain::{self, Keychain};
use portal_store::pin_push::{self, PinPush};
use portal_store::property::Property;
use portal_store::reservation::Reservation;
use portal_store::{DbError, Tx, device, integration};
use rand::RngExt;
use std::collections::BTreeMap;

/// How long an effect belongs to who took it.
pub(crate) const LEASE: Duration = Duration::seconds(30);
/// The call ends this long before the lease does.
pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(25);
/// After a try that ended without an answer, a call may still be on its way: it is looked at once
/// more after this time, when it has arrived or never will.
pub(crate) const LOOK_AGAIN: Duration = Duration::seconds(60);
/// How long the PMS keeps a copy at most while locks still have to forget the code.
const REMOVAL_PATIENCE: Duration = Duration::minutes(15);

/// How long the end of an effect is tried to be written while the database is away.
const SEE_THROUGH: std::time::Duration = std::time::Duration::from_secs(20);

/// Writes down how an effect ended, again and again while the database is away: otherwise nobody
/// would know, and the next had to wait for the lease and look first. `write` changes nothing when
/// it has been through already.
pub(crate) async fn see_through<T, F>(write: impl Fn() -> F) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let begun = tokio::time::Instant::now();
    loop {
        match write().await {
            Err(error) if error.is_passing() && begun.elapsed() < SEE_THROUGH => {
                tracing::warn!(
                    error = chain(&error),
                    "the end of an effect is not saved yet"
                );
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            ended => return ended,
        }
    }
}

/// What has to be carried out now.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Devices with due work.
    pub(crate) devices: Vec<DeviceId>,
    /// Whether the PMS copy has due work.
    pub(crate) push: bool,
    /// When the next keychain ends: its codes have to go from the locks then.
    pub(crate) next_end: Option<DateTime<Utc>>,
}

/// Brings the wishes of a reservation's PINs in line with its keychains.
pub(crate) async fn desire(
    tx: &mut Tx,
    env: &Env,
    property: &Property,
    reservation: &Reservation,
    granted: bool,
    also: &[PinId],
) -> Result<Touched, DbError> {
    let now = env.now();
    let current = keychain::current(tx, property.id, &[reservation.id])
        .await?
        .pop();
    let push = pin_push::lock(tx, property.id, reservation.id).await?;
    let mut touched = Touched::default();
    // Replaced ones too: they have to go from the locks. And one chosen for the stay before, which
    // this one shares.
    let mut pins = portal_store::pin::of_reservation(tx, property.id, reservation.id).await?;
    pins.extend(keychain::pins_of(tx, property.id, reservation.id).await?);
    pins.extend(also);
    pins.sort_unstable();
    pins.dedup();
    for pin in pins {
        desire_of_pin(tx, property.id, pin, now, &mut touched).await?;
    }
    let live = current.filter(|keychain| !keychain.status(now).is_over());
    if live.is_some() && !granted {
        // Access that is kept although it would not be given now: so is what the PMS has of it.
        return Ok(touched);
    }
    let wish = match live {
        Some(keychain) if property.policy().push_pins => {
            copy_wish(tx, property, reservation, &keychain).await?
        }
        _ => None,
    };
    touched.push = desire_in_pms(tx, property, reservation, push, wish, now).await?;
    Ok(touched)
}

/// Brings the wishes of one PIN in line with the keychains that use it.
pub(crate) async fn desire_of_pin(
    tx: &mut Tx,
    property: PropertyId,
    pin: PinId,
    now: DateTime<Utc>,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let keychains: Vec<Keychain> = keychain::of_pin(tx, property, pin)
        .await?
        .into_iter()
        .filter(|keychain| !keychain.status(now).is_over())
        .collect();
    let next_end = keychains.iter().map(|keychain| *keychain.ends_at).min();
    touched.next_end = touched.next_end.into_iter().chain(next_end).min();
    desire_on_devices(tx, property, pin, &keychains, now, touched).await
}

/// Each lock of a PIN shall hold it for the union of the windows of all doors that use it there.
async fn desire_on_devices(
    tx: &mut Tx,
    property: PropertyId,
    pin: PinId,
    keychains: &[Keychain],
    now: DateTime<Utc>,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let ids: Vec<_> = keychains.iter().map(|keychain| keychain.id).collect();
    let doors = keychain::doors(tx, property, &ids).await?;
    let spaces: Vec<_> = doors.iter().map(|door| door.space_id).collect();
    let devices = device::in_spaces(tx, property, &spaces).await?;
    let mut wanted: BTreeMap<DeviceId, (Window, DateTime<Utc>)> = BTreeMap::new();
    for door in &doors {
        let window = Window {
            from: *door.starts_at,
            until: *door.ends_at,
        };
        for device in devices.iter().filter(|d| d.space_id == Some(door.space_id)) {
            let due = device.takes_from(window.from);
            let due = due.map_or(now, |due| due.max(now));
            wanted
                .entry(device.id)
                .and_modify(|(all, first)| {
                    *all = all.union(window);
                    *first = (*first).min(due);
                })
                .or_insert((window, due));
        }
    }
    let mut rows = device_pin::of_pins(tx, property, &[pin]).await?;
    let mut zone = None;
    for device in devices
        .iter()
        .filter(|device| device.has_times_of_its_own())
    {
        let Some((window, _)) = wanted.get_mut(&device.id) else {
            continue;
        };
        let held = rows.iter().find(|row| row.device_id == device.id);
        let held = held.and_then(DevicePin::desired);
        let zone = match zone {
            Some(zone) => zone,
            None => *zone.insert(zone_of(tx, property).await?),
        };
        let told = validity::told(&device.rules(), *window, held, zone, now);
        *window = told.window;
        touched.next_end = touched.next_end.into_iter().chain(told.again).min();
    }
    for row in &mut rows {
        let wish = wanted.remove(&row.device_id);
        if change(row, wish, now) {
            device_pin::save(tx, row).await?;
            touched.devices.push(row.device_id);
        }
    }
    for (device, (window, due)) in wanted {
        let row = DevicePin::new(property, pin, device, window, due, now);
        device_pin::insert(tx, &row).await?;
        touched.devices.push(device);
    }
    Ok(())
}

/// Changes what a device shall hold. False when it is what it was.
fn change(row: &mut DevicePin, wish: Option<(Window, DateTime<Utc>)>, now: DateTime<Utc>) -> bool {
    use DevicePinStatus as S;
    let gone = matches!(row.status, S::Removed | S::Removing | S::Residual);
    match wish {
        Some((window, _)) if !gone && row.desired() == Some(window) => return false,
        Some((window, due)) => {
            if row.status == S::Removed {
                // Nothing of it is there any more.
                (row.confirmed_from, row.confirmed_until) = (None, None);
            }
            row.desired_from = Some(window.from.into());
            row.desired_until = Some(window.until.into());
            row.want(now);
            row.next_attempt_at = Some(due.into());
        }
        None if gone => return false,
        None => {
            let sent = row.was_ever_sent();
            row.desired_from = None;
            row.desired_until = None;
            row.want(now);
            if !sent {
                row.status = S::Removed;
                row.done_generation = row.generation;
                row.next_attempt_at = None;
            }
        }
    }
    true
}

/// What the PMS has of a keychain that is kept although it would not be made now stays as it is, but for
/// the PIN: the guest reads it there.
pub(crate) async fn renew_copy(
    tx: &mut Tx,
    property: &Property,
    reservation: &Reservation,
    keychain: &Keychain,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let Some(push) = pin_push::lock(tx, property.id, reservation.id).await? else {
        return Ok(false);
    };
    let (Some(room), Some(window)) = (push.desired_room_id, push.desired()) else {
        return Ok(false);
    };
    let wish = CopyWish {
        pin: keychain.pin_id,
        room,
        window,
        common_doors: push.common_doors,
        door_ready: property.policy().push_when == PinPushWhen::Granted
            || main_door_has(tx, property.id, keychain, TAKEN).await?,
    };
    desire_in_pms(tx, property, reservation, Some(push), Some(wish), now).await
}

/// What the PMS shall hold of a keychain.
struct CopyWish {
    pin: PinId,
    room: portal_domain::RoomId,
    window: Window,
    common_doors: bool,
    door_ready: bool,
}

async fn copy_wish(
    tx: &mut Tx,
    property: &Property,
    reservation: &Reservation,
    keychain: &Keychain,
) -> Result<Option<CopyWish>, DbError> {
    let integration = integration::by_id(tx, property.id, reservation.integration_id).await?;
    let may_store = integration.is_some_and(|integration| integration.may_store_pins);
    let (Some(room), true) = (reservation.room_id, may_store) else {
        return Ok(None);
    };
    let doors = keychain::doors(tx, property.id, &[keychain.id]).await?;
    let door_ready = property.policy().push_when == PinPushWhen::Granted
        || main_door_has(tx, property.id, keychain, TAKEN).await?;
    Ok(Some(CopyWish {
        pin: keychain.pin_id,
        room,
        window: keychain.window(),
        common_doors: doors
            .iter()
            .any(|door| door.role == portal_domain::KeychainDoorRole::Common),
        door_ready,
    }))
}

/// A lock has taken a PIN, confirmed or not.
pub(crate) const TAKEN: &[DevicePinStatus] = &[DevicePinStatus::Sent, DevicePinStatus::Set];

/// Whether the PIN stands so on every lock of the main door.
pub(crate) async fn main_door_has(
    tx: &mut Tx,
    property: PropertyId,
    keychain: &Keychain,
    stands: &[DevicePinStatus],
) -> Result<bool, DbError> {
    let doors = keychain::doors(tx, property, &[keychain.id]).await?;
    let main: Vec<_> = doors
        .iter()
        .filter(|door| is_main(door))
        .map(|door| door.space_id)
        .collect();
    let devices = device::in_spaces(tx, property, &main).await?;
    let rows = device_pin::of_pins(tx, property, &[keychain.pin_id]).await?;
    Ok(!devices.is_empty()
        && devices.iter().all(|device| {
            rows.iter()
                .any(|row| row.device_id == device.id && stands.contains(&row.status))
        }))
}

/// Whether no lock holds a PIN any more, as far as that can be had, but for those that hold it as
/// wanted for another stay of the guest.
pub(crate) async fn is_gone_from_locks(
    tx: &mut Tx,
    property: PropertyId,
    pin: PinId,
) -> Result<bool, DbError> {
    let rows = device_pin::of_pins(tx, property, &[pin]).await?;
    Ok(rows.iter().all(|row| match row.status {
        DevicePinStatus::Removed | DevicePinStatus::Residual => true,
        DevicePinStatus::Set => row.desired().is_some(),
        _ => false,
    }))
}

async fn desire_in_pms(
    tx: &mut Tx,
    property: &Property,
    reservation: &Reservation,
    push: Option<PinPush>,
    wish: Option<CopyWish>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    match (push, wish) {
        (None, None) => Ok(false),
        (None, Some(wish)) => {
            let mut push = new_push(property.id, reservation, &wish, now);
            set(&mut push, &wish, now);
            pin_push::insert(tx, &push).await?;
            Ok(wish.door_ready)
        }
        (Some(mut push), Some(wish)) => {
            let same = push.desired() == Some(wish.window)
                && push.desired_room_id == Some(wish.room)
                && push.pin_id == wish.pin
                && push.common_doors == wish.common_doors;
            if same {
                return Ok(false);
            }
            set(&mut push, &wish, now);
            pin_push::save(tx, &push).await?;
            Ok(wish.door_ready)
        }
        (Some(mut push), None) => {
            if push.desired_room_id.is_none() {
                return Ok(false);
            }
            let sent = push.external_token_id.is_some()
                || push.outcome_unknown
                || push.done_generation > 0;
            push.desired_room_id = None;
            push.desired_from = None;
            push.desired_until = None;
            push.want(now);
            if sent {
                // The lock first, then the PMS; but not for ever.
                let gone = is_gone_from_locks(tx, property.id, push.pin_id).await?;
                let due = if gone { now } else { now + REMOVAL_PATIENCE };
                push.next_attempt_at = Some(due.into());
                pin_push::save(tx, &push).await?;
                Ok(gone)
            } else {
                push.status = PinPushStatus::Removed;
                push.done_generation = push.generation;
                push.next_attempt_at = None;
                pin_push::save(tx, &push).await?;
                Ok(false)
            }
        }
    }
}

fn set(push: &mut PinPush, wish: &CopyWish, now: DateTime<Utc>) {
    push.pin_id = wish.pin;
    push.desired_room_id = Some(wish.room);
    push.desired_from = Some(wish.window.from.into());
    push.desired_until = Some(wish.window.until.into());
    push.common_doors = wish.common_doors;
    push.want(now);
    push.waiting_for = (!wish.door_ready).then_some(PinPushWait::Door);
    push.next_attempt_at = wish.door_ready.then_some(now.into());
}

fn new_push(
    property: PropertyId,
    reservation: &Reservation,
    wish: &CopyWish,
    now: DateTime<Utc>,
) -> PinPush {
    PinPush {
        id: PinPushId::new(),
        property_id: property,
        reservation_id: reservation.id,
        pin_id: wish.pin,
        integration_id: reservation.integration_id,
        status: PinPushStatus::Waiting,
        waiting_for: None,
        external_token_id: None,
        desired_room_id: None,
        desired_from: None,
        desired_until: None,
        common_doors: false,
        verified_at: None,
        drifted_at: None,
        drift: None,
        compared_at: None,
        // Wanting it counts the first.
        generation: 0,
        done_generation: 0,
        wanted_since: now.into(),
        lease: None,
        lease_until: None,
        next_attempt_at: None,
        attempts: 0,
        last_error: None,
        error_said: None,
        outcome_unknown: false,
        created_at: now.into(),
    }
}

/// When to try again: longer each time, 15 minutes at most, 5 when a guest waits or a code has to
/// go; each with chance, so that what failed together does not return together.
pub(crate) fn again_at(
    env: &Env,
    attempts: i32,
    urgent: bool,
    asked: Option<std::time::Duration>,
) -> DateTime<Utc> {
    let most: i64 = if urgent { 300 } else { 900 };
    let exponent = u32::try_from((attempts - 1).clamp(0, 6)).unwrap_or(0);
    let seconds = (5 * 3_i64.pow(exponent)).min(most);
    let share = env.chance.rng().random_range(50..=100);
    let own = env.now() + Duration::milliseconds(seconds * 10 * share);
    let asked = asked.and_then(|pause| Duration::from_std(pause).ok());
    asked.map_or(own, |pause| own.max(env.now() + pause))
}

/// What an adapter's error means for an effect. A pause after silence keeps the reason it was made
/// for: nobody asked to slow down.
pub(crate) fn effect_error(
    error: &portal_interface::AdapterError,
    before: Option<EffectError>,
) -> EffectError {
    use portal_interface::AdapterError as E;
    match error {
        E::RateLimited { .. } if before == Some(EffectError::Unreachable) => {
            EffectError::Unreachable
        }
        E::Unauthorized => EffectError::Unauthorized,
        E::Declined { .. } => EffectError::Declined,
        E::RateLimited { .. } => EffectError::RateLimited,
        E::TooHeavy | E::StaleCursor | E::Unreachable(_) => EffectError::Unreachable,
        E::Unreadable { .. } => EffectError::Unreadable,
    }
}
