//! Answers to reads that are kept in memory, where the configuration says so: never on disk, for each process by itself.
//! What a connection's records are read through here is forgotten when anything is written through it.

mod config;
mod directives;
mod epochs;
mod flights;
mod kept;
mod key;
mod layer;
mod peers;
mod pool;
mod rules;

pub use config::{RuleConfig, faults, unknown};
pub use directives::Directives;
pub use kept::{Content, Kept, Source, Told, Why};
pub use layer::ReadCached;
pub use peers::Announcements;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::epochs::{Epoch, Epochs};
use self::flights::Flights;
use self::kept::Entry;
use self::peers::Peers;
use self::pool::Pool;
use self::rules::{Rule, Rules};
use super::Call;
use crate::connections::{Connection, ConnectionId};
use crate::telemetry::Metrics;
use crate::upstream::Witness;

/// How often what nobody can want any more is thrown out.
const SWEEP: Duration = Duration::from_secs(30);

/// Cheap to clone.
#[derive(Clone)]
pub struct ReadCache(Arc<Inner>);

struct Inner {
    rules: Rules,
    /// The first one is shared by the rules that have none of their own.
    pools: Vec<Pool>,
    epochs: Epochs,
    flights: Flights,
    peers: Option<Peers>,
    metrics: Arc<Metrics>,
}

impl ReadCache {
    /// With rules that have no faults, and bytes for all of them. `peers` are servers that keep answers too.
    pub fn new(config: &[RuleConfig], most: u64, peers: Option<Arc<dyn Announcements>>, metrics: Arc<Metrics>) -> Self {
        let own: u64 = config.iter().filter_map(|rule| rule.max_bytes).sum();
        let mut pools = vec![Pool::new(most.saturating_sub(own), metrics.clone())];
        let rules = Rules::new(config, |rule| match rule.max_bytes {
            Some(most) => {
                pools.push(Pool::new(most, metrics.clone()));
                pools.len() - 1
            }
            None => 0,
        });
        let epochs = Epochs::new(!rules.is_empty());
        let peers = peers.filter(|_| !rules.is_empty()).map(Peers::new);
        Self(Arc::new(Inner { rules, pools, epochs, flights: Flights::default(), peers, metrics }))
    }

    /// Who has to hear of writes; nobody where nothing is kept.
    pub fn witness(&self) -> Option<Arc<dyn Witness>> {
        (!self.0.rules.is_empty()).then(|| Arc::new(self.clone()) as Arc<dyn Witness>)
    }

    /// Forgets what was read through a connection, since somebody else has written, or it is gone.
    pub fn forget(&self, connection: &ConnectionId) {
        self.0.epochs.advance(connection);
    }

    pub fn forget_all(&self) {
        self.0.epochs.advance_all();
    }

    /// Tells other servers of writes, and throws out what is of no use. Ends never.
    pub async fn look_after(self) {
        let telling = async {
            match &self.0.peers {
                Some(peers) => peers.keep_telling().await,
                None => std::future::pending().await,
            }
        };
        let sweeping = async {
            let mut ticks = tokio::time::interval(SWEEP);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let inner = self.0.clone();
                // A full cache is many thousands of entries. Nothing in there panics.
                let _ = tokio::task::spawn_blocking(move || inner.sweep()).await;
            }
        };
        tokio::join!(telling, sweeping);
    }

    /// The last writes before the end of the process.
    pub async fn tell_peers(&self) {
        if let Some(peers) = &self.0.peers
            && let Err(error) = peers.tell_all().await
        {
            tracing::warn!(%error, "Other servers were not told of the last writes: they keep to what they have until its end");
        }
    }
}

impl Witness for ReadCache {
    fn begins(&self, connection: &Connection) {
        if self.0.rules.cover(connection) {
            self.0.epochs.begin(&connection.id);
        }
    }

    fn ends(&self, connection: &Connection, executed: bool) {
        if self.0.rules.cover(connection) {
            self.0.epochs.end(&connection.id, executed);
            if let Some(peers) = self.0.peers.as_ref().filter(|_| executed) {
                peers.tell(connection);
            }
        }
    }
}

impl Inner {
    fn find(&self, rule: &Rule, key: &Arc<str>, epoch: Epoch) -> Option<Arc<Entry>> {
        let pool = self.pools.get(rule.pool)?;
        let entry = pool.get(key)?;
        if epoch.shows(&entry.epoch) {
            return Some(entry);
        }
        pool.remove(key);
        None
    }

    /// Whether it was kept: not if anything was written since `epoch`.
    fn keep(&self, rule: &Rule, key: Arc<str>, call: &Call, kept: &Arc<Kept>, epoch: Epoch) -> bool {
        let connection = &call.connection.id;
        let Some(pool) = self.pools.get(rule.pool) else { return false };
        if !kept.can_be_kept() || self.epochs.is_written_to(connection) || !self.epochs.now(connection).shows(&epoch) {
            return false;
        }
        let terms = if matches!(kept.content, Content::Absent(_)) { rule.terms.absent() } else { rule.terms };
        let weight = Entry::weight(&key, kept);
        let by = (call.provider.clone(), call.resource.clone());
        let (kept, connection) = (kept.clone(), connection.clone());
        let entry = Entry { kept, connection, epoch, since: Instant::now(), terms, weight, _by: by };
        pool.put(key.clone(), Arc::new(entry));
        self.tell_size();
        // One that is larger than the pool is not taken.
        pool.get(&key).is_some()
    }

    /// What nobody will get any more is not left in memory until something else needs the room.
    fn sweep(&self) {
        let is_true = |entry: &Entry| self.epochs.now(&entry.connection).shows(&entry.epoch);
        self.pools.iter().for_each(|pool| pool.sweep(is_true));
        self.tell_size();
    }

    fn tell_size(&self) {
        let sizes = self.pools.iter().map(Pool::size);
        let (entries, bytes) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        self.metrics.cache_size(entries, bytes);
    }
}
