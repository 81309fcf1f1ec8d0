//! Signed-in browsers.

use crate::conn::{Conn, on};
use crate::schema::sessions;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{SessionId, UserId};

/// A signed-in browser. The cookie itself is not kept, only its hash.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct Session {
    /// Identifier.
    pub id: SessionId,
    /// Who.
    pub user_id: UserId,
    /// When the password was last given.
    pub signed_in_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// Begins a session.
pub async fn create(
    conn: &mut Conn,
    user: UserId,
    token_hash: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<SessionId> {
    let id = SessionId::new();
    on!(conn, c => {
        diesel::insert_into(sessions::table)
            .values((
                sessions::id.eq(id),
                sessions::user_id.eq(user),
                sessions::token_hash.eq(token_hash),
                sessions::signed_in_at.eq(Timestamp(now)),
                sessions::last_seen_at.eq(Timestamp(now)),
                sessions::expires_at.eq(Timestamp(expires_at)),
                sessions::created_at.eq(Timestamp(now)),
            ))
            .execute(c)
            .await
    })?;
    Ok(id)
}

/// The session of a cookie.
pub async fn by_token(conn: &mut Conn, token_hash: &[u8]) -> QueryResult<Option<Session>> {
    on!(conn, c => {
        sessions::table
            .filter(sessions::token_hash.eq(token_hash))
            .select(Session::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// Notes that a session was used.
pub async fn touch(conn: &mut Conn, id: SessionId, now: DateTime<Utc>) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(sessions::table.find(id))
            .set(sessions::last_seen_at.eq(Timestamp(now)))
            .execute(c)
            .await
    })
}

/// Notes that the password was given again.
pub async fn confirm(conn: &mut Conn, id: SessionId, now: DateTime<Utc>) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(sessions::table.find(id))
            .set(sessions::signed_in_at.eq(Timestamp(now)))
            .execute(c)
            .await
    })
}

/// Ends a session.
pub async fn end(conn: &mut Conn, id: SessionId) -> QueryResult<usize> {
    on!(conn, c => diesel::delete(sessions::table.find(id)).execute(c).await)
}

/// Forgets sessions that ended by themselves.
pub async fn prune(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(sessions::table.filter(sessions::expires_at.le(Timestamp(now))))
            .execute(c)
            .await
    })
}
