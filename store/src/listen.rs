//! Signals between processes that share one `PostgreSQL`.

use futures_util::{StreamExt, future, stream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls};

use crate::Db;
use crate::bell::{Bell, EVENTS, JOBS};

/// Silence after which the connection is tried: a lost one may stay silent for ever.
const PING: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Commits within this time are told as one, as every listener wakes for each.
const GATHER: Duration = Duration::from_millis(50);
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Tells other processes of our commits and rings the bell for theirs. Never ends; stop it by
/// dropping it. While the connection is lost everything works by polling.
///
/// `SQLite` has one process, so there is nobody to tell. The connection is made without TLS:
/// `PostgreSQL` has to be reached over loopback or a private network for now.
pub async fn run(db: Db) {
    if !db.is_postgres() {
        return future::pending().await;
    }
    let mut pause = SHORTEST_PAUSE;
    // What could not be told yet.
    let mut owed = Vec::new();
    loop {
        let started = tokio::time::Instant::now();
        if let Err(error) = session(&db, &mut owed).await {
            tracing::warn!(%error, "signals between processes are off; polling carries on");
        }
        pause = if started.elapsed() > LONGEST_PAUSE {
            SHORTEST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::time::sleep(pause).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("no answer in time")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the connection failed")]
    Failed(#[from] Error),
    #[error("the connection ended")]
    Ended,
}

async fn session(db: &Db, owed: &mut Vec<&'static str>) -> Result<(), Lost> {
    let (client, mut connection) =
        timeout(ANSWER, tokio_postgres::connect(db.url(), NoTls)).await??;
    let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
    let own = AtomicI32::new(0);
    // The client gets no answer unless the connection is polled beside it.
    let hear = async {
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(told) = message?
                // This process woke at its commit.
                && told.process_id() != own.load(Ordering::Relaxed)
            {
                db.bell().heard(told.channel());
            }
        }
        Err(Lost::Ended)
    };
    tokio::select! {
        lost = hear => lost,
        lost = talk(&client, &own, db.bell(), owed) => lost,
    }
}

async fn talk(
    client: &Client,
    own: &AtomicI32,
    bell: &Bell,
    owed: &mut Vec<&'static str>,
) -> Result<(), Lost> {
    let row = timeout(ANSWER, client.query_one("SELECT pg_backend_pid()", &[])).await??;
    own.store(row.try_get(0)?, Ordering::Relaxed);
    let listen = format!("LISTEN {JOBS}; LISTEN {EVENTS}");
    timeout(ANSWER, client.batch_execute(&listen)).await??;
    // Whatever was said while nobody listened.
    bell.heard(JOBS);
    bell.heard(EVENTS);
    loop {
        if owed.is_empty() {
            match timeout(PING, bell.outbox()).await {
                Ok(channels) => owed.extend(channels),
                Err(_) => timeout(ANSWER, client.batch_execute("SELECT 1")).await??,
            }
        }
        let notify: Vec<_> = owed
            .iter()
            .map(|channel| format!("NOTIFY {channel}"))
            .collect();
        if !notify.is_empty() {
            timeout(ANSWER, client.batch_execute(&notify.join("; "))).await??;
            owed.clear();
            tokio::time::sleep(GATHER).await;
        }
    }
}
