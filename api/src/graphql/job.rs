//! Background work that was given up, and asking for it again.

use super::device::Device;
use super::id::Kind;
use super::integration::Integration;
use super::property::Property;
use super::reservation::Reservation;
use super::time::Instant;
use super::user_error::payload;
use super::{Reach, Result, id, property};
use async_graphql::{Context, ID, InputObject, Object};
use portal_domain::{DeviceId, IntegrationId, JobId, Permission, PropertyId, ReservationId};
use portal_jobs::retry::{self, Refused};
use portal_store::job;
use serde::Deserialize;

/// Background work that was given up, until a person asks for it again.
pub struct QuarantinedJob {
    property: PropertyId,
    row: job::OwnedJob,
}

/// What the arguments of jobs name.
#[derive(Deserialize, Default)]
#[serde(default)]
struct About {
    device: Option<DeviceId>,
    integration: Option<IntegrationId>,
    reservation: Option<ReservationId>,
}

#[Object]
impl QuarantinedJob {
    /// How often it was tried.
    async fn attempts(&self) -> i32 {
        i32::from(self.row.attempts) + i32::from(self.row.starts)
    }

    /// Why it was given up, for example EXHAUSTED or CRASHED.
    async fn code(&self) -> &str {
        self.row.code.as_deref().unwrap_or_default()
    }

    /// The device it was for.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        match self.about().device {
            Some(device) => Device::load(ctx, self.property, device).await,
            None => Ok(None),
        }
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Job, self.property, self.row.id)
    }

    /// The integration it was for.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        match self.about().integration {
            Some(integration) => Integration::load(ctx, self.property, integration).await,
            None => Ok(None),
        }
    }

    /// What it does, for example push-pins.
    async fn kind(&self) -> &str {
        &self.row.kind
    }

    /// What it does and why it was given up, in one sentence for staff.
    async fn message(&self) -> String {
        sentence(&self.row.kind, self.row.code.as_deref().unwrap_or_default())
    }

    /// When it was given up.
    async fn quarantined_at(&self) -> Instant {
        self.row.changed_at.into()
    }

    /// The reservation it was for.
    async fn reservation(&self, ctx: &Context<'_>) -> Result<Option<Reservation>> {
        match self.about().reservation {
            Some(reservation) => Reservation::load(ctx, self.property, reservation).await,
            None => Ok(None),
        }
    }
}

impl QuarantinedJob {
    /// The job as staff see it, if it was given up.
    pub(crate) fn of(property: PropertyId, row: job::OwnedJob) -> Option<Self> {
        row.is_given_up().then_some(Self { property, row })
    }

    fn about(&self) -> About {
        serde_json::from_str(&self.row.args).unwrap_or_default()
    }
}

/// What a job does and why it was given up.
pub(crate) fn sentence(kind: &str, code: &str) -> String {
    let what = match kind {
        "validate-integration" => "Checking a token",
        "sync-rooms" => "Reading the rooms",
        "sync-devices" => "Reading the locks",
        "sync-reservations" => "Reading the reservations",
        "reconcile-access" => "Deciding about a reservation",
        "staff-access" => "Following a keychain made by hand",
        "program-devices" => "Putting codes on a lock",
        "push-pins" => "Storing a PIN in the property management system",
        _ => "Background work",
    };
    let why = match code {
        "EXHAUSTED" => "it failed 25 times in a row",
        "CRASHED" => "the server ended three times while it ran",
        "PANICKED" => "it met an error in Portal three times",
        "TIMED_OUT" => "it took too long three times",
        "UNREADABLE" => "its task cannot be read",
        _ => "it can never succeed as things are",
    };
    format!("{what} was given up: {why}.")
}

/// Input of jobRetry.
#[derive(InputObject)]
pub struct JobRetryInput {
    /// Job to take up.
    job: ID,
}

payload! {
    "jobRetry", JobRetryPayload, JobRetryUserError, JobRetryErrorCode;
    /// The property it belongs to. The job itself has left the list.
    property: Property,
    ;
    /// There is no such job, or it is not the caller's to see.
    JobNotFound,
    /// It is not given up: it waits or runs already.
    NothingToRetry,
}

/// Mutations of jobs.
#[derive(Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Takes up background work that was given up.
    async fn job_retry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: JobRetryInput,
    ) -> Result<Option<JobRetryPayload>> {
        use JobRetryErrorCode as Code;
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let refused =
            |code, message: &str| Ok(Some(JobRetryPayload::refused(code, Some("job"), message)));
        let no_job = || {
            let message =
                "There is no such job. It may have been done meanwhile; read the list again.";
            refused(Code::JobNotFound, message)
        };
        let Some(target) = property::own_row(ctx, Kind::Job, &input.job)? else {
            return no_job();
        };
        ctx.require(Permission::KeychainsWrite, target.property)?;
        let (env, actor) = (ctx.env()?, ctx.viewer()?.actor());
        match retry::job(env, target.property, JobId(target.row), &actor).await? {
            Ok(()) => Ok(Some(JobRetryPayload {
                property: Some(Property::of(ctx, target.property).await?),
                ..JobRetryPayload::default()
            })),
            Err(Refused::Nothing(())) => {
                let message = "This job is not given up; it waits for its turn or runs. There is nothing to do.";
                refused(Code::NothingToRetry, message)
            }
            Err(Refused::NotFound | Refused::NotConnected) => no_job(),
        }
    }
}
