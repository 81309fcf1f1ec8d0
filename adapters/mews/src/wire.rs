//! Mews's words: what is sent, and how answers are read.
//!
//! Sending is strict: documented members only, no empty list, instants in whole seconds. Reading is
//! lenient: unknown members are ignored, absent and null are the same, and an item that cannot be
//! read says where, never what stood there.

mod ask;
mod entry;
mod hook;
mod house;
mod item;
mod pin;
mod stay;

pub(crate) use ask::{
    ActivityState, AddTokens, Ask, AskAssignments, AskCategories, AskCompanionships,
    AskConfiguration, AskCustomers, AskReservations, AskResources, AskServices, AskTokens,
    DeleteTokens, Interval, LIST_LIMIT, List, NewToken, Paged, Permissions, TokenUpdate,
    UpdateTokens, seconds_from, seconds_until,
};
pub(crate) use entry::{Entry, entries};
pub(crate) use hook::Told;
pub(crate) use house::{Assignment, Category, Configuration, Resource, Service};
pub(crate) use item::{Bad, Page, root};
pub(crate) use pin::{Token, added};
pub(crate) use stay::{Companionship, Customer, Owner, Stay};

use portal_interface::{AdapterError, Answer, Trouble, VendorId};

/// Longest text of Mews's that is handed to people, in characters.
const LONGEST_SAID: usize = 300;

/// What an answer other than a success means.
pub(crate) fn error(answer: &Answer) -> AdapterError {
    match answer.status {
        401 => AdapterError::Unauthorized,
        403 => AdapterError::Declined { said: said(answer) },
        408 | 413 => AdapterError::TooHeavy,
        429 => AdapterError::RateLimited {
            retry_after: answer.retry_after,
        },
        409 => AdapterError::Unreachable(Trouble::Status(409)),
        400..=499 => AdapterError::Declined { said: None },
        status => AdapterError::Unreachable(Trouble::Status(status)),
    }
}

/// Mews means its message for people when a rule of its business refused the request, only then.
fn said(answer: &Answer) -> Option<String> {
    let body = root(&answer.body).ok()?;
    let message = body.get("Message")?.as_str()?.trim();
    (!message.is_empty()).then(|| message.chars().take(LONGEST_SAID).collect())
}

/// An identifier from a stranger: nothing but a GUID, as all of Mews's are.
pub(crate) fn guid(text: &str) -> Option<VendorId> {
    is_guid(text).then(|| id(text)).flatten()
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// An identifier. Mews compares GUIDs without regard to case, the core compares bytes. A zero
/// character is in none: no text of `PostgreSQL` may hold it.
pub(crate) fn id(text: &str) -> Option<VendorId> {
    if text.contains('\0') {
        return None;
    }
    VendorId::new(if is_guid(text) {
        text.to_ascii_lowercase()
    } else {
        text.to_owned()
    })
}
