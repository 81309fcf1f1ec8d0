//! What was decided about a reservation, when the facts or the outcome changed.

use crate::conn::{Conn, on};
use crate::schema::decisions;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::access::Facts;
use portal_domain::sql::Timestamp;
use portal_domain::{PropertyId, ReservationId, ReservationTransfer, WithheldCode};

/// One decision, with the facts it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = decisions)]
pub struct Decision {
    /// Whose.
    pub property_id: PropertyId,
    /// About which reservation.
    pub reservation_id: ReservationId,
    /// Counts the decisions about it.
    pub seq: i32,
    /// When.
    pub at: Timestamp,
    /// The revision of the reservation it was made on.
    pub revision: i32,
    /// The version of the policy.
    pub policy_version: i32,
    /// The version of the rules.
    pub rules: i32,
    /// What came of it.
    pub transfer: ReservationTransfer,
    /// Why not.
    pub code: Option<WithheldCode>,
    /// The room, space or rule that names.
    pub detail: Option<String>,
    /// The facts, as JSON.
    pub facts: String,
}

impl Decision {
    /// The facts. `None` when they were written by rules this version no longer reads.
    pub fn facts(&self) -> Option<Facts> {
        serde_json::from_str(&self.facts).ok()
    }
}

/// Adds a decision.
pub async fn insert(conn: &mut Conn, decision: &Decision) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(decisions::table).values(decision).execute(c).await
    })
}

/// The decisions about a reservation up to a moment, the newest first.
pub async fn until(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
    at: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<Decision>> {
    on!(conn, c => {
        decisions::table
            .filter(decisions::property_id.eq(property))
            .filter(decisions::reservation_id.eq(reservation))
            .filter(decisions::at.le(Timestamp(at)))
            .order(decisions::seq.desc())
            .limit(limit)
            .select(Decision::as_select())
            .load(c)
            .await
    })
}

/// The last decision about a reservation.
pub async fn last(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
) -> QueryResult<Option<Decision>> {
    on!(conn, c => {
        decisions::table
            .filter(decisions::property_id.eq(property))
            .filter(decisions::reservation_id.eq(reservation))
            .order(decisions::seq.desc())
            .select(Decision::as_select())
            .first(c)
            .await
            .optional()
    })
}
