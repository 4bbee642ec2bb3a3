//! The vendors' limits: kept before they are exceeded, learned from answers, shared fairly, and told to callers.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use support::{Client, FakeVendor, Server, json_answer, plain_answer, provider, start_alone};
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);

/// The small provider with these lines in its file.
fn files(lines: &str) -> Vec<(String, String)> {
    let mut files = provider("fake", None);
    for (name, text) in &mut files {
        if name.ends_with("provider.yaml") {
            text.push_str(lines);
        }
    }
    files
}

async fn scene(lines: &str) -> (FakeVendor, Server) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
    let server = start_alone(files(lines), &[("fake", &vendor)]).await;
    (vendor, server)
}

/// When requests arrive at a vendor that answers all of them with `headers`.
fn noting(vendor: &FakeVendor, headers: &str) -> Arc<Mutex<Vec<Instant>>> {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let (noted, headers) = (arrivals.clone(), format!("Content-Type: application/json\r\n{headers}"));
    vendor.answers_with(move |_| {
        noted.lock().push(Instant::now());
        plain_answer(200, &headers, r#"{"id": "1", "name": "King"}"#)
    });
    arrivals
}

/// The most requests in any span of this length.
fn most_within(arrivals: &[Instant], span: Duration) -> usize {
    let from = |first: &Instant| arrivals.iter().filter(|at| **at >= *first && **at - *first < span).count();
    arrivals.iter().map(from).max().unwrap_or_default()
}

async fn get(client: Client) -> support::Answer {
    client.get("/v1/crm/contacts/1").await
}

const BURST: &str = "limits:\n  - { name: burst, count: 5, per: 1s }\n";

#[tokio::test]
async fn a_flood_leaves_at_the_vendors_pace() {
    let (vendor, server) = scene(BURST).await;
    let arrivals = noting(&vendor, "");
    let mut asking = JoinSet::new();
    for _ in 0..16 {
        asking.spawn(get(server.on("fake")));
    }
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(
        answers.iter().any(|answer| !answer.header("server-timing").unwrap_or_default().contains("quota;dur=0.000"))
    );
    let arrivals = arrivals.lock();
    assert_eq!(arrivals.len(), 16);
    assert!(most_within(&arrivals, SECOND) <= 5, "{arrivals:?}");
    assert!(arrivals[15] - arrivals[0] < SECOND * 5, "and not much slower: {arrivals:?}");
    let told = answers.iter().filter_map(|answer| answer.header("ratelimit-policy")).next();
    assert!(told.is_some_and(|told| told.contains(r#""vendor-burst";q=5;w=1"#)), "{told:?}");
}

/// S-34.
#[tokio::test]
async fn a_refusal_without_a_delay_slows_down() {
    let (vendor, server) = scene(BURST).await;
    vendor.answers(json_answer(429, "{}"));
    let answer = server.on("fake").with("Prefer", "wait=1").get("/v1/crm/contacts/1").await;
    let problem = answer.problem(429, "rate-limited");
    assert!(problem["retry_after"].as_u64().is_some_and(|seconds| (1..=5).contains(&seconds)), "{problem}");
    assert!(answer.header("retry-after").is_some());
    assert!(vendor.count() <= 3, "{}", vendor.count());
    // And recovers by itself.
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
    assert_eq!(get(server.on("fake")).await.status, 200);
}

/// S-35.
#[tokio::test]
async fn a_long_delay_is_told_at_once_and_kept_to() {
    let (vendor, server) = scene(BURST).await;
    vendor.answers(plain_answer(429, "Retry-After: 3600\r\n", r#"{"message": "later"}"#));
    let began = Instant::now();
    let first = get(server.on("fake")).await.problem(429, "rate-limited");
    assert_eq!(first["retry_after"], 3600);
    assert_eq!(first["origin"], "provider");
    let second = server.on("fake").post("/v1/crm/contacts", json!({"last_name": "King"})).await;
    let second = second.problem(429, "quota-exhausted");
    assert!(second["retry_after"].as_u64().is_some_and(|seconds| seconds > 1000), "{second}");
    assert_eq!((&second["origin"], &second["outcome"]), (&json!("throughline"), &json!("not-executed")));
    assert_eq!(vendor.count(), 1, "the vendor is left alone");
    assert!(began.elapsed() < SECOND * 2, "nobody waited");
    let id = server.connection("fake");
    let record = server.client().get(&format!("/v1/connections/{id}")).await.json();
    assert_eq!(
        (&record["quota"][0]["name"], &record["quota"][0]["remaining"]),
        (&json!("burst"), &json!(0)),
        "{record}"
    );
    assert!(record["quota"][0]["resets_at"].is_string());
}

const BY_BODY: &str = r#"limits:
  - { name: burst, count: 100, per: 10s }
  - { name: daily, count: 1000, per: 1d }
limit_signals:
  - { quota: burst, status: 429, when: 'policy = "BURST"', remaining: 0, retry_after: { s: 1 } }
  - { quota: daily, status: [403, 429], when: 'policy = "DAILY"', remaining: 0 }
errors:
  read: { code: policy }
  classify:
    - { status: [403, 429], code: DAILY, is: quota-exhausted }
"#;

/// S-37, S-38: which limit it was stands in the body, and a 403 can mean it as well.
#[tokio::test]
async fn a_days_allowance_is_told_from_a_moments() {
    let (vendor, server) = scene(BY_BODY).await;
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = arrivals.clone();
    vendor.answers_with(move |_| {
        noted.lock().push(Instant::now());
        match noted.lock().len() {
            1 => json_answer(429, r#"{"policy": "BURST"}"#),
            2 => json_answer(200, r#"{"id": "1", "name": "King"}"#),
            _ => json_answer(403, r#"{"policy": "DAILY"}"#),
        }
    });
    assert_eq!(get(server.on("fake")).await.status, 200, "it waited and asked again");
    let arrived = arrivals.lock().clone();
    assert!(arrived[1] - arrived[0] >= SECOND);
    let exhausted = get(server.on("fake")).await.problem(429, "quota-exhausted");
    assert!(exhausted["retry_after"].as_u64().is_some_and(|seconds| (1..=1800).contains(&seconds)), "{exhausted}");
    let again = get(server.on("fake")).await.problem(429, "quota-exhausted");
    assert!(again["retry_after"].is_u64());
    assert_eq!(vendor.count(), 3, "nothing is sent until it begins anew");
}

/// What was read of a body to understand it is handed on, byte for byte.
#[tokio::test]
async fn a_raw_refusal_comes_through_whole() {
    let (vendor, server) = scene(BY_BODY).await;
    let body = format!("{{\"policy\":  \"DAILY\", \"padding\": \"{}\"}}", "x".repeat(100_000));
    vendor.answers(json_answer(403, &body));
    let answer = server.on("fake").get("/v1/passthrough/base/contacts").await;
    assert_eq!((answer.status, answer.complete), (403, true));
    assert!(answer.body == body.as_bytes());
    let short = r#"{"policy":  "DAILY"}"#;
    vendor.answers(json_answer(403, short));
    let answer = server.on("fake").get("/v1/passthrough/base/contacts").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("retry-after")), (403, short, None));
    assert_eq!(answer.header("content-length"), Some("20"));
    let refused = server.on("fake").get("/v1/passthrough/base/contacts").await;
    refused.problem(429, "quota-exhausted");
    assert_eq!(vendor.count(), 2);
}

const TOLD: &str = r#"limits:
  - { name: burst, count: 100, per: 10s }
limit_signals:
  - { quota: burst, remaining: '$headers.`x-left`', limit: '$headers.`x-max`', reset: { s: '$headers.`x-reset`' } }
"#;

/// S-46.
#[tokio::test]
async fn nothing_left_means_nothing_sent_until_it_begins_anew() {
    let (vendor, server) = scene(TOLD).await;
    let arrivals = noting(&vendor, "X-Left: 0\r\nX-Max: 190\r\nX-Reset: 1\r\n");
    let first = get(server.on("fake")).await;
    let told = |name: &str| first.header(name).unwrap_or_default().to_owned();
    assert!(told("ratelimit-policy").contains(r#""vendor-burst";q=190;w=10"#), "the plan that it really is");
    assert!(told("ratelimit").contains(r#""vendor-burst";r=0;t=1"#));
    let impatient = server.on("fake").with("Prefer", "wait=1").get("/v1/crm/contacts/1").await;
    impatient.problem(429, "rate-limited");
    assert_eq!(arrivals.lock().len(), 1);
    noting(&vendor, "X-Left: 150\r\nX-Max: 190\r\n");
    let began = Instant::now();
    let patient = get(server.on("fake")).await;
    assert_eq!(patient.status, 200);
    assert!(began.elapsed() <= SECOND * 2);
}

const SHARED: &str = "limits:\n  - { name: burst, count: 10, per: 1s, scope: account }\n";

fn of_accounts(lines: &str) -> Vec<(String, String)> {
    let mut files = files(lines);
    for (name, text) in &mut files {
        if name.ends_with("provider.yaml") {
            *text = text.replace("base_url: https://api.fake.test/base", "base_url: https://{domain}.fake.test/base");
            text.push_str("settings: { domain: { ask: Which, example: acme, pattern: '[a-z]+' } }\n");
        }
    }
    files
}

/// S-39: two tenants in one account; what one has waiting holds the other up by its turn, not by its number.
#[tokio::test]
async fn a_flood_of_one_tenant_does_not_keep_out_another() {
    let vendor = FakeVendor::start().await;
    let server = start_alone(of_accounts(SHARED), &[("fake", &vendor)]).await;
    let arrivals = noting(&vendor, "");
    let key = server.make_key("other", "read").await;
    let connection = server.connect("other", "fake", "customer").await;
    let mut flood = JoinSet::new();
    for _ in 0..60 {
        flood.spawn(get(server.on("fake")));
    }
    vendor.wait_for(10).await;
    let began = Instant::now();
    let mut others = Vec::new();
    for _ in 0..3 {
        let answer = get(Client::new(server.api).key(&key).connection(&connection)).await;
        others.push((answer.status, began.elapsed()));
    }
    let sent = arrivals.lock().len();
    assert!(others.iter().all(|(status, _)| *status == 200), "{others:?}");
    assert!(others[0].1 < SECOND * 2, "one span and its turn: {others:?}");
    assert!(sent < 40, "three requests went before {} of sixty", 63 - sent);
    drop(flood);
}

/// Requests at the same time, each until its answer has ended.
#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let (vendor, server) = scene("limits:\n  - { name: together, concurrency: 2 }\n").await;
    let inside = Arc::new(Mutex::new((0, 0)));
    let counted = inside.clone();
    let (open, gate) = tokio::sync::watch::channel(false);
    vendor.does(move |mut exchange| {
        let (counted, mut gate) = (counted.clone(), gate.clone());
        async move {
            exchange.finish_reading().await;
            {
                let mut now = counted.lock();
                now.0 += 1;
                now.1 = now.0.max(now.1);
            }
            let _ = gate.wait_for(|open| *open).await;
            counted.lock().0 -= 1;
            exchange.write(&json_answer(200, r#"{"id": "1", "name": "King"}"#)).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut exchange.stream).await;
        }
    });
    let mut asking = JoinSet::new();
    for _ in 0..6 {
        asking.spawn(get(server.on("fake")));
    }
    vendor.wait_for(2).await;
    open.send(true).expect("the vendor waits");
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(inside.lock().1, 2);
}

/// A warm request asks neither the store nor anybody else for its permit.
#[tokio::test]
async fn a_permit_costs_no_call_of_the_store() {
    let (_vendor, server) = scene(BY_BODY).await;
    get(server.on("fake")).await;
    let before = server.store.calls();
    for _ in 0..5 {
        assert_eq!(get(server.on("fake")).await.status, 200);
    }
    assert_eq!(server.store.calls(), before);
}

#[tokio::test]
async fn metrics_tell_what_is_refused_and_what_is_left() {
    let (vendor, server) = scene(BURST).await;
    vendor.answers(plain_answer(429, "Retry-After: 3600\r\n", "{}"));
    get(server.on("fake")).await;
    get(server.on("fake")).await;
    let text = server.app.metrics.render().expect("text");
    for line in [
        r#"throughline_quota_throttled_total{kind="rate-limited",provider="fake"} 1"#,
        r#"throughline_quota_refused_total{provider="fake",reason="quota-exhausted"} 1"#,
        "throughline_replicas 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

/// Two lists of problems of a good file: with numbers that the deployment changes, and with a name that is none.
#[tokio::test]
async fn a_deployment_with_a_larger_plan_says_so() {
    let vendor = FakeVendor::start().await;
    let change: Value = json!({"burst": {"count": 50}});
    let store = throughline::store::Store::memory().expect("a store");
    let server = support::start_configured(files(BURST), &[("fake", &vendor)], store, |config| {
        let provider = config.providers.get_mut("fake").expect("the vendor");
        provider.limits = serde_json::from_value(change).expect("limits");
    })
    .await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
    let answer = get(server.on("fake")).await;
    assert!(answer.header("ratelimit-policy").is_some_and(|told| told.contains(r#""vendor-burst";q=50;w=1"#)));
    let described = server.client().get("/v1/providers/fake").await.json();
    assert_eq!(described["limits"][0]["count"], 50, "{described}");
}

/// A server that shares an account with another one by this Redis.
async fn one_of_two(lines: &str, vendor: &FakeVendor, redis: &support::RedisServer) -> Server {
    let (store, url) = (throughline::store::Store::memory().expect("a store"), redis.url());
    support::start_configured(of_accounts(lines), &[("fake", vendor)], store, |config| {
        config.redis = Some(serde_json::from_value(json!(url)).expect("a text"));
        config.replicas = Some(2);
    })
    .await
}

fn pool_is_up(server: &Server) -> bool {
    server.app.metrics.render().expect("text").contains("\nthroughline_quota_pool_up 1\n")
}

async fn flood(servers: &[&Server], number: usize) -> usize {
    let mut asking = JoinSet::new();
    for _ in 0..number {
        for server in servers {
            asking.spawn(get(server.on("fake")));
        }
    }
    asking.join_all().await.iter().filter(|answer| answer.status == 200).count()
}

/// A server notices that Redis has gone or come back when it needs more than its own part.
async fn flood_until(servers: &[&Server], noticed: impl Fn(&Server) -> bool) {
    for _ in 0..20 {
        if servers.iter().all(|server| noticed(server)) {
            return;
        }
        assert_eq!(flood(servers, 8).await, 8 * servers.len());
    }
    panic!("nobody noticed: {:?}", servers.iter().map(|server| noticed(server)).collect::<Vec<_>>());
}

/// A second but for what requests may lose on their way from two servers to the vendor.
const ALMOST: Duration = Duration::from_millis(850);

const TWENTY: &str = "limits:\n  - { name: burst, count: 20, per: 1s, scope: account }\n";

/// Two servers and one Redis: together within the limit, and one that is alone with the load gets most of it.
#[tokio::test]
async fn two_servers_share_one_limit() {
    let Some(redis) = support::RedisServer::start().await else { return };
    let vendor = FakeVendor::start().await;
    let (one, two) = (one_of_two(TWENTY, &vendor, &redis).await, one_of_two(TWENTY, &vendor, &redis).await);
    let arrivals = noting(&vendor, "");
    assert_eq!(flood(&[&one], 60).await, 60);
    // An equal part is ten.
    assert!(most_within(&arrivals.lock(), SECOND) > 12, "{:?}", arrivals.lock());
    assert_eq!(flood(&[&one, &two], 30).await, 60);
    assert!(most_within(&arrivals.lock(), ALMOST) <= 20, "{:?}", arrivals.lock());
    assert!(pool_is_up(&one) && pool_is_up(&two));
}

/// S-41, S-125: Redis forgets everything, and goes away. Nobody fails, and the limit holds.
#[tokio::test]
async fn a_redis_that_forgets_or_goes_away_is_no_outage() {
    let Some(mut redis) = support::RedisServer::start().await else { return };
    let vendor = FakeVendor::start().await;
    let (one, two) = (one_of_two(TWENTY, &vendor, &redis).await, one_of_two(TWENTY, &vendor, &redis).await);
    let arrivals = noting(&vendor, "");
    assert_eq!(flood(&[&one, &two], 20).await, 40);
    let both = [&one, &two];
    let flooding = flood(&both, 35);
    let disturbing = async {
        vendor.wait_for(60).await;
        redis.forget_everything().await;
        vendor.wait_for(75).await;
        redis.end();
    };
    let (answered, ()) = tokio::join!(flooding, disturbing);
    assert_eq!(answered, 70);
    assert_eq!(flood(&both, 15).await, 30);
    flood_until(&both, |server| !pool_is_up(server)).await;
    assert!(most_within(&arrivals.lock(), ALMOST) <= 20, "{:?}", arrivals.lock());
    assert!(redis.begin().await);
    assert_eq!(flood(&both, 25).await, 50);
    flood_until(&both, pool_is_up).await;
}

/// Reads, writes without an Idempotency-Key and passthrough: what they need of the store is in memory, and below its own
/// part of a limit a server asks nobody.
#[tokio::test]
async fn a_warm_request_makes_no_call_of_the_store_or_of_redis() {
    let Some(redis) = support::RedisServer::start().await else { return };
    let vendor = FakeVendor::start().await;
    let lines = "limits:\n  - { name: burst, count: 2000, per: 2s, scope: account }\n";
    let server = one_of_two(lines, &vendor, &redis).await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "King", "items": [{"id": "1", "name": "King"}]}"#));
    let requests = [
        ("GET", "/v1/crm/contacts/1", None, 200),
        ("GET", "/v1/crm/contacts?limit=1", None, 200),
        ("POST", "/v1/crm/contacts/search", Some(json!({"limit": 1})), 200),
        ("POST", "/v1/crm/contacts", Some(json!({"last_name": "King"})), 201),
        ("PATCH", "/v1/crm/contacts/1", Some(json!({"last_name": "King"})), 200),
        ("DELETE", "/v1/crm/contacts/1", None, 204),
        ("GET", "/v1/passthrough/contacts", None, 200),
        ("POST", "/v1/passthrough/contacts", Some(json!({"name": "King"})), 200),
    ];
    let by_id = server.on("fake");
    let by_customer = server.client().with("Throughline-Customer", "demo-customer");
    let mut before = None;
    for round in 0..4 {
        for client in [&by_id, &by_customer] {
            for (method, path, body, status) in &requests {
                let request = client.request(method, path);
                let request = if let Some(body) = body { request.json(body) } else { request };
                let answer = request.send().await;
                assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text());
                if round > 0 {
                    assert_eq!(Some(server.store.calls()), before, "calls of the store: {method} {path}");
                }
            }
        }
        before = before.or(Some(server.store.calls()));
    }
    assert_eq!(redis.commands().await, 0);
    // What is counted is there: what is over the own part is asked for.
    assert_eq!(flood(&[&server], 250).await, 250);
    assert!(redis.commands().await > 0);
}

/// The second in which a lost Redis comes back: nobody is given twice what there is, nobody fails, and it is not stormed.
#[tokio::test]
async fn a_redis_that_comes_back_gives_nothing_twice() {
    let Some(mut redis) = support::RedisServer::start().await else { return };
    let vendor = FakeVendor::start().await;
    let (one, two) = (one_of_two(TWENTY, &vendor, &redis).await, one_of_two(TWENTY, &vendor, &redis).await);
    let (both, arrivals) = ([&one, &two], noting(&vendor, ""));
    assert_eq!(flood(&both, 20).await, 40);
    // Gone for as long as it takes until each keeps to an equal part; and one that hangs, and knows everything still.
    for hangs in [false, true] {
        // A new one has answered nobody yet.
        let before = if hangs { redis.commands().await } else { 0 };
        match hangs {
            true => redis.hang(true),
            false => redis.end(),
        }
        assert_eq!(flood(&both, 30).await, 60);
        flood_until(&both, |server| !pool_is_up(server)).await;
        arrivals.lock().clear();
        let sent = vendor.count();
        let returning = async {
            vendor.wait_for(sent + 10).await;
            if hangs { redis.hang(false) } else { assert!(redis.begin().await) }
        };
        let (answered, ()) = tokio::join!(flood(&both, 60), returning);
        assert_eq!(answered, 120, "nobody fails");
        flood_until(&both, pool_is_up).await;
        // The number itself is held where nothing is late (`upstream::quota::pool`): a busy machine bunches requests.
        let most = most_within(&arrivals.lock(), ALMOST);
        assert!(most <= 25, "{most} in a second (hanging: {hangs})");
        let asked = redis.commands().await - before;
        assert!(asked <= 2_000, "{asked} commands for {} requests", arrivals.lock().len());
    }
}

/// A Redis that takes connections and says nothing: what a server has for itself is there at once.
#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("redis://{}/0", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let vendor = FakeVendor::start().await;
    let lines = "limits:\n  - { name: burst, count: 200, per: 1s, scope: account }\n";
    let store = throughline::store::Store::memory().expect("a store");
    let server = support::start_configured(of_accounts(lines), &[("fake", &vendor)], store, |config| {
        config.redis = Some(serde_json::from_value(json!(url)).expect("a text"));
        config.replicas = Some(2);
    })
    .await;
    noting(&vendor, "");
    assert_eq!(get(server.on("fake")).await.status, 200);
    let mut slowest = Duration::ZERO;
    // A fifth of the half is its own; from the half of that on it asks, again and again.
    for _ in 0..19 {
        let began = Instant::now();
        assert_eq!(get(server.on("fake")).await.status, 200);
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < SECOND / 2, "{slowest:?}");
    let began = Instant::now();
    assert_eq!(flood(&[&server], 100).await, 100, "and what is beyond that waits for the limit, not for Redis");
    assert!(began.elapsed() < SECOND * 8, "{:?}", began.elapsed());
    assert!(!pool_is_up(&server));
}

/// A server of two that reaches Redis in this way. None if it cannot be set up like that.
async fn reaching(url: &str, authorities: Option<&std::path::Path>, vendor: &FakeVendor) -> Server {
    let store = throughline::store::Store::memory().expect("a store");
    support::start_configured(of_accounts(TWENTY), &[("fake", vendor)], store, |config| {
        config.redis = Some(serde_json::from_value(json!(url)).expect("a text"));
        config.redis_ca_file = authorities.map(Into::into);
        config.replicas = Some(2);
    })
    .await
}

/// Over TLS with a certificate of an authority of one's own, and as a user who may do no more than it takes.
#[tokio::test]
async fn a_redis_may_want_tls_and_a_password() {
    let folder = support::scratch("redis-tls");
    let openssl = |arguments: &str| {
        let run = std::process::Command::new("openssl").args(arguments.split(' ')).current_dir(&folder).output();
        let run = run.expect("openssl is installed");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    openssl(&format!("req {key} -keyout redis.key -out redis.csr -subj /CN=redis -addext subjectAltName=IP:127.0.0.1"));
    openssl(
        "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out redis.pem",
    );
    let at = |name: &str| folder.join(name);
    let path = |name: &str| at(name).to_str().expect("text").to_owned();
    let user = "throughline on >s3cret@/ ~throughline:quota:* +evalsha +eval +script|load +time +get +set +expire +pexpire \
                +hget +hgetall +hincrby +hdel";
    let (certificate, private) = (path("redis.pem"), path("redis.key"));
    let mut options = vec!["--tls-cert-file", &certificate, "--tls-key-file", &private, "--tls-auth-clients", "no"];
    options.extend(["--requirepass", "another", "--user"].into_iter().chain(user.split_whitespace()));
    let Some(redis) = support::RedisServer::with(&options).await else { return };
    let vendor = FakeVendor::start().await;
    noting(&vendor, "");
    let place = format!("127.0.0.1:{}/0", redis.port());

    let good = reaching(&format!("rediss://throughline:s3cret%40%2F@{place}"), Some(&at("ca.pem")), &vendor).await;
    assert_eq!(flood(&[&good], 15).await, 15);
    assert!(pool_is_up(&good), "it leases");
    let metrics = good.app.metrics.render().expect("text");
    assert!(metrics.contains("throughline_quota_pool_up 1"), "{metrics}");
    // Nobody else is believed, and nobody fails because of it.
    for (user, authorities) in [("throughline:s3cret%40%2F", None), ("throughline:wrong", Some(at("ca.pem")))] {
        let refused = reaching(&format!("rediss://{user}@{place}"), authorities.as_deref(), &vendor).await;
        assert_eq!(flood(&[&refused], 15).await, 15);
        assert!(!pool_is_up(&refused), "{user}");
    }
}
