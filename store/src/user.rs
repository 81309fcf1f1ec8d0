//! People who sign in.

use crate::conn::{Conn, on};
use crate::schema::users;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::UserId;
use portal_domain::sql::Timestamp;

/// A person with an account.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// Address the person signs in with, in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Hash of the password.
    pub password_hash: String,
    /// Since when the account is disabled.
    pub disabled_at: Option<Timestamp>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("User").field(&self.id).finish()
    }
}

/// Adds a person.
pub async fn create(
    conn: &mut Conn,
    email: &str,
    name: &str,
    password_hash: &str,
    now: DateTime<Utc>,
) -> QueryResult<UserId> {
    let id = UserId::new();
    on!(conn, c => {
        diesel::insert_into(users::table)
            .values((
                users::id.eq(id),
                users::email.eq(email),
                users::name.eq(name),
                users::password_hash.eq(password_hash),
                users::created_at.eq(Timestamp(now)),
            ))
            .execute(c)
            .await
    })?;
    Ok(id)
}

/// The person of this address.
pub async fn by_email(conn: &mut Conn, email: &str) -> QueryResult<Option<User>> {
    on!(conn, c => {
        users::table
            .filter(users::email.eq(email))
            .select(User::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// One person.
pub async fn by_id(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    on!(conn, c => {
        users::table.find(id).select(User::as_select()).first(c).await.optional()
    })
}
