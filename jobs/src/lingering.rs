//! Codes that will not go from a lock stay nobody else's for as long as that takes.
//!
//! A PIN is its guest's for a day after the stay. While a lock has not forgotten it, the time grows
//! by a day at a time; a guest to come who was given the same digits for then gets others. Nobody in
//! the house and nobody of the staff does: they know theirs by heart.

use crate::Env;
use crate::change::By;
use crate::rotate::rotate;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{KeychainId, PinId, PropertyId};
use portal_store::event::Actor;
use portal_store::keychain::{self, Keychain};
use portal_store::{DbError, device_pin, pin, reservation};

/// How long before the time is over it grows.
const SOON: Duration = Duration::hours(12);
/// By how much.
const STEP: Duration = Duration::hours(24);

/// Looks after the codes that are about to become free while a lock still has them.
pub(crate) async fn look(env: &Env) -> Result<(), DbError> {
    let now = env.now();
    let mut conn = env.db.read().await?;
    let lingering = pin::running_out(&mut conn, now + SOON).await?;
    drop(conn);
    for (property, pin) in lingering {
        extend(env, property, pin, now + STEP).await?;
    }
    Ok(())
}

async fn extend(
    env: &Env,
    property: PropertyId,
    id: PinId,
    until: DateTime<Utc>,
) -> Result<(), DbError> {
    let mut conn = env.db.read().await?;
    let alike = pin::alike(&mut conn, property, id, until).await?;
    let lingering = device_pin::lingering(&mut conn, property).await?;
    if alike.iter().any(|other| lingering.contains(other)) {
        // The same digits stick to a lock twice: while one has its time the other needs none.
        return Ok(());
    }
    let mut holders = keychain::of_pins(&mut conn, property, &alike).await?;
    holders.retain(|holder| holder.superseded_by.is_none() && !holder.status(env.now()).is_over());
    let stays: Vec<_> = holders.iter().filter_map(|k| k.reservation_id).collect();
    let stays = reservation::by_ids(&mut conn, property, &stays).await?;
    drop(conn);
    let to_come = |holder: &Keychain| {
        let stay = holder.reservation_id;
        let mut stays = stays.iter().filter(|row| Some(row.id) == stay);
        *holder.starts_at > env.now() && stays.any(|row| !row.in_house())
    };
    if !holders.iter().all(to_come) {
        return Ok(());
    }
    for holder in holders {
        if !gives_up(env, property, holder.id).await? {
            return Ok(());
        }
    }
    let mut tx = env.db.begin_in(property).await?;
    pin::release(&mut tx, property, &alike).await?;
    if pin::extend(&mut tx, property, id, until).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// Gives a guest to come another PIN. `false`: there is none now, and the next look tries again.
async fn gives_up(env: &Env, property: PropertyId, holder: KeychainId) -> Result<bool, DbError> {
    let actor = Actor::system();
    let reason = "A lock has not forgotten the same digits of a guest who has left.";
    let by = By::of(&actor).because(Some(reason));
    let rotated = rotate(env, property, holder, None, false, &by).await?;
    Ok(rotated.is_ok())
}
