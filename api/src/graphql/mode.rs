//! Putting a property into operation.

use super::change::make;
use super::property::{self, Property};
use super::user_error::payload;
use super::{Reach, Result, read};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use portal_domain::{Permission, PropertyMode};
use portal_jobs::change::Change;
use portal_jobs::checklist::{self, Item, Needed};
use portal_store::property as store;

/// One thing that has to be so before a property gives access.
#[derive(SimpleObject)]
pub struct ChecklistItem {
    /// Which, for code.
    code: checklist::Check,
    /// How many things are in the way. Null where counting says nothing.
    count: Option<i64>,
    /// What to do, in one sentence for staff; or that it is done.
    message: String,
    /// Name of the mutation that helps. Null when it is done, or done elsewhere.
    fix: Option<String>,
    /// Whether it is so.
    passed: bool,
    /// Whether the property can go live without it.
    required: bool,
}

impl From<Item> for ChecklistItem {
    fn from(item: Item) -> Self {
        Self {
            code: item.check,
            count: item.count,
            fix: item.fix.map(str::to_owned),
            message: item.message,
            passed: item.passed,
            required: item.needed == Needed::Required,
        }
    }
}

/// Input of propertyGoLive.
#[derive(InputObject)]
pub struct PropertyGoLiveInput {
    /// Property to put live.
    property: ID,
}

payload! {
    "propertyGoLive", PropertyGoLivePayload, PropertyGoLiveUserError, PropertyGoLiveErrorCode;
    /// The property, LIVE.
    property: Property,
    ;
    /// It is live already.
    AlreadyLive,
    /// A required item of its checklist is open; the message names it.
    NotReady,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
}

/// Input of propertyEnterSetup.
#[derive(InputObject)]
pub struct PropertyEnterSetupInput {
    /// Property to take out of operation.
    property: ID,
}

payload! {
    "propertyEnterSetup", PropertyEnterSetupPayload, PropertyEnterSetupUserError, PropertyEnterSetupErrorCode;
    /// The property, in SETUP.
    property: Property,
    ;
    /// It is in setup already.
    AlreadyInSetup,
    /// There is no such property, or it is not the caller's to see.
    PropertyNotFound,
}

/// Mutations of the mode of a property.
#[derive(Default)]
pub struct ModeMutation;

#[Object]
impl ModeMutation {
    /// Puts a property into live operation: keychains are made for all who should have one.
    async fn property_go_live(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PropertyGoLiveInput,
    ) -> Result<Option<PropertyGoLivePayload>> {
        use PropertyGoLiveErrorCode as Code;
        ctx.require_anywhere(Permission::GoLive)?;
        let refused = |code, message: &str| {
            let field = Some("property");
            Ok(Some(PropertyGoLivePayload::refused(code, field, message)))
        };
        let not_found = || refused(Code::PropertyNotFound, "There is no such property.");
        let Some(id) = property::own(ctx, &input.property)? else {
            return not_found();
        };
        ctx.require(Permission::GoLive, id)?;
        let env = ctx.env()?;
        let mut tx = env.db.begin_in(id).await?;
        let Some(row) = store::by_id(&mut tx, id).await? else {
            return not_found();
        };
        if row.mode == PropertyMode::Live {
            return refused(Code::AlreadyLive, "The property is live already.");
        }
        let list = checklist::of(&mut tx, env, &row).await?;
        let open = list
            .iter()
            .find(|item| !item.passed && item.needed == Needed::Required);
        if let Some(item) = open {
            return refused(Code::NotReady, &item.message);
        }
        let mode = PropertyMode::Live;
        make(ctx, tx, id, &Change::SetMode { mode }).await?;
        let mut conn = read(ctx).await?;
        Ok(Some(PropertyGoLivePayload {
            property: store::by_id(&mut conn, id).await?.map(Property),
            ..PropertyGoLivePayload::default()
        }))
    }

    /// Takes a property out of live operation: data goes on flowing, no new keychain is made, and
    /// those that exist run to their end.
    async fn property_enter_setup(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: PropertyEnterSetupInput,
    ) -> Result<Option<PropertyEnterSetupPayload>> {
        use PropertyEnterSetupErrorCode as Code;
        ctx.require_anywhere(Permission::GoLive)?;
        let refused = |code, message: &str| {
            let field = Some("property");
            Ok(Some(PropertyEnterSetupPayload::refused(
                code, field, message,
            )))
        };
        let not_found = || refused(Code::PropertyNotFound, "There is no such property.");
        let Some(id) = property::own(ctx, &input.property)? else {
            return not_found();
        };
        ctx.require(Permission::GoLive, id)?;
        let mut tx = ctx.env()?.db.begin_in(id).await?;
        let Some(row) = store::by_id(&mut tx, id).await? else {
            return not_found();
        };
        if row.mode == PropertyMode::Setup {
            return refused(Code::AlreadyInSetup, "The property is in setup already.");
        }
        let mode = PropertyMode::Setup;
        make(ctx, tx, id, &Change::SetMode { mode }).await?;
        let mut conn = read(ctx).await?;
        Ok(Some(PropertyEnterSetupPayload {
            property: store::by_id(&mut conn, id).await?.map(Property),
            ..PropertyEnterSetupPayload::default()
        }))
    }
}
