//! Things a person should look at: counted, and resolved when their cause goes.

use crate::conn::{Conn, on};
use crate::event::{Actor, NewEvent};
use crate::page::{Page, paged};
use crate::schema::problems;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::{AnyId, Timestamp};
use portal_domain::{ActorKind, EventKind, ProblemId, PropertyId, SubjectKind};
use uuid::Uuid;

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
    /// The same, where it is an identifier of ours.
    pub subject_id: Option<AnyId>,
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
    /// When a person put it aside.
    pub dismissed_at: Option<Timestamp>,
    /// Who did.
    pub dismissed_by: Option<String>,
    /// What kind of actor that was.
    pub dismissed_by_kind: Option<ActorKind>,
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

impl Problem {
    /// Whether it still asks for a person.
    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none() && self.dismissed_at.is_none()
    }
}

/// The line of the log about a problem.
fn line(kind: EventKind, id: ProblemId, key: &str) -> NewEvent {
    NewEvent::new(kind, SubjectKind::Problem, id).with("key", key)
}

/// Raises a problem, or counts it once more. One that was put aside stays there, unless it has
/// become critical. Gives the line for the log when it is new to people.
pub async fn raise(
    conn: &mut Conn,
    property: PropertyId,
    new: &NewProblem<'_>,
    now: DateTime<Utc>,
) -> QueryResult<Option<NewEvent>> {
    let row = Problem {
        id: ProblemId::new(),
        property_id: property,
        key: new.key.to_owned(),
        subject_kind: new.subject_kind,
        subject: new.subject.to_owned(),
        subject_id: Uuid::parse_str(new.subject).ok().map(AnyId),
        detail: new.detail.to_owned(),
        critical: new.critical,
        count: 1,
        first_seen: now.into(),
        last_seen: now.into(),
        resolved_at: None,
        dismissed_at: None,
        dismissed_by: None,
        dismissed_by_kind: None,
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
    if seen > 0 {
        if new.critical {
            return worsen(conn, property, new).await;
        }
        return Ok(None);
    }
    let inserted = on!(conn, c => {
        diesel::insert_into(problems::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })?;
    Ok((inserted > 0).then(|| line(EventKind::ProblemRaised, row.id, new.key)))
}

/// What was a nuisance locks a guest out now: it comes back to people.
async fn worsen(
    conn: &mut Conn,
    property: PropertyId,
    new: &NewProblem<'_>,
) -> QueryResult<Option<NewEvent>> {
    let worse: Option<ProblemId> = on!(conn, c => {
        diesel::update(
            problems::table
                .filter(problems::property_id.eq(property))
                .filter(problems::key.eq(new.key))
                .filter(problems::subject.eq(new.subject))
                .filter(problems::resolved_at.is_null())
                .filter(problems::critical.eq(false)),
        )
        .set((
            problems::critical.eq(true),
            problems::dismissed_at.eq(None::<Timestamp>),
            problems::dismissed_by.eq(None::<String>),
            problems::dismissed_by_kind.eq(None::<ActorKind>),
        ))
        .returning(problems::id)
        .get_result(c)
        .await
        .optional()
    })?;
    Ok(worse.map(|id| line(EventKind::ProblemRaised, id, new.key)))
}

/// Puts a problem aside until its cause has gone and come again. `None`: it is not open.
pub async fn dismiss(
    conn: &mut Conn,
    property: PropertyId,
    id: ProblemId,
    by: &Actor,
    now: DateTime<Utc>,
) -> QueryResult<Option<Problem>> {
    on!(conn, c => {
        diesel::update(
            problems::table
                .filter(problems::property_id.eq(property))
                .filter(problems::id.eq(id))
                .filter(problems::resolved_at.is_null())
                .filter(problems::dismissed_at.is_null()),
        )
        .set((
            problems::dismissed_at.eq(Timestamp(now)),
            problems::dismissed_by.eq(&by.name),
            problems::dismissed_by_kind.eq(by.kind),
        ))
        .returning(Problem::as_returning())
        .get_result(c)
        .await
        .optional()
    })
}

/// The cause is gone. Gives the line for the log when there was a problem.
pub async fn resolve(
    conn: &mut Conn,
    property: PropertyId,
    key: &str,
    subject: &str,
    now: DateTime<Utc>,
) -> QueryResult<Option<NewEvent>> {
    let gone: Option<ProblemId> = on!(conn, c => {
        diesel::update(
            problems::table
                .filter(problems::property_id.eq(property))
                .filter(problems::key.eq(key))
                .filter(problems::subject.eq(subject))
                .filter(problems::resolved_at.is_null()),
        )
        .set(problems::resolved_at.eq(Timestamp(now)))
        .returning(problems::id)
        .get_result(c)
        .await
        .optional()
    })?;
    Ok(gone.map(|id| line(EventKind::ProblemResolved, id, key)))
}

/// The same for a problem by its id.
pub async fn resolve_id(
    conn: &mut Conn,
    property: PropertyId,
    key: &str,
    id: ProblemId,
    now: DateTime<Utc>,
) -> QueryResult<Option<NewEvent>> {
    let gone = on!(conn, c => {
        diesel::update(
            problems::table
                .filter(problems::property_id.eq(property))
                .filter(problems::id.eq(id))
                .filter(problems::resolved_at.is_null()),
        )
        .set(problems::resolved_at.eq(Timestamp(now)))
        .execute(c)
        .await
    })?;
    Ok((gone > 0).then(|| line(EventKind::ProblemResolved, id, key)))
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

/// What the unresolved problems of a key are about, where that is something of ours.
pub async fn open_about<T: From<Uuid>>(
    conn: &mut Conn,
    property: PropertyId,
    key: &str,
) -> QueryResult<Vec<T>> {
    let ids: Vec<AnyId> = on!(conn, c => {
        problems::table
            .filter(problems::property_id.eq(property))
            .filter(problems::key.eq(key))
            .filter(problems::resolved_at.is_null())
            .filter(problems::subject_id.is_not_null())
            .order(problems::id)
            .select(problems::subject_id.assume_not_null())
            .load(c)
            .await
    })?;
    Ok(ids.into_iter().map(|id| T::from(id.0)).collect())
}

/// How many critical problems ask for a person.
pub async fn count_critical(conn: &mut Conn, property: PropertyId) -> QueryResult<i64> {
    on!(conn, c => {
        problems::table
            .filter(problems::property_id.eq(property))
            .filter(problems::critical.eq(true))
            .filter(problems::resolved_at.is_null())
            .filter(problems::dismissed_at.is_null())
            .count()
            .get_result(c)
            .await
    })
}

/// A page of a property's problems about these kinds of things, the oldest first: those that ask for
/// a person, or those that went away or were put aside.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    kinds: &[SubjectKind],
    resolved: bool,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<Problem>> {
    on!(conn, c => {
        let query = problems::table
            .filter(problems::property_id.eq(property))
            .filter(problems::subject_kind.eq_any(kinds))
            .select(Problem::as_select())
            .into_boxed();
        let query = if resolved {
            query.filter(problems::resolved_at.is_not_null().or(problems::dismissed_at.is_not_null()))
        } else {
            query.filter(problems::resolved_at.is_null()).filter(problems::dismissed_at.is_null())
        };
        paged!(query, problems::first_seen, problems::id, page).load(c).await
    })
}
