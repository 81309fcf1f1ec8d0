//! Chooses the digits of a PIN: what all doors of a keychain accept, what nobody would guess, and
//! what no other guest of the house holds at the time.

use crate::{DeviceRule, Window};
use chrono::{DateTime, Datelike, Utc};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

mod guessable;

/// Draws before the search becomes exhaustive.
const DRAWS: u32 = 64;
/// Draws for lengths whose codes are too many to try one by one.
const MORE_DRAWS: u32 = 4096;
/// Longest length whose codes are tried one by one.
const TRY_ALL: u8 = 5;
/// Cool-downs to fall back to, in days, when the wanted one leaves nothing.
const SHORTER_COOLDOWNS: [i32; 3] = [7, 1, 0];

/// A lock that must take the PIN.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The space it is installed in, for people.
    pub space: String,
    /// What codes on it must obey.
    pub rules: Vec<DeviceRule>,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Locks of all doors, those of the main door first.
    pub locks: Vec<Lock>,
    /// Digits, where the locks allow it.
    pub length: u8,
    /// Days a past PIN rests.
    pub cooldown_days: i32,
    /// From when until when the PIN is used: its dates are not a good PIN.
    pub window: Window,
    /// Numbers a stranger may know: of the room, the space, the reservation.
    pub known_numbers: Vec<String>,
    /// The PIN the keychain has, which is kept if it can be.
    pub current: Option<String>,
}

/// Whether others use a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Nobody, as far back as anyone looked.
    Free,
    /// Somebody, in the window.
    Taken,
    /// Somebody, until so many days before the window.
    Past {
        /// Whole days between the end of that use and the window.
        days: i32,
    },
}

/// A PIN, and how it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Allocated {
    /// The digits. Text: leading zeros count.
    pub code: String,
    /// How it was found; holds no digits.
    pub proof: Proof,
}

impl std::fmt::Debug for Allocated {
    /// Without the digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocated")
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

/// How a PIN was found. Holds no digits of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Digits.
    pub length: u8,
    /// The rules it obeys, each with its door.
    pub rules: Vec<String>,
    /// Codes that were drawn but taken by others.
    pub taken: u32,
    /// Codes drawn until one fitted.
    pub draws: u32,
    /// Days for which the code had not been used.
    pub cooldown_days: i32,
}

/// Why no PIN suits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The doors share no length.
    #[error("{space} {rule}")]
    NoCommonLength {
        /// The door whose rule left nothing.
        space: String,
        /// The rule.
        rule: String,
    },
    /// The doors share no digits.
    #[error("{space} {rule}")]
    NoCommonDigits {
        /// The door whose rule left nothing.
        space: String,
        /// The rule.
        rule: String,
    },
    /// All that the rules allow are taken.
    #[error("all codes of {length} digits that the locks allow are taken")]
    Exhausted {
        /// Digits of the codes tried.
        length: u8,
    },
}

/// Chooses a PIN. `used` tells whether others use a code in the window.
pub fn allocate(
    wish: &Wish,
    mut used: impl FnMut(&str) -> Use,
    rng: &mut impl Rng,
) -> Result<Allocated, Unavailable> {
    let lengths = common_lengths(&wish.locks)?;
    let digits = common_digits(&wish.locks)?;
    let length = choose_length(&lengths, wish.length);
    let mut search = Search {
        wish,
        digits: &digits,
        taken: 0,
        draws: 0,
        used: &mut used,
    };
    let found = |code: String, search: &Search<'_>, cooldown_days| Allocated {
        proof: Proof {
            length: u8::try_from(code.len()).unwrap_or(u8::MAX),
            rules: rules(&wish.locks),
            taken: search.taken,
            draws: search.draws,
            cooldown_days,
        },
        code,
    };
    if let Some(current) = &wish.current {
        let kept = u8::try_from(current.len()).is_ok_and(|n| lengths.contains(&n))
            && search.obeys(current)
            && (search.used)(current) != Use::Taken;
        if kept {
            return Ok(found(current.clone(), &search, 0));
        }
    }
    let shorter = SHORTER_COOLDOWNS
        .into_iter()
        .filter(|&days| days < wish.cooldown_days);
    for cooldown in std::iter::once(wish.cooldown_days).chain(shorter) {
        if let Some(code) = search.draw(length, cooldown, rng) {
            return Ok(found(code, &search, cooldown));
        }
    }
    Err(Unavailable::Exhausted { length })
}

struct Search<'a> {
    wish: &'a Wish,
    digits: &'a [u8],
    taken: u32,
    draws: u32,
    used: &'a mut dyn FnMut(&str) -> Use,
}

impl Search<'_> {
    fn draw(&mut self, length: u8, cooldown: i32, rng: &mut impl Rng) -> Option<String> {
        let draws = if length <= TRY_ALL {
            DRAWS
        } else {
            DRAWS + MORE_DRAWS
        };
        for _ in 0..draws {
            let code: String = (0..length)
                .map(|_| char::from(self.digits[rng.random_range(0..self.digits.len())]))
                .collect();
            if self.fits(&code, cooldown) {
                return Some(code);
            }
        }
        if length > TRY_ALL {
            return None;
        }
        // Few codes are left, if any: all of them, from a random place on, so that the one taken
        // cannot be told from outside.
        let base = self.digits.len();
        let all = base.pow(length.into());
        let start = rng.random_range(0..all);
        let digits = self.digits;
        (0..all)
            .map(|n| nth(digits, (start + n) % all, length))
            .find(|code| self.fits(code, cooldown))
    }

    fn fits(&mut self, code: &str, cooldown: i32) -> bool {
        self.draws += 1;
        if !self.obeys(code) || guessable::is_guessable(code, self.wish) {
            return false;
        }
        match (self.used)(code) {
            Use::Free => true,
            Use::Past { days } => days >= cooldown,
            Use::Taken => {
                self.taken += 1;
                false
            }
        }
    }

    /// Whether every lock takes the digits.
    fn obeys(&self, code: &str) -> bool {
        self.wish
            .locks
            .iter()
            .flat_map(|lock| &lock.rules)
            .all(|rule| obeys(code, rule))
    }
}

/// The code that is the number `n` written with these digits.
fn nth(digits: &[u8], mut n: usize, length: u8) -> String {
    (0..length)
        .map(|_| {
            let digit = digits[n % digits.len()];
            n /= digits.len();
            char::from(digit)
        })
        .collect()
}

/// Whether a code obeys one rule of a device.
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
            let mut distinct = bytes.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            distinct.len() >= usize::from(*n)
        }
        DeviceRule::MaxCodes(_)
        | DeviceRule::Lead(_)
        | DeviceRule::ReadBack(_)
        | DeviceRule::Revocable(_)
        | DeviceRule::Label(_) => true,
    }
}

/// Lengths that every lock takes, 4 to 9.
fn common_lengths(locks: &[Lock]) -> Result<Vec<u8>, Unavailable> {
    let mut common: Vec<u8> = (4..=9).collect();
    for lock in locks {
        for rule in &lock.rules {
            if let DeviceRule::Lengths(lengths) = rule {
                common.retain(|n| lengths.contains(n));
                if common.is_empty() {
                    return Err(Unavailable::NoCommonLength {
                        space: lock.space.clone(),
                        rule: named(rule),
                    });
                }
            }
        }
    }
    Ok(common)
}

/// Digits that every lock takes.
fn common_digits(locks: &[Lock]) -> Result<Vec<u8>, Unavailable> {
    let mut common: Vec<u8> = (b'0'..=b'9').collect();
    for lock in locks {
        for rule in &lock.rules {
            if let DeviceRule::Digits(digits) = rule {
                common.retain(|digit| digits.as_bytes().contains(digit));
                if common.is_empty() {
                    return Err(Unavailable::NoCommonDigits {
                        space: lock.space.clone(),
                        rule: named(rule),
                    });
                }
            }
        }
    }
    Ok(common)
}

/// The wanted length, else the next longer, else the longest shorter.
fn choose_length(common: &[u8], wanted: u8) -> u8 {
    common
        .iter()
        .copied()
        .filter(|&n| n >= wanted)
        .min()
        .or_else(|| common.iter().copied().max())
        .unwrap_or(wanted)
}

fn named(rule: &DeviceRule) -> String {
    format!("{} {}", rule.name(), rule.value())
}

/// The rules about digits, each with its door.
fn rules(locks: &[Lock]) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    for lock in locks {
        for rule in &lock.rules {
            let about_digits = matches!(
                rule,
                DeviceRule::Lengths(_)
                    | DeviceRule::Digits(_)
                    | DeviceRule::NotStarting(_)
                    | DeviceRule::NoRun(_)
                    | DeviceRule::NoRepeat(_)
                    | DeviceRule::MinDistinct(_)
            );
            let text = format!("{} @{}", named(rule), lock.space);
            if about_digits && !rules.contains(&text) {
                rules.push(text);
            }
        }
    }
    rules
}

/// Day, month and year of an instant, two digits each.
fn date_parts(at: DateTime<Utc>) -> [String; 3] {
    [
        format!("{:02}", at.day()),
        format!("{:02}", at.month()),
        format!("{:02}", at.year().rem_euclid(100)),
    ]
}

#[cfg(test)]
mod tests;
