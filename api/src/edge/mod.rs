//! The API's edge: from HTTP and WebSocket to the schema and back.
//!
//! Nothing reaches async-graphql's parser that has not been bounded here: a document of nested
//! literals would end the process, one of doubling fragments would stall it.

mod budget;
mod document;
mod error;
mod graphiql;
mod health;
mod hooks;
mod http;
mod measure;
mod operation;
mod places;
mod socket;

pub use document::Limits;
pub use error::{ApiError, ErrorCode};
pub use hooks::{HookSecretError, HookSecrets};

use crate::auth::{self, Credential, Viewer, authenticate};
use crate::graphql::{PortalSchema, schema};
use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::routing::{get, post};
use budget::Budget;
use places::Places;
use portal_jobs::Env;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

/// What handlers work with.
#[derive(Clone)]
pub struct App {
    pub(crate) env: Env,
    pub(crate) schema: PortalSchema,
    /// The address under which browsers reach this server.
    pub(crate) origin: Arc<str>,
    /// Whether that is https.
    pub(crate) secure: bool,
    /// Turns true when the process stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// What operations may cost, for each session and key: 1,000 points, 50 back each second.
    points: Arc<Budget<Uuid>>,
    /// Wrong keys, ten a minute for each address and beginning of a key.
    guesses: Arc<Budget<(IpAddr, String)>>,
    places: Places,
    hooks: Arc<hooks::Desk>,
    started: Instant,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl App {
    /// The API over what it works with.
    pub fn new(env: Env, origin: String, stopping: watch::Receiver<bool>) -> Self {
        Self {
            schema: schema(&env),
            env,
            secure: origin.starts_with("https://"),
            origin: origin.into(),
            stopping,
            points: Arc::new(Budget::new(Duration::from_millis(20), 1_000)),
            guesses: Arc::new(Budget::new(Duration::from_secs(6), 10)),
            places: Places::default(),
            hooks: hooks::Desk::new(HookSecrets::default()),
            started: Instant::now(),
        }
    }

    /// Takes what vendors deliver to addresses with these secrets. Without any, that address is not
    /// there.
    #[must_use]
    pub fn with_hooks(mut self, secrets: HookSecrets) -> Self {
        self.hooks = hooks::Desk::new(secrets);
        self
    }

    /// Finds out who is calling. Who guesses keys is turned away before the database is asked.
    async fn caller(&self, peer: IpAddr, offered: &Credential) -> Result<Viewer, ApiError> {
        let now = self.env.now();
        let Credential::Key(key) = offered else {
            return authenticate(&self.env.db, offered, now).await;
        };
        let guess = (peer, auth::prefix(key).to_owned());
        let since = Duration::from_micros(now.timestamp_micros().try_into().unwrap_or(0));
        if !self.guesses.any(&guess, since) {
            let text = "Too many wrong keys: wait a minute";
            return Err(ApiError::new(ErrorCode::Throttled, text));
        }
        let caller = authenticate(&self.env.db, offered, now).await;
        if matches!(&caller, Err(error) if error.code == ErrorCode::Unauthenticated) {
            self.guesses.take(guess, since, 1);
        }
        caller
    }
}

/// Every address of the API.
pub fn router(app: App) -> Router {
    Router::new()
        .route(
            "/graphql",
            post(http::post)
                .get(socket::upgrade)
                .fallback(http::other_method),
        )
        .route("/graphiql", get(graphiql::page))
        .route("/graphiql/", get(graphiql::page))
        .route("/graphiql/{*path}", get(graphiql::asset))
        .route("/auth/sign-in", get(auth::form).post(auth::sign_in))
        .route("/auth/sign-out", post(auth::sign_out))
        .route("/auth/confirm", post(auth::confirm))
        .route(
            "/hooks/{app}/{secret}",
            post(hooks::take).fallback(hooks::nothing),
        )
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .layer(axum::extract::DefaultBodyLimit::max(Limits::ADMIN.body))
        .with_state(app)
}

/// Serves until the process stops.
pub async fn serve(listener: TcpListener, app: App) {
    let mut stopping = app.stopping.clone();
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let stopped = async move {
        // An error means that the sender is gone: the process is at its end as well.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    if let Err(error) = axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!(%error, "the API's listener failed");
    }
}

/// The media type of a request's body, without parameters and in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media = text.split(';').next().unwrap_or(text);
    Some(media.trim().to_ascii_lowercase())
}

/// Whether a browser sent the request from a page of ours. Programs send no origin.
pub(crate) fn from_here(headers: &HeaderMap, origin: &str) -> bool {
    match headers.get(ORIGIN).map(|from| from.to_str()) {
        Some(Ok(from)) => from == origin || same_machine(from, origin),
        Some(Err(_)) => false,
        None => true,
    }
}

/// Whether both are this machine and the same port: whoever types localhost means us too.
fn same_machine(from: &str, origin: &str) -> bool {
    let port = |text: &str| -> Option<u16> {
        let (host, port) = text.strip_prefix("http://")?.rsplit_once(':')?;
        let own = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]"].contains(&host);
        own.then(|| port.parse().ok()).flatten()
    };
    port(from).is_some_and(|from| port(origin) == Some(from))
}
