//! Chooses the PIN of a keychain: the one it has if all doors still take it, else a new one.

use crate::Env;
use chrono::{DateTime, Utc};
use portal_domain::access::{Door, Facts};
use portal_domain::pin::{self, Allocated, Asked, Lock, Unavailable, Wish};
use portal_domain::{
    DeviceRule, EventKind, KeychainId, PinId, Policy, PropertyId, SubjectKind, Window,
};
use portal_store::event::NewEvent;
use portal_store::keychain::{self, Keychain};
use portal_store::pin::{For, Uses};
use portal_store::reservation::Reservation;
use portal_store::{DbError, Tx, device, space};
use secrecy::{ExposeSecret, SecretString};

/// Another transaction took the code meanwhile.
#[derive(Debug)]
pub(crate) struct Taken;

/// The PIN for an access.
pub(crate) enum Choice {
    /// The one the keychain has.
    Kept(PinId),
    /// A new one, stored nowhere yet.
    New(Allocated),
}

/// What a choice depends on.
pub(crate) struct Chooser<'a> {
    pub(crate) env: &'a Env,
    pub(crate) now: DateTime<Utc>,
    pub(crate) property: PropertyId,
    /// For whose sake.
    pub(crate) whose: For,
    pub(crate) policy: &'a Policy,
    /// Whether a guest in the house holds the keychain.
    pub(crate) in_house: bool,
    /// Whether the PMS has the guest in the room of the last decision still.
    pub(crate) same_room: bool,
    /// Numbers a stranger may know: of the room, the reservation.
    pub(crate) known_numbers: Vec<String>,
    /// The digits a person asked for.
    pub(crate) asked: Option<Asked>,
}

impl<'a> Chooser<'a> {
    /// For a reservation.
    pub(crate) fn of(
        env: &'a Env,
        now: DateTime<Utc>,
        reservation: &Reservation,
        facts: &'a Facts,
    ) -> Self {
        let mut known_numbers: Vec<String> =
            facts.rooms.iter().map(|room| room.name.clone()).collect();
        known_numbers.push(reservation.number.clone());
        Self {
            env,
            now,
            property: reservation.property_id,
            whose: For::Reservation(reservation.id),
            policy: &facts.policy,
            in_house: facts.in_house(),
            same_room: false,
            known_numbers,
            asked: None,
        }
    }

    /// For staff.
    pub(crate) fn by_hand(
        env: &'a Env,
        now: DateTime<Utc>,
        property: PropertyId,
        keychain: KeychainId,
        policy: &'a Policy,
    ) -> Self {
        Self {
            env,
            now,
            property,
            whose: For::Keychain(keychain),
            policy,
            in_house: false,
            same_room: false,
            known_numbers: Vec::new(),
            asked: None,
        }
    }
}

impl Chooser<'_> {
    /// Chooses a PIN for these doors. Whoever is in the house and keeps the main door keeps the PIN
    /// too, whatever locks were added or rules changed since.
    pub(crate) async fn choose(
        &self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        doors: &[Door],
        window: Window,
    ) -> Result<Result<Choice, Unavailable>, DbError> {
        let mut wish = self.wish(tx, doors, window).await?;
        wish.current = self
            .current(tx, live)
            .await?
            .map(|code| code.expose_secret().to_owned());
        let uses = self.uses(tx, live, &wish).await?;
        if let (Some(keychain), Some(code)) = (live, &wish.current)
            && self.is_protected(keychain, doors)
            && uses.of(code) != pin::Use::Taken
        {
            return Ok(Ok(Choice::Kept(keychain.pin_id)));
        }
        let found = pin::allocate(&wish, uses, &mut self.env.chance.rng());
        Ok(found.map(|found| match live {
            Some(keychain) if wish.current.as_ref() == Some(&found.code) => {
                Choice::Kept(keychain.pin_id)
            }
            _ => Choice::New(found),
        }))
    }

    /// Chooses a PIN that nobody has, the keychain itself included.
    pub(crate) async fn another(
        &self,
        tx: &mut Tx,
        doors: &[Door],
        window: Window,
    ) -> Result<Result<Allocated, Unavailable>, DbError> {
        let wish = self.wish(tx, doors, window).await?;
        // Read without leaving the own one out: it counts as taken.
        let uses = self.uses(tx, None, &wish).await?;
        let mut rng = self.env.chance.rng();
        Ok(pin::allocate(&wish, uses, &mut rng))
    }

    /// What others use around the window.
    pub(crate) async fn uses(
        &self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        wish: &Wish,
    ) -> Result<Uses, DbError> {
        let sealer = &self.env.sealer;
        let uses = Uses::read(
            tx,
            sealer,
            self.property,
            wish.window,
            live.map(|keychain| keychain.pin_id),
            wish.cooldown_days,
            self.now,
        )
        .await?;
        uses.with_beginnings(tx, sealer, &wish.locks, self.now)
            .await
    }

    /// Stores a choice for the window.
    pub(crate) async fn store(
        &self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        choice: &Choice,
        window: Window,
    ) -> Result<Result<PinId, Taken>, DbError> {
        match choice {
            Choice::Kept(pin) => {
                let others = self.others(tx, *pin, live).await?;
                let windows = others.iter().map(Keychain::window);
                let all = windows.fold(window, Window::union);
                let kept = portal_store::pin::occupy(tx, self.property, *pin, all).await?;
                Ok(kept.then_some(*pin).ok_or(Taken))
            }
            Choice::New(found) => {
                let inserted = portal_store::pin::insert(
                    tx,
                    &self.env.sealer,
                    self.property,
                    self.whose,
                    &found.code.clone().into(),
                    &found.proof,
                    window,
                    self.now,
                )
                .await?;
                Ok(inserted.ok_or(Taken))
            }
        }
    }

    /// The other keychains that open with a PIN: of the stay before or after, or of the room the
    /// guest moved from.
    async fn others(
        &self,
        tx: &mut Tx,
        pin: PinId,
        besides: Option<&Keychain>,
    ) -> Result<Vec<Keychain>, DbError> {
        let mut all = keychain::of_pin(tx, self.property, pin).await?;
        all.retain(|other| {
            let own = besides.is_some_and(|own| own.id == other.id);
            !own && !other.status(self.now).is_over()
        });
        Ok(all)
    }

    /// Notes that a new PIN took the place of the keychain's old one, if it had one.
    pub(crate) async fn replaced(
        &self,
        tx: &mut Tx,
        live: Option<&Keychain>,
        new: PinId,
    ) -> Result<Option<NewEvent>, DbError> {
        let kind = match live {
            Some(keychain) if keychain.pin_id == new => return Ok(None),
            Some(keychain) => {
                let old = keychain.pin_id;
                if self.others(tx, old, live).await?.is_empty() {
                    portal_store::pin::retire(tx, self.property, old, self.now).await?;
                }
                EventKind::PinRotated
            }
            None => EventKind::PinAllocated,
        };
        let event = NewEvent::new(kind, SubjectKind::Pin, new);
        Ok(Some(match self.whose.reservation() {
            Some(reservation) => event.with("reservation", reservation),
            None => event,
        }))
    }

    /// Whether the guest is in the house and holds the main door of these, or held it before somebody
    /// mapped a nearer room or gave one a lock.
    pub(crate) fn is_protected(&self, live: &Keychain, doors: &[Door]) -> bool {
        let is_main = |door: &Door| door.space == live.main_space_id;
        self.in_house
            && live.revoked_at.is_none()
            && (doors.first().is_some_and(is_main) || (self.same_room && doors.iter().any(is_main)))
    }

    /// The digits of the PIN the keychain has.
    pub(crate) async fn current(
        &self,
        tx: &mut Tx,
        live: Option<&Keychain>,
    ) -> Result<Option<SecretString>, DbError> {
        let Some(keychain) = live else {
            return Ok(None);
        };
        let (sealer, pin) = (&self.env.sealer, keychain.pin_id);
        let mut open = portal_store::pin::open(tx, sealer, self.property, &[pin], self.now).await?;
        Ok(open.remove(&pin))
    }

    /// Those doors to add whose locks would not take the PIN the keychain has.
    pub(crate) async fn refusing(
        &self,
        tx: &mut Tx,
        live: &Keychain,
        has: &[Door],
        doors: &[Door],
    ) -> Result<Vec<Door>, DbError> {
        let added: Vec<Door> = doors
            .iter()
            .filter(|door| has.iter().all(|has| has.space != door.space))
            .copied()
            .collect();
        let Some(code) = self
            .current(tx, Some(live))
            .await?
            .filter(|_| !added.is_empty())
        else {
            return Ok(Vec::new());
        };
        let spaces: Vec<_> = added.iter().map(|door| door.space).collect();
        let devices = device::in_spaces(tx, self.property, &spaces).await?;
        let takes = |rules: Vec<DeviceRule>| {
            rules
                .iter()
                .all(|rule| pin::obeys(code.expose_secret(), rule))
        };
        Ok(added
            .into_iter()
            .filter(|door| {
                let mut here = devices.iter().filter(|d| d.space_id == Some(door.space));
                here.any(|device| !takes(device.rules()))
            })
            .collect())
    }

    /// What a PIN for these doors has to be.
    pub(crate) async fn wish(
        &self,
        tx: &mut Tx,
        doors: &[Door],
        window: Window,
    ) -> Result<Wish, DbError> {
        let property = self.property;
        let ids: Vec<_> = doors.iter().map(|door| door.space).collect();
        let spaces = space::by_ids(tx, property, &ids).await?;
        let devices = device::in_spaces(tx, property, &ids).await?;
        let name = |id| {
            let space = spaces.iter().find(|space| space.id == id);
            space.map_or_else(String::new, |space| space.name.clone())
        };
        let locks = doors
            .iter()
            .flat_map(|door| {
                let devices = devices.iter().filter(|d| d.space_id == Some(door.space));
                devices.map(|device| Lock {
                    space: name(door.space),
                    role: door.role,
                    device: device.id,
                    rules: device.rules(),
                })
            })
            .collect();
        let mut known_numbers: Vec<String> = ids.iter().map(|id| name(*id)).collect();
        known_numbers.extend(self.known_numbers.iter().cloned());
        Ok(Wish {
            locks,
            length: u8::try_from(self.policy.pin_length).unwrap_or(6),
            cooldown_days: self.policy.cooldown_days,
            window,
            known_numbers,
            current: None,
            avoid_current: false,
            asked: self.asked.clone(),
        })
    }
}
