//! Links of properties to apps, and what is known of their checks.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::{integrations, validation_attempts};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{
    AppCategory, IntegrationId, IntegrationStatus, IntegrationStatusReason, PropertyId, SyncState,
    ValidationAttemptId, ValidationOutcome, ValidationTrigger,
};

/// One property's link to one app.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset, Identifiable)]
#[diesel(table_name = integrations)]
#[diesel(treat_none_as_null = true)]
pub struct Integration {
    /// Identifier.
    pub id: IntegrationId,
    /// Whose.
    pub property_id: PropertyId,
    /// Slug of the app.
    pub app: String,
    /// Kind of app.
    pub category: AppCategory,
    /// How it stands.
    pub status: IntegrationStatus,
    /// Why.
    pub status_reason: Option<IntegrationStatusReason>,
    /// The person who brought it there, where the sentence for staff names one.
    pub status_by: Option<String>,
    /// Since when.
    pub status_since: Timestamp,
    /// The account at the other end.
    pub account_key: Option<String>,
    /// Its name there.
    pub account_name: Option<String>,
    /// The app's identifier of our connection to the account, where it told one.
    pub connection_key: Option<String>,
    /// Refusals of the credential since it last passed.
    pub refusals: i32,
    /// When the last of them came.
    pub last_refused_at: Option<Timestamp>,
    /// When the credential last passed.
    pub last_validated_at: Option<Timestamp>,
    /// When it is checked next.
    pub next_validation_at: Option<Timestamp>,
    /// How far reading has come.
    pub sync_state: Option<SyncState>,
    /// When changes were last read without a gap.
    pub last_synced_at: Option<Timestamp>,
    /// When they are read next.
    pub next_sync_at: Option<Timestamp>,
    /// When rooms or devices are read next.
    pub next_rooms_at: Option<Timestamp>,
    /// When what is held there is read back and compared next.
    pub next_compare_at: Option<Timestamp>,
    /// Since when that goes on; none while it does not.
    pub compare_since: Option<Timestamp>,
    /// When it was last done.
    pub compared_at: Option<Timestamp>,
    /// Whether the account may store PINs.
    pub may_store_pins: bool,
    /// When it was first connected.
    pub created_at: Timestamp,
}

/// One check of a credential.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = validation_attempts)]
pub struct ValidationAttempt {
    /// Identifier.
    pub id: ValidationAttemptId,
    /// Whose.
    pub property_id: PropertyId,
    /// Null when nothing was stored.
    pub integration_id: Option<IntegrationId>,
    /// Why it was made.
    pub trigger: ValidationTrigger,
    /// What came out.
    pub outcome: ValidationOutcome,
    /// Status the app answered with.
    pub http_status: Option<i32>,
    /// The app's number for the request.
    pub pms_request_id: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Adds a link.
pub async fn insert(conn: &mut Conn, integration: &Integration) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(integrations::table).values(integration).execute(c).await
    })
}

/// Stores every column of a link. Read it with [`lock`] in the same transaction.
pub async fn save(conn: &mut Conn, integration: &Integration) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            integrations::table
                .filter(integrations::property_id.eq(integration.property_id))
                .filter(integrations::id.eq(integration.id)),
        )
        .set(integration)
        .execute(c)
        .await
    })
}

/// Reads a link and keeps others from changing it until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    property: PropertyId,
    id: IntegrationId,
) -> QueryResult<Option<Integration>> {
    let query = integrations::table
        .filter(integrations::property_id.eq(property))
        .filter(integrations::id.eq(id));
    match conn {
        Conn::Postgres(c) => {
            let query = query.select(Integration::as_select()).for_update();
            query.first(&mut **c).await.optional()
        }
        Conn::Sqlite(c) => {
            let query = query.select(Integration::as_select());
            query.first(&mut **c).await.optional()
        }
    }
}

/// Links by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[IntegrationId],
) -> QueryResult<Vec<Integration>> {
    on!(conn, c => {
        integrations::table
            .filter(integrations::property_id.eq(property))
            .filter(integrations::id.eq_any(ids))
            .select(Integration::as_select())
            .load(c)
            .await
    })
}

/// One link.
pub async fn by_id(
    conn: &mut Conn,
    property: PropertyId,
    id: IntegrationId,
) -> QueryResult<Option<Integration>> {
    Ok(by_ids(conn, property, &[id]).await?.pop())
}

/// A page of a property's links, the oldest first.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    category: Option<AppCategory>,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<Integration>> {
    on!(conn, c => {
        let mut query = integrations::table
            .filter(integrations::property_id.eq(property))
            .select(Integration::as_select())
            .into_boxed();
        if let Some(category) = category {
            query = query.filter(integrations::category.eq(category));
        }
        paged!(query, integrations::created_at, integrations::id, page).load(c).await
    })
}

/// Every link a property has or had.
pub async fn all(conn: &mut Conn, property: PropertyId) -> QueryResult<Vec<Integration>> {
    on!(conn, c => {
        integrations::table
            .filter(integrations::property_id.eq(property))
            .order(integrations::created_at)
            .select(Integration::as_select())
            .load(c)
            .await
    })
}

/// The live links of a property.
pub async fn live(conn: &mut Conn, property: PropertyId) -> QueryResult<Vec<Integration>> {
    on!(conn, c => {
        integrations::table
            .filter(integrations::property_id.eq(property))
            .filter(integrations::status.ne(IntegrationStatus::Disconnected))
            .order(integrations::created_at)
            .select(Integration::as_select())
            .load(c)
            .await
    })
}

/// The live link of a property to its PMS.
pub async fn live_pms(conn: &mut Conn, property: PropertyId) -> QueryResult<Option<Integration>> {
    let live = live(conn, property).await?;
    Ok(live
        .into_iter()
        .find(|link| link.category == AppCategory::Pms))
}

/// The ended link of a property to this account, which a return revives with its mappings.
pub async fn ended(
    conn: &mut Conn,
    property: PropertyId,
    app: &str,
    account: &str,
) -> QueryResult<Option<Integration>> {
    on!(conn, c => {
        integrations::table
            .filter(integrations::property_id.eq(property))
            .filter(integrations::app.eq(app))
            .filter(integrations::account_key.eq(account))
            .filter(integrations::status.eq(IntegrationStatus::Disconnected))
            .order(integrations::status_since.desc())
            .select(Integration::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// Whether another live link holds the account, whosever it is.
pub async fn account_is_taken(
    conn: &mut Conn,
    app: &str,
    account: &str,
    besides: IntegrationId,
) -> QueryResult<bool> {
    let found: i64 = on!(conn, c => {
        integrations::table
            .filter(integrations::app.eq(app))
            .filter(integrations::account_key.eq(account))
            .filter(integrations::status.ne(IntegrationStatus::Disconnected))
            .filter(integrations::id.ne(besides))
            .count()
            .get_result(c)
            .await
    })?;
    Ok(found > 0)
}

/// Whom a message from an app is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee<'a> {
    /// The link to this account.
    Account(&'a str),
    /// Links whose connection has this identifier at the app.
    Connection(&'a str),
}

/// The live links a message from an app is for, whosever they are: the message says no more.
pub async fn addressed(
    conn: &mut Conn,
    app: &str,
    to: Addressee<'_>,
) -> QueryResult<Vec<Integration>> {
    use integrations as i;
    on!(conn, c => {
        let query = i::table
            .filter(i::app.eq(app))
            .filter(i::status.ne(IntegrationStatus::Disconnected))
            .order(i::id)
            .select(Integration::as_select())
            .into_boxed();
        match to {
            Addressee::Account(key) => query.filter(i::account_key.eq(key)),
            Addressee::Connection(key) => query.filter(i::connection_key.eq(key)),
        }
        .load(c)
        .await
    })
}

/// Notes the app's identifier of our connection to the account.
pub async fn learn_connection(
    conn: &mut Conn,
    property: PropertyId,
    id: IntegrationId,
    connection: &str,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            integrations::table
                .filter(integrations::property_id.eq(property))
                .filter(integrations::id.eq(id)),
        )
        .set(integrations::connection_key.eq(connection))
        .execute(c)
        .await
    })
}

/// Live links of an app over the whole installation, and how many of them were refused since.
/// Tells a dead client token from a dead access token.
pub async fn refused_since(
    conn: &mut Conn,
    app: &str,
    since: DateTime<Utc>,
) -> QueryResult<(i64, i64)> {
    let since = Timestamp(since);
    let all = on!(conn, c => {
        integrations::table
            .filter(integrations::app.eq(app))
            .filter(integrations::status.ne(IntegrationStatus::Disconnected))
            .count()
            .get_result(c)
            .await
    })?;
    let refused = on!(conn, c => {
        integrations::table
            .filter(integrations::app.eq(app))
            .filter(integrations::status.ne(IntegrationStatus::Disconnected))
            .filter(integrations::refusals.gt(0))
            .filter(integrations::last_refused_at.ge(since))
            .count()
            .get_result(c)
            .await
    })?;
    Ok((all, refused))
}

/// Whether any live link of an app passed a check since: its client token is alive.
pub async fn accepted_since(conn: &mut Conn, app: &str, since: DateTime<Utc>) -> QueryResult<bool> {
    let found: i64 = on!(conn, c => {
        integrations::table
            .filter(integrations::app.eq(app))
            .filter(integrations::last_validated_at.ge(Timestamp(since)))
            .count()
            .get_result(c)
            .await
    })?;
    Ok(found > 0)
}

/// Which upkeep of links falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A check of the credential.
    Validation,
    /// Reading what changed.
    Sync,
    /// Reading rooms or devices.
    Rooms,
    /// Reading back what is held there.
    Compare,
}

impl Due {
    /// When it falls due for a link.
    pub fn of(self, row: &Integration) -> Option<Timestamp> {
        match self {
            Self::Validation => row.next_validation_at,
            Self::Sync => row.next_sync_at,
            Self::Rooms => row.next_rooms_at,
            Self::Compare => row.next_compare_at,
        }
    }
}

/// Links whose upkeep is due, over all properties, oldest first.
pub async fn due(
    conn: &mut Conn,
    what: Due,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<Integration>> {
    use integrations as i;
    let now = Timestamp(now);
    on!(conn, c => {
        let query = i::table.select(Integration::as_select()).limit(limit).into_boxed();
        let connected = i::status.eq(IntegrationStatus::Connected);
        match what {
            Due::Validation => query
                .filter(i::status.ne(IntegrationStatus::Disconnected))
                .filter(i::next_validation_at.le(now))
                .order(i::next_validation_at),
            Due::Sync => query
                .filter(connected)
                .filter(i::next_sync_at.le(now))
                .order(i::next_sync_at),
            Due::Rooms => query
                .filter(connected)
                .filter(i::next_rooms_at.le(now))
                .order(i::next_rooms_at),
            Due::Compare => query
                .filter(connected)
                .filter(i::next_compare_at.le(now))
                .order(i::next_compare_at),
        }
        .load(c)
        .await
    })
}

/// Notes a check.
pub async fn note_attempt(conn: &mut Conn, attempt: &ValidationAttempt) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(validation_attempts::table).values(attempt).execute(c).await
    })
}

/// A page of the checks of a link. Forward is from the oldest.
pub async fn attempts(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<ValidationAttempt>> {
    on!(conn, c => {
        let query = validation_attempts::table
            .filter(validation_attempts::property_id.eq(property))
            .filter(validation_attempts::integration_id.eq(integration))
            .select(ValidationAttempt::as_select())
            .into_boxed();
        paged!(query, validation_attempts::at, validation_attempts::id, page).load(c).await
    })
}
