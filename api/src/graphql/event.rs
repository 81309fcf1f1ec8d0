//! The log of a property, live: replays what came after a point, then follows.

use super::id::{self, Kind};
use super::property::{self, Property};
use super::time::Instant;
use super::viewer::{Actor, Node, node};
use super::{Reach, Result};
use crate::auth::Viewer;
use crate::edge::ApiError;
use async_graphql::{Context, ID, Object, SimpleObject};
use futures_util::Stream;
use portal_domain::{EventKind, Permission, PropertyId, SubjectKind};
use portal_jobs::Env;
use portal_store::event::{self, Event};
use std::collections::VecDeque;
use std::time::Duration;
use uuid::Uuid;

/// Events read at once.
const BATCH: i64 = 100;
/// How often the log is read although no bell rang.
const POLL: Duration = Duration::from_secs(5);

/// One named value. Identifiers, codes and counts only, never a secret or a name of a guest.
#[derive(SimpleObject)]
pub struct KeyValue {
    /// Name of the value.
    key: String,
    /// The value.
    value: Option<String>,
}

/// One line of the log of a property.
pub struct PropertyEvent(Event);

#[Object]
impl PropertyEvent {
    /// Who did it.
    async fn actor(&self) -> Actor {
        Actor {
            kind: self.0.actor_kind,
            name: self.0.actor_name.clone(),
        }
    }

    /// When.
    async fn at(&self) -> Instant {
        self.0.at.into()
    }

    /// The event or request that led to it.
    async fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What else to know: identifiers, codes and counts.
    async fn data(&self) -> Vec<KeyValue> {
        let data: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&self.0.data).unwrap_or_default();
        data.into_iter()
            .map(|(key, value)| KeyValue {
                key,
                value: value.as_str().map(str::to_owned),
            })
            .collect()
    }

    /// What happened.
    async fn kind(&self) -> EventKind {
        self.0.kind
    }

    /// Where.
    async fn property(&self, ctx: &Context<'_>) -> Result<Property> {
        Property::of(ctx, self.0.property_id).await
    }

    /// Its place in the log. Grows in the order of commits.
    async fn seq(&self) -> i64 {
        self.0.seq
    }

    /// The object as it is now, so that a cache follows by itself. Null when it is gone or not the
    /// caller's to see.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<Node>> {
        subject(
            ctx,
            self.0.property_id,
            self.0.subject_kind,
            self.0.subject_id.0,
        )
        .await
    }
}

/// What an event or a problem is about, as it is now. `None` when it is gone or not the caller's to see.
pub(crate) async fn subject(
    ctx: &Context<'_>,
    property: PropertyId,
    kind: SubjectKind,
    row: Uuid,
) -> Result<Option<Node>> {
    let kind = match kind {
        SubjectKind::Integration => Kind::Integration,
        SubjectKind::Room => Kind::Room,
        SubjectKind::Space => Kind::Space,
        SubjectKind::Device => Kind::Device,
        SubjectKind::Reservation => Kind::Reservation,
        SubjectKind::Keychain => Kind::Keychain,
        SubjectKind::Pin => Kind::Pin,
        SubjectKind::DevicePin => Kind::DevicePin,
        SubjectKind::PinPush => Kind::PinPush,
        SubjectKind::Problem => Kind::Problem,
        SubjectKind::Job => Kind::Job,
        SubjectKind::Property => {
            return node(ctx, &id::global(Kind::Property, property)).await;
        }
    };
    node(ctx, &id::row(kind, property, row)).await
}

/// Whether the caller may see an event of this kind.
fn may_see(viewer: &Viewer, property: PropertyId, event: &Event) -> bool {
    let permission = match event.subject_kind {
        // Staff without the Apps tab see how integrations stand, but not what is done to them.
        SubjectKind::Integration => match event.kind {
            EventKind::IntegrationBroken
            | EventKind::IntegrationRecovered
            | EventKind::IntegrationCaughtUp => Permission::IntegrationsRead,
            _ => Permission::Apps,
        },
        SubjectKind::Room | SubjectKind::Space | SubjectKind::Property => Permission::RoomsRead,
        SubjectKind::Device => Permission::DevicesRead,
        SubjectKind::Reservation => Permission::ReservationsRead,
        SubjectKind::Keychain
        | SubjectKind::Pin
        | SubjectKind::DevicePin
        | SubjectKind::PinPush => Permission::KeychainsRead,
        SubjectKind::Problem => Permission::Problems,
        SubjectKind::Job => Permission::KeychainsWrite,
    };
    viewer.may(permission, property)
}

struct Follow {
    env: Env,
    viewer: Viewer,
    property: PropertyId,
    kinds: Option<Vec<EventKind>>,
    after: i64,
    waiting: VecDeque<Event>,
    bell: tokio::sync::watch::Receiver<u64>,
}

impl Follow {
    /// The next event the caller may see. Nothing is sent from a signal: the rows are read.
    async fn next(&mut self) -> Result<PropertyEvent> {
        loop {
            while let Some(event) = self.waiting.pop_front() {
                let wanted = self
                    .kinds
                    .as_ref()
                    .is_none_or(|kinds| kinds.contains(&event.kind));
                if wanted && may_see(&self.viewer, self.property, &event) {
                    return Ok(PropertyEvent(event));
                }
            }
            // Noted before reading: what is committed meanwhile rings again.
            self.bell.mark_unchanged();
            let mut conn = self.env.db.read().await?;
            let rows = event::after(&mut conn, self.property, self.after, BATCH).await?;
            drop(conn);
            match rows.last() {
                Some(last) => {
                    self.after = last.seq;
                    self.waiting.extend(rows);
                }
                None => {
                    let _ = tokio::time::timeout(POLL, self.bell.changed()).await;
                }
            }
        }
    }
}

/// Live changes. Permission is checked on subscribing and again for every event.
pub struct Subscription;

#[async_graphql::Subscription]
impl Subscription {
    /// Replays the log of a property after a point, then follows it.
    async fn property_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Send everything after this seq first. Without it, only what happens from now on."
        )]
        after: Option<i64>,
        #[graphql(desc = "Only these kinds.")] kinds: Option<Vec<EventKind>>,
        #[graphql(desc = "Property to follow.")] property: ID,
    ) -> Result<impl Stream<Item = Result<PropertyEvent>>> {
        ctx.require_anywhere(Permission::EventsRead)?;
        let Some(property) = property::own(ctx, &property)? else {
            return Err(ApiError::forbidden());
        };
        ctx.require(Permission::EventsRead, property)?;
        let env = ctx.env()?.clone();
        let bell = env.db.bell().events();
        let after = match after {
            Some(after) => after,
            None => {
                let mut conn = env.db.read().await?;
                event::last(&mut conn, property).await?
            }
        };
        let follow = Follow {
            viewer: ctx.viewer()?.clone(),
            env,
            property,
            kinds,
            after,
            waiting: VecDeque::new(),
            bell,
        };
        Ok(futures_util::stream::unfold(Some(follow), |follow| async {
            let mut follow = follow?;
            match follow.next().await {
                Ok(event) => Some((Ok(event), Some(follow))),
                // The stream ends with its error; the client subscribes again after the last seq.
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}
