//! Data keys: one a property for its PINs, one for the installation's index.

use crate::conn::{Conn, DbError, on};
use crate::schema::{data_keys, key_checks};
use crate::seal::{DataKey, SealError, Sealer};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{DataKeyId, PropertyId};
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = data_keys)]
struct Row {
    id: DataKeyId,
    purpose: String,
    property_id: Option<PropertyId>,
    wrapped_key: Vec<u8>,
    created_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = key_checks)]
#[expect(clippy::struct_field_names, reason = "as the column is called")]
struct Check {
    kek_id: Vec<u8>,
    check_value: Vec<u8>,
    created_at: Timestamp,
}

/// The key that seals PINs of a property; made at the first use.
pub(crate) async fn pins(
    conn: &mut Conn,
    sealer: &Sealer,
    property: PropertyId,
    now: DateTime<Utc>,
) -> Result<DataKey, DbError> {
    find_or_make(conn, sealer, Some(property), now).await
}

/// The key of the installation's blind index; made at the first use.
pub(crate) async fn index(
    conn: &mut Conn,
    sealer: &Sealer,
    now: DateTime<Utc>,
) -> Result<DataKey, DbError> {
    find_or_make(conn, sealer, None, now).await
}

async fn find_or_make(
    conn: &mut Conn,
    sealer: &Sealer,
    property: Option<PropertyId>,
    now: DateTime<Utc>,
) -> Result<DataKey, DbError> {
    let owner = property.map_or(Uuid::nil(), |property| property.0);
    if let Some(row) = find(conn, property).await? {
        return Ok(sealer.open_data_key(row.id, owner, &row.wrapped_key)?);
    }
    let (key, wrapped_key) = sealer.new_data_key(owner)?;
    let row = Row {
        id: key.id(),
        purpose: if property.is_some() { "PINS" } else { "INDEX" }.to_owned(),
        property_id: property,
        wrapped_key,
        created_at: now.into(),
    };
    on!(conn, c => {
        diesel::insert_into(data_keys::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })?;
    // Another process may have been first; its key is then the one.
    let row = find(conn, property).await?.ok_or(SealError::Broken)?;
    Ok(sealer.open_data_key(row.id, owner, &row.wrapped_key)?)
}

async fn find(conn: &mut Conn, property: Option<PropertyId>) -> QueryResult<Option<Row>> {
    on!(conn, c => {
        let query = data_keys::table.select(Row::as_select()).into_boxed();
        match property {
            Some(property) => query.filter(data_keys::property_id.eq(property)),
            None => query.filter(data_keys::property_id.is_null()),
        }
        .first(c)
        .await
        .optional()
    })
}

/// Refuses a start with keys other than those the database was sealed with. A key that is new here
/// is noted, so that it is known next time.
pub async fn verify(conn: &mut Conn, sealer: &Sealer, now: DateTime<Utc>) -> Result<(), DbError> {
    let checks: Vec<Check> = on!(conn, c => {
        key_checks::table.select(Check::as_select()).load(c).await
    })?;
    for check in &checks {
        let id = String::from_utf8_lossy(&check.kek_id).into_owned();
        if !sealer.ids().any(|known| known == id) {
            return Err(SealError::Missing(id).into());
        }
        sealer.open_check(&check.check_value)?;
    }
    for id in sealer.ids() {
        if checks.iter().any(|check| check.kek_id == id.as_bytes()) {
            continue;
        }
        let check = Check {
            kek_id: id.as_bytes().to_vec(),
            check_value: sealer.new_check(id)?,
            created_at: now.into(),
        };
        on!(conn, c => {
            diesel::insert_into(key_checks::table)
                .values(&check)
                .on_conflict_do_nothing()
                .execute(c)
                .await
        })?;
    }
    Ok(())
}
