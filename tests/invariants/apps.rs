//! INV-30: whatever belongs to the Apps tab is for owners and general managers: no other role and no
//! program, whatever it may do otherwise, reads or does any of it. What belongs to it is looked up in
//! the schema, where each field of an integration has to be on one of two lists.

use super::chance;
use super::schema::{Operation, Schema, with_variable};
use crate::harness::{Caller, Hotel, Portal, shown, text};
use portal::admin::create_key;
use portal_domain::{Permission, Role};
use portal_store::api_key::{self, NewApiKey};
use rand::RngExt;
use serde_json::{Value, json};

/// What staff at the desk see of an integration: what it is and how it stands.
const OPEN: [&str; 12] = [
    "app",
    "capabilities",
    "comparedAt",
    "fix",
    "id",
    "nextComparisonAt",
    "property",
    "status",
    "statusMessage",
    "statusReason",
    "statusSince",
    "sync",
];
/// What belongs to the Apps tab.
const CLOSED: [&str; 7] = [
    "account",
    "candidate",
    "credential",
    "lastRefusedAt",
    "lastValidatedAt",
    "nextValidationAt",
    "validationAttempts",
];

/// The ways to an integration.
const WAYS: [&str; 3] = [
    "property(id: $house) { integrations(first: 1, category: PMS) { nodes { @ } } }",
    "property(id: $house) { pmsIntegration { @ } }",
    "node(id: $link) { ... on Integration { @ } }",
];

/// Everything of the Apps tab that can be asked for.
fn of_the_tab(schema: &Schema) -> Vec<Operation> {
    let mut all = Vec::new();
    for (of, kind) in [("Query", "query"), ("Mutation", "mutation")] {
        for field in schema.fields(of) {
            let name = field["name"].as_str().expect("a name");
            let found = schema.operations(kind, "@", field).into_iter();
            let is_plan = |way: &Operation| way.variables["input"]["change"].is_object();
            let of_tab = |way: &Operation| {
                way.places
                    .iter()
                    .any(|at| at.name.starts_with("integration"))
            };
            let named = name.starts_with("app") || name.starts_with("integration");
            all.extend(found.filter(|way| named || (is_plan(way) && of_tab(way))));
        }
    }
    for field in schema.fields("Integration") {
        let name = field["name"].as_str().expect("a name");
        let lists = [OPEN.contains(&name), CLOSED.contains(&name)];
        // A field that is new: say whether it belongs to the tab.
        assert_ne!(lists[0], lists[1], "Integration.{name}");
        if lists[0] {
            continue;
        }
        for way in WAYS {
            let variable = if way.contains("$link") {
                "$link: ID!"
            } else {
                "$house: ID!"
            };
            for mut operation in schema.operations("query", way, field) {
                operation.document = with_variable(&operation.document, variable);
                all.push(operation);
            }
        }
    }
    all
}

/// The same operation, about this house.
fn about(operation: &Operation, house: &str, link: &str) -> Value {
    let mut variables = operation.variables.clone();
    for place in &operation.places {
        let id = if place.name.starts_with("integration") {
            link
        } else {
            house
        };
        *variables.pointer_mut(&place.path).expect("a place") = json!(id);
    }
    if operation.document.contains("$house") {
        variables["house"] = json!(house);
    }
    if operation.document.contains("$link") {
        variables["link"] = json!(link);
    }
    variables
}

/// Whether anything is told.
fn tells(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(tells),
        Value::Array(items) => items.iter().any(tells),
        value => !value.is_null(),
    }
}

/// Everything that could have changed.
async fn state(hotel: &Hotel<'_>) -> String {
    let portal = hotel.portal;
    let mut conn = portal.env.db.read().await.expect("a connection");
    let row = portal_store::property::by_id(&mut conn, hotel.property).await;
    let organization = row.expect("an answer").expect("the house").organization_id;
    let audit = portal_store::audit::all(&mut conn, organization).await;
    let links = portal_store::integration::live(&mut conn, hotel.property).await;
    let links = links.expect("the links");
    let calls = portal.mews.calls();
    format!("{} {links:?} {calls:?}", audit.expect("the log").len())
}

/// A key somebody wrote into the database with whatever there is to be allowed.
async fn forged(portal: &Portal, hotel: &Hotel<'_>) -> Caller {
    const KEY: &str = "ptl_0123456789_written-into-the-database-by-somebody";
    /// SHA-256 of it.
    const HASH: [u8; 32] = [
        0, 61, 80, 178, 248, 48, 141, 207, 99, 15, 94, 204, 37, 34, 51, 60, 81, 236, 104, 25, 50,
        97, 120, 250, 31, 38, 54, 56, 47, 70, 27, 65,
    ];
    let now = portal.env.now();
    let new = NewApiKey {
        property: hotel.property,
        name: "Partner",
        permissions: Permission::ALL,
        prefix: "0123456789",
        hash: &HASH,
        expires_at: now + chrono::Duration::days(365),
    };
    let mut tx = portal.env.db.begin().await.expect("a transaction");
    api_key::create(&mut tx, &new, now).await.expect("a key");
    tx.commit().await.expect("a commit");
    Caller::with_key(portal.address, KEY)
}

async fn key(portal: &Portal, hotel: &Hotel<'_>, permissions: &[Permission]) -> Caller {
    let key = create_key(
        &portal.env.db,
        hotel.property,
        "Partner",
        permissions,
        portal.env.now(),
    );
    Caller::with_key(portal.address, &shown(&key.await.expect("a key")))
}

/// Everybody who may not.
async fn strangers(portal: &Portal, hotel: &Hotel<'_>) -> Vec<(String, Caller)> {
    let (mut rng, subsets, _) = chance("INV-30", 12);
    let mut all = Vec::new();
    for role in [Role::Team, Role::Housekeeping, Role::Installer] {
        all.push((role.to_string(), portal.person(hotel, role).await));
    }
    let mut sets: Vec<Vec<Permission>> = vec![Vec::new(), Permission::GRANTABLE.to_vec()];
    sets.extend(Permission::GRANTABLE.iter().map(|one| vec![*one]));
    for _ in 0..subsets {
        let mut some = Permission::GRANTABLE.to_vec();
        some.retain(|_| rng.random());
        sets.push(some);
    }
    for set in sets {
        all.push((format!("a key for {set:?}"), key(portal, hotel, &set).await));
    }
    all.push(("a forged key".to_owned(), forged(portal, hotel).await));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_owners_and_general_managers_gets_at_apps() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &[]).await;
    let schema = Schema::of(&hotel.owner).await;
    let operations = of_the_tab(&schema);
    println!("{} operations", operations.len());
    assert!(operations.len() >= 28, "{}", operations.len());
    let link = text(&hotel.integration().await["id"]);
    let was = state(&hotel).await;
    for (who, caller) in strangers(&portal, &hotel).await {
        let viewer = caller.run("{ viewer { permissions } }", json!({})).await;
        assert!(!viewer.to_string().contains("\"APPS\""), "{who}: {viewer}");
        for operation in &operations {
            let variables = about(operation, &hotel.id, &link);
            let answer = caller.answer(&operation.document, variables).await;
            let told = format!("{who}: {}: {answer}", operation.document);
            assert!(!tells(&answer["data"]), "{told}");
            let errors = answer["errors"].as_array().cloned().unwrap_or_default();
            // An object that is not the caller's to see looks like none, without an error.
            let may_be_silent = operation.document.contains("node(id: $link)");
            assert!(!errors.is_empty() || may_be_silent, "{told}");
            for error in errors {
                assert_eq!(error["extensions"]["code"], json!("FORBIDDEN"), "{told}");
            }
        }
        // Nor is an app there as an object.
        let app = "query($id: ID!) { node(id: $id) { __typename } }";
        let id = json!({ "id": "A21ld3M" });
        assert_eq!(caller.run(app, id).await["node"], Value::Null, "{who}");
    }
    assert_eq!(state(&hotel).await, was);
    // They are all there for who may.
    for role in [Role::GeneralManager, Role::Owner] {
        let person = portal.person(&hotel, role).await;
        let app = "query($id: ID!) { node(id: $id) { __typename } }";
        let id = json!({ "id": "A21ld3M" });
        assert_eq!(
            person.run(app, id).await["node"]["__typename"],
            json!("App")
        );
        for operation in &operations {
            let variables = about(operation, &hotel.id, &link);
            let answer = person.answer(&operation.document, variables).await;
            assert_eq!(
                answer["errors"],
                Value::Null,
                "{role}: {}: {answer}",
                operation.document
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_happens_to_apps_others_hear_how_they_stand_alone() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    let query = "subscription($id: ID!) { propertyEvents(property: $id, after: 0,
        kinds: [INTEGRATION_CONNECTED, INTEGRATION_CAUGHT_UP, DEVICE_INSTALLED]) { kind } }";
    for (role, first) in [
        (Role::Owner, "INTEGRATION_CONNECTED"),
        (Role::GeneralManager, "INTEGRATION_CONNECTED"),
        (Role::Team, "INTEGRATION_CAUGHT_UP"),
        (Role::Housekeeping, "DEVICE_INSTALLED"),
        (Role::Installer, "DEVICE_INSTALLED"),
    ] {
        let mut socket = portal.person(&hotel, role).await.socket().await;
        socket.ask(query, json!({ "id": hotel.id })).await;
        let told = socket.data().await["propertyEvents"]["kind"].take();
        assert_eq!(told, json!(first), "{role}");
    }
}
