//! Passwords: hashed with Argon2id, off the threads that serve.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};

/// Longest password in bytes: hashing costs time for each of them.
const LONGEST: usize = 1_000;

/// The hash of a password, with a salt of its own. Empty, which no password matches, should the
/// system give no random bytes.
pub async fn hash(password: SecretString) -> String {
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.expose_secret().as_bytes())
            .map(|hash| hash.to_string())
    });
    match hashed.await {
        Ok(Ok(hash)) => hash,
        _ => String::new(),
    }
}

/// Whether a password matches a hash. Without a hash, as for an address nobody has, as much work is
/// done, so that the time tells nothing.
pub async fn matches(password: SecretString, hash: Option<String>) -> bool {
    if password.expose_secret().len() > LONGEST {
        return false;
    }
    let Some(hash) = hash else {
        let _ = self::hash(password).await;
        return false;
    };
    tokio::task::spawn_blocking(move || {
        PasswordHash::new(&hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.expose_secret().as_bytes(), &hash)
                .is_ok()
        })
    })
    .await
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let first = hash("correct horse".into()).await;
        let second = hash("correct horse".into()).await;
        assert_ne!(first, second, "each has a salt of its own");
        assert!(matches("correct horse".into(), Some(first.clone())).await);
        assert!(!matches("correct horsf".into(), Some(first)).await);
        assert!(!matches("correct horse".into(), Some(String::new())).await);
        assert!(!matches("correct horse".into(), None).await);
    }
}
