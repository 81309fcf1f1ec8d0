//! Gathers what a decision depends on.

use portal_domain::access::{BREAK, Facts, Held, LinkFacts, RoomFacts, SpaceFacts};
use portal_domain::{IntegrationStatus, PropertyId, SpaceId, Window};
use portal_store::property::Property;
use portal_store::reservation::{self, Reservation};
use portal_store::{Conn, DbError, device, integration, keychain, room, space, space_link};

/// Everything the decision about a reservation depends on.
pub(crate) async fn facts(
    conn: &mut Conn,
    property: &Property,
    reservation: &Reservation,
) -> Result<Facts, DbError> {
    let integration = integration::by_id(conn, property.id, reservation.integration_id).await?;
    let chain = match reservation.room_id {
        Some(room) => room::chain(conn, property.id, room).await?,
        None => Vec::new(),
    };
    let (rooms, links) = places(conn, property.id, chain).await?;
    let held = keychain::current(conn, property.id, &[reservation.id])
        .await?
        .pop()
        .filter(|keychain| keychain.revoked_at.is_none());
    let next_to = next_to(conn, reservation).await?;
    let before = next_to
        .iter()
        .filter(|other| other.ends_at <= reservation.starts_at);
    let follows = before.map(|other| *other.ends_at).max();
    Ok(Facts {
        state: reservation.state,
        scheduled: Window {
            from: *reservation.starts_at,
            until: *reservation.ends_at,
        },
        checked_in_at: reservation
            .actual_start
            .or(reservation.checked_in_seen_at)
            .map(Into::into),
        checked_out_at: reservation.actual_end.map(Into::into),
        revoked_by_staff: reservation.blocked_at.is_some(),
        integration: integration
            .as_ref()
            .map_or(IntegrationStatus::Disconnected, |i| i.status),
        sync: integration.and_then(|i| i.sync_state),
        mode: property.mode,
        policy: property.policy(),
        rooms,
        links,
        held: held.map(|keychain| Held {
            until: *keychain.ends_at,
            scheduled_until: *keychain.scheduled_until,
        }),
        follows,
    })
}

/// Stays of the same guest in the same room right before or after this one.
pub(crate) async fn next_to(
    conn: &mut Conn,
    stay: &Reservation,
) -> Result<Vec<Reservation>, DbError> {
    let (Some(guest), Some(_)) = (&stay.guest_key, stay.room_id) else {
        return Ok(Vec::new());
    };
    let around = Window {
        from: *stay.starts_at - BREAK,
        until: *stay.ends_at + BREAK,
    };
    let guests = std::slice::from_ref(guest);
    let link = stay.integration_id;
    let mut stays = reservation::of_guests(conn, stay.property_id, link, guests, around).await?;
    stays.retain(|other| {
        let apart = other.ends_at <= stay.starts_at || stay.ends_at <= other.starts_at;
        other.id != stay.id && other.room_id == stay.room_id && apart
    });
    Ok(stays)
}

/// The way from a room upwards, with the spaces and their locks, and the common areas linked to them.
pub(crate) async fn places(
    conn: &mut Conn,
    property: PropertyId,
    chain: Vec<room::Room>,
) -> Result<(Vec<RoomFacts>, Vec<LinkFacts>), DbError> {
    let ids: Vec<_> = chain.iter().map(|room| room.id).collect();
    let mappings = room::mappings(conn, property, &ids).await?;
    let mut all: Vec<_> = mappings.iter().map(|(_, space)| *space).collect();
    let links = space_link::of_mains(conn, property, &all).await?;
    all.extend(links.iter().map(|(_, linked)| *linked));
    let devices = device::in_spaces(conn, property, &all).await?;
    let spaces = space::by_ids(conn, property, &all).await?;
    let facts = |id: SpaceId| {
        let space = spaces.iter().find(|space| space.id == id)?;
        let here = devices.iter().filter(|device| device.space_id == Some(id));
        Some(SpaceFacts {
            id,
            name: space.name.clone(),
            devices: here.map(|device| device.id).collect(),
        })
    };
    let rooms = chain
        .into_iter()
        .map(|room| {
            let mapped = mappings.iter().find(|(id, _)| *id == room.id);
            RoomFacts {
                id: room.id,
                name: room.name,
                space: mapped.and_then(|(_, space)| facts(*space)),
            }
        })
        .collect();
    let links = links
        .iter()
        .filter_map(|&(main, linked)| {
            let space = facts(linked)?;
            Some(LinkFacts { main, space })
        })
        .collect();
    Ok((rooms, links))
}
