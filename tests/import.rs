//! A big house is connected: what Portal asks Mews for, beside the least its contract allows, and how
//! much memory it takes. Portal runs in a process of its own, with the budget it keeps by itself.

use crate::faults::world::{armed, closed, free_address};
use crate::harness::{CLIENT_TOKEN, Caller, Portal, TestClock, shown};
use chrono::{DateTime, Duration, Utc};
use portal_domain::PropertyId;
use portal_interface::{Clock, SecretString};
use portal_mews::fake::{Booking, FakeMews, NewRoom};
use portal_store::reservation::{self, Filter};
use portal_store::{Db, job};
use secrecy::ExposeSecret;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration as Time, Instant};
use tempfile::TempDir;

/// Rooms of the house.
const ROOMS: usize = 500;
/// Most items Mews puts on a page.
const PAGE: usize = 1000;
/// Requests in 30 seconds that Portal allows itself; Mews allows 200.
const BUDGET: usize = 150;
/// Longest span asked for at once, in days.
const PIECE: i64 = 80;
/// A look at what changed.
const LOOK: &str = "reservations/getAll/2023-06-06 (UpdatedUtc)";
/// What more memory ten times the house may take, in kilobytes. When all is read, all stays are decided
/// about once more, in one transaction: fifty thousand take 80 MB more than five thousand.
const GROWTH: u64 = 128 * 1024;

/// How many reservations a person wants imported. The usual share is small.
fn wanted() -> usize {
    let wanted = std::env::var("PORTAL_IMPORT").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

/// A house, not connected yet.
struct Big {
    mews: Arc<FakeMews>,
    clock: Arc<TestClock>,
    token: SecretString,
    property: PropertyId,
    id: String,
    email: String,
    keys: SecretString,
    url: String,
    locks: String,
    _locks: Arc<portal_virtual::fake::FakeLocks>,
    _database: Option<Arc<TempDir>>,
    folder: TempDir,
    /// In the order they were booked.
    stays: Vec<Stay>,
}

struct Stay {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    by_company: bool,
}

impl Big {
    async fn furnish(reservations: usize) -> Self {
        let portal = Portal::start().await;
        let hotel = portal.hotel("Grand Hotel").await;
        let mews = portal.mews.clone();
        let rooms: Vec<String> = (1..=ROOMS).map(|room| format!("R{room}")).collect();
        for (n, room) in rooms.iter().enumerate() {
            let kind = ["Room", "Suite", "Apartment"][n % 3];
            mews.add_room(&hotel.enterprise, &NewRoom::new(room).category(Some(kind)));
        }
        let noon = portal.clock.now() + Duration::hours(3);
        let mut stays = Vec::new();
        for n in 0..reservations {
            // One after the other in each room, over most of a year.
            let nights = i64::try_from(n % 3).unwrap_or(0) + 1;
            let day = i64::try_from(n / ROOMS).unwrap_or(0) * 3 % 350;
            let from = noon + Duration::days(day) + Duration::hours(3);
            // Not at the hour of the connection, at which the spans asked for begin.
            let until = noon + Duration::days(day + nights) - Duration::hours(4);
            let booking = Booking::new(from, until)
                .number(&format!("N{n}"))
                .room(&rooms[n % ROOMS]);
            // A tenth is booked by companies, whose guests are found another way.
            let mut booking = booking.guest(&format!("Guest {n}"));
            let by_company = n % 10 == 0;
            if by_company {
                booking = booking.company("Company");
            }
            mews.book(&hotel.enterprise, &booking);
            stays.push(Stay {
                from,
                until,
                by_company,
            });
        }
        // Booked before: the first read of what changed finds nothing.
        portal.clock.advance(Duration::hours(1));
        let folder = tempfile::tempdir().expect("a folder");
        portal.clock.run(folder.path().join("clock"));
        let big = Self {
            mews,
            clock: portal.clock.clone(),
            token: hotel.token.clone(),
            property: hotel.property,
            id: hotel.id.clone(),
            email: hotel.email.clone(),
            keys: portal.keys.clone(),
            url: portal.database.url.clone(),
            locks: portal.locks.url().to_owned(),
            _locks: portal.locks.clone(),
            _database: portal.database.folder.clone(),
            folder,
            stays,
        };
        drop(hotel);
        drop(portal);
        closed(&big.url).await;
        big
    }

    fn start(&self, listen: SocketAddr) -> Running {
        let log = File::create(self.folder.path().join("log")).expect("a log");
        let child = Command::new(armed())
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("PORTAL_LISTEN", listen.to_string())
            .env("PORTAL_KEYS", self.keys.expose_secret())
            .env("MEWS_CLIENT_TOKEN", CLIENT_TOKEN)
            .env("MEWS_API_URL", self.mews.url())
            .env("VIRTUAL_LOCKS_URL", &self.locks)
            .env("PORTAL_CLOCK_FILE", self.folder.path().join("clock"))
            .env("PORTAL_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("the process");
        Running(child)
    }

    /// Waits until every stay is stored and decided about.
    async fn imported(&self) {
        let look = Db::look(&self.url).expect("the database");
        let began = Instant::now();
        loop {
            let mut conn = look.read().await.expect("a connection");
            let stored = reservation::count(&mut conn, self.property, &Filter::default()).await;
            let stored = usize::try_from(stored.expect("a count")).unwrap_or(0);
            let waiting = job::pending(&mut conn, "reconcile-access").await;
            let waiting = waiting.expect("a count");
            drop(conn);
            let read = self.mews.asked().contains_key(LOOK);
            if read && stored == self.stays.len() && waiting == 0 {
                return;
            }
            let limit = Time::from_mins(30);
            assert!(
                began.elapsed() < limit,
                "{stored} stored, {waiting} waiting"
            );
            tokio::time::sleep(Time::from_millis(200)).await;
        }
    }

    /// The least an import can do with, page by page, for a connection at this moment.
    fn least(&self, connected: DateTime<Utc>) -> BTreeMap<&'static str, usize> {
        let from = connected - Duration::days(1);
        let to = connected + Duration::days(365);
        let mut least = BTreeMap::from([
            ("services/getAll (ServiceType)", 1),
            ("resourceCategories/getAll (ActivityStates, ServiceIds)", 1),
            (
                "resourceCategoryAssignments/getAll (ActivityStates, ResourceCategoryIds)",
                1,
            ),
            ("resources/getAll", 1),
            // Whether PINs may be stored.
            (
                "resourceAccessTokens/getAll (ActivityStates, CollidingUtc)",
                1,
            ),
            // What the stays are booked as: the first page tells of every kind.
            (
                "resourceCategories/getAll (ActivityStates, ResourceCategoryIds, ServiceIds)",
                1,
            ),
        ]);
        let (mut pages, mut guests, mut companions) = (0, 0, 0);
        let mut start = from;
        while start < to {
            let end = to.min(start + Duration::days(PIECE));
            // Newest first, as Mews lists them.
            let touching = self.stays.iter().rev();
            let touching: Vec<&Stay> = touching
                .filter(|stay| stay.from < end && stay.until > start)
                .collect();
            // A full last page does not say that it is the last.
            pages += touching.len() / PAGE + 1;
            for page in touching.chunks(PAGE) {
                guests += 1;
                companions += usize::from(page.iter().any(|stay| stay.by_company));
            }
            start = end;
        }
        least.insert(
            "reservations/getAll/2023-06-06 (CollidingUtc, States)",
            pages,
        );
        least.insert("customers/getAll (CustomerIds)", guests);
        least.insert("companionships/getAll (ReservationIds)", companions);
        least
    }
}

/// A process, gone with the test.
struct Running(Child);

impl Running {
    /// The most memory it ever had, in kilobytes. `None` where the system does not tell.
    fn most_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Imports a house, checks what was asked, and answers the memory it took.
async fn import(reservations: usize) -> Option<u64> {
    let big = Big::furnish(reservations).await;
    let address = free_address();
    let running = big.start(address);
    let ready = format!("http://{address}/health/ready");
    while reqwest::get(&ready).await.is_err() {
        tokio::time::sleep(Time::from_millis(50)).await;
    }
    let owner = Caller::sign_in(address, &big.email).await;
    let connected = big.clock.now();
    let began = Instant::now();
    let query = "mutation($property: ID!, $values: [AppFieldValue!]!) {
        integrationConnect(input: {property: $property, app: \"mews\", values: $values}) {
          userErrors { code } } }";
    let values = json!([{ "key": "accessToken", "value": shown(&big.token) }]);
    let answer = owner
        .run(query, json!({ "property": big.id, "values": values }))
        .await;
    assert_eq!(answer["integrationConnect"]["userErrors"], json!([]));
    big.imported().await;
    let memory = running.most_memory();
    println!(
        "{reservations} reservations in {ROOMS} rooms, {} s, VmHWM {} MB, at most {} requests in 30 s",
        began.elapsed().as_secs(),
        memory.unwrap_or(0) / 1024,
        big.mews.busiest()
    );
    let mut asked = big.mews.asked();
    for (kind, least) in big.least(connected) {
        let asked = asked.remove(kind).unwrap_or(0);
        println!("  {asked:>4} asked {least:>4} needed  {kind}");
        assert_eq!(usize::try_from(asked).ok(), Some(least), "{kind}");
    }
    // One when the token is pasted, one to learn Mews's time; the rest belong to the looks for
    // changes, of which there are the more the longer it takes.
    let looks = asked.remove(LOOK);
    println!("  {} looks at what changed", looks.unwrap_or(0));
    let configurations = asked.remove("configuration/get").unwrap_or(0);
    println!("  {configurations} times configuration/get");
    assert!(
        configurations <= 2 + looks.unwrap_or(0) + 2,
        "{configurations}"
    );
    assert_eq!(asked, BTreeMap::new(), "what nobody needs");
    assert!(big.mews.busiest() <= BUDGET, "{}", big.mews.busiest());
    assert_eq!(big.mews.refused(), Vec::<String>::new());
    assert_eq!(big.mews.mismatches(), Vec::<String>::new());
    memory
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_asks_no_more_than_it_needs_and_its_memory_does_not_grow_with_the_house() {
    let reservations = wanted();
    let small = import(reservations / 10).await;
    let large = import(reservations).await;
    if let (Some(small), Some(large)) = (small, large) {
        assert!(large < small + GROWTH, "{small} kB, then {large} kB");
    }
}
