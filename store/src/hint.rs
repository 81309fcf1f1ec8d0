//! Hints: reservations the PMS told to look at again, waiting until somebody looks.

use crate::conn::{Conn, on};
use crate::schema::hints;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{HintId, IntegrationId, PropertyId};

/// One reservation that waits to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = hints)]
pub struct Hint {
    /// Identifier of this telling: told again, it is another.
    pub id: HintId,
    /// Whose.
    pub property_id: PropertyId,
    /// Which link.
    pub integration_id: IntegrationId,
    /// The PMS's identifier of the reservation.
    pub external_id: String,
    /// When it was told last.
    pub created_at: Timestamp,
}

/// Notes reservations to look at. What waits already counts as told anew, so that whoever looks at
/// it now does not take it for done.
pub async fn note(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    external_ids: &[&str],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    // In the order of their keys and each once, so that two transactions cannot wait for each other.
    let mut external_ids = external_ids.to_vec();
    external_ids.sort_unstable();
    external_ids.dedup();
    let rows: Vec<Hint> = external_ids
        .into_iter()
        .map(|external_id| Hint {
            id: HintId::new(),
            property_id: property,
            integration_id: integration,
            external_id: external_id.to_owned(),
            created_at: now.into(),
        })
        .collect();
    let told = (
        hints::id.eq(excluded(hints::id)),
        hints::created_at.eq(excluded(hints::created_at)),
    );
    match conn {
        Conn::Postgres(c) => {
            diesel::insert_into(hints::table)
                .values(&rows)
                .on_conflict((hints::integration_id, hints::external_id))
                .do_update()
                .set(told)
                .execute(&mut **c)
                .await?;
        }
        Conn::Sqlite(c) => {
            for row in &rows {
                diesel::insert_into(hints::table)
                    .values(row)
                    .on_conflict((hints::integration_id, hints::external_id))
                    .do_update()
                    .set(told)
                    .execute(&mut **c)
                    .await?;
            }
        }
    }
    Ok(())
}

/// What waits, told longest ago first.
pub async fn waiting(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    limit: i64,
) -> QueryResult<Vec<Hint>> {
    on!(conn, c => {
        hints::table
            .filter(hints::property_id.eq(property))
            .filter(hints::integration_id.eq(integration))
            .order(hints::id)
            .limit(limit)
            .select(Hint::as_select())
            .load(c)
            .await
    })
}

/// How many wait.
pub async fn count(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
) -> QueryResult<i64> {
    on!(conn, c => {
        hints::table
            .filter(hints::property_id.eq(property))
            .filter(hints::integration_id.eq(integration))
            .count()
            .get_result(c)
            .await
    })
}

/// These were looked at. One that was told again meanwhile stays.
pub async fn done(conn: &mut Conn, property: PropertyId, looked_at: &[Hint]) -> QueryResult<usize> {
    let ids: Vec<HintId> = looked_at.iter().map(|hint| hint.id).collect();
    on!(conn, c => {
        diesel::delete(
            hints::table
                .filter(hints::property_id.eq(property))
                .filter(hints::id.eq_any(&ids)),
        )
        .execute(c)
        .await
    })
}

/// Nobody will look: the link ended.
pub async fn forget(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(
            hints::table
                .filter(hints::property_id.eq(property))
                .filter(hints::integration_id.eq(integration)),
        )
        .execute(c)
        .await
    })
}
