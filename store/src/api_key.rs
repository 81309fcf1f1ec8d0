//! Keys for programs.

use crate::conn::{Conn, on};
use crate::schema::api_keys;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{ApiKeyId, Permission, PropertyId};

/// A key for a program. The secret itself is not kept, only its hash.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    /// Identifier.
    pub id: ApiKeyId,
    /// The property it belongs to.
    pub property_id: PropertyId,
    /// What the program is called.
    pub name: String,
    permissions: String,
    /// Hash of the whole key.
    pub key_hash: Vec<u8>,
    /// When it stops working by itself.
    pub expires_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ApiKey").field(&self.id).finish()
    }
}

impl ApiKey {
    /// What it may do: nothing that is for people, whatever is written here.
    pub fn permissions(&self) -> Vec<Permission> {
        self.permissions
            .split(' ')
            .filter_map(|permission| permission.parse().ok())
            .filter(|permission| Permission::GRANTABLE.contains(permission))
            .collect()
    }
}

/// A key to store.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// The property it belongs to.
    pub property: PropertyId,
    /// What the program is called.
    pub name: &'a str,
    /// What it may do.
    pub permissions: &'a [Permission],
    /// First part of the key, by which it is found.
    pub prefix: &'a str,
    /// Hash of the whole key.
    pub hash: &'a [u8],
    /// When it stops working by itself.
    pub expires_at: DateTime<Utc>,
}

/// Adds a key.
pub async fn create(
    conn: &mut Conn,
    new: &NewApiKey<'_>,
    now: DateTime<Utc>,
) -> QueryResult<ApiKeyId> {
    let id = ApiKeyId::new();
    let permissions: Vec<&str> = new.permissions.iter().map(|p| p.as_str()).collect();
    on!(conn, c => {
        diesel::insert_into(api_keys::table)
            .values((
                api_keys::id.eq(id),
                api_keys::property_id.eq(new.property),
                api_keys::name.eq(new.name),
                api_keys::permissions.eq(permissions.join(" ")),
                api_keys::key_prefix.eq(new.prefix),
                api_keys::key_hash.eq(new.hash),
                api_keys::expires_at.eq(Timestamp(new.expires_at)),
                api_keys::created_at.eq(Timestamp(now)),
            ))
            .execute(c)
            .await
    })?;
    Ok(id)
}

/// The key that begins with this prefix.
pub async fn by_prefix(conn: &mut Conn, prefix: &str) -> QueryResult<Option<ApiKey>> {
    on!(conn, c => {
        api_keys::table
            .filter(api_keys::key_prefix.eq(prefix))
            .select(ApiKey::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// Notes that a key was used.
pub async fn touch(conn: &mut Conn, id: ApiKeyId, now: DateTime<Utc>) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(api_keys::table.find(id))
            .set(api_keys::last_used_at.eq(Timestamp(now)))
            .execute(c)
            .await
    })
}

/// Ends a key.
pub async fn revoke(
    conn: &mut Conn,
    property: PropertyId,
    id: ApiKeyId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            api_keys::table
                .filter(api_keys::property_id.eq(property))
                .filter(api_keys::id.eq(id)),
        )
        .set(api_keys::revoked_at.eq(Timestamp(now)))
        .execute(c)
        .await
    })
}
