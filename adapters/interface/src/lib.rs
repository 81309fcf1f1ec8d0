//! The interface every PMS and lock vendor implements.
//!
//! An adapter translates: it builds the request, calls, translates the answer. It has no database,
//! takes no decision, does not retry, sleep or log bodies. Clock, HTTP and deployment settings come
//! in through its constructor. One value serves all properties; each call names the [`Account`].

mod account;
mod app;
mod check;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decode;
mod error;
mod form;
mod hooks;
mod http;
mod locks;
mod pms;

pub use account::{Account, Credentials, Opens, RemoteAccount, Right, Seen, VendorId};
pub use app::{App, Budget, Capabilities, Field, FieldKind};
pub use check::{Check, Checked, NotAsked, Outcome, Probe};
pub use clock::{Clock, FixedClock, SystemClock};
pub use decode::{Decode, Kind, SetAside, Undecoded};
pub use error::{AdapterError, Trouble};
pub use form::{FormError, FormErrorKind, read_form};
pub use hooks::{Hint, Hooks, Look};
pub use http::{Answer, Gate, GateClosed, Http, LARGEST_ANSWER, OpenGate, Reach};
pub use locks::{Code, Device, Held, HeldCode, Locks, Refusal};
pub use pms::{
    Cursor, Fetched, PinCopy, PinStore, Pms, Pull, Pulled, Reservation, Room, StayPin, StayPins,
    Stored, Unreadable,
};
pub use portal_domain::{AppCategory, DeviceRule, ReservationState, RoomKind};
pub use secrecy::{ExposeSecret, SecretString};
