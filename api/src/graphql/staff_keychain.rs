//! Keychains made by hand, for staff.

use super::id::Kind;
use super::keychain::Keychain;
use super::property;
use super::revoke::{AskedPin, NO_DIGITS};
use super::time::Instant;
use super::user_error::payload;
use super::{Reach, Result, id};
use async_graphql::{Context, ID, InputObject, Object};
use chrono::Duration;
use portal_domain::{Permission, SpaceId, Window};
use portal_jobs::change::By;
use portal_jobs::staff_access::{self, New, Refused};

/// Longest name in characters.
const LONGEST_NAME: usize = 100;
/// Most spaces one keychain opens.
const MOST_SPACES: usize = 100;
/// Longest time one is made for.
const LONGEST: Duration = Duration::days(730);

/// Input of staffKeychainCreate.
#[derive(InputObject)]
pub struct StaffKeychainCreateInput {
    /// Until when it opens.
    ends_at: Instant,
    /// Whom it is for: a name or a task.
    holder: String,
    /// The PIN it shall have. Chosen by chance when left out, which is best.
    pin: Option<AskedPin>,
    /// Where.
    property: ID,
    /// Why, for the audit log.
    reason: String,
    /// The spaces it opens, and no other. The first one is its main one.
    spaces: Vec<ID>,
    /// From when. Now when left out.
    starts_at: Option<Instant>,
}

payload! {
    "staffKeychainCreate", StaffKeychainCreatePayload, StaffKeychainCreateUserError, StaffKeychainCreateErrorCode;
    /// The new keychain. pinReveal shows its PIN.
    keychain: Keychain,
    ;
    /// Another change came in between; ask again.
    Busy,
    /// The name is empty or has more than 100 characters.
    HolderInvalid,
    /// None of the spaces has a lock.
    NoLock,
    /// The PIN asked for has not 4 to 9 digits.
    PinInvalid,
    /// No PIN suits all doors, or the one asked for does not.
    PinUnavailable,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
    /// The reason is empty.
    ReasonMissing,
    /// No space is given, one is not there or archived, or there are more than 100.
    SpacesInvalid,
    /// It ends before it starts, is over already, or is for more than two years.
    TimesInvalid,
}

/// Mutations of keychains made by hand.
#[derive(Default)]
pub struct StaffKeychainMutation;

#[Object]
impl StaffKeychainMutation {
    /// Makes a keychain by hand, for staff: chosen spaces, times and a PIN of its own. keychainRevoke
    /// ends it, pinRotate gives it another PIN.
    async fn staff_keychain_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: StaffKeychainCreateInput,
    ) -> Result<Option<StaffKeychainCreatePayload>> {
        use StaffKeychainCreateErrorCode as Code;
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let refused = |code, field, message: &str| {
            Ok(Some(StaffKeychainCreatePayload::refused(
                code,
                Some(field),
                message,
            )))
        };
        let Some(property) = property::own(ctx, &input.property)? else {
            let message = "There is no such property.";
            return refused(Code::PropertyNotFound, "property", message);
        };
        ctx.require(Permission::KeychainsWrite, property)?;
        let (env, actor) = (ctx.env()?, ctx.viewer()?.actor());
        let now = env.now();
        let holder = input.holder.trim();
        if holder.is_empty() || holder.chars().count() > LONGEST_NAME {
            let message = "Say whom it is for, in 100 characters at most.";
            return refused(Code::HolderInvalid, "holder", message);
        }
        let reason = input.reason.trim();
        if reason.is_empty() {
            return refused(Code::ReasonMissing, "reason", "Give a reason.");
        }
        let from = input.starts_at.map_or(now, |at| at.0);
        let until = input.ends_at.0;
        if until <= from || until <= now || until - from > LONGEST {
            let message = "Give an end after the start and after now, two years later at most.";
            return refused(Code::TimesInvalid, "endsAt", message);
        }
        let no_space = || {
            let message = "Choose 1 to 100 spaces that are in use.";
            refused(Code::SpacesInvalid, "spaces", message)
        };
        let spaces: Option<Vec<SpaceId>> = input
            .spaces
            .iter()
            .map(|space| {
                let row = id::row_of(Kind::Space, space)?;
                (row.property == property).then_some(SpaceId(row.row))
            })
            .collect();
        let Some(spaces) = spaces.filter(|all| !all.is_empty() && all.len() <= MOST_SPACES) else {
            return no_space();
        };
        let asked = input.pin.as_ref().map(AskedPin::read);
        if asked == Some(None) {
            return refused(Code::PinInvalid, "pin", NO_DIGITS);
        }
        let new = New {
            asked: asked.flatten(),
            holder,
            spaces: &spaces,
            window: Window { from, until },
        };
        let by = By::of(&actor).because(Some(reason));
        match staff_access::create(env, property, &new, &by).await? {
            Ok(row) => Ok(Some(StaffKeychainCreatePayload {
                keychain: Some(Keychain(row)),
                ..StaffKeychainCreatePayload::default()
            })),
            Err(Refused::NoSpace) => no_space(),
            Err(Refused::NoLock) => {
                let message = "None of these spaces has a lock. Install one first.";
                refused(Code::NoLock, "spaces", message)
            }
            Err(Refused::Unavailable(why)) => {
                let message = format!("No PIN suits all doors: {why}.");
                refused(Code::PinUnavailable, "spaces", &message)
            }
            Err(Refused::Busy) => {
                let message = "Another change came in between. Try again.";
                refused(Code::Busy, "spaces", message)
            }
        }
    }
}
