use super::*;
use crate::access::tests::stay;
use chrono::{Duration, Offset};
use chrono_tz::TZ_VARIANTS;
use std::collections::BTreeMap;
use std::time::Instant;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn wall(text: &str) -> NaiveDateTime {
    text.parse().expect("a local time")
}

/// Seconds the clocks there are ahead.
fn ahead(zone: Tz, at: DateTime<Utc>) -> i64 {
    let offset = zone.offset_from_utc_datetime(&at.naive_utc());
    offset.fix().local_minus_utc().into()
}

fn shown(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.naive_utc() + Duration::seconds(ahead(zone, at))
}

#[test]
fn gaps_and_repeated_hours_of_every_kind() {
    let table = "
        Plain.
        Europe/Prague       2026-07-01T14:00:00 2026-07-01T12:00:00Z 2026-07-01T12:00:00Z
        An hour is skipped, an hour comes twice.
        Europe/Prague       2026-03-29T02:00:00 2026-03-29T01:00:00Z 2026-03-29T01:00:00Z
        Europe/Prague       2026-03-29T02:59:00 2026-03-29T01:00:00Z 2026-03-29T01:00:00Z
        Europe/Prague       2026-03-29T03:00:00 2026-03-29T01:00:00Z 2026-03-29T01:00:00Z
        Europe/Prague       2026-10-25T02:30:00 2026-10-25T00:30:00Z 2026-10-25T01:30:00Z
        Europe/Prague       2026-10-25T03:00:00 2026-10-25T02:00:00Z 2026-10-25T02:00:00Z
        Half an hour.
        Australia/Lord_Howe 2026-10-04T02:15:00 2026-10-03T15:30:00Z 2026-10-03T15:30:00Z
        Australia/Lord_Howe 2026-04-05T01:45:00 2026-04-04T14:45:00Z 2026-04-04T15:15:00Z
        Midnight is skipped, midnight comes twice.
        America/Havana      2026-03-08T00:00:00 2026-03-08T05:00:00Z 2026-03-08T05:00:00Z
        America/Havana      2026-11-01T00:00:00 2026-11-01T04:00:00Z 2026-11-01T05:00:00Z
        Asia/Beirut         2026-03-29T00:00:00 2026-03-28T22:00:00Z 2026-03-28T22:00:00Z
        Africa/Cairo        2026-04-24T00:30:00 2026-04-23T22:00:00Z 2026-04-23T22:00:00Z
        A whole day.
        Pacific/Apia        2011-12-30T00:00:00 2011-12-30T10:00:00Z 2011-12-30T10:00:00Z
        Pacific/Apia        2011-12-30T18:45:00 2011-12-30T10:00:00Z 2011-12-30T10:00:00Z
        Pacific/Kwajalein   1993-08-21T12:00:00 1993-08-21T12:00:00Z 1993-08-21T12:00:00Z";
    let mut rows = 0;
    for line in table.lines() {
        let row: Vec<&str> = line.split_whitespace().collect();
        let [zone, local, start, end] = row[..] else {
            continue;
        };
        if !zone.contains('/') {
            continue;
        }
        rows += 1;
        let zone: Tz = zone.parse().expect("a zone");
        let local = wall(local);
        assert_eq!(
            instant(zone, local, Edge::Start),
            utc(start),
            "{zone} {local}"
        );
        assert_eq!(instant(zone, local, Edge::End), utc(end), "{zone} {local}");
    }
    assert_eq!(rows, 15);
    let day = NaiveDate::from_ymd_opt(2026, 3, 8).expect("a day");
    assert_eq!(
        day_begins(Tz::America__Havana, day),
        utc("2026-03-08T05:00:00Z")
    );
}

/// The instants at which the clocks there change, found by looking at them again and again.
fn changes(zone: Tz, step: Duration) -> Vec<DateTime<Utc>> {
    let (mut at, end) = (utc("2024-01-01T00:00:00Z"), utc("2036-01-01T00:00:00Z"));
    let mut found = Vec::new();
    let mut before = ahead(zone, at);
    while at < end {
        let next = at + step;
        let after = ahead(zone, next);
        if after == before {
            at = next;
            continue;
        }
        let (mut same, mut changed) = (at, next);
        while changed - same > Duration::seconds(1) {
            let middle = same + Duration::seconds((changed - same).num_seconds() / 2);
            if ahead(zone, middle) == before {
                same = middle;
            } else {
                changed = middle;
            }
        }
        found.push(changed);
        before = ahead(zone, changed);
        at = changed;
    }
    found
}

/// Compares every minute around a change, or some, with what the clocks show minute by minute.
fn around(zone: Tz, change: DateTime<Utc>, every: usize) -> usize {
    let jump = ahead(zone, change) - ahead(zone, change - Duration::seconds(1));
    let span = 2 * jump.abs() / 60 + 60;
    let mut minutes: BTreeMap<NaiveDateTime, Vec<DateTime<Utc>>> = BTreeMap::new();
    let all: Vec<(DateTime<Utc>, NaiveDateTime)> = (-span..span)
        .map(|minute| change + Duration::minutes(minute))
        .map(|at| (at, shown(zone, at)))
        .collect();
    for (at, local) in &all {
        minutes.entry(*local).or_default().push(*at);
    }
    let edge = shown(zone, change);
    let mut compared = 0;
    for minute in -(jump.abs() / 60) - 30..jump.abs() / 60 + 30 {
        let local = edge + Duration::minutes(minute);
        let near = [0, jump / 60, -jump / 60].map(|at| (minute - at).abs() <= 1);
        if !near.contains(&true) && !minute.unsigned_abs().is_multiple_of(every as u64) {
            continue;
        }
        let (start, end) = match minutes.get(&local) {
            Some(at) => (at[0], at[at.len() - 1]),
            // It never shows: the first instant that shows more.
            None => {
                let after = all.iter().find(|(_, shows)| *shows > local);
                let after = after.expect("the end of the gap").0;
                (after, after)
            }
        };
        assert_eq!(instant(zone, local, Edge::Start), start, "{zone} {local}");
        assert_eq!(instant(zone, local, Edge::End), end, "{zone} {local}");
        compared += 1;
    }
    compared
}

/// A stay over the change lasts as long as it lasts, to the minute, and so do its buffers.
fn stay_over(zone: Tz, change: DateTime<Utc>) {
    let jump = ahead(zone, change) - ahead(zone, change - Duration::seconds(1));
    let day = shown(zone, change).date();
    let arrives = (day - Duration::days(2)).and_hms_opt(15, 0, 0);
    let departs = (day + Duration::days(2)).and_hms_opt(11, 0, 0);
    let (arrives, departs) = (arrives.expect("afternoon"), departs.expect("morning"));
    let mut facts = stay();
    facts.scheduled.from = instant(zone, arrives, Edge::Start);
    facts.scheduled.until = instant(zone, departs, Edge::End);
    let lasts = facts.scheduled.until - facts.scheduled.from;
    let on_the_wall = departs - arrives;
    assert_eq!(lasts, on_the_wall - Duration::seconds(jump), "{zone} {day}");
    // Buffers of a day and less begin or end on the other side of the change.
    for (before, after) in [(0, 0), (37, 59), (1440, 1440)] {
        facts.policy.buffer_before = before;
        facts.policy.buffer_after = after;
        let window = facts.window();
        let buffers = Duration::minutes((before + after).into());
        assert_eq!(window.until - window.from, lasts + buffers, "{zone} {day}");
        let early = facts.scheduled.from - window.from;
        assert_eq!(early, Duration::minutes(before.into()), "{zone} {day}");
    }
    // The luggage stays for an hour, whatever the clocks do meanwhile.
    let moved = change - Duration::minutes(20);
    let luggage = moved + facts.policy.luggage();
    assert_eq!(luggage - change, Duration::minutes(40), "{zone} {day}");
}

/// A share is looked at minute by minute; `PORTAL_ZONES=1` looks at every minute of twelve years.
#[test]
fn every_change_of_every_zone_is_read_to_the_minute() {
    let all = std::env::var("PORTAL_ZONES").is_ok_and(|share| share == "1");
    let (step, every) = if all {
        (Duration::minutes(1), 1)
    } else {
        (Duration::hours(12), 11)
    };
    let began = Instant::now();
    let (mut found, mut compared, mut gaps) = (0, 0, BTreeMap::<i64, usize>::new());
    for zone in TZ_VARIANTS {
        for change in changes(zone, step) {
            let jump = ahead(zone, change) - ahead(zone, change - Duration::seconds(1));
            if jump != 0 {
                *gaps.entry(jump / 60).or_default() += 1;
                compared += around(zone, change, every);
                stay_over(zone, change);
            }
            found += 1;
        }
    }
    println!(
        "zones: {} with {found} changes from 2024 to 2035, by minutes {gaps:?}; {compared} local times \
         read as a start and as an end; {:.1} s",
        TZ_VARIANTS.len(),
        began.elapsed().as_secs_f64()
    );
    // The rules of Europe and America alone change two hours a year in many zones.
    assert!(found > 4_500, "{found}");
    assert!(
        gaps.contains_key(&30) && gaps.contains_key(&-30),
        "{gaps:?}"
    );
}
