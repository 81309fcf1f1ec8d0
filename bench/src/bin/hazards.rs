//! What goes wrong with stock apalis-postgres and what Portal's queue does in the same place, as
//! seen, each scenario on a PostgreSQL database of its own.
//!
//! `.ci/postgres cargo run --release --manifest-path bench/Cargo.toml --bin hazards`

use apalis::prelude::{WorkerBuilder, WorkerContext};
use apalis_core::backend::TaskResult;
use apalis_core::backend::ext::BackendExt;
use apalis_core::task::status::Status;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use apalis_postgres::{Config, PostgresStorage, queries};
use futures_util::future::LocalBoxFuture;
use portal_bench::{Failure, Portal, QUEUE, Stock};
use portal_domain::WorkerId;
use portal_jobs::{Code, Env, Job, JobError, Registry, Workers, enqueue};
use portal_store::job::{self, Claim, Landing};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const CANARY: &str = "canary-7f3a";
const ROWS: usize = 50_000;
const LONG: Duration = Duration::from_secs(10);

/// A job of Portal's that does what it is told, and a job of stock's beside it.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Well,
    Fail,
    Slow,
    Panic,
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

impl Job for Told {
    const KIND: &'static str = "told";
    const DEADLINE: Duration = Duration::from_mins(1);
    const CONCURRENCY: usize = 4;

    fn coalesce_key(&self) -> Option<String> {
        None
    }

    async fn run(self, _env: &Env) -> Result<(), JobError> {
        RUNS.fetch_add(1, Ordering::SeqCst);
        match self {
            Self::Well => Ok(()),
            Self::Fail => Err(JobError::Retry(Code::Busy)),
            Self::Slow => {
                sleep(Duration::from_secs(2)).await;
                Ok(())
            }
            Self::Panic => panic!("{CANARY}"),
        }
    }
}

/// What both did.
struct Seen {
    hazard: &'static str,
    stock: String,
    portal: String,
}

async fn tell(portal: &Portal, job: &Told) -> Result<(), Failure> {
    let mut tx = portal.env.db.begin().await?;
    enqueue(&mut tx, portal.env.now(), job).await?;
    tx.commit().await?;
    Ok(())
}

fn workers(portal: &Portal) -> Workers {
    Workers::start(portal.env.clone(), &Registry::new().add::<Told>())
}

async fn claim(portal: &Portal, lease: WorkerId, limit: i64) -> Result<Vec<job::Claimed>, Failure> {
    let now = portal.env.now();
    let ask = Claim {
        kind: Told::KIND,
        lease,
        lease_until: now + chrono::Duration::seconds(40),
        busy: &[],
        limit,
    };
    Ok(job::claim(&portal.env.db, now, &ask).await?)
}

/// A stock worker that counts its runs. Ends with what the worker ended with.
fn stock_worker(
    stock: &Stock,
    name: &str,
    config: Config,
    told: fn() -> Told,
    runs: Arc<AtomicUsize>,
) -> tokio::task::JoinHandle<Result<(), String>> {
    let backend = PostgresStorage::<u64>::new(&stock.pool)
        .with_config(config.queue(QUEUE))
        .poll_with_interval(Duration::from_millis(100));
    let worker = WorkerBuilder::new(name)
        .backend(backend)
        .parallelize(tokio::spawn)
        .build(move |_job: u64| {
            let runs = runs.clone();
            async move {
                runs.fetch_add(1, Ordering::SeqCst);
                match told() {
                    Told::Well => Ok::<(), std::io::Error>(()),
                    Told::Fail => Err(std::io::Error::other(CANARY)),
                    Told::Slow => {
                        sleep(Duration::from_secs(2)).await;
                        Ok(())
                    }
                    Told::Panic => panic!("{CANARY}"),
                }
            }
        });
    // Of the current thread, as its type is too much for the compiler to see that it may move.
    tokio::task::spawn_local(async move { worker.run().await.map_err(|error| error.to_string()) })
}

/// How many rows of a table were read by scans and through indexes so far.
async fn reads(client: &tokio_postgres::Client, table: &str) -> Result<i64, Failure> {
    // Counters of a connection are written when it ends.
    sleep(Duration::from_millis(500)).await;
    let row = client
        .query_one(
            "SELECT coalesce(seq_tup_read, 0)::bigint AS n FROM pg_stat_user_tables \
             WHERE schemaname || '.' || relname = $1",
            &[&table],
        )
        .await?;
    Ok(row.get("n"))
}

async fn ap_1() -> Result<Seen, Failure> {
    const CLAIMS: i64 = 10;
    let stock = Stock::new().await?;
    stock.add_worker("w").await?;
    stock.fill(1, ROWS, 0, -600, 25).await?;
    stock
        .client
        .batch_execute("VACUUM ANALYZE apalis.jobs")
        .await?;
    let before = reads(&stock.client, "apalis.jobs").await?;
    for _ in 0..CLAIMS {
        stock.claim("w", 10).await?;
    }
    stock.pool.close().await;
    let theirs = (reads(&stock.client, "apalis.jobs").await? - before) / CLAIMS;

    let portal = Portal::new().await?;
    portal.fill(Told::KIND, ROWS, 0, -600).await?;
    portal.client.batch_execute("VACUUM ANALYZE jobs").await?;
    let before = reads(&portal.client, "public.jobs").await?;
    for _ in 0..CLAIMS {
        claim(&portal, WorkerId::new(), 10).await?;
    }
    let Portal { env, client, .. } = portal;
    drop(env);
    let ours = (reads(&client, "public.jobs").await? - before) / CLAIMS;
    let text = |rows| format!("{rows} rows scanned for each claim of 10, {ROWS} due");
    Ok(Seen {
        hazard: "AP-1 claims scan the table",
        stock: text(theirs),
        portal: text(ours),
    })
}

async fn ap_2() -> Result<Seen, Failure> {
    let stock = Stock::new().await?;
    stock.fill(1, 1, 0, -600, 25).await?;
    let runs = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let worker = stock_worker(&stock, "w", Config::default(), || Told::Fail, runs.clone());
    while runs.load(Ordering::SeqCst) < 25 && started.elapsed() < LONG {
        sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();
    worker.abort();
    let theirs = runs.load(Ordering::SeqCst);

    let portal = Portal::new().await?;
    tell(&portal, &Told::Fail).await?;
    RUNS.store(0, Ordering::SeqCst);
    let workers = workers(&portal);
    // The clock of the jobs goes as fast as the machine's.
    let started = Instant::now();
    while started.elapsed() < LONG {
        sleep(Duration::from_millis(20)).await;
        portal.clock.advance(chrono::Duration::milliseconds(20));
    }
    workers.stop(Duration::from_secs(1)).await;
    let ours = RUNS.load(Ordering::SeqCst);
    Ok(Seen {
        hazard: "AP-2 failures are tried again at once",
        stock: format!("{theirs} of 25 attempts gone in {} ms", took.as_millis()),
        portal: format!("{ours} of 25 attempts gone in {} s", LONG.as_secs()),
    })
}

async fn ap_3() -> Result<Seen, Failure> {
    const CRASHES: usize = 8;
    let stock = Stock::new().await?;
    stock.add_worker("w").await?;
    stock.fill(1, 1, 0, -600, 3).await?;
    let mut theirs = 0;
    for _ in 0..CRASHES {
        theirs += stock.claim("w", 1).await?;
        // The worker is gone; another finds its jobs.
        let mut conn = stock.pool.acquire().await?;
        queries::reenqueue_orphaned(&mut *conn, QUEUE, 0).await?;
    }

    let portal = Portal::new().await?;
    tell(&portal, &Told::Well).await?;
    let mut ours = 0;
    for _ in 0..CRASHES {
        ours += claim(&portal, WorkerId::new(), 1).await?.len();
        portal.clock.advance(chrono::Duration::seconds(41));
        job::recover_expired(&portal.env.db, portal.env.now(), &[]).await?;
        portal.clock.advance(job::PAUSE);
    }
    let mut conn = portal.env.db.read().await?;
    let rows = job::all(&mut conn).await?;
    Ok(Seen {
        hazard: "AP-3 a job that kills its worker",
        stock: format!("started {theirs} times in {CRASHES} crashes, max_attempts 3"),
        portal: format!(
            "started {ours} times in {CRASHES} crashes, then {} {}",
            rows[0].state,
            rows[0].code.as_deref().unwrap_or("")
        ),
    })
}

async fn ap_4() -> Result<Seen, Failure> {
    // An id that is no ULID, in front of good jobs.
    let stock = Stock::new().await?;
    stock.add_worker("w").await?;
    stock.fill(1, 5, 0, -600, 25).await?;
    stock
        .client
        .batch_execute("UPDATE apalis.jobs SET id = 'foreign', priority = 9 WHERE id LIKE '%1'")
        .await?;
    let (mut refused, mut claimed) = (0, 0);
    for _ in 0..10 {
        match stock.claim("w", 10).await {
            Ok(jobs) => claimed += jobs,
            Err(_) => refused += 1,
        }
    }
    // Arguments that are no number, in front of good jobs.
    let args = Stock::new().await?;
    args.fill(1, 5, 0, -600, 25).await?;
    args.client
        .batch_execute("UPDATE apalis.jobs SET job = 'x', priority = 9 WHERE id LIKE '%1'")
        .await?;
    let runs = Arc::new(AtomicUsize::new(0));
    let config = Config::default().batch_size(1);
    let worker = stock_worker(&args, "w", config, || Told::Well, runs.clone());
    let ended = match timeout(Duration::from_secs(5), worker).await {
        Ok(Ok(Ok(()))) => "worker ended".to_owned(),
        Ok(Ok(Err(error))) => format!("worker ended: {error}"),
        Ok(Err(_)) => "worker panicked".to_owned(),
        Err(_) => "worker lives".to_owned(),
    };

    let portal = Portal::new().await?;
    portal.fill(Told::KIND, 1, 20, -1).await?;
    portal.fill("unheard-of", 1, 20, -1).await?;
    RUNS.store(0, Ordering::SeqCst);
    for _ in 0..4 {
        tell(&portal, &Told::Well).await?;
    }
    let workers = workers(&portal);
    sleep(Duration::from_secs(2)).await;
    workers.stop(Duration::from_secs(1)).await;
    let mut conn = portal.env.db.read().await?;
    let aside = job::quarantined(&mut conn, 9).await?;
    Ok(Seen {
        hazard: "AP-4 a row that cannot be read",
        stock: format!(
            "foreign id: 10 claims, {refused} refused, get {claimed} of 4 others; bad arguments: \
             {} of 4 others ran, {ended}",
            runs.load(Ordering::SeqCst)
        ),
        portal: format!(
            "{} of 4 others ran, {} set aside as {}, worker lives",
            RUNS.load(Ordering::SeqCst),
            aside.len(),
            aside
                .first()
                .and_then(|row| row.code.as_deref())
                .unwrap_or("-"),
        ),
    })
}

async fn ap_5() -> Result<Seen, Failure> {
    let stock = Stock::new().await?;
    stock.add_worker("w").await?;
    stock.fill(1, 1, 0, -600, 25).await?;
    stock.claim("w", 1).await?;
    // The process is gone. One of the same name beats at half its second and looks for orphans.
    let worker = WorkerContext::new("w");
    for _ in 0..8 {
        sleep(Duration::from_millis(500)).await;
        let mut conn = stock.pool.acquire().await?;
        queries::keep_alive(&mut *conn, QUEUE, &worker).await?;
        queries::reenqueue_orphaned(&mut *conn, QUEUE, 1).await?;
    }
    let row = stock
        .client
        .query_one("SELECT status, lock_by FROM apalis.jobs", &[])
        .await?;
    let (status, by): (String, String) = (row.get(0), row.get(1));

    let portal = Portal::new().await?;
    tell(&portal, &Told::Slow).await?;
    RUNS.store(0, Ordering::SeqCst);
    let lost = workers(&portal);
    while RUNS.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    drop(lost);
    let workers = workers(&portal);
    let rows = async || -> Result<usize, Failure> {
        let mut conn = portal.env.db.read().await?;
        Ok(job::all(&mut conn).await?.len())
    };
    // The lease is over, and the clock of the jobs goes on as the machine's does.
    portal.clock.advance(chrono::Duration::seconds(41));
    let over = Instant::now();
    while rows().await? > 0 && over.elapsed() < LONG * 6 {
        sleep(Duration::from_millis(50)).await;
        portal.clock.advance(chrono::Duration::milliseconds(50));
    }
    let took = over.elapsed().as_secs_f64();
    workers.stop(Duration::from_secs(1)).await;
    Ok(Seen {
        hazard: "AP-5 a restart under the same name",
        stock: format!(
            "after 4 s at an orphan time of 1 s the row is still {status}, locked by {by}"
        ),
        portal: format!(
            "done by the new process {took:.0} s after the lease of 40 s, {} starts",
            RUNS.load(Ordering::SeqCst)
        ),
    })
}

async fn ap_8() -> Result<Seen, Failure> {
    let late = async |first: &str, second: &str| -> Result<String, Failure> {
        let stock = Stock::new().await?;
        stock.add_worker("a").await?;
        stock.add_worker("b").await?;
        stock.fill(1, 1, 0, -600, 25).await?;
        stock.claim(first, 1).await?;
        let mut conn = stock.pool.acquire().await?;
        queries::reenqueue_orphaned(&mut *conn, QUEUE, 0).await?;
        stock.claim(second, 1).await?;
        let result = TaskResult {
            task_id: TaskId::from_str(&format!("{:0>26}", 1))?,
            attempt: 1,
            status: Status::Done,
            result: Ok(apalis_value()),
        };
        queries::handle_results(&mut *conn, &[&result], first).await?;
        let row = stock
            .client
            .query_one("SELECT status FROM apalis.jobs", &[])
            .await?;
        Ok(row.get(0))
    };
    let other = late("a", "b").await?;
    let same = late("a", "a").await?;

    let portal = Portal::new().await?;
    let lease = WorkerId::new();
    tell(&portal, &Told::Well).await?;
    let first = claim(&portal, lease, 1).await?;
    portal.clock.advance(chrono::Duration::seconds(41));
    job::recover_expired(&portal.env.db, portal.env.now(), &[]).await?;
    portal.clock.advance(job::PAUSE);
    claim(&portal, lease, 1).await?;
    let fence = first[0].fence(lease);
    let landed = job::finish(&portal.env.db, portal.env.now(), &[fence]).await?;
    let mut conn = portal.env.db.read().await?;
    let state = job::all(&mut conn).await?.remove(0).state;
    Ok(Seen {
        hazard: "AP-8 a late end, the job runs again",
        stock: format!("row of another worker: {other}; claimed again under the same name: {same}"),
        portal: format!(
            "claimed again by the same process: {state}{}",
            if landed == [Landing::Late] {
                ", the end is refused"
            } else {
                ""
            }
        ),
    })
}

/// What a worker of stock's reports for a job without a result.
fn apalis_value() -> serde_json::Value {
    serde_json::Value::Null
}

async fn ap_9() -> Result<Seen, Failure> {
    const ROUNDS: usize = 3;
    let (mut theirs, mut ours) = ((0, 0), (0, 0));
    for _ in 0..ROUNDS {
        let (ends, lives) = ap_9_stock().await?;
        theirs = (theirs.0 + ends, theirs.1 + usize::from(lives));
        let (ends, lives) = ap_9_portal().await?;
        ours = (ours.0 + ends, ours.1 + usize::from(lives));
    }
    let text = |(ends, lives)| {
        let jobs = ROUNDS * 4;
        format!("{ends} of {jobs} ends were written, {lives} of {ROUNDS} workers live")
    };
    Ok(Seen {
        hazard: "AP-9 connections end for 3 s as jobs end",
        stock: text(theirs),
        portal: text(ours),
    })
}

/// Ends every other connection again and again, as a restart takes its time.
async fn end_connections(client: &tokio_postgres::Client) -> Result<(), Failure> {
    for _ in 0..30 {
        client
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn ap_9_stock() -> Result<(i64, bool), Failure> {
    let stock = Stock::new().await?;
    stock.fill(1, 4, 0, -600, 25).await?;
    let runs = Arc::new(AtomicUsize::new(0));
    let config = Config::default();
    let mut worker = stock_worker(&stock, "w", config, || Told::Slow, runs.clone());
    while runs.load(Ordering::SeqCst) < 4 {
        sleep(Duration::from_millis(10)).await;
    }
    end_connections(&stock.client).await?;
    let lives = timeout(Duration::from_secs(3), &mut worker).await.is_err();
    worker.abort();
    let done = "SELECT count(*) FROM apalis.jobs WHERE status = 'Done'";
    let ends = stock.client.query_one(done, &[]).await?.get(0);
    Ok((ends, lives))
}

async fn ap_9_portal() -> Result<(i64, bool), Failure> {
    let portal = Portal::new().await?;
    RUNS.store(0, Ordering::SeqCst);
    for _ in 0..4 {
        tell(&portal, &Told::Slow).await?;
    }
    let workers = workers(&portal);
    while RUNS.load(Ordering::SeqCst) < 4 {
        sleep(Duration::from_millis(10)).await;
    }
    end_connections(&portal.client).await?;
    sleep(Duration::from_secs(3)).await;
    let left = "SELECT count(*) FROM jobs";
    let left: i64 = portal.client.query_one(left, &[]).await?.get(0);
    tell(&portal, &Told::Well).await?;
    sleep(Duration::from_secs(2)).await;
    workers.stop(Duration::from_secs(1)).await;
    Ok((4 - left, RUNS.load(Ordering::SeqCst) == 5))
}

async fn ap_11() -> Result<Seen, Failure> {
    let stock = Stock::new().await?;
    stock.fill(1, 1, 0, -600, 1).await?;
    let runs = Arc::new(AtomicUsize::new(0));
    let worker = stock_worker(&stock, "w", Config::default(), || Told::Fail, runs.clone());
    sleep(Duration::from_secs(2)).await;
    worker.abort();
    let count =
        |table: &str| format!("SELECT count(*) FROM {table} j WHERE j::text LIKE '%{CANARY}%'");
    let theirs: i64 = stock
        .client
        .query_one(&count("apalis.jobs"), &[])
        .await?
        .get(0);

    let portal = Portal::new().await?;
    tell(&portal, &Told::Panic).await?;
    let workers = workers(&portal);
    sleep(Duration::from_secs(2)).await;
    workers.stop(Duration::from_secs(1)).await;
    let ours: i64 = portal.client.query_one(&count("jobs"), &[]).await?.get(0);
    let code: Option<String> = portal
        .client
        .query_one("SELECT code FROM jobs", &[])
        .await?
        .get(0);
    Ok(Seen {
        hazard: "AP-11 the text of an error",
        stock: format!("found in {theirs} row"),
        portal: format!(
            "found in {ours} rows, the code is {}",
            code.unwrap_or_default()
        ),
    })
}

async fn ap_14() -> Result<Seen, Failure> {
    let stock = Stock::new().await?;
    stock.fill(1, 1, 0, -600, 25).await?;
    let runs = Arc::new(AtomicUsize::new(0));
    let worker = stock_worker(&stock, "w", Config::default(), || Told::Well, runs.clone());
    sleep(Duration::from_secs(2)).await;
    worker.abort();
    let deleted = stock
        .client
        .execute("DELETE FROM apalis.workers", &[])
        .await;
    let theirs = match deleted {
        Ok(rows) => format!("{rows} deleted"),
        Err(error) => {
            let text = error
                .as_db_error()
                .map_or("refused", |error| error.message());
            format!("refused: {text}")
        }
    };

    let portal = Portal::new().await?;
    tell(&portal, &Told::Well).await?;
    let workers = workers(&portal);
    sleep(Duration::from_secs(2)).await;
    workers.stop(Duration::from_secs(1)).await;
    let tomorrow = portal.env.now() + chrono::Duration::days(1);
    let ours = job::prune_workers(&portal.env.db, tomorrow).await?;
    Ok(Seen {
        hazard: "AP-14 forgetting a worker that ran a job",
        stock: theirs,
        portal: format!("{ours} deleted"),
    })
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // A panic of a job is part of it.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(CANARY) {
            usual(info);
        }
    }));
    println!("| hazard | stock apalis-postgres 1.0.0 | Portal |");
    println!("|---|---|---|");
    let all: [LocalBoxFuture<'static, Result<Seen, Failure>>; 9] = [
        Box::pin(ap_1()),
        Box::pin(ap_2()),
        Box::pin(ap_3()),
        Box::pin(ap_4()),
        Box::pin(ap_5()),
        Box::pin(ap_8()),
        Box::pin(ap_9()),
        Box::pin(ap_11()),
        Box::pin(ap_14()),
    ];
    let scenarios = async {
        for scenario in all {
            let seen = scenario.await?;
            println!("| {} | {} | {} |", seen.hazard, seen.stock, seen.portal);
        }
        Ok(())
    };
    tokio::task::LocalSet::new().run_until(scenarios).await
}
