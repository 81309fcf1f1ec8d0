//! PULL-5: reading the stays that touch a window.

use super::house::PmsScene;
use super::pull::Days;
use super::run::{Answered, Checked, fail, must};
use super::stage::{Booking, Fault};
use crate::{AdapterError, Trouble, Unreadable, VendorId};
use chrono::{Duration, DurationRound};
use std::collections::BTreeSet;

/// Whatever touches the window is in it, over pages of any size and pages without anything. What
/// cannot be read is set aside, and who is silent is given up on.
pub(super) async fn pull_5(scene: &PmsScene) -> Checked {
    let room = scene.room("One");
    let now = scene.now();
    let day = now.duration_trunc(Duration::days(1)).unwrap_or(now) + Duration::days(10);
    let days = Days {
        from: day,
        to: day + Duration::days(1),
    };
    let booking = |from: i64, until: i64| Booking {
        guest: Some("Ada Quist".to_owned()),
        room: Some(room.clone()),
        from: day + Duration::hours(from),
        until: day + Duration::hours(until),
    };
    for far in [booking(-200, -100), booking(100, 200)] {
        scene.stage.book(&far);
    }
    let inside: BTreeSet<VendorId> = [(9, 17), (-40, 11), (-1, 1), (15, 60), (23, 25), (-900, 900)]
        .into_iter()
        .map(|(from, until)| scene.stage.book(&booking(from, until)))
        .collect();
    for limit in [1, 2, 4, 100] {
        let (read, _) = read(scene, days, limit).await?;
        must!(
            read == inside,
            "by pages of {limit}: {} of {} stays of a day were read, {} that are not of it",
            read.intersection(&inside).count(),
            inside.len(),
            read.difference(&inside).count()
        );
    }
    empty_pages(scene, days, &inside).await?;
    unreadable(scene, days, &booking(8, 20)).await?;
    bad_references(scene, days, &booking(8, 20)).await?;
    deadline(scene, days).await
}

/// Reads a window to its end.
async fn read(
    scene: &PmsScene,
    days: Days,
    limit: u32,
) -> Checked<(BTreeSet<VendorId>, Vec<Unreadable>)> {
    let (mut read, mut aside) = (BTreeSet::new(), Vec::new());
    let mut at = None;
    for _ in 0..1000 {
        let pulled = scene.pull(days.window(at), limit).await;
        let pulled = pulled.answered("a window")?;
        must!(
            pulled.reservations.len() <= usize::try_from(limit).unwrap_or_default(),
            "{} stays came in a page of {limit}",
            pulled.reservations.len()
        );
        let ids = pulled.reservations.into_iter().map(|stay| stay.id);
        read.extend(ids);
        aside.extend(pulled.unreadable);
        if !pulled.more {
            return Ok((read, aside));
        }
        at = Some(pulled.cursor);
    }
    fail!("a window of a few stays has no end")
}

/// A page without stays is not the end: neither one of things without a door, nor months in which
/// nobody comes.
async fn empty_pages(scene: &PmsScene, days: Days, inside: &BTreeSet<VendorId>) -> Checked {
    let without_door = Booking {
        guest: Some("Ada Quist".to_owned()),
        room: None,
        from: days.from + Duration::hours(1),
        until: days.from + Duration::hours(9),
    };
    for _ in 0..3 {
        let booked = scene.stage.book_without_door(&without_door);
        if scene.part(booked).is_none() {
            break;
        }
        for limit in [1, 2] {
            let (read, _) = read(scene, days, limit).await?;
            must!(
                read == *inside,
                "{} of {} stays were read beside something without a door",
                read.len(),
                inside.len()
            );
        }
    }
    let far = days.to + Duration::days(300);
    let last = scene.stage.book(&Booking {
        from: far,
        until: far + Duration::days(1),
        ..without_door
    });
    let long = Days {
        from: days.to + Duration::days(60),
        to: far + Duration::days(2),
    };
    let (read, _) = read(scene, long, 100).await?;
    must!(
        read == BTreeSet::from([last]),
        "of a window of eight months {} stays were read, not the one at its end",
        read.len()
    );
    Ok(())
}

async fn unreadable(scene: &PmsScene, days: Days, booking: &Booking) -> Checked {
    let (before, aside) = read(scene, days, 100).await?;
    must!(aside.is_empty(), "good stays were set aside: {aside:?}");
    let booked = scene.stage.book_unreadable(booking);
    if scene.part(booked).is_none() {
        return Ok(());
    }
    for limit in [1, 100] {
        let (read, aside) = read(scene, days, limit).await?;
        must!(
            read == before,
            "beside one that cannot be read, {} of {} stays were read",
            read.len(),
            before.len()
        );
        must!(
            aside.len() == 1 && aside.iter().all(|aside| !aside.at.is_empty()),
            "one that cannot be read was set aside as {aside:?}"
        );
    }
    Ok(())
}

/// What only leads to a name or a kind keeps neither the stay back nor the others of its page.
async fn bad_references(scene: &PmsScene, days: Days, booking: &Booking) -> Checked {
    let (mut expected, _) = read(scene, days, 100).await?;
    let booked = scene.stage.book_with_bad_references(booking);
    let Some(stay) = scene.part(booked) else {
        return Ok(());
    };
    expected.insert(stay);
    let (read, _) = read(scene, days, 100).await?;
    must!(
        read == expected,
        "beside one with bad references, {} of {} stays were read",
        read.len(),
        expected.len()
    );
    Ok(())
}

async fn deadline(scene: &PmsScene, days: Days) -> Checked {
    let Some(wire) = scene.part(scene.wire()) else {
        return Ok(());
    };
    let Some(longest) = scene.part(scene.stage.longest_pull()) else {
        return Ok(());
    };
    wire.next(Some(Fault::Delay(longest * 100)));
    let pulled = scene.pull(days.window(None), 100).await;
    wire.next(None);
    must!(
        pulled == Err(AdapterError::Unreachable(Trouble::Deadline)),
        "a vendor that said nothing was waited for, and then {pulled:?}"
    );
    Ok(())
}
