//! A collector that is away, refuses or stalls.

use std::time::Duration;

use tokio::time::Instant;

use crate::collector::{Scene, until_closed};
use crate::support::{Client, plain_answer};

const REQUESTS: usize = 200;

/// One request after the other; how long the middle one and the longest took.
async fn asked(client: &Client) -> (Duration, Duration) {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);
        times.push(began.elapsed());
    }
    times.sort();
    (times[REQUESTS / 2], times[REQUESTS - 1])
}

async fn lost(scene: &Scene, result: &str) -> u64 {
    let metrics = Client::new(scene.server.admin).get("/metrics").await.text();
    let line = format!("throughline_trace_spans_total{{result=\"{result}\"}} ");
    let found = metrics.lines().find_map(|found| found.strip_prefix(&line));
    found.map_or(0, |count| count.parse().expect("a number"))
}

#[tokio::test]
async fn requests_go_on_as_ever_while_the_collector_is_away_or_stalls() {
    let without = Scene::start(|config| config.tracing.endpoint = None).await;
    let (usual, _) = asked(&without.server.on("fake")).await;
    let away = Scene::start(|config| config.tracing.endpoint = Some("http://127.0.0.1:9".into())).await;
    let stalls = Scene::start(|_| {}).await;
    stalls.collector.does(|exchange| async {
        // The request is taken, and nothing ever said to it.
        let _kept = exchange;
        std::future::pending::<()>().await;
    });
    for (what, scene) in [("away", &away), ("stalls", &stalls)] {
        let (half, longest) = asked(&scene.server.on("fake")).await;
        println!("without {usual:?}; {what}: half of the requests in {half:?}, the longest {longest:?}");
        // Ten times is what a busy machine may add; a request that waited for a collector would take seconds.
        assert!(
            half < usual * 10 && longest < Duration::from_secs(1),
            "{what}: {half:?}, {longest:?}, usually {usual:?}"
        );
    }
}

#[tokio::test]
async fn what_the_collector_refuses_is_counted_and_not_sent_again() {
    let mut scene = Scene::start(|_| {}).await;
    scene.collector.answers(plain_answer(400, "", "no"));
    scene.server.on("fake").get("/v1/crm/contacts/1").await;
    scene.collector.wait_for(1).await;
    let counted = async {
        while lost(&scene, "undelivered").await < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("they are counted");
    assert_eq!((lost(&scene, "sent").await, scene.collector.count()), (0, 1));
    assert_eq!(scene.spans().await.len(), 4, "as often as it was sent");
}

#[tokio::test]
async fn what_may_be_taken_later_is_sent_again() {
    let scene = Scene::start(|_| {}).await;
    let times = std::sync::atomic::AtomicUsize::new(0);
    scene.collector.answers_with(move |_| match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => plain_answer(503, "", ""),
        _ => plain_answer(200, "", ""),
    });
    scene.server.on("fake").get("/v1/crm/contacts/1").await;
    scene.collector.wait_for(2).await;
    let counted = async {
        while lost(&scene, "sent").await < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("they are counted");
    assert_eq!(lost(&scene, "undelivered").await, 0);
    let sent = scene.collector.requests();
    assert_eq!(sent[0].body, sent[1].body);
}

#[tokio::test]
async fn a_collector_that_stalls_does_not_keep_the_server_from_ending() {
    let mut scene = Scene::start(|_| {}).await;
    scene.collector.does(|exchange| async {
        let _kept = exchange;
        std::future::pending::<()>().await;
    });
    scene.server.on("fake").get("/v1/crm/contacts/1").await;
    let began = Instant::now();
    scene.server.stop();
    until_closed(scene.server.admin).await;
    let took = began.elapsed();
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(9)).contains(&took),
        "the last spans have five seconds: {took:?}"
    );
}
