//! What one process does for all of them.

use crate::conn::{Conn, Db, DbError, Tx};
use crate::rate;
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;

/// Leave to do something for the whole fleet. Lost with the connection, so nothing is stuck when the
/// process dies.
#[derive(Debug)]
#[must_use = "the turn ends when it is dropped"]
pub struct Turn(Option<Tx>);

/// The locks of the fleet; 0x506f7274616c spells Portal, followed by a number.
const SWEEP: i64 = 88_367_096_750_444 << 8 | 1;

#[derive(QueryableByName)]
struct Got {
    #[diesel(sql_type = Bool)]
    got: bool,
}

/// Asks for the next sweep: one at a time over all processes, and not sooner than `every` after the
/// last. `None`: somebody else has it, or it is too soon. `SQLite` serves one process, which always
/// has it.
pub async fn sweep(db: &Db, now: DateTime<Utc>, every: Duration) -> Result<Option<Turn>, DbError> {
    if !db.is_postgres() {
        return Ok(Some(Turn(None)));
    }
    let mut tx = db.begin().await?;
    let got = match &mut *tx {
        Conn::Postgres(c) => {
            diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS got")
                .bind::<BigInt, _>(SWEEP)
                .get_result::<Got>(c)
                .await?
                .got
        }
        Conn::Sqlite(_) => true,
    };
    if got && rate::take(&mut tx, "fleet:sweep", now, every, 1).await? {
        return Ok(Some(Turn(Some(tx))));
    }
    tx.rollback().await?;
    Ok(None)
}

impl Turn {
    /// It is done: the next may come after its interval.
    pub async fn done(self) -> Result<(), DbError> {
        match self.0 {
            Some(tx) => tx.commit().await,
            None => Ok(()),
        }
    }
}
