//! What the places do when armed.

use crate::Injected;
use rustix::process::{Signal, getpid, kill_process};
use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

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
    let Some(orders) = &*ORDERS else {
        return;
    };
    if let Some(file) = &orders.places {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that lines of several processes do not mix.
        let _ = file.write_all(format!("{place}\n").as_bytes());
    }
    let nth = {
        let mut met = orders.met.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = met.entry(place.to_owned()).or_insert(0);
        *nth += 1;
        *nth
    };
    for (order, signal) in [
        (&orders.crash, Signal::KILL),
        (&orders.stop, Signal::STOP),
    ] {
        if order.as_ref().is_some_and(|order| order.0 == place && order.1 == nth) {
            let _ = kill_process(getpid(), signal);
        }
    }
}

fn meet(place: &'static str) -> Option<Twist> {
    if ORDERS.is_some() {
        point(&format!("{place}.before"));
    }
    PLAN.try_with(|plan| plan.meet(place)).ok().flatten()
}

fn leave(place: &str) {
    if ORDERS.is_some() {
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

/// What the variables ask for.
struct Orders {
    crash: Option<(String, u32)>,
    stop: Option<(String, u32)>,
    places: Option<Mutex<std::fs::File>>,
    met: Mutex<HashMap<String, u32>>,
}

static ORDERS: LazyLock<Option<Orders>> = LazyLock::new(|| {
    let order = |name| {
        let text = std::env::var(name).ok()?;
        let (place, nth) = text.rsplit_once(':')?;
        Some((place.to_owned(), nth.parse().ok()?))
    };
    let places = std::env::var_os("PORTAL_PLACES").and_then(|path| {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.ok().map(Mutex::new)
    });
    let orders = Orders {
        crash: order("PORTAL_CRASH_AT"),
        stop: order("PORTAL_STOP_AT"),
        places,
        met: Mutex::default(),
    };
    let some = orders.crash.is_some() || orders.stop.is_some() || orders.places.is_some();
    some.then_some(orders)
});
