//! What the person who runs the server does from the command line.

use crate::auth::password;
use chrono::{DateTime, Duration, Utc};
use portal_domain::{Permission, PropertyId, Role};
use portal_store::{Db, DbError, api_key, membership, property, user};
use secrecy::{ExposeSecret, SecretString};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The address is no address.
    #[error("{0} is not an e-mail address")]
    Email(String),
    /// The password is too short.
    #[error("the password must have at least 10 characters")]
    Password,
    /// The property is not there.
    #[error("there is no property called {0}")]
    Property(String),
    /// A permission is unknown or not for programs.
    #[error("{0} is not a permission a key can have")]
    Permission(String),
}

impl From<portal_store::QueryError> for AdminError {
    fn from(error: portal_store::QueryError) -> Self {
        Self::Db(error.into())
    }
}

/// A new owner, and where.
#[derive(Debug)]
pub struct NewOwner<'a> {
    /// Address the person signs in with.
    pub email: &'a str,
    /// Display name.
    pub name: &'a str,
    /// Password.
    pub password: SecretString,
    /// The company; made when there is none of this name.
    pub organization: &'a str,
    /// The house; made when the company has none of this name.
    pub property: &'a str,
}

/// Makes a person who may do everything in an organization, and a property to begin with. For a
/// person who exists already, the role is added and the password kept.
pub async fn create_owner(
    db: &Db,
    new: NewOwner<'_>,
    now: DateTime<Utc>,
) -> Result<PropertyId, AdminError> {
    let email = new.email.trim().to_lowercase();
    let plausible = email
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.len() > 2);
    if !plausible {
        return Err(AdminError::Email(email));
    }
    if new.password.expose_secret().chars().count() < 10 {
        return Err(AdminError::Password);
    }
    let hash = password::hash(new.password).await;
    let mut tx = db.begin().await?;
    let organization = match property::organization_by_name(&mut tx, new.organization).await? {
        Some(organization) => organization.id,
        None => property::create_organization(&mut tx, new.organization, now).await?,
    };
    let house = match property::by_name(&mut tx, organization, new.property).await? {
        Some(property) => property.id,
        None => property::create(&mut tx, organization, new.property, now).await?,
    };
    let person = match user::by_email(&mut tx, &email).await? {
        Some(user) => user.id,
        None => user::create(&mut tx, &email, new.name, &hash, now).await?,
    };
    membership::grant(&mut tx, person, organization, None, Role::Owner, now).await?;
    tx.commit().await?;
    Ok(house)
}

/// Makes a key for a program. It is shown once.
pub async fn create_key(
    db: &Db,
    property: PropertyId,
    name: &str,
    permissions: &[Permission],
    now: DateTime<Utc>,
) -> Result<SecretString, AdminError> {
    let wrong = permissions
        .iter()
        .find(|permission| !Permission::GRANTABLE.contains(permission));
    if let Some(wrong) = wrong {
        return Err(AdminError::Permission(wrong.to_string()));
    }
    let (key, prefix, hash) = crate::auth::new_key();
    let mut tx = db.begin().await?;
    let new = api_key::NewApiKey {
        property,
        name,
        permissions,
        prefix: &prefix,
        hash: &hash,
        expires_at: now + Duration::days(365),
    };
    api_key::create(&mut tx, &new, now).await?;
    tx.commit().await?;
    Ok(key)
}

/// A new secret for an address that a vendor delivers to: 256 bits.
pub fn new_hook_secret() -> SecretString {
    crate::auth::random_token()
}

/// The property of this name.
pub async fn find_property(
    db: &Db,
    organization: &str,
    name: &str,
) -> Result<PropertyId, AdminError> {
    let mut conn = db.read().await?;
    let missing = || AdminError::Property(format!("{name} in {organization}"));
    let owner = property::organization_by_name(&mut conn, organization)
        .await?
        .ok_or_else(missing)?;
    let found = property::by_name(&mut conn, owner.id, name).await?;
    Ok(found.ok_or_else(missing)?.id)
}
