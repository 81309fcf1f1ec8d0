//! LEAK-1: nothing secret can be printed, and nothing a vendor answers brings the adapter down.

use super::garble;
use super::house::{LocksScene, PmsScene};
use super::listener::Listener;
use super::run::{Checked, fail, must, unwound};
use super::stage::{Fault, Reply, Wire};
use super::subject::{SECRET_DIGITS, Subject};
use crate::Pull;
use async_trait::async_trait;
use chrono::Duration;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::sync::PoisonError;

/// A subject that has more to print than what everything answers.
#[async_trait(?Send)]
pub(super) trait Printed: Subject {
    async fn printed(&self) -> String;
}

#[async_trait(?Send)]
impl Printed for PmsScene {
    async fn printed(&self) -> String {
        let (stay, room) = self.guest();
        let mut cursors = Vec::new();
        let (from, to) = (self.now(), self.now() + Duration::days(30));
        let mut at = None;
        let mut since = None;
        for _ in 0..3 {
            let window = self.pull(Pull::Window { from, to, at }, 1).await.ok();
            at = window.map(|pulled| pulled.cursor);
            let changes = self.pull(Pull::Changes { since }, 1).await.ok();
            since = changes.map(|pulled| pulled.cursor);
            cursors.push((at.clone(), since.clone()));
            self.stage.book(&self.booking(Some(room), 1, 2));
        }
        let want = self.wish(stay, room, SECRET_DIGITS);
        format!("{:?} {want:?} {cursors:?}", self.account)
    }
}

#[async_trait(?Send)]
impl Printed for LocksScene {
    async fn printed(&self) -> String {
        format!("{:?} {:?}", self.account, self.code("1", SECRET_DIGITS))
    }
}

/// Tokens and PINs are in nothing that can be printed or logged: values, errors, cursors, spans,
/// whatever the vendor answers. Answers of the right outline with wrong values in them are errors.
pub(super) async fn leak_1(scene: &impl Printed) -> Checked {
    let vendor = scene.vendor();
    let mut secrets = vendor.secrets();
    secrets.push(SECRET_DIGITS.to_owned());
    let listener = Listener::default();
    let heard = listener.heard();
    let _listening = tracing::subscriber::set_default(listener);
    let mut printed = vendor.printed();
    told(scene, &mut printed).await;
    // A text takes whatever is written to it.
    let _ = writeln!(printed, "{}", scene.printed().await);
    let stranger = scene.validate(&vendor.stranger()).await;
    let _ = writeln!(printed, "{stranger:?}");
    match vendor.wire() {
        Ok(wire) => {
            echoed(scene, wire, &secrets, &mut printed).await;
            strange(scene, wire).await?;
        }
        Err(cannot) => scene.without(cannot),
    }
    printed.push_str(&heard.lock().unwrap_or_else(PoisonError::into_inner));
    // What is hidden well is hidden in every form it is sent in.
    for secret in &secrets {
        let quoted = json!(secret).to_string();
        for form in [secret.as_str(), quoted.trim_matches('"')] {
            if let Some(at) = printed.find(form) {
                let line = printed[..at].rsplit('\n').next().unwrap_or_default();
                let line: String = line.chars().take(200).collect();
                fail!("a secret of {} bytes stands after: {line}", secret.len());
            }
        }
    }
    Ok(())
}

/// Asks everything and writes down what is said of it.
async fn told(scene: &impl Subject, printed: &mut String) {
    for (asked, answer) in scene.everything().await {
        let _ = match answer {
            Ok(answer) => writeln!(printed, "{asked}: {answer}"),
            Err(error) => writeln!(printed, "{asked}: {error:?} {error}"),
        };
    }
}

/// A vendor that says the secrets back to us, in every place it can.
async fn echoed(scene: &impl Subject, wire: &dyn Wire, secrets: &[String], printed: &mut String) {
    let all = secrets.join(" ");
    let said = json!({ "Message": all, "error": all, "Details": [all], "RequestId": "1" });
    for status in [200, 302, 400, 401, 403, 404, 409, 422, 429, 500] {
        for body in [said.to_string(), format!("<p>{all}</p>")] {
            let headers = vec![("x-said", all.clone())];
            wire.reply(Some(Reply {
                status,
                headers,
                body,
            }));
            told(scene, printed).await;
        }
    }
    wire.reply(None);
    for fault in [Fault::Cut, Fault::CommitThenDrop] {
        wire.next(Some(fault));
        told(scene, printed).await;
    }
    wire.next(None);
}

/// A vendor whose answers are of the right outline, with anything in them.
async fn strange(scene: &impl Subject, wire: &dyn Wire) -> Checked {
    let answers = wire.answers();
    must!(!answers.is_empty(), "there is no example of an answer");
    // Identifiers that are none are sent back in good faith.
    scene.contract_ends();
    for seed in 0..garble::SEEDS {
        let body = garble::garbled(&joined(&answers, seed)?, seed);
        wire.reply(Some(Reply {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.clone(),
        }));
        if let Err(panic) = unwound(scene.everything()).await {
            let body: String = body.chars().take(1000).collect();
            fail!("the adapter panicked, {panic}, over {body}");
        }
    }
    wire.reply(None);
    Ok(())
}

/// One answer to whatever is asked: the members of all. What takes several requests comes further
/// with it than with an answer to one. Of members of the same name the seed chooses one.
fn joined(answers: &[String], seed: u64) -> Checked<Value> {
    let mut members = Map::new();
    let first = usize::try_from(seed).unwrap_or_default() % answers.len();
    for answer in answers[first..].iter().chain(&answers[..first]) {
        let Ok(Value::Object(answer)) = serde_json::from_str(answer) else {
            fail!("an example of an answer is no JSON object");
        };
        for (name, value) in answer {
            members.entry(name).or_insert(value);
        }
    }
    Ok(Value::Object(members))
}
