//! What would follow from other facts.

use super::gate::{Gate, Outcome, judge};
use super::{Decision, Facts, RoomFacts, SpaceFacts, decide};
use crate::{
    DeviceId, IntegrationStatus, PropertyMode, ReservationState, ReservationTransfer, RoomId,
    SpaceId, SyncState, WithheldCode,
};
use chrono::{DateTime, Duration, Utc};

/// One fact to pretend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assumption {
    /// The integration is connected and has caught up.
    IntegrationConnected,
    /// The property is live.
    PropertyLive,
    /// The person who took it away gave it back.
    Reinstated,
    /// It is confirmed.
    Confirmed,
    /// This room is assigned, with the rooms it is part of. Empty: some room that is mapped and has
    /// a lock.
    RoomAssigned(Vec<RoomFacts>),
    /// The assigned room is mapped to this space. `None`: to some space with a lock.
    RoomMapped(Option<SpaceFacts>),
    /// A lock is installed in this space. `None`: in the nearest one.
    DeviceInstalled(Option<SpaceId>),
    /// The guest has checked in.
    CheckedIn,
    /// It is another time.
    Now(DateTime<Utc>),
}

/// Stands for what nobody has named. It is written nowhere.
const SOME: uuid::Uuid = uuid::Uuid::nil();

impl Assumption {
    /// What clears a gate that holds, alone.
    pub fn clearing(gate: Gate, facts: &Facts) -> Option<Self> {
        Some(match gate {
            Gate::NotRevoked => Self::Reinstated,
            Gate::Integration => Self::IntegrationConnected,
            Gate::Live => Self::PropertyLive,
            Gate::State => Self::Confirmed,
            Gate::Room => Self::RoomAssigned(Vec::new()),
            Gate::Mapping => Self::RoomMapped(None),
            Gate::Device => Self::DeviceInstalled(None),
            Gate::Horizon => Self::Now(facts.window().from - facts.policy.horizon()),
            Gate::CheckIn => Self::CheckedIn,
            _ => return None,
        })
    }

    /// Makes it so.
    pub fn apply(&self, facts: &mut Facts, now: &mut DateTime<Utc>) {
        match self {
            Self::IntegrationConnected => {
                facts.integration = IntegrationStatus::Connected;
                facts.sync = Some(SyncState::Current);
            }
            Self::PropertyLive => facts.mode = PropertyMode::Live,
            Self::Reinstated => facts.revoked_by_staff = false,
            Self::Confirmed => facts.state = ReservationState::Confirmed,
            Self::RoomAssigned(rooms) if rooms.is_empty() => {
                facts.rooms = vec![RoomFacts {
                    id: RoomId(SOME),
                    name: "some room".to_owned(),
                    space: Some(some_space()),
                }];
            }
            Self::RoomAssigned(rooms) => facts.rooms.clone_from(rooms),
            Self::RoomMapped(space) => {
                if let Some(room) = facts.rooms.first_mut() {
                    room.space = Some(space.clone().unwrap_or_else(some_space));
                }
            }
            Self::DeviceInstalled(place) => {
                let space = facts
                    .rooms
                    .iter_mut()
                    .filter_map(|room| room.space.as_mut())
                    .find(|space| place.is_none_or(|place| place == space.id));
                if let Some(space) = space {
                    space.devices.push(DeviceId(SOME));
                }
            }
            Self::CheckedIn => {
                facts.state = ReservationState::CheckedIn;
                facts.checked_in_at.get_or_insert(*now);
            }
            Self::Now(at) => *now = *at,
        }
    }

    /// How soon Portal follows once it is so. `None`: it takes as long as reading takes.
    pub fn within(&self) -> Option<Duration> {
        match self {
            Self::IntegrationConnected => None,
            Self::Now(_) => Some(Duration::zero()),
            _ => Some(Duration::minutes(1)),
        }
    }

    /// What is pretended, for people.
    pub fn words(&self, facts: &Facts, time: &(dyn Fn(DateTime<Utc>) -> String + Sync)) -> String {
        let nearest = || facts.mapped().next();
        match self {
            Self::IntegrationConnected => {
                "The integration is connected and has caught up".to_owned()
            }
            Self::PropertyLive => "The property is live".to_owned(),
            Self::Reinstated => "The access is reinstated".to_owned(),
            Self::Confirmed => "The reservation is confirmed".to_owned(),
            Self::RoomAssigned(rooms) => match rooms.first() {
                Some(room) => format!("Room {} is assigned", room.name),
                None => "A room that is mapped and has a lock is assigned".to_owned(),
            },
            Self::RoomMapped(space) => {
                let room = facts.rooms.first().map_or("", |room| &room.name);
                match space {
                    Some(space) => format!("Room {room} is mapped to {}", space.name),
                    None => format!("Room {room} is mapped to a space with a lock"),
                }
            }
            Self::DeviceInstalled(place) => {
                let named = facts.mapped().find(|space| Some(space.id) == *place);
                let space = named.or_else(nearest);
                let space = space.map_or("the room", |space| &space.name);
                format!("A lock is installed in {space}")
            }
            Self::CheckedIn => "The guest has checked in".to_owned(),
            Self::Now(at) => format!("It is {}", time(*at)),
        }
    }
}

fn some_space() -> SpaceFacts {
    SpaceFacts {
        id: SpaceId(SOME),
        name: "some space".to_owned(),
        devices: vec![DeviceId(SOME)],
    }
}

/// What would be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Whether it would have access.
    pub transfer: ReservationTransfer,
    /// What would still be in the way, in the order of the gates.
    pub remaining: Vec<WithheldCode>,
}

/// Decides as if the facts were others. Writes nothing.
pub fn outlook(facts: &Facts, assume: &[Assumption], now: DateTime<Utc>) -> Outlook {
    let (mut facts, mut now) = (facts.clone(), now);
    for assumption in assume {
        assumption.apply(&mut facts, &mut now);
    }
    let remaining: Vec<WithheldCode> = Gate::DECIDING
        .into_iter()
        .filter_map(|gate| match judge(&facts, gate, now) {
            Outcome::Withheld(why) => Some(why.code),
            Outcome::Passed | Outcome::NotReached => None,
        })
        .collect();
    let transfer = match decide(&facts, now) {
        Decision::Grant(_) => ReservationTransfer::Transferred,
        Decision::Withhold(why) if why.code.is_end() => ReservationTransfer::Ended,
        Decision::Withhold(_) => ReservationTransfer::Withheld,
    };
    Outlook {
        transfer,
        remaining,
    }
}
