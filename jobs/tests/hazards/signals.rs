//! Bells between processes: without them everything is slower and nothing is lost.

use crate::harness::{Bench, How};
use portal_jobs::{Workers, enqueue};
use portal_store::listen;
use std::time::{Duration, Instant};
use tokio_postgres::{AsyncMessage, NoTls};

/// The poll of a second, on a busy machine. Without it apalis's heartbeat of ten would look.
const SOON: Duration = Duration::from_secs(6);

/// AP-12. Stock notifies for every row inside the insert, and PostgreSQL lets one such commit
/// through at a time.
///
/// SQLite has one process and one writer: there is nobody to notify.
#[tokio::test(flavor = "multi_thread")]
async fn enqueue_scales_with_writers() {
    let bench = Bench::new("writers").await;
    if !bench.is_postgres() {
        return;
    }
    let (client, mut connection) = tokio_postgres::connect(bench.url(), NoTls).await.unwrap();
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(told) = message {
                let _ = heard.send(told.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN portal_jobs").await.unwrap();

    // Enqueueing itself tells nobody: that is for the process to do, after the commit.
    let write = async |writers: usize| {
        let started = Instant::now();
        let writers = (0..writers).map(|writer| {
            let bench = &bench;
            async move {
                for n in 0..50 {
                    bench.steps(&[&format!("{writer} {n}")]).await;
                }
            }
        });
        futures_util::future::join_all(writers).await;
        started.elapsed()
    };
    write(8).await;
    client.batch_execute("SELECT 1").await.unwrap();
    assert!(hearing.try_recv().is_err(), "a commit notified");

    let listener = tokio::spawn(listen::run(bench.db().clone()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    while hearing.try_recv().is_ok() {}
    let took = write(8).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut told = 0;
    while let Ok(payload) = hearing.try_recv() {
        assert_eq!(payload, "");
        told += 1;
    }
    let most = took.as_millis() / 50 + 3;
    assert!(told >= 1 && told <= most, "{told} of at most {most}");
    listener.abort();

    // And nobody waits for another's commit.
    let mut open = Vec::new();
    for n in 0..8 {
        let mut tx = bench.db().begin().await.unwrap();
        let step = bench.step(&format!("open {n}"), How::Well);
        enqueue(&mut tx, bench.now(), &step).await.unwrap();
        open.push(tx);
    }
    for tx in open.into_iter().rev() {
        tx.commit().await.unwrap();
    }
    assert_eq!(bench.rows().await.len(), 408);
}

/// AP-13. Stock's shared listener is blocked by one slow queue, and its start panics without a
/// connection.
///
/// On PostgreSQL the listener's connection is ended and the job comes from another process. On
/// SQLite, where all is one process, the job comes in without a ring.
#[tokio::test(flavor = "multi_thread")]
async fn listener_loss_is_only_slower() {
    let bench = Bench::new("listener").await;
    if !bench.is_postgres() {
        let workers = bench.start();
        tokio::time::sleep(Duration::from_millis(300)).await;
        bench.enqueue_quietly("quiet").await;
        let asked = Instant::now();
        bench
            .until("the poll finds it", async || bench.ran() == ["quiet"])
            .await;
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        workers.stop(Duration::from_secs(1)).await;
        return;
    }
    let elsewhere = bench.elsewhere();
    let workers = Workers::start(elsewhere.clone(), &bench.registry);
    let listeners = [
        tokio::spawn(listen::run(bench.db().clone())),
        tokio::spawn(listen::run(elsewhere.db.clone())),
    ];
    let client = bench.client().await;
    let listening = "FROM pg_stat_activity WHERE datname = current_database() \
        AND pid <> pg_backend_pid() AND query ILIKE '%LISTEN portal%'";
    let count = format!("SELECT count(*) AS n {listening}");
    bench
        .until("both listen", async || bench.number(&count).await == 2)
        .await;
    for n in 0..3 {
        client
            .batch_execute(&format!("SELECT pg_terminate_backend(pid) {listening}"))
            .await
            .unwrap();
        bench.steps(&[&n.to_string()]).await;
        let asked = Instant::now();
        bench
            .until("the poll finds it", async || bench.ran().len() == n + 1)
            .await;
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    }
    // They come back by themselves, and then the bell is heard again.
    bench
        .until("both listen again", async || {
            bench.number(&count).await == 2
        })
        .await;
    let mut bell = elsewhere.db.bell().jobs();
    tokio::time::sleep(Duration::from_millis(200)).await;
    bell.mark_unchanged();
    bench.steps(&["heard"]).await;
    tokio::time::timeout(Duration::from_secs(20), bell.changed())
        .await
        .unwrap()
        .unwrap();
    workers.stop(Duration::from_secs(1)).await;
    for listener in listeners {
        listener.abort();
    }
}

/// apalis asks only the first of its wake-ups that is ready, so a stream that ended in front of the
/// timer would stop it. Stock's listener is such a stream.
#[tokio::test(flavor = "multi_thread")]
async fn idle_worker_polls_after_listener_end() {
    let bench = Bench::new("idle").await;
    let listener = tokio::spawn(listen::run(bench.db().clone()));
    let workers = bench.start();
    tokio::time::sleep(Duration::from_millis(500)).await;
    listener.abort();
    // What falls due by itself rings no bell.
    bench
        .enqueue_at(&bench.step("future", How::Well), 3600)
        .await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(bench.ran(), [""; 0]);
    for n in 1..=3 {
        bench.pass(3600);
        let due = Instant::now();
        bench
            .until("it ran", async || bench.rows().await.is_empty())
            .await;
        assert!(due.elapsed() < SOON, "{:?}", due.elapsed());
        assert_eq!(bench.ran().len(), n);
        bench
            .enqueue_at(&bench.step("future", How::Well), 3600)
            .await;
    }
    workers.stop(Duration::from_secs(1)).await;
}

/// In and out of step with what the worker does just then, a ring wakes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ring_is_heard_at_once() {
    let bench = Bench::new("rings").await;
    let workers = bench.start();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut slow = 0;
    for n in 0..60_u64 {
        let asked = Instant::now();
        bench.steps(&[&n.to_string()]).await;
        let ran = usize::try_from(n).unwrap() + 1;
        bench
            .until("it ran", async || bench.ran().len() == ran)
            .await;
        slow += u32::from(asked.elapsed() > Duration::from_millis(400));
        // In and out of step with the fetches that the last one caused.
        tokio::time::sleep(Duration::from_micros(n * 137 % 9_000)).await;
    }
    // A missed ring waits for the poll, half a second on average.
    assert!(slow <= 6, "{slow} of 60 were found by the poll");
    workers.stop(Duration::from_secs(1)).await;
}
