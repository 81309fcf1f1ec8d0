//! Which jobs are claimed, and how fast.

use crate::harness::{Bench, How, Step};
use portal_domain::WorkerId;
use portal_store::job::{self, NewJob};
use std::time::{Duration, Instant};

/// The quickest of several claims, for a machine that is busy with other things. Each finds as
/// many jobs as it is told to expect.
async fn quickest(bench: &Bench, busy: &[String], jobs: usize) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..15 {
        let lease = WorkerId::new();
        let started = Instant::now();
        let claimed = bench.claim_beside(busy, lease, 1).await;
        quickest = quickest.min(started.elapsed());
        assert_eq!(claimed.len(), jobs);
        job::give_back_others(bench.db(), bench.now(), lease, None, &[])
            .await
            .unwrap();
    }
    quickest
}

/// Fails when many rows cost much more than few: a scan would cost fifty times as much.
fn assert_flat(what: &str, few: Duration, many: Duration) {
    assert!(
        many < few * 3 + Duration::from_millis(2),
        "{what}: {few:?} beside few rows, {many:?} beside many"
    );
}

const FEW: usize = 1_000;

/// Enough for a scan to show: SQLite takes longer to make them, and to read them.
fn many(bench: &Bench) -> usize {
    if bench.is_postgres() {
        400_000
    } else {
        100_000
    }
}

/// AP-1. Stock joins the claimed ids to the whole table once many are due, and reads through all
/// that is more urgent but due later.
#[tokio::test(flavor = "multi_thread")]
async fn claim_is_flat_under_backlog() {
    let bench = Bench::new("flat").await;
    let mut few = Vec::new();
    let mut more = Vec::new();
    for (rows, times) in [(FEW, &mut few), (many(&bench) - FEW, &mut more)] {
        // What is due later is more urgent and stands in front.
        bench.fill(rows, 20, 60, "NULL").await;
        times.push(quickest(&bench, &[], 0).await);
        bench.fill(1, 0, -60, "NULL").await;
        times.push(quickest(&bench, &[], 1).await);
        bench.fill(rows, 10, -600, "NULL").await;
        times.push(quickest(&bench, &[], 1).await);
        bench
            .sql("DELETE FROM jobs WHERE run_at < (SELECT max(created_at) FROM jobs)")
            .await;
    }
    for (n, what) in ["nothing is due", "one is due", "all are due"]
        .iter()
        .enumerate()
    {
        assert_flat(what, few[n], more[n]);
    }
}

/// A hotel that has enough jobs running does not make the others wait, however many more it has.
/// Stock knows no groups.
#[tokio::test(flavor = "multi_thread")]
async fn claim_is_flat_behind_a_busy_group() {
    let bench = Bench::new("busy").await;
    let busy = ["busy".to_owned()];
    bench.fill(FEW, 20, -60, "'busy'").await;
    bench.fill(3, 20, -30, "'other ' || n").await;
    let few = [quickest(&bench, &busy, 1).await, {
        bench
            .sql("DELETE FROM jobs WHERE group_key <> 'busy'")
            .await;
        quickest(&bench, &busy, 0).await
    }];
    bench.fill(many(&bench) - FEW, 20, -60, "'busy'").await;
    bench.fill(3, 20, -30, "'other ' || n").await;
    let more = [quickest(&bench, &busy, 1).await, {
        bench
            .sql("DELETE FROM jobs WHERE group_key <> 'busy'")
            .await;
        quickest(&bench, &busy, 0).await
    }];
    assert_flat("another group is due", few[0], more[0]);
    assert_flat("no other group is due", few[1], more[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_group_behind_a_busy_one_gets_its_turn() {
    let bench = Bench::new("turns").await;
    bench.fill(3_000, 20, -60, "'busy'").await;
    bench.fill(5, 20, -30, "'other ' || n").await;
    let mut busy = vec!["busy".to_owned()];
    for _ in 0..5 {
        let claimed = bench.claim_beside(&busy, WorkerId::new(), 1).await;
        let group = claimed[0].group_key.clone().unwrap();
        assert!(
            group.starts_with("other") && !busy.contains(&group),
            "{group}"
        );
        busy.push(group);
    }
    assert_eq!(bench.claim_beside(&busy, WorkerId::new(), 1).await, []);
    assert_eq!(
        bench.claim(WorkerId::new(), 1).await.len(),
        1,
        "nobody is busy"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_a_group_run_at_once_and_others_pass_them() {
    let bench = Bench::new("groups").await;
    let of = |name: &str, group: &str| Step {
        group: Some(group.to_owned()),
        ..bench.step(name, How::Door)
    };
    for n in 0..6 {
        bench.enqueue(&of(&format!("busy {n}"), "busy")).await;
    }
    bench.enqueue(&of("other", "other")).await;
    let workers = bench.start();
    bench
        .until("the other runs", async || {
            bench.ran().contains(&"other".to_owned())
        })
        .await;
    assert!(bench.ran().len() <= 3, "{:?}", bench.ran());
    bench.open_door(7);
    bench
        .until("all ended", async || bench.rows().await.is_empty())
        .await;
    workers.stop(Duration::from_secs(1)).await;
    let log = bench.log();
    assert_eq!(log.most["group busy"], 2);
    assert_eq!(log.ran.len(), 7, "each once: {:?}", log.ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_urgent_goes_first_and_then_what_waits_longest() {
    let bench = Bench::new("urgent").await;
    for (name, seconds) in [("third", -60), ("second", -120), ("later", 60)] {
        bench
            .enqueue_at(&bench.step(name, How::Well), seconds)
            .await;
    }
    bench.enqueue_urgent(&bench.step("first", How::Well)).await;
    bench.drain().await;
    assert_eq!(bench.ran(), ["first", "second", "third"]);
    // Several at once are in the same order.
    bench.fill(2, 0, -60, "NULL").await;
    bench.fill(2, 20, -30, "NULL").await;
    bench.fill(2, 10, -90, "NULL").await;
    let claimed = bench.claim(WorkerId::new(), 5).await;
    let priorities: Vec<_> = claimed.iter().map(|claimed| claimed.priority).collect();
    assert_eq!(priorities, [20, 20, 10, 10, 0]);
}

/// AP-4. Stock ends a worker over arguments it cannot decode, and a claim over an id or status it
/// does not know, which blocks the queue for everyone.
#[tokio::test(flavor = "multi_thread")]
async fn bad_row_stops_nobody() {
    let bench = Bench::new("bad").await;
    let new = |kind, args: &str| NewJob {
        kind,
        property: None,
        args: args.to_owned(),
        coalesce_key: None,
        group_key: None,
        priority: 20,
        run_at: bench.now(),
        trace: None,
    };
    let mut tx = bench.db().begin().await.unwrap();
    for new in [
        new("step", "{\"no\": 1}"),
        new("step", "not JSON"),
        new("unheard-of", "{}"),
    ] {
        job::enqueue(&mut tx, bench.now(), &new).await.unwrap();
    }
    tx.commit().await.unwrap();
    bench.steps(&["good"]).await;
    let workers = bench.start();
    bench
        .until("only the bad are left", async || {
            let rows = bench.rows().await;
            rows.len() == 3 && rows.iter().filter(|row| row.state == "quarantined").count() == 2
        })
        .await;
    // The worker lives on.
    bench.steps(&["another"]).await;
    bench
        .until("another ran", async || bench.rows().await.len() == 3)
        .await;
    workers.stop(Duration::from_secs(1)).await;
    assert_eq!(bench.ran(), ["good", "another"]);
    let aside = ("quarantined".to_owned(), Some("UNREADABLE".to_owned()));
    let left = [aside.clone(), aside, ("pending".to_owned(), None)];
    assert_eq!(bench.states().await, left);
    // A state nobody knows is refused by the table.
    for bad in [
        "state = 'Weird'",
        "state = 'running'",
        "lease_until = run_at",
    ] {
        let text = format!("UPDATE jobs SET {bad}");
        let refused = if bench.is_postgres() {
            bench.client().await.batch_execute(&text).await.is_err()
        } else {
            diesel::connection::SimpleConnection::batch_execute(&mut bench.file(), &text).is_err()
        };
        assert!(refused, "{bad}");
    }
}
