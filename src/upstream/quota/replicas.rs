//! How many processes share the vendors' allowances: each writes down that it lives, and counts those that do.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Quota;
use crate::error::Result;

/// How often a process says that it lives.
pub const BEAT: Duration = Duration::from_secs(5);
/// Who has not said so for that long is gone.
pub const DEAD: Duration = Duration::from_secs(20);

/// Which processes there are. What it does happens by the clock: it does not count as a call of the store.
pub trait ReplicaRepository: Send + Sync + 'static {
    /// Writes down that `id` lives, forgets who has not been seen for longer than `alive`, and counts who is left.
    fn beat(&self, id: Arc<str>, alive: Duration) -> BoxFuture<'_, Result<u32>>;

    /// It stops: the others need not wait until it counts as gone.
    fn leave(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>>;
}

/// This process among those of the store.
pub struct Replicas {
    id: Arc<str>,
    repository: Arc<dyn ReplicaRepository>,
    /// When and how many were counted last.
    counted: Mutex<Option<(Instant, u32)>>,
}

impl Replicas {
    pub fn new(id: Arc<str>, repository: Arc<dyn ReplicaRepository>) -> Self {
        Self { id, repository, counted: Mutex::new(None) }
    }

    /// Counts once. While the store cannot be reached the last count stays: the others have not gone because of that.
    pub async fn count(&self, quota: &Quota) {
        match self.repository.beat(Arc::clone(&self.id), DEAD).await {
            Ok(replicas) => quota.share_among(self.believed(replicas, Instant::now())),
            Err(error) => tracing::warn!(%error, "How many servers share the vendors' limits could not be counted"),
        }
    }

    /// Who comes back first from an outage of the store does not see the others' signs of life, and would take their parts.
    fn believed(&self, replicas: u32, now: Instant) -> u32 {
        let mut counted = self.counted.lock();
        let outage = counted.filter(|(at, _)| now.duration_since(*at) > BEAT * 2);
        let believed = outage.map_or(replicas, |(_, before)| replicas.max(before));
        *counted = Some((now, believed));
        believed
    }

    pub async fn keep_counting(&self, quota: &Quota) {
        loop {
            tokio::time::sleep(BEAT).await;
            self.count(quota).await;
        }
    }

    pub async fn leave(&self) {
        if let Err(error) = self.repository.leave(Arc::clone(&self.id)).await {
            tracing::warn!(%error, "The other servers count this one for {} s more", DEAD.as_secs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn after_an_outage_nobody_takes_the_others_for_gone_at_once() {
        let replicas = Replicas::new("one".into(), Store::memory().expect("a store").replicas());
        let began = Instant::now();
        let after = |seconds: u64, counted: u32| replicas.believed(counted, began + Duration::from_secs(seconds));
        assert_eq!(
            (after(0, 1), after(5, 3), after(10, 2)),
            (1, 3, 2),
            "whoever has gone was not seen for long enough"
        );
        assert_eq!(after(40, 1), 2, "the store was out, and the other has not come back yet");
        assert_eq!(after(45, 2), 2);
        assert_eq!((after(80, 1), after(85, 1)), (2, 1), "it has gone");
    }
}
