//! ROOM-1: rooms, whole and with their identifiers.

use super::house::PmsScene;
use super::run::{Answered, Checked, must};
use super::stage::NewRoom;
use crate::{Room, RoomKind, VendorId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A house without rooms is read well; pages are joined without loss or double while rooms are
/// added; identifiers survive as they are; parents are told and run in no circle.
pub(super) async fn room_1(scene: &PmsScene) -> Checked {
    let rooms = read(scene).await?;
    must!(rooms.is_empty(), "an empty house has {} rooms", rooms.len());
    beds(scene).await?;
    identifiers(scene).await?;
    pages(scene).await
}

async fn read(scene: &PmsScene) -> Checked<BTreeMap<VendorId, Room>> {
    let rooms = scene.adapter.rooms(&scene.account).await;
    let rooms = rooms.answered("rooms")?;
    let count = rooms.len();
    let rooms: BTreeMap<VendorId, Room> = rooms
        .into_iter()
        .map(|room| (room.id.clone(), room))
        .collect();
    must!(
        rooms.len() == count,
        "{count} rooms were read, {} of them once",
        rooms.len()
    );
    for room in rooms.values() {
        let mut seen = BTreeSet::from([&room.id]);
        let mut at = room;
        while let Some(parent) = &at.parent {
            let Some(next) = rooms.get(parent) else {
                super::run::fail!("{} stands in a room that is not there", at.id);
            };
            must!(seen.insert(parent), "{} stands in itself", room.id);
            at = next;
        }
    }
    Ok(rooms)
}

async fn beds(scene: &PmsScene) -> Checked {
    let room = scene.room("Single");
    let add = |name, kind, parent| scene.stage.add_room(&NewRoom { name, kind, parent });
    let dorm = add("Dorm", RoomKind::Dorm, None);
    let bed = add("Bed 1", RoomKind::Bed, Some(&dorm));
    let expected = [
        (&room, "Single", RoomKind::Room, None),
        (&dorm, "Dorm", RoomKind::Dorm, None),
        (&bed, "Bed 1", RoomKind::Bed, Some(&dorm)),
    ];
    let rooms = read(scene).await?;
    for (id, name, kind, parent) in expected {
        let found = rooms.get(id);
        let is_right = found.is_some_and(|room| {
            let told = (room.name.as_str(), room.kind, room.parent.as_ref());
            told == (name, kind, parent) && room.active
        });
        must!(is_right, "the {kind} {name} was read as {found:?}");
    }
    let (one, other) = (scene.room("Left"), scene.room("Right"));
    if scene.part(scene.stage.tangle(&one, &other)).is_some() {
        let rooms = read(scene).await?;
        must!(
            rooms.contains_key(&one) && rooms.contains_key(&other),
            "rooms that stand in each other are lost"
        );
    }
    Ok(())
}

async fn identifiers(scene: &PmsScene) -> Checked {
    let longest = format!("long-{}", "é".repeat(125));
    let odd = ["007", "0", "a-b", "ÄÖ-1", "Room-A", "room-a", &longest];
    for id in odd.map(VendorId::new).into_iter().flatten() {
        if scene.part(scene.stage.add_room_as(&id)).is_none() {
            return Ok(());
        }
        let rooms = read(scene).await?;
        must!(
            rooms.contains_key(&id),
            "a room with the identifier {id} was read with another"
        );
    }
    Ok(())
}

async fn pages(scene: &PmsScene) -> Checked {
    let Some(page) = scene.part(scene.stage.rooms_in_a_page()) else {
        return Ok(());
    };
    let mut expected: BTreeSet<VendorId> = read(scene).await?.into_keys().collect();
    for number in expected.len()..=page {
        expected.insert(scene.room(&format!("N{number}")));
    }
    let added = Arc::<Mutex<u32>>::default();
    let (count, stage) = (added.clone(), scene.stage.clone());
    scene.gate.on_pass(Some(Box::new(move || {
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        stage.add_room(&NewRoom {
            name: &format!("Late {count}"),
            kind: RoomKind::Room,
            parent: None,
        });
    })));
    let rooms = read(scene).await;
    scene.gate.on_pass(None);
    let rooms: BTreeSet<VendorId> = rooms?.into_keys().collect();
    let lost = expected.difference(&rooms).count();
    must!(lost == 0, "{lost} rooms were lost while others were added");
    let after: BTreeSet<VendorId> = read(scene).await?.into_keys().collect();
    let added = *added.lock().unwrap_or_else(PoisonError::into_inner);
    let expected = expected.len() + usize::try_from(added).unwrap_or_default();
    must!(
        after.len() == expected,
        "{} rooms were read of {expected}",
        after.len()
    );
    Ok(())
}
