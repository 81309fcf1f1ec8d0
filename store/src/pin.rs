//! PINs: sealed, found by keyed index, never two alike in a house at one time.

use crate::conn::{Conn, DbError, on};
use crate::schema::{device_pins, pins};
use crate::seal::{DataKey, Place, Sealer};
use crate::{device_pin, key};
use chrono::{DateTime, Duration, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use portal_domain::pin::{Lock, Others, Proof, Use};
use portal_domain::sql::Timestamp;
use portal_domain::{DeviceId, DeviceRule, KeychainId, PinId, PropertyId, ReservationId, Window};
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How long after its window a PIN stays nobody else's.
pub(crate) const REST: Duration = Duration::hours(24);

/// For whose sake a PIN is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// For a stay.
    Reservation(ReservationId),
    /// For a keychain made by hand. The PIN may be stored before it.
    Keychain(KeychainId),
}

impl For {
    /// The stay, if it is one.
    pub fn reservation(self) -> Option<ReservationId> {
        match self {
            Self::Reservation(id) => Some(id),
            Self::Keychain(_) => None,
        }
    }

    fn keychain(self) -> Option<KeychainId> {
        match self {
            Self::Reservation(_) => None,
            Self::Keychain(id) => Some(id),
        }
    }
}

/// A door code, without its digits.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pins)]
pub struct Pin {
    /// Identifier.
    pub id: PinId,
    /// Whose.
    pub property_id: PropertyId,
    /// How many digits.
    pub length: i32,
    /// How it was chosen, as JSON.
    pub proof: String,
    /// From when nobody else gets these digits.
    pub occupied_from: Timestamp,
    /// Until when.
    pub occupied_until: Timestamp,
    /// When it was replaced.
    pub retired_at: Option<Timestamp>,
}

impl Pin {
    /// How it was chosen.
    pub fn proof(&self) -> Proof {
        serde_json::from_str(&self.proof).unwrap_or(Proof {
            length: u8::try_from(self.length).unwrap_or(0),
            rules: Vec::new(),
            taken: 0,
            draws: 0,
            cooldown_days: 0,
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = pins)]
struct Row {
    id: PinId,
    property_id: PropertyId,
    reservation_id: Option<ReservationId>,
    keychain_id: Option<KeychainId>,
    sealed: Option<Vec<u8>>,
    code_index: Vec<u8>,
    length: i32,
    proof: String,
    occupied_from: Timestamp,
    occupied_until: Timestamp,
    retired_at: Option<Timestamp>,
    created_at: Timestamp,
}

fn place(property: PropertyId, id: PinId) -> Place {
    Place {
        table: "pins",
        column: "sealed",
        property,
        row: id.0,
    }
}

fn occupied(window: Window) -> (Timestamp, Timestamp) {
    let until = (window.until + REST).max(window.from);
    (Timestamp(window.from), Timestamp(until))
}

/// What other guests of a house use around a window. Knows no digits: codes are compared by index.
pub struct Uses {
    property: PropertyId,
    index: DataKey,
    codes: HashMap<Vec<u8>, Use>,
    /// PINs others hold in the window.
    taken: HashSet<PinId>,
    /// How these begin on devices that look at it, by index.
    beginnings: HashMap<DeviceId, HashSet<Vec<u8>>>,
}

impl std::fmt::Debug for Uses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uses").finish_non_exhaustive()
    }
}

impl Uses {
    /// Reads what others use, as far back as the longest cool-down, and whatever still sticks to a
    /// device.
    pub async fn read(
        conn: &mut Conn,
        sealer: &Sealer,
        property: PropertyId,
        window: Window,
        besides: Option<PinId>,
        cooldown_days: i32,
        now: DateTime<Utc>,
    ) -> Result<Self, DbError> {
        let index = key::index(conn, sealer, now).await?;
        let (from, until) = occupied(window);
        let back = Timestamp(window.from - Duration::days(cooldown_days.into()));
        let lingering = device_pin::lingering(conn, property).await?;
        let rows: Vec<(PinId, Vec<u8>, Timestamp, Timestamp)> = on!(conn, c => {
            pins::table
                .filter(pins::property_id.eq(property))
                .filter(
                    pins::occupied_until
                        .gt(back)
                        .and(pins::occupied_from.lt(until))
                        .or(pins::id.eq_any(&lingering)),
                )
                .select((pins::id, pins::code_index, pins::occupied_from, pins::occupied_until))
                .load(c)
                .await
        })?;
        let lingering: HashSet<PinId> = lingering.into_iter().collect();
        let mut codes = HashMap::new();
        let mut taken = HashSet::new();
        for (id, code, _, used_until) in rows {
            if Some(id) == besides {
                continue;
            }
            let this = if used_until > from || lingering.contains(&id) {
                taken.insert(id);
                Use::Taken
            } else {
                let days = (*from - *used_until).num_days();
                Use::Past {
                    days: i32::try_from(days).unwrap_or(i32::MAX),
                }
            };
            let known = codes.entry(code).or_insert(this);
            *known = match (*known, this) {
                (Use::Past { days: a }, Use::Past { days: b }) => Use::Past { days: a.min(b) },
                (Use::Free, other) => other,
                _ => Use::Taken,
            };
        }
        Ok(Self {
            property,
            index,
            codes,
            taken,
            beginnings: HashMap::new(),
        })
    }

    /// Reads, for locks that take each beginning once, how the codes on them begin. They are few, so
    /// that the codes are opened for it; no constraint says the same, only the order of the house's
    /// transactions.
    pub async fn with_beginnings(
        mut self,
        conn: &mut Conn,
        sealer: &Sealer,
        locks: &[Lock],
        now: DateTime<Utc>,
    ) -> Result<Self, DbError> {
        for lock in locks {
            for rule in &lock.rules {
                let DeviceRule::UniquePrefix(digits) = rule else {
                    continue;
                };
                let on_lock = device_pin::on_device(conn, self.property, lock.device).await?;
                let ids: Vec<PinId> = on_lock
                    .into_iter()
                    .map(|row| row.pin_id)
                    .filter(|id| self.taken.contains(id))
                    .collect();
                let codes = open(conn, sealer, self.property, &ids, now).await?;
                let index = &self.index;
                let beginnings = codes.values().map(|code| {
                    let code = code.expose_secret();
                    let beginning = code.get(..usize::from(*digits)).unwrap_or(code);
                    index.index("pins", "beginning", beginning)
                });
                self.beginnings
                    .entry(lock.device)
                    .or_default()
                    .extend(beginnings);
            }
        }
        Ok(self)
    }

    /// Whether others use a code.
    pub fn of(&self, code: &str) -> Use {
        let index = self.index.index("pins", "code", code);
        self.codes.get(&index).copied().unwrap_or(Use::Free)
    }
}

impl Others for Uses {
    fn code(&mut self, code: &str) -> Use {
        self.of(code)
    }

    fn begins(&mut self, device: DeviceId, beginning: &str) -> bool {
        self.beginnings
            .get(&device)
            .is_some_and(|held| held.contains(&self.index.index("pins", "beginning", beginning)))
    }
}

/// Seals and stores a PIN for a window.
///
/// `None` when another guest of the house took the code meanwhile: on `PostgreSQL` the transaction
/// is then over and must be tried again.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a column, or what seals it"
)]
pub async fn insert(
    conn: &mut Conn,
    sealer: &Sealer,
    property: PropertyId,
    whose: For,
    code: &SecretString,
    proof: &Proof,
    window: Window,
    now: DateTime<Utc>,
) -> Result<Option<PinId>, DbError> {
    let id = PinId::new();
    let data_key = key::pins(conn, sealer, property, now).await?;
    let index = key::index(conn, sealer, now).await?;
    let (occupied_from, occupied_until) = occupied(window);
    let row = Row {
        id,
        property_id: property,
        reservation_id: whose.reservation(),
        keychain_id: whose.keychain(),
        sealed: Some(data_key.seal(place(property, id), code.expose_secret())?),
        code_index: index.index("pins", "code", code.expose_secret()),
        length: i32::try_from(code.expose_secret().len()).unwrap_or(i32::MAX),
        proof: serde_json::to_string(proof).unwrap_or_default(),
        occupied_from,
        occupied_until,
        retired_at: None,
        created_at: now.into(),
    };
    let inserted = on!(conn, c => diesel::insert_into(pins::table).values(&row).execute(c).await);
    Ok(unless_taken(inserted)?.then_some(id))
}

/// Keeps a PIN for another window. False when another guest has the code then; the same caution as
/// with [`insert`] holds.
pub async fn occupy(
    conn: &mut Conn,
    property: PropertyId,
    id: PinId,
    window: Window,
) -> Result<bool, DbError> {
    let (from, until) = occupied(window);
    let updated = on!(conn, c => {
        diesel::update(
            pins::table
                .filter(pins::property_id.eq(property))
                .filter(pins::id.eq(id)),
        )
        .set((pins::occupied_from.eq(from), pins::occupied_until.eq(until)))
        .execute(c)
        .await
    });
    unless_taken(updated)
}

/// PINs that a device has not forgotten, or cannot, and that would be anybody's before then.
pub async fn running_out(
    conn: &mut Conn,
    before: DateTime<Utc>,
) -> QueryResult<Vec<(PropertyId, PinId)>> {
    let mut found = Vec::new();
    for status in device_pin::LINGERS {
        let rows: Vec<(PropertyId, PinId)> = on!(conn, c => {
            device_pins::table
                .inner_join(pins::table.on(pins::id.eq(device_pins::pin_id)))
                .filter(sql::<Bool>(status))
                .filter(pins::occupied_until.le(Timestamp(before)))
                .select((pins::property_id, pins::id))
                .load(c)
                .await
        })?;
        found.extend(rows);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Other PINs with the same digits that are somebody's between the end of this one's time and `until`.
pub async fn alike(
    conn: &mut Conn,
    property: PropertyId,
    id: PinId,
    until: DateTime<Utc>,
) -> QueryResult<Vec<PinId>> {
    on!(conn, c => {
        let this: Option<(Vec<u8>, Timestamp)> = pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::id.eq(id))
            .select((pins::code_index, pins::occupied_until))
            .first(c)
            .await
            .optional()?;
        let Some((code, from)) = this else {
            return Ok(Vec::new());
        };
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::code_index.eq(code))
            .filter(pins::id.ne(id))
            .filter(pins::occupied_from.lt(Timestamp(until)))
            .filter(pins::occupied_until.gt(from))
            .filter(pins::occupied_from.lt(pins::occupied_until))
            .select(pins::id)
            .load(c)
            .await
    })
}

/// Lets go of the time of PINs: they are nobody's any more.
pub async fn release(conn: &mut Conn, property: PropertyId, ids: &[PinId]) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            pins::table
                .filter(pins::property_id.eq(property))
                .filter(pins::id.eq_any(ids)),
        )
        .set(pins::occupied_until.eq(pins::occupied_from))
        .execute(c)
        .await
    })
}

/// Makes a PIN's time longer. False when another guest has the code then; the same caution as with
/// [`insert`] holds.
pub async fn extend(
    conn: &mut Conn,
    property: PropertyId,
    id: PinId,
    until: DateTime<Utc>,
) -> Result<bool, DbError> {
    let updated = on!(conn, c => {
        diesel::update(
            pins::table
                .filter(pins::property_id.eq(property))
                .filter(pins::id.eq(id))
                .filter(pins::occupied_until.lt(Timestamp(until))),
        )
        .set(pins::occupied_until.eq(Timestamp(until)))
        .execute(c)
        .await
    });
    unless_taken(updated)
}

/// Whether it was written: false when another guest of the house has the code then.
fn unless_taken(written: QueryResult<usize>) -> Result<bool, DbError> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if is_taken(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_taken(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::Unknown | DatabaseErrorKind::ExclusionViolation,
            info,
        ) => {
            info.constraint_name() == Some("pins_one_at_a_time")
                || info.message().contains("pins_one_at_a_time")
        }
        _ => false,
    }
}

/// Notes that a PIN was replaced; it is nobody else's until its window is over.
pub async fn retire(
    conn: &mut Conn,
    property: PropertyId,
    id: PinId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            pins::table
                .filter(pins::property_id.eq(property))
                .filter(pins::id.eq(id)),
        )
        .set(pins::retired_at.eq(Timestamp(now)))
        .execute(c)
        .await
    })
}

/// Opens PINs, just before they are sent or shown. Erased ones are left out.
pub async fn open(
    conn: &mut Conn,
    sealer: &Sealer,
    property: PropertyId,
    ids: &[PinId],
    now: DateTime<Utc>,
) -> Result<BTreeMap<PinId, SecretString>, DbError> {
    let rows: Vec<(PinId, Option<Vec<u8>>)> = on!(conn, c => {
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::id.eq_any(ids))
            .select((pins::id, pins::sealed))
            .load(c)
            .await
    })?;
    let mut codes = BTreeMap::new();
    if rows.is_empty() {
        return Ok(codes);
    }
    let data_key = key::pins(conn, sealer, property, now).await?;
    for (id, sealed) in rows {
        if let Some(sealed) = sealed {
            codes.insert(id, data_key.open(place(property, id), &sealed)?);
        }
    }
    Ok(codes)
}

/// Every PIN that was ever chosen for a reservation.
pub async fn of_reservation(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
) -> QueryResult<Vec<PinId>> {
    on!(conn, c => {
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::reservation_id.eq(reservation))
            .select(pins::id)
            .load(c)
            .await
    })
}

/// The PINs that were chosen for a reservation and replaced since.
pub async fn retired(
    conn: &mut Conn,
    property: PropertyId,
    reservation: ReservationId,
) -> QueryResult<Vec<PinId>> {
    on!(conn, c => {
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::reservation_id.eq(reservation))
            .filter(pins::retired_at.is_not_null())
            .select(pins::id)
            .load(c)
            .await
    })
}

/// Every PIN a keychain made by hand ever had.
pub async fn of_keychain(
    conn: &mut Conn,
    property: PropertyId,
    keychain: KeychainId,
) -> QueryResult<Vec<PinId>> {
    on!(conn, c => {
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::keychain_id.eq(keychain))
            .select(pins::id)
            .load(c)
            .await
    })
}

/// The reservations these PINs were chosen for, without those of staff.
pub async fn reservations(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[PinId],
) -> QueryResult<Vec<(PinId, ReservationId)>> {
    on!(conn, c => {
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::id.eq_any(ids))
            .filter(pins::reservation_id.is_not_null())
            .select((pins::id, pins::reservation_id.assume_not_null()))
            .load(c)
            .await
    })
}

/// PINs by id, without their digits. Erased ones are left out.
pub async fn by_ids(conn: &mut Conn, property: PropertyId, ids: &[PinId]) -> QueryResult<Vec<Pin>> {
    on!(conn, c => {
        pins::table
            .filter(pins::property_id.eq(property))
            .filter(pins::id.eq_any(ids))
            .filter(pins::sealed.is_not_null())
            .select(Pin::as_select())
            .load(c)
            .await
    })
}
