//! The account that is given of a request when it is over, whatever ended it: its line in the log of the process, its
//! place in its connection's log, its use in the audit log, its span.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use http::Method;
use jiff::Timestamp;

use super::facts::{Facts, Known};
use crate::app::App;
use crate::audit::{Use, Used};
use crate::auth::TenantId;
use crate::connections::{ConnectionId, Key, LoggedRequest};
use crate::error::{Error, Origin, Outcome};
use crate::model::Operation;
use crate::telemetry::trace::Parent;
use crate::telemetry::{Span, Timings};

/// Dropped without an answer, the caller has left.
pub struct Account {
    app: App,
    began: Instant,
    id: Arc<str>,
    trace_id: Option<String>,
    method: Method,
    /// The route's pattern: paths hold ids, and query strings hold what people filter by.
    route: Arc<str>,
    facts: Facts,
    timings: Arc<Timings>,
    span: Span,
    answer: Option<Answer>,
}

struct Answer {
    status: u16,
    error: Option<Arc<Error>>,
    cache: Option<String>,
}

/// The route of requests that have none.
const NO_ROUTE: &str = "(none)";

impl Account {
    pub fn open(app: &App, request: &Request, id: &Arc<str>) -> Self {
        let began = Instant::now();
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str);
        let parent = Parent::of(request.headers());
        let mut span = app.tracer.request(parent, request.headers(), || format!("{} {route}", known_method(&method)));
        if span.is_recorded() {
            span.text("http.request.method", known_method(&method));
            span.text("http.route", route);
            span.text("throughline.request_id", id);
        }
        let trace = span.trace();
        // Of a caller's trace it is told where the others are who know of it, also if nothing of it is recorded here.
        let trace_id = trace.id().or_else(|| parent.map(|parent| parent.trace_id()));
        Self {
            app: app.clone(),
            began,
            id: Arc::clone(id),
            trace_id,
            method,
            route: route.into(),
            facts: Facts::default(),
            timings: Arc::new(Timings::under(trace)),
            span,
            answer: None,
        }
    }

    pub fn facts(&self) -> Facts {
        self.facts.clone()
    }

    pub fn timings(&self) -> &Arc<Timings> {
        &self.timings
    }

    /// The pattern of the route; `None` where none fits.
    pub fn route(&self) -> Option<&str> {
        Some(&*self.route).filter(|route| *route != NO_ROUTE)
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// It is answered so; `cache` is what the answer says of our cache.
    pub fn answered(mut self, status: u16, error: Option<Arc<Error>>, cache: Option<String>) {
        self.answer = Some(Answer { status, error, cache });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let total = self.began.elapsed();
        let facts = self.facts.clone();
        let facts = facts.known();
        let answer = self.answer.take();
        let ended = Ended::of(answer.as_ref(), &facts);
        self.end_span(&facts, &ended);
        self.write_line(&facts, &ended, total);
        if let Some(status) = ended.status {
            self.count_use(&facts, status);
        }
        self.log(&facts, &ended, total);
    }
}

/// How a request ended.
struct Ended<'a> {
    status: Option<u16>,
    error: Option<&'a Arc<Error>>,
    problem: Option<&'static str>,
    outcome: Option<&'static str>,
    cache: Option<&'a str>,
}

impl<'a> Ended<'a> {
    fn of(answer: Option<&'a Answer>, facts: &Known) -> Self {
        let status = answer.map(|answer| answer.status);
        let error = answer.and_then(|answer| answer.error.as_ref());
        let outcome = match error {
            Some(error) => error.get_outcome(),
            None => status.filter(|_| facts.writes()).map(|status| match status {
                // Answers of a provider that were handed on.
                500.. => Outcome::Unknown,
                400.. => Outcome::NotExecuted,
                _ => Outcome::Executed,
            }),
        };
        Self {
            status,
            error,
            problem: error.map(|error| error.kind().code()),
            outcome: outcome.map(Outcome::as_str),
            cache: answer.and_then(|answer| answer.cache.as_deref()),
        }
    }
}

impl Known {
    /// Whether it is one write. What became of the many of a batch stands in its answer.
    fn writes(&self) -> bool {
        let Some((_, used)) = self.used else { return false };
        let named = Operation::ALL.into_iter().find(|operation| operation.as_str() == used);
        named.map_or(used == "write", |operation| operation.is_write() && operation != Operation::Batch)
    }
}

impl Account {
    fn end_span(&mut self, facts: &Known, ended: &Ended<'_>) {
        let span = &mut self.span;
        if !span.is_recorded() {
            return;
        }
        let used = facts.used.as_ref();
        let texts = [
            ("throughline.tenant", facts.tenant.as_deref()),
            ("throughline.connection", facts.connection.as_deref()),
            ("throughline.provider", facts.provider.as_deref()),
            ("throughline.resource", used.map(|(resource, _)| &**resource)),
            ("throughline.operation", used.map(|(_, operation)| *operation)),
            ("throughline.outcome", ended.outcome),
            ("throughline.problem", ended.problem),
            ("url.path", facts.path.as_deref()),
        ];
        for (name, text) in texts {
            text.into_iter().for_each(|text| span.text(name, text));
        }
        match (ended.status, ended.error) {
            (None, _) => span.failed("canceled"),
            (Some(_), Some(error)) if error.get_origin() != Origin::Caller => span.failed(error.kind().code()),
            (Some(status @ 500..), None) => span.failed(&status.to_string()),
            _ => {}
        }
        ended.status.into_iter().for_each(|status| span.number("http.response.status_code", status));
    }

    /// The one line of a request. Fields that say nothing are left out.
    fn write_line(&self, facts: &Known, ended: &Ended<'_>, total: Duration) {
        let used = facts.used.as_ref();
        let timings = &self.timings;
        tracing::info!(
            request_id = &*self.id,
            trace_id = self.trace_id.as_deref(),
            method = self.method.as_str(),
            route = &*self.route,
            status = ended.status,
            problem = ended.problem,
            outcome = ended.outcome,
            tenant = facts.tenant.as_deref(),
            key = facts.key.as_deref(),
            connection = facts.connection.as_deref(),
            provider = facts.provider.as_deref(),
            resource = used.map(|(resource, _)| &**resource),
            operation = used.map(|(_, operation)| *operation),
            attempts = timings.attempts(),
            retries = timings.retries(),
            cache = ended.cache,
            total_ms = ms(total),
            upstream_ms = ms(timings.upstream()),
            quota_ms = ms(timings.quota()),
            mapping_ms = ms(timings.mapping()),
            overhead_ms = ms(timings.overhead(total)),
            "{}",
            if ended.status.is_some() { "answered" } else { "the caller left" }
        );
        if let Some(error) = ended.error.filter(|_| ended.status.is_some_and(|status| status >= 500)) {
            tracing::error!(request_id = &*self.id, error = ?error, "failed");
        }
    }

    /// For the audit log: in memory, like everything on the way of a request.
    fn count_use(&self, facts: &Known, status: u16) {
        if let (Some(tenant), Some(key), Some(connection), Some((resource, operation))) =
            (&facts.tenant, &facts.key, &facts.connection, &facts.used)
        {
            self.app.audit.used(Use {
                tenant: TenantId(Arc::clone(tenant)),
                key: Arc::clone(key),
                connection: Arc::clone(connection),
                resource: Arc::clone(resource),
                operation,
                used: Used::of_status(status),
            });
        }
    }

    /// For the connection's owner.
    fn log(&self, facts: &Known, ended: &Ended<'_>, total: Duration) {
        let (Some(tenant), Some(connection), true) = (&facts.tenant, &facts.connection, self.app.requests.is_on())
        else {
            return;
        };
        let timings = &self.timings;
        let request = LoggedRequest {
            at: Timestamp::now() - total,
            id: Arc::clone(&self.id),
            trace_id: self.trace_id.clone(),
            key: facts.key.clone(),
            method: self.method.clone(),
            route: Arc::clone(&self.route),
            path: facts.path.clone(),
            resource: facts.used.as_ref().map(|(resource, _)| Arc::clone(resource)),
            operation: facts.used.as_ref().map(|(_, operation)| *operation),
            status: ended.status,
            problem: ended.problem,
            outcome: ended.outcome,
            attempts: timings.attempts(),
            retries: timings.retries(),
            provider_statuses: timings.statuses(),
            total,
            upstream: timings.upstream(),
            quota: timings.quota(),
            mapping: timings.mapping(),
            overhead: timings.overhead(total),
            bodies: None,
        };
        let of = Key { tenant: TenantId(Arc::clone(tenant)), id: ConnectionId(Arc::clone(connection)) };
        match timings.transcript() {
            None => self.app.requests.record(&of, request),
            // Bodies may be on their way yet, both ways.
            Some(transcript) => {
                let log = self.app.requests.clone();
                transcript.at_end(move |bodies| log.record(&of, LoggedRequest { bodies: Some(bodies), ..request }));
            }
        }
    }
}

/// In thousandths, which is what clocks are good for.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1000.0
}

/// What is no method that is known could be anything; OpenTelemetry's conventions have one word for it.
fn known_method(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "_OTHER",
    }
}
