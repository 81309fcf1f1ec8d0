//! Organizations and their properties.

use crate::conn::{Conn, on};
use crate::page::{Page, paged};
use crate::schema::{organizations, properties};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{
    AccessIssueAt, AccessOnCheckOut, OrganizationId, PinPushWhen, Policy, PropertyId,
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
