//! Who is calling, and what they may do.

pub mod password;
mod sign_in;
mod viewer;

use crate::edge::{ApiError, ErrorCode};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{PropertyId, Role};
use portal_store::{Db, api_key, membership, property, session, user};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use subtle::ConstantTimeEq;

pub use sign_in::{confirm, form, sign_in, sign_out};
pub use viewer::{Caller, MembershipOf, Viewer};

/// A session ends after so long whatever happens.
pub(crate) const SESSION: Duration = Duration::hours(12);
/// A session of somebody with the Apps tab ends after so long without use.
const IDLE_ADMIN: Duration = Duration::minutes(30);
/// Anybody else's.
const IDLE: Duration = Duration::hours(8);
/// How exactly the last use of a session or key is noted.
const TOUCH: Duration = Duration::minutes(1);

/// What a request offers to show who is calling.
#[derive(Clone)]
pub enum Credential {
    /// A session cookie.
    Session(SecretString),
    /// A key in the `Authorization` header.
    Key(SecretString),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Session(_) => "Session",
            Self::Key(_) => "Key",
        })
    }
}

/// Name of the session cookie. Behind https the prefix makes browsers keep it to this host.
pub(crate) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-portal" } else { "portal" }
}

/// The credential of a request. With a key no cookie is read.
pub fn credential(headers: &HeaderMap, secure: bool) -> Option<Credential> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let key = value.to_str().ok().and_then(bearer)?;
        return Some(Credential::Key(key));
    }
    let name = cookie_name(secure);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| Credential::Session(value.into()))
}

/// The key in the text of an `Authorization` header.
pub(crate) fn bearer(text: &str) -> Option<SecretString> {
    let (scheme, key) = text.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then(|| key.into())
}

fn unauthenticated() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "Sign in, or send a valid key")
}

/// Finds out who is calling, and notes that the credential was used. The same answer for a wrong,
/// ended and revoked credential.
pub async fn authenticate(
    db: &Db,
    credential: &Credential,
    now: DateTime<Utc>,
) -> Result<Viewer, ApiError> {
    let (viewer, last_used) = look_up(db, credential, now).await?;
    if last_used.is_none_or(|last| now - last > TOUCH) {
        let mut tx = db.begin().await?;
        match viewer.caller {
            Caller::Person { session, .. } => session::touch(&mut tx, session, now).await?,
            Caller::Key { key, .. } => api_key::touch(&mut tx, key, now).await?,
        };
        tx.commit().await?;
    }
    Ok(viewer)
}

/// Finds out who is calling. A socket that is only open does not use its credential.
pub(crate) async fn look_again(
    db: &Db,
    credential: &Credential,
    now: DateTime<Utc>,
) -> Result<Viewer, ApiError> {
    Ok(look_up(db, credential, now).await?.0)
}

type Found = (Viewer, Option<DateTime<Utc>>);

async fn look_up(db: &Db, credential: &Credential, now: DateTime<Utc>) -> Result<Found, ApiError> {
    match credential {
        Credential::Session(token) => by_session(db, token, now).await,
        Credential::Key(key) => by_key(db, key, now).await,
    }
}

async fn by_session(db: &Db, token: &SecretString, now: DateTime<Utc>) -> Result<Found, ApiError> {
    let mut conn = db.read().await?;
    let found = session::by_token(&mut conn, &hash(token)).await?;
    let session = found
        .filter(|session| *session.expires_at > now)
        .ok_or_else(unauthenticated)?;
    let person = user::by_id(&mut conn, session.user_id)
        .await?
        .filter(|user| user.disabled_at.is_none())
        .ok_or_else(unauthenticated)?;
    let rows = membership::of_user(&mut conn, person.id).await?;
    let memberships: Vec<MembershipOf> = rows
        .iter()
        .map(|row| MembershipOf {
            id: row.id,
            organization: row.organization_id,
            property: row.property_id,
            role: row.role,
        })
        .collect();
    let mut roles: Vec<(PropertyId, Role)> = Vec::new();
    for row in &memberships {
        match row.property {
            Some(property) => roles.push((property, row.role)),
            None => {
                let all = property::ids_of(&mut conn, &[row.organization]).await?;
                roles.extend(all.into_iter().map(|property| (property, row.role)));
            }
        }
    }
    drop(conn);
    let viewer = Viewer {
        name: person.name,
        caller: Caller::Person {
            user: person.id,
            session: session.id,
            signed_in_at: *session.signed_in_at,
            memberships,
        },
        roles,
    };
    let idle = if viewer.is_admin() { IDLE_ADMIN } else { IDLE };
    if now - *session.last_seen_at > idle {
        return Err(unauthenticated());
    }
    Ok((viewer, Some(*session.last_seen_at)))
}

/// The beginning of a key, by which it is found; empty when it is no key.
pub(crate) fn prefix(key: &SecretString) -> &str {
    key.expose_secret()
        .strip_prefix("ptl_")
        .and_then(|rest| rest.split_once('_'))
        .map(|(prefix, _)| prefix)
        .filter(|prefix| prefix.len() <= 20)
        .unwrap_or_default()
}

async fn by_key(db: &Db, key: &SecretString, now: DateTime<Utc>) -> Result<Found, ApiError> {
    let prefix = prefix(key);
    if prefix.is_empty() {
        return Err(unauthenticated());
    }
    let mut conn = db.read().await?;
    let found = api_key::by_prefix(&mut conn, prefix).await?;
    drop(conn);
    let good = |row: &api_key::ApiKey| {
        bool::from(row.key_hash.as_slice().ct_eq(&hash(key)))
            && row.revoked_at.is_none()
            && *row.expires_at > now
    };
    let row = found.filter(good).ok_or_else(unauthenticated)?;
    let last_used = row.last_used_at.map(DateTime::from);
    let viewer = Viewer {
        caller: Caller::Key {
            key: row.id,
            property: row.property_id,
            permissions: row.permissions(),
        },
        name: row.name,
        roles: Vec::new(),
    };
    Ok((viewer, last_used))
}

/// The hash under which a token or key is stored. They are random, so no salt is needed.
pub(crate) fn hash(secret: &SecretString) -> Vec<u8> {
    Sha256::digest(secret.expose_secret().as_bytes()).to_vec()
}

/// 256 random bits as text.
pub(crate) fn random_token() -> SecretString {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("without random numbers from the system no session is safe");
    BASE64.encode(bytes).into()
}

/// A new key for a program: the whole key, its prefix and the hash to store.
pub(crate) fn new_key() -> (SecretString, String, Vec<u8>) {
    let mut bytes = [0_u8; 5];
    getrandom::fill(&mut bytes).expect("without random numbers from the system no key is safe");
    let prefix = hex(&bytes);
    let secret = random_token();
    let key: SecretString = format!("ptl_{prefix}_{}", secret.expose_secret()).into();
    let hash = hash(&key);
    (key, prefix, hash)
}

/// Bytes as text.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
