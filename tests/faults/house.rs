//! A house whose staff a test plays, a model of who should get in, and the comparison of both with
//! what stands on the locks, in the PMS and in the database.
//!
//! The model is written from the guide's rules alone: no code of Portal decides in it.

use crate::harness::{Hotel, TestClock};
use chrono::{DateTime, Duration, SubsecRound, Utc};
use portal_domain::{PinId, PropertyId, ReservationTransfer};
use portal_interface::Clock;
use portal_mews::fake::{Booking, FakeMews, HeldPin, StayState};
use portal_store::page::Page;
use portal_store::reservation::{self, Filter};
use portal_store::{Db, Sealer, pin};
use portal_virtual::fake::{FakeLocks, LockCode};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How long the old room opens for the luggage after a move.
const LUGGAGE: Duration = Duration::minutes(60);

/// A stay as the PMS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) state: StayState,
    pub(crate) room: Option<String>,
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    checked_in: Option<DateTime<Utc>>,
}

/// A door that should open.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Door {
    room: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// Where the end follows from when Portal saw a move, which is not known yet: `until` is the
    /// soonest, this the latest it can be.
    latest: Option<DateTime<Utc>>,
}

/// A stay: what the PMS has, what Portal has seen of it, and what should follow.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    pub(crate) number: String,
    id: String,
    pub(crate) booked: Booked,
    seen: Option<Booked>,
    moved_at: DateTime<Utc>,
    main: Option<Door>,
    luggage: Vec<Door>,
    /// The PIN it had last, while it had to stay the same.
    pin: Option<String>,
}

/// See the module.
pub(crate) struct House {
    pub(crate) mews: Arc<FakeMews>,
    pub(crate) locks: Arc<FakeLocks>,
    clock: Arc<TestClock>,
    enterprise: String,
    pub(crate) property: PropertyId,
    /// Rooms with a lock, and the lock's name at its vendor.
    rooms: BTreeMap<String, String>,
    pub(crate) stays: Vec<Stay>,
    /// Stays booked so far.
    pub(crate) booked: usize,
    /// Whether the clock runs while Portal works, so that ends that follow from it are not known to
    /// the second.
    pub(crate) running: bool,
}

impl House {
    /// A house without stays: these rooms have a lock.
    pub(crate) async fn furnish(hotel: &Hotel<'_>, rooms: &[&str]) -> Self {
        let mut locks = BTreeMap::new();
        for room in rooms {
            hotel.map(room, &format!("Room {room}")).await;
            let lock = hotel
                .install(&format!("Room {room}"), &format!("Lock {room}"))
                .await;
            locks.insert((*room).to_owned(), lock);
        }
        Self {
            mews: hotel.portal.mews.clone(),
            locks: hotel.portal.locks.clone(),
            clock: hotel.portal.clock.clone(),
            enterprise: hotel.enterprise.clone(),
            property: hotel.property,
            rooms: locks,
            stays: Vec::new(),
            booked: 0,
            running: false,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Books a stay and answers its place among the stays.
    pub(crate) fn book(
        &mut self,
        room: Option<&str>,
        state: StayState,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> usize {
        let (from, until) = (from.trunc_subsecs(0), until.trunc_subsecs(0));
        self.booked += 1;
        let number = format!("S{}", self.booked);
        let mut booking = Booking::new(from, until).number(&number).state(state);
        if let Some(room) = room {
            booking = booking.room(room);
        }
        let id = self.mews.book(&self.enterprise, &booking);
        self.stays.push(Stay {
            number,
            id,
            booked: Booked {
                state,
                room: room.map(str::to_owned),
                from,
                until,
                checked_in: None,
            },
            seen: None,
            moved_at: self.now(),
            main: None,
            luggage: Vec::new(),
            pin: None,
        });
        self.stays.len() - 1
    }

    /// How many locks hold a code of a stay, as the copy in the PMS tells.
    pub(crate) fn codes_of(&self, stay: usize) -> usize {
        let held = self.mews.pins(&self.stays[stay].id);
        let has = |code: &LockCode| held.iter().any(|pin| pin.value == code.pin);
        let locks = self.rooms.values();
        locks
            .filter(|lock| self.locks.codes(lock).iter().any(has))
            .count()
    }

    /// Forgets stays that are over: nothing is left of them anywhere, and no more happens to them.
    pub(crate) fn retire(&mut self) {
        let now = self.now();
        self.stays.retain(|stay| {
            let ended = matches!(
                stay.booked.state,
                StayState::Processed | StayState::Canceled
            );
            !ended && stay.booked.until > now
        });
    }

    pub(crate) fn assign(&mut self, stay: usize, room: Option<&str>) {
        let now = self.now();
        let stay = &mut self.stays[stay];
        self.mews.assign(&stay.id, room);
        stay.booked.room = room.map(str::to_owned);
        stay.moved_at = now;
    }

    pub(crate) fn redate(&mut self, stay: usize, from: DateTime<Utc>, until: DateTime<Utc>) {
        let (from, until) = (from.trunc_subsecs(0), until.trunc_subsecs(0));
        let stay = &mut self.stays[stay];
        self.mews.redate(&stay.id, from, until);
        (stay.booked.from, stay.booked.until) = (from, until);
    }

    /// Confirms, checks in, checks out, cancels or reinstates.
    pub(crate) fn enter(&mut self, stay: usize, state: StayState) {
        let now = self.now().trunc_subsecs(0);
        let stay = &mut self.stays[stay];
        self.mews.set_state(&stay.id, state);
        stay.booked.state = state;
        stay.booked.checked_in = match state {
            StayState::Started => stay.booked.checked_in.or(Some(now)),
            StayState::Processed => stay.booked.checked_in,
            _ => None,
        };
    }

    /// Portal has read every stay as it is now.
    pub(crate) fn all_seen(&mut self) {
        for stay in 0..self.stays.len() {
            self.seen(stay);
        }
    }

    /// Portal has read this stay as it is now.
    pub(crate) fn seen(&mut self, stay: usize) {
        let (now, running) = (self.now(), self.running);
        let rooms = &self.rooms;
        let stay = &mut self.stays[stay];
        let seen = stay.booked.clone();
        stay.seen = Some(seen.clone());
        let in_house = seen.state == StayState::Started;
        let from = seen.checked_in.map_or(seen.from, |at| at.min(seen.from));
        let over = seen.until <= now || from >= seen.until;
        let booked = matches!(seen.state, StayState::Confirmed | StayState::Started);
        if over || !booked {
            stay.main = None;
            stay.luggage.clear();
            stay.pin = None;
            return;
        }
        let Some(room) = seen.room.filter(|room| rooms.contains_key(room)) else {
            // A guest in the house keeps what there is.
            if !in_house {
                stay.main = None;
                stay.luggage.clear();
            }
            return;
        };
        let next = Door {
            room,
            from,
            until: seen.until,
            latest: None,
        };
        if let Some(was) = stay.main.replace(next.clone())
            && in_house
            && was.room != next.room
            && was.from <= now
            && was.until > now
        {
            // Read at some moment between the move and now.
            let since = if running { stay.moved_at } else { now };
            stay.luggage.push(Door {
                until: was.until.min(since + LUGGAGE),
                latest: running.then_some(was.until),
                ..was
            });
        }
    }

    /// What is not as it should be, now that everything is at rest. Empty: all is well.
    #[expect(
        clippy::too_many_lines,
        reason = "one comparison after the other, each of the same few values"
    )]
    pub(crate) async fn differences(&mut self, db: &Db, sealer: &Sealer) -> Vec<String> {
        let now = self.now();
        let mut wrong = Vec::new();
        let known = Known::read(db, sealer, self.property, now).await;
        let mut pins_in_use: HashMap<String, Vec<Use>> = HashMap::new();
        let mut found = BTreeMap::new();
        for (room, lock) in &self.rooms {
            for code in self.locks.codes(lock) {
                let stay = known.stay_of(&code.label, &code.pin);
                let Some(stay) =
                    stay.and_then(|number| self.stays.iter().position(|s| s.number == *number))
                else {
                    wrong.push(format!("lock {room}: a code of nobody's, {}", code.label));
                    continue;
                };
                pins_in_use
                    .entry(code.pin.clone())
                    .or_default()
                    .push((stay, code.from, code.until));
                if let Some(other) = found.insert((stay, room.clone()), code) {
                    wrong.push(format!("lock {room}: two codes, one is {}", other.label));
                }
            }
        }
        for (index, stay) in self.stays.iter_mut().enumerate() {
            stay.luggage
                .retain(|door| door.latest.unwrap_or(door.until) > now);
            if stay.main.as_ref().is_some_and(|door| door.until <= now) {
                stay.main = None;
            }
            let mut digits = None;
            for room in self.rooms.keys() {
                let doors: Vec<&Door> = stay
                    .main
                    .iter()
                    .chain(&stay.luggage)
                    .filter(|door| door.room == *room)
                    .collect();
                let code = found.remove(&(index, room.clone()));
                let from = doors.iter().map(|door| door.from).min();
                let until = doors.iter().map(|door| door.until).max();
                let latest = doors
                    .iter()
                    .map(|door| match door.latest {
                        Some(latest) => latest.min(now + LUGGAGE),
                        None => door.until,
                    })
                    .max();
                match (from, until, latest, code) {
                    (None, _, _, Some(_)) => {
                        wrong.push(format!("{}: still opens {room}", stay.number));
                    }
                    (Some(_), Some(until), _, None) if until <= now => {}
                    (Some(_), _, _, None) => {
                        wrong.push(format!("{}: does not open {room}", stay.number));
                    }
                    (Some(from), Some(until), Some(latest), Some(code)) => {
                        let is_right = code.from == from && (until..=latest).contains(&code.until);
                        if !is_right {
                            wrong.push(format!(
                                "{}: opens {room} {} to {} instead of {from} to {until}",
                                stay.number, code.from, code.until
                            ));
                        }
                        let is_main = stay.main.as_ref().is_some_and(|door| door.room == *room);
                        for door in &mut stay.luggage {
                            if is_right
                                && !is_main
                                && door.room == *room
                                && door.latest.take().is_some()
                            {
                                door.until = code.until;
                            }
                        }
                        if is_main {
                            digits = Some(code.pin.clone());
                        }
                    }
                    (None, _, _, None) | (Some(_), ..) => {}
                }
            }
            wrong.extend(in_pms(stay, digits.as_deref(), &self.mews.pins(&stay.id)));
            if let (Some(before), Some(digits)) = (&stay.pin, &digits)
                && before != digits
            {
                wrong.push(format!("{}: has another PIN than before", stay.number));
            }
            if digits.is_some() {
                stay.pin = digits;
            }
            let expected = match (&stay.seen, &stay.main) {
                (None, _) => None,
                (Some(_), Some(_)) => Some(ReservationTransfer::Transferred),
                (Some(_), None) => Some(ReservationTransfer::Withheld),
            };
            match (expected, known.transfer.get(&stay.number)) {
                (None, _) => {}
                (Some(_), None) => wrong.push(format!("{}: not in Portal", stay.number)),
                (Some(ReservationTransfer::Transferred), Some(is)) => {
                    if *is != ReservationTransfer::Transferred {
                        wrong.push(format!("{}: {is} in Portal, not transferred", stay.number));
                    }
                }
                (Some(_), Some(is)) => {
                    if *is == ReservationTransfer::Transferred {
                        wrong.push(format!("{}: transferred in Portal", stay.number));
                    }
                }
            }
        }
        for uses in pins_in_use.values() {
            for (n, a) in uses.iter().enumerate() {
                for b in &uses[n + 1..] {
                    if a.0 != b.0 && a.1 < b.2 && b.1 < a.2 {
                        wrong.push(format!(
                            "{} and {} share a PIN",
                            self.stays[a.0].number, self.stays[b.0].number
                        ));
                    }
                }
            }
        }
        wrong
    }
}

/// What is wrong with the copies in the PMS.
fn in_pms(stay: &Stay, digits: Option<&str>, held: &[HeldPin]) -> Vec<String> {
    let number = &stay.number;
    match (&stay.main, held) {
        (None, []) => Vec::new(),
        (None, _) => vec![format!("{number}: its PIN is still in the PMS")],
        (Some(_), []) => vec![format!("{number}: its PIN is not in the PMS")],
        (Some(_), [_, _, ..]) => vec![format!("{number}: has {} PINs in the PMS", held.len())],
        (Some(door), [pin]) => {
            let mut wrong = Vec::new();
            if digits.is_some_and(|digits| digits != pin.value) {
                wrong.push(format!("{number}: another PIN in the PMS than on the lock"));
            }
            // A guest who keeps the old room keeps the copy of it.
            if pin.room.as_ref() != Some(&door.room) {
                wrong.push(format!(
                    "{number}: {:?} in the PMS, not {}",
                    pin.room, door.room
                ));
            }
            if pin.from != door.from || pin.until != door.until {
                wrong.push(format!(
                    "{number}: {} to {} in the PMS, not {} to {}",
                    pin.from, pin.until, door.from, door.until
                ));
            }
            wrong
        }
    }
}

/// A stay that uses a PIN, from when and until when.
type Use = (usize, DateTime<Utc>, DateTime<Utc>);

/// What Portal knows.
struct Known {
    /// The stay and the digits of each PIN.
    pins: HashMap<String, (String, Option<String>)>,
    transfer: HashMap<String, ReservationTransfer>,
}

impl Known {
    async fn read(db: &Db, sealer: &Sealer, property: PropertyId, now: DateTime<Utc>) -> Self {
        let mut conn = db.read().await.expect("a connection");
        let all = reservation::page(
            &mut conn,
            property,
            &Filter::default(),
            &Page::first(10_000),
        )
        .await
        .expect("the reservations");
        let mut pins = HashMap::new();
        let mut transfer = HashMap::new();
        for stay in all {
            let ids: Vec<PinId> = pin::of_reservation(&mut conn, property, stay.id)
                .await
                .expect("its PINs");
            let digits = pin::open(&mut conn, sealer, property, &ids, now)
                .await
                .expect("their digits");
            for id in ids {
                let digits = digits.get(&id).map(|code| code.expose_secret().to_owned());
                pins.insert(format!("portal:{id}"), (stay.number.clone(), digits));
            }
            transfer.insert(stay.number, stay.transfer);
        }
        Self { pins, transfer }
    }

    /// Whose code it is; none when the digits are others than Portal chose.
    fn stay_of(&self, label: &str, digits: &str) -> Option<&String> {
        let (number, known) = self.pins.get(label)?;
        let right = known.as_ref().is_none_or(|known| known == digits);
        right.then_some(number)
    }
}
