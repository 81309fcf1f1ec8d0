//! Rooms as the PMS knows them, and the spaces they are mapped to.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::{room_mappings, rooms};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{IntegrationId, PropertyId, RoomId, RoomKind, SpaceId, UserId};

/// A room or bed.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rooms)]
#[diesel(treat_none_as_null = true)]
pub struct Room {
    /// Identifier.
    pub id: RoomId,
    /// Whose.
    pub property_id: PropertyId,
    /// Where it was read.
    pub integration_id: IntegrationId,
    /// Its identifier there.
    pub external_id: String,
    /// The room it is part of.
    pub parent_id: Option<RoomId>,
    /// Number or name.
    pub name: String,
    /// What it is.
    pub kind: RoomKind,
    /// Whether it is in use there.
    pub active: bool,
    /// When it vanished there. Its mapping stays.
    pub removed_at: Option<Timestamp>,
    /// When it was first read.
    pub created_at: Timestamp,
}

/// Adds a room, or stores every column of one.
pub async fn put(conn: &mut Conn, room: &Room) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(rooms::table)
            .values(room)
            .on_conflict((rooms::integration_id, rooms::external_id))
            .do_update()
            .set(room)
            .execute(c)
            .await
    })
}

/// Every room of a link.
pub async fn of_integration(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
) -> QueryResult<Vec<Room>> {
    on!(conn, c => {
        rooms::table
            .filter(rooms::property_id.eq(property))
            .filter(rooms::integration_id.eq(integration))
            .select(Room::as_select())
            .load(c)
            .await
    })
}

/// Rooms by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[RoomId],
) -> QueryResult<Vec<Room>> {
    on!(conn, c => {
        rooms::table
            .filter(rooms::property_id.eq(property))
            .filter(rooms::id.eq_any(ids))
            .select(Room::as_select())
            .load(c)
            .await
    })
}

/// One room.
pub async fn by_id(conn: &mut Conn, property: PropertyId, id: RoomId) -> QueryResult<Option<Room>> {
    Ok(by_ids(conn, property, &[id]).await?.pop())
}

/// A room and the rooms it is part of, nearest first. A loop, which no PMS should send, ends it.
pub async fn chain(conn: &mut Conn, property: PropertyId, id: RoomId) -> QueryResult<Vec<Room>> {
    with_ancestors(conn, property, &[id]).await
}

/// These rooms and every room they are part of, a statement for each level.
pub async fn with_ancestors(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[RoomId],
) -> QueryResult<Vec<Room>> {
    let mut all: Vec<Room> = Vec::new();
    let mut level = ids.to_vec();
    while !level.is_empty() {
        let found = by_ids(conn, property, &level).await?;
        level = found.iter().filter_map(|room| room.parent_id).collect();
        all.extend(found);
        level.sort_unstable();
        level.dedup();
        level.retain(|id| all.iter().all(|room| room.id != *id));
    }
    Ok(all)
}

/// These rooms and every room that is part of one of them.
pub async fn with_parts(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[RoomId],
) -> QueryResult<Vec<RoomId>> {
    let mut all = ids.to_vec();
    let mut level = ids.to_vec();
    while !level.is_empty() {
        let parts: Vec<RoomId> = on!(conn, c => {
            rooms::table
                .filter(rooms::property_id.eq(property))
                .filter(rooms::parent_id.eq_any(&level))
                .select(rooms::id)
                .load(c)
                .await
        })?;
        level = parts.into_iter().filter(|id| !all.contains(id)).collect();
        all.extend(&level);
    }
    Ok(all)
}

/// A page of a property's rooms, by name. Vanished ones are left out unless they are mapped.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    mapped: Option<bool>,
    page: &Page<String>,
) -> QueryResult<Vec<Room>> {
    on!(conn, c => {
        let mappings = room_mappings::table
            .filter(room_mappings::property_id.eq(property))
            .select(room_mappings::room_id);
        let mut query = rooms::table
            .filter(rooms::property_id.eq(property))
            .filter(rooms::removed_at.is_null().or(rooms::id.eq_any(mappings)))
            .select(Room::as_select())
            .into_boxed();
        match mapped {
            Some(true) => query = query.filter(rooms::id.eq_any(mappings)),
            Some(false) => query = query.filter(rooms::id.ne_all(mappings)),
            None => {}
        }
        paged!(query, rooms::name, rooms::id, page).load(c).await
    })
}

/// A page of the rooms mapped to a space, by name.
pub async fn page_of_space(
    conn: &mut Conn,
    property: PropertyId,
    space: SpaceId,
    page: &Page<String>,
) -> QueryResult<Vec<Room>> {
    on!(conn, c => {
        let mappings = room_mappings::table
            .filter(room_mappings::property_id.eq(property))
            .filter(room_mappings::space_id.eq(space))
            .select(room_mappings::room_id);
        let query = rooms::table
            .filter(rooms::property_id.eq(property))
            .filter(rooms::id.eq_any(mappings))
            .select(Room::as_select())
            .into_boxed();
        paged!(query, rooms::name, rooms::id, page).load(c).await
    })
}

/// The spaces these rooms are mapped to.
pub async fn mappings(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[RoomId],
) -> QueryResult<Vec<(RoomId, SpaceId)>> {
    on!(conn, c => {
        room_mappings::table
            .filter(room_mappings::property_id.eq(property))
            .filter(room_mappings::room_id.eq_any(ids))
            .select((room_mappings::room_id, room_mappings::space_id))
            .load(c)
            .await
    })
}

/// Every mapping of a house.
pub async fn all_mappings(
    conn: &mut Conn,
    property: PropertyId,
) -> QueryResult<Vec<(RoomId, SpaceId)>> {
    on!(conn, c => {
        room_mappings::table
            .filter(room_mappings::property_id.eq(property))
            .select((room_mappings::room_id, room_mappings::space_id))
            .load(c)
            .await
    })
}

/// The rooms mapped to a space.
pub async fn mapped_to(
    conn: &mut Conn,
    property: PropertyId,
    space: SpaceId,
) -> QueryResult<Vec<RoomId>> {
    on!(conn, c => {
        room_mappings::table
            .filter(room_mappings::property_id.eq(property))
            .filter(room_mappings::space_id.eq(space))
            .select(room_mappings::room_id)
            .load(c)
            .await
    })
}

/// Maps a room to a space. Returns 0 when it is mapped already.
pub async fn map(
    conn: &mut Conn,
    property: PropertyId,
    room: RoomId,
    space: SpaceId,
    by: Option<UserId>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(room_mappings::table)
            .values((
                room_mappings::room_id.eq(room),
                room_mappings::property_id.eq(property),
                room_mappings::space_id.eq(space),
                room_mappings::source.eq("MANUAL"),
                room_mappings::created_by.eq(by),
                room_mappings::created_at.eq(Timestamp(now)),
            ))
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })
}

/// Takes the mapping of a room away.
pub async fn unmap(conn: &mut Conn, property: PropertyId, room: RoomId) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(
            room_mappings::table
                .filter(room_mappings::property_id.eq(property))
                .filter(room_mappings::room_id.eq(room)),
        )
        .execute(c)
        .await
    })
}
