//! What Mews delivers by webhook, read without keeping more than is looked for.
//!
//! `IntegrationCreated` and `IntegrationApiKeyCreated` carry an access token in clear (Mews
//! documentation, `events/wh-integration.md`). Their members are passed over by the parser and
//! never copied, so that no value here can hold one.

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
/// Longest text that is kept: every word and identifier of Mews's fits.
const LONGEST: usize = 64;

/// A value of a delivery. Not printable: what a stranger sends stands in no log.
pub(crate) enum Told {
    Text(String),
    List(Vec<Told>),
    /// Its known members, in their order.
    Object(Vec<(&'static str, Told)>),
    /// A number, a switch, null or a text too long to matter.
    Other,
}

impl Told {
    /// The body as JSON. Known members nested beyond serde's limit of 128 are refused.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Bad> {
        serde_json::from_slice(body).map_err(|_| Bad("$".to_owned()))
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

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
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
        while let Some(Name(known)) = object.next_key()? {
            match known {
                Some(name) => members.push((name, object.next_value()?)),
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Told::Object(members))
    }
}

/// The name of a member, if it is one that is looked for.
struct Name(Option<&'static str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NameReader;
        impl Visitor<'_> for NameReader {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(Name(MEMBERS.iter().copied().find(|name| *name == text)))
            }
        }
        from.deserialize_str(NameReader)
    }
}
