//! What came of the checks.

use std::fmt::{self, Write};

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The adapter does what it should.
    Passed,
    /// It does not.
    Failed {
        /// What it did instead.
        why: String,
    },
    /// There is nothing to check.
    NotApplicable {
        /// What is missing.
        reason: String,
    },
}

/// What came of all checks, in the order they ran.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: Vec<(&'static str, Outcome)>,
    left_out: Vec<(&'static str, String)>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn note(&mut self, id: &'static str, outcome: Outcome, left_out: Vec<String>) {
        self.outcomes.push((id, outcome));
        let left_out = left_out.into_iter().map(|reason| (id, reason));
        self.left_out.extend(left_out);
    }

    /// Every check and what came of it.
    pub fn outcomes(&self) -> &[(&'static str, Outcome)] {
        &self.outcomes
    }

    /// The checks that passed.
    pub fn passed(&self) -> Vec<&'static str> {
        self.which(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// The checks that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.which(|outcome| matches!(outcome, Outcome::Failed { .. }))
    }

    /// The checks that did not apply.
    pub fn skipped(&self) -> Vec<&'static str> {
        self.which(|outcome| matches!(outcome, Outcome::NotApplicable { .. }))
    }

    /// Parts of checks that the stage could not play, each with its check and the reason.
    pub fn left_out(&self) -> &[(&'static str, String)] {
        &self.left_out
    }

    /// Fails the test unless every check passed or did not apply.
    ///
    /// # Panics
    ///
    /// When a check failed.
    pub fn assert(&self) {
        assert!(self.failed().is_empty(), "{self}");
    }

    fn which(&self, of: impl Fn(&Outcome) -> bool) -> Vec<&'static str> {
        let outcomes = self.outcomes.iter();
        let found = outcomes.filter(|(_, outcome)| of(outcome));
        found.map(|(id, _)| *id).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, outcome) in &self.outcomes {
            match outcome {
                Outcome::Passed => writeln!(f, "{id} passed")?,
                Outcome::Failed { why } => writeln!(f, "{id} FAILED: {why}")?,
                Outcome::NotApplicable { reason } => writeln!(f, "{id} does not apply: {reason}")?,
            }
        }
        for (id, reason) in &self.left_out {
            writeln!(f, "{id} left out a part: {reason}")?;
        }
        f.write_char('\n')
    }
}
