//! CODE-1 to CODE-4: codes on locks.

use super::house::LocksScene;
use super::run::{Answered, Checked, fail, must};
use super::stage::{Fault, LockEntry, Wire};
use crate::{AdapterError, Code, Held, HeldCode, Refusal, VendorId};
use chrono::Duration;
use secrecy::ExposeSecret;

impl LocksScene {
    async fn put(&self, lock: &VendorId, want: &[Code]) -> Checked<Vec<HeldCode>> {
        let held = self.adapter.put_codes(&self.account, lock, want).await;
        let held = held.answered("put")?;
        let answers = |code: &Code| held.iter().filter(|held| held.mark == code.mark).count();
        must!(
            want.iter().all(|code| answers(code) == 1),
            "of {} codes the answers are {held:?}",
            want.len()
        );
        Ok(held)
    }

    /// Puts, and looks that the lock holds exactly that.
    async fn done(&self, lock: &VendorId, want: &[Code]) -> Checked {
        let held = self.put(lock, want).await?;
        for held in &held {
            let wanted = want.iter().any(|code| code.mark == held.mark);
            let good = match held.is {
                Held::Accepted | Held::Confirmed => wanted,
                Held::Gone => !wanted,
                Held::Differs | Held::Refused(_) => false,
            };
            must!(good, "{} is {:?}", held.mark, held.is);
        }
        self.holds(lock, want)?;
        for (held, code) in self.check(lock, want).await?.iter().zip(want) {
            must!(
                held.mark == code.mark && matches!(held.is, Held::Accepted | Held::Confirmed),
                "{}, just put, is checked as {held:?}",
                code.mark
            );
        }
        Ok(())
    }

    async fn check(&self, lock: &VendorId, want: &[Code]) -> Checked<Vec<HeldCode>> {
        let held = self.adapter.check_codes(&self.account, lock, want).await;
        let held = held.answered("check")?;
        must!(
            held.len() == want.len(),
            "of {} codes {} were checked",
            want.len(),
            held.len()
        );
        Ok(held)
    }

    fn holds(&self, lock: &VendorId, want: &[Code]) -> Checked {
        let ours = self.ours(lock);
        must!(
            ours.len() == want.len(),
            "of {} codes the lock holds {}",
            want.len(),
            ours.len()
        );
        for code in want {
            let is = |entry: &&LockEntry| {
                entry.mark == code.mark
                    && entry.digits == code.pin.expose_secret()
                    && (entry.from, entry.until) == (code.from, code.until)
            };
            must!(
                ours.iter().any(|entry| is(&entry)),
                "{} stands otherwise on the lock",
                code.mark
            );
        }
        Ok(())
    }

    fn ours(&self, lock: &VendorId) -> Vec<LockEntry> {
        let mut codes = self.stage.codes(lock);
        codes.retain(|entry| entry.mark.starts_with("portal:"));
        codes
    }

    fn theirs(&self, lock: &VendorId) -> Vec<LockEntry> {
        let mut codes = self.stage.codes(lock);
        codes.retain(|entry| !entry.mark.starts_with("portal:"));
        codes
    }
}

fn is(held: &[HeldCode], mark: &str) -> Option<Held> {
    held.iter()
        .find(|held| held.mark == mark)
        .map(|held| held.is)
}

/// Every lock is told once; putting the same again writes nothing.
pub(super) async fn code_1(scene: &LocksScene) -> Checked {
    let lock = scene.lock().clone();
    let other = scene.stage.add_lock("Another room");
    let devices = scene.adapter.devices(&scene.account).await;
    let devices = devices.answered("devices")?;
    for id in [&lock, &other] {
        let count = devices.iter().filter(|device| device.id == *id).count();
        must!(count == 1, "the lock {id} was told {count} times");
    }
    let want = [scene.code("1", "4711"), scene.code("2", "4712")];
    scene.done(&lock, &want).await?;
    let before = scene.stage.codes(&lock);
    let wire = scene.part(scene.wire());
    let writes = || wire.map_or(0, Wire::writes);
    let written = writes();
    for _ in 0..2 {
        scene.done(&lock, &want).await?;
    }
    must!(
        writes() == written && scene.stage.codes(&lock) == before,
        "the same codes were written again"
    );
    Ok(())
}

/// Other digits, other times, none: each ends as wished, digits are text, two guests swap theirs,
/// and one code that is refused keeps back no other.
pub(super) async fn code_2(scene: &LocksScene) -> Checked {
    let lock = scene.lock().clone();
    for digits in ["4711", "0042", "000000009", "12345", "0000", "987654"] {
        scene.done(&lock, &[scene.code("1", digits)]).await?;
    }
    let mut longer = scene.code("1", "987654");
    longer.until += Duration::days(1);
    scene.done(&lock, &[longer]).await?;
    let pairs = [("4711", "4712"), ("4712", "4711"), ("4711", "4712")];
    for (one, other) in pairs {
        let want = [scene.code("1", one), scene.code("2", other)];
        scene.done(&lock, &want).await?;
    }
    scene.done(&lock, &[scene.code("3", "4711")]).await?;
    scene.done(&lock, &[]).await?;
    if let Some(digits) = scene.part(scene.stage.refused_digits()) {
        let want = [
            scene.code("1", "4711"),
            scene.code("2", digits),
            scene.code("3", "4713"),
        ];
        let held = scene.put(&lock, &want).await?;
        let refused = is(&held, "portal:2");
        must!(
            refused == Some(Held::Refused(Refusal::Code)),
            "digits no lock takes are {refused:?}"
        );
        let [one, _, three] = want;
        scene.holds(&lock, &[one, three])?;
        scene.done(&lock, &[]).await?;
    }
    if scene.part(scene.stage.set_max_codes(&lock, 1)).is_some() {
        let want = [scene.code("1", "4711"), scene.code("2", "4712")];
        let held = scene.put(&lock, &want).await?;
        let full = is(&held, "portal:2");
        must!(
            full == Some(Held::Refused(Refusal::Full)),
            "a code more than fits is {full:?}"
        );
        let [one, _] = want;
        scene.holds(&lock, &[one])?;
    }
    Ok(())
}

/// An answer that was lost leaves what was wished; a lock that is cut off keeps what it has.
pub(super) async fn code_3(scene: &LocksScene) -> Checked {
    let lock = scene.lock().clone();
    let wishes = [vec!["4711"], vec!["4712", "4713"], vec!["4713"], vec![]];
    for wish in wishes {
        let want: Vec<Code> = (1..)
            .zip(wish)
            .map(|(mark, digits)| scene.code(&format!("{mark}"), digits))
            .collect();
        if let Some(wire) = scene.part(scene.wire()) {
            wire.next_write(Fault::CommitThenDrop);
            let lost = scene.adapter.put_codes(&scene.account, &lock, &want).await;
            must!(
                matches!(lost, Err(AdapterError::Unreachable(_))),
                "an answer that was lost became {lost:?}"
            );
            wire.next(None);
        }
        scene.done(&lock, &want).await?;
    }
    let want = [scene.code("1", "4711")];
    scene.done(&lock, &want).await?;
    scene.stage.set_online(&lock, false);
    let offline = scene.adapter.put_codes(&scene.account, &lock, &[]).await;
    match offline {
        Err(AdapterError::Unreachable(_)) => {}
        Ok(held) if is(&held, "portal:1") == Some(Held::Differs) => {}
        answer => fail!("a lock that is cut off answered {answer:?}"),
    }
    scene.holds(&lock, &want)?;
    scene.stage.set_online(&lock, true);
    scene.done(&lock, &[]).await
}

/// What staff did to our codes is seen and put right; codes of others stay as they are.
pub(super) async fn code_4(scene: &LocksScene) -> Checked {
    let lock = scene.lock().clone();
    let entry = |code: Code, mark: &str| LockEntry {
        mark: mark.to_owned(),
        digits: code.pin.expose_secret().to_owned(),
        from: code.from,
        until: code.until,
    };
    for (mark, digits) in [("cleaning", "5551"), ("portal", "5552"), ("1", "5553")] {
        scene
            .stage
            .set_code(&lock, &entry(scene.code("1", digits), mark));
    }
    let before = scene.theirs(&lock);
    let want = [scene.code("1", "4711"), scene.code("2", "4712")];
    scene.done(&lock, &want).await?;
    let edited = entry(scene.code("1", "9999"), "portal:1");
    scene.stage.set_code(&lock, &edited);
    scene.stage.drop_code(&lock, "portal:2");
    let seen = scene.check(&lock, &want).await?;
    for (mark, expected) in [("portal:1", Held::Differs), ("portal:2", Held::Gone)] {
        let seen = is(&seen, mark);
        must!(
            seen == Some(expected),
            "what staff did to {mark} is seen as {seen:?}"
        );
    }
    scene.done(&lock, &want).await?;
    scene.done(&lock, &[]).await?;
    must!(
        scene.theirs(&lock) == before,
        "codes of others are others afterwards"
    );
    Ok(())
}
