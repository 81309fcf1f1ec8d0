//! One run of one job, and what its end means for the row.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use portal_store::job::{self, Fence, Landing};
use portal_store::{Db, DbError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Kind;
use crate::{Code, Env, JobError};

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// How long a job rests at most that met a database that was away.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Retry(Code),
    GiveUp(Code),
    /// It panicked or hung: the next start may do so too.
    Failed(Code),
    /// The process stops.
    CutOff,
}

/// An end that was not good, as apalis sees it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotDone(Code);

impl Outcome {
    pub(super) fn result(self) -> Result<(), NotDone> {
        match self {
            Self::Done => Ok(()),
            Self::Retry(code) | Self::GiveUp(code) | Self::Failed(code) => Err(NotDone(code)),
            Self::CutOff => Err(NotDone(Code::CutOff)),
        }
    }
}

/// Runs a job to its end, its deadline or the time in `stop`, whichever is first.
pub(super) async fn run(
    kind: Kind,
    env: Arc<Env>,
    args: &str,
    stop: watch::Receiver<Option<Instant>>,
) -> Outcome {
    let Some(job) = (kind.prepare)(env, args) else {
        return Outcome::GiveUp(Code::Unreadable);
    };
    let job = tokio::time::timeout(kind.deadline, AssertUnwindSafe(job).catch_unwind());
    let ended = tokio::select! {
        biased;
        ended = job => ended,
        () = stopped(stop) => return Outcome::CutOff,
    };
    match ended {
        Ok(Ok(Ok(()))) => Outcome::Done,
        Ok(Ok(Err(JobError::Retry(code)))) => Outcome::Retry(code),
        Ok(Ok(Err(JobError::GiveUp(code)))) => Outcome::GiveUp(code),
        Ok(Err(_)) => Outcome::Failed(Code::Panicked),
        Err(_) => Outcome::Failed(Code::TimedOut),
    }
}

async fn stopped(mut stop: watch::Receiver<Option<Instant>>) {
    let at = stop.wait_for(Option::is_some).await.ok().and_then(|at| *at);
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        // Nobody is left to stop it.
        None => std::future::pending().await,
    }
}

/// Writes an end to the row. `attempts` are the failures before it.
pub(super) async fn report(
    db: &Db,
    now: DateTime<Utc>,
    fence: &Fence,
    attempts: i16,
    outcome: Outcome,
) -> Result<Landing, DbError> {
    match outcome {
        Outcome::Done => {
            let landed = job::finish(db, now, std::slice::from_ref(fence)).await?;
            Ok(landed.first().copied().unwrap_or(Landing::Late))
        }
        Outcome::Retry(Code::DatabaseAway) => {
            // Not the job's fault: work goes on soon after the database is back.
            let at = now + scatter(fence, LONGEST_REST);
            job::rest(db, now, fence, at, Code::DatabaseAway.as_str()).await
        }
        Outcome::Retry(code) => {
            let at = now + pause(fence, attempts);
            job::retry(db, now, fence, at, code.as_str()).await
        }
        Outcome::GiveUp(code) => job::quarantine(db, now, fence, code.as_str()).await,
        Outcome::Failed(code) => job::fail(db, now, fence, code.as_str()).await,
        Outcome::CutOff => {
            job::give_back(db, now, &[(*fence, true)]).await?;
            Ok(Landing::Pending)
        }
    }
}

/// How long a job rests after another failure.
fn pause(fence: &Fence, attempts: i16) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(0).min(16);
    let most = FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE);
    Duration::from_secs(1) + scatter(fence, most)
}

/// A time up to `most`. The claim itself scatters it, so that what failed together does not come
/// back together and a test sees the same each time.
fn scatter(fence: &Fence, most: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (fence.id, fence.generation).hash(&mut hasher);
    let per_mille = u32::try_from(hasher.finish() % 1000).unwrap_or(0);
    most * per_mille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use portal_domain::{JobId, WorkerId};

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour_and_scatter() {
        let fence = |generation| Fence {
            id: JobId::from(uuid::Uuid::from_u128(7)),
            generation,
            lease: WorkerId::from(uuid::Uuid::nil()),
        };
        let longest = |attempts| (0..200).map(|n| pause(&fence(n), attempts)).max().unwrap();
        let shortest = |attempts| (0..200).map(|n| pause(&fence(n), attempts)).min().unwrap();
        for (attempts, seconds) in [
            (0, 5),
            (1, 10),
            (5, 160),
            (9, 900),
            (24, 900),
            (i16::MAX, 900),
        ] {
            let most = Duration::from_secs(1 + seconds);
            assert!(longest(attempts) < most && longest(attempts) > most.mul_f64(0.8));
            assert!(shortest(attempts) >= Duration::from_secs(1));
            assert!(shortest(attempts) < most.mul_f64(0.4));
        }
    }
}
