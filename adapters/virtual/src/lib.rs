//! Virtual locks: a made-up lock vendor, for the demo and for tests.
//!
//! [`VirtualLocks`] is its adapter and speaks HTTP like that of a real vendor; [`fake`] is the
//! server it speaks to.

pub mod fake;
mod wire;

use crate::wire::{Ask, Entry};
use async_trait::async_trait;
use portal_interface::{
    Account, AdapterError, Answer, App, AppCategory, Budget, Capabilities, Code, Device,
    ExposeSecret, Field, FieldKind, Held, HeldCode, Http, Locks, Opens, Refusal, Trouble, VendorId,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// Key of the form's only field.
const ACCESS_KEY: &str = "accessKey";
/// How marks of ours begin. Entries named otherwise are other people's and stay.
const OURS: &str = "portal:";

/// The entry of the catalogue.
pub static APP: App = App {
    slug: "virtual-locks",
    name: "Virtual locks",
    category: AppCategory::Lock,
    support_url: "",
    notes: "Locks that exist in a program only. They behave like real ones, to try Portal and to test it.",
    form: &[Field {
        key: ACCESS_KEY,
        label: "Access key",
        help: "The server of the virtual locks prints it when a site is added.",
        kind: FieldKind::Secret,
        required: true,
        visible_when: None,
    }],
    capabilities: Capabilities {
        stores_pins: false,
        shows_pins: false,
        hooks: false,
        demo_account: false,
    },
    budget: Budget {
        burst: 200,
        every: Duration::from_millis(10),
    },
};

/// The vendor of virtual locks.
#[derive(Debug)]
pub struct VirtualLocks {
    url: String,
    http: Http,
}

impl VirtualLocks {
    /// An adapter for the server at `url`.
    pub fn new(mut url: String, http: Http) -> Self {
        url.truncate(url.trim_end_matches('/').len());
        Self { url, http }
    }

    /// Sends one request; answers of any status come back.
    async fn ask(&self, account: &Account, ask: &Ask<'_>) -> Result<Answer, AdapterError> {
        let Some(key) = account.credentials.get(ACCESS_KEY) else {
            return Err(AdapterError::Unauthorized);
        };
        let started = self.http.get(&format!("{}{}", self.url, ask.path()));
        let started = started.bearer_auth(key.expose_secret());
        let started = match ask.body() {
            Some(body) => started.json(&body),
            None => started,
        };
        // `Http` starts requests that read or post; the other methods are set afterwards.
        let (client, request) = started.build_split();
        let mut request = request.map_err(|_| AdapterError::Unreachable(Trouble::Connect))?;
        *request.method_mut() = ask.method();
        let request = reqwest::RequestBuilder::from_parts(client, request);
        self.http
            .send(&APP, account, ask.operation(), request, DEADLINE)
            .await
    }

    /// Sends one request that reads; answers other than 200 are errors.
    async fn read(&self, account: &Account, ask: &Ask<'_>) -> Result<Vec<u8>, AdapterError> {
        let answer = self.ask(account, ask).await?;
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(wire::error(&answer)),
        }
    }

    /// What the lock holds under our marks.
    async fn held(
        &self,
        account: &Account,
        lock: &VendorId,
    ) -> Result<BTreeMap<String, Entry>, AdapterError> {
        let body = self.read(account, &Ask::Codes { lock }).await?;
        wire::entries(&body, |label| label.starts_with(OURS))
    }

    /// Takes a code off. One that is gone already is as good.
    async fn take_off(
        &self,
        account: &Account,
        lock: &VendorId,
        label: &str,
    ) -> Result<(), AdapterError> {
        let answer = self.ask(account, &Ask::Delete { lock, label }).await?;
        match answer.status {
            200 | 204 => Ok(()),
            404 if wire::problem(&answer).as_deref() == Some("code") => Ok(()),
            _ => Err(wire::error(&answer)),
        }
    }

    /// Writes a code; `Some` when the lock refused this one.
    async fn write(
        &self,
        account: &Account,
        lock: &VendorId,
        code: &Code,
    ) -> Result<Option<Refusal>, AdapterError> {
        let answer = self.ask(account, &Ask::Put { lock, code }).await?;
        match answer.status {
            200 | 204 => Ok(None),
            400 | 409 | 422 => Ok(Some(match wire::problem(&answer).as_deref() {
                Some("full") => Refusal::Full,
                Some("code") => Refusal::Code,
                _ => Refusal::Other,
            })),
            _ => Err(wire::error(&answer)),
        }
    }
}

#[async_trait]
impl Locks for VirtualLocks {
    fn app(&self) -> &'static App {
        &APP
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        let body = self.read(account, &Ask::Site).await?;
        Ok(Opens::One(wire::site(&body)?))
    }

    async fn devices(&self, account: &Account) -> Result<Vec<Device>, AdapterError> {
        let body = self.read(account, &Ask::Locks).await?;
        wire::devices(&body)
    }

    /// An entry of ours that is not wanted and still there afterwards is told as `Differs`.
    async fn put_codes(
        &self,
        account: &Account,
        device: &VendorId,
        want: &[Code],
    ) -> Result<Vec<HeldCode>, AdapterError> {
        let before = self.held(account, device).await?;
        let mut wrote = false;
        for (mark, entry) in &before {
            if !is_wanted(mark, want) || is_in_the_way(mark, entry, want) {
                self.take_off(account, device, mark).await?;
                wrote = true;
            }
        }
        let mut refused = BTreeMap::new();
        for code in want {
            let mark = code.mark.as_str();
            if !mark.starts_with(OURS) {
                // Written, it could not be told from other people's entries any more.
                refused.insert(mark, Refusal::Other);
            } else if !before.get(mark).is_some_and(|held| held.is(code)) {
                if let Some(why) = self.write(account, device, code).await? {
                    refused.insert(mark, why);
                }
                wrote = true;
            }
        }
        let unwanted: Vec<String> = before
            .keys()
            .filter(|mark| !is_wanted(mark, want))
            .cloned()
            .collect();
        let after = if wrote {
            self.held(account, device).await?
        } else {
            before
        };
        let wanted = want.iter().map(|code| {
            let is = match refused.get(code.mark.as_str()) {
                Some(&why) => Held::Refused(why),
                None => compare(&after, code),
            };
            told(&code.mark, is)
        });
        let taken_off = unwanted.iter().map(|mark| {
            let still_there = after.contains_key(mark);
            told(
                mark,
                if still_there {
                    Held::Differs
                } else {
                    Held::Gone
                },
            )
        });
        Ok(wanted.chain(taken_off).collect())
    }

    async fn check_codes(
        &self,
        account: &Account,
        device: &VendorId,
        want: &[Code],
    ) -> Result<Vec<HeldCode>, AdapterError> {
        let held = self.held(account, device).await?;
        let wanted = want
            .iter()
            .map(|code| told(&code.mark, compare(&held, code)));
        let others = held
            .keys()
            .filter(|mark| !is_wanted(mark, want))
            .map(|mark| told(mark, Held::Differs));
        Ok(wanted.chain(others).collect())
    }
}

fn is_wanted(mark: &str, want: &[Code]) -> bool {
    want.iter().any(|code| code.mark == mark)
}

/// Whether an entry that is about to change still has the digits another one shall have: no lock
/// takes the same digits twice, so two entries can swap theirs only after one is taken off.
fn is_in_the_way(mark: &str, entry: &Entry, want: &[Code]) -> bool {
    let stays = |code: &Code| code.mark == mark && entry.has_digits(code);
    let wants = |code: &Code| code.mark != mark && entry.has_digits(code);
    !want.iter().any(stays) && want.iter().any(wants)
}

fn compare(held: &BTreeMap<String, Entry>, code: &Code) -> Held {
    match held.get(&code.mark) {
        Some(entry) if entry.is(code) => Held::Confirmed,
        Some(_) => Held::Differs,
        None => Held::Gone,
    }
}

/// The vendor knows an entry by its label alone, so there is no identifier to tell.
fn told(mark: &str, is: Held) -> HeldCode {
    HeldCode {
        mark: mark.to_owned(),
        id: None,
        is,
    }
}
