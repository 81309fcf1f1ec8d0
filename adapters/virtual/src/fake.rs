//! The server of the virtual locks: sites, locks and their codes, in memory.
//!
//! It obeys its own rules like a lock does, notes requests a real vendor would not accept, and can
//! be told to fail. Whoever plays the vendor's staff uses the methods of [`FakeLocks`] or, from
//! outside, the addresses under `/control`, which ask for no key: let it listen on loopback only.

mod control;
mod fault;
mod lock;
mod server;
mod state;

pub use fault::{Calls, Fault, Operation, Scripted};
pub use lock::LockCode;

use chrono::{DateTime, Utc};
use lock::Lock;
use portal_interface::{Clock, DeviceRule, SecretString};
use state::{Problem, State};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// A site just added, and the key that opens it.
#[derive(Debug, Clone)]
pub struct NewSite {
    /// Its identifier: the account's key.
    pub id: String,
    /// Its access key.
    pub key: SecretString,
}

/// A running server. It stops when this is dropped.
///
/// The methods panic when there is no such site or lock: a mistake of the caller's.
#[derive(Debug)]
pub struct FakeLocks {
    url: String,
    shared: Arc<Shared>,
    /// Dropping it ends the server.
    _stop: oneshot::Sender<()>,
}

/// What the server and its handle share.
struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Shared {
    /// Without the state: it holds keys and digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl FakeLocks {
    /// Starts a server without sites. Port 0 takes a free one.
    pub async fn start(listen: SocketAddr, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            clock,
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let app = server::routes(&shared).merge(control::routes(&shared));
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            // Nothing is ever sent: it ends when the handle is dropped.
            let _ = stopped.await;
        });
        tokio::spawn(async move { serving.await });
        Ok(Self {
            url,
            shared,
            _stop: stop,
        })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a site with a new key.
    pub fn add_site(&self, name: &str) -> NewSite {
        self.shared.with(|state| state.add_site(name, None))
    }

    /// Adds a site with a key of one's own, so that it is the same after the next start.
    pub fn add_site_with_key(&self, name: &str, key: &str) -> NewSite {
        self.shared.with(|state| state.add_site(name, Some(key)))
    }

    /// Gives the site a new key; the old one no longer opens it.
    pub fn renew_key(&self, site: &str) -> SecretString {
        self.at_site(|state| state.renew_key(site))
    }

    /// Takes the site's key away.
    pub fn revoke_key(&self, site: &str) {
        self.at_site(|state| state.revoke_key(site));
    }

    /// Adds a lock and answers its identifier. A rule given stands in place of the usual one of
    /// its name. What cannot be chosen: that everything can be read back and revoked, and the
    /// length of labels.
    pub fn add_lock(&self, site: &str, name: &str, rules: &[DeviceRule]) -> String {
        self.at_site(|state| state.add_lock(site, name, rules))
    }

    /// Connects the lock, or cuts it off. Its codes open the door either way.
    pub fn set_online(&self, lock: &str, online: bool) {
        self.on(lock, |lock| lock.online = online);
    }

    /// Changes how many codes fit. Those already there stay.
    pub fn set_max_codes(&self, lock: &str, max: u32) {
        self.on(lock, |lock| lock.set_rule(&DeviceRule::MaxCodes(max)));
    }

    /// Sets a code by hand, as staff do at the lock: past its rules, a new entry or an old one.
    pub fn set_code(&self, lock: &str, code: &LockCode) {
        self.on(lock, |lock| lock.set_by_hand(code));
    }

    /// Takes a code off by hand. Answers whether it was there.
    pub fn drop_code(&self, lock: &str, label: &str) -> bool {
        self.on(lock, |lock| lock.drop_code(label))
    }

    /// The codes on a lock, by label.
    pub fn codes(&self, lock: &str) -> Vec<LockCode> {
        self.on(lock, |lock| lock.codes())
    }

    /// Whether these digits open the door at that instant.
    pub fn opens(&self, lock: &str, pin: &str, at: DateTime<Utc>) -> bool {
        self.on(lock, |lock| lock.opens(pin, at))
    }

    /// Lets the next so many requests fail; of one kind only, if `on` names it.
    pub fn inject(&self, fault: Fault, on: Option<Operation>, times: u32) {
        self.shared
            .with(|state| state.faults.plan(fault, on, times));
    }

    /// Answers every request with this and carries nothing out; `None`: as usual again.
    pub fn answer_with(&self, script: Option<Scripted>) {
        self.shared.with(|state| state.script = script);
    }

    /// Takes back the faults not yet happened.
    pub fn clear_faults(&self) {
        self.shared.with(|state| state.faults.clear());
    }

    /// How many faults have not happened yet.
    pub fn faults_left(&self) -> u32 {
        self.shared.with(|state| state.faults.left())
    }

    /// How often it was called since the start, failed requests included.
    pub fn calls(&self) -> Calls {
        self.shared.with(|state| state.calls)
    }

    /// Requests that break the contract, without the values in them. Empty after a good test.
    pub fn refused(&self) -> Vec<String> {
        self.shared.with(|state| state.refused.clone())
    }

    fn at_site<T>(&self, act: impl FnOnce(&mut State) -> Result<T, Problem>) -> T {
        let done = self.shared.with(act);
        done.expect("the site was added before, and the rules can be chosen")
    }

    fn on<T>(&self, lock: &str, act: impl FnOnce(&mut Lock) -> T) -> T {
        let done = self.shared.with(|state| state.locks.get_mut(lock).map(act));
        done.expect("the lock was added before")
    }
}
