//! What has fallen due, over all properties: the links take turns, each with what is due longest, so
//! that one house with much to do does not make the others wait.

use crate::conn::{Conn, on};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use portal_domain::PropertyId;
use portal_domain::sql::{AnyId, Id, Instant, Timestamp};

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Due {
    /// Where.
    #[diesel(sql_type = Id)]
    pub property_id: PropertyId,
    /// Which reservation, device or property.
    #[diesel(sql_type = Id)]
    pub id: AnyId,
    /// Since when.
    #[diesel(sql_type = Instant)]
    pub due_at: Timestamp,
}

macro_rules! in_turn {
    ($what:literal) => {
        concat!(
            "SELECT property_id, id, due_at FROM (",
            $what,
            ") due ORDER BY turn, due_at LIMIT $2"
        )
    };
}

const DECISIONS: &str = in_turn!(
    "SELECT property_id, id, decide_at AS due_at, \
        row_number() OVER (PARTITION BY integration_id ORDER BY decide_at) AS turn \
     FROM reservations WHERE decide_at <= $1"
);
// A device is written as a whole: while one row of it is leased the others wait.
const DEVICES: &str = in_turn!(
    "SELECT d.property_id, d.device_id AS id, MIN(d.next_attempt_at) AS due_at, \
        row_number() OVER (PARTITION BY v.integration_id ORDER BY MIN(d.next_attempt_at)) AS turn \
     FROM device_pins d JOIN devices v ON v.property_id = d.property_id AND v.id = d.device_id \
     WHERE d.done_generation < d.generation AND d.next_attempt_at <= $1 \
        AND NOT EXISTS (SELECT 1 FROM device_pins l WHERE l.property_id = d.property_id \
            AND l.device_id = d.device_id AND l.lease_until > $1) \
     GROUP BY d.property_id, d.device_id, v.integration_id"
);
const PUSHES: &str = in_turn!(
    "SELECT property_id, reservation_id AS id, next_attempt_at AS due_at, \
        row_number() OVER (PARTITION BY integration_id ORDER BY next_attempt_at) AS turn \
     FROM pin_pushes WHERE done_generation < generation AND next_attempt_at <= $1 \
        AND (lease_until IS NULL OR lease_until <= $1)"
);

const ERASURES: &str = "SELECT id AS property_id, id, next_erase_at AS due_at \
    FROM properties WHERE next_erase_at <= $1 ORDER BY next_erase_at LIMIT $2";

/// Reservations to decide about: the clock asks, or a decision is overdue.
pub async fn decisions(conn: &mut Conn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Due>> {
    load(conn, DECISIONS, now, limit).await
}

/// Devices that shall hold other codes than they do.
pub async fn devices(conn: &mut Conn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Due>> {
    load(conn, DEVICES, now, limit).await
}

/// Reservations whose copy in the PMS shall be another.
pub async fn pushes(conn: &mut Conn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Due>> {
    load(conn, PUSHES, now, limit).await
}

/// Properties where stays that are long over are to be looked for.
pub async fn erasures(conn: &mut Conn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Due>> {
    load(conn, ERASURES, now, limit).await
}

async fn load(
    conn: &mut Conn,
    text: &'static str,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<Due>> {
    on!(conn, c => {
        diesel::sql_query(text)
            .bind::<Instant, _>(Timestamp(now))
            .bind::<BigInt, _>(limit)
            .load(c)
            .await
    })
}
