//! Places at which a test makes Portal die, fail or repeat itself.
//!
//! Without the feature `armed` they compile to nothing. With it a process obeys two variables:
//!
//! | Variable | |
//! |---|---|
//! | `PORTAL_ORDER=FILE` | the file says `PLACE:NTH`: the process kills itself with SIGKILL when it comes to the place for the nth time since |
//! | `PORTAL_PLACES=FILE` | it appends the name of every place it comes to |
//!
//! and a test sets a plan for what it runs itself.

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use armed::{Plan, Twist, plan};

/// A step a test made fail, as an error of whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injected;

impl std::fmt::Display for Injected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a test made this fail")
    }
}

impl std::error::Error for Injected {}

/// A place where a process may die.
#[cfg_attr(not(feature = "armed"), inline(always), expect(clippy::inline_always))]
pub fn point(place: &'static str) {
    #[cfg(feature = "armed")]
    armed::point(place);
    #[cfg(not(feature = "armed"))]
    let _ = place;
}

/// How long to wait for an answer: as said, unless a test is in a hurry.
#[cfg_attr(not(feature = "armed"), inline(always), expect(clippy::inline_always))]
pub fn patience(usual: std::time::Duration) -> std::time::Duration {
    #[cfg(feature = "armed")]
    return armed::patience(usual);
    #[cfg(not(feature = "armed"))]
    usual
}

/// Something that can be done once only, such as a commit: a place before it and one after it, and a
/// test may let it fail undone, or done.
pub async fn once<T, E>(
    place: &'static str,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: From<Injected>,
{
    #[cfg(feature = "armed")]
    return armed::once(place, run).await;
    #[cfg(not(feature = "armed"))]
    {
        let _ = place;
        run.await
    }
}

/// A step between two of which anything may happen: a place before it and one after it, and a
/// test may let it fail or run twice. `run` makes the step anew each time it is called.
pub async fn step<T, E, F>(place: &'static str, run: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: From<Injected>,
{
    #[cfg(feature = "armed")]
    return armed::step(place, run).await;
    #[cfg(not(feature = "armed"))]
    {
        let _ = place;
        run().await
    }
}
