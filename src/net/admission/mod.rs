//! Who is let in: so many requests at a time in all, of each customer's connection and of each API key, so many a second
//! of each key, and so many wrong keys from one address. All of it in memory, looked up by key and forgotten when idle.

mod gate;
mod keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use gate::Permit;
pub use keys::{Admitted, KeyPermit, Refused};

use super::listen::whose;
use crate::limit::{Class, Config, Gcra, KeyLimits};
use gate::Gate;
use keys::Key;

/// Keys, connections and addresses that are kept in mind, each; a few hundred bytes of memory for one.
const REMEMBERED: u64 = 100_000;
/// Longer than it takes for any of their rates to be full again.
const FORGET_AFTER: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    config: Config,
    queue: Duration,
    in_flight: Arc<Gate>,
    connections: Cache<Arc<str>, Arc<Gate>>,
    keys: Cache<Arc<str>, Arc<Key>>,
    failures: Cache<IpAddr, Arc<Mutex<Gcra>>>,
}

fn kept<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(REMEMBERED).time_to_idle(FORGET_AFTER).build()
}

impl Admission {
    /// `in_flight` requests at a time; who finds none free waits for `queue` at most.
    pub fn new(in_flight: usize, queue: Duration, config: Config) -> Self {
        Self(Arc::new(Inner {
            config,
            queue,
            in_flight: Gate::new(in_flight),
            connections: kept(),
            keys: kept(),
            failures: kept(),
        }))
    }

    /// A place among all requests; none if there was none in time.
    pub async fn enter(&self, class: Class) -> Option<Permit> {
        self.0.in_flight.enter(class, self.0.queue).await
    }

    /// A place among the requests of one customer's connection; an error if there was none in time.
    pub async fn connection(&self, id: &Arc<str>, class: Class) -> Result<Option<Permit>, u32> {
        let Some(most) = self.0.config.connection.concurrency else { return Ok(None) };
        let gate = match self.0.connections.get(id) {
            Some(gate) => gate,
            None => self.0.connections.get_with(id.clone(), || Gate::with_short_line(most as usize)),
        };
        gate.enter(class, self.0.queue).await.map(Some).ok_or(most)
    }

    /// Counts a request of this key, whose own limits go before those of the configuration.
    pub fn key(&self, id: &Arc<str>, own: &KeyLimits) -> Result<Admitted, Refused> {
        let key = match self.0.keys.get(id) {
            Some(key) => key,
            None => self.0.keys.get_with(id.clone(), || Arc::new(Key::new(&self.0.config.key.with(own)))),
        };
        key.enter(Instant::now())
    }

    /// The limits of a key that has these of its own.
    pub fn key_limits(&self, own: &KeyLimits) -> KeyLimits {
        self.0.config.key.with(own)
    }

    /// Whether a key that is not known may be tried from this address; otherwise when.
    pub fn may_try(&self, address: IpAddr) -> Result<(), Duration> {
        match self.0.failures.get(&whose(address)) {
            Some(failures) => failures.lock().clone().take(Instant::now()),
            None => Ok(()),
        }
    }

    /// A key from this address was wrong.
    pub fn failed(&self, address: IpAddr) {
        let Some(most) = self.0.config.failed_authentications.per_minute else { return };
        let rate = || Arc::new(Mutex::new(Gcra::new(most, Duration::from_secs(60))));
        // Who is over it already is not held for longer.
        let _ = self.0.failures.get_with(whose(address), rate).lock().take(Instant::now());
    }
}
