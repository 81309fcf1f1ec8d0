//! Reservations and the people in them.

use super::entry::Entry;
use super::item::{Bad, Item, shown};
use portal_interface::{Reservation, ReservationState, VendorId};

/// A reservation and what leads to the rest of it.
#[derive(Debug)]
pub(crate) struct Stay {
    /// Complete but for the guest's name.
    pub(crate) reservation: Reservation,
    pub(crate) service: Option<VendorId>,
    pub(crate) category: Option<VendorId>,
    pub(crate) owner: Owner,
}

/// Who owns a reservation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A guest.
    Customer(VendorId),
    /// A company. It is not a guest; those who stay are its companions.
    Company,
    /// Nobody that can be read.
    Nobody,
}

impl Entry for Stay {
    const WHOLE: bool = false;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        item.must_be_object()?;
        let id = item.id("Id")?;
        let raw_state = item.maybe_text("State")?.unwrap_or_default();
        let reason = item.maybe_text("CancellationReason").ok().flatten();
        let starts_at = item.instant("ScheduledStartUtc")?;
        let ends_at = item.instant("ScheduledEndUtc")?;
        if ends_at < starts_at {
            // No keychain can be valid from its end to its start.
            return Err(item.bad("ScheduledEndUtc", "is before ScheduledStartUtc"));
        }
        let reservation = Reservation {
            number: item
                .loose_text("Number")?
                .unwrap_or_else(|| id.as_str().to_owned()),
            id,
            state: state(raw_state, reason),
            raw_state: shown(raw_state),
            room: item.maybe_id("AssignedResourceId")?,
            starts_at,
            ends_at,
            actual_start: item.maybe_instant("ActualStartUtc")?,
            actual_end: item.maybe_instant("ActualEndUtc")?,
            guest: None,
            guest_name: None,
            updated_at: item.maybe_instant("UpdatedUtc")?,
        };
        // What only leads to a name or a kind is no reason to set a stay aside.
        let look_up = |name| item.maybe_id(name).ok().flatten();
        let is_company = item.maybe_text("AccountType") == Ok(Some("Company"));
        Ok(Self {
            reservation,
            service: look_up("ServiceId"),
            category: look_up("RequestedResourceCategoryId"),
            owner: match look_up("AccountId") {
                _ if is_company => Owner::Company,
                Some(id) => Owner::Customer(id),
                None => Owner::Nobody,
            },
        })
    }
}

fn state(raw: &str, reason: Option<&str>) -> ReservationState {
    match raw {
        "Inquired" | "Requested" | "Optional" => ReservationState::Tentative,
        "Confirmed" => ReservationState::Confirmed,
        "Started" => ReservationState::CheckedIn,
        "Processed" => ReservationState::CheckedOut,
        "Canceled" if reason == Some("NoShow") => ReservationState::NoShow,
        "Canceled" => ReservationState::Canceled,
        _ => ReservationState::Unknown,
    }
}

/// A guest's profile, of which only a name is read.
pub(crate) struct Customer {
    pub(crate) id: VendorId,
    pub(crate) name: Option<String>,
}

impl Entry for Customer {
    const WHOLE: bool = false;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        let id = item.id("Id")?;
        let part = |name| item.maybe_text(name).ok().flatten();
        let words = [part("FirstName"), part("LastName")];
        let words = words
            .iter()
            .flatten()
            .flat_map(|part| part.split_whitespace());
        let name = shown(&words.collect::<Vec<_>>().join(" "));
        Ok(Self {
            id,
            name: Some(name).filter(|name| !name.is_empty()),
        })
    }
}

/// That a guest stays on a reservation.
pub(crate) struct Companionship {
    pub(crate) customer: VendorId,
    /// `None`: on its group only.
    pub(crate) reservation: Option<VendorId>,
}

impl Entry for Companionship {
    const WHOLE: bool = false;

    fn read(item: &Item<'_>) -> Result<Self, Bad> {
        Ok(Self {
            customer: item.id("CustomerId")?,
            reservation: item.maybe_id("ReservationId")?,
        })
    }
}
