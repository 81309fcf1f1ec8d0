//! Chooses the digits of a PIN: what all doors of a keychain accept, what nobody would guess, and
//! what no other guest of the house holds at the time.

use crate::{DeviceId, DeviceRule, KeychainDoorRole, Window};
use rand::Rng;
use serde::{Deserialize, Serialize};

mod guessable;
mod rules;
mod search;
mod unavailable;

pub use rules::obeys;
use search::Search;
pub use unavailable::{Count, Limit, PinUnavailableReason, Removed, Unavailable};

/// A lock that must take the PIN.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The space it is installed in, for people.
    pub space: String,
    /// Why that door opens: what staff can do about its rules.
    pub role: KeychainDoorRole,
    /// Which.
    pub device: DeviceId,
    /// What codes on it must obey.
    pub rules: Vec<DeviceRule>,
}

/// What is wanted.
#[derive(Clone)]
pub struct Wish {
    /// Locks of all doors, those of the main door first, then those of its parents.
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
    /// Whether the current PIN must go: it is rotated, and never chosen again here.
    pub avoid_current: bool,
    /// The PIN a person asked for.
    pub asked: Option<Asked>,
}

impl std::fmt::Debug for Wish {
    /// Without the digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wish")
            .field("locks", &self.locks)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A PIN a person asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// The digits.
    pub code: String,
    /// That PIN or none. Otherwise another is chosen where this one is refused.
    pub strict: bool,
}

impl std::fmt::Debug for Asked {
    /// Without the digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked")
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
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

/// What others of the house hold. A function that tells the use of a code is enough where no lock
/// looks at beginnings.
pub trait Others {
    /// Whether others use a code in the window.
    fn code(&mut self, code: &str) -> Use;

    /// Whether a code of others on this device begins with these digits in the window.
    fn begins(&mut self, _device: DeviceId, _beginning: &str) -> bool {
        false
    }
}

impl<F: FnMut(&str) -> Use> Others for F {
    fn code(&mut self, code: &str) -> Use {
        self(code)
    }
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

/// Chooses a PIN.
///
/// In this order: the one a person asked for, the one the keychain has, one drawn by chance. Nobody
/// guesses on purpose what was asked for or is in use already, so these two need not rest first; one
/// in use may also have become easy to guess, as when the stay moves to the day it spells: a PIN the
/// guest knows is kept for that.
///
/// Lengths are tried in the order in which one is chosen: the wanted one, the next longer ones, then
/// the longest shorter ones. Only when the codes of every length are gone is there none: no guest
/// stays outside for want of a code of one length while the doors take another.
pub fn allocate(
    wish: &Wish,
    mut others: impl Others,
    rng: &mut impl Rng,
) -> Result<Allocated, Unavailable> {
    let lengths = rules::lengths(wish)?;
    let digits = rules::digits(wish)?;
    let mut search = Search::new(wish, &digits, &mut others);
    if let Some(asked) = &wish.asked {
        match search.asked(&asked.code) {
            Ok(found) => return Ok(found),
            Err(limit) if asked.strict => return Err(Unavailable::not_allowed(wish, limit)),
            Err(_) => {}
        }
    }
    if let Some(kept) = search.kept() {
        return Ok(kept);
    }
    for &length in &lengths {
        if let Some(found) = search.draw(length, rng) {
            return Ok(found);
        }
    }
    Err(Unavailable::exhausted(wish, search.counts))
}

#[cfg(test)]
mod draws;
#[cfg(test)]
mod tests;
