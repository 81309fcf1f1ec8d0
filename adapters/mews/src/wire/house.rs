//! The property, its services, categories and resources.

use super::entry::Entry;
use super::item::{Bad, Item};
use chrono::{DateTime, Utc};
use portal_interface::{Opens, RemoteAccount, RoomKind, VendorId};
use serde_json::Value;

/// Types of categories nobody opens a door for. Any other type, also one not known yet, is kept.
const DOORLESS: &[&str] = &[
    "Bike",
    "Cot",
    "Crib",
    "ExtraBed",
    "Membership",
    "ParkingSpot",
];

/// The property and Mews's clock.
pub(crate) struct Configuration {
    pub(crate) now: DateTime<Utc>,
    pub(crate) opens: Opens,
}

impl Configuration {
    pub(crate) fn read(body: &Value) -> Result<Self, Bad> {
        let body = Item::whole(body);
        let enterprise = body.object("Enterprise")?;
        Ok(Self {
            now: body.instant("NowUtc")?,
            opens: if enterprise.maybe_flag("IsPortfolio")? == Some(true) {
                Opens::Several
            } else {
                Opens::One(RemoteAccount {
                    key: enterprise.id("Id")?,
                    name: enterprise.shown_text("Name")?,
                    zone: enterprise
                        .maybe_text("TimeZoneIdentifier")?
                        .and_then(|name| name.parse().ok()),
                })
            },
        })
    }
}

/// What can be sold.
pub(crate) struct Service {
    pub(crate) id: VendorId,
    pub(crate) active: bool,
    /// Whether there are stays in it, as against breakfasts.
    pub(crate) bookable: bool,
}

impl Entry for Service {
    const WHOLE: bool = true;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        let kind = item.object("Data").ok();
        let kind = kind.and_then(|data| data.maybe_text("Discriminator").ok().flatten());
        Ok(Self {
            id: item.id("Id")?,
            active: item.maybe_flag("IsActive")? != Some(false),
            bookable: kind.is_none_or(|kind| kind == "Bookable"),
        })
    }
}

/// What is sold under one name.
pub(crate) struct Category {
    pub(crate) id: VendorId,
    /// What its resources are; `None`: nothing with a door.
    pub(crate) kind: Option<RoomKind>,
}

impl Entry for Category {
    const WHOLE: bool = true;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        let id = item.id("Id")?;
        let kind = match item.maybe_text("Type")? {
            Some(doorless) if DOORLESS.contains(&doorless) => None,
            Some("Bed") => Some(RoomKind::Bed),
            Some("Dorm") => Some(RoomKind::Dorm),
            Some("Room" | "Suite" | "Apartment" | "Villa") => Some(RoomKind::Room),
            _ => Some(RoomKind::Other),
        };
        Ok(Self { id, kind })
    }
}

/// That a resource is sold under a category.
pub(crate) struct Assignment {
    pub(crate) resource: VendorId,
    pub(crate) category: VendorId,
    /// Whether assignment, category and resource are all in use.
    pub(crate) active: bool,
}

impl Entry for Assignment {
    const WHOLE: bool = true;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        Ok(Self {
            resource: item.id("ResourceId")?,
            category: item.id("CategoryId")?,
            active: item.maybe_flag("IsActive")? != Some(false),
        })
    }
}

/// A room, a bed or another thing one can book.
pub(crate) struct Resource {
    pub(crate) id: VendorId,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) parent: Option<VendorId>,
    /// Whether it stands in a room, as a bed does, and is no room itself.
    pub(crate) is_object: bool,
}

impl Entry for Resource {
    const WHOLE: bool = true;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        let data = item.object("Data").ok();
        let kind = data.and_then(|data| data.maybe_text("Discriminator").ok().flatten());
        Ok(Self {
            id: item.id("Id")?,
            name: item.shown_text("Name")?,
            active: item.flag("IsActive")?,
            parent: item.maybe_id("ParentResourceId")?,
            is_object: kind == Some("Object"),
        })
    }
}
