//! What a check works with: the adapter, the stage, and time.

use super::gate::Turnstile;
use super::run::{Answered, Checked, Miss, must};
use super::stage::{Booking, Can, Cannot, LocksStage, NewRoom, PinStage, PmsStage, Vendor, Wire};
use crate::{
    Account, AdapterError, Clock, Code, Cursor, FixedClock, Gate, Http, Locks, Pms, Pull, Pulled,
    RoomKind, StayPin, StayPins, VendorId,
};
use chrono::{DateTime, Duration, Utc};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// When every check begins.
const BEGIN: i64 = 1_795_514_400;

/// What an adapter and its fake are built with.
#[derive(Clone)]
pub struct Setting {
    /// Time, for the adapter and for the vendor.
    pub clock: Arc<FixedClock>,
    /// The gate to call through.
    pub gate: Arc<dyn Gate>,
}

impl Setting {
    /// The client to call through.
    pub fn http(&self) -> Http {
        Http::new(self.gate.clone())
    }
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setting")
    }
}

/// A stage, and how to build adapters that call it.
pub struct House<S: ?Sized, A: ?Sized> {
    stage: Arc<S>,
    build: Box<dyn Fn() -> Box<A>>,
}

/// A house of a PMS.
pub type PmsHouse = House<dyn PmsStage, dyn Pms>;
/// A house with locks.
pub type LocksHouse = House<dyn LocksStage, dyn Locks>;

impl<S: ?Sized, A: ?Sized> std::fmt::Debug for House<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("House")
    }
}

impl<S: ?Sized, A: ?Sized + 'static> House<S, A> {
    /// A house. `build` is called whenever Portal starts again: every adapter it makes calls the
    /// same vendor.
    pub fn new(stage: Arc<S>, build: impl Fn() -> Box<A> + 'static) -> Self {
        let build = Box::new(build);
        Self { stage, build }
    }

    /// The same house with another adapter around each that it has: a broken one, to test the suite.
    #[must_use]
    pub fn wrapped(self, around: impl Fn(Box<A>) -> Box<A> + 'static) -> Self {
        let Self { stage, build } = self;
        let build = Box::new(move || around(build()));
        Self { stage, build }
    }
}

/// A house with a check going on in it.
pub(super) struct Scene<S: ?Sized, A: ?Sized> {
    pub(super) stage: Arc<S>,
    pub(super) adapter: Box<A>,
    pub(super) account: Account,
    pub(super) gate: Arc<Turnstile>,
    build: Box<dyn Fn() -> Box<A>>,
    clock: Arc<FixedClock>,
    left_out: Mutex<Vec<String>>,
    /// How many breaches of the contract count.
    counted: Mutex<Option<usize>>,
    /// Something to ask about: a stay and its room, or a lock.
    thing: OnceLock<(VendorId, VendorId)>,
}

/// A hotel with a check going on in it.
pub(super) type PmsScene = Scene<dyn PmsStage, dyn Pms>;
/// A site with a check going on in it.
pub(super) type LocksScene = Scene<dyn LocksStage, dyn Locks>;

/// A stage of any kind.
pub(super) trait Staged {
    fn vendor(&self) -> &dyn Vendor;
}

impl Staged for dyn PmsStage {
    fn vendor(&self) -> &dyn Vendor {
        self
    }
}

impl Staged for dyn LocksStage {
    fn vendor(&self) -> &dyn Vendor {
        self
    }
}

impl<S: ?Sized + Staged, A: ?Sized> Scene<S, A> {
    pub(super) async fn open(open: &impl AsyncFn(Setting) -> House<S, A>) -> Self {
        let begin = DateTime::from_timestamp(BEGIN, 0).unwrap_or_default();
        let clock = Arc::new(FixedClock::new(begin));
        let gate = Arc::<Turnstile>::default();
        let setting = Setting {
            clock: clock.clone(),
            gate: gate.clone(),
        };
        let House { stage, build } = open(setting).await;
        Self {
            adapter: build(),
            account: stage.vendor().account(),
            stage,
            gate,
            build,
            clock,
            left_out: Mutex::default(),
            counted: Mutex::default(),
            thing: OnceLock::new(),
        }
    }

    /// Another adapter for the same vendor, as after a restart.
    pub(super) fn restarted(&self) -> Box<A> {
        (self.build)()
    }

    pub(super) fn wire(&self) -> Can<&dyn Wire> {
        self.stage.vendor().wire()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Time passes for everybody.
    pub(super) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// What the stage plays, or a note that this part is left out.
    pub(super) fn part<T>(&self, can: Can<T>) -> Option<T> {
        match can {
            Ok(part) => Some(part),
            Err(Cannot(reason)) => {
                let left_out = self.left_out.lock();
                let mut left_out = left_out.unwrap_or_else(PoisonError::into_inner);
                if !left_out.iter().any(|known| known == reason) {
                    left_out.push(reason.to_owned());
                }
                None
            }
        }
    }

    /// From now on breaches of the contract do not count.
    pub(super) fn stop_counting(&self) {
        let kept = self.wire().map(|wire| wire.breaches().len()).ok();
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    pub(super) fn left_out(&self) -> Vec<String> {
        let left_out = self.left_out.lock();
        std::mem::take(&mut left_out.unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a check; afterwards nothing may have broken the vendor's contract.
    pub(super) async fn checked(&self, check: impl Future<Output = Checked>) -> Checked {
        check.await?;
        let mut breaches = self.wire().map(Wire::breaches).unwrap_or_default();
        let counted = self.counted.lock();
        let counted = *counted.unwrap_or_else(PoisonError::into_inner);
        breaches.truncate(counted.unwrap_or(usize::MAX));
        if breaches.is_empty() {
            return Ok(());
        }
        Err(Miss::Failed(format!(
            "the vendor's contract was broken: {}",
            breaches.join("; ")
        )))
    }
}

impl PmsScene {
    /// A stay and its room, the same each time.
    pub(super) fn guest(&self) -> &(VendorId, VendorId) {
        self.thing.get_or_init(|| {
            let room = self.room("Room of the guest");
            (self.stage.book(&self.booking(Some(&room), 0, 2)), room)
        })
    }

    pub(super) fn room(&self, name: &str) -> VendorId {
        self.stage.add_room(&NewRoom {
            name,
            kind: RoomKind::Room,
            parent: None,
        })
    }

    /// A booking for so many days from now on.
    pub(super) fn booking(&self, room: Option<&VendorId>, first: i64, last: i64) -> Booking {
        Booking {
            guest: Some("Ada Quist".to_owned()),
            room: room.cloned(),
            from: self.now() + Duration::days(first) + Duration::hours(5),
            until: self.now() + Duration::days(last),
        }
    }

    pub(super) fn pin_stage(&self) -> Can<&dyn PinStage> {
        self.stage.pins()
    }

    /// A wish for the two days to come.
    pub(super) fn wish(&self, stay: &VendorId, room: &VendorId, digits: &str) -> StayPins {
        StayPins {
            reservation: stay.clone(),
            mark: "portal:1".to_owned(),
            known: None,
            pin: Some(StayPin {
                room: room.clone(),
                bed: false,
                common_doors: false,
                pin: digits.into(),
                from: self.now(),
                until: self.now() + Duration::days(2),
            }),
        }
    }

    pub(super) async fn pull(&self, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        self.adapter.pull(&self.account, ask, limit).await
    }

    /// The cursor for "from now on".
    pub(super) async fn start_of_changes(&self) -> Checked<Cursor> {
        let pulled = self.pull(Pull::Changes { since: None }, 100).await;
        let Pulled {
            reservations,
            cursor,
            more,
            ..
        } = pulled.answered("changes from now on")?;
        must!(
            reservations.is_empty() && !more,
            "changes from now on read {} stays, more: {more}",
            reservations.len()
        );
        Ok(cursor)
    }
}

impl LocksScene {
    /// A lock, the same each time.
    pub(super) fn lock(&self) -> &VendorId {
        let (lock, _) = self.thing.get_or_init(|| {
            let lock = self.stage.add_lock("Room of the guest");
            (lock.clone(), lock)
        });
        lock
    }

    /// A code of ours for the two days to come.
    pub(super) fn code(&self, mark: &str, digits: &str) -> Code {
        Code {
            mark: format!("portal:{mark}"),
            pin: digits.into(),
            from: self.now(),
            until: self.now() + Duration::days(2),
        }
    }
}
