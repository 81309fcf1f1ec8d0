//! Integrations: connecting a property to an app, and how that stands.

use super::app::{App, AppCapability};
use super::id::Kind;
use super::loaders::CredentialsOf;
use super::page::Paging;
use super::property::Property;
use super::time::Instant;
use super::user_error::payload;
use super::viewer::Actor;
use super::{Reach, Result, id, load, property, read};
use crate::edge::ApiError;
use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use portal_domain::{
    ActorKind, CredentialState, IntegrationId, IntegrationStatus, IntegrationStatusReason,
    Permission, PropertyId, SyncState, ValidationOutcome, ValidationTrigger,
};
use portal_interface::SecretString;
use portal_jobs::integration::{self as link, Refusal, Staff};
use portal_jobs::{Apps, Entry};
use portal_store::credential::Credential;
use portal_store::integration;

/// The link of one property to one app. One account at the other end belongs to one property only.
pub struct Integration(pub(crate) integration::Integration);

#[Object]
impl Integration {
    /// The account at the other end. Null before the first valid token.
    async fn account(&self, ctx: &Context<'_>) -> Result<Option<IntegrationAccount>> {
        ctx.require(Permission::Apps, self.0.property_id)?;
        Ok(self.0.account_key.clone().map(|key| IntegrationAccount {
            key,
            name: self.0.account_name.clone(),
        }))
    }

    /// The app at the other end.
    async fn app(&self, ctx: &Context<'_>) -> Result<Option<App>> {
        Ok(self.entry(ctx)?.map(App))
    }

    /// A saved credential that still waits for its verdict.
    async fn candidate(&self, ctx: &Context<'_>) -> Result<Option<IntegrationCredential>> {
        self.credential_in(ctx, CredentialState::Candidate).await
    }

    /// What this connection may really use.
    async fn capabilities(&self, ctx: &Context<'_>) -> Result<Vec<AppCapability>> {
        let can = self.entry(ctx)?.map(|entry| entry.app.capabilities);
        let can = can.unwrap_or_default();
        let all = [
            (can.hooks, AppCapability::Hooks),
            (can.shows_pins, AppCapability::ShowsPins),
            (
                can.stores_pins && self.0.may_store_pins,
                AppCapability::StoresPins,
            ),
        ];
        Ok(all
            .into_iter()
            .filter_map(|(can, capability)| can.then_some(capability))
            .collect())
    }

    /// When what it holds was last read back and compared as a whole.
    async fn compared_at(&self) -> Option<Instant> {
        self.0.compared_at.map(Into::into)
    }

    /// The credential in use. Never the secret itself.
    async fn credential(&self, ctx: &Context<'_>) -> Result<Option<IntegrationCredential>> {
        self.credential_in(ctx, CredentialState::Active).await
    }

    /// Name of the mutation that would bring it back. Null when nothing is wrong.
    async fn fix(&self) -> Option<&str> {
        match self.0.status {
            IntegrationStatus::Broken => Some("integrationReconnect"),
            IntegrationStatus::Disconnected => Some("integrationConnect"),
            IntegrationStatus::Connected | IntegrationStatus::Pending => None,
        }
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::row(Kind::Integration, self.0.property_id, self.0.id)
    }

    /// When the app last refused the credential.
    async fn last_refused_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        ctx.require(Permission::Apps, self.0.property_id)?;
        Ok(self.0.last_refused_at.map(Into::into))
    }

    /// When the credential last passed.
    async fn last_validated_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        ctx.require(Permission::Apps, self.0.property_id)?;
        Ok(self.0.last_validated_at.map(Into::into))
    }

    /// When that is done next: at night by the property's clock, or now where a person asked.
    async fn next_comparison_at(&self) -> Option<Instant> {
        self.0.next_compare_at.map(Into::into)
    }

    /// When it is checked next.
    async fn next_validation_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        ctx.require(Permission::Apps, self.0.property_id)?;
        Ok(self.0.next_validation_at.map(Into::into))
    }

    /// The property it belongs to.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// How it stands.
    async fn status(&self) -> IntegrationStatus {
        self.0.status
    }

    /// What that means and what to do, in one sentence for staff.
    async fn status_message(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let app = ctx.env()?.apps.name(&self.0.app).to_owned();
        Ok(status_message(&self.0, &app))
    }

    /// Why, for code.
    async fn status_reason(&self) -> Option<IntegrationStatusReason> {
        self.0.status_reason
    }

    /// Since when.
    async fn status_since(&self) -> Instant {
        self.0.status_since.into()
    }

    /// How far reading has come. Null while nothing is read.
    async fn sync(&self) -> Option<IntegrationSync> {
        Some(IntegrationSync {
            last_synced_at: self.0.last_synced_at.map(Into::into),
            next_sync_at: self.0.next_sync_at.map(Into::into),
            state: self.0.sync_state?,
        })
    }

    /// Every check of the credential in the last 90 days, newest first.
    async fn validation_attempts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, ValidationAttempt>>> {
        ctx.require(Permission::Apps, self.0.property_id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("attempts", true)?;
        let mut conn = read(ctx).await?;
        let rows =
            integration::attempts(&mut conn, self.0.property_id, self.0.id, &asked.page).await?;
        Ok(Some(asked.connection(
            rows,
            true,
            |row| (row.at, row.id.0),
            |row| ValidationAttempt {
                at: row.at.into(),
                http_status: row.http_status,
                outcome: row.outcome,
                pms_request_id: row.pms_request_id,
                trigger: row.trigger,
            },
        )))
    }
}

impl Integration {
    /// The link, if the caller may see links there.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        property: PropertyId,
        integration: IntegrationId,
    ) -> Result<Option<Integration>> {
        ctx.require(Permission::IntegrationsRead, property)?;
        Ok(load(ctx, (property, integration)).await?.map(Integration))
    }

    fn entry(&self, ctx: &Context<'_>) -> Result<Option<Entry>> {
        Ok(ctx.env()?.apps.get(&self.0.app).cloned())
    }

    async fn credential_in(
        &self,
        ctx: &Context<'_>,
        state: CredentialState,
    ) -> Result<Option<IntegrationCredential>> {
        ctx.require(Permission::Apps, self.0.property_id)?;
        let key = (self.0.property_id, CredentialsOf(self.0.id));
        let all = load(ctx, key).await?.unwrap_or_default();
        let found = all.into_iter().find(|(row, _)| row.state == state);
        Ok(found.map(|(row, name)| IntegrationCredential { row, name }))
    }
}

/// An account at an app: exactly one property there.
#[derive(SimpleObject)]
pub struct IntegrationAccount {
    /// Its identifier at the app.
    key: String,
    /// Its name at the app.
    name: Option<String>,
}

/// What is known about a saved credential. The secret is write-only.
pub struct IntegrationCredential {
    row: Credential,
    name: String,
}

#[Object]
impl IntegrationCredential {
    /// When it was saved.
    async fn set_at(&self) -> Instant {
        self.row.set_at.into()
    }

    /// Who saved it.
    async fn set_by(&self) -> Actor {
        Actor {
            kind: ActorKind::User,
            name: self.name.clone(),
        }
    }

    /// Until when a verdict is awaited. Null once there is one.
    async fn verdict_due_at(&self) -> Option<Instant> {
        self.row.verdict_due_at.map(Into::into)
    }

    /// Counts up with every new one.
    async fn version(&self) -> i32 {
        self.row.version
    }
}

/// How far reading has come.
#[derive(SimpleObject)]
pub struct IntegrationSync {
    /// When changes were last read without a gap.
    last_synced_at: Option<Instant>,
    /// When they are read next.
    next_sync_at: Option<Instant>,
    /// Which phase.
    state: SyncState,
}

/// One check of a credential.
#[derive(SimpleObject)]
pub struct ValidationAttempt {
    /// When.
    at: Instant,
    /// Status the app answered with.
    http_status: Option<i32>,
    /// What came out.
    outcome: ValidationOutcome,
    /// Number to quote to the support of the app.
    pms_request_id: Option<String>,
    /// Why it was made.
    trigger: ValidationTrigger,
}

/// The sentence staff read about how an integration stands.
fn status_message(row: &integration::Integration, app: &str) -> Option<String> {
    use IntegrationStatusReason as Reason;
    let pending = row.status == IntegrationStatus::Pending;
    Some(match row.status_reason? {
        Reason::TokenRefused => format!(
            "{app} no longer accepts the token. Get a new one from the {app} Marketplace and paste it here."
        ),
        Reason::AccountAlreadyLinked => format!(
            "The saved token belongs to a {app} property that is linked elsewhere in Portal."
        ),
        Reason::WrongAccount => {
            format!("The saved token belongs to another {app} property than the one linked here.")
        }
        Reason::PortfolioToken => format!(
            "The saved token covers several {app} properties. Ask your {app} admin for the token of this property alone."
        ),
        Reason::PropertyUnavailable => {
            format!("{app} says this property is not active. Ask your {app} admin.")
        }
        Reason::NoVerdict if pending => {
            format!("Saved. {app} did not answer yet; Portal keeps checking.")
        }
        Reason::NoVerdict => {
            format!("{app} did not answer for 24 hours. Save the token again.")
        }
        Reason::DisconnectedByStaff => format!(
            "Disconnected by {}.",
            row.status_by.as_deref().unwrap_or("staff")
        ),
    })
}

/// One value of the form of an app.
#[derive(InputObject)]
pub struct AppFieldValue {
    /// Key of the field.
    key: String,
    /// The value. Blanks and line breaks pasted around a secret are dropped. It is never answered,
    /// logged or put into an error.
    #[graphql(secret)]
    value: String,
}

fn secrets(values: Vec<AppFieldValue>) -> Vec<(String, SecretString)> {
    values
        .into_iter()
        .map(|value| (value.key, value.value.into()))
        .collect()
}

/// Input of integrationConnect.
#[derive(InputObject)]
pub struct IntegrationConnectInput {
    /// Slug of the app.
    app: String,
    /// Property to connect.
    property: ID,
    /// Values for the fields of the app.
    values: Vec<AppFieldValue>,
}

payload! {
    "integrationConnect", IntegrationConnectPayload, IntegrationConnectUserError, IntegrationConnectErrorCode;
    /// The integration, CONNECTED, or PENDING when the app did not answer in time. Null when nothing
    /// was saved.
    integration: Integration,
    ;
    /// The account is linked to another property.
    AccountAlreadyLinked,
    /// The property is connected to another app of this kind.
    AlreadyConnected,
    /// This server is not set up for the app.
    AppNotConfigured,
    /// There is no such app, or it is not the caller's to see.
    AppNotFound,
    /// The form has no such field.
    FieldUnknown,
    /// The integration was disconnected meanwhile.
    NotConnected,
    /// The token opens several properties of the app.
    PortfolioToken,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
    /// It does not look like a token.
    TokenMalformed,
    /// No token was given.
    TokenMissing,
    /// The app does not accept the token.
    TokenRefused,
    /// Too many tries within a minute.
    TooManyAttempts,
    /// The app answered something Portal does not understand. Nothing was saved.
    UnexpectedAnswer,
    /// The token opens another account than the one this property is linked to.
    WrongAccount,
}

/// Input of integrationReconnect.
#[derive(InputObject)]
pub struct IntegrationReconnectInput {
    /// Integration to mend.
    integration: ID,
    /// New values for the fields of the app.
    values: Vec<AppFieldValue>,
}

payload! {
    "integrationReconnect", IntegrationReconnectPayload, IntegrationReconnectUserError, IntegrationReconnectErrorCode;
    /// The integration. Null when nothing was saved.
    integration: Integration,
    ;
    /// The account is linked to another property.
    AccountAlreadyLinked,
    /// This server is not set up for the app.
    AppNotConfigured,
    /// The form has no such field.
    FieldUnknown,
    /// There is no such integration, or it is not the caller's to see.
    IntegrationNotFound,
    /// The integration is disconnected; connect it instead.
    NotConnected,
    /// The token opens several properties of the app.
    PortfolioToken,
    /// It does not look like a token.
    TokenMalformed,
    /// No token was given.
    TokenMissing,
    /// The app does not accept the token.
    TokenRefused,
    /// Too many tries within a minute.
    TooManyAttempts,
    /// The app answered something Portal does not understand. Nothing was saved.
    UnexpectedAnswer,
    /// The token opens another account than the one this property is linked to.
    WrongAccount,
}

/// Input of integrationValidate.
#[derive(InputObject)]
pub struct IntegrationValidateInput {
    /// Integration to check.
    integration: ID,
}

payload! {
    "integrationValidate", IntegrationValidatePayload, IntegrationValidateUserError, IntegrationValidateErrorCode;
    /// The integration after the check. An app that did not answer leaves it unchanged.
    integration: Integration,
    ;
    /// There is no such integration, or it is not the caller's to see.
    IntegrationNotFound,
    /// The integration is disconnected.
    NotConnected,
    /// Too many tries within a minute.
    TooManyAttempts,
}

/// Input of integrationDisconnect.
#[derive(InputObject)]
pub struct IntegrationDisconnectInput {
    /// Integration to disconnect.
    integration: ID,
}

payload! {
    "integrationDisconnect", IntegrationDisconnectPayload, IntegrationDisconnectUserError, IntegrationDisconnectErrorCode;
    /// The integration, DISCONNECTED.
    integration: Integration,
    ;
    /// There is no such integration, or it is not the caller's to see.
    IntegrationNotFound,
    /// It is disconnected already.
    NotConnected,
}

/// What went wrong, as the person reads it: a field, and exactly this sentence.
fn sentence(refusal: &Refusal, app: &str, apps: &Apps, secret: &str) -> (Option<String>, String) {
    let on_token = |text: String| (Some(secret.to_owned()), text);
    match refusal {
        Refusal::TokenMissing { field } => (
            Some(field.clone()),
            format!("Paste the access token from {app}."),
        ),
        Refusal::TokenMalformed { field } => (
            Some(field.clone()),
            format!(
                "This does not look like a {app} access token. Copy it again, without any other text."
            ),
        ),
        Refusal::TokenRefused => on_token(format!(
            "{app} did not accept this token. Check that you pasted all of it, or ask your {app} admin for a new one."
        )),
        Refusal::PortfolioToken => on_token(format!(
            "This token covers several {app} properties. Ask your {app} admin for the token of this property alone."
        )),
        Refusal::AccountAlreadyLinked => on_token(format!(
            "This {app} property is already linked to another property in Portal. It can be linked to one only."
        )),
        Refusal::WrongAccount { other, account } => on_token(format!(
            "This token belongs to {other}, but this property is linked to {account}. Use a token of {account}."
        )),
        Refusal::UnexpectedAnswer => (
            None,
            format!("{app} sent an answer Portal does not understand. Nothing was saved."),
        ),
        Refusal::AlreadyConnected { app: other } => (
            None,
            format!(
                "This property is already connected to {}. Disconnect it first.",
                apps.name(other)
            ),
        ),
        Refusal::NotConnected => (None, format!("This property is not connected to {app}.")),
        Refusal::TooManyAttempts => (
            None,
            "Too many attempts. Wait a minute and try again.".to_owned(),
        ),
        Refusal::AppNotConfigured => (
            None,
            format!("{app} is not set up on this Portal server. Ask the person who runs it."),
        ),
        Refusal::AppNotFound => (Some("app".to_owned()), "There is no such app.".to_owned()),
        Refusal::FieldUnknown { field } => (
            Some(field.clone()),
            format!("The form of {app} has no such field."),
        ),
    }
}

/// Key of the secret field of an app's form, on which errors about the token are shown.
fn secret_key(apps: &Apps, slug: &str) -> &'static str {
    apps.get(slug)
        .and_then(|entry| {
            let secret = |field: &&portal_interface::Field| {
                field.kind == portal_interface::FieldKind::Secret
            };
            entry.app.form.iter().find(secret)
        })
        .map_or("", |field| field.key)
}

/// Who is saving a token: a person who signed in a short while ago.
fn staff(ctx: &Context<'_>) -> Result<Staff> {
    let viewer = ctx.viewer()?;
    if !viewer.fresh(ctx.env()?.now()) {
        return Err(ApiError::fresh_sign_in_required());
    }
    Ok(Staff {
        user: viewer.user()?,
        actor: viewer.actor(),
    })
}

/// The integration an input names, if the caller may touch it.
fn own_integration(ctx: &Context<'_>, id: &ID) -> Result<Option<(PropertyId, IntegrationId)>> {
    ctx.require_anywhere(Permission::Apps)?;
    let Some(found) = property::own_row(ctx, Kind::Integration, id)? else {
        return Ok(None);
    };
    ctx.require(Permission::Apps, found.property)?;
    Ok(Some((found.property, IntegrationId(found.row))))
}

/// The row as it now is, past the loader, which may hold what it was.
async fn fresh(
    ctx: &Context<'_>,
    property: PropertyId,
    id: IntegrationId,
) -> Result<Option<integration::Integration>> {
    let mut conn = read(ctx).await?;
    Ok(integration::by_id(&mut conn, property, id).await?)
}

/// Mutations of integrations.
#[derive(Default)]
pub struct IntegrationMutation;

#[Object]
impl IntegrationMutation {
    /// Connects a property to an app: checks the values with the app, then saves them. Does what
    /// integrationReconnect does when the app is already connected here. Needs a recent sign-in.
    async fn integration_connect(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: IntegrationConnectInput,
    ) -> Result<Option<IntegrationConnectPayload>> {
        use IntegrationConnectErrorCode as Code;
        ctx.require_anywhere(Permission::Apps)?;
        let Some(property) = property::own(ctx, &input.property)? else {
            let message = "There is no such property.";
            let code = Code::PropertyNotFound;
            let payload = IntegrationConnectPayload::refused(code, Some("property"), message);
            return Ok(Some(payload));
        };
        ctx.require(Permission::Apps, property)?;
        let staff = staff(ctx)?;
        let env = ctx.env()?;
        let app = env.apps.name(&input.app).to_owned();
        let secret = secret_key(&env.apps, &input.app);
        let values = secrets(input.values);
        match link::connect(env, &staff, property, &input.app, &values).await? {
            Ok(id) => Ok(Some(IntegrationConnectPayload {
                integration: fresh(ctx, property, id).await?.map(Integration),
                ..IntegrationConnectPayload::default()
            })),
            Err(refusals) => {
                let user_errors = refusals.iter().map(|refusal| {
                    let (field, message) = sentence(refusal, &app, &env.apps, secret);
                    let code = match refusal {
                        Refusal::AppNotFound => Code::AppNotFound,
                        Refusal::AppNotConfigured => Code::AppNotConfigured,
                        Refusal::FieldUnknown { .. } => Code::FieldUnknown,
                        Refusal::TokenMissing { .. } => Code::TokenMissing,
                        Refusal::TokenMalformed { .. } => Code::TokenMalformed,
                        Refusal::TokenRefused => Code::TokenRefused,
                        Refusal::PortfolioToken => Code::PortfolioToken,
                        Refusal::AccountAlreadyLinked => Code::AccountAlreadyLinked,
                        Refusal::WrongAccount { .. } => Code::WrongAccount,
                        Refusal::AlreadyConnected { .. } => Code::AlreadyConnected,
                        Refusal::NotConnected => Code::NotConnected,
                        Refusal::TooManyAttempts => Code::TooManyAttempts,
                        Refusal::UnexpectedAnswer => Code::UnexpectedAnswer,
                    };
                    IntegrationConnectUserError {
                        code,
                        field,
                        message,
                    }
                });
                Ok(Some(IntegrationConnectPayload {
                    user_errors: user_errors.collect(),
                    ..IntegrationConnectPayload::default()
                }))
            }
        }
    }

    /// Saves a new token for an integration, after it broke or to rotate a good one. The old one
    /// stays until the new one has proved itself. Needs a recent sign-in.
    async fn integration_reconnect(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: IntegrationReconnectInput,
    ) -> Result<Option<IntegrationReconnectPayload>> {
        use IntegrationReconnectErrorCode as Code;
        let not_found = || {
            let message = "There is no such integration.";
            let code = Code::IntegrationNotFound;
            Ok(Some(IntegrationReconnectPayload::refused(
                code,
                Some("integration"),
                message,
            )))
        };
        let Some((property, id)) = own_integration(ctx, &input.integration)? else {
            return not_found();
        };
        let staff = staff(ctx)?;
        let env = ctx.env()?;
        let Some(row) = fresh(ctx, property, id).await? else {
            return not_found();
        };
        let app = env.apps.name(&row.app).to_owned();
        let secret = secret_key(&env.apps, &row.app);
        let values = secrets(input.values);
        match link::reconnect(env, &staff, property, id, &values).await? {
            Ok(id) => Ok(Some(IntegrationReconnectPayload {
                integration: fresh(ctx, property, id).await?.map(Integration),
                ..IntegrationReconnectPayload::default()
            })),
            Err(refusals) => {
                let user_errors = refusals.iter().map(|refusal| {
                    let (field, message) = sentence(refusal, &app, &env.apps, secret);
                    let code = match refusal {
                        Refusal::FieldUnknown { .. } => Code::FieldUnknown,
                        Refusal::TokenMissing { .. } => Code::TokenMissing,
                        Refusal::TokenMalformed { .. } => Code::TokenMalformed,
                        Refusal::TokenRefused => Code::TokenRefused,
                        Refusal::PortfolioToken => Code::PortfolioToken,
                        Refusal::AccountAlreadyLinked => Code::AccountAlreadyLinked,
                        Refusal::WrongAccount { .. } => Code::WrongAccount,
                        Refusal::NotConnected | Refusal::AlreadyConnected { .. } => {
                            Code::NotConnected
                        }
                        Refusal::TooManyAttempts => Code::TooManyAttempts,
                        Refusal::UnexpectedAnswer => Code::UnexpectedAnswer,
                        Refusal::AppNotFound | Refusal::AppNotConfigured => Code::AppNotConfigured,
                    };
                    IntegrationReconnectUserError {
                        code,
                        field,
                        message,
                    }
                });
                Ok(Some(IntegrationReconnectPayload {
                    user_errors: user_errors.collect(),
                    ..IntegrationReconnectPayload::default()
                }))
            }
        }
    }

    /// Checks the token now instead of when it is due.
    async fn integration_validate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: IntegrationValidateInput,
    ) -> Result<Option<IntegrationValidatePayload>> {
        use IntegrationValidateErrorCode as Code;
        let refused = |code, message: &str| {
            let field = Some("integration");
            Ok(Some(IntegrationValidatePayload::refused(
                code, field, message,
            )))
        };
        let Some((property, id)) = own_integration(ctx, &input.integration)? else {
            return refused(Code::IntegrationNotFound, "There is no such integration.");
        };
        let env = ctx.env()?;
        let Some(row) = fresh(ctx, property, id).await? else {
            return refused(Code::IntegrationNotFound, "There is no such integration.");
        };
        let app = env.apps.name(&row.app).to_owned();
        match link::validate(env, property, id).await? {
            Ok(()) => Ok(Some(IntegrationValidatePayload {
                integration: fresh(ctx, property, id).await?.map(Integration),
                ..IntegrationValidatePayload::default()
            })),
            Err(refusal) => {
                let code = match refusal {
                    Refusal::TooManyAttempts => Code::TooManyAttempts,
                    _ => Code::NotConnected,
                };
                refused(code, &sentence(&refusal, &app, &env.apps, "").1)
            }
        }
    }

    /// Disconnects an integration and erases its token. Keychains run to their end; nothing new
    /// syncs.
    async fn integration_disconnect(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: IntegrationDisconnectInput,
    ) -> Result<Option<IntegrationDisconnectPayload>> {
        use IntegrationDisconnectErrorCode as Code;
        let refused = |code, message: &str| {
            let field = Some("integration");
            Ok(Some(IntegrationDisconnectPayload::refused(
                code, field, message,
            )))
        };
        let Some((property, id)) = own_integration(ctx, &input.integration)? else {
            return refused(Code::IntegrationNotFound, "There is no such integration.");
        };
        let (env, viewer) = (ctx.env()?, ctx.viewer()?);
        let staff = Staff {
            user: viewer.user()?,
            actor: viewer.actor(),
        };
        let Some(row) = fresh(ctx, property, id).await? else {
            return refused(Code::IntegrationNotFound, "There is no such integration.");
        };
        let app = env.apps.name(&row.app).to_owned();
        match link::disconnect(env, &staff, property, id).await? {
            Ok(()) => Ok(Some(IntegrationDisconnectPayload {
                integration: fresh(ctx, property, id).await?.map(Integration),
                ..IntegrationDisconnectPayload::default()
            })),
            Err(refusal) => refused(
                Code::NotConnected,
                &sentence(&refusal, &app, &env.apps, "").1,
            ),
        }
    }
}
