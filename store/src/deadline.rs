//! What should have been done by now and is not, over all properties. Every statement starts from an
//! index over the few rows that wait, so that it costs the same in a large house as in a small one.

use crate::conn::{Conn, on};
use crate::schema::device_pins;
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;
use portal_domain::sql::{AnyId, Id, Instant, Timestamp};
use portal_domain::{
    ConfirmationHow, DeviceId, DevicePinId, DevicePinStatus, ProblemId, PropertyId,
};

/// Problems raised by one sweep, of one kind.
const BATCH: &str = "500";

/// What is late, and since when that counts.
#[derive(Debug, Clone)]
pub struct Late {
    text: &'static str,
    times: Vec<DateTime<Utc>>,
}

/// Something that is late.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Found {
    /// Where.
    #[diesel(sql_type = Id)]
    pub property_id: PropertyId,
    /// What.
    #[diesel(sql_type = Id)]
    pub subject: AnyId,
    /// Whether a guest may be locked out, or someone let in.
    #[diesel(sql_type = Bool)]
    pub critical: bool,
    /// What the sentence for staff names.
    #[diesel(sql_type = Text)]
    pub detail: String,
}

/// A problem whose cause is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Gone {
    /// Where.
    #[diesel(sql_type = Id)]
    pub property_id: PropertyId,
    /// Which problem.
    #[diesel(sql_type = Id)]
    pub id: ProblemId,
}

impl Late {
    /// Reservations that nobody has decided about since `before`. Not while a house is read for the
    /// first time: then there are thousands, and all are new.
    pub fn decisions(before: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT r.property_id, r.id, FALSE, r.number \
                FROM reservations r JOIN integrations i \
                    ON i.property_id = r.property_id AND i.id = r.integration_id \
                WHERE r.decide_at <= $1 AND (i.sync_state IS NULL OR i.sync_state <> 'FIRST_LOAD')",
            times: vec![before],
        }
    }

    /// Keychains of stays that begin within a day or have begun, while a lock of the main door has
    /// not confirmed the PIN. What changed after `grace`, or is not due before it, has time yet.
    pub fn keychains(now: DateTime<Utc>, grace: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT DISTINCT k.property_id, k.id, k.starts_at <= $1, \
                    CASE WHEN k.starts_at <= $2 THEN 'begun ' WHEN k.starts_at <= $3 THEN '1h ' \
                        WHEN k.starts_at <= $1 THEN '4h ' ELSE '24h ' END || COALESCE(r.number, k.holder) \
                FROM device_pins d \
                JOIN keychains k ON k.property_id = d.property_id AND k.pin_id = d.pin_id \
                JOIN devices v ON v.property_id = d.property_id AND v.id = d.device_id \
                    AND v.space_id = k.main_space_id \
                LEFT JOIN reservations r \
                    ON r.property_id = k.property_id AND r.id = k.reservation_id \
                WHERE d.status IN ('WAITING', 'SENT', 'BLOCKED') \
                    AND d.desired_from <= $4 AND d.desired_until > $2 AND d.wanted_since <= $5 \
                    AND (d.attempts > 0 OR d.last_error IS NOT NULL \
                        OR d.next_attempt_at IS NULL OR d.next_attempt_at <= $5) \
                    AND k.superseded_by IS NULL AND k.revoked_at IS NULL \
                    AND k.starts_at <= $4 AND k.ends_at > $2",
            times: vec![
                now + Duration::hours(4),
                now,
                now + Duration::hours(1),
                now + Duration::hours(24),
                grace,
            ],
        }
    }

    /// Guests who are in the house although their access ends before `soon`, or ended after `before`:
    /// the codes go in time, and nobody has checked them out or given them longer.
    pub fn departures(soon: DateTime<Utc>, before: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT r.property_id, r.id, FALSE, r.number FROM reservations r \
                JOIN keychains k ON k.reservation_id = r.id \
                    AND k.superseded_by IS NULL AND k.revoked_at IS NULL \
                WHERE r.state = 'CHECKED_IN' AND r.ends_at <= $1 \
                    AND k.ends_at <= $1 AND k.ends_at > $2",
            times: vec![soon, before],
        }
    }

    /// PINs that should have gone from a lock before then.
    pub fn removals(before: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT d.property_id, d.id, TRUE, v.name FROM device_pins d \
                JOIN devices v ON v.property_id = d.property_id AND v.id = d.device_id \
                WHERE d.status = 'REMOVING' AND d.wanted_since <= $1",
            times: vec![before],
        }
    }

    /// Copies in the PMS of stays that have begun, where nothing known keeps them waiting. Locks,
    /// rights and broken links have problems of their own.
    pub fn pushes(now: DateTime<Utc>, grace: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT p.property_id, p.id, FALSE, r.number FROM pin_pushes p \
                JOIN integrations i ON i.property_id = p.property_id AND i.id = p.integration_id \
                JOIN reservations r ON r.property_id = p.property_id AND r.id = p.reservation_id \
                WHERE p.status = 'WAITING' AND p.desired_from <= $1 AND p.desired_until > $1 \
                    AND p.wanted_since <= $2 \
                    AND (p.waiting_for IS NULL OR p.waiting_for IN ('RETRY', 'INTEGRATION')) \
                    AND i.status = 'CONNECTED' \
                    AND (i.sync_state IS NULL OR i.sync_state <> 'CATCHING_UP')",
            times: vec![now, grace],
        }
    }

    /// Links that have been catching up since before then.
    pub fn catching_up(before: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT property_id, id, TRUE, app FROM integrations \
                WHERE sync_state = 'CATCHING_UP' AND status = 'CONNECTED' AND status_since <= $1",
            times: vec![before],
        }
    }

    /// Links with a token saved before then and no verdict about it.
    pub fn verdicts(before: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT property_id, integration_id, FALSE, app FROM credentials \
                WHERE state = 'CANDIDATE' AND set_at <= $1",
            times: vec![before],
        }
    }

    /// Links whose vendor has not answered since before then.
    pub fn unreachable(before: DateTime<Utc>) -> Self {
        Self {
            text: "SELECT i.property_id, i.id, FALSE, i.app FROM breakers b \
                JOIN integrations i ON i.id = b.integration_id \
                WHERE b.troubled_since <= $1 AND b.closed_until IS NOT NULL \
                    AND i.status <> 'DISCONNECTED'",
            times: vec![before],
        }
    }

    /// Jobs that were given up.
    pub fn jobs() -> Self {
        Self {
            text: "SELECT property_id, id, kind IN ('reconcile-access', 'staff-access', 'program-devices'), \
                    kind || ' ' || COALESCE(code, '') \
                FROM jobs WHERE state = 'quarantined' AND property_id IS NOT NULL",
            times: Vec::new(),
        }
    }

    /// The statement with what is late in front, as `SQLite` numbers parameters by their first
    /// appearance.
    fn with(&self, rest: &str) -> String {
        format!(
            "WITH late (property_id, subject, critical, detail) AS ({}) {rest}",
            self.text
        )
    }

    /// The name of the parameter so many behind those of the times.
    fn next(&self, n: usize) -> String {
        format!("${}", self.times.len() + n)
    }
}

/// Runs a statement with the times of what is late, then the parameters of its own.
macro_rules! run {
    ($conn:expr, $late:expr, $text:expr, [$($type:ty => $value:expr),*], $how:ident) => {{
        let (late, text) = ($late, $text);
        on!($conn, c => {
            let mut query = diesel::sql_query(text).into_boxed();
            for at in &late.times {
                query = query.bind::<Instant, _>(Timestamp(*at));
            }
            query$(.bind::<$type, _>($value))*.$how(c).await
        })
    }};
}

/// What is late and has no open problem of this key, or has become critical since.
pub async fn unnoticed(conn: &mut Conn, late: &Late, key: &str) -> QueryResult<Vec<Found>> {
    let text = late.with(&format!(
        "SELECT property_id, subject, critical, detail FROM late WHERE NOT EXISTS \
            (SELECT 1 FROM problems p WHERE p.key = {} AND p.property_id = late.property_id \
                AND p.subject_id = late.subject AND p.resolved_at IS NULL \
                AND (p.critical OR NOT late.critical)) LIMIT {BATCH}",
        late.next(1)
    ));
    run!(conn, late, text, [Text => key], load)
}

/// Counts the open problems of this key that were last seen before `stale` and are late still.
pub async fn see_again(
    conn: &mut Conn,
    late: &Late,
    key: &str,
    now: DateTime<Utc>,
    stale: DateTime<Utc>,
) -> QueryResult<usize> {
    let text = late.with(&format!(
        "UPDATE problems SET count = problems.count + 1, last_seen = {}, detail = late.detail \
         FROM late WHERE problems.key = {} AND problems.property_id = late.property_id \
            AND problems.subject_id = late.subject AND problems.resolved_at IS NULL \
            AND problems.last_seen <= {}",
        late.next(1),
        late.next(2),
        late.next(3)
    ));
    run!(
        conn, late, text,
        [Instant => Timestamp(now), Text => key, Instant => Timestamp(stale)],
        execute
    )
}

/// Open problems of this key whose subject is not late any more.
pub async fn over(conn: &mut Conn, late: &Late, key: &str) -> QueryResult<Vec<Gone>> {
    let text = late.with(&format!(
        "SELECT property_id, id FROM problems WHERE key = {} AND resolved_at IS NULL \
            AND NOT EXISTS (SELECT 1 FROM late WHERE late.property_id = problems.property_id \
                AND late.subject = problems.subject_id) LIMIT {BATCH}",
        late.next(1)
    ));
    run!(conn, late, text, [Text => key], load)
}

/// Codes that locks could not forget, and whose own end has come: they open nothing any more.
pub async fn run_out(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<(PropertyId, DevicePinId)>> {
    use device_pins as d;
    on!(conn, c => {
        d::table
            .filter(d::status.eq(DevicePinStatus::Residual))
            .filter(d::confirmed_until.le(Timestamp(now)))
            .order(d::confirmed_until)
            .limit(limit)
            .select((d::property_id, d::id))
            .load(c)
            .await
    })
}

/// Notes that the clock removed these. Gives those it did: one that was granted again meanwhile is
/// left alone.
pub async fn note_run_out(
    conn: &mut Conn,
    property: PropertyId,
    ids: &[DevicePinId],
    now: DateTime<Utc>,
) -> QueryResult<Vec<(DevicePinId, DeviceId)>> {
    use device_pins as d;
    on!(conn, c => {
        diesel::update(
            d::table
                .filter(d::property_id.eq(property))
                .filter(d::id.eq_any(ids))
                .filter(d::status.eq(DevicePinStatus::Residual)),
        )
        .set((
            d::status.eq(DevicePinStatus::Removed),
            d::confirmed_how.eq(ConfirmationHow::WindowOver),
            d::confirmed_at.eq(Timestamp(now)),
        ))
        .returning((d::id, d::device_id))
        .get_results(c)
        .await
    })
}
