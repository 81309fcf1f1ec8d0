//! Whether the door will open for a guest who is about to arrive, and what stands in the way.

use crate::code::codes;
use crate::slots::{Code, Wait};
use crate::{DeviceConnectivity, DeviceId, DevicePinStatus, EffectError, Lead, WithheldCode};
use chrono::{DateTime, Duration, Utc};

/// What a change needs at most until a lock that can be reached has it: the PMS is looked at each
/// minute, the decision takes less than one, and the lock may take ten to confirm.
pub const REACHABLE: Duration = Duration::minutes(15);
/// The same for a lock that has to be brought back first.
pub const UNREACHABLE: Duration = Duration::hours(2);
/// What is due is taken up within seconds. After so long something is wrong.
const TURN: Duration = Duration::minutes(1);

codes! {
    /// Whether a door will open for an arriving guest.
    ArrivalVerdict {
        /// It will: every lock has the PIN, or will have it in time without anybody acting.
        Ready = "READY",
        /// It may not.
        AtRisk = "AT_RISK",
        /// It will not: nothing that is left can be done in time, or a lock has refused the PIN.
        WillFail = "WILL_FAIL",
    }
}

codes! {
    /// What stands between an arriving guest and an open door.
    ArrivalReasonCode {
        /// A person took the access away.
        RevokedByStaff = "REVOKED_BY_STAFF",
        /// The connection to the property management system is broken.
        IntegrationBroken = "INTEGRATION_BROKEN",
        /// The property management system is not connected.
        IntegrationDisconnected = "INTEGRATION_DISCONNECTED",
        /// Portal is reading what changed while the connection was away.
        CatchingUp = "CATCHING_UP",
        /// The property is not live yet.
        PropertyInSetup = "PROPERTY_IN_SETUP",
        /// The reservation is not confirmed.
        StateNotEligible = "STATE_NOT_ELIGIBLE",
        /// No room is assigned.
        RoomUnassigned = "ROOM_UNASSIGNED",
        /// The room is not mapped to a space.
        RoomNotMapped = "ROOM_NOT_MAPPED",
        /// No lock is installed in the main room.
        NoDeviceInRoom = "NO_DEVICE_IN_ROOM",
        /// The property has no lock integration, so that no lock can be installed.
        NoLockIntegration = "NO_LOCK_INTEGRATION",
        /// No PIN suits all doors.
        PinUnavailable = "PIN_UNAVAILABLE",
        /// It changed and is decided about within a minute.
        Deciding = "DECIDING",
        /// A lock has refused the PIN for good.
        PinBlocked = "PIN_BLOCKED",
        /// The integration of a lock is not connected.
        LocksDisconnected = "LOCKS_DISCONNECTED",
        /// A lock cannot be reached.
        DeviceOffline = "DEVICE_OFFLINE",
        /// Nobody knows whether a lock can be reached.
        DeviceUnknown = "DEVICE_UNKNOWN",
        /// A lock holds as many codes as fit.
        DeviceFull = "DEVICE_FULL",
        /// A lock was tried and has not taken the PIN; it is tried again.
        PinNotTaken = "PIN_NOT_TAKEN",
        /// A lock has accepted the PIN and not confirmed it yet.
        PinUnconfirmed = "PIN_UNCONFIRMED",
        /// The PIN goes to a lock within seconds.
        PinPending = "PIN_PENDING",
    }
}

/// What is known of a stay that is about to begin.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When the guest may come in.
    pub starts_at: DateTime<Utc>,
    /// Whether it changed and the decision is still to come.
    pub deciding: bool,
    /// Whether there is a keychain that is not over.
    pub granted: bool,
    /// Why there is none.
    pub withheld: Option<WithheldCode>,
    /// Whether the property has a lock integration at all.
    pub lock_integration: bool,
    /// The locks of its doors, the main one first: those of the keychain, or those it would open by
    /// the room assigned now.
    pub locks: Vec<Lock>,
}

/// A lock between the guest and the bed.
#[derive(Debug, Clone, Copy)]
pub struct Lock {
    /// Which.
    pub device: DeviceId,
    /// Whether it can be reached.
    pub connectivity: DeviceConnectivity,
    /// Whether its integration is connected.
    pub connected: bool,
    /// How early it takes codes.
    pub lead: Option<Lead>,
    /// The keychain's PIN on it. `None`: it was not asked for there yet.
    pub code: Option<Code>,
    /// The wait for a slot, if there is none for it when it is due.
    pub wait: Option<Wait>,
}

/// What will become of an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Whether the door will open.
    pub verdict: ArrivalVerdict,
    /// The last moment at which acting still helps. `None`: nobody needs to act.
    pub act_by: Option<DateTime<Utc>>,
    /// What stands in the way, the worst first.
    pub because: Vec<Reason>,
}

/// One thing that stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// What.
    pub code: ArrivalReasonCode,
    /// On which lock.
    pub device: Option<DeviceId>,
    /// What that alone means for the arrival.
    pub verdict: ArrivalVerdict,
    /// Until when somebody can still put it right. `None`: it goes by itself.
    pub act_by: Option<DateTime<Utc>>,
    /// When a slot is free on the lock, where that is what is missing.
    pub slot_at: Option<DateTime<Utc>>,
}

/// What it takes until something no longer stands in the way.
#[derive(Debug, Clone, Copy)]
enum Takes {
    /// It is being done at this moment, and says nothing about a door that opened before.
    Moment,
    /// Nobody has to act.
    Nobody,
    /// A person, and then so long at most.
    Person(Duration),
    /// The same, and Portal has given up.
    GivenUp(Duration),
}

impl Lock {
    /// How long before the arrival it has to be known what goes on it. A lock that takes codes hours
    /// ahead takes a late one at once; one that wants them shortly before wants that time.
    fn needs(&self) -> Duration {
        let lead = match self.lead {
            Some(Lead::JustInTime { minutes }) => Duration::minutes(minutes.into()),
            Some(Lead::Preload { .. }) | None => Duration::zero(),
        };
        let reach = match self.connectivity {
            DeviceConnectivity::Online => REACHABLE,
            DeviceConnectivity::Offline | DeviceConnectivity::Unknown => UNREACHABLE,
        };
        lead.max(reach)
    }

    /// What stands in the way at this lock.
    fn trouble(
        &self,
        granted: bool,
        starts_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Found> {
        use ArrivalReasonCode as R;
        use DevicePinStatus as S;
        let person = Takes::Person(self.needs());
        let status = self.code.map(|code| code.status);
        let error = self.code.and_then(|code| code.last_error);
        match status {
            Some(S::Set) => return None,
            Some(S::Blocked) => return Some((R::PinBlocked, Takes::GivenUp(self.needs()))),
            _ => {}
        }
        if !self.connected {
            return Some((R::LocksDisconnected, person));
        }
        let silent = error == Some(EffectError::DeviceOffline);
        if silent || self.connectivity == DeviceConnectivity::Offline {
            let needs = self.needs().max(UNREACHABLE);
            return Some((R::DeviceOffline, Takes::Person(needs)));
        }
        if status == Some(S::Sent) {
            return Some((R::PinUnconfirmed, Takes::Moment));
        }
        if self.wait.is_some() || error == Some(EffectError::DeviceFull) {
            // Where a slot is free by now, the next try has it.
            let in_time = self.wait.is_none_or(|wait| {
                wait.slot_at
                    .is_some_and(|at| at + self.needs() <= starts_at)
            });
            let takes = if in_time { Takes::Nobody } else { person };
            return Some((R::DeviceFull, takes));
        }
        if self.connectivity == DeviceConnectivity::Unknown {
            return Some((R::DeviceUnknown, person));
        }
        if error.is_some() {
            return Some((R::PinNotTaken, person));
        }
        match self.code {
            Some(code) if code.is_early(now) => None,
            None if !granted => None,
            Some(code) if code.next_attempt_at.is_some_and(|at| at + TURN > now) => {
                Some((R::PinPending, Takes::Moment))
            }
            Some(_) | None => Some((R::PinPending, Takes::Nobody)),
        }
    }
}

type Found = (ArrivalReasonCode, Takes);

/// Says whether the door will open for an arriving guest.
///
/// A guest who should be in already and finds the door shut is a failure, whatever is still under way,
/// but for what is being done at this moment.
pub fn judge(facts: &Facts, now: DateTime<Utc>) -> Outlook {
    let slowest = facts.locks.iter().map(Lock::needs).max();
    let slowest = slowest.unwrap_or(REACHABLE);
    let mut because: Vec<Reason> = Vec::new();
    for (code, takes) in without_access(facts, slowest) {
        because.push(reason(facts, code, takes, now));
    }
    for lock in &facts.locks {
        if let Some((code, takes)) = lock.trouble(facts.granted, facts.starts_at, now) {
            because.push(Reason {
                device: Some(lock.device),
                slot_at: lock
                    .wait
                    .filter(|_| code == ArrivalReasonCode::DeviceFull)
                    .and_then(|wait| wait.slot_at),
                ..reason(facts, code, takes, now)
            });
        }
    }
    // Stable: of two that are as bad and as urgent the main door's comes first.
    because.sort_by_key(|reason| {
        let by = reason.act_by.unwrap_or(DateTime::<Utc>::MAX_UTC);
        (std::cmp::Reverse(reason.verdict), by)
    });
    Outlook {
        verdict: because
            .first()
            .map_or(ArrivalVerdict::Ready, |worst| worst.verdict),
        act_by: because.iter().filter_map(|reason| reason.act_by).min(),
        because,
    }
}

fn reason(facts: &Facts, code: ArrivalReasonCode, takes: Takes, now: DateTime<Utc>) -> Reason {
    let (act_by, lost) = match takes {
        Takes::Moment => (None, false),
        Takes::Nobody => (None, now >= facts.starts_at),
        Takes::Person(needs) => {
            let by = facts.starts_at - needs;
            (Some(by), now >= by)
        }
        Takes::GivenUp(needs) => (Some(facts.starts_at - needs), true),
    };
    Reason {
        code,
        device: None,
        verdict: if lost {
            ArrivalVerdict::WillFail
        } else {
            ArrivalVerdict::AtRisk
        },
        act_by,
        slot_at: None,
    }
}

/// What stands in the way before any lock does.
fn without_access(facts: &Facts, slowest: Duration) -> Vec<Found> {
    use ArrivalReasonCode as R;
    use WithheldCode as W;
    let person = Takes::Person(slowest);
    let mut found: Vec<Found> = Vec::new();
    if facts.granted {
        if facts.locks.is_empty() {
            // A guest in the house keeps a key to a door whose lock was taken away.
            found.push((R::NoDeviceInRoom, person));
        }
        if facts.deciding {
            found.push((R::Deciding, Takes::Moment));
        }
        return found;
    }
    let no_locks = !facts.lock_integration && facts.locks.is_empty();
    match facts.withheld {
        // It is new, or it was over and has come back.
        None | Some(W::Canceled | W::NoShow | W::CheckedOut | W::Departed) => {
            found.push((R::Deciding, Takes::Moment));
        }
        // The clock makes it in time, or the desk when it checks the guest in: no risk by itself.
        Some(W::OutsideHorizon | W::AwaitingCheckIn) => {}
        Some(W::RevokedByStaff) => found.push((R::RevokedByStaff, person)),
        Some(W::IntegrationBroken) => found.push((R::IntegrationBroken, person)),
        Some(W::IntegrationDisconnected) => found.push((R::IntegrationDisconnected, person)),
        Some(W::CatchingUp) => found.push((R::CatchingUp, Takes::Nobody)),
        Some(W::PropertyInSetup) => found.push((R::PropertyInSetup, person)),
        Some(W::StateNotEligible) => found.push((R::StateNotEligible, person)),
        Some(W::RoomUnassigned) => found.push((R::RoomUnassigned, person)),
        Some(W::RoomNotMapped) => found.push((R::RoomNotMapped, person)),
        Some(W::NoDeviceInRoom) if no_locks => {}
        Some(W::NoDeviceInRoom) => found.push((R::NoDeviceInRoom, person)),
        Some(W::PinUnavailable) => found.push((R::PinUnavailable, person)),
    }
    if no_locks {
        // Whatever else is put right, there is no lock yet, and a new one has not been reached.
        found.push((R::NoLockIntegration, Takes::Person(UNREACHABLE)));
    }
    if facts.deciding && found.iter().all(|(code, _)| *code != R::Deciding) {
        found.push((R::Deciding, Takes::Moment));
    }
    found
}

#[cfg(test)]
mod tests;
