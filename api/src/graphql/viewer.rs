//! Who is calling, and fetching anything again by its identifier.

use super::app::App;
use super::device::Device;
use super::id::{self, Kind, Named};
use super::integration::Integration;
use super::job::QuarantinedJob;
use super::keychain::{DevicePin, Keychain, Pin, PinPush};
use super::plan::Plan;
use super::problem::Problem;
use super::property::{Organization, Property, own};
use super::reservation::Reservation;
use super::room::Room;
use super::space::Space;
use super::time::Instant;
use super::{Reach, Result, load};
use crate::edge::ApiError;
use async_graphql::{Context, ID, Interface, Object, SimpleObject};
use portal_domain::{
    ActorKind, DeviceId, DevicePinId, IntegrationId, JobId, KeychainId, MembershipId,
    OrganizationId, Permission, PinId, PinPushId, PlanId, PropertyId, ReservationId, Role, RoomId,
    SpaceId,
};

/// Most identifiers one call may name.
const MOST_NODES: usize = 100;

/// Who did something.
#[derive(SimpleObject, Debug, Clone)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// Name to show.
    pub name: String,
}

/// The caller: a person signed in to Portal, or an API client.
pub struct Viewer;

#[Object]
impl Viewer {
    /// Where the person works, and as what. Empty for an API client.
    async fn memberships(&self, ctx: &Context<'_>) -> Result<Vec<Membership>> {
        Ok(ctx
            .viewer()?
            .memberships()
            .iter()
            .map(|row| Membership {
                id: row.id,
                organization: row.organization,
                property: row.property,
                role: row.role,
            })
            .collect())
    }

    /// Display name.
    async fn name(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(ctx.viewer()?.name().to_owned())
    }

    /// What the caller may do, so that a client hides what would be refused.
    async fn permissions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At this property. Without it, what the caller may do at any property.")]
        property: Option<ID>,
    ) -> Result<Vec<Permission>> {
        let viewer = ctx.viewer()?;
        let at = match &property {
            Some(id) => match own(ctx, id)? {
                Some(property) => Some(property),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        Ok(Permission::ALL
            .iter()
            .copied()
            .filter(|&permission| match at {
                Some(property) => viewer.may(permission, property),
                None => viewer.may_anywhere(permission),
            })
            .collect())
    }

    /// When the person last proved who they are. Null for an API client.
    async fn signed_in_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        Ok(ctx.viewer()?.signed_in_at().map(Instant))
    }
}

/// One role of one person.
pub struct Membership {
    id: MembershipId,
    organization: OrganizationId,
    property: Option<PropertyId>,
    role: Role,
}

#[Object]
impl Membership {
    /// Opaque global identifier.
    async fn id(&self) -> ID {
        id::global(Kind::Membership, self.id)
    }

    /// Where.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Organization> {
        Organization::of(ctx, self.organization).await
    }

    /// At which property. Null means at all of the organization.
    async fn property(&self, ctx: &Context<'_>) -> Result<Option<Property>> {
        match self.property {
            Some(property) => Ok(load(ctx, property).await?.map(Property)),
            None => Ok(None),
        }
    }

    /// As what.
    async fn role(&self) -> Role {
        self.role
    }
}

/// Reading the caller.
#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who is calling.
    async fn viewer(&self) -> Viewer {
        Viewer
    }
}

/// Anything that can be fetched again by its global identifier.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque global identifier."))]
pub enum Node {
    App(App),
    Device(Device),
    DevicePin(DevicePin),
    Integration(Integration),
    Keychain(Keychain),
    Membership(Membership),
    Organization(Organization),
    Pin(Pin),
    PinPush(PinPush),
    Plan(Plan),
    Problem(Problem),
    Property(Property),
    QuarantinedJob(QuarantinedJob),
    Reservation(Reservation),
    Room(Room),
    Space(Space),
}

/// Fetches what an identifier names. `None`: there is none, or it is not the caller's to see.
pub(crate) async fn node(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    let viewer = ctx.viewer()?;
    let row = match id::read(id) {
        Some(Named::App(slug)) if viewer.may_anywhere(Permission::Apps) => {
            return Ok(ctx.env()?.apps.get(&slug).cloned().map(App).map(Node::App));
        }
        Some(Named::Global(Kind::Property, _)) => {
            return match own(ctx, id)? {
                Some(property) => Ok(load(ctx, property).await?.map(Property).map(Node::Property)),
                None => Ok(None),
            };
        }
        Some(Named::Global(Kind::Organization, row)) => {
            let organization = OrganizationId(row);
            if !viewer
                .memberships()
                .iter()
                .any(|m| m.organization == organization)
            {
                return Ok(None);
            }
            let found = load(ctx, organization).await?;
            return Ok(found.map(Organization).map(Node::Organization));
        }
        Some(Named::Global(Kind::Membership, row)) => {
            let found = viewer.memberships().iter().find(|m| m.id.0 == row);
            return Ok(found.map(|row| {
                Node::Membership(Membership {
                    id: row.id,
                    organization: row.organization,
                    property: row.property,
                    role: row.role,
                })
            }));
        }
        Some(Named::Row(kind, row)) if viewer.sees(row.property) => (kind, row),
        _ => return Ok(None),
    };
    let (kind, row) = row;
    let (property, row) = (row.property, row.row);
    let may = |permission| viewer.may(permission, property);
    Ok(match kind {
        Kind::Integration if may(Permission::IntegrationsRead) => {
            let found = Integration::load(ctx, property, IntegrationId(row)).await?;
            found.map(Node::Integration)
        }
        Kind::Room if may(Permission::RoomsRead) => Room::load(ctx, property, RoomId(row))
            .await?
            .map(Node::Room),
        Kind::Space if may(Permission::RoomsRead) => Space::load(ctx, property, SpaceId(row))
            .await?
            .map(Node::Space),
        Kind::Device if may(Permission::DevicesRead) => Device::load(ctx, property, DeviceId(row))
            .await?
            .map(Node::Device),
        Kind::Reservation if may(Permission::StaysRead) => {
            let found = Reservation::load(ctx, property, ReservationId(row)).await?;
            found.map(Node::Reservation)
        }
        Kind::Keychain if may(Permission::KeychainsRead) => {
            let found = Keychain::load(ctx, property, KeychainId(row)).await?;
            found.map(Node::Keychain)
        }
        Kind::Pin if may(Permission::KeychainsRead) => load(ctx, (property, PinId(row)))
            .await?
            .map(Pin)
            .map(Node::Pin),
        Kind::DevicePin if may(Permission::KeychainsRead) => {
            let found = load(ctx, (property, DevicePinId(row))).await?;
            found.map(DevicePin).map(Node::DevicePin)
        }
        Kind::PinPush if may(Permission::KeychainsRead) => {
            let found = load(ctx, (property, PinPushId(row))).await?;
            found.map(PinPush).map(Node::PinPush)
        }
        Kind::Plan if may(Permission::PolicyManage) => {
            let found = Plan::load(ctx, property, PlanId(row)).await?;
            found.map(Node::Plan)
        }
        Kind::Problem if may(Permission::Problems) => {
            let found = load(ctx, (property, portal_domain::ProblemId(row))).await?;
            let found = found.filter(|row| super::problem::may_see(viewer, row));
            found.map(Problem).map(Node::Problem)
        }
        Kind::Job if may(Permission::KeychainsWrite) => {
            let found = load(ctx, (property, JobId(row))).await?;
            let given_up = found.and_then(|row| QuarantinedJob::of(property, row));
            given_up.map(Node::QuarantinedJob)
        }
        _ => None,
    })
}

/// Fetching by identifier.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Any object by its global identifier. Null when it does not exist or is not the caller's to
    /// see.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global identifier.")] id: ID,
    ) -> Result<Option<Node>> {
        node(ctx, &id).await
    }

    /// Several objects by their global identifiers, in the order asked for, null for each that node
    /// would not give.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global identifiers, 100 at most.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > MOST_NODES {
            return Err(ApiError::bad_user_input(format!(
                "ids: expected {MOST_NODES} at most"
            )));
        }
        futures_util::future::try_join_all(ids.iter().map(|id| node(ctx, id))).await
    }
}
