//! How full locks will be, and who would have to wait for a code on them.

use super::arrival::{days, grouped};
use super::device::Device;
use super::page::Paging;
use super::reservation::Reservation;
use super::time::{Instant, LocalDate};
use super::{Reach, Result, read};
use async_graphql::connection::Connection;
use async_graphql::{Context, Object};
use chrono::{DateTime, Utc};
use portal_domain::slots::{self, Claimant, Code, Forecast, Wait};
use portal_domain::{DeviceConnectivity, DeviceId, IntegrationStatus, Permission, PinId, local};
use portal_store::property::Property;
use portal_store::{device, device_pin, integration, pin, reservation};
use std::collections::HashMap;

/// Days looked ahead unless asked otherwise, beside the first.
const USUAL: i64 = 6;
/// Waiting stays told of one lock.
const MOST_WAITING: usize = 20;

/// How full a lock will be.
pub struct LockForecast {
    device: device::Device,
    capacity: usize,
    forecast: Forecast,
    waiting: Vec<SlotWait>,
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[Object]
impl LockForecast {
    /// How many codes fit on it.
    async fn capacity(&self) -> i32 {
        number(self.capacity)
    }

    /// The lock.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        ctx.require(Permission::DevicesRead, self.device.property_id)?;
        Ok(Some(Device(self.device.clone())))
    }

    /// The first moment at which more codes are wanted on it than fit. Null when they all fit.
    async fn exceeds_at(&self) -> Option<Instant> {
        self.forecast.exceeds_at.map(Instant)
    }

    /// The most codes that are wanted on it at once.
    async fn peak(&self) -> i32 {
        number(self.forecast.peak)
    }

    /// When that is first so.
    async fn peak_at(&self) -> Instant {
        Instant(self.forecast.peak_at)
    }

    /// How many codes it holds now.
    async fn used(&self) -> i32 {
        number(self.forecast.used)
    }

    /// Stays whose code has to wait, the soonest first, 20 at most.
    async fn waiting(&self) -> &[SlotWait] {
        &self.waiting
    }

    /// How many have to wait.
    async fn waiting_count(&self) -> i32 {
        number(self.forecast.waits.len())
    }
}

/// A stay whose code has to wait for a slot on a lock.
pub struct SlotWait {
    wait: Wait,
    reservation: reservation::Reservation,
}

#[Object]
impl SlotWait {
    /// Whether the stay begins before there is a slot: the door will not open in time.
    async fn late(&self) -> bool {
        self.wait.is_late()
    }

    /// The reservation.
    async fn reservation(&self) -> Reservation {
        Reservation(self.reservation.clone())
    }

    /// From when it waits.
    async fn since(&self) -> Instant {
        Instant(self.wait.from)
    }

    /// When a slot is free for it. Null when none is before its own end.
    async fn slot_at(&self) -> Option<Instant> {
        self.wait.slot_at.map(Instant)
    }

    /// When the guest may come in.
    async fn starts_at(&self) -> Instant {
        Instant(self.wait.starts_at)
    }
}

/// A lock and what is foreseen for it.
struct Foreseen {
    device: device::Device,
    capacity: usize,
    forecast: Forecast,
}

impl Foreseen {
    /// Those that run out come first, the soonest before the others; then by name. Those that have run
    /// out keep their place while the clock goes on.
    fn key(&self, now: DateTime<Utc>) -> (String, uuid::Uuid) {
        let moment = match self.forecast.exceeds_at {
            Some(at) if at <= now => String::new(),
            Some(at) => format!("{:020}", at.timestamp_micros()),
            None => "never".to_owned(),
        };
        (format!("{moment} {}", self.device.name), self.device.id.0)
    }
}

/// Reads a page of the forecast.
pub(crate) async fn page(
    ctx: &Context<'_>,
    property: &Property,
    from: Option<LocalDate>,
    to: Option<LocalDate>,
    paging: Paging,
) -> Result<Connection<String, LockForecast>> {
    ctx.require(Permission::ReservationsRead, property.id)?;
    let now = ctx.env()?.now();
    let range = days(
        local::zone(property.time_zone.as_deref()),
        from,
        to,
        USUAL,
        now,
    )?;
    let asked = paging.read::<String>("lock forecast", false)?;
    let mut conn = read(ctx).await?;
    let devices = device::limited(&mut conn, property.id).await?;
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
    let codes = device_pin::ahead(&mut conn, property.id, &ids, &[]).await?;
    let codes: HashMap<DeviceId, Vec<Code>> = grouped(codes);
    let links = integration::live(&mut conn, property.id).await?;
    let reachable = |device: &device::Device| {
        let link = links.iter().find(|link| link.id == device.integration_id);
        link.is_some_and(|link| link.status == IntegrationStatus::Connected)
            && device.connectivity != DeviceConnectivity::Offline
    };
    let foresee = |device: device::Device| {
        let capacity = device.capacity()?;
        let codes = codes.get(&device.id).map(Vec::as_slice).unwrap_or_default();
        let reachable = reachable(&device);
        Some(Foreseen {
            forecast: slots::forecast(capacity, codes, reachable, range, now),
            device,
            capacity,
        })
    };
    let mut rows: Vec<Foreseen> = devices.into_iter().filter_map(foresee).collect();
    let key = |row: &Foreseen| row.key(now);
    asked.cut(&mut rows, key);
    let waits = rows.iter().flat_map(|row| told(&row.forecast));
    let pins: Vec<PinId> = waits.map(|(pin, _)| pin).collect();
    let owners = pin::reservations(&mut conn, property.id, &pins).await?;
    let ids: Vec<_> = owners.iter().map(|(_, reservation)| *reservation).collect();
    let stays = reservation::by_ids(&mut conn, property.id, &ids).await?;
    drop(conn);
    let stays: HashMap<_, _> = stays.into_iter().map(|stay| (stay.id, stay)).collect();
    let owners: HashMap<_, _> = owners.into_iter().collect();
    let waiting = |forecast: &Forecast| {
        let waits = told(forecast).filter_map(|(pin, wait)| {
            let reservation = stays.get(owners.get(&pin)?)?.clone();
            Some(SlotWait { wait, reservation })
        });
        waits.collect()
    };
    Ok(asked.connection(rows, false, key, |row| LockForecast {
        waiting: waiting(&row.forecast),
        device: row.device,
        capacity: row.capacity,
        forecast: row.forecast,
    }))
}

/// The waits that are told, with the PIN of each.
fn told(forecast: &Forecast) -> impl Iterator<Item = (PinId, Wait)> {
    let waits = forecast.waits.iter().take(MOST_WAITING);
    waits.filter_map(|wait| match wait.by {
        Claimant::Pin(pin) => Some((pin, *wait)),
        Claimant::Stay(_) => None,
    })
}
