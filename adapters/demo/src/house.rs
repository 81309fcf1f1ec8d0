//! One house: its rooms, its book and the PINs noted in it.

use chrono::{DateTime, Utc};
use portal_interface::{
    AdapterError, ExposeSecret, PinCopy, Reservation, ReservationState, Room, SecretString,
    StayPin, StayPins, Stored, VendorId,
};
use std::collections::BTreeMap;

/// A PIN noted on a reservation.
#[derive(Debug, Clone)]
pub struct HeldPin {
    /// The note's identifier.
    pub id: VendorId,
    /// The reservation it is noted on.
    pub reservation: VendorId,
    /// Whose note it is.
    pub mark: String,
    /// The room or bed.
    pub room: VendorId,
    /// Whether it is a bed in a shared room.
    pub bed: bool,
    /// Whether it also opens doors outside the room.
    pub common_doors: bool,
    /// The digits.
    pub pin: SecretString,
    /// From when it is valid.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl HeldPin {
    fn is(&self, want: &StayPin) -> bool {
        self.pin.expose_secret() == want.pin.expose_secret()
            && self.room == want.room
            && (self.bed, self.common_doors) == (want.bed, want.common_doors)
            && (self.from, self.until) == (want.from, want.until)
    }

    fn is_of(&self, want: &StayPins) -> bool {
        self.reservation == want.reservation && self.mark == want.mark
    }
}

/// A page of the book.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) more: bool,
}

/// A reservation, and the number of the change that made it what it is.
struct Entry {
    stay: Reservation,
    revision: u64,
}

/// One house.
pub(crate) struct House {
    pub(crate) name: String,
    /// Whether it lets anybody in.
    pub(crate) open: bool,
    /// Whether PINs may be noted in it.
    pub(crate) takes_pins: bool,
    pub(crate) rooms: Vec<Room>,
    pub(crate) pins: Vec<HeldPin>,
    book: BTreeMap<VendorId, Entry>,
    /// Number of the latest change. No two reservations share one, so a page can end anywhere.
    revision: u64,
    notes: u64,
}

impl House {
    pub(crate) fn new(name: &str, rooms: Vec<Room>) -> Self {
        Self {
            name: name.to_owned(),
            open: true,
            takes_pins: true,
            rooms,
            pins: Vec::new(),
            book: BTreeMap::new(),
            revision: 0,
            notes: 0,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn has_room(&self, id: &VendorId) -> bool {
        self.rooms.iter().any(|room| room.id == *id)
    }

    pub(crate) fn stay(&self, id: &VendorId) -> Option<&Reservation> {
        self.book.get(id).map(|entry| &entry.stay)
    }

    pub(crate) fn stays(&self) -> impl Iterator<Item = &Reservation> {
        self.book.values().map(|entry| &entry.stay)
    }

    /// Number of the next reservation.
    pub(crate) fn next_number(&self) -> usize {
        self.book.len() + 1
    }

    /// Writes a reservation into the book, as the latest change.
    pub(crate) fn write(&mut self, mut stay: Reservation, now: DateTime<Utc>) {
        self.revision += 1;
        stay.updated_at = Some(now);
        word(stay.state).clone_into(&mut stay.raw_state);
        let revision = self.revision;
        self.book.insert(stay.id.clone(), Entry { stay, revision });
    }

    /// Stays that are certain and touch the window, by id.
    pub(crate) fn window(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: Option<&VendorId>,
        limit: u32,
    ) -> Page {
        let certain = |stay: &Reservation| {
            matches!(
                stay.state,
                ReservationState::Confirmed | ReservationState::CheckedIn
            )
        };
        let touches = |stay: &Reservation| {
            let start = stay.actual_start.unwrap_or(stay.starts_at);
            let start = start.min(stay.starts_at);
            // One without length touches it too, when it lies inside.
            start < to && (stay.ends_at > from || start >= from)
        };
        let found = self
            .stays()
            .filter(|stay| certain(stay) && touches(stay))
            .filter(|stay| after.is_none_or(|after| stay.id > *after));
        page(found.cloned().collect(), limit)
    }

    /// What changed after a revision, and the revision the page reaches.
    pub(crate) fn changes(&self, since: u64, limit: u32) -> (Page, u64) {
        let mut changed: Vec<&Entry> = self.book.values().collect();
        changed.retain(|entry| entry.revision > since);
        changed.sort_by_key(|entry| entry.revision);
        let page = page(
            changed.iter().map(|entry| entry.stay.clone()).collect(),
            limit,
        );
        let reached = page.reservations.len().checked_sub(1);
        let reached = reached.map_or(since, |last| changed[last].revision);
        (page, reached)
    }

    /// Makes the notes under our mark equal to what is wanted.
    pub(crate) fn put_pin(&mut self, want: &StayPins) -> Result<Stored, AdapterError> {
        if !self.takes_pins {
            return Err(AdapterError::Declined {
                said: Some("This account may not note PINs.".to_owned()),
            });
        }
        let Some(pin) = &want.pin else {
            let before = self.pins.len();
            self.pins.retain(|held| !held.is_of(want));
            let wrote = self.pins.len() < before;
            return Ok(Stored { id: None, wrote });
        };
        if !self.book.contains_key(&want.reservation) || !self.has_room(&pin.room) {
            return Err(AdapterError::Declined { said: None });
        }
        if self.compare_pin(want) == PinCopy::Match {
            let held = self.pins.iter().find(|held| held.is_of(want));
            let id = held.map(|held| held.id.clone());
            return Ok(Stored { id, wrote: false });
        }
        // One of ours is kept, changed in place; whatever else is there under our mark goes.
        let kept = self.pins.iter().find(|held| held.is_of(want));
        let id = kept.map(|held| held.id.clone());
        let id = id.unwrap_or_else(|| self.next_note());
        self.pins.retain(|held| !held.is_of(want));
        self.pins.push(HeldPin {
            id: id.clone(),
            reservation: want.reservation.clone(),
            mark: want.mark.clone(),
            room: pin.room.clone(),
            bed: pin.bed,
            common_doors: pin.common_doors,
            pin: pin.pin.clone(),
            from: pin.from,
            until: pin.until,
        });
        Ok(Stored {
            id: Some(id),
            wrote: true,
        })
    }

    /// How the notes under our mark compare with what is wanted.
    pub(crate) fn compare_pin(&self, want: &StayPins) -> PinCopy {
        let ours: Vec<&HeldPin> = self.pins.iter().filter(|held| held.is_of(want)).collect();
        match (ours.as_slice(), &want.pin) {
            ([], None) => PinCopy::Match,
            ([], Some(_)) => PinCopy::Missing,
            ([held], Some(pin)) if held.is(pin) => PinCopy::Match,
            _ => PinCopy::Differs,
        }
    }

    /// Identifier for a new note.
    pub(crate) fn next_note(&mut self) -> VendorId {
        self.notes += 1;
        id("pin", self.notes)
    }
}

/// An identifier of a kind of thing.
pub(crate) fn id(kind: &str, number: impl std::fmt::Display) -> VendorId {
    VendorId::new(format!("{kind}-{number}")).expect("it is a short text")
}

fn page(mut reservations: Vec<Reservation>, limit: u32) -> Page {
    // A page of nothing would never come to an end.
    let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
    let more = reservations.len() > limit;
    reservations.truncate(limit);
    Page { reservations, more }
}

/// The state in this PMS's words.
fn word(state: ReservationState) -> &'static str {
    match state {
        ReservationState::Tentative => "tentative",
        ReservationState::Confirmed => "booked",
        ReservationState::CheckedIn => "in house",
        ReservationState::CheckedOut => "departed",
        ReservationState::Canceled => "cancelled",
        ReservationState::NoShow => "no-show",
        ReservationState::Unknown => "unknown",
    }
}
