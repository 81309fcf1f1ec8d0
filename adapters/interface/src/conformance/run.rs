//! Runs a check: what it answers, what it panics with, and how long it may take.

use super::report::Outcome;
use super::stage::Cannot;
use crate::AdapterError;
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Longest time a check may take. Far more than any needs, so that slow machines pass.
const LONGEST: Duration = Duration::from_mins(5);

/// Why a check does not pass.
pub(super) enum Miss {
    Failed(String),
    NotApplicable(String),
}

/// What a check answers.
pub(super) type Checked<T = ()> = Result<T, Miss>;

impl From<Cannot> for Miss {
    fn from(Cannot(reason): Cannot) -> Self {
        Self::NotApplicable(reason.to_owned())
    }
}

/// Fails the check with a sentence.
macro_rules! fail {
    ($($why:tt)+) => {
        return Err($crate::conformance::run::Miss::Failed(format!($($why)+)))
    };
}

/// Fails the check unless something holds.
macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            $crate::conformance::run::fail!($($why)+);
        }
    };
}

pub(super) use {fail, must};

/// Takes the adapter's answer, or fails the check with its error.
pub(super) trait Answered<T> {
    fn answered(self, to: &str) -> Checked<T>;
}

impl<T> Answered<T> for Result<T, AdapterError> {
    fn answered(self, to: &str) -> Checked<T> {
        self.map_err(|error| Miss::Failed(format!("{to} answered {error:?}")))
    }
}

/// Runs something to its end, or to its panic.
pub(super) async fn unwound<T>(run: impl Future<Output = T>) -> Result<T, String> {
    let mut run = pin!(run);
    poll_fn(|context| {
        // Whatever was left half done is dropped with the house.
        match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context))) {
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(words(panic.as_ref()))),
        }
    })
    .await
}

/// Runs a check.
pub(super) async fn caught(check: impl Future<Output = Checked>) -> Outcome {
    let failed = |why| Outcome::Failed { why };
    match tokio::time::timeout(LONGEST, unwound(check)).await {
        Ok(Ok(Ok(()))) => Outcome::Passed,
        Ok(Ok(Err(Miss::Failed(why)))) => failed(why),
        Ok(Ok(Err(Miss::NotApplicable(reason)))) => Outcome::NotApplicable { reason },
        Ok(Err(panic)) => failed(format!("it panicked: {panic}")),
        Err(_) => failed("it came to no end".to_owned()),
    }
}

/// Runs all of them at the same time, on this task.
pub(super) async fn together<T>(runs: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut runs: Vec<_> = runs.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = runs.iter().map(|_| None).collect();
    poll_fn(move |context| {
        for (run, done) in runs.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(answer) = run.as_mut().poll(context)
            {
                *done = Some(answer);
            }
        }
        if done.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without words".to_owned())
}
