//! Spaces: the doors Portal manages.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::spaces;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{PropertyId, SpaceId, SpaceKind};

/// An access point.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = spaces)]
pub struct Space {
    /// Identifier.
    pub id: SpaceId,
    /// Whose.
    pub property_id: PropertyId,
    /// Its name, unique in the property while not archived.
    pub name: String,
    /// What it is for.
    pub kind: SpaceKind,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Adds a space. Returns 0 when the name is taken.
pub async fn insert(conn: &mut Conn, space: &Space) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(spaces::table)
            .values(space)
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })
}

/// Spaces by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[SpaceId],
) -> QueryResult<Vec<Space>> {
    on!(conn, c => {
        spaces::table
            .filter(spaces::property_id.eq(property))
            .filter(spaces::id.eq_any(ids))
            .select(Space::as_select())
            .load(c)
            .await
    })
}

/// One space.
pub async fn by_id(
    conn: &mut Conn,
    property: PropertyId,
    id: SpaceId,
) -> QueryResult<Option<Space>> {
    Ok(by_ids(conn, property, &[id]).await?.pop())
}

/// A page of a property's spaces, by name.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    page: &Page<String>,
) -> QueryResult<Vec<Space>> {
    on!(conn, c => {
        let query = spaces::table
            .filter(spaces::property_id.eq(property))
            .filter(spaces::archived_at.is_null())
            .select(Space::as_select())
            .into_boxed();
        paged!(query, spaces::name, spaces::id, page).load(c).await
    })
}
