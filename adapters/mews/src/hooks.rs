//! Webhooks: what Mews delivers becomes hints where to look again.
//!
//! Mews sends two kinds, to one address per application (Mews documentation, `events/wh-faq.md`):
//! general webhooks say which reservations and resources of a property changed, integration webhooks
//! what became of our connection to one. There is no signature: whoever learns the address can send
//! them, so nothing but identifiers is taken from either.

use crate::Mews;
use crate::wire::Told;
use portal_interface::{AdapterError, Hint, Hooks, Look, VendorId};
use std::collections::HashSet;

impl Hooks for Mews {
    fn read(&self, body: &[u8]) -> Result<Vec<Hint>, AdapterError> {
        let told = Told::read(body)?;
        Ok(match told.member("Action").text() {
            Some(action) => integration(action, told.member("Data"))
                .into_iter()
                .collect(),
            None => general(&told),
        })
    }
}

/// A general webhook (Mews documentation, `events/wh-general.md`).
///
/// Events that lead nowhere: customers, as Portal keeps no identifier of theirs and a changed name
/// changes the reservation; blocks, which open no door; messages and payments.
fn general(told: &Told) -> Vec<Hint> {
    let Some(account) = told.member("EnterpriseId").id() else {
        return Vec::new();
    };
    let mut seen = HashSet::new();
    let mut reservations = Vec::new();
    let mut rooms = false;
    for event in told.member("Events").items() {
        match event.member("Discriminator").text() {
            // In theory any order of a service; what is no reservation is not found by its id.
            Some("ServiceOrderUpdated") => {
                let id = event.member("Value").member("Id").id();
                reservations.extend(id.filter(|id| seen.insert(id.clone())));
            }
            Some("ResourceUpdated") => rooms = true,
            _ => {}
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
    reservations.into_iter().chain(rooms).map(hint).collect()
}

/// An integration webhook (Mews documentation, `events/wh-integration.md`): whatever became of the
/// connection, the credentials are to be tried. All but `IntegrationCreated` name the connection
/// alone, not the property.
fn integration(action: &str, data: &Told) -> Option<Hint> {
    let account: Option<VendorId> = match action {
        "IntegrationCreated" => Some(data.member("Enterprise").member("Id").id()?),
        "IntegrationEnabled"
        | "IntegrationDisabled"
        | "IntegrationCanceled"
        | "IntegrationReinstated"
        | "IntegrationDeleted"
        | "IntegrationApiKeyCreated" => None,
        _ => return None,
    };
    let connection = data.member("Integration").member("Id").id();
    (account.is_some() || connection.is_some()).then_some(Hint {
        account,
        connection,
        look: Look::Credentials,
    })
}
