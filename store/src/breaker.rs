//! Vendors that do not answer: after five calls in a row without an answer nobody calls for a while,
//! then one call tries. Kept here so that all processes share it.

use crate::conn::{Conn, on};
use crate::schema::breakers;
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::IntegrationId;
use portal_domain::sql::Timestamp;

/// Calls in a row without an answer until nobody calls.
const FAILURES: i32 = 5;
/// How long nobody calls at most.
const LONGEST: Duration = Duration::minutes(15);
/// How long the one call that tries may take.
const TRY: Duration = Duration::seconds(30);

/// Trouble with the vendor of one integration.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = breakers)]
#[diesel(treat_none_as_null = true)]
pub struct Breaker {
    /// Whose.
    pub integration_id: IntegrationId,
    /// Calls in a row without an answer.
    pub failures: i32,
    /// How often in a row it closed.
    pub trips: i32,
    /// When the first of them was.
    pub troubled_since: Timestamp,
    /// Nobody calls before.
    pub closed_until: Option<Timestamp>,
    /// Until when somebody's call counts as under way.
    pub trying_until: Option<Timestamp>,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// How the vendor of an integration answers. `None`: well, or nobody has asked.
pub async fn of(conn: &mut Conn, integration: IntegrationId) -> QueryResult<Option<Breaker>> {
    on!(conn, c => {
        breakers::table
            .find(integration)
            .select(Breaker::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// Asks for leave to call. `Some`: not before then. After a pause one caller gets it and the others
/// wait for that call.
pub async fn pass(
    conn: &mut Conn,
    integration: IntegrationId,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    let Some(row) = of(conn, integration).await? else {
        return Ok(None);
    };
    let Some(until) = row.closed_until else {
        return Ok(None);
    };
    if *until > now {
        return Ok(Some(*until));
    }
    let tries = on!(conn, c => {
        diesel::update(
            breakers::table
                .filter(breakers::integration_id.eq(integration))
                .filter(breakers::closed_until.le(Timestamp(now)))
                .filter(
                    breakers::trying_until.is_null().or(breakers::trying_until.le(Timestamp(now))),
                ),
        )
        .set(breakers::trying_until.eq(Timestamp(now + TRY)))
        .execute(c)
        .await
    })?;
    if tries == 1 {
        return Ok(None);
    }
    let until = row.trying_until.map_or(now + TRY, |until| *until);
    Ok(Some(until.max(now + Duration::seconds(1))))
}

/// A call had no answer. Five in a row close for a minute, each further one for twice as long.
pub async fn failed(
    conn: &mut Conn,
    integration: IntegrationId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let fresh = Breaker {
        integration_id: integration,
        failures: 0,
        trips: 0,
        troubled_since: now.into(),
        closed_until: None,
        trying_until: None,
        changed_at: now.into(),
    };
    on!(conn, c => {
        diesel::insert_into(breakers::table)
            .values(&fresh)
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })?;
    // Raising it first makes those who fail at once follow each other.
    let mut row: Breaker = on!(conn, c => {
        diesel::update(breakers::table.find(integration))
            .set((
                breakers::failures.eq(breakers::failures + 1),
                breakers::changed_at.eq(Timestamp(now)),
            ))
            .returning(Breaker::as_returning())
            .get_result(c)
            .await
    })?;
    if row.failures < FAILURES || row.closed_until.is_some_and(|until| *until > now) {
        // Or a call that was under way when it closed.
        return Ok(());
    }
    let minutes = 1_i32 << row.trips.clamp(0, 4);
    row.trips += 1;
    row.closed_until = Some((now + Duration::minutes(minutes.into()).min(LONGEST)).into());
    row.trying_until = None;
    on!(conn, c => {
        diesel::update(breakers::table.find(integration)).set(&row).execute(c).await.map(drop)
    })
}

/// A call was answered, whatever the answer: everyone may call again.
pub async fn answered(conn: &mut Conn, integration: IntegrationId) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(breakers::table.find(integration)).execute(c).await
    })
}

/// Forgets trouble nobody has met since: integrations that ended, or were never stored.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(breakers::table.filter(breakers::changed_at.lt(Timestamp(before))))
            .execute(c)
            .await
    })
}
