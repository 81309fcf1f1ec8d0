//! What the fake keeps: one row type per entity of Mews's.

use chrono::{DateTime, Utc};
use portal_interface::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A property.
pub(super) struct Enterprise {
    pub(super) id: String,
    pub(super) chain: String,
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) created: DateTime<Utc>,
    /// Whether our application may read and store PINs in it.
    pub(super) allows_pins: bool,
    /// Our integration with it, as Mews numbers it.
    pub(super) integration: String,
    /// Whether that is switched on: if not, its tokens are refused.
    pub(super) is_connected: bool,
    pub(super) stay_service: String,
    pub(super) parking_service: String,
    /// Reservations so far: the next has the next number.
    pub(super) booked: usize,
}

/// What an access token opens. More than one: a portfolio token.
pub(super) struct AccessToken {
    pub(super) enterprises: Vec<String>,
    pub(super) is_portfolio: bool,
}

pub(super) struct Service {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) name: &'static str,
    pub(super) is_bookable: bool,
    pub(super) created: DateTime<Utc>,
}

pub(super) struct Category {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) service: String,
    /// Mews's word, for example `Room`.
    pub(super) kind: String,
}

/// A room, a bed, a parking spot.
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) name: String,
    pub(super) is_active: bool,
    pub(super) parent: Option<String>,
    pub(super) is_object: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

pub(super) struct Assignment {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) resource: String,
    pub(super) category: String,
    pub(super) created: DateTime<Utc>,
}

/// State of a reservation, in Mews's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StayState {
    /// Confirmed by neither side.
    Inquired,
    /// Confirmed by the guest only.
    Requested,
    /// Held by the house.
    Optional,
    /// Booked.
    #[default]
    Confirmed,
    /// Checked in.
    Started,
    /// Checked out.
    Processed,
    /// Canceled.
    Canceled,
}

impl StayState {
    /// Mews's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inquired => "Inquired",
            Self::Requested => "Requested",
            Self::Optional => "Optional",
            Self::Confirmed => "Confirmed",
            Self::Started => "Started",
            Self::Processed => "Processed",
            Self::Canceled => "Canceled",
        }
    }
}

pub(super) struct Reservation {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) service: String,
    pub(super) category: String,
    pub(super) group: String,
    pub(super) number: String,
    pub(super) state: StayState,
    pub(super) owner: String,
    pub(super) owner_is_company: bool,
    pub(super) room: Option<String>,
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
    pub(super) actual_start: Option<DateTime<Utc>>,
    pub(super) actual_end: Option<DateTime<Utc>>,
    pub(super) canceled: Option<DateTime<Utc>>,
    pub(super) cancellation_reason: Option<String>,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    /// Answered in its place, whatever it is.
    pub(super) raw: Option<Value>,
}

pub(super) struct Customer {
    pub(super) id: String,
    /// Of the profile, in its chain.
    pub(super) number: usize,
    pub(super) enterprise: String,
    pub(super) first_name: Option<String>,
    pub(super) last_name: String,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

/// That a guest stays on a reservation.
pub(super) struct Companionship {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) customer: String,
    pub(super) group: String,
    pub(super) reservation: String,
}

/// A resource access token: a PIN or tag stored on a reservation.
#[derive(Clone)]
pub(super) struct StoredPin {
    pub(super) id: String,
    pub(super) enterprise: String,
    pub(super) reservation: String,
    pub(super) resource: Option<String>,
    pub(super) companionship: Option<String>,
    pub(super) kind: String,
    pub(super) value: SecretString,
    pub(super) serial: Option<String>,
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) permissions: Permissions,
    pub(super) is_active: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

/// Where a stored PIN opens, as Mews notes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the four permissions are Mews's"
)]
pub struct Permissions {
    /// The bed.
    pub bed: bool,
    /// The room.
    pub room: bool,
    /// Doors of the floor.
    pub floor: bool,
    /// Doors of the building.
    pub building: bool,
}

/// An entity with an identifier in a property: something that can be listed.
pub(super) trait Row {
    fn id(&self) -> &str;
    fn enterprise(&self) -> &str;
}

macro_rules! rows {
    ($($name:ty),+) => {
        $(impl Row for $name {
            fn id(&self) -> &str {
                &self.id
            }
            fn enterprise(&self) -> &str {
                &self.enterprise
            }
        })+
    };
}

rows!(
    Service,
    Category,
    Resource,
    Assignment,
    Reservation,
    Customer,
    Companionship,
    StoredPin
);
