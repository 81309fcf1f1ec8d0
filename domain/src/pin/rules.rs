//! What the locks of all doors accept together.

use super::{Limit, Lock, Unavailable, Wish};
use crate::DeviceRule;

/// Numbers of digits a PIN may have.
const LENGTHS: std::ops::RangeInclusive<u8> = 4..=9;

/// Whether a code obeys one rule of a device, as far as the code alone can tell.
pub fn obeys(code: &str, rule: &DeviceRule) -> bool {
    let bytes = code.as_bytes();
    let at_least = |n: u8, ok: fn(u8, u8) -> bool| {
        n < 2
            || !bytes
                .windows(n.into())
                .any(|w| w.windows(2).all(|p| ok(p[0], p[1])))
    };
    match rule {
        DeviceRule::Lengths(lengths) => lengths.iter().any(|&n| usize::from(n) == bytes.len()),
        DeviceRule::Digits(digits) => code.chars().all(|digit| digits.contains(digit)),
        DeviceRule::NotStarting(beginnings) => !beginnings
            .iter()
            .any(|beginning| code.starts_with(beginning.as_str())),
        DeviceRule::NoRun(n) => at_least(*n, |a, b| b == a + 1) && at_least(*n, |a, b| a == b + 1),
        DeviceRule::NoRepeat(n) => at_least(*n, |a, b| a == b),
        DeviceRule::MinDistinct(n) => {
            let mut seen = [false; 256];
            for &digit in bytes {
                seen[usize::from(digit)] = true;
            }
            seen.iter().filter(|seen| **seen).count() >= usize::from(*n)
        }
        DeviceRule::UniquePrefix(_)
        | DeviceRule::MaxCodes(_)
        | DeviceRule::Lead(_)
        | DeviceRule::ReadBack(_)
        | DeviceRule::Revocable(_)
        | DeviceRule::Label(_)
        | DeviceRule::TimeGrid(_)
        | DeviceRule::MaxDays(_) => true,
    }
}

/// Lengths that every lock takes, the one to choose first: the wanted one, the next longer ones, then
/// the longest shorter ones.
pub(super) fn lengths(wish: &Wish) -> Result<Vec<u8>, Unavailable> {
    let mut common: Vec<u8> = LENGTHS.collect();
    for lock in &wish.locks {
        for rule in &lock.rules {
            if let DeviceRule::Lengths(lengths) = rule {
                let before = common.clone();
                common.retain(|n| lengths.contains(n));
                if common.is_empty() {
                    return Err(Unavailable::no_common_length(wish, lock, rule, &before));
                }
            }
        }
    }
    let shorter = common.partition_point(|&n| n < wish.length);
    let longer = common.split_off(shorter);
    Ok(longer.into_iter().chain(common.into_iter().rev()).collect())
}

/// Digits that every lock takes.
pub(super) fn digits(wish: &Wish) -> Result<Vec<u8>, Unavailable> {
    let mut common: Vec<u8> = (b'0'..=b'9').collect();
    for lock in &wish.locks {
        for rule in &lock.rules {
            if let DeviceRule::Digits(digits) = rule {
                let before = common.clone();
                common.retain(|digit| digits.as_bytes().contains(digit));
                if common.is_empty() {
                    return Err(Unavailable::no_common_digits(wish, lock, rule, &before));
                }
            }
        }
    }
    Ok(common)
}

/// Why a code cannot be a PIN at all, before any lock is asked.
pub(super) fn shape(code: &str) -> Result<(), Limit> {
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Limit::of_the_house("DIGITS 0123456789"));
    }
    let length = u8::try_from(code.len()).unwrap_or(u8::MAX);
    if !LENGTHS.contains(&length) {
        return Err(Limit::of_the_house("LENGTHS 4, 5, 6, 7, 8, 9"));
    }
    Ok(())
}

/// A rule with its value, as people read it.
pub(super) fn named(rule: &DeviceRule) -> String {
    format!("{} {}", rule.name(), rule.value())
}

/// Whether a rule is about which digits a code has.
pub(super) fn is_about_digits(rule: &DeviceRule) -> bool {
    match rule {
        DeviceRule::Lengths(_)
        | DeviceRule::Digits(_)
        | DeviceRule::NotStarting(_)
        | DeviceRule::NoRun(_)
        | DeviceRule::NoRepeat(_)
        | DeviceRule::MinDistinct(_)
        | DeviceRule::UniquePrefix(_) => true,
        DeviceRule::MaxCodes(_)
        | DeviceRule::Lead(_)
        | DeviceRule::ReadBack(_)
        | DeviceRule::Revocable(_)
        | DeviceRule::Label(_)
        | DeviceRule::TimeGrid(_)
        | DeviceRule::MaxDays(_) => false,
    }
}

/// The rules about digits, each with its door.
pub(super) fn listed(locks: &[Lock]) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    for lock in locks {
        for rule in lock.rules.iter().filter(|rule| is_about_digits(rule)) {
            let text = format!("{} @{}", named(rule), lock.space);
            if !listed.contains(&text) {
                listed.push(text);
            }
        }
    }
    listed
}
