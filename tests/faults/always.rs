//! What holds at every moment at which nothing is under way, whatever happened before: read from the
//! database alone, without a model of the house.

use portal_domain::{
    DevicePinStatus, KeychainStatus, PinId, PinPushStatus, PropertyId, ReservationId,
    ReservationTransfer, WithheldCode,
};
use portal_jobs::Env;
use portal_store::device_pin::{self, DevicePin};
use portal_store::keychain::{self, Keychain, KeychainDoor};
use portal_store::page::Page;
use portal_store::pin_push::{self, PinPush};
use portal_store::reservation::{self, Reservation};
use portal_store::{Conn, QueryError, audit, device, pin, property};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, HashMap};

type Read<T> = Result<T, QueryError>;

/// What a house has in the database.
struct Rows {
    stays: HashMap<ReservationId, Reservation>,
    /// Those that are not over.
    keychains: Vec<Keychain>,
    doors: Vec<KeychainDoor>,
    devices: Vec<device::Device>,
    /// Of every PIN on every lock, those that are gone among them.
    codes: Vec<DevicePin>,
    copies: Vec<PinPush>,
}

impl Rows {
    async fn read(conn: &mut Conn, env: &Env, property: PropertyId) -> Read<Self> {
        let all = reservation::Filter::default();
        let stays = reservation::page(conn, property, &all, &Page::first(10_000)).await?;
        let ids: Vec<_> = stays.iter().map(|stay| stay.id).collect();
        let live = keychain::Filter {
            status: vec![KeychainStatus::Upcoming, KeychainStatus::Current],
            reservation: None,
        };
        let page = Page::first(10_000);
        let keychains = keychain::page(conn, property, &live, env.now(), &page).await?;
        let of: Vec<_> = keychains.iter().map(|keychain| keychain.id).collect();
        let doors = keychain::doors(conn, property, &of).await?;
        let devices = device::page(conn, property, None, None, &Page::first(1_000)).await?;
        let mut codes = Vec::new();
        for device in &devices {
            codes.extend(device_pin::ever_on_device(conn, property, device.id).await?);
        }
        let copies = pin_push::of_reservations(conn, property, &ids).await?;
        let stays = stays.into_iter().map(|stay| (stay.id, stay)).collect();
        Ok(Self {
            stays,
            keychains,
            doors,
            devices,
            codes,
            copies,
        })
    }

    fn number(&self, stay: Option<ReservationId>) -> &str {
        let stay = stay.and_then(|stay| self.stays.get(&stay));
        stay.map_or("staff", |stay| stay.number.as_str())
    }

    /// INV-1: each lock behind a door of a keychain shall hold its PIN as long as that opens, and none
    /// shall hold another.
    fn codes_follow_keychains(&self) -> Vec<String> {
        let mut shall: BTreeMap<_, (_, _)> = BTreeMap::new();
        for door in &self.doors {
            let keychain = self.keychains.iter().find(|k| k.id == door.keychain_id);
            let Some(pin) = keychain.map(|keychain| keychain.pin_id) else {
                continue;
            };
            let here = |device: &&device::Device| device.space_id == Some(door.space_id);
            for device in self.devices.iter().filter(here) {
                let (from, until) = (*door.starts_at, *door.ends_at);
                let span = shall.entry((pin, device.id)).or_insert((from, until));
                *span = (span.0.min(from), span.1.max(until));
            }
        }
        let mut wrong = Vec::new();
        for code in &self.codes {
            let wished = shall.remove(&(code.pin_id, code.device_id));
            let is = code.desired().map(|window| (window.from, window.until));
            if is != wished {
                let (pin, lock) = (code.pin_id, code.device_id);
                wrong.push(format!(
                    "INV-1: {pin} on {lock} shall be {is:?}, its keychains say {wished:?}"
                ));
            }
        }
        let without = shall.keys();
        wrong.extend(without.map(|(pin, lock)| format!("INV-1: {pin} is not meant for {lock}")));
        wrong
    }

    /// INV-15: a stay has a keychain or one reason why not.
    fn each_stay_is_decided(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for stay in self.stays.values() {
            let live = self.keychains.iter().filter(|keychain| {
                keychain.reservation_id == Some(stay.id) && keychain.superseded_by.is_none()
            });
            let (live, why) = (live.count(), stay.withheld_code);
            let is_right = match stay.transfer {
                ReservationTransfer::Transferred => live == 1 && why.is_none(),
                ReservationTransfer::Withheld => live == 0 && why.is_some_and(|why| !why.is_end()),
                ReservationTransfer::Ended => live == 0 && why.is_some_and(WithheldCode::is_end),
            };
            if !is_right || stay.decided_revision != stay.revision {
                let (number, is) = (&stay.number, stay.transfer);
                wrong.push(format!(
                    "INV-15: {number} is {is}, {live} keychains, {why:?}"
                ));
            }
        }
        wrong
    }

    /// INV-22: what waits has a time, or names what it waits for.
    fn what_waits_has_a_time(&self) -> Vec<String> {
        use DevicePinStatus as Code;
        use PinPushStatus as Copy;
        let mut wrong = Vec::new();
        for code in &self.codes {
            let waits = matches!(code.status, Code::Waiting | Code::Sent | Code::Removing);
            if waits && code.next_attempt_at.is_none() {
                let (pin, is) = (code.pin_id, code.status);
                wrong.push(format!("INV-22: {pin} is {is} on a lock without a time"));
            }
        }
        for copy in &self.copies {
            let waits = matches!(copy.status, Copy::Waiting | Copy::Removing);
            if waits && copy.next_attempt_at.is_none() && copy.waiting_for.is_none() {
                let number = self.number(Some(copy.reservation_id));
                wrong.push(format!("INV-22: the copy of {number} waits for nothing"));
            }
        }
        wrong
    }

    /// INV-33: the PMS has no PIN that no lock has ever taken.
    fn copies_come_after_locks(&self) -> Vec<String> {
        let taken = |pin: PinId| {
            let mut codes = self.codes.iter().filter(|code| code.pin_id == pin);
            codes.any(|code| code.confirmed_at.is_some() || code.confirmed_generation.is_some())
        };
        let stored = |copy: &&PinPush| {
            copy.status == PinPushStatus::Stored && copy.done_generation == copy.generation
        };
        let copies = self.copies.iter().filter(stored);
        let early = copies.filter(|copy| !taken(copy.pin_id));
        early
            .map(|copy| {
                let number = self.number(Some(copy.reservation_id));
                format!("INV-33: the PMS has a PIN of {number} that no lock has taken")
            })
            .collect()
    }
}

/// INV-18: no two PINs with the same digits have overlapping times, and none is shared by two guests.
async fn pins_are_their_guests_own(
    conn: &mut Conn,
    env: &Env,
    property: PropertyId,
    rows: &Rows,
) -> Vec<String> {
    let mut ids: Vec<PinId> = rows.codes.iter().map(|code| code.pin_id).collect();
    ids.extend(rows.keychains.iter().map(|keychain| keychain.pin_id));
    ids.sort_unstable();
    ids.dedup();
    let digits = pin::open(conn, &env.sealer, property, &ids, env.now());
    let digits = digits.await.expect("the digits");
    let pins = pin::by_ids(conn, property, &ids).await.expect("the PINs");
    let mut alike: HashMap<&str, Vec<&pin::Pin>> = HashMap::new();
    for pin in &pins {
        if let Some(digits) = digits.get(&pin.id) {
            alike.entry(digits.expose_secret()).or_default().push(pin);
        }
    }
    let mut wrong = Vec::new();
    for alike in alike.values() {
        for (n, one) in alike.iter().enumerate() {
            let mut others = alike[n + 1..].iter();
            if others.any(|other| {
                one.occupied_from < other.occupied_until && other.occupied_from < one.occupied_until
            }) {
                wrong.push(format!("INV-18: {} is there twice at one time", one.id));
            }
        }
    }
    for (n, one) in rows.keychains.iter().enumerate() {
        for other in &rows.keychains[n + 1..] {
            let guest = |keychain: &Keychain| {
                let stay = keychain.reservation_id.and_then(|id| rows.stays.get(&id));
                stay.and_then(|stay| stay.guest_key.clone())
            };
            let same = one.reservation_id == other.reservation_id;
            let theirs = guest(one).is_some() && guest(one) == guest(other);
            if one.pin_id == other.pin_id && !same && !theirs {
                let numbers = [one, other].map(|k| rows.number(k.reservation_id));
                wrong.push(format!("INV-18: {numbers:?} have one PIN"));
            }
        }
    }
    wrong
}

/// Violations of what always holds. `shown`: how often a PIN was shown to somebody.
pub(crate) async fn always(env: &Env, property: PropertyId, shown: usize) -> Vec<String> {
    let mut conn = env.db.read().await.expect("a connection");
    let rows = Rows::read(&mut conn, env, property).await;
    let rows = rows.expect("what the house has");
    let mut wrong = rows.codes_follow_keychains();
    wrong.extend(rows.each_stay_is_decided());
    wrong.extend(rows.what_waits_has_a_time());
    wrong.extend(rows.copies_come_after_locks());
    wrong.extend(pins_are_their_guests_own(&mut conn, env, property, &rows).await);
    let house = property::by_id(&mut conn, property).await;
    let house = house.expect("the house").expect("the house");
    let log = audit::all(&mut conn, house.organization_id).await;
    let log = log.expect("the audit log");
    let reveals = log.iter().filter(|entry| entry.action == "pinReveal");
    // INV-26: a PIN is shown exactly when that is on record.
    let written = reveals.count();
    if written != shown {
        wrong.push(format!("INV-26: {shown} PINs shown, {written} on record"));
    }
    wrong
}
