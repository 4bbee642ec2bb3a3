//! All metric families, in one list, in a registry of their own. Label values come from closed sets: what a caller or a
//! provider can make up (ids, paths, messages) is never one. Times and counts are recorded through guards, which tell of
//! a request that was given up, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::Timings;

/// What a request is counted under. The names of provider and resource are the catalog's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    pub provider: Arc<str>,
    pub resource: Arc<str>,
    pub operation: &'static str,
}

/// The families. Built and owned by the composition root, shared by all that count.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    overhead_seconds: HistogramVec,
    in_flight: IntGauge,
    shed: IntCounterVec,
    attempts: IntCounterVec,
    upstream_seconds: HistogramVec,
    retries: IntCounterVec,
    idempotency: IntCounterVec,
    writes_alone: IntCounterVec,
    breakers: IntCounterVec,
    mapping_seconds: HistogramVec,
    cache: IntCounterVec,
    catalog: IntGaugeVec,
    reloads: IntCounterVec,
    refreshes: IntCounterVec,
    refresh_seconds: HistogramVec,
    token_persist_seconds: Histogram,
    lost_rotations: IntCounterVec,
    connections: IntGaugeVec,
    escrow: IntGauge,
    egress_budgets: IntCounterVec,
    quota_wait_seconds: HistogramVec,
    quota_remaining: IntGaugeVec,
    quota_refused: IntCounterVec,
    quota_throttled: IntCounterVec,
    quota_pool: IntGauge,
    replicas: IntGauge,
    trace_spans: IntCounterVec,
    names: ArcSwap<Names>,
}

#[derive(Default)]
struct Names {
    providers: BTreeSet<String>,
    resources: BTreeSet<String>,
}

/// The label of everything that the catalog does not know.
const OTHER: &str = "other";
/// The resource of requests that have none.
const PASSTHROUGH: &str = "passthrough";

/// A round trip to a provider: a few tens of milliseconds at best, half a minute at worst.
const UPSTREAM_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// What we add ourselves is thought of in tenths of a millisecond.
const OWN_BUCKETS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];

impl Metrics {
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new_custom(Some("throughline".to_owned()), None)?;
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let family = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };

        let requests = counter(
            "requests_total",
            "Finished requests of callers; outcome is ok, canceled or the code of the problem.",
            &["provider", "resource", "operation", "outcome"],
        )?;
        let request_seconds = histogram(
            "request_seconds",
            "Time from the head of a caller's request to its answer, the provider's time included.",
            UPSTREAM_BUCKETS,
            &["provider", "resource", "operation"],
        )?;
        let overhead_seconds = histogram(
            "overhead_seconds",
            "Time of a request that is ours: all but waiting for the provider and for its allowance.",
            OWN_BUCKETS,
            &["provider", "resource", "operation"],
        )?;
        let shed = counter(
            "shed_total",
            "Connections and requests of callers that were turned away; reason is the limit that was met.",
            &["reason"],
        )?;
        let attempts = counter(
            "attempts_total",
            "HTTP exchanges with providers; outcome is the class of the status or the failure.",
            &["provider", "operation", "outcome"],
        )?;
        let upstream_seconds = histogram(
            "upstream_seconds",
            "Time from sending an attempt to the head of its answer or its failure.",
            UPSTREAM_BUCKETS,
            &["provider", "operation"],
        )?;
        let retries = counter(
            "retries_total",
            "Failures that could have been sent again; result is sent, no-budget or no-time.",
            &["provider", "result"],
        )?;
        let breakers = counter(
            "breaker_total",
            "What the breakers of hosts did: opened, closed, or refused a request.",
            &["provider", "event"],
        )?;
        let reloads = counter("catalog_reloads_total", "Times the mappings were loaded anew.", &["result"])?;
        let refreshes = counter(
            "token_refreshes_total",
            "Renewals of access tokens; result is renewed, failed (tried again later) or lost (the customer has to authorise again).",
            &["provider", "result"],
        )?;
        let refresh_seconds = histogram(
            "token_refresh_seconds",
            "Time of a renewal from the lease to its end, the authorization server's time included.",
            UPSTREAM_BUCKETS,
            &["provider"],
        )?;
        let lost_rotations = counter(
            "token_rotations_lost_total",
            "Renewed tokens that were lost between provider and store: always worth finding out why.",
            &["provider"],
        )?;
        let connections = gauge("connections", "Connections by provider and state.", &["provider", "state"])?;
        let options = HistogramOpts::new(
            "token_persist_seconds",
            "Time from reading a renewed token to its being durable in the store.",
        );
        let token_persist_seconds = Histogram::with_opts(options.buckets(OWN_BUCKETS.to_vec()))?;
        registry.register(Box::new(token_persist_seconds.clone()))?;
        let escrow = IntGauge::new("token_escrow_entries", "Renewed tokens that the store has not taken yet.")?;
        registry.register(Box::new(escrow.clone()))?;
        let idempotency = counter(
            "idempotency_total",
            "Writes with an Idempotency-Key; result is new, replayed, in-flight, mismatch or unknown.",
            &["result"],
        )?;
        let writes_alone = counter(
            "writes_finished_alone_total",
            "Writes whose caller had left before they ended; outcome is executed, not-executed or unknown.",
            &["outcome"],
        )?;
        let mapping_seconds = histogram(
            "mapping_seconds",
            "Time that translating one call and its answers took.",
            OWN_BUCKETS,
            &["provider", "resource", "operation"],
        )?;
        let cache = counter(
            "cache_total",
            "Look-ups in the read cache; result is hit, stale, miss or bypass.",
            &["provider", "resource", "result"],
        )?;
        let egress_budgets = counter(
            "egress_budgets_exceeded_total",
            "Times that more was read through a connection than its budget allows; what is rows or bytes, window hour or day.",
            &["provider", "what", "window"],
        )?;
        let quota_wait_seconds = histogram(
            "quota_wait_seconds",
            "Time that requests waited for the provider's allowance, of those that had to.",
            UPSTREAM_BUCKETS,
            &["provider"],
        )?;
        let quota_remaining = gauge(
            "quota_remaining",
            "What is left of a provider's limit, of all accounts in use the one with least.",
            &["provider", "limit"],
        )?;
        let quota_refused = counter(
            "quota_refused_total",
            "Requests that were not sent for the provider's limits; reason is rate-limited, quota-exhausted or overloaded.",
            &["provider", "reason"],
        )?;
        let quota_throttled = counter(
            "quota_throttled_total",
            "Answers with which a provider said that it was too much; kind is rate-limited or quota-exhausted.",
            &["provider", "kind"],
        )?;
        let quota_pool = IntGauge::new(
            "quota_pool_up",
            "1 while Redis leases permits; 0 where it is away, or where there is none.",
        )?;
        registry.register(Box::new(quota_pool.clone()))?;
        let replicas = IntGauge::new("replicas", "Servers that share the providers' limits, this one included.")?;
        replicas.set(1);
        registry.register(Box::new(replicas.clone()))?;
        let trace_spans = counter(
            "trace_spans_total",
            "Spans of traces; result is sent, queue-full (the collector is slower than requests are) or undelivered.",
            &["result"],
        )?;
        let build = gauge("build_info", "Always 1; the version is the label.", &["version"])?;
        let catalog =
            gauge("catalog_info", "Always 1; the revision of the mappings in use is the label.", &["revision"])?;
        let in_flight = IntGauge::new("requests_in_flight", "Requests of callers that are being answered.")?;
        registry.register(Box::new(in_flight.clone()))?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);

        Ok(Arc::new(Self {
            requests,
            request_seconds,
            overhead_seconds,
            in_flight,
            shed,
            attempts,
            upstream_seconds,
            retries,
            idempotency,
            writes_alone,
            breakers,
            mapping_seconds,
            cache,
            catalog,
            reloads,
            refreshes,
            refresh_seconds,
            token_persist_seconds,
            lost_rotations,
            connections,
            escrow,
            egress_budgets,
            quota_wait_seconds,
            quota_remaining,
            quota_refused,
            quota_throttled,
            quota_pool,
            replicas,
            trace_spans,
            names: ArcSwap::default(),
            registry,
        }))
    }

    /// The names that may become label values and the revision they come from. Told anew after every reload.
    pub fn catalog_loaded<S: Into<String>>(
        &self,
        revision: &str,
        providers: impl IntoIterator<Item = S>,
        resources: impl IntoIterator<Item = S>,
    ) {
        self.names.store(Arc::new(Names {
            providers: providers.into_iter().map(Into::into).collect(),
            resources: resources.into_iter().map(Into::into).collect(),
        }));
        self.catalog.reset();
        self.catalog.with_label_values(&[revision]).set(1);
    }

    pub fn idempotency(&self, result: &'static str) {
        self.idempotency.with_label_values(&[result]).inc();
    }

    pub fn write_finished_alone(&self, outcome: &'static str) {
        self.writes_alone.with_label_values(&[outcome]).inc();
    }

    /// Counts a request as being answered until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.inc();
        InFlight(self.clone())
    }

    /// A connection or a request was turned away: `connections`, `connections-of-address`, `in-flight`, `key-rate`,
    /// `key-concurrency`, `connection-concurrency` or `failed-authentications`.
    pub fn shed(&self, reason: &'static str) {
        self.shed.with_label_values(&[reason]).inc();
    }

    /// Starts the clock of one request.
    pub fn request(self: &Arc<Self>, labels: Labels, timings: Arc<Timings>) -> RequestGuard {
        RequestGuard { metrics: self.clone(), labels, timings, started: Instant::now(), outcome: "canceled" }
    }

    /// Starts the clock of one exchange with a provider.
    pub fn attempt(self: &Arc<Self>, labels: Labels, timings: Arc<Timings>) -> AttemptGuard {
        AttemptGuard { metrics: self.clone(), labels, timings, started: Instant::now(), outcome: "canceled" }
    }

    /// A failure that could have been sent again: `sent`, `no-budget` or `no-time`.
    pub fn retry(&self, provider: &str, result: &'static str) {
        let names = self.names.load();
        self.retries.with_label_values(&[known(&names.providers, provider), result]).inc();
    }

    /// What the breaker of a host did: `opened`, `closed` or `refused`.
    pub fn breaker(&self, provider: &str, event: &'static str) {
        let names = self.names.load();
        self.breakers.with_label_values(&[known(&names.providers, provider), event]).inc();
    }

    /// The end of a renewal of tokens: `renewed`, `failed` or `lost`.
    pub fn refresh(&self, provider: &str, result: &'static str, time: Duration) {
        let names = self.names.load();
        let provider = known(&names.providers, provider);
        self.refreshes.with_label_values(&[provider, result]).inc();
        self.refresh_seconds.with_label_values(&[provider]).observe(time.as_secs_f64());
    }

    /// From reading a renewed token to its being durable.
    pub fn token_persisted(&self, time: Duration) {
        self.token_persist_seconds.observe(time.as_secs_f64());
    }

    pub fn rotation_lost(&self, provider: &str) {
        let names = self.names.load();
        self.lost_rotations.with_label_values(&[known(&names.providers, provider)]).inc();
    }

    /// Provider, state and number of connections, all there are; and how many tokens wait for the store.
    pub fn census(&self, counted: &[(&str, &str, u64)], escrow: usize) {
        let names = self.names.load();
        self.connections.reset();
        for (provider, state, number) in counted {
            let gauge = self.connections.with_label_values(&[known(&names.providers, provider), state]);
            gauge.add(i64::try_from(*number).unwrap_or(i64::MAX));
        }
        self.escrow.set(i64::try_from(escrow).unwrap_or(i64::MAX));
    }

    /// More was read through a connection than its budget allows: `rows` or `bytes`, in an `hour` or a `day`.
    pub fn egress_budget_exceeded(&self, provider: &str, what: &'static str, window: &'static str) {
        let names = self.names.load();
        self.egress_budgets.with_label_values(&[known(&names.providers, provider), what, window]).inc();
    }

    /// One translation, `out` to the provider or `in` from it.
    pub fn mapping(&self, labels: &Labels, time: Duration) {
        let names = self.names.load();
        let (provider, resource, operation) = names.of(labels);
        self.mapping_seconds.with_label_values(&[provider, resource, operation]).observe(time.as_secs_f64());
    }

    /// The mappings were loaded anew: `ok`, or `refused` for a problem in them.
    pub fn reload(&self, result: &'static str) {
        self.reloads.with_label_values(&[result]).inc();
    }

    /// One look-up in the read cache: `hit`, `stale`, `miss` or `bypass`.
    pub fn cache(&self, labels: &Labels, result: &'static str) {
        let names = self.names.load();
        let (provider, resource, _) = names.of(labels);
        self.cache.with_label_values(&[provider, resource, result]).inc();
    }

    /// A request got its permit after a while.
    pub fn quota_waited(&self, provider: &str, time: Duration) {
        let names = self.names.load();
        self.quota_wait_seconds.with_label_values(&[known(&names.providers, provider)]).observe(time.as_secs_f64());
    }

    /// Provider, limit and what is left, of all that are in use. The names of limits are the catalog's.
    pub fn quota_remaining<'a>(&self, all: impl Iterator<Item = ((&'a str, &'a str), u32)>) {
        let names = self.names.load();
        self.quota_remaining.reset();
        for ((provider, limit), left) in all {
            self.quota_remaining.with_label_values(&[known(&names.providers, provider), limit]).set(i64::from(left));
        }
    }

    /// A request was not sent: `rate-limited`, `quota-exhausted` or `overloaded`.
    pub fn quota_refused(&self, provider: &str, reason: &'static str) {
        let names = self.names.load();
        self.quota_refused.with_label_values(&[known(&names.providers, provider), reason]).inc();
    }

    /// A provider refused: `rate-limited` or `quota-exhausted`.
    pub fn quota_throttled(&self, provider: &str, kind: &'static str) {
        let names = self.names.load();
        self.quota_throttled.with_label_values(&[known(&names.providers, provider), kind]).inc();
    }

    /// Whether there is somebody who leases permits to all servers.
    pub fn quota_pool(&self, up: bool) {
        self.quota_pool.set(i64::from(up));
    }

    /// So many servers share the limits.
    pub fn replicas(&self, replicas: u32) {
        self.replicas.set(i64::from(replicas));
    }

    /// What became of spans: `sent`, `queue-full` or `undelivered`.
    pub fn trace_spans(&self, result: &'static str, spans: usize) {
        self.trace_spans.with_label_values(&[result]).inc_by(spans as u64);
    }

    /// Spans that did not get to the collector so far.
    pub fn lost_trace_spans(&self) -> u64 {
        ["queue-full", "undelivered"].iter().map(|result| self.trace_spans.with_label_values(&[result]).get()).sum()
    }

    /// For families of subsystems that this list does not know (breakers, allowances, token refreshes).
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text that Prometheus reads: our own families, then those of the process.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        // Gathered apart, as their names (`process_…`) carry no prefix.
        families.extend(prometheus::core::Collector::collect(&ProcessCollector::for_self()));
        TextEncoder::new().encode_to_string(&families)
    }
}

impl Names {
    fn of<'a>(&self, labels: &'a Labels) -> (&'a str, &'a str, &'static str) {
        (known(&self.providers, &labels.provider), known(&self.resources, &labels.resource), labels.operation)
    }
}

fn known<'a>(names: &BTreeSet<String>, name: &'a str) -> &'a str {
    if names.contains(name) || name == PASSTHROUGH { name } else { OTHER }
}

/// See [`Metrics::enter`].
pub struct InFlight(Arc<Metrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// One request of a caller. Dropped without [`RequestGuard::finish`] it counts as canceled.
pub struct RequestGuard {
    metrics: Arc<Metrics>,
    labels: Labels,
    timings: Arc<Timings>,
    started: Instant,
    outcome: &'static str,
}

impl RequestGuard {
    /// `outcome` is `ok` or the code of the problem.
    pub fn finish(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        let metrics = &self.metrics;
        let names = metrics.names.load();
        let (provider, resource, operation) = names.of(&self.labels);
        metrics.requests.with_label_values(&[provider, resource, operation, self.outcome]).inc();
        let labels = [provider, resource, operation];
        metrics.request_seconds.with_label_values(&labels).observe(total.as_secs_f64());
        metrics.overhead_seconds.with_label_values(&labels).observe(self.timings.overhead(total).as_secs_f64());
    }
}

/// One exchange with a provider. Dropped without [`AttemptGuard::finish`] it counts as canceled.
pub struct AttemptGuard {
    metrics: Arc<Metrics>,
    labels: Labels,
    timings: Arc<Timings>,
    started: Instant,
    outcome: &'static str,
}

impl AttemptGuard {
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// `outcome` is the class of the status (`2xx`) or a failure in a word.
    pub fn finish(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for AttemptGuard {
    fn drop(&mut self) {
        let time = self.started.elapsed();
        self.timings.add_upstream(time);
        let metrics = &self.metrics;
        let names = metrics.names.load();
        let (provider, _, operation) = names.of(&self.labels);
        metrics.attempts.with_label_values(&[provider, operation, self.outcome]).inc();
        metrics.upstream_seconds.with_label_values(&[provider, operation]).observe(time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(provider: &str, resource: &str) -> Labels {
        Labels { provider: provider.into(), resource: resource.into(), operation: "list" }
    }

    #[test]
    fn families_are_rendered_with_closed_label_sets() {
        let metrics = Metrics::new().expect("the families");
        metrics.catalog_loaded("r1", ["acme"], ["contacts"]);
        metrics.catalog_loaded("r2", ["acme"], ["contacts"]);
        let timings = Arc::new(Timings::default());
        metrics.attempt(labels("acme", "contacts"), timings.clone()).finish("2xx");
        metrics.request(labels("acme", "made-up"), timings.clone()).finish("ok");
        drop(metrics.request(labels("acme", "contacts"), timings.clone()));
        let inside = metrics.enter();
        let text = metrics.render().expect("text");
        for line in [
            r#"throughline_requests_total{operation="list",outcome="ok",provider="acme",resource="other"} 1"#,
            r#"throughline_requests_total{operation="list",outcome="canceled",provider="acme",resource="contacts"} 1"#,
            r#"throughline_attempts_total{operation="list",outcome="2xx",provider="acme"} 1"#,
            r#"throughline_catalog_info{revision="r2"} 1"#,
            "throughline_requests_in_flight 1",
            "throughline_build_info",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("made-up") && !text.contains("r1\""));
        drop(inside);
        assert!(metrics.render().expect("text").contains("throughline_requests_in_flight 0"));
    }
}
