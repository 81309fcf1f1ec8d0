//! From what happened to the reservations it concerns. Every trigger enqueues the same job.

use crate::job::enqueue;
use crate::{Env, ReconcileAccess};
use portal_domain::{PropertyId, ReservationId, RoomId, SpaceId};
use portal_store::reservation::{self, Concerned};
use portal_store::{Conn, DbError, Tx, room, space_link};

/// These rooms were mapped, unmapped or given another parent.
pub async fn rooms(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    rooms: &[RoomId],
) -> Result<(), DbError> {
    let rooms = room::with_parts(tx, property, rooms).await?;
    concerned(tx, env, property, &Concerned::Rooms(rooms)).await
}

/// A device was installed in this space or removed from it.
pub async fn space(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    space: SpaceId,
) -> Result<(), DbError> {
    let mapped = rooms_behind(tx, property, space).await?;
    rooms(tx, env, property, &mapped).await
}

/// The rooms whose keychains open a space: those mapped to it, and those of the main rooms it is
/// linked to.
pub async fn rooms_behind(
    conn: &mut Conn,
    property: PropertyId,
    space: SpaceId,
) -> Result<Vec<RoomId>, DbError> {
    let mut rooms = room::mapped_to(conn, property, space).await?;
    for main in space_link::mains_of(conn, property, space).await? {
        rooms.extend(room::mapped_to(conn, property, main).await?);
    }
    rooms.sort_unstable();
    rooms.dedup();
    Ok(rooms)
}

/// The policy or the mode of the property changed.
pub async fn property(tx: &mut Tx, env: &Env, property: PropertyId) -> Result<(), DbError> {
    concerned(tx, env, property, &Concerned::All).await
}

/// An integration came back, broke or was disconnected.
pub async fn integration(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    integration: portal_domain::IntegrationId,
) -> Result<(), DbError> {
    concerned(tx, env, property, &Concerned::Integration(integration)).await
}

async fn concerned(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    concerned: &Concerned,
) -> Result<(), DbError> {
    let ids = reservation::open_of(tx, property, concerned).await?;
    reservations(tx, env, property, &ids).await
}

/// These reservations changed.
pub async fn reservations(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    ids: &[ReservationId],
) -> Result<(), DbError> {
    // In the order of their ids, so that two transactions cannot wait for each other.
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    for reservation in ids {
        let job = ReconcileAccess {
            property,
            reservation,
        };
        enqueue(tx, env.now(), &job).await?;
    }
    Ok(())
}
