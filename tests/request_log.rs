//! What is written down of requests: for the owner of their connection, and in the log of the process.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use throughline::config::Config;
use throughline::store::Store;

use support::{
    Client, Deployment, FakeVendor, Process, Server, TOKEN, json_answer, provider, start_configured, throughline,
};

async fn scene(configure: impl FnOnce(&mut Config)) -> (FakeVendor, Server) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "value-canary"}"#));
    let store = Store::memory().expect("a store in memory");
    let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, configure).await;
    (vendor, server)
}

fn path(server: &Server) -> String {
    format!("/v1/connections/{}/requests", server.connection("fake"))
}

async fn logged(server: &Server) -> Vec<Value> {
    let answer = server.client().get(&path(server)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn the_owner_sees_what_went_through_a_connection() {
    let (vendor, server) = scene(|_| {}).await;
    let client = server.on("fake").with("X-Request-Id", "req-1");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    client.with("traceparent", &format!("00-{trace}-b7ad6b7169203331-00")).get("/v1/crm/contacts/1").await;
    client.get("/v1/crm/contacts?filter[email]=query-canary").await.problem(400, "unsupported-filter");
    client.post("/v1/crm/contacts", json!({"last_name": "value-canary"})).await;
    let times = std::sync::atomic::AtomicUsize::new(0);
    vendor.answers_with(move |_| match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => json_answer(503, "{}"),
        _ => json_answer(200, r#"{"items": []}"#),
    });
    client.get("/v1/passthrough/contacts/ada%40canary.example?secret=query-canary").await;
    vendor.does(|exchange| async { exchange.reset() });
    client.post("/v1/crm/contacts", json!({"last_name": "value-canary"})).await.problem(502, "outcome-unknown");

    let all = logged(&server).await;
    let shown: Vec<_> = all
        .iter()
        .map(|one| {
            json!([
                one["method"],
                one["operation"],
                one["status"],
                one["problem"],
                one["outcome"],
                one["provider_statuses"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["POST", "create", 502, "outcome-unknown", "unknown", [null]]),
            json!(["GET", "read", 200, null, null, [503, 200]]),
            json!(["POST", "create", 201, null, "executed", [200]]),
            json!(["GET", "list", 400, "unsupported-filter", null, []]),
            json!(["GET", "get", 200, null, null, [200]]),
        ]
    );
    let (get, raw) = (&all[4], &all[1]);
    assert_eq!(get["trace_id"], trace, "the caller's, also where nothing is traced");
    assert_eq!((&get["request_id"], &get["route"]), (&json!("req-1"), &json!("/v1/crm/{resource}/{id}")));
    assert_eq!((&get["resource"], &get["path"], &get["attempts"]), (&json!("contacts"), &Value::Null, &json!(1)));
    assert_eq!((&raw["resource"], &raw["path"]), (&json!("passthrough"), &json!("/contacts/REDACTED")));
    assert_eq!((&raw["attempts"], &raw["retries"]), (&json!(2), &json!(1)));
    for one in &all {
        let times = one["duration_ms"].as_object().expect("times");
        let ms = |name: &str| times[name].as_f64().expect("a number");
        assert!(ms("total") >= ms("upstream") && ms("total") < 60_000.0, "{times:?}");
    }
    let told = json!(all).to_string();
    assert!(!told.contains("canary") && !told.contains(TOKEN) && !told.contains(&server.key), "{told}");
}

#[tokio::test]
async fn what_is_refused_for_the_connections_state_is_written_down_too() {
    let (vendor, server) = scene(|_| {}).await;
    let client = server.on("fake");
    let connection = format!("/v1/connections/{}", server.connection("fake"));
    client.patch(&connection, json!({"paused": true})).await;
    client.get("/v1/crm/contacts/1").await.problem(409, "connection-paused");
    client.get("/v1/passthrough/a?b=query-canary").await.problem(409, "connection-paused");
    client.patch(&connection, json!({"paused": false})).await;
    let admin = Client::new(server.admin);
    assert_eq!(admin.post("/connections:revoke", json!({"provider": "fake", "reason": "test"})).await.status, 200);
    let keyed = client.with("Idempotency-Key", "k-1");
    keyed.post("/v1/crm/contacts", json!({"last_name": "King"})).await.problem(409, "needs-reauth");
    client.post(&format!("{connection}/passthrough/a"), json!({})).await.problem(409, "needs-reauth");

    let all = logged(&server).await;
    let shown =
        all.iter().map(|one| json!([one["method"], one["status"], one["problem"], one["outcome"], one["path"]]));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            json!(["POST", 409, "needs-reauth", "not-executed", "/a"]),
            json!(["POST", 409, "needs-reauth", "not-executed", null]),
            json!(["GET", 409, "connection-paused", null, "/a"]),
            json!(["GET", 409, "connection-paused", null, null]),
        ]
    );
    assert_eq!((vendor.count(), all[0]["attempts"].clone()), (0, json!(0)));
}

#[tokio::test]
async fn a_caller_who_leaves_is_written_down_too() {
    let (vendor, server) = scene(|_| {}).await;
    vendor.does(|exchange| async {
        let _kept = exchange;
        std::future::pending::<()>().await;
    });
    let seen = vendor.count();
    let client = server.on("fake");
    let waits = tokio::spawn(async move { client.get("/v1/crm/contacts/1").await });
    vendor.wait_for(seen + 1).await;
    waits.abort();
    let left = async {
        loop {
            if let Some(one) = logged(&server).await.pop() {
                return one;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(20), left).await.expect("it is noticed");
    assert_eq!((&left["status"], &left["attempts"]), (&Value::Null, &json!(1)));
    assert_eq!((&left["resource"], &left["operation"]), (&json!("contacts"), &json!("get")));
}

#[tokio::test]
async fn the_newest_are_kept_in_pages_and_a_request_makes_no_call_of_the_store() {
    let (_vendor, server) = scene(|config| config.request_log.keep = 5).await;
    let client = server.on("fake");
    client.get("/v1/crm/contacts/1").await;
    let calls = server.store.calls();
    for number in 0..7 {
        client.with("X-Request-Id", &format!("req-{number}")).get("/v1/crm/contacts/1").await;
    }
    assert_eq!(server.store.calls(), calls, "a warm request makes none");
    let list = path(&server);
    let ids = |answer: &Value| {
        let rows = answer["data"].as_array().expect("a list").iter();
        rows.map(|row| row["request_id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let first = client.get(&format!("{list}?limit=3")).await.json();
    assert_eq!(ids(&first), ["req-6", "req-5", "req-4"]);
    let cursor = first["next_cursor"].as_str().expect("a next page");
    let second = client.get(&format!("{list}?limit=3&cursor={cursor}")).await.json();
    assert_eq!((ids(&second), &second["next_cursor"]), (vec!["req-3".to_owned(), "req-2".into()], &Value::Null));
    client.get(&format!("{list}?limit=0")).await.problem(400, "invalid-request");
    client.get(&format!("{list}?cursor=x")).await.problem(400, "invalid-cursor");
    client.get(&format!("{list}?since=x")).await.problem(400, "unknown-parameter");

    server.client().delete(&format!("/v1/connections/{}", server.connection("fake"))).await;
    server.client().get(&list).await.problem(404, "connection-not-found");
}

#[tokio::test]
async fn a_log_that_is_off_stays_empty_and_foreign_ones_are_not_found() {
    let (_vendor, server) = scene(|config| config.request_log.keep = 0).await;
    assert_eq!(server.on("fake").get("/v1/crm/contacts/1").await.status, 200);
    assert!(logged(&server).await.is_empty());
    let foreign = server.make_key("other", "read,admin").await;
    Client::new(server.api).key(&foreign).get(&path(&server)).await.problem(404, "connection-not-found");
    let scoped = server.make_key("demo", "write").await;
    Client::new(server.api).key(&scoped).get(&path(&server)).await.problem(403, "missing-scope");
}

#[tokio::test]
async fn each_request_is_one_line_and_the_level_changes_on_sighup() {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "value-canary"}"#));
    let deployment = Deployment::new("lines", &vendor);
    deployment.run(&["vault", "init", "vault.key"]);
    let scopes = "read,write,passthrough,connect,admin";
    let key = deployment.run(&["keys", "create", "--config", "config.yaml", "--tenant", "acme", "--scopes", scopes]);
    let log = deployment.folder.join("log");
    let mut command = throughline();
    command.args(["serve", "--config", "config.yaml"]).current_dir(&deployment.folder);
    command.stderr(std::fs::File::create(&log).expect("a file"));
    let mut process = Process::start(command);
    process.listening(deployment.api).await;
    let client = Client::new(deployment.api).key(&key);
    let body =
        json!({"provider": "fake", "customer_id": "c", "credentials": {"type": "token", "token": "secret-canary"}});
    let id = client.post("/v1/connections", body).await.json()["id"].as_str().expect("an id").to_owned();
    let client = client.connection(&id);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traced = client.with("traceparent", &format!("00-{trace}-b7ad6b7169203331-01")).with("X-Request-Id", "one");
    traced.get("/v1/crm/contacts/1?fields=last_name").await;
    client.with("X-Request-Id", "two").post("/v1/crm/contacts", json!({"last_name": "value-canary"})).await;
    client.with("X-Request-Id", "three").get("/v1/passthrough/a/query-canary@b?c=query-canary").await;

    let lines = read(&log);
    let line = |id: &str| {
        let own: Vec<_> =
            lines.iter().filter(|line| line["request_id"] == id && line["message"] == "answered").collect();
        assert_eq!(own.len(), 1, "{own:?}");
        own[0].clone()
    };
    let get = line("one");
    for (name, value) in [
        ("trace_id", json!(trace)),
        ("method", json!("GET")),
        ("route", json!("/v1/crm/{resource}/{id}")),
        ("status", json!(200)),
        ("tenant", json!("acme")),
        ("connection", json!(id)),
        ("provider", json!("fake")),
        ("resource", json!("contacts")),
        ("operation", json!("get")),
        ("attempts", json!(1)),
        ("retries", json!(0)),
    ] {
        assert_eq!(get[name], value, "{name}");
    }
    for name in ["total_ms", "upstream_ms", "quota_ms", "mapping_ms", "overhead_ms"] {
        assert!(get[name].is_number(), "{name}: {get}");
    }
    assert!(get.get("problem").is_none() && get.get("outcome").is_none(), "{get}");
    assert_eq!((&line("two")["outcome"], &line("three")["resource"]), (&json!("executed"), &json!("passthrough")));
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(!text.contains("canary") && !text.contains(&key), "{text}");

    let config = deployment.folder.join("config.yaml");
    let mut changed: Value = serde_json::from_str(&std::fs::read_to_string(&config).expect("it")).expect("JSON");
    changed["log"] = json!({"level": "throughline=debug"});
    std::fs::write(&config, changed.to_string()).expect("written");
    let pid = process.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
    let louder = async {
        while !read(&log).iter().any(|line| line["level"] == "DEBUG") {
            client.get("/v1/crm/contacts/1").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), louder).await.expect("attempts are logged at debug");
}

fn read(log: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).expect("the log");
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
