//! The request has left, or may have: connections that die in the pool, answers that never come or break off.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::scene::Scene;
use crate::vendor::{Line, Vendor};

const ONE: &str = r#"{"id": "1", "name": "King"}"#;

/// Answers one request in the usual way.
async fn serve_one(line: &mut Line) -> bool {
    let Some(request) = line.request().await else { return false };
    let write = !request.line().starts_with("GET");
    if write {
        line.seen.execute();
    }
    line.answer(if write { 201 } else { 200 }, "", ONE).await;
    true
}

async fn serve(mut line: Line) {
    while serve_one(&mut line).await {}
}

#[tokio::test]
async fn a_connection_that_ended_in_the_pool_costs_a_write_nothing() {
    // The vendor closes while nobody asks, as servers do that have waited for long enough.
    let vendor = Vendor::start(|_, mut line| async move {
        serve_one(&mut line).await;
    })
    .await;
    let scene = Scene::on(&vendor).await;
    for round in 1..=5 {
        assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
        let minimal = scene.ask("POST", "/v1/crm/contacts", Some(json!({"last_name": "King"})), 30).await;
        assert_eq!(minimal.status, 201, "{}", minimal.text());
        assert_eq!(vendor.seen.executed(), round);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_write_on_a_connection_that_takes_it_and_dies_is_not_sent_again() {
    // The second request of each connection is read and never answered: it may well have been executed, and it was.
    let vendor = Vendor::start(|_, mut line| async move {
        if serve_one(&mut line).await
            && let Some(request) = line.request().await
            && !request.line().starts_with("GET")
        {
            line.seen.execute();
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    for method in ["POST", "PATCH", "DELETE"] {
        assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
        let (executed, requests) = (vendor.seen.executed(), vendor.seen.requests());
        let path = if method == "POST" { "/v1/crm/contacts" } else { "/v1/crm/contacts/1" };
        let body = (method != "DELETE").then(|| json!({"last_name": "King"}));
        let problem = scene.ask(method, path, body, 30).await.problem(502, "outcome-unknown");
        assert_eq!(
            (&problem["outcome"], &problem["retryable"]),
            (&json!("unknown"), &json!(false)),
            "{method}: {problem}"
        );
        assert_eq!(vendor.seen.executed(), executed + 1, "{method}");
        assert_eq!(vendor.seen.requests(), requests + 1, "{method}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_read_on_a_connection_that_takes_it_and_dies_is_sent_again() {
    let vendor = Vendor::start(|number, mut line| async move {
        serve_one(&mut line).await;
        if number == 1 {
            let _ = line.request().await;
        } else {
            serve(line).await;
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    for _ in 0..2 {
        assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    }
    assert_eq!((vendor.connections(), vendor.seen.requests()), (2, 3));
    scene.end().await;
}

#[tokio::test]
async fn a_head_that_never_comes_ends_a_read_at_the_callers_deadline() {
    let vendor = Vendor::start(|_, mut line| async move {
        let _ = line.request().await;
        line.silence().await;
    })
    .await;
    let scene = Scene::on(&vendor).await;
    let began = Instant::now();
    let (answer, ()) = tokio::join!(scene.ask("GET", "/v1/crm/contacts/1", None, 7), scene.when_it_has(1));
    answer.problem(504, "provider-timeout");
    assert!(began.elapsed() >= Duration::from_secs(6), "the caller's patience is used");
    scene.end().await;
}

#[tokio::test]
async fn a_head_that_never_comes_leaves_the_outcome_of_a_write_open_and_it_is_sent_once() {
    let vendor = Vendor::start(|_, mut line| async move {
        let _ = line.request().await;
        line.seen.execute();
        line.silence().await;
    })
    .await;
    let scene = Scene::on(&vendor).await;
    let body = Some(json!({"last_name": "King"}));
    let (answer, ()) = tokio::join!(scene.ask("POST", "/v1/crm/contacts", body, 7), scene.when_it_has(1));
    let problem = answer.json();
    assert!(matches!(answer.status, 502 | 504), "{problem}");
    assert_eq!((&problem["outcome"], &problem["retryable"]), (&json!("unknown"), &json!(false)), "{problem}");
    assert_eq!(vendor.seen.requests(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_connection_that_is_dead_without_a_word_is_left_at_the_deadline_and_not_used_again() {
    // What a laptop's sleep or a forgetful gateway leaves behind: it is open, and nothing ever comes.
    let vendor = Vendor::start(|number, mut line| async move {
        serve_one(&mut line).await;
        if number == 1 {
            let _ = line.request().await;
            line.silence().await;
        } else {
            serve(line).await;
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    let (stuck, ()) = tokio::join!(scene.ask("GET", "/v1/crm/contacts/1", None, 9), scene.when_it_has(2));
    stuck.problem(504, "provider-timeout");
    tokio::time::resume();
    assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    assert_eq!(vendor.connections(), 2);
    scene.end().await;
}

#[tokio::test]
async fn a_whole_looking_answer_is_never_made_of_a_part() {
    // The head promises more than comes, in either framing.
    for head in ["Content-Length: 4000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1b\r\n"] {
        let vendor = Vendor::start(move |_, mut line| async move {
            let Some(request) = line.request().await else { return };
            if !request.line().starts_with("GET") {
                line.seen.execute();
            }
            line.say(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}{ONE}")).await;
        })
        .await;
        let scene = Scene::on(&vendor).await;
        scene.get("/v1/crm/contacts/1").await.problem(502, "invalid-provider-response");
        let passed = scene.get("/v1/passthrough/contacts/1").await;
        assert_eq!((passed.status, passed.complete), (200, false), "the caller can tell that it is not whole");
        let executed = vendor.seen.executed();
        let problem = scene.post().await.problem(502, "invalid-provider-response");
        assert_eq!(problem["outcome"], "executed", "its head said so: {problem}");
        assert_eq!(vendor.seen.executed(), executed + 1, "and it was not sent again");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_and_does_not_look_complete() {
    // Never silent for long, and never done.
    let vendor = Vendor::start(|_, mut line| async move {
        let _ = line.request().await;
        line.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n").await;
        while line.say(" ").await {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    let began = Instant::now();
    let (passed, ()) = tokio::join!(scene.ask("GET", "/v1/passthrough/contacts/1", None, 58), scene.when_it_has(1));
    assert_eq!((passed.status, passed.complete), (200, false));
    assert!(began.elapsed() < Duration::from_secs(58), "{:?}", began.elapsed());
    scene.end().await;
}

#[tokio::test]
async fn interim_answers_without_an_end_end_at_the_deadline() {
    for storm in [1000, usize::MAX] {
        let vendor = Vendor::start(move |_, mut line| async move {
            let _ = line.request().await;
            for _ in 0..storm {
                if !line.say("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n").await {
                    return;
                }
                tokio::task::yield_now().await;
            }
            line.answer(200, "", ONE).await;
        })
        .await;
        let scene = Scene::on(&vendor).await;
        let answer = scene.ask("GET", "/v1/crm/contacts/1", None, 2).await;
        let expected: &[u16] = if storm == 1000 { &[200, 502] } else { &[502, 504] };
        assert!(expected.contains(&answer.status), "{}", answer.text());
        scene.end().await;
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed_and_takes_no_credential_along() {
    let elsewhere = Vendor::start(|_, line| serve(line)).await;
    let target = elsewhere.url();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {target}/base/contacts/1\r\n");
        let vendor = Vendor::start(move |_, mut line| {
            let location = location.clone();
            async move {
                while line.request().await.is_some() {
                    line.answer(status, &location, "{}").await
                }
            }
        })
        .await;
        let scene = Scene::on(&vendor).await;
        scene.get("/v1/crm/contacts/1").await.problem(502, "unexpected-redirect");
        let outcome = scene.post().await.problem(502, "unexpected-redirect")["outcome"].clone();
        assert_eq!(outcome, if status >= 307 { "not-executed" } else { "unknown" }, "{status}");
        let passed = scene.get("/v1/passthrough/contacts/1").await;
        assert_eq!((passed.status, passed.header("throughline-origin")), (status, Some("provider")));
        assert_eq!((vendor.seen.requests(), elsewhere.connections()), (3, 0), "{status}");
        scene.end().await;
    }
}
