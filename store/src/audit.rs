//! Who did what. Append-only: each line of an organization hashes over the line before, so that a
//! reader finds any change, cut or swap.

use crate::conn::{Conn, Tx, on};
use crate::event::Actor;
use crate::schema::{audit_entries, organizations, properties};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use portal_domain::sql::{AnyId, Timestamp};
use portal_domain::{ActorKind, AuditEntryId, OrganizationId, PropertyId, SubjectKind};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// One line of the audit log.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_entries)]
pub struct AuditEntry {
    /// Identifier.
    pub id: AuditEntryId,
    /// Whose log.
    pub organization_id: OrganizationId,
    /// Where, if at one property.
    pub property_id: Option<PropertyId>,
    /// Place in the log of the organization.
    pub seq: i64,
    /// What kind of actor did it.
    pub actor_kind: ActorKind,
    /// Its name.
    pub actor_name: String,
    /// The person or key.
    pub actor_id: Option<AnyId>,
    /// What was done: the name of the mutation.
    pub action: String,
    /// What kind of thing it was done to.
    pub subject_kind: SubjectKind,
    /// Which.
    pub subject_id: AnyId,
    /// Why, as the person gave it.
    pub reason: Option<String>,
    /// What it was before, as a JSON object of texts. Secrets read `set`.
    pub before: String,
    /// What it was afterwards.
    pub after: String,
    /// When.
    pub at: Timestamp,
    /// Hash of the line before.
    pub prev_hash: Vec<u8>,
    /// Hash over this line and the one before.
    pub hash: Vec<u8>,
}

/// Something to write into the audit log.
#[derive(Debug, Clone)]
pub struct NewEntry {
    action: &'static str,
    subject_kind: SubjectKind,
    subject_id: Uuid,
    reason: Option<String>,
    before: serde_json::Map<String, serde_json::Value>,
    after: serde_json::Map<String, serde_json::Value>,
}

impl NewEntry {
    /// What was done to what.
    pub fn new(
        action: &'static str,
        subject_kind: SubjectKind,
        subject_id: impl Into<Uuid>,
    ) -> Self {
        Self {
            action,
            subject_kind,
            subject_id: subject_id.into(),
            reason: None,
            before: serde_json::Map::new(),
            after: serde_json::Map::new(),
        }
    }

    /// Why, as the person gave it.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// What it was before.
    #[must_use]
    pub fn before(mut self, key: &str, value: impl ToString) -> Self {
        self.before.insert(key.to_owned(), value.to_string().into());
        self
    }

    /// What it is now.
    #[must_use]
    pub fn after(mut self, key: &str, value: impl ToString) -> Self {
        self.after.insert(key.to_owned(), value.to_string().into());
        self
    }
}

/// Writes a line, in the transaction of the act: what cannot be recorded does not happen.
pub async fn write(
    tx: &mut Tx,
    property: PropertyId,
    actor: &Actor,
    now: DateTime<Utc>,
    new: NewEntry,
) -> QueryResult<()> {
    let conn: &mut Conn = tx;
    let organization: OrganizationId = on!(conn, c => {
        properties::table
            .find(property)
            .select(properties::organization_id)
            .first(c)
            .await
    })?;
    // Raising the number first makes writers of one log follow each other.
    let (seq, prev_hash): (i64, Vec<u8>) = on!(conn, c => {
        diesel::update(organizations::table.find(organization))
            .set(organizations::audit_seq.eq(organizations::audit_seq + 1))
            .returning((organizations::audit_seq, organizations::audit_hash))
            .get_result(c)
            .await
    })?;
    let mut entry = AuditEntry {
        id: AuditEntryId::new(),
        organization_id: organization,
        property_id: Some(property),
        seq,
        actor_kind: actor.kind,
        actor_name: actor.name.clone(),
        actor_id: actor.id.map(AnyId),
        action: new.action.to_owned(),
        subject_kind: new.subject_kind,
        subject_id: AnyId(new.subject_id),
        reason: new.reason,
        before: serde_json::Value::Object(new.before).to_string(),
        after: serde_json::Value::Object(new.after).to_string(),
        at: now.into(),
        prev_hash,
        hash: Vec::new(),
    };
    entry.hash = entry.digest();
    on!(conn, c => {
        diesel::insert_into(audit_entries::table).values(&entry).execute(c).await
    })?;
    on!(conn, c => {
        diesel::update(organizations::table.find(organization))
            .set(organizations::audit_hash.eq(&entry.hash))
            .execute(c)
            .await
    })?;
    Ok(())
}

impl AuditEntry {
    /// The hash this line must have.
    pub fn digest(&self) -> Vec<u8> {
        let row = serde_json::json!([
            self.id,
            self.organization_id,
            self.property_id,
            self.seq,
            self.actor_kind,
            self.actor_name,
            self.actor_id.map(|id| id.0),
            self.action,
            self.subject_kind,
            self.subject_id.0,
            self.reason,
            self.before,
            self.after,
            self.at.timestamp_micros(),
        ]);
        let mut hash = Sha256::new();
        hash.update(&self.prev_hash);
        hash.update(row.to_string());
        hash.finalize().to_vec()
    }
}

/// The whole log of an organization, oldest first.
pub async fn all(conn: &mut Conn, organization: OrganizationId) -> QueryResult<Vec<AuditEntry>> {
    on!(conn, c => {
        audit_entries::table
            .filter(audit_entries::organization_id.eq(organization))
            .order(audit_entries::seq)
            .select(AuditEntry::as_select())
            .load(c)
            .await
    })
}
