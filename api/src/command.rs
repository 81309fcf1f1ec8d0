//! The command line.

mod check;
mod decode;

use crate::config::Config;
use crate::serve::{Parts, Signals, run};
use crate::{admin, demo, graphql, logging};
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use portal_domain::Permission;
use portal_interface::{Clock, SecretString};
use portal_store::{Db, Sealer};
use secrecy::ExposeSecret;
use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Portal turns a hotel booking into an opened door.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs API and workers in one process.
    Serve(Config),
    /// Runs the API alone; needs `PostgreSQL`, and `portal work` beside it.
    Api(Config),
    /// Runs the workers alone; needs `PostgreSQL`.
    Work(Config),
    /// Brings the database up to date.
    Migrate(Database),
    /// Prints the GraphQL schema.
    Schema,
    /// Starts everything with fakes on `SQLite` and walks the staff guide through its own API.
    Demo(demo::Options),
    /// Plays a vendor, for trying things. Holds everything in memory, asks for no password.
    #[command(subcommand)]
    Fake(Fake),
    /// Prints how Portal reads a payload of a vendor's: for support and for partners. Shows no secret.
    Decode(decode::Options),
    /// Tries a vendor's account and everything Portal reads there, once. Writes nothing.
    #[command(subcommand)]
    Check(check::Check),
    /// What the person who runs the server does.
    #[command(subcommand)]
    Admin(Admin),
    /// Makes keys that seal tokens and PINs, and secrets of addresses.
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(Args)]
struct Database {
    /// The database: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/NAME` (14 or newer).
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite:portal.db",
        hide_env_values = true
    )]
    database_url: SecretString,
}

#[derive(Subcommand)]
enum Fake {
    /// A Mews: prints its address and an access token. What staff do there is under /control.
    Mews {
        /// Address to listen on; loopback only.
        #[arg(long, default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
        /// The client token it expects.
        #[arg(
            long,
            env = "MEWS_CLIENT_TOKEN",
            default_value = "fake-client-token",
            hide_env_values = true
        )]
        client_token: SecretString,
    },
    /// A server of pretended locks: prints its address and an access key.
    Locks {
        /// Address to listen on; loopback only.
        #[arg(long, default_value = "127.0.0.1:8082")]
        listen: SocketAddr,
    },
}

#[derive(Subcommand)]
enum Admin {
    /// Makes the first owner, with an organization and a property.
    CreateOwner {
        #[command(flatten)]
        database: Database,
        /// Address the person signs in with.
        #[arg(long)]
        email: String,
        /// Display name.
        #[arg(long)]
        name: String,
        /// The company.
        #[arg(long)]
        organization: String,
        /// The house.
        #[arg(long)]
        property: String,
        /// Password, 10 characters or more. Without it a line is read from standard input.
        #[arg(long, env = "PORTAL_PASSWORD", hide_env_values = true)]
        password: Option<SecretString>,
    },
    /// Makes a key for a program and prints it. It cannot be read again.
    CreateKey {
        #[command(flatten)]
        database: Database,
        /// The company.
        #[arg(long)]
        organization: String,
        /// The house the key is for.
        #[arg(long)]
        property: String,
        /// What the program is called.
        #[arg(long)]
        name: String,
        /// What it may do, for example `ROOMS_READ`; give it several times.
        #[arg(long = "permission", required = true)]
        permissions: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Prints a new key, for `PORTAL_KEYS`. Keep it safe: what it sealed cannot be read without it.
    New,
    /// Prints a new secret for the address webhooks are sent to, for `MEWS_WEBHOOK_SECRETS`.
    Hook,
}

/// Does what the arguments of the process say, by this clock. A server looks for due work every
/// `sweep`.
pub fn main(clock: Arc<dyn Clock>, sweep: Duration) -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("portal: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(command(cli.command, clock, sweep)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("portal: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

async fn command(
    command: Command,
    clock: Arc<dyn Clock>,
    sweep: Duration,
) -> Result<ExitCode, Box<dyn Error>> {
    let server = async |config: &Config, parts| {
        logging::start("info");
        run(config, parts, clock.clone(), sweep).await
    };
    match command {
        Command::Serve(config) => server(&config, Parts::All).await?,
        Command::Api(config) => server(&config, Parts::Api).await?,
        Command::Work(config) => server(&config, Parts::Work).await?,
        Command::Migrate(database) => {
            Db::open(database.database_url.expose_secret())?
                .migrate()
                .await?;
            println!("The database is up to date.");
        }
        Command::Schema => print(&graphql::sdl())?,
        Command::Demo(options) => {
            logging::start("error");
            return Ok(demo::run(&options).await);
        }
        Command::Fake(fake) => {
            logging::start("info");
            play(fake, clock).await?;
        }
        Command::Decode(options) => print(&decode::run(&options, std::io::stdin().lock())?)?,
        Command::Check(check) => {
            logging::start("error");
            return check::run(check, clock).await;
        }
        Command::Admin(task) => administer(task, clock.now()).await?,
        Command::Keys(Keys::New) => println!("{}", Sealer::generate()?.expose_secret()),
        Command::Keys(Keys::Hook) => println!("{}", admin::new_hook_secret().expose_secret()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A reader that closes early, as `head` does, is no error.
fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

async fn play(fake: Fake, clock: Arc<dyn Clock>) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    match fake {
        Fake::Mews {
            listen,
            client_token,
        } => {
            let options = portal_mews::fake::Options::new(client_token, clock);
            let mews = portal_mews::fake::FakeMews::start(listen, options).await?;
            let house = mews.add_demo_house("Hotel Aurora", None);
            println!("Mews plays at {}", mews.url());
            println!(
                "Access token of Hotel Aurora: {}",
                house.access_token.expose_secret()
            );
            signals.next().await;
        }
        Fake::Locks { listen } => {
            let locks = portal_virtual::fake::FakeLocks::start(listen, clock).await?;
            let site = locks.add_site("Hotel Aurora");
            for room in ["101", "102", "103", "104"] {
                locks.add_lock(&site.id, &format!("Lock {room}"), &[]);
            }
            println!("Locks play at {}", locks.url());
            println!("Access key of Hotel Aurora: {}", site.key.expose_secret());
            signals.next().await;
        }
    }
    Ok(())
}

async fn administer(task: Admin, now: DateTime<Utc>) -> Result<(), Box<dyn Error>> {
    match task {
        Admin::CreateOwner {
            database,
            email,
            name,
            organization,
            property,
            password,
        } => {
            let password = match password {
                Some(password) => password,
                None => {
                    eprint!("Password: ");
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line)?;
                    line.trim_end_matches(['\r', '\n']).into()
                }
            };
            let db = Db::open(database.database_url.expose_secret())?;
            db.migrate().await?;
            let new = admin::NewOwner {
                email: &email,
                name: &name,
                password,
                organization: &organization,
                property: &property,
            };
            admin::create_owner(&db, new, now).await?;
            println!("{email} owns {organization}, with the property {property}.");
        }
        Admin::CreateKey {
            database,
            organization,
            property,
            name,
            permissions,
        } => {
            let permissions = permissions
                .iter()
                .map(|text| {
                    text.parse::<Permission>()
                        .map_err(|_| admin::AdminError::Permission(text.clone()))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let db = Db::open(database.database_url.expose_secret())?;
            let house = admin::find_property(&db, &organization, &property).await?;
            let key = admin::create_key(&db, house, &name, &permissions, now).await?;
            println!("{}", key.expose_secret());
        }
    }
    Ok(())
}
