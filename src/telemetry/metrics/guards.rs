//! Guards that count at their end, whatever the end is: a future that is dropped half-way counts as canceled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Attempted, Labels, Metrics, Outcome, Route, StatusClass, Timings};

/// A request that is being answered.
pub struct InFlight(Arc<Metrics>);

impl InFlight {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        metrics.families.requests_in_flight.add(&metrics.names.load(), (), 1);
        Self(metrics)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.families.requests_in_flight.add(&self.0.names.load(), (), -1);
    }
}

/// One HTTP request of a caller.
pub struct HttpGuard {
    metrics: Arc<Metrics>,
    route: Route,
    started: Instant,
    ended: (StatusClass, Outcome),
}

impl HttpGuard {
    pub(super) fn new(metrics: Arc<Metrics>, route: Route) -> Self {
        Self { metrics, route, started: Instant::now(), ended: (StatusClass::None, Outcome::Canceled) }
    }

    pub fn finish(mut self, status: u16, outcome: Outcome) {
        self.ended = (StatusClass::of(status), outcome);
    }
}

impl Drop for HttpGuard {
    fn drop(&mut self) {
        let (names, families) = (self.metrics.names.load(), &self.metrics.families);
        let (status, outcome) = self.ended;
        families.http_requests_total.inc(&names, (self.route, status, outcome));
        families.http_request_seconds.observe(&names, (self.route,), self.started.elapsed());
    }
}

/// One call: a unified operation or a raw request.
pub struct RequestGuard {
    metrics: Arc<Metrics>,
    labels: Labels,
    timings: Arc<Timings>,
    started: Instant,
    outcome: Outcome,
}

impl RequestGuard {
    pub(super) fn new(metrics: Arc<Metrics>, labels: Labels, timings: Arc<Timings>) -> Self {
        Self { metrics, labels, timings, started: Instant::now(), outcome: Outcome::Canceled }
    }

    pub fn finish(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        let (names, families) = (self.metrics.names.load(), &self.metrics.families);
        let (provider, operation) = (names.provider(&self.labels.provider), self.labels.operation);
        let resource = names.resource(&self.labels.resource);
        families.requests_total.inc(&names, (provider, resource, operation, self.outcome));
        families.request_seconds.observe(&names, (provider, operation), total);
        families.overhead_seconds.observe(&names, (provider, operation), self.timings.overhead(total));
    }
}

/// One exchange with a provider.
pub struct AttemptGuard {
    metrics: Arc<Metrics>,
    labels: Labels,
    timings: Arc<Timings>,
    started: Instant,
    outcome: Attempted,
}

impl AttemptGuard {
    pub(super) fn new(metrics: Arc<Metrics>, labels: Labels, timings: Arc<Timings>) -> Self {
        Self { metrics, labels, timings, started: Instant::now(), outcome: Attempted::Canceled }
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn finish(mut self, outcome: Attempted) {
        self.outcome = outcome;
    }
}

impl Drop for AttemptGuard {
    fn drop(&mut self) {
        let time = self.started.elapsed();
        self.timings.add_upstream(time);
        let (names, families) = (self.metrics.names.load(), &self.metrics.families);
        let (provider, operation) = (names.provider(&self.labels.provider), self.labels.operation);
        families.attempts_total.inc(&names, (provider, operation, self.outcome));
        families.upstream_seconds.observe(&names, (provider, operation), time);
    }
}
