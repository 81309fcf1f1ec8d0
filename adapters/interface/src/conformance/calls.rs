//! CALL-1 and CALL-2: how fast a vendor is called, for how long, and where.

use super::gate::Turnstile;
use super::gate::WAIT;
use super::house::{LocksScene, PmsScene};
use super::run::{Answered, Checked, Miss, fail, must, together};
use super::stage::{Fault, Reply, Wire};
use super::subject::Subject;
use crate::AdapterError;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a request is held up while its caller goes away.
const HELD: Duration = Duration::from_millis(300);

/// A subject whose gate can be watched.
pub(super) trait Gated: Subject {
    fn gate(&self) -> &Turnstile;
}

impl Gated for PmsScene {
    fn gate(&self) -> &Turnstile {
        &self.gate
    }
}

impl Gated for LocksScene {
    fn gate(&self) -> &Turnstile {
        &self.gate
    }
}

/// Every request draws a permit, so that many callers together never exceed the budget; how long to
/// wait is understood as seconds and as a date, and keeps everybody waiting.
pub(super) async fn call_1(scene: &impl Gated) -> Checked {
    let wire = scene.vendor().wire()?;
    let gate = scene.gate();
    let (passed, requests) = (gate.passed(), wire.requests());
    scene.everything().await;
    let (passed, requests) = (gate.passed() - passed, wire.requests() - requests);
    must!(requests > 0, "everything was asked without a request");
    must!(
        passed == requests,
        "{requests} requests drew {passed} permits"
    );
    budget(scene, wire).await?;
    retry_after(scene, wire).await
}

async fn budget(scene: &impl Gated, wire: &dyn Wire) -> Checked {
    let burst = scene.app().budget.burst;
    let callers = (burst + 20).max(50);
    let accounts: Vec<_> = (0..callers).map(|_| scene.vendor().account()).collect();
    let before = wire.requests();
    scene.gate().limit(Some(burst));
    let calls = accounts.iter().map(|account| scene.validate(account));
    let answers = together(calls.collect()).await;
    scene.gate().limit(None);
    let made = wire.requests() - before;
    must!(
        made <= burst,
        "{callers} callers made {made} requests where {burst} were allowed"
    );
    let retry_after = Some(WAIT);
    for answer in answers {
        match answer {
            Ok(_) | Err(AdapterError::RateLimited { .. }) => {}
            Err(error) => fail!("without a permit the answer is {error:?}"),
        }
        must!(
            !matches!(&answer, Err(error) if *error != AdapterError::RateLimited { retry_after }),
            "nobody is told how long to wait for a permit"
        );
    }
    Ok(())
}

async fn retry_after(scene: &impl Gated, wire: &dyn Wire) -> Checked {
    let date = |time: &str| format!("Tue, 24 Nov 2026 {time} GMT");
    let seven = Some(Duration::from_secs(7));
    for (headers, retry_after) in [
        (vec![("retry-after", "7".to_owned())], seven),
        (
            vec![
                ("date", date("10:00:00")),
                ("retry-after", date("10:00:07")),
            ],
            seven,
        ),
        (Vec::new(), None),
    ] {
        let words = format!("{headers:?}");
        let (status, body) = (429, "{}".to_owned());
        wire.reply(Some(Reply {
            status,
            headers,
            body,
        }));
        scene.gate().closed();
        for (asked, answer) in scene.everything().await {
            if asked == "refused" && answer.is_ok() {
                continue;
            }
            must!(
                answer == Err(AdapterError::RateLimited { retry_after }),
                "{asked}: 429 with {words} became {answer:?}"
            );
        }
        let closed = scene.gate().closed();
        must!(!closed.is_empty(), "429 with {words} left the gate open");
        must!(
            retry_after.is_none_or(|pause| closed.iter().all(|&closed| closed == pause)),
            "429 with {words} closed the gate for {closed:?}"
        );
    }
    wire.reply(None);
    let account = scene.vendor().account();
    scene
        .validate(&account)
        .await
        .answered("validate")
        .map(drop)
}

/// Who is no longer waited for stops calling, and a vendor that points elsewhere is not followed.
pub(super) async fn call_2(scene: &impl Subject) -> Checked {
    let wire = scene.vendor().wire()?;
    let account = scene.vendor().account();
    // Whatever is needed to ask is there before.
    scene.everything().await;
    let before = wire.requests();
    wire.next(Some(Fault::Delay(HELD)));
    {
        let mut asking = pin!(scene.at_length(&account));
        while wire.requests() == before {
            tokio::select! {
                biased;
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
                () = &mut asking => fail!("an answer came before the request was held up"),
            }
        }
    }
    tokio::time::sleep(HELD * 2).await;
    let made = wire.requests() - before;
    must!(
        made == 1,
        "{} requests were made for somebody who no longer waited",
        made - 1
    );
    wire.next(None);
    elsewhere(scene, wire).await
}

async fn elsewhere(scene: &impl Subject, wire: &dyn Wire) -> Checked {
    let trap = TcpListener::bind(("127.0.0.1", 0)).await.map_err(trouble)?;
    let address = trap.local_addr().map_err(trouble)?;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{address}/elsewhere");
        wire.reply(Some(Reply {
            status,
            headers: vec![("location", location.clone())],
            body: format!(r#"{{"Location":"{location}","url":"{location}"}}"#),
        }));
        tokio::select! {
            biased;
            _ = trap.accept() => fail!("status {status} was followed to another host"),
            answers = scene.everything() => {
                for (asked, answer) in answers {
                    must!(
                        answer.is_err() || asked == "refused",
                        "{asked}: status {status} was taken for an answer"
                    );
                }
            }
        }
    }
    wire.reply(None);
    // Whoever came without waiting for an answer stands in the queue.
    let late = tokio::time::timeout(Duration::from_millis(50), trap.accept()).await;
    must!(late.is_err(), "another host was called");
    Ok(())
}

fn trouble(error: std::io::Error) -> Miss {
    Miss::Failed(format!("the suite could not listen: {error}"))
}
