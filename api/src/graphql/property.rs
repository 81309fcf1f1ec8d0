//! Organizations and properties, and the lists that hang on a property.

use super::arrival::{self, Arrivals};
use super::device::Device;
use super::explain::{self, AccessAssumption, AccessExplanation};
use super::id::{Kind, RowId};
use super::integration::Integration;
use super::job::QuarantinedJob;
use super::keychain::Keychain;
use super::lock_forecast::{self, LockForecast};
use super::mode::ChecklistItem;
use super::page::Paging;
use super::policy::{AccessPolicy, PastPolicy};
use super::problem::Problem;
use super::reservation::{Reservation, ReservationFilter, ReservationTotals};
use super::room::{MappingSuggestion, Room};
use super::space::Space;
use super::time::{Instant, LocalDate, TimeZone};
use super::{Reach, Result, id, load, read};
use crate::edge::ApiError;
use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, ID, Object};
use portal_domain::{
    AppCategory, KeychainStatus, OrganizationId, Permission, PropertyId, PropertyMode,
    ReservationTransfer, local,
};
use portal_store::{
    device, integration, job, keychain, problem, property, reservation, room, space,
};

/// The property an argument names, if it is one of the caller's.
pub(crate) fn own(ctx: &Context<'_>, id: &ID) -> Result<Option<PropertyId>> {
    let viewer = ctx.viewer()?;
    Ok(id::property_of(id).filter(|property| viewer.sees(*property)))
}

/// The row an argument names, if it is of one of the caller's properties.
pub(crate) fn own_row(ctx: &Context<'_>, kind: Kind, id: &ID) -> Result<Option<RowId>> {
    let viewer = ctx.viewer()?;
    Ok(id::row_of(kind, id).filter(|row| viewer.sees(row.property)))
}

/// A company that owns properties.
pub struct Organization(pub(crate) property::Organization);

#[Object]
impl Organization {
    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::global(Kind::Organization, self.0.id)
    }

    /// Name of the company.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Those of its properties the caller may see.
    async fn properties(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Connection<String, Property>> {
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        properties(ctx, Some(self.0.id), paging).await
    }
}

impl Organization {
    /// The organization of a property or membership of the caller.
    pub(crate) async fn of(ctx: &Context<'_>, id: OrganizationId) -> Result<Organization> {
        let found = load(ctx, id).await?;
        found.map(Organization).ok_or_else(ApiError::internal)
    }
}

async fn properties(
    ctx: &Context<'_>,
    organization: Option<OrganizationId>,
    paging: Paging,
) -> Result<Connection<String, Property>> {
    let asked = paging.read::<String>("properties", false)?;
    let ids = ctx.viewer()?.properties();
    let mut conn = read(ctx).await?;
    let rows = property::page(&mut conn, &ids, organization, &asked.page).await?;
    Ok(asked.connection(rows, false, |row| (row.name.clone(), row.id.0), Property))
}

/// A hotel, hostel or other house: one place, one time zone.
pub struct Property(pub(crate) property::Property);

#[Object]
impl Property {
    /// The arrivals board: stays that begin in these days, soonest first, and whether the door will
    /// open.
    #[expect(
        clippy::too_many_arguments,
        reason = "the days and the paging arguments of Relay"
    )]
    async fn arrivals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "First day. Today when left out.")] from: Option<LocalDate>,
        #[graphql(desc = "Last day, included. The first day when left out.")] to: Option<LocalDate>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Arrivals>> {
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        arrival::arrivals(ctx, &self.0, from, to, paging)
            .await
            .map(Some)
    }

    /// Devices of all lock integrations, by name.
    async fn devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only devices that are, or are not, installed in a space.")]
        installed: Option<bool>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Device>>> {
        ctx.require(Permission::DevicesRead, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read::<String>("devices", false)?;
        let mut conn = read(ctx).await?;
        let rows = device::page(&mut conn, self.0.id, installed, None, &asked.page).await?;
        Ok(Some(asked.connection(
            rows,
            false,
            |row| (row.name.clone(), row.id.0),
            Device,
        )))
    }

    /// The same as explainAccess of Query, by the number staff know. Of a number Portal has never
    /// received it asks the property management system and says what that knows. Of several stays
    /// with one number it is about one without access, if there is one.
    async fn explain_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Facts to pretend. Without any, each gate on hold is tried alone.")]
        assume: Option<Vec<AccessAssumption>>,
        #[graphql(desc = "A moment in the past, by the decision that held then.")] at: Option<
            Instant,
        >,
        #[graphql(desc = "Confirmation number.")] number: String,
    ) -> Result<Option<AccessExplanation>> {
        ctx.require(Permission::ReservationsRead, self.0.id)?;
        explain::of_number(ctx, &self.0, &number, at, assume.as_deref()).await
    }

    /// Opaque global identifier.
    pub(crate) async fn id(&self) -> ID {
        id::global(Kind::Property, self.0.id)
    }

    /// Links to apps, the oldest first.
    async fn integrations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only links to apps of this kind.")] category: Option<AppCategory>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Integration>>> {
        ctx.require(Permission::IntegrationsRead, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("integrations", false)?;
        let mut conn = read(ctx).await?;
        let rows = integration::page(&mut conn, self.0.id, category, &asked.page).await?;
        let key = |row: &integration::Integration| (row.created_at, row.id.0);
        Ok(Some(asked.connection(rows, false, key, Integration)))
    }

    /// Keychains, by start.
    async fn keychains(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those with one of these statuses.")] status: Option<
            Vec<KeychainStatus>,
        >,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Keychain>>> {
        ctx.require(Permission::KeychainsRead, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("keychains", false)?;
        let filter = keychain::Filter {
            status: status.unwrap_or_default(),
            reservation: None,
        };
        let now = ctx.env()?.now();
        let mut conn = read(ctx).await?;
        let rows = keychain::page(&mut conn, self.0.id, &filter, now, &asked.page).await?;
        let key = |row: &keychain::Keychain| (row.starts_at, row.id.0);
        Ok(Some(asked.connection(rows, false, key, Keychain)))
    }

    /// What has to be so before the property gives access, and whether it is. Each item says what to
    /// do. Null where the caller may not manage the policy.
    async fn live_checklist(&self, ctx: &Context<'_>) -> Result<Option<Vec<ChecklistItem>>> {
        ctx.require(Permission::PolicyManage, self.0.id)?;
        let mut conn = read(ctx).await?;
        let list = portal_jobs::checklist::of(&mut conn, ctx.env()?, &self.0).await?;
        Ok(Some(list.into_iter().map(Into::into).collect()))
    }

    /// Whether the property gives access.
    async fn mode(&self) -> PropertyMode {
        self.0.mode
    }

    /// How full the locks that hold only so many codes will be in these days: those first that run
    /// out soonest. Counts the keychains there are.
    #[expect(
        clippy::too_many_arguments,
        reason = "the days and the paging arguments of Relay"
    )]
    async fn lock_forecast(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "First day. Today when left out.")] from: Option<LocalDate>,
        #[graphql(desc = "Last day, included. The seventh day when left out.")] to: Option<
            LocalDate,
        >,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, LockForecast>>> {
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        lock_forecast::page(ctx, &self.0, from, to, paging)
            .await
            .map(Some)
    }

    /// Name of the property.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The company that owns it.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Organization> {
        Organization::of(ctx, self.0.organization_id).await
    }

    /// How many days after a stay its guest's name and PIN are kept. policyUpdate changes it.
    async fn retention_days(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        ctx.require(Permission::PolicyManage, self.0.id)?;
        Ok(Some(self.0.retention_days))
    }

    /// The live link to the property management system. Null when there is none.
    async fn pms_integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        ctx.require(Permission::IntegrationsRead, self.0.id)?;
        let mut conn = read(ctx).await?;
        let live = integration::live_pms(&mut conn, self.0.id).await?;
        Ok(live.map(Integration))
    }

    /// How access is given here.
    async fn policy(&self, ctx: &Context<'_>) -> Result<Option<AccessPolicy>> {
        ctx.require(Permission::PolicyManage, self.0.id)?;
        Ok(Some(AccessPolicy::new(
            self.0.policy(),
            self.0.policy_version,
        )))
    }

    /// Past versions of the policy, the newest first, 100 at most.
    async fn policy_history(&self, ctx: &Context<'_>) -> Result<Option<Vec<PastPolicy>>> {
        ctx.require(Permission::PolicyManage, self.0.id)?;
        PastPolicy::of(ctx, self.0.id).await.map(Some)
    }

    /// What a person should look at, oldest first.
    async fn problems(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Those that went away or were put aside instead of the open ones.",
            default = false
        )]
        resolved: bool,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Problem>>> {
        ctx.require(Permission::Problems, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("problems", false)?;
        let mut conn = read(ctx).await?;
        let kinds = super::problem::visible(ctx.viewer()?, self.0.id);
        let rows = problem::page(&mut conn, self.0.id, &kinds, resolved, &asked.page).await?;
        let key = |row: &problem::Problem| (row.first_seen, row.id.0);
        Ok(Some(asked.connection(rows, false, key, Problem)))
    }

    /// Background work that was given up, newest first.
    async fn quarantined_jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, QuarantinedJob>>> {
        ctx.require(Permission::KeychainsWrite, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("quarantined jobs", true)?;
        let mut conn = read(ctx).await?;
        let rows = job::given_up(&mut conn, self.0.id, &asked.page).await?;
        let rows = rows
            .into_iter()
            .filter_map(|row| {
                let place = (row.changed_at, row.id.0);
                Some((place, QuarantinedJob::of(self.0.id, row)?))
            })
            .collect();
        Ok(Some(asked.connection(
            rows,
            true,
            |(place, _)| *place,
            |(_, job)| job,
        )))
    }

    /// Reservations, by start. Only transferred ones unless asked otherwise.
    #[expect(
        clippy::too_many_arguments,
        reason = "a filter and the paging arguments of Relay"
    )]
    async fn reservations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which stays to read.")] filter: Option<ReservationFilter>,
        #[graphql(
            desc = "Only these transfer states.",
            default_with = "vec![ReservationTransfer::Transferred]"
        )]
        transfer: Vec<ReservationTransfer>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Reservation, ReservationTotals, EmptyFields>>> {
        ctx.require(Permission::StaysRead, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read("reservations", false)?;
        let zone = local::zone(self.0.time_zone.as_deref());
        let filter = filter.unwrap_or_default().read(self.0.id, zone, transfer);
        let mut conn = read(ctx).await?;
        let rows = reservation::page(&mut conn, self.0.id, &filter, &asked.page).await?;
        let key = |row: &reservation::Reservation| (row.starts_at, row.id.0);
        let totals = ReservationTotals {
            property: self.0.id,
            filter,
        };
        Ok(Some(asked.with_fields(
            rows,
            false,
            key,
            Reservation,
            totals,
        )))
    }

    /// For rooms without a space: the one they probably are, by their names, with a score and the
    /// reason. A person accepts with roomMap, or not.
    async fn mapping_suggestions(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<Vec<MappingSuggestion>>> {
        ctx.require(Permission::RoomsRead, self.0.id)?;
        MappingSuggestion::of(ctx, self.0.id).await.map(Some)
    }

    /// Rooms and beds as the property management system knows them, by name.
    async fn rooms(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only rooms that are, or are not, mapped to a space.")] mapped: Option<
            bool,
        >,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Room>>> {
        ctx.require(Permission::RoomsRead, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read::<String>("rooms", false)?;
        let mut conn = read(ctx).await?;
        let rows = room::page(&mut conn, self.0.id, mapped, &asked.page).await?;
        Ok(Some(asked.connection(
            rows,
            false,
            |row| (row.name.clone(), row.id.0),
            Room,
        )))
    }

    /// Spaces, by name.
    async fn spaces(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Option<Connection<String, Space>>> {
        ctx.require(Permission::RoomsRead, self.0.id)?;
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        let asked = paging.read::<String>("spaces", false)?;
        let mut conn = read(ctx).await?;
        let rows = space::page(&mut conn, self.0.id, &asked.page).await?;
        Ok(Some(asked.connection(
            rows,
            false,
            |row| (row.name.clone(), row.id.0),
            Space,
        )))
    }

    /// Zone in which local dates are read. Null until a property management system has told it; then
    /// UTC is used.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.0.time_zone.clone().map(TimeZone)
    }
}

impl Property {
    /// The property of something the caller has already been given.
    pub(crate) async fn of(ctx: &Context<'_>, id: PropertyId) -> Result<Property> {
        let found = load(ctx, id).await?;
        found.map(Property).ok_or_else(ApiError::internal)
    }
}

/// Reading properties.
#[derive(Default)]
pub struct PropertyQuery;

#[Object]
impl PropertyQuery {
    /// Properties the caller may see.
    async fn properties(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Read after this cursor.")] after: Option<String>,
        #[graphql(desc = "Read before this cursor.")] before: Option<String>,
        #[graphql(desc = "How many from the start, at most 100.")] first: Option<i32>,
        #[graphql(desc = "How many from the end, at most 100.")] last: Option<i32>,
    ) -> Result<Connection<String, Property>> {
        let paging = Paging {
            after,
            before,
            first,
            last,
        };
        properties(ctx, None, paging).await
    }

    /// One property. Null when it does not exist or is not the caller's to see.
    async fn property(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global identifier.")] id: ID,
    ) -> Result<Option<Property>> {
        match own(ctx, &id)? {
            Some(property) => Ok(load(ctx, property).await?.map(Property)),
            None => Ok(None),
        }
    }
}
