//! Identifiers: version 7 UUIDs, so rows of one table lie in the order of their making.

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident,)+) => { $(
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[cfg_attr(
            feature = "sql",
            derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)
        )]
        #[cfg_attr(feature = "sql", diesel(sql_type = crate::sql::Id))]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new identifier, greater than those made before.
            #[expect(clippy::new_without_default, reason = "a default would hide that each is new")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        #[cfg(feature = "sql")]
        crate::sql::uuid_id!($name);
    )+ };
}

ids! {
    /// A company that owns properties.
    OrganizationId,
    /// One house: the tenant boundary.
    PropertyId,
    /// A person who signs in.
    UserId,
    /// One role of one person.
    MembershipId,
    /// A signed-in browser.
    SessionId,
    /// A key for programs.
    ApiKeyId,
    /// One property's link to one app.
    IntegrationId,
    /// One version of an integration's secret.
    CredentialId,
    /// A key that seals secrets of one owner.
    DataKeyId,
    /// One check of a credential.
    ValidationAttemptId,
    /// One telling that a reservation should be looked at.
    HintId,
    /// A room or bed as the PMS knows it.
    RoomId,
    /// An access point Portal manages.
    SpaceId,
    /// A lock.
    DeviceId,
    /// One stay in one room.
    ReservationId,
    /// The access made for one reservation.
    KeychainId,
    /// A list of what a change would do.
    PlanId,
    /// A door code.
    PinId,
    /// A PIN on one device.
    DevicePinId,
    /// A PIN stored in the PMS.
    PinPushId,
    /// Something a person should look at.
    ProblemId,
    /// One line of the audit log.
    AuditEntryId,
    /// A piece of background work.
    JobId,
    /// Whoever works on jobs: the owner of leases.
    WorkerId,
}
