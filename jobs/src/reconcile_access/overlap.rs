//! Two stays in one room at once: both get in, as locking out a booked guest is worse, and a person
//! should know.

use chrono::{DateTime, Utc};
use portal_domain::{PropertyId, ReservationId, ReservationTransfer, SubjectKind};
use portal_store::event::NewEvent;
use portal_store::problem::{self, NewProblem};
use portal_store::reservation::{self, Filter, Reservation};
use portal_store::{DbError, Tx};

/// Problem: two stays have one room at the same time. It is about the later one.
const OVERLAP: &str = "stay.overlap";
/// Stays looked at beside one: nobody puts more into a room at once.
const MOST: i64 = 20;

/// Raises the problem about a stay that was just decided, and about later ones in its room; resolves
/// those whose stays share a room no more.
pub(super) async fn look(
    tx: &mut Tx,
    stay: &Reservation,
    room: &str,
    now: DateTime<Utc>,
) -> Result<Vec<NewEvent>, DbError> {
    let property = stay.property_id;
    let known = problem::open_about(tx, property, OVERLAP).await?;
    let beside = beside(tx, stay, now).await?;
    let mut events = Vec::new();
    let (earlier, later): (Vec<&Reservation>, Vec<&Reservation>) =
        beside.iter().partition(|other| comes_before(other, stay));
    let pairs = earlier.iter().map(|other| (*other, stay));
    let pairs = pairs.chain(later.iter().map(|other| (stay, *other)));
    for (first, second) in pairs {
        if known.contains(&second.id) {
            continue;
        }
        let new = NewProblem {
            key: OVERLAP,
            subject_kind: SubjectKind::Reservation,
            subject: &second.id.to_string(),
            detail: &format!("{} and {} in {room}", first.number, second.number),
            critical: true,
        };
        events.extend(problem::raise(tx, property, &new, now).await?);
    }
    for id in known {
        let is_later = later.iter().any(|other| other.id == id);
        if is_later || (id == stay.id && !earlier.is_empty()) {
            continue;
        }
        if !still(tx, property, id, now).await? {
            let gone = problem::resolve(tx, property, OVERLAP, &id.to_string(), now).await?;
            events.extend(gone);
        }
    }
    Ok(events)
}

/// Whether a stay still shares its room with one that began before it.
async fn still(
    tx: &mut Tx,
    property: PropertyId,
    id: ReservationId,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let Some(stay) = reservation::by_id(tx, property, id).await? else {
        return Ok(false);
    };
    let beside = beside(tx, &stay, now).await?;
    Ok(beside.iter().any(|other| comes_before(other, &stay)))
}

/// The stays of others that get into the same room at some time of this one, if it gets in.
async fn beside(
    tx: &mut Tx,
    stay: &Reservation,
    now: DateTime<Utc>,
) -> Result<Vec<Reservation>, DbError> {
    if stay.transfer != ReservationTransfer::Transferred || stay.room_id.is_none() {
        return Ok(Vec::new());
    }
    let filter = Filter {
        transfer: vec![ReservationTransfer::Transferred],
        room: stay.room_id,
        from: Some(now.max(*stay.starts_at)),
        to: Some(*stay.ends_at),
        ..Filter::default()
    };
    let mut found = reservation::first(tx, stay.property_id, &filter, MOST).await?;
    // The two stays of one guest let no stranger in.
    found.retain(|other| {
        let same_guest = stay.guest_key.is_some() && other.guest_key == stay.guest_key;
        other.id != stay.id && !same_guest
    });
    Ok(found)
}

fn comes_before(one: &Reservation, other: &Reservation) -> bool {
    (one.starts_at, one.id) < (other.starts_at, other.id)
}
