//! What is counted and timed. The list of all families is in [`families`], the values that labels can have are in
//! [`labels`] and [`names`]: what a caller or a provider can make up (ids, paths, messages) is never one. Times and
//! counts of requests are recorded through [`guards`], which tell of a request that was given up, too.

mod families;
mod family;
mod guards;
mod labels;
mod names;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Registry, TextEncoder};

use super::Timings;
use crate::error;
use families::Families;
use names::Names;

pub use families::{DECLARED, Declared};
pub use guards::{AttemptGuard, HttpGuard, InFlight, RequestGuard};
pub use labels::{
    Attempted, BreakerEvent, BreakerState, BudgetOf, BudgetWindow, CacheResult, ConnectionState, Evicted, Exported,
    GivenBack, Listener, Operation, Outcome, QuotaRefusal, Refreshed, Reloaded, Replay, Retried, Route, Shed,
    StatusClass, StoreFailure, StoreFor, Throttle, TokenStage, Version, Written,
};
pub use names::{PASSTHROUGH, Vocabulary};

/// What a call is counted under. The names of provider and resource are the catalog's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    pub provider: Arc<str>,
    pub resource: Arc<str>,
    pub operation: Operation,
}

/// Sets gauges when somebody wants to read them.
type Look = Box<dyn Fn(&Metrics) + Send + Sync>;

/// The families. Built and owned by the composition root, shared by all that count.
pub struct Metrics {
    registry: Registry,
    families: Families,
    names: ArcSwap<Names>,
    looks: Mutex<Vec<Look>>,
}

impl Metrics {
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = families::registry()?;
        let families = Families::register(&registry)?;
        let names = Names::default();
        families.fill(&names);
        families.replicas.set(&names, (), 1);
        families.build_info.set(&names, (Version::This,), 1);
        Ok(Arc::new(Self { registry, families, names: ArcSwap::from_pointee(names), looks: Mutex::default() }))
    }

    /// The names that may become label values and the revision they come from. Told anew after every reload.
    pub fn catalog_loaded(&self, vocabulary: &Vocabulary) {
        let names = Arc::new(self.names.load().followed_by(vocabulary));
        self.families.fill(&names);
        self.families.catalog_info.replace(&names, [((names.revision(),), 1)]);
        self.names.store(names);
    }

    /// `look` is called whenever the metrics are about to be read, and should be done in a millisecond.
    pub fn before_reading(&self, look: impl Fn(&Metrics) + Send + Sync + 'static) {
        self.looks.lock().push(Box::new(look));
    }

    /// The text that Prometheus reads: our own families, then those of the process.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        self.look_at_the_runtime();
        for look in self.looks.lock().iter() {
            look(self);
        }
        let mut families = self.registry.gather();
        // Gathered apart, as their names (`process_…`) carry no prefix.
        families.extend(prometheus::core::Collector::collect(&ProcessCollector::for_self()));
        TextEncoder::new().encode_to_string(&families)
    }

    /// What the labels of a declared family can be at the moment, in their order; `other` besides for names that the
    /// catalog decides.
    pub fn label_values(&self, family: &str) -> Vec<Vec<String>> {
        self.families.values(family, &self.names.load())
    }
}

/// Callers.
impl Metrics {
    /// Counts a request as being answered until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        InFlight::new(self.clone())
    }

    /// Starts the clock of one HTTP request.
    pub fn http_request(self: &Arc<Self>, route: Route) -> HttpGuard {
        HttpGuard::new(self.clone(), route)
    }

    /// A connection of a caller was opened (1) or has ended (-1).
    pub fn caller_connections(&self, listener: Listener, difference: i64) {
        self.families.caller_connections.add(&self.names.load(), (listener,), difference);
    }

    /// A connection or a request was turned away.
    pub fn shed(&self, reason: Shed) {
        self.families.shed_total.inc(&self.names.load(), (reason,));
    }

    /// Somebody asked the admin listener without its token.
    pub fn admin_refused(&self) {
        self.families.admin_refused_total.inc(&self.names.load(), ());
    }
}

/// Calls and attempts.
impl Metrics {
    /// Starts the clock of one call.
    pub fn request(self: &Arc<Self>, labels: Labels, timings: Arc<Timings>) -> RequestGuard {
        RequestGuard::new(self.clone(), labels, timings)
    }

    /// Starts the clock of one exchange with a provider.
    pub fn attempt(self: &Arc<Self>, labels: Labels, timings: Arc<Timings>) -> AttemptGuard {
        AttemptGuard::new(self.clone(), labels, timings)
    }

    /// The translation of one call and its answers.
    pub fn mapping(&self, labels: &Labels, time: Duration) {
        let names = self.names.load();
        let of = (names.provider(&labels.provider), names.resource(&labels.resource));
        self.families.mapping_seconds.observe(&names, of, time);
    }

    /// One look-up in the read cache.
    pub fn cache(&self, labels: &Labels, result: CacheResult) {
        let names = self.names.load();
        let of = (names.provider(&labels.provider), names.resource(&labels.resource), result);
        self.families.cache_total.inc(&names, of);
    }

    /// A kept answer was thrown out.
    pub fn cache_evicted(&self, cause: Evicted) {
        self.families.cache_evictions_total.inc(&self.names.load(), (cause,));
    }

    /// What the read cache keeps.
    pub fn cache_size(&self, entries: u64, bytes: u64) {
        let names = self.names.load();
        self.families.cache_entries.set(&names, (), entries);
        self.families.cache_bytes.set(&names, (), bytes);
    }

    /// What became of spans.
    pub fn trace_spans(&self, result: Exported, spans: usize) {
        self.families.trace_spans_total.inc_by(&self.names.load(), (result,), spans as u64);
    }

    /// Spans that did not get to the collector so far.
    pub fn lost_trace_spans(&self) -> u64 {
        let names = self.names.load();
        let lost = |result| self.families.trace_spans_total.get(&names, (result,));
        lost(Exported::QueueFull) + lost(Exported::Undelivered)
    }

    /// A failure that could have been sent again.
    pub fn retry(&self, provider: &str, result: Retried) {
        let names = self.names.load();
        self.families.retries_total.inc(&names, (names.provider(provider), result));
    }

    /// What the breaker of a host did.
    pub fn breaker(&self, provider: &str, event: BreakerEvent) {
        let names = self.names.load();
        self.families.breaker_total.inc(&names, (names.provider(provider), event));
    }

    /// The provider and the state of each host's breaker.
    pub fn breaker_hosts(&self, hosts: impl Iterator<Item = (Arc<str>, BreakerState)>) {
        let names = self.names.load();
        let each = hosts.map(|(provider, state)| ((names.provider(&provider), state), 1));
        self.families.breaker_hosts.replace(&names, each);
    }
}

/// Providers' limits.
impl Metrics {
    /// A request got its permit after a while.
    pub fn quota_waited(&self, provider: &str, time: Duration) {
        let names = self.names.load();
        self.families.quota_wait_seconds.observe(&names, (names.provider(provider),), time);
    }

    /// Provider, limit and what is left, of all that are in use.
    pub fn quota_remaining<'a>(&self, all: impl Iterator<Item = ((&'a str, &'a str), u32)>) {
        let names = self.names.load();
        let all =
            all.map(|((provider, limit), left)| ((names.provider(provider), names.limit(limit)), u64::from(left)));
        self.families.quota_remaining.replace(&names, all);
    }

    /// A request was not sent.
    pub fn quota_refused(&self, provider: &str, reason: QuotaRefusal) {
        let names = self.names.load();
        self.families.quota_refused_total.inc(&names, (names.provider(provider), reason));
    }

    /// A provider refused.
    pub fn quota_throttled(&self, provider: &str, kind: Throttle) {
        let names = self.names.load();
        self.families.quota_throttled_total.inc(&names, (names.provider(provider), kind));
    }

    /// Whether there is somebody who leases permits to all servers.
    pub fn quota_pool(&self, up: bool) {
        self.families.quota_pool_up.set(&self.names.load(), (), i64::from(up));
    }

    /// Somebody was asked for permits, and answered or did not.
    pub fn quota_pool_asked(&self, time: Duration, answered: bool) {
        let names = self.names.load();
        self.families.quota_pool_seconds.observe(&names, (), time);
        if !answered {
            self.families.quota_pool_failures_total.inc(&names, ());
        }
    }

    /// So many servers share the limits.
    pub fn replicas(&self, replicas: u32) {
        self.families.replicas.set(&self.names.load(), (), replicas);
    }
}

/// Writes.
impl Metrics {
    pub fn idempotency(&self, result: Replay) {
        self.families.idempotency_total.inc(&self.names.load(), (result,));
    }

    pub fn write_finished_alone(&self, outcome: error::Outcome) {
        self.families.writes_finished_alone_total.inc(&self.names.load(), (outcome,));
    }

    /// So many writes run that are finished whoever leaves.
    pub fn writes_under_way(&self, writes: usize) {
        self.families.writes_under_way.set(&self.names.load(), (), writes);
    }
}

/// Connections and their tokens.
impl Metrics {
    /// The end of a renewal of tokens.
    pub fn refresh(&self, provider: &str, result: Refreshed, time: Duration) {
        let names = self.names.load();
        let provider = names.provider(provider);
        self.families.token_refreshes_total.inc(&names, (provider, result));
        self.families.token_refresh_seconds.observe(&names, (provider,), time);
    }

    /// So much was left of a token when its successor came.
    pub fn token_left(&self, provider: &str, time: Duration) {
        let names = self.names.load();
        self.families.token_left_seconds.observe(&names, (names.provider(provider),), time);
    }

    /// From reading a renewed token to its being durable.
    pub fn token_persisted(&self, time: Duration) {
        self.families.token_persist_seconds.observe(&self.names.load(), (), time);
    }

    pub fn rotation_lost(&self, provider: &str) {
        let names = self.names.load();
        self.families.token_rotations_lost_total.inc(&names, (names.provider(provider),));
    }

    /// Provider, state and number of connections, all there are; and how many tokens wait for the store.
    pub fn census(&self, counted: impl Iterator<Item = (Arc<str>, ConnectionState, u64)>, escrow: usize) {
        let names = self.names.load();
        let counted = counted.map(|(provider, state, number)| ((names.provider(&provider), state), number));
        self.families.connections.replace(&names, counted);
        self.families.token_escrow_entries.set(&names, (), escrow);
    }

    /// The stage of all credentials in memory.
    pub fn tokens(&self, stages: impl Iterator<Item = TokenStage>) {
        let names = self.names.load();
        let none = TokenStage::ALL.iter().map(|stage| ((*stage,), 0));
        self.families.tokens.replace(&names, none.chain(stages.map(|stage| ((stage,), 1))));
    }

    /// Credentials were to be given back to their provider.
    pub fn given_back(&self, provider: &str, result: GivenBack) {
        let names = self.names.load();
        self.families.revocations_total.inc(&names, (names.provider(provider), result));
    }

    /// More was read through a connection than its budget allows.
    pub fn egress_budget_exceeded(&self, provider: &str, what: BudgetOf, window: BudgetWindow) {
        let names = self.names.load();
        self.families.egress_budgets_exceeded_total.inc(&names, (names.provider(provider), what, window));
    }
}

/// The store and the process.
impl Metrics {
    /// One operation of the store, and how it failed if it did.
    pub fn store(&self, purpose: StoreFor, time: Duration, failure: Option<StoreFailure>) {
        let names = self.names.load();
        self.families.store_seconds.observe(&names, (purpose,), time);
        if let Some(failure) = failure {
            self.families.store_failures_total.inc(&names, (failure,));
        }
    }

    /// Entries for the audit log were written, or could not be.
    pub fn audited(&self, result: Written, entries: usize) {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        self.families.audit_entries_total.inc_by(&self.names.load(), (result,), entries);
    }

    /// The mappings were loaded anew.
    pub fn reload(&self, result: Reloaded) {
        self.families.catalog_reloads_total.inc(&self.names.load(), (result,));
    }

    fn look_at_the_runtime(&self) {
        let Ok(handle) = tokio::runtime::Handle::try_current() else { return };
        let (names, runtime) = (self.names.load(), handle.metrics());
        self.families.runtime_workers.set(&names, (), runtime.num_workers());
        self.families.runtime_tasks.set(&names, (), runtime.num_alive_tasks());
        self.families.runtime_queue.set(&names, (), runtime.global_queue_depth());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn labels(provider: &str, resource: &str) -> Labels {
        Labels { provider: provider.into(), resource: resource.into(), operation: Operation::List }
    }

    fn vocabulary(revision: &str) -> Vocabulary {
        Vocabulary {
            revision: revision.into(),
            providers: vec!["acme".into()],
            resources: vec!["contacts".into()],
            limits: vec!["burst".into()],
        }
    }

    #[test]
    fn what_is_counted_is_rendered_under_names_that_the_catalog_knows() {
        let metrics = Metrics::new().expect("the families");
        metrics.catalog_loaded(&vocabulary("r1"));
        metrics.catalog_loaded(&vocabulary("r2"));
        let timings = Arc::new(Timings::default());
        metrics.attempt(labels("acme", "contacts"), timings.clone()).finish(Attempted::Success);
        metrics.request(labels("acme", "made-up"), timings.clone()).finish(Outcome::Problem(Kind::RateLimited));
        drop(metrics.request(labels("acme", "contacts"), timings.clone()));
        metrics.http_request(Route::Crm).finish(200, Outcome::Ok);
        let inside = metrics.enter();
        let text = metrics.render().expect("text");
        for line in [
            r#"throughline_requests_total{operation="list",outcome="rate-limited",provider="acme",resource="other"} 1"#,
            r#"throughline_requests_total{operation="list",outcome="canceled",provider="acme",resource="contacts"} 1"#,
            r#"throughline_attempts_total{operation="list",outcome="2xx",provider="acme"} 1"#,
            r#"throughline_http_requests_total{outcome="ok",route="crm",status="2xx"} 1"#,
            r#"throughline_catalog_info{revision="r2"} 1"#,
            r#"throughline_token_rotations_lost_total{provider="acme"} 0"#,
            "throughline_requests_in_flight 1",
            concat!("throughline_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("made-up") && !text.contains("r1\""));
        drop(inside);
        assert!(metrics.render().expect("text").contains("throughline_requests_in_flight 0"));
    }

    #[test]
    fn gauges_that_are_replaced_forget_what_is_gone_and_add_up_what_comes_twice() {
        let metrics = Metrics::new().expect("the families");
        metrics.catalog_loaded(&vocabulary("r1"));
        let counted = |state, number| (Arc::from("acme"), state, number);
        let both = [counted(ConnectionState::Active, 2), counted(ConnectionState::Degraded, 1)];
        metrics.census(both.into_iter().chain([counted(ConnectionState::Active, 3)]), 0);
        let text = metrics.render().expect("text");
        assert!(text.contains(r#"throughline_connections{provider="acme",state="active"} 5"#), "{text}");
        metrics.census([counted(ConnectionState::Active, 1)].into_iter(), 0);
        let text = metrics.render().expect("text");
        assert!(text.contains(r#"throughline_connections{provider="acme",state="active"} 1"#), "{text}");
        assert!(!text.contains("degraded"), "{text}");
    }

    #[test]
    fn counting_by_several_threads_loses_nothing() {
        let metrics = Metrics::new().expect("the families");
        metrics.catalog_loaded(&vocabulary("r1"));
        let count = || {
            for operation in Operation::ALL.iter().cycle().take(2_800) {
                let labels = Labels { operation: *operation, ..labels("acme", "contacts") };
                metrics.request(labels, Arc::default()).finish(Outcome::Ok);
            }
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|_| {
                scope.spawn(count);
            });
        });
        let text = metrics.render().expect("text");
        let counts: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("throughline_requests_total{"))
            .filter_map(|line| line.rsplit(' ').next())
            .collect();
        assert_eq!(counts, vec!["800"; Operation::ALL.len()], "four threads, two hundred times each operation");
    }
}
