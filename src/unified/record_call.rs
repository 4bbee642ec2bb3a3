//! Counts calls by provider, resource, operation and outcome, and how long they took; each is a span of its request's trace.

use std::sync::Arc;

use super::{Call, Reply};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::{Labels, Metrics, Outcome, trace};

impl RecordCall {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

#[derive(Clone)]
pub struct RecordCall {
    metrics: Arc<Metrics>,
}

impl Around<Call> for RecordCall {
    type Below = Call;
    type Response = Reply;

    fn around<S: Stage<Call, Reply>>(&self, below: &mut S, mut call: Call) -> Answer<Reply> {
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
        let reply = below.call(call);
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
