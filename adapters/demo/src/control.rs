//! What the people of a house do.

use crate::house::{HeldPin, House, id};
use crate::{DemoPms, furnish};
use chrono::{DateTime, Utc};
use portal_interface::{Reservation, ReservationState, Room, RoomKind, SecretString, VendorId};

/// A booking to be made.
#[derive(Debug, Clone)]
pub struct Booking {
    /// Name of the guest, if there is one.
    pub guest_name: Option<String>,
    /// The room assigned.
    pub room: Option<VendorId>,
    /// Scheduled start.
    pub starts_at: DateTime<Utc>,
    /// Scheduled end.
    pub ends_at: DateTime<Utc>,
    /// Whether it is not certain yet.
    pub tentative: bool,
}

/// A house of the demo PMS, in the hands of its people.
///
/// Methods that answer `bool` tell whether it could be done: they change nothing when there is no
/// such reservation or room, or when its state does not allow it.
#[derive(Debug, Clone)]
pub struct DemoHouse {
    pms: DemoPms,
    key: VendorId,
}

impl DemoHouse {
    /// The house must have been built.
    pub(crate) fn new(pms: DemoPms, key: VendorId) -> Self {
        Self { pms, key }
    }

    /// The account's key.
    pub fn key(&self) -> &VendorId {
        &self.key
    }

    /// Every reservation, by id, whatever its state.
    pub fn reservations(&self) -> Vec<Reservation> {
        self.with(|house, _| house.stays().cloned().collect())
    }

    /// One reservation.
    pub fn reservation(&self, id: &VendorId) -> Option<Reservation> {
        self.with(|house, _| house.stay(id).cloned())
    }

    /// Books a stay and answers its identifier.
    pub fn book(&self, booking: Booking) -> VendorId {
        // Other runs forget this stay; none of theirs may be taken for it.
        let run = self.pms.run();
        self.with(|house, now| {
            let number = house.next_number();
            let stay = Reservation {
                id: id("stay", format!("{number}-{run}")),
                number: furnish::confirmation(number),
                state: if booking.tentative {
                    ReservationState::Tentative
                } else {
                    ReservationState::Confirmed
                },
                raw_state: String::new(),
                room: booking.room,
                starts_at: booking.starts_at,
                ends_at: booking.ends_at,
                actual_start: None,
                actual_end: None,
                guest: None,
                guest_name: booking.guest_name,
                updated_at: None,
            };
            let id = stay.id.clone();
            house.write(stay, now);
            id
        })
    }

    /// Assigns a room; moves the stay if it has one already.
    pub fn assign(&self, id: &VendorId, room: &VendorId) -> bool {
        self.with(|house, _| house.has_room(room))
            && self.edit(id, |stay, _| {
                stay.room = Some(room.clone());
                true
            })
    }

    /// Takes the room away.
    pub fn unassign(&self, id: &VendorId) -> bool {
        self.edit(id, |stay, _| stay.room.take().is_some())
    }

    /// Moves the scheduled dates.
    pub fn redate(&self, id: &VendorId, starts: DateTime<Utc>, ends: DateTime<Utc>) -> bool {
        self.edit(id, |stay, _| {
            (stay.starts_at, stay.ends_at) = (starts, ends);
            true
        })
    }

    /// Changes the guest's name.
    pub fn rename_guest(&self, id: &VendorId, name: Option<String>) -> bool {
        self.edit(id, |stay, _| {
            stay.guest_name = name;
            true
        })
    }

    /// The guest has come.
    pub fn check_in(&self, id: &VendorId) -> bool {
        self.edit(id, |stay, now| {
            stay.actual_start = Some(now);
            turn(
                stay,
                &[ReservationState::Confirmed],
                ReservationState::CheckedIn,
            )
        })
    }

    /// The guest has left.
    pub fn check_out(&self, id: &VendorId) -> bool {
        self.edit(id, |stay, now| {
            stay.actual_end = Some(now);
            turn(
                stay,
                &[ReservationState::CheckedIn],
                ReservationState::CheckedOut,
            )
        })
    }

    /// Cancels a stay that has not begun.
    pub fn cancel(&self, id: &VendorId) -> bool {
        use ReservationState::{Canceled, Confirmed, Tentative};
        self.edit(id, |stay, _| turn(stay, &[Tentative, Confirmed], Canceled))
    }

    /// Makes a stay certain: one that was not yet, or was canceled.
    pub fn confirm(&self, id: &VendorId) -> bool {
        use ReservationState::{Canceled, Confirmed, Tentative};
        self.edit(id, |stay, _| turn(stay, &[Tentative, Canceled], Confirmed))
    }

    /// Adds a room and answers its identifier.
    pub fn add_room(&self, name: &str) -> VendorId {
        self.with(|house, _| {
            let mut number = house.rooms.len() + 1;
            // Rooms may have been taken away, and others put in their place.
            while house.has_room(&id("room", number)) {
                number += 1;
            }
            let id = id("room", number);
            house.rooms.push(Room {
                id: id.clone(),
                name: name.to_owned(),
                kind: RoomKind::Room,
                parent: None,
                active: true,
            });
            id
        })
    }

    /// Adds a room as it is given, or puts it in the place of the one with its identifier.
    pub fn put_room(&self, room: Room) {
        self.with(|house, _| {
            house.rooms.retain(|other| other.id != room.id);
            house.rooms.push(room);
        });
    }

    /// Takes a room away.
    pub fn remove_room(&self, id: &VendorId) -> bool {
        self.with(|house, _| {
            let before = house.rooms.len();
            house.rooms.retain(|room| room.id != *id);
            house.rooms.len() < before
        })
    }

    /// Lets nobody in, or again those who could before: with the switch, or with a token.
    pub fn set_open(&self, open: bool) {
        self.with(|house, _| house.open = open);
    }

    /// Takes the right to note PINs away, or gives it back.
    pub fn allow_pins(&self, allow: bool) {
        self.with(|house, _| house.takes_pins = allow);
    }

    /// The PINs noted on a reservation, whoever noted them.
    pub fn pins_of(&self, reservation: &VendorId) -> Vec<HeldPin> {
        self.with(|house, _| {
            let pins = house.pins.iter();
            let pins = pins.filter(|pin| pin.reservation == *reservation);
            pins.cloned().collect()
        })
    }

    /// Notes a PIN by hand, under any mark, for the room and the dates of the stay.
    pub fn add_pin(&self, reservation: &VendorId, mark: &str, pin: &SecretString) -> bool {
        self.with(|house, _| {
            let stay = house.stay(reservation).cloned();
            let Some((stay, room)) =
                stay.and_then(|stay| stay.room.clone().map(|room| (stay, room)))
            else {
                return false;
            };
            let id = house.next_note();
            house.pins.push(HeldPin {
                id,
                reservation: stay.id,
                mark: mark.to_owned(),
                room,
                bed: false,
                common_doors: false,
                pin: pin.clone(),
                from: stay.starts_at,
                until: stay.ends_at,
            });
            true
        })
    }

    /// Changes the digits of a note by hand.
    pub fn edit_pin(&self, note: &VendorId, pin: &SecretString) -> bool {
        self.with(|house, _| {
            let Some(held) = house.pins.iter_mut().find(|held| held.id == *note) else {
                return false;
            };
            held.pin = pin.clone();
            true
        })
    }

    /// Deletes a note by hand.
    pub fn drop_pin(&self, note: &VendorId) -> bool {
        self.with(|house, _| {
            let before = house.pins.len();
            house.pins.retain(|held| held.id != *note);
            house.pins.len() < before
        })
    }

    /// Changes a reservation, unless `act` answers that it cannot be.
    fn edit(
        &self,
        id: &VendorId,
        act: impl FnOnce(&mut Reservation, DateTime<Utc>) -> bool,
    ) -> bool {
        self.with(|house, now| {
            let Some(mut stay) = house.stay(id).cloned() else {
                return false;
            };
            let done = act(&mut stay, now);
            if done {
                house.write(stay, now);
            }
            done
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut House, DateTime<Utc>) -> T) -> T {
        self.pms.with(|state, now| {
            let house = state.houses.get_mut(&self.key);
            act(house.expect("a house is never torn down"), now)
        })
    }
}

/// Turns a stay's state, if it is one of those.
fn turn(stay: &mut Reservation, from: &[ReservationState], to: ReservationState) -> bool {
    let can = from.contains(&stay.state);
    if can {
        stay.state = to;
    }
    can
}
