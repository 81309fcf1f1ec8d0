//! Sealing of tokens and PINs. The only file that names the cipher.
//!
//! Values are sealed with data keys (XChaCha20-Poly1305, random nonce), data keys are wrapped with
//! key-encryption keys that the operator holds. There is no plaintext mode.
//!
//! | what | bytes |
//! |---|---|
//! | sealed value | version 1 · data key id 16 · nonce 24 · ciphertext · tag 16 |
//! | wrapped data key | key-encryption key id 4 · nonce 24 · key 32 · tag 16 |
//!
//! Table, column, property, row and data key are authenticated with a value, so that it opens
//! nowhere but where it was stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use portal_domain::{DataKeyId, PropertyId};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;
use std::sync::Arc;
use uuid::Uuid;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEK_ID: usize = 4;
const NONCE: usize = 24;
const KEY: usize = 32;

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is no list of keys.
    #[error(
        "a key is written ID:BASE64, where ID is 4 letters or digits and BASE64 holds 32 bytes; several are separated by commas"
    )]
    Malformed,
    /// The value was sealed with a key that is not loaded.
    #[error("the key {0} that sealed this database is not among the keys given")]
    Missing(String),
    /// The key of this id is another than the one that sealed.
    #[error("the key {0} is not the one that sealed this database")]
    Wrong(String),
    /// The value was changed, cut or moved.
    #[error("a sealed value cannot be opened")]
    Broken,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) property: PropertyId,
    pub(crate) row: Uuid,
}

/// A data key, opened for use.
pub(crate) struct DataKey {
    id: DataKeyId,
    key: SecretBox<[u8; KEY]>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DataKey").field(&self.id).finish()
    }
}

/// The operator's key-encryption keys. The first one wraps; all of them open.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<Vec<(String, SecretBox<[u8; KEY]>)>>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|(id, _)| id))
            .finish()
    }
}

impl Sealer {
    /// Reads keys written `ID:BASE64`, separated by commas or line breaks, the newest first.
    pub fn parse(text: &SecretString) -> Result<Self, SealError> {
        let keys = text
            .expose_secret()
            .split([',', '\n'])
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .map(|key| {
                let (id, key) = key.split_once(':').ok_or(SealError::Malformed)?;
                let bytes = Zeroizing::new(BASE64.decode(key).map_err(|_| SealError::Malformed)?);
                let key: [u8; KEY] = bytes
                    .as_slice()
                    .try_into()
                    .map_err(|_| SealError::Malformed)?;
                let well_named =
                    id.len() == KEK_ID && id.bytes().all(|b| b.is_ascii_alphanumeric());
                well_named
                    .then(|| (id.to_owned(), SecretBox::new(Box::new(key))))
                    .ok_or(SealError::Malformed)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealError::Malformed);
        }
        Ok(Self {
            keys: Arc::new(keys),
        })
    }

    /// A new key-encryption key in the form [`Self::parse`] reads.
    pub fn generate() -> Result<SecretString, SealError> {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let key = random::<KEY>()?;
        let id: String = random::<KEK_ID>()?
            .iter()
            .map(|b| char::from(LETTERS[usize::from(b % 32)]))
            .collect();
        Ok(format!("{id}:{}", BASE64.encode(*key)).into())
    }

    /// Names of the keys loaded, the one that wraps first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// A new data key, and its wrapped form for storing.
    pub(crate) fn new_data_key(&self, owner: Uuid) -> Result<(DataKey, Vec<u8>), SealError> {
        let key = DataKey {
            id: DataKeyId::new(),
            key: SecretBox::new(Box::new(*random::<KEY>()?)),
        };
        let wrapped = self.wrap(0, &key, owner)?;
        Ok((key, wrapped))
    }

    /// A value that only the key of this id can open.
    pub(crate) fn new_check(&self, id: &str) -> Result<Vec<u8>, SealError> {
        let kek = self.keys.iter().position(|(known, _)| known == id);
        let kek = kek.ok_or_else(|| SealError::Missing(id.to_owned()))?;
        let nothing = DataKey {
            id: DataKeyId(Uuid::nil()),
            key: SecretBox::new(Box::new([0; KEY])),
        };
        self.wrap(kek, &nothing, Uuid::nil())
    }

    /// Opens such a value.
    pub(crate) fn open_check(&self, check: &[u8]) -> Result<(), SealError> {
        self.open_data_key(DataKeyId(Uuid::nil()), Uuid::nil(), check)
            .map(drop)
    }

    fn wrap(&self, kek: usize, key: &DataKey, owner: Uuid) -> Result<Vec<u8>, SealError> {
        let (kek_id, kek) = &self.keys[kek];
        let nonce = random::<NONCE>()?;
        let sealed = cipher(kek)
            .encrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: key.key.expose_secret(),
                    aad: &key_place(key.id, owner, kek_id),
                },
            )
            .map_err(|_| SealError::Broken)?;
        Ok([kek_id.as_bytes(), nonce.as_slice(), &sealed].concat())
    }

    /// Opens a wrapped data key.
    pub(crate) fn open_data_key(
        &self,
        id: DataKeyId,
        owner: Uuid,
        wrapped: &[u8],
    ) -> Result<DataKey, SealError> {
        let (kek_id, rest) = wrapped.split_at_checked(KEK_ID).ok_or(SealError::Broken)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or(SealError::Broken)?;
        let kek_id = std::str::from_utf8(kek_id).map_err(|_| SealError::Broken)?;
        let (_, kek) = self
            .keys
            .iter()
            .find(|(id, _)| id == kek_id)
            .ok_or_else(|| SealError::Missing(kek_id.to_owned()))?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| SealError::Broken)?;
        let opened = cipher(kek)
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: sealed,
                    aad: &key_place(id, owner, kek_id),
                },
            )
            .map_err(|_| SealError::Wrong(kek_id.to_owned()))?;
        let opened = Zeroizing::new(opened);
        let key: [u8; KEY] = opened
            .as_slice()
            .try_into()
            .map_err(|_| SealError::Broken)?;
        Ok(DataKey {
            id,
            key: SecretBox::new(Box::new(key)),
        })
    }
}

impl DataKey {
    pub(crate) fn id(&self) -> DataKeyId {
        self.id
    }

    /// Seals a value for one place.
    pub(crate) fn seal(&self, place: Place, value: &str) -> Result<Vec<u8>, SealError> {
        let nonce = random::<NONCE>()?;
        let sealed = cipher(&self.key)
            .encrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: value.as_bytes(),
                    aad: &value_place(place, self.id),
                },
            )
            .map_err(|_| SealError::Broken)?;
        Ok([
            &[VERSION][..],
            self.id.0.as_bytes(),
            nonce.as_slice(),
            &sealed,
        ]
        .concat())
    }

    /// Opens a value sealed for this place with this key.
    pub(crate) fn open(&self, place: Place, sealed: &[u8]) -> Result<SecretString, SealError> {
        if data_key_of(sealed)? != self.id {
            return Err(SealError::Broken);
        }
        let (nonce, sealed) = sealed[1 + 16..]
            .split_at_checked(NONCE)
            .ok_or(SealError::Broken)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| SealError::Broken)?;
        let opened = cipher(&self.key)
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: sealed,
                    aad: &value_place(place, self.id),
                },
            )
            .map_err(|_| SealError::Broken)?;
        let text = String::from_utf8(opened).map_err(|_| SealError::Broken)?;
        Ok(text.into())
    }

    /// A keyed hash by which equal values can be found without opening any.
    pub(crate) fn index(&self, table: &str, column: &str, value: &str) -> Vec<u8> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.key.expose_secret())
            .expect("HMAC takes keys of every length");
        mac.update(&parts(&[
            b"portal/index/v1",
            table.as_bytes(),
            column.as_bytes(),
            value.as_bytes(),
        ]));
        mac.finalize().into_bytes().to_vec()
    }
}

/// Which data key sealed a value.
pub(crate) fn data_key_of(sealed: &[u8]) -> Result<DataKeyId, SealError> {
    match sealed {
        [VERSION, rest @ ..] if rest.len() >= 16 => Uuid::from_slice(&rest[..16])
            .map(DataKeyId)
            .map_err(|_| SealError::Broken),
        _ => Err(SealError::Broken),
    }
}

fn cipher(key: &SecretBox<[u8; KEY]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key.expose_secret()))
}

fn value_place(place: Place, key: DataKeyId) -> Vec<u8> {
    parts(&[
        b"portal/v1",
        place.table.as_bytes(),
        place.column.as_bytes(),
        place.property.0.as_bytes(),
        place.row.as_bytes(),
        key.0.as_bytes(),
    ])
}

fn key_place(key: DataKeyId, owner: Uuid, kek_id: &str) -> Vec<u8> {
    parts(&[
        b"portal/key/v1",
        key.0.as_bytes(),
        owner.as_bytes(),
        kek_id.as_bytes(),
    ])
}

/// Joins parts so that no two lists of parts give the same bytes.
fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, SealError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| SealError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            table: "pins",
            column: "sealed",
            property: PropertyId::new(),
            row: Uuid::now_v7(),
        }
    }

    fn sealer() -> Sealer {
        Sealer::parse(&Sealer::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_value_opens_only_where_it_was_sealed_and_only_whole() {
        let sealer = sealer();
        let owner = Uuid::now_v7();
        let (key, wrapped) = sealer.new_data_key(owner).unwrap();
        let key = sealer.open_data_key(key.id, owner, &wrapped).unwrap();
        let here = place();
        let sealed = key.seal(here, "058213").unwrap();
        assert_eq!(key.open(here, &sealed).unwrap().expose_secret(), "058213");
        assert!(!sealed.windows(6).any(|w| w == b"058213"));
        let elsewhere = [
            Place {
                table: "credentials",
                ..here
            },
            Place {
                column: "code",
                ..here
            },
            Place {
                property: PropertyId::new(),
                ..here
            },
            Place {
                row: Uuid::now_v7(),
                ..here
            },
        ];
        for place in elsewhere {
            assert_eq!(key.open(place, &sealed).unwrap_err(), SealError::Broken);
        }
        for n in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[n] ^= 1;
            assert!(key.open(here, &flipped).is_err(), "byte {n} flipped");
            assert!(key.open(here, &sealed[..n]).is_err(), "cut at {n}");
        }
    }

    #[test]
    fn a_data_key_opens_only_for_its_owner_and_with_the_right_key() {
        let sealer = sealer();
        let owner = Uuid::now_v7();
        let (key, wrapped) = sealer.new_data_key(owner).unwrap();
        assert!(
            sealer
                .open_data_key(key.id, Uuid::now_v7(), &wrapped)
                .is_err()
        );
        let other = Sealer::generate().unwrap();
        let id = sealer.ids().next().unwrap().to_owned();
        let renamed = format!("{id}:{}", other.expose_secret().split_once(':').unwrap().1);
        let wrong = Sealer::parse(&renamed.into()).unwrap();
        assert_eq!(
            wrong.open_data_key(key.id, owner, &wrapped).unwrap_err(),
            SealError::Wrong(id.clone())
        );
        let missing = Sealer::parse(&other).unwrap();
        assert_eq!(
            missing.open_data_key(key.id, owner, &wrapped).unwrap_err(),
            SealError::Missing(id)
        );
    }

    #[test]
    fn keys_are_read_strictly_and_never_shown() {
        let key = Sealer::generate().unwrap();
        let secret = key.expose_secret().split_once(':').unwrap().1.to_owned();
        assert!(!format!("{:?}", Sealer::parse(&key).unwrap()).contains(&secret));
        for bad in [
            "",
            "abcd",
            "abcd:",
            "abcd:AAAA",
            "abc:xx",
            ",",
            &format!("ab:{secret}"),
        ] {
            assert_eq!(
                Sealer::parse(&bad.into()).unwrap_err(),
                SealError::Malformed,
                "{bad}"
            );
        }
        let two = format!(
            "{},\n{}",
            key.expose_secret(),
            Sealer::generate().unwrap().expose_secret()
        );
        assert_eq!(Sealer::parse(&two.into()).unwrap().ids().count(), 2);
    }
}
