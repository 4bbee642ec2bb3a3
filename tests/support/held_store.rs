//! A store in memory, one operation of which does not come back until the test says so.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use throughline::auth::{KeyRecord, KeyRepository};
use throughline::connections::{
    Along, ConnectionId, ConnectionRepository, Filter, MappingRepository, Overview, Row, TenantId, WriteError,
};
use throughline::error::Result;
use throughline::idempotency::{Claim, Claimed, End, IdempotencyRepository, Place};
use throughline::store::{Repositories, Store};
use tokio::sync::{broadcast, watch};

/// What can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Key,
    Connection,
    Overrides,
    Claim,
    Settle,
}

/// The operation that is held, after so many that pass.
#[derive(Clone)]
pub struct Gate(watch::Sender<Option<(Held, usize)>>);

impl Gate {
    pub fn hold(&self, what: Held, after: usize) {
        self.0.send_replace(Some((what, after)));
    }

    pub fn open(&self) {
        self.0.send_replace(None);
    }

    async fn pass(&self, what: Held) {
        let mut stopped = false;
        self.0.send_if_modified(|held| match held {
            Some((held, passing)) if *held == what => {
                stopped = *passing == 0;
                *passing = passing.saturating_sub(1);
                false
            }
            _ => false,
        });
        if stopped {
            // It is this operation that is held, whatever is held next.
            let _ = self.0.subscribe().wait_for(|held| held.is_none_or(|(held, _)| held != what)).await;
        }
    }
}

struct Through<R: ?Sized>(Arc<R>, Gate);

/// The store, and what holds it.
pub fn held_store() -> (Store, Gate) {
    let store = Store::memory().expect("a store in memory");
    let gate = Gate(watch::Sender::new(None));
    let parts = Repositories {
        keys: Arc::new(Through(store.keys(), gate.clone())),
        audit: store.audit(),
        connections: Arc::new(Through(store.connections(), gate.clone())),
        tokens: store.tokens(),
        events: store.events(),
        requests: store.requests(),
        revocations: store.revocations(),
        sealed: store.sealed(),
        apps: store.apps(),
        connect: store.connect(),
        mappings: Arc::new(Through(store.mappings(), gate.clone())),
        idempotency: Arc::new(Through(store.idempotency(), gate.clone())),
        replicas: store.replicas(),
        changes: broadcast::channel(1).0,
    };
    (Store::assembled(parts), gate)
}

impl KeyRepository for Through<dyn KeyRepository> {
    fn insert(&self, key: KeyRecord) -> BoxFuture<'_, Result<()>> {
        self.0.insert(key)
    }

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<KeyRecord>>> {
        Box::pin(async move {
            self.1.pass(Held::Key).await;
            self.0.find(id).await
        })
    }

    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<KeyRecord>>> {
        self.0.list(tenant)
    }

    fn revoke(&self, tenant: TenantId, id: Arc<str>, at: Timestamp) -> BoxFuture<'_, Result<bool>> {
        self.0.revoke(tenant, id, at)
    }

    fn touch(&self, used: Vec<(Arc<str>, Timestamp)>) -> BoxFuture<'_, Result<()>> {
        self.0.touch(used)
    }
}

impl ConnectionRepository for Through<dyn ConnectionRepository> {
    fn insert(&self, row: Row, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        self.0.insert(row, along)
    }

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>> {
        Box::pin(async move {
            self.1.pass(Held::Connection).await;
            self.0.find(tenant, id).await
        })
    }

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>> {
        self.0.find_by_customer(tenant, customer)
    }

    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>> {
        self.0.list(tenant, filter)
    }

    fn update(&self, row: Row, expected: u64, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        self.0.update(row, expected, along)
    }

    fn rows(
        &self,
        tenant: Option<TenantId>,
        provider: Option<Arc<str>>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Row>>> {
        self.0.rows(tenant, provider, after, limit)
    }

    fn delete(&self, tenant: TenantId, id: ConnectionId, expected: u64, along: Along) -> BoxFuture<'_, Result<bool>> {
        self.0.delete(tenant, id, expected, along)
    }
}

impl MappingRepository for Through<dyn MappingRepository> {
    fn find(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<Option<String>>> {
        Box::pin(async move {
            self.1.pass(Held::Overrides).await;
            self.0.find(tenant, connection).await
        })
    }

    fn put(&self, tenant: TenantId, connection: Option<ConnectionId>, text: String) -> BoxFuture<'_, Result<()>> {
        self.0.put(tenant, connection, text)
    }

    fn delete(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<bool>> {
        self.0.delete(tenant, connection)
    }
}

impl IdempotencyRepository for Through<dyn IdempotencyRepository> {
    fn claim(&self, at: Place, claim: Claim) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            self.1.pass(Held::Claim).await;
            self.0.claim(at, claim).await
        })
    }

    fn settle(&self, at: Place, claim: Arc<str>, end: End) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.1.pass(Held::Settle).await;
            self.0.settle(at, claim, end).await
        })
    }

    fn release(&self, at: Place, claim: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.0.release(at, claim)
    }

    fn renew(&self, owner: Arc<str>, lease: Duration, longest: Duration) -> BoxFuture<'_, Result<()>> {
        self.0.renew(owner, lease, longest)
    }

    fn give_up_dead(&self, owner: Arc<str>) -> BoxFuture<'_, Result<u64>> {
        self.0.give_up_dead(owner)
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64>> {
        self.0.sweep(limit)
    }
}
