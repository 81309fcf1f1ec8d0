//! Webhooks: what Mews delivers becomes hints where to look again.
//!
//! Mews sends two kinds, to one address per application (Mews documentation, `events/wh-faq.md`):
//! general webhooks say which reservations and resources of a property changed, integration webhooks
//! what became of our connection to one. There is no signature: whoever learns the address can send
//! them, so nothing but identifiers is taken from either.

use crate::Mews;
use crate::wire::{Bad, Told};
use portal_interface::{AdapterError, Hint, Hooks, Look, VendorId};
use std::collections::HashSet;

const NO_GUID: &str = "is no GUID";

impl Hooks for Mews {
    fn read(&self, body: &[u8]) -> Result<Vec<Hint>, AdapterError> {
        Ok(Delivery::read(body)?.hints)
    }
}

/// What comes of a delivery.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) hints: Vec<Hint>,
    /// What gives no hint, and why.
    pub(crate) passed: Vec<Bad>,
    /// Paths of the secrets it carries, which are never read.
    pub(crate) secrets: Vec<String>,
}

impl Delivery {
    /// Reads a body. Only what is no JSON is an error.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Bad> {
        let told = Told::read(body)?;
        let mut delivery = match told.member("Action").text() {
            Some(action) => {
                let read = integration(action, told.member("Data"));
                Self::of(read.map(|hint| vec![hint]))
            }
            None => general(&told),
        };
        for (place, object) in [("", &told), ("Data.", told.member("Data"))] {
            let paths = object.secrets().map(|name| format!("{place}{name}"));
            delivery.secrets.extend(paths);
        }
        Ok(delivery)
    }

    fn of(read: Result<Vec<Hint>, Bad>) -> Self {
        let (hints, passed) = match read {
            Ok(hints) => (hints, Vec::new()),
            Err(bad) => (Vec::new(), vec![bad]),
        };
        Self {
            hints,
            passed,
            secrets: Vec::new(),
        }
    }
}

/// What one event of a general webhook asks to look at.
enum Event {
    Reservation(VendorId),
    Rooms,
}

/// A general webhook (Mews documentation, `events/wh-general.md`).
fn general(told: &Told) -> Delivery {
    let Some(account) = told.member("EnterpriseId").id() else {
        return Delivery::of(Err(Bad::new("EnterpriseId", NO_GUID)));
    };
    let Some(events) = told.member("Events").items() else {
        return Delivery::of(Err(Bad::new("Events", "is no list")));
    };
    let mut seen = HashSet::new();
    let mut reservations = Vec::new();
    let mut rooms = false;
    let mut passed = Vec::new();
    for (index, item) in events.iter().enumerate() {
        match event(item) {
            Ok(Event::Reservation(id)) => {
                if seen.insert(id.clone()) {
                    reservations.push(id);
                }
            }
            Ok(Event::Rooms) => rooms = true,
            Err((member, why)) => passed.push(Bad::new(format!("Events[{index}]{member}"), why)),
        }
    }
    let reservations = (!reservations.is_empty()).then_some(Look::Reservations(reservations));
    let rooms = rooms.then_some(Look::Rooms);
    let connection = told.member("IntegrationId").id();
    let hint = |look| Hint {
        account: Some(account.clone()),
        connection: connection.clone(),
        look,
    };
    Delivery {
        hints: reservations.into_iter().chain(rooms).map(hint).collect(),
        passed,
        secrets: Vec::new(),
    }
}

/// One event, or which member of it leads nowhere and why.
///
/// Events that lead nowhere: customers, as Portal keeps no identifier of theirs and a changed name
/// changes the reservation; blocks, which open no door; messages and payments.
fn event(event: &Told) -> Result<Event, (&'static str, &'static str)> {
    match event.member("Discriminator").text() {
        // In theory any order of a service; what is no reservation is not found by its id.
        Some("ServiceOrderUpdated") => {
            let id = event.member("Value").member("Id").id();
            id.map(Event::Reservation).ok_or((".Value.Id", NO_GUID))
        }
        Some("ResourceUpdated") => Ok(Event::Rooms),
        Some(_) => Err((
            ".Discriminator",
            "names an event that changes no reservation and no room",
        )),
        None => Err((".Discriminator", "is no text")),
    }
}

/// An integration webhook (Mews documentation, `events/wh-integration.md`): whatever became of the
/// connection, the credentials are to be tried. All but `IntegrationCreated` name the connection
/// alone, not the property.
fn integration(action: &str, data: &Told) -> Result<Hint, Bad> {
    let names_account = match action {
        "IntegrationCreated" => true,
        "IntegrationEnabled"
        | "IntegrationDisabled"
        | "IntegrationCanceled"
        | "IntegrationReinstated"
        | "IntegrationDeleted"
        | "IntegrationApiKeyCreated" => false,
        _ => return Err(Bad::new("Action", "is none that Portal knows")),
    };
    let account = data.member("Enterprise").member("Id").id();
    let account = account.filter(|_| names_account);
    if names_account && account.is_none() {
        return Err(Bad::new("Data.Enterprise.Id", NO_GUID));
    }
    let connection = data.member("Integration").member("Id").id();
    if account.is_none() && connection.is_none() {
        return Err(Bad::new("Data.Integration.Id", NO_GUID));
    }
    Ok(Hint {
        account,
        connection,
        look: Look::Credentials,
    })
}
