//! How many statements an answer takes: the same for a full house as for an empty one.

use crate::harness::{Hotel, Portal};
use chrono::Duration;
use portal_domain::access::Door;
use portal_domain::pin::Proof;
use portal_domain::{
    DeviceConnectivity, DeviceId, DevicePinId, DevicePinStatus, KeychainDoorRole, KeychainId,
    PinId, ReservationId, ReservationTransfer, RoomId, SpaceId, SpaceKind, UserId, WithheldCode,
};
use portal_store::device::Device;
use portal_store::device_pin::DevicePin;
use portal_store::keychain::Keychain;
use portal_store::page::Page;
use portal_store::reservation::{Filter, Reservation};
use portal_store::room::Room;
use portal_store::space::Space;
use portal_store::{Tx, device, device_pin, keychain, pin, reservation, room, space, user};
use serde_json::{Value, json};

const BOARD: &str = "query($id: ID!) { property(id: $id) { arrivals(to: \"2026-12-02\", first: 100) {
    totalCount nodes { arrival verdict actBy inHouse keychain { id status }
      reservation { id number guestName state } because { code message device { name } space { name } } } } } }";

const FORECAST: &str = "query($id: ID!) { property(id: $id) { lockForecast(first: 100) { nodes {
    device { name } capacity used peak exceedsAt waitingCount waiting { reservation { number } } } } } }";

/// The number of one answer, and the answer.
async fn taken(hotel: &Hotel<'_>, query: &str) -> (u64, Value) {
    let db = &hotel.portal.env.db;
    let before = db.statements();
    let mut answer = hotel.ask(query, json!({ "id": hotel.id })).await;
    (db.statements() - before, answer["property"].take())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_counts_once_on_a_connection_of_any_kind() {
    let portal = Portal::start().await;
    let hotel = portal.hotel("Aurora").await;
    let db = &portal.env.db;
    let before = db.statements();
    let mut conn = db.read().await.unwrap();
    assert_eq!(db.statements() - before, 0, "a connection is no statement");
    for _ in 0..3 {
        space::by_ids(&mut conn, hotel.property, &[]).await.unwrap();
    }
    assert_eq!(db.statements() - before, 3);
    drop(conn);
    let mut tx = db.begin().await.unwrap();
    let begun = db.statements();
    space::by_ids(&mut tx, hotel.property, &[]).await.unwrap();
    assert_eq!(db.statements() - begun, 1);
    tx.rollback().await.unwrap();
    let other = portal_store::Db::look(&portal.database.url).unwrap();
    other.ping().await.unwrap();
    assert_eq!(other.statements(), 1, "each counts its own");
}

fn ok<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("an answer")
}

/// A furnished room that is there already, for others to be like it.
struct Pattern {
    stay: Reservation,
    lock: Device,
    chain: Keychain,
    row: DevicePin,
    room: Room,
    owner: UserId,
}

impl Pattern {
    async fn read(tx: &mut Tx, hotel: &Hotel<'_>) -> Self {
        let house = hotel.property;
        let filter = Filter::default();
        let stays = reservation::page(tx, house, &filter, &Page::first(1)).await;
        let stay = ok(stays).remove(0);
        let chain = ok(keychain::current(tx, house, &[stay.id]).await).remove(0);
        let locks = device::page(tx, house, None, None, &Page::first(1)).await;
        let rooms = room::by_ids(tx, house, stay.room_id.as_slice()).await;
        Self {
            lock: ok(locks).remove(0),
            row: ok(device_pin::of_pins(tx, house, &[chain.pin_id]).await).remove(0),
            room: ok(rooms).remove(0),
            owner: ok(user::by_email(tx, &hotel.email).await)
                .expect("the owner")
                .id,
            stay,
            chain,
        }
    }

    /// Adds a room with a space and a lock for one code.
    async fn add_room(&self, tx: &mut Tx, hotel: &Hotel<'_>, n: usize) -> (RoomId, Device) {
        let (house, now) = (hotel.property, hotel.portal.env.now());
        let room = Room {
            id: RoomId::new(),
            external_id: format!("room {n}"),
            name: format!("R{n}"),
            ..self.room.clone()
        };
        let space = Space {
            id: SpaceId::new(),
            property_id: house,
            name: format!("Space {n}"),
            kind: SpaceKind::Room,
            archived_at: None,
            created_at: now.into(),
        };
        let lock = Device {
            id: DeviceId::new(),
            external_id: format!("lock {n}"),
            name: format!("Lock {n}"),
            space_id: Some(space.id),
            connectivity: match Kind::of(n) {
                Kind::Waits => DeviceConnectivity::Offline,
                _ => DeviceConnectivity::Online,
            },
            rules: r#"[{"MAX_CODES":1}]"#.to_owned(),
            ..self.lock.clone()
        };
        ok(room::put(tx, &room).await);
        ok(space::insert(tx, &space).await);
        ok(room::map(tx, house, room.id, space.id, Some(self.owner), now).await);
        ok(device::put(tx, &lock).await);
        (room.id, lock)
    }

    async fn add_stay(
        &self,
        tx: &mut Tx,
        hotel: &Hotel<'_>,
        n: usize,
        room: RoomId,
    ) -> Reservation {
        let withheld = match Kind::of(n) {
            Kind::Unassigned => Some(WithheldCode::RoomUnassigned),
            Kind::AtCheckIn => Some(WithheldCode::AwaitingCheckIn),
            Kind::Waits | Kind::Set => None,
        };
        let stay = Reservation {
            id: ReservationId::new(),
            external_id: format!("stay {n}"),
            number: format!("N{n}"),
            room_id: Some(room).filter(|_| withheld != Some(WithheldCode::RoomUnassigned)),
            starts_at: (hotel.portal.env.now() + Duration::hours(6)).into(),
            withheld_code: withheld,
            transfer: match withheld {
                Some(_) => ReservationTransfer::Withheld,
                None => ReservationTransfer::Transferred,
            },
            ..self.stay.clone()
        };
        ok(reservation::insert(tx, &stay).await);
        stay
    }

    /// Adds a PIN for a stay, on its lock or waiting to go there.
    async fn add_pin(
        &self,
        tx: &mut Tx,
        hotel: &Hotel<'_>,
        stay: &Reservation,
        lock: &Device,
        code: usize,
    ) -> PinId {
        let env = &hotel.portal.env;
        let (house, now) = (hotel.property, env.now());
        let digits = format!("{code:06}").into();
        let proof = Proof {
            length: 6,
            rules: Vec::new(),
            taken: 0,
            draws: 1,
            cooldown_days: 30,
        };
        let window = self.chain.window();
        let pin = pin::insert(
            tx,
            &env.sealer,
            house,
            pin::For::Reservation(stay.id),
            &digits,
            &proof,
            window,
            now,
        )
        .await;
        let pin = ok(pin).expect("digits nobody has");
        let waits = lock.connectivity == DeviceConnectivity::Offline;
        let row = DevicePin {
            id: DevicePinId::new(),
            pin_id: pin,
            device_id: lock.id,
            status: if waits {
                DevicePinStatus::Waiting
            } else {
                DevicePinStatus::Set
            },
            confirmed_until: self.row.confirmed_until.filter(|_| !waits),
            desired_from: Some(stay.starts_at),
            ..self.row.clone()
        };
        ok(device_pin::insert(tx, &row).await);
        pin
    }

    async fn add_keychain(&self, tx: &mut Tx, stay: &Reservation, lock: &Device, pin: PinId) {
        let space = lock.space_id.expect("it is installed");
        let chain = Keychain {
            id: KeychainId::new(),
            reservation_id: Some(stay.id),
            holder: None,
            scheduled_until: stay.ends_at,
            main_space_id: space,
            pin_id: pin,
            starts_at: stay.starts_at,
            ..self.chain.clone()
        };
        ok(keychain::insert(tx, &chain).await);
        let role = KeychainDoorRole::Main;
        ok(keychain::set_doors(tx, &chain, &[Door { space, role }]).await);
    }
}

/// How a stay stands.
enum Kind {
    /// Its PIN is on the lock.
    Set,
    /// Its PIN waits for a lock that is away, beside another that wants the only slot.
    Waits,
    /// No room is assigned.
    Unassigned,
    /// Access is made at check-in.
    AtCheckIn,
}

impl Kind {
    fn of(n: usize) -> Self {
        match n % 5 {
            1 => Self::Waits,
            2 => Self::Unassigned,
            3 => Self::AtCheckIn,
            _ => Self::Set,
        }
    }
}

/// Adds rooms, each with a lock and a stay that begins tonight.
async fn furnish(hotel: &Hotel<'_>, rooms: std::ops::Range<usize>) {
    let mut tx = ok(hotel.portal.env.db.begin().await);
    let pattern = Pattern::read(&mut tx, hotel).await;
    for n in rooms {
        let (room, lock) = pattern.add_room(&mut tx, hotel, n).await;
        let stay = pattern.add_stay(&mut tx, hotel, n, room).await;
        if stay.withheld_code.is_some() {
            continue;
        }
        let pin = pattern.add_pin(&mut tx, hotel, &stay, &lock, 2 * n).await;
        pattern.add_keychain(&mut tx, &stay, &lock, pin).await;
        if matches!(Kind::of(n), Kind::Waits) {
            pattern
                .add_pin(&mut tx, hotel, &stay, &lock, 2 * n + 1)
                .await;
        }
    }
    ok(tx.commit().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_arrivals_take_as_many_statements_as_five() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    furnish(&hotel, 0..5).await;
    taken(&hotel, BOARD).await;
    let (board_of_few, few) = taken(&hotel, BOARD).await;
    let (forecast_of_few, locks) = taken(&hotel, FORECAST).await;
    assert_eq!(few["arrivals"]["totalCount"], json!(6));
    assert_eq!(
        locks["lockForecast"]["nodes"].as_array().map(Vec::len),
        Some(6)
    );

    furnish(&hotel, 5..500).await;
    let began = std::time::Instant::now();
    let (board_of_many, many) = taken(&hotel, BOARD).await;
    let board_took = began.elapsed();
    let began = std::time::Instant::now();
    let (forecast_of_many, locks) = taken(&hotel, FORECAST).await;
    let forecast_took = began.elapsed();
    assert_eq!(many["arrivals"]["totalCount"], json!(501));
    let nodes = many["arrivals"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 100);
    let of = |verdict: &str, code: Value| {
        let fits = |line: &&Value| line["verdict"] == verdict && line["because"][0]["code"] == code;
        nodes.iter().filter(fits).count()
    };
    // The first begins an hour sooner and is on its lock.
    assert_eq!(of("READY", Value::Null), 60);
    assert_eq!(of("AT_RISK", json!("DEVICE_OFFLINE")), 20);
    assert_eq!(of("AT_RISK", json!("ROOM_UNASSIGNED")), 20);
    let nodes = locks["lockForecast"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 100);
    assert!(
        nodes.iter().all(|lock| lock["waitingCount"] == 1),
        "the full ones first"
    );

    println!(
        "arrivals: {board_of_many} statements, {board_took:?}; forecast: {forecast_of_many}, {forecast_took:?}"
    );
    assert_eq!(board_of_many, board_of_few);
    assert_eq!(forecast_of_many, forecast_of_few);
    // Four of these say who is calling, and one which property it is about.
    assert_eq!(board_of_many, 15);
    assert_eq!(forecast_of_many, 10);
}

/// Fields that hang on a keychain.
const DOORS: &str =
    "keychain { status doors { space { name } devicePins { status device { name } } }
    pmsCopy { status } }";

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_a_page_is_looked_up_together() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let stay = format!("number room {{ name space {{ name }} }} {DOORS}");
    let reservations = format!(
        "query($id: ID!) {{ property(id: $id) {{ reservations(first: 100) {{ nodes {{ {stay} }} }} }} }}"
    );
    let arrivals = format!(
        "query($id: ID!) {{ property(id: $id) {{ arrivals(first: 100) {{ nodes {{
            verdict reservation {{ number room {{ name space {{ name }} }} }} {DOORS} }} }} }} }}"
    );
    // The first question of a session notes that it is used.
    taken(&hotel, FORECAST).await;
    // Each with the five that say who is calling and about which property.
    for rooms in [0..5, 5..150] {
        furnish(&hotel, rooms).await;
        let (count, page) = taken(&hotel, &reservations).await;
        assert!(
            page["reservations"]["nodes"][0]["keychain"]["doors"][0]["devicePins"][0].is_object()
        );
        assert_eq!(count, 5 + 11);
        let (count, page) = taken(&hotel, &arrivals).await;
        assert!(page["arrivals"]["nodes"][0]["keychain"]["doors"][0]["devicePins"][0].is_object());
        assert_eq!(count, 5 + 18);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_takes_as_many_statements_in_a_full_house() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &["101"]).await;
    hotel.book("31", Some("101"));
    portal.next_look().await;
    let why = "query($id: ID!) { property(id: $id) { explainAccess(number: \"31\") { transfer headline { code }
        gates { gate verdict evidence since fix fixBy } counterfactuals { assume transfer unlocks remaining }
        reservation { number } } } }";
    taken(&hotel, why).await;
    for rooms in [0..5, 5..150] {
        furnish(&hotel, rooms).await;
        let (count, answer) = taken(&hotel, why).await;
        assert_eq!(answer["explainAccess"]["transfer"], json!("TRANSFERRED"));
        // Five say who is calling and about which property, one finds the reservation.
        assert_eq!(count, 5 + 1 + 17);
    }
}
