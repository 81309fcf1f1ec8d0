//! How a property gives access.

use crate::code::codes;
use chrono::Duration;
use serde::{Deserialize, Serialize};

codes! {
    /// When access is made.
    AccessIssueAt {
        /// As soon as the reservation is known.
        Booking = "BOOKING",
        /// When the guest checks in.
        CheckIn = "CHECK_IN",
    }
}

codes! {
    /// What check-out does to a keychain.
    AccessOnCheckOut {
        /// It ends at once.
        Revoke = "REVOKE",
        /// It runs to the scheduled end.
        KeepToEnd = "KEEP_TO_END",
    }
}

codes! {
    /// When a PIN is stored in the PMS.
    PinPushWhen {
        /// Once the main door has accepted it.
        DoorAccepted = "DOOR_ACCEPTED",
        /// As soon as access is granted.
        Granted = "GRANTED",
    }
}

codes! {
    /// Whether a property gives access.
    PropertyMode {
        /// Everything syncs; no access is given yet. What was given before stays.
        Setup = "SETUP",
        /// Access is given.
        Live = "LIVE",
    }
}

/// How a property gives access. Lengths of time are in the unit their name gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// When access is made.
    pub issue_at: AccessIssueAt,
    /// Minutes before the start of the stay, 0 to 1440.
    pub buffer_before: i32,
    /// Minutes after its end, 0 to 1440.
    pub buffer_after: i32,
    /// Days before arrival from which access is made, 1 to 730.
    pub horizon_days: i32,
    /// What check-out does.
    pub on_check_out: AccessOnCheckOut,
    /// Minutes the old room stays open after a move in mid-stay, 0 to 1440.
    pub luggage_minutes: i32,
    /// Digits of a PIN, 4 to 9, where the locks allow it.
    pub pin_length: i32,
    /// Days a past PIN rests, 0 to 90, as far as there are enough others.
    pub cooldown_days: i32,
    /// Whether PINs are stored in the PMS.
    pub push_pins: bool,
    /// When they are stored there.
    pub push_when: PinPushWhen,
}

/// Bounds of the days for which the name and the PIN of a past stay are kept.
pub const RETENTION_DAYS: std::ops::RangeInclusive<i32> = 1..=365;

impl Policy {
    /// The horizon as a length of time.
    pub fn horizon(&self) -> Duration {
        Duration::days(self.horizon_days.into())
    }

    /// The luggage time as a length of time.
    pub fn luggage(&self) -> Duration {
        Duration::minutes(self.luggage_minutes.into())
    }
}

/// Bounds of the numbers of a policy, both included, by field.
const POLICY_BOUNDS: [(&str, i32, i32); 6] = [
    ("bufferBefore", 0, 1440),
    ("bufferAfter", 0, 1440),
    ("horizonDays", 1, 730),
    ("luggageMinutes", 0, 1440),
    ("pinLength", 4, 9),
    ("cooldownDays", 0, 90),
];

impl Policy {
    /// Every field by its name in the API, with its value as text.
    fn fields(&self) -> [(&'static str, String); 10] {
        [
            ("issueAt", self.issue_at.to_string()),
            ("bufferBefore", self.buffer_before.to_string()),
            ("bufferAfter", self.buffer_after.to_string()),
            ("horizonDays", self.horizon_days.to_string()),
            ("onCheckOut", self.on_check_out.to_string()),
            ("luggageMinutes", self.luggage_minutes.to_string()),
            ("pinLength", self.pin_length.to_string()),
            ("cooldownDays", self.cooldown_days.to_string()),
            ("pushPins", self.push_pins.to_string()),
            ("pushWhen", self.push_when.to_string()),
        ]
    }

    /// The fields in which another policy differs: name, value here, value there.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        self.fields()
            .into_iter()
            .zip(other.fields())
            .filter(|((_, here), (_, there))| here != there)
            .map(|((name, here), (_, there))| (name, here, there))
            .collect()
    }

    /// The first number out of its bounds: name, least, most.
    pub fn out_of_bounds(&self) -> Option<(&'static str, i32, i32)> {
        let numbers = [
            self.buffer_before,
            self.buffer_after,
            self.horizon_days,
            self.luggage_minutes,
            self.pin_length,
            self.cooldown_days,
        ];
        POLICY_BOUNDS
            .into_iter()
            .zip(numbers)
            .find(|((_, least, most), number)| number < least || number > most)
            .map(|(bounds, _)| bounds)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            issue_at: AccessIssueAt::Booking,
            buffer_before: 0,
            buffer_after: 0,
            horizon_days: 365,
            on_check_out: AccessOnCheckOut::Revoke,
            luggage_minutes: 60,
            pin_length: 6,
            cooldown_days: 30,
            push_pins: true,
            push_when: PinPushWhen::DoorAccepted,
        }
    }
}
