//! Nobody gets what is not theirs: other tenants, other connections, another account, another mapping.

use serde_json::json;

use crate::scene::{Scene, eventually, name, pass, status};
use crate::support::{Answer, TOKEN};

const PATH: &str = "/v1/crm/contacts/1?fields=last_name";
const MISS: &str = "throughline; fwd=uri-miss; ttl=3600; stored";
const HIT: &str = "throughline; hit; ttl=3600";

#[tokio::test]
async fn connections_and_tenants_with_equal_calls_never_share() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let mine = scene.client();
    let other = scene.server.connect("demo", "fake", "other-customer").await;
    let foreign = scene.server.connect("acme", "fake", "demo-customer").await;
    let key = scene.server.make_key("acme", "read,write").await;
    let clients = [mine.clone(), mine.connection(&other), mine.key(&key).connection(&foreign)];
    for (index, client) in clients.iter().enumerate() {
        scene.call_it(&format!("King {index}"));
        assert_eq!(status(&client.get(PATH).await), MISS, "{index}");
    }
    for (index, client) in clients.iter().enumerate() {
        let answer = client.get(PATH).await;
        assert_eq!((name(&answer), status(&answer)), (format!("King {index}"), HIT));
    }
    // The connection's id is no way in.
    mine.key(&key).get(PATH).await.problem(404, "connection-not-found");
    // A write through one is none through the others.
    assert_eq!(clients[1].post("/v1/crm/contacts", json!({"last_name": "L"})).await.status, 201);
    assert_eq!(status(&clients[0].get(PATH).await), HIT);
    assert_eq!(status(&clients[1].get(PATH).await), MISS);
}

#[tokio::test]
async fn rights_are_looked_at_before_memory_is() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    scene.client().get(PATH).await;
    let writer = scene.server.make_key("demo", "write").await;
    scene.client().key(&writer).get(PATH).await.problem(403, "missing-scope");
    let id = scene.server.connection("fake");
    let paused = scene.server.client().patch(&format!("/v1/connections/{id}"), json!({"paused": true})).await;
    assert_eq!(paused.status, 200, "{}", paused.text());
    scene.client().get(PATH).await.problem(409, "connection-paused");
}

#[tokio::test]
async fn another_account_behind_the_connection_begins_anew() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    scene.client().get(PATH).await;
    scene.call_it("Of another account");
    let again = json!({
        "provider": "fake", "customer_id": "demo-customer", "on_conflict": "replace",
        "credentials": {"type": "token", "token": format!("{TOKEN}-2")},
    });
    let replaced = scene.server.client().post("/v1/connections", again).await;
    assert_eq!(replaced.json()["id"], scene.server.connection("fake"), "{}", replaced.text());
    let answer = scene.client().get(PATH).await;
    assert_eq!((name(&answer).as_str(), status(&answer)), ("Of another account", MISS));
}

#[tokio::test]
async fn what_was_read_through_a_connection_goes_with_it() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let other = scene.server.connect("demo", "fake", "other-customer").await;
    scene.client().get(PATH).await;
    scene.client().connection(&other).get(PATH).await;
    assert_eq!(scene.metric("throughline_cache_entries").await, Some(2));
    assert_eq!(scene.server.client().delete(&format!("/v1/connections/{other}")).await.status, 204);
    pass(31).await;
    eventually(async || scene.metric("throughline_cache_entries").await == Some(1)).await;
    assert!(status(&scene.client().get(PATH).await).contains("; hit"));
}

async fn put(scene: &Scene, path: &str, line: serde_json::Value) -> Answer {
    scene.server.client().request("PUT", path).json(&line).send().await
}

#[tokio::test]
async fn another_mapping_begins_anew() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    let client = scene.client();
    let path = "/v1/crm/contacts/1?fields=custom_fields";
    assert_eq!(status(&client.get(path).await), MISS);
    let mapping = format!("/v1/connections/{}/mapping", scene.server.connection("fake"));
    let saved = put(&scene, &mapping, json!({"contacts": {"fields": {"favourite": "name"}}})).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    let answer = client.get(path).await;
    assert_eq!((status(&answer), &answer.json()["custom_fields"]["favourite"]), (MISS, &json!("King")));
    assert_eq!(status(&client.get(path).await), HIT);
    let saved = put(&scene, "/v1/mapping", json!({"fake": {"contacts": {"fields": {"second": "mail"}}}})).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(client.get(path).await.json()["custom_fields"]["second"], "k@example.test");
}

#[tokio::test]
async fn a_reload_begins_anew() {
    let scene = Scene::start(json!([{"ttl": "1h"}])).await;
    scene.client().get(PATH).await;
    let catalog = throughline::catalog::Catalog::load(&all_files(), &options(&scene)).expect("good files");
    scene.server.app.catalog.store(std::sync::Arc::new(catalog));
    assert_eq!(status(&scene.client().get(PATH).await), MISS);
}

/// The files that the server was started with.
fn all_files() -> throughline::catalog::Files {
    let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/models"));
    let models = throughline::catalog::Files::folder(models).unwrap_or_else(|problem| panic!("{problem}"));
    models.below("models").laid_over(throughline::catalog::Files::of(crate::scene::files()))
}

fn options(scene: &Scene) -> throughline::catalog::Options {
    let bases = [("fake".to_owned(), scene.vendor.url())].into_iter().collect();
    throughline::catalog::Options { bases, ..Default::default() }
}
