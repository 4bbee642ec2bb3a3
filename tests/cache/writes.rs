//! Whatever is written through a connection, nothing that was read before is given for the truth.

use serde_json::{Value, json};

use crate::scene::{Scene, eventually, name, status};
use crate::support::{Answer, Client};

const LIST: &str = "/v1/crm/contacts?fields=last_name";
const RECORD: &str = "/v1/crm/contacts/1?fields=last_name";
const LINKS: &str = "/v1/crm/contacts/1/associations/companies";

async fn names(client: &Client) -> [String; 3] {
    [name(&client.get(LIST).await), name(&client.get(RECORD).await), name(&client.get(LINKS).await)]
}

async fn write(client: &Client, method: &str, path: &str, body: Value) -> Answer {
    client.request(method, path).json(&body).send().await
}

#[tokio::test]
async fn every_kind_of_write_is_seen_at_once() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    let record = json!({"last_name": "Any", "emails": [{"type": "work", "email": "k@example.test"}]});
    let batch = json!({"operations": [{"operation": "create", "data": {"last_name": "Any"}}]});
    let writes = [
        ("POST", "/v1/crm/contacts", record.clone()),
        ("PATCH", "/v1/crm/contacts/1", record.clone()),
        ("PUT", "/v1/crm/contacts?match=email", record.clone()),
        ("DELETE", "/v1/crm/contacts/2", json!({})),
        ("POST", "/v1/crm/contacts/batch", batch),
        ("PUT", "/v1/crm/contacts/1/associations/companies/7", json!({})),
        ("DELETE", "/v1/crm/contacts/1/associations/companies/7", json!({})),
        ("PATCH", "/v1/crm/companies/1", json!({"name": "Any"})),
        ("POST", "/v1/passthrough/base/contacts", json!({"name": "Any"})),
        ("PUT", "/v1/passthrough/base/contacts/1", json!({"name": "Any"})),
    ];
    for (index, (method, path, body)) in writes.into_iter().enumerate() {
        let before = names(&client).await;
        assert_eq!(names(&client).await, before, "from memory");
        let now = format!("King {index}");
        scene.call_it(&now);
        assert_eq!(names(&client).await, before, "from memory still");
        let written = write(&client, method, path, body).await;
        assert!(written.status < 300, "{method} {path}: {} {}", written.status, written.text());
        assert_eq!(names(&client).await, [now.clone(), now.clone(), now], "{method} {path}");
    }
}

#[tokio::test]
async fn reads_of_passthrough_change_nothing() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    client.get(RECORD).await;
    assert_eq!(client.get("/v1/passthrough/base/contacts").await.status, 200);
    assert_eq!(client.request("HEAD", "/v1/passthrough/base/contacts").send().await.status, 200);
    assert_eq!(status(&client.get(RECORD).await), "throughline; hit; ttl=3600");
}

#[tokio::test]
async fn a_write_of_which_nobody_knows_whether_it_happened_counts() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    client.get(RECORD).await;
    scene.writes_fail_with(500);
    let failed = write(&client, "POST", "/v1/crm/contacts", json!({"last_name": "Any"})).await;
    assert_eq!(failed.json()["outcome"], "unknown", "{}", failed.text());
    assert_eq!(status(&client.get(RECORD).await), "throughline; fwd=uri-miss; ttl=3600; stored");
}

#[tokio::test]
async fn a_write_that_was_not_sent_does_not_count() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    client.get(RECORD).await;
    let refused = write(&client, "POST", "/v1/crm/contacts", json!({"no_such_member": 1})).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(status(&client.get(RECORD).await), "throughline; hit; ttl=3600");
}

#[tokio::test]
async fn an_answer_that_was_under_way_when_something_was_written_is_not_kept() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    scene.hold("GET /contacts/1");
    let client = scene.client();
    let early = tokio::spawn(async move { client.get(RECORD).await });
    scene.arrived("GET /contacts/1", 1).await;
    // The vendor has read the old record, and its answer is on the way.
    scene.call_it("Lovelace");
    let minimal = scene.client().with("Prefer", "return=minimal");
    let written = write(&minimal, "POST", "/v1/crm/contacts", json!({"last_name": "L"})).await;
    assert_eq!(written.status, 201, "{}", written.text());
    // Who asks after the write does not wait for what was asked before it.
    let client = scene.client();
    let late = tokio::spawn(async move { client.get(RECORD).await });
    scene.arrived("GET /contacts/1", 2).await;
    scene.let_go();
    let early = early.await.expect("an answer");
    assert_eq!((name(&early).as_str(), status(&early)), ("King", "throughline; fwd=uri-miss"));
    assert_eq!(name(&late.await.expect("an answer")), "Lovelace");
    assert_eq!(name(&scene.client().get(RECORD).await), "Lovelace");
}

/// A write that the vendor has got and does not answer yet.
async fn held_write(scene: &Scene) -> tokio::task::JoinHandle<Answer> {
    scene.hold("POST /contacts");
    let writer = scene.client().with("Prefer", "return=minimal");
    let writing =
        tokio::spawn(async move { write(&writer, "POST", "/v1/crm/contacts", json!({"last_name": "L"})).await });
    scene.arrived("POST /contacts", 1).await;
    writing
}

#[tokio::test]
async fn while_a_write_is_under_way_the_vendor_is_asked() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    client.get(RECORD).await;
    let writing = held_write(&scene).await;
    scene.call_it("Lovelace");
    let meanwhile = client.get(RECORD).await;
    assert_eq!((name(&meanwhile).as_str(), status(&meanwhile)), ("Lovelace", "throughline; fwd=stale"));
    scene.let_go();
    assert_eq!(writing.await.expect("an answer").status, 201);
    assert_eq!(status(&client.get(RECORD).await), "throughline; fwd=uri-miss; ttl=3600; stored");
    assert_eq!(status(&client.get(RECORD).await), "throughline; hit; ttl=3600");
}

#[tokio::test]
async fn a_writer_who_leaves_is_no_reason_to_believe_the_old() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    client.get(RECORD).await;
    let writing = held_write(&scene).await;
    writing.abort();
    scene.call_it("Lovelace");
    scene.let_go();
    eventually(async || status(&client.get(RECORD).await).contains("hit")).await;
    assert_eq!(name(&client.get(RECORD).await), "Lovelace");
}
