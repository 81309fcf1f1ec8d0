//! Stays that are about to begin.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::reservation::Reservation;
use crate::schema::reservations;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{PropertyId, ReservationState, ReservationTransfer, Window};

/// What is over before it begins, or has been through it, arrives no more.
macro_rules! arriving {
    ($property:expr, $days:expr) => {
        reservations::table
            .filter(reservations::property_id.eq($property))
            .filter(reservations::starts_at.ge(Timestamp($days.from)))
            .filter(reservations::starts_at.lt(Timestamp($days.until)))
            .filter(reservations::transfer.ne(ReservationTransfer::Ended))
            .filter(reservations::state.ne_all([
                ReservationState::Canceled,
                ReservationState::CheckedOut,
                ReservationState::NoShow,
            ]))
            .into_boxed()
    };
}

/// A page of the stays that begin within a time, by start.
pub async fn page(
    conn: &mut Conn,
    property: PropertyId,
    days: Window,
    page: &Page<Timestamp>,
) -> QueryResult<Vec<Reservation>> {
    on!(conn, c => {
        let query = arriving!(property, days).select(Reservation::as_select());
        paged!(query, reservations::starts_at, reservations::id, page).load(c).await
    })
}

/// How many stays begin within a time.
pub async fn count(conn: &mut Conn, property: PropertyId, days: Window) -> QueryResult<i64> {
    on!(conn, c => arriving!(property, days).select(count_star()).first(c).await)
}
