//! What this process holds: leases are kept, ends are saved, the rest is given back at the end.

use chrono::{DateTime, Utc};
use portal_domain::WorkerId;
use portal_store::DbError;
use portal_store::job::{self, Claimed, Fence, Landing};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Kind;
use super::run::{Outcome, report};
use crate::Env;
use crate::job::chain;

/// How long a job stays ours without a beat.
const LEASE: chrono::Duration = chrono::Duration::seconds(40);
/// How long a job that ignores its deadline is still kept.
const GRACE: Duration = Duration::from_secs(10);
/// Jobs of one group and kind that run at once.
const GROUP_LIMIT: usize = 2;

/// The jobs of one process.
pub(super) struct Desk {
    pub(super) env: Arc<Env>,
    pub(super) lease: WorkerId,
    held: Mutex<HashMap<Fence, Held>>,
    /// One saves at a time.
    saving: tokio::sync::Mutex<()>,
    /// Rung when a run ended.
    pub(super) ended: Notify,
    /// When what still runs is cut off.
    pub(super) stop: watch::Sender<Option<Instant>>,
}

struct Held {
    kind: &'static str,
    group: Option<String>,
    attempts: i16,
    phase: Phase,
}

enum Phase {
    /// Claimed, but not begun.
    Waiting,
    /// Kept alive until then.
    Running(Instant),
    /// To be saved.
    Ended(Outcome),
}

impl Held {
    fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }
}

impl Desk {
    pub(super) fn new(env: Arc<Env>) -> Self {
        Self {
            env,
            lease: WorkerId::new(),
            held: Mutex::default(),
            saving: tokio::sync::Mutex::default(),
            ended: Notify::new(),
            stop: watch::Sender::new(None),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.env.clock.now()
    }

    pub(super) fn lease_until(&self) -> DateTime<Utc> {
        self.now() + LEASE
    }

    pub(super) fn stops(&self) -> bool {
        self.stop.borrow().is_some()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Fence, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of a kind wait or run, and which groups have enough of them.
    pub(super) fn load(&self, kind: Kind) -> (usize, Vec<String>) {
        let held = self.held();
        let mut count = 0;
        let mut groups: HashMap<&str, usize> = HashMap::new();
        for held in held
            .values()
            .filter(|held| held.kind == kind.name && held.is_live())
        {
            count += 1;
            if let Some(group) = &held.group {
                *groups.entry(group).or_default() += 1;
            }
        }
        groups.retain(|_, count| *count >= GROUP_LIMIT);
        (count, groups.into_keys().map(str::to_owned).collect())
    }

    /// Takes a claimed job, unless its group has enough running.
    pub(super) fn take(&self, kind: Kind, claimed: &Claimed) -> bool {
        let mut held = self.held();
        if claimed.group_key.is_some() {
            let mates = held.values().filter(|held| {
                held.kind == kind.name && held.group == claimed.group_key && held.is_live()
            });
            if mates.count() >= GROUP_LIMIT {
                return false;
            }
        }
        held.insert(
            claimed.fence(self.lease),
            Held {
                kind: kind.name,
                group: claimed.group_key.clone(),
                attempts: claimed.attempts,
                phase: Phase::Waiting,
            },
        );
        true
    }

    /// Gives back what was claimed of a kind and is not on this desk: its claim went through, but the
    /// answer was lost. None of the kind may be under way.
    pub(super) async fn give_back_lost(&self, kind: Kind) -> Result<(), DbError> {
        let held: Vec<Fence> = self.held().keys().copied().collect();
        let db = &self.env.db;
        let count =
            job::give_back_others(db, self.now(), self.lease, Some(kind.name), &held).await?;
        if count > 0 {
            tracing::warn!(kind = kind.name, count, "claims whose answers were lost");
        }
        Ok(())
    }

    /// Whether the job may begin: it was not given back meanwhile.
    pub(super) fn begin(&self, kind: Kind, fence: &Fence) -> bool {
        match self.held().get_mut(fence) {
            Some(held) => {
                held.phase = Phase::Running(Instant::now() + kind.deadline + GRACE);
                true
            }
            None => false,
        }
    }

    pub(super) fn end(&self, fence: &Fence, outcome: Outcome) {
        if let Some(held) = self.held().get_mut(fence) {
            held.phase = Phase::Ended(outcome);
        }
        self.ended.notify_one();
    }

    /// How many ends are not saved yet.
    pub(super) fn unsaved(&self) -> usize {
        self.held().values().filter(|held| !held.is_live()).count()
    }

    /// Saves what ended; those that are done together. What fails is kept.
    pub(super) async fn save(&self) -> Result<(), DbError> {
        let _one = self.saving.lock().await;
        let mut done = Vec::new();
        let mut others = Vec::new();
        for (fence, held) in self.held().iter() {
            match held.phase {
                Phase::Ended(Outcome::Done) => done.push(*fence),
                Phase::Ended(outcome) => others.push((*fence, held.kind, held.attempts, outcome)),
                Phase::Waiting | Phase::Running(_) => {}
            }
        }
        let db = &self.env.db;
        if !done.is_empty() {
            portal_faults::point("job.ended");
            let landed = job::finish(db, self.now(), &done).await?;
            let late = landed
                .iter()
                .filter(|landed| **landed == Landing::Late)
                .count();
            if late > 0 {
                tracing::warn!(late, "jobs ended after their lease was lost");
            }
            portal_faults::point("job.saved");
            let mut held = self.held();
            for fence in &done {
                held.remove(fence);
            }
        }
        for (fence, kind, attempts, outcome) in others {
            let landed = report(db, self.now(), &fence, attempts, outcome).await?;
            tracing::warn!(job = %fence.id, kind, ?outcome, ?landed, "a job did not end well");
            self.held().remove(&fence);
        }
        Ok(())
    }

    /// Saves whenever something ended. What ends meanwhile is saved together next.
    pub(super) async fn keep_saving(&self) {
        loop {
            self.ended.notified().await;
            while let Err(error) = self.save().await {
                tracing::warn!(error = chain(&error), "ends of jobs are not saved yet");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }

    /// What waits, runs within its deadline, or is not saved yet.
    pub(super) fn keeping(&self) -> Vec<Fence> {
        let now = Instant::now();
        self.held()
            .iter()
            .filter(|(_, held)| !matches!(held.phase, Phase::Running(until) if until < now))
            .map(|(fence, _)| *fence)
            .collect()
    }

    /// Keeps the leases of what waits, runs within its deadline, or is not saved yet.
    pub(super) async fn beat(&self) -> Result<(), DbError> {
        let fences = self.keeping();
        if fences.is_empty() {
            return Ok(());
        }
        job::beat(&self.env.db, self.lease_until(), &fences).await
    }

    /// Saves what ended, gives back what waits uncharged and what runs charged, then whatever else
    /// is leased to us. Tried again after an error; `let_go` is what earlier tries let go of.
    pub(super) async fn wind_up(&self, let_go: &mut Vec<(Fence, bool)>) -> Result<(), DbError> {
        self.save().await?;
        // From here on none of them may begin.
        let_go.extend(
            self.held()
                .drain()
                .map(|(fence, held)| (fence, !matches!(held.phase, Phase::Waiting))),
        );
        let db = &self.env.db;
        job::give_back(db, self.now(), let_go).await?;
        let rest = job::give_back_others(db, self.now(), self.lease, None, &[]).await?;
        tracing::info!(held = let_go.len(), rest, "jobs were given back");
        Ok(())
    }
}
