//! The demo PMS as core sees it: the rules every PMS keeps.

use chrono::{DateTime, Duration, TimeZone, Utc};
use portal_demo::{APP, Booking, DemoHouse, DemoPms};
use portal_domain::{IntegrationId, ReservationState};
use portal_interface::{
    Account, AdapterError, Credentials, Cursor, ExposeSecret, FixedClock, FormErrorKind, Opens,
    PinCopy, Pms, Pull, Pulled, RemoteAccount, Reservation, Right, RoomKind, SecretString, StayPin,
    StayPins, Stored, VendorId, read_form,
};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Stage {
    clock: Arc<FixedClock>,
    pms: DemoPms,
    account: Account,
    house: DemoHouse,
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).unwrap()
}

fn id(text: &str) -> VendorId {
    VendorId::new(text).expect("it is not empty")
}

fn with_switch(integration: IntegrationId) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("demoAccount", "true".into());
    Account::new(integration, credentials, None)
}

fn with_token(token: &SecretString) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("demoAccount", "false".into());
    credentials.set("accessToken", token.clone());
    Account::new(IntegrationId::new(), credentials, None)
}

impl Stage {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::new(now()));
        let pms = DemoPms::new(clock.clone());
        let integration = IntegrationId::new();
        Self {
            clock,
            account: with_switch(integration),
            house: pms.demo_house(integration),
            pms,
        }
    }

    async fn pull(&self, ask: Pull, limit: u32) -> Result<Pulled, AdapterError> {
        self.pms.pull(&self.account, ask, limit).await
    }

    async fn changes(&self, since: Option<Cursor>, limit: u32) -> Pulled {
        let pulled = self.pull(Pull::Changes { since }, limit).await;
        pulled.expect("the cursor is good")
    }

    async fn window(&self, days: (i64, i64), at: Option<Cursor>, limit: u32) -> Pulled {
        let (from, to) = (
            now() + Duration::days(days.0),
            now() + Duration::days(days.1),
        );
        let pulled = self.pull(Pull::Window { from, to, at }, limit).await;
        pulled.expect("the cursor is good")
    }

    fn book(&self, room: Option<&str>) -> VendorId {
        self.house.book(Booking {
            guest_name: Some("Ada Quist".to_owned()),
            room: room.map(id),
            starts_at: now() + Duration::days(1),
            ends_at: now() + Duration::days(2),
            tentative: false,
        })
    }

    async fn put(&self, want: &StayPins) -> Result<Stored, AdapterError> {
        let pins = self.pms.pins().expect("the app declares it");
        pins.put(&self.account, want).await
    }

    async fn check(&self, want: &StayPins) -> PinCopy {
        let pins = self.pms.pins().expect("the app declares it");
        let copies = pins.check(&self.account, std::slice::from_ref(want)).await;
        copies.expect("the house is open")[0]
    }

    /// Marks and digits noted on a reservation.
    fn noted(&self, stay: &str) -> Vec<(String, String)> {
        let pins = self.house.pins_of(&id(stay)).into_iter();
        pins.map(|pin| (pin.mark, pin.pin.expose_secret().to_owned()))
            .collect()
    }
}

fn ids(reservations: &[Reservation]) -> Vec<&str> {
    reservations.iter().map(|stay| stay.id.as_str()).collect()
}

fn wish(stay: &str, pin: Option<&str>) -> StayPins {
    StayPins {
        reservation: id(stay),
        mark: "portal:1".to_owned(),
        known: None,
        pin: pin.map(|pin| StayPin {
            room: id("room-2"),
            bed: false,
            common_doors: false,
            pin: pin.into(),
            from: now(),
            until: now() + Duration::days(3),
        }),
    }
}

#[test]
fn the_form_asks_for_a_token_only_without_the_switch() {
    let value = |text: &str| SecretString::from(text);
    let (on, off, token) = (value("true"), value("false"), value(" demo_\n1 "));
    let keys = |values: &[(&str, &SecretString)]| {
        let read = read_form(&APP, values.iter().copied());
        read.map(|read| {
            let own = |(key, value): (&str, &SecretString)| {
                (key.to_owned(), value.expose_secret().to_owned())
            };
            read.iter().map(own).collect::<BTreeMap<_, _>>()
        })
        .map_err(|errors| {
            let own = |error: portal_interface::FormError| (error.field, error.kind);
            errors.into_iter().map(own).collect::<Vec<_>>()
        })
    };
    let pairs = |pairs: &[(&str, &str)]| {
        let own = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        pairs.iter().map(own).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        keys(&[("demoAccount", &on)]),
        Ok(pairs(&[("demoAccount", "true")]))
    );
    assert_eq!(
        keys(&[("accessToken", &token)]),
        Ok(pairs(&[("accessToken", "demo_1")]))
    );
    let missing = vec![("accessToken".to_owned(), FormErrorKind::Missing)];
    assert_eq!(keys(&[("demoAccount", &off)]), Err(missing.clone()));
    assert_eq!(keys(&[]), Err(missing));
}

#[tokio::test]
async fn each_integration_with_the_switch_has_an_account_of_its_own() {
    let stage = Stage::new();
    let expected = |account: &Account| {
        Ok(Opens::One(RemoteAccount {
            key: id(&format!("demo-{}", account.integration)),
            name: "Demo house".to_owned(),
            zone: Some(chrono_tz::Europe::Berlin),
        }))
    };
    let other = with_switch(IntegrationId::new());
    for account in [&stage.account, &stage.account, &other] {
        assert_eq!(stage.pms.validate(account).await, expected(account));
    }
    stage.house.set_open(false);
    let refused = Err(AdapterError::Unauthorized);
    assert_eq!(stage.pms.validate(&stage.account).await, refused);
    assert_eq!(stage.pms.validate(&other).await, expected(&other));
}

#[tokio::test]
async fn a_token_opens_the_house_it_was_issued_for_until_it_is_revoked() {
    let stage = Stage::new();
    let key = async |token: &SecretString| {
        let opens = stage.pms.validate(&with_token(token)).await?;
        let Opens::One(account) = opens else {
            panic!("a token opens one house");
        };
        Ok::<_, AdapterError>(account.key)
    };
    let (first, second) = (stage.pms.issue_token("Sea"), stage.pms.issue_token("Sea"));
    let hill = stage.pms.issue_token("Hill");
    assert_eq!(key(&first).await, Ok(id("house-Sea")));
    assert_eq!(key(&second).await, Ok(id("house-Sea")));
    assert_eq!(key(&hill).await, Ok(id("house-Hill")));

    assert!(stage.pms.revoke_token(&first));
    assert!(!stage.pms.revoke_token(&first));
    assert_eq!(key(&first).await, Err(AdapterError::Unauthorized));
    assert_eq!(key(&second).await, Ok(id("house-Sea")));
    let made_up = "demo_none".into();
    assert_eq!(key(&made_up).await, Err(AdapterError::Unauthorized));
    let nothing = Account::new(IntegrationId::new(), Credentials::default(), None);
    let rooms = stage.pms.rooms(&nothing).await;
    assert_eq!(rooms, Err(AdapterError::Unauthorized));
    assert_eq!(stage.pms.named_house("Sea").reservations(), []);
    assert_eq!(
        stage
            .pms
            .issue_token(&"é".repeat(400))
            .expose_secret()
            .len(),
        37
    );
}

#[tokio::test]
async fn the_house_has_rooms_and_a_dorm_with_beds() {
    let stage = Stage::new();
    let rooms = stage.pms.rooms(&stage.account).await.unwrap();
    let dorm = Some(id("dorm-1"));
    let expected = [
        ("room-1", "101", RoomKind::Room, &None),
        ("room-2", "102", RoomKind::Room, &None),
        ("room-3", "103", RoomKind::Room, &None),
        ("room-4", "104", RoomKind::Room, &None),
        ("dorm-1", "Dorm", RoomKind::Dorm, &None),
        ("bed-1", "Dorm, bed 1", RoomKind::Bed, &dorm),
        ("bed-2", "Dorm, bed 2", RoomKind::Bed, &dorm),
    ];
    let found: Vec<_> = rooms
        .iter()
        .map(|room| {
            (
                room.id.as_str(),
                room.name.as_str(),
                room.kind,
                &room.parent,
            )
        })
        .collect();
    assert_eq!(found, expected);
    let added = stage.house.add_room("201");
    let rooms = stage.pms.rooms(&stage.account).await.unwrap();
    assert_eq!(rooms.last().map(|room| &room.id), Some(&added));
    assert_eq!(rooms.len(), 8);
}

#[tokio::test]
async fn the_guests_come_and_go_around_the_day_the_house_is_first_seen() {
    use ReservationState::{Canceled, CheckedIn, Confirmed, Tentative};
    let stage = Stage::new();
    let stays = stage.house.reservations();
    let found: Vec<_> = stays
        .iter()
        .map(|stay| {
            let room = stay.room.as_ref().map(VendorId::as_str);
            let day = stay.starts_at.format("%d %H:%M").to_string();
            (stay.number.as_str(), stay.state, room, day)
        })
        .collect();
    let day = |text: &str| text.to_owned();
    assert_eq!(
        found,
        [
            ("D-1001", CheckedIn, Some("room-1"), day("31 13:00")),
            ("D-1002", Confirmed, Some("room-2"), day("01 13:00")),
            ("D-1003", Confirmed, Some("room-3"), day("02 13:00")),
            ("D-1004", Confirmed, None, day("01 13:00")),
            ("D-1005", Confirmed, Some("bed-1"), day("02 13:00")),
            ("D-1006", Canceled, Some("room-4"), day("02 13:00")),
            ("D-1007", Tentative, Some("room-4"), day("04 13:00")),
        ]
    );

    let after_restart = DemoPms::new(stage.clock.clone());
    let rebuilt = after_restart.demo_house(stage.account.integration);
    assert_eq!(rebuilt.reservations(), stays);
    stage.clock.advance(Duration::days(30));
    assert_eq!(stage.house.reservations(), stays);
}

#[tokio::test]
async fn a_window_and_the_changes_since_it_make_the_whole() {
    let stage = Stage::new();
    let begin = stage.changes(None, 500).await;
    assert_eq!((begin.reservations.len(), begin.more), (0, false));
    let booked = stage.book(Some("room-4"));

    let mut seen = BTreeMap::new();
    let mut at = None;
    let mut pages = 0;
    loop {
        let page = stage.window((-1, 60), at, 2).await;
        pages += 1;
        if pages == 2 {
            // Between two pages: one already read, one not yet.
            assert!(stage.house.unassign(&id("stay-1")));
            assert!(stage.house.assign(&id("stay-5"), &id("bed-2")));
        }
        let more = page.more;
        at = Some(page.cursor);
        seen.extend(
            page.reservations
                .into_iter()
                .map(|stay| (stay.id.clone(), stay)),
        );
        if !more {
            break;
        }
    }
    let certain = ["stay-1", "stay-2", "stay-3", "stay-4", "stay-5"].map(id);
    let certain: Vec<VendorId> = certain.into_iter().chain([booked.clone()]).collect();
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), certain);

    let changed = stage.changes(Some(begin.cursor), 500).await;
    let expected = [booked.as_str(), "stay-1", "stay-5"];
    assert_eq!(ids(&changed.reservations), expected);
    seen.extend(
        changed
            .reservations
            .into_iter()
            .map(|stay| (stay.id.clone(), stay)),
    );
    for (id, stay) in &seen {
        assert_eq!(stage.house.reservation(id).as_ref(), Some(stay));
    }
    let again = stage.changes(Some(changed.cursor), 500).await;
    assert_eq!((again.reservations.len(), again.more), (0, false));
}

#[tokio::test]
async fn a_window_holds_whatever_touches_it() {
    let stage = Stage::new();
    // Its third day: longer stays, those that begin and end in it, none that only border on it.
    let page = stage.window((1, 2), None, 500).await;
    assert_eq!(
        ids(&page.reservations),
        ["stay-1", "stay-2", "stay-3", "stay-5"]
    );
    assert!(!page.more);
    let nobody = stage.window((30, 60), None, 500).await;
    assert_eq!((nobody.reservations.len(), nobody.more), (0, false));
}

#[tokio::test]
async fn changes_are_read_page_by_page_without_loss() {
    let stage = Stage::new();
    let mut at = stage.changes(None, 1).await.cursor;
    for _ in 0..3 {
        stage.book(None);
    }
    let first = stage.changes(Some(at), 1).await;
    assert!(first.more);
    // Changed again after it was read, in the same instant: seen once more, at the end.
    let again = first.reservations[0].id.clone();
    assert!(stage.house.assign(&again, &id("room-4")));
    at = first.cursor;
    let mut seen = Vec::new();
    loop {
        let page = stage.changes(Some(at), 1).await;
        assert!(page.reservations.len() <= 1);
        seen.extend(page.reservations);
        at = page.cursor;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    assert_eq!((&seen[2].id, &seen[2].room), (&again, &Some(id("room-4"))));
}

#[tokio::test]
async fn every_kind_of_change_arrives_whatever_the_state() {
    use ReservationState::{Canceled, CheckedIn, CheckedOut, Confirmed};
    let stage = Stage::new();
    let stay = id("stay-2");
    let at = now() + Duration::hours(3);
    let act = |n| {
        let house = &stage.house;
        match n {
            0 => house.unassign(&stay),
            1 => house.assign(&stay, &id("room-3")),
            2 => house.redate(&stay, now(), now() + Duration::days(9)),
            3 => house.rename_guest(&stay, None),
            4 => house.cancel(&stay),
            5 => house.confirm(&stay),
            6 => house.check_in(&stay),
            _ => house.check_out(&stay),
        }
    };
    let mut cursor = stage.changes(None, 500).await.cursor;
    stage.clock.set(at);
    let mut seen = Vec::new();
    for n in 0..8 {
        assert!(act(n), "{n}");
        let page = stage.changes(Some(cursor), 500).await;
        assert_eq!(ids(&page.reservations), ["stay-2"]);
        seen.extend(page.reservations);
        cursor = page.cursor;
    }
    let room = |n: usize| seen[n].room.as_ref().map(VendorId::as_str);
    assert_eq!((room(0), room(1)), (None, Some("room-3")));
    assert_eq!(seen[2].ends_at, now() + Duration::days(9));
    assert_eq!(seen[3].guest_name, None);
    let states: Vec<_> = seen[4..].iter().map(|stay| stay.state).collect();
    assert_eq!(states, [Canceled, Confirmed, CheckedIn, CheckedOut]);
    assert_eq!(seen[4].raw_state, "cancelled");
    let last = &seen[7];
    let instants = (last.actual_start, last.actual_end, last.updated_at);
    assert_eq!(instants, (Some(at), Some(at), Some(at)));

    let before = stage.house.reservation(&stay);
    assert!(!stage.house.cancel(&stay));
    assert!(!stage.house.check_in(&stay));
    assert!(!stage.house.assign(&stay, &id("room-9")));
    assert!(!stage.house.cancel(&id("stay-99")));
    assert_eq!(stage.house.reservation(&stay), before);
}

#[tokio::test]
async fn reservations_are_fetched_by_id_and_unknown_ones_are_missing() {
    let stage = Stage::new();
    let asked = ["stay-6", "stay-99", "stay-2"].map(id);
    let fetched = stage.pms.fetch(&stage.account, &asked).await.unwrap();
    assert_eq!(ids(&fetched.reservations), ["stay-6", "stay-2"]);
    let none = stage.pms.fetch(&stage.account, &[]).await.unwrap();
    assert_eq!(none.reservations, []);
}

#[tokio::test]
async fn a_cursor_of_another_run_is_stale() {
    let stage = Stage::new();
    let changes = stage.changes(None, 500).await.cursor;
    let listed = stage.window((-1, 60), None, 1).await.cursor;
    let refused = Err(AdapterError::StaleCursor);
    let swapped = Pull::Changes {
        since: Some(listed.clone()),
    };
    assert_eq!(stage.pull(swapped, 500).await, refused);
    let restarted = DemoPms::new(stage.clock.clone());
    let window = Pull::Window {
        from: now(),
        to: now() + Duration::days(1),
        at: Some(listed),
    };
    let since = Some(changes);
    for ask in [Pull::Changes { since }, window] {
        assert!(stage.pull(ask.clone(), 500).await.is_ok());
        assert_eq!(restarted.pull(&stage.account, ask, 500).await, refused);
    }
}

#[tokio::test]
async fn putting_the_same_pin_again_writes_nothing() {
    let stage = Stage::new();
    let cursor = stage.changes(None, 500).await.cursor;
    let want = wish("stay-2", Some("004217"));
    assert_eq!(stage.check(&want).await, PinCopy::Missing);
    let stored = |wrote| {
        Ok(Stored {
            id: Some(id("pin-1")),
            wrote,
        })
    };
    assert_eq!(stage.put(&want).await, stored(true));
    assert_eq!(stage.put(&want).await, stored(false));
    assert_eq!(stage.check(&want).await, PinCopy::Match);
    assert_eq!(
        stage.check(&wish("stay-2", Some("4217"))).await,
        PinCopy::Differs
    );
    let note = ("portal:1".to_owned(), "004217".to_owned());
    assert_eq!(stage.noted("stay-2"), [note]);

    let mut longer = wish("stay-2", Some("004217"));
    longer.pin.as_mut().unwrap().until += Duration::hours(1);
    assert_eq!(stage.put(&longer).await, stored(true));
    assert_eq!(
        stage.house.pins_of(&id("stay-2"))[0].until,
        now() + Duration::hours(73)
    );

    let removed = |wrote| Ok(Stored { id: None, wrote });
    assert_eq!(stage.put(&wish("stay-2", None)).await, removed(true));
    assert_eq!(stage.put(&wish("stay-2", None)).await, removed(false));
    assert_eq!(stage.check(&wish("stay-2", None)).await, PinCopy::Match);
    // Our own writing is no change of the reservation.
    assert_eq!(stage.changes(Some(cursor), 500).await.reservations, []);
}

#[tokio::test]
async fn what_people_did_to_our_note_is_put_right_and_theirs_stays() {
    let stage = Stage::new();
    let stay = id("stay-2");
    let want = wish("stay-2", Some("1234"));
    assert!(stage.house.add_pin(&stay, "desk", &"9999".into()));
    stage.put(&want).await.unwrap();
    let ours = ("portal:1".to_owned(), "1234".to_owned());
    let theirs = ("desk".to_owned(), "9999".to_owned());
    let whole = [theirs.clone(), ours];

    let note = stage.house.pins_of(&stay)[1].id.clone();
    assert!(stage.house.edit_pin(&note, &"1235".into()));
    assert_eq!(stage.check(&want).await, PinCopy::Differs);
    assert!(stage.put(&want).await.unwrap().wrote);
    assert_eq!(stage.noted("stay-2"), whole);

    assert!(stage.house.drop_pin(&note));
    assert_eq!(stage.check(&want).await, PinCopy::Missing);
    stage.put(&want).await.unwrap();
    assert_eq!(stage.noted("stay-2"), whole);

    assert!(stage.house.add_pin(&stay, "portal:1", &"1234".into()));
    assert_eq!(stage.check(&want).await, PinCopy::Differs);
    stage.put(&want).await.unwrap();
    assert_eq!(stage.noted("stay-2"), whole);
    stage.put(&wish("stay-2", None)).await.unwrap();
    assert_eq!(stage.noted("stay-2"), [theirs]);
}

#[tokio::test]
async fn without_the_right_nothing_is_noted_and_reading_works_on() {
    let stage = Stage::new();
    let refused = async || stage.pms.refused(&stage.account).await;
    assert_eq!(refused().await, Ok(vec![]));
    stage.house.allow_pins(false);
    assert_eq!(refused().await, Ok(vec![Right::StorePins]));
    let put = stage.put(&wish("stay-2", Some("1234"))).await;
    assert!(matches!(put, Err(AdapterError::Declined { said: Some(_) })));
    assert_eq!(stage.noted("stay-2"), []);
    assert!(stage.pms.rooms(&stage.account).await.is_ok());

    stage.house.allow_pins(true);
    let unknown = stage.put(&wish("stay-99", Some("1234"))).await;
    assert_eq!(unknown, Err(AdapterError::Declined { said: None }));
}

#[tokio::test]
async fn nothing_secret_can_be_printed() {
    let stage = Stage::new();
    let token = stage.pms.issue_token("Sea");
    stage.put(&wish("stay-2", Some("739184625"))).await.unwrap();
    let notes = stage.house.pins_of(&id("stay-2"));
    let account = with_token(&token);
    let cursor = stage.changes(None, 1).await.cursor;
    let printed = format!(
        "{:?} {:?} {notes:?} {account:?} {cursor:?}",
        stage.pms, stage.house
    );
    assert!(!printed.contains("739184625"), "{printed}");
    assert!(!printed.contains(token.expose_secret()), "{printed}");
}
