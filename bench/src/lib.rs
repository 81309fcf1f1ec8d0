//! What both programs need: databases on the server of `TEST_DATABASE_URL`, both queues, times.

use apalis_core::worker::context::WorkerContext;
use apalis_postgres::{Config, PgPool, PostgresStorage, queries};
use portal_interface::FixedClock;
use portal_jobs::{Apps, Chance, Env};
use portal_store::{Db, Sealer};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

/// Whatever went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A connection for statements of our own.
pub async fn connect(url: &str) -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A new database on the server of `TEST_DATABASE_URL`.
pub async fn new_database() -> Result<String, Failure> {
    let server = std::env::var("TEST_DATABASE_URL")
        .map_err(|_| "TEST_DATABASE_URL is not set; run this through .ci/postgres")?;
    let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
    let client = connect(&server).await?;
    client
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await?;
    Ok(format!("{}/{name}", server.trim_end_matches('/')))
}

/// Stock's queue in a database of its own, made by its own migrations.
#[derive(Debug)]
pub struct Stock {
    /// Where.
    pub url: String,
    /// Its connections.
    pub pool: PgPool,
    /// A connection for statements of our own.
    pub client: Client,
}

/// The queue all of stock's jobs stand in.
pub const QUEUE: &str = "bench";

impl Stock {
    /// An empty one.
    pub async fn new() -> Result<Self, Failure> {
        let url = new_database().await?;
        let pool = PgPool::connect(&url).await?;
        PostgresStorage::setup(&pool).await?;
        let client = connect(&url).await?;
        Ok(Self { url, pool, client })
    }

    /// Notes that a worker exists, as its registration does.
    pub async fn add_worker(&self, name: &str) -> Result<(), Failure> {
        self.client
            .execute(
                "INSERT INTO apalis.workers (id, worker_type, storage_name, layers) \
                 VALUES ($1, $2, 'PgStorage', '')",
                &[&name, &QUEUE],
            )
            .await?;
        Ok(())
    }

    /// Adds jobs whose ids begin at `first`, at a priority and so many minutes from now.
    pub async fn fill(
        &self,
        first: usize,
        rows: usize,
        priority: i16,
        minutes: i64,
        most_attempts: i32,
    ) -> Result<(), Failure> {
        let last = first + rows - 1;
        self.client
            .batch_execute(&format!(
                "INSERT INTO apalis.jobs (id, job_type, job, status, attempts, max_attempts, \
                    run_at, priority) \
                 SELECT lpad(n::text, 26, '0'), '{QUEUE}', convert_to(n::text, 'UTF8'), 'Pending', \
                    0, {most_attempts}, \
                    now() + {minutes} * interval '1 minute' + n * interval '1 ms', {priority} \
                 FROM generate_series({first}, {last}) n"
            ))
            .await?;
        Ok(())
    }

    /// One claim, as its backend makes it.
    pub async fn claim(&self, worker: &str, batch: usize) -> Result<usize, Failure> {
        let config = Config::default().queue(QUEUE).batch_size(batch);
        let mut tx = self.pool.begin().await?;
        let claimed = queries::fetch_next(&mut *tx, &config, &WorkerContext::new(worker)).await?;
        tx.commit().await?;
        Ok(claimed.len())
    }
}

/// Portal's queue in a database of its own.
#[derive(Debug)]
pub struct Portal {
    /// Where.
    pub url: String,
    /// Its connections, clock and keys.
    pub env: Arc<Env>,
    /// Stands until it is moved.
    pub clock: Arc<FixedClock>,
    /// A connection for statements of our own.
    pub client: Client,
}

impl Portal {
    /// An empty one.
    pub async fn new() -> Result<Self, Failure> {
        let url = new_database().await?;
        // Migrations block their thread, which not every caller's may be.
        let (env, clock) = tokio::spawn({
            let url = url.clone();
            async move { env(&url).await }
        })
        .await??;
        let client = connect(&url).await?;
        Ok(Self {
            url,
            env,
            clock,
            client,
        })
    }

    /// Adds jobs of a kind, at a priority and so many minutes from the clock's time.
    pub async fn fill(
        &self,
        kind: &str,
        rows: usize,
        priority: i16,
        minutes: i64,
    ) -> Result<(), Failure> {
        let now = self.env.now().to_rfc3339();
        self.client
            .batch_execute(&format!(
                "INSERT INTO jobs (id, kind, args, coalesce_key, priority, state, run_at, \
                    created_at, changed_at) \
                 SELECT gen_random_uuid(), '{kind}', '{{}}', gen_random_uuid()::text, {priority}, \
                    'pending', now.at + {minutes} * interval '1 minute' + n * interval '1 ms', \
                    now.at, now.at \
                 FROM generate_series(1, {rows}) n, (SELECT '{now}'::timestamptz AS at) now"
            ))
            .await?;
        Ok(())
    }
}

/// What Portal's jobs work with, on any database, and its clock.
pub async fn env(url: &str) -> Result<(Arc<Env>, Arc<FixedClock>), Failure> {
    let db = Db::open(url)?;
    db.migrate().await?;
    let clock = Arc::new(FixedClock::new("2026-12-01T09:00:00Z".parse()?));
    let env = Env {
        db,
        clock: clock.clone(),
        chance: Chance::System,
        sealer: Sealer::parse(&Sealer::generate()?)?,
        apps: Apps::default(),
    };
    Ok((Arc::new(env), clock))
}

/// Median and 95th percentile.
pub fn median_and_p95(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let at = |percent: usize| {
        let index = times.len().saturating_sub(1) * percent / 100;
        times.get(index).copied().unwrap_or_default()
    };
    (at(50), at(95))
}

/// In milliseconds.
pub fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
