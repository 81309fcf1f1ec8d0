//! INV-7 and INV-32: what the PMS tells of a reservation comes by several ways, late, twice and in any
//! order, and reading fails at any page. A reservation never goes back, and how far Portal has read is
//! never ahead of what it has stored.

use super::chance;
use crate::harness::{Hotel, Portal, shown};
use chrono::{DateTime, Duration, SubsecRound, Utc};
use portal_domain::{AppCategory, IntegrationId, ReservationId, ReservationState};
use portal_jobs::{SyncReservations, enqueue, refresh};
use portal_mews::fake::{Booking, Fault, NewRoom, StayState};
use portal_store::cursor::{self, Stream};
use portal_store::page::Page;
use portal_store::reservation::{self, Filter, Reservation};
use portal_store::{hint, integration};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const STAYS: &str = "reservations/getAll/2023-06-06";

async fn stored(hotel: &Hotel<'_>) -> BTreeMap<String, Reservation> {
    let mut conn = hotel.portal.env.db.read().await.expect("a connection");
    let all = Page::first(10_000);
    let rows = reservation::page(&mut conn, hotel.property, &Filter::default(), &all).await;
    let rows = rows.expect("the reservations").into_iter();
    rows.map(|row| (row.external_id.clone(), row)).collect()
}

async fn link(hotel: &Hotel<'_>) -> IntegrationId {
    let mut conn = hotel.portal.env.db.read().await.expect("a connection");
    let live = integration::live(&mut conn, hotel.property).await;
    let mut live = live.expect("the links").into_iter();
    let pms = live.find(|link| link.category == AppCategory::Pms);
    pms.expect("a link to the PMS").id
}

/// What the PMS tells of a stay at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// When it says that was. None: it does not say.
    stamp: Option<DateTime<Utc>>,
    state: &'static str,
    room: Option<String>,
    until: DateTime<Utc>,
}

impl Version {
    fn any(now: DateTime<Utc>, rooms: &[String], rng: &mut StdRng) -> Self {
        let state = *["Confirmed", "Started", "Canceled", "Optional", "Processed"]
            .choose(rng)
            .expect("one");
        let stamp = now - Duration::minutes(rng.random_range(0..12));
        Self {
            stamp: (rng.random_range(0..12) > 0).then_some(stamp),
            state,
            room: rng
                .random::<bool>()
                .then(|| rooms.choose(rng).expect("one").clone()),
            until: now + Duration::hours(rng.random_range(1..4)),
        }
    }

    fn item(&self, id: &str, from: DateTime<Utc>) -> Value {
        json!({ "Id": id, "Number": id, "State": self.state, "AssignedResourceId": self.room,
            "ScheduledStartUtc": from.to_rfc3339(), "ScheduledEndUtc": self.until.to_rfc3339(),
            "UpdatedUtc": self.stamp.map(|stamp| stamp.to_rfc3339()) })
    }

    fn of(row: &Reservation) -> Self {
        let states = ["Confirmed", "Started", "Canceled", "Optional", "Processed"];
        let state = states.into_iter().find(|state| *state == row.raw_state);
        Self {
            stamp: row.remote_updated_at.map(|at| *at),
            state: state.unwrap_or_default(),
            room: row.room_external_id.clone(),
            until: *row.ends_at,
        }
    }
}

/// One stay in the PMS, and what Portal should have of it.
struct Told {
    id: String,
    row: Option<ReservationId>,
    known: Option<Version>,
    earlier: Vec<Version>,
}

impl Told {
    /// What Portal should know once it has been told this.
    fn hear(&mut self, version: &Version) {
        let stamps = self
            .known
            .as_ref()
            .and_then(|known| known.stamp)
            .zip(version.stamp);
        if stamps.is_none_or(|(known, told)| told >= known) {
            self.known = Some(version.clone());
        }
    }
}

/// Lets Portal hear of a stay. Answers how.
async fn tell(hotel: &Hotel<'_>, told: &Told, rng: &mut StdRng) -> &'static str {
    let portal = hotel.portal;
    let env = &portal.env;
    match (rng.random_range(0..9), told.row) {
        (0..3, Some(row)) => {
            let read = refresh(env, hotel.property, row).await;
            assert!(read.expect("the database"));
            portal.settle().await;
            "asked for"
        }
        (3..6, _) => {
            let link = link(hotel).await;
            let mut tx = env
                .db
                .begin_in(hotel.property)
                .await
                .expect("a transaction");
            let ids = [told.id.as_str()];
            let noted = hint::note(&mut tx, hotel.property, link, &ids, env.now()).await;
            noted.expect("a hint");
            let job = SyncReservations {
                property: hotel.property,
                integration: link,
            };
            enqueue(&mut tx, env.now(), &job).await.expect("a job");
            tx.commit().await.expect("a commit");
            portal.settle().await;
            "hinted at"
        }
        (6, _) => {
            let link = hotel.integration().await["id"].clone();
            hotel
                .tell("integrationDisconnect", json!({ "integration": link }))
                .await;
            portal.clock.advance(Duration::seconds(30));
            hotel.paste(&shown(&hotel.token)).await;
            portal.settle().await;
            "found when all was read"
        }
        _ => {
            portal.next_look().await;
            "found among what changed"
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_never_goes_back_whatever_is_told_in_whatever_order() {
    let (mut rng, steps, replay) = chance("INV-7", 120);
    let portal = Portal::start_unlimited().await;
    let hotel = portal.hotel("Aurora").await;
    let names = ["201", "202"];
    let rooms = names.map(|name| portal.mews.add_room(&hotel.enterprise, &NewRoom::new(name)));
    let hotel = hotel.with_mews().await;
    let (now, from) = (portal.env.now(), portal.env.now().trunc_subsecs(0));
    let until = now + Duration::days(20);
    let mut all: Vec<Told> = (0..3)
        .map(|_| Told {
            id: portal
                .mews
                .book(&hotel.enterprise, &Booking::new(now, until)),
            row: None,
            known: None,
            earlier: Vec::new(),
        })
        .collect();
    portal.next_look().await;
    let rows = stored(&hotel).await;
    for stay in &mut all {
        let row = &rows[&stay.id];
        (stay.row, stay.known) = (Some(row.id), Some(Version::of(row)));
    }
    let mut story = Vec::new();
    let mut dropped = 0;
    for _ in 0..steps {
        let stay = &mut all[rng.random_range(0..3)];
        // One that was told before, or a new one.
        let again = rng.random_range(0..3) == 0;
        let again = again
            .then(|| stay.earlier.choose(&mut rng).cloned())
            .flatten();
        let now = portal.env.now().trunc_subsecs(0);
        let version = again.unwrap_or_else(|| Version::any(now, &rooms, &mut rng));
        portal
            .mews
            .write_raw(&stay.id, version.item(&stay.id, from));
        // It is among what changed, whatever it says itself.
        portal.mews.redate(&stay.id, from, until);
        stay.earlier.push(version.clone());
        let before = stored(&hotel).await.remove(&stay.id);
        let way = tell(&hotel, stay, &mut rng).await;
        stay.hear(&version);
        let told_id = stay.id.clone();
        story.push(format!("{} {way}: {version:?}", &stay.id[..4]));
        let rows = stored(&hotel).await;
        for stay in &mut all {
            let row = rows.get(&stay.id);
            let is = row.map(Version::of);
            assert_eq!(is, stay.known, "{replay}: {} {story:#?}", &stay.id[..4]);
            stay.row = row.map(|row| row.id);
        }
        let told = format!("{replay}: {story:#?}");
        let (was, is) = (before.expect("it was there"), &rows[&told_id]);
        let mut same = Version::of(&was);
        same.stamp = Version::of(is).stamp;
        let changed = same != Version::of(is);
        assert_eq!(is.revision > was.revision, changed, "{told}");
        dropped += u32::from(Version::of(is) != version);
    }
    println!("{dropped} came too late");
    assert!(steps < 100 || dropped > 10, "{replay}: {dropped}");
}

/// When a stay last changed, and whether it is canceled.
type Changed = (DateTime<Utc>, bool);

/// Something in the house.
fn happen(hotel: &Hotel<'_>, stays: &mut BTreeMap<String, Changed>, rng: &mut StdRng) {
    let (mews, now) = (&hotel.portal.mews, hotel.portal.env.now());
    let some: Vec<&String> = stays.keys().collect();
    let id = match some.choose(rng) {
        Some(id) if rng.random_range(0..3) > 0 => (*id).clone(),
        _ => {
            let stay = Booking::new(now, now + Duration::days(9));
            mews.book(&hotel.enterprise, &stay)
        }
    };
    let choice = rng.random_range(0..4);
    match choice {
        0 => mews.assign(&id, Some("101")),
        1 => mews.set_state(&id, StayState::Canceled),
        2 => mews.set_state(&id, StayState::Confirmed),
        _ => mews.redate(&id, now, now + Duration::days(rng.random_range(1..9))),
    }
    let was = stays.get(&id).is_some_and(|(_, canceled)| *canceled);
    let canceled = choice == 1 || (was && choice != 2);
    stays.insert(id, (now.trunc_subsecs(0), canceled));
}

/// Whether what is stored of a stay is what there is to know. Where Mews forgot the place in its list
/// Portal begins anew with the stays to come: of one that is canceled, and known to be, no more is
/// read then.
fn is_known((updated, canceled): &Changed, row: Option<&Reservation>) -> bool {
    row.is_some_and(|row| {
        let same = row.remote_updated_at.is_some_and(|at| *at == *updated);
        same || (*canceled && row.state == ReservationState::Canceled)
    })
}

/// Up to when Portal has read all changes.
async fn mark(hotel: &Hotel<'_>) -> Option<DateTime<Utc>> {
    let link = link(hotel).await;
    let mut conn = hotel.portal.env.db.read().await.expect("a connection");
    let at = cursor::get(&mut conn, hotel.property, link, Stream::Changes).await;
    let body: Value = serde_json::from_str(&at.expect("the cursor")?.body?).expect("JSON");
    let mark = body["changes"]["mark"].as_str().expect("a mark");
    Some(mark.parse().expect("an instant"))
}

/// Lets some of the next requests of a read fail.
fn trouble(portal: &Portal, rng: &mut StdRng) -> u32 {
    let mut failing = 0;
    portal.mews.clear_faults();
    if rng.random_range(0..2) == 0 {
        // Too much at once, so that it is read in small pages.
        portal
            .mews
            .inject(Fault::Status { status: 408 }, Some(STAYS), 2);
    }
    for _ in 0..rng.random_range(0..3) {
        let on = *[
            STAYS,
            "customers/getAll",
            "configuration/get",
            "resourceCategories/getAll",
        ]
        .choose(rng)
        .expect("one");
        // One page or two come through before.
        let before = rng.random_range(0..3);
        portal
            .mews
            .inject(Fault::Delay { millis: 1 }, Some(on), before);
        let fault = *[
            Fault::Status { status: 500 },
            Fault::Status { status: 400 },
            Fault::TooMany { seconds: Some(1) },
            Fault::Html,
            Fault::Cut,
        ]
        .choose(rng)
        .expect("one");
        portal.mews.inject(fault, Some(on), rng.random_range(1..3));
        failing += 1;
    }
    failing
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_it_has_read_is_never_ahead_of_what_it_has() {
    let (mut rng, steps, replay) = chance("INV-32", 20);
    let portal = Portal::start_unlimited().await;
    let hotel = portal.hotel("Aurora").await.with_mews().await;
    let mut stays = BTreeMap::new();
    let (mut failed, mut moved) = (0, 0);
    for _ in 0..steps {
        // The second that is passing is read again.
        portal.clock.advance(Duration::seconds(2));
        for _ in 0..rng.random_range(1..60) {
            happen(&hotel, &mut stays, &mut rng);
        }
        let before = mark(&hotel).await;
        failed += trouble(&portal, &mut rng);
        portal
            .clock
            .advance(Duration::seconds(rng.random_range(1..90)));
        for _ in 0..rng.random_range(1..4) {
            // One round may read one page.
            portal.round().await.expect("the database");
            let (rows, mark) = (stored(&hotel).await, mark(&hotel).await);
            for (id, changed) in &stays {
                if mark.is_some_and(|mark| changed.0 < mark) {
                    let row = rows.get(id);
                    assert!(
                        is_known(changed, row),
                        "{replay}: {changed:?} {row:?}, read up to {mark:?}"
                    );
                }
            }
        }
        moved += u32::from(mark(&hotel).await > before);
    }
    // And nothing is missing in the end.
    portal.mews.clear_faults();
    for _ in 0..3 {
        portal.next_look().await;
    }
    let rows = stored(&hotel).await;
    for (id, changed) in &stays {
        let row = rows.get(id);
        assert!(
            is_known(changed, row),
            "{replay}: {changed:?} {row:?}, missing in the end"
        );
    }
    println!("{} stays, {failed} troubles, {moved} moves", stays.len());
    assert!(failed > 0 && moved > 0, "{replay}");
}
