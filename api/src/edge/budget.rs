//! What callers may use up before they have to wait, kept in this process: nothing is written for
//! a request that is refused.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Above so many callers those who need not wait are forgotten.
const MANY: usize = 10_000;

/// A budget for each caller: so much at once, and more with time.
#[derive(Debug)]
pub(super) struct Budget<K> {
    /// Time in which one point comes back.
    every: Duration,
    /// Most points at once.
    burst: u32,
    /// When each caller's budget is full again.
    full: Mutex<HashMap<K, Duration>>,
}

impl<K: Hash + Eq> Budget<K> {
    pub(super) fn new(every: Duration, burst: u32) -> Self {
        Self {
            every,
            burst,
            full: Mutex::default(),
        }
    }

    /// Whether the caller has anything left at `now`, a time since some fixed point.
    pub(super) fn any(&self, key: &K, now: Duration) -> bool {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        self.fits(full.get(key).copied(), now, 1)
    }

    /// Takes points from the caller's budget. False, and nothing is taken, when too few are left.
    pub(super) fn take(&self, key: K, now: Duration, points: u32) -> bool {
        let points = points.min(self.burst);
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let known = full.get(&key).copied();
        if !self.fits(known, now, points) {
            return false;
        }
        if full.len() >= MANY {
            full.retain(|_, at| *at > now);
        }
        full.insert(key, known.unwrap_or(now).max(now) + self.every * points);
        true
    }

    fn fits(&self, full: Option<Duration>, now: Duration, points: u32) -> bool {
        full.unwrap_or(now).max(now) + self.every * points <= now + self.every * self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_and_comes_back() {
        let budget = Budget::new(Duration::from_secs(6), 10);
        let start = Duration::from_secs(1_000);
        for _ in 0..5 {
            assert!(budget.take("a", start, 2));
        }
        assert!(!budget.any(&"a", start) && !budget.take("a", start, 1));
        assert!(budget.take("b", start, 1), "others have their own");
        let later = start + Duration::from_secs(6);
        assert!(budget.any(&"a", later) && budget.take("a", later, 1));
        assert!(!budget.take("a", later, 1));
        assert!(budget.take("a", start + Duration::from_mins(10), 100));
    }
}
