//! Who owns a job, and how that ends.

use crate::harness::{Bench, How};
use diesel::connection::SimpleConnection;
use portal_domain::WorkerId;
use portal_store::job::{self, Landing};
use std::time::Duration;

/// AP-5. Stock's rows belong to the worker's name: after a restart under the same name the old
/// ones look alive and are stranded for ever.
#[tokio::test(flavor = "multi_thread")]
async fn same_host_restart_strands_nothing() {
    let bench = Bench::new("restart").await;
    for n in 0..8 {
        bench.enqueue(&bench.step(&n.to_string(), How::Door)).await;
    }
    let lost = bench.start();
    bench
        .until("four run", async || bench.ran().len() == 4)
        .await;
    drop(lost);
    // The same host and kinds, at once.
    let workers = bench.start();
    bench
        .until("it runs what was not claimed", async || {
            let rows = bench.rows().await;
            bench.ran().len() > 4 || rows.iter().all(|row| row.state == "running")
        })
        .await;
    bench.pass(41);
    bench
        .until("the lost leases are over", async || {
            let rows = bench.rows().await;
            rows.iter()
                .any(|row| row.code.as_deref() == Some("CRASHED"))
        })
        .await;
    bench.pass(6);
    bench.open_door(100);
    let mut waited = 0;
    bench
        .until("all ended", async || {
            // The leases of the second are beaten; those of the first run out one by one.
            waited += 1;
            if waited % 400 == 0 {
                bench.pass(6);
            }
            bench.rows().await.is_empty()
        })
        .await;
    workers.stop(Duration::from_secs(1)).await;
    let mut names = bench.log().ended;
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8, "{names:?}");
}

/// AP-6. Stock guards names by a lock that connections of a pool lose, and one name on two queues
/// ends a worker.
#[tokio::test(flavor = "multi_thread")]
async fn names_never_collide() {
    let bench = Bench::new("names").await;
    let workers = [bench.start(), bench.start()];
    let names = async || {
        let mut conn = bench.db().read().await.unwrap();
        job::workers(&mut conn).await.unwrap()
    };
    bench
        .until("two are there", async || names().await.len() == 2)
        .await;
    let both = names().await;
    assert_ne!(both[0], both[1]);
    assert!(
        both.iter()
            .all(|name| name.starts_with("step@") && name.ends_with("#0"))
    );
    // A name is for people: the same one twice is refused by nobody.
    for _ in 0..2 {
        job::register_worker(bench.db(), bench.now(), WorkerId::new(), &both[0])
            .await
            .unwrap();
    }
    bench.steps(&["a"]).await;
    bench
        .until("it ran", async || bench.rows().await.is_empty())
        .await;
    for workers in workers {
        workers.stop(Duration::from_secs(1)).await;
    }
}

/// AP-7. Stock's heartbeat rests while a batch is buffered or a fetch is under way, so a slow but
/// healthy worker loses its jobs.
#[tokio::test(flavor = "multi_thread")]
async fn slow_job_keeps_its_lease() {
    let bench = Bench::new("slow").await;
    // Quick ones first: the quicker jobs end, the more of them are claimed at once.
    for n in 0..30 {
        let quick = bench.step(&format!("quick {n}"), How::Well);
        bench.enqueue_at(&quick, -60).await;
    }
    for n in 0..40 {
        bench.enqueue(&bench.step(&n.to_string(), How::Door)).await;
    }
    let workers = bench.start();
    // On a quick machine more are claimed by then than run.
    bench
        .until("four run", async || bench.ran().len() == 34)
        .await;
    let first = bench.now();
    let shortest = if bench.is_postgres() {
        "SELECT (extract(epoch FROM min(lease_until)) * 1000000)::bigint AS n FROM jobs"
    } else {
        "SELECT min(lease_until) AS n FROM jobs"
    };
    for _ in 0..2 {
        bench.pass(35);
        let from = (bench.now() + chrono::Duration::seconds(40)).timestamp_micros();
        bench
            .until("all leases are kept", async || {
                bench.number(shortest).await >= from
            })
            .await;
    }
    assert!(bench.now() - first > chrono::Duration::seconds(40));
    assert_eq!(
        job::recover_expired(bench.db(), bench.now(), &[])
            .await
            .unwrap(),
        []
    );
    bench.open_door(40);
    bench
        .until("all ended", async || bench.rows().await.is_empty())
        .await;
    workers.stop(Duration::from_secs(1)).await;
    assert_eq!(bench.ran().len(), 70, "each once: {:?}", bench.ran());
}

/// When the machine slept, or its clock was set, all leases are over at once. Nobody was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_leap_of_the_clock_loses_no_job() {
    let bench = Bench::new("leap").await;
    bench.enqueue(&bench.step("a", How::Door)).await;
    let workers = bench.start();
    bench
        .until("it runs", async || bench.ran().len() == 1)
        .await;
    for _ in 0..3 {
        bench.pass(3600);
        // Longer than it takes until lost leases are looked for.
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    let row = bench.rows().await.remove(0);
    assert_eq!((row.state.as_str(), row.generation), ("running", 1));
    bench.open_door(1);
    bench
        .until("it ended", async || bench.rows().await.is_empty())
        .await;
    workers.stop(Duration::from_secs(1)).await;
    assert_eq!(bench.ran().len(), 1);
}

/// A job whose lease was lost is claimed again while its old run lingers in the same process.
/// Stock gives both runs one id; with its tracking of tasks on, the second ends the worker.
#[tokio::test(flavor = "multi_thread")]
async fn reclaim_while_running_is_two_ids() {
    let bench = Bench::new("reclaim").await;
    bench.enqueue(&bench.step("a", How::Door)).await;
    let workers = bench.start();
    bench
        .until("it runs", async || bench.ran().len() == 1)
        .await;
    bench.sql("UPDATE jobs SET lease_until = run_at").await;
    bench.pass(1);
    // By another process: who runs it does not take it for lost.
    let landed = job::recover_expired(bench.db(), bench.now(), &[])
        .await
        .unwrap();
    assert_eq!(landed, [Landing::Pending]);
    bench.pass(5);
    bench
        .until("it runs twice", async || bench.ran().len() == 2)
        .await;
    assert_eq!(bench.rows().await[0].generation, 2);
    assert_eq!(bench.log().most["a"], 2);
    // The first to end is the first that waited, whose end is late.
    bench.open_door(1);
    bench
        .until("one ended", async || bench.log().ended.len() == 1)
        .await;
    bench.steps(&["b"]).await;
    bench
        .until("the worker lives", async || bench.log().ended.len() == 2)
        .await;
    let rows = bench.rows().await;
    assert!(
        rows.iter()
            .any(|row| row.generation == 2 && row.state == "running"),
        "{rows:?}"
    );
    bench.open_door(1);
    bench
        .until("all ended", async || bench.rows().await.is_empty())
        .await;
    workers.stop(Duration::from_secs(1)).await;
    assert_eq!(bench.ran(), ["a", "a", "b"]);
}

/// Whoever claims at the same time, each job is claimed once.
#[tokio::test(flavor = "multi_thread")]
async fn claims_at_once_share_the_jobs() {
    let bench = Bench::new("share").await;
    bench.fill(150, 10, -60, "NULL").await;
    bench.fill(150, 20, -60, "'group ' || (n % 7)").await;
    let busy = ["group 3".to_owned()];
    let claimers = (0..8).map(|_| async {
        let mut claimed = Vec::new();
        loop {
            let more = bench.claim_beside(&busy, WorkerId::new(), 3).await;
            if more.is_empty() {
                return claimed;
            }
            claimed.extend(more.into_iter().map(|job| job.id));
        }
    });
    let claimed = futures_util::future::join_all(claimers).await;
    let mut ids: Vec<_> = claimed.into_iter().flatten().collect();
    let of_busy = 150 / 7 + 1;
    assert_eq!(ids.len(), 300 - of_busy);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 300 - of_busy, "none twice");
}

/// Two processes run each job once.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_run_nothing_twice() {
    let bench = Bench::new("two").await;
    let workers = [bench.start(), bench.start()];
    for n in 0..150 {
        bench.steps(&[&n.to_string()]).await;
    }
    bench
        .until("all ran", async || bench.rows().await.is_empty())
        .await;
    for workers in workers {
        workers.stop(Duration::from_secs(1)).await;
    }
    let mut ran = bench.ran();
    let runs = ran.len();
    ran.sort();
    ran.dedup();
    assert_eq!((ran.len(), runs), (150, 150));
}

/// AP-9. Stock ends a worker at the first error of the database, and loses the ends of what runs.
///
/// On PostgreSQL every connection is ended over and over while jobs run. SQLite has no server to
/// lose; there another connection holds the write lock for longer than anyone waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn database_restart_loses_no_completion() {
    let bench = Bench::new("database").await;
    for n in 0..60 {
        bench.enqueue(&bench.step(&n.to_string(), How::Door)).await;
    }
    let workers = bench.start();
    bench
        .until("four run", async || bench.ran().len() == 4)
        .await;
    if bench.is_postgres() {
        let client = bench.client().await;
        for _ in 0..15 {
            client
                .batch_execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .await
                .unwrap();
            bench.open_door(4);
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    } else {
        let mut file = bench.file();
        file.batch_execute("BEGIN IMMEDIATE").unwrap();
        bench.open_door(60);
        // Five seconds for a claim that was first, five for the ends behind it, and more.
        tokio::time::sleep(Duration::from_secs(12)).await;
        file.batch_execute("ROLLBACK").unwrap();
    }
    // A claim whose answer was lost is found again when its lease is over.
    let mut looks = 0;
    bench
        .until("all ended", async || {
            looks += 1;
            if looks % 1_000 == 0 {
                bench.pass(10);
            }
            bench.rows().await.is_empty()
        })
        .await;
    // The worker lives, and no end was forgotten: nothing ran a second time.
    bench.steps(&["after"]).await;
    bench
        .until("it still works", async || bench.rows().await.is_empty())
        .await;
    workers.stop(Duration::from_secs(1)).await;
    let mut ran = bench.ran();
    ran.sort();
    let runs = ran.len();
    ran.dedup();
    assert_eq!((ran.len(), runs), (61, 61), "each once");
}

/// AP-14. Stock's rows keep a foreign key to the worker that ran them, so worker rows can never be
/// deleted.
#[tokio::test(flavor = "multi_thread")]
async fn old_workers_disappear() {
    let bench = Bench::new("workers").await;
    let (old, recent) = (WorkerId::new(), WorkerId::new());
    for (id, name, hours) in [(old, "old", 25), (recent, "recent", 23)] {
        let seen = bench.now() - chrono::Duration::hours(hours);
        job::register_worker(bench.db(), seen, id, name)
            .await
            .unwrap();
    }
    // Jobs it ran, runs and set aside hold it back as little as what it left behind.
    bench.steps(&["running", "aside", "aside long ago"]).await;
    let claimed = bench.claim(old, 3).await;
    let fence = |n: usize| claimed[n].fence(old);
    let landed = [
        job::quarantine(
            bench.db(),
            bench.now() - chrono::Duration::days(29),
            &fence(1),
            "INVALID",
        )
        .await
        .unwrap(),
        job::quarantine(
            bench.db(),
            bench.now() - chrono::Duration::days(31),
            &fence(2),
            "INVALID",
        )
        .await
        .unwrap(),
    ];
    assert_eq!(landed, [Landing::Quarantined; 2]);
    let workers = bench.start();
    let names = async || {
        let mut conn = bench.db().read().await.unwrap();
        let mut names = job::workers(&mut conn).await.unwrap();
        names.retain(|name| !name.contains('@'));
        names
    };
    bench
        .until("the old one is gone", async || names().await == ["recent"])
        .await;
    bench
        .until("so is what was set aside long ago", async || {
            bench.rows().await.len() == 2
        })
        .await;
    workers.stop(Duration::from_secs(1)).await;
    let states: Vec<_> = bench
        .rows()
        .await
        .into_iter()
        .map(|row| row.state)
        .collect();
    assert_eq!(states, ["running", "quarantined"]);
}
