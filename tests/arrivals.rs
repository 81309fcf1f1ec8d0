//! The arrivals board and the forecast of locks: what a night manager reads, and can still do.

use crate::harness::{Caller, Hotel, Portal, shown};
use chrono::{DateTime, Duration, Utc};
use portal::admin::create_key;
use portal_domain::{DeviceRule, Permission, Role, WithheldCode};
use portal_mews::fake::{Booking, NewRoom};
use portal_store::page::Page;
use portal_store::reservation::{self, Filter};
use portal_virtual::fake::{Fault, Operation};
use serde_json::{Value, json};

const BOARD: &str =
    "query($id: ID!, $from: LocalDate, $to: LocalDate, $first: Int, $after: String) {
    property(id: $id) { arrivals(from: $from, to: $to, first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor } nodes {
        number arrival verdict actBy inHouse keychain { status } reservation { number guestName }
        because { code message actBy device { name } space { name } } } } } }";

const FORECAST: &str = "query($id: ID!, $from: LocalDate, $to: LocalDate) { property(id: $id) {
    lockForecast(from: $from, to: $to) { nodes { device { name } capacity used peak peakAt exceedsAt
      waitingCount waiting { reservation { number } since startsAt slotAt late } } } } }";

impl Hotel<'_> {
    /// Books a stay that begins and ends so many hours from now.
    fn arrives(&self, number: &str, room: Option<&str>, from: i64, until: i64) -> DateTime<Utc> {
        let hours = |n| self.portal.env.now() + Duration::hours(n);
        let mut stay = Booking::new(hours(from), hours(until)).number(number);
        if let Some(room) = room {
            stay = stay.room(room);
        }
        self.portal
            .mews
            .book(&self.enterprise, &stay.guest("Ada Guest"));
        hours(from)
    }

    /// The board of these days.
    async fn board(&self, from: Option<&str>, to: Option<&str>) -> Vec<Value> {
        let variables = json!({ "id": self.id, "from": from, "to": to, "first": 100 });
        let mut answer = self.ask(BOARD, variables).await;
        let nodes = answer["property"]["arrivals"]["nodes"].take();
        nodes.as_array().cloned().expect("a list")
    }

    /// Today's line of a stay.
    async fn line(&self, number: &str) -> Value {
        let board = self.board(None, Some("2026-12-03")).await;
        let found = board.into_iter().find(|line| line["number"] == number);
        found.unwrap_or_else(|| panic!("{number} is not on the board"))
    }

    async fn forecast(&self) -> Vec<Value> {
        let mut answer = self.ask(FORECAST, json!({ "id": self.id })).await;
        let nodes = answer["property"]["lockForecast"]["nodes"].take();
        nodes.as_array().cloned().expect("a list")
    }
}

fn instant(at: DateTime<Utc>) -> Value {
    json!(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

/// The verdict, until when somebody can act, and the codes.
fn told(line: &Value) -> Value {
    let because = line["because"].as_array().expect("a list");
    let codes: Vec<&Value> = because.iter().map(|reason| &reason["code"]).collect();
    json!([line["verdict"], line["actBy"], codes])
}

async fn hotel(portal: &Portal) -> Hotel<'_> {
    let hotel = portal.house("Aurora", &[]).await;
    hotel.with_door("101").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_says_soonest_first_which_door_will_open_and_what_to_do_about_the_others() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal).await;
    let second = hotel.door("102").await;
    portal.locks.set_online(&second, false);
    let fourth = hotel.arrives("4", None, 9, 50);
    let third = hotel.arrives("3", Some("103"), 8, 50);
    let away = hotel.arrives("2", Some("102"), 7, 50);
    let good = hotel.arrives("1", Some("101"), 6, 50);
    hotel.arrives("gone", Some("101"), 6, 50);
    portal.next_look().await;
    portal.mews.cancel("gone", "Other");
    portal.next_look().await;

    let near = |at: DateTime<Utc>| at - Duration::minutes(15);
    let far = away - Duration::hours(2);
    let of = |number: &str, at, verdict: &str, act_by: Value, keychain: Value, because: Value| {
        json!({"number": number, "arrival": instant(at), "verdict": verdict, "actBy": act_by,
            "inHouse": false, "keychain": keychain, "because": because,
            "reservation": {"number": number, "guestName": "Ada Guest"}})
    };
    let upcoming = json!({"status": "UPCOMING"});
    let because = |code: &str, message: &str, act_by: DateTime<Utc>, lock: Value, space: Value| {
        json!([{"code": code, "message": message, "actBy": instant(act_by), "device": lock,
            "space": space}])
    };
    let offline = because(
        "DEVICE_OFFLINE",
        "Lock 102 in Room 102 cannot be reached.",
        far,
        json!({"name": "Lock 102"}),
        json!({"name": "Room 102"}),
    );
    let unmapped = because(
        "ROOM_NOT_MAPPED",
        "Room 103 is not mapped to a space.",
        near(third),
        Value::Null,
        Value::Null,
    );
    let unassigned = because(
        "ROOM_UNASSIGNED",
        "No room is assigned.",
        near(fourth),
        Value::Null,
        Value::Null,
    );
    let expected = [
        of("1", good, "READY", Value::Null, upcoming.clone(), json!([])),
        of("2", away, "AT_RISK", instant(far), upcoming, offline),
        of(
            "3",
            third,
            "AT_RISK",
            instant(near(third)),
            Value::Null,
            unmapped,
        ),
        of(
            "4",
            fourth,
            "AT_RISK",
            instant(near(fourth)),
            Value::Null,
            unassigned,
        ),
    ];
    assert_eq!(hotel.board(None, None).await, expected);

    // Two hours before, nobody can count on the lock any more; the others have time.
    portal.later(far - portal.env.now()).await;
    assert_eq!(hotel.line("2").await["verdict"], json!("WILL_FAIL"));
    assert_eq!(hotel.line("3").await["verdict"], json!("AT_RISK"));
    portal.locks.set_online(&second, true);
    portal.mews.assign("4", Some("101"));
    portal.later(Duration::minutes(16)).await;
    assert_eq!(told(&hotel.line("2").await), json!(["READY", null, []]));
    assert_eq!(told(&hotel.line("4").await), json!(["READY", null, []]));
    portal.later(third - portal.env.now()).await;
    assert_eq!(hotel.line("3").await["verdict"], json!("WILL_FAIL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_refuses_the_pin_fails_the_arrival_until_a_person_acts() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal).await;
    let fault = Fault::Status { status: 422 };
    portal.locks.inject(fault, Some(Operation::Put), 1);
    let arrival = hotel.arrives("1", Some("101"), 6, 50);
    portal.next_look().await;
    let act_by = instant(arrival - Duration::minutes(15));
    let line = hotel.line("1").await;
    assert_eq!(told(&line), json!(["WILL_FAIL", act_by, ["PIN_BLOCKED"]]));
    let message = "Lock 101 in Room 101 has refused the PIN for good. A person has to act.";
    assert_eq!(line["because"][0]["message"], json!(message));
    let query = "query($id: ID!) { property(id: $id) { keychains { nodes { doors { devicePins { id } } } } } }";
    let answer = hotel.ask(query, json!({ "id": hotel.id })).await;
    let pin = &answer["property"]["keychains"]["nodes"][0]["doors"][0]["devicePins"][0]["id"];
    let retry =
        "mutation($id: ID!) { devicePinRetry(input: {devicePin: $id}) { userErrors { code } } }";
    hotel.ask(retry, json!({ "id": pin })).await;
    portal.settle().await;
    assert_eq!(told(&hotel.line("1").await), json!(["READY", null, []]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lock_is_foreseen_with_who_would_wait_and_until_when() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal).await;
    hotel.map("102", "Room 102").await;
    let rules = [DeviceRule::MaxCodes(1)];
    let lock = hotel.install_with("Room 102", "Lock 102", &rules).await;
    hotel.arrives("1", Some("102"), 3, 20);
    portal.next_look().await;
    let ends = portal.env.now() + Duration::hours(20) - Duration::seconds(75);
    let next = hotel.arrives("2", Some("102"), 24, 48);
    portal.next_look().await;
    let sharer = hotel.arrives("3", Some("102"), 5, 30);
    portal.next_look().await;
    assert_eq!(portal.locks.codes(&lock).len(), 1);
    assert_eq!(hotel.line("1").await["verdict"], json!("READY"));
    // Who comes when the first has left has a slot in time; who shares the room has not.
    let line = hotel.line("2").await;
    let until = sharer + Duration::hours(25);
    let late = instant(next - Duration::minutes(15));
    assert_eq!(told(&line), json!(["AT_RISK", late, ["DEVICE_FULL"]]));
    let line = hotel.line("3").await;
    let act_by = instant(sharer - Duration::minutes(15));
    assert_eq!(told(&line), json!(["AT_RISK", act_by, ["DEVICE_FULL"]]));
    let local = ends.with_timezone(&chrono_tz::Europe::Prague);
    let message = format!(
        "Lock 102 in Room 102 holds as many codes as fit. The next slot is free on {}.",
        local.format("%-d %B at %H:%M")
    );
    assert_eq!(line["because"][0]["message"], json!(message));

    let now = instant(portal.env.now());
    let forecast = hotel.forecast().await;
    let wait = |number: &str, starts, slot| {
        json!({"reservation": {"number": number}, "since": now, "startsAt": instant(starts),
            "slotAt": instant(slot), "late": true})
    };
    let expected = json!({"device": {"name": "Lock 102"}, "capacity": 1, "used": 1, "peak": 3,
        "peakAt": now, "exceedsAt": now, "waitingCount": 2,
        "waiting": [wait("3", sharer, ends), wait("2", next, until)]});
    assert_eq!(forecast[0], expected);
    let roomy = json!({"device": {"name": "Lock 101"}, "capacity": 20, "used": 0, "peak": 0,
        "peakAt": now, "exceedsAt": null, "waitingCount": 0, "waiting": []});
    assert_eq!(forecast[1..], [roomy]);

    // Without the sharer the next guest is in time, and nobody has to act.
    portal.mews.cancel("3", "Other");
    portal.next_look().await;
    let line = hotel.line("2").await;
    assert_eq!(told(&line), json!(["AT_RISK", null, ["DEVICE_FULL"]]));
    portal.mews.check_in("1");
    portal.mews.check_out("1");
    portal.later(Duration::minutes(20)).await;
    assert_eq!(told(&hotel.line("2").await), json!(["READY", null, []]));
    assert_eq!(hotel.forecast().await[0]["waiting"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_be_made_at_check_in_is_judged_by_the_locks_behind_the_room() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let dorm = NewRoom::new("Dorm").category(Some("Dorm"));
    portal.mews.add_room(&hotel.enterprise, &dorm);
    let bed = NewRoom::new("Bed A").category(Some("Bed")).parent("Dorm");
    portal.mews.add_room(&hotel.enterprise, &bed);
    let hotel = hotel.with_mews().await;
    let arrival = hotel.arrives("1", Some("Bed A"), 6, 50);
    portal.next_look().await;
    assert_eq!(hotel.access("1").await.1, "ROOM_NOT_MAPPED");
    hotel.map("Dorm", "The dorm").await;
    let near = instant(arrival - Duration::minutes(15));
    let far = instant(arrival - Duration::hours(2));
    // No lock system is connected: mapping alone helps nobody.
    portal.settle().await;
    let line = hotel.line("1").await;
    assert_eq!(
        told(&line),
        json!(["AT_RISK", far, ["NO_LOCK_INTEGRATION"]])
    );
    let message = "No lock system is connected, so no door has a lock to open.";
    assert_eq!(line["because"][0]["message"], json!(message));

    // The desk's to clear: as the policy of access at check-in leaves it.
    portal.mews.revoke_token(&hotel.token);
    portal.next_look().await;
    portal.later(Duration::seconds(95)).await;
    let lock = hotel.install("The dorm", "Dorm door").await;
    let broken = json!(["AT_RISK", near, ["INTEGRATION_BROKEN"]]);
    assert_eq!(told(&hotel.line("1").await), broken);
    withhold(&hotel, "1", WithheldCode::AwaitingCheckIn).await;
    assert_eq!(told(&hotel.line("1").await), json!(["READY", null, []]));
    portal.locks.set_online(&lock, false);
    portal.later(Duration::minutes(20)).await;
    // Every look of Portal has it decided about once more.
    withhold(&hotel, "1", WithheldCode::AwaitingCheckIn).await;
    let offline = json!(["AT_RISK", far, ["DEVICE_OFFLINE"]]);
    assert_eq!(told(&hotel.line("1").await), offline);
    portal.locks.set_online(&lock, true);
    portal.locks.set_max_codes(&lock, 0);
    portal.later(Duration::minutes(20)).await;
    withhold(&hotel, "1", WithheldCode::AwaitingCheckIn).await;
    let full = json!(["AT_RISK", near, ["DEVICE_FULL"]]);
    assert_eq!(told(&hotel.line("1").await), full);
}

/// Withholds a stay for this reason, as another policy would.
async fn withhold(hotel: &Hotel<'_>, number: &str, code: WithheldCode) {
    let mut tx = hotel.portal.env.db.begin().await.expect("an answer");
    let filter = Filter {
        number: Some(number.to_owned()),
        ..Filter::default()
    };
    let found = reservation::page(&mut tx, hotel.property, &filter, &Page::first(1)).await;
    let mut row = found.expect("an answer").remove(0);
    row.withheld_code = Some(code);
    reservation::save(&mut tx, &row).await.expect("an answer");
    tx.commit().await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_a_day_of_the_property_and_pages_come_in_order() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal).await;
    // Half past midnight in Prague is half past eleven of the day before elsewhere.
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let book = |number: &str, from: &str| {
        let stay = Booking::new(at(from), at("2026-12-05T10:00:00Z")).number(number);
        portal.mews.book(&hotel.enterprise, &stay.room("101"));
    };
    book("first", "2026-12-01T22:59:59Z");
    book("second", "2026-12-01T23:00:00Z");
    book("third", "2026-12-02T22:00:00Z");
    book("fourth", "2026-12-02T23:00:00Z");
    portal.next_look().await;
    let numbers = |lines: Vec<Value>| {
        let number = |line: &Value| line["number"].as_str().unwrap_or_default().to_owned();
        lines.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(hotel.board(None, None).await), ["first"]);
    let second = Some("2026-12-02");
    assert_eq!(
        numbers(hotel.board(second, None).await),
        ["second", "third"]
    );
    let all = hotel.board(None, Some("2026-12-03")).await;
    assert_eq!(numbers(all), ["first", "second", "third", "fourth"]);

    let mut after = Value::Null;
    for (number, more) in [
        ("first", true),
        ("second", true),
        ("third", true),
        ("fourth", false),
    ] {
        let variables = json!({"id": hotel.id, "to": "2026-12-03", "first": 1, "after": after});
        let answer = hotel.ask(BOARD, variables).await;
        let page = &answer["property"]["arrivals"];
        assert_eq!(page["totalCount"], json!(4));
        assert_eq!(page["nodes"][0]["number"], json!(number));
        assert_eq!(page["pageInfo"]["hasNextPage"], json!(more));
        after = page["pageInfo"]["endCursor"].clone();
    }
    let backwards = json!({"id": hotel.id, "from": "2026-12-02", "to": "2026-12-01"});
    let owner = hotel.sign_in().await;
    assert_eq!(owner.refused(BOARD, backwards).await, "BAD_USER_INPUT");
    // A guest who came early is on the board of the day still.
    portal.mews.check_in("first");
    portal.next_look().await;
    let line = hotel.line("first").await;
    assert_eq!(line["inHouse"], json!(true));
    assert_eq!(told(&line), json!(["READY", null, []]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_is_for_the_desk_and_for_programs_that_may_read_reservations() {
    let portal = Portal::start().await;
    let hotel = hotel(&portal).await;
    let other = portal.house("Borealis", &[]).await;
    hotel.arrives("1", Some("101"), 6, 50);
    portal.next_look().await;
    let of = |hotel: &Hotel<'_>| json!({ "id": hotel.id });
    let mut people = Vec::new();
    for &role in Role::ALL.iter().filter(|role| **role != Role::Owner) {
        people.push((role, portal.person(&hotel, role).await));
    }
    for query in [BOARD, FORECAST] {
        for (role, person) in &people {
            let answer = person.answer(query, of(&hotel)).await;
            let code = &answer["errors"][0]["extensions"]["code"];
            let refused = matches!(role, Role::Housekeeping | Role::Installer);
            let expected = if refused {
                json!("FORBIDDEN")
            } else {
                Value::Null
            };
            assert_eq!(code, &expected, "{role}");
        }
        let theirs = other.owner.run(query, of(&hotel)).await;
        assert_eq!(theirs, json!({"property": null}));
    }
    let (_, team) = people.iter().find(|(role, _)| *role == Role::Team).unwrap();
    let board = team.run(BOARD, of(&hotel)).await;
    let name = &board["property"]["arrivals"]["nodes"][0]["reservation"]["guestName"];
    assert_eq!(name, &json!("Ada Guest"));

    let key = async |permissions: &[Permission]| {
        let now = portal.env.now();
        let key = create_key(&portal.env.db, hotel.property, "Partner", permissions, now).await;
        Caller::with_key(portal.address, &shown(&key.unwrap()))
    };
    let plain = "query($id: ID!) { property(id: $id) { arrivals { nodes { verdict
        because { code message } reservation { number guestName } } } } }";
    let partner = key(&[Permission::ReservationsRead]).await;
    let line = json!([{"verdict": "READY", "because": [],
        "reservation": {"number": "1", "guestName": null}}]);
    let answer = partner.run(plain, of(&hotel)).await;
    assert_eq!(answer["property"]["arrivals"]["nodes"], line);
    // The keychain beside it needs a permission of its own, and takes nothing else away.
    let beside =
        "query($id: ID!) { property(id: $id) { arrivals { nodes { verdict keychain { id } } } } }";
    let answer = partner.answer(beside, of(&hotel)).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        json!("FORBIDDEN")
    );
    let node = &answer["data"]["property"]["arrivals"]["nodes"][0];
    assert_eq!(
        (&node["verdict"], &node["keychain"]),
        (&json!("READY"), &Value::Null)
    );
    let stays = key(&[Permission::StaysRead, Permission::RoomsRead]).await;
    assert_eq!(stays.refused(plain, of(&hotel)).await, "FORBIDDEN");
}
