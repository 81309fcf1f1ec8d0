//! What a person should look at.

use super::id::Kind;
use super::property::Property;
use super::time::Instant;
use super::{Result, id};
use async_graphql::{Context, ID, Object};
use portal_store::problem;

/// Something a person should look at.
pub struct Problem(pub(crate) problem::Problem);

#[Object]
impl Problem {
    /// How often it was seen.
    async fn count(&self) -> i32 {
        self.0.count
    }

    /// Whether a guest may be locked out, or someone let in.
    async fn critical(&self) -> bool {
        self.0.critical
    }

    /// When it was first seen.
    async fn first_seen(&self) -> Instant {
        self.0.first_seen.into()
    }

    /// Name of the mutation that clears it.
    async fn fix(&self) -> Option<&str> {
        match self.0.key.as_str() {
            "integration.broken" => Some("integrationReconnect"),
            "stay.access_kept" => Some("roomMap"),
            _ => None,
        }
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Problem, self.0.property_id, self.0.id)
    }

    /// What it is, for example reservation.unreadable. The list is open; show the message.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// When it was last seen.
    async fn last_seen(&self) -> Instant {
        self.0.last_seen.into()
    }

    /// What it is, in one sentence for staff.
    async fn message(&self) -> String {
        sentence(&self.0.key, &self.0.detail)
    }

    /// Where it is.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// When it went away.
    async fn resolved_at(&self) -> Option<Instant> {
        self.0.resolved_at.map(Into::into)
    }
}

fn sentence(key: &str, detail: &str) -> String {
    match key {
        "reservation.unreadable" => format!(
            "A reservation could not be read at {detail} and was set aside. Ask the PMS's support."
        ),
        "integration.broken" => {
            format!("{detail} no longer accepts the token. Get a new one and paste it.")
        }
        "integration.may_not_store_pins" => {
            format!(
                "{detail} does not let Portal store PINs. Ask your {detail} admin for that right."
            )
        }
        "integration.half_gone" => format!(
            "More than half of the expected stays are missing in the PMS ({detail}). Nothing was canceled."
        ),
        "room.gone" => format!("Room {detail} is mapped and no longer in the PMS."),
        "device_pin.blocked" => format!("A lock refused a PIN for good: {detail}."),
        "pin_push.refused" if detail.is_empty() => "The PMS declined a PIN.".to_owned(),
        "pin_push.refused" => format!("The PMS declined a PIN: {detail}"),
        "stay.access_kept" => {
            format!("A guest in the house keeps access that would not be given now: {detail}.")
        }
        _ => detail.to_owned(),
    }
}
