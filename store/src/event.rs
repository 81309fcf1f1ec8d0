//! The log of a property. Numbers grow in the order of commits, without gap.

use crate::conn::{Conn, Tx, on};
use crate::schema::{events, properties};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::{AnyId, Timestamp};
use portal_domain::{ActorKind, EventKind, PropertyId, SubjectKind};
use uuid::Uuid;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// Name to show.
    pub name: String,
    /// The person or key, where it is one.
    pub id: Option<Uuid>,
}

impl Actor {
    /// Portal itself.
    pub fn system() -> Self {
        Self::named(ActorKind::System, "Portal")
    }

    /// Something that has a name and no account: an app, the clock.
    pub fn named(kind: ActorKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            id: None,
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = events)]
pub struct Event {
    /// Where.
    pub property_id: PropertyId,
    /// Place in the log.
    pub seq: i64,
    /// What happened.
    pub kind: EventKind,
    /// What kind of thing it happened to.
    pub subject_kind: SubjectKind,
    /// Which.
    pub subject_id: AnyId,
    /// What kind of actor did it.
    pub actor_kind: ActorKind,
    /// Its name.
    pub actor_name: String,
    /// The event or request that led to it.
    pub cause: Option<String>,
    /// Identifiers, codes and counts, as a JSON object of texts.
    pub data: String,
    /// When.
    pub at: Timestamp,
}

/// Something to write into the log.
#[derive(Debug, Clone)]
pub struct NewEvent {
    kind: EventKind,
    subject_kind: SubjectKind,
    subject_id: Uuid,
    data: serde_json::Map<String, serde_json::Value>,
}

impl NewEvent {
    /// What happened to what.
    pub fn new(kind: EventKind, subject_kind: SubjectKind, subject_id: impl Into<Uuid>) -> Self {
        Self {
            kind,
            subject_kind,
            subject_id: subject_id.into(),
            data: serde_json::Map::new(),
        }
    }

    /// Adds a value: an identifier, a code or a count. Never a secret, never a guest's name.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.data.insert(key.to_owned(), value.to_string().into());
        self
    }
}

/// Writes lines into the log and wakes who follows it. Call it late in a transaction: from here on
/// other writers of the property's log wait.
pub async fn publish(
    tx: &mut Tx,
    property: PropertyId,
    actor: &Actor,
    now: DateTime<Utc>,
    new: Vec<NewEvent>,
) -> QueryResult<()> {
    let Ok(count) = i64::try_from(new.len()) else {
        return Ok(());
    };
    if count == 0 {
        return Ok(());
    }
    let conn: &mut Conn = tx;
    let last: i64 = on!(conn, c => {
        diesel::update(properties::table.find(property))
            .set(properties::event_seq.eq(properties::event_seq + count))
            .returning(properties::event_seq)
            .get_result(c)
            .await
    })?;
    let rows: Vec<Event> = new
        .into_iter()
        .zip(last - count + 1..)
        .map(|(new, seq)| Event {
            property_id: property,
            seq,
            kind: new.kind,
            subject_kind: new.subject_kind,
            subject_id: AnyId(new.subject_id),
            actor_kind: actor.kind,
            actor_name: actor.name.clone(),
            cause: None,
            data: serde_json::Value::Object(new.data).to_string(),
            at: now.into(),
        })
        .collect();
    match conn {
        Conn::Postgres(c) => {
            // 1,000 rows stay below the number of parameters a statement takes.
            for rows in rows.chunks(1_000) {
                let insert = diesel::insert_into(events::table).values(rows);
                insert.execute(&mut **c).await?;
            }
        }
        Conn::Sqlite(c) => {
            for row in &rows {
                let insert = diesel::insert_into(events::table).values(row);
                insert.execute(&mut **c).await?;
            }
        }
    }
    tx.ring_events();
    Ok(())
}

/// Lines behind `after`, oldest first.
pub async fn after(
    conn: &mut Conn,
    property: PropertyId,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Event>> {
    on!(conn, c => {
        events::table
            .filter(events::property_id.eq(property))
            .filter(events::seq.gt(after))
            .order(events::seq)
            .limit(limit)
            .select(Event::as_select())
            .load(c)
            .await
    })
}

/// The number of the last line.
pub async fn last(conn: &mut Conn, property: PropertyId) -> QueryResult<i64> {
    on!(conn, c => {
        properties::table
            .find(property)
            .select(properties::event_seq)
            .first(c)
            .await
    })
}
