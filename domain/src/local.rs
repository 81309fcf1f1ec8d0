//! Times on the wall of a house as instants.
//!
//! For systems that tell dates or times without an offset. Each end of a stay is read by itself: what
//! the clock skips is the first instant after the gap; of what it shows twice a stay begins with the
//! first and ends with the second, so that a guest is let in early rather than late, and out late.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// The zone of a house by its IANA name; UTC until a PMS has told it.
pub fn zone(name: Option<&str>) -> Tz {
    name.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

/// An instant as the clocks there show it, for people: day and minute.
pub fn written(zone: Tz, at: DateTime<Utc>) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

/// Which end of a span of time is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Its start.
    Start,
    /// Its end.
    End,
}

/// The instant at which the clocks there show a time.
pub fn instant(zone: Tz, local: NaiveDateTime, edge: Edge) -> DateTime<Utc> {
    let shown = zone.from_local_datetime(&local);
    let shown = match edge {
        Edge::Start => shown.earliest(),
        Edge::End => shown.latest(),
    };
    shown
        .or_else(|| GapInfo::new(&local, &zone)?.end)
        // Every gap has an end.
        .map_or_else(|| local.and_utc(), |at| at.to_utc())
}

/// The first instant of a day there: midnight, or the first after it where the clocks skip that.
pub fn day_begins(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    instant(zone, day.and_time(NaiveTime::MIN), Edge::Start)
}

#[cfg(test)]
mod tests;
