//! The queue under the jobs: nothing is lost, nothing runs beside itself, a bad job stops nobody.

use crate::harness::TestDatabase;
use chrono::{DateTime, Duration, Utc};
use portal_interface::FixedClock;
use portal_jobs::{
    Apps, Chance, Code, Env, Job, JobError, Priority, Registry, Workers, drain, enqueue, enqueue_at,
};
use portal_store::{Sealer, job};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration as Time, Instant};

/// What ran, by the name of the test that asked for it.
static RAN: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);

fn ran(test: &str) -> Vec<String> {
    let prefix = format!("{test}/");
    let ran = RAN.lock().expect("nobody panics while writing");
    let mine = ran.iter().filter_map(|name| name.strip_prefix(&prefix));
    mine.map(str::to_owned).collect()
}

/// A job that does what it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    name: String,
    #[serde(default)]
    what: What,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    #[default]
    Well,
    Retry,
    GiveUp,
    Panic,
    Again,
    Slow,
}

static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
static MOST_AT_ONCE: AtomicUsize = AtomicUsize::new(0);

impl Job for Told {
    const KIND: &'static str = "told";
    const DEADLINE: Time = Time::from_secs(5);
    const CONCURRENCY: usize = 4;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.name.clone())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        RAN.lock()
            .expect("nobody panics while writing")
            .push(self.name.clone());
        match self.what {
            What::Well => Ok(()),
            What::Retry => Err(JobError::Retry(Code::Busy)),
            What::GiveUp => Err(JobError::GiveUp(Code::Invalid)),
            What::Panic => panic!("as told"),
            What::Again => {
                let mut tx = env.db.begin().await?;
                let again = Told {
                    name: self.name,
                    what: What::Well,
                };
                enqueue(&mut tx, env.now(), &again).await?;
                tx.commit().await?;
                Ok(())
            }
            What::Slow => {
                let now = AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1;
                MOST_AT_ONCE.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Time::from_millis(30)).await;
                AT_ONCE.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

struct Queue {
    env: Arc<Env>,
    clock: Arc<FixedClock>,
    registry: Registry,
    test: &'static str,
    _database: TestDatabase,
}

impl Queue {
    async fn new(test: &'static str) -> Self {
        let database = TestDatabase::new().await;
        let now: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().expect("a time");
        let clock = Arc::new(FixedClock::new(now));
        let keys = Sealer::generate().expect("a key");
        let env = Env {
            db: database.db.clone(),
            clock: clock.clone(),
            chance: Chance::seeded(3),
            sealer: Sealer::parse(&keys).expect("a key"),
            apps: Apps::default(),
        };
        Self {
            env: Arc::new(env),
            clock,
            registry: Registry::new().add::<Told>(),
            test,
            _database: database,
        }
    }

    fn told(&self, name: &str, what: What) -> Told {
        Told {
            name: format!("{}/{name}", self.test),
            what,
        }
    }

    async fn tell(&self, name: &str, what: What) {
        let mut tx = self.env.db.begin().await.expect("a transaction");
        let told = self.told(name, what);
        enqueue(&mut tx, self.env.now(), &told)
            .await
            .expect("a job");
        tx.commit().await.expect("a commit");
    }

    async fn drain(&self) -> usize {
        drain(&self.env, &self.registry)
            .await
            .expect("the jobs")
            .ran
    }

    /// State, attempts and code of each job that is there.
    async fn rows(&self) -> Vec<(String, i16, Option<String>)> {
        let mut conn = self.env.db.read().await.expect("a connection");
        let rows = job::all(&mut conn).await.expect("the jobs");
        let rows = rows.into_iter();
        rows.map(|row| (row.state, row.attempts, row.code))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_commit_there_is_no_job_and_one_key_is_one_job() {
    let queue = Queue::new("commit").await;
    let mut tx = queue.env.db.begin().await.unwrap();
    enqueue(&mut tx, queue.env.now(), &queue.told("a", What::Well))
        .await
        .unwrap();
    drop(tx);
    assert_eq!(queue.drain().await, 0);
    for _ in 0..3 {
        queue.tell("a", What::Well).await;
    }
    queue.tell("b", What::Well).await;
    assert_eq!(queue.drain().await, 2);
    assert_eq!(ran("commit"), ["a", "b"]);
    assert_eq!(queue.rows().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_during_a_run_runs_once_more() {
    let queue = Queue::new("again").await;
    queue.tell("a", What::Again).await;
    queue.drain().await;
    // The arguments are those of the first: only the doorbell rang again, and once more after that.
    assert!(ran("again").len() >= 2, "{:?}", ran("again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_put_off_for_longer_each_time_and_giving_up_is_kept_for_people() {
    let queue = Queue::new("failure").await;
    queue.tell("a", What::Retry).await;
    queue.tell("b", What::GiveUp).await;
    assert_eq!(queue.drain().await, 2);
    assert_eq!(queue.drain().await, 0, "not at once");
    let mut rows = queue.rows().await;
    rows.sort();
    let expected = [
        ("pending".to_owned(), 1, Some("BUSY".to_owned())),
        ("quarantined".to_owned(), 1, Some("INVALID".to_owned())),
    ];
    assert_eq!(rows, expected);
    for _ in 0..30 {
        queue.clock.advance(Duration::minutes(16));
        queue.drain().await;
    }
    let codes: Vec<_> = queue
        .rows()
        .await
        .into_iter()
        .map(|row| (row.0, row.2))
        .collect();
    assert!(
        codes.contains(&("quarantined".to_owned(), Some("EXHAUSTED".to_owned()))),
        "{codes:?}"
    );
    assert_eq!(
        ran("failure").iter().filter(|name| *name == "a").count(),
        25
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_panics_set_a_job_aside_and_stop_no_other() {
    let queue = Queue::new("panic").await;
    queue.tell("a", What::Panic).await;
    for n in 0..4 {
        queue.tell(&format!("b{n}"), What::Well).await;
        queue.drain().await;
        queue.clock.advance(Duration::minutes(1));
    }
    let expected = [("quarantined".to_owned(), 0, Some("PANICKED".to_owned()))];
    assert_eq!(queue.rows().await, expected);
    assert_eq!(ran("panic").iter().filter(|name| *name == "a").count(), 3);
    assert_eq!(ran("panic").len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_later_waits_for_its_time() {
    let queue = Queue::new("later").await;
    let mut tx = queue.env.db.begin().await.unwrap();
    let now = queue.env.now();
    enqueue_at(
        &mut tx,
        now,
        &queue.told("a", What::Well),
        now + Duration::minutes(5),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(queue.drain().await, 0);
    queue.clock.advance(Duration::minutes(5));
    assert_eq!(queue.drain().await, 1);
    assert!(Priority::Person > Priority::Normal);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_wake_at_once_and_run_no_job_beside_itself() {
    let queue = Queue::new("workers").await;
    let workers = Workers::start(queue.env.clone(), &queue.registry);
    // Asleep by now.
    tokio::time::sleep(Time::from_millis(300)).await;
    let asked = Instant::now();
    queue.tell("first", What::Well).await;
    while ran("workers").is_empty() {
        assert!(asked.elapsed() < Time::from_secs(5), "nobody woke");
        tokio::time::sleep(Time::from_millis(5)).await;
    }
    for _ in 0..20 {
        queue.tell("same", What::Slow).await;
        tokio::time::sleep(Time::from_millis(5)).await;
    }
    let started = Instant::now();
    while !queue.rows().await.is_empty() {
        assert!(
            started.elapsed() < Time::from_secs(20),
            "{:?}",
            queue.rows().await
        );
        tokio::time::sleep(Time::from_millis(20)).await;
    }
    assert_eq!(MOST_AT_ONCE.load(Ordering::SeqCst), 1);
    let stopping = Instant::now();
    workers.stop(Workers::PATIENCE).await;
    assert!(stopping.elapsed() < Time::from_secs(10));
    // Stopped means stopped: what comes now waits for the next process.
    queue.tell("late", What::Well).await;
    tokio::time::sleep(Time::from_millis(1_500)).await;
    assert_eq!(queue.rows().await, [("pending".to_owned(), 0, None)]);
}
