//! PINs in the PMS: what it shall hold for each reservation, and what it has taken.

use crate::conn::{Conn, on};
use crate::schema::pin_pushes;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::{AnyId, Timestamp};
use portal_domain::{
    Drift, EffectError, IntegrationId, PinId, PinPushId, PinPushStatus, PinPushWait, PropertyId,
    ReservationId, RoomId, Window,
};
use uuid::Uuid;

/// A PIN stored in the PMS, or to be stored there.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = pin_pushes)]
#[diesel(treat_none_as_null = true)]
pub struct PinPush {
    /// Identifier.
    pub id: PinPushId,
    /// Whose.
    pub property_id: PropertyId,
    /// For which reservation.
    pub reservation_id: ReservationId,
    /// Which PIN.
    pub pin_id: PinId,
    /// Where it is stored.
    pub integration_id: IntegrationId,
    /// How it stands.
    pub status: PinPushStatus,
    /// What it waits for.
    pub waiting_for: Option<PinPushWait>,
    /// The PMS's identifier of the copy.
    pub external_token_id: Option<String>,
    /// The room it shall be stored for; none: the PMS shall forget it.
    pub desired_room_id: Option<RoomId>,
    /// From when it shall be valid.
    pub desired_from: Option<Timestamp>,
    /// Until when.
    pub desired_until: Option<Timestamp>,
    /// Whether it also opens doors outside the room.
    pub common_doors: bool,
    /// When it was last read back and as wanted.
    pub verified_at: Option<Timestamp>,
    /// When it was last found otherwise than Portal had made it.
    pub drifted_at: Option<Timestamp>,
    /// In what way.
    pub drift: Option<Drift>,
    /// When it was last tried to read it back.
    pub compared_at: Option<Timestamp>,
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
    /// The PMS's words about it, where it means them for people.
    pub error_said: Option<String>,
    /// Whether a try ended without an answer, so that the PMS is read first.
    pub outcome_unknown: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl PinPush {
    /// What it shall be is to be carried out anew, whatever was written before: due now, with no
    /// tries yet. Set what it shall be first.
    pub fn want(&mut self, now: DateTime<Utc>) {
        self.status = match self.desired() {
            Some(_) => PinPushStatus::Waiting,
            None => PinPushStatus::Removing,
        };
        self.generation += 1;
        self.wanted_since = now.into();
        self.attempts = 0;
        self.last_error = None;
        self.error_said = None;
        self.waiting_for = None;
        self.next_attempt_at = Some(now.into());
    }

    /// From when until when the PMS shall hold it; none: it shall forget it.
    pub fn desired(&self) -> Option<Window> {
        Some(Window {
            from: *self.desired_from?,
            until: *self.desired_until?,
        })
    }
}

/// Adds one.
pub async fn insert(conn: &mut Conn, row: &PinPush) -> QueryResult<usize> {
    on!(conn, c => diesel::insert_into(pin_pushes::table).values(row).execute(c).await)
}

/// Stores every column of one. Read it with [`lock`] in the same transaction.
pub async fn save(conn: &mut Conn, row: &PinPush) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            pin_pushes::table
                .filter(pin_pushes::property_id.eq(row.property_id))
                .filter(pin_pushes::id.eq(row.id)),
        )
        .set(row)
        .execute(c)
        .await
    })
}

/// Reads a reservation's and keeps others from changing it until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
) -> QueryResult<Option<PinPush>> {
    let query = pin_pushes::table
        .filter(pin_pushes::property_id.eq(property))
        .filter(pin_pushes::reservation_id.eq(reservation));
    match conn {
        Conn::Postgres(c) => {
            let query = query.select(PinPush::as_select()).for_update();
            query.first(&mut **c).await.optional()
        }
        Conn::Sqlite(c) => {
            let query = query.select(PinPush::as_select());
            query.first(&mut **c).await.optional()
        }
    }
}

/// Those of these reservations.
pub async fn of_reservations(
    conn: &mut Conn,
    property: PropertyId,
    reservations: &[ReservationId],
) -> QueryResult<Vec<PinPush>> {
    on!(conn, c => {
        pin_pushes::table
            .filter(pin_pushes::property_id.eq(property))
            .filter(pin_pushes::reservation_id.eq_any(reservations))
            .select(PinPush::as_select())
            .load(c)
            .await
    })
}

/// Those of a PIN.
pub async fn of_pin(
    conn: &mut Conn,
    property: PropertyId,
    pin: PinId,
) -> QueryResult<Vec<PinPush>> {
    on!(conn, c => {
        pin_pushes::table
            .filter(pin_pushes::property_id.eq(property))
            .filter(pin_pushes::pin_id.eq(pin))
            .select(PinPush::as_select())
            .load(c)
            .await
    })
}

/// Copies of a link that are done and were not read back since: those that shall be there, and those
/// that shall be gone while the stay is not over.
pub async fn to_compare(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    since: Timestamp,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<PinPush>> {
    use crate::schema::reservations as r;
    use pin_pushes as p;
    on!(conn, c => {
        p::table
            .inner_join(r::table.on(r::id.eq(p::reservation_id)))
            .filter(p::property_id.eq(property))
            .filter(p::integration_id.eq(integration))
            .filter(p::status.eq_any([PinPushStatus::Stored, PinPushStatus::Removed]))
            .filter(p::done_generation.ge(p::generation))
            .filter(r::ends_at.gt(Timestamp(now)))
            .filter(p::compared_at.is_null().or(p::compared_at.lt(since)))
            .order(p::id)
            .limit(limit)
            .select(PinPush::as_select())
            .load(c)
            .await
    })
}

/// Notes that it was tried to read these back.
pub async fn note_compared(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[PinPushId],
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            pin_pushes::table
                .filter(pin_pushes::property_id.eq(property))
                .filter(pin_pushes::id.eq_any(ids)),
        )
        .set(pin_pushes::compared_at.eq(Timestamp(now)))
        .execute(c)
        .await
    })
}

/// By id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[PinPushId],
) -> QueryResult<Vec<PinPush>> {
    on!(conn, c => {
        pin_pushes::table
            .filter(pin_pushes::property_id.eq(property))
            .filter(pin_pushes::id.eq_any(ids))
            .select(PinPush::as_select())
            .load(c)
            .await
    })
}

/// Takes the lease of a row. False when somebody else has it.
pub async fn lease(
    conn: &mut Conn,
    property: PropertyId,
    id: PinPushId,
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<bool> {
    let leased = on!(conn, c => {
        diesel::update(
            pin_pushes::table
                .filter(pin_pushes::property_id.eq(property))
                .filter(pin_pushes::id.eq(id))
                .filter(
                    pin_pushes::lease_until.is_null().or(pin_pushes::lease_until.le(Timestamp(now))),
                ),
        )
        .set((
            pin_pushes::lease.eq(AnyId(lease)),
            pin_pushes::lease_until.eq(Timestamp(until)),
            pin_pushes::attempts.eq(pin_pushes::attempts + 1),
            pin_pushes::outcome_unknown.eq(true),
        ))
        .execute(c)
        .await
    })?;
    Ok(leased == 1)
}

/// Other copies of a link that are due and nobody works on, due longest first.
pub async fn due_beside(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    besides: ReservationId,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<PinPush>> {
    let now = Timestamp(now);
    on!(conn, c => {
        pin_pushes::table
            .filter(pin_pushes::property_id.eq(property))
            .filter(pin_pushes::integration_id.eq(integration))
            .filter(pin_pushes::reservation_id.ne(besides))
            .filter(pin_pushes::done_generation.lt(pin_pushes::generation))
            .filter(pin_pushes::next_attempt_at.le(now))
            .filter(pin_pushes::lease_until.is_null().or(pin_pushes::lease_until.le(now)))
            .order((pin_pushes::next_attempt_at, pin_pushes::id))
            .limit(limit)
            .select(PinPush::as_select())
            .load(c)
            .await
    })
}

/// Brings forward those of a link that waited for it.
pub async fn wake(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    waits: &[PinPushWait],
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            pin_pushes::table
                .filter(pin_pushes::property_id.eq(property))
                .filter(pin_pushes::integration_id.eq(integration))
                .filter(pin_pushes::waiting_for.eq_any(waits))
                .filter(pin_pushes::done_generation.lt(pin_pushes::generation)),
        )
        .set((
            pin_pushes::waiting_for.eq(None::<PinPushWait>),
            pin_pushes::next_attempt_at.eq(Timestamp(now)),
        ))
        .execute(c)
        .await
    })
}
