//! Counts calls by provider, resource, operation and outcome, and how long they took; each is a span of its request's trace.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, Reply};
use crate::error::Error;
use crate::telemetry::{Labels, Metrics, Outcome, trace};

#[derive(Clone)]
pub struct RecordCallLayer {
    metrics: Arc<Metrics>,
}

impl RecordCallLayer {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for RecordCallLayer {
    type Service = RecordCall<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RecordCall { inner, metrics: self.metrics.clone() }
    }
}

#[derive(Clone)]
pub struct RecordCall<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Service<Call> for RecordCall<S>
where
    S: Service<Call, Response = Reply, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call) -> Self::Future {
        let labels = Labels {
            provider: call.provider.name.clone(),
            resource: call.resource.name.clone(),
            operation: call.operation.into(),
        };
        let timings = call.timings.clone();
        // A guard, so that a call is counted also when the caller leaves before it ends.
        let guard = self.metrics.request(labels.clone(), timings.clone());
        let metrics = self.metrics.clone();
        let mut span =
            call.trace.span(trace::Kind::Internal, || format!("{} {}", labels.operation.as_str(), labels.resource));
        if span.is_recorded() {
            span.text("throughline.provider", &labels.provider);
            span.text("throughline.resource", &labels.resource);
            span.text("throughline.operation", labels.operation.as_str());
        }
        call.trace = span.trace();
        let reply = self.inner.call(call);
        Box::pin(async move {
            let reply = reply.await;
            metrics.mapping(&labels, timings.mapping());
            if let Err(error) = &reply {
                span.ended(error);
            }
            drop(span);
            guard.finish(Outcome::of(&reply));
            reply
        })
    }
}
