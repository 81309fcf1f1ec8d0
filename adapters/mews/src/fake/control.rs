//! The staff's side over HTTP: `POST /control/{command}` with a JSON object, and a few addresses
//! to read. Nobody is asked for a token here, and what is answered holds secrets of the fake.

use super::Shared;
use super::booking::{Booking, NewRoom};
use super::fault::Fault;
use super::hook::{HookFaults, IntegrationEvent};
use super::model::StayState;
use super::server::operation_name;
use super::state::{Done, Missing, State as Memory};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use portal_interface::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type From = State<Arc<Shared>>;

pub(super) fn routes() -> Router<Arc<Shared>> {
    let control = Router::new()
        .route("/state", get(read_state))
        .route("/calls", get(read_calls))
        .route("/refused", get(read_refused))
        .route("/pins/{reservation}", get(read_pins))
        .route("/{command}", post(command));
    Router::new().nest("/control", control)
}

/// What staff, guests or the network do. The word stands in the address.
#[derive(Deserialize)]
#[serde(
    tag = "do",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
enum Command {
    AddEnterprise {
        name: String,
        time_zone: String,
        #[serde(default)]
        rooms: Vec<NewRoom>,
        access_token: Option<String>,
    },
    AddDemoHouse {
        name: String,
        access_token: Option<String>,
    },
    AddAccessToken {
        enterprise: String,
        access_token: Option<String>,
    },
    AddPortfolioToken {
        enterprises: Vec<String>,
    },
    RevokeTokens {
        enterprise: String,
    },
    RegenerateToken {
        enterprise: String,
    },
    AllowPins {
        enterprise: String,
        allow: bool,
    },
    AddRoom {
        enterprise: String,
        room: NewRoom,
    },
    RenameRoom {
        enterprise: String,
        room: String,
        name: String,
    },
    SetRoomActive {
        enterprise: String,
        room: String,
        active: bool,
    },
    Book {
        enterprise: String,
        booking: Booking,
    },
    Assign {
        reservation: String,
        room: Option<String>,
    },
    Redate {
        reservation: String,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    },
    SetState {
        reservation: String,
        state: StayState,
    },
    Confirm {
        reservation: String,
    },
    CheckIn {
        reservation: String,
    },
    CheckOut {
        reservation: String,
    },
    Cancel {
        reservation: String,
        reason: Option<String>,
    },
    NoShow {
        reservation: String,
    },
    RenameGuest {
        reservation: String,
        name: String,
    },
    AddCompanion {
        reservation: String,
        name: String,
    },
    AddRawReservation {
        enterprise: String,
        item: Value,
    },
    AddPin {
        reservation: String,
        serial: Option<String>,
        value: String,
    },
    EditPin {
        pin: String,
        value: String,
    },
    DropPin {
        pin: String,
    },
    Inject {
        fault: Fault,
        on: Option<String>,
        #[serde(default = "once")]
        times: u32,
    },
    ClearFaults {},
    SetWebhook {
        url: Option<String>,
    },
    SetWebhookFaults {
        faults: HookFaults,
    },
    IntegrationEvent {
        enterprise: String,
        event: IntegrationEvent,
    },
}

fn once() -> u32 {
    1
}

async fn command(State(shared): From, Path(word): Path<String>, body: Bytes) -> Response {
    let body = if body.is_empty() { b"{}" } else { &body[..] };
    let read = serde_json::from_slice::<Value>(body).and_then(|mut body| {
        if let Some(members) = body.as_object_mut() {
            members.insert("do".to_owned(), word.into());
        }
        serde_json::from_value::<Command>(body)
    });
    let command = match read {
        Ok(command) => command,
        Err(wrong) => {
            let error = json!({ "error": wrong.to_string() });
            return (StatusCode::BAD_REQUEST, Json(error)).into_response();
        }
    };
    let now = shared.now();
    answer(shared.with(|state| state.run(command, now)))
}

async fn read_state(State(shared): From) -> Json<Value> {
    Json(shared.with(Memory::summary))
}

async fn read_calls(State(shared): From) -> Json<Value> {
    Json(shared.with(|state| json!(state.calls)))
}

async fn read_refused(State(shared): From) -> Json<Value> {
    Json(shared.with(|state| json!({ "refused": state.refused, "mismatches": state.mismatches })))
}

async fn read_pins(State(shared): From, Path(reservation): Path<String>) -> Response {
    answer(shared.with(|state| Ok(json!(state.held(&reservation)?))))
}

fn answer(done: Done<Value>) -> Response {
    match done {
        Ok(value) => Json(value).into_response(),
        Err(Missing(what)) => {
            let error = json!({ "error": format!("no such {what}") });
            (StatusCode::NOT_FOUND, Json(error)).into_response()
        }
    }
}

impl Memory {
    fn run(&mut self, command: Command, now: DateTime<Utc>) -> Done<Value> {
        match command {
            Command::AddRoom { enterprise, room } => {
                Ok(json!({ "id": self.add_room(&enterprise, &room, now)? }))
            }
            Command::Book {
                enterprise,
                booking,
            } => Ok(json!({ "id": self.book(&enterprise, &booking, now)? })),
            Command::AddRawReservation { enterprise, item } => {
                Ok(json!({ "id": self.add_raw(&enterprise, item, now)? }))
            }
            Command::AddPin {
                reservation,
                serial,
                value,
            } => {
                let id = self.add_pin(&reservation, serial.as_deref(), &value, now)?;
                Ok(json!({ "id": id }))
            }
            Command::RenameRoom {
                enterprise,
                room,
                name,
            } => done(self.change_room(&enterprise, &room, now, |room| room.name = name)),
            Command::SetRoomActive {
                enterprise,
                room,
                active,
            } => done(self.change_room(&enterprise, &room, now, |room| room.is_active = active)),
            Command::EditPin { pin, value } => {
                done(self.change_pin(&pin, now, |pin| pin.value = value.into()))
            }
            Command::DropPin { pin } => {
                done(self.change_pin(&pin, now, |pin| pin.is_active = false))
            }
            Command::Inject { fault, on, times } => {
                let on = on.as_deref().map(operation_name);
                self.faults.plan(fault, on, times);
                done(Ok(()))
            }
            Command::ClearFaults {} => {
                self.faults.clear();
                done(Ok(()))
            }
            command => self.run_on_stay(command, now),
        }
    }

    /// Commands about a reservation.
    fn run_on_stay(&mut self, command: Command, now: DateTime<Utc>) -> Done<Value> {
        let mut enter = |reservation: &str, state| {
            done(self.change_stay(reservation, now, |stay| stay.enter(state, now)))
        };
        match command {
            Command::SetState { reservation, state } => enter(&reservation, state),
            Command::Confirm { reservation } => enter(&reservation, StayState::Confirmed),
            Command::CheckIn { reservation } => enter(&reservation, StayState::Started),
            Command::CheckOut { reservation } => enter(&reservation, StayState::Processed),
            Command::Cancel {
                reservation,
                reason,
            } => done(self.cancel(&reservation, reason.as_deref().unwrap_or("Other"), now)),
            Command::NoShow { reservation } => done(self.cancel(&reservation, "NoShow", now)),
            Command::Assign { reservation, room } => {
                done(self.assign(&reservation, room.as_deref(), now))
            }
            Command::Redate {
                reservation,
                from,
                until,
            } => done(self.change_stay(&reservation, now, |stay| {
                (stay.start, stay.end) = (from, until);
            })),
            Command::RenameGuest { reservation, name } => {
                done(self.rename_guest(&reservation, &name, now))
            }
            Command::AddCompanion { reservation, name } => {
                done(self.add_companion(&reservation, &name, now))
            }
            command => self.run_on_tokens(command, now),
        }
    }

    /// Commands about properties and their tokens.
    fn run_on_tokens(&mut self, command: Command, now: DateTime<Utc>) -> Done<Value> {
        match command {
            Command::AddEnterprise {
                name,
                time_zone,
                rooms,
                access_token,
            } => {
                let id = self.add_enterprise(&name, &time_zone, now);
                for room in &rooms {
                    self.add_room(&id, room, now)?;
                }
                let token = self.add_access_token(&[&id], false, access_token.as_deref())?;
                Ok(json!({ "id": id, "accessToken": token.expose_secret() }))
            }
            Command::AddDemoHouse { name, access_token } => {
                let house = self.add_demo_house(&name, access_token.as_deref(), now)?;
                Ok(json!({ "id": house.id, "accessToken": house.access_token.expose_secret() }))
            }
            Command::AddAccessToken {
                enterprise,
                access_token,
            } => {
                let id = self.enterprise(&enterprise)?.id.clone();
                let token = self.add_access_token(&[&id], false, access_token.as_deref())?;
                Ok(json!({ "accessToken": token.expose_secret() }))
            }
            Command::AddPortfolioToken { enterprises } => {
                let names: Vec<&str> = enterprises.iter().map(String::as_str).collect();
                let token = self.add_portfolio_token(&names)?;
                Ok(json!({ "accessToken": token.expose_secret() }))
            }
            Command::RevokeTokens { enterprise } => done(self.revoke_tokens(&enterprise)),
            Command::RegenerateToken { enterprise } => {
                let token = self.regenerate_token(&enterprise)?;
                Ok(json!({ "accessToken": token.expose_secret() }))
            }
            Command::AllowPins { enterprise, allow } => {
                self.enterprise(&enterprise)?.allows_pins = allow;
                done(Ok(()))
            }
            Command::SetWebhook { url } => {
                self.set_webhook(url);
                done(Ok(()))
            }
            Command::SetWebhookFaults { faults } => {
                self.set_webhook_faults(faults);
                done(Ok(()))
            }
            Command::IntegrationEvent { enterprise, event } => {
                done(self.integration_event(&enterprise, event))
            }
            _ => Err(Missing("command")),
        }
    }
}

/// The empty answer of what was done.
fn done(done: Done) -> Done<Value> {
    done.map(|()| json!({}))
}
