//! Reads payloads aloud, with the readers the adapter itself reads with.
//!
//! Secrets are not shown: PINs, the serial numbers of cards, and access tokens in webhooks. That one
//! is there is shown as [`SET`].

mod tell;

use crate::hooks::Delivery;
use crate::wire::{
    self, AskAssignments, AskCategories, AskCompanionships, AskCustomers, AskReservations,
    AskResources, AskServices, AskTokens, Bad, Configuration, Entry, List, Page,
};
use portal_interface::{Decode, Kind, LARGEST_ANSWER, Undecoded};
use serde_json::{Map, Value, json};
use tell::{Tell, tell_configuration, tell_hint};

/// What comes of a bad item where only the whole list means something.
const WHOLE: &str = "Portal takes nothing from this answer while an item in it cannot be read.";
/// What comes of a bad item elsewhere.
const REST: &str = "Portal goes on without the items set aside. What it knew of them stays.";
/// Stands where a secret does.
const SET: &str = "<set>";

/// Payloads of Mews's, read aloud.
#[derive(Debug, Clone, Copy, Default)]
pub struct Payloads;

type Reader = fn(&[u8]) -> Result<Value, Bad>;

/// Every kind, what it is at Mews, and how it is read.
const KINDS: &[(&str, &str, Reader)] = &[
    (
        "configuration",
        "answer of configuration/get",
        configuration,
    ),
    ("services", "answer of services/getAll", list::<AskServices>),
    (
        "resource-categories",
        "answer of resourceCategories/getAll",
        list::<AskCategories<'_>>,
    ),
    (
        "resource-category-assignments",
        "answer of resourceCategoryAssignments/getAll",
        list::<AskAssignments<'_>>,
    ),
    (
        "resources",
        "answer of resources/getAll",
        list::<AskResources>,
    ),
    (
        "reservations",
        "answer of reservations/getAll/2023-06-06",
        list::<AskReservations<'_>>,
    ),
    (
        "customers",
        "answer of customers/getAll",
        list::<AskCustomers<'_>>,
    ),
    (
        "companionships",
        "answer of companionships/getAll",
        list::<AskCompanionships<'_>>,
    ),
    (
        "resource-access-tokens",
        "answer of resourceAccessTokens/getAll",
        list::<AskTokens<'_>>,
    ),
    (
        "resource-access-token-added",
        "answer of resourceAccessTokens/add",
        added,
    ),
    (
        "webhook",
        "what Mews delivers, general and integration webhooks",
        webhook,
    ),
];

impl Decode for Payloads {
    fn kinds(&self) -> Vec<Kind> {
        let kind = |&(name, about, _): &(_, _, Reader)| Kind { name, about };
        KINDS.iter().map(kind).collect()
    }

    fn decode(&self, kind: &str, payload: &[u8]) -> Result<Value, Undecoded> {
        let found = KINDS.iter().find(|(name, ..)| *name == kind);
        let (.., read) = found.ok_or(Undecoded::Kind)?;
        if payload.len() > LARGEST_ANSWER {
            return Err(Undecoded::TooLarge);
        }
        read(payload).map_err(|Bad { at, why }| Undecoded::Unreadable { at, why })
    }
}

fn configuration(payload: &[u8]) -> Result<Value, Bad> {
    let body = wire::root(payload)?;
    Ok(tell_configuration(&Configuration::read(&body)?))
}

fn list<L>(payload: &[u8]) -> Result<Value, Bad>
where
    L: List,
    L::Entry: Tell,
{
    // As if no items had been asked for, any page may have a next one: then its position is told.
    let page = Page::read(wire::root(payload)?, L::ITEMS, L::MAY_BE_NULL, 0)?;
    let entries = wire::entries::<L>(&page.items);
    let items: Vec<Value> = entries.read.iter().map(Tell::tell).collect();
    let aside = entries.aside.iter().map(|aside| {
        let mut told = tell_bad(&aside.bad);
        told["id"] = json!(aside.id);
        told
    });
    let aside: Vec<Value> = aside.collect();
    let mut told = Map::new();
    told.insert("operation".to_owned(), json!(L::OPERATION));
    if !aside.is_empty() {
        let consequence = if L::Entry::WHOLE { WHOLE } else { REST };
        told.insert("consequence".to_owned(), json!(consequence));
    }
    told.insert("items".to_owned(), json!(items));
    told.insert("setAside".to_owned(), json!(aside));
    told.insert("position".to_owned(), json!(page.next));
    Ok(Value::Object(told))
}

fn added(payload: &[u8]) -> Result<Value, Bad> {
    let body = wire::root(payload)?;
    let added = wire::added(&body)?.into_iter().map(|added| {
        json!({
            "id": added.id,
            "reservation": added.reservation,
        })
    });
    Ok(json!({ "added": added.collect::<Vec<_>>() }))
}

fn webhook(payload: &[u8]) -> Result<Value, Bad> {
    let delivery = Delivery::read(payload)?;
    let hints: Vec<Value> = delivery.hints.iter().map(tell_hint).collect();
    let passed: Vec<Value> = delivery.passed.iter().map(tell_bad).collect();
    let secrets = delivery.secrets.into_iter().map(|at| (at, json!(SET)));
    let secrets: Map<String, Value> = secrets.collect();
    Ok(json!({ "hints": hints, "setAside": passed, "secrets": secrets }))
}

fn tell_bad(bad: &Bad) -> Value {
    json!({ "at": bad.at, "why": bad.why })
}
