//! A Mews in memory: properties, rooms, reservations, guests and the PINs stored on them.
//!
//! It checks each request against the published contract, keeps an account of those that break it,
//! and answers as the contract says. Whoever plays the staff of a hotel uses the methods of
//! [`FakeMews`] or, from outside, the addresses under `/control`, which ask for no token: let it
//! listen on loopback only.
//!
//! Where Mews's contract is silent the fake decides: adding a PIN twice stores two; identifiers
//! that do not exist are an error when writing and missing when reading; stored PINs stay when a
//! reservation moves or ends, and do not change it; a renamed guest does.
//!
//! Told an address, it sends webhooks as Mews does. With `FAKE_MEWS_JUDGE` set, what it is asked and
//! answers passes a judge of its contract, see `.ci/mews-contract`.

mod answer;
mod booking;
mod contract;
mod control;
mod door;
mod fault;
mod filter;
mod hook;
mod house;
mod list;
mod model;
mod operation;
mod server;
mod staff;
mod state;
mod stay;

pub use booking::{Booking, HeldPin, NewRoom};
pub use fault::{Fault, Scripted};
pub use hook::{HookFaults, IntegrationEvent};
pub use model::{Permissions, StayState};

use chrono::{DateTime, Utc};
use portal_interface::{Clock, Http, OpenGate, SecretString};
use state::{Done, State};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Requests a token may make in 30 seconds, as at Mews.
const RATE_LIMIT: u32 = 200;

/// How a fake is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The secret it expects of the application.
    pub client_token: SecretString,
    /// Its clock. The rate limit follows the machine's instead.
    pub clock: Arc<dyn Clock>,
    /// Requests a token may make in 30 seconds; `None`: any number.
    pub rate_limit: Option<u32>,
}

impl Options {
    /// With the limit Mews has.
    pub fn new(client_token: SecretString, clock: Arc<dyn Clock>) -> Self {
        Self {
            client_token,
            clock,
            rate_limit: Some(RATE_LIMIT),
        }
    }
}

/// A property just added, and a token that opens it.
#[derive(Debug, Clone)]
pub struct NewEnterprise {
    /// Its identifier: the account's key.
    pub id: String,
    /// Its access token.
    pub access_token: SecretString,
}

/// A running fake. It stops when this is dropped.
///
/// Properties are named by identifier or name, rooms by identifier or name within their property,
/// reservations by identifier or by a number no other has. The methods panic when there is no such
/// thing: a mistake of the caller's.
#[derive(Debug)]
pub struct FakeMews {
    url: String,
    shared: Arc<Shared>,
    /// Dropping it ends the server.
    _stop: oneshot::Sender<()>,
    /// Sends webhooks.
    messenger: JoinHandle<()>,
}

impl Drop for FakeMews {
    fn drop(&mut self) {
        self.messenger.abort();
    }
}

/// What the server and its handle share.
struct Shared {
    state: Mutex<State>,
    client_token: SecretString,
    clock: Arc<dyn Clock>,
    rate_limit: Option<u32>,
    /// For webhooks.
    http: Http,
    /// Wakes who sends them.
    told: Notify,
}

impl std::fmt::Debug for Shared {
    /// Without the state: it holds tokens and PINs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut state);
        if state.seal_messages() {
            self.told.notify_one();
        }
        done
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl FakeMews {
    /// Starts a fake without properties. Port 0 takes a free one.
    pub async fn start(listen: SocketAddr, options: Options) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        let url = format!("http://{}", door::of(listener.local_addr()?).await?);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            client_token: options.client_token,
            clock: options.clock,
            rate_limit: options.rate_limit,
            http: Http::new(Arc::new(OpenGate)),
            told: Notify::new(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let app = control::routes()
            .fallback(server::serve)
            .with_state(shared.clone());
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            // Nothing is ever sent: it ends when the handle is dropped.
            let _ = stopped.await;
        });
        tokio::spawn(async move { serving.await });
        let messenger = tokio::spawn(hook::run(shared.clone()));
        Ok(Self {
            url,
            shared,
            _stop: stop,
            messenger,
        })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Carries out what staff do; `now` is the fake's.
    fn act<T>(&self, act: impl FnOnce(&mut State, DateTime<Utc>) -> Done<T>) -> T {
        let now = self.shared.now();
        let done = self.shared.with(|state| act(state, now));
        done.expect("what the command names was added before")
    }
}
