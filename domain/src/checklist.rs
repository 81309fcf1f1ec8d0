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
    let passed = is.passes(check);
    let (needed, count) = match check {
        Check::PmsConnected
        | Check::FirstLoadDone
        | Check::TimeZoneKnown
        | Check::LocksConnected => (Needed::Required, None),
        // With no room or no lock at all nobody would get in.
        Check::RoomsMapped => (all_or_some(is.unmapped, is.rooms), Some(is.unmapped)),
        Check::DevicesInstalled => (
            all_or_some(is.without_lock, is.spaces),
            Some(is.without_lock),
        ),
        Check::LocksOnline => (Needed::Advised, Some(is.offline)),
        Check::NoCriticalProblems => (Needed::Advised, Some(is.critical)),
    };
    let fix = match check {
        Check::PmsConnected | Check::LocksConnected => Some("integrationConnect"),
        Check::RoomsMapped => Some("roomMap"),
        Check::DevicesInstalled => Some("deviceInstall"),
        _ => None,
    };
    Item {
        check,
        passed,
        needed,
        count: count.filter(|count| *count > 0),
        message: is.message(check),
        fix: fix.filter(|_| !passed),
    }
}

/// What concerns everything keeps a property from going live, what concerns some does not.
fn all_or_some(open: i64, all: i64) -> Needed {
    if open == all {
        Needed::Required
    } else {
        Needed::Advised
    }
}

impl Readiness {
    fn connected(&self) -> bool {
        let pms = self.pms.as_ref();
        pms.is_some_and(|(_, status, _)| *status == IntegrationStatus::Connected)
    }

    fn passes(&self, check: Check) -> bool {
        match check {
            Check::PmsConnected => self.connected(),
            Check::FirstLoadDone => {
                let pms = self.pms.as_ref();
                pms.is_some_and(|(_, _, sync)| *sync == Some(SyncState::Current))
            }
            Check::TimeZoneKnown => self.time_zone,
            Check::LocksConnected => self.lock_vendors > 0,
            Check::RoomsMapped => self.rooms > 0 && self.unmapped == 0,
            Check::DevicesInstalled => self.spaces > 0 && self.without_lock == 0,
            Check::LocksOnline => self.offline == 0,
            Check::NoCriticalProblems => self.critical == 0,
        }
    }

    /// What to do, or that it is done.
    fn message(&self, check: Check) -> String {
        let app = self.pms.as_ref().map(|(name, _, _)| name.as_str());
        let app = app.unwrap_or("the property management system");
        match (check, self.passes(check)) {
            (Check::PmsConnected, true) => format!("{app} is connected."),
            (Check::PmsConnected, false) => match &self.pms {
                None => "Connect the property management system.".to_owned(),
                Some((_, status, _)) => format!("{app} is {status}. Paste a new access token."),
            },
            (Check::FirstLoadDone, true) => format!("Everything {app} has was read."),
            (Check::FirstLoadDone, false) => {
                format!("Wait until everything {app} has was read.")
            }
            (Check::TimeZoneKnown, true) => "The time zone is known.".to_owned(),
            (Check::TimeZoneKnown, false) => format!("Wait until {app} tells the time zone."),
            (Check::LocksConnected, true) => {
                let vendors = n(self.lock_vendors, "lock vendor is", "lock vendors are");
                format!("{vendors} connected.")
            }
            (Check::LocksConnected, false) => "Connect the vendor of the locks.".to_owned(),
            (Check::RoomsMapped, true) => {
                format!("{} mapped.", n(self.rooms, "room is", "rooms are"))
            }
            (Check::RoomsMapped, false) if self.rooms == 0 => {
                format!("Wait until {app} tells of a room.")
            }
            (Check::RoomsMapped, false) => format!(
                "{} mapped to no space: reservations there get no keychain.",
                n(self.unmapped, "room is", "rooms are")
            ),
            (Check::DevicesInstalled, true) => {
                format!("{} a lock.", n(self.spaces, "space has", "spaces have"))
            }
            (Check::DevicesInstalled, false) if self.spaces == 0 => {
                "No space has a lock yet, as no room is mapped.".to_owned()
            }
            (Check::DevicesInstalled, false) => format!(
                "{} no lock: reservations there are not transferred.",
                n(self.without_lock, "space has", "spaces have")
            ),
            (Check::LocksOnline, true) => "Every installed lock can be reached.".to_owned(),
            (Check::LocksOnline, false) => {
                format!(
                    "{} be reached.",
                    n(self.offline, "lock cannot", "locks cannot")
                )
            }
            (Check::NoCriticalProblems, true) => "No critical problem is open.".to_owned(),
            (Check::NoCriticalProblems, false) => {
                let problems = n(self.critical, "critical problem", "critical problems");
                format!("Look at {problems}.")
            }
        }
    }
}

/// A count with what it counts.
fn n(count: i64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
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
                    ));
                },
                &[(Check::PmsConnected, true)],
            ),
            (
                |is| {
                    is.pms = Some((
                        "Mews".into(),
                        IntegrationStatus::Connected,
                        Some(SyncState::FirstLoad),
                    ));
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
