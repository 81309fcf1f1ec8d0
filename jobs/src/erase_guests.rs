//! Erases the guests of stays that are long over. What is erased, and what is not, stands at
//! [`portal_store::erasure`].

use crate::Env;
use crate::change::By;
use crate::job::{Job, JobError};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    ActorKind, DevicePinStatus, EventKind, PinId, PropertyId, ReservationId, ReservationTransfer,
    SubjectKind,
};
use portal_store::audit::NewEntry;
use portal_store::device_pin::DevicePin;
use portal_store::event::{self, Actor, NewEvent};
use portal_store::reservation::{self, Reservation};
use portal_store::{DbError, Tx, device_pin, erasure, keychain, pin, pin_push, property};
use serde::{Deserialize, Serialize};

/// How often a property is looked at.
const EVERY: Duration = Duration::hours(1);
/// Rows of one kind erased in one transaction: nobody waits long for the house.
const BATCH: i64 = 200;
/// Transactions of one run. What is left comes with the next, and others have their turn.
const BATCHES: usize = 50;

/// Erases at one property what is due: the names and PINs of stays that have been over for as many
/// days as the property keeps them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EraseGuests {
    /// Where.
    pub property: PropertyId,
}

impl Job for EraseGuests {
    const KIND: &'static str = "erase-guests";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);
    const CONCURRENCY: usize = 1;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.property.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        for _ in 0..BATCHES {
            if !self.batch(env).await? {
                break;
            }
        }
        Ok(())
    }
}

impl EraseGuests {
    /// Erases as much as one transaction may. Says whether there is more; until there is not, the
    /// property stays due.
    async fn batch(&self, env: &Env) -> Result<bool, DbError> {
        let (property, now) = (self.property, env.now());
        let mut tx = env.db.begin_in(property).await?;
        let Some(house) = property::by_id(&mut tx, property).await? else {
            return Ok(false);
        };
        let before = erasure::before(now, house.retention_days);
        let stays = erasure::reservations_due(&mut tx, property, before, BATCH).await?;
        let pins = erasure::pins_due(&mut tx, property, before, BATCH).await?;
        let by_hand = erasure::keychains_due(&mut tx, property, before, BATCH).await?;
        let most = stays.len().max(pins.len()).max(by_hand.len());
        let more = i64::try_from(most).unwrap_or(i64::MAX) >= BATCH;
        erase(&mut tx, property, &stays, &pins).await?;
        if !by_hand.is_empty() {
            erasure::keychains(&mut tx, property, &by_hand).await?;
        }
        let events = stays.iter().map(|stay| erased(*stay)).collect();
        let clock = Actor::named(ActorKind::Clock, "Clock");
        event::publish(&mut tx, property, &clock, now, events).await?;
        if !more {
            erasure::look_again(&mut tx, property, env.about(EVERY)).await?;
        }
        tx.commit().await?;
        Ok(more)
    }
}

async fn erase(
    tx: &mut Tx,
    property: PropertyId,
    stays: &[ReservationId],
    pins: &[PinId],
) -> Result<(), DbError> {
    if !stays.is_empty() {
        erasure::reservations(tx, property, stays).await?;
    }
    if !pins.is_empty() {
        erasure::pins(tx, property, pins).await?;
    }
    Ok(())
}

fn erased(stay: ReservationId) -> NewEvent {
    NewEvent::new(EventKind::ReservationErased, SubjectKind::Reservation, stay)
}

/// Why nothing was erased.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such reservation here.
    NotFound,
    /// The stay is not over.
    NotOver,
    /// A lock has not confirmed that it forgot the PIN.
    OnLock,
}

/// Erases the guest of one stay that is over, whenever it was. Where the PIN is that of another stay
/// too, of the same guest, it goes with that one. One that is erased already stays as it is.
pub async fn erase_one(
    env: &Env,
    property: PropertyId,
    id: ReservationId,
    by: &By<'_>,
) -> Result<Result<Reservation, Refused>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut stay) = reservation::lock(&mut tx, property, id).await? else {
        return Ok(Err(Refused::NotFound));
    };
    if stay.is_erased() {
        return Ok(Ok(stay));
    }
    if !may_go(&stay, now) {
        return Ok(Err(Refused::NotOver));
    }
    let keychains = keychain::ever_of(&mut tx, property, id).await?;
    let pushes = pin_push::of_reservations(&mut tx, property, &[id]).await?;
    let wanted = pushes.iter().any(|push| push.desired().is_some());
    if wanted || keychains.iter().any(|row| !row.status(now).is_over()) {
        return Ok(Err(Refused::NotOver));
    }
    let mut pins = pin::of_reservation(&mut tx, property, id).await?;
    pins.extend(keychains.iter().map(|row| row.pin_id));
    pins.sort_unstable();
    pins.dedup();
    let rows = device_pin::of_pins(&mut tx, property, &pins).await?;
    if !rows.iter().all(is_gone) {
        return Ok(Err(Refused::OnLock));
    }
    let others = of_others(&mut tx, property, id, &pins).await?;
    pins.retain(|pin| !others.contains(pin));
    erase(&mut tx, property, &[id], &pins).await?;
    let entry = NewEntry::new("reservationErase", SubjectKind::Reservation, id);
    let entry = entry.after("guest", "erased");
    by.note(&mut tx, property, now, entry, [erased(id)]).await?;
    tx.commit().await?;
    stay.erase_guest();
    Ok(Ok(stay))
}

/// Whether a stay is over as far as the PMS and the last decision go. A guest who is said to be in the
/// house is, however late.
fn may_go(stay: &Reservation, now: DateTime<Utc>) -> bool {
    let ended = stay.transfer == ReservationTransfer::Ended && !stay.deciding();
    !stay.in_house() && (ended || *stay.ends_at <= now)
}

fn is_gone(row: &DevicePin) -> bool {
    row.status == DevicePinStatus::Removed && row.done_generation >= row.generation
}

/// Those of these PINs that other stays, not erased yet, have or had as well.
async fn of_others(
    tx: &mut Tx,
    property: PropertyId,
    id: ReservationId,
    pins: &[PinId],
) -> Result<Vec<PinId>, DbError> {
    let mut uses = pin::reservations(tx, property, pins).await?;
    for row in keychain::of_pins(tx, property, pins).await? {
        uses.extend(row.reservation_id.map(|stay| (row.pin_id, stay)));
    }
    uses.retain(|(_, stay)| *stay != id);
    let ids: Vec<_> = uses.iter().map(|(_, stay)| *stay).collect();
    let mut stays = reservation::by_ids(tx, property, &ids).await?;
    stays.retain(|stay| !stay.is_erased());
    uses.retain(|(_, of)| stays.iter().any(|stay| stay.id == *of));
    Ok(uses.into_iter().map(|(pin, _)| pin).collect())
}
