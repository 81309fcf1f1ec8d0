//! INV-27: no vendor is called inside a transaction. While a vendor has not answered yet, whoever
//! else wants to write in the house may, and no transaction that was open stays open.

use super::chance;
use super::witness::{Answer, Witness};
use crate::harness::{Hotel, Portal, find, shown};
use chrono::Duration;
use portal_domain::PropertyId;
use portal_mews::fake::{Booking, StayState};
use portal_store::Db;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration as Time, Instant};
use tokio::time::timeout;

/// A transaction of Portal's takes milliseconds, and a machine may be busy.
const LIMIT: Time = Time::from_secs(5);

/// What is looked at while a vendor is asked.
struct Place {
    db: Db,
    url: String,
    property: PropertyId,
}

impl Place {
    /// Whether others may write meanwhile.
    async fn is_free(&self) -> bool {
        let open = self.open_transactions().await;
        let writes = async { self.db.begin_in(self.property).await.map(drop) };
        let wrote = timeout(LIMIT, writes).await;
        let began = Instant::now();
        while !open.is_empty() && began.elapsed() < LIMIT {
            let still = self.open_transactions().await;
            if !open.iter().any(|one| still.contains(one)) {
                break;
            }
            tokio::time::sleep(Time::from_millis(10)).await;
        }
        matches!(wrote, Ok(Ok(()))) && began.elapsed() < LIMIT
    }

    /// The transactions of this database that are open. `SQLite` has one that writes at most.
    async fn open_transactions(&self) -> Vec<String> {
        if !self.db.is_postgres() {
            return Vec::new();
        }
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
            .await
            .expect("the database");
        tokio::spawn(connection);
        let query = "SELECT pid || ' ' || xact_start FROM pg_stat_activity
            WHERE datname = current_database() AND xact_start IS NOT NULL
              AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        let rows = client.query(query, &[]).await.expect("the sessions");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// What was asked, and how often; and what was asked inside a transaction.
#[derive(Default)]
struct Account {
    asked: BTreeMap<String, u32>,
    inside: Vec<String>,
}

/// The kind of a request: without what it is about.
fn kind(what: &str) -> String {
    if what.starts_with("POST /api") {
        return what.to_owned();
    }
    let parts: Vec<&str> = what.split('/').collect();
    match parts.as_slice() {
        [method, "locks", _, codes] => format!("{method}/locks/_/{codes}"),
        [method, "locks", _, codes, _] => format!("{method}/locks/_/{codes}/_"),
        _ => what.to_owned(),
    }
}

fn watch(witness: &Witness, place: &Arc<OnceLock<Place>>, account: &Arc<Mutex<Account>>) {
    let (place, account) = (place.clone(), account.clone());
    witness.tell(move |seen| {
        let (place, account) = (place.clone(), account.clone());
        async move {
            let (Some(place), Some(_)) = (place.get(), seen.status) else {
                return Answer::Goes;
            };
            let free = place.is_free().await;
            let kind = kind(&seen.what);
            let mut account = account.lock().expect("the account");
            if !free {
                account.inside.push(kind.clone());
            }
            *account.asked.entry(kind).or_default() += 1;
            Answer::Goes
        }
    });
}

/// A house that is busy.
struct Busy<'a> {
    hotel: Hotel<'a>,
    stays: Vec<String>,
}

impl Busy<'_> {
    fn book(&mut self, rng: &mut StdRng) {
        let portal = self.hotel.portal;
        let number = format!("S{}", self.stays.len());
        let from = portal.env.now() + Duration::hours(rng.random_range(-2..9));
        let until = from + Duration::hours(rng.random_range(3..40));
        let stay = Booking::new(from, until).number(&number);
        let stay = stay.room(["101", "102"].choose(rng).expect("one"));
        portal.mews.book(&self.hotel.enterprise, &stay);
        self.stays.push(number);
    }

    /// Something about a stay in the PMS.
    fn change(&self, number: &str, rng: &mut StdRng) {
        let mews = &self.hotel.portal.mews;
        match rng.random_range(0..6) {
            0 => mews.assign(number, Some("101")),
            1 => mews.assign(number, Some("102")),
            2 => mews.assign(number, None),
            3 => mews.set_state(number, StayState::Started),
            4 => mews.set_state(number, StayState::Processed),
            _ => {
                let from = self.hotel.portal.env.now() + Duration::hours(1);
                mews.redate(number, from, from + Duration::hours(9));
            }
        }
    }

    /// Something staff ask of Portal. Refusals are as good as anything.
    async fn ask(&self, number: &str, n: u32) {
        let hotel = &self.hotel;
        let (link, stay) = (hotel.integration().await, hotel.reservation(number).await);
        let keychain = stay["keychain"]["id"].as_str();
        let (field, input) = match (n, keychain) {
            (0, _) => ("integrationValidate", json!({ "integration": link["id"] })),
            (1, _) => {
                let token = hotel.portal.mews.add_access_token(&hotel.enterprise);
                hotel.reconnect(&shown(&token)).await;
                return;
            }
            (2, _) => ("pinsCompare", json!({ "property": hotel.id })),
            (3, _) => (
                "reservationFetch",
                json!({ "property": hotel.id, "number": number }),
            ),
            (4, Some(keychain)) => (
                "pinRotate",
                json!({ "keychain": keychain, "reason": "it was seen" }),
            ),
            (5, Some(keychain)) => (
                "keychainRevoke",
                json!({ "keychain": keychain, "reason": "a wish" }),
            ),
            (6, Some(_)) => {
                hotel.reveal(number).await;
                return;
            }
            (_, _) if stay["id"].is_null() => return,
            _ => ("reservationRefresh", json!({ "reservation": stay["id"] })),
        };
        let mut head = field.to_owned();
        head[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {head}Input!) {{ x: {field}(input: $input) {{ userErrors {{ code }} }} }}"
        );
        hotel.ask(&query, json!({ "input": input })).await;
    }
}

/// What a busy day asks of vendors, whatever chance brings.
const ALWAYS: [&str; 16] = [
    "DELETE /locks/_/codes/_",
    "GET /locks",
    "GET /locks/_/codes",
    "GET /site",
    "POST /api/connector/v1/configuration/get",
    "POST /api/connector/v1/customers/getAll",
    "POST /api/connector/v1/reservations/getAll/2023-06-06",
    "POST /api/connector/v1/resourceAccessTokens/add",
    "POST /api/connector/v1/resourceAccessTokens/delete",
    "POST /api/connector/v1/resourceAccessTokens/getAll",
    "POST /api/connector/v1/resourceAccessTokens/update",
    "POST /api/connector/v1/resourceCategories/getAll",
    "POST /api/connector/v1/resourceCategoryAssignments/getAll",
    "POST /api/connector/v1/resources/getAll",
    "POST /api/connector/v1/services/getAll",
    "PUT /locks/_/codes/_",
];

#[tokio::test(flavor = "multi_thread")]
async fn while_a_vendor_is_asked_anybody_may_write() {
    let (mut rng, steps, replay) = chance("INV-27", 30);
    let (place, account) = (Arc::default(), Arc::default());
    let portal = Portal::start_unlimited_with(|vendors| {
        let urls = [
            Some(&mut vendors.mews_api_url),
            vendors.virtual_locks_url.as_mut(),
        ];
        for url in urls.into_iter().flatten() {
            let witness = Witness::of(url);
            watch(&witness, &place, &account);
            *url = witness.url();
        }
    })
    .await;
    let hotel = portal.hotel("Aurora").await;
    let look = Place {
        db: portal.env.db.clone(),
        url: portal.database.url.clone(),
        property: hotel.property,
    };
    assert!(place.set(look).is_ok());
    let hotel = hotel.with_mews().await;
    for room in ["101", "102"] {
        hotel.door(room).await;
    }
    let mut busy = Busy {
        hotel,
        stays: Vec::new(),
    };
    for step in 0..steps {
        busy.book(&mut rng);
        portal.next_look().await;
        let last = busy.stays.last().expect("one").clone();
        let number = busy.stays.choose(&mut rng).expect("one").clone();
        busy.ask(&number, u32::try_from(step).expect("few") % 8)
            .await;
        busy.change(&number, &mut rng);
        busy.change(&last, &mut rng);
        portal.next_look().await;
        portal
            .later(Duration::minutes(rng.random_range(0..90)))
            .await;
    }
    // A room is taken away and comes back; nights are compared.
    let query = "query($id: ID!) { property(id: $id) { devices { nodes { id name } } } }";
    let devices = busy.hotel.ask(query, json!({ "id": busy.hotel.id })).await;
    let device = find(&devices["property"]["devices"]["nodes"], "Lock 101");
    let input = json!({ "device": device, "endInHouseAccess": true, "reason": "it is worn" });
    busy.hotel.tell("deviceRemove", input).await;
    portal.later(Duration::hours(20)).await;
    let account = account.lock().expect("the account");
    println!("{:#?}", account.asked);
    assert_eq!(account.inside, Vec::<String>::new(), "{replay}");
    for kind in ALWAYS {
        assert!(account.asked.contains_key(kind), "{replay}: never {kind}");
    }
    assert!(account.asked.values().sum::<u32>() >= 100, "{replay}");
}
