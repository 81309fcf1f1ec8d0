//! PULL-1 to PULL-4: reading what changed.

use super::house::PmsScene;
use super::model::{Model, Seen};
use super::run::{Answered, Checked, fail, must};
use super::stage::Act;
use crate::{AdapterError, Cursor, Pms, Pull, Pulled, VendorId};
use chrono::{DateTime, Duration, Utc};
use std::collections::BTreeSet;

/// Most pages anything here is read in.
const PAGES: usize = 1000;
/// Longest cursor, in bytes.
const LONGEST_CURSOR: usize = 8 * 1024;

/// The cursor for "from now on", then the window, then the changes: together the whole, whatever
/// happens between and meanwhile. Afterwards nothing more comes.
pub(super) async fn pull_1(scene: &PmsScene) -> Checked {
    let (one, other) = (scene.room("One"), scene.room("Other"));
    let mut model = Model::default();
    let stays: Vec<VendorId> = (0..6)
        .map(|day| model.book(scene, scene.booking(Some(&one), day, day + 2)))
        .collect();
    scene.pass(Duration::hours(1));
    let start = scene.start_of_changes().await?;
    model.book(scene, scene.booking(None, 3, 4));
    let days = Days::around(scene);
    let mut seen = Seen::default();
    let mut at = None;
    for page in 1.. {
        must!(page < PAGES, "a window of a few stays has no end");
        let pulled = scene.pull(days.window(at), 2).await;
        let pulled = pulled.answered("a window")?;
        seen.take(pulled.reservations);
        if page == 1 {
            // One leaves the page already read: whoever counts instead of remembering where it
            // was loses the third, to which nothing happens.
            let from = scene.now() + Duration::days(10);
            for (stay, act) in [
                (0, Act::Redate(from, from + Duration::days(1))),
                (1, Act::Assign(other.clone())),
                (3, Act::Unassign),
                (4, Act::RenameGuest("Grace Hill".to_owned())),
                (5, Act::CheckIn),
            ] {
                model.act(scene, &stays[stay], act);
            }
            model.book(scene, scene.booking(Some(&other), 4, 5));
        }
        if !pulled.more {
            break;
        }
        at = Some(pulled.cursor);
    }
    let cursor = read_on(scene, scene.adapter.as_ref(), &mut seen, start, 2).await?;
    model.is(&seen, "a window and the changes since")?;
    quiet(scene, cursor).await
}

/// Whether reading comes to rest when nothing changes.
pub(super) async fn quiet(scene: &PmsScene, mut cursor: Cursor) -> Checked {
    let mut read = 0;
    for _ in 0..3 {
        scene.pass(Duration::hours(2));
        let mut seen = Seen::default();
        cursor = read_on(scene, scene.adapter.as_ref(), &mut seen, cursor, 100).await?;
        read = seen.0.len();
    }
    must!(read == 0, "{read} stays are read again and again");
    Ok(())
}

/// Reads changes to their end; answers the cursor after them.
pub(super) async fn read_on(
    scene: &PmsScene,
    adapter: &dyn Pms,
    seen: &mut Seen,
    mut cursor: Cursor,
    limit: u32,
) -> Checked<Cursor> {
    for _ in 0..PAGES {
        let since = Some(cursor);
        let pulled = adapter.pull(&scene.account, Pull::Changes { since }, limit);
        let pulled = pulled.await.answered("changes")?;
        seen.take(pulled.reservations);
        cursor = pulled.cursor;
        if !pulled.more {
            return Ok(cursor);
        }
    }
    fail!("changes of a few stays have no end")
}

/// A window around now.
#[derive(Clone, Copy)]
pub(super) struct Days {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
}

impl Days {
    fn around(scene: &PmsScene) -> Self {
        Self {
            from: scene.now() - Duration::days(1),
            to: scene.now() + Duration::days(30),
        }
    }

    pub(super) fn window(self, at: Option<Cursor>) -> Pull {
        let Self { from, to } = self;
        Pull::Window { from, to, at }
    }
}

/// Which of both is read.
#[derive(Clone)]
enum Reading {
    Window(Days),
    Changes(Cursor),
}

impl Reading {
    fn ask(&self, at: Option<&Cursor>) -> Pull {
        match self {
            Self::Window(days) => days.window(at.cloned()),
            Self::Changes(start) => Pull::Changes {
                since: Some(at.unwrap_or(start).clone()),
            },
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Window(_) => "a window",
            Self::Changes(_) => "changes",
        }
    }
}

/// Whoever stops after any page and goes on later with the cursor kept, in another process, loses
/// nothing. Cursors are small; those of another kind or version are stale, old ones at most that.
pub(super) async fn pull_2(scene: &PmsScene) -> Checked {
    let room = scene.room("One");
    let start = scene.start_of_changes().await?;
    scene.pass(Duration::hours(1));
    let mut model = Model::default();
    for day in 0..7 {
        model.book(scene, scene.booking(Some(&room), day, day + 2));
    }
    let days = Days::around(scene);
    for reading in [Reading::Window(days), Reading::Changes(start.clone())] {
        let name = reading.name();
        let pages = stopped(scene, &model, &reading, PAGES).await?;
        must!(pages > 1, "{name}: seven stays came in one page of three");
        for stop in 1..pages {
            stopped(scene, &model, &reading, stop).await?;
        }
    }
    stale(scene, days, &start).await?;
    scene.pass(Duration::days(400));
    for reading in [Reading::Window(days), Reading::Changes(start)] {
        match scene.pull(reading.ask(None), 3).await {
            Ok(_) | Err(AdapterError::StaleCursor) => {}
            Err(error) => fail!("an old cursor is answered with {error:?}"),
        }
    }
    Ok(())
}

/// Reads with one adapter for so many pages, then with another after some hours. Answers how many
/// pages the first read.
async fn stopped(
    scene: &PmsScene,
    model: &Model,
    reading: &Reading,
    stop: usize,
) -> Checked<usize> {
    let name = reading.name();
    let mut seen = Seen::default();
    let (first, second) = (scene.restarted(), scene.restarted());
    let mut kept = None;
    let mut read = 0;
    while read < stop {
        let Pulled {
            reservations,
            cursor,
            more,
            ..
        } = page(scene, first.as_ref(), reading.ask(kept.as_ref())).await?;
        must!(
            cursor.0.len() <= LONGEST_CURSOR,
            "{name}: a cursor has {} bytes",
            cursor.0.len()
        );
        seen.take(reservations);
        read += 1;
        if !more {
            model.is(&seen, &format!("{name} read to the end"))?;
            return Ok(read);
        }
        must!(read < PAGES, "{name} of seven stays has no end");
        kept = Some(cursor);
    }
    scene.pass(Duration::hours(2));
    for _ in 0..PAGES {
        let ask = reading.ask(kept.as_ref());
        let pulled = match second.pull(&scene.account, ask, 3).await {
            // Then the core begins again; of changes it reads the window anew.
            Err(AdapterError::StaleCursor) if kept.is_some() => {
                kept = None;
                continue;
            }
            pulled => pulled.answered(name)?,
        };
        seen.take(pulled.reservations);
        if !pulled.more {
            model.is(&seen, &format!("{name} left after {stop} pages"))?;
            return Ok(read);
        }
        kept = Some(pulled.cursor);
    }
    fail!("{name} of seven stays has no end when it is left")
}

async fn page(scene: &PmsScene, adapter: &dyn Pms, ask: Pull) -> Checked<Pulled> {
    let pulled = adapter.pull(&scene.account, ask, 3).await;
    pulled.answered("a page")
}

async fn stale(scene: &PmsScene, days: Days, changes: &Cursor) -> Checked {
    let window = scene.pull(days.window(None), 3).await;
    let window = window.answered("a window")?.cursor;
    let texts = ["", "0", "{}", "null", "999", "not a cursor", r#"{"v":999}"#];
    for text in texts.map(|text| Cursor(text.to_owned())) {
        let since = Some(text.clone());
        let asks = [days.window(Some(text)), Pull::Changes { since }];
        for ask in asks {
            must_be_stale(scene, ask).await?;
        }
    }
    let since = Some(window);
    must_be_stale(scene, Pull::Changes { since }).await?;
    must_be_stale(scene, days.window(Some(changes.clone()))).await
}

async fn must_be_stale(scene: &PmsScene, ask: Pull) -> Checked {
    let asked = format!("{ask:?}");
    let pulled = scene.pull(ask, 3).await;
    must!(
        pulled == Err(AdapterError::StaleCursor),
        "a cursor nobody gave out was taken: {asked}"
    );
    Ok(())
}

/// What changes while pages are read is seen, then or by the next read; and so is what changes in
/// the very second in which reading ended.
pub(super) async fn pull_3(scene: &PmsScene) -> Checked {
    let (one, other) = (scene.room("One"), scene.room("Other"));
    let mut model = Model::default();
    let start = scene.start_of_changes().await?;
    let book = |model: &mut Model| model.book_at_once(scene, scene.booking(Some(&one), 1, 2));
    let stays: Vec<VendorId> = (0..5).map(|_| book(&mut model)).collect();
    let mut seen = Seen::default();
    let since = Some(start);
    let first = scene.pull(Pull::Changes { since }, 2).await;
    let first = first.answered("changes")?;
    must!(first.more, "five stays came in one page of two");
    seen.take(first.reservations);
    for stay in [&stays[0], &stays[2], &stays[4]] {
        model.act_at_once(scene, stay, Act::Assign(other.clone()));
    }
    book(&mut model);
    let adapter = scene.adapter.as_ref();
    let mut cursor = read_on(scene, adapter, &mut seen, first.cursor, 2).await?;
    cursor = read_on(scene, adapter, &mut seen, cursor, 2).await?;
    model.is(&seen, "changes while changes were read")?;

    for room in [&one, &other, &one] {
        model.act_at_once(scene, &stays[1], Act::Assign(room.clone()));
        let late = book(&mut model);
        cursor = read_on(scene, adapter, &mut seen, cursor, 100).await?;
        model.has(&seen, &stays[1], "two changes in one second")?;
        model.has(&seen, &late, "a booking in the second of another")?;
    }
    Ok(())
}

/// Each kind of change arrives, whatever the state it leads to.
pub(super) async fn pull_4(scene: &PmsScene) -> Checked {
    let (one, other) = (scene.room("One"), scene.room("Other"));
    let mut model = Model::default();
    let stay = model.book(scene, scene.booking(None, 0, 2));
    let second = model.book(scene, scene.booking(Some(&one), 0, 2));
    let later = scene.now() + Duration::days(3);
    scene.pass(Duration::hours(1));
    let mut cursor = scene.start_of_changes().await?;
    for (stay, act) in [
        (&stay, Act::Assign(one.clone())),
        (&stay, Act::Assign(other)),
        (&stay, Act::Unassign),
        (&stay, Act::Assign(one)),
        (&stay, Act::Redate(later, later + Duration::days(2))),
        (&stay, Act::RenameGuest("Grace Hill".to_owned())),
        (&stay, Act::CheckIn),
        (&stay, Act::CheckOut),
        (&second, Act::Cancel),
    ] {
        scene.pass(Duration::hours(1));
        let after = format!("{act:?}");
        model.act(scene, stay, act);
        let mut seen = Seen::default();
        cursor = read_on(scene, scene.adapter.as_ref(), &mut seen, cursor, 100).await?;
        model.has(&seen, stay, &after)?;
        let fetched = scene
            .adapter
            .fetch(&scene.account, std::slice::from_ref(stay));
        let fetched = fetched.await.answered("fetch")?;
        let ids: BTreeSet<&VendorId> = fetched.reservations.iter().map(|stay| &stay.id).collect();
        must!(
            ids == BTreeSet::from([stay]),
            "{stay} was fetched as {ids:?}"
        );
        let mut seen = Seen::default();
        seen.take(fetched.reservations);
        model.has(&seen, stay, &after)?;
    }
    Ok(())
}
