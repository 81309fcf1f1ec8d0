//! What the adapter makes of answers that are no success.

use crate::support::{House, RESERVATIONS, account};
use chrono::Duration as Span;
use portal_interface::{AdapterError, Clock, Pms, Pull, Trouble};
use portal_mews::fake::Fault;
use std::time::Duration;

/// Every status of the table in the adapter's contract, and some strangers.
fn table() -> Vec<(u16, AdapterError)> {
    let declined = |said: Option<&str>| AdapterError::Declined {
        said: said.map(ToOwned::to_owned),
    };
    let status = |status| AdapterError::Unreachable(Trouble::Status(status));
    vec![
        (302, status(302)),
        (400, declined(None)),
        (401, AdapterError::Unauthorized),
        (403, declined(Some("The rules of this house forbid it."))),
        (404, declined(None)),
        (408, AdapterError::TooHeavy),
        (409, status(409)),
        (410, declined(None)),
        (413, AdapterError::TooHeavy),
        (418, declined(None)),
        (500, status(500)),
        (502, status(502)),
        (503, status(503)),
        (504, status(504)),
    ]
}

#[tokio::test]
async fn every_status_has_its_error() {
    let house = House::open().await;
    for (status, error) in table() {
        house.fake.inject(Fault::Status { status }, None, 1);
        assert_eq!(
            house.mews.validate(&house.account).await,
            Err(error.clone())
        );
        assert_eq!(house.account.seen.last().unwrap().0, status);
        house.fake.inject(Fault::Status { status }, None, 1);
        assert_eq!(house.mews.rooms(&house.account).await, Err(error.clone()));
        let window = Pull::Window {
            from: house.clock.now(),
            to: house.clock.now() + Span::days(1),
            at: None,
        };
        house.fake.inject(Fault::Status { status }, None, 1);
        assert_eq!(house.pull(window, 500).await, Err(error));
    }
    assert!(house.mews.validate(&house.account).await.is_ok());
}

#[tokio::test]
async fn an_answer_without_a_body_is_an_empty_one() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    let empty = Fault::Status { status: 204 };
    house.fake.inject(empty, Some(RESERVATIONS), 1);
    let pulled = house.changes(&cursor, 500).await;
    assert_eq!((pulled.reservations, pulled.more), (vec![], false));
    // An empty page is fine, an answer that has to say something is not.
    house.fake.inject(empty, Some("configuration/get"), 1);
    let validated = house.mews.validate(&house.account).await;
    assert!(matches!(validated, Err(AdapterError::Unreadable { .. })));
}

#[tokio::test]
async fn too_many_requests_tell_how_long_to_wait() {
    let house = House::open().await;
    for (seconds, retry_after) in [(Some(7), Some(Duration::from_secs(7))), (None, None)] {
        house.fake.inject(Fault::TooMany { seconds }, None, 1);
        let limited = Err(AdapterError::RateLimited { retry_after });
        assert_eq!(house.mews.validate(&house.account).await, limited);
    }
}

#[tokio::test]
async fn the_fake_limits_a_token_to_200_requests_in_30_seconds() {
    let house = House::open().await;
    for _ in 0..200 {
        house.mews.validate(&house.account).await.unwrap();
    }
    let error = house.mews.validate(&house.account).await.unwrap_err();
    let AdapterError::RateLimited {
        retry_after: Some(wait),
    } = error
    else {
        panic!("{error:?}");
    };
    assert!((1..=30).contains(&wait.as_secs()), "{wait:?}");
    let other = account(&house.fake.add_access_token(&house.enterprise));
    assert!(house.mews.validate(&other).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_unreadable() {
    let house = House::open().await;
    house.fake.inject(Fault::Html, None, 1);
    let at = "$".to_owned();
    let unreadable = Err(AdapterError::Unreadable { at });
    assert_eq!(house.mews.validate(&house.account).await, unreadable);
}

#[tokio::test]
async fn a_connection_that_ends_or_never_was_is_unreachable() {
    let house = House::open().await;
    house.fake.inject(Fault::Cut, Some("configuration/get"), 1);
    let cut = Err(AdapterError::Unreachable(Trouble::Cut));
    assert_eq!(house.mews.validate(&house.account).await, cut);

    let free = std::net::TcpListener::bind(crate::support::loopback()).unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mews = crate::support::adapter(&url, "client", house.clock.clone());
    let nowhere = Err(AdapterError::Unreachable(Trouble::Connect));
    assert_eq!(mews.validate(&house.account).await, nowhere);
}

#[tokio::test]
async fn a_silent_mews_is_given_up_on_after_eight_seconds() {
    let house = House::open().await;
    house.fake.inject(Fault::Delay { millis: 60_000 }, None, 1);
    let start = std::time::Instant::now();
    let late = Err(AdapterError::Unreachable(Trouble::Deadline));
    assert_eq!(house.mews.validate(&house.account).await, late);
    assert_eq!(start.elapsed().as_secs(), 8);
}
