//! Rows as Mews writes them.

use super::model::{
    Assignment, Category, Companionship, Customer, Enterprise, Reservation, Resource, Service,
    StoredPin,
};
use super::state::new_id;
use chrono::{DateTime, SecondsFormat, Utc};
use portal_interface::ExposeSecret;
use serde_json::{Value, json};

/// Whoever changed something at Mews: nobody Portal knows.
const PROFILE: &str = "3cd637ef-4728-47f9-8fb1-afb900c9cdcf";

/// An instant as Mews writes it.
pub(super) fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The answer to configuration/get. Without a property: that to a portfolio token.
pub(super) fn configuration(enterprise: Option<&Enterprise>, now: DateTime<Utc>) -> Value {
    let (id, chain, name, zone, created) = match enterprise {
        Some(at) => (
            at.id.clone(),
            at.chain.clone(),
            at.name.as_str(),
            at.zone.as_str(),
            at.created,
        ),
        None => (new_id(), new_id(), "Portfolio", "Etc/UTC", now),
    };
    json!({
        "NowUtc": utc(now),
        "Enterprise": {
            "Id": id,
            "ChainId": chain,
            "ChainName": name,
            "Name": name,
            "ShortName": null,
            "ExternalIdentifier": null,
            "IsPortfolio": enterprise.is_none(),
            "TimeZoneIdentifier": zone,
            "CreatedUtc": utc(created),
            "UpdatedUtc": utc(created),
            "LegalEnvironmentCode": "UK",
            "AccommodationEnvironmentCode": null,
            "AccountingEnvironmentCode": null,
            "TaxEnvironmentCode": null,
            "DefaultLanguageCode": "en-US",
            "EditableHistoryInterval": "P0M7DT0H0M0S",
            "AccountingEditableHistoryInterval": "P0M7DT0H0M0S",
            "OperationalEditableHistoryInterval": "P0M5DT0H0M0S",
            "Pricing": "Gross",
            "Currencies": [{ "Currency": "GBP", "IsDefault": true, "IsEnabled": true }],
            "AddressId": "c556f56e-713e-4102-9de5-0e853b5a8586",
            "Address": {
                "Id": "c556f56e-713e-4102-9de5-0e853b5a8586",
                "Line1": "1 Harbour Street",
                "Line2": null,
                "City": "Portville",
                "PostalCode": "1200",
                "CountryCode": "GB",
                "CountrySubdivisionCode": null,
                "Latitude": null,
                "Longitude": null
            },
            "GroupNames": [],
            "Subscription": { "TaxIdentifier": null }
        },
        "Service": null,
        "PaymentCardStorage": null,
        "IsIdentityDocumentNumberRequired": false
    })
}

pub(super) fn service(row: &Service) -> Value {
    let value = if row.is_bookable {
        json!({
            "StartOffset": "P0M0DT15H0M0S",
            "EndOffset": "P0M0DT11H0M0S",
            "OccupancyStartOffset": "P0M0DT15H0M0S",
            "OccupancyEndOffset": "P0M0DT11H0M0S",
            "TimeUnitPeriod": "Day"
        })
    } else {
        json!({})
    };
    json!({
        "Id": row.id,
        "EnterpriseId": row.enterprise,
        "IsActive": true,
        "Name": row.name,
        "Names": { "en-US": row.name },
        "Options": { "BillAsPackage": false },
        "Ordering": 0,
        "Data": {
            "Discriminator": if row.is_bookable { "Bookable" } else { "Additional" },
            "Value": value
        },
        "ExternalIdentifier": null,
        "CreatedUtc": utc(row.created),
        "UpdatedUtc": utc(row.created)
    })
}

pub(super) fn category(row: &Category) -> Value {
    json!({
        "Id": row.id,
        "EnterpriseId": row.enterprise,
        "ServiceId": row.service,
        "IsActive": true,
        "Type": row.kind,
        "Classification": "Other",
        "Names": { "en-US": row.kind },
        "ShortNames": { "en-US": row.kind },
        "Descriptions": {},
        "Ordering": 0,
        "Capacity": 2,
        "ExtraCapacity": 0,
        "ExternalIdentifier": null,
        "AccountingCategoryId": null
    })
}

/// `is_active`: the assignment with its category and resource, as Mews counts it.
pub(super) fn assignment(row: &Assignment, is_active: bool) -> Value {
    json!({
        "Id": row.id,
        "IsActive": is_active,
        "ResourceId": row.resource,
        "CategoryId": row.category,
        "CreatedUtc": utc(row.created),
        "UpdatedUtc": utc(row.created)
    })
}

pub(super) fn resource(row: &Resource) -> Value {
    let data = if row.is_object {
        json!({ "Discriminator": "Object", "Value": {} })
    } else {
        json!({ "Discriminator": "Space", "Value": { "FloorNumber": "1", "LocationNotes": null } })
    };
    json!({
        "Id": row.id,
        "EnterpriseId": row.enterprise,
        "IsActive": row.is_active,
        "ParentResourceId": row.parent,
        "Name": row.name,
        "State": "Clean",
        "Descriptions": {},
        "ExternalNames": {},
        "Directions": {},
        "Data": data,
        "CreatedUtc": utc(row.created),
        "UpdatedUtc": utc(row.updated)
    })
}

pub(super) fn reservation(row: &Reservation) -> Value {
    if let Some(raw) = &row.raw {
        return raw.clone();
    }
    let mut item = json!({
        "Id": row.id,
        "ServiceId": row.service,
        "AccountId": row.owner,
        "AccountType": if row.owner_is_company { "Company" } else { "Customer" },
        "Number": row.number,
        "State": row.state.word(),
        "CreatedUtc": utc(row.created),
        "UpdatedUtc": utc(row.updated),
        "CancelledUtc": row.canceled.map(utc),
        "CancellationReason": row.cancellation_reason,
        "GroupId": row.group,
        "RequestedResourceCategoryId": row.category,
        "AssignedResourceId": row.room,
        "AssignedResourceLocked": false,
        "StartUtc": utc(row.actual_start.unwrap_or(row.start)),
        "EndUtc": utc(row.actual_end.unwrap_or(row.end)),
        "ScheduledStartUtc": utc(row.start),
        "ActualStartUtc": row.actual_start.map(utc),
        "ScheduledEndUtc": utc(row.end),
        "ActualEndUtc": row.actual_end.map(utc),
    });
    if let (Value::Object(item), Value::Object(more)) = (&mut item, unread()) {
        item.extend(more);
    }
    item
}

/// What Mews tells about a reservation and Portal does not read.
fn unread() -> Value {
    json!({
        "CreatorProfileId": PROFILE,
        "UpdaterProfileId": PROFILE,
        "BookerId": null,
        "Origin": "Commander",
        "CommanderOrigin": "Phone",
        "OriginDetails": null,
        "ReleasedUtc": null,
        "VoucherId": null,
        "BusinessSegmentId": null,
        "Options": {
            "OwnerCheckedIn": false,
            "AllCompanionsCheckedIn": false,
            "AnyCompanionCheckedIn": false,
            "ConnectorCheckIn": false
        },
        "RateId": "ed4b660b-19d0-434b-9360-a4de2ea42eda",
        "CreditCardId": null,
        "AvailabilityBlockId": null,
        "PartnerCompanyId": null,
        "TravelAgencyId": null,
        "ChannelNumber": null,
        "ChannelManagerNumber": null,
        "Purpose": "Leisure",
        "QrCodeData": null,
        "PersonCounts": [{ "AgeCategoryId": "1f67644f-052d-4863-acdf-ae1600c60ca0", "Count": 1 }]
    })
}

pub(super) fn customer(row: &Customer, chain: &str) -> Value {
    json!({
        "Id": row.id,
        "ChainId": chain,
        "Number": row.number.to_string(),
        "Title": null,
        "Sex": null,
        "FirstName": row.first_name,
        "LastName": row.last_name,
        "SecondLastName": null,
        "Email": null,
        "HasOtaEmail": false,
        "Phone": null,
        "Notes": null,
        "CreatedUtc": utc(row.created),
        "UpdatedUtc": utc(row.updated),
        "Classifications": [],
        "Options": [],
        "CompanyId": null,
        "MergeTargetId": null,
        "IsActive": true,
        "PreferredSpaceFeatures": [],
        "CreatorProfileId": PROFILE,
        "UpdaterProfileId": PROFILE
    })
}

pub(super) fn companionship(row: &Companionship) -> Value {
    json!({
        "Id": row.id,
        "CustomerId": row.customer,
        "ReservationGroupId": row.group,
        "ReservationId": row.reservation
    })
}

pub(super) fn pin(row: &StoredPin) -> Value {
    json!({
        "Id": row.id,
        "EnterpriseId": row.enterprise,
        "ServiceOrderId": row.reservation,
        "CompanionshipId": row.companionship,
        "ResourceId": row.resource,
        "Type": row.kind,
        "Value": row.value.expose_secret(),
        "SerialNumber": row.serial,
        "ValidityStartUtc": utc(row.from),
        "ValidityEndUtc": utc(row.until),
        "Permissions": row.permissions,
        "CreatedUtc": utc(row.created),
        "UpdatedUtc": utc(row.updated),
        "IsActive": row.is_active
    })
}
