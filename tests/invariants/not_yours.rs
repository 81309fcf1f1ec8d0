//! INV-21: whatever takes an identifier, asked by the owner of another property, answers about what
//! is there as about what is not, and changes nothing. The fields are those of the schema itself.

use super::schema::{Operation, Place, Schema, with_variable};
use crate::harness::{Caller, Hotel, Portal, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::Duration;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ALL: &str = "query($id: ID!) { viewer { memberships { id } } property(id: $id) { organization { id }
    rooms { nodes { id } } devices { nodes { id } } spaces { nodes { id name } }
    integrations(category: PMS) { nodes { id } } problems { nodes { id } } quarantinedJobs { nodes { id } }
    keychains { nodes { id pin { id } reservation { id } pmsCopy { id } doors { devicePins { id } } } } } }";

/// A property with one of everything, and the identifiers by what they name.
struct House<'a> {
    hotel: Hotel<'a>,
    ids: BTreeMap<&'static str, String>,
}

async fn furnish<'a>(portal: &'a Portal, name: &str) -> House<'a> {
    let hotel = portal.house(name, &["101"]).await;
    hotel.add_space("Gate", "COMMON_AREA").await;
    hotel.install("Gate", "Lock Gate").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    hotel.give_up("31").await;
    portal.settle().await;
    let plan = "mutation($room: ID!) { planCreate(input: {change: {roomUnmap: $room}}) {
        plan { id } userErrors { code } } }";
    let room = hotel.room("101").await;
    let plan = hotel.ask(plan, json!({ "room": room })).await;
    let plan = text(&plan["planCreate"]["plan"]["id"]);
    let all = hotel.ask(ALL, json!({ "id": hotel.id })).await;
    let at = |path: &str| text(all.pointer(path).unwrap_or(&Value::Null));
    let of = |path: &str| at(&format!("/property/{path}"));
    let keychain = |path: &str| of(&format!("keychains/nodes/0/{path}"));
    let gate = hotel.space("Gate").await;
    let main = hotel.space("Room 101").await;
    let ids = BTreeMap::from([
        ("property", hotel.id.clone()),
        ("organization", of("organization/id")),
        ("membership", at("/viewer/memberships/0/id")),
        ("integration", of("integrations/nodes/0/id")),
        ("room", room),
        ("space", main.clone()),
        ("mainSpace", main),
        ("linkedSpace", gate),
        ("device", of("devices/nodes/0/id")),
        ("problem", of("problems/nodes/0/id")),
        ("job", of("quarantinedJobs/nodes/0/id")),
        ("reservation", keychain("reservation/id")),
        ("keychain", keychain("id")),
        ("pin", keychain("pin/id")),
        ("pinPush", keychain("pmsCopy/id")),
        ("devicePin", keychain("doors/0/devicePins/0/id")),
        ("plan", plan),
    ]);
    for (kind, id) in &ids {
        assert!(!id.is_empty(), "{name} has no {kind}");
    }
    House { hotel, ids }
}

/// What an argument of this name may name.
fn kinds_of(name: &str, house: &House<'_>) -> Vec<&'static str> {
    match name {
        "id" | "ids" => house.ids.keys().copied().collect(),
        "deviceRemove" => vec!["device"],
        "integrationDisconnect" | "integrationReconnect" => vec!["integration"],
        "roomUnmap" => vec!["room"],
        "spaces" => vec!["space"],
        // An argument that is new: say what it names.
        name => vec![*house.ids.get_key_value(name).expect(name).0],
    }
}

/// The same kind of identifier with a row, and if asked a property, that nobody has.
fn unknown(id: &str, here: Option<&str>, n: u8) -> String {
    let decoded = |id: &str| BASE64.decode(id).expect("an identifier");
    let mut bytes = decoded(id);
    let row = bytes.len() - 16;
    for byte in &mut bytes[row..] {
        *byte ^= 0x5a ^ n;
    }
    if let (33, Some(here)) = (bytes.len(), here) {
        bytes[1..17].copy_from_slice(&decoded(here)[1..17]);
    }
    BASE64.encode(bytes)
}

/// Everything that could have changed.
async fn state(houses: [&House<'_>; 2]) -> Value {
    let portal = houses[0].hotel.portal;
    let mut conn = portal.env.db.read().await.expect("a connection");
    let jobs = portal_store::job::all(&mut conn).await.expect("the jobs");
    let mut all = vec![json!(format!("{jobs:?}"))];
    for house in houses {
        let property = house.hotel.property;
        let row = portal_store::property::by_id(&mut conn, property).await;
        let row = row.expect("an answer").expect("the house");
        let audit = portal_store::audit::all(&mut conn, row.organization_id).await;
        all.push(json!(audit.expect("the log").len()));
        all.push(json!(format!("{row:?}")));
    }
    all.push(json!(portal.mews.calls()));
    all.push(json!(portal.locks.calls()));
    json!(all)
}

/// What the property is to its owner, field by field.
async fn seen(schema: &Schema, house: &House<'_>) -> String {
    let mut all = String::new();
    for field in schema.fields("Property") {
        let name = field["name"].as_str().expect("a name");
        if matches!(name, "explainAccess" | "lockForecast" | "arrivals") {
            continue;
        }
        let [operation] = &schema.operations("query", "property(id: $house) { @ }", field)[..]
        else {
            continue;
        };
        let document = with_variable(&operation.document, "$house: ID!");
        let answer = house
            .hotel
            .ask(&document, json!({ "house": house.hotel.id }));
        all += &answer.await.to_string();
    }
    all
}

/// The arguments with these identifiers.
fn filled(operation: &Operation, ids: &[(&Place, &str)]) -> Value {
    let mut variables = operation.variables.clone();
    for (place, id) in ids {
        *variables.pointer_mut(&place.path).expect("a place") = json!(id);
    }
    variables
}

/// Which places name something that is not the caller's: each alone, then all.
fn choices(places: usize) -> Vec<Vec<bool>> {
    let alone = (0..places).map(|n| (0..places).map(|m| m == n).collect());
    let mut all: BTreeSet<Vec<bool>> = alone.collect();
    all.insert(vec![true; places]);
    all.into_iter().collect()
}

struct Asker<'a> {
    mine: &'a House<'a>,
    theirs: &'a House<'a>,
    caller: Caller,
    /// How often something was asked.
    asked: u8,
    compared: u32,
    /// Where what is theirs looks otherwise than what is not there.
    differences: Vec<String>,
}

impl Asker<'_> {
    async fn ask(&mut self, document: &str, mut variables: Value) -> Value {
        self.asked = self.asked.wrapping_add(1);
        if document.contains("$house") {
            variables["house"] = json!(self.mine.hotel.id);
        }
        if !document.starts_with("subscription") {
            return self.caller.answer(document, variables).await;
        }
        let mut socket = self.caller.socket().await;
        socket.ask(document, variables).await;
        socket.hear().await
    }

    /// Asks about what is theirs and about what is not there. The answers are alike, and refuse.
    async fn compare(&mut self, operation: &Operation, foreign: &[bool], kinds: &[&'static str]) {
        let places = || operation.places.iter().zip(kinds).zip(foreign);
        let theirs: Vec<(&Place, &str)> = places()
            .map(|((place, kind), foreign)| {
                let house = if *foreign { self.theirs } else { self.mine };
                (place, house.ids[kind].as_str())
            })
            .collect();
        let variables = filled(operation, &theirs);
        // What is counted by the minute begins anew.
        self.mine.hotel.portal.clock.advance(Duration::seconds(61));
        self.compared += 1;
        if self.compared.is_multiple_of(4) {
            self.caller = self.mine.hotel.sign_in().await;
        }
        let about_theirs = masked(&self.ask(&operation.document, variables).await, &theirs);
        for here in [
            Some(self.mine.hotel.id.as_str()),
            Some(self.theirs.hotel.id.as_str()),
            None,
        ] {
            let made: Vec<String> = places()
                .map(|((_, kind), foreign)| {
                    if *foreign {
                        unknown(&self.theirs.ids[kind], here, self.asked)
                    } else {
                        self.mine.ids[kind].clone()
                    }
                })
                .collect();
            let ids = operation.places.iter().zip(&made);
            let ids: Vec<(&Place, &str)> = ids.map(|(place, id)| (place, id.as_str())).collect();
            let answer = self.ask(&operation.document, filled(operation, &ids)).await;
            let told = format!("{} {kinds:?} {foreign:?}", operation.document);
            let about_nothing = masked(&answer, &ids);
            if about_nothing != about_theirs {
                self.differences
                    .push(format!("{told}: {about_theirs}, but {about_nothing}"));
            }
        }
        if operation.document.starts_with("mutation") {
            let data = &about_theirs["data"].as_object().expect("an answer");
            let errors = data.values().next().map(|payload| &payload["userErrors"]);
            let refused = errors.and_then(Value::as_array).map(Vec::len);
            assert_ne!(refused, Some(0), "{}: {about_theirs}", operation.document);
            assert_ne!(refused, None, "{}: {about_theirs}", operation.document);
        }
    }
}

/// The answer without what was asked about and the request's own number.
fn masked(answer: &Value, ids: &[(&Place, &str)]) -> Value {
    let mut answer = answer.clone();
    for path in [
        "/errors/0/extensions/requestId",
        "/payload/0/extensions/requestId",
    ] {
        if let Some(number) = answer.pointer_mut(path) {
            *number = Value::Null;
        }
    }
    let mut text = answer.to_string();
    for (_, id) in ids {
        text = text.replace(id, "ID");
    }
    serde_json::from_str(&text).expect("JSON")
}

/// Every field there is that takes an identifier.
fn operations(schema: &Schema) -> Vec<Operation> {
    let mut all = Vec::new();
    for of in schema.objects() {
        let (kind, around) = match of {
            "Query" => ("query", "@"),
            "Mutation" => ("mutation", "@"),
            "Subscription" => ("subscription", "@"),
            "Property" => ("query", "property(id: $house) { @ }"),
            "Viewer" => ("query", "viewer { @ }"),
            _ => ("", ""),
        };
        for field in schema
            .fields(of)
            .iter()
            .filter(|field| schema.takes_id(field))
        {
            // One on another type: say how to come there.
            assert_ne!(kind, "", "{of}.{}", field["name"]);
            let mut found = schema.operations(kind, around, field);
            if of == "Property" {
                for operation in &mut found {
                    operation.document = with_variable(&operation.document, "$house: ID!");
                }
            }
            all.extend(found);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_takes_an_identifier_finds_nothing_of_another_property() {
    let portal = Portal::start_unlimited().await;
    let (theirs, mine) = (
        furnish(&portal, "Borealis").await,
        furnish(&portal, "Aurora").await,
    );
    let schema = Schema::of(&mine.hotel.sign_in().await).await;
    let operations = operations(&schema);
    // They are there for whoever they belong to.
    let node = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }";
    let ids: Vec<&String> = theirs.ids.values().collect();
    let found = theirs.hotel.ask(node, json!({ "ids": ids })).await;
    let nodes = found["nodes"].as_array().expect("a list").iter();
    let unseen: Vec<_> = theirs
        .ids
        .keys()
        .zip(nodes)
        .filter(|(_, node)| node.is_null())
        .collect();
    assert_eq!(unseen, Vec::<(&&str, &Value)>::new());
    let before = [seen(&schema, &theirs).await, seen(&schema, &mine).await];
    let mut asker = Asker {
        mine: &mine,
        theirs: &theirs,
        caller: mine.hotel.sign_in().await,
        asked: 0,
        compared: 0,
        differences: Vec::new(),
    };
    let mut fields = BTreeSet::new();
    for operation in &operations {
        let was = state([&mine, &theirs]).await;
        let (first, rest) = operation.places.split_first().expect("an identifier");
        for kind in kinds_of(&first.name, &mine) {
            let mut kinds = vec![kind];
            kinds.extend(rest.iter().map(|place| kinds_of(&place.name, &mine)[0]));
            for foreign in choices(operation.places.len()) {
                asker.compare(operation, &foreign, &kinds).await;
            }
        }
        let is = state([&mine, &theirs]).await;
        assert_eq!(is, was, "{}", operation.document);
        fields.insert(operation.document.clone());
    }
    let after = [seen(&schema, &theirs).await, seen(&schema, &mine).await];
    assert_eq!(after, before);
    assert!(asker.differences.is_empty(), "{:#?}", asker.differences);
    println!("{} fields in {} ways", fields.len(), operations.len());
    assert!(fields.len() >= 35, "{}", fields.len());
}
