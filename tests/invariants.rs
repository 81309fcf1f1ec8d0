//! The invariants of the design: a table names the tests that prove each, and here are those that
//! drive random days through the whole stack. `PORTAL_SEED` replays those of a failure, `PORTAL_STEPS`
//! says how many steps to take.

mod apps;
mod effects;
mod given_up;
mod in_house;
mod leases;
mod links;
mod not_yours;
mod outside_transactions;
mod schema;
mod staff_revocation;
mod verdicts;
mod versions;
mod witness;

use crate::faults::{count, seed};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A seeded generator and the number of steps to take, both printed.
fn chance(what: &str, usual: usize) -> (StdRng, usize, String) {
    let (seed, steps) = (seed("PORTAL_SEED"), count("PORTAL_STEPS", usual));
    println!("{what}: {steps} steps, seed {seed}");
    let replay = format!("{what}: replay with PORTAL_SEED={seed} PORTAL_STEPS={steps}");
    (StdRng::seed_from_u64(seed), steps, replay)
}

/// The text between single back quotes.
fn quoted(table: &str) -> impl Iterator<Item = &str> {
    table.split('`').skip(1).step_by(2)
}

#[test]
fn each_invariant_is_listed_with_tests_that_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.join("..");
    let table = fs::read_to_string(tests.join("INVARIANTS.md")).expect("the table");
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    for (file, test) in quoted(&table).filter_map(|name| name.split_once("::")) {
        let source = sources
            .entry(file)
            .or_insert_with(|| fs::read_to_string(root.join(file)).expect(file));
        let before = source
            .split_once(&format!("fn {test}("))
            .map(|(before, _)| before);
        let mut lines = before.expect(test).lines().rev().take(6);
        let is_test =
            lines.any(|line| line.starts_with("#[test") || line.starts_with("#[tokio::test"));
        assert!(is_test, "{file}::{test} is no test");
    }
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| INV-"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let ids: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let expected: Vec<String> = (1..=33).map(|n| format!("INV-{n}")).collect();
    assert_eq!(ids, expected);
    for row in &rows {
        assert_eq!(row.len(), 3, "{row:?}");
        let proven = quoted(row[2]).any(|name| name.contains("::"));
        assert!(proven || row[2].starts_with("No test"), "{row:?}");
    }
}
