//! What has to be so before a property gives access.

use crate::code::codes;
use crate::{IntegrationStatus, SyncState};

codes! {
    /// One thing to check before a property goes live.
    Check {
        /// The property management system is connected.
        PmsConnected = "PMS_CONNECTED",
        /// Everything it has was read once.
        FirstLoadDone = "FIRST_LOAD_DONE",
        /// It has told the time zone.
        TimeZoneKnown = "TIME_ZONE_KNOWN",
        /// A lock vendor is connected.
        LocksConnected = "LOCKS_CONNECTED",
        /// Every room leads to a space.
        RoomsMapped = "ROOMS_MAPPED",
        /// Every space that a room leads to has a lock.
        DevicesInstalled = "DEVICES_INSTALLED",
        /// Every installed lock can be reached.
        LocksOnline = "LOCKS_ONLINE",
        /// No critical problem is open.
        NoCriticalProblems = "NO_CRITICAL_PROBLEMS",
    }
}

/// Whether a property can go live without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// It cannot.
    Required,
    /// It can: the rooms concerned get no keychains.
    Advised,
}

/// What the checks look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Name of the PMS, its status and how far reading has come. `None`: none is connected.
    pub pms: Option<(String, IntegrationStatus, Option<SyncState>)>,
    /// Whether the time zone is known.
    pub time_zone: bool,
    /// Lock vendors that are connected.
    pub lock_vendors: i64,
    /// Rooms in use.
    pub rooms: i64,
    /// Those of them that lead to no space, by themselves or by a room they are part of.
    pub unmapped: i64,
    /// Spaces that rooms lead to.
    pub spaces: i64,
    /// Those of them without a lock.
    pub without_lock: i64,
    /// Installed locks that cannot be reached.
    pub offline: i64,
    /// Critical problems that are open.
    pub critical: i64,
}

/// One check and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub check: Check,
    /// Whether it is so.
    pub passed: bool,
    /// Whether the property can go live without it.
    pub needed: Needed,
    /// How many things are in the way.
    pub count: Option<i64>,
    /// What to do, or that it is done, in one sentence for staff.
    pub message: String,
    /// The mutation that helps.
    pub fix: Option<&'static str>,
}

/// Checks whether a property is ready to give access.
pub fn checklist(readiness: &Readiness) -> Vec<Item> {
    Check::ALL
        .iter()
        .map(|&check| item(check, readiness))
        .collect()
}

fn item(check: Check, is: &Readiness) -> Item {
    let connected = is
        .pms
        .as_ref()
        .is_some_and(|(_, status, _)| *status == IntegrationStatus::Connected);
    let app = is
        .pms
        .as_ref()
        .map_or("a property management system", |(name, _, _)| name);
    let n = |count: i64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let some = |count: i64| (count > 0).then_some(count);
    let (passed, needed, count, message, fix) = match check {
        Check::PmsConnected => {
            let message = match (&is.pms, connected) {
                (_, true) => format!("{app} is connected."),
                (None, false) => "Connect the property management system.".to_owned(),
                (Some((_, status, _)), false) => {
                    format!("{app} is {status}. Paste a new access token.")
                }
            };
            (
                connected,
                Needed::Required,
                None,
                message,
                "integrationConnect",
            )
        }
        Check::FirstLoadDone => {
            let done = is
                .pms
                .as_ref()
                .is_some_and(|(_, _, sync)| *sync == Some(SyncState::Current));
            let message = match done {
                true => format!("Everything {app} has was read."),
                false => format!("Wait until everything {app} has was read."),
            };
            (done, Needed::Required, None, message, "")
        }
        Check::TimeZoneKnown => {
            let message = match is.time_zone {
                true => "The time zone is known.".to_owned(),
                false => format!("Wait until {app} tells the time zone."),
            };
            (is.time_zone, Needed::Required, None, message, "")
        }
        Check::LocksConnected => {
            let passed = is.lock_vendors > 0;
            let message = match passed {
                true => format!(
                    "{} connected.",
                    n(is.lock_vendors, "lock vendor is", "lock vendors are")
                ),
                false => "Connect the vendor of the locks.".to_owned(),
            };
            (
                passed,
                Needed::Required,
                None,
                message,
                "integrationConnect",
            )
        }
        Check::RoomsMapped => {
            let passed = is.rooms > 0 && is.unmapped == 0;
            let message = match (is.rooms, is.unmapped) {
                (0, _) => format!("{app} has told of no room yet."),
                (rooms, 0) => format!("{} mapped.", n(rooms, "room is", "rooms are")),
                (_, left) => format!(
                    "{} mapped to no space: reservations there get no keychain.",
                    n(left, "room is", "rooms are")
                ),
            };
            // With no room at all nobody would get in.
            let needed = match is.unmapped == is.rooms {
                true => Needed::Required,
                false => Needed::Advised,
            };
            (passed, needed, some(is.unmapped), message, "roomMap")
        }
        Check::DevicesInstalled => {
            let passed = is.spaces > 0 && is.without_lock == 0;
            let message = match (is.spaces, is.without_lock) {
                (0, _) => "No space has a lock yet, as no room is mapped.".to_owned(),
                (spaces, 0) => format!("{} a lock.", n(spaces, "space has", "spaces have")),
                (_, left) => format!(
                    "{} no lock: reservations there are not transferred.",
                    n(left, "space has", "spaces have")
                ),
            };
            let needed = match is.without_lock == is.spaces {
                true => Needed::Required,
                false => Needed::Advised,
            };
            (
                passed,
                needed,
                some(is.without_lock),
                message,
                "deviceInstall",
            )
        }
        Check::LocksOnline => {
            let message = match is.offline {
                0 => "Every installed lock can be reached.".to_owned(),
                left => format!("{} be reached.", n(left, "lock cannot", "locks cannot")),
            };
            (
                is.offline == 0,
                Needed::Advised,
                some(is.offline),
                message,
                "",
            )
        }
        Check::NoCriticalProblems => {
            let message = match is.critical {
                0 => "No critical problem is open.".to_owned(),
                left => format!(
                    "Look at {}.",
                    n(left, "critical problem", "critical problems")
                ),
            };
            (
                is.critical == 0,
                Needed::Advised,
                some(is.critical),
                message,
                "",
            )
        }
    };
    Item {
        check,
        passed,
        needed,
        count,
        message,
        fix: (!passed && !fix.is_empty()).then_some(fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        Readiness {
            pms: Some((
                "Mews".to_owned(),
                IntegrationStatus::Connected,
                Some(SyncState::Current),
            )),
            time_zone: true,
            lock_vendors: 1,
            rooms: 3,
            unmapped: 0,
            spaces: 3,
            without_lock: 0,
            offline: 0,
            critical: 0,
        }
    }

    /// The checks that fail, with whether they are required.
    fn open(is: &Readiness) -> Vec<(Check, bool)> {
        checklist(is)
            .into_iter()
            .filter(|item| !item.passed)
            .map(|item| (item.check, item.needed == Needed::Required))
            .collect()
    }

    #[test]
    fn each_thing_in_the_way_is_named_and_nothing_else() {
        type Row = (fn(&mut Readiness), &'static [(Check, bool)]);
        let table: &[Row] = &[
            (|_| {}, &[]),
            (
                |is| is.pms = None,
                &[(Check::PmsConnected, true), (Check::FirstLoadDone, true)],
            ),
            (
                |is| {
                    is.pms = Some((
                        "Mews".into(),
                        IntegrationStatus::Broken,
                        Some(SyncState::Current),
                    ))
                },
                &[(Check::PmsConnected, true)],
            ),
            (
                |is| {
                    is.pms = Some((
                        "Mews".into(),
                        IntegrationStatus::Connected,
                        Some(SyncState::FirstLoad),
                    ))
                },
                &[(Check::FirstLoadDone, true)],
            ),
            (|is| is.time_zone = false, &[(Check::TimeZoneKnown, true)]),
            (|is| is.lock_vendors = 0, &[(Check::LocksConnected, true)]),
            (|is| is.unmapped = 1, &[(Check::RoomsMapped, false)]),
            (|is| is.unmapped = 3, &[(Check::RoomsMapped, true)]),
            (
                |is| is.without_lock = 2,
                &[(Check::DevicesInstalled, false)],
            ),
            (|is| is.without_lock = 3, &[(Check::DevicesInstalled, true)]),
            (|is| is.offline = 1, &[(Check::LocksOnline, false)]),
            (|is| is.critical = 1, &[(Check::NoCriticalProblems, false)]),
        ];
        for (n, (change, expected)) in table.iter().enumerate() {
            let mut is = ready();
            change(&mut is);
            assert_eq!(open(&is), *expected, "row {n}");
        }
    }

    #[test]
    fn an_open_item_says_what_to_do_and_a_passed_one_offers_no_mutation() {
        let mut is = ready();
        is.unmapped = 2;
        let list = checklist(&is);
        let rooms = list.iter().find(|item| item.check == Check::RoomsMapped);
        let rooms = rooms.expect("the item");
        assert_eq!(
            rooms.message,
            "2 rooms are mapped to no space: reservations there get no keychain."
        );
        assert_eq!((rooms.fix, rooms.count), (Some("roomMap"), Some(2)));
        assert!(
            list.iter()
                .filter(|item| item.passed)
                .all(|item| item.fix.is_none())
        );
    }
}
