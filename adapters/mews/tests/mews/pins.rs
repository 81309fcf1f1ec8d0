//! PINs on reservations.

use crate::support::{House, at, id};
use chrono::{DateTime, Utc};
use portal_interface::{
    AdapterError, PinCopy, PinStore, Pms, StayPin, StayPins, Stored, Trouble, VendorId,
};
use portal_mews::fake::{Booking, Fault, HeldPin, NewRoom, Permissions};

const MARK: &str = "portal:keychain-1";
const ADD: &str = "resourceAccessTokens/add";
const UPDATE: &str = "resourceAccessTokens/update";
const DELETE: &str = "resourceAccessTokens/delete";

/// A wish that can be changed part by part.
#[derive(Clone)]
struct Wish {
    stay: String,
    known: Option<String>,
    room: String,
    bed: bool,
    common_doors: bool,
    pin: &'static str,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Wish {
    fn pins(&self) -> StayPins {
        StayPins {
            pin: Some(StayPin {
                room: id(&self.room),
                bed: self.bed,
                common_doors: self.common_doors,
                pin: self.pin.into(),
                from: self.from,
                until: self.until,
            }),
            ..self.nothing()
        }
    }

    fn nothing(&self) -> StayPins {
        StayPins {
            reservation: id(&self.stay),
            mark: MARK.to_owned(),
            known: self.known.as_deref().map(id),
            pin: None,
        }
    }
}

/// A house with two rooms and a guest in the first, whose PIN is 0042.
async fn guest() -> (House, Wish) {
    let house = House::open().await;
    let room = house.fake.add_room(&house.enterprise, &NewRoom::new("101"));
    house.fake.add_room(&house.enterprise, &NewRoom::new("102"));
    let (from, until) = (at("2026-11-24T14:00:00Z"), at("2026-11-26T10:00:00Z"));
    let booking = Booking::new(from, until).number("R").room("101");
    let wish = Wish {
        stay: house.fake.book(&house.enterprise, &booking),
        known: None,
        room,
        bed: false,
        common_doors: false,
        pin: "0042",
        from,
        until,
    };
    (house, wish)
}

async fn put(house: &House, want: &StayPins) -> Result<Stored, AdapterError> {
    store(house).put(&house.account, want).await
}

fn store(house: &House) -> &dyn PinStore {
    house.mews.pins().unwrap()
}

fn writes(house: &House) -> [u32; 3] {
    [ADD, UPDATE, DELETE].map(|operation| house.fake.calls_of(operation))
}

fn only_pin(house: &House) -> HeldPin {
    let pins = house.fake.pins("R");
    assert_eq!(pins.len(), 1, "{pins:?}");
    pins.into_iter().next().unwrap()
}

fn stored(id: &str, wrote: bool) -> Stored {
    let id = VendorId::new(id);
    Stored { id, wrote }
}

#[tokio::test]
async fn a_pin_is_stored_once() {
    let (house, wish) = guest().await;
    let first = put(&house, &wish.pins()).await;
    let pin = only_pin(&house);
    assert_eq!(first, Ok(stored(&pin.id, true)));
    let expected = HeldPin {
        id: pin.id.clone(),
        value: "0042".to_owned(),
        serial: Some(MARK.to_owned()),
        room: Some("101".to_owned()),
        from: wish.from,
        until: wish.until,
        permissions: Permissions {
            room: true,
            ..Permissions::default()
        },
    };
    assert!(pin == expected, "{pin:?}");
    for known in [None, Some(pin.id.clone())] {
        let wish = Wish {
            known,
            ..wish.clone()
        };
        assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, false)));
    }
    assert_eq!(writes(&house), [1, 0, 0]);
    assert!(only_pin(&house) == expected);
}

#[tokio::test]
async fn other_digits_times_and_doors_update_the_entry() {
    let (house, mut wish) = guest().await;
    put(&house, &wish.pins()).await.unwrap();
    let pin = only_pin(&house);
    wish.pin = "000000009";
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, true)));
    assert_eq!(only_pin(&house).value, "000000009");
    wish.until = at("2026-11-27T10:00:00Z");
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, true)));
    assert_eq!(only_pin(&house).until, wish.until);
    wish.from = at("2026-11-24T13:00:00Z");
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, true)));
    assert_eq!(only_pin(&house).from, wish.from);
    wish.common_doors = true;
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, true)));
    let common = Permissions {
        bed: false,
        room: true,
        floor: true,
        building: true,
    };
    assert_eq!(only_pin(&house).permissions, common);
    assert_eq!(writes(&house), [1, 4, 0]);
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, false)));
}

#[tokio::test]
async fn a_pin_is_text() {
    let (house, mut wish) = guest().await;
    for pin in ["0042#", "42#", "042", "*0042"] {
        wish.pin = pin;
        let wrote = put(&house, &wish.pins()).await.unwrap().wrote;
        assert!(wrote, "{pin} is none of those before");
        assert_eq!(only_pin(&house).value, pin);
        let checked = store(&house).check(&house.account, &[wish.pins()]).await;
        assert_eq!(checked, Ok(vec![PinCopy::Match]), "{pin}");
    }
}

#[tokio::test]
async fn a_bed_lets_its_guest_through_the_rooms_door() {
    let (house, wish) = guest().await;
    let bed = NewRoom::new("Bed").category(Some("Bed")).parent("102");
    let room = house.fake.add_room(&house.enterprise, &bed);
    let wish = Wish {
        bed: true,
        room,
        ..wish
    };
    put(&house, &wish.pins()).await.unwrap();
    let pin = only_pin(&house);
    assert_eq!(pin.room.as_deref(), Some("Bed"));
    let expected = Permissions {
        bed: true,
        room: true,
        ..Permissions::default()
    };
    assert_eq!(pin.permissions, expected);
}

#[tokio::test]
async fn another_room_makes_another_entry_and_none_removes_it() {
    let (house, mut wish) = guest().await;
    put(&house, &wish.pins()).await.unwrap();
    let before = only_pin(&house);
    let rooms = house.mews.rooms(&house.account).await.unwrap();
    let other = rooms.iter().find(|room| room.name == "102").unwrap();
    wish.room = other.id.to_string();
    let moved = put(&house, &wish.pins()).await;
    let pin = only_pin(&house);
    assert_eq!(moved, Ok(stored(&pin.id, true)));
    assert_ne!(pin.id, before.id);
    assert_eq!(pin.room.as_deref(), Some("102"));
    assert_eq!(writes(&house), [2, 0, 1]);

    let gone = Ok(Stored {
        id: None,
        wrote: true,
    });
    assert_eq!(put(&house, &wish.nothing()).await, gone);
    assert!(house.fake.pins("R").is_empty());
    let nothing = Ok(Stored {
        id: None,
        wrote: false,
    });
    assert_eq!(put(&house, &wish.nothing()).await, nothing);
    assert_eq!(writes(&house), [2, 0, 2]);
}

#[tokio::test]
async fn parts_of_a_second_are_rounded_outwards_and_match_again() {
    let (house, mut wish) = guest().await;
    wish.from = at("2026-11-24T14:00:00.900Z");
    wish.until = at("2026-11-26T10:00:00.100Z");
    put(&house, &wish.pins()).await.unwrap();
    let pin = only_pin(&house);
    assert_eq!(pin.from, at("2026-11-24T14:00:00Z"));
    assert_eq!(pin.until, at("2026-11-26T10:00:01Z"));
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, false)));
}

#[tokio::test]
async fn an_answer_that_was_lost_leaves_one_entry() {
    let (house, mut wish) = guest().await;
    let cut = Err(AdapterError::Unreachable(Trouble::Cut));
    house.fake.inject(Fault::CommitThenDrop, Some(ADD), 1);
    assert_eq!(put(&house, &wish.pins()).await, cut);
    let pin = only_pin(&house);
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, false)));

    house.fake.inject(Fault::CommitThenDrop, Some(UPDATE), 1);
    wish.pin = "7777";
    assert_eq!(put(&house, &wish.pins()).await, cut);
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, false)));

    house.fake.inject(Fault::CommitThenDrop, Some(DELETE), 1);
    assert_eq!(put(&house, &wish.nothing()).await, cut);
    let nothing = Ok(Stored {
        id: None,
        wrote: false,
    });
    assert_eq!(put(&house, &wish.nothing()).await, nothing);
}

#[tokio::test]
async fn of_two_entries_of_ours_the_right_one_remains() {
    let (house, wish) = guest().await;
    let zombie = house.fake.add_pin("R", Some(MARK), "9999");
    put(&house, &wish.pins()).await.unwrap();
    assert_eq!(only_pin(&house).id, zombie);
    assert_eq!(writes(&house), [0, 1, 0]);
    house.fake.add_pin("R", Some(MARK), "8888");
    house.fake.add_pin("R", Some(MARK), "7777");
    let want = [wish.pins()];
    let checked = store(&house).check(&house.account, &want).await;
    assert_eq!(checked, Ok(vec![PinCopy::Differs]));
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&zombie, true)));
    let pin = only_pin(&house);
    assert_eq!((pin.id, pin.value.as_str()), (zombie, "0042"));
}

#[tokio::test]
async fn entries_of_others_stay_as_they_are() {
    let (house, wish) = guest().await;
    house.fake.add_pin("R", None, "1111");
    house.fake.add_pin("R", Some("portal:keychain-10"), "0042");
    house.fake.add_pin("R", Some("another vendor"), "0042");
    let others = house.fake.pins("R");
    put(&house, &wish.pins()).await.unwrap();
    assert_eq!(house.fake.pins("R").len(), 4);
    put(&house, &wish.nothing()).await.unwrap();
    assert!(house.fake.pins("R") == others);
}

#[tokio::test]
async fn an_entry_noted_earlier_is_ours_under_whatever_mark() {
    let (house, mut wish) = guest().await;
    let old = house.fake.add_pin("R", Some("portal:old mark"), "0042");
    wish.known = Some(old.clone());
    put(&house, &wish.pins()).await.unwrap();
    let pin = only_pin(&house);
    assert_ne!(pin.id, old);
    assert_eq!(pin.serial.as_deref(), Some(MARK));
}

#[tokio::test]
async fn what_staff_did_to_the_entry_is_seen_and_mended() {
    let (house, wish) = guest().await;
    let check = async |want: &[StayPins]| store(&house).check(&house.account, want).await;
    let both = || [wish.pins(), wish.nothing()];
    assert_eq!(
        check(&both()).await,
        Ok(vec![PinCopy::Missing, PinCopy::Match])
    );
    put(&house, &wish.pins()).await.unwrap();
    assert_eq!(
        check(&both()).await,
        Ok(vec![PinCopy::Match, PinCopy::Differs])
    );
    let pin = only_pin(&house);
    house.fake.edit_pin(&pin.id, "42");
    assert_eq!(check(&both()[..1]).await, Ok(vec![PinCopy::Differs]));
    assert_eq!(put(&house, &wish.pins()).await, Ok(stored(&pin.id, true)));
    assert_eq!(only_pin(&house).value, "0042");
    house.fake.drop_pin(&pin.id);
    assert_eq!(check(&both()[..1]).await, Ok(vec![PinCopy::Missing]));
    assert!(put(&house, &wish.pins()).await.unwrap().wrote);
    assert_eq!(only_pin(&house).value, "0042");
}

#[tokio::test]
async fn many_are_checked_in_one_call_and_none_in_no_call() {
    let (house, wish) = guest().await;
    assert_eq!(store(&house).check(&house.account, &[]).await, Ok(vec![]));
    assert_eq!(house.fake.calls().len(), 0);
    let mut want = Vec::new();
    let mut expected = Vec::new();
    for number in 0..5 {
        let booking = Booking::new(wish.from, wish.until).number(&format!("S{number}"));
        let stay = house.fake.book(&house.enterprise, &booking);
        let wish = Wish {
            stay,
            ..wish.clone()
        };
        if number % 2 == 0 {
            put(&house, &wish.pins()).await.unwrap();
        }
        expected.push(match number % 2 {
            0 => PinCopy::Match,
            _ => PinCopy::Missing,
        });
        want.push(wish.pins());
    }
    let before = house.fake.calls_of("resourceAccessTokens/getAll");
    let checked = store(&house).check(&house.account, &want).await;
    assert_eq!(checked, Ok(expected));
    assert_eq!(
        house.fake.calls_of("resourceAccessTokens/getAll"),
        before + 1
    );
}

#[tokio::test]
async fn without_the_right_nothing_is_written() {
    let (house, wish) = guest().await;
    house.fake.allow_pins(&house.enterprise, false);
    assert_eq!(
        put(&house, &wish.pins()).await,
        Err(AdapterError::Unauthorized)
    );
    assert_eq!(writes(&house), [0, 0, 0]);
    assert!(house.fake.pins("R").is_empty());
}

#[tokio::test]
async fn a_rule_of_the_house_is_told_in_its_words() {
    let (house, wish) = guest().await;
    house
        .fake
        .inject(Fault::Status { status: 403 }, Some(ADD), 1);
    let said = Some("The rules of this house forbid it.".to_owned());
    let declined = Err(AdapterError::Declined { said });
    assert_eq!(put(&house, &wish.pins()).await, declined);
    assert!(house.fake.pins("R").is_empty());
}

#[tokio::test]
async fn storing_a_pin_changes_no_reservation() {
    let (house, wish) = guest().await;
    house.wait(3600);
    let cursor = house.start_of_changes().await;
    put(&house, &wish.pins()).await.unwrap();
    assert_eq!(house.all_changes(&cursor, 500).await.0, []);
}

#[tokio::test]
async fn many_are_stored_in_few_requests() {
    let (house, wish) = guest().await;
    let mut wants = Vec::new();
    for n in 0..40 {
        let number = format!("M{n}");
        let booking = Booking::new(wish.from, wish.until)
            .number(&number)
            .room("101");
        let stay = house.fake.book(&house.enterprise, &booking);
        let mark = format!("portal:{n}");
        wants.push(StayPins {
            mark,
            ..Wish {
                stay,
                ..wish.clone()
            }
            .pins()
        });
    }
    let first = store(&house).put_all(&house.account, &wants).await.unwrap();
    assert!(first.iter().all(|one| matches!(
        one,
        Ok(Stored {
            id: Some(_),
            wrote: true
        })
    )));
    for (n, one) in first.iter().enumerate() {
        let held = house.fake.pins(&format!("M{n}"));
        assert_eq!(held.len(), 1);
        assert_eq!(one.as_ref().unwrap().id, Some(id(&held[0].id)));
        assert_eq!(held[0].serial, Some(format!("portal:{n}")));
    }
    assert_eq!(writes(&house), [1, 0, 0]);
    // Ten get another PIN, ten go, ten move, and ten stay as they are.
    for (n, want) in wants.iter_mut().enumerate() {
        match (n % 4, &mut want.pin) {
            (0, Some(pin)) => pin.pin = "1234".into(),
            (1, pin) => *pin = None,
            (2, Some(pin)) => {
                pin.room = id(&house
                    .fake
                    .add_room(&house.enterprise, &NewRoom::new(&format!("2{n}"))));
            }
            _ => {}
        }
    }
    let second = store(&house).put_all(&house.account, &wants).await.unwrap();
    assert_eq!(writes(&house), [2, 1, 1]);
    for (n, one) in second.iter().enumerate() {
        let one = one.as_ref().unwrap();
        assert_eq!(one.wrote, n % 4 != 3);
        let held = house.fake.pins(&format!("M{n}"));
        assert_eq!(held.len(), usize::from(n % 4 != 1));
        assert_eq!(one.id, held.first().map(|held| id(&held.id)));
    }
}

#[tokio::test]
async fn what_is_declined_for_one_is_stored_for_the_others() {
    let (house, wish) = guest().await;
    let unknown = Wish {
        stay: "00000000-0000-0000-0000-00000000dead".to_owned(),
        ..wish.clone()
    };
    let wants = [unknown.pins(), wish.pins()];
    let stored = store(&house).put_all(&house.account, &wants).await.unwrap();
    assert!(
        matches!(stored[0], Err(AdapterError::Declined { .. })),
        "{stored:?}"
    );
    assert_eq!(
        stored[1].as_ref().unwrap().id,
        Some(id(&only_pin(&house).id))
    );
}
