//! What adapters of all kinds can be asked, for checks they share.

use super::house::{LocksScene, PmsScene, Staged};
use super::stage::{Cannot, Vendor};
use crate::{Account, AdapterError, App, Opens, Pull};
use async_trait::async_trait;
use chrono::Duration;

/// What adapters of all kinds can be asked, for checks they share.
#[async_trait(?Send)]
pub(super) trait Subject {
    fn app(&self) -> &'static App;
    fn vendor(&self) -> &dyn Vendor;
    /// From now on the vendor breaks its contract, and nobody else has to keep it.
    fn contract_ends(&self);
    /// Notes that a part is left out.
    fn without(&self, cannot: Cannot);
    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError>;
    /// Asks everything once. Answers are told as they print.
    async fn everything(&self) -> Vec<(&'static str, Result<String, AdapterError>)>;
    /// Asks something that takes several requests, as far as anything does.
    async fn at_length(&self, account: &Account);
}

fn printed<T: std::fmt::Debug>(answer: Result<T, AdapterError>) -> Result<String, AdapterError> {
    answer.map(|answer| format!("{answer:?}"))
}

/// Digits that occur nowhere but in PINs of the suite.
pub(super) const SECRET_DIGITS: &str = "739184625";

#[async_trait(?Send)]
impl Subject for PmsScene {
    fn app(&self) -> &'static App {
        self.adapter.app()
    }

    fn vendor(&self) -> &dyn Vendor {
        self.stage.vendor()
    }

    fn contract_ends(&self) {
        self.stop_counting();
    }

    fn without(&self, cannot: Cannot) {
        self.part::<()>(Err(cannot));
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        self.adapter.validate(account).await
    }

    async fn everything(&self) -> Vec<(&'static str, Result<String, AdapterError>)> {
        let (adapter, account) = (&self.adapter, &self.account);
        let (stay, room) = self.guest();
        let (from, to) = (self.now(), self.now() + Duration::days(30));
        let at = None;
        let window = Pull::Window { from, to, at };
        let start = Pull::Changes { since: None };
        let mut told = vec![
            ("validate", printed(adapter.validate(account).await)),
            ("refused", printed(adapter.refused(account).await)),
            ("rooms", printed(adapter.rooms(account).await)),
            ("pull", printed(adapter.pull(account, window, 1).await)),
            ("pull", printed(adapter.pull(account, start, 1).await)),
            (
                "fetch",
                printed(adapter.fetch(account, std::slice::from_ref(stay)).await),
            ),
        ];
        if let Some(pins) = adapter.pins() {
            let want = self.wish(stay, room, SECRET_DIGITS);
            let checked = pins.check(account, std::slice::from_ref(&want)).await;
            told.push(("check", printed(checked)));
            told.push(("put", printed(pins.put(account, &want).await)));
        }
        told
    }

    async fn at_length(&self, account: &Account) {
        let _ = self.adapter.rooms(account).await;
    }
}

#[async_trait(?Send)]
impl Subject for LocksScene {
    fn app(&self) -> &'static App {
        self.adapter.app()
    }

    fn vendor(&self) -> &dyn Vendor {
        self.stage.vendor()
    }

    fn contract_ends(&self) {
        self.stop_counting();
    }

    fn without(&self, cannot: Cannot) {
        self.part::<()>(Err(cannot));
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        self.adapter.validate(account).await
    }

    async fn everything(&self) -> Vec<(&'static str, Result<String, AdapterError>)> {
        let (adapter, account) = (&self.adapter, &self.account);
        let lock = self.lock();
        let want = [self.code("1", SECRET_DIGITS)];
        vec![
            ("validate", printed(adapter.validate(account).await)),
            ("devices", printed(adapter.devices(account).await)),
            (
                "check",
                printed(adapter.check_codes(account, lock, &want).await),
            ),
            (
                "put",
                printed(adapter.put_codes(account, lock, &want).await),
            ),
        ]
    }

    async fn at_length(&self, account: &Account) {
        let want = [self.code("1", "4711"), self.code("2", "4712")];
        let _ = self.adapter.put_codes(account, self.lock(), &want).await;
    }
}
