//! Why a reservation has access, or why not, and who can change that.

use super::id::Kind;
use super::property;
use super::reservation::{Reservation, Withheld};
use super::time::Instant;
use super::user_error::payload;
use super::viewer::{Node, node};
use super::{Reach, Result, id, load, read};
use crate::edge::{ApiError, ErrorCode};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Duration, Utc};
use portal_domain::access::{Assumption, Explained, Fixer, Gate, Subject, Verdict};
use portal_domain::{
    Permission, PropertyId, ReservationId, ReservationTransfer, RoomId, SpaceId, WithheldCode,
    local,
};
use portal_jobs::explain::{self, Counterfactual, Explanation, Found, Pretend, Unknown};
use portal_store::{pin_push, rate, reservation};

/// Longest confirmation number, in characters.
const LONGEST_NUMBER: usize = 64;

/// Facts that can be pretended.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssumedFact {
    /// The access was reinstated by staff.
    AccessReinstated,
    /// The guest has checked in.
    CheckedIn,
    /// The reservation is confirmed.
    Confirmed,
    /// A lock is installed: in the space given, else in the main room.
    DeviceInstalled,
    /// The integration is connected and has caught up.
    IntegrationConnected,
    /// It is another time.
    Now,
    /// The property is live.
    PropertyLive,
    /// A room is assigned: the one given, else some room that is mapped and has a lock.
    RoomAssigned,
    /// The assigned room is mapped: to the space given, else to some space with a lock.
    RoomMapped,
}

/// One fact to pretend.
#[derive(InputObject)]
pub struct AccessAssumption {
    /// The time it is assumed to be.
    at: Option<Instant>,
    /// Which fact.
    fact: AssumedFact,
    /// The room that is assumed to be assigned.
    room: Option<ID>,
    /// The space the room is assumed to be mapped to, or the lock to be installed in.
    space: Option<ID>,
}

impl AccessAssumption {
    fn read(&self, property: PropertyId) -> Result<Pretend> {
        let row = |kind, id: &Option<ID>| {
            let Some(id) = id else {
                return Ok(None);
            };
            let found = id::row_of(kind, id).filter(|row| row.property == property);
            let missing = || ApiError::bad_user_input("There is no such thing to assume.");
            found.map(|row| Some(row.row)).ok_or_else(missing)
        };
        Ok(match self.fact {
            AssumedFact::AccessReinstated => Pretend::Fact(Assumption::Reinstated),
            AssumedFact::CheckedIn => Pretend::Fact(Assumption::CheckedIn),
            AssumedFact::Confirmed => Pretend::Fact(Assumption::Confirmed),
            AssumedFact::DeviceInstalled => {
                let space = row(Kind::Space, &self.space)?.map(SpaceId);
                Pretend::Fact(Assumption::DeviceInstalled(space))
            }
            AssumedFact::IntegrationConnected => Pretend::Fact(Assumption::IntegrationConnected),
            AssumedFact::Now => {
                let missing = || ApiError::bad_user_input("Give the time with NOW.");
                Pretend::Fact(Assumption::Now(self.at.ok_or_else(missing)?.0))
            }
            AssumedFact::PropertyLive => Pretend::Fact(Assumption::PropertyLive),
            AssumedFact::RoomAssigned => match row(Kind::Room, &self.room)? {
                Some(room) => Pretend::Room(RoomId(room)),
                None => Pretend::Fact(Assumption::RoomAssigned(Vec::new())),
            },
            AssumedFact::RoomMapped => match row(Kind::Space, &self.space)? {
                Some(space) => Pretend::Space(SpaceId(space)),
                None => Pretend::Fact(Assumption::RoomMapped(None)),
            },
        })
    }
}

/// Why a reservation has access, or why not.
pub enum AccessExplanation {
    /// Of a reservation Portal knows.
    Known(Box<Explanation>),
    /// Of a number it does not know.
    Unknown {
        /// Where.
        property: PropertyId,
        /// The number.
        number: String,
        /// What the PMS says.
        told: Box<Unknown>,
        /// When it was asked.
        at: DateTime<Utc>,
        /// Writes an instant in the zone of the property.
        zone: chrono_tz::Tz,
    },
}

#[Object]
impl AccessExplanation {
    /// The moment it is about.
    async fn at(&self) -> Instant {
        match self {
            Self::Known(known) => Instant(known.at),
            Self::Unknown { at, .. } => Instant(*at),
        }
    }

    /// What would follow from other facts: of those asked for together, or of each gate on hold
    /// cleared alone.
    async fn counterfactuals(&self) -> Vec<AccessCounterfactual> {
        match self {
            Self::Known(known) => known.counterfactuals.iter().map(Into::into).collect(),
            Self::Unknown { .. } => Vec::new(),
        }
    }

    /// Whether a newer decision is about to be made.
    async fn deciding(&self) -> bool {
        match self {
            Self::Known(known) => !known.past && known.reservation.deciding(),
            Self::Unknown { .. } => false,
        }
    }

    /// Every gate in the order of the decision. What stands before a gate does not keep it from being
    /// judged.
    async fn gates(&self) -> Vec<AccessGate> {
        match self {
            Self::Known(known) => {
                let target = Target {
                    property: known.reservation.property_id,
                    integration: Some(known.reservation.integration_id),
                    reservation: Some(known.reservation.id),
                    keychain: known.keychain.as_ref().map(|keychain| keychain.id),
                };
                let gates = known.gates.iter();
                gates
                    .map(|(gate, since)| AccessGate {
                        gate: gate.clone(),
                        since: *since,
                        target,
                    })
                    .collect()
            }
            Self::Unknown {
                property,
                number,
                told,
                zone,
                ..
            } => vec![AccessGate {
                gate: not_received(number, told, *zone),
                since: None,
                target: Target {
                    property: *property,
                    integration: None,
                    reservation: None,
                    keychain: None,
                },
            }],
        }
    }

    /// The reason in short, the same as withheld of the reservation. Null when access is given.
    async fn headline(&self) -> Option<Withheld> {
        match self {
            Self::Known(known) => known.headline.as_ref().map(|headline| Withheld {
                code: headline.code,
                message: headline.message.clone(),
                since: headline.since.map(Instant),
            }),
            Self::Unknown { .. } => None,
        }
    }

    /// Confirmation number.
    async fn number(&self) -> &str {
        match self {
            Self::Known(known) => &known.reservation.number,
            Self::Unknown { number, .. } => number,
        }
    }

    /// The version of the policy it rests on. Null when Portal never received it.
    async fn policy_version(&self) -> Option<i32> {
        match self {
            Self::Known(known) => Some(known.policy_version),
            Self::Unknown { .. } => None,
        }
    }

    /// The reservation as it is now. Null when Portal never received it.
    async fn reservation(&self, ctx: &Context<'_>) -> Result<Option<Reservation>> {
        match self {
            Self::Known(known) => {
                let row = &known.reservation;
                ctx.require(Permission::StaysRead, row.property_id)?;
                Ok(Some(Reservation(row.clone())))
            }
            Self::Unknown { .. } => Ok(None),
        }
    }

    /// The revision of the reservation it rests on. Null when Portal never received it.
    async fn revision(&self) -> Option<i32> {
        match self {
            Self::Known(known) => Some(known.revision),
            Self::Unknown { .. } => None,
        }
    }

    /// Whether the decision was made by the rules of this version of Portal. Where not, the gates
    /// are judged by the present rules and may say otherwise.
    async fn same_rules(&self) -> bool {
        match self {
            Self::Known(known) => known.same_rules,
            Self::Unknown { .. } => true,
        }
    }

    /// Whether it has access, or had it. Null when Portal never received it.
    async fn transfer(&self) -> Option<ReservationTransfer> {
        match self {
            Self::Known(known) => Some(known.transfer),
            Self::Unknown { .. } => None,
        }
    }
}

/// The first gate of a number that Portal does not know.
fn not_received(number: &str, told: &Unknown, zone: chrono_tz::Tz) -> Explained {
    let time = |at: DateTime<Utc>| local::written(zone, at);
    let app = told
        .app
        .as_deref()
        .unwrap_or("The property management system");
    let read = match told.read_at {
        Some(at) => format!("{app} was last read without a gap at {}.", time(at)),
        None => format!("{app} was not read without a gap yet."),
    };
    let mut gate = Explained {
        gate: Gate::Received,
        verdict: Verdict::Hold,
        code: None,
        message: Some(format!("Portal has not received {number}. {read}")),
        evidence: String::new(),
        fix_by: &[],
        fix: None,
        subject: None,
        clears_at: None,
    };
    match &told.found {
        Found::There(stays) => {
            let stays = stays.iter().map(|stay| {
                format!(
                    "{} {} to {}",
                    stay.raw_state,
                    time(stay.starts_at),
                    time(stay.ends_at)
                )
            });
            let stays = stays.collect::<Vec<_>>().join("; ");
            gate.evidence = format!("{app} has it: {stays}.");
            gate.message = Some(format!(
                "{app} has {number}, and Portal has not read it yet."
            ));
            gate.fix = Some("reservationFetch");
            gate.fix_by = &[Fixer::Owner, Fixer::GeneralManager, Fixer::Team];
        }
        Found::NotThere => {
            gate.evidence = format!("{app} was asked now and knows no reservation {number}.");
            gate.message = Some(format!(
                "Portal has not received {number}, and {app} does not know it. Check the number."
            ));
            gate.fix_by = &[Fixer::PmsUser, Fixer::PmsSupport];
        }
        Found::NoAnswer => {
            gate.evidence = format!("{app} could not be asked now. {read}");
            gate.message = Some(format!(
                "Portal has not received {number}. {read} Ask the support of {app} why it was not sent."
            ));
            gate.fix_by = &[Fixer::PmsSupport];
        }
    }
    gate
}

/// What the objects to open are found by.
#[derive(Debug, Clone, Copy)]
struct Target {
    property: PropertyId,
    integration: Option<portal_domain::IntegrationId>,
    reservation: Option<ReservationId>,
    keychain: Option<portal_domain::KeychainId>,
}

/// One gate of the decision.
pub struct AccessGate {
    gate: Explained,
    since: Option<DateTime<Utc>>,
    target: Target,
}

#[Object]
impl AccessGate {
    /// When time alone clears it.
    async fn clears_at(&self) -> Option<Instant> {
        self.gate.clears_at.map(Instant)
    }

    /// The reason it withholds access.
    async fn code(&self) -> Option<WithheldCode> {
        self.gate.code
    }

    /// The facts it was judged by, for people.
    async fn evidence(&self) -> &str {
        &self.gate.evidence
    }

    /// Name of the mutation that clears it. Null when it is cleared elsewhere.
    async fn fix(&self) -> Option<&'static str> {
        self.gate.fix
    }

    /// Who can clear it. Empty when time does.
    async fn fix_by(&self) -> Vec<Fixer> {
        self.gate.fix_by.to_vec()
    }

    /// Which gate.
    async fn gate(&self) -> Gate {
        self.gate.gate
    }

    /// What is in the way, in one sentence for staff.
    async fn message(&self) -> Option<&str> {
        self.gate.message.as_deref()
    }

    /// Since when, as far as decisions on record tell.
    async fn since(&self) -> Option<Instant> {
        self.since.map(Instant)
    }

    /// The object to open in order to clear it. Null when it is not the caller's to see.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<Node>> {
        let target = self.target;
        let property = target.property;
        let id = match self.gate.subject {
            None => return Ok(None),
            Some(Subject::Property) => Some(id::global(Kind::Property, property)),
            Some(Subject::Integration) => target
                .integration
                .map(|row| id::row(Kind::Integration, property, row)),
            Some(Subject::Reservation) => target
                .reservation
                .map(|row| id::row(Kind::Reservation, property, row)),
            Some(Subject::Keychain) => match (target.keychain, target.reservation) {
                (Some(row), _) => Some(id::row(Kind::Keychain, property, row)),
                (None, Some(stay)) => {
                    let key = (property, super::loaders::KeychainOf(stay));
                    let row = load(ctx, key).await?;
                    row.map(|row| id::row(Kind::Keychain, property, row.id))
                }
                (None, None) => None,
            },
            Some(Subject::Room(room)) => Some(id::row(Kind::Room, property, room)),
            Some(Subject::Space(space)) => Some(id::row(Kind::Space, property, space)),
            Some(Subject::PinPush) => match target.reservation {
                Some(stay) => {
                    let mut conn = read(ctx).await?;
                    let rows = pin_push::of_reservations(&mut conn, property, &[stay]).await?;
                    rows.first()
                        .map(|row| id::row(Kind::PinPush, property, row.id))
                }
                None => None,
            },
        };
        match id {
            Some(id) => node(ctx, &id).await,
            None => Ok(None),
        }
    }

    /// How it was judged.
    async fn verdict(&self) -> Verdict {
        self.gate.verdict
    }
}

/// What would follow from other facts.
#[derive(SimpleObject)]
pub struct AccessCounterfactual {
    /// What was pretended, for people.
    assume: String,
    /// What would still be in the way.
    remaining: Vec<WithheldCode>,
    /// What would be decided.
    transfer: ReservationTransfer,
    /// Whether this alone would give access.
    unlocks: bool,
    /// How soon after the fact, in seconds. Null when it takes as long as reading takes.
    within_seconds: Option<i64>,
}

impl From<&Counterfactual> for AccessCounterfactual {
    fn from(from: &Counterfactual) -> Self {
        Self {
            assume: from.assume.clone(),
            remaining: from.outlook.remaining.clone(),
            transfer: from.outlook.transfer,
            unlocks: from.outlook.transfer == ReservationTransfer::Transferred,
            within_seconds: from.within.map(|within| within.num_seconds()),
        }
    }
}

/// Explains a reservation of a property the caller may read reservations of.
pub(crate) async fn of_row(
    ctx: &Context<'_>,
    row: reservation::Reservation,
    at: Option<Instant>,
    assume: Option<&[AccessAssumption]>,
) -> Result<Option<AccessExplanation>> {
    let pretend = assume.unwrap_or_default().iter();
    let pretend = pretend
        .map(|one| one.read(row.property_id))
        .collect::<Result<Vec<_>>>()?;
    let Some(house) = load(ctx, row.property_id).await? else {
        return Ok(None);
    };
    let mut conn = read(ctx).await?;
    let at = at.map(|at| at.0);
    let found = explain::explain(&mut conn, ctx.env()?, &house, row, at, &pretend).await?;
    Ok(found.map(|found| AccessExplanation::Known(Box::new(found))))
}

/// Explains a number: of the stay that starts last of those Portal knows, or by asking the PMS.
pub(crate) async fn of_number(
    ctx: &Context<'_>,
    property: &portal_store::property::Property,
    number: &str,
    at: Option<Instant>,
    assume: Option<&[AccessAssumption]>,
) -> Result<Option<AccessExplanation>> {
    let number = checked(number)?;
    let filter = reservation::Filter {
        number: Some(number.to_owned()),
        ..reservation::Filter::default()
    };
    let mut conn = read(ctx).await?;
    let rows = reservation::first(&mut conn, property.id, &filter, 100).await?;
    drop(conn);
    // The rooms of a group share a number: the one that has no access is the one asked about.
    let waits = rows
        .iter()
        .position(|row| row.transfer == ReservationTransfer::Withheld);
    let row = match waits {
        Some(waits) => rows.into_iter().nth(waits),
        None => rows.into_iter().last(),
    };
    if let Some(row) = row {
        return of_row(ctx, row, at, assume).await;
    }
    let env = ctx.env()?;
    if !may_ask(ctx, property.id).await? {
        return Err(ApiError::new(
            ErrorCode::Throttled,
            "Too many questions by number. Wait a minute.",
        ));
    }
    let told = explain::ask(env, property.id, number).await?;
    Ok(Some(AccessExplanation::Unknown {
        property: property.id,
        number: number.to_owned(),
        told: Box::new(told),
        at: env.now(),
        zone: local::zone(property.time_zone.as_deref()),
    }))
}

/// Asking the PMS costs of what it allows: twenty at once, then one every three seconds.
async fn may_ask(ctx: &Context<'_>, property: PropertyId) -> Result<bool> {
    let env = ctx.env()?;
    let mut tx = env.db.begin().await?;
    let key = format!("number:{property}");
    let may = rate::take(&mut tx, &key, env.now(), Duration::seconds(3), 20).await?;
    tx.commit().await?;
    Ok(may)
}

fn checked(number: &str) -> Result<&str> {
    let number = number.trim();
    let fits = !number.is_empty() && number.chars().count() <= LONGEST_NUMBER;
    if fits && !number.chars().any(char::is_control) {
        Ok(number)
    } else {
        Err(ApiError::bad_user_input("Give a confirmation number."))
    }
}

/// Reading explanations.
#[derive(Default)]
pub struct ExplainQuery;

#[Object]
impl ExplainQuery {
    /// Why a reservation has access, or why not and who can change that. Writes nothing. Null when
    /// there is no such reservation, or nothing was decided by the moment asked for; by number see
    /// Property.
    async fn explain_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Facts to pretend. Without any, each gate on hold is tried alone.")]
        assume: Option<Vec<AccessAssumption>>,
        #[graphql(desc = "A moment in the past, by the decision that held then.")] at: Option<
            Instant,
        >,
        #[graphql(desc = "Which reservation.")] reservation: ID,
    ) -> Result<Option<AccessExplanation>> {
        ctx.require_anywhere(Permission::ReservationsRead)?;
        let Some(target) = property::own_row(ctx, Kind::Reservation, &reservation)? else {
            return Ok(None);
        };
        ctx.require(Permission::ReservationsRead, target.property)?;
        let key = (target.property, ReservationId(target.row));
        match load(ctx, key).await? {
            Some(row) => of_row(ctx, row, at, assume.as_deref()).await,
            None => Ok(None),
        }
    }
}

/// Input of reservationFetch.
#[derive(InputObject)]
pub struct ReservationFetchInput {
    /// Confirmation number.
    number: String,
    /// Where.
    property: ID,
}

payload! {
    "reservationFetch", ReservationFetchPayload, ReservationFetchUserError, ReservationFetchErrorCode;
    /// The reservations with this number, as just read.
    reservations: Vec<Reservation>,
    ;
    /// The property management system did not answer, or cannot be asked by number.
    NoAnswer,
    /// The property management system knows no such number.
    NumberUnknown,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
    /// Too many tries within a minute.
    TooManyAttempts,
}

/// Mutations that follow from explanations.
#[derive(Default)]
pub struct ExplainMutation;

#[Object]
impl ExplainMutation {
    /// Reads a reservation that Portal missed from the property management system, by its number, and
    /// decides about it.
    async fn reservation_fetch(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ReservationFetchInput,
    ) -> Result<Option<ReservationFetchPayload>> {
        use ReservationFetchErrorCode as Code;
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let refused = |code, field, message: &str| {
            Ok(Some(ReservationFetchPayload::refused(
                code,
                Some(field),
                message,
            )))
        };
        let Some(property) = property::own(ctx, &input.property)? else {
            let message = "There is no such property.";
            return refused(Code::PropertyNotFound, "property", message);
        };
        ctx.require(Permission::KeychainsWrite, property)?;
        let number = checked(&input.number)?;
        if !may_ask(ctx, property).await? {
            let message = "Too many attempts. Wait a minute and try again.";
            return refused(Code::TooManyAttempts, "number", message);
        }
        match explain::fetch(ctx.env()?, property, number).await? {
            None => {
                let message =
                    "The property management system did not answer. Try again in a minute.";
                refused(Code::NoAnswer, "number", message)
            }
            Some(rows) if rows.is_empty() => {
                let message = "The property management system knows no such number.";
                refused(Code::NumberUnknown, "number", message)
            }
            Some(rows) => Ok(Some(ReservationFetchPayload {
                reservations: Some(rows.into_iter().map(Reservation).collect()),
                ..ReservationFetchPayload::default()
            })),
        }
    }
}
