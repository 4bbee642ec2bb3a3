//! Answers from memory, as long as they are good.

use serde_json::json;

use crate::scene::{Scene, name, pass, status};
use crate::support::ids;

#[tokio::test]
async fn an_answer_is_given_again_until_its_time_is_over() {
    let scene = Scene::start(json!([{"resource": "contacts", "ttl": "60s"}])).await;
    let client = scene.client();
    let first = client.get("/v1/crm/contacts/1").await;
    assert_eq!(status(&first), "throughline; fwd=uri-miss; ttl=60; stored");
    assert_eq!(first.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(first.header("age"), None);
    pass(20).await;

    let before = scene.server.store.calls();
    let again = client.get("/v1/crm/contacts/1").await;
    assert_eq!(scene.server.store.calls(), before, "no call to the store");
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!((status(&again), again.header("age")), ("throughline; hit; ttl=40", Some("20")));
    assert_eq!(again.header("cache-control"), Some("private, max-age=60"));
    assert!(again.header("vary").is_some_and(|vary| vary.contains("Throughline-Connection")), "{:?}", again.headers);
    assert!(again.header("server-timing").is_some_and(|timing| timing.contains("upstream;dur=0.000")));
    assert_eq!(scene.count("GET /contacts/1"), 1);

    pass(40).await;
    scene.call_it("Lovelace");
    let newer = client.get("/v1/crm/contacts/1").await;
    assert_eq!((name(&newer).as_str(), status(&newer)), ("Lovelace", "throughline; fwd=stale; ttl=60; stored"));
    assert_eq!(scene.count("GET /contacts/1"), 2);
    assert_eq!(
        scene.metric(r#"throughline_cache_total{provider="fake",resource="contacts",result="hit"}"#).await,
        Some(1)
    );
    assert_eq!(
        scene.metric(r#"throughline_cache_total{provider="fake",resource="contacts",result="miss"}"#).await,
        Some(2)
    );
    assert_eq!(scene.metric("throughline_cache_entries").await, Some(1));
    assert!(scene.metric("throughline_cache_bytes").await.is_some_and(|bytes| bytes > 640));
}

#[tokio::test]
async fn all_reads_can_be_kept() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let client = scene.client();
    let reads = [
        ("/v1/crm/contacts", "GET /contacts?"),
        ("/v1/crm/contacts/1", "GET /contacts/1"),
        ("/v1/crm/contacts/fields", "GET /fields"),
        ("/v1/crm/contacts/1/associations/companies", "GET /contacts/1/companies"),
    ];
    for (path, request) in reads {
        let first = client.get(path).await;
        let seen = scene.count(request);
        let again = client.get(path).await;
        assert_eq!((again.status, again.json()), (200, first.json()), "{path}");
        assert_eq!((status(&again), scene.count(request)), ("throughline; hit; ttl=60", seen), "{path}");
    }
    // The same list asked for in JSON.
    let found = client.post("/v1/crm/contacts/search", json!({})).await;
    assert_eq!((name(&found).as_str(), status(&found)), ("King", "throughline; hit; ttl=60"));
}

#[tokio::test]
async fn calls_that_mean_the_same_share_an_answer_and_others_do_not() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let client = scene.client();
    let asked = async |path: &str| {
        let before = scene.count("GET /contacts");
        assert_eq!(client.get(path).await.status, 200, "{path}");
        scene.count("GET /contacts") > before
    };
    let email = "filter[email]=k@example.test";
    assert!(asked(&format!("/v1/crm/contacts?{email}&filter[title]=x&fields=last_name,title")).await);
    assert!(!asked(&format!("/v1/crm/contacts?fields=title,last_name&filter[title]=x&{email}")).await);
    assert!(asked(&format!("/v1/crm/contacts?fields=title,last_name&filter[title]=y&{email}")).await);
    assert!(asked("/v1/crm/contacts/1").await);
    for other in ["?fields=last_name", "?include=raw", "?fields=title"] {
        assert!(asked(&format!("/v1/crm/contacts/1{other}")).await, "{other}");
        assert!(!asked(&format!("/v1/crm/contacts/1{other}")).await, "{other}");
    }
    assert!(asked("/v1/crm/contacts?limit=5").await && asked("/v1/crm/contacts?limit=6").await);
}

#[tokio::test]
async fn pages_are_kept_each_by_itself_and_their_cursors_work() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    scene.has_more();
    let client = scene.client();
    for round in 0..2 {
        let first = client.get("/v1/crm/contacts").await;
        assert!(first.header("link").is_some_and(|link| link.contains("rel=\"next\"")));
        let first = first.json();
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        let second = client.get(&format!("/v1/crm/contacts?cursor={cursor}")).await;
        assert_eq!(second.status, 200, "{}", second.text());
        assert!(second.json()["next_cursor"].is_null(), "{round}");
        assert_eq!(ids(second.json()["data"].as_array().expect("records")), ["1"]);
    }
    assert_eq!(scene.count("GET /contacts?"), 2, "each page once");
}

#[tokio::test]
async fn that_a_record_is_not_there_is_believed_for_a_moment() {
    let scene = Scene::start(json!([{"ttl": "60s", "stale_if_error": "1h"}])).await;
    let client = scene.client();
    for _ in 0..2 {
        client.get("/v1/crm/contacts/404").await.problem(404, "not-found");
    }
    assert_eq!(scene.count("GET /contacts/404"), 1);
    pass(11).await;
    client.get("/v1/crm/contacts/404").await.problem(404, "not-found");
    assert_eq!(scene.count("GET /contacts/404"), 2);
    // Other failures are nothing to keep.
    scene.fails_with(422);
    client.get("/v1/crm/contacts/2").await;
    let seen = scene.count("GET /contacts/2");
    client.get("/v1/crm/contacts/2").await;
    assert_eq!(scene.count("GET /contacts/2"), seen * 2);
}

#[tokio::test]
async fn what_lacks_something_for_the_moment_is_not_kept() {
    let scene = Scene::start(json!([{"resource": "contacts", "operation": "list", "ttl": "60s"}])).await;
    scene.fields_fail_with(403);
    let client = scene.client();
    for _ in 0..2 {
        let answer = client.get("/v1/crm/contacts").await;
        assert!(answer.header("throughline-warning").is_some_and(|warning| warning.contains("custom-fields-unknown")));
        assert_eq!(
            (status(&answer), answer.header("cache-control")),
            ("throughline; fwd=uri-miss", Some("private, no-cache"))
        );
    }
    assert_eq!(scene.count("GET /contacts?"), 2);
    // What lacks for good is lacking from memory as well.
    for _ in 0..2 {
        let answer = client.get("/v1/crm/contacts?limit=500&fields=last_name").await;
        assert!(answer.header("throughline-warning").is_some_and(|warning| warning.contains("limit-reduced")));
        assert!(answer.text().contains("limit-reduced"));
    }
    assert_eq!(scene.count("GET /contacts?"), 3);
}

#[tokio::test]
async fn without_a_rule_nothing_is_kept_and_nothing_said() {
    let scene = Scene::start(json!([])).await;
    for _ in 0..2 {
        let answer = scene.client().get("/v1/crm/contacts/1").await;
        assert_eq!(answer.status, 200);
        for header in ["cache-status", "age", "cache-control", "etag", "vary"] {
            assert_eq!(answer.header(header), None, "{header}");
        }
    }
    assert_eq!(scene.count("GET /contacts/1"), 2);
    let only = scene.client().with("Cache-Control", "only-if-cached");
    only.get("/v1/crm/contacts/1").await.problem(504, "not-cached");
}

#[tokio::test]
async fn the_most_specific_rule_holds() {
    let scene = Scene::start(json!([
        {"ttl": "10s"},
        {"provider": "fake", "ttl": "20s"},
        {"resource": "contacts", "ttl": "30s"},
        {"resource": "contacts", "operation": "list", "ttl": "40s"},
        {"resource": "contacts", "operation": "fields", "ttl": "0s"},
    ]))
    .await;
    let client = scene.client();
    for (path, ttl) in [("/v1/crm/companies/1", 20), ("/v1/crm/contacts/1", 30), ("/v1/crm/contacts", 40)] {
        assert_eq!(status(&client.get(path).await), format!("throughline; fwd=uri-miss; ttl={ttl}; stored"), "{path}");
    }
    assert_eq!(client.get("/v1/crm/contacts/fields").await.header("cache-status"), None);
}
