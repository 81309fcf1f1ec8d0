//! A database of its own for each test: a SQLite file, or a database on the PostgreSQL server that
//! `TEST_DATABASE_URL` names.

use portal_store::Db;
use tempfile::TempDir;

/// A migrated database, gone with the test.
pub(crate) struct TestDatabase {
    pub db: Db,
    pub url: String,
    // Kept for its end.
    _folder: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let (url, folder) = match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => (on_server(&server).await, None),
            Err(_) => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let path = folder.path().join("portal.db");
                (format!("sqlite:{}", path.display()), Some(folder))
            }
        };
        let db = Db::open(&url).expect("a database");
        db.migrate().await.expect("migrations");
        Self {
            db,
            url,
            _folder: folder,
        }
    }
}

/// Makes a new database on the server and returns its address.
async fn on_server(server: &str) -> String {
    let name = format!("portal_{}", uuid::Uuid::now_v7().simple());
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls)
        .await
        .expect("the server of TEST_DATABASE_URL");
    let driver = tokio::spawn(connection);
    client
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a new database");
    drop(client);
    let _ = driver.await;
    format!("{}/{name}", server.trim_end_matches('/'))
}
