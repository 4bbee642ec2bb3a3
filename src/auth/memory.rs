//! What was read from the store and is kept in memory: bounded by count, loaded once however many ask at the same time,
//! and never older than the last `forget`.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::error::Result;

/// Loads that may run at the same time; those of one key always wait for each other.
const FLIGHTS: usize = 64;

pub(crate) struct Memory<K, V> {
    held: moka::sync::Cache<K, V>,
    /// Counts every `forget`, so that a load that began before it does not bring the old value back.
    changes: AtomicU64,
    flights: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn with_capacity(count: u64) -> Self {
        Self {
            held: moka::sync::Cache::new(count),
            changes: AtomicU64::new(0),
            flights: (0..FLIGHTS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.held.get(key)
    }

    /// What is held for `key`, or what `load` finds. Nothing found is not remembered.
    pub(crate) async fn get_or_load<F>(&self, key: &K, load: impl FnOnce() -> F) -> Result<Option<V>>
    where
        F: Future<Output = Result<Option<V>>>,
    {
        if let Some(value) = self.held.get(key) {
            return Ok(Some(value));
        }
        let flight = self.flights.get(self.hasher.hash_one(key) as usize % FLIGHTS);
        let _turn = match flight {
            Some(flight) => Some(flight.lock().await),
            None => None,
        };
        if let Some(value) = self.held.get(key) {
            return Ok(Some(value));
        }
        let before = self.changes.load(Ordering::SeqCst);
        let found = load().await?;
        // No await from here on: a caller who hangs up cannot leave between the insertion and its check.
        if let Some(value) = &found {
            self.held.insert(key.clone(), value.clone());
            if self.changes.load(Ordering::SeqCst) != before {
                self.held.invalidate(key);
            }
        }
        Ok(found)
    }

    /// Newer than whatever a load that is under way will find.
    pub(crate) fn put(&self, key: K, value: V) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.held.insert(key, value);
    }

    /// What is held, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = V> {
        self.held.iter().map(|(_, value)| value)
    }

    pub(crate) fn forget(&self, key: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.held.invalidate(key);
    }

    pub(crate) fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.held.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_together_load_once() {
        let memory = Memory::<&str, u32>::with_capacity(10);
        let loads = Cell::new(0);
        let load = || async {
            loads.set(loads.get() + 1);
            tokio::task::yield_now().await;
            Ok(Some(7))
        };
        let (one, two) = tokio::join!(memory.get_or_load(&"a", load), memory.get_or_load(&"a", load));
        assert_eq!((one.expect("loads"), two.expect("loads")), (Some(7), Some(7)));
        assert_eq!(loads.get(), 1);
    }

    #[tokio::test]
    async fn a_load_that_was_overtaken_is_not_kept() {
        let memory = Memory::<&str, u32>::with_capacity(10);
        for forget in [
            |memory: &Memory<&'static str, u32>| memory.forget(&"a"),
            |memory: &Memory<&'static str, u32>| memory.forget_all(),
        ] {
            let found = memory.get_or_load(&"a", || async {
                forget(&memory);
                Ok(Some(1))
            });
            assert_eq!(found.await.expect("loads"), Some(1));
            assert_eq!(memory.get(&"a"), None);
        }
    }
}
