//! One target for each kind of payload an adapter reads, through the entry `portal decode` uses.
//!
//! With `libfuzzer`, the default, a target fuzzes, or replays the files it is given. Without, it only
//! reads files: `cargo run --no-default-features --bin reservations -- FILE_OR_FOLDER...`

use portal_interface::Decode;
use portal_mews::Payloads;
use serde_json::Value;

#[cfg(feature = "libfuzzer")]
pub use libfuzzer_sys;

/// What is read as an identifier, and may be stored as one.
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

/// Makes the `main` of a target for one kind.
#[macro_export]
macro_rules! target {
    ($kind:literal) => {
        #[cfg(feature = "libfuzzer")]
        $crate::libfuzzer_sys::fuzz_target!(|payload: &[u8]| $crate::read($kind, payload));

        #[cfg(not(feature = "libfuzzer"))]
        fn main() {
            $crate::replay($kind);
        }
    };
}

/// Reads a payload and checks what holds of everything that is read.
///
/// # Panics
///
/// When it does not hold.
pub fn read(kind: &str, payload: &[u8]) {
    // What cannot be read is refused, which is right; only a panic or a wrong read is not.
    if let Ok(told) = Payloads.decode(kind, payload) {
        check(&told);
    }
}

fn check(told: &Value) {
    match told {
        Value::Array(items) => items.iter().for_each(check),
        Value::Object(members) => {
            for (name, value) in members {
                if let Some(text) = value.as_str() {
                    check_text(name, text);
                }
                check(value);
            }
            let at = |name: &str| {
                told[name]
                    .as_str()?
                    .parse::<chrono::DateTime<chrono::Utc>>()
                    .ok()
            };
            if let (Some(start), Some(end)) = (at("startsAt"), at("endsAt")) {
                assert!(start <= end, "ends before it starts");
            }
        }
        _ => {}
    }
}

fn check_text(name: &str, text: &str) {
    assert!(
        name == "position" || !text.contains('\0'),
        "{name} cannot be stored"
    );
    if IDS.contains(&name) && name != "account" {
        assert!((1..=255).contains(&text.len()), "{name} is no identifier");
    }
    if ["number", "name", "rawState"].contains(&name) {
        assert!(text.chars().count() <= 255, "{name} is too long");
    }
    if name == "value" {
        assert_eq!(text, "<set>", "a PIN was told");
    }
}

/// Reads every file named by the arguments, and those in the folders named.
///
/// # Panics
///
/// When a file cannot be had, or what is read of it does not hold.
pub fn replay(kind: &str) {
    let mut paths: Vec<std::path::PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let mut count = 0_u64;
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder that can be listed");
            paths.extend(entries.map(|entry| entry.expect("an entry of the folder").path()));
        } else {
            let payload = std::fs::read(&path).expect("a file that can be read");
            read(kind, &payload);
            count += 1;
        }
    }
    println!("{kind}: {count} files read, none wrong");
}
