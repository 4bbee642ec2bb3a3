//! Where things are kept. Implements the repositories that the modules below own; only the composition root names it.

mod address;
mod backup;
mod changed;
mod copy;
mod open;
mod postgres;
mod redis;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::audit::AuditRepository;
use crate::auth::KeyRepository;
use crate::connections::{
    AppRepository, ConnectRepository, ConnectionRepository, EventRepository, MappingRepository, RequestRepository,
    RevocationRepository, SealedRepository, TokenRepository,
};
use crate::error::Result;
use crate::idempotency::IdempotencyRepository;
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
}

/// The same on either of them.
macro_rules! on {
    ($store:expr, $backend:ident => $work:expr) => {
        match &$store.0 {
            Backend::Sqlite($backend) => $work,
            Backend::Postgres($backend) => $work,
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

    pub fn keys(&self) -> Arc<dyn KeyRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn audit(&self) -> Arc<dyn AuditRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn connections(&self) -> Arc<dyn ConnectionRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn tokens(&self) -> Arc<dyn TokenRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn events(&self) -> Arc<dyn EventRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn requests(&self) -> Arc<dyn RequestRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn revocations(&self) -> Arc<dyn RevocationRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn sealed(&self) -> Arc<dyn SealedRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn apps(&self) -> Arc<dyn AppRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn connect(&self) -> Arc<dyn ConnectRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn mappings(&self) -> Arc<dyn MappingRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn idempotency(&self) -> Arc<dyn IdempotencyRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    pub fn replicas(&self) -> Arc<dyn ReplicaRepository> {
        on!(self, backend => Arc::new(backend.clone()))
    }

    /// Whether several servers can use it at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Backend::Postgres(_))
    }

    /// Operations so far, but for those that happen by the clock. A warm request adds none.
    pub fn calls(&self) -> u64 {
        on!(self, backend => backend.calls())
    }

    /// What other processes write from now on: what is held in memory of it is out of date.
    pub fn changes(&self) -> Changes {
        on!(self, backend => backend.changes())
    }

    /// From which schema to which the store was brought when it was opened.
    pub fn migrated(&self) -> Migrated {
        on!(self, backend => backend.migrated())
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        on!(self, backend => backend.ping().await)
    }

    /// Finishes what is queued and gives up what is held: SQLite's log goes into its file and the lock away. Later
    /// operations fail.
    pub async fn close(&self) {
        on!(self, backend => backend.close().await)
    }
}
