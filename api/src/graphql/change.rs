//! What mutations share that change the access of many: consent where guests in the house lose it,
//! and the decisions that follow.

use super::{Reach, Result};
use async_graphql::Context;
use portal_domain::PropertyId;
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
pub(crate) fn consent(guests: usize, agreed: Option<bool>, reason: Option<&str>) -> Consent {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match (guests, agreed, reason) {
        (0, _, _) | (_, Some(true), Some(_)) => Consent::Given,
        (_, Some(true), None) => Consent::ReasonMissing,
        (n, _, _) => Consent::Asked(format!(
            "{n} guests in the house use this. Confirm with a reason to go on."
        )),
    }
}

/// Makes a change, and lets the decisions about whom it concerns follow.
pub(crate) async fn make(
    ctx: &Context<'_>,
    tx: Tx,
    property: PropertyId,
    change: &Change,
    reason: Option<&str>,
) -> Result<()> {
    make_if(ctx, tx, property, change, Some(true), reason, false).await?;
    Ok(())
}

/// The same for one that adds a door and may take others from guests in the house, whose keys lead
/// elsewhere by it: made only where nobody loses one, or the person has agreed.
pub(crate) async fn make_agreed(
    ctx: &Context<'_>,
    tx: Tx,
    property: PropertyId,
    change: &Change,
    agreed: Option<bool>,
    reason: Option<&str>,
) -> Result<Consent> {
    make_if(ctx, tx, property, change, agreed, reason, true).await
}

async fn make_if(
    ctx: &Context<'_>,
    mut tx: Tx,
    property: PropertyId,
    change: &Change,
    agreed: Option<bool>,
    reason: Option<&str>,
    asks: bool,
) -> Result<Consent> {
    let (env, viewer) = (ctx.env()?, ctx.viewer()?);
    let actor = viewer.actor();
    let by = By {
        actor: &actor,
        user: viewer.user().ok(),
        reason,
    };
    let concerned = change.concerned(&mut tx, property, env.now()).await?;
    change.make(&mut tx, env, property, &by).await?;
    if asks {
        let guests = change
            .loses(&mut tx, property, &concerned, env.now())
            .await?;
        let consent = consent(guests, agreed, reason);
        if !matches!(consent, Consent::Given) {
            tx.rollback().await?;
            return Ok(consent);
        }
    }
    trigger::reservations(&mut tx, env, property, &concerned).await?;
    tx.commit().await?;
    Ok(Consent::Given)
}
