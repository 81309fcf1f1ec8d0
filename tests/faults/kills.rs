//! Portal killed with SIGKILL, at every place and at random: no PIN is lost, doubled or wrong.

use super::count;
use super::steps::{STAGES, dates};
use super::world::World;
use chrono::Duration;
use portal_mews::fake::StayState;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration as Time, Instant};

const ROOMS: [&str; 3] = ["101", "102", "103"];

/// Places of one stage, each with how often the process comes to it.
type Places = BTreeMap<String, u32>;

/// What the process comes to in each stage of a stay.
async fn places(world: &mut World) -> Vec<Places> {
    world.start();
    assert!(world.comes_right("the start").await, "{}", world.log());
    let (from, until) = dates(&world.house);
    let stay = world
        .house
        .book(Some("101"), StayState::Confirmed, from, until);
    let mut all = Vec::new();
    for (name, act) in STAGES {
        world.places();
        act(&mut world.house, stay);
        assert!(world.comes_right(name).await, "{name}: {}", world.log());
        let mut places = Places::new();
        for place in world.places() {
            *places.entry(place).or_default() += 1;
        }
        all.push(places);
    }
    world.house.stays.clear();
    all
}

/// One stay through all stages, killed in each at the place of its turn. Answers how many kills
/// there were; a place the process did not come to is none.
async fn pass(world: &mut World, turn: &[Option<(String, u32)>]) -> usize {
    let mut kills = 0;
    let (from, until) = dates(&world.house);
    let stay = world
        .house
        .book(Some("101"), StayState::Confirmed, from, until);
    for ((name, act), place) in STAGES.iter().zip(turn) {
        let what = format!("{name}, killed at {place:?}");
        if let Some((place, nth)) = place {
            world.order(&format!("kill {place} {nth}"));
        }
        act(&mut world.house, stay);
        if !world.comes_right(&what).await {
            kills += 1;
            world.kill();
            world.start();
            assert!(
                world.comes_right(&what).await,
                "{what}: died again\n{}",
                world.log()
            );
        }
        world.order("");
    }
    world.house.stays.clear();
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_place_of_every_flow_it_comes_right() {
    // 1: each place once a flow, the first time the process comes to it. More: also later times.
    let depth = u32::try_from(count("PORTAL_KILL_DEPTH", 1)).unwrap_or(1);
    let share = count("PORTAL_KILL_SHARE", 3);
    let mut world = World::new("Hotel Kill", &ROOMS).await;
    let stages = places(&mut world).await;
    let turns: Vec<Vec<(String, u32)>> = stages
        .iter()
        .map(|places| {
            places
                .iter()
                .flat_map(|(place, times)| {
                    (1..=(*times).min(depth)).map(|nth| (place.clone(), nth))
                })
                .collect()
        })
        .collect();
    let all: usize = turns.iter().map(Vec::len).sum();
    let passes = turns.iter().map(Vec::len).max().unwrap_or(0);
    let mut kills = 0;
    let began = Instant::now();
    for n in 0..passes {
        // A share of the places each time, another in each flow; every place has its turn in some.
        let turn: Vec<_> = turns
            .iter()
            .enumerate()
            .map(|(stage, places)| {
                let turn = (n + stage) % share == 0;
                places.get(n).filter(|_| turn).cloned()
            })
            .collect();
        if turn.iter().all(Option::is_none) {
            continue;
        }
        kills += pass(&mut world, &turn).await;
    }
    world.assert_nothing_refused();
    println!(
        "kills at places: {kills} of {all} (one in {share}), in {} s; 0 lost, 0 doubled, 0 wrong",
        began.elapsed().as_secs()
    );
    assert!(kills * share * 10 > all * 8, "{kills} of {all}");
}

/// Something that happens to one of the stays.
fn something(world: &mut World, rng: &mut StdRng) {
    let house = &mut world.house;
    let now = house.now();
    let open: Vec<usize> = (0..house.stays.len())
        .filter(|stay| {
            let booked = &house.stays[*stay].booked;
            booked.until > now + Duration::hours(2)
                && !matches!(booked.state, StayState::Processed | StayState::Canceled)
        })
        .collect();
    if open.len() < 4 {
        let from = now + Duration::minutes(rng.random_range(30..600));
        let until = from + Duration::hours(rng.random_range(20..90));
        let room = ROOMS.choose(rng).copied();
        house.book(room, StayState::Confirmed, from, until);
        return;
    }
    let Some(&stay) = open.choose(rng) else {
        return;
    };
    let booked = house.stays[stay].booked.clone();
    match rng.random_range(0..8) {
        0 => house.enter(stay, StayState::Canceled),
        1 => house.enter(stay, StayState::Started),
        2 if booked.state == StayState::Started => house.enter(stay, StayState::Processed),
        3 => house.redate(stay, booked.from, booked.until + Duration::hours(5)),
        4 if booked.state == StayState::Confirmed => house.assign(stay, None),
        // Moves in the house leave a door open for the luggage, to the second: they have a test of
        // their own.
        _ if booked.state == StayState::Confirmed => house.assign(stay, ROOMS.choose(rng).copied()),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_it_comes_right() {
    let kills = count("PORTAL_KILLS", 60);
    let seed = super::seed("PORTAL_SEED");
    println!("random kills: seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new("Hotel Random", &ROOMS).await;
    let began = Instant::now();
    world.start();
    for n in 1..=kills {
        let until = Instant::now() + Time::from_millis(rng.random_range(150..1_500));
        while Instant::now() < until {
            something(&mut world, &mut rng);
            tokio::time::sleep(Time::from_millis(rng.random_range(5..120))).await;
        }
        assert!(world.lives(), "it died by itself\n{}", world.log());
        world.kill();
        world.start();
        if n % 10 == 0 || n == kills {
            let what = format!("seed {seed}, {n} kills");
            assert!(
                world.comes_right(&what).await,
                "{what}: it died by itself\n{}",
                world.log()
            );
            world.house.retire();
        }
    }
    world.assert_nothing_refused();
    println!(
        "random kills: {kills} in {} s, seed {seed}, {} stays; 0 lost, 0 doubled, 0 wrong",
        began.elapsed().as_secs(),
        world.house.booked
    );
}
