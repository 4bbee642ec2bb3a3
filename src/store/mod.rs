//! Where things are kept. Implements the repositories that the modules below own; only the composition root names it.

mod address;
mod backup;
mod changed;
mod clocked;
mod copy;
mod open;
mod postgres;
mod redis;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::audit::AuditRepository;
use crate::auth::KeyRepository;
use crate::connections::{
    AppRepository, ConnectRepository, ConnectionRepository, EventRepository, MappingRepository, RequestRepository,
    RevocationRepository, SealedRepository, TokenRepository,
};
use crate::error::Result;
use crate::idempotency::IdempotencyRepository;
use crate::telemetry::Metrics;
use crate::unified::cache::Announcements;
use crate::upstream::ReplicaRepository;

pub use self::redis::{Redis, check as check_redis};
pub use address::{Address, AddressError, Location};
pub use backup::{BackupError, backup};
pub use changed::{Changed, Changes};
pub use copy::{Copied, CopyError, copy};
pub use open::{Migrated, OpenError, Role};

/// An open store. Cheap to clone.
#[derive(Clone)]
pub struct Store(Backend);

#[derive(Clone)]
enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    Assembled(Arc<Repositories>),
}

/// A store in parts, shared by several servers: for whoever keeps things elsewhere, as simulations do.
pub struct Repositories {
    pub keys: Arc<dyn KeyRepository>,
    pub audit: Arc<dyn AuditRepository>,
    pub connections: Arc<dyn ConnectionRepository>,
    pub tokens: Arc<dyn TokenRepository>,
    pub events: Arc<dyn EventRepository>,
    pub requests: Arc<dyn RequestRepository>,
    pub revocations: Arc<dyn RevocationRepository>,
    pub sealed: Arc<dyn SealedRepository>,
    pub apps: Arc<dyn AppRepository>,
    pub connect: Arc<dyn ConnectRepository>,
    pub mappings: Arc<dyn MappingRepository>,
    pub idempotency: Arc<dyn IdempotencyRepository>,
    pub replicas: Arc<dyn ReplicaRepository>,
    /// Where it says what was written.
    pub changes: broadcast::Sender<Changed>,
}

/// The repository of this name.
macro_rules! repository {
    ($store:expr, $name:ident) => {
        match &$store.0 {
            Backend::Sqlite(backend) => Arc::new(backend.clone()),
            Backend::Postgres(backend) => Arc::new(backend.clone()),
            Backend::Assembled(parts) => Arc::clone(&parts.$name),
        }
    };
}

/// The same on either of them; what an assembled one does instead.
macro_rules! on {
    ($store:expr, $backend:ident => $work:expr, $parts:pat => $instead:expr) => {
        match &$store.0 {
            Backend::Sqlite($backend) => $work,
            Backend::Postgres($backend) => $work,
            Backend::Assembled($parts) => $instead,
        }
    };
}

impl Store {
    /// Opens the store at `address`, makes its tables if there are none, and brings its schema up to date.
    pub async fn open(address: &Address, role: Role) -> Result<Self, OpenError> {
        match address {
            Address::Sqlite(path) => Self::file(path, role),
            Address::Postgres(server) => Ok(Self(Backend::Postgres(postgres::Postgres::open(server, role).await?))),
        }
    }

    /// Opens the SQLite file at `path`, and makes it if there is none.
    pub fn file(path: &Path, role: Role) -> Result<Self, OpenError> {
        Ok(Self(Backend::Sqlite(sqlite::Sqlite::open(path, role, sqlite::POLL)?)))
    }

    /// A store that is gone with the process.
    pub fn memory() -> Result<Self, OpenError> {
        Ok(Self(Backend::Sqlite(sqlite::Sqlite::memory()?)))
    }

    /// A store of these parts.
    pub fn assembled(parts: Repositories) -> Self {
        Self(Backend::Assembled(Arc::new(parts)))
    }

    pub fn keys(&self) -> Arc<dyn KeyRepository> {
        repository!(self, keys)
    }

    pub fn audit(&self) -> Arc<dyn AuditRepository> {
        repository!(self, audit)
    }

    pub fn connections(&self) -> Arc<dyn ConnectionRepository> {
        repository!(self, connections)
    }

    pub fn tokens(&self) -> Arc<dyn TokenRepository> {
        repository!(self, tokens)
    }

    pub fn events(&self) -> Arc<dyn EventRepository> {
        repository!(self, events)
    }

    pub fn requests(&self) -> Arc<dyn RequestRepository> {
        repository!(self, requests)
    }

    pub fn revocations(&self) -> Arc<dyn RevocationRepository> {
        repository!(self, revocations)
    }

    pub fn sealed(&self) -> Arc<dyn SealedRepository> {
        repository!(self, sealed)
    }

    pub fn apps(&self) -> Arc<dyn AppRepository> {
        repository!(self, apps)
    }

    pub fn connect(&self) -> Arc<dyn ConnectRepository> {
        repository!(self, connect)
    }

    pub fn mappings(&self) -> Arc<dyn MappingRepository> {
        repository!(self, mappings)
    }

    pub fn idempotency(&self) -> Arc<dyn IdempotencyRepository> {
        repository!(self, idempotency)
    }

    pub fn replicas(&self) -> Arc<dyn ReplicaRepository> {
        repository!(self, replicas)
    }

    /// How other servers hear of written records; none where there can be no others, or nobody keeps any.
    pub fn announcements(&self) -> Option<Arc<dyn Announcements>> {
        match &self.0 {
            Backend::Sqlite(_) | Backend::Assembled(_) => None,
            Backend::Postgres(postgres) => Some(Arc::new(postgres.clone())),
        }
    }

    /// Whether several servers can use it at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Backend::Postgres(_) | Backend::Assembled(_))
    }

    /// Operations so far, but for those that happen by the clock. A warm request adds none.
    pub fn calls(&self) -> u64 {
        on!(self, backend => backend.calls(), _ => 0)
    }

    /// Every operation is counted and timed from now on.
    pub fn count_in(&self, metrics: Arc<Metrics>) {
        on!(self, backend => backend.count_in(metrics), _ => ());
    }

    /// What other processes write from now on: what is held in memory of it is out of date.
    pub fn changes(&self) -> Changes {
        on!(self, backend => backend.changes(), parts => Changes::new(parts.changes.subscribe()))
    }

    /// From which schema to which the store was brought when it was opened.
    pub fn migrated(&self) -> Migrated {
        on!(self, backend => backend.migrated(), _ => Migrated { from: 0, to: 0, known: 0 })
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        on!(self, backend => backend.ping().await, _ => Ok(()))
    }

    /// Finishes what is queued and gives up what is held: SQLite's log goes into its file and the lock away. Later
    /// operations fail.
    pub async fn close(&self) {
        on!(self, backend => backend.close().await, _ => ())
    }
}
