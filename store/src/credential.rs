//! Secrets of integrations: sealed, found by fingerprint, erased when replaced.

use crate::conn::{Conn, DbError, on};
use crate::key;
use crate::schema::{credentials, users};
use crate::seal::{Place, SealError, Sealer, data_key_of};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{CredentialId, CredentialState, IntegrationId, PropertyId, UserId};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// What is known of one version of a secret, without the secret.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = credentials)]
pub struct Credential {
    /// Identifier.
    pub id: CredentialId,
    /// Whose.
    pub property_id: PropertyId,
    /// Which link it opens.
    pub integration_id: IntegrationId,
    /// Counts up with every new one.
    pub version: i32,
    /// Where it is in its life.
    pub state: CredentialState,
    /// Who saved it.
    pub set_by: UserId,
    /// When.
    pub set_at: Timestamp,
    /// Until when a verdict is awaited.
    pub verdict_due_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = credentials)]
struct Row {
    id: CredentialId,
    property_id: PropertyId,
    integration_id: IntegrationId,
    app: String,
    version: i32,
    state: CredentialState,
    sealed: Option<Vec<u8>>,
    wrapped_key: Option<Vec<u8>>,
    fingerprint: Vec<u8>,
    set_by: UserId,
    set_at: Timestamp,
    verdict_due_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// A secret to store.
#[derive(Debug)]
pub struct NewCredential<'a> {
    /// Whose.
    pub property: PropertyId,
    /// Which link it opens.
    pub integration: IntegrationId,
    /// Slug of the app.
    pub app: &'a str,
    /// CANDIDATE or ACTIVE.
    pub state: CredentialState,
    /// The values of the app's form.
    pub values: Vec<(&'a str, &'a SecretString)>,
    /// Who saved it.
    pub set_by: UserId,
    /// Until when a verdict is awaited; none for an active one.
    pub verdict_due_at: Option<DateTime<Utc>>,
}

fn place(property: PropertyId, id: CredentialId) -> Place {
    Place {
        table: "credentials",
        column: "sealed",
        property,
        row: id.0,
    }
}

/// One text for all values. A toggle alone is no secret: what has none gets a fingerprint of its own.
fn joined(values: &[(&str, &SecretString)]) -> SecretString {
    let values: BTreeMap<&str, &str> = values
        .iter()
        .map(|(key, value)| (*key, value.expose_secret()))
        .collect();
    serde_json::to_string(&values)
        .expect("a map of texts is always JSON")
        .into()
}

/// Seals and stores a secret. A secret held elsewhere in the installation is refused by the
/// database: a unique violation.
pub async fn insert(
    conn: &mut Conn,
    sealer: &Sealer,
    new: &NewCredential<'_>,
    now: DateTime<Utc>,
) -> Result<CredentialId, DbError> {
    let id = CredentialId::new();
    let text = joined(&new.values);
    let (data_key, wrapped) = sealer.new_data_key(id.0)?;
    let sealed = data_key.seal(place(new.property, id), text.expose_secret())?;
    let fingerprint = fingerprint(conn, sealer, new, now).await?;
    let last: Option<i32> = on!(conn, c => {
        credentials::table
            .filter(credentials::property_id.eq(new.property))
            .filter(credentials::integration_id.eq(new.integration))
            .select(diesel::dsl::max(credentials::version))
            .first(c)
            .await
    })?;
    let row = Row {
        id,
        property_id: new.property,
        integration_id: new.integration,
        app: new.app.to_owned(),
        version: last.unwrap_or(0) + 1,
        state: new.state,
        sealed: Some(sealed),
        wrapped_key: Some(wrapped),
        fingerprint,
        set_by: new.set_by,
        set_at: now.into(),
        verdict_due_at: new.verdict_due_at.map(Timestamp),
        created_at: now.into(),
    };
    on!(conn, c => diesel::insert_into(credentials::table).values(&row).execute(c).await)?;
    Ok(id)
}

/// The fingerprint by which the same secret is recognised. Values without a secret, as of a demo
/// account, open an account of their own for each integration.
async fn fingerprint(
    conn: &mut Conn,
    sealer: &Sealer,
    new: &NewCredential<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, DbError> {
    let text = joined(&new.values);
    let secret = new
        .values
        .iter()
        .any(|(_, value)| !matches!(value.expose_secret(), "true" | "false" | ""));
    let text: SecretString = if secret {
        text
    } else {
        format!("{}{}", text.expose_secret(), new.integration).into()
    };
    let index = key::index(conn, sealer, now).await?;
    Ok(index.index("credentials", "fingerprint", text.expose_secret()))
}

/// Whether these values are the ones the link already uses.
pub async fn is_active(
    conn: &mut Conn,
    sealer: &Sealer,
    new: &NewCredential<'_>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let fingerprint = fingerprint(conn, sealer, new, now).await?;
    let found: i64 = on!(conn, c => {
        credentials::table
            .filter(credentials::property_id.eq(new.property))
            .filter(credentials::integration_id.eq(new.integration))
            .filter(credentials::state.eq(CredentialState::Active))
            .filter(credentials::fingerprint.eq(&fingerprint))
            .count()
            .get_result(c)
            .await
    })?;
    Ok(found > 0)
}

/// Opens a link's secret in this state, just before a call.
pub async fn open(
    conn: &mut Conn,
    sealer: &Sealer,
    property: PropertyId,
    integration: IntegrationId,
    state: CredentialState,
) -> Result<Option<(CredentialId, Vec<(String, SecretString)>)>, DbError> {
    let row: Option<Row> = on!(conn, c => {
        credentials::table
            .filter(credentials::property_id.eq(property))
            .filter(credentials::integration_id.eq(integration))
            .filter(credentials::state.eq(state))
            .select(Row::as_select())
            .first(c)
            .await
            .optional()
    })?;
    let Some(row) = row else {
        return Ok(None);
    };
    let (Some(sealed), Some(wrapped)) = (row.sealed, row.wrapped_key) else {
        return Ok(None);
    };
    let data_key = sealer.open_data_key(data_key_of(&sealed)?, row.id.0, &wrapped)?;
    let text = data_key.open(place(property, row.id), &sealed)?;
    let values: BTreeMap<String, String> =
        serde_json::from_str(text.expose_secret()).map_err(|_| SealError::Broken)?;
    let values = values.into_iter().map(|(key, value)| (key, value.into()));
    Ok(Some((row.id, values.collect())))
}

/// Erases a link's secret in this state. The row stays for history.
pub async fn retire(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    state: CredentialState,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            credentials::table
                .filter(credentials::property_id.eq(property))
                .filter(credentials::integration_id.eq(integration))
                .filter(credentials::state.eq(state)),
        )
        .set((
            credentials::state.eq(CredentialState::Retired),
            credentials::sealed.eq(None::<Vec<u8>>),
            credentials::wrapped_key.eq(None::<Vec<u8>>),
            credentials::verdict_due_at.eq(None::<Timestamp>),
        ))
        .execute(c)
        .await
    })
}

/// The candidate has proved itself: it is the one in use. Retire the old one first.
pub async fn promote(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            credentials::table
                .filter(credentials::property_id.eq(property))
                .filter(credentials::integration_id.eq(integration))
                .filter(credentials::state.eq(CredentialState::Candidate)),
        )
        .set((
            credentials::state.eq(CredentialState::Active),
            credentials::verdict_due_at.eq(None::<Timestamp>),
        ))
        .execute(c)
        .await
    })
}

/// What is known of the live secrets of these links, with the names of who saved them.
pub async fn of_integrations(
    conn: &mut Conn,
    property: PropertyId,
    integrations: &[IntegrationId],
) -> QueryResult<Vec<(Credential, String)>> {
    on!(conn, c => {
        credentials::table
            .inner_join(users::table.on(users::id.eq(credentials::set_by)))
            .filter(credentials::property_id.eq(property))
            .filter(credentials::integration_id.eq_any(integrations))
            .filter(credentials::state.ne(CredentialState::Retired))
            .select((Credential::as_select(), users::name))
            .load(c)
            .await
    })
}
