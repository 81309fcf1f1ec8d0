//! Every step of every job done twice, failed before it and failed after it: the end is the same.

use super::house::House;
use crate::harness::Portal;
use chrono::{DateTime, Duration, Utc};
use portal_faults::{Plan, Twist, plan};
use portal_jobs::{drain, registry, sweep};
use portal_mews::fake::StayState;
use std::collections::BTreeMap;

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
async fn work(portal: &Portal) {
    let registry = registry();
    for _ in 0..50 {
        let swept = sweep::sweep(&portal.env, false).await;
        let drained = drain(&portal.env, &registry).await;
        if let (Ok(()), Ok(drained)) = (swept, drained) {
            assert_eq!(drained.set_aside, [], "given up");
            if drained.ran == 0 {
                return;
            }
        }
    }
    panic!("the jobs never come to rest");
}

/// Lets Portal work until all is as it should be.
async fn come_right(portal: &Portal, house: &mut House, what: &str) {
    let mut wrong = Vec::new();
    // What failed is tried again within minutes.
    for minutes in [0, 1, 2, 2, 5, 10, 15, 15] {
        portal.clock.advance(Duration::minutes(minutes));
        work(portal).await;
        house.all_seen();
        wrong = house.differences(&portal.env.db, &portal.env.sealer).await;
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{what}: {wrong:#?}");
}

/// A stay that has come as far as before this stage.
async fn prepared(portal: &Portal, house: &mut House, stage: usize) -> usize {
    let (from, until) = dates(house);
    let stay = house.book(Some("101"), StayState::Confirmed, from, until);
    if stage > 0 {
        come_right(portal, house, "booked").await;
    }
    for (name, act) in &STAGES[1..stage.max(1)] {
        act(house, stay);
        come_right(portal, house, name).await;
    }
    stay
}

async fn finished(portal: &Portal, house: &mut House, stay: usize) {
    if house.stays[stay].booked.state != StayState::Processed {
        house.enter(stay, StayState::Canceled);
        come_right(portal, house, "the end").await;
    }
    house.stays.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_done_twice_or_failed_changes_nothing_in_the_end() {
    let portal = Portal::start_unlimited().await;
    let hotel = portal.hotel("Hotel Twice").await.with_mews().await;
    let mut house = House::furnish(&hotel, &["101", "102", "103"]).await;
    house.running = true;
    let mut cases = 0;
    // How often Portal looks at the PMS is left to chance, so that a last step may not come.
    let mut missed = 0;
    for (stage, (name, act)) in STAGES.iter().enumerate() {
        let stay = prepared(&portal, &mut house, stage).await;
        let watch = Plan::watch();
        act(&mut house, stay);
        plan(&watch, come_right(&portal, &mut house, name)).await;
        finished(&portal, &mut house, stay).await;
        let mut steps: BTreeMap<&str, u32> = BTreeMap::new();
        for step in watch.seen() {
            *steps.entry(step).or_default() += 1;
        }
        assert!(steps.len() > 3, "{name}: {steps:?}");
        eprintln!("{name} {cases} {:?} {:?}", house.now(), steps);
        for (step, times) in steps {
            for nth in 1..=times {
                for twist in [Twist::FailBefore, Twist::FailAfter, Twist::Twice] {
                    if twist == Twist::Twice && !step.contains('.') {
                        continue;
                    }
                    let what = format!("{name}, {twist:?} at {step} {nth}");
                    let stay = prepared(&portal, &mut house, stage).await;
                    let planned = Plan::twist(step, nth, twist);
                    act(&mut house, stay);
                    plan(&planned, come_right(&portal, &mut house, &what)).await;
                    finished(&portal, &mut house, stay).await;
                    if planned.happened() {
                        cases += 1;
                    } else {
                        missed += 1;
                    }
                }
            }
        }
    }
    assert!(missed * 10 < cases, "{missed} of {cases}");
    println!("steps: {cases} cases, each the same in the end");
}
