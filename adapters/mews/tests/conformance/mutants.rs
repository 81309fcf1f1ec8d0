//! Adapters with one fault each, and the check that finds it.

use crate::stage::{self, Stage, account};
use async_trait::async_trait;
use portal_interface::conformance::{self, PmsHouse, Setting};
use portal_interface::{
    Account, AdapterError, App, Cursor, ExposeSecret, Fetched, Hint, Hooks, Http, Look, OpenGate,
    Opens, PinStore, Pms, Pull, Pulled, RemoteAccount, Reservation, Right, Room, Trouble, VendorId,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a broken adapter does otherwise than the good one in it.
#[async_trait]
trait Fault: Send + Sync + 'static {
    async fn validate(&self, good: &dyn Pms, account: &Account) -> Result<Opens, AdapterError> {
        good.validate(account).await
    }
    async fn rooms(
        &self,
        good: &Arc<dyn Pms>,
        account: &Account,
    ) -> Result<Vec<Room>, AdapterError> {
        good.rooms(account).await
    }
    fn error(&self, _: &Account, error: AdapterError) -> AdapterError {
        error
    }
    fn pulled(&self, _: &Account, pulled: Pulled) -> Pulled {
        pulled
    }
    fn stays(&self, stays: Vec<Reservation>) -> Vec<Reservation> {
        stays
    }
    fn hint(&self, _: &[u8]) -> Option<Hint> {
        None
    }
}

/// A good adapter with a fault.
struct Mutant<F> {
    good: Arc<dyn Pms>,
    fault: F,
}

impl<F: Fault> Mutant<F> {
    fn told<T>(&self, account: &Account, told: Result<T, AdapterError>) -> Result<T, AdapterError> {
        told.map_err(|error| self.fault.error(account, error))
    }
}

#[async_trait]
impl<F: Fault> Pms for Mutant<F> {
    fn app(&self) -> &'static App {
        self.good.app()
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        let told = self.fault.validate(self.good.as_ref(), account).await;
        self.told(account, told)
    }

    async fn refused(&self, account: &Account) -> Result<Vec<Right>, AdapterError> {
        self.told(account, self.good.refused(account).await)
    }

    async fn rooms(&self, account: &Account) -> Result<Vec<Room>, AdapterError> {
        self.told(account, self.fault.rooms(&self.good, account).await)
    }

    async fn pull(&self, account: &Account, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        let pulled = self.good.pull(account, ask, limit).await;
        let pulled = pulled.map(|pulled| self.fault.pulled(account, pulled));
        self.told(account, pulled)
    }

    async fn fetch(&self, account: &Account, ids: &[VendorId]) -> Result<Fetched, AdapterError> {
        let fetched = self.good.fetch(account, ids).await.map(|fetched| Fetched {
            reservations: self.fault.stays(fetched.reservations),
            ..fetched
        });
        self.told(account, fetched)
    }

    fn pins(&self) -> Option<&dyn PinStore> {
        self.good.pins()
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }
}

impl<F: Fault> Hooks for Mutant<F> {
    fn read(&self, body: &[u8]) -> Result<Vec<Hint>, AdapterError> {
        let more = self.fault.hint(body);
        let hooks = self.good.hooks().expect("Mews has webhooks");
        let read = hooks.read(body);
        match more {
            Some(hint) if read.as_ref().is_ok_and(Vec::is_empty) => Ok(vec![hint]),
            _ => read,
        }
    }
}

/// The checks an adapter with that fault fails.
async fn failed<F: Fault>(fault: impl Fn() -> F + Copy + 'static) -> Vec<&'static str> {
    let open = async |setting: Setting| {
        let house = stage::open_quickly(setting).await;
        house.wrapped(move |good| {
            let (good, fault) = (Arc::from(good), fault());
            Box::new(Mutant { good, fault })
        })
    };
    let report = conformance::pms(open).await;
    println!("{report}");
    report.failed()
}

struct Nothing;
impl Fault for Nothing {}

#[tokio::test]
async fn without_a_fault_none_is_found() {
    assert_eq!(failed(|| Nothing).await, Vec::<&str>::new());
}

struct LeaksToken;
impl Fault for LeaksToken {
    fn error(&self, account: &Account, error: AdapterError) -> AdapterError {
        let token = account.credentials.get("accessToken");
        match (error, token) {
            (AdapterError::Unreadable { at }, Some(token)) => AdapterError::Unreadable {
                at: format!("{at} of {}", token.expose_secret()),
            },
            (error, _) => error,
        }
    }
}

#[tokio::test]
async fn it_tells_the_token_in_an_error() {
    assert_eq!(failed(|| LeaksToken).await, ["LEAK-1"]);
}

struct ForbiddenIsUnauthorized;
impl Fault for ForbiddenIsUnauthorized {
    fn error(&self, account: &Account, error: AdapterError) -> AdapterError {
        match account.seen.last() {
            Some((403, _)) => AdapterError::Unauthorized,
            _ => error,
        }
    }
}

#[tokio::test]
async fn it_takes_403_for_401() {
    assert_eq!(failed(|| ForbiddenIsUnauthorized).await, ["CRED-2"]);
}

struct IgnoresRetryAfter;
impl Fault for IgnoresRetryAfter {
    fn error(&self, _: &Account, error: AdapterError) -> AdapterError {
        match error {
            AdapterError::RateLimited { .. } => AdapterError::RateLimited { retry_after: None },
            error => error,
        }
    }
}

#[tokio::test]
async fn it_ignores_how_long_to_wait() {
    assert_eq!(failed(|| IgnoresRetryAfter).await, ["CALL-1"]);
}

/// Moves the mark at the first page of a span, not after its last.
struct MovesCursorEarly;
impl Fault for MovesCursorEarly {
    fn pulled(&self, _: &Account, mut pulled: Pulled) -> Pulled {
        let mut cursor: Value = serde_json::from_str(&pulled.cursor.0).unwrap();
        let end = cursor["changes"]["page"][0].clone();
        if !end.is_null() {
            cursor["changes"]["mark"] = end;
            pulled.cursor = Cursor(cursor.to_string());
        }
        pulled
    }
}

#[tokio::test]
async fn it_moves_the_cursor_early() {
    assert_eq!(failed(|| MovesCursorEarly).await, ["PULL-2"]);
}

struct EmptyIsTheEnd;
impl Fault for EmptyIsTheEnd {
    fn pulled(&self, _: &Account, mut pulled: Pulled) -> Pulled {
        pulled.more &= !pulled.reservations.is_empty();
        pulled
    }
}

#[tokio::test]
async fn it_takes_an_empty_page_for_the_end() {
    assert_eq!(failed(|| EmptyIsTheEnd).await, ["PULL-5"]);
}

struct ChoosesAccount;
#[async_trait]
impl Fault for ChoosesAccount {
    async fn validate(&self, good: &dyn Pms, account: &Account) -> Result<Opens, AdapterError> {
        Ok(match good.validate(account).await? {
            Opens::Several => Opens::One(RemoteAccount {
                key: stage::id("the first"),
                name: "Hotel Aurora".to_owned(),
                zone: None,
            }),
            opens @ Opens::One(_) => opens,
        })
    }
}

#[tokio::test]
async fn it_chooses_one_of_several_accounts() {
    assert_eq!(failed(|| ChoosesAccount).await, ["CRED-1"]);
}

struct CompanyIsGuest;
impl Fault for CompanyIsGuest {
    fn stays(&self, mut stays: Vec<Reservation>) -> Vec<Reservation> {
        for stay in &mut stays {
            stay.guest_name
                .get_or_insert_with(|| "Engines Ltd".to_owned());
        }
        stays
    }
}

#[tokio::test]
async fn it_takes_a_company_for_a_guest() {
    assert_eq!(failed(|| CompanyIsGuest).await, ["STAY-1"]);
}

/// Believes that whatever comes in means something.
struct BelievesStrangers;
impl Fault for BelievesStrangers {
    fn hint(&self, body: &[u8]) -> Option<Hint> {
        body.starts_with(b"{").then_some(Hint {
            account: None,
            connection: None,
            look: Look::Rooms,
        })
    }
}

#[tokio::test]
async fn it_takes_a_hint_from_anybody() {
    assert_eq!(failed(|| BelievesStrangers).await, ["HOOK-1"]);
}

/// Drops bad items instead of setting them aside.
struct DropsUnreadable;
impl Fault for DropsUnreadable {
    fn pulled(&self, _: &Account, mut pulled: Pulled) -> Pulled {
        pulled.unreadable.clear();
        pulled
    }
}

#[tokio::test]
async fn it_says_nothing_of_what_it_could_not_read() {
    assert_eq!(failed(|| DropsUnreadable).await, ["PULL-5"]);
}

/// Goes on reading for somebody who has left.
struct LeavesTask;
#[async_trait]
impl Fault for LeavesTask {
    async fn rooms(&self, good: &Arc<dyn Pms>, of: &Account) -> Result<Vec<Room>, AdapterError> {
        let token = of.credentials.get("accessToken").unwrap();
        let (good, account) = (good.clone(), account(token));
        let reading = tokio::spawn(async move { good.rooms(&account).await });
        reading.await.unwrap()
    }
}

#[tokio::test]
async fn it_leaves_a_task_behind() {
    assert_eq!(failed(|| LeavesTask).await, ["CALL-2"]);
}

/// Believes that nothing Mews says is longer than it was so far.
struct TrustsLength;
impl Fault for TrustsLength {
    fn stays(&self, stays: Vec<Reservation>) -> Vec<Reservation> {
        for stay in &stays {
            let texts = [&stay.number, &stay.raw_state];
            assert!(texts.iter().all(|text| text.len() < 100), "it does not fit");
        }
        stays
    }
}

#[tokio::test]
async fn it_panics_over_an_answer() {
    assert_eq!(failed(|| TrustsLength).await, ["LEAK-1"]);
}

/// Loses the rooms of the last page when there are several.
struct LosesPage;
#[async_trait]
impl Fault for LosesPage {
    async fn rooms(&self, good: &Arc<dyn Pms>, of: &Account) -> Result<Vec<Room>, AdapterError> {
        let mut rooms = good.rooms(of).await?;
        rooms.truncate(1000);
        Ok(rooms)
    }
}

#[tokio::test]
async fn it_loses_a_page_of_rooms() {
    assert_eq!(failed(|| LosesPage).await, ["ROOM-1"]);
}

/// Follows wherever the vendor points, with a client of its own.
struct FollowsRedirect {
    url: String,
    client: reqwest::Client,
}

#[async_trait]
impl Fault for FollowsRedirect {
    async fn validate(&self, good: &dyn Pms, account: &Account) -> Result<Opens, AdapterError> {
        let answer = good.validate(account).await;
        if let Err(AdapterError::Unreachable(Trouble::Status(300..=399))) = answer {
            let token = account.credentials.get("accessToken").unwrap();
            let body = json!({
                "ClientToken": stage::CLIENT_TOKEN,
                "AccessToken": token.expose_secret(),
                "Client": "Portal 0.1.0",
            });
            let again = self.client.post(&self.url).json(&body).send();
            return match again.await {
                Ok(_) => answer,
                Err(_) => Err(AdapterError::Unreachable(Trouble::Cut)),
            };
        }
        answer
    }
}

#[tokio::test]
async fn it_follows_a_redirect() {
    let open = async |setting: Setting| -> PmsHouse {
        let (stage, house): (Arc<Stage>, PmsHouse) = stage::house(setting, false).await;
        let url = format!("{}/api/connector/v1/configuration/get", stage.fake.url());
        house.wrapped(move |good| {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let (good, url) = (Arc::from(good), url.clone());
            let fault = FollowsRedirect { url, client };
            Box::new(Mutant { good, fault })
        })
    };
    let report = conformance::pms(open).await;
    assert_eq!(report.failed(), ["CALL-2"], "{report}");
}

/// Calls past the gate.
#[tokio::test]
async fn it_calls_past_the_gate() {
    let open = async |setting: Setting| -> PmsHouse {
        let (stage, house): (Arc<Stage>, PmsHouse) = stage::house(setting.clone(), false).await;
        let url = stage.fake.url().to_owned();
        house.wrapped(move |_| {
            let http = Http::new(Arc::new(OpenGate));
            let mews = portal_mews::Mews::new(stage::settings(&url), http, setting.clock.clone());
            Box::new(mews)
        })
    };
    let report = conformance::pms(open).await;
    assert_eq!(report.failed(), ["CALL-1"], "{report}");
}
