//! A person gives a keychain another PIN.

use crate::change::By;
use crate::effects::{self, Touched};
use crate::reconcile_access::choose::{Choice, Chooser};
use crate::reconcile_access::{facts, ring, ring_devices};
use crate::{Env, staff_access, trigger};
use portal_domain::access::{self, Access, Decision, Door};
use portal_domain::pin::{Asked, Proof, Unavailable};
use portal_domain::{DeviceId, KeychainId, PinId, PropertyId, SubjectKind};
use portal_store::audit::NewEntry;
use portal_store::keychain::{self, Keychain, KeychainDoor};
use portal_store::{DbError, device, device_pin, property, reservation};

/// Why no PIN was replaced.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such keychain here.
    NotFound,
    /// It is past or revoked.
    Over,
    /// No other PIN suits all doors.
    Unavailable(Unavailable),
    /// Another guest took the digits in this very moment; the same may be asked again.
    Busy,
}

/// A rotation, or what it would do.
#[derive(Debug)]
pub struct Rotation {
    /// The keychain, with the new PIN unless it was a dry run.
    pub keychain: Keychain,
    /// How the new PIN was chosen.
    pub proof: Proof,
    /// The locks that get the new PIN.
    pub locks: Vec<DeviceId>,
    /// Those of them that hold the old one, which goes.
    pub replaced: Vec<DeviceId>,
    /// Whether the PMS holds a copy, which is replaced too.
    pub pms_copy: bool,
}

/// Whether some doors of an access were left out, as they do not take the PIN the keychain has.
fn leaves_out(access: &Access, has: &[Door]) -> bool {
    let opens = |door: &Door| access.doors.iter().any(|to| to.space == door.space);
    access.doors.len() > has.len() && has.iter().all(opens)
}

/// Chooses another PIN for a keychain and puts it in the place of the old one on every lock and in
/// the PMS. A dry run writes nothing.
pub async fn rotate(
    env: &Env,
    property: PropertyId,
    id: KeychainId,
    asked: Option<Asked>,
    dry_run: bool,
    by: &By<'_>,
) -> Result<Result<Rotation, Refused>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let found = keychain::by_ids(&mut tx, property, &[id]).await?.pop();
    let (Some(mut row), Some(house)) = (found, property::by_id(&mut tx, property).await?) else {
        return Ok(Err(Refused::NotFound));
    };
    if row.status(now).is_over() || row.superseded_by.is_some() {
        return Ok(Err(Refused::Over));
    }
    let stay = match row.reservation_id {
        Some(stay) => reservation::lock(&mut tx, property, stay).await?,
        None => None,
    };
    let facts = match &stay {
        Some(stay) => Some(facts(&mut tx, &house, stay).await?),
        None => None,
    };
    let policy = house.policy();
    let mut chooser = match (&stay, &facts) {
        (Some(stay), Some(facts)) => Chooser::of(env, now, stay, facts),
        _ => Chooser::by_hand(env, now, property, id, &policy),
    };
    chooser.asked = asked;
    let mut doors = keychain::doors(&mut tx, property, &[id]).await?;
    doors.sort_by_key(KeychainDoor::place);
    let doors: Vec<Door> = doors.iter().map(KeychainDoor::door).collect();
    let granted = match facts.as_ref().map(|facts| access::decide(facts, now)) {
        Some(Decision::Grant(access)) => Some(access),
        _ => None,
    };
    let wider = granted.as_ref().filter(|all| leaves_out(all, &doors));
    let wider = wider.map(|all| all.doors.as_slice());
    let mut choice = chooser
        .another(&mut tx, wider.unwrap_or(&doors), row.window())
        .await?;
    if wider.is_some() && choice.is_err() {
        choice = chooser.another(&mut tx, &doors, row.window()).await?;
    }
    let found = match choice {
        Ok(found) => found,
        Err(why) => return Ok(Err(Refused::Unavailable(why))),
    };
    let spaces: Vec<_> = doors.iter().map(|door| door.space).collect();
    let devices = device::in_spaces(&mut tx, property, &spaces).await?;
    let locks: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
    let rows = device_pin::of_pins(&mut tx, property, &[row.pin_id]).await?;
    let held = rows.iter().filter(|row| row.was_ever_sent());
    let replaced = held.map(|row| row.device_id).collect();
    let stays: Vec<_> = row.reservation_id.into_iter().collect();
    let pushes = portal_store::pin_push::of_reservations(&mut tx, property, &stays).await?;
    let mut rotation = Rotation {
        pms_copy: pushes.iter().any(|push| push.desired().is_some()),
        proof: found.proof.clone(),
        keychain: row.clone(),
        locks,
        replaced,
    };
    if dry_run {
        tx.rollback().await?;
        return Ok(Ok(rotation));
    }
    let choice = Choice::New(found);
    let Ok(pin): Result<PinId, _> = chooser
        .store(&mut tx, Some(&row), &choice, row.window())
        .await?
    else {
        return Ok(Err(Refused::Busy));
    };
    let event = chooser.replaced(&mut tx, Some(&row), pin).await?;
    let old = std::mem::replace(&mut row.pin_id, pin);
    row.generation += 1;
    keychain::save(&mut tx, &row).await?;
    let entry = NewEntry::new("pinRotate", SubjectKind::Keychain, id).after("pin", "set");
    by.note(&mut tx, property, now, entry, event).await?;
    match &stay {
        Some(stay) => {
            let left = [old];
            let granted = granted.is_some();
            let mut touched = effects::desire(&mut tx, env, &house, stay, granted, &left).await?;
            if !granted {
                touched.push |= effects::renew_copy(&mut tx, &house, stay, &row, now).await?;
            }
            ring(&mut tx, property, stay.id, touched, now).await?;
            // A door that was left out may take this one.
            trigger::reservations(&mut tx, env, property, &[stay.id]).await?;
        }
        None => {
            // The old PIN first: no keychain uses it any more.
            let mut touched = Touched::default();
            effects::desire_of_pin(&mut tx, property, old, now, &mut touched).await?;
            ring_devices(&mut tx, property, touched.devices, now).await?;
            staff_access::follow(&mut tx, &row, now).await?;
        }
    }
    tx.commit().await?;
    rotation.keychain = row;
    Ok(Ok(rotation))
}
