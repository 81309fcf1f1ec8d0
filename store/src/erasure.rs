//! Erasing guests: some time after a stay no name of a guest and no PIN that can be read is left.
//!
//! What can name a guest or hold a PIN, and what becomes of it:
//!
//! | where | what |
//! |---|---|
//! | `reservations.guest_name`, `guest_key` | emptied, set to null |
//! | `pins.sealed` | set to null; `code_index`, a keyed hash, stays for the cool-down |
//! | `keychains.holder` | emptied |
//! | `pin_pushes.error_said`, `problems.detail` of `pin_push.refused` | words of the PMS: emptied with the reservation |
//! | `problems.detail` of `keychain.not_ready` | names the holder: emptied with the keychain |
//!
//! Nothing else does. Decisions, plans, events, jobs, hints and cursors hold identifiers, codes and
//! names of rooms and spaces. `blocked_reason`, `revoke_reason` and the reasons of the audit log are
//! what a person of the house wrote; the audit log cannot be changed, so they stay.
//!
//! A stay is over at the latest of its scheduled end, the end of its keychains and the moment the last
//! lock confirmed that it forgot the PIN. Until then nothing of it is erased.

use crate::conn::{Conn, on};
use crate::schema::{keychains, pin_pushes, pins, problems, properties, reservations};
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use portal_domain::sql::{AnyId, Id, Instant, Timestamp};
use portal_domain::{KeychainId, PinId, PropertyId, ReservationId};

/// A row that is due.
#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = Id)]
    id: AnyId,
}

/// Whether a lock holds a PIN still, or gave it up after `$2`.
macro_rules! held {
    ($pin:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM device_pins d WHERE d.property_id = $1 AND d.pin_id = ",
            $pin,
            " AND (d.status <> 'REMOVED' OR d.done_generation < d.generation OR d.confirmed_at > $2))"
        )
    };
}

// The condition of the index, word for word: a large house has many stays, and few that are due.
const RESERVATIONS: &str = concat!(
    "SELECT r.id FROM reservations r WHERE r.property_id = $1 AND r.ends_at <= $2 \
        AND (r.guest_name IS NULL OR r.guest_name <> '') \
        AND NOT EXISTS (SELECT 1 FROM keychains k \
            WHERE k.property_id = $1 AND k.reservation_id = r.id AND (k.ends_at > $2 OR ",
    held!("k.pin_id"),
    ")) AND NOT EXISTS (SELECT 1 FROM pins p \
            WHERE p.property_id = $1 AND p.reservation_id = r.id AND ",
    held!("p.id"),
    ") ORDER BY r.ends_at LIMIT $3"
);
// A PIN goes with the last stay that has it, and that may still get it back: not before the others of
// that stay are off the locks, or the current one could go while an earlier one lingers.
const PINS: &str = concat!(
    "SELECT p.id FROM pins p WHERE p.property_id = $1 AND p.sealed IS NOT NULL \
        AND NOT ",
    held!("p.id"),
    " AND NOT EXISTS (SELECT 1 FROM pins o \
            WHERE o.property_id = $1 AND o.reservation_id = p.reservation_id AND ",
    held!("o.id"),
    ") AND NOT EXISTS (SELECT 1 FROM pins o \
            WHERE o.property_id = $1 AND o.keychain_id = p.keychain_id AND ",
    held!("o.id"),
    ") AND NOT EXISTS (SELECT 1 FROM keychains k LEFT JOIN reservations r \
            ON r.property_id = k.property_id AND r.id = k.reservation_id \
            WHERE k.property_id = $1 AND k.pin_id = p.id AND (k.ends_at > $2 OR r.ends_at > $2)) \
        AND NOT EXISTS (SELECT 1 FROM keychains k \
            WHERE k.property_id = $1 AND k.id = p.keychain_id AND k.ends_at > $2) \
        AND NOT EXISTS (SELECT 1 FROM reservations r \
            WHERE r.property_id = $1 AND r.id = p.reservation_id AND r.ends_at > $2) \
        AND NOT EXISTS (SELECT 1 FROM pin_pushes c \
            WHERE c.property_id = $1 AND c.reservation_id = p.reservation_id AND c.pin_id = p.id \
                AND c.desired_from IS NOT NULL) \
        AND p.occupied_until <= $3 ORDER BY p.occupied_until LIMIT $4"
);
const KEYCHAINS: &str = concat!(
    "SELECT k.id FROM keychains k WHERE k.property_id = $1 AND k.holder <> '' AND k.ends_at <= $2 \
        AND NOT EXISTS (SELECT 1 FROM pins p \
            WHERE p.property_id = $1 AND p.keychain_id = k.id AND ",
    held!("p.id"),
    ") ORDER BY k.ends_at LIMIT $3"
);

/// The first rows a statement finds.
macro_rules! due {
    ($conn:expr, $text:expr, $id:ident, [$property:expr, $($at:expr),+], $limit:expr) => {{
        let rows: Vec<Due> = on!($conn, c => {
            diesel::sql_query($text)
                .bind::<Id, _>($property)
                $(.bind::<Instant, _>(Timestamp($at)))+
                .bind::<BigInt, _>($limit)
                .load(c)
                .await
        })?;
        Ok(rows.into_iter().map(|row| $id(row.id.0)).collect())
    }};
}

/// Reservations whose guest is not erased and whose stay was over before then.
pub async fn reservations_due(
    conn: &mut Conn,
    property: PropertyId,
    before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<ReservationId>> {
    due!(conn, RESERVATIONS, ReservationId, [property, before], limit)
}

/// PINs that can be read and that nobody has needed since then.
pub async fn pins_due(
    conn: &mut Conn,
    property: PropertyId,
    before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<PinId>> {
    // They are nobody else's for a while longer than their window.
    let rested = before + crate::pin::REST;
    due!(conn, PINS, PinId, [property, before, rested], limit)
}

/// Keychains made by hand that still name their holder and were over before then.
pub async fn keychains_due(
    conn: &mut Conn,
    property: PropertyId,
    before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<KeychainId>> {
    due!(conn, KEYCHAINS, KeychainId, [property, before], limit)
}

/// Erases the guests of these reservations, and what the PMS said about their PINs.
pub async fn reservations(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[ReservationId],
) -> QueryResult<()> {
    on!(conn, c => {
        diesel::update(
            reservations::table
                .filter(reservations::property_id.eq(property))
                .filter(reservations::id.eq_any(ids)),
        )
        .set((
            reservations::guest_name.eq(ERASED),
            reservations::guest_key.eq(None::<String>),
        ))
        .execute(c)
        .await
    })?;
    let pushes: Vec<AnyId> = on!(conn, c => {
        diesel::update(
            pin_pushes::table
                .filter(pin_pushes::property_id.eq(property))
                .filter(pin_pushes::reservation_id.eq_any(ids)),
        )
        .set(pin_pushes::error_said.eq(None::<String>))
        .returning(pin_pushes::id)
        .get_results(c)
        .await
    })?;
    forget_details(conn, property, "pin_push.refused", &pushes).await
}

/// Erases PINs. Their keyed index stays, so that nobody gets the same digits soon.
pub async fn pins(conn: &mut Conn, property: PropertyId, ids: &[PinId]) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(
            pins::table
                .filter(pins::property_id.eq(property))
                .filter(pins::id.eq_any(ids)),
        )
        .set(pins::sealed.eq(None::<Vec<u8>>))
        .execute(c)
        .await
    })
}

/// Erases whom these keychains were made for by hand.
pub async fn keychains(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[KeychainId],
) -> QueryResult<()> {
    on!(conn, c => {
        diesel::update(
            keychains::table
                .filter(keychains::property_id.eq(property))
                .filter(keychains::id.eq_any(ids))
                .filter(keychains::reservation_id.is_null()),
        )
        .set(keychains::holder.eq(ERASED))
        .execute(c)
        .await
    })?;
    let ids: Vec<AnyId> = ids.iter().map(|id| AnyId(id.0)).collect();
    forget_details(conn, property, "keychain.not_ready", &ids).await
}

/// Problems say what they are about in words; those about these rows do not any more.
async fn forget_details(
    conn: &mut Conn,
    property: PropertyId,
    key: &str,
    subjects: &[AnyId],
) -> QueryResult<()> {
    on!(conn, c => {
        diesel::update(
            problems::table
                .filter(problems::property_id.eq(property))
                .filter(problems::subject_id.eq_any(subjects))
                .filter(problems::key.eq(key)),
        )
        .set(problems::detail.eq(ERASED))
        .execute(c)
        .await
        .map(drop)
    })
}

/// What stands where a name was: empty, so that it differs from a name nobody told.
pub(crate) const ERASED: &str = "";

/// When to look next for what is due at a property.
pub async fn look_again(
    conn: &mut Conn,
    property: PropertyId,
    at: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(properties::table.find(property))
            .set(properties::next_erase_at.eq(Timestamp(at)))
            .execute(c)
            .await
    })
}

/// The moment before which a stay must have been over to be erased now.
pub fn before(now: DateTime<Utc>, retention_days: i32) -> DateTime<Utc> {
    now - Duration::days(retention_days.into())
}
