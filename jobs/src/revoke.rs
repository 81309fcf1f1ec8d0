//! A person takes a keychain away, or gives it back.

use crate::change::By;
use crate::reconcile_access::{Reconciled, reconcile};
use crate::{Env, staff_access};
use portal_domain::{EventKind, KeychainId, PropertyId, SubjectKind};
use portal_store::audit::NewEntry;
use portal_store::event::NewEvent;
use portal_store::keychain::{self, Keychain};
use portal_store::reservation::{self, Reservation};
use portal_store::{DbError, Tx, property};

/// Why nothing was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such keychain here.
    NotFound,
    /// It is over already.
    Over,
    /// No revocation by staff holds.
    NotRevoked,
    /// Another change came in between; the same may be asked again.
    Busy,
}

/// Takes a keychain away: at once, and for whatever the PMS says later. Only [`reinstate`] undoes it.
/// `by` gives the reason staff read.
pub async fn revoke(
    env: &Env,
    property: PropertyId,
    id: KeychainId,
    by: &By<'_>,
) -> Result<Result<Keychain, Refused>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut row) = keychain::by_ids(&mut tx, property, &[id]).await?.pop() else {
        return Ok(Err(Refused::NotFound));
    };
    let Some(reservation) = row.reservation_id else {
        if row.status(now).is_over() {
            return Ok(Err(Refused::Over));
        }
        take(&mut tx, env, &mut row, by).await?;
        return by_hand(tx, env, row).await;
    };
    let Some(mut stay) = reservation::lock(&mut tx, property, reservation).await? else {
        return Ok(Err(Refused::NotFound));
    };
    // One that Portal itself revoked may come back by itself: that can be forbidden too.
    let by_portal = row.revoked_at.is_some() && stay.blocked_at.is_none();
    if row.status(now).is_over() && !by_portal {
        return Ok(Err(Refused::Over));
    }
    stay.blocked_at = Some(now.into());
    stay.blocked_by = Some(by.actor.name.clone());
    stay.blocked_reason = by.reason.map(str::to_owned);
    reservation::save(&mut tx, &stay).await?;
    take(&mut tx, env, &mut row, by).await?;
    decided(tx, env, row.id, &stay).await
}

/// Notes that a person took a keychain away.
async fn take(tx: &mut Tx, env: &Env, row: &mut Keychain, by: &By<'_>) -> Result<(), DbError> {
    let (property, now) = (row.property_id, env.now());
    row.revoke(by.actor, by.reason, now);
    keychain::save(tx, row).await?;
    let mut entry = NewEntry::new("keychainRevoke", SubjectKind::Keychain, row.id);
    let mut event = NewEvent::new(EventKind::KeychainRevoked, SubjectKind::Keychain, row.id);
    if let Some(reservation) = row.reservation_id {
        entry = entry.after("reservation", reservation);
        event = event.with("reservation", reservation);
    }
    by.note(tx, property, now, entry, [event]).await
}

/// A keychain made by hand follows no reservation: its locks do at once.
async fn by_hand(
    mut tx: Tx,
    env: &Env,
    row: Keychain,
) -> Result<Result<Keychain, Refused>, DbError> {
    staff_access::follow(&mut tx, &row, env.now()).await?;
    tx.commit().await?;
    Ok(Ok(row))
}

/// Undoes a revocation by staff and decides afresh.
pub async fn reinstate(
    env: &Env,
    property: PropertyId,
    id: KeychainId,
    by: &By<'_>,
) -> Result<Result<Keychain, Refused>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut row) = keychain::by_ids(&mut tx, property, &[id]).await?.pop() else {
        return Ok(Err(Refused::NotFound));
    };
    let Some(reservation) = row.reservation_id else {
        if row.revoked_at.is_none() || *row.ends_at <= now {
            return Ok(Err(Refused::NotRevoked));
        }
        let was = row.give_back().unwrap_or_default();
        row.generation += 1;
        keychain::save(&mut tx, &row).await?;
        let entry = NewEntry::new("keychainReinstate", SubjectKind::Keychain, id);
        let event = NewEvent::new(EventKind::KeychainReinstated, SubjectKind::Keychain, id);
        let entry = entry.before("reason", was);
        by.note(&mut tx, property, now, entry, [event]).await?;
        return by_hand(tx, env, row).await;
    };
    let Some(mut stay) = reservation::lock(&mut tx, property, reservation).await? else {
        return Ok(Err(Refused::NotFound));
    };
    if stay.blocked_at.is_none() {
        return Ok(Err(Refused::NotRevoked));
    }
    let entry = NewEntry::new("keychainReinstate", SubjectKind::Keychain, id)
        .before("reason", stay.blocked_reason.as_deref().unwrap_or_default())
        .after("reservation", stay.id);
    stay.blocked_at = None;
    stay.blocked_by = None;
    stay.blocked_reason = None;
    reservation::save(&mut tx, &stay).await?;
    by.note(&mut tx, property, now, entry, []).await?;
    decided(tx, env, id, &stay).await
}

/// Decides at once, so that the person sees what came of it.
async fn decided(
    mut tx: Tx,
    env: &Env,
    keychain: KeychainId,
    stay: &Reservation,
) -> Result<Result<Keychain, Refused>, DbError> {
    let Some(house) = property::by_id(&mut tx, stay.property_id).await? else {
        return Ok(Err(Refused::NotFound));
    };
    if reconcile(&mut tx, env, &house, stay.id).await? == Reconciled::CodeTaken {
        return Ok(Err(Refused::Busy));
    }
    let row = keychain::by_ids(&mut tx, stay.property_id, &[keychain])
        .await?
        .pop();
    tx.commit().await?;
    Ok(row.ok_or(Refused::NotFound))
}
