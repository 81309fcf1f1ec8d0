//! PostgreSQL ended at once and started again, under load: nothing is lost, and work goes on.

use super::count;
use super::kills::{ROOMS, something};
use super::seed;
use super::world::World;
use chrono::Duration;
use portal_mews::fake::StayState;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::process::Command;
use std::time::{Duration as Time, Instant};

/// How soon work has to go on.
const BACK: Time = Time::from_secs(15);

/// Ends the whole server, so it runs by itself: `TEST_POSTGRES_RESTART` is the program that does it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "ends the database server that other tests use"]
async fn the_database_restarts_and_nothing_is_lost() {
    let restart = std::env::var("TEST_POSTGRES_RESTART").expect("TEST_POSTGRES_RESTART");
    let restarts = count("PORTAL_RESTARTS", 10);
    let seed = seed("PORTAL_SEED");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new("Hotel Restart", &ROOMS).await;
    assert!(world.is_shared(), "this is about PostgreSQL");
    world.start();
    assert!(world.comes_right("the start").await);
    let mut back = Vec::new();
    for n in 1..=restarts {
        for _ in 0..rng.random_range(20..60) {
            something(&mut world.house, &mut rng);
            if rng.random_range(0..8) == 0 {
                // The next look at the PMS is due, so that jobs are under way.
                world.clock.advance(Duration::seconds(75));
            }
            tokio::time::sleep(Time::from_millis(rng.random_range(5..80))).await;
        }
        let done = Command::new(&restart).status().expect("the program");
        assert!(done.success());
        world.look_again();
        let up = Instant::now();
        let now = world.house.now();
        let stay = world.house.book(
            Some("101"),
            StayState::Confirmed,
            now + Duration::hours(3),
            now + Duration::hours(30),
        );
        world.read_again().await;
        while world.house.codes_of(stay) == 0 {
            assert!(world.lives(), "seed {seed}: it died\n{}", world.log());
            assert!(
                up.elapsed() < BACK,
                "seed {seed}: not back\n{}",
                world.account().await
            );
            tokio::time::sleep(Time::from_millis(50)).await;
        }
        back.push(up.elapsed());
        let what = format!("seed {seed}, {n} restarts");
        assert!(
            world.comes_right(&what).await,
            "{what}: it died\n{}",
            world.log()
        );
        world.house.retire();
    }
    world.assert_nothing_refused();
    let longest = back.iter().max().copied().unwrap_or_default();
    println!(
        "restarts: {restarts} immediate ones, 0 lost, 0 doubled, 0 wrong; a new PIN stood on its \
         lock at most {} ms after the server was back; seed {seed}",
        longest.as_millis()
    );
}
