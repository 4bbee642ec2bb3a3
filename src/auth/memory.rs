//! What was read from the store and is kept in memory: bounded by count, loaded once however many ask at the same time,
//! and never older than the last `forget`. What is doubted is loaded again; where the store cannot be reached it serves
//! on, as it would have if nobody had doubted it.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{Kind, Result};

/// Loads that may run at the same time; those of one key always wait for each other, and a change of one key is none of
/// most others.
const PLACES: usize = 1024;
/// After the store could not be reached, what is doubted serves without asking for so long: those who ask must not wait
/// for it one after the other.
const UNREACHABLE: Duration = Duration::from_secs(1);

/// What keys that share a place have in common.
#[derive(Default)]
struct Place {
    /// Whose turn it is to load.
    flight: Mutex<()>,
    /// Counts every change, so that a load that began before it does not bring the old value back.
    changes: AtomicU64,
}

/// An era that never is the present one.
const DOUBTED: u64 = 0;

pub(crate) struct Memory<K, V> {
    /// Each with the era that it was loaded in.
    held: moka::sync::Cache<K, (u64, V)>,
    /// Counts every doubt: what is of an earlier one is doubted.
    era: AtomicU64,
    unreachable_until: parking_lot::Mutex<Option<Instant>>,
    places: Vec<Place>,
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
            era: AtomicU64::new(DOUBTED + 1),
            unreachable_until: parking_lot::Mutex::default(),
            places: (0..PLACES).map(|_| Place::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let (era, value) = self.held.get(key)?;
        (era == self.era.load(Ordering::SeqCst)).then_some(value)
    }

    fn doubted(&self, key: &K) -> Option<V> {
        self.held.get(key).map(|(_, value)| value)
    }

    fn place(&self, key: &K) -> Option<&Place> {
        self.places.get(self.hasher.hash_one(key) as usize % PLACES)
    }

    fn change(&self, key: &K) {
        if let Some(place) = self.place(key) {
            place.changes.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn is_unreachable(&self) -> bool {
        self.unreachable_until.lock().is_some_and(|until| Instant::now() < until)
    }

    /// What is held for `key`, or what `load` finds. Nothing found is not remembered.
    pub(crate) async fn get_or_load<F>(&self, key: &K, load: impl FnOnce() -> F) -> Result<Option<V>>
    where
        F: Future<Output = Result<Option<V>>>,
    {
        if let Some(value) = self.get(key) {
            return Ok(Some(value));
        }
        let place = self.place(key);
        let _turn = match place {
            Some(place) => Some(place.flight.lock().await),
            None => None,
        };
        if let Some(value) = self.get(key) {
            return Ok(Some(value));
        }
        if self.is_unreachable()
            && let Some(value) = self.doubted(key)
        {
            return Ok(Some(value));
        }
        let changes = || place.map_or(0, |place| place.changes.load(Ordering::SeqCst));
        let (before, era) = (changes(), self.era.load(Ordering::SeqCst));
        let found = match load().await {
            Ok(found) => found,
            Err(error) if error.kind() == Kind::Overloaded => {
                *self.unreachable_until.lock() = Some(Instant::now() + UNREACHABLE);
                return self.doubted(key).map(Some).ok_or(error);
            }
            Err(error) => return Err(error),
        };
        // No await from here on: a caller who hangs up cannot leave between the insertion and its check.
        if let Some(value) = &found {
            self.held.insert(key.clone(), (era, value.clone()));
            if changes() != before {
                self.held.invalidate(key);
            }
        } else {
            self.held.invalidate(key);
        }
        Ok(found)
    }

    /// Loads anew what is held for `key`, since it has changed elsewhere; until that is here the old one serves, so that
    /// nobody waits. What is not held stays so.
    pub(crate) async fn look_again<F>(&self, key: &K, load: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Option<V>>>,
    {
        self.change(key);
        if self.held.get(key).is_none() {
            return;
        }
        let changes = || self.place(key).map_or(0, |place| place.changes.load(Ordering::SeqCst));
        let (before, era) = (changes(), self.era.load(Ordering::SeqCst));
        match load().await {
            Ok(Some(value)) if changes() == before => self.held.insert(key.clone(), (era, value)),
            // Overtaken by something newer, or by another change that is looked at as well.
            Ok(Some(_)) => {}
            Ok(None) => self.forget(key),
            Err(_) => self.doubt(key),
        }
    }

    /// Newer than whatever a load that is under way will find.
    pub(crate) fn put(&self, key: K, value: V) {
        self.change(&key);
        self.held.insert(key, (self.era.load(Ordering::SeqCst), value));
    }

    /// What is held, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = V> {
        self.held.iter().map(|(_, (_, value))| value)
    }

    pub(crate) fn forget(&self, key: &K) {
        self.change(key);
        self.held.invalidate(key);
    }

    /// It has changed elsewhere.
    pub(crate) fn doubt(&self, key: &K) {
        self.change(key);
        if let Some((_, value)) = self.held.get(key) {
            self.held.insert(key.clone(), (DOUBTED, value));
        }
    }

    /// Anything may have changed.
    pub(crate) fn doubt_all(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Error;

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
            |memory: &Memory<&'static str, u32>| memory.doubt_all(),
        ] {
            let found = memory.get_or_load(&"a", || async {
                forget(&memory);
                Ok(Some(1))
            });
            assert_eq!(found.await.expect("loads"), Some(1));
            assert_eq!(memory.get(&"a"), None);
        }
    }

    #[tokio::test]
    async fn what_is_looked_at_again_serves_until_the_new_is_there() {
        let memory = Memory::<&str, u32>::with_capacity(10);
        memory.look_again(&"a", || async { Ok(Some(1)) }).await;
        assert_eq!(memory.get(&"a"), None, "nobody had asked for it");
        memory.put("a", 1);
        let served = Cell::new(None);
        let load = || async {
            served.set(memory.get(&"a"));
            Ok(Some(2))
        };
        memory.look_again(&"a", load).await;
        assert_eq!((served.get(), memory.get(&"a")), (Some(1), Some(2)));
        let overtaken = || async {
            memory.put("a", 4);
            Ok(Some(3))
        };
        memory.look_again(&"a", overtaken).await;
        assert_eq!(memory.get(&"a"), Some(4));
        memory.look_again(&"a", || async { Err(Error::new(Kind::Overloaded, "away")) }).await;
        assert_eq!(memory.get(&"a"), None, "it is doubted");
        memory.put("a", 5);
        memory.look_again(&"a", || async { Ok(None) }).await;
        assert_eq!(memory.doubted(&"a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_doubted_serves_while_the_store_cannot_be_reached() {
        let memory = Memory::<&str, u32>::with_capacity(10);
        memory.put("a", 1);
        memory.doubt_all();
        assert_eq!(memory.get(&"a"), None);
        let asked = Cell::new(0);
        let away = || async {
            asked.set(asked.get() + 1);
            Err(Error::new(Kind::Overloaded, "away"))
        };
        for _ in 0..5 {
            assert_eq!(memory.get_or_load(&"a", away).await.expect("the old value"), Some(1));
        }
        assert_eq!(asked.get(), 1, "nobody waits for it behind another");
        assert!(memory.get_or_load(&"b", away).await.is_err(), "what was never known");

        tokio::time::advance(UNREACHABLE).await;
        assert_eq!(memory.get_or_load(&"a", || async { Ok(Some(2)) }).await.expect("loads"), Some(2));
        memory.doubt_all();
        assert_eq!(memory.get_or_load(&"a", || async { Ok(None) }).await.expect("loads"), None);
        assert!(memory.get_or_load(&"a", away).await.is_err(), "what is gone is gone");
        memory.put("c", 3);
        memory.doubt(&"c");
        assert_eq!(memory.get(&"c"), None);
        assert_eq!(memory.get_or_load(&"c", away).await.expect("the old value"), Some(3));
        memory.forget(&"c");
        assert!(memory.get_or_load(&"c", away).await.is_err(), "what was forgotten is gone");
    }
}
