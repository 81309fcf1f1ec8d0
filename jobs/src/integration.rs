//! Connecting, mending and ending integrations: what the Apps tab does, and what a verdict about a
//! credential leads to.

use crate::job::enqueue;
use crate::{Env, SyncDevices, SyncReservations, SyncRooms, account, compare_pins, trigger};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    AppCategory, CredentialState, EventKind, IntegrationId, IntegrationStatus,
    IntegrationStatusReason, PropertyId, SubjectKind, SyncState, UserId, ValidationAttemptId,
    ValidationOutcome, ValidationTrigger,
};
use portal_interface::{
    Account, AdapterError, Credentials, FormErrorKind, Opens, RemoteAccount, SecretString,
    read_form,
};
use portal_store::audit::{self, NewEntry};
use portal_store::credential::{self, NewCredential};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::integration::{self, Integration, ValidationAttempt};
use portal_store::problem::{self, NewProblem};
use portal_store::{DbError, QueryError, Tx, hint, property, rate};

use crate::apps::{Adapter, Entry};

/// How long a person waits for a verdict.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(8);
/// How long a saved token may wait for its verdict.
const VERDICT_WITHIN: Duration = Duration::hours(24);
/// Time between two refusals that count as two.
const REFUSALS_APART: Duration = Duration::seconds(60);
/// Refusals until an integration is Broken.
const REFUSALS: i32 = 2;
/// Span in which refusals of many integrations accuse the deployment's own credentials.
const GUARD_SPAN: Duration = Duration::minutes(15);
/// Problem: an integration is Broken.
const BROKEN: &str = "integration.broken";
/// Problem: so many integrations are refused at once that the server's own credentials are suspect.
const SERVER_SUSPECT: &str = "integration.server_suspect";

/// A person who changes integrations.
#[derive(Debug, Clone)]
pub struct Staff {
    /// The person.
    pub user: UserId,
    /// The same as an actor of the log.
    pub actor: Actor,
}

/// What a person can put right when connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such app.
    AppNotFound,
    /// The server is not set up for it.
    AppNotConfigured,
    /// The form has no such field.
    FieldUnknown {
        /// Its key.
        field: String,
    },
    /// No value, or none but blanks.
    TokenMissing {
        /// Key of the field.
        field: String,
    },
    /// It does not look like a token.
    TokenMalformed {
        /// Key of the field.
        field: String,
    },
    /// The app does not accept it.
    TokenRefused,
    /// It opens several accounts.
    PortfolioToken,
    /// The account is linked to another property.
    AccountAlreadyLinked,
    /// It opens another account than the one linked here.
    WrongAccount {
        /// Name of the account it opens.
        other: String,
        /// Name of the account linked here.
        account: String,
    },
    /// The property is connected to another app of this kind.
    AlreadyConnected {
        /// Slug of that app.
        app: String,
    },
    /// The integration is disconnected.
    NotConnected,
    /// Too many tries within a minute.
    TooManyAttempts,
    /// The app answered something Portal does not understand.
    UnexpectedAnswer,
}

/// What an app said about a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It opens this account.
    Valid(RemoteAccount),
    /// It opens several.
    Several,
    /// The app refused it.
    Refused,
    /// Nothing that says anything about it.
    None,
    /// An answer Portal does not understand.
    Unexpected,
}

/// Asks the app about a credential, within the patience of a person.
pub(crate) async fn ask(env: &Env, app: &str, account: &Account) -> Verdict {
    let Some(adapter) = env.apps.get(app).and_then(|entry| entry.adapter.clone()) else {
        return Verdict::None;
    };
    let answer = tokio::time::timeout(PATIENCE, async {
        match adapter {
            Adapter::Pms(pms) => pms.validate(account).await,
            Adapter::Locks(locks) => locks.validate(account).await,
        }
    })
    .await;
    match answer {
        Ok(Ok(Opens::One(account))) => Verdict::Valid(account),
        Ok(Ok(Opens::Several)) => Verdict::Several,
        Ok(Err(AdapterError::Unauthorized)) => Verdict::Refused,
        Ok(Err(AdapterError::Declined { .. } | AdapterError::Unreadable { .. })) => {
            Verdict::Unexpected
        }
        Ok(Err(_)) | Err(_) => Verdict::None,
    }
}

/// Notes a check.
#[expect(clippy::too_many_arguments, reason = "each is a column of one row")]
pub(crate) async fn note(
    tx: &mut Tx,
    env: &Env,
    property: PropertyId,
    integration: Option<IntegrationId>,
    trigger: ValidationTrigger,
    verdict: &Verdict,
    account: &Account,
    linked: Option<&str>,
) -> Result<(), DbError> {
    let outcome = match verdict {
        Verdict::Valid(found) if linked.is_some_and(|linked| linked != found.key.as_str()) => {
            ValidationOutcome::WrongAccount
        }
        Verdict::Valid(_) => ValidationOutcome::Valid,
        Verdict::Several => ValidationOutcome::WrongAccount,
        Verdict::Refused => ValidationOutcome::Refused,
        Verdict::None | Verdict::Unexpected => ValidationOutcome::NoVerdict,
    };
    let (status, request_id) = account.seen.last().unzip();
    let attempt = ValidationAttempt {
        id: ValidationAttemptId::new(),
        property_id: property,
        integration_id: integration,
        trigger,
        outcome,
        http_status: status.map(i32::from),
        pms_request_id: request_id.flatten(),
        at: env.now().into(),
    };
    integration::note_attempt(tx, &attempt).await?;
    Ok(())
}

/// Connects a property to an app, or saves a new token where it is connected already.
///
/// The outer error is ours, the inner ones are for the person. Nothing is stored with any of them.
pub async fn connect(
    env: &Env,
    staff: &Staff,
    property: PropertyId,
    slug: &str,
    values: &[(String, SecretString)],
) -> Result<Result<IntegrationId, Vec<Refusal>>, DbError> {
    let Some(entry) = env.apps.get(slug) else {
        return Ok(Err(vec![Refusal::AppNotFound]));
    };
    let mut conn = env.db.read().await?;
    let live = integration::live(&mut conn, property).await?;
    drop(conn);
    if let Some(here) = live.iter().find(|link| link.app == slug) {
        return reconnect(env, staff, property, here.id, values).await;
    }
    let credentials = match form(entry, values) {
        Ok(credentials) => credentials,
        Err(refusals) => return Ok(Err(refusals)),
    };
    let other = live
        .iter()
        .find(|link| link.category == AppCategory::Pms && entry.app.category == AppCategory::Pms);
    if let Some(other) = other {
        let app = other.app.clone();
        return Ok(Err(vec![Refusal::AlreadyConnected { app }]));
    }
    if !may_try(env, property).await? {
        return Ok(Err(vec![Refusal::TooManyAttempts]));
    }
    let id = IntegrationId::new();
    let account = account::account(id, credentials, None);
    let verdict = ask(env, slug, &account).await;
    let mut tx = env.db.begin_in(property).await?;
    let found = match &verdict {
        Verdict::Valid(found) => Some(found),
        Verdict::None => None,
        refused => {
            let trigger = ValidationTrigger::Connect;
            note(
                &mut tx, env, property, None, trigger, refused, &account, None,
            )
            .await?;
            tx.commit().await?;
            return Ok(Err(vec![refusal(refused)]));
        }
    };
    let stored = store_connection(&mut tx, env, staff, property, entry, &account, found).await;
    match stored {
        Ok(Some(id)) => {
            let trigger = ValidationTrigger::Connect;
            note(
                &mut tx,
                env,
                property,
                Some(id),
                trigger,
                &verdict,
                &account,
                None,
            )
            .await?;
            tx.commit().await?;
            Ok(Ok(id))
        }
        Ok(None) => Ok(Err(vec![Refusal::AccountAlreadyLinked])),
        Err(error) if is_taken(&error) => Ok(Err(vec![Refusal::AccountAlreadyLinked])),
        Err(error) => Err(error),
    }
}

/// Stores a new link. `None`: the account is linked elsewhere.
async fn store_connection(
    tx: &mut Tx,
    env: &Env,
    staff: &Staff,
    property: PropertyId,
    entry: &Entry,
    account: &Account,
    found: Option<&RemoteAccount>,
) -> Result<Option<IntegrationId>, DbError> {
    let now = env.now();
    let slug = entry.app.slug;
    let mut id = account.integration;
    if let Some(found) = found {
        if integration::account_is_taken(tx, slug, found.key.as_str(), id).await? {
            return Ok(None);
        }
        // A return to the same account revives the link with its rooms and mappings.
        let ended = integration::ended(tx, property, slug, found.key.as_str()).await?;
        id = ended.map_or(id, |ended| ended.id);
    }
    let known = integration::lock(tx, property, id).await?;
    let is_new = known.is_none();
    let mut row = known.unwrap_or_else(|| Integration {
        id,
        property_id: property,
        app: slug.to_owned(),
        category: entry.app.category,
        status: IntegrationStatus::Pending,
        status_reason: None,
        status_by: None,
        status_since: now.into(),
        account_key: None,
        account_name: None,
        connection_key: None,
        refusals: 0,
        last_refused_at: None,
        last_validated_at: None,
        next_validation_at: None,
        sync_state: None,
        last_synced_at: None,
        next_sync_at: None,
        next_rooms_at: None,
        next_compare_at: None,
        compare_since: None,
        compared_at: None,
        may_store_pins: false,
        created_at: now.into(),
    });
    if is_new {
        integration::insert(tx, &row).await?;
    }
    let state = if found.is_some() {
        CredentialState::Active
    } else {
        CredentialState::Candidate
    };
    save_credential(tx, env, staff, &row, account, state).await?;
    match found {
        Some(found) => accept(tx, env, &mut row, found, &staff.actor).await?,
        None => {
            set_status(&mut row, IntegrationStatus::Pending, now);
            row.status_reason = Some(IntegrationStatusReason::NoVerdict);
            row.next_validation_at = Some((now + Duration::seconds(10)).into());
            let event = EventKind::IntegrationPending;
            publish(tx, &row, event, &staff.actor, now).await?;
        }
    }
    integration::save(tx, &row).await?;
    let entry = NewEntry::new("integrationConnect", SubjectKind::Integration, id)
        .after("app", slug)
        .after("status", row.status)
        .after("token", "set");
    audit::write(tx, property, &staff.actor, now, entry).await?;
    Ok(Some(id))
}

/// Saves a new token for an integration: after it broke, or to rotate a good one. The old one stays
/// until the new one has proved itself.
pub async fn reconnect(
    env: &Env,
    staff: &Staff,
    property: PropertyId,
    id: IntegrationId,
    values: &[(String, SecretString)],
) -> Result<Result<IntegrationId, Vec<Refusal>>, DbError> {
    let mut conn = env.db.read().await?;
    let row = integration::by_id(&mut conn, property, id).await?;
    drop(conn);
    let Some(row) = row.filter(|row| row.status.is_live()) else {
        return Ok(Err(vec![Refusal::NotConnected]));
    };
    let Some(entry) = env.apps.get(&row.app) else {
        return Ok(Err(vec![Refusal::AppNotConfigured]));
    };
    let credentials = match form(entry, values) {
        Ok(credentials) => credentials,
        Err(refusals) => return Ok(Err(refusals)),
    };
    if !may_try(env, property).await? {
        return Ok(Err(vec![Refusal::TooManyAttempts]));
    }
    let account = account::account(id, credentials, row.account_key.clone());
    let verdict = ask(env, &row.app, &account).await;
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut row) = integration::lock(&mut tx, property, id).await? else {
        return Ok(Err(vec![Refusal::NotConnected]));
    };
    if !row.status.is_live() {
        return Ok(Err(vec![Refusal::NotConnected]));
    }
    let trigger = ValidationTrigger::Reconnect;
    let linked = row.account_key.clone();
    note(
        &mut tx,
        env,
        property,
        Some(id),
        trigger,
        &verdict,
        &account,
        linked.as_deref(),
    )
    .await?;
    let refused = match &verdict {
        Verdict::Valid(found) => mismatch(&mut tx, &row, found).await?,
        Verdict::None => None,
        refused => Some(refusal(refused)),
    };
    if let Some(refused) = refused {
        tx.commit().await?;
        return Ok(Err(vec![refused]));
    }
    match save_token(&mut tx, env, staff, &mut row, &account, &verdict).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(Ok(id))
        }
        Err(error) if is_taken(&error) => Ok(Err(vec![Refusal::AccountAlreadyLinked])),
        Err(error) => Err(error),
    }
}

async fn save_token(
    tx: &mut Tx,
    env: &Env,
    staff: &Staff,
    row: &mut Integration,
    account: &Account,
    verdict: &Verdict,
) -> Result<(), DbError> {
    let now = env.now();
    let before = row.status;
    let new = new_credential(staff, row, account, CredentialState::Active);
    let is_the_same = credential::is_active(tx, &env.sealer, &new, now).await?;
    match verdict {
        Verdict::Valid(found) => {
            credential::retire(tx, row.property_id, row.id, CredentialState::Candidate).await?;
            if !is_the_same {
                credential::retire(tx, row.property_id, row.id, CredentialState::Active).await?;
                save_credential(tx, env, staff, row, account, CredentialState::Active).await?;
                let event = EventKind::IntegrationTokenReplaced;
                publish(tx, row, event, &staff.actor, now).await?;
            }
            accept(tx, env, row, found, &staff.actor).await?;
        }
        // The token in use was pasted again: it is checked again, nothing else.
        _ if is_the_same => row.next_validation_at = Some(now.into()),
        _ => {
            credential::retire(tx, row.property_id, row.id, CredentialState::Candidate).await?;
            save_credential(tx, env, staff, row, account, CredentialState::Candidate).await?;
            row.next_validation_at = Some((now + Duration::seconds(10)).into());
            publish(tx, row, EventKind::IntegrationPending, &staff.actor, now).await?;
        }
    }
    integration::save(tx, row).await?;
    let entry = NewEntry::new("integrationReconnect", SubjectKind::Integration, row.id)
        .before("status", before)
        .after("status", row.status)
        .after("token", "set");
    audit::write(tx, row.property_id, &staff.actor, now, entry).await?;
    Ok(())
}

/// Checks the token now instead of when it is due.
pub async fn validate(
    env: &Env,
    property: PropertyId,
    id: IntegrationId,
) -> Result<Result<(), Refusal>, DbError> {
    let mut conn = env.db.read().await?;
    let row = integration::by_id(&mut conn, property, id).await?;
    drop(conn);
    if row.is_none_or(|row| !row.status.is_live()) {
        return Ok(Err(Refusal::NotConnected));
    }
    if !may_try(env, property).await? {
        return Ok(Err(Refusal::TooManyAttempts));
    }
    crate::validate_integration::check(env, property, id, ValidationTrigger::Staff).await?;
    Ok(Ok(()))
}

/// Disconnects: the token is erased at once, keychains run to their end.
pub async fn disconnect(
    env: &Env,
    staff: &Staff,
    property: PropertyId,
    id: IntegrationId,
) -> Result<Result<(), Refusal>, DbError> {
    let now = env.now();
    let mut tx = env.db.begin_in(property).await?;
    let Some(mut row) = integration::lock(&mut tx, property, id).await? else {
        return Ok(Err(Refusal::NotConnected));
    };
    if !row.status.is_live() {
        return Ok(Err(Refusal::NotConnected));
    }
    let before = row.status;
    end(
        &mut tx,
        env,
        &mut row,
        IntegrationStatusReason::DisconnectedByStaff,
        &staff.actor,
    )
    .await?;
    row.status_by = Some(staff.actor.name.clone());
    integration::save(&mut tx, &row).await?;
    let entry = NewEntry::new("integrationDisconnect", SubjectKind::Integration, id)
        .before("status", before)
        .after("status", row.status)
        .after("token", "erased");
    audit::write(&mut tx, property, &staff.actor, now, entry).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

fn form(entry: &Entry, values: &[(String, SecretString)]) -> Result<Credentials, Vec<Refusal>> {
    if entry.adapter.is_none() {
        return Err(vec![Refusal::AppNotConfigured]);
    }
    let values = values.iter().map(|(key, value)| (key.as_str(), value));
    read_form(entry.app, values).map_err(|errors| {
        let refusal = |error: portal_interface::FormError| match error.kind {
            FormErrorKind::Unknown => Refusal::FieldUnknown { field: error.field },
            FormErrorKind::Missing => Refusal::TokenMissing { field: error.field },
            FormErrorKind::Malformed => Refusal::TokenMalformed { field: error.field },
        };
        errors.into_iter().map(refusal).collect()
    })
}

/// At most five tries a minute per property.
async fn may_try(env: &Env, property: PropertyId) -> Result<bool, DbError> {
    let mut tx = env.db.begin().await?;
    let key = format!("connect:{property}");
    let taken = rate::take(&mut tx, &key, env.now(), Duration::seconds(12), 5).await?;
    tx.commit().await?;
    Ok(taken)
}

fn refusal(verdict: &Verdict) -> Refusal {
    match verdict {
        Verdict::Refused => Refusal::TokenRefused,
        Verdict::Several => Refusal::PortfolioToken,
        Verdict::Valid(_) | Verdict::None | Verdict::Unexpected => Refusal::UnexpectedAnswer,
    }
}

/// Why an account that was opened cannot be this link's.
async fn mismatch(
    tx: &mut Tx,
    row: &Integration,
    found: &RemoteAccount,
) -> Result<Option<Refusal>, DbError> {
    let linked = row.account_key.as_deref();
    if linked.is_some_and(|linked| linked != found.key.as_str()) {
        return Ok(Some(Refusal::WrongAccount {
            other: found.name.clone(),
            account: row.account_name.clone().unwrap_or_default(),
        }));
    }
    let taken = integration::account_is_taken(tx, &row.app, found.key.as_str(), row.id).await?;
    Ok(taken.then_some(Refusal::AccountAlreadyLinked))
}

fn new_credential<'a>(
    staff: &Staff,
    row: &'a Integration,
    account: &'a Account,
    state: CredentialState,
) -> NewCredential<'a> {
    NewCredential {
        property: row.property_id,
        integration: row.id,
        app: &row.app,
        state,
        values: account.credentials.iter().collect(),
        set_by: staff.user,
        verdict_due_at: None,
    }
}

async fn save_credential(
    tx: &mut Tx,
    env: &Env,
    staff: &Staff,
    row: &Integration,
    account: &Account,
    state: CredentialState,
) -> Result<(), DbError> {
    let now = env.now();
    let mut new = new_credential(staff, row, account, state);
    new.verdict_due_at = (state == CredentialState::Candidate).then(|| now + VERDICT_WITHIN);
    credential::insert(tx, &env.sealer, &new, now).await?;
    Ok(())
}

fn is_taken(error: &DbError) -> bool {
    use portal_store::DatabaseErrorKind::UniqueViolation;
    matches!(
        error,
        DbError::Query(QueryError::DatabaseError(UniqueViolation, _))
    )
}

fn set_status(row: &mut Integration, status: IntegrationStatus, now: DateTime<Utc>) {
    if row.status != status {
        row.status = status;
        row.status_since = now.into();
    }
    row.status_reason = None;
    row.status_by = None;
}

async fn publish(
    tx: &mut Tx,
    row: &Integration,
    kind: EventKind,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let event = NewEvent::new(kind, SubjectKind::Integration, row.id).with("app", &row.app);
    event::publish(tx, row.property_id, actor, now, vec![event]).await?;
    Ok(())
}

/// Nobody needs to paste a new token any more, or to look after the server's own.
async fn mended(tx: &mut Tx, row: &Integration, now: DateTime<Utc>) -> Result<(), DbError> {
    let mut gone = Vec::new();
    for key in [BROKEN, SERVER_SUSPECT] {
        let subject = row.id.to_string();
        gone.extend(problem::resolve(tx, row.property_id, key, &subject, now).await?);
    }
    event::publish(tx, row.property_id, &Actor::system(), now, gone).await?;
    Ok(())
}

/// The credential in use opens this account: the link is connected, and reading goes on from where
/// it was.
async fn accept(
    tx: &mut Tx,
    env: &Env,
    row: &mut Integration,
    found: &RemoteAccount,
    actor: &Actor,
) -> Result<(), DbError> {
    let now = env.now();
    let before = row.status;
    row.account_key = Some(found.key.to_string());
    row.account_name = Some(found.name.clone());
    let was_refused = std::mem::take(&mut row.refusals) > 0;
    row.last_validated_at = Some(now.into());
    row.next_validation_at = Some(env.about(Duration::minutes(15)).into());
    if was_refused || before != IntegrationStatus::Connected {
        mended(tx, row, now).await?;
    }
    if before == IntegrationStatus::Connected {
        return Ok(());
    }
    set_status(row, IntegrationStatus::Connected, now);
    row.next_rooms_at = Some(now.into());
    let zone = match found.zone {
        Some(zone) => zone,
        None => compare_pins::zone_of(tx, row.property_id).await?,
    };
    compare_pins::plan(env, row, zone);
    let kind = if before == IntegrationStatus::Broken {
        EventKind::IntegrationRecovered
    } else {
        EventKind::IntegrationConnected
    };
    publish(tx, row, kind, actor, now).await?;
    match row.category {
        AppCategory::Pms => {
            let read_before = row.last_synced_at.is_some();
            row.sync_state = Some(if read_before {
                SyncState::CatchingUp
            } else {
                SyncState::FirstLoad
            });
            row.next_sync_at = Some(now.into());
            if let Some(zone) = found.zone {
                property::set_time_zone(tx, row.property_id, zone.name()).await?;
            }
            if read_before {
                crate::catch_up::begin(tx, env, row).await?;
            }
            let rooms = SyncRooms {
                property: row.property_id,
                integration: row.id,
            };
            let reservations = SyncReservations {
                property: row.property_id,
                integration: row.id,
            };
            enqueue(tx, now, &rooms).await?;
            enqueue(tx, now, &reservations).await?;
        }
        AppCategory::Lock => {
            let devices = SyncDevices {
                property: row.property_id,
                integration: row.id,
            };
            enqueue(tx, now, &devices).await?;
        }
    }
    Ok(())
}

/// No credential is held any more.
async fn end(
    tx: &mut Tx,
    env: &Env,
    row: &mut Integration,
    reason: IntegrationStatusReason,
    actor: &Actor,
) -> Result<(), DbError> {
    let now = env.now();
    credential::retire(tx, row.property_id, row.id, CredentialState::Candidate).await?;
    credential::retire(tx, row.property_id, row.id, CredentialState::Active).await?;
    hint::forget(tx, row.property_id, row.id).await?;
    set_status(row, IntegrationStatus::Disconnected, now);
    row.status_reason = Some(reason);
    row.next_validation_at = None;
    row.next_sync_at = None;
    row.next_rooms_at = None;
    row.next_compare_at = None;
    row.compare_since = None;
    publish(tx, row, EventKind::IntegrationDisconnected, actor, now).await?;
    mended(tx, row, now).await?;
    trigger::integration(tx, env, row.property_id, row.id).await
}

/// What a verdict about a saved token that had none yet leads to.
pub(crate) async fn settle_candidate(
    tx: &mut Tx,
    env: &Env,
    row: &mut Integration,
    verdict: &Verdict,
) -> Result<(), DbError> {
    let now = env.now();
    let reason = match verdict {
        Verdict::Valid(found) => match mismatch(tx, row, found).await? {
            None => {
                credential::retire(tx, row.property_id, row.id, CredentialState::Active).await?;
                credential::promote(tx, row.property_id, row.id).await?;
                return accept(tx, env, row, found, &Actor::system()).await;
            }
            Some(Refusal::WrongAccount { .. }) => IntegrationStatusReason::WrongAccount,
            Some(_) => IntegrationStatusReason::AccountAlreadyLinked,
        },
        Verdict::Refused => IntegrationStatusReason::TokenRefused,
        Verdict::Several => IntegrationStatusReason::PortfolioToken,
        Verdict::None | Verdict::Unexpected => {
            let saved = credential::of_integrations(tx, row.property_id, &[row.id])
                .await?
                .into_iter()
                .find(|(credential, _)| credential.state == CredentialState::Candidate);
            let Some((candidate, _)) = saved else {
                return Ok(());
            };
            let waited = now - *candidate.set_at;
            if waited < VERDICT_WITHIN {
                row.next_validation_at = Some(next_look(env, waited).into());
                return Ok(());
            }
            IntegrationStatusReason::NoVerdict
        }
    };
    if row.status == IntegrationStatus::Pending {
        return end(tx, env, row, reason, &Actor::system()).await;
    }
    // The token in use is as good, or as bad, as before.
    credential::retire(tx, row.property_id, row.id, CredentialState::Candidate).await?;
    row.status_reason = Some(reason);
    row.next_validation_at = Some(env.about(Duration::minutes(1)).into());
    Ok(())
}

/// A saved token is looked at after 10, 30 and 60 seconds, then about every five minutes.
fn next_look(env: &Env, waited: Duration) -> DateTime<Utc> {
    for seconds in [10, 30, 60] {
        let mark = Duration::seconds(seconds);
        if waited < mark {
            return env.now() + (mark - waited);
        }
    }
    env.about(Duration::minutes(5))
}

/// What a verdict about the credential in use leads to.
pub(crate) async fn settle_active(
    tx: &mut Tx,
    env: &Env,
    row: &mut Integration,
    verdict: &Verdict,
) -> Result<(), DbError> {
    match verdict {
        Verdict::Valid(found) if row.account_key.as_deref() == Some(found.key.as_str()) => {
            accept(tx, env, row, found, &Actor::system()).await
        }
        Verdict::Refused => refused(tx, env, row).await,
        _ => {
            // A wave of silence must not slow down the way to Broken that a refusal began.
            row.next_validation_at = Some(if row.refusals > 0 {
                env.between(Duration::seconds(61), Duration::seconds(90))
                    .into()
            } else {
                env.about(Duration::minutes(5)).into()
            });
            Ok(())
        }
    }
}

async fn refused(tx: &mut Tx, env: &Env, row: &mut Integration) -> Result<(), DbError> {
    let now = env.now();
    let first = row.last_refused_at.filter(|_| row.refusals > 0);
    let counts = first.is_none_or(|last| now - *last >= REFUSALS_APART);
    if counts {
        row.refusals += 1;
        row.last_refused_at = Some(now.into());
    }
    if row.status == IntegrationStatus::Broken {
        row.next_validation_at = Some(env.about(Duration::hours(1)).into());
        return Ok(());
    }
    row.next_validation_at = Some(
        env.between(Duration::seconds(61), Duration::seconds(90))
            .into(),
    );
    if row.refusals < REFUSALS {
        return Ok(());
    }
    integration::save(tx, row).await?;
    let subject = row.id.to_string();
    let name = env.apps.name(&row.app).to_owned();
    let problem = |key| NewProblem {
        key,
        subject_kind: SubjectKind::Integration,
        subject: &subject,
        detail: &name,
        critical: true,
    };
    if client_is_suspect(tx, env, row, first.map_or(now, |first| *first)).await? {
        let raised = problem::raise(tx, row.property_id, &problem(SERVER_SUSPECT), now).await?;
        let raised = raised.into_iter().collect();
        event::publish(tx, row.property_id, &Actor::system(), now, raised).await?;
        return Ok(());
    }
    let new = problem(BROKEN);
    set_status(row, IntegrationStatus::Broken, now);
    row.status_reason = Some(IntegrationStatusReason::TokenRefused);
    row.next_validation_at = Some(env.about(Duration::hours(1)).into());
    let raised = problem::raise(tx, row.property_id, &new, now).await?;
    let raised = raised.into_iter().collect();
    event::publish(tx, row.property_id, &Actor::system(), now, raised).await?;
    publish(tx, row, EventKind::IntegrationBroken, &Actor::system(), now).await?;
    trigger::integration(tx, env, row.property_id, row.id).await
}

/// Whether so many integrations of an app are refused at once that the deployment's own credentials
/// are more likely dead than all of theirs.
async fn client_is_suspect(
    tx: &mut Tx,
    env: &Env,
    row: &Integration,
    since: DateTime<Utc>,
) -> Result<bool, DbError> {
    let now = env.now();
    let (all, refused) = integration::refused_since(tx, &row.app, now - GUARD_SPAN).await?;
    if refused < 3 || refused * 3 < all {
        return Ok(false);
    }
    let alive = integration::accepted_since(tx, &row.app, since).await?;
    if !alive {
        tracing::error!(
            app = row.app,
            alarm = "APP_CREDENTIALS",
            refused,
            all,
            "many properties are refused at once: check this server's own credentials for the app"
        );
    }
    Ok(!alive)
}
