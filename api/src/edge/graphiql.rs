//! GraphiQL, bundled in the binary where its page was built.

use super::App;
use crate::auth::{Credential, authenticate, credential};
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

include!(concat!(env!("OUT_DIR"), "/graphiql.rs"));

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Shown where the page was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>GraphiQL is not built</title>\
<h1>GraphiQL is not built into this Portal</h1><p>Run <code>sh api/graphiql/build.sh</code> where npm is found, then build Portal again.</p></html>";

fn file(path: &str) -> Option<&'static [u8]> {
    FILES
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, bytes)| *bytes)
}

/// The page: for owners and general managers with a session.
pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    let viewer = match credential(&headers, app.secure) {
        Some(session @ Credential::Session(_)) => {
            authenticate(&app.env.db, &session, app.env.now())
                .await
                .ok()
        }
        _ => None,
    };
    let Some(viewer) = viewer else {
        let to = [(LOCATION, "/auth/sign-in?next=/graphiql")];
        return (StatusCode::SEE_OTHER, to).into_response();
    };
    if !viewer.is_admin() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let body = file("index.html").unwrap_or(NOT_BUILT.as_bytes());
    send(body, "text/html; charset=utf-8", "no-store")
}

/// A part of the page. Their names carry a hash, so they never change.
pub(super) async fn asset(Path(path): Path<String>) -> Response {
    let kind = match path.rsplit('.').next() {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("ttf") => "font/ttf",
        Some("md") => "text/plain; charset=utf-8",
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match file(&path) {
        Some(body) => send(body, kind, "public, max-age=31536000, immutable"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn send(body: &'static [u8], kind: &'static str, cache: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, body).into_response()
}
