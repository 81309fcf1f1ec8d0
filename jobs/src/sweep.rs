//! Rings the bell for whatever has fallen due, and tells people what is late: the rows are the
//! record, a lost job costs seconds.
//!
//! Any number of processes may sweep: one does so at a time, and not more often than if it were
//! alone.

use crate::job::{Job, enqueue_at};
use crate::{
    ComparePins, Env, EraseGuests, ProgramDevices, PushPins, ReconcileAccess, SyncDevices,
    SyncReservations, SyncRooms, ValidateIntegration, deadlines, lingering,
};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{AppCategory, DeviceId, PropertyId, ReservationId, ValidationTrigger};
use portal_store::due::Due as Row;
use portal_store::integration::{self, Due, Integration};
use portal_store::job::Standing;
use portal_store::{DbError, QueryError, Tx, breaker, due, fleet, job};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration as StdDuration;
use uuid::Uuid;

/// Problem: background work was given up.
pub(crate) const QUARANTINED: &str = "job.quarantined";

/// Rows of one kind taken up by one sweep.
const BATCH: usize = 500;
/// No more are added while so many of a kind wait.
const MOST: i64 = 2_000;
/// Over how long what is overdue at a start is spread.
const SPREAD: Duration = Duration::seconds(60);
/// When what was given up is tried again by itself, as long as it is due: at night nobody reads
/// problems, and a guest before a closed door is worse than a job that fails each hour.
const GIVEN_UP: Duration = Duration::hours(1);
/// The same for what was running when its worker died three times in a row, which is seldom its own
/// fault: a machine that restarts hits whatever runs.
const CRASHED: Duration = Duration::minutes(15);
/// How long trouble nobody meets any more is remembered.
const TROUBLE: Duration = Duration::days(1);

/// Enqueues everything that is due. `first`: right after a start, when what piled up meanwhile is
/// spread instead of let loose at once.
pub async fn sweep(env: &Env, first: bool) -> Result<(), DbError> {
    sweep_since(env, first.then(|| env.now())).await
}

/// The same for a process that started then, at most a minute ago.
async fn sweep_since(env: &Env, started: Option<DateTime<Utc>>) -> Result<(), DbError> {
    let bell = Bell {
        env,
        now: env.now(),
        started,
    };
    bell.links().await?;
    bell.decisions().await?;
    bell.devices().await?;
    bell.pushes().await?;
    bell.erasures().await?;
    if started.is_some() {
        // What piled up while nobody worked is under way, not late.
        return Ok(());
    }
    deadlines::look(env).await?;
    lingering::look(env).await
}

/// One round.
struct Bell<'a> {
    env: &'a Env,
    now: DateTime<Utc>,
    started: Option<DateTime<Utc>>,
}

/// A job somebody should do, and since when.
struct Wanted<J> {
    job: J,
    due: DateTime<Utc>,
    /// What it is about.
    about: Uuid,
}

impl Bell<'_> {
    /// When a job runs. The same at each sweep, so that a later one does not undo the spreading.
    fn when(&self, due: DateTime<Utc>, about: Uuid) -> DateTime<Utc> {
        match self.started {
            Some(started) if due <= started => {
                let of = u128::from(SPREAD.num_milliseconds().unsigned_abs());
                let share = i64::try_from(about.as_u128() % of).unwrap_or(0);
                let share = Duration::milliseconds(share);
                (started + share).max(self.now)
            }
            _ => self.now,
        }
    }

    /// How the jobs of a kind stand, by key. `None`: enough of them wait.
    async fn standing<J: Job>(
        &self,
        tx: &mut Tx,
    ) -> Result<Option<HashMap<String, Standing>>, DbError> {
        let Some(rows) = job::standing(tx, J::KIND, MOST).await? else {
            return Ok(None);
        };
        let mut standing = HashMap::new();
        for row in rows {
            if let Some(key) = row.coalesce_key.clone() {
                // The live one tells more than one that was given up.
                if row.state != "quarantined" || !standing.contains_key(&key) {
                    standing.insert(key, row);
                }
            }
        }
        Ok(Some(standing))
    }

    /// Enqueues what is wanted and not under way already, in the order of the keys.
    async fn ring<J: Job>(
        &self,
        tx: &mut Tx,
        standing: &HashMap<String, Standing>,
        wanted: Vec<Wanted<J>>,
    ) -> Result<(), DbError> {
        let mut chosen: BTreeMap<String, (J, DateTime<Utc>)> = BTreeMap::new();
        let mut replayed = Vec::new();
        for Wanted { job, due, about } in wanted {
            let at = self.when(due, about);
            let key = job.coalesce_key().unwrap_or_default();
            match standing.get(&key) {
                Some(row) if row.state == "quarantined" => {
                    let crashed = row.code.as_deref() == Some("CRASHED");
                    let rest = if crashed { CRASHED } else { GIVEN_UP };
                    if *row.changed_at + rest <= self.now {
                        replayed.push(row.id);
                    }
                }
                // It runs, waits for its turn, or has been put off after a failure.
                Some(row) if row.state == "running" || *row.run_at <= at => {}
                Some(row) if row.attempts > 0 || row.starts > 0 => {}
                _ => {
                    chosen.insert(key, (job, at));
                }
            }
            if chosen.len() == BATCH {
                break;
            }
        }
        for (job, at) in chosen.into_values() {
            enqueue_at(tx, self.now, &job, at).await?;
        }
        for id in replayed {
            job::replay(tx, self.now, id).await?;
        }
        Ok(())
    }

    /// Checks of tokens, and reading of reservations, rooms and locks.
    async fn links(&self) -> Result<(), DbError> {
        self.link(Due::Validation, |row| {
            Some(ValidateIntegration {
                property: row.property_id,
                integration: row.id,
                trigger: ValidationTrigger::Poll,
            })
        })
        .await?;
        self.link(Due::Sync, |row| {
            Some(SyncReservations {
                property: row.property_id,
                integration: row.id,
            })
        })
        .await?;
        self.link(Due::Compare, |row| {
            Some(ComparePins {
                property: row.property_id,
                integration: row.id,
            })
        })
        .await?;
        self.link(Due::Rooms, |row| {
            (row.category == AppCategory::Pms).then_some(SyncRooms {
                property: row.property_id,
                integration: row.id,
            })
        })
        .await?;
        self.link(Due::Rooms, |row| {
            (row.category == AppCategory::Lock).then_some(SyncDevices {
                property: row.property_id,
                integration: row.id,
            })
        })
        .await
    }

    async fn link<J: Job>(
        &self,
        what: Due,
        job: impl Fn(&Integration) -> Option<J>,
    ) -> Result<(), DbError> {
        let mut tx = self.env.db.begin().await?;
        if let Some(standing) = self.standing::<J>(&mut tx).await? {
            let rows = integration::due(&mut tx, what, self.now, limit(&standing)).await?;
            let wanted = rows.iter().filter_map(|row| {
                Some(Wanted {
                    job: job(row)?,
                    due: *what.of(row)?,
                    about: row.id.0,
                })
            });
            self.ring(&mut tx, &standing, wanted.collect()).await?;
        }
        tx.commit().await
    }

    async fn decisions(&self) -> Result<(), DbError> {
        let job = |property, id| ReconcileAccess {
            property,
            reservation: ReservationId(id),
        };
        self.rows(due::decisions, job).await
    }

    async fn devices(&self) -> Result<(), DbError> {
        let job = |property, id| ProgramDevices {
            property,
            device: DeviceId(id),
        };
        self.rows(due::devices, job).await
    }

    async fn pushes(&self) -> Result<(), DbError> {
        let job = |property, id| PushPins {
            property,
            reservation: ReservationId(id),
        };
        self.rows(due::pushes, job).await
    }

    async fn erasures(&self) -> Result<(), DbError> {
        self.rows(due::erasures, |property, _| EraseGuests { property })
            .await
    }

    async fn rows<J: Job>(
        &self,
        due: impl AsyncFn(&mut portal_store::Conn, DateTime<Utc>, i64) -> Result<Vec<Row>, QueryError>,
        job: impl Fn(PropertyId, Uuid) -> J,
    ) -> Result<(), DbError> {
        let mut tx = self.env.db.begin().await?;
        if let Some(standing) = self.standing::<J>(&mut tx).await? {
            let rows = due(&mut tx, self.now, limit(&standing)).await?;
            let wanted = rows.into_iter().map(|row| Wanted {
                job: job(row.property_id, row.id.0),
                due: *row.due_at,
                about: row.id.0,
            });
            self.ring(&mut tx, &standing, wanted.collect()).await?;
        }
        tx.commit().await
    }
}

/// How many rows to look at: those under way come first and must not hide the others.
fn limit(standing: &HashMap<String, Standing>) -> i64 {
    i64::try_from(BATCH + standing.len()).unwrap_or(i64::MAX)
}

/// Sweeps until dropped, taking turns with the other processes of the fleet.
pub async fn run(env: Env, every: StdDuration) {
    let started = env.now();
    let pace = Duration::from_std(every).unwrap_or(SPREAD);
    loop {
        let now = env.now();
        let just_started = (now < started + SPREAD).then_some(started);
        if let Err(error) = take_turn(&env, pace, just_started).await {
            tracing::warn!(error = crate::job::chain(&error), "the sweep failed");
        }
        tokio::time::sleep(every).await;
    }
}

/// Sweeps unless another process does, or did a moment ago. Says whether it did.
pub async fn take_turn(
    env: &Env,
    every: Duration,
    started: Option<DateTime<Utc>>,
) -> Result<bool, DbError> {
    // A little less than the pace: who comes a moment early need not wait a whole round.
    let Some(turn) = fleet::sweep(&env.db, env.now(), every * 9 / 10).await? else {
        return Ok(false);
    };
    sweep_since(env, started).await?;
    let mut tx = env.db.begin().await?;
    breaker::prune(&mut tx, env.now() - TROUBLE).await?;
    tx.commit().await?;
    turn.done().await?;
    Ok(true)
}
