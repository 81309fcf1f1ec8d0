//! The API's types. One file a noun: its type, queries and mutations stand together.
#![expect(
    unreachable_pub,
    reason = "the types of the schema are the API, whoever can name them"
)]
#![expect(
    clippy::unused_async,
    reason = "resolvers are async, as the library wants them"
)]

mod app;
mod arrival;
mod batch;
mod change;
mod closure;
mod copy;
mod device;
mod event;
mod explain;
mod id;
mod integration;
mod job;
mod keychain;
mod loaders;
mod lock_forecast;
mod mode;
mod page;
mod plan;
mod policy;
mod problem;
mod property;
mod reservation;
mod revoke;
mod room;
mod space;
mod space_link;
mod staff_keychain;
mod time;
mod user_error;
mod viewer;

use crate::auth::Viewer;
use crate::edge::ApiError;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, MergedObject, SDLExportOptions, Schema, SchemaBuilder};
use portal_domain::{Permission, PropertyId};
use portal_jobs::Env;
use portal_store::{Conn, DbError};
use std::hash::Hash;
use std::sync::Arc;

pub(crate) use batch::{Batched, Batches};
pub(crate) use loaders::Loaders;

/// What resolvers return: only errors with a code of ours reach a client.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Entry points for reading.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct Query(
    viewer::ViewerQuery,
    property::PropertyQuery,
    app::AppQuery,
    explain::ExplainQuery,
    closure::ClosureQuery,
    viewer::NodeQuery,
);

/// Entry points for changing things: noun and verb, one input, one payload of its own.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct Mutation(
    integration::IntegrationMutation,
    room::RoomMutation,
    space::SpaceMutation,
    space_link::SpaceLinkMutation,
    policy::PolicyMutation,
    mode::ModeMutation,
    plan::PlanMutation,
    device::DeviceMutation,
    reservation::ReservationMutation,
    explain::ExplainMutation,
    keychain::KeychainMutation,
    revoke::RevokeMutation,
    staff_keychain::StaffKeychainMutation,
    copy::CopyMutation,
    job::JobMutation,
    problem::ProblemMutation,
);

pub use event::Subscription;

/// The API.
pub type PortalSchema = Schema<Query, Mutation, Subscription>;

/// The API's types, without what resolvers work with.
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .limit_recursive_depth(64)
        .register_output_type::<user_error::UserError>()
}

/// The API over what it works with.
pub fn schema(env: &Env) -> PortalSchema {
    builder().data(env.clone()).finish()
}

/// The contract, as it stands in `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    let mut text = builder().finish().sdl_with_options(options);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The loaders of one request, and the look-ups they will ask for: run the request as [`Batched`].
pub(crate) fn request_data(env: &Env) -> (async_graphql::Data, Batches) {
    let loaders = Loaders { db: env.db.clone() };
    let batches = Batches::default();
    let line = batches.clone();
    let loader = DataLoader::new(loaders, move |batch| line.push(batch));
    let mut data = async_graphql::Data::default();
    data.insert(loader.delay(std::time::Duration::ZERO));
    (data, batches)
}

/// What every resolver reaches for.
pub(crate) trait Reach {
    /// Who is calling.
    fn viewer(&self) -> Result<&Viewer>;
    /// What the server works with.
    fn env(&self) -> Result<&Env>;
    /// Refuses who may not do this at the property. The property itself must be the caller's.
    fn require(&self, permission: Permission, property: PropertyId) -> Result<()>;
    /// Refuses who may do this nowhere, before anything is looked up.
    fn require_anywhere(&self, permission: Permission) -> Result<()>;
}

impl Reach for Context<'_> {
    fn viewer(&self) -> Result<&Viewer> {
        self.data_opt::<Viewer>().ok_or_else(ApiError::internal)
    }

    fn env(&self) -> Result<&Env> {
        self.data_opt::<Env>().ok_or_else(ApiError::internal)
    }

    fn require(&self, permission: Permission, property: PropertyId) -> Result<()> {
        if self.viewer()?.may(permission, property) {
            Ok(())
        } else {
            Err(ApiError::forbidden())
        }
    }

    fn require_anywhere(&self, permission: Permission) -> Result<()> {
        if self.viewer()?.may_anywhere(permission) {
            Ok(())
        } else {
            Err(ApiError::forbidden())
        }
    }
}

/// A connection for reading.
pub(crate) async fn read(ctx: &Context<'_>) -> Result<Conn> {
    Ok(ctx.env()?.db.read().await?)
}

/// Loads one row in the batch of the request.
pub(crate) async fn load<K>(
    ctx: &Context<'_>,
    key: K,
) -> Result<Option<<Loaders as Loader<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: Loader<K, Error = Arc<DbError>>,
{
    let loader = ctx
        .data_opt::<DataLoader<Loaders>>()
        .ok_or_else(ApiError::internal)?;
    loader.load_one(key).await.map_err(ApiError::shared)
}
