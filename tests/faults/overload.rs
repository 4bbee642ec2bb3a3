//! Vendors that have too much to do, or say so: they are not given more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::scene::Scene;
use crate::vendor::Vendor;

const ONE: &str = r#"{"id": "1", "name": "King"}"#;

#[tokio::test]
async fn an_outage_is_answered_at_once_and_not_made_worse() {
    const ASKED: usize = 200;
    let out = Arc::new(AtomicBool::new(true));
    let is_out = out.clone();
    let vendor = Vendor::start(move |_, mut line| {
        let out = is_out.clone();
        async move {
            while line.request().await.is_some() {
                match out.load(Ordering::SeqCst) {
                    true => line.answer(503, "", "{}").await,
                    false => line.answer(200, "", ONE).await,
                }
            }
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    for _ in 0..ASKED {
        scene.get("/v1/crm/contacts/1").await.problem(502, "provider-unavailable");
    }
    // `end` allows for a tenth more than was asked for; a host that is out is left in peace much sooner.
    assert!(vendor.seen.requests() < ASKED / 4, "{} requests", vendor.seen.requests());
    // It recovers, and so does everything here, without anybody's doing: a pause is ten seconds at first.
    out.store(false, Ordering::SeqCst);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(25)).await;
    tokio::time::resume();
    assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    scene.end().await;
}

#[tokio::test]
async fn refusals_of_one_customer_close_the_vendor_to_nobody() {
    // The vendor knows one token only, and refuses the other customer for whatever it asks.
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let vendor = Vendor::start(move |_, mut line| {
        let refused = count.clone();
        async move {
            while let Some(request) = line.request().await {
                let stranger = request.header("x-fake-key") == Some("Key a-token-that-was-revoked");
                let status = if stranger { [401, 403][refused.fetch_add(1, Ordering::SeqCst) % 2] } else { 200 };
                line.answer(status, "", ONE).await;
            }
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    let credentials = serde_json::json!({"type": "token", "token": "a-token-that-was-revoked"});
    let body = serde_json::json!({"provider": "fake", "customer_id": "other", "credentials": credentials});
    scene.server.connect_as("demo", body).await;
    let other = scene.server.client().with("Throughline-Customer", "other");
    for _ in 0..40 {
        let answer = other.get("/v1/crm/contacts/1").await;
        assert!((400..500).contains(&answer.status), "{}", answer.text());
    }
    assert!(refused.load(Ordering::SeqCst) > 0);
    for _ in 0..5 {
        assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    }
}

#[tokio::test]
async fn a_long_delay_is_told_to_the_caller_and_not_waited_for() {
    for (told, expected) in
        [("3600", Some(3600)), ("18446744073709551615", None), ("Tue, 31 Dec 2999 23:59:59 GMT", None)]
    {
        let headers = format!("Retry-After: {told}\r\n");
        let vendor = Vendor::start(move |_, mut line| {
            let headers = headers.clone();
            async move {
                while line.request().await.is_some() {
                    line.answer(503, &headers, "{}").await
                }
            }
        })
        .await;
        let scene = Scene::on(&vendor).await;
        let began = Instant::now();
        let problem = scene.get("/v1/crm/contacts/1").await.problem(502, "provider-unavailable");
        assert!(began.elapsed() < Duration::from_secs(3), "{told}: {:?}", began.elapsed());
        assert_eq!(problem["retry_after"].as_u64(), expected, "{told}: {problem}");
        assert_eq!(vendor.seen.requests(), 1, "{told}");
        scene.end().await;
    }
}
