//! Why a reservation appears or does not, and what becomes of its keychain.

use crate::harness::{Hotel, Portal};
use chrono::Duration;
use portal_mews::fake::{Booking, NewRoom, StayState};
use serde_json::{Value, json};

/// How a stay ends in the PMS.
type End = fn(&Portal, &str);

async fn withheld(hotel: &Hotel<'_>, number: &str) -> String {
    let (transfer, code) = hotel.access(number).await;
    assert_eq!(transfer, "WITHHELD", "{number}");
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn room_not_mapped_then_mapped_then_no_device_then_device() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    assert_eq!(withheld(&hotel, "31").await, "ROOM_NOT_MAPPED");
    let message = hotel.reservation("31").await["withheld"]["message"].clone();
    assert_eq!(message, json!("Room 101 is not mapped to a space."));
    // It does not appear unless asked for, and is counted.
    let query = "query($id: ID!) { property(id: $id) { reservations { totalCount nodes { number }
        withheld { code count } } } }";
    let listed = hotel.owner.run(query, json!({ "id": hotel.id })).await;
    let expected = json!({"totalCount": 0, "nodes": [], "withheld": [{"code": "ROOM_NOT_MAPPED", "count": 1}]});
    assert_eq!(listed["property"]["reservations"], expected);

    hotel.map("101", "Room 101").await;
    portal.settle().await;
    assert_eq!(withheld(&hotel, "31").await, "NO_DEVICE_IN_ROOM");
    let message = hotel.reservation("31").await["withheld"]["message"].clone();
    assert_eq!(message, json!("No lock is installed in Room 101."));

    let lock = hotel.install("Room 101", "Lock 101").await;
    portal.settle().await;
    let stay = hotel.reservation("31").await;
    assert_eq!(stay["transfer"], json!("TRANSFERRED"));
    assert_eq!(stay["withheld"], Value::Null);
    assert_eq!(stay["guestName"], json!("Ada Guest"));
    let keychain = &stay["keychain"];
    assert_eq!(keychain["mainSpace"]["name"], json!("Room 101"));
    assert_eq!(keychain["provisioning"], json!("PROVISIONED"));
    let door = json!([{"role": "MAIN", "space": {"name": "Room 101"},
        "devicePins": [{"status": "SET", "lastError": null}]}]);
    assert_eq!(keychain["doors"], door);

    // The PIN: shown once with a reason, on the lock, in Mews, and shown by Mews to nobody.
    let copy = json!({"status": "STORED", "shownToGuest": false, "waitingFor": null});
    assert_eq!(keychain["pmsCopy"], copy);
    let pin = hotel.reveal("31").await;
    assert_eq!(pin.len(), 6);
    assert_eq!(hotel.in_mews("31"), std::slice::from_ref(&pin));
    let arrival = portal.env.now() + Duration::hours(5);
    assert!(portal.locks.opens(&lock, &pin, arrival));
    assert!(
        !portal
            .locks
            .opens(&lock, &pin, arrival - Duration::hours(2)),
        "not before the stay"
    );
    let held = &portal.mews.pins("31")[0];
    assert_eq!(held.room.as_deref(), Some("101"));
    assert!(held.permissions.room && !held.permissions.bed && !held.permissions.building);
}

#[tokio::test(flavor = "multi_thread")]
async fn unassigning_and_reassigning_the_room_brings_the_keychain_back_with_its_pin() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let before = hotel.reservation("31").await["keychain"]["id"].clone();
    let pin = hotel.reveal("31").await;
    portal.mews.assign("31", None);
    portal.next_look().await;
    assert_eq!(withheld(&hotel, "31").await, "ROOM_UNASSIGNED");
    assert_eq!(hotel.in_mews("31"), Vec::<String>::new());
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;
    assert_eq!(hotel.reservation("31").await["keychain"]["id"], before);
    assert_eq!(hotel.reveal("31").await, pin);
    assert_eq!(hotel.in_mews("31"), [pin]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshing_a_reservation_reads_it_at_once() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", None);
    portal.next_look().await;
    assert_eq!(withheld(&hotel, "31").await, "ROOM_UNASSIGNED");
    portal.mews.assign("31", Some("101"));
    let id = hotel.reservation("31").await["id"].clone();
    let query = "mutation($id: ID!) { reservationRefresh(input: {reservation: $id}) {
        reservation { room { name } deciding } userErrors { code } } }";
    let answer = hotel.owner.run(query, json!({ "id": id })).await["reservationRefresh"].take();
    assert_eq!(answer["userErrors"], json!([]));
    assert_eq!(
        answer["reservation"],
        json!({"room": {"name": "101"}, "deciding": true})
    );
    portal.settle().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancellation_and_check_out_take_the_pin_from_the_lock_and_from_mews() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let lock = hotel.door("101").await;
    let ends: [(&str, End, &str); 3] = [
        ("1", |p, n| p.mews.cancel(n, "RequestedByGuest"), "CANCELED"),
        ("2", |p, n| p.mews.no_show(n), "NO_SHOW"),
        (
            "3",
            |p, n| {
                p.mews.check_in(n);
                p.mews.check_out(n);
            },
            "CHECKED_OUT",
        ),
    ];
    for (number, end, code) in ends {
        hotel.book(number, Some("101"));
        portal.next_look().await;
        assert_eq!(hotel.access(number).await.0, "TRANSFERRED", "{code}");
        assert_eq!(portal.locks.codes(&lock).len(), 1);
        assert_eq!(hotel.in_mews(number).len(), 1);
        end(&portal, number);
        portal.next_look().await;
        assert_eq!(hotel.access(number).await, ("ENDED".into(), code.into()));
        assert_eq!(hotel.reservation(number).await["keychain"], Value::Null);
        assert_eq!(portal.locks.codes(&lock), [], "{code}");
        assert_eq!(hotel.in_mews(number), Vec::<String>::new(), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_reservation_that_is_reinstated_gets_its_keychain_and_pin_back() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal.mews.cancel("31", "InputError");
    portal.next_look().await;
    assert_eq!(hotel.access("31").await.0, "ENDED");
    portal.mews.set_state("31", StayState::Confirmed);
    portal.next_look().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    assert_eq!(hotel.reveal("31").await, pin);
    assert_eq!(hotel.in_mews("31"), [pin]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_change_move_the_window_and_keep_the_pin() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let now = portal.env.now();
    let (from, until) = (now + Duration::days(3), now + Duration::days(6));
    portal.mews.redate("31", from, until);
    portal.next_look().await;
    assert_eq!(hotel.reveal("31").await, pin);
    let held = portal.mews.pins("31");
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].from, held[0].until), (from, until));
    let keychain = &hotel.reservation("31").await["keychain"];
    assert_eq!(
        keychain["startsAt"],
        json!(from.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_before_arrival_repoints_the_keychain_and_one_in_mid_stay_leaves_time_for_luggage() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    hotel.map("101", "Room 101").await;
    hotel.map("102", "Room 102").await;
    let first = hotel.install("Room 101", "Lock 101").await;
    let second = hotel.install("Room 102", "Lock 102").await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let (keychain, pin) = (
        hotel.reservation("31").await["keychain"]["id"].clone(),
        hotel.reveal("31").await,
    );
    portal.mews.assign("31", Some("102"));
    portal.next_look().await;
    let stay = hotel.reservation("31").await;
    assert_eq!(stay["keychain"]["id"], keychain);
    assert_eq!(stay["keychain"]["mainSpace"]["name"], json!("Room 102"));
    assert_eq!(portal.locks.codes(&first), []);
    assert_eq!(portal.locks.codes(&second).len(), 1);
    assert_eq!(portal.mews.pins("31")[0].room.as_deref(), Some("102"));

    // In the house: the new door opens, the old one stays open for an hour.
    portal.mews.check_in("31");
    portal.next_look().await;
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;
    let moved = hotel.reservation("31").await["keychain"].clone();
    assert_ne!(moved["id"], keychain);
    assert_eq!(moved["mainSpace"]["name"], json!("Room 101"));
    let now = portal.env.now();
    assert!(portal.locks.opens(&first, &pin, now));
    assert!(portal.locks.opens(&second, &pin, now));
    assert!(!portal.locks.opens(&second, &pin, now + Duration::hours(2)));
    assert_eq!(hotel.in_mews("31"), [pin]);
    assert_eq!(portal.mews.pins("31")[0].room.as_deref(), Some("101"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_in_the_house_keeps_the_key_when_the_room_is_unassigned_or_unmapped() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    portal.mews.check_in("31");
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    portal.mews.assign("31", None);
    portal.next_look().await;
    let stay = hotel.reservation("31").await;
    assert_eq!(stay["transfer"], json!("TRANSFERRED"));
    assert_eq!(stay["keychain"]["provisioning"], json!("PROVISIONED"));
    assert_eq!(hotel.in_mews("31"), std::slice::from_ref(&pin));
    portal.mews.assign("31", Some("101"));
    portal.next_look().await;

    // Unmapping asks first; with a reason a person may end it.
    let unmap = "mutation($input: RoomUnmapInput!) { roomUnmap(input: $input) { room { name } userErrors { code message } } }";
    let room = hotel.room("101").await;
    let answer = hotel
        .owner
        .run(unmap, json!({ "input": { "room": room } }))
        .await;
    assert_eq!(
        answer["roomUnmap"]["userErrors"][0]["code"],
        json!("IN_HOUSE_GUESTS")
    );
    portal.settle().await;
    assert_eq!(hotel.reveal("31").await, pin);
    let input = json!({ "input": { "room": room, "endInHouseAccess": true, "reason": "the door is replaced" } });
    let answer = hotel.owner.run(unmap, input).await;
    assert_eq!(answer["roomUnmap"]["userErrors"], json!([]));
    portal.settle().await;
    assert_eq!(withheld(&hotel, "31").await, "ROOM_NOT_MAPPED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bed_opens_its_own_door_and_that_of_the_dorm() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let dorm = NewRoom::new("Dorm").category(Some("Dorm"));
    portal.mews.add_room(&hotel.enterprise, &dorm);
    let bed = NewRoom::new("Bed A").category(Some("Bed")).parent("Dorm");
    portal.mews.add_room(&hotel.enterprise, &bed);
    let hotel = hotel.with_mews().await;
    hotel.book("31", Some("Bed A"));
    portal.next_look().await;
    assert_eq!(withheld(&hotel, "31").await, "ROOM_NOT_MAPPED");
    hotel.map("Dorm", "The dorm").await;
    hotel.install("The dorm", "Dorm door").await;
    portal.settle().await;
    let roles = |stay: &Value| {
        let doors = stay["keychain"]["doors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let door = |door: &Value| format!("{} {}", door["role"], door["space"]["name"]);
        doors.iter().map(door).collect::<Vec<_>>()
    };
    let stay = hotel.reservation("31").await;
    assert_eq!(roles(&stay), [r#""MAIN" "The dorm""#]);
    let permissions = portal.mews.pins("31")[0].permissions;
    assert!(permissions.bed && permissions.room);
    hotel.map("Bed A", "Locker A").await;
    hotel.install("Locker A", "Locker lock").await;
    portal.settle().await;
    let stay = hotel.reservation("31").await;
    assert_eq!(
        roles(&stay),
        [r#""MAIN" "Locker A""#, r#""PARENT" "The dorm""#]
    );
    assert_eq!(stay["keychain"]["provisioning"], json!("PROVISIONED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_confirmed_gets_no_key_and_what_is_over_ends_by_the_clock() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    let now = portal.env.now();
    let stay = Booking::new(now + Duration::hours(5), now + Duration::hours(50)).room("101");
    portal.mews.book(
        &hotel.enterprise,
        &stay.number("1").state(StayState::Optional),
    );
    portal.next_look().await;
    assert_eq!(withheld(&hotel, "1").await, "STATE_NOT_ELIGIBLE");
    portal.mews.set_state("1", StayState::Confirmed);
    portal.next_look().await;
    assert_eq!(hotel.access("1").await.0, "TRANSFERRED");
    portal.clock.advance(Duration::hours(50));
    portal.settle().await;
    portal.later(Duration::minutes(20)).await;
    let query = "query($id: ID!) { property(id: $id) { reservations(transfer: [ENDED]) { nodes { number withheld { code }
        keychains { nodes { status provisioning } } } } } }";
    let answer = hotel
        .sign_in()
        .await
        .run(query, json!({ "id": hotel.id }))
        .await;
    let ended = json!([{"number": "1", "withheld": {"code": "DEPARTED"},
        "keychains": {"nodes": [{"status": "PAST", "provisioning": "REMOVED"}]}}]);
    assert_eq!(answer["property"]["reservations"]["nodes"], ended);
    assert_eq!(hotel.in_mews("1"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_reservation_is_set_aside_with_its_reason_and_the_rest_goes_on() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    let broken = json!({"Id": "0f515589-99b4-423d-b83a-b237009f0509", "State": "Confirmed",
        "ScheduledStartUtc": "soon", "UpdatedUtc": "2026-12-01T09:30:00Z"});
    portal.mews.add_raw_reservation(&hotel.enterprise, broken);
    portal.next_look().await;
    assert_eq!(hotel.access("31").await.0, "TRANSFERRED");
    let query = "query($id: ID!) { property(id: $id) { problems { nodes { key message } } } }";
    let answer = hotel.owner.run(query, json!({ "id": hotel.id })).await;
    let problem = &answer["property"]["problems"]["nodes"][0];
    assert_eq!(problem["key"], json!("reservation.unreadable"));
    let message = problem["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("ScheduledStartUtc") && !message.contains("soon"),
        "{message}"
    );
}
