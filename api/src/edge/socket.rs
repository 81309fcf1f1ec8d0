//! Subscriptions, queries and mutations over a WebSocket: graphql-transport-ws.

use super::document::{Kind, Limits};
use super::operation::{self, Asked, Done};
use super::places::Place;
use super::{ApiError, App, ErrorCode, from_here, http};
use crate::auth::{Credential, Viewer, bearer, credential, look_again};
use async_graphql::Response as Answer;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

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
/// How long a reader may take for one of them.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a client may take to answer a close.
const FAREWELL: Duration = Duration::from_secs(2);

/// `GET /graphql`: a WebSocket, or an explanation.
pub(super) async fn upgrade(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
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
        .on_upgrade(move |socket| async move { serve(app, peer.ip(), socket, cookie).await })
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
const LATER: Close = Close(1013, "Try again later");

/// What an operation has to say.
struct Outgoing {
    id: String,
    /// Tells the operation from an earlier one of the same id.
    number: u64,
    what: What,
}

enum What {
    Next(Box<Answer>),
    Error(Box<Answer>),
    Complete,
}

async fn serve(app: App, peer: IpAddr, socket: WebSocket, cookie: Option<Credential>) {
    let (mut sink, mut stream) = socket.split();
    let (say, mut said) = mpsc::channel::<Outgoing>(WAITING);
    let mut session = Session {
        app: app.clone(),
        peer,
        cookie,
        credential: None,
        viewer: None,
        place: None,
        operations: HashMap::new(),
        number: 0,
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
            Some(outgoing) = said.recv() => Ok(session.write(&outgoing)),
            () = &mut introduction, if session.viewer.is_none() => Err(LATE),
            _ = look_again.tick() => session.look_again().await.map(|()| None),
            _ = ping.tick() => session.ping(),
            () = stopped(&mut stopping) => Err(STOPPING),
        };
        match reply {
            Ok(Some(text)) => {
                match timeout(PATIENCE, sink.send(Message::Text(text.into()))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break GONE,
                    Err(_) => break LATER,
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
    let farewell = async {
        if sink.send(Message::Close(Some(frame))).await.is_ok() {
            // What the client still sends is read: otherwise the close may never arrive.
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
}

/// Waits until the process stops.
async fn stopped(stopping: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone: the process is at its end as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

struct Session {
    app: App,
    peer: IpAddr,
    cookie: Option<Credential>,
    credential: Option<Credential>,
    viewer: Option<Viewer>,
    place: Option<Place>,
    operations: HashMap<String, Operation>,
    number: u64,
    say: mpsc::Sender<Outgoing>,
    unanswered: u8,
}

struct Operation {
    number: u64,
    task: JoinHandle<()>,
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
                    operation.task.abort();
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
        let caller = self.app.caller(self.peer, &offered).await;
        let viewer = caller.map_err(|error| match error.code {
            ErrorCode::ServiceUnavailable | ErrorCode::InternalServerError => LATER,
            _ => FORBIDDEN,
        })?;
        self.place = Some(self.app.places.take(viewer.credential()).ok_or(LATER)?);
        self.viewer = Some(viewer);
        self.credential = Some(offered);
        Ok(Some(json!({ "type": "connection_ack" }).to_string()))
    }

    fn subscribe(&mut self, id: String, payload: Value, viewer: &Viewer) -> Reply {
        self.operations
            .retain(|_, operation| !operation.task.is_finished());
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
                let answer = Box::new(operation::failed(&error, Uuid::now_v7()));
                return Ok(Some(text(&id, &What::Error(answer))));
            }
        };
        self.number += 1;
        let teller = Teller {
            say: self.say.clone(),
            id: id.clone(),
            number: self.number,
        };
        let app = self.app.clone();
        let task = tokio::spawn(async move {
            // The channel holds few: the next answer is made when the last was written.
            if prepared.kind == Kind::Subscription {
                let mut answers = std::pin::pin!(operation::follow(&app, prepared));
                while let Some(done) = answers.next().await {
                    if !teller.tell(done).await {
                        return;
                    }
                }
            } else if !teller.tell(operation::run(&app, prepared).await).await {
                return;
            }
            teller.say(What::Complete).await;
        });
        let number = self.number;
        self.operations.insert(id, Operation { number, task });
        Ok(None)
    }

    /// The text to send, unless the client has ended the operation meanwhile.
    fn write(&mut self, outgoing: &Outgoing) -> Option<String> {
        let known = self.operations.get(&outgoing.id)?;
        if known.number != outgoing.number {
            return None;
        }
        if !matches!(outgoing.what, What::Next(_)) {
            self.operations.remove(&outgoing.id);
        }
        Some(text(&outgoing.id, &outgoing.what))
    }

    /// A credential that ended takes the socket with it, and so does a change of what its caller may
    /// do: what runs was begun with the old rights, and the client comes again with the new.
    async fn look_again(&mut self) -> Result<(), Close> {
        let (Some(credential), Some(known)) = (&self.credential, &self.viewer) else {
            return Ok(());
        };
        let now = self.app.env.now();
        match look_again(&self.app.env.db, credential, now).await {
            Ok(viewer) if viewer.may_the_same_as(known) => {
                self.viewer = Some(viewer);
                Ok(())
            }
            Ok(_) => Err(FORBIDDEN),
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
            operation.task.abort();
        }
    }
}

/// Speaks for one operation.
struct Teller {
    say: mpsc::Sender<Outgoing>,
    id: String,
    number: u64,
}

impl Teller {
    /// Hands on an answer. False when the operation is over: a request that was not run has said
    /// all.
    async fn tell(&self, done: Done) -> bool {
        let answer = Box::new(done.answer);
        if done.ran {
            self.say(What::Next(answer)).await
        } else {
            self.say(What::Error(answer)).await;
            false
        }
    }

    /// False when the socket is gone.
    async fn say(&self, what: What) -> bool {
        let outgoing = Outgoing {
            id: self.id.clone(),
            number: self.number,
            what,
        };
        self.say.send(outgoing).await.is_ok()
    }
}

fn text(id: &str, what: &What) -> String {
    match what {
        What::Next(answer) => json!({ "type": "next", "id": id, "payload": answer }),
        What::Error(answer) => json!({ "type": "error", "id": id, "payload": answer.errors }),
        What::Complete => json!({ "type": "complete", "id": id }),
    }
    .to_string()
}
