//! Vendors and networks in trouble: nothing of it breaks an integration, loses a change or doubles
//! a PIN; and a token that is really gone is still noticed in time.

use super::house::House;
use super::kills::{ROOMS, something};
use super::proxy::Proxy;
use super::{count, seed};
use crate::harness::{Hotel, Portal};
use chrono::Duration;
use portal_domain::{IntegrationStatus, PropertyId};
use portal_faults::{Plan, plan};
use portal_mews::fake::Fault;
use portal_store::integration;
use portal_virtual::fake::Fault as LockFault;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration as Time, Instant};

/// The time after which a token is looked at again, at most, and a minute.
const NOTICED: Duration = Duration::minutes(18 + 1);

fn vendor_fault(rng: &mut StdRng) -> Fault {
    match rng.random_range(0..8) {
        0 => Fault::TooMany { seconds: None },
        1 => Fault::TooMany {
            seconds: Some(rng.random_range(1..90)),
        },
        2 => Fault::Status { status: 500 },
        3 => Fault::Status { status: 503 },
        4 => Fault::Status { status: 408 },
        5 => Fault::Html,
        6 => Fault::Cut,
        _ => Fault::CommitThenDrop,
    }
}

fn lock_fault(rng: &mut StdRng) -> LockFault {
    match rng.random_range(0..6) {
        0 => LockFault::TooMany { seconds: 20 },
        1 => LockFault::Status { status: 500 },
        2 => LockFault::Html,
        3 => LockFault::Cut,
        4 => LockFault::Lose,
        _ => LockFault::CommitThenDrop,
    }
}

async fn status(portal: &Portal, property: PropertyId) -> Vec<IntegrationStatus> {
    let mut conn = portal.env.db.read().await.expect("a connection");
    let live = integration::live(&mut conn, property)
        .await
        .expect("integrations");
    live.iter().map(|link| link.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_never_breaks_an_integration_and_a_revoked_token_does() {
    let faults = u32::try_from(count("PORTAL_FAULTS", 1_000)).unwrap_or(u32::MAX);
    let seed = seed("PORTAL_SEED");
    println!("faults: seed {seed}");
    let began = Instant::now();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut networks = Vec::new();
    let portal = Portal::start_unlimited_with(|vendors| {
        let mews = Proxy::start(&vendors.mews_api_url, seed);
        vendors.mews_api_url = mews.url();
        networks.push(mews);
        if let Some(url) = &mut vendors.virtual_locks_url {
            let locks = Proxy::start(url, seed.wrapping_add(1));
            *url = locks.url();
            networks.push(locks);
        }
    })
    .await;
    let hotel: Hotel<'_> = portal.hotel("Hotel Trouble").await.with_mews().await;
    let mut house = House::furnish(&hotel, &ROOMS).await;
    house.running = true;
    let of_networks = || {
        let counts = networks.iter().flat_map(Proxy::counts);
        counts.map(|(_, n)| n).sum::<u32>()
    };
    let of_vendors = |ordered: u32, house: &House| {
        ordered - house.mews.faults_left() - house.locks.faults_left()
    };
    for network in &networks {
        network.trouble(25);
    }
    let hurry = Plan::hurry(Time::from_millis(250));
    let mut ordered = 0;
    let mut happened = 0;
    while happened < faults {
        for _ in 0..rng.random_range(1..4) {
            something(&mut house, &mut rng);
        }
        let times = rng.random_range(1..5);
        house.mews.inject(vendor_fault(&mut rng), None, times);
        house.locks.inject(lock_fault(&mut rng), None, 2);
        portal
            .clock
            .advance(Duration::seconds(rng.random_range(61..400)));
        Box::pin(plan(&hurry, portal.settle())).await;
        ordered += times + 2;
        happened = of_vendors(ordered, &house) + of_networks();
        for status in status(&portal, hotel.property).await {
            assert_eq!(status, IntegrationStatus::Connected, "seed {seed}");
        }
    }
    let of_vendors = of_vendors(ordered, &house);
    for network in &networks {
        network.trouble(0);
    }
    house.mews.clear_faults();
    house.locks.clear_faults();
    let mut wrong = vec!["nothing was compared".to_owned()];
    for _ in 0..20 {
        portal.clock.advance(Duration::minutes(2));
        portal.settle().await;
        house.all_seen();
        wrong = house.differences(&portal.env.db, &portal.env.sealer).await;
        if wrong.is_empty() {
            break;
        }
    }
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");

    house.mews.revoke_tokens(&hotel.enterprise);
    let revoked = house.now();
    let mut noticed = None;
    while house.now() - revoked < NOTICED && noticed.is_none() {
        portal.clock.advance(Duration::seconds(20));
        portal.settle().await;
        let broken = status(&portal, hotel.property).await;
        noticed = broken
            .contains(&IntegrationStatus::Broken)
            .then(|| house.now() - revoked);
    }
    let noticed = noticed.unwrap_or_else(|| panic!("seed {seed}: not noticed in {NOTICED}"));
    let counts: Vec<String> = networks
        .iter()
        .flat_map(Proxy::counts)
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    println!(
        "faults: {happened} ({of_vendors} of the vendors; of the network {}), 0 false Broken, \
         0 differences; the revoked token was noticed after {} s; in {} s, seed {seed}",
        counts.join(", "),
        noticed.num_seconds(),
        began.elapsed().as_secs()
    );
}
