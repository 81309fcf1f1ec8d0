//! One request to Mews, and lists read to their end.

use crate::wire::{self, Ask, Bad, LIST_LIMIT, List, Page, Paged};
use crate::{ACCESS_TOKEN, APP, CALL, Mews};
use portal_interface::{Account, AdapterError, ExposeSecret};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A request as it goes out. Without `Debug`: it holds both tokens.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a, A> {
    client_token: &'a str,
    access_token: &'a str,
    client: &'a str,
    #[serde(flatten)]
    ask: &'a A,
}

impl Mews {
    /// Sends one request and answers the body; `None` when Mews said that there is none.
    pub(crate) async fn ask<A: Ask>(
        &self,
        account: &Account,
        ask: &A,
        deadline: Duration,
    ) -> Result<Option<Value>, AdapterError> {
        // Nothing to show at the door is what a refused token is, and needs no request.
        let token = account.credentials.get(ACCESS_TOKEN);
        let token = token.ok_or(AdapterError::Unauthorized)?;
        let url = format!(
            "{}/api/connector/v1/{}",
            self.settings.api_url,
            A::OPERATION
        );
        let request = self.http.post(&url).json(&Envelope {
            client_token: self.settings.client_token.expose_secret(),
            access_token: token.expose_secret(),
            client: &self.settings.client_name,
            ask,
        });
        let answer = self
            .http
            .send(&APP, account, A::OPERATION, request, deadline)
            .await?;
        match answer.status {
            204 => Ok(None),
            200..=299 => Ok(Some(wire::root(&answer.body)?)),
            _ => {
                let said = String::from_utf8_lossy(&answer.body);
                let secrets = [token, &self.settings.client_token];
                let says = secrets
                    .iter()
                    .any(|secret| said.contains(secret.expose_secret()));
                Err(unsaid(wire::error(&answer), says))
            }
        }
    }

    /// One page of a list.
    pub(crate) async fn page<L: List>(
        &self,
        account: &Account,
        list: &L,
        count: usize,
        after: Option<&str>,
    ) -> Result<Page, AdapterError> {
        let ask = Paged::new(list, count, after);
        let Some(body) = self.ask(account, &ask, CALL).await? else {
            return Ok(Page::default());
        };
        let page = Page::read(body, L::ITEMS, L::MAY_BE_NULL, count)?;
        if page.next.is_some() && page.next.as_deref() == after {
            // The same position again would be read for ever.
            return Err(Bad::new("Cursor", "names the page it stands on").into());
        }
        Ok(page)
    }

    /// A whole list, newest first. An item that changed meanwhile may be in it twice.
    pub(crate) async fn all<L: List>(
        &self,
        account: &Account,
        list: &L,
    ) -> Result<Vec<Value>, AdapterError> {
        self.at_most(account, list, usize::MAX).await
    }

    /// A list of no more than `most` items, as so many were named: when they have all come, nobody
    /// asks whether there are more.
    pub(crate) async fn at_most<L: List>(
        &self,
        account: &Account,
        list: &L,
        most: usize,
    ) -> Result<Vec<Value>, AdapterError> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .page(account, list, LIST_LIMIT, after.as_deref())
                .await?;
            after = page.next.filter(|_| page.items.len() < most);
            items.extend(page.items);
            if after.is_none() {
                return Ok(items);
            }
        }
    }
}

/// Drops Mews's words if they say a secret back to us: words are stored and shown to people.
pub(crate) fn unsaid(error: AdapterError, says_secret: bool) -> AdapterError {
    match error {
        AdapterError::Declined { .. } if says_secret => AdapterError::Declined { said: None },
        error => error,
    }
}
