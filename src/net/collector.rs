//! The way to the collector of traces: OTLP over HTTP, in protobuf. Apart from requests in everything: a task of its own, a
//! client of its own, and a collector that is slow or away costs spans, which are counted, and nothing else.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::time::{Instant, sleep};

use super::body::{Body, collect_capped};
use super::client::{Client, ClientError};
use super::send_error::SendError;
use crate::telemetry::trace::{Config, Spans};
use crate::telemetry::{Exported, Metrics};

/// For the head of an answer, and for each further part of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Times that a batch is sent at most, and the pause after the first; each further one is twice as long.
const TIMES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// Answers say next to nothing. Bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// How often it is said at most that spans were lost.
const COMPLAIN: Duration = Duration::from_secs(60);

/// A collector that takes spans.
pub struct Collector {
    client: Client,
    url: Uri,
    headers: HeaderMap,
    resource: Resource,
    metrics: Arc<Metrics>,
    /// What was last said of spans that were lost: when, and how many there were.
    complained: Option<(Instant, u64)>,
}

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("it answered {0}")]
    Refused(StatusCode),
    #[error("it gave no answer: {0}")]
    Unreachable(#[from] SendError),
}

impl Collector {
    /// The configured one, if there is one. Its address is the operator's own, so that it may be a private one; it is
    /// reached directly, whatever the proxy for CRMs.
    pub fn new(config: &Config, net: &super::Config, metrics: &Arc<Metrics>) -> Result<Option<Self>, ClientError> {
        let Some(url) = config.url() else { return Ok(None) };
        let direct = super::Config { dangerous_allow_private_addresses: true, proxy: None, ..net.clone() };
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            // Both were looked at when the configuration was read.
            if let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.expose())) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let attributes =
            [("service.name", config.service_name.as_str()), ("service.version", env!("CARGO_PKG_VERSION"))];
        let resource = Resource { attributes: attributes.map(text).into(), ..Resource::default() };
        let metrics = Arc::clone(metrics);
        Ok(Some(Self { client: Client::new(&direct)?, url, headers, resource, metrics, complained: None }))
    }

    /// Sends what comes, until `stop`, and then what is there still. Whoever waits for the end decides for how long.
    pub async fn export(mut self, mut spans: Spans, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut stopped = false;
        loop {
            let batch = tokio::select! {
                () = &mut stop, if !stopped => {
                    stopped = true;
                    spans.close();
                    continue;
                }
                batch = spans.next() => batch,
            };
            if batch.is_empty() {
                return;
            }
            let number = batch.len();
            let failed = self.deliver(batch).await.err();
            self.metrics.trace_spans(if failed.is_some() { Exported::Undelivered } else { Exported::Sent }, number);
            self.complain(failed);
        }
    }

    async fn deliver(&self, batch: Vec<Span>) -> Result<(), Undelivered> {
        let scope = InstrumentationScope { name: "throughline".into(), ..InstrumentationScope::default() };
        let spans = ScopeSpans { scope: Some(scope), spans: batch, ..ScopeSpans::default() };
        let resource_spans = vec![ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![spans],
            ..Default::default()
        }];
        let body = bytes::Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let mut pause = PAUSE;
        for _ in 1..TIMES {
            match self.send(&body).await {
                Err(failed) if failed.may_pass() => sleep(pause).await,
                settled => return settled,
            }
            pause *= 2;
        }
        self.send(&body).await
    }

    async fn send(&self, body: &bytes::Bytes) -> Result<(), Undelivered> {
        let mut request = Request::new(Body::full(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        let (head, body) = self.client.send_by(request, Instant::now() + PATIENCE).await?.into_parts();
        // Read to its end, so that the connection can be used again.
        let answer = collect_capped(body, MAX_ANSWER, PATIENCE).await.unwrap_or_default();
        if !head.status.is_success() {
            return Err(Undelivered::Refused(head.status));
        }
        let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        if let Some(rejected) = partial.map(|partial| partial.rejected_spans).filter(|rejected| *rejected > 0) {
            tracing::warn!(rejected, "The collector did not take some of the spans");
        }
        Ok(())
    }

    /// Once a minute at most, however much is lost.
    fn complain(&mut self, failed: Option<Undelivered>) {
        let lost = self.metrics.lost_trace_spans();
        let (told_at, told) = self.complained.map_or((None, 0), |(at, told)| (Some(at), told));
        if lost > told && told_at.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            let why = failed.map_or_else(|| "it is slower than requests are".to_owned(), |failed| failed.to_string());
            tracing::warn!(spans = lost - told, why, "Spans did not get to the collector; requests go on as ever");
            self.complained = Some((Instant::now(), lost));
        }
    }
}

impl Undelivered {
    /// Whether the same batch may be taken later (the statuses that OTLP names).
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Unreachable(_) => true,
        }
    }
}

fn text((key, value): (&str, &str)) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
