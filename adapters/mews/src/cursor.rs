//! Where reading reservations goes on, as text.

use chrono::{DateTime, Duration, Utc};
use portal_interface::{AdapterError, Cursor};
use serde::{Deserialize, Serialize};

/// How the text is to be read. Any other number is stale.
const VERSION: u8 = 1;
/// How long a position of Mews's is used. It belongs to one set of filters and is not meant to be
/// kept between polls.
const FRESH: Duration = Duration::minutes(10);

/// A position in a list of Mews's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// Their name of the page's last item.
    pub(crate) after: String,
    /// When we got it.
    pub(crate) read: DateTime<Utc>,
}

impl Page {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.read <= FRESH
    }
}

/// A place among the changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changes {
    /// Up to when all changes are read, by Mews's clock.
    pub(crate) mark: DateTime<Utc>,
    /// In the middle of a span: where the span ends, and the position in it.
    pub(crate) page: Option<(DateTime<Utc>, Page)>,
}

/// A place in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Start of the piece being read.
    pub(crate) piece: DateTime<Utc>,
    /// The position in it.
    pub(crate) page: Option<Page>,
}

#[derive(Serialize, Deserialize)]
struct Versioned {
    v: u8,
    #[serde(flatten)]
    place: Place,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Place {
    Changes(Changes),
    Window(Window),
}

impl Changes {
    /// The place as text.
    pub(crate) fn cursor(self) -> Cursor {
        write(Place::Changes(self))
    }

    /// Reads a cursor. The span starts again if its position is too old.
    pub(crate) fn read(cursor: &Cursor, now: DateTime<Utc>) -> Result<Self, AdapterError> {
        let Place::Changes(mut changes) = read(cursor)? else {
            return Err(AdapterError::StaleCursor);
        };
        changes.page = changes.page.filter(|(_, page)| page.is_fresh(now));
        Ok(changes)
    }
}

impl Window {
    /// The place as text.
    pub(crate) fn cursor(self) -> Cursor {
        write(Place::Window(self))
    }

    /// Reads a cursor. The piece starts again if its position is too old.
    pub(crate) fn read(cursor: &Cursor, now: DateTime<Utc>) -> Result<Self, AdapterError> {
        let Place::Window(mut window) = read(cursor)? else {
            return Err(AdapterError::StaleCursor);
        };
        window.page = window.page.filter(|page| page.is_fresh(now));
        Ok(window)
    }
}

fn write(place: Place) -> Cursor {
    let v = VERSION;
    let text = serde_json::to_string(&Versioned { v, place });
    Cursor(text.expect("texts and instants can be written"))
}

fn read(cursor: &Cursor) -> Result<Place, AdapterError> {
    match serde_json::from_str(&cursor.0) {
        Ok(Versioned { v: VERSION, place }) => Ok(place),
        _ => Err(AdapterError::StaleCursor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_cursor_reads_back_and_forgets_a_position_after_ten_minutes() {
        let read = at("2026-11-24T10:00:00Z");
        let page = Page {
            after: "0f515589".to_owned(),
            read,
        };
        let changes = Changes {
            mark: at("2026-11-24T09:50:00Z"),
            page: Some((read, page.clone())),
        };
        let cursor = changes.clone().cursor();
        assert_eq!(Changes::read(&cursor, read + FRESH), Ok(changes.clone()));
        let late = read + FRESH + Duration::seconds(1);
        let mark = changes.mark;
        assert_eq!(
            Changes::read(&cursor, late),
            Ok(Changes { mark, page: None })
        );

        let window = Window {
            piece: mark,
            page: Some(page),
        };
        let cursor = window.clone().cursor();
        assert_eq!(Window::read(&cursor, read + FRESH), Ok(window));
        let piece = mark;
        assert_eq!(
            Window::read(&cursor, late),
            Ok(Window { piece, page: None })
        );
    }

    #[test]
    fn a_cursor_of_another_kind_or_version_is_stale() {
        let now = at("2026-11-24T10:00:00Z");
        let changes = Changes {
            mark: now,
            page: None,
        };
        let text = changes.cursor().0;
        assert_eq!(
            text,
            r#"{"v":1,"changes":{"mark":"2026-11-24T10:00:00Z","page":null}}"#
        );
        let stale = Err(AdapterError::StaleCursor);
        assert_eq!(Window::read(&Cursor(text.clone()), now), stale);
        for text in ["", "1", "{}", "null", &text.replace("\"v\":1", "\"v\":2")] {
            let read = Changes::read(&Cursor(text.to_owned()), now);
            assert_eq!(read, Err(AdapterError::StaleCursor), "{text}");
        }
    }
}
