//! Nobody unauthenticated sees anything; not yours looks like not there; secrets stay where they are.

use crate::harness::{CLIENT_TOKEN, Caller, PASSWORD, Portal, shown};
use portal::admin::create_key;
use portal_domain::{Permission, Role};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use tracing_subscriber::fmt::MakeWriter;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_unauthenticated_sees_anything() {
    let portal = Portal::start().await;
    let nobody = Caller::anonymous(portal.address);
    for document in [
        "{ viewer { name } }",
        "{ __schema { types { name } } }",
        "not a document {{{",
    ] {
        assert_eq!(nobody.refused(document, json!({})).await, "UNAUTHENTICATED");
    }
    for key in ["ptl_0000000000_wrong", "null", "", "ptl__"] {
        let caller = Caller::with_key(portal.address, key);
        assert_eq!(
            caller.refused("{ viewer { name } }", json!({})).await,
            "UNAUTHENTICATED",
            "{key}"
        );
    }
    let page = |path: &str| format!("http://{}{path}", portal.address);
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let graphiql = http.get(page("/graphiql")).send().await.unwrap();
    assert_eq!(graphiql.status(), 303);
    assert_eq!(
        graphiql.headers()["location"],
        "/auth/sign-in?next=/graphiql"
    );
    assert_eq!(
        http.get(page("/health/live"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        http.get(page("/health/ready"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let wrong = json!({ "email": "nobody@example.com", "password": "whatever it is" });
    let refused = http
        .post(page("/auth/sign-in"))
        .json(&wrong)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers().get("set-cookie"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_alone_or_from_another_site_runs_nothing() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let (_, cookie) = hotel.owner.credential.clone().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = |headers: Vec<(&'static str, String)>| {
        let mut request = http
            .post(format!("http://{}/graphql", portal.address))
            .header("cookie", cookie.clone())
            .json(&json!({ "query": "{ viewer { name } }" }));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let ours = format!("http://{}", portal.address);
    assert_eq!(send(vec![]).await, 403);
    let csrf = ("x-portal-csrf", "1".to_owned());
    assert_eq!(
        send(vec![
            csrf.clone(),
            ("origin", "https://evil.example".to_owned())
        ])
        .await,
        403
    );
    assert_eq!(send(vec![csrf.clone(), ("origin", ours)]).await, 200);
    assert_eq!(send(vec![csrf]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_yours_looks_like_what_is_not_there() {
    let portal = Portal::start().await;
    let mine = portal.house("Aurora", &[]).await;
    let theirs = portal.house("Borealis", &["101"]).await;
    theirs.book("31", Some("101"));
    portal.next_look().await;
    let keychain = theirs.reservation("31").await["keychain"]["id"].clone();
    let reservation = theirs.reservation("31").await["id"].clone();
    let (room, space) = (theirs.room("101").await, theirs.space("Room 101").await);
    let property = "query($id: ID!) { property(id: $id) { name } }";
    assert_eq!(
        mine.owner.run(property, json!({ "id": theirs.id })).await["property"],
        Value::Null
    );
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for id in [
        json!(theirs.id),
        keychain.clone(),
        reservation.clone(),
        json!(room),
        json!(space),
    ] {
        assert_eq!(
            mine.owner.run(node, json!({ "id": id })).await["node"],
            Value::Null
        );
        let found = theirs.owner.run(node, json!({ "id": id })).await;
        assert_eq!(found["node"]["id"], id);
    }
    let codes = [
        (
            "mutation($a: ID!, $b: ID!) { x: roomMap(input: {room: $a, space: $b}) { userErrors { code } } }",
            json!({ "a": room, "b": space }),
            "ROOM_NOT_FOUND",
        ),
        (
            "mutation($a: ID!, $b: ID!) { x: roomMap(input: {room: $a, space: $b}) { userErrors { code } } }",
            json!({ "a": mine.room("101").await, "b": space }),
            "SPACE_NOT_FOUND",
        ),
        (
            "mutation($a: ID!) { x: pinReveal(input: {keychain: $a, reason: \"r\"}) { userErrors { code } } }",
            json!({ "a": keychain }),
            "KEYCHAIN_NOT_FOUND",
        ),
        (
            "mutation($a: ID!) { x: reservationRefresh(input: {reservation: $a}) { userErrors { code } } }",
            json!({ "a": reservation }),
            "RESERVATION_NOT_FOUND",
        ),
        (
            "mutation($a: ID!) { x: spaceCreate(input: {property: $a, name: \"n\", kind: ROOM}) { userErrors { code } } }",
            json!({ "a": theirs.id }),
            "PROPERTY_NOT_FOUND",
        ),
        (
            "mutation($a: ID!) { x: integrationDisconnect(input: {integration: $a}) { userErrors { code } } }",
            json!({ "a": theirs.integration().await["id"] }),
            "INTEGRATION_NOT_FOUND",
        ),
    ];
    let owner = mine.sign_in().await;
    for (query, variables, code) in codes {
        let answer = owner.run(query, variables).await;
        assert_eq!(answer["x"]["userErrors"][0]["code"], json!(code), "{query}");
    }
    assert_eq!(theirs.status().await, "CONNECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_it_was_given_for_and_nothing_of_apps() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let permissions = [Permission::RoomsRead, Permission::StaysRead];
    let key = create_key(
        &portal.env.db,
        hotel.property,
        "Partner",
        &permissions,
        portal.env.now(),
    )
    .await
    .unwrap();
    let partner = Caller::with_key(portal.address, &shown(&key));
    let viewer = partner
        .run(
            "{ viewer { name permissions memberships { id } } }",
            json!({}),
        )
        .await;
    let expected =
        json!({"name": "Partner", "permissions": ["ROOMS_READ", "STAYS_READ"], "memberships": []});
    assert_eq!(viewer["viewer"], expected);
    let stays = "query($id: ID!) { property(id: $id) { reservations(transfer: [WITHHELD]) { nodes { number guestName room { name } } } } }";
    let answer = partner.run(stays, json!({ "id": hotel.id })).await;
    let stay = json!([{"number": "31", "guestName": null, "room": {"name": "101"}}]);
    assert_eq!(answer["property"]["reservations"]["nodes"], stay);
    for query in [
        "query($id: ID!) { property(id: $id) { integrations { nodes { id } } } }",
        "query($id: ID!) { property(id: $id) { keychains { nodes { id } } } }",
        "query($id: ID!) { property(id: $id) { name } apps { nodes { slug } } }",
    ] {
        assert_eq!(
            partner.refused(query, json!({ "id": hotel.id })).await,
            "FORBIDDEN",
            "{query}"
        );
    }
    let refused = create_key(
        &portal.env.db,
        hotel.property,
        "x",
        &[Permission::Apps],
        portal.env.now(),
    )
    .await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "APPS is not a permission a key can have"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_guests_are_for_the_desk() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let query = "query($id: ID!) { property(id: $id) { reservations(transfer: [WITHHELD]) { nodes { guestName } } } }";
    for (role, name) in [
        (Role::Team, json!("Ada Guest")),
        (Role::Housekeeping, Value::Null),
    ] {
        let person = portal.person(&hotel, role).await;
        let answer = person.run(query, json!({ "id": hotel.id })).await;
        assert_eq!(
            answer["property"]["reservations"]["nodes"][0]["guestName"], name,
            "{role}"
        );
    }
    let installer = portal.person(&hotel, Role::Installer).await;
    assert_eq!(
        installer.refused(query, json!({ "id": hotel.id })).await,
        "FORBIDDEN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn property_events_replay_and_then_follow() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let mut socket = hotel.owner.socket().await;
    let query = "subscription($id: ID!) { propertyEvents(property: $id, after: 0,
        kinds: [INTEGRATION_CONNECTED, RESERVATION_WITHHELD]) { seq kind actor { kind name }
        subject { ... on Reservation { number withheld { code } } ... on Integration { status } } } }";
    socket.ask(query, json!({ "id": hotel.id })).await;
    let replayed = socket.data().await["propertyEvents"].take();
    assert_eq!(replayed["kind"], json!("INTEGRATION_CONNECTED"));
    assert_eq!(
        replayed["actor"],
        json!({"kind": "USER", "name": "Olive Owner"})
    );
    assert_eq!(replayed["subject"]["status"], json!("CONNECTED"));
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let followed = socket.data().await["propertyEvents"].take();
    assert_eq!(followed["kind"], json!("RESERVATION_WITHHELD"));
    assert_eq!(
        followed["subject"],
        json!({"number": "31", "withheld": {"code": "ROOM_NOT_MAPPED"}})
    );
    assert!(followed["seq"].as_i64() > replayed["seq"].as_i64());
    // Queries run over the socket too.
    socket.ask("{ viewer { name } }", json!({})).await;
    let next = socket.data().await;
    assert_eq!(next["viewer"]["name"], json!("Olive Owner"));
    assert_eq!(
        socket.hear().await,
        json!({ "type": "complete", "id": "2" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_are_refused_and_the_process_lives() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let team = portal.person(&hotel, Role::Team).await;
    let nested = format!(
        "{{ node(id: {}1{}) {{ id }} }}",
        "[".repeat(6_000),
        "]".repeat(6_000)
    );
    assert_eq!(
        team.refused(&nested, json!({})).await,
        "OPERATION_TOO_LARGE"
    );
    assert_eq!(
        team.refused("{ __schema { types { name } } }", json!({}))
            .await,
        "FORBIDDEN"
    );
    assert_eq!(
        team.refused("{ nothing }", json!({})).await,
        "GRAPHQL_VALIDATION_FAILED"
    );
    assert_eq!(
        team.refused("{ viewer { name }", json!({})).await,
        "GRAPHQL_PARSE_FAILED"
    );
    // A value that does not fit is not repeated.
    let query = "mutation($values: [AppFieldValue!]!) { integrationConnect(input: {property: \"x\", app: \"mews\", values: $values}) { userErrors { code } } }";
    let variables = json!({ "values": [{ "key": 5, "value": "CANARY-TOKEN" }] });
    let answer = hotel.owner.answer(query, variables).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        json!("BAD_USER_INPUT")
    );
    assert!(!answer.to_string().contains("CANARY"), "{answer}");
    let introspected = hotel
        .owner
        .run("{ __schema { queryType { name } } }", json!({}))
        .await;
    assert_eq!(
        introspected["__schema"]["queryType"]["name"],
        json!("Query")
    );
}

/// Everything the process logs, at the finest level.
pub(crate) fn log() -> Arc<Mutex<Vec<u8>>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut log = self.0.lock().expect("nobody panics while writing");
            log.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    struct Make(Arc<Mutex<Vec<u8>>>);
    impl<'a> MakeWriter<'a> for Make {
        type Writer = Sink;
        fn make_writer(&'a self) -> Sink {
            Sink(self.0.clone())
        }
    }
    LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(Make(log.clone()))
            .init();
        log
    })
    .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_pins_are_in_no_log_no_answer_no_job_and_no_database() {
    let log = log();
    let portal = Portal::start().await;
    let mut hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    // Jobs that wait are looked at as well.
    portal.clock.advance(chrono::Duration::seconds(75));
    portal_jobs::sweep::sweep(&portal.env, false).await.unwrap();
    let mut conn = portal.env.db.read().await.unwrap();
    let waiting = format!("{:?}", portal_store::job::all(&mut conn).await.unwrap());
    drop(conn);
    portal.settle().await;
    portal.mews.revoke_token(&hotel.token);
    portal.next_look().await;
    portal.later(chrono::Duration::seconds(95)).await;
    let fresh = portal.mews.add_access_token(&hotel.enterprise);
    hotel.reconnect("REFUSED-CANARY-TOKEN").await;
    hotel.reconnect(&shown(&fresh)).await;
    portal.settle().await;
    let pin = portal.mews.pins("31")[0].value.clone();
    hotel.owner = hotel.sign_in().await;
    let answers = [
        hotel.integration().await.to_string(),
        hotel.reservation("31").await.to_string(),
        hotel
            .owner
            .run(
                "query($id: ID!) { property(id: $id) { problems { nodes { message } } devices { nodes { name capabilities { value } } }
                   integrations { nodes { validationAttempts { nodes { outcome httpStatus pmsRequestId } } credential { version } } }
                   keychains { nodes { pin { length proof { rules draws } } } } } }",
                json!({ "id": hotel.id }),
            )
            .await
            .to_string(),
    ]
    .join("\n");
    let dump = portal.database.dump().await;
    let log = log.lock().unwrap().clone();
    let holds = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds(&log, "configuration/get") && holds(&dump, "Ada Guest"));

    let secrets = [
        ("the token", shown(&hotel.token)),
        ("the new token", shown(&fresh)),
        ("a refused token", "REFUSED-CANARY-TOKEN".to_owned()),
        ("the key of the locks", shown(&hotel.site.key)),
        ("the client token", CLIENT_TOKEN.to_owned()),
        ("the PIN", pin),
        ("the password", PASSWORD.to_owned()),
        (
            "the session",
            hotel
                .owner
                .credential
                .clone()
                .unwrap()
                .1
                .split_once('=')
                .unwrap()
                .1
                .to_owned(),
        ),
    ];
    for (what, secret) in &secrets {
        for (place, bytes) in [
            ("the log", log.as_slice()),
            ("the answers", answers.as_bytes()),
            ("the jobs", waiting.as_bytes()),
            ("the database", dump.as_slice()),
        ] {
            for written in [secret.clone(), hex(secret)] {
                let found = bytes
                    .windows(written.len())
                    .enumerate()
                    .filter(|(_, part)| *part == written.as_bytes())
                    // Six digits may stand in a time or an identifier by chance: then not alone.
                    .any(|(at, _)| {
                        let digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
                        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
                        let alone = !digit(before) && !digit(bytes.get(at + written.len()));
                        *what != "the PIN" || alone
                    });
                assert!(!found, "{what} is in {place}");
            }
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _ = std::fmt::Write::write_fmt(&mut all, format_args!("{byte:02x}"));
        all
    })
}
