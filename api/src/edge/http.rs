//! `POST /graphql`.

use super::operation::{self, Prepared};
use super::{ApiError, App, ErrorCode, content_type, document::Kind, from_here};
use crate::auth::{Credential, authenticate, credential};
use async_graphql::Response as Answer;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Any of these shows that a page of ours sent the request: a form of another site cannot set one.
const CSRF: [&str; 2] = ["x-portal-csrf", "apollo-require-preflight"];

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: 200 for whatever GraphQL itself has to say.
    Json,
    /// `application/graphql-response+json`: 400 when nothing was run.
    GraphqlResponse,
}

impl Media {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    /// What the caller accepts most. `None`: nothing we have.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else {
            return Some(Self::Json);
        };
        let mut best: Option<(f32, Self)> = None;
        for part in accept.split(',') {
            let mut parts = part.split(';').map(str::trim);
            let media = match parts.next().unwrap_or_default() {
                "application/graphql-response+json" => Self::GraphqlResponse,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let quality = parts
                .find_map(|parameter| parameter.strip_prefix("q="))
                .and_then(|quality| quality.parse().ok())
                .unwrap_or(1.0);
            if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, media));
            }
        }
        best.map(|(_, media)| media)
    }
}

/// `POST /graphql`: asks for a credential first, then reads, measures, finds out who is calling and
/// runs.
pub(super) async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(media) = Media::accepted(&headers) else {
        let error = ApiError::new(ErrorCode::BadRequest, "Accept application/json");
        return refused(Media::Json, StatusCode::NOT_ACCEPTABLE, &error);
    };
    match answer(&app, &headers, body).await {
        Ok(answer) => executed(media, &answer),
        Err((status, error)) => refused(media, status, &error),
    }
}

type Refused = (StatusCode, ApiError);

async fn answer(
    app: &App,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Answer, Refused> {
    let offered = offered(app, headers)?;
    if content_type(headers) != Some("application/json") {
        let error = ApiError::new(ErrorCode::BadRequest, "Send application/json");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let body = body.map_err(|_| {
        let error = ApiError::new(ErrorCode::BadRequest, "The request is too large");
        (StatusCode::PAYLOAD_TOO_LARGE, error)
    })?;
    let malformed = |error: ApiError| match error.code {
        ErrorCode::BadRequest => (StatusCode::BAD_REQUEST, error),
        _ => (StatusCode::OK, error),
    };
    let asked = operation::read(&body).map_err(malformed)?;
    let document = operation::measure(&asked).map_err(malformed)?;
    let viewer = authenticate(&app.env.db, &offered, app.env.now())
        .await
        .map_err(|error| match error.code {
            ErrorCode::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, error),
            ErrorCode::InternalServerError => (StatusCode::INTERNAL_SERVER_ERROR, error),
            _ => (StatusCode::UNAUTHORIZED, error),
        })?;
    let prepared: Prepared =
        operation::prepare(app, asked, &document, &viewer).map_err(malformed)?;
    if prepared.kind == Kind::Subscription {
        let error = ApiError::new(
            ErrorCode::OperationResolutionFailure,
            "Subscriptions run over a WebSocket, with the subprotocol graphql-transport-ws",
        );
        return Err((StatusCode::OK, error));
    }
    Ok(operation::run(app, prepared).await)
}

/// The credential a request offers, if a page of ours or a program offers it.
fn offered(app: &App, headers: &HeaderMap) -> Result<Credential, Refused> {
    let Some(offered) = credential(headers, app.secure) else {
        let error = ApiError::new(ErrorCode::Unauthenticated, "Sign in, or send a valid key");
        return Err((StatusCode::UNAUTHORIZED, error));
    };
    if matches!(offered, Credential::Session(_)) {
        let shown = CSRF.iter().any(|name| headers.contains_key(*name));
        if !shown || !from_here(headers, &app.origin) {
            let error = ApiError::new(
                ErrorCode::CsrfBlocked,
                "With a cookie send the header X-Portal-CSRF, from a page of this server",
            );
            return Err((StatusCode::FORBIDDEN, error));
        }
    }
    Ok(offered)
}

/// Every method but POST, and GET for sockets.
pub(super) async fn other_method() -> Response {
    let error = ApiError::new(ErrorCode::BadRequest, "Send POST");
    let mut response = refused(Media::Json, StatusCode::METHOD_NOT_ALLOWED, &error);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST, GET"));
    response
}

/// A request that was not run.
pub(super) fn refused(media: Media, status: StatusCode, error: &ApiError) -> Response {
    // What GraphQL itself has to say: the same status as ever for old clients, 400 for new ones.
    let status = match (status, media) {
        (StatusCode::OK, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (status, _) => status,
    };
    let request_id = uuid::Uuid::now_v7();
    let body = json!({
        "errors": [{
            "message": error.message,
            "extensions": { "code": error.code.as_str(), "requestId": request_id },
        }]
    });
    let mut response = finish(media, status, body.to_string(), request_id);
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}

/// A request that was run, or refused by the library's validation.
fn executed(media: Media, answer: &Answer) -> Response {
    let request_id = uuid::Uuid::now_v7();
    let not_run = answer.data == async_graphql::Value::Null
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| error.path.is_empty());
    let status = if not_run && media == Media::GraphqlResponse {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let body = body(answer, not_run);
    finish(media, status, body, request_id)
}

/// The text of an answer: without `data` when nothing was run.
pub(super) fn body(answer: &Answer, not_run: bool) -> String {
    let mut value = serde_json::to_value(answer).unwrap_or_default();
    if let (true, Some(members)) = (not_run, value.as_object_mut()) {
        members.remove("data");
    }
    value.to_string()
}

fn finish(media: Media, status: StatusCode, body: String, request_id: uuid::Uuid) -> Response {
    let id = HeaderValue::from_str(&request_id.to_string());
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media.name())),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (VARY, HeaderValue::from_static("Accept, Origin")),
        (
            HeaderName::from_static("x-request-id"),
            id.unwrap_or_else(|_| HeaderValue::from_static("")),
        ),
    ];
    (status, headers, body).into_response()
}
