//! Rooms of the PMS, and mapping them to spaces.

use super::change::{Consent, make_agreed};
use super::integration::Integration;
use super::loaders::SpaceOf;
use super::property::Property;
use super::space::Space;
use super::user_error::payload;
use super::{Reach, Result, id, load, property, read};
use async_graphql::{Context, ID, InputObject, Object};
use portal_domain::mapping::{self, Likeness};
use portal_domain::{Permission, PropertyId, RoomId, RoomKind, SpaceId};
use portal_jobs::change::Change;
use portal_store::page::Page;
use portal_store::{room, space};

use super::id::Kind;
use super::time::Instant;

/// Rooms and spaces looked at for suggestions.
const MOST: i64 = 5_000;

/// A space a room probably is, by their names. roomMap accepts it; nothing is mapped by itself.
pub struct MappingSuggestion {
    likeness: Likeness,
    room: room::Room,
    space: space::Space,
}

#[Object]
impl MappingSuggestion {
    /// Why, in one sentence for staff.
    async fn reason(&self) -> String {
        let (room, space) = (&self.room.name, &self.space.name);
        match self.likeness {
            Likeness::SameName => format!("Both are called {room}."),
            Likeness::SameWords => format!("{room} and {space} say the same."),
            Likeness::SameNumber => {
                format!("{room} and {space} share a number, and no other room or space has it.")
            }
        }
    }

    /// The room.
    async fn room(&self) -> Room {
        Room(self.room.clone())
    }

    /// How sure it is, from 1 to 100.
    async fn score(&self) -> i32 {
        self.likeness.score().into()
    }

    /// The space.
    async fn space(&self) -> Space {
        Space(self.space.clone())
    }
}

impl MappingSuggestion {
    /// For every room that is in use, not part of another and not mapped: the space it probably is.
    pub(crate) async fn of(ctx: &Context<'_>, property: PropertyId) -> Result<Vec<Self>> {
        let mut conn = read(ctx).await?;
        let most = Page::first(MOST);
        let mut rooms = room::page(&mut conn, property, Some(false), &most).await?;
        // A bed opens with the door of its room.
        rooms.retain(|room| room.active && room.removed_at.is_none() && room.parent_id.is_none());
        let spaces = space::page(&mut conn, property, &most).await?;
        let names: Vec<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
        let homes: Vec<&str> = spaces.iter().map(|space| space.name.as_str()).collect();
        let told = mapping::suggest(&names, &homes);
        Ok(told
            .into_iter()
            .map(|one| Self {
                likeness: one.likeness,
                room: rooms[one.room].clone(),
                space: spaces[one.space].clone(),
            })
            .collect())
    }
}

/// A room or bed as the property management system knows it.
pub struct Room(pub(crate) room::Room);

#[Object]
impl Room {
    /// Whether it is in use there.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Its identifier there.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Room, self.0.property_id, self.0.id)
    }

    /// Where it was read.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        Integration::load(ctx, self.0.property_id, self.0.integration_id).await
    }

    /// What it is.
    async fn kind(&self) -> RoomKind {
        self.0.kind
    }

    /// Number or name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The room it is part of, as a bed is of a dorm.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Room>> {
        match self.0.parent_id {
            Some(parent) => Room::load(ctx, self.0.property_id, parent).await,
            None => Ok(None),
        }
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// When it vanished there. Its mapping stays.
    async fn removed_at(&self) -> Option<Instant> {
        self.0.removed_at.map(Into::into)
    }

    /// The space it is mapped to. Null means that its reservations get no keychain, unless its parent
    /// is mapped.
    async fn space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        let key = (self.0.property_id, SpaceOf(self.0.id));
        Ok(load(ctx, key).await?.map(Space))
    }
}

impl Room {
    /// The room, if the caller may read rooms there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        room: RoomId,
    ) -> Result<Option<Room>> {
        ctx.require(Permission::RoomsRead, property)?;
        Ok(load(ctx, (property, room)).await?.map(Room))
    }
}

/// Input of roomMap.
#[derive(InputObject)]
pub struct RoomMapInput {
    /// Go on although guests in house lose a door. Needs a reason.
    end_in_house_access: Option<bool>,
    /// Why, for the audit log. Required when guests in house lose a door.
    reason: Option<String>,
    /// Room to map.
    room: ID,
    /// Space it leads to.
    space: ID,
}

payload! {
    "roomMap", RoomMapPayload, RoomMapUserError, RoomMapErrorCode;
    /// The room with its space.
    room: Room,
    ;
    /// The room is mapped to another space; unmap it first.
    AlreadyMapped,
    /// Guests in house would lose a door; the message says how many.
    InHouseGuests,
    /// A reason is required.
    ReasonMissing,
    /// There is no such room, or it is not the caller's to see.
    RoomNotFound,
    /// The space is archived.
    SpaceArchived,
    /// There is no such space, or it is not the caller's to see.
    SpaceNotFound,
}

/// Input of roomUnmap.
#[derive(InputObject)]
pub struct RoomUnmapInput {
    /// Go on although access of guests in house ends. Needs a reason.
    end_in_house_access: Option<bool>,
    /// Why, for the audit log. Required when access of guests in house ends.
    reason: Option<String>,
    /// Room to unmap.
    room: ID,
}

payload! {
    "roomUnmap", RoomUnmapPayload, RoomUnmapUserError, RoomUnmapErrorCode;
    /// The room without a space.
    room: Room,
    ;
    /// Access of guests in house would end; the message says of how many.
    InHouseGuests,
    /// The room has no mapping.
    NotMapped,
    /// A reason is required.
    ReasonMissing,
    /// There is no such room, or it is not the caller's to see.
    RoomNotFound,
}

/// Mutations of rooms.
#[derive(Default)]
pub struct RoomMutation;

#[Object]
impl RoomMutation {
    /// Maps a room to a space. Keychains of its waiting reservations follow within a minute. Mapping
    /// it to the space it has is no error.
    async fn room_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RoomMapInput,
    ) -> Result<Option<RoomMapPayload>> {
        use RoomMapErrorCode as Code;
        ctx.require_anywhere(Permission::SpacesWrite)?;
        let no_room = || {
            let message = "There is no such room.";
            Ok(Some(RoomMapPayload::refused(
                Code::RoomNotFound,
                Some("room"),
                message,
            )))
        };
        let no_space = || {
            let message = "There is no such space.";
            Ok(Some(RoomMapPayload::refused(
                Code::SpaceNotFound,
                Some("space"),
                message,
            )))
        };
        let Some(target) = property::own_row(ctx, Kind::Room, &input.room)? else {
            return no_room();
        };
        ctx.require(Permission::SpacesWrite, target.property)?;
        let Some(space_id) =
            id::row_of(Kind::Space, &input.space).filter(|space| space.property == target.property)
        else {
            return no_space();
        };
        let (room_id, space_id) = (RoomId(target.row), SpaceId(space_id.row));
        let mut tx = ctx.env()?.db.begin_in(target.property).await?;
        let Some(row) = room::by_id(&mut tx, target.property, room_id).await? else {
            return no_room();
        };
        let Some(space) = portal_store::space::by_id(&mut tx, target.property, space_id).await?
        else {
            return no_space();
        };
        if space.archived_at.is_some() {
            let message = format!("{} is archived.", space.name);
            let payload = RoomMapPayload::refused(Code::SpaceArchived, Some("space"), message);
            return Ok(Some(payload));
        }
        let mapped = room::mappings(&mut tx, target.property, &[room_id]).await?;
        if let Some((_, mapped)) = mapped.first() {
            if *mapped == space_id {
                return Ok(Some(RoomMapPayload {
                    room: Some(Room(row)),
                    ..RoomMapPayload::default()
                }));
            }
            let message = format!(
                "Room {} is mapped to another space. Unmap it first.",
                row.name
            );
            let payload = RoomMapPayload::refused(Code::AlreadyMapped, Some("space"), message);
            return Ok(Some(payload));
        }
        let change = Change::RoomMap {
            room: room_id,
            space: space_id,
        };
        let (agreed, reason) = (input.end_in_house_access, input.reason.as_deref());
        match make_agreed(ctx, tx, target.property, &change, agreed, reason).await? {
            Consent::Asked(message) => {
                let payload = RoomMapPayload::refused(Code::InHouseGuests, None, message);
                return Ok(Some(payload));
            }
            Consent::ReasonMissing => {
                let (code, field) = (Code::ReasonMissing, Some("reason"));
                let payload = RoomMapPayload::refused(code, field, "Give a reason.");
                return Ok(Some(payload));
            }
            Consent::Given => {}
        }
        Ok(Some(RoomMapPayload {
            room: Some(Room(row)),
            ..RoomMapPayload::default()
        }))
    }

    /// Takes the mapping of a room away.
    async fn room_unmap(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RoomUnmapInput,
    ) -> Result<Option<RoomUnmapPayload>> {
        use RoomUnmapErrorCode as Code;
        ctx.require_anywhere(Permission::SpacesWrite)?;
        let no_room = || {
            let message = "There is no such room.";
            Ok(Some(RoomUnmapPayload::refused(
                Code::RoomNotFound,
                Some("room"),
                message,
            )))
        };
        let Some(target) = property::own_row(ctx, Kind::Room, &input.room)? else {
            return no_room();
        };
        ctx.require(Permission::SpacesWrite, target.property)?;
        let room_id = RoomId(target.row);
        let mut tx = ctx.env()?.db.begin_in(target.property).await?;
        let Some(row) = room::by_id(&mut tx, target.property, room_id).await? else {
            return no_room();
        };
        let mapped = room::mappings(&mut tx, target.property, &[room_id]).await?;
        if mapped.is_empty() {
            let message = format!("Room {} is not mapped.", row.name);
            let payload = RoomUnmapPayload::refused(Code::NotMapped, Some("room"), message);
            return Ok(Some(payload));
        }
        let change = Change::RoomUnmap { room: room_id };
        let (agreed, reason) = (input.end_in_house_access, input.reason.as_deref());
        match make_agreed(ctx, tx, target.property, &change, agreed, reason).await? {
            Consent::Asked(message) => {
                let payload = RoomUnmapPayload::refused(Code::InHouseGuests, None, message);
                return Ok(Some(payload));
            }
            Consent::ReasonMissing => {
                let message = "Give a reason.";
                let payload =
                    RoomUnmapPayload::refused(Code::ReasonMissing, Some("reason"), message);
                return Ok(Some(payload));
            }
            Consent::Given => {}
        }
        Ok(Some(RoomUnmapPayload {
            room: Some(Room(row)),
            ..RoomUnmapPayload::default()
        }))
    }
}
