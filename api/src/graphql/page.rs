//! Connections: pages by opaque cursors, as Relay's specification has them.

use super::Result;
use crate::edge::ApiError;
use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{ObjectType, OutputType};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::DateTime;
use portal_store::Timestamp;
use portal_store::page::{Page, Place};
use uuid::Uuid;

/// Items on a page unless asked otherwise.
const USUAL: i32 = 20;
/// Most items on a page.
const MOST: i32 = 100;

/// The paging arguments of a field.
#[derive(Debug, Default)]
pub(crate) struct Paging {
    /// Read behind this cursor.
    pub(crate) after: Option<String>,
    /// Read before this cursor.
    pub(crate) before: Option<String>,
    /// How many from the start.
    pub(crate) first: Option<i32>,
    /// How many from the end.
    pub(crate) last: Option<i32>,
}

/// Something lists are sorted by.
pub(crate) trait SortKey: Clone + Send + Sync {
    /// Its text in a cursor.
    fn write(&self) -> String;
    /// Reads it back.
    fn read(text: &str) -> Option<Self>;
}

impl SortKey for String {
    fn write(&self) -> String {
        self.clone()
    }
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl SortKey for Timestamp {
    fn write(&self) -> String {
        self.timestamp_micros().to_string()
    }
    fn read(text: &str) -> Option<Self> {
        DateTime::from_timestamp_micros(text.parse().ok()?).map(Self)
    }
}

/// A list's page in the making: which rows to read, and how to make a connection of them.
pub(crate) struct Asked<K> {
    /// Which rows. One more than shown, to know whether more follow.
    pub(crate) page: Page<K>,
    list: &'static str,
    size: usize,
}

impl Paging {
    /// Reads the arguments for the list of this name: a cursor of another list is refused. `newest`
    /// turns the list round: its first row is the last by key.
    pub(crate) fn read<K: SortKey>(self, list: &'static str, newest: bool) -> Result<Asked<K>> {
        let size = |n: Option<i32>, name: &str| match n {
            Some(n) if !(0..=MOST).contains(&n) => Err(ApiError::bad_user_input(format!(
                "{name}: expected a number from 0 to {MOST}"
            ))),
            other => Ok(other),
        };
        let first = size(self.first, "first")?;
        let last = size(self.last, "last")?;
        if first.is_some() && last.is_some() {
            return Err(ApiError::bad_user_input("give first or last, not both"));
        }
        let backward = last.is_some();
        let size = usize::try_from(last.or(first).unwrap_or(USUAL)).unwrap_or(0);
        let place = |cursor: Option<String>, name: &str| match cursor {
            Some(text) => read_cursor(list, &text).map(Some).ok_or_else(|| {
                ApiError::bad_user_input(format!("{name}: not a cursor of this list"))
            }),
            None => Ok(None),
        };
        let (mut after, mut before) = (place(self.after, "after")?, place(self.before, "before")?);
        if newest {
            std::mem::swap(&mut after, &mut before);
        }
        Ok(Asked {
            page: Page {
                after,
                before,
                limit: i64::try_from(size).unwrap_or(0) + 1,
                backward: backward != newest,
            },
            list,
            size,
        })
    }
}

impl<K: SortKey + Ord> Asked<K> {
    /// Sorts and cuts a whole list that was made in memory, as the database would have.
    pub(crate) fn cut<R>(&self, rows: &mut Vec<R>, key: impl Fn(&R) -> (K, Uuid)) {
        let place = |place: &Place<K>| (place.key.clone(), place.id);
        let after = self.page.after.as_ref().map(place);
        let before = self.page.before.as_ref().map(place);
        rows.retain(|row| {
            let here = Some(key(row));
            (after.is_none() || here > after) && (before.is_none() || here < before)
        });
        rows.sort_by_cached_key(key);
        if self.page.backward {
            rows.reverse();
        }
        rows.truncate(usize::try_from(self.page.limit).unwrap_or(0));
    }
}

impl<K: SortKey> Asked<K> {
    /// Makes a connection of the rows read.
    pub(crate) fn connection<R, N: OutputType>(
        self,
        rows: Vec<R>,
        newest: bool,
        key: impl Fn(&R) -> (K, Uuid),
        node: impl Fn(R) -> N,
    ) -> Connection<String, N> {
        self.with_fields(rows, newest, key, node, EmptyFields)
    }

    /// The same with more fields on the connection.
    pub(crate) fn with_fields<R, N: OutputType, F: ObjectType>(
        self,
        mut rows: Vec<R>,
        newest: bool,
        key: impl Fn(&R) -> (K, Uuid),
        node: impl Fn(R) -> N,
        fields: F,
    ) -> Connection<String, N, F> {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        // From the end: the rows came in reverse.
        let from_end = self.page.backward != newest;
        if from_end {
            rows.reverse();
        }
        let (behind, ahead) = (self.page.after.is_some(), self.page.before.is_some());
        let (has_after, has_before) = if newest {
            (ahead, behind)
        } else {
            (behind, ahead)
        };
        let (previous, next) = if from_end {
            (more, has_before)
        } else {
            (has_after, more)
        };
        let mut connection = Connection::with_additional_fields(previous, next, fields);
        connection.edges.extend(rows.into_iter().map(|row| {
            let (key, id) = key(&row);
            Edge::new(write_cursor(self.list, &key, id), node(row))
        }));
        connection
    }
}

fn write_cursor<K: SortKey>(list: &str, key: &K, id: Uuid) -> String {
    BASE64.encode(format!("{list}\n{id}\n{}", key.write()))
}

fn read_cursor<K: SortKey>(list: &str, text: &str) -> Option<Place<K>> {
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let mut parts = text.splitn(3, '\n');
    if parts.next()? != list {
        return None;
    }
    let id = parts.next()?.parse().ok()?;
    let key = K::read(parts.next()?)?;
    Some(Place { key, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(first: Option<i32>, last: Option<i32>) -> Result<(i64, bool)> {
        let paging = Paging {
            first,
            last,
            ..Paging::default()
        };
        let asked = paging.read::<String>("rooms", false)?;
        Ok((asked.page.limit, asked.page.backward))
    }

    #[test]
    fn pages_are_twenty_and_a_hundred_at_most() {
        assert_eq!(paging(None, None).ok(), Some((21, false)));
        assert_eq!(paging(Some(0), None).ok(), Some((1, false)));
        assert_eq!(paging(Some(100), None).ok(), Some((101, false)));
        assert_eq!(paging(None, Some(5)).ok(), Some((6, true)));
        for (first, last) in [
            (Some(101), None),
            (Some(-1), None),
            (None, Some(101)),
            (Some(1), Some(1)),
        ] {
            assert!(paging(first, last).is_err(), "{first:?} {last:?}");
        }
    }

    #[test]
    fn a_list_made_in_memory_is_cut_like_one_of_the_database() {
        let row = |n: u128| (format!("lock {n}"), Uuid::from_u128(n));
        let cut = |first, last, after: Option<u128>, before: Option<u128>| {
            let cursor = |n: u128| write_cursor("locks", &row(n).0, row(n).1);
            let paging = Paging {
                after: after.map(cursor),
                before: before.map(cursor),
                first,
                last,
            };
            let asked = paging.read::<String>("locks", false).ok()?;
            let mut rows: Vec<(String, Uuid)> = [3, 1, 5, 2, 4].map(row).to_vec();
            asked.cut(&mut rows, Clone::clone);
            let connection = asked.connection(rows, false, Clone::clone, |row| row.0);
            let nodes: Vec<String> = connection.edges.into_iter().map(|edge| edge.node).collect();
            let (before, after) = (connection.has_previous_page, connection.has_next_page);
            Some((nodes.join(", "), before, after))
        };
        let told = |text: &str, before, after| Some((text.to_owned(), before, after));
        assert_eq!(
            cut(Some(2), None, None, None),
            told("lock 1, lock 2", false, true)
        );
        assert_eq!(
            cut(Some(9), None, Some(3), None),
            told("lock 4, lock 5", true, false)
        );
        assert_eq!(
            cut(None, Some(2), None, None),
            told("lock 4, lock 5", true, false)
        );
        assert_eq!(
            cut(None, Some(2), None, Some(4)),
            told("lock 2, lock 3", true, true)
        );
        assert_eq!(
            cut(Some(9), None, Some(2), Some(4)),
            told("lock 3", true, false)
        );
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let id = Uuid::now_v7();
        let cursor = write_cursor("rooms", &"101\nA".to_owned(), id);
        let place = read_cursor::<String>("rooms", &cursor).expect("our own cursor");
        assert_eq!((place.key.as_str(), place.id), ("101\nA", id));
        assert!(read_cursor::<String>("spaces", &cursor).is_none());
        assert!(read_cursor::<String>("rooms", "x").is_none());
    }
}
