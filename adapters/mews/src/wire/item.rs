//! Reads answers member by member, so that one bad item does not spoil the rest.

use super::id;
use chrono::{DateTime, Utc};
use portal_interface::{AdapterError, VendorId};
use serde_json::Value;

/// Longest page position taken from Mews, in bytes: it must fit into a cursor of ours.
const LONGEST_CURSOR: usize = 4096;

/// Longest text for people that is kept, in characters. Databases index some of them, and none takes
/// an index entry of any size.
const LONGEST_SHOWN: usize = 255;

/// Why a member cannot be read, as the rest of a sentence.
const MISSING: &str = "is missing";
const NO_OBJECT: &str = "is no object";
pub(super) const NO_LIST: &str = "is no list";
const NO_TEXT: &str = "is no text";
const NO_ID: &str = "is no identifier: those have 1 to 255 bytes and no zero character";
const NO_INSTANT: &str = "is no instant such as 2026-11-24T10:00:00Z";
const NO_FLAG: &str = "is neither true nor false";
const NO_POSITION: &str = "is no position of a page: those are texts of 1 to 4096 bytes";

/// What could not be read: where, and why. Never what stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Path of it; `$`: all of the payload.
    pub(crate) at: String,
    /// The rest of a sentence that begins with the path.
    pub(crate) why: &'static str,
}

impl Bad {
    pub(crate) fn new(at: impl Into<String>, why: &'static str) -> Self {
        Self { at: at.into(), why }
    }

    /// What serde refuses. Its own words quote the payload.
    pub(crate) fn json() -> Self {
        Self::new("$", "is no JSON, or is nested deeper than 128 levels")
    }
}

impl From<Bad> for AdapterError {
    fn from(bad: Bad) -> Self {
        Self::Unreadable { at: bad.at }
    }
}

/// The body as JSON. Nesting beyond serde's limit of 128 is refused.
pub(crate) fn root(body: &[u8]) -> Result<Value, Bad> {
    serde_json::from_slice(body).map_err(|_| Bad::json())
}

/// A text for people, as it can be stored: shortened, and without zero characters, which no text of
/// `PostgreSQL` may hold.
pub(crate) fn shown(text: &str) -> String {
    let kept = text.chars().filter(|&c| c != '\0');
    kept.take(LONGEST_SHOWN).collect()
}

/// A page of a list, its items not yet read.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    /// Position of the next page, if there may be one.
    pub(crate) next: Option<String>,
}

impl Page {
    /// Reads a page. `count` is how many items were asked for: fewer mean it is the last.
    pub(crate) fn read(
        mut body: Value,
        list: &str,
        may_be_null: bool,
        count: usize,
    ) -> Result<Self, Bad> {
        let items = match body.get_mut(list).map(Value::take) {
            Some(Value::Array(items)) => items,
            Some(Value::Null) if may_be_null => Vec::new(),
            None | Some(Value::Null) => return Err(Bad::new(list, MISSING)),
            Some(_) => return Err(Bad::new(list, NO_LIST)),
        };
        let next = match body.get_mut("Cursor").map(Value::take) {
            None | Some(Value::Null) => None,
            Some(Value::String(next)) if (1..=LONGEST_CURSOR).contains(&next.len()) => Some(next),
            Some(_) => return Err(Bad::new("Cursor", NO_POSITION)),
        };
        let is_last = items.len() < count;
        Ok(Self {
            items,
            next: next.filter(|_| !is_last),
        })
    }
}

/// The items of a list, each with its path.
pub(crate) fn items<'a>(list: &str, values: &'a [Value]) -> impl Iterator<Item = Item<'a>> {
    let numbered = values.iter().enumerate();
    numbered.map(move |(index, value)| Item {
        value,
        at: format!("{list}[{index}]"),
    })
}

/// An object of an answer and where it stands.
pub(crate) struct Item<'a> {
    value: &'a Value,
    at: String,
}

impl<'a> Item<'a> {
    /// The whole answer.
    pub(crate) fn whole(value: &'a Value) -> Self {
        let at = String::new();
        Self { value, at }
    }

    /// That `name` cannot be read, and why.
    pub(crate) fn bad(&self, name: &str, why: &'static str) -> Bad {
        Bad::new(self.path(name), why)
    }

    fn path(&self, name: &str) -> String {
        match self.at.as_str() {
            "" => name.to_owned(),
            at => format!("{at}.{name}"),
        }
    }

    /// An item that is nothing but an object.
    pub(crate) fn must_be_object(&self) -> Result<(), Bad> {
        if self.value.is_object() {
            Ok(())
        } else {
            Err(Bad::new(self.at.as_str(), NO_OBJECT))
        }
    }

    /// A member. Null is the same as absent.
    fn member(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Result<Item<'a>, Bad> {
        let at = self.path(name);
        match self.member(name) {
            Some(value) if value.is_object() => Ok(Item { value, at }),
            Some(_) => Err(Bad::new(at, NO_OBJECT)),
            None => Err(Bad::new(at, MISSING)),
        }
    }

    /// A member that must be there.
    fn must<T>(&self, name: &str, read: Option<T>) -> Result<T, Bad> {
        read.ok_or_else(|| self.bad(name, MISSING))
    }

    /// A text that may be absent.
    pub(crate) fn maybe_text(&self, name: &str) -> Result<Option<&'a str>, Bad> {
        let read = |value: &'a Value| value.as_str().ok_or_else(|| self.bad(name, NO_TEXT));
        self.member(name).map(read).transpose()
    }

    /// A text for people.
    pub(crate) fn shown_text(&self, name: &str) -> Result<String, Bad> {
        self.must(name, self.maybe_text(name)?.map(shown))
    }

    /// A text for people, or a number in its place.
    pub(crate) fn loose_text(&self, name: &str) -> Result<Option<String>, Bad> {
        match self.member(name) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => Ok(self.maybe_text(name)?.map(shown)),
        }
    }

    /// An identifier that may be absent.
    pub(crate) fn maybe_id(&self, name: &str) -> Result<Option<VendorId>, Bad> {
        let read = |text| id(text).ok_or_else(|| self.bad(name, NO_ID));
        self.maybe_text(name)?.map(read).transpose()
    }

    /// An identifier.
    pub(crate) fn id(&self, name: &str) -> Result<VendorId, Bad> {
        self.must(name, self.maybe_id(name)?)
    }

    /// An instant that may be absent.
    pub(crate) fn maybe_instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, Bad> {
        let read = |text| {
            let at = DateTime::parse_from_rfc3339(text);
            let at = at.map_err(|_| self.bad(name, NO_INSTANT))?;
            Ok(at.to_utc())
        };
        self.maybe_text(name)?.map(read).transpose()
    }

    /// An instant.
    pub(crate) fn instant(&self, name: &str) -> Result<DateTime<Utc>, Bad> {
        self.must(name, self.maybe_instant(name)?)
    }

    /// A switch that may be absent.
    pub(crate) fn maybe_flag(&self, name: &str) -> Result<Option<bool>, Bad> {
        let read = |value: &Value| value.as_bool().ok_or_else(|| self.bad(name, NO_FLAG));
        self.member(name).map(read).transpose()
    }

    /// A switch.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Bad> {
        self.must(name, self.maybe_flag(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(body: Value, may_be_null: bool) -> Result<(usize, Option<String>), String> {
        let page = Page::read(body, "Things", may_be_null, 2).map_err(|bad| bad.at)?;
        Ok((page.items.len(), page.next))
    }

    #[test]
    fn a_list_that_is_not_there_is_no_empty_list() {
        let bad = |at: &str| Err(at.to_owned());
        for body in [json!({}), json!([]), json!(7), json!({ "Things": {} })] {
            assert_eq!(page(body, true), bad("Things"));
        }
        assert_eq!(page(json!({ "Things": null }), false), bad("Things"));
        assert_eq!(page(json!({ "Things": null }), true), Ok((0, None)));
        for cursor in [json!(7), json!(""), json!("x".repeat(4097))] {
            let body = json!({ "Things": [1, 2], "Cursor": cursor });
            assert_eq!(page(body, false), bad("Cursor"));
        }
    }

    #[test]
    fn a_page_that_is_not_full_is_the_last() {
        let full = json!({ "Things": [1, 2], "Cursor": "2" });
        assert_eq!(page(full, false), Ok((2, Some("2".to_owned()))));
        let rest = json!({ "Things": [1], "Cursor": "1" });
        assert_eq!(page(rest, false), Ok((1, None)));
        let bare = json!({ "Things": [1, 2] });
        assert_eq!(page(bare, false), Ok((2, None)));
    }

    #[test]
    fn nesting_ends_at_128() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(root(nested(127).as_bytes()).is_ok());
        assert_eq!(root(nested(128).as_bytes()), Err(Bad::json()));
        assert_eq!(root(nested(100_000).as_bytes()), Err(Bad::json()));
    }

    #[test]
    fn guids_are_lower_case_and_other_identifiers_stay_as_they_are() {
        for (text, expected) in [
            (
                "0F515589-99B4-423D-B83A-B237009F0509",
                "0f515589-99b4-423d-b83a-b237009f0509",
            ),
            (
                "0F51558999B4423DB83AB237009F0509",
                "0F51558999B4423DB83AB237009F0509",
            ),
            ("007-Ä", "007-Ä"),
        ] {
            assert_eq!(id(text), VendorId::new(expected), "{text}");
        }
        assert_eq!(id(""), None);
        assert_eq!(id(&"x".repeat(256)), None);
        // No database could store it.
        assert_eq!(id("a\0b"), None);
    }

    #[test]
    fn a_text_for_people_can_be_stored() {
        assert_eq!(shown("Zimmer 7"), "Zimmer 7");
        assert_eq!(shown("a\0b\0"), "ab");
        assert_eq!(shown(&"ä".repeat(10_000)), "ä".repeat(255));
    }
}
