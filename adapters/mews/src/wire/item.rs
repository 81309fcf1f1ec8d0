//! Reads answers member by member, so that one bad item does not spoil the rest.

use super::id;
use chrono::{DateTime, Utc};
use portal_interface::{AdapterError, VendorId};
use serde_json::Value;

/// Longest page position taken from Mews, in bytes: it must fit into a cursor of ours.
const LONGEST_CURSOR: usize = 4096;

/// Path of what could not be read. Never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad(pub(crate) String);

impl From<Bad> for AdapterError {
    fn from(bad: Bad) -> Self {
        Self::Unreadable { at: bad.0 }
    }
}

/// The body as JSON. Nesting beyond serde's limit of 128 is refused.
pub(crate) fn root(body: &[u8]) -> Result<Value, Bad> {
    serde_json::from_slice(body).map_err(|_| Bad("$".to_owned()))
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
            _ => return Err(Bad(list.to_owned())),
        };
        let next = match body.get_mut("Cursor").map(Value::take) {
            None | Some(Value::Null) => None,
            Some(Value::String(next)) if (1..=LONGEST_CURSOR).contains(&next.len()) => Some(next),
            Some(_) => return Err(Bad("Cursor".to_owned())),
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

/// The only item of a list in an answer that is not paged.
pub(crate) fn only_item<'a>(body: &'a Value, list: &str) -> Result<Item<'a>, Bad> {
    match body.get(list).and_then(Value::as_array).map(Vec::as_slice) {
        Some([value]) => Ok(Item {
            value,
            at: format!("{list}[0]"),
        }),
        _ => Err(Bad(list.to_owned())),
    }
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

    /// Where it stands.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// Whether it is an object at all.
    pub(crate) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    /// That `name` cannot be read.
    pub(crate) fn bad(&self, name: &str) -> Bad {
        match self.at.as_str() {
            "" => Bad(name.to_owned()),
            at => Bad(format!("{at}.{name}")),
        }
    }

    /// A member. Null is the same as absent.
    fn member(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Result<Item<'a>, Bad> {
        let value = self.member(name).filter(|value| value.is_object());
        let Bad(at) = self.bad(name);
        match value {
            Some(value) => Ok(Item { value, at }),
            None => Err(Bad(at)),
        }
    }

    /// A text that may be absent.
    pub(crate) fn maybe_text(&self, name: &str) -> Result<Option<&'a str>, Bad> {
        let read = |value: &'a Value| value.as_str().ok_or_else(|| self.bad(name));
        self.member(name).map(read).transpose()
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Bad> {
        self.maybe_text(name)?.ok_or_else(|| self.bad(name))
    }

    /// A text, or a number in its place.
    pub(crate) fn loose_text(&self, name: &str) -> Result<Option<String>, Bad> {
        match self.member(name) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => Ok(self.maybe_text(name)?.map(ToOwned::to_owned)),
        }
    }

    /// An identifier that may be absent.
    pub(crate) fn maybe_id(&self, name: &str) -> Result<Option<VendorId>, Bad> {
        let read = |text| id(text).ok_or_else(|| self.bad(name));
        self.maybe_text(name)?.map(read).transpose()
    }

    /// An identifier.
    pub(crate) fn id(&self, name: &str) -> Result<VendorId, Bad> {
        self.maybe_id(name)?.ok_or_else(|| self.bad(name))
    }

    /// An instant that may be absent.
    pub(crate) fn maybe_instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, Bad> {
        let read = |text| {
            let at = DateTime::parse_from_rfc3339(text).map_err(|_| self.bad(name))?;
            Ok(at.to_utc())
        };
        self.maybe_text(name)?.map(read).transpose()
    }

    /// An instant.
    pub(crate) fn instant(&self, name: &str) -> Result<DateTime<Utc>, Bad> {
        self.maybe_instant(name)?.ok_or_else(|| self.bad(name))
    }

    /// A switch that may be absent.
    pub(crate) fn maybe_flag(&self, name: &str) -> Result<Option<bool>, Bad> {
        let read = |value: &Value| value.as_bool().ok_or_else(|| self.bad(name));
        self.member(name).map(read).transpose()
    }

    /// A switch.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Bad> {
        self.maybe_flag(name)?.ok_or_else(|| self.bad(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(body: Value, may_be_null: bool) -> Result<(usize, Option<String>), Bad> {
        let page = Page::read(body, "Things", may_be_null, 2)?;
        Ok((page.items.len(), page.next))
    }

    #[test]
    fn a_list_that_is_not_there_is_no_empty_list() {
        let bad = |at: &str| Err(Bad(at.to_owned()));
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
        assert_eq!(root(nested(128).as_bytes()), Err(Bad("$".to_owned())));
        assert_eq!(root(nested(100_000).as_bytes()), Err(Bad("$".to_owned())));
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
    }
}
