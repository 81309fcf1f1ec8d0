//! How long a claim of ten due jobs takes beside many that wait: Portal's, and that of stock
//! apalis-postgres.
//!
//! `.ci/postgres cargo run --release --manifest-path bench/Cargo.toml --bin claim -- --rows 1000000`

use portal_bench::{Failure, Portal, Stock, env, median_and_p95, millis};
use portal_domain::WorkerId;
use portal_store::Db;
use portal_store::job::{self, Claim, NewJob};
use std::time::{Duration, Instant};

const SAMPLES: usize = 60;
const BATCH: usize = 10;
const DUE: usize = SAMPLES * BATCH;
const KIND: &str = "bench";
const SQLITE_ROWS: usize = 100_000;
const ATTEMPTS: i32 = 25;

/// Where the waiting rows stand: their priority, and whether they are due.
const SHAPES: [(&str, i16); 3] = [
    ("wait for later, as urgent", 10),
    ("wait for later, more urgent", 0),
    ("are all due", 0),
];

fn rows() -> Result<usize, Failure> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (None, None) => Ok(1_000_000),
        (Some("--rows"), Some(rows)) => Ok(rows.parse()?),
        _ => Err("the only option is --rows NUMBER".into()),
    }
}

type Times = (Duration, Duration);

async fn ours(db: &Db, now: chrono::DateTime<chrono::Utc>) -> Result<Times, Failure> {
    let ask = Claim {
        kind: KIND,
        lease: WorkerId::new(),
        lease_until: now + chrono::Duration::seconds(40),
        busy: &[],
        limit: i64::try_from(BATCH)?,
    };
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let started = Instant::now();
        let claimed = job::claim(db, now, &ask).await?;
        times.push(started.elapsed());
        if claimed.len() != BATCH {
            return Err(format!("Portal claimed {}", claimed.len()).into());
        }
    }
    Ok(median_and_p95(times))
}

async fn portal(rows: usize) -> Result<Vec<Times>, Failure> {
    let portal = Portal::new().await?;
    portal.fill(KIND, rows, 10, 60).await?;
    let mut times = Vec::new();
    for (shape, (_, priority)) in SHAPES.into_iter().enumerate() {
        if shape < 2 {
            portal.fill(KIND, DUE, priority, -60).await?;
        } else {
            let text = "UPDATE jobs SET run_at = run_at - interval '1 day' WHERE state = 'pending'";
            portal.client.batch_execute(text).await?;
        }
        portal.client.batch_execute("VACUUM ANALYZE jobs").await?;
        times.push(ours(&portal.env.db, portal.env.now()).await?);
    }
    Ok(times)
}

async fn stock(rows: usize) -> Result<Vec<Times>, Failure> {
    let stock = Stock::new().await?;
    stock.add_worker("bench").await?;
    stock.fill(1, rows, 10, 600, ATTEMPTS).await?;
    let mut shapes = Vec::new();
    for (shape, (_, priority)) in SHAPES.into_iter().enumerate() {
        if shape < 2 {
            let first = rows + 1 + shape * DUE;
            stock.fill(first, DUE, priority, -600, ATTEMPTS).await?;
        } else {
            let text = "UPDATE apalis.jobs SET run_at = run_at - interval '1 day' \
                WHERE status = 'Pending'";
            stock.client.batch_execute(text).await?;
        }
        let text = "VACUUM ANALYZE apalis.jobs";
        stock.client.batch_execute(text).await?;
        let mut times = Vec::new();
        for _ in 0..SAMPLES {
            let started = Instant::now();
            let claimed = stock.claim("bench", BATCH).await?;
            times.push(started.elapsed());
            if claimed != BATCH {
                return Err(format!("stock claimed {claimed}").into());
            }
        }
        shapes.push(median_and_p95(times));
    }
    Ok(shapes)
}

async fn sqlite() -> Result<Times, Failure> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("portal.db").display());
    let (env, _) = env(&url).await?;
    let now = env.now();
    let mut tx = env.db.begin().await?;
    for n in 0..SQLITE_ROWS + DUE {
        let later = n < SQLITE_ROWS;
        let new = NewJob {
            property: None,
            kind: KIND,
            args: "{}".to_owned(),
            coalesce_key: Some(n.to_string()),
            group_key: None,
            priority: if later { 10 } else { 0 },
            run_at: now + chrono::Duration::minutes(if later { 60 } else { -60 }),
            trace: None,
        };
        job::enqueue(&mut tx, now, &new).await?;
    }
    tx.commit().await?;
    ours(&env.db, now).await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let rows = rows()?;
    println!("{SAMPLES} claims of {BATCH} due jobs, PostgreSQL, {rows} rows beside them that …");
    println!();
    println!("| … | stock median | stock p95 | Portal median | Portal p95 | ratio of medians |");
    println!("|---|---|---|---|---|---|");
    let ours = portal(rows).await?;
    let theirs = stock(rows).await?;
    for ((shape, _), (ours, theirs)) in SHAPES.iter().zip(ours.iter().zip(&theirs)) {
        println!(
            "| {shape} | {} | {} | {} | {} | {:.0} |",
            millis(theirs.0),
            millis(theirs.1),
            millis(ours.0),
            millis(ours.1),
            theirs.0.as_secs_f64() / ours.0.as_secs_f64(),
        );
    }
    let (median, p95) = sqlite().await?;
    println!();
    println!(
        "SQLite, {SQLITE_ROWS} rows that wait for later, more urgent: Portal median {}, p95 {}",
        millis(median),
        millis(p95)
    );
    Ok(())
}
