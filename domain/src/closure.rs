//! Whether the doors of a keychain that is over have forgotten its PIN, and what that is worth.

use crate::code::codes;
use crate::{DevicePinStatus, PinPushStatus};
use chrono::{DateTime, Utc};

codes! {
    /// Whether access is closed.
    ClosureVerdict {
        /// Every door has confirmed, and the copy is gone.
        Closed = "CLOSED",
        /// Closed but for locks that forget by themselves at a known time.
        Residual = "RESIDUAL",
        /// Something still answers to the PIN, or may.
        Open = "OPEN",
    }
}

codes! {
    /// Why access is open.
    ClosureReason {
        /// The keychain is not over: its PIN opens doors as it should, or will.
        NotOver = "NOT_OVER",
        /// A lock has not confirmed that it forgot the PIN.
        Door = "DOOR",
        /// The locks have forgotten it, the property management system has not.
        PmsCopy = "PMS_COPY",
    }
}

codes! {
    /// What is left to worry about at one lock.
    ClosureRisk {
        /// The keychain is not over, and the PIN is on the lock or goes there.
        NotOver = "NOT_OVER",
        /// The PIN stays for a keychain that followed and opens this door.
        Followed = "FOLLOWED",
        /// The lock has not been told, or has not confirmed.
        NotConfirmed = "NOT_CONFIRMED",
        /// The same, and it cannot be reached.
        NotReached = "NOT_REACHED",
        /// The time of the code is over, but the lock has not confirmed that it is gone.
        RunOut = "RUN_OUT",
        /// The lock cannot forget a code before its end.
        CannotForget = "CANNOT_FORGET",
        /// It says it forgot the PIN; what it holds cannot be read.
        NotReadable = "NOT_READABLE",
        /// It has forgotten the PIN and was taken out of its space.
        TakenOut = "TAKEN_OUT",
    }
}

/// What is known when somebody asks whether access is closed.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Whether the keychain is over.
    pub over: bool,
    /// Every lock that ever held one of its PINs.
    pub doors: Vec<Door>,
    /// The copy in the PMS. `None`: there is none of this PIN.
    pub copy: Option<Copy>,
}

/// A lock that held the PIN.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, read from another place"
)]
pub struct Door {
    /// How the PIN stands there.
    pub status: DevicePinStatus,
    /// Until when the code there is valid, as far as known.
    pub until: Option<DateTime<Utc>>,
    /// Whether a keychain that is not over opens this door with the same PIN.
    pub followed: bool,
    /// Whether the lock is installed in a space.
    pub installed: bool,
    /// Whether it can be reached, as far as known.
    pub reachable: bool,
    /// Whether what it holds can be read.
    pub reads_back: bool,
}

/// The copy of the PIN in the PMS.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    /// How it stands.
    pub status: PinPushStatus,
    /// Whether it is there for a keychain that is not over.
    pub followed: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closure {
    /// Whether access is closed.
    pub verdict: ClosureVerdict,
    /// Why it is open. `None` when it is not.
    pub reason: Option<ClosureReason>,
    /// When the last code that cannot be taken off ends. `None` when there is none, or more is open.
    pub until: Option<DateTime<Utc>>,
}

/// How a door counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Gone,
    Until(DateTime<Utc>),
    Open,
}

impl Door {
    fn stand(&self, now: DateTime<Utc>) -> Stand {
        use DevicePinStatus as S;
        match (self.status, self.until) {
            (S::Removed, _) => Stand::Gone,
            // What follows is a keychain of its own, with a closure of its own.
            (S::Waiting | S::Sent | S::Set | S::Blocked, _) if self.followed => Stand::Gone,
            (S::Residual, Some(until)) if until <= now => Stand::Gone,
            (S::Residual, Some(until)) => Stand::Until(until),
            _ => Stand::Open,
        }
    }

    /// What is left to worry about. `None`: nothing.
    pub fn risk(&self, over: bool, now: DateTime<Utc>) -> Option<ClosureRisk> {
        use DevicePinStatus as S;
        let ran_out = self.until.is_some_and(|until| until <= now);
        match self.status {
            S::Waiting | S::Sent | S::Set | S::Blocked if !over => Some(ClosureRisk::NotOver),
            S::Waiting | S::Sent | S::Set | S::Blocked if self.followed => {
                Some(ClosureRisk::Followed)
            }
            S::Removed if !self.reads_back => Some(ClosureRisk::NotReadable),
            S::Removed if !self.installed => Some(ClosureRisk::TakenOut),
            S::Removed => None,
            S::Residual if ran_out => None,
            S::Residual => Some(ClosureRisk::CannotForget),
            _ if ran_out => Some(ClosureRisk::RunOut),
            _ if !self.reachable => Some(ClosureRisk::NotReached),
            _ => Some(ClosureRisk::NotConfirmed),
        }
    }

    /// Until when it may still open with the PIN. `None`: it does not, or nobody can tell.
    pub fn opens_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.stand(now) {
            Stand::Gone => None,
            Stand::Until(until) => Some(until),
            Stand::Open => self.until,
        }
    }
}

/// Says whether access is closed. One door that has not confirmed keeps it open.
pub fn judge(facts: &Facts, now: DateTime<Utc>) -> Closure {
    let open = |reason| Closure {
        verdict: ClosureVerdict::Open,
        reason: Some(reason),
        until: None,
    };
    if !facts.over {
        return open(ClosureReason::NotOver);
    }
    let mut last: Option<DateTime<Utc>> = None;
    for door in &facts.doors {
        match door.stand(now) {
            Stand::Gone => {}
            Stand::Until(until) => last = last.max(Some(until)),
            Stand::Open => return open(ClosureReason::Door),
        }
    }
    let copied = |copy: &Copy| copy.status != PinPushStatus::Removed && !copy.followed;
    if facts.copy.as_ref().is_some_and(copied) {
        return open(ClosureReason::PmsCopy);
    }
    Closure {
        verdict: match last {
            Some(_) => ClosureVerdict::Residual,
            None => ClosureVerdict::Closed,
        },
        reason: None,
        until: last,
    }
}

#[cfg(test)]
mod tests;
