//! What the book of a house must say: the suite's own account of what it did there.

use super::house::PmsScene;
use super::run::{Checked, fail, must};
use super::stage::{Act, Booking};
use crate::{Reservation, ReservationState, VendorId};
use chrono::Duration;
use std::collections::BTreeMap;

/// A stay as it must be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    state: ReservationState,
    booking: Booking,
}

/// The stays booked, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Model(BTreeMap<VendorId, Known>);

impl Model {
    /// Books a stay, a second after whatever was before.
    pub(super) fn book(&mut self, scene: &PmsScene, booking: Booking) -> VendorId {
        scene.pass(Duration::seconds(1));
        self.book_at_once(scene, booking)
    }

    /// Books a stay in the same instant.
    pub(super) fn book_at_once(&mut self, scene: &PmsScene, booking: Booking) -> VendorId {
        let id = scene.stage.book(&booking);
        let state = ReservationState::Confirmed;
        self.0.insert(id.clone(), Known { state, booking });
        id
    }

    /// Changes a stay, a second after whatever was before.
    pub(super) fn act(&mut self, scene: &PmsScene, stay: &VendorId, act: Act) {
        scene.pass(Duration::seconds(1));
        self.act_at_once(scene, stay, act);
    }

    /// Changes a stay in the same instant.
    pub(super) fn act_at_once(&mut self, scene: &PmsScene, stay: &VendorId, act: Act) {
        scene.stage.act(stay, &act);
        let Some(known) = self.0.get_mut(stay) else {
            return;
        };
        let booking = &mut known.booking;
        match act {
            Act::Assign(room) => booking.room = Some(room),
            Act::Unassign => booking.room = None,
            Act::Redate(from, until) => (booking.from, booking.until) = (from, until),
            Act::RenameGuest(name) => booking.guest = Some(name),
            Act::CheckIn => known.state = ReservationState::CheckedIn,
            Act::CheckOut => known.state = ReservationState::CheckedOut,
            Act::Cancel => known.state = ReservationState::Canceled,
        }
    }

    /// Whether that is what was read, stay by stay.
    pub(super) fn is(&self, seen: &Seen, after: &str) -> Checked {
        for id in self.0.keys() {
            self.has(seen, id, after)?;
        }
        let strangers = seen.0.keys().find(|id| !self.0.contains_key(*id));
        must!(
            strangers.is_none(),
            "after {after}, a stay was read that nobody booked: {strangers:?}"
        );
        Ok(())
    }

    /// Whether that is what was read of one stay.
    pub(super) fn has(&self, seen: &Seen, id: &VendorId, after: &str) -> Checked {
        let Some(known) = self.0.get(id) else {
            fail!("the suite lost the stay {id}");
        };
        let Some(stay) = seen.0.get(id) else {
            fail!("after {after}, the stay {id} was not seen");
        };
        let read = Known {
            state: stay.state,
            booking: Booking {
                guest: stay.guest_name.clone(),
                room: stay.room.clone(),
                from: stay.starts_at,
                until: stay.ends_at,
            },
        };
        must!(
            read == *known,
            "after {after}, the stay {id} is {read:?}, not {known:?}"
        );
        let is_in = known.state == ReservationState::CheckedIn;
        must!(
            !is_in || stay.actual_start.is_some(),
            "after {after}, nobody knows when the guest of {id} came"
        );
        Ok(())
    }
}

/// What was read so far: of each stay the latest, as the core keeps it.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) BTreeMap<VendorId, Reservation>);

impl Seen {
    pub(super) fn take(&mut self, stays: Vec<Reservation>) {
        for stay in stays {
            let older = self.0.get(&stay.id).is_some_and(|known| {
                let pair = (stay.updated_at, known.updated_at);
                matches!(pair, (Some(read), Some(known)) if read < known)
            });
            if !older {
                self.0.insert(stay.id.clone(), stay);
            }
        }
    }
}
