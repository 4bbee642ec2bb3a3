//! Requests at a steady rate through many connections and several replicas.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::canary::MARK;
use crate::client::Client;

/// How the requests went.
#[derive(Default)]
pub struct Report {
    pub requests: usize,
    pub failures: Vec<String>,
    latencies: Vec<Duration>,
}

impl Report {
    fn latency(&self, share: f64) -> Duration {
        let at = ((self.latencies.len() as f64 - 1.0) * share) as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }

    pub fn words(&self) -> String {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| self.latency(share));
        let failures = self.failures.len();
        format!("{} requests, {failures} failed; p50 {half:.1?}, p99 {most:.1?}, longest {all:.1?}", self.requests)
    }
}

/// So many requests a second for so long, by turns through every connection and client; every tenth is a write.
pub async fn traffic(clients: &[Client], connections: &[String], rate: u32, lasting: Duration) -> Report {
    let until = Instant::now() + lasting;
    let report = Arc::new(Mutex::new(Report::default()));
    let mut tick = interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_usize;
    let mut requests = tokio::task::JoinSet::new();
    while Instant::now() < until {
        tick.tick().await;
        // Each client meets each connection in time.
        let connection = &connections[turn % connections.len()];
        let client = clients[(turn + turn / connections.len()) % clients.len()].connection(connection);
        let write = turn % 10 == 9;
        turn += 1;
        let report = Arc::clone(&report);
        requests.spawn(async move {
            let began = Instant::now();
            let answer = match write {
                true => client.post("/v1/crm/contacts", serde_json::json!({"last_name": "Ada"})).await,
                false => client.get("/v1/crm/contacts/1").await,
            };
            let mut report = report.lock();
            report.latencies.push(began.elapsed());
            report.requests += 1;
            if answer.status >= 300 || answer.text().contains(MARK) {
                report.failures.push(format!("{} {}", answer.status, answer.text()));
            }
        });
    }
    while let Some(ended) = requests.join_next().await {
        if let Err(error) = ended {
            report.lock().failures.push(error.to_string());
        }
    }
    let mut report = std::mem::take(&mut *report.lock());
    report.latencies.sort();
    report
}
