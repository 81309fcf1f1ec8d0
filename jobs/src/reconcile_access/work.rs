//! Carries one decision out in the database.

use super::choose::{Chooser, Taken};
use super::{facts, next_to};
use crate::{Env, effects};
use chrono::{DateTime, Utc};
use portal_domain::access::{self, Access, Change, Current, Decision, Existing, Facts, Withhold};
use portal_domain::pin::Unavailable;
use portal_domain::{
    DevicePinStatus, EventKind, KeychainDoorRole, KeychainId, PinId, ReservationState,
    ReservationTransfer, SubjectKind, WithheldCode,
};
use portal_store::event::{Actor, NewEvent};
use portal_store::keychain::{self, Keychain};
use portal_store::problem::{self, NewProblem};
use portal_store::reservation::{self, Reservation};
use portal_store::{DbError, Tx, decision, property, space};

/// One decision being carried out.
pub(crate) struct Work<'a> {
    pub(crate) env: &'a Env,
    pub(crate) now: DateTime<Utc>,
    pub(crate) reservation: &'a mut Reservation,
    pub(crate) facts: &'a Facts,
    pub(crate) events: Vec<NewEvent>,
    /// Whether the PMS has the guest in the room of the last decision still. Asked for when the main
    /// door of a guest in the house changes.
    pub(crate) same_room: bool,
    /// PINs a keychain gave up; others may still use them.
    pub(crate) left: Vec<PinId>,
    /// PINs whose keychains changed: whoever shares one looks again.
    pub(crate) touched: Vec<PinId>,
    pub(crate) fault: Option<Taken>,
}

impl Work<'_> {
    pub(crate) async fn decide_and_apply(&mut self, tx: &mut Tx) -> Result<Decision, DbError> {
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
        let mut access = access.clone();
        if let (Some(live), Some(was)) = (&live, &was) {
            let moves = access.doors.first().map(|door| door.space) != Some(live.main_space_id);
            if self.facts.in_house() && moves {
                self.same_room = self.is_in_the_same_room(tx).await?;
            }
            self.leave_out(tx, live, &was.doors, &mut access).await?;
        }
        let access = &access;
        let mut change = access::change(was.as_ref(), access, self.facts.in_house(), self.now);
        let parts = match &live {
            Some(live) => self.parts(tx, live, access).await?,
            None => false,
        };
        if parts && change == Change::Nothing {
            change = Change::Reschedule;
        }
        if change != Change::Nothing {
            let pin = match self.pin(tx, live.as_ref(), parts, access).await? {
                Ok(pin) => pin,
                Err(why) => return Ok(Err(self.no_pin(&why))),
            };
            let Some(pin) = pin else {
                self.fault = Some(Taken);
                return Ok(Ok(()));
            };
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
        self.leave_rooms(tx).await?;
        Ok(Ok(()))
    }

    /// The rooms the guest moved from close once the luggage had its time, which begins when every
    /// lock of the new room has taken the PIN: nobody stands before two closed doors.
    async fn leave_rooms(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        let (property, id) = (self.reservation.property_id, self.reservation.id);
        let left = keychain::superseded(tx, property, id, self.now).await?;
        let luggage = self.now + self.facts.policy.luggage();
        if left.iter().all(|keychain| *keychain.ends_at <= luggage) {
            return Ok(());
        }
        let current = keychain::current(tx, property, &[id]).await?.pop();
        let Some(current) = current else {
            return Ok(());
        };
        if !effects::main_door_has(tx, property, &current, &[DevicePinStatus::Set]).await? {
            return Ok(());
        }
        for mut keychain in left {
            if *keychain.ends_at <= luggage {
                continue;
            }
            keychain.ends_at = luggage.into();
            keychain.generation += 1;
            keychain::save(tx, &keychain).await?;
            let doors = keychain::doors(tx, property, &[keychain.id]).await?;
            let doors: Vec<_> = doors.iter().map(keychain::KeychainDoor::door).collect();
            keychain::set_doors(tx, &keychain, &doors).await?;
            self.event(EventKind::KeychainRescheduled, keychain.id);
        }
        Ok(())
    }

    /// The PIN for an access. `None`: somebody took it in this very moment.
    async fn pin(
        &mut self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        parts: bool,
        access: &Access,
    ) -> Result<Result<Option<PinId>, Unavailable>, DbError> {
        let chooser = self.chooser();
        let shared = match live {
            Some(_) => None,
            None => self.shared(tx, access).await?,
        };
        let base = live.filter(|_| !parts).or(shared.as_ref());
        let choice = chooser
            .choose(tx, base, &access.doors, access.window)
            .await?;
        let choice = match choice {
            Ok(choice) => choice,
            Err(why) => return Ok(Err(why)),
        };
        let Ok(pin) = chooser.store(tx, live, &choice, access.window).await? else {
            return Ok(Ok(None));
        };
        if shared.is_none_or(|shared| shared.pin_id != pin) {
            let event = chooser.replaced(tx, live, pin).await?;
            self.events.extend(event);
        }
        let left = live.map(|keychain| keychain.pin_id);
        self.left.extend(left.filter(|old| *old != pin));
        self.touched.push(pin);
        Ok(Ok(Some(pin)))
    }

    /// Whether the PIN is shared with an earlier stay behind the same door and there is a time between
    /// the two by now: a lock holds a code from its first hour to its last, and would open in between.
    async fn parts(&self, tx: &mut Tx, live: &Keychain, access: &Access) -> Result<bool, DbError> {
        if self.facts.in_house() {
            return Ok(false);
        }
        let property = self.reservation.property_id;
        let mut others = keychain::of_pin(tx, property, live.pin_id).await?;
        others.retain(|other| {
            other.reservation_id != Some(self.reservation.id) && !other.status(self.now).is_over()
        });
        if others.is_empty() {
            return Ok(false);
        }
        let stays: Vec<_> = others
            .iter()
            .filter_map(|other| other.reservation_id)
            .collect();
        let mut stays = reservation::by_ids(tx, property, &stays).await?;
        stays.retain(|stay| {
            matches!(
                stay.state,
                ReservationState::Confirmed | ReservationState::CheckedIn
            )
        });
        let ids: Vec<_> = others.iter().map(|other| other.id).collect();
        let doors = keychain::doors(tx, property, &ids).await?;
        let mut windows = Vec::new();
        for other in &others {
            let Some(stay) = stays.iter().find(|it| Some(it.id) == other.reservation_id) else {
                continue;
            };
            let own = doors.iter().filter(|door| door.keychain_id == other.id);
            let has = Access {
                doors: own.map(keychain::KeychainDoor::door).collect(),
                window: other.window(),
            };
            let will = self.will_be(tx, other, stay, has).await?;
            windows.extend(
                will.filter(|it| it.shares_a_door(access))
                    .map(|it| it.window),
            );
        }
        if windows.is_empty() {
            return Ok(false);
        }
        let first = windows.iter().all(|other| access.window.from <= other.from);
        windows.push(access.window);
        windows.sort_by_key(|window| window.from);
        let mut until = windows[0].until;
        let gap = windows.iter().any(|window| {
            let gap = window.from > until;
            until = until.max(window.until);
            gap
        });
        Ok(gap && !first)
    }

    /// What a keychain of another stay opens and when, once all that is known of the stay is decided:
    /// one about to end, to move away or to change its times is no reason for another PIN. None: it
    /// will not be there.
    async fn will_be(
        &self,
        tx: &mut Tx,
        other: &Keychain,
        stay: &Reservation,
        has: Access,
    ) -> Result<Option<Access>, DbError> {
        if !stay.deciding() || other.superseded_by.is_some() {
            return Ok(Some(has));
        }
        let Some(house) = property::by_id(tx, stay.property_id).await? else {
            return Ok(None);
        };
        let facts = facts(tx, &house, stay).await?;
        Ok(match access::decide(&facts, self.now) {
            Decision::Grant(access) => Some(access),
            Decision::Withhold(why) => (why.existing == Existing::Keep).then_some(has),
        })
    }

    /// The keychain of the stay right before or after, of the same guest behind the same door: its
    /// PIN goes on, so that the guest notices nothing.
    async fn shared(&self, tx: &mut Tx, access: &Access) -> Result<Option<Keychain>, DbError> {
        let own = &*self.reservation;
        let mut stays = Vec::new();
        for stay in next_to(tx, own).await? {
            // Where another of the guest's stays ends in between, the door opens for that one's sake:
            // a PIN of this one would open in the time between as well.
            let goes_on = if stay.ends_at <= own.starts_at {
                self.facts.follows == Some(*stay.ends_at)
            } else {
                let mut before = next_to(tx, &stay).await?;
                before.retain(|other| other.ends_at <= stay.starts_at);
                before.iter().all(|other| other.ends_at <= own.ends_at)
            };
            if goes_on {
                stays.push(stay.id);
            }
        }
        if stays.is_empty() {
            return Ok(None);
        }
        let keychains = keychain::current(tx, own.property_id, &stays).await?;
        let main = access.doors.first().map(|door| door.space);
        Ok(keychains.into_iter().find(|keychain| {
            keychain.revoked_at.is_none()
                && *keychain.ends_at + access::BREAK > self.now
                && Some(keychain.main_space_id) == main
        }))
    }

    fn chooser(&self) -> Chooser<'_> {
        Chooser {
            same_room: self.same_room,
            ..Chooser::of(self.env, self.now, self.reservation, self.facts)
        }
    }

    /// Whether the PMS has the guest where the last decision found the guest.
    async fn is_in_the_same_room(&self, tx: &mut Tx) -> Result<bool, DbError> {
        let (property, id) = (self.reservation.property_id, self.reservation.id);
        let last = decision::last(tx, property, id).await?;
        let facts = last.and_then(|last| serde_json::from_str::<Facts>(&last.facts).ok());
        let room = |facts: &Facts| facts.rooms.first().map(|room| room.id);
        Ok(facts.is_some_and(|last| room(&last) == room(self.facts)))
    }

    /// A door that was added and would not take the PIN of a guest in the house is left out: the
    /// PIN is not taken from the guest for it. A person should know.
    async fn leave_out(
        &mut self,
        tx: &mut Tx,
        live: &Keychain,
        has: &[access::Door],
        access: &mut Access,
    ) -> Result<(), DbError> {
        let chooser = self.chooser();
        let refusing = if chooser.is_protected(live, &access.doors) {
            chooser.refusing(tx, live, has, &access.doors).await?
        } else {
            Vec::new()
        };
        let property = self.reservation.property_id;
        let subject = self.reservation.id.to_string();
        if refusing.is_empty() {
            let gone = problem::resolve(tx, property, LEFT_OUT, &subject, self.now).await?;
            self.events.extend(gone);
            return Ok(());
        }
        let nearest = access.doors.first().copied();
        access.doors.retain(|door| !refusing.contains(door));
        // Where the nearest door is left out, the one the guest has is the main door still.
        let mut doors = access.doors.iter();
        let had = doors.position(|door| door.space == live.main_space_id);
        if let (Some(n), true) = (had, nearest.is_some_and(|door| refusing.contains(&door))) {
            access.doors[..=n].rotate_right(1);
            access.doors[0].role = KeychainDoorRole::Main;
        }
        let ids: Vec<_> = refusing.iter().map(|door| door.space).collect();
        let spaces = space::by_ids(tx, property, &ids).await?;
        let names: Vec<_> = spaces.iter().map(|space| space.name.as_str()).collect();
        let new = NewProblem {
            key: LEFT_OUT,
            subject_kind: SubjectKind::Reservation,
            subject: &subject,
            detail: &format!("{}: {}", self.reservation.number, names.join(", ")),
            critical: false,
        };
        let raised = problem::raise(tx, property, &new, self.now).await?;
        self.events.extend(raised);
        Ok(())
    }

    fn no_pin(&self, why: &Unavailable) -> Withhold {
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

    async fn change(
        &mut self,
        tx: &mut Tx,
        live: Option<Keychain>,
        access: &Access,
        change: Change,
        pin: PinId,
    ) -> Result<(), DbError> {
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
                keychain.superseded_by = Some(next.id);
                keychain.generation += 1;
                keychain::save(tx, &keychain).await?;
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
        keychain.give_back();
        keychain::save(tx, &keychain).await?;
        keychain::set_doors(tx, &keychain, &access.doors).await?;
        self.event(kind, keychain.id);
        Ok(())
    }

    fn new_keychain(&self, access: &Access, pin: PinId) -> Keychain {
        Keychain {
            id: KeychainId::new(),
            property_id: self.reservation.property_id,
            reservation_id: Some(self.reservation.id),
            holder: None,
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
                return self.leave_rooms(tx).await;
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
        let kind = match code {
            WithheldCode::CheckedOut | WithheldCode::Departed => {
                keychain.generation += 1;
                keychain.ends_at = self.facts.window().until.min(self.now).into();
                EventKind::KeychainPast
            }
            _ => {
                keychain.revoke(&Actor::system(), Some(code.as_str()), self.now);
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

/// Problem: a door that was added does not take the PIN of a guest in the house.
const LEFT_OUT: &str = "stay.door_left_out";
