//! A database of its own for each test: a SQLite file, or a database on the PostgreSQL server that
//! `TEST_DATABASE_URL` names.

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use portal_store::Db;
use std::sync::Arc;
use tempfile::TempDir;

/// A migrated database, gone with the test.
pub(crate) struct TestDatabase {
    pub(crate) db: Db,
    pub(crate) url: String,
    /// Gone with the last who holds it.
    pub(crate) folder: Option<Arc<TempDir>>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let (url, folder) = match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => (on_server(&server).await, None),
            Err(_) => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let path = folder.path().join("portal.db");
                (format!("sqlite:{}", path.display()), Some(Arc::new(folder)))
            }
        };
        let db = Db::open(&url).expect("a database");
        db.migrate().await.expect("migrations");
        Self { db, url, folder }
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

impl TestDatabase {
    /// Every row of every table: of SQLite a copy without what stood there before.
    pub(crate) async fn rows(&self) -> Vec<u8> {
        let Some(path) = self.url.strip_prefix("sqlite:") else {
            return self.dump().await;
        };
        let copy = format!("{path}-{}", uuid::Uuid::now_v7().simple());
        let mut file = SqliteConnection::establish(path).expect("the file");
        file.batch_execute(&format!("VACUUM INTO '{copy}'"))
            .expect("a copy");
        let all = std::fs::read(&copy).expect("the copy");
        std::fs::remove_file(&copy).expect("the copy");
        all
    }

    /// Every byte the database holds: the files of SQLite, or every row of PostgreSQL as text.
    pub(crate) async fn dump(&self) -> Vec<u8> {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let mut all = std::fs::read(path).expect("the file");
            all.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
            return all;
        }
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
            .await
            .expect("the database");
        tokio::spawn(connection);
        let tables = client
            .query(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
                &[],
            )
            .await
            .expect("the tables");
        let mut all = Vec::new();
        for table in tables {
            let name: String = table.get(0);
            let query = format!("SELECT t::text FROM \"{name}\" t");
            for row in client.query(&query, &[]).await.expect("the rows") {
                let text: String = row.get(0);
                all.extend_from_slice(text.as_bytes());
                all.push(b'\n');
            }
        }
        all
    }
}
