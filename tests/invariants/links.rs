//! INV-14: a few accounts and a few properties that are connected and disconnected at random, several
//! at the same moment. No account is ever linked twice, no property has two PMSs, and who comes second
//! is told so.

use super::chance;
use crate::harness::{Hotel, Portal, shown};
use chrono::Duration;
use futures_util::future::join_all;
use portal_domain::{AppCategory, IntegrationStatus, IntegrationStatusReason, ValidationTrigger};
use portal_jobs::{Job, ValidateIntegration};
use portal_mews::fake::Fault;
use portal_store::integration::{self, Integration};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What staff do, all at once.
#[derive(Debug, Clone)]
enum Act {
    Nothing,
    /// Pastes a token of this account.
    Connect(String),
    /// Chooses the demonstration PMS.
    Demo,
    Disconnect,
}

async fn live(hotel: &Hotel<'_>) -> Vec<Integration> {
    let mut conn = hotel.portal.env.db.read().await.expect("a connection");
    let live = integration::live(&mut conn, hotel.property).await;
    live.expect("the links")
}

/// Carries it out. Answers the code of the refusal.
async fn act(hotel: &Hotel<'_>, act: &Act) -> Option<String> {
    let owner = hotel.sign_in().await;
    let (app, key, value) = match act {
        Act::Nothing => return None,
        Act::Connect(account) => {
            let token = hotel.portal.mews.add_access_token(account);
            ("mews", "accessToken", shown(&token))
        }
        Act::Demo => ("demo", "demoAccount", "true".to_owned()),
        Act::Disconnect => {
            let link = hotel.integration().await["id"].clone();
            if link.is_null() {
                return None;
            }
            let query = "mutation($id: ID!) { x: integrationDisconnect(input: {integration: $id}) {
                userErrors { code } } }";
            let answer = owner.run(query, json!({ "id": link })).await;
            return code(&answer);
        }
    };
    let query = "mutation($property: ID!, $app: String!, $values: [AppFieldValue!]!) {
        x: integrationConnect(input: {property: $property, app: $app, values: $values}) {
          userErrors { code } } }";
    let variables = json!({ "property": hotel.id, "app": app,
        "values": [{ "key": key, "value": value }] });
    code(&owner.run(query, variables).await)
}

fn code(answer: &Value) -> Option<String> {
    let code = &answer["x"]["userErrors"][0]["code"];
    code.as_str().map(ToOwned::to_owned)
}

/// No account twice, no house with two.
async fn check(hotels: &[Hotel<'_>], told: &str) {
    let mut accounts = BTreeSet::new();
    for hotel in hotels {
        let live = live(hotel).await;
        let pms = live.iter().filter(|row| row.category == AppCategory::Pms);
        assert!(pms.count() <= 1, "{told}: two in {}", hotel.id);
        for row in live {
            if let Some(key) = row.account_key {
                assert!(accounts.insert((row.app, key)), "{told}: linked twice");
            }
        }
    }
}

fn choose(hotels: &[Hotel<'_>], accounts: &[String], rng: &mut StdRng) -> Vec<Act> {
    let account = accounts.choose(rng).expect("one");
    let mut one = |_| match rng.random_range(0..8) {
        0 => Act::Nothing,
        1 => Act::Demo,
        2 | 3 => Act::Disconnect,
        4 => Act::Connect(accounts.choose(rng).expect("one").clone()),
        _ => Act::Connect(account.clone()),
    };
    hotels.iter().map(&mut one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_one_property_and_a_property_one_pms_whoever_is_quicker() {
    let (mut rng, steps, replay) = chance("INV-14", 14);
    let portal = Portal::start_unlimited().await;
    let mut hotels = Vec::new();
    for name in ["Aurora", "Borealis", "Corona", "Dawn"] {
        hotels.push(portal.hotel(name).await);
    }
    let accounts: Vec<String> = hotels[..2].iter().map(|h| h.enterprise.clone()).collect();
    let mut codes: BTreeMap<String, u32> = BTreeMap::new();
    let mut told = replay;
    for _ in 0..steps {
        portal.clock.advance(Duration::minutes(2));
        let acts = choose(&hotels, &accounts, &mut rng);
        let silent = rng.random_range(0..4) == 0;
        if silent {
            let fault = Fault::Status { status: 503 };
            portal.mews.inject(fault, Some("configuration/get"), 1_000);
        }
        let mut free: BTreeSet<&String> = accounts.iter().collect();
        let mut idle = Vec::new();
        for hotel in &hotels {
            let live = live(hotel).await;
            idle.push(live.is_empty());
            free.retain(|account| {
                live.iter()
                    .all(|row| row.account_key.as_ref() != Some(*account))
            });
        }
        let all = hotels.iter().zip(&acts);
        let answers = join_all(all.map(|(hotel, doing)| act(hotel, doing))).await;
        told = format!("{told}\n{silent} {acts:?}: {answers:?}");
        for answer in answers.iter().flatten() {
            *codes.entry(answer.clone()).or_default() += 1;
        }
        check(&hotels, &told).await;
        // Of those that had nothing and wanted a free account, one got it and the others are told.
        let ends = acts.iter().any(|act| matches!(act, Act::Disconnect));
        for account in free.iter().filter(|_| !silent && !ends) {
            let wants = |act: &Act| matches!(act, Act::Connect(wanted) if wanted == *account);
            let tried = acts.iter().zip(&answers).zip(&idle);
            let tried: Vec<_> = tried.filter(|((act, _), _)| wants(act)).collect();
            let fresh = tried.iter().filter(|(_, idle)| **idle);
            let (won, lost): (Vec<_>, Vec<_>) = fresh.partition(|((_, code), _)| code.is_none());
            let others = tried.iter().any(|(_, idle)| !**idle);
            assert!(won.len() == 1 || others || tried.is_empty(), "{told}");
            for ((_, code), _) in lost {
                assert_eq!(code.as_deref(), Some("ACCOUNT_ALREADY_LINKED"), "{told}");
            }
        }
        portal.mews.clear_faults();
        // Tokens that were saved without a verdict get it at the same moment.
        portal.clock.advance(Duration::seconds(11));
        let mut checks = Vec::new();
        for hotel in &hotels {
            for row in live(hotel).await {
                let job = ValidateIntegration {
                    property: hotel.property,
                    integration: row.id,
                    trigger: ValidationTrigger::Poll,
                };
                checks.push(job.run(&portal.env));
            }
        }
        // One that the database refuses is run again by the queue.
        join_all(checks).await;
        check(&hotels, &told).await;
        portal.later(Duration::minutes(6)).await;
        check(&hotels, &told).await;
        for hotel in &hotels {
            let pending = live(hotel).await;
            let pending = pending
                .iter()
                .any(|row| row.status == IntegrationStatus::Pending);
            assert!(!pending, "{told}: still no verdict");
        }
    }
    println!("{codes:?}");
    let second = codes.contains_key("ACCOUNT_ALREADY_LINKED");
    assert!(steps < 100 || second, "nobody was second: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_saved_tokens_of_an_account_one_is_used_and_the_other_erased() {
    let portal = Portal::start_unlimited().await;
    let hotels = [portal.hotel("Aurora").await, portal.hotel("Borealis").await];
    let fault = Fault::Status { status: 503 };
    portal.mews.inject(fault, Some("configuration/get"), 1_000);
    let account = hotels[0].enterprise.clone();
    let wish = Act::Connect(account);
    for hotel in &hotels {
        assert_eq!(act(hotel, &wish).await, None, "both wait for a verdict");
    }
    portal.mews.clear_faults();
    portal.later(Duration::seconds(70)).await;
    let mut states = Vec::new();
    for hotel in &hotels {
        let link = hotel.integration().await;
        states.push((link["status"].clone(), link["statusReason"].clone()));
    }
    states.sort_by_key(|(status, _)| status.to_string());
    let taken = IntegrationStatusReason::AccountAlreadyLinked;
    let expected = [
        (json!("CONNECTED"), Value::Null),
        (json!("DISCONNECTED"), json!(taken.to_string())),
    ];
    assert_eq!(states, expected);
}
