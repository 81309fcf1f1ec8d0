//! A fake with one house and the adapter connected to it.

use chrono::{DateTime, Duration, Utc};
use portal_domain::IntegrationId;
use portal_interface::{
    Account, AdapterError, Credentials, Cursor, FixedClock, Http, OpenGate, Pms, Pull, Pulled,
    Reservation, SecretString, VendorId,
};
use portal_mews::fake::{FakeMews, NewEnterprise, Options};
use portal_mews::{Mews, Settings};
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) const CLIENT_TOKEN: &str = "CLIENT-0123456789ABCDEF";
pub(crate) const RESERVATIONS: &str = "reservations/getAll/2023-06-06";

/// An instant.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn id(text: &str) -> VendorId {
    VendorId::new(text).unwrap()
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn account(token: &SecretString) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("accessToken", token.clone());
    Account::new(IntegrationId::new(), credentials, None)
}

pub(crate) fn adapter(url: &str, client_token: &str, clock: Arc<FixedClock>) -> Mews {
    let settings = Settings {
        client_token: client_token.into(),
        client_name: "Portal 0.1.0".to_owned(),
        api_url: url.to_owned(),
    };
    Mews::new(settings, Http::new(Arc::new(OpenGate)), clock)
}

/// One house at Mews. Ends by checking that the contract was kept on both sides.
pub(crate) struct House {
    pub(crate) fake: FakeMews,
    pub(crate) mews: Mews,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) account: Account,
    pub(crate) enterprise: String,
    pub(crate) token: SecretString,
}

impl House {
    pub(crate) async fn open() -> Self {
        let clock = Arc::new(FixedClock::new(at("2026-11-24T10:00:00Z")));
        let options = Options::new(CLIENT_TOKEN.into(), clock.clone());
        let fake = FakeMews::start(loopback(), options).await.unwrap();
        let NewEnterprise { id, access_token } = fake.add_enterprise("Hotel Aurora", "Europe/Oslo");
        Self {
            mews: adapter(fake.url(), CLIENT_TOKEN, clock.clone()),
            account: account(&access_token),
            enterprise: id,
            token: access_token,
            fake,
            clock,
        }
    }

    /// Time passes for Mews and for the adapter.
    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.advance(Duration::seconds(seconds));
    }

    pub(crate) async fn pull(&self, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        self.mews.pull(&self.account, ask, limit).await
    }

    /// The cursor for "from now on".
    pub(crate) async fn start_of_changes(&self) -> Cursor {
        let pulled = self.pull(Pull::Changes { since: None }, 500).await.unwrap();
        assert_eq!((pulled.reservations, pulled.more), (Vec::new(), false));
        pulled.cursor
    }

    pub(crate) async fn changes(&self, since: &Cursor, limit: u32) -> Pulled {
        let since = Some(since.clone());
        self.pull(Pull::Changes { since }, limit).await.unwrap()
    }

    /// Reads changes to the end; answers the cursor and how many pages it took.
    pub(crate) async fn all_changes(
        &self,
        since: &Cursor,
        limit: u32,
    ) -> (Vec<Reservation>, Cursor, u32) {
        let (mut read, mut cursor, mut pages) = (Vec::new(), since.clone(), 0);
        loop {
            let pulled = self.changes(&cursor, limit).await;
            read.extend(pulled.reservations);
            (cursor, pages) = (pulled.cursor, pages + 1);
            if !pulled.more {
                return (read, cursor, pages);
            }
        }
    }

    /// One reservation, which must be there.
    pub(crate) async fn fetch(&self, reservation: &str) -> Reservation {
        let ids = [id(reservation)];
        let mut fetched = self.mews.fetch(&self.account, &ids).await.unwrap();
        assert_eq!(
            (fetched.reservations.len(), fetched.unreadable.len()),
            (1, 0)
        );
        fetched.reservations.remove(0)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.fake.refused(), Vec::<String>::new());
            assert_eq!(self.fake.mismatches(), Vec::<String>::new());
        }
    }
}
