//! Room for codes on a lock: who holds a slot, who will want one, and who would have to wait.

use crate::{DevicePinStatus, EffectError, PinId, ReservationId, Window};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A PIN on a lock, or one that is to go there, as far as looking ahead is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Which PIN.
    pub pin: PinId,
    /// How it stands.
    pub status: DevicePinStatus,
    /// When it shall open; none: it shall be forgotten.
    pub desired: Option<Window>,
    /// Until when the lock holds it valid, as far as that was ever confirmed.
    pub confirmed_until: Option<DateTime<Utc>>,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Tries since it last changed.
    pub attempts: i32,
    /// What went wrong last.
    pub last_error: Option<EffectError>,
}

impl Code {
    /// Whether it takes up a slot now.
    pub fn holds_slot(&self) -> bool {
        use DevicePinStatus as S;
        match self.status {
            S::Sent | S::Set | S::Removing | S::Residual => true,
            // One whose times changed is there as it was.
            S::Waiting | S::Blocked => self.confirmed_until.is_some(),
            S::Removed => false,
        }
    }

    /// Whether it waits for the time from which the lock takes codes of its stay, and for nothing
    /// else.
    pub fn is_early(&self, now: DateTime<Utc>) -> bool {
        self.status == DevicePinStatus::Waiting
            && self.attempts == 0
            && self.last_error.is_none()
            && self.next_attempt_at.is_some_and(|at| at > now)
    }

    /// The slot it holds or will want. `None`: none.
    pub fn claim(&self, reachable: bool, now: DateTime<Utc>) -> Option<Claim> {
        use DevicePinStatus as S;
        let held = self.holds_slot();
        let until = match self.status {
            S::Removed => return None,
            // Refused for good: it comes only if a person acts.
            S::Blocked if !held => return None,
            // Gone within seconds, unless the lock cannot be told.
            S::Removing if reachable => now,
            S::Removing | S::Residual => self.confirmed_until.unwrap_or(now),
            _ => self
                .desired
                .map(|window| window.until)
                .or(self.confirmed_until)?,
        };
        let from = match self.next_attempt_at {
            Some(at) if !held && self.is_early(now) => at,
            _ => now,
        };
        (until > from).then_some(Claim {
            by: Claimant::Pin(self.pin),
            from,
            starts_at: self.desired.map_or(now, |window| window.from),
            until,
            held,
        })
    }
}

/// Who holds a slot or will want one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claimant {
    /// A PIN.
    Pin(PinId),
    /// A stay that has no PIN yet.
    Stay(ReservationId),
}

/// One slot of a lock, for one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub by: Claimant,
    /// From when it is wanted.
    pub from: DateTime<Utc>,
    /// When its stay begins: the soonest goes first.
    pub starts_at: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether the code is on the lock already.
    pub held: bool,
}

/// A code that has to wait for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Whose.
    pub by: Claimant,
    /// Since when it waits.
    pub from: DateTime<Utc>,
    /// When its stay begins.
    pub starts_at: DateTime<Utc>,
    /// When a slot is free for it. `None`: not before its own end.
    pub slot_at: Option<DateTime<Utc>>,
}

impl Wait {
    /// Whether the stay begins before there is a slot.
    pub fn is_late(&self) -> bool {
        self.slot_at.is_none_or(|at| at > self.starts_at)
    }
}

/// How full a lock will be within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// How many codes it holds now.
    pub used: usize,
    /// The most that are wanted at once.
    pub peak: usize,
    /// When that is first so.
    pub peak_at: DateTime<Utc>,
    /// The first moment at which more are wanted than fit.
    pub exceeds_at: Option<DateTime<Utc>>,
    /// Who has to wait, the soonest stay first.
    pub waits: Vec<Wait>,
}

/// Looks ahead: how many codes are wanted at once within `range`, and who would wait. `reachable`: the
/// lock can be told to forget what is over.
pub fn forecast(
    capacity: usize,
    codes: &[Code],
    reachable: bool,
    range: Window,
    now: DateTime<Utc>,
) -> Forecast {
    let claims: Vec<Claim> = codes
        .iter()
        .filter_map(|code| code.claim(reachable, now))
        .collect();
    let begin = range.from.max(now);
    let mut changes: Vec<(DateTime<Utc>, isize)> = Vec::new();
    for claim in &claims {
        changes.push((claim.from.max(begin), 1));
        changes.push((claim.until.max(begin), -1));
    }
    // What ends makes room for what begins in the same moment.
    changes.sort_unstable();
    let (mut wanted, mut peak, mut peak_at, mut exceeds_at) = (0_isize, 0, begin, None);
    for (n, &(at, change)) in changes.iter().enumerate() {
        if at >= range.until {
            break;
        }
        wanted += change;
        // The number of a moment stands once all of its changes are counted.
        if changes.get(n + 1).is_some_and(|(next, _)| *next == at) {
            continue;
        }
        let count = usize::try_from(wanted).unwrap_or(0);
        if count > peak {
            (peak, peak_at) = (count, at);
        }
        if count > capacity {
            exceeds_at.get_or_insert(at);
        }
    }
    let mut waits = waits(capacity, &claims, now);
    waits.retain(|wait| wait.from < range.until && wait.slot_at.is_none_or(|at| at > begin));
    Forecast {
        used: codes.iter().filter(|code| code.holds_slot()).count(),
        peak,
        peak_at,
        exceeds_at,
        waits,
    }
}

/// Who has to wait for a slot, and until when, the soonest stay first: a slot goes to the stay that
/// begins first, and is given up for one that begins sooner as long as its own has not begun.
pub fn waits(capacity: usize, claims: &[Claim], now: DateTime<Utc>) -> Vec<Wait> {
    if claims.len() <= capacity {
        return Vec::new();
    }
    let mut moments: BTreeMap<DateTime<Utc>, Moment> = BTreeMap::new();
    for (n, claim) in claims.iter().enumerate() {
        let from = if claim.held { now } else { claim.from.max(now) };
        if claim.until > from {
            moments.entry(from).or_default().begin.push(n);
            moments.entry(claim.until).or_default().end.push(n);
        }
    }
    let key = |n: usize| (claims[n].starts_at, claims[n].by, n);
    let mut holders = BTreeSet::new();
    let mut queue = BTreeSet::new();
    let mut waits: BTreeMap<usize, Wait> = BTreeMap::new();
    for (at, moment) in moments {
        for n in moment.end {
            holders.remove(&key(n));
            queue.remove(&key(n));
        }
        for &n in &moment.begin {
            let into = if claims[n].held {
                &mut holders
            } else {
                &mut queue
            };
            into.insert(key(n));
        }
        let mut gets = Vec::new();
        while holders.len() < capacity
            && let Some(first) = queue.pop_first()
        {
            holders.insert(first);
            gets.push(first.2);
        }
        while let (Some(&first), Some(&last)) = (queue.first(), holders.last())
            && last.0 > at
            && first < last
        {
            queue.remove(&first);
            holders.remove(&last);
            holders.insert(first);
            gets.push(first.2);
            queue.insert(last);
            waits.insert(last.2, waits_from(&claims[last.2], at, waits.get(&last.2)));
        }
        for n in gets {
            if let Some(wait) = waits.get_mut(&n) {
                wait.slot_at = Some(at);
            }
        }
        for n in moment.begin {
            if queue.contains(&key(n)) {
                let wait = waits_from(&claims[n], at, waits.get(&n));
                waits.insert(n, wait);
            }
        }
    }
    let mut waits: Vec<Wait> = waits.into_values().collect();
    waits.sort_unstable_by_key(|wait| (wait.starts_at, wait.by));
    waits
}

/// What begins and ends in one moment, as places in the list of claims.
#[derive(Default)]
struct Moment {
    begin: Vec<usize>,
    end: Vec<usize>,
}

/// A wait that begins, or goes on after it had an end already.
fn waits_from(claim: &Claim, at: DateTime<Utc>, before: Option<&Wait>) -> Wait {
    Wait {
        by: claim.by,
        from: before.map_or(at, |wait| wait.from),
        starts_at: claim.starts_at,
        slot_at: None,
    }
}

/// The codes a lock shall hold now: those of stays that have begun stay where they are, then come the
/// stays that begin first. New ones go only where a slot is free by now: what has to make room for
/// them is gone once the lock says so.
pub fn hold(capacity: usize, codes: &[Code], now: DateTime<Utc>) -> BTreeSet<PinId> {
    use DevicePinStatus as S;
    let held = codes.iter().filter(|code| code.holds_slot()).count();
    let goes = |code: &&Code| code.desired.is_none() || code.status == S::Residual;
    let going = codes.iter().filter(|code| code.holds_slot()).filter(goes);
    let room = capacity.saturating_sub(going.count());
    let mut wanted: Vec<(bool, DateTime<Utc>, PinId, bool)> = codes
        .iter()
        .filter(|code| code.holds_slot() || (code.status == S::Waiting && !code.is_early(now)))
        .filter(|code| !goes(code))
        .filter_map(|code| {
            let from = code.desired?.from;
            let is_there = code.holds_slot();
            Some((!(is_there && from <= now), from, code.pin, is_there))
        })
        .collect();
    wanted.sort_unstable();
    // Whatever does not fit: nobody who is in makes room.
    let inside = wanted.partition_point(|(coming, ..)| !coming);
    wanted.truncate(room.max(inside));
    let mut free = capacity.saturating_sub(held);
    wanted.retain(|(_, _, _, is_there)| {
        let fits = *is_there || free > 0;
        if !is_there {
            free = free.saturating_sub(1);
        }
        fits
    });
    wanted.into_iter().map(|(_, _, pin, _)| pin).collect()
}

#[cfg(test)]
mod tests;
