//! What a test or a demo tells the fake, and reads from it.

use super::model::{Permissions, StayState, StoredPin};
use chrono::{DateTime, Utc};
use portal_interface::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A reservation to make.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Booking {
    /// Confirmation number; by default the next one of the property.
    #[serde(default)]
    pub number: Option<String>,
    /// Number of a reservation of the same guest.
    #[serde(default)]
    pub same_guest_as: Option<String>,
    /// The guest's name. Without one and without a company: Robin Guest.
    #[serde(default)]
    pub guest: Option<String>,
    /// A company that owns the booking. A guest given as well is its companion.
    #[serde(default)]
    pub company: Option<String>,
    /// Name or identifier of the room, bed or parking spot assigned.
    #[serde(default)]
    pub room: Option<String>,
    /// Type of the category booked, in Mews's word; by default that of the room, or `Room`.
    #[serde(default)]
    pub category: Option<String>,
    /// Scheduled start.
    pub from: DateTime<Utc>,
    /// Scheduled end.
    pub until: DateTime<Utc>,
    /// State; by default confirmed.
    #[serde(default)]
    pub state: StayState,
}

impl Booking {
    /// A confirmed booking without a room.
    pub fn new(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            number: None,
            guest: None,
            same_guest_as: None,
            company: None,
            room: None,
            category: None,
            from,
            until,
            state: StayState::Confirmed,
        }
    }

    /// With this confirmation number.
    #[must_use]
    pub fn number(mut self, number: &str) -> Self {
        self.number = Some(number.to_owned());
        self
    }

    /// For this guest.
    #[must_use]
    pub fn guest(mut self, name: &str) -> Self {
        self.guest = Some(name.to_owned());
        self
    }

    /// For the guest of another reservation.
    #[must_use]
    pub fn same_guest_as(mut self, number: &str) -> Self {
        self.same_guest_as = Some(number.to_owned());
        self
    }

    /// Owned by a company.
    #[must_use]
    pub fn company(mut self, name: &str) -> Self {
        self.company = Some(name.to_owned());
        self
    }

    /// In this room.
    #[must_use]
    pub fn room(mut self, room: &str) -> Self {
        self.room = Some(room.to_owned());
        self
    }

    /// In this state.
    #[must_use]
    pub fn state(mut self, state: StayState) -> Self {
        self.state = state;
        self
    }
}

/// A room, bed or other resource to add.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRoom {
    /// Number or name.
    pub name: String,
    /// Type of its category, in Mews's word; `None`: sold under none. As JSON, `Room` by default.
    #[serde(default = "room_category")]
    pub category: Option<String>,
    /// The room it stands in, as a bed does.
    #[serde(default)]
    pub parent: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde's signature")]
fn room_category() -> Option<String> {
    Some("Room".to_owned())
}

impl NewRoom {
    /// A room.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            category: room_category(),
            parent: None,
        }
    }

    /// Sold under a category of this type.
    #[must_use]
    pub fn category(mut self, category: Option<&str>) -> Self {
        self.category = category.map(ToOwned::to_owned);
        self
    }

    /// Standing in that room.
    #[must_use]
    pub fn parent(mut self, room: &str) -> Self {
        self.parent = Some(room.to_owned());
        self
    }
}

/// An active PIN on a reservation.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPin {
    /// Its identifier.
    pub id: String,
    /// The digits.
    pub value: String,
    /// Serial number: whose it is.
    pub serial: Option<String>,
    /// Name of the room or bed.
    pub room: Option<String>,
    /// From when it is valid.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Where it opens.
    pub permissions: Permissions,
}

impl std::fmt::Debug for HeldPin {
    /// Without the digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldPin")
            .field("id", &self.id)
            .field("serial", &self.serial)
            .field("room", &self.room)
            .field("from", &self.from)
            .field("until", &self.until)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

impl HeldPin {
    pub(super) fn of(pin: &StoredPin, room_names: &BTreeMap<&str, &str>) -> Self {
        let room = pin.resource.as_deref();
        let name = room.map(|id| room_names.get(id).copied().unwrap_or(id));
        Self {
            id: pin.id.clone(),
            value: pin.value.expose_secret().to_owned(),
            serial: pin.serial.clone(),
            room: name.map(ToOwned::to_owned),
            from: pin.from,
            until: pin.until,
            permissions: pin.permissions,
        }
    }
}
