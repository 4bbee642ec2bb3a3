//! A vendor with an authorization server that rotates refresh tokens and notices reuse, and whose token endpoint a test
//! can make slow, silent or strange.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use throughline::auth::TenantId;
use throughline::config::Config;
use throughline::connections::{Along, ConnectionId, Row};
use throughline::store::Store;

use super::{Client, Exchange, FakeVendor, Server, json_answer, provider, start_configured};

/// Answers a token request in place of the authorization server.
type Answers = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

pub struct Authority {
    pub vendor: FakeVendor,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    issued: usize,
    refresh_token: String,
    valid: HashSet<String>,
    /// Bodies of the requests to the token endpoint.
    exchanges: Vec<String>,
    revoked: Vec<String>,
    reused: usize,
    calls: usize,
    refused: usize,
    expires_in: Value,
    answers: Option<Answers>,
    gate: Option<tokio::sync::watch::Receiver<bool>>,
}

impl Authority {
    pub async fn start() -> Self {
        let vendor = FakeVendor::start().await;
        let state = State { refresh_token: "refresh-0".into(), expires_in: json!(1800), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let serving = state.clone();
        vendor.does(move |exchange| serve(exchange, serving.clone()));
        Self { vendor, state }
    }

    /// The token endpoint answers with what `answers` makes of a request's body, and as usual for `None`.
    pub fn answers(&self, answers: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) {
        self.state.lock().answers = Some(Box::new(answers));
    }

    pub fn recovers(&self) {
        self.state.lock().answers = None;
    }

    /// The token endpoint is silent until the returned sender says true.
    pub fn holds(&self) -> tokio::sync::watch::Sender<bool> {
        let (open, gate) = tokio::sync::watch::channel(false);
        self.state.lock().gate = Some(gate);
        open
    }

    pub fn lives_for(&self, expires_in: Value) {
        self.state.lock().expires_in = expires_in;
    }

    /// Access tokens that were issued before do not work any more.
    pub fn forgets_access_tokens(&self) {
        self.state.lock().valid.clear();
    }

    pub fn exchanges(&self) -> Vec<String> {
        self.state.lock().exchanges.clone()
    }

    pub fn revoked(&self) -> Vec<String> {
        self.state.lock().revoked.clone()
    }

    /// Refresh tokens that came a second time.
    pub fn reused(&self) -> usize {
        self.state.lock().reused
    }

    /// Requests of the API, and those of them that were refused.
    pub fn calls(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.calls, state.refused)
    }

    pub async fn wait_for_exchange(&self) {
        while self.state.lock().exchanges.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// An access token that works.
    pub fn issue(&self) -> String {
        let mut state = self.state.lock();
        state.issued += 1;
        let token = format!("access-{}", state.issued);
        state.valid.insert(token.clone());
        token
    }
}

async fn serve(mut exchange: Exchange, state: Arc<Mutex<State>>) {
    let request = exchange.finish_reading().await;
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let answer = match request.line().split(' ').nth(1).unwrap_or_default() {
        "/token" => {
            let gate = {
                let mut state = state.lock();
                state.exchanges.push(body.clone());
                state.gate.clone()
            };
            if let Some(mut gate) = gate {
                let _ = gate.wait_for(|open| *open).await;
            }
            let mut state = state.lock();
            let made = state.answers.as_ref().and_then(|answers| answers(&body));
            made.unwrap_or_else(|| token_answer(&mut state, &body))
        }
        "/revoke" => {
            state.lock().revoked.push(body);
            json_answer(200, "")
        }
        _ => {
            let mut state = state.lock();
            let token = request.header("authorization").unwrap_or_default().replace("Bearer ", "");
            state.calls += 1;
            if state.valid.contains(&token) {
                json_answer(200, json!({"id": "1", "name": "King"}).to_string())
            } else {
                state.refused += 1;
                json_answer(401, json!({"message": "who are you?"}).to_string())
            }
        }
    };
    exchange.write(&answer).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut exchange.stream).await;
}

fn token_answer(state: &mut State, body: &str) -> Vec<u8> {
    let member = |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    if member("grant_type") == Some("refresh_token") && member("refresh_token") != Some(&state.refresh_token) {
        state.reused += 1;
        return json_answer(400, json!({"error": "invalid_grant", "error_description": "reused"}).to_string());
    }
    state.issued += 1;
    let access = format!("access-{}", state.issued);
    state.valid.insert(access.clone());
    let mut answer = json!({"access_token": access, "token_type": "Bearer", "expires_in": state.expires_in});
    if member("grant_type") == Some("refresh_token") {
        state.refresh_token = format!("refresh-{}", state.issued);
        answer["refresh_token"] = json!(state.refresh_token);
    }
    json_answer(200, answer.to_string())
}

/// A server, the vendor with its authority, and a connection between them.
pub struct Scene {
    pub server: Server,
    pub authority: Authority,
    pub connection: String,
}

/// The provider file's grant.
const GRANT: &str = r#"
  oauth2:
    send: { Authorization: '"Bearer " & access_token' }
    grant:
      authorize: https://auth.fake.test/authorize
      token: https://auth.fake.test/token
      revoke: https://auth.fake.test/revoke
      flows: [authorization-code, client-credentials, jwt-bearer]
      lifetime: 1800
      rotates: always
      grace: 120
      refused:
        - { status: 400, when: '$contains(error_description, "already being processed")', is: race }
"#;

impl Scene {
    pub async fn start() -> Self {
        Self::on(Store::memory().expect("a store"), |_| {}).await
    }

    pub async fn on(store: Store, configure: impl FnOnce(&mut Config)) -> Self {
        let authority = Authority::start().await;
        let mut scene = Self::with(authority, store, configure).await;
        scene.connection = scene.import("customer", json!({"expires_at": in_seconds(1200).to_string()})).await;
        scene
    }

    /// A server without a connection, for one that is in the store already.
    pub async fn with(authority: Authority, store: Store, configure: impl FnOnce(&mut Config)) -> Self {
        let url = authority.vendor.url();
        let server = start_configured(files(), &[], store, move |config| {
            let provider = config.providers.entry("fake".to_owned()).or_default();
            provider.base_url = Some(url.clone());
            provider.token_url = Some(format!("{url}/token"));
            provider.revoke_url = Some(format!("{url}/revoke"));
            provider.client_id = Some("our-app".into());
            provider.client_secret = Some(serde_json::from_value(json!("app-s3cret")).expect("a secret"));
            configure(config);
        })
        .await;
        Self { server, authority, connection: String::new() }
    }

    /// A connection with a token that works, and with what `credentials` says besides.
    pub async fn import(&self, customer: &str, credentials: Value) -> String {
        let mut given = json!({"type": "oauth2", "access_token": self.authority.issue(), "refresh_token": "refresh-0"});
        for (name, value) in credentials.as_object().expect("an object") {
            given[name] = value.clone();
        }
        if let Some(given) = given.as_object_mut() {
            given.retain(|_, value| !value.is_null());
        }
        let body = json!({"provider": "fake", "customer_id": customer, "credentials": given});
        self.server.connect_as("demo", body).await
    }

    pub fn client(&self) -> Client {
        self.server.client().connection(&self.connection)
    }

    pub async fn get(&self) -> super::Answer {
        self.client().get("/v1/crm/contacts/1").await
    }

    /// The connection's record.
    pub async fn record(&self) -> Value {
        self.server.client().get(&format!("/v1/connections/{}", self.connection)).await.json()
    }

    pub async fn row(&self) -> Row {
        let repository = self.server.store.connections();
        let id = ConnectionId::parse(&self.connection).expect("an id");
        repository.find(TenantId("demo".into()), id).await.expect("the store").expect("the row")
    }

    /// The token was issued so long ago, and nothing of it is in memory.
    pub async fn age(&self, seconds: i64) {
        let mut row = self.row().await;
        let expected = row.revision;
        row.revision += 1;
        row.times.refreshed_at = Some(in_seconds(-seconds));
        row.failing = None;
        // The scheduler has no part in these scenarios.
        row.times.next_refresh_at = None;
        self.server.store.connections().update(row, expected, Along::default()).await.expect("written");
        self.server.app.connections.forget_all();
    }
}

pub fn in_seconds(seconds: i64) -> Timestamp {
    let at = Timestamp::now().saturating_add(SignedDuration::from_secs(seconds)).expect("in range");
    Timestamp::from_microsecond(at.as_microsecond()).expect("in range")
}

fn files() -> Vec<(String, String)> {
    let mut files = provider("fake", None);
    for (name, text) in &mut files {
        if name.ends_with("provider.yaml") {
            let hosts = r#"hosts: { api: ["https://api.fake.test"], auth: ["https://auth.fake.test"] }"#;
            *text = text
                .replace(r#"hosts: { api: ["https://api.fake.test"] }"#, hosts)
                .replace("\n  oauth2: { send: { Authorization: '\"Bearer \" & access_token' } }", GRANT.trim_end())
                + "verify: GET /contacts/1\n";
        }
    }
    files
}
