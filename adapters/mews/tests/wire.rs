//! Every example, answer or webhook, and what the adapter makes of it.
//!
//! A server answers each operation with the file told to it, and with empty lists otherwise.

#![expect(
    clippy::unwrap_used,
    reason = "what cannot be had ends the test, in helpers as well"
)]

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use portal_domain::IntegrationId;
use portal_interface::{
    Account, AdapterError, Credentials, Hint, Http, OpenGate, Pms, StayPin, StayPins, SystemClock,
    VendorId,
};
use portal_mews::{Mews, Settings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
const STAY: &str = "35d4b117-4e60-44a3-9580-c582117eff98";

/// What the adapter is asked to do with an example.
#[derive(Clone, Copy)]
enum Call {
    Validate,
    Rooms,
    Fetch,
    /// Stores the PIN of the sample, or removes the sample's.
    Put(bool),
    Check,
}

/// What comes of each file: the other files served beside it, the call, and the outcome. Requests
/// that follow from what was read are part of it.
const TABLE: &[(&str, &[&str], Call, &str)] = &[
    (
        "configuration.get.response.json",
        &[],
        Call::Validate,
        r#"Ok(One(RemoteAccount { key: VendorId("851df8c8-90f2-4c4a-8e01-a4fc46b25178"), name: "Connector API Hotel", zone: Some(Europe/Budapest) }))"#,
    ),
    (
        "error.401.composed.json",
        &[],
        Call::Validate,
        "Err(Unauthorized)",
    ),
    (
        "error.429.composed.json",
        &[],
        Call::Validate,
        "Err(RateLimited { retry_after: None })",
    ),
    (
        "services.getAll.response.json",
        &[],
        Call::Rooms,
        r#"Ok([]); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]"#,
    ),
    (
        "resourceCategories.getAll.response.json",
        &["services.getAll.response.json"],
        Call::Rooms,
        r#"Ok([]); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategoryAssignments/getAll ResourceCategoryIds ["47d6b462-35ec-467e-a565-b00300781a41","5c0804f9-d03a-4b13-a57d-b00300781a41"]"#,
    ),
    (
        "resources.getAll.response.json",
        &[
            "services.getAll.response.json",
            "resourceCategories.getAll.response.json",
            "resourceCategoryAssignments.getAll.composed.response.json",
        ],
        Call::Rooms,
        // The suite's assignment is not in use.
        r#"Ok([Room { id: VendorId("1ec29188-01ca-4294-9983-fac59f85a448"), name: "101A", kind: Bed, parent: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), active: true }, Room { id: VendorId("20e00c32-d561-4008-8609-82d8aa525714"), name: "101", kind: Dorm, parent: None, active: true }]); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategoryAssignments/getAll ResourceCategoryIds ["47d6b462-35ec-467e-a565-b00300781a41","5c0804f9-d03a-4b13-a57d-b00300781a41"]"#,
    ),
    (
        "resourceCategoryAssignments.getAll.composed.response.json",
        &[
            "services.getAll.response.json",
            "resourceCategories.getAll.response.json",
        ],
        Call::Rooms,
        // What is assigned is not there.
        r#"Ok([]); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategoryAssignments/getAll ResourceCategoryIds ["47d6b462-35ec-467e-a565-b00300781a41","5c0804f9-d03a-4b13-a57d-b00300781a41"]"#,
    ),
    (
        "reservations.getAll.2023-06-06.response.json",
        &[],
        Call::Fetch,
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("0f515589-99b4-423d-b83a-b237009f0509"), number: "52", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest: Some(VendorId("fadd5bb6-b428-45d5-94f8-fd0d89fece6d")), guest_name: None, updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; customers/getAll CustomerIds ["fadd5bb6-b428-45d5-94f8-fd0d89fece6d"]"#,
    ),
    (
        "customers.getAll.response.json",
        &["reservations.getAll.2023-06-06.response.json"],
        Call::Fetch,
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("0f515589-99b4-423d-b83a-b237009f0509"), number: "52", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest: Some(VendorId("fadd5bb6-b428-45d5-94f8-fd0d89fece6d")), guest_name: Some("John Smith"), updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; customers/getAll CustomerIds ["fadd5bb6-b428-45d5-94f8-fd0d89fece6d"]"#,
    ),
    (
        "reservations.getAll.2023-06-06.company.composed.response.json",
        &["customers.getAll.response.json"],
        Call::Fetch,
        // The company is asked for nowhere.
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("bfee2c44-1f84-4326-a862-5289598f6e2d"), number: "53", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest: None, guest_name: None, updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; companionships/getAll ReservationIds ["bfee2c44-1f84-4326-a862-5289598f6e2d"]"#,
    ),
    (
        "companionships.getAll.response.json",
        &["reservations.getAll.2023-06-06.company.composed.response.json"],
        Call::Fetch,
        // The companion's profile is not there.
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("bfee2c44-1f84-4326-a862-5289598f6e2d"), number: "53", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest: Some(VendorId("35d4b117-4e60-44a3-9580-c582117eff98")), guest_name: None, updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; companionships/getAll ReservationIds ["bfee2c44-1f84-4326-a862-5289598f6e2d"]; customers/getAll CustomerIds ["35d4b117-4e60-44a3-9580-c582117eff98"]"#,
    ),
    (
        "reservations.getAll.2023-06-06.faulty.composed.response.json",
        &[],
        Call::Fetch,
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("6f515589-99b4-423d-b83a-b237009f0509"), number: "61", state: Unknown, raw_state: "", room: None, starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest: None, guest_name: None, updated_at: None }], unreadable: [Unreadable { id: None, at: "Reservations[0].Id" }, Unreadable { id: None, at: "Reservations[1].Id" }, Unreadable { id: Some(VendorId("1f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[2].ScheduledEndUtc" }, Unreadable { id: Some(VendorId("2f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[3].ScheduledStartUtc" }, Unreadable { id: Some(VendorId("3f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[4].AssignedResourceId" }, Unreadable { id: Some(VendorId("4f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[5].UpdatedUtc" }, Unreadable { id: Some(VendorId("5f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[6].State" }, Unreadable { id: None, at: "Reservations[7]" }] })"#,
    ),
    (
        "resourceAccessTokens.getAll.response.json",
        &[],
        Call::Check,
        // The first wish is for an entry under our mark, the second for the sample's by its id.
        "Ok([Missing, Differs])",
    ),
    (
        "resourceAccessTokens.add.response.json",
        &[],
        Call::Put(true),
        r#"Ok(Stored { id: Some(VendorId("72d4b117-1f84-44a3-1f84-8b2c0635ac60")), wrote: true })"#,
    ),
    (
        "resourceAccessTokens.delete.response.json",
        &["resourceAccessTokens.getAll.response.json"],
        Call::Put(false),
        r#"Ok(Stored { id: None, wrote: true }); resourceAccessTokens/delete Ids ["72d4b117-1f84-44a3-1f84-8b2c0635ac60"]"#,
    ),
];

/// What comes of each webhook: account, connection and what to look at.
const WEBHOOKS: &[(&str, &[&str])] = &[
    (
        "webhook.general.json",
        &[
            r#"851df8c8-90f2-4c4a-8e01-a4fc46b25178 c8bee838-7fb1-4f4e-8fac-ac87008b2f90 Reservations([VendorId("bfee2c44-1f84-4326-a862-5289598f6e2d")])"#,
            "851df8c8-90f2-4c4a-8e01-a4fc46b25178 c8bee838-7fb1-4f4e-8fac-ac87008b2f90 Rooms",
        ],
    ),
    (
        "webhook.integrationApiKeyCreated.composed.json",
        &["- 9e5e84e9-974d-4f16-9662-ab2200f27cb1 Credentials"],
    ),
    (
        "webhook.integrationCanceled.json",
        &["- 3bb50576-79ea-48f8-8d07-ab25009fdfb2 Credentials"],
    ),
    (
        "webhook.integrationCreated.json",
        &["8865aa96-f62d-4f9b-a912-ab2100f60f42 9e5e84e9-974d-4f16-9662-ab2200f27cb1 Credentials"],
    ),
    (
        "webhook.integrationDisabled.json",
        &["- 9e5e84e9-974d-4f16-9662-ab2200f27cb1 Credentials"],
    ),
    (
        "webhook.integrationEnabled.json",
        &["- 9e5e84e9-974d-4f16-9662-ab2200f27cb1 Credentials"],
    ),
];

/// What the adapter makes of a delivery.
fn hints(body: &[u8]) -> Result<Vec<String>, AdapterError> {
    let settings = Settings {
        client_token: "client".into(),
        client_name: "Portal 0.1.0".to_owned(),
        api_url: "http://127.0.0.1:9".to_owned(),
    };
    let mews = Mews::new(
        settings,
        Http::new(Arc::new(OpenGate)),
        Arc::new(SystemClock),
    );
    let id = |id: Option<VendorId>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let tell = |hint: Hint| {
        format!(
            "{} {} {:?}",
            id(hint.account),
            id(hint.connection),
            hint.look
        )
    };
    let hints = mews.hooks().unwrap().read(body)?;
    Ok(hints.into_iter().map(tell).collect())
}

fn unreadable() -> Result<Vec<String>, AdapterError> {
    let at = "$".to_owned();
    Err(AdapterError::Unreadable { at })
}

#[test]
fn every_webhook_is_read_to_its_hints() {
    for (file, expected) in WEBHOOKS {
        let text = fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
        assert_eq!(hints(text.as_bytes()).unwrap(), *expected, "{file}");
        // Other members at every place, and every object backwards, change nothing.
        let turned = turned(&serde_json::from_str(&text).unwrap());
        assert_eq!(hints(turned.as_bytes()).unwrap(), *expected, "{file}");
        // Without its end, or with anything after it, it is no JSON.
        for broken in [&text[..text.trim_end().len() - 1], &format!("{text}x")] {
            assert_eq!(hints(broken.as_bytes()), unreadable(), "{file}");
        }
    }
}

/// The same value with foreign members first and the others in reverse order.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
            let mut parts = vec![
                format!(r#""Entities": {deep}"#),
                r#""Extra": {"Id": 7, "EnterpriseId": "x"}"#.to_owned(),
            ];
            for (name, value) in members.iter().rev() {
                parts.push(format!("{}: {}", Value::from(name.as_str()), turned(value)));
            }
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(turned).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

const HOUSE: &str = "851df8c8-90f2-4c4a-8e01-a4fc46b25178";

fn general(events: Value) -> Value {
    json!({ "EnterpriseId": HOUSE, "Events": events })
}

fn event(name: &str, id: impl Into<Value>) -> Value {
    let id: Value = id.into();
    json!({ "Discriminator": name, "Value": { "Id": id } })
}

#[test]
fn what_a_webhook_should_not_hold_gives_no_hint() {
    let action = |name: &str, data: Value| json!({ "Action": name, "Data": data });
    let order = "ServiceOrderUpdated";
    let nothing: &[&str] = &[];
    for body in [
        json!(null),
        json!([]),
        json!("IntegrationDisabled"),
        json!({}),
        general(json!([])),
        general(json!({ "0": event(order, HOUSE) })),
        general(json!([7, null, [], {}, order])),
        general(json!([
            event("PriceUpdate", HOUSE),
            event("MessageAdded", HOUSE)
        ])),
        general(json!([
            event("ResourceBlockUpdated", HOUSE),
            event("PaymentUpdated", HOUSE)
        ])),
        general(json!([
            event("CustomerAdded", HOUSE),
            event("CustomerUpdated", HOUSE)
        ])),
        general(json!([event(order, 7)])),
        general(json!([event(order, "'; DROP TABLE hints")])),
        general(json!([event(order, "851df8c890f24c4a8e01a4fc46b25178")])),
        general(json!([event(order, "x".repeat(400_000))])),
        json!({ "EnterpriseId": 7, "Events": [event(order, HOUSE)] }),
        json!({ "Events": [event(order, HOUSE)] }),
        action(
            "IntegrationExploded",
            json!({ "Integration": { "Id": HOUSE } }),
        ),
        action("IntegrationDisabled", json!({ "Integration": null })),
        action("IntegrationDisabled", json!(null)),
        action(
            "IntegrationCreated",
            json!({ "Integration": { "Id": HOUSE }, "Enterprise": {} }),
        ),
    ] {
        let text = body.to_string();
        assert_eq!(hints(text.as_bytes()).unwrap(), nothing, "{text:.200}");
    }
    for body in [
        Vec::new(),
        b"Token=abc".to_vec(),
        vec![0xff; 1024 * 1024],
        format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)).into_bytes(),
        br#"{"EnterpriseId": "\ud800"}"#.to_vec(),
    ] {
        assert_eq!(hints(&body), unreadable());
    }
}

#[test]
fn one_bad_event_spoils_no_other_and_twice_the_same_is_once() {
    let order = "ServiceOrderUpdated";
    let upper = HOUSE.to_uppercase();
    let mixed = general(json!([
        event(order, 7),
        event(order, upper),
        event(order, HOUSE)
    ]));
    let expected = format!(r#"{HOUSE} - Reservations([VendorId("{HOUSE}")])"#);
    assert_eq!(hints(mixed.to_string().as_bytes()).unwrap(), [expected]);
}

#[test]
fn each_action_of_an_integration_asks_for_a_look_at_the_credentials() {
    for action in [
        "Enabled",
        "Disabled",
        "Canceled",
        "Reinstated",
        "Deleted",
        "ApiKeyCreated",
    ] {
        let data = json!({ "Integration": { "Id": HOUSE }, "DeletedUtc": null });
        let body = json!({ "Action": format!("Integration{action}"), "Data": data });
        let expected = format!("- {HOUSE} Credentials");
        assert_eq!(hints(body.to_string().as_bytes()).unwrap(), [expected]);
    }
}

#[tokio::test]
async fn every_example_is_read_to_its_outcome() {
    for (file, beside, call, expected) in TABLE {
        let server = Server::start(file, beside).await;
        let mut outcome = server.call(*call).await;
        for (operation, body) in server.served.asked.lock().unwrap().iter() {
            outcome.extend(followed(operation, body));
        }
        assert_eq!(outcome, *expected, "{file}");
    }
}

#[test]
fn every_example_has_its_row() {
    let files = fs::read_dir(FOLDER).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.filter(|file| file != "README.md").collect();
    let rows = TABLE.iter().map(|(file, ..)| (*file).to_owned());
    let webhooks = WEBHOOKS.iter().map(|(file, _)| (*file).to_owned());
    assert_eq!(files, rows.chain(webhooks).collect());
    let readme = fs::read_to_string(Path::new(FOLDER).join("README.md")).unwrap();
    for file in files {
        assert!(readme.contains(&format!("| `{file}` |")), "{file}");
    }
}

/// What a request asks for that was learned from an answer.
fn followed(operation: &str, body: &Value) -> Vec<String> {
    let members = ["ServiceIds", "ResourceCategoryIds", "CustomerIds", "Ids"];
    let mut told = Vec::new();
    for name in members {
        if let Some(ids) = body.get(name) {
            told.push(format!("; {operation} {name} {ids}"));
        }
    }
    if let Some(ids) = body
        .get("ReservationIds")
        .filter(|_| operation.starts_with("comp"))
    {
        told.push(format!("; {operation} ReservationIds {ids}"));
    }
    told
}

/// Answers and requests of one example.
#[derive(Default)]
struct Served {
    answers: BTreeMap<String, (u16, String)>,
    asked: Mutex<Vec<(String, Value)>>,
}

struct Server {
    mews: Mews,
    served: Arc<Served>,
}

impl Server {
    async fn start(file: &str, beside: &[&str]) -> Self {
        let mut served = Served::default();
        for file in beside.iter().chain([&file]) {
            let text = fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
            let (operation, status) = operation(file);
            served.answers.insert(operation, (status, text));
        }
        let served = Arc::new(served);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Settings {
            client_token: "client".into(),
            client_name: "Portal 0.1.0".to_owned(),
            api_url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let app = Router::new().fallback(answer).with_state(served.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let http = Http::new(Arc::new(OpenGate));
        Self {
            mews: Mews::new(settings, http, Arc::new(SystemClock)),
            served,
        }
    }

    async fn call(&self, call: Call) -> String {
        let mut credentials = Credentials::default();
        credentials.set("accessToken", "access".into());
        let account = Account::new(IntegrationId::new(), credentials, None);
        let pins = self.mews.pins().unwrap();
        match call {
            Call::Validate => format!("{:?}", self.mews.validate(&account).await),
            Call::Rooms => format!("{:?}", self.mews.rooms(&account).await),
            Call::Fetch => {
                let ids = [id(STAY)];
                format!("{:?}", self.mews.fetch(&account, &ids).await)
            }
            Call::Put(wanted) => format!("{:?}", pins.put(&account, &wish(wanted, true)).await),
            Call::Check => {
                let want = [wish(true, false), wish(true, true)];
                format!("{:?}", pins.check(&account, &want).await)
            }
        }
    }
}

/// The sample's PIN; `known`: that the sample's entry is ours.
fn wish(wanted: bool, known: bool) -> StayPins {
    StayPins {
        reservation: id(STAY),
        mark: "portal:1".to_owned(),
        known: known.then(|| id("72d4b117-1f84-44a3-1f84-8b2c0635ac60")),
        pin: wanted.then(|| StayPin {
            room: id("65d4b117-4e60-44a3-9580-c582117eff98"),
            bed: true,
            common_doors: false,
            pin: "1234#".into(),
            from: "2020-10-09T22:00:00Z".parse().unwrap(),
            until: "2020-10-10T22:00:00Z".parse().unwrap(),
        }),
    }
}

fn id(text: &str) -> VendorId {
    VendorId::new(text).unwrap()
}

/// Which operation a file is an answer to, and with which status.
fn operation(file: &str) -> (String, u16) {
    let parts: Vec<&str> = file.split('.').collect();
    match parts.as_slice() {
        ["error", status, ..] => ("configuration/get".to_owned(), status.parse().unwrap()),
        ["reservations", ..] => ("reservations/getAll/2023-06-06".to_owned(), 200),
        [resource, action, ..] => (format!("{resource}/{action}"), 200),
        _ => panic!("{file} names no operation"),
    }
}

async fn answer(State(served): State<Arc<Served>>, uri: Uri, body: Bytes) -> (StatusCode, String) {
    let operation = uri.path().strip_prefix("/api/connector/v1/").unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let is_next_page = body["Limitation"]["Cursor"].is_string();
    served
        .asked
        .lock()
        .unwrap()
        .push((operation.to_owned(), body));
    let (status, text) = match served.answers.get(operation) {
        Some((status, text)) if !is_next_page => (*status, text.clone()),
        _ => {
            let list = operation.split('/').next().unwrap();
            let list = format!("{}{}", list[..1].to_uppercase(), &list[1..]);
            (200, json!({ list: [] }).to_string())
        }
    };
    (StatusCode::from_u16(status).unwrap(), text)
}
