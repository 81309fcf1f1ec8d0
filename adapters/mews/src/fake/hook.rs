//! Webhooks: what the fake tells by itself, and how that goes wrong.
//!
//! As at Mews, a general webhook holds identifiers only and follows each change, an integration
//! webhook names the integration alone, and one that is not answered with a success is sent again
//! after some minutes, three times in all (Mews documentation, `events/wh-faq.md`). Whether a PIN
//! stored by us raises an event is not written there: here it does, so that a loop would show.

use super::contract::CONTRACT;
use super::state::{Done, State};
use super::{FakeMews, Shared};
use chrono::{DateTime, Duration, Utc};
use portal_interface::Http;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration as Time;

/// How often one is sent until it is given up.
const ATTEMPTS: u32 = 3;
/// Time between two attempts, by the fake's clock.
const AGAIN: Duration = Duration::minutes(3);
/// How long an answer may take.
const PATIENCE: Time = Time::from_secs(5);
/// How often what waits for its time is looked at, by the machine's clock.
const TICK: Time = Time::from_secs(1);

/// How deliveries go wrong. None do by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HookFaults {
    /// Nothing arrives.
    pub lose: bool,
    /// How often each is delivered.
    pub copies: u32,
    /// What waits at the same time is delivered in any order.
    pub shuffle: bool,
    /// Chooses that order: the same each time.
    pub seed: u64,
    /// How long they are under way, by the machine's clock.
    pub delay_millis: u32,
    /// Nothing is sent before [`FakeMews::deliver_webhooks`] is called.
    pub hold: bool,
}

impl Default for HookFaults {
    fn default() -> Self {
        Self {
            lose: false,
            copies: 1,
            shuffle: false,
            seed: 0,
            delay_millis: 0,
            hold: false,
        }
    }
}

/// What becomes of our integration with a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntegrationEvent {
    /// It was made.
    Created,
    /// It was switched on.
    Enabled,
    /// It was switched off: its tokens are refused.
    Disabled,
    /// The property canceled it: its tokens are refused.
    Canceled,
    /// It was taken up again.
    Reinstated,
    /// It is gone: its tokens are refused.
    Deleted,
    /// It has a new token, and those before are refused.
    ApiKeyCreated,
}

impl IntegrationEvent {
    fn action(self) -> &'static str {
        match self {
            Self::Created => "IntegrationCreated",
            Self::Enabled => "IntegrationEnabled",
            Self::Disabled => "IntegrationDisabled",
            Self::Canceled => "IntegrationCanceled",
            Self::Reinstated => "IntegrationReinstated",
            Self::Deleted => "IntegrationDeleted",
            Self::ApiKeyCreated => "IntegrationApiKeyCreated",
        }
    }
}

/// What is to be delivered.
#[derive(Default)]
pub(super) struct Outbox {
    url: Option<String>,
    faults: HookFaults,
    /// What happened in the act under way: property, word and identifier.
    events: Vec<(String, &'static str, String)>,
    waiting: Vec<Message>,
    /// Whether something was added in the act under way.
    fresh: bool,
    /// How many are being delivered.
    under_way: usize,
    /// The statuses answered so far; 0 for none.
    answered: Vec<u16>,
}

/// A delivery. Not printable: some hold a token.
#[derive(Clone)]
struct Message {
    body: String,
    attempts: u32,
    not_before: Option<DateTime<Utc>>,
}

impl Outbox {
    /// Takes out what is to be delivered now, as often and in the order that the faults say.
    fn take(&mut self, now: DateTime<Utc>) -> Vec<Message> {
        let is_due = |message: &Message| message.not_before.is_none_or(|at| at <= now);
        let (due, later): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(is_due);
        self.waiting = later;
        let faults = self.faults;
        if faults.lose {
            return Vec::new();
        }
        let copies = usize::try_from(faults.copies.max(1)).unwrap_or(1);
        let copied = due
            .into_iter()
            .flat_map(|message| std::iter::repeat_n(message, copies));
        let mut batch: Vec<Message> = copied.collect();
        if faults.shuffle {
            shuffle(&mut batch, faults.seed);
        }
        self.under_way += batch.len();
        batch
    }
}

/// Fisher and Yates, by the numbers of a linear congruential generator.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let choices = u64::try_from(last).unwrap_or(0) + 1;
        items.swap(last, usize::try_from((state >> 33) % choices).unwrap_or(0));
    }
}

impl State {
    /// Notes something that a general webhook tells.
    pub(super) fn tell(&mut self, enterprise: &str, event: &'static str, id: &str) {
        if self.outbox.url.is_some() {
            let event = (enterprise.to_owned(), event, id.to_owned());
            self.outbox.events.push(event);
        }
    }

    /// Makes one message a property of what happened. Says whether there is anything new to send.
    pub(super) fn seal_messages(&mut self) -> bool {
        let events = std::mem::take(&mut self.outbox.events);
        if events.is_empty() {
            return std::mem::take(&mut self.outbox.fresh);
        }
        let mut messages = Vec::new();
        for enterprise in &self.enterprises {
            let here = events.iter().filter(|(at, ..)| *at == enterprise.id);
            let told: Vec<Value> = here
                .map(|(_, word, id)| json!({ "Discriminator": word, "Value": { "Id": id } }))
                .collect();
            if !told.is_empty() {
                messages.push(json!({
                    "EnterpriseId": enterprise.id,
                    "IntegrationId": enterprise.integration,
                    "Events": told,
                }));
            }
        }
        for message in &messages {
            self.put_message(message);
        }
        std::mem::take(&mut self.outbox.fresh)
    }

    fn put_message(&mut self, body: &Value) {
        if self.outbox.url.is_none() {
            return;
        }
        let faults = CONTRACT.webhook_faults(body);
        let lines = faults.iter().map(|fault| format!("webhook: {fault}"));
        self.mismatches.extend(lines);
        self.outbox.fresh = true;
        self.outbox.waiting.push(Message {
            body: body.to_string(),
            attempts: 0,
            not_before: None,
        });
    }

    /// Changes what our integration with a property may do, and tells it.
    pub(super) fn integration_event(&mut self, enterprise: &str, event: IntegrationEvent) -> Done {
        if event == IntegrationEvent::ApiKeyCreated {
            return self.regenerate_token(enterprise).map(drop);
        }
        let at = self.enterprise(enterprise)?;
        match event {
            IntegrationEvent::Disabled | IntegrationEvent::Canceled | IntegrationEvent::Deleted => {
                at.is_connected = false;
            }
            IntegrationEvent::Enabled | IntegrationEvent::Reinstated => at.is_connected = true,
            IntegrationEvent::Created | IntegrationEvent::ApiKeyCreated => {}
        }
        let id = at.id.clone();
        let mut tokens = self.access_tokens.iter();
        let token = tokens.find(|(_, opens)| opens.enterprises.contains(&id));
        let token = token.map(|(token, _)| token.clone());
        self.tell_integration(&id, event, token.as_deref())
    }

    /// Tells what became of the integration. `token`: one that opens it, where one is told.
    pub(super) fn tell_integration(
        &mut self,
        enterprise: &str,
        event: IntegrationEvent,
        token: Option<&str>,
    ) -> Done {
        let at = self.enterprise(enterprise)?;
        let mut data = json!({ "Integration": { "Id": at.integration, "Name": "Portal" } });
        match event {
            IntegrationEvent::Created => {
                data["Enterprise"] = json!({ "Id": at.id, "Name": at.name });
                data["Service"] = Value::Null;
                data["Requestor"] = Value::Null;
                data["AccessToken"] = json!(token);
                data["CreatedUtc"] = json!(super::answer::utc(at.created));
                data["IsEnabled"] = json!(at.is_connected);
            }
            IntegrationEvent::ApiKeyCreated => data["ApiKey"] = json!(token),
            IntegrationEvent::Deleted => data["DeletedUtc"] = Value::Null,
            _ => {}
        }
        let body = json!({ "Action": event.action(), "Data": data });
        self.put_message(&body);
        Ok(())
    }

    pub(super) fn set_webhook(&mut self, url: Option<String>) {
        self.outbox.url = url;
    }

    pub(super) fn set_webhook_faults(&mut self, faults: HookFaults) {
        self.outbox.faults = faults;
    }
}

/// Delivers what happens until it is dropped.
pub(super) async fn run(shared: std::sync::Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.told.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
        if !shared.with(|state| state.outbox.faults.hold) {
            shared.deliver().await;
        }
    }
}

impl Shared {
    /// Delivers what is due, one after the other.
    async fn deliver(&self) {
        let now = self.now();
        let (batch, faults) = self.with(|state| (state.outbox.take(now), state.outbox.faults));
        if !batch.is_empty() {
            tokio::time::sleep(Time::from_millis(faults.delay_millis.into())).await;
        }
        for message in batch {
            let url = self.with(|state| state.outbox.url.clone());
            let status = match url {
                Some(url) => send(&self.http, &url, &message.body).await,
                None => 0,
            };
            self.with(|state| {
                let outbox = &mut state.outbox;
                outbox.under_way -= 1;
                outbox.answered.push(status);
                let attempts = message.attempts + 1;
                if !(200..300).contains(&status) && attempts < ATTEMPTS {
                    outbox.waiting.push(Message {
                        attempts,
                        not_before: Some(now + AGAIN),
                        ..message
                    });
                }
            });
        }
    }
}

async fn send(http: &Http, url: &str, body: &str) -> u16 {
    let request = http
        .post(url)
        .header("content-type", "application/json")
        .timeout(PATIENCE)
        .body(body.to_owned());
    match request.send().await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    }
}

/// Webhooks.
impl FakeMews {
    /// Sends webhooks to this address from now on, or to nobody.
    pub fn set_webhook(&self, url: Option<&str>) {
        self.shared
            .with(|state| state.set_webhook(url.map(ToOwned::to_owned)));
    }

    /// Lets deliveries go wrong.
    pub fn set_webhook_faults(&self, faults: HookFaults) {
        self.shared.with(|state| state.set_webhook_faults(faults));
    }

    /// Changes what our integration with a property may do, and tells it by webhook.
    pub fn integration_event(&self, enterprise: &str, event: IntegrationEvent) {
        self.act(|state, _| state.integration_event(enterprise, event));
    }

    /// Delivers what waits, held or not, and returns when all of it was answered. What was refused
    /// waits for its next attempt.
    pub async fn deliver_webhooks(&self) {
        self.shared.deliver().await;
        while self.shared.with(|state| state.outbox.under_way > 0) {
            tokio::time::sleep(Time::from_millis(2)).await;
        }
    }

    /// The statuses that deliveries were answered with so far, 0 for no answer.
    pub fn webhook_answers(&self) -> Vec<u16> {
        self.shared.with(|state| state.outbox.answered.clone())
    }
}
