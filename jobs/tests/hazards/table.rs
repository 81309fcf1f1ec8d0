//! The table of tomorrow under the code of today.

use crate::harness::Bench;
use portal_domain::WorkerId;
use portal_store::job::{self, Landing};
use std::time::Duration;

/// Name, type on PostgreSQL, type on SQLite.
const COLUMNS: [(&str, &str, &str); 19] = [
    ("id", "uuid PRIMARY KEY", "BLOB PRIMARY KEY NOT NULL"),
    ("kind", "text NOT NULL", "TEXT NOT NULL"),
    ("property_id", "uuid", "BLOB"),
    ("args", "text NOT NULL", "TEXT NOT NULL"),
    ("trace", "text", "TEXT"),
    ("coalesce_key", "text", "TEXT"),
    ("group_key", "text", "TEXT"),
    ("priority", "smallint NOT NULL", "SMALLINT NOT NULL"),
    ("state", "text NOT NULL", "TEXT NOT NULL"),
    ("run_at", "timestamptz NOT NULL", "BIGINT NOT NULL"),
    ("again_at", "timestamptz", "BIGINT"),
    (
        "generation",
        "bigint NOT NULL DEFAULT 0",
        "BIGINT NOT NULL DEFAULT 0",
    ),
    ("lease", "uuid", "BLOB"),
    ("lease_until", "timestamptz", "BIGINT"),
    (
        "starts",
        "smallint NOT NULL DEFAULT 0",
        "SMALLINT NOT NULL DEFAULT 0",
    ),
    (
        "attempts",
        "smallint NOT NULL DEFAULT 0",
        "SMALLINT NOT NULL DEFAULT 0",
    ),
    ("code", "text", "TEXT"),
    ("created_at", "timestamptz NOT NULL", "BIGINT NOT NULL"),
    ("changed_at", "timestamptz NOT NULL", "BIGINT NOT NULL"),
];

/// AP-15. Stock takes the rows of a stored function as they come, so that its table cannot get
/// another column while an old process runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_table_is_read_by_name() {
    let bench = Bench::new("newer").await;
    let columns = COLUMNS.iter().rev().map(|(name, postgres, sqlite)| {
        let kind = if bench.is_postgres() {
            postgres
        } else {
            sqlite
        };
        format!("{name} {kind}")
    });
    let columns: Vec<_> = columns.collect();
    let text = format!(
        "DROP TABLE jobs; \
         CREATE TABLE jobs (before_all integer NOT NULL DEFAULT 7, {}, \
            after_all text NOT NULL DEFAULT 'x', more text); \
         CREATE UNIQUE INDEX one ON jobs (kind, coalesce_key) WHERE state <> 'quarantined'; \
         ALTER TABLE workers ADD COLUMN after_all text NOT NULL DEFAULT 'x'",
        columns.join(", ")
    );
    bench.sql(&text).await;

    // Everything once: merged, claimed, put off, set aside, replayed, lost, finished.
    let workers = bench.start();
    bench.steps(&["a", "a", "b"]).await;
    bench.end_badly().await;
    workers.stop(Duration::from_secs(1)).await;
    let mut conn = bench.db().read().await.unwrap();
    let aside = job::quarantined(&mut conn, 10).await.unwrap();
    assert_eq!(job::pending(&mut conn, "step").await.unwrap(), 2);
    assert_eq!(job::workers(&mut conn).await.unwrap().len(), 1);
    drop(conn);
    let mut tx = bench.db().begin().await.unwrap();
    assert!(
        job::replay(&mut tx, bench.now(), aside[0].id)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();

    bench.pass(3600);
    let lease = WorkerId::new();
    let claimed = bench.claim(lease, 10).await;
    assert_eq!(claimed.len(), 3);
    let fences: Vec<_> = claimed.iter().map(|claimed| claimed.fence(lease)).collect();
    job::beat(
        bench.db(),
        bench.now() + chrono::Duration::seconds(1),
        &fences,
    )
    .await
    .unwrap();
    bench.pass(2);
    let lost = job::recover_expired(bench.db(), bench.now(), &[])
        .await
        .unwrap();
    assert_eq!(lost, [Landing::Pending; 3]);
    bench.pass(5);
    let claimed = bench.claim_beside(&["busy".to_owned()], lease, 10).await;
    let fences: Vec<_> = claimed.iter().map(|claimed| claimed.fence(lease)).collect();
    let landed = job::finish(bench.db(), bench.now(), &fences).await.unwrap();
    assert_eq!(landed, [Landing::Done; 3]);
    assert_eq!(bench.rows().await, []);
}
