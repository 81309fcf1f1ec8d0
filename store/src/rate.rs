//! Rate gates: one row a key, one statement a permit, the same for all processes.

use crate::conn::{Conn, on};
use crate::schema::rate_gates;
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = BigInt)]
    #[expect(dead_code, reason = "that there is a row is the answer")]
    next_at: i64,
}

/// Takes a permit: `burst` at once, one more each `every`. False when none is left.
pub async fn take(
    conn: &mut Conn,
    key: &str,
    now: DateTime<Utc>,
    every: Duration,
    burst: u32,
) -> QueryResult<bool> {
    let micros = |length: Duration| length.num_microseconds().unwrap_or(i64::MAX / 4);
    let now = now.timestamp_micros();
    let step = micros(every);
    let slack = step.saturating_mul(i64::from(burst.max(1)) - 1);
    let taken: Vec<Taken> = on!(conn, c => {
        diesel::sql_query(
            "INSERT INTO rate_gates (key, next_at) VALUES ($1, $2) \
             ON CONFLICT (key) DO UPDATE SET next_at = \
             CASE WHEN rate_gates.next_at > $3 THEN rate_gates.next_at ELSE $4 END + $5 \
             WHERE rate_gates.next_at <= $6 RETURNING next_at",
        )
        .bind::<Text, _>(key)
        .bind::<BigInt, _>(now + step)
        .bind::<BigInt, _>(now)
        .bind::<BigInt, _>(now)
        .bind::<BigInt, _>(step)
        .bind::<BigInt, _>(now + slack)
        .load(c)
        .await
    })?;
    Ok(!taken.is_empty())
}

/// Lets nobody through before `until`.
pub async fn close(conn: &mut Conn, key: &str, until: DateTime<Utc>) -> QueryResult<()> {
    let until = until.timestamp_micros();
    on!(conn, c => {
        diesel::sql_query(
            "INSERT INTO rate_gates (key, next_at) VALUES ($1, $2) \
             ON CONFLICT (key) DO UPDATE SET next_at = \
             CASE WHEN rate_gates.next_at > $3 THEN rate_gates.next_at ELSE $4 END",
        )
        .bind::<Text, _>(key)
        .bind::<BigInt, _>(until)
        .bind::<BigInt, _>(until)
        .bind::<BigInt, _>(until)
        .execute(c)
        .await
    })?;
    Ok(())
}

/// When the next permit falls due, for who must wait for one.
pub async fn next_at(conn: &mut Conn, key: &str) -> QueryResult<Option<DateTime<Utc>>> {
    let next: Option<i64> = on!(conn, c => {
        rate_gates::table
            .find(key)
            .select(rate_gates::next_at)
            .first(c)
            .await
            .optional()
    })?;
    Ok(next.and_then(DateTime::from_timestamp_micros))
}
