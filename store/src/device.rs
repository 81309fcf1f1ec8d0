//! Devices: locks, and the spaces they are installed in.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::devices;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{
    DeviceConnectivity, DeviceId, DeviceRule, IntegrationId, Lead, PropertyId, ReadBack, SpaceId,
};

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = devices)]
#[diesel(treat_none_as_null = true)]
pub struct Device {
    /// Identifier.
    pub id: DeviceId,
    /// Whose.
    pub property_id: PropertyId,
    /// The lock integration it belongs to.
    pub integration_id: IntegrationId,
    /// Its identifier there.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// Where it is installed.
    pub space_id: Option<SpaceId>,
    /// Since when.
    pub installed_at: Option<Timestamp>,
    /// By whom.
    pub installed_by: Option<String>,
    /// Whether it can be reached.
    pub connectivity: DeviceConnectivity,
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// What codes on it must obey, as JSON.
    pub rules: String,
    /// When it was last tried to read back what it holds.
    pub compared_at: Option<Timestamp>,
    /// When it was first read.
    pub created_at: Timestamp,
}

impl Device {
    /// What codes on it must obey. Rules that a newer version wrote are left out.
    pub fn rules(&self) -> Vec<DeviceRule> {
        let rules: Vec<serde_json::Value> = serde_json::from_str(&self.rules).unwrap_or_default();
        rules
            .into_iter()
            .filter_map(|rule| serde_json::from_value(rule).ok())
            .collect()
    }

    /// Whether what it holds can be read back at all.
    pub fn reads_back(&self) -> bool {
        !self
            .rules()
            .iter()
            .any(|rule| matches!(rule, DeviceRule::ReadBack(ReadBack::None)))
    }

    /// How many codes fit on it. `None`: its vendor names no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.rules().iter().find_map(|rule| match rule {
            DeviceRule::MaxCodes(max) => usize::try_from(*max).ok(),
            _ => None,
        })
    }

    /// Whether it cannot be told any times for any length.
    pub fn has_times_of_its_own(&self) -> bool {
        let of_times = |rule| matches!(rule, DeviceRule::TimeGrid(_) | DeviceRule::MaxDays(_));
        self.rules().into_iter().any(of_times)
    }

    /// From when on it takes a code for a stay that begins then. `None`: at any time.
    pub fn takes_from(&self, begins: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(begins - self.lead()?.duration())
    }

    /// How early it takes codes. `None`: at any time.
    pub fn lead(&self) -> Option<Lead> {
        self.rules().into_iter().find_map(|rule| match rule {
            DeviceRule::Lead(lead) => Some(lead),
            _ => None,
        })
    }
}

/// Adds a device, or stores every column of one.
pub async fn put(conn: &mut Conn, device: &Device) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(devices::table)
            .values(device)
            .on_conflict((devices::integration_id, devices::external_id))
            .do_update()
            .set(device)
            .execute(c)
            .await
    })
}

/// Reads a device and keeps others from changing it until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    property: PropertyId,
    id: DeviceId,
) -> QueryResult<Option<Device>> {
    let query = devices::table
        .filter(devices::property_id.eq(property))
        .filter(devices::id.eq(id));
    match conn {
        Conn::Postgres(c) => {
            let query = query.select(Device::as_select()).for_update();
            query.first(&mut **c).await.optional()
        }
        Conn::Sqlite(c) => {
            let query = query.select(Device::as_select());
            query.first(&mut **c).await.optional()
        }
    }
}

/// Devices by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[DeviceId],
) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        devices::table
            .filter(devices::property_id.eq(property))
            .filter(devices::id.eq_any(ids))
            .select(Device::as_select())
            .load(c)
            .await
    })
}

/// Every device of a link.
pub async fn of_integration(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        devices::table
            .filter(devices::property_id.eq(property))
            .filter(devices::integration_id.eq(integration))
            .select(Device::as_select())
            .load(c)
            .await
    })
}

/// Every installed device of a house.
pub async fn installed(conn: &mut Conn, property: PropertyId) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        devices::table
            .filter(devices::property_id.eq(property))
            .filter(devices::space_id.is_not_null())
            .select(Device::as_select())
            .load(c)
            .await
    })
}

/// Installed devices of a link whose codes were not read back since, in the order of their ids.
pub async fn to_compare(
    conn: &mut Conn,
    property: PropertyId,
    integration: IntegrationId,
    since: Timestamp,
    limit: i64,
) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        devices::table
            .filter(devices::property_id.eq(property))
            .filter(devices::integration_id.eq(integration))
            .filter(devices::space_id.is_not_null())
            .filter(devices::compared_at.is_null().or(devices::compared_at.lt(since)))
            .order(devices::id)
            .limit(limit)
            .select(Device::as_select())
            .load(c)
            .await
    })
}

/// Devices installed in these spaces.
pub async fn in_spaces(
    conn: &mut Conn,
    property: PropertyId,
    spaces: &[SpaceId],
) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        devices::table
            .filter(devices::property_id.eq(property))
            .filter(devices::space_id.eq_any(spaces))
            .order((devices::name, devices::id))
            .select(Device::as_select())
            .load(c)
            .await
    })
}

/// Installed devices on which only so many codes fit, by name.
pub async fn limited(conn: &mut Conn, property: PropertyId) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        devices::table
            .filter(devices::property_id.eq(property))
            .filter(devices::space_id.is_not_null())
            // The rules are text to the database; whoever reads them says which it is.
            .filter(devices::rules.like("%MAX_CODES%"))
            .order((devices::name, devices::id))
            .select(Device::as_select())
            .load(c)
            .await
    })
}

/// A page of a property's devices, by name.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    installed: Option<bool>,
    space: Option<SpaceId>,
    page: &Page<String>,
) -> QueryResult<Vec<Device>> {
    on!(conn, c => {
        let mut query = devices::table
            .filter(devices::property_id.eq(property))
            .select(Device::as_select())
            .into_boxed();
        match installed {
            Some(true) => query = query.filter(devices::space_id.is_not_null()),
            Some(false) => query = query.filter(devices::space_id.is_null()),
            None => {}
        }
        if let Some(space) = space {
            query = query.filter(devices::space_id.eq(space));
        }
        paged!(query, devices::name, devices::id, page).load(c).await
    })
}
