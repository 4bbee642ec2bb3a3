//! The embedded store: one SQLite file, one thread that owns it.

mod apps;
mod audit;
mod columns;
mod connect;
mod connections;
mod events;
mod group;
mod idempotency;
mod keys;
mod lock;
mod mappings;
mod replicas;
mod requests;
mod revocations;
mod schema;
mod sealed;
mod tokens;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

pub(super) use self::lock::acquire;
pub(super) use self::schema::SCHEMA;
use self::worker::Worker;
use super::changed::Changes;
use super::clocked::Clocked;
use super::open::{Migrated, OpenError, Role};
use crate::error::{Error, Kind, Result};
use crate::telemetry::{Metrics, StoreFor};

/// How often the file is asked whether another process wrote to it.
pub(super) const POLL: Duration = Duration::from_secs(1);
/// How long a write waits for another process's.
const BUSY: Duration = Duration::from_secs(5);
/// Older releases can corrupt a write-ahead log that several processes use.
const OLDEST_LIBRARY: i32 = 3_051_003;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Sqlite {
    worker: Worker,
    clocked: Clocked,
    migrated: Migrated,
}

impl Sqlite {
    pub(super) fn open(path: &Path, role: Role, poll: Duration) -> Result<Self, OpenError> {
        let lock = match role {
            Role::Serve => Some(lock::acquire(path)?),
            Role::Command => None,
        };
        let unusable = |source| OpenError::File { path: path.to_owned(), source };
        create_private(path).map_err(|error| unusable(error.into()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(error.into()))?;
        let mode = prepare(&connection).map_err(|error| unusable(error.into()))?;
        if mode != "wal" {
            return Err(OpenError::NoLog { path: path.to_owned() });
        }
        Self::start(connection, lock, Some(poll))
    }

    pub(super) fn memory() -> Result<Self, OpenError> {
        let unusable = |error: rusqlite::Error| OpenError::File { path: ":memory:".into(), source: error.into() };
        let connection = Connection::open_in_memory().map_err(unusable)?;
        prepare(&connection).map_err(unusable)?;
        Self::start(connection, None, None)
    }

    fn start(
        mut connection: Connection,
        lock: Option<std::fs::File>,
        poll: Option<Duration>,
    ) -> Result<Self, OpenError> {
        let found = rusqlite::version_number();
        if found < OLDEST_LIBRARY {
            return Err(OpenError::OldLibrary { found });
        }
        let migrated = schema::migrate(&mut connection)?;
        let worker = Worker::start(connection, lock, poll).map_err(OpenError::Thread)?;
        Ok(Self { worker, clocked: Clocked::default(), migrated })
    }

    pub(super) fn calls(&self) -> u64 {
        self.worker.calls()
    }

    pub(super) fn count_in(&self, metrics: Arc<Metrics>) {
        self.clocked.count_in(metrics);
    }

    pub(super) fn changes(&self) -> Changes {
        self.worker.changes()
    }

    pub(super) fn migrated(&self) -> Migrated {
        self.migrated
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.run_aside(|connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await
    }

    pub(super) async fn close(&self) {
        self.worker.close().await;
    }

    /// Runs `operation` on the store's thread.
    async fn run<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.clocked.operation(StoreFor::Request, async { self.worker.run(operation).await?.map_err(failure) }).await
    }

    /// Writes all that `operation` writes, or nothing if it fails.
    async fn write<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.clocked.operation(StoreFor::Request, async { self.worker.write(operation).await?.map_err(failure) }).await
    }

    /// The same for what happens by the clock and not because of a request: it is not counted.
    async fn write_aside<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.clocked
            .operation(StoreFor::Clock, async { self.worker.write_aside(operation).await?.map_err(failure) })
            .await
    }

    /// What is read by the clock.
    async fn run_aside<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.clocked
            .operation(StoreFor::Clock, async { self.worker.run_aside(operation).await?.map_err(failure) })
            .await
    }
}

/// Makes the file readable for its owner only; SQLite gives its log files the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Sets up a connection; returns its journal mode.
fn prepare(connection: &Connection) -> rusqlite::Result<String> {
    connection.busy_timeout(BUSY)?;
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // What was answered must be on the disk: a rotated token that is lost cannot be had again.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(mode)
}

fn failure(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => {
            Error::new(Kind::Overloaded, "The store is busy.").retry_after(Some(BUSY)).caused_by(error)
        }
        _ => Error::internal(error),
    }
}
