//! Changes people make that concern the keychains of many reservations: what is stored, logged and
//! audited, and whom they concern. A mutation makes one at once; a plan tries one first.

use crate::reconcile_access::facts;
use crate::{Env, ROOM_GONE, staff_access, trigger};
use chrono::{DateTime, Utc};
use portal_domain::access::{self, Decision};
use portal_domain::{
    AppCategory, DeviceId, EventKind, IntegrationId, IntegrationStatus, Policy, PropertyId,
    PropertyMode, ReservationId, RoomId, SpaceId, SubjectKind, SyncState, UserId,
};
use portal_store::audit::{self, NewEntry};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::keychain::{self, Keychain, KeychainDoor};
use portal_store::reservation::{self, Concerned, Reservation};
use portal_store::{Conn, DbError, Tx, device, integration, problem, property, room, space_link};
use serde::{Deserialize, Serialize};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub enum Change {
    /// A room is mapped to a space.
    RoomMap {
        /// The room.
        room: RoomId,
        /// The space.
        space: SpaceId,
    },
    /// A mapping is taken away.
    RoomUnmap {
        /// The room.
        room: RoomId,
    },
    /// A device is installed.
    DeviceInstall {
        /// The device.
        device: DeviceId,
        /// Where.
        space: SpaceId,
    },
    /// A device is taken out of its space.
    DeviceRemove {
        /// The device.
        device: DeviceId,
    },
    /// A common area opens together with a main room.
    SpaceLink {
        /// The main room.
        main: SpaceId,
        /// The common area.
        linked: SpaceId,
    },
    /// It no longer does.
    SpaceUnlink {
        /// The main room.
        main: SpaceId,
        /// The common area.
        linked: SpaceId,
    },
    /// The property gives access in another way.
    PolicyUpdate {
        /// The whole new policy.
        policy: Policy,
        /// For how many days a past guest is kept. None: as it is.
        #[serde(default)]
        retention_days: Option<i32>,
    },
    /// The property goes live, or back into preparation.
    SetMode {
        /// The mode.
        mode: PropertyMode,
    },
    /// An integration is disconnected. Only planned here: disconnecting erases a token.
    IntegrationDisconnect {
        /// The integration.
        integration: IntegrationId,
    },
    /// An integration gets a new token of its account, and has caught up. Only planned here: a token
    /// is written nowhere but where it is kept.
    IntegrationReconnect {
        /// The integration.
        integration: IntegrationId,
    },
    /// A reservation gets another room. Only planned here: the PMS assigns rooms.
    RoomAssign {
        /// The reservation.
        reservation: ReservationId,
        /// The room.
        room: RoomId,
    },
}

/// Who makes a change, and why.
#[derive(Debug, Clone)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// The person, where it is one.
    pub user: Option<UserId>,
    /// Why.
    pub reason: Option<&'a str>,
}

impl Change {
    /// Whether Portal can make it, or only tell what it would do.
    pub fn is_ours(&self) -> bool {
        !matches!(
            self,
            Self::IntegrationDisconnect { .. }
                | Self::IntegrationReconnect { .. }
                | Self::RoomAssign { .. }
        )
    }

    /// Keychains of guests in the house that would lose a door by it.
    pub async fn guests(
        &self,
        conn: &mut Conn,
        property: PropertyId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Keychain>, DbError> {
        let rooms = match self {
            Self::RoomUnmap { room } => vec![*room],
            Self::DeviceRemove { device } => {
                let Some(space) = space_of(conn, property, *device).await? else {
                    return Ok(Vec::new());
                };
                // Another lock on the same door keeps it open for everyone.
                if device::in_spaces(conn, property, &[space]).await?.len() > 1 {
                    return Ok(Vec::new());
                }
                trigger::rooms_behind(conn, property, space).await?
            }
            Self::SpaceUnlink { main, .. } => room::mapped_to(conn, property, *main).await?,
            _ => return Ok(Vec::new()),
        };
        let mut guests = in_house(conn, property, &rooms).await?;
        for kept in self.kept(conn, property, now).await? {
            if guests.iter().all(|keychain| keychain.id != kept.id) {
                guests.push(kept);
            }
        }
        Ok(guests)
    }

    /// How many guests in the house lose a door by it though they keep their room, now that it is made:
    /// a nearer door became the main one, and what was linked to the other is not linked to it.
    pub async fn loses(
        &self,
        tx: &mut Tx,
        property: PropertyId,
        concerned: &[ReservationId],
        now: DateTime<Utc>,
    ) -> Result<usize, DbError> {
        if !matches!(self, Self::RoomMap { .. } | Self::DeviceInstall { .. }) {
            return Ok(0);
        }
        let Some(house) = property::by_id(tx, property).await? else {
            return Ok(0);
        };
        let mut stays = reservation::by_ids(tx, property, concerned).await?;
        stays.retain(Reservation::in_house);
        let mut lose = 0;
        for stay in stays {
            let found = keychain::current(tx, property, &[stay.id]).await?.pop();
            let Some(keychain) = found.filter(|keychain| !keychain.status(now).is_over()) else {
                continue;
            };
            let facts = facts(tx, &house, &stay).await?;
            let Decision::Grant(access) = access::decide(&facts, now) else {
                continue;
            };
            let has = keychain::doors(tx, property, &[keychain.id]).await?;
            let keeps =
                |door: &KeychainDoor| access.doors.iter().any(|to| to.space == door.space_id);
            lose += usize::from(!has.iter().all(keeps));
        }
        Ok(lose)
    }

    /// The keychains that guests in the house keep although their room was unassigned or leads to
    /// no space any more: no room tells of them, the door does.
    async fn kept(
        &self,
        conn: &mut Conn,
        property: PropertyId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Keychain>, DbError> {
        let space = match self {
            Self::RoomUnmap { room } => {
                let mapped = room::mappings(conn, property, &[*room]).await?;
                mapped.first().map(|(_, space)| *space)
            }
            Self::DeviceRemove { device } => space_of(conn, property, *device).await?,
            Self::SpaceUnlink { linked, .. } => Some(*linked),
            _ => None,
        };
        let Some(space) = space else {
            return Ok(Vec::new());
        };
        let open = keychain::opening(conn, property, space, now).await?;
        let ids: Vec<_> = open.iter().filter_map(|k| k.reservation_id).collect();
        let stays = reservation::by_ids(conn, property, &ids).await?;
        let is_kept = |keychain: &Keychain| {
            let stay = stays
                .iter()
                .find(|stay| Some(stay.id) == keychain.reservation_id);
            let of_change = match self {
                Self::SpaceUnlink { main, .. } => keychain.main_space_id == *main,
                Self::RoomUnmap { .. } => stay.is_some_and(|stay| stay.room_id.is_none()),
                _ => true,
            };
            of_change && keychain.superseded_by.is_none() && stay.is_some_and(Reservation::in_house)
        };
        Ok(open.into_iter().filter(is_kept).collect())
    }

    /// Whom it concerns: the decision about each has to follow. Ask before it is made.
    pub async fn concerned(
        &self,
        conn: &mut Conn,
        property: PropertyId,
        now: DateTime<Utc>,
    ) -> Result<Vec<ReservationId>, DbError> {
        let mut concerned = match self {
            Self::RoomMap { room, .. } | Self::RoomUnmap { room } => {
                of_rooms(conn, property, &[*room]).await?
            }
            Self::DeviceInstall { space, .. } => of_space(conn, property, *space).await?,
            Self::DeviceRemove { device } => match space_of(conn, property, *device).await? {
                Some(space) => of_space(conn, property, space).await?,
                None => Vec::new(),
            },
            Self::SpaceLink { main, .. } | Self::SpaceUnlink { main, .. } => {
                let rooms = room::mapped_to(conn, property, *main).await?;
                of_rooms(conn, property, &rooms).await?
            }
            // How long guests are kept gives nobody more or less access.
            Self::PolicyUpdate { policy, .. } if is_policy(conn, property, policy).await? => {
                Vec::new()
            }
            Self::PolicyUpdate { .. } | Self::SetMode { .. } => {
                reservation::open_of(conn, property, &Concerned::All).await?
            }
            Self::IntegrationDisconnect { integration }
            | Self::IntegrationReconnect { integration } => {
                let concerned = Concerned::Integration(*integration);
                reservation::open_of(conn, property, &concerned).await?
            }
            Self::RoomAssign { reservation, .. } => vec![*reservation],
        };
        let guests = self.guests(conn, property, now).await?;
        concerned.extend(guests.iter().filter_map(|keychain| keychain.reservation_id));
        concerned.sort_unstable();
        concerned.dedup();
        Ok(concerned)
    }

    /// Stores, logs and audits it. Guests in the house lose access only where `by` gives a reason; ask
    /// [`Self::guests`] before.
    pub async fn make(
        &self,
        tx: &mut Tx,
        env: &Env,
        property: PropertyId,
        by: &By<'_>,
    ) -> Result<(), DbError> {
        let now = env.now();
        match self {
            Self::RoomMap { room, space } => {
                room::map(tx, property, *room, *space, by.user, now).await?;
                let entry = NewEntry::new("roomMap", SubjectKind::Room, *room);
                let event = NewEvent::new(EventKind::RoomMapped, SubjectKind::Room, *room);
                let (entry, event) = (entry.after("space", space), event.with("space", space));
                by.note(tx, property, now, entry, [event]).await?;
            }
            Self::RoomUnmap { room } => {
                self.end_in_house(tx, property, by, now).await?;
                let was = room::mappings(tx, property, &[*room]).await?;
                let space = was
                    .first()
                    .map_or_else(String::new, |(_, id)| id.to_string());
                room::unmap(tx, property, *room).await?;
                let subject = room.to_string();
                let gone = problem::resolve(tx, property, ROOM_GONE, &subject, now).await?;
                let entry = NewEntry::new("roomUnmap", SubjectKind::Room, *room);
                let event = NewEvent::new(EventKind::RoomUnmapped, SubjectKind::Room, *room);
                let (entry, event) = (entry.before("space", &space), event.with("space", &space));
                let events = std::iter::once(event).chain(gone);
                by.note(tx, property, now, entry, events).await?;
            }
            Self::DeviceInstall { device, space } => {
                self.install(tx, env, property, *device, Some(*space), by)
                    .await?;
            }
            Self::DeviceRemove { device } => {
                if space_of(tx, property, *device).await?.is_some() {
                    self.end_in_house(tx, property, by, now).await?;
                    self.install(tx, env, property, *device, None, by).await?;
                }
            }
            Self::SpaceLink { main, linked } => {
                space_link::insert(tx, property, *main, *linked, by.user, now).await?;
                self.link(tx, env, property, (*main, *linked), by).await?;
            }
            Self::SpaceUnlink { main, linked } => {
                space_link::delete(tx, property, *main, *linked).await?;
                self.link(tx, env, property, (*main, *linked), by).await?;
            }
            Self::PolicyUpdate {
                policy,
                retention_days,
            } => {
                self.set_policy(tx, env, property, (policy, *retention_days), by)
                    .await?;
            }
            Self::SetMode { mode } => {
                self.set_mode(tx, env, property, *mode, by).await?;
            }
            Self::IntegrationDisconnect { integration } => {
                if let Some(mut row) = integration::lock(tx, property, *integration).await? {
                    row.status = IntegrationStatus::Disconnected;
                    integration::save(tx, &row).await?;
                }
            }
            Self::IntegrationReconnect { integration } => {
                if let Some(mut row) = integration::lock(tx, property, *integration).await? {
                    row.status = IntegrationStatus::Connected;
                    if row.category == AppCategory::Pms {
                        row.sync_state = Some(SyncState::Current);
                    }
                    integration::save(tx, &row).await?;
                }
            }
            Self::RoomAssign { reservation, room } => {
                if let Some(mut row) = reservation::lock(tx, property, *reservation).await? {
                    row.room_id = Some(*room);
                    row.revision += 1;
                    reservation::save(tx, &row).await?;
                }
            }
        }
        Ok(())
    }

    async fn set_mode(
        &self,
        tx: &mut Tx,
        env: &Env,
        property: PropertyId,
        mode: PropertyMode,
        by: &By<'_>,
    ) -> Result<(), DbError> {
        property::set_mode(tx, property, mode).await?;
        let action = match mode {
            PropertyMode::Live => "propertyGoLive",
            PropertyMode::Setup => "propertyEnterSetup",
        };
        let subject = SubjectKind::Property;
        let entry = NewEntry::new(action, subject, property).after("mode", mode);
        let event = NewEvent::new(EventKind::PropertyModeChanged, subject, property);
        by.note(tx, property, env.now(), entry, [event.with("mode", mode)])
            .await
    }

    async fn install(
        &self,
        tx: &mut Tx,
        env: &Env,
        property: PropertyId,
        id: DeviceId,
        to: Option<SpaceId>,
        by: &By<'_>,
    ) -> Result<(), DbError> {
        let now = env.now();
        let Some(mut row) = device::lock(tx, property, id).await? else {
            return Ok(());
        };
        let from = row.space_id;
        row.space_id = to;
        row.installed_at = to.map(|_| now.into());
        row.installed_by = to.map(|_| by.actor.name.clone());
        device::put(tx, &row).await?;
        let (action, kind) = match to {
            Some(_) => ("deviceInstall", EventKind::DeviceInstalled),
            None => ("deviceRemove", EventKind::DeviceRemoved),
        };
        let entry = NewEntry::new(action, SubjectKind::Device, id);
        let entry = match (from, to) {
            (_, Some(to)) => entry.after("space", to),
            (Some(from), None) => entry.before("space", from),
            (None, None) => entry,
        };
        let mut event = NewEvent::new(kind, SubjectKind::Device, id);
        if let Some(space) = to.or(from) {
            event = event.with("space", space);
        }
        by.note(tx, property, now, entry, [event]).await?;
        if let Some(space) = to.or(from) {
            staff_access::in_space(tx, property, space, now).await?;
        }
        Ok(())
    }

    async fn link(
        &self,
        tx: &mut Tx,
        env: &Env,
        property: PropertyId,
        (main, linked): (SpaceId, SpaceId),
        by: &By<'_>,
    ) -> Result<(), DbError> {
        let (action, kind) = match self {
            Self::SpaceLink { .. } => ("spaceLink", EventKind::SpaceLinked),
            _ => ("spaceUnlink", EventKind::SpaceUnlinked),
        };
        let entry = NewEntry::new(action, SubjectKind::Space, main);
        let entry = match kind {
            EventKind::SpaceLinked => entry.after("linkedSpace", linked),
            _ => entry.before("linkedSpace", linked),
        };
        let event = NewEvent::new(kind, SubjectKind::Space, main).with("linkedSpace", linked);
        by.note(tx, property, env.now(), entry, [event]).await
    }

    async fn set_policy(
        &self,
        tx: &mut Tx,
        env: &Env,
        property: PropertyId,
        (policy, retention_days): (&Policy, Option<i32>),
        by: &By<'_>,
    ) -> Result<(), DbError> {
        let Some(was) = property::by_id(tx, property).await? else {
            return Ok(());
        };
        let now = env.now();
        let mut version = was.policy_version;
        let mut differences = was.policy().differences(policy);
        if !differences.is_empty() {
            property::set_policy(tx, &was, policy, &by.actor.name, now).await?;
            version += 1;
        }
        if let Some(days) = retention_days.filter(|days| *days != was.retention_days) {
            property::set_retention(tx, property, days, now).await?;
            let (before, after) = (was.retention_days.to_string(), days.to_string());
            differences.push(("retentionDays", before, after));
        }
        if differences.is_empty() {
            return Ok(());
        }
        let subject = SubjectKind::Property;
        let entry = NewEntry::new("policyUpdate", subject, property).after("version", version);
        let entry = differences
            .iter()
            .fold(entry, |entry, (field, before, after)| {
                entry.before(field, before).after(field, after)
            });
        let event = NewEvent::new(EventKind::PolicyChanged, subject, property);
        let event = event.with("version", version);
        by.note(tx, property, now, entry, [event]).await
    }

    /// Ends the access of guests in the house whose main door goes, as a person agreed to with a
    /// reason. Portal by itself never does. A common area is one door among others: the decision
    /// takes it off.
    async fn end_in_house(
        &self,
        tx: &mut Tx,
        property: PropertyId,
        by: &By<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let gone = match self {
            Self::DeviceRemove { device } => space_of(tx, property, *device).await?,
            _ => None,
        };
        for mut keychain in self.guests(tx, property, now).await? {
            if gone.is_some_and(|space| space != keychain.main_space_id) {
                continue;
            }
            keychain.revoke(by.actor, by.reason, now);
            keychain::save(tx, &keychain).await?;
            let event = NewEvent::new(
                EventKind::KeychainRevoked,
                SubjectKind::Keychain,
                keychain.id,
            );
            event::publish(tx, property, by.actor, now, vec![event]).await?;
        }
        Ok(())
    }
}

impl<'a> By<'a> {
    /// Somebody who gives no reason.
    pub fn of(actor: &'a Actor) -> Self {
        Self {
            actor,
            user: None,
            reason: None,
        }
    }

    /// With the reason.
    #[must_use]
    pub fn because(self, reason: Option<&'a str>) -> Self {
        Self { reason, ..self }
    }

    /// Writes what was done into the audit log, with the reason, and what happened into the log.
    pub(crate) async fn note(
        &self,
        tx: &mut Tx,
        property: PropertyId,
        now: DateTime<Utc>,
        mut entry: NewEntry,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<(), DbError> {
        if let Some(reason) = self.reason {
            entry = entry.because(reason);
        }
        audit::write(tx, property, self.actor, now, entry).await?;
        let events = events.into_iter().collect();
        event::publish(tx, property, self.actor, now, events).await?;
        Ok(())
    }
}

/// Whether access is given by this policy already.
async fn is_policy(
    conn: &mut Conn,
    property: PropertyId,
    policy: &Policy,
) -> Result<bool, DbError> {
    let house = property::by_id(conn, property).await?;
    Ok(house.is_some_and(|house| house.policy() == *policy))
}

async fn space_of(
    conn: &mut Conn,
    property: PropertyId,
    device: DeviceId,
) -> Result<Option<SpaceId>, DbError> {
    let found = device::by_ids(conn, property, &[device]).await?.pop();
    Ok(found.and_then(|device| device.space_id))
}

async fn of_rooms(
    conn: &mut Conn,
    property: PropertyId,
    rooms: &[RoomId],
) -> Result<Vec<ReservationId>, DbError> {
    let rooms = room::with_parts(conn, property, rooms).await?;
    Ok(reservation::open_of(conn, property, &Concerned::Rooms(rooms)).await?)
}

async fn of_space(
    conn: &mut Conn,
    property: PropertyId,
    space: SpaceId,
) -> Result<Vec<ReservationId>, DbError> {
    let rooms = trigger::rooms_behind(conn, property, space).await?;
    of_rooms(conn, property, &rooms).await
}

/// The keychains guests in the house have because of these rooms.
async fn in_house(
    conn: &mut Conn,
    property: PropertyId,
    rooms: &[RoomId],
) -> Result<Vec<Keychain>, DbError> {
    let open = of_rooms(conn, property, rooms).await?;
    let rows = reservation::by_ids(conn, property, &open).await?;
    let guests: Vec<_> = rows
        .iter()
        .filter(|row| row.in_house())
        .map(|row| row.id)
        .collect();
    let keychains = keychain::current(conn, property, &guests).await?;
    Ok(keychains
        .into_iter()
        .filter(|keychain| keychain.revoked_at.is_none())
        .collect())
}
