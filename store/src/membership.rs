//! Who works where, and as what.

use crate::conn::{Conn, on};
use crate::schema::memberships;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::Timestamp;
use portal_domain::{MembershipId, OrganizationId, PropertyId, Role, UserId};

/// One role of one person.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = memberships)]
pub struct Membership {
    /// Identifier.
    pub id: MembershipId,
    /// Who.
    pub user_id: UserId,
    /// Where.
    pub organization_id: OrganizationId,
    /// At which property; none: at all of the organization.
    pub property_id: Option<PropertyId>,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// Gives a role. Nothing happens when the person has one there already.
pub async fn grant(
    conn: &mut Conn,
    user: UserId,
    organization: OrganizationId,
    property: Option<PropertyId>,
    role: Role,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let row = Membership {
        id: MembershipId::new(),
        user_id: user,
        organization_id: organization,
        property_id: property,
        role,
        created_at: now.into(),
    };
    on!(conn, c => {
        diesel::insert_into(memberships::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(c)
            .await
    })
}

/// The roles of a person.
pub async fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<Membership>> {
    on!(conn, c => {
        memberships::table
            .filter(memberships::user_id.eq(user))
            .order(memberships::created_at)
            .select(Membership::as_select())
            .load(c)
            .await
    })
}
