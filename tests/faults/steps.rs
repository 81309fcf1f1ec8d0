//! Every step of every job done twice, failed before it and failed after it: the end is the same.

use super::count;
use super::house::House;
use crate::harness::Portal;
use chrono::{DateTime, Duration, Utc};
use portal_faults::{Plan, Twist, plan};
use portal_mews::fake::StayState;
use portal_store::job;
use std::collections::BTreeMap;
use std::time::Instant;

pub(super) type Stage = (&'static str, fn(&mut House, usize));

/// What happens to a stay, each on top of those before.
pub(super) const STAGES: [Stage; 9] = [
    ("booked", |_, _| {}),
    ("moved before arrival", |house, stay| {
        house.assign(stay, Some("102"));
    }),
    ("dates changed", |house, stay| {
        let (from, until) = dates(house);
        house.redate(stay, from, until + Duration::days(1));
    }),
    ("canceled", |house, stay| {
        house.enter(stay, StayState::Canceled);
    }),
    ("reinstated", |house, stay| {
        house.enter(stay, StayState::Confirmed);
    }),
    ("checked in", |house, stay| {
        house.enter(stay, StayState::Started);
    }),
    ("moved in the house", |house, stay| {
        house.assign(stay, Some("103"));
    }),
    ("unassigned by mistake", |house, stay| {
        house.assign(stay, None);
    }),
    ("checked out", |house, stay| {
        house.enter(stay, StayState::Processed);
    }),
];

pub(super) fn dates(house: &House) -> (DateTime<Utc>, DateTime<Utc>) {
    (
        house.now() + Duration::hours(4),
        house.now() + Duration::hours(50),
    )
}

/// Runs whatever is due. What fails here would be tried again by a process that lives on.
async fn work(portal: &Portal, what: &str) {
    for _ in 0..50 {
        if portal.round().await.is_ok_and(|ran| ran == 0) {
            return;
        }
    }
    let mut conn = portal.env.db.read().await.expect("a connection");
    let jobs = job::all(&mut conn).await.expect("the jobs");
    panic!("{what}: the jobs never come to rest: {jobs:#?}");
}

/// Lets Portal work until all is as it should be.
async fn come_right(portal: &Portal, house: &mut House, what: &str) {
    let mut wrong = Vec::new();
    // What failed is tried again within minutes.
    for minutes in [0, 1, 2, 2, 5, 10, 15, 15] {
        portal.clock.advance(Duration::minutes(minutes));
        work(portal, what).await;
        house.all_seen();
        wrong = house.differences(&portal.env.db, &portal.env.sealer).await;
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{what}: {wrong:#?}");
}

/// A step and what happens to it: at which stage, which time the process comes to it.
type Case = (&'static str, u32, Twist);

/// One stay through all stages, at each with the case of its turn. Answers how many of them
/// happened: how often Portal looks at the PMS is left to chance, so that a last step may not come.
async fn pass(portal: &Portal, house: &mut House, turn: &[Option<Case>]) -> usize {
    let mut happened = 0;
    let (from, until) = dates(house);
    let stay = house.book(Some("101"), StayState::Confirmed, from, until);
    for ((name, act), case) in STAGES.iter().zip(turn) {
        act(house, stay);
        match case {
            None => come_right(portal, house, name).await,
            Some((step, nth, twist)) => {
                let what = format!("{name}, {twist:?} at {step} {nth}");
                let planned = Plan::twist(step, *nth, *twist);
                Box::pin(plan(&planned, come_right(portal, house, &what))).await;
                happened += usize::from(planned.happened());
            }
        }
    }
    house.stays.clear();
    happened
}

/// What can happen in each stage.
async fn cases(portal: &Portal, house: &mut House) -> Vec<Vec<Case>> {
    let mut all = Vec::new();
    let (from, until) = dates(house);
    let stay = house.book(Some("101"), StayState::Confirmed, from, until);
    for (name, act) in STAGES {
        act(house, stay);
        let watch = Plan::watch();
        Box::pin(plan(&watch, come_right(portal, house, name))).await;
        let mut steps: BTreeMap<&str, u32> = BTreeMap::new();
        for step in watch.seen() {
            *steps.entry(step).or_default() += 1;
        }
        let of_stage = steps.iter().flat_map(|(step, times)| {
            (1..=*times).flat_map(move |nth| {
                [Twist::FailBefore, Twist::FailAfter, Twist::Twice]
                    .into_iter()
                    // What can be done once only is not done twice.
                    .filter(|twist| *twist != Twist::Twice || step.contains('.'))
                    .map(move |twist| (*step, nth, twist))
            })
        });
        all.push(of_stage.collect());
    }
    house.stays.clear();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_done_twice_or_failed_changes_nothing_in_the_end() {
    // One case of so many, spread over all stages.
    let share = count("PORTAL_STEP_SHARE", 24);
    let began = Instant::now();
    let portal = Portal::start_unlimited().await;
    let hotel = portal.hotel("Hotel Twice").await.with_mews().await;
    let mut house = House::furnish(&hotel, &["101", "102", "103"]).await;
    house.running = true;
    let cases = Box::pin(cases(&portal, &mut house)).await;
    let all: usize = cases.iter().map(Vec::len).sum();
    let passes = cases.iter().map(Vec::len).max().unwrap_or(0);
    let mut happened = 0;
    for n in 0..passes {
        let of_stage = |(stage, cases): (usize, &Vec<Case>)| {
            cases
                .get(n)
                .filter(|_| (n + stage).is_multiple_of(share))
                .copied()
        };
        let turn: Vec<_> = cases.iter().enumerate().map(of_stage).collect();
        // A life in which nothing happens has been seen.
        if turn.iter().any(Option::is_some) {
            happened += Box::pin(pass(&portal, &mut house, &turn)).await;
        }
    }
    println!(
        "steps: {happened} of {all} cases (one in {share}) done twice, failed before or failed \
         after, in {} s; each the same in the end",
        began.elapsed().as_secs()
    );
    assert!(happened * share * 10 > all * 8, "{happened} of {all}");
}
