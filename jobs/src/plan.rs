//! Tells what a change would do to keychains, locks and the PMS, and does exactly that later.
//!
//! A plan is no estimate: the change is made and every decision that follows is carried out, in a
//! transaction that is then undone. Applying does the same once more and keeps it, if it still does
//! the same.

use crate::Env;
use crate::change::{By, Change};
use crate::reconcile_access::{Reconciled, reconcile};
use chrono::Duration;
use portal_domain::{
    EventKind, PinPushStatus, PlanId, PlanOperation, PropertyId, ReservationId, SpaceId,
    SubjectKind, Window,
};
use portal_store::event::{self, NewEvent};
use portal_store::keychain;
use portal_store::plan::{self, Plan};
use portal_store::{DbError, Tx, pin_push, property, reservation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a plan can be applied.
pub const VALID: Duration = Duration::minutes(10);
/// Most reservations a plan looks at: nobody writes in the house meanwhile.
pub const MOST: usize = 1_000;

/// One thing a change would do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// For which reservation.
    pub reservation: ReservationId,
    /// What.
    pub op: PlanOperation,
    /// At which door.
    pub space: Option<SpaceId>,
    /// Whether the guest is in the house.
    pub in_house: bool,
}

impl Operation {
    /// Whether it takes something from a guest in the house.
    pub fn takes_from_guest(&self) -> bool {
        let takes = matches!(
            self.op,
            PlanOperation::KeychainEnd | PlanOperation::DoorRemove | PlanOperation::PinRotate
        );
        self.in_house && takes
    }
}

/// Why there is no plan, or why it was not applied.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It concerns more reservations than a plan looks at.
    TooLarge(usize),
    /// There is no such plan.
    NotFound,
    /// It is too old.
    Expired,
    /// It was applied before.
    Applied,
    /// The change is not Portal's to make.
    NotOurs,
    /// It would do something else by now.
    Outdated,
    /// It takes access from so many guests in the house, and nobody agreed with a reason.
    InHouse(usize),
}

/// Lists what a change would do. Nothing of it stays but the list.
pub async fn create(
    env: &Env,
    property: PropertyId,
    change: &Change,
    by: &By<'_>,
) -> Result<Result<Plan, Refused>, DbError> {
    let mut tx = env.db.begin_in(property).await?;
    let operations = match carry_out(&mut tx, env, property, change, by).await? {
        Ok(operations) => operations,
        Err(why) => return Ok(Err(why)),
    };
    tx.rollback().await?;
    let now = env.now();
    let plan = Plan {
        id: PlanId::new(),
        property_id: property,
        change: json(change)?,
        operations: json(&operations)?,
        created_at: now.into(),
        created_by: by.actor.name.clone(),
        expires_at: (now + VALID).into(),
        applied_at: None,
    };
    let mut tx = env.db.begin_in(property).await?;
    plan::forget(&mut tx, property, now - Duration::days(1)).await?;
    plan::insert(&mut tx, &plan).await?;
    tx.commit().await?;
    Ok(Ok(plan))
}

/// Does what a plan lists, and nothing else.
pub async fn apply(
    env: &Env,
    property: PropertyId,
    id: PlanId,
    agreed: bool,
    by: &By<'_>,
) -> Result<Result<Plan, Refused>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut plan) = plan::by_ids(&mut tx, property, &[id]).await?.pop() else {
        return Ok(Err(Refused::NotFound));
    };
    if plan.applied_at.is_some() {
        return Ok(Err(Refused::Applied));
    }
    if *plan.expires_at <= now {
        return Ok(Err(Refused::Expired));
    }
    let (Some(change), Some(listed)) = (change(&plan), operations(&plan)) else {
        return Ok(Err(Refused::Outdated));
    };
    if !change.is_ours() {
        return Ok(Err(Refused::NotOurs));
    }
    let guests: BTreeSet<_> = listed
        .iter()
        .filter(|operation| operation.takes_from_guest())
        .map(|operation| operation.reservation)
        .collect();
    if !guests.is_empty() && (!agreed || by.reason.is_none()) {
        return Ok(Err(Refused::InHouse(guests.len())));
    }
    let operations = match carry_out(&mut tx, env, property, &change, by).await? {
        Ok(operations) => operations,
        Err(why) => return Ok(Err(why)),
    };
    if operations != listed {
        return Ok(Err(Refused::Outdated));
    }
    plan.applied_at = Some(now.into());
    plan::set_applied(&mut tx, property, id, now).await?;
    let event = NewEvent::new(EventKind::PlanApplied, SubjectKind::Property, property)
        .with("plan", id)
        .with("operations", operations.len());
    event::publish(&mut tx, property, by.actor, now, vec![event]).await?;
    tx.commit().await?;
    Ok(Ok(plan))
}

/// The change a plan is about. `None`: written by another version of Portal.
pub fn change(plan: &Plan) -> Option<Change> {
    serde_json::from_str(&plan.change).ok()
}

/// What a plan lists. `None`: written by another version of Portal.
pub fn operations(plan: &Plan) -> Option<Vec<Operation>> {
    serde_json::from_str(&plan.operations).ok()
}

fn json(value: &impl Serialize) -> Result<String, DbError> {
    let text = serde_json::to_string(value);
    Ok(text.map_err(|error| portal_store::QueryError::SerializationError(Box::new(error)))?)
}

/// Makes the change and carries every decision out, in the caller's transaction.
async fn carry_out(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    change: &Change,
    by: &By<'_>,
) -> Result<Result<Vec<Operation>, Refused>, DbError> {
    // Before anything is written, so that a big change is refused cheaply.
    let concerned = change.concerned(tx, property, env.now()).await?;
    if concerned.len() > MOST {
        return Ok(Err(Refused::TooLarge(concerned.len())));
    }
    let before = holds(tx, property, &concerned).await?;
    change.make(tx, env, property, by).await?;
    let Some(row) = property::by_id(tx, property).await? else {
        return Ok(Err(Refused::NotFound));
    };
    for &id in &concerned {
        if reconcile(tx, env, &row, id).await? == Reconciled::CodeTaken {
            return Ok(Err(Refused::Outdated));
        }
    }
    let after = holds(tx, property, &concerned).await?;
    let guests: BTreeSet<ReservationId> = reservation::by_ids(tx, property, &concerned)
        .await?
        .iter()
        .filter(|row| row.in_house())
        .map(|row| row.id)
        .collect();
    let mut operations = Vec::new();
    let nothing = Holds::default();
    for id in concerned {
        let was = before.get(&id).unwrap_or(&nothing);
        let is = after.get(&id).unwrap_or(&nothing);
        let operation = |op, space| Operation {
            reservation: id,
            op,
            space,
            in_house: guests.contains(&id),
        };
        operations.extend(differences(was, is).map(|(op, space)| operation(op, space)));
    }
    operations.sort_unstable();
    Ok(Ok(operations))
}

/// What a reservation holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Holds {
    keychain: Option<(portal_domain::PinId, Window)>,
    doors: BTreeSet<SpaceId>,
    copy: Option<(
        portal_domain::PinId,
        Option<portal_domain::RoomId>,
        Option<Window>,
    )>,
}

async fn holds(
    tx: &mut Tx,
    property: PropertyId,
    ids: &[ReservationId],
) -> Result<BTreeMap<ReservationId, Holds>, DbError> {
    let mut all: BTreeMap<ReservationId, Holds> = BTreeMap::new();
    let mut keychains = Vec::new();
    let mut pushes = Vec::new();
    // A statement takes so many values only.
    for ids in ids.chunks(500) {
        keychains.extend(keychain::current(tx, property, ids).await?);
        pushes.extend(pin_push::of_reservations(tx, property, ids).await?);
    }
    let live: Vec<_> = keychains
        .iter()
        .filter(|keychain| keychain.revoked_at.is_none())
        .collect();
    let keys: Vec<_> = live.iter().map(|keychain| keychain.id).collect();
    let mut doors = Vec::new();
    for keys in keys.chunks(500) {
        doors.extend(keychain::doors(tx, property, keys).await?);
    }
    for keychain in live {
        let Some(reservation) = keychain.reservation_id else {
            continue;
        };
        let entry = all.entry(reservation).or_default();
        entry.keychain = Some((keychain.pin_id, keychain.window()));
        let here = doors.iter().filter(|door| door.keychain_id == keychain.id);
        entry.doors = here.map(|door| door.space_id).collect();
    }
    for push in pushes {
        if matches!(
            push.status,
            PinPushStatus::Removing | PinPushStatus::Removed
        ) {
            continue;
        }
        let entry = all.entry(push.reservation_id).or_default();
        entry.copy = Some((push.pin_id, push.desired_room_id, push.desired()));
    }
    Ok(all)
}

fn differences(
    was: &Holds,
    is: &Holds,
) -> impl Iterator<Item = (PlanOperation, Option<SpaceId>)> + use<> {
    use PlanOperation as Op;
    let keychain = match (&was.keychain, &is.keychain) {
        (None, Some(_)) => vec![Op::KeychainCreate],
        (Some(_), None) => vec![Op::KeychainEnd],
        (Some((pin, window)), Some((new_pin, new_window))) => {
            let mut ops = Vec::new();
            if pin != new_pin {
                ops.push(Op::PinRotate);
            }
            if window != new_window {
                ops.push(Op::WindowChange);
            }
            ops
        }
        (None, None) => Vec::new(),
    };
    let copy = match (&was.copy, &is.copy) {
        (None, Some(_)) => Some(Op::PinStore),
        (Some(_), None) => Some(Op::PinDelete),
        (Some(was), Some(is)) if was != is => Some(Op::PinStore),
        _ => None,
    };
    let added = is.doors.difference(&was.doors).copied();
    let removed = was.doors.difference(&is.doors).copied();
    let doors: Vec<_> = added
        .map(|space| (Op::DoorAdd, Some(space)))
        .chain(removed.map(|space| (Op::DoorRemove, Some(space))))
        .collect();
    keychain
        .into_iter()
        .chain(copy)
        .map(|op| (op, None))
        .chain(doors)
}
