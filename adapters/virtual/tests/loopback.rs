//! The adapter against the server, over loopback.

use chrono::{DateTime, Duration, TimeZone, Utc};
use portal_domain::{DeviceRule, IntegrationId};
use portal_interface::{
    Account, AdapterError, Code, Credentials, ExposeSecret, FixedClock, Held, Http, Locks,
    OpenGate, Opens, Refusal, SecretString, Trouble, VendorId, read_form,
};
use portal_virtual::fake::{FakeLocks, Fault, LockCode, NewSite, Operation};
use portal_virtual::{APP, VirtualLocks};
use std::sync::Arc;

struct Stage {
    fake: FakeLocks,
    locks: VirtualLocks,
    site: NewSite,
    account: Account,
    door: VendorId,
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).unwrap()
}

fn id(text: String) -> VendorId {
    VendorId::new(text).expect("it is not empty")
}

fn account(key: &SecretString) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("accessKey", key.clone());
    Account::new(IntegrationId::new(), credentials, None)
}

impl Stage {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(rules: &[DeviceRule]) -> Self {
        let clock = Arc::new(FixedClock::new(now()));
        let fake = FakeLocks::start(([127, 0, 0, 1], 0).into(), clock)
            .await
            .expect("a port is free");
        let locks = VirtualLocks::new(fake.url().to_owned(), Http::new(Arc::new(OpenGate)));
        let site = fake.add_site("Hillside");
        let door = id(fake.add_lock(&site.id, "Room 101", rules));
        Self {
            account: account(&site.key),
            fake,
            locks,
            site,
            door,
        }
    }

    async fn put(&self, want: &[Code]) -> Result<Vec<(String, Held)>, AdapterError> {
        let held = self.locks.put_codes(&self.account, &self.door, want).await;
        held.map(|held| held.into_iter().map(|code| (code.mark, code.is)).collect())
    }

    async fn check(&self, want: &[Code]) -> Vec<Held> {
        let held = self
            .locks
            .check_codes(&self.account, &self.door, want)
            .await;
        held.expect("the lock is read")
            .into_iter()
            .map(|code| code.is)
            .collect()
    }

    /// Labels and digits on the lock.
    fn on_lock(&self) -> Vec<(String, String)> {
        let codes = self.fake.codes(self.door.as_str());
        codes
            .into_iter()
            .map(|code| (code.label, code.pin))
            .collect()
    }

    fn refused_nothing(&self) {
        assert_eq!(self.fake.refused(), Vec::<String>::new());
    }
}

fn code(mark: &str, pin: &str) -> Code {
    Code {
        mark: format!("portal:{mark}"),
        pin: pin.into(),
        from: now(),
        until: now() + Duration::days(2),
    }
}

fn by_hand(label: &str, pin: &str) -> LockCode {
    LockCode {
        label: label.to_owned(),
        pin: pin.to_owned(),
        from: now(),
        until: now() + Duration::days(2),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |&(label, pin): &(&str, &str)| (label.to_owned(), pin.to_owned());
    pairs.iter().map(own).collect()
}

fn answers(answers: &[(&str, Held)]) -> Vec<(String, Held)> {
    let own = |&(mark, is): &(&str, Held)| (format!("portal:{mark}"), is);
    answers.iter().map(own).collect()
}

#[tokio::test]
async fn a_key_opens_its_site_and_no_other() {
    let stage = Stage::start().await;
    let other = stage.fake.add_site("Harbour");
    stage.fake.add_lock(&other.id, "Gate", &[]);
    let Opens::One(site) = stage.locks.validate(&stage.account).await.unwrap() else {
        panic!("one key opens one site");
    };
    assert_eq!(
        (site.key.as_str(), site.name.as_str()),
        ("site-1", "Hillside")
    );

    stage.fake.set_online(stage.door.as_str(), false);
    let devices = stage.locks.devices(&stage.account).await.unwrap();
    let [door] = devices.as_slice() else {
        panic!("one lock: {devices:?}");
    };
    assert_eq!((door.name.as_str(), door.online), ("Room 101", Some(false)));
    let rules: Vec<String> = door
        .rules
        .iter()
        .map(|rule| format!("{} {}", rule.name(), rule.value()))
        .collect();
    assert_eq!(
        rules,
        [
            "LENGTHS 4, 5, 6, 7, 8, 9",
            "MAX_CODES 20",
            "READ_BACK FULL",
            "REVOCABLE yes",
            "LABEL 64"
        ]
    );

    let elsewhere = account(&other.key);
    let foreign = stage.locks.put_codes(&elsewhere, &stage.door, &[]);
    let declined = Err(AdapterError::Declined { said: None });
    assert_eq!(foreign.await, declined);
    stage.refused_nothing();
}

#[tokio::test]
async fn putting_the_same_again_writes_nothing() {
    let stage = Stage::start().await;
    let want = [code("a", "0042"), code("b", "123456789")];
    let confirmed = Ok(answers(&[("a", Held::Confirmed), ("b", Held::Confirmed)]));
    assert_eq!(stage.put(&want).await, confirmed);
    let expected = pairs(&[("portal:a", "0042"), ("portal:b", "123456789")]);
    assert_eq!(stage.on_lock(), expected);
    assert_eq!(stage.fake.calls().writes(), 2);

    assert_eq!(stage.put(&want).await, confirmed);
    assert_eq!(stage.fake.calls().writes(), 2);
    stage.refused_nothing();
}

#[tokio::test]
async fn leading_zeros_count_at_the_door() {
    let stage = Stage::start().await;
    stage.put(&[code("a", "0042")]).await.unwrap();
    let opens = |pin, at| stage.fake.opens(stage.door.as_str(), pin, at);
    assert!(opens("0042", now()));
    assert!(!opens("42", now()));
    assert!(!opens("0042", now() - Duration::microseconds(1)));
    assert!(!opens("0042", now() + Duration::days(2)));
    assert_eq!(stage.check(&[code("a", "42")]).await, [Held::Differs]);
}

#[tokio::test]
async fn a_code_no_longer_wanted_is_removed_before_the_next_is_written() {
    let stage = Stage::with(&[DeviceRule::MaxCodes(1)]).await;
    stage.put(&[code("a", "1111")]).await.unwrap();
    assert_eq!(
        stage.put(&[code("b", "2222")]).await,
        Ok(answers(&[("b", Held::Confirmed), ("a", Held::Gone)]))
    );
    assert_eq!(stage.on_lock(), pairs(&[("portal:b", "2222")]));
    assert_eq!(stage.put(&[]).await, Ok(answers(&[("b", Held::Gone)])));
    assert_eq!(stage.put(&[]).await, Ok(answers(&[])));
    stage.refused_nothing();
}

#[tokio::test]
async fn a_refused_code_does_not_block_the_others() {
    let stage = Stage::with(&[DeviceRule::NoRepeat(3)]).await;
    let want = [code("a", "5111"), code("b", "27"), code("c", "2468")];
    assert_eq!(
        stage.put(&want).await,
        Ok(answers(&[
            ("a", Held::Refused(Refusal::Code)),
            ("b", Held::Refused(Refusal::Code)),
            ("c", Held::Confirmed)
        ]))
    );

    stage.fake.set_max_codes(stage.door.as_str(), 2);
    let want = [code("c", "1357"), code("d", "2468"), code("e", "3579")];
    assert_eq!(
        stage.put(&want).await,
        Ok(answers(&[
            ("c", Held::Confirmed),
            ("d", Held::Confirmed),
            ("e", Held::Refused(Refusal::Full))
        ]))
    );

    let mut late = code("d", "2468");
    late.until = now();
    late.from = now() - Duration::hours(1);
    assert_eq!(
        stage.put(&[code("c", "1357"), late]).await,
        Ok(answers(&[
            ("c", Held::Confirmed),
            ("d", Held::Refused(Refusal::Other))
        ]))
    );
    stage.refused_nothing();
}

#[tokio::test]
async fn two_guests_swap_their_rooms_and_even_their_digits() {
    let stage = Stage::with(&[DeviceRule::MaxCodes(2)]).await;
    let across = stage
        .fake
        .add_lock(&stage.site.id, "Room 102", &[DeviceRule::MaxCodes(1)]);
    let across = id(across);
    stage
        .put(&[code("a", "1111"), code("b", "2222")])
        .await
        .unwrap();
    assert_eq!(
        stage.put(&[code("a", "2222"), code("b", "1111")]).await,
        Ok(answers(&[("a", Held::Confirmed), ("b", Held::Confirmed)]))
    );
    let expected = pairs(&[("portal:a", "2222"), ("portal:b", "1111")]);
    assert_eq!(stage.on_lock(), expected);

    let put = |door, want| stage.locks.put_codes(&stage.account, door, want);
    let (a, b) = ([code("a", "2222")], [code("b", "1111")]);
    for (here, there) in [(&a, &b), (&b, &a)] {
        for (door, want) in [(&stage.door, here), (&across, there)] {
            let held = put(door, want).await.unwrap();
            assert_eq!(held[0].is, Held::Confirmed);
        }
    }
    assert_eq!(stage.on_lock(), pairs(&[("portal:b", "1111")]));
    stage.refused_nothing();
}

#[tokio::test]
async fn a_lock_that_is_offline_is_not_reached_and_keeps_its_codes() {
    let stage = Stage::start().await;
    stage.put(&[code("a", "1111")]).await.unwrap();
    stage.fake.set_online(stage.door.as_str(), false);
    let offline = Err(AdapterError::Unreachable(Trouble::Status(503)));
    assert_eq!(stage.put(&[]).await, offline);
    assert!(stage.fake.opens(stage.door.as_str(), "1111", now()));
    stage.fake.set_online(stage.door.as_str(), true);
    assert_eq!(stage.put(&[]).await, Ok(answers(&[("a", Held::Gone)])));
    stage.refused_nothing();
}

#[tokio::test]
async fn an_answer_lost_after_the_write_leaves_one_right_code() {
    let stage = Stage::start().await;
    stage.put(&[code("a", "1111")]).await.unwrap();
    let want = [code("b", "2222")];
    for on in [Operation::Delete, Operation::Put] {
        stage.fake.inject(Fault::CommitThenDrop, Some(on), 1);
        let cut = Err(AdapterError::Unreachable(Trouble::Cut));
        assert_eq!(stage.put(&want).await, cut);
    }
    assert_eq!(
        stage.put(&want).await,
        Ok(answers(&[("b", Held::Confirmed)]))
    );
    assert_eq!(stage.on_lock(), pairs(&[("portal:b", "2222")]));
    assert_eq!(stage.fake.calls().writes(), 3);
    stage.refused_nothing();
}

#[tokio::test]
async fn what_was_accepted_but_lost_is_seen_when_reading_back() {
    let stage = Stage::start().await;
    stage.fake.inject(Fault::Lose, Some(Operation::Put), 1);
    let want = [code("a", "1111")];
    assert_eq!(stage.put(&want).await, Ok(answers(&[("a", Held::Gone)])));
    assert_eq!(
        stage.put(&want).await,
        Ok(answers(&[("a", Held::Confirmed)]))
    );
    stage.fake.inject(Fault::Lose, Some(Operation::Delete), 1);
    assert_eq!(stage.put(&[]).await, Ok(answers(&[("a", Held::Differs)])));
    assert_eq!(stage.put(&[]).await, Ok(answers(&[("a", Held::Gone)])));
}

#[tokio::test]
async fn other_peoples_codes_stay() {
    let stage = Stage::with(&[DeviceRule::MaxCodes(2)]).await;
    stage
        .fake
        .set_code(stage.door.as_str(), &by_hand("cleaning", "9999"));
    assert_eq!(
        stage.put(&[code("a", "9999"), code("b", "2222")]).await,
        Ok(answers(&[
            ("a", Held::Refused(Refusal::Code)),
            ("b", Held::Confirmed)
        ]))
    );
    stage.put(&[]).await.unwrap();
    assert_eq!(stage.on_lock(), pairs(&[("cleaning", "9999")]));

    let mut unmarked = code("a", "4444");
    unmarked.mark = "cleaning".to_owned();
    let refused = vec![("cleaning".to_owned(), Held::Refused(Refusal::Other))];
    assert_eq!(stage.put(&[unmarked]).await, Ok(refused));
    assert_eq!(stage.on_lock(), pairs(&[("cleaning", "9999")]));
    stage.refused_nothing();
}

#[tokio::test]
async fn what_staff_changed_by_hand_is_seen_and_put_right() {
    let stage = Stage::start().await;
    let want = [code("a", "1111"), code("b", "2222"), code("c", "3333")];
    stage.put(&want).await.unwrap();
    let door = stage.door.as_str();
    stage.fake.set_code(door, &by_hand("portal:a", "1112"));
    let mut longer = by_hand("portal:b", "2222");
    longer.until += Duration::days(1);
    stage.fake.set_code(door, &longer);
    assert!(stage.fake.drop_code(door, "portal:c"));
    let seen = [Held::Differs, Held::Differs, Held::Gone];
    assert_eq!(stage.check(&want).await, seen);

    stage.put(&want).await.unwrap();
    assert_eq!(stage.check(&want).await, [Held::Confirmed; 3]);
    stage.refused_nothing();
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_and_a_new_one_opens_the_same_site() {
    let stage = Stage::start().await;
    stage.fake.revoke_key(&stage.site.id);
    let refused = Err(AdapterError::Unauthorized);
    assert_eq!(stage.locks.validate(&stage.account).await, refused);
    assert_eq!(stage.put(&[]).await, Err(AdapterError::Unauthorized));
    assert_eq!(stage.fake.calls().site, 1);

    let renewed = account(&stage.fake.renew_key(&stage.site.id));
    let Opens::One(site) = stage.locks.validate(&renewed).await.unwrap() else {
        panic!("one key opens one site");
    };
    assert_eq!(site.key.as_str(), stage.site.id);
    stage.refused_nothing();
}

#[tokio::test]
async fn each_trouble_is_told_as_what_it_is() {
    let stage = Stage::start().await;
    let second = std::time::Duration::from_secs(1);
    for (fault, error) in [
        (
            Fault::Status { status: 403 },
            AdapterError::Declined { said: None },
        ),
        (
            Fault::Status { status: 502 },
            AdapterError::Unreachable(Trouble::Status(502)),
        ),
        (
            Fault::TooMany { seconds: 7 },
            AdapterError::RateLimited {
                retry_after: Some(7 * second),
            },
        ),
        (
            Fault::Html,
            AdapterError::Unreadable {
                at: "site".to_owned(),
            },
        ),
        (Fault::Cut, AdapterError::Unreachable(Trouble::Cut)),
    ] {
        stage.fake.inject(fault, Some(Operation::Site), 1);
        let answer = stage.locks.validate(&stage.account).await;
        assert_eq!(answer, Err(error), "{fault:?}");
    }
    stage.fake.inject(Fault::Delay { millis: 20 }, None, 1);
    assert!(stage.locks.validate(&stage.account).await.is_ok());

    let url = stage.fake.url().to_owned();
    drop(stage);
    let gone = VirtualLocks::new(url, Http::new(Arc::new(OpenGate)));
    // The port is free as soon as the server has seen that its handle is gone.
    let mut answer = gone.validate(&account(&"vl_none".into())).await;
    while answer != Err(AdapterError::Unreachable(Trouble::Connect)) {
        let not_yet = [
            Err(AdapterError::Unauthorized),
            Err(AdapterError::Unreachable(Trouble::Cut)),
        ];
        assert!(not_yet.contains(&answer), "{answer:?}");
        tokio::task::yield_now().await;
        answer = gone.validate(&account(&"vl_none".into())).await;
    }
}

#[tokio::test]
async fn a_request_that_breaks_the_contract_is_noted_without_its_values() {
    let stage = Stage::start().await;
    let client = Http::new(Arc::new(OpenGate));
    let site = format!("{}/site?key=1234", stage.fake.url());
    for request in [
        client
            .get(&site)
            .bearer_auth(stage.site.key.expose_secret()),
        client.get(&format!("{}/doors/1234", stage.fake.url())),
        client.get(&format!("{}/site", stage.fake.url())),
    ] {
        let second = std::time::Duration::from_secs(1);
        let answer = client.send(&APP, &stage.account, "test", request, second);
        assert!(answer.await.unwrap().status >= 400);
    }
    let noted = [
        "Site: a query",
        "GET: no such address",
        "Site: no access key",
    ];
    assert_eq!(stage.fake.refused(), noted);
}

#[test]
fn the_form_asks_for_the_key_alone() {
    let pasted: SecretString = " vl_\n0a ".into();
    let read = read_form(&APP, [("accessKey", &pasted)]).unwrap();
    let key = read.get("accessKey").unwrap();
    assert_eq!(key.expose_secret(), "vl_0a");
    assert!(read_form(&APP, []).is_err());
}

#[tokio::test]
async fn nothing_secret_can_be_printed() {
    let stage = Stage::start().await;
    stage.put(&[code("a", "739184625")]).await.unwrap();
    let printed = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        stage.fake,
        stage.locks,
        stage.site,
        stage.account,
        code("a", "739184625"),
        stage.fake.codes(stage.door.as_str())
    );
    assert!(!printed.contains("739184625"), "{printed}");
    assert!(
        !printed.contains(stage.site.key.expose_secret()),
        "{printed}"
    );
}
