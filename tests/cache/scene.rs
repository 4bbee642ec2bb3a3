//! A server that keeps answers, and a vendor that counts what it is asked.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use throughline::store::Store;
use tokio::sync::watch;

use crate::support::{Answer, Client, FakeVendor, Server, json_answer, provider, start_configured};

const CONTACTS: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
fields:
  id: { read: id }
  last_name: name
  title: title
  emails:
    places:
      - { type: work, primary: true, email: mail }
  company: { fields: { id: company } }
  custom_fields: { in: extra }
filters:
  email: { on: mail, ops: [eq] }
  title: { on: title, ops: [eq] }
operations:
  list:
    request: GET /contacts
    query: { where: '$exists(conditions) ? $json(conditions.any)', limit: limit, after: cursor }
    records: items
    next: next
  get: { request: "GET /contacts/{id}" }
  create: { request: POST /contacts, id: id, then: get }
  update: { request: "PATCH /contacts/{id}", then: get }
  delete: { request: "DELETE /contacts/{id}" }
  upsert:
    - { match: [email], request: "PUT /contacts/by/{match.value}", id: id, then: get }
  batch:
    create:
      max: 10
      request: POST /contacts/batch
      body: { rows: '[items.record]' }
      results: rows
      row: { id: id }
metadata:
  fetch: { request: GET /fields, records: fields }
  field: { key: key, name: label, label: label, type: type, custom: own }
  types: { text: text }
associations:
  companies:
    list: { request: "GET /contacts/{id}/companies", records: items }
    item: { id: id }
    add: { request: "PUT /contacts/{id}/companies/{other_id}" }
    remove: { request: "DELETE /contacts/{id}/companies/{other_id}" }
"#;

const COMPANIES: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
fields: { id: { read: id }, name: name }
version: version
operations:
  list: { request: GET /companies, records: items }
  get: { request: "GET /companies/{id}" }
  update: { request: "PATCH /companies/{id}", headers: { If-Match: if_version }, then: get }
"#;

/// What the vendor does.
#[derive(Clone)]
struct Ways {
    name: String,
    status: u16,
    /// Of what accounts say of their fields.
    fields: u16,
    writes: u16,
    /// A first page is followed by another.
    more: bool,
    /// Bytes of each title.
    padding: usize,
}

pub struct Scene {
    pub server: Server,
    pub vendor: FakeVendor,
    ways: Arc<Mutex<Ways>>,
    seen: Arc<Mutex<Vec<String>>>,
    /// Requests that begin so are not answered.
    held: watch::Sender<Option<&'static str>>,
}

impl Scene {
    /// With these rules.
    pub async fn start(rules: Value) -> Self {
        Self::with(rules, 64 * 1024 * 1024).await
    }

    pub async fn with(rules: Value, most: u64) -> Self {
        let vendor = FakeVendor::start().await;
        let files = files();
        let rules = serde_json::from_value(rules).expect("rules");
        let server = start_configured(files, &[("fake", &vendor)], Store::memory().expect("a store"), |config| {
            config.cache = rules;
            config.cache_max_bytes = most;
        })
        .await;
        let ways = Ways { name: "King".into(), status: 200, fields: 200, writes: 200, more: false, padding: 0 };
        let (ways, seen) = (Arc::new(Mutex::new(ways)), Arc::new(Mutex::new(Vec::new())));
        let (held, hold) = watch::channel(None);
        let (known, noted) = (ways.clone(), seen.clone());
        vendor.does(move |mut exchange| {
            let (ways, seen, mut hold) = (known.clone(), noted.clone(), hold.clone());
            async move {
                let request = exchange.finish_reading().await;
                let line = request.line().replace("/base", "").replace(" HTTP/1.1", "");
                // What is read is read now; it is the answer that may take its time.
                let answer = answer(&line, &ways.lock().clone());
                seen.lock().push(line.clone());
                let free = |held: &Option<&str>| held.is_none_or(|held| !line.starts_with(held));
                let _ = hold.wait_for(free).await;
                exchange.write(&answer).await;
            }
        });
        Self { server, vendor, ways, seen, held }
    }

    pub fn client(&self) -> Client {
        self.server.on("fake")
    }

    /// What the vendor's records are called from now on.
    pub fn call_it(&self, name: &str) {
        self.ways.lock().name = name.to_owned();
    }

    pub fn fails_with(&self, status: u16) {
        self.ways.lock().status = status;
    }

    pub fn fields_fail_with(&self, status: u16) {
        self.ways.lock().fields = status;
    }

    pub fn writes_fail_with(&self, status: u16) {
        self.ways.lock().writes = status;
    }

    pub fn has_more(&self) {
        self.ways.lock().more = true;
    }

    pub fn pads(&self, bytes: usize) {
        self.ways.lock().padding = bytes;
    }

    pub fn hold(&self, requests: &'static str) {
        self.held.send_replace(Some(requests));
    }

    pub fn let_go(&self) {
        self.held.send_replace(None);
    }

    /// Requests that began so and have arrived.
    pub fn count(&self, begin: &str) -> usize {
        self.seen.lock().iter().filter(|line| line.starts_with(begin)).count()
    }

    /// Once so many have arrived.
    pub async fn arrived(&self, begin: &str, count: usize) {
        eventually(async || self.count(begin) >= count).await;
    }

    pub async fn metric(&self, line: &str) -> Option<u64> {
        let text = Client::new(self.server.admin).get("/metrics").await.text();
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }
}

pub fn files() -> Vec<(String, String)> {
    let mut files = provider("fake", Some(CONTACTS));
    files.push(("fake/companies.yaml".into(), COMPANIES.into()));
    files
}

fn answer(line: &str, ways: &Ways) -> Vec<u8> {
    let (method, target) = line.split_once(' ').unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let record = |id: &str| {
        let title = "x".repeat(ways.padding);
        json!({"id": id, "name": ways.name, "mail": "k@example.test", "title": title, "version": ways.name, "extra": {}})
    };
    let status = match (method, path) {
        ("GET", "/fields") => ways.fields,
        ("GET", _) => ways.status,
        _ => ways.writes,
    };
    if status >= 300 {
        return json_answer(status, r#"{"message": "no"}"#);
    }
    let next = if ways.more && !target.contains("after=") { json!("page2") } else { Value::Null };
    let body = match (method, path) {
        ("GET", "/fields") => json!({"fields": []}),
        ("GET", "/contacts/404") => return json_answer(404, r#"{"message": "no such thing"}"#),
        ("GET", path) if path.ends_with("/companies") && path.len() > 10 => json!({"items": [{"id": ways.name}]}),
        ("GET", "/contacts" | "/companies") => json!({"items": [record("1")], "next": next}),
        ("POST", "/contacts/batch") => json!({"rows": [record("1")]}),
        ("DELETE", _) => return json_answer(204, ""),
        (_, path) => record(path.rsplit('/').next().filter(|id| id.len() < 4).unwrap_or("1")),
    };
    json_answer(200, body.to_string())
}

/// Later, without waiting.
pub async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let ticks = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ticks).await.expect("it comes about");
}

/// The name in the answer: of the record, or of the first one.
#[track_caller]
pub fn name(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let record = if body["data"].is_array() { &body["data"][0] } else { &body };
    record["last_name"].as_str().or(record["name"].as_str()).or(record["id"].as_str()).expect("a name").to_owned()
}

#[track_caller]
pub fn status(answer: &Answer) -> &str {
    answer.header("cache-status").unwrap_or_else(|| panic!("no Cache-Status: {:?}", answer.headers))
}
