//! Why a reservation has access, or why not: every gate with its evidence, for people.

use super::gate::{Gate, Outcome, judge};
use super::{Facts, Withhold};
use crate::code::codes;
use crate::{
    AccessIssueAt, DevicePinStatus, EffectError, IntegrationStatus, PinPushStatus, PinPushWait,
    PropertyMode, RoomId, SpaceId, Window, WithheldCode,
};
use chrono::{DateTime, Utc};

codes! {
    /// How a gate was judged.
    Verdict {
        /// Passed.
        Pass = "PASS",
        /// Someone or time can clear it.
        Hold = "HOLD",
        /// A person must act; Portal has stopped trying.
        Fail = "FAIL",
        /// No longer of interest.
        Ended = "ENDED",
        /// Something it needs is missing.
        NotReached = "NOT_REACHED",
    }
}

codes! {
    /// Who can clear a gate.
    Fixer {
        /// An owner.
        Owner = "OWNER",
        /// A general manager.
        GeneralManager = "GENERAL_MANAGER",
        /// The team.
        Team = "TEAM",
        /// An installer.
        Installer = "INSTALLER",
        /// Staff, in the property management system.
        PmsUser = "PMS_USER",
        /// The support of the property management system.
        PmsSupport = "PMS_SUPPORT",
    }
}

const MANAGERS: &[Fixer] = &[Fixer::Owner, Fixer::GeneralManager];
const DESK: &[Fixer] = &[Fixer::Owner, Fixer::GeneralManager, Fixer::Team];
const INSTALLERS: &[Fixer] = &[Fixer::Owner, Fixer::GeneralManager, Fixer::Installer];
const PMS: &[Fixer] = &[Fixer::PmsUser];

/// The object to open in order to clear a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The link to the PMS.
    Integration,
    /// The property.
    Property,
    /// The reservation.
    Reservation,
    /// A room.
    Room(RoomId),
    /// A space.
    Space(SpaceId),
    /// The keychain.
    Keychain,
    /// The copy in the PMS.
    PinPush,
}

/// What the facts do not hold and people want to read.
pub struct Words<'a> {
    /// Name of the PMS.
    pub app: &'a str,
    /// When it was last read without a gap.
    pub read_at: Option<DateTime<Utc>>,
    /// The state of the stay in the PMS's words.
    pub raw_state: &'a str,
    /// Changes of the reservation that Portal has seen.
    pub revision: i32,
    /// Who took the access away.
    pub blocked_by: Option<&'a str>,
    /// Why.
    pub blocked_reason: Option<&'a str>,
    /// Why no PIN suits, when that was found.
    pub no_pin: Option<&'a str>,
    /// Whether there is a keychain with a PIN.
    pub has_pin: bool,
    /// Writes an instant in the zone of the property.
    pub time: &'a (dyn Fn(DateTime<Utc>) -> String + Sync),
}

impl std::fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words").finish_non_exhaustive()
    }
}

/// One gate, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Which gate.
    pub gate: Gate,
    /// How it was judged.
    pub verdict: Verdict,
    /// The reason it withholds access.
    pub code: Option<WithheldCode>,
    /// What is in the way, in one sentence for staff.
    pub message: Option<String>,
    /// The facts it was judged by, for people.
    pub evidence: String,
    /// Who can clear it. Empty when time does, or nothing has to be cleared.
    pub fix_by: &'static [Fixer],
    /// The mutation that clears it.
    pub fix: Option<&'static str>,
    /// What to open in order to clear it.
    pub subject: Option<Subject>,
    /// When time clears it.
    pub clears_at: Option<DateTime<Utc>>,
}

impl Explained {
    fn new(gate: Gate, verdict: Verdict, evidence: String) -> Self {
        Self {
            gate,
            verdict,
            code: None,
            message: None,
            evidence,
            fix_by: &[],
            fix: None,
            subject: None,
            clears_at: None,
        }
    }

    fn fixed(mut self, by: &'static [Fixer], fix: Option<&'static str>, subject: Subject) -> Self {
        self.fix_by = by;
        self.fix = fix;
        self.subject = Some(subject);
        self
    }
}

impl WithheldCode {
    /// The sentence staff read about a reason. `detail` is the room, space or rule it names.
    pub fn sentence(self, detail: &str, horizon_days: i32, words: &Words<'_>) -> String {
        let app = words.app;
        match self {
            Self::Canceled => "The reservation was canceled.".to_owned(),
            Self::NoShow => "The guest did not show up.".to_owned(),
            Self::CheckedOut => "The guest has checked out.".to_owned(),
            Self::Departed => "The stay is over.".to_owned(),
            Self::RevokedByStaff => format!(
                "{} took this access away: {}.",
                words.blocked_by.unwrap_or("Staff"),
                words.blocked_reason.unwrap_or("no reason given"),
            ),
            Self::IntegrationBroken => {
                format!("The connection to {app} is broken. Paste a new token.")
            }
            Self::IntegrationDisconnected => format!("{app} is no longer connected."),
            Self::CatchingUp => format!("Portal is reading what changed while {app} was away."),
            Self::PropertyInSetup => "The property is not live yet.".to_owned(),
            Self::StateNotEligible => "The reservation is not confirmed yet.".to_owned(),
            Self::RoomUnassigned => "No room is assigned.".to_owned(),
            Self::RoomNotMapped => format!("Room {detail} is not mapped to a space."),
            Self::NoDeviceInRoom => format!("No lock is installed in {detail}."),
            Self::OutsideHorizon => format!("Access is made {horizon_days} days before arrival."),
            Self::AwaitingCheckIn => "Access is made at check-in.".to_owned(),
            Self::PinUnavailable => format!("No PIN suits all doors: {detail}."),
        }
    }
}

/// Judges every gate from the first to the PIN, whatever those before it say.
pub fn explain(facts: &Facts, words: &Words<'_>, now: DateTime<Utc>) -> Vec<Explained> {
    let read = match words.read_at {
        Some(at) => format!("last read without a gap at {}", (words.time)(at)),
        None => "not read without a gap yet".to_owned(),
    };
    let received = format!("Revision {} from {}; {read}.", words.revision, words.app);
    let mut gates = vec![Explained::new(Gate::Received, Verdict::Pass, received)];
    for gate in Gate::DECIDING {
        let outcome = judge(facts, gate, now);
        let evidence = evidence(facts, gate, &outcome, words, now);
        gates.push(match outcome {
            Outcome::Passed => Explained::new(gate, Verdict::Pass, evidence),
            Outcome::NotReached => Explained::new(gate, Verdict::NotReached, evidence),
            Outcome::Withheld(why) => withheld(facts, gate, &why, evidence, words),
        });
    }
    let open = gates.iter().all(|gate| gate.verdict == Verdict::Pass);
    gates.push(pin(facts, words, open));
    gates
}

fn withheld(
    facts: &Facts,
    gate: Gate,
    why: &Withhold,
    evidence: String,
    words: &Words<'_>,
) -> Explained {
    let verdict = if why.code.is_end() {
        Verdict::Ended
    } else {
        Verdict::Hold
    };
    let explained = Explained::new(gate, verdict, evidence);
    let nearest = facts.mapped().next().map(|space| Subject::Space(space.id));
    let room = facts.rooms.first().map(|room| Subject::Room(room.id));
    let mut explained = match why.code {
        WithheldCode::RevokedByStaff => {
            explained.fixed(DESK, Some("keychainReinstate"), Subject::Keychain)
        }
        WithheldCode::IntegrationBroken => {
            explained.fixed(MANAGERS, Some("integrationReconnect"), Subject::Integration)
        }
        WithheldCode::IntegrationDisconnected => {
            explained.fixed(MANAGERS, Some("integrationConnect"), Subject::Integration)
        }
        WithheldCode::CatchingUp => explained.fixed(&[], None, Subject::Integration),
        WithheldCode::PropertyInSetup => {
            explained.fixed(&[Fixer::Owner], Some("propertyGoLive"), Subject::Property)
        }
        WithheldCode::RoomNotMapped => explained.fixed(
            MANAGERS,
            Some("roomMap"),
            room.unwrap_or(Subject::Reservation),
        ),
        WithheldCode::NoDeviceInRoom => explained.fixed(
            INSTALLERS,
            Some("deviceInstall"),
            nearest.unwrap_or(Subject::Reservation),
        ),
        WithheldCode::OutsideHorizon => explained.fixed(&[], None, Subject::Reservation),
        _ => explained.fixed(PMS, None, Subject::Reservation),
    };
    if why.code == WithheldCode::OutsideHorizon {
        explained.clears_at = Some(facts.window().from - facts.policy.horizon());
    }
    let detail = why.detail.as_deref().unwrap_or_default();
    explained.message = Some(why.code.sentence(detail, facts.policy.horizon_days, words));
    explained.code = Some(why.code);
    explained
}

/// The facts a gate was judged by, for people.
fn evidence(
    facts: &Facts,
    gate: Gate,
    outcome: &Outcome,
    words: &Words<'_>,
    now: DateTime<Utc>,
) -> String {
    let time = words.time;
    let passed = *outcome == Outcome::Passed;
    let (app, raw) = (words.app, words.raw_state);
    match gate {
        Gate::NotCanceled | Gate::State => format!("{}; {app} says {raw}.", facts.state),
        Gate::NotOver => {
            let window = facts.window();
            let left = facts.checked_out_at.map_or_else(String::new, |at| {
                format!(" The guest left at {}.", time(at))
            });
            format!(
                "Access from {} to {}; looked at {}.{left}",
                time(window.from),
                time(window.until),
                time(now)
            )
        }
        Gate::NotRevoked if passed => "Nobody took it away.".to_owned(),
        Gate::NotRevoked => format!(
            "{}: {}.",
            words.blocked_by.unwrap_or("Staff"),
            words.blocked_reason.unwrap_or("no reason given")
        ),
        Gate::Integration => {
            let sync = match (facts.integration, facts.sync) {
                (IntegrationStatus::Connected, Some(sync)) => format!(", {sync}"),
                _ => String::new(),
            };
            let read = words.read_at.map_or_else(String::new, |at| {
                format!("; last read without a gap at {}", time(at))
            });
            format!("{app} is {}{sync}{read}.", facts.integration)
        }
        Gate::Live if facts.mode == PropertyMode::Live => "The property is live.".to_owned(),
        Gate::Live => "The property is being set up.".to_owned(),
        Gate::Room => match facts.rooms.first() {
            Some(room) => format!("Room {}.", room.name),
            None => format!("{app} assigned no room."),
        },
        Gate::Mapping => match (facts.rooms.first(), facts.mapped().next()) {
            (None, _) => "There is no room to look up.".to_owned(),
            (Some(room), Some(space)) => format!("{} → {}.", room.name, space.name),
            (Some(room), None) => {
                format!(
                    "{} leads to no space, nor does a room it is part of.",
                    room.name
                )
            }
        },
        Gate::Device => device(facts),
        Gate::Horizon => format!(
            "Made from {} on, {} days before arrival.",
            time(facts.window().from - facts.policy.horizon()),
            facts.policy.horizon_days
        ),
        Gate::CheckIn => match (facts.policy.issue_at, facts.in_house()) {
            (AccessIssueAt::Booking, _) => "Access is made at booking.".to_owned(),
            (AccessIssueAt::CheckIn, true) => "The guest has checked in.".to_owned(),
            (AccessIssueAt::CheckIn, false) => "The guest has not checked in.".to_owned(),
        },
        _ => String::new(),
    }
}

fn device(facts: &Facts) -> String {
    let mut spaces: Vec<&super::SpaceFacts> = Vec::new();
    for space in facts.mapped() {
        if spaces.iter().all(|known| known.id != space.id) {
            spaces.push(space);
        }
    }
    if spaces.is_empty() {
        return "There is no space to look into.".to_owned();
    }
    let spaces = spaces.iter().map(|space| match space.devices.len() {
        1 => format!("{}: 1 lock", space.name),
        n => format!("{}: {n} locks", space.name),
    });
    format!("{}.", spaces.collect::<Vec<_>>().join("; "))
}

fn pin(facts: &Facts, words: &Words<'_>, open: bool) -> Explained {
    if let Some(detail) = words.no_pin.filter(|_| open) {
        let evidence = format!("{detail}.");
        let mut explained = Explained::new(Gate::Pin, Verdict::Fail, evidence);
        let code = WithheldCode::PinUnavailable;
        explained.code = Some(code);
        explained.message = Some(code.sentence(detail, facts.policy.horizon_days, words));
        return explained.fixed(MANAGERS, Some("policyUpdate"), Subject::Property);
    }
    if words.has_pin {
        let evidence = "All doors take its PIN.".to_owned();
        return Explained::new(Gate::Pin, Verdict::Pass, evidence);
    }
    let evidence = "No PIN is chosen.".to_owned();
    Explained::new(Gate::Pin, Verdict::NotReached, evidence)
}

/// How far a keychain has come outside Portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its doors, the main one first.
    pub doors: Vec<DoorProgress>,
    /// The copy in the PMS.
    pub copy: CopyProgress,
    /// From when until when it opens.
    pub window: Window,
}

/// How far one door has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorProgress {
    /// Name of the space.
    pub space: String,
    /// How the PIN stands on each of its locks, and what went wrong last there.
    pub locks: Vec<(DevicePinStatus, Option<EffectError>)>,
}

/// How far the copy in the PMS has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyProgress {
    /// None is wanted: the policy or the PMS does not ask for one.
    NotWanted,
    /// How it stands.
    Wanted(PinPushStatus, Option<PinPushWait>),
}

/// Judges the gates behind a keychain. `None`: there is no keychain, and they are not reached.
pub fn progress(
    progress: Option<&Progress>,
    words: &Words<'_>,
    now: DateTime<Utc>,
) -> [Explained; 3] {
    let Some(progress) = progress else {
        return [Gate::Doors, Gate::PmsCopy, Gate::Window].map(|gate| {
            let evidence = "There is no keychain.".to_owned();
            Explained::new(gate, Verdict::NotReached, evidence)
        });
    };
    [
        doors(&progress.doors),
        copy(progress.copy, words),
        window(progress.window, words, now),
    ]
}

fn doors(doors: &[DoorProgress]) -> Explained {
    use DevicePinStatus as S;
    let mut evidence = Vec::new();
    let (mut waits, mut blocked) = (Vec::new(), Vec::new());
    for door in doors {
        for (status, error) in &door.locks {
            let error = error.map_or_else(String::new, |error| format!(" ({error})"));
            evidence.push(format!("{}: {status}{error}", door.space));
            match status {
                S::Set => {}
                S::Blocked => blocked.push(door.space.as_str()),
                S::Waiting | S::Sent | S::Removing | S::Residual | S::Removed => {
                    waits.push(door.space.as_str());
                }
            }
        }
        if door.locks.is_empty() {
            evidence.push(format!("{}: no lock yet", door.space));
            waits.push(&door.space);
        }
    }
    let evidence = format!("{}.", evidence.join("; "));
    let named = |names: &[&str]| names.join(", ");
    if !blocked.is_empty() {
        let mut explained = Explained::new(Gate::Doors, Verdict::Fail, evidence);
        let message = format!("The lock refused the PIN for good: {}.", named(&blocked));
        explained.message = Some(message);
        return explained.fixed(DESK, Some("pinRotate"), Subject::Keychain);
    }
    if !waits.is_empty() {
        let mut explained = Explained::new(Gate::Doors, Verdict::Hold, evidence);
        let message = format!("Not yet confirmed by the lock: {}.", named(&waits));
        explained.message = Some(message);
        explained.subject = Some(Subject::Keychain);
        return explained;
    }
    Explained::new(Gate::Doors, Verdict::Pass, evidence)
}

fn copy(copy: CopyProgress, words: &Words<'_>) -> Explained {
    let app = words.app;
    let (status, waits) = match copy {
        CopyProgress::NotWanted => {
            let evidence = format!("No copy is wanted in {app}.");
            return Explained::new(Gate::PmsCopy, Verdict::Pass, evidence);
        }
        CopyProgress::Wanted(status, waits) => (status, waits),
    };
    let waits = waits.map_or_else(String::new, |waits| format!(", waits for {waits}"));
    let evidence = format!("{app}: {status}{waits}.");
    let (verdict, message) = match status {
        PinPushStatus::Stored => (Verdict::Pass, None),
        PinPushStatus::Refused => {
            let message = format!("{app} declined to store the PIN.");
            (Verdict::Fail, Some(message))
        }
        PinPushStatus::Waiting | PinPushStatus::Removing | PinPushStatus::Removed => {
            let message = format!("{app} does not hold the PIN yet. The door opens without it.");
            (Verdict::Hold, Some(message))
        }
    };
    let mut explained = Explained::new(Gate::PmsCopy, verdict, evidence);
    explained.message = message;
    if verdict == Verdict::Fail {
        return explained.fixed(DESK, Some("pinPushRetry"), Subject::PinPush);
    }
    explained
}

fn window(window: Window, words: &Words<'_>, now: DateTime<Utc>) -> Explained {
    let (from, until) = ((words.time)(window.from), (words.time)(window.until));
    let evidence = format!("{from} to {until}.");
    if window.contains(now) {
        return Explained::new(Gate::Window, Verdict::Pass, evidence);
    }
    if now >= window.until {
        let mut explained = Explained::new(Gate::Window, Verdict::Ended, evidence);
        explained.message = Some(format!("It was valid until {until}."));
        return explained;
    }
    let mut explained = Explained::new(Gate::Window, Verdict::Hold, evidence);
    explained.message = Some(format!("It opens from {from} on."));
    explained.clears_at = Some(window.from);
    explained
}
