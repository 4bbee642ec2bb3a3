//! Records every HTTP exchange: one count, one time, one span, one line at debug. Below retry, quota and credentials, so that what
//! is measured is the provider's time alone, and above the timeout, so that what never answered is counted too.

use std::sync::Arc;

use super::credentials::without_query;
use super::{Attempt, Response, headers};
use crate::net::{Body, SendError, TakenDown};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::trace::{self, redacted_path};
use crate::telemetry::{Attempted, Metrics, Part, Span, Transcript};

#[derive(Clone)]
pub struct RecordAttempt {
    metrics: Arc<Metrics>,
}

impl RecordAttempt {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl Around<Attempt> for RecordAttempt {
    type Below = Attempt;
    type Response = Response;

    fn around<S: Stage<Attempt, Response>>(&self, below: &mut S, mut attempt: Attempt) -> Answer<Response> {
        let labels = attempt.request.labels.clone();
        let connection = attempt.request.connection.id.clone();
        // A path may hold a customer's data, and a query its credential: neither is logged.
        let method = attempt.request.method.clone();
        let guard = self.metrics.attempt(labels.clone(), attempt.request.timings.clone());
        let timings = attempt.request.timings.clone();
        let mut span = span_of(&attempt);
        span.trace().propagate(&mut attempt.headers);
        timings.begin_attempt();
        let taken_down = timings.transcript().cloned().and_then(|transcript| {
            let number = take_down(&transcript, &mut attempt)?;
            Some((transcript, number))
        });
        let answer = below.call(attempt);
        Box::pin(async move {
            let mut answer = answer.await;
            if let (Some((transcript, number)), Ok(response)) = (taken_down, &mut answer) {
                transcript.answered(number, response.status.as_u16());
                let pen = transcript.pen(Part::Received(number), &response.headers);
                response.body = Body::streaming(TakenDown::new(std::mem::take(&mut response.body), pen));
            }
            let outcome = match &answer {
                Ok(response) => Attempted::of_status(response.status.as_u16()),
                Err(error) => SendError::within(error).map_or(Attempted::Failed, |failed| failed.failure().into()),
            };
            tracing::debug!(
                provider = %labels.provider,
                resource = %labels.resource,
                operation = labels.operation.as_str(),
                %connection,
                %method,
                outcome = outcome.as_str(),
                ms = guard.elapsed().as_secs_f64() * 1000.0,
                "the provider was asked"
            );
            guard.finish(outcome);
            timings.end_attempt(answer.as_ref().ok().map(|response| response.status.as_u16()));
            match &answer {
                Ok(response) if response.status.as_u16() >= 400 => span.failed(response.status.as_str()),
                Ok(_) => {}
                Err(_) => span.failed(outcome.as_str()),
            }
            if let Ok(response) = &answer {
                span.number("http.response.status_code", response.status.as_u16());
            }
            drop(span);
            answer
        })
    }
}

/// Begins to take the exchange down. Its number, if it is one of those that are kept.
fn take_down(transcript: &Arc<Transcript>, attempt: &mut Attempt) -> Option<usize> {
    let (request, access) = (&mut attempt.request, &attempt.access);
    let prefix = if request.root { "" } else { access.origin.prefix() };
    let path = format!("{prefix}{}", without_query(&request.path_and_query, access));
    let number = transcript.begin_attempt(&request.method, &path, headers::spelled(access))?;
    let pen = transcript.pen(Part::Sent(number), &attempt.headers);
    match request.body.bytes() {
        Some(bytes) => pen.write(&bytes),
        None => request.body = Body::streaming(TakenDown::new(std::mem::take(&mut request.body), pen)),
    }
    Some(number)
}

/// Named as OpenTelemetry's conventions for HTTP clients have it. Of the URL it holds no query, which may carry the
/// credential, and no segment that may be somebody's data.
fn span_of(attempt: &Attempt) -> Span {
    let (request, origin) = (&attempt.request, &attempt.access.origin);
    // How many attempts there were before: the span above is theirs, too.
    let before = request.trace.children();
    let mut span = request.trace.span(trace::Kind::Client, || request.method.as_str().to_owned());
    if span.is_recorded() {
        let (scheme, default) = if origin.is_https() { ("https", 443) } else { ("http", 80) };
        let prefix = if request.root { "" } else { origin.prefix() };
        let path = redacted_path(&request.path_and_query);
        span.text("http.request.method", request.method.as_str());
        span.text("server.address", origin.host());
        span.number("server.port", origin.port().unwrap_or(default));
        span.text("url.full", &format!("{scheme}://{}{prefix}{path}", origin.authority()));
        if before > 0 {
            span.number("http.request.resend_count", before);
        }
    }
    span
}
