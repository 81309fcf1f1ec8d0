//! Who gets in, when, and why not.

use crate::{
    AccessIssueAt, AccessOnCheckOut, DeviceId, IntegrationStatus, KeychainDoorRole, Policy,
    PropertyMode, ReservationState, RoomId, SpaceId, SyncState, Window, WithheldCode,
};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

mod assume;
mod explain;
mod gate;

pub use assume::{Assumption, Outlook, outlook};
pub use explain::{
    CopyProgress, DoorProgress, Explained, Fixer, Progress, Subject, Verdict, Words, explain,
    progress,
};
pub use gate::{Gate, Outcome, judge};

/// Version of the rules of this module. Stored with each decision, so that one made by older rules
/// is known as such when it is explained later.
pub const RULES: i32 = 1;

/// All that a decision depends on. Stored with it, as JSON: no name of a guest, no digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// State of the stay.
    pub state: ReservationState,
    /// The stay as scheduled.
    pub scheduled: Window,
    /// When the guest checked in, as the PMS says or, where it gives no time, as first seen.
    pub checked_in_at: Option<DateTime<Utc>>,
    /// When the guest checked out.
    pub checked_out_at: Option<DateTime<Utc>>,
    /// Whether a person took the access away.
    pub revoked_by_staff: bool,
    /// How the link to the PMS stands.
    pub integration: IntegrationStatus,
    /// How far reading has come.
    pub sync: Option<SyncState>,
    /// Whether the property gives access at all.
    pub mode: PropertyMode,
    /// How the property gives access.
    pub policy: Policy,
    /// The assigned room and the rooms it is part of, nearest first. Empty: no room is assigned.
    pub rooms: Vec<RoomFacts>,
    /// Common areas that a person linked to the spaces of these rooms.
    pub links: Vec<LinkFacts>,
    /// The keychain that is there, if it opens.
    pub held: Option<Held>,
    /// When the stay before ends, of the same guest in the same room, if this one follows it closely:
    /// the guest stays in the room, and the door opens without a break.
    #[serde(default)]
    pub follows: Option<DateTime<Utc>>,
}

/// Longest break between two stays of a guest in a room that are one to the guest. A house that turns
/// rooms over lets nobody in for half a day at most.
pub const BREAK: Duration = Duration::hours(12);

/// A room on the way from the assigned room upwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomFacts {
    /// Which.
    pub id: RoomId,
    /// Number or name.
    pub name: String,
    /// The space it is mapped to.
    pub space: Option<SpaceFacts>,
}

/// A space a room is mapped to, or a common area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceFacts {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: String,
    /// The locks installed in it. One that is offline counts.
    pub devices: Vec<DeviceId>,
}

/// A common area that opens together with a main room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFacts {
    /// The main room it belongs to.
    pub main: SpaceId,
    /// The common area.
    pub space: SpaceFacts,
}

/// What the keychain that is there promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Until when it opens.
    pub until: DateTime<Utc>,
    /// The scheduled end it was made for.
    pub scheduled_until: DateTime<Utc>,
}

/// Which keychain should exist, or why none should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Access is given.
    Grant(Access),
    /// Access is not given.
    Withhold(Withhold),
}

/// The access to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The doors, the main one first.
    pub doors: Vec<Door>,
    /// From when until when.
    pub window: Window,
}

impl Access {
    /// Whether both open one space.
    pub fn shares_a_door(&self, other: &Self) -> bool {
        let mut doors = self.doors.iter();
        doors.any(|door| other.doors.iter().any(|theirs| theirs.space == door.space))
    }
}

/// One door of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// The space behind it.
    pub space: SpaceId,
    /// Why it opens.
    pub role: KeychainDoorRole,
}

/// A refusal, and what it does to a keychain that already exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withhold {
    /// The first gate that failed.
    pub code: WithheldCode,
    /// The room or space the sentence for staff names.
    pub detail: Option<String>,
    /// What becomes of a keychain that is there.
    pub existing: Existing,
}

/// What a refusal does to a keychain that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is revoked by Portal.
    End,
    /// It stays as it is: nobody in the house is locked out by missing data.
    Keep,
}

impl Facts {
    /// Whether the guest is in the house.
    pub fn in_house(&self) -> bool {
        self.state == ReservationState::CheckedIn
    }

    /// From when until when access is given. An early check-in opens it, a check-out ends it.
    pub fn window(&self) -> Window {
        let scheduled = self.scheduled.from - Duration::minutes(self.policy.buffer_before.into());
        let from = match self.policy.issue_at {
            AccessIssueAt::Booking => self.checked_in_at.map_or(scheduled, |at| at.min(scheduled)),
            AccessIssueAt::CheckIn => self.checked_in_at.unwrap_or(scheduled),
        };
        let from = self.follows.map_or(from, |end| from.min(end));
        let mut until = self.scheduled.until + Duration::minutes(self.policy.buffer_after.into());
        if self.state == ReservationState::CheckedOut
            && self.policy.on_check_out == AccessOnCheckOut::Revoke
            && let Some(at) = self.checked_out_at
        {
            until = until.min(at);
        }
        // Only a change in the PMS may shorten what a guest in the house holds, not one of the policy.
        if self.in_house()
            && let Some(held) = self.held
            && held.scheduled_until == self.scheduled.until
        {
            until = until.max(held.until);
        }
        Window { from, until }
    }

    /// The spaces the rooms are mapped to, the nearest first.
    fn mapped(&self) -> impl Iterator<Item = &SpaceFacts> {
        self.rooms.iter().filter_map(|room| room.space.as_ref())
    }

    /// The doors to open. The main one is the nearest space with a lock; every further one on the way
    /// up opens too, as a guest with a bed must pass the door of the dorm; then what a person linked
    /// to the main one. Several rooms may share a space. Empty: no lock is installed.
    fn doors(&self) -> Vec<Door> {
        let mut doors: Vec<Door> = Vec::new();
        let has_lock = |space: &&SpaceFacts| !space.devices.is_empty();
        for space in self.mapped().filter(has_lock) {
            let role = if doors.is_empty() {
                KeychainDoorRole::Main
            } else {
                KeychainDoorRole::Parent
            };
            if doors.iter().all(|door| door.space != space.id) {
                doors.push(Door {
                    space: space.id,
                    role,
                });
            }
        }
        let Some(main) = doors.first().map(|door| door.space) else {
            return doors;
        };
        let linked = self.links.iter().filter(|link| link.main == main);
        for space in linked.map(|link| &link.space).filter(has_lock) {
            if doors.iter().all(|door| door.space != space.id) {
                doors.push(Door {
                    space: space.id,
                    role: KeychainDoorRole::Common,
                });
            }
        }
        doors
    }

    /// The next moment at which the clock alone changes the decision.
    pub fn next_decision(&self, decision: &Decision, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let window = self.window();
        let next = match decision {
            Decision::Withhold(Withhold { code, .. }) if code.is_end() => return None,
            Decision::Withhold(Withhold {
                code: WithheldCode::OutsideHorizon,
                ..
            }) => window.from - self.policy.horizon(),
            Decision::Withhold(_) | Decision::Grant(_) => window.until,
        };
        (next > now).then_some(next)
    }
}

/// Decides which keychain should exist for a reservation, or why none should.
///
/// Gates are tried in their order; the first that withholds names the reason.
pub fn decide(facts: &Facts, now: DateTime<Utc>) -> Decision {
    let withheld = Gate::DECIDING
        .iter()
        .find_map(|&gate| match judge(facts, gate, now) {
            Outcome::Withheld(why) => Some(why),
            Outcome::Passed | Outcome::NotReached => None,
        });
    match withheld {
        Some(why) => Decision::Withhold(why),
        None => Decision::Grant(Access {
            doors: facts.doors(),
            window: facts.window(),
        }),
    }
}

/// A keychain as it is, as far as a change of it is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its doors, in any order.
    pub doors: Vec<Door>,
    /// Its window.
    pub window: Window,
    /// Whether Portal or a person revoked it.
    pub revoked: bool,
}

/// What turns the keychain that is there into the one that should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is none yet.
    Create,
    /// It was revoked by Portal and comes back, with the doors and times of now.
    Revive,
    /// Same keychain, other doors.
    Repoint,
    /// The guest is in the house and changes rooms: a new keychain, the old one for the luggage.
    Supersede,
    /// Same doors, other times.
    Reschedule,
    /// It is as it should be.
    Nothing,
}

/// Compares the access to give with the keychain that is there.
pub fn change(
    current: Option<&Current>,
    access: &Access,
    in_house: bool,
    now: DateTime<Utc>,
) -> Change {
    let Some(current) = current else {
        return Change::Create;
    };
    if current.revoked {
        return Change::Revive;
    }
    let main = |doors: &[Door]| {
        doors
            .iter()
            .find(|door| door.role == KeychainDoorRole::Main)
            .map(|door| door.space)
    };
    // Nobody has left luggage behind a door that never opened.
    let has_begun = current.window.from <= now;
    if in_house && has_begun && main(&current.doors) != main(&access.doors) {
        return Change::Supersede;
    }
    let same_doors = current.doors.len() == access.doors.len()
        && access.doors.iter().all(|door| current.doors.contains(door));
    if !same_doors {
        Change::Repoint
    } else if current.window != access.window {
        Change::Reschedule
    } else {
        Change::Nothing
    }
}

#[cfg(test)]
mod explain_tests;
#[cfg(test)]
mod invariants;
#[cfg(test)]
pub(crate) mod tests;
