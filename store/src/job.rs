//! The job table: enqueueing, and everything a worker does to a row.
//!
//! A claim raises `generation`, and every later statement asks for that generation and the lease
//! it was claimed under, so whoever lost a job cannot touch it any more. Rows hold identifiers and
//! codes, never personal data, secrets or the text of an error.
//!
//! [`enqueue`] and [`replay`] belong to the caller's transaction. The rest are statements of their
//! own, as a worker holds no transaction while it works; the time is always an argument.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text};
use diesel_async::RunQueryDsl;
use portal_domain::sql::{Id, Instant};
use portal_domain::{JobId, PropertyId, WorkerId};
use std::collections::HashSet;

use crate::conn::on;
use crate::page::{Page, paged};
use crate::schema::{jobs, workers};
use crate::{Conn, Db, DbError, QueryResult, Timestamp, Tx};

/// How long a job rests after it panicked, hung or lost its worker.
pub const PAUSE: Duration = Duration::seconds(5);

/// Work to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The queue it stands in.
    pub kind: &'static str,
    /// Whose work it is.
    pub property: Option<PropertyId>,
    /// What it is about, as JSON. Identifiers only.
    pub args: String,
    /// At most one live row exists for a kind and key. None is never merged.
    pub coalesce_key: Option<String>,
    /// Whom it burdens: few of one group run at once.
    pub group_key: Option<String>,
    /// Higher goes first.
    pub priority: i16,
    /// Not before.
    pub run_at: DateTime<Utc>,
    /// The W3C trace of whoever enqueued it.
    pub trace: Option<String>,
}

/// What a worker asks for.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Jobs of this kind only.
    pub kind: &'a str,
    /// Who claims.
    pub lease: WorkerId,
    /// How long they are its own, unless [`beat`] says otherwise.
    pub lease_until: DateTime<Utc>,
    /// Groups that have enough jobs running.
    pub busy: &'a [String],
    /// At most so many.
    pub limit: i64,
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Claimed {
    /// Which.
    #[diesel(sql_type = Id)]
    pub id: JobId,
    /// The number of this claim.
    #[diesel(sql_type = BigInt)]
    pub generation: i64,
    /// What it is about, as JSON.
    #[diesel(sql_type = Text)]
    pub args: String,
    /// The trace of whoever enqueued it.
    #[diesel(sql_type = Nullable<Text>)]
    pub trace: Option<String>,
    /// Whom it burdens.
    #[diesel(sql_type = Nullable<Text>)]
    pub group_key: Option<String>,
    /// Higher goes first.
    #[diesel(sql_type = SmallInt)]
    pub priority: i16,
    /// When it fell due.
    #[diesel(sql_type = Instant)]
    pub run_at: Timestamp,
    /// Starts in a row, this one included, that have not reported back.
    #[diesel(sql_type = SmallInt)]
    pub starts: i16,
    /// Failures in a row so far.
    #[diesel(sql_type = SmallInt)]
    pub attempts: i16,
}

impl Claimed {
    /// What its later statements are conditional on.
    pub fn fence(&self, lease: WorkerId) -> Fence {
        Fence {
            id: self.id,
            generation: self.generation,
            lease,
        }
    }
}

/// One claim of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Which job.
    pub id: JobId,
    /// The number of the claim.
    pub generation: i64,
    /// Who claimed it.
    pub lease: WorkerId,
}

/// Where a job stands after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// It is done and gone.
    Done,
    /// It will run again.
    Pending,
    /// It is set aside until someone replays it.
    Quarantined,
    /// It was no longer the reporter's, and nothing changed.
    Late,
}

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = Text)]
    state: String,
}

impl State {
    fn landing(&self) -> Landing {
        if self.state == "quarantined" {
            Landing::Quarantined
        } else {
            Landing::Pending
        }
    }
}

/// A connection for one statement on `PostgreSQL`, or a transaction on `SQLite`, where only
/// transactions write.
enum Writer {
    Statement(Conn),
    Transaction(Tx),
}

impl Writer {
    async fn open(db: &Db) -> Result<Self, DbError> {
        if db.is_postgres() {
            db.read().await.map(Self::Statement)
        } else {
            db.begin().await.map(Self::Transaction)
        }
    }

    fn conn(&mut self) -> &mut Conn {
        match self {
            Self::Statement(conn) => conn,
            Self::Transaction(tx) => tx,
        }
    }

    async fn close(self) -> Result<(), DbError> {
        match self {
            Self::Statement(_) => Ok(()),
            Self::Transaction(tx) => tx.commit().await,
        }
    }
}

const ENQUEUE: &str = "\
INSERT INTO jobs (id, kind, args, trace, coalesce_key, group_key, priority, state, run_at, \
    created_at, changed_at, property_id) \
VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $9, $10) \
ON CONFLICT (kind, coalesce_key) WHERE state <> 'quarantined' DO UPDATE SET \
    priority = CASE WHEN excluded.priority > jobs.priority \
        THEN excluded.priority ELSE jobs.priority END, \
    run_at = CASE WHEN jobs.state = 'pending' AND excluded.run_at < jobs.run_at \
        THEN excluded.run_at ELSE jobs.run_at END, \
    again_at = CASE WHEN jobs.state = 'running' \
            AND (jobs.again_at IS NULL OR excluded.run_at < jobs.again_at) \
        THEN excluded.run_at ELSE jobs.again_at END, \
    changed_at = excluded.changed_at";

/// Enqueues a job, or moves the live one of the same kind and key forward. While that one runs, it
/// is remembered to run again.
///
/// Comes last in a transaction and, where there are several, in the order of their keys, so that
/// two transactions cannot wait for each other.
pub async fn enqueue(tx: &mut Tx, now: DateTime<Utc>, new: &NewJob) -> QueryResult<()> {
    tx.ring_jobs();
    on!(&mut **tx, c => {
        diesel::sql_query(ENQUEUE)
            .bind::<Id, _>(JobId::new())
            .bind::<Text, _>(new.kind)
            .bind::<Text, _>(&new.args)
            .bind::<Nullable<Text>, _>(&new.trace)
            .bind::<Nullable<Text>, _>(&new.coalesce_key)
            .bind::<Nullable<Text>, _>(&new.group_key)
            .bind::<SmallInt, _>(new.priority)
            .bind::<Instant, _>(Timestamp(new.run_at))
            .bind::<Instant, _>(Timestamp(now))
            .bind::<Nullable<Id>, _>(new.property)
            .execute(c)
            .await
            .map(drop)
    })
}

/// The priorities that wait, the highest first: a step for each, however many rows there are. What
/// is more urgent but due later would otherwise be read through at every claim.
macro_rules! ranks {
    ($kind:literal) => {
        concat!(
            "WITH RECURSIVE ranks (priority) AS (SELECT (SELECT priority FROM jobs WHERE kind = ",
            $kind,
            " AND state = 'pending' ORDER BY priority DESC LIMIT 1) UNION ALL \
                SELECT (SELECT j.priority FROM jobs j WHERE j.kind = ",
            $kind,
            " AND j.state = 'pending' AND j.priority < ranks.priority \
                ORDER BY j.priority DESC LIMIT 1) FROM ranks WHERE ranks.priority IS NOT NULL)"
        )
    };
}

/// The first due rows of a priority. So many and no more are looked at for one whose group is free;
/// [`claim_behind`] looks past them.
macro_rules! front {
    ($kind:literal, $priority:literal, $now:literal) => {
        concat!(
            "(SELECT f.id, f.group_key FROM jobs f WHERE f.kind = ",
            $kind,
            " AND f.state = 'pending' AND f.priority = ",
            $priority,
            " AND f.run_at <= ",
            $now,
            " ORDER BY f.run_at LIMIT 1000) front"
        )
    };
}

/// Start and end of every claim. An index finds the rows: `PostgreSQL` is given an array, since
/// beside a subquery it would rather read the whole table.
macro_rules! claim {
    ($before:literal, $($ids:expr),+) => {
        concat!(
            "UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, \
                generation = generation + 1, starts = starts + 1, changed_at = $3 WHERE id ",
            $before,
            $($ids,)+
            " RETURNING id, generation, args, trace, group_key, priority, run_at, starts, attempts"
        )
    };
}

const CLAIM_POSTGRES: &str = claim!(
    "= ANY (ARRAY (",
    ranks!("$4"),
    " SELECT due.id FROM ranks CROSS JOIN LATERAL (SELECT free.id FROM ",
    front!("$4", "ranks.priority", "$3"),
    " CROSS JOIN LATERAL (SELECT j.id FROM jobs j WHERE j.id = front.id AND j.state = 'pending' \
        AND j.run_at <= $3 FOR UPDATE SKIP LOCKED) free \
        WHERE front.group_key IS NULL OR front.group_key <> ALL ($5)) due LIMIT $6))"
);
// SQLite numbers parameters as they first appear.
const CLAIM_SQLITE: &str = claim!(
    "IN (SELECT id FROM ",
    front!("$4", "$5", "$3"),
    " WHERE group_key IS NULL OR group_key NOT IN (SELECT value FROM json_each($6)) LIMIT $7)"
);
const DUE_SQLITE: &str = concat!(
    ranks!("$1"),
    " SELECT ranks.priority FROM ranks WHERE ranks.priority IS NOT NULL AND EXISTS (SELECT 1 FROM ",
    front!("$1", "ranks.priority", "$2"),
    " WHERE group_key IS NULL OR group_key NOT IN (SELECT value FROM json_each($3)))"
);

/// Groups that have a due job, in the order of their keys, after the one in `$2`.
const DUE_GROUPS: &str = "\
WITH RECURSIVE groups (group_key) AS ( \
    SELECT (SELECT group_key FROM jobs WHERE kind = $1 AND state = 'pending' AND group_key > $2 \
        ORDER BY group_key LIMIT 1) \
    UNION ALL SELECT (SELECT j.group_key FROM jobs j WHERE j.kind = $1 AND j.state = 'pending' \
        AND j.group_key > groups.group_key ORDER BY j.group_key LIMIT 1) \
        FROM groups WHERE groups.group_key IS NOT NULL) \
SELECT groups.group_key FROM groups WHERE groups.group_key IS NOT NULL AND \
    (SELECT j.run_at FROM jobs j WHERE j.kind = $1 AND j.state = 'pending' \
        AND j.group_key = groups.group_key ORDER BY j.run_at LIMIT 1) <= $3 LIMIT $4";
/// Of the group in `$5`.
macro_rules! claim_group {
    ($before:literal, $after:literal) => {
        claim!(
            $before,
            "SELECT id FROM jobs WHERE kind = $4 AND state = 'pending' AND group_key = $5 \
                AND run_at <= $3 ORDER BY run_at LIMIT 1",
            $after
        )
    };
}
const CLAIM_GROUP_POSTGRES: &str = claim_group!("= ANY (ARRAY (", " FOR UPDATE SKIP LOCKED))");
const CLAIM_GROUP_SQLITE: &str = claim_group!("IN (", ")");

/// Claims due jobs, the most urgent first.
pub async fn claim(db: &Db, now: DateTime<Utc>, ask: &Claim<'_>) -> Result<Vec<Claimed>, DbError> {
    let mut claimed = if db.is_postgres() {
        claim_postgres(db, now, ask).await?
    } else {
        claim_sqlite(db, now, ask).await?
    };
    if claimed.is_empty() && !ask.busy.is_empty() {
        claimed = claim_behind(db, now, ask).await?;
    }
    // RETURNING knows no order.
    claimed.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.run_at, job.id));
    Ok(claimed)
}

async fn claim_postgres(
    db: &Db,
    now: DateTime<Utc>,
    ask: &Claim<'_>,
) -> Result<Vec<Claimed>, DbError> {
    let Conn::Postgres(mut c) = db.read().await? else {
        return Ok(Vec::new());
    };
    Ok(diesel::sql_query(CLAIM_POSTGRES)
        .bind::<Id, _>(ask.lease)
        .bind::<Instant, _>(Timestamp(ask.lease_until))
        .bind::<Instant, _>(Timestamp(now))
        .bind::<Text, _>(ask.kind)
        .bind::<Array<Text>, _>(ask.busy)
        .bind::<BigInt, _>(ask.limit)
        .load(&mut c)
        .await?)
}

#[derive(QueryableByName)]
struct Rank {
    #[diesel(sql_type = SmallInt)]
    priority: i16,
}

async fn claim_sqlite(
    db: &Db,
    now: DateTime<Utc>,
    ask: &Claim<'_>,
) -> Result<Vec<Claimed>, DbError> {
    let busy = serde_json::Value::from(ask.busy).to_string();
    let Conn::Sqlite(mut c) = db.read().await? else {
        return Ok(Vec::new());
    };
    // A look first, so that an idle poll takes no write lock.
    let due: Vec<Rank> = diesel::sql_query(DUE_SQLITE)
        .bind::<Text, _>(ask.kind)
        .bind::<Instant, _>(Timestamp(now))
        .bind::<Text, _>(&busy)
        .load(&mut c)
        .await?;
    drop(c);
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = db.begin().await?;
    let Conn::Sqlite(c) = &mut *tx else {
        return Ok(Vec::new());
    };
    let mut claimed: Vec<Claimed> = Vec::new();
    for Rank { priority } in due {
        let limit = ask.limit - i64::try_from(claimed.len()).unwrap_or(i64::MAX);
        if limit <= 0 {
            break;
        }
        let more: Vec<Claimed> = diesel::sql_query(CLAIM_SQLITE)
            .bind::<Id, _>(ask.lease)
            .bind::<Instant, _>(Timestamp(ask.lease_until))
            .bind::<Instant, _>(Timestamp(now))
            .bind::<Text, _>(ask.kind)
            .bind::<SmallInt, _>(priority)
            .bind::<Text, _>(&busy)
            .bind::<BigInt, _>(limit)
            .load(c)
            .await?;
        claimed.extend(more);
    }
    tx.commit().await?;
    Ok(claimed)
}

#[derive(QueryableByName)]
struct Group {
    #[diesel(sql_type = Text)]
    group_key: String,
}

/// Claims for groups that wait behind many rows of busy ones: one each, what is due longest first,
/// in a round that goes on after one that was served.
async fn claim_behind(
    db: &Db,
    now: DateTime<Utc>,
    ask: &Claim<'_>,
) -> Result<Vec<Claimed>, DbError> {
    let turn = usize::try_from(now.timestamp_micros()).unwrap_or(0) % ask.busy.len().max(1);
    let served = ask.busy.get(turn).map_or("", String::as_str);
    for after in [served, ""] {
        let free = free_groups(db, now, ask, after).await?;
        if !free.is_empty() {
            return claim_groups(db, now, ask, &free).await;
        }
    }
    Ok(Vec::new())
}

async fn free_groups(
    db: &Db,
    now: DateTime<Utc>,
    ask: &Claim<'_>,
    after: &str,
) -> Result<Vec<Group>, DbError> {
    let most = i64::try_from(ask.busy.len()).unwrap_or(i64::MAX);
    let mut groups: Vec<Group> = on!(&mut db.read().await?, c => {
        diesel::sql_query(DUE_GROUPS)
            .bind::<Text, _>(ask.kind)
            .bind::<Text, _>(after)
            .bind::<Instant, _>(Timestamp(now))
            .bind::<BigInt, _>(most.saturating_add(ask.limit))
            .load(c)
            .await?
    });
    groups.retain(|group| !ask.busy.contains(&group.group_key));
    groups.truncate(usize::try_from(ask.limit).unwrap_or(1));
    Ok(groups)
}

async fn claim_groups(
    db: &Db,
    now: DateTime<Utc>,
    ask: &Claim<'_>,
    groups: &[Group],
) -> Result<Vec<Claimed>, DbError> {
    let text = if db.is_postgres() {
        CLAIM_GROUP_POSTGRES
    } else {
        CLAIM_GROUP_SQLITE
    };
    let mut writer = Writer::open(db).await?;
    let mut claimed = Vec::new();
    for group in groups {
        let more: Vec<Claimed> = on!(writer.conn(), c => {
            diesel::sql_query(text)
                .bind::<Id, _>(ask.lease)
                .bind::<Instant, _>(Timestamp(ask.lease_until))
                .bind::<Instant, _>(Timestamp(now))
                .bind::<Text, _>(ask.kind)
                .bind::<Text, _>(&group.group_key)
                .load(c)
                .await?
        });
        claimed.extend(more);
    }
    writer.close().await?;
    Ok(claimed)
}

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = Id)]
    id: JobId,
}

/// Rows an enqueuer holds are left out, for a batch that waits while it holds rows of its own could
/// wait for someone who waits for it. They are finished one by one afterwards.
const FINISH_MANY: &str = "\
WITH done AS (DELETE FROM jobs WHERE id = ANY (ARRAY ( \
    SELECT j.id FROM jobs j JOIN unnest($1, $2) AS f (id, generation) \
        ON j.id = f.id AND j.generation = f.generation \
    WHERE j.lease = $3 AND j.again_at IS NULL FOR UPDATE OF j SKIP LOCKED)) \
    RETURNING id, kind, coalesce_key), \
twins AS (DELETE FROM jobs q USING done WHERE q.state = 'quarantined' AND q.kind = done.kind \
    AND q.coalesce_key = done.coalesce_key) \
SELECT id FROM done";

/// Reports jobs as done. One that was enqueued again meanwhile runs again; a set-aside one of the
/// same key goes too. All of one lease; answers in their order.
pub async fn finish(
    db: &Db,
    now: DateTime<Utc>,
    fences: &[Fence],
) -> Result<Vec<Landing>, DbError> {
    let mut writer = Writer::open(db).await?;
    let gone = match (fences, writer.conn()) {
        ([first, _, ..], Conn::Postgres(c)) => {
            let ids: Vec<JobId> = fences.iter().map(|fence| fence.id).collect();
            let generations: Vec<i64> = fences.iter().map(|fence| fence.generation).collect();
            diesel::sql_query(FINISH_MANY)
                .bind::<Array<Id>, _>(ids)
                .bind::<Array<BigInt>, _>(generations)
                .bind::<Id, _>(first.lease)
                .load::<Gone>(c)
                .await?
                .into_iter()
                .map(|gone| gone.id)
                .collect()
        }
        _ => std::collections::HashSet::new(),
    };
    let mut landings = Vec::with_capacity(fences.len());
    for fence in fences {
        landings.push(if gone.contains(&fence.id) {
            Landing::Done
        } else {
            finish_one(writer.conn(), now, fence).await?
        });
    }
    writer.close().await?;
    if landings.contains(&Landing::Pending) {
        // A worker that sleeps would find it at its next poll only.
        db.bell().ring_jobs();
    }
    Ok(landings)
}

async fn finish_one(conn: &mut Conn, now: DateTime<Utc>, fence: &Fence) -> QueryResult<Landing> {
    let done: Option<(String, Option<String>)> = on!(&mut *conn, c => {
        diesel::delete(
            jobs::table
                .filter(jobs::id.eq(fence.id))
                .filter(jobs::generation.eq(fence.generation))
                .filter(jobs::lease.eq(fence.lease))
                .filter(jobs::again_at.is_null()),
        )
        .returning((jobs::kind, jobs::coalesce_key))
        .get_result(c)
        .await
        .optional()?
    });
    match done {
        Some((kind, Some(key))) => forget_twin(conn, &kind, &key).await.map(|()| Landing::Done),
        Some((_, None)) => Ok(Landing::Done),
        None => run_again(conn, now, fence).await,
    }
}

async fn forget_twin(conn: &mut Conn, kind: &str, key: &str) -> QueryResult<()> {
    on!(conn, c => {
        diesel::sql_query(
            "DELETE FROM jobs WHERE state = 'quarantined' AND kind = $1 AND coalesce_key = $2",
        )
        .bind::<Text, _>(kind)
        .bind::<Text, _>(key)
        .execute(c)
        .await
        .map(drop)
    })
}

async fn run_again(conn: &mut Conn, now: DateTime<Utc>, fence: &Fence) -> QueryResult<Landing> {
    let states: Vec<State> = on!(conn, c => {
        diesel::sql_query(
            "UPDATE jobs SET state = 'pending', run_at = again_at, again_at = NULL, lease = NULL, \
                lease_until = NULL, starts = 0, attempts = 0, code = NULL, changed_at = $1 \
             WHERE id = $2 AND generation = $3 AND lease = $4 AND again_at IS NOT NULL \
             RETURNING state",
        )
        .bind::<Instant, _>(Timestamp(now))
        .bind::<Id, _>(fence.id)
        .bind::<BigInt, _>(fence.generation)
        .bind::<Id, _>(fence.lease)
        .load(c)
        .await?
    });
    Ok(landing(&states))
}

fn landing(states: &[State]) -> Landing {
    states.first().map_or(Landing::Late, State::landing)
}

/// `$1` now · `$2` code · `$3` a time · `$4`, `$5`, `$6` the fence. A job that was enqueued again
/// while it ran is never set aside: newer data deserves a run.
macro_rules! report {
    ($set:literal) => {
        concat!(
            "UPDATE jobs SET again_at = NULL, lease = NULL, lease_until = NULL, changed_at = $1, ",
            $set,
            " WHERE id = $4 AND generation = $5 AND lease = $6 RETURNING state, run_at"
        )
    };
}

const RETRY: &str = report!(
    "state = CASE WHEN again_at IS NULL AND attempts >= 24 THEN 'quarantined' ELSE 'pending' END, \
     code = CASE WHEN again_at IS NULL AND attempts >= 24 THEN 'EXHAUSTED' ELSE $2 END, \
     run_at = COALESCE(again_at, $3), attempts = attempts + 1, starts = 0"
);
const REST: &str =
    report!("state = 'pending', code = $2, run_at = COALESCE(again_at, $3), starts = 0");
const QUARANTINE: &str = report!(
    "state = CASE WHEN again_at IS NULL THEN 'quarantined' ELSE 'pending' END, code = $2, \
     run_at = COALESCE(again_at, $3), attempts = attempts + 1, starts = 0"
);
const FAIL: &str = report!(
    "state = CASE WHEN again_at IS NULL AND starts >= 3 THEN 'quarantined' ELSE 'pending' END, \
     code = $2, run_at = CASE WHEN starts >= 3 THEN COALESCE(again_at, $3) ELSE $3 END"
);

#[derive(QueryableByName)]
struct Reported {
    #[diesel(embed)]
    state: State,
    #[diesel(sql_type = Instant)]
    run_at: Timestamp,
}

/// Puts a failed job off until `at`; sets it aside as `EXHAUSTED` at the 25th failure in a row.
pub async fn retry(
    db: &Db,
    now: DateTime<Utc>,
    fence: &Fence,
    at: DateTime<Utc>,
    code: &str,
) -> Result<Landing, DbError> {
    report(db, RETRY, now, fence, at, code).await
}

/// Puts a job off until `at` that failed for no fault of its own.
pub async fn rest(
    db: &Db,
    now: DateTime<Utc>,
    fence: &Fence,
    at: DateTime<Utc>,
    code: &str,
) -> Result<Landing, DbError> {
    report(db, REST, now, fence, at, code).await
}

/// Sets a job aside that another run would not help.
pub async fn quarantine(
    db: &Db,
    now: DateTime<Utc>,
    fence: &Fence,
    code: &str,
) -> Result<Landing, DbError> {
    report(db, QUARANTINE, now, fence, now, code).await
}

/// Reports a job that panicked or hung: it rests for [`PAUSE`], and is set aside at the
/// third start in a row that ended so.
pub async fn fail(
    db: &Db,
    now: DateTime<Utc>,
    fence: &Fence,
    code: &str,
) -> Result<Landing, DbError> {
    report(db, FAIL, now, fence, now + PAUSE, code).await
}

async fn report(
    db: &Db,
    text: &'static str,
    now: DateTime<Utc>,
    fence: &Fence,
    at: DateTime<Utc>,
    code: &str,
) -> Result<Landing, DbError> {
    let mut writer = Writer::open(db).await?;
    let reported: Vec<Reported> = on!(writer.conn(), c => {
        diesel::sql_query(text)
            .bind::<Instant, _>(Timestamp(now))
            .bind::<Text, _>(code)
            .bind::<Instant, _>(Timestamp(at))
            .bind::<Id, _>(fence.id)
            .bind::<BigInt, _>(fence.generation)
            .bind::<Id, _>(fence.lease)
            .load(c)
            .await?
    });
    writer.close().await?;
    let Some(reported) = reported.into_iter().next() else {
        return Ok(Landing::Late);
    };
    let landing = reported.state.landing();
    if landing == Landing::Pending && *reported.run_at <= now {
        // Asked for again while it ran: a worker that sleeps would find it at its next poll only.
        db.bell().ring_jobs();
    }
    Ok(landing)
}

/// Gives jobs back. One that never `started` is not charged for it; a cut-off one is.
pub async fn give_back(
    db: &Db,
    now: DateTime<Utc>,
    fences: &[(Fence, bool)],
) -> Result<(), DbError> {
    let mut writer = Writer::open(db).await?;
    release(&mut writer, now, fences).await?;
    writer.close().await?;
    if !fences.is_empty() {
        db.bell().ring_jobs();
    }
    Ok(())
}

async fn release(
    writer: &mut Writer,
    now: DateTime<Utc>,
    fences: &[(Fence, bool)],
) -> QueryResult<()> {
    for (fence, started) in fences {
        on!(writer.conn(), c => {
            diesel::sql_query(
                "UPDATE jobs SET state = 'pending', again_at = NULL, lease = NULL, \
                    lease_until = NULL, changed_at = $1, \
                    starts = CASE WHEN starts > 0 THEN starts - $2 ELSE 0 END \
                 WHERE id = $3 AND generation = $4 AND lease = $5",
            )
            .bind::<Instant, _>(Timestamp(now))
            .bind::<SmallInt, _>(i16::from(!started))
            .bind::<Id, _>(fence.id)
            .bind::<BigInt, _>(fence.generation)
            .bind::<Id, _>(fence.lease)
            .execute(c)
            .await?
        });
    }
    Ok(())
}

/// Gives back, uncharged, what is claimed under the lease beside what is `held`, of one kind or of
/// all, and says how many that were: claims whose answers were lost.
pub async fn give_back_others(
    db: &Db,
    now: DateTime<Utc>,
    lease: WorkerId,
    kind: Option<&str>,
    held: &[Fence],
) -> Result<usize, DbError> {
    let mut writer = Writer::open(db).await?;
    let ours: Vec<(JobId, i64)> = on!(writer.conn(), c => {
        let ours = jobs::table
            .filter(jobs::state.eq("running"))
            .filter(jobs::lease.eq(lease))
            .select((jobs::id, jobs::generation))
            .into_boxed();
        match kind {
            Some(kind) => ours.filter(jobs::kind.eq(kind)).load(c).await?,
            None => ours.load(c).await?,
        }
    });
    let others: Vec<(Fence, bool)> = ours
        .into_iter()
        .map(|(id, generation)| Fence {
            id,
            generation,
            lease,
        })
        .filter(|fence| !held.contains(fence))
        .map(|fence| (fence, false))
        .collect();
    release(&mut writer, now, &others).await?;
    writer.close().await?;
    if !others.is_empty() {
        db.bell().ring_jobs();
    }
    Ok(others.len())
}

/// Keeps jobs for their workers until `lease_until`.
pub async fn beat(db: &Db, lease_until: DateTime<Utc>, fences: &[Fence]) -> Result<(), DbError> {
    let mut writer = Writer::open(db).await?;
    for fence in fences {
        on!(writer.conn(), c => {
            diesel::update(
                jobs::table
                    .filter(jobs::id.eq(fence.id))
                    .filter(jobs::generation.eq(fence.generation))
                    .filter(jobs::lease.eq(fence.lease)),
            )
            .set(jobs::lease_until.eq(Timestamp(lease_until)))
            .execute(c)
            .await?
        });
    }
    writer.close().await
}

const RECOVER: &str = "\
UPDATE jobs SET again_at = NULL, lease = NULL, lease_until = NULL, changed_at = $1, \
    state = CASE WHEN again_at IS NULL AND starts >= 3 THEN 'quarantined' ELSE 'pending' END, \
    code = 'CRASHED', run_at = CASE WHEN starts >= 3 THEN COALESCE(again_at, $2) ELSE $2 END \
 WHERE id = $3 AND generation = $4 AND state = 'running' AND lease_until < $1 RETURNING state";
/// Jobs taken back at once.
const RECOVERED: i64 = 1000;

/// Takes jobs back from workers whose lease is over, save those the caller is `keeping` itself: when
/// the clock leaps, as after a sleep of the machine, nobody was lost. At the third start in a row
/// that ended so, the job is set aside as `CRASHED`: it may be what kills them.
pub async fn recover_expired(
    db: &Db,
    now: DateTime<Utc>,
    keeping: &[Fence],
) -> Result<Vec<Landing>, DbError> {
    let mut expired: Vec<(JobId, i64)> = on!(&mut db.read().await?, c => {
        jobs::table
            .filter(jobs::state.eq("running"))
            .filter(jobs::lease_until.lt(Timestamp(now)))
            .order(jobs::lease_until)
            .limit(RECOVERED)
            .select((jobs::id, jobs::generation))
            .load(c)
            .await?
    });
    let keeping: HashSet<(JobId, i64)> = keeping
        .iter()
        .map(|fence| (fence.id, fence.generation))
        .collect();
    expired.retain(|claim| !keeping.contains(claim));
    if expired.is_empty() {
        return Ok(Vec::new());
    }
    let mut recovered = Vec::new();
    let mut writer = Writer::open(db).await?;
    for (id, generation) in expired {
        let states: Vec<State> = on!(writer.conn(), c => {
            diesel::sql_query(RECOVER)
                .bind::<Instant, _>(Timestamp(now))
                .bind::<Instant, _>(Timestamp(now + PAUSE))
                .bind::<Id, _>(id)
                .bind::<BigInt, _>(generation)
                .load(c)
                .await?
        });
        recovered.extend(states.iter().map(State::landing));
    }
    writer.close().await?;
    Ok(recovered)
}

/// Runs a set-aside job again from the start. Where a live one of the same key exists, that one is
/// brought forward instead. Says whether there was such a job.
pub async fn replay(tx: &mut Tx, now: DateTime<Utc>, id: JobId) -> QueryResult<bool> {
    tx.ring_jobs();
    if bring_forward_twin(tx, now, id).await? {
        return on!(&mut **tx, c => {
            diesel::delete(jobs::table.filter(jobs::id.eq(id))).execute(c).await.map(|n| n > 0)
        });
    }
    on!(&mut **tx, c => {
        diesel::update(
            jobs::table
                .filter(jobs::id.eq(id))
                .filter(jobs::state.eq("quarantined")),
        )
        .set((
            jobs::state.eq("pending"),
            jobs::run_at.eq(Timestamp(now)),
            jobs::starts.eq(0),
            jobs::attempts.eq(0),
            jobs::code.eq(None::<String>),
            jobs::changed_at.eq(Timestamp(now)),
        ))
        .execute(c)
        .await
        .map(|n| n > 0)
    })
}

async fn bring_forward_twin(conn: &mut Conn, now: DateTime<Utc>, id: JobId) -> QueryResult<bool> {
    on!(conn, c => {
        diesel::sql_query(
            "UPDATE jobs SET changed_at = $1, \
                run_at = CASE WHEN state = 'pending' AND run_at > $1 THEN $1 ELSE run_at END, \
                again_at = CASE WHEN state = 'running' THEN $1 END \
             WHERE state <> 'quarantined' AND EXISTS (SELECT 1 FROM jobs q WHERE q.id = $2 \
                AND q.state = 'quarantined' AND q.kind = jobs.kind \
                AND q.coalesce_key = jobs.coalesce_key)",
        )
        .bind::<Instant, _>(Timestamp(now))
        .bind::<Id, _>(id)
        .execute(c)
        .await
        .map(|n| n > 0)
    })
}

/// Drops jobs that were set aside before `before`.
pub async fn prune(db: &Db, before: DateTime<Utc>) -> Result<usize, DbError> {
    let mut writer = Writer::open(db).await?;
    let count = on!(writer.conn(), c => {
        diesel::delete(
            jobs::table
                .filter(jobs::state.eq("quarantined"))
                .filter(jobs::changed_at.lt(Timestamp(before))),
        )
        .execute(c)
        .await?
    });
    writer.close().await?;
    Ok(count)
}

/// A job as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub struct JobRow {
    /// Which.
    pub id: JobId,
    /// The queue it stands in.
    pub kind: String,
    /// What it is about, as JSON.
    pub args: String,
    /// `pending`, `running` or `quarantined`.
    pub state: String,
    /// Higher goes first.
    pub priority: i16,
    /// Not before.
    #[diesel(deserialize_as = Timestamp)]
    pub run_at: DateTime<Utc>,
    /// The number of its last claim.
    pub generation: i64,
    /// Starts in a row that have not reported back.
    pub starts: i16,
    /// Failures in a row.
    pub attempts: i16,
    /// How it last ended, unless well.
    pub code: Option<String>,
}

/// All jobs in the order of their making. For tests and small tables.
pub async fn all(conn: &mut Conn) -> QueryResult<Vec<JobRow>> {
    on!(conn, c => {
        jobs::table.order(jobs::id).select(JobRow::as_select()).load(c).await
    })
}

/// The newest set-aside jobs.
pub async fn quarantined(conn: &mut Conn, limit: i64) -> QueryResult<Vec<JobRow>> {
    on!(conn, c => {
        jobs::table
            .filter(jobs::state.eq("quarantined"))
            .order(jobs::id.desc())
            .limit(limit)
            .select(JobRow::as_select())
            .load(c)
            .await
    })
}

/// How many jobs of a kind wait, due or not.
pub async fn pending(conn: &mut Conn, kind: &str) -> QueryResult<i64> {
    on!(conn, c => {
        jobs::table
            .filter(jobs::kind.eq(kind))
            .filter(jobs::state.eq("pending"))
            .count()
            .get_result(c)
            .await
    })
}

/// Notes that a worker exists. For people alone: no job refers to it.
pub async fn register_worker(
    db: &Db,
    now: DateTime<Utc>,
    id: WorkerId,
    name: &str,
) -> Result<(), DbError> {
    let mut writer = Writer::open(db).await?;
    on!(writer.conn(), c => {
        diesel::insert_into(workers::table)
            .values((
                workers::id.eq(id),
                workers::name.eq(name),
                workers::started_at.eq(Timestamp(now)),
                workers::seen_at.eq(Timestamp(now)),
            ))
            .execute(c)
            .await?
    });
    writer.close().await
}

/// Notes that a worker lives.
pub async fn touch_worker(db: &Db, now: DateTime<Utc>, id: WorkerId) -> Result<(), DbError> {
    let mut writer = Writer::open(db).await?;
    on!(writer.conn(), c => {
        diesel::update(workers::table.filter(workers::id.eq(id)))
            .set(workers::seen_at.eq(Timestamp(now)))
            .execute(c)
            .await?
    });
    writer.close().await
}

/// Forgets workers that were last seen before `before`.
pub async fn prune_workers(db: &Db, before: DateTime<Utc>) -> Result<usize, DbError> {
    let mut writer = Writer::open(db).await?;
    let count = on!(writer.conn(), c => {
        diesel::delete(workers::table.filter(workers::seen_at.lt(Timestamp(before))))
            .execute(c)
            .await?
    });
    writer.close().await?;
    Ok(count)
}

/// The names of all workers in the order of their starts.
pub async fn workers(conn: &mut Conn) -> QueryResult<Vec<String>> {
    on!(conn, c => {
        workers::table.order(workers::id).select(workers::name).load(c).await
    })
}

/// A job with whose it is, as staff see those that were given up.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub struct OwnedJob {
    /// Which.
    pub id: JobId,
    /// Whose.
    pub property_id: Option<PropertyId>,
    /// The queue it stands in.
    pub kind: String,
    /// What it is about, as JSON.
    pub args: String,
    /// `pending`, `running` or `quarantined`.
    pub state: String,
    /// Starts in a row that have not reported back.
    pub starts: i16,
    /// Failures in a row.
    pub attempts: i16,
    /// How it last ended, unless well.
    pub code: Option<String>,
    /// When it came into its state.
    pub changed_at: Timestamp,
}

impl OwnedJob {
    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        self.state == "quarantined"
    }
}

/// Jobs of a property by id, whatever their state.
pub async fn of_property(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[JobId],
) -> QueryResult<Vec<OwnedJob>> {
    on!(conn, c => {
        jobs::table
            .filter(jobs::property_id.eq(property))
            .filter(jobs::id.eq_any(ids))
            .select(OwnedJob::as_select())
            .load(c)
            .await
    })
}

/// A page of the jobs of a property that were given up, by when.
pub async fn given_up(
    conn: &mut Conn,
    property: PropertyId,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<OwnedJob>> {
    on!(conn, c => {
        let query = jobs::table
            .filter(jobs::property_id.eq(property))
            .filter(jobs::state.eq("quarantined"))
            .select(OwnedJob::as_select())
            .into_boxed();
        paged!(query, jobs::changed_at, jobs::id, page).load(c).await
    })
}

/// How a job of some key stands.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub struct Standing {
    /// Which.
    pub id: JobId,
    /// What it is about.
    pub coalesce_key: Option<String>,
    /// `pending`, `running` or `quarantined`.
    pub state: String,
    /// Not before.
    pub run_at: Timestamp,
    /// Starts in a row that have not reported back.
    pub starts: i16,
    /// Failures in a row.
    pub attempts: i16,
    /// How it last ended, unless well.
    pub code: Option<String>,
    /// When it came into its state.
    pub changed_at: Timestamp,
}

/// How the jobs of a kind stand. `None`: `most` or more of them wait, and it is no use to add any.
pub async fn standing(
    conn: &mut Conn,
    kind: &str,
    most: i64,
) -> QueryResult<Option<Vec<Standing>>> {
    let mut all = in_state(conn, kind, "pending", most).await?;
    if i64::try_from(all.len()).is_ok_and(|waiting| waiting >= most) {
        return Ok(None);
    }
    for state in ["running", "quarantined"] {
        all.extend(in_state(conn, kind, state, most).await?);
    }
    Ok(Some(all))
}

async fn in_state(
    conn: &mut Conn,
    kind: &str,
    state: &str,
    most: i64,
) -> QueryResult<Vec<Standing>> {
    on!(conn, c => {
        jobs::table
            .filter(jobs::kind.eq(kind))
            .filter(jobs::state.eq(state))
            .limit(most)
            .select(Standing::as_select())
            .load(c)
            .await
    })
}
