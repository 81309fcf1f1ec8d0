//! Payloads nobody has seen yet.

use crate::told;
use serde_json::{Map, Value, json};

const STAY: &str = "0f515589-99b4-423d-b83a-b237009f0509";
const ROOM: &str = "20e00c32-d561-4008-8609-82d8aa525714";
const GUEST: &str = "fadd5bb6-b428-45d5-94f8-fd0d89fece6d";

/// A list of each kind, its name at Mews and one item with every member Portal looks at.
fn lists() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "services",
            "Services",
            json!({ "Id": STAY, "IsActive": true, "Data": { "Discriminator": "Bookable" } }),
        ),
        (
            "resource-categories",
            "ResourceCategories",
            json!({ "Id": STAY, "Type": "Suite" }),
        ),
        (
            "resource-category-assignments",
            "ResourceCategoryAssignments",
            json!({ "ResourceId": ROOM, "CategoryId": STAY, "IsActive": true }),
        ),
        (
            "resources",
            "Resources",
            json!({
                "Id": STAY, "Name": "101A", "IsActive": true, "ParentResourceId": ROOM,
                "Data": { "Discriminator": "Object" },
            }),
        ),
        ("reservations", "Reservations", reservation()),
        (
            "customers",
            "Customers",
            json!({ "Id": GUEST, "FirstName": "Zoë", "LastName": "Ørsted" }),
        ),
        (
            "companionships",
            "Companionships",
            json!({ "CustomerId": GUEST, "ReservationId": STAY }),
        ),
        (
            "resource-access-tokens",
            "ResourceAccessTokens",
            json!({
                "Id": STAY, "ServiceOrderId": STAY, "ResourceId": ROOM, "Type": "PinCode",
                "SerialNumber": "portal:0f515589-99b4-423d-b83a-b237009f0509", "Value": "1234#",
                "ValidityStartUtc": "2026-11-24T14:00:00Z", "ValidityEndUtc": "2026-11-26T10:00:00Z",
                "Permissions": { "Bed": true, "Room": true, "Floor": false, "Building": false },
                "IsActive": true,
            }),
        ),
    ]
}

fn reservation() -> Value {
    json!({
        "Id": STAY, "Number": "52", "State": "Started", "AssignedResourceId": ROOM,
        "ScheduledStartUtc": "2026-11-24T14:00:00Z", "ScheduledEndUtc": "2026-11-26T10:00:00Z",
        "ActualStartUtc": "2026-11-24T15:01:02Z", "ActualEndUtc": "2026-11-26T09:00:00Z",
        "UpdatedUtc": "2026-11-24T15:01:03Z", "ServiceId": ROOM,
        "RequestedResourceCategoryId": ROOM, "AccountId": GUEST, "AccountType": "Customer",
    })
}

/// The reservation with some members replaced.
fn with(members: Value) -> Value {
    let mut item = reservation();
    for (name, value) in members.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

/// How one reservation is read: itself, or where it was set aside and why.
fn stay(item: Value) -> Result<Value, String> {
    one("reservations", "Reservations", item)
}

/// How the only item of a list is read.
fn one(kind: &str, list: &str, item: Value) -> Result<Value, String> {
    let mut told = told(kind, json!({ list: [item] }).to_string().as_bytes())?;
    match (
        told["items"].as_array().unwrap().len(),
        &told["setAside"][0],
    ) {
        (1, Value::Null) => Ok(told["items"][0].take()),
        (0, aside) => {
            let text = |name: &str| aside[name].as_str().unwrap();
            Err(format!("{} {}", text("at"), text("why")))
        }
        _ => panic!("{told}"),
    }
}

fn refused<T>(text: &str) -> Result<T, String> {
    Err(text.to_owned())
}

/// The same value with foreign members first and the others in reverse order.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
            let mut parts = vec![
                format!(r#""Extra":{deep},"id":7,"ID":null,"Größe":"\ud83d\ude00""#),
                r#""Extra2":{"Id":7,"State":"Started","Value":"0"}"#.to_owned(),
            ];
            for (name, value) in members.iter().rev() {
                parts.push(format!("{}:{}", Value::from(name.as_str()), turned(value)));
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

#[test]
fn order_and_foreign_members_change_nothing() {
    for (kind, list, item) in lists() {
        let body = json!({ list: [item.clone(), item], "Cursor": "next" });
        let plain = told(kind, body.to_string().as_bytes()).unwrap();
        assert_eq!(plain["setAside"], json!([]));
        assert_eq!(
            told(kind, turned(&body).as_bytes()).unwrap(),
            plain,
            "{kind}"
        );
    }
}

/// Of each list, the members without which an item is set aside. Any other may be missing.
const NEEDED: &[(&str, &[&str])] = &[
    ("services", &["Id"]),
    ("resource-categories", &["Id"]),
    (
        "resource-category-assignments",
        &["ResourceId", "CategoryId"],
    ),
    ("resources", &["Id", "Name", "IsActive"]),
    (
        "reservations",
        &["Id", "ScheduledStartUtc", "ScheduledEndUtc"],
    ),
    ("customers", &["Id"]),
    ("companionships", &["CustomerId"]),
    ("resource-access-tokens", &["Id"]),
];

/// Of each list, the members that set an item aside when they hold the wrong type of value.
const STRICT: &[(&str, &[&str])] = &[
    ("services", &["Id", "IsActive"]),
    ("resource-categories", &["Id", "Type"]),
    (
        "resource-category-assignments",
        &["ResourceId", "CategoryId", "IsActive"],
    ),
    ("resources", &["Id", "Name", "IsActive", "ParentResourceId"]),
    (
        "reservations",
        &[
            "Id",
            "Number",
            "State",
            "AssignedResourceId",
            "ScheduledStartUtc",
            "ScheduledEndUtc",
            "ActualStartUtc",
            "ActualEndUtc",
            "UpdatedUtc",
        ],
    ),
    ("customers", &["Id"]),
    ("companionships", &["CustomerId", "ReservationId"]),
    ("resource-access-tokens", &["Id"]),
];

fn names<'a>(table: &[(&str, &'a [&'a str])], kind: &str) -> &'a [&'a str] {
    table.iter().find(|(name, _)| *name == kind).unwrap().1
}

#[test]
fn a_missing_member_and_a_null_are_the_same_and_only_a_few_are_needed() {
    for (kind, list, item) in lists() {
        for name in item.as_object().unwrap().keys() {
            let (mut missing, mut null) = (item.clone(), item.clone());
            missing.as_object_mut().unwrap().remove(name);
            null[name] = Value::Null;
            let read = one(kind, list, missing);
            assert_eq!(one(kind, list, null), read, "{kind} {name}");
            if names(NEEDED, kind).contains(&name.as_str()) {
                assert_eq!(read, refused(&format!("{list}[0].{name} is missing")));
            } else {
                assert!(read.is_ok(), "{kind} {name}: {read:?}");
            }
        }
        assert!(one(kind, list, json!(7)).is_err(), "{kind}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_set_aside_or_does_no_harm() {
    for (kind, list, item) in lists() {
        let plain = one(kind, list, item.clone()).unwrap();
        for name in item.as_object().unwrap().keys() {
            for wrong in [json!({ "Value": 1 }), json!([item[name]]), json!(7)] {
                if name == "Permissions" && wrong.is_object() {
                    continue; // an object as good as any: none of the four is granted
                }
                let is_number = wrong.is_number();
                let mut changed = item.clone();
                changed[name] = wrong;
                let read = one(kind, list, changed);
                let strict = names(STRICT, kind).contains(&name.as_str());
                if name == "Number" && is_number {
                    assert_eq!(read.unwrap()["number"], "7");
                } else if strict {
                    let error = read.unwrap_err();
                    assert!(
                        error.starts_with(&format!("{list}[0].{name} is n")),
                        "{error}"
                    );
                } else {
                    // What cannot be read counts as absent.
                    let mut absent = item.clone();
                    absent[name] = Value::Null;
                    let absent = one(kind, list, absent).unwrap();
                    let read = read.unwrap();
                    assert!(read == absent || read == plain, "{kind} {name}: {read}");
                }
            }
        }
    }
}

#[test]
fn only_the_states_of_mews_are_known_and_no_other_spelling() {
    for (state, expected) in [
        ("Inquired", "TENTATIVE"),
        ("Requested", "TENTATIVE"),
        ("Optional", "TENTATIVE"),
        ("Confirmed", "CONFIRMED"),
        ("Started", "CHECKED_IN"),
        ("Processed", "CHECKED_OUT"),
        ("Canceled", "CANCELED"),
        ("Enquired", "UNKNOWN"),
        ("Cancelled", "UNKNOWN"),
        ("started", "UNKNOWN"),
        (" Started", "UNKNOWN"),
        ("Started\0", "UNKNOWN"),
        ("Bloomed", "UNKNOWN"),
        ("", "UNKNOWN"),
    ] {
        let read = stay(with(json!({ "State": state }))).unwrap();
        assert_eq!(read["state"], expected, "{state}");
        assert_eq!(read["rawState"], state.trim_end_matches('\0'));
        // A reason matters to what is canceled, and to nothing else.
        for (reason, canceled) in [("NoShow", "NO_SHOW"), ("Bloomed", "CANCELED")] {
            let read = stay(with(
                json!({ "State": state, "CancellationReason": reason }),
            ));
            let expected = if state == "Canceled" {
                canceled
            } else {
                expected
            };
            assert_eq!(read.unwrap()["state"], expected, "{state} {reason}");
        }
    }
}

#[test]
fn other_words_nobody_knows_are_the_careful_thing() {
    let read = |kind: &str, name: &str, value: Value, field: &str| {
        let (_, list, mut item) = lists().into_iter().find(|(of, ..)| *of == kind).unwrap();
        item[name] = value;
        one(kind, list, item).unwrap()[field].take()
    };
    let data = json!({ "Discriminator": "Bloomed" });
    // What might have a door is kept, what might be a breakfast or a card is not.
    assert_eq!(
        read("resource-categories", "Type", json!("Igloo"), "roomKind"),
        "OTHER"
    );
    assert_eq!(
        read("resource-categories", "Type", json!("Cot"), "hasDoor"),
        false
    );
    assert_eq!(read("services", "Data", data.clone(), "bookable"), false);
    assert_eq!(read("resources", "Data", data, "isObject"), false);
    assert_eq!(
        read("resource-access-tokens", "Type", json!("Face"), "isLivePin"),
        false
    );
    assert_eq!(
        read("reservations", "AccountType", json!("Ghost"), "owner"),
        "CUSTOMER"
    );
    let serial = json!("04:A2:B4:6A");
    assert_eq!(
        read("resource-access-tokens", "SerialNumber", serial, "mark"),
        "<set>"
    );
}

#[test]
fn an_empty_list_is_read_and_no_list_is_not() {
    for (kind, list, _) in lists() {
        let read = told(kind, json!({ list: [] }).to_string().as_bytes()).unwrap();
        assert_eq!(
            (&read["items"], &read["setAside"]),
            (&json!([]), &json!([]))
        );
        let may_be_null = ["companionships", "resource-access-tokens"].contains(&kind);
        let null = told(kind, json!({ list: null }).to_string().as_bytes());
        assert_eq!(null.is_ok(), may_be_null, "{kind}");
        for body in ["null", "{}", "[]", "7", "\"\"", "true"] {
            let read = told(kind, body.as_bytes());
            assert_eq!(
                read,
                refused(&format!("{list} is missing")),
                "{kind} {body}"
            );
        }
        let read = told(kind, json!({ list: { "0": {} } }).to_string().as_bytes());
        assert_eq!(read, refused(&format!("{list} is no list")));
        for body in ["", " ", "{", "<html>", "{}x", "\u{feff}{}"] {
            let read = told(kind, body.as_bytes());
            assert_eq!(
                read,
                refused("$ is no JSON, or is nested deeper than 128 levels")
            );
        }
    }
}

#[test]
fn guids_are_lower_case_and_other_identifiers_stay() {
    let read = |id: &str| {
        Some(
            stay(with(json!({ "Id": id }))).ok()?["id"]
                .as_str()?
                .to_owned(),
        )
    };
    assert_eq!(read(&STAY.to_uppercase()).as_deref(), Some(STAY));
    let long = "x".repeat(255);
    for id in [
        "R-7",
        "007",
        "Ä",
        " ",
        "{0F515589-99B4-423D-B83A-B237009F0509}",
        &long,
    ] {
        assert_eq!(read(id).as_deref(), Some(id));
    }
    for id in ["", "a\0b", &"x".repeat(256), &"ä".repeat(128)] {
        assert_eq!(read(id), None, "{id:?}");
    }
}

#[test]
fn instants_have_many_spellings_and_a_zone() {
    let start = |text: &str| {
        let item =
            with(json!({ "ScheduledStartUtc": text, "ScheduledEndUtc": "9999-12-31T23:59:59Z" }));
        Some(stay(item).ok()?["startsAt"].as_str()?.to_owned())
    };
    for (text, expected) in [
        ("2026-11-24T14:00:00Z", Some("2026-11-24T14:00:00Z")),
        ("2026-11-24T14:00:00.123Z", Some("2026-11-24T14:00:00.123Z")),
        (
            "2026-11-24T14:00:00.1234567Z",
            Some("2026-11-24T14:00:00.123456700Z"),
        ),
        ("2026-11-24T14:00:00+02:00", Some("2026-11-24T12:00:00Z")),
        ("2026-11-24T23:30:00-01:00", Some("2026-11-25T00:30:00Z")),
        ("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z")),
        ("2026-02-29T00:00:00Z", None),
        ("2026-11-24T14:00:00", None),
        ("2026-11-24", None),
        ("24.11.2026 14:00", None),
        ("2026-11-24T25:00:00Z", None),
        ("/Date(1764000000000)/", None),
        ("", None),
    ] {
        assert_eq!(start(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_stay_never_ends_before_it_begins() {
    let from_to = |from: &str, to: &str| {
        let item = with(json!({ "ScheduledStartUtc": from, "ScheduledEndUtc": to }));
        stay(item).map(|read| read["endsAt"].as_str().unwrap().to_owned())
    };
    let noon = "2026-11-24T12:00:00Z";
    assert_eq!(from_to(noon, noon), Ok(noon.to_owned()));
    let aside = refused("Reservations[0].ScheduledEndUtc is before ScheduledStartUtc");
    assert_eq!(from_to(noon, "2026-11-24T11:59:59Z"), aside);
    assert_eq!(from_to(noon, "2026-11-24T12:00:00+01:00"), aside);
}

#[test]
fn texts_for_people_are_shortened_and_hold_no_zero() {
    let huge = "ä\0".repeat(200_000);
    let short = "ä".repeat(255);
    let read = stay(with(json!({ "Number": huge, "State": huge }))).unwrap();
    assert_eq!(
        (&read["number"], &read["rawState"]),
        (&json!(short), &json!(short))
    );
    let room = json!({ "Id": ROOM, "Name": huge, "IsActive": true });
    assert_eq!(one("resources", "Resources", room).unwrap()["name"], short);
    let guest = json!({ "Id": GUEST, "FirstName": huge, "LastName": "x" });
    assert_eq!(one("customers", "Customers", guest).unwrap()["name"], short);
    let house = json!({ "Id": ROOM, "Name": huge, "TimeZoneIdentifier": huge });
    let body = json!({ "NowUtc": "2026-11-24T12:00:00Z", "Enterprise": house });
    let read = told("configuration", body.to_string().as_bytes()).unwrap();
    assert_eq!(
        read["account"],
        json!({ "key": ROOM, "name": short, "timeZone": null })
    );
}

#[test]
fn nesting_ends_where_it_would_hurt() {
    for (kind, list, item) in lists() {
        let with_depth = |depth: usize| {
            let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let mut item = item.as_object().cloned().unwrap_or_else(Map::new);
            item.insert("Deep".to_owned(), Value::Null);
            let item = Value::Object(item)
                .to_string()
                .replace("\"Deep\":null", &format!("\"Deep\":{deep}"));
            told(kind, format!("{{\"{list}\":[{item}]}}").as_bytes())
        };
        // The list, its item and the body are three levels.
        assert!(with_depth(124).is_ok(), "{kind}");
        let error = refused("$ is no JSON, or is nested deeper than 128 levels");
        assert_eq!(with_depth(125), error, "{kind}");
        assert_eq!(with_depth(1_000_000), error, "{kind}");
    }
}

#[test]
fn the_last_of_two_members_of_a_name_counts() {
    let body = format!(
        r#"{{"Customers":[{{"Id":"a","Id":"b","LastName":"x"}}],"Customers":[{{"Id":"{GUEST}"}}]}}"#
    );
    let read = told("customers", body.as_bytes()).unwrap();
    assert_eq!(read["items"], json!([{ "id": GUEST, "name": null }]));
}

#[test]
fn what_is_larger_than_any_answer_is_not_read() {
    let mut payload = br#"{"Customers":[]}"#.to_vec();
    payload.resize(10 * 1024 * 1024, b' ');
    assert!(told("customers", &payload).is_ok());
    payload.push(b' ');
    let error = told("customers", &payload).unwrap_err();
    assert!(error.contains("larger than 10 MB"), "{error}");
    assert!(told("customs", b"{}").is_err());
}
