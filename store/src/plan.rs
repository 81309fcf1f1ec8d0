//! Plans: what a change would do, listed for a person before it is applied.

use crate::conn::{Conn, on};
use crate::schema::plans;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{PlanId, PropertyId};

/// A plan.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = plans)]
pub struct Plan {
    /// Identifier.
    pub id: PlanId,
    /// Where.
    pub property_id: PropertyId,
    /// The change, as JSON.
    pub change: String,
    /// What it would do, as JSON.
    pub operations: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Until when it can be applied.
    pub expires_at: Timestamp,
    /// When it was.
    pub applied_at: Option<Timestamp>,
}

/// Adds a plan.
pub async fn insert(conn: &mut Conn, plan: &Plan) -> QueryResult<usize> {
    on!(conn, c => diesel::insert_into(plans::table).values(plan).execute(c).await)
}

/// Plans by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[PlanId],
) -> QueryResult<Vec<Plan>> {
    on!(conn, c => {
        plans::table
            .filter(plans::property_id.eq(property))
            .filter(plans::id.eq_any(ids))
            .select(Plan::as_select())
            .load(c)
            .await
    })
}

/// Notes that a plan was applied.
pub async fn set_applied(
    conn: &mut Conn,
    property: PropertyId,
    id: PlanId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(plans::table.filter(plans::property_id.eq(property)).filter(plans::id.eq(id)))
            .set(plans::applied_at.eq(Timestamp(now)))
            .execute(c)
            .await
    })
}

/// Forgets plans that ran out before a moment and were not applied.
pub async fn forget(
    conn: &mut Conn,
    property: PropertyId,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(
            plans::table
                .filter(plans::property_id.eq(property))
                .filter(plans::applied_at.is_null())
                .filter(plans::expires_at.lt(Timestamp(before))),
        )
        .execute(c)
        .await
    })
}
