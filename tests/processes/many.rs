//! Three replicas on one PostgreSQL and one Redis: what one is told all know, and together they keep to a vendor's limit.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::client::{Answer, Client};
use crate::deployment::{Deployment, Replica};
use crate::postgres::Postgres;
use crate::process::scratch;
use crate::redis::RedisServer;
use crate::shutdown::connected;
use crate::vendor::{FakeVendor, json_answer};

/// By then what one replica was told is known to all.
const KNOWN: Duration = Duration::from_secs(5);
/// Requests that the vendor allows in a second.
const LIMIT: usize = 20;
const FLOOD: Duration = Duration::from_secs(12);
/// Requests at a time to each replica.
const AT_ONCE: usize = 6;
/// What was permitted in order reaches the vendor a little earlier or later: a window, and how many more it may show.
const ALMOST: Duration = Duration::from_millis(900);
const MORE: usize = 2;

struct Three {
    _postgres: Postgres,
    redis: RedisServer,
    deployment: Deployment,
    replicas: Vec<Replica>,
}

const NAMES: [&str; 3] = ["one", "two", "three"];

impl Three {
    async fn start(name: &str, vendor: &FakeVendor) -> Option<Self> {
        let postgres = Postgres::start()?;
        let redis = RedisServer::start().await?;
        let url = vendor.url();
        let deployment = Deployment::on(&scratch(name), Some(&postgres.url), [&url, &url, &url]);
        let mut three = Self { _postgres: postgres, redis, deployment, replicas: Vec::new() };
        for name in NAMES {
            three.replicas.push(three.serve(name).await);
        }
        Some(three)
    }

    async fn serve(&self, name: &str) -> Replica {
        let settings = |command: &mut Command| {
            command.env("THROUGHLINE_REDIS", self.redis.url());
            command.env("THROUGHLINE_PROVIDERS__VENDOR__LIMITS", format!("{{burst: {{count: {LIMIT}}}}}"));
        };
        self.deployment.serve_with(name, settings).await
    }

    /// How long until all of them answer `client`'s request as wanted.
    async fn agree(&self, client: &Client, path: &str, wanted: impl Fn(&Answer) -> bool) -> Duration {
        let since = Instant::now();
        for replica in &self.replicas {
            let mut client = client.clone();
            client.address = replica.client.address;
            loop {
                let answer = client.get(path).await;
                if wanted(&answer) {
                    break;
                }
                assert!(since.elapsed() < KNOWN, "{} {}", answer.status, answer.text());
                sleep(Duration::from_millis(20)).await;
            }
        }
        since.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_is_told_all_know() {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "Ada", "colour": "green"}"#));
    let Some(three) = Three::start("three", &vendor).await else { return };
    let [one, two, three_] = three.replicas.as_slice() else { panic!("three of them") };
    let client = connected(one).await;
    let contact = "/v1/crm/contacts/1";
    let listed = one.client.get("/v1/connections").await.json();
    let id = listed["data"][0]["id"].as_str().expect("an id").to_owned();
    let status = |wanted: u16| move |answer: &Answer| answer.status == wanted;
    three.agree(&client, contact, status(200)).await;

    let made = two.client.post("/v1/keys", json!({"scopes": ["read"]})).await.json();
    let (key_id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    three.agree(&client.key(key), contact, status(200)).await;
    assert_eq!(three_.client.delete(&format!("/v1/keys/{key_id}")).await.status, 204);
    let revoked = three.agree(&client.key(key), contact, status(401)).await;

    let lines = json!({"contacts": {"fields": {"colour": "colour"}}});
    let mapping = format!("/v1/connections/{id}/mapping");
    assert!(two.client.request("PUT", &mapping).json(&lines).send().await.status < 300);
    let shown = |answer: &Answer| answer.status == 200 && answer.json()["custom_fields"]["colour"] == "green";
    let overridden = three.agree(&client, contact, shown).await;

    let connection = format!("/v1/connections/{id}");
    assert_eq!(three_.client.patch(&connection, json!({"paused": true})).await.status, 200);
    let paused = three.agree(&client, contact, status(409)).await;
    assert_eq!(one.client.patch(&connection, json!({"paused": false})).await.status, 200);
    three.agree(&client, contact, status(200)).await;
    assert!(two.client.delete(&connection).await.status < 300);
    let deleted = three.agree(&client, contact, status(404)).await;
    println!(
        "three: known to all: revoked {revoked:.1?}, override {overridden:.1?}, paused {paused:.1?}, deleted {deleted:.1?}"
    );
}

/// The most in any span of this length.
fn most_within(arrivals: &[Instant], span: Duration) -> usize {
    let from = |first: &Instant| arrivals.iter().filter(|at| **at >= *first && **at - *first < span).count();
    arrivals.iter().map(from).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_keep_to_one_limit_while_one_is_replaced() {
    let vendor = FakeVendor::start().await;
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = arrivals.clone();
    vendor.answers_with(move |_| {
        noted.lock().push(Instant::now());
        json_answer(200, r#"{"id": "1", "name": "Ada"}"#)
    });
    let Some(mut three) = Three::start("limit", &vendor).await else { return };
    let client = connected(&three.replicas[0]).await;
    let (over, answered, refused) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
    let flood = |replica: &Replica| {
        let mut client = client.with("Prefer", "wait=2");
        client.address = replica.client.address;
        let (over, answered, refused): (_, Arc<AtomicUsize>, Arc<AtomicUsize>) =
            (over.clone(), Arc::clone(&answered), Arc::clone(&refused));
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let answer = client.get("/v1/crm/contacts/1").await;
                match answer.status {
                    200 => answered.fetch_add(1, Ordering::SeqCst),
                    429 => refused.fetch_add(1, Ordering::SeqCst),
                    status => panic!("{status}: {}", answer.text()),
                };
            }
        })
    };
    // The one that is replaced gets no requests while it is away, as behind a balancer.
    let mut floods: Vec<_> = three.replicas[1..].iter().flat_map(|replica| [replica; AT_ONCE]).map(flood).collect();
    let since = Instant::now();
    sleep(FLOOD / 4).await;
    three.replicas[0].signal("TERM");
    assert_eq!(three.replicas[0].exit_code().await, 0);
    three.replicas[0] = three.serve(NAMES[0]).await;
    floods.extend([&three.replicas[0]; AT_ONCE].map(flood));
    sleep(FLOOD.saturating_sub(since.elapsed())).await;
    over.store(true, Ordering::SeqCst);
    for ended in join_all(floods).await {
        ended.expect("every answer is a record, or says when to come again");
    }
    let (arrivals, took) = (arrivals.lock().clone(), since.elapsed().as_secs_f64());
    let (most, rate) = (most_within(&arrivals, ALMOST), arrivals.len() as f64 / took);
    let (answered, refused) = (answered.load(Ordering::SeqCst), refused.load(Ordering::SeqCst));
    println!("three: {answered} answered, {refused} told to wait; {rate:.1} a second at the vendor, at most {most}");
    assert!(most <= LIMIT + MORE, "{most} in a second");
    assert!(rate > LIMIT as f64 / 2.0, "and the limit is used: {rate:.1} a second");
}
