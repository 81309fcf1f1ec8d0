//! A client of the API, as the front end is one: HTTP, a session cookie, GraphQL.

use portal_interface::SecretString;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

/// How long a step may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    email: &'static str,
    password: SecretString,
    cookie: Mutex<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, email: &'static str, password: SecretString) -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap_or_default(),
            address,
            email,
            password,
            cookie: Mutex::default(),
        }
    }

    /// Signs in: what asks for a recent sign-in goes on for five minutes.
    pub(crate) async fn sign_in(&self) -> Result<(), Box<dyn Error>> {
        let response = self
            .http
            .post(format!("http://{}/auth/sign-in", self.address))
            .json(&json!({ "email": self.email, "password": self.password.expose_secret() }))
            .send()
            .await?;
        if !response.status().is_success() {
            return Err(format!("sign-in answered {}", response.status()).into());
        }
        let cookie = response
            .headers()
            .get("set-cookie")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .ok_or("sign-in set no cookie")?;
        cookie.clone_into(
            &mut self
                .cookie
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        Ok(())
    }

    /// Runs an operation. Any top-level error is one.
    pub(crate) async fn run(&self, query: &str, variables: Value) -> Result<Value, Box<dyn Error>> {
        let mut again = true;
        loop {
            let cookie = self
                .cookie
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .clone();
            let response = self
                .http
                .post(format!("http://{}/graphql", self.address))
                .header("cookie", cookie)
                .header("x-portal-csrf", "1")
                .json(&json!({ "query": query, "variables": variables }))
                .send()
                .await?;
            let answer: Value = response.json().await?;
            let code = &answer["errors"][0]["extensions"]["code"];
            let signed_out = matches!(
                code.as_str(),
                Some("FRESH_SIGN_IN_REQUIRED" | "UNAUTHENTICATED")
            );
            if signed_out && again {
                again = false;
                self.sign_in().await?;
                continue;
            }
            if !answer["errors"].is_null() {
                return Err(format!("the API answered {}", answer["errors"]).into());
            }
            return Ok(answer["data"].clone());
        }
    }

    /// Asks again and again until the answer is as it should be.
    pub(crate) async fn until(
        &self,
        what: &str,
        query: &str,
        variables: Value,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value, Box<dyn Error>> {
        let started = tokio::time::Instant::now();
        loop {
            let answer = self.run(query, variables.clone()).await?;
            if is(&answer) {
                return Ok(answer);
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("{what} did not come true; the API says {answer}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
