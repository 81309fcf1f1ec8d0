//! Reservations, and why access is withheld.

use super::id::Kind;
use super::integration::Integration;
use super::keychain::Keychain;
use super::loaders::KeychainOf;
use super::page::Paging;
use super::property::Property;
use super::room::Room;
use super::time::{Instant, LocalDate};
use super::user_error::payload;
use super::viewer::Actor;
use super::{Reach, Result, id, load, property, read};
use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::Duration;
use portal_domain::access::Words;
use portal_domain::local;
use portal_domain::{
    ActorKind, IntegrationStatus, Permission, PropertyId, ReservationId, ReservationState,
    ReservationTransfer, RoomId, WithheldCode,
};
use portal_jobs::change::By;
use portal_jobs::erase_guests::{self, Refused};
use portal_store::reservation::{self, Filter};
use portal_store::{integration, keychain, rate};

/// One stay in one room, as the property management system last told it, and what Portal decided
/// about it.
pub struct Reservation(pub(crate) reservation::Reservation);

#[Object]
impl Reservation {
    /// When the guest checked out.
    async fn actual_end(&self) -> Option<Instant> {
        self.0.actual_end.map(Into::into)
    }

    /// When the guest checked in.
    async fn actual_start(&self) -> Option<Instant> {
        self.0.actual_start.map(Into::into)
    }

    /// The revocation by staff that still holds.
    async fn blocked(&self, ctx: &Context<'_>) -> Result<Option<ReservationBlock>> {
        ctx.require(Permission::ReservationsRead, self.0.property_id)?;
        let Some(at) = self.0.blocked_at else {
            return Ok(None);
        };
        Ok(Some(ReservationBlock {
            at: at.into(),
            by: Actor {
                kind: ActorKind::User,
                name: self.0.blocked_by.clone().unwrap_or_default(),
            },
            reason: self.0.blocked_reason.clone().unwrap_or_default(),
        }))
    }

    /// When access was last decided.
    async fn decided_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        ctx.require(Permission::ReservationsRead, self.0.property_id)?;
        Ok(self.0.decided_at.map(Into::into))
    }

    /// Whether it changed and the decision is still to come; that takes seconds.
    async fn deciding(&self) -> bool {
        self.0.deciding()
    }

    /// Scheduled end.
    async fn ends_at(&self) -> Instant {
        self.0.ends_at.into()
    }

    /// Its identifier in the property management system.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// Display name of the guest. Null, without an error, when the caller may not see names, none is
    /// known, or it is erased.
    async fn guest_name(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let may = ctx
            .viewer()?
            .may(Permission::GuestsRead, self.0.property_id);
        let name = self.0.guest_name.as_deref();
        Ok(name.filter(|_| may && !self.0.is_erased()))
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Reservation, self.0.property_id, self.0.id)
    }

    /// Whether the guest is in house.
    async fn in_house(&self) -> bool {
        self.0.in_house()
    }

    /// Where it was read.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        Integration::load(ctx, self.0.property_id, self.0.integration_id).await
    }

    /// The keychain that opens the guest's doors. Null while access is withheld, and once it has
    /// ended.
    async fn keychain(&self, ctx: &Context<'_>) -> Result<Option<Keychain>> {
        ctx.require(Permission::KeychainsRead, self.0.property_id)?;
        let key = (self.0.property_id, KeychainOf(self.0.id));
        let now = ctx.env()?.now();
        let found = load(ctx, key).await?;
        Ok(found
            .filter(|keychain| !keychain.status(now).is_over())
            .map(Keychain))
    }

    /// Every keychain it ever had, newest first.
    async fn keychains(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Keychain>>> {
        ctx.require(Permission::KeychainsRead, self.0.property_id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("keychains of reservation", true)?;
        let filter = keychain::Filter {
            reservation: Some(self.0.id),
            ..keychain::Filter::default()
        };
        let now = ctx.env()?.now();
        let mut conn = read(ctx).await?;
        let rows = keychain::page(&mut conn, self.0.property_id, &filter, now, &asked.page).await?;
        let key = |row: &keychain::Keychain| (row.starts_at, row.id.0);
        Ok(Some(asked.connection(rows, true, key, Keychain)))
    }

    /// Confirmation number staff know it by.
    async fn number(&self) -> &str {
        &self.0.number
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// Its state in the words of the property management system.
    async fn raw_state(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        ctx.require(Permission::ReservationsRead, self.0.property_id)?;
        Ok(Some(&self.0.raw_state))
    }

    /// When it last changed there.
    async fn remote_updated_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        ctx.require(Permission::ReservationsRead, self.0.property_id)?;
        Ok(self.0.remote_updated_at.map(Into::into))
    }

    /// Counts the changes Portal has seen.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// The room assigned to it.
    async fn room(&self, ctx: &Context<'_>) -> Result<Option<Room>> {
        match self.0.room_id {
            Some(room) => Room::load(ctx, self.0.property_id, room).await,
            None => Ok(None),
        }
    }

    /// Scheduled start.
    async fn starts_at(&self) -> Instant {
        self.0.starts_at.into()
    }

    /// State of the stay.
    async fn state(&self) -> ReservationState {
        self.0.state
    }

    /// Whether it has access.
    async fn transfer(&self) -> ReservationTransfer {
        self.0.transfer
    }

    /// When it was first given access.
    async fn transferred_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        ctx.require(Permission::ReservationsRead, self.0.property_id)?;
        Ok(self.0.transferred_at.map(Into::into))
    }

    /// Why it has no access. Null while it is transferred.
    async fn withheld(&self, ctx: &Context<'_>) -> Result<Option<Withheld>> {
        ctx.require(Permission::ReservationsRead, self.0.property_id)?;
        let Some(code) = self.0.withheld_code else {
            return Ok(None);
        };
        let link = load(ctx, (self.0.property_id, self.0.integration_id)).await?;
        let env = ctx.env()?;
        let app = link.map_or("The app".to_owned(), |link: integration::Integration| {
            env.apps.name(&link.app).to_owned()
        });
        let horizon = match code {
            WithheldCode::OutsideHorizon => load(ctx, self.0.property_id)
                .await?
                .map_or(365, |property| property.policy().horizon_days),
            _ => 0,
        };
        Ok(Some(Withheld {
            code,
            message: sentence(code, &self.0, &app, horizon),
            since: self.0.withheld_since.map(Into::into),
        }))
    }
}

impl Reservation {
    /// The reservation, if the caller may read stays there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        reservation: ReservationId,
    ) -> Result<Option<Reservation>> {
        ctx.require(Permission::StaysRead, property)?;
        Ok(load(ctx, (property, reservation)).await?.map(Reservation))
    }
}

/// The sentence staff read about a reason.
pub(crate) fn sentence(
    code: WithheldCode,
    row: &reservation::Reservation,
    app: &str,
    horizon_days: i32,
) -> String {
    let words = Words {
        app,
        read_at: None,
        raw_state: &row.raw_state,
        revision: row.revision,
        blocked_by: row.blocked_by.as_deref(),
        blocked_reason: row.blocked_reason.as_deref(),
        no_pin: None,
        has_pin: false,
        time: &|at| at.to_rfc3339(),
    };
    let detail = row.withheld_detail.as_deref().unwrap_or_default();
    code.sentence(detail, horizon_days, &words)
}

/// Why there is no access.
#[derive(SimpleObject)]
pub struct Withheld {
    /// The reason, for code.
    pub(crate) code: WithheldCode,
    /// The reason in one sentence for staff.
    pub(crate) message: String,
    /// Since when.
    pub(crate) since: Option<Instant>,
}

/// A revocation by staff, which holds until it is reinstated.
#[derive(SimpleObject)]
pub struct ReservationBlock {
    /// When.
    at: Instant,
    /// Who.
    by: Actor,
    /// Why.
    reason: String,
}

/// Narrows a list of reservations. Parts are combined with and.
#[derive(InputObject, Default)]
pub struct ReservationFilter {
    /// Only stays that touch this day or a later one.
    from: Option<LocalDate>,
    /// Only the stay with this confirmation number.
    number: Option<String>,
    /// Only stays in this room.
    room: Option<ID>,
    /// Only stays in one of these states.
    states: Option<Vec<ReservationState>>,
    /// Only stays that touch this day or an earlier one.
    to: Option<LocalDate>,
    /// Only those withheld for one of these reasons. Ask for the transfer state WITHHELD with it.
    withheld: Option<Vec<WithheldCode>>,
}

impl ReservationFilter {
    /// The filter as the store takes it: days begin and end in the property's zone.
    pub(crate) fn read(
        self,
        property: PropertyId,
        zone: chrono_tz::Tz,
        transfer: Vec<ReservationTransfer>,
    ) -> Filter {
        let room = self.room.map(|room| {
            id::row_of(Kind::Room, &room)
                .filter(|room| room.property == property)
                // A room that is not theirs has no reservations.
                .map_or(RoomId(uuid::Uuid::nil()), |room| RoomId(room.row))
        });
        Filter {
            transfer,
            from: self.from.map(|day| local::day_begins(zone, day.0)),
            to: self
                .to
                .and_then(|day| day.0.succ_opt())
                .map(|next| local::day_begins(zone, next)),
            number: self.number,
            room,
            states: self.states.unwrap_or_default(),
            withheld: self.withheld.unwrap_or_default(),
        }
    }
}

/// How many reservations are withheld for one reason.
#[derive(SimpleObject)]
pub struct WithheldCount {
    /// The reason.
    code: WithheldCode,
    /// How many.
    count: i64,
}

/// What a list of reservations tells beside its page.
pub struct ReservationTotals {
    pub(crate) property: PropertyId,
    pub(crate) filter: Filter,
}

#[Object]
impl ReservationTotals {
    /// How many reservations there are over all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let mut conn = read(ctx).await?;
        Ok(reservation::count(&mut conn, self.property, &self.filter).await?)
    }

    /// How many reservations of the same filter are withheld, by reason, whatever transfer states are
    /// listed.
    async fn withheld(&self, ctx: &Context<'_>) -> Result<Option<Vec<WithheldCount>>> {
        ctx.require(Permission::ReservationsRead, self.property)?;
        let mut conn = read(ctx).await?;
        let counts = reservation::count_withheld(&mut conn, self.property, &self.filter).await?;
        let counts = counts
            .into_iter()
            .map(|(code, count)| WithheldCount { code, count });
        Ok(Some(counts.collect()))
    }
}

/// Input of reservationRefresh.
#[derive(InputObject)]
pub struct ReservationRefreshInput {
    /// Reservation to read.
    reservation: ID,
}

payload! {
    "reservationRefresh", ReservationRefreshPayload, ReservationRefreshUserError, ReservationRefreshErrorCode;
    /// The reservation as just read.
    reservation: Reservation,
    ;
    /// The property management system did not answer in time; it will be read in the background.
    NoAnswer,
    /// The integration is not connected.
    NotConnected,
    /// There is no such reservation, or it is not the caller's to see.
    ReservationNotFound,
    /// Too many tries within a minute.
    TooManyAttempts,
}

/// Input of reservationErase.
#[derive(InputObject)]
pub struct ReservationEraseInput {
    /// Why, for the audit log.
    reason: String,
    /// Reservation whose guest to erase.
    reservation: ID,
}

payload! {
    "reservationErase", ReservationErasePayload, ReservationEraseUserError, ReservationEraseErrorCode;
    /// The reservation without its guest.
    reservation: Reservation,
    ;
    /// The stay is not over, or a lock still holds the PIN; the message says which.
    NotOver,
    /// The reason is empty.
    ReasonMissing,
    /// There is no such reservation, or it is not the caller's to see.
    ReservationNotFound,
}

/// Mutations of reservations.
#[derive(Default)]
pub struct ReservationMutation;

#[Object]
impl ReservationMutation {
    /// Erases the guest of a stay that is over, before the time: the name and the PIN. Nothing brings
    /// them back but a new stay under the same reservation.
    async fn reservation_erase(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ReservationEraseInput,
    ) -> Result<Option<ReservationErasePayload>> {
        use ReservationEraseErrorCode as Code;
        ctx.require_anywhere(Permission::Erase)?;
        let refused = |code, field, message: &str| {
            let field = Some(field);
            Ok(Some(ReservationErasePayload::refused(code, field, message)))
        };
        let no_reservation = || {
            let message = "There is no such reservation.";
            refused(Code::ReservationNotFound, "reservation", message)
        };
        let Some(target) = property::own_row(ctx, Kind::Reservation, &input.reservation)? else {
            return no_reservation();
        };
        ctx.require(Permission::Erase, target.property)?;
        let reason = input.reason.trim();
        if reason.is_empty() {
            return refused(Code::ReasonMissing, "reason", "Give a reason.");
        }
        let actor = ctx.viewer()?.actor();
        let by = By::of(&actor).because(Some(reason));
        let id = ReservationId(target.row);
        match erase_guests::erase_one(ctx.env()?, target.property, id, &by).await? {
            Ok(row) => Ok(Some(ReservationErasePayload {
                reservation: Some(Reservation(row)),
                ..ReservationErasePayload::default()
            })),
            Err(Refused::NotFound) => no_reservation(),
            Err(Refused::NotOver) => {
                let message = "The stay is not over. Erase its guest after it has ended.";
                refused(Code::NotOver, "reservation", message)
            }
            Err(Refused::OnLock) => {
                let message = "A lock has not confirmed that it forgot the PIN. Bring the lock back or remove it, then try again.";
                refused(Code::NotOver, "reservation", message)
            }
        }
    }

    /// Reads a reservation from the property management system now and decides about it again.
    async fn reservation_refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ReservationRefreshInput,
    ) -> Result<Option<ReservationRefreshPayload>> {
        use ReservationRefreshErrorCode as Code;
        ctx.require_anywhere(Permission::KeychainsWrite)?;
        let refused = |code, message: &str| {
            let field = Some("reservation");
            Ok(Some(ReservationRefreshPayload::refused(
                code, field, message,
            )))
        };
        let no_reservation = || refused(Code::ReservationNotFound, "There is no such reservation.");
        let Some(target) = property::own_row(ctx, Kind::Reservation, &input.reservation)? else {
            return no_reservation();
        };
        ctx.require(Permission::KeychainsWrite, target.property)?;
        let env = ctx.env()?;
        let (property, id) = (target.property, ReservationId(target.row));
        let mut conn = read(ctx).await?;
        let Some(row) = reservation::by_id(&mut conn, property, id).await? else {
            return no_reservation();
        };
        let link = integration::by_id(&mut conn, property, row.integration_id).await?;
        drop(conn);
        if link.is_none_or(|link| link.status != IntegrationStatus::Connected) {
            return refused(Code::NotConnected, "The integration is not connected.");
        }
        let mut tx = env.db.begin().await?;
        let key = format!("refresh:{property}");
        let may = rate::take(&mut tx, &key, env.now(), Duration::seconds(2), 30).await?;
        tx.commit().await?;
        if !may {
            let message = "Too many attempts. Wait a minute and try again.";
            return refused(Code::TooManyAttempts, message);
        }
        if !portal_jobs::refresh(env, property, id).await? {
            let message =
                "The property management system did not answer; it will be read in the background.";
            return refused(Code::NoAnswer, message);
        }
        let mut conn = read(ctx).await?;
        let row = reservation::by_id(&mut conn, property, id).await?;
        Ok(Some(ReservationRefreshPayload {
            reservation: row.map(Reservation),
            ..ReservationRefreshPayload::default()
        }))
    }
}
