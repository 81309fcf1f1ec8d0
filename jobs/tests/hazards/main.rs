//! What a queue on a database gets wrong, one test for each hazard, and what ours does instead.
//!
//! Every test has a database of its own: a SQLite file, or one on the PostgreSQL server that
//! `TEST_DATABASE_URL` names. Where a hazard exists on one of them only, its test says why. The
//! sentence that begins with "Stock" is what apalis-postgres 1.0.0 does there; `bench/` shows it.

#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod harness;

mod claims;
mod ends;
mod owners;
mod signals;
mod table;
