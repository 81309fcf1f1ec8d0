//! Common areas that open together with a main room.

use super::change::{Consent, make, make_agreed};
use super::id::Kind;
use super::property;
use super::space::Space;
use super::user_error::payload;
use super::{Reach, Result, id};
use async_graphql::{Context, ID, InputObject, Object};
use portal_domain::{Permission, PropertyId, SpaceId, SpaceKind};
use portal_jobs::change::Change;
use portal_store::{space, space_link};

/// Input of spaceLink.
#[derive(InputObject)]
pub struct SpaceLinkInput {
    /// The common area.
    linked_space: ID,
    /// The main room.
    main_space: ID,
}

payload! {
    "spaceLink", SpaceLinkPayload, SpaceLinkUserError, SpaceLinkErrorCode;
    /// The main room.
    space: Space,
    ;
    /// The linked space is not a common area.
    NotCommon,
    /// One of the spaces is archived.
    SpaceArchived,
    /// There is no such space, or it is not the caller's to see.
    SpaceNotFound,
}

/// Input of spaceUnlink.
#[derive(InputObject)]
pub struct SpaceUnlinkInput {
    /// Go on although access of guests in house ends. Needs a reason.
    end_in_house_access: Option<bool>,
    /// The common area.
    linked_space: ID,
    /// The main room.
    main_space: ID,
    /// Why, for the audit log. Required when access of guests in house ends.
    reason: Option<String>,
}

payload! {
    "spaceUnlink", SpaceUnlinkPayload, SpaceUnlinkUserError, SpaceUnlinkErrorCode;
    /// The main room.
    space: Space,
    ;
    /// Access of guests in house would end; the message says of how many.
    InHouseGuests,
    /// The two are not linked.
    NotLinked,
    /// A reason is required.
    ReasonMissing,
    /// There is no such space, or it is not the caller's to see.
    SpaceNotFound,
}

/// Mutations of links.
#[derive(Default)]
pub struct SpaceLinkMutation;

#[Object]
impl SpaceLinkMutation {
    /// Opens a common area together with a main room. Keychains of that room follow within a minute.
    /// Linking what is linked is no error.
    async fn space_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: SpaceLinkInput,
    ) -> Result<Option<SpaceLinkPayload>> {
        use SpaceLinkErrorCode as Code;
        ctx.require_anywhere(Permission::SpacesWrite)?;
        let refused =
            |code, field, message: &str| Ok(Some(SpaceLinkPayload::refused(code, field, message)));
        let Some((property, main, linked)) = spaces(ctx, &input.main_space, &input.linked_space)?
        else {
            return refused(Code::SpaceNotFound, None, NO_SPACE);
        };
        ctx.require(Permission::SpacesWrite, property)?;
        let mut tx = ctx.env()?.db.begin_in(property).await?;
        let rows = space::by_ids(&mut tx, property, &[main, linked]).await?;
        let row = |id| rows.iter().find(|row| row.id == id);
        let (Some(main_row), Some(linked_row)) = (row(main), row(linked)) else {
            return refused(Code::SpaceNotFound, None, NO_SPACE);
        };
        if let Some(gone) = rows.iter().find(|row| row.archived_at.is_some()) {
            let message = format!("{} is archived.", gone.name);
            return refused(Code::SpaceArchived, None, &message);
        }
        if linked_row.kind != SpaceKind::CommonArea || main == linked {
            let message = format!("{} is not a common area.", linked_row.name);
            return refused(Code::NotCommon, Some("linkedSpace"), &message);
        }
        let space = Some(Space(main_row.clone()));
        let links = space_link::of_mains(&mut tx, property, &[main]).await?;
        if !links.contains(&(main, linked)) {
            make(ctx, tx, property, &Change::SpaceLink { main, linked }).await?;
        }
        Ok(Some(SpaceLinkPayload {
            space,
            ..SpaceLinkPayload::default()
        }))
    }

    /// Takes such a link away. The common area closes for the guests of the main room.
    async fn space_unlink(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: SpaceUnlinkInput,
    ) -> Result<Option<SpaceUnlinkPayload>> {
        use SpaceUnlinkErrorCode as Code;
        ctx.require_anywhere(Permission::SpacesWrite)?;
        let refused = |code, field, message: &str| {
            Ok(Some(SpaceUnlinkPayload::refused(code, field, message)))
        };
        let Some((property, main, linked)) = spaces(ctx, &input.main_space, &input.linked_space)?
        else {
            return refused(Code::SpaceNotFound, None, NO_SPACE);
        };
        ctx.require(Permission::SpacesWrite, property)?;
        let mut tx = ctx.env()?.db.begin_in(property).await?;
        let rows = space::by_ids(&mut tx, property, &[main, linked]).await?;
        let row = |id| rows.iter().find(|row| row.id == id);
        let (Some(row), Some(_)) = (row(main), row(linked)) else {
            return refused(Code::SpaceNotFound, None, NO_SPACE);
        };
        let row = row.clone();
        let links = space_link::of_mains(&mut tx, property, &[main]).await?;
        if !links.contains(&(main, linked)) {
            let message = "The two are not linked.";
            return refused(Code::NotLinked, Some("linkedSpace"), message);
        }
        let change = Change::SpaceUnlink { main, linked };
        let (agreed, reason) = (input.end_in_house_access, input.reason.as_deref());
        match make_agreed(ctx, tx, property, &change, agreed, reason).await? {
            Consent::Asked(message) => return refused(Code::InHouseGuests, None, &message),
            Consent::ReasonMissing => {
                return refused(Code::ReasonMissing, Some("reason"), "Give a reason.");
            }
            Consent::Given => {}
        }
        Ok(Some(SpaceUnlinkPayload {
            space: Some(Space(row)),
            ..SpaceUnlinkPayload::default()
        }))
    }
}

const NO_SPACE: &str = "There is no such space.";

/// Two spaces of one property of the caller's.
fn spaces(
    ctx: &Context<'_>,
    main: &ID,
    linked: &ID,
) -> Result<Option<(PropertyId, SpaceId, SpaceId)>> {
    let Some(main) = property::own_row(ctx, Kind::Space, main)? else {
        return Ok(None);
    };
    let linked = id::row_of(Kind::Space, linked).filter(|row| row.property == main.property);
    Ok(linked.map(|linked| (main.property, SpaceId(main.row), SpaceId(linked.row))))
}
