//! Answers whose time is over: while a newer one is fetched, and where there is none to be had.

use serde_json::json;

use crate::scene::{Scene, eventually, name, pass, status};

const PATH: &str = "/v1/crm/contacts/1?fields=last_name";

#[tokio::test]
async fn a_stale_answer_is_given_while_a_newer_one_is_fetched() {
    let scene = Scene::start(json!([{"ttl": "60s", "stale_while_revalidate": "60s"}])).await;
    let client = scene.client();
    client.get(PATH).await;
    pass(70).await;
    scene.call_it("Lovelace");
    let stale = client.get(PATH).await;
    assert_eq!((name(&stale).as_str(), status(&stale)), ("King", "throughline; hit; ttl=-10"));
    eventually(async || name(&client.get(PATH).await) == "Lovelace").await;
    assert_eq!(scene.count("GET /contacts/1"), 2, "by one request");
    // Where nobody came in time, the vendor is waited for.
    pass(121).await;
    assert_eq!(status(&client.get(PATH).await), "throughline; fwd=stale; ttl=60; stored");
}

#[tokio::test]
async fn an_outage_is_bridged_and_said() {
    let scene = Scene::start(json!([{"ttl": "60s", "stale_if_error": "1h"}])).await;
    let client = scene.client();
    client.get(PATH).await;
    pass(90).await;
    for (failure, expected) in [
        (503, "throughline; fwd=stale; fwd-status=503; ttl=-30"),
        (429, "throughline; fwd=stale; fwd-status=429; ttl=-30"),
    ] {
        scene.fails_with(failure);
        let answer = client.with("Prefer", "wait=2").get(PATH).await;
        assert_eq!(name(&answer), "King", "{failure}");
        // Repeating took its seconds.
        let (told, _) = status(&answer).split_once("ttl").expect("a ttl");
        assert!(expected.starts_with(told), "{}", status(&answer));
        assert!(answer.header("age").is_some_and(|age| age.parse::<u64>().is_ok_and(|age| (90..100).contains(&age))));
        assert_eq!(answer.header("throughline-warning"), Some("stale-answer"), "{failure}");
    }
    // Who wants no old one gets the failure, and so does everybody in the end.
    let now = client.with("Cache-Control", "no-cache").with("Prefer", "wait=1").get(PATH).await;
    assert!(now.status >= 429, "{}", now.text());
    let young = client.with("Cache-Control", "max-age=60").with("Prefer", "wait=1").get(PATH).await;
    assert!(young.status >= 429, "{}", young.text());
    pass(3700).await;
    assert!(client.with("Prefer", "wait=1").get(PATH).await.status >= 429);
    scene.fails_with(200);
    pass(120).await;
    assert_eq!(name(&client.get(PATH).await), "King");
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_is_bridged_within_the_callers_time() {
    let scene = Scene::start(json!([{"ttl": "60s", "stale_if_error": "1h"}])).await;
    scene.client().get("/v1/crm/contacts?fields=last_name").await;
    pass(61).await;
    scene.hold("GET");
    let answer = scene.client().with("Prefer", "wait=1").get("/v1/crm/contacts?fields=last_name").await;
    assert_eq!((name(&answer).as_str(), answer.header("throughline-warning")), ("King", Some("stale-answer")));
    assert_eq!(answer.json()["warnings"][0]["code"], "stale-answer");
}

#[tokio::test]
async fn a_refusal_is_no_outage() {
    let scene = Scene::start(json!([{"ttl": "60s", "stale_if_error": "1h"}])).await;
    let client = scene.client();
    client.get(PATH).await;
    pass(61).await;
    scene.fails_with(403);
    client.get(PATH).await.problem(403, "forbidden");
}
