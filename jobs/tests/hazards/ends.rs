//! What the end of a run does to its row.

use crate::harness::{Bench, CANARY, How, Step};
use portal_domain::{IntegrationId, PropertyId, ReservationId, WorkerId};
use portal_jobs::{
    Job, ProgramDevices, PushPins, ReconcileAccess, SyncDevices, SyncReservations, SyncRooms,
    Workers,
};
use portal_store::job::{self, Landing};
use std::time::Duration;

/// AP-2. Stock tries again at once: all 25 attempts are gone in seconds.
#[tokio::test(flavor = "multi_thread")]
async fn outage_burns_no_attempts() {
    let bench = Bench::new("outage").await;
    bench.enqueue(&bench.step("a", How::Retry)).await;
    assert_eq!(bench.drain().await.ran, 1);
    let mut last = bench.rows().await.remove(0);
    assert!(last.run_at > bench.now(), "it is put off");
    // Ten minutes in which it runs whenever it may.
    let mut tried = 1;
    for _ in 0..600 {
        bench.pass(1);
        let ran = bench.drain().await.ran;
        assert!(ran <= 1, "never twice at one time");
        tried += ran;
        let row = bench.rows().await.remove(0);
        assert_eq!(usize::try_from(row.attempts).unwrap(), tried);
        if ran == 1 {
            assert!(row.run_at > bench.now(), "{row:?} after {last:?}");
        }
        last = row;
    }
    assert!((2..20).contains(&tried), "{tried} attempts in ten minutes");
    assert_eq!(last.state, "pending");
    // The database away costs nothing: what was not claimed was not started.
    assert_eq!(last.starts, 0);
}

/// AP-3. Stock's recovery of a crash never looks at `max_attempts`: a job that kills its worker
/// runs for ever.
#[tokio::test(flavor = "multi_thread")]
async fn three_crashes_quarantine() {
    let bench = Bench::new("crashes").await;
    bench.enqueue(&bench.step("deadly", How::Door)).await;
    for crash in 1..=3 {
        let workers = bench.start();
        bench
            .until("it runs", async || bench.ran().len() == crash)
            .await;
        // No end is written and nothing given back, as when the process is killed.
        drop(workers);
        bench.pass(39);
        assert_eq!(
            job::recover_expired(bench.db(), bench.now(), &[])
                .await
                .unwrap(),
            []
        );
        bench.pass(2);
        let landed = job::recover_expired(bench.db(), bench.now(), &[])
            .await
            .unwrap();
        let expected = if crash < 3 {
            Landing::Pending
        } else {
            Landing::Quarantined
        };
        assert_eq!(landed, [expected]);
        assert_eq!(bench.claim(WorkerId::new(), 1).await, [], "it rests first");
        bench.pass(5);
    }
    let crashed = ("quarantined".to_owned(), Some("CRASHED".to_owned()));
    assert_eq!(bench.states().await, std::slice::from_ref(&crashed));
    // Its neighbours run, and so does it once something new is known.
    let workers = bench.start();
    bench.steps(&["neighbour"]).await;
    bench
        .until("the neighbour ran", async || bench.ran().len() == 4)
        .await;
    bench
        .until("and ended", async || bench.rows().await.len() == 1)
        .await;
    assert_eq!(bench.states().await, [crashed]);
    bench.steps(&["deadly"]).await;
    bench
        .until("both are gone", async || bench.rows().await.is_empty())
        .await;
    workers.stop(Duration::from_secs(1)).await;
}

/// AP-8. Stock asks for the worker's name alone: the late end of an old run overwrites a job that was
/// claimed again under the same name.
#[tokio::test(flavor = "multi_thread")]
async fn zombie_finish_changes_nothing() {
    let bench = Bench::new("zombie").await;
    bench.steps(&["a", "b"]).await;
    let (zombie, owner) = (WorkerId::new(), WorkerId::new());
    let lost = bench.claim(zombie, 2).await;
    let lost: Vec<_> = lost.iter().map(|claimed| claimed.fence(zombie)).collect();
    bench.pass(41);
    assert_eq!(
        job::recover_expired(bench.db(), bench.now(), &[])
            .await
            .unwrap(),
        [Landing::Pending; 2]
    );
    bench.pass(5);
    let owned = bench.claim(owner, 2).await;
    let generations: Vec<_> = owned.iter().map(|claimed| claimed.generation).collect();
    assert_eq!(generations, [2, 2]);
    // Asked for again: a zombie's end must not take that away either.
    bench.steps(&["a"]).await;
    let before = bench.dump().await;

    let (db, now) = (bench.db(), bench.now());
    let later = now + chrono::Duration::hours(1);
    assert_eq!(
        job::finish(db, now, &lost).await.unwrap(),
        [Landing::Late; 2]
    );
    for fence in lost {
        // Its own lease with the new number, and its number with the new lease: both must fit.
        let halves = [
            job::Fence {
                generation: 2,
                ..fence
            },
            job::Fence {
                lease: owner,
                ..fence
            },
        ];
        for fence in [fence, halves[0], halves[1]] {
            let late = [
                job::finish(db, now, &[fence]).await.unwrap()[0],
                job::finish(db, now, &[fence, fence]).await.unwrap()[1],
                job::retry(db, now, &fence, later, "BUSY").await.unwrap(),
                job::quarantine(db, now, &fence, "INVALID").await.unwrap(),
                job::fail(db, now, &fence, "PANICKED").await.unwrap(),
            ];
            assert_eq!(late, [Landing::Late; 5]);
            job::give_back(db, now, &[(fence, false)]).await.unwrap();
            job::beat(db, later, &[fence]).await.unwrap();
        }
    }
    assert_eq!(
        job::give_back_others(db, now, zombie, None, &[])
            .await
            .unwrap(),
        0
    );
    assert_eq!(bench.dump().await, before);
    // Its beat kept nothing alive.
    bench.pass(41);
    let landed = job::recover_expired(db, bench.now(), &[]).await.unwrap();
    assert_eq!(landed.len(), 2);
}

/// AP-10. Stock writes no completion at all when told not to keep results.
#[tokio::test(flavor = "multi_thread")]
async fn completions_are_written() {
    let bench = Bench::new("completions").await;
    let workers = bench.start();
    for n in 0..40 {
        bench.steps(&[&n.to_string()]).await;
    }
    bench.end_badly().await;
    workers.stop(Duration::from_secs(1)).await;
    let mut left = bench.states().await;
    left.sort();
    let row = |state: &str, code: &str| (state.to_owned(), Some(code.to_owned()));
    let expected = [
        row("pending", "BUSY"),
        row("pending", "PANICKED"),
        row("quarantined", "INVALID"),
    ];
    assert_eq!(left, expected);
    assert_eq!(bench.ran().len(), 43, "each once");
}

/// A process that stops charges what began and nothing else. Stock charges what it only buffered.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_gives_back_and_charges_only_what_began() {
    let bench = Bench::new("stop").await;
    let workers = bench.start();
    for n in 0..4 {
        bench
            .enqueue(&bench.step(&format!("slow {n}"), How::Door))
            .await;
    }
    bench
        .until("four run", async || bench.ran().len() == 4)
        .await;
    bench.steps(&["waits"]).await;
    workers.stop(Duration::from_millis(300)).await;
    let rows = bench.rows().await;
    assert!(rows.iter().all(|row| row.state == "pending"), "{rows:?}");
    let starts: Vec<_> = rows.iter().map(|row| row.starts).collect();
    assert_eq!(starts, [1, 1, 1, 1, 0]);
    // What is nearly done may finish.
    let workers = bench.start();
    bench
        .until("four run again", async || bench.ran().len() >= 8)
        .await;
    bench.open_door(4);
    workers.stop(Workers::PATIENCE).await;
    assert!(bench.rows().await.len() <= 1, "{:?}", bench.rows().await);
}

/// AP-11. Stock keeps arguments, return values and the text of errors in clear.
#[tokio::test(flavor = "multi_thread")]
async fn rows_hold_codes_and_ids_only() {
    let bench = Bench::new("codes").await;
    let workers = bench.start();
    bench.enqueue(&bench.step("panics", How::Panic)).await;
    bench.enqueue(&bench.step("given up", How::GiveUp)).await;
    let ended = async || {
        let rows = bench.rows().await;
        rows.len() == 2 && rows.iter().all(|row| row.code.is_some())
    };
    bench.until("both failed", ended).await;
    workers.stop(Duration::from_secs(1)).await;
    let dump = bench.dump().await;
    assert!(
        dump.contains("PANICKED") && dump.contains("INVALID"),
        "{dump}"
    );
    assert!(!dump.contains(CANARY), "{dump}");

    let (property, integration) = (PropertyId::new(), IntegrationId::new());
    let reservation = ReservationId::new();
    let device = portal_domain::DeviceId::new();
    assert_ids(&ProgramDevices { property, device });
    assert_ids(&PushPins {
        property,
        reservation,
    });
    assert_ids(&ReconcileAccess {
        property,
        reservation,
    });
    assert_ids(&SyncDevices {
        property,
        integration,
    });
    assert_ids(&SyncReservations {
        property,
        integration,
    });
    assert_ids(&SyncRooms {
        property,
        integration,
    });
}

/// The arguments are a flat object of identifiers.
fn assert_ids<J: Job>(job: &J) {
    let args = serde_json::to_value(job).unwrap();
    for (name, value) in args.as_object().unwrap() {
        let id = value.as_str().unwrap();
        assert!(
            uuid::Uuid::try_parse(id).is_ok(),
            "{}.{name} is {value}",
            J::KIND
        );
    }
}

/// A claim may go through although its answer is lost. The process that made it lives on and keeps
/// beating, so it has to find such a job itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_given_back() {
    let bench = Bench::new("unheard").await;
    bench.steps(&["a", "b", "c"]).await;
    let (us, another) = (WorkerId::new(), WorkerId::new());
    let held: Vec<_> = fences(&bench.claim(us, 1).await, us);
    let unheard: Vec<_> = fences(&bench.claim(us, 1).await, us);
    let theirs: Vec<_> = fences(&bench.claim(another, 1).await, another);
    let db = bench.db();
    let kind = Some(Step::KIND);
    for (kind, given_back) in [(Some("another-kind"), 0), (kind, 1), (kind, 0)] {
        let count = job::give_back_others(db, bench.now(), us, kind, &held)
            .await
            .unwrap();
        assert_eq!(count, given_back);
    }
    let again = bench.claim(another, 3).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].id, again[0].starts), (unheard[0].id, 1));
    for fences in [held, theirs] {
        let landed = job::finish(db, bench.now(), &fences).await.unwrap();
        assert_eq!(landed, [Landing::Done]);
    }
}

/// A job that met a database that was away is not charged for it.
#[tokio::test(flavor = "multi_thread")]
async fn rest_is_no_failure() {
    let bench = Bench::new("rest").await;
    bench.steps(&["a"]).await;
    let us = WorkerId::new();
    for _ in 0..30 {
        let claimed = bench.claim(us, 1).await;
        assert_eq!((claimed[0].starts, claimed[0].attempts), (1, 0));
        let landed = job::rest(
            bench.db(),
            bench.now(),
            &claimed[0].fence(us),
            bench.now(),
            "DATABASE_AWAY",
        )
        .await
        .unwrap();
        assert_eq!(landed, Landing::Pending);
    }
}

fn fences(claimed: &[job::Claimed], lease: WorkerId) -> Vec<job::Fence> {
    claimed.iter().map(|claimed| claimed.fence(lease)).collect()
}
