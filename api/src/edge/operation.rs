//! Runs one operation for a caller, the same over HTTP and over a socket.

use super::document::{self, Kind, Limits};
use super::{ApiError, App, ErrorCode};
use crate::auth::Viewer;
use crate::graphql::request_data;
use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_util::{FutureExt, Stream, StreamExt};
use serde::Deserialize;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Most errors in an answer.
const MOST_ERRORS: usize = 20;

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
        Some(text) if !text.is_empty() => document::read(text),
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
    let kind = document.choose(asked.operation_name.as_deref(), &limits, admin)?;
    let variables = asked.variables.unwrap_or_default();
    let mut request = Request::new(asked.query.unwrap_or_default())
        .variables(Variables::from_json(serde_json::Value::Object(variables)));
    request.operation_name = asked.operation_name;
    request.data = request_data(&app.env);
    request.data.insert(viewer.clone());
    Ok(Prepared {
        kind,
        limits,
        request,
    })
}

/// Runs a query or mutation: within its time, and whatever it does.
pub(super) async fn run(app: &App, prepared: Prepared) -> Response {
    let time = Duration::from_secs(prepared.limits.seconds);
    let run = AssertUnwindSafe(app.schema.execute(prepared.request)).catch_unwind();
    let response = match tokio::time::timeout(time, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => failed(&ApiError::internal()),
        Err(_) => failed(&ApiError::new(
            ErrorCode::ExecutionTimeout,
            "It took too long",
        )),
    };
    masked(response)
}

/// Runs a subscription.
pub(super) fn follow(app: &App, prepared: Prepared) -> impl Stream<Item = Response> + Send + use<> {
    app.schema.execute_stream(prepared.request).map(masked)
}

/// An answer that is nothing but this error.
pub(super) fn failed(error: &ApiError) -> Response {
    let error: async_graphql::Error = error.clone().into();
    let error = ServerError {
        message: error.message,
        source: None,
        locations: Vec::new(),
        path: Vec::new(),
        extensions: error.extensions,
    };
    Response::from_errors(vec![error])
}

/// Leaves nothing in an answer's errors that is not meant for clients.
fn masked(mut response: Response) -> Response {
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
            mask(error);
        }
    }
    response
}

/// Gives a code to an error of the library, and takes from its text what a caller sent.
fn mask(error: &mut ServerError) {
    let before_running = error.path.is_empty();
    let (code, message) = if error.message.starts_with("Failed to parse")
        || error.message.starts_with("Invalid value for argument")
        || error.message.starts_with("Variable")
    {
        // These quote the value that does not fit.
        let message = "A variable or argument does not fit its type";
        (ErrorCode::BadUserInput, message.to_owned())
    } else if before_running {
        let told = error.message.split(" Did you mean").next().unwrap_or("");
        (ErrorCode::ValidationFailed, told.to_owned())
    } else {
        tracing::error!("an error without a code of ours reached the edge");
        (ErrorCode::InternalServerError, "Internal error".to_owned())
    };
    let coded: async_graphql::Error = ApiError::new(code, message).into();
    error.message = coded.message;
    error.extensions = coded.extensions;
    error.source = None;
}
