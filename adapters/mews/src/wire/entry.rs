//! Items of lists, each read by itself.

use super::ask::List;
use super::item::{Bad, Item, items};
use portal_interface::VendorId;
use serde_json::Value;

/// What the items of a list are read to.
pub(crate) trait Entry: Sized {
    /// Whether a list of them means something only as a whole.
    const WHOLE: bool;
    /// Reads one. What it can do without may be wrong or absent.
    fn read(item: &Item<'_>) -> Result<Self, Bad>;
}

/// The items of a list.
pub(crate) struct Entries<T> {
    /// Those that could be read, in their order.
    pub(crate) read: Vec<T>,
    /// Those that could not.
    pub(crate) aside: Vec<Aside>,
}

/// An item set aside.
pub(crate) struct Aside {
    /// Its identifier, if that could be read.
    pub(crate) id: Option<VendorId>,
    pub(crate) bad: Bad,
}

/// Reads the items of a list. One that is bad does not spoil the rest.
pub(crate) fn entries<L: List>(values: &[Value]) -> Entries<L::Entry> {
    let mut read = Vec::new();
    let mut aside = Vec::new();
    for item in items(L::ITEMS, values) {
        match L::Entry::read(&item) {
            Ok(entry) => read.push(entry),
            Err(bad) => aside.push(Aside {
                id: item.maybe_id("Id").ok().flatten(),
                bad,
            }),
        }
    }
    Entries { read, aside }
}

impl<T> Entries<T> {
    /// All of them, for lists that mean something only as a whole.
    pub(crate) fn whole(self) -> Result<Vec<T>, Bad> {
        match self.aside.into_iter().next() {
            None => Ok(self.read),
            Some(aside) => Err(aside.bad),
        }
    }
}
