//! Resource access tokens: PINs stored on reservations.

use super::ask::Permissions;
use super::entry::Entry;
use super::item::{Bad, Item, NO_LIST, items};
use chrono::{DateTime, Utc};
use portal_interface::{SecretString, VendorId};
use serde_json::Value;

/// A stored PIN or tag. Only its identifier must be there: what is absent differs from any wish.
pub(crate) struct Token {
    pub(crate) id: VendorId,
    pub(crate) reservation: Option<VendorId>,
    pub(crate) resource: Option<VendorId>,
    pub(crate) serial: Option<String>,
    pub(crate) value: Option<SecretString>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) permissions: Option<Permissions>,
    /// A PIN in force, as against a deleted one or a tag.
    pub(crate) is_live_pin: bool,
}

impl Entry for Token {
    const WHOLE: bool = true;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        let id = |name| item.maybe_id(name).ok().flatten();
        let text = |name| item.maybe_text(name).ok().flatten();
        let instant = |name| item.maybe_instant(name).ok().flatten();
        let is_pin = text("Type").is_none_or(|kind| kind == "PinCode");
        let is_active = item.maybe_flag("IsActive") != Ok(Some(false));
        Ok(Self {
            id: item.id("Id")?,
            reservation: id("ServiceOrderId"),
            resource: id("ResourceId"),
            serial: text("SerialNumber").map(ToOwned::to_owned),
            value: text("Value").map(SecretString::from),
            from: instant("ValidityStartUtc"),
            until: instant("ValidityEndUtc"),
            permissions: permissions(item),
            is_live_pin: is_pin && is_active,
        })
    }
}

fn permissions(item: &Item<'_>) -> Option<Permissions> {
    let item = item.object("Permissions").ok()?;
    let flag = |name| Some(item.maybe_flag(name).ok()?.unwrap_or(false));
    Some(Permissions {
        bed: flag("Bed")?,
        room: flag("Room")?,
        floor: flag("Floor")?,
        building: flag("Building")?,
    })
}

/// Name of the list in the answer to an addition.
const ADDED: &str = "ResourceAccessTokens";

/// A PIN just stored.
pub(crate) struct Added {
    /// For which reservation.
    pub(crate) reservation: Option<VendorId>,
    pub(crate) id: VendorId,
}

/// PINs just stored. Nothing is said about their order.
pub(crate) fn added(body: &Value) -> Result<Vec<Added>, Bad> {
    let values = body.get(ADDED).and_then(Value::as_array);
    let values = values.ok_or_else(|| Bad::new(ADDED, NO_LIST))?;
    items(ADDED, values)
        .map(|item| {
            Ok(Added {
                reservation: item.maybe_id("ServiceOrderId").ok().flatten(),
                id: item.id("Id")?,
            })
        })
        .collect()
}
