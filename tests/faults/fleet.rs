//! Several processes on one PostgreSQL: each can go, and the others take its work up.

use super::world::{World, free_address};
use crate::harness::Caller;
use chrono::Duration;
use portal_mews::fake::StayState;
use serde_json::json;
use std::process::Child;
use std::time::{Duration as Time, Instant};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long work may lie after the worker that had it was killed.
const TAKEN_UP: Time = Time::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_two_apis_share_a_database() {
    let mut world = World::new("Hotel Fleet", &["101", "102"]).await;
    if !world.is_shared() {
        println!("fleet: not run on SQLite, which serves one process");
        return;
    }
    let apis = [free_address(), free_address()];
    let _apis = apis.map(|address| Process(world.spawn("api", address, "-api")));
    let callers: Vec<Caller> = apis
        .iter()
        .map(|address| Caller {
            address: *address,
            ..world.owner.clone()
        })
        .collect();
    for caller in &callers {
        answers(caller).await;
    }

    // A subscription on the one hears of a change made through the other.
    let mut socket = callers[0].socket().await;
    let query = "subscription($id: ID!) { propertyEvents(property: $id) { kind } }";
    socket.ask(query, json!({ "id": world.id })).await;
    let rooms = "query($id: ID!) { property(id: $id) { rooms { nodes { id name } } } }";
    let answer = callers[1].run(rooms, json!({ "id": world.id })).await;
    let nodes = answer["property"]["rooms"]["nodes"].as_array().cloned();
    let room = nodes
        .into_iter()
        .flatten()
        .find(|room| room["name"] == json!("103"))
        .expect("room 103");
    let spaces = "query($id: ID!) { property(id: $id) { spaces { nodes { id } } } }";
    let answer = callers[1].run(spaces, json!({ "id": world.id })).await;
    let space = &answer["property"]["spaces"]["nodes"][0]["id"];
    let map = "mutation($room: ID!, $space: ID!) { roomMap(input: {room: $room, space: $space})
        { userErrors { code } } }";
    let asked = Instant::now();
    let mapped = callers[1]
        .run(map, json!({ "room": room["id"], "space": space }))
        .await;
    assert_eq!(mapped["roomMap"]["userErrors"], json!([]));
    let heard = socket.data().await;
    assert_eq!(heard["propertyEvents"]["kind"], json!("ROOM_MAPPED"));
    let crossed = asked.elapsed();

    // Whichever worker dies with the work in its hands, the other finishes it.
    let mut workers: Vec<Option<Process>> = Vec::new();
    for name in ["-0", "-1"] {
        workers.push(Some(Process(world.spawn("work", free_address(), name))));
    }
    let mut waited = Vec::new();
    for n in 0..2 {
        let (dying, living) = (format!("-{n}"), format!("-{}", 1 - n));
        // The other one is away until the first has begun.
        workers[1 - n] = None;
        world.order_to(&dying, "program-devices.call.before:1");
        let now = world.house.now();
        world.house.book(
            Some("101"),
            StayState::Confirmed,
            now + Duration::hours(3),
            now + Duration::hours(30),
        );
        // The next look at the PMS is due.
        world.clock.advance(Duration::seconds(80));
        let died = Instant::now();
        let dead = workers[n].as_mut().expect("a worker");
        while matches!(dead.0.try_wait(), Ok(None)) {
            assert!(
                died.elapsed() < TAKEN_UP,
                "the worker lives on\n{}",
                world.log()
            );
            tokio::time::sleep(Time::from_millis(50)).await;
        }
        world.order_to(&dying, "");
        let killed = Instant::now();
        workers[1 - n] = Some(Process(world.spawn("work", free_address(), &living)));
        while !world.is_right().await {
            assert!(killed.elapsed() < TAKEN_UP, "not taken up\n{}", world.log());
            tokio::time::sleep(Time::from_millis(100)).await;
        }
        waited.push(killed.elapsed().as_secs());
        workers[n] = Some(Process(world.spawn("work", free_address(), &dying)));
    }
    world.assert_nothing_refused();
    println!(
        "fleet: an event crossed from one api to a subscription on the other in {} ms; the work of \
         a killed worker was done by the other after {} s and {} s",
        crossed.as_millis(),
        waited[0],
        waited[1]
    );
}

/// Waits until the process answers.
async fn answers(caller: &Caller) {
    let began = Instant::now();
    let url = format!("http://{}/health/ready", caller.address);
    loop {
        if let Ok(answer) = caller.http.get(&url).send().await
            && answer.status() == 200
        {
            return;
        }
        assert!(
            began.elapsed() < Time::from_secs(30),
            "the api does not start"
        );
        tokio::time::sleep(Time::from_millis(50)).await;
    }
}
