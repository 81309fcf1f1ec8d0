//! PINs on devices: what each lock shall hold, and what it has confirmed.

use crate::conn::{Conn, on};
use crate::schema::device_pins;
use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use portal_domain::slots::Code;
use portal_domain::sql::{AnyId, Timestamp};
use portal_domain::{
    ConfirmationHow, DeviceId, DevicePinId, DevicePinStatus, Drift, EffectError, PinId, PropertyId,
    Window,
};
use uuid::Uuid;

/// A PIN on one device.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = device_pins)]
#[diesel(treat_none_as_null = true)]
pub struct DevicePin {
    /// Identifier.
    pub id: DevicePinId,
    /// Whose.
    pub property_id: PropertyId,
    /// Which PIN.
    pub pin_id: PinId,
    /// On which device.
    pub device_id: DeviceId,
    /// How it stands.
    pub status: DevicePinStatus,
    /// From when it shall be valid; none: the device shall forget it.
    pub desired_from: Option<Timestamp>,
    /// Until when.
    pub desired_until: Option<Timestamp>,
    /// From when the device holds it valid.
    pub confirmed_from: Option<Timestamp>,
    /// Until when.
    pub confirmed_until: Option<Timestamp>,
    /// Of which generation that is.
    pub confirmed_generation: Option<i32>,
    /// In what way that is known.
    pub confirmed_how: Option<ConfirmationHow>,
    /// Since when.
    pub confirmed_at: Option<Timestamp>,
    /// Whether the digits read back are ours.
    pub code_matches: Option<bool>,
    /// When it was last read back and as wanted.
    pub verified_at: Option<Timestamp>,
    /// When it was last found otherwise than Portal had made it.
    pub drifted_at: Option<Timestamp>,
    /// In what way.
    pub drift: Option<Drift>,
    /// Counts changes of what it shall be.
    pub generation: i32,
    /// The generation that is done.
    pub done_generation: i32,
    /// When what it shall be last changed.
    pub wanted_since: Timestamp,
    /// Who works on it.
    pub lease: Option<AnyId>,
    /// Until when.
    pub lease_until: Option<Timestamp>,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// Tries since the generation changed.
    pub attempts: i32,
    /// What went wrong last.
    pub last_error: Option<EffectError>,
    /// Whether a try ended without an answer, so that the device is read first.
    pub outcome_unknown: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl DevicePin {
    /// A PIN to put on a device.
    pub fn new(
        property: PropertyId,
        pin: PinId,
        device: DeviceId,
        window: Window,
        due: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: DevicePinId::new(),
            property_id: property,
            pin_id: pin,
            device_id: device,
            status: DevicePinStatus::Waiting,
            desired_from: Some(window.from.into()),
            desired_until: Some(window.until.into()),
            confirmed_from: None,
            confirmed_until: None,
            confirmed_generation: None,
            confirmed_how: None,
            confirmed_at: None,
            code_matches: None,
            verified_at: None,
            drifted_at: None,
            drift: None,
            generation: 1,
            done_generation: 0,
            wanted_since: now.into(),
            lease: None,
            lease_until: None,
            next_attempt_at: Some(due.into()),
            attempts: 0,
            last_error: None,
            outcome_unknown: false,
            created_at: now.into(),
        }
    }

    /// When the device shall open for it; none: it shall forget it.
    pub fn desired(&self) -> Option<Window> {
        Some(Window {
            from: *self.desired_from?,
            until: *self.desired_until?,
        })
    }

    /// The same as far as the slots of the device are concerned.
    pub fn code(&self) -> Code {
        Code {
            pin: self.pin_id,
            status: self.status,
            desired: self.desired(),
            confirmed_until: self.confirmed_until.map(Into::into),
            next_attempt_at: self.next_attempt_at.map(Into::into),
            attempts: self.attempts,
            last_error: self.last_error,
        }
    }

    /// Whether it waits for a slot on the device, and nothing of it is there.
    pub fn waits_for_slot(&self) -> bool {
        self.status == DevicePinStatus::Waiting
            && self.last_error == Some(EffectError::DeviceFull)
            && !self.was_ever_sent()
    }

    /// Nothing of it is on the device, though it shall be: as before it was first sent.
    pub fn forget(&mut self) {
        self.status = DevicePinStatus::Waiting;
        (self.confirmed_from, self.confirmed_until) = (None, None);
        (self.confirmed_generation, self.confirmed_how) = (None, None);
        (self.confirmed_at, self.code_matches) = (None, None);
        (self.done_generation, self.attempts) = (0, 0);
        self.outcome_unknown = false;
    }

    /// What it shall be is to be carried out anew, whatever was written before: due now, with no
    /// tries yet. Set what it shall be first.
    pub fn want(&mut self, now: DateTime<Utc>) {
        self.status = match self.desired() {
            Some(_) => DevicePinStatus::Waiting,
            None => DevicePinStatus::Removing,
        };
        self.generation += 1;
        self.wanted_since = now.into();
        self.attempts = 0;
        self.last_error = None;
        self.next_attempt_at = Some(now.into());
    }

    /// Whether anything may have been sent to the device.
    pub fn was_ever_sent(&self) -> bool {
        self.attempts > 0
            || self.outcome_unknown
            || self.confirmed_at.is_some()
            || self.done_generation > 0
    }
}

/// Adds one.
pub async fn insert(conn: &mut Conn, row: &DevicePin) -> QueryResult<usize> {
    on!(conn, c => diesel::insert_into(device_pins::table).values(row).execute(c).await)
}

/// Stores every column of one. Hold the lock of its device.
pub async fn save(conn: &mut Conn, row: &DevicePin) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            device_pins::table
                .filter(device_pins::property_id.eq(row.property_id))
                .filter(device_pins::id.eq(row.id)),
        )
        .set(row)
        .execute(c)
        .await
    })
}

/// Those of these PINs, on all devices.
pub async fn of_pins(
    conn: &mut Conn,
    property: PropertyId,
    pins: &[PinId],
) -> QueryResult<Vec<DevicePin>> {
    let mut rows: Vec<DevicePin> = on!(conn, c => {
        device_pins::table
            .filter(device_pins::property_id.eq(property))
            .filter(device_pins::pin_id.eq_any(pins))
            .select(DevicePin::as_select())
            .load(c)
            .await
    })?;
    // Sorted here: asked for an order, SQLite reads every copy of the house by the key that has it.
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}

/// As much of a row as looking ahead needs: a house has thousands.
type Ahead = (
    DeviceId,
    PinId,
    DevicePinStatus,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<Timestamp>,
    i32,
    Option<EffectError>,
);

/// What these devices hold and shall hold, and these PINs on any device, as looking ahead sees it.
pub async fn ahead(
    conn: &mut Conn,
    property: PropertyId,
    devices: &[DeviceId],
    pins: &[PinId],
) -> QueryResult<Vec<(DeviceId, Code)>> {
    let rows: Vec<Ahead> = on!(conn, c => {
        let there = device_pins::device_id
            .eq_any(devices)
            .and(device_pins::status.ne(DevicePinStatus::Removed));
        device_pins::table
            .filter(device_pins::property_id.eq(property))
            .filter(there.or(device_pins::pin_id.eq_any(pins)))
            .order(device_pins::id)
            .select((
                device_pins::device_id,
                device_pins::pin_id,
                device_pins::status,
                device_pins::desired_from,
                device_pins::desired_until,
                device_pins::confirmed_until,
                device_pins::next_attempt_at,
                device_pins::attempts,
                device_pins::last_error,
            ))
            .load(c)
            .await
    })?;
    let code =
        |(device, pin, status, from, until, confirmed, next, attempts, last_error): Ahead| {
            let window = |from: Timestamp, until: Timestamp| Window {
                from: *from,
                until: *until,
            };
            let code = Code {
                pin,
                status,
                desired: from.zip(until).map(|(from, until)| window(from, until)),
                confirmed_until: confirmed.map(Into::into),
                next_attempt_at: next.map(Into::into),
                attempts,
                last_error,
            };
            (device, code)
        };
    Ok(rows.into_iter().map(code).collect())
}

/// Those on a device, but for those it has forgotten and shall not hold.
pub async fn on_device(
    conn: &mut Conn,
    property: PropertyId,
    device: DeviceId,
) -> QueryResult<Vec<DevicePin>> {
    on!(conn, c => {
        device_pins::table
            .filter(device_pins::property_id.eq(property))
            .filter(device_pins::device_id.eq(device))
            // Of what is gone those alone that are to be looked at once more.
            .filter(
                device_pins::status
                    .ne(DevicePinStatus::Removed)
                    .or(device_pins::done_generation.lt(device_pins::generation)),
            )
            .order(device_pins::id)
            .select(DevicePin::as_select())
            .load(c)
            .await
    })
}

/// All rows of a device, those it has forgotten among them.
pub async fn ever_on_device(
    conn: &mut Conn,
    property: PropertyId,
    device: DeviceId,
) -> QueryResult<Vec<DevicePin>> {
    on!(conn, c => {
        device_pins::table
            .filter(device_pins::property_id.eq(property))
            .filter(device_pins::device_id.eq(device))
            .order(device_pins::id)
            .select(DevicePin::as_select())
            .load(c)
            .await
    })
}

/// A device still holds it though it shall forget it, or cannot forget it yet: in words the indexes of
/// these few rows are made with, which a parameter would not match.
pub(crate) const LINGERS: [&str; 2] = ["status = 'REMOVING'", "status = 'RESIDUAL'"];

/// PINs that some device still holds though it shall forget them, or cannot forget yet.
pub async fn lingering(conn: &mut Conn, property: PropertyId) -> QueryResult<Vec<PinId>> {
    let mut pins = Vec::new();
    for status in LINGERS {
        let found: Vec<PinId> = on!(conn, c => {
            device_pins::table
                .filter(device_pins::property_id.eq(property))
                .filter(sql::<Bool>(status))
                .select(device_pins::pin_id)
                .load(c)
                .await
        })?;
        pins.extend(found);
    }
    pins.sort_unstable();
    pins.dedup();
    Ok(pins)
}

/// By id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[DevicePinId],
) -> QueryResult<Vec<DevicePin>> {
    on!(conn, c => {
        device_pins::table
            .filter(device_pins::property_id.eq(property))
            .filter(device_pins::id.eq_any(ids))
            .select(DevicePin::as_select())
            .load(c)
            .await
    })
}

/// Takes the lease of these rows: 30 seconds in which nobody else writes to the device. Returns how
/// many were free. The outcome counts as unknown until [`save`] says otherwise.
pub async fn lease(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[DevicePinId],
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            device_pins::table
                .filter(device_pins::property_id.eq(property))
                .filter(device_pins::id.eq_any(ids))
                .filter(
                    device_pins::lease_until.is_null().or(device_pins::lease_until.le(Timestamp(now))),
                ),
        )
        .set((
            device_pins::lease.eq(AnyId(lease)),
            device_pins::lease_until.eq(Timestamp(until)),
            device_pins::attempts.eq(device_pins::attempts + 1),
            device_pins::outcome_unknown.eq(true),
        ))
        .execute(c)
        .await
    })
}
