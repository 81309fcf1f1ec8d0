//! Demo PMS: made-up houses in memory, to try Portal without an account anywhere.
//!
//! A house is rebuilt when Portal starts again: rooms and reservations have the same identifiers,
//! dates lie around the day it is seen first, and what was changed since is forgotten. Cursors of
//! the run before are stale, so that core reads everything again. Each process has houses of its
//! own; what is changed by hand in one is not seen by another.

mod control;
mod cursor;
mod furnish;
mod house;

pub use control::{Booking, DemoHouse};
pub use house::HeldPin;

use crate::cursor::Place;
use crate::house::{House, Page};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portal_domain::IntegrationId;
use portal_interface::{
    Account, AdapterError, App, AppCategory, Budget, Capabilities, Clock, ExposeSecret, Fetched,
    Field, FieldKind, Opens, PinCopy, PinStore, Pms, Pull, Pulled, RemoteAccount, Right, Room,
    SecretString, StayPins, Stored, VendorId,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Key of the switch that needs no token.
const DEMO_ACCOUNT: &str = "demoAccount";
/// Key of the token.
const ACCESS_TOKEN: &str = "accessToken";
/// Where the houses stand.
const ZONE: chrono_tz::Tz = chrono_tz::Europe::Berlin;

/// The entry of the catalogue.
pub static APP: App = App {
    slug: "demo",
    name: "Demo PMS",
    category: AppCategory::Pms,
    support_url: "",
    notes: "A made-up house with a few rooms and guests. It starts afresh when Portal does.",
    form: &[
        Field {
            key: DEMO_ACCOUNT,
            label: "Demo Account",
            help: "Connects a made-up house. No token is needed.",
            kind: FieldKind::Toggle,
            required: false,
            visible_when: None,
        },
        Field {
            key: ACCESS_TOKEN,
            label: "Access token",
            help: "Whoever runs this Portal can issue one for a house of your own.",
            kind: FieldKind::Secret,
            required: true,
            visible_when: Some((DEMO_ACCOUNT, "false")),
        },
    ],
    capabilities: Capabilities {
        stores_pins: true,
        shows_pins: true,
        hooks: false,
        demo_account: true,
    },
    budget: Budget {
        burst: 200,
        every: Duration::from_millis(10),
    },
};

/// The demo PMS. Its clones share the houses.
#[derive(Clone)]
pub struct DemoPms {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// Tells this run's cursors from those of another.
    run: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Which house a token opens.
    tokens: BTreeMap<String, VendorId>,
    houses: BTreeMap<VendorId, House>,
}

impl std::fmt::Debug for DemoPms {
    /// Without the state: it holds tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DemoPms")
    }
}

impl DemoPms {
    /// A demo PMS without houses: they are built when first asked for.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                run: uuid::Uuid::new_v4().simple().to_string(),
                state: Mutex::default(),
            }),
        }
    }

    /// The house an integration has with the switch on: rooms, beds and a handful of guests.
    ///
    /// Each integration has its own, as an account can be linked to one property only.
    pub fn demo_house(&self, integration: IntegrationId) -> DemoHouse {
        let key = key(format!("demo-{integration}"));
        self.with(|state, now| {
            let house = state.houses.entry(key.clone());
            house.or_insert_with(|| furnish::with_guests("Demo house", now));
        });
        DemoHouse::new(self.clone(), key)
    }

    /// The house of that name, for tokens: the same rooms, and no reservation yet.
    pub fn named_house(&self, name: &str) -> DemoHouse {
        // As long as a key may be, whatever the characters.
        let name: String = name.chars().take(60).collect();
        let key = key(format!("house-{name}"));
        self.with(|state, _| {
            let house = state.houses.entry(key.clone());
            house.or_insert_with(|| furnish::empty(&name));
        });
        DemoHouse::new(self.clone(), key)
    }

    /// A new token for the house of that name; older ones stay good. Tokens end with the process.
    pub fn issue_token(&self, house_name: &str) -> SecretString {
        let house = self.named_house(house_name);
        let token = format!("demo_{}", uuid::Uuid::new_v4().simple());
        self.with(|state, _| state.tokens.insert(token.clone(), house.key().clone()));
        token.into()
    }

    /// Lets a token open nothing any more. Answers whether it did before.
    pub fn revoke_token(&self, token: &SecretString) -> bool {
        self.with(|state, _| state.tokens.remove(token.expose_secret()).is_some())
    }

    /// Which run of the process this is.
    fn run(&self) -> &str {
        &self.shared.run
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        let now = self.shared.clock.now();
        let state = self.shared.state.lock();
        act(&mut state.unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Acts in the house the account's credentials open.
    fn enter<T>(
        &self,
        account: &Account,
        act: impl FnOnce(&mut House, &VendorId) -> Result<T, AdapterError>,
    ) -> Result<T, AdapterError> {
        let demo = account.credentials.is_on(DEMO_ACCOUNT);
        let demo = demo.then(|| self.demo_house(account.integration).key().clone());
        self.with(|state, _| {
            let token = account.credentials.get(ACCESS_TOKEN);
            let named = || state.tokens.get(token?.expose_secret()).cloned();
            let key = demo.or_else(named).ok_or(AdapterError::Unauthorized)?;
            match state.houses.get_mut(&key) {
                Some(house) if house.open => act(house, &key),
                _ => Err(AdapterError::Unauthorized),
            }
        })
    }
}

/// An account's key. Both kinds begin with letters and are cut to size before.
fn key(text: String) -> VendorId {
    VendorId::new(text).expect("it has 1 to 255 bytes")
}

#[async_trait]
impl Pms for DemoPms {
    fn app(&self) -> &'static App {
        &APP
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        self.enter(account, |house, key| {
            Ok(Opens::One(RemoteAccount {
                key: key.clone(),
                name: house.name.clone(),
                zone: Some(ZONE),
            }))
        })
    }

    async fn refused(&self, account: &Account) -> Result<Vec<Right>, AdapterError> {
        self.enter(account, |house, _| {
            let refused = (!house.takes_pins).then_some(Right::StorePins);
            Ok(refused.into_iter().collect())
        })
    }

    async fn rooms(&self, account: &Account) -> Result<Vec<Room>, AdapterError> {
        self.enter(account, |house, _| Ok(house.rooms.clone()))
    }

    async fn pull(&self, account: &Account, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        let run = self.run();
        self.enter(account, |house, _| {
            let (page, place) = match ask {
                Pull::Changes { since: None } => {
                    (Page::default(), Place::Changed(house.revision()))
                }
                Pull::Changes { since: Some(since) } => {
                    let since = Place::read(&since, run)?.changed()?;
                    let (page, revision) = house.changes(since, limit);
                    (page, Place::Changed(revision))
                }
                Pull::Window { from, to, at } => {
                    let after = match at {
                        Some(at) => Place::read(&at, run)?.listed()?,
                        None => None,
                    };
                    let page = house.window(from, to, after.as_ref(), limit);
                    let last = page.reservations.last().map(|stay| stay.id.clone());
                    (page, Place::Listed(last.or(after)))
                }
            };
            Ok(Pulled {
                reservations: page.reservations,
                unreadable: Vec::new(),
                cursor: place.cursor(run),
                more: page.more,
            })
        })
    }

    async fn fetch(&self, account: &Account, ids: &[VendorId]) -> Result<Fetched, AdapterError> {
        self.enter(account, |house, _| {
            Ok(Fetched {
                reservations: ids
                    .iter()
                    .filter_map(|id| house.stay(id).cloned())
                    .collect(),
                unreadable: Vec::new(),
            })
        })
    }

    async fn find(&self, account: &Account, number: &str) -> Result<Option<Fetched>, AdapterError> {
        self.enter(account, |house, _| {
            let named = house.stays().filter(|stay| stay.number == number);
            Ok(Some(Fetched {
                reservations: named.cloned().collect(),
                unreadable: Vec::new(),
            }))
        })
    }

    fn pins(&self) -> Option<&dyn PinStore> {
        Some(self)
    }
}

#[async_trait]
impl PinStore for DemoPms {
    async fn put(&self, account: &Account, want: &StayPins) -> Result<Stored, AdapterError> {
        self.enter(account, |house, _| house.put_pin(want))
    }

    async fn check(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<PinCopy>, AdapterError> {
        self.enter(account, |house, _| {
            Ok(want.iter().map(|want| house.compare_pin(want)).collect())
        })
    }
}
