//! One provider that fails and the server in front of it; and what has to hold after whatever happened between them.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use throughline::config::Config;
use throughline::store::Store;
use tokio::time::Instant;

use crate::support::{Answer, Client, Server, TOKEN, provider, start_configured};
use crate::vendor::{Seen, Vendor, certificates};

/// What the proxy may send again however little is asked for: one a second in ten seconds, and a little for the edges.
const FLOOR: usize = 12;
/// What an answer may come late by.
const LATE: Duration = Duration::from_secs(1);

pub struct Scene {
    pub server: Server,
    seen: Option<Arc<Seen>>,
    asked: AtomicUsize,
    writes: AtomicUsize,
}

impl Scene {
    pub async fn on(vendor: &Vendor) -> Self {
        let mut scene = Self::at(&vendor.url(), |_| {}).await;
        scene.seen = Some(vendor.seen.clone());
        scene
    }

    /// The same with another provider file for contacts.
    pub async fn mapped(vendor: &Vendor, contacts: &str) -> Self {
        let mut scene = Self::with(&vendor.url(), Some(contacts), |_| {}).await;
        scene.seen = Some(vendor.seen.clone());
        scene
    }

    /// The same with these lines in the file of the provider.
    pub async fn limited(vendor: &Vendor, contacts: &str, lines: &str) -> Self {
        let mut files = provider("fake", Some(contacts));
        files.iter_mut().filter(|(name, _)| name.ends_with("provider.yaml")).for_each(|(_, text)| text.push_str(lines));
        let mut scene = Self::of(&vendor.url(), files, |_| {}).await;
        scene.seen = Some(vendor.seen.clone());
        scene
    }

    pub async fn at(url: &str, configure: impl FnOnce(&mut Config)) -> Self {
        Self::with(url, None, configure).await
    }

    async fn with(url: &str, contacts: Option<&str>, configure: impl FnOnce(&mut Config)) -> Self {
        Self::of(url, provider("fake", contacts), configure).await
    }

    async fn of(url: &str, files: Vec<(String, String)>, configure: impl FnOnce(&mut Config)) -> Self {
        listen_to_logs();
        let store = Store::memory().expect("a store");
        let server = start_configured(files, &[], store, |config| {
            config.providers.entry("fake".to_owned()).or_default().base_url = Some(url.to_owned());
            config.upstream.ca_file = Some(certificates("authority"));
            configure(config);
        })
        .await;
        server.connect("demo", "fake", "customer").await;
        // What is looked up once is looked up: from here a request makes no call to the store.
        let scene = Self { server, seen: None, asked: AtomicUsize::new(0), writes: AtomicUsize::new(0) };
        let warm = scene.client().get("/v1/crm/contacts?limit=0").await;
        assert_eq!(warm.status, 400, "{}", warm.text());
        scene
    }

    pub fn client(&self) -> Client {
        self.server.client().with("Throughline-Customer", "customer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None, 30).await
    }

    pub async fn post(&self) -> Answer {
        self.ask("POST", "/v1/crm/contacts", Some(serde_json::json!({"last_name": "King"})), 30).await
    }

    /// One request of a caller who waits so many seconds, and what holds for its answer whatever the vendor does.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>, wait: u64) -> Answer {
        let write = !matches!(method, "GET" | "HEAD") && !path.ends_with("/search");
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.writes.fetch_add(usize::from(write), Ordering::SeqCst);
        let client = self.client().with("Prefer", &format!("wait={wait}, return=minimal"));
        let request = client.request(method, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let began = Instant::now();
        let answer = request.send().await;
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(wait) + LATE, "{method} {path} took {took:?} with {wait} s to go");
        let own = answer.header("throughline-origin") != Some("provider");
        if answer.status >= 500 && own {
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            let problem = answer.problem(answer.status, &code);
            assert_eq!(problem["outcome"].is_string(), write, "the outcome is told of writes: {problem}");
        }
        let said = format!("{:?} {}", answer.headers, answer.text());
        assert!(!said.contains(TOKEN), "{method} {path} tells the credential: {said}");
        answer
    }

    /// What has to hold in the end, whatever happened: no write was executed twice, hardly more was sent than asked for, and
    /// no secret is in the logs or the metrics.
    pub async fn end(self) {
        if let Some(seen) = &self.seen {
            let (asked, writes) = (self.asked.load(Ordering::SeqCst), self.writes.load(Ordering::SeqCst));
            assert!(seen.executed() <= writes, "{} of {writes} writes were executed", seen.executed());
            assert!(seen.requests() <= asked + asked / 10 + FLOOR, "{} requests for {asked}", seen.requests());
        }
        let metrics = Client::new(self.server.admin).get("/metrics").await.text();
        assert!(metrics.contains("throughline_"), "{metrics}");
        let logs = String::from_utf8_lossy(&LOGS.lock()).into_owned();
        assert!(logs.contains("answered"), "the server logs");
        for secret in [TOKEN, self.server.key.as_str()] {
            assert!(!metrics.contains(secret), "a secret is in the metrics");
            let line = logs.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "a secret is in the logs: {line:?}");
        }
    }

    /// From here nothing but time happens: the clock goes on whenever everybody waits.
    pub async fn when_it_has(&self, requests: usize) {
        self.seen.as_ref().expect("a vendor").wait_for(requests).await;
        tokio::time::pause();
    }
}

static LOGS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Logs;

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGS.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that an operator sees who asks for `debug`, of this program and of the libraries below it.
fn listen_to_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt().with_env_filter("debug").with_ansi(false).with_writer(|| Logs);
        lines.try_init().expect("nobody else listens");
    });
}
