//! Global identifiers: a kind, the property and the row in base64url. The property stands in them,
//! so that every look-up knows whose row it is before it asks.

use async_graphql::ID;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use portal_domain::PropertyId;
use uuid::Uuid;

/// What an identifier names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An organization.
    Organization = 1,
    /// A property.
    Property = 2,
    /// An app, by its slug.
    App = 3,
    /// An integration.
    Integration = 4,
    /// A room.
    Room = 5,
    /// A space.
    Space = 6,
    /// A device.
    Device = 7,
    /// A reservation.
    Reservation = 8,
    /// A keychain.
    Keychain = 9,
    /// A PIN.
    Pin = 10,
    /// A PIN on a device.
    DevicePin = 11,
    /// A PIN in the PMS.
    PinPush = 12,
    /// A problem.
    Problem = 13,
    /// A membership.
    Membership = 14,
    /// A job.
    Job = 15,
    /// A plan.
    Plan = 16,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Organization,
        Self::Property,
        Self::App,
        Self::Integration,
        Self::Room,
        Self::Space,
        Self::Device,
        Self::Reservation,
        Self::Keychain,
        Self::Pin,
        Self::DevicePin,
        Self::PinPush,
        Self::Problem,
        Self::Membership,
        Self::Job,
        Self::Plan,
    ];
}

/// A row of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowId {
    /// Whose.
    pub(crate) property: PropertyId,
    /// Which.
    pub(crate) row: Uuid,
}

/// The identifier of a row of a property.
pub(crate) fn row(kind: Kind, property: PropertyId, row: impl Into<Uuid>) -> ID {
    encode(
        kind,
        &[property.0.as_bytes().as_slice(), row.into().as_bytes()].concat(),
    )
}

/// The identifier of what belongs to no property.
pub(crate) fn global(kind: Kind, row: impl Into<Uuid>) -> ID {
    encode(kind, row.into().as_bytes())
}

/// The identifier of an app.
pub(crate) fn app(slug: &str) -> ID {
    encode(Kind::App, slug.as_bytes())
}

fn encode(kind: Kind, rest: &[u8]) -> ID {
    ID(BASE64.encode([&[kind as u8], rest].concat()))
}

/// What an identifier says; `None` when it is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// Something of no property.
    Global(Kind, Uuid),
    /// A row of a property.
    Row(Kind, RowId),
    /// An app.
    App(String),
}

/// Reads an identifier.
pub(crate) fn read(id: &ID) -> Option<Named> {
    // The longest is 44 characters; a slug is short as well.
    if id.len() > 100 {
        return None;
    }
    let bytes = BASE64.decode(id.as_bytes()).ok()?;
    let (&first, rest) = bytes.split_first()?;
    let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == first)?;
    match (kind, rest.len()) {
        (Kind::App, _) => String::from_utf8(rest.to_vec()).ok().map(Named::App),
        (Kind::Organization | Kind::Property | Kind::Membership, 16) => Uuid::from_slice(rest)
            .ok()
            .map(|id| Named::Global(kind, id)),
        (_, 32) => Some(Named::Row(
            kind,
            RowId {
                property: PropertyId(Uuid::from_slice(&rest[..16]).ok()?),
                row: Uuid::from_slice(&rest[16..]).ok()?,
            },
        )),
        _ => None,
    }
}

/// The row an identifier of this kind names.
pub(crate) fn row_of(kind: Kind, id: &ID) -> Option<RowId> {
    match read(id)? {
        Named::Row(found, row) if found == kind => Some(row),
        _ => None,
    }
}

/// The property an identifier names.
pub(crate) fn property_of(id: &ID) -> Option<PropertyId> {
    match read(id)? {
        Named::Global(Kind::Property, id) => Some(PropertyId(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_reads_back_and_nothing_else_does() {
        let (property, room) = (PropertyId::new(), Uuid::now_v7());
        let id = row(Kind::Room, property, room);
        let expected = RowId {
            property,
            row: room,
        };
        assert_eq!(row_of(Kind::Room, &id), Some(expected));
        assert_eq!(row_of(Kind::Space, &id), None);
        assert_eq!(
            property_of(&global(Kind::Property, property)),
            Some(property)
        );
        assert_eq!(read(&app("mews")), Some(Named::App("mews".into())));
        let mut bytes = BASE64.decode(id.as_bytes()).unwrap();
        bytes.pop();
        for wrong in [
            String::new(),
            "room".into(),
            "é".into(),
            "a".repeat(5_000),
            BASE64.encode([0_u8; 33]),
            BASE64.encode(bytes),
        ] {
            assert_eq!(read(&ID(wrong.clone())), None, "{wrong}");
        }
    }
}
