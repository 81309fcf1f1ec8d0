//! Looks up what has to be so before a property gives access.

use crate::Env;
use portal_domain::checklist::{Readiness, checklist};
use portal_domain::{AppCategory, DeviceConnectivity, IntegrationStatus, RoomId};
use portal_store::property::Property;
use portal_store::{Conn, DbError, device, integration, problem, room};
use std::collections::{BTreeMap, BTreeSet};

pub use portal_domain::checklist::{Check, Item, Needed};

/// Checks whether a property is ready. A handful of statements, however large it is.
pub async fn of(conn: &mut Conn, env: &Env, property: &Property) -> Result<Vec<Item>, DbError> {
    let live = integration::live(conn, property.id).await?;
    let pms = live.iter().find(|link| link.category == AppCategory::Pms);
    let mut rooms = match pms {
        Some(pms) => room::of_integration(conn, property.id, pms.id).await?,
        None => Vec::new(),
    };
    rooms.retain(|room| room.active && room.removed_at.is_none());
    let mappings = room::all_mappings(conn, property.id).await?;
    let mapped: BTreeSet<RoomId> = mappings.iter().map(|(room, _)| *room).collect();
    let parents: BTreeMap<RoomId, Option<RoomId>> =
        rooms.iter().map(|room| (room.id, room.parent_id)).collect();
    let leads_somewhere = |room: RoomId| {
        // No room is its own ancestor; a few steps reach the top of any house.
        std::iter::successors(Some(room), |room| parents.get(room).copied().flatten())
            .take(8)
            .any(|room| mapped.contains(&room))
    };
    let unmapped = rooms
        .iter()
        .filter(|room| !leads_somewhere(room.id))
        .count();
    let known: BTreeSet<RoomId> = rooms.iter().map(|room| room.id).collect();
    let spaces: BTreeSet<_> = mappings
        .iter()
        .filter(|(room, _)| known.contains(room))
        .map(|(_, space)| *space)
        .collect();
    let devices = device::installed(conn, property.id).await?;
    let with_lock: BTreeSet<_> = devices
        .iter()
        .filter_map(|device| device.space_id)
        .collect();
    let offline = devices
        .iter()
        .filter(|device| device.connectivity == DeviceConnectivity::Offline)
        .count();
    let lock_vendors = live
        .iter()
        .filter(|link| link.category == AppCategory::Lock)
        .filter(|link| link.status == IntegrationStatus::Connected)
        .count();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    Ok(checklist(&Readiness {
        pms: pms.map(|link| {
            (
                env.apps.name(&link.app).to_owned(),
                link.status,
                link.sync_state,
            )
        }),
        time_zone: property.time_zone.is_some(),
        lock_vendors: count(lock_vendors),
        rooms: count(rooms.len()),
        unmapped: count(unmapped),
        spaces: count(spaces.len()),
        without_lock: count(spaces.difference(&with_lock).count()),
        offline: count(offline),
        critical: problem::count_critical(conn, property.id).await?,
    }))
}
