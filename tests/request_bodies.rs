//! Bodies in the log of a connection's requests: on demand, for a while, without credentials.

mod support;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use throughline::config::Config;
use throughline::store::Store;

use support::{Client, FakeVendor, Server, TOKEN, json_answer, plain_answer, provider, start_configured};

const KEPT: usize = 16 * 1024;

struct Scene {
    vendor: FakeVendor,
    server: Server,
}

impl Scene {
    async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let vendor = FakeVendor::start().await;
        vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
        let store = Store::memory().expect("a store in memory");
        let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, configure).await;
        Self { vendor, server }
    }

    /// One on whose connection bodies are kept.
    async fn listening() -> Self {
        let scene = Self::start(|_| {}).await;
        assert_eq!(scene.keep(json!(ahead(1))).await.status, 200);
        scene
    }

    fn connection(&self) -> String {
        format!("/v1/connections/{}", self.server.connection("fake"))
    }

    fn client(&self) -> Client {
        self.server.on("fake")
    }

    async fn keep(&self, until: Value) -> support::Answer {
        self.server.client().patch(&self.connection(), json!({"log_bodies_until": until})).await
    }

    async fn logged(&self) -> Vec<Value> {
        let answer = self.server.client().get(&format!("{}/requests", self.connection())).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"].as_array().expect("a list").clone()
    }

    /// What was said in the newest request.
    async fn said(&self) -> Value {
        self.logged().await[0]["bodies"].clone()
    }
}

fn ahead(hours: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(hours)).to_string()
}

fn text(body: &Value) -> &str {
    body["text"].as_str().unwrap_or_else(|| panic!("no text: {body}"))
}

fn whole(text: &str) -> Value {
    json!({"text": text, "bytes": text.len(), "cut": false})
}

#[tokio::test]
async fn bodies_are_kept_for_as_long_as_the_owner_wants_and_not_before_or_after() {
    let scene = Scene::start(|_| {}).await;
    let client = scene.client();
    client.get("/v1/crm/contacts/1").await;
    let until = ahead(24);
    let changed = scene.keep(json!(until)).await.json();
    let shown: Timestamp = changed["log_bodies_until"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(shown.as_microsecond(), until.parse::<Timestamp>().expect("a time").as_microsecond());
    assert_eq!(client.get(&scene.connection()).await.json()["log_bodies_until"], changed["log_bodies_until"]);
    client.post("/v1/crm/contacts", json!({"last_name": "body-canary"})).await;
    assert_eq!(scene.keep(json!(null)).await.json()["log_bodies_until"], Value::Null);
    client.get("/v1/crm/contacts/1").await;

    let all = scene.logged().await;
    let kept: Vec<bool> = all.iter().map(|one| one["bodies"].is_object()).collect();
    assert_eq!(kept, [false, true, false]);

    // That it was switched on and off can be found again; what was said stands nowhere else.
    for place in [format!("{}/events", scene.connection()), "/v1/audit".to_owned()] {
        let told = client.get(&place).await.text();
        let [on, off] = [format!("log_bodies_until: {until}"), "log_bodies_until: null".to_owned()];
        assert!(told.contains(&on) && told.contains(&off), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn it_cannot_be_switched_on_for_long_nor_where_there_is_no_log() {
    let scene = Scene::start(|_| {}).await;
    let soon = Timestamp::now() + SignedDuration::from_secs(24 * 3600 + 60);
    for until in [json!(soon.to_string()), json!(ahead(-1)), json!("tomorrow"), json!(true)] {
        let problem = scene.keep(until.clone()).await.problem(422, "validation-failed");
        assert_eq!(problem["errors"][0]["pointer"], "/log_bodies_until", "{until}: {problem}");
        assert!(problem["errors"][0]["expected"].is_string(), "{problem}");
    }
    assert_eq!(scene.client().get(&scene.connection()).await.json()["log_bodies_until"], Value::Null);
    let scoped = scene.server.make_key("demo", "read,write,passthrough").await;
    let reader = Client::new(scene.server.api).key(&scoped);
    let asked = json!({"log_bodies_until": ahead(1)});
    reader.patch(&scene.connection(), asked).await.problem(403, "missing-scope");

    let silent = Scene::start(|config| config.request_log.keep = 0).await;
    silent.keep(json!(ahead(1))).await.problem(422, "validation-failed");
    assert_eq!(silent.keep(json!(null)).await.status, 200);
}

#[tokio::test]
async fn both_sides_of_a_request_are_told() {
    let scene = Scene::listening().await;
    let times = std::sync::atomic::AtomicUsize::new(0);
    scene.vendor.answers_with(move |_| match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => json_answer(503, r#"{"sorry": true}"#),
        _ => json_answer(200, r#"{"items": [{"id": "1", "name": "Ünal"}]}"#),
    });
    let answer = scene.client().get("/v1/crm/contacts?limit=7").await;
    let said = scene.said().await;
    assert_eq!((&said["request"], text(&said["answer"])), (&Value::Null, answer.text().as_str()));
    let attempt = |status: u16, body: &str| json!({"method": "GET", "path": "/base/contacts?limit=7", "status": status, "request": null, "answer": whole(body)});
    let expected = [attempt(503, r#"{"sorry": true}"#), attempt(200, r#"{"items": [{"id": "1", "name": "Ünal"}]}"#)];
    assert_eq!((&said["attempts"], &said["left_out"]), (&json!(expected), &Value::Null));

    scene.vendor.answers(json_answer(422, r#"{"message": "no such colour"}"#));
    let body = json!({"last_name": "King"});
    let refused = scene.client().with("Idempotency-Key", "k").post("/v1/crm/contacts", body.clone()).await;
    let said = scene.said().await;
    assert_eq!((text(&said["request"]), text(&said["answer"])), (&*body.to_string(), &*refused.text()));
    let attempt = &said["attempts"][0];
    assert_eq!((text(&attempt["request"]), attempt["status"].clone()), (r#"{"name":"King"}"#, json!(422)));
    assert_eq!(text(&attempt["answer"]), r#"{"message": "no such colour"}"#);

    scene.vendor.does(|exchange| async { exchange.reset() });
    scene.client().post("/v1/crm/contacts", body).await.problem(502, "outcome-unknown");
    let attempt = scene.said().await["attempts"][0].clone();
    assert_eq!((&attempt["status"], &attempt["answer"]), (&Value::Null, &Value::Null));
    assert_eq!(text(&attempt["request"]), r#"{"name":"King"}"#);
}

#[tokio::test]
async fn a_connections_credentials_are_never_told() {
    let scene = Scene::listening().await;
    scene.vendor.answers_with(|request| {
        // What it got, as careless servers do: bare, in JSON, as a part of an address, and at the end of what is kept.
        let key = request.header("x-fake-key").expect("a credential").to_owned();
        let secret = key.replace("Key ", "");
        let mut body = format!("{{\"you sent\": \"{key}\", \"url\": \"https://x.test/?k={secret}&b\"}}");
        body.push_str(&"x".repeat(KEPT - body.len() - 5));
        body.push_str(&secret);
        json_answer(200, body)
    });
    let raw = scene.client().request("POST", "/v1/passthrough/echo?q=1").body("text/plain", "hello").send().await;
    assert!(raw.text().contains(TOKEN), "a raw answer is the vendor's");
    let listed = json!(scene.logged().await).to_string();
    assert!(!listed.contains(TOKEN) && !listed.contains("demo-"), "{listed}");
    let said = scene.said().await;
    let attempt = &said["attempts"][0];
    for told in [&said["answer"], &attempt["answer"]] {
        let (text, cut) = (text(told), &told["cut"]);
        assert!(text.starts_with(r#"{"you sent": "(secret)", "url": "https://x.test/?k=(secret)&b"}"#), "{text}");
        assert_eq!((cut, told["bytes"].as_u64()), (&json!(true), Some(raw.body.len() as u64)));
    }
    assert_eq!((&said["request"], &attempt["request"]), (&whole("hello"), &whole("hello")));
    assert_eq!((&attempt["method"], &attempt["path"]), (&json!("POST"), &json!("/echo?q=1")));
}

#[tokio::test]
async fn a_stream_is_not_held_up_and_its_beginning_kept() {
    let scene = Scene::listening().await;
    let (go_on, gate) = tokio::sync::watch::channel(false);
    scene.vendor.does(move |mut exchange| {
        let mut gate = gate.clone();
        async move {
            exchange.finish_reading().await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", 2 * 1024 * 1024);
            exchange.write(head.as_bytes()).await;
            exchange.write(&vec![b'a'; 1024 * 1024]).await;
            gate.wait_for(|go| *go).await.expect("the test goes on");
            exchange.write(&vec![b'b'; 1024 * 1024]).await;
        }
    });
    let mut stream = tokio::net::TcpStream::connect(scene.server.api).await.expect("a connection");
    let client = scene.client();
    let request = client.request("PUT", "/v1/passthrough/file").body("text/plain", "u".repeat(100_000));
    tokio::io::AsyncWriteExt::write_all(&mut stream, &request.bytes()).await.expect("sent");
    let mut first = vec![0; 1024 * 1024];
    let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("it streams").expect("read");
    go_on.send_replace(true);
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.expect("read");

    let said = scene.said().await;
    for (body, letter, bytes) in [
        (&said["request"], "u", 100_000),
        (&said["answer"], "a", 2 * 1024 * 1024),
        (&said["attempts"][0]["request"], "u", 100_000),
        (&said["attempts"][0]["answer"], "a", 2 * 1024 * 1024),
    ] {
        assert_eq!((text(body), &body["bytes"], &body["cut"]), (&*letter.repeat(KEPT), &json!(bytes), &json!(true)));
    }
}

#[tokio::test]
async fn what_is_no_text_is_told_by_its_length() {
    let scene = Scene::listening().await;
    scene.vendor.answers(plain_answer(200, "Content-Type: image/png\r\n", b"\x89PNG\r\n\x1a\n\x00\x00"));
    scene.client().get("/v1/passthrough/picture").await;
    let said = scene.said().await;
    assert_eq!(said["answer"], json!({"text": null, "bytes": 10, "cut": false}));
    assert_eq!(said["attempts"][0]["answer"], said["answer"]);
}

#[tokio::test]
async fn a_caller_who_leaves_finds_what_was_said_until_then() {
    let scene = Scene::listening().await;
    let (leave, mut left) = tokio::sync::watch::channel(());
    scene.vendor.does(move |mut exchange| {
        let leave = leave.clone();
        async move {
            exchange.finish_reading().await;
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst").await;
            leave.send_replace(());
            std::future::pending::<()>().await;
        }
    });
    let client = scene.client();
    let waits = tokio::spawn(async move { client.get("/v1/passthrough/slow").await });
    left.changed().await.expect("the vendor has answered");
    tokio::time::sleep(Duration::from_millis(100)).await;
    waits.abort();
    let logged = async {
        loop {
            if let Some(one) = scene.logged().await.pop() {
                return one;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let one = tokio::time::timeout(Duration::from_secs(20), logged).await.expect("it is noticed");
    assert_eq!(text(&one["bodies"]["answer"]), "first");
    assert_eq!(one["bodies"]["answer"]["cut"], false, "it is all that came");
}

#[tokio::test]
async fn neither_bodies_nor_credentials_can_be_read_in_the_stores_file() {
    let vendor = FakeVendor::start().await;
    vendor.answers_with(|request| {
        let key = request.header("x-fake-key").unwrap_or_default();
        json_answer(200, format!(r#"{{"id": "1", "name": "body-canary", "key": "{key}"}}"#))
    });
    let folder = support::scratch("bodies");
    let address = format!("sqlite:{}", folder.join("store.db").display());
    let config = Config { store: address.as_str().into(), ..Config::default() };
    let store = throughline::serve::open_store(&config, throughline::store::Role::Serve).await;
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, |_| {}).await;
    let scene = Scene { vendor, server };
    scene.keep(json!(ahead(1))).await;
    let client = scene.client().with("X-Request-Id", "to-be-found");
    client.get("/v1/crm/contacts/1").await;
    client.post("/v1/passthrough/contacts", json!({"name": "body-canary"})).await;
    let listed = json!(scene.logged().await).to_string();
    assert!(listed.contains("body-canary") && !listed.contains(TOKEN), "{listed}");

    let files = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file).expect("a file")).collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("to-be-found"), "the rows are there");
    assert!(!holds("body-canary") && !holds(TOKEN));
}

#[tokio::test]
async fn a_key_that_may_read_no_records_sees_no_bodies() {
    let scene = Scene::listening().await;
    scene.client().get("/v1/crm/contacts/1").await;
    let path = format!("{}/requests", scene.connection());
    for (scopes, sees) in [("connect", false), ("read", true), ("admin", true)] {
        let key = scene.server.make_key("demo", scopes).await;
        let list = Client::new(scene.server.api).key(&key).get(&path).await;
        assert_eq!(list.text().contains("King"), sees, "{scopes}: {}", list.text());
        assert_eq!(list.json()["data"][0]["bodies"]["left_out"].is_null(), sees, "{scopes}: {}", list.text());
    }
}

#[tokio::test]
async fn a_warm_request_makes_no_call_of_the_store_for_its_bodies() {
    let scene = Scene::listening().await;
    scene.client().get("/v1/crm/contacts/1").await;
    let calls = scene.server.store.calls();
    for _ in 0..5 {
        scene.client().post("/v1/crm/contacts", json!({"last_name": "King"})).await;
    }
    assert_eq!(scene.server.store.calls(), calls);
    assert_eq!(scene.logged().await.len(), 6);
}
