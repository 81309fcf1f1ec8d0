//! What mutations share that change the access of many: consent where guests in the house lose it,
//! and the decisions that follow.

use super::{Reach, Result};
use async_graphql::Context;
use portal_domain::{PropertyId, ReservationId};
use portal_jobs::change::{By, Change};
use portal_jobs::trigger;
use portal_store::Tx;

/// Whether a change that concerns guests in the house may go on.
pub(crate) enum Consent {
    /// Nobody is concerned, or the person has agreed and said why.
    Given,
    /// The person has to agree first.
    Asked(String),
    /// The person has agreed and not said why.
    ReasonMissing,
}

/// Judges whether a change that concerns so many guests in the house may go on.
fn consent(guests: usize, agreed: Option<bool>, reason: Option<&str>) -> Consent {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match (guests, agreed, reason) {
        (0, _, _) | (_, Some(true), Some(_)) => Consent::Given,
        (_, Some(true), None) => Consent::ReasonMissing,
        (n, _, _) => Consent::Asked(format!(
            "{n} guests in the house use this. Confirm with a reason to go on."
        )),
    }
}

/// Makes a change that takes nothing from anybody, and lets the decisions about whom it concerns follow.
pub(crate) async fn make(
    ctx: &Context<'_>,
    mut tx: Tx,
    property: PropertyId,
    change: &Change,
) -> Result<()> {
    let concerned = write(ctx, &mut tx, property, change, None).await?;
    follow(ctx, tx, property, &concerned).await
}

/// The same for one by which guests in the house may lose a door: made only where nobody does, or the
/// person has agreed and said why.
pub(crate) async fn make_agreed(
    ctx: &Context<'_>,
    mut tx: Tx,
    property: PropertyId,
    change: &Change,
    agreed: Option<bool>,
    reason: Option<&str>,
) -> Result<Consent> {
    let now = ctx.env()?.now();
    let guests = change.guests(&mut tx, property, now).await?.len();
    let mut answer = consent(guests, agreed, reason);
    if matches!(answer, Consent::Given) {
        let concerned = write(ctx, &mut tx, property, change, reason).await?;
        // Where a nearer door became the main one, that shows only now.
        let guests = change.loses(&mut tx, property, &concerned, now).await?;
        answer = consent(guests, agreed, reason);
        if matches!(answer, Consent::Given) {
            follow(ctx, tx, property, &concerned).await?;
            return Ok(answer);
        }
    }
    tx.rollback().await?;
    Ok(answer)
}

/// Stores, logs and audits a change, in the caller's transaction. Gives whom it concerns.
async fn write(
    ctx: &Context<'_>,
    tx: &mut Tx,
    property: PropertyId,
    change: &Change,
    reason: Option<&str>,
) -> Result<Vec<ReservationId>> {
    let (env, viewer) = (ctx.env()?, ctx.viewer()?);
    let actor = viewer.actor();
    let by = By {
        actor: &actor,
        user: viewer.user().ok(),
        reason,
    };
    let concerned = change.concerned(tx, property, env.now()).await?;
    change.make(tx, env, property, &by).await?;
    Ok(concerned)
}

async fn follow(
    ctx: &Context<'_>,
    mut tx: Tx,
    property: PropertyId,
    concerned: &[ReservationId],
) -> Result<()> {
    trigger::reservations(&mut tx, ctx.env()?, property, concerned).await?;
    tx.commit().await?;
    Ok(())
}
