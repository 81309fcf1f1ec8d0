//! How a property gives access, and changing it.

use super::change::make;
use super::property::{self, Property};
use super::time::Instant;
use super::user_error::payload;
use super::{Reach, Result, read};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use portal_domain::{
    AccessIssueAt, AccessOnCheckOut, Permission, PinPushWhen, Policy, PropertyId, RETENTION_DAYS,
};
use portal_jobs::change::Change;
use portal_store::property as store;

/// How a property gives access.
#[derive(SimpleObject)]
pub struct AccessPolicy {
    /// Minutes a keychain stays valid after the end of the stay.
    buffer_after: i32,
    /// Minutes it is valid before the start.
    buffer_before: i32,
    /// Days a past PIN is not given again, as far as there are enough others.
    cooldown_days: i32,
    /// Days before arrival from which access is made.
    horizon_days: i32,
    /// When access is made.
    issue_at: AccessIssueAt,
    /// Minutes the old room stays open after a move in mid-stay.
    luggage_minutes: i32,
    /// What check-out does.
    on_check_out: AccessOnCheckOut,
    /// Digits of a PIN, where the locks allow it.
    pin_length: i32,
    /// Whether PINs are stored in the property management system.
    push_pins: bool,
    /// When they are stored there.
    push_when: PinPushWhen,
    /// Counts its changes.
    version: i32,
}

impl AccessPolicy {
    /// A version of a policy.
    pub(crate) fn new(policy: Policy, version: i32) -> Self {
        Self {
            buffer_after: policy.buffer_after,
            buffer_before: policy.buffer_before,
            cooldown_days: policy.cooldown_days,
            horizon_days: policy.horizon_days,
            issue_at: policy.issue_at,
            luggage_minutes: policy.luggage_minutes,
            on_check_out: policy.on_check_out,
            pin_length: policy.pin_length,
            push_pins: policy.push_pins,
            push_when: policy.push_when,
            version,
        }
    }
}

/// A policy that was replaced.
#[derive(SimpleObject)]
pub struct PastPolicy {
    /// Who replaced it.
    replaced_by: String,
    /// When it was replaced.
    replaced_at: Instant,
    /// What it said.
    policy: AccessPolicy,
}

impl PastPolicy {
    /// Past versions, the newest first.
    pub(crate) async fn of(ctx: &Context<'_>, property: PropertyId) -> Result<Vec<Self>> {
        let mut conn = read(ctx).await?;
        let rows = store::policy_versions(&mut conn, property, 100).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(Self {
                    policy: AccessPolicy::new(row.policy()?, row.version),
                    replaced_at: row.changed_at.into(),
                    replaced_by: row.changed_by,
                })
            })
            .collect())
    }
}

/// Input of policyUpdate. What is left out, or null, stays.
#[derive(InputObject)]
pub struct PolicyUpdateInput {
    /// Minutes after the stay, 0 to 1440.
    buffer_after: Option<i32>,
    /// Minutes before the stay, 0 to 1440.
    buffer_before: Option<i32>,
    /// Days a past PIN rests, 0 to 90.
    cooldown_days: Option<i32>,
    /// Days before arrival, 1 to 730.
    horizon_days: Option<i32>,
    /// When access is made.
    issue_at: Option<AccessIssueAt>,
    /// Minutes for the old room after a move, 0 to 1440.
    luggage_minutes: Option<i32>,
    /// What check-out does.
    on_check_out: Option<AccessOnCheckOut>,
    /// Digits of a PIN, 4 to 9. PINs that are in use stay as they are.
    pin_length: Option<i32>,
    /// Property to change.
    property: ID,
    /// Whether PINs are stored in the property management system.
    push_pins: Option<bool>,
    /// When.
    push_when: Option<PinPushWhen>,
    /// Days after a stay in which its guest's name and PIN are kept, 1 to 365. Fewer erase at once
    /// what is older.
    retention_days: Option<i32>,
}

impl PolicyUpdateInput {
    /// The property it names.
    pub(crate) fn property(&self) -> &ID {
        &self.property
    }

    /// For how many days it asks past guests to be kept.
    pub(crate) fn retention_days(&self) -> Option<i32> {
        self.retention_days
    }

    /// The sentence about a number that is out of its bounds, if one is: of the whole policy it asks
    /// for, or its own.
    pub(crate) fn out_of_bounds(&self, policy: &Policy) -> Option<(&'static str, String)> {
        let days = self
            .retention_days
            .filter(|days| !RETENTION_DAYS.contains(days));
        let days = days.map(|_| {
            (
                "retentionDays",
                *RETENTION_DAYS.start(),
                *RETENTION_DAYS.end(),
            )
        });
        let (field, least, most) = policy.out_of_bounds().or(days)?;
        Some((field, format!("Give a number from {least} to {most}.")))
    }

    /// The whole policy it asks for.
    pub(crate) fn over(&self, was: Policy) -> Policy {
        Policy {
            issue_at: self.issue_at.unwrap_or(was.issue_at),
            buffer_before: self.buffer_before.unwrap_or(was.buffer_before),
            buffer_after: self.buffer_after.unwrap_or(was.buffer_after),
            horizon_days: self.horizon_days.unwrap_or(was.horizon_days),
            on_check_out: self.on_check_out.unwrap_or(was.on_check_out),
            luggage_minutes: self.luggage_minutes.unwrap_or(was.luggage_minutes),
            pin_length: self.pin_length.unwrap_or(was.pin_length),
            cooldown_days: self.cooldown_days.unwrap_or(was.cooldown_days),
            push_pins: self.push_pins.unwrap_or(was.push_pins),
            push_when: self.push_when.unwrap_or(was.push_when),
        }
    }
}

payload! {
    "policyUpdate", PolicyUpdatePayload, PolicyUpdateUserError, PolicyUpdateErrorCode;
    /// The property with its new policy.
    property: Property,
    ;
    /// A number is out of its bounds; the message names them.
    OutOfBounds,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
}

/// Mutations of policies.
#[derive(Default)]
pub struct PolicyMutation;

#[Object]
impl PolicyMutation {
    /// Changes how a property gives access. What is left out, or null, stays. Every keychain that is
    /// not over follows within a minute; a guest in house never gets less by it.
    async fn policy_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PolicyUpdateInput,
    ) -> Result<Option<PolicyUpdatePayload>> {
        use PolicyUpdateErrorCode as Code;
        ctx.require_anywhere(Permission::PolicyManage)?;
        let not_found = || {
            let message = "There is no such property.";
            let (code, field) = (Code::PropertyNotFound, Some("property"));
            Ok(Some(PolicyUpdatePayload::refused(code, field, message)))
        };
        let Some(id) = property::own(ctx, &input.property)? else {
            return not_found();
        };
        ctx.require(Permission::PolicyManage, id)?;
        let mut tx = ctx.env()?.db.begin_in(id).await?;
        let Some(row) = store::by_id(&mut tx, id).await? else {
            return not_found();
        };
        let policy = input.over(row.policy());
        if let Some((field, message)) = input.out_of_bounds(&policy) {
            let payload = PolicyUpdatePayload::refused(Code::OutOfBounds, Some(field), message);
            return Ok(Some(payload));
        }
        let retention_days = input.retention_days();
        let keeps = retention_days.is_none_or(|days| days == row.retention_days);
        if policy != row.policy() || !keeps {
            let change = Change::PolicyUpdate {
                policy,
                retention_days,
            };
            make(ctx, tx, id, &change).await?;
        }
        let mut conn = read(ctx).await?;
        let row = store::by_id(&mut conn, id).await?;
        Ok(Some(PolicyUpdatePayload {
            property: row.map(Property),
            ..PolicyUpdatePayload::default()
        }))
    }
}
