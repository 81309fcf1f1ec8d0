//! A house of the demo PMS, for the suite.

use portal_demo::{Booking as DemoBooking, DemoHouse, DemoPms};
use portal_domain::IntegrationId;
use portal_interface::conformance::{
    Act, Booking, Can, Cannot, Delivery, NewRoom, PinEntry, PinStage, PmsHouse, PmsStage, Setting,
    Vendor, Wire,
};
use portal_interface::{Account, Credentials, ExposeSecret, Room, SecretString, VendorId};
use std::sync::Arc;
use std::time::Duration;

const NO_NETWORK: Cannot = Cannot("it has no network");

pub(crate) struct Stage {
    pms: DemoPms,
    pub(crate) house: DemoHouse,
    token: SecretString,
}

/// An empty house.
pub(crate) async fn open(setting: Setting) -> PmsHouse {
    house(setting).1
}

pub(crate) fn house(setting: Setting) -> (Arc<Stage>, PmsHouse) {
    let stage = stage(setting);
    let pms = stage.pms.clone();
    let house = PmsHouse::new(stage.clone(), move || Box::new(pms.clone()));
    (stage, house)
}

fn stage(setting: Setting) -> Arc<Stage> {
    let pms = DemoPms::new(setting.clock);
    let token = pms.issue_token("Sea");
    let house = pms.named_house("Sea");
    let stage = Stage { pms, house, token };
    for room in [
        "room-1", "room-2", "room-3", "room-4", "bed-1", "bed-2", "dorm-1",
    ] {
        let room = VendorId::new(room).unwrap();
        assert!(stage.house.remove_room(&room));
    }
    Arc::new(stage)
}

pub(crate) fn account(token: &SecretString) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("demoAccount", "false".into());
    credentials.set("accessToken", token.clone());
    Account::new(IntegrationId::new(), credentials, None)
}

impl Vendor for Stage {
    fn account(&self) -> Account {
        account(&self.token)
    }

    fn renewed(&self) -> Can<Account> {
        Ok(account(&self.pms.issue_token("Sea")))
    }

    fn stranger(&self) -> Account {
        account(&"demo_none".into())
    }

    fn several(&self) -> Can<Account> {
        Err(Cannot("a token opens one house"))
    }

    fn revoke(&self) {
        assert!(self.pms.revoke_token(&self.token));
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.token.expose_secret().to_owned()]
    }

    fn printed(&self) -> String {
        format!("{:?} {:?} {:?}", self.pms, self.house, self.token)
    }

    fn wire(&self) -> Can<&dyn Wire> {
        Err(NO_NETWORK)
    }
}

impl PmsStage for Stage {
    fn add_room(&self, room: &NewRoom<'_>) -> VendorId {
        let id = self.house.add_room(room.name);
        self.house.put_room(Room {
            id: id.clone(),
            name: room.name.to_owned(),
            kind: room.kind,
            parent: room.parent.cloned(),
            active: true,
        });
        id
    }

    fn add_room_as(&self, id: &VendorId) -> Can<()> {
        self.house.put_room(Room {
            id: id.clone(),
            name: "Odd".to_owned(),
            kind: portal_interface::RoomKind::Room,
            parent: None,
            active: true,
        });
        Ok(())
    }

    fn tangle(&self, _: &VendorId, _: &VendorId) -> Can<()> {
        Err(Cannot("its rooms stand where they stand"))
    }

    fn rooms_in_a_page(&self) -> Can<usize> {
        Err(Cannot("its rooms are told all at once"))
    }

    fn book(&self, booking: &Booking) -> VendorId {
        self.house.book(DemoBooking {
            guest_name: booking.guest.clone(),
            room: booking.room.clone(),
            starts_at: booking.from,
            ends_at: booking.until,
            tentative: false,
        })
    }

    fn book_for_company(&self, _: &Booking) -> Can<VendorId> {
        Err(Cannot("its bookings name no companies"))
    }

    fn book_in_unknown_state(&self, _: &Booking) -> Can<VendorId> {
        Err(Cannot("its states are all described"))
    }

    fn book_unreadable(&self, _: &Booking) -> Can<()> {
        Err(Cannot("everything in its book can be read"))
    }

    fn book_with_bad_references(&self, _: &Booking) -> Can<VendorId> {
        Err(Cannot("everything in its book can be read"))
    }

    fn book_without_door(&self, _: &Booking) -> Can<()> {
        Err(Cannot("it sells nothing without a door"))
    }

    fn act(&self, stay: &VendorId, act: &Act) {
        let house = &self.house;
        let done = match act {
            Act::Assign(room) => house.assign(stay, room),
            Act::Unassign => house.unassign(stay),
            Act::Redate(from, until) => house.redate(stay, *from, *until),
            Act::RenameGuest(name) => house.rename_guest(stay, Some(name.clone())),
            Act::CheckIn => house.check_in(stay),
            Act::CheckOut => house.check_out(stay),
            Act::Cancel => house.cancel(stay),
        };
        assert!(done, "{act:?}");
    }

    fn longest_pull(&self) -> Can<Duration> {
        Err(NO_NETWORK)
    }

    fn pins(&self) -> Can<&dyn PinStage> {
        Ok(self)
    }

    fn deliveries(&self) -> Can<Vec<Delivery>> {
        Err(Cannot("it delivers nothing"))
    }
}

impl PinStage for Stage {
    fn allow(&self, allow: bool) {
        self.house.allow_pins(allow);
    }

    fn holds(&self, stay: &VendorId) -> Vec<PinEntry> {
        let held = self.house.pins_of(stay).into_iter();
        let entries = held.map(|held| PinEntry {
            id: held.id,
            mark: Some(held.mark),
            room: Some(held.room),
            digits: held.pin.expose_secret().to_owned(),
            from: held.from,
            until: held.until,
        });
        entries.collect()
    }

    fn hold(&self, stay: &VendorId, mark: &str, digits: &str) -> VendorId {
        assert!(self.house.add_pin(stay, mark, &digits.into()));
        self.holds(stay).pop().unwrap().id
    }

    fn edit(&self, entry: &VendorId, digits: &str) {
        assert!(self.house.edit_pin(entry, &digits.into()));
    }

    fn delete(&self, entry: &VendorId) {
        assert!(self.house.drop_pin(entry));
    }
}
