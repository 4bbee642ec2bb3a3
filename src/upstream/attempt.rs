//! Records every HTTP exchange: one count, one time, one line at debug. Below retry, quota and credentials, so that what
//! is measured is the provider's time alone, and above the timeout, so that what never answered is counted too.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::{Attempt, Future, Response};
use crate::error::{Error, Result};
use crate::net::SendError;
use crate::telemetry::{Attempted, Metrics};

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
            answer
        })
    }
}
