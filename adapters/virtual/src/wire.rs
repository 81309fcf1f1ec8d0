//! The vendor's requests and answers. Lenient in, strict out.

use chrono::{DateTime, Utc};
use portal_interface::{
    AdapterError, Answer, Code, Device, DeviceRule, ExposeSecret, RemoteAccount, Trouble, VendorId,
};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A request.
pub(crate) enum Ask<'a> {
    /// Which site the key opens.
    Site,
    /// Its locks.
    Locks,
    /// The codes of a lock.
    Codes { lock: &'a VendorId },
    /// Sets a code.
    Put { lock: &'a VendorId, code: &'a Code },
    /// Takes a code off.
    Delete { lock: &'a VendorId, label: &'a str },
}

/// Body of [`Ask::Put`].
#[derive(Serialize)]
pub(crate) struct PutCode<'a> {
    pin: &'a str,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Ask<'_> {
    /// Name of the call in the log.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Locks => "locks",
            Self::Codes { .. } => "codes",
            Self::Put { .. } => "put code",
            Self::Delete { .. } => "delete code",
        }
    }

    pub(crate) fn method(&self) -> Method {
        match self {
            Self::Site | Self::Locks | Self::Codes { .. } => Method::GET,
            Self::Put { .. } => Method::PUT,
            Self::Delete { .. } => Method::DELETE,
        }
    }

    pub(crate) fn path(&self) -> String {
        match self {
            Self::Site => "/site".to_owned(),
            Self::Locks => "/locks".to_owned(),
            Self::Codes { lock } => format!("/locks/{}/codes", segment(lock.as_str())),
            Self::Put { lock, code } => code_path(lock, &code.mark),
            Self::Delete { lock, label } => code_path(lock, label),
        }
    }

    pub(crate) fn body(&self) -> Option<PutCode<'_>> {
        let Self::Put { code, .. } = self else {
            return None;
        };
        Some(PutCode {
            pin: code.pin.expose_secret(),
            from: code.from,
            until: code.until,
        })
    }
}

fn code_path(lock: &VendorId, label: &str) -> String {
    format!("/locks/{}/codes/{}", segment(lock.as_str()), segment(label))
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// An entry of ours on a lock. Not printable: it holds the digits.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pin: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Entry {
    /// Whether it is as wanted.
    pub(crate) fn is(&self, code: &Code) -> bool {
        self.has_digits(code) && self.from == code.from && self.until == code.until
    }

    /// Whether its digits are those of the code.
    pub(crate) fn has_digits(&self, code: &Code) -> bool {
        self.pin == code.pin.expose_secret()
    }
}

#[derive(Deserialize)]
struct Site {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct LockList {
    locks: Vec<Value>,
}

#[derive(Deserialize)]
struct Lock {
    id: String,
    name: String,
    online: Option<bool>,
    rules: Vec<DeviceRule>,
}

#[derive(Deserialize)]
struct CodeList {
    codes: Vec<Value>,
}

#[derive(Deserialize)]
struct Label {
    label: String,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
}

/// Reads the answer to [`Ask::Site`].
pub(crate) fn site(body: &[u8]) -> Result<RemoteAccount, AdapterError> {
    let site: Site = decode(body, "site")?;
    Ok(RemoteAccount {
        key: id(site.id, "site.id")?,
        name: site.name,
        zone: None,
    })
}

/// Reads the answer to [`Ask::Locks`].
pub(crate) fn devices(body: &[u8]) -> Result<Vec<Device>, AdapterError> {
    let list: LockList = decode(body, "locks")?;
    let device = |(n, value)| {
        let lock: Lock = pick(value, || format!("locks[{n}]"))?;
        Ok(Device {
            id: id(lock.id, &format!("locks[{n}].id"))?,
            name: lock.name,
            online: lock.online,
            rules: lock.rules,
        })
    };
    list.locks.into_iter().enumerate().map(device).collect()
}

/// Reads the answer to [`Ask::Codes`], by label. Only of entries that are `ours` more is read than
/// the label: others' may look as they like.
pub(crate) fn entries(
    body: &[u8],
    ours: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Entry>, AdapterError> {
    let list: CodeList = decode(body, "codes")?;
    let mut entries = BTreeMap::new();
    for (n, value) in list.codes.into_iter().enumerate() {
        let at = || format!("codes[{n}]");
        let Label { label } = pick(value.clone(), at)?;
        if ours(&label) {
            entries.insert(label, pick(value, at)?);
        }
    }
    Ok(entries)
}

/// The vendor's word for what is wrong.
pub(crate) fn problem(answer: &Answer) -> Option<String> {
    let problem: Problem = serde_json::from_slice(&answer.body).ok()?;
    Some(problem.error)
}

/// What an answer means that does not do what was asked.
pub(crate) fn error(answer: &Answer) -> AdapterError {
    match answer.status {
        401 => AdapterError::Unauthorized,
        429 => AdapterError::RateLimited {
            retry_after: answer.retry_after,
        },
        400..=499 => AdapterError::Declined { said: None },
        500..=599 => AdapterError::Unreachable(Trouble::Status(answer.status)),
        // Redirects too: nothing of the vendor's lies elsewhere.
        _ => AdapterError::Unreadable {
            at: "status".to_owned(),
        },
    }
}

fn decode<T: DeserializeOwned>(body: &[u8], at: &str) -> Result<T, AdapterError> {
    serde_json::from_slice(body).map_err(|_| unreadable(at))
}

fn pick<T: DeserializeOwned>(value: Value, at: impl Fn() -> String) -> Result<T, AdapterError> {
    serde_json::from_value(value).map_err(|_| unreadable(&at()))
}

fn id(text: String, at: &str) -> Result<VendorId, AdapterError> {
    VendorId::new(text).ok_or_else(|| unreadable(at))
}

fn unreadable(at: &str) -> AdapterError {
    AdapterError::Unreadable { at: at.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stays_one_segment_of_the_path() {
        assert_eq!(segment("portal:0a-1"), "portal:0a-1");
        assert_eq!(segment("a/b?c ü"), "a%2Fb%3Fc%20%C3%BC");
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_place_alone() {
        let at = |result: Result<_, AdapterError>| result.err().map(|error| error.to_string());
        let expected = |at: &str| Some(format!("the vendor's answer could not be read at {at}"));
        assert_eq!(
            at(devices(b"<html>1234</html>").map(drop)),
            expected("locks")
        );
        assert_eq!(
            at(devices(br#"{"locks":[{"id":"1","name":"A","rules":[{"MAGIC":1}]}]}"#).map(drop)),
            expected("locks[0]")
        );
        assert_eq!(
            at(site(br#"{"id":"","name":"A"}"#).map(drop)),
            expected("site.id")
        );
        let codes = br#"{"codes":[{"label":"staff","pin":7},{"label":"portal:1","pin":1234}]}"#;
        assert_eq!(
            at(entries(codes, |label| label.starts_with("portal:")).map(drop)),
            expected("codes[1]")
        );
        assert_eq!(at(entries(codes, |_| false).map(drop)), None);
    }

    #[test]
    fn each_status_means_one_thing() {
        let means = |status| {
            error(&Answer {
                status,
                body: Vec::new(),
                retry_after: None,
            })
        };
        let declined = AdapterError::Declined { said: None };
        assert_eq!(means(401), AdapterError::Unauthorized);
        assert_eq!(means(403), declined);
        assert_eq!(means(404), declined);
        let limited = AdapterError::RateLimited { retry_after: None };
        assert_eq!(means(429), limited);
        assert_eq!(means(503), AdapterError::Unreachable(Trouble::Status(503)));
        assert_eq!(
            means(302),
            AdapterError::Unreadable {
                at: "status".to_owned()
            }
        );
    }
}
