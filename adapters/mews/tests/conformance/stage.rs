//! A hotel at the fake Mews, for the suite.

use portal_domain::IntegrationId;
use portal_interface::conformance::{
    Act, Booking, Can, Cannot, Delivery, Fault, NewRoom, PinEntry, PinStage, PmsHouse, PmsStage,
    Reply, Setting, Vendor, Wire,
};
use portal_interface::{
    Account, AdapterError, Clock, Credentials, ExposeSecret, FixedClock, Hint, Look, RoomKind,
    SecretString, Trouble, VendorId,
};
use portal_mews::fake::{self, FakeMews, NewEnterprise, Options, Scripted};
use portal_mews::{Mews, Settings};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const CLIENT_TOKEN: &str = "CLIENT-0123456789ABCDEF";
const WRITES: [&str; 3] = [
    "resourceAccessTokens/add",
    "resourceAccessTokens/update",
    "resourceAccessTokens/delete",
];
/// Answers and deliveries of Mews's.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

pub(crate) struct Stage {
    pub(crate) fake: FakeMews,
    clock: Arc<FixedClock>,
    pub(crate) enterprise: String,
    token: SecretString,
    /// Rooms by name: the fake tells of PINs by those.
    rooms: Mutex<BTreeMap<String, VendorId>>,
    /// Left to the test of the good adapter, as it takes its time.
    waits: bool,
}

/// An empty hotel, connected.
pub(crate) async fn open(setting: Setting) -> PmsHouse {
    house(setting, true).await.1
}

/// The same, without waiting for a vendor that is silent.
pub(crate) async fn open_quickly(setting: Setting) -> PmsHouse {
    house(setting, false).await.1
}

pub(crate) async fn house(setting: Setting, waits: bool) -> (Arc<Stage>, PmsHouse) {
    let mut options = Options::new(CLIENT_TOKEN.into(), setting.clock.clone());
    options.rate_limit = None;
    let listen = ([127, 0, 0, 1], 0).into();
    let fake = FakeMews::start(listen, options).await.unwrap();
    let NewEnterprise { id, access_token } = fake.add_enterprise("Hotel Aurora", "Europe/Oslo");
    let stage = Arc::new(Stage {
        fake,
        clock: setting.clock.clone(),
        enterprise: id,
        token: access_token,
        rooms: Mutex::default(),
        waits,
    });
    let url = stage.fake.url().to_owned();
    let build = move || adapter(&url, &setting);
    let house = PmsHouse::new(stage.clone(), move || Box::new(build()));
    (stage, house)
}

pub(crate) fn adapter(url: &str, setting: &Setting) -> Mews {
    Mews::new(settings(url), setting.http(), setting.clock.clone())
}

pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        client_token: CLIENT_TOKEN.into(),
        client_name: "Portal 0.1.0".to_owned(),
        api_url: url.to_owned(),
    }
}

pub(crate) fn account(token: &SecretString) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("accessToken", token.clone());
    Account::new(IntegrationId::new(), credentials, None)
}

pub(crate) fn id(text: impl Into<String>) -> VendorId {
    VendorId::new(text).unwrap()
}

impl Vendor for Stage {
    fn account(&self) -> Account {
        account(&self.token)
    }

    fn renewed(&self) -> Can<Account> {
        Ok(account(&self.fake.add_access_token(&self.enterprise)))
    }

    fn stranger(&self) -> Account {
        account(&"0000-STRANGER-0000".into())
    }

    fn several(&self) -> Can<Account> {
        let other = self.fake.add_enterprise("Hotel Borealis", "Europe/Oslo");
        let both = [self.enterprise.as_str(), &other.id];
        Ok(account(&self.fake.add_portfolio_token(&both)))
    }

    fn revoke(&self) {
        assert!(self.fake.revoke_token(&self.token));
    }

    fn secrets(&self) -> Vec<String> {
        let secrets = [
            self.token.expose_secret(),
            CLIENT_TOKEN,
            "0000-STRANGER-0000",
        ];
        secrets.map(ToOwned::to_owned).into()
    }

    fn printed(&self) -> String {
        let settings = settings(self.fake.url());
        let mews = Mews::new(
            settings.clone(),
            portal_interface::Http::new(Arc::new(portal_interface::OpenGate)),
            self.clock.clone(),
        );
        format!("{mews:?} {settings:?} {:?} {:?}", self.fake, self.token)
    }

    fn wire(&self) -> Can<&dyn Wire> {
        Ok(self)
    }
}

fn reply(status: u16, body: String) -> Reply {
    Reply {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body,
    }
}

impl Wire for Stage {
    fn reply(&self, reply: Option<Reply>) {
        self.fake.answer_with(reply.map(|reply| Scripted {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
        }));
    }

    fn next(&self, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.fake.inject(as_theirs(fault), None, 1),
            None => self.fake.clear_faults(),
        }
    }

    fn next_write(&self, fault: Fault) {
        for operation in WRITES {
            self.fake.inject(as_theirs(fault), Some(operation), 1);
        }
    }

    fn requests(&self) -> u32 {
        self.fake.calls().values().sum()
    }

    fn writes(&self) -> u32 {
        WRITES
            .map(|operation| self.fake.calls_of(operation))
            .iter()
            .sum()
    }

    fn errors(&self) -> Vec<(Reply, AdapterError)> {
        let message = "The rules of this house forbid it.";
        let body = json!({ "Message": message, "RequestId": "1" }).to_string();
        let declined = |said: Option<&str>| AdapterError::Declined {
            said: said.map(ToOwned::to_owned),
        };
        let status = |status| AdapterError::Unreachable(Trouble::Status(status));
        let limited = AdapterError::RateLimited { retry_after: None };
        let table = [
            (302, status(302)),
            (400, declined(None)),
            (401, AdapterError::Unauthorized),
            (403, declined(Some(message))),
            (404, declined(None)),
            (408, AdapterError::TooHeavy),
            (409, status(409)),
            (410, declined(None)),
            (413, AdapterError::TooHeavy),
            (418, declined(None)),
            (429, limited),
            (500, status(500)),
            (502, status(502)),
            (503, status(503)),
            (504, status(504)),
        ];
        let rows = table.into_iter();
        rows.map(|(status, error)| (reply(status, body.clone()), error))
            .collect()
    }

    fn answers(&self) -> Vec<String> {
        let files = std::fs::read_dir(EXAMPLES).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.to_string_lossy().ends_with(".response.json"));
        files.sort();
        let read = |file| std::fs::read_to_string(file).unwrap();
        files.into_iter().map(read).collect()
    }

    fn breaches(&self) -> Vec<String> {
        let breaches = [self.fake.refused(), self.fake.mismatches()];
        breaches.concat()
    }
}

fn as_theirs(fault: Fault) -> fake::Fault {
    match fault {
        Fault::Delay(time) => fake::Fault::Delay {
            millis: u32::try_from(time.as_millis()).unwrap(),
        },
        Fault::Cut => fake::Fault::Cut,
        Fault::CommitThenDrop => fake::Fault::CommitThenDrop,
    }
}

impl Stage {
    fn note(&self, name: &str, id: &VendorId) {
        self.rooms
            .lock()
            .unwrap()
            .insert(name.to_owned(), id.clone());
    }

    fn booking(booking: &Booking) -> fake::Booking {
        let mut theirs = fake::Booking::new(booking.from, booking.until);
        theirs.guest.clone_from(&booking.guest);
        theirs.room = booking.room.as_ref().map(ToString::to_string);
        theirs
    }

    fn book_theirs(&self, booking: &fake::Booking) -> VendorId {
        id(self.fake.book(&self.enterprise, booking))
    }

    /// Books a stay and lets another be read in its place.
    fn write_raw(&self, booking: &Booking, id: &str, state: &str, from: &str) {
        let place = fake::Booking::new(booking.from, booking.until);
        let place = self.fake.book(&self.enterprise, &place);
        let item = json!({
            "Id": id,
            "Number": "52",
            "State": state,
            "ScheduledStartUtc": from,
            "ScheduledEndUtc": booking.until.to_rfc3339(),
            "UpdatedUtc": self.clock.now().to_rfc3339(),
        });
        self.fake.write_raw(&place, item);
    }
}

impl PmsStage for Stage {
    fn add_room(&self, room: &NewRoom<'_>) -> VendorId {
        let kind = match room.kind {
            RoomKind::Room => "Room",
            RoomKind::Dorm => "Dorm",
            RoomKind::Bed => "Bed",
            RoomKind::Other => "MeetingRoom",
        };
        let mut theirs = fake::NewRoom::new(room.name).category(Some(kind));
        theirs.parent = room.parent.map(ToString::to_string);
        let made = id(self.fake.add_room(&self.enterprise, &theirs));
        self.note(room.name, &made);
        made
    }

    fn add_room_as(&self, id: &VendorId) -> Can<()> {
        let room = fake::NewRoom::new("Odd");
        self.fake.add_room_as(&self.enterprise, &room, id.as_str());
        Ok(())
    }

    fn tangle(&self, one: &VendorId, other: &VendorId) -> Can<()> {
        for (room, parent) in [(one, other), (other, one)] {
            self.fake
                .put_room_into(&self.enterprise, room.as_str(), parent.as_str());
        }
        Ok(())
    }

    fn rooms_in_a_page(&self) -> Can<usize> {
        Ok(1000)
    }

    fn book(&self, booking: &Booking) -> VendorId {
        self.book_theirs(&Self::booking(booking))
    }

    fn book_for_company(&self, booking: &Booking) -> Can<VendorId> {
        Ok(self.book_theirs(&Self::booking(booking).company("Engines Ltd")))
    }

    fn book_in_unknown_state(&self, booking: &Booking) -> Can<VendorId> {
        let stay = "0f515589-99b4-423d-b83a-b237009f0509";
        let from = booking.from.to_rfc3339();
        self.write_raw(booking, stay, "Teleported", &from);
        Ok(id(stay))
    }

    fn book_unreadable(&self, booking: &Booking) -> Can<()> {
        let stay = "1f515589-99b4-423d-b83a-b237009f0509";
        self.write_raw(booking, stay, "Confirmed", "the day before");
        Ok(())
    }

    fn book_with_bad_references(&self, booking: &Booking) -> Can<VendorId> {
        let place = fake::Booking::new(booking.from, booking.until);
        let place = self.fake.book(&self.enterprise, &place);
        let stay = "2f515589-99b4-423d-b83a-b237009f0509";
        let item = json!({
            "Id": stay,
            "Number": "53",
            "State": "Confirmed",
            "ServiceId": "service",
            "AccountId": "guest",
            "RequestedResourceCategoryId": "kind",
            "ScheduledStartUtc": booking.from.to_rfc3339(),
            "ScheduledEndUtc": booking.until.to_rfc3339(),
        });
        self.fake.write_raw(&place, item);
        Ok(id(stay))
    }

    fn book_without_door(&self, booking: &Booking) -> Can<()> {
        let mut theirs = Self::booking(booking);
        theirs.category = Some("ParkingSpot".to_owned());
        self.book_theirs(&theirs);
        Ok(())
    }

    fn act(&self, stay: &VendorId, act: &Act) {
        let (fake, stay) = (&self.fake, stay.as_str());
        match act {
            Act::Assign(room) => fake.assign(stay, Some(room.as_str())),
            Act::Unassign => fake.assign(stay, None),
            Act::Redate(from, until) => fake.redate(stay, *from, *until),
            Act::RenameGuest(name) => fake.rename_guest(stay, name),
            Act::CheckIn => fake.check_in(stay),
            Act::CheckOut => fake.check_out(stay),
            Act::Cancel => fake.cancel(stay, "RequestedByGuest"),
        }
    }

    fn longest_pull(&self) -> Can<Duration> {
        if self.waits {
            Ok(Duration::from_secs(30))
        } else {
            Err(Cannot("waited for once, with the good adapter"))
        }
    }

    fn pins(&self) -> Can<&dyn PinStage> {
        Ok(self)
    }

    fn deliveries(&self) -> Can<Vec<Delivery>> {
        let house = id("851df8c8-90f2-4c4a-8e01-a4fc46b25178");
        let (one, other) = (
            "9e5e84e9-974d-4f16-9662-ab2200f27cb1",
            "3bb50576-79ea-48f8-8d07-ab25009fdfb2",
        );
        let general = |look| Hint {
            account: Some(house.clone()),
            connection: VendorId::new("c8bee838-7fb1-4f4e-8fac-ac87008b2f90"),
            look,
        };
        let integration = |account, connection: &str| Hint {
            account,
            connection: VendorId::new(connection),
            look: Look::Credentials,
        };
        let stay = id("bfee2c44-1f84-4326-a862-5289598f6e2d");
        let created = VendorId::new("8865aa96-f62d-4f9b-a912-ab2100f60f42");
        let examples = [
            (
                "general",
                vec![
                    general(Look::Reservations(vec![stay])),
                    general(Look::Rooms),
                ],
            ),
            ("integrationCreated", vec![integration(created, one)]),
            (
                "integrationApiKeyCreated.composed",
                vec![integration(None, one)],
            ),
            ("integrationCanceled", vec![integration(None, other)]),
            ("integrationDisabled", vec![integration(None, one)]),
            ("integrationEnabled", vec![integration(None, one)]),
        ];
        let read = |(name, hints)| {
            let file = Path::new(EXAMPLES).join(format!("webhook.{name}.json"));
            let body = std::fs::read_to_string(file).unwrap();
            Delivery { body, hints }
        };
        Ok(examples.into_iter().map(read).collect())
    }
}

impl PinStage for Stage {
    fn allow(&self, allow: bool) {
        self.fake.allow_pins(&self.enterprise, allow);
    }

    fn holds(&self, stay: &VendorId) -> Vec<PinEntry> {
        let rooms = self.rooms.lock().unwrap();
        let held = self.fake.pins(stay.as_str()).into_iter();
        let entries = held.map(|held| PinEntry {
            id: id(held.id),
            mark: held.serial,
            room: held.room.and_then(|name| rooms.get(&name).cloned()),
            digits: held.value,
            from: held.from,
            until: held.until,
        });
        entries.collect()
    }

    fn hold(&self, stay: &VendorId, mark: &str, digits: &str) -> VendorId {
        id(self.fake.add_pin(stay.as_str(), Some(mark), digits))
    }

    fn edit(&self, entry: &VendorId, digits: &str) {
        self.fake.edit_pin(entry.as_str(), digits);
    }

    fn delete(&self, entry: &VendorId) {
        self.fake.drop_pin(entry.as_str());
    }
}
