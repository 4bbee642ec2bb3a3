//! The layers as they stand in the pipeline, against a server that is no more than a socket: it can cut, stall, reset and
//! talk nonsense, which no well-behaved server does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use http::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};

use super::*;
use crate::auth::Caller;
use crate::catalog::{Catalog, Files, Options};
use crate::connections::{Clock, Connection, Connections, NewConnection, TenantId, Vault};
use crate::error::{Kind, Outcome, Result};
use crate::idempotency::Progress;
use crate::model::Priority;
use crate::net::{Body, Client, Config};
use crate::stack::around;
use crate::store::Store;
use crate::telemetry::{self, Labels, Metrics, Timings, Vocabulary};

const CAP: usize = 1024;

/// One provider, what it was asked, and the way there.
struct Scene {
    service: Service,
    connection: Arc<Connection>,
    seen: Arc<Mutex<Vec<String>>>,
    metrics: Arc<Metrics>,
    timings: Arc<Timings>,
}

/// What the server does with the request of the given number, which it has read to the end of its head and body.
type Script = Arc<dyn Fn(usize, TcpStream) -> BoxFuture<'static, ()> + std::marker::Send + Sync>;

fn script<F, Fut>(script: F) -> Script
where
    F: Fn(usize, TcpStream) -> Fut + std::marker::Send + Sync + 'static,
    Fut: std::future::Future<Output = ()> + std::marker::Send + 'static,
{
    Arc::new(move |number, stream| Box::pin(script(number, stream)))
}

/// The same bytes to everybody, on a connection that is good for one request.
fn says(answer: &'static str) -> Script {
    let (head, body) = answer.rsplit_once("\r\n\r\n").expect("an end of the head");
    let answer: Arc<str> = format!("{head}\r\nconnection: close\r\n\r\n{body}").into();
    script(move |_, mut stream| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
}

async fn scene(script: Script) -> Scene {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (log, script) = (log.clone(), script.clone());
            tokio::spawn(async move {
                let Some(request) = read_request(&mut stream).await else { return };
                let number = {
                    let mut log = log.lock();
                    log.push(request);
                    log.len()
                };
                script(number, stream).await;
            });
        }
    });
    scene_at(&format!("http://{address}/base"), seen, true).await
}

async fn scene_at(origin: &str, seen: Arc<Mutex<Vec<String>>>, allow: bool) -> Scene {
    let (connections, connection) = connected(origin).await;
    let metrics = Metrics::new().expect("the families");
    metrics.catalog_loaded(&Vocabulary {
        revision: "1".into(),
        providers: vec!["acme".into()],
        resources: vec!["contacts".into()],
        limits: Vec::new(),
    });
    let config = Config { dangerous_allow_private_addresses: allow, ..Config::default() };
    let stack = ServiceBuilder::new()
        .layer(around(Retry::new(metrics.clone())))
        .layer(around(Read))
        .layer(around(Breaker::new(connections.clone(), metrics.clone())))
        .layer(around(AddCredentials::new(connections)))
        .layer(around(RecordAttempt::new(metrics.clone())))
        .layer(around(HeadTimeout::default()))
        .service(Send::new(Client::new(&config).expect("a client")));
    let service = Service::new(stack);
    Scene { service, connection, seen, metrics, timings: Arc::default() }
}

/// A connection of a provider at `origin`, with a token, in a store in memory.
async fn connected(origin: &str) -> (Connections, Arc<Connection>) {
    let text = format!("title: Acme\nbase_url: {origin}\nhosts: {{ api: ['{origin}'] }}\nauth: {{ token: {{}} }}\n");
    let files = Files::of([("acme/provider.yaml", text)]);
    let catalog = Catalog::load(&files, &Options::default()).expect("a good provider");
    let catalog = Arc::new(arc_swap::ArcSwap::from_pointee(catalog));
    let vault = Vault::from_key_base64(&Vault::generate_key().expect("random")).expect("a key");
    let store = Store::memory().expect("a store");
    let config = crate::config::Config { store: "sqlite::memory:".into(), ..Default::default() };
    let (client, metrics) = (Client::new(&config.upstream).expect("a client"), Metrics::new().expect("metrics"));
    let connections = crate::serve::connections(&config, Clock::default(), &store, &vault, &catalog, &client, &metrics)
        .expect("the service");
    let body = serde_json::json!({
        "provider": "acme", "customer_id": "customer", "credentials": {"type": "token", "token": "the-real-one"},
    });
    let caller = Caller::operator(TenantId("tenant".into()));
    let new = NewConnection::from_json(&body).expect("a good body");
    let created = connections.create(&caller, new).await.expect("created");
    (connections, Arc::new(created.overview.connection))
}

/// Head and body as text; `None` when the other side leaves before the end of them.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let wanted = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let wanted: usize = wanted.and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= wanted {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
            _ => return None,
        }
    }
}

impl Scene {
    fn request(&self, method: Method) -> Request {
        Request {
            connection: self.connection.clone(),
            labels: Labels {
                provider: "acme".into(),
                resource: "contacts".into(),
                operation: telemetry::Operation::List,
            },
            method: method.clone(),
            path_and_query: "/things?a=b".into(),
            root: false,
            passthrough: false,
            headers: Arc::default(),
            body: Body::empty(),
            progress: Progress::default(),
            effect: Effect::of(&method),
            bulk: false,
            read: None,
            caller: "key".into(),
            priority: Priority::READ,
            deadline: Instant::now() + Duration::from_secs(60),
            trace: Default::default(),
            timings: self.timings.clone(),
        }
    }

    async fn send(&self, request: Request) -> Result<Response> {
        self.service.clone().oneshot(request).await
    }

    async fn get(&self) -> Result<Response> {
        self.send(self.request(Method::GET)).await
    }

    async fn post(&self) -> Result<Response> {
        let body = Body::full(r#"{"a":1}"#);
        self.send(Request { body, ..self.request(Method::POST) }).await
    }

    fn requests(&self) -> usize {
        self.seen.lock().len()
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.render().expect("text").contains(line)
    }
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_plain_answer_comes_through() {
    let scene = scene(says(PLAIN)).await;
    let response = scene.get().await.expect("an answer");
    assert_eq!((response.status, response.generation), (StatusCode::OK, 1));
    let response = response.collect(CAP).await.expect("a body");
    assert_eq!(response.body(), "ok");
    let seen = scene.seen.lock().concat();
    assert!(seen.starts_with("GET /base/things?a=b HTTP/1.1\r\n"), "{seen}");
    assert!(scene.timings.upstream() > Duration::ZERO);
    assert!(scene.counted(r#"throughline_attempts_total{operation="list",outcome="2xx",provider="acme"} 1"#));
}

#[tokio::test]
async fn the_credential_survives_whatever_the_caller_names() {
    let scene = scene(says("HTTP/1.1 200 OK\r\nx-echo: the-real-one\r\nx-kept: 1\r\ncontent-length: 0\r\n\r\n")).await;
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("authorization, x-a"));
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer the-callers"));
    headers.insert("x-a", HeaderValue::from_static("1"));
    let headers = Arc::new(headers);
    let response = scene.send(Request { headers, ..scene.request(Method::GET) }).await.expect("an answer");
    let seen = scene.seen.lock().concat();
    assert!(seen.contains("authorization: Bearer the-real-one\r\n"), "{seen}");
    assert!(!seen.contains("the-callers") && !seen.contains("x-a") && !seen.contains("connection:"), "{seen}");
    assert!(response.headers.contains_key("x-kept") && !response.headers.contains_key("x-echo"));
}

#[tokio::test]
async fn an_empty_write_announces_its_length() {
    let scene = scene(says(PLAIN)).await;
    scene.send(scene.request(Method::POST)).await.expect("an answer");
    let seen = scene.seen.lock().concat();
    assert_eq!(seen.matches("content-length: 0\r\n").count(), 1, "{seen}");
}

#[tokio::test]
async fn a_cut_body_is_not_an_answer() {
    const CUT: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let scene = scene(says(CUT)).await;
    let error = scene.get().await.expect("a head").collect(CAP).await.expect_err("half a body");
    assert_eq!((error.kind(), error.get_outcome()), (Kind::InvalidProviderResponse, None));
    let error = scene.post().await.expect("a head").collect(CAP).await.expect_err("half a body");
    assert_eq!((error.is_retryable(), error.get_outcome()), (false, Some(Outcome::Executed)));
    let mut stream = scene.get().await.expect("a head").into_stream();
    assert!(stream.frame().await.is_some_and(|frame| frame.is_ok()));
    assert!(stream.frame().await.is_some_and(|frame| frame.is_err()), "the stream must not look complete");
}

#[tokio::test]
async fn a_body_past_the_cap_is_refused() {
    let scene = scene(says(PLAIN)).await;
    let error = scene.get().await.expect("a head").collect(1).await.expect_err("too large");
    assert_eq!(error.kind(), Kind::InvalidProviderResponse);
}

#[tokio::test]
async fn nobody_there_means_not_executed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let scene = scene_at(&format!("http://{address}"), Arc::default(), true).await;
    let error = scene.post().await.expect_err("nobody there");
    assert_eq!((error.kind(), error.get_outcome()), (Kind::ProviderUnavailable, Some(Outcome::NotExecuted)));
    assert!(error.is_retryable());
    assert!(scene.counted(r#"throughline_attempts_total{operation="list",outcome="connect",provider="acme"} "#));
    assert!(scene.counted(r#"throughline_retries_total{provider="acme",result="sent"} "#));
}

/// Takes the request and closes without a word, once; then behaves.
fn drops_first() -> Script {
    script(|number, mut stream| async move {
        if number > 1 {
            let _ = stream.write_all(PLAIN.as_bytes()).await;
        }
    })
}

#[tokio::test]
async fn a_read_that_was_lost_is_sent_again() {
    let scene = scene(drops_first()).await;
    assert_eq!(scene.get().await.expect("the second answer").status, StatusCode::OK);
    assert_eq!(scene.requests(), 2);
}

#[tokio::test]
async fn a_safe_post_counts_as_a_read() {
    let scene = scene(drops_first()).await;
    let request = Request { effect: Effect::None, body: Body::full("{}"), ..scene.request(Method::POST) };
    assert_eq!(scene.send(request).await.expect("the second answer").status, StatusCode::OK);
    assert_eq!(scene.requests(), 2);
}

#[tokio::test]
async fn a_write_that_was_lost_is_never_sent_again() {
    let scene = scene(drops_first()).await;
    let error = scene.post().await.expect_err("no answer");
    assert_eq!((error.kind(), error.get_outcome()), (Kind::OutcomeUnknown, Some(Outcome::Unknown)));
    assert!(!error.is_retryable());
    assert_eq!(scene.requests(), 1);
}

#[tokio::test]
async fn an_upsert_that_was_lost_is_sent_again() {
    let scene = scene(drops_first()).await;
    let request = Request { effect: Effect::Repeatable, body: Body::full("{}"), ..scene.request(Method::POST) };
    assert_eq!(scene.send(request).await.expect("the second answer").status, StatusCode::OK);
    assert_eq!(scene.requests(), 2);
}

#[tokio::test]
async fn an_upsert_that_stays_lost_has_an_unknown_outcome_and_may_be_tried_again() {
    let scene = scene(script(|_, stream| async move { drop(stream) })).await;
    let request = Request { effect: Effect::Repeatable, body: Body::full("{}"), ..scene.request(Method::PUT) };
    let error = scene.send(request).await.expect_err("no answer");
    assert_eq!((error.kind(), error.get_outcome()), (Kind::OutcomeUnknown, Some(Outcome::Unknown)));
    assert!(error.is_retryable());
    assert_eq!(scene.requests(), 2, "what replaces a thing is given one chance");
}

/// Half a body, once; then all of it.
fn cuts_first() -> Script {
    script(|number, mut stream| async move {
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
        let _ = stream.write_all(if number == 1 { cut } else { PLAIN.as_bytes() }).await;
    })
}

#[tokio::test]
async fn a_read_whose_answer_broke_off_is_sent_again() {
    let scene = scene(cuts_first()).await;
    let request = Request { read: Some(CAP), ..scene.request(Method::GET) };
    let response = scene.send(request).await.expect("the second answer").collect(CAP).await.expect("a body");
    assert_eq!((response.body().as_ref(), scene.requests()), (&b"ok"[..], 2));
}

#[tokio::test]
async fn a_write_whose_answer_broke_off_was_executed() {
    for effect in [Effect::Once, Effect::Repeatable] {
        let scene = scene(cuts_first()).await;
        let request = Request { read: Some(CAP), effect, ..scene.request(Method::POST) };
        let error = scene.send(request).await.expect_err("half an answer");
        assert_eq!((error.get_outcome(), error.is_retryable()), (Some(Outcome::Executed), false));
        assert_eq!(scene.requests(), 1);
    }
}

#[tokio::test]
async fn a_host_that_is_out_is_left_in_peace() {
    let scene = scene(says("HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n")).await;
    for _ in 0..5 {
        assert_eq!(scene.post().await.expect("an answer").status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let error = scene.post().await.expect_err("a breaker that is open");
    assert_eq!((error.kind(), error.get_outcome()), (Kind::ProviderUnavailable, Some(Outcome::NotExecuted)));
    assert!(error.is_retryable() && error.get_retry_after().is_some());
    assert_eq!(scene.requests(), 5);
    assert!(scene.counted(r#"throughline_breaker_total{event="opened",provider="acme"} 1"#));
    assert!(scene.counted(r#"throughline_breaker_total{event="refused",provider="acme"} 1"#));
}

#[tokio::test]
async fn refusals_of_a_customer_do_not_make_an_outage() {
    for refusal in ["401 No", "403 No", "429 Slow", "500 Oops"] {
        let answer: &'static str = format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n").leak();
        let scene = scene(says(answer)).await;
        for _ in 0..30 {
            assert!(scene.post().await.is_ok(), "{refusal}");
        }
        assert_eq!(scene.requests(), 30, "{refusal}");
    }
}

#[tokio::test]
async fn a_stream_is_sent_once_only() {
    let scene = scene(drops_first()).await;
    let body = Body::streaming(Body::full("x"));
    let error = scene.send(Request { body, ..scene.request(Method::GET) }).await.expect_err("no answer");
    assert_eq!((error.kind(), scene.requests()), (Kind::ProviderUnavailable, 1));
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_costs_a_write_nothing() {
    // Keeps the connection alive by its words and closes it.
    let scene = scene(script(|_, mut stream| async move {
        let _ = stream.write_all(PLAIN.as_bytes()).await;
    }))
    .await;
    for asked in 1..=3 {
        let response = scene.post().await.expect("an answer").collect(CAP).await.expect("a body");
        assert_eq!((response.body().as_ref(), scene.requests()), (&b"ok"[..], asked));
        // The farewell is on its way through the kernel; there is nothing else to wait for.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_the_providers_fault() {
    let scene = scene(says(PLAIN)).await;
    let broken = || {
        let parts = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(std::io::Error::other("gone"))];
        StreamBody::new(stream::iter(parts).then(|part| async { part }))
    };
    let upload = |body: Body| Request { body, passthrough: true, ..scene.request(Method::PUT) };
    let error = scene.send(upload(Body::streaming(broken()))).await.expect_err("half an upload");
    assert_eq!((error.kind(), error.get_outcome()), (Kind::InvalidRequest, Some(Outcome::Unknown)));
    let error = scene.send(upload(Body::streaming(Limited::new(broken(), 3)))).await.expect_err("too much");
    assert_eq!(error.kind(), Kind::PayloadTooLarge);
}

#[tokio::test]
async fn gateway_failures_are_retried_for_reads_alone() {
    const DOWN: &str = "HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n";
    let scene = scene(says(DOWN)).await;
    assert_eq!(scene.get().await.expect("the last answer").status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.requests(), 3);
    assert_eq!(scene.post().await.expect("the only answer").status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.requests(), 4);
}

#[tokio::test]
async fn a_delay_past_the_deadline_is_handed_on() {
    let scene = scene(says("HTTP/1.1 503 Down\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n")).await;
    let response = scene.get().await.expect("the answer");
    assert_eq!(retry_after(&response.headers), Some(Duration::from_secs(3600)));
    assert_eq!(scene.requests(), 1);
    assert!(scene.counted(r#"throughline_retries_total{provider="acme",result="no-time"} 1"#));
}

#[tokio::test]
async fn an_outage_is_not_amplified() {
    let scene = scene(says("HTTP/1.1 502 Down\r\ncontent-length: 0\r\n\r\n")).await;
    let mut refused = 0;
    for _ in 0..40 {
        match scene.get().await {
            Ok(answer) => assert_eq!(answer.status, StatusCode::BAD_GATEWAY),
            Err(error) => {
                assert_eq!(error.kind(), Kind::ProviderUnavailable);
                refused += 1;
            }
        }
    }
    // The breaker opens after five, resends included.
    assert!(refused >= 35 && scene.requests() <= 7, "{refused} {}", scene.requests());
}

/// Answers nothing, and tells the test when it has the request.
async fn stalled() -> (Scene, oneshot::Receiver<()>) {
    let (told, has_request) = oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let scene = scene(script(move |_, stream| {
        let told = told.lock().take();
        async move {
            if let Some(told) = told {
                let _ = told.send(());
            }
            std::future::pending::<()>().await;
            drop(stream);
        }
    }))
    .await;
    (scene, has_request)
}

async fn after_stall(method: Method) -> (crate::error::Error, usize) {
    let (scene, has_request) = stalled().await;
    let request = scene.request(method);
    let answer = tokio::spawn(scene.service.clone().oneshot(request));
    has_request.await.expect("the request");
    // From here nothing but time can happen.
    tokio::time::pause();
    let error = answer.await.expect("no panic").expect_err("no answer");
    (error, scene.requests())
}

#[tokio::test]
async fn a_head_that_does_not_come_is_a_timeout() {
    let (error, requests) = after_stall(Method::GET).await;
    // Half the time was left for another one.
    assert_eq!((error.kind(), error.get_outcome(), requests), (Kind::ProviderTimeout, None, 2));
}

#[tokio::test]
async fn and_for_a_write_an_unknown_outcome() {
    let (error, requests) = after_stall(Method::POST).await;
    assert_eq!((error.kind(), error.get_outcome(), requests), (Kind::OutcomeUnknown, Some(Outcome::Unknown), 1));
}

#[tokio::test]
async fn a_request_past_its_deadline_is_not_sent() {
    let scene = scene(says(PLAIN)).await;
    let late = Request { deadline: Instant::now(), ..scene.request(Method::PATCH) };
    let error = scene.send(late).await.expect_err("too late");
    assert_eq!((error.get_outcome(), scene.requests()), (Some(Outcome::NotExecuted), 0));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nlocation: http://evil.test/\r\ncontent-length: 0\r\n\r\n";
    let scene = scene(says(ELSEWHERE)).await;
    assert_eq!(scene.get().await.expect_err("a redirect").kind(), Kind::UnexpectedRedirect);
    let request = Request { passthrough: true, root: true, ..scene.request(Method::GET) };
    let response = scene.send(request).await.expect("the redirect itself");
    assert_eq!(response.headers.get("location").map(HeaderValue::as_bytes), Some(&b"http://evil.test/"[..]));
    assert_eq!(scene.requests(), 2);
    assert!(scene.seen.lock().last().is_some_and(|request| request.starts_with("GET /things?a=b ")));
}

#[tokio::test]
async fn an_unchanged_record_is_no_redirect() {
    let scene = scene(says("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n")).await;
    assert_eq!(scene.get().await.expect("an answer").status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let scene = scene(says(
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ))
    .await;
    let response = scene.get().await.expect("the final answer").collect(CAP).await.expect("a body");
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"ok"[..]));
}

#[tokio::test]
async fn nonsense_is_not_an_answer() {
    for nonsense in [
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ] {
        let scene = scene(says(nonsense)).await;
        assert_eq!(scene.get().await.expect_err(nonsense).kind(), Kind::InvalidProviderResponse, "{nonsense}");
        assert_eq!(scene.post().await.expect_err(nonsense).kind(), Kind::OutcomeUnknown, "{nonsense}");
    }
}

#[tokio::test]
async fn inner_addresses_are_refused_unless_allowed() {
    let open = scene(says(PLAIN)).await;
    assert!(open.get().await.is_ok());
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "localhost", "127.1", "2130706433"] {
        let scene = scene_at(&format!("http://{host}:9"), Arc::default(), false).await;
        let error = scene.post().await.expect_err(host);
        assert_eq!(error.get_origin(), crate::error::Origin::Throughline, "{host}: {error:?}");
        assert_eq!((error.is_retryable(), error.get_outcome()), (false, Some(Outcome::NotExecuted)), "{host}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_no_credential() {
    let scene = scene(says(PLAIN)).await;
    let plain = scene.seen.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(PLAIN.as_bytes()).await;
        }
    });
    let secure = scene_at(&format!("https://{address}"), plain, true).await;
    let error = secure.post().await.expect_err("no handshake");
    assert_eq!((error.get_outcome(), secure.requests()), (Some(Outcome::NotExecuted), 0));
    assert!(secure.counted(r#"outcome="tls""#));
}

#[tokio::test]
async fn the_first_byte_does_not_wait_for_the_last() {
    let (finish, finished) = oneshot::channel::<()>();
    let finished = Arc::new(Mutex::new(Some(finished)));
    let scene = scene(script(move |_, mut stream| {
        let finished = finished.lock().take();
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
            if let Some(finished) = finished {
                let _ = finished.await;
            }
            let _ = stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await;
        }
    }))
    .await;
    let mut body = scene.get().await.expect("a head").into_stream();
    let first = body.frame().await.expect("a frame").expect("data");
    assert_eq!(first.into_data().expect("data"), "first");
    finish.send(()).expect("the server waits");
    assert_eq!(body.collect().await.expect("the rest").to_bytes(), "last");
}

#[test]
fn delays_are_read_in_both_forms() {
    let headers =
        |text: &'static str| HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static(text))]);
    assert_eq!(retry_after(&headers("120")), Some(Duration::from_secs(120)));
    assert_eq!(retry_after(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
    for unreadable in ["soon", "-1", "1.5", "99999999999999999999999"] {
        assert_eq!(retry_after(&headers(unreadable)), None, "{unreadable}");
    }
}
