//! Taking keychains away, giving them back, and giving them another PIN.

use super::device::Device;
use super::id::Kind;
use super::keychain::{Keychain, PinProof};
use super::property;
use super::user_error::payload;
use super::{Reach, Result, load};
use async_graphql::{Context, Enum, ID, InputObject, Object};
use portal_domain::pin::Asked;
use portal_domain::{DeviceId, KeychainId, Permission, PropertyId};
use portal_jobs::change::By;
use portal_jobs::{revoke, rotate};
use portal_store::event::Actor;

/// Input of keychainRevoke.
#[derive(InputObject)]
pub struct KeychainRevokeInput {
    /// Keychain to take away.
    keychain: ID,
    /// Why, for staff and the audit log.
    reason: String,
}

/// How much a person wants these digits.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinWish {
    /// If they suit; others otherwise.
    Preferred,
    /// These or none.
    Strict,
}

/// Digits a person asks for. They are answered nowhere: pinReveal shows them.
#[derive(InputObject)]
pub struct AskedPin {
    /// The digits.
    code: String,
    /// How much they are wanted.
    #[graphql(default_with = "PinWish::Preferred")]
    wish: PinWish,
}

impl AskedPin {
    /// As the allocator takes it. `None`: these are no digits of a PIN.
    pub(crate) fn read(&self) -> Option<Asked> {
        let code = self.code.trim();
        let digits = code.len() <= 9 && code.bytes().all(|byte| byte.is_ascii_digit());
        (digits && code.len() >= 4).then(|| Asked {
            code: code.to_owned(),
            strict: self.wish == PinWish::Strict,
        })
    }
}

/// The sentence about an asked PIN that is none.
pub(crate) const NO_DIGITS: &str = "Give a PIN of 4 to 9 digits.";

payload! {
    "keychainRevoke", KeychainRevokePayload, KeychainRevokeUserError, KeychainRevokeErrorCode;
    /// The keychain, REVOKED.
    keychain: Keychain,
    ;
    /// It is past or revoked by staff already.
    AlreadyEnded,
    /// Another change came in between; ask again.
    Busy,
    /// There is no such keychain, or it is not the caller's to see.
    KeychainNotFound,
    /// The reason is empty.
    ReasonMissing,
}

/// Input of keychainReinstate.
#[derive(InputObject)]
pub struct KeychainReinstateInput {
    /// Keychain to give back.
    keychain: ID,
    /// Why, for the audit log.
    reason: Option<String>,
}

payload! {
    "keychainReinstate", KeychainReinstatePayload, KeychainReinstateUserError, KeychainReinstateErrorCode;
    /// The keychain as decided afresh. It stays REVOKED where something else is in the way; its
    /// reservation says what.
    keychain: Keychain,
    ;
    /// Another change came in between; ask again.
    Busy,
    /// There is no such keychain, or it is not the caller's to see.
    KeychainNotFound,
    /// No revocation by staff holds.
    NotRevoked,
}

/// Input of pinRotate.
#[derive(InputObject)]
pub struct PinRotateInput {
    /// Only tell what would happen. Nothing is written.
    #[graphql(default = false)]
    dry_run: bool,
    /// Keychain whose PIN to replace.
    keychain: ID,
    /// The digits it shall have. Chosen by chance when left out, which is best.
    pin: Option<AskedPin>,
    /// Why, for the audit log.
    reason: String,
}

/// What replacing a PIN does, or would do.
pub struct PinRotation {
    property: PropertyId,
    rotation: rotate::Rotation,
}

#[Object]
impl PinRotation {
    /// Locks that hold the old PIN, which goes.
    async fn forgetting(&self, ctx: &Context<'_>) -> Result<Vec<Device>> {
        devices(ctx, self.property, &self.rotation.replaced).await
    }

    /// Locks that get the new PIN.
    async fn learning(&self, ctx: &Context<'_>) -> Result<Vec<Device>> {
        devices(ctx, self.property, &self.rotation.locks).await
    }

    /// Whether the copy in the property management system is replaced too.
    async fn pms_copy(&self) -> bool {
        self.rotation.pms_copy
    }

    /// How the new PIN was chosen. Holds no digits.
    async fn proof(&self) -> PinProof {
        self.rotation.proof.clone().into()
    }
}

async fn devices(ctx: &Context<'_>, property: PropertyId, ids: &[DeviceId]) -> Result<Vec<Device>> {
    ctx.require(Permission::DevicesRead, property)?;
    let mut devices = Vec::with_capacity(ids.len());
    for id in ids {
        devices.extend(load(ctx, (property, *id)).await?.map(Device));
    }
    Ok(devices)
}

payload! {
    "pinRotate", PinRotatePayload, PinRotateUserError, PinRotateErrorCode;
    /// The keychain with its new PIN; after a dry run with the one it has.
    keychain: Keychain,
    /// What happens on locks and in the property management system.
    rotation: PinRotation,
    ;
    /// The keychain is past or revoked.
    AlreadyEnded,
    /// Another change came in between; ask again.
    Busy,
    /// There is no such keychain, or it is not the caller's to see.
    KeychainNotFound,
    /// The PIN asked for has not 4 to 9 digits.
    PinInvalid,
    /// No other PIN suits all doors, or the one asked for does not.
    PinUnavailable,
    /// The reason is empty.
    ReasonMissing,
}

/// Mutations that take, give back and replace.
#[derive(Default)]
pub struct RevokeMutation;

const NO_KEYCHAIN: &str = "There is no such keychain.";
const BUSY: &str = "Another change came in between. Try again.";

/// A keychain of the caller's, where the caller may change it, and who that is.
fn target(ctx: &Context<'_>, keychain: &ID) -> Result<Option<(PropertyId, KeychainId, Actor)>> {
    ctx.require_anywhere(Permission::KeychainsWrite)?;
    let Some(target) = property::own_row(ctx, Kind::Keychain, keychain)? else {
        return Ok(None);
    };
    ctx.require(Permission::KeychainsWrite, target.property)?;
    let actor = ctx.viewer()?.actor();
    Ok(Some((target.property, KeychainId(target.row), actor)))
}

#[Object]
impl RevokeMutation {
    /// Takes a keychain away, whatever the property management system says later. Only
    /// keychainReinstate undoes it.
    async fn keychain_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: KeychainRevokeInput,
    ) -> Result<Option<KeychainRevokePayload>> {
        use KeychainRevokeErrorCode as Code;
        let refused = |code, field, message: &str| {
            Ok(Some(KeychainRevokePayload::refused(
                code,
                Some(field),
                message,
            )))
        };
        let Some((property, id, actor)) = target(ctx, &input.keychain)? else {
            return refused(Code::KeychainNotFound, "keychain", NO_KEYCHAIN);
        };
        let reason = input.reason.trim();
        if reason.is_empty() {
            return refused(Code::ReasonMissing, "reason", "Give a reason.");
        }
        let by = By::of(&actor).because(Some(reason));
        match revoke::revoke(ctx.env()?, property, id, &by).await? {
            Ok(row) => Ok(Some(KeychainRevokePayload {
                keychain: Some(Keychain(row)),
                ..KeychainRevokePayload::default()
            })),
            Err(revoke::Refused::NotFound) => {
                refused(Code::KeychainNotFound, "keychain", NO_KEYCHAIN)
            }
            Err(revoke::Refused::Busy) => refused(Code::Busy, "keychain", BUSY),
            Err(revoke::Refused::Over | revoke::Refused::NotRevoked) => {
                let message = "It is past, or staff took it away already.";
                refused(Code::AlreadyEnded, "keychain", message)
            }
        }
    }

    /// Undoes a revocation by staff and decides afresh.
    async fn keychain_reinstate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: KeychainReinstateInput,
    ) -> Result<Option<KeychainReinstatePayload>> {
        use KeychainReinstateErrorCode as Code;
        let refused = |code, message: &str| {
            let field = Some("keychain");
            Ok(Some(KeychainReinstatePayload::refused(
                code, field, message,
            )))
        };
        let Some((property, id, actor)) = target(ctx, &input.keychain)? else {
            return refused(Code::KeychainNotFound, NO_KEYCHAIN);
        };
        let by = By::of(&actor).because(input.reason.as_deref());
        match revoke::reinstate(ctx.env()?, property, id, &by).await? {
            Ok(row) => Ok(Some(KeychainReinstatePayload {
                keychain: Some(Keychain(row)),
                ..KeychainReinstatePayload::default()
            })),
            Err(revoke::Refused::NotFound) => refused(Code::KeychainNotFound, NO_KEYCHAIN),
            Err(revoke::Refused::Busy) => refused(Code::Busy, BUSY),
            Err(revoke::Refused::Over | revoke::Refused::NotRevoked) => {
                let message = "Staff did not take this access away. Look at why it is withheld.";
                refused(Code::NotRevoked, message)
            }
        }
    }

    /// Gives a keychain another PIN: on every lock and in the property management system the new one
    /// takes the place of the old one.
    async fn pin_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PinRotateInput,
    ) -> Result<Option<PinRotatePayload>> {
        use PinRotateErrorCode as Code;
        let refused = |code, field, message: &str| {
            Ok(Some(PinRotatePayload::refused(code, Some(field), message)))
        };
        let Some((property, id, actor)) = target(ctx, &input.keychain)? else {
            return refused(Code::KeychainNotFound, "keychain", NO_KEYCHAIN);
        };
        let reason = input.reason.trim();
        if reason.is_empty() {
            return refused(Code::ReasonMissing, "reason", "Give a reason.");
        }
        let by = By::of(&actor).because(Some(reason));
        let asked = input.pin.as_ref().map(AskedPin::read);
        if asked == Some(None) {
            return refused(Code::PinInvalid, "pin", NO_DIGITS);
        }
        let (env, asked, dry) = (ctx.env()?, asked.flatten(), input.dry_run);
        match rotate::rotate(env, property, id, asked, dry, &by).await? {
            Ok(rotation) => Ok(Some(PinRotatePayload {
                keychain: Some(Keychain(rotation.keychain.clone())),
                rotation: Some(PinRotation { property, rotation }),
                ..PinRotatePayload::default()
            })),
            Err(rotate::Refused::NotFound) => {
                refused(Code::KeychainNotFound, "keychain", NO_KEYCHAIN)
            }
            Err(rotate::Refused::Over) => {
                let message = "It is past or revoked. Its PIN opens nothing.";
                refused(Code::AlreadyEnded, "keychain", message)
            }
            Err(rotate::Refused::Busy) => refused(Code::Busy, "keychain", BUSY),
            Err(rotate::Refused::Unavailable(why)) => {
                let message = format!("No such PIN suits all doors: {why}.");
                refused(Code::PinUnavailable, "pin", &message)
            }
        }
    }
}
