//! The vendors there are. Adding one is a line here, one in `Cargo.toml` and its settings.

use crate::config::{ConfigError, Vendors};
use crate::edge::HookSecrets;
use portal_demo::DemoPms;
use portal_interface::{App, Clock, Decode, Http};
use portal_jobs::{Adapter, Apps, Entry};
use portal_mews::Mews;
use portal_virtual::VirtualLocks;
use std::sync::Arc;

/// The catalogue, with an adapter for every app this server is set up for.
pub fn apps(vendors: &Vendors, http: &Http, clock: &Arc<dyn Clock>) -> Apps {
    let mews = mews(vendors, http, clock).map(|mews| Adapter::Pms(Arc::new(mews)));
    let locks = vendors
        .virtual_locks_url
        .clone()
        .map(|url| Adapter::Locks(Arc::new(VirtualLocks::new(url, http.clone()))));
    let demo = vendors
        .demo_app
        .then(|| Adapter::Pms(Arc::new(DemoPms::new(clock.clone()))));
    Apps::new(vec![
        Entry {
            app: &portal_mews::APP,
            adapter: mews,
        },
        Entry {
            app: &portal_demo::APP,
            adapter: demo,
        },
        Entry {
            app: &portal_virtual::APP,
            adapter: locks,
        },
    ])
}

/// The adapter for Mews, if this server is set up for it.
pub fn mews(vendors: &Vendors, http: &Http, clock: &Arc<dyn Clock>) -> Option<Mews> {
    let settings = portal_mews::Settings {
        client_token: vendors.mews_client_token.clone()?,
        client_name: vendors.mews_client_name.clone(),
        api_url: vendors.mews_api_url.clone(),
    };
    Some(Mews::new(settings, http.clone(), clock.clone()))
}

/// The apps whose payloads can be read aloud.
pub static DECODERS: &[(&App, &dyn Decode)] = &[(&portal_mews::APP, &portal_mews::Payloads)];

/// The secrets in the addresses that vendors deliver to.
pub fn hook_secrets(vendors: &Vendors) -> Result<HookSecrets, ConfigError> {
    let mut secrets = HookSecrets::default();
    if let Some(mews) = &vendors.mews_webhook_secrets {
        secrets.add(portal_mews::APP.slug, mews)?;
    }
    Ok(secrets)
}
