//! Mappings that never end or explode, and vendors that answer nonsense: one request fails with the right problem, all
//! others go on.

mod support;

use std::time::{Duration, Instant};

use support::{Client, FakeVendor, Server, json_answer, plain_answer, provider, scratch, start_with, throughline};

/// Recursion without an end, in constant stack.
const ENDLESS: &str = "($f := function($n){ $f($n + 1) }; $f(0))";

/// The contacts of a small provider with these lines for the name and the list's records.
fn contacts(name: &str, records: &str) -> String {
    format!(
        r#"id: {{ pattern: '[A-Za-z0-9]+' }}
limit: {{ default: 10, max: 100 }}
fields:
  id: {{ read: id }}
  first_name: first
  last_name: {name}
operations:
  list:
    request: GET /contacts
    records: '{records}'
  get:
    request: GET /contacts/{{id}}
  create:
    request: POST /contacts
    id: id
"#
    )
}

async fn serving(text: &str) -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"items":[{"id":"1","name":"Ada","first":"A"}],"id":"1","name":"Ada"}"#));
    let server = start_with(provider("fake", Some(text)), &[("fake", &vendor)]).await;
    (server, vendor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expression_that_does_not_end_costs_its_own_request_only() {
    for records in [
        ENDLESS,
        "($f := function($n){ 1 + $f($n) }; $f(0))",
        "[1..9999999]",
        "($f := function($t, $n){ $n = 0 ? $t : $f($t & $t, $n - 1) }; $f(\"xxxxxxxxxx\", 40))",
        "$map([1..90000], function($a){ $map([1..90000], function($b){ $a * $b }) })",
    ] {
        let (server, vendor) = serving(&contacts("name", records)).await;
        let client = server.on("fake");
        let other = server.on("hubspot");
        let started = Instant::now();
        let (failed, fine) = tokio::join!(client.get("/v1/crm/contacts"), other.get("/v1/crm/contacts?limit=1"));
        let took = started.elapsed();
        assert_eq!(fine.status, 200, "{}", fine.text());
        let problem = failed.problem(500, "mapping-failed");
        assert_eq!(problem["origin"], "throughline", "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("fake/contacts.yaml:")), "{problem}");
        assert!(took < Duration::from_secs(20), "{records} took {took:?}");
        println!("{records} ended after {took:?}");
        assert_eq!(vendor.count(), 1);
        // The same provider's other operations go on.
        assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);
    }
}

#[tokio::test]
async fn a_field_that_cannot_be_read_is_null_with_a_warning() {
    for expression in ["$number(name)", "$error(\"no\")"] {
        let (server, _vendor) = serving(&contacts(&format!("{{ read: '{expression}' }}"), "items")).await;
        let answer = server.on("fake").get("/v1/crm/contacts").await;
        assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
        let body = answer.json();
        assert!(body["data"][0]["last_name"].is_null(), "{expression}: {body}");
        assert_eq!(body["data"][0]["first_name"], "A", "the others are there");
        assert_eq!(body["warnings"][0]["code"], "field-unreadable", "{body}");
        assert_eq!(body["warnings"][0]["pointer"], "/last_name", "{body}");
        let header = answer.header("throughline-warning").expect("the header");
        assert!(header.contains("field-unreadable;pointer=\"/last_name\""), "{header}");
        let one = server.on("fake").get("/v1/crm/contacts/1").await;
        assert_eq!((one.status, &one.json()["last_name"]), (200, &serde_json::Value::Null), "{}", one.text());
    }
}

#[tokio::test]
async fn a_field_that_does_not_end_fails_the_request_rather_than_costing_its_limit_on_every_row() {
    let (server, vendor) = serving(&contacts(&format!("{{ read: '{ENDLESS}' }}"), "items")).await;
    let rows: Vec<String> = (0..100).map(|n| format!("{{\"id\":\"{n}\",\"name\":\"x\"}}")).collect();
    vendor.answers(json_answer(200, format!("{{\"items\":[{}]}}", rows.join(","))));
    let started = Instant::now();
    let problem = server.on("fake").get("/v1/crm/contacts").await.problem(500, "mapping-failed");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("fake/contacts.yaml:6")), "{problem}");
    assert!(started.elapsed() < Duration::from_secs(4), "a hundred rows took {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_requests_hardly_notice_endless_expressions() {
    const REQUESTS: usize = 100;
    let (server, _vendor) = serving(&contacts("name", ENDLESS)).await;
    let client = server.on("fake");
    let idle = slowest_but_one_percent(&client, REQUESTS).await;
    let stop = flag();
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop) = (server.on("fake"), stop.clone());
            tokio::spawn(async move {
                let mut failed = 0;
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    client.get("/v1/crm/contacts").await.problem(500, "mapping-failed");
                    failed += 1;
                }
                failed
            })
        })
        .collect();
    let loaded = slowest_but_one_percent(&client, REQUESTS).await;
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut failed = 0;
    for task in busy {
        failed += task.await.expect("every endless one ends as a problem");
    }
    let ratio = loaded.as_secs_f64() / idle.as_secs_f64();
    println!(
        "p99 of a plain get: idle {idle:?}, beside four endless expressions {loaded:?}, ratio {ratio:.2} ({failed} ended)"
    );
    assert!(failed > 0);
    if std::env::var("THROUGHLINE_TIMING").as_deref() == Ok("1") {
        assert!(ratio <= 3.0, "p99 grew {ratio:.2} times");
    }
}

fn flag() -> std::sync::Arc<std::sync::atomic::AtomicBool> {
    std::sync::Arc::default()
}

async fn slowest_but_one_percent(client: &Client, count: usize) -> Duration {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);
        times.push(started.elapsed());
    }
    times.sort();
    times[count * 99 / 100]
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let (server, vendor) = serving(&contacts("name", "items")).await;
    let client = server.on("fake");
    let deep = format!("{{\"items\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_row =
        format!("{{\"items\": [{{\"id\": \"1\", \"x\": {}1{}}}]}}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let big = format!("{{\"items\": [{{\"id\": \"1\", \"name\": \"{}\"}}]}}", "x".repeat(40 * 1024 * 1024));
    let cut = |text: &str| text.as_bytes().to_vec();
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("deep", json_answer(200, deep), 502, "invalid-provider-response"),
        ("deep in a row", json_answer(200, deep_row), 502, "invalid-provider-response"),
        ("NaN", json_answer(200, r#"{"items": [{"id": "1", "n": NaN}]}"#), 502, "invalid-provider-response"),
        ("BOM", json_answer(200, "\u{feff}{\"items\": []}"), 502, "invalid-provider-response"),
        ("bytes", json_answer(200, b"{\"items\": [{\"id\": \"\xff\"}]}"), 502, "invalid-provider-response"),
        ("half", json_answer(200, r#"{"items": [{"id": "1""#), 502, "invalid-provider-response"),
        ("HTML", plain_answer(200, "Content-Type: text/html\r\n", "<html>"), 502, "invalid-provider-response"),
        ("40 MiB", json_answer(200, big), 502, "invalid-provider-response"),
        ("text", json_answer(200, "\"items\""), 502, "invalid-provider-response"),
        ("a number", json_answer(200, "5"), 502, "invalid-provider-response"),
        ("items is text", json_answer(200, r#"{"items": "none"}"#), 502, "invalid-provider-response"),
        ("items of text", json_answer(200, r#"{"items": ["a", "b"]}"#), 502, "invalid-provider-response"),
        ("no id", json_answer(200, r#"{"items": [{"name": "x"}]}"#), 502, "invalid-provider-response"),
        ("id is null", json_answer(200, r#"{"items": [{"id": null}]}"#), 502, "invalid-provider-response"),
        ("cut", cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\": []}"), 502, "invalid-provider-response"),
        (
            "cut in chunks",
            cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"items\": []}\r\n"),
            502,
            "invalid-provider-response",
        ),
        ("no HTTP", cut("nonsense\r\n\r\n"), 502, "invalid-provider-response"),
        ("redirect", plain_answer(302, "Location: /x\r\n", ""), 502, "unexpected-redirect"),
        ("500 in HTML", plain_answer(500, "Content-Type: text/html\r\n", "<html>"), 502, "provider-unavailable"),
        ("503", json_answer(503, "{}"), 502, "provider-unavailable"),
        ("404 in HTML", plain_answer(404, "Content-Type: text/html\r\n", "<html>"), 404, "not-found"),
        ("an array", json_answer(200, r#"[{"id": "1", "name": "Ada"}]"#), 502, "invalid-provider-response"),
        ("another object", json_answer(200, r#"{"error": "out of order"}"#), 502, "invalid-provider-response"),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, status, code) in cases {
        vendor.answers(bytes);
        let answer = client.get("/v1/crm/contacts").await;
        if answer.status != status {
            wrong.push(format!("{name}: {} {}", answer.status, answer.text()));
            continue;
        }
        let problem = answer.problem(status, code);
        assert!(answer.body.len() < 16 * 1024, "{name}: the vendor's text is capped");
        assert_ne!(problem["origin"], "caller", "{name}: {problem}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing at all is an empty list.
    for bytes in [plain_answer(204, "", ""), json_answer(200, ""), json_answer(200, r#"{"items": []}"#)] {
        vendor.answers(bytes);
        let answer = client.get("/v1/crm/contacts").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["data"], serde_json::json!([]));
    }
    vendor.answers(json_answer(200, r#"{"items":[{"id":"1","name":"Ada"}]}"#));
    assert_eq!(client.get("/v1/crm/contacts").await.status, 200, "the process is alive");
}

#[tokio::test]
async fn single_records_that_are_none() {
    let (server, vendor) = serving(&contacts("name", "items")).await;
    let client = server.on("fake");
    let mut wrong = Vec::new();
    for (name, bytes, status, code) in [
        ("an array", json_answer(200, r#"[{"id": "1"}]"#), 502, "invalid-provider-response"),
        ("text", json_answer(200, "\"x\""), 502, "invalid-provider-response"),
        ("no id", json_answer(200, r#"{"name": "x"}"#), 502, "invalid-provider-response"),
        ("HTML", plain_answer(200, "Content-Type: text/html\r\n", "<html>"), 502, "invalid-provider-response"),
        ("404", json_answer(404, ""), 404, "not-found"),
        ("410", json_answer(410, "gone"), 404, "not-found"),
    ] {
        vendor.answers(bytes);
        let answer = client.get("/v1/crm/contacts/1").await;
        if answer.status != status {
            wrong.push(format!("{name}: {} {}", answer.status, answer.text()));
            continue;
        }
        answer.problem(status, code);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A write whose answer cannot be read was executed, and says so.
    for bytes in [json_answer(201, "{"), plain_answer(201, "Content-Type: text/html\r\n", "<html>")] {
        vendor.answers(bytes);
        let answer = client.post("/v1/crm/contacts", serde_json::json!({"first_name": "x"})).await;
        let outcome = if answer.status < 300 { None } else { answer.json()["outcome"].as_str().map(str::to_owned) };
        assert!(answer.status == 201 || outcome.as_deref() == Some("executed"), "{}", answer.text());
    }
    assert_eq!(vendor.requests().iter().filter(|request| request.line().starts_with("POST")).count(), 2, "each once");
}

#[tokio::test]
async fn vendor_text_is_cleaned_and_capped() {
    let (server, vendor) = serving(&contacts("name", "items")).await;
    let text = format!("\u{1b}[31mred\u{7}{}", "y".repeat(100_000));
    vendor.answers(plain_answer(400, "Content-Type: text/plain\r\n", &text));
    let answer = server.on("fake").get("/v1/crm/contacts").await;
    assert!((400..600).contains(&answer.status));
    assert!(answer.body.len() < 16 * 1024 && !answer.text().contains("\\u001b"), "{}", answer.text());
}

#[test]
fn serve_does_not_start_with_a_broken_mapping() {
    let folder = scratch("broken-mapping");
    let mappings = folder.join("mappings");
    for (name, text) in provider(
        "fake",
        Some(
            "fields:\n  id: { read: id }\n  first_name: first\n  nonsense: x\noperations:\n  get: { request: \"GET /c\" }\n",
        ),
    ) {
        let path = mappings.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let config = folder.join("throughline.yaml");
    let text = format!(
        "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nstore: sqlite:{0}/store.db\nvault: {{ key_file: {0}/vault.key }}\n\
         mappings: {0}/mappings\n",
        folder.display()
    );
    std::fs::write(&config, text).expect("a config file");
    let run = |arguments: &[&str]| throughline().args(arguments).output().expect("the binary runs");
    assert!(run(&["vault", "init", folder.join("vault.key").to_str().expect("a plain path")]).status.success());
    let output = run(&["serve", "--config", config.to_str().expect("a plain path")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("fake/contacts.yaml:4"), "file and line are named: {said}");
}
