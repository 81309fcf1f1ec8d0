//! Brings one reservation's keychain in line with the decision.

use crate::effects;
use crate::job::{Code, Job, JobError, enqueue};
use crate::{Env, ProgramDevices, PushPins};
use chrono::{DateTime, Utc};
use portal_domain::access::{
    self, Access, Change, Current, Decision, Existing, Facts, Held, LinkFacts, RoomFacts,
    SpaceFacts, Withhold,
};
use portal_domain::pin::{self, Lock, Wish};
use portal_domain::{
    ActorKind, EventKind, KeychainDoorRole, KeychainId, PropertyId, ReservationId,
    ReservationTransfer, SpaceId, SubjectKind, Window, WithheldCode,
};
use portal_faults::step;
use portal_store::event::{self, Actor, NewEvent};
use portal_store::keychain::{self, Keychain};
use portal_store::problem::{self, NewProblem};
use portal_store::property::{self, Property};
use portal_store::reservation::{self, Reservation};
use portal_store::{
    Conn, DbError, QueryError, Tx, decision, device, integration, room, space, space_link,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Decides about one reservation and makes its keychain so. Every trigger ends here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileAccess {
    /// Where.
    pub property: PropertyId,
    /// Which.
    pub reservation: ReservationId,
}

impl Job for ReconcileAccess {
    const KIND: &'static str = "reconcile-access";
    const DEADLINE: Duration = Duration::from_secs(10);
    const CONCURRENCY: usize = 8;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.reservation.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        step("reconcile-access.decide", || self.decide(env)).await
    }
}

impl ReconcileAccess {
    async fn decide(&self, env: &Env) -> Result<(), JobError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let Some(property) = property::by_id(&mut tx, self.property).await? else {
            return Ok(());
        };
        let Some(mut reservation) =
            reservation::lock(&mut tx, self.property, self.reservation).await?
        else {
            return Ok(());
        };
        let facts = facts(&mut tx, &property, &reservation).await?;
        let mut work = Work {
            env,
            now,
            reservation: &mut reservation,
            facts: &facts,
            events: Vec::new(),
            fault: None,
        };
        let decision = work.decide_and_apply(&mut tx).await?;
        if work.fault.take().is_some() {
            // Somebody took the code in this very moment; the next run sees it.
            return Err(JobError::Retry(Code::Busy));
        }
        let events = std::mem::take(&mut work.events);
        record(&mut tx, &property, &reservation, &facts, now).await?;
        reservation.decided_revision = reservation.revision;
        reservation.decided_at = Some(now.into());
        let granted = matches!(decision, Decision::Grant(_));
        let touched = effects::desire(&mut tx, env, &property, &reservation, granted).await?;
        let next = facts.next_decision(&decision, now);
        let next = next.into_iter().chain(touched.next_end).min();
        reservation.decide_at = next.map(Into::into);
        reservation::save(&mut tx, &reservation).await?;
        event::publish(&mut tx, self.property, &Actor::system(), now, events).await?;
        for device in touched.devices {
            let job = ProgramDevices {
                property: self.property,
                device,
            };
            enqueue(&mut tx, now, &job).await?;
        }
        if touched.push {
            let job = PushPins {
                property: self.property,
                reservation: self.reservation,
            };
            enqueue(&mut tx, now, &job).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Writes the decision down, unless the last one says the same.
async fn record(
    tx: &mut Tx,
    property: &Property,
    reservation: &Reservation,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let json = serde_json::to_string(facts)
        .map_err(|error| QueryError::SerializationError(Box::new(error)))?;
    let last = decision::last(tx, property.id, reservation.id).await?;
    let is = decision::Decision {
        property_id: property.id,
        reservation_id: reservation.id,
        seq: last.as_ref().map_or(1, |last| last.seq + 1),
        at: now.into(),
        revision: reservation.revision,
        policy_version: property.policy_version,
        rules: access::RULES,
        transfer: reservation.transfer,
        code: reservation.withheld_code,
        detail: reservation.withheld_detail.clone(),
        facts: json,
    };
    let same = last.is_some_and(|last| {
        let (seq, at) = (is.seq, is.at);
        decision::Decision { seq, at, ..last } == is
    });
    if !same {
        decision::insert(tx, &is).await?;
    }
    Ok(())
}

/// Everything the decision about a reservation depends on.
pub(crate) async fn facts(
    conn: &mut Conn,
    property: &Property,
    reservation: &Reservation,
) -> Result<Facts, DbError> {
    let integration = integration::by_id(conn, property.id, reservation.integration_id).await?;
    let chain = match reservation.room_id {
        Some(room) => room::chain(conn, property.id, room).await?,
        None => Vec::new(),
    };
    let (rooms, links) = places(conn, property.id, chain).await?;
    let held = keychain::current(conn, property.id, &[reservation.id])
        .await?
        .pop()
        .filter(|keychain| keychain.revoked_at.is_none());
    Ok(Facts {
        state: reservation.state,
        scheduled: Window {
            from: *reservation.starts_at,
            until: *reservation.ends_at,
        },
        checked_in_at: reservation
            .actual_start
            .or(reservation.checked_in_seen_at)
            .map(Into::into),
        checked_out_at: reservation.actual_end.map(Into::into),
        revoked_by_staff: reservation.blocked_at.is_some(),
        integration: integration
            .as_ref()
            .map_or(portal_domain::IntegrationStatus::Disconnected, |i| i.status),
        sync: integration.and_then(|i| i.sync_state),
        mode: property.mode,
        policy: property.policy(),
        rooms,
        links,
        held: held.map(|keychain| Held {
            until: *keychain.ends_at,
            scheduled_until: *keychain.scheduled_until,
        }),
    })
}

/// The way from a room upwards, with the spaces and their locks, and the common areas linked to them.
pub(crate) async fn places(
    conn: &mut Conn,
    property: PropertyId,
    chain: Vec<room::Room>,
) -> Result<(Vec<RoomFacts>, Vec<LinkFacts>), DbError> {
    let ids: Vec<_> = chain.iter().map(|room| room.id).collect();
    let mappings = room::mappings(conn, property, &ids).await?;
    let mut all: Vec<_> = mappings.iter().map(|(_, space)| *space).collect();
    let links = space_link::of_mains(conn, property, &all).await?;
    all.extend(links.iter().map(|(_, linked)| *linked));
    let devices = device::in_spaces(conn, property, &all).await?;
    let spaces = space::by_ids(conn, property, &all).await?;
    let facts = |id: SpaceId| {
        let space = spaces.iter().find(|space| space.id == id)?;
        let here = devices.iter().filter(|device| device.space_id == Some(id));
        Some(SpaceFacts {
            id,
            name: space.name.clone(),
            devices: here.map(|device| device.id).collect(),
        })
    };
    let rooms = chain
        .into_iter()
        .map(|room| {
            let mapped = mappings.iter().find(|(id, _)| *id == room.id);
            RoomFacts {
                id: room.id,
                name: room.name,
                space: mapped.and_then(|(_, space)| facts(*space)),
            }
        })
        .collect();
    let links = links
        .iter()
        .filter_map(|&(main, linked)| {
            let space = facts(linked)?;
            Some(LinkFacts { main, space })
        })
        .collect();
    Ok((rooms, links))
}

/// One decision being carried out.
struct Work<'a> {
    env: &'a Env,
    now: DateTime<Utc>,
    reservation: &'a mut Reservation,
    facts: &'a Facts,
    events: Vec<NewEvent>,
    fault: Option<Taken>,
}

/// Another transaction took the code meanwhile.
struct Taken;

impl Work<'_> {
    async fn decide_and_apply(&mut self, tx: &mut Tx) -> Result<Decision, DbError> {
        let current = keychain::current(tx, self.reservation.property_id, &[self.reservation.id])
            .await?
            .pop();
        let mut decision = access::decide(self.facts, self.now);
        if let Decision::Grant(access) = &decision {
            let access = access.clone();
            if let Err(why) = self.grant(tx, current.clone(), &access).await? {
                decision = Decision::Withhold(why);
            }
        }
        if let Decision::Withhold(why) = &decision {
            self.withhold(tx, current, why).await?;
        }
        Ok(decision)
    }

    fn event(&mut self, kind: EventKind, keychain: KeychainId) {
        let event = NewEvent::new(kind, SubjectKind::Keychain, keychain)
            .with("reservation", self.reservation.id);
        self.events.push(event);
    }

    async fn grant(
        &mut self,
        tx: &mut Tx,
        current: Option<Keychain>,
        access: &Access,
    ) -> Result<Result<(), Withhold>, DbError> {
        let property = self.reservation.property_id;
        let (live, doors) = match current {
            Some(keychain) => {
                let doors = keychain::doors(tx, property, &[keychain.id]).await?;
                (Some(keychain), doors)
            }
            None => (None, Vec::new()),
        };
        let was = live.as_ref().map(|keychain| Current {
            doors: doors.iter().map(keychain::KeychainDoor::door).collect(),
            window: keychain.window(),
            revoked: keychain.revoked_at.is_some(),
        });
        let change = access::change(was.as_ref(), access, self.facts.in_house(), self.now);
        if change != Change::Nothing {
            let pin = match self.pin(tx, live.as_ref(), access).await? {
                Ok(pin) => pin,
                Err(why) => return Ok(Err(why)),
            };
            if self.fault.is_some() {
                return Ok(Ok(()));
            }
            self.change(tx, live, access, change, pin).await?;
        }
        if self.reservation.transfer != ReservationTransfer::Transferred {
            self.events.push(NewEvent::new(
                EventKind::ReservationTransferred,
                SubjectKind::Reservation,
                self.reservation.id,
            ));
        }
        self.reservation.transfer = ReservationTransfer::Transferred;
        self.reservation.withheld_code = None;
        self.reservation.withheld_detail = None;
        self.reservation.withheld_since = None;
        self.reservation
            .transferred_at
            .get_or_insert(self.now.into());
        self.resolve_kept(tx).await?;
        Ok(Ok(()))
    }

    async fn change(
        &mut self,
        tx: &mut Tx,
        live: Option<Keychain>,
        access: &Access,
        change: Change,
        pin: portal_domain::PinId,
    ) -> Result<(), DbError> {
        let property = self.reservation.property_id;
        let main = access.doors[0].space;
        let Some(mut keychain) = live else {
            let keychain = self.new_keychain(access, pin);
            keychain::insert(tx, &keychain).await?;
            keychain::set_doors(tx, &keychain, &access.doors).await?;
            self.event(EventKind::KeychainCreated, keychain.id);
            return Ok(());
        };
        let kind = match change {
            Change::Supersede => {
                let next = self.new_keychain(access, pin);
                let luggage = self.now + self.facts.policy.luggage();
                keychain.superseded_by = Some(next.id);
                keychain.ends_at = (*keychain.ends_at).min(luggage).into();
                keychain.generation += 1;
                let old: Vec<_> = keychain::doors(tx, property, &[keychain.id])
                    .await?
                    .iter()
                    .map(keychain::KeychainDoor::door)
                    .collect();
                keychain::save(tx, &keychain).await?;
                keychain::set_doors(tx, &keychain, &old).await?;
                keychain::insert(tx, &next).await?;
                keychain::set_doors(tx, &next, &access.doors).await?;
                self.event(EventKind::KeychainCreated, next.id);
                self.event(EventKind::KeychainSuperseded, keychain.id);
                return Ok(());
            }
            Change::Create | Change::Revive => EventKind::KeychainReinstated,
            Change::Repoint => EventKind::KeychainMoved,
            Change::Reschedule | Change::Nothing => EventKind::KeychainRescheduled,
        };
        keychain.main_space_id = main;
        keychain.pin_id = pin;
        keychain.starts_at = access.window.from.into();
        keychain.ends_at = access.window.until.into();
        keychain.scheduled_until = self.facts.scheduled.until.into();
        keychain.generation += 1;
        keychain.revoked_at = None;
        keychain.revoked_by = None;
        keychain.revoked_by_kind = None;
        keychain.revoke_reason = None;
        keychain::save(tx, &keychain).await?;
        keychain::set_doors(tx, &keychain, &access.doors).await?;
        self.event(kind, keychain.id);
        Ok(())
    }

    fn new_keychain(&self, access: &Access, pin: portal_domain::PinId) -> Keychain {
        Keychain {
            id: KeychainId::new(),
            property_id: self.reservation.property_id,
            reservation_id: self.reservation.id,
            main_space_id: access.doors[0].space,
            pin_id: pin,
            starts_at: access.window.from.into(),
            ends_at: access.window.until.into(),
            scheduled_until: self.facts.scheduled.until.into(),
            generation: 1,
            revoked_at: None,
            revoked_by: None,
            revoked_by_kind: None,
            revoke_reason: None,
            superseded_by: None,
            created_at: self.now.into(),
        }
    }

    /// The PIN for an access: the one the keychain has if all doors still take it, else a new one.
    async fn pin(
        &mut self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        access: &Access,
    ) -> Result<Result<portal_domain::PinId, Withhold>, DbError> {
        let env = self.env;
        let property = self.reservation.property_id;
        let wish = self.wish(tx, live, access).await?;
        let old = live.map(|keychain| keychain.pin_id);
        let uses = portal_store::pin::Uses::read(
            tx,
            &env.sealer,
            property,
            access.window,
            old,
            wish.cooldown_days,
            self.now,
        )
        .await?;
        let found = pin::allocate(&wish, |code| uses.of(code), &mut env.chance.rng());
        let found = match found {
            Ok(found) => found,
            Err(why) => return Ok(Err(self.no_pin(&why))),
        };
        if let Some(old) = old
            && wish.current.as_ref() == Some(&found.code)
        {
            let kept = portal_store::pin::occupy(tx, property, old, access.window).await?;
            self.fault = (!kept).then_some(Taken);
            return Ok(Ok(old));
        }
        let inserted = portal_store::pin::insert(
            tx,
            &env.sealer,
            property,
            self.reservation.id,
            &found.code.clone().into(),
            &found.proof,
            access.window,
            self.now,
        )
        .await?;
        let Some(id) = inserted else {
            self.fault = Some(Taken);
            return Ok(Ok(portal_domain::PinId::new()));
        };
        let kind = match old {
            Some(old) => {
                portal_store::pin::retire(tx, property, old, self.now).await?;
                EventKind::PinRotated
            }
            None => EventKind::PinAllocated,
        };
        self.events.push(
            NewEvent::new(kind, SubjectKind::Pin, id).with("reservation", self.reservation.id),
        );
        Ok(Ok(id))
    }

    async fn wish(
        &self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        access: &Access,
    ) -> Result<Wish, DbError> {
        let property = self.reservation.property_id;
        let ids: Vec<_> = access.doors.iter().map(|door| door.space).collect();
        let spaces = space::by_ids(tx, property, &ids).await?;
        let devices = device::in_spaces(tx, property, &ids).await?;
        let name = |id| {
            let space = spaces.iter().find(|space| space.id == id);
            space.map_or_else(String::new, |space| space.name.clone())
        };
        let locks = access
            .doors
            .iter()
            .flat_map(|door| {
                let devices = devices.iter().filter(|d| d.space_id == Some(door.space));
                devices.map(|device| Lock {
                    space: name(door.space),
                    rules: device.rules(),
                })
            })
            .collect();
        let mut known_numbers: Vec<String> = ids.iter().map(|id| name(*id)).collect();
        known_numbers.extend(self.facts.rooms.iter().map(|room| room.name.clone()));
        known_numbers.push(self.reservation.number.clone());
        let current = match live {
            Some(keychain) => {
                let sealer = &self.env.sealer;
                let pin = keychain.pin_id;
                portal_store::pin::open(tx, sealer, property, &[pin], self.now)
                    .await?
                    .remove(&pin)
                    .map(|code| code.expose_secret().to_owned())
            }
            None => None,
        };
        Ok(Wish {
            locks,
            length: u8::try_from(self.facts.policy.pin_length).unwrap_or(6),
            cooldown_days: self.facts.policy.cooldown_days,
            window: access.window,
            known_numbers,
            current,
        })
    }

    fn no_pin(&self, why: &pin::Unavailable) -> Withhold {
        Withhold {
            code: WithheldCode::PinUnavailable,
            detail: Some(why.to_string()),
            existing: if self.facts.in_house() {
                Existing::Keep
            } else {
                Existing::End
            },
        }
    }

    async fn withhold(
        &mut self,
        tx: &mut Tx,
        current: Option<Keychain>,
        why: &Withhold,
    ) -> Result<(), DbError> {
        let live = current.filter(|keychain| !keychain.status(self.now).is_over());
        if let Some(keychain) = live {
            if why.existing == Existing::Keep {
                if self.facts.in_house() {
                    self.raise_kept(tx, why).await?;
                }
                return Ok(());
            }
            self.end(tx, keychain, why.code).await?;
        }
        if why.existing == Existing::End {
            // The room the guest moved from in the house, still open for the luggage.
            let (property, id) = (self.reservation.property_id, self.reservation.id);
            for keychain in keychain::superseded(tx, property, id, self.now).await? {
                self.end(tx, keychain, why.code).await?;
            }
        }
        let ended = why.code.is_end();
        let changed = self.reservation.withheld_code != Some(why.code);
        if changed {
            self.reservation.withheld_since = Some(self.now.into());
            let kind = if ended {
                EventKind::ReservationEnded
            } else {
                EventKind::ReservationWithheld
            };
            let event = NewEvent::new(kind, SubjectKind::Reservation, self.reservation.id)
                .with("code", why.code);
            self.events.push(event);
        }
        self.reservation.withheld_code = Some(why.code);
        self.reservation.withheld_detail.clone_from(&why.detail);
        self.reservation.transfer = if ended {
            ReservationTransfer::Ended
        } else {
            ReservationTransfer::Withheld
        };
        self.resolve_kept(tx).await?;
        Ok(())
    }

    async fn end(
        &mut self,
        tx: &mut Tx,
        mut keychain: Keychain,
        code: WithheldCode,
    ) -> Result<(), DbError> {
        keychain.generation += 1;
        let kind = match code {
            WithheldCode::CheckedOut | WithheldCode::Departed => {
                keychain.ends_at = self.facts.window().until.min(self.now).into();
                EventKind::KeychainPast
            }
            _ => {
                keychain.revoked_at = Some(self.now.into());
                keychain.revoked_by = Some("Portal".to_owned());
                keychain.revoked_by_kind = Some(ActorKind::System);
                keychain.revoke_reason = Some(code.to_string());
                EventKind::KeychainRevoked
            }
        };
        if keychain.ends_at < keychain.starts_at {
            keychain.starts_at = keychain.ends_at;
        }
        keychain::save(tx, &keychain).await?;
        self.event(kind, keychain.id);
        Ok(())
    }

    /// A guest in the house keeps a key that would not be made today: a person should know.
    async fn raise_kept(&mut self, tx: &mut Tx, why: &Withhold) -> Result<(), DbError> {
        let new = NewProblem {
            key: KEPT,
            subject_kind: SubjectKind::Reservation,
            subject: &self.reservation.id.to_string(),
            detail: &format!("{}: {}", self.reservation.number, why.code),
            critical: false,
        };
        let raised = problem::raise(tx, self.reservation.property_id, &new, self.now).await?;
        self.events.extend(raised);
        Ok(())
    }

    async fn resolve_kept(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        let subject = self.reservation.id.to_string();
        let property = self.reservation.property_id;
        let gone = problem::resolve(tx, property, KEPT, &subject, self.now).await?;
        self.events.extend(gone);
        Ok(())
    }
}

/// Problem: a guest in the house keeps access that would be withheld otherwise.
const KEPT: &str = "stay.access_kept";

/// The main door of a keychain.
pub(crate) fn is_main(door: &keychain::KeychainDoor) -> bool {
    door.role == KeychainDoorRole::Main
}
