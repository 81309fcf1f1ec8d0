//! The one way out to a vendor: gate, deadline, size and nesting limits, a span without secrets.

use crate::{Account, AdapterError, App, Trouble};
use async_trait::async_trait;
use portal_domain::{AppCategory, IntegrationId};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// Largest answer that is read, in bytes.
pub const LARGEST_ANSWER: usize = 10 * 1024 * 1024;
/// Longest wait a vendor can ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// Wait taken when a vendor asks for an absurd one.
const ABSURD_PAUSE: Duration = Duration::from_secs(30);

/// Keeps an app's budget for an account, across all processes.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Takes one permit, waiting a little if need be; not at all while the vendor does not answer.
    async fn pass(&self, app: &'static App, integration: IntegrationId) -> Result<(), GateClosed>;
    /// Lets nobody through for so long.
    async fn close(&self, app: &'static App, integration: IntegrationId, pause: Duration);
    /// Notes whether the vendor answered. Some who never do get a pause.
    async fn report(&self, app: &'static App, integration: IntegrationId, reach: Reach);
}

/// Whether a vendor answered a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It did, whatever the answer.
    Answered,
    /// It did not, or said that it cannot.
    Silent,
}

impl Reach {
    /// Reads it off a call. A status of the server's own trouble says as little as silence; that one
    /// lock behind a vendor cannot be reached says nothing about the vendor.
    fn of(app: &App, answer: &Result<Answer, AdapterError>) -> Option<Self> {
        match answer {
            Ok(answer) if answer.status == 503 && app.category == AppCategory::Lock => None,
            Ok(answer) if answer.status == 408 || answer.status >= 500 => Some(Self::Silent),
            Ok(_) | Err(AdapterError::Unreadable { .. }) => Some(Self::Answered),
            Err(AdapterError::Unreachable(_)) => Some(Self::Silent),
            Err(_) => None,
        }
    }
}

/// No permit is to be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateClosed {
    /// When one will be.
    pub retry_after: Duration,
}

/// A gate that is always open, for tests of adapters.
#[derive(Debug, Default, Clone, Copy)]
pub struct OpenGate;

#[async_trait]
impl Gate for OpenGate {
    async fn pass(&self, _: &'static App, _: IntegrationId) -> Result<(), GateClosed> {
        Ok(())
    }
    async fn close(&self, _: &'static App, _: IntegrationId, _: Duration) {}
    async fn report(&self, _: &'static App, _: IntegrationId, _: Reach) {}
}

/// An answer of a vendor, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Body in full.
    pub body: Vec<u8>,
    /// How long the vendor asked to wait.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Debug for Answer {
    /// The body is left out: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The client all adapters call through.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    gate: Arc<dyn Gate>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// A client that draws its permits from `gate`. Redirects are not followed, proxies of the
    /// environment are not used: only the app's own hosts are called.
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        // Whoever was first chose the same; a second choice is refused, which is no harm.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .unwrap_or_default();
        Self { client, gate }
    }

    /// Starts a request. Build it with the methods of `reqwest`, then [`Self::send`] it.
    pub fn post(&self, url: &str) -> reqwest::RequestBuilder {
        self.client.post(url)
    }

    /// Starts a reading request.
    pub fn get(&self, url: &str) -> reqwest::RequestBuilder {
        self.client.get(url)
    }

    /// Sends a request for an account and reads the whole answer, both within `deadline`.
    ///
    /// Notes status and request id in `account.seen`; on 429 closes the gate for everyone.
    /// `operation` names the call in the log: a constant, never an address.
    pub async fn send(
        &self,
        app: &'static App,
        account: &Account,
        operation: &'static str,
        request: reqwest::RequestBuilder,
        deadline: Duration,
    ) -> Result<Answer, AdapterError> {
        self.gate
            .pass(app, account.integration)
            .await
            .map_err(|closed| AdapterError::RateLimited {
                retry_after: Some(closed.retry_after),
            })?;
        let span = tracing::info_span!(
            "vendor call",
            app = app.slug,
            operation,
            integration.id = %account.integration,
            status = tracing::field::Empty,
            request.id = tracing::field::Empty,
        );
        let answer = async {
            let call = portal_faults::once("call", self.exchange(account, request));
            let answer = tokio::time::timeout(portal_faults::patience(deadline), call)
                .await
                .unwrap_or(Err(AdapterError::Unreachable(Trouble::Deadline)));
            match &answer {
                Ok(answer) => tracing::debug!(bytes = answer.body.len(), "answered"),
                Err(error) => tracing::debug!(%error, "no answer"),
            }
            answer
        }
        .instrument(span)
        .await;
        if let Some(reach) = Reach::of(app, &answer) {
            self.gate.report(app, account.integration, reach).await;
        }
        let answer = answer?;
        if answer.status == 429 {
            let pause = answer.retry_after.unwrap_or(ABSURD_PAUSE);
            self.gate.close(app, account.integration, pause).await;
        }
        Ok(answer)
    }

    async fn exchange(
        &self,
        account: &Account,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, AdapterError> {
        let mut response = request.send().await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.chars().take(100).collect::<String>())
        };
        let request_id = header("request-id");
        let retry_after = header("retry-after").map(|text| pause(&text, header("date").as_deref()));
        tracing::Span::current().record("status", status);
        if let Some(id) = &request_id {
            tracing::Span::current().record("request.id", id.as_str());
        }
        account.seen.note(status, request_id);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(AdapterError::Unreadable {
                    at: "an answer over 10 MB".to_owned(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            body,
            retry_after,
        })
    }
}

fn trouble(error: &reqwest::Error) -> AdapterError {
    AdapterError::Unreachable(if error.is_connect() {
        Trouble::Connect
    } else if error.is_timeout() {
        Trouble::Deadline
    } else {
        Trouble::Cut
    })
}

/// Reads `Retry-After`: seconds, or a date measured against the answer's own `Date`. Capped; what
/// makes no sense counts as [`ABSURD_PAUSE`].
fn pause(text: &str, date: Option<&str>) -> Duration {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return match Duration::try_from_secs_f64(seconds) {
            Ok(pause) => pause.min(LONGEST_PAUSE),
            Err(_) => ABSURD_PAUSE,
        };
    }
    let at = |text: &str| chrono::DateTime::parse_from_rfc2822(text).ok();
    match (at(text), date.and_then(at)) {
        (Some(until), Some(now)) => (until - now)
            .to_std()
            .map_or(ABSURD_PAUSE, |pause| pause.min(LONGEST_PAUSE)),
        _ => ABSURD_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let date = Some("Tue, 24 Nov 2026 10:00:00 GMT");
        for (text, seconds) in [
            ("7", 7),
            ("0", 0),
            ("1.5", 1),
            ("-3", 30),
            ("soon", 30),
            ("99999999999999999999999", 30),
            ("86400", 900),
            ("901", 900),
            ("NaN", 30),
            ("inf", 30),
            ("", 30),
            ("Tue, 24 Nov 2026 10:00:42 GMT", 42),
            ("Tue, 24 Nov 2026 09:00:00 GMT", 30),
        ] {
            assert_eq!(pause(text, date).as_secs(), seconds, "{text}");
        }
        assert_eq!(pause("Tue, 24 Nov 2026 10:00:42 GMT", None), ABSURD_PAUSE);
    }
}
