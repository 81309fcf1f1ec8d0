//! `POST /graphql`.

use super::document::{Kind, Limits};
use super::operation::{self, Done, Prepared};
use super::{ApiError, App, ErrorCode, content_type, from_here};
use crate::auth::{Credential, credential};
use async_graphql::indexmap::IndexMap;
use async_graphql::{Response as Answer, Value};
use async_graphql_axum::GraphQLResponse;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use uuid::Uuid;

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
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(media) = Media::accepted(&headers) else {
        let error = ApiError::new(ErrorCode::BadRequest, "Accept application/json");
        return refused(Media::Json, StatusCode::NOT_ACCEPTABLE, &error);
    };
    match answer(&app, peer.ip(), &headers, body).await {
        Ok((id, done)) => executed(media, id, done),
        Err((status, error)) => refused(media, status, &error),
    }
}

type Refused = (StatusCode, ApiError);

async fn answer(
    app: &App,
    peer: IpAddr,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Uuid, Done), Refused> {
    let offered = offered(app, headers)?;
    if content_type(headers).as_deref() != Some("application/json") {
        let error = ApiError::new(ErrorCode::BadRequest, "Send application/json");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let too_large = || {
        let error = ApiError::new(ErrorCode::BadRequest, "The request is too large");
        (StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    let body = body.map_err(|_| too_large())?;
    let malformed = |error: ApiError| match error.code {
        ErrorCode::BadRequest => (StatusCode::BAD_REQUEST, error),
        ErrorCode::Throttled => (StatusCode::TOO_MANY_REQUESTS, error),
        _ => (StatusCode::OK, error),
    };
    let asked = operation::read(&body).map_err(malformed)?;
    let document = operation::measure(&asked).map_err(malformed)?;
    let viewer = app
        .caller(peer, &offered)
        .await
        .map_err(|error| match error.code {
            ErrorCode::Throttled => (StatusCode::TOO_MANY_REQUESTS, error),
            ErrorCode::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, error),
            ErrorCode::InternalServerError => (StatusCode::INTERNAL_SERVER_ERROR, error),
            _ => (StatusCode::UNAUTHORIZED, error),
        })?;
    if !viewer.is_admin() && body.len() > Limits::USUAL.body {
        return Err(too_large());
    }
    let prepared: Prepared =
        operation::prepare(app, asked, &document, &viewer).map_err(malformed)?;
    if prepared.kind == Kind::Subscription {
        let error = ApiError::new(
            ErrorCode::OperationResolutionFailure,
            "Subscriptions run over a WebSocket, with the subprotocol graphql-transport-ws",
        );
        return Err((StatusCode::OK, error));
    }
    Ok((prepared.id, operation::run(app, prepared).await))
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
    let request_id = Uuid::now_v7();
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
fn executed(media: Media, id: Uuid, done: Done) -> Response {
    let mut answer = done.answer;
    if !done.ran {
        let status = match media {
            Media::GraphqlResponse => StatusCode::BAD_REQUEST,
            Media::Json => StatusCode::OK,
        };
        // Without `data`: nothing was run.
        let body = json!({ "errors": answer.errors }).to_string();
        return finish(media, status, body, id);
    }
    let away = failed_by_the_database(&answer);
    if answer.data == Value::Null && answer.errors.is_empty() {
        // Everything was skipped.
        answer.data = Value::Object(IndexMap::new());
    }
    let mut response = GraphQLResponse::from(answer).into_response();
    head(response.headers_mut(), media, id);
    if away {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// Whether every field of the operation itself is null because the database is away.
fn failed_by_the_database(answer: &Answer) -> bool {
    let away = Value::from(ErrorCode::ServiceUnavailable.as_str());
    let empty = match &answer.data {
        Value::Object(fields) => fields.values().all(|value| *value == Value::Null),
        data => *data == Value::Null,
    };
    empty
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| {
            let code = error.extensions.as_ref().and_then(|all| all.get("code"));
            code == Some(&away)
        })
}

fn finish(media: Media, status: StatusCode, body: String, request_id: Uuid) -> Response {
    let mut response = (status, body).into_response();
    head(response.headers_mut(), media, request_id);
    response
}

/// The headers of every answer.
fn head(headers: &mut HeaderMap, media: Media, request_id: Uuid) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media.name()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Origin"));
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}
