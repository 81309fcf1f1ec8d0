//! What a property management system implements.

use crate::{Account, AdapterError, App, Hooks, Opens, Right, VendorId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portal_domain::{ReservationState, RoomKind};
use secrecy::SecretString;

/// A property management system.
#[async_trait]
pub trait Pms: Send + Sync + 'static {
    /// Its entry in the catalogue.
    fn app(&self) -> &'static App;
    /// Tries the credentials: which account they open. One call, the only one that can lead to Broken.
    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError>;
    /// Rights the PMS denies this connection; asked in the background after connecting and nightly.
    async fn refused(&self, account: &Account) -> Result<Vec<Right>, AdapterError>;
    /// Every room and bed a door may belong to: all of them, or an error.
    async fn rooms(&self, account: &Account) -> Result<Vec<Room>, AdapterError>;
    /// One page of reservations, of a window or of what changed.
    async fn pull(&self, account: &Account, ask: Pull, limit: u32) -> Result<Pulled, AdapterError>;
    /// These reservations as they are now. An id the PMS does not know is missing in the answer.
    async fn fetch(&self, account: &Account, ids: &[VendorId]) -> Result<Fetched, AdapterError>;
    /// The stays with this confirmation number as they are now, asked for by a person who misses one.
    /// `None`: this PMS cannot be asked by number.
    async fn find(&self, account: &Account, number: &str) -> Result<Option<Fetched>, AdapterError> {
        let (_, _) = (account, number);
        Ok(None)
    }
    /// The part that stores PINs; `Some` exactly when the app declares it.
    fn pins(&self) -> Option<&dyn PinStore> {
        None
    }
    /// The part that reads what the vendor delivers; `Some` exactly when the app declares it.
    fn hooks(&self) -> Option<&dyn Hooks> {
        None
    }
}

/// A PMS that stores PINs on reservations.
#[async_trait]
pub trait PinStore: Send + Sync {
    /// Reads what the PMS holds under our mark, then makes it equal to `want`. Anyone may repeat it
    /// at any time.
    async fn put(&self, account: &Account, want: &StayPins) -> Result<Stored, AdapterError>;
    /// [`Self::put`] for many reservations, with as few requests as the PMS allows; answers in the
    /// order of `want`. What is declined for one is stored for the others. The outer error: nothing
    /// is known of any.
    async fn put_all(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<Result<Stored, AdapterError>>, AdapterError> {
        let mut stored = Vec::with_capacity(want.len());
        for want in want {
            stored.push(self.put(account, want).await);
        }
        Ok(stored)
    }
    /// The reading half alone; answers in the order of `want`. Codes are compared, never returned.
    async fn check(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<PinCopy>, AdapterError>;
}

/// A room or bed. Kinds without a door (parking, bikes, cots) are left out by the adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The vendor's identifier.
    pub id: VendorId,
    /// Number or name.
    pub name: String,
    /// What it is.
    pub kind: RoomKind,
    /// The room it is part of, as a bed is of a dorm.
    pub parent: Option<VendorId>,
    /// Whether it is in use.
    pub active: bool,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pull {
    /// Confirmed and started stays that touch the window. Complete once `more` is false.
    Window {
        /// First instant of the window.
        from: DateTime<Utc>,
        /// First instant after it.
        to: DateTime<Utc>,
        /// Where to go on; `None` for the first page.
        at: Option<Cursor>,
    },
    /// What changed since, whatever its state. `since: None` reads nothing and returns the cursor
    /// for "from now on", by the vendor's clock.
    Changes {
        /// The cursor of the last page.
        since: Option<Cursor>,
    },
}

/// A place in the vendor's data: text of the adapter, at most 8 KiB, without secrets, not read by
/// the core. Once returned it is accepted for ever, or answered with [`AdapterError::StaleCursor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A page of reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Those that could be read.
    pub reservations: Vec<Reservation>,
    /// Those set aside.
    pub unreadable: Vec<Unreadable>,
    /// Where to go on.
    pub cursor: Cursor,
    /// Whether there is more now.
    pub more: bool,
}

/// Reservations read by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Those that could be read.
    pub reservations: Vec<Reservation>,
    /// Those set aside.
    pub unreadable: Vec<Unreadable>,
}

/// One item set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its identifier, if that could be read.
    pub id: Option<VendorId>,
    /// Path of what could not be read, for example `Reservations[3].ScheduledStartUtc`. Never its value.
    pub at: String,
}

/// One stay in one room, complete: what is missing in it no longer exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The vendor's identifier.
    pub id: VendorId,
    /// Confirmation number staff know it by.
    pub number: String,
    /// State of the stay.
    pub state: ReservationState,
    /// The state in the vendor's words.
    pub raw_state: String,
    /// The room assigned.
    pub room: Option<VendorId>,
    /// Scheduled start.
    pub starts_at: DateTime<Utc>,
    /// Scheduled end.
    pub ends_at: DateTime<Utc>,
    /// When the guest checked in.
    pub actual_start: Option<DateTime<Utc>>,
    /// When the guest checked out.
    pub actual_end: Option<DateTime<Utc>>,
    /// The guest who holds it: the same for the stays of one person. A company that owns the booking
    /// is not a guest.
    pub guest: Option<VendorId>,
    /// One display name. A company that owns the booking is not a guest.
    pub guest_name: Option<String>,
    /// When the vendor last changed it; the core drops older ones. `None`: the later read wins.
    pub updated_at: Option<DateTime<Utc>>,
}

/// What the PMS shall hold for one reservation.
#[derive(Debug)]
pub struct StayPins {
    /// The vendor's identifier of the reservation.
    pub reservation: VendorId,
    /// Tells our entries from others'.
    pub mark: String,
    /// The entry's identifier, when noted earlier.
    pub known: Option<VendorId>,
    /// The PIN; `None`: remove ours.
    pub pin: Option<StayPin>,
}

/// A PIN as the PMS shall hold it.
#[derive(Debug)]
pub struct StayPin {
    /// The room or bed assigned.
    pub room: VendorId,
    /// Whether it is a bed in a shared room.
    pub bed: bool,
    /// Whether the PIN also opens doors outside the room.
    pub common_doors: bool,
    /// The digits.
    pub pin: SecretString,
    /// From when it is valid.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// What [`PinStore::put`] left in the PMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The entry's identifier; `None` once removed.
    pub id: Option<VendorId>,
    /// Whether anything had to be written.
    pub wrote: bool,
}

/// How a stored PIN compares with what it shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinCopy {
    /// As wanted.
    Match,
    /// There, but other.
    Differs,
    /// Not there.
    Missing,
}
