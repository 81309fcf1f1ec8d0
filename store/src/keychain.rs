//! Keychains and their doors.

use crate::conn::{Conn, on};
use crate::device_pin::DevicePin;
use crate::event::Actor;
use crate::page::{Page, paged};
use crate::schema::{keychain_doors, keychains};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::access::Door;
use portal_domain::sql::Timestamp;
use portal_domain::{
    ActorKind, DeviceId, KeychainDoorRole, KeychainId, KeychainProvisioning, KeychainStatus, PinId,
    PropertyId, ReservationId, SpaceId, Window,
};

/// The access made for one reservation.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = keychains)]
#[diesel(treat_none_as_null = true)]
pub struct Keychain {
    /// Identifier.
    pub id: KeychainId,
    /// Whose.
    pub property_id: PropertyId,
    /// For which reservation. None: a person made it for staff.
    pub reservation_id: Option<ReservationId>,
    /// Whom it was made for by hand. Empty once that is erased.
    pub holder: Option<String>,
    /// The space of the main room.
    pub main_space_id: SpaceId,
    /// Its PIN.
    pub pin_id: PinId,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// The scheduled end of the stay that its end was computed from.
    pub scheduled_until: Timestamp,
    /// Counts changes of doors, times and PIN.
    pub generation: i32,
    /// When it was taken away.
    pub revoked_at: Option<Timestamp>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// What kind of actor that was.
    pub revoked_by_kind: Option<ActorKind>,
    /// Why.
    pub revoke_reason: Option<String>,
    /// The keychain that replaced it in mid-stay.
    pub superseded_by: Option<KeychainId>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Keychain {
    /// From when until when.
    pub fn window(&self) -> Window {
        Window {
            from: *self.starts_at,
            until: *self.ends_at,
        }
    }

    /// Where it is in its life.
    pub fn status(&self, now: DateTime<Utc>) -> KeychainStatus {
        KeychainStatus::at(now, self.window(), self.revoked_at.is_some())
    }

    /// Notes that it was taken away, by whom and why.
    pub fn revoke(&mut self, by: &Actor, reason: Option<&str>, now: DateTime<Utc>) {
        self.revoked_at = Some(now.into());
        self.revoked_by = Some(by.name.clone());
        self.revoked_by_kind = Some(by.kind);
        self.revoke_reason = reason.map(str::to_owned);
        self.generation += 1;
    }

    /// Forgets that it was taken away. Answers the reason that was given.
    pub fn give_back(&mut self) -> Option<String> {
        self.revoked_at = None;
        self.revoked_by = None;
        self.revoked_by_kind = None;
        self.revoke_reason.take()
    }

    /// How far the locks have got with it: `rows` are those of its PIN, `installed` the devices
    /// behind its doors.
    pub fn provisioning(
        &self,
        rows: &[DevicePin],
        installed: &[DeviceId],
        now: DateTime<Utc>,
    ) -> KeychainProvisioning {
        let over = self.status(now).is_over();
        let rows = rows.iter().filter(|row| {
            if over {
                // A keychain that follows may use the same PIN: that copy is not ours to count. One
                // whose time has run out is, though nobody has asked the lock to forget it yet.
                row.desired().is_none_or(|window| window.until <= now)
            } else {
                installed.contains(&row.device_id)
            }
        });
        KeychainProvisioning::of(over, rows.map(|row| row.status))
    }
}

/// One door of a keychain.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = keychain_doors)]
pub struct KeychainDoor {
    /// Which keychain.
    pub keychain_id: KeychainId,
    /// Whose.
    pub property_id: PropertyId,
    /// The space behind it.
    pub space_id: SpaceId,
    /// Why it opens.
    pub role: KeychainDoorRole,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

impl KeychainDoor {
    /// Its place among the doors of a keychain: the main one first, then the way up, then what is
    /// linked.
    pub fn place(&self) -> (u8, SpaceId) {
        (self.role as u8, self.space_id)
    }

    /// The door as the decision names it.
    pub fn door(&self) -> Door {
        Door {
            space: self.space_id,
            role: self.role,
        }
    }
}

/// Adds a keychain.
pub async fn insert(conn: &mut Conn, keychain: &Keychain) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::insert_into(keychains::table).values(keychain).execute(c).await
    })
}

/// Stores every column of a keychain. Hold the lock of its reservation.
pub async fn save(conn: &mut Conn, keychain: &Keychain) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            keychains::table
                .filter(keychains::property_id.eq(keychain.property_id))
                .filter(keychains::id.eq(keychain.id)),
        )
        .set(keychain)
        .execute(c)
        .await
    })
}

/// Replaces the doors of a keychain. All open for the keychain's own window.
pub async fn set_doors(conn: &mut Conn, keychain: &Keychain, doors: &[Door]) -> QueryResult<()> {
    on!(conn, c => {
        diesel::delete(
            keychain_doors::table
                .filter(keychain_doors::property_id.eq(keychain.property_id))
                .filter(keychain_doors::keychain_id.eq(keychain.id)),
        )
        .execute(c)
        .await
    })?;
    for door in doors {
        let row = KeychainDoor {
            keychain_id: keychain.id,
            property_id: keychain.property_id,
            space_id: door.space,
            role: door.role,
            starts_at: keychain.starts_at,
            ends_at: keychain.ends_at,
        };
        on!(conn, c => diesel::insert_into(keychain_doors::table).values(&row).execute(c).await)?;
    }
    Ok(())
}

/// The keychains of these reservations that nothing replaced, at most one each.
pub async fn current(
    conn: &mut Conn,
    property: PropertyId,
    reservations: &[ReservationId],
) -> QueryResult<Vec<Keychain>> {
    on!(conn, c => {
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::reservation_id.eq_any(reservations))
            .filter(keychains::superseded_by.is_null())
            .select(Keychain::as_select())
            .load(c)
            .await
    })
}

/// Every keychain a reservation ever had.
pub async fn ever_of(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
) -> QueryResult<Vec<Keychain>> {
    on!(conn, c => {
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::reservation_id.eq(reservation))
            .select(Keychain::as_select())
            .load(c)
            .await
    })
}

/// The keychains of a reservation that others replaced and that open after `now`.
pub async fn superseded(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Keychain>> {
    on!(conn, c => {
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::reservation_id.eq(reservation))
            .filter(keychains::superseded_by.is_not_null())
            .filter(keychains::revoked_at.is_null())
            .filter(keychains::ends_at.gt(Timestamp(now)))
            .select(Keychain::as_select())
            .load(c)
            .await
    })
}

/// Keychains made by hand that open one of these spaces and are not over.
pub async fn by_hand_in(
    conn: &mut Conn,
    property: PropertyId,
    space: SpaceId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Keychain>> {
    let all = opening(conn, property, space, now).await?;
    Ok(all
        .into_iter()
        .filter(|keychain| keychain.holder.is_some())
        .collect())
}

/// Every keychain with one of these PINs.
pub async fn of_pins(
    conn: &mut Conn,
    property: PropertyId,
    pins: &[PinId],
) -> QueryResult<Vec<Keychain>> {
    on!(conn, c => {
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::pin_id.eq_any(pins))
            .select(Keychain::as_select())
            .load(c)
            .await
    })
}

/// The PINs of every keychain a reservation ever had.
pub async fn pins_of(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
) -> QueryResult<Vec<PinId>> {
    on!(conn, c => {
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::reservation_id.eq(reservation))
            .select(keychains::pin_id)
            .distinct()
            .load(c)
            .await
    })
}

/// Every keychain with this PIN.
pub async fn of_pin(
    conn: &mut Conn,
    property: PropertyId,
    pin: PinId,
) -> QueryResult<Vec<Keychain>> {
    of_pins(conn, property, &[pin]).await
}

/// Keychains by id.
pub async fn by_ids(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[KeychainId],
) -> QueryResult<Vec<Keychain>> {
    on!(conn, c => {
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::id.eq_any(ids))
            .select(Keychain::as_select())
            .load(c)
            .await
    })
}

/// The doors of these keychains.
pub async fn doors(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[KeychainId],
) -> QueryResult<Vec<KeychainDoor>> {
    on!(conn, c => {
        keychain_doors::table
            .filter(keychain_doors::property_id.eq(property))
            .filter(keychain_doors::keychain_id.eq_any(ids))
            .select(KeychainDoor::as_select())
            .load(c)
            .await
    })
}

/// The keychains that open a space and are not over.
pub async fn opening(
    conn: &mut Conn,
    property: PropertyId,
    space: SpaceId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Keychain>> {
    on!(conn, c => {
        let doors = keychain_doors::table
            .filter(keychain_doors::property_id.eq(property))
            .filter(keychain_doors::space_id.eq(space))
            .select(keychain_doors::keychain_id);
        keychains::table
            .filter(keychains::property_id.eq(property))
            .filter(keychains::id.eq_any(doors))
            .filter(keychains::revoked_at.is_null())
            .filter(keychains::ends_at.gt(Timestamp(now)))
            .select(Keychain::as_select())
            .load(c)
            .await
    })
}

/// Which keychains to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these statuses; empty: any.
    pub status: Vec<KeychainStatus>,
    /// Only those of this reservation.
    pub reservation: Option<ReservationId>,
}

/// A page of a property's keychains, by start.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    filter: &Filter,
    now: DateTime<Utc>,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<Keychain>> {
    let now = Timestamp(now);
    let wants = |status| filter.status.is_empty() || filter.status.contains(&status);
    on!(conn, c => {
        let mut query = keychains::table
            .filter(keychains::property_id.eq(property))
            .select(Keychain::as_select())
            .into_boxed();
        if let Some(reservation) = filter.reservation {
            query = query.filter(keychains::reservation_id.eq(reservation));
        }
        if !wants(KeychainStatus::Revoked) {
            query = query.filter(keychains::revoked_at.is_null());
        }
        let revoked = keychains::revoked_at.is_not_null();
        if !wants(KeychainStatus::Upcoming) {
            query = query.filter(revoked.or(keychains::starts_at.le(now)));
        }
        if !wants(KeychainStatus::Current) {
            query = query.filter(
                revoked.or(keychains::starts_at.gt(now)).or(keychains::ends_at.le(now)),
            );
        }
        if !wants(KeychainStatus::Past) {
            query = query.filter(revoked.or(keychains::ends_at.gt(now)));
        }
        paged!(query, keychains::starts_at, keychains::id, page).load(c).await
    })
}
