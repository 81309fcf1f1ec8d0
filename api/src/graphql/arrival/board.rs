//! Reads all that a page of arrivals is judged by: a fixed number of statements, however many stays.

use chrono::{DateTime, Utc};
use portal_domain::arrival::{self, Facts, Lock, Outlook};
use portal_domain::slots::{self, Claim, Claimant, Code, Wait};
use portal_domain::{
    AppCategory, DeviceConnectivity, DeviceId, IntegrationId, IntegrationStatus, KeychainId, PinId,
    PropertyId, ReservationId, RoomId, SpaceId, WithheldCode,
};
use portal_store::device::Device;
use portal_store::integration::Integration;
use portal_store::keychain::{Keychain, KeychainDoor};
use portal_store::property::Property;
use portal_store::reservation::Reservation;
use portal_store::room::Room;
use portal_store::space::Space;
use portal_store::{Conn, QueryResult, device, device_pin, integration, keychain, room, space};
use std::collections::HashMap;

/// One stay that is about to begin, judged.
pub(crate) struct Line {
    pub(crate) reservation: Reservation,
    /// One that is not over.
    pub(crate) keychain: Option<Keychain>,
    /// When the guest may come in.
    pub(crate) starts_at: DateTime<Utc>,
    pub(crate) outlook: Outlook,
}

/// What lies around the stays of a page.
pub(crate) struct House {
    devices: HashMap<DeviceId, Device>,
    spaces: HashMap<SpaceId, Space>,
    links: HashMap<IntegrationId, Integration>,
    doors: HashMap<KeychainId, Vec<KeychainDoor>>,
    rooms: HashMap<RoomId, Room>,
    mapped: HashMap<RoomId, SpaceId>,
    codes: HashMap<DeviceId, Vec<Code>>,
}

impl House {
    /// A device of a door.
    pub(crate) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// The space a device is installed in.
    pub(crate) fn space_of(&self, device: &Device) -> Option<&Space> {
        self.spaces.get(&device.space_id?)
    }

    /// The link a reservation was read through.
    pub(crate) fn link(&self, id: IntegrationId) -> Option<&Integration> {
        self.links.get(&id)
    }

    async fn read(
        conn: &mut Conn,
        property: PropertyId,
        stays: &[(Reservation, Option<Keychain>)],
    ) -> QueryResult<Self> {
        let keychains: Vec<&Keychain> = stays.iter().filter_map(|(_, k)| k.as_ref()).collect();
        let ids: Vec<KeychainId> = keychains.iter().map(|keychain| keychain.id).collect();
        let pins: Vec<PinId> = keychains.iter().map(|keychain| keychain.pin_id).collect();
        let doors = keychain::doors(conn, property, &ids).await?;
        let without = stays.iter().filter(|(_, keychain)| keychain.is_none());
        let rooms: Vec<RoomId> = without.filter_map(|(stay, _)| stay.room_id).collect();
        let rooms = room::with_ancestors(conn, property, &rooms).await?;
        let rooms: HashMap<_, _> = rooms.into_iter().map(|room| (room.id, room)).collect();
        let ids: Vec<RoomId> = rooms.keys().copied().collect();
        let mapped = room::mappings(conn, property, &ids).await?;
        let mut spaces: Vec<SpaceId> = mapped.iter().map(|(_, space)| *space).collect();
        spaces.extend(doors.iter().map(|door| door.space_id));
        spaces.sort_unstable();
        spaces.dedup();
        let devices = device::in_spaces(conn, property, &spaces).await?;
        let spaces = space::by_ids(conn, property, &spaces).await?;
        let limited = devices.iter().filter(|device| device.capacity().is_some());
        let limited: Vec<DeviceId> = limited.map(|device| device.id).collect();
        let codes = device_pin::ahead(conn, property, &limited, &pins).await?;
        let links = integration::all(conn, property).await?;
        Ok(Self {
            devices: devices.into_iter().map(|row| (row.id, row)).collect(),
            spaces: spaces.into_iter().map(|row| (row.id, row)).collect(),
            links: links.into_iter().map(|row| (row.id, row)).collect(),
            doors: grouped(doors.into_iter().map(|door| (door.keychain_id, door))),
            rooms,
            mapped: mapped.into_iter().collect(),
            codes: grouped(codes),
        })
    }

    /// The devices of a stay's doors, the main one first: those of its keychain, or those the room
    /// assigned now would give.
    fn devices_of(&self, stay: &Reservation, keychain: Option<&Keychain>) -> Vec<&Device> {
        let spaces: Vec<SpaceId> = match keychain {
            Some(keychain) => {
                let mut doors: Vec<&KeychainDoor> =
                    self.doors.get(&keychain.id).into_iter().flatten().collect();
                doors.sort_by_key(|door| door.place());
                doors.iter().map(|door| door.space_id).collect()
            }
            None => self.mapped_above(stay.room_id),
        };
        let mut devices: Vec<&Device> = Vec::new();
        for space in spaces {
            let mut here: Vec<&Device> = self
                .devices
                .values()
                .filter(|device| device.space_id == Some(space))
                .collect();
            here.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
            devices.extend(here);
        }
        devices
    }

    /// The spaces of a room and of those it is part of, nearest first.
    fn mapped_above(&self, room: Option<RoomId>) -> Vec<SpaceId> {
        let mut seen: Vec<RoomId> = Vec::new();
        let mut spaces: Vec<SpaceId> = Vec::new();
        let mut next = room;
        while let Some(id) = next.filter(|id| !seen.contains(id)) {
            seen.push(id);
            let space = self.mapped.get(&id).copied();
            spaces.extend(space.filter(|space| !spaces.contains(space)));
            next = self.rooms.get(&id).and_then(|room| room.parent_id);
        }
        spaces
    }

    fn is_connected(&self, device: &Device) -> bool {
        let link = self.links.get(&device.integration_id);
        link.is_some_and(|link| link.status == IntegrationStatus::Connected)
    }

    fn has_locks(&self) -> bool {
        self.links.values().any(|link| {
            link.category == AppCategory::Lock && link.status != IntegrationStatus::Disconnected
        })
    }
}

pub(crate) fn grouped<K: Eq + std::hash::Hash, V>(
    rows: impl IntoIterator<Item = (K, V)>,
) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, row) in rows {
        groups.entry(key).or_default().push(row);
    }
    groups
}

/// Judges these stays.
pub(crate) async fn judge(
    conn: &mut Conn,
    property: &Property,
    stays: Vec<Reservation>,
    now: DateTime<Utc>,
) -> QueryResult<(House, Vec<Line>)> {
    let ids: Vec<ReservationId> = stays.iter().map(|stay| stay.id).collect();
    let live = keychain::current(conn, property.id, &ids).await?;
    let mut live: HashMap<ReservationId, Keychain> = live
        .into_iter()
        .filter(|keychain| !keychain.status(now).is_over())
        .filter_map(|keychain| Some((keychain.reservation_id?, keychain)))
        .collect();
    let stays: Vec<(Reservation, Option<Keychain>)> = stays
        .into_iter()
        .map(|stay| {
            let keychain = live.remove(&stay.id);
            (stay, keychain)
        })
        .collect();
    let house = House::read(conn, property.id, &stays).await?;
    let waits = house.waits(&stays, now);
    let policy = property.policy();
    let before = chrono::Duration::minutes(policy.buffer_before.into());
    let lines = stays.into_iter().map(|(stay, keychain)| {
        let starts_at = keychain
            .as_ref()
            .map_or(*stay.starts_at - before, |keychain| *keychain.starts_at);
        let claimant = claimant(&stay, keychain.as_ref());
        let devices = house.devices_of(&stay, keychain.as_ref());
        let locks = devices.into_iter().map(|device| Lock {
            device: device.id,
            connectivity: device.connectivity,
            connected: house.is_connected(device),
            lead: device.lead(),
            code: keychain.as_ref().and_then(|keychain| {
                let codes = house.codes.get(&device.id)?;
                codes
                    .iter()
                    .find(|code| code.pin == keychain.pin_id)
                    .copied()
            }),
            wait: waits.get(&(device.id, claimant)).copied(),
        });
        let facts = Facts {
            starts_at,
            deciding: stay.deciding(),
            granted: keychain.is_some(),
            withheld: stay.withheld_code,
            lock_integration: house.has_locks(),
            locks: locks.collect(),
        };
        Line {
            outlook: arrival::judge(&facts, now),
            reservation: stay,
            keychain,
            starts_at,
        }
    });
    let lines = lines.collect();
    Ok((house, lines))
}

fn claimant(stay: &Reservation, keychain: Option<&Keychain>) -> Claimant {
    match keychain {
        Some(keychain) => Claimant::Pin(keychain.pin_id),
        None => Claimant::Stay(stay.id),
    }
}

impl House {
    /// Who has to wait for a slot on which device. Stays whose access the clock or the desk will make
    /// count as if they had it.
    fn waits(
        &self,
        stays: &[(Reservation, Option<Keychain>)],
        now: DateTime<Utc>,
    ) -> HashMap<(DeviceId, Claimant), Wait> {
        let mut wishes: HashMap<DeviceId, Vec<Claim>> = HashMap::new();
        for (stay, keychain) in stays {
            let comes = matches!(
                stay.withheld_code,
                Some(WithheldCode::OutsideHorizon | WithheldCode::AwaitingCheckIn)
            );
            if !comes || keychain.is_some() {
                continue;
            }
            for device in self.devices_of(stay, None) {
                wishes.entry(device.id).or_default().push(Claim {
                    by: Claimant::Stay(stay.id),
                    from: (*stay.starts_at).max(now),
                    starts_at: *stay.starts_at,
                    until: *stay.ends_at,
                    held: false,
                });
            }
        }
        let mut waits = HashMap::new();
        for device in self.devices.values() {
            let Some(capacity) = device.capacity() else {
                continue;
            };
            let codes = self.codes.get(&device.id).into_iter().flatten();
            let reachable = self.reaches(device);
            let mut claims: Vec<Claim> = codes
                .filter_map(|code| code.claim(reachable, now))
                .collect();
            claims.extend(wishes.remove(&device.id).into_iter().flatten());
            let here = slots::waits(capacity, &claims, now);
            waits.extend(here.into_iter().map(|wait| ((device.id, wait.by), wait)));
        }
        waits
    }

    fn reaches(&self, device: &Device) -> bool {
        self.is_connected(device) && device.connectivity != DeviceConnectivity::Offline
    }
}
