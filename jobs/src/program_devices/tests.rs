//! What each answer of a lock makes of a PIN on it.

use super::*;
use crate::{Apps, Chance};
use portal_domain::{IntegrationId, ReadBack, Window};
use portal_interface::FixedClock;
use portal_store::{Db, Sealer};
use std::sync::Arc;
use tempfile::TempDir;

type Answer = Result<Vec<HeldCode>, AdapterError>;

fn now() -> DateTime<Utc> {
    "2026-12-01T09:00:00Z".parse().expect("a time")
}

fn env() -> (TempDir, Env) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("portal.db").display());
    let env = Env {
        db: Db::open(&url).expect("a database"),
        clock: Arc::new(FixedClock::new(now())),
        chance: Chance::seeded(7),
        sealer: Sealer::parse(&Sealer::generate().expect("a key")).expect("a key"),
        apps: Apps::new(Vec::new()),
    };
    (folder, env)
}

fn device(rules: &[DeviceRule]) -> Device {
    Device {
        id: DeviceId::new(),
        property_id: PropertyId::new(),
        integration_id: IntegrationId::new(),
        external_id: "lock-1".to_owned(),
        name: "Lock 101".to_owned(),
        space_id: None,
        installed_at: None,
        installed_by: None,
        connectivity: DeviceConnectivity::Online,
        last_seen_at: None,
        rules: serde_json::to_string(rules).expect("JSON"),
        compared_at: None,
        created_at: now().into(),
    }
}

/// A PIN that the device shall hold from this afternoon on, or shall forget; asked for once.
fn row(device: &Device, status: DevicePinStatus, wanted: bool) -> DevicePin {
    let window = Window {
        from: now() + Duration::hours(5),
        until: now() + Duration::hours(50),
    };
    let property = device.property_id;
    let mut row = DevicePin::new(property, PinId::new(), device.id, window, now(), now());
    row.status = status;
    row.attempts = 1;
    row.outcome_unknown = true;
    if !wanted {
        row.confirmed_until = row.desired_until.take();
        row.desired_from = None;
    }
    row
}

#[expect(clippy::unnecessary_wraps, reason = "an answer may be an error")]
fn held(row: &DevicePin, is: Held) -> Answer {
    let code = HeldCode {
        mark: mark(row.pin_id),
        id: None,
        is,
    };
    Ok(vec![code])
}

fn errors() -> Vec<(AdapterError, EffectError)> {
    let path = || "Codes[0]".to_owned();
    vec![
        (AdapterError::Unauthorized, EffectError::Unauthorized),
        (
            AdapterError::RateLimited { retry_after: None },
            EffectError::RateLimited,
        ),
        (AdapterError::TooHeavy, EffectError::Unreachable),
        (
            AdapterError::Unreachable(Trouble::Deadline),
            EffectError::Unreachable,
        ),
        (
            AdapterError::Unreachable(Trouble::Status(503)),
            EffectError::DeviceOffline,
        ),
        (
            AdapterError::Unreadable { at: path() },
            EffectError::Unreadable,
        ),
    ]
}

const HELD: [Held; 7] = [
    Held::Accepted,
    Held::Confirmed,
    Held::Differs,
    Held::Gone,
    Held::Refused(Refusal::Full),
    Held::Refused(Refusal::Code),
    Held::Refused(Refusal::Other),
];

#[test]
fn what_is_wanted_is_set_sent_tried_again_or_refused_for_good() {
    use DevicePinStatus as S;
    let (_folder, env) = env();
    let device = device(&[DeviceRule::ReadBack(ReadBack::Full)]);
    for (is, status, error) in [
        (Held::Confirmed, S::Set, None),
        (Held::Accepted, S::Sent, None),
        (Held::Differs, S::Waiting, None),
        (Held::Gone, S::Waiting, None),
        (
            Held::Refused(Refusal::Full),
            S::Waiting,
            Some(EffectError::DeviceFull),
        ),
        (
            Held::Refused(Refusal::Code),
            S::Blocked,
            Some(EffectError::CodeNotAllowed),
        ),
        (
            Held::Refused(Refusal::Other),
            S::Blocked,
            Some(EffectError::Declined),
        ),
    ] {
        let mut row = row(&device, S::Waiting, true);
        let answer = held(&row, is);
        settle(&env, &device, &mut row, &answer, now());
        assert_eq!((row.status, row.last_error), (status, error), "{is:?}");
        let done = matches!(status, S::Set | S::Blocked);
        assert_eq!(row.done_generation == row.generation, done, "{is:?}");
        assert_eq!(row.next_attempt_at.is_none(), done, "{is:?}");
        assert!(!row.outcome_unknown, "{is:?}: the lock has answered");
    }
    for (trouble, error) in errors() {
        let mut row = row(&device, S::Waiting, true);
        settle(&env, &device, &mut row, &Err(trouble), now());
        assert_eq!((row.status, row.last_error), (S::Waiting, Some(error)));
        let next = *row.next_attempt_at.expect("another try");
        assert!(next > now() && next <= now() + Duration::minutes(15));
        // Only where nothing was sent is it known that nothing came of it.
        assert_eq!(row.outcome_unknown, error != EffectError::RateLimited);
    }
    let mut row = row(&device, S::Waiting, true);
    let declined = Err(AdapterError::Declined { said: None });
    settle(&env, &device, &mut row, &declined, now());
    assert_eq!(row.status, S::Blocked);
}

#[test]
fn what_a_lock_accepted_is_sent_until_it_is_read_and_written_again_after_ten_minutes() {
    use DevicePinStatus as S;
    let (_folder, env) = env();
    let device = device(&[DeviceRule::ReadBack(ReadBack::Full)]);
    let mut row = row(&device, S::Waiting, true);
    let accepted = held(&row, Held::Accepted);
    for (minutes, status) in [
        (0, S::Sent),
        (5, S::Sent),
        (10, S::Sent),
        (11, S::Waiting),
        (12, S::Sent),
    ] {
        let at = now() + Duration::minutes(minutes);
        settle(&env, &device, &mut row, &accepted, at);
        assert_eq!(row.status, status, "{minutes}");
        assert_eq!(row.next_attempt_at, Some((at + READ_BACK_EVERY).into()));
    }
    let confirmed = held(&row, Held::Confirmed);
    settle(&env, &device, &mut row, &confirmed, now());
    assert_eq!(row.status, S::Set);
    assert_eq!(row.confirmed_how, Some(ConfirmationHow::ReadBack));
    assert_eq!(row.code_matches, Some(true));
    assert_eq!(row.confirmed_until, row.desired_until);
}

#[test]
fn the_word_of_a_lock_that_cannot_be_read_has_to_do() {
    use DevicePinStatus as S;
    let (_folder, env) = env();
    let device = device(&[DeviceRule::ReadBack(ReadBack::None)]);
    let mut set = row(&device, S::Waiting, true);
    let answer = held(&set, Held::Accepted);
    settle(&env, &device, &mut set, &answer, now());
    assert_eq!(set.status, S::Set);
    assert_eq!(set.confirmed_how, Some(ConfirmationHow::Accepted));
    assert_eq!((set.code_matches, set.verified_at), (None, None));
    let mut gone = row(&device, S::Removing, false);
    let answer = held(&gone, Held::Gone);
    settle(&env, &device, &mut gone, &answer, now());
    assert_eq!(gone.status, S::Removed);
    assert_eq!(gone.confirmed_how, Some(ConfirmationHow::Accepted));
    assert_eq!(gone.verified_at, None);
}

#[test]
fn it_is_gone_only_when_the_lock_says_so_and_is_asked_until_then() {
    use DevicePinStatus as S;
    let (_folder, env) = env();
    let forgets = device(&[DeviceRule::ReadBack(ReadBack::Full)]);
    let keeps = device(&[DeviceRule::Revocable(false)]);
    let mut tried = 0;
    for device in [&forgets, &keeps] {
        for &status in S::ALL {
            for wanted in [true, false] {
                let was = row(device, status, wanted);
                let said = HELD.map(|is| (is == Held::Gone, held(&was, is)));
                let silent = [(true, Ok(Vec::new()))];
                let failed = errors().into_iter().map(|(e, _)| (false, Err(e)));
                let declined = [(false, Err(AdapterError::Declined { said: None }))];
                let answers = said.into_iter().chain(silent).chain(failed).chain(declined);
                for (gone, answer) in answers {
                    let mut is = was.clone();
                    settle(&env, device, &mut is, &answer, now());
                    let done = is.done_generation == is.generation;
                    match (wanted, gone) {
                        (false, true) if device == &keeps => assert_eq!(is.status, S::Residual),
                        (false, true) => assert_eq!(is.status, S::Removed),
                        (false, false) => {
                            assert_eq!((is.status, done), (S::Removing, false), "{answer:?}");
                            let next = *is.next_attempt_at.expect("another try");
                            assert!(next <= now() + Duration::minutes(5), "{answer:?}");
                        }
                        (true, _) => assert!(
                            matches!(is.status, S::Waiting | S::Sent | S::Set | S::Blocked),
                            "{answer:?}"
                        ),
                    }
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 2 * 7 * 2 * (7 + 1 + 6 + 1));
}
