//! Those who take their time: with a head, with the next request, with a body, with an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use throughline::limit::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::support::Answer;
use super::{PATIENCE, alive, connect, credentials, read_to_end, scene};

const SHORT: Time = Time::from_millis(200);

#[tokio::test]
async fn s69_a_head_that_drips_is_closed() {
    let (server, vendor) = scene(|config| config.edge.head_timeout = SHORT).await;
    let mut silent = connect(&server).await;
    let mut dripping = connect(&server).await;
    let since = Instant::now();
    let drip = async {
        for byte in b"GET /v1/providers HTTP/1.1\r\nHost: x\r\nX-Long: ".iter().chain([b'a'; 4096].iter()) {
            if dripping.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("the server took a head of twenty seconds");
    };
    timeout(PATIENCE, drip).await.expect("it is closed");
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(since.elapsed() >= SHORT.get(), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert!(vendor.requests().is_empty());
    alive(&server).await;
}

#[tokio::test]
async fn between_requests_a_connection_may_rest_for_longer_than_a_head_may_take() {
    let (server, _vendor) = scene(|config| {
        config.edge.head_timeout = SHORT;
        config.edge.keep_alive = Time::from_millis(1500);
    })
    .await;
    let mut stream = connect(&server).await;
    let request = format!("GET /v1/providers HTTP/1.1\r\nHost: x\r\n{}\r\n", credentials(&server));
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.expect("the connection is kept");
        assert_eq!(Answer::read(&mut stream, false).await.status, 200);
        sleep(SHORT.get() * 3).await;
    }
    let rested = Instant::now();
    assert_eq!(read_to_end(&mut stream).await, "", "nobody uses it");
    assert!(rested.elapsed() < Duration::from_secs(10));

    // A second head that drips is closed like a first one.
    let mut stream = connect(&server).await;
    stream.write_all(request.as_bytes()).await.expect("written");
    assert_eq!(Answer::read(&mut stream, false).await.status, 200);
    stream.write_all(b"GET /v1").await.expect("written");
    let since = Instant::now();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(since.elapsed() < Duration::from_millis(1200), "{:?}", since.elapsed());
}

#[tokio::test]
async fn s70_a_body_that_stalls_or_drips_is_given_up() {
    let (server, vendor) = scene(|config| config.edge.body_timeout = SHORT).await;
    let broken = Arc::new(Notify::new());
    let told = broken.clone();
    vendor.does(move |mut exchange| {
        let told = told.clone();
        async move {
            // Returns when the proxy breaks the upload off: it never becomes whole.
            let body = exchange.finish_reading().await.body;
            assert!(body.len() < 1000);
            told.notify_one();
        }
    });
    for path in ["/v1/passthrough/upload", "/v1/crm/contacts"] {
        for drips in [false, true] {
            let mut stream = connect(&server).await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\n{}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
                credentials(&server)
            );
            stream.write_all(head.as_bytes()).await.expect("written");
            let (mut reading, mut writing) = stream.into_split();
            let dripping = tokio::spawn(async move {
                while drips && writing.write_all(b" ").await.is_ok() {
                    sleep(Duration::from_millis(20)).await;
                }
                // Dropped only with the answer there: an end of the body would be another fault.
                std::future::pending::<()>().await;
                drop(writing);
            });
            let mut bytes = vec![0; 64 * 1024];
            let read =
                timeout(PATIENCE, reading.read(&mut bytes)).await.expect("an answer in time").expect("an answer");
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            assert!(text.starts_with("HTTP/1.1 400 "), "{path}: {text}");
            assert!(text.contains("invalid-request"), "{text}");
            dripping.abort();
        }
    }
    timeout(PATIENCE, broken.notified()).await.expect("the vendor's exchange ends as well");
    alive(&server).await;
}

#[tokio::test]
async fn s70_a_caller_who_does_not_read_is_cut_off_and_the_vendor_with_it() {
    let (server, vendor) = scene(|config| config.edge.write_timeout = Time::from_millis(500)).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(Notify::new());
    let (counted, told) = (sent.clone(), over.clone());
    vendor.does(move |mut exchange| {
        let (counted, told) = (counted.clone(), told.clone());
        async move {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nConnection: close\r\n\r\n").await;
            while exchange.stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {
                counted.fetch_add(64 * 1024, Ordering::SeqCst);
            }
            told.notify_one();
        }
    });
    let mut stream = connect(&server).await;
    let request = format!("GET /v1/passthrough/endless HTTP/1.1\r\nHost: x\r\n{}\r\n", credentials(&server));
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.expect("the answer begins");
    timeout(PATIENCE, over.notified()).await.expect("the exchange with the vendor ends");
    // What lay in the sockets' buffers, and no more.
    assert!(sent.load(Ordering::SeqCst) < 64 * 1024 * 1024, "{sent:?}");
    alive(&server).await;
}
