//! Portal killed with SIGKILL, at every place and at random: no PIN is lost, doubled or wrong.

use super::count;
use super::house::House;
use super::steps::{STAGES, dates};
use super::world::World;
use chrono::Duration;
use portal_mews::fake::StayState;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration as Time, Instant};

pub(super) const ROOMS: [&str; 3] = ["101", "102", "103"];

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
            world.order(&format!("{place}:{nth}"));
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

/// Houses killed at once: most of the time each waits for its leases.
const WORLDS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_place_of_every_flow_it_comes_right() {
    // Each place is met several times in a flow: how many of them are tried.
    let depth = u32::try_from(count("PORTAL_KILL_DEPTH", 1)).unwrap_or(1);
    // One place of so many in each flow, another in each flow.
    let share = count("PORTAL_KILL_SHARE", 8);
    let began = Instant::now();
    let mut first = World::new("Hotel Kill", &ROOMS).await;
    let turns: Vec<Vec<(String, u32)>> = places(&mut first)
        .await
        .iter()
        .map(|places| {
            let nths = |(place, times): (&String, &u32)| {
                let place = place.clone();
                (1..=(*times).min(depth)).map(move |nth| (place.clone(), nth))
            };
            places.iter().flat_map(nths).collect()
        })
        .collect();
    let all: usize = turns.iter().map(Vec::len).sum();
    let turn_of = move |n: usize| -> Vec<Option<(String, u32)>> {
        let of_stage = |(stage, places): (usize, &Vec<(String, u32)>)| {
            places
                .get(n)
                .filter(|_| (n + stage).is_multiple_of(share))
                .cloned()
        };
        turns.iter().enumerate().map(of_stage).collect()
    };
    let passes = (0..all)
        .map(turn_of)
        .filter(|turn| turn.iter().any(Option::is_some));
    let passes: Vec<_> = passes.collect();
    let mut worlds = vec![first];
    for n in 1..WORLDS.min(passes.len()) {
        let mut world = World::new(&format!("Hotel Kill {n}"), &ROOMS).await;
        world.start();
        worlds.push(world);
    }
    let passes = Arc::new(Mutex::new(passes));
    let mut running = tokio::task::JoinSet::new();
    for mut world in worlds {
        let passes = passes.clone();
        running.spawn(async move {
            let mut kills = 0;
            loop {
                let turn = passes.lock().expect("the passes").pop();
                let Some(turn) = turn else {
                    world.assert_nothing_refused();
                    return kills;
                };
                kills += pass(&mut world, &turn).await;
            }
        });
    }
    let mut kills = 0;
    while let Some(done) = running.join_next().await {
        kills += done.unwrap_or_else(|_| panic!("a house failed"));
    }
    println!(
        "kills at places: {kills} of {all} (one in {share}), in {} s; 0 lost, 0 doubled, 0 wrong",
        began.elapsed().as_secs()
    );
    assert!(kills * share * 10 > all * 8, "{kills} of {all}");
}

/// Something that happens to one of the stays.
pub(super) fn something(house: &mut House, rng: &mut StdRng) {
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
        // Whether a guest without a room keeps a key depends on what Portal saw in between.
        1 if booked.room.is_some() => house.enter(stay, StayState::Started),
        2 if booked.state == StayState::Started => house.enter(stay, StayState::Processed),
        3 => house.redate(stay, booked.from, booked.until + Duration::hours(5)),
        4 if booked.state == StayState::Confirmed => house.assign(stay, None),
        // Moves in the house leave a door open for the luggage, to the second: they have a test of
        // their own.
        _ if booked.state == StayState::Confirmed => house.assign(stay, ROOMS.choose(rng).copied()),
        _ => {}
    }
}

/// One house in which things go on happening while Portal is killed. Answers how many stays there
/// were.
async fn random_kills(kills: usize, seed: u64) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new("Hotel Random", &ROOMS).await;
    world.start();
    for n in 1..=kills {
        let until = Instant::now() + Time::from_millis(rng.random_range(150..1_500));
        while Instant::now() < until {
            something(&mut world.house, &mut rng);
            tokio::time::sleep(Time::from_millis(rng.random_range(5..120))).await;
        }
        assert!(world.lives(), "it died by itself\n{}", world.log());
        world.kill();
        world.start();
        if n % 10 == 0 || n == kills {
            let what = format!("seed {seed}, {n} kills");
            let right = world.comes_right(&what).await;
            assert!(right, "{what}: it died by itself\n{}", world.log());
            world.house.retire();
        }
    }
    world.assert_nothing_refused();
    world.house.booked
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_it_comes_right() {
    let kills = count("PORTAL_KILLS", 80);
    let first = super::seed("PORTAL_SEED");
    println!("random kills: seeds from {first}");
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for n in 0..WORLDS {
        let seed = first.wrapping_add(n as u64);
        running.spawn(random_kills(kills.div_ceil(WORLDS), seed));
    }
    let mut stays = 0;
    while let Some(done) = running.join_next().await {
        stays += done.unwrap_or_else(|_| panic!("a house failed"));
    }
    println!(
        "random kills: {} of {WORLDS} houses in {} s, seeds from {first}, {stays} stays; \
         0 lost, 0 doubled, 0 wrong",
        kills.div_ceil(WORLDS) * WORLDS,
        began.elapsed().as_secs()
    );
}
