//! The fake's memory, and what staff of a hotel do to it.

use super::booking::NewRoom;
use super::fault::{Faults, Scripted};
use super::hook::{IntegrationEvent, Outbox};
use super::model::{
    AccessToken, Assignment, Category, Companionship, Customer, Enterprise, Reservation, Resource,
    Service, StoredPin,
};
use chrono::{DateTime, SubsecRound, Utc};
use portal_interface::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// What a command named and the fake does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub(super) &'static str);

pub(super) type Done<T = ()> = Result<T, Missing>;

/// All that a fake Mews knows. Lists are in the order of creation: answers run backwards.
#[derive(Default)]
pub(super) struct State {
    pub(super) enterprises: Vec<Enterprise>,
    pub(super) access_tokens: BTreeMap<String, AccessToken>,
    pub(super) services: Vec<Service>,
    pub(super) categories: Vec<Category>,
    pub(super) resources: Vec<Resource>,
    pub(super) assignments: Vec<Assignment>,
    pub(super) reservations: Vec<Reservation>,
    pub(super) customers: Vec<Customer>,
    pub(super) companionships: Vec<Companionship>,
    pub(super) pins: Vec<StoredPin>,
    /// Whether changes of reservations are noted nowhere.
    pub(super) quiet: bool,
    /// The secret expected of the application in place of the first.
    pub(super) client_token: Option<SecretString>,
    pub(super) faults: Faults,
    /// What every request is answered with instead.
    pub(super) script: Option<Scripted>,
    /// Whether a test gave an identifier that is none of Mews's.
    pub(super) has_odd_ids: bool,
    pub(super) outbox: Outbox,
    /// Requests so far, by operation.
    pub(super) calls: BTreeMap<String, u32>,
    /// Those that kept to the contract, by operation and filters.
    pub(super) asked: BTreeMap<String, u32>,
    /// Requests that broke the contract.
    pub(super) refused: Vec<String>,
    /// Answers of ours that broke it.
    pub(super) mismatches: Vec<String>,
    /// When each token was used lately.
    pub(super) uses: BTreeMap<String, VecDeque<Instant>>,
    /// The most requests a token ever made within the time in which they are counted.
    pub(super) busiest: usize,
}

/// A new identifier, as Mews writes them.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl State {
    pub(super) fn add_enterprise(&mut self, name: &str, zone: &str, now: DateTime<Utc>) -> String {
        let id = new_id();
        let mut add_service = |name, is_bookable| {
            let service = Service {
                id: new_id(),
                enterprise: id.clone(),
                name,
                is_bookable,
                created: now.trunc_subsecs(0),
            };
            let id = service.id.clone();
            self.services.push(service);
            id
        };
        add_service("Restaurant", false);
        let stay_service = add_service("Stay", true);
        let parking_service = add_service("Parking", true);
        self.enterprises.push(Enterprise {
            id: id.clone(),
            chain: new_id(),
            name: name.to_owned(),
            zone: zone.to_owned(),
            created: now.trunc_subsecs(0),
            allows_pins: true,
            integration: new_id(),
            is_connected: true,
            stay_service,
            parking_service,
            booked: 0,
        });
        id
    }

    /// A property, given its identifier or its name.
    pub(super) fn enterprise(&mut self, key: &str) -> Done<&mut Enterprise> {
        let mut all = self.enterprises.iter_mut();
        all.find(|enterprise| enterprise.id == key || enterprise.name == key)
            .ok_or(Missing("enterprise"))
    }

    pub(super) fn enterprise_id(&self, key: &str) -> Done<String> {
        let mut all = self.enterprises.iter();
        let found = all.find(|enterprise| enterprise.id == key || enterprise.name == key);
        found
            .map(|found| found.id.clone())
            .ok_or(Missing("enterprise"))
    }

    /// Lets a token open properties; a new one when none is given.
    pub(super) fn add_access_token(
        &mut self,
        enterprises: &[&str],
        is_portfolio: bool,
        token: Option<&str>,
    ) -> Done<SecretString> {
        for id in enterprises {
            self.enterprise(id)?;
        }
        // In the shape of Mews's own, which nobody may rely on.
        let made = || {
            let half = || uuid::Uuid::new_v4().simple().to_string().to_uppercase();
            format!("{}-{}", half(), &half()[1..])
        };
        let token = token.map_or_else(made, ToOwned::to_owned);
        let enterprises = enterprises.iter().map(|&id| id.to_owned()).collect();
        let opens = AccessToken {
            enterprises,
            is_portfolio,
        };
        self.access_tokens.insert(token.clone(), opens);
        Ok(token.into())
    }

    pub(super) fn add_portfolio_token(&mut self, enterprises: &[&str]) -> Done<SecretString> {
        let ids = enterprises.iter().map(|key| self.enterprise_id(key));
        let ids = ids.collect::<Done<Vec<String>>>()?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.add_access_token(&ids, true, None)
    }

    /// Takes the tokens of one property away; those of a portfolio stay.
    pub(super) fn revoke_tokens(&mut self, enterprise: &str) -> Done {
        let id = self.enterprise_id(enterprise)?;
        self.access_tokens
            .retain(|_, token| token.is_portfolio || !token.enterprises.contains(&id));
        Ok(())
    }

    pub(super) fn regenerate_token(&mut self, enterprise: &str) -> Done<SecretString> {
        self.revoke_tokens(enterprise)?;
        let id = self.enterprise_id(enterprise)?;
        let token = self.add_access_token(&[&id], false, None)?;
        let told = Some(token.expose_secret());
        self.tell_integration(&id, IntegrationEvent::ApiKeyCreated, told)?;
        Ok(token)
    }

    /// The category of that type in a property, made when it is the first of its type.
    pub(super) fn category(&mut self, enterprise: &str, kind: &str) -> Done<String> {
        let known =
            |category: &&Category| category.enterprise == enterprise && category.kind == kind;
        if let Some(category) = self.categories.iter().find(known) {
            return Ok(category.id.clone());
        }
        let at = self.enterprise(enterprise)?;
        let is_parking = matches!(kind, "ParkingSpot" | "Bike");
        let service = if is_parking {
            &at.parking_service
        } else {
            &at.stay_service
        };
        let category = Category {
            id: new_id(),
            enterprise: enterprise.to_owned(),
            service: service.clone(),
            kind: kind.to_owned(),
        };
        let id = category.id.clone();
        self.categories.push(category);
        Ok(id)
    }

    pub(super) fn add_room(
        &mut self,
        enterprise: &str,
        room: &NewRoom,
        now: DateTime<Utc>,
    ) -> Done<String> {
        let enterprise = &self.enterprise_id(enterprise)?;
        let parent = room.parent.as_deref();
        let parent = parent
            .map(|parent| self.room(enterprise, parent))
            .transpose()?;
        let now = now.trunc_subsecs(0);
        let resource = Resource {
            id: new_id(),
            enterprise: enterprise.clone(),
            name: room.name.clone(),
            is_active: true,
            is_object: parent.is_some(),
            parent,
            created: now,
            updated: now,
        };
        let id = resource.id.clone();
        self.resources.push(resource);
        self.tell(enterprise, "ResourceUpdated", &id);
        if let Some(kind) = &room.category {
            let category = self.category(enterprise, kind)?;
            self.assignments.push(Assignment {
                id: new_id(),
                enterprise: enterprise.clone(),
                resource: id.clone(),
                category,
                created: now,
            });
        }
        Ok(id)
    }

    /// Gives a room another identifier.
    pub(super) fn renumber_room(&mut self, room: &str, id: &str) {
        for resource in &mut self.resources {
            if resource.id == room {
                id.clone_into(&mut resource.id);
            }
        }
        for assignment in &mut self.assignments {
            if assignment.resource == room {
                id.clone_into(&mut assignment.resource);
            }
        }
        self.has_odd_ids = true;
    }

    /// The identifier of a room, given that or its name.
    pub(super) fn room(&self, enterprise: &str, room: &str) -> Done<String> {
        let enterprise = self.enterprise_id(enterprise)?;
        let mut here = self
            .resources
            .iter()
            .filter(|resource| resource.enterprise == enterprise);
        let found = here.find(|resource| resource.id == room || resource.name == room);
        found.map(|found| found.id.clone()).ok_or(Missing("room"))
    }

    pub(super) fn change_room(
        &mut self,
        enterprise: &str,
        room: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Resource),
    ) -> Done {
        let id = self.room(enterprise, room)?;
        if let Some(resource) = self.resources.iter_mut().find(|resource| resource.id == id) {
            change(resource);
            resource.updated = now.trunc_subsecs(0);
            let enterprise = resource.enterprise.clone();
            self.tell(&enterprise, "ResourceUpdated", &id);
        }
        Ok(())
    }
}
