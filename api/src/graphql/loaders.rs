//! Batches look-ups of one request: one statement for all that was asked at once.

use async_graphql::dataloader::Loader;
use portal_domain::{
    DeviceId, DevicePinId, IntegrationId, JobId, KeychainId, OrganizationId, PinId, PinPushId,
    PlanId, ProblemId, PropertyId, ReservationId, RoomId, SpaceId,
};
use portal_store::credential::Credential;
use portal_store::device::Device;
use portal_store::device_pin::DevicePin;
use portal_store::integration::Integration;
use portal_store::job::OwnedJob;
use portal_store::keychain::{Keychain, KeychainDoor};
use portal_store::pin::Pin;
use portal_store::pin_push::PinPush;
use portal_store::plan::Plan;
use portal_store::problem::Problem;
use portal_store::property::{Organization, Property};
use portal_store::reservation::Reservation;
use portal_store::room::Room;
use portal_store::space::Space;
use portal_store::{
    Db, DbError, credential, device, device_pin, integration, job, keychain, pin, pin_push, plan,
    problem, property, reservation, room, space, space_link,
};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

/// The loaders of one request.
pub(crate) struct Loaders {
    /// The database.
    pub(crate) db: Db,
}

type Loaded<K, V> = Result<HashMap<K, V>, Arc<DbError>>;

/// The space a room is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SpaceOf(pub(crate) RoomId);
/// The live keychain of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeychainOf(pub(crate) ReservationId);
/// The doors of a keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DoorsOf(pub(crate) KeychainId);
/// A PIN's copies on devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DevicePinsOf(pub(crate) PinId);
/// A reservation's copy in the PMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PushOf(pub(crate) ReservationId);
/// The devices installed in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DevicesIn(pub(crate) SpaceId);
/// The common areas linked to a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LinkedTo(pub(crate) SpaceId);
/// The live credentials of an integration, each with the name of who saved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialsOf(pub(crate) IntegrationId);

/// Keys of one property together: every statement knows whose rows it reads.
fn by_property<I: Copy>(keys: &[(PropertyId, I)]) -> BTreeMap<PropertyId, Vec<I>> {
    let mut groups: BTreeMap<PropertyId, Vec<I>> = BTreeMap::new();
    for (property, id) in keys {
        groups.entry(*property).or_default().push(*id);
    }
    groups
}

/// A loader of single rows by id.
macro_rules! rows_by_id {
    ($($id:ty => $row:ty, $load:path;)+) => { $(
        impl Loader<(PropertyId, $id)> for Loaders {
            type Value = $row;
            type Error = Arc<DbError>;

            async fn load(&self, keys: &[(PropertyId, $id)]) -> Loaded<(PropertyId, $id), $row> {
                let mut conn = self.db.read().await?;
                let mut found = HashMap::new();
                for (property, ids) in by_property(keys) {
                    let rows = $load(&mut conn, property, &ids).await.map_err(DbError::from)?;
                    found.extend(rows.into_iter().map(|row| ((property, row.id), row)));
                }
                Ok(found)
            }
        }
    )+ };
}
rows_by_id! {
    IntegrationId => Integration, integration::by_ids;
    RoomId => Room, room::by_ids;
    SpaceId => Space, space::by_ids;
    DeviceId => Device, device::by_ids;
    ReservationId => Reservation, reservation::by_ids;
    KeychainId => Keychain, keychain::by_ids;
    PinId => Pin, pin::by_ids;
    DevicePinId => DevicePin, device_pin::by_ids;
    PinPushId => PinPush, pin_push::by_ids;
    PlanId => Plan, plan::by_ids;
    ProblemId => Problem, problem::by_ids;
    JobId => OwnedJob, job::of_property;
}

/// A loader of rows by the id of what they belong to: one each, or all of them.
macro_rules! rows_of {
    ($($key:ident($id:ty) => $load:path, $owner:expr, $value:ty, $collect:ident;)+) => { $(
        impl Loader<(PropertyId, $key)> for Loaders {
            type Value = $value;
            type Error = Arc<DbError>;

            async fn load(&self, keys: &[(PropertyId, $key)]) -> Loaded<(PropertyId, $key), $value> {
                let mut conn = self.db.read().await?;
                let mut found = HashMap::new();
                for (property, ids) in by_property(keys) {
                    let ids: Vec<$id> = ids.into_iter().map(|$key(id)| id).collect();
                    let rows = $load(&mut conn, property, &ids).await.map_err(DbError::from)?;
                    let owner = $owner;
                    let rows = rows
                        .into_iter()
                        .filter_map(|row| owner(&row).map(|id| ((property, $key(id)), row)));
                    $collect(&mut found, rows);
                }
                Ok(found)
            }
        }
    )+ };
}

fn one<K: Eq + Hash, V>(found: &mut HashMap<K, V>, rows: impl Iterator<Item = (K, V)>) {
    found.extend(rows);
}

fn all<K: Eq + Hash, V>(found: &mut HashMap<K, Vec<V>>, rows: impl Iterator<Item = (K, V)>) {
    for (key, row) in rows {
        found.entry(key).or_default().push(row);
    }
}

/// Of pairs only what the first leads to.
fn second<K: Eq + Hash, A>(
    found: &mut HashMap<K, Vec<SpaceId>>,
    rows: impl Iterator<Item = (K, (A, SpaceId))>,
) {
    all(found, rows.map(|(key, (_, linked))| (key, linked)));
}

rows_of! {
    KeychainOf(ReservationId) => keychain::current, |row: &Keychain| row.reservation_id, Keychain, one;
    PushOf(ReservationId) => pin_push::of_reservations, |row: &PinPush| Some(row.reservation_id), PinPush, one;
    DoorsOf(KeychainId) => keychain::doors, |row: &KeychainDoor| Some(row.keychain_id), Vec<KeychainDoor>, all;
    DevicePinsOf(PinId) => device_pin::of_pins, |row: &DevicePin| Some(row.pin_id), Vec<DevicePin>, all;
    DevicesIn(SpaceId) => device::in_spaces, |row: &Device| row.space_id, Vec<Device>, all;
    LinkedTo(SpaceId) => space_link::of_mains, |row: &(SpaceId, SpaceId)| Some(row.0), Vec<SpaceId>, second;
    CredentialsOf(IntegrationId) => credential::of_integrations,
        |row: &(Credential, String)| Some(row.0.integration_id), Vec<(Credential, String)>, all;
}

impl Loader<(PropertyId, SpaceOf)> for Loaders {
    type Value = Space;
    type Error = Arc<DbError>;

    async fn load(&self, keys: &[(PropertyId, SpaceOf)]) -> Loaded<(PropertyId, SpaceOf), Space> {
        let mut conn = self.db.read().await?;
        let mut found = HashMap::new();
        for (property, rooms) in by_property(keys) {
            let rooms: Vec<RoomId> = rooms.into_iter().map(|SpaceOf(room)| room).collect();
            let mapped = room::mappings(&mut conn, property, &rooms)
                .await
                .map_err(DbError::from)?;
            let ids: Vec<SpaceId> = mapped.iter().map(|(_, space)| *space).collect();
            let spaces = space::by_ids(&mut conn, property, &ids)
                .await
                .map_err(DbError::from)?;
            for (room, id) in mapped {
                if let Some(space) = spaces.iter().find(|space| space.id == id) {
                    found.insert((property, SpaceOf(room)), space.clone());
                }
            }
        }
        Ok(found)
    }
}

impl Loader<PropertyId> for Loaders {
    type Value = Property;
    type Error = Arc<DbError>;

    async fn load(&self, keys: &[PropertyId]) -> Loaded<PropertyId, Property> {
        let mut conn = self.db.read().await?;
        let rows = property::by_ids(&mut conn, keys)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Loader<OrganizationId> for Loaders {
    type Value = Organization;
    type Error = Arc<DbError>;

    async fn load(&self, keys: &[OrganizationId]) -> Loaded<OrganizationId, Organization> {
        let mut conn = self.db.read().await?;
        let rows = property::organizations(&mut conn, keys)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}
