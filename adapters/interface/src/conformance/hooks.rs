//! HOOK-1: what a vendor delivers by itself, and what strangers do.

use super::garble;
use super::house::PmsScene;
use super::run::{Checked, fail, must};
use super::stage::Cannot;
use crate::{AdapterError, Hint, Hooks};
use serde_json::{Map, Value, json};

/// Each example reads to its hints, however its members are ordered and whatever else is in it.
/// Unknown events and garbage give no hint, and nothing makes the reader panic.
pub(super) async fn hook_1(scene: &PmsScene) -> Checked {
    let Some(hooks) = scene.adapter.hooks() else {
        return Err(Cannot("the app has no webhooks").into());
    };
    let deliveries = scene.stage.deliveries()?;
    must!(!deliveries.is_empty(), "there is no example of a delivery");
    for delivery in &deliveries {
        let Ok(value) = serde_json::from_str::<Value>(&delivery.body) else {
            fail!("an example is no JSON");
        };
        let mut more = value.clone();
        add(&mut more);
        for body in [
            delivery.body.clone(),
            backwards(&value),
            backwards(&more),
            more.to_string(),
        ] {
            let read = hooks.read(body.as_bytes());
            must!(
                read.as_ref() == Ok(&delivery.hints),
                "an example was read as {read:?}, not {:?}",
                delivery.hints
            );
        }
        let mut numbered = value.clone();
        number(&mut numbered);
        no_hint(hooks, "numbers for texts", numbered.to_string().as_bytes())?;
        for seed in 0..garble::SEEDS {
            // Whatever is read in it, it is read.
            let _ = hooks.read(garble::garbled(&value, seed).as_bytes());
        }
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"Data":"#.repeat(1000), "}".repeat(1000));
    let large = format!(r#"{{"Events":"{}"}}"#, "x".repeat(1024 * 1024));
    let unknown = json!({ "Action": "SomethingElse", "Events": [{ "Discriminator": "News" }] });
    for (what, body) in [
        ("nothing", Vec::new()),
        ("no text", vec![0xff, 0xfe, 0x00]),
        ("no JSON", b"<html></html>".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[1, 2]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("an unknown event", unknown.to_string().into_bytes()),
        ("a megabyte", large.into_bytes()),
        ("deep lists", deep.into_bytes()),
        ("deep objects", deep_object.into_bytes()),
    ] {
        no_hint(hooks, what, &body)?;
    }
    Ok(())
}

fn no_hint(hooks: &dyn Hooks, what: &str, body: &[u8]) -> Checked {
    let read: Result<Vec<Hint>, AdapterError> = hooks.read(body);
    match read {
        Ok(hints) if hints.is_empty() => Ok(()),
        Err(AdapterError::Unreadable { .. }) => Ok(()),
        read => fail!("{what} was read as {read:?}"),
    }
}

/// Adds a member nobody knows to every object.
fn add(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(add),
        Value::Object(members) => {
            members.values_mut().for_each(add);
            let news = json!({ "Is": ["new", 1, null] });
            members.insert("AaNews".to_owned(), news.clone());
            members.insert("zzNews".to_owned(), news);
        }
        _ => {}
    }
}

/// Puts a number in the place of every text.
fn number(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(number),
        Value::Object(members) => members.values_mut().for_each(number),
        Value::String(_) => *value = json!(7),
        _ => {}
    }
}

/// The value as text, the members of its objects from the last to the first.
fn backwards(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(",");
    match value {
        Value::Array(items) => format!("[{}]", list(items.iter().map(backwards).collect())),
        Value::Object(members) => format!("{{{}}}", list(members_backwards(members))),
        value => value.to_string(),
    }
}

fn members_backwards(members: &Map<String, Value>) -> Vec<String> {
    let mut written: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}:{}", json!(name), backwards(value)))
        .collect();
    written.reverse();
    written
}
