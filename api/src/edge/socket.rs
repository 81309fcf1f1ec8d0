//! Subscriptions, queries and mutations over a WebSocket: graphql-transport-ws.

use super::operation::{self, Asked};
use super::{ApiError, App, ErrorCode, Limits, document::Kind, from_here, http};
use crate::auth::{Credential, Viewer, authenticate, bearer, credential};
use async_graphql::Response as Answer;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to introduce itself.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// How often the credential is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often the client is pinged.
const PING: Duration = Duration::from_secs(30);
/// Most operations on one socket.
const MOST_OPERATIONS: usize = 50;
/// Answers that wait for a slow reader.
const WAITING: usize = 16;

/// `GET /graphql`: a WebSocket, or an explanation.
pub(super) async fn upgrade(
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return http::other_method().await;
    };
    let speaks = headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim() == PROTOCOL);
    if !speaks {
        return (
            StatusCode::BAD_REQUEST,
            "Use the subprotocol graphql-transport-ws.",
        )
            .into_response();
    }
    let cookie = credential(&headers, app.secure);
    if cookie.is_some() && !from_here(&headers, &app.origin) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(Limits::ADMIN.body)
        .on_upgrade(move |socket| async move { serve(app, socket, cookie).await })
}

/// A message of the client.
#[derive(Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Value>,
}

/// Why a socket is closed.
struct Close(u16, &'static str);

const BAD: Close = Close(4400, "Not a message of graphql-transport-ws");
const UNAUTHORIZED: Close = Close(4401, "Unauthorized");
const FORBIDDEN: Close = Close(4403, "Forbidden");
const LATE: Close = Close(4408, "Connection initialisation timeout");
const TWICE: Close = Close(4429, "Too many initialisation requests");
const STOPPING: Close = Close(1012, "Service restart");
const GONE: Close = Close(1001, "Going away");

/// What an operation has to say.
enum Outgoing {
    Next(String, Box<Answer>),
    Error(String, Box<Answer>),
    Complete(String),
}

async fn serve(app: App, socket: WebSocket, cookie: Option<Credential>) {
    let (mut sink, mut stream) = socket.split();
    let (say, mut said) = mpsc::channel::<Outgoing>(WAITING);
    let mut session = Session {
        app: app.clone(),
        cookie,
        credential: None,
        viewer: None,
        operations: HashMap::new(),
        say,
        unanswered: 0,
    };
    let mut stopping = app.stopping.clone();
    let introduction = tokio::time::sleep(INTRODUCTION);
    tokio::pin!(introduction);
    let mut look_again = tokio::time::interval(LOOK_AGAIN);
    let mut ping = tokio::time::interval(PING);
    ping.reset();
    let close = loop {
        let reply = tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => session.hear(&text).await,
                Some(Ok(Message::Binary(_))) => Err(BAD),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(GONE),
            },
            Some(outgoing) = said.recv() => Ok(session.write(outgoing)),
            () = &mut introduction, if session.viewer.is_none() => Err(LATE),
            _ = look_again.tick() => session.look_again().await.map(|()| None),
            _ = ping.tick() => session.ping(),
            () = stopped(&mut stopping) => Err(STOPPING),
        };
        match reply {
            Ok(Some(text)) => {
                if sink.send(Message::Text(text.into())).await.is_err() {
                    break GONE;
                }
            }
            Ok(None) => {}
            Err(close) => break close,
        }
    };
    session.end();
    let frame = CloseFrame {
        code: close.0,
        reason: close.1.into(),
    };
    let _ = sink.send(Message::Close(Some(frame))).await;
}

/// Waits until the process stops.
async fn stopped(stopping: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone: the process is at its end as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

struct Session {
    app: App,
    cookie: Option<Credential>,
    credential: Option<Credential>,
    viewer: Option<Viewer>,
    operations: HashMap<String, JoinHandle<()>>,
    say: mpsc::Sender<Outgoing>,
    unanswered: u8,
}

type Reply = Result<Option<String>, Close>;

impl Session {
    async fn hear(&mut self, text: &str) -> Reply {
        let message: Incoming = serde_json::from_str(text).map_err(|_| BAD)?;
        match message.kind.as_str() {
            "connection_init" => self.introduce(message.payload.as_ref()).await,
            "ping" => Ok(Some(json!({ "type": "pong" }).to_string())),
            "pong" => {
                self.unanswered = 0;
                Ok(None)
            }
            "subscribe" => {
                let viewer = self.viewer.clone().ok_or(UNAUTHORIZED)?;
                let id = message.id.filter(|id| !id.is_empty()).ok_or(BAD)?;
                let payload = message.payload.filter(Value::is_object).ok_or(BAD)?;
                self.subscribe(id, payload, &viewer)
            }
            "complete" => {
                let id = message.id.ok_or(BAD)?;
                if let Some(operation) = self.operations.remove(&id) {
                    operation.abort();
                }
                Ok(None)
            }
            _ => Err(BAD),
        }
    }

    async fn introduce(&mut self, payload: Option<&Value>) -> Reply {
        if self.viewer.is_some() {
            return Err(TWICE);
        }
        let key = payload
            .and_then(|payload| payload.get("authorization"))
            .and_then(Value::as_str)
            .and_then(bearer);
        let offered = match (key, self.cookie.take()) {
            (Some(key), _) => Credential::Key(key),
            (None, Some(cookie)) => cookie,
            (None, None) => return Err(FORBIDDEN),
        };
        let now = self.app.env.now();
        let viewer = authenticate(&self.app.env.db, &offered, now)
            .await
            .map_err(|_| FORBIDDEN)?;
        self.viewer = Some(viewer);
        self.credential = Some(offered);
        Ok(Some(json!({ "type": "connection_ack" }).to_string()))
    }

    fn subscribe(&mut self, id: String, payload: Value, viewer: &Viewer) -> Reply {
        self.operations
            .retain(|_, operation| !operation.is_finished());
        if self.operations.contains_key(&id) {
            return Err(Close(4409, "Subscriber already exists"));
        }
        let prepared = serde_json::from_value::<Asked>(payload)
            .map_err(|_| ApiError::new(ErrorCode::BadRequest, "payload is no GraphQL request"))
            .and_then(|asked| {
                let document = operation::measure(&asked)?;
                operation::prepare(&self.app, asked, &document, viewer)
            })
            .and_then(|prepared| {
                if self.operations.len() < MOST_OPERATIONS {
                    Ok(prepared)
                } else {
                    Err(ApiError::new(ErrorCode::Throttled, "Too many operations"))
                }
            });
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let answer = Box::new(operation::failed(&error));
                return Ok(Some(text(&Outgoing::Error(id, answer))));
            }
        };
        let (app, say, name) = (self.app.clone(), self.say.clone(), id.clone());
        let operation = tokio::spawn(async move {
            // The channel holds few: the next answer is made when the last was written.
            if prepared.kind == Kind::Subscription {
                let mut answers = std::pin::pin!(operation::follow(&app, prepared));
                while let Some(answer) = answers.next().await {
                    if !tell(&say, &name, answer).await {
                        return;
                    }
                }
            } else {
                let answer = operation::run(&app, prepared).await;
                if !tell(&say, &name, answer).await {
                    return;
                }
            }
            let _ = say.send(Outgoing::Complete(name)).await;
        });
        self.operations.insert(id, operation);
        Ok(None)
    }

    /// The text to send, unless the client has ended the operation meanwhile.
    fn write(&mut self, outgoing: Outgoing) -> Option<String> {
        let (Outgoing::Next(id, _) | Outgoing::Error(id, _) | Outgoing::Complete(id)) = &outgoing;
        let known = self.operations.contains_key(id);
        if matches!(outgoing, Outgoing::Complete(_) | Outgoing::Error(..)) {
            self.operations.remove(id);
        }
        known.then(|| text(&outgoing))
    }

    /// A credential that ended takes the socket with it.
    async fn look_again(&mut self) -> Result<(), Close> {
        let Some(credential) = &self.credential else {
            return Ok(());
        };
        let now = self.app.env.now();
        match authenticate(&self.app.env.db, credential, now).await {
            Ok(viewer) => {
                self.viewer = Some(viewer);
                Ok(())
            }
            Err(error) if error.code == ErrorCode::Unauthenticated => Err(FORBIDDEN),
            // The database is away: it is asked again.
            Err(_) => Ok(()),
        }
    }

    fn ping(&mut self) -> Reply {
        self.unanswered += 1;
        if self.unanswered > 2 {
            return Err(GONE);
        }
        Ok(Some(json!({ "type": "ping" }).to_string()))
    }

    fn end(&mut self) {
        for (_, operation) in self.operations.drain() {
            operation.abort();
        }
    }
}

/// Hands on an answer. False when the operation is over: a request that was not run has said all.
async fn tell(say: &mpsc::Sender<Outgoing>, id: &str, answer: Answer) -> bool {
    let not_run = answer.data == async_graphql::Value::Null
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| error.path.len() <= 1);
    let answer = Box::new(answer);
    if not_run {
        let _ = say.send(Outgoing::Error(id.to_owned(), answer)).await;
        return false;
    }
    say.send(Outgoing::Next(id.to_owned(), answer))
        .await
        .is_ok()
}

fn text(outgoing: &Outgoing) -> String {
    match outgoing {
        Outgoing::Next(id, answer) => {
            json!({ "type": "next", "id": id, "payload": answer }).to_string()
        }
        Outgoing::Error(id, answer) => {
            json!({ "type": "error", "id": id, "payload": answer.errors }).to_string()
        }
        Outgoing::Complete(id) => json!({ "type": "complete", "id": id }).to_string(),
    }
}
