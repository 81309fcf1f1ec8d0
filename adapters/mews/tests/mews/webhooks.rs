//! The fake's webhooks: what it tells, to whom, and how that goes wrong.

use crate::support::{House, at, loopback};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use portal_interface::{AdapterError, ExposeSecret, Hint, Look, Pms, VendorId};
use portal_mews::fake::{Booking, HookFaults, IntegrationEvent, NewRoom};
use std::sync::{Arc, Mutex};

/// Takes deliveries, and answers the first so many with 500.
struct Receiver {
    url: String,
    taken: Arc<Mutex<Vec<String>>>,
}

type Shared = (Arc<Mutex<Vec<String>>>, Arc<Mutex<usize>>);

impl Receiver {
    async fn start(failures: usize) -> Self {
        let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
        let url = format!("http://{}/here", listener.local_addr().unwrap());
        let taken = Arc::default();
        let shared: Shared = (Arc::clone(&taken), Arc::new(Mutex::new(failures)));
        let app = Router::new().fallback(take).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, taken }
    }

    /// What arrived since the last look.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }
}

async fn take(State((taken, failures)): State<Shared>, body: String) -> StatusCode {
    taken.lock().unwrap().push(body);
    let mut left = failures.lock().unwrap();
    if *left == 0 {
        return StatusCode::ACCEPTED;
    }
    *left -= 1;
    StatusCode::INTERNAL_SERVER_ERROR
}

fn booking() -> Booking {
    Booking::new(at("2026-11-24T14:00:00Z"), at("2026-11-26T10:00:00Z"))
}

/// Held, so that a test says when they go.
fn held() -> HookFaults {
    HookFaults {
        hold: true,
        ..HookFaults::default()
    }
}

impl House {
    /// What the adapter makes of deliveries.
    fn read(&self, taken: &[String]) -> Vec<Hint> {
        let hooks = self.mews.hooks().unwrap();
        let read = |body: &String| hooks.read(body.as_bytes()).unwrap();
        taken.iter().flat_map(read).collect()
    }
}

#[tokio::test]
async fn what_changes_is_told_by_identifiers_alone() {
    let house = House::open().await;
    let receiver = Receiver::start(0).await;
    house.fake.book(&house.enterprise, &booking());
    house.fake.set_webhook(Some(&receiver.url));
    house.fake.set_webhook_faults(held());
    let stay = house.fake.book(&house.enterprise, &booking());
    house.fake.check_in(&stay);
    house.fake.add_room(&house.enterprise, &NewRoom::new("101"));
    house.fake.deliver_webhooks().await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 3);
    assert!(!taken.concat().contains("Robin"));
    let looks = house.read(&taken).into_iter().map(|hint| {
        assert_eq!(hint.account, VendorId::new(house.enterprise.clone()));
        assert!(hint.connection.is_some());
        hint.look
    });
    let reservation = Look::Reservations(vec![VendorId::new(stay.clone()).unwrap()]);
    let expected = [reservation.clone(), reservation, Look::Rooms];
    assert_eq!(looks.collect::<Vec<_>>(), expected);
    house.fake.set_webhook(None);
    house.fake.check_out(&stay);
    house.fake.deliver_webhooks().await;
    assert_eq!(receiver.taken(), Vec::<String>::new());
    assert_eq!(house.fake.webhook_answers(), [202, 202, 202]);
}

#[tokio::test]
async fn deliveries_come_by_themselves_and_come_again_when_refused() {
    let house = House::open().await;
    let receiver = Receiver::start(2).await;
    house.fake.set_webhook(Some(&receiver.url));
    house.fake.book(&house.enterprise, &booking());
    for _ in 0..500 {
        if !house.fake.webhook_answers().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(house.fake.webhook_answers(), [500]);
    for expected in [vec![500], vec![500, 500], vec![500, 500, 202]] {
        assert_eq!(house.fake.webhook_answers(), expected);
        house.fake.set_webhook_faults(held());
        house.fake.deliver_webhooks().await;
        assert_eq!(house.fake.webhook_answers(), expected, "not at once");
        house.wait(181);
        house.fake.deliver_webhooks().await;
    }
    let taken = receiver.taken();
    assert_eq!(taken.len(), 3);
    assert_eq!(taken[0], taken[2]);
}

#[tokio::test]
async fn deliveries_get_lost_copied_and_mixed_the_same_each_time() {
    let house = House::open().await;
    let receiver = Receiver::start(0).await;
    house.fake.set_webhook(Some(&receiver.url));
    let mut orders = Vec::new();
    for seed in [7, 7, 8] {
        house.fake.set_webhook_faults(HookFaults {
            copies: 10,
            shuffle: true,
            seed,
            ..held()
        });
        let stays: Vec<String> = (0..5)
            .map(|_| house.fake.book(&house.enterprise, &booking()))
            .collect();
        house.fake.deliver_webhooks().await;
        let taken = receiver.taken();
        assert_eq!(taken.len(), 50);
        let place = |body: &String| stays.iter().position(|id| body.contains(id.as_str()));
        orders.push(taken.iter().map(place).collect::<Vec<_>>());
    }
    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
    assert!(!orders[0].is_sorted());
    house.fake.set_webhook_faults(HookFaults {
        lose: true,
        ..held()
    });
    house.fake.book(&house.enterprise, &booking());
    house.fake.deliver_webhooks().await;
    assert_eq!(receiver.taken(), Vec::<String>::new());
}

#[tokio::test]
async fn a_switched_off_integration_is_told_and_its_token_refused_until_it_is_on_again() {
    let house = House::open().await;
    let receiver = Receiver::start(0).await;
    house.fake.set_webhook(Some(&receiver.url));
    house.fake.set_webhook_faults(held());
    for (off, on) in [
        (IntegrationEvent::Disabled, IntegrationEvent::Enabled),
        (IntegrationEvent::Canceled, IntegrationEvent::Reinstated),
        (IntegrationEvent::Deleted, IntegrationEvent::Enabled),
    ] {
        house.fake.integration_event(&house.enterprise, off);
        let refused = house.mews.validate(&house.account).await;
        assert_eq!(refused, Err(AdapterError::Unauthorized), "{off:?}");
        house.fake.integration_event(&house.enterprise, on);
        assert!(house.mews.validate(&house.account).await.is_ok(), "{on:?}");
    }
    house
        .fake
        .integration_event(&house.enterprise, IntegrationEvent::Created);
    house
        .fake
        .integration_event(&house.enterprise, IntegrationEvent::ApiKeyCreated);
    let refused = house.mews.validate(&house.account).await;
    assert_eq!(refused, Err(AdapterError::Unauthorized));
    house.fake.deliver_webhooks().await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 8);
    assert!(taken[6].contains(house.token.expose_secret()));
    assert!(taken[7].contains(r#""ApiKey":""#));
    let hints = house.read(&taken);
    assert!(hints.iter().all(|hint| hint.look == Look::Credentials));
    let accounts: Vec<bool> = hints.iter().map(|hint| hint.account.is_some()).collect();
    let only_created = [false, false, false, false, false, false, true, false];
    assert_eq!(accounts, only_created);
    let connection = &hints[0].connection;
    assert!(connection.is_some() && hints.iter().all(|hint| hint.connection == *connection));
}
