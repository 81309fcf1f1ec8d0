//! Reads every room of the PMS.

use crate::job::{Job, JobError};
use crate::push_pins::PERMISSION;
use crate::{Env, account, trigger, validate_integration};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    ActorKind, CredentialState, EventKind, IntegrationId, IntegrationStatus, PinPushWait,
    PropertyId, RoomId, SubjectKind, ValidationTrigger,
};
use portal_interface::{AdapterError, Right};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::integration::Integration;
use portal_store::problem::{self, NewProblem};
use portal_store::room::Room;
use portal_store::{DbError, Tx, integration, pin_push, reservation, room};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Reads every room and bed of one PMS link, and what the account may do there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncRooms {
    /// Where.
    pub property: PropertyId,
    /// Which link.
    pub integration: IntegrationId,
}

/// Problem: a mapped room left the PMS.
pub const GONE: &str = "room.gone";

impl Job for SyncRooms {
    const KIND: &'static str = "sync-rooms";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);
    const CONCURRENCY: usize = 2;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.integration.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        let mut conn = env.db.read().await?;
        let link = integration::by_id(&mut conn, self.property, self.integration).await?;
        let Some(link) = link.filter(|link| link.status == IntegrationStatus::Connected) else {
            return Ok(());
        };
        let account = account::open(&mut conn, env, &link, CredentialState::Active).await?;
        drop(conn);
        let (Some(account), Some(pms)) = (account, env.apps.pms(&link.app)) else {
            return Ok(());
        };
        match pms.rooms(&account).await {
            Ok(rooms) => {
                let refused = match pms.pins() {
                    Some(_) => pms.refused(&account).await.ok(),
                    None => Some(vec![Right::StorePins]),
                };
                self.store(env, &rooms, refused.as_deref()).await?;
            }
            Err(error) => self.put_off(env, &error).await?,
        }
        Ok(())
    }
}

impl SyncRooms {
    async fn put_off(&self, env: &Env, error: &AdapterError) -> Result<(), DbError> {
        tracing::info!(integration.id = %self.integration, error = account::word(error), "rooms could not be read");
        let mut tx = env.db.begin_in(self.property).await?;
        if *error == AdapterError::Unauthorized {
            let trigger = ValidationTrigger::RefusedCall;
            validate_integration::ask(&mut tx, env, self.property, self.integration, trigger)
                .await?;
        }
        if let Some(mut link) = integration::lock(&mut tx, self.property, self.integration).await? {
            link.next_rooms_at = Some(env.about(Duration::minutes(2)).into());
            integration::save(&mut tx, &link).await?;
        }
        tx.commit().await
    }

    async fn store(
        &self,
        env: &Env,
        told: &[portal_interface::Room],
        refused: Option<&[Right]>,
    ) -> Result<(), DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let found = integration::lock(&mut tx, self.property, self.integration).await?;
        let Some(mut link) = found else {
            return Ok(());
        };
        let mut events = Vec::new();
        let known = room::of_integration(&mut tx, self.property, self.integration).await?;
        let changed = self.put(&mut tx, told, &known, &mut events, now).await?;
        self.note_gone(&mut tx, told, known, &mut events, now)
            .await?;
        trigger::rooms(&mut tx, env, self.property, &changed).await?;
        if let Some(refused) = refused {
            self.note_rights(&mut tx, env, &mut link, refused, &mut events)
                .await?;
        }
        link.next_rooms_at = Some(env.about(Duration::hours(24)).into());
        integration::save(&mut tx, &link).await?;
        let actor = Actor::named(ActorKind::Pms, env.apps.name(&link.app));
        event::publish(&mut tx, self.property, &actor, now, events).await?;
        tx.commit().await
    }

    /// Stores what was told. Returns the rooms whose reservations have to be decided again.
    async fn put(
        &self,
        tx: &mut Tx,
        told: &[portal_interface::Room],
        known: &[Room],
        events: &mut Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<Vec<RoomId>, DbError> {
        let known: HashMap<&str, &Room> = known
            .iter()
            .map(|room| (room.external_id.as_str(), room))
            .collect();
        let ids: HashMap<&str, RoomId> = told
            .iter()
            .map(|room| {
                let id = room.id.as_str();
                (id, known.get(id).map_or_else(RoomId::new, |room| room.id))
            })
            .collect();
        let mut changed = Vec::new();
        for room in parents_first(told) {
            let id = ids[room.id.as_str()];
            let was = known.get(room.id.as_str());
            let row = Room {
                id,
                property_id: self.property,
                integration_id: self.integration,
                external_id: room.id.to_string(),
                parent_id: room
                    .parent
                    .as_ref()
                    .and_then(|parent| ids.get(parent.as_str()).copied()),
                name: room.name.clone(),
                kind: room.kind,
                active: room.active,
                removed_at: None,
                created_at: was.map_or(now.into(), |was| was.created_at),
            };
            if was.is_some_and(|was| **was == row) {
                continue;
            }
            room::put(tx, &row).await?;
            events.push(NewEvent::new(EventKind::RoomChanged, SubjectKind::Room, id));
            let adopted =
                reservation::adopt_room(tx, self.property, self.integration, &row.external_id, id)
                    .await?;
            let moved = was.is_some_and(|was| was.parent_id != row.parent_id);
            if moved || !adopted.is_empty() {
                changed.push(id);
            }
            let subject = id.to_string();
            events.extend(problem::resolve(tx, self.property, GONE, &subject, now).await?);
        }
        Ok(changed)
    }

    /// A vanished room keeps its mapping and raises a problem: it may come back.
    async fn note_gone(
        &self,
        tx: &mut Tx,
        told: &[portal_interface::Room],
        known: Vec<Room>,
        events: &mut Vec<NewEvent>,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let told: HashSet<&str> = told.iter().map(|room| room.id.as_str()).collect();
        for mut room in known {
            if told.contains(room.external_id.as_str()) || room.removed_at.is_some() {
                continue;
            }
            room.removed_at = Some(now.into());
            room::put(tx, &room).await?;
            events.push(NewEvent::new(
                EventKind::RoomGone,
                SubjectKind::Room,
                room.id,
            ));
            if !room::mappings(tx, self.property, &[room.id])
                .await?
                .is_empty()
            {
                let new = NewProblem {
                    key: GONE,
                    subject_kind: SubjectKind::Room,
                    subject: &room.id.to_string(),
                    detail: &room.name,
                    critical: false,
                };
                events.extend(problem::raise(tx, self.property, &new, now).await?);
            }
        }
        Ok(())
    }

    async fn note_rights(
        &self,
        tx: &mut Tx,
        env: &Env,
        link: &mut Integration,
        refused: &[Right],
        events: &mut Vec<NewEvent>,
    ) -> Result<(), DbError> {
        let now = env.now();
        let declared = env
            .apps
            .get(&link.app)
            .is_some_and(|entry| entry.app.capabilities.stores_pins);
        let may = declared && !refused.contains(&Right::StorePins);
        let subject = link.id.to_string();
        if declared && !may {
            let new = NewProblem {
                key: PERMISSION,
                subject_kind: SubjectKind::Integration,
                subject: &subject,
                detail: env.apps.name(&link.app),
                critical: false,
            };
            events.extend(problem::raise(tx, self.property, &new, now).await?);
        } else {
            events.extend(problem::resolve(tx, self.property, PERMISSION, &subject, now).await?);
        }
        if may && !link.may_store_pins {
            let waits = [PinPushWait::Permission];
            pin_push::wake(tx, self.property, link.id, &waits, now).await?;
            // Those granted before the right was known get their copy now.
            link.may_store_pins = may;
            integration::save(tx, link).await?;
            trigger::integration(tx, env, self.property, link.id).await?;
        }
        link.may_store_pins = may;
        Ok(())
    }
}

/// Rooms in an order in which each stands behind the room it is part of, so that the key to the
/// parent holds at every step. A loop, which no PMS should send, is left in the order told.
fn parents_first(rooms: &[portal_interface::Room]) -> Vec<&portal_interface::Room> {
    let mut sorted: Vec<&portal_interface::Room> = Vec::with_capacity(rooms.len());
    let mut placed: HashSet<&str> = HashSet::new();
    let all: HashSet<&str> = rooms.iter().map(|room| room.id.as_str()).collect();
    let mut left: Vec<&portal_interface::Room> = rooms.iter().collect();
    while !left.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|room| {
            room.parent.as_ref().is_none_or(|parent| {
                !all.contains(parent.as_str()) || placed.contains(parent.as_str())
            })
        });
        if ready.is_empty() {
            sorted.extend(rest);
            break;
        }
        placed.extend(ready.iter().map(|room| room.id.as_str()));
        sorted.extend(ready);
        left = rest;
    }
    sorted
}
