//! Starting and stopping the workers of a process.

use apalis::prelude::{Monitor, MonitorContext, WorkerBuilder, WorkerBuilderExt};
use apalis_core::backend::ext::poll_strategy::{PollWith, Strategy};
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use futures_util::stream;
use portal_store::job;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::Registry;
use super::desk::Desk;
use super::line::{Line, Source};
use crate::Env;
use crate::job::chain;

/// How often a worker looks by itself: what falls due later rings no bell.
const POLL: Duration = Duration::from_secs(1);
/// How often our leases are kept: three may fail before one is over.
const BEAT: Duration = Duration::from_secs(10);
/// When that is tried again after it failed.
const MISSED_BEAT: Duration = Duration::from_secs(1);
/// How often lost leases are looked for.
const ROUND: Duration = Duration::from_secs(5);
const KEEP_WORKERS: chrono::Duration = chrono::Duration::days(1);
const KEEP_JOBS: chrono::Duration = chrono::Duration::days(30);
/// Rounds between two cleanings, an hour's worth.
const CLEANING: u32 = 720;
/// What is left to save and give back once nothing runs any more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The workers of this process.
pub struct Workers {
    desk: Arc<Desk>,
    lines: Vec<Arc<Line>>,
    monitor: MonitorContext,
    running: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers")
            .field("kinds", &self.lines.len())
            .finish_non_exhaustive()
    }
}

impl Workers {
    /// How long [`Self::stop`] may let jobs finish so that the process ends within 10 s.
    pub const PATIENCE: Duration = Duration::from_secs(7);

    /// Starts a worker for every kind of the registry. Needs a tokio runtime.
    pub fn start(env: Arc<Env>, registry: &Registry) -> Self {
        let desk = Arc::new(Desk::new(env));
        let lines: Vec<_> = registry
            .kinds
            .iter()
            .map(|kind| Arc::new(Line::new(*kind, desk.clone())))
            .collect();
        let mut monitor = Monitor::new().should_restart(|_, _| true);
        for line in &lines {
            monitor = register(monitor, &desk, line.clone());
        }
        let context = monitor.context();
        let running = vec![
            tokio::spawn(async move {
                if let Err(error) = monitor.run().await {
                    tracing::error!(error = chain(&error), "the workers ended");
                }
            }),
            tokio::spawn(keep(desk.clone())),
            tokio::spawn(look_after(desk.clone())),
            tokio::spawn({
                let desk = desk.clone();
                async move { desk.keep_saving().await }
            }),
        ];
        Self {
            desk,
            lines,
            monitor: context,
            running,
        }
    }

    /// Claims no more, lets what runs finish within `patience`, cuts the rest off, and gives back
    /// whatever is still claimed. Takes at most two seconds longer than `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.desk.stop.send_replace(Some(Instant::now() + patience));
        if let Err(error) = self.monitor.shutdown() {
            tracing::warn!(error = chain(&error), "the workers were not told to stop");
        }
        if timeout(patience + LAST_WORDS / 2, &mut self.running[0])
            .await
            .is_err()
        {
            tracing::warn!("some jobs do not stop");
        }
        // A claim under way would outlast the release below.
        let claims = async {
            for line in &self.lines {
                drop(line.claiming.lock().await);
            }
        };
        if timeout(LAST_WORDS / 2, claims).await.is_err() {
            tracing::warn!("a claim does not end");
        }
        let mut let_go = Vec::new();
        let last = async {
            while let Err(error) = self.desk.wind_up(&mut let_go).await {
                tracing::warn!(error = chain(&error), "jobs were not given back yet");
                tokio::time::sleep(LAST_WORDS / 10).await;
            }
        };
        if timeout(LAST_WORDS, last).await.is_err() {
            tracing::warn!("leases run out by themselves");
        }
    }
}

impl Drop for Workers {
    /// What runs ends at its next await; the leases run out by themselves.
    fn drop(&mut self) {
        self.desk.stop.send_replace(Some(Instant::now()));
        for task in &self.running {
            task.abort();
        }
    }
}

fn register(monitor: Monitor, desk: &Arc<Desk>, line: Arc<Line>) -> Monitor {
    let bell = desk.env.db.bell().jobs();
    monitor.register(move |restarts| {
        // The timer comes first: of several that are ready only the first is asked, and a stream
        // that ended is always ready.
        let strategy = Strategy::new()
            .interval(POLL)
            .stream(Box::pin(wakes(bell.clone())));
        let worker = line.clone();
        WorkerBuilder::new(line.name(restarts))
            .backend(PollWith::new(Source::new(line.clone()), strategy))
            .parallelize(tokio::spawn)
            .concurrency(line.kind().concurrency)
            .build(move |claimed| {
                let worker = worker.clone();
                async move { worker.work(claimed).await }
            })
    })
}

/// A stream that yields at every ring and never ends.
fn wakes(bell: watch::Receiver<u64>) -> impl futures_util::Stream<Item = ()> + Send + Sync {
    stream::unfold(bell, |mut bell| async move {
        if bell.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Some(((), bell))
    })
}

/// Keeps our leases. A task of its own, so that nothing else that is slow makes us lose them.
async fn keep(desk: Arc<Desk>) {
    loop {
        let pause = match timeout(BEAT, desk.beat()).await {
            Ok(Ok(())) => BEAT,
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "leases were not kept");
                MISSED_BEAT
            }
            Err(_) => {
                tracing::warn!("leases were not kept in time");
                MISSED_BEAT
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Takes back what others lost, and forgets what is old.
async fn look_after(desk: Arc<Desk>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u32.. {
        rounds.tick().await;
        let recovered = job::recover_expired(&desk.env.db, desk.now(), &desk.keeping())
            .await
            .map(|jobs| {
                if !jobs.is_empty() {
                    tracing::warn!(count = jobs.len(), "jobs were taken back from lost workers");
                }
            });
        let cleaned = if round % CLEANING == 0 {
            clean(&desk).await
        } else {
            Ok(())
        };
        if let Err(error) = recovered.and(cleaned) {
            tracing::warn!(error = chain(&error), "lost leases were not looked for");
        }
    }
}

async fn clean(desk: &Desk) -> Result<(), portal_store::DbError> {
    let db = &desk.env.db;
    job::prune_workers(db, desk.now() - KEEP_WORKERS).await?;
    job::prune(db, desk.now() - KEEP_JOBS).await?;
    Ok(())
}
