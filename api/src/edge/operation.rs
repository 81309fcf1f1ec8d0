//! Runs one operation for a caller, the same over HTTP and over a socket.

use super::document::{self, Kind, Limits};
use super::{ApiError, App, ErrorCode};
use crate::auth::Viewer;
use crate::graphql::{Batched, Batches, request_data};
use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_util::{FutureExt, Stream, StreamExt};
use serde::Deserialize;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use uuid::Uuid;

/// Most errors in an answer.
const MOST_ERRORS: usize = 20;
/// Cost that uses up one point of the caller's budget.
const POINT: u64 = 100;

/// A GraphQL request as it comes in. Null equals absent; unknown members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub(super) query: Option<String>,
    #[serde(default)]
    pub(super) variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    pub(super) operation_name: Option<String>,
}

/// A request that has been measured, ready to be run.
pub(super) struct Prepared {
    pub(super) kind: Kind,
    limits: Limits,
    request: Request,
    batches: Batches,
    /// Names the request to whoever reads the log.
    pub(super) id: Uuid,
}

/// What came of an operation.
pub(super) struct Done {
    pub(super) answer: Response,
    /// Whether anything was executed: if not, the request itself was at fault.
    pub(super) ran: bool,
}

/// The request's text, or what is wrong with it.
pub(super) fn read(body: &[u8]) -> Result<Asked, ApiError> {
    serde_json::from_slice::<Asked>(body).map_err(|_| {
        ApiError::new(
            ErrorCode::BadRequest,
            "Send one JSON object with query, and variables and operationName if need be",
        )
    })
}

/// Measures the document. Needs no database and no knowledge of the caller.
pub(super) fn measure(asked: &Asked) -> Result<document::Document, ApiError> {
    match asked.query.as_deref() {
        Some(text) if !text.is_empty() => document::read(text, asked.variables.as_ref()),
        _ => Err(ApiError::new(ErrorCode::BadRequest, "query is missing")),
    }
}

/// Holds a measured document against what its caller may ask for.
pub(super) fn prepare(
    app: &App,
    asked: Asked,
    document: &document::Document,
    viewer: &Viewer,
) -> Result<Prepared, ApiError> {
    let admin = viewer.is_admin();
    let limits = if admin { Limits::ADMIN } else { Limits::USUAL };
    let chosen = document.choose(asked.operation_name.as_deref(), &limits, admin)?;
    let points = u32::try_from(chosen.cost.div_ceil(POINT)).unwrap_or(u32::MAX);
    if !app
        .points
        .take(viewer.credential(), app.started.elapsed(), points)
    {
        return Err(ApiError::new(
            ErrorCode::Throttled,
            "Too many requests: wait a few seconds",
        ));
    }
    let variables = asked.variables.unwrap_or_default();
    let mut request = Request::new(asked.query.unwrap_or_default())
        .variables(Variables::from_json(serde_json::Value::Object(variables)));
    request.operation_name = asked.operation_name;
    let (data, batches) = request_data(&app.env);
    request.data = data;
    request.data.insert(viewer.clone());
    if !admin {
        request = request.disable_introspection();
    }
    Ok(Prepared {
        kind: chosen.kind,
        limits,
        request,
        batches,
        id: Uuid::now_v7(),
    })
}

/// Runs a query or mutation: within its time, and whatever it does.
pub(super) async fn run(app: &App, prepared: Prepared) -> Done {
    let time = Duration::from_secs(prepared.limits.seconds);
    let run = Batched::new(app.schema.execute(prepared.request), prepared.batches);
    let run = AssertUnwindSafe(run).catch_unwind();
    let answer = match tokio::time::timeout(time, run).await {
        Ok(Ok(answer)) => {
            let ran = ran(&answer);
            return Done {
                answer: masked(answer, prepared.id),
                ran,
            };
        }
        Ok(Err(_)) => failed(&ApiError::internal(), prepared.id),
        Err(_) => {
            let late = ApiError::new(ErrorCode::ExecutionTimeout, "It took too long");
            failed(&late, prepared.id)
        }
    };
    Done { answer, ran: true }
}

/// Whether the library executed anything: only then an error has a path.
fn ran(answer: &Response) -> bool {
    answer.data != Value::Null
        || answer.errors.is_empty()
        || answer.errors.iter().any(|error| !error.path.is_empty())
}

/// Runs a subscription. One that cannot begin answers once, and nothing was executed.
pub(super) fn follow(app: &App, prepared: Prepared) -> impl Stream<Item = Done> + Send + use<> {
    let id = prepared.id;
    let mut first = true;
    let answers = app.schema.execute_stream(prepared.request);
    AssertUnwindSafe(Batched::new(answers, prepared.batches))
        .catch_unwind()
        .map(move |answer| {
            let answer = answer.unwrap_or_else(|_| failed(&ApiError::internal(), id));
            let begins = answer.data == Value::Null && !answer.errors.is_empty();
            let ran = !(std::mem::take(&mut first) && begins);
            Done {
                answer: masked(answer, id),
                ran,
            }
        })
}

/// An answer that is nothing but this error.
pub(super) fn failed(error: &ApiError, id: Uuid) -> Response {
    let error: async_graphql::Error = error.clone().into();
    let mut error = ServerError {
        message: error.message,
        source: None,
        locations: Vec::new(),
        path: Vec::new(),
        extensions: error.extensions,
    };
    name(&mut error, id);
    Response::from_errors(vec![error])
}

/// Puts the request's name into an error.
fn name(error: &mut ServerError, id: Uuid) {
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("requestId", id.to_string());
}

/// Leaves nothing in an answer's errors that is not meant for clients.
fn masked(mut response: Response, id: Uuid) -> Response {
    response.errors.truncate(MOST_ERRORS);
    for error in &mut response.errors {
        let ours = match error
            .extensions
            .as_ref()
            .and_then(|values| values.get("code"))
        {
            Some(Value::String(code)) => ErrorCode::ALL.iter().any(|known| known.as_str() == code),
            _ => false,
        };
        if !ours {
            mask(error, id);
        }
        name(error, id);
    }
    response
}

/// Beginnings of the library's messages that quote a value which does not fit.
const QUOTING: [&str; 5] = [
    "Failed to parse",
    "Invalid value for argument",
    "Invalid default value for argument",
    "Expected input type",
    "Variable ",
];

/// Gives a code to an error of the library, and takes from its text what a caller sent.
fn mask(error: &mut ServerError, id: Uuid) {
    let before_running = error.path.is_empty();
    let message = error.message.as_str();
    // Of variables' names alone, which stand in the document, validation speaks in quotes.
    let of_names = before_running && message.starts_with("Variable \"");
    let (code, message) = if !of_names && QUOTING.iter().any(|quoting| message.starts_with(quoting))
    {
        let message = "A variable or argument does not fit its type";
        (ErrorCode::BadUserInput, message.to_owned())
    } else if before_running && message.trim_start().starts_with("-->") {
        // The library's parser takes less than ours, and shows the line.
        (ErrorCode::ParseFailed, "Syntax error".to_owned())
    } else if before_running {
        let told = message.split(" Did you mean").next().unwrap_or("");
        (ErrorCode::ValidationFailed, told.to_owned())
    } else {
        // Without its text, which may hold anything.
        tracing::error!(request.id = %id, path = ?error.path, "an error without a code of ours reached the edge");
        (ErrorCode::InternalServerError, "Internal error".to_owned())
    };
    let coded: async_graphql::Error = ApiError::new(code, message).into();
    error.message = coded.message;
    error.extensions = coded.extensions;
    error.source = None;
}
