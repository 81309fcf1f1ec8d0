//! INV-12: locks and the PMS refuse at random, and jobs are given up. Whatever was given up is a row
//! with a reason, a problem names it and the mutation that tries once more, and that does.

use super::chance;
use crate::harness::{Hotel, Portal, text};
use base64::Engine;
use chrono::Duration;
use portal_domain::{DevicePinStatus, PinPushStatus};
use portal_mews::fake::{Booking, Fault};
use portal_store::page::Page;
use portal_store::reservation::{self, Filter};
use portal_store::{device, device_pin, job, pin_push};
use portal_virtual::fake::{Fault as LockFault, Operation};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Statuses by which a vendor says that it understood and will not.
const NO: [u16; 3] = [403, 404, 422];

/// What was given up, as the rows say: the reason of each.
async fn given_up(hotel: &Hotel<'_>) -> BTreeMap<Uuid, String> {
    let mut conn = hotel.portal.env.db.read().await.expect("a connection");
    let mut all = BTreeMap::new();
    let locks = device::installed(&mut conn, hotel.property).await;
    for lock in locks.expect("the locks") {
        let rows = device_pin::ever_on_device(&mut conn, hotel.property, lock.id).await;
        let blocked = |row: &device_pin::DevicePin| row.status == DevicePinStatus::Blocked;
        for row in rows.expect("the codes").into_iter().filter(blocked) {
            let why = row.last_error.map(|error| error.to_string());
            all.insert(row.id.0, why.unwrap_or_default());
        }
    }
    let page = Page::first(1_000);
    let stays = reservation::page(&mut conn, hotel.property, &Filter::default(), &page).await;
    let stays: Vec<_> = stays
        .expect("the stays")
        .iter()
        .map(|stay| stay.id)
        .collect();
    let rows = pin_push::of_reservations(&mut conn, hotel.property, &stays).await;
    let refused = |row: &pin_push::PinPush| row.status == PinPushStatus::Refused;
    for row in rows.expect("the copies").into_iter().filter(refused) {
        let why = row.last_error.map(|error| error.to_string());
        all.insert(row.id.0, why.unwrap_or_default());
    }
    let jobs = job::quarantined(&mut conn, 1_000).await.expect("the jobs");
    for row in jobs {
        all.insert(row.id.0, row.code.unwrap_or_default());
    }
    all
}

/// The row an identifier names.
fn row(id: &Value) -> Uuid {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let bytes = engine.decode(text(id)).expect("an identifier");
    Uuid::from_slice(&bytes[17..]).expect("a row")
}

/// The problems that name something to try once more: the mutation and the identifier of each.
async fn listed(hotel: &Hotel<'_>) -> Vec<(String, Value)> {
    let query = "query($id: ID!) { property(id: $id) { problems(first: 100) { nodes {
        key fix message subject { __typename id } } } } }";
    let answer = hotel.ask(query, json!({ "id": hotel.id })).await;
    let nodes = answer["property"]["problems"]["nodes"].as_array().cloned();
    let nodes = nodes.unwrap_or_default().into_iter();
    let retries = nodes.filter(|node| text(&node["fix"]).ends_with("Retry"));
    retries
        .map(|node| {
            assert_ne!(node["message"], json!(""), "{node}");
            (text(&node["fix"]), node["subject"]["id"].clone())
        })
        .collect()
}

async fn retry(hotel: &Hotel<'_>, mutation: &str, id: &Value) -> Value {
    let argument = mutation.strip_suffix("Retry").expect("a retry");
    let query = format!(
        "mutation($id: ID!) {{ x: {mutation}(input: {{{argument}: $id}}) {{ userErrors {{ code }} }} }}"
    );
    let mut answer = hotel.ask(&query, json!({ "id": id })).await;
    answer["x"]["userErrors"].take()
}

/// Something is refused, or given up.
async fn refuse(hotel: &Hotel<'_>, n: usize, rng: &mut StdRng) {
    let portal = hotel.portal;
    let status = *NO.choose(rng).expect("one");
    match rng.random_range(0..4) {
        0 => {
            let fault = LockFault::Status { status };
            portal.locks.inject(fault, Some(Operation::Put), 1);
        }
        1 => {
            let on = *["resourceAccessTokens/add", "resourceAccessTokens/update"]
                .choose(rng)
                .expect("one");
            portal.mews.inject(Fault::Status { status }, Some(on), 1);
        }
        2 if n > 0 => {
            let number = format!("S{}", rng.random_range(0..n));
            hotel.give_up(&number).await;
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_given_up_is_listed_with_a_reason_and_one_mutation_tries_it_again() {
    let (mut rng, steps, replay) = chance("INV-12", 25);
    let portal = Portal::start_unlimited().await;
    let hotel = portal.house("Aurora", &["101", "102"]).await;
    let mut story = Vec::new();
    let mut tried: BTreeMap<String, u32> = BTreeMap::new();
    for n in 0..steps {
        for _ in 0..rng.random_range(0..4) {
            refuse(&hotel, n, &mut rng).await;
        }
        let from = portal.env.now() + Duration::hours(rng.random_range(0..9));
        let stay = Booking::new(from, from + Duration::hours(50)).number(&format!("S{n}"));
        let stay = stay.room(["101", "102"].choose(&mut rng).expect("one"));
        portal.mews.book(&hotel.enterprise, &stay);
        if n > 0 && rng.random() {
            let number = format!("S{}", rng.random_range(0..n));
            portal
                .mews
                .redate(&number, from, from + Duration::hours(30));
        }
        portal.next_look().await;
        let rows = given_up(&hotel).await;
        story.push(format!("{n}: {rows:?}"));
        for (id, why) in &rows {
            assert_ne!(why, "", "{replay}: {id} has no reason: {story:#?}");
        }
        let named = listed(&hotel).await;
        let ids: BTreeSet<Uuid> = named.iter().map(|(_, id)| row(id)).collect();
        let unseen: Vec<&Uuid> = rows.keys().filter(|id| !ids.contains(id)).collect();
        assert_eq!(unseen, Vec::<&Uuid>::new(), "{replay}: {story:#?}");
        // Of some a person asks for another try. Others are under way again by themselves, as
        // something else is wanted of them, and stay a problem until they are done.
        for (mutation, id) in named {
            if rows.contains_key(&row(&id)) && rng.random() {
                *tried.entry(mutation.clone()).or_default() += 1;
                let refused = retry(&hotel, &mutation, &id).await;
                assert_eq!(refused, json!([]), "{replay}: {mutation}");
            }
        }
        portal.settle().await;
    }
    // With nothing in the way any more, every try is the last.
    portal.mews.clear_faults();
    portal.locks.clear_faults();
    let rows = given_up(&hotel).await;
    for (mutation, id) in listed(&hotel).await {
        if !rows.contains_key(&row(&id)) {
            continue;
        }
        *tried.entry(mutation.clone()).or_default() += 1;
        assert_eq!(retry(&hotel, &mutation, &id).await, json!([]), "{replay}");
    }
    portal.later(Duration::minutes(2)).await;
    portal.later(Duration::minutes(16)).await;
    assert_eq!(given_up(&hotel).await, BTreeMap::new(), "{replay}");
    assert_eq!(
        listed(&hotel).await,
        Vec::<(String, Value)>::new(),
        "{replay}"
    );
    println!("{tried:?}");
    assert!(steps < 100 || !tried.is_empty(), "{replay}: {tried:?}");
}
