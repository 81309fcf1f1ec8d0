//! What may happen to a payload on its way.

use crate::json::Json;
use rand::RngExt;
use rand::rngs::StdRng;

/// Members that hold a secret. Nothing is moved out of them, or into another member's place.
const SECRETS: &[&str] = &[
    "Value",
    "SerialNumber",
    "AccessToken",
    "ApiKey",
    "Requestor",
];
/// Names a member may get.
const NAMES: &[&str] = &[
    "Id",
    "State",
    "Number",
    "Name",
    "IsActive",
    "ScheduledStartUtc",
    "ScheduledEndUtc",
    "AssignedResourceId",
    "AccountType",
    "CancellationReason",
    "Type",
    "Data",
    "id",
    "STATE",
    "",
    "\u{202e}etatS",
    "Extra",
];

/// Changes one member of an item, or what stands in it. Answers the names of the item's own members
/// that were touched.
pub(crate) fn item(rng: &mut StdRng, item: &mut Json) -> Vec<String> {
    let Json::Object(members) = item else {
        return Vec::new();
    };
    let index = match members.iter().position(|(name, _)| name == "State") {
        // The member that matters most is touched most.
        Some(state) if rng.random_bool(0.2) => state,
        _ => rng.random_range(0..members.len()),
    };
    let name = members[index].0.clone();
    let is_secret = SECRETS.contains(&name.as_str());
    match rng.random_range(0..10) {
        0 => {
            members.remove(index);
            vec![name]
        }
        1 if !is_secret => {
            let new = NAMES[rng.random_range(0..NAMES.len())];
            new.clone_into(&mut members[index].0);
            vec![name, new.to_owned()]
        }
        2 => {
            // Before or after the first: the later one counts.
            let place = rng.random_range(0..=members.len());
            let double = if rng.random() {
                members[index].1.clone()
            } else {
                odd(rng)
            };
            members.insert(place, (name.clone(), double));
            vec![name]
        }
        3 if !is_secret => {
            let other = rng.random_range(0..members.len());
            let other_name = members[other].0.clone();
            if SECRETS.contains(&other_name.as_str()) {
                return Vec::new();
            }
            let value = members[other].1.clone();
            members[other].1 = std::mem::replace(&mut members[index].1, value);
            vec![name, other_name]
        }
        4 | 7 => {
            respell(rng, &mut members[index].1);
            vec![name]
        }
        5 => {
            // Another order changes nothing.
            let place = rng.random_range(0..members.len());
            members.swap(index, place);
            Vec::new()
        }
        6 => {
            members.push(("Extra".to_owned(), odd(rng)));
            vec!["Extra".to_owned()]
        }
        _ => {
            replace(rng, &mut members[index].1);
            vec![name]
        }
    }
}

/// Replaces the value, or something in it.
fn replace(rng: &mut StdRng, value: &mut Json) {
    match value {
        Json::Object(members) if !members.is_empty() && rng.random() => {
            let index = rng.random_range(0..members.len());
            replace(rng, &mut members[index].1);
        }
        _ => *value = odd(rng),
    }
}

/// Spells a text in another way, or cuts it short.
fn respell(rng: &mut StdRng, value: &mut Json) {
    if let Json::Plain(plain) = value
        && let Ok(text) = serde_json::from_str::<String>(plain)
    {
        let at = rng.random_range(0..=text.chars().count());
        let head: String = text.chars().take(at).collect();
        let tail: String = text.chars().skip(at).collect();
        *value = Json::text(&match rng.random_range(0..6) {
            0 => head,
            1 => text.to_uppercase(),
            2 => text.to_lowercase(),
            3 => format!("{text} "),
            4 => format!(" {text}"),
            _ => {
                let odd = ["\0", "\u{200b}", "\u{301}", "l", "0"][rng.random_range(0..5)];
                format!("{head}{odd}{tail}")
            }
        });
    }
}

/// A value that should not stand where it does.
fn odd(rng: &mut StdRng) -> Json {
    const PLAIN: &[&str] = &[
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "7.5",
        "1e308",
        "1e400",
        "-1e400",
        "1e-400",
        "99999999999999999999999999999999999999",
        "18446744073709551616",
        "\"\"",
        "\" \"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\u202e\\u200b\"",
        "\"\u{feff}Started\"",
        "\"Started\"",
        "\"Confirmed\"",
        "\"STARTED\"",
        "\"Company\"",
        "\"NoShow\"",
        "\"PinCode\"",
        "\"Bookable\"",
        "\"2026-11-01T00:00:00Z\"",
        "\"2026-11-30T24:00:00Z\"",
        "\"0000-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:60Z\"",
        "\"2026-13-01T00:00:00Z\"",
        "\"+10000-01-01T00:00:00Z\"",
        "\"0001-01-01T00:00:00+23:59\"",
        "\"851df8c8-90f2-4c4a-8e01-a4fc46b25178\"",
        "\"851DF8C8-90F2-4C4A-8E01-A4FC46B25178\"",
        "\"851df8c890f24c4a8e01a4fc46b25178\"",
        "{}",
        "[]",
        "[null]",
        "{\"Id\":{}}",
        "NaN",
        "'x'",
    ];
    match rng.random_range(0..40) {
        0 => {
            let depth = [2, 50, 120, 123, 124, 125, 126, 127, 128, 129, 5_000];
            nested(depth[rng.random_range(0..depth.len())])
        }
        1 => {
            let length = [254, 255, 256, 4_096, 4_097, 100_000];
            let letter = ["x", "ä", "\u{1f511}", "\0"][rng.random_range(0..4)];
            Json::text(&letter.repeat(length[rng.random_range(0..length.len())]))
        }
        _ => Json::Plain(PLAIN[rng.random_range(0..PLAIN.len())].to_owned()),
    }
}

fn nested(depth: usize) -> Json {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    Json::Plain(open + &close)
}

/// Flips, drops, doubles and inserts bytes, or cuts the end off.
pub(crate) fn bytes(rng: &mut StdRng, text: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..=4) {
        if text.is_empty() {
            return;
        }
        let at = rng.random_range(0..text.len());
        match rng.random_range(0..6) {
            0 => text.truncate(at),
            1 => drop(text.remove(at)),
            2 => text.insert(at, b"\"{}[]:,\\0e-u\x00\xff"[rng.random_range(0..14)]),
            3 => text.insert(at, text[at]),
            4 => text[at] = rng.random(),
            _ => text[at] ^= 1 << rng.random_range(0..8),
        }
    }
}
