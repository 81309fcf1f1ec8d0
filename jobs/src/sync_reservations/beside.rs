//! Stays next to those that changed: of the same guest, right before or after.

use portal_domain::access::BREAK;
use portal_domain::{IntegrationId, PropertyId, ReservationId, ReservationTransfer, Window};
use portal_store::reservation::{self, Reservation};
use portal_store::{DbError, Tx};
use std::collections::BTreeSet;

/// Guests of stays that changed, and the time around those stays.
#[derive(Default)]
pub(super) struct Beside {
    guests: BTreeSet<String>,
    around: Option<Window>,
}

impl Beside {
    pub(super) fn note(&mut self, row: Option<&Reservation>) {
        let Some((row, guest)) = row.and_then(|row| Some((row, row.guest_key.clone()?))) else {
            return;
        };
        self.guests.insert(guest);
        let window = Window {
            from: *row.starts_at - BREAK,
            until: *row.ends_at + BREAK,
        };
        self.around = Some(self.around.map_or(window, |around| around.union(window)));
    }

    /// Their stays in that time.
    pub(super) async fn find(
        self,
        tx: &mut Tx,
        property: PropertyId,
        link: IntegrationId,
    ) -> Result<Vec<ReservationId>, DbError> {
        let Some(around) = self.around else {
            return Ok(Vec::new());
        };
        let guests: Vec<String> = self.guests.into_iter().collect();
        let stays = reservation::of_guests(tx, property, link, &guests, around).await?;
        let open = stays
            .iter()
            .filter(|stay| stay.transfer != ReservationTransfer::Ended);
        Ok(open.map(|stay| stay.id).collect())
    }
}
