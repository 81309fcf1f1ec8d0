//! Signing in and out: plain HTTP under `/auth`, a form for people and JSON for the front end.

use super::{
    Caller, Credential, SESSION, authenticate, cookie_name, credential, hash, password,
    random_token,
};
use crate::edge::{App, content_type, from_here};
use axum::Form;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use chrono::Duration;
use portal_store::{DbError, rate, session, user};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::net::SocketAddr;

/// The sign-in page loads nothing and may be framed by nobody.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a person gives to sign in.
#[derive(Deserialize)]
pub(super) struct SignIn {
    email: String,
    password: SecretString,
    /// Where to go afterwards: a path of this server.
    next: Option<String>,
}

/// Where to go after signing in.
#[derive(Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// The sign-in page.
pub async fn form(Query(query): Query<Next>) -> Response {
    page(StatusCode::OK, query.next.as_deref(), None)
}

fn page(status: StatusCode, next: Option<&str>, wrong: Option<&str>) -> Response {
    let next = local(next);
    let wrong = wrong.map_or_else(String::new, |text| format!("<p role=\"alert\">{text}</p>"));
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign in to Portal</title>\
         <style>body{{font:16px sans-serif;max-width:22em;margin:15vh auto}}\
         label,input,button{{display:block;width:100%;box-sizing:border-box;margin:.4em 0;padding:.4em}}</style>\
         <h1>Portal</h1>{wrong}<form method=\"post\" action=\"/auth/sign-in\">\
         <input type=\"hidden\" name=\"next\" value=\"{next}\">\
         <label>E-mail <input name=\"email\" type=\"email\" autocomplete=\"username\" required></label>\
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         <button type=\"submit\">Sign in</button></form></html>"
    );
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(body)).into_response()
}

/// A path of this server made of plain characters, or GraphiQL's.
fn local(next: Option<&str>) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    next.filter(|path| path.starts_with('/') && !path.starts_with("//") && path.chars().all(plain))
        .unwrap_or("/graphiql")
}

/// Signs a person in: by form or by JSON.
pub async fn sign_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !from_here(&headers, &app.origin) {
        return (StatusCode::FORBIDDEN, "This page belongs to another site.").into_response();
    }
    let is_form = content_type(&headers).as_deref() == Some("application/x-www-form-urlencoded");
    let given = if is_form {
        let request = axum::http::Request::builder()
            .method("POST")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(body));
        match request {
            Ok(request) => {
                use axum::extract::FromRequest;
                Form::<SignIn>::from_request(request, &())
                    .await
                    .ok()
                    .map(|form| form.0)
            }
            Err(_) => None,
        }
    } else if content_type(&headers).as_deref() == Some("application/json") {
        serde_json::from_slice(&body).ok()
    } else {
        let text = "Send a form or application/json.";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    };
    let Some(given) = given else {
        return (StatusCode::BAD_REQUEST, "Send email and password.").into_response();
    };
    let next = given.next.clone();
    match begin(&app, peer, given).await {
        Ok(Began::Session { token, name }) => {
            let cookie = set_cookie(&app, &token, SESSION);
            if is_form {
                let to = local(next.as_deref()).to_owned();
                let headers = [(SET_COOKIE, cookie), (LOCATION, to)];
                return (StatusCode::SEE_OTHER, headers).into_response();
            }
            let body = serde_json::json!({ "name": name }).to_string();
            ([(SET_COOKIE, cookie)], json(body)).into_response()
        }
        Ok(Began::Wrong) => refused(
            is_form,
            StatusCode::UNAUTHORIZED,
            next.as_deref(),
            "E-mail or password is wrong.",
        ),
        Ok(Began::TooMany) => refused(
            is_form,
            StatusCode::TOO_MANY_REQUESTS,
            next.as_deref(),
            "Too many attempts. Wait a minute and try again.",
        ),
        Err(_) => refused(
            is_form,
            StatusCode::SERVICE_UNAVAILABLE,
            next.as_deref(),
            "Portal cannot reach its database. Try again in a minute.",
        ),
    }
}

fn json(body: String) -> Response {
    ([("content-type", "application/json; charset=utf-8")], body).into_response()
}

fn refused(is_form: bool, status: StatusCode, next: Option<&str>, text: &str) -> Response {
    if is_form {
        return page(status, next, Some(text));
    }
    (
        status,
        json(serde_json::json!({ "message": text }).to_string()),
    )
        .into_response()
}

enum Began {
    Session { token: SecretString, name: String },
    Wrong,
    TooMany,
}

async fn begin(app: &App, peer: SocketAddr, given: SignIn) -> Result<Began, DbError> {
    let now = app.env.now();
    let email = given.email.trim().to_lowercase();
    let mut tx = app.env.db.begin().await?;
    // Five a minute for an account, twenty for an address it is tried from.
    let account = format!("sign-in:{}", super::hex(&hash(&email.as_str().into())));
    let mut may = rate::take(&mut tx, &account, now, Duration::seconds(12), 5).await?;
    let address = format!("sign-in-from:{}", peer.ip());
    may &= rate::take(&mut tx, &address, now, Duration::seconds(3), 20).await?;
    tx.commit().await?;
    if !may {
        return Ok(Began::TooMany);
    }
    let mut conn = app.env.db.read().await?;
    let found = user::by_email(&mut conn, &email).await?;
    drop(conn);
    let person = found.filter(|user| user.disabled_at.is_none());
    let stored = person.as_ref().map(|user| user.password_hash.clone());
    let right = password::matches(given.password, stored).await;
    let (Some(person), true) = (person, right) else {
        return Ok(Began::Wrong);
    };
    let token = random_token();
    let mut tx = app.env.db.begin().await?;
    session::create(&mut tx, person.id, &hash(&token), now, now + SESSION).await?;
    session::prune(&mut tx, now).await?;
    tx.commit().await?;
    Ok(Began::Session {
        token,
        name: person.name,
    })
}

fn set_cookie(app: &App, token: &SecretString, age: Duration) -> String {
    let secure = if app.secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        cookie_name(app.secure),
        token.expose_secret(),
        age.num_seconds(),
    )
}

/// Ends the session of the caller.
pub async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Response {
    if !from_here(&headers, &app.origin) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if let Some(Credential::Session(token)) = credential(&headers, app.secure) {
        let ended = async {
            let mut tx = app.env.db.begin().await?;
            if let Some(session) = session::by_token(&mut tx, &hash(&token)).await? {
                session::end(&mut tx, session.id).await?;
            }
            tx.commit().await
        };
        if ended.await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let cookie = set_cookie(&app, &"".into(), Duration::zero());
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}

/// The password once more: what asks for a recent sign-in goes on.
#[derive(Deserialize)]
pub(super) struct Confirm {
    password: SecretString,
}

/// Takes the password of the person who is signed in once more.
pub async fn confirm(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let now = app.env.now();
    if !from_here(&headers, &app.origin)
        || content_type(&headers).as_deref() != Some("application/json")
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(offered @ Credential::Session(_)) = credential(&headers, app.secure) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Ok(given) = serde_json::from_slice::<Confirm>(&body) else {
        return (StatusCode::BAD_REQUEST, "Send password.").into_response();
    };
    let Ok(viewer) = authenticate(&app.env.db, &offered, now).await else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Caller::Person { user, session, .. } = &viewer.caller else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let confirmed = async {
        let mut tx = app.env.db.begin().await?;
        let gate = format!("confirm:{user}");
        let may = rate::take(&mut tx, &gate, now, Duration::seconds(12), 5).await?;
        tx.commit().await?;
        let mut conn = app.env.db.read().await?;
        let stored = user::by_id(&mut conn, *user)
            .await?
            .map(|user| user.password_hash);
        drop(conn);
        if !may || !password::matches(given.password, stored).await {
            return Ok(false);
        }
        let mut tx = app.env.db.begin().await?;
        session::confirm(&mut tx, *session, now).await?;
        tx.commit().await?;
        Ok::<bool, DbError>(true)
    };
    match confirmed.await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => (StatusCode::UNAUTHORIZED, "The password is wrong.").into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
