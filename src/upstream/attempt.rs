//! Records every HTTP exchange: one count, one time, one line at debug. Below retry, quota and credentials, so that what
//! is measured is the provider's time alone, and above the timeout, so that what never answered is counted too.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;
use tower::{Layer, Service};

use super::{Attempt, Future, Response};
use crate::error::{Error, Result};
use crate::net::SendError;
use crate::telemetry::Metrics;

#[derive(Clone)]
pub struct RecordAttemptLayer {
    metrics: Arc<Metrics>,
}

#[derive(Clone)]
pub struct RecordAttempt<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl RecordAttemptLayer {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for RecordAttemptLayer {
    type Service = RecordAttempt<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RecordAttempt { inner, metrics: self.metrics.clone() }
    }
}

impl<S> Service<Attempt> for RecordAttempt<S>
where
    S: Service<Attempt, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt) -> Future {
        let labels = attempt.request.labels.clone();
        let connection = attempt.request.connection.id.clone();
        // A path may hold a customer's data, and a query its credential: neither is logged.
        let method = attempt.request.method.clone();
        let guard = self.metrics.attempt(labels.clone(), attempt.request.timings.clone());
        let answer = self.inner.call(attempt);
        Box::pin(async move {
            let answer = answer.await;
            let outcome = match &answer {
                Ok(response) => class(response.status),
                Err(error) => SendError::within(error).map_or(error.kind().code(), |failed| failed.failure().as_str()),
            };
            tracing::debug!(
                provider = %labels.provider,
                resource = %labels.resource,
                operation = labels.operation,
                %connection,
                %method,
                outcome,
                ms = guard.elapsed().as_secs_f64() * 1000.0,
                "the provider was asked"
            );
            guard.finish(outcome);
            answer
        })
    }
}

/// The statuses that an operator looks for are told from the rest of their class.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        401 => "401",
        429 => "429",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
