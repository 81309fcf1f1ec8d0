//! A whole Portal for a test: a real database, fake vendors over HTTP, the API over HTTP, and a
//! clock that stands still until told to move.

mod between;
mod caller;
mod clock;
mod database;
mod hotel;
mod subscription;

pub(crate) use between::between;
pub(crate) use caller::Caller;
pub(crate) use clock::TestClock;
pub(crate) use database::TestDatabase;
pub(crate) use hotel::{Hotel, find, text};

use chrono::{DateTime, Duration, Utc};
use portal::auth::password;
use portal::config::Vendors;
use portal::edge::{App, serve};
use portal_domain::Role;
use portal_interface::{Clock, Gate, Http, OpenGate, SecretString};
use portal_jobs::{Chance, Env, StoreGate, drain, registry, sweep};
use portal_mews::fake::{FakeMews, Options};
use portal_store::{DbError, Sealer, membership, property, user};
use portal_virtual::fake::FakeLocks;
use secrecy::ExposeSecret;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::watch;

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const CLIENT_TOKEN: &str = "client-token-of-the-tests";
pub(crate) const PASSWORD: &str = "a long enough password";

/// A whole Portal.
pub(crate) struct Portal {
    pub(crate) env: Arc<Env>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) mews: Arc<FakeMews>,
    pub(crate) locks: Arc<FakeLocks>,
    pub(crate) address: SocketAddr,
    pub(crate) database: TestDatabase,
    /// What seals tokens and PINs.
    pub(crate) keys: SecretString,
    /// Dropping it ends the server.
    _stop: watch::Sender<bool>,
}

impl Portal {
    /// Starts one, at nine in the morning of the first of December.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with other settings.
    pub(crate) async fn start_with(set: impl FnOnce(&mut Vendors)) -> Self {
        Self::start_as(set, false).await
    }

    /// Starts one that asks vendors as often as it likes: a test does a day's work in a second.
    pub(crate) async fn start_unlimited() -> Self {
        Self::start_as(|_| {}, true).await
    }

    /// Both.
    pub(crate) async fn start_unlimited_with(set: impl FnOnce(&mut Vendors)) -> Self {
        Self::start_as(set, true).await
    }

    async fn start_as(set: impl FnOnce(&mut Vendors), unlimited: bool) -> Self {
        let database = TestDatabase::new().await;
        let now: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().expect("a time");
        let clock = Arc::new(TestClock::at(now));
        let shared: Arc<dyn Clock> = clock.clone();
        let mut options = Options::new(CLIENT_TOKEN.into(), shared.clone());
        // The limit follows the machine's clock, and a test does a day's work in a second.
        options.rate_limit = None;
        let mews = FakeMews::start(LOOPBACK, options)
            .await
            .map(Arc::new)
            .expect("a fake Mews");
        let locks = FakeLocks::start(LOOPBACK, shared.clone())
            .await
            .map(Arc::new)
            .expect("fake locks");
        let mut vendors = Vendors {
            mews_client_token: Some(CLIENT_TOKEN.into()),
            mews_client_name: "Portal tests".to_owned(),
            mews_api_url: mews.url().to_owned(),
            mews_webhook_secrets: None,
            virtual_locks_url: Some(locks.url().to_owned()),
            demo_app: true,
        };
        set(&mut vendors);
        let gate = StoreGate::new(database.db.clone(), Arc::new(portal_interface::SystemClock))
            .with_pauses_by(shared.clone());
        let gate: Arc<dyn Gate> = if unlimited {
            Arc::new(OpenGate)
        } else {
            Arc::new(gate)
        };
        let http = Http::new(gate);
        let keys = Sealer::generate().expect("a key");
        let env = Arc::new(Env {
            apps: portal::apps::apps(&vendors, &http, &shared),
            db: database.db.clone(),
            clock: shared,
            chance: Chance::seeded(7),
            sealer: Sealer::parse(&keys).expect("a key"),
        });
        let listener = tokio::net::TcpListener::bind(LOOPBACK)
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopping) = watch::channel(false);
        let app = App::new((*env).clone(), format!("http://{address}"), stopping)
            .with_hooks(portal::apps::hook_secrets(&vendors).expect("good secrets"));
        tokio::spawn(serve(listener, app));
        Self {
            env,
            clock,
            mews,
            locks,
            address,
            database,
            keys,
            _stop: stop,
        }
    }

    /// A property with an owner, and a property of its own at the fake Mews, with rooms 101 to 103.
    pub(crate) async fn hotel(&self, name: &str) -> Hotel<'_> {
        Hotel::new(self, name).await
    }

    /// Such a property, connected to Mews, with a space and a lock for each of these rooms.
    pub(crate) async fn house(&self, name: &str, doors: &[&str]) -> Hotel<'_> {
        let hotel = self.hotel(name).await.with_mews().await;
        for room in doors {
            hotel.door(room).await;
        }
        hotel
    }

    /// Runs whatever is due, once. Fails when a job was given up. Answers how many jobs ran.
    pub(crate) async fn round(&self) -> Result<usize, DbError> {
        sweep::sweep(&self.env, false).await?;
        let drained = drain(&self.env, &registry()).await?;
        assert!(
            drained.set_aside.is_empty(),
            "given up: {:?}",
            drained.set_aside
        );
        Ok(drained.ran)
    }

    /// Runs whatever is due, until nothing is.
    pub(crate) async fn settle(&self) {
        for _ in 0..50 {
            if self.round().await.expect("the database") == 0 {
                return;
            }
        }
        panic!("the jobs never come to rest");
    }

    /// Lets time pass, then runs whatever is due.
    pub(crate) async fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.settle().await;
    }

    /// A little more than the minute after which Portal looks at the PMS again.
    pub(crate) async fn next_look(&self) {
        self.later(Duration::seconds(75)).await;
    }

    /// A person with a role in the organization of a hotel, signed in.
    pub(crate) async fn person(&self, hotel: &Hotel<'_>, role: Role) -> Caller {
        let email = format!(
            "{}@{}.example",
            role.as_str().to_lowercase(),
            hotel.property.0.simple()
        );
        let mut tx = self.env.db.begin().await.expect("a transaction");
        let hash = password::hash(PASSWORD.into()).await;
        let now = self.env.now();
        let id = user::create(&mut tx, &email, role.as_str(), &hash, now)
            .await
            .expect("a person");
        let house = property::by_id(&mut tx, hotel.property)
            .await
            .expect("the house")
            .expect("the house");
        membership::grant(
            &mut tx,
            id,
            house.organization_id,
            Some(hotel.property),
            role,
            now,
        )
        .await
        .expect("a role");
        tx.commit().await.expect("a commit");
        Caller::sign_in(self.address, &email).await
    }

    /// The vendors refused nothing: whatever Portal sent kept to their contracts.
    pub(crate) fn assert_nothing_refused(&self) {
        assert_eq!(self.mews.refused(), Vec::<String>::new());
        assert_eq!(self.mews.mismatches(), Vec::<String>::new());
        assert_eq!(self.locks.refused(), Vec::<String>::new());
    }
}

impl Drop for Portal {
    /// Every test ends with it: a request against a contract fails the test that made it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_nothing_refused();
        }
    }
}

/// The text of a secret.
pub(crate) fn shown(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}
