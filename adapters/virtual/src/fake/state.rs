//! All that the server remembers.

use super::NewSite;
use super::fault::{Calls, Faults, Scripted};
use super::lock::{Lock, can_be_chosen};
use portal_interface::DeviceRule;
use std::collections::BTreeMap;

/// Why a request is not carried out: the status and the word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Problem(pub(super) u16, pub(super) &'static str);

impl Problem {
    /// The request breaks the contract.
    pub(super) const REQUEST: Self = Self(400, "request");
    /// The key opens nothing.
    pub(super) const KEY: Self = Self(401, "key");
    /// No such site.
    pub(super) const NO_SITE: Self = Self(404, "site");
    /// No such lock.
    pub(super) const NO_LOCK: Self = Self(404, "lock");
    /// No such code.
    pub(super) const NO_CODE: Self = Self(404, "code");
    /// No slot is free.
    pub(super) const FULL: Self = Self(409, "full");
    /// Not these digits.
    pub(super) const CODE: Self = Self(422, "code");
    /// It is too early to send the code.
    pub(super) const TIMES: Self = Self(422, "times");
    pub(super) const EARLY: Self = Self(422, "early");
    /// The label is too long.
    pub(super) const LABEL: Self = Self(422, "label");
    /// The end has passed.
    pub(super) const OVER: Self = Self(422, "over");
    /// A rule that cannot be chosen.
    pub(super) const RULES: Self = Self(422, "rules");
    /// The lock cannot be reached.
    pub(super) const OFFLINE: Self = Self(503, "offline");
}

/// A site: the account of one customer.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) name: String,
    key: Option<String>,
}

/// All that the server remembers.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) sites: BTreeMap<String, Site>,
    pub(super) locks: BTreeMap<String, Lock>,
    pub(super) faults: Faults,
    /// What every request is answered with instead.
    pub(super) script: Option<Scripted>,
    pub(super) calls: Calls,
    pub(super) refused: Vec<String>,
}

impl State {
    pub(super) fn add_site(&mut self, name: &str, key: Option<&str>) -> NewSite {
        let id = format!("site-{}", self.sites.len() + 1);
        let key = key.map_or_else(new_key, ToOwned::to_owned);
        let site = Site {
            name: name.to_owned(),
            key: Some(key.clone()),
        };
        self.sites.insert(id.clone(), site);
        NewSite {
            id,
            key: key.into(),
        }
    }

    pub(super) fn renew_key(
        &mut self,
        site: &str,
    ) -> Result<portal_interface::SecretString, Problem> {
        let site = self.sites.get_mut(site).ok_or(Problem::NO_SITE)?;
        let key = new_key();
        site.key = Some(key.clone());
        Ok(key.into())
    }

    pub(super) fn revoke_key(&mut self, site: &str) -> Result<(), Problem> {
        let site = self.sites.get_mut(site).ok_or(Problem::NO_SITE)?;
        site.key = None;
        Ok(())
    }

    pub(super) fn add_lock(
        &mut self,
        site: &str,
        name: &str,
        rules: &[DeviceRule],
    ) -> Result<String, Problem> {
        if !self.sites.contains_key(site) {
            return Err(Problem::NO_SITE);
        }
        if !rules.iter().all(can_be_chosen) {
            return Err(Problem::RULES);
        }
        let id = format!("lock-{}", self.locks.len() + 1);
        let mut lock = Lock::new(site, name);
        for rule in rules {
            lock.set_rule(rule);
        }
        self.locks.insert(id.clone(), lock);
        Ok(id)
    }

    /// The site a key opens.
    pub(super) fn site_of(&self, key: &str) -> Option<String> {
        let mut sites = self.sites.iter();
        let (id, _) = sites.find(|(_, site)| site.key.as_deref() == Some(key))?;
        Some(id.clone())
    }

    /// A lock of the site that can be reached.
    pub(super) fn reach(&mut self, site: &str, lock: &str) -> Result<&mut Lock, Problem> {
        let lock = self.locks.get_mut(lock).filter(|lock| lock.site == site);
        let lock = lock.ok_or(Problem::NO_LOCK)?;
        if lock.online {
            Ok(lock)
        } else {
            Err(Problem::OFFLINE)
        }
    }
}

fn new_key() -> String {
    format!("vl_{}", uuid::Uuid::new_v4().simple())
}
