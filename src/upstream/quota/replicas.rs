//! How many processes share the vendors' allowances: each writes down that it lives, and counts those that do.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

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
}

impl Replicas {
    pub fn new(id: Arc<str>, repository: Arc<dyn ReplicaRepository>) -> Self {
        Self { id, repository }
    }

    /// Counts once. While the store cannot be reached the last count stays: the others have not gone because of that.
    pub async fn count(&self, quota: &Quota) {
        match self.repository.beat(Arc::clone(&self.id), DEAD).await {
            Ok(replicas) => quota.share_among(replicas),
            Err(error) => tracing::warn!(%error, "How many servers share the vendors' limits could not be counted"),
        }
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
