//! SQL types that exist on both databases, and the Diesel side of ids, codes and instants.
//!
//! | Portal | PostgreSQL | SQLite |
//! |---|---|---|
//! | [`Id`] | `uuid` | `BLOB` of 16 bytes |
//! | [`Instant`] | `timestamptz` | `INTEGER`, microseconds since 1970 |
//! | a code | `text` | `TEXT` |

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types as st;
use diesel::sqlite::Sqlite;

/// A row's identifier.
#[derive(Debug, Clone, Copy, Default, st::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "uuid"), sqlite_type(name = "Binary"))]
pub struct Id;

/// A point in time, in UTC, to the microsecond.
#[derive(Debug, Clone, Copy, Default, st::SqlType, diesel::query_builder::QueryId)]
#[diesel(
    postgres_type(oid = 1184, array_oid = 1185),
    sqlite_type(name = "Long")
)]
pub struct Instant;

impl st::SqlOrd for Instant {}

/// A point in time as a row holds it. Diesel's traits cannot be given to chrono's type for a SQL
/// type of ours, hence this thin wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Instant)]
pub struct Timestamp(pub DateTime<Utc>);

impl std::ops::Deref for Timestamp {
    type Target = DateTime<Utc>;

    fn deref(&self) -> &DateTime<Utc> {
        &self.0
    }
}
impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at)
    }
}
impl From<Timestamp> for DateTime<Utc> {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

impl ToSql<Instant, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<st::Timestamptz, Pg>::to_sql(&self.0, out)
    }
}
impl FromSql<Instant, Pg> for Timestamp {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        FromSql::<st::Timestamptz, Pg>::from_sql(bytes).map(Self)
    }
}
impl ToSql<Instant, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.timestamp_micros());
        Ok(IsNull::No)
    }
}
impl FromSql<Instant, Sqlite> for Timestamp {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let micros: i64 = FromSql::<st::BigInt, Sqlite>::from_sql(value)?;
        match DateTime::from_timestamp_micros(micros) {
            Some(at) => Ok(Self(at)),
            None => Err("instant out of range".into()),
        }
    }
}

/// The identifier of a row whose table another column names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Id)]
pub struct AnyId(pub uuid::Uuid);

macro_rules! uuid_id {
    ($name:ident) => {
        const _: () = {
            use diesel::deserialize::{self, FromSql};
            use diesel::pg::Pg;
            use diesel::serialize::{self, IsNull, Output, ToSql};
            use diesel::sqlite::Sqlite;

            impl ToSql<crate::sql::Id, Pg> for $name {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                    ToSql::<diesel::sql_types::Uuid, Pg>::to_sql(&self.0, out)
                }
            }
            impl FromSql<crate::sql::Id, Pg> for $name {
                fn from_sql(
                    bytes: <Pg as diesel::backend::Backend>::RawValue<'_>,
                ) -> deserialize::Result<Self> {
                    FromSql::<diesel::sql_types::Uuid, Pg>::from_sql(bytes).map(Self)
                }
            }
            impl ToSql<crate::sql::Id, Sqlite> for $name {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                    out.set_value(self.0.as_bytes().to_vec());
                    Ok(IsNull::No)
                }
            }
            impl FromSql<crate::sql::Id, Sqlite> for $name {
                fn from_sql(
                    value: <Sqlite as diesel::backend::Backend>::RawValue<'_>,
                ) -> deserialize::Result<Self> {
                    let bytes: Vec<u8> =
                        FromSql::<diesel::sql_types::Binary, Sqlite>::from_sql(value)?;
                    Ok(Self(uuid::Uuid::from_slice(&bytes)?))
                }
            }
        };
    };
}
pub(crate) use uuid_id;
uuid_id!(AnyId);

macro_rules! text_code {
    ($name:ident) => {
        const _: () = {
            use diesel::backend::Backend;
            use diesel::deserialize::{self, FromSql};
            use diesel::serialize::{self, Output, ToSql};
            use diesel::sql_types::Text;

            impl<DB: Backend> ToSql<Text, DB> for $name
            where
                str: ToSql<Text, DB>,
            {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                    self.as_str().to_sql(out)
                }
            }
            impl<DB: Backend> FromSql<Text, DB> for $name
            where
                String: FromSql<Text, DB>,
            {
                fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                    Ok(String::from_sql(value)?.parse()?)
                }
            }
        };
    };
}
pub(crate) use text_code;
