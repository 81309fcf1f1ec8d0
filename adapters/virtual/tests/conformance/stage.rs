//! A site at the server of the virtual locks, for the suite.

use portal_domain::{DeviceRule, IntegrationId};
use portal_interface::conformance::{
    Can, Cannot, Fault, LockEntry, LocksHouse, LocksStage, Reply, Setting, Vendor, Wire,
};
use portal_interface::{
    Account, AdapterError, Credentials, ExposeSecret, Http, OpenGate, SecretString, Trouble,
    VendorId,
};
use portal_virtual::VirtualLocks;
use portal_virtual::fake::{self, FakeLocks, LockCode, NewSite, Operation, Scripted};
use serde_json::json;
use std::sync::{Arc, Mutex};

pub(crate) struct Stage {
    pub(crate) fake: FakeLocks,
    site: String,
    key: Mutex<SecretString>,
}

/// A site without locks.
pub(crate) async fn open(setting: Setting) -> LocksHouse {
    house(setting).await.1
}

pub(crate) async fn house(setting: Setting) -> (Arc<Stage>, LocksHouse) {
    let listen = ([127, 0, 0, 1], 0).into();
    let fake = FakeLocks::start(listen, setting.clock.clone())
        .await
        .unwrap();
    let NewSite { id, key } = fake.add_site("Hillside");
    let stage = Arc::new(Stage {
        fake,
        site: id,
        key: Mutex::new(key),
    });
    let url = stage.fake.url().to_owned();
    let build = move || VirtualLocks::new(url.clone(), setting.http());
    let house = LocksHouse::new(stage.clone(), move || Box::new(build()));
    (stage, house)
}

fn account(key: &SecretString) -> Account {
    let mut credentials = Credentials::default();
    credentials.set("accessKey", key.clone());
    Account::new(IntegrationId::new(), credentials, None)
}

impl Vendor for Stage {
    fn account(&self) -> Account {
        account(&self.key.lock().unwrap())
    }

    fn renewed(&self) -> Can<Account> {
        *self.key.lock().unwrap() = self.fake.renew_key(&self.site);
        Ok(self.account())
    }

    fn stranger(&self) -> Account {
        account(&"vl_stranger".into())
    }

    fn several(&self) -> Can<Account> {
        Err(Cannot("a key opens one site"))
    }

    fn revoke(&self) {
        self.fake.revoke_key(&self.site);
    }

    fn secrets(&self) -> Vec<String> {
        let key = self.key.lock().unwrap();
        vec![key.expose_secret().to_owned(), "vl_stranger".to_owned()]
    }

    fn printed(&self) -> String {
        let http = Http::new(Arc::new(OpenGate));
        let locks = VirtualLocks::new(self.fake.url().to_owned(), http);
        format!("{locks:?} {:?}", self.fake)
    }

    fn wire(&self) -> Can<&dyn Wire> {
        Ok(self)
    }
}

impl Wire for Stage {
    fn reply(&self, reply: Option<Reply>) {
        self.fake.answer_with(reply.map(|reply| Scripted {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
        }));
    }

    fn next(&self, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.fake.inject(as_theirs(fault), None, 1),
            None => self.fake.clear_faults(),
        }
    }

    fn next_write(&self, fault: Fault) {
        for on in [Operation::Put, Operation::Delete] {
            self.fake.inject(as_theirs(fault), Some(on), 1);
        }
    }

    fn requests(&self) -> u32 {
        self.fake.calls().total()
    }

    fn writes(&self) -> u32 {
        self.fake.calls().writes()
    }

    fn errors(&self) -> Vec<(Reply, AdapterError)> {
        let declined = || AdapterError::Declined { said: None };
        let status = |status| AdapterError::Unreachable(Trouble::Status(status));
        let elsewhere = AdapterError::Unreadable {
            at: "status".to_owned(),
        };
        let limited = AdapterError::RateLimited { retry_after: None };
        let table = [
            (302, elsewhere),
            (400, declined()),
            (401, AdapterError::Unauthorized),
            (403, declined()),
            (404, declined()),
            (409, declined()),
            (422, declined()),
            (429, limited),
            (500, status(500)),
            (502, status(502)),
            (503, status(503)),
        ];
        let row = |(status, error)| {
            let reply = Reply {
                status,
                headers: vec![("content-type", "application/json".to_owned())],
                body: json!({ "error": "ordered" }).to_string(),
            };
            (reply, error)
        };
        table.into_iter().map(row).collect()
    }

    fn answers(&self) -> Vec<String> {
        let rules = json!([{ "LENGTHS": [4, 6] }, { "MAX_CODES": 3 }, { "REVOCABLE": true }]);
        let code = json!({
            "label": "portal:1", "pin": "4711",
            "from": "2026-11-24T10:00:00Z", "until": "2026-11-26T10:00:00Z"
        });
        let other = json!({ "label": "staff", "pin": 7 });
        let answers = [
            json!({ "id": "site-1", "name": "Hillside" }),
            json!({ "locks": [{ "id": "lock-1", "name": "1", "online": true, "rules": rules }] }),
            json!({ "codes": [code, other] }),
            json!({ "error": "code" }),
        ];
        answers.map(|answer| answer.to_string()).into()
    }

    fn breaches(&self) -> Vec<String> {
        self.fake.refused()
    }
}

fn as_theirs(fault: Fault) -> fake::Fault {
    match fault {
        Fault::Delay(time) => fake::Fault::Delay {
            millis: u32::try_from(time.as_millis()).unwrap(),
        },
        Fault::Cut => fake::Fault::Cut,
        Fault::CommitThenDrop => fake::Fault::CommitThenDrop,
    }
}

impl LocksStage for Stage {
    fn add_lock(&self, name: &str) -> VendorId {
        let rules = [DeviceRule::NotStarting(vec!["99".to_owned()])];
        VendorId::new(self.fake.add_lock(&self.site, name, &rules)).unwrap()
    }

    fn set_online(&self, lock: &VendorId, online: bool) {
        self.fake.set_online(lock.as_str(), online);
    }

    fn set_max_codes(&self, lock: &VendorId, max: u32) -> Can<()> {
        self.fake.set_max_codes(lock.as_str(), max);
        Ok(())
    }

    fn refused_digits(&self) -> Can<&'static str> {
        Ok("9911")
    }

    fn codes(&self, lock: &VendorId) -> Vec<LockEntry> {
        let codes = self.fake.codes(lock.as_str()).into_iter();
        let entries = codes.map(|code| LockEntry {
            mark: code.label,
            digits: code.pin,
            from: code.from,
            until: code.until,
        });
        entries.collect()
    }

    fn set_code(&self, lock: &VendorId, entry: &LockEntry) {
        let code = LockCode {
            label: entry.mark.clone(),
            pin: entry.digits.clone(),
            from: entry.from,
            until: entry.until,
        };
        self.fake.set_code(lock.as_str(), &code);
    }

    fn drop_code(&self, lock: &VendorId, mark: &str) {
        assert!(self.fake.drop_code(lock.as_str(), mark));
    }
}
