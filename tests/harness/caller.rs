//! Somebody who calls the API over HTTP.

use super::PASSWORD;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Somebody who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) http: reqwest::Client,
    pub(crate) address: SocketAddr,
    /// Name and value of the header that shows who it is.
    pub(crate) credential: Option<(&'static str, String)>,
}

impl Caller {
    /// Nobody.
    pub(crate) fn anonymous(address: SocketAddr) -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            address,
            credential: None,
        }
    }

    /// A program with a key.
    pub(crate) fn with_key(address: SocketAddr, key: &str) -> Self {
        let mut caller = Self::anonymous(address);
        caller.credential = Some(("authorization", format!("Bearer {key}")));
        caller
    }

    /// A person who signs in.
    pub(crate) async fn sign_in(address: SocketAddr, email: &str) -> Self {
        let mut caller = Self::anonymous(address);
        let response = caller
            .http
            .post(format!("http://{address}/auth/sign-in"))
            .json(&json!({ "email": email, "password": PASSWORD }))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 200, "sign-in of {email}");
        let cookie = response.headers()["set-cookie"].to_str().expect("text");
        let cookie = cookie.split(';').next().unwrap_or_default();
        caller.credential = Some(("cookie", cookie.to_owned()));
        caller
    }

    /// The whole answer to an operation.
    pub(crate) async fn answer(&self, query: &str, variables: Value) -> Value {
        let mut request = self
            .http
            .post(format!("http://{}/graphql", self.address))
            .header("x-portal-csrf", "1")
            .json(&json!({ "query": query, "variables": variables }));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let response = request.send().await.expect("an answer");
        response.json().await.expect("JSON")
    }

    /// The data of an operation that has no errors.
    pub(crate) async fn run(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["data"].take()
    }

    /// The code of an operation's first error.
    pub(crate) async fn refused(&self, query: &str, variables: Value) -> String {
        let answer = self.answer(query, variables).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        code.as_str()
            .unwrap_or_else(|| panic!("no error: {answer}"))
            .to_owned()
    }
}
