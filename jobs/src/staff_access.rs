//! Keychains that a person makes by hand, for staff: spaces, times and a PIN, and no reservation.

use crate::Env;
use crate::change::By;
use crate::effects::{self, Touched};
use crate::job::{Job, JobError, enqueue_at};
use crate::reconcile_access::choose::Chooser;
use crate::reconcile_access::ring_devices;
use chrono::{DateTime, Utc};
use portal_domain::access::Door;
use portal_domain::pin::{Asked, Unavailable};
use portal_domain::{
    EventKind, KeychainDoorRole, KeychainId, PinId, PropertyId, SpaceId, SubjectKind, Window,
};
use portal_faults::step;
use portal_store::audit::NewEntry;
use portal_store::event::NewEvent;
use portal_store::keychain::{self, Keychain};
use portal_store::{DbError, Tx, device, property, space};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Brings the locks in line with a keychain made by hand: when it is made or changed, when a lock of
/// it is installed or removed, and when it ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StaffAccess {
    /// Where.
    pub property: PropertyId,
    /// Which.
    pub keychain: KeychainId,
}

impl Job for StaffAccess {
    const KIND: &'static str = "staff-access";
    const DEADLINE: Duration = Duration::from_secs(10);
    const CONCURRENCY: usize = 2;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.keychain.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        step("staff-access.follow", || self.follow(env)).await
    }
}

impl StaffAccess {
    async fn follow(&self, env: &Env) -> Result<(), JobError> {
        let mut tx = env.db.begin_in(self.property).await?;
        let found = keychain::by_ids(&mut tx, self.property, &[self.keychain])
            .await?
            .pop();
        if let Some(row) = found {
            follow(&mut tx, &row, env.now()).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Brings the wishes for the locks in line, and comes back when the keychain ends.
pub(crate) async fn follow(tx: &mut Tx, row: &Keychain, now: DateTime<Utc>) -> Result<(), DbError> {
    let property = row.property_id;
    let mut touched = Touched::default();
    effects::desire_of_pin(tx, property, row.pin_id, now, &mut touched).await?;
    ring_devices(tx, property, touched.devices, now).await?;
    if let Some(end) = touched.next_end {
        let job = StaffAccess {
            property,
            keychain: row.id,
        };
        enqueue_at(tx, now, &job, end).await?;
    }
    Ok(())
}

/// A lock was installed in a space or removed from it: keychains made by hand follow.
pub(crate) async fn in_space(
    tx: &mut Tx,
    property: PropertyId,
    space: SpaceId,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    for row in keychain::by_hand_in(tx, property, space, now).await? {
        follow(tx, &row, now).await?;
    }
    Ok(())
}

/// A keychain to make by hand.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// Whom it is for.
    pub holder: &'a str,
    /// The spaces it opens. None other is opened with them.
    pub spaces: &'a [SpaceId],
    /// From when until when.
    pub window: Window,
    /// The digits it shall have, if a person asked for some.
    pub asked: Option<Asked>,
}

/// Why none was made.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// One of the spaces is not there, or archived.
    NoSpace,
    /// None of the spaces has a lock.
    NoLock,
    /// No PIN suits all doors.
    Unavailable(Unavailable),
    /// Another change came in between; the same may be asked again.
    Busy,
}

/// Makes a keychain by hand.
pub async fn create(
    env: &Env,
    property: PropertyId,
    new: &New<'_>,
    by: &By<'_>,
) -> Result<Result<Keychain, Refused>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let spaces = space::by_ids(&mut tx, property, new.spaces).await?;
    let there = new.spaces.iter().all(|id| {
        let mut found = spaces.iter().filter(|space| space.id == *id);
        found.any(|space| space.archived_at.is_none())
    });
    let (Some(main), Some(house)) = (
        new.spaces.first(),
        property::by_id(&mut tx, property).await?,
    ) else {
        return Ok(Err(Refused::NoSpace));
    };
    if !there {
        return Ok(Err(Refused::NoSpace));
    }
    if device::in_spaces(&mut tx, property, new.spaces)
        .await?
        .is_empty()
    {
        return Ok(Err(Refused::NoLock));
    }
    let mut doors: Vec<Door> = Vec::with_capacity(new.spaces.len());
    for &space in new.spaces {
        let role = if doors.is_empty() {
            KeychainDoorRole::Main
        } else {
            KeychainDoorRole::Common
        };
        if doors.iter().all(|door| door.space != space) {
            doors.push(Door { space, role });
        }
    }
    let policy = house.policy();
    let id = KeychainId::new();
    let mut chooser = Chooser::by_hand(env, now, property, id, &policy);
    chooser.asked.clone_from(&new.asked);
    let choice = match chooser.choose(&mut tx, None, &doors, new.window).await? {
        Ok(choice) => choice,
        Err(why) => return Ok(Err(Refused::Unavailable(why))),
    };
    let Ok(pin): Result<PinId, _> = chooser.store(&mut tx, None, &choice, new.window).await? else {
        return Ok(Err(Refused::Busy));
    };
    let row = Keychain {
        id,
        property_id: property,
        reservation_id: None,
        holder: Some(new.holder.to_owned()),
        main_space_id: *main,
        pin_id: pin,
        starts_at: new.window.from.into(),
        ends_at: new.window.until.into(),
        scheduled_until: new.window.until.into(),
        generation: 1,
        revoked_at: None,
        revoked_by: None,
        revoked_by_kind: None,
        revoke_reason: None,
        superseded_by: None,
        created_at: now.into(),
    };
    keychain::insert(&mut tx, &row).await?;
    keychain::set_doors(&mut tx, &row, &doors).await?;
    let entry = NewEntry::new("staffKeychainCreate", SubjectKind::Keychain, row.id)
        .after("spaces", doors.len())
        .after("from", new.window.from.to_rfc3339())
        .after("until", new.window.until.to_rfc3339());
    let event = NewEvent::new(EventKind::KeychainCreated, SubjectKind::Keychain, row.id);
    by.note(&mut tx, property, now, entry, [event]).await?;
    follow(&mut tx, &row, now).await?;
    tx.commit().await?;
    Ok(Ok(row))
}
