//! A Portal in a process of its own, which a test kills; the vendors live on in the test.

use super::house::House;
use crate::harness::{CLIENT_TOKEN, Caller, Hotel, LOOPBACK, Portal, TestClock};
use chrono::Duration;
use portal_domain::AppCategory;
use portal_interface::SecretString;
use portal_jobs::{SyncReservations, enqueue};
use portal_store::page::Page;
use portal_store::reservation::{self, Filter};
use portal_store::{Db, Sealer, integration, job};
use secrecy::ExposeSecret;
use std::fmt::Write;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration as Time, Instant};
use tempfile::TempDir;

/// How long nothing may change before time is moved on.
const PATIENCE: Time = Time::from_millis(900);

/// See the module.
pub(crate) struct World {
    pub(crate) house: House,
    pub(crate) clock: Arc<TestClock>,
    sealer: Sealer,
    /// For looking at the database beside the process that works on it.
    look: Db,
    url: String,
    keys: SecretString,
    folder: TempDir,
    _database: Option<Arc<TempDir>>,
    child: Option<Child>,
    /// A person who signed in before the clock ran.
    pub(crate) owner: Caller,
    /// The property's identifier in the API.
    pub(crate) id: String,
}

impl World {
    /// A connected house with these rooms, not running yet.
    pub(crate) async fn new(name: &str, rooms: &[&str]) -> Self {
        let portal = Portal::start_unlimited().await;
        let hotel: Hotel<'_> = portal.hotel(name).await.with_mews().await;
        let mut house = House::furnish(&hotel, rooms).await;
        house.running = true;
        let (owner, id) = (hotel.sign_in().await, hotel.id.clone());
        drop(hotel);
        let folder = tempfile::tempdir().expect("a folder");
        let clock = portal.clock.clone();
        clock.run(folder.path().join("clock"));
        let (url, keys) = (portal.database.url.clone(), portal.keys.clone());
        let database = portal.database.folder.clone();
        // The database is closed with it; a process of its own takes over.
        drop(portal);
        closed(&url).await;
        Self {
            house,
            clock,
            sealer: Sealer::parse(&keys).expect("a key"),
            look: Db::look(&url).expect("the database"),
            url,
            keys,
            folder,
            _database: database,
            child: None,
            owner,
            id,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One more process, which obeys orders of its own.
    pub(crate) fn spawn(&self, parts: &str, listen: SocketAddr, name: &str) -> Child {
        let mut log = File::options();
        let log = log.create(true).append(true).open(self.file("log"));
        let log = log.expect("a log");
        Command::new(armed())
            .arg(parts)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("PORTAL_LISTEN", listen.to_string())
            .env("PORTAL_KEYS", self.keys.expose_secret())
            .env("MEWS_CLIENT_TOKEN", CLIENT_TOKEN)
            .env("MEWS_API_URL", self.house.mews.url())
            .env("VIRTUAL_LOCKS_URL", self.house.locks.url())
            .env("PORTAL_CLOCK_FILE", self.file("clock"))
            .env("PORTAL_ORDER", self.file(&format!("order{name}")))
            .env("PORTAL_PLACES", self.file("places"))
            .env("PORTAL_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("the process")
    }

    /// Starts the process.
    pub(crate) fn start(&mut self) {
        // A new one each time: while the last process was dead, another may have taken its own.
        let child = self.spawn("serve", free_address(), "");
        self.child = Some(child);
    }

    /// Whether the process lives.
    pub(crate) fn lives(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the process with SIGKILL, and lets its leases run out.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.order("");
        self.clock.advance(Duration::seconds(61));
    }

    /// Whether the database can be shared by processes.
    pub(crate) fn is_shared(&self) -> bool {
        self.look.is_postgres()
    }

    /// Opens the database anew: connections from before are lost.
    pub(crate) fn look_again(&mut self) {
        self.look = Db::look(&self.url).expect("the database");
    }

    /// Whether all is as it should be now.
    pub(crate) async fn is_right(&mut self) -> bool {
        self.house.all_seen();
        let wrong = self.house.differences(&self.look, &self.sealer).await;
        wrong.is_empty()
    }

    /// What the process shall do at one of its places.
    pub(crate) fn order(&self, order: &str) {
        self.order_to("", order);
    }

    /// The same for one of several.
    pub(crate) fn order_to(&self, name: &str, order: &str) {
        let next = self.file("order.next");
        std::fs::write(&next, order).expect("the order");
        std::fs::rename(next, self.file(&format!("order{name}"))).expect("the order");
    }

    /// The places the process came to since the last time this was asked, in their order.
    pub(crate) fn places(&self) -> Vec<String> {
        let file = self.file("places");
        let places = std::fs::read_to_string(&file).unwrap_or_default();
        if let Ok(file) = File::options().write(true).open(file) {
            let _ = file.set_len(0);
        }
        places.lines().map(str::to_owned).collect()
    }

    /// What the process said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Lets the process work until all is as it should be; moves time on when nothing happens.
    /// `false`: it died before.
    pub(crate) async fn comes_right(&mut self, what: &str) -> bool {
        let mut wrong = Vec::new();
        for _ in 0..45 {
            let began = Instant::now();
            while began.elapsed() < PATIENCE {
                if !self.lives() {
                    return false;
                }
                self.house.all_seen();
                wrong = self.house.differences(&self.look, &self.sealer).await;
                if wrong.is_empty() && self.is_at_rest().await {
                    return true;
                }
                tokio::time::sleep(Time::from_millis(40)).await;
            }
            self.clock.advance(Duration::seconds(61));
        }
        panic!("{what}: {wrong:#?}\n{}", self.account().await);
    }

    /// Asks for the PMS to be read, as a hint of it would. On PostgreSQL, which others may write to.
    pub(crate) async fn read_again(&self) {
        let property = self.house.property;
        let mut tx = self.look.begin_in(property).await.expect("a transaction");
        let links = integration::live(&mut tx, property).await;
        for link in links.expect("the integrations") {
            if link.category == AppCategory::Pms {
                let job = SyncReservations {
                    property,
                    integration: link.id,
                };
                enqueue(&mut tx, self.house.now(), &job)
                    .await
                    .expect("a job");
            }
        }
        tx.commit().await.expect("a commit");
    }

    /// Everything a person needs who looks into a failure.
    pub(crate) async fn account(&self) -> String {
        let mut conn = self.look.read().await.expect("a connection");
        let jobs = job::all(&mut conn).await.expect("the jobs");
        let all = Page::first(1_000);
        let stays = reservation::page(&mut conn, self.house.property, &Filter::default(), &all)
            .await
            .expect("the reservations");
        let mut text = format!("now {}\n", self.house.now());
        for stay in &self.house.stays {
            let _ = writeln!(text, "{} {:?}", stay.number, stay.booked);
        }
        let living = |number: &str| self.house.stays.iter().any(|stay| stay.number == number);
        for stay in stays.into_iter().filter(|stay| living(&stay.number)) {
            let _ = writeln!(
                text,
                "{} {} in {:?}, revision {} decided {} next {:?}, {}",
                stay.number,
                stay.state,
                stay.room_id,
                stay.revision,
                stay.decided_revision,
                stay.decide_at,
                stay.transfer
            );
        }
        for job in jobs {
            let _ = writeln!(text, "{job:?}");
        }
        let log = self.log();
        let end = log.len().saturating_sub(3_000);
        text + log.get(end..).unwrap_or(&log)
    }

    /// Whether no job runs or is due.
    async fn is_at_rest(&self) -> bool {
        let now = self.house.now();
        let mut conn = self.look.read().await.expect("a connection");
        let jobs = job::all(&mut conn).await.expect("the jobs");
        jobs.iter().all(|job| match job.state.as_str() {
            "pending" => job.run_at > now,
            // Three kills in a row may be its own fault, so that it is left to people.
            "quarantined" => {
                assert_eq!(
                    job.code.as_deref(),
                    Some("CRASHED"),
                    "{} was given up",
                    job.kind
                );
                true
            }
            _ => false,
        })
    }

    /// The vendors refused nothing, ever.
    pub(crate) fn assert_nothing_refused(&self) {
        assert_eq!(self.house.mews.refused(), Vec::<String>::new());
        assert_eq!(self.house.mews.mismatches(), Vec::<String>::new());
        assert_eq!(self.house.locks.refused(), Vec::<String>::new());
        assert!(!self.log().contains("deadlock"), "{}", self.log());
    }
}

/// The program that is killed, which cargo builds beside the tests.
pub(crate) fn armed() -> PathBuf {
    let tests = std::env::current_exe().expect("the tests");
    let folder = tests.ancestors().nth(2).expect("the folder of the build");
    folder.join("examples/portal-armed")
}

/// An address nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind(LOOPBACK).expect("a port");
    listener.local_addr().expect("an address")
}

/// Waits until nobody works on the file any more. Of `PostgreSQL` several may.
pub(crate) async fn closed(url: &str) {
    let Some(path) = url.strip_prefix("sqlite:") else {
        return;
    };
    let lock = File::open(format!("{path}.lock")).expect("the lock file");
    for _ in 0..1_000 {
        if lock.try_lock().is_ok() {
            return;
        }
        tokio::time::sleep(Time::from_millis(10)).await;
    }
    panic!("the database was not closed");
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
