//! Common areas that open together with a main room, because a person said so.

use crate::conn::{Conn, on};
use crate::schema::space_links;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{PropertyId, SpaceId, UserId};

/// Links a common area to a main room. Returns 0 when it is linked already.
pub async fn insert(
    conn: &mut Conn,
    property: PropertyId,
    main: SpaceId,
    linked: SpaceId,
    by: Option<UserId>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(space_links::table)
            .values((
                space_links::property_id.eq(property),
                space_links::main_space_id.eq(main),
                space_links::linked_space_id.eq(linked),
                space_links::created_at.eq(Timestamp(now)),
                space_links::created_by.eq(by),
            ))
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })
}

/// Takes a link away. Returns 0 when there is none.
pub async fn delete(
    conn: &mut Conn,
    property: PropertyId,
    main: SpaceId,
    linked: SpaceId,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::delete(
            space_links::table
                .filter(space_links::property_id.eq(property))
                .filter(space_links::main_space_id.eq(main))
                .filter(space_links::linked_space_id.eq(linked)),
        )
        .execute(c)
        .await
    })
}

/// The links of these main rooms, each as main room and common area.
pub async fn of_mains(
    conn: &mut Conn,
    property: PropertyId,
    mains: &[SpaceId],
) -> QueryResult<Vec<(SpaceId, SpaceId)>> {
    on!(conn, c => {
        space_links::table
            .filter(space_links::property_id.eq(property))
            .filter(space_links::main_space_id.eq_any(mains))
            .select((space_links::main_space_id, space_links::linked_space_id))
            .order((space_links::main_space_id, space_links::linked_space_id))
            .load(c)
            .await
    })
}

/// The main rooms a common area opens together with.
pub async fn mains_of(
    conn: &mut Conn,
    property: PropertyId,
    linked: SpaceId,
) -> QueryResult<Vec<SpaceId>> {
    on!(conn, c => {
        space_links::table
            .filter(space_links::property_id.eq(property))
            .filter(space_links::linked_space_id.eq(linked))
            .select(space_links::main_space_id)
            .load(c)
            .await
    })
}
