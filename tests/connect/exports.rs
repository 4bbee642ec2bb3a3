//! What owners take away and look back at, and imports that would only fail later.

use serde_json::{Value, json};

use super::{Scene, scene, scene_with};
use crate::support::Browser;

async fn exporting() -> (Scene, crate::support::Client) {
    let scene = scene_with(|config| config.credentials_export = true).await;
    let client = scene.server.client().key(&scene.server.make_key("demo", "export,connect").await);
    (scene, client)
}

fn import(provider: &str, customer: &str, credentials: Value) -> Value {
    let settings = if provider == "plain" { json!({"account": "1"}) } else { json!({"site": "http://127.0.0.1:8"}) };
    json!({"provider": provider, "customer_id": customer, "settings": settings, "credentials": credentials})
}

#[tokio::test]
async fn credentials_are_exported_only_where_it_is_allowed() {
    let scene = scene().await;
    let token = json!({"type": "token", "token": "canary"});
    let id = scene.server.connect_as("demo", import("plain", "c1", token)).await;
    let path = format!("/v1/connections/{id}/credentials");
    let client = scene.server.client();
    // Whatever else a key may do.
    client.get(&path).await.problem(403, "missing-scope");
    let exporter = client.key(&scene.server.make_key("demo", "export").await);
    let problem = exporter.get(&path).await.problem(403, "forbidden");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("`credentials_export: true`")),
        "{problem}"
    );
    assert_eq!(scene.events(&id).await, ["created"]);
}

#[tokio::test]
async fn an_import_takes_what_an_export_gives() {
    let (scene, client) = exporting().await;
    for (index, (provider, credentials)) in [
        ("plain", json!({"type": "token", "token": "t"})),
        ("plain", json!({"type": "basic", "username": "u", "password": "p"})),
        ("plain", json!({"type": "headers", "headers": {"x-key": "k", "x-user": "u"}})),
        (
            "blue",
            json!({"type": "oauth2", "access_token": "a", "refresh_token": "r", "expires_at": "2050-01-01T00:00:00Z",
                "client_id": "our-app", "scopes": ["contacts.read"]}),
        ),
        // Tokens without an end that were granted to an app.
        ("blue", json!({"type": "oauth2", "access_token": "a", "client_id": "our-app"})),
    ]
    .into_iter()
    .enumerate()
    {
        let id = scene.server.connect_as("demo", import(provider, &format!("c{index}"), credentials.clone())).await;
        let answer = client.get(&format!("/v1/connections/{id}/credentials")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text());
        assert_eq!(answer.json(), credentials);
        assert_eq!(scene.events(&id).await, ["exported", "created"]);
        let again = import(provider, &format!("again{index}"), answer.json());
        assert_eq!(client.post("/v1/connections", again).await.status, 201);
    }
    let unknown = "/v1/connections/conn_00000000000000000000/credentials";
    client.get(unknown).await.problem(404, "connection-not-found");
    let id = scene.connections().await[0]["id"].as_str().expect("an id").to_owned();
    let foreign = client.key(&scene.server.make_key("globex", "export,read").await);
    foreign.get(&format!("/v1/connections/{id}/credentials")).await.problem(404, "connection-not-found");
    foreign.get(&format!("/v1/connections/{id}/events")).await.problem(404, "connection-not-found");
    foreign.get(&format!("/v1/connections/{id}/requests")).await.problem(404, "connection-not-found");
}

#[tokio::test]
async fn what_a_customer_granted_is_exported_with_its_app() {
    let (scene, client) = exporting().await;
    let browser = Browser::new();
    let back = scene.consent(&browser, &scene.link(json!({"providers": ["blue"]})).await).await;
    browser.get(&back).await.location();
    let id = scene.connections().await[0]["id"].as_str().expect("an id").to_owned();
    let credentials = client.get(&format!("/v1/connections/{id}/credentials")).await.json();
    assert_eq!(credentials["access_token"], "canary-access-1");
    assert_eq!(
        (&credentials["refresh_token"], &credentials["client_id"]),
        (&json!("canary-refresh-1"), &json!("our-app"))
    );
    assert_eq!(client.post("/v1/connections", import("blue", "c2", credentials)).await.status, 201);
}

#[tokio::test]
async fn imports_that_would_fail_later_are_refused_now() {
    let scene = scene().await;
    let client = scene.server.client();
    let past = "2020-01-01T00:00:00Z";
    for (credentials, at, says) in [
        (json!({"type": "oauth2", "access_token": "a"}), "/credentials/refresh_token", "credentials of type `token`"),
        (
            json!({"type": "oauth2", "access_token": "a", "expires_at": "2050-01-01T00:00:00Z"}),
            "/credentials/refresh_token",
            "could not be renewed",
        ),
        (
            json!({"type": "oauth2", "access_token": "a", "expires_at": past, "client_id": "our-app"}),
            "/credentials/expires_at",
            "has expired",
        ),
        (
            json!({"type": "oauth2", "flow": "client-credentials", "client_id": "x"}),
            "/credentials/flow",
            "client-credentials",
        ),
    ] {
        let problem =
            client.post("/v1/connections", import("blue", "c1", credentials)).await.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().expect("violations");
        assert!(errors.len() == 1 && errors[0]["pointer"] == at && errors[0].to_string().contains(says), "{problem}");
    }
    let mut body = import("blue", "c1", json!({"type": "oauth2", "access_token": "a"}));
    body["settings"] = json!({"site": "ftp://x", "region": "mars"});
    let problem = client.post("/v1/connections", body).await.problem(422, "validation-failed");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(3), "everything at once: {problem}");
    assert!(scene.connections().await.is_empty());
}

#[tokio::test]
async fn events_are_paged_like_other_lists() {
    let scene = scene().await;
    let client = scene.server.client();
    let id = scene.server.connect_as("demo", import("plain", "c1", json!({"type": "token", "token": "t"}))).await;
    for paused in [true, false, true] {
        assert_eq!(client.patch(&format!("/v1/connections/{id}"), json!({"paused": paused})).await.status, 200);
    }
    let path = format!("/v1/connections/{id}/events");
    let mut kinds = Vec::new();
    let mut page = client.get(&format!("{path}?limit=2")).await.json();
    loop {
        let data = page["data"].as_array().expect("a list");
        assert!((1..=2).contains(&data.len()), "{page}");
        kinds.extend(data.iter().map(|event| event["kind"].as_str().expect("a kind").to_owned()));
        assert!(data.iter().all(|event| event["number"].is_u64() && event["at"].is_string()), "{page}");
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        page = client.get(&format!("{path}?limit=2&cursor={cursor}")).await.json();
    }
    assert_eq!(kinds, ["paused", "resumed", "paused", "created"]);
    client.get(&format!("{path}?cursor=x")).await.problem(400, "invalid-cursor");
    client.get(&format!("{path}?cursor=99999999999999999999")).await.problem(400, "invalid-cursor");
    client.get(&format!("{path}?limit=0")).await.problem(400, "invalid-request");
    client.get(&format!("{path}?page=2")).await.problem(400, "unknown-parameter");
    client.key(&scene.server.make_key("demo", "write").await).get(&path).await.problem(403, "missing-scope");
}
