//! Payloads as Mews sends them, made up.

use crate::json::Json;
use rand::RngExt;
use rand::rngs::StdRng;

/// Stands in every secret, so that one that gets out is seen.
pub(crate) const SECRET: &str = "SECRET";

/// A list of Mews's: kind, name of the list, and how an item is made.
pub(crate) type List = (&'static str, &'static str, fn(&mut StdRng) -> Json);

/// Every kind that is a list.
pub(crate) const LISTS: &[List] = &[
    ("services", "Services", service),
    ("resource-categories", "ResourceCategories", category),
    (
        "resource-category-assignments",
        "ResourceCategoryAssignments",
        assignment,
    ),
    ("resources", "Resources", resource),
    ("reservations", "Reservations", reservation),
    ("customers", "Customers", customer),
    ("companionships", "Companionships", companionship),
    ("resource-access-tokens", "ResourceAccessTokens", token),
];

fn pick<'a>(rng: &mut StdRng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}

fn word(rng: &mut StdRng, words: &[&str]) -> Json {
    Json::text(pick(rng, words))
}

/// An identifier: mostly a GUID.
pub(crate) fn id(rng: &mut StdRng) -> Json {
    match rng.random_range(0..10) {
        0 => Json::text(&format!("R-{}", rng.random::<u16>())),
        1 => Json::text(&guid(rng).to_uppercase()),
        _ => Json::text(&guid(rng)),
    }
}

fn guid(rng: &mut StdRng) -> String {
    let all = format!("{:032x}", rng.random::<u128>());
    let parts = [
        &all[..8],
        &all[8..12],
        &all[12..16],
        &all[16..20],
        &all[20..],
    ];
    parts.join("-")
}

fn maybe(rng: &mut StdRng, make: fn(&mut StdRng) -> Json) -> Json {
    if rng.random_bool(0.2) {
        Json::null()
    } else {
        make(rng)
    }
}

fn flag(rng: &mut StdRng) -> Json {
    Json::flag(rng.random())
}

fn name(rng: &mut StdRng) -> Json {
    word(
        rng,
        &[
            "101",
            "101A",
            "Smith",
            "Ørsted",
            "山田",
            "Suite \u{1f511}",
            "von und zu",
            "007",
        ],
    )
}

/// An instant of a day of November.
fn instant(rng: &mut StdRng, day: u32) -> Json {
    let (hour, minute) = (rng.random_range(0..24), rng.random_range(0..60));
    let end = pick(rng, &[":00Z", ":59.123Z", ":01+02:00"]);
    Json::text(&format!("2026-11-{day:02}T{hour:02}:{minute:02}{end}"))
}

fn service(rng: &mut StdRng) -> Json {
    let kind = word(rng, &["Bookable", "Additional"]);
    Json::object([
        ("Id", id(rng)),
        ("IsActive", flag(rng)),
        ("Data", Json::object([("Discriminator", kind)])),
    ])
}

fn category(rng: &mut StdRng) -> Json {
    let kind = word(
        rng,
        &["Room", "Bed", "Dorm", "Suite", "ParkingSpot", "Desk"],
    );
    Json::object([
        ("Id", id(rng)),
        ("Type", kind),
        ("Ordering", Json::Plain("1".to_owned())),
    ])
}

fn assignment(rng: &mut StdRng) -> Json {
    Json::object([
        ("Id", id(rng)),
        ("ResourceId", id(rng)),
        ("CategoryId", id(rng)),
        ("IsActive", flag(rng)),
    ])
}

fn resource(rng: &mut StdRng) -> Json {
    let kind = word(rng, &["Space", "Object", "Person"]);
    Json::object([
        ("Id", id(rng)),
        ("Name", name(rng)),
        ("IsActive", flag(rng)),
        ("ParentResourceId", maybe(rng, id)),
        ("Data", Json::object([("Discriminator", kind)])),
    ])
}

fn reservation(rng: &mut StdRng) -> Json {
    let states = [
        "Inquired",
        "Requested",
        "Optional",
        "Confirmed",
        "Started",
        "Processed",
        "Canceled",
    ];
    let (start, end) = (rng.random_range(1..15), rng.random_range(16..30));
    Json::object([
        ("Id", id(rng)),
        ("Number", Json::text(&rng.random::<u32>().to_string())),
        ("State", word(rng, &states)),
        (
            "CancellationReason",
            maybe(rng, |rng| word(rng, &["NoShow", "Other"])),
        ),
        ("AssignedResourceId", maybe(rng, id)),
        ("ScheduledStartUtc", instant(rng, start)),
        ("ScheduledEndUtc", instant(rng, end)),
        ("ActualStartUtc", maybe(rng, |rng| instant(rng, 12))),
        ("ActualEndUtc", maybe(rng, |rng| instant(rng, 20))),
        ("UpdatedUtc", instant(rng, 10)),
        ("ServiceId", id(rng)),
        ("RequestedResourceCategoryId", id(rng)),
        ("AccountId", id(rng)),
        ("AccountType", word(rng, &["Customer", "Company"])),
        (
            "PersonCounts",
            Json::List(vec![Json::object([("Count", Json::Plain("2".to_owned()))])]),
        ),
    ])
}

fn customer(rng: &mut StdRng) -> Json {
    Json::object([
        ("Id", id(rng)),
        ("FirstName", maybe(rng, name)),
        ("LastName", name(rng)),
        ("Notes", name(rng)),
    ])
}

fn companionship(rng: &mut StdRng) -> Json {
    Json::object([
        ("Id", id(rng)),
        ("CustomerId", id(rng)),
        ("ReservationId", maybe(rng, id)),
    ])
}

fn token(rng: &mut StdRng) -> Json {
    let secret = |rng: &mut StdRng| Json::text(&format!("{SECRET}-{}", rng.random::<u16>()));
    let serial = if rng.random() {
        Json::text(&format!("portal:{}", guid(rng)))
    } else {
        secret(rng)
    };
    let permissions = [
        ("Bed", flag(rng)),
        ("Room", flag(rng)),
        ("Floor", flag(rng)),
        ("Building", flag(rng)),
    ];
    Json::object([
        ("Id", id(rng)),
        ("ServiceOrderId", id(rng)),
        ("ResourceId", maybe(rng, id)),
        ("Type", word(rng, &["PinCode", "RfidTag"])),
        ("SerialNumber", serial),
        ("Value", secret(rng)),
        ("ValidityStartUtc", instant(rng, 3)),
        ("ValidityEndUtc", instant(rng, 4)),
        ("Permissions", Json::object(permissions)),
        ("IsActive", flag(rng)),
    ])
}

/// A whole answer of configuration/get.
pub(crate) fn configuration(rng: &mut StdRng) -> Json {
    let zone = word(rng, &["Europe/Oslo", "America/New_York", "Mars/Olympus"]);
    let house = [
        ("Id", id(rng)),
        ("Name", name(rng)),
        ("TimeZoneIdentifier", zone),
        ("IsPortfolio", Json::flag(false)),
    ];
    Json::object([
        ("NowUtc", instant(rng, 9)),
        ("Enterprise", Json::object(house)),
    ])
}

/// One event of a general webhook.
pub(crate) fn event(rng: &mut StdRng) -> Json {
    let kinds = [
        "ServiceOrderUpdated",
        "ServiceOrderUpdated",
        "ResourceUpdated",
        "CustomerAdded",
    ];
    let value = Json::object([("Id", Json::text(&guid(rng)))]);
    Json::object([("Discriminator", word(rng, &kinds)), ("Value", value)])
}

/// A general webhook with these events.
pub(crate) fn general(rng: &mut StdRng, events: Vec<Json>) -> Json {
    Json::object([
        ("EnterpriseId", Json::text(&guid(rng))),
        ("IntegrationId", Json::text(&guid(rng))),
        ("Events", Json::List(events)),
    ])
}

/// An integration webhook, with a secret in it.
pub(crate) fn integration(rng: &mut StdRng) -> Json {
    let (action, holder) = match rng.random_range(0..3) {
        0 => ("IntegrationCreated", "AccessToken"),
        1 => ("IntegrationApiKeyCreated", "ApiKey"),
        _ => ("IntegrationDisabled", "Requestor"),
    };
    let named =
        |rng: &mut StdRng| Json::object([("Id", Json::text(&guid(rng))), ("Name", name(rng))]);
    let data = [
        ("Enterprise", named(rng)),
        ("Integration", named(rng)),
        (
            holder,
            Json::text(&format!("{SECRET}-{}", rng.random::<u32>())),
        ),
    ];
    Json::object([("Action", Json::text(action)), ("Data", Json::object(data))])
}
