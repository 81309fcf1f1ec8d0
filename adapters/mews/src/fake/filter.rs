//! Filters and pages of lists.

use super::model::Row;
use super::operation::Problem;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The filters of a request. One that is absent lets everything through.
pub(super) struct Filter<'a>(&'a Value);

impl<'a> Filter<'a> {
    pub(super) fn new(body: &'a Value) -> Self {
        Self(body)
    }

    /// Whether an identifier is among those asked for, whatever its case.
    pub(super) fn id(&self, name: &str, id: &str) -> bool {
        self.any(name, |wanted| wanted.eq_ignore_ascii_case(id))
    }

    /// Whether a text is among those asked for.
    pub(super) fn text(&self, name: &str, text: &str) -> bool {
        self.any(name, |wanted| wanted == text)
    }

    fn any(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        match self.0[name].as_array() {
            Some(wanted) => wanted.iter().filter_map(Value::as_str).any(fits),
            None => true,
        }
    }

    /// Whether an instant lies in an interval. The end is excluded, unless it is the start.
    pub(super) fn at(&self, name: &str, at: DateTime<Utc>) -> bool {
        self.interval(name)
            .is_none_or(|(from, to)| from == at || from < at && at < to)
    }

    /// Whether a stay touches an interval.
    pub(super) fn overlap(&self, name: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> bool {
        self.interval(name).is_none_or(|(from, to)| {
            start < to.max(from + chrono::Duration::seconds(1)) && from < end
        })
    }

    fn interval(&self, name: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let end = |end: &str| self.0[name][end].as_str()?.parse().ok();
        Some((end("StartUtc")?, end("EndUtc")?))
    }
}

/// The page of a list that a request asks for, newest first.
///
/// A position is the identifier of a row, and is found although the row itself fits no longer.
pub(super) fn page<T: Row>(
    body: &Value,
    list: &str,
    rows: &[T],
    write: impl Fn(&T) -> Value,
    fits: impl Fn(&T) -> bool,
) -> Result<Value, Problem> {
    const POSITION: Problem = Problem(400, "The cursor is not valid.");
    let limitation = &body["Limitation"];
    let count = limitation["Count"].as_u64().unwrap_or(1000);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let older = match limitation["Cursor"].as_str() {
        Some(cursor) => {
            let position = rows.iter().position(|row| row.id() == cursor);
            &rows[..position.ok_or(POSITION)?]
        }
        None => rows,
    };
    let in_scope = |row: &&T| {
        let enterprises = Filter(body);
        enterprises.id("EnterpriseIds", row.enterprise()) && fits(row)
    };
    let found: Vec<&T> = older.iter().rev().filter(in_scope).take(count).collect();
    let cursor = found.last().map(|row| row.id());
    let items: Vec<Value> = found.iter().map(|row| write(row)).collect();
    Ok(json!({ list: items, "Cursor": cursor }))
}
