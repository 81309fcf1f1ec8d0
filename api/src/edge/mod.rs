//! The API's edge: from HTTP and WebSocket to the schema and back.
//!
//! Nothing reaches async-graphql's parser that has not been bounded here: a document of nested
//! literals would end the process, one of doubling fragments would stall it.

mod document;
mod error;
mod graphiql;
mod health;
mod http;
mod operation;
mod socket;

pub use document::Limits;
pub use error::{ApiError, ErrorCode};

use crate::auth;
use crate::graphql::{PortalSchema, schema};
use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::routing::{get, post};
use portal_jobs::Env;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

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
        }
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

/// The media type of a request's body, without parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or(text).trim())
}

/// Whether a browser sent the request from a page of ours. Programs send no origin.
pub(crate) fn from_here(headers: &HeaderMap, origin: &str) -> bool {
    match headers.get(ORIGIN) {
        Some(from) => from.as_bytes() == origin.as_bytes(),
        None => true,
    }
}
