//! A subscription over a WebSocket.

use super::Caller;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A socket on which operations run.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    operations: u32,
}

impl Caller {
    /// Opens a socket with the caller's session.
    pub(crate) async fn socket(&self) -> Socket {
        let (_, cookie) = self.credential.as_ref().expect("somebody who signed in");
        let mut request = format!("ws://{}/graphql", self.address)
            .into_client_request()
            .expect("an address");
        for (name, value) in [
            ("cookie", cookie.clone()),
            ("sec-websocket-protocol", "graphql-transport-ws".to_owned()),
            ("origin", format!("http://{}", self.address)),
        ] {
            let value = value.parse().expect("a header");
            request.headers_mut().insert(name, value);
        }
        let (stream, _) = tokio_tungstenite::connect_async(request)
            .await
            .expect("a socket");
        let mut socket = Socket {
            stream,
            operations: 0,
        };
        socket.say(&json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }
}

impl Socket {
    async fn say(&mut self, message: &Value) {
        let text = Message::Text(message.to_string().into());
        self.stream.send(text).await.expect("a socket");
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(Duration::from_mins(1), self.stream.next()).await;
            match message.expect("an answer in time") {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("JSON");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Starts an operation.
    pub(crate) async fn ask(&mut self, query: &str, variables: Value) {
        self.operations += 1;
        let payload = json!({ "query": query, "variables": variables });
        let id = self.operations.to_string();
        self.say(&json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// The data of the next answer.
    pub(crate) async fn data(&mut self) -> Value {
        let mut message = self.hear().await;
        assert_eq!(message["type"], json!("next"), "{message}");
        message["payload"]["data"].take()
    }
}
