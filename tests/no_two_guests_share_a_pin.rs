//! No two guests of a house share a PIN at one time: not when many writers choose at once, and not
//! when they choose from what is no longer true.

use crate::faults::{count, seed};
use crate::harness::{Hotel, Portal};
use chrono::{DateTime, Duration, Utc};
use portal_domain::pin::{self, Lock, Others, Proof, Use, Wish};
use portal_domain::{
    DeviceId, DevicePinStatus, DeviceRule, KeychainDoorRole, PinId, PropertyId, ReservationId,
    Window,
};
use portal_jobs::Env;
use portal_mews::fake::Booking;
use portal_store::device_pin::{self, DevicePin};
use portal_store::page::Page;
use portal_store::pin::{For, Uses, insert, occupy, of_reservation, open, retire};
use portal_store::reservation::{self, Filter};
use portal_store::{Conn, DbError, device};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const WRITERS: usize = 8;

/// A house whose guests all pass one door.
#[derive(Clone)]
struct House {
    env: Arc<Env>,
    property: PropertyId,
    /// For whose sake every PIN here is chosen.
    reservation: ReservationId,
    device: DeviceId,
}

impl House {
    async fn furnish(portal: &Portal) -> Self {
        let hotel: Hotel<'_> = portal.hotel("Hotel Gate").await.with_mews().await;
        hotel.book("31", None);
        portal.next_look().await;
        let hotel = hotel.with_door("101").await;
        let env = portal.env.clone();
        let mut conn = env.db.read().await.expect("a connection");
        let first = Page::first(1);
        let any = Filter::default();
        let stays = reservation::page(&mut conn, hotel.property, &any, &first);
        let reservation = stays.await.expect("the reservation")[0].id;
        let first = Page::first(1);
        let devices = device::page(&mut conn, hotel.property, None, None, &first);
        let device = devices.await.expect("the device")[0].id;
        drop(conn);
        Self {
            env,
            property: hotel.property,
            reservation,
            device,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    /// The shared door takes few enough codes for writers to meet often.
    fn wish(&self, window: Window, current: Option<String>) -> Wish {
        let rules = vec![
            DeviceRule::Lengths(vec![4]),
            DeviceRule::Digits("1234567".to_owned()),
        ];
        Wish {
            locks: vec![Lock {
                space: "Gate".to_owned(),
                role: KeychainDoorRole::Common,
                device: self.device,
                rules,
            }],
            length: 4,
            cooldown_days: 30,
            window,
            known_numbers: Vec::new(),
            current,
            avoid_current: false,
            asked: None,
        }
    }

    async fn uses(&self, conn: &mut Conn, window: Window, besides: Option<PinId>) -> Uses {
        let (sealer, now) = (&self.env.sealer, self.now());
        Uses::read(conn, sealer, self.property, window, besides, 30, now)
            .await
            .expect("what others use")
    }

    async fn insert(
        &self,
        conn: &mut Conn,
        code: &str,
        proof: &Proof,
        window: Window,
    ) -> Result<Option<PinId>, DbError> {
        let (sealer, now) = (&self.env.sealer, self.now());
        let code = SecretString::from(code.to_owned());
        let (property, stay) = (self.property, self.reservation);
        insert(
            conn,
            sealer,
            property,
            For::Reservation(stay),
            &code,
            proof,
            window,
            now,
        )
        .await
    }

    /// Gives a PIN for a window as a decision does: a new one, or the one that was given before.
    /// None: another took the code meanwhile.
    async fn give(
        &self,
        old: Option<PinId>,
        window: Window,
        rng: &mut StdRng,
    ) -> Result<Option<PinId>, DbError> {
        let (sealer, property, now) = (&self.env.sealer, self.property, self.now());
        let mut tx = self.env.db.begin_in(property).await?;
        let current = match old {
            Some(old) => open(&mut tx, sealer, property, &[old], now)
                .await?
                .remove(&old),
            None => None,
        };
        let current = current.map(|code| code.expose_secret().to_owned());
        let wish = self.wish(window, current);
        let uses = self.uses(&mut tx, window, old).await;
        let uses = uses
            .with_beginnings(&mut tx, sealer, &wish.locks, now)
            .await?;
        let found = pin::allocate(&wish, uses, rng).expect("a PIN that suits");
        let given = match old {
            Some(old) if wish.current.as_ref() == Some(&found.code) => {
                let kept = occupy(&mut tx, property, old, window).await?;
                kept.then_some(old)
            }
            _ => {
                let new = self
                    .insert(&mut tx, &found.code, &found.proof, window)
                    .await?;
                if let (Some(_), Some(old)) = (new, old) {
                    retire(&mut tx, property, old, now).await?;
                }
                new
            }
        };
        if given.is_some() {
            tx.commit().await?;
        }
        Ok(given)
    }

    /// Every PIN with its digits and the time in which it is nobody else's, read anew.
    async fn held(&self) -> Vec<(String, Window)> {
        let mut conn = self.env.db.read().await.expect("a connection");
        let property = self.property;
        let ids = of_reservation(&mut conn, property, self.reservation).await;
        let ids = ids.expect("the PINs");
        let codes = open(&mut conn, &self.env.sealer, property, &ids, self.now()).await;
        let mut codes = codes.expect("the digits");
        let rows = portal_store::pin::by_ids(&mut conn, property, &ids).await;
        rows.expect("the PINs")
            .into_iter()
            .map(|pin| {
                let code = codes.remove(&pin.id).expect("the digits");
                let window = Window {
                    from: *pin.occupied_from,
                    until: *pin.occupied_until,
                };
                (code.expose_secret().to_owned(), window)
            })
            .collect()
    }

    /// How many PINs there are, and how many pairs share digits at one time.
    async fn overlaps(&self) -> (usize, usize) {
        let mut held = self.held().await;
        held.sort_unstable_by(|(a, v), (b, w)| (a, v.from).cmp(&(b, w.from)));
        let mut pairs = 0;
        for (n, (code, window)) in held.iter().enumerate() {
            let later = held[n + 1..].iter();
            pairs += later
                .take_while(|(other, then)| other == code && then.from < window.until)
                .count();
        }
        (held.len(), pairs)
    }
}

fn database(env: &Env) -> &'static str {
    if env.db.is_postgres() {
        "PostgreSQL"
    } else {
        "SQLite"
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_many_writers_choose_at_once() {
    let all = count("PORTAL_ALLOCATIONS", 400);
    let seed = seed("PORTAL_SEED");
    let portal = Portal::start_unlimited().await;
    let house = House::furnish(&portal).await;
    // However many there are, about one code in six is taken at any time.
    let days = i64::try_from(all / 40).expect("a count").max(10);
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let house = house.clone();
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(writer as u64));
        let share = all / WRITERS + usize::from(writer < all % WRITERS);
        writers.spawn(async move {
            let (mut mine, mut retried, mut moved) = (Vec::new(), 0, 0);
            for _ in 0..share {
                let from = house.now() + Duration::minutes(rng.random_range(0..days * 24 * 60));
                let until = from + Duration::minutes(rng.random_range(60..14 * 24 * 60));
                let window = Window { from, until };
                // Every fourth is a stay whose dates change.
                let old = match rng.random_range(0..4) {
                    0 if !mine.is_empty() => {
                        let n = rng.random_range(0..mine.len());
                        Some(mine.swap_remove(n))
                    }
                    _ => None,
                };
                moved += usize::from(old.is_some());
                loop {
                    match house.give(old, window, &mut rng).await {
                        Ok(Some(given)) => {
                            mine.push(given);
                            break;
                        }
                        Ok(None) => retried += 1,
                        Err(error) if error.is_passing() => retried += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
            (retried, moved)
        });
    }
    let (mut retried, mut moved) = (0, 0);
    while let Some(done) = writers.join_next().await {
        let (again, dates) = done.unwrap_or_else(|error| panic!("PORTAL_SEED={seed}: {error}"));
        retried += again;
        moved += dates;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (pins, pairs) = house.overlaps().await;
    println!(
        "allocations on {}: {all} by {WRITERS} writers on one door, {moved} of them changes of \
         dates, seed {seed}; {pins} PINs, {retried} conflicts retried, {pairs} pairs share digits \
         at one time; {seconds:.1} s",
        database(&house.env)
    );
    assert_eq!(pairs, 0, "PORTAL_SEED={seed}");
    assert!(pins >= all - moved && pins <= all, "{pins} of {all}");
}

/// All look before anyone writes, and none holds the house: what they choose is the same code.
#[tokio::test(flavor = "multi_thread")]
async fn when_all_choose_from_what_is_no_longer_true() {
    let rounds = count("PORTAL_ALLOCATIONS", 400).div_ceil(100);
    let seed = seed("PORTAL_SEED");
    let portal = Portal::start_unlimited().await;
    let house = House::furnish(&portal).await;
    // Makes the keys, which a connection that only reads cannot.
    let window = |from: i64, hours: i64| {
        let from = portal.env.now() + Duration::hours(from);
        Window {
            from,
            until: from + Duration::hours(hours),
        }
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let made = house.give(None, window(0, 1), &mut rng).await;
    made.expect("the database").expect("a PIN");
    let began = Instant::now();
    let (mut given, mut refused, mut deadlocks) = (0, 0, 0);
    for round in 0..rounds {
        let barrier = Arc::new(Barrier::new(WRITERS));
        let mut writers = JoinSet::new();
        let chance = seed.wrapping_add(round as u64);
        for writer in 0..WRITERS {
            let (house, barrier) = (house.clone(), barrier.clone());
            // All hold the hundredth hour of the round.
            let start = 1_000 * i64::try_from(round).expect("a count") + 100;
            let early = i64::try_from(writer * 7).expect("a count");
            let window = window(start - early, 2 * early + 1);
            writers.spawn(async move {
                let mut conn = house.env.db.read().await.expect("a connection");
                let uses = house.uses(&mut conn, window, None).await;
                drop(conn);
                barrier.wait().await;
                let mut rng = StdRng::seed_from_u64(chance);
                let found = pin::allocate(&house.wish(window, None), uses, &mut rng);
                let found = found.expect("a PIN that suits");
                let mut tx = house.env.db.begin().await.expect("a transaction");
                let inserted = house
                    .insert(&mut tx, &found.code, &found.proof, window)
                    .await;
                if let Ok(Some(_)) = inserted {
                    tx.commit().await.expect("a commit");
                }
                (found.code, inserted)
            });
        }
        let mut codes = std::collections::BTreeSet::new();
        let mut winners = 0;
        while let Some(done) = writers.join_next().await {
            let (code, inserted) = done.expect("a writer");
            codes.insert(code);
            match inserted {
                Ok(Some(_)) => winners += 1,
                Ok(None) => refused += 1,
                // PostgreSQL ends one of two who wait for each other.
                Err(error) if error.is_passing() => deadlocks += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(codes.len(), 1, "PORTAL_SEED={seed}: all chose the same");
        assert!(winners <= 1, "PORTAL_SEED={seed}: {winners} hold one code");
        given += winners;
    }
    let (pins, pairs) = house.overlaps().await;
    println!(
        "stale choices on {}: {} inserts without the lock of the house, seed {seed}; {given} given, \
         {refused} refused by the constraint, {deadlocks} ended as deadlocks, {pairs} pairs share \
         digits at one time; {:.1} s",
        database(&house.env),
        rounds * WRITERS,
        began.elapsed().as_secs_f64()
    );
    assert_eq!(pairs, 0, "PORTAL_SEED={seed}");
    assert_eq!(pins, given + 1);
    assert_eq!(given + refused + deadlocks, rounds * WRITERS);
    assert!(given > 0 && refused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_stay_grows_into_another() {
    let portal = Portal::start().await;
    let house = House::furnish(&portal).await;
    let now = house.now();
    let days = |from: i64, until: i64| Window {
        from: now + Duration::days(from),
        until: now + Duration::days(until),
    };
    let proof = Proof {
        length: 4,
        rules: Vec::new(),
        taken: 0,
        draws: 1,
        cooldown_days: 0,
    };
    let mut tx = portal.env.db.begin().await.expect("a transaction");
    let early = house.insert(&mut tx, "2461", &proof, days(1, 3)).await;
    let early = early.expect("the database").expect("free");
    // A day later nobody would know the two apart at the door.
    let late = house.insert(&mut tx, "2461", &proof, days(5, 8)).await;
    assert!(late.expect("the database").is_some());
    tx.commit().await.expect("a commit");
    for (until, free) in [(4, true), (5, false), (9, false)] {
        let mut tx = portal.env.db.begin().await.expect("a transaction");
        let kept = occupy(&mut tx, house.property, early, days(1, until)).await;
        assert_eq!(kept.expect("the database"), free, "until day {until}");
        drop(tx);
    }
    let held = house.held().await;
    let until = held.iter().map(|(_, window)| window.until).min();
    assert_eq!(until, Some(now + Duration::days(4)), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_lock_still_holds_what_it_shall_forget() {
    let portal = Portal::start().await;
    let house = House::furnish(&portal).await;
    let past = Window {
        from: house.now() - Duration::days(90),
        until: house.now() - Duration::days(80),
    };
    let next = Window {
        from: house.now(),
        until: house.now() + Duration::days(2),
    };
    let mut rng = StdRng::seed_from_u64(1);
    let pin = house.give(None, past, &mut rng).await;
    let pin = pin.expect("the database").expect("a PIN");
    let code = house.held().await.remove(0).0;
    let used = async |besides| {
        let mut conn = portal.env.db.read().await.expect("a connection");
        house.uses(&mut conn, next, besides).await.code(&code)
    };
    assert_eq!(used(None).await, Use::Free, "long ago");

    let (property, device, now) = (house.property, house.device, house.now());
    let mut copy = DevicePin::new(property, pin, device, past, now, now);
    for (status, expected) in [
        (DevicePinStatus::Set, Use::Free),
        (DevicePinStatus::Removing, Use::Taken),
        (DevicePinStatus::Residual, Use::Taken),
        (DevicePinStatus::Removed, Use::Free),
    ] {
        copy.status = status;
        let mut tx = portal.env.db.begin().await.expect("a transaction");
        match status {
            DevicePinStatus::Set => device_pin::insert(&mut tx, &copy).await,
            _ => device_pin::save(&mut tx, &copy).await,
        }
        .expect("the copy");
        tx.commit().await.expect("a commit");
        assert_eq!(used(None).await, expected, "{status}");
        assert_eq!(used(Some(pin)).await, Use::Free, "{status}, one's own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_lock_looks_at_the_beginning_only() {
    let portal = Portal::start().await;
    let house = House::furnish(&portal).await;
    let window = Window {
        from: house.now(),
        until: house.now() + Duration::days(2),
    };
    let mut rng = StdRng::seed_from_u64(1);
    let pin = house.give(None, window, &mut rng).await;
    let pin = pin.expect("the database").expect("a PIN");
    let code = house.held().await.remove(0).0;
    let (property, device, now) = (house.property, house.device, house.now());
    let mut tx = portal.env.db.begin().await.expect("a transaction");
    let copy = DevicePin::new(property, pin, device, window, now, now);
    device_pin::insert(&mut tx, &copy).await.expect("the copy");
    tx.commit().await.expect("a commit");

    let begins = async |digits: u8, besides, window| {
        let mut lock = house.wish(window, None).locks.remove(0);
        lock.rules.push(DeviceRule::UniquePrefix(digits));
        let mut conn = portal.env.db.read().await.expect("a connection");
        let uses = house.uses(&mut conn, window, besides).await;
        let sealer = &portal.env.sealer;
        let uses = uses.with_beginnings(&mut conn, sealer, &[lock], now).await;
        let mut uses = uses.expect("the beginnings");
        let elsewhere = uses.begins(DeviceId(uuid::Uuid::nil()), &code[..2]);
        assert!(!elsewhere, "another lock");
        uses.begins(device, &code[..2])
    };
    assert!(begins(2, None, window).await);
    assert!(!begins(3, None, window).await, "three digits are others");
    assert!(!begins(2, Some(pin), window).await, "one's own");
    let later = Window {
        from: window.until + Duration::days(2),
        until: window.until + Duration::days(3),
    };
    assert!(!begins(2, None, later).await, "when the other has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_a_lock_has_not_forgotten_are_nobody_elses() {
    let portal = Portal::start().await;
    let hotel = portal.house("Aurora", &[]).await;
    let (lock, _) = (hotel.door("101").await, hotel.door("102").await);
    let policy = serde_json::json!({ "property": hotel.id, "cooldownDays": 0 });
    hotel.tell("policyUpdate", policy).await;
    let now = portal.env.now();
    let hours = |n: i64| now + Duration::hours(n);
    for (number, room, from, until) in [("31", "101", 1, 5), ("32", "102", 48, 72)] {
        let stay = Booking::new(hours(from), hours(until)).number(number);
        portal.mews.book(&hotel.enterprise, &stay.room(room));
    }
    portal.next_look().await;
    let pin = hotel.reveal("31").await;
    let keychain = hotel.reservation("32").await["keychain"]["id"].clone();
    let rotate = serde_json::json!({ "keychain": keychain, "reason": "asked for",
        "pin": { "code": pin, "wish": "STRICT" } });
    hotel.tell("pinRotate", rotate).await;
    portal.settle().await;
    assert_eq!(hotel.reveal("32").await, pin, "free for then");
    portal.locks.set_online(&lock, false);
    // As long as the time of the code is not over nothing happens.
    portal.later(hours(16) - portal.env.now()).await;
    assert!(
        portal.locks.opens(&lock, &pin, hours(4)),
        "the lock has not forgotten"
    );
    assert_eq!(hotel.reveal("32").await, pin);
    portal.later(hours(30) - portal.env.now()).await;
    portal.settle().await;
    let is = hotel.reveal("32").await;
    assert_ne!(is, pin, "whoever is to come gets another");
    assert_eq!(hotel.in_mews("32"), [is]);
    // The lock comes back and forgets.
    portal.locks.set_online(&lock, true);
    portal.later(Duration::minutes(10)).await;
    assert_eq!(portal.locks.codes(&lock), []);
}
