//! The apps this server offers. Only the binary knows which vendors there are.

use portal_interface::{App, Locks, Pms};
use std::sync::Arc;

/// The catalogue.
#[derive(Clone, Default)]
pub struct Apps(Arc<Vec<Entry>>);

/// One app: its data, and its adapter where the server is set up for it.
#[derive(Clone)]
pub struct Entry {
    /// The app.
    pub app: &'static App,
    /// Null while deployment settings are missing.
    pub adapter: Option<Adapter>,
}

/// What speaks to a vendor.
#[derive(Clone)]
pub enum Adapter {
    /// A property management system.
    Pms(Arc<dyn Pms>),
    /// A vendor of locks.
    Locks(Arc<dyn Locks>),
}

impl Apps {
    /// The catalogue of these apps, in the order to show.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self(Arc::new(entries))
    }

    /// Every app, in the order to show.
    pub fn all(&self) -> &[Entry] {
        &self.0
    }

    /// The app of this slug.
    pub fn get(&self, slug: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.app.slug == slug)
    }

    /// The name staff know the app by.
    pub fn name<'a>(&self, slug: &'a str) -> &'a str {
        self.get(slug).map_or(slug, |entry| entry.app.name)
    }

    /// The PMS of this slug, where the server is set up for it.
    pub fn pms(&self, slug: &str) -> Option<Arc<dyn Pms>> {
        match self.get(slug)?.adapter.as_ref()? {
            Adapter::Pms(pms) => Some(pms.clone()),
            Adapter::Locks(_) => None,
        }
    }

    /// The lock vendor of this slug, where the server is set up for it.
    pub fn locks(&self, slug: &str) -> Option<Arc<dyn Locks>> {
        match self.get(slug)?.adapter.as_ref()? {
            Adapter::Locks(locks) => Some(locks.clone()),
            Adapter::Pms(_) => None,
        }
    }
}

impl std::fmt::Debug for Apps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|entry| entry.app.slug))
            .finish()
    }
}
