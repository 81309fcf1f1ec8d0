//! Who gets in, when, and why not.

use crate::{
    AccessIssueAt, AccessOnCheckOut, DeviceId, IntegrationStatus, KeychainDoorRole, Policy,
    ReservationState, SpaceId, SyncState, Window, WithheldCode,
};
use chrono::{DateTime, Duration, Utc};

/// All that a decision depends on.
#[derive(Debug, Clone)]
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
    /// How the property gives access.
    pub policy: Policy,
    /// The assigned room and the rooms it is part of, nearest first. Empty: no room is assigned.
    pub rooms: Vec<RoomFacts>,
}

/// A room on the way from the assigned room upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFacts {
    /// Number or name.
    pub name: String,
    /// The space it is mapped to.
    pub space: Option<SpaceFacts>,
}

/// A space a room is mapped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceFacts {
    /// Which.
    pub id: SpaceId,
    /// Its name.
    pub name: String,
    /// The locks installed in it. One that is offline counts.
    pub devices: Vec<DeviceId>,
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
        let mut until = self.scheduled.until + Duration::minutes(self.policy.buffer_after.into());
        if self.state == ReservationState::CheckedOut
            && self.policy.on_check_out == AccessOnCheckOut::Revoke
            && let Some(at) = self.checked_out_at
        {
            until = until.min(at);
        }
        Window { from, until }
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
/// Gates are tried from top to bottom; the first that fails names the reason.
pub fn decide(facts: &Facts, now: DateTime<Utc>) -> Decision {
    use ReservationState as State;
    use WithheldCode as Code;

    let in_house = facts.in_house();
    let window = facts.window();

    match facts.state {
        State::Canceled => return end(Code::Canceled),
        State::NoShow => return end(Code::NoShow),
        State::CheckedOut if facts.policy.on_check_out == AccessOnCheckOut::Revoke => {
            return end(Code::CheckedOut);
        }
        _ => {}
    }
    if window.is_empty() || window.until <= now {
        return end(Code::Departed);
    }
    if facts.revoked_by_staff {
        return end(Code::RevokedByStaff);
    }
    match (facts.integration, facts.sync) {
        (IntegrationStatus::Broken, _) => return keep(Code::IntegrationBroken),
        (IntegrationStatus::Disconnected | IntegrationStatus::Pending, _) => {
            return keep(Code::IntegrationDisconnected);
        }
        (IntegrationStatus::Connected, Some(SyncState::CatchingUp)) => {
            return keep(Code::CatchingUp);
        }
        (IntegrationStatus::Connected, _) => {}
    }
    match facts.state {
        State::Tentative => return end(Code::StateNotEligible),
        State::Unknown => return keep(Code::StateNotEligible),
        _ => {}
    }
    // From here on what is missing is missing by mistake more often than not: a guest in the house
    // keeps the key.
    let missing = |code, detail: Option<&str>| {
        Decision::Withhold(Withhold {
            code,
            detail: detail.map(str::to_owned),
            existing: if in_house {
                Existing::Keep
            } else {
                Existing::End
            },
        })
    };
    let Some(assigned) = facts.rooms.first() else {
        return missing(Code::RoomUnassigned, None);
    };
    let mapped: Vec<&SpaceFacts> = facts
        .rooms
        .iter()
        .filter_map(|room| room.space.as_ref())
        .collect();
    let Some(nearest) = mapped.first() else {
        return missing(Code::RoomNotMapped, Some(&assigned.name));
    };
    let doors = doors(&mapped);
    if doors.is_empty() {
        return missing(Code::NoDeviceInRoom, Some(&nearest.name));
    }
    if window.from - facts.policy.horizon() > now && !in_house {
        return end(Code::OutsideHorizon);
    }
    if facts.policy.issue_at == AccessIssueAt::CheckIn
        && !in_house
        && facts.state != State::CheckedOut
    {
        return end(Code::AwaitingCheckIn);
    }
    Decision::Grant(Access { doors, window })
}

fn end(code: WithheldCode) -> Decision {
    Decision::Withhold(Withhold {
        code,
        detail: None,
        existing: Existing::End,
    })
}

fn keep(code: WithheldCode) -> Decision {
    Decision::Withhold(Withhold {
        code,
        detail: None,
        existing: Existing::Keep,
    })
}

/// The main door is the nearest space with a lock; every further one on the way up opens too, as a
/// guest with a bed must pass the door of the dorm. Several rooms may share a space.
fn doors(mapped: &[&SpaceFacts]) -> Vec<Door> {
    let mut doors: Vec<Door> = Vec::new();
    for space in mapped.iter().filter(|space| !space.devices.is_empty()) {
        if doors.iter().all(|door| door.space != space.id) {
            doors.push(Door {
                space: space.id,
                role: if doors.is_empty() {
                    KeychainDoorRole::Main
                } else {
                    KeychainDoorRole::Parent
                },
            });
        }
    }
    doors
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
mod tests;
