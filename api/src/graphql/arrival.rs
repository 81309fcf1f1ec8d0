//! The arrivals board: whether the door will open for who comes today, and what to do if not.

mod board;

use super::device::Device;
use super::keychain::Keychain;
use super::page::Paging;
use super::reservation::{self, Reservation};
use super::space::Space;
use super::time::{Instant, LocalDate};
use super::{Reach, Result, read};
use crate::edge::ApiError;
use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Object};
pub(crate) use board::grouped;
use board::{House, Line};
use chrono::{DateTime, Utc};
use portal_domain::arrival::{ArrivalReasonCode, ArrivalVerdict, Reason};
use portal_domain::{Permission, PropertyId, Window, local};
use portal_store::property::Property;
use portal_store::{arrival, device, space};

/// One line of the arrivals board.
pub struct ExpectedArrival {
    line: Line,
    because: Vec<ArrivalReason>,
}

#[Object]
impl ExpectedArrival {
    /// Last moment at which acting still helps. Null when nobody needs to act.
    async fn act_by(&self) -> Option<Instant> {
        self.line.outlook.act_by.map(Instant)
    }

    /// When the guest may come in.
    async fn arrival(&self) -> Instant {
        Instant(self.line.starts_at)
    }

    /// What stands in the way, the worst first. Empty when the door will open.
    async fn because(&self) -> &[ArrivalReason] {
        &self.because
    }

    /// Whether the guest is in house.
    async fn in_house(&self) -> bool {
        self.line.reservation.in_house()
    }

    /// The keychain that opens the guest's doors. Null while there is none.
    async fn keychain(&self, ctx: &Context<'_>) -> Result<Option<Keychain>> {
        ctx.require(Permission::KeychainsRead, self.line.reservation.property_id)?;
        Ok(self.line.keychain.clone().map(Keychain))
    }

    /// Confirmation number.
    async fn number(&self) -> &str {
        &self.line.reservation.number
    }

    /// The reservation.
    async fn reservation(&self) -> Reservation {
        Reservation(self.line.reservation.clone())
    }

    /// Whether the door will open.
    async fn verdict(&self) -> ArrivalVerdict {
        self.line.outlook.verdict
    }
}

/// One thing that stands between an arriving guest and an open door.
pub struct ArrivalReason {
    reason: Reason,
    message: String,
    property: PropertyId,
    device: Option<device::Device>,
    space: Option<space::Space>,
}

#[Object]
impl ArrivalReason {
    /// Last moment at which putting this right still helps. Null when it goes by itself.
    async fn act_by(&self) -> Option<Instant> {
        self.reason.act_by.map(Instant)
    }

    /// What it is, for code.
    async fn code(&self) -> ArrivalReasonCode {
        self.reason.code
    }

    /// The lock it is about. Null when it is about none, or about all.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        ctx.require(Permission::DevicesRead, self.property)?;
        Ok(self.device.clone().map(Device))
    }

    /// What it is, in one sentence for staff.
    async fn message(&self) -> &str {
        &self.message
    }

    /// The space of the lock.
    async fn space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        ctx.require(Permission::RoomsRead, self.property)?;
        Ok(self.space.clone().map(Space))
    }
}

/// What the arrivals board tells beside its page.
pub struct ArrivalTotals {
    property: PropertyId,
    days: Window,
}

#[Object]
impl ArrivalTotals {
    /// How many arrivals there are over all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let mut conn = read(ctx).await?;
        Ok(arrival::count(&mut conn, self.property, self.days).await?)
    }
}

/// A page of the arrivals board.
pub(crate) type Arrivals = Connection<String, ExpectedArrival, ArrivalTotals, EmptyFields>;

/// From the first instant of one day to the last of another, both included. Today where none is given.
pub(crate) fn days(
    zone: chrono_tz::Tz,
    from: Option<LocalDate>,
    to: Option<LocalDate>,
    more: i64,
    now: DateTime<Utc>,
) -> Result<Window> {
    let first = from.map_or(now.with_timezone(&zone).date_naive(), |day| day.0);
    let further = || first.checked_add_signed(chrono::Duration::days(more));
    let last = to.map(|day| day.0).or_else(further);
    let Some(last) = last.filter(|last| *last >= first) else {
        return Err(ApiError::bad_user_input("to: expected from or a later day"));
    };
    let Some(next) = last.succ_opt() else {
        return Err(ApiError::bad_user_input(
            "from, to: expected days of a calendar",
        ));
    };
    Ok(Window {
        from: local::day_begins(zone, first),
        until: local::day_begins(zone, next),
    })
}

/// Reads a page of the arrivals board.
pub(crate) async fn arrivals(
    ctx: &Context<'_>,
    property: &Property,
    from: Option<LocalDate>,
    to: Option<LocalDate>,
    paging: Paging,
) -> Result<Arrivals> {
    ctx.require(Permission::ReservationsRead, property.id)?;
    let (env, zone) = (ctx.env()?, local::zone(property.time_zone.as_deref()));
    let now = env.now();
    let days = days(zone, from, to, 0, now)?;
    let asked = paging.read("arrivals", false)?;
    let mut conn = read(ctx).await?;
    let stays = arrival::page(&mut conn, property.id, days, &asked.page).await?;
    let (house, lines) = board::judge(&mut conn, property, stays, now).await?;
    drop(conn);
    let totals = ArrivalTotals {
        property: property.id,
        days,
    };
    let key = |line: &Line| (line.reservation.starts_at, line.reservation.id.0);
    let node = |line: Line| {
        let link = house.link(line.reservation.integration_id);
        let app = link.map_or("The app", |link| env.apps.name(&link.app));
        let told = |reason: &Reason| explain(&house, &line, *reason, app, zone);
        ExpectedArrival {
            because: line.outlook.because.iter().map(told).collect(),
            line,
        }
    };
    Ok(asked.with_fields(lines, false, key, node, totals))
}

fn explain(
    house: &House,
    line: &Line,
    reason: Reason,
    app: &str,
    zone: chrono_tz::Tz,
) -> ArrivalReason {
    let device = reason.device.and_then(|id| house.device(id));
    let space = device.and_then(|device| house.space_of(device));
    let place = match (device, space) {
        (Some(device), Some(space)) => format!("{} in {}", device.name, space.name),
        (Some(device), None) => device.name.clone(),
        (None, _) => String::new(),
    };
    ArrivalReason {
        message: sentence(line, reason, &place, app, zone),
        reason,
        property: line.reservation.property_id,
        device: device.cloned(),
        space: space.cloned(),
    }
}

/// The sentence staff read about what stands in the way.
fn sentence(line: &Line, reason: Reason, place: &str, app: &str, zone: chrono_tz::Tz) -> String {
    use ArrivalReasonCode as Code;
    let withheld = line.reservation.withheld_code;
    match (reason.code, withheld) {
        (Code::Deciding, _) => "It changed; access is decided about within a minute.".to_owned(),
        (Code::NoLockIntegration, _) => {
            "No lock system is connected, so no door has a lock to open.".to_owned()
        }
        (Code::PinBlocked, _) => {
            format!("{place} has refused the PIN for good. A person has to act.")
        }
        (Code::LocksDisconnected, _) => {
            format!("{place} cannot be told anything: the connection to its lock system is down.")
        }
        (Code::DeviceOffline, _) => format!("{place} cannot be reached."),
        (Code::DeviceUnknown, _) => format!("Nobody knows whether {place} can be reached."),
        (Code::DeviceFull, _) => match reason.slot_at {
            Some(at) => format!(
                "{place} holds as many codes as fit. The next slot is free on {}.",
                at.with_timezone(&zone).format("%-d %B at %H:%M")
            ),
            None => format!("{place} holds as many codes as fit."),
        },
        (Code::PinNotTaken, _) => {
            format!("{place} has not taken the PIN yet; it is tried again.")
        }
        (Code::PinUnconfirmed, _) => {
            format!("{place} has accepted the PIN and not confirmed it yet.")
        }
        (Code::PinPending, _) => format!("The PIN is on its way to {place}."),
        // The others are why access is withheld, in the same words as on the reservation.
        (_, Some(code)) => reservation::sentence(code, &line.reservation, app, 0),
        (_, None) => "No lock is left behind the doors of this stay.".to_owned(),
    }
}
