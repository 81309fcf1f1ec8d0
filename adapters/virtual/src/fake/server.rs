//! The vendor's API.

use super::Shared;
use super::fault::{Fault, Operation, Scripted};
use super::lock::LockCode;
use super::state::{Problem, State};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Path, Request, State as From};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Largest body read, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// What a request is answered with, if it is carried out. `Null`: nothing.
type Outcome = Result<Value, Problem>;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(json!({ "error": self.1 }))).into_response()
    }
}

pub(super) fn routes(shared: &Arc<Shared>) -> Router {
    let codes = "/locks/{lock}/codes";
    let code = "/locks/{lock}/codes/{label}";
    Router::new()
        .route("/site", get(read_site))
        .route("/locks", get(read_locks))
        .route(codes, get(read_codes))
        .route(code, put(put_code).delete(delete_code))
        .method_not_allowed_fallback(unknown)
        .fallback(unknown)
        .with_state(shared.clone())
}

async fn unknown(From(shared): From<Arc<Shared>>, request: Request) -> Problem {
    shared.with(|state| {
        let line = format!("{}: no such address", request.method());
        state.refused.push(line);
    });
    Problem(404, "address")
}

async fn read_site(From(shared): From<Arc<Shared>>, call: Call) -> Response {
    shared
        .serve(Operation::Site, call, |state, site, _| {
            let name = state.sites.get(site).map(|site| &site.name);
            Ok(json!({ "id": site, "name": name }))
        })
        .await
}

async fn read_locks(From(shared): From<Arc<Shared>>, call: Call) -> Response {
    shared
        .serve(Operation::Locks, call, |state, site, _| {
            let locks = state.locks.iter().filter(|(_, lock)| lock.site == site);
            let locks: Vec<Value> = locks
            .map(|(id, lock)| {
                json!({ "id": id, "name": lock.name, "online": lock.online, "rules": lock.rules })
            })
            .collect();
            Ok(json!({ "locks": locks }))
        })
        .await
}

async fn read_codes(
    From(shared): From<Arc<Shared>>,
    Path(lock): Path<String>,
    call: Call,
) -> Response {
    shared
        .serve(Operation::Codes, call, |state, site, _| {
            let lock = state.reach(site, &lock)?;
            Ok(json!({ "codes": lock.codes() }))
        })
        .await
}

async fn put_code(
    From(shared): From<Arc<Shared>>,
    Path((lock, label)): Path<(String, String)>,
    call: Call,
) -> Response {
    let now = shared.now();
    shared
        .serve(Operation::Put, call, |state, site, body| {
            let wish = match read_wish(body) {
                Ok(wish) => wish,
                Err(wrong) => {
                    state.refused.push(format!("put code: {wrong}"));
                    return Err(Problem::REQUEST);
                }
            };
            let code = LockCode {
                label: label.clone(),
                pin: wish.pin,
                from: wish.from,
                until: wish.until,
            };
            state.reach(site, &lock)?.set_code(&code, now)?;
            Ok(Value::Null)
        })
        .await
}

async fn delete_code(
    From(shared): From<Arc<Shared>>,
    Path((lock, label)): Path<(String, String)>,
    call: Call,
) -> Response {
    shared
        .serve(Operation::Delete, call, |state, site, _| {
            if state.reach(site, &lock)?.drop_code(&label) {
                Ok(Value::Null)
            } else {
                Err(Problem::NO_CODE)
            }
        })
        .await
}

/// Body of the request that sets a code.
#[derive(Deserialize)]
struct Wish {
    pin: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// Reads the body strictly. What is wrong is told without the values: they are secret.
fn read_wish(body: &[u8]) -> Result<Wish, &'static str> {
    const MEMBERS: [&str; 3] = ["pin", "from", "until"];
    let body: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON")?;
    let members = body.as_object().ok_or("the body is not an object")?;
    if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
        return Err("an unknown member");
    }
    let wish: Wish = serde_json::from_value(body).map_err(|_| "a member is missing or wrong")?;
    if wish.from >= wish.until {
        return Err("the window is empty");
    }
    Ok(wish)
}

/// A request, as far as every kind of it is alike.
struct Call {
    key: Option<String>,
    body: Bytes,
    /// What breaks the contract.
    wrong: Option<&'static str>,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, LARGEST_BODY)
            .await
            .map_err(|_| Problem::REQUEST)?;
        let text = |name: header::HeaderName| parts.headers.get(name)?.to_str().ok();
        let bearer = text(header::AUTHORIZATION);
        let key = bearer.and_then(|text| text.strip_prefix("Bearer "));
        let is_json = text(header::CONTENT_TYPE) == Some("application/json");
        let has_query = parts.uri.query().is_some();
        let writes = parts.method == Method::PUT;
        let wrong = if key.is_none() {
            Some("no access key")
        } else if has_query {
            Some("a query")
        } else if writes && !is_json {
            Some("the body is not declared as JSON")
        } else if !writes && !body.is_empty() {
            Some("a body")
        } else {
            None
        };
        Ok(Self {
            key: key.map(ToOwned::to_owned),
            body,
            wrong,
        })
    }
}

impl Shared {
    /// Counts a request, lets it fail if so ordered, and carries it out for the site of its key.
    async fn serve(
        &self,
        operation: Operation,
        call: Call,
        act: impl FnOnce(&mut State, &str, &[u8]) -> Outcome,
    ) -> Response {
        let (script, fault) = self.with(|state| {
            state.calls.count(operation);
            if let Some(wrong) = call.wrong {
                state.refused.push(format!("{operation:?}: {wrong}"));
            }
            match state.script.clone() {
                Some(script) => (Some(script), None),
                None => (None, state.faults.next(operation)),
            }
        });
        if let Some(script) = script {
            return scripted(script);
        }
        match fault {
            Some(Fault::Status { status }) => return Problem(status, "ordered").into_response(),
            Some(Fault::TooMany { seconds }) => {
                let wait = [(header::RETRY_AFTER, seconds.to_string())];
                return (wait, Problem(429, "ordered")).into_response();
            }
            Some(Fault::Html) => return axum::response::Html("<p>Sorry</p>").into_response(),
            Some(Fault::Cut) => return cut(),
            Some(fault) => tokio::time::sleep(fault.delay()).await,
            None => {}
        }
        let outcome = self.with(|state| {
            let key = call.key.as_deref().unwrap_or_default();
            let site = state.site_of(key).ok_or(Problem::KEY)?;
            if call.wrong.is_some() {
                return Err(Problem::REQUEST);
            }
            if fault == Some(Fault::Lose) {
                // Carried out on a copy that nobody keeps.
                return act(&mut state.clone(), &site, &call.body);
            }
            act(state, &site, &call.body)
        });
        match outcome {
            _ if fault == Some(Fault::CommitThenDrop) => cut(),
            Ok(Value::Null) => StatusCode::NO_CONTENT.into_response(),
            Ok(value) => axum::Json(value).into_response(),
            Err(problem) => problem.into_response(),
        }
    }
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

/// An answer whose connection ends in the middle.
fn cut() -> Response {
    let broken = Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    Body::from_stream(stream::iter([broken])).into_response()
}
