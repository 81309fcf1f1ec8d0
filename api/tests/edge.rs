//! The edge against whoever means harm: nothing hostile gets past it, and the process lives on.

use chrono::{DateTime, Duration as Span, Utc};
use futures_util::{SinkExt, StreamExt};
use portal::admin::{NewOwner, create_key, create_owner};
use portal::auth::password;
use portal::config::{Config, Vendors};
use portal::edge::{App, serve};
use portal::serve::environment;
use portal_domain::{Permission, PropertyId, Role};
use portal_interface::{Clock, FixedClock};
use portal_jobs::Env;
use portal_store::{Sealer, membership, property, user};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const PASSWORD: &str = "a long enough password";
const OWNER: &str = "owner@example.com";
const VIEWER: &str = "{ viewer { name } }";

/// A running API.
struct Api {
    env: Env,
    clock: Arc<FixedClock>,
    address: SocketAddr,
    property: PropertyId,
    http: Client,
    stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Api {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().expect("a time");
        let clock = Arc::new(FixedClock::new(now));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config {
            database_url: format!("sqlite:{}", folder.path().join("p.db").display()).into(),
            listen: address,
            origin: None,
            keys: Some(Sealer::generate().expect("a key")),
            key_file: None,
            vendors: Vendors {
                mews_client_token: None,
                mews_client_name: "Portal tests".to_owned(),
                mews_api_url: "http://127.0.0.1:9".to_owned(),
                mews_webhook_secrets: None,
                virtual_locks_url: None,
                demo_app: true,
            },
        };
        let shared: Arc<dyn Clock> = clock.clone();
        let env = environment(&config, shared).await.expect("a database");
        let owner = NewOwner {
            email: OWNER,
            name: "Olive Owner",
            password: PASSWORD.into(),
            organization: "Aurora",
            property: "Aurora",
        };
        let property = create_owner(&env.db, owner, now).await.expect("an owner");
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopping) = watch::channel(false);
        let app = App::new(env.clone(), format!("http://{address}"), stopping);
        tokio::spawn(serve(listener, app));
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            env,
            clock,
            address,
            property,
            http: http.build().expect("a client"),
            stop,
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A key of the house.
    async fn key(&self) -> String {
        let may = [Permission::RoomsRead, Permission::EventsRead];
        let key = create_key(&self.env.db, self.property, "Partner", &may, self.env.now()).await;
        key.expect("a key").expose_secret().to_owned()
    }

    /// The cookie of a person with this role.
    async fn person(&self, role: Role) -> String {
        let email = format!("{}@example.com", role.as_str().to_lowercase());
        let hash = password::hash(PASSWORD.into()).await;
        let now = self.env.now();
        let mut tx = self.env.db.begin().await.expect("a transaction");
        let id = user::create(&mut tx, &email, role.as_str(), &hash, now).await;
        let house = property::by_id(&mut tx, self.property).await;
        let house = house.expect("a look").expect("the house");
        let (id, at) = (id.expect("a person"), Some(self.property));
        membership::grant(&mut tx, id, house.organization_id, at, role, now)
            .await
            .expect("a role");
        tx.commit().await.expect("a commit");
        self.sign_in(&email).await
    }

    /// The cookie of whoever signs in.
    async fn sign_in(&self, email: &str) -> String {
        let answer = self.try_sign_in(email, PASSWORD).await;
        assert_eq!(answer.status(), 200, "{email}");
        let cookie = answer.headers()["set-cookie"].to_str().expect("text");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    async fn try_sign_in(&self, email: &str, password: &str) -> Response {
        let body = json!({ "email": email, "password": password });
        let request = self.http.post(self.url("/auth/sign-in")).json(&body);
        request.send().await.expect("an answer")
    }

    fn post(&self, key: &str) -> RequestBuilder {
        self.http.post(self.url("/graphql")).bearer_auth(key)
    }

    /// Status and body of an operation, as the media type for GraphQL shows them.
    async fn ask(&self, key: &str, body: &Value) -> (StatusCode, Value) {
        let accept = "application/graphql-response+json";
        let request = self.post(key).header("accept", accept).json(body);
        let answer = request.send().await.expect("an answer");
        let kind = answer.headers()["content-type"].to_str().expect("text");
        assert!(kind.starts_with(accept), "{kind}");
        (answer.status(), answer.json().await.expect("JSON"))
    }

    /// The code of a document's first error, and the status it comes with.
    async fn refused(&self, key: &str, document: &str) -> (u16, String) {
        let (status, body) = self.ask(key, &json!({ "query": document })).await;
        assert_eq!(body.get("data"), None, "{document:.80}");
        (status.as_u16(), code(&body))
    }

    /// A cookie's operation, as a page of ours sends it.
    async fn with_cookie(&self, cookie: &str, document: &str) -> Value {
        let request = self
            .http
            .post(self.url("/graphql"))
            .header("cookie", cookie)
            .header("x-portal-csrf", "1")
            .json(&json!({ "query": document }));
        let answer = request.send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn socket(&self, cookie: Option<&str>) -> Socket {
        let url = format!("ws://{}/graphql", self.address);
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        let protocol = "graphql-transport-ws".parse().expect("a value");
        headers.insert("sec-websocket-protocol", protocol);
        if let Some(cookie) = cookie {
            headers.insert("cookie", cookie.parse().expect("a value"));
            headers.insert("origin", self.url("").parse().expect("a value"));
        }
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .expect("a socket");
        Socket(socket)
    }
}

fn code(body: &Value) -> String {
    let code = &body["errors"][0]["extensions"]["code"];
    code.as_str()
        .unwrap_or_else(|| panic!("no code: {body}"))
        .to_owned()
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn send(&mut self, text: impl ToString) {
        let message = Message::Text(text.to_string().into());
        self.0.send(message).await.expect("a socket that takes it");
    }

    async fn next(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(12), self.0.next()).await;
            let message = next.expect("an answer in time").expect("an answer");
            match message.expect("a message") {
                Message::Ping(_) | Message::Pong(_) => {}
                other => return other,
            }
        }
    }

    async fn hear(&mut self) -> Value {
        loop {
            let Message::Text(text) = self.next().await else {
                panic!("the socket was closed");
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] != "ping" {
                return message;
            }
        }
    }

    /// The code the socket is closed with.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a code").code.into();
            }
        }
    }

    async fn init(&mut self, key: Option<&str>) {
        let payload = key.map(|key| json!({ "authorization": format!("Bearer {key}") }));
        self.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(self.hear().await["type"], "connection_ack");
    }

    async fn subscribe(&mut self, id: &str, document: &str) {
        let payload = json!({ "query": document });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }
}

/// A query that spreads the first of `n` fragments, each of which spreads the next within `open` and
/// `close`, down to `leaf`.
fn chain(n: usize, open: &str, close: &str, leaf: &str) -> String {
    let fragments = (0..n).fold(String::new(), |mut all, at| {
        let next = at + 1;
        write!(
            all,
            " fragment f{at} on Query {{ {open}...f{next}{close} }}"
        )
        .expect("a text");
        all
    });
    format!("{{ ...f0 }}{fragments} fragment f{n} on Query {{ {leaf} }}")
}

/// A query whose fragments each spread the next twice.
fn doubling(n: usize, leaf: &str) -> String {
    let text = chain(n, "", "", leaf);
    (1..=n).fold(text, |text, at| {
        text.replace(&format!("...f{at} "), &format!("...f{at} ...f{at} "))
    })
}

/// Documents made to break something, each with the code it is refused with.
fn hostile() -> Vec<(&'static str, String, &'static str)> {
    let nested = |open: &str, close: &str, n: usize| {
        format!("{{ a(b: {}1{}) }}", open.repeat(n), close.repeat(n))
    };
    let mutations =
        "roomMap(input: {room: \"a\", space: \"b\"}) { userErrors { code } } ".repeat(6);
    let deep_type = format!("{}Int{}", "[".repeat(6_000), "]".repeat(6_000));
    let comments = format!("{{ a(b: {}1) }}", "[ #]\r".repeat(5_000));
    let string = format!("{{ a(b: [\"\"\"\\\\\"\"\"\"\"\"{}]) }}", "[".repeat(5_000));
    let inline = chain(45, &"...{".repeat(30), &"}".repeat(30), "viewer { name }");
    let in_fragment = format!("mutation {{ ...f }} fragment f on Mutation {{ {mutations} }}");
    let cycle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
    let too_large = "OPERATION_TOO_LARGE";
    let wrong = "GRAPHQL_VALIDATION_FAILED";
    let unread = "GRAPHQL_PARSE_FAILED";
    vec![
        ("lists", nested("[", "]", 5_000), too_large),
        ("objects", nested("{c:", "}", 2_500), too_large),
        (
            "types",
            format!("query($a: {deep_type}) {{ a }}"),
            too_large,
        ),
        ("a comment that ends early", comments, too_large),
        ("a string that ends early", string, too_large),
        ("doubling", doubling(30, "viewer { name }"), too_large),
        ("doubling to nothing", doubling(30, "...nothing"), wrong),
        ("a chain", chain(400, "", "", "viewer { name }"), too_large),
        ("a chain of inline fragments", inline, too_large),
        ("a cycle", cycle.into(), wrong),
        (
            "mutations",
            format!("mutation {{ {mutations} }}"),
            too_large,
        ),
        ("mutations in a fragment", in_fragment, too_large),
        ("fields", format!("{{ {} }}", "a ".repeat(401)), too_large),
        ("garbage", "{ a".into(), unread),
        (
            "an escape",
            r#"{ node(id: "\u{1F600}") { id } }"#.into(),
            unread,
        ),
        (
            "a type",
            "type A { b: Int }".into(),
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (
            "introspection",
            "{ __schema { types { name } } }".into(),
            "FORBIDDEN",
        ),
        ("no such field", "{ viewr { name } }".into(), wrong),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_are_refused_at_once_and_the_process_lives() {
    let api = Api::start().await;
    let key = api.key().await;
    let start = Instant::now();
    for (what, document, expected) in hostile() {
        let refused = api.refused(&key, &document).await;
        assert_eq!(refused, (400, expected.to_owned()), "{what}");
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
    }
    // What is not asked for is walked all the same by the library.
    for n in [26, 80] {
        let aside = format!(
            "query A {VIEWER} query B {}",
            doubling(n, "viewer { name }")
        );
        let body = json!({ "query": aside, "operationName": "A" });
        let (status, body) = api.ask(&key, &body).await;
        assert_eq!(
            (status.as_u16(), code(&body).as_str()),
            (400, "OPERATION_TOO_LARGE")
        );
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    let (_, body) = api.ask(&key, &json!({ "query": VIEWER })).await;
    assert_eq!(body, json!({ "data": { "viewer": { "name": "Partner" } } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_within_pages_within_pages_cost_too_much() {
    let api = Api::start().await;
    let key = api.key().await;
    let page = |first: &str| {
        format!(
            "query($n: Int) {{ properties(first: {first}) {{ nodes {{ rooms(first: {first}) {{ nodes {{ property {{
             devices(first: {first}) {{ edges {{ node {{ id }} }} }} }} }} }} }} }} }}"
        )
    };
    for (first, n) in [("100", 1), ("$n", 100), ("1000000", 1)] {
        let body = json!({ "query": page(first), "variables": { "n": n } });
        let (status, body) = api.ask(&key, &body).await;
        assert_eq!(
            (status.as_u16(), code(&body).as_str()),
            (400, "OPERATION_TOO_LARGE"),
            "{first}"
        );
    }
    let body = json!({ "query": page("$n"), "variables": { "n": 5 } });
    assert_eq!(api.ask(&key, &body).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_as_far_as_the_parser() {
    let api = Api::start().await;
    for document in ["not a document {{{", &"[".repeat(100_000)] {
        let request = api
            .http
            .post(api.url("/graphql"))
            .json(&json!({ "query": document }));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(answer.headers()["cache-control"], "private, no-store");
        assert!(answer.headers().contains_key("x-request-id"));
        assert_eq!(code(&answer.json().await.expect("JSON")), "UNAUTHENTICATED");
    }
    // A right prefix with a wrong secret is no better than any other key.
    let key = api.key().await;
    let wrong = format!("{}x", &key[..key.len() - 1]);
    for key in [wrong.as_str(), "ptl_0000000000_x", "null", "ptl__"] {
        assert_eq!(
            api.refused(key, VIEWER).await,
            (401, "UNAUTHENTICATED".to_owned()),
            "{key}"
        );
    }
    assert_eq!(api.ask(&key, &json!({ "query": VIEWER })).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_keys_is_stopped_before_the_database_is_asked() {
    let api = Api::start().await;
    for _ in 0..10 {
        assert_eq!(api.refused("ptl_0000000000_x", VIEWER).await.0, 401);
    }
    let (status, code) = api.refused("ptl_0000000000_x", VIEWER).await;
    assert_eq!((status, code.as_str()), (429, "THROTTLED"));
    api.clock.advance(Span::minutes(2));
    assert_eq!(api.refused("ptl_0000000000_x", VIEWER).await.0, 401);
    // Cookies are another matter: people behind the same address work on.
    let cookie = api.sign_in(OWNER).await;
    let answer = api.with_cookie(&cookie, VIEWER).await;
    assert_eq!(answer["data"]["viewer"]["name"], "Olive Owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_graphql_request_is_told_so() {
    let api = Api::start().await;
    let key = api.key().await;
    let json_type = "application/json";
    for (kind, body, status) in [
        ("text/plain", "{}".to_owned(), 415),
        (
            "application/x-www-form-urlencoded",
            "query=1".to_owned(),
            415,
        ),
        ("multipart/form-data; boundary=x", "--x--".to_owned(), 415),
        (
            json_type,
            "[{\"query\":\"{ viewer { name } }\"}]".to_owned(),
            400,
        ),
        (json_type, "{".to_owned(), 400),
        (json_type, "\"query\"".to_owned(), 400),
        (json_type, "{\"query\": 7}".to_owned(), 400),
        (json_type, "{}".to_owned(), 400),
        (
            json_type,
            json!({ "query": VIEWER, "variables": [] }).to_string(),
            400,
        ),
        (json_type, "[".repeat(20_000), 400),
        (
            json_type,
            json!({ "query": VIEWER, "x": "a".repeat(300_000) }).to_string(),
            413,
        ),
        // Half as much is for owners and general managers.
        (
            json_type,
            json!({ "query": VIEWER, "x": "a".repeat(200_000) }).to_string(),
            413,
        ),
        (
            "Application/JSON; charset=utf-8",
            json!({ "query": VIEWER, "variables": null }).to_string(),
            200,
        ),
    ] {
        let request = api
            .post(&key)
            .header("content-type", kind)
            .body(body.clone());
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{kind} {body:.40}");
        if status != 200 {
            let body: Value = answer.json().await.expect("JSON");
            assert_eq!(
                (code(&body).as_str(), body.get("data")),
                ("BAD_REQUEST", None)
            );
        }
    }
    let none = api
        .post(&key)
        .header("accept", "image/png")
        .json(&json!({ "query": VIEWER }));
    assert_eq!(none.send().await.expect("an answer").status(), 406);
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let method = method.parse().expect("a method");
        let request = api
            .http
            .request(method, api.url("/graphql?query={viewer{name}}"));
        let answer = request.bearer_auth(&key).send().await.expect("an answer");
        assert_eq!(answer.status(), 405);
        assert!(answer.headers().contains_key("allow"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_comes_back_in_an_error() {
    let api = Api::start().await;
    let key = api.key().await;
    let canary = "CANARY-7f3a";
    for (document, variables) in [
        (
            "query($id: ID!) { node(id: $id) { id } }",
            json!({ "id": { "a": canary } }),
        ),
        (
            "query($n: Int!) { properties(first: $n) { nodes { id } } }",
            json!({ "n": canary }),
        ),
        (
            "query($n: Int) { properties(first: $n) { nodes { id } } }",
            json!({ "n": [canary] }),
        ),
        (
            "query($s: Permission = \"CANARY-7f3a\") { viewer { name } }",
            json!({}),
        ),
        (
            "{ properties(first: \"CANARY-7f3a\") { nodes { id } } }",
            json!({}),
        ),
        ("{ node(id: \"CANARY-7f3a\\u{1}\") { id } }", json!({})),
        (
            "mutation { roomMap(input: {room: \"CANARY-7f3a\", rom: 1}) { userErrors { code } } }",
            json!({}),
        ),
        ("{ node(id: \"CANARY-7f3a) { id } }", json!({})),
        (
            "mutation($i: SpaceCreateInput!) { spaceCreate(input: $i) { userErrors { code } } }",
            json!({ "i": { "property": "x", "name": "n", "kind": canary } }),
        ),
    ] {
        let (_, body) = api
            .ask(&key, &json!({ "query": document, "variables": variables }))
            .await;
        assert!(
            body["errors"][0]["extensions"]["requestId"].is_string(),
            "{document}"
        );
        assert!(
            [
                "BAD_USER_INPUT",
                "GRAPHQL_VALIDATION_FAILED",
                "GRAPHQL_PARSE_FAILED"
            ]
            .contains(&code(&body).as_str()),
            "{body}"
        );
        assert!(!body.to_string().contains(canary), "{document}: {body}");
    }
    let (_, body) = api
        .ask(&key, &json!({ "query": "{ viewer { nam } }" }))
        .await;
    assert!(!body.to_string().contains("Did you mean"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_and_graphiql_are_for_admins() {
    let api = Api::start().await;
    let introspect = "{ __schema { queryType { name } } }";
    let (owner, team) = (api.sign_in(OWNER).await, api.person(Role::Team).await);
    let answer = api.with_cookie(&owner, introspect).await;
    assert_eq!(answer["data"]["__schema"]["queryType"]["name"], "Query");
    for document in [
        introspect,
        "{ ...f } fragment f on Query { __type(name: \"Room\") { name } }",
    ] {
        assert_eq!(code(&api.with_cookie(&team, document).await), "FORBIDDEN");
    }
    let page = async |cookie: &str| {
        let request = api.http.get(api.url("/graphiql")).header("cookie", cookie);
        request.send().await.expect("an answer")
    };
    assert_eq!(page("a=b").await.status(), 303);
    assert_eq!(page(&team).await.status(), 404);
    let shown = page(&owner).await;
    assert_eq!(shown.status(), 200);
    let policy = shown.headers()["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_by_the_form_leads_to_a_page_of_ours_alone() {
    let api = Api::start().await;
    let sign_in = async |password: &str, next: &str, origin: String| {
        let form = [("email", OWNER), ("password", password), ("next", next)];
        let body = form
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace('@', "%40").replace(' ', "+")))
            .collect::<Vec<_>>()
            .join("&");
        let request = api
            .http
            .post(api.url("/auth/sign-in"))
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        request.send().await.expect("an answer")
    };
    for (next, to) in [
        ("/graphiql", "/graphiql"),
        ("https://evil.example", "/graphiql"),
        ("//evil.example", "/graphiql"),
        ("/\\evil.example", "/graphiql"),
    ] {
        let answer = sign_in(PASSWORD, next, api.url("")).await;
        assert_eq!(
            (
                answer.status().as_u16(),
                answer.headers()["location"].to_str().ok()
            ),
            (303, Some(to))
        );
        api.clock.advance(Span::minutes(1));
    }
    // The same machine by its other name, as people type it.
    let other = format!("http://localhost:{}", api.address.port());
    assert_eq!(sign_in(PASSWORD, "", other).await.status(), 303);
    for foreign in [
        "https://evil.example",
        "null",
        "http://localhost:1",
        "http://localhost.evil.example",
    ] {
        assert_eq!(
            sign_in(PASSWORD, "", foreign.to_owned()).await.status(),
            403,
            "{foreign}"
        );
    }
    let wrong = sign_in("something else", "", api.url("")).await;
    assert_eq!(wrong.status(), 401);
    assert!(
        wrong
            .text()
            .await
            .expect("text")
            .contains("E-mail or password is wrong.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_stopped_for_the_account_whoever_asks() {
    let api = Api::start().await;
    for _ in 0..5 {
        assert_eq!(api.try_sign_in(OWNER, "wrong password").await.status(), 401);
    }
    assert_eq!(api.try_sign_in(OWNER, PASSWORD).await.status(), 429);
    api.clock.advance(Span::minutes(1));
    assert_eq!(api.try_sign_in(OWNER, PASSWORD).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_by_themselves_and_by_signing_out() {
    let api = Api::start().await;
    let alive = async |cookie: &str| api.with_cookie(cookie, VIEWER).await["data"].is_object();
    let (owner, team) = (api.sign_in(OWNER).await, api.person(Role::Team).await);
    api.clock.advance(Span::minutes(29));
    assert!(alive(&owner).await);
    api.clock.advance(Span::minutes(31));
    assert!(
        !alive(&owner).await,
        "an owner's session ends after 30 minutes without use"
    );
    assert!(alive(&team).await);
    for _ in 0..2 {
        api.clock.advance(Span::hours(7));
        let _ = alive(&team).await;
    }
    assert!(!alive(&team).await, "no session lasts longer than 12 hours");
    let owner = api.sign_in(OWNER).await;
    let request = api
        .http
        .post(api.url("/auth/sign-out"))
        .header("cookie", &owner);
    assert_eq!(request.send().await.expect("an answer").status(), 204);
    assert!(!alive(&owner).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_follows_its_protocol() {
    let api = Api::start().await;
    let key = api.key().await;
    for (text, close) in [
        ("not json", 4400),
        (r#"{"id":"1"}"#, 4400),
        (r#"{"type":"what"}"#, 4400),
        (
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}"}}"#,
            4401,
        ),
        (r#"{"type":"connection_init"}"#, 4403),
        (
            r#"{"type":"connection_init","payload":{"authorization":"Bearer ptl_0_x"}}"#,
            4403,
        ),
    ] {
        let mut socket = api.socket(None).await;
        socket.send(text).await;
        assert_eq!(socket.closed().await, close, "{text}");
    }
    let mut socket = api.socket(None).await;
    assert_eq!(socket.closed().await, 4408);

    let mut socket = api.socket(None).await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await["type"], "pong");
    socket.init(Some(&key)).await;
    socket.subscribe("1", VIEWER).await;
    assert_eq!(
        socket.hear().await["payload"]["data"]["viewer"]["name"],
        "Partner"
    );
    assert_eq!(
        socket.hear().await,
        json!({ "type": "complete", "id": "1" })
    );
    for document in [
        "{ a",
        "{ viewr { name } }",
        "{ __schema { types { name } } }",
    ] {
        socket.subscribe("1", document).await;
        let error = socket.hear().await;
        assert_eq!(
            (error["type"].as_str(), error["id"].as_str()),
            (Some("error"), Some("1"))
        );
        assert!(
            error["payload"][0]["extensions"]["code"].is_string(),
            "{error}"
        );
    }
    let deep = format!("{{ a(b: {}1) }}", "[".repeat(5_000));
    let aside = format!(
        "query A {VIEWER} query B {}",
        doubling(26, "viewer { name }")
    );
    for document in [deep, aside] {
        socket.subscribe("1", &document).await;
        assert_eq!(
            socket.hear().await["payload"][0]["extensions"]["code"],
            "OPERATION_TOO_LARGE"
        );
    }
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, 4429);
}

/// A subscription to the house, for whoever may follow it.
async fn follow(api: &Api, cookie: &str) -> String {
    let answer = api
        .with_cookie(cookie, "{ properties { nodes { id } } }")
        .await;
    let id = &answer["data"]["properties"]["nodes"][0]["id"];
    format!("subscription {{ propertyEvents(property: {id}, after: 0) {{ seq kind }} }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_runs_until_its_end_is_asked_for() {
    let api = Api::start().await;
    let owner = api.sign_in(OWNER).await;
    let document = follow(&api, &owner).await;
    let mut socket = api.socket(Some(&owner)).await;
    socket.init(None).await;
    socket.subscribe("1", &document).await;
    socket.subscribe("1", &document).await;
    assert_eq!(socket.closed().await, 4409);

    let mut socket = api.socket(Some(&owner)).await;
    socket.init(None).await;
    socket.subscribe("1", &document).await;
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("1", VIEWER).await;
    assert_eq!(
        socket.hear().await["payload"]["data"]["viewer"]["name"],
        "Olive Owner"
    );
    api.stop.send_replace(true);
    assert_eq!(socket.closed().await, 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_what_its_caller_may_do() {
    let api = Api::start().await;
    let (owner, team) = (api.sign_in(OWNER).await, api.person(Role::Team).await);
    let document = follow(&api, &team).await;
    let mut sockets = Vec::new();
    for cookie in [&owner, &team] {
        let mut socket = api.socket(Some(cookie)).await;
        socket.init(None).await;
        socket.subscribe("1", &document).await;
        sockets.push(socket);
    }
    let request = api
        .http
        .post(api.url("/auth/sign-out"))
        .header("cookie", &owner);
    assert_eq!(request.send().await.expect("an answer").status(), 204);
    // A further role changes what the person may do: the client comes again with it.
    let now = api.env.now();
    let mut tx = api.env.db.begin().await.expect("a transaction");
    let person = user::by_email(&mut tx, "team@example.com").await;
    let person = person.expect("a look").expect("the person");
    let house = property::by_id(&mut tx, api.property).await;
    let organization = house.expect("a look").expect("the house").organization_id;
    membership::grant(&mut tx, person.id, organization, None, Role::Owner, now)
        .await
        .expect("a role");
    tx.commit().await.expect("a commit");
    for mut socket in sockets {
        assert_eq!(socket.closed().await, 4403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_socket_does_not_keep_a_session_in_use() {
    let api = Api::start().await;
    let owner = api.sign_in(OWNER).await;
    let mut socket = api.socket(Some(&owner)).await;
    socket.init(None).await;
    api.clock.advance(Span::minutes(20));
    tokio::time::sleep(Duration::from_secs(6)).await;
    api.clock.advance(Span::minutes(20));
    assert_eq!(socket.closed().await, 4403);
}
