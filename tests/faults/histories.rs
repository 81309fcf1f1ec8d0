//! Random histories of a house against a model: whatever the staff do, in whatever order Portal
//! hears of it, the doors open for those who should get in and for nobody else.

use super::always::always;
use super::house::House;
use super::{count, seed};
use crate::harness::{Hotel, Portal};
use chrono::{DateTime, Datelike, Duration, NaiveDate, TimeZone, Utc, Weekday};
use portal_jobs::refresh;
use portal_mews::fake::StayState;
use portal_store::page::Page;
use portal_store::reservation::{self, Filter};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;

mod staff;

/// Events of one history.
const EVENTS: usize = 50;
/// Histories of one house. A seed names all of them, as what was before has a say in what comes.
const OF_A_HOUSE: usize = 10;
/// The last one has no lock.
const ROOMS: [&str; 3] = ["101", "102", "103"];

/// One house with its histories.
struct Lot<'a> {
    portal: &'a Portal,
    hotel: Hotel<'a>,
    house: House,
    rng: StdRng,
    /// Stays something was said about that Portal has not heard yet.
    said: Vec<usize>,
    /// The stays and keychains that staff took away.
    taken: Vec<(String, Value)>,
    /// How often a PIN was shown to staff.
    shown: usize,
    /// What was asked of the PMS when the link broke.
    calls: BTreeMap<String, u32>,
    /// What happened, for whoever reads a failure.
    story: Vec<String>,
}

impl<'a> Lot<'a> {
    async fn new(portal: &'a Portal, seed: u64) -> Self {
        let hotel = portal.hotel("Hotel History").await.with_mews().await;
        let house = House::furnish(&hotel, &ROOMS[..2]).await;
        Self {
            portal,
            hotel,
            house,
            rng: StdRng::seed_from_u64(seed),
            said: Vec::new(),
            taken: Vec::new(),
            shown: 0,
            calls: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    fn tell(&mut self, what: String) {
        self.story
            .push(format!("{} {what}", self.house.now().format("%d %H:%M")));
    }

    fn room(&mut self) -> Option<&'static str> {
        let some = self.rng.random_range(0..10) > 0;
        ROOMS.choose(&mut self.rng).copied().filter(|_| some)
    }

    /// A time at which guests arrive or leave: on the quarter of an hour.
    fn soon(&mut self, least: i64, most: i64) -> DateTime<Utc> {
        let quarters = self.rng.random_range(least * 4..most * 4);
        let at = self.house.now() + Duration::minutes(quarters * 15);
        at - Duration::seconds(at.timestamp().rem_euclid(900))
    }

    /// Another stay of the guest of this one, if there is any.
    fn sibling(&mut self, stay: usize) -> Option<usize> {
        let stays = &self.house.stays;
        let others = (0..stays.len())
            .filter(|other| *other != stay && stays[*other].guest == stays[stay].guest);
        others.collect::<Vec<_>>().choose(&mut self.rng).copied()
    }

    /// Times right after a stay or right before it: so that both are one to the guest, or just not.
    fn beside(&mut self, stay: usize) -> (DateTime<Utc>, DateTime<Utc>) {
        let booked = &self.house.stays[stay].booked;
        let (from, until) = (booked.from, booked.until);
        let quarters = *[0, 0, 4, 12, 48, 49, 80]
            .choose(&mut self.rng)
            .expect("one");
        let gap = Duration::minutes(15 * quarters);
        let length = Duration::minutes(15 * self.rng.random_range(8..300));
        if from - gap > self.house.now() && self.rng.random_range(0..3) == 0 {
            return (from - gap - length, from - gap);
        }
        (until + gap, until + gap + length)
    }

    fn book(&mut self) {
        let state = match self.rng.random_range(0..8) {
            0 => StayState::Optional,
            _ => StayState::Confirmed,
        };
        let guest_of = match self.house.stays.len() {
            0 => None,
            stays => Some(self.rng.random_range(0..stays)).filter(|_| self.rng.random()),
        };
        let (from, until) = match guest_of {
            Some(stay) => self.beside(stay),
            None => {
                let from = self.soon(-2, 30);
                let length = Duration::minutes(15 * self.rng.random_range(8..400));
                (from, from + length)
            }
        };
        let room = match guest_of {
            Some(stay) if self.rng.random_range(0..4) > 0 => {
                self.house.stays[stay].booked.room.clone()
            }
            _ => self.room().map(str::to_owned),
        };
        let stay = self
            .house
            .book_for(guest_of, room.as_deref(), state, from, until);
        let whose = guest_of.map_or_else(String::new, |other| format!(", guest of {other}"));
        self.tell(format!(
            "book {stay} in {room:?}, {state:?}, {from} to {until}{whose}"
        ));
        self.said.push(stay);
    }

    /// The room, that of another stay of the guest among them.
    fn move_to_another(&mut self, stay: usize) {
        let sibling = self.sibling(stay).filter(|_| self.rng.random());
        let room = match sibling {
            Some(other) => self.house.stays[other].booked.room.clone(),
            None => self.room().map(str::to_owned),
        };
        self.tell(format!("move {stay} to {room:?}"));
        self.house.assign(stay, room.as_deref());
    }

    fn redate(&mut self, stay: usize) {
        let booked = self.house.stays[stay].booked.clone();
        let sibling = self.sibling(stay).filter(|_| self.rng.random());
        let (from, until) = match sibling {
            Some(other) if booked.state != StayState::Started => self.beside(other),
            _ => {
                let from = match booked.state {
                    StayState::Started => booked.from,
                    _ => self.soon(-3, 24),
                };
                let length = Duration::minutes(15 * self.rng.random_range(1..300));
                (from, from.max(self.house.now()) + length)
            }
        };
        self.tell(format!("redate {stay}: {from} to {until}"));
        self.house.redate(stay, from, until);
    }

    /// Something the staff, the guests or the clock do.
    async fn event(&mut self) {
        let stays = self.house.stays.len();
        let choice = self.rng.random_range(0..20);
        if stays < 2 || (stays < 8 && choice < 3) {
            self.book();
            return;
        }
        if self.rng.random_range(0..6) == 0 {
            self.staff().await;
            return;
        }
        let stay = self.rng.random_range(0..stays);
        let booked = self.house.stays[stay].booked.clone();
        match choice {
            0..=4 => self.move_to_another(stay),
            5 => {
                let other = self.rng.random_range(0..stays);
                let rooms = [stay, other].map(|stay| self.house.stays[stay].booked.room.clone());
                self.tell(format!("swap {stay} and {other}"));
                self.house.assign(stay, rooms[1].as_deref());
                self.house.assign(other, rooms[0].as_deref());
                self.said.push(other);
            }
            6..=8 => self.redate(stay),
            9 | 10 => self.enter(stay, StayState::Canceled),
            11 | 12 if booked.state != StayState::Processed => {
                self.enter(stay, StayState::Confirmed);
            }
            13 if booked.state == StayState::Confirmed => self.enter(stay, StayState::Optional),
            14 | 15 if booked.state == StayState::Confirmed => {
                self.enter(stay, StayState::Started);
            }
            16 if booked.state == StayState::Started => self.enter(stay, StayState::Processed),
            _ => {
                let minutes = self.rng.random_range(1..600);
                self.tell(format!("{minutes} minutes pass"));
                self.later(Duration::minutes(minutes)).await;
                return;
            }
        }
        self.said.push(stay);
    }

    fn enter(&mut self, stay: usize, state: StayState) {
        self.tell(format!("{stay} is {state:?}"));
        self.house.enter(stay, state);
    }

    /// Time passes in steps of Portal's own, so that what happens by the clock happens in time.
    async fn later(&mut self, by: Duration) {
        self.portal.later(by.max(Duration::seconds(75))).await;
        if !self.house.broken {
            self.said.clear();
            self.house.all_seen();
        }
    }

    /// What was said reaches Portal: late, several times, in another order, in part or not at all.
    async fn hear(&mut self) {
        match self.rng.random_range(0..6) {
            0 | 1 => {}
            2 => {
                self.tell("Portal looks".to_owned());
                self.later(Duration::seconds(75)).await;
            }
            // A broken link tells nothing.
            _ if self.house.broken => {}
            _ => {
                let mut said = self.said.clone();
                said.extend_from_within(..);
                said.shuffle(&mut self.rng);
                let lost = self.rng.random_range(0..=said.len() / 2);
                said.truncate(said.len() - lost);
                self.tell(format!("Portal hears of {said:?}"));
                let mut seen = Vec::new();
                for stay in said {
                    if self.hint(stay).await {
                        seen.push(stay);
                    }
                }
                self.portal.settle().await;
                self.house.seen(&seen);
            }
        }
    }

    /// `false`: of one that was never read only the next look tells.
    async fn hint(&self, stay: usize) -> bool {
        let env = &self.portal.env;
        let filter = Filter {
            number: Some(self.house.stays[stay].number.clone()),
            ..Filter::default()
        };
        let mut conn = env.db.read().await.expect("a connection");
        let known = reservation::page(&mut conn, self.house.property, &filter, &Page::first(1))
            .await
            .expect("the reservation");
        drop(conn);
        let Some(known) = known.first() else {
            return false;
        };
        let answered = refresh(env, self.house.property, known.id)
            .await
            .expect("the database");
        assert!(answered, "Mews did not answer");
        true
    }

    async fn compare(&mut self) {
        let env = &self.portal.env;
        let mut wrong = self.house.differences(&env.db, &env.sealer).await;
        wrong.extend(always(env, self.house.property, self.shown).await);
        assert!(wrong.is_empty(), "{wrong:#?}\n{:#?}", self.story);
    }

    async fn history(&mut self) {
        self.story.clear();
        if self.rng.random_range(0..3) == 0 {
            let night = before_the_clocks_change(self.house.now());
            self.portal.later(night - self.house.now()).await;
        }
        for _ in 0..EVENTS {
            self.event().await;
            self.hear().await;
            self.compare().await;
        }
        if self.house.broken {
            self.mend().await;
        }
        self.later(Duration::seconds(75)).await;
        self.compare().await;
        // All leave, and nothing is left of them.
        for stay in 0..self.house.stays.len() {
            if self.house.stays[stay].booked.state != StayState::Processed {
                self.enter(stay, StayState::Canceled);
            }
        }
        self.later(Duration::seconds(75)).await;
        self.compare().await;
        self.house.stays.clear();
        self.said.clear();
        self.taken.clear();
    }
}

/// The Saturday noon before the clocks of Prague change next.
fn before_the_clocks_change(now: DateTime<Utc>) -> DateTime<Utc> {
    let last_sunday = |year, month| {
        NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, 5)
            .or_else(|| NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, 4))
    };
    (now.year()..=now.year() + 1)
        .flat_map(|year| [(year, 3), (year, 10)])
        .filter_map(|(year, month)| last_sunday(year, month)?.pred_opt()?.and_hms_opt(12, 0, 0))
        .map(|noon| Utc.from_utc_datetime(&noon))
        .find(|noon| *noon > now)
        .expect("a year with months")
}

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_end_as_the_model_says() {
    let histories = count("PORTAL_HISTORIES", 10);
    let first = seed("PORTAL_SEED");
    let began = Instant::now();
    println!("histories: first seed {first}");
    let lots = histories.div_ceil(OF_A_HOUSE);
    let mut left = (0..lots as u64).map(|n| first.wrapping_add(n));
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.len() < 2
            && let Some(seed) = left.next()
        {
            running.spawn(async move {
                let lot = tokio::spawn(async move {
                    let portal = Portal::start_unlimited().await;
                    let mut lot = Lot::new(&portal, seed).await;
                    for _ in 0..OF_A_HOUSE {
                        lot.history().await;
                    }
                });
                assert!(
                    lot.await.is_ok(),
                    "replay with PORTAL_SEED={seed} PORTAL_HISTORIES=1"
                );
            });
        }
        match running.join_next().await {
            Some(done) => assert!(done.is_ok(), "a lot of histories failed"),
            None => break,
        }
    }
    println!(
        "histories: {} of {EVENTS} events, seeds from {first}, in {} s; 0 differences from the model",
        lots * OF_A_HOUSE,
        began.elapsed().as_secs()
    );
}
