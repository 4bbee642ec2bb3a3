//! What is written down of one request.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

/// Cheap to make: on the way of a request, texts are shared and nothing is formatted.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it came.
    pub at: Timestamp,
    pub id: Arc<str>,
    pub trace_id: Option<String>,
    /// The id of the API key.
    pub key: Option<Arc<str>>,
    pub method: http::Method,
    /// The route's pattern.
    pub route: Arc<str>,
    /// Of raw requests: where they went, without query and without what may be a value.
    pub path: Option<String>,
    pub resource: Option<Arc<str>>,
    pub operation: Option<&'static str>,
    /// None for a caller who left before the answer.
    pub status: Option<u16>,
    /// The code of the problem.
    pub problem: Option<&'static str>,
    /// Of writes: what became of it.
    pub outcome: Option<&'static str>,
    /// Exchanges with the provider, those that were made again for a failure included.
    pub attempts: u32,
    pub retries: u32,
    /// The first answers of the provider; none stands for no answer.
    pub provider_statuses: Vec<Option<u16>>,
    pub total: Duration,
    pub upstream: Duration,
    pub quota: Duration,
    pub mapping: Duration,
    pub overhead: Duration,
    /// What was said, as JSON, where the connection's owner wants it kept.
    pub bodies: Option<String>,
}

impl Request {
    /// As the API shows it, without bodies.
    pub fn to_json(&self) -> Value {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1000.0;
        json!({
            "at": format!("{:.3}", self.at),
            "request_id": &*self.id,
            "trace_id": self.trace_id,
            "key": self.key.as_deref(),
            "method": self.method.as_str(),
            "route": &*self.route,
            "path": self.path,
            "resource": self.resource.as_deref(),
            "operation": self.operation,
            "status": self.status,
            "problem": self.problem,
            "outcome": self.outcome,
            "attempts": self.attempts,
            "retries": self.retries,
            "provider_statuses": self.provider_statuses,
            "duration_ms": {
                "total": ms(self.total),
                "upstream": ms(self.upstream),
                "quota": ms(self.quota),
                "mapping": ms(self.mapping),
                "overhead": ms(self.overhead),
            },
        })
    }
}
