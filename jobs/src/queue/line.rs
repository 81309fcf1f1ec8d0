//! One kind of job as apalis sees it.
//!
//! Nothing here fails in apalis's eyes: an error would end its worker and lose the ends of what
//! still runs. Trouble with the database is logged and answered with "no job".

use apalis_core::backend::codec::Codec;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::persistence::{Persisted, Persistence, TaskEvent, TaskPersistLayer};
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use portal_domain::WorkerId;
use portal_store::DbError;
use portal_store::job::{self, Claim, Claimed, Fence};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};

use super::Kind;
use super::desk::Desk;
use super::run::{NotDone, run};
use crate::job::chain;

/// How long apalis may wait for us between its other duties.
const FETCH: Duration = Duration::from_secs(1);
/// How often something is tried while the database fails.
const TRIES: u32 = 3;
/// Unsaved ends above which no more work is taken on.
const UNSAVED: usize = 1000;
const LARGEST_BATCH: usize = 128;
/// A batch used up faster than this may double.
const FAST: Duration = Duration::from_millis(100);
/// How often apalis shows that its worker lives, and how often we write that down.
const HEARTBEAT: Duration = Duration::from_secs(10);
const TOUCH: Duration = Duration::from_mins(1);

/// One kind of job and the claimed ones that wait for a free slot.
pub(super) struct Line {
    kind: Kind,
    desk: Arc<Desk>,
    buffer: Mutex<VecDeque<Claimed>>,
    /// Held while a claim is under way, which goes on when apalis drops the fetch.
    pub(super) claiming: Arc<tokio::sync::Mutex<Pace>>,
    /// Whether jobs of this kind have groups: they are claimed one by one, since how many of a
    /// group may come is known only from what already runs.
    grouped: AtomicBool,
    worker: Mutex<Option<(WorkerId, Instant)>>,
}

/// How many are claimed at once: more while they are used up quickly.
pub(super) struct Pace {
    batch: usize,
    last: Option<Instant>,
    /// Whether the last claim may have gone through without our hearing of it.
    unheard: bool,
}

impl Pace {
    fn next(&mut self, free: usize) -> usize {
        let fast = self.last.is_some_and(|last| last.elapsed() < FAST);
        self.batch = if fast {
            (self.batch * 2).min(LARGEST_BATCH)
        } else {
            1
        };
        self.batch.max(free)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    pub(super) fn new(kind: Kind, desk: Arc<Desk>) -> Self {
        Self {
            kind,
            desk,
            buffer: Mutex::default(),
            claiming: Arc::new(tokio::sync::Mutex::new(Pace {
                batch: 1,
                last: None,
                unheard: false,
            })),
            grouped: AtomicBool::new(false),
            worker: Mutex::default(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// A worker's name. Only for people: nothing is owned by it.
    pub(super) fn name(&self, restarts: usize) -> String {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.is_empty() { "host" } else { host.trim() };
        format!("{}@{host}/{}#{restarts}", self.kind.name, self.desk.lease)
    }

    /// The one handler: runs a job and notes its end before apalis hears of it.
    pub(super) async fn work(&self, claimed: Claimed) -> Result<(), NotDone> {
        let fence = claimed.fence(self.desk.lease);
        if !self.desk.begin(self.kind, &fence) {
            return Ok(());
        }
        let stop = self.desk.stop.subscribe();
        let outcome = run(self.kind, self.desk.env.clone(), &claimed.args, stop).await;
        self.desk.end(&fence, outcome);
        outcome.result()
    }

    fn pop(&self) -> Option<Claimed> {
        lock(&self.buffer).pop_front()
    }

    /// The next job, from the buffer or the table.
    async fn fetch(self: &Arc<Self>) -> Option<Claimed> {
        let deadline = Instant::now() + FETCH;
        let mut bell = self.desk.env.db.bell().jobs();
        loop {
            if self.desk.stops() {
                return None;
            }
            if let Some(claimed) = self.pop() {
                return Some(claimed);
            }
            while self.desk.unsaved() > UNSAVED {
                if Instant::now() > deadline {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let pace = self.claiming.clone().try_lock_owned().ok()?;
            let line = self.clone();
            let claim = tokio::spawn(async move { line.claim(pace).await });
            if tokio::time::timeout_at(deadline, claim).await.is_err() {
                return None;
            }
            if let Some(claimed) = self.pop() {
                return Some(claimed);
            }
            // The bell may have rung after the claim looked and while apalis was not listening.
            if !bell.has_changed().unwrap_or(false) || Instant::now() > deadline {
                return None;
            }
            bell.mark_unchanged();
        }
    }

    async fn claim(&self, mut pace: tokio::sync::OwnedMutexGuard<Pace>) {
        let (running, busy) = self.desk.load(self.kind);
        let limit = if self.grouped.load(Ordering::Relaxed) {
            1
        } else {
            pace.next(self.kind.concurrency.saturating_sub(running).max(1))
        };
        let ask = Claim {
            kind: self.kind.name,
            lease: self.desk.lease,
            lease_until: self.desk.lease_until(),
            busy: &busy,
            limit: i64::try_from(limit).unwrap_or(1),
        };
        let claimed = async {
            if pace.unheard {
                self.desk.give_back_lost(self.kind).await?;
            }
            pace.unheard = true;
            let claimed = job::claim(&self.desk.env.db, self.desk.now(), &ask).await?;
            pace.unheard = false;
            Ok::<_, DbError>(claimed)
        };
        match claimed.await {
            Ok(claimed) => {
                portal_faults::point("job.claimed");
                pace.last = (claimed.len() >= limit).then(Instant::now);
                self.stock(claimed).await;
            }
            Err(error) => {
                pace.last = None;
                tracing::warn!(
                    kind = self.kind.name,
                    error = chain(&error),
                    "no job was claimed"
                );
            }
        }
    }

    async fn stock(&self, claimed: Vec<Claimed>) {
        let mut excess = Vec::new();
        for claimed in claimed {
            if claimed.group_key.is_some() {
                self.grouped.store(true, Ordering::Relaxed);
            }
            if self.desk.take(self.kind, &claimed) {
                lock(&self.buffer).push_back(claimed);
            } else {
                excess.push((claimed.fence(self.desk.lease), false));
            }
        }
        if !excess.is_empty() {
            self.give_back(&excess).await;
        }
    }

    async fn give_back(&self, fences: &[(Fence, bool)]) {
        let desk = &self.desk;
        for attempt in 1..=TRIES {
            let Err(error) = job::give_back(&desk.env.db, desk.now(), fences).await else {
                return;
            };
            // At worst their leases end by themselves.
            tracing::warn!(
                error = chain(&error),
                attempt,
                "jobs could not be given back"
            );
            tokio::time::sleep(FETCH).await;
        }
    }

    async fn register(&self, name: &str) -> Result<(), DbError> {
        let id = WorkerId::new();
        *lock(&self.worker) = Some((id, Instant::now()));
        job::register_worker(&self.desk.env.db, self.desk.now(), id, name).await
    }

    async fn touch(&self) -> Result<(), DbError> {
        let due = match &mut *lock(&self.worker) {
            Some((id, at)) if at.elapsed() >= TOUCH => {
                *at = Instant::now();
                Some(*id)
            }
            _ => None,
        };
        match due {
            Some(id) => job::touch_worker(&self.desk.env.db, self.desk.now(), id).await,
            None => Ok(()),
        }
    }
}

/// Says what went wrong with something that only people look at.
async fn try_shortly(what: &str, work: impl Future<Output = Result<(), DbError>>) {
    match timeout(FETCH, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = chain(&error), what, "not written down"),
        Err(_) => tracing::warn!(what, "not written down in time"),
    }
}

/// apalis's view of a [`Line`].
#[derive(Clone)]
pub(super) struct Keeper(pub(super) Arc<Line>);

impl Persistence for Keeper {
    type Compact = Claimed;
    type Response = ();
    type Error = Infallible;

    async fn register(&mut self, worker: &WorkerContext) -> Result<(), Infallible> {
        // apalis restarts a broken worker at once, for ever.
        if worker.restarts() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        try_shortly("a worker", Box::pin(self.0.register(worker.name()))).await;
        Ok(())
    }

    async fn heartbeat(&mut self, _worker: &WorkerContext) -> Result<(), Infallible> {
        try_shortly("a heartbeat", Box::pin(self.0.touch())).await;
        Ok(())
    }

    async fn fetch_next(
        &mut self,
        _worker: &WorkerContext,
    ) -> Result<Vec<Task<Claimed>>, Infallible> {
        // Without a pause apalis would not be polled again, and miss the timer and the bell.
        tokio::task::yield_now().await;
        Ok(self.0.fetch().await.map(task).into_iter().collect())
    }

    async fn reenqueue_abandoned(
        &mut self,
        tasks: Vec<Task<Claimed>>,
        _worker: &WorkerContext,
    ) -> Result<u64, Infallible> {
        // They wait on the desk, which gives them back when the process stops.
        Ok(tasks.len() as u64)
    }

    async fn handle_events(
        &mut self,
        _events: Vec<TaskEvent<()>>,
        _worker: &WorkerContext,
    ) -> Result<(), Infallible> {
        // The handler noted the end on the desk, which saves several at once.
        self.0.desk.ended.notify_one();
        Ok(())
    }

    async fn push_tasks(&mut self, _tasks: Vec<Task<Claimed>>) -> Result<(), Infallible> {
        tracing::error!("jobs are enqueued in a transaction, not through apalis");
        Ok(())
    }
}

/// The id is unique per claim: a job claimed anew while an old run of it lingers is another task.
fn task(claimed: Claimed) -> Task<Claimed> {
    let id = TaskId::String(format!("{}.{}", claimed.id, claimed.generation));
    TaskBuilder::new(claimed).task_id(id).build()
}

/// The backend apalis polls.
pub(super) struct Source(Persisted<Keeper>);

impl Source {
    pub(super) fn new(line: Arc<Line>) -> Self {
        Self(Persisted::new(Keeper(line)))
    }
}

impl Backend for Source {
    type Task = Task<Claimed>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx, worker, HEARTBEAT)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Task<Claimed>, Infallible>>> {
        self.0.poll_next(cx, worker)
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.0.poll_close(cx, worker)
    }
}

impl BackendConfig for Source {
    type Args = Claimed;
    type Id = TaskId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = TaskPersistLayer<NoResult, ()>;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _worker: &mut WorkerContext) -> Self::Layer {
        self.0.layer(NoResult, 1).persist_results(true)
    }
}

/// Jobs have no results.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoResult;

impl Codec<()> for NoResult {
    type Error = Infallible;
    type Compact = ();

    fn encode(&self, (): &()) -> Result<(), Infallible> {
        Ok(())
    }

    fn decode(&self, (): &()) -> Result<(), Infallible> {
        Ok(())
    }
}
