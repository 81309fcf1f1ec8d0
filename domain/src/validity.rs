//! The times a lock is told for a stay: whole steps of its clock, and for no longer than it can.

use crate::local::{self, Edge};
use crate::{DeviceRule, Window};
use chrono::{DateTime, Duration, LocalResult, SubsecRound, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// What a lock is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// From when until when the code is valid there.
    pub window: Window,
    /// When it has to be told anew, as it cannot take all of the stay at once.
    pub again: Option<DateTime<Utc>>,
}

/// Cuts the wanted times into what a lock can take. A grid rounds outwards, so that nobody stands
/// before a closed door; of a stay that is too long the lock holds the part from now on, and what it
/// holds is good enough until half of that is over.
pub fn told(
    rules: &[DeviceRule],
    wanted: Window,
    held: Option<Window>,
    zone: Tz,
    now: DateTime<Utc>,
) -> Told {
    let grid = rules.iter().find_map(|rule| match rule {
        DeviceRule::TimeGrid(minutes) => Some(i64::from(*minutes).max(1) * 60),
        _ => None,
    });
    let most = rules.iter().find_map(|rule| match rule {
        DeviceRule::MaxDays(days) => Some(Duration::days(i64::from(*days).max(1))),
        _ => None,
    });
    let down = |at: DateTime<Utc>| grid.map_or(at, |grid| step_before(at, grid, zone));
    let up = |at: DateTime<Utc>| match grid {
        Some(grid) if down(at) < at => {
            let mut probe = at;
            // A day on which the clocks change may be longer than the step.
            while down(probe) <= at {
                probe += Duration::seconds(grid);
            }
            down(probe)
        }
        _ => at,
    };
    let window = Window {
        from: down(wanted.from),
        until: up(wanted.until),
    };
    let Some(most) = most.filter(|most| window.until - window.from > *most) else {
        return Told {
            window,
            again: None,
        };
    };
    let half = most / 2;
    if let Some(held) = held {
        let inside = held.from >= window.from && held.until <= window.until;
        let open = held.from <= window.from.max(now);
        let lasts = held.until == window.until || held.until - half > now;
        if inside && open && lasts {
            return Told {
                window: held,
                again: (held.until < window.until).then(|| held.until - half),
            };
        }
    }
    let opens = window.from.max(now);
    let mut until = down(opens + most).min(window.until);
    let mut from = window.from.max(up(until - most));
    // Where the clocks change a step is longer or shorter than the others.
    while from > opens {
        until = down(until - Duration::seconds(1));
        from = window.from.max(up(until - most));
    }
    let soon = now + Duration::minutes(15);
    Told {
        window: Window { from, until },
        again: (until < window.until).then(|| (until - half).max(soon)),
    }
}

/// The last moment at which the clock there showed a whole step, counted from midnight in seconds.
fn step_before(at: DateTime<Utc>, step: i64, zone: Tz) -> DateTime<Utc> {
    let shown = at.with_timezone(&zone).naive_local().trunc_subsecs(0);
    let over = i64::from(shown.num_seconds_from_midnight()) % step;
    if over == 0 {
        return at.trunc_subsecs(0);
    }
    let whole = shown - Duration::seconds(over);
    match zone.from_local_datetime(&whole) {
        LocalResult::Single(one) => one.to_utc(),
        LocalResult::Ambiguous(_, second) if second <= at => second.to_utc(),
        LocalResult::Ambiguous(first, _) => first.to_utc(),
        // The clock has skipped it.
        LocalResult::None => local::instant(zone, whole, Edge::Start).min(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}:00Z").parse().expect("a time")
    }

    fn window(from: &str, until: &str) -> Window {
        Window {
            from: at(from),
            until: at(until),
        }
    }

    const PRAGUE: Tz = chrono_tz::Europe::Prague;

    #[test]
    fn a_grid_rounds_outwards_by_the_clocks_of_the_house() {
        let stay = window("2026-12-01T13:10", "2026-12-03T10:05");
        let now = at("2026-11-01T00:00");
        for (grid, zone, expected) in [
            (60, PRAGUE, window("2026-12-01T13:00", "2026-12-03T11:00")),
            (5, PRAGUE, stay),
            (15, PRAGUE, window("2026-12-01T13:00", "2026-12-03T10:15")),
            // Half past is the whole hour there.
            (
                60,
                chrono_tz::Asia::Kolkata,
                window("2026-12-01T12:30", "2026-12-03T10:30"),
            ),
            (1440, PRAGUE, window("2026-11-30T23:00", "2026-12-03T23:00")),
        ] {
            let rules = [DeviceRule::TimeGrid(grid)];
            let told = told(&rules, stay, None, zone, now);
            assert_eq!(told.window, expected, "{grid} {zone}");
            assert_eq!(told.again, None);
        }
        let even = window("2026-12-01T13:00", "2026-12-03T10:00");
        let rules = [DeviceRule::TimeGrid(60)];
        assert_eq!(told(&rules, even, None, PRAGUE, now).window, even);
    }

    #[test]
    fn of_a_long_stay_a_lock_holds_what_it_can_and_is_told_anew_in_time() {
        let rules = [DeviceRule::MaxDays(10)];
        let stay = window("2026-12-01T14:00", "2026-12-25T10:00");
        let before = at("2026-11-01T00:00");
        let first = told(&rules, stay, None, PRAGUE, before);
        assert_eq!(first.window, window("2026-12-01T14:00", "2026-12-11T14:00"));
        assert_eq!(first.again, Some(at("2026-12-06T14:00")));
        // Nothing changes until then.
        let soon = at("2026-12-06T13:59");
        assert_eq!(told(&rules, stay, Some(first.window), PRAGUE, soon), first);
        let then = at("2026-12-06T14:00");
        let second = told(&rules, stay, Some(first.window), PRAGUE, then);
        assert_eq!(
            second.window,
            window("2026-12-06T14:00", "2026-12-16T14:00")
        );
        let then = second.again.expect("again");
        let third = told(&rules, stay, Some(second.window), PRAGUE, then);
        let then = third.again.expect("again");
        let last = told(&rules, stay, Some(third.window), PRAGUE, then);
        assert_eq!((last.window.until, last.again), (stay.until, None));
        // A shorter stay cuts it, a longer one does not have to.
        let short = window("2026-12-01T14:00", "2026-12-04T10:00");
        assert_eq!(
            told(&rules, short, Some(first.window), PRAGUE, before).window,
            short
        );
    }

    #[test]
    fn whatever_the_lock_the_door_opens_all_through_the_stay() {
        let seed = 20_261_125;
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        for round in 0..2_000 {
            let mut rules = Vec::new();
            if rng.random_range(0..3) > 0 {
                let grids = [5, 15, 30, 60, 1440];
                rules.push(DeviceRule::TimeGrid(grids[rng.random_range(0..5)]));
            }
            if rng.random_range(0..3) > 0 {
                rules.push(DeviceRule::MaxDays(rng.random_range(2..30)));
            }
            let from = at("2026-10-01T00:00") + Duration::minutes(rng.random_range(0..100_000));
            let until = from + Duration::minutes(rng.random_range(1..100_000));
            let stay = Window { from, until };
            let mut now = from - Duration::hours(rng.random_range(0..2_000));
            let mut held = None;
            while now < until {
                let told = told(&rules, stay, held, PRAGUE, now);
                let case =
                    format!("seed {seed} round {round} {rules:?} {stay:?} at {now}: {told:?}");
                for rule in &rules {
                    match rule {
                        DeviceRule::MaxDays(days) => {
                            let length = told.window.until - told.window.from;
                            assert!(length <= Duration::days((*days).into()), "{case}");
                        }
                        DeviceRule::TimeGrid(grid) => {
                            for edge in [told.window.from, told.window.until] {
                                let local = edge.with_timezone(&PRAGUE);
                                let step =
                                    local.num_seconds_from_midnight() % (u32::from(*grid) * 60);
                                assert_eq!(step, 0, "{case}");
                            }
                        }
                        _ => {}
                    }
                }
                let next = told.again.unwrap_or(until);
                assert!(next > now, "{case}");
                assert!(told.window.from <= from.max(now), "{case}");
                assert!(told.window.until >= next.min(until), "{case}");
                held = Some(told.window);
                now = next;
            }
        }
    }
}
