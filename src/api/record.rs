//! The outermost layer: gives the request its id and its timings, and sees to it that an account is given of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument;

use super::account::Account;
use super::authenticate::is_passthrough;
use super::callers_time::CallersTime;
use super::problem;
use crate::app::App;
use crate::error::Error;
use crate::net::TakenDown;
use crate::telemetry::{Allowance, Outcome, Part, Route};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const ORIGIN: HeaderName = HeaderName::from_static("throughline-origin");

/// An id that the caller may choose: it ends up in logs, so it is short and plain.
const MAX_ID: usize = 128;

/// The request's id, for handlers that write problems themselves.
#[derive(Clone)]
pub struct RequestId(pub Arc<str>);

pub async fn record(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let _in_flight = app.metrics.enter();
    let id = request_id(&request);
    // From here on the request leaves its traces, also if its caller does not wait for the answer.
    let account = Account::open(&app, &request, &id);
    let counted = app.metrics.http_request(Route::of(account.route()));
    let raw = is_passthrough(request.uri().path());
    let time = CallersTime::of(request.headers());
    let extensions = request.extensions_mut();
    extensions.insert(Arc::clone(account.timings()));
    extensions.insert(account.facts());
    extensions.insert(RequestId(id.clone()));
    extensions.insert(time);
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span).await;
    let error = response.extensions_mut().remove::<Arc<Error>>();
    if let Some(error) = &error {
        problem::write(&mut response, error, &id);
    }
    let outcome = error.as_ref().map_or(Outcome::Ok, |error| Outcome::Problem(error.kind()));
    counted.finish(response.status().as_u16(), outcome);
    let headers = response.headers_mut();
    // A raw route says on every answer whose it is; the provider's say so themselves.
    if raw && !headers.contains_key(ORIGIN) {
        headers.insert(ORIGIN, HeaderValue::from_static("throughline"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&account.timings().server_timing(account.elapsed())) {
        headers.insert(SERVER_TIMING, value);
    }
    tell_allowances(headers, &account.timings().allowances());
    // Of a raw answer it is the provider's cache that the field is about.
    let cache = headers.get(CACHE_STATUS).filter(|_| !raw).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(transcript) = account.timings().transcript() {
        let pen = transcript.pen(Part::Answer, response.headers());
        response = response.map(|body| Body::new(TakenDown::new(body, pen)));
    }
    account.answered(response.status().as_u16(), error, cache);
    response
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
        None => new_id().into(),
    }
}

pub fn new_id() -> String {
    format!("req_{}", crate::auth::base62::random(20).unwrap_or_default())
}
