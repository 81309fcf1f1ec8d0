//! Organizations and their properties.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::{organizations, policy_versions, properties};
use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{
    AccessIssueAt, AccessOnCheckOut, OrganizationId, PinPushWhen, Policy, PropertyId, PropertyMode,
};

/// A company that owns properties.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = organizations)]
pub struct Organization {
    /// Identifier.
    pub id: OrganizationId,
    /// Name of the company.
    pub name: String,
}

/// A house.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = properties)]
pub struct Property {
    /// Identifier.
    pub id: PropertyId,
    /// Who owns it.
    pub organization_id: OrganizationId,
    /// Its name.
    pub name: String,
    /// IANA time zone; unknown until a PMS has told it.
    pub time_zone: Option<String>,
    issue_at: AccessIssueAt,
    buffer_before: i32,
    buffer_after: i32,
    horizon_days: i32,
    on_check_out: AccessOnCheckOut,
    luggage_minutes: i32,
    pin_length: i32,
    cooldown_days: i32,
    push_pins: bool,
    push_when: PinPushWhen,
    /// Counts the changes of the policy.
    pub policy_version: i32,
    /// Whether it gives access.
    pub mode: PropertyMode,
    /// How many days after a stay its guest's name and PIN are kept.
    pub retention_days: i32,
}

impl Property {
    /// How access is given here.
    pub fn policy(&self) -> Policy {
        Policy {
            issue_at: self.issue_at,
            buffer_before: self.buffer_before,
            buffer_after: self.buffer_after,
            horizon_days: self.horizon_days,
            on_check_out: self.on_check_out,
            luggage_minutes: self.luggage_minutes,
            pin_length: self.pin_length,
            cooldown_days: self.cooldown_days,
            push_pins: self.push_pins,
            push_when: self.push_when,
        }
    }
}

/// Adds an organization.
pub async fn create_organization(
    conn: &mut Conn,
    name: &str,
    now: DateTime<Utc>,
) -> QueryResult<OrganizationId> {
    let id = OrganizationId::new();
    on!(conn, c => {
        diesel::insert_into(organizations::table)
            .values((
                organizations::id.eq(id),
                organizations::name.eq(name),
                organizations::audit_seq.eq(0),
                organizations::audit_hash.eq(Vec::new()),
                organizations::created_at.eq(Timestamp(now)),
            ))
            .execute(c)
            .await
    })?;
    Ok(id)
}

/// The organization of this name, if there is exactly one.
pub async fn organization_by_name(
    conn: &mut Conn,
    name: &str,
) -> QueryResult<Option<Organization>> {
    on!(conn, c => {
        organizations::table
            .filter(organizations::name.eq(name))
            .order(organizations::created_at)
            .select(Organization::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// Organizations by id.
pub async fn organizations(
    conn: &mut Conn,
    ids: &[OrganizationId],
) -> QueryResult<Vec<Organization>> {
    on!(conn, c => {
        organizations::table
            .filter(organizations::id.eq_any(ids))
            .select(Organization::as_select())
            .load(c)
            .await
    })
}

/// Adds a property with the default policy.
pub async fn create(
    conn: &mut Conn,
    organization: OrganizationId,
    name: &str,
    now: DateTime<Utc>,
) -> QueryResult<PropertyId> {
    let id = PropertyId::new();
    on!(conn, c => {
        diesel::insert_into(properties::table)
            .values((
                properties::id.eq(id),
                properties::organization_id.eq(organization),
                properties::name.eq(name),
                properties::created_at.eq(Timestamp(now)),
                // The shortest retention is a day: before, there is nothing to look for.
                properties::next_erase_at.eq(Timestamp(now + Duration::days(1))),
            ))
            .execute(c)
            .await
    })?;
    Ok(id)
}

/// Properties by id.
pub async fn by_ids(conn: &mut Conn, ids: &[PropertyId]) -> QueryResult<Vec<Property>> {
    on!(conn, c => {
        properties::table
            .filter(properties::id.eq_any(ids))
            .select(Property::as_select())
            .load(c)
            .await
    })
}

/// One property.
pub async fn by_id(conn: &mut Conn, id: PropertyId) -> QueryResult<Option<Property>> {
    Ok(by_ids(conn, &[id]).await?.pop())
}

/// A page of these properties, by name.
pub async fn page(
    conn: &mut Conn,
    ids: &[PropertyId],
    organization: Option<OrganizationId>,
    page: &Page<String>,
) -> QueryResult<Vec<Property>> {
    on!(conn, c => {
        let mut query = properties::table
            .filter(properties::id.eq_any(ids))
            .select(Property::as_select())
            .into_boxed();
        if let Some(organization) = organization {
            query = query.filter(properties::organization_id.eq(organization));
        }
        paged!(query, properties::name, properties::id, page).load(c).await
    })
}

/// Every property of these organizations.
pub async fn ids_of(
    conn: &mut Conn,
    organizations: &[OrganizationId],
) -> QueryResult<Vec<PropertyId>> {
    on!(conn, c => {
        properties::table
            .filter(properties::organization_id.eq_any(organizations))
            .select(properties::id)
            .load(c)
            .await
    })
}

/// The property of this name in an organization.
pub async fn by_name(
    conn: &mut Conn,
    organization: OrganizationId,
    name: &str,
) -> QueryResult<Option<Property>> {
    on!(conn, c => {
        properties::table
            .filter(properties::organization_id.eq(organization))
            .filter(properties::name.eq(name))
            .select(Property::as_select())
            .first(c)
            .await
            .optional()
    })
}

/// A policy as it was before a change, and the change that ended it.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = policy_versions)]
pub struct PolicyVersion {
    /// Whose.
    pub property_id: PropertyId,
    /// Which version it was.
    pub version: i32,
    policy: String,
    /// When it was replaced.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: String,
}

impl PolicyVersion {
    /// What it said. `None` when it was written by a version of Portal that knew other fields.
    pub fn policy(&self) -> Option<Policy> {
        serde_json::from_str(&self.policy).ok()
    }
}

/// Replaces the policy, and keeps what it was. Hold the lock of the house.
pub async fn set_policy(
    conn: &mut Conn,
    was: &Property,
    policy: &Policy,
    by: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let json = serde_json::to_string(&was.policy())
        .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    let old = PolicyVersion {
        property_id: was.id,
        version: was.policy_version,
        policy: json,
        changed_at: now.into(),
        changed_by: by.to_owned(),
    };
    on!(conn, c => diesel::insert_into(policy_versions::table).values(&old).execute(c).await)?;
    on!(conn, c => {
        diesel::update(properties::table.find(was.id))
            .set((
                properties::issue_at.eq(policy.issue_at),
                properties::buffer_before.eq(policy.buffer_before),
                properties::buffer_after.eq(policy.buffer_after),
                properties::horizon_days.eq(policy.horizon_days),
                properties::on_check_out.eq(policy.on_check_out),
                properties::luggage_minutes.eq(policy.luggage_minutes),
                properties::pin_length.eq(policy.pin_length),
                properties::cooldown_days.eq(policy.cooldown_days),
                properties::push_pins.eq(policy.push_pins),
                properties::push_when.eq(policy.push_when),
                properties::policy_version.eq(was.policy_version + 1),
            ))
            .execute(c)
            .await
    })
}

/// Past versions of the policy, the newest first.
pub async fn policy_versions(
    conn: &mut Conn,
    id: PropertyId,
    limit: i64,
) -> QueryResult<Vec<PolicyVersion>> {
    on!(conn, c => {
        policy_versions::table
            .filter(policy_versions::property_id.eq(id))
            .order(policy_versions::version.desc())
            .limit(limit)
            .select(PolicyVersion::as_select())
            .load(c)
            .await
    })
}

/// Changes for how many days after a stay its guest's name and PIN are kept. What is due by it is
/// looked for at once.
pub async fn set_retention(
    conn: &mut Conn,
    id: PropertyId,
    days: i32,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(properties::table.find(id))
            .set((
                properties::retention_days.eq(days),
                properties::next_erase_at.eq(Timestamp(now)),
            ))
            .execute(c)
            .await
    })
}

/// Puts a property into operation, or back into preparation.
pub async fn set_mode(conn: &mut Conn, id: PropertyId, mode: PropertyMode) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(properties::table.find(id))
            .set(properties::mode.eq(mode))
            .execute(c)
            .await
    })
}

/// Takes over the time zone the PMS tells.
pub async fn set_time_zone(conn: &mut Conn, id: PropertyId, zone: &str) -> QueryResult<usize> {
    on!(conn, c => {
        diesel::update(properties::table.find(id))
            .set(properties::time_zone.eq(zone))
            .execute(c)
            .await
    })
}

/// Lets transactions that write in one house follow each other. `SQLite` needs nothing: whoever
/// writes holds the only lock. Of a house that is not there nothing is locked.
pub(crate) async fn lock(conn: &mut Conn, id: PropertyId) -> QueryResult<()> {
    match conn {
        Conn::Postgres(c) => properties::table
            .find(id)
            .select(properties::id)
            .for_no_key_update()
            .first::<PropertyId>(&mut **c)
            .await
            .optional()
            .map(drop),
        Conn::Sqlite(_) => Ok(()),
    }
}
