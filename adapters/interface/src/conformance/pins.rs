//! PIN-1 to PIN-4: PINs on reservations.
//!
//! As the core does, a wish names the entry's identifier where it was told one (`known`). PIN-3 alone
//! leaves it out for entries that are there, as after an answer that was lost.

use super::house::PmsScene;
use super::model::Seen;
use super::pull::{quiet, read_on};
use super::run::{Answered, Checked, fail, must};
use super::stage::{Can, Cannot, Fault, PinEntry, PinStage, Wire};
use super::stay::another;
use crate::{AdapterError, PinCopy, PinStore, StayPin, StayPins, VendorId};
use chrono::Duration;

/// Both sides of storing PINs, and a guest.
struct Desk<'a> {
    scene: &'a PmsScene,
    stage: &'a dyn PinStage,
    store: &'a dyn PinStore,
    stay: VendorId,
    room: VendorId,
}

impl<'a> Desk<'a> {
    fn open(scene: &'a PmsScene) -> Can<Self> {
        let Some(store) = scene.adapter.pins() else {
            return Err(Cannot("the app stores no PINs"));
        };
        let stage = scene.pin_stage()?;
        let (stay, room) = scene.guest().clone();
        Ok(Self {
            scene,
            stage,
            store,
            stay,
            room,
        })
    }

    fn wish(&self, digits: &str) -> StayPins {
        self.scene.wish(&self.stay, &self.room, digits)
    }

    fn nothing(&self) -> StayPins {
        let pin = None;
        StayPins {
            pin,
            ..self.wish("0")
        }
    }

    /// Puts, and looks that it is as wished. Answers whether anything was written.
    async fn put(&self, want: &mut StayPins) -> Checked<bool> {
        let stored = self.store.put(&self.scene.account, want).await;
        let stored = stored.answered("put")?;
        let ours = self.ours(want);
        match (&want.pin, ours.as_slice()) {
            (None, []) => {}
            (None, _) => fail!("{} entries are left of no PIN", ours.len()),
            (Some(pin), [entry]) if is(entry, pin) => must!(
                stored.id.as_ref() == Some(&entry.id),
                "the entry {} is called {:?}",
                entry.id,
                stored.id
            ),
            (Some(_), [entry]) => fail!("the entry is {}", told(entry)),
            (Some(_), ours) => fail!("of one PIN there are {} entries", ours.len()),
        }
        must!(
            self.check(want).await? == PinCopy::Match,
            "what was just stored does not match"
        );
        want.known = stored.id;
        Ok(stored.wrote)
    }

    async fn check(&self, want: &StayPins) -> Checked<PinCopy> {
        let wants = std::slice::from_ref(want);
        let copies = self.store.check(&self.scene.account, wants).await;
        match copies.answered("check")?.as_slice() {
            [copy] => Ok(*copy),
            copies => fail!("of one wish there are {} copies", copies.len()),
        }
    }

    fn ours(&self, want: &StayPins) -> Vec<PinEntry> {
        let mut entries = self.stage.holds(&self.stay);
        entries.retain(|entry| entry.mark.as_deref() == Some(&want.mark));
        entries
    }

    /// What the suite must do without a network, it says once.
    fn wire(&self) -> Option<&dyn Wire> {
        self.scene.part(self.scene.wire())
    }
}

/// Whether an entry is as wished. Vendors that know whole seconds round outwards.
fn is(entry: &PinEntry, pin: &StayPin) -> bool {
    use secrecy::ExposeSecret;
    entry.digits == pin.pin.expose_secret()
        && entry.room.as_ref() == Some(&pin.room)
        && entry.from == pin.from
        && entry.until == pin.until
}

/// An entry without its digits.
fn told(entry: &PinEntry) -> String {
    let PinEntry {
        room, from, until, ..
    } = entry;
    let digits = entry.digits.len();
    format!("{digits} digits for {room:?} from {from} until {until}, not as wished")
}

/// Putting the same again writes nothing, and what was written is no change of the stay that would
/// be read for ever.
pub(super) async fn pin_1(scene: &PmsScene) -> Checked {
    let desk = Desk::open(scene)?;
    scene.pass(Duration::hours(1));
    let cursor = scene.start_of_changes().await?;
    let fetched = scene
        .adapter
        .fetch(&scene.account, std::slice::from_ref(&desk.stay));
    let before = fetched.await.answered("fetch")?.reservations;
    let mut want = desk.wish("4711");
    must!(desk.put(&mut want).await?, "a new PIN was not written");
    let first = desk.ours(&want);
    let writes = || desk.wire().map_or(0, Wire::writes);
    let written = writes();
    for _ in 0..2 {
        let wrote = desk.put(&mut want).await?;
        must!(!wrote, "the same PIN was written again");
    }
    must!(
        writes() == written && desk.ours(&want) == first,
        "the same PIN was written again, and nothing said of it"
    );
    let mut seen = Seen::default();
    let cursor = read_on(scene, scene.adapter.as_ref(), &mut seen, cursor, 100).await?;
    for stay in seen.0.values_mut() {
        stay.updated_at = before.first().and_then(|stay| stay.updated_at);
        must!(
            before.contains(stay),
            "storing a PIN changed the stay to {stay:?}"
        );
    }
    quiet(scene, cursor).await
}

/// Whatever is wished instead, that is what is there afterwards; digits are text.
pub(super) async fn pin_2(scene: &PmsScene) -> Checked {
    let desk = Desk::open(scene)?;
    let other = scene.room("Other room");
    let mut want = desk.wish("4711");
    desk.put(&mut want).await?;
    for digits in ["0042", "000000009", "12345", "0000", "987654"] {
        want.pin = desk.wish(digits).pin;
        desk.put(&mut want).await?;
    }
    let changes: [&dyn Fn(&mut StayPin); 4] = [
        &|pin| pin.until += Duration::hours(20),
        &|pin| pin.from -= Duration::hours(2),
        &|pin| pin.room = other.clone(),
        &|pin| pin.common_doors = true,
    ];
    for change in changes {
        let mut pin = desk.wish("987654").pin;
        pin.iter_mut().for_each(change);
        want.pin = pin;
        must!(desk.put(&mut want).await?, "another wish was not written");
    }
    let mut nothing = desk.nothing();
    nothing.known = want.known;
    desk.put(&mut nothing).await?;
    must!(
        desk.check(&desk.wish("987654")).await? == PinCopy::Missing,
        "a PIN that was removed is not missing"
    );
    desk.put(&mut nothing).await?;
    desk.put(&mut desk.wish("987654")).await?;
    many(&desk).await
}

/// Many at once are told in their order, and what is declined for one is stored for the others.
async fn many(desk: &Desk<'_>) -> Checked {
    let scene = desk.scene;
    let digits = ["1001", "1002", "1003", "1004"];
    let mut wants = Vec::new();
    for digits in digits {
        let stay = scene.stage.book(&scene.booking(Some(&desk.room), 0, 2));
        wants.push(scene.wish(&stay, &desk.room, digits));
    }
    if let Some(pin) = &mut wants[1].pin {
        pin.room = another(&desk.room);
    }
    wants[2].pin = None;
    for _ in 0..2 {
        let stored = desk.store.put_all(&scene.account, &wants).await;
        let stored = stored.answered("many PINs at once")?;
        must!(
            stored.len() == wants.len(),
            "of {} wishes {} were answered",
            wants.len(),
            stored.len()
        );
        for (index, (want, stored)) in wants.iter().zip(&stored).enumerate() {
            let held = desk.stage.holds(&want.reservation);
            let held: Vec<_> = held
                .iter()
                .map(|entry| (&entry.id, &entry.digits))
                .collect();
            let is_right = match (stored, held.as_slice()) {
                (Err(AdapterError::Declined { .. }), []) => index == 1,
                (Ok(stored), []) => index == 2 && stored.id.is_none(),
                (Ok(stored), [(id, digits)]) => {
                    let right = index == 0 || index == 3;
                    let told = stored.id.as_ref() == Some(id);
                    right && told && digits.as_str() == ["1001", "1004"][index / 3]
                }
                _ => false,
            };
            must!(
                is_right,
                "of many PINs at once, number {index} became {stored:?} with {} entries",
                held.len()
            );
        }
        for (want, stored) in wants.iter_mut().zip(stored) {
            want.known = stored.ok().and_then(|stored| stored.id);
        }
    }
    Ok(())
}

/// An answer that was lost leaves one entry, and so does whoever else wrote under our mark.
pub(super) async fn pin_3(scene: &PmsScene) -> Checked {
    let desk = Desk::open(scene)?;
    let account = &scene.account;
    for digits in [Some("4711"), Some("4712"), None] {
        let want = || match digits {
            Some(digits) => desk.wish(digits),
            None => desk.nothing(),
        };
        match desk.wire() {
            Some(wire) => {
                wire.next_write(Fault::CommitThenDrop);
                let lost = desk.store.put(account, &want()).await;
                must!(
                    matches!(lost, Err(AdapterError::Unreachable(_))),
                    "an answer that was lost became {lost:?}"
                );
                wire.next(None);
            }
            // The answer comes, but nobody keeps it.
            None => drop(desk.store.put(account, &want()).await),
        }
        desk.put(&mut want()).await?;
    }
    for digits in ["1111", "2222"] {
        desk.stage.hold(&desk.stay, &desk.wish("0").mark, digits);
    }
    must!(
        desk.check(&desk.wish("2222")).await? == PinCopy::Differs,
        "two entries of ours match one wish"
    );
    desk.put(&mut desk.wish("2222")).await.map(drop)
}

/// What staff did to our entry is seen and put right; what others noted stays as it is.
pub(super) async fn pin_4(scene: &PmsScene) -> Checked {
    let desk = Desk::open(scene)?;
    let mut want = desk.wish("4711");
    for (mark, digits) in [("portal:10", "4711"), ("portal:", "1"), ("desk", "5555")] {
        desk.stage.hold(&desk.stay, mark, digits);
    }
    let others = || {
        let mut entries = desk.stage.holds(&desk.stay);
        entries.retain(|entry| entry.mark.as_deref() != Some("portal:1"));
        entries
    };
    let before = others();
    must!(
        desk.check(&want).await? == PinCopy::Missing,
        "an entry of others was taken for ours"
    );
    let untouched = |when: &str| {
        must!(
            others() == before,
            "entries of others are others after {when}"
        );
        Ok(())
    };
    desk.put(&mut want).await?;
    untouched("a PIN was stored")?;
    for act in ["edited", "deleted"] {
        let Some(entry) = desk.ours(&want).pop() else {
            fail!("our entry is gone");
        };
        let expected = if act == "edited" {
            desk.stage.edit(&entry.id, "9999");
            PinCopy::Differs
        } else {
            desk.stage.delete(&entry.id);
            PinCopy::Missing
        };
        let seen = desk.check(&want).await?;
        must!(
            seen == expected,
            "an entry that staff {act} is seen as {seen:?}"
        );
        must!(
            desk.put(&mut want).await?,
            "an entry that staff {act} was not written"
        );
        untouched("ours was put right")?;
    }
    let mut nothing = desk.nothing();
    nothing.known = want.known;
    desk.put(&mut nothing).await?;
    untouched("ours was removed")
}
