//! The catalogue of the Apps tab. Vendors are data: a new one changes no type.

use super::page::Paging;
use super::{Reach, Result, id};
use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, Object};
use portal_domain::{AppCategory, Permission};
use portal_interface::{Field, FieldKind};
use portal_jobs::Entry;
use uuid::Uuid;

/// Something an app can do. Data that may change without a release.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppCapability {
    /// It tells Portal at once when something changed. Without this Portal asks now and then.
    Hooks,
    /// It shows stored PINs to guests or staff.
    ShowsPins,
    /// PINs can be stored in it.
    StoresPins,
}

/// How to draw a form field.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppFieldKind {
    /// A password box. Its value is write-only.
    Secret,
    /// A text box.
    Text,
    /// A switch, sent as true or false.
    Toggle,
}

/// An entry of the Apps tab. Vendors are data: a new one changes no type.
pub struct App(pub(crate) Entry);

#[Object]
impl App {
    /// Whether this server is set up for it. The person who runs the server sees to that.
    async fn available(&self) -> bool {
        self.0.adapter.is_some()
    }

    /// What the app can do.
    async fn capabilities(&self) -> Vec<AppCapability> {
        let can = self.0.app.capabilities;
        [
            (can.hooks, AppCapability::Hooks),
            (can.shows_pins, AppCapability::ShowsPins),
            (can.stores_pins, AppCapability::StoresPins),
        ]
        .into_iter()
        .filter_map(|(can, capability)| can.then_some(capability))
        .collect()
    }

    /// What kind of app it is.
    async fn category(&self) -> AppCategory {
        self.0.app.category
    }

    /// The form to fill in when connecting, in display order.
    async fn fields(&self) -> Vec<AppField> {
        self.0.app.form.iter().map(AppField).collect()
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::app(self.0.app.slug)
    }

    /// Name to show.
    async fn name(&self) -> &str {
        self.0.app.name
    }

    /// What staff should know about it.
    async fn notes(&self) -> Option<&str> {
        Some(self.0.app.notes).filter(|notes| !notes.is_empty())
    }

    /// Short name that never changes, for example mews.
    async fn slug(&self) -> &str {
        self.0.app.slug
    }

    /// Where to ask for help.
    async fn support_url(&self) -> Option<&str> {
        Some(self.0.app.support_url).filter(|url| !url.is_empty())
    }

    /// Whether the form offers a demo account.
    async fn supports_demo_account(&self) -> bool {
        self.0.app.capabilities.demo_account
    }
}

/// One field of the form with which an app is connected.
pub struct AppField(&'static Field);

#[Object]
impl AppField {
    /// Where a person finds the value.
    async fn help(&self) -> Option<&str> {
        Some(self.0.help).filter(|help| !help.is_empty())
    }

    /// Name to send the value under.
    async fn key(&self) -> &str {
        self.0.key
    }

    /// How to draw it. Draw nothing and ask for an update when it is unknown to the client.
    async fn kind(&self) -> AppFieldKind {
        match self.0.kind {
            FieldKind::Secret => AppFieldKind::Secret,
            FieldKind::Text => AppFieldKind::Text,
            FieldKind::Toggle => AppFieldKind::Toggle,
        }
    }

    /// Label to show.
    async fn label(&self) -> &str {
        self.0.label
    }

    /// Whether it must be filled in.
    async fn required(&self) -> bool {
        self.0.required
    }

    /// Key of the switch on which it depends. Null when it is always shown.
    async fn visible_when(&self) -> Option<&str> {
        self.0.visible_when.map(|(key, _)| key)
    }

    /// Value of that switch with which it is shown.
    async fn visible_when_value(&self) -> Option<bool> {
        self.0.visible_when.map(|(_, value)| value == "true")
    }
}

/// The catalogue.
#[derive(Default)]
pub struct AppQuery;

#[Object]
impl AppQuery {
    /// One entry of the catalogue, for example mews.
    async fn app(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Slug of the app.")] slug: String,
    ) -> Result<Option<App>> {
        ctx.require_anywhere(Permission::Apps)?;
        Ok(ctx.env()?.apps.get(&slug).cloned().map(App))
    }

    /// The catalogue of the Apps tab: what a property can be connected to.
    async fn apps(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only apps of this kind.")] category: Option<AppCategory>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, App>>> {
        ctx.require_anywhere(Permission::Apps)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read::<String>("apps", false)?;
        let mut entries: Vec<Entry> = ctx
            .env()?
            .apps
            .all()
            .iter()
            .filter(|entry| category.is_none_or(|category| entry.app.category == category))
            .filter(|entry| {
                let name = entry.app.name;
                let page = &asked.page;
                page.after
                    .as_ref()
                    .is_none_or(|place| name > place.key.as_str())
                    && page
                        .before
                        .as_ref()
                        .is_none_or(|place| name < place.key.as_str())
            })
            .cloned()
            .collect();
        entries.sort_by_key(|entry| entry.app.name);
        if asked.page.backward {
            entries.reverse();
        }
        entries.truncate(usize::try_from(asked.page.limit).unwrap_or(0));
        let key = |entry: &Entry| (entry.app.name.to_owned(), Uuid::nil());
        Ok(Some(asked.connection(entries, false, key, App)))
    }
}
