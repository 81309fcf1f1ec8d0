//! Both databases behind one connection type.

use diesel::connection::AnsiTransactionManager as SyncManager;
use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolError, RecyclingMethod,
};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{
    AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection,
    TransactionManager,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::bell::Bell;
use crate::statements::Statements;
use portal_domain::PropertyId;

const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// A connection that reads, and its like that writes: `SQLite` has one writer and several readers.
const SQLITE_READERS: usize = 4;
const POSTGRES_CONNECTIONS: usize = 16;

type Sqlite = SyncConnectionWrapper<SqliteConnection>;
type Manager<C> = <C as AsyncConnection>::TransactionManager;

/// A connection to whichever database is configured.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives at a time, and on the stack it is cheapest"
)]
pub enum Conn {
    /// `PostgreSQL`.
    Postgres(Object<AsyncPgConnection>),
    /// `SQLite`.
    Sqlite(Object<Sqlite>),
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Postgres(_) => "Conn::Postgres",
            Self::Sqlite(_) => "Conn::Sqlite",
        })
    }
}

/// Runs one Diesel body on whichever database `$conn` is.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::conn::Conn::Postgres(c) => {
                let $c = &mut **c;
                $body
            }
            $crate::conn::Conn::Sqlite(c) => {
                let $c = &mut **c;
                $body
            }
        }
    };
}
pub(crate) use on;

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The address is none we understand.
    #[error("DATABASE_URL must be postgres://… or sqlite:PATH")]
    Address,
    /// No connection was to be had.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A query failed.
    #[error("the database refused a query")]
    Query(#[from] diesel::result::Error),
    /// The tables could not be brought up to date.
    #[error("the migrations failed: {0}")]
    Migration(String),
    /// Another process works on the same `SQLite` file.
    #[error("another portal process already works on {0}; SQLite serves one process at a time")]
    Locked(PathBuf),
    /// A value could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
}

impl DbError {
    /// Whether the database itself was away or busy, so that the same thing may work in a moment:
    /// it restarts, the connection broke, or two transactions stood in each other's way.
    pub fn is_passing(&self) -> bool {
        use diesel::result::{DatabaseErrorKind as Kind, Error};
        match self {
            Self::Unavailable(_) | Self::Query(Error::BrokenTransactionManager) => true,
            Self::Query(Error::DatabaseError(kind, info)) => match kind {
                Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::SerializationFailure => {
                    true
                }
                // PostgreSQL's classes 57P and 40P, of which only the words come through, and what
                // SQLite says when it waited too long. In another language it is an ordinary
                // failure, which is tried again too.
                Kind::Unknown => {
                    let words = info.message();
                    [
                        "terminating connection",
                        "the database system is",
                        "deadlock detected",
                    ]
                    .iter()
                    .any(|start| words.starts_with(start))
                        || words == "database is locked"
                }
                _ => false,
            },
            _ => false,
        }
    }
}

impl From<portal_faults::Injected> for DbError {
    fn from(injected: portal_faults::Injected) -> Self {
        Self::Unavailable(injected.into())
    }
}

/// The database: a pool, and the bells that ring when something was committed.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    bell: Bell,
    statements: Statements,
    url: String,
    /// Held for the life of the process, so that a second one is refused.
    _lock: Option<std::fs::File>,
}

enum Pools {
    Postgres(Pool<AsyncPgConnection>),
    Sqlite {
        writer: Pool<Sqlite>,
        readers: Pool<Sqlite>,
    },
}

impl std::fmt::Debug for Db {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_postgres() {
            "Db(PostgreSQL)"
        } else {
            "Db(SQLite)"
        })
    }
}

impl Db {
    /// Opens the database at `url`: `postgres://…`, or `sqlite:PATH` for a file that is made when
    /// it is not there. Makes no connection to `PostgreSQL` yet; see [`Self::migrate`].
    pub fn open(url: &str) -> Result<Self, DbError> {
        let statements = Statements::default();
        let (pools, lock) = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            (
                Pools::Postgres(pool(url, POSTGRES_CONNECTIONS, None, &statements)?),
                None,
            )
        } else {
            let path = url.strip_prefix("sqlite:").ok_or(DbError::Address)?;
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") {
                return Err(DbError::Address);
            }
            let lock = lock(Path::new(path))?;
            let pools = Pools::Sqlite {
                writer: pool(path, 1, Some(WRITER), &statements)?,
                readers: pool(path, SQLITE_READERS, Some(READER), &statements)?,
            };
            (pools, Some(lock))
        };
        Ok(Self {
            inner: Arc::new(Inner {
                pools,
                bell: Bell::default(),
                statements,
                url: url.to_owned(),
                _lock: lock,
            }),
        })
    }

    /// Opens the database to look at it: beside the process that works on it, and never writing.
    pub fn look(url: &str) -> Result<Self, DbError> {
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Self::open(url);
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        let statements = Statements::default();
        let pools = Pools::Sqlite {
            writer: pool(path, 1, Some(READER), &statements)?,
            readers: pool(path, SQLITE_READERS, Some(READER), &statements)?,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                pools,
                bell: Bell::default(),
                statements,
                url: url.to_owned(),
                _lock: None,
            }),
        })
    }

    /// Whether it is `PostgreSQL`, which several processes may share.
    pub fn is_postgres(&self) -> bool {
        matches!(self.inner.pools, Pools::Postgres(_))
    }

    /// Signals of commits in this process.
    pub fn bell(&self) -> &Bell {
        &self.inner.bell
    }

    /// How many statements this process has sent to it so far. For tests: what an answer takes is the
    /// difference.
    pub fn statements(&self) -> u64 {
        self.inner.statements.count()
    }

    /// The address, for a connection of one's own to listen on. May hold a password.
    pub(crate) fn url(&self) -> &str {
        &self.inner.url
    }

    /// A connection for reading.
    pub async fn read(&self) -> Result<Conn, DbError> {
        match &self.inner.pools {
            Pools::Postgres(pool) => pool.get().await.map(Conn::Postgres).map_err(unavailable),
            Pools::Sqlite { readers, .. } => {
                readers.get().await.map(Conn::Sqlite).map_err(unavailable)
            }
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        let mut conn = self.read().await?;
        on!(&mut conn, c => c.batch_execute("SELECT 1").await)?;
        Ok(())
    }

    /// Begins a transaction. Nothing of it lasts unless [`Tx::commit`] is called.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        let conn = match &self.inner.pools {
            Pools::Postgres(pool) => {
                let mut conn = pool.get().await.map_err(unavailable)?;
                Manager::<AsyncPgConnection>::begin_transaction(&mut *conn).await?;
                Conn::Postgres(conn)
            }
            Pools::Sqlite { writer, .. } => {
                let mut conn = writer.get().await.map_err(unavailable)?;
                // Takes the write lock at the start, so that a transaction that reads first cannot
                // fail later for having to upgrade.
                conn.spawn_blocking(|c| SyncManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"))
                    .await?;
                Conn::Sqlite(conn)
            }
        };
        Ok(Tx {
            conn: Some(conn),
            rings: Rings::default(),
            db: self.clone(),
        })
    }

    /// Begins a transaction that writes in a house. Those of one house follow each other: none
    /// decides on what another is about to change, and no two wait for each other in a circle.
    pub async fn begin_in(&self, property: PropertyId) -> Result<Tx, DbError> {
        let mut tx = self.begin().await?;
        crate::property::lock(&mut tx, property).await?;
        Ok(tx)
    }

    /// Brings the tables up to date. Several processes may do so at once: one works, the others wait.
    pub async fn migrate(&self) -> Result<(), DbError> {
        self.migrations(Direction::Up).await
    }

    /// Takes all tables away again. For checks of the migrations alone.
    pub async fn revert_migrations(&self) -> Result<(), DbError> {
        self.migrations(Direction::Down).await
    }

    async fn migrations(&self, direction: Direction) -> Result<(), DbError> {
        match &self.inner.pools {
            Pools::Postgres(_) => {
                let mut conn = AsyncPgConnection::establish(self.url())
                    .await
                    .map_err(|error| DbError::Unavailable(error.into()))?;
                // Held until the connection ends; 0x506f7274616c spells Portal.
                conn.batch_execute("SELECT pg_advisory_lock(88367096750444)")
                    .await?;
                let mut harness = AsyncMigrationHarness::new(conn);
                tokio::task::block_in_place(|| direction.run(&mut harness, POSTGRES))
            }
            Pools::Sqlite { writer, .. } => {
                let mut conn = writer.get().await.map_err(unavailable)?;
                conn.spawn_blocking(move |c| Ok(direction.run(c, SQLITE)))
                    .await?
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    fn run<B: diesel::backend::Backend>(
        self,
        harness: &mut impl MigrationHarness<B>,
        migrations: EmbeddedMigrations,
    ) -> Result<(), DbError> {
        match self {
            Self::Up => harness.run_pending_migrations(migrations).map(drop),
            Self::Down => harness.revert_all_migrations(migrations).map(drop),
        }
        .map_err(|error| DbError::Migration(error.to_string()))
    }
}

const WRITER: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; \
    PRAGMA busy_timeout=5000; PRAGMA secure_delete=FAST;";
const READER: &str = "PRAGMA query_only=ON; PRAGMA busy_timeout=5000;";

fn pool<C>(
    url: &str,
    size: usize,
    pragmas: Option<&'static str>,
    statements: &Statements,
) -> Result<Pool<C>, DbError>
where
    C: diesel_async::pooled_connection::PoolableConnection + SimpleAsyncConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        deadpool::managed::Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    let statements = statements.clone();
    config.custom_setup = Box::new(move |url| {
        let statements = statements.clone();
        async move {
            let mut conn = C::establish(url).await?;
            if let Some(pragmas) = pragmas {
                conn.batch_execute(pragmas)
                    .await
                    .map_err(|error| diesel::ConnectionError::BadConnection(error.to_string()))?;
            }
            conn.set_instrumentation(statements);
            Ok(conn)
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::<C>::new_with_config(url, config);
    Pool::builder(manager)
        .max_size(size)
        .runtime(deadpool::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(10)))
        .create_timeout(Some(Duration::from_secs(10)))
        .build()
        .map_err(|error| DbError::Unavailable(error.into()))
}

fn unavailable(error: deadpool::managed::PoolError<PoolError>) -> DbError {
    DbError::Unavailable(error.into())
}

/// Refuses a second process on one file. The database itself is made readable to its owner alone.
fn lock(path: &Path) -> Result<std::fs::File, DbError> {
    let unavailable = |error: std::io::Error| DbError::Unavailable(error.into());
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(unavailable)?;
    }
    let private = |path: &Path| {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)
    };
    private(path).map_err(unavailable)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private(Path::new(&name)).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(DbError::Locked(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// What to ring once a transaction is committed.
#[derive(Debug, Default, Clone, Copy)]
struct Rings {
    jobs: bool,
    events: bool,
}

/// A transaction. It derefs to [`Conn`]; dropped without [`Self::commit`], it never happened.
#[derive(Debug)]
pub struct Tx {
    conn: Option<Conn>,
    rings: Rings,
    db: Db,
}

impl Tx {
    /// Makes everything last, then wakes who waits for it.
    pub async fn commit(self) -> Result<(), DbError> {
        portal_faults::once("commit", self.commit_now()).await
    }

    async fn commit_now(mut self) -> Result<(), DbError> {
        match self.conn.as_mut() {
            Some(Conn::Postgres(c)) => {
                Manager::<AsyncPgConnection>::commit_transaction(&mut **c).await?;
            }
            Some(Conn::Sqlite(c)) => Manager::<Sqlite>::commit_transaction(&mut **c).await?,
            None => {}
        }
        // Back to the pool before anyone wakes and asks for a connection.
        self.conn = None;
        if self.rings.jobs {
            self.db.inner.bell.ring_jobs();
        }
        if self.rings.events {
            self.db.inner.bell.ring_events();
        }
        Ok(())
    }

    /// Forgets everything and gives the connection back at once.
    pub async fn rollback(mut self) -> Result<(), DbError> {
        match self.conn.as_mut() {
            Some(Conn::Postgres(c)) => {
                Manager::<AsyncPgConnection>::rollback_transaction(&mut **c).await?;
            }
            Some(Conn::Sqlite(c)) => Manager::<Sqlite>::rollback_transaction(&mut **c).await?,
            None => {}
        }
        self.conn = None;
        Ok(())
    }

    /// Wakes the workers once committed.
    pub(crate) fn ring_jobs(&mut self) {
        self.rings.jobs = true;
    }

    /// Wakes the subscriptions once committed.
    pub(crate) fn ring_events(&mut self) {
        self.rings.events = true;
    }
}

impl std::ops::Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn
            .as_ref()
            .expect("a transaction holds its connection until it ends")
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn
            .as_mut()
            .expect("a transaction holds its connection until it ends")
    }
}

impl Drop for Tx {
    /// An open transaction must not go back to the pool, where it would hold its locks until the
    /// next use: the connection is closed, which rolls it back.
    fn drop(&mut self) {
        match self.conn.take() {
            Some(Conn::Postgres(object)) => drop(Object::take(object)),
            Some(Conn::Sqlite(object)) => drop(Object::take(object)),
            None => {}
        }
    }
}
