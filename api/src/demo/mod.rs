//! Everything at once, with fakes, and the staff guide walked through it.

mod client;
mod clock;
mod guide;

use crate::admin;
use crate::config::{Config, Vendors};
use crate::serve::{Parts, Signals, environment, start};
use client::Client;
use clock::DemoClock;
use portal_interface::{Clock, SecretString};
use portal_mews::fake::FakeMews;
use portal_store::Sealer;
use portal_virtual::fake::FakeLocks;
use secrecy::ExposeSecret;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const EMAIL: &str = "owner@example.com";
const ORGANIZATION: &str = "Aurora Hotels";
/// The house that is connected in the walk.
const HOUSE: &str = "Hotel Aurora";
/// The house whose account is linked already.
const OTHER_HOUSE: &str = "Hotel Borealis";
/// Loopback is where fakes play.
const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Settings of the demo.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Folder for the database and its key; made if need be. Default: a temporary one. A demo begins
    /// with an empty database.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Address the API listens on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// End after the walk: 0 when every step showed what it should.
    #[arg(long)]
    pub once: bool,
}

/// A demo that runs.
pub(crate) struct Demo {
    pub(crate) client: Client,
    pub(crate) clock: Arc<DemoClock>,
    pub(crate) mews: FakeMews,
    pub(crate) locks: FakeLocks,
    /// Tokens and keys of the walk.
    pub(crate) token: SecretString,
    pub(crate) other_token: SecretString,
    pub(crate) lock_key: SecretString,
    /// The house at the fake Mews.
    pub(crate) enterprise: String,
}

/// Runs the demo. The code says whether the walk showed what it should.
pub async fn run(options: &Options) -> ExitCode {
    match try_run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn try_run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let folder = Folder::new(options.data.as_deref())?;
    let clock = Arc::new(DemoClock::default());
    let shared: Arc<dyn Clock> = clock.clone();
    let client_token: SecretString = "demo-client-token".into();
    let settings = portal_mews::fake::Options::new(client_token.clone(), shared.clone());
    let mews = FakeMews::start(LOOPBACK, settings).await?;
    let locks = FakeLocks::start(LOOPBACK, shared.clone()).await?;
    let config = Config {
        database_url: format!("sqlite:{}", folder.path.join("portal.db").display()).into(),
        // The walk with --once may run beside a demo that stays up.
        listen: if options.once && options.listen.port() == 8080 {
            LOOPBACK
        } else {
            options.listen
        },
        origin: None,
        keys: Some(folder.keys()?),
        key_file: None,
        vendors: Vendors {
            mews_client_token: Some(client_token),
            mews_client_name: format!("Portal {}", env!("CARGO_PKG_VERSION")),
            mews_api_url: mews.url().to_owned(),
            mews_webhook_secrets: None,
            virtual_locks_url: Some(locks.url().to_owned()),
            demo_app: true,
        },
    };
    let env = environment(&config, shared).await?;
    let password = crate::auth::random_token();
    let now = env.now();
    for property in [HOUSE, OTHER_HOUSE] {
        let owner = admin::NewOwner {
            email: EMAIL,
            name: "Olive Owner",
            password: password.clone(),
            organization: ORGANIZATION,
            property,
        };
        admin::create_owner(&env.db, owner, now).await?;
    }
    let running = start(env, &config, Parts::All, Duration::from_millis(250)).await?;
    let address = running.address.ok_or("the API does not listen")?;
    let (house, other) = (
        mews.add_enterprise(HOUSE, "Europe/Prague"),
        mews.add_enterprise(OTHER_HOUSE, "Europe/Prague"),
    );
    let site = locks.add_site(HOUSE);
    let demo = Demo {
        client: Client::new(address, EMAIL, password.clone()),
        clock,
        token: house.access_token,
        enterprise: house.id,
        other_token: other.access_token,
        lock_key: site.key.clone(),
        mews,
        locks,
    };
    for room in ["101", "102", "103"] {
        let new = portal_mews::fake::NewRoom::new(room);
        demo.mews.add_room(&demo.enterprise, &new);
        demo.locks.add_lock(&site.id, &format!("Lock {room}"), &[]);
    }
    println!("Portal runs at http://{address} on SQLite, with a fake Mews and virtual locks.");
    println!("Where Portal would wait a minute or two, the walk moves the clock on instead.\n");
    let walked = tokio::select! {
        walked = guide::walk(&demo) => walked,
        () = signals.next() => Err("it was interrupted".into()),
    };
    if let Err(error) = walked {
        running.stop().await;
        return Err(error);
    }
    if !options.once {
        demo.invite(address, &password);
        signals.next().await;
    }
    running.stop().await;
    Ok(())
}

impl Demo {
    fn invite(&self, address: SocketAddr, password: &SecretString) {
        let revoked = self.mews.add_access_token(&self.enterprise);
        self.mews.revoke_token(&revoked);
        let good = self.mews.add_access_token(&self.enterprise);
        println!("\nPortal stays up. Ctrl-C ends it.\n");
        println!("GraphiQL                     http://{address}/graphiql");
        println!("API                          http://{address}/graphql");
        println!("Mews's staff                 {}/control", self.mews.url());
        println!("The locks                    {}/control", self.locks.url());
        println!(
            "Sign in                      as {EMAIL} with the password {}",
            password.expose_secret()
        );
        println!("A good token of {HOUSE}   {}", good.expose_secret());
        println!("A revoked one                {}", revoked.expose_secret());
        println!(
            "One linked to {OTHER_HOUSE}  {}",
            self.other_token.expose_secret()
        );
    }
}

/// Where the demo keeps its database: a folder of the person's, or one that goes with the demo.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(wanted: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let (path, temporary) = match wanted {
            Some(path) => (path.to_owned(), false),
            None => {
                let name = format!("portal-demo-{}", uuid::Uuid::now_v7());
                (std::env::temp_dir().join(name), true)
            }
        };
        std::fs::create_dir_all(&path)?;
        if path.join("portal.db").exists() {
            let text = format!(
                "{} holds a database already; give the demo an empty folder",
                path.display()
            );
            return Err(text.into());
        }
        Ok(Self { path, temporary })
    }

    /// The demo's key, kept beside the database: it is a demo.
    fn keys(&self) -> Result<SecretString, Box<dyn Error>> {
        let key = Sealer::generate()?;
        if !self.temporary {
            std::fs::write(self.path.join("portal.key"), key.expose_secret())?;
        }
        Ok(key)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // A folder left behind in the temporary place is no harm.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
