//! What apps deliver to Portal's own address: noted, and somebody is sent to look.

use crate::job::{enqueue, enqueue_at};
use crate::{Env, SyncReservations, SyncRooms, validate_integration};
use chrono::Duration;
use portal_domain::{IntegrationStatus, ValidationTrigger};
use portal_interface::{Hint, Look, VendorId};
use portal_store::integration::{Addressee, Integration};
use portal_store::{DbError, Tx, hint, integration, rate};

/// Reservations that wait to be looked at one by one. More than these are found faster by reading
/// what changed.
pub(crate) const MOST: i64 = 200;
/// Time between two reads of all rooms that were hinted at: some houses change a room with every
/// cleaning.
const ROOMS_EVERY: Duration = Duration::minutes(1);

/// Notes what a delivery hints at and enqueues who looks. No vendor is called. Says how many hints
/// were for nobody here.
pub async fn take(env: &Env, app: &str, hints: &[Hint]) -> Result<usize, DbError> {
    let mut unknown = 0;
    let mut found = Vec::new();
    // Found before any transaction, so that a delivery for nobody does not wait for the writer.
    let mut conn = env.db.read().await?;
    for hint in hints {
        let to = match (&hint.account, &hint.connection) {
            (Some(account), _) => Addressee::Account(account.as_str()),
            (None, Some(connection)) => Addressee::Connection(connection.as_str()),
            (None, None) => continue,
        };
        let links = integration::addressed(&mut conn, app, to).await?;
        unknown += usize::from(links.is_empty());
        found.extend(links.into_iter().map(|link| (hint, link)));
    }
    drop(conn);
    if found.is_empty() {
        return Ok(unknown);
    }
    found.sort_by_key(|(_, link)| link.property_id);
    for house in found.chunk_by(|(_, a), (_, b)| a.property_id == b.property_id) {
        let mut tx = env.db.begin_in(house[0].1.property_id).await?;
        for (hint, link) in house {
            note(&mut tx, env, hint, link).await?;
        }
        tx.commit().await?;
    }
    Ok(unknown)
}

async fn note(tx: &mut Tx, env: &Env, hint: &Hint, link: &Integration) -> Result<(), DbError> {
    learn(tx, hint, link).await?;
    match &hint.look {
        Look::Credentials => {
            let trigger = ValidationTrigger::Hint;
            validate_integration::ask(tx, env, link.property_id, link.id, trigger).await
        }
        Look::Reservations(ids) => reservations(tx, env, link, ids).await,
        Look::Rooms => rooms(tx, env, link).await,
    }
}

/// Keeps the app's identifier of our connection, told beside the account's: some messages name
/// nothing else. A wrong one costs a look too many.
async fn learn(tx: &mut Tx, hint: &Hint, link: &Integration) -> Result<(), DbError> {
    if let (Some(_), Some(connection)) = (&hint.account, &hint.connection)
        && link.connection_key.as_deref() != Some(connection.as_str())
    {
        let connection = connection.as_str();
        integration::learn_connection(tx, link.property_id, link.id, connection).await?;
    }
    Ok(())
}

async fn reservations(
    tx: &mut Tx,
    env: &Env,
    link: &Integration,
    ids: &[VendorId],
) -> Result<(), DbError> {
    let (property, id) = (link.property_id, link.id);
    // A Broken link is read from where it stopped when it comes back: nothing needs to be kept.
    let link = integration::lock(tx, property, id).await?;
    if link.is_none_or(|link| link.status != IntegrationStatus::Connected) {
        return Ok(());
    }
    // One more than are looked at one by one is enough to know that all changes must be read.
    let room = MOST + 1 - hint::count(tx, property, id).await?;
    let room = usize::try_from(room).unwrap_or(0).min(ids.len());
    let told: Vec<&str> = ids[..room].iter().map(VendorId::as_str).collect();
    hint::note(tx, property, id, &told, env.now()).await?;
    let job = SyncReservations {
        property,
        integration: id,
    };
    Ok(enqueue(tx, env.now(), &job).await?)
}

async fn rooms(tx: &mut Tx, env: &Env, link: &Integration) -> Result<(), DbError> {
    if link.status != IntegrationStatus::Connected {
        return Ok(());
    }
    let now = env.now();
    let key = format!("rooms:{}", link.id);
    let at = if rate::take(tx, &key, now, ROOMS_EVERY, 1).await? {
        now
    } else {
        rate::next_at(tx, &key).await?.unwrap_or(now)
    };
    let job = SyncRooms {
        property: link.property_id,
        integration: link.id,
    };
    Ok(enqueue_at(tx, now, &job, at).await?)
}
