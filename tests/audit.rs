//! Who did what: the log of changes and of use, over HTTP and from the command line, and egress budgets, which write into it.

mod support;

use std::future::Future;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    Answer, Authority, Client, FakeVendor, Scene, Server, encode, json_answer, plain_answer, provider, scratch,
    start_configured, throughline,
};
use throughline::audit::{Verified, Verifier};
use throughline::auth::{Mode, NewKey, TenantId};
use throughline::config::Config;
use throughline::store::{Role, Store};
use throughline::upstream::TenantBudgetConfig;

/// Secrets that go in somewhere in these scenarios, and come out nowhere.
const SECRETS: [&str; 5] = ["access-canary", "refresh-canary", "app-s3cret-canary", "demo-token-canary", "refresh-0"];

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn ok(answer: Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// All rows of the client's tenant, the oldest first.
async fn log(client: &Client) -> Vec<Value> {
    let mut rows: Vec<Value> = support::all_pages(client, "/v1/audit?limit=7").await.concat();
    rows.reverse();
    rows
}

fn column(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap_or("-").to_owned()).collect()
}

async fn verified(store: &Store, tenant: &str) -> Verified {
    let (audit, tenant) = (store.audit(), TenantId(tenant.into()));
    let mut verifier = Verifier::new(&audit.chain(tenant.clone()).await.expect("a chain"));
    for row in audit.rows(tenant, 0, 10_000).await.expect("rows") {
        verifier.next(&row).expect("whole");
    }
    verifier.finish().expect("whole")
}

#[tokio::test]
async fn every_change_leaves_a_row_that_says_who_and_what_and_no_value() {
    let scene = Scene::with(Authority::start().await, Store::memory().expect("a store"), |config| {
        config.credentials_export = true;
    })
    .await;
    let server = &scene.server;
    let scopes = "read,write,passthrough,connect,admin,export".parse().expect("scopes");
    let (key, key_id) = server.make_key_as("demo", NewKey::with_scopes(Mode::Test, scopes)).await;
    let client = Client::new(server.api).key(&key).with("X-Request-Id", "the-request");
    let made = ok(client.post("/v1/keys", json!({"scopes": ["read"], "name": "name-canary"})).await);
    let secret = made["key"].as_str().expect("a key").to_owned();
    let other = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(client.delete(&format!("/v1/keys/{other}")).await.status, 204);
    let credentials = json!({"type": "oauth2", "access_token": "access-canary", "refresh_token": "refresh-0"});
    let new = json!({"provider": "fake", "customer_id": "customer-canary", "credentials": credentials});
    let id = ok(client.post("/v1/connections", new.clone()).await)["id"].as_str().expect("an id").to_owned();
    let at = |rest: &str| format!("/v1/connections/{id}{rest}");
    ok(client.post("/v1/connections?on_conflict=replace", new).await);
    ok(client.patch(&at(""), json!({"customer_id": "value-canary"})).await);
    ok(client.patch(&at(""), json!({"paused": true})).await);
    ok(client.patch(&at(""), json!({"paused": false})).await);
    ok(client.post(&at("/refresh"), Value::Null).await);
    ok(client.post(&at("/verify"), Value::Null).await);
    assert!(ok(client.get(&at("/credentials")).await)["access_token"].is_string());
    let lines = json!({"contacts": {"fields": {"line_canary": "extra.x"}}});
    ok(client.request("PUT", &at("/mapping")).json(&lines).send().await);
    ok(client.delete(&at("/mapping")).await);
    ok(client.request("PUT", "/v1/mapping").json(&json!({"fake": lines})).send().await);
    ok(client.delete("/v1/mapping").await);
    let app = json!({"client_id": "client-canary", "client_secret": "app-s3cret-canary"});
    ok(client.request("PUT", "/v1/oauth-apps/fake").json(&app).send().await);
    ok(client.delete("/v1/oauth-apps/fake").await);
    let link = json!({"customer_id": "value-canary", "connection_id": id, "return_url": "https://app.test/back"});
    ok(client.post("/v1/connect/sessions", link).await);
    ok(client.delete(&at("")).await);

    let rows = log(&client).await;
    let expected = [
        ("key.created", other.as_str()),
        ("key.revoked", &other),
        ("connection.created", "-"),
        ("connection.reconnected", "-"),
        ("connection.changed", "-"),
        ("connection.paused", "-"),
        ("connection.resumed", "-"),
        ("connection.refreshed", "-"),
        ("connection.verified", "-"),
        ("connection.exported", "-"),
        ("mapping.put", "-"),
        ("mapping.deleted", "-"),
        ("mapping.put", "-"),
        ("mapping.deleted", "-"),
        ("oauth-app.put", "fake"),
        ("oauth-app.deleted", "fake"),
        ("connect-session.created", "-"),
        ("connection.deleted", "fake"),
    ];
    let written: Vec<(String, String)> = column(&rows, "action").into_iter().zip(column(&rows, "subject")).collect();
    let written: Vec<(&str, &str)> =
        written.iter().map(|(action, subject)| (action.as_str(), subject.as_str())).collect();
    assert_eq!(written, expected);
    for row in &rows {
        let facts = ["actor", "request_id", "peer", "outcome"].map(|name| row[name].as_str().unwrap_or("-"));
        assert_eq!(facts, [key_id.as_str(), "the-request", "127.0.0.1", "ok"], "{row}");
        let on_connection = row["action"].as_str().is_some_and(|action| action.starts_with("connection."));
        assert!(!on_connection || row["connection"] == *id, "{row}");
    }
    assert_eq!(rows[4]["detail"], "customer_id", "which members, and no value");
    assert_eq!(column(&rows[10..14], "connection"), [&id, &id, "-", "-"]);
    assert_eq!(verified(&server.store, "demo").await.rows, rows.len() as u64);
    // Neither values nor secrets, in the log or anywhere that is shown.
    let metrics = Client::new(server.admin).get("/metrics").await.text();
    let all = format!("{rows:?} {metrics}");
    for word in
        SECRETS.into_iter().chain(["value-canary", "name-canary", "line_canary", "client-canary", &secret, &key])
    {
        assert!(!all.contains(word), "{word}");
    }
}

#[tokio::test]
async fn what_failed_or_is_somebody_elses_is_told_or_left_out() {
    let scene = Scene::start().await;
    let client = scene.server.client();
    let at = |rest: &str| format!("/v1/connections/{}{rest}", scene.connection);
    // The authority is away: a refresh that was tried, and failed.
    scene.authority.answers(|_| Some(json_answer(500, "{}")));
    assert!(client.post(&at("/refresh"), Value::Null).await.status >= 500);
    // Guesses leave no trace, and refusals of a form neither.
    client
        .post("/v1/connections/conn_00000000000000000000/verify", Value::Null)
        .await
        .problem(404, "connection-not-found");
    client.post("/v1/keys", json!({"scopes": []})).await.problem(422, "validation-failed");
    let rows = log(&client).await;
    let told: Vec<String> =
        rows.iter().map(|row| format!("{} {}", row["action"], row["outcome"]).replace('"', "")).collect();
    // The scene's own connection was made without a request.
    assert_eq!(told, ["connection.created ok", "connection.refreshed credential-refresh-pending"]);
    assert_eq!(rows[0]["actor"], "operator");
}

#[tokio::test]
async fn the_operators_doings_stand_in_the_logs_of_those_they_concern() {
    let scene = Scene::start().await;
    let admin = Client::new(scene.server.admin);
    // The server reads the shipped mappings, which do not hold the provider of its configuration.
    assert_eq!(admin.post("/reload", Value::Null).await.status, 422);
    ok(admin.post("/connections:revoke", json!({"tenant": "demo", "provider": "fake", "reason": "incident 7"})).await);
    let rows = log(&scene.server.client()).await;
    assert_eq!(column(&rows, "action"), ["connection.created", "connection.revoked", "kill-switch"]);
    assert_eq!(column(&rows, "actor"), ["operator"; 3]);
    assert_eq!((&rows[1]["connection"], &rows[1]["detail"]), (&json!(scene.connection), &json!("incident 7")));
    let deployment = scene.server.store.audit().rows(throughline::audit::deployment(), 0, 9).await.expect("rows");
    let told: Vec<_> = deployment.iter().map(|row| (row.entry.action.as_str(), &*row.entry.outcome)).collect();
    assert_eq!(told, [("mappings.reloaded", "refused")]);
    // Others see nothing of it.
    let other = scene.server.client().key(&scene.server.make_key("other", "admin").await);
    assert!(log(&other).await.is_empty());
}

#[tokio::test]
async fn a_reload_that_nobody_asked_for_stands_in_the_deployments_log() {
    let (folder, vendor) = (scratch("watched"), FakeVendor::start().await);
    let write = |files: Vec<(String, String)>| {
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a provider's folder")).expect("a folder");
            std::fs::write(path, text).expect("written");
        }
    };
    write(provider("fake", None));
    let store = Store::memory().expect("a store");
    let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, |config| {
        config.mappings = Some(folder.clone());
    })
    .await;
    let rows = || async { server.store.audit().rows(throughline::audit::deployment(), 0, 9).await.expect("rows") };
    let first = server.app.catalog().revision.clone();
    // The watch begins with the folder as it is then: a change before that would not be one.
    let contacts = "fields: { id: { read: id } }\noperations: { get: { request: 'GET /contacts/{id}' } }\n";
    until("the folder is watched", || async {
        write(provider("fake", Some(&format!("# {:?}\n{contacts}", Instant::now()))));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        !rows().await.is_empty()
    })
    .await;
    write(vec![("fake/contacts.yaml".into(), "feelds: {}".into())]);
    until("a bad file is noticed", || async { rows().await.iter().any(|row| &*row.entry.outcome == "refused") }).await;

    let rows = rows().await;
    // Whoever has to wait writes again, and either change may be noticed.
    let (good, bad): (Vec<_>, Vec<_>) = rows.iter().partition(|row| &*row.entry.outcome == "ok");
    for row in &rows {
        assert_eq!((&*row.entry.actor, row.entry.action.as_str()), ("throughline", "mappings.reloaded"), "by itself");
    }
    let second = server.app.catalog().revision.clone();
    assert_ne!(first, second);
    assert_eq!((bad.len(), bad.last().copied()), (1, rows.last()), "the refused one comes last");
    assert_eq!(
        good.last().and_then(|row| row.entry.subject.as_deref()),
        Some(second.as_str()),
        "the revision after it"
    );
    let (Some(reloaded), Some(refused)) = (good.first(), bad.first()) else { panic!("{rows:?}") };
    for (row, before) in [(reloaded, &first), (refused, &second)] {
        let detail = row.entry.detail.as_deref().unwrap_or_default();
        assert!(detail.contains("watched folder") && detail.contains(before.as_str()), "{detail}");
    }
}

#[tokio::test]
async fn a_customer_on_a_connect_link_is_the_actor_of_what_comes_of_it() {
    let files = provider("fake", None);
    let vendor = FakeVendor::start().await;
    let server = start_configured(files, &[("fake", &vendor)], Store::memory().expect("a store"), |_| {}).await;
    let link = json!({"customer_id": "c1", "providers": ["fake"], "return_url": "https://app.test/back"});
    let url = ok(server.client().post("/v1/connect/sessions", link).await)["url"].as_str().expect("a URL").to_owned();
    let browser = support::Browser::new();
    let page = browser.get(&format!("{url}?with=token")).await;
    let sent = browser.send(&page, &[("credentials.token", "access-canary")]).await;
    assert_eq!(sent.answer.status, 303, "{}", sent.text());
    let rows = log(&server.client()).await;
    let told: Vec<String> =
        rows.iter().skip(1).map(|row| format!("{} {}", row["actor"], row["action"]).replace('"', "")).collect();
    assert_eq!(told[1..], ["customer connection.created", "customer connect-session.completed"], "{told:?}");
    assert!(!format!("{rows:?}").contains("canary"));
}

#[tokio::test]
async fn use_is_counted_without_the_store_and_written_as_sums() {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "Ada"}"#));
    let folder = scratch("audit-uses");
    let store = Store::file(&folder.join("db"), Role::Serve).expect("a store");
    let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, |_| {}).await;
    let client = server.on("fake");
    let id = server.connection("fake").to_owned();
    ok(client.get("/v1/crm/contacts/1").await);
    ok(client.get("/v1/passthrough/x").await);
    let before = server.store.calls();
    for _ in 0..4 {
        ok(client.get("/v1/crm/contacts/1").await);
    }
    ok(client.get("/v1/passthrough/x").await);
    ok(client.post("/v1/passthrough/x", json!({})).await);
    vendor.answers(json_answer(404, "{}"));
    client.get("/v1/crm/contacts/1").await.problem(404, "not-found");
    vendor.answers(plain_answer(500, "", ""));
    client.get("/v1/crm/contacts/1").await.problem(502, "provider-unavailable");
    assert_eq!(server.store.calls(), before, "a warm request makes no store call");
    server.app.audit.flush().await;
    assert_eq!(server.store.calls(), before, "and what happens by the clock does not count");
    let rows = ok(client.get(&format!("/v1/audit?connection={id}&action=connection.used")).await);
    let rows = rows["data"].as_array().expect("rows").clone();
    let mut sums: Vec<(String, String, u64)> = rows
        .iter()
        .map(|row| {
            (
                row["subject"].as_str().unwrap_or("-").into(),
                row["outcome"].as_str().unwrap_or("-").into(),
                row["count"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    sums.sort();
    let expected = [
        ("contacts get", "failed", 1),
        ("contacts get", "ok", 5),
        ("contacts get", "refused", 1),
        ("passthrough read", "ok", 2),
        ("passthrough write", "ok", 1),
    ];
    assert_eq!(sums, expected.map(|(subject, outcome, count)| (subject.to_owned(), outcome.to_owned(), count)));
    for row in &rows {
        let (since, at) = (row["since"].as_str().expect("a time"), row["at"].as_str().expect("a time"));
        let time = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
        assert!(time(since) <= time(at) && row["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{row}");
    }
    // What is still in memory when the server stops is written down.
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "Ada"}"#));
    ok(client.get("/v1/crm/contacts/1").await);
    let count = verified(&server.store, "demo").await.rows;
    drop(server);
    until("the server gives its store up", async || Store::file(&folder.join("db"), Role::Serve).is_ok()).await;
    let store = Store::file(&folder.join("db"), Role::Command).expect("a store");
    assert_eq!(verified(&store, "demo").await.rows, count + 1);
}

#[tokio::test]
async fn the_log_is_filtered_paged_and_for_admins_of_the_whole_tenant() {
    let scene = Scene::start().await;
    let client = scene.server.client();
    for paused in [true, false, true, false] {
        ok(client.patch(&format!("/v1/connections/{}", scene.connection), json!({"paused": paused})).await);
    }
    ok(client.post("/v1/keys", json!({"scopes": ["read"]})).await);
    let numbers = async |query: &str| -> Vec<u64> {
        let rows = ok(client.get(&format!("/v1/audit{query}")).await);
        rows["data"].as_array().expect("rows").iter().filter_map(|row| row["number"].as_u64()).collect()
    };
    assert_eq!(numbers("").await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(numbers("?action=connection.paused").await, [4, 2]);
    assert_eq!(numbers("?actor=operator").await, [1]);
    assert_eq!(numbers(&format!("?connection={}&limit=2", scene.connection)).await, [5, 4]);
    assert_eq!(numbers("?cursor=3").await, [2, 1]);
    let rows = log(&client).await;
    let third = encode(rows[2]["at"].as_str().expect("a time"));
    assert_eq!(numbers(&format!("?since={third}")).await, [6, 5, 4, 3]);
    assert_eq!(numbers(&format!("?until={third}")).await, [2, 1]);
    for (query, code) in [
        ("?limit=0", "invalid-request"),
        ("?action=key.eaten", "invalid-request"),
        ("?since=yesterday", "invalid-request"),
        ("?cursor=x", "invalid-cursor"),
        ("?tenant=other", "unknown-parameter"),
        ("?limit=1&limit=2", "invalid-request"),
    ] {
        client.get(&format!("/v1/audit{query}")).await.problem(400, code);
    }
    let reader = scene.server.make_key("demo", "read,write,passthrough,connect").await;
    client.key(&reader).get("/v1/audit").await.problem(403, "missing-scope");
    client.post("/v1/audit", json!({})).await.problem(405, "unsupported-operation");
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = throughline();
    command.current_dir(folder).args(args).args(["--config", "c.yaml"]);
    command.output().expect("the binary runs")
}

#[test]
fn an_export_tells_whether_the_log_is_whole() {
    let folder = scratch("audit-export");
    std::fs::write(folder.join("c.yaml"), "store: sqlite:./db\nvault: { key_file: ./vault.key }\n").expect("written");
    let init =
        throughline().current_dir(&folder).args(["vault", "init", "vault.key"]).output().expect("the binary runs");
    assert!(init.status.success());
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let secrets: Vec<String> =
        (0..3).map(|_| text(&run(&folder, &["keys", "create", "--tenant", "acme"])).trim().to_owned()).collect();
    assert!(run(&folder, &["vault", "rotate"]).status.success());
    let export = |whose: &[&str]| run(&folder, &[&["audit", "export", "--verify"], whose].concat());
    let whole = export(&["--tenant", "acme"]);
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let lines: Vec<Value> = text(&whole).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[..3].iter().all(|row| row["action"] == "key.created" && row["actor"] == "operator"), "{lines:?}");
    assert_eq!((&lines[3]["verified"], &lines[3]["hash"]), (&json!(3), &lines[2]["hash"]));
    assert!(secrets.iter().all(|secret| secret.starts_with("tl_live_") && !text(&whole).contains(secret)));
    let deployment = text(&export(&["--deployment"]));
    assert!(deployment.contains("vault.rotated") && deployment.contains(r#""verified":1"#), "{deployment}");
    // Somebody with a hand in the database.
    let database = rusqlite::Connection::open(folder.join("db")).expect("the file");
    let change = |sql: &str, says: &str| {
        database.execute_batch(&format!("SAVEPOINT before; {sql}; RELEASE before")).expect("changed");
        let output = export(&["--tenant", "acme"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{sql}: {said}");
    };
    change(
        "UPDATE audit_log SET actor = 'nobody' WHERE tenant = 'acme' AND number = 2",
        "row 2 is not what was written",
    );
    change("DELETE FROM audit_log WHERE tenant = 'acme' AND number = 2", "row 2 is missing");
    change("DELETE FROM audit_log WHERE tenant = 'acme' AND number > 1", "the last row is 1, and 3 were written");
    assert!(!run(&folder, &["audit", "export"]).status.success(), "whose log has to be said");
}

/// A server with budgets, and a client of its one connection.
async fn budgeted(configure: impl FnOnce(&mut Config)) -> (Server, FakeVendor, Client) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"items": [{"id": "1", "name": "Ada"}, {"id": "2", "name": "Eve"}]}"#));
    let store = Store::memory().expect("a store");
    let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, configure).await;
    let client = server.on("fake");
    (server, vendor, client)
}

async fn kinds(server: &Server) -> Vec<String> {
    let path = format!("/v1/connections/{}/events", server.connection("fake"));
    column(ok(server.client().get(&path).await)["data"].as_array().expect("events"), "kind")
}

#[tokio::test]
async fn a_connection_past_its_budget_is_paused_until_it_is_resumed() {
    let (server, vendor, client) = budgeted(|config| {
        config.budgets.rows_per_hour = Some(4);
        config.budgets.pause = true;
    })
    .await;
    for _ in 0..3 {
        ok(client.get("/v1/crm/contacts").await);
    }
    until("it is paused", async || client.get("/v1/crm/contacts").await.status == 409).await;
    let asked = vendor.count();
    let problem = client.get("/v1/crm/contacts").await.problem(409, "connection-paused");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("egress budget") && detail.contains(r#"{"paused": false}"#), "{detail}");
    client.get("/v1/passthrough/x").await.problem(409, "connection-paused");
    assert_eq!(vendor.count(), asked);
    let path = format!("/v1/connections/{}", server.connection("fake"));
    let record = ok(server.client().get(&path).await);
    assert_eq!((&record["state"], &record["state_reason"]), (&json!("paused"), &json!("egress-budget")));
    assert_eq!(kinds(&server).await, ["paused", "budget_exceeded", "created"]);
    let rows = log(&server.client()).await;
    let told: Vec<&Value> = rows.iter().filter(|row| row["actor"] == "throughline").collect();
    assert_eq!(
        (&told[0]["action"], &told[1]["action"]),
        (&json!("connection.budget-exceeded"), &json!("connection.paused"))
    );
    assert_eq!(told[0]["detail"], "6 rows in the last hour, and 4 are its budget");
    let metrics = Client::new(server.admin).get("/metrics").await.text();
    let line = r#"throughline_egress_budgets_exceeded_total{provider="fake",what="rows",window="hour"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    // Resumed, it begins anew.
    let resumed = ok(server.client().patch(&path, json!({"paused": false})).await);
    assert_eq!((&resumed["state"], &resumed["state_reason"]), (&json!("active"), &Value::Null));
    ok(client.get("/v1/crm/contacts").await);
    ok(client.get("/v1/crm/contacts").await);
    assert_eq!(ok(server.client().get(&path).await)["state"], "active");
}

#[tokio::test]
async fn without_a_pause_the_owner_is_told_once() {
    let (server, vendor, client) = budgeted(|config| config.budgets.bytes_per_day = Some(10_000)).await;
    vendor.answers(plain_answer(200, "", "x".repeat(6_000)));
    for _ in 0..5 {
        assert_eq!(client.get("/v1/passthrough/x").await.status, 200);
    }
    until("it is told", async || kinds(&server).await.len() == 2).await;
    assert_eq!(kinds(&server).await, ["budget_exceeded", "created"]);
    assert_eq!(client.get("/v1/passthrough/x").await.status, 200, "nothing is in the way");
    let rows = log(&server.client()).await;
    let told = rows.iter().filter(|row| row["action"] == "connection.budget-exceeded").count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_tenant_may_have_a_budget_of_its_own() {
    let (server, _vendor, client) = budgeted(|config| {
        config.budgets.rows_per_hour = Some(1);
        config.budgets.pause = true;
        config.budgets.tenants.insert("demo".into(), TenantBudgetConfig::default());
    })
    .await;
    let id = server.connect("other", "fake", "c").await;
    let other = Client::new(server.api).key(&server.make_key("other", "read").await).connection(&id);
    ok(other.get("/v1/crm/contacts").await);
    until("the other tenant's is paused", async || other.get("/v1/crm/contacts").await.status == 409).await;
    for _ in 0..5 {
        ok(client.get("/v1/crm/contacts").await);
    }
    assert_eq!(kinds(&server).await, ["created"]);
}
