//! HTTP/2 says more about what was lost than HTTP/1 can: only what it says was not processed is sent again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Method, Response};
use serde_json::json;
use tokio::time::Instant;

use crate::scene::Scene;
use crate::vendor::{Http2, Seen, Vendor};

const ONE: &[u8] = br#"{"id": "1", "name": "King", "items": []}"#;

/// Answers in the usual way.
pub fn answer(mut respond: SendResponse<Bytes>, write: bool, seen: &Seen) {
    if write {
        seen.execute();
    }
    let head = Response::builder().header("content-type", "application/json").body(()).expect("a head");
    if let Ok(mut body) = respond.send_response(head, false) {
        let _ = body.send_data(Bytes::from_static(ONE), true);
    }
}

async fn serve(mut connection: Http2, seen: Arc<Seen>) {
    while let Some(Ok((request, respond))) = connection.accept().await {
        seen.arrive();
        answer(respond, request.method() != Method::GET, &seen);
    }
}

#[tokio::test]
async fn a_stream_that_was_refused_is_sent_again_whatever_it_does() {
    let vendor = Vendor::http2(|_, mut connection, seen| async move {
        let mut first = true;
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            seen.arrive();
            match std::mem::take(&mut first) {
                true => respond.send_reset(Reason::REFUSED_STREAM),
                false => answer(respond, request.method() != Method::GET, &seen),
            }
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    assert_eq!(scene.post().await.status, 201);
    assert_eq!((vendor.seen.executed(), vendor.connections()), (1, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_stream_that_was_cancelled_may_have_been_executed() {
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let vendor = Vendor::http2(move |_, mut connection, seen| async move {
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                seen.arrive();
                seen.execute();
                respond.send_reset(reason);
            }
        })
        .await;
        let scene = Scene::on(&vendor).await;
        let problem = scene.post().await.problem(502, "outcome-unknown");
        assert_eq!(problem["outcome"], "unknown", "{problem}");
        assert_eq!(vendor.seen.requests(), 1, "{reason}");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_farewell_costs_no_request_that_comes_after_it() {
    // Each connection serves one request and says goodbye in an orderly way.
    let vendor = Vendor::http2(|_, mut connection, seen| async move {
        if let Some(Ok((request, respond))) = connection.accept().await {
            seen.arrive();
            answer(respond, request.method() != Method::GET, &seen);
        }
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    })
    .await;
    let scene = Scene::on(&vendor).await;
    for round in 1..=4 {
        assert_eq!(scene.post().await.status, 201);
        assert_eq!(vendor.seen.executed(), round);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_farewell_in_anger_leaves_the_outcome_of_a_write_open() {
    let vendor = Vendor::http2(|_, mut connection, seen| async move {
        if let Some(Ok((_, respond))) = connection.accept().await {
            seen.arrive();
            seen.execute();
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            while connection.accept().await.is_some() {}
            drop(respond);
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    let problem = scene.post().await.problem(502, "outcome-unknown");
    assert_eq!((&problem["outcome"], vendor.seen.requests()), (&json!("unknown"), 1), "{problem}");
    scene.end().await;
}

#[tokio::test]
async fn a_connection_that_answers_no_pings_is_left_within_half_a_minute() {
    let vendor = Vendor::http2(|number, mut connection, seen| async move {
        if number > 1 {
            return serve(connection, seen).await;
        }
        for last in [false, true] {
            let Some(Ok((request, respond))) = connection.accept().await else { return };
            seen.arrive();
            if last {
                // Open, and dead: nobody reads or writes any more.
                std::future::pending::<()>().await;
            }
            answer(respond, request.method() != Method::GET, &seen);
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    // By the wall clock: pings go by the same clock as what is read from a real socket.
    let began = Instant::now();
    let stuck = scene.ask("GET", "/v1/crm/contacts/1", None, 60).await;
    assert!(began.elapsed() <= Duration::from_secs(30), "it took {:?}", began.elapsed());
    assert_eq!(stuck.status, 200, "it was sent again on another connection: {}", stuck.text());
    assert_eq!(vendor.connections(), 2);
    scene.end().await;
}
