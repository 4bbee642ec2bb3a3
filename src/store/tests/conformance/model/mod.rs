//! The model: maps behind one lock, written to be obviously right and nothing else.

mod audit;
mod connections;
mod idempotency;
mod others;
mod sealed;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::audit::{Chain, Recorded};
use crate::auth::{KeyRecord, TenantId};
use crate::connections::{
    ConnectionId, Consent, Event, KEPT, Key, Logged, Revocation, Row, Session, StoredApp, Written,
};
use crate::error::{Error, Result};
use crate::idempotency::Place;

/// With the clock that it has instead of a database's.
pub(crate) struct Model(Mutex<State>, fn() -> Timestamp);

impl Default for Model {
    fn default() -> Self {
        Self::at(Timestamp::now)
    }
}

impl Model {
    pub(crate) fn at(now: fn() -> Timestamp) -> Self {
        Self(Mutex::default(), now)
    }

    fn now(&self) -> Timestamp {
        (self.1)()
    }
}

#[derive(Default)]
struct State {
    keys: BTreeMap<Arc<str>, KeyRecord>,
    rows: BTreeMap<ConnectionId, Stored>,
    events: Vec<(Key, Logged)>,
    requests: Vec<(u64, Written)>,
    numbers: u64,
    revocations: BTreeMap<Arc<str>, (Timestamp, Revocation)>,
    apps: BTreeMap<(TenantId, Arc<str>), StoredApp>,
    sessions: BTreeMap<Arc<str>, Session>,
    consents: BTreeMap<Arc<str>, Consent>,
    mappings: BTreeMap<(TenantId, Option<ConnectionId>), String>,
    logs: BTreeMap<TenantId, Log>,
    replicas: BTreeMap<Arc<str>, Timestamp>,
    secrets: BTreeMap<Arc<str>, Vec<u8>>,
    writes: BTreeMap<Place, idempotency::Write>,
}

/// One tenant's.
#[derive(Default)]
struct Log {
    chain: Chain,
    rows: Vec<Recorded>,
}

struct Stored {
    row: Row,
    lease_until: Option<Timestamp>,
    epoch: u64,
    intent: bool,
    orphan: Option<(u64, Vec<u8>)>,
}

impl State {
    /// A foreign row is no row.
    fn row(&mut self, tenant: &TenantId, id: &ConnectionId) -> Option<&mut Stored> {
        self.rows.get_mut(id).filter(|stored| stored.row.connection.tenant == *tenant)
    }

    fn append(&mut self, tenant: &TenantId, id: &ConnectionId, events: &[Event]) {
        let key = Key { tenant: tenant.clone(), id: id.clone() };
        for event in events {
            self.numbers += 1;
            self.events.push((key.clone(), Logged { number: self.numbers, event: event.clone() }));
        }
        let mut kept = 0;
        // From the newest to the oldest.
        self.events.reverse();
        self.events.retain(|(of, _)| {
            kept += usize::from(*of == key);
            *of != key || kept <= KEPT
        });
        self.events.reverse();
    }

    fn revoke(&mut self, revocation: Revocation) -> Result<()> {
        if self.revocations.contains_key(&revocation.id) {
            return Err(taken());
        }
        self.revocations.insert(Arc::clone(&revocation.id), (revocation.created_at, revocation));
        Ok(())
    }
}

fn taken() -> Error {
    Error::internal("the id is taken")
}
