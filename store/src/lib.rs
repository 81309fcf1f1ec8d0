//! What Portal remembers, in `SQLite` or `PostgreSQL`. Only this crate writes SQL.
//!
//! One file per noun. Functions take the connection first and the property second, run one
//! statement and return `QueryResult`; the caller decides what belongs to one transaction.

mod bell;
mod conn;
mod schema;
mod seal;

pub use bell::Bell;
pub use conn::{Conn, Db, DbError, Tx};
pub use diesel::QueryResult;
pub use diesel::result::Error as QueryError;
pub use portal_domain::sql::Timestamp;
