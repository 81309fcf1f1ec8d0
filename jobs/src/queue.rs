//! The queue: apalis runs the jobs, a table of ours keeps them.
//!
//! | Module | |
//! |---|---|
//! | `run` | one run of one job: decoding, deadline, panics. Workers and [`drain`] share it |
//! | `desk` | what this process holds: leases kept, ends saved, the rest given back |
//! | `line` | one kind as apalis sees it: claims, a small buffer |
//! | `workers` | start and stop |
//!
//! A new kind of job is one line where the [`Registry`] is made.

mod desk;
mod drain;
mod line;
mod run;
mod workers;

use crate::{Env, Job, JobError};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

pub use drain::{Drained, SetAside, drain};
pub use workers::Workers;

/// The kinds of jobs a process works on. Rows of other kinds are left alone.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: Vec<Kind>,
}

impl Registry {
    /// No kinds yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind.
    ///
    /// # Panics
    /// When two jobs share a name.
    #[must_use]
    pub fn add<J: Job>(mut self) -> Self {
        assert!(
            self.kinds.iter().all(|kind| kind.name != J::KIND),
            "two jobs are called {}",
            J::KIND
        );
        self.kinds.push(Kind {
            name: J::KIND,
            deadline: J::DEADLINE,
            concurrency: J::CONCURRENCY.max(1),
            prepare: prepare::<J>,
        });
        self
    }
}

/// A job's type, as values.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    deadline: Duration,
    concurrency: usize,
    /// None when the arguments cannot be read.
    prepare: fn(Arc<Env>, &str) -> Option<Prepared>,
}

type Prepared = BoxFuture<'static, Result<(), JobError>>;

fn prepare<J: Job>(env: Arc<Env>, args: &str) -> Option<Prepared> {
    // The reader's error quotes what it read, so it is dropped.
    let job: J = serde_json::from_str(args).ok()?;
    Some(Box::pin(async move {
        portal_faults::once(J::KIND, job.run(&env)).await
    }))
}
