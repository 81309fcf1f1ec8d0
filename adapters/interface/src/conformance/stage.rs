//! What the suite asks of a vendor's fake. Each adapter's test implements it over its own.

use crate::{Account, AdapterError, Hint, RoomKind, VendorId};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Why a stage cannot play something: said in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cannot(pub &'static str);

/// Something a stage can play, or not.
pub type Can<T> = Result<T, Cannot>;

/// What vendors of all kinds have: credentials and a network.
pub trait Vendor: Send + Sync {
    /// Good credentials of the account all else is about, not yet used.
    fn account(&self) -> Account;
    /// Other credentials that open the same account. Where the vendor lets those before end, they
    /// are those of [`Self::account`] from then on.
    fn renewed(&self) -> Can<Account>;
    /// Credentials that open nothing.
    fn stranger(&self) -> Account;
    /// Credentials that open several accounts.
    fn several(&self) -> Can<Account>;
    /// Lets those of [`Self::account`] open nothing any more.
    fn revoke(&self);
    /// Every secret text behind [`Self::account`].
    fn secrets(&self) -> Vec<String>;
    /// Whatever of the adapter and its settings can be printed, printed.
    fn printed(&self) -> String;
    /// The network between the adapter and the vendor.
    fn wire(&self) -> Can<&dyn Wire>;
}

/// The network, and what the vendor sees of it.
pub trait Wire: Send + Sync {
    /// Answers every request with this, carrying nothing out; `None`: as usual again.
    fn reply(&self, reply: Option<Reply>);
    /// Lets something go wrong with the next request; `None` takes back what has not happened.
    fn next(&self, fault: Option<Fault>);
    /// Lets something go wrong with the next request that writes.
    fn next_write(&self, fault: Fault);
    /// Requests so far.
    fn requests(&self) -> u32;
    /// Those that write.
    fn writes(&self) -> u32;
    /// The adapter's table: what each answer that is no success means.
    fn errors(&self) -> Vec<(Reply, AdapterError)>;
    /// Bodies of good answers to the adapter's requests, as JSON.
    fn answers(&self) -> Vec<String>;
    /// Whatever broke the vendor's contract so far, without values.
    fn breaches(&self) -> Vec<String>;
}

/// An answer of the vendor's, whatever was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers besides the usual.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is carried out after a while.
    Delay(Duration),
    /// The connection ends, and nothing is carried out.
    Cut,
    /// It is carried out, and the connection ends before the answer.
    CommitThenDrop,
}

/// A hotel: its rooms, its book, and those who work there.
pub trait PmsStage: Vendor {
    /// Adds a room.
    fn add_room(&self, room: &NewRoom<'_>) -> VendorId;
    /// Adds a room with an identifier of the suite's making.
    fn add_room_as(&self, id: &VendorId) -> Can<()>;
    /// Lets two rooms stand in each other.
    fn tangle(&self, one: &VendorId, other: &VendorId) -> Can<()>;
    /// How many rooms the vendor tells at once.
    fn rooms_in_a_page(&self) -> Can<usize>;
    /// Books a confirmed stay.
    fn book(&self, booking: &Booking) -> VendorId;
    /// Books one that a company owns.
    fn book_for_company(&self, booking: &Booking) -> Can<VendorId>;
    /// Books one in a state no description of the vendor's names.
    fn book_in_unknown_state(&self, booking: &Booking) -> Can<VendorId>;
    /// Books one that cannot be read, for these dates.
    fn book_unreadable(&self, booking: &Booking) -> Can<()>;
    /// Books one whose references to other things (its guest, its kind) are no identifiers.
    fn book_with_bad_references(&self, booking: &Booking) -> Can<VendorId>;
    /// Books something without a door.
    fn book_without_door(&self, booking: &Booking) -> Can<()>;
    /// Changes a stay.
    fn act(&self, stay: &VendorId, act: &Act);
    /// How long a page of reservations may take.
    fn longest_pull(&self) -> Can<Duration>;
    /// PINs on reservations.
    fn pins(&self) -> Can<&dyn PinStage>;
    /// What the vendor delivers by itself, and what is to be read in it.
    fn deliveries(&self) -> Can<Vec<Delivery>>;
}

/// PINs on reservations, as staff see them.
pub trait PinStage: Send + Sync {
    /// Takes the right to store PINs away, or gives it back.
    fn allow(&self, allow: bool);
    /// The entries on a stay, whoever made them.
    fn holds(&self, stay: &VendorId) -> Vec<PinEntry>;
    /// Adds an entry by hand, for the stay's room and dates.
    fn hold(&self, stay: &VendorId, mark: &str, digits: &str) -> VendorId;
    /// Changes the digits of an entry by hand.
    fn edit(&self, entry: &VendorId, digits: &str);
    /// Deletes an entry by hand.
    fn delete(&self, entry: &VendorId);
}

/// A room to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRoom<'a> {
    /// Number or name.
    pub name: &'a str,
    /// A room, a dorm or a bed.
    pub kind: RoomKind,
    /// The dorm a bed stands in.
    pub parent: Option<&'a VendorId>,
}

/// A stay to book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The guest; `None`: nobody is named, where the vendor has that.
    pub guest: Option<String>,
    /// The room assigned.
    pub room: Option<VendorId>,
    /// Scheduled start, in whole seconds.
    pub from: DateTime<Utc>,
    /// Scheduled end, in whole seconds.
    pub until: DateTime<Utc>,
}

/// What becomes of a stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It has this room from now on.
    Assign(VendorId),
    /// It has none any more.
    Unassign,
    /// It is at other times.
    Redate(DateTime<Utc>, DateTime<Utc>),
    /// The guest has another name.
    RenameGuest(String),
    /// The guest has come.
    CheckIn,
    /// The guest has left.
    CheckOut,
    /// It is canceled.
    Cancel,
}

/// A PIN noted on a stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinEntry {
    /// Its identifier.
    pub id: VendorId,
    /// Whose it is.
    pub mark: Option<String>,
    /// The room.
    pub room: Option<VendorId>,
    /// The digits.
    pub digits: String,
    /// From when it is valid.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Something the vendor delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The body.
    pub body: String,
    /// What is to be read in it.
    pub hints: Vec<Hint>,
}

/// A site with locks, and those who work there.
pub trait LocksStage: Vendor {
    /// Adds a lock.
    fn add_lock(&self, name: &str) -> VendorId;
    /// Connects a lock, or cuts it off.
    fn set_online(&self, lock: &VendorId, online: bool);
    /// Changes how many codes fit on a lock.
    fn set_max_codes(&self, lock: &VendorId, max: u32) -> Can<()>;
    /// Digits no lock takes.
    fn refused_digits(&self) -> Can<&'static str>;
    /// The codes on a lock, whoever set them.
    fn codes(&self, lock: &VendorId) -> Vec<LockEntry>;
    /// Sets a code by hand, a new one or another in its place.
    fn set_code(&self, lock: &VendorId, entry: &LockEntry);
    /// Takes a code off by hand.
    fn drop_code(&self, lock: &VendorId, mark: &str);
}

/// A code on a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockEntry {
    /// Its name there.
    pub mark: String,
    /// The digits.
    pub digits: String,
    /// From when it opens.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}
