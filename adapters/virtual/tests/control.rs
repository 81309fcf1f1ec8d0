//! The server run from another process.

use portal_domain::IntegrationId;
use portal_interface::{Account, Clock, Credentials, FixedClock, Http, OpenGate};
use portal_virtual::APP;
use portal_virtual::fake::{Calls, FakeLocks};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Hand {
    fake: FakeLocks,
    http: Http,
    account: Account,
}

impl Hand {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let started = self
            .http
            .post(&format!("{}/control{path}", self.fake.url()));
        let started = match body {
            Some(body) => started.json(&body),
            None => started,
        };
        let (client, request) = started.build_split();
        let mut request = request.expect("the address is good");
        *request.method_mut() = method.parse().expect("a method");
        let request = reqwest::RequestBuilder::from_parts(client, request);
        let deadline = Duration::from_secs(5);
        let sent = self
            .http
            .send(&APP, &self.account, "control", request, deadline);
        let answer = sent.await.expect("an answer");
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, body)
    }

    async fn done(&self, method: &str, path: &str, body: Option<Value>) {
        assert_eq!(self.ask(method, path, body).await, (204, Value::Null));
    }
}

#[tokio::test]
async fn every_method_has_its_address() {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(now));
    let fake = FakeLocks::start(([127, 0, 0, 1], 0).into(), clock)
        .await
        .unwrap();
    let hand = Hand {
        fake,
        http: Http::new(Arc::new(OpenGate)),
        account: Account::new(IntegrationId::new(), Credentials::default(), None),
    };

    let site = hand.ask(
        "POST",
        "/sites",
        Some(json!({"name": "Hillside", "key": "vl_demo"})),
    );
    assert_eq!(site.await, (200, json!({"id": "site-1", "key": "vl_demo"})));
    let lock = json!({"name": "Room 101", "rules": [{"LENGTHS": [4, 6]}, {"MAX_CODES": 3}]});
    let lock = hand.ask("POST", "/sites/site-1/locks", Some(lock));
    assert_eq!(lock.await, (200, json!({"id": "lock-1"})));
    let unsuitable = json!({"name": "Room 102", "rules": [{"REVOCABLE": false}]});
    let unsuitable = hand.ask("POST", "/sites/site-1/locks", Some(unsuitable));
    assert_eq!(unsuitable.await, (422, json!({"error": "rules"})));

    let code = json!({
        "pin": "0042", "from": "2026-06-01T10:00:00Z", "until": "2026-06-02T10:00:00Z"
    });
    hand.done("PUT", "/locks/lock-1/codes/cleaning", Some(code))
        .await;
    let codes = json!({"codes": [{
        "label": "cleaning", "pin": "0042",
        "from": "2026-06-01T10:00:00Z", "until": "2026-06-02T10:00:00Z"
    }]});
    assert_eq!(
        hand.ask("GET", "/locks/lock-1/codes", None).await,
        (200, codes)
    );
    for (query, opens) in [
        ("pin=0042", true),
        ("pin=42", false),
        ("pin=0042&at=2026-06-03T12:00:00Z", false),
    ] {
        let path = format!("/locks/lock-1/opens?{query}");
        let answer = hand.ask("GET", &path, None);
        assert_eq!(answer.await, (200, json!({"opens": opens})), "{query}");
    }
    hand.done("DELETE", "/locks/lock-1/codes/cleaning", None)
        .await;
    let gone = hand.ask("DELETE", "/locks/lock-1/codes/cleaning", None);
    assert_eq!(gone.await, (404, json!({"error": "code"})));

    hand.done(
        "PUT",
        "/locks/lock-1/online",
        Some(json!({"online": false})),
    )
    .await;
    hand.done(
        "PUT",
        "/locks/lock-1/max-codes",
        Some(json!({"maxCodes": 1})),
    )
    .await;
    let elsewhere = hand.ask("PUT", "/locks/lock-9/online", Some(json!({"online": true})));
    assert_eq!(elsewhere.await, (404, json!({"error": "lock"})));

    let (status, key) = hand.ask("POST", "/sites/site-1/key", None).await;
    assert_eq!(status, 200);
    assert!(key["key"].as_str().unwrap().starts_with("vl_"));
    hand.done("DELETE", "/sites/site-1/key", None).await;

    for fault in [
        json!({"fault": {"kind": "status", "status": 500}, "on": "put", "times": 2}),
        json!({"fault": {"kind": "tooMany", "seconds": 7}}),
        json!({"fault": {"kind": "commitThenDrop"}}),
    ] {
        hand.done("POST", "/faults", Some(fault)).await;
    }
    hand.done("DELETE", "/faults", None).await;
    let calls = json!({"site": 0, "locks": 0, "codes": 0, "put": 0, "delete": 0});
    assert_eq!(hand.ask("GET", "/calls", None).await, (200, calls));
    assert_eq!(hand.fake.calls(), Calls::default());
    let refused = hand.ask("GET", "/refused", None).await;
    assert_eq!(refused, (200, json!({"refused": []})));
}
