//! Nothing of the request ever leaves: names, ports, certificates, handshakes.

use std::time::Duration;

use tokio::time::Instant;

use crate::scene::Scene;
use crate::vendor::{Vendor, accept, closed_port, mute};

/// A write that cannot have been executed says so, and may be sent again.
#[track_caller]
fn not_executed(answer: &crate::support::Answer, status: u16, code: &str, retryable: bool) {
    let problem = answer.problem(status, code);
    assert_eq!(problem["outcome"], "not-executed", "{problem}");
    assert_eq!(problem["retryable"], retryable, "{problem}");
    assert_eq!(problem["origin"], "provider", "{problem}");
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told_soon_and_nothing_was_done() {
    let scene = Scene::at("https://nobody-has-this-name.invalid", |_| {}).await;
    let problem = scene.get("/v1/crm/contacts").await.problem(502, "provider-unavailable");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("name")), "{problem}");
    not_executed(&scene.post().await, 502, "provider-unavailable", true);
    scene.end().await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_tried_three_times_at_most() {
    let port = closed_port().await;
    let scene = Scene::at(&format!("http://127.0.0.1:{port}"), |_| {}).await;
    not_executed(&scene.post().await, 502, "provider-unavailable", true);
    let metrics = crate::support::Client::new(scene.server.admin).get("/metrics").await.text();
    let tried =
        metrics.lines().filter(|line| line.contains("attempt") && line.contains("connect") && !line.starts_with('#'));
    let tried: Vec<&str> = tried.filter(|line| line.contains("_total")).collect();
    assert!(
        tried.len() == 1 && ["1", "2", "3"].iter().any(|count| tried[0].ends_with(&format!(" {count}"))),
        "{tried:?}"
    );
    scene.end().await;
}

#[tokio::test]
async fn a_handshake_that_is_cut_off_is_begun_again_and_the_write_arrives_once() {
    // Whatever the vendor got of the first connection, it was no request.
    let vendor = Vendor::secure("good", |_, mut line| async move {
        while let Some(request) = line.request().await {
            if request.line().starts_with("POST") {
                line.seen.execute();
            }
            line.answer(200, "", r#"{"id": "1", "name": "King"}"#).await;
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    vendor.cut_next();
    assert_eq!(scene.post().await.status, 201);
    assert_eq!((vendor.connections(), vendor.seen.executed()), (2, 1));
    scene.end().await;
}

#[tokio::test]
async fn no_certificate_but_a_good_one_is_shown_the_credential() {
    for (certificate, host) in
        [("expired", "localhost"), ("other-host", "localhost"), ("self-signed", "localhost"), ("good", "127.0.0.1")]
    {
        let vendor = Vendor::secure(certificate, |_, mut line| async move {
            while line.request().await.is_some() {
                line.answer(200, "", r#"{"items": []}"#).await;
            }
        })
        .await;
        let scene = Scene::at(&format!("https://{host}:{}", vendor.address.port()), |_| {}).await;
        not_executed(&scene.post().await, 502, "provider-unavailable", false);
        scene.get("/v1/crm/contacts").await.problem(502, "provider-unavailable");
        assert_eq!(vendor.seen.requests(), 0, "{certificate} at {host}");
        assert_eq!(vendor.connections(), 2, "{certificate}: it is as wrong the second time, so nothing is tried again");
        scene.end().await;
    }
    let vendor = Vendor::secure("good", |_, mut line| async move {
        while line.request().await.is_some() {
            line.answer(200, "", r#"{"items": []}"#).await;
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    assert_eq!(scene.get("/v1/crm/contacts").await.status, 200, "and the good one is");
    scene.end().await;
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_costs_five_seconds_an_attempt() {
    let (listener, address) = mute().await;
    let scene = Scene::at(&format!("https://localhost:{}", address.port()), |_| {}).await;
    let answer = async {
        let answer = scene.ask("POST", "/v1/crm/contacts", Some(serde_json::json!({"last_name": "King"})), 12).await;
        (answer, Instant::now())
    };
    let silent = async {
        let mut kept = vec![accept(&listener).await];
        let began = Instant::now();
        // From here nothing but time happens, and further attempts.
        tokio::time::pause();
        loop {
            tokio::select! {
                stream = accept(&listener) => kept.push(stream),
                () = tokio::time::sleep(Duration::from_secs(30)) => return (kept.len(), began),
            }
        }
    };
    let ((answer, answered), (attempts, began)) = tokio::join!(answer, silent);
    not_executed(&answer, 504, "provider-timeout", true);
    assert!((2..=3).contains(&attempts), "{attempts} attempts");
    assert!(answered - began >= Duration::from_secs(5));
    scene.end().await;
}
