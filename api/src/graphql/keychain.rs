//! Keychains: doors, times and a PIN, and how far locks and PMS have got with it.

use super::copy::PinCopy;
use super::device::Device;
use super::id::Kind;
use super::integration::Integration;
use super::loaders::{DevicePinsOf, DevicesIn, DoorsOf, PushOf};
use super::property::Property;
use super::reservation::Reservation;
use super::space::Space;
use super::time::Instant;
use super::user_error::payload;
use super::viewer::Actor;
use super::{Reach, Result, id, load, property, read};
use crate::edge::ApiError;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use portal_domain::{
    ActorKind, ConfirmationHow, DevicePinId, DevicePinStatus, EffectError, KeychainDoorRole,
    KeychainId, KeychainProvisioning, KeychainStatus, Permission, PinPushId, PinPushStatus,
    PinPushWait, PropertyId, SubjectKind,
};
use portal_interface::ExposeSecret;
use portal_jobs::deadlines;
use portal_jobs::retry::{self, Refused};
use portal_store::audit::{self, NewEntry};
use portal_store::{device_pin, integration, keychain, pin, pin_push, rate};

/// The access made for one reservation: doors, times and a PIN.
pub struct Keychain(pub(crate) keychain::Keychain);

#[Object]
impl Keychain {
    /// Every place that holds its PIN or shall hold it: is it what Portal wants?
    async fn copies(&self, ctx: &Context<'_>) -> Result<Vec<PinCopy>> {
        let property = self.0.property_id;
        let rows = load(ctx, (property, DevicePinsOf(self.0.pin_id))).await?;
        let rows = rows.unwrap_or_default();
        let devices = rows.iter().map(|row| load(ctx, (property, row.device_id)));
        let devices = try_join_all(devices).await?;
        let mut copies: Vec<PinCopy> = rows
            .iter()
            .zip(devices)
            .filter_map(|(row, device)| Some(PinCopy::on_device(row, device?)))
            .collect();
        let push = match self.0.reservation_id {
            Some(stay) => load(ctx, (property, PushOf(stay))).await?,
            None => None,
        };
        if let Some(push) = push.filter(|push| push.pin_id == self.0.pin_id) {
            let link = load(ctx, (property, push.integration_id)).await?;
            let app = link
                .as_ref()
                .map_or("", |link: &integration::Integration| &link.app);
            let name = ctx.env()?.apps.name(app);
            copies.push(PinCopy::in_pms(&push, link.as_ref(), name));
        }
        Ok(copies)
    }

    /// The doors it opens, the main one first.
    async fn doors(&self, ctx: &Context<'_>) -> Result<Vec<KeychainDoor>> {
        let key = (self.0.property_id, DoorsOf(self.0.id));
        let mut doors = load(ctx, key).await?.unwrap_or_default();
        doors.sort_by_key(keychain::KeychainDoor::place);
        let pin = self.0.pin_id;
        Ok(doors
            .into_iter()
            .map(|row| KeychainDoor { row, pin })
            .collect())
    }

    /// Until when.
    async fn ends_at(&self) -> Instant {
        self.0.ends_at.into()
    }

    /// Counts changes of doors, times and PIN.
    async fn generation(&self) -> i32 {
        self.0.generation
    }

    /// Whom a person made it for by hand. Null for that of a reservation, where the caller may not see
    /// names, and once it is erased.
    async fn holder(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let may = ctx
            .viewer()?
            .may(Permission::GuestsRead, self.0.property_id);
        let holder = self.0.holder.as_deref();
        Ok(holder.filter(|name| may && !name.is_empty()))
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Keychain, self.0.property_id, self.0.id)
    }

    /// The space of the room itself.
    async fn main_space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        Space::load(ctx, self.0.property_id, self.0.main_space_id).await
    }

    /// The PIN, without its digits. Null once it is erased.
    async fn pin(&self, ctx: &Context<'_>) -> Result<Option<Pin>> {
        Ok(load(ctx, (self.0.property_id, self.0.pin_id))
            .await?
            .map(Pin))
    }

    /// The copy stored in the property management system. Null when none is wanted.
    async fn pms_copy(&self, ctx: &Context<'_>) -> Result<Option<PinPush>> {
        let Some(stay) = self.0.reservation_id else {
            return Ok(None);
        };
        let push = load(ctx, (self.0.property_id, PushOf(stay))).await?;
        Ok(push
            .filter(|push| push.pin_id == self.0.pin_id)
            .map(PinPush))
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// How far the locks have got.
    async fn provisioning(&self, ctx: &Context<'_>) -> Result<KeychainProvisioning> {
        let property = self.0.property_id;
        let doors = load(ctx, (property, DoorsOf(self.0.id))).await?;
        let mut installed = Vec::new();
        for door in doors.unwrap_or_default() {
            let devices = load(ctx, (property, DevicesIn(door.space_id))).await?;
            installed.extend(devices.unwrap_or_default().iter().map(|device| device.id));
        }
        let rows = load(ctx, (property, DevicePinsOf(self.0.pin_id))).await?;
        let now = ctx.env()?.now();
        Ok(self
            .0
            .provisioning(&rows.unwrap_or_default(), &installed, now))
    }

    /// The reservation it was made for. Null when a person made it for staff.
    async fn reservation(&self, ctx: &Context<'_>) -> Result<Option<Reservation>> {
        match self.0.reservation_id {
            Some(stay) => Reservation::load(ctx, self.0.property_id, stay).await,
            None => Ok(None),
        }
    }

    /// Who took it away, when and why.
    async fn revocation(&self) -> Option<KeychainRevocation> {
        Some(KeychainRevocation {
            at: self.0.revoked_at?.into(),
            by: Actor {
                kind: self.0.revoked_by_kind.unwrap_or(ActorKind::System),
                name: self.0.revoked_by.clone().unwrap_or_default(),
            },
            reason: self.0.revoke_reason.clone(),
        })
    }

    /// From when.
    async fn starts_at(&self) -> Instant {
        self.0.starts_at.into()
    }

    /// Where it is in its life.
    async fn status(&self, ctx: &Context<'_>) -> Result<KeychainStatus> {
        Ok(self.0.status(ctx.env()?.now()))
    }

    /// The keychain that replaced it in mid-stay.
    async fn superseded_by(&self, ctx: &Context<'_>) -> Result<Option<Keychain>> {
        match self.0.superseded_by {
            Some(next) => Keychain::load(ctx, self.0.property_id, next).await,
            None => Ok(None),
        }
    }
}

impl Keychain {
    /// The keychain, if the caller may read keychains there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        keychain: KeychainId,
    ) -> Result<Option<Keychain>> {
        ctx.require(Permission::KeychainsRead, property)?;
        Ok(load(ctx, (property, keychain)).await?.map(Keychain))
    }
}

/// Who took a keychain away.
#[derive(SimpleObject)]
pub struct KeychainRevocation {
    /// When.
    at: Instant,
    /// Who.
    by: Actor,
    /// Why.
    reason: Option<String>,
}

/// One door of a keychain.
pub struct KeychainDoor {
    row: keychain::KeychainDoor,
    pin: portal_domain::PinId,
}

#[Object]
impl KeychainDoor {
    /// The PIN on each device of the door.
    async fn device_pins(&self, ctx: &Context<'_>) -> Result<Vec<DevicePin>> {
        let property = self.row.property_id;
        let devices = load(ctx, (property, DevicesIn(self.row.space_id))).await?;
        let devices = devices.unwrap_or_default();
        let rows = load(ctx, (property, DevicePinsOf(self.pin))).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .filter(|row| devices.iter().any(|device| device.id == row.device_id))
            .map(DevicePin)
            .collect())
    }

    /// Until when.
    async fn ends_at(&self) -> Instant {
        self.row.ends_at.into()
    }

    /// Why this door.
    async fn role(&self) -> KeychainDoorRole {
        self.row.role
    }

    /// Which space.
    async fn space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        Space::load(ctx, self.row.property_id, self.row.space_id).await
    }

    /// From when.
    async fn starts_at(&self) -> Instant {
        self.row.starts_at.into()
    }
}

/// A door code. Its digits come from pinReveal only.
pub struct Pin(pub(crate) pin::Pin);

#[Object]
impl Pin {
    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Pin, self.0.property_id, self.0.id)
    }

    /// How many digits.
    async fn length(&self) -> i32 {
        self.0.length
    }

    /// From when nobody else gets these digits.
    async fn occupied_from(&self) -> Instant {
        self.0.occupied_from.into()
    }

    /// Until when.
    async fn occupied_until(&self) -> Instant {
        self.0.occupied_until.into()
    }

    /// How it was chosen.
    async fn proof(&self) -> PinProof {
        self.0.proof().into()
    }

    /// When it was replaced.
    async fn retired_at(&self) -> Option<Instant> {
        self.0.retired_at.map(Into::into)
    }
}

/// How a PIN was chosen. Holds no digits.
#[derive(SimpleObject)]
pub struct PinProof {
    /// For how many days the digits had not been used.
    cooldown_days: i32,
    /// How many were drawn before one fitted.
    draws: u32,
    /// The length chosen.
    length: i32,
    /// The rules it obeys, each with its door.
    rules: Vec<String>,
    /// How many codes were taken by others.
    taken: u32,
}

impl From<portal_domain::pin::Proof> for PinProof {
    fn from(proof: portal_domain::pin::Proof) -> Self {
        Self {
            cooldown_days: proof.cooldown_days,
            draws: proof.draws,
            length: proof.length.into(),
            rules: proof.rules,
            taken: proof.taken,
        }
    }
}

/// A PIN on one device.
pub struct DevicePin(pub(crate) device_pin::DevicePin);

#[Object]
impl DevicePin {
    /// Tries since it last changed.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// What the device has confirmed.
    async fn confirmed(&self) -> Option<DevicePinConfirmation> {
        Some(DevicePinConfirmation {
            at: self.0.confirmed_at?.into(),
            code_matches: self.0.code_matches,
            ends_at: self.0.confirmed_until?.into(),
            generation: self.0.confirmed_generation?,
            how: self.0.confirmed_how?,
            starts_at: self.0.confirmed_from?.into(),
        })
    }

    /// By when it should be so. Later, people are told.
    async fn deadline(&self) -> Option<Instant> {
        let by = match self.0.status {
            DevicePinStatus::Waiting | DevicePinStatus::Blocked => *self.0.desired_from?,
            DevicePinStatus::Sent => *self.0.confirmed_at? + portal_jobs::READ_BACK_WITHIN,
            DevicePinStatus::Removing => *self.0.wanted_since + deadlines::REMOVAL,
            DevicePinStatus::Residual => *self.0.confirmed_until?,
            DevicePinStatus::Set | DevicePinStatus::Removed => return None,
        };
        Some(Instant(by))
    }

    /// What it shall hold. Null when it shall forget the PIN.
    async fn desired(&self) -> Option<DevicePinWindow> {
        Some(DevicePinWindow {
            ends_at: self.0.desired_until?.into(),
            generation: self.0.generation,
            starts_at: self.0.desired_from?.into(),
        })
    }

    /// Which device.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        Device::load(ctx, self.0.property_id, self.0.device_id).await
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::DevicePin, self.0.property_id, self.0.id)
    }

    /// What went wrong last.
    async fn last_error(&self) -> Option<EffectError> {
        self.0.last_error
    }

    /// How it stands, in one sentence for staff.
    async fn message(&self, ctx: &Context<'_>) -> Result<String> {
        let now = ctx.env()?.now();
        let waits = waiting_for(&self.0, now);
        Ok(match (self.0.last_error, waits) {
            (Some(error), Some(DevicePinWait::Person)) => {
                format!("{} A person has to act.", effect_sentence(error))
            }
            (Some(error), _) => effect_sentence(error).to_owned(),
            (None, Some(waits)) => wait_sentence(waits).to_owned(),
            (None, None) if self.0.status == DevicePinStatus::Set => {
                "It is on the lock.".to_owned()
            }
            (None, None) => "It is gone from the lock.".to_owned(),
        })
    }

    /// When it is tried next.
    async fn next_attempt_at(&self) -> Option<Instant> {
        self.0.next_attempt_at.map(Into::into)
    }

    /// Whether a try ended without an answer, so that the device is read first.
    async fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// How it stands.
    async fn status(&self) -> DevicePinStatus {
        self.0.status
    }

    /// What it waits for. Null when it is as it shall be.
    async fn waiting_for(&self, ctx: &Context<'_>) -> Result<Option<DevicePinWait>> {
        Ok(waiting_for(&self.0, ctx.env()?.now()))
    }

    /// Since when it has not been as it shall be. Null when it is.
    async fn waiting_since(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        let waits = waiting_for(&self.0, ctx.env()?.now()).is_some();
        Ok(waits.then(|| self.0.wanted_since.into()))
    }
}

/// What a PIN on a device waits for.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevicePinWait {
    /// The lock to confirm what it accepted.
    Confirmation,
    /// The lock to be reached.
    Device,
    /// The code's own end, as the lock cannot forget it before.
    End,
    /// The lock integration to be connected.
    Integration,
    /// The time from which the lock takes codes for this stay.
    Lead,
    /// A person to act.
    Person,
    /// The next try.
    Retry,
    /// Room for a code on the lock.
    Slot,
    /// Its turn, which comes within seconds.
    Turn,
}

/// What a PIN on a device waits for. `None`: nothing.
fn waiting_for(row: &device_pin::DevicePin, now: DateTime<Utc>) -> Option<DevicePinWait> {
    use DevicePinStatus as S;
    use DevicePinWait as Wait;
    Some(match row.status {
        S::Set | S::Removed => return None,
        S::Blocked => Wait::Person,
        S::Sent => Wait::Confirmation,
        S::Residual => Wait::End,
        S::Waiting | S::Removing => match row.last_error {
            Some(EffectError::DeviceFull) => Wait::Slot,
            Some(EffectError::DeviceOffline) => Wait::Device,
            Some(EffectError::Unauthorized) => Wait::Integration,
            Some(_) => Wait::Retry,
            None if row.attempts == 0 && row.next_attempt_at.is_some_and(|at| *at > now) => {
                Wait::Lead
            }
            None => Wait::Turn,
        },
    })
}

fn wait_sentence(wait: DevicePinWait) -> &'static str {
    match wait {
        DevicePinWait::Confirmation => "The lock has accepted it and not confirmed it yet.",
        DevicePinWait::Device => "Waits until the lock can be reached.",
        DevicePinWait::End => "The lock cannot forget it before its own end.",
        DevicePinWait::Integration => "Waits for the connection to the locks to come back.",
        DevicePinWait::Lead => {
            "It is too early: the lock takes codes shortly before the stay only."
        }
        DevicePinWait::Person => "A person has to act.",
        DevicePinWait::Retry => "Waits for the next try.",
        DevicePinWait::Slot => "Waits until a code fits on the lock.",
        DevicePinWait::Turn => "Its turn comes within seconds.",
    }
}

/// The sentence staff read about what went wrong with a lock or the PMS.
fn effect_sentence(error: EffectError) -> &'static str {
    match error {
        EffectError::CodeNotAllowed => "The lock does not take these digits.",
        EffectError::Declined => "The request was understood and declined.",
        EffectError::DeviceFull => "No code fits on the lock any more.",
        EffectError::DeviceOffline => "The lock cannot be reached.",
        EffectError::Permission => "The connection lacks the right for this.",
        EffectError::RateLimited => "Asked to slow down; it is tried again soon.",
        EffectError::Unauthorized => "The credentials were refused.",
        EffectError::Unreachable => "No answer came; it is tried again soon.",
        EffectError::Unreadable => "An answer came that cannot be read.",
    }
}

/// What a device shall hold.
#[derive(SimpleObject)]
pub struct DevicePinWindow {
    /// Until when.
    ends_at: Instant,
    /// Of which generation.
    generation: i32,
    /// From when.
    starts_at: Instant,
}

/// What a device has confirmed.
#[derive(SimpleObject)]
pub struct DevicePinConfirmation {
    /// When.
    at: Instant,
    /// Whether the digits read back are ours. Null when they cannot be read.
    code_matches: Option<bool>,
    /// Until when the code is valid there.
    ends_at: Instant,
    /// Of which generation.
    generation: i32,
    /// In what way.
    how: ConfirmationHow,
    /// From when.
    starts_at: Instant,
}

/// The copy of a PIN in the property management system.
pub struct PinPush(pub(crate) pin_push::PinPush);

#[Object]
impl PinPush {
    /// Tries since it last changed.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// By when it should be so. Later, people are told.
    async fn deadline(&self) -> Option<Instant> {
        match self.0.status {
            PinPushStatus::Waiting => self.0.desired_from.map(Into::into),
            _ => None,
        }
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::PinPush, self.0.property_id, self.0.id)
    }

    /// Where it is stored.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        Integration::load(ctx, self.0.property_id, self.0.integration_id).await
    }

    /// What went wrong last.
    async fn last_error(&self) -> Option<EffectError> {
        self.0.last_error
    }

    /// How it stands, in one sentence for staff.
    async fn message(&self) -> String {
        let why = self.0.last_error.map(effect_sentence);
        match (self.0.status, self.0.waiting_for) {
            (PinPushStatus::Stored, _) => "It is stored.".to_owned(),
            (PinPushStatus::Removed, _) => "It is not stored any more.".to_owned(),
            (PinPushStatus::Refused, _) => {
                let said = self.0.error_said.as_deref();
                let said = said.or(why).unwrap_or("It was declined.");
                format!("{said} A person has to act.")
            }
            (_, Some(PinPushWait::Door)) => "Waits until the lock has taken the PIN.".to_owned(),
            (_, Some(PinPushWait::Integration)) => {
                "Waits for the connection to come back.".to_owned()
            }
            (_, Some(PinPushWait::Permission)) => {
                "The connection may not store PINs; it is tried daily.".to_owned()
            }
            (_, Some(PinPushWait::Retry)) => why.unwrap_or("Waits for the next try.").to_owned(),
            (PinPushStatus::Removing, None) => {
                "It is taken out once the locks have forgotten it, or after 15 minutes.".to_owned()
            }
            (PinPushStatus::Waiting, None) => "Its turn comes within seconds.".to_owned(),
        }
    }

    /// When it is tried next.
    async fn next_attempt_at(&self) -> Option<Instant> {
        self.0.next_attempt_at.map(Into::into)
    }

    /// Whether a try ended without an answer, so that the store is read first.
    async fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// For which reservation.
    async fn reservation(&self, ctx: &Context<'_>) -> Result<Option<Reservation>> {
        Reservation::load(ctx, self.0.property_id, self.0.reservation_id).await
    }

    /// Whether that system shows it to the guest or to staff.
    async fn shown_to_guest(&self, ctx: &Context<'_>) -> Result<bool> {
        let link = load(ctx, (self.0.property_id, self.0.integration_id)).await?;
        let env = ctx.env()?;
        Ok(link
            .and_then(|link| env.apps.get(&link.app))
            .is_some_and(|entry| entry.app.capabilities.shows_pins))
    }

    /// How it stands.
    async fn status(&self) -> PinPushStatus {
        self.0.status
    }

    /// When it was last read back.
    async fn verified_at(&self) -> Option<Instant> {
        self.0.verified_at.map(Into::into)
    }

    /// What it waits for.
    async fn waiting_for(&self) -> Option<PinPushWait> {
        self.0.waiting_for
    }

    /// Since when it has not been as it shall be. Null when it is.
    async fn waiting_since(&self) -> Option<Instant> {
        let done = matches!(
            self.0.status,
            PinPushStatus::Stored | PinPushStatus::Removed
        );
        (!done).then(|| self.0.wanted_since.into())
    }
}

/// Input of devicePinRetry.
#[derive(InputObject)]
pub struct DevicePinRetryInput {
    /// PIN on a device to put there.
    device_pin: ID,
}

payload! {
    "devicePinRetry", DevicePinRetryPayload, DevicePinRetryUserError, DevicePinRetryErrorCode;
    /// The PIN on the device, WAITING.
    device_pin: DevicePin,
    ;
    /// There is no such PIN on a device, or it is not the caller's to see.
    DevicePinNotFound,
    /// The integration of the lock is not connected.
    NotConnected,
    /// It is set, under way or no longer wanted.
    NothingToRetry,
}

/// Input of pinPushRetry.
#[derive(InputObject)]
pub struct PinPushRetryInput {
    /// Copy to store.
    pin_push: ID,
}

payload! {
    "pinPushRetry", PinPushRetryPayload, PinPushRetryUserError, PinPushRetryErrorCode;
    /// The copy, WAITING.
    pin_push: PinPush,
    ;
    /// The integration is not connected.
    NotConnected,
    /// It is stored, under way or no longer wanted.
    NothingToRetry,
    /// There is no such copy, or it is not the caller's to see.
    PinPushNotFound,
}

/// Input of pinReveal.
#[derive(InputObject)]
pub struct PinRevealInput {
    /// Keychain whose PIN to show.
    keychain: ID,
    /// Why, for the audit log.
    reason: String,
}

payload! {
    "pinReveal", PinRevealPayload, PinRevealUserError, PinRevealErrorCode;
    /// The digits. Do not keep them.
    code: String,
    /// The keychain.
    keychain: Keychain,
    ;
    /// There is no such keychain, or it is not the caller's to see.
    KeychainNotFound,
    /// The PIN is erased, as the stay is over.
    PinErased,
    /// The reason is empty.
    ReasonMissing,
    /// More than ten within a minute.
    TooManyAttempts,
}

/// Mutations of keychains.
#[derive(Default)]
pub struct KeychainMutation;

#[Object]
impl KeychainMutation {
    /// Puts a PIN on a lock, or takes it off, once more: after the lock refused it, or now instead of
    /// at the next try.
    async fn device_pin_retry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: DevicePinRetryInput,
    ) -> Result<Option<DevicePinRetryPayload>> {
        use DevicePinRetryErrorCode as Code;
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let refused = |code, message: &str| {
            let field = Some("devicePin");
            Ok(Some(DevicePinRetryPayload::refused(code, field, message)))
        };
        let not_found = || {
            let message = "There is no such PIN on a lock.";
            refused(Code::DevicePinNotFound, message)
        };
        let Some(target) = property::own_row(ctx, Kind::DevicePin, &input.device_pin)? else {
            return not_found();
        };
        ctx.require(Permission::KeychainsWrite, target.property)?;
        let (env, actor) = (ctx.env()?, ctx.viewer()?.actor());
        let id = DevicePinId(target.row);
        match retry::device_pin(env, target.property, id, &actor).await? {
            Ok(row) => Ok(Some(DevicePinRetryPayload {
                device_pin: Some(DevicePin(row)),
                ..DevicePinRetryPayload::default()
            })),
            Err(Refused::NotFound) => not_found(),
            Err(Refused::NotConnected) => {
                let message = "The integration of the lock is not connected. Reconnect it first; it is tried again then.";
                refused(Code::NotConnected, message)
            }
            Err(Refused::Nothing(row)) => {
                let message = match row.status {
                    DevicePinStatus::Set => "It is on the lock. There is nothing to do.",
                    DevicePinStatus::Removed => "It is gone from the lock. There is nothing to do.",
                    DevicePinStatus::Sent => {
                        "The lock has it and is asked to confirm it. Wait a minute."
                    }
                    DevicePinStatus::Residual => "The lock cannot forget it before its own end.",
                    _ => "It is tried already. Wait a minute.",
                };
                refused(Code::NothingToRetry, message)
            }
        }
    }

    /// Stores a PIN in the property management system, or takes it out, once more: after it was
    /// declined, or now instead of at the next try.
    async fn pin_push_retry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PinPushRetryInput,
    ) -> Result<Option<PinPushRetryPayload>> {
        use PinPushRetryErrorCode as Code;
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let refused = |code, message: &str| {
            let field = Some("pinPush");
            Ok(Some(PinPushRetryPayload::refused(code, field, message)))
        };
        let not_found = || refused(Code::PinPushNotFound, "There is no such copy of a PIN.");
        let Some(target) = property::own_row(ctx, Kind::PinPush, &input.pin_push)? else {
            return not_found();
        };
        ctx.require(Permission::KeychainsWrite, target.property)?;
        let (env, actor) = (ctx.env()?, ctx.viewer()?.actor());
        let id = PinPushId(target.row);
        match retry::pin_push(env, target.property, id, &actor).await? {
            Ok(row) => Ok(Some(PinPushRetryPayload {
                pin_push: Some(PinPush(row)),
                ..PinPushRetryPayload::default()
            })),
            Err(Refused::NotFound) => not_found(),
            Err(Refused::NotConnected) => {
                let message =
                    "The integration is not connected. Reconnect it first; it is tried again then.";
                refused(Code::NotConnected, message)
            }
            Err(Refused::Nothing(row)) => {
                let message = match (row.status, row.waiting_for) {
                    (PinPushStatus::Stored, _) => "It is stored. There is nothing to do.",
                    (PinPushStatus::Removed, _) => {
                        "It is not wanted any more. There is nothing to do."
                    }
                    (_, Some(PinPushWait::Door)) => {
                        "It waits until the lock has taken the PIN. Look at the lock first."
                    }
                    _ => "It is tried already. Wait a minute.",
                };
                refused(Code::NothingToRetry, message)
            }
        }
    }

    /// Shows the digits of a PIN and writes who saw them and why. Needs a recent sign-in.
    async fn pin_reveal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PinRevealInput,
    ) -> Result<Option<PinRevealPayload>> {
        use PinRevealErrorCode as Code;
        ctx.require_anywhere(Permission::PinsReveal)?;
        let refused =
            |code, field, message: &str| Ok(Some(PinRevealPayload::refused(code, field, message)));
        let no_keychain = || {
            let message = "There is no such keychain.";
            refused(Code::KeychainNotFound, Some("keychain"), message)
        };
        let Some(target) = property::own_row(ctx, Kind::Keychain, &input.keychain)? else {
            return no_keychain();
        };
        ctx.require(Permission::PinsReveal, target.property)?;
        let (env, viewer) = (ctx.env()?, ctx.viewer()?);
        let now = env.now();
        if !viewer.fresh(now) {
            return Err(ApiError::fresh_sign_in_required());
        }
        let reason = input.reason.trim();
        if reason.is_empty() {
            return refused(Code::ReasonMissing, Some("reason"), "Give a reason.");
        }
        let (property, id) = (target.property, KeychainId(target.row));
        let actor = viewer.actor();
        let mut conn = read(ctx).await?;
        let found = keychain::by_ids(&mut conn, property, &[id]).await?.pop();
        drop(conn);
        let Some(row) = found else {
            return no_keychain();
        };
        let mut tx = env.db.begin_in(property).await?;
        let key = format!("reveal:{}", actor.id.unwrap_or_default());
        let every = chrono::Duration::seconds(6);
        if !rate::take(&mut tx, &key, now, every, 10).await? {
            let message = "Too many attempts. Wait a minute and try again.";
            return refused(Code::TooManyAttempts, None, message);
        }
        let mut codes = pin::open(&mut tx, &env.sealer, property, &[row.pin_id], now).await?;
        let Some(code) = codes.remove(&row.pin_id) else {
            tx.commit().await?;
            let message = "The PIN is erased, as the stay is over.";
            return refused(Code::PinErased, None, message);
        };
        let entry = NewEntry::new("pinReveal", SubjectKind::Keychain, id)
            .because(reason)
            .after("pin", "shown");
        audit::write(&mut tx, property, &actor, now, entry).await?;
        tx.commit().await?;
        Ok(Some(PinRevealPayload {
            code: Some(code.expose_secret().to_owned()),
            keychain: Some(Keychain(row)),
            ..PinRevealPayload::default()
        }))
    }
}
