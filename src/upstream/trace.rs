//! One span for one logical request, above everything that is done for it: waiting for the vendor's allowance and for
//! credentials, attempts, pauses between them.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::{Future, Request, Response};
use crate::error::{Error, Result};
use crate::telemetry::trace::Kind;

#[derive(Clone, Copy)]
pub struct TraceRequestLayer;

#[derive(Clone)]
pub struct TraceRequest<S> {
    inner: S,
}

impl<S> Layer<S> for TraceRequestLayer {
    type Service = TraceRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceRequest { inner }
    }
}

impl<S> Service<Request> for TraceRequest<S>
where
    S: Service<Request, Response = Response, Error = Error, Future = Future>,
{
    type Response = Response;
    type Error = Error;
    type Future = Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Future {
        let mut span = request.trace.span(Kind::Internal, || format!("upstream {}", request.method));
        request.trace = span.trace();
        if !span.is_recorded() {
            return self.inner.call(request);
        }
        span.text("throughline.provider", &request.labels.provider);
        span.text("throughline.connection", request.connection.id.as_str());
        let timings = request.timings.clone();
        let waited = timings.quota();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            // Of requests side by side it is the sum.
            let waited = timings.quota().saturating_sub(waited);
            if !waited.is_zero() {
                span.number("throughline.quota_wait_us", i64::try_from(waited.as_micros()).unwrap_or(i64::MAX));
            }
            match &answer {
                Err(error) => span.ended(error),
                Ok(response) => span.number("http.response.status_code", response.status.as_u16()),
            }
            answer
        })
    }
}
