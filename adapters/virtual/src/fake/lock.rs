//! One lock: its rules and its codes.

use super::state::Problem;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{DeviceRule, Lead, ReadBack};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest label, in characters.
const LABEL: u8 = 64;
/// Codes that fit on a lock unless told otherwise.
const MAX_CODES: u32 = 20;

/// A code on a lock.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockCode {
    /// Its name on the lock.
    pub label: String,
    /// The digits.
    pub pin: String,
    /// From when it opens.
    pub from: DateTime<Utc>,
    /// First instant at which it no longer opens.
    pub until: DateTime<Utc>,
}

impl std::fmt::Debug for LockCode {
    /// Without the digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockCode")
            .field("label", &self.label)
            .field("from", &self.from)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// A lock.
#[derive(Clone)]
pub(super) struct Lock {
    pub(super) site: String,
    pub(super) name: String,
    pub(super) online: bool,
    pub(super) rules: Vec<DeviceRule>,
    codes: BTreeMap<String, LockCode>,
}

impl Lock {
    pub(super) fn new(site: &str, name: &str) -> Self {
        Self {
            site: site.to_owned(),
            name: name.to_owned(),
            online: true,
            rules: vec![
                DeviceRule::Lengths((4..=9).collect()),
                DeviceRule::MaxCodes(MAX_CODES),
                DeviceRule::ReadBack(ReadBack::Full),
                DeviceRule::Revocable(true),
                DeviceRule::Label(LABEL),
            ],
            codes: BTreeMap::new(),
        }
    }

    /// Sets a rule in place of the one of its name.
    pub(super) fn set_rule(&mut self, rule: &DeviceRule) {
        self.rules.retain(|held| held.name() != rule.name());
        self.rules.push(rule.clone());
    }

    pub(super) fn codes(&self) -> Vec<LockCode> {
        self.codes.values().cloned().collect()
    }

    /// Sets a code as the vendor's API does: obeying the rules.
    pub(super) fn set_code(&mut self, code: &LockCode, now: DateTime<Utc>) -> Result<(), Problem> {
        if code.label.chars().count() > LABEL.into() {
            return Err(Problem::LABEL);
        }
        if code.until <= now {
            return Err(Problem::OVER);
        }
        if !self.rules.iter().all(|rule| in_time(rule, code, now)) {
            return Err(Problem::EARLY);
        }
        if !self.rules.iter().all(|rule| has_times(rule, code)) {
            return Err(Problem::TIMES);
        }
        let mut others = self.codes.values().filter(|held| held.label != code.label);
        let is_number = code.pin.bytes().all(|byte| byte.is_ascii_digit());
        let clashes = |held: &LockCode| {
            held.pin == code.pin
                || self.rules.iter().any(|rule| match rule {
                    DeviceRule::UniquePrefix(n) => begin_alike(&held.pin, &code.pin, (*n).into()),
                    _ => false,
                })
        };
        if !is_number
            || !self.rules.iter().all(|rule| obeys(&code.pin, rule))
            || others.any(clashes)
        {
            return Err(Problem::CODE);
        }
        let fits = |rule: &DeviceRule| match rule {
            DeviceRule::MaxCodes(max) => self.codes.len() < *max as usize,
            _ => true,
        };
        if !self.codes.contains_key(&code.label) && !self.rules.iter().all(fits) {
            return Err(Problem::FULL);
        }
        self.set_by_hand(code);
        Ok(())
    }

    /// Sets a code as a person at the lock does.
    pub(super) fn set_by_hand(&mut self, code: &LockCode) {
        self.codes.insert(code.label.clone(), code.clone());
    }

    pub(super) fn drop_code(&mut self, label: &str) -> bool {
        self.codes.remove(label).is_some()
    }

    pub(super) fn opens(&self, pin: &str, at: DateTime<Utc>) -> bool {
        self.codes
            .values()
            .any(|code| code.pin == pin && code.from <= at && at < code.until)
    }
}

/// Whether a rule can be chosen: these are the same for every lock, as the server does one thing.
pub(super) fn can_be_chosen(rule: &DeviceRule) -> bool {
    !matches!(
        rule,
        DeviceRule::ReadBack(_) | DeviceRule::Revocable(_) | DeviceRule::Label(_)
    )
}

fn in_time(rule: &DeviceRule, code: &LockCode, now: DateTime<Utc>) -> bool {
    match rule {
        DeviceRule::Lead(Lead::JustInTime { minutes }) => {
            code.from - Duration::minutes((*minutes).into()) <= now
        }
        _ => true,
    }
}

/// Whether the times of a code are some the lock can show. Its clock has the hours of UTC.
fn has_times(rule: &DeviceRule, code: &LockCode) -> bool {
    match rule {
        DeviceRule::TimeGrid(minutes) => {
            let grid = i64::from(*minutes) * 60;
            [code.from, code.until]
                .iter()
                .all(|at| at.timestamp() % grid == 0 && at.timestamp_subsec_nanos() == 0)
        }
        DeviceRule::MaxDays(days) => code.until - code.from <= Duration::days((*days).into()),
        _ => true,
    }
}

/// Whether digits obey a rule. Written anew rather than taken from the domain, so that a slip in
/// the PINs chosen there shows here.
fn obeys(pin: &str, rule: &DeviceRule) -> bool {
    match rule {
        DeviceRule::Lengths(lengths) => lengths.iter().any(|&n| usize::from(n) == pin.len()),
        DeviceRule::Digits(allowed) => pin.chars().all(|digit| allowed.contains(digit)),
        DeviceRule::NotStarting(beginnings) => !beginnings
            .iter()
            .any(|beginning| pin.starts_with(beginning)),
        DeviceRule::NoRun(n) => longest(pin, 1).max(longest(pin, -1)) < usize::from(*n),
        DeviceRule::NoRepeat(n) => longest(pin, 0) < usize::from(*n),
        DeviceRule::MinDistinct(n) => pin.chars().collect::<BTreeSet<_>>().len() >= usize::from(*n),
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

fn begin_alike(one: &str, other: &str, digits: usize) -> bool {
    one.chars().take(digits).eq(other.chars().take(digits))
}

/// Digits in the longest sequence in which each is the one before plus `step`.
fn longest(pin: &str, step: i16) -> usize {
    let mut longest = 0;
    let mut length = 0;
    let mut before = None;
    for digit in pin.bytes().map(i16::from) {
        let goes_on = before.is_some_and(|before| digit - before == step);
        length = if goes_on { length + 1 } else { 1 };
        longest = longest.max(length);
        before = Some(digit);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_takes_one_code_and_refuses_another() {
        for (rule, good, bad) in [
            (DeviceRule::Lengths(vec![4, 6]), "1357", "13579"),
            (DeviceRule::Digits("123456".into()), "1356", "1357"),
            (DeviceRule::NotStarting(vec!["12".into()]), "1357", "1257"),
            (DeviceRule::NoRun(3), "1245", "1235"),
            (DeviceRule::NoRun(3), "9867", "9876"),
            (DeviceRule::NoRepeat(3), "1122", "1222"),
            (DeviceRule::MinDistinct(3), "1123", "1122"),
        ] {
            assert!(obeys(good, &rule), "{}", rule.name());
            assert!(!obeys(bad, &rule), "{}", rule.name());
        }
    }
}
