//! What callers say: `Cache-Control` and `If-None-Match`.

use serde_json::json;

use crate::scene::{Scene, name, pass, status};

#[tokio::test]
async fn no_cache_asks_the_vendor_and_others_get_the_newer_answer() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let client = scene.client();
    client.get("/v1/crm/contacts/1").await;
    scene.call_it("Lovelace");
    assert_eq!(name(&client.get("/v1/crm/contacts/1").await), "King");
    let now = client.with("Cache-Control", "No-Cache, x-unknown=7").get("/v1/crm/contacts/1").await;
    assert_eq!((name(&now).as_str(), status(&now)), ("Lovelace", "throughline; fwd=request; ttl=60; stored"));
    assert_eq!(name(&client.get("/v1/crm/contacts/1").await), "Lovelace");
    assert_eq!(scene.count("GET /contacts/1"), 2);
}

#[tokio::test]
async fn no_store_leaves_nothing_behind() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let shy = scene.client().with("Cache-Control", "no-store");
    for _ in 0..2 {
        let answer = shy.get("/v1/crm/contacts/1").await;
        assert_eq!(
            (status(&answer), answer.header("cache-control")),
            ("throughline; fwd=uri-miss", Some("private, no-store"))
        );
    }
    assert_eq!(scene.count("GET /contacts/1"), 2);
    assert_eq!(status(&scene.client().get("/v1/crm/contacts/1").await), "throughline; fwd=uri-miss; ttl=60; stored");
}

#[tokio::test]
async fn ages_are_the_callers_to_bound() {
    let scene = Scene::start(json!([{"ttl": "60s", "stale_if_error": "10m"}])).await;
    let client = scene.client();
    let with = |directive: &str| client.with("Cache-Control", directive);
    client.get("/v1/crm/contacts/1").await;
    pass(30).await;
    assert_eq!(status(&with("max-age=31").get("/v1/crm/contacts/1").await), "throughline; hit; ttl=30");
    assert_eq!(status(&with("max-age=5").get("/v1/crm/contacts/1").await), "throughline; fwd=request; ttl=60; stored");
    pass(30).await;
    assert_eq!(
        status(&with("min-fresh=40").get("/v1/crm/contacts/1").await),
        "throughline; fwd=request; ttl=60; stored"
    );
    pass(70).await;
    let stale = with("max-stale=20").get("/v1/crm/contacts/1").await;
    assert_eq!((status(&stale), stale.header("age")), ("throughline; hit; ttl=-10", Some("70")));
    assert_eq!(status(&with("max-stale=5").get("/v1/crm/contacts/1").await), "throughline; fwd=stale; ttl=60; stored");
    assert_eq!(scene.count("GET /contacts/1"), 4);
    let problem = with("max-age=soon").get("/v1/crm/contacts/1").await.problem(400, "invalid-request");
    assert_eq!(problem["errors"][0]["parameter"], "Cache-Control", "{problem}");
}

#[tokio::test]
async fn only_if_cached_never_reaches_the_vendor() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let only = scene.client().with("Cache-Control", "only-if-cached");
    let problem = only.get("/v1/crm/contacts/1").await.problem(504, "not-cached");
    assert_eq!(problem["retryable"], false, "{problem}");
    assert_eq!(scene.vendor.count(), 0);
    scene.client().get("/v1/crm/contacts/1").await;
    assert_eq!(status(&only.get("/v1/crm/contacts/1").await), "throughline; hit; ttl=60");
    pass(61).await;
    only.get("/v1/crm/contacts/1").await.problem(504, "not-cached");
    assert_eq!(scene.count("GET /contacts/1"), 1);
}

#[tokio::test]
async fn an_answer_that_the_caller_has_is_not_sent_again() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let client = scene.client();
    for path in ["/v1/crm/contacts/1", "/v1/crm/contacts", "/v1/crm/contacts/1/associations/companies"] {
        let first = client.get(path).await;
        let tag = first.header("etag").expect("a tag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let has = client.with("If-None-Match", &format!("\"other\", {tag}"));
        let known = has.get(path).await;
        assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
        assert_eq!((known.header("etag"), status(&known)), (Some(tag.as_str()), "throughline; hit; ttl=60"));
        // Also when it comes from the vendor, and is the same.
        pass(61).await;
        assert_eq!(has.get(path).await.status, 304, "{path}");
        scene.call_it(&format!("Other than {path}"));
        pass(61).await;
        let newer = has.get(path).await;
        assert!(newer.status == 200 && newer.header("etag").is_some_and(|other| other != tag), "{path}");
        assert_eq!(client.with("If-None-Match", "*").get(path).await.status, 304, "{path}");
    }
    // It is no version: a write cannot be bound to it.
    let tag = client.get("/v1/crm/contacts/1").await.header("etag").expect("a tag").to_owned();
    let bound = client.with("If-Match", &tag).patch("/v1/crm/contacts/1", json!({"last_name": "X"})).await;
    bound.problem(400, "unsupported-precondition");
}

#[tokio::test]
async fn a_vendors_version_stays_the_tag() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let client = scene.client();
    for expected in ["throughline; fwd=uri-miss; ttl=60; stored", "throughline; hit; ttl=60"] {
        let answer = client.get("/v1/crm/companies/1").await;
        assert_eq!((answer.header("etag"), status(&answer)), (Some("\"King\""), expected));
    }
    // It tells versions of the record, and not of the mapping.
    assert_eq!(client.with("If-None-Match", "\"King\"").get("/v1/crm/companies/1").await.status, 200);
    let written = client.with("If-Match", "\"King\"").patch("/v1/crm/companies/1", json!({"name": "X"})).await;
    assert_eq!(written.status, 200, "{}", written.text());
}
