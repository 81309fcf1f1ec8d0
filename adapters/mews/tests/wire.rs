//! Every example answer and what the adapter makes of it.
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
    Account, Credentials, Http, OpenGate, Pms, StayPin, StayPins, SystemClock, VendorId,
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
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("0f515589-99b4-423d-b83a-b237009f0509"), number: "52", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest_name: None, updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; customers/getAll CustomerIds ["fadd5bb6-b428-45d5-94f8-fd0d89fece6d"]"#,
    ),
    (
        "customers.getAll.response.json",
        &["reservations.getAll.2023-06-06.response.json"],
        Call::Fetch,
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("0f515589-99b4-423d-b83a-b237009f0509"), number: "52", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest_name: Some("John Smith"), updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; customers/getAll CustomerIds ["fadd5bb6-b428-45d5-94f8-fd0d89fece6d"]"#,
    ),
    (
        "reservations.getAll.2023-06-06.company.composed.response.json",
        &["customers.getAll.response.json"],
        Call::Fetch,
        // The company is asked for nowhere.
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("bfee2c44-1f84-4326-a862-5289598f6e2d"), number: "53", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest_name: None, updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; companionships/getAll ReservationIds ["bfee2c44-1f84-4326-a862-5289598f6e2d"]"#,
    ),
    (
        "companionships.getAll.response.json",
        &["reservations.getAll.2023-06-06.company.composed.response.json"],
        Call::Fetch,
        // The companion's profile is not there.
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("bfee2c44-1f84-4326-a862-5289598f6e2d"), number: "53", state: Confirmed, raw_state: "Confirmed", room: Some(VendorId("20e00c32-d561-4008-8609-82d8aa525714")), starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest_name: None, updated_at: Some(2023-04-22T17:00:00Z) }], unreadable: [] }); resourceCategories/getAll ServiceIds ["bd26d8db-86da-4f96-9efc-e5a4654a4a94"]; resourceCategories/getAll ResourceCategoryIds ["773d5e42-de1e-43a0-9ce6-f940faf2303f"]; companionships/getAll ReservationIds ["bfee2c44-1f84-4326-a862-5289598f6e2d"]; customers/getAll CustomerIds ["35d4b117-4e60-44a3-9580-c582117eff98"]"#,
    ),
    (
        "reservations.getAll.2023-06-06.faulty.composed.response.json",
        &[],
        Call::Fetch,
        r#"Ok(Fetched { reservations: [Reservation { id: VendorId("6f515589-99b4-423d-b83a-b237009f0509"), number: "61", state: Unknown, raw_state: "", room: None, starts_at: 2023-04-23T14:00:00Z, ends_at: 2023-04-25T12:00:00Z, actual_start: None, actual_end: None, guest_name: None, updated_at: None }], unreadable: [Unreadable { id: None, at: "Reservations[0].Id" }, Unreadable { id: None, at: "Reservations[1].Id" }, Unreadable { id: Some(VendorId("1f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[2].ScheduledEndUtc" }, Unreadable { id: Some(VendorId("2f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[3].ScheduledStartUtc" }, Unreadable { id: Some(VendorId("3f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[4].AssignedResourceId" }, Unreadable { id: Some(VendorId("4f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[5].UpdatedUtc" }, Unreadable { id: Some(VendorId("5f515589-99b4-423d-b83a-b237009f0509")), at: "Reservations[6].State" }, Unreadable { id: None, at: "Reservations[7]" }] })"#,
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
    assert_eq!(files, rows.collect());
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
