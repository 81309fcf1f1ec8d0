//! Proof that access is closed: every lock that ever held the PIN, and what its word is worth.

use super::device::Device;
use super::id::Kind;
use super::keychain::Keychain;
use super::space::Space;
use super::time::Instant;
use super::{Reach, Result, property, read};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use portal_domain::closure::{
    self, Closure, ClosureReason, ClosureRisk, ClosureVerdict, Door, Facts,
};
use portal_domain::{
    ConfirmationHow, DeviceConnectivity, DevicePinStatus, IntegrationStatus, KeychainId,
    Permission, PinId, PinPushStatus, PropertyId, SpaceId,
};
use portal_store::device_pin::DevicePin;
use portal_store::{
    Conn, QueryResult, device, device_pin, integration, keychain, pin, pin_push, space,
};
use std::collections::HashMap;

/// Whether every door of an ended keychain has forgotten its PIN.
pub struct AccessClosure {
    keychain: keychain::Keychain,
    closure: Closure,
    copy: Option<PinPushStatus>,
    doors: Vec<ClosureDoor>,
}

#[Object]
impl AccessClosure {
    /// Every device that ever held one of its PINs, those that may still open first.
    async fn doors(&self) -> &[ClosureDoor] {
        &self.doors
    }

    /// The keychain.
    async fn keychain(&self) -> Keychain {
        Keychain(self.keychain.clone())
    }

    /// The answer, in one sentence for staff.
    async fn message(&self) -> String {
        let count = |risks: &[ClosureRisk]| {
            let found = self.doors.iter().filter_map(|door| door.risk);
            found.filter(|risk| risks.contains(risk)).count()
        };
        match (self.closure.verdict, self.closure.reason) {
            (_, Some(ClosureReason::NotOver)) => "The keychain is not over.".to_owned(),
            (_, Some(ClosureReason::Door)) => {
                let open = [
                    ClosureRisk::NotConfirmed,
                    ClosureRisk::NotReached,
                    ClosureRisk::RunOut,
                ];
                let (open, all) = (count(&open), self.doors.len());
                format!("{open} of {all} locks have not confirmed that they forgot the PIN.")
            }
            (_, Some(ClosureReason::PmsCopy)) => {
                "The locks have forgotten the PIN, but its copy is still stored.".to_owned()
            }
            (ClosureVerdict::Residual, None) => {
                "Closed but for locks that forget the PIN at its own end.".to_owned()
            }
            (_, None) => match count(&[ClosureRisk::NotReadable]) {
                0 => "Every lock has confirmed that it forgot the PIN.".to_owned(),
                n => format!("Every lock says it forgot the PIN; {n} cannot be read back."),
            },
        }
    }

    /// How the copy in the property management system stands. Null when there is none of this PIN.
    async fn pms_copy(&self) -> Option<PinPushStatus> {
        self.copy
    }

    /// Why access is open. Null when it is not.
    async fn reason(&self) -> Option<ClosureReason> {
        self.closure.reason
    }

    /// When the last code that cannot be taken off ends. Null unless that is all that is left.
    async fn until(&self) -> Option<Instant> {
        self.closure.until.map(Instant)
    }

    /// The answer.
    async fn verdict(&self) -> ClosureVerdict {
        self.closure.verdict
    }
}

/// One device that held the PIN.
pub struct ClosureDoor {
    property: PropertyId,
    device: device::Device,
    space: Option<space::Space>,
    state: DevicePinStatus,
    how: Option<ConfirmationHow>,
    at: Option<DateTime<Utc>>,
    risk: Option<ClosureRisk>,
    until: Option<DateTime<Utc>>,
}

#[Object]
impl ClosureDoor {
    /// When it became known that the PIN is gone. Null while it is not.
    async fn at(&self) -> Option<Instant> {
        self.at.map(Instant)
    }

    /// The device.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        ctx.require(Permission::DevicesRead, self.property)?;
        Ok(Some(Device(self.device.clone())))
    }

    /// In what way that became known. Null while it is not.
    async fn how(&self) -> Option<ConfirmationHow> {
        self.how
    }

    /// What is left to worry about, in one sentence for staff. Null when there is nothing.
    async fn message(&self) -> Option<String> {
        let risk = self.risk?;
        let mut text = sentence(risk, &self.device.name);
        if self.device.space_id.is_none() && risk != ClosureRisk::TakenOut {
            text.push_str(" It was taken out of its space.");
        }
        Some(text)
    }

    /// What is left to worry about, for code. Null when there is nothing.
    async fn risk(&self) -> Option<ClosureRisk> {
        self.risk
    }

    /// The space it is installed in now. Null when it was taken out.
    async fn space(&self, ctx: &Context<'_>) -> Result<Option<Space>> {
        ctx.require(Permission::RoomsRead, self.property)?;
        Ok(self.space.clone().map(Space))
    }

    /// How the PIN stands there.
    async fn state(&self) -> DevicePinStatus {
        self.state
    }

    /// Until when it may still open. Null when it does not, or when nobody can tell.
    async fn until(&self) -> Option<Instant> {
        self.until.map(Instant)
    }
}

fn sentence(risk: ClosureRisk, lock: &str) -> String {
    match risk {
        ClosureRisk::NotOver => format!("The keychain is not over: {lock} opens for it, or will."),
        ClosureRisk::Followed => {
            format!("{lock} keeps the PIN for a keychain that followed.")
        }
        ClosureRisk::NotConfirmed => {
            format!("{lock} has not confirmed that it forgot the PIN; it may still open.")
        }
        ClosureRisk::NotReached => {
            format!("{lock} cannot be reached to make it forget the PIN; it may still open.")
        }
        ClosureRisk::RunOut => {
            format!("The time of the code is over, but {lock} has not confirmed that it is gone.")
        }
        ClosureRisk::CannotForget => {
            format!("{lock} cannot forget the PIN before the end of its time.")
        }
        ClosureRisk::NotReadable => format!(
            "{lock} says it forgot the PIN. It cannot be read back, so that is its word alone."
        ),
        ClosureRisk::TakenOut => format!("{lock} forgot the PIN and is not installed any more."),
    }
}

/// Asking about closed access.
#[derive(Default)]
pub struct ClosureQuery;

#[Object]
impl ClosureQuery {
    /// Whether every door of an ended keychain has forgotten its PIN. Null when there is no such
    /// keychain.
    async fn access_closure(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Keychain to look at.")] keychain: ID,
    ) -> Result<Option<AccessClosure>> {
        ctx.require_anywhere(Permission::KeychainsRead)?;
        let Some(target) = property::own_row(ctx, Kind::Keychain, &keychain)? else {
            return Ok(None);
        };
        ctx.require(Permission::KeychainsRead, target.property)?;
        let now = ctx.env()?.now();
        let mut conn = read(ctx).await?;
        let id = KeychainId(target.row);
        let found = keychain::by_ids(&mut conn, target.property, &[id]).await?;
        match found.into_iter().next() {
            Some(keychain) => Ok(Some(look(&mut conn, keychain, now).await?)),
            None => Ok(None),
        }
    }
}

/// The keychains that are not over and use one of these PINs, each with the spaces it opens.
struct Followers(Vec<(PinId, Vec<SpaceId>)>);

impl Followers {
    async fn read(
        conn: &mut Conn,
        keychain: &keychain::Keychain,
        pins: &[PinId],
        now: DateTime<Utc>,
    ) -> QueryResult<Self> {
        let others = keychain::of_pins(conn, keychain.property_id, pins).await?;
        let live: Vec<_> = others
            .into_iter()
            .filter(|other| other.id != keychain.id && !other.status(now).is_over())
            .collect();
        let ids: Vec<_> = live.iter().map(|other| other.id).collect();
        let doors = keychain::doors(conn, keychain.property_id, &ids).await?;
        let of = |other: keychain::Keychain| {
            let doors = doors.iter().filter(|door| door.keychain_id == other.id);
            (other.pin_id, doors.map(|door| door.space_id).collect())
        };
        Ok(Self(live.into_iter().map(of).collect()))
    }

    fn use_copy(&self, pin: PinId) -> bool {
        self.0.iter().any(|(of, _)| *of == pin)
    }

    fn open(&self, pin: PinId, space: Option<SpaceId>) -> bool {
        let opens = |spaces: &[SpaceId]| space.is_some_and(|space| spaces.contains(&space));
        self.0
            .iter()
            .any(|(of, spaces)| *of == pin && opens(spaces))
    }
}

async fn look(
    conn: &mut Conn,
    keychain: keychain::Keychain,
    now: DateTime<Utc>,
) -> QueryResult<AccessClosure> {
    let (property, reservation) = (keychain.property_id, keychain.reservation_id);
    // Those it had before and gave up count as well: a lock may hold one still.
    let mut pins = match reservation {
        Some(reservation) => pin::retired(conn, property, reservation).await?,
        None => pin::of_keychain(conn, property, keychain.id).await?,
    };
    if !pins.contains(&keychain.pin_id) {
        pins.push(keychain.pin_id);
    }
    let mut rows = device_pin::of_pins(conn, property, &pins).await?;
    rows.retain(was_held);
    let ids: Vec<_> = rows.iter().map(|row| row.device_id).collect();
    let devices = device::by_ids(conn, property, &ids).await?;
    let spaces: Vec<_> = devices
        .iter()
        .filter_map(|device| device.space_id)
        .collect();
    let spaces = space::by_ids(conn, property, &spaces).await?;
    let links = integration::live(conn, property).await?;
    let followers = Followers::read(conn, &keychain, &pins, now).await?;
    let stays: Vec<_> = reservation.into_iter().collect();
    let pushes = pin_push::of_reservations(conn, property, &stays).await?;
    let push = pushes.into_iter().find(|push| pins.contains(&push.pin_id));

    let spaces: HashMap<_, _> = spaces.into_iter().map(|space| (space.id, space)).collect();
    let devices: HashMap<_, _> = devices.into_iter().map(|row| (row.id, row)).collect();
    let over = keychain.status(now).is_over();
    let mut facts = Facts {
        over,
        doors: Vec::new(),
        copy: push.as_ref().map(|push| closure::Copy {
            status: push.status,
            followed: push.desired().is_some() && followers.use_copy(push.pin_id),
        }),
    };
    let mut doors = Vec::new();
    for row in rows {
        let Some(device) = devices.get(&row.device_id) else {
            continue;
        };
        let link = links.iter().find(|link| link.id == device.integration_id);
        let connected = link.is_some_and(|link| link.status == IntegrationStatus::Connected);
        let door = Door {
            status: row.status,
            until: ends(&row),
            followed: row.desired().is_some() && followers.open(row.pin_id, device.space_id),
            installed: device.space_id.is_some(),
            reachable: connected && device.connectivity != DeviceConnectivity::Offline,
            reads_back: device.reads_back(),
        };
        facts.doors.push(door);
        let known = matches!(
            row.status,
            DevicePinStatus::Removed | DevicePinStatus::Residual
        );
        doors.push(ClosureDoor {
            property,
            space: device.space_id.and_then(|id| spaces.get(&id)).cloned(),
            device: device.clone(),
            state: row.status,
            how: row.confirmed_how.filter(|_| known),
            at: row.confirmed_at.filter(|_| known).map(Into::into),
            risk: door.risk(over, now),
            until: door.opens_until(now),
        });
    }
    doors.sort_by(|a, b| {
        let key = |door: &ClosureDoor| door.state == DevicePinStatus::Removed;
        (key(a), &a.device.name, a.device.id).cmp(&(key(b), &b.device.name, b.device.id))
    });
    Ok(AccessClosure {
        closure: closure::judge(&facts, now),
        copy: push.map(|push| push.status),
        keychain,
        doors,
    })
}

/// Whether the device ever held it, or may have: what was withdrawn before it was sent did not.
fn was_held(row: &DevicePin) -> bool {
    match row.status {
        DevicePinStatus::Removed => row.confirmed_at.is_some(),
        _ => row.was_ever_sent(),
    }
}

/// Until when the code on the device is valid, as far as known.
fn ends(row: &DevicePin) -> Option<DateTime<Utc>> {
    row.confirmed_until.max(row.desired_until).map(Into::into)
}
