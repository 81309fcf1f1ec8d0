//! The contract is what the code says, and the tables come and go.

use crate::harness::TestDatabase;

#[test]
fn the_published_schema_is_the_schema() {
    let published = include_str!("../schema.graphql");
    assert!(
        published == portal::graphql::sdl(),
        "schema.graphql is stale: cargo run -- schema > schema.graphql"
    );
    // No output type can hold a token, and a new vendor changes nothing here.
    for vendor in ["Mews", "VirtualLocks"] {
        assert!(
            !published.contains(vendor),
            "{vendor} is a type of the schema"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_up_down_and_up_again() {
    let database = TestDatabase::new().await;
    database.db.migrate().await.expect("nothing to do");
    database.db.revert_migrations().await.expect("down");
    database.db.migrate().await.expect("up again");
    database.db.ping().await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_sqlite_file_is_refused() {
    let database = TestDatabase::new().await;
    if database.db.is_postgres() {
        return;
    }
    let refused = portal_store::Db::open(&database.url).expect_err("a second one");
    assert!(
        refused
            .to_string()
            .starts_with("another portal process already works on"),
        "{refused}"
    );
}
