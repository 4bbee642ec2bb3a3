//! The one list of metric families: name, labels with their closed sets, buckets, and the help as its comment.
//!
//! A family stands in `/metrics` from the start with all its series, so that the first event of each is an increase;
//! `sparse` ones, of which there would be too many, get a series with its first value.

use prometheus::Registry;

use super::family::{Counters, Gauges, Histograms, Label, Vector};
use super::labels::{
    Attempted, BreakerEvent, BreakerState, BudgetOf, BudgetWindow, CacheResult, ConnectionState, Evicted, Exported,
    GivenBack, Listener, Operation, Outcome, QuotaRefusal, Refreshed, Reloaded, Replay, Retried, Route, Shed,
    StatusClass, StoreFailure, StoreFor, Throttle, TokenStage, Version, Written,
};
use super::names::{Limit, Names, Provider, Resource, Revision};
use crate::error;

/// What stands before every name.
const PREFIX: &str = "throughline";

/// A round trip to a provider: a few tens of milliseconds at best, half a minute at worst. Seconds.
const UPSTREAM: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// What we add ourselves is thought of in tenths of a millisecond. Seconds.
const OWN: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];
/// From a lookup in a file to a database that is about to give up. Seconds.
const STORE: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0];
/// Renewed at or after the end; within the guard that callers wait in; from there to the widest margin. Seconds.
const LEFT: &[f64] = &[0.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0];
const NONE: &[f64] = &[];

/// A family as the list declares it.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// Whole, as in `/metrics`.
    pub name: &'static str,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    pub labels: &'static [&'static str],
}

macro_rules! families {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ident { $($label:ident: $Set:ty),* } $([$buckets:ident])? $($sparse:ident)?;)+) => {
        pub(super) struct Families {
            $($(#[doc = $help])+ pub(super) $name: $kind<($($Set,)*)>,)+
        }

        /// All families, in their order.
        pub const DECLARED: &[Declared] = &[$(Declared {
            name: concat!("throughline_", stringify!($name)),
            kind: kind_of::<$kind<($($Set,)*)>>(),
            labels: &[$(stringify!($label)),*],
        },)+];

        impl Families {
            pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
                Ok(Self {$(
                    $name: $kind::register(
                        registry,
                        stringify!($name),
                        concat!($($help),+).trim(),
                        &[$(stringify!($label)),*],
                        families!(@buckets $($buckets)?),
                    )?,
                )+})
            }

            /// What the labels of a family can be at the moment, in their order.
            pub(super) fn values(&self, family: &str, names: &Names) -> Vec<Vec<String>> {
                $(if family == concat!("throughline_", stringify!($name)) {
                    return vec![$(texts::<$Set>(names)),*];
                })+
                Vec::new()
            }

            /// Makes the series of all families that are not sparse.
            pub(super) fn fill(&self, names: &Names) {
                $(families!(@fill self names $name $($sparse)?);)+
            }
        }
    };
    (@buckets) => { NONE };
    (@buckets $buckets:ident) => { $buckets };
    (@fill $self:ident $names:ident $name:ident) => { $self.$name.fill($names) };
    (@fill $self:ident $names:ident $name:ident sparse) => {};
}

fn texts<L: Label>(names: &Names) -> Vec<String> {
    L::all(names).into_iter().map(|label| label.text(names).to_owned()).collect()
}

const fn kind_of<F: Kind>() -> &'static str {
    F::KIND
}

trait Kind {
    const KIND: &'static str;
}

impl<V: Vector, L> Kind for super::family::Family<V, L> {
    const KIND: &'static str = V::KIND;
}

pub(super) fn registry() -> Result<Registry, prometheus::Error> {
    Registry::new_custom(Some(PREFIX.to_owned()), None)
}

families! {
    // --- callers

    /// Requests of callers by what the route is about; outcome is ok, canceled or the code of the problem.
    http_requests_total: Counters { route: Route, status: StatusClass, outcome: Outcome } sparse;
    /// Time from the head of a caller's request to the head of its answer.
    http_request_seconds: Histograms { route: Route } [UPSTREAM];
    /// Requests of callers that are being answered.
    requests_in_flight: Gauges {};
    /// Connections that are open to a listener of this process.
    caller_connections: Gauges { listener: Listener };
    /// Connections and requests of callers that were turned away; reason is the limit that was met.
    shed_total: Counters { reason: Shed };
    /// Requests to the admin listener without its token.
    admin_refused_total: Counters {};

    // --- calls: unified operations and passthrough

    /// Finished calls; outcome is ok, canceled or the code of the problem.
    requests_total: Counters { provider: Provider, resource: Resource, operation: Operation, outcome: Outcome } sparse;
    /// Time of a call from the end of its admission to its answer, the provider's time included.
    request_seconds: Histograms { provider: Provider, operation: Operation } [UPSTREAM] sparse;
    /// Time of a call that is ours: all but waiting for the provider and for its allowance.
    overhead_seconds: Histograms { provider: Provider, operation: Operation } [OWN] sparse;
    /// Time that translating one call and its answers took.
    mapping_seconds: Histograms { provider: Provider, resource: Resource } [OWN] sparse;
    /// Look-ups in the read cache.
    cache_total: Counters { provider: Provider, resource: Resource, result: CacheResult } sparse;
    /// Kept answers that were thrown out: others needed the room, or nobody could want them any more.
    cache_evictions_total: Counters { cause: Evicted };
    /// Answers that the read cache keeps.
    cache_entries: Gauges {};
    /// Bytes that kept answers take, as the read cache counts them.
    cache_bytes: Gauges {};

    // --- providers

    /// HTTP exchanges with providers; outcome is the class of the status or the failure.
    attempts_total: Counters { provider: Provider, operation: Operation, outcome: Attempted } sparse;
    /// Time from sending an attempt to the head of its answer or its failure.
    upstream_seconds: Histograms { provider: Provider, operation: Operation } [UPSTREAM] sparse;
    /// Failures that could have been sent again: they were, or there was no budget or no time for it.
    retries_total: Counters { provider: Provider, result: Retried };
    /// What the breakers of hosts did: opened, closed, or refused a request.
    breaker_total: Counters { provider: Provider, event: BreakerEvent };
    /// Hosts that were asked lately, by the state of their breaker.
    breaker_hosts: Gauges { provider: Provider, state: BreakerState } sparse;

    // --- providers' limits

    /// Time that requests waited for the provider's allowance, of those that had to.
    quota_wait_seconds: Histograms { provider: Provider } [UPSTREAM] sparse;
    /// What is left of a provider's limit, of all accounts in use the one with least.
    quota_remaining: Gauges { provider: Provider, limit: Limit } sparse;
    /// Requests that were not sent for the provider's limits.
    quota_refused_total: Counters { provider: Provider, reason: QuotaRefusal };
    /// Answers with which a provider said that it was too much.
    quota_throttled_total: Counters { provider: Provider, kind: Throttle };
    /// 1 while Redis leases permits; 0 where it is away, or where there is none.
    quota_pool_up: Gauges {};
    /// Time that Redis took to lease permits, or to fail.
    quota_pool_seconds: Histograms {} [STORE];
    /// Leases of permits that Redis did not answer.
    quota_pool_failures_total: Counters {};
    /// Servers that share the providers' limits, this one included.
    replicas: Gauges {};

    // --- writes

    /// Writes with an Idempotency-Key, by what they met.
    idempotency_total: Counters { result: Replay };
    /// Writes whose caller had left before they ended.
    writes_finished_alone_total: Counters { outcome: error::Outcome };
    /// Writes that run and are finished whoever leaves.
    writes_under_way: Gauges {};

    // --- connections and their tokens

    /// Connections by provider and state.
    connections: Gauges { provider: Provider, state: ConnectionState } sparse;
    /// Credentials in memory by where they are in their life.
    tokens: Gauges { stage: TokenStage };
    /// Renewals of access tokens; failed ones are tried again, after lost ones the customer has to authorise again.
    token_refreshes_total: Counters { provider: Provider, result: Refreshed };
    /// Time of a renewal from the lease to its end, the authorization server's time included.
    token_refresh_seconds: Histograms { provider: Provider } [UPSTREAM] sparse;
    /// What was left of a token's life when its successor came; 0 if it had ended before.
    token_left_seconds: Histograms { provider: Provider } [LEFT] sparse;
    /// Time from reading a renewed token to its being durable in the store.
    token_persist_seconds: Histograms {} [STORE];
    /// Renewed tokens that were lost between provider and store: always worth finding out why.
    token_rotations_lost_total: Counters { provider: Provider };
    /// Renewed tokens that the store has not taken yet.
    token_escrow_entries: Gauges {};
    /// Attempts to give credentials of ended connections back to their provider.
    revocations_total: Counters { provider: Provider, result: GivenBack };
    /// Times that more was read through a connection than its budget allows.
    egress_budgets_exceeded_total: Counters { provider: Provider, what: BudgetOf, window: BudgetWindow };

    // --- the store

    /// Time of an operation of the store, waiting for its turn included.
    store_seconds: Histograms { purpose: StoreFor } [STORE];
    /// Operations of the store that failed.
    store_failures_total: Counters { kind: StoreFailure };
    /// Entries for the audit log, by whether the store took them.
    audit_entries_total: Counters { result: Written };

    // --- the process

    /// Times the mappings were loaded anew.
    catalog_reloads_total: Counters { result: Reloaded };
    /// Always 1; the revision of the mappings in use is the label.
    catalog_info: Gauges { revision: Revision } sparse;
    /// Always 1; the version is the label.
    build_info: Gauges { version: Version } sparse;
    /// Spans of traces, by what became of them.
    trace_spans_total: Counters { result: Exported };
    /// Threads that run requests.
    runtime_workers: Gauges {};
    /// Tasks that have not ended.
    runtime_tasks: Gauges {};
    /// Tasks that wait for any thread: more than a few for long is too little CPU.
    runtime_queue: Gauges {};
}
