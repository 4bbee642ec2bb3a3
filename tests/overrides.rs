//! Overrides of tenants and connections: one line adds a field, and nobody else sees it.

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Answer, Client, FakeVendor, Server, json_answer, provider, start_alone};
use throughline::catalog::{Catalog, Files, Options};

async fn start() -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, json!({"id": "1", "name": "King", "colour": "red", "size": 4}).to_string()));
    let server = start_alone(provider("fake", None), &[("fake", &vendor)]).await;
    (server, vendor)
}

fn ok(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

async fn put(client: &Client, path: &str, body: &Value) -> Answer {
    client.request("PUT", path).json(body).send().await
}

async fn custom(client: &Client) -> Value {
    ok(&client.get("/v1/crm/contacts/1?fields=custom_fields").await, 200)["custom_fields"].clone()
}

#[tokio::test]
async fn one_line_adds_a_field_to_one_connection() {
    let (server, vendor) = start().await;
    let client = server.on("fake");
    let other = server.connect("demo", "fake", "other-customer").await;
    let path = format!("/v1/connections/{}/mapping", server.connection("fake"));
    assert_eq!(ok(&client.get(&path).await, 200), json!({}));

    let line = json!({"contacts": {"fields": {"favourite": "colour"}}});
    assert_eq!(ok(&put(&client, &path, &line).await, 200), line);

    assert_eq!(custom(&client).await, json!({"favourite": "red"}), "on the next request");
    assert_eq!(custom(&client.connection(&other)).await, json!({}));
    ok(&client.patch("/v1/crm/contacts/1", json!({"custom_fields": {"favourite": "blue"}})).await, 200);
    let written = vendor.requests().into_iter().find(|request| request.line().starts_with("PATCH")).expect("a write");
    assert_eq!(serde_json::from_slice::<Value>(&written.body).expect("JSON"), json!({"colour": "blue"}));
    assert_eq!(ok(&client.get(&path).await, 200), line);
    ok(&client.request("DELETE", &path).send().await, 204);
    assert_eq!(custom(&client).await, json!({}));
}

#[tokio::test]
async fn the_connections_lines_lie_over_the_tenants() {
    let (server, _vendor) = start().await;
    let client = server.on("fake");
    let other = server.connect("demo", "fake", "other-customer").await;
    let foreign = server.connect("acme", "fake", "a-customer").await;
    let foreign_client = client.key(&server.make_key("acme", "read,write,admin").await).connection(&foreign);
    let path = format!("/v1/connections/{}/mapping", server.connection("fake"));

    let tenant = json!({"fake": {"contacts": {"fields": {"favourite": "colour", "title": "colour"}}}});
    ok(&put(&client, "/v1/mapping", &tenant).await, 200);
    ok(&put(&client, &path, &json!({"contacts": {"fields": {"favourite": "size"}}})).await, 200);

    assert_eq!(custom(&client).await, json!({"favourite": 4}));
    assert_eq!(custom(&client.connection(&other)).await, json!({"favourite": "red"}));
    assert_eq!(custom(&foreign_client).await, json!({}), "another tenant's connection");
    let effective = ok(&client.get(&format!("{path}?view=effective&resource=contacts")).await, 200);
    let line = |name: &str| effective["contacts"]["fields"][name].clone();
    assert_eq!(line("favourite"), json!({"line": "size", "origin": {"layer": "connection"}}));
    assert_eq!(line("title"), json!({"line": "colour", "origin": {"layer": "tenant"}}));
    assert_eq!(line("last_name")["origin"], json!({"layer": "shipped", "file": "fake/contacts.yaml", "line": 5}));
    let tenants = ok(&client.get("/v1/mapping?view=effective&provider=fake").await, 200);
    assert_eq!(tenants["contacts"]["fields"]["favourite"]["origin"]["layer"], "tenant");
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_not_saved() {
    let (server, vendor) = start().await;
    let client = server.on("fake");
    let path = format!("/v1/connections/{}/mapping", server.connection("fake"));
    let endless = "($f := function($n){ $f($n + 1) }; $f(0))";
    for (body, pointer, words) in [
        (json!({"contact": {"fields": {}}}), "/contact", "no resource `contact`"),
        (json!({"contacts": {"operations": {}}}), "/contacts/operations", "cannot change"),
        (json!({"contacts": {"fields": {"favourite": "not a path"}}}), "/contacts", "is not a path"),
        (
            json!({"contacts": {"fields": {"favourite": {"read": endless}}}}),
            "/contacts/fields/favourite/read",
            "expressions",
        ),
        (json!({"contacts": {"fields": {"favourite": {"paht": "colour"}}}}), "/contacts", "`paht` is not a word"),
        (json!({"contacts": {"fields": []}}), "/contacts/fields", "not an object"),
        (json!({"contacts": {"filters": {"favourite": ["eq"]}}}), "/contacts", "has no `favourite`"),
    ] {
        let problem = ok(&put(&client, &path, &body).await, 422);
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], pointer, "{problem}");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{problem}");
    }
    let bomb: serde_json::Map<String, Value> = (0..4_000).map(|n| (format!("field_{n}"), json!("colour"))).collect();
    let problem = ok(&put(&client, &path, &json!({"contacts": {"fields": bomb}})).await, 413);
    assert_eq!(problem["code"], "payload-too-large");
    let unknown = ok(&put(&client, "/v1/mapping", &json!({"nobody": {}})).await, 422);
    assert_eq!(unknown["errors"][0]["pointer"], "/nobody");
    assert_eq!(ok(&client.get(&path).await, 200), json!({}), "nothing was saved");
    assert_eq!(vendor.count(), 0);
}

#[tokio::test]
async fn an_override_that_does_not_fit_any_more_fails_its_own_calls_only() {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, json!({"id": "1", "colour": "red"}).to_string()));
    let plain = provider("fake", None);
    let mut shouting = plain.clone();
    shouting[0].1.push_str("codecs: { loud: { read: '$uppercase($)', write: '$lowercase($)' } }\n");
    let server = start_alone(shouting, &[("fake", &vendor)]).await;
    let client = server.on("fake");
    let other = server.connect("demo", "fake", "other-customer").await;
    let path = format!("/v1/connections/{}/mapping", server.connection("fake"));
    let line = json!({"contacts": {"fields": {"favourite": {"path": "colour", "as": "loud"}}}});
    ok(&put(&client, &path, &line).await, 200);
    assert_eq!(custom(&client).await, json!({"favourite": "RED"}));

    // The mapping it was made for is replaced by one that has no such conversion.
    let files = Files::embedded().laid_over(Files::of(plain));
    let bases = [("fake".to_owned(), vendor.url())].into();
    let catalog = Catalog::load(&files, &Options { bases, ..Options::default() }).expect("a good mapping");
    server.app.catalog.store(Arc::new(catalog));

    let problem = ok(&client.get("/v1/crm/contacts/1").await, 500);
    assert_eq!(problem["code"], "mapping-failed");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("override")), "{problem}");
    ok(&client.connection(&other).get("/v1/crm/contacts/1").await, 200);
    ok(&client.request("DELETE", &path).send().await, 204);
    ok(&client.get("/v1/crm/contacts/1").await, 200);
}

#[tokio::test]
async fn whose_overrides_they_are() {
    let (server, _vendor) = start().await;
    let path = format!("/v1/connections/{}/mapping", server.connection("fake"));
    let line = json!({"contacts": {"fields": {"favourite": "colour"}}});
    let reader = server.client().key(&server.make_key("demo", "read").await);
    let stranger = server.client().key(&server.make_key("acme", "read,write,admin").await);

    assert_eq!(ok(&put(&reader, &path, &line).await, 403)["code"], "missing-scope");
    assert_eq!(ok(&reader.get(&path).await, 200), json!({}));
    for method in ["GET", "PUT", "DELETE"] {
        let answer = stranger.request(method, &path).json(&line).send().await;
        assert_eq!(ok(&answer, 404)["code"], "connection-not-found", "{method}");
    }
    // A connection takes its override along when it goes.
    ok(&put(&server.client(), &path, &line).await, 200);
    ok(&server.client().delete(path.trim_end_matches("/mapping")).await, 204);
    assert_eq!(ok(&server.client().get(&path).await, 404)["code"], "connection-not-found");
}

#[tokio::test]
async fn overrides_survive_in_memory_without_the_store() {
    let (server, _vendor) = start().await;
    let client = server.on("fake");
    let path = format!("/v1/connections/{}/mapping", server.connection("fake"));
    ok(&put(&client, &path, &json!({"contacts": {"fields": {"favourite": "colour"}}})).await, 200);
    custom(&client).await;
    let before = server.store.calls();

    assert_eq!(custom(&client).await, json!({"favourite": "red"}));

    assert_eq!(server.store.calls(), before, "a warm request asks the store nothing");
}
