//! Which categories have a door, kept for a while: they change a few times a year, and every page of
//! reservations needs them.

use chrono::{DateTime, Duration, Utc};
use portal_interface::VendorId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long an answer is believed.
const KEPT: Duration = Duration::hours(1);

/// What Mews said about categories lately. Their identifiers are the same in no two properties.
#[derive(Debug, Default)]
pub(crate) struct Categories(Mutex<BTreeMap<VendorId, Kept>>);

#[derive(Debug, Clone, Copy)]
struct Kept {
    has_door: bool,
    read: DateTime<Utc>,
}

impl Categories {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<VendorId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a category is. What is too old to be believed is forgotten on the way.
    pub(crate) fn note(
        &self,
        categories: impl Iterator<Item = (VendorId, bool)>,
        now: DateTime<Utc>,
    ) {
        let mut kept = self.kept();
        kept.retain(|_, known| now - known.read <= KEPT);
        kept.extend(categories.map(|(id, has_door)| {
            (
                id,
                Kept {
                    has_door,
                    read: now,
                },
            )
        }));
    }

    /// Whether a category has a door. `None`: Mews has to be asked.
    pub(crate) fn has_door(&self, category: &VendorId, now: DateTime<Utc>) -> Option<bool> {
        let known = self.kept().get(category).copied();
        known
            .filter(|known| now - known.read <= KEPT)
            .map(|known| known.has_door)
    }
}
