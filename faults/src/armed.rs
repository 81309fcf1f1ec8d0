//! What the places do when armed.

use crate::Injected;
use rustix::process::{Signal, getpid, kill_process};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// What happens to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// It fails without being done.
    FailBefore,
    /// It is done, and fails.
    FailAfter,
    /// It is done twice; the first answer counts.
    Twice,
}

/// What happens to the steps of one test. Clones share what was seen.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    twist: Option<(String, u32, Twist)>,
    met: Arc<AtomicU32>,
    seen: Arc<Mutex<Vec<&'static str>>>,
    hurry: Option<Duration>,
}

impl Plan {
    /// Nothing happens; the steps are noted.
    pub fn watch() -> Self {
        Self::default()
    }

    /// This happens to the `nth` run, from 1, of the step `place`.
    pub fn twist(place: &str, nth: u32, twist: Twist) -> Self {
        Self {
            twist: Some((place.to_owned(), nth, twist)),
            ..Self::default()
        }
    }

    /// Nothing happens, and no answer is waited for longer than this.
    pub fn hurry(most: Duration) -> Self {
        Self {
            hurry: Some(most),
            ..Self::default()
        }
    }

    /// The steps so far, in order.
    pub fn seen(&self) -> Vec<&'static str> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether what was planned has happened.
    pub fn happened(&self) -> bool {
        let met = self.met.load(Ordering::SeqCst);
        self.twist.as_ref().is_some_and(|(_, nth, _)| met >= *nth)
    }

    fn meet(&self, place: &'static str) -> Option<Twist> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place);
        let (planned, nth, twist) = self.twist.as_ref()?;
        if planned != place {
            return None;
        }
        (self.met.fetch_add(1, Ordering::SeqCst) + 1 == *nth).then_some(*twist)
    }
}

tokio::task_local! {
    static PLAN: Plan;
}

/// Runs something under a plan. It covers what runs in the same task, as a drained job does.
pub async fn plan<T>(plan: &Plan, run: impl Future<Output = T>) -> T {
    PLAN.scope(plan.clone(), run).await
}

pub(crate) fn point(place: &str) {
    if let Some(file) = &*PLACES {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that lines of several processes do not mix.
        let _ = file.write_all(format!("{place}\n").as_bytes());
    }
    if let Some(file) = &*ORDER
        && let Ok(order) = std::fs::read_to_string(file)
        && is_now(order.trim(), place)
    {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// Whether an order is about this place and this time.
fn is_now(order: &str, place: &str) -> bool {
    let Some((named, nth)) = order.rsplit_once(':') else {
        return false;
    };
    if named != place {
        return false;
    }
    let mut met = MET.lock().unwrap_or_else(PoisonError::into_inner);
    if met.0 != order {
        *met = (order.to_owned(), 0);
    }
    met.1 += 1;
    nth.parse() == Ok(met.1)
}

pub(crate) fn patience(usual: Duration) -> Duration {
    let hurry = PLAN.try_with(|plan| plan.hurry).ok().flatten();
    hurry.map_or(usual, |most| most.min(usual))
}

fn meet(place: &'static str) -> Option<Twist> {
    if is_armed() {
        point(&format!("{place}.before"));
    }
    PLAN.try_with(|plan| plan.meet(place)).ok().flatten()
}

fn leave(place: &str) {
    if is_armed() {
        point(&format!("{place}.after"));
    }
}

pub(crate) async fn once<T, E>(
    place: &'static str,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: From<Injected>,
{
    let done = match meet(place) {
        None | Some(Twist::Twice) => run.await,
        Some(Twist::FailBefore) => Err(Injected.into()),
        Some(Twist::FailAfter) => run.await.and(Err(Injected.into())),
    };
    leave(place);
    done
}

pub(crate) async fn step<T, E, F>(place: &'static str, run: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: From<Injected>,
{
    let done = match meet(place) {
        None => run().await,
        Some(Twist::FailBefore) => Err(Injected.into()),
        Some(Twist::FailAfter) => run().await.and(Err(Injected.into())),
        Some(Twist::Twice) => {
            let first = run().await;
            // Nobody hears the second answer.
            let _ = run().await;
            first
        }
    };
    leave(place);
    done
}

fn is_armed() -> bool {
    PLACES.is_some() || ORDER.is_some()
}

static PLACES: LazyLock<Option<Mutex<std::fs::File>>> = LazyLock::new(|| {
    let path = std::env::var_os("PORTAL_PLACES")?;
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(path);
    file.ok().map(Mutex::new)
});

static ORDER: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| std::env::var_os("PORTAL_ORDER").map(PathBuf::from));

/// The order that stands, and how often its place was met.
static MET: Mutex<(String, u32)> = Mutex::new((String::new(), 0));
