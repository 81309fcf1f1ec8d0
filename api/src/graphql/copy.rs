//! Where a PIN is held, and whether that is what Portal wants: what is intended, what was written
//! and what was read back.

use super::device::Device;
use super::property::{self, Property};
use super::time::Instant;
use super::user_error::payload;
use super::{Reach, Result};
use async_graphql::{Context, Enum, ID, InputObject, Object};
use portal_domain::{
    DeviceConnectivity, DevicePinStatus, Drift, EffectError, IntegrationStatus, Permission,
    PinPushStatus,
};
use portal_jobs::compare_pins;
use portal_store::Timestamp;
use portal_store::device::Device as Row;
use portal_store::device_pin::DevicePin;
use portal_store::integration::Integration;
use portal_store::pin_push::PinPush;

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum CopyVerdict {
    /// It was changed elsewhere.
    Drifted,
    /// It is as wanted.
    Match,
    /// Portal wants something newer than it holds.
    Stale,
    /// It cannot be read now or ever.
    Unreadable,
}

/// One place that holds a PIN, compared with what Portal wants. Digits are compared, never told.
pub struct PinCopy {
    device: Option<Row>,
    place: String,
    read_at: Option<Instant>,
    verdict: CopyVerdict,
    why: Option<&'static str>,
}

#[Object]
impl PinCopy {
    /// The device. Null for the property management system.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        match &self.device {
            Some(device) => Device::load(ctx, device.property_id, device.id).await,
            None => Ok(None),
        }
    }

    /// When it was last read and as wanted.
    async fn read_at(&self) -> Option<Instant> {
        self.read_at
    }

    /// What the comparison says.
    async fn verdict(&self) -> CopyVerdict {
        self.verdict
    }

    /// The place, for people.
    #[graphql(name = "where")]
    async fn place(&self) -> &str {
        &self.place
    }

    /// A code that tells more, such as OFFLINE or MISSING.
    async fn why(&self) -> Option<&str> {
        self.why
    }
}

/// The verdict, and a code that tells more.
type Judged = (CopyVerdict, Option<&'static str>);

impl PinCopy {
    /// A PIN on a lock.
    pub(crate) fn on_device(row: &DevicePin, device: Row) -> Self {
        let (verdict, why) = judge_device(row, &device);
        Self {
            place: format!("lock {}", device.name),
            device: Some(device),
            read_at: row.verified_at.map(Into::into),
            verdict,
            why,
        }
    }

    /// A PIN in the PMS.
    pub(crate) fn in_pms(row: &PinPush, link: Option<&Integration>, name: &str) -> Self {
        let (verdict, why) = judge_push(row, link);
        Self {
            device: None,
            place: name.to_owned(),
            read_at: row.verified_at.map(Into::into),
            verdict,
            why,
        }
    }
}

fn drifted(drift: Drift) -> Judged {
    (CopyVerdict::Drifted, Some(drift.as_str()))
}

/// One that is not carried out yet.
fn waits(status: &'static str, error: Option<EffectError>) -> Judged {
    let why = error.map_or(status, EffectError::as_str);
    (CopyVerdict::Stale, Some(why))
}

/// One that is carried out. `unreadable`: why it cannot be read now or ever.
fn done(unreadable: Option<&'static str>, verified_at: Option<Timestamp>) -> Judged {
    match unreadable.or_else(|| verified_at.is_none().then_some("NOT_READ_YET")) {
        Some(why) => (CopyVerdict::Unreadable, Some(why)),
        None => (CopyVerdict::Match, None),
    }
}

fn judge_device(row: &DevicePin, device: &Row) -> Judged {
    if let Some(drift) = row.drift {
        return drifted(drift);
    }
    match row.status {
        DevicePinStatus::Set | DevicePinStatus::Removed if row.done_generation < row.generation => {
            (CopyVerdict::Stale, None)
        }
        DevicePinStatus::Set | DevicePinStatus::Removed => {
            let offline = device.connectivity == DeviceConnectivity::Offline;
            let unreadable = if device.reads_back() {
                offline.then_some("OFFLINE")
            } else {
                Some("NO_READ_BACK")
            };
            done(unreadable, row.verified_at)
        }
        waiting => waits(waiting.as_str(), row.last_error),
    }
}

fn judge_push(row: &PinPush, link: Option<&Integration>) -> Judged {
    if let Some(drift) = row.drift {
        return drifted(drift);
    }
    match row.status {
        PinPushStatus::Stored | PinPushStatus::Removed if row.done_generation >= row.generation => {
            let away = link.is_none_or(|link| link.status != IntegrationStatus::Connected);
            done(away.then_some("INTEGRATION"), row.verified_at)
        }
        waiting => waits(waiting.as_str(), row.last_error),
    }
}

/// What pinsCompare needs.
#[derive(InputObject)]
pub struct PinsCompareInput {
    /// Property whose PINs to read back.
    property: ID,
}

payload! {
    "pinsCompare", PinsComparePayload, PinsCompareUserError, PinsCompareErrorCode;
    /// The property.
    property: Property,
    ;
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
}

/// Mutations about copies of PINs.
#[derive(Default)]
pub struct CopyMutation;

#[Object]
impl CopyMutation {
    /// Reads back what every lock and the property management system hold, compares it with what
    /// Portal made of them and repairs what was changed elsewhere, now instead of at night. Takes
    /// seconds to minutes; `Keychain.copies` tells.
    async fn pins_compare(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PinsCompareInput,
    ) -> Result<Option<PinsComparePayload>> {
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let Some(property) = property::own(ctx, &input.property)? else {
            return Ok(Some(PinsComparePayload::refused(
                PinsCompareErrorCode::PropertyNotFound,
                Some("property"),
                "There is no such property.",
            )));
        };
        ctx.require(Permission::KeychainsWrite, property)?;
        compare_pins::ask(ctx.env()?, property).await?;
        Ok(Some(PinsComparePayload {
            property: Some(Property::of(ctx, property).await?),
            ..PinsComparePayload::default()
        }))
    }
}
