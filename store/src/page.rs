//! Pages by key: what was inserted meanwhile shifts nothing.

use uuid::Uuid;

/// A place in a list sorted by a key and, where keys are equal, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<K> {
    /// The sort key.
    pub key: K,
    /// The row.
    pub id: Uuid,
}

/// Which rows of a list to read.
#[derive(Debug, Clone)]
pub struct Page<K> {
    /// Only rows behind this one.
    pub after: Option<Place<K>>,
    /// Only rows before this one.
    pub before: Option<Place<K>>,
    /// How many, at most.
    pub limit: i64,
    /// Whether to count from the end. The rows then come in reverse order.
    pub backward: bool,
}

impl<K> Page<K> {
    /// The first rows.
    pub fn first(limit: i64) -> Self {
        Self {
            after: None,
            before: None,
            limit,
            backward: false,
        }
    }
}

/// Narrows a boxed query to a page.
macro_rules! paged {
    ($query:expr, $key:expr, $id:expr, $page:expr) => {{
        let mut query = $query;
        let page = $page;
        if let Some(place) = &page.after {
            let (key, id) = (place.key.clone(), portal_domain::sql::AnyId(place.id));
            query = query.filter($key.gt(key.clone()).or($key.eq(key).and($id.gt(id))));
        }
        if let Some(place) = &page.before {
            let (key, id) = (place.key.clone(), portal_domain::sql::AnyId(place.id));
            query = query.filter($key.lt(key.clone()).or($key.eq(key).and($id.lt(id))));
        }
        if page.backward {
            query.order(($key.desc(), $id.desc())).limit(page.limit)
        } else {
            query.order(($key.asc(), $id.asc())).limit(page.limit)
        }
    }};
}
pub(crate) use paged;
