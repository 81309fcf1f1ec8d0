//! What a job is, and how one is enqueued.

use chrono::{DateTime, Utc};
use portal_domain::PropertyId;
use portal_store::job::NewJob;
use portal_store::{DbError, QueryError, QueryResult, Tx};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::Env;

/// A piece of background work.
///
/// It carries identifiers and reads the rest again, so it may run late, twice or for nothing. Its
/// fields are stored: members it does not know are ignored, and a new one needs a default.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in the database. Never changes.
    const KIND: &'static str;
    /// How urgent it is, unless enqueued otherwise.
    const PRIORITY: Priority = Priority::Normal;
    /// How long one run may take before it is ended.
    const DEADLINE: Duration;
    /// How many run at once in a process.
    const CONCURRENCY: usize;

    /// What it is about: at most one live job of a kind exists for a key. None is never merged.
    fn coalesce_key(&self) -> Option<String>;

    /// Whom it burdens, an integration or a lock account: two of a group run at once.
    fn group(&self) -> Option<String> {
        None
    }

    /// Does it. Ended at an await by the deadline or a shutdown, so nothing may depend on its end.
    fn run(self, env: &Env) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// How urgent a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Nobody waits.
    Upkeep,
    /// The usual.
    Normal,
    /// A person waits.
    Person,
}

impl Priority {
    fn rank(self) -> i16 {
        match self {
            Self::Upkeep => 0,
            Self::Normal => 10,
            Self::Person => 20,
        }
    }
}

/// Why a job did not end well. Stored with it, therefore a closed list and never a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The database failed.
    Database,
    /// The database was away for a moment.
    DatabaseAway,
    /// A secret could not be sealed or opened.
    Sealing,
    /// Another worker holds what it needs.
    Busy,
    /// What it refers to makes no sense.
    Invalid,
    /// Its arguments cannot be read.
    Unreadable,
    /// It panicked.
    Panicked,
    /// It ran over its deadline.
    TimedOut,
    /// The process ended before it did.
    CutOff,
}

impl Code {
    /// The code as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "DATABASE",
            Self::DatabaseAway => "DATABASE_AWAY",
            Self::Sealing => "SEALING",
            Self::Busy => "BUSY",
            Self::Invalid => "INVALID",
            Self::Unreadable => "UNREADABLE",
            Self::Panicked => "PANICKED",
            Self::TimedOut => "TIMED_OUT",
            Self::CutOff => "CUT_OFF",
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a job fails. Trouble with a vendor is no failure: the row it works for takes its next due
/// time, and the job ends well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Another run may help: it is put off, each time for longer.
    #[error("put off: {0}")]
    Retry(Code),
    /// No run will help: it is set aside and shown to people.
    #[error("given up: {0}")]
    GiveUp(Code),
}

impl From<DbError> for JobError {
    fn from(error: DbError) -> Self {
        let code = match error {
            DbError::Seal(_) => Code::Sealing,
            _ if error.is_passing() => Code::DatabaseAway,
            _ => Code::Database,
        };
        // Logged here, as nothing but the code goes on.
        tracing::warn!(error = chain(&error), "a job met trouble with the database");
        Self::Retry(code)
    }
}

impl From<portal_faults::Injected> for JobError {
    fn from(injected: portal_faults::Injected) -> Self {
        DbError::from(injected).into()
    }
}

impl From<QueryError> for JobError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

/// The error and its sources, without the details in which a database quotes values.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Enqueues a job in the caller's transaction: no commit means no job.
///
/// Comes last in it and, where there are several, in the order of their keys.
pub async fn enqueue<J: Job>(tx: &mut Tx, now: DateTime<Utc>, job: &J) -> QueryResult<()> {
    insert(tx, now, job, now, J::PRIORITY).await
}

/// Enqueues a job that does not run before `run_at`. A live one of the same key keeps the earlier
/// of both times, so what must not be forgotten also needs a due time on a row.
pub async fn enqueue_at<J: Job>(
    tx: &mut Tx,
    now: DateTime<Utc>,
    job: &J,
    run_at: DateTime<Utc>,
) -> QueryResult<()> {
    insert(tx, now, job, run_at, J::PRIORITY).await
}

/// Enqueues a job for which a person waits.
pub async fn enqueue_urgent<J: Job>(tx: &mut Tx, now: DateTime<Utc>, job: &J) -> QueryResult<()> {
    insert(tx, now, job, now, Priority::Person).await
}

/// What the arguments of a job say about whose it is.
#[derive(Deserialize)]
struct Whose {
    property: Option<PropertyId>,
}

async fn insert<J: Job>(
    tx: &mut Tx,
    now: DateTime<Utc>,
    job: &J,
    run_at: DateTime<Utc>,
    priority: Priority,
) -> QueryResult<()> {
    let unreadable = |error: serde_json::Error| QueryError::SerializationError(error.into());
    let args = serde_json::to_string(job).map_err(unreadable)?;
    let new = NewJob {
        kind: J::KIND,
        // One whose arguments name no house belongs to none.
        property: serde_json::from_str::<Whose>(&args)
            .ok()
            .and_then(|whose| whose.property),
        args,
        coalesce_key: job.coalesce_key(),
        group_key: job.group(),
        priority: priority.rank(),
        run_at,
        trace: None,
    };
    portal_store::job::enqueue(tx, now, &new).await
}
