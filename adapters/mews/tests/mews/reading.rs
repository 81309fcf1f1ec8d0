//! Reservations: changes, windows, single ones, and the people in them.

use crate::support::{House, RESERVATIONS, at, id};
use chrono::{DateTime, Duration, Utc};
use portal_interface::{
    AdapterError, Clock, Cursor, Pms, Pull, Reservation, ReservationState, Unreadable, VendorId,
};
use portal_mews::fake::{Booking, Fault, NewRoom, StayState};
use serde_json::json;
use std::collections::BTreeSet;

fn tonight() -> Booking {
    Booking::new(at("2026-11-24T14:00:00Z"), at("2026-11-26T10:00:00Z"))
}

fn window(from: DateTime<Utc>, days: i64, cursor: Option<Cursor>) -> Pull {
    Pull::Window {
        from,
        to: from + Duration::days(days),
        at: cursor,
    }
}

/// Reads a window to its end; answers the ids as they came, and the pages it took.
async fn read_window(house: &House, days: i64, limit: u32) -> (Vec<VendorId>, u32) {
    let from = house.clock.now();
    let (mut ids, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let pulled = house.pull(window(from, days, cursor), limit).await.unwrap();
        ids.extend(pulled.reservations.into_iter().map(|stay| stay.id));
        pages += 1;
        if !pulled.more {
            return (ids, pages);
        }
        cursor = Some(pulled.cursor);
    }
}

#[tokio::test]
async fn a_reservation_is_read_complete() {
    let house = House::open().await;
    let room = house.fake.add_room(&house.enterprise, &NewRoom::new("101"));
    let booking = tonight().number("007").guest("Ada Lovelace").room("101");
    let stay = house.fake.book(&house.enterprise, &booking);
    let guest = house.fetch(&stay).await.guest;
    assert!(guest.is_some(), "Mews says who holds it");
    let booked = Reservation {
        guest,
        id: id(&stay),
        number: "007".to_owned(),
        state: ReservationState::Confirmed,
        raw_state: "Confirmed".to_owned(),
        room: Some(id(&room)),
        starts_at: at("2026-11-24T14:00:00Z"),
        ends_at: at("2026-11-26T10:00:00Z"),
        actual_start: None,
        actual_end: None,
        guest_name: Some("Ada Lovelace".to_owned()),
        updated_at: Some(at("2026-11-24T10:00:00Z")),
    };
    assert_eq!(house.fetch(&stay).await, booked);
    // Mews ignores case in identifiers, and so does the adapter.
    assert_eq!(house.fetch(&stay.to_uppercase()).await, booked);

    house.wait(3600);
    house.fake.check_in("007");
    house.wait(3600);
    house.fake.check_out("007");
    assert_eq!(
        house.fetch(&stay).await,
        Reservation {
            state: ReservationState::CheckedOut,
            raw_state: "Processed".to_owned(),
            actual_start: Some(at("2026-11-24T11:00:00Z")),
            actual_end: Some(at("2026-11-24T12:00:00Z")),
            updated_at: Some(at("2026-11-24T12:00:00Z")),
            ..booked
        }
    );
}

#[tokio::test]
async fn every_state_has_its_word() {
    let house = House::open().await;
    let stay = house.fake.book(&house.enterprise, &tonight());
    for (state, expected) in [
        (StayState::Inquired, ReservationState::Tentative),
        (StayState::Requested, ReservationState::Tentative),
        (StayState::Optional, ReservationState::Tentative),
        (StayState::Confirmed, ReservationState::Confirmed),
        (StayState::Started, ReservationState::CheckedIn),
        (StayState::Processed, ReservationState::CheckedOut),
        (StayState::Canceled, ReservationState::Canceled),
    ] {
        house.fake.set_state(&stay, state);
        assert_eq!(house.fetch(&stay).await.state, expected, "{state:?}");
    }
    house.fake.no_show(&stay);
    assert_eq!(house.fetch(&stay).await.state, ReservationState::NoShow);
}

#[tokio::test]
async fn no_ids_make_no_call_and_unknown_ids_are_missing() {
    let house = House::open().await;
    let stay = house.fake.book(&house.enterprise, &tonight());
    let none = house.mews.fetch(&house.account, &[]).await.unwrap();
    assert_eq!((none.reservations, none.unreadable), (vec![], vec![]));
    assert_eq!(house.fake.calls().len(), 0);

    let unknown = id("00000000-0000-4000-8000-000000000000");
    let ids = [unknown, id(&stay)];
    let fetched = house.mews.fetch(&house.account, &ids).await.unwrap();
    let read: Vec<VendorId> = fetched.reservations.into_iter().map(|it| it.id).collect();
    assert_eq!(read, [id(&stay)]);
}

#[tokio::test]
async fn more_ids_than_mews_takes_at_once_are_asked_for_in_parts() {
    let house = House::open().await;
    let stays: Vec<VendorId> = (0..1001)
        .map(|_| id(&house.fake.book(&house.enterprise, &tonight())))
        .collect();
    let fetched = house.mews.fetch(&house.account, &stays).await.unwrap();
    let read: BTreeSet<VendorId> = fetched
        .reservations
        .iter()
        .map(|it| it.id.clone())
        .collect();
    assert_eq!(fetched.reservations.len(), 1001);
    assert_eq!(read, stays.into_iter().collect());
}

#[tokio::test]
async fn a_company_is_no_guest_but_its_companions_are() {
    let house = House::open().await;
    let company = || tonight().company("Engines Ltd");
    let nobody = house.fake.book(&house.enterprise, &company());
    let guest = house
        .fake
        .book(&house.enterprise, &company().guest("Mary Somerville"));
    house.fake.add_companion(&guest, "Ada Lovelace");
    let single = house
        .fake
        .book(&house.enterprise, &tonight().guest("Madonna"));
    assert_eq!(house.fetch(&nobody).await.guest_name, None);
    let name = house.fetch(&guest).await.guest_name;
    assert_eq!(name.as_deref(), Some("Mary Somerville"));
    assert_eq!(
        house.fetch(&single).await.guest_name.as_deref(),
        Some("Madonna")
    );
    house.fake.add_companion(&nobody, "Grace Hopper");
    let name = house.fetch(&nobody).await.guest_name;
    assert_eq!(name.as_deref(), Some("Grace Hopper"));
}

#[tokio::test]
async fn parking_is_left_out() {
    let house = House::open().await;
    let spot = NewRoom::new("P1").category(Some("ParkingSpot"));
    house.fake.add_room(&house.enterprise, &spot);
    let cursor = house.start_of_changes().await;
    let parked = house.fake.book(&house.enterprise, &tonight().room("P1"));
    let stay = house.fake.book(&house.enterprise, &tonight());
    let (read, _, _) = house.all_changes(&cursor, 500).await;
    let read: Vec<VendorId> = read.into_iter().map(|stay| stay.id).collect();
    assert_eq!(read, [id(&stay)]);
    assert_eq!(read_window(&house, 30, 500).await.0, [id(&stay)]);
    let ids = [id(&parked)];
    let fetched = house.mews.fetch(&house.account, &ids).await.unwrap();
    assert_eq!(fetched.reservations, []);
}

#[tokio::test]
async fn each_change_arrives() {
    let house = House::open().await;
    for name in ["101", "102"] {
        house.fake.add_room(&house.enterprise, &NewRoom::new(name));
    }
    let mut cursor = house.start_of_changes().await;
    let fake = &house.fake;
    let booking = tonight().number("R");
    let rooms = house.mews.rooms(&house.account).await.unwrap();
    let number_of = |stay: &Reservation| {
        let room = stay.room.as_ref()?;
        rooms
            .iter()
            .find(|it| it.id == *room)
            .map(|it| it.name.clone())
    };
    let late = at("2026-11-27T10:00:00Z");
    let changes: [(&dyn Fn(), &str); 9] = [
        (
            &|| drop(fake.book("Hotel Aurora", &booking)),
            "CONFIRMED none Robin Guest 26",
        ),
        (
            &|| fake.assign("R", Some("101")),
            "CONFIRMED 101 Robin Guest 26",
        ),
        (
            &|| fake.assign("R", Some("102")),
            "CONFIRMED 102 Robin Guest 26",
        ),
        (&|| fake.assign("R", None), "CONFIRMED none Robin Guest 26"),
        (
            &|| fake.redate("R", at("2026-11-24T14:00:00Z"), late),
            "CONFIRMED none Robin Guest 27",
        ),
        (
            &|| fake.rename_guest("R", "Ada Lovelace"),
            "CONFIRMED none Ada Lovelace 27",
        ),
        (&|| fake.check_in("R"), "CHECKED_IN none Ada Lovelace 27"),
        (&|| fake.check_out("R"), "CHECKED_OUT none Ada Lovelace 27"),
        (
            &|| fake.cancel("R", "RequestedByGuest"),
            "CANCELED none Ada Lovelace 27",
        ),
    ];
    for (change, expected) in changes {
        // Longer than the overlap: what is seen was read for this change alone.
        house.wait(3600);
        change();
        let (read, next, _) = house.all_changes(&cursor, 500).await;
        cursor = next;
        assert_eq!(read.len(), 1, "{expected}");
        let told = format!(
            "{} {} {} {}",
            read[0].state,
            number_of(&read[0]).as_deref().unwrap_or("none"),
            read[0].guest_name.as_deref().unwrap_or("nobody"),
            read[0].ends_at.format("%d"),
        );
        assert_eq!(told, expected);
    }
    // The overlap shows the last one once more.
    house.wait(3600);
    let (read, cursor, _) = house.all_changes(&cursor, 500).await;
    assert_eq!(read[0].state, ReservationState::Canceled);
    house.wait(3600);
    assert_eq!(house.all_changes(&cursor, 500).await.0, []);
}

#[tokio::test]
async fn changes_in_one_second_and_pages_lose_nothing() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    let stays: BTreeSet<VendorId> = (0..7)
        .map(|_| id(&house.fake.book(&house.enterprise, &tonight())))
        .collect();
    for (limit, pages) in [(1, 8), (3, 3), (7, 2), (8, 1), (1000, 1)] {
        let (read, _, took) = house.all_changes(&cursor, limit).await;
        assert_eq!((read.len(), took), (7, pages), "{limit}");
        let read: BTreeSet<VendorId> = read.into_iter().map(|stay| stay.id).collect();
        assert_eq!(read, stays, "{limit}");
    }
}

#[tokio::test]
async fn a_change_while_paging_is_found_by_the_next_read() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    let stays: Vec<String> = (0..4)
        .map(|_| house.fake.book(&house.enterprise, &tonight()))
        .collect();
    house.wait(60);
    let first = house.changes(&cursor, 2).await;
    assert_eq!((first.reservations.len(), first.more), (2, true));
    house.wait(5);
    house.fake.cancel(&stays[0], "Other");
    let added = house.fake.book(&house.enterprise, &tonight());
    let (rest, cursor, _) = house.all_changes(&first.cursor, 2).await;
    // The oldest left the span that is being read when it was canceled.
    let rest: Vec<VendorId> = rest.into_iter().map(|stay| stay.id).collect();
    assert_eq!(rest, [id(&stays[1])]);
    house.wait(60);
    let (read, _, _) = house.all_changes(&cursor, 500).await;
    let canceled = read.iter().find(|stay| stay.id == id(&stays[0])).unwrap();
    assert_eq!(canceled.state, ReservationState::Canceled);
    assert!(read.iter().any(|stay| stay.id == id(&added)));
}

#[tokio::test]
async fn a_place_in_a_page_is_used_for_ten_minutes_and_then_read_again() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    for _ in 0..3 {
        house.fake.book(&house.enterprise, &tonight());
    }
    // Further than the overlap: a mark moved before the last page would lose them.
    house.wait(3600);
    let first = house.changes(&cursor, 2).await;
    assert_eq!(house.changes(&first.cursor, 2).await.reservations.len(), 1);
    house.wait(601);
    let again = house.changes(&first.cursor, 2).await;
    assert_eq!((again.reservations.len(), again.more), (2, true));
    assert_eq!(again.reservations, first.reservations);
}

#[tokio::test]
async fn cursors_are_small_text_without_secrets_and_strangers_are_stale() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    let expected = r#"{"v":1,"changes":{"mark":"2026-11-24T10:00:00Z","page":null}}"#;
    assert_eq!(cursor.0, expected);
    for stranger in [
        "",
        "{}",
        r#"{"v":2,"changes":{"mark":"2026-11-24T10:00:00Z","page":null}}"#,
        r#"{"v":1,"window":{"piece":"2026-11-24T10:00:00Z","page":null}}"#,
        r#"{"v":1,"changes":{"mark":"2026-08-01T10:00:00Z","page":null}}"#,
    ] {
        let since = Some(Cursor(stranger.to_owned()));
        let pulled = house.pull(Pull::Changes { since }, 500).await;
        assert_eq!(pulled, Err(AdapterError::StaleCursor), "{stranger}");
    }
    let at = Some(cursor);
    let pulled = house.pull(window(house.clock.now(), 1, at), 500).await;
    assert_eq!(pulled, Err(AdapterError::StaleCursor));
    assert_eq!(house.fake.calls_of(RESERVATIONS), 0);
}

#[tokio::test]
async fn a_place_mews_forgot_is_stale() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    for _ in 0..3 {
        house.fake.book(&house.enterprise, &tonight());
    }
    let first = house.changes(&cursor, 2).await;
    house
        .fake
        .inject(Fault::Status { status: 400 }, Some(RESERVATIONS), 1);
    let since = Some(first.cursor);
    let pulled = house.pull(Pull::Changes { since }, 2).await;
    assert_eq!(pulled, Err(AdapterError::StaleCursor));
}

#[tokio::test]
async fn a_failed_page_moves_nothing() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    house.wait(3600);
    let stay = house.fake.book(&house.enterprise, &tonight());
    for operation in [
        RESERVATIONS,
        "resourceCategories/getAll",
        "customers/getAll",
    ] {
        house
            .fake
            .inject(Fault::Status { status: 503 }, Some(operation), 1);
        let since = Some(cursor.clone());
        assert!(house.pull(Pull::Changes { since }, 500).await.is_err());
    }
    let (read, _, _) = house.all_changes(&cursor, 500).await;
    assert_eq!(read[0].id, id(&stay));
}

#[tokio::test]
async fn a_window_holds_the_stays_that_touch_it_and_are_expected() {
    let house = House::open().await;
    let book = |from: &str, until: &str, state| {
        let booking = Booking::new(at(from), at(until)).state(state);
        id(&house.fake.book(&house.enterprise, &booking))
    };
    let confirmed = StayState::Confirmed;
    book("2026-11-20T14:00:00Z", "2026-11-24T10:00:00Z", confirmed);
    let leaving = book(
        "2026-11-20T14:00:00Z",
        "2026-11-24T10:00:01Z",
        StayState::Started,
    );
    let day = book("2026-11-24T12:00:00Z", "2026-11-24T16:00:00Z", confirmed);
    let long = book(
        "2026-01-01T14:00:00Z",
        "2027-12-31T10:00:00Z",
        StayState::Started,
    );
    book(
        "2026-11-24T14:00:00Z",
        "2026-11-26T10:00:00Z",
        StayState::Canceled,
    );
    book(
        "2026-11-24T14:00:00Z",
        "2026-11-26T10:00:00Z",
        StayState::Optional,
    );
    book(
        "2026-11-24T14:00:00Z",
        "2026-11-26T10:00:00Z",
        StayState::Processed,
    );
    let last = book("2026-11-25T09:59:59Z", "2026-11-26T10:00:00Z", confirmed);
    book("2026-11-25T10:00:00Z", "2026-11-26T10:00:00Z", confirmed);
    let expected = vec![last, long, day, leaving];
    for (limit, pages) in [(1, 5), (2, 3), (4, 2), (5, 1)] {
        let read = read_window(&house, 1, limit).await;
        assert_eq!(read, (expected.clone(), pages), "{limit}");
    }
}

#[tokio::test]
async fn a_long_window_is_read_in_pieces() {
    let house = House::open().await;
    let now = house.clock.now();
    let expected: BTreeSet<VendorId> = [0, 79, 80, 81, 159, 160, 199]
        .map(|day| {
            let start = now + Duration::days(day);
            let booking = Booking::new(start, start + Duration::hours(20));
            id(&house.fake.book(&house.enterprise, &booking))
        })
        .into();
    let (read, pages) = read_window(&house, 200, 500).await;
    assert_eq!(pages, 3);
    assert_eq!(BTreeSet::from_iter(read.clone()), expected);
    assert_eq!(house.fake.calls_of(RESERVATIONS), 3);
    // Two years are nine pieces and a bit.
    assert_eq!(read_window(&house, 730, 500).await, (read, 10));
}

#[tokio::test]
async fn one_bad_item_is_set_aside_and_the_page_goes_on() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    let good = house.fake.book(&house.enterprise, &tonight());
    let bad = json!({
        "Id": "0F515589-99B4-423D-B83A-B237009F0509",
        "Number": "52",
        "State": "Confirmed",
        "ScheduledStartUtc": "the day before",
        "ScheduledEndUtc": "2026-11-26T10:00:00Z",
    });
    house.fake.add_raw_reservation(&house.enterprise, bad);
    house
        .fake
        .add_raw_reservation(&house.enterprise, json!([1]));
    let pulled = house.changes(&cursor, 500).await;
    let read: Vec<VendorId> = pulled
        .reservations
        .into_iter()
        .map(|stay| stay.id)
        .collect();
    assert_eq!(read, [id(&good)]);
    let aside = |id, at: &str| Unreadable {
        id,
        at: at.to_owned(),
    };
    assert_eq!(
        pulled.unreadable,
        [
            aside(None, "Reservations[0]"),
            aside(
                Some(id("0f515589-99b4-423d-b83a-b237009f0509")),
                "Reservations[1].ScheduledStartUtc"
            ),
        ]
    );
}

#[tokio::test]
async fn members_of_the_old_version_and_online_check_in_are_not_believed() {
    let house = House::open().await;
    let room = house.fake.add_room(&house.enterprise, &NewRoom::new("101"));
    let cursor = house.start_of_changes().await;
    let item = json!({
        "Id": "0f515589-99b4-423d-b83a-b237009f0509",
        "Number": "52",
        "State": "Confirmed",
        "AssignedResourceId": room,
        "AssignedSpaceId": null,
        "StartUtc": "2026-11-24T09:00:00Z",
        "EndUtc": "2026-11-25T08:00:00Z",
        "ScheduledStartUtc": "2026-11-24T14:00:00Z",
        "ScheduledEndUtc": "2026-11-26T10:00:00Z",
        "ActualStartUtc": null,
        "ActualEndUtc": null,
        "Options": {
            "OwnerCheckedIn": true,
            "AllCompanionsCheckedIn": true,
            "AnyCompanionCheckedIn": true,
            "ConnectorCheckIn": true
        },
    });
    house.fake.add_raw_reservation(&house.enterprise, item);
    let read = house.changes(&cursor, 500).await.reservations;
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].state, ReservationState::Confirmed);
    assert_eq!(read[0].room, Some(id(&room)));
    assert_eq!(read[0].starts_at, at("2026-11-24T14:00:00Z"));
    assert_eq!(read[0].ends_at, at("2026-11-26T10:00:00Z"));
    assert_eq!((read[0].actual_start, read[0].actual_end), (None, None));
}

#[tokio::test]
async fn a_category_is_asked_for_once_an_hour() {
    let house = House::open().await;
    let spot = NewRoom::new("P1").category(Some("ParkingSpot"));
    house.fake.add_room(&house.enterprise, &spot);
    let stay = house.fake.book(&house.enterprise, &tonight());
    let parked = house.fake.book(&house.enterprise, &tonight().room("P1"));
    let ids = [id(&stay), id(&parked)];
    let asked = || house.fake.calls_of("resourceCategories/getAll");
    for (seconds, expected) in [(0, 1), (3600, 1), (1, 2)] {
        house.wait(seconds);
        let fetched = house.mews.fetch(&house.account, &ids).await.unwrap();
        assert_eq!(fetched.reservations.len(), 1, "parking is no stay");
        assert_eq!(asked(), expected);
    }
    // A new one is asked for at once.
    let suite = NewRoom::new("S1").category(Some("Suite"));
    house.fake.add_room(&house.enterprise, &suite);
    let other = house.fake.book(&house.enterprise, &tonight().room("S1"));
    house.fetch(&other).await;
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn as_many_as_were_named_are_all() {
    let house = House::open().await;
    let stays: Vec<VendorId> = (0..1000)
        .map(|_| id(&house.fake.book(&house.enterprise, &tonight())))
        .collect();
    let fetched = house.mews.fetch(&house.account, &stays).await.unwrap();
    assert_eq!(fetched.reservations.len(), 1000);
    assert!(
        fetched
            .reservations
            .iter()
            .all(|it| it.guest_name.is_some())
    );
    // A full page may not be the last, but no more than a thousand were asked for.
    for operation in [RESERVATIONS, "customers/getAll"] {
        assert_eq!(house.fake.calls_of(operation), 1, "{operation}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_borne_and_what_is_not_known_is_said() {
    let house = House::open().await;
    let cursor = house.start_of_changes().await;
    let bare = json!({
        "Id": "r1",
        "State": "Teleported",
        "ScheduledStartUtc": "2026-11-24T14:00:00.250Z",
        "ScheduledEndUtc": "2026-11-26T11:00:00+01:00",
        "Whatever": { "is": ["new"] },
    });
    house.fake.add_raw_reservation(&house.enterprise, bare);
    let pulled = house.changes(&cursor, 500).await;
    assert_eq!(
        pulled.reservations,
        [Reservation {
            id: id("r1"),
            number: "r1".to_owned(),
            state: ReservationState::Unknown,
            raw_state: "Teleported".to_owned(),
            room: None,
            starts_at: at("2026-11-24T14:00:00.250Z"),
            ends_at: at("2026-11-26T10:00:00Z"),
            actual_start: None,
            actual_end: None,
            guest: None,
            guest_name: None,
            updated_at: None,
        }]
    );
    assert_eq!(pulled.unreadable, []);
}
