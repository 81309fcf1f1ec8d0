//! Payloads made up and spoilt: none makes a reader panic, and none is read as what it is not.
//!
//! `PORTAL_PAYLOADS` says how many, `PORTAL_SEED` where to begin; one that fails names its seed.

use crate::json::Json;
use crate::{decode, generate, mutate, rules};
use portal_interface::Undecoded;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What came of one payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// All of it was read.
    Read,
    /// Some of it was set aside.
    Aside,
    /// None of it was read.
    Refused,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn spoilt_payloads_are_never_misread() {
    let count = number("PORTAL_PAYLOADS").unwrap_or(5_000);
    let first = number("PORTAL_SEED").unwrap_or_else(rand::random);
    println!("payloads: first seed {first}");
    let began = Instant::now();
    let mut came: BTreeMap<(&str, Came), u64> = BTreeMap::new();
    for seed in (0..count).map(|n| first.wrapping_add(n)) {
        let spoilt = catch_unwind(AssertUnwindSafe(|| spoil(seed)));
        let Ok(what) = spoilt else {
            panic!("replay with PORTAL_SEED={seed} PORTAL_PAYLOADS=1");
        };
        *came.entry(what).or_default() += 1;
    }
    for ((kind, what), times) in &came {
        println!(
            "payloads: {kind:<30} {what:<8} {times:>7}",
            what = format!("{what:?}")
        );
    }
    println!(
        "payloads: {count}, seeds from {first}, in {} s; 0 panics, 0 misread; at most {} in memory",
        began.elapsed().as_secs(),
        most_memory().unwrap_or_else(|| "an unknown amount".to_owned())
    );
}

/// The most memory this process has held, where the system tells.
fn most_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

/// Makes the payload of a seed, spoils it, and checks how it is read.
fn spoil(seed: u64) -> (&'static str, Came) {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    match rng.random_range(0..generate::LISTS.len() + 4) {
        0 => ("configuration", configuration(rng)),
        1 => ("webhook", general(rng)),
        2 => ("webhook", integration(rng)),
        3 => ("resource-access-token-added", added(rng)),
        at => {
            let (kind, ..) = generate::LISTS[at - 4];
            (kind, list(rng, generate::LISTS[at - 4]))
        }
    }
}

/// Reads a payload and checks what holds of any.
fn read(kind: &str, payload: &[u8]) -> Result<Value, String> {
    let read = decode(kind, payload);
    let sent = serde_json::from_slice::<Value>(payload).ok();
    match read {
        Ok(told) => {
            rules::no_secret(&told.to_string());
            Ok(told)
        }
        Err(Undecoded::Unreadable { at, why }) => {
            rules::no_secret(&format!("{at} {why}"));
            // What is not read at all is no JSON, and what is no JSON is not read at all. Webhooks
            // pass over what they do not look for, however deep it is.
            assert!(
                kind == "webhook" || (at == "$") == sent.is_none(),
                "{at} {why}"
            );
            Err(at)
        }
        Err(other) => panic!("{other}"),
    }
}

/// With a chance, spoils the bytes as well. Then only what holds of any payload can be checked.
fn spoil_bytes(rng: &mut StdRng, text: String) -> (Vec<u8>, bool) {
    let mut bytes = text.into_bytes();
    let is_spoilt = rng.random_bool(0.2);
    if is_spoilt {
        mutate::bytes(rng, &mut bytes);
    }
    (bytes, is_spoilt)
}

fn list(rng: &mut StdRng, (kind, list, make): generate::List) -> Came {
    let mut items: Vec<Json> = (0..rng.random_range(1..=4)).map(|_| make(rng)).collect();
    let page = |items: Vec<Json>| {
        let members = [(list, Json::List(items)), ("Cursor", Json::text("next"))];
        Json::object(members).write()
    };
    let plain = read(kind, page(items.clone()).as_bytes()).unwrap();
    assert_eq!(plain["setAside"], json!([]), "{kind}");
    let at = rng.random_range(0..items.len());
    let touched = mutate::item(rng, &mut items[at]);
    let (payload, is_spoilt) = spoil_bytes(rng, page(items));
    let told = match read(kind, &payload) {
        Ok(told) => told,
        Err(path) => {
            assert!(is_spoilt || path == "$", "{path}");
            return Came::Refused;
        }
    };
    let sent: Value = serde_json::from_slice(&payload).unwrap();
    let (sent, read) = (array(&sent[list]), array(&told["items"]));
    let aside = array(&told["setAside"]);
    assert_eq!(
        read.len() + aside.len(),
        sent.len(),
        "each item is read or set aside"
    );
    let paths: Vec<&str> = aside
        .iter()
        .map(|aside| aside["at"].as_str().unwrap())
        .collect();
    let place = |index: usize| format!("{list}[{index}]");
    let is_aside = |index: usize| {
        let place = place(index);
        let is_in = |path: &&str| {
            path.strip_prefix(&place)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        paths.iter().any(is_in)
    };
    let mut left = read.iter();
    for index in 0..sent.len() {
        if is_aside(index) {
            continue;
        }
        let item = left.next().unwrap();
        rules::sound(item);
        rules::as_sent(kind, item, &sent[index]);
        if is_spoilt {
            continue;
        }
        let was = &plain["items"][index];
        if index == at {
            rules::only_touched_changed(kind, was, item, &touched);
        } else {
            assert_eq!(item, was, "a neighbour changed");
        }
    }
    if !is_spoilt && let Some(path) = paths.first() {
        assert_eq!(paths.len(), 1, "one item was spoilt");
        rules::only_touched_set_aside(path, &place(at), &touched);
    }
    if aside.is_empty() {
        Came::Read
    } else {
        Came::Aside
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn configuration(rng: &mut StdRng) -> Came {
    let mut body = generate::configuration(rng);
    let plain = read("configuration", body.write().as_bytes()).unwrap();
    let mut touched = Vec::new();
    if let Json::Object(members) = &mut body {
        touched = mutate::item(rng, &mut members[1].1);
    }
    let (payload, is_spoilt) = spoil_bytes(rng, body.write());
    let Ok(told) = read("configuration", &payload) else {
        return Came::Refused;
    };
    if told["opens"] == "ONE" {
        rules::sound(&told["account"]);
        let sent: Value = serde_json::from_slice(&payload).unwrap();
        rules::as_sent("configuration", &told["account"], &sent["Enterprise"]);
        if !is_spoilt {
            rules::only_touched_changed(
                "configuration",
                &plain["account"],
                &told["account"],
                &touched,
            );
        }
    } else {
        assert!(is_spoilt || touched.iter().any(|name| name == "IsPortfolio"));
        assert_eq!(told["account"], Value::Null);
    }
    if !is_spoilt {
        assert_eq!(told["now"], plain["now"]);
    }
    Came::Read
}

/// What a general webhook asks to look at: the reservations, and whether at the rooms.
fn looks(told: &Value) -> (Vec<String>, bool) {
    let hints = array(&told["hints"]);
    let ids = hints.iter().flat_map(|hint| array(&hint["reservations"]));
    let ids = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
    (ids, hints.iter().any(|hint| hint["look"] == "ROOMS"))
}

fn general(rng: &mut StdRng) -> Came {
    let mut events: Vec<Json> = (0..rng.random_range(1..=5))
        .map(|_| generate::event(rng))
        .collect();
    let at = rng.random_range(0..events.len());
    let mut body = generate::general(rng, events.clone());
    mutate::item(rng, &mut events[at]);
    if let Json::Object(members) = &mut body {
        let mut others = events.clone();
        others.remove(at);
        members[2].1 = Json::List(others);
        let others =
            looks(&read("webhook", Json::Object(members.clone()).write().as_bytes()).unwrap());
        members[2].1 = Json::List(events);
        let (payload, is_spoilt) = spoil_bytes(rng, body.write());
        let Ok(told) = read("webhook", &payload) else {
            return Came::Refused;
        };
        let (reservations, rooms) = looks(&told);
        if !is_spoilt {
            assert!(
                others.0.iter().all(|id| reservations.contains(id)),
                "an event was lost"
            );
            assert!(rooms || !others.1, "the rooms were lost");
            assert!(
                reservations.len() <= others.0.len() + 1,
                "an event became several"
            );
        }
        hints_are_sound(&told, &payload);
        return if told["setAside"] == json!([]) {
            Came::Read
        } else {
            Came::Aside
        };
    }
    unreachable!("a webhook is an object")
}

fn integration(rng: &mut StdRng) -> Came {
    let mut body = generate::integration(rng);
    if let Json::Object(members) = &mut body {
        mutate::item(rng, &mut members[1].1);
    }
    let (payload, _) = spoil_bytes(rng, body.write());
    let Ok(told) = read("webhook", &payload) else {
        return Came::Refused;
    };
    hints_are_sound(&told, &payload);
    if told["setAside"] == json!([]) {
        Came::Read
    } else {
        Came::Aside
    }
}

/// Hints hold nothing but GUIDs that stand in the payload.
fn hints_are_sound(told: &Value, payload: &[u8]) {
    let sent = String::from_utf8_lossy(payload).to_ascii_lowercase();
    for hint in array(&told["hints"]) {
        rules::sound(hint);
        let ids = [&hint["account"], &hint["connection"]];
        for id in ids.into_iter().chain(array(&hint["reservations"])) {
            if let Some(id) = id.as_str() {
                assert!(uuid::Uuid::try_parse(id).is_ok(), "no GUID");
                // A letter may have been written as an escape.
                assert!(sent.contains(id) || sent.contains('\\'), "made up");
            }
        }
    }
}

fn added(rng: &mut StdRng) -> Came {
    let id = Json::object([
        ("Id", generate::id(rng)),
        ("Value", Json::text(generate::SECRET)),
    ]);
    let mut items: Vec<Json> = vec![id; rng.random_range(0..=2)];
    if let Some(item) = items.first_mut() {
        mutate::item(rng, item);
    }
    let body = Json::object([("ResourceAccessTokens", Json::List(items))]);
    let (payload, _) = spoil_bytes(rng, body.write());
    let Ok(told) = read("resource-access-token-added", &payload) else {
        return Came::Refused;
    };
    let sent: Value = serde_json::from_slice(&payload).unwrap();
    let sent = array(&sent["ResourceAccessTokens"]);
    let told = array(&told["added"]);
    assert_eq!(sent.len(), told.len());
    for (sent, told) in sent.iter().zip(told) {
        rules::sound(told);
        let id = told["id"].as_str().unwrap();
        assert!(sent["Id"].as_str().unwrap().eq_ignore_ascii_case(id));
    }
    Came::Read
}
