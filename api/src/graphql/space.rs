//! Spaces: the doors Portal manages.

use super::device::Device;
use super::id::Kind;
use super::loaders::{DevicesIn, LinkedTo};
use super::page::Paging;
use super::property::Property;
use super::room::Room;
use super::time::Instant;
use super::user_error::payload;
use super::{Reach, Result, id, load, property, read};
use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object};
use futures_util::future::try_join_all;
use portal_domain::{Permission, PropertyId, SpaceId, SpaceKind, SubjectKind};
use portal_store::audit::{self, NewEntry};
use portal_store::{device, room, space};

/// Longest name in characters.
const LONGEST_NAME: usize = 100;

/// An access point that Portal manages: a door, or the place behind it.
pub struct Space(pub(crate) space::Space);

#[Object]
impl Space {
    /// When it was archived.
    async fn archived_at(&self) -> Option<Instant> {
        self.0.archived_at.map(Into::into)
    }

    /// Devices installed here.
    async fn devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Device>>> {
        ctx.require(Permission::DevicesRead, self.0.property_id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read::<String>("devices of space", false)?;
        // A door has a few locks: all of them come with those of the other spaces, in one batch.
        let key = (self.0.property_id, DevicesIn(self.0.id));
        let mut rows = load(ctx, key).await?.unwrap_or_default();
        let key = |row: &device::Device| (row.name.clone(), row.id.0);
        asked.cut(&mut rows, key);
        Ok(Some(asked.connection(rows, false, key, Device)))
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Space, self.0.property_id, self.0.id)
    }

    /// What it is for.
    async fn kind(&self) -> SpaceKind {
        self.0.kind
    }

    /// Common areas that open together with it. None means that nobody's keychain opens any.
    async fn linked_spaces(&self, ctx: &Context<'_>) -> Result<Vec<Space>> {
        let key = (self.0.property_id, LinkedTo(self.0.id));
        let linked = load(ctx, key).await?.unwrap_or_default();
        let spaces = linked.iter().map(|id| load(ctx, (self.0.property_id, *id)));
        let mut spaces: Vec<space::Space> =
            try_join_all(spaces).await?.into_iter().flatten().collect();
        spaces.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(spaces.into_iter().map(Space).collect())
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// Rooms mapped to it.
    async fn rooms(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Room>>> {
        ctx.require(Permission::RoomsRead, self.0.property_id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read::<String>("rooms of space", false)?;
        let mut conn = read(ctx).await?;
        let rows =
            room::page_of_space(&mut conn, self.0.property_id, self.0.id, &asked.page).await?;
        Ok(Some(asked.connection(
            rows,
            false,
            |row| (row.name.clone(), row.id.0),
            Room,
        )))
    }
}

impl Space {
    /// The space, if the caller may read spaces there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        space: SpaceId,
    ) -> Result<Option<Space>> {
        ctx.require(Permission::RoomsRead, property)?;
        Ok(load(ctx, (property, space)).await?.map(Space))
    }
}

/// Input of spaceCreate.
#[derive(InputObject)]
pub struct SpaceCreateInput {
    /// What it is for.
    kind: SpaceKind,
    /// Its name, unique in the property.
    name: String,
    /// Where it is.
    property: ID,
}

payload! {
    "spaceCreate", SpaceCreatePayload, SpaceCreateUserError, SpaceCreateErrorCode;
    /// The new space.
    space: Space,
    ;
    /// The name is empty.
    NameBlank,
    /// Another space of the property has this name.
    NameTaken,
    /// The name has more than 100 characters.
    NameTooLong,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
}

/// Mutations of spaces.
#[derive(Default)]
pub struct SpaceMutation;

#[Object]
impl SpaceMutation {
    /// Creates a space.
    async fn space_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: SpaceCreateInput,
    ) -> Result<Option<SpaceCreatePayload>> {
        use SpaceCreateErrorCode as Code;
        ctx.require_anywhere(Permission::SpacesWrite)?;
        let refused = |code, field, message: &str| {
            Ok(Some(SpaceCreatePayload::refused(
                code,
                Some(field),
                message,
            )))
        };
        let Some(property) = property::own(ctx, &input.property)? else {
            return refused(
                Code::PropertyNotFound,
                "property",
                "There is no such property.",
            );
        };
        ctx.require(Permission::SpacesWrite, property)?;
        let name = input.name.trim();
        if name.is_empty() {
            return refused(Code::NameBlank, "name", "Give the space a name.");
        }
        if name.chars().count() > LONGEST_NAME {
            let message = "The name may have 100 characters at most.";
            return refused(Code::NameTooLong, "name", message);
        }
        let (env, viewer) = (ctx.env()?, ctx.viewer()?);
        let now = env.now();
        let row = space::Space {
            id: SpaceId::new(),
            property_id: property,
            name: name.to_owned(),
            kind: input.kind,
            archived_at: None,
            created_at: now.into(),
        };
        let mut tx = env.db.begin_in(property).await?;
        if space::insert(&mut tx, &row).await? == 0 {
            let message = format!("There is already a space called {name}.");
            return refused(Code::NameTaken, "name", &message);
        }
        let entry = NewEntry::new("spaceCreate", SubjectKind::Space, row.id)
            .after("name", name)
            .after("kind", row.kind);
        audit::write(&mut tx, property, &viewer.actor(), now, entry).await?;
        tx.commit().await?;
        Ok(Some(SpaceCreatePayload {
            space: Some(Space(row)),
            ..SpaceCreatePayload::default()
        }))
    }
}
