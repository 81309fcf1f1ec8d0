//! Processes: the API, the workers, or both in one.

use crate::apps::{apps, hook_secrets};
use crate::config::{Config, ConfigError};
use crate::edge;
use portal_interface::{Clock, Http};
use portal_jobs::{Chance, Env, StoreGate, Workers, registry, sweep};
use portal_store::{Db, DbError, key, listen};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which parts of Portal a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// API and workers.
    All,
    /// The API alone.
    Api,
    /// The workers alone.
    Work,
}

/// Why a process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The address is taken, or not ours.
    #[error("PORTAL_LISTEN: cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The system does not let signals be heard.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// Apart processes need a database they can share.
    #[error(
        "DATABASE_URL: SQLite serves one process; `portal api` and `portal work` need PostgreSQL, `portal serve` does not"
    )]
    NotShared,
}

/// What a process works with.
pub async fn environment(config: &Config, clock: Arc<dyn Clock>) -> Result<Env, StartError> {
    let sealer = config.sealer()?;
    let db = Db::open(config.database())?;
    db.migrate().await?;
    let mut tx = db.begin().await?;
    key::verify(&mut tx, &sealer, clock.now()).await?;
    tx.commit().await?;
    let http = Http::new(Arc::new(StoreGate::new(db.clone(), clock.clone())));
    Ok(Env {
        apps: apps(&config.vendors, &http, &clock),
        db,
        clock,
        chance: Chance::System,
        sealer,
    })
}

/// A running Portal.
#[derive(Debug)]
pub struct Running {
    /// Where the API listens; none for a process of workers alone.
    pub address: Option<SocketAddr>,
    workers: Option<Workers>,
    upkeep: Vec<JoinHandle<()>>,
    server: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Starts the parts of a process. `sweep_every` is how often due work is looked for.
pub async fn start(
    env: Env,
    config: &Config,
    parts: Parts,
    sweep_every: Duration,
) -> Result<Running, StartError> {
    if parts != Parts::All && !env.db.is_postgres() {
        return Err(StartError::NotShared);
    }
    let hooks = hook_secrets(&config.vendors)?;
    let (stop, stopping) = watch::channel(false);
    let mut upkeep = vec![tokio::spawn(listen::run(env.db.clone()))];
    let workers = (parts != Parts::Api).then(|| {
        upkeep.push(tokio::spawn(sweep::run(env.clone(), sweep_every)));
        Workers::start(Arc::new(env.clone()), &registry())
    });
    let (address, server) = if parts == Parts::Work {
        (None, None)
    } else {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError::Listen(config.listen, error))?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::Listen(config.listen, error))?;
        let app = edge::App::new(env, config.origin(address), stopping).with_hooks(hooks);
        (
            Some(address),
            Some(tokio::spawn(edge::serve(listener, app))),
        )
    };
    Ok(Running {
        address,
        workers,
        upkeep,
        server,
        stop,
    })
}

impl Running {
    /// Finishes what is under way or gives it back, within 10 seconds.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(workers) = self.workers.take() {
            workers.stop(Workers::PATIENCE).await;
        }
        for task in self.upkeep.drain(..) {
            task.abort();
        }
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(Duration::from_secs(1), &mut server)
                .await
                .is_err()
        {
            server.abort();
        }
    }
}

/// Runs until told to stop. A second signal ends the process at once; what was under way is taken
/// up by whoever comes next.
pub async fn run(
    config: &Config,
    parts: Parts,
    clock: Arc<dyn Clock>,
    sweep: Duration,
) -> Result<(), StartError> {
    // Before anything is under way that a signal could cut off.
    let mut signals = Signals::listen().map_err(StartError::Signals)?;
    let env = environment(config, clock).await?;
    let running = start(env, config, parts, sweep).await?;
    if let Some(address) = running.address {
        tracing::info!(%address, "the API listens");
    }
    signals.next().await;
    tracing::info!("stopping");
    tokio::select! {
        () = running.stop() => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// SIGTERM and SIGINT, heard from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    heard: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    /// Begins to listen: from now on a signal no longer ends the process by itself.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                heard: [
                    signal(SignalKind::terminate())?,
                    signal(SignalKind::interrupt())?,
                ],
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [terminate, interrupt] = &mut self.heard;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
    }
}
