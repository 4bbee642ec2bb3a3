//! Limits how long one attempt may wait for the head of its answer. The limit is kept where the request is sent, since
//! only there it is known whether anything had been written; here it is decided. Bodies have their own limit in their
//! reader: an export may stream for longer than any head may take.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower::{Layer, Service};

use super::{Attempt, Future, Response};
use crate::error::{Error, Kind, Outcome, Result};

#[derive(Debug, Clone, Copy)]
pub struct HeadTimeoutLayer {
    limit: Duration,
}

#[derive(Debug, Clone)]
pub struct HeadTimeout<S> {
    inner: S,
    limit: Duration,
}

impl HeadTimeoutLayer {
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl Default for HeadTimeoutLayer {
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

impl<S> Layer<S> for HeadTimeoutLayer {
    type Service = HeadTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HeadTimeout { inner, limit: self.limit }
    }
}

impl<S> Service<Attempt> for HeadTimeout<S>
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

    fn call(&mut self, mut attempt: Attempt) -> Future {
        let now = Instant::now();
        // An upload that streams through is answered when it is over, which is up to the caller's pace.
        let limit = if attempt.request.body.is_streaming() { Duration::MAX } else { self.limit };
        attempt.head_by =
            now.checked_add(limit).map_or(attempt.request.deadline, |by| by.min(attempt.request.deadline));
        if attempt.head_by <= now {
            let late = Error::new(Kind::ProviderTimeout, "The time for the request was over before it was sent.");
            let late = late.retryable(true);
            let late = if attempt.request.is_write() { late.outcome(Outcome::NotExecuted) } else { late };
            return Box::pin(async { Err(late) });
        }
        Box::pin(self.inner.call(attempt))
    }
}
