//! A small authorization server: gives codes for consents, and tokens for codes whose verifier fits (RFC 7636). It is
//! also the API behind them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::vendor::{FakeVendor, Recorded, json_answer, plain_answer};
use super::{encode, members_of};

pub struct AuthorizationServer {
    pub vendor: FakeVendor,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    issuer: String,
    codes: HashMap<String, HashMap<String, String>>,
    given: usize,
    /// What the customer is to say, or a failure: `access_denied`.
    says: Option<String>,
    /// The scopes that are granted whatever was asked for.
    scopes: Option<String>,
    /// Further members of token answers.
    members: Vec<(String, Value)>,
    /// The status of the API.
    api: u16,
}

impl AuthorizationServer {
    pub async fn start() -> Self {
        let vendor = FakeVendor::start().await;
        let inner = Arc::new(Mutex::new(Inner { issuer: vendor.url(), api: 200, ..Inner::default() }));
        let answering = inner.clone();
        vendor.answers_with(move |request| answering.lock().answer(request));
        Self { vendor, inner }
    }

    pub fn url(&self) -> String {
        self.vendor.url()
    }

    /// Consents fail with this code of RFC 6749, 4.1.2.1, until told otherwise.
    pub fn says(&self, error: Option<&str>) {
        self.inner.lock().says = error.map(str::to_owned);
    }

    pub fn grants(&self, scopes: Option<&str>) {
        self.inner.lock().scopes = scopes.map(str::to_owned);
    }

    /// Token answers have this member, too; null takes one away.
    pub fn tells(&self, name: &str, value: Value) {
        self.inner.lock().members.push((name.to_owned(), value));
    }

    pub fn api_answers(&self, status: u16) {
        self.inner.lock().api = status;
    }

    /// Requests to the token endpoint so far.
    pub fn exchanges(&self) -> usize {
        self.vendor.requests().iter().filter(|request| request.line().starts_with("POST /token")).count()
    }
}

impl Inner {
    fn answer(&mut self, request: &Recorded) -> Vec<u8> {
        let line = request.line().to_owned();
        let target = line.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (line.split(' ').next(), path) {
            (Some("GET"), "/authorize") => self.consent(&members_of(query)),
            (Some("POST"), "/token") => self.token(&members_of(&String::from_utf8_lossy(&request.body))),
            _ => json_answer(self.api, r#"{"items": []}"#),
        }
    }

    fn consent(&mut self, asked: &HashMap<String, String>) -> Vec<u8> {
        let (back, state) = (&asked["redirect_uri"], encode(&asked["state"]));
        let said = match &self.says {
            Some(error) => format!("error={error}&error_description={}", encode("as the test says")),
            None => {
                self.given += 1;
                let code = format!("code-{}", self.given);
                self.codes.insert(code.clone(), asked.clone());
                format!("code={code}")
            }
        };
        let location = format!("Location: {back}?{said}&state={state}&iss={}\r\n", encode(&self.issuer));
        plain_answer(302, &location, "")
    }

    fn token(&mut self, sent: &HashMap<String, String>) -> Vec<u8> {
        let refused = |error: &str| json_answer(400, json!({"error": error}).to_string());
        let member = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
        // A code is good once.
        let Some(asked) = self.codes.remove(member("code")) else { return refused("invalid_grant") };
        let hash = digest::digest(&digest::SHA256, member("code_verifier").as_bytes());
        let fits = asked.get("code_challenge").is_none_or(|challenge| *challenge == URL_SAFE_NO_PAD.encode(hash));
        let same = |name: &str| asked.get(name).map(String::as_str) == Some(member(name));
        if member("client_secret") != "canary-app-secret" {
            return refused("invalid_client");
        }
        if !fits || !same("redirect_uri") || !same("client_id") {
            return refused("invalid_grant");
        }
        let scope = self.scopes.clone().unwrap_or_else(|| asked.get("scope").cloned().unwrap_or_default());
        let mut answer = json!({
            "access_token": format!("canary-access-{}", self.given),
            "refresh_token": format!("canary-refresh-{}", self.given),
            "expires_in": 3600,
            "scope": scope,
            "token_type": "Bearer",
        });
        for (name, value) in &self.members {
            answer[name] = value.clone();
        }
        json_answer(200, answer.to_string())
    }
}
