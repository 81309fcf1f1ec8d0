//! Settings: one struct, read once, each with its variable. A bad value stops the start and names it.

use crate::edge::HookSecretError;
use clap::Args;
use portal_store::{SealError, Sealer};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Settings of the server.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The database: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/NAME` (14 or newer).
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite:portal.db",
        hide_env_values = true
    )]
    pub database_url: SecretString,

    /// Address the API listens on.
    #[arg(long, env = "PORTAL_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Address under which browsers reach this server, for example `https://portal.example.com`.
    /// Session cookies are marked Secure when it begins with https. Default: http and the listen
    /// address.
    #[arg(long, env = "PORTAL_ORIGIN", value_parser = origin)]
    pub origin: Option<String>,

    /// The keys that seal tokens and PINs, `ID:BASE64`, newest first, separated by commas. Make one
    /// with `portal keys new`. Or keep them in a file: see `PORTAL_KEY_FILE`.
    #[arg(long, env = "PORTAL_KEYS", hide_env_values = true)]
    pub keys: Option<SecretString>,

    /// File that holds the keys, one a line.
    #[arg(long, env = "PORTAL_KEY_FILE")]
    pub key_file: Option<PathBuf>,

    /// The apps' own settings.
    #[command(flatten)]
    pub vendors: Vendors,
}

/// What the operator sets for the apps. Staff never see any of it.
#[derive(Debug, Clone, Args)]
pub struct Vendors {
    /// Client token Mews issued for this deployment. Without it Mews shows as not available.
    #[arg(long, env = "MEWS_CLIENT_TOKEN", hide_env_values = true)]
    pub mews_client_token: Option<SecretString>,

    /// Name and version under which Mews knows this deployment.
    #[arg(long, env = "MEWS_CLIENT_NAME", default_value = concat!("Portal ", env!("CARGO_PKG_VERSION")))]
    pub mews_client_name: String,

    /// Address of the Mews platform.
    #[arg(long, env = "MEWS_API_URL", default_value = "https://api.mews.com", value_parser = origin)]
    pub mews_api_url: String,

    /// The secret in the address Mews sends webhooks to, of 32 characters or more; while it changes
    /// two, newest first, separated by a comma. Make one with `portal keys hook`. Without it no
    /// webhook is taken, and changes are seen at the next look, about every minute.
    #[arg(long, env = "MEWS_WEBHOOK_SECRETS", hide_env_values = true)]
    pub mews_webhook_secrets: Option<SecretString>,

    /// Address of a virtual-locks server (`portal fake locks`). Without it virtual locks show as not
    /// available.
    #[arg(long, env = "VIRTUAL_LOCKS_URL", value_parser = origin)]
    pub virtual_locks_url: Option<String>,

    /// Whether the demo PMS is offered.
    #[arg(long, env = "PORTAL_DEMO_APP", default_value_t = true, action = clap::ArgAction::Set)]
    pub demo_app: bool,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No keys were given.
    #[error(
        "PORTAL_KEYS or PORTAL_KEY_FILE must be set: tokens and PINs are never stored in clear. Make a key with `portal keys new`"
    )]
    NoKeys,
    /// The key file cannot be read.
    #[error("PORTAL_KEY_FILE: {0} cannot be read")]
    KeyFile(PathBuf, #[source] std::io::Error),
    /// The keys cannot be read.
    #[error("PORTAL_KEYS: {0}")]
    Keys(#[from] SealError),
    /// The secrets of the webhook address cannot be used.
    #[error("MEWS_WEBHOOK_SECRETS: {0}")]
    WebhookSecrets(#[from] HookSecretError),
}

impl Config {
    /// The keys that seal tokens and PINs.
    pub fn sealer(&self) -> Result<Sealer, ConfigError> {
        let keys = match (&self.keys, &self.key_file) {
            (Some(keys), _) => keys.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError::KeyFile(path.clone(), error))?
                .into(),
            (None, None) => return Err(ConfigError::NoKeys),
        };
        Ok(Sealer::parse(&keys)?)
    }

    /// The address of the database.
    pub fn database(&self) -> &str {
        self.database_url.expose_secret()
    }

    /// The address under which browsers reach this server, where it listens on `bound`.
    pub fn origin(&self, bound: SocketAddr) -> String {
        self.origin
            .clone()
            .unwrap_or_else(|| format!("http://{bound}"))
    }
}

/// An address of scheme, host and port alone.
fn origin(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let url = reqwest::Url::parse(text).map_err(|_| "not an address".to_owned())?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if bare {
        Ok(text.to_owned())
    } else {
        Err(
            "expected http://HOST or https://HOST, with a port if need be and nothing else"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(
            origin("https://a.example/").as_deref(),
            Ok("https://a.example")
        );
        assert_eq!(
            origin("http://127.0.0.1:8080").as_deref(),
            Ok("http://127.0.0.1:8080")
        );
        for bad in [
            "a.example",
            "ftp://a",
            "https://a/b",
            "https://u:p@a",
            "https://a?x=1",
            "",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
