//! Demo PMS adapters with one fault each, and the check that finds it.

use crate::stage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use portal_demo::{APP, DemoHouse};
use portal_interface::conformance::{self, Setting};
use portal_interface::{
    Account, AdapterError, App, Capabilities, Cursor, ExposeSecret, Fetched, Opens, PinCopy,
    PinStore, Pms, Pull, Pulled, Reservation, ReservationState, Right, Room, StayPins, Stored,
    VendorId,
};
use std::sync::Mutex;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The switch for a demo account is there, but not declared.
    HidesDemoAccount,
    /// The account is another one after a new token.
    NamesAccountByToken,
    /// The right to store PINs is never missing.
    ClaimsRights,
    /// Identifiers that look like numbers are numbers.
    IdsAreNumbers,
    /// A bed stands in no room.
    ForgetsParents,
    /// Pages of a window are counted.
    CountsPages,
    /// All changes are read at once and kept in memory; the cursor says so.
    MovesCursorEarly,
    /// A cursor of another version is taken for the beginning.
    TakesAnyCursor,
    /// What changed in the second in which reading ended is not newer than that.
    SkipsSecond,
    /// Changes are those of stays still expected.
    FiltersByState,
    /// A page is as long as it likes.
    IgnoresLimit,
    /// An unknown identifier is an error.
    DemandsIds,
    /// What is right is written again.
    WritesAgain,
    /// PINs are numbers.
    PinsAreNumbers,
    /// Of many PINs none is stored when one is declined.
    GivesUpAtDeclined,
    /// Without an identifier an entry is added, whatever is there.
    AddsWithoutReading,
    /// Entries of others go.
    DeletesOthers,
    /// An entry that is there is right.
    ComparesNothing,
    /// The token is kept in cursors.
    TokenInCursor,
}

/// A good adapter with a fault.
struct Mutant {
    fault: Fault,
    good: Box<dyn Pms>,
    house: DemoHouse,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    rest: Vec<Reservation>,
    read_to: Option<DateTime<Utc>>,
}

/// The checks an adapter with that fault fails.
async fn failed(fault: Fault) -> Vec<&'static str> {
    let open = async |setting: Setting| {
        let (stage, house) = stage::house(setting);
        house.wrapped(move |good| {
            Box::new(Mutant {
                fault,
                good,
                house: stage.house.clone(),
                memory: Mutex::default(),
            })
        })
    };
    let report = conformance::pms(open).await;
    println!("{report}");
    report.failed()
}

#[tokio::test]
async fn each_fault_is_found_by_its_check_and_no_other() {
    for (fault, check) in [
        (Fault::HidesDemoAccount, "FORM-1"),
        (Fault::NamesAccountByToken, "CRED-1"),
        (Fault::ClaimsRights, "CRED-3"),
        (Fault::IdsAreNumbers, "ROOM-1"),
        (Fault::ForgetsParents, "ROOM-1"),
        (Fault::CountsPages, "PULL-1"),
        (Fault::MovesCursorEarly, "PULL-2"),
        (Fault::TakesAnyCursor, "PULL-2"),
        (Fault::SkipsSecond, "PULL-3"),
        (Fault::FiltersByState, "PULL-4"),
        (Fault::IgnoresLimit, "PULL-5"),
        (Fault::DemandsIds, "STAY-1"),
        (Fault::WritesAgain, "PIN-1"),
        (Fault::PinsAreNumbers, "PIN-2"),
        (Fault::GivesUpAtDeclined, "PIN-2"),
        (Fault::AddsWithoutReading, "PIN-3"),
        (Fault::DeletesOthers, "PIN-4"),
        (Fault::ComparesNothing, "PIN-4"),
        (Fault::TokenInCursor, "LEAK-1"),
    ] {
        assert_eq!(failed(fault).await, [check], "{fault:?}");
    }
    assert_eq!(failed(Fault::Nothing).await, Vec::<&str>::new());
}

/// As the good one has it, but for one word.
static UNDECLARED: App = App {
    slug: APP.slug,
    name: APP.name,
    category: APP.category,
    support_url: APP.support_url,
    notes: APP.notes,
    form: APP.form,
    capabilities: Capabilities {
        demo_account: false,
        ..APP.capabilities
    },
    budget: APP.budget,
};

#[async_trait]
impl Pms for Mutant {
    fn app(&self) -> &'static App {
        if self.fault == Fault::HidesDemoAccount {
            return &UNDECLARED;
        }
        self.good.app()
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        let mut opens = self.good.validate(account).await?;
        if let (Fault::NamesAccountByToken, Opens::One(opened)) = (self.fault, &mut opens) {
            let token = token(account);
            opened.key = id(&format!("house-{}", &token[token.len() - 8..]));
        }
        Ok(opens)
    }

    async fn refused(&self, account: &Account) -> Result<Vec<Right>, AdapterError> {
        let mut refused = self.good.refused(account).await?;
        refused.retain(|_| self.fault != Fault::ClaimsRights);
        Ok(refused)
    }

    async fn rooms(&self, account: &Account) -> Result<Vec<Room>, AdapterError> {
        let mut rooms = self.good.rooms(account).await?;
        for room in &mut rooms {
            match self.fault {
                Fault::IdsAreNumbers => {
                    if let Ok(number) = room.id.as_str().parse::<u64>() {
                        room.id = id(&number.to_string());
                    }
                }
                Fault::ForgetsParents => room.parent = None,
                _ => {}
            }
        }
        Ok(rooms)
    }

    async fn pull(&self, account: &Account, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        match self.fault {
            Fault::CountsPages => self.count_pages(account, ask, limit).await,
            Fault::MovesCursorEarly => self.move_early(account, ask, limit).await,
            Fault::TakesAnyCursor => self.take_any(account, ask, limit).await,
            Fault::SkipsSecond => self.skip_second(account, ask, limit).await,
            Fault::FiltersByState => {
                let is_changes = matches!(ask, Pull::Changes { .. });
                let mut pulled = self.good.pull(account, ask, limit).await?;
                let expected = [ReservationState::Confirmed, ReservationState::CheckedIn];
                let keep = |stay: &Reservation| !is_changes || expected.contains(&stay.state);
                pulled.reservations.retain(keep);
                Ok(pulled)
            }
            Fault::IgnoresLimit => {
                let limit = match ask {
                    Pull::Window { .. } => limit.max(3),
                    Pull::Changes { .. } => limit,
                };
                self.good.pull(account, ask, limit).await
            }
            Fault::TokenInCursor => {
                let ask = with_cursor(ask, |cursor| {
                    let place = cursor.0.rsplit_once(' ').map(|(place, _)| place);
                    Cursor(place.unwrap_or_default().to_owned())
                });
                let mut pulled = self.good.pull(account, ask, limit).await?;
                pulled.cursor.0 = format!("{} {}", pulled.cursor.0, token(account));
                Ok(pulled)
            }
            _ => self.good.pull(account, ask, limit).await,
        }
    }

    async fn fetch(&self, account: &Account, ids: &[VendorId]) -> Result<Fetched, AdapterError> {
        let fetched = self.good.fetch(account, ids).await?;
        if self.fault == Fault::DemandsIds && fetched.reservations.len() < ids.len() {
            return Err(AdapterError::Declined { said: None });
        }
        Ok(fetched)
    }

    fn pins(&self) -> Option<&dyn PinStore> {
        Some(self)
    }
}

/// Reading.
impl Mutant {
    async fn all(&self, account: &Account, ask: Pull) -> Result<Pulled, AdapterError> {
        self.good.pull(account, ask, 1000).await
    }

    async fn count_pages(
        &self,
        account: &Account,
        ask: Pull,
        limit: u32,
    ) -> Result<Pulled, AdapterError> {
        let Pull::Window { from, to, at } = ask else {
            return self.good.pull(account, ask, limit).await;
        };
        let read = match at {
            Some(at) => {
                let count =
                    at.0.strip_prefix("page ")
                        .and_then(|count| count.parse().ok());
                count.ok_or(AdapterError::StaleCursor)?
            }
            None => 0,
        };
        let all = self.all(account, Pull::Window { from, to, at: None });
        let mut stays = all.await?.reservations;
        stays.sort_by_key(|stay| stay.starts_at);
        let limit = usize::try_from(limit).unwrap();
        let more = stays.len() > read + limit;
        Ok(Pulled {
            reservations: stays.into_iter().skip(read).take(limit).collect(),
            unreadable: Vec::new(),
            cursor: Cursor(format!("page {}", read + limit)),
            more,
        })
    }

    async fn move_early(
        &self,
        account: &Account,
        ask: Pull,
        limit: u32,
    ) -> Result<Pulled, AdapterError> {
        if !matches!(ask, Pull::Changes { since: Some(_) }) {
            return self.good.pull(account, ask, limit).await;
        }
        let mut pulled = self.all(account, ask).await?;
        let rest = &mut self.memory.lock().unwrap().rest;
        rest.append(&mut pulled.reservations);
        let limit = usize::try_from(limit).unwrap().min(rest.len());
        pulled.reservations = rest.drain(..limit).collect();
        pulled.more = !rest.is_empty();
        Ok(pulled)
    }

    async fn take_any(
        &self,
        account: &Account,
        ask: Pull,
        limit: u32,
    ) -> Result<Pulled, AdapterError> {
        match (self.good.pull(account, ask.clone(), limit).await, ask) {
            (Err(AdapterError::StaleCursor), Pull::Window { from, to, .. }) => {
                let ask = Pull::Window { from, to, at: None };
                self.good.pull(account, ask, limit).await
            }
            (pulled, _) => pulled,
        }
    }

    async fn skip_second(
        &self,
        account: &Account,
        ask: Pull,
        limit: u32,
    ) -> Result<Pulled, AdapterError> {
        if !matches!(ask, Pull::Changes { since: Some(_) }) {
            return self.good.pull(account, ask, limit).await;
        }
        let mut pulled = self.good.pull(account, ask, limit).await?;
        let memory = &mut self.memory.lock().unwrap();
        let latest = pulled.reservations.iter().filter_map(|it| it.updated_at);
        let latest = latest.max().max(memory.read_to);
        pulled
            .reservations
            .retain(|stay| stay.updated_at > memory.read_to);
        if !pulled.more {
            memory.read_to = latest;
        }
        Ok(pulled)
    }
}

fn with_cursor(ask: Pull, change: impl Fn(Cursor) -> Cursor) -> Pull {
    match ask {
        Pull::Window { from, to, at } => {
            let at = at.map(change);
            Pull::Window { from, to, at }
        }
        Pull::Changes { since } => Pull::Changes {
            since: since.map(change),
        },
    }
}

/// Writing.
#[async_trait]
impl PinStore for Mutant {
    async fn put(&self, account: &Account, want: &StayPins) -> Result<Stored, AdapterError> {
        let good = self.good.pins().unwrap();
        let ours = self.house.pins_of(&want.reservation).into_iter();
        let ours = ours.filter(|held| held.mark == want.mark).count();
        match self.fault {
            Fault::WritesAgain => {
                let nothing = StayPins {
                    pin: None,
                    ..copied(want, |pin| pin)
                };
                good.put(account, &nothing).await?;
                good.put(account, want).await
            }
            Fault::PinsAreNumbers => good.put(account, &copied(want, number)).await,
            Fault::AddsWithoutReading => {
                let stored = good.put(account, want).await?;
                if let (None, Some(pin), 1..) = (&want.known, &want.pin, ours) {
                    self.house.add_pin(&want.reservation, &want.mark, &pin.pin);
                }
                Ok(stored)
            }
            Fault::DeletesOthers => {
                for held in self.house.pins_of(&want.reservation) {
                    if held.mark != want.mark {
                        self.house.drop_pin(&held.id);
                    }
                }
                good.put(account, want).await
            }
            _ => good.put(account, want).await,
        }
    }

    async fn put_all(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<Result<Stored, AdapterError>>, AdapterError> {
        let mut stored = Vec::new();
        for want in want {
            match self.put(account, want).await {
                Err(error) if self.fault == Fault::GivesUpAtDeclined => return Err(error),
                put => stored.push(put),
            }
        }
        Ok(stored)
    }

    async fn check(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<PinCopy>, AdapterError> {
        let good = self.good.pins().unwrap();
        if self.fault == Fault::PinsAreNumbers {
            let want: Vec<StayPins> = want.iter().map(|want| copied(want, number)).collect();
            return good.check(account, &want).await;
        }
        let mut copies = good.check(account, want).await?;
        if self.fault == Fault::ComparesNothing {
            for (copy, want) in copies.iter_mut().zip(want) {
                let held = self.house.pins_of(&want.reservation);
                let ours = held.iter().filter(|held| held.mark == want.mark).count();
                if (*copy, ours) == (PinCopy::Differs, 1) {
                    *copy = PinCopy::Match;
                }
            }
        }
        Ok(copies)
    }
}

/// Digits as a number would have them.
fn number(digits: &str) -> &str {
    digits.trim_start_matches('0')
}

fn copied(want: &StayPins, digits: impl Fn(&str) -> &str) -> StayPins {
    let pin = want.pin.as_ref().map(|pin| portal_interface::StayPin {
        room: pin.room.clone(),
        bed: pin.bed,
        common_doors: pin.common_doors,
        pin: digits(pin.pin.expose_secret()).into(),
        from: pin.from,
        until: pin.until,
    });
    StayPins {
        reservation: want.reservation.clone(),
        mark: want.mark.clone(),
        known: want.known.clone(),
        pin,
    }
}

fn token(account: &Account) -> &str {
    let token = account.credentials.get("accessToken");
    token.map_or("without-a-token", ExposeSecret::expose_secret)
}

fn id(text: &str) -> VendorId {
    VendorId::new(text).unwrap()
}
