//! The caller of a request.

use crate::edge::ApiError;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    ActorKind, ApiKeyId, MembershipId, OrganizationId, Permission, PropertyId, Role, SessionId,
    UserId,
};
use portal_store::event::Actor;
use uuid::Uuid;

/// How long a sign-in counts as fresh.
const FRESH: Duration = Duration::minutes(5);

/// One role of the person who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipOf {
    /// Identifier.
    pub id: MembershipId,
    /// Where.
    pub organization: OrganizationId,
    /// At which property; none: at all of the organization.
    pub property: Option<PropertyId>,
    /// As what.
    pub role: Role,
}

/// What kind of caller it is.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A person with a session.
    Person {
        /// Who.
        user: UserId,
        /// Which session.
        session: SessionId,
        /// When the person last gave the password.
        signed_in_at: DateTime<Utc>,
        /// The roles.
        memberships: Vec<MembershipOf>,
    },
    /// A program with a key.
    Key {
        /// Which key.
        key: ApiKeyId,
        /// The property it belongs to.
        property: PropertyId,
        /// What it may do.
        permissions: Vec<Permission>,
    },
}

/// Who is calling.
#[derive(Debug, Clone)]
pub struct Viewer {
    pub(crate) name: String,
    pub(crate) caller: Caller,
    /// Every property the caller has a role or key at, with the roles there.
    pub(crate) roles: Vec<(PropertyId, Role)>,
}

impl Viewer {
    /// Display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The session or key that calls: what limits of calling go by.
    pub(crate) fn credential(&self) -> Uuid {
        match &self.caller {
            Caller::Person { session, .. } => session.0,
            Caller::Key { key, .. } => key.0,
        }
    }

    /// Whether the other may do the same at the same properties.
    pub(crate) fn may_the_same_as(&self, other: &Self) -> bool {
        let rights = |viewer: &Self| {
            let mut roles = viewer.roles.clone();
            roles.sort_unstable();
            let mut permissions = match &viewer.caller {
                Caller::Person { .. } => Vec::new(),
                Caller::Key { permissions, .. } => permissions.clone(),
            };
            permissions.sort_unstable();
            (roles, permissions)
        };
        rights(self) == rights(other)
    }

    /// Whether the caller may do this at the property.
    pub fn may(&self, permission: Permission, property: PropertyId) -> bool {
        match &self.caller {
            Caller::Person { .. } => self
                .roles
                .iter()
                .any(|(at, role)| *at == property && role.may(permission)),
            Caller::Key {
                property: own,
                permissions,
                ..
            } => *own == property && permissions.contains(&permission),
        }
    }

    /// Whether the caller may do this at any property.
    pub fn may_anywhere(&self, permission: Permission) -> bool {
        match &self.caller {
            Caller::Person { .. } => self.roles.iter().any(|(_, role)| role.may(permission)),
            Caller::Key { permissions, .. } => permissions.contains(&permission),
        }
    }

    /// Whether the property is one of the caller's.
    pub fn sees(&self, property: PropertyId) -> bool {
        match &self.caller {
            Caller::Person { .. } => self.roles.iter().any(|(at, _)| *at == property),
            Caller::Key { property: own, .. } => *own == property,
        }
    }

    /// The caller's properties.
    pub fn properties(&self) -> Vec<PropertyId> {
        match &self.caller {
            Caller::Person { .. } => {
                let mut all: Vec<PropertyId> = self.roles.iter().map(|(at, _)| *at).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
            Caller::Key { property, .. } => vec![*property],
        }
    }

    /// Whether the caller is an owner or general manager somewhere.
    pub fn is_admin(&self) -> bool {
        self.may_anywhere(Permission::Apps)
    }

    /// The roles of the person; none for a key.
    pub fn memberships(&self) -> &[MembershipOf] {
        match &self.caller {
            Caller::Person { memberships, .. } => memberships,
            Caller::Key { .. } => &[],
        }
    }

    /// When the person last gave the password.
    pub fn signed_in_at(&self) -> Option<DateTime<Utc>> {
        match &self.caller {
            Caller::Person { signed_in_at, .. } => Some(*signed_in_at),
            Caller::Key { .. } => None,
        }
    }

    /// Whether the password was given a short while ago. A key proves itself with each call.
    pub fn fresh(&self, now: DateTime<Utc>) -> bool {
        match &self.caller {
            Caller::Person { signed_in_at, .. } => now - *signed_in_at <= FRESH,
            Caller::Key { .. } => true,
        }
    }

    /// The person, for what only people may do.
    pub fn user(&self) -> Result<UserId, ApiError> {
        match &self.caller {
            Caller::Person { user, .. } => Ok(*user),
            Caller::Key { .. } => Err(ApiError::forbidden()),
        }
    }

    /// The caller as the log names it.
    pub fn actor(&self) -> Actor {
        let (kind, id) = match &self.caller {
            Caller::Person { user, .. } => (ActorKind::User, user.0),
            Caller::Key { key, .. } => (ActorKind::ApiClient, key.0),
        };
        Actor {
            kind,
            name: self.name.clone(),
            id: Some(id),
        }
    }
}
