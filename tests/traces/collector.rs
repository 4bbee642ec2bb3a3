//! A collector of traces on a raw socket, and what it was sent.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use serde_json::Value;
use throughline::config::Config;
use throughline::store::Store;

use crate::support::{FakeVendor, Server, json_answer, plain_answer, provider, start_configured};

/// A server with a vendor, traced by a collector.
pub struct Scene {
    pub vendor: FakeVendor,
    pub collector: FakeVendor,
    pub server: Server,
}

/// One span with what a test looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: i32,
    pub failed: bool,
    pub state: String,
    pub texts: BTreeMap<String, String>,
}

impl Scene {
    pub async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let (vendor, collector) = (FakeVendor::start().await, FakeVendor::start().await);
        vendor.answers(json_answer(200, r#"{"id": "1"}"#));
        collector.answers(plain_answer(200, "Content-Type: application/x-protobuf\r\n", ""));
        let url = collector.url();
        let server = start_configured(
            provider("fake", None),
            &[("fake", &vendor)],
            Store::memory().expect("a store in memory"),
            |config| {
                config.tracing.endpoint = Some(url);
                config.tracing.sample = 1.0;
                configure(config);
            },
        )
        .await;
        Self { vendor, collector, server }
    }

    /// Ends the server, which brings what is left to the collector at once, and returns all spans in the order of their end.
    pub async fn spans(&mut self) -> Vec<Span> {
        self.server.stop();
        // The admin listener is the last to close.
        until_closed(self.server.admin).await;
        self.collector.requests().iter().flat_map(|request| read(&request.body)).collect()
    }
}

pub async fn until_closed(address: std::net::SocketAddr) {
    let gone = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the server ends");
}

impl Span {
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }
}

pub fn read(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| {
        let texts = span.attributes.iter().map(|attribute| {
            let text = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Any::StringValue(text)) => text.clone(),
                Some(Any::IntValue(number)) => number.to_string(),
                other => panic!("{}: {other:?}", attribute.key),
            };
            (attribute.key.clone(), text)
        });
        Span {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            texts: texts.collect(),
            failed: span.status.is_some_and(|status| status.code == 2),
            name: span.name,
            kind: span.kind,
            state: span.trace_state,
        }
    });
    spans.collect()
}

/// The same body as OpenTelemetry's own messages for Python read it; none where they are not installed, which
/// THROUGHLINE_REQUIRE_OTLP=1 makes a failure.
pub fn read_by_others(body: &[u8]) -> Option<Value> {
    let Some(folder) = std::env::var_os("THROUGHLINE_TEST_OTLP") else {
        assert!(std::env::var_os("THROUGHLINE_REQUIRE_OTLP").is_none_or(|value| value != "1"), "nobody reads OTLP");
        eprintln!("skipped: THROUGHLINE_TEST_OTLP names no folder (tests/run.sh makes one)");
        return None;
    };
    let python = std::path::Path::new(&folder).join("venv/bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/otlp/read.py");
    let mut command = Command::new(python);
    let mut reader = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    reader.stdin.take().expect("its input").write_all(body).expect("written");
    let output = reader.wait_with_output().expect("it ends");
    assert!(output.status.success(), "it cannot be read");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
