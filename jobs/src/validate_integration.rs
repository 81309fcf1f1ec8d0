//! Checks the credential of one integration.

use crate::integration as link;
use crate::job::{Job, JobError, Priority, enqueue_at};
use crate::{Env, account};
use portal_domain::{CredentialState, IntegrationId, PropertyId, ValidationTrigger};
use portal_store::{DbError, Tx, credential, integration};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Checks whether the app still accepts the credential. Polling: the due time stands in the
/// integration's row, a refused call or a person brings it forward.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidateIntegration {
    /// Where.
    pub property: PropertyId,
    /// Which link.
    pub integration: IntegrationId,
    /// Why.
    pub trigger: ValidationTrigger,
}

impl Job for ValidateIntegration {
    const KIND: &'static str = "validate-integration";
    const DEADLINE: Duration = Duration::from_secs(30);
    const CONCURRENCY: usize = 8;
    const PRIORITY: Priority = Priority::Person;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.integration.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        check(env, self.property, self.integration, self.trigger).await?;
        Ok(())
    }
}

/// Checks the candidate if there is one, else the credential in use, and draws the consequences.
pub(crate) async fn check(
    env: &Env,
    property: PropertyId,
    id: IntegrationId,
    trigger: ValidationTrigger,
) -> Result<(), DbError> {
    let mut conn = env.db.read().await?;
    let Some(row) = integration::by_id(&mut conn, property, id).await? else {
        return Ok(());
    };
    if !row.status.is_live() {
        return Ok(());
    }
    let states = [CredentialState::Candidate, CredentialState::Active];
    let mut opened = None;
    for state in states {
        if opened.is_none() {
            let found = account::open_with_id(&mut conn, env, &row, state).await?;
            opened = found.map(|(credential, account)| (state, credential, account));
        }
    }
    drop(conn);
    let Some((state, asked, account)) = opened else {
        return Ok(());
    };
    let verdict = link::ask(env, &row.app, &account).await;
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut row) = integration::lock(&mut tx, property, id).await? else {
        return Ok(());
    };
    link::note(
        &mut tx,
        env,
        property,
        Some(id),
        trigger,
        &verdict,
        &account,
        row.account_key.as_deref(),
    )
    .await?;
    // Staff may have replaced the token or ended the link while the app was asked. The verdict is
    // about the token that was asked about, and about no other.
    let held = credential::of_integrations(&mut tx, property, &[id]).await?;
    let mut held = held.iter().map(|(held, _)| held);
    if !row.status.is_live() || !held.any(|held| held.id == asked && held.state == state) {
        tx.commit().await?;
        return Ok(());
    }
    match state {
        CredentialState::Candidate => {
            link::settle_candidate(&mut tx, env, &mut row, &verdict).await?;
        }
        _ => link::settle_active(&mut tx, env, &mut row, &verdict).await?,
    }
    integration::save(&mut tx, &row).await?;
    tx.commit().await?;
    // The candidate says nothing about the credential in use, which goes on being checked.
    Ok(())
}

/// Asks for a check soon: another call was refused. At most one a minute.
pub(crate) async fn ask(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    id: IntegrationId,
    trigger: ValidationTrigger,
) -> Result<(), DbError> {
    let now = env.now();
    let Some(row) = integration::by_id(tx, property, id).await? else {
        return Ok(());
    };
    let last = row.last_validated_at.max(row.last_refused_at);
    let soon = last.map_or(now, |last| (*last + chrono::Duration::seconds(61)).max(now));
    let job = ValidateIntegration {
        property,
        integration: id,
        trigger,
    };
    enqueue_at(tx, now, &job, soon).await?;
    Ok(())
}
