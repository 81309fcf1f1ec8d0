//! The table of what Mews's contract asks names tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The text between single back quotes.
fn quoted(table: &str) -> impl Iterator<Item = &str> {
    table.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_named_in_the_table_exists_and_every_row_names_one() {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = adapter.join("../..");
    let table = fs::read_to_string(adapter.join("CONTRACT-COVERAGE.md")).unwrap();
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    for (file, test) in quoted(&table).filter_map(|name| name.split_once("::")) {
        let source = sources
            .entry(file)
            .or_insert_with(|| fs::read_to_string(root.join(file)).expect(file));
        let head = format!("fn {test}(");
        let before = source.split_once(&head).map(|(before, _)| before);
        let lines = before.expect(test).lines().rev().take(3);
        let is_test = lines
            .into_iter()
            .any(|line| line.starts_with("#[test") || line.starts_with("#[tokio::test"));
        assert!(is_test, "{file}::{test} is no test");
    }
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    let numbers: Vec<usize> = rows
        .iter()
        .filter_map(|row| row.split('|').nth(1)?.trim().parse().ok())
        .collect();
    assert_eq!(numbers, (1..=24).chain(1..=12).collect::<Vec<_>>());
    for row in rows.iter().filter(|row| !row.contains("shown by")) {
        assert!(quoted(row).any(|name| name.contains("::")), "{row}");
    }
}
