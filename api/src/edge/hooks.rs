//! `POST /hooks/{app}/{secret}`: what vendors deliver.
//!
//! Vendors sign nothing: the secret in the address is all there is, and everything in a body is a
//! stranger's word. A delivery is therefore only noted as a hint where to look again. Neither the
//! address nor a body is ever logged.

use super::App;
use super::budget::Budget;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portal_jobs::hook;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};
use tokio::time::timeout;

/// The route as it stands in the log.
const ROUTE: &str = "/hooks/{app}/{secret}";
/// Largest body, in bytes.
const LARGEST: usize = 1024 * 1024;
/// Longest time for reading a body, and again for noting it: Mews waits five seconds (Mews
/// documentation, `events/wh-faq.md`) and delivers again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fewest characters of a secret: 256 bits need 43, some vendors allow less.
const SHORTEST: usize = 32;
/// Most characters.
const LONGEST: usize = 255;
/// Secrets of an app that are valid at once: the new one, and the old one until the vendor uses the
/// new address.
const MOST: usize = 2;

/// Why secrets cannot be used. Never quotes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookSecretError {
    /// Too short or too long, or with characters that have a meaning in addresses.
    #[error(
        "each secret must have 32 to 255 characters out of letters, digits, - . _ and ~; make one with `portal keys hook`"
    )]
    Shape,
    /// More than two.
    #[error("at most two secrets may be given, the newest first")]
    Many,
}

/// The secrets that vendors' addresses hold, by app. Kept as hashes.
#[derive(Clone, Default)]
pub struct HookSecrets(HashMap<&'static str, Vec<[u8; 32]>>);

impl std::fmt::Debug for HookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl HookSecrets {
    /// Adds those of an app: one, or two separated by a comma.
    pub fn add(
        &mut self,
        app: &'static str,
        secrets: &SecretString,
    ) -> Result<(), HookSecretError> {
        let all: Vec<&str> = secrets.expose_secret().split(',').map(str::trim).collect();
        if all.len() > MOST {
            return Err(HookSecretError::Many);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let good = |secret: &&str| {
            (SHORTEST..=LONGEST).contains(&secret.len()) && secret.chars().all(plain)
        };
        if !all.iter().all(good) {
            return Err(HookSecretError::Shape);
        }
        self.0.insert(app, all.into_iter().map(hash).collect());
        Ok(())
    }

    fn opens(&self, app: &str, secret: &str) -> bool {
        let offered = hash(secret);
        let known = self.0.get(app).map(Vec::as_slice).unwrap_or_default();
        let one = |found: Choice, known: &[u8; 32]| found | known.ct_eq(&offered);
        known.iter().fold(Choice::from(0), one).into()
    }
}

/// They are random, so no salt is needed.
fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What the route works with.
#[derive(Debug)]
pub(super) struct Desk {
    secrets: HookSecrets,
    /// Wrong addresses, ten a minute for each caller.
    guesses: Budget<IpAddr>,
    /// Hints for accounts nobody here is linked to, and bodies that were no JSON: since the start.
    unknown: AtomicU64,
    unreadable: AtomicU64,
}

impl Desk {
    pub(super) fn new(secrets: HookSecrets) -> Arc<Self> {
        Arc::new(Self {
            secrets,
            guesses: Budget::new(Duration::from_secs(6), 10),
            unknown: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        })
    }
}

/// What is not there.
pub(super) async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// Takes a delivery: 202 whatever it says. A wrong secret looks like an address that is not there.
pub(super) async fn take(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((slug, secret)): Path<(String, String)>,
    request: Request,
) -> Response {
    if !app.hooks.secrets.opens(&slug, &secret) {
        return refuse(&app, peer.ip());
    }
    let Some(pms) = app.env.apps.pms(&slug) else {
        return nothing().await.into_response();
    };
    let Some(hooks) = pms.hooks() else {
        return nothing().await.into_response();
    };
    let body = match timeout(PATIENCE, to_bytes(request.into_body(), LARGEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let name = pms.app().slug;
    let Ok(hints) = hooks.read(&body) else {
        let so_far = app.hooks.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(
            app = name,
            route = ROUTE,
            so_far,
            "a delivery could not be read"
        );
        return StatusCode::ACCEPTED.into_response();
    };
    if hints.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    match timeout(PATIENCE, hook::take(&app.env, name, &hints)).await {
        Ok(Ok(0)) => StatusCode::ACCEPTED.into_response(),
        Ok(Ok(unknown)) => {
            let unknown = u64::try_from(unknown).unwrap_or(0);
            let so_far = app.hooks.unknown.fetch_add(unknown, Ordering::Relaxed) + unknown;
            tracing::info!(
                app = name,
                route = ROUTE,
                so_far,
                "a delivery is for nobody here"
            );
            StatusCode::ACCEPTED.into_response()
        }
        // Not noted: it shall come again.
        Ok(Err(error)) => {
            tracing::warn!(app = name, route = ROUTE, %error, "a delivery could not be noted");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => {
            tracing::warn!(
                app = name,
                route = ROUTE,
                "a delivery was not noted in time"
            );
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// The right secret is never turned away for the wrong guesses of others behind the same proxy.
fn refuse(app: &App, peer: IpAddr) -> Response {
    let now = app.env.now().timestamp_micros();
    let now = Duration::from_micros(now.try_into().unwrap_or(0));
    if app.hooks.guesses.take(peer, now, 1) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = StatusCode::TOO_MANY_REQUESTS.into_response();
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-0123456789abcdef0123456789abcdef";
    const NEW: &str = "new-0123456789abcdef0123456789abcdef";

    #[test]
    fn two_secrets_open_at_once_and_only_for_their_app() {
        let mut secrets = HookSecrets::default();
        assert!(!secrets.opens("mews", ""));
        secrets
            .add("mews", &format!("{NEW}, {OLD}").into())
            .unwrap();
        assert!(secrets.opens("mews", NEW) && secrets.opens("mews", OLD));
        for (app, secret) in [("mews", ""), ("mews", &NEW[1..]), ("demo", NEW), ("", "")] {
            assert!(!secrets.opens(app, secret), "{app} {secret}");
        }
        assert_eq!(format!("{secrets:?}"), r#"{"mews"}"#);
    }

    #[test]
    fn secrets_that_are_short_odd_or_many_are_refused() {
        let mut secrets = HookSecrets::default();
        for (text, error) in [
            (String::new(), HookSecretError::Shape),
            (NEW[..31].to_owned(), HookSecretError::Shape),
            (format!("{NEW}/"), HookSecretError::Shape),
            (format!("{NEW},"), HookSecretError::Shape),
            ("ü".repeat(40), HookSecretError::Shape),
            ("x".repeat(256), HookSecretError::Shape),
            (format!("{NEW},{OLD},{OLD}"), HookSecretError::Many),
        ] {
            assert_eq!(
                secrets.add("mews", &text.as_str().into()),
                Err(error),
                "{text}"
            );
        }
        assert!(!secrets.opens("mews", NEW));
    }
}
