//! The store of all replicas: the model, reached over something that stalls, fails and loses answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use throughline::connections::{
    Along, ConnectionId, ConnectionRepository, Counted, Due, Event, Failed, Filter, Fresh, Key, Lease, Leased,
    Overview, Row, SealedAt, State, TenantId, TokenRepository, Vault, WriteError,
};
use throughline::error::{Error, Kind, Result};
use throughline::idempotency::{Claim, Claimed, End, IdempotencyRepository, Place};
use throughline::store::{Changed, Repositories, Store};
use tokio::sync::broadcast;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::model::Model;
use crate::net::elapsed;

/// Longer a statement is not waited for: the server has a limit of its own.
const LONGEST: u64 = 8_000;

/// In thousandths of the operations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    pub stalls: u64,
    pub fails: u64,
    /// Done, and the answer lost.
    pub loses: u64,
}

#[derive(Clone)]
pub struct Shared {
    model: Arc<Model>,
    vault: Vault,
    changes: broadcast::Sender<Changed>,
    state: Arc<Mutex<(Trouble, Chance)>>,
    /// What writing a renewed token takes at most.
    slow: Duration,
    ledger: Ledger,
}

impl Shared {
    pub fn new(vault: Vault, ledger: Ledger, mut chance: Chance) -> Self {
        let slow = Duration::from_millis(*chance.one_of(&[1, 300, 3000]));
        let (changes, _) = broadcast::channel(1024);
        let model = Arc::new(Model::at(crate::net::wall));
        Self { model, vault, changes, state: Arc::new(Mutex::new((Trouble::default(), chance))), slow, ledger }
    }

    /// As one server sees it.
    pub fn store(&self) -> Store {
        Store::assembled(Repositories {
            keys: self.model.clone(),
            audit: self.model.clone(),
            connections: Arc::new(self.clone()),
            tokens: Arc::new(self.clone()),
            events: self.model.clone(),
            revocations: self.model.clone(),
            sealed: self.model.clone(),
            apps: self.model.clone(),
            connect: self.model.clone(),
            mappings: self.model.clone(),
            idempotency: Arc::new(self.clone()),
            replicas: self.model.clone(),
            requests: self.model.clone(),
            changes: self.changes.clone(),
        })
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        self.state.lock().0 = trouble;
        // News may have been missed.
        let _ = self.changes.send(Changed::All);
    }

    /// Without any trouble.
    pub fn model(&self) -> &Model {
        &self.model
    }

    async fn before(&self, what: &str) -> Result<()> {
        let (stall, fail) = {
            let (trouble, chance) = &mut *self.state.lock();
            let stall = chance.is(trouble.stalls).then(|| chance.millis(10, LONGEST));
            (stall, chance.is(trouble.fails))
        };
        if let Some(stall) = stall {
            self.ledger.tell(format!("store: {what} stalls for {stall:?}"));
            self.ledger.count("stalled operations of the store");
            sleep(stall).await;
        }
        if fail {
            self.ledger.tell(format!("store: {what} fails"));
            self.ledger.count("failed operations of the store");
            return Err(unreachable());
        }
        Ok(())
    }

    fn after(&self, what: &str) -> Result<()> {
        let (trouble, chance) = &mut *self.state.lock();
        if chance.is(trouble.loses) {
            self.ledger.tell(format!("store: {what} was done, and its answer is lost"));
            self.ledger.count("lost answers of the store");
            return Err(unreachable());
        }
        Ok(())
    }

    fn changed(&self, key: &Key) {
        let _ = self.changes.send(Changed::Connection(key.tenant.clone(), key.id.clone()));
    }

    /// A renewal's tokens: access and refresh.
    fn tokens(&self, key: &Key, generation: u64, sealed: &[u8]) -> (String, String) {
        let at = SealedAt::Connection { tenant: key.tenant.clone(), id: key.id.clone(), generation };
        let text = at.with_place(|place| self.vault.open(place, sealed)).expect("it opens where it was sealed for");
        let value: Value = serde_json::from_slice(&text).expect("JSON");
        let member = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        (member("access_token"), member("refresh_token"))
    }

    /// The store was told of these, and the call has ended.
    fn persisted(&self, key: &Key, generation: u64, sealed: &[u8]) {
        let (access, refresh) = self.tokens(key, generation, sealed);
        let (now, entries) = (elapsed(), &mut *self.ledger.lock());
        entries.persisted.entry(access).or_insert(now);
        for rotation in entries.rotations.iter_mut().filter(|rotation| rotation.new == refresh) {
            rotation.settled.get_or_insert(now);
        }
    }
}

fn unreachable() -> Error {
    Error::new(Kind::Overloaded, "The store cannot be reached.").retry_after(Some(Duration::from_secs(2)))
}

impl ConnectionRepository for Shared {
    fn insert(&self, row: Row, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        self.model.insert(row, along)
    }

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>> {
        Box::pin(async move {
            self.before("find").await?;
            ConnectionRepository::find(&*self.model, tenant, id).await
        })
    }

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>> {
        Box::pin(async move {
            self.before("find_by_customer").await?;
            self.model.find_by_customer(tenant, customer).await
        })
    }

    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>> {
        ConnectionRepository::list(&*self.model, tenant, filter)
    }

    fn update(&self, row: Row, expected: u64, along: Along) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            self.before("update").await?;
            let key = Key { tenant: row.connection.tenant.clone(), id: row.connection.id.clone() };
            self.model.update(row, expected, along).await?;
            self.changed(&key);
            Ok(self.after("update")?)
        })
    }

    fn rows(
        &self,
        tenant: Option<TenantId>,
        provider: Option<Arc<str>>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Row>>> {
        ConnectionRepository::rows(&*self.model, tenant, provider, after, limit)
    }

    fn delete(&self, tenant: TenantId, id: ConnectionId, expected: u64, along: Along) -> BoxFuture<'_, Result<bool>> {
        ConnectionRepository::delete(&*self.model, tenant, id, expected, along)
    }
}

impl TokenRepository for Shared {
    fn lease(&self, key: Key, generation: u64, owner: Arc<str>, ttl: Duration) -> BoxFuture<'_, Result<Leased>> {
        Box::pin(async move {
            self.before("lease").await?;
            let leased = self.model.lease(key.clone(), generation, owner, ttl).await?;
            match &leased {
                Leased::Granted(lease) if lease.interrupted => {
                    self.ledger.count("leases after one that was interrupted")
                }
                Leased::Held => self.ledger.count("leases that another held"),
                _ => {}
            }
            self.after("lease")?;
            // The process sleeps, and wakes up with a lease that is another's by now.
            let slept = {
                let (trouble, chance) = &mut *self.state.lock();
                (matches!(leased, Leased::Granted(_)) && chance.is(if trouble.stalls > 0 { 150 } else { 10 }))
                    .then(|| chance.millis(55_000, 75_000))
            };
            if let Some(slept) = slept {
                self.ledger.tell(format!(
                    "store: {} has the lease of {}, and learns it {slept:?} later",
                    key.tenant.as_str(),
                    key.id
                ));
                self.ledger.count("leases that were slept over");
                sleep(slept).await;
            }
            Ok(leased)
        })
    }

    fn extend(&self, key: Key, epoch: u64, generation: u64, ttl: Duration) -> BoxFuture<'_, Result<Option<Lease>>> {
        Box::pin(async move {
            self.before("extend").await?;
            let lease = self.model.extend(key, epoch, generation, ttl).await?;
            if lease.is_none() {
                self.ledger.count("leases that were lost");
            }
            self.after("extend")?;
            Ok(lease)
        })
    }

    fn commit(&self, key: Key, epoch: u64, fresh: Fresh, events: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let (generation, sealed) = (fresh.generation, fresh.sealed.clone());
            let done = async {
                let takes = self.state.lock().1.millis(0, self.slow.as_millis() as u64);
                sleep(takes).await;
                self.before("commit").await?;
                let done = self.model.commit(key.clone(), epoch, fresh, events).await?;
                self.ledger.tell(format!("store: commit of {} {generation}: {done}", key.id));
                self.ledger.count(if done { "commits" } else { "commits under an old epoch" });
                self.changed(&key);
                self.after("commit")?;
                Ok(done)
            };
            let done = done.await;
            self.persisted(&key, generation, &sealed);
            done
        })
    }

    fn fail(&self, key: Key, epoch: u64, failed: Failed, events: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.before("fail").await?;
            let (state, said) = (failed.state, failed.last_error.clone());
            let done = self.model.fail(key.clone(), epoch, failed, events).await?;
            if done && state == State::NeedsReauth {
                self.ledger.tell(format!("store: {} is given up: {said}", key.id));
                self.ledger.count("connections that were given up");
                let account = key.id.as_str().trim_start_matches("conn_").parse().expect("an account's number");
                self.ledger.lock().given_up.push(account);
            }
            self.changed(&key);
            self.after("fail")?;
            Ok(done)
        })
    }

    fn adopt(&self, key: Key, fresh: Fresh, events: Vec<Event>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let (generation, sealed) = (fresh.generation, fresh.sealed.clone());
            self.before("adopt").await?;
            let done = self.model.adopt(key.clone(), fresh, events).await?;
            self.ledger.tell(format!("store: adoption of {} {generation}: {done}", key.id));
            if done {
                self.ledger.count("adopted renewals");
            }
            self.changed(&key);
            self.persisted(&key, generation, &sealed);
            self.after("adopt")?;
            Ok(done)
        })
    }

    fn keep_orphan(&self, key: Key, generation: u64, sealed: Vec<u8>) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.before("keep_orphan").await?;
            self.ledger.count("orphans");
            self.ledger.tell(format!("store: an orphan of {} {generation}", key.id));
            let done = self.model.keep_orphan(key, generation, sealed).await?;
            self.after("keep_orphan")?;
            Ok(done)
        })
    }

    fn due(&self, now: jiff::Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>>> {
        Box::pin(async move {
            self.before("due").await?;
            self.model.due(now, limit).await
        })
    }

    fn postpone(&self, key: Key, generation: u64, until: Option<jiff::Timestamp>) -> BoxFuture<'_, Result<()>> {
        self.model.postpone(key, generation, until)
    }

    fn touch(&self, used: Vec<(Key, jiff::Timestamp)>) -> BoxFuture<'_, Result<()>> {
        TokenRepository::touch(&*self.model, used)
    }

    fn census(&self) -> BoxFuture<'_, Result<Vec<Counted>>> {
        self.model.census()
    }
}

impl IdempotencyRepository for Shared {
    fn claim(&self, at: Place, claim: Claim) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            self.before("claim").await?;
            let claimed = IdempotencyRepository::claim(&*self.model, at, claim).await?;
            self.after("claim")?;
            Ok(claimed)
        })
    }

    fn settle(&self, at: Place, claim: Arc<str>, end: End) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.before("settle").await?;
            let done = self.model.settle(at, claim, end).await?;
            self.after("settle")?;
            Ok(done)
        })
    }

    fn release(&self, at: Place, claim: Arc<str>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.before("release").await?;
            self.model.release(at, claim).await?;
            self.after("release")
        })
    }

    fn renew(&self, owner: Arc<str>, lease: Duration, longest: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.before("renew").await?;
            IdempotencyRepository::renew(&*self.model, owner, lease, longest).await
        })
    }

    fn give_up_dead(&self, owner: Arc<str>) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            self.before("give_up_dead").await?;
            self.model.give_up_dead(owner).await
        })
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64>> {
        IdempotencyRepository::sweep(&*self.model, limit)
    }
}
