//! Spans, and the handles by which work knows under which span it is done.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use http::HeaderMap;
use jiff::Timestamp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as otlp, Status};

use super::Config;
use super::context::{Parent, TRACEPARENT, TRACESTATE, id_text, traceparent};
use super::queue::{Queue, Spans};
use crate::error::{Error, Origin};
use crate::telemetry::Metrics;

/// Flags of a span that tell whether its parent is of another service.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Begins traces, or does not. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    queue: Queue,
    sample: f64,
    follow_callers: bool,
    propagate: bool,
}

/// The span under which work is done; an empty one where nothing is traced. Cheap to clone.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Point>>);

struct Point {
    tracer: Arc<Inner>,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
    /// What other tracing systems told, for those who are asked.
    state: Option<Arc<str>>,
    children: AtomicU32,
}

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer to somebody who asked from outside.
    Server,
    /// Work of ours.
    Internal,
    /// A question to somebody outside.
    Client,
}

/// Work from its beginning until this is dropped, whatever ends it.
#[must_use = "a span that is dropped at once took no time"]
pub struct Span {
    trace: Trace,
    open: Option<Box<Open>>,
}

struct Open {
    span: otlp::Span,
    began: Instant,
}

impl Tracer {
    /// With the spans that it will make, for whoever exports them; none if the configuration names no collector.
    pub fn new(config: &Config, metrics: &Arc<Metrics>) -> (Self, Option<Spans>) {
        if config.endpoint.is_none() {
            return (Self::default(), None);
        }
        let (queue, spans) = Queue::new(metrics);
        let Config { sample, follow_callers, propagate, .. } = *config;
        (Self(Some(Arc::new(Inner { queue, sample, follow_callers, propagate }))), Some(spans))
    }

    /// The span of a whole request, in its caller's trace if it has one.
    pub fn request(&self, parent: Option<Parent>, headers: &HeaderMap, name: impl FnOnce() -> String) -> Span {
        let Some(tracer) = &self.0 else { return Span::none() };
        let (trace_id, parent_id) = match parent {
            Some(parent) => (parent.trace_id, parent.span_id),
            None => (random(), [0; 8]),
        };
        let sampled = match parent {
            Some(parent) if tracer.follow_callers => parent.sampled,
            // Of its own randomness: a caller who may not decide could choose an id that decides.
            Some(_) => tracer.samples(random()),
            None => tracer.samples(trace_id),
        };
        let state = parent.and_then(|_| Parent::state(headers));
        let point = Point {
            tracer: Arc::clone(tracer),
            trace_id,
            span_id: random(),
            sampled,
            state,
            children: AtomicU32::new(0),
        };
        Span::begin(point, parent_id, IS_REMOTE, Kind::Server, name)
    }
}

impl Inner {
    /// By the low bits of an id, as other services of the trace do it, too.
    fn samples(&self, id: [u8; 16]) -> bool {
        let low = u128::from_be_bytes(id) as u64 >> 1;
        (low as f64) < self.sample * (1_u64 << 63) as f64
    }
}

impl Trace {
    /// A part of the work. Its name comes from a small set: ids and values are attributes, if anything.
    pub fn span(&self, kind: Kind, name: impl FnOnce() -> String) -> Span {
        let Some(above) = &self.0 else { return Span::none() };
        if !above.sampled {
            return Span { trace: self.clone(), open: None };
        }
        above.children.fetch_add(1, Ordering::Relaxed);
        let point = Point {
            tracer: Arc::clone(&above.tracer),
            trace_id: above.trace_id,
            span_id: random(),
            sampled: true,
            state: above.state.clone(),
            children: AtomicU32::new(0),
        };
        Span::begin(point, above.span_id, 0, kind, name)
    }

    /// Spans that were begun under this one.
    pub fn children(&self) -> u32 {
        self.0.as_ref().map_or(0, |point| point.children.load(Ordering::Relaxed))
    }

    /// The trace's id as it stands in logs.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|point| id_text(&point.trace_id))
    }

    /// Tells whoever is asked which trace it is, if the configuration lets them know.
    pub fn propagate(&self, headers: &mut HeaderMap) {
        let Some(point) = self.0.as_ref().filter(|point| point.tracer.propagate) else { return };
        if let Some(value) = traceparent(&point.trace_id, &point.span_id, point.sampled) {
            headers.insert(TRACEPARENT, value);
        }
        if let Some(value) = point.state.as_ref().and_then(|state| state.parse().ok()) {
            headers.insert(TRACESTATE, value);
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id().unwrap_or_default())
    }
}

impl Span {
    fn none() -> Self {
        Self { trace: Trace(None), open: None }
    }

    fn begin(point: Point, parent: [u8; 8], remote: u32, kind: Kind, name: impl FnOnce() -> String) -> Self {
        let open = point.sampled.then(|| {
            let named = parent != [0; 8];
            let span = otlp::Span {
                trace_id: point.trace_id.to_vec(),
                span_id: point.span_id.to_vec(),
                trace_state: point.state.as_deref().unwrap_or_default().to_owned(),
                parent_span_id: if named { parent.to_vec() } else { Vec::new() },
                flags: 1 | HAS_IS_REMOTE | if named { remote } else { 0 },
                name: name(),
                kind: match kind {
                    Kind::Server => SpanKind::Server,
                    Kind::Internal => SpanKind::Internal,
                    Kind::Client => SpanKind::Client,
                }
                .into(),
                start_time_unix_nano: nanoseconds(Timestamp::now()),
                ..otlp::Span::default()
            };
            Box::new(Open { span, began: Instant::now() })
        });
        Self { trace: Trace(Some(Arc::new(point))), open }
    }

    /// The handle for the work that this span stands for.
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// Whether anything that is told of it goes anywhere.
    pub fn is_recorded(&self) -> bool {
        self.open.is_some()
    }

    pub fn text(&mut self, name: &'static str, value: &str) {
        if self.open.is_some() {
            self.put(name, any_value::Value::StringValue(value.to_owned()));
        }
    }

    pub fn number(&mut self, name: &'static str, value: impl Into<i64>) {
        if self.open.is_some() {
            self.put(name, any_value::Value::IntValue(value.into()));
        }
    }

    /// Why it did not succeed: a word of a small set.
    pub fn failed(&mut self, kind: &str) {
        self.text("error.type", kind);
        if let Some(open) = &mut self.open {
            open.span.status = Some(Status { code: StatusCode::Error.into(), message: String::new() });
        }
    }

    /// It ended with this error. What the caller did wrong is no failure of what the span is about.
    pub fn ended(&mut self, error: &Error) {
        let code = error.kind().code();
        match error.get_origin() {
            Origin::Caller => self.text("throughline.problem", code),
            Origin::Throughline | Origin::Provider => self.failed(code),
        }
    }

    fn put(&mut self, name: &'static str, value: any_value::Value) {
        if let Some(open) = &mut self.open {
            let value = Some(AnyValue { value: Some(value) });
            open.span.attributes.push(KeyValue { key: name.to_owned(), value, ..KeyValue::default() });
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(open), Some(point)) = (self.open.take(), &self.trace.0) else { return };
        let Open { mut span, began } = *open;
        // By the clock that nobody sets.
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        span.end_time_unix_nano = span.start_time_unix_nano.saturating_add(took);
        point.tracer.queue.push(span);
    }
}

fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or_default()
}

/// An id is never zero. Without randomness there would be no TLS either: then it is one of the process's, and not unique.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() || bytes == [0; N] {
        bytes = [1; N];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(config: Config) -> (Tracer, Spans) {
        let config = Config { endpoint: Some("http://127.0.0.1:1".into()), ..config };
        let (tracer, spans) = Tracer::new(&config, &Metrics::new().expect("the families"));
        (tracer, spans.expect("a collector is configured"))
    }

    fn parent(sampled: bool) -> Option<Parent> {
        Some(Parent { trace_id: [7; 16], span_id: [3; 8], sampled })
    }

    fn request(tracer: &Tracer, parent: Option<Parent>) -> Span {
        tracer.request(parent, &HeaderMap::new(), || "GET /".into())
    }

    #[tokio::test]
    async fn spans_know_their_parents_and_end_when_they_are_dropped() {
        let (tracer, mut spans) = tracer(Config { sample: 1.0, ..Config::default() });
        let mut root = request(&tracer, None);
        let child = root.trace().span(Kind::Client, || "GET".into());
        drop(child);
        root.text("http.route", "/");
        root.failed("internal");
        drop(root);
        let made = spans.next().await;
        assert_eq!(made.len(), 2);
        assert_eq!(made[0].trace_id, made[1].trace_id);
        assert_eq!(made[0].parent_span_id, made[1].span_id);
        assert!(made[1].parent_span_id.is_empty() && made[1].flags & IS_REMOTE == 0);
        assert_eq!((made[0].kind, made[1].kind), (SpanKind::Client as i32, SpanKind::Server as i32));
        assert_eq!(made[1].attributes.iter().map(|one| &*one.key).collect::<Vec<_>>(), ["http.route", "error.type"]);
        assert!(made.iter().all(|span| span.end_time_unix_nano >= span.start_time_unix_nano));
    }

    #[test]
    fn a_caller_decides_unless_it_may_not() {
        let (follows, _spans) = tracer(Config { sample: 0.0, ..Config::default() });
        let joined = request(&follows, parent(true));
        assert!(joined.is_recorded());
        assert_eq!(joined.trace().id().as_deref(), Some("07".repeat(16).as_str()));
        assert!(!request(&follows, parent(false)).is_recorded() && !request(&follows, None).is_recorded());
        let (decides, _spans) = tracer(Config { sample: 0.0, follow_callers: false, ..Config::default() });
        assert!(!request(&decides, parent(true)).is_recorded());
        let (decides, _spans) = tracer(Config { sample: 1.0, follow_callers: false, ..Config::default() });
        let joined = request(&decides, parent(false));
        assert!(joined.is_recorded() && joined.trace().id().is_some_and(|id| id.starts_with("0707")));
    }

    #[test]
    fn about_the_share_is_sampled() {
        let (tracer, _spans) = tracer(Config { sample: 0.25, ..Config::default() });
        let sampled = (0..4000).filter(|_| request(&tracer, None).is_recorded()).count();
        // Six standard deviations.
        assert!((840..=1160).contains(&sampled), "{sampled} of 4000");
    }

    #[test]
    fn those_who_are_asked_are_told_the_span_and_the_decision() {
        let told = |config: Config, parent: Option<Parent>| {
            let (tracer, _spans) = tracer(config);
            let span = request(&tracer, parent);
            let below = span.trace().span(Kind::Client, || "GET".into());
            let mut headers = HeaderMap::new();
            below.trace().propagate(&mut headers);
            headers.get(TRACEPARENT).map(|value| value.to_str().expect("text").to_owned())
        };
        let on = Config { sample: 1.0, propagate: true, ..Config::default() };
        let told_to = told(on.clone(), parent(true)).expect("a parent");
        assert!(told_to.starts_with(&format!("00-{}-", "07".repeat(16))) && told_to.ends_with("-01"), "{told_to}");
        assert!(!told_to.contains(&"03".repeat(8)), "it names our own span: {told_to}");
        assert!(told(on.clone(), parent(false)).is_some_and(|told| told.ends_with("-00")));
        assert_eq!(told(Config { propagate: false, ..on }, parent(true)), None);
    }

    #[test]
    fn without_a_collector_there_is_nothing() {
        let (tracer, spans) = Tracer::new(&Config::default(), &Metrics::new().expect("the families"));
        assert!(spans.is_none());
        let span = tracer.request(parent(true), &HeaderMap::new(), || panic!("no name is made"));
        let below = span.trace().span(Kind::Internal, || panic!("no name is made"));
        let mut headers = HeaderMap::new();
        below.trace().propagate(&mut headers);
        assert!(!below.is_recorded() && headers.is_empty() && below.trace().id().is_none());
    }
}
