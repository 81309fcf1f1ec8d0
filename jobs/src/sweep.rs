//! Rings the bell for whatever has fallen due: the rows are the record, a lost job costs seconds.

use crate::job::{enqueue, enqueue_at};
use crate::{
    Env, ProgramDevices, PushPins, ReconcileAccess, SyncDevices, SyncReservations, SyncRooms,
    ValidateIntegration,
};
use chrono::Duration;
use portal_domain::{AppCategory, ValidationTrigger};
use portal_store::integration::{self, Due};
use portal_store::{Db, DbError, device_pin, job, pin_push, reservation};
use std::time::Duration as StdDuration;

/// Rows of one kind taken up by one sweep.
const BATCH: i64 = 500;
/// Over how long what is overdue at a start is spread.
const SPREAD: Duration = Duration::seconds(60);

/// Enqueues everything that is due. `first`: right after a start, when what piled up meanwhile is
/// spread instead of let loose at once.
pub async fn sweep(env: &Env, first: bool) -> Result<(), DbError> {
    job::recover_expired(&env.db, env.now()).await?;
    integrations(env, first).await?;
    effects(env).await
}

async fn integrations(env: &Env, first: bool) -> Result<(), DbError> {
    let now = env.now();
    let mut tx = env.db.begin().await?;
    let when = |overdue: bool| {
        if first && overdue {
            env.between(Duration::zero(), SPREAD)
        } else {
            now
        }
    };
    for row in integration::due(&mut tx, Due::Validation, now, BATCH).await? {
        let job = ValidateIntegration {
            property: row.property_id,
            integration: row.id,
            trigger: ValidationTrigger::Poll,
        };
        enqueue_at(&mut tx, now, &job, when(true)).await?;
    }
    for row in integration::due(&mut tx, Due::Sync, now, BATCH).await? {
        let job = SyncReservations {
            property: row.property_id,
            integration: row.id,
        };
        enqueue_at(&mut tx, now, &job, when(true)).await?;
    }
    for row in integration::due(&mut tx, Due::Rooms, now, BATCH).await? {
        let (property, integration) = (row.property_id, row.id);
        match row.category {
            AppCategory::Pms => {
                let job = SyncRooms {
                    property,
                    integration,
                };
                enqueue_at(&mut tx, now, &job, when(true)).await?;
            }
            AppCategory::Lock => {
                let job = SyncDevices {
                    property,
                    integration,
                };
                enqueue_at(&mut tx, now, &job, when(true)).await?;
            }
        }
    }
    tx.commit().await
}

async fn effects(env: &Env) -> Result<(), DbError> {
    let now = env.now();
    let mut tx = env.db.begin().await?;
    for (property, reservation) in reservation::due(&mut tx, now, BATCH).await? {
        let job = ReconcileAccess {
            property,
            reservation,
        };
        enqueue(&mut tx, now, &job).await?;
    }
    for (property, device) in device_pin::due(&mut tx, now, BATCH).await? {
        enqueue(&mut tx, now, &ProgramDevices { property, device }).await?;
    }
    for (property, reservation) in pin_push::due(&mut tx, now, BATCH).await? {
        let job = PushPins {
            property,
            reservation,
        };
        enqueue(&mut tx, now, &job).await?;
    }
    tx.commit().await
}

/// Sweeps until dropped.
pub async fn run(env: Env, every: StdDuration) {
    let mut first = true;
    loop {
        match sweep(&env, first).await {
            Ok(()) => first = false,
            Err(error) => tracing::warn!(error = crate::job::chain(&error), "the sweep failed"),
        }
        tokio::time::sleep(every).await;
    }
}

/// Forgets what nobody needs any more: workers that are gone, old quarantined jobs.
pub async fn prune(db: &Db, now: chrono::DateTime<chrono::Utc>) -> Result<(), DbError> {
    job::prune(db, now - Duration::days(30)).await?;
    job::prune_workers(db, now - Duration::days(1)).await?;
    Ok(())
}
