//! Where answers are kept: so many bytes, and what was not asked for the longest goes first. How long an answer is good
//! is not decided here; what nobody can want any more is thrown out in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::kept::Entry;
use crate::telemetry::{Evicted, Metrics};

pub struct Pool(Cache<Arc<str>, Arc<Entry>>);

struct Lifetime;

impl Expiry<Arc<str>, Arc<Entry>> for Lifetime {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.terms.lifetime())
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.terms.lifetime())
    }
}

impl Pool {
    pub fn new(most: u64, metrics: Arc<Metrics>) -> Self {
        let count = move |_: Arc<Arc<str>>, _: Arc<Entry>, cause: RemovalCause| match cause {
            RemovalCause::Size => metrics.cache_evicted(Evicted::Size),
            RemovalCause::Expired => metrics.cache_evicted(Evicted::Expired),
            RemovalCause::Explicit | RemovalCause::Replaced => {}
        };
        let cache = Cache::builder()
            .max_capacity(most)
            .weigher(|_: &Arc<str>, entry: &Arc<Entry>| entry.weight)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetime)
            .eviction_listener(count)
            .build();
        Self(cache)
    }

    pub fn get(&self, key: &Arc<str>) -> Option<Arc<Entry>> {
        self.0.get(key)
    }

    pub fn put(&self, key: Arc<str>, entry: Arc<Entry>) {
        self.0.insert(key, entry);
        // The bound is held now, not when somebody asks next.
        self.0.run_pending_tasks();
    }

    pub fn remove(&self, key: &Arc<str>) {
        self.0.invalidate(key);
    }

    /// Throws out what is too old, and what is not `wanted`.
    pub fn sweep(&self, wanted: impl Fn(&Entry) -> bool) {
        for (key, entry) in &self.0 {
            if !wanted(&entry) {
                self.0.invalidate(&*key);
            }
        }
        self.0.run_pending_tasks();
    }

    /// Entries, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        (self.0.entry_count(), self.0.weighted_size())
    }
}
