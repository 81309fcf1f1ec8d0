//! Why no PIN suits, so that staff can do something about it. Holds no digits of any code.

use super::{Lock, Wish, rules};
use crate::code::codes;
use crate::{DeviceRule, KeychainDoorRole};
use serde::{Deserialize, Serialize};

codes! {
    /// Why no PIN suits all doors.
    PinUnavailableReason {
        /// The doors share no number of digits.
        NoCommonLength = "NO_COMMON_LENGTH",
        /// The doors share no digits.
        NoCommonDigits = "NO_COMMON_DIGITS",
        /// All codes are refused by a rule, easy to guess or taken.
        Exhausted = "EXHAUSTED",
        /// The code a person asked for is refused.
        NotAllowed = "NOT_ALLOWED",
    }
}

/// What refuses codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// The door whose rule it is. Null where the house as a whole refuses.
    pub space: Option<String>,
    /// The rule with its value, for example `LENGTHS 4`; `GUESSABLE`: a stranger would try it;
    /// `CURRENT`: it is the PIN to be replaced; `TAKEN`: another guest holds it.
    pub rule: String,
}

impl Limit {
    pub(super) fn at(lock: &Lock, rule: &DeviceRule) -> Self {
        Self {
            space: Some(lock.space.clone()),
            rule: rules::named(rule),
        }
    }

    pub(super) fn of_the_house(rule: &str) -> Self {
        Self {
            space: None,
            rule: rule.to_owned(),
        }
    }
}

/// How many codes something refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// What refused them.
    #[serde(flatten)]
    pub by: Limit,
    /// How many codes it was the first to refuse.
    pub codes: u64,
}

/// Where the codes of one length went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// Digits.
    pub length: u8,
    /// Codes looked at.
    pub of: u64,
    /// Whether these are all codes of that length. Otherwise they are draws from the digits that all
    /// doors take, and the numbers tell shares.
    pub exact: bool,
    /// What refused them, in the order in which it was asked.
    pub removed: Vec<Removed>,
}

/// Why no PIN suits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{}", self.short())]
pub struct Unavailable {
    /// In a word.
    pub reason: PinUnavailableReason,
    /// The first that left no code, doors asked in the order main, parents, common.
    pub emptied_by: Limit,
    /// The doors that must take the PIN, in that order.
    pub doors: Vec<String>,
    /// What staff can do.
    pub suggestion: String,
    /// When exhausted: where the codes went, the wanted length first.
    #[serde(default, skip_serializing_if = "<[Count]>::is_empty")]
    pub counts: Box<[Count]>,
}

impl Unavailable {
    fn new(
        wish: &Wish,
        reason: PinUnavailableReason,
        emptied_by: Limit,
        suggestion: String,
    ) -> Self {
        let mut doors: Vec<String> = Vec::new();
        for lock in &wish.locks {
            if !doors.contains(&lock.space) {
                doors.push(lock.space.clone());
            }
        }
        Self {
            reason,
            emptied_by,
            doors,
            suggestion,
            counts: Box::default(),
        }
    }

    /// `before`: the lengths that the doors up to this rule share.
    pub(super) fn no_common_length(
        wish: &Wish,
        lock: &Lock,
        rule: &DeviceRule,
        before: &[u8],
    ) -> Self {
        Self::new(
            wish,
            PinUnavailableReason::NoCommonLength,
            Limit::at(lock, rule),
            change_lock(lock, &format!("PINs of {} digits", any_of(before))),
        )
    }

    /// `before`: the digits that the doors up to this rule share.
    pub(super) fn no_common_digits(
        wish: &Wish,
        lock: &Lock,
        rule: &DeviceRule,
        before: &[u8],
    ) -> Self {
        let before: String = before.iter().copied().map(char::from).collect();
        Self::new(
            wish,
            PinUnavailableReason::NoCommonDigits,
            Limit::at(lock, rule),
            change_lock(lock, &format!("the digits {before}")),
        )
    }

    pub(super) fn not_allowed(wish: &Wish, limit: Limit) -> Self {
        Self::new(
            wish,
            PinUnavailableReason::NotAllowed,
            limit,
            "Ask for another PIN, or let Portal choose one".to_owned(),
        )
    }

    /// `counts`: where the codes of each length went, the wanted length first.
    pub(super) fn exhausted(wish: &Wish, counts: Vec<Count>) -> Self {
        let last = counts.first().and_then(|count| count.removed.last());
        let emptied_by = last.map_or_else(
            || Limit::of_the_house("TAKEN"),
            |removed| removed.by.clone(),
        );
        let at = wish
            .locks
            .iter()
            .find(|lock| Some(&lock.space) == emptied_by.space.as_ref());
        let suggestion = match (at, longer(wish, &counts)) {
            (Some(lock), _) => change_lock(lock, "more PINs"),
            (None, Some(lock)) => change_lock(lock, "longer PINs"),
            (None, None) => "Install locks that take more PINs".to_owned(),
        };
        Self {
            counts: counts.into(),
            ..Self::new(
                wish,
                PinUnavailableReason::Exhausted,
                emptied_by,
                suggestion,
            )
        }
    }

    /// The door and rule, or what else left nothing, without a full stop.
    fn short(&self) -> String {
        let Limit { space, rule } = &self.emptied_by;
        let digits: Vec<u8> = self.counts.iter().map(|count| count.length).collect();
        let all = format!(
            "all codes of {} digits that the locks allow",
            any_of(&digits)
        );
        let exhausted = self.reason == PinUnavailableReason::Exhausted;
        match (space, rule.as_str()) {
            (Some(space), _) => format!("{space} {rule}"),
            (None, "TAKEN") if exhausted => format!("{all} are taken"),
            (None, "GUESSABLE") if exhausted => format!("{all} are easy to guess"),
            (None, _) => rule.clone(),
        }
    }
}

/// A lock that alone keeps longer codes from being tried, best one that staff can do without.
fn longer<'a>(wish: &'a Wish, counts: &[Count]) -> Option<&'a Lock> {
    let longest = counts.iter().map(|count| count.length).max()?;
    wish.locks.iter().rev().find(|lock| {
        lock.rules.iter().any(|rule| match rule {
            DeviceRule::Lengths(lengths) => lengths.iter().all(|&n| n <= longest),
            _ => false,
        })
    })
}

/// A common door can be left out, the others need another lock.
fn change_lock(lock: &Lock, takes: &str) -> String {
    let space = &lock.space;
    match lock.role {
        KeychainDoorRole::Common => {
            format!("Unlink {space}, or install a lock there that takes {takes}")
        }
        KeychainDoorRole::Main | KeychainDoorRole::Parent => {
            format!("Install a lock in {space} that takes {takes}")
        }
    }
}

fn any_of(numbers: &[u8]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let words: Vec<String> = numbers.iter().map(u8::to_string).collect();
    match words.as_slice() {
        [front @ .., last] if !front.is_empty() => format!("{} or {last}", front.join(", ")),
        words => words.concat(),
    }
}
