//! Mews: reads rooms and reservations, and stores PINs on reservations.
//!
//! [`Mews`] is the adapter. [`fake`] plays Mews, for tests and for demos without an account there.
//!
//! Mews lists reservations of every service that can be booked, parking included. Each page is
//! therefore checked against the categories that occur in it, which are asked for once an hour, and
//! stays without a door are left out. A category Mews no longer lists counts as one with a door.

mod call;
mod categories;
mod check;
mod cursor;
mod decode;
pub mod fake;
mod hooks;
mod pins;
mod rooms;
mod stays;
mod wire;

pub use decode::Payloads;

use crate::categories::Categories;
use crate::wire::{ActivityState, AskTokens, Configuration, Interval, Paged};
use async_trait::async_trait;
use chrono::{Duration as Span, Utc};
use portal_interface::{
    Account, AdapterError, App, AppCategory, Budget, Capabilities, Clock, Fetched, Field,
    FieldKind, Hooks, Http, Opens, PinStore, Pms, Pull, Pulled, Right, Room, SecretString, Trouble,
    VendorId,
};
use std::sync::Arc;
use std::time::Duration;

/// Key of the form's only field.
const ACCESS_TOKEN: &str = "accessToken";
/// Longest wait for an answer.
const CALL: Duration = Duration::from_secs(15);
/// Longest wait while somebody is looking at the form.
const VALIDATE: Duration = Duration::from_secs(8);
/// Longest time for a page of reservations with all that belongs to it.
const PULL: Duration = Duration::from_secs(30);

/// The entry of the catalogue.
pub static APP: App = App {
    slug: "mews",
    name: "Mews",
    category: AppCategory::Pms,
    support_url: "https://help.mews.com",
    notes: "Mews stores the PINs but shows them nowhere today: not on reservations or guest \
            profiles, not in the Guest Portal, not in e-mails. Showing them is planned at Mews.",
    form: &[Field {
        key: ACCESS_TOKEN,
        label: "Access token",
        help: "The token of this integration on its page in the verified Mews Marketplace. Ask \
               your Mews admin or owner to retrieve or generate it.",
        kind: FieldKind::Secret,
        required: true,
        visible_when: None,
    }],
    capabilities: Capabilities {
        stores_pins: true,
        shows_pins: false,
        hooks: true,
        demo_account: false,
    },
    budget: Budget {
        burst: 30,
        every: Duration::from_millis(250),
    },
};

/// What the deployment says about Mews.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The secret of our application, one per Mews environment.
    pub client_token: SecretString,
    /// Name and version Mews sees in its logs, for example `Portal 0.1.0`.
    pub client_name: String,
    /// Address without a slash at the end, for example `https://api.mews.com`.
    pub api_url: String,
}

/// The Mews adapter. One value serves all properties.
pub struct Mews {
    settings: Settings,
    http: Http,
    clock: Arc<dyn Clock>,
    categories: Categories,
}

impl std::fmt::Debug for Mews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mews")
    }
}

impl Mews {
    /// An adapter for one Mews environment.
    pub fn new(settings: Settings, http: Http, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            http,
            clock,
            categories: Categories::default(),
        }
    }

    async fn configuration(
        &self,
        account: &Account,
        deadline: Duration,
    ) -> Result<Configuration, AdapterError> {
        let ask = wire::AskConfiguration {};
        let body = self.ask(account, &ask, deadline).await?;
        Ok(Configuration::read(&body.unwrap_or_default())?)
    }

    /// Mews's clock: spans of changes are measured by it, not by ours.
    async fn mews_now(&self, account: &Account) -> Result<chrono::DateTime<Utc>, AdapterError> {
        Ok(self.configuration(account, CALL).await?.now)
    }
}

#[async_trait]
impl Pms for Mews {
    fn app(&self) -> &'static App {
        &APP
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        Ok(self.configuration(account, VALIDATE).await?.opens)
    }

    /// Mews answers 401 to an operation it has not granted, whatever the token.
    async fn refused(&self, account: &Account) -> Result<Vec<Right>, AdapterError> {
        let now = self.clock.now();
        let ask = AskTokens {
            service_order_ids: None,
            colliding_utc: Some(Interval::new(now, now + Span::hours(1))),
            activity_states: &[ActivityState::Active],
        };
        let page = Paged::new(&ask, 1, None);
        match self.ask(account, &page, CALL).await {
            Ok(_) => Ok(Vec::new()),
            Err(_) if matches!(account.seen.last(), Some((401 | 403, _))) => {
                Ok(vec![Right::StorePins])
            }
            Err(error) => Err(error),
        }
    }

    async fn rooms(&self, account: &Account) -> Result<Vec<Room>, AdapterError> {
        self.read_rooms(account).await
    }

    async fn pull(&self, account: &Account, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        let count = usize::try_from(limit).unwrap_or(wire::LIST_LIMIT);
        let count = count.clamp(1, wire::LIST_LIMIT);
        let reading = async {
            match ask {
                Pull::Window { from, to, at } => {
                    self.window(account, from, to, at.as_ref(), count).await
                }
                Pull::Changes { since } => self.changes(account, since.as_ref(), count).await,
            }
        };
        tokio::time::timeout(PULL, reading)
            .await
            .unwrap_or(Err(AdapterError::Unreachable(Trouble::Deadline)))
    }

    async fn fetch(&self, account: &Account, ids: &[VendorId]) -> Result<Fetched, AdapterError> {
        self.read_by_id(account, ids).await
    }

    async fn find(&self, account: &Account, number: &str) -> Result<Option<Fetched>, AdapterError> {
        self.read_by_number(account, number).await.map(Some)
    }

    fn pins(&self) -> Option<&dyn PinStore> {
        Some(self)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }
}
