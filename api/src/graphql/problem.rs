//! What a person should look at.

use super::event::subject;
use super::id::Kind;
use super::property::{self, Property};
use super::time::Instant;
use super::user_error::payload;
use super::viewer::{Actor, Node};
use super::{Reach, Result, id, job, load, read};
use crate::auth::Viewer;
use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use portal_domain::{
    ActorKind, IntegrationId, Permission, ProblemId, PropertyId, SubjectKind, local,
};
use portal_store::audit::{self, NewEntry};
use portal_store::event::{self, NewEvent};
use portal_store::{breaker, problem};

/// Every problem there is, and the mutation that clears it. Where only the PMS or its support can
/// help, putting it aside is what is left to do here.
const FIXES: &[(&str, &str)] = &[
    ("access.not_removed", "devicePinRetry"),
    ("decision.late", "reservationRefresh"),
    ("device.unknown_code", "problemDismiss"),
    ("device_pin.blocked", "devicePinRetry"),
    ("device_pin.drifts", "pinsCompare"),
    ("integration.broken", "integrationReconnect"),
    ("integration.catching_up_long", "integrationValidate"),
    ("integration.half_gone", "problemDismiss"),
    ("integration.may_not_store_pins", "problemDismiss"),
    ("integration.server_suspect", "integrationValidate"),
    ("integration.token_unverified", "integrationReconnect"),
    ("integration.unreachable", "integrationValidate"),
    ("job.quarantined", "jobRetry"),
    ("keychain.not_ready", "devicePinRetry"),
    ("pin_push.drifts", "pinsCompare"),
    ("pin_push.late", "pinPushRetry"),
    ("pin_push.refused", "pinPushRetry"),
    ("reservation.unreadable", "problemDismiss"),
    ("room.gone", "roomUnmap"),
    ("stay.access_kept", "roomMap"),
    ("stay.door_left_out", "pinRotate"),
    ("stay.overdue", "problemDismiss"),
    ("stay.overlap", "problemDismiss"),
];

/// The kinds of things whose problems the caller may see at a property.
pub(crate) fn visible(viewer: &Viewer, property: PropertyId) -> Vec<SubjectKind> {
    let all = viewer.may(Permission::KeychainsRead, property);
    let of_devices = |kind: &SubjectKind| {
        // Who installs locks looks after locks.
        matches!(kind, SubjectKind::Device | SubjectKind::DevicePin)
    };
    let kinds = SubjectKind::ALL.iter().copied();
    kinds.filter(|kind| all || of_devices(kind)).collect()
}

/// Whether the caller may see a problem.
pub(crate) fn may_see(viewer: &Viewer, row: &problem::Problem) -> bool {
    visible(viewer, row.property_id).contains(&row.subject_kind)
}

/// Something a person should look at.
pub struct Problem(pub(crate) problem::Problem);

#[Object]
impl Problem {
    /// How often it was seen.
    async fn count(&self) -> i32 {
        self.0.count
    }

    /// Whether a guest may be locked out, or someone let in.
    async fn critical(&self) -> bool {
        self.0.critical
    }

    /// When it was put aside.
    async fn dismissed_at(&self) -> Option<Instant> {
        self.0.dismissed_at.map(Into::into)
    }

    /// Who dismissed it.
    async fn dismissed_by(&self) -> Option<Actor> {
        self.0.dismissed_by.clone().map(|name| Actor {
            kind: self.0.dismissed_by_kind.unwrap_or(ActorKind::User),
            name,
        })
    }

    /// When it was first seen.
    async fn first_seen(&self) -> Instant {
        self.0.first_seen.into()
    }

    /// Name of the mutation that clears it.
    async fn fix(&self) -> Option<&str> {
        let key = self.0.key.as_str();
        let found = FIXES.iter().find(|(of, _)| *of == key);
        found.map(|(_, fix)| *fix)
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Problem, self.0.property_id, self.0.id)
    }

    /// What it is, for example integration.broken. The list is open; show the message.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// When it was last seen.
    async fn last_seen(&self) -> Instant {
        self.0.last_seen.into()
    }

    /// What it is, in one sentence for staff.
    async fn message(&self, ctx: &Context<'_>) -> Result<String> {
        let detail = self.0.detail.as_str();
        match self.0.key.as_str() {
            "integration.unreachable" => {
                let app = ctx.env()?.apps.name(detail);
                let again = match self.next_try(ctx).await? {
                    Some(at) => format!("Portal tries again at {}.", self.local(ctx, at).await?),
                    None => "Portal keeps trying.".to_owned(),
                };
                Ok(format!("{app} does not answer. {again}"))
            }
            "integration.catching_up_long" | "integration.token_unverified" => {
                Ok(sentence(&self.0.key, ctx.env()?.apps.name(detail)))
            }
            key => Ok(sentence(key, detail)),
        }
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// When it went away.
    async fn resolved_at(&self) -> Option<Instant> {
        self.0.resolved_at.map(Into::into)
    }

    /// The object it is about. Null when it is gone, is none of Portal's, or is not the caller's to
    /// see.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<Node>> {
        match self.0.subject_id {
            Some(id) => subject(ctx, self.0.property_id, self.0.subject_kind, id.0).await,
            None => Ok(None),
        }
    }
}

impl Problem {
    /// When an app that does not answer is asked again.
    async fn next_try(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        let Some(id) = self.0.subject_id else {
            return Ok(None);
        };
        let mut conn = read(ctx).await?;
        let row = breaker::of(&mut conn, IntegrationId(id.0)).await?;
        Ok(row.and_then(|row| row.closed_until).map(|until| *until))
    }

    /// A time as the clock of the house shows it.
    async fn local(&self, ctx: &Context<'_>, at: DateTime<Utc>) -> Result<String> {
        let property = load(ctx, self.0.property_id).await?;
        let name = property.and_then(|property| property.time_zone);
        let zone = local::zone(name.as_deref());
        Ok(at.with_timezone(&zone).format("%H:%M").to_string())
    }
}

fn sentence(key: &str, detail: &str) -> String {
    match key {
        "access.not_removed" => format!(
            "{detail} has not confirmed for over 15 minutes that a PIN is gone; it may still open. Check the lock."
        ),
        "device.unknown_code" => {
            "The lock holds a code under Portal's mark that Portal does not know. Take it off the lock.".to_owned()
        }
        "device_pin.drifts" => {
            "A PIN was changed on the lock again within a day. Find out who does it; Portal writes it again tomorrow.".to_owned()
        }
        "pin_push.drifts" => {
            "A PIN was changed in the PMS again within a day. Find out who does it; Portal stores it again tomorrow.".to_owned()
        }
        "decision.late" => {
            format!("Portal has not decided about reservation {detail} for over a minute.")
        }
        "reservation.unreadable" => format!(
            "A reservation could not be read at {detail} and was set aside. Ask the PMS's support."
        ),
        "integration.server_suspect" => format!(
            "{detail} refuses many properties at once, so this server's own credentials are suspect. The operator has to act; your token is kept."
        ),
        "integration.broken" => {
            format!("{detail} no longer accepts the token. Get a new one and paste it.")
        }
        "integration.catching_up_long" => {
            format!("Portal has been reading what changed in {detail} for over 15 minutes.")
        }
        "integration.may_not_store_pins" => {
            format!(
                "{detail} does not let Portal store PINs. Ask your {detail} admin for that right."
            )
        }
        "integration.half_gone" => format!(
            "More than half of the expected stays are missing in the PMS ({detail}). Nothing was canceled."
        ),
        "integration.token_unverified" => format!(
            "{detail} has not answered about the saved token for over 15 minutes. Portal keeps checking."
        ),
        "job.quarantined" => {
            let (kind, code) = detail.split_once(' ').unwrap_or((detail, ""));
            job::sentence(kind, code)
        }
        "keychain.not_ready" => not_ready(detail),
        "room.gone" => format!("Room {detail} is mapped and no longer in the PMS."),
        "device_pin.blocked" => format!("A lock refused a PIN for good: {detail}."),
        "pin_push.late" => format!(
            "The stay of reservation {detail} has begun and its PIN is not in the PMS yet. Portal keeps trying."
        ),
        "pin_push.refused" if detail.is_empty() => "The PMS declined a PIN.".to_owned(),
        "pin_push.refused" => format!("The PMS declined a PIN: {detail}"),
        "stay.access_kept" => {
            format!("A guest in the house keeps access that would not be given now: {detail}.")
        }
        "stay.door_left_out" => format!(
            "A door does not take the PIN of a guest in the house and does not open for the guest: {detail}. Give the guest another PIN."
        ),
        "stay.overdue" => format!(
            "The guest of reservation {detail} is in the house, and access ends within 30 minutes or has ended. Check the guest out in the PMS, or give the stay a later end there."
        ),
        "stay.overlap" => format!(
            "Two reservations have one room at the same time, and both guests get in: {detail}. Move one in the PMS, or put this aside if they share the room."
        ),
        _ => detail.to_owned(),
    }
}

fn not_ready(detail: &str) -> String {
    let (when, number) = detail.split_once(' ').unwrap_or(("", detail));
    let when = match when {
        "begun" => "the stay has begun",
        "1h" => "the guest arrives within an hour",
        "4h" => "the guest arrives within 4 hours",
        _ => "the guest arrives within 24 hours",
    };
    format!("The PIN of reservation {number} is not on the lock of the room, and {when}.")
}

/// Input of problemDismiss.
#[derive(InputObject)]
pub struct ProblemDismissInput {
    /// Problem to dismiss.
    problem: ID,
}

payload! {
    "problemDismiss", ProblemDismissPayload, ProblemDismissUserError, ProblemDismissErrorCode;
    /// The problem.
    problem: Problem,
    ;
    /// It has gone away by itself.
    AlreadyResolved,
    /// There is no such problem, or it is not the caller's to see.
    ProblemNotFound,
}

/// Mutations of problems.
#[derive(Default)]
pub struct ProblemMutation;

#[Object]
impl ProblemMutation {
    /// Puts a problem aside. It comes back when it happens anew, or locks a guest out.
    async fn problem_dismiss(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ProblemDismissInput,
    ) -> Result<Option<ProblemDismissPayload>> {
        use ProblemDismissErrorCode as Code;
        ctx.require_anywhere(Permission::Problems)?;
        let refused = |code, message: &str| {
            let field = Some("problem");
            Ok(Some(ProblemDismissPayload::refused(code, field, message)))
        };
        let no_problem = || refused(Code::ProblemNotFound, "There is no such problem.");
        let Some(target) = property::own_row(ctx, Kind::Problem, &input.problem)? else {
            return no_problem();
        };
        ctx.require(Permission::Problems, target.property)?;
        let (env, viewer) = (ctx.env()?, ctx.viewer()?);
        let (property, id, now) = (target.property, ProblemId(target.row), env.now());
        let mut conn = read(ctx).await?;
        let found = problem::by_ids(&mut conn, property, &[id]).await?.pop();
        drop(conn);
        let Some(found) = found.filter(|row| may_see(viewer, row)) else {
            return no_problem();
        };
        let actor = viewer.actor();
        let mut tx = env.db.begin_in(property).await?;
        let Some(row) = problem::dismiss(&mut tx, property, id, &actor, now).await? else {
            tx.rollback().await?;
            if found.resolved_at.is_none() {
                return Ok(Some(ProblemDismissPayload {
                    problem: Some(Problem(found)),
                    ..ProblemDismissPayload::default()
                }));
            }
            let message = "This problem has gone away by itself. There is nothing to do.";
            return refused(Code::AlreadyResolved, message);
        };
        let entry =
            NewEntry::new("problemDismiss", SubjectKind::Problem, id).before("key", &row.key);
        audit::write(&mut tx, property, &actor, now, entry).await?;
        let event = NewEvent::new(
            portal_domain::EventKind::ProblemDismissed,
            SubjectKind::Problem,
            id,
        )
        .with("key", &row.key);
        event::publish(&mut tx, property, &actor, now, vec![event]).await?;
        tx.commit().await?;
        Ok(Some(ProblemDismissPayload {
            problem: Some(Problem(row)),
            ..ProblemDismissPayload::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_sentence_and_a_mutation_that_exists() {
        let schema = crate::graphql::sdl();
        let mutations = schema
            .split("type Mutation {")
            .nth(1)
            .and_then(|rest| rest.split("\n}").next())
            .unwrap();
        for (key, fix) in FIXES {
            assert!(mutations.contains(&format!("\n\t{fix}(")), "{key}: {fix}");
            let told = sentence(key, "x");
            assert!(told != "x" || *key == "integration.unreachable", "{key}");
        }
    }
}
