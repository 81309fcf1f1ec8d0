//! The fake's own side: the contract it checks, and its control addresses.

use crate::support::{CLIENT_TOKEN, House, account, at, loopback};
use portal_interface::{Account, Answer, Clock, ExposeSecret, FixedClock, Http, OpenGate, Pms};
use portal_mews::APP;
use portal_mews::fake::{Booking, FakeMews, Options};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A fake and somebody who sends it whatever they like.
struct Stranger {
    fake: FakeMews,
    http: Http,
    account: Account,
    token: String,
}

impl Stranger {
    async fn arrive() -> Self {
        let clock = Arc::new(FixedClock::new(at("2026-11-24T10:00:00Z")));
        let options = Options::new(CLIENT_TOKEN.into(), clock);
        let fake = FakeMews::start(loopback(), options).await.unwrap();
        let token = fake.add_enterprise("Hotel", "Europe/Oslo").access_token;
        Self {
            http: Http::new(Arc::new(OpenGate)),
            account: account(&token),
            token: token.expose_secret().to_owned(),
            fake,
        }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(&format!("{}{path}", self.fake.url()));
        self.send(request.json(body)).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(&format!("{}{path}", self.fake.url()));
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let deadline = Duration::from_secs(5);
        let sent = self
            .http
            .send(&APP, &self.account, "test", request, deadline);
        let Answer { status, body, .. } = sent.await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Asks an operation with the right tokens and these members; answers the status.
    async fn ask(&self, operation: &str, mut members: Value) -> u16 {
        members["ClientToken"] = CLIENT_TOKEN.into();
        members["AccessToken"] = self.token.clone().into();
        members["Client"] = "Portal 0.1.0".into();
        let path = format!("/api/connector/v1/{operation}");
        self.post(&path, &members).await.0
    }
}

#[tokio::test]
async fn requests_that_break_the_contract_are_refused_and_noted() {
    let stranger = Stranger::arrive().await;
    let limit = json!({ "Count": 10 });
    let span = |from: &str, to: &str| json!({ "StartUtc": from, "EndUtc": to });
    let reservations = "reservations/getAll/2023-06-06";
    let quarter = span("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
    let longer = span("2026-01-01T00:00:00Z", "2026-04-01T00:00:01Z");
    let local = span("2026-01-01T00:00:00+01:00", "2026-01-02T00:00:00Z");
    for (operation, members, status) in [
        ("configuration/get", json!({}), 200),
        ("configuration/get", json!({ "Extra": 1 }), 400),
        ("Configuration/get", json!({}), 404),
        ("configuration/get/", json!({}), 404),
        ("reservations/getAll", json!({ "Limitation": limit }), 404),
        ("services/getAll", json!({}), 400),
        (
            "services/getAll",
            json!({ "Limitation": { "Count": 1001 } }),
            400,
        ),
        (
            reservations,
            json!({ "Limitation": limit, "UpdatedUtc": quarter }),
            200,
        ),
        (
            reservations,
            json!({ "Limitation": limit, "UpdatedUtc": longer }),
            400,
        ),
        (
            reservations,
            json!({ "Limitation": limit, "UpdatedUtc": local }),
            400,
        ),
        (
            reservations,
            json!({ "Limitation": limit, "ReservationIds": [] }),
            400,
        ),
        (
            reservations,
            json!({ "Limitation": limit, "ReservationIds": ["r1"] }),
            400,
        ),
        (
            reservations,
            json!({ "Limitation": limit, "UpdatedUtc": null }),
            200,
        ),
        (
            "customers/getAll",
            json!({ "Limitation": limit, "Extent": {} }),
            400,
        ),
        (
            "resourceAccessTokens/getAll",
            json!({ "Limitation": limit }),
            400,
        ),
        ("devices/getAll", json!({}), 401),
    ] {
        let before = stranger.fake.refused().len();
        let answered = stranger.ask(operation, members.clone()).await;
        assert_eq!(answered, status, "{operation} {members}");
        let noted = stranger.fake.refused().len() > before;
        assert_eq!(noted, status != 200, "{operation} {members}");
    }
    let (status, _) = stranger.get("/api/connector/v1/configuration/get").await;
    assert_eq!(status, 405);
    let url = format!("{}/api/connector/v1/configuration/get", stranger.fake.url());
    let text = stranger.http.post(&url).body("{}");
    assert_eq!(stranger.send(text).await.0, 400);
    let refused = stranger.fake.refused();
    assert_eq!(
        refused[0],
        "configuration/get: : Additional properties are not allowed ('Extra' was unexpected)"
    );
    assert!(refused.contains(&"configuration/get: GET".to_owned()));
    assert!(!refused.join(" ").contains(&stranger.token));
    assert_eq!(stranger.fake.mismatches(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_token_is_no_breach_of_contract() {
    let stranger = Stranger::arrive().await;
    let body = json!({ "ClientToken": CLIENT_TOKEN, "AccessToken": "x", "Client": "Portal" });
    let (status, error) = stranger
        .post("/api/connector/v1/configuration/get", &body)
        .await;
    assert_eq!(status, 401);
    assert_eq!(
        error["Message"],
        "The client token or the access token is not valid."
    );
    assert_eq!(error["RequestId"].as_str().map(str::len), Some(36));
    assert_eq!(stranger.fake.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_house_can_be_run_from_outside() {
    let stranger = Stranger::arrive().await;
    let command = async |word: &str, body: Value| {
        let (status, answer) = stranger.post(&format!("/control/{word}"), &body).await;
        assert_eq!(status, 200, "{word}: {answer}");
        answer
    };
    let rooms =
        json!([{ "name": "1" }, { "name": "2" }, { "name": "P", "category": "ParkingSpot" }]);
    let made = command(
        "add-enterprise",
        json!({ "name": "Inn", "timeZone": "Europe/Oslo", "rooms": rooms, "accessToken": "inn-token" }),
    )
    .await;
    assert_eq!(made["accessToken"], "inn-token");
    let booking = json!({
        "number": "R-1",
        "guest": "Ada Lovelace",
        "from": "2026-11-24T14:00:00Z",
        "until": "2026-11-26T10:00:00Z",
    });
    command("book", json!({ "enterprise": "Inn", "booking": booking })).await;
    command("assign", json!({ "reservation": "R-1", "room": "1" })).await;
    command("assign", json!({ "reservation": "R-1", "room": "2" })).await;
    command(
        "rename-guest",
        json!({ "reservation": "R-1", "name": "Ada King" }),
    )
    .await;
    command("check-in", json!({ "reservation": "R-1" })).await;
    let pin = json!({ "reservation": "R-1", "serial": "other", "value": "1234" });
    let pin = command("add-pin", pin).await;
    command("edit-pin", json!({ "pin": pin["id"], "value": "0001" })).await;
    let (_, pins) = stranger.get("/control/pins/R-1").await;
    assert_eq!(pins[0]["value"], "0001");
    assert_eq!(pins[0]["room"], "2");
    let (_, state) = stranger.get("/control/state").await;
    assert_eq!(
        state["enterprises"][1]["accessTokens"],
        json!(["inn-token"])
    );
    assert_eq!(
        state["enterprises"][1]["rooms"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(state["reservations"][0]["state"], "Started");
    let renewed = command("regenerate-token", json!({ "enterprise": "Inn" })).await;
    assert_ne!(renewed["accessToken"], "inn-token");
    let fault = json!({ "kind": "status", "status": 500 });
    command(
        "inject",
        json!({ "fault": fault, "on": "configuration/get", "times": 2 }),
    )
    .await;
    assert_eq!(stranger.ask("configuration/get", json!({})).await, 500);
    command("clear-faults", json!({})).await;
    assert_eq!(stranger.ask("configuration/get", json!({})).await, 200);
    command("set-webhook", json!({ "url": "http://127.0.0.1:9/" })).await;
    command(
        "set-webhook-faults",
        json!({ "faults": { "hold": true, "copies": 2 } }),
    )
    .await;
    let off = json!({ "enterprise": "Inn", "event": "disabled" });
    command("integration-event", off).await;
    let (_, calls) = stranger.get("/control/calls").await;
    assert_eq!(calls, json!({ "configuration/get": 2 }));
    let (_, refused) = stranger.get("/control/refused").await;
    assert_eq!(refused, json!({ "refused": [], "mismatches": [] }));

    let unknown = json!({ "reservation": "R-2" });
    let (status, error) = stranger.post("/control/check-in", &unknown).await;
    assert_eq!(
        (status, error),
        (404, json!({ "error": "no such reservation" }))
    );
    let (status, _) = stranger.post("/control/dance", &json!({})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn the_demo_house_is_furnished() {
    let house = House::open().await;
    let demo = house.fake.add_demo_house("Hotel Demo", Some("demo-token"));
    assert_eq!(demo.access_token.expose_secret(), "demo-token");
    let account = account(&demo.access_token);
    let rooms = house.mews.rooms(&account).await.unwrap();
    let mut names: Vec<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "101",
        "102",
        "103",
        "104",
        "Bed 1A",
        "Bed 1B",
        "Bed 1C",
        "Bed 1D",
        "Dorm 1",
        "Suite 201",
    ];
    assert_eq!(names, expected);
    let window = portal_interface::Pull::Window {
        from: house.clock.now(),
        to: house.clock.now() + chrono::Duration::days(30),
        at: None,
    };
    let pulled = house.mews.pull(&account, window, 500).await.unwrap();
    let mut numbers: Vec<&str> = pulled
        .reservations
        .iter()
        .map(|it| it.number.as_str())
        .collect();
    numbers.sort_unstable();
    // R-1008 is only an option, R-1009 a parking spot.
    let expected = [
        "R-1001", "R-1002", "R-1003", "R-1004", "R-1005", "R-1006", "R-1007",
    ];
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn what_stays_the_same_when_a_booking_is_numbered_by_the_fake() {
    let house = House::open().await;
    let from = at("2026-11-24T14:00:00Z");
    let booking = Booking::new(from, at("2026-11-26T10:00:00Z"));
    house.fake.book(&house.enterprise, &booking);
    let second = house.fake.book(&house.enterprise, &booking);
    assert_eq!(house.fetch(&second).await.number, "2");
}
