//! Reservations, guests and stored PINs, as staff change them.

use super::booking::{Booking, HeldPin};
use super::model::{Companionship, Customer, Permissions, Reservation, StayState, StoredPin};
use super::state::{Done, Missing, State, new_id};
use chrono::{DateTime, SubsecRound, Utc};
use serde_json::Value;
use std::collections::BTreeMap;

impl State {
    pub(super) fn book(
        &mut self,
        enterprise: &str,
        booking: &Booking,
        now: DateTime<Utc>,
    ) -> Done<String> {
        let enterprise = &self.enterprise_id(enterprise)?;
        let at = self.enterprise(enterprise)?;
        at.booked += 1;
        let number = at.booked.to_string();
        let room = booking.room.as_deref();
        let room = room.map(|room| self.room(enterprise, room)).transpose()?;
        let sold_as = self
            .assignments
            .iter()
            .find(|assignment| Some(&assignment.resource) == room.as_ref());
        let category = match (&booking.category, sold_as) {
            (None, Some(assignment)) => assignment.category.clone(),
            (kind, _) => self.category(enterprise, kind.as_deref().unwrap_or("Room"))?,
        };
        let service = self.categories.iter().find(|known| known.id == category);
        let service = service
            .map(|known| known.service.clone())
            .ok_or(Missing("category"))?;
        let guest = match (&booking.guest, &booking.company) {
            (None, Some(_)) => None,
            _ if booking.same_guest_as.is_some() => {
                let other = booking.same_guest_as.as_deref().unwrap_or_default();
                let other = self.reservations.iter().find(|known| known.number == other);
                Some(other.ok_or(Missing("reservation"))?.owner.clone())
            }
            (guest, _) => {
                let name = guest.as_deref().unwrap_or("Robin Guest");
                Some(self.add_customer(enterprise, name, now))
            }
        };
        let owner_is_company = booking.company.is_some();
        let owner = guest
            .clone()
            .filter(|_| !owner_is_company)
            .unwrap_or_else(new_id);
        let now = now.trunc_subsecs(0);
        let mut reservation = Reservation {
            id: new_id(),
            enterprise: enterprise.clone(),
            service,
            category,
            group: new_id(),
            number: booking.number.clone().unwrap_or(number),
            state: StayState::Confirmed,
            owner,
            owner_is_company,
            room,
            start: booking.from,
            end: booking.until,
            actual_start: None,
            actual_end: None,
            canceled: None,
            cancellation_reason: None,
            created: now,
            updated: now,
            raw: None,
        };
        reservation.enter(booking.state, now);
        let id = reservation.id.clone();
        self.reservations.push(reservation);
        self.tell(enterprise, "ServiceOrderUpdated", &id);
        if let Some(guest) = guest {
            self.add_companionship(&id, guest)?;
        }
        Ok(id)
    }

    fn add_customer(&mut self, enterprise: &str, name: &str, now: DateTime<Utc>) -> String {
        let now = now.trunc_subsecs(0);
        let (first_name, last_name) = split_name(name);
        let customer = Customer {
            id: new_id(),
            number: self.customers.len() + 1,
            enterprise: enterprise.to_owned(),
            first_name,
            last_name,
            created: now,
            updated: now,
        };
        let id = customer.id.clone();
        self.customers.push(customer);
        // A new customer raises both.
        self.tell(enterprise, "CustomerAdded", &id);
        self.tell(enterprise, "CustomerUpdated", &id);
        id
    }

    fn add_companionship(&mut self, reservation: &str, customer: String) -> Done {
        let of = self.reservation(reservation)?;
        let companionship = Companionship {
            id: new_id(),
            enterprise: of.enterprise.clone(),
            customer,
            group: of.group.clone(),
            reservation: of.id.clone(),
        };
        self.companionships.push(companionship);
        Ok(())
    }

    pub(super) fn add_companion(
        &mut self,
        reservation: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> Done {
        let enterprise = self.reservation(reservation)?.enterprise.clone();
        let customer = self.add_customer(&enterprise, name, now);
        self.add_companionship(reservation, customer)
    }

    /// A reservation, given its identifier or its number if no other has it.
    pub(super) fn reservation(&mut self, key: &str) -> Done<&mut Reservation> {
        let all = &self.reservations;
        // The newest are asked for most.
        let index = all
            .iter()
            .rposition(|reservation| reservation.id == key)
            .or_else(|| {
                let mut numbered = all
                    .iter()
                    .enumerate()
                    .filter(|(_, other)| other.number == key);
                let (index, _) = numbered.next()?;
                numbered.next().is_none().then_some(index)
            });
        let index = index.ok_or(Missing("reservation"))?;
        Ok(&mut self.reservations[index])
    }

    pub(super) fn change_stay(
        &mut self,
        reservation: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Reservation),
    ) -> Done {
        let quiet = self.quiet;
        let reservation = self.reservation(reservation)?;
        change(reservation);
        if quiet {
            return Ok(());
        }
        reservation.updated = now.trunc_subsecs(0);
        let (id, enterprise) = (reservation.id.clone(), reservation.enterprise.clone());
        self.tell(&enterprise, "ServiceOrderUpdated", &id);
        Ok(())
    }

    pub(super) fn assign(
        &mut self,
        reservation: &str,
        room: Option<&str>,
        now: DateTime<Utc>,
    ) -> Done {
        let enterprise = self.reservation(reservation)?.enterprise.clone();
        let room = room.map(|room| self.room(&enterprise, room)).transpose()?;
        self.change_stay(reservation, now, |stay| stay.room = room)
    }

    pub(super) fn cancel(&mut self, reservation: &str, reason: &str, now: DateTime<Utc>) -> Done {
        self.change_stay(reservation, now, |stay| {
            stay.enter(StayState::Canceled, now);
            stay.cancellation_reason = Some(reason.to_owned());
        })
    }

    /// Renames whoever owns the reservation, or else its first companion.
    pub(super) fn rename_guest(
        &mut self,
        reservation: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> Done {
        let stay = self.reservation(reservation)?;
        let (id, owner) = (stay.id.clone(), stay.owner.clone());
        let mut companions = self.companionships.iter();
        let companion = companions.find(|companion| companion.reservation == id);
        let companion = companion.map(|companion| companion.customer.clone());
        let mut customers = self.customers.iter_mut();
        let guest = customers
            .find(|customer| customer.id == owner || Some(&customer.id) == companion.as_ref());
        let guest = guest.ok_or(Missing("guest"))?;
        (guest.first_name, guest.last_name) = split_name(name);
        guest.updated = now.trunc_subsecs(0);
        let (guest, enterprise) = (guest.id.clone(), guest.enterprise.clone());
        self.tell(&enterprise, "CustomerUpdated", &guest);
        // Mews says that any change updates the reservation; whether this is one is not known.
        self.change_stay(reservation, now, |_| {})
    }

    /// Lists an item as it is, in the place of a reservation of today.
    pub(super) fn add_raw(
        &mut self,
        enterprise: &str,
        item: Value,
        now: DateTime<Utc>,
    ) -> Done<String> {
        let booking = Booking::new(now, now + chrono::Duration::days(1));
        let id = self.book(enterprise, &booking, now)?;
        self.reservation(&id)?.raw = Some(item);
        Ok(id)
    }

    pub(super) fn held(&mut self, reservation: &str) -> Done<Vec<HeldPin>> {
        let id = self.reservation(reservation)?.id.clone();
        let active = self
            .pins
            .iter()
            .filter(|pin| pin.reservation == id && pin.is_active);
        let names: BTreeMap<&str, &str> = self
            .resources
            .iter()
            .map(|resource| (resource.id.as_str(), resource.name.as_str()))
            .collect();
        Ok(active.map(|pin| HeldPin::of(pin, &names)).collect())
    }

    /// A stored PIN, however it came there: other systems use Mews too.
    pub(super) fn add_pin(
        &mut self,
        reservation: &str,
        serial: Option<&str>,
        value: &str,
        now: DateTime<Utc>,
    ) -> Done<String> {
        let now = now.trunc_subsecs(0);
        let stay = self.reservation(reservation)?;
        let pin = StoredPin {
            id: new_id(),
            enterprise: stay.enterprise.clone(),
            reservation: stay.id.clone(),
            resource: stay.room.clone(),
            companionship: None,
            kind: "PinCode".to_owned(),
            value: value.into(),
            serial: serial.map(ToOwned::to_owned),
            from: stay.start,
            until: stay.end,
            permissions: Permissions {
                room: true,
                ..Permissions::default()
            },
            is_active: true,
            created: now,
            updated: now,
        };
        let id = pin.id.clone();
        self.pins.push(pin);
        Ok(id)
    }

    pub(super) fn change_pin(
        &mut self,
        id: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut StoredPin),
    ) -> Done {
        let mut pins = self.pins.iter_mut();
        let pin = pins.find(|pin| pin.id == id).ok_or(Missing("PIN"))?;
        change(pin);
        pin.updated = now.trunc_subsecs(0);
        Ok(())
    }
}

impl Reservation {
    /// Changes the state, and with it what Mews notes about it.
    pub(super) fn enter(&mut self, state: StayState, now: DateTime<Utc>) {
        let now = now.trunc_subsecs(0);
        self.state = state;
        match state {
            StayState::Started => {
                self.actual_start.get_or_insert(now);
                self.actual_end = None;
            }
            StayState::Processed => {
                self.actual_start.get_or_insert(self.start);
                self.actual_end = Some(now);
            }
            _ => (self.actual_start, self.actual_end) = (None, None),
        }
        let is_canceled = state == StayState::Canceled;
        self.canceled = is_canceled.then_some(now);
        self.cancellation_reason = is_canceled.then(|| "Other".to_owned());
    }
}

/// First and last name; one word alone is the last name.
fn split_name(name: &str) -> (Option<String>, String) {
    match name.split_once(' ') {
        Some((first, last)) => (Some(first.to_owned()), last.to_owned()),
        None => (None, name.to_owned()),
    }
}
