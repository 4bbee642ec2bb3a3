//! Other servers that keep answers of the same connections: they are told of writes in the background, those of one
//! moment at once. A write does not wait for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::auth::TenantId;
use crate::connections::{Connection, ConnectionId};
use crate::error::Result;

/// How other servers are told.
pub trait Announcements: Send + Sync + 'static {
    /// Records may have been written through these connections.
    fn announce(&self, written: Vec<(TenantId, ConnectionId)>) -> BoxFuture<'_, Result<()>>;
}

/// Connections in one announcement.
const AT_ONCE: usize = 500;
/// How long to wait after one that failed. Whoever should have heard is not connected either, or keeps to the ttl.
const PAUSE: Duration = Duration::from_secs(1);

pub struct Peers {
    announcements: Arc<dyn Announcements>,
    /// To be told. As many as connections that are written to within a moment.
    written: Mutex<HashSet<(TenantId, ConnectionId)>>,
    news: Notify,
}

impl Peers {
    pub fn new(announcements: Arc<dyn Announcements>) -> Self {
        Self { announcements, written: Mutex::default(), news: Notify::new() }
    }

    pub fn tell(&self, connection: &Connection) {
        self.written.lock().insert((connection.tenant.clone(), connection.id.clone()));
        self.news.notify_one();
    }

    pub async fn keep_telling(&self) {
        loop {
            self.news.notified().await;
            while let Err(error) = self.tell_all().await {
                tracing::warn!(%error, "Other servers could not be told that records were written; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// What could not be told stays to be told.
    pub async fn tell_all(&self) -> Result<()> {
        loop {
            // Taken off before: one that is written to meanwhile is told of once more.
            let mut some = Vec::new();
            self.written.lock().retain(|one| {
                let taken = some.len() < AT_ONCE;
                some.extend(taken.then(|| one.clone()));
                !taken
            });
            if some.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.announcements.announce(some.clone()).await {
                self.written.lock().extend(some);
                return Err(error);
            }
        }
    }
}
