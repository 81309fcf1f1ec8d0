//! What jobs work with.

use crate::apps::Apps;
use chrono::{DateTime, Duration, Utc};
use portal_interface::Clock;
use portal_store::{Db, Sealer};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};
use std::sync::{Arc, Mutex, PoisonError};

/// What jobs and the API work with: database, clock, chance, keys and apps.
#[derive(Clone, Debug)]
pub struct Env {
    /// The database.
    pub db: Db,
    /// The clock. Nothing else tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where random numbers come from.
    pub chance: Chance,
    /// The keys that seal tokens and PINs.
    pub sealer: Sealer,
    /// The apps this server offers.
    pub apps: Apps,
}

impl Env {
    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// About this long from now: between 80 and 120 percent, so that what began together does not
    /// stay together.
    pub fn about(&self, length: Duration) -> DateTime<Utc> {
        let percent = self.chance.rng().random_range(80..=120);
        self.now() + length * percent / 100
    }

    /// At a random moment between two lengths of time from now.
    pub fn between(&self, least: Duration, most: Duration) -> DateTime<Utc> {
        let millis = least.num_milliseconds()..=most.num_milliseconds();
        self.now() + Duration::milliseconds(self.chance.rng().random_range(millis))
    }
}

/// Where random numbers come from.
#[derive(Clone, Debug)]
pub enum Chance {
    /// The operating system.
    System,
    /// A seed: the same numbers each time, for tests.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Chance {
    /// Chance that repeats itself.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A generator for one use.
    ///
    /// # Panics
    /// When the system gives no random numbers: no PIN would be safe.
    pub fn rng(&self) -> StdRng {
        match self {
            Self::System => StdRng::try_from_rng(&mut SysRng)
                .expect("without random numbers from the system no PIN is safe"),
            Self::Seeded(rng) => {
                let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
                StdRng::from_rng(&mut *rng)
            }
        }
    }
}
