//! Requests, without the tokens that open the door.

use super::entry::Entry;
use super::house::{Assignment, Category, Resource, Service};
use super::pin::Token;
use super::stay::{Companionship, Customer, Stay};
use chrono::{DateTime, Duration, SecondsFormat, SubsecRound, Utc};
use portal_interface::{ExposeSecret, SecretString, VendorId};
use serde::{Serialize, Serializer};

/// Most entries in a list that is sent, and most items in a page.
pub(crate) const LIST_LIMIT: usize = 1000;

/// A request to one operation.
pub(crate) trait Ask: Serialize + Sync {
    /// Path after `/api/connector/v1/`.
    const OPERATION: &'static str;
}

/// A request answered in pages.
pub(crate) trait List: Ask {
    /// What its items are read to.
    type Entry: Entry;
    /// Member of the answer that holds the items.
    const ITEMS: &'static str;
    /// Whether Mews may answer null for no items. Elsewhere it would pass for an empty house.
    const MAY_BE_NULL: bool = false;
}

macro_rules! asks {
    ($($ask:ty: $operation:literal $(lists $items:literal of $entry:ty $(, nullable $null:literal)?)?;)+) => {
        $(impl Ask for $ask {
            const OPERATION: &'static str = $operation;
        }
        $(impl List for $ask {
            type Entry = $entry;
            const ITEMS: &'static str = $items;
            $(const MAY_BE_NULL: bool = $null;)?
        })?)+
    };
}

asks! {
    AskConfiguration: "configuration/get";
    AskServices: "services/getAll" lists "Services" of Service;
    AskCategories<'_>: "resourceCategories/getAll" lists "ResourceCategories" of Category;
    AskAssignments<'_>: "resourceCategoryAssignments/getAll" lists "ResourceCategoryAssignments" of Assignment;
    AskResources: "resources/getAll" lists "Resources" of Resource;
    AskReservations<'_>: "reservations/getAll/2023-06-06" lists "Reservations" of Stay;
    AskCustomers<'_>: "customers/getAll" lists "Customers" of Customer;
    AskCompanionships<'_>: "companionships/getAll" lists "Companionships" of Companionship, nullable true;
    AskTokens<'_>: "resourceAccessTokens/getAll" lists "ResourceAccessTokens" of Token, nullable true;
    AddTokens<'_>: "resourceAccessTokens/add";
    UpdateTokens<'_>: "resourceAccessTokens/update";
    DeleteTokens<'_>: "resourceAccessTokens/delete";
}

/// One page of a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Paged<'a, L> {
    #[serde(flatten)]
    list: &'a L,
    limitation: Limitation<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Limitation<'a> {
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

impl<'a, L: List> Paged<'a, L> {
    /// The page of `count` items after `cursor`; without one, the newest.
    pub(crate) fn new(list: &'a L, count: usize, cursor: Option<&'a str>) -> Self {
        Self {
            list,
            limitation: Limitation { count, cursor },
        }
    }
}

impl<L: List> Ask for Paged<'_, L> {
    const OPERATION: &'static str = L::OPERATION;
}

/// From `start_utc` on, before `end_utc`.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Interval {
    #[serde(serialize_with = "instant")]
    start_utc: DateTime<Utc>,
    #[serde(serialize_with = "instant")]
    end_utc: DateTime<Utc>,
}

impl Interval {
    /// The interval, widened to whole seconds.
    pub(crate) fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self {
            start_utc: seconds_from(from),
            end_utc: seconds_until(to),
        }
    }
}

/// The second an instant lies in.
pub(crate) fn seconds_from(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0)
}

/// The first full second not before an instant.
pub(crate) fn seconds_until(at: DateTime<Utc>) -> DateTime<Utc> {
    let second = at.trunc_subsecs(0);
    if second == at {
        at
    } else {
        second + Duration::seconds(1)
    }
}

fn instant<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// The property behind the access token.
#[derive(Serialize)]
pub(crate) struct AskConfiguration {}

/// Services one can book.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskServices {
    service_type: &'static str,
}

impl AskServices {
    pub(crate) const BOOKABLE: Self = Self {
        service_type: "Bookable",
    };
}

/// Whether an entity is in use.
#[derive(Clone, Copy, Serialize)]
pub(crate) enum ActivityState {
    Active,
    Deleted,
}

/// Categories of services. Without `resource_category_ids`: all of them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskCategories<'a> {
    pub(crate) service_ids: &'a [VendorId],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource_category_ids: Option<&'a [VendorId]>,
    pub(crate) activity_states: &'a [ActivityState],
}

/// Which resources belong to categories.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskAssignments<'a> {
    pub(crate) resource_category_ids: &'a [VendorId],
    pub(crate) activity_states: &'a [ActivityState],
}

/// All rooms, beds and other resources, in use or not.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskResources {
    extent: ResourceExtent,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceExtent {
    resources: bool,
    inactive: bool,
}

impl AskResources {
    pub(crate) const ALL: Self = Self {
        extent: ResourceExtent {
            resources: true,
            inactive: true,
        },
    };
}

/// Reservations; all filters given must hold.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskReservations<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reservation_ids: Option<&'a [VendorId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) numbers: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) updated_utc: Option<Interval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) colliding_utc: Option<Interval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) states: Option<&'a [&'a str]>,
}

/// Profiles of guests.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskCustomers<'a> {
    customer_ids: &'a [VendorId],
    extent: CustomerExtent,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomerExtent {
    customers: bool,
    addresses: bool,
}

impl<'a> AskCustomers<'a> {
    pub(crate) fn new(customer_ids: &'a [VendorId]) -> Self {
        Self {
            customer_ids,
            extent: CustomerExtent {
                customers: true,
                addresses: false,
            },
        }
    }
}

/// Who stays with whom.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskCompanionships<'a> {
    reservation_ids: &'a [VendorId],
    extent: CompanionshipExtent,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompanionshipExtent {
    reservations: bool,
    reservation_groups: bool,
    customers: bool,
}

impl<'a> AskCompanionships<'a> {
    pub(crate) fn new(reservation_ids: &'a [VendorId]) -> Self {
        Self {
            reservation_ids,
            extent: CompanionshipExtent {
                reservations: false,
                reservation_groups: false,
                customers: false,
            },
        }
    }
}

/// PINs and tags stored on reservations. Mews wants at least one of the two filters.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AskTokens<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_order_ids: Option<&'a [VendorId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) colliding_utc: Option<Interval>,
    pub(crate) activity_states: &'a [ActivityState],
}

/// Stores PINs.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddTokens<'a> {
    pub(crate) resource_access_token_parameters: &'a [NewToken<'a>],
}

/// A PIN to store.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewToken<'a> {
    pub(crate) service_order_id: &'a VendorId,
    pub(crate) resource_id: &'a VendorId,
    pub(crate) r#type: &'a str,
    #[serde(serialize_with = "secret")]
    pub(crate) value: &'a SecretString,
    pub(crate) serial_number: &'a str,
    #[serde(serialize_with = "instant")]
    pub(crate) validity_start_utc: DateTime<Utc>,
    #[serde(serialize_with = "instant")]
    pub(crate) validity_end_utc: DateTime<Utc>,
    pub(crate) permissions: Permissions,
}

/// Changes stored PINs.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateTokens<'a> {
    pub(crate) resource_access_token_updates: &'a [TokenUpdate<'a>],
}

/// New content of a stored PIN. Reservation, resource and serial number cannot be changed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TokenUpdate<'a> {
    pub(crate) resource_access_token_id: &'a VendorId,
    #[serde(serialize_with = "set_secret")]
    pub(crate) value: &'a SecretString,
    #[serde(serialize_with = "set_instant")]
    pub(crate) validity_start_utc: DateTime<Utc>,
    #[serde(serialize_with = "set_instant")]
    pub(crate) validity_end_utc: DateTime<Utc>,
    pub(crate) permissions: Permissions,
}

/// Deletes stored PINs.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteTokens<'a> {
    pub(crate) ids: &'a [VendorId],
}

/// Where a PIN opens, as Mews notes it: four update values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the four permissions are Mews's"
)]
pub(crate) struct Permissions {
    #[serde(serialize_with = "set_flag")]
    pub(crate) bed: bool,
    #[serde(serialize_with = "set_flag")]
    pub(crate) room: bool,
    #[serde(serialize_with = "set_flag")]
    pub(crate) floor: bool,
    #[serde(serialize_with = "set_flag")]
    pub(crate) building: bool,
}

/// A member that is set, as against one that is cleared or left alone.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Set<T> {
    value: T,
}

fn secret<S: Serializer>(value: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value.expose_secret())
}

fn set_secret<S: Serializer>(value: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    let value = value.expose_secret();
    Set { value }.serialize(to)
}

fn set_instant<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    let value = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    Set { value }.serialize(to)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn set_flag<S: Serializer>(value: &bool, to: S) -> Result<S::Ok, S::Error> {
    Set { value: *value }.serialize(to)
}
