//! What holds of everything that is read, whatever the payload.

use crate::generate::SECRET;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What was read, and the members of Mews's it comes from.
type Sources = &'static [(&'static str, &'static [&'static str])];

/// Where what is read of each kind comes from: nothing else may change it.
const SOURCES: &[(&str, Sources)] = &[
    (
        "configuration",
        &[
            ("key", &["Id"]),
            ("name", &["Name"]),
            ("timeZone", &["TimeZoneIdentifier"]),
        ],
    ),
    (
        "services",
        &[
            ("id", &["Id"]),
            ("active", &["IsActive"]),
            ("bookable", &["Data"]),
        ],
    ),
    (
        "resource-categories",
        &[
            ("id", &["Id"]),
            ("roomKind", &["Type"]),
            ("hasDoor", &["Type"]),
        ],
    ),
    (
        "resource-category-assignments",
        &[
            ("resource", &["ResourceId"]),
            ("category", &["CategoryId"]),
            ("active", &["IsActive"]),
        ],
    ),
    (
        "resources",
        &[
            ("id", &["Id"]),
            ("name", &["Name"]),
            ("active", &["IsActive"]),
            ("parent", &["ParentResourceId"]),
            ("isObject", &["Data"]),
        ],
    ),
    (
        "reservations",
        &[
            ("id", &["Id"]),
            ("number", &["Number", "Id"]),
            ("state", &["State", "CancellationReason"]),
            ("rawState", &["State"]),
            ("room", &["AssignedResourceId"]),
            ("startsAt", &["ScheduledStartUtc"]),
            ("endsAt", &["ScheduledEndUtc"]),
            ("actualStart", &["ActualStartUtc"]),
            ("actualEnd", &["ActualEndUtc"]),
            ("updatedAt", &["UpdatedUtc"]),
            ("service", &["ServiceId"]),
            ("category", &["RequestedResourceCategoryId"]),
            ("owner", &["AccountId", "AccountType"]),
            ("customer", &["AccountId", "AccountType"]),
        ],
    ),
    (
        "customers",
        &[("id", &["Id"]), ("name", &["FirstName", "LastName"])],
    ),
    (
        "companionships",
        &[
            ("customer", &["CustomerId"]),
            ("reservation", &["ReservationId"]),
        ],
    ),
    (
        "resource-access-tokens",
        &[
            ("id", &["Id"]),
            ("reservation", &["ServiceOrderId"]),
            ("room", &["ResourceId"]),
            ("mark", &["SerialNumber"]),
            ("value", &["Value"]),
            ("from", &["ValidityStartUtc"]),
            ("until", &["ValidityEndUtc"]),
            ("permissions", &["Permissions"]),
            ("isLivePin", &["Type", "IsActive"]),
        ],
    ),
];

/// What is read as an identifier.
const IDS: &[&str] = &[
    "id",
    "key",
    "room",
    "resource",
    "category",
    "parent",
    "service",
    "customer",
    "reservation",
    "account",
    "connection",
];
/// What is read as a text for people.
const SHOWN: &[&str] = &["number", "name", "rawState"];

fn sources(kind: &str) -> Sources {
    SOURCES.iter().find(|(name, _)| *name == kind).unwrap().1
}

/// Only what comes from the members touched may have changed.
pub(crate) fn only_touched_changed(kind: &str, was: &Value, is: &Value, touched: &[String]) {
    let told = was.as_object().unwrap();
    let sources = sources(kind);
    assert_eq!(
        told.len(),
        sources.len(),
        "{kind}: every word has its sources"
    );
    for (word, members) in sources {
        let may_change = members
            .iter()
            .any(|name| touched.iter().any(|of| of == name));
        if !may_change {
            assert_eq!(
                is[*word], was[*word],
                "{kind}: {word} comes from {members:?}"
            );
        }
    }
}

/// An item is set aside only for what was touched in it.
pub(crate) fn only_touched_set_aside(at: &str, place: &str, touched: &[String]) {
    let member = at
        .strip_prefix(place)
        .and_then(|rest| rest.strip_prefix('.'));
    let member = member.unwrap_or_else(|| panic!("{at} is not in {place}"));
    // The start may have been moved behind it.
    let by_start =
        member == "ScheduledEndUtc" && touched.iter().any(|of| of == "ScheduledStartUtc");
    assert!(
        by_start || touched.iter().any(|of| of == member),
        "{at}: touched {touched:?}"
    );
}

/// What holds of any item or hint.
pub(crate) fn sound(told: &Value) {
    for (word, value) in told.as_object().unwrap() {
        let Some(text) = value.as_str() else {
            assert!(
                !IDS.contains(&word.as_str()) || value.is_null(),
                "{word} is no text"
            );
            continue;
        };
        assert!(!text.contains('\0'), "{word} cannot be stored");
        if IDS.contains(&word.as_str()) {
            assert!((1..=255).contains(&text.len()), "{word} is no identifier");
            let is_guid = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
            assert!(
                !is_guid || text == text.to_ascii_lowercase(),
                "{word} is not canonical"
            );
        }
        if SHOWN.contains(&word.as_str()) {
            assert!(
                text.chars().count() <= 255,
                "{word} is too long for an index"
            );
        }
    }
    if let (Some(start), Some(end)) = (told["startsAt"].as_str(), told["endsAt"].as_str()) {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert!(at(start) <= at(end), "ends before it starts");
    }
    if let (Some(state), Some(raw)) = (told["state"].as_str(), told["rawState"].as_str()) {
        state_is_what_was_said(state, raw);
    }
}

/// A state opens a door only when Mews said so, letter by letter.
fn state_is_what_was_said(state: &str, raw: &str) {
    let may_be: &[&str] = match raw {
        "Inquired" | "Requested" | "Optional" => &["TENTATIVE", "UNKNOWN"],
        "Confirmed" => &["CONFIRMED", "UNKNOWN"],
        "Started" => &["CHECKED_IN", "UNKNOWN"],
        "Processed" => &["CHECKED_OUT", "UNKNOWN"],
        "Canceled" => &["CANCELED", "NO_SHOW", "UNKNOWN"],
        _ => &["UNKNOWN"],
    };
    assert!(may_be.contains(&state), "{raw} became {state}");
}

/// Identifiers and states are those of the item Mews sent, read here a second time.
pub(crate) fn as_sent(kind: &str, told: &Value, sent: &Value) {
    for (word, members) in sources(kind) {
        let sent = &sent[members[0]];
        match &told[*word] {
            Value::String(text) if IDS.contains(word) => {
                let sent = sent
                    .as_str()
                    .unwrap_or_else(|| panic!("{word} was made up"));
                assert!(text.eq_ignore_ascii_case(sent), "{word} is another");
            }
            // A room, a parent, a guest may be missing only where none was named.
            Value::Null
                if ["room", "parent"].contains(word) && kind != "resource-access-tokens" =>
            {
                assert!(sent.is_null(), "{word} was lost");
            }
            Value::String(state) if *word == "state" && state != "UNKNOWN" => {
                state_is_what_was_said(state, sent.as_str().unwrap());
            }
            _ => {}
        }
    }
}

/// Nothing secret is told.
pub(crate) fn no_secret(text: &str) {
    assert!(!text.contains(SECRET), "a secret was told");
}
