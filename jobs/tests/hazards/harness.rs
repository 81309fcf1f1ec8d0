//! A database, a clock that stands until moved, and a job that does what it is told.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};
use portal_domain::WorkerId;
use portal_interface::FixedClock;
use portal_jobs::{
    Apps, Chance, Code, Drained, Env, Job, JobError, Registry, Workers, drain, enqueue, enqueue_at,
    enqueue_urgent,
};
use portal_store::job::{self, Claim, Claimed, JobRow};
use portal_store::{Db, Sealer};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// Text that must not be found in any row.
pub(crate) const CANARY: &str = "canary-7f3a";

/// What happened, by test.
static LOG: LazyLock<Mutex<HashMap<String, Log>>> = LazyLock::new(Mutex::default);

/// What a test's jobs did.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    /// Names in the order of their starts.
    pub(crate) ran: Vec<String>,
    /// Names in the order of their ends.
    pub(crate) ended: Vec<String>,
    now: HashMap<String, usize>,
    /// The most of a name or group that ran at once.
    pub(crate) most: HashMap<String, usize>,
    /// Jobs that wait at the door.
    door: Option<Arc<Semaphore>>,
}

fn log<T>(test: &str, with: impl FnOnce(&mut Log) -> T) -> T {
    let mut all = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    with(all.entry(test.to_owned()).or_default())
}

/// How a job goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    #[default]
    Well,
    Retry,
    GiveUp,
    Panic,
    /// Waits until the test opens the door.
    Door,
}

/// A job that notes what it does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) test: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) how: How,
    #[serde(default)]
    pub(crate) group: Option<String>,
    #[serde(default)]
    pub(crate) millis: u64,
}

/// Counts what runs, and stops counting however that ends.
struct Running<'a>(&'a Step);

impl<'a> Running<'a> {
    fn new(step: &'a Step) -> Self {
        log(&step.test, |log| {
            log.ran.push(step.name.clone());
            for key in Self::keys(step) {
                let now = log.now.entry(key.clone()).or_default();
                *now += 1;
                let most = log.most.entry(key).or_default();
                *most = (*most).max(*now);
            }
        });
        Self(step)
    }

    fn keys(step: &Step) -> Vec<String> {
        let group = step.group.clone().map(|group| format!("group {group}"));
        group.into_iter().chain([step.name.clone()]).collect()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        log(&self.0.test, |log| {
            for key in Self::keys(self.0) {
                *log.now.entry(key).or_default() -= 1;
            }
        });
    }
}

impl Job for Step {
    const KIND: &'static str = "step";
    const DEADLINE: Duration = Duration::from_mins(2);
    const CONCURRENCY: usize = 4;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn group(&self) -> Option<String> {
        self.group.clone()
    }

    async fn run(self, _env: &Env) -> Result<(), JobError> {
        let _running = Running::new(&self);
        tokio::time::sleep(Duration::from_millis(self.millis)).await;
        if self.how == How::Door {
            let door = log(&self.test, door);
            door.acquire()
                .await
                .expect("the door is never closed")
                .forget();
        }
        log(&self.test, |log| log.ended.push(self.name.clone()));
        match self.how {
            How::Well | How::Door => Ok(()),
            How::Retry => Err(JobError::Retry(Code::Busy)),
            How::GiveUp => Err(JobError::GiveUp(Code::Invalid)),
            How::Panic => panic!("{CANARY}"),
        }
    }
}

fn door(log: &mut Log) -> Arc<Semaphore> {
    log.door
        .get_or_insert_with(|| Arc::new(Semaphore::new(0)))
        .clone()
}

/// The queue of one test.
pub(crate) struct Bench {
    pub(crate) test: &'static str,
    pub(crate) env: Arc<Env>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) registry: Registry,
    url: String,
    _folder: TempDir,
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl Bench {
    pub(crate) async fn new(test: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => on_server(&server).await,
            Err(_) => format!("sqlite:{}", folder.path().join("portal.db").display()),
        };
        let db = Db::open(&url).unwrap();
        db.migrate().await.unwrap();
        let clock = Arc::new(FixedClock::new("2026-12-01T09:00:00Z".parse().unwrap()));
        let env = Env {
            db,
            clock: clock.clone(),
            chance: Chance::seeded(1),
            sealer: Sealer::parse(&Sealer::generate().unwrap()).unwrap(),
            apps: Apps::default(),
        };
        Self {
            test,
            env: Arc::new(env),
            clock,
            registry: Registry::new().add::<Step>(),
            url,
            _folder: folder,
        }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.env.db
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.db().is_postgres()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    /// Lets seconds pass on the clock of the test.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.advance(chrono::Duration::seconds(seconds));
    }

    /// Another process on the same PostgreSQL.
    pub(crate) fn elsewhere(&self) -> Arc<Env> {
        Arc::new(Env {
            db: Db::open(&self.url).unwrap(),
            ..(*self.env).clone()
        })
    }

    pub(crate) fn start(&self) -> Workers {
        Workers::start(self.env.clone(), &self.registry)
    }

    pub(crate) fn step(&self, name: &str, how: How) -> Step {
        Step {
            test: self.test.to_owned(),
            name: name.to_owned(),
            how,
            ..Step::default()
        }
    }

    pub(crate) async fn enqueue(&self, step: &Step) {
        let mut tx = self.db().begin().await.unwrap();
        enqueue(&mut tx, self.now(), step).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn enqueue_at(&self, step: &Step, seconds: i64) {
        let mut tx = self.db().begin().await.unwrap();
        let at = self.now() + chrono::Duration::seconds(seconds);
        enqueue_at(&mut tx, self.now(), step, at).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn enqueue_urgent(&self, step: &Step) {
        let mut tx = self.db().begin().await.unwrap();
        enqueue_urgent(&mut tx, self.now(), step).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Enqueues jobs that go well.
    pub(crate) async fn steps(&self, names: &[&str]) {
        for name in names {
            self.enqueue(&self.step(name, How::Well)).await;
        }
    }

    pub(crate) async fn drain(&self) -> Drained {
        drain(&self.env, &self.registry).await.unwrap()
    }

    pub(crate) fn log(&self) -> Log {
        log(self.test, |log| log.clone())
    }

    pub(crate) fn ran(&self) -> Vec<String> {
        self.log().ran
    }

    /// Lets so many jobs through the door.
    pub(crate) fn open_door(&self, jobs: usize) {
        log(self.test, |log| door(log).add_permits(jobs));
    }

    pub(crate) async fn rows(&self) -> Vec<JobRow> {
        let mut conn = self.db().read().await.unwrap();
        job::all(&mut conn).await.unwrap()
    }

    /// State and code of each row, in the order of their making.
    pub(crate) async fn states(&self) -> Vec<(String, Option<String>)> {
        let rows = self.rows().await.into_iter();
        rows.map(|row| (row.state, row.code)).collect()
    }

    /// Claims as a process of its own, for 40 seconds.
    pub(crate) async fn claim(&self, lease: WorkerId, limit: i64) -> Vec<Claimed> {
        self.claim_beside(&[], lease, limit).await
    }

    pub(crate) async fn claim_beside(
        &self,
        busy: &[String],
        lease: WorkerId,
        limit: i64,
    ) -> Vec<Claimed> {
        let ask = Claim {
            kind: "step",
            lease,
            lease_until: self.now() + chrono::Duration::seconds(40),
            busy,
            limit,
        };
        job::claim(self.db(), self.now(), &ask).await.unwrap()
    }

    /// Jobs that end in each of the three bad ways, and nothing else is left.
    pub(crate) async fn end_badly(&self) {
        self.enqueue(&self.step("put off", How::Retry)).await;
        self.enqueue(&self.step("given up", How::GiveUp)).await;
        self.enqueue(&self.step("panics", How::Panic)).await;
        let ended = async || {
            let rows = self.rows().await;
            rows.len() == 3 && rows.iter().all(|row| row.code.is_some())
        };
        self.until("every end is written", ended).await;
    }

    pub(crate) async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !done().await {
            assert!(started.elapsed() < Duration::from_mins(1), "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Statements of the test's own, past the store.
    pub(crate) async fn sql(&self, text: &str) {
        if self.is_postgres() {
            self.client().await.batch_execute(text).await.unwrap();
        } else {
            self.file().batch_execute(text).unwrap();
        }
    }

    /// The number a query answers as `n`.
    pub(crate) async fn number(&self, text: &str) -> i64 {
        if self.is_postgres() {
            let client = self.client().await;
            client.query_one(text, &[]).await.unwrap().get("n")
        } else {
            let number: Number = diesel::sql_query(text)
                .get_result(&mut self.file())
                .unwrap();
            number.n
        }
    }

    /// Every row of jobs and workers as text.
    pub(crate) async fn dump(&self) -> String {
        if !self.is_postgres() {
            let mut all = String::new();
            let texts = [
                "SELECT concat_ws('|', kind, args, trace, coalesce_key, group_key, state, code, \
                    quote(id), quote(lease)) AS line FROM jobs",
                "SELECT name AS line FROM workers",
            ];
            for text in texts {
                let lines: Vec<Line> = diesel::sql_query(text).load(&mut self.file()).unwrap();
                all.extend(lines.into_iter().map(|line| line.line + "\n"));
            }
            return all;
        }
        let client = self.client().await;
        let text = "SELECT j::text FROM jobs j UNION ALL SELECT w::text FROM workers w";
        let rows = client.query(text, &[]).await.unwrap();
        rows.iter()
            .map(|row| row.get::<_, String>(0) + "\n")
            .collect()
    }

    /// A connection of the test's own to PostgreSQL.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        connect(&self.url).await
    }

    /// A connection of the test's own to the SQLite file.
    pub(crate) fn file(&self) -> SqliteConnection {
        let path = self.url.strip_prefix("sqlite:").unwrap();
        let mut file = SqliteConnection::establish(path).unwrap();
        file.batch_execute("PRAGMA busy_timeout=20000").unwrap();
        file
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Adds a due job without ringing any bell.
    pub(crate) async fn enqueue_quietly(&self, name: &str) {
        let args = serde_json::to_string(&self.step(name, How::Well)).unwrap();
        self.fill(1, 10, -1, "NULL").await;
        self.sql(&format!("UPDATE jobs SET args = '{args}'")).await;
    }

    /// Adds rows in bulk. `group` is an SQL expression over the row's number `n`; `minutes` are
    /// from now.
    pub(crate) async fn fill(&self, rows: usize, priority: i16, minutes: i64, group: &str) {
        let at = self.now() + chrono::Duration::minutes(minutes);
        let text = if self.is_postgres() {
            format!(
                "INSERT INTO jobs (id, kind, args, group_key, priority, state, run_at, created_at, \
                    changed_at) SELECT gen_random_uuid(), 'step', '{{}}', {group}, {priority}, \
                    'pending', t.at + n * interval '1 ms', t.at, t.at \
                 FROM generate_series(1, {rows}) n, (SELECT '{}'::timestamptz AS at) t; \
                 ANALYZE jobs",
                at.to_rfc3339()
            )
        } else {
            let at = at.timestamp_micros();
            format!(
                "INSERT INTO jobs (id, kind, args, group_key, priority, state, run_at, created_at, \
                    changed_at) WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s \
                    WHERE n < {rows}) SELECT randomblob(16), 'step', '{{}}', {group}, {priority}, \
                    'pending', {at} + n * 1000, {at}, {at} FROM s"
            )
        };
        self.sql(&text).await;
    }
}

pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("the server of TEST_DATABASE_URL");
    tokio::spawn(connection);
    client
}

async fn on_server(server: &str) -> String {
    let name = format!("portal_{}", uuid::Uuid::now_v7().simple());
    let create = format!("CREATE DATABASE {name}");
    let client = connect(server).await;
    client.batch_execute(&create).await.expect("a new database");
    format!("{}/{name}", server.trim_end_matches('/'))
}
