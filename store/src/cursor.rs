//! How far reading has come, stored with the data it covers and never ahead of it.

use crate::conn::{Conn, on};
use crate::schema::sync_cursors;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{IntegrationId, PropertyId};

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What changes, for ever.
    Changes,
    /// All stays of a window, once.
    Window,
}

impl Stream {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "CHANGES",
            Self::Window => "WINDOW",
        }
    }
}

/// A place in a stream.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sync_cursors)]
#[diesel(treat_none_as_null = true)]
pub struct SyncCursor {
    /// Whose.
    pub property_id: PropertyId,
    /// Which link.
    pub integration_id: IntegrationId,
    stream: String,
    /// The adapter's text; none before the first page.
    pub body: Option<String>,
    /// First instant of the window.
    pub window_from: Option<Timestamp>,
    /// First instant after it.
    pub window_to: Option<Timestamp>,
    /// When this read began.
    pub started_at: Timestamp,
}

impl SyncCursor {
    /// The beginning of a stream.
    pub fn new(
        property: PropertyId,
        integration: IntegrationId,
        stream: Stream,
        started_at: Timestamp,
    ) -> Self {
        Self {
            property_id: property,
            integration_id: integration,
            stream: stream.as_str().to_owned(),
            body: None,
            window_from: None,
            window_to: None,
            started_at,
        }
    }
}

/// The place in a stream.
pub async fn get(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    stream: Stream,
) -> QueryResult<Option<SyncCursor>> {
    on!(conn, c => {
        sync_cursors::table
            .filter(sync_cursors::property_id.eq(property))
            .filter(sync_cursors::integration_id.eq(integration))
            .filter(sync_cursors::stream.eq(stream.as_str()))
            .select(SyncCursor::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// Stores a place.
pub async fn put(conn: &mut Conn, cursor: &SyncCursor) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(sync_cursors::table)
            .values(cursor)
            .on_conflict((sync_cursors::integration_id, sync_cursors::stream))
            .do_update()
            .set(cursor)
            .execute(c)
            .await
    })
}

/// Forgets a place: the stream begins anew.
pub async fn forget(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    stream: Stream,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(
            sync_cursors::table
                .filter(sync_cursors::property_id.eq(property))
                .filter(sync_cursors::integration_id.eq(integration))
                .filter(sync_cursors::stream.eq(stream.as_str())),
        )
        .execute(c)
        .await
    })
}
