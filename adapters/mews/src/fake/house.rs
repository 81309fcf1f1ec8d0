//! A furnished house, and the summary of all that is there.

use super::NewEnterprise;
use super::booking::{Booking, NewRoom};
use super::model::StayState;
use super::state::{Done, State};
use chrono::{DateTime, Duration, NaiveTime, Utc};
use serde_json::{Value, json};

/// Where the demo house stands.
const ZONE: &str = "Europe/Berlin";

impl State {
    /// Adds a house with rooms and guests. Some of them show why a guest gets no access.
    pub(super) fn add_demo_house(
        &mut self,
        name: &str,
        access_token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Done<NewEnterprise> {
        let id = self.add_enterprise(name, ZONE, now);
        for room in ["101", "102", "103", "104"] {
            self.add_room(&id, &NewRoom::new(room), now)?;
        }
        let suite = NewRoom::new("Suite 201").category(Some("Suite"));
        self.add_room(&id, &suite, now)?;
        let dorm = NewRoom::new("Dorm 1").category(Some("Dorm"));
        self.add_room(&id, &dorm, now)?;
        for bed in ["Bed 1A", "Bed 1B", "Bed 1C", "Bed 1D"] {
            let bed = NewRoom::new(bed).category(Some("Bed")).parent("Dorm 1");
            self.add_room(&id, &bed, now)?;
        }
        let spot = NewRoom::new("Parking P1").category(Some("ParkingSpot"));
        self.add_room(&id, &spot, now)?;
        for booking in bookings(now) {
            self.book(&id, &booking, now)?;
        }
        let access_token = self.add_access_token(&[&id], false, access_token)?;
        Ok(NewEnterprise { id, access_token })
    }

    /// Everything in short, secrets included.
    pub(super) fn summary(&mut self) -> Value {
        let enterprises: Vec<Value> = self
            .enterprises
            .iter()
            .map(|at| {
                let tokens = self.access_tokens.iter();
                let opens = tokens.filter(|(_, token)| token.enterprises.contains(&at.id));
                let rooms = self
                    .resources
                    .iter()
                    .filter(|room| room.enterprise == at.id);
                json!({
                    "id": at.id,
                    "name": at.name,
                    "timeZone": at.zone,
                    "allowsPins": at.allows_pins,
                    "accessTokens": opens.map(|(token, _)| token).collect::<Vec<_>>(),
                    "rooms": rooms.map(|room| json!({
                        "id": room.id,
                        "name": room.name,
                        "active": room.is_active,
                        "parent": room.parent,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        let ids: Vec<String> = self
            .reservations
            .iter()
            .map(|stay| stay.id.clone())
            .collect();
        let reservations: Vec<Value> = ids
            .iter()
            .filter_map(|id| {
                let pins = self.held(id).ok()?;
                let stay = self.reservation(id).ok()?;
                Some(json!({
                    "id": id,
                    "enterprise": stay.enterprise,
                    "number": stay.number,
                    "state": stay.state.word(),
                    "room": stay.room,
                    "from": stay.start,
                    "until": stay.end,
                    "pins": pins,
                }))
            })
            .collect();
        json!({ "enterprises": enterprises, "reservations": reservations })
    }
}

fn bookings(now: DateTime<Utc>) -> Vec<Booking> {
    // In at three, out at eleven, in winter time: near enough for a made-up house.
    let at = |days, hour: u32| {
        let time = NaiveTime::from_hms_opt(hour - 1, 0, 0).unwrap_or_default();
        (now + Duration::days(days))
            .date_naive()
            .and_time(time)
            .and_utc()
    };
    let stay = |from, until| Booking::new(at(from, 15), at(until, 11));
    vec![
        stay(-2, 1)
            .number("R-1001")
            .guest("Ada Lovelace")
            .room("101")
            .state(StayState::Started),
        stay(0, 3)
            .number("R-1002")
            .guest("Grace Hopper")
            .room("102"),
        stay(0, 2).number("R-1003").guest("Alan Turing"),
        stay(1, 4)
            .number("R-1004")
            .guest("Emmy Noether")
            .room("Suite 201"),
        stay(0, 5)
            .number("R-1005")
            .guest("Katherine Johnson")
            .room("Bed 1A"),
        stay(1, 3)
            .number("R-1006")
            .guest("Edsger Dijkstra")
            .room("Bed 1B"),
        stay(2, 4)
            .number("R-1007")
            .company("Analytical Engines Ltd")
            .guest("Mary Somerville")
            .room("103"),
        stay(3, 6)
            .number("R-1008")
            .guest("Kurt Goedel")
            .room("104")
            .state(StayState::Optional),
        stay(0, 1)
            .number("R-1009")
            .guest("Ada Lovelace")
            .room("Parking P1"),
    ]
}
