//! HTTP/2 without TLS, begun as such: the same API, and streams that nobody wants.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use throughline::limit::Time;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::support::Server;
use super::{PATIENCE, alive, connect, scene};

pub fn request(server: &Server, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{}{path}", server.api))
        .header("authorization", format!("Bearer {}", server.key))
        .header("throughline-connection", server.connection("fake"))
        .body(Empty::new())
        .expect("a request")
}

#[tokio::test]
async fn prior_knowledge_is_enough() {
    let (server, vendor) = scene(|_| {}).await;
    let socket = TokioIo::new(connect(&server).await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.expect("HTTP/2");
    tokio::spawn(connection);
    for _ in 0..3 {
        let answer = sender.send_request(request(&server, "/v1/passthrough/a")).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers().contains_key("x-request-id"));
        assert_eq!(answer.into_body().collect().await.expect("whole").to_bytes(), "{}");
    }
    assert_eq!(vendor.last().line(), "GET /a HTTP/1.1");
    // A head of 20 KiB is more than fits, and ends its stream only.
    let mut large = request(&server, "/v1/passthrough/a");
    large.headers_mut().insert("x-long", "y".repeat(20 * 1024).parse().expect("a value"));
    let refused = sender.send_request(large).await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    // Another host than the one that the request is for.
    let mut two = request(&server, "/v1/passthrough/a");
    two.headers_mut().insert("host", "other.test".parse().expect("a value"));
    assert_eq!(sender.send_request(two).await.expect("an answer").status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection_and_nothing_else() {
    let (server, _vendor) = scene(|_| {}).await;
    let (sender, connection) = h2::client::handshake(connect(&server).await).await.expect("HTTP/2");
    let ended = tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("ready");
    let mut opened = 0;
    for _ in 0..10_000 {
        let Ok(ready) = sender.clone().ready().await else { break };
        sender = ready;
        let (parts, _) = request(&server, "/v1/passthrough/a").into_parts();
        let Ok((_answer, mut stream)) = sender.send_request(Request::from_parts(parts, ()), true) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        opened += 1;
        if ended.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(opened < 10_000, "the server took all of them");
    let end = timeout(PATIENCE, ended).await.expect("the connection ends").expect("no panic");
    let reason = end.expect_err("with a fault").reason();
    assert_eq!(reason, Some(h2::Reason::ENHANCE_YOUR_CALM));
    alive(&server).await;
}

#[tokio::test]
async fn s70_a_stream_that_is_not_read_is_given_up_and_the_others_go_on() {
    let (server, vendor) = scene(|config| config.edge.write_timeout = Time::from_millis(500)).await;
    let over = Arc::new(Notify::new());
    let told = over.clone();
    vendor.does(move |mut exchange| {
        let told = told.clone();
        async move {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nConnection: close\r\n\r\n").await;
            if exchange.head.starts_with("GET /small") {
                return exchange.write(b"all").await;
            }
            while exchange.stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
            told.notify_one();
        }
    });
    let socket = TokioIo::new(connect(&server).await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.expect("HTTP/2");
    tokio::spawn(connection);
    let unread = sender.send_request(request(&server, "/v1/passthrough/endless")).await.expect("an answer");
    timeout(PATIENCE, over.notified()).await.expect("the exchange with the vendor ends");
    let small = sender.send_request(request(&server, "/v1/passthrough/small")).await.expect("the connection is there");
    assert_eq!(small.into_body().collect().await.expect("whole").to_bytes(), "all");
    drop(unread);
}

#[tokio::test]
async fn a_connection_that_says_nothing_after_its_preface_is_closed() {
    let (server, _vendor) = scene(|config| config.edge.head_timeout = Time::from_millis(200)).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("written");
    let read = super::read_to_end(&mut stream);
    timeout(Duration::from_secs(10), read).await.expect("it is closed");
    alive(&server).await;
}
