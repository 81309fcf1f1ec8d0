//! Places in a house's books, as text.

use portal_interface::{AdapterError, Cursor, VendorId};

/// First word of every cursor: how the rest is to be read.
const VERSION: &str = "1";

/// Where reading goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// After the change of that number.
    Changed(u64),
    /// After that reservation in the list; `None`: at its beginning.
    Listed(Option<VendorId>),
}

impl Place {
    /// The place as text. `run` is the run of the process in which it means something.
    pub(crate) fn cursor(&self, run: &str) -> Cursor {
        Cursor(match self {
            Self::Changed(revision) => format!("{VERSION} {run} changed {revision}"),
            Self::Listed(Some(id)) => format!("{VERSION} {run} listed {id}"),
            Self::Listed(None) => format!("{VERSION} {run} listed"),
        })
    }

    /// Reads a cursor. One of another run, or written otherwise, is stale.
    pub(crate) fn read(cursor: &Cursor, run: &str) -> Result<Self, AdapterError> {
        let words: Vec<&str> = cursor.0.split(' ').collect();
        let place = match words.as_slice() {
            [VERSION, of, place @ ..] if *of == run => place,
            _ => &[],
        };
        let place = match place {
            ["changed", revision] => revision.parse().ok().map(Self::Changed),
            ["listed", id] => VendorId::new(*id).map(|id| Self::Listed(Some(id))),
            ["listed"] => Some(Self::Listed(None)),
            _ => None,
        };
        place.ok_or(AdapterError::StaleCursor)
    }

    /// The place among the changes.
    pub(crate) fn changed(self) -> Result<u64, AdapterError> {
        match self {
            Self::Changed(revision) => Ok(revision),
            Self::Listed(_) => Err(AdapterError::StaleCursor),
        }
    }

    /// The place in the list.
    pub(crate) fn listed(self) -> Result<Option<VendorId>, AdapterError> {
        match self {
            Self::Listed(id) => Ok(id),
            Self::Changed(_) => Err(AdapterError::StaleCursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cursor_of_this_version_and_run_is_read() {
        for place in [
            Place::Changed(7),
            Place::Listed(VendorId::new("stay-3")),
            Place::Listed(None),
        ] {
            assert_eq!(Place::read(&place.cursor("run"), "run"), Ok(place.clone()));
            let stale = Err(AdapterError::StaleCursor);
            assert_eq!(Place::read(&place.cursor("before"), "run"), stale);
        }
        for text in [
            "",
            "1",
            "1 run",
            "2 run changed 7",
            "1 run changed x",
            "1 run listed ",
        ] {
            let read = Place::read(&Cursor(text.to_owned()), "run");
            assert_eq!(read, Err(AdapterError::StaleCursor), "{text}");
        }
    }
}
