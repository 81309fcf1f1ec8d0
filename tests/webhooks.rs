//! Webhooks of Mews: a quicker way to what the next look would find as well, and nothing more.

use crate::harness::{Hotel, Portal, shown};
use crate::who_sees_what::log;
use chrono::Duration;
use portal_domain::ValidationOutcome;
use portal_interface::ExposeSecret;
use portal_jobs::{Workers, registry};
use portal_mews::fake::{Booking, Fault, HookFaults, IntegrationEvent, NewRoom, StayState};
use portal_store::integration::{self, Integration};
use portal_store::page::Page;
use portal_store::{hint, job};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Instant;

const SECRET: &str = "Zm9yIHRoZSB0ZXN0cyBvZiB0aGUgd2ViaG9va3Mu-_1";
const OTHER: &str = "b3RoZXIgb25lIGZvciB0aGUgd2ViaG9va3MgdGVzdHM";
const RESERVATIONS: &str = "reservations/getAll/2023-06-06";

/// A Portal that takes webhooks, and a Mews that sends them when told to.
async fn portal_with_hooks() -> Portal {
    let portal = Portal::start_with(|vendors| {
        vendors.mews_webhook_secrets = Some(SECRET.into());
    })
    .await;
    portal.mews.set_webhook(Some(&address(&portal, SECRET)));
    portal.mews.set_webhook_faults(held());
    portal
}

fn held() -> HookFaults {
    HookFaults {
        hold: true,
        ..HookFaults::default()
    }
}

fn address(portal: &Portal, secret: &str) -> String {
    format!("http://{}/hooks/mews/{secret}", portal.address)
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client")
}

async fn post(url: &str, body: impl Into<reqwest::Body>) -> StatusCode {
    let request = client().post(url).body(body);
    request.send().await.expect("an answer").status()
}

/// Delivers what waits and does what follows from it, until nothing does: storing a PIN is told too.
async fn arrive(portal: &Portal) {
    for _ in 0..20 {
        let before = portal.mews.webhook_answers().len();
        portal.mews.deliver_webhooks().await;
        portal.settle().await;
        if portal.mews.webhook_answers().len() == before {
            let answers = portal.mews.webhook_answers();
            assert!(answers.iter().all(|status| *status == 202), "{answers:?}");
            return;
        }
    }
    panic!("each webhook leads to another");
}

/// The row of a hotel's link.
async fn link(hotel: &Hotel<'_>) -> Integration {
    let read = hotel.portal.env.db.read().await;
    let mut conn = read.expect("a connection");
    let live = integration::live(&mut conn, hotel.property).await;
    let mut live = live.expect("the links");
    live.retain(|link| link.app == "mews");
    live.remove(0)
}

/// Hints that wait.
async fn waiting(hotel: &Hotel<'_>) -> Vec<String> {
    let id = link(hotel).await.id;
    let read = hotel.portal.env.db.read().await;
    let mut conn = read.expect("a connection");
    let hints = hint::waiting(&mut conn, hotel.property, id, 1_000).await;
    let hints = hints.expect("the hints").into_iter();
    hints.map(|hint| hint.external_id).collect()
}

/// Jobs of a kind that wait.
async fn pending(portal: &Portal, kind: &str) -> i64 {
    let mut conn = portal.env.db.read().await.expect("a connection");
    let pending = job::pending(&mut conn, kind).await;
    pending.expect("a number")
}

fn told(enterprise: &str, ids: &[String]) -> String {
    let event =
        |id: &String| json!({ "Discriminator": "ServiceOrderUpdated", "Value": { "Id": id } });
    let events: Vec<Value> = ids.iter().map(event).collect();
    json!({ "EnterpriseId": enterprise, "IntegrationId": CONNECTION, "Events": events }).to_string()
}

/// An identifier of our integration that nobody has.
const CONNECTION: &str = "0f515589-99b4-423d-b83a-b237009f0509";

#[tokio::test(flavor = "multi_thread")]
async fn webhook_a_booking_is_known_at_once_and_so_is_what_becomes_of_it() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    arrive(&portal).await;
    let looks = portal.mews.calls_of("configuration/get");
    hotel.book("31", Some("101"));
    arrive(&portal).await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    let pin = hotel.reveal("31").await;
    assert_eq!(hotel.in_mews("31"), std::slice::from_ref(&pin));
    portal.mews.assign("31", None);
    arrive(&portal).await;
    assert_eq!(hotel.access("31").await.1, "ROOM_UNASSIGNED");
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    portal.mews.cancel("31", "RequestedByGuest");
    arrive(&portal).await;
    assert_eq!(hotel.access("31").await.0, "ENDED");
    assert_eq!(
        portal.mews.calls_of("configuration/get"),
        looks,
        "what changed was never read"
    );
    assert_eq!(waiting(&hotel).await, Vec::<String>::new());

    // A room, and then another: all rooms are read at once, and again after a minute.
    portal.later(Duration::seconds(61)).await;
    portal
        .mews
        .add_room(&hotel.enterprise, &NewRoom::new("104"));
    arrive(&portal).await;
    assert_ne!(hotel.room("104").await, "");
    let reads = portal.mews.calls_of("resources/getAll");
    for room in ["105", "106"] {
        portal.mews.add_room(&hotel.enterprise, &NewRoom::new(room));
        arrive(&portal).await;
    }
    assert_eq!(portal.mews.calls_of("resources/getAll"), reads);
    portal.later(Duration::seconds(61)).await;
    assert_eq!(portal.mews.calls_of("resources/getAll"), reads + 1);
    assert_ne!(hotel.room("106").await, "");
}

/// What happens in a house, in steps. Every reservation is touched several times.
const STEPS: usize = 20;

fn step(portal: &Portal, hotel: &Hotel<'_>, n: usize) {
    let mews = &portal.mews;
    let now = portal.env.now();
    let in_days = |days| now + Duration::days(days);
    match n {
        0 => hotel.book("1", None),
        1 | 12 => mews.assign("1", Some("101")),
        2 => hotel.book("2", Some("102")),
        3 => mews.assign("1", Some("102")),
        4 => mews.assign("2", None),
        5 => mews.rename_guest("2", "Grace Hopper"),
        6 => mews.cancel("1", "RequestedByGuest"),
        7 => hotel.book("3", Some("101")),
        8 => mews.set_state("1", StayState::Confirmed),
        9 => mews.assign("2", Some("101")),
        10 => mews.no_show("3"),
        11 => hotel.book("4", Some("103")),
        13 => mews.redate("2", in_days(20), in_days(22)),
        14 => {
            let stay = Booking::new(in_days(5), in_days(6)).number("5");
            mews.book(&hotel.enterprise, &stay.state(StayState::Optional));
        }
        15 => mews.assign("4", Some("102")),
        16 => mews.check_in("4"),
        17 => mews.set_state("5", StayState::Confirmed),
        18 => mews.assign("5", Some("101")),
        _ => mews.check_out("4"),
    }
}

/// A house with two doors.
struct House<'a> {
    hotel: Hotel<'a>,
    locks: [String; 2],
}

/// One at the beginning of the steps.
async fn house(portal: &Portal) -> House<'_> {
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    hotel.map("102", "Room 102").await;
    let locks = [
        hotel.install("Room 101", "Lock 101").await,
        hotel.install("Room 102", "Lock 102").await,
    ];
    arrive(portal).await;
    House { hotel, locks }
}

/// Goes through the steps. What they tell arrives after every so many.
async fn live(portal: &Portal, hotel: &Hotel<'_>, arrives_after: usize) {
    for n in 0..STEPS {
        step(portal, hotel, n);
        portal.clock.advance(Duration::seconds(2));
        if (n + 1) % arrives_after == 0 {
            portal.mews.deliver_webhooks().await;
            assert!(pending(portal, "sync-reservations").await <= 1);
            arrive(portal).await;
        }
    }
    arrive(portal).await;
}

/// Everything that came of it, without identifiers and digits: those are chosen anew each time.
async fn picture(house: &House<'_>) -> Value {
    let (hotel, portal) = (&house.hotel, house.hotel.portal);
    let mut all = Vec::new();
    for number in ["1", "2", "3", "4", "5"] {
        let mut stay = hotel.reservation(number).await;
        assert_ne!(stay, Value::Null, "{number} is not known");
        stay["id"].take();
        if stay["keychain"] != Value::Null {
            stay["keychain"]["id"].take();
        }
        let held = portal.mews.pins(number);
        let pin = held.first().map(|pin| pin.value.clone());
        let copies: Vec<Value> = held
            .iter()
            .map(|pin| json!([pin.room, pin.from, pin.until, pin.permissions]))
            .collect();
        let mut codes = Vec::new();
        for lock in &house.locks {
            let all = portal.locks.codes(lock);
            let mine = all.iter().filter(|code| Some(&code.pin) == pin.as_ref());
            codes.extend(mine.map(|code| json!([code.from, code.until])));
        }
        all.push(json!([number, stay, copies, codes]));
    }
    let codes = house.locks.iter();
    let counts: Vec<usize> = codes.map(|lock| portal.locks.codes(lock).len()).collect();
    all.push(json!(counts));
    Value::from(all)
}

/// The picture when each webhook arrives once, at once and in order.
async fn usual_picture() -> Value {
    let portal = portal_with_hooks().await;
    let house = house(&portal).await;
    live(&portal, &house.hotel, 1).await;
    let picture = picture(&house).await;
    let transfers: Vec<&Value> = (0..5).map(|n| &picture[n][1]["transfer"]).collect();
    let expected = [
        "TRANSFERRED",
        "TRANSFERRED",
        "ENDED",
        "ENDED",
        "TRANSFERRED",
    ];
    assert_eq!(transfers, expected, "{picture:#}");
    picture
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_none_arrives_and_all_is_right_within_one_poll() {
    let portal = portal_with_hooks().await;
    let house = house(&portal).await;
    let hotel = &house.hotel;
    portal.mews.set_webhook_faults(HookFaults {
        lose: true,
        ..held()
    });
    let answers = portal.mews.webhook_answers().len();
    live(&portal, hotel, STEPS).await;
    assert_eq!(portal.mews.webhook_answers().len(), answers);
    assert_eq!(hotel.reservation("1").await, Value::Null);
    portal.next_look().await;
    assert_eq!(picture(&house).await, usual_picture().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_tenfold_and_in_any_order_they_lead_to_the_same_state() {
    let expected = usual_picture().await;
    for (seed, arrives_after) in [(1, 3), (2, 7), (3, STEPS)] {
        let portal = portal_with_hooks().await;
        let house = house(&portal).await;
        portal.mews.set_webhook_faults(HookFaults {
            copies: 10,
            shuffle: true,
            seed,
            ..held()
        });
        live(&portal, &house.hotel, arrives_after).await;
        assert_eq!(picture(&house).await, expected, "seed {seed}");
        assert_eq!(waiting(&house.hotel).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_many_at_once_beside_running_workers_lose_and_block_nothing() {
    let portal = portal_with_hooks().await;
    let house = house(&portal).await;
    let hotel = &house.hotel;
    portal.mews.set_webhook_faults(HookFaults {
        lose: true,
        ..held()
    });
    let workers = Workers::start(portal.env.clone(), &registry());
    for n in 0..STEPS {
        step(&portal, hotel, n);
        portal.clock.advance(Duration::seconds(2));
        // Everybody tells of all there is, in an order of their own.
        let state = portal.mews.state();
        let stays = state["reservations"].as_array().unwrap();
        let ids: Vec<String> = stays.iter().map(|it| text(&it["id"])).collect();
        let sending = (0..8).map(|turn| {
            let mut ids = ids.clone();
            let by = turn % ids.len();
            ids.rotate_left(by);
            if turn % 2 == 0 {
                ids.reverse();
            }
            let (url, body) = (address(&portal, SECRET), told(&hotel.enterprise, &ids));
            tokio::spawn(async move { post(&url, body).await })
        });
        let sending: Vec<_> = sending.collect();
        for sent in sending {
            assert_eq!(sent.await.unwrap(), 202);
        }
        assert!(pending(&portal, "sync-reservations").await <= 1);
    }
    let started = Instant::now();
    let busy = async || {
        let mut conn = portal.env.db.read().await.unwrap();
        let jobs = job::all(&mut conn).await.unwrap();
        let now = portal.env.now();
        jobs.iter()
            .any(|job| job.state == "running" || job.run_at <= now)
    };
    // Whoever stops in the middle of something keeps it until its lease ends.
    while busy().await || !waiting(hotel).await.is_empty() {
        assert!(started.elapsed().as_secs() < 60, "it never comes to rest");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    workers.stop(Workers::PATIENCE).await;
    // What met another on its way tries again after a while.
    portal.later(Duration::minutes(10)).await;
    assert_eq!(picture(&house).await, usual_picture().await);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_more_than_two_hundred_become_one_read_of_what_changed() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.book("31", None);
    let others = (0..999).map(|_| uuid::Uuid::new_v4().to_string());
    let ids: Vec<String> = others.collect();
    let calls = portal.mews.calls_of(RESERVATIONS);
    for ids in ids.chunks(100) {
        let sent = post(&address(&portal, SECRET), told(&hotel.enterprise, ids)).await;
        assert_eq!(sent, 202);
        assert_eq!(pending(&portal, "sync-reservations").await, 1);
    }
    assert_eq!(waiting(&hotel).await.len(), 201, "the flood is not stored");
    portal.settle().await;
    assert_eq!(portal.mews.calls_of(RESERVATIONS), calls + 1);
    assert_ne!(hotel.reservation("31").await, Value::Null);
    assert_eq!(waiting(&hotel).await, Vec::<String>::new());
    // Two hundred are still looked at: one request, although Mews knows none of them.
    let body = told(&hotel.enterprise, &ids[..200]);
    assert_eq!(post(&address(&portal, SECRET), body).await, 202);
    portal.settle().await;
    assert_eq!(portal.mews.calls_of(RESERVATIONS), calls + 2);
    assert_eq!(waiting(&hotel).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_a_look_that_fails_is_made_good_by_what_changed_or_by_the_next() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    for (number, fault) in [
        ("1", Fault::Status { status: 400 }),
        ("2", Fault::Status { status: 413 }),
        ("3", Fault::Html),
    ] {
        hotel.book(number, None);
        portal.mews.inject(fault, Some(RESERVATIONS), 1);
        arrive(&portal).await;
        assert_ne!(hotel.reservation(number).await, Value::Null, "{fault:?}");
        assert_eq!(waiting(&hotel).await, Vec::<String>::new());
    }
    hotel.book("4", None);
    let down = Fault::Status { status: 503 };
    portal.mews.inject(down, Some(RESERVATIONS), 2);
    arrive(&portal).await;
    assert_eq!(hotel.reservation("4").await, Value::Null);
    assert_eq!(waiting(&hotel).await.len(), 1, "it is not forgotten");
    portal.next_look().await;
    assert_ne!(hotel.reservation("4").await, Value::Null);
    assert_eq!(waiting(&hotel).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_told_again_during_a_look_it_is_looked_at_again() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    let (property, id, now) = (hotel.property, link(&hotel).await.id, portal.env.now());
    let mut tx = portal.env.db.begin().await.unwrap();
    let note = hint::note(&mut tx, property, id, &["a", "b", "a"], now);
    note.await.unwrap();
    let seen = hint::waiting(&mut tx, property, id, 10).await.unwrap();
    assert_eq!(seen.len(), 2);
    hint::note(&mut tx, property, id, &["b"], now)
        .await
        .unwrap();
    hint::done(&mut tx, property, &seen).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(&hotel).await, ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_what_makes_no_sense_is_accepted_and_changes_nothing() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    let url = address(&portal, SECRET);
    let stranger = uuid::Uuid::new_v4().to_string();
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let known_deep = r#"{"Data":"#.repeat(100_000);
    let action = |id: &str| {
        json!({ "Action": "IntegrationDisabled", "Data": { "Integration": { "Id": id } } })
            .to_string()
    };
    for body in [
        String::new(),
        "garbage".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        deep.clone(),
        known_deep,
        format!(r#"{{"Extra": {}}}"#, &deep[..200_000]),
        "x".repeat(1024 * 1024),
        told(&hotel.enterprise, &["not an identifier".to_owned()]),
        told(&hotel.enterprise, &[]),
        told(&stranger, std::slice::from_ref(&stranger)),
        action(&stranger),
        action(&hotel.enterprise),
    ] {
        assert_eq!(post(&url, body.clone()).await, 202, "{body:.60}");
    }
    assert_eq!(post(&url, vec![0xff; 1000]).await, 202);
    assert_eq!(post(&url, vec![b' '; 1024 * 1024 + 1]).await, 413);
    assert_eq!(waiting(&hotel).await, Vec::<String>::new());
    for kind in ["sync-reservations", "sync-rooms", "validate-integration"] {
        assert_eq!(pending(&portal, kind).await, 0, "{kind}");
    }
    // The address of another app, and of one that delivers nothing.
    for app in ["demo", "virtual-locks", "nobody"] {
        let url = format!("http://{}/hooks/{app}/{SECRET}", portal.address);
        assert_eq!(post(&url, "{}").await, 404, "{app}");
    }
    // A house that left.
    let mut owner = hotel.sign_in().await;
    owner.credential = hotel.owner.credential.clone();
    let id = hotel.integration().await["id"].clone();
    let leave = "mutation($id: ID!) { integrationDisconnect(input: {integration: $id}) {
        integration { status } userErrors { code } } }";
    let answer = owner.run(leave, json!({ "id": id })).await;
    assert_eq!(answer["integrationDisconnect"]["userErrors"], json!([]));
    portal.settle().await;
    let sent = told(&hotel.enterprise, std::slice::from_ref(&stranger));
    assert_eq!(post(&url, sent).await, 202);
    assert_eq!(pending(&portal, "sync-reservations").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_secrets_change_without_a_gap_and_a_wrong_one_finds_nothing() {
    let both = format!("{SECRET},{OTHER}");
    for (secrets, good, bad) in [
        (Some(both.as_str()), &[SECRET, OTHER][..], &[][..]),
        (Some(SECRET), &[SECRET][..], &[OTHER][..]),
        (None, &[][..], &[SECRET, OTHER][..]),
    ] {
        let portal = Portal::start_with(|vendors| {
            vendors.mews_webhook_secrets = secrets.map(Into::into);
        })
        .await;
        for secret in good {
            assert_eq!(post(&address(&portal, secret), "{}").await, 202);
        }
        for secret in bad {
            assert_eq!(post(&address(&portal, secret), "{}").await, 404);
        }
        let both_at_once = format!("{SECRET}%2C{OTHER}");
        assert_eq!(post(&address(&portal, &both_at_once), "{}").await, 404);
    }
    let portal = portal_with_hooks().await;
    let url = address(&portal, "wrong");
    let http = client();
    let answer = http.get(address(&portal, SECRET)).send().await.unwrap();
    assert_eq!(answer.status(), 404, "only POST");
    let missing = http.get(format!("http://{}/nothing", portal.address));
    let missing = missing.send().await.unwrap();
    for _ in 0..10 {
        let answer = http.post(&url).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), missing.status());
        let names = |answer: &reqwest::Response| {
            let mut names: Vec<_> = answer.headers().keys().cloned().collect();
            names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            names
        };
        assert_eq!(names(&answer), names(&missing));
        assert_eq!(answer.text().await.unwrap(), "");
    }
    assert_eq!(post(&url, "{}").await, 429);
    let right = post(&address(&portal, SECRET), "{}").await;
    assert_eq!(right, 202, "the guesses of others do not stop Mews");
    portal.clock.advance(Duration::minutes(1));
    assert_eq!(post(&url, "{}").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_a_disabled_integration_is_looked_at_at_once_and_broken_by_the_usual_rule() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    // Any general webhook tells how Mews numbers our connection.
    hotel.book("31", None);
    arrive(&portal).await;
    portal.later(Duration::minutes(3)).await;
    arrive(&portal).await;
    let attempts = async || {
        let mut conn = portal.env.db.read().await.unwrap();
        let id = link(&hotel).await.id;
        let page = Page::first(100);
        let all = integration::attempts(&mut conn, hotel.property, id, &page).await;
        all.unwrap()
    };
    let before = attempts().await.len();
    let event = |event| portal.mews.integration_event(&hotel.enterprise, event);
    event(IntegrationEvent::Disabled);
    event(IntegrationEvent::Disabled);
    arrive(&portal).await;
    let made = attempts().await;
    assert_eq!(made.len(), before + 1, "one check, at once");
    assert_eq!(made[before].outcome, ValidationOutcome::Refused);
    assert_eq!(made[before].trigger.as_str(), "HINT");
    assert_eq!(link(&hotel).await.refusals, 1);
    assert_eq!(
        hotel.status().await,
        "CONNECTED",
        "one refusal is not enough"
    );
    event(IntegrationEvent::Canceled);
    arrive(&portal).await;
    assert_eq!(attempts().await.len(), before + 1, "at most one a minute");
    portal.later(Duration::seconds(95)).await;
    assert_eq!(hotel.status().await, "BROKEN");

    // While it is Broken nothing is read, and nothing needs to be kept.
    let calls = portal.mews.calls_of(RESERVATIONS);
    hotel.book("32", None);
    portal
        .mews
        .add_room(&hotel.enterprise, &NewRoom::new("104"));
    arrive(&portal).await;
    assert_eq!(portal.mews.calls_of(RESERVATIONS), calls);
    assert_eq!(waiting(&hotel).await, Vec::<String>::new());

    // On again: known within the minute instead of the hour.
    portal.later(Duration::minutes(2)).await;
    event(IntegrationEvent::Reinstated);
    arrive(&portal).await;
    assert_eq!(hotel.status().await, "CONNECTED");
    assert_ne!(hotel.reservation("32").await, Value::Null);
    assert_ne!(hotel.room("104").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_a_token_in_one_is_neither_used_nor_kept_nor_logged() {
    let log = log();
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.book("31", None);
    arrive(&portal).await;
    portal.later(Duration::minutes(2)).await;
    let connection = link(&hotel).await.connection_key.unwrap();
    let canary = "CANARY0TOKEN0IN0A0WEBHOOK";
    let created = json!({ "Action": "IntegrationCreated", "Data": {
        "Enterprise": { "Id": hotel.enterprise, "Name": canary }, "AccessToken": canary,
        "Requestor": { "Name": canary, "Email": canary }, "IsEnabled": true,
        "Integration": { "Id": connection, "Name": canary } } });
    let renewed = json!({ "Action": "IntegrationApiKeyCreated", "Data": {
        "Integration": { "Id": connection, "Name": canary }, "ApiKey": canary } });
    let misplaced = json!({ "Action": canary, "EnterpriseId": canary, "IntegrationId": canary,
        "Events": [{ "Discriminator": canary, "Value": { "Id": canary } }] });
    let cut = &created.to_string()[..created.to_string().len() - 1];
    for body in [
        &created.to_string(),
        &renewed.to_string(),
        &misplaced.to_string(),
        cut,
    ] {
        assert_eq!(post(&address(&portal, SECRET), body.to_owned()).await, 202);
    }
    // Mews gives the property a new token and tells it: staff must paste it all the same.
    let fresh = portal.mews.regenerate_token(&hotel.enterprise);
    arrive(&portal).await;
    assert_eq!(link(&hotel).await.refusals, 1);
    portal.later(Duration::seconds(95)).await;
    assert_eq!(hotel.status().await, "BROKEN");
    post(&address(&portal, OTHER), canary).await;

    let mut conn = portal.env.db.read().await.unwrap();
    let jobs = format!("{:?}", job::all(&mut conn).await.unwrap());
    drop(conn);
    let dump = portal.database.dump().await;
    let log = log.lock().unwrap().clone();
    let holds =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds(&log, "a delivery could not be read") && holds(&dump, &connection));
    for secret in [canary, fresh.expose_secret(), SECRET, OTHER] {
        assert!(!holds(&log, secret), "{secret} is in the log");
        assert!(!holds(&dump, secret), "{secret} is in the database");
        assert!(!holds(jobs.as_bytes(), secret), "{secret} is in a job");
    }
    let answer = hotel.sign_in().await;
    let query = "query($id: ID!) { property(id: $id) { problems { nodes { message } } } }";
    let answer = answer.run(query, json!({ "id": hotel.id })).await;
    assert!(!answer.to_string().contains(canary));
    assert_ne!(shown(&hotel.token), shown(&fresh));
}

/// Not a test of time, which would depend on the machine: prints what an answer takes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run it with --release and --nocapture"]
async fn webhook_how_long_an_answer_takes() {
    let portal = portal_with_hooks().await;
    let hotel = portal.house("Aurora", &[]).await;
    let workers = Workers::start(portal.env.clone(), &registry());
    let (http, url) = (client(), address(&portal, SECRET));
    let mut took = Vec::new();
    for _ in 0..2_000 {
        let ids: Vec<String> = (0..20).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        let body = told(&hotel.enterprise, &ids);
        let started = Instant::now();
        let answer = http.post(&url).body(body).send().await.unwrap();
        took.push(started.elapsed());
        assert_eq!(answer.status(), 202);
    }
    workers.stop(Workers::PATIENCE).await;
    took.sort_unstable();
    println!(
        "p50 {:?}, p99 {:?}, max {:?}",
        took[1_000], took[1_980], took[1_999]
    );
}
