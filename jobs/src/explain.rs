//! Why a reservation has access, or why not: gathers what the gates are explained by.

use crate::reconcile_access::facts;
use crate::{Env, account, integration as links};
use chrono::{DateTime, Utc};
use portal_domain::access::{
    self, Assumption, CopyProgress, DoorProgress, Explained, Facts, Gate, Outcome, Outlook,
    Progress, RoomFacts, SpaceFacts, Verdict, Words,
};
use portal_domain::{
    CredentialState, IntegrationStatus, PinPushStatus, PropertyId, ReservationTransfer, RoomId,
    SpaceId, WithheldCode, local,
};
use portal_store::decision::{self, Decision};
use portal_store::integration::Integration;
use portal_store::keychain::{Keychain, KeychainDoor};
use portal_store::property::Property;
use portal_store::reservation::Reservation;
use portal_store::{
    Conn, DbError, device, device_pin, integration, keychain, pin_push, reservation, room, space,
};

/// Decisions looked back at to tell since when a gate holds.
const LOOK_BACK: i64 = 50;

/// Why a reservation has access, or why not.
#[derive(Debug)]
pub struct Explanation {
    /// The moment it is about.
    pub at: DateTime<Utc>,
    /// Whether that is in the past.
    pub past: bool,
    /// The reservation as it is now.
    pub reservation: Reservation,
    /// The keychain that is there.
    pub keychain: Option<Keychain>,
    /// Whether it has, or had, access.
    pub transfer: ReservationTransfer,
    /// The reason in short.
    pub headline: Option<Headline>,
    /// Every gate in order, and since when it has been so.
    pub gates: Vec<(Explained, Option<DateTime<Utc>>)>,
    /// What would follow from other facts.
    pub counterfactuals: Vec<Counterfactual>,
    /// The revision of the reservation the decision rests on.
    pub revision: i32,
    /// The version of the policy.
    pub policy_version: i32,
    /// Whether it was made by the rules of this version of Portal.
    pub same_rules: bool,
}

/// The reason in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// The reason.
    pub code: WithheldCode,
    /// In one sentence for staff.
    pub message: String,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
}

/// What would follow from other facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterfactual {
    /// What was pretended, for people.
    pub assume: String,
    /// What would be decided.
    pub outlook: Outlook,
    /// How soon.
    pub within: Option<chrono::Duration>,
}

/// A fact to pretend, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pretend {
    /// One that needs nothing else.
    Fact(Assumption),
    /// This room is assigned.
    Room(RoomId),
    /// The assigned room is mapped to this space.
    Space(SpaceId),
}

/// Explains a decision of now, or of a moment before. `None`: nothing was decided by then. A fixed
/// number of statements, whatever the house holds.
pub async fn explain(
    conn: &mut Conn,
    env: &Env,
    property: &Property,
    row: Reservation,
    at: Option<DateTime<Utc>>,
    pretend: &[Pretend],
) -> Result<Option<Explanation>, DbError> {
    let now = env.now();
    let past = at.is_some_and(|at| at < now);
    let at = at.filter(|_| past).unwrap_or(now);
    let decisions = decision::until(conn, property.id, row.id, at, LOOK_BACK).await?;
    let link = integration::by_id(conn, property.id, row.integration_id).await?;
    let last = decisions.first();
    let facts = match (past, last) {
        (false, _) => facts(conn, property, &row).await?,
        (true, Some(last)) => match last.facts() {
            Some(facts) => facts,
            None => return Ok(None),
        },
        (true, None) => return Ok(None),
    };
    let keychain = keychain::current(conn, property.id, &[row.id]).await?.pop();
    let live = keychain.filter(|keychain| !keychain.status(at).is_over());
    let stood = match (past, &live) {
        (false, Some(keychain)) => Some(progress(conn, property.id, &row, keychain).await?),
        _ => None,
    };
    let zone = local::zone(property.time_zone.as_deref());
    let time = |at: DateTime<Utc>| local::written(zone, at);
    let (transfer, code, detail) = match (past, last) {
        (true, Some(last)) => (last.transfer, last.code, last.detail.clone()),
        _ => (row.transfer, row.withheld_code, row.withheld_detail.clone()),
    };
    let app = link
        .as_ref()
        .map_or("The app", |link| env.apps.name(&link.app));
    let no_pin = (code == Some(WithheldCode::PinUnavailable))
        .then(|| detail.clone())
        .flatten();
    let words = Words {
        app,
        read_at: link
            .as_ref()
            .and_then(|link| link.last_synced_at)
            .map(|at| *at),
        raw_state: &row.raw_state,
        revision: last
            .filter(|_| past)
            .map_or(row.revision, |last| last.revision),
        blocked_by: row.blocked_by.as_deref(),
        blocked_reason: row.blocked_reason.as_deref(),
        no_pin: no_pin.as_deref(),
        has_pin: if past {
            transfer == ReservationTransfer::Transferred
        } else {
            live.is_some()
        },
        time: &time,
    };
    let was_granted = past && transfer == ReservationTransfer::Transferred;
    let gates = judged(&facts, stood.as_ref(), &words, &decisions, at, was_granted);
    let since = |code| {
        let stored = row.withheld_since.filter(|_| !past).map(|at| *at);
        let gate = gates.iter().find(|(gate, _)| gate.code == Some(code));
        stored.or(gate.and_then(|(_, since)| *since))
    };
    let horizon = facts.policy.horizon_days;
    let headline = code.map(|code| Headline {
        code,
        message: code.sentence(detail.as_deref().unwrap_or_default(), horizon, &words),
        since: since(code),
    });
    let counterfactuals = match pretend {
        [] => alone(&facts, &gates, &time, at),
        pretend => {
            let assume = read_all(conn, property.id, pretend).await?;
            vec![together(&facts, &assume, &time, at)]
        }
    };
    Ok(Some(Explanation {
        at,
        past,
        transfer,
        headline,
        counterfactuals,
        revision: words.revision,
        policy_version: last
            .filter(|_| past)
            .map_or(property.policy_version, |last| last.policy_version),
        same_rules: last.is_none_or(|last| !past || last.rules == access::RULES),
        gates,
        keychain: live.filter(|_| !past),
        reservation: row,
    }))
}

/// Every gate, with since when it has been so.
fn judged(
    facts: &Facts,
    stood: Option<&Progress>,
    words: &Words<'_>,
    decisions: &[Decision],
    at: DateTime<Utc>,
    was_granted: bool,
) -> Vec<(Explained, Option<DateTime<Utc>>)> {
    let mut behind = access::progress(stood, words, at);
    if was_granted {
        let elsewhere = "How the locks stood then is in the log of the property.";
        for gate in &mut behind {
            elsewhere.clone_into(&mut gate.evidence);
        }
    }
    let gates = access::explain(facts, words, at).into_iter().chain(behind);
    gates
        .map(|gate| {
            let since = since(&gate, decisions, facts, at);
            (gate, since)
        })
        .collect()
}

/// Since when a gate has withheld for the same reason, as far as decisions tell.
fn since(
    gate: &Explained,
    decisions: &[Decision],
    facts: &Facts,
    at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let code = gate.code?;
    if code == WithheldCode::PinUnavailable {
        let same = decisions
            .iter()
            .take_while(|decision| decision.code == Some(code));
        return same.last().map(|decision| *decision.at);
    }
    let holds = |facts: &Facts, at| match access::judge(facts, gate.gate, at) {
        Outcome::Withheld(why) => why.code == code,
        Outcome::Passed | Outcome::NotReached => false,
    };
    let mut since = holds(facts, at).then_some(None)?;
    for decision in decisions {
        match decision.facts() {
            Some(facts) if holds(&facts, *decision.at) => since = Some(*decision.at),
            _ => break,
        }
    }
    since
}

/// Each gate on hold cleared alone.
fn alone(
    facts: &Facts,
    gates: &[(Explained, Option<DateTime<Utc>>)],
    time: &(dyn Fn(DateTime<Utc>) -> String + Sync),
    at: DateTime<Utc>,
) -> Vec<Counterfactual> {
    gates
        .iter()
        .filter(|(gate, _)| gate.verdict == Verdict::Hold && Gate::DECIDING.contains(&gate.gate))
        .filter_map(|(gate, _)| Assumption::clearing(gate.gate, facts))
        .map(|assumption| together(facts, &[assumption], time, at))
        .collect()
}

fn together(
    facts: &Facts,
    assume: &[Assumption],
    time: &(dyn Fn(DateTime<Utc>) -> String + Sync),
    at: DateTime<Utc>,
) -> Counterfactual {
    let words: Vec<String> = assume.iter().map(|one| one.words(facts, time)).collect();
    let slowest = assume
        .iter()
        .map(Assumption::within)
        .collect::<Option<Vec<_>>>();
    Counterfactual {
        assume: words.join("; "),
        outlook: access::outlook(facts, assume, at),
        within: slowest.and_then(|all| all.into_iter().max()),
    }
}

async fn read_all(
    conn: &mut Conn,
    property: PropertyId,
    pretend: &[Pretend],
) -> Result<Vec<Assumption>, DbError> {
    let mut assume = Vec::with_capacity(pretend.len());
    for one in pretend {
        assume.push(match one {
            Pretend::Fact(fact) => fact.clone(),
            Pretend::Room(room) => Assumption::RoomAssigned(rooms(conn, property, *room).await?),
            Pretend::Space(id) => {
                let found = space::by_id(conn, property, *id).await?;
                let devices = device::in_spaces(conn, property, &[*id]).await?;
                Assumption::RoomMapped(found.map(|space| SpaceFacts {
                    id: space.id,
                    name: space.name,
                    devices: devices.iter().map(|device| device.id).collect(),
                }))
            }
        });
    }
    Ok(assume)
}

async fn rooms(
    conn: &mut Conn,
    property: PropertyId,
    id: RoomId,
) -> Result<Vec<RoomFacts>, DbError> {
    let chain = room::chain(conn, property, id).await?;
    let (rooms, _) = crate::reconcile_access::places(conn, property, chain).await?;
    Ok(rooms)
}

/// How far a keychain has come on the locks and in the PMS.
async fn progress(
    conn: &mut Conn,
    property: PropertyId,
    row: &Reservation,
    keychain: &Keychain,
) -> Result<Progress, DbError> {
    let mut doors = keychain::doors(conn, property, &[keychain.id]).await?;
    doors.sort_by_key(KeychainDoor::place);
    let ids: Vec<_> = doors.iter().map(|door| door.space_id).collect();
    let spaces = space::by_ids(conn, property, &ids).await?;
    let devices = device::in_spaces(conn, property, &ids).await?;
    let pins = device_pin::of_pins(conn, property, &[keychain.pin_id]).await?;
    let pushes = pin_push::of_reservations(conn, property, &[row.id]).await?;
    let doors = doors
        .iter()
        .map(|door| {
            let space = spaces.iter().find(|space| space.id == door.space_id);
            let here = devices.iter().filter(|d| d.space_id == Some(door.space_id));
            let on = |id| pins.iter().find(|pin| pin.device_id == id);
            DoorProgress {
                space: space.map_or_else(String::new, |space| space.name.clone()),
                locks: here
                    .filter_map(|device| on(device.id))
                    .map(|pin| (pin.status, pin.last_error))
                    .collect(),
            }
        })
        .collect();
    let copy = pushes
        .iter()
        .filter(|push| push.status != PinPushStatus::Removed || push.desired().is_some())
        .find(|push| push.pin_id == keychain.pin_id)
        .map_or(CopyProgress::NotWanted, |push| {
            CopyProgress::Wanted(push.status, push.waiting_for)
        });
    Ok(Progress {
        doors,
        copy,
        window: keychain.window(),
    })
}

/// What the PMS says about a number that Portal never received.
#[derive(Debug)]
pub struct Unknown {
    /// Name of the PMS. `None`: none is connected.
    pub app: Option<String>,
    /// When it was last read without a gap.
    pub read_at: Option<DateTime<Utc>>,
    /// What asking it brought.
    pub found: Found,
}

/// What asking the PMS for a number brought.
#[derive(Debug)]
pub enum Found {
    /// It knows stays with this number.
    There(Vec<portal_interface::Reservation>),
    /// It knows none.
    NotThere,
    /// It did not answer, or cannot be asked.
    NoAnswer,
}

/// Asks the PMS for a number. Stores nothing.
pub async fn ask(env: &Env, property: PropertyId, number: &str) -> Result<Unknown, DbError> {
    let mut conn = env.db.read().await?;
    let link = integration::live_pms(&mut conn, property).await?;
    drop(conn);
    let Some(link) = link else {
        return Ok(Unknown {
            app: None,
            read_at: None,
            found: Found::NoAnswer,
        });
    };
    Ok(Unknown {
        app: Some(env.apps.name(&link.app).to_owned()),
        read_at: link.last_synced_at.map(|at| *at),
        found: find(env, &link, number).await?,
    })
}

/// Asks the PMS for a number and stores what it knows. Answers the stays that came of it; `None`:
/// it did not answer.
pub async fn fetch(
    env: &Env,
    property: PropertyId,
    number: &str,
) -> Result<Option<Vec<Reservation>>, DbError> {
    let mut conn = env.db.read().await?;
    let link = integration::live_pms(&mut conn, property).await?;
    drop(conn);
    let Some(link) = link else {
        return Ok(None);
    };
    let told = match find(env, &link, number).await? {
        Found::There(told) => told,
        Found::NotThere => return Ok(Some(Vec::new())),
        Found::NoAnswer => return Ok(None),
    };
    let mut tx = env.db.begin_in(property).await?;
    crate::sync_reservations::store_page(&mut tx, env, &link, &told).await?;
    let filter = reservation::Filter {
        number: Some(number.to_owned()),
        ..reservation::Filter::default()
    };
    let rows = reservation::first(&mut tx, property, &filter, 100).await?;
    tx.commit().await?;
    Ok(Some(rows))
}

async fn find(env: &Env, link: &Integration, number: &str) -> Result<Found, DbError> {
    if link.status != IntegrationStatus::Connected {
        return Ok(Found::NoAnswer);
    }
    let mut conn = env.db.read().await?;
    let account = account::open(&mut conn, env, link, CredentialState::Active).await?;
    drop(conn);
    let (Some(account), Some(pms)) = (account, env.apps.pms(&link.app)) else {
        return Ok(Found::NoAnswer);
    };
    let call = pms.find(&account, number);
    let answer = tokio::time::timeout(links::PATIENCE, call).await;
    Ok(match answer {
        Ok(Ok(Some(found))) if found.reservations.is_empty() => Found::NotThere,
        Ok(Ok(Some(found))) => Found::There(found.reservations),
        Ok(Ok(None) | Err(_)) | Err(_) => Found::NoAnswer,
    })
}
