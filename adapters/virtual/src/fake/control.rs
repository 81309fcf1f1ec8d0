//! The methods of [`super::FakeLocks`] for other processes, as addresses under `/control`.

use super::fault::{Calls, Fault, Operation};
use super::lock::{Lock, LockCode};
use super::state::Problem;
use super::{NewSite, Shared};
use axum::extract::{Path, Query, State as From};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use portal_interface::{DeviceRule, ExposeSecret};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The answer of an act.
type Done<T = StatusCode> = Result<T, Problem>;
/// The answer of an act that has nothing to say.
const DONE: StatusCode = StatusCode::NO_CONTENT;

pub(super) fn routes(shared: &Arc<Shared>) -> Router {
    let control = Router::new()
        .route("/sites", post(add_site))
        .route("/sites/{site}/key", post(renew_key).delete(revoke_key))
        .route("/sites/{site}/locks", post(add_lock))
        .route("/locks/{lock}/online", put(set_online))
        .route("/locks/{lock}/max-codes", put(set_max_codes))
        .route("/locks/{lock}/codes", get(codes))
        .route(
            "/locks/{lock}/codes/{label}",
            put(set_code).delete(drop_code),
        )
        .route("/locks/{lock}/opens", get(opens))
        .route("/faults", post(inject).delete(clear_faults))
        .route("/calls", get(calls))
        .route("/refused", get(refused))
        .with_state(shared.clone());
    Router::new().nest("/control", control)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddSite {
    name: String,
    key: Option<String>,
}

async fn add_site(From(shared): From<Arc<Shared>>, Json(site): Json<AddSite>) -> Json<Value> {
    let NewSite { id, key } = shared.with(|state| state.add_site(&site.name, site.key.as_deref()));
    Json(json!({ "id": id, "key": key.expose_secret() }))
}

async fn renew_key(From(shared): From<Arc<Shared>>, Path(site): Path<String>) -> Done<Json<Value>> {
    let key = shared.with(|state| state.renew_key(&site))?;
    Ok(Json(json!({ "key": key.expose_secret() })))
}

async fn revoke_key(From(shared): From<Arc<Shared>>, Path(site): Path<String>) -> Done {
    shared.with(|state| state.revoke_key(&site))?;
    Ok(DONE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddLock {
    name: String,
    #[serde(default)]
    rules: Vec<DeviceRule>,
}

async fn add_lock(
    From(shared): From<Arc<Shared>>,
    Path(site): Path<String>,
    Json(lock): Json<AddLock>,
) -> Done<Json<Value>> {
    let id = shared.with(|state| state.add_lock(&site, &lock.name, &lock.rules))?;
    Ok(Json(json!({ "id": id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetOnline {
    online: bool,
}

async fn set_online(
    From(shared): From<Arc<Shared>>,
    Path(lock): Path<String>,
    Json(set): Json<SetOnline>,
) -> Done {
    shared.on(&lock, |lock| lock.online = set.online)?;
    Ok(DONE)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetMaxCodes {
    max_codes: u32,
}

async fn set_max_codes(
    From(shared): From<Arc<Shared>>,
    Path(lock): Path<String>,
    Json(set): Json<SetMaxCodes>,
) -> Done {
    let rule = DeviceRule::MaxCodes(set.max_codes);
    shared.on(&lock, |lock| lock.set_rule(&rule))?;
    Ok(DONE)
}

async fn codes(From(shared): From<Arc<Shared>>, Path(lock): Path<String>) -> Done<Json<Value>> {
    let codes = shared.on(&lock, |lock| lock.codes())?;
    Ok(Json(json!({ "codes": codes })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetCode {
    pin: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

async fn set_code(
    From(shared): From<Arc<Shared>>,
    Path((lock, label)): Path<(String, String)>,
    Json(SetCode { pin, from, until }): Json<SetCode>,
) -> Done {
    let code = LockCode {
        label,
        pin,
        from,
        until,
    };
    shared.on(&lock, |lock| lock.set_by_hand(&code))?;
    Ok(DONE)
}

async fn drop_code(
    From(shared): From<Arc<Shared>>,
    Path((lock, label)): Path<(String, String)>,
) -> Done {
    if shared.on(&lock, |lock| lock.drop_code(&label))? {
        Ok(DONE)
    } else {
        Err(Problem::NO_CODE)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Try {
    pin: String,
    at: Option<DateTime<Utc>>,
}

/// Tries digits at an instant; now, if none is given.
async fn opens(
    From(shared): From<Arc<Shared>>,
    Path(lock): Path<String>,
    Query(attempt): Query<Try>,
) -> Done<Json<Value>> {
    let at = attempt.at.unwrap_or_else(|| shared.now());
    let opens = shared.on(&lock, |lock| lock.opens(&attempt.pin, at))?;
    Ok(Json(json!({ "opens": opens })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inject {
    fault: Fault,
    on: Option<Operation>,
    times: Option<u32>,
}

async fn inject(From(shared): From<Arc<Shared>>, Json(order): Json<Inject>) -> StatusCode {
    let times = order.times.unwrap_or(1);
    shared.with(|state| state.faults.plan(order.fault, order.on, times));
    DONE
}

async fn clear_faults(From(shared): From<Arc<Shared>>) -> StatusCode {
    shared.with(|state| state.faults.clear());
    DONE
}

async fn calls(From(shared): From<Arc<Shared>>) -> Json<Calls> {
    Json(shared.with(|state| state.calls))
}

async fn refused(From(shared): From<Arc<Shared>>) -> Json<Value> {
    let refused = shared.with(|state| state.refused.clone());
    Json(json!({ "refused": refused }))
}

impl Shared {
    fn on<T>(&self, lock: &str, act: impl FnOnce(&mut Lock) -> T) -> Done<T> {
        self.with(|state| state.locks.get_mut(lock).map(act).ok_or(Problem::NO_LOCK))
    }
}
