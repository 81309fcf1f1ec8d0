//! What a change would do, and doing exactly that.

use super::id::Kind;
use super::policy::PolicyUpdateInput;
use super::property::{self, Property};
use super::reservation::Reservation;
use super::space::Space;
use super::time::Instant;
use super::user_error::payload;
use super::{Reach, Result, id, load, read};
use crate::edge::ApiError;
use async_graphql::{Context, ID, InputObject, Object, OneofObject};
use portal_domain::{
    DeviceId, IntegrationId, Permission, PlanId, PlanOperation as Op, PropertyId, ReservationId,
    RoomId, SpaceId,
};
use portal_jobs::change::{By, Change};
use portal_jobs::plan::{self, MOST, Operation, Refused};
use portal_store::plan as store;
use portal_store::property as house;
use portal_store::{device, integration, reservation, room, space};

/// What a change would do, to the last operation. Applying it does that and nothing else.
pub struct Plan(pub(crate) store::Plan);

#[Object]
impl Plan {
    /// Whether planApply can make the change. What the property management system decides, and what
    /// has a mutation with a sign-in of its own, can only be looked at.
    async fn applicable(&self) -> bool {
        plan::change(&self.0).is_some_and(|change| change.is_ours())
    }

    /// When it was applied.
    async fn applied_at(&self) -> Option<Instant> {
        self.0.applied_at.map(Into::into)
    }

    /// Who made it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// Until when it can be applied.
    async fn expires_at(&self) -> Instant {
        self.0.expires_at.into()
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Plan, self.0.property_id, self.0.id)
    }

    /// Guests in house from whom it would take a door, a PIN or the whole keychain.
    async fn in_house(&self, ctx: &Context<'_>) -> Result<Vec<Reservation>> {
        ctx.require(Permission::StaysRead, self.0.property_id)?;
        let mut ids: Vec<ReservationId> = plan::operations(&self.0)
            .unwrap_or_default()
            .iter()
            .filter(|operation| operation.takes_from_guest())
            .map(|operation| operation.reservation)
            .collect();
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(Reservation::load(ctx, self.0.property_id, id).await?);
        }
        Ok(found)
    }

    /// What it would do. Empty: nothing changes for anyone.
    async fn operations(&self) -> Vec<PlannedOperation> {
        let operations = plan::operations(&self.0).unwrap_or_default();
        let property = self.0.property_id;
        let planned = operations.into_iter();
        planned
            .map(|operation| PlannedOperation {
                property,
                operation,
            })
            .collect()
    }

    /// Where.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }
}

impl Plan {
    /// The plan, if the caller may manage the policy there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        plan: PlanId,
    ) -> Result<Option<Plan>> {
        ctx.require(Permission::PolicyManage, property)?;
        Ok(load(ctx, (property, plan)).await?.map(Plan))
    }
}

/// One operation of a plan.
pub struct PlannedOperation {
    property: PropertyId,
    operation: Operation,
}

#[Object(name = "PlannedOperation")]
impl PlannedOperation {
    /// Whether the guest is in house.
    async fn in_house(&self) -> bool {
        self.operation.in_house
    }

    /// What.
    async fn op(&self) -> Op {
        self.operation.op
    }

    /// For which reservation.
    async fn reservation(&self, ctx: &Context<'_>) -> Result<Option<Reservation>> {
        Reservation::load(ctx, self.property, self.operation.reservation).await
    }

    /// At which door.
    async fn space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        match self.operation.space {
            Some(space) => Space::load(ctx, self.property, space).await,
            None => Ok(None),
        }
    }
}

/// A device and a space.
#[derive(InputObject)]
pub struct PlanDevice {
    /// The device.
    device: ID,
    /// The space.
    space: ID,
}

/// A room and a space.
#[derive(InputObject)]
pub struct PlanMapping {
    /// The room.
    room: ID,
    /// The space.
    space: ID,
}

/// A main room and a common area.
#[derive(InputObject)]
pub struct PlanLink {
    /// The common area.
    linked_space: ID,
    /// The main room.
    main_space: ID,
}

/// A reservation and a room.
#[derive(InputObject)]
pub struct PlanMove {
    /// The reservation.
    reservation: ID,
    /// The room it would get in the property management system.
    room: ID,
}

/// A change to plan. Give exactly one.
#[derive(OneofObject)]
pub enum PlanChange {
    /// Installing a device.
    DeviceInstall(PlanDevice),
    /// Removing a device.
    DeviceRemove(ID),
    /// Disconnecting an integration.
    IntegrationDisconnect(ID),
    /// A new token of the same account. What changed in the property management system while it was
    /// away is not known before, and follows it.
    IntegrationReconnect(ID),
    /// Changing the policy.
    PolicyUpdate(PolicyUpdateInput),
    /// Another room for a reservation.
    RoomAssign(PlanMove),
    /// Mapping a room.
    RoomMap(PlanMapping),
    /// Taking a mapping away.
    RoomUnmap(ID),
    /// Opening a common area together with a main room.
    SpaceLink(PlanLink),
    /// Taking such a link away.
    SpaceUnlink(PlanLink),
}

/// Input of planCreate.
#[derive(InputObject)]
pub struct PlanCreateInput {
    /// What to plan.
    change: PlanChange,
}

payload! {
    "planCreate", PlanCreatePayload, PlanCreateUserError, PlanCreateErrorCode;
    /// The plan.
    plan: Plan,
    ;
    /// Another change came in between; ask again.
    Busy,
    /// Something the change names does not exist, or is not the caller's to see.
    NotFound,
    /// A number is out of its bounds; the message names them.
    OutOfBounds,
    /// It concerns more reservations than a plan looks at.
    TooLarge,
}

/// Input of planApply.
#[derive(InputObject)]
pub struct PlanApplyInput {
    /// Go on although access of guests in house ends. Needs a reason.
    end_in_house_access: Option<bool>,
    /// Plan to apply.
    plan: ID,
    /// Why, for the audit log. Required when access of guests in house ends.
    reason: Option<String>,
}

payload! {
    "planApply", PlanApplyPayload, PlanApplyUserError, PlanApplyErrorCode;
    /// The plan.
    plan: Plan,
    ;
    /// It was applied before.
    AlreadyApplied,
    /// Access of guests in house would end; the message says of how many.
    InHouseGuests,
    /// The change is made elsewhere: the plan only shows what would follow.
    NotApplicable,
    /// It is older than ten minutes.
    PlanExpired,
    /// There is no such plan, or it is not the caller's to see.
    PlanNotFound,
    /// The facts have changed since: it would do something else by now.
    PlanOutdated,
    /// A reason is required.
    ReasonMissing,
}

/// Mutations of plans.
#[derive(Default)]
pub struct PlanMutation;

#[Object]
impl PlanMutation {
    /// Lists what a change would do to keychains, locks and the property management system, without
    /// doing it.
    async fn plan_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PlanCreateInput,
    ) -> Result<Option<PlanCreatePayload>> {
        use PlanCreateErrorCode as Code;
        ctx.require_anywhere(Permission::PolicyManage)?;
        let refused = |code, message: &str| {
            let field = Some("change");
            Ok(Some(PlanCreatePayload::refused(code, field, message)))
        };
        let not_found = || refused(Code::NotFound, "There is no such thing to change.");
        let read = match read_change(ctx, &input.change).await? {
            Ok(read) => read,
            Err(Unread::NotFound) => return not_found(),
            Err(Unread::OutOfBounds(message)) => return refused(Code::OutOfBounds, &message),
        };
        let (property, change) = read;
        let actor = ctx.viewer()?.actor();
        let by = By {
            actor: &actor,
            user: ctx.viewer()?.user().ok(),
            reason: None,
        };
        match plan::create(ctx.env()?, property, &change, &by).await? {
            Ok(row) => Ok(Some(PlanCreatePayload {
                plan: Some(Plan(row)),
                ..PlanCreatePayload::default()
            })),
            Err(Refused::TooLarge(count)) => {
                let message = format!(
                    "It concerns {count} reservations; a plan looks at {MOST} at most. Make the change itself."
                );
                refused(Code::TooLarge, &message)
            }
            Err(Refused::NotFound) => not_found(),
            Err(_) => refused(Code::Busy, "Another change came in between. Try again."),
        }
    }

    /// Does exactly what a plan lists, within ten minutes of its making.
    async fn plan_apply(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PlanApplyInput,
    ) -> Result<Option<PlanApplyPayload>> {
        use PlanApplyErrorCode as Code;
        ctx.require_anywhere(Permission::PolicyManage)?;
        let refused = |code, field, message: &str| {
            Ok(Some(PlanApplyPayload::refused(code, Some(field), message)))
        };
        let not_found = || refused(Code::PlanNotFound, "plan", "There is no such plan.");
        let Some(target) = property::own_row(ctx, Kind::Plan, &input.plan)? else {
            return not_found();
        };
        ctx.require(Permission::PolicyManage, target.property)?;
        let agreed = input.end_in_house_access == Some(true);
        let reason = input.reason.as_deref().map(str::trim);
        let reason = reason.filter(|reason| !reason.is_empty());
        let actor = ctx.viewer()?.actor();
        let by = By {
            actor: &actor,
            user: ctx.viewer()?.user().ok(),
            reason,
        };
        let id = PlanId(target.row);
        match plan::apply(ctx.env()?, target.property, id, agreed, &by).await? {
            Ok(row) => Ok(Some(PlanApplyPayload {
                plan: Some(Plan(row)),
                ..PlanApplyPayload::default()
            })),
            Err(Refused::NotFound) => not_found(),
            Err(Refused::Applied) => {
                refused(Code::AlreadyApplied, "plan", "It was applied before.")
            }
            Err(Refused::Expired) => {
                let message = "It is older than ten minutes. Make a new plan.";
                refused(Code::PlanExpired, "plan", message)
            }
            Err(Refused::NotOurs) => {
                let message = "This change is made elsewhere; the plan only shows what follows.";
                refused(Code::NotApplicable, "plan", message)
            }
            Err(Refused::InHouse(_)) if agreed => {
                refused(Code::ReasonMissing, "reason", "Give a reason.")
            }
            Err(Refused::InHouse(count)) => {
                let message = format!(
                    "It takes access from {count} guests in the house. Confirm with a reason to go on."
                );
                refused(Code::InHouseGuests, "endInHouseAccess", &message)
            }
            Err(Refused::Outdated | Refused::TooLarge(_)) => {
                let message = "It would do something else by now. Make a new plan and look again.";
                refused(Code::PlanOutdated, "plan", message)
            }
        }
    }
}

/// Why an input is no change.
enum Unread {
    NotFound,
    OutOfBounds(String),
}

type Read = Result<std::result::Result<(PropertyId, Change), Unread>>;

/// The change an input asks for, if all it names is there and the caller's to change.
async fn read_change(ctx: &Context<'_>, input: &PlanChange) -> Read {
    let two = |a: (Kind, &ID), b: (Kind, &ID)| {
        let first = property::own_row(ctx, a.0, a.1)?;
        let second = property::own_row(ctx, b.0, b.1)?;
        Ok::<_, ApiError>(match (first, second) {
            (Some(a), Some(b)) if a.property == b.property => Some((a.property, a.row, b.row)),
            _ => None,
        })
    };
    let one = |kind, id| {
        let row = property::own_row(ctx, kind, id)?;
        Ok::<_, ApiError>(row.map(|row| (row.property, row.row)))
    };
    let found = match input {
        PlanChange::PolicyUpdate(input) => return read_policy(ctx, input).await,
        PlanChange::DeviceInstall(input) => {
            two((Kind::Device, &input.device), (Kind::Space, &input.space))?.map(
                |(property, device, space)| {
                    let (device, space) = (DeviceId(device), SpaceId(space));
                    (property, Change::DeviceInstall { device, space })
                },
            )
        }
        PlanChange::DeviceRemove(id) => one(Kind::Device, id)?.map(|(property, device)| {
            let device = DeviceId(device);
            (property, Change::DeviceRemove { device })
        }),
        PlanChange::IntegrationDisconnect(id) => one(Kind::Integration, id)?.map(|(at, row)| {
            let integration = IntegrationId(row);
            (at, Change::IntegrationDisconnect { integration })
        }),
        PlanChange::IntegrationReconnect(id) => one(Kind::Integration, id)?.map(|(at, row)| {
            let integration = IntegrationId(row);
            (at, Change::IntegrationReconnect { integration })
        }),
        PlanChange::RoomAssign(input) => {
            let stay = (Kind::Reservation, &input.reservation);
            two(stay, (Kind::Room, &input.room))?.map(|(property, stay, room)| {
                let (reservation, room) = (ReservationId(stay), RoomId(room));
                (property, Change::RoomAssign { reservation, room })
            })
        }
        PlanChange::RoomMap(input) => two((Kind::Room, &input.room), (Kind::Space, &input.space))?
            .map(|(property, room, space)| {
                let (room, space) = (RoomId(room), SpaceId(space));
                (property, Change::RoomMap { room, space })
            }),
        PlanChange::RoomUnmap(id) => one(Kind::Room, id)?.map(|(property, room)| {
            let room = RoomId(room);
            (property, Change::RoomUnmap { room })
        }),
        PlanChange::SpaceLink(link) | PlanChange::SpaceUnlink(link) => {
            let spaces = (Kind::Space, &link.main_space);
            two(spaces, (Kind::Space, &link.linked_space))?.map(|(property, main, linked)| {
                let (main, linked) = (SpaceId(main), SpaceId(linked));
                let change = match input {
                    PlanChange::SpaceLink(_) => Change::SpaceLink { main, linked },
                    _ => Change::SpaceUnlink { main, linked },
                };
                (property, change)
            })
        }
    };
    let Some((property, change)) = found else {
        return Ok(Err(Unread::NotFound));
    };
    ctx.require(Permission::PolicyManage, property)?;
    if !fits(ctx, property, &change).await? {
        return Ok(Err(Unread::NotFound));
    }
    Ok(Ok((property, change)))
}

async fn read_policy(ctx: &Context<'_>, input: &PolicyUpdateInput) -> Read {
    let Some(property) = property::own(ctx, input.property())? else {
        return Ok(Err(Unread::NotFound));
    };
    ctx.require(Permission::PolicyManage, property)?;
    let mut conn = read(ctx).await?;
    let Some(row) = house::by_id(&mut conn, property).await? else {
        return Ok(Err(Unread::NotFound));
    };
    let policy = input.over(row.policy());
    if let Some((_, message)) = input.out_of_bounds(&policy) {
        return Ok(Err(Unread::OutOfBounds(message)));
    }
    let retention_days = input.retention_days();
    let change = Change::PolicyUpdate {
        policy,
        retention_days,
    };
    Ok(Ok((property, change)))
}

/// Whether everything the change names is there, and the change is one.
async fn fits(ctx: &Context<'_>, property: PropertyId, change: &Change) -> Result<bool> {
    let mut conn = read(ctx).await?;
    let conn = &mut conn;
    let spaces = |count: usize, rows: Vec<space::Space>| {
        rows.len() == count && rows.iter().all(|row| row.archived_at.is_none())
    };
    Ok(match change {
        Change::RoomMap { room, space } => {
            let free = room::mappings(conn, property, &[*room]).await?.is_empty();
            free && room::by_id(conn, property, *room).await?.is_some()
                && spaces(1, space::by_ids(conn, property, &[*space]).await?)
        }
        Change::RoomUnmap { room } => !room::mappings(conn, property, &[*room]).await?.is_empty(),
        Change::DeviceInstall { device, space } => {
            let rows = device::by_ids(conn, property, &[*device]).await?;
            rows.iter().any(|row| row.space_id.is_none())
                && spaces(1, space::by_ids(conn, property, &[*space]).await?)
        }
        Change::DeviceRemove { device } => {
            let rows = device::by_ids(conn, property, &[*device]).await?;
            rows.iter().any(|row| row.space_id.is_some())
        }
        Change::SpaceLink { main, linked } => {
            let rows = space::by_ids(conn, property, &[*main, *linked]).await?;
            let common = rows
                .iter()
                .any(|row| row.id == *linked && row.kind == portal_domain::SpaceKind::CommonArea);
            common && main != linked && spaces(2, rows)
        }
        Change::SpaceUnlink { main, linked } => {
            let links = portal_store::space_link::of_mains(conn, property, &[*main]).await?;
            links.contains(&(*main, *linked))
        }
        Change::RoomAssign { reservation, room } => {
            reservation::by_id(conn, property, *reservation)
                .await?
                .is_some()
                && room::by_id(conn, property, *room).await?.is_some()
        }
        Change::IntegrationDisconnect { integration }
        | Change::IntegrationReconnect { integration } => {
            let row = integration::by_id(conn, property, *integration).await?;
            row.is_some_and(|row| row.status.is_live())
        }
        Change::PolicyUpdate { .. } | Change::SetMode { .. } => true,
    })
}
