//! Reservations: pages of a window, pages of changes, and single ones.

use crate::Mews;
use crate::cursor::{Changes, Page, Window};
use crate::wire::{
    self, ActivityState, AskCategories, AskCompanionships, AskCustomers, AskReservations, Interval,
    LIST_LIMIT, Owner, Stay,
};
use chrono::{DateTime, Duration, Utc};
use portal_interface::{Account, AdapterError, Cursor, Fetched, Pulled, Unreadable, VendorId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How far each read of changes reaches back behind the last: Mews may note a change late, and
/// nothing is said about the order of its list.
const OVERLAP: Duration = Duration::minutes(10);
/// Longest span asked for at once. Mews allows three months.
const LONGEST: Duration = Duration::days(80);
/// States a window is read in.
pub(crate) const EXPECTED: &[&str] = &["Confirmed", "Started"];

impl Mews {
    /// A page of what changed.
    pub(crate) async fn changes(
        &self,
        account: &Account,
        since: Option<&Cursor>,
        count: usize,
    ) -> Result<Pulled, AdapterError> {
        let Some(since) = since else {
            let mark = self.mews_now(account).await?;
            return Ok(nothing(Changes { mark, page: None }.cursor()));
        };
        let Changes { mark, page } = Changes::read(since, self.clock.now())?;
        let (to, after) = match page {
            Some((to, page)) => (to, Some(page.after)),
            // Instants are whole seconds and the end is excluded: the second now passing is asked
            // for as well. What comes late in it is found by the overlap.
            None => (self.mews_now(account).await? + Duration::seconds(1), None),
        };
        if (to - mark).abs() > LONGEST {
            return Err(AdapterError::StaleCursor);
        }
        if to <= mark - OVERLAP {
            // Their clock was set back: nothing can have changed in between.
            return Ok(nothing(since.clone()));
        }
        // Without a filter by state: cancellations and check-outs are changes too.
        let ask = AskReservations {
            updated_utc: Some(Interval::new(mark - OVERLAP, to)),
            ..AskReservations::default()
        };
        let (read, next) = self
            .page_of_stays(account, &ask, count, after.as_deref())
            .await?;
        let more = next.is_some();
        let place = match next {
            Some(page) => Changes {
                mark,
                page: Some((to, page)),
            },
            // Only now is the span read to its end.
            None => Changes {
                mark: to,
                page: None,
            },
        };
        Ok(pulled(read, place.cursor(), more))
    }

    /// A page of the stays that touch a window.
    pub(crate) async fn window(
        &self,
        account: &Account,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        at: Option<&Cursor>,
        count: usize,
    ) -> Result<Pulled, AdapterError> {
        let place = match at {
            Some(at) => Window::read(at, self.clock.now())?,
            None => Window {
                piece: from,
                page: None,
            },
        };
        let Window { piece, page } = place;
        if piece < from {
            return Err(AdapterError::StaleCursor);
        }
        if piece >= to {
            return Ok(nothing(Window { piece, page: None }.cursor()));
        }
        let end = to.min(piece + LONGEST);
        let ask = AskReservations {
            colliding_utc: Some(Interval::new(piece, end)),
            states: Some(EXPECTED),
            ..AskReservations::default()
        };
        let after = page.as_ref().map(|page| page.after.as_str());
        let (read, next) = self.page_of_stays(account, &ask, count, after).await?;
        let more = next.is_some() || end < to;
        let place = match next {
            Some(page) => Window {
                piece,
                page: Some(page),
            },
            None => Window {
                piece: end,
                page: None,
            },
        };
        Ok(pulled(read, place.cursor(), more))
    }

    /// These reservations as they are now.
    pub(crate) async fn read_by_id(
        &self,
        account: &Account,
        ids: &[VendorId],
    ) -> Result<Fetched, AdapterError> {
        let mut read = Fetched {
            reservations: Vec::new(),
            unreadable: Vec::new(),
        };
        // No ids make no chunk: Mews takes a missing filter for "all reservations".
        for ids in ids.chunks(LIST_LIMIT) {
            let ask = AskReservations {
                reservation_ids: Some(ids),
                ..AskReservations::default()
            };
            let values = self.at_most(account, &ask, ids.len()).await?;
            let chunk = self.complete(account, &values).await?;
            read.reservations.extend(chunk.reservations);
            read.unreadable.extend(chunk.unreadable);
        }
        Ok(read)
    }

    /// The stays with this confirmation number. The stays of a group share theirs.
    pub(crate) async fn read_by_number(
        &self,
        account: &Account,
        number: &str,
    ) -> Result<Fetched, AdapterError> {
        let ask = AskReservations {
            numbers: Some(&[number]),
            ..AskReservations::default()
        };
        let values = self.at_most(account, &ask, LIST_LIMIT).await?;
        self.complete(account, &values).await
    }

    async fn page_of_stays(
        &self,
        account: &Account,
        ask: &AskReservations<'_>,
        count: usize,
        after: Option<&str>,
    ) -> Result<(Fetched, Option<Page>), AdapterError> {
        let page = match self.page(account, ask, count, after).await {
            // What is new about this request is the position: Mews no longer knows it.
            Err(AdapterError::Declined { said: None }) if after.is_some() => {
                return Err(AdapterError::StaleCursor);
            }
            page => page?,
        };
        let read = self.complete(account, &page.items).await?;
        let next = page.next.map(|after| Page {
            after,
            read: self.clock.now(),
        });
        Ok((read, next))
    }

    /// Reads the items, leaves out those without a door and finds the guests' names.
    async fn complete(&self, account: &Account, values: &[Value]) -> Result<Fetched, AdapterError> {
        let entries = wire::entries::<AskReservations<'_>>(values);
        let mut stays = entries.read;
        let unreadable = entries.aside.into_iter().map(|aside| Unreadable {
            id: aside.id,
            at: aside.bad.at,
        });
        let unreadable = unreadable.collect();
        let doorless = self.doorless(account, &stays).await?;
        stays.retain(|stay| {
            !stay
                .category
                .as_ref()
                .is_some_and(|id| doorless.contains(id))
        });
        let guests = self.guests(account, &stays).await?;
        let reservations = stays.into_iter().map(|stay| {
            let mut reservation = stay.reservation;
            if let Some((guest, name)) = guests.get(&reservation.id) {
                reservation.guest = Some(guest.clone());
                reservation.guest_name.clone_from(name);
            }
            reservation
        });
        Ok(Fetched {
            reservations: reservations.collect(),
            unreadable,
        })
    }

    /// Of the categories that occur, those nobody opens a door for.
    async fn doorless(
        &self,
        account: &Account,
        stays: &[Stay],
    ) -> Result<BTreeSet<VendorId>, AdapterError> {
        let now = self.clock.now();
        let is_new = |stay: &&Stay| {
            let category = stay.category.as_ref();
            category.is_some_and(|id| self.categories.has_door(id, now).is_none())
        };
        let new: Vec<&Stay> = stays.iter().filter(is_new).collect();
        let services = distinct(new.iter().filter_map(|stay| stay.service.as_ref()));
        let categories = distinct(new.iter().filter_map(|stay| stay.category.as_ref()));
        // Without a service there is nothing to ask, and then all of them count as having a door.
        for ids in categories
            .chunks(LIST_LIMIT)
            .filter(|_| !services.is_empty())
        {
            let ask = AskCategories {
                service_ids: &services,
                resource_category_ids: Some(ids),
                activity_states: &[ActivityState::Active, ActivityState::Deleted],
            };
            let values = self.at_most(account, &ask, ids.len()).await?;
            let told = wire::entries::<AskCategories<'_>>(&values).read.into_iter();
            let told = told.map(|category| (category.id, category.kind.is_some()));
            self.categories.note(told, now);
        }
        let all = stays.iter().filter_map(|stay| stay.category.as_ref());
        let doorless = all.filter(|id| self.categories.has_door(id, now) == Some(false));
        Ok(doorless.cloned().collect())
    }

    /// The guest of each stay that has one, with the name that is known.
    async fn guests(
        &self,
        account: &Account,
        stays: &[Stay],
    ) -> Result<BTreeMap<VendorId, (VendorId, Option<String>)>, AdapterError> {
        let mut guest_of = BTreeMap::new();
        let mut owned_by_company = Vec::new();
        for stay in stays {
            let id = stay.reservation.id.clone();
            match &stay.owner {
                Owner::Customer(guest) => drop(guest_of.insert(id, guest.clone())),
                Owner::Company => owned_by_company.push(id),
                Owner::Nobody => {}
            }
        }
        for ids in distinct(owned_by_company.iter()).chunks(LIST_LIMIT) {
            let values = self.all(account, &AskCompanionships::new(ids)).await?;
            // Newest first: the companion noted first stands last, and is the one kept.
            for companionship in wire::entries::<AskCompanionships<'_>>(&values).read {
                if let Some(reservation) = companionship.reservation {
                    guest_of.insert(reservation, companionship.customer);
                }
            }
        }
        let mut names = BTreeMap::new();
        for ids in distinct(guest_of.values()).chunks(LIST_LIMIT) {
            let ask = AskCustomers::new(ids);
            let values = self.at_most(account, &ask, ids.len()).await?;
            let customers = wire::entries::<AskCustomers<'_>>(&values).read.into_iter();
            names.extend(customers.filter_map(|customer| Some((customer.id, customer.name?))));
        }
        let told = guest_of.into_iter().map(|(stay, guest)| {
            let name = names.get(&guest).cloned();
            (stay, (guest, name))
        });
        Ok(told.collect())
    }
}

/// Each once, and only those Mews can be asked for: for one that is none it declines them all.
pub(crate) fn distinct<'a>(ids: impl Iterator<Item = &'a VendorId>) -> Vec<VendorId> {
    let ids = ids.filter(|id| wire::guid(id.as_str()).is_some());
    let ids: BTreeSet<&VendorId> = ids.collect();
    ids.into_iter().cloned().collect()
}

fn pulled(read: Fetched, cursor: Cursor, more: bool) -> Pulled {
    Pulled {
        reservations: read.reservations,
        unreadable: read.unreadable,
        cursor,
        more,
    }
}

fn nothing(cursor: Cursor) -> Pulled {
    Pulled {
        reservations: Vec::new(),
        unreadable: Vec::new(),
        cursor,
        more: false,
    }
}
