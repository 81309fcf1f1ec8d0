//! The API: contract first, then tokens and limits, then the operation.

use super::Shared;
use super::contract::{BASE, CONTRACT, Operation};
use super::fault::{Fault, Scripted};
use super::model::{AccessToken, Enterprise};
use super::operation::{Caller, Problem, is_granted};
use super::state::{State, new_id};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as From};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use futures_util::stream;
use portal_interface::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Largest body read, in bytes.
const LARGEST_BODY: usize = 1024 * 1024;
/// In which the requests of a token are counted.
const WINDOW: Duration = Duration::from_secs(30);

/// Tells whoever judges the fake that an answer was ordered to be wrong.
const WRONG_ON_PURPOSE: HeaderName = HeaderName::from_static("x-wrong-on-purpose");

/// What a request is answered with.
enum Outcome {
    Answer(Value),
    /// One that breaks the contract, as somebody ordered it.
    Spoiled(Value),
    Refusal(u16, String),
    /// Too many requests.
    Wait(Option<u64>),
    Html,
    Cut,
    Scripted(Scripted),
}

/// Answers every request to anything but `/control`.
pub(super) async fn serve(From(shared): From<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some(operation) = CONTRACT.at(path).filter(|_| parts.uri.query().is_none()) else {
        let path: String = path.chars().take(100).collect();
        shared.refuse(&format!("{path}: no such address"));
        return respond(Outcome::Refusal(
            404,
            "There is no such address.".to_owned(),
        ));
    };
    if parts.method != Method::POST {
        shared.refuse(&format!("{}: {}", operation.name, parts.method));
        return respond(Outcome::Refusal(405, "Only POST is supported.".to_owned()));
    }
    let outcome = match axum::body::to_bytes(body, LARGEST_BODY).await {
        Ok(body) => shared.answer(operation, &parts.headers, &body).await,
        Err(_) => Outcome::Refusal(413, "The body is too large.".to_owned()),
    };
    respond(outcome)
}

impl Shared {
    fn refuse(&self, line: &str) {
        self.with(|state| state.refused.push(line.to_owned()));
    }

    async fn answer(&self, operation: &Operation, headers: &HeaderMap, body: &Bytes) -> Outcome {
        let name = operation.name.as_str();
        self.with(|state| *state.calls.entry(name.to_owned()).or_default() += 1);
        let body = match read(operation, headers, body) {
            Ok(body) => body,
            Err(faults) => {
                for fault in &faults {
                    self.refuse(&format!("{name}: {fault}"));
                }
                return Outcome::Refusal(400, format!("Invalid request. {}", faults.join(" ")));
            }
        };
        if !is_granted(name) {
            self.refuse(&format!(
                "{name}: not among the operations declared to Mews"
            ));
        }
        if let Some(script) = self.with(|state| state.script.clone()) {
            return Outcome::Scripted(script);
        }
        let kind = kind_of(name, &body);
        let fault = self.with(|state| {
            *state.asked.entry(kind).or_default() += 1;
            state.faults.next(name)
        });
        match fault {
            Some(Fault::Status { status }) => {
                return Outcome::Refusal(status, "The rules of this house forbid it.".to_owned());
            }
            Some(Fault::TooMany { seconds }) => return Outcome::Wait(seconds.map(u64::from)),
            Some(Fault::Html) => return Outcome::Html,
            Some(Fault::Cut) => return Outcome::Cut,
            Some(fault) => tokio::time::sleep(fault.delay()).await,
            None => {}
        }
        let outcome = self.with(|state| self.carry_out(state, operation, &body));
        match fault {
            Some(Fault::CommitThenDrop) => Outcome::Cut,
            _ => outcome,
        }
    }

    fn carry_out(&self, state: &mut State, operation: &Operation, body: &Value) -> Outcome {
        let refusal = |Problem(status, message)| Outcome::Refusal(status, message.to_owned());
        let token = body["AccessToken"].as_str().unwrap_or_default();
        let client_token = state.client_token.as_ref().unwrap_or(&self.client_token);
        let is_client = body["ClientToken"] == client_token.expose_secret();
        let opens = state.access_tokens.get(token).filter(|_| is_client);
        let Some(opens) = opens.filter(|opens| state.is_on(opens)) else {
            return refusal(Problem::TOKEN);
        };
        let caller = Caller::new(opens, self.now());
        if let Some(wait) = state.use_up(token, self.rate_limit) {
            return Outcome::Wait(Some(wait));
        }
        let answer = match state.perform(&operation.name, &caller, body) {
            Ok(answer) => answer,
            Err(problem) => return refusal(problem),
        };
        // A raw item is there to break the contract, and so is an identifier of a test's own.
        if state.has_odd_ids || state.reservations.iter().any(|stay| stay.raw.is_some()) {
            return Outcome::Spoiled(answer);
        }
        let faults = operation.answer_faults(&answer);
        let lines = faults
            .iter()
            .map(|fault| format!("{}: {fault}", operation.name));
        state.mismatches.extend(lines);
        Outcome::Answer(answer)
    }
}

impl State {
    /// Whether our integration with what a token opens is switched on.
    fn is_on(&self, token: &AccessToken) -> bool {
        let off = |at: &&Enterprise| !at.is_connected && token.enterprises.contains(&at.id);
        token.is_portfolio || !self.enterprises.iter().any(|at| off(&at))
    }

    /// Counts a request; answers the seconds to wait if it is one too many.
    fn use_up(&mut self, token: &str, limit: Option<u32>) -> Option<u64> {
        let limit = limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
        let now = Instant::now();
        let uses = self.uses.entry(token.to_owned()).or_default();
        while uses.front().is_some_and(|&at| now - at >= WINDOW) {
            uses.pop_front();
        }
        if uses.len() < limit {
            uses.push_back(now);
            self.busiest = self.busiest.max(uses.len());
            return None;
        }
        let free = uses
            .front()
            .map_or(WINDOW, |&oldest| WINDOW.saturating_sub(now - oldest));
        Some(free.as_secs() + 1)
    }
}

/// An operation with the filters of a request, for example `services/getAll (ServiceType)`.
fn kind_of(operation: &str, body: &Value) -> String {
    const OF_ALL: &[&str] = &[
        "AccessToken",
        "Client",
        "ClientToken",
        "Extent",
        "Limitation",
    ];
    let members = body.as_object().into_iter().flatten();
    let mut filters: Vec<&str> = members.map(|(name, _)| name.as_str()).collect();
    filters.retain(|name| !OF_ALL.contains(name));
    filters.sort_unstable();
    match filters.as_slice() {
        [] => operation.to_owned(),
        filters => format!("{operation} ({})", filters.join(", ")),
    }
}

/// Reads a body as the contract wants it, or tells what is wrong without its values.
fn read(operation: &Operation, headers: &HeaderMap, body: &Bytes) -> Result<Value, Vec<String>> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(vec!["the content is not declared as JSON".to_owned()]);
    }
    let body = serde_json::from_slice(body).map_err(|_| vec!["the body is not JSON".to_owned()])?;
    match operation.faults(&body) {
        faults if faults.is_empty() => Ok(body),
        faults => Err(faults),
    }
}

fn respond(outcome: Outcome) -> Response {
    let request_id = new_id();
    let error = |status: u16, message: &str| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({ "Message": message, "RequestId": request_id });
        (status, axum::Json(body)).into_response()
    };
    let spoiled = matches!(outcome, Outcome::Spoiled(_) | Outcome::Html);
    let mut response = match outcome {
        Outcome::Answer(body) | Outcome::Spoiled(body) => axum::Json(body).into_response(),
        Outcome::Refusal(status, message) => error(status, &message),
        Outcome::Wait(seconds) => {
            let mut response = error(429, "Too many requests.");
            if let Some(seconds) = seconds {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Outcome::Html => Html("<html><body>We will be back soon.</body></html>").into_response(),
        Outcome::Cut => {
            let broken = Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            Body::from_stream(stream::iter([broken])).into_response()
        }
        Outcome::Scripted(script) => scripted(script),
    };
    if spoiled {
        let mark = HeaderValue::from_static("1");
        response.headers_mut().insert(WRONG_ON_PURPOSE, mark);
    }
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("request-id"), id);
    }
    response
}

fn scripted(script: Scripted) -> Response {
    let status = StatusCode::from_u16(script.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, script.body).into_response();
    for (name, value) in script.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// An address as it is written in the contract, to order faults and count calls by.
pub(super) fn operation_name(path: &str) -> &str {
    path.strip_prefix(BASE).unwrap_or(path)
}
