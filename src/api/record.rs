//! The outermost layer: gives the request its id and its timings, and writes its one line in the log.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument;

use super::authenticate::is_passthrough;
use super::problem;
use crate::app::App;
use crate::audit::{Use, Used};
use crate::auth::TenantId;
use crate::error::Error;
use crate::telemetry::{Allowance, Outcome, Route, Timings};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const ORIGIN: HeaderName = HeaderName::from_static("throughline-origin");

/// An id that the caller may choose: it ends up in logs, so it is short and plain.
const MAX_ID: usize = 128;

/// The request's id, for handlers that write problems themselves.
#[derive(Clone)]
pub struct RequestId(pub Arc<str>);

/// What the access log says besides the HTTP facts; filled in by whoever learns it.
#[derive(Clone, Default)]
pub struct Facts(Arc<parking_lot::Mutex<FactsInner>>);

#[derive(Default)]
struct FactsInner {
    tenant: Option<Arc<str>>,
    key: Option<Arc<str>>,
    connection: Option<Arc<str>>,
    provider: Option<Arc<str>>,
    /// What the connection was used for.
    used: Option<(Arc<str>, &'static str)>,
}

impl Facts {
    pub fn caller(&self, tenant: &Arc<str>, key: &Arc<str>) {
        let mut facts = self.0.lock();
        facts.tenant = Some(tenant.clone());
        facts.key = Some(key.clone());
    }

    /// The connection is used for this now, for good or ill.
    pub fn used(&self, resource: &Arc<str>, operation: &'static str) {
        self.0.lock().used = Some((Arc::clone(resource), operation));
    }

    pub fn connection(&self, id: &Arc<str>, provider: &Arc<str>) {
        let mut facts = self.0.lock();
        facts.connection = Some(id.clone());
        facts.provider = Some(provider.clone());
    }
}

pub async fn record(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _in_flight = app.metrics.enter();
    let id = request_id(&request);
    let timings = Arc::new(Timings::default());
    let facts = Facts::default();
    let method = request.method().clone();
    // The route's pattern: paths hold ids, and query strings hold what people filter by.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let counted = app.metrics.http_request(Route::of(route.as_deref()));
    let raw = is_passthrough(request.uri().path());
    request.extensions_mut().insert(timings.clone());
    request.extensions_mut().insert(facts.clone());
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span).await;
    let error = response.extensions_mut().remove::<Arc<Error>>();
    if let Some(error) = &error {
        problem::write(&mut response, error, &id);
    }
    let total = started.elapsed();
    let headers = response.headers_mut();
    // A raw route says on every answer whose it is; the provider's say so themselves.
    if raw && !headers.contains_key(ORIGIN) {
        headers.insert(ORIGIN, HeaderValue::from_static("throughline"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&timings.server_timing(total)) {
        headers.insert(SERVER_TIMING, value);
    }
    tell_allowances(headers, &timings.allowances());
    let facts = facts.0.lock();
    let status = response.status().as_u16();
    count_use(&app, &facts, status);
    let outcome = error.as_ref().map_or(Outcome::Ok, |error| Outcome::Problem(error.kind()));
    counted.finish(status, outcome);
    tracing::info!(
        request_id = %id,
        method = %method,
        route = route.as_deref().unwrap_or("(none)"),
        status,
        outcome = outcome.as_str(),
        tenant = facts.tenant.as_deref(),
        key = facts.key.as_deref(),
        connection = facts.connection.as_deref(),
        provider = facts.provider.as_deref(),
        total_ms = total.as_secs_f64() * 1000.0,
        upstream_ms = timings.upstream().as_secs_f64() * 1000.0,
        "answered"
    );
    if let Some(error) = error.filter(|_| status >= 500) {
        tracing::error!(request_id = %id, error = ?error, "failed");
    }
    response
}

/// For the audit log: in memory, like everything on the way of a request.
fn count_use(app: &App, facts: &FactsInner, status: u16) {
    if let (Some(tenant), Some(key), Some(connection), Some((resource, operation))) =
        (&facts.tenant, &facts.key, &facts.connection, &facts.used)
    {
        app.audit.used(Use {
            tenant: TenantId(Arc::clone(tenant)),
            key: Arc::clone(key),
            connection: Arc::clone(connection),
            resource: Arc::clone(resource),
            operation,
            used: Used::of_status(status),
        });
    }
}

/// The vendor's fields of these names never get here: they are about another limit than ours.
fn tell_allowances(headers: &mut HeaderMap, allowances: &[Allowance]) {
    let policies: Vec<String> = allowances.iter().filter_map(Allowance::policy_member).collect();
    let states: Vec<String> = allowances.iter().map(Allowance::state_member).collect();
    for (name, members) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, states)] {
        if let Ok(value) = HeaderValue::from_str(&members.join(", "))
            && !members.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

pub fn request_id(request: &Request) -> Arc<str> {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_graphic());
    match given.filter(plain) {
        Some(id) => id.into(),
        None => format!("req_{}", crate::auth::base62::random(20).unwrap_or_default()).into(),
    }
}
