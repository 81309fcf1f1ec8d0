//! Opens an account just before a call, and reads what came of it.

use crate::Env;
use portal_domain::{CredentialId, CredentialState, IntegrationId};
use portal_interface::{Account, AdapterError, Credentials, VendorId};
use portal_store::integration::Integration;
use portal_store::{Conn, DbError, credential};

/// The account of an integration, opened with the secret in use. `None`: there is none.
pub(crate) async fn open(
    conn: &mut Conn,
    env: &Env,
    integration: &Integration,
    state: CredentialState,
) -> Result<Option<Account>, DbError> {
    let opened = open_with_id(conn, env, integration, state).await?;
    Ok(opened.map(|(_, account)| account))
}

/// The same, with the name of the secret it was opened with.
pub(crate) async fn open_with_id(
    conn: &mut Conn,
    env: &Env,
    integration: &Integration,
    state: CredentialState,
) -> Result<Option<(CredentialId, Account)>, DbError> {
    let opened = credential::open(
        conn,
        &env.sealer,
        integration.property_id,
        integration.id,
        state,
    )
    .await?;
    Ok(opened.map(|(id, values)| {
        let mut credentials = Credentials::default();
        for (key, value) in values {
            credentials.set(key, value);
        }
        let key = integration.account_key.clone();
        (id, account(integration.id, credentials, key))
    }))
}

/// An account that is to be called.
pub(crate) fn account(
    integration: IntegrationId,
    credentials: Credentials,
    key: Option<String>,
) -> Account {
    Account::new(integration, credentials, key.and_then(VendorId::new))
}

/// Ids as the adapters take them.
pub(crate) fn vendor_id(text: &str) -> Option<VendorId> {
    VendorId::new(text)
}

/// A short word for the log.
pub(crate) fn word(error: &AdapterError) -> &'static str {
    match error {
        AdapterError::Unauthorized => "UNAUTHORIZED",
        AdapterError::Declined { .. } => "DECLINED",
        AdapterError::RateLimited { .. } => "RATE_LIMITED",
        AdapterError::TooHeavy => "TOO_HEAVY",
        AdapterError::StaleCursor => "STALE_CURSOR",
        AdapterError::Unreachable(_) => "UNREACHABLE",
        AdapterError::Unreadable { .. } => "UNREADABLE",
    }
}
