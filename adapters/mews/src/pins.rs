//! PINs on reservations. Mews adds a second entry when asked twice, so every write reads first.

use crate::call::unsaid;
use crate::wire::{
    self, ActivityState, AddTokens, AskTokens, DeleteTokens, LIST_LIMIT, NewToken, Permissions,
    Token, TokenUpdate, UpdateTokens, seconds_from, seconds_until,
};
use crate::{CALL, Mews};
use async_trait::async_trait;
use portal_interface::{
    Account, AdapterError, ExposeSecret, PinCopy, PinStore, StayPin, StayPins, Stored, VendorId,
};
use std::collections::BTreeMap;

#[async_trait]
impl PinStore for Mews {
    async fn put(&self, account: &Account, want: &StayPins) -> Result<Stored, AdapterError> {
        let reservation = std::slice::from_ref(&want.reservation);
        let mut ours = self.tokens(account, reservation).await?;
        ours.retain(|token| is_ours(token, want));
        let Some(pin) = &want.pin else {
            let wrote = self.delete(account, &ours).await?;
            return Ok(Stored { id: None, wrote });
        };
        if let Some(index) = ours.iter().position(|token| is_right(token, want, pin)) {
            let right = ours.swap_remove(index);
            let wrote = self.delete(account, &ours).await?;
            let id = Some(right.id);
            return Ok(Stored { id, wrote });
        }
        let near = ours.iter().position(|token| can_become(token, want, pin));
        let near = near.map(|index| ours.swap_remove(index));
        // Removals first: whatever happens next, no entry that is wrong stays behind.
        self.delete(account, &ours).await?;
        let id = if let Some(near) = near {
            self.update(account, &near.id, pin).await?;
            near.id
        } else {
            self.add(account, want, pin).await?
        };
        let id = Some(id);
        Ok(Stored { id, wrote: true })
    }

    async fn check(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<PinCopy>, AdapterError> {
        let ids: Vec<VendorId> = want.iter().map(|want| want.reservation.clone()).collect();
        let mut of_stay: BTreeMap<VendorId, Vec<Token>> = BTreeMap::new();
        for token in self.tokens(account, &ids).await? {
            if let Some(stay) = token.reservation.clone() {
                of_stay.entry(stay).or_default().push(token);
            }
        }
        let compare = |want: &StayPins| {
            let tokens = of_stay.get(&want.reservation).into_iter().flatten();
            let ours: Vec<&Token> = tokens.filter(|token| is_ours(token, want)).collect();
            match (&want.pin, ours.as_slice()) {
                (None, []) => PinCopy::Match,
                (Some(_), []) => PinCopy::Missing,
                (Some(pin), [token]) if is_right(token, want, pin) => PinCopy::Match,
                _ => PinCopy::Differs,
            }
        };
        Ok(want.iter().map(compare).collect())
    }
}

impl Mews {
    /// The PINs in force on these reservations, each once.
    async fn tokens(
        &self,
        account: &Account,
        reservations: &[VendorId],
    ) -> Result<Vec<Token>, AdapterError> {
        let mut tokens = BTreeMap::new();
        for ids in reservations.chunks(LIST_LIMIT) {
            let ask = AskTokens {
                service_order_ids: Some(ids),
                colliding_utc: None,
                activity_states: &[ActivityState::Active],
            };
            let values = self.all(account, &ask).await?;
            for item in wire::items("ResourceAccessTokens", &values) {
                let token = Token::read(&item)?;
                if token.is_live_pin {
                    tokens.insert(token.id.clone(), token);
                }
            }
        }
        Ok(tokens.into_values().collect())
    }

    async fn add(
        &self,
        account: &Account,
        want: &StayPins,
        pin: &StayPin,
    ) -> Result<VendorId, AdapterError> {
        let ask = AddTokens {
            resource_access_token_parameters: [NewToken {
                service_order_id: &want.reservation,
                resource_id: &pin.room,
                r#type: "PinCode",
                value: &pin.pin,
                serial_number: &want.mark,
                validity_start_utc: seconds_from(pin.from),
                validity_end_utc: seconds_until(pin.until),
                permissions: permissions(pin),
            }],
        };
        let asked = self.ask(account, &ask, CALL).await;
        let body = asked.map_err(|error| without(pin, error))?;
        Ok(wire::only_item(&body, "ResourceAccessTokens")?.id("Id")?)
    }

    async fn update(
        &self,
        account: &Account,
        id: &VendorId,
        pin: &StayPin,
    ) -> Result<(), AdapterError> {
        let ask = UpdateTokens {
            resource_access_token_updates: [TokenUpdate {
                resource_access_token_id: id,
                value: &pin.pin,
                validity_start_utc: seconds_from(pin.from),
                validity_end_utc: seconds_until(pin.until),
                permissions: permissions(pin),
            }],
        };
        let asked = self.ask(account, &ask, CALL).await;
        asked.map(drop).map_err(|error| without(pin, error))
    }

    /// Deletes entries; answers whether there were any.
    async fn delete(&self, account: &Account, tokens: &[Token]) -> Result<bool, AdapterError> {
        let ids: Vec<VendorId> = tokens.iter().map(|token| token.id.clone()).collect();
        for ids in ids.chunks(LIST_LIMIT) {
            self.ask(account, &DeleteTokens { ids }, CALL).await?;
        }
        Ok(!ids.is_empty())
    }
}

/// The error without words of Mews's that repeat the PIN.
fn without(pin: &StayPin, error: AdapterError) -> AdapterError {
    let digits = pin.pin.expose_secret();
    let says =
        matches!(&error, AdapterError::Declined { said: Some(said) } if said.contains(digits));
    unsaid(error, says)
}

fn is_ours(token: &Token, want: &StayPins) -> bool {
    token.serial.as_deref() == Some(&want.mark) || want.known.as_ref() == Some(&token.id)
}

/// Whether an update can make it right: what an update cannot change is right already.
fn can_become(token: &Token, want: &StayPins, pin: &StayPin) -> bool {
    token.serial.as_deref() == Some(&want.mark) && token.resource.as_ref() == Some(&pin.room)
}

fn is_right(token: &Token, want: &StayPins, pin: &StayPin) -> bool {
    let value = token.value.as_ref().map(ExposeSecret::expose_secret);
    can_become(token, want, pin)
        && value == Some(pin.pin.expose_secret())
        && token.from == Some(seconds_from(pin.from))
        && token.until == Some(seconds_until(pin.until))
        && token.permissions == Some(permissions(pin))
}

/// Mews only notes them. Who sleeps in a dorm must pass the room's door as well.
fn permissions(pin: &StayPin) -> Permissions {
    Permissions {
        bed: pin.bed,
        room: true,
        floor: pin.common_doors,
        building: pin.common_doors,
    }
}
