//! Credentials, rights and rooms.

use crate::support::{House, account, adapter, id};
use portal_interface::{
    AdapterError, FormError, FormErrorKind, Opens, Pms, RemoteAccount, Right, Room, RoomKind,
    SecretString, read_form,
};
use portal_mews::APP;
use portal_mews::fake::NewRoom;

#[tokio::test]
async fn a_good_token_opens_one_property() {
    let house = House::open().await;
    let expected = Opens::One(RemoteAccount {
        key: id(&house.enterprise),
        name: "Hotel Aurora".to_owned(),
        zone: Some(chrono_tz::Europe::Oslo),
    });
    assert_eq!(
        house.mews.validate(&house.account).await,
        Ok(expected.clone())
    );
    assert_eq!(house.fake.calls_of("configuration/get"), 1);
    let another = account(&house.fake.add_access_token("Hotel Aurora"));
    assert_eq!(house.mews.validate(&another).await, Ok(expected));
    let (status, request_id) = another.seen.last().unwrap();
    assert_eq!((status, request_id.map(|id| id.len())), (200, Some(36)));
}

#[tokio::test]
async fn an_unknown_time_zone_is_no_zone() {
    let house = House::open().await;
    let other = house.fake.add_enterprise("Base", "Luna/Tranquility");
    let expected = Opens::One(RemoteAccount {
        key: id(&other.id),
        name: "Base".to_owned(),
        zone: None,
    });
    let account = account(&other.access_token);
    assert_eq!(house.mews.validate(&account).await, Ok(expected));
}

#[tokio::test]
async fn bad_tokens_are_refused_with_one_call() {
    let house = House::open().await;
    let refused = Err(AdapterError::Unauthorized);
    let wrong = account(&"0000".into());
    assert_eq!(house.mews.validate(&wrong).await, refused);
    assert_eq!(house.fake.calls_of("configuration/get"), 1);
    let new = house.fake.regenerate_token(&house.enterprise);
    assert_eq!(house.mews.validate(&house.account).await, refused);
    let renewed = account(&new);
    assert!(house.mews.validate(&renewed).await.is_ok());
    assert!(house.fake.revoke_token(&new));
    assert_eq!(house.mews.validate(&renewed).await, refused);
    assert!(!house.fake.revoke_token(&new));
    let stranger = adapter(house.fake.url(), "another application", house.clock.clone());
    let good = account(&house.fake.add_access_token(&house.enterprise));
    assert_eq!(stranger.validate(&good).await, refused);
    assert!(house.mews.validate(&good).await.is_ok());
}

#[tokio::test]
async fn a_portfolio_token_opens_several() {
    let house = House::open().await;
    let other = house.fake.add_enterprise("Hotel Borealis", "Europe/Oslo");
    let token = house
        .fake
        .add_portfolio_token(&[&house.enterprise, &other.id]);
    let validated = house.mews.validate(&account(&token)).await;
    assert_eq!(validated, Ok(Opens::Several));
}

#[tokio::test]
async fn a_right_not_granted_shows_and_reading_works_on() {
    let house = House::open().await;
    assert_eq!(house.mews.refused(&house.account).await, Ok(vec![]));
    assert_eq!(house.fake.calls_of("resourceAccessTokens/getAll"), 1);
    house.fake.allow_pins(&house.enterprise, false);
    let refused = house.mews.refused(&house.account).await;
    assert_eq!(refused, Ok(vec![Right::StorePins]));
    assert!(house.mews.validate(&house.account).await.is_ok());
    assert_eq!(house.mews.rooms(&house.account).await, Ok(vec![]));
    house.fake.allow_pins("Hotel Aurora", true);
    assert_eq!(house.mews.refused(&house.account).await, Ok(vec![]));
}

fn room(id: &str, name: &str, kind: RoomKind, parent: Option<&str>) -> Room {
    Room {
        id: crate::support::id(id),
        name: name.to_owned(),
        kind,
        parent: parent.map(crate::support::id),
        active: true,
    }
}

#[tokio::test]
async fn rooms_and_beds_are_read_and_what_has_no_door_is_not() {
    let house = House::open().await;
    let add = |room: &NewRoom| house.fake.add_room(&house.enterprise, room);
    let single = add(&NewRoom::new("007"));
    let suite = add(&NewRoom::new("Suite").category(Some("Suite")));
    let dorm = add(&NewRoom::new("Dorm").category(Some("Dorm")));
    let bed = add(&NewRoom::new("Bed A").category(Some("Bed")).parent("Dorm"));
    let shared = add(&NewRoom::new("Shared").category(None));
    let bunk = add(&NewRoom::new("Bunk").category(Some("Bed")).parent("Shared"));
    let meeting = add(&NewRoom::new("Forum").category(Some("MeetingRoom")));
    for doorless in [
        "ParkingSpot",
        "Bike",
        "Membership",
        "Cot",
        "Crib",
        "ExtraBed",
    ] {
        add(&NewRoom::new(doorless).category(Some(doorless)));
    }
    add(&NewRoom::new("Cupboard").category(None));
    house
        .fake
        .set_room_active(&house.enterprise, "Suite", false);

    let mut expected = vec![
        room(&single, "007", RoomKind::Room, None),
        Room {
            active: false,
            ..room(&suite, "Suite", RoomKind::Room, None)
        },
        room(&dorm, "Dorm", RoomKind::Dorm, None),
        room(&bed, "Bed A", RoomKind::Bed, Some(&dorm)),
        room(&shared, "Shared", RoomKind::Dorm, None),
        room(&bunk, "Bunk", RoomKind::Bed, Some(&shared)),
        room(&meeting, "Forum", RoomKind::Other, None),
    ];
    expected.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(house.mews.rooms(&house.account).await, Ok(expected));
}

#[tokio::test]
async fn more_rooms_than_fit_on_a_page_are_read_once_each() {
    let house = House::open().await;
    let mut expected: Vec<String> = (0..1001)
        .map(|number| {
            let room = NewRoom::new(&format!("{number:04}"));
            house.fake.add_room(&house.enterprise, &room)
        })
        .collect();
    expected.sort();
    let rooms = house.mews.rooms(&house.account).await.unwrap();
    let read: Vec<String> = rooms.iter().map(|room| room.id.to_string()).collect();
    assert_eq!(read, expected);
    assert_eq!(house.fake.calls_of("resources/getAll"), 2);
}

#[test]
fn the_form_asks_for_one_secret_and_cleans_it() {
    let field = &APP.form[0];
    assert_eq!((APP.slug, APP.form.len()), ("mews", 1));
    assert_eq!((field.key, field.label), ("accessToken", "Access token"));
    let pasted: SecretString = " C66E-\r\n\u{200b}EA00 ".into();
    let credentials = read_form(&APP, [("accessToken", &pasted)]).unwrap();
    let clean = credentials.get("accessToken").unwrap();
    assert_eq!(
        portal_interface::ExposeSecret::expose_secret(clean),
        "C66E-EA00"
    );
    let missing = FormError {
        field: "accessToken".to_owned(),
        kind: FormErrorKind::Missing,
    };
    assert_eq!(read_form(&APP, []).unwrap_err(), [missing]);
}
