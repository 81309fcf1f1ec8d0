//! Reservations: what the PMS last told, and what Portal decided.

use crate::conn::{Conn, on};
use crate::erasure::ERASED;
use crate::page::{Page, paged};
use crate::schema::reservations;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{
    IntegrationId, PropertyId, ReservationId, ReservationState, ReservationTransfer, RoomId,
    WithheldCode,
};

/// One stay in one room.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = reservations)]
#[diesel(treat_none_as_null = true)]
pub struct Reservation {
    /// Identifier.
    pub id: ReservationId,
    /// Whose.
    pub property_id: PropertyId,
    /// Where it was read.
    pub integration_id: IntegrationId,
    /// Its identifier there.
    pub external_id: String,
    /// Confirmation number staff know it by.
    pub number: String,
    /// State of the stay.
    pub state: ReservationState,
    /// The state in the PMS's words.
    pub raw_state: String,
    /// The room assigned.
    pub room_id: Option<RoomId>,
    /// The room as the PMS names it.
    pub room_external_id: Option<String>,
    /// Scheduled start.
    pub starts_at: Timestamp,
    /// Scheduled end.
    pub ends_at: Timestamp,
    /// When the guest checked in.
    pub actual_start: Option<Timestamp>,
    /// When the guest checked out.
    pub actual_end: Option<Timestamp>,
    /// When the guest was first seen checked in.
    pub checked_in_seen_at: Option<Timestamp>,
    /// The PMS's identifier of the guest.
    pub guest_key: Option<String>,
    /// One display name. Empty once it is erased.
    pub guest_name: Option<String>,
    /// When the PMS last changed it.
    pub remote_updated_at: Option<Timestamp>,
    /// When a read last held it.
    pub seen_at: Timestamp,
    /// Counts the changes Portal has seen.
    pub revision: i32,
    /// The revision the last decision was made on.
    pub decided_revision: i32,
    /// When that was.
    pub decided_at: Option<Timestamp>,
    /// When the clock asks for the next decision.
    pub decide_at: Option<Timestamp>,
    /// Whether it has access.
    pub transfer: ReservationTransfer,
    /// Why not.
    pub withheld_code: Option<WithheldCode>,
    /// The room or space the sentence for staff names.
    pub withheld_detail: Option<String>,
    /// Since when.
    pub withheld_since: Option<Timestamp>,
    /// When it was first given access.
    pub transferred_at: Option<Timestamp>,
    /// Who took the access away.
    pub blocked_by: Option<String>,
    /// When.
    pub blocked_at: Option<Timestamp>,
    /// Why.
    pub blocked_reason: Option<String>,
    /// When it was first read.
    pub created_at: Timestamp,
}

impl Reservation {
    /// Whether the guest is in the house.
    pub fn in_house(&self) -> bool {
        self.state == ReservationState::CheckedIn
    }

    /// Whether its guest was erased.
    pub fn is_erased(&self) -> bool {
        self.guest_name.as_deref() == Some(ERASED)
    }

    /// Takes over the guest the PMS tells of.
    pub fn set_guest(&mut self, key: Option<String>, name: Option<String>) {
        self.guest_key = key;
        self.guest_name = name.filter(|name| name != ERASED);
    }

    /// Leaves no guest.
    pub fn erase_guest(&mut self) {
        self.guest_key = None;
        self.guest_name = Some(ERASED.to_owned());
    }

    /// Whether the PMS expects nobody any more: it is over, or will not be.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        use ReservationState as S;
        matches!(self.state, S::Canceled | S::NoShow | S::CheckedOut) || *self.ends_at <= now
    }

    /// Whether a decision is still to come.
    pub fn deciding(&self) -> bool {
        self.decided_revision < self.revision
    }
}

/// Narrows a list of reservations. Parts are combined with and.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these transfer states; empty: any.
    pub transfer: Vec<ReservationTransfer>,
    /// Only stays that end after this.
    pub from: Option<DateTime<Utc>>,
    /// Only stays that start before this.
    pub to: Option<DateTime<Utc>>,
    /// Only the stay with this confirmation number.
    pub number: Option<String>,
    /// Only stays in this room.
    pub room: Option<RoomId>,
    /// Only stays in one of these states; empty: any.
    pub states: Vec<ReservationState>,
    /// Only those withheld for one of these reasons; empty: any.
    pub withheld: Vec<WithheldCode>,
}

macro_rules! filtered {
    ($property:expr, $filter:expr) => {{
        let filter = $filter;
        let mut query = reservations::table
            .filter(reservations::property_id.eq($property))
            .into_boxed();
        if !filter.transfer.is_empty() {
            query = query.filter(reservations::transfer.eq_any(&filter.transfer));
        }
        if let Some(from) = filter.from {
            query = query.filter(reservations::ends_at.gt(Timestamp(from)));
        }
        if let Some(to) = filter.to {
            query = query.filter(reservations::starts_at.lt(Timestamp(to)));
        }
        if let Some(number) = &filter.number {
            query = query.filter(reservations::number.eq(number));
        }
        if let Some(room) = filter.room {
            query = query.filter(reservations::room_id.eq(room));
        }
        if !filter.states.is_empty() {
            query = query.filter(reservations::state.eq_any(&filter.states));
        }
        if !filter.withheld.is_empty() {
            query = query.filter(reservations::withheld_code.eq_any(&filter.withheld));
        }
        query
    }};
}

/// Adds a reservation.
pub async fn insert(conn: &mut Conn, reservation: &Reservation) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(reservations::table).values(reservation).execute(c).await
    })
}

/// Stores every column of a reservation. Read it with [`lock`] in the same transaction.
pub async fn save(conn: &mut Conn, reservation: &Reservation) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            reservations::table
                .filter(reservations::property_id.eq(reservation.property_id))
                .filter(reservations::id.eq(reservation.id)),
        )
        .set(reservation)
        .execute(c)
        .await
    })
}

/// Reads a reservation and keeps others from changing it until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    property: PropertyId,
    id: ReservationId,
) -> QueryResult<Option<Reservation>> {
    let query = reservations::table
        .filter(reservations::property_id.eq(property))
        .filter(reservations::id.eq(id));
    match conn {
        Conn::Postgres(c) => {
            let query = query.select(Reservation::as_select()).for_update();
            query.first(&mut **c).await.optional()
        }
        Conn::Sqlite(c) => {
            let query = query.select(Reservation::as_select());
            query.first(&mut **c).await.optional()
        }
    }
}

/// Reads those of a link by the PMS's identifiers, and keeps others from changing them.
pub async fn lock_external(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    external_ids: &[String],
) -> QueryResult<Vec<Reservation>> {
    let query = reservations::table
        .filter(reservations::property_id.eq(property))
        .filter(reservations::integration_id.eq(integration))
        .filter(reservations::external_id.eq_any(external_ids))
        .order(reservations::id);
    match conn {
        Conn::Postgres(c) => {
            let query = query.select(Reservation::as_select()).for_update();
            query.load(&mut **c).await
        }
        Conn::Sqlite(c) => query.select(Reservation::as_select()).load(&mut **c).await,
    }
}

/// Reservations by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[ReservationId],
) -> QueryResult<Vec<Reservation>> {
    on!(conn, c => {
        reservations::table
            .filter(reservations::property_id.eq(property))
            .filter(reservations::id.eq_any(ids))
            .select(Reservation::as_select())
            .load(c)
            .await
    })
}

/// One reservation.
pub async fn by_id(
    conn: &mut Conn,
    property: PropertyId,
    id: ReservationId,
) -> QueryResult<Option<Reservation>> {
    Ok(by_ids(conn, property, &[id]).await?.pop())
}

/// A page of a property's reservations, by start.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    filter: &Filter,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<Reservation>> {
    on!(conn, c => {
        let query = filtered!(property, filter).select(Reservation::as_select());
        paged!(query, reservations::starts_at, reservations::id, page).load(c).await
    })
}

/// The first reservations a filter finds, by start.
pub async fn first(
    conn: &mut Conn,
    property: PropertyId,
    filter: &Filter,
    limit: i64,
) -> QueryResult<Vec<Reservation>> {
    on!(conn, c => {
        filtered!(property, filter)
            .select(Reservation::as_select())
            .order((reservations::starts_at, reservations::id))
            .limit(limit)
            .load(c)
            .await
    })
}

/// Stays of these guests that are not canceled and touch the window, both ends included.
pub async fn of_guests(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    guests: &[String],
    window: portal_domain::Window,
) -> QueryResult<Vec<Reservation>> {
    on!(conn, c => {
        reservations::table
            .filter(reservations::property_id.eq(property))
            .filter(reservations::integration_id.eq(integration))
            .filter(reservations::guest_key.eq_any(guests))
            .filter(reservations::state.eq_any([
                ReservationState::Confirmed,
                ReservationState::CheckedIn,
                ReservationState::CheckedOut,
            ]))
            .filter(reservations::ends_at.ge(Timestamp(window.from)))
            .filter(reservations::starts_at.le(Timestamp(window.until)))
            .order((reservations::starts_at, reservations::id))
            .select(Reservation::as_select())
            .load(c)
            .await
    })
}

/// How many reservations a filter finds.
pub async fn count(conn: &mut Conn, property: PropertyId, filter: &Filter) -> QueryResult<i64> {
    on!(conn, c => filtered!(property, filter).select(count_star()).first(c).await)
}

/// How many reservations a filter finds withheld, by reason.
pub async fn count_withheld(
    conn: &mut Conn,
    property: PropertyId,
    filter: &Filter,
) -> QueryResult<Vec<(WithheldCode, i64)>> {
    let mut counts = Vec::new();
    for &code in WithheldCode::ALL.iter().filter(|code| !code.is_end()) {
        let filter = Filter {
            transfer: vec![ReservationTransfer::Withheld],
            withheld: vec![code],
            ..filter.clone()
        };
        let n = count(conn, property, &filter).await?;
        if n > 0 {
            counts.push((code, n));
        }
    }
    Ok(counts)
}

/// Notes that a read held these, changed or not.
pub async fn touch(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[ReservationId],
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            reservations::table
                .filter(reservations::property_id.eq(property))
                .filter(reservations::id.eq_any(ids)),
        )
        .set(reservations::seen_at.eq(Timestamp(now)))
        .execute(c)
        .await
    })
}

/// The PMS's identifiers of confirmed stays and of guests in the house that touch a window, and
/// whether a read that began at `since` held them.
pub async fn expected(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    window: portal_domain::Window,
    since: Timestamp,
) -> QueryResult<Vec<(String, bool)>> {
    let rows: Vec<(String, Timestamp)> = on!(conn, c => {
        reservations::table
            .filter(reservations::property_id.eq(property))
            .filter(reservations::integration_id.eq(integration))
            .filter(reservations::state.eq_any([
                ReservationState::Confirmed,
                ReservationState::CheckedIn,
            ]))
            .filter(reservations::ends_at.gt(Timestamp(window.from)))
            .filter(reservations::starts_at.lt(Timestamp(window.until)))
            .select((reservations::external_id, reservations::seen_at))
            .load(c)
            .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(id, seen)| (id, seen >= since))
        .collect())
}

/// Which reservations a trigger concerns.
#[derive(Debug, Clone)]
pub enum Concerned {
    /// Every one of the house.
    All,
    /// Every one of a link.
    Integration(IntegrationId),
    /// Those in one of these rooms.
    Rooms(Vec<RoomId>),
}

/// Those a trigger concerns that have not ended.
pub async fn open_of(
    conn: &mut Conn,
    property: PropertyId,
    concerned: &Concerned,
) -> QueryResult<Vec<ReservationId>> {
    on!(conn, c => {
        let query = reservations::table
            .filter(reservations::property_id.eq(property))
            .filter(reservations::transfer.ne(ReservationTransfer::Ended))
            .select(reservations::id)
            .order(reservations::id)
            .into_boxed();
        match concerned {
            Concerned::All => query,
            Concerned::Integration(id) => query.filter(reservations::integration_id.eq(id)),
            Concerned::Rooms(ids) => query.filter(reservations::room_id.eq_any(ids)),
        }
        .load(c)
        .await
    })
}

/// Gives a room to the reservations that named it before it was known.
pub async fn adopt_room(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    external_id: &str,
    room: RoomId,
) -> QueryResult<Vec<ReservationId>> {
    on!(conn, c => {
        diesel::update(
            reservations::table
                .filter(reservations::property_id.eq(property))
                .filter(reservations::integration_id.eq(integration))
                .filter(reservations::room_external_id.eq(external_id))
                .filter(reservations::room_id.is_null()),
        )
        .set(reservations::room_id.eq(room))
        .returning(reservations::id)
        .get_results(c)
        .await
    })
}
