//! JSON of the right outline with wrong values in it.

use serde_json::{Value, json};

/// Seeds after which nothing new comes.
pub(super) const SEEDS: u64 = 2 * KINDS;
/// Kinds of strange values.
const KINDS: u64 = 12;
/// Most items in a list.
const ITEMS: usize = 200;

/// The value with some of its parts replaced, as text. The same for the same seed.
///
/// Every other one has long lists instead. Each item is good but for one part, another one in each;
/// over all seeds every part has had every kind of strange value.
pub(super) fn garbled(value: &Value, seed: u64) -> String {
    let mut value = value.clone();
    if seed.is_multiple_of(2) {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // From hardly anything to nearly all of it.
        let one_in = [40, 12, 4, 2][usize::try_from(seed / 2 % 4).unwrap_or_default()];
        garble(&mut value, &mut chance, one_in);
    } else if let Value::Object(members) = &mut value {
        for list in members.values_mut().filter_map(Value::as_array_mut) {
            let Some(good) = list.first().cloned() else {
                continue;
            };
            list.clear();
            list.resize(parts(&good).min(ITEMS), good);
            for (mut part, item) in list.iter_mut().enumerate() {
                replace(item, &mut part, &mut || strange(seed / 2));
            }
        }
    }
    value.to_string()
}

fn parts(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(parts).sum(),
        Value::Object(members) => members.values().map(parts).sum(),
        _ => 1,
    }
}

/// Replaces the part that `left` others stand before.
fn replace(value: &mut Value, left: &mut usize, with: &mut impl FnMut() -> Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left, with)),
        Value::Object(members) => members
            .values_mut()
            .any(|member| replace(member, left, with)),
        _ if *left == 0 => {
            *value = with();
            true
        }
        _ => {
            *left -= 1;
            false
        }
    }
}

fn garble(value: &mut Value, chance: &mut Chance, one_in: u64) {
    match value {
        Value::Array(items) => {
            for item in items.iter_mut() {
                garble(item, chance, one_in);
            }
            if chance.one_in(one_in)
                && let Some(item) = items.first().cloned()
            {
                items.push(item);
            }
        }
        Value::Object(members) => {
            for member in members.values_mut() {
                garble(member, chance, one_in);
            }
            if chance.one_in(one_in)
                && let Some(name) = members.keys().next().cloned()
            {
                members.remove(&name);
            }
        }
        _ => {}
    }
    if chance.one_in(one_in) {
        *value = strange(chance.next());
    }
}

fn strange(which: u64) -> Value {
    match which % KINDS {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1e308),
        4 => json!(u64::MAX),
        5 => json!(""),
        6 => json!("\u{0}\u{202e}é"),
        7 => json!("9".repeat(300)),
        8 => json!("+262143-12-31T23:59:59Z"),
        9 => json!([]),
        10 => json!([null, [{}], 0]),
        _ => json!({ "Id": {} }),
    }
}

/// Numbers in no order anybody sees (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }
}
