//! The gates between a booking and a keychain, one by one.

use super::{Existing, Facts, Withhold};
use crate::code::codes;
use crate::{
    AccessIssueAt, AccessOnCheckOut, IntegrationStatus, PropertyMode, ReservationState, SyncState,
    WithheldCode,
};
use chrono::{DateTime, Utc};

codes! {
    /// Gates from a booking to an open door, in the order they are passed.
    Gate {
        /// Portal has received it.
        Received = "RECEIVED",
        /// It is not canceled.
        NotCanceled = "NOT_CANCELED",
        /// It is not over.
        NotOver = "NOT_OVER",
        /// No person took it away.
        NotRevoked = "NOT_REVOKED",
        /// The integration is connected and has caught up.
        Integration = "INTEGRATION",
        /// The property is live.
        Live = "LIVE",
        /// It is confirmed.
        State = "STATE",
        /// A room is assigned.
        Room = "ROOM",
        /// The room is mapped to a space.
        Mapping = "MAPPING",
        /// A device is installed in the main room.
        Device = "DEVICE",
        /// It is not too early.
        Horizon = "HORIZON",
        /// The guest has checked in, where the policy asks for it.
        CheckIn = "CHECK_IN",
        /// A PIN suits all doors.
        Pin = "PIN",
        /// The locks have the PIN.
        Doors = "DOORS",
        /// The property management system holds the PIN.
        PmsCopy = "PMS_COPY",
        /// The keychain is valid now.
        Window = "WINDOW",
    }
}

impl Gate {
    /// Those that decide whether a keychain should exist.
    pub const DECIDING: [Self; 11] = [
        Self::NotCanceled,
        Self::NotOver,
        Self::NotRevoked,
        Self::Integration,
        Self::Live,
        Self::State,
        Self::Room,
        Self::Mapping,
        Self::Device,
        Self::Horizon,
        Self::CheckIn,
    ];
}

/// How a gate was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It lets the reservation pass.
    Passed,
    /// It withholds access.
    Withheld(Withhold),
    /// What it looks at is missing; the gate that says so comes before.
    NotReached,
}

/// Judges one of [`Gate::DECIDING`], whatever the others say. Gates after those are passed.
pub fn judge(facts: &Facts, gate: Gate, now: DateTime<Utc>) -> Outcome {
    use ReservationState as State;
    use WithheldCode as Code;

    let withheld = match gate {
        Gate::NotCanceled => match facts.state {
            State::Canceled => end(Code::Canceled),
            State::NoShow => end(Code::NoShow),
            _ => return Outcome::Passed,
        },
        Gate::NotOver => {
            let window = facts.window();
            let left = facts.state == State::CheckedOut;
            if left && facts.policy.on_check_out == AccessOnCheckOut::Revoke {
                end(Code::CheckedOut)
            } else if window.is_empty() || window.until <= now {
                end(Code::Departed)
            } else {
                return Outcome::Passed;
            }
        }
        Gate::NotRevoked if facts.revoked_by_staff => end(Code::RevokedByStaff),
        Gate::Integration => match (facts.integration, facts.sync) {
            (IntegrationStatus::Broken, _) => keep(Code::IntegrationBroken),
            (IntegrationStatus::Disconnected | IntegrationStatus::Pending, _) => {
                keep(Code::IntegrationDisconnected)
            }
            (IntegrationStatus::Connected, Some(SyncState::CatchingUp)) => keep(Code::CatchingUp),
            (IntegrationStatus::Connected, _) => return Outcome::Passed,
        },
        Gate::Live if facts.mode == PropertyMode::Setup => keep(Code::PropertyInSetup),
        Gate::State => match facts.state {
            State::Tentative => end(Code::StateNotEligible),
            State::Unknown => keep(Code::StateNotEligible),
            _ => return Outcome::Passed,
        },
        Gate::Room if facts.rooms.is_empty() => missing(facts, Code::RoomUnassigned, None),
        Gate::Mapping => match (facts.rooms.first(), facts.mapped().next()) {
            (None, _) => return Outcome::NotReached,
            (Some(assigned), None) => missing(facts, Code::RoomNotMapped, Some(&assigned.name)),
            (Some(_), Some(_)) => return Outcome::Passed,
        },
        Gate::Device => match facts.mapped().next() {
            None => return Outcome::NotReached,
            Some(nearest) if facts.doors().is_empty() => {
                missing(facts, Code::NoDeviceInRoom, Some(&nearest.name))
            }
            Some(_) => return Outcome::Passed,
        },
        Gate::Horizon
            if facts.window().from - facts.policy.horizon() > now && !facts.in_house() =>
        {
            end(Code::OutsideHorizon)
        }
        Gate::CheckIn
            if facts.policy.issue_at == AccessIssueAt::CheckIn
                && !facts.in_house()
                && facts.state != State::CheckedOut =>
        {
            end(Code::AwaitingCheckIn)
        }
        _ => return Outcome::Passed,
    };
    Outcome::Withheld(withheld)
}

fn end(code: WithheldCode) -> Withhold {
    Withhold {
        code,
        detail: None,
        existing: Existing::End,
    }
}

fn keep(code: WithheldCode) -> Withhold {
    Withhold {
        code,
        detail: None,
        existing: Existing::Keep,
    }
}

/// What is missing is missing by mistake more often than not: a guest in the house keeps the key.
fn missing(facts: &Facts, code: WithheldCode, detail: Option<&str>) -> Withhold {
    Withhold {
        code,
        detail: detail.map(str::to_owned),
        existing: if facts.in_house() {
            Existing::Keep
        } else {
            Existing::End
        },
    }
}
