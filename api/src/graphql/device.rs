//! Devices: locks, and installing them in spaces.

use super::change::{Consent, make_agreed};
use super::id::Kind;
use super::integration::Integration;
use super::property::Property;
use super::space::Space;
use super::time::Instant;
use super::user_error::payload;
use super::viewer::Actor;
use super::{Reach, Result, id, load, property, read};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use portal_domain::{ActorKind, DeviceConnectivity, DeviceId, Permission, PropertyId, SpaceId};
use portal_jobs::change::Change;
use portal_store::{device, space};

/// A lock.
pub struct Device(pub(crate) device::Device);

#[Object]
impl Device {
    /// What its vendor says codes on it must obey.
    async fn capabilities(&self) -> Vec<DeviceRule> {
        self.0.rules().iter().map(DeviceRule::from).collect()
    }

    /// Whether it can be reached.
    async fn connectivity(&self) -> DeviceConnectivity {
        self.0.connectivity
    }

    /// Its identifier at the vendor.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Device, self.0.property_id, self.0.id)
    }

    /// When it was installed in its space.
    async fn installed_at(&self) -> Option<Instant> {
        self.0.installed_at.map(Into::into)
    }

    /// Who installed it.
    async fn installed_by(&self) -> Option<Actor> {
        self.0.installed_by.clone().map(|name| Actor {
            kind: ActorKind::User,
            name,
        })
    }

    /// The lock integration it belongs to.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        Integration::load(ctx, self.0.property_id, self.0.integration_id).await
    }

    /// When it was last heard of.
    async fn last_seen_at(&self) -> Option<Instant> {
        self.0.last_seen_at.map(Into::into)
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// Where it is installed.
    async fn space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        match self.0.space_id {
            Some(space) => Space::load(ctx, self.0.property_id, space).await,
            None => Ok(None),
        }
    }
}

impl Device {
    /// The device, if the caller may read devices there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        device: DeviceId,
    ) -> Result<Option<Device>> {
        ctx.require(Permission::DevicesRead, property)?;
        Ok(load(ctx, (property, device)).await?.map(Device))
    }
}

/// Rules a lock vendor can set.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRuleKind {
    /// Allowed digits.
    Digits,
    /// Longest label of a code on the lock.
    Label,
    /// How early a code may or must be sent.
    Lead,
    /// Allowed numbers of digits.
    Lengths,
    /// How many codes fit.
    MaxCodes,
    /// Longest time for which a code can be valid.
    MaxDays,
    /// At least so many different digits.
    MinDistinct,
    /// Forbidden beginnings.
    NotStarting,
    /// No digit so many times running.
    NoRepeat,
    /// Not so many digits in a row up or down.
    NoRun,
    /// What can be read back from it.
    ReadBack,
    /// Whether a code can be taken off before its end.
    Revocable,
    /// Minutes of which times on the device are whole multiples.
    TimeGrid,
    /// No two codes on the device with the same first so many digits.
    UniquePrefix,
}

/// One rule for codes on a device.
#[derive(SimpleObject)]
pub struct DeviceRule {
    /// Which rule.
    rule: DeviceRuleKind,
    /// Its value, for example 4-8 or 123456789.
    value: Option<String>,
}

impl From<&portal_domain::DeviceRule> for DeviceRule {
    fn from(rule: &portal_domain::DeviceRule) -> Self {
        use portal_domain::DeviceRule as R;
        let kind = match rule {
            R::Lengths(_) => DeviceRuleKind::Lengths,
            R::Digits(_) => DeviceRuleKind::Digits,
            R::NotStarting(_) => DeviceRuleKind::NotStarting,
            R::NoRun(_) => DeviceRuleKind::NoRun,
            R::NoRepeat(_) => DeviceRuleKind::NoRepeat,
            R::MinDistinct(_) => DeviceRuleKind::MinDistinct,
            R::UniquePrefix(_) => DeviceRuleKind::UniquePrefix,
            R::MaxCodes(_) => DeviceRuleKind::MaxCodes,
            R::Lead(_) => DeviceRuleKind::Lead,
            R::ReadBack(_) => DeviceRuleKind::ReadBack,
            R::Revocable(_) => DeviceRuleKind::Revocable,
            R::Label(_) => DeviceRuleKind::Label,
            R::TimeGrid(_) => DeviceRuleKind::TimeGrid,
            R::MaxDays(_) => DeviceRuleKind::MaxDays,
        };
        Self {
            rule: kind,
            value: Some(rule.value()),
        }
    }
}

/// Input of deviceInstall.
#[derive(InputObject)]
pub struct DeviceInstallInput {
    /// Device to install.
    device: ID,
    /// Go on although guests in house lose a door. Needs a reason.
    end_in_house_access: Option<bool>,
    /// Why, for the audit log. Required when guests in house lose a door.
    reason: Option<String>,
    /// Where.
    space: ID,
}

payload! {
    "deviceInstall", DeviceInstallPayload, DeviceInstallUserError, DeviceInstallErrorCode;
    /// The device in its space.
    device: Device,
    ;
    /// The device is installed in another space; remove it first.
    AlreadyInstalled,
    /// There is no such device, or it is not the caller's to see.
    DeviceNotFound,
    /// Guests in house would lose a door; the message says how many.
    InHouseGuests,
    /// A reason is required.
    ReasonMissing,
    /// The space is archived.
    SpaceArchived,
    /// There is no such space, or it is not the caller's to see.
    SpaceNotFound,
}

/// Input of deviceRemove.
#[derive(InputObject)]
pub struct DeviceRemoveInput {
    /// Device to take out.
    device: ID,
    /// Go on although access of guests in house ends. Needs a reason.
    end_in_house_access: Option<bool>,
    /// Why, for the audit log. Required when access of guests in house ends.
    reason: Option<String>,
}

payload! {
    "deviceRemove", DeviceRemovePayload, DeviceRemoveUserError, DeviceRemoveErrorCode;
    /// The device without a space.
    device: Device,
    ;
    /// There is no such device, or it is not the caller's to see.
    DeviceNotFound,
    /// Access of guests in house would end; the message says of how many.
    InHouseGuests,
    /// The device is not installed.
    NotInstalled,
    /// A reason is required.
    ReasonMissing,
}

/// Mutations of devices.
#[derive(Default)]
pub struct DeviceMutation;

#[Object]
impl DeviceMutation {
    /// Installs a device in a space. Waiting reservations of its rooms are transferred within a
    /// minute.
    async fn device_install(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeviceInstallInput,
    ) -> Result<Option<DeviceInstallPayload>> {
        use DeviceInstallErrorCode as Code;
        ctx.require_anywhere(Permission::DevicesWrite)?;
        let refused = |code, field, message: &str| {
            Ok(Some(DeviceInstallPayload::refused(code, field, message)))
        };
        let Some(target) = property::own_row(ctx, Kind::Device, &input.device)? else {
            return refused(
                Code::DeviceNotFound,
                Some("device"),
                "There is no such device.",
            );
        };
        ctx.require(Permission::DevicesWrite, target.property)?;
        let no_space = || {
            refused(
                Code::SpaceNotFound,
                Some("space"),
                "There is no such space.",
            )
        };
        let Some(space_id) = id::row_of(Kind::Space, &input.space)
            .filter(|space| space.property == target.property)
            .map(|space| SpaceId(space.row))
        else {
            return no_space();
        };
        let mut tx = ctx.env()?.db.begin_in(target.property).await?;
        let found = device::lock(&mut tx, target.property, DeviceId(target.row)).await?;
        let Some(row) = found else {
            return refused(
                Code::DeviceNotFound,
                Some("device"),
                "There is no such device.",
            );
        };
        let Some(space) = space::by_id(&mut tx, target.property, space_id).await? else {
            return no_space();
        };
        if space.archived_at.is_some() {
            let message = format!("{} is archived.", space.name);
            return refused(Code::SpaceArchived, Some("space"), &message);
        }
        match row.space_id {
            Some(here) if here == space_id => {
                return Ok(Some(DeviceInstallPayload {
                    device: Some(Device(row)),
                    ..DeviceInstallPayload::default()
                }));
            }
            Some(_) => {
                let message = format!("{} is installed elsewhere. Remove it first.", row.name);
                return refused(Code::AlreadyInstalled, Some("device"), &message);
            }
            None => {}
        }
        let change = Change::DeviceInstall {
            device: row.id,
            space: space_id,
        };
        let (agreed, reason) = (input.end_in_house_access, input.reason.as_deref());
        match make_agreed(ctx, tx, target.property, &change, agreed, reason).await? {
            Consent::Asked(message) => return refused(Code::InHouseGuests, None, &message),
            Consent::ReasonMissing => {
                return refused(Code::ReasonMissing, Some("reason"), "Give a reason.");
            }
            Consent::Given => {}
        }
        let mut conn = read(ctx).await?;
        let row = device::by_ids(&mut conn, target.property, &[row.id]).await?;
        Ok(Some(DeviceInstallPayload {
            device: row.into_iter().next().map(Device),
            ..DeviceInstallPayload::default()
        }))
    }

    /// Takes a device out of its space.
    async fn device_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DeviceRemoveInput,
    ) -> Result<Option<DeviceRemovePayload>> {
        use DeviceRemoveErrorCode as Code;
        ctx.require_anywhere(Permission::DevicesWrite)?;
        let refused = |code, field, message: &str| {
            Ok(Some(DeviceRemovePayload::refused(code, field, message)))
        };
        let no_device = || {
            let message = "There is no such device.";
            refused(Code::DeviceNotFound, Some("device"), message)
        };
        let Some(target) = property::own_row(ctx, Kind::Device, &input.device)? else {
            return no_device();
        };
        ctx.require(Permission::DevicesWrite, target.property)?;
        let mut tx = ctx.env()?.db.begin_in(target.property).await?;
        let found = device::lock(&mut tx, target.property, DeviceId(target.row)).await?;
        let Some(row) = found else {
            return no_device();
        };
        if row.space_id.is_none() {
            let message = format!("{} is not installed.", row.name);
            return refused(Code::NotInstalled, Some("device"), &message);
        }
        let change = Change::DeviceRemove { device: row.id };
        let (agreed, reason) = (input.end_in_house_access, input.reason.as_deref());
        match make_agreed(ctx, tx, target.property, &change, agreed, reason).await? {
            Consent::Asked(message) => return refused(Code::InHouseGuests, None, &message),
            Consent::ReasonMissing => {
                return refused(Code::ReasonMissing, Some("reason"), "Give a reason.");
            }
            Consent::Given => {}
        }
        let mut conn = read(ctx).await?;
        let row = device::by_ids(&mut conn, target.property, &[row.id]).await?;
        Ok(Some(DeviceRemovePayload {
            device: row.into_iter().next().map(Device),
            ..DeviceRemovePayload::default()
        }))
    }
}
