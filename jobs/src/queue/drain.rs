//! Running what is due without workers, for tests and one-off commands.

use portal_domain::{JobId, WorkerId};
use portal_store::DbError;
use portal_store::job::{self, Claim, Claimed, Landing};
use std::sync::Arc;
use tokio::sync::watch;

use super::run::{Outcome, report, run};
use super::{Kind, Registry};
use crate::{Code, Env};

/// Jobs that enqueue each other for ever must not hang a test.
const MOST: usize = 10_000;

/// What [`drain`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// Runs, whatever their end.
    pub ran: usize,
    /// Those that will run again: put off, or enqueued once more while they ran.
    pub put_off: usize,
    /// Those that were set aside.
    pub set_aside: Vec<SetAside>,
    /// Whether it stopped early, as jobs kept enqueueing jobs.
    pub endless: bool,
}

/// A job that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Which.
    pub id: JobId,
    /// Its kind.
    pub kind: &'static str,
    /// Why, unless it was one failure too many.
    pub code: Option<Code>,
}

/// Runs due jobs one at a time until none is due. Time stands still meanwhile unless the clock
/// moves, so what was put off stays put off.
pub async fn drain(env: &Arc<Env>, registry: &Registry) -> Result<Drained, DbError> {
    let lease = WorkerId::new();
    // No workers look after lost leases here.
    job::recover_expired(&env.db, env.clock.now(), &[]).await?;
    let mut drained = Drained::default();
    loop {
        let before = drained.ran;
        for kind in &registry.kinds {
            while let Some(claimed) = next(env, *kind, lease).await? {
                if drained.ran == MOST {
                    job::give_back(&env.db, env.clock.now(), &[(claimed.fence(lease), false)])
                        .await?;
                    drained.endless = true;
                    return Ok(drained);
                }
                drained.ran += 1;
                one(env, *kind, lease, &claimed, &mut drained).await?;
            }
        }
        if drained.ran == before {
            return Ok(drained);
        }
    }
}

async fn next(env: &Env, kind: Kind, lease: WorkerId) -> Result<Option<Claimed>, DbError> {
    let now = env.clock.now();
    let ask = Claim {
        kind: kind.name,
        lease,
        lease_until: now + chrono::Duration::minutes(10),
        busy: &[],
        limit: 1,
    };
    Ok(job::claim(&env.db, now, &ask).await?.pop())
}

async fn one(
    env: &Arc<Env>,
    kind: Kind,
    lease: WorkerId,
    claimed: &Claimed,
    drained: &mut Drained,
) -> Result<(), DbError> {
    let (_never, stop) = watch::channel(None);
    let outcome = run(kind, env.clone(), &claimed.args, stop).await;
    let fence = claimed.fence(lease);
    match report(&env.db, env.clock.now(), &fence, claimed.attempts, outcome).await? {
        Landing::Done | Landing::Late => {}
        Landing::Pending => drained.put_off += 1,
        Landing::Quarantined => drained.set_aside.push(SetAside {
            id: claimed.id,
            kind: kind.name,
            code: match outcome {
                Outcome::GiveUp(code) | Outcome::Failed(code) => Some(code),
                Outcome::Done | Outcome::Retry(_) | Outcome::CutOff => None,
            },
        }),
    }
    Ok(())
}
