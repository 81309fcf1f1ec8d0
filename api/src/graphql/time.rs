//! Scalars of time.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, NaiveDate, Utc};
use portal_store::Timestamp;

/// An instant in RFC 3339 form with an offset, for example 2026-05-04T15:00:00Z. Answers are always
/// in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub DateTime<Utc>);

#[Scalar(
    name = "DateTime",
    specified_by_url = "https://scalars.graphql.org/andimarek/date-time"
)]
impl ScalarType for Instant {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => DateTime::parse_from_rfc3339(text)
                .map(|at| Self(at.to_utc()))
                .map_err(|_| InputValueError::custom("expected DateTime")),
            _ => Err(InputValueError::custom("expected DateTime")),
        }
    }

    fn to_value(&self) -> Value {
        let text = self.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        Value::String(text)
    }
}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(*at)
    }
}

/// A calendar date without time or zone, for example 2026-05-04, read in the time zone of the
/// property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalDate(pub NaiveDate);

#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/local-date")]
impl ScalarType for LocalDate {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map(Self)
                .map_err(|_| InputValueError::custom("expected LocalDate")),
            _ => Err(InputValueError::custom("expected LocalDate")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// An IANA time zone name, for example Europe/Prague.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(pub String);

#[Scalar(specified_by_url = "https://www.iana.org/time-zones")]
impl ScalarType for TimeZone {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if text.parse::<chrono_tz::Tz>().is_ok() => Ok(Self(text)),
            _ => Err(InputValueError::custom("expected TimeZone")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}
