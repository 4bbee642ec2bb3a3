//! Equal calls at once.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::scene::{Scene, eventually, name, status};
use crate::support::Answer;

/// So many equal calls, all of which wait for the vendor.
async fn stampede(scene: &Scene, count: usize) -> JoinSet<Answer> {
    scene.hold("GET /contacts/1");
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let client = scene.client();
        asking.spawn(async move { client.get("/v1/crm/contacts/1?fields=last_name").await });
    }
    scene.arrived("GET /contacts/1", 1).await;
    // All of them have come as far as that.
    eventually(async || scene.metric("throughline_requests_in_flight").await == Some(count as u64)).await;
    asking
}

#[tokio::test]
async fn a_hundred_equal_calls_are_one_request() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    let asking = stampede(&scene, 100).await;
    scene.let_go();
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| name(answer) == "King"));
    let collapsed = answers.iter().filter(|answer| status(answer).ends_with("; collapsed")).count();
    assert_eq!((collapsed, scene.count("GET /contacts/1")), (99, 1));
    let waited = answers
        .iter()
        .filter(|answer| answer.header("server-timing").is_some_and(|timing| !timing.contains("upstream;dur=0.000")));
    assert_eq!(waited.count(), 100, "waiting for the vendor is none of our time");
}

#[tokio::test]
async fn those_who_wait_for_the_same_answer_take_no_place_of_the_connections() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    // Of the 200 places of a connection.
    let asking = stampede(&scene, 300).await;
    // Longer than anybody waits for a place.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let other = scene.client().get("/v1/crm/contacts/2?fields=last_name").await;
    assert_eq!(name(&other), "King", "there is room for other requests");
    scene.let_go();
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| name(answer) == "King"));
    assert_eq!(scene.count("GET /contacts/1"), 1);
}

#[tokio::test]
async fn a_failure_is_everybodys_and_is_not_kept() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    scene.fails_with(403);
    let asking = stampede(&scene, 10).await;
    scene.let_go();
    for answer in asking.join_all().await {
        answer.problem(403, "forbidden");
    }
    assert_eq!(scene.count("GET /contacts/1"), 1);
    scene.fails_with(200);
    assert_eq!(name(&scene.client().get("/v1/crm/contacts/1?fields=last_name").await), "King");
}

#[tokio::test]
async fn whoever_leaves_takes_nothing_from_the_others() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    scene.hold("GET /contacts/1");
    let client = scene.client();
    let first = tokio::spawn(async move { client.get("/v1/crm/contacts/1?fields=last_name").await });
    scene.arrived("GET /contacts/1", 1).await;
    let client = scene.client();
    let second = tokio::spawn(async move { client.get("/v1/crm/contacts/1?fields=last_name").await });
    let joined = "throughline_requests_in_flight";
    eventually(async || scene.metric(joined).await == Some(2)).await;
    first.abort();
    eventually(async || scene.metric(joined).await == Some(1)).await;
    scene.let_go();
    assert_eq!(name(&second.await.expect("an answer")), "King");
    assert_eq!(scene.count("GET /contacts/1"), 1);
}

#[tokio::test]
async fn whoever_joins_keeps_its_own_deadline() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    scene.hold("GET /contacts/1");
    let client = scene.client();
    let patient = tokio::spawn(async move { client.get("/v1/crm/contacts/1?fields=last_name").await });
    scene.arrived("GET /contacts/1", 1).await;
    let began = std::time::Instant::now();
    let hasty = scene.client().with("Prefer", "wait=1").get("/v1/crm/contacts/1?fields=last_name").await;
    hasty.problem(504, "provider-timeout");
    assert!(began.elapsed() < Duration::from_secs(10));
    scene.let_go();
    assert_eq!(name(&patient.await.expect("an answer")), "King");
    assert_eq!(scene.count("GET /contacts/1"), 1);
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_kept() {
    let scene = Scene::start(json!([{"ttl": "60s"}])).await;
    scene.hold("GET /contacts/1");
    let hasty = scene.client().with("Prefer", "wait=1").get("/v1/crm/contacts/1?fields=last_name").await;
    hasty.problem(504, "provider-timeout");
    scene.let_go();
    eventually(async || scene.metric("throughline_cache_entries").await == Some(1)).await;
    let answer = scene.client().get("/v1/crm/contacts/1?fields=last_name").await;
    assert_eq!((status(&answer), scene.count("GET /contacts/1")), ("throughline; hit; ttl=60", 1));
}
