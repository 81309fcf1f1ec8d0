//! What Mews delivers by webhook, read without keeping more than is looked for.
//!
//! `IntegrationCreated` and `IntegrationApiKeyCreated` carry an access token in clear (Mews
//! documentation, `events/wh-integration.md`). Their members are passed over by the parser and
//! never copied, so that no value here can hold one: it is only noted that one was there.

use super::{Bad, guid};
use portal_interface::VendorId;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The members that are looked for, at whatever depth; all others are passed over.
const MEMBERS: &[&str] = &[
    "Action",
    "Data",
    "Discriminator",
    "Enterprise",
    "EnterpriseId",
    "Events",
    "Id",
    "Integration",
    "IntegrationId",
    "Value",
];
/// Members that hold a secret.
const SECRETS: &[&str] = &["AccessToken", "ApiKey"];
/// Longest text that is kept: every word and identifier of Mews's fits.
const LONGEST: usize = 64;

/// A value of a delivery. Not printable: what a stranger sends stands in no log.
pub(crate) enum Told {
    Text(String),
    List(Vec<Told>),
    /// Its known members, in their order.
    Object(Vec<(&'static str, Told)>),
    /// A secret that was passed over.
    Secret,
    /// A number, a switch, null or a text too long to matter.
    Other,
}

impl Told {
    /// The body as JSON. Known members nested beyond serde's limit of 128 are refused.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Bad> {
        serde_json::from_slice(body).map_err(|_| Bad::json())
    }

    /// A member of an object. The last of several wins, as with most readers of JSON.
    pub(crate) fn member(&self, name: &str) -> &Self {
        const NOTHING: &Told = &Told::Other;
        match self {
            Self::Object(members) => {
                let mut from_behind = members.iter().rev();
                let found = from_behind.find(|(known, _)| *known == name);
                found.map_or(NOTHING, |(_, value)| value)
            }
            _ => NOTHING,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The names of the members of an object that hold a secret, each once.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &'static str> {
        let held = |name: &&str| matches!(self.member(name), Self::Secret);
        SECRETS.iter().copied().filter(held)
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An identifier of Mews's.
    pub(crate) fn id(&self) -> Option<VendorId> {
        self.text().and_then(guid)
    }
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Told, E> {
        Ok(if text.len() <= LONGEST {
            Told::Text(text.to_owned())
        } else {
            Told::Other
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Told, E> {
        Ok(Told::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Told, E> {
        Ok(Told::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Told, E> {
        Ok(Told::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Told, E> {
        Ok(Told::Other)
    }

    fn visit_unit<E>(self) -> Result<Told, E> {
        Ok(Told::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Told, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Told::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Told, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = object.next_key()? {
            match name {
                Name::Known(name) => members.push((name, object.next_value()?)),
                Name::Secret(name) => {
                    let is_set = object.next_value::<Option<IgnoredAny>>()?.is_some();
                    members.push((name, if is_set { Told::Secret } else { Told::Other }));
                }
                Name::Other => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Told::Object(members))
    }
}

/// The name of a member.
enum Name {
    /// One that is looked for.
    Known(&'static str),
    /// One whose value is a secret.
    Secret(&'static str),
    Other,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NameReader;
        impl Visitor<'_> for NameReader {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                let of = |names: &[&'static str]| names.iter().copied().find(|name| *name == text);
                let known = of(MEMBERS).map(Name::Known);
                let name = known.or_else(|| of(SECRETS).map(Name::Secret));
                Ok(name.unwrap_or(Name::Other))
            }
        }
        from.deserialize_str(NameReader)
    }
}
