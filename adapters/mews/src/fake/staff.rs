//! What the staff of a hotel, its guests and the network do.

use super::booking::{Booking, HeldPin, NewRoom};
use super::model::StayState;
use super::state::State;
use super::{FakeMews, Fault, NewEnterprise, Scripted, answer, server};
use chrono::{DateTime, Utc};
use portal_interface::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;

/// Properties and tokens.
impl FakeMews {
    /// Adds a property with a stay and a parking service, no rooms, and a new token.
    pub fn add_enterprise(&self, name: &str, time_zone: &str) -> NewEnterprise {
        self.act(|state, now| {
            let id = state.add_enterprise(name, time_zone, now);
            let access_token = state.add_access_token(&[&id], false, None)?;
            Ok(NewEnterprise { id, access_token })
        })
    }

    /// Adds a small furnished house: rooms 101 to 104, a suite, a dorm with four beds, parking, and
    /// guests around today. `access_token`: a token of one's own, the same after the next start.
    pub fn add_demo_house(&self, name: &str, access_token: Option<&str>) -> NewEnterprise {
        self.act(|state, now| state.add_demo_house(name, access_token, now))
    }

    /// One more token for a property; those before stay good.
    pub fn add_access_token(&self, enterprise: &str) -> SecretString {
        self.act(|state, _| {
            let id = state.enterprise(enterprise)?.id.clone();
            state.add_access_token(&[&id], false, None)
        })
    }

    /// A token that opens several properties.
    pub fn add_portfolio_token(&self, enterprises: &[&str]) -> SecretString {
        self.act(|state, _| state.add_portfolio_token(enterprises))
    }

    /// Lets a token open nothing any more. Answers whether it did before.
    pub fn revoke_token(&self, token: &SecretString) -> bool {
        let token = token.expose_secret();
        let opened = self.shared.with(|state| state.access_tokens.remove(token));
        opened.is_some()
    }

    /// Takes away all tokens of a property.
    pub fn revoke_tokens(&self, enterprise: &str) {
        self.act(|state, _| state.revoke_tokens(enterprise));
    }

    /// A new token for a property in place of those it has.
    pub fn regenerate_token(&self, enterprise: &str) -> SecretString {
        self.act(|state, _| state.regenerate_token(enterprise))
    }

    /// From now on expects another secret of the application; every token is refused with the one
    /// before.
    pub fn expect_client_token(&self, token: SecretString) {
        self.shared.with(|state| state.client_token = Some(token));
    }

    /// Whether PINs may be read and stored in a property; 401 if not.
    pub fn allow_pins(&self, enterprise: &str, allow: bool) {
        self.act(|state, _| {
            state.enterprise(enterprise)?.allows_pins = allow;
            Ok(())
        });
    }

    /// Adds a room, a bed or another resource, and answers its identifier.
    pub fn add_room(&self, enterprise: &str, room: &NewRoom) -> String {
        self.act(|state, now| state.add_room(enterprise, room, now))
    }

    /// Adds a room with an identifier of the test's own, which may be none of Mews's.
    pub fn add_room_as(&self, enterprise: &str, room: &NewRoom, id: &str) {
        self.act(|state, now| {
            let made = state.add_room(enterprise, room, now)?;
            state.renumber_room(&made, id);
            Ok(())
        });
    }

    /// Puts a room into another, whether or not that makes sense.
    pub fn put_room_into(&self, enterprise: &str, room: &str, parent: &str) {
        self.act(|state, now| {
            let parent = state.room(enterprise, parent)?;
            state.change_room(enterprise, room, now, |room| room.parent = Some(parent))
        });
    }

    /// Gives a room another name.
    pub fn rename_room(&self, enterprise: &str, room: &str, name: &str) {
        self.act(|state, now| {
            state.change_room(enterprise, room, now, |room| {
                name.clone_into(&mut room.name);
            })
        });
    }

    /// Closes a room, or opens it again.
    pub fn set_room_active(&self, enterprise: &str, room: &str, active: bool) {
        self.act(|state, now| {
            state.change_room(enterprise, room, now, |room| room.is_active = active)
        });
    }
}

/// Reservations.
impl FakeMews {
    /// Makes a reservation and answers its identifier.
    pub fn book(&self, enterprise: &str, booking: &Booking) -> String {
        self.act(|state, now| state.book(enterprise, booking, now))
    }

    /// Assigns a room, moves to another, or takes it away.
    pub fn assign(&self, reservation: &str, room: Option<&str>) {
        self.act(|state, now| state.assign(reservation, room, now));
    }

    /// Whether changes of reservations leave `UpdatedUtc` as it is and raise no event. Mews's
    /// documentation says that any change does both; nobody has tried each.
    pub fn change_quietly(&self, quiet: bool) {
        self.shared.with(|state| state.quiet = quiet);
    }

    /// Changes the scheduled dates.
    pub fn redate(&self, reservation: &str, from: DateTime<Utc>, until: DateTime<Utc>) {
        self.act(|state, now| {
            state.change_stay(reservation, now, |stay| {
                (stay.start, stay.end) = (from, until);
            })
        });
    }

    /// Changes the state, with what follows from it: check-in and check-out are noted with their
    /// time, a cancellation with the reason `Other`.
    pub fn set_state(&self, reservation: &str, state: StayState) {
        self.act(|all, now| all.change_stay(reservation, now, |stay| stay.enter(state, now)));
    }

    /// Checks the guest in.
    pub fn check_in(&self, reservation: &str) {
        self.set_state(reservation, StayState::Started);
    }

    /// Checks the guest out.
    pub fn check_out(&self, reservation: &str) {
        self.set_state(reservation, StayState::Processed);
    }

    /// Cancels for a reason in Mews's words, for example `RequestedByGuest` or `NoShow`.
    pub fn cancel(&self, reservation: &str, reason: &str) {
        self.act(|state, now| state.cancel(reservation, reason, now));
    }

    /// Notes that the guest did not come.
    pub fn no_show(&self, reservation: &str) {
        self.cancel(reservation, "NoShow");
    }

    /// Renames the guest.
    pub fn rename_guest(&self, reservation: &str, name: &str) {
        self.act(|state, now| state.rename_guest(reservation, name, now));
    }

    /// Adds somebody who stays as well.
    pub fn add_companion(&self, reservation: &str, name: &str) {
        self.act(|state, now| state.add_companion(reservation, name, now));
    }

    /// Lists `item` among the reservations as it is, and answers the identifier of its place.
    pub fn add_raw_reservation(&self, enterprise: &str, item: Value) -> String {
        self.act(|state, now| state.add_raw(enterprise, item, now))
    }
}

/// Stays that are not as they should be.
impl FakeMews {
    /// Lists `item` in the place of a reservation that is there.
    pub fn write_raw(&self, reservation: &str, item: Value) {
        self.act(|state, _| {
            state.reservation(reservation)?.raw = Some(item);
            Ok(())
        });
    }

    /// Brings a reservation into a state that Mews has not told anybody of.
    pub fn set_new_state(&self, reservation: &str, word: &str) {
        self.act(|state, now| {
            state.change_stay(reservation, now, |_| {})?;
            let stay = state.reservation(reservation)?;
            let mut item = answer::reservation(stay);
            item["State"] = Value::from(word);
            stay.raw = Some(item);
            Ok(())
        });
    }
}

/// Stored PINs.
impl FakeMews {
    /// The active PINs on a reservation, oldest first.
    pub fn pins(&self, reservation: &str) -> Vec<HeldPin> {
        self.act(|state, _| state.held(reservation))
    }

    /// Stores a PIN past the API, as another system or staff do; answers its identifier.
    pub fn add_pin(&self, reservation: &str, serial: Option<&str>, value: &str) -> String {
        self.act(|state, now| state.add_pin(reservation, serial, value, now))
    }

    /// Changes the digits of a stored PIN.
    pub fn edit_pin(&self, pin: &str, value: &str) {
        self.act(|state, now| state.change_pin(pin, now, |pin| pin.value = value.into()));
    }

    /// Deletes a stored PIN.
    pub fn drop_pin(&self, pin: &str) {
        self.act(|state, now| state.change_pin(pin, now, |pin| pin.is_active = false));
    }
}

/// The network, and what the fake saw.
impl FakeMews {
    /// Lets the next so many requests fail; of one operation only, if `on` names it, for example
    /// `resourceAccessTokens/add`.
    pub fn inject(&self, fault: Fault, on: Option<&str>, times: u32) {
        let on = on.map(server::operation_name);
        self.shared
            .with(|state| state.faults.plan(fault, on, times));
    }

    /// Answers every request with this and carries nothing out; `None`: as usual again.
    pub fn answer_with(&self, script: Option<Scripted>) {
        self.shared.with(|state| state.script = script);
    }

    /// Takes back the faults not yet happened.
    pub fn clear_faults(&self) {
        self.shared.with(|state| state.faults.clear());
    }

    /// How many faults have not happened yet.
    pub fn faults_left(&self) -> u32 {
        self.shared.with(|state| state.faults.left())
    }

    /// How often each operation was called since the start, failed requests included.
    pub fn calls(&self) -> BTreeMap<String, u32> {
        self.shared.with(|state| state.calls.clone())
    }

    /// How often one operation was called.
    pub fn calls_of(&self, operation: &str) -> u32 {
        self.calls().get(operation).copied().unwrap_or_default()
    }

    /// How often each operation was called with each set of filters, for example
    /// `services/getAll (ServiceType)`. Requests that break the contract are left out.
    pub fn asked(&self) -> BTreeMap<String, u32> {
        self.shared.with(|state| state.asked.clone())
    }

    /// The most requests a token made within 30 seconds.
    pub fn busiest(&self) -> usize {
        self.shared.with(|state| state.busiest)
    }

    /// Requests that break the contract, without the values in them. Empty after a good test.
    pub fn refused(&self) -> Vec<String> {
        self.shared.with(|state| state.refused.clone())
    }

    /// Answers of the fake itself that break the contract. Empty, or the fake is wrong.
    pub fn mismatches(&self) -> Vec<String> {
        self.shared.with(|state| state.mismatches.clone())
    }

    /// Everything it holds, as `GET /control/state` answers it: tokens and PINs too.
    pub fn state(&self) -> Value {
        self.shared.with(State::summary)
    }
}
