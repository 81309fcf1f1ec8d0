//! Lists of what the fake keeps.

use super::answer;
use super::filter::{Filter, page};
use super::operation::{Caller, Problem};
use super::state::State;
use serde_json::Value;

impl State {
    /// A page of the list an operation answers.
    pub(super) fn list(
        &self,
        operation: &str,
        caller: &Caller,
        body: &Value,
    ) -> Result<Value, Problem> {
        let ask = Filter::new(body);
        match operation {
            "services/getAll" => page(&ask, "Services", &self.services, answer::service, |row| {
                let wanted = match body["ServiceType"].as_str() {
                    Some(kind) => (kind == "Bookable") == row.is_bookable,
                    None => true,
                };
                caller.sees(row) && wanted && ask.id("ServiceIds", &row.id)
            }),
            "resourceCategories/getAll" => page(
                &ask,
                "ResourceCategories",
                &self.categories,
                answer::category,
                |row| {
                    let named = ask.id("ResourceCategoryIds", &row.id);
                    caller.sees(row) && named && ask.id("ServiceIds", &row.service)
                },
            ),
            "resourceCategoryAssignments/getAll" => page(
                &ask,
                "ResourceCategoryAssignments",
                &self.assignments,
                |row| {
                    let mut resources = self.resources.iter();
                    let resource = resources.find(|resource| resource.id == row.resource);
                    answer::assignment(row, resource.is_some_and(|resource| resource.is_active))
                },
                |row| {
                    let named = ask.id("ResourceIds", &row.resource);
                    caller.sees(row) && named && ask.id("ResourceCategoryIds", &row.category)
                },
            ),
            "resources/getAll" => {
                let inactive = body["Extent"]["Inactive"] == true;
                page(
                    &ask,
                    "Resources",
                    &self.resources,
                    answer::resource,
                    |row| {
                        let wanted = row.is_active || inactive;
                        caller.sees(row) && wanted && ask.id("ResourceIds", &row.id)
                    },
                )
            }
            _ => self.list_stays(operation, caller, body),
        }
    }

    fn list_stays(&self, operation: &str, caller: &Caller, body: &Value) -> Result<Value, Problem> {
        let ask = Filter::new(body);
        match operation {
            "reservations/getAll/2023-06-06" => page(
                &ask,
                "Reservations",
                &self.reservations,
                answer::reservation,
                |row| {
                    caller.sees(row)
                        && ask.id("ReservationIds", &row.id)
                        && ask.id("ServiceIds", &row.service)
                        && ask.text("States", row.state.word())
                        && ask.text("Numbers", &row.number)
                        && ask.at("UpdatedUtc", row.updated)
                        && ask.overlap("CollidingUtc", row.start, row.end)
                },
            ),
            "customers/getAll" => page(
                &ask,
                "Customers",
                &self.customers,
                |row| {
                    let mut all = self.enterprises.iter();
                    let at = all.find(|enterprise| enterprise.id == row.enterprise);
                    let chain = at.map_or("", |enterprise| enterprise.chain.as_str());
                    answer::customer(row, chain)
                },
                |row| caller.sees(row) && ask.id("CustomerIds", &row.id),
            ),
            "companionships/getAll" => page(
                &ask,
                "Companionships",
                &self.companionships,
                answer::companionship,
                |row| {
                    let named = ask.id("CustomerIds", &row.customer);
                    caller.sees(row) && named && ask.id("ReservationIds", &row.reservation)
                },
            ),
            "resourceAccessTokens/getAll" => page(
                &ask,
                "ResourceAccessTokens",
                &self.pins,
                answer::pin,
                |row| {
                    let state = if row.is_active { "Active" } else { "Deleted" };
                    caller.sees(row)
                        && ask.id("ServiceOrderIds", &row.reservation)
                        && ask.id("ResourceAccessTokenIds", &row.id)
                        && ask.text("ActivityStates", state)
                        && ask.at("UpdatedUtc", row.updated)
                        && ask.overlap("CollidingUtc", row.from, row.until)
                },
            ),
            _ => Err(Problem::PERMISSION),
        }
    }
}
