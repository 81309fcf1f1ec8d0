//! The operations our application may call. Bodies were checked against the contract before.

use super::answer;
use super::model::{AccessToken, Permissions, Row, StoredPin};
use super::state::{State, new_id};
use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};

/// A refusal: the status and the words that go with it.
pub(super) struct Problem(pub(super) u16, pub(super) &'static str);

impl Problem {
    pub(super) const TOKEN: Self = Self(401, "The client token or the access token is not valid.");
    pub(super) const PERMISSION: Self =
        Self(401, "The client has no permission for this operation.");
    const UNKNOWN: Self = Self(400, "Something named in the request does not exist.");
}

/// Whether our application was granted an operation when it was certified.
pub(super) fn is_granted(operation: &str) -> bool {
    const GRANTED: &[&str] = &[
        "configuration/get",
        "services/getAll",
        "resources/getAll",
        "resourceCategories/getAll",
        "resourceCategoryAssignments/getAll",
        "reservations/getAll/2023-06-06",
        "customers/getAll",
        "companionships/getAll",
        "resourceAccessTokens/getAll",
        "resourceAccessTokens/add",
        "resourceAccessTokens/update",
        "resourceAccessTokens/delete",
    ];
    GRANTED.contains(&operation)
}

/// Who is asking, and when.
pub(super) struct Caller {
    /// The properties the access token opens.
    enterprises: Vec<String>,
    is_portfolio: bool,
    now: DateTime<Utc>,
}

impl Caller {
    pub(super) fn new(token: &AccessToken, now: DateTime<Utc>) -> Self {
        Self {
            enterprises: token.enterprises.clone(),
            is_portfolio: token.is_portfolio,
            now,
        }
    }

    pub(super) fn sees(&self, row: &impl Row) -> bool {
        self.enterprises.iter().any(|id| id == row.enterprise())
    }
}

impl State {
    /// Carries an operation out.
    pub(super) fn perform(
        &mut self,
        operation: &str,
        caller: &Caller,
        body: &Value,
    ) -> Result<Value, Problem> {
        if !is_granted(operation) {
            return Err(Problem::PERMISSION);
        }
        if operation.starts_with("resourceAccessTokens/") {
            let here = |id: &String| caller.enterprises.contains(id);
            let mut enterprises = self.enterprises.iter();
            if enterprises.any(|enterprise| here(&enterprise.id) && !enterprise.allows_pins) {
                return Err(Problem::PERMISSION);
            }
        }
        match operation {
            "configuration/get" => self.configuration(caller, body),
            "resourceAccessTokens/add" => self.add_tokens(caller, body),
            "resourceAccessTokens/update" => self.update_tokens(caller, body),
            "resourceAccessTokens/delete" => self.delete_tokens(caller, body),
            _ => self.list(operation, caller, body),
        }
    }

    fn configuration(&self, caller: &Caller, body: &Value) -> Result<Value, Problem> {
        let named = body["EnterpriseId"].as_str();
        let id = match named {
            Some(named) => Some(named),
            None if caller.is_portfolio => None,
            None => caller.enterprises.first().map(String::as_str),
        };
        if id.is_some_and(|id| !caller.enterprises.iter().any(|known| known == id)) {
            return Err(Problem::UNKNOWN);
        }
        let mut all = self.enterprises.iter();
        let enterprise = all.find(|enterprise| Some(enterprise.id.as_str()) == id);
        Ok(answer::configuration(enterprise, caller.now))
    }

    /// Stores what it is told, each time anew: there is no idempotency.
    fn add_tokens(&mut self, caller: &Caller, body: &Value) -> Result<Value, Problem> {
        let wanted = body["ResourceAccessTokenParameters"].as_array();
        let mut added = Vec::new();
        for item in wanted.into_iter().flatten() {
            let text = |name: &str| item[name].as_str().map(ToOwned::to_owned);
            let stay = text("ServiceOrderId").unwrap_or_default();
            let mut stays = self.reservations.iter().filter(|row| caller.sees(*row));
            let stay = stays.find(|row| row.id.eq_ignore_ascii_case(&stay));
            let stay = stay.ok_or(Problem::UNKNOWN)?;
            let resource = text("ResourceId").map(|id| id.to_ascii_lowercase());
            let mut known = self
                .resources
                .iter()
                .filter(|row| row.enterprise == stay.enterprise);
            if resource.is_some() && !known.any(|row| Some(&row.id) == resource.as_ref()) {
                return Err(Problem::UNKNOWN);
            }
            let now = caller.now.trunc_subsecs(0);
            added.push(StoredPin {
                id: new_id(),
                enterprise: stay.enterprise.clone(),
                reservation: stay.id.clone(),
                resource,
                companionship: text("CompanionshipId"),
                kind: text("Type").unwrap_or_default(),
                value: text("Value").unwrap_or_default().into(),
                serial: text("SerialNumber"),
                from: instant(&item["ValidityStartUtc"]).ok_or(Problem::UNKNOWN)?,
                until: instant(&item["ValidityEndUtc"]).ok_or(Problem::UNKNOWN)?,
                permissions: permissions(&item["Permissions"], Permissions::default()),
                is_active: true,
                created: now,
                updated: now,
            });
        }
        let answered: Vec<Value> = added.iter().map(answer::pin).collect();
        for pin in &added {
            self.tell(&pin.enterprise, "ServiceOrderUpdated", &pin.reservation);
        }
        self.pins.extend(added);
        Ok(json!({ "ResourceAccessTokens": answered }))
    }

    fn update_tokens(&mut self, caller: &Caller, body: &Value) -> Result<Value, Problem> {
        let updates = body["ResourceAccessTokenUpdates"].as_array();
        let mut answered = Vec::new();
        for item in updates.into_iter().flatten() {
            let index = self.active_pin(caller, &item["ResourceAccessTokenId"])?;
            let pin = &mut self.pins[index];
            if let Some(value) = item["Value"]["Value"].as_str() {
                pin.value = value.into();
            }
            pin.from = instant(&item["ValidityStartUtc"]["Value"]).unwrap_or(pin.from);
            pin.until = instant(&item["ValidityEndUtc"]["Value"]).unwrap_or(pin.until);
            pin.permissions = permissions(&item["Permissions"], pin.permissions);
            pin.updated = caller.now.trunc_subsecs(0);
            answered.push(answer::pin(pin));
            let (enterprise, stay) = (pin.enterprise.clone(), pin.reservation.clone());
            self.tell(&enterprise, "ServiceOrderUpdated", &stay);
        }
        Ok(json!({ "ResourceAccessTokens": answered }))
    }

    fn delete_tokens(&mut self, caller: &Caller, body: &Value) -> Result<Value, Problem> {
        let ids = body["Ids"].as_array();
        let found: Result<Vec<usize>, Problem> = ids
            .into_iter()
            .flatten()
            .map(|id| self.active_pin(caller, id))
            .collect();
        for index in found? {
            self.pins[index].is_active = false;
            self.pins[index].updated = caller.now.trunc_subsecs(0);
            let pin = &self.pins[index];
            let (enterprise, stay) = (pin.enterprise.clone(), pin.reservation.clone());
            self.tell(&enterprise, "ServiceOrderUpdated", &stay);
        }
        Ok(json!({}))
    }

    fn active_pin(&self, caller: &Caller, id: &Value) -> Result<usize, Problem> {
        let id = id.as_str().unwrap_or_default();
        let found = self
            .pins
            .iter()
            .position(|pin| pin.is_active && pin.id.eq_ignore_ascii_case(id) && caller.sees(pin));
        found.ok_or(Problem::UNKNOWN)
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

/// Update values: what is absent stays as it was.
fn permissions(updates: &Value, was: Permissions) -> Permissions {
    let flag = |name: &str, was| updates[name]["Value"].as_bool().unwrap_or(was);
    Permissions {
        bed: flag("Bed", was.bed),
        room: flag("Room", was.room),
        floor: flag("Floor", was.floor),
        building: flag("Building", was.building),
    }
}
