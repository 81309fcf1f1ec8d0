//! STAY-1: stays that are unlike others.

use super::house::PmsScene;
use super::model::Seen;
use super::pull::read_on;
use super::run::{Answered, Checked, fail, must};
use super::stage::{Booking, Wire};
use crate::{Fetched, Reservation, ReservationState, VendorId};
use chrono::Duration;
use std::collections::BTreeSet;

/// A state nobody described is unknown, a company is no guest, and of what is asked for by
/// identifiers only that is answered, and that there is.
pub(super) async fn stay_1(scene: &PmsScene) -> Checked {
    let stage = &scene.stage;
    let room = scene.room("One");
    let booking = scene.booking(Some(&room), 1, 2);
    let start = scene.start_of_changes().await?;
    scene.pass(Duration::hours(1));
    let stay = stage.book(&booking);
    let other = stage.book(&booking);
    by_id(scene, &stay, &other).await?;

    let nobody = Booking {
        guest: None,
        ..booking.clone()
    };
    let mut unnamed = Vec::new();
    unnamed.extend(scene.part(stage.book_for_company(&nobody)));
    for stay in unnamed {
        let guest = one(scene, &stay).await?.guest_name;
        must!(guest.is_none(), "a company is the guest {guest:?}");
    }
    if let Some(stay) = scene.part(stage.book_for_company(&booking)) {
        let guest = one(scene, &stay).await?.guest_name;
        must!(
            guest == booking.guest,
            "the guest of a company is {guest:?}"
        );
    }
    if let Some(stay) = scene.part(stage.book_in_unknown_state(&booking)) {
        let mut seen = Seen::default();
        read_on(scene, scene.adapter.as_ref(), &mut seen, start, 100).await?;
        let Some(read) = seen.0.get(&stay) else {
            fail!("a stay in an unknown state was not read");
        };
        must!(
            read.state == ReservationState::Unknown,
            "an unknown state was read as {:?}",
            read.state
        );
        must!(
            !read.raw_state.is_empty(),
            "nobody can tell which state is unknown"
        );
    }
    Ok(())
}

async fn by_id(scene: &PmsScene, stay: &VendorId, other: &VendorId) -> Checked {
    let calls = || scene.wire().map_or(0, Wire::requests);
    let before = calls();
    let none = fetch(scene, &[]).await?;
    must!(
        none.is_empty(),
        "no identifiers fetched {} stays",
        none.len()
    );
    must!(
        calls() == before,
        "no identifiers took {} calls",
        calls() - before
    );
    let unknown = vec![another(stay)];
    let read = fetch(scene, &unknown).await?;
    must!(read.is_empty(), "an unknown identifier fetched {read:?}");
    let mut all = unknown;
    all.extend([other.clone(), stay.clone()]);
    let read = fetch(scene, &all).await?;
    must!(
        read == BTreeSet::from([stay.clone(), other.clone()]),
        "of two stays and one unknown, {read:?} were fetched"
    );
    Ok(())
}

/// An identifier of the form all of the vendor's have, that none has.
pub(super) fn another(id: &VendorId) -> VendorId {
    let mut text = id.as_str().to_owned();
    let last = if text.ends_with('0') { "1" } else { "0" };
    let kept = text.char_indices().last().map_or(0, |(at, _)| at);
    text.replace_range(kept.., last);
    VendorId::new(text).unwrap_or_else(|| id.clone())
}

async fn fetch(scene: &PmsScene, ids: &[VendorId]) -> Checked<BTreeSet<VendorId>> {
    let fetched = scene.adapter.fetch(&scene.account, ids).await;
    let Fetched {
        reservations,
        unreadable,
    } = fetched.answered("fetch")?;
    must!(
        unreadable.is_empty(),
        "good stays were set aside: {unreadable:?}"
    );
    Ok(reservations.into_iter().map(|stay| stay.id).collect())
}

async fn one(scene: &PmsScene, stay: &VendorId) -> Checked<Reservation> {
    let fetched = scene
        .adapter
        .fetch(&scene.account, std::slice::from_ref(stay));
    let mut stays = fetched.await.answered("fetch")?.reservations;
    match stays.pop() {
        Some(stay) if stays.is_empty() => Ok(stay),
        _ => fail!("the stay {stay} was not fetched"),
    }
}
