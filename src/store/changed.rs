//! News of what others wrote: what is held in memory of it is out of date.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::connections::{ConnectionId, TenantId};

/// What another process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Nobody knows: anything.
    All,
    Connection(TenantId, ConnectionId),
    /// Which connections a customer has.
    Customer(TenantId, Arc<str>),
    /// The records behind a connection, by a write through it.
    Records(TenantId, ConnectionId),
    /// An API key, by its id.
    Key(Arc<str>),
    /// The override of a connection, or of the tenant.
    Mappings(TenantId, Option<ConnectionId>),
}

/// News that nobody has read yet. Whoever falls behind further is told that anything may have changed.
pub(super) const KEPT: usize = 1024;

/// News from now on.
pub struct Changes(broadcast::Receiver<Changed>);

impl Changes {
    pub(super) fn new(receiver: broadcast::Receiver<Changed>) -> Self {
        Self(receiver)
    }

    /// The next change; `None` when the store is closed. Safe to drop before it is ready.
    pub async fn next(&mut self) -> Option<Changed> {
        match self.0.recv().await {
            Ok(changed) => Some(changed),
            Err(RecvError::Lagged(_)) => Some(Changed::All),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_falls_behind_is_told_that_anything_may_have_changed() {
        let (sender, receiver) = broadcast::channel(2);
        let mut changes = Changes::new(receiver);
        for id in ["a", "b", "c"] {
            sender.send(Changed::Key(id.into())).expect("a receiver");
        }
        drop(sender);
        let mut seen = Vec::new();
        while let Some(changed) = changes.next().await {
            seen.push(changed);
        }
        assert_eq!(seen, [Changed::All, Changed::Key("b".into()), Changed::Key("c".into())]);
    }
}
