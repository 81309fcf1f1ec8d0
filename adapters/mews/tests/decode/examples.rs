//! Every example, and how it is read.

use crate::{FOLDER, KINDS, decode, told};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Payloads Portal does not read: requests, commands, devices and messages of the web socket.
const UNREAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decode/unread");

/// How an example is read, or what is said where it is not.
type Told = Result<Value, &'static str>;

/// What the documentation of Mews says of each example, in Portal's words.
#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<(&'static str, &'static str, Told)> {
    vec![
        (
            "companionships.getAll.response.json",
            "companionships",
            Ok(json!({
                "items": [
                    {"customer": "35d4b117-4e60-44a3-9580-c582117eff98", "reservation": "bfee2c44-1f84-4326-a862-5289598f6e2d"}
                ],
                "operation": "companionships/getAll",
                "position": "72d4b117-1f84-44a3-1f84-8b2c0635ac60",
                "setAside": []
            })),
        ),
        (
            "configuration.get.response.json",
            "configuration",
            Ok(json!({
                "account": {"key": "851df8c8-90f2-4c4a-8e01-a4fc46b25178", "name": "Connector API Hotel", "timeZone": "Europe/Budapest"},
                "now": "2018-01-01T14:58:02Z",
                "opens": "ONE"
            })),
        ),
        (
            "customers.getAll.response.json",
            "customers",
            Ok(json!({
                "items": [
                    {"id": "fadd5bb6-b428-45d5-94f8-fd0d89fece6d", "name": "John Smith"}
                ],
                "operation": "customers/getAll",
                "position": "fadd5bb6-b428-45d5-94f8-fd0d89fece6d",
                "setAside": []
            })),
        ),
        (
            "error.401.composed.json",
            "configuration",
            Err("Enterprise is missing"),
        ),
        (
            "error.429.composed.json",
            "configuration",
            Err("Enterprise is missing"),
        ),
        (
            "reservations.getAll.2023-06-06.company.composed.response.json",
            "reservations",
            Ok(json!({
                "items": [
                    {"actualEnd": null, "actualStart": null, "category": "773d5e42-de1e-43a0-9ce6-f940faf2303f", "customer": null, "endsAt": "2023-04-25T12:00:00Z", "id": "bfee2c44-1f84-4326-a862-5289598f6e2d", "number": "53", "owner": "COMPANY", "rawState": "Confirmed", "room": "20e00c32-d561-4008-8609-82d8aa525714", "service": "bd26d8db-86da-4f96-9efc-e5a4654a4a94", "startsAt": "2023-04-23T14:00:00Z", "state": "CONFIRMED", "updatedAt": "2023-04-22T17:00:00Z"}
                ],
                "operation": "reservations/getAll/2023-06-06",
                "position": "bfee2c44-1f84-4326-a862-5289598f6e2d",
                "setAside": []
            })),
        ),
        (
            "reservations.getAll.2023-06-06.faulty.composed.response.json",
            "reservations",
            Ok(json!({
                "consequence": "Portal goes on without the items set aside. What it knew of them stays.",
                "items": [
                    {"actualEnd": null, "actualStart": null, "category": null, "customer": null, "endsAt": "2023-04-25T12:00:00Z", "id": "6f515589-99b4-423d-b83a-b237009f0509", "number": "61", "owner": "NOBODY", "rawState": "", "room": null, "service": null, "startsAt": "2023-04-23T14:00:00Z", "state": "UNKNOWN", "updatedAt": null}
                ],
                "operation": "reservations/getAll/2023-06-06",
                "position": "6f515589-99b4-423d-b83a-b237009f0509",
                "setAside": [
                    {"at": "Reservations[0].Id", "id": null, "why": "is missing"},
                    {"at": "Reservations[1].Id", "id": null, "why": "is no identifier: those have 1 to 255 bytes and no zero character"},
                    {"at": "Reservations[2].ScheduledEndUtc", "id": "1f515589-99b4-423d-b83a-b237009f0509", "why": "is missing"},
                    {"at": "Reservations[3].ScheduledStartUtc", "id": "2f515589-99b4-423d-b83a-b237009f0509", "why": "is no text"},
                    {"at": "Reservations[4].AssignedResourceId", "id": "3f515589-99b4-423d-b83a-b237009f0509", "why": "is no text"},
                    {"at": "Reservations[5].UpdatedUtc", "id": "4f515589-99b4-423d-b83a-b237009f0509", "why": "is no instant such as 2026-11-24T10:00:00Z"},
                    {"at": "Reservations[6].State", "id": "5f515589-99b4-423d-b83a-b237009f0509", "why": "is no text"},
                    {"at": "Reservations[7]", "id": null, "why": "is no object"}
                ]
            })),
        ),
        (
            "reservations.getAll.2023-06-06.response.json",
            "reservations",
            Ok(json!({
                "items": [
                    {"actualEnd": null, "actualStart": null, "category": "773d5e42-de1e-43a0-9ce6-f940faf2303f", "customer": "fadd5bb6-b428-45d5-94f8-fd0d89fece6d", "endsAt": "2023-04-25T12:00:00Z", "id": "0f515589-99b4-423d-b83a-b237009f0509", "number": "52", "owner": "CUSTOMER", "rawState": "Confirmed", "room": "20e00c32-d561-4008-8609-82d8aa525714", "service": "bd26d8db-86da-4f96-9efc-e5a4654a4a94", "startsAt": "2023-04-23T14:00:00Z", "state": "CONFIRMED", "updatedAt": "2023-04-22T17:00:00Z"}
                ],
                "operation": "reservations/getAll/2023-06-06",
                "position": "0f515589-99b4-423d-b83a-b237009f0509",
                "setAside": []
            })),
        ),
        (
            "resourceAccessTokens.add.response.json",
            "resource-access-token-added",
            Ok(json!({
                "added": [{
                    "id": "72d4b117-1f84-44a3-1f84-8b2c0635ac60",
                    "reservation": "35d4b117-4e60-44a3-9580-c582117eff98"
                }]
            })),
        ),
        (
            "resourceAccessTokens.delete.response.json",
            "resource-access-tokens",
            Err("ResourceAccessTokens is missing"),
        ),
        (
            "resourceAccessTokens.getAll.response.json",
            "resource-access-tokens",
            Ok(json!({
                "items": [
                    {"from": "2020-10-09T22:00:00Z", "id": "72d4b117-1f84-44a3-1f84-8b2c0635ac60", "isLivePin": true, "mark": null, "permissions": {"bed": true, "building": false, "floor": false, "room": false}, "reservation": "35d4b117-4e60-44a3-9580-c582117eff98", "room": "65d4b117-4e60-44a3-9580-c582117eff98", "until": "2020-10-10T22:00:00Z", "value": "<set>"}
                ],
                "operation": "resourceAccessTokens/getAll",
                "position": null,
                "setAside": []
            })),
        ),
        (
            "resourceCategories.getAll.response.json",
            "resource-categories",
            Ok(json!({
                "items": [
                    {"hasDoor": true, "id": "5c0804f9-d03a-4b13-a57d-b00300781a41", "roomKind": "BED"},
                    {"hasDoor": true, "id": "47d6b462-35ec-467e-a565-b00300781a41", "roomKind": "DORM"}
                ],
                "operation": "resourceCategories/getAll",
                "position": "47d6b462-35ec-467e-a565-b00300781a41",
                "setAside": []
            })),
        ),
        (
            "resourceCategoryAssignments.getAll.composed.response.json",
            "resource-category-assignments",
            Ok(json!({
                "items": [
                    {"active": true, "category": "47d6b462-35ec-467e-a565-b00300781a41", "resource": "20e00c32-d561-4008-8609-82d8aa525714"},
                    {"active": true, "category": "5c0804f9-d03a-4b13-a57d-b00300781a41", "resource": "1ec29188-01ca-4294-9983-fac59f85a448"},
                    {"active": false, "category": "47d6b462-35ec-467e-a565-b00300781a41", "resource": "a1b2c3d4-e5f6-7890-abcd-ef1234567890"}
                ],
                "operation": "resourceCategoryAssignments/getAll",
                "position": "7a0e6a0e-0e55-4f6f-8a33-000000000003",
                "setAside": []
            })),
        ),
        (
            "resources.getAll.response.json",
            "resources",
            Ok(json!({
                "items": [
                    {"active": true, "id": "20e00c32-d561-4008-8609-82d8aa525714", "isObject": false, "name": "101", "parent": null},
                    {"active": true, "id": "1ec29188-01ca-4294-9983-fac59f85a448", "isObject": true, "name": "101A", "parent": "20e00c32-d561-4008-8609-82d8aa525714"},
                    {"active": true, "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "isObject": false, "name": "Suite 1", "parent": null}
                ],
                "operation": "resources/getAll",
                "position": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
                "setAside": []
            })),
        ),
        (
            "services.getAll.response.json",
            "services",
            Ok(json!({
                "items": [
                    {"active": true, "bookable": false, "id": "fc79a518-bc69-45b8-93bd-83326201bd14"},
                    {"active": true, "bookable": true, "id": "bd26d8db-86da-4f96-9efc-e5a4654a4a94"}
                ],
                "operation": "services/getAll",
                "position": "bd26d8db-86da-4f96-9efc-e5a4654a4a94",
                "setAside": []
            })),
        ),
        (
            "webhook.general.json",
            "webhook",
            Ok(json!({
                "hints": [
                    {"account": "851df8c8-90f2-4c4a-8e01-a4fc46b25178", "connection": "c8bee838-7fb1-4f4e-8fac-ac87008b2f90", "look": "RESERVATIONS", "reservations": ["bfee2c44-1f84-4326-a862-5289598f6e2d"]},
                    {"account": "851df8c8-90f2-4c4a-8e01-a4fc46b25178", "connection": "c8bee838-7fb1-4f4e-8fac-ac87008b2f90", "look": "ROOMS", "reservations": null}
                ],
                "secrets": {},
                "setAside": [
                    {"at": "Events[2].Discriminator", "why": "names an event that changes no reservation and no room"},
                    {"at": "Events[3].Discriminator", "why": "names an event that changes no reservation and no room"},
                    {"at": "Events[4].Discriminator", "why": "names an event that changes no reservation and no room"},
                    {"at": "Events[5].Discriminator", "why": "names an event that changes no reservation and no room"}
                ]
            })),
        ),
        (
            "webhook.integrationApiKeyCreated.composed.json",
            "webhook",
            Ok(json!({
                "hints": [
                    {"account": null, "connection": "9e5e84e9-974d-4f16-9662-ab2200f27cb1", "look": "CREDENTIALS", "reservations": null}
                ],
                "secrets": {"Data.ApiKey": "<set>"},
                "setAside": []
            })),
        ),
        (
            "webhook.integrationCanceled.json",
            "webhook",
            Ok(json!({
                "hints": [
                    {"account": null, "connection": "3bb50576-79ea-48f8-8d07-ab25009fdfb2", "look": "CREDENTIALS", "reservations": null}
                ],
                "secrets": {},
                "setAside": []
            })),
        ),
        (
            "webhook.integrationCreated.json",
            "webhook",
            Ok(json!({
                "hints": [
                    {"account": "8865aa96-f62d-4f9b-a912-ab2100f60f42", "connection": "9e5e84e9-974d-4f16-9662-ab2200f27cb1", "look": "CREDENTIALS", "reservations": null}
                ],
                "secrets": {"Data.AccessToken": "<set>"},
                "setAside": []
            })),
        ),
        (
            "webhook.integrationDisabled.json",
            "webhook",
            Ok(json!({
                "hints": [
                    {"account": null, "connection": "9e5e84e9-974d-4f16-9662-ab2200f27cb1", "look": "CREDENTIALS", "reservations": null}
                ],
                "secrets": {},
                "setAside": []
            })),
        ),
        (
            "webhook.integrationEnabled.json",
            "webhook",
            Ok(json!({
                "hints": [
                    {"account": null, "connection": "9e5e84e9-974d-4f16-9662-ab2200f27cb1", "look": "CREDENTIALS", "reservations": null}
                ],
                "secrets": {},
                "setAside": []
            })),
        ),
    ]
}

fn files(folder: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter(|file| file != "README.md").collect()
}

#[test]
fn every_example_is_read_as_mews_says() {
    let mut rows = BTreeSet::new();
    for (file, kind, expected) in table() {
        let payload = fs::read(Path::new(FOLDER).join(file)).unwrap();
        let expected = expected.map_err(ToOwned::to_owned);
        assert_eq!(told(kind, &payload), expected, "{file}");
        rows.insert(file.to_owned());
    }
    assert_eq!(files(FOLDER), rows, "an example without a row");
}

#[test]
fn what_portal_does_not_read_is_read_as_nothing() {
    let readme = fs::read_to_string(Path::new(UNREAD).join("README.md")).unwrap();
    for file in files(UNREAD) {
        assert!(readme.contains(&format!("| `{file}` |")), "{file}");
        let payload = fs::read(Path::new(UNREAD).join(&file)).unwrap();
        for kind in KINDS {
            match decode(kind, &payload) {
                Ok(told) => {
                    assert_eq!(*kind, "webhook", "{file}");
                    assert_eq!(told["hints"], json!([]), "{file}");
                    assert_ne!(told["setAside"], json!([]), "{file}");
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains(" is missing") || text.contains(" is no list"),
                        "{text}"
                    );
                }
            }
        }
    }
}
