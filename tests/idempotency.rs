//! Writes with an Idempotency-Key: the vendor sees each once, and every further request under the key is told what became
//! of it. And writes that have begun are finished, whoever leaves.

mod support;

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "processes/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{
    Answer, Client, Deployment, Exchange, FakeVendor, Request, Scene, Server, json_answer, plain_answer, provider,
    start_configured,
};
use throughline::store::Store;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Says why a test does not run.
pub fn skipped<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("THROUGHLINE_REQUIRE_POSTGRES").is_none_or(|value| value != "1"), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// A server and a vendor that answers every write as a new record of the next number.
struct Shop {
    server: Server,
    vendor: FakeVendor,
    client: Client,
}

const CONTACT: &str = "/v1/crm/contacts";

fn king() -> Value {
    json!({"last_name": "King", "emails": [{"type": "work", "email": "king@example.test"}]})
}

impl Shop {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(configure: impl FnOnce(&mut throughline::config::Config)) -> Self {
        let vendor = FakeVendor::start().await;
        let store = Store::memory().expect("a store");
        let server = start_configured(matching(), &[("fake", &vendor)], store, configure).await;
        let client = server.on("fake");
        let shop = Self { server, vendor, client };
        shop.sells();
        shop
    }

    /// Answers as usual.
    fn sells(&self) {
        let numbers = AtomicUsize::new(1);
        self.vendor.answers_with(move |request| {
            let number = match request.line().starts_with("GET") {
                true => 1,
                false => numbers.fetch_add(1, Ordering::SeqCst),
            };
            json_answer(200, json!({"id": number.to_string(), "name": "King", "extra": {}}).to_string())
        });
    }

    /// What has arrived that is no read.
    fn writes(&self) -> usize {
        self.vendor.requests().iter().filter(|request| !request.line().starts_with("GET")).count()
    }

    async fn create(&self, key: &str) -> Answer {
        self.keyed("POST", CONTACT, key).json(&king()).send().await
    }

    fn keyed(&self, method: &str, path: &str, key: &str) -> Request<'_> {
        self.client.request(method, path).header("Idempotency-Key", key)
    }

    /// Writes are read and then held until the sender says so; then they are answered. The number counts them.
    fn holds(&self, answer: Vec<u8>) -> (watch::Sender<bool>, Arc<AtomicUsize>) {
        let (open, gate) = watch::channel(false);
        let seen = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (seen.clone(), Arc::new(answer));
        self.vendor.does(move |mut exchange| {
            let (mut gate, counted, answer) = (gate.clone(), counted.clone(), answer.clone());
            async move {
                exchange.finish_reading().await;
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = gate.wait_for(|open| *open).await;
                exchange.write(&answer).await;
                let _ = exchange.stream.shutdown().await;
            }
        });
        (open, seen)
    }

    async fn metric(&self, line: &str) -> bool {
        Client::new(self.server.admin).get("/metrics").await.text().lines().any(|known| known == line)
    }
}

/// The small provider, whose contacts can be matched by email, natively by phone, and go with companies.
fn matching() -> Vec<(String, String)> {
    let mut files = provider("fake", None);
    for (name, text) in &mut files {
        if name.ends_with("contacts.yaml") {
            let asked = "after: cursor, mail: filter.email.eq, code: filter.title.eq }";
            *text = text
                .replace("  custom_fields: { in: extra }\n", "  custom_fields: { in: extra }\n  title: code\n")
                .replace("after: cursor }", asked)
                + r#"  upsert:
    - { match: [email], via: find }
    - match: [title]
      request: PUT /contacts/by/{match.value}
      repeatable: true
      id: id
filters:
  email: { on: mail, ops: [eq] }
  title: { on: code, ops: [eq] }
associations:
  companies:
    list:
      request: GET /contacts/{id}/companies
      records: items
    item: { id: id }
    add:
      request: PUT /contacts/{id}/companies/{other_id}
    remove:
      request: DELETE /contacts/{id}/companies/{other_id}
"#;
        }
    }
    let companies =
        "fields: { id: { read: id }, name: name }\noperations: { get: { request: 'GET /companies/{id}' } }\n";
    files.push(("fake/companies.yaml".to_owned(), companies.to_owned()));
    files
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[tokio::test]
async fn a_write_happens_once_and_its_answer_is_given_again() {
    let shop = Shop::open().await;
    let first = shop.create("order-1").await;
    assert_eq!((first.status, is_replay(&first)), (201, false), "{}", first.text());
    for key in ["order-1", "\"order-1\""] {
        let again = shop.create(key).await;
        assert_eq!((again.status, is_replay(&again)), (201, true), "{}", again.text());
        assert_eq!(again.body, first.body, "byte for byte");
        for name in ["location", "content-type", "throughline-warning"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    assert_eq!(shop.writes(), 1);
    // Another key, another path and another method are other writes.
    assert_eq!(shop.create("order-2").await.json()["id"], "2");
    for (method, path) in
        [("PATCH", "/v1/crm/contacts/1"), ("PATCH", "/v1/crm/contacts/2"), ("DELETE", "/v1/crm/contacts/1")]
    {
        let request = |key| shop.keyed(method, path, key);
        let send = async |key| match method {
            "DELETE" => request(key).send().await,
            _ => request(key).json(&king()).send().await,
        };
        let (one, two) = (send("order-1").await, send("order-1").await);
        assert_eq!((one.status, two.status), (two.status, one.status));
        assert!(one.status < 300 && !is_replay(&one) && is_replay(&two), "{}", one.text());
    }
    assert_eq!(shop.writes(), 5);
    for (result, count) in [("new", 5), ("replayed", 5)] {
        let line = format!("throughline_idempotency_total{{result=\"{result}\"}} {count}");
        assert!(shop.metric(&line).await, "{line}");
    }
}

#[tokio::test]
async fn every_route_that_writes_takes_a_key() {
    let shop = Shop::open().await;
    let batch = json!({"operations": [{"operation": "create", "data": king()}, {"operation": "delete", "id": "7"}]});
    let titled = json!({"last_name": "King", "title": "CEO"});
    let connection = shop.server.connection("fake");
    let by_path = format!("/v1/connections/{connection}/passthrough/things");
    for (method, path, body) in [
        ("POST", "/v1/crm/contacts/batch", Some(&batch)),
        ("PUT", "/v1/crm/contacts?match=title", Some(&titled)),
        ("PUT", "/v1/crm/contacts/1/associations/companies/2", None),
        ("DELETE", "/v1/crm/contacts/1/associations/companies/2", None),
        ("POST", "/v1/passthrough/things?a=1", Some(&titled)),
        ("DELETE", "/v1/passthrough/things/1", None),
        ("PUT", by_path.as_str(), Some(&titled)),
    ] {
        let send = async || match body {
            Some(body) => shop.keyed(method, path, "k").json(body).send().await,
            None => shop.keyed(method, path, "k").send().await,
        };
        let first = send().await;
        assert!(first.status < 300, "{method} {path}: {}", first.text());
        let before = shop.vendor.count();
        let again = send().await;
        assert!(is_replay(&again), "{method} {path}: {}", again.text());
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{method} {path}");
        assert_eq!(again.header("throughline-origin"), first.header("throughline-origin"));
        assert_eq!(shop.vendor.count(), before, "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_that_comes_while_the_first_is_running_is_told_so() {
    let shop = Shop::open().await;
    let (open, seen) = shop.holds(json_answer(201, r#"{"id": "1", "name": "King", "mail": null, "extra": {}}"#));
    let running = tokio::spawn({
        let request = shop.keyed("POST", CONTACT, "k").json(&king()).bytes();
        let client = shop.client.clone();
        async move { client.raw(&request).await }
    });
    shop.vendor.wait_for(1).await;
    let second = shop.create("k").await;
    let problem = second.problem(409, "idempotency-in-flight");
    assert_eq!((&problem["retryable"], &problem["outcome"]), (&json!(true), &json!("unknown")));
    assert_eq!((&problem["idempotency_key"], second.header("retry-after")), (&json!("k"), Some("1")));
    // Another request under the key is a mistake, whenever it comes.
    shop.keyed("POST", CONTACT, "k")
        .json(&json!({"last_name": "Queen"}))
        .send()
        .await
        .problem(422, "idempotency-mismatch");
    open.send(true).expect("the vendor waits");
    assert_eq!(running.await.expect("an answer").status, 201);
    assert!(is_replay(&shop.create("k").await));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn another_request_under_the_key_is_refused() {
    let shop = Shop::open().await;
    assert_eq!(shop.create("k").await.status, 201);
    let other = [
        shop.keyed("POST", CONTACT, "k").json(&json!({"last_name": "Queen"})),
        shop.keyed("POST", "/v1/crm/contacts?fields=id", "k").json(&king()),
        shop.keyed("POST", CONTACT, "k").json(&king()).header("Prefer", "return=minimal"),
        shop.keyed("POST", CONTACT, "k").body("application/json; charset=utf-8", king().to_string()),
    ];
    for request in other {
        let problem = request.send().await.problem(422, "idempotency-mismatch");
        assert_eq!((&problem["outcome"], &problem["retryable"]), (&json!("not-executed"), &json!(false)));
    }
    // How long the caller waits, and the order of parameters, change nothing.
    let patient = shop.keyed("POST", CONTACT, "k").json(&king()).header("Prefer", "wait=9").send().await;
    assert!(is_replay(&patient));
    let send = async |query: &str| {
        shop.keyed("POST", &format!("/v1/passthrough/x?{query}"), "k").json(&json!({})).send().await
    };
    assert!(!is_replay(&send("a=1&b=2").await) && is_replay(&send("b=2&a=1").await));
}

#[tokio::test]
async fn what_was_not_executed_may_be_done_yet() {
    let shop = Shop::open().await;
    // Refused by us: the same key, with what was wrong put right.
    let unknown = shop.keyed("POST", CONTACT, "k").json(&json!({"shoe_size": 43})).send().await;
    assert_eq!(unknown.problem(422, "unknown-field")["outcome"], "not-executed");
    // Refused by the vendor for a moment.
    shop.vendor.answers(plain_answer(429, "Retry-After: 7\r\n", "{}"));
    let limited = shop.create("k").await;
    assert_eq!(limited.problem(429, "rate-limited")["outcome"], "not-executed");
    shop.vendor.answers(json_answer(401, "{}"));
    assert_eq!(shop.create("k").await.problem(409, "needs-reauth")["outcome"], "not-executed");
    shop.sells();
    let done = shop.create("k").await;
    assert_eq!((done.status, is_replay(&done)), (201, false), "{}", done.text());
    assert!(is_replay(&shop.create("k").await));
    // Raw answers, too.
    shop.vendor.answers(plain_answer(429, "", "slow down"));
    let raw = async || shop.keyed("POST", "/v1/passthrough/x", "k").json(&json!({})).send().await;
    assert_eq!((raw().await.status, raw().await.status), (429, 429));
    shop.sells();
    let done = raw().await;
    assert_eq!((done.status, is_replay(&done)), (200, false));
    assert!(is_replay(&raw().await));
}

#[tokio::test]
async fn a_vendor_that_cannot_be_reached_has_executed_nothing() {
    let nobody = support::free_port();
    let shop = Shop::with(move |config| {
        config.providers.entry("fake".into()).or_default().base_url = Some(format!("http://{nobody}"));
    })
    .await;
    for _ in 0..2 {
        let problem = shop.create("k").await.problem(502, "provider-unavailable");
        assert_eq!((&problem["outcome"], &problem["retryable"]), (&json!("not-executed"), &json!(true)));
        assert_eq!(problem.get("idempotency_key"), None);
    }
    assert!(shop.metric("throughline_idempotency_total{result=\"new\"} 2").await);
}

#[tokio::test]
async fn a_vendors_refusal_is_an_answer_like_any_other() {
    let shop = Shop::open().await;
    shop.vendor.answers(json_answer(422, r#"{"message": "no such colour"}"#));
    let first = shop.create("k").await;
    assert_eq!(first.json()["outcome"], "not-executed", "{}", first.text());
    let again = shop.create("k").await;
    assert_eq!((again.status, &again.body, is_replay(&again)), (first.status, &first.body, true), "{}", again.text());
    assert_eq!(again.header("content-type"), Some("application/problem+json"));
    assert_eq!(shop.writes(), 1);
}

/// Makes a vendor fail.
type Failing = fn(&FakeVendor);

#[tokio::test]
async fn an_outcome_that_is_not_known_is_never_tried_again() {
    let shop = Shop::open().await;
    let lost: [(&str, Failing); 3] = [
        ("reset", |vendor| {
            vendor.does(async |mut exchange: Exchange| {
                exchange.finish_reading().await;
                exchange.reset();
            });
        }),
        ("500", |vendor| vendor.answers(json_answer(500, "{}"))),
        ("503", |vendor| vendor.answers(plain_answer(503, "Retry-After: 1\r\n", "{}"))),
    ];
    for (name, fails) in lost {
        fails(&shop.vendor);
        let before = shop.vendor.count();
        let first = shop.create(name).await;
        let problem = first.json();
        assert_eq!((&problem["outcome"], &problem["idempotency_key"]), (&json!("unknown"), &json!(name)), "{problem}");
        assert_eq!(problem["probe"], "/v1/crm/contacts?filter[email]=king%40example.test");
        assert_eq!(problem["retryable"], false);
        shop.sells();
        for _ in 0..2 {
            let problem = shop.create(name).await.problem(409, "outcome-unknown");
            assert_eq!((&problem["outcome"], &problem["origin"]), (&json!("unknown"), &json!("caller")));
            assert_eq!(problem["probe"], "/v1/crm/contacts?filter[email]=king%40example.test", "{problem}");
            assert_eq!(problem["retryable"], false);
        }
        assert_eq!(shop.vendor.count(), before + 1, "{name}");
        // A new key is a new write.
        assert_eq!(shop.create(&format!("{name}-2")).await.status, 201);
    }
    assert!(shop.metric("throughline_idempotency_total{result=\"unknown\"} 6").await);
    // A raw answer is the vendor's own, and what it says of the write is as little.
    shop.vendor.answers(json_answer(500, r#"{"oh": "no"}"#));
    let raw = async || shop.keyed("POST", "/v1/passthrough/x", "raw").json(&json!({})).send().await;
    let first = raw().await;
    assert_eq!((first.status, first.json()), (500, json!({"oh": "no"})));
    let again = raw().await;
    again.problem(409, "outcome-unknown");
    assert_eq!(again.header("throughline-origin"), Some("throughline"));
}

#[tokio::test]
async fn an_upsert_by_its_natural_key_is_safe_to_run_again() {
    let shop = Shop::open().await;
    let upsert = async || {
        let body = json!({"last_name": "King", "title": "CEO"});
        shop.keyed("PUT", "/v1/crm/contacts?match=title", "k").json(&body).send().await
    };
    shop.vendor.answers(json_answer(500, "{}"));
    let problem = upsert().await.json();
    assert_eq!((&problem["outcome"], &problem["retryable"]), (&json!("unknown"), &json!(true)), "{problem}");
    assert_eq!(problem["probe"], "/v1/crm/contacts?filter[title]=CEO");
    shop.sells();
    let done = upsert().await;
    assert_eq!((done.status, is_replay(&done)), (200, false), "{}", done.text());
    assert!(is_replay(&upsert().await));
}

#[tokio::test]
async fn every_failed_write_says_what_became_of_it() {
    let broken = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"id\": ".to_vec();
    let closed = support::free_port();
    let unreachable = Shop::with(move |config| {
        config.providers.entry("fake".into()).or_default().base_url = Some(format!("http://{closed}"));
    })
    .await;
    let titled = json!({"last_name": "King", "title": "CEO"});
    let batch = |operation: Value| json!({ "operations": [operation] });
    let routes = [
        ("POST", "/v1/crm/contacts", Some(king()), Some("?filter[email]=king%40example.test")),
        ("PATCH", "/v1/crm/contacts/7", Some(king()), Some("/7")),
        ("DELETE", "/v1/crm/contacts/7", None, Some("/7")),
        ("PUT", "/v1/crm/contacts?match=title", Some(titled.clone()), Some("?filter[title]=CEO")),
        ("PUT", "/v1/crm/contacts/7/associations/companies/8", None, Some("/7/associations/companies")),
        ("DELETE", "/v1/crm/contacts/7/associations/companies/8", None, Some("/7/associations/companies")),
        (
            "POST",
            "/v1/crm/contacts/batch",
            Some(batch(json!({"operation": "update", "id": "7", "data": king()}))),
            Some("/7"),
        ),
    ];
    let send = async |shop: &Shop, method: &str, path: &str, body: &Option<Value>| {
        let request = shop.client.request(method, path);
        let answer = match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        };
        if path.ends_with("/batch") { answer.json()["results"][0]["error"].clone() } else { answer.json() }
    };
    for (method, path, body, probe) in &routes {
        // Each has a vendor of its own: so many failures of one would open its breaker.
        let shop = Shop::open().await;
        let say = |what: &str, problem: &Value| format!("{what}: {method} {path}: {problem}");
        let problem = send(&unreachable, method, path, body).await;
        assert_eq!(problem["outcome"], "not-executed", "{}", say("unreachable", &problem));
        assert_eq!(problem.get("probe"), None);
        shop.vendor.answers(json_answer(400, "{}"));
        let problem = send(&shop, method, path, body).await;
        assert_eq!(problem["outcome"], "not-executed", "{}", say("400", &problem));
        let open = [
            ("500", json_answer(500, "{}"), "unknown"),
            ("garbage", b"no answer at all\r\n\r\n".to_vec(), "unknown"),
            ("broken body", broken.clone(), "executed"),
            ("no JSON", plain_answer(200, "Content-Type: text/html\r\n", "<html>"), "executed"),
        ];
        for (what, answer, outcome) in open {
            shop.vendor.answers(answer);
            let problem = send(&shop, method, path, body).await;
            assert_eq!(problem["outcome"], outcome, "{}", say(what, &problem));
            let probe = probe.map(|probe| format!("/v1/crm/contacts{probe}"));
            assert_eq!(problem["probe"].as_str(), probe.as_deref(), "{}", say(what, &problem));
        }
        shop.vendor.does(async |mut exchange: Exchange| {
            exchange.finish_reading().await;
            exchange.reset();
        });
        let problem = send(&shop, method, path, body).await;
        assert_eq!(problem["outcome"], "unknown", "{}", say("reset", &problem));
    }
    // Raw: the vendor's answers are its own, and so only our failures are problems.
    let raw = Some(titled);
    let problem = send(&unreachable, "POST", "/v1/passthrough/x", &raw).await;
    assert_eq!(problem["outcome"], "not-executed");
    let shop = Shop::open().await;
    shop.vendor.does(async |mut exchange: Exchange| {
        exchange.finish_reading().await;
        exchange.reset();
    });
    let problem = send(&shop, "POST", "/v1/passthrough/x", &raw).await;
    assert_eq!((&problem["outcome"], &problem["code"]), (&json!("unknown"), &json!("outcome-unknown")));
    let problem = send(&shop, "POST", "/v1/passthrough/../x", &raw).await;
    assert_eq!(problem["outcome"], "not-executed");
    let problem = send(&shop, "POST", "/v1/passthrough/oauth/token", &raw).await;
    assert_eq!((&problem["outcome"], &problem["code"]), (&json!("not-executed"), &json!("forbidden")));
}

#[tokio::test]
async fn raw_answers_are_kept_as_they_came() {
    let shop = Shop::open().await;
    let body: Vec<u8> = (0..=255).cycle().take(100 * 1024).collect();
    let headers = "Content-Type: application/x-thing\r\nContent-Encoding: br\r\nETag: \"7\"\r\nX-Vendor: 1\r\nLocation: /things/7\r\n";
    shop.vendor.answers(plain_answer(201, headers, &body));
    let send = async |key: &str| shop.keyed("POST", "/v1/passthrough/things", key).body("a/b", "x").send().await;
    let (first, again) = (send("k").await, send("k").await);
    assert_eq!((first.status, again.status, is_replay(&again)), (201, 201, true));
    assert!(first.body == body && again.body == body);
    for name in ["content-type", "content-encoding", "etag", "location", "throughline-origin"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!((again.header("x-vendor"), again.header("throughline-origin")), (None, Some("provider")));
    assert_eq!(shop.vendor.last().header("idempotency-key"), Some("k"), "the vendor may know what to do with it");
    // A larger one is passed on whole and not kept.
    let large: Vec<u8> = (0..=255).cycle().take(300 * 1024).collect();
    shop.vendor.answers(plain_answer(201, headers, &large));
    let (first, again) = (send("large").await, send("large").await);
    assert!(first.complete && first.body == large);
    assert_eq!((again.status, again.body.len(), again.header("location")), (201, 0, Some("/things/7")));
    assert_eq!((again.header("throughline-warning"), again.header("content-encoding")), (Some("body-not-kept"), None));
    // One that breaks off was executed all the same.
    let cut = b"HTTP/1.1 201 Created\r\nLocation: /things/8\r\nContent-Length: 99\r\n\r\nabc".to_vec();
    shop.vendor.answers(cut);
    let (first, again) = (send("cut").await, send("cut").await);
    assert_eq!(first.problem(502, "invalid-provider-response")["outcome"], "executed");
    assert_eq!((again.status, &again.body, is_replay(&again)), (502, &first.body, true));
    assert_eq!(shop.writes(), 3);
    // What is read whole before it is sent has a limit.
    let most = 8 * 1024 * 1024;
    let sized =
        async |size: usize| shop.keyed("POST", "/v1/passthrough/x", "sized").body("a/b", vec![b'x'; size]).send().await;
    let problem = sized(most + 1).await.problem(413, "payload-too-large");
    assert_eq!(problem["outcome"], "not-executed");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&most.to_string())), "{problem}");
    shop.sells();
    assert_eq!((shop.writes(), sized(most).await.status), (3, 200));
}

#[tokio::test]
async fn bodies_are_not_kept_where_that_is_switched_off() {
    let shop = Shop::with(|config| config.idempotency.keep_body = false).await;
    let (first, again) = (shop.create("k").await, shop.create("k").await);
    assert_eq!((first.status, again.status, is_replay(&again)), (201, 201, true));
    assert_eq!(again.json(), json!({"id": "1"}));
    assert_eq!(
        (again.header("location"), again.header("content-type")),
        (first.header("location"), Some("application/json"))
    );
    assert!(again.header("throughline-warning").is_some_and(|warning| warning.contains("body-not-kept")));
    shop.vendor.answers(json_answer(409, r#"{"message": "canary of a customer"}"#));
    let (first, again) = (shop.create("c").await, shop.create("c").await);
    let problem = again.problem(first.status, first.json()["code"].as_str().expect("a code"));
    assert_eq!((&problem["outcome"], is_replay(&again)), (&json!("not-executed"), true));
    assert!(first.text().contains("canary") && !again.text().contains("canary"));
    let deleted = async || shop.keyed("DELETE", "/v1/crm/contacts/1", "d").send().await;
    shop.sells();
    assert_eq!((deleted().await.status, deleted().await.status), (204, 204));
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused() {
    let shop = Shop::open().await;
    let long = "x".repeat(256);
    for key in ["", "\"\"", "a b", "\"open", "\"a\";v=1", "naïve", long.as_str()] {
        let problem = shop.create(key).await.problem(400, "invalid-request");
        assert_eq!(
            (&problem["outcome"], &problem["errors"][0]["parameter"]),
            (&json!("not-executed"), &json!("Idempotency-Key"))
        );
    }
    let twice = shop.keyed("POST", CONTACT, "a").header("Idempotency-Key", "b").json(&king()).send().await;
    twice.problem(400, "invalid-request");
    assert_eq!(shop.vendor.count(), 0);
    // What changes nothing needs no key, and says that it was of no use.
    shop.vendor.answers(json_answer(200, r#"{"items": []}"#));
    for request in [
        shop.keyed("GET", CONTACT, "k"),
        shop.keyed("POST", "/v1/crm/contacts/search", "k").json(&json!({})),
        shop.keyed("GET", "/v1/providers", "k"),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let warning = answer.header("throughline-warning").expect("a warning");
        assert!(warning.contains("ignored-header;header=\"Idempotency-Key\""), "{warning}");
    }
    let answer = shop.keyed("GET", "/v1/passthrough/x", "k").send().await;
    assert_eq!((answer.status, shop.vendor.last().header("idempotency-key")), (200, Some("k")));
    // Where it would have been of use and cannot be had.
    let problem = shop.keyed("POST", "/v1/keys", "k").json(&json!({"scopes": ["read"]})).send().await;
    problem.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_write_without_a_key_asks_the_store_nothing() {
    let shop = Shop::open().await;
    shop.client.post(CONTACT, king()).await;
    let before = shop.server.store.calls();
    assert_eq!(shop.client.post(CONTACT, king()).await.status, 201);
    assert_eq!(shop.client.request("POST", "/v1/passthrough/x").json(&json!({})).send().await.status, 200);
    assert_eq!(shop.server.store.calls(), before);
    assert_eq!(shop.create("k").await.status, 201);
    assert_eq!(shop.server.store.calls(), before + 2, "once before, once after");
}

#[tokio::test]
async fn without_the_store_nothing_is_promised_and_nothing_written() {
    let shop = Shop::open().await;
    shop.client.post(CONTACT, king()).await;
    shop.server.store.close().await;
    let before = shop.vendor.count();
    let answer = shop.create("k").await;
    let problem = answer.problem(503, "overloaded");
    assert_eq!((&problem["outcome"], &problem["retryable"]), (&json!("not-executed"), &json!(true)));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(shop.vendor.count(), before);
    assert_eq!(shop.client.post(CONTACT, king()).await.status, 201, "what promises nothing goes on");
}

#[tokio::test]
async fn a_store_that_fails_after_the_write_does_not_fail_the_write() {
    let shop = Shop::open().await;
    let store = shop.server.store.clone();
    shop.vendor.does(move |mut exchange| {
        let store = store.clone();
        async move {
            exchange.finish_reading().await;
            store.close().await;
            exchange.write(&json_answer(201, r#"{"id": "1", "name": "King"}"#)).await;
            let _ = exchange.stream.shutdown().await;
        }
    });
    let answer = shop.keyed("POST", CONTACT, "k").json(&king()).header("Prefer", "return=minimal").send().await;
    assert_eq!((answer.status, answer.json()), (201, json!({"id": "1"})));
}

#[tokio::test]
async fn who_may_not_write_gets_no_answer_of_a_write() {
    let shop = Shop::open().await;
    assert_eq!(shop.create("k").await.status, 201);
    let reader = shop.server.make_key("demo", "read,passthrough").await;
    let stranger = shop.server.make_key("other", "read,write,passthrough").await;
    let send = async |key: &str| {
        let client = shop.client.key(key);
        client.request("POST", CONTACT).header("Idempotency-Key", "k").json(&king()).send().await
    };
    send(&reader).await.problem(403, "missing-scope");
    send(&stranger).await.problem(404, "connection-not-found");
}

/// Sends a request and leaves once the vendor has it.
async fn leave(client: &Client, request: &[u8], vendor: &FakeVendor) {
    let arrived = vendor.count();
    let mut stream = TcpStream::connect(client.address).await.expect("the server listens");
    stream.write_all(request).await.expect("sent");
    vendor.wait_for(arrived + 1).await;
    drop(stream);
}

#[tokio::test]
async fn a_write_is_finished_when_its_caller_leaves() {
    let shop = Shop::open().await;
    for (key, path) in [("unified", CONTACT), ("raw", "/v1/passthrough/x")] {
        let (open, seen) = shop.holds(json_answer(201, r#"{"id": "1", "name": "King"}"#));
        let request = shop.keyed("POST", path, key).json(&king()).header("Prefer", "return=minimal");
        leave(&shop.client, &request.bytes(), &shop.vendor).await;
        open.send(true).expect("the vendor waits");
        let request = || shop.keyed("POST", path, key).json(&king()).header("Prefer", "return=minimal");
        let answer = until(async || {
            let answer = request().send().await;
            (answer.status != 409).then_some(answer)
        })
        .await;
        assert_eq!((answer.status, is_replay(&answer)), (201, true), "{}", answer.text());
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    }
    // Without a key nobody learns of it, but it is done and counted.
    let (open, seen) = shop.holds(json_answer(201, r#"{"id": "1", "name": "King"}"#));
    let request = shop.client.request("POST", CONTACT).json(&king()).header("Prefer", "return=minimal");
    leave(&shop.client, &request.bytes(), &shop.vendor).await;
    open.send(true).expect("the vendor waits");
    let line = "throughline_writes_finished_alone_total{outcome=\"executed\"} 3";
    until(async || shop.metric(line).await.then_some(())).await;
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_write_that_was_not_sent_is_given_up_when_its_caller_leaves() {
    let mut scene = Scene::start().await;
    scene.connection = scene.import("ended", json!({"expires_at": support::in_seconds(-60).to_string()})).await;
    scene.age(3_000).await;
    let open = scene.authority.holds();
    let client = scene.client();
    let request = client.request("POST", "/v1/passthrough/x").header("Idempotency-Key", "k").json(&json!({}));
    let mut stream = TcpStream::connect(client.address).await.expect("the server listens");
    stream.write_all(&request.bytes()).await.expect("sent");
    scene.authority.wait_for_exchange().await;
    drop(stream);
    until(async || {
        let metrics = Client::new(scene.server.admin).get("/metrics").await.text();
        metrics.contains("throughline_writes_finished_alone_total{outcome=\"not-executed\"} 1").then_some(())
    })
    .await;
    open.send(true).expect("the authority waits");
    assert_eq!(scene.get().await.status, 200);
    assert_eq!(scene.authority.calls().0, 1, "the read, and nothing else");
    // Its caller comes again.
    let again =
        client.request("POST", "/v1/passthrough/x").header("Idempotency-Key", "k").json(&json!({})).send().await;
    assert_eq!((again.status, is_replay(&again)), (200, false));
}

/// Asks until there is something, for no longer than half a minute.
async fn until<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.expect("in half a minute")
}

/// A deployment with an API key and a connection.
async fn ready(deployment: &Deployment) -> Client {
    deployment.run(&["vault", "init", "vault.key"]);
    let scopes = "read,write,passthrough,admin";
    let key = deployment.run(&["keys", "create", "--config", "config.yaml", "--tenant", "acme", "--scopes", scopes]);
    Client::new(deployment.api).key(&key)
}

async fn connect(client: &Client) -> Client {
    let credentials = json!({"type": "token", "token": "s3cret"});
    let import = json!({"provider": "fake", "customer_id": "one", "credentials": credentials});
    let made = client.post("/v1/connections", import).await;
    client.connection(made.json()["id"].as_str().expect("an id"))
}

fn create<'c>(client: &'c Client, key: &str) -> Request<'c> {
    client.request("POST", CONTACT).header("Idempotency-Key", key).json(&json!({"last_name": "King"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_amid_a_write_leaves_an_unknown_outcome() {
    let vendor = FakeVendor::start().await;
    let deployment = Deployment::new("killed-write", &vendor);
    let client = ready(&deployment).await;
    let mut process = deployment.serve().await;
    let client = connect(&client).await;
    vendor.does(async |mut exchange: Exchange| {
        exchange.finish_reading().await;
        std::future::pending::<()>().await;
    });
    leave(&client, &create(&client, "k").bytes(), &vendor).await;
    process.0.kill().expect("SIGKILL");
    process.0.wait().expect("it ends");
    let _process = deployment.serve().await;
    vendor.answers(json_answer(201, r#"{"id": "1", "name": "King"}"#));
    let seen = vendor.count();
    let problem = until(async || {
        let answer = create(&client, "k").send().await;
        (answer.json()["code"] != "idempotency-in-flight").then_some(answer)
    })
    .await
    .problem(409, "outcome-unknown");
    assert_eq!((&problem["outcome"], &problem["idempotency_key"]), (&json!("unknown"), &json!("k")));
    assert_eq!(vendor.count(), seen);
    assert_eq!(create(&client, "k2").send().await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_amid_a_write_finishes_it_and_a_new_vault_key_opens_its_answer() {
    let vendor = FakeVendor::start().await;
    let deployment = Deployment::new("stopped-write", &vendor);
    let client = ready(&deployment).await;
    let mut process = deployment.serve().await;
    let client = connect(&client).await;
    let (open, gate) = watch::channel(false);
    vendor.does(move |mut exchange| {
        let mut gate = gate.clone();
        async move {
            exchange.finish_reading().await;
            let _ = gate.wait_for(|open| *open).await;
            exchange.write(&json_answer(201, r#"{"id": "1", "name": "King"}"#)).await;
            let _ = exchange.stream.shutdown().await;
        }
    });
    let minimal = client.with("Prefer", "return=minimal");
    leave(&minimal, &create(&minimal, "k").bytes(), &vendor).await;
    let pid = process.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    // It has stopped listening, and waits.
    until(async || TcpStream::connect(deployment.api).await.is_err().then_some(())).await;
    assert!(process.0.try_wait().expect("a child").is_none(), "the write is not finished");
    open.send(true).expect("the vendor waits");
    let ended = tokio::task::spawn_blocking(move || process.0.wait()).await.expect("no panic").expect("it ends");
    assert!(ended.success());
    let said = deployment.run(&["vault", "rotate", "--config", "config.yaml"]);
    assert!(said.starts_with("sealed anew: 3"), "{said}");
    let newest =
        std::fs::read_to_string(deployment.key_file()).expect("keys").lines().next().expect("a key").to_owned();
    std::fs::write(deployment.key_file(), newest).expect("written");
    let _process = deployment.serve().await;
    let answer = create(&minimal, "k").send().await;
    assert_eq!((answer.status, is_replay(&answer), answer.json()), (201, true, json!({"id": "1"})));
    assert_eq!(vendor.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_on_two_replicas_are_one_write() {
    let Some(postgres) = postgres::Postgres::start() else { return };
    let vendor = FakeVendor::start().await;
    let folder = support::scratch("replicated-write");
    let one = Deployment::on(folder.clone(), "config.yaml", &postgres.url, &vendor);
    let two = Deployment::on(folder, "two.yaml", &postgres.url, &vendor);
    let client = ready(&one).await;
    let _processes = (one.serve().await, two.serve().await);
    let client = connect(&client).await;
    let mut other = client.clone();
    other.address = two.api;
    for round in 0..3 {
        let key = format!("k{round}");
        vendor.does(async |mut exchange: Exchange| {
            exchange.finish_reading().await;
            // Long enough for all to come while it is running.
            tokio::time::sleep(Duration::from_millis(500)).await;
            exchange.write(&json_answer(201, r#"{"id": "1", "name": "King"}"#)).await;
            let _ = exchange.stream.shutdown().await;
        });
        let seen = vendor.count();
        let requests = (0..200).map(|index| {
            let client = if index % 2 == 0 { client.clone() } else { other.clone() };
            let request = create(&client, &key).header("Prefer", "return=minimal").bytes();
            async move { client.raw(&request).await }
        });
        let answers = futures_util::future::join_all(requests).await;
        assert_eq!(vendor.count(), seen + 1, "one write");
        let of = |status: u16, replayed: bool| {
            answers.iter().filter(|answer| answer.status == status && is_replay(answer) == replayed).count()
        };
        let (done, replayed, running) = (of(201, false), of(201, true), of(409, false));
        println!("round {round}: {done} written, {replayed} replayed, {running} told that it is running");
        assert_eq!((done, replayed + running), (1, 199));
        for client in [&client, &other] {
            let again = create(client, &key).header("Prefer", "return=minimal").send().await;
            assert_eq!((again.status, is_replay(&again)), (201, true));
        }
        assert_eq!(vendor.count(), seen + 1);
    }
}
