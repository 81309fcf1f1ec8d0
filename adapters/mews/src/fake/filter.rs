//! Filters and pages of lists.

use super::model::Row;
use super::operation::Problem;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// The filters of a request. One that is absent lets everything through.
pub(super) struct Filter<'a> {
    body: &'a Value,
    /// What lists name, in lower case: identifiers have none.
    named: HashMap<&'a str, HashSet<String>>,
    spans: HashMap<&'a str, (DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> Filter<'a> {
    /// Reads them once, as each of thousands of rows is held against them.
    pub(super) fn new(body: &'a Value) -> Self {
        let members = || body.as_object().into_iter().flatten();
        let named = members().filter_map(|(name, member)| {
            let items = member.as_array()?.iter().filter_map(Value::as_str);
            Some((name.as_str(), items.map(str::to_ascii_lowercase).collect()))
        });
        let spans = members().filter_map(|(name, member)| {
            let end = |end: &str| member[end].as_str()?.parse().ok();
            Some((name.as_str(), (end("StartUtc")?, end("EndUtc")?)))
        });
        Self {
            body,
            named: named.collect(),
            spans: spans.collect(),
        }
    }

    /// Whether an identifier of ours, all of which are in lower case, is among those asked for.
    pub(super) fn id(&self, name: &str, id: &str) -> bool {
        self.named.get(name).is_none_or(|named| named.contains(id))
    }

    /// Whether a text is among those asked for.
    pub(super) fn text(&self, name: &str, text: &str) -> bool {
        let wanted = self.body[name].as_array();
        wanted.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == text))
    }

    /// Whether an instant lies in an interval. The end is excluded, unless it is the start.
    pub(super) fn at(&self, name: &str, at: DateTime<Utc>) -> bool {
        let span = self.spans.get(name);
        span.is_none_or(|&(from, to)| from == at || from < at && at < to)
    }

    /// Whether a stay touches an interval.
    pub(super) fn overlap(&self, name: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> bool {
        self.spans.get(name).is_none_or(|&(from, to)| {
            start < to.max(from + chrono::Duration::seconds(1)) && from < end
        })
    }
}

/// The page of a list that a request asks for, newest first.
///
/// A position is the identifier of a row, and is found although the row itself fits no longer.
pub(super) fn page<T: Row>(
    ask: &Filter<'_>,
    list: &str,
    rows: &[T],
    write: impl Fn(&T) -> Value,
    fits: impl Fn(&T) -> bool,
) -> Result<Value, Problem> {
    const POSITION: Problem = Problem(400, "The cursor is not valid.");
    let limitation = &ask.body["Limitation"];
    let count = limitation["Count"].as_u64().unwrap_or(1000);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let older = match limitation["Cursor"].as_str() {
        Some(cursor) => {
            let position = rows.iter().position(|row| row.id() == cursor);
            &rows[..position.ok_or(POSITION)?]
        }
        None => rows,
    };
    let in_scope = |row: &&T| ask.id("EnterpriseIds", row.enterprise()) && fits(row);
    let found: Vec<&T> = older.iter().rev().filter(in_scope).take(count).collect();
    let cursor = found.last().map(|row| row.id());
    let items: Vec<Value> = found.iter().map(|row| write(row)).collect();
    Ok(json!({ list: items, "Cursor": cursor }))
}
