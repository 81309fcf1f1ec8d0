//! INV-10 and INV-25: whatever the PMS answers to checks of tokens and to other calls, and whatever
//! staff paste or end meanwhile, even while a check is on its way: how the link stands and which
//! token is used is what a small model says that knows the design's table alone.

use super::chance;
use super::witness::{Answer, Seen, Witness};
use crate::harness::{Hotel, Portal, shown};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    AppCategory, CredentialState, IntegrationId, IntegrationStatus, ValidationAttemptId,
    ValidationTrigger,
};
use portal_jobs::{Job, ValidateIntegration};
use portal_mews::fake::Fault;
use portal_store::page::Page;
use portal_store::{credential, integration};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

const CHECK: &str = "configuration/get";
const STAYS: &str = "reservations/getAll/2023-06-06";

/// What the PMS says about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Refused,
    None,
}

/// What is known of the checks that were asked for.
#[derive(Default)]
struct Asked {
    /// What Mews answers to every check. None: what is true.
    planned: Option<Fault>,
    /// The token and the verdict of each, by the name Mews knows it by.
    verdicts: BTreeMap<String, (String, Verdict)>,
    /// The last.
    last: Option<(String, Verdict)>,
    /// Tells that the next check is held, and waits.
    hold: Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>,
    /// Tokens other calls were made with.
    used: BTreeSet<String>,
}

fn watch(witness: &Witness, asked: &Arc<Mutex<Asked>>) {
    let asked = asked.clone();
    witness.tell(move |seen: Seen| {
        let asked = asked.clone();
        async move {
            let Some(status) = seen.status else {
                return Answer::Goes;
            };
            let body: Value = serde_json::from_str(&seen.body).expect("JSON");
            let token = body["AccessToken"].as_str().expect("a token").to_owned();
            if !seen.what.ends_with(CHECK) {
                asked.lock().expect("the account").used.insert(token);
                return Answer::Goes;
            }
            let held = {
                let mut asked = asked.lock().expect("the account");
                let verdict = match (asked.planned, status) {
                    (None, 200) => Verdict::Good,
                    (None | Some(Fault::Status { .. }), 401) => Verdict::Refused,
                    _ => Verdict::None,
                };
                if let Some(id) = seen.id {
                    asked.verdicts.insert(id, (token.clone(), verdict));
                }
                asked.last = Some((token, verdict));
                asked.hold.take()
            };
            if let Some((tell, wait)) = held {
                let _ = tell.send(());
                let _ = wait.await;
            }
            Answer::Goes
        }
    });
}

/// How the link stands. No status: there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Link {
    status: Option<IntegrationStatus>,
    active: Option<String>,
    candidate: Option<String>,
}

#[derive(Debug, Default)]
struct Model {
    link: Link,
    saved_at: Option<DateTime<Utc>>,
    refusals: u32,
    refused_at: Option<DateTime<Utc>>,
}

impl Model {
    fn accept(&mut self, token: &str) {
        self.link = Link {
            status: Some(IntegrationStatus::Connected),
            active: Some(token.to_owned()),
            candidate: self.link.candidate.take().filter(|saved| saved != token),
        };
        self.refusals = 0;
    }

    /// A check of this token ended.
    fn judge(&mut self, token: &str, verdict: Verdict, now: DateTime<Utc>) {
        if self.link.active.as_deref() == Some(token) {
            match verdict {
                Verdict::Good => self.accept(token),
                Verdict::Refused => {
                    let last = self.refused_at.filter(|_| self.refusals > 0);
                    if last.is_none_or(|last| now - last >= Duration::seconds(60)) {
                        self.refusals += 1;
                        self.refused_at = Some(now);
                    }
                    if self.refusals >= 2 {
                        self.link.status = Some(IntegrationStatus::Broken);
                    }
                }
                Verdict::None => {}
            }
        } else if self.link.candidate.as_deref() == Some(token) {
            let late = self
                .saved_at
                .is_some_and(|at| now - at >= Duration::hours(24));
            match verdict {
                Verdict::Good => self.accept(token),
                Verdict::None if !late => {}
                _ if self.link.status == Some(IntegrationStatus::Pending) => {
                    self.link = Link::default();
                }
                _ => self.link.candidate = None,
            }
        }
    }

    /// Somebody pasted a token, and Portal said whether it took it.
    fn paste(&mut self, token: &str, verdict: Verdict, taken: bool, now: DateTime<Utc>) {
        let is_active = self.link.active.as_deref() == Some(token);
        match verdict {
            Verdict::Good => {
                assert!(taken, "a good token is taken");
                self.link.candidate = None;
                self.accept(token);
            }
            Verdict::Refused => assert!(!taken, "a refused token is not taken"),
            Verdict::None if taken && !is_active => {
                self.link.status.get_or_insert(IntegrationStatus::Pending);
                self.link.candidate = Some(token.to_owned());
                self.saved_at = Some(now);
            }
            Verdict::None => {}
        }
    }
}

struct Desk<'a> {
    hotel: Hotel<'a>,
    asked: Arc<Mutex<Asked>>,
    model: Model,
    row: Option<IntegrationId>,
    known: BTreeSet<ValidationAttemptId>,
    seen: BTreeSet<String>,
}

impl Desk<'_> {
    fn portal(&self) -> &Portal {
        self.hotel.portal
    }

    async fn live(&self) -> Option<integration::Integration> {
        let mut conn = self.portal().env.db.read().await.expect("a connection");
        let live = integration::live(&mut conn, self.hotel.property).await;
        let mut live = live.expect("the links").into_iter();
        live.find(|link| link.category == AppCategory::Pms)
    }

    /// How the link stands in the database.
    async fn link(&self) -> Link {
        let Some(row) = self.live().await else {
            return Link::default();
        };
        Link {
            status: Some(row.status),
            active: self.token(row.id, CredentialState::Active).await,
            candidate: self.token(row.id, CredentialState::Candidate).await,
        }
    }

    async fn token(&self, link: IntegrationId, state: CredentialState) -> Option<String> {
        let env = &self.portal().env;
        let mut conn = env.db.read().await.expect("a connection");
        let opened =
            credential::open(&mut conn, &env.sealer, self.hotel.property, link, state).await;
        let (_, values) = opened.expect("a secret that opens")?;
        Some(values[0].1.expose_secret().to_owned())
    }

    /// Tells the model of every check that has ended since.
    async fn hear(&mut self) {
        // One that was ended by a check is not live any more.
        self.row = self.live().await.map(|row| row.id).or(self.row);
        let Some(row) = self.row else {
            return;
        };
        let mut conn = self.portal().env.db.read().await.expect("a connection");
        let page = Page {
            backward: true,
            ..Page::first(100)
        };
        let mut all = integration::attempts(&mut conn, self.hotel.property, row, &page)
            .await
            .expect("the checks");
        all.sort_by_key(|attempt| (*attempt.at, attempt.id));
        let asked = self.asked.lock().expect("the account");
        for attempt in all {
            let by_hand = [ValidationTrigger::Connect, ValidationTrigger::Reconnect];
            if !self.known.insert(attempt.id) || by_hand.contains(&attempt.trigger) {
                continue;
            }
            // One that no answer came to says nothing.
            let Some(id) = attempt.pms_request_id else {
                continue;
            };
            let (token, verdict) = &asked.verdicts[&id];
            self.model.judge(token, *verdict, *attempt.at);
        }
    }

    /// From now on checks are answered so.
    fn plan(&self, fault: Option<Fault>) {
        let mews = &self.portal().mews;
        mews.clear_faults();
        if let Some(fault) = fault {
            mews.inject(fault, Some(CHECK), 10_000);
        }
        self.asked.lock().expect("the account").planned = fault;
    }

    fn plan_any(&self, rng: &mut StdRng) -> String {
        let fault = match rng.random_range(0..14) {
            0 => Some(Fault::Status { status: 403 }),
            1 => Some(Fault::Status { status: 408 }),
            2 => Some(Fault::Status { status: 409 }),
            3 => Some(Fault::Status { status: 500 }),
            4 => Some(Fault::Status { status: 503 }),
            5 => Some(Fault::TooMany { seconds: Some(2) }),
            6 => Some(Fault::Html),
            7 => Some(Fault::Cut),
            8..=10 => Some(Fault::Status { status: 401 }),
            _ => None,
        };
        self.plan(fault);
        format!("checks meet {fault:?}")
    }

    /// Pastes a token into the form.
    async fn paste(&mut self, token: &str) -> String {
        // So few tries a minute are allowed.
        self.portal().clock.advance(Duration::seconds(13));
        self.asked.lock().expect("the account").last = None;
        let answer = self.hotel.paste(token).await;
        let taken = answer["userErrors"] == json!([]);
        let last = self.asked.lock().expect("the account").last.clone();
        let (asked, verdict) = last.expect("a check");
        assert_eq!(asked, token, "the pasted one is asked about");
        let now = self.portal().env.now();
        self.model.paste(token, verdict, taken, now);
        format!(
            "pasted …{}: {verdict:?}, {taken}",
            &token[token.len() - 4..]
        )
    }

    async fn paste_any(&mut self, rng: &mut StdRng) -> String {
        let fresh = || shown(&self.portal().mews.add_access_token(&self.hotel.enterprise));
        let token = match (rng.random_range(0..5), &self.model.link.active) {
            (0, _) => format!("NO-TOKEN-OF-MEWS-{}", rng.random::<u32>()),
            (1, Some(active)) => active.clone(),
            _ => fresh(),
        };
        self.paste(&token).await
    }

    async fn disconnect(&mut self) -> String {
        let Some(row) = self.live().await else {
            return "nothing to disconnect".to_owned();
        };
        let link = self.hotel.integration_id(row.id);
        let query = "mutation($id: ID!) { x: integrationDisconnect(input: {integration: $id}) {
            userErrors { code } } }";
        let answer = self.hotel.ask(query, json!({ "id": link })).await;
        assert_eq!(answer["x"]["userErrors"], json!([]));
        self.model.link = Link::default();
        self.model.refusals = 0;
        "disconnected".to_owned()
    }

    /// Staff act while a check has been answered and Portal has not heard it yet.
    async fn act_during_a_check(&mut self, rng: &mut StdRng) -> String {
        let Some(row) = self.live().await else {
            return "no check".to_owned();
        };
        let plan = self.plan_any(rng);
        let (tell, told) = oneshot::channel();
        let (go, wait) = oneshot::channel();
        self.asked.lock().expect("the account").hold = Some((tell, wait));
        let job = ValidateIntegration {
            property: self.hotel.property,
            integration: row.id,
            trigger: ValidationTrigger::Poll,
        };
        let env = self.portal().env.clone();
        let check = tokio::spawn(async move { job.run(&env).await });
        told.await.expect("a check");
        let planned = self.plan_any(rng);
        let done = match rng.random_range(0..4) {
            0 => self.disconnect().await,
            _ => self.paste_any(rng).await,
        };
        let _ = go.send(());
        check.await.expect("no panic").expect("an end");
        format!("while a check ({plan}): {planned}, {done}")
    }

    async fn step(&mut self, rng: &mut StdRng) -> String {
        match rng.random_range(0..13) {
            0 | 1 => self.plan_any(rng),
            2 => {
                // Only the account of tokens says anything: it is asked, and other calls are not.
                self.portal()
                    .mews
                    .inject(Fault::Status { status: 401 }, Some(STAYS), 2);
                "others are refused".to_owned()
            }
            3 => match &self.model.link.active {
                Some(token) => {
                    let token = token.clone().into();
                    format!("revoked: {}", self.portal().mews.revoke_token(&token))
                }
                None => "nothing to revoke".to_owned(),
            },
            4 | 5 => self.paste_any(rng).await,
            6 if rng.random_range(0..3) == 0 => self.disconnect().await,
            7 | 8 => self.act_during_a_check(rng).await,
            _ => {
                let seconds = *[20, 61, 95, 300, 1_000, 4_000].choose(rng).expect("one");
                self.portal().later(Duration::seconds(seconds)).await;
                format!("{seconds} s pass")
            }
        }
    }
}

impl Hotel<'_> {
    /// An integration's identifier in the API.
    fn integration_id(&self, row: IntegrationId) -> String {
        use base64::Engine;
        let mut bytes = vec![4];
        bytes.extend(self.property.0.as_bytes());
        bytes.extend(row.0.as_bytes());
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_alone_break_and_mend_and_a_token_without_one_replaces_none() {
    let (mut rng, steps, replay) = chance("INV-10", 150);
    let asked: Arc<Mutex<Asked>> = Arc::default();
    let portal = Portal::start_unlimited_with(|vendors| {
        let witness = Witness::of(&vendors.mews_api_url);
        watch(&witness, &asked);
        vendors.mews_api_url = witness.url();
    })
    .await;
    let hotel = portal.hotel("Aurora").await;
    let token = shown(&hotel.token);
    let mut desk = Desk {
        hotel,
        asked,
        model: Model::default(),
        row: None,
        known: BTreeSet::new(),
        seen: BTreeSet::new(),
    };
    let mut story = vec![desk.paste(&token).await];
    for _ in 0..steps {
        let before = desk.model.link.active.clone();
        story.push(desk.step(&mut rng).await);
        desk.hear().await;
        let is = desk.link().await;
        let model = &desk.model.link;
        assert!(
            is == *model,
            "{replay}: {story:#?}\n{is:#?}\nshould be {model:#?}"
        );
        if let Some(status) = is.status {
            desk.seen.insert(status.to_string());
        }
        // All else is asked with the token in use.
        let used = std::mem::take(&mut desk.asked.lock().expect("the account").used);
        let mine = [before, is.active];
        let alien = used
            .iter()
            .find(|token| !mine.contains(&Some((*token).clone())));
        assert_eq!(alien, None, "{replay}: {story:#?}");
    }
    // Left alone with a good token it works, without one it breaks, and the next mends it.
    desk.plan(None);
    portal.mews.clear_faults();
    for (revoked, status) in [(false, "CONNECTED"), (true, "BROKEN"), (false, "CONNECTED")] {
        if revoked {
            portal.mews.revoke_tokens(&desk.hotel.enterprise);
            portal.later(Duration::seconds(75)).await;
            portal.later(Duration::seconds(95)).await;
            portal.later(Duration::minutes(20)).await;
        } else {
            let token = shown(&portal.mews.add_access_token(&desk.hotel.enterprise));
            desk.paste(&token).await;
        }
        desk.hear().await;
        assert_eq!(desk.link().await, desk.model.link, "{replay}: {story:#?}");
        let is = desk.model.link.status.map(|status| status.to_string());
        assert_eq!(is.as_deref(), Some(status), "{replay}: {story:#?}");
    }
    println!("{:?}", desk.seen);
}
