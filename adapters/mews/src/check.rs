//! Tries the tokens and each operation that is read, once, and writes nothing.
//!
//! What is asked is what the adapter asks in earnest, of the first page alone. Mews grants operations
//! one by one, so that one may be refused while the tokens are good.

use crate::stays::{EXPECTED, distinct};
use crate::wire::{
    ActivityState, Ask, AskAssignments, AskCategories, AskCompanionships, AskConfiguration,
    AskCustomers, AskReservations, AskResources, AskServices, AskTokens, Configuration, Entry,
    Interval, LIST_LIMIT, List, Owner, entries,
};
use crate::{Mews, VALIDATE};
use async_trait::async_trait;
use chrono::Duration as Span;
use portal_interface::{
    Account, AdapterError, Check, Checked, NotAsked, Opens, Outcome, Probe, SetAside, VendorId,
};
use std::time::Instant;

/// How far ahead stays are looked for.
const AHEAD: Span = Span::days(30);

#[async_trait]
impl Check for Mews {
    async fn check(&self, account: &Account) -> Checked {
        let mut trial = Trial {
            mews: self,
            account,
            probes: Vec::new(),
        };
        let configuration = trial.configuration().await;
        match &configuration {
            Some(Configuration {
                now,
                opens: Opens::One(_),
            }) => {
                trial.rooms().await;
                trial
                    .stays(Interval::new(*now - Span::days(1), *now + AHEAD))
                    .await;
                let hour = Interval::new(*now, *now + Span::hours(1));
                trial
                    .list(&AskTokens {
                        service_order_ids: None,
                        colliding_utc: Some(hour),
                        activity_states: &[ActivityState::Active],
                    })
                    .await;
            }
            _ => trial.nothing_else(),
        }
        Checked {
            opens: configuration.map(|configuration| configuration.opens),
            probes: trial.probes,
        }
    }
}

/// A check under way.
struct Trial<'a> {
    mews: &'a Mews,
    account: &'a Account,
    probes: Vec<Probe>,
}

impl Trial<'_> {
    async fn configuration(&mut self) -> Option<Configuration> {
        let (account, began) = self.begin();
        let read = self.mews.configuration(&account, VALIDATE).await;
        let (configuration, outcome) = match read {
            Ok(configuration) => {
                let read = Outcome::Read {
                    items: 1,
                    set_aside: Vec::new(),
                    more: false,
                };
                (Some(configuration), read)
            }
            Err(error) => (None, Outcome::Failed(error)),
        };
        self.note(AskConfiguration::OPERATION, outcome, &account, began);
        configuration
    }

    async fn rooms(&mut self) {
        let services = self.list(&AskServices::BOOKABLE).await;
        let services = services.map(|services| {
            let counting = services.into_iter();
            let counting = counting.filter(|service| service.active && service.bookable);
            counting.map(|service| service.id).collect()
        });
        let from = AskServices::OPERATION;
        let categories = match self.some::<AskCategories<'_>>(services, from) {
            Some(ids) => {
                let ask = AskCategories {
                    service_ids: &ids,
                    resource_category_ids: None,
                    activity_states: &[ActivityState::Active],
                };
                self.list(&ask).await
            }
            None => None,
        };
        let categories = categories.map(|categories| {
            let with_door = categories.into_iter();
            let with_door = with_door.filter(|category| category.kind.is_some());
            with_door.map(|category| category.id).collect()
        });
        let from = AskCategories::OPERATION;
        if let Some(ids) = self.some::<AskAssignments<'_>>(categories, from) {
            let ask = AskAssignments {
                resource_category_ids: &ids,
                activity_states: &[ActivityState::Active],
            };
            self.list(&ask).await;
        }
        self.list(&AskResources::ALL).await;
    }

    async fn stays(&mut self, window: Interval) {
        let ask = AskReservations {
            colliding_utc: Some(window),
            states: Some(EXPECTED),
            ..AskReservations::default()
        };
        let stays = self.list(&ask).await;
        let from = AskReservations::OPERATION;
        let ids = stays.as_ref().map(|stays| {
            let ids = stays.iter().map(|stay| &stay.reservation.id);
            distinct(ids)
        });
        if let Some(ids) = self.some::<AskCompanionships<'_>>(ids, from) {
            self.list(&AskCompanionships::new(&ids)).await;
        }
        let guests = stays.map(|stays| {
            distinct(stays.iter().filter_map(|stay| match &stay.owner {
                Owner::Customer(id) => Some(id),
                Owner::Company | Owner::Nobody => None,
            }))
        });
        if let Some(ids) = self.some::<AskCustomers<'_>>(guests, from) {
            self.list(&AskCustomers::new(&ids)).await;
        }
    }

    /// Reads the first page of a list; `None` when it failed.
    async fn list<L: List>(&mut self, list: &L) -> Option<Vec<L::Entry>> {
        let (account, began) = self.begin();
        let read = self.mews.page(&account, list, LIST_LIMIT, None).await;
        let read = read.and_then(|page| {
            let entries = entries::<L>(&page.items);
            let more = page.next.is_some();
            match entries.aside.first() {
                // In earnest nothing would be taken from it either.
                Some(aside) if L::Entry::WHOLE => Err(AdapterError::from(aside.bad.clone())),
                _ => Ok((entries, more)),
            }
        });
        let (found, outcome) = match read {
            Ok((entries, more)) => {
                let aside = entries.aside.into_iter().map(|aside| SetAside {
                    at: aside.bad.at,
                    why: aside.bad.why,
                });
                let read = Outcome::Read {
                    items: entries.read.len(),
                    set_aside: aside.collect(),
                    more,
                };
                (Some(entries.read), read)
            }
            Err(error) => (None, Outcome::Failed(error)),
        };
        self.note(L::OPERATION, outcome, &account, began);
        found
    }

    /// The identifiers to ask `L` about, as many as fit into one request. Without any it is not
    /// asked: Mews would take the missing filter for "all".
    fn some<L: List>(
        &mut self,
        ids: Option<Vec<VendorId>>,
        from: &'static str,
    ) -> Option<Vec<VendorId>> {
        let why = match ids {
            Some(mut ids) if !ids.is_empty() => {
                ids.truncate(LIST_LIMIT);
                return Some(ids);
            }
            Some(_) => NotAsked::Empty(from),
            None => NotAsked::Needs(from),
        };
        self.skip(L::OPERATION, why);
        None
    }

    /// Without a property behind the token there is nothing to ask.
    fn nothing_else(&mut self) {
        for operation in [
            AskServices::OPERATION,
            AskCategories::OPERATION,
            AskAssignments::OPERATION,
            AskResources::OPERATION,
            AskReservations::OPERATION,
            AskCompanionships::OPERATION,
            AskCustomers::OPERATION,
            AskTokens::OPERATION,
        ] {
            self.skip(operation, NotAsked::Needs(AskConfiguration::OPERATION));
        }
    }

    fn skip(&mut self, operation: &'static str, why: NotAsked) {
        self.probes.push(Probe {
            operation,
            outcome: Outcome::NotAsked(why),
            took: std::time::Duration::ZERO,
            status: None,
            request_id: None,
        });
    }

    /// An account of its own for each request: what it has seen is of that request.
    fn begin(&self) -> (Account, Instant) {
        let Account {
            integration,
            credentials,
            key,
            ..
        } = self.account;
        let account = Account::new(*integration, credentials.clone(), key.clone());
        (account, Instant::now())
    }

    fn note(
        &mut self,
        operation: &'static str,
        outcome: Outcome,
        account: &Account,
        began: Instant,
    ) {
        let (status, request_id) = account.seen.last().unzip();
        self.probes.push(Probe {
            operation,
            outcome,
            took: began.elapsed(),
            status,
            request_id: request_id.flatten(),
        });
    }
}
