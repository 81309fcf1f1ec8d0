//! Whose data a call is about, and the secrets it needs.

use portal_domain::IntegrationId;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// An identifier of the vendor's: opaque text of 1 to 255 bytes, compared byte by byte.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct VendorId(String);

impl VendorId {
    /// Takes the text as it is. `None` when it is empty or longer than 255 bytes.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (1..=255).contains(&text.len()).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VendorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The values of an app's form, by key. Nothing of it can be printed.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// Adds or replaces a value.
    pub fn set(&mut self, key: impl Into<String>, value: SecretString) {
        self.0.insert(key.into(), value);
    }

    /// The value of a field.
    pub fn get(&self, key: &str) -> Option<&SecretString> {
        self.0.get(key)
    }

    /// Whether a toggle is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value.expose_secret() == "true")
    }

    /// Keys and values, in the order of their keys, for sealing.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Status and request id of the vendor's last answer, noted by [`crate::Http`].
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<(u16, Option<String>)>>);

impl Seen {
    /// Notes an answer.
    pub fn note(&self, status: u16, request_id: Option<String>) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some((status, request_id));
    }

    /// The last answer's status and the vendor's number for the request.
    pub fn last(&self) -> Option<(u16, Option<String>)> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

/// An account at the vendor, opened just before a call and dropped after it.
#[derive(Debug)]
pub struct Account {
    /// The integration the call is made for.
    pub integration: IntegrationId,
    /// What opens the account.
    pub credentials: Credentials,
    /// Which account it is; `None` only while connecting.
    pub key: Option<VendorId>,
    /// What the vendor answered last.
    pub seen: Seen,
}

impl Account {
    /// An account not yet called.
    pub fn new(
        integration: IntegrationId,
        credentials: Credentials,
        key: Option<VendorId>,
    ) -> Self {
        Self {
            integration,
            credentials,
            key,
            seen: Seen::default(),
        }
    }
}

/// The account credentials open. `key` is unique per app and the same after a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAccount {
    /// The vendor's identifier of the account.
    pub key: VendorId,
    /// Its name there.
    pub name: String,
    /// Its time zone; `None` when the vendor gives none or an unknown name.
    pub zone: Option<chrono_tz::Tz>,
}

/// What credentials open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opens {
    /// Exactly one account.
    One(RemoteAccount),
    /// Several, as a portfolio token does. Refused when connecting.
    Several,
}

/// A right that an account may lack although its credentials are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Storing PINs on reservations.
    StorePins,
}
