//! A house whose staff a test plays, and a model of who should get in.
//!
//! The model is written from the guide's rules alone: no code of Portal decides in it.

use crate::harness::{Hotel, TestClock};
use chrono::{DateTime, Duration, SubsecRound, Utc};
use portal_domain::PropertyId;
use portal_interface::Clock;
use portal_mews::fake::{Booking, FakeMews, StayState};
use portal_virtual::fake::{FakeLocks, LockCode};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long the old room opens for the luggage after a move.
pub(super) const LUGGAGE: Duration = Duration::minutes(60);
/// Longest break between two stays of a guest in a room that are one to the guest.
const BREAK: Duration = Duration::hours(12);

/// A stay as the PMS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) state: StayState,
    pub(crate) room: Option<String>,
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    checked_in: Option<DateTime<Utc>>,
}

impl Booked {
    pub(super) fn in_house(&self) -> bool {
        self.state == StayState::Started
    }

    /// From when it opens, when no other stay goes before it.
    fn opens_at(&self) -> DateTime<Utc> {
        self.checked_in.map_or(self.from, |at| at.min(self.from))
    }

    /// Whether it comes right before another in the same room.
    fn is_right_before(&self, next: &Self) -> bool {
        let comes = !matches!(self.state, StayState::Canceled | StayState::Optional);
        let near = self.until <= next.from && next.from - self.until <= BREAK;
        comes && near && self.room.is_some() && self.room == next.room
    }
}

/// A door that should open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) room: String,
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    /// Where the end follows from when Portal saw a move, which is not known yet: `until` is the
    /// soonest, this the latest it can be.
    pub(super) latest: Option<DateTime<Utc>>,
    /// The digits it opens with, when they are not those of the stay.
    pub(super) pin: Option<String>,
}

/// A stay: what the PMS has, what Portal has seen of it, and what should follow.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    pub(crate) number: String,
    pub(super) id: String,
    /// Stays of one guest have the same.
    pub(super) guest: usize,
    pub(crate) booked: Booked,
    pub(super) seen: Option<Booked>,
    moved_at: DateTime<Utc>,
    pub(super) main: Option<Door>,
    pub(super) luggage: Vec<Door>,
    /// The PINs it has had, the one it has last.
    pub(super) pins: Vec<String>,
    /// Whether a person gave it another PIN, which has not been seen yet.
    pub(super) rotated: bool,
    /// Whether a person took the access away.
    revoked: bool,
    /// Whether its times ran out while the link was broken: what the PMS has of it opens nothing, and
    /// need not be taken out.
    pub(super) ran_out: bool,
}

/// See the module.
pub(crate) struct House {
    pub(crate) mews: Arc<FakeMews>,
    pub(crate) locks: Arc<FakeLocks>,
    clock: Arc<TestClock>,
    enterprise: String,
    pub(crate) property: PropertyId,
    /// Rooms with a lock, and the lock's name at its vendor.
    pub(super) rooms: BTreeMap<String, String>,
    pub(crate) stays: Vec<Stay>,
    /// Stays booked so far.
    pub(crate) booked: usize,
    /// Whether the clock runs while Portal works, so that ends that follow from it are not known to
    /// the second.
    pub(crate) running: bool,
    /// Whether the link to the PMS is broken: nothing is seen, and what there is stays.
    pub(crate) broken: bool,
    /// Rooms that lead to no space.
    unmapped: BTreeSet<String>,
    /// Rooms whose lock was taken out.
    without_lock: BTreeSet<String>,
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
            broken: false,
            unmapped: BTreeSet::new(),
            without_lock: BTreeSet::new(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Books a stay of a new guest and answers its place among the stays.
    pub(crate) fn book(
        &mut self,
        room: Option<&str>,
        state: StayState,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> usize {
        self.book_for(None, room, state, from, until)
    }

    /// Books a stay, of the guest of another one if so asked.
    pub(crate) fn book_for(
        &mut self,
        guest_of: Option<usize>,
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
        let mut guest = self.booked;
        if let Some(other) = guest_of.map(|other| &self.stays[other]) {
            booking = booking.same_guest_as(&other.number);
            guest = other.guest;
        }
        let id = self.mews.book(&self.enterprise, &booking);
        self.stays.push(Stay {
            number,
            id,
            guest,
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
            pins: Vec::new(),
            rotated: false,
            revoked: false,
            ran_out: false,
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
        for stay in &mut self.stays {
            stay.seen = Some(stay.booked.clone());
        }
        self.decide_all();
    }

    /// Portal has read these stays as they are now. Others may follow from it.
    pub(crate) fn seen(&mut self, stays: &[usize]) {
        for stay in stays {
            let stay = &mut self.stays[*stay];
            stay.seen = Some(stay.booked.clone());
        }
        self.decide_all();
    }

    pub(crate) fn has_access(&self, stay: usize) -> bool {
        let now = self.now();
        let main = self.stays[stay].main.as_ref();
        main.is_some_and(|door| door.until > now)
    }

    /// The PIN a stay has, as far as it was seen.
    pub(crate) fn pin_of(&self, stay: usize) -> Option<&str> {
        self.stays[stay].pins.last().map(String::as_str)
    }

    /// A room with a lock.
    pub(crate) fn some_door(&self, rng: &mut StdRng) -> String {
        self.rooms.keys().choose(rng).expect("a room").clone()
    }

    pub(crate) fn is_mapped(&self, room: &str) -> bool {
        self.rooms.contains_key(room) && !self.unmapped.contains(room)
    }

    pub(crate) fn is_installed(&self, room: &str) -> bool {
        self.rooms.contains_key(room) && !self.without_lock.contains(room)
    }

    /// A person takes the access away, for whatever the PMS says later.
    pub(crate) fn revoke(&mut self, stay: usize) {
        self.stays[stay].revoked = true;
        self.decide(stay);
    }

    pub(crate) fn reinstate(&mut self, stay: usize) {
        self.stays[stay].revoked = false;
        self.decide(stay);
    }

    /// A person gives a stay another PIN.
    pub(crate) fn rotate(&mut self, stay: usize) {
        self.stays[stay].rotated = true;
    }

    /// A person unmaps a room, for whoever is in the house too, or maps it again.
    pub(crate) fn map_or_unmap(&mut self, room: &str) {
        if !self.unmapped.remove(room) {
            self.unmapped.insert(room.to_owned());
            self.lose(room, |seen| {
                seen.room.as_deref().is_none_or(|is| is == room)
            });
        }
        self.decide_all();
    }

    /// A person takes the lock of a room out, for whoever is in the house too, or installs it again.
    pub(crate) fn install_or_remove(&mut self, room: &str) {
        if !self.without_lock.remove(room) {
            self.without_lock.insert(room.to_owned());
            self.lose(room, |_| true);
        }
        self.decide_all();
    }

    /// Who is in the house behind a door loses it, by the word of a person.
    fn lose(&mut self, room: &str, who: impl Fn(&Booked) -> bool) {
        for stay in &mut self.stays {
            let is = stay.seen.as_ref();
            let theirs = is.is_some_and(|seen| seen.in_house() && who(seen));
            if theirs && stay.main.as_ref().is_some_and(|door| door.room == room) {
                stay.main = None;
            }
        }
    }

    fn decide_all(&mut self) {
        for stay in 0..self.stays.len() {
            self.decide(stay);
        }
    }

    /// The stays of the same guest in the same room that end right before this one.
    fn before<'a>(&'a self, stay: &'a Stay) -> impl Iterator<Item = (usize, DateTime<Utc>)> + 'a {
        let others = self
            .stays
            .iter()
            .enumerate()
            .filter(|(_, other)| other.guest == stay.guest && other.number != stay.number);
        others.filter_map(|(n, other)| {
            let (seen, own) = (other.seen.as_ref()?, stay.seen.as_ref()?);
            seen.is_right_before(own).then_some((n, seen.until))
        })
    }

    /// The stays a guest goes on from into this one: those that end last right before it.
    fn follows(&self, stay: usize) -> Vec<usize> {
        let stay = &self.stays[stay];
        let last = self.before(stay).map(|(_, end)| end).max();
        let before = self.before(stay).filter(|(_, end)| Some(*end) == last);
        before.map(|(other, _)| other).collect()
    }

    /// The stays that are one with this one to the guest.
    pub(super) fn next_to(&self, stay: usize) -> Vec<usize> {
        let follow = |other: &usize| self.follows(*other).contains(&stay);
        let after = (0..self.stays.len()).filter(follow);
        self.follows(stay).into_iter().chain(after).collect()
    }

    /// From when a stay opens: as it is booked or when the guest checked in, or as soon as the stay
    /// right before it ends.
    fn opens_at(&self, stay: usize, own: &Booked) -> DateTime<Utc> {
        let end = self.before(&self.stays[stay]).map(|(_, end)| end).max();
        end.map_or(own.opens_at(), |end| own.opens_at().min(end))
    }

    /// What follows from what Portal has seen.
    fn decide(&mut self, stay: usize) {
        let (now, running) = (self.now(), self.running);
        let Some(seen) = self.stays[stay].seen.clone() else {
            return;
        };
        let from = self.opens_at(stay, &seen);
        let has_door = |room: &String| self.is_mapped(room) && self.is_installed(room);
        let room = seen.room.clone().filter(has_door);
        let broken = self.broken;
        let stay = &mut self.stays[stay];
        let over = seen.until <= now || from >= seen.until;
        let booked = matches!(seen.state, StayState::Confirmed | StayState::Started);
        if over || !booked || stay.revoked {
            stay.main = None;
            stay.luggage.clear();
            return;
        }
        if broken {
            return;
        }
        let Some(room) = room else {
            // A guest in the house keeps what there is.
            if !seen.in_house() {
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
            pin: None,
        };
        if let Some(was) = stay.main.replace(next.clone())
            && seen.in_house()
            && was.room != next.room
            && was.from <= now
            && was.until > now
        {
            // Read at some moment between the move and now.
            let since = if running { stay.moved_at } else { now };
            stay.luggage.push(Door {
                until: was.until.min(since + LUGGAGE),
                latest: running.then_some(was.until),
                pin: stay.pins.last().cloned(),
                ..was
            });
        }
    }
}
