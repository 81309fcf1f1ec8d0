//! Things a person should look at: counted, and resolved when their cause goes.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::problems;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{ProblemId, PropertyId, SubjectKind};

/// Something a person should look at.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = problems)]
pub struct Problem {
    /// Identifier.
    pub id: ProblemId,
    /// Where.
    pub property_id: PropertyId,
    /// What it is, for example `reservation.unreadable`.
    pub key: String,
    /// What kind of thing it is about.
    pub subject_kind: SubjectKind,
    /// Which: an id of ours, or of the vendor where Portal has none.
    pub subject: String,
    /// What the sentence for staff names.
    pub detail: String,
    /// Whether a guest may be locked out, or someone let in.
    pub critical: bool,
    /// How often it was seen.
    pub count: i32,
    /// When first.
    pub first_seen: Timestamp,
    /// When last.
    pub last_seen: Timestamp,
    /// When it went away.
    pub resolved_at: Option<Timestamp>,
    /// When the row was made.
    pub created_at: Timestamp,
}

/// Something that came up.
#[derive(Debug, Clone)]
pub struct NewProblem<'a> {
    /// What it is.
    pub key: &'static str,
    /// What kind of thing it is about.
    pub subject_kind: SubjectKind,
    /// Which.
    pub subject: &'a str,
    /// What the sentence for staff names.
    pub detail: &'a str,
    /// Whether a guest may be locked out, or someone let in.
    pub critical: bool,
}

/// Raises a problem, or counts it once more.
pub async fn raise(
    conn: &mut Conn,
    property: PropertyId,
    new: &NewProblem<'_>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row = Problem {
        id: ProblemId::new(),
        property_id: property,
        key: new.key.to_owned(),
        subject_kind: new.subject_kind,
        subject: new.subject.to_owned(),
        detail: new.detail.to_owned(),
        critical: new.critical,
        count: 1,
        first_seen: now.into(),
        last_seen: now.into(),
        resolved_at: None,
        created_at: now.into(),
    };
    let open = problems::table
        .filter(problems::property_id.eq(property))
        .filter(problems::key.eq(new.key))
        .filter(problems::subject.eq(new.subject))
        .filter(problems::resolved_at.is_null());
    let seen = on!(conn, c => {
        diesel::update(open)
            .set((
                problems::count.eq(problems::count + 1),
                problems::last_seen.eq(Timestamp(now)),
                problems::detail.eq(new.detail),
            ))
            .execute(c)
            .await
    })?;
    if seen == 0 {
        on!(conn, c => {
            diesel::insert_into(problems::table)
                .values(&row)
                .on_conflict_do_nothing()
                .execute(c)
                .await
        })?;
    }
    Ok(())
}

/// The cause is gone.
pub async fn resolve(
    conn: &mut Conn,
    property: PropertyId,
    key: &str,
    subject: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            problems::table
                .filter(problems::property_id.eq(property))
                .filter(problems::key.eq(key))
                .filter(problems::subject.eq(subject))
                .filter(problems::resolved_at.is_null()),
        )
        .set(problems::resolved_at.eq(Timestamp(now)))
        .execute(c)
        .await
    })
}

/// Problems by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[ProblemId],
) -> QueryResult<Vec<Problem>> {
    on!(conn, c => {
        problems::table
            .filter(problems::property_id.eq(property))
            .filter(problems::id.eq_any(ids))
            .select(Problem::as_select())
            .load(c)
            .await
    })
}

/// A page of a property's problems, the oldest first.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    resolved: bool,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<Problem>> {
    on!(conn, c => {
        let query = problems::table
            .filter(problems::property_id.eq(property))
            .filter(problems::resolved_at.is_not_null().eq(resolved))
            .select(Problem::as_select())
            .into_boxed();
        paged!(query, problems::first_seen, problems::id, page).load(c).await
    })
}
