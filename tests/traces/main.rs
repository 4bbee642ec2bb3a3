//! Traces: what a collector gets of requests, whose traces they are in, and that a collector in trouble is nobody's.

#[path = "../support/mod.rs"]
mod support;

mod collector;
mod trouble;

use serde_json::json;

use collector::{Scene, Span, read_by_others};
use support::{TOKEN, json_answer};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// By what they stand for: kinds 1, 2 and 3 are internal, server and client.
fn shown(spans: &[Span]) -> Vec<(&str, i32)> {
    spans.iter().map(|span| (span.name.as_str(), span.kind)).collect()
}

fn is_chain(spans: &[Span]) -> bool {
    spans.windows(2).all(|pair| pair[0].parent == pair[1].id && pair[0].trace == pair[1].trace)
}

#[tokio::test]
async fn a_request_is_a_span_and_below_it_are_call_upstream_and_attempt() {
    let mut scene = Scene::start(|_| {}).await;
    scene.vendor.answers(json_answer(200, r#"{"id": "1", "name": "Lovelace", "mail": "ada@example.com"}"#));
    let client = scene.server.on("fake").with("traceparent", &parent("01")).with("X-Request-Id", "req-of-test");
    let answer = client.get("/v1/crm/contacts/1?fields=last_name").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let spans = scene.spans().await;
    assert_eq!(
        shown(&spans),
        [("GET", 3), ("upstream GET", 1), ("get contacts", 1), ("GET /v1/crm/{resource}/{id}", 2)]
    );
    assert!(is_chain(&spans), "{spans:?}");
    let [attempt, upstream, call, edge] = &spans[..] else { panic!("four spans") };
    assert_eq!((edge.trace.as_str(), edge.parent.as_str()), (TRACE, CALLER), "the caller's trace goes on");
    let connection = scene.server.connection("fake");
    for (span, name, value) in [
        (edge, "http.request.method", "GET"),
        (edge, "http.route", "/v1/crm/{resource}/{id}"),
        (edge, "http.response.status_code", "200"),
        (edge, "throughline.request_id", "req-of-test"),
        (edge, "throughline.tenant", "demo"),
        (edge, "throughline.connection", connection),
        (edge, "throughline.provider", "fake"),
        (edge, "throughline.resource", "contacts"),
        (edge, "throughline.operation", "get"),
        (call, "throughline.provider", "fake"),
        (call, "throughline.resource", "contacts"),
        (call, "throughline.operation", "get"),
        (upstream, "throughline.connection", connection),
        (upstream, "http.response.status_code", "200"),
        (attempt, "http.request.method", "GET"),
        (attempt, "http.response.status_code", "200"),
        (attempt, "server.address", "127.0.0.1"),
        (attempt, "url.full", &format!("{}/base/contacts/1", scene.vendor.url())),
    ] {
        assert_eq!(span.text(name), value, "{name} of {}", span.name);
    }
    assert!(spans.iter().all(|span| !span.failed && span.text("error.type").is_empty()));
    // The exporter's own request has what the configuration says, and nothing of ours.
    let sent = scene.collector.last();
    assert_eq!(sent.line(), "POST /v1/traces HTTP/1.1");
    assert_eq!(sent.header("content-type"), Some("application/x-protobuf"));
}

#[tokio::test]
async fn a_collector_by_others_reads_the_same() {
    let mut scene = Scene::start(|config| {
        config.tracing.service_name = "crm-proxy".into();
        config.tracing.headers.insert("x-collector-key".into(), "collector-secret".into());
    })
    .await;
    scene.server.on("fake").with("traceparent", &parent("01")).get("/v1/crm/contacts/1").await;
    let ours = scene.spans().await;
    let sent = scene.collector.last();
    assert_eq!(sent.header("x-collector-key"), Some("collector-secret"));
    let Some(theirs) = read_by_others(&sent.body) else { return };
    let resource = &theirs["resourceSpans"][0];
    assert_eq!(
        resource["resource"]["attributes"][0],
        json!({"key": "service.name", "value": {"stringValue": "crm-proxy"}})
    );
    let scope = &resource["scopeSpans"][0];
    assert_eq!(scope["scope"]["name"], "throughline");
    let spans = scope["spans"].as_array().expect("spans");
    assert_eq!(spans.len(), ours.len());
    let kinds = ["SPAN_KIND_CLIENT", "SPAN_KIND_INTERNAL", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER"];
    for ((theirs, ours), kind) in spans.iter().zip(&ours).zip(kinds) {
        assert_eq!((theirs["name"].as_str(), theirs["kind"].as_str()), (Some(ours.name.as_str()), Some(kind)));
        let time = |name: &str| theirs[name].as_str().and_then(|time| time.parse::<u64>().ok()).expect("a time");
        let (start, end) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
        assert!(start > 1_700_000_000_000_000_000 && end >= start && end - start < 60_000_000_000);
    }
    // Bytes in protobuf's JSON are base64: the ids of this trace and of the caller's span.
    assert_eq!(spans[3]["traceId"], "CvdlGRbNQ92ESOshHIAxnA==");
    assert_eq!(spans[3]["parentSpanId"], "t61rcWkgMzE=");
}

#[tokio::test]
async fn attempts_that_are_made_again_are_spans_side_by_side() {
    let mut scene = Scene::start(|_| {}).await;
    let times = std::sync::atomic::AtomicUsize::new(0);
    scene.vendor.answers_with(move |_| match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => json_answer(503, "{}"),
        _ => json_answer(200, r#"{"id": "1"}"#),
    });
    assert_eq!(scene.server.on("fake").get("/v1/crm/contacts/1").await.status, 200);
    let spans = scene.spans().await;
    assert_eq!(spans.len(), 5, "{spans:?}");
    let [first, second, upstream, ..] = &spans[..] else { panic!("five spans") };
    assert_eq!((first.parent.as_str(), second.parent.as_str()), (upstream.id.as_str(), upstream.id.as_str()));
    assert_eq!((first.text("error.type"), first.text("http.request.resend_count"), first.failed), ("503", "", true));
    assert_eq!((second.text("error.type"), second.text("http.request.resend_count"), second.failed), ("", "1", false));
    assert!(!upstream.failed);
}

#[tokio::test]
async fn failures_are_told_by_whose_they_are() {
    let mut scene = Scene::start(|_| {}).await;
    let client = scene.server.on("fake");
    scene.vendor.does(|exchange| async { exchange.reset() });
    client.post("/v1/crm/contacts", json!({"last_name": "Lovelace"})).await.problem(502, "outcome-unknown");
    client.get("/v1/crm/contacts?filter[nonsense]=1").await.problem(400, "unsupported-filter");
    let spans = scene.spans().await;
    let [attempt, upstream, call, edge, refused] = &spans[..] else { panic!("five spans: {spans:?}") };
    for span in [upstream, call, edge] {
        assert_eq!((span.text("error.type"), span.failed), ("outcome-unknown", true), "{span:?}");
    }
    assert!(attempt.failed && attempt.text("http.response.status_code").is_empty(), "{attempt:?}");
    assert_eq!((edge.text("throughline.outcome"), edge.text("throughline.problem")), ("unknown", "outcome-unknown"));
    assert_eq!((refused.text("throughline.problem"), refused.text("error.type")), ("unsupported-filter", ""));
    assert!(!refused.failed, "what the caller did wrong is no failure of the server");
    assert_ne!(refused.trace, edge.trace);
}

#[tokio::test]
async fn raw_requests_tell_where_they_went_but_not_what_they_were_about() {
    let mut scene = Scene::start(|_| {}).await;
    let client = scene.server.on("fake").with("X-Note", "header-canary");
    let path = "/v1/passthrough/contacts/ada%40canary.example?email=query-canary&api_key=query-canary";
    client.request("PUT", path).json(&json!({"name": "body-canary"})).send().await;
    let spans = scene.spans().await;
    assert_eq!(
        shown(&spans),
        [("PUT", 3), ("upstream PUT", 1), ("PUT /v1/passthrough/{*path}", 2)],
        "there is no call for records"
    );
    assert_eq!(spans[0].text("url.full"), format!("{}/contacts/REDACTED", scene.vendor.url()));
    assert_eq!(spans[2].text("url.path"), "/contacts/REDACTED");
    assert_eq!(spans[2].text("throughline.outcome"), "executed");
    let sent: Vec<u8> = scene.collector.requests().into_iter().flat_map(|request| request.body).collect();
    assert!(!sent.is_empty());
    let key = scene.server.key.clone();
    for secret in ["canary", TOKEN, key.as_str()] {
        assert!(sent.windows(secret.len()).all(|part| part != secret.as_bytes()), "{secret} was told");
    }
}

#[tokio::test]
async fn a_vendor_that_repeats_the_credential_tells_nobody() {
    let mut scene = Scene::start(|_| {}).await;
    let client = scene.server.on("fake");
    let connection = format!("/v1/connections/{}", scene.server.connection("fake"));
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(client.patch(&connection, json!({"log_bodies_until": until.to_string()})).await.status, 200);
    scene.vendor.answers_with(|request| {
        let key = request.header("x-fake-key").unwrap_or_default().to_owned();
        let status = if request.line().contains("refused") { 403 } else { 200 };
        let headers = format!("Content-Type: application/json\r\nX-Echo: {key}\r\n");
        support::plain_answer(status, &headers, format!(r#"{{"id": "1", "name": "seen", "message": "{key}"}}"#))
    });
    client.get("/v1/crm/contacts/1").await;
    let refused = client.get("/v1/crm/contacts/refused").await;
    client.get("/v1/passthrough/contacts/refused").await;
    client.post("/v1/crm/contacts", json!({"last_name": "seen"})).await;
    let log = client.get(&format!("{connection}/requests")).await.text();
    let metrics = support::Client::new(scene.server.admin).get("/metrics").await.text();
    scene.spans().await;
    let spans: Vec<u8> = scene.collector.requests().into_iter().flat_map(|request| request.body).collect();
    assert!(log.contains("seen") && !spans.is_empty());
    let secrets = [TOKEN, scene.server.key.as_str()];
    for (place, told) in
        [("log", log.as_bytes()), ("metrics", metrics.as_bytes()), ("spans", &spans), ("problem", &refused.body)]
    {
        for secret in secrets {
            assert!(told.windows(secret.len()).all(|part| part != secret.as_bytes()), "the {place}: {secret}");
        }
    }
}

#[tokio::test]
async fn the_callers_decision_counts_unless_it_may_not() {
    let ask = async |sample: f64, follow: bool| {
        let mut scene = Scene::start(|config| {
            config.tracing.sample = sample;
            config.tracing.follow_callers = follow;
        })
        .await;
        for (path, given) in [("sampled", parent("01")), ("unsampled", parent("00")), ("malformed", parent("xy"))] {
            scene
                .server
                .on("fake")
                .with("traceparent", &given)
                .with("X-Request-Id", path)
                .get("/v1/crm/contacts/1")
                .await;
        }
        scene.server.on("fake").with("X-Request-Id", "alone").get("/v1/crm/contacts/1").await;
        let spans = scene.spans().await;
        let edges = spans.iter().filter(|span| span.kind == 2);
        edges.map(|span| (span.text("throughline.request_id").to_owned(), span.trace == TRACE)).collect::<Vec<_>>()
    };
    let is = |id: &str, joined: bool| (id.to_owned(), joined);
    assert_eq!(ask(0.0, true).await, [is("sampled", true)]);
    assert_eq!(ask(1.0, true).await, [is("sampled", true), is("malformed", false), is("alone", false)]);
    assert_eq!(ask(0.0, false).await, []);
    let all = [is("sampled", true), is("unsampled", true), is("malformed", false), is("alone", false)];
    assert_eq!(ask(1.0, false).await, all);
}

#[tokio::test]
async fn the_vendor_is_told_of_the_trace_only_where_that_is_asked_for() {
    let mut scene = Scene::start(|config| config.tracing.propagate = true).await;
    let client = scene.server.on("fake").with("tracestate", "vendor=1");
    client.with("traceparent", &parent("01")).get("/v1/crm/contacts/1").await;
    let sampled = scene.vendor.last();
    client.with("traceparent", &parent("00")).get("/v1/passthrough/contacts/1").await;
    let unsampled = scene.vendor.last();
    let spans = scene.spans().await;
    let told = sampled.header("traceparent").expect("a parent");
    assert_eq!(told, format!("00-{TRACE}-{}-01", spans[0].id), "the attempt is the parent of what the vendor does");
    assert_eq!((sampled.header("tracestate"), spans[0].state.as_str()), (Some("vendor=1"), "vendor=1"));
    let told = unsampled.headers("traceparent");
    assert!(told.len() == 1 && told[0].starts_with(&format!("00-{TRACE}-")) && told[0].ends_with("-00"), "{told:?}");
    assert!(!told[0].contains(CALLER), "the caller's own span is not the vendor's parent");

    let mut scene = Scene::start(|_| {}).await;
    let client = scene.server.on("fake").with("traceparent", &parent("01")).with("tracestate", "vendor=1");
    client.get("/v1/crm/contacts/1").await;
    client.get("/v1/passthrough/contacts/1").await;
    assert_eq!(scene.spans().await.len(), 7);
    for request in scene.vendor.requests() {
        assert!(request.header("traceparent").is_none() && request.header("tracestate").is_none(), "{}", request.head);
    }
}
