//! What was read, in Portal's words.

use super::SET;
use crate::wire::{
    Assignment, Category, Companionship, Configuration, Customer, Entry, Owner, Resource, Service,
    Stay, Token,
};
use portal_interface::{Hint, Look, Opens};
use serde_json::{Value, json};

/// An item that can be told.
pub(super) trait Tell: Entry {
    /// The item in Portal's words, without secrets.
    fn tell(&self) -> Value;
}

impl Tell for Service {
    fn tell(&self) -> Value {
        json!({ "id": self.id, "active": self.active, "bookable": self.bookable })
    }
}

impl Tell for Category {
    fn tell(&self) -> Value {
        json!({ "id": self.id, "roomKind": self.kind, "hasDoor": self.kind.is_some() })
    }
}

impl Tell for Assignment {
    fn tell(&self) -> Value {
        json!({ "resource": self.resource, "category": self.category, "active": self.active })
    }
}

impl Tell for Resource {
    fn tell(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "active": self.active,
            "parent": self.parent,
            "isObject": self.is_object,
        })
    }
}

impl Tell for Stay {
    fn tell(&self) -> Value {
        let stay = &self.reservation;
        let (owner, customer) = match &self.owner {
            Owner::Customer(id) => ("CUSTOMER", Some(id)),
            Owner::Company => ("COMPANY", None),
            Owner::Nobody => ("NOBODY", None),
        };
        json!({
            "id": stay.id,
            "number": stay.number,
            "state": stay.state,
            "rawState": stay.raw_state,
            "room": stay.room,
            "startsAt": stay.starts_at,
            "endsAt": stay.ends_at,
            "actualStart": stay.actual_start,
            "actualEnd": stay.actual_end,
            "updatedAt": stay.updated_at,
            "service": self.service,
            "category": self.category,
            "owner": owner,
            "customer": customer,
        })
    }
}

impl Tell for Customer {
    fn tell(&self) -> Value {
        json!({ "id": self.id, "name": self.name })
    }
}

impl Tell for Companionship {
    fn tell(&self) -> Value {
        json!({ "customer": self.customer, "reservation": self.reservation })
    }
}

impl Tell for Token {
    fn tell(&self) -> Value {
        let permissions = self.permissions.map(|may| {
            json!({
                "bed": may.bed,
                "room": may.room,
                "floor": may.floor,
                "building": may.building,
            })
        });
        json!({
            "id": self.id,
            "reservation": self.reservation,
            "room": self.resource,
            "mark": self.serial.as_deref().map(mark),
            "value": self.value.as_ref().map(|_| SET),
            "from": self.from,
            "until": self.until,
            "permissions": permissions,
            "isLivePin": self.is_live_pin,
        })
    }
}

/// Our own mark names a reservation. Any other serial number may be that of a card, which opens a
/// door as a PIN does.
fn mark(serial: &str) -> &str {
    let ours = serial
        .strip_prefix("portal:")
        .is_some_and(|id| id.len() == 36 && uuid::Uuid::try_parse(id).is_ok());
    if ours { serial } else { SET }
}

/// The property behind a token.
pub(super) fn tell_configuration(configuration: &Configuration) -> Value {
    let account = match &configuration.opens {
        Opens::Several => Value::Null,
        Opens::One(account) => json!({
            "key": account.key,
            "name": account.name,
            "timeZone": account.zone.as_ref().map(ToString::to_string),
        }),
    };
    let opens = match &configuration.opens {
        Opens::Several => "SEVERAL",
        Opens::One(_) => "ONE",
    };
    json!({ "now": configuration.now, "opens": opens, "account": account })
}

/// Where a webhook says to look again.
pub(super) fn tell_hint(hint: &Hint) -> Value {
    let (look, reservations) = match &hint.look {
        Look::Reservations(ids) => ("RESERVATIONS", Some(ids)),
        Look::Rooms => ("ROOMS", None),
        Look::Credentials => ("CREDENTIALS", None),
    };
    json!({
        "account": hint.account,
        "connection": hint.connection,
        "look": look,
        "reservations": reservations,
    })
}
