//! PINs on reservations. Mews adds a second entry when asked twice, so every write reads first.

use crate::call::unsaid;
use crate::wire::{
    self, ActivityState, AddTokens, AskTokens, DeleteTokens, LIST_LIMIT, NewToken, Permissions,
    Token, TokenUpdate, UpdateTokens, seconds_from, seconds_until,
};
use crate::{CALL, Mews};
use async_trait::async_trait;
use portal_interface::{
    Account, AdapterError, ExposeSecret, PinCopy, PinStore, SecretString, StayPin, StayPins,
    Stored, VendorId,
};
use std::collections::BTreeMap;

#[async_trait]
impl PinStore for Mews {
    async fn put(&self, account: &Account, want: &StayPins) -> Result<Stored, AdapterError> {
        let mut stored = self.store(account, std::slice::from_ref(want)).await?;
        // One was asked for, and one is answered.
        stored.pop().unwrap_or(Err(AdapterError::TooHeavy))
    }

    async fn put_all(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<Result<Stored, AdapterError>>, AdapterError> {
        let mut stored = match self.store(account, want).await {
            Err(declined @ AdapterError::Declined { .. }) => vec![Err(declined); want.len()],
            stored => stored?,
        };
        if want.len() > 1 {
            for (want, stored) in want.iter().zip(&mut stored) {
                if matches!(stored, Err(AdapterError::Declined { .. })) {
                    // One of them was declined, and nobody says which, nor what became of the
                    // others: each is read again and written by itself.
                    *stored = self.put(account, want).await;
                }
            }
        }
        Ok(stored)
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
            let read = wire::entries::<AskTokens<'_>>(&values).whole()?;
            let live = read.into_iter().filter(|token| token.is_live_pin);
            tokens.extend(live.map(|token| (token.id.clone(), token)));
        }
        Ok(tokens.into_values().collect())
    }

    /// Reads what is there, takes out what is wrong, and writes what is missing: one request each
    /// for up to a thousand reservations.
    async fn store(
        &self,
        account: &Account,
        want: &[StayPins],
    ) -> Result<Vec<Result<Stored, AdapterError>>, AdapterError> {
        let ids: Vec<VendorId> = want.iter().map(|want| want.reservation.clone()).collect();
        let mut of_stay: BTreeMap<VendorId, Vec<Token>> = BTreeMap::new();
        for token in self.tokens(account, &ids).await? {
            if let Some(stay) = token.reservation.clone() {
                of_stay.entry(stay).or_default().push(token);
            }
        }
        let mut wrong = Vec::new();
        let plans: Vec<Plan<'_>> = want
            .iter()
            .map(|want| {
                let held = of_stay.remove(&want.reservation).unwrap_or_default();
                Plan::of(want, held, &mut wrong)
            })
            .collect();
        // Removals first: whatever happens next, no entry that is wrong stays behind.
        self.delete(account, &wrong).await?;
        let added = self.add(account, &plans).await;
        let updated = self.update(account, &plans).await;
        let stored = plans.iter().map(|plan| {
            let id = match &plan.step {
                Step::None(id) => id.clone(),
                Step::Update(id, _) => {
                    updated.clone()?;
                    Some(id.clone())
                }
                Step::Add(_) => {
                    let added = added.as_ref().map_err(Clone::clone)?;
                    let id = added.get(&plan.want.reservation);
                    Some(id.cloned().ok_or_else(|| AdapterError::Unreadable {
                        at: "ResourceAccessTokens".to_owned(),
                    })?)
                }
            };
            let wrote = plan.removes || !matches!(plan.step, Step::None(_));
            Ok(Stored { id, wrote })
        });
        Ok(stored.collect())
    }

    /// Adds entries; answers the identifier of each by its reservation.
    async fn add(
        &self,
        account: &Account,
        plans: &[Plan<'_>],
    ) -> Result<BTreeMap<VendorId, VendorId>, AdapterError> {
        let new: Vec<NewToken<'_>> = plans
            .iter()
            .filter_map(|plan| match plan.step {
                Step::Add(pin) => Some((plan.want, pin)),
                _ => None,
            })
            .map(|(want, pin)| NewToken {
                service_order_id: &want.reservation,
                resource_id: &pin.room,
                r#type: "PinCode",
                value: &pin.pin,
                serial_number: &want.mark,
                validity_start_utc: seconds_from(pin.from),
                validity_end_utc: seconds_until(pin.until),
                permissions: permissions(pin),
            })
            .collect();
        let mut added = BTreeMap::new();
        for new in new.chunks(LIST_LIMIT) {
            let ask = AddTokens {
                resource_access_token_parameters: new,
            };
            let answer = self.ask(account, &ask, CALL).await;
            let pins = || new.iter().map(|new| new.value);
            let body = answer.map_err(|error| without(pins(), error))?;
            let entries = wire::added(&body.unwrap_or_default())?;
            match (new, entries.as_slice()) {
                // Of a single one it is clear whose it is.
                ([new], [entry]) => {
                    added.insert(new.service_order_id.clone(), entry.id.clone());
                }
                _ => added.extend(
                    entries
                        .into_iter()
                        .filter_map(|entry| Some((entry.reservation?, entry.id))),
                ),
            }
        }
        Ok(added)
    }

    async fn update(&self, account: &Account, plans: &[Plan<'_>]) -> Result<(), AdapterError> {
        let updates: Vec<TokenUpdate<'_>> = plans
            .iter()
            .filter_map(|plan| match &plan.step {
                Step::Update(id, pin) => Some((id, *pin)),
                _ => None,
            })
            .map(|(id, pin)| TokenUpdate {
                resource_access_token_id: id,
                value: &pin.pin,
                validity_start_utc: seconds_from(pin.from),
                validity_end_utc: seconds_until(pin.until),
                permissions: permissions(pin),
            })
            .collect();
        for updates in updates.chunks(LIST_LIMIT) {
            let ask = UpdateTokens {
                resource_access_token_updates: updates,
            };
            let pins = || updates.iter().map(|update| update.value);
            let answer = self.ask(account, &ask, CALL).await;
            answer.map_err(|error| without(pins(), error))?;
        }
        Ok(())
    }

    async fn delete(&self, account: &Account, tokens: &[Token]) -> Result<(), AdapterError> {
        let ids: Vec<VendorId> = tokens.iter().map(|token| token.id.clone()).collect();
        for ids in ids.chunks(LIST_LIMIT) {
            self.ask(account, &DeleteTokens { ids }, CALL).await?;
        }
        Ok(())
    }
}

/// What has to be written for one reservation.
struct Plan<'a> {
    want: &'a StayPins,
    /// Whether entries of ours are taken out.
    removes: bool,
    step: Step<'a>,
}

enum Step<'a> {
    /// Nothing: it is right, or gone.
    None(Option<VendorId>),
    Update(VendorId, &'a StayPin),
    Add(&'a StayPin),
}

impl<'a> Plan<'a> {
    /// Compares what is held with what is wanted; what has to go joins `wrong`.
    fn of(want: &'a StayPins, held: Vec<Token>, wrong: &mut Vec<Token>) -> Self {
        let mut ours: Vec<Token> = held
            .into_iter()
            .filter(|token| is_ours(token, want))
            .collect();
        let step = match &want.pin {
            None => Step::None(None),
            Some(pin) => {
                let right = ours.iter().position(|token| is_right(token, want, pin));
                let near = || ours.iter().position(|token| can_become(token, want, pin));
                match (right, right.or_else(near)) {
                    (Some(index), _) => Step::None(Some(ours.swap_remove(index).id)),
                    (None, Some(index)) => Step::Update(ours.swap_remove(index).id, pin),
                    (None, None) => Step::Add(pin),
                }
            }
        };
        let removes = !ours.is_empty();
        wrong.extend(ours);
        Self {
            want,
            removes,
            step,
        }
    }
}

/// The error without words of Mews's that repeat a PIN.
fn without<'a>(
    mut pins: impl Iterator<Item = &'a SecretString>,
    error: AdapterError,
) -> AdapterError {
    let AdapterError::Declined { said: Some(said) } = &error else {
        return error;
    };
    let says = pins.any(|pin| said.contains(pin.expose_secret()));
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
