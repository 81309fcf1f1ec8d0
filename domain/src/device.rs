//! What a lock can do, as data its adapter gives.

use crate::code::codes;
use serde::{Deserialize, Serialize};

codes! {
    /// Whether a device can be reached.
    DeviceConnectivity {
        /// It can.
        Online = "ONLINE",
        /// It cannot.
        Offline = "OFFLINE",
        /// Its vendor does not tell.
        Unknown = "UNKNOWN",
    }
}

codes! {
    /// What can be read back from a device.
    ReadBack {
        /// Code and window.
        Full = "FULL",
        /// That there is a code, not which.
        Presence = "PRESENCE",
        /// Nothing.
        None = "NONE",
    }
}

/// How early a code may or must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Lead {
    /// So many hours before the start of the window.
    Preload {
        /// Hours.
        hours: u32,
    },
    /// So many minutes before, not earlier.
    JustInTime {
        /// Minutes.
        minutes: u32,
    },
}

impl Lead {
    /// The lead as a length of time.
    pub fn duration(self) -> chrono::Duration {
        match self {
            Self::Preload { hours } => chrono::Duration::hours(hours.into()),
            Self::JustInTime { minutes } => chrono::Duration::minutes(minutes.into()),
        }
    }
}

/// One rule for codes on a device. The allocator and the scheduler read these; no vendor code decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeviceRule {
    /// Allowed numbers of digits.
    Lengths(Vec<u8>),
    /// Allowed digits.
    Digits(String),
    /// Forbidden beginnings.
    NotStarting(Vec<String>),
    /// Not so many digits in a row up or down.
    NoRun(u8),
    /// No digit so many times running.
    NoRepeat(u8),
    /// At least so many different digits.
    MinDistinct(u8),
    /// No two codes on the device with the same first so many digits.
    UniquePrefix(u8),
    /// How many codes fit.
    MaxCodes(u32),
    /// How early a code may or must be sent.
    Lead(Lead),
    /// What can be read back.
    ReadBack(ReadBack),
    /// Whether a code can be taken off before its end.
    Revocable(bool),
    /// Longest label of a code on the lock, in characters.
    Label(u8),
    /// Times on the device are whole multiples of so many minutes by the clocks of the house.
    TimeGrid(u16),
    /// Longest time for which a code can be valid, in days.
    MaxDays(u16),
}

impl DeviceRule {
    /// Name of the rule as staff and partners see it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Lengths(_) => "LENGTHS",
            Self::Digits(_) => "DIGITS",
            Self::NotStarting(_) => "NOT_STARTING",
            Self::NoRun(_) => "NO_RUN",
            Self::NoRepeat(_) => "NO_REPEAT",
            Self::MinDistinct(_) => "MIN_DISTINCT",
            Self::UniquePrefix(_) => "UNIQUE_PREFIX",
            Self::MaxCodes(_) => "MAX_CODES",
            Self::Lead(_) => "LEAD",
            Self::ReadBack(_) => "READ_BACK",
            Self::Revocable(_) => "REVOCABLE",
            Self::Label(_) => "LABEL",
            Self::TimeGrid(_) => "TIME_GRID",
            Self::MaxDays(_) => "MAX_DAYS",
        }
    }

    /// Its value as staff and partners see it, for example `4, 6` or `123456789`.
    pub fn value(&self) -> String {
        fn list<T: ToString>(items: &[T]) -> String {
            let items: Vec<String> = items.iter().map(T::to_string).collect();
            items.join(", ")
        }
        match self {
            Self::Lengths(lengths) => list(lengths),
            Self::Digits(digits) => digits.clone(),
            Self::NotStarting(beginnings) => list(beginnings),
            Self::NoRun(n)
            | Self::NoRepeat(n)
            | Self::MinDistinct(n)
            | Self::UniquePrefix(n)
            | Self::Label(n) => n.to_string(),
            Self::MaxCodes(n) => n.to_string(),
            Self::TimeGrid(minutes) => format!("{minutes} min"),
            Self::MaxDays(days) => format!("{days} days"),
            Self::Lead(Lead::Preload { hours }) => format!("{hours} h"),
            Self::Lead(Lead::JustInTime { minutes }) => format!("{minutes} min"),
            Self::ReadBack(what) => what.to_string(),
            Self::Revocable(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        }
    }
}
