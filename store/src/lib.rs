//! What Portal remembers, in `SQLite` or `PostgreSQL`. Only this crate writes SQL.
//!
//! One file per noun. Functions take the connection first and the property second, run one
//! statement and return `QueryResult`; the caller decides what belongs to one transaction.

pub mod api_key;
pub mod arrival;
pub mod audit;
mod bell;
pub mod breaker;
mod conn;
pub mod credential;
pub mod cursor;
pub mod deadline;
pub mod decision;
pub mod device;
pub mod device_pin;
pub mod due;
pub mod erasure;
pub mod event;
pub mod fleet;
pub mod hint;
pub mod integration;
pub mod job;
pub mod key;
pub mod keychain;
pub mod listen;
pub mod membership;
pub mod page;
pub mod pin;
pub mod pin_push;
pub mod plan;
pub mod problem;
pub mod property;
pub mod rate;
pub mod reservation;
pub mod room;
mod schema;
mod seal;
pub mod session;
pub mod space;
pub mod space_link;
mod statements;
pub mod user;

pub use bell::Bell;
pub use conn::{Conn, Db, DbError, Tx};
pub use diesel::QueryResult;
pub use diesel::result::{DatabaseErrorKind, Error as QueryError};
pub use portal_domain::sql::Timestamp;
pub use seal::{SealError, Sealer};
