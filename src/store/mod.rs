//! Where things are kept. Implements the repositories that the modules below own; only the composition root names it.

mod open;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::KeyRepository;
use crate::connections::{
    AppRepository, ConnectRepository, ConnectionRepository, EventRepository, MappingRepository, RevocationRepository,
    SealedRepository, TokenRepository,
};
use crate::error::Result;

pub use open::{OpenError, Role};

/// An open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    sqlite: sqlite::Sqlite,
}

impl Store {
    /// Opens the SQLite file at `path`, makes it if there is none, and brings its schema up to date.
    pub fn open(path: &Path, role: Role) -> Result<Self, OpenError> {
        Ok(Self { sqlite: sqlite::Sqlite::open(path, role, sqlite::POLL)? })
    }

    /// A store that is gone with the process.
    pub fn memory() -> Result<Self, OpenError> {
        Ok(Self { sqlite: sqlite::Sqlite::memory()? })
    }

    pub fn keys(&self) -> Arc<dyn KeyRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn connections(&self) -> Arc<dyn ConnectionRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn tokens(&self) -> Arc<dyn TokenRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn events(&self) -> Arc<dyn EventRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn revocations(&self) -> Arc<dyn RevocationRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn sealed(&self) -> Arc<dyn SealedRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn apps(&self) -> Arc<dyn AppRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn connect(&self) -> Arc<dyn ConnectRepository> {
        Arc::new(self.sqlite.clone())
    }

    pub fn mappings(&self) -> Arc<dyn MappingRepository> {
        Arc::new(self.sqlite.clone())
    }

    /// Operations so far, but for those that happen by the clock. A warm request adds none.
    pub fn calls(&self) -> u64 {
        self.sqlite.calls()
    }

    /// Changes when another process wrote to the store: whatever is held in memory may be out of date.
    pub fn changed_elsewhere(&self) -> watch::Receiver<u64> {
        self.sqlite.changed_elsewhere()
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        self.sqlite.ping().await
    }

    /// Finishes what is queued, folds the log into the file and gives up the lock. Later operations fail.
    pub async fn close(&self) {
        self.sqlite.close().await;
    }
}
