//! How many sockets a session or key has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Most sockets of one session or key.
const MOST: usize = 5;

/// The open sockets of everyone.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Uuid, usize>>>);

/// One of them, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    of: Uuid,
}

impl Places {
    /// A place for one more socket of this session or key, if it may have one.
    pub(super) fn take(&self, of: Uuid) -> Option<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = places.entry(of).or_default();
        if *open >= MOST {
            return None;
        }
        *open += 1;
        Some(Place {
            places: self.clone(),
            of,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = places.get_mut(&self.of) {
            *open -= 1;
            if *open == 0 {
                places.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let (places, of) = (Places::default(), Uuid::now_v7());
        let mut held: Vec<Place> = (0..MOST).filter_map(|_| places.take(of)).collect();
        assert_eq!(held.len(), MOST);
        assert!(places.take(of).is_none());
        assert!(
            places.take(Uuid::now_v7()).is_some(),
            "others have their own"
        );
        held.pop();
        assert!(places.take(of).is_some());
    }
}
