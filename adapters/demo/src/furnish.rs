//! Houses as they are when first seen. The same for everybody, around the day it is.

use crate::ZONE;
use crate::house::{House, id};
use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use portal_domain::ReservationState::{self, Canceled, CheckedIn, Confirmed, Tentative};
use portal_interface::{Reservation, Room, RoomKind, VendorId};

/// Hour of the day at which guests may come.
const ARRIVAL: u32 = 15;
/// Hour of the day by which they leave.
const DEPARTURE: u32 = 11;

/// Four rooms, a dorm and its two beds. Nobody has booked.
pub(crate) fn empty(name: &str) -> House {
    let room = |n: u32| Room {
        id: id("room", n),
        name: format!("10{n}"),
        kind: RoomKind::Room,
        parent: None,
        active: true,
    };
    let dorm = Room {
        id: id("dorm", 1),
        name: "Dorm".to_owned(),
        kind: RoomKind::Dorm,
        parent: None,
        active: true,
    };
    let bed = |n: u32| Room {
        id: id("bed", n),
        name: format!("Dorm, bed {n}"),
        kind: RoomKind::Bed,
        parent: Some(dorm.id.clone()),
        active: true,
    };
    let rooms = (1..=4).map(room);
    let beds = (1..=2).map(bed);
    let rooms = rooms.chain([dorm.clone()]).chain(beds).collect();
    House::new(name, rooms)
}

/// A guest: name, room, state, first and last day counted from today.
type Guest = (&'static str, Option<VendorId>, ReservationState, i64, i64);

/// The same with guests: one in house, two who come today, one of them without a room, two who
/// come tomorrow, one who canceled, and one who is not certain.
pub(crate) fn with_guests(name: &str, now: DateTime<Utc>) -> House {
    let guests: [Guest; 7] = [
        ("Mira Solberg", Some(id("room", 1)), CheckedIn, -1, 2),
        ("Tomas Okafor", Some(id("room", 2)), Confirmed, 0, 3),
        ("Ines Haldane", Some(id("room", 3)), Confirmed, 1, 2),
        ("Jun Petrescu", None, Confirmed, 0, 1),
        ("Lea Marchetti", Some(id("bed", 1)), Confirmed, 1, 5),
        ("Oskar Lindqvist", Some(id("room", 4)), Canceled, 1, 4),
        ("Nadia Ferrand", Some(id("room", 4)), Tentative, 3, 4),
    ];
    let today = now.with_timezone(&ZONE).date_naive();
    let mut house = empty(name);
    for (name, room, state, first, last) in guests {
        let number = house.next_number();
        let starts_at = at(today + Duration::days(first), ARRIVAL);
        let in_house = state == CheckedIn;
        let stay = Reservation {
            id: id("stay", number),
            number: confirmation(number),
            state,
            raw_state: String::new(),
            room,
            starts_at,
            ends_at: at(today + Duration::days(last), DEPARTURE),
            actual_start: in_house.then(|| starts_at + Duration::minutes(20)),
            actual_end: None,
            guest: None,
            guest_name: Some(name.to_owned()),
            updated_at: None,
        };
        house.write(stay, now);
    }
    house
}

/// The number guests are told.
pub(crate) fn confirmation(number: usize) -> String {
    format!("D-{}", 1000 + number)
}

fn at(day: NaiveDate, hour: u32) -> DateTime<Utc> {
    let local = day.and_hms_opt(hour, 0, 0);
    let instant = local.and_then(|local| ZONE.from_local_datetime(&local).earliest());
    // Clocks change at night there.
    instant.expect("afternoons exist every day").to_utc()
}
