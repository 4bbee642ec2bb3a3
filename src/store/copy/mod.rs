//! From one store to another, whatever kind each is: everything, as it is, in one transaction on the target. What is
//! sealed stays sealed: both stores need the same vault key.

mod postgres;
mod sqlite;
mod tables;
mod value;

use tokio::sync::mpsc;

use self::value::Value;
use super::Store;
use super::address::Address;
use super::open::{Migrated, OpenError, Role};
use super::postgres::words;

#[cfg(test)]
pub(super) use self::tables::Column;
pub(super) use self::tables::{TABLES, Table};

/// Rows at a time.
const BATCH: usize = 500;
/// Batches that wait for the target.
const WAITING: usize = 4;

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("source and target are the same store")]
    Same,
    #[error("there is no store at {0}")]
    Missing(String),
    #[error("the source has schema {found}, this release knows {known}: run `throughline store migrate` on it first")]
    OldSource { found: i64, known: i64 },
    #[error(
        "the {which} has schema {found}, this release knows {known}: a newer release used it; copy it with that one"
    )]
    Newer { which: &'static str, found: i64, known: i64 },
    #[error("the target holds data already, in {0}; nothing was changed. Name an empty one")]
    NotEmpty(String),
    #[error("the source ended early; nothing was changed")]
    Cut,
    #[error(
        "of {table} the source has {source_rows} rows and the target would have {target_rows}; nothing was changed"
    )]
    Count { table: &'static str, source_rows: u64, target_rows: u64 },
    #[error("the value in {table}.{column} is not readable; nothing was changed")]
    Unreadable { table: &'static str, column: &'static str },
    #[error("{0}; nothing was changed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{}; nothing was changed", words(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the copying stopped: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// How many rows of which table.
pub type Copied = Vec<(&'static str, u64)>;

/// What the reader says to the writer.
enum Piece {
    Rows(&'static Table, Vec<Vec<Value>>),
    /// All was said. Without this word nothing is committed: a reader that failed only falls silent.
    End(Copied),
}

/// Copies all rows; says how many.
pub async fn copy(from: &Address, to: &Address) -> Result<Copied, CopyError> {
    if from.to_string() == to.to_string() {
        return Err(CopyError::Same);
    }
    if let Address::Sqlite(path) = from
        && !path.exists()
    {
        return Err(CopyError::Missing(from.to_string()));
    }
    // Makes the target's tables.
    let target = Store::open(to, Role::Command).await?;
    target.close().await;
    let Migrated { to: found, known, .. } = target.migrated();
    check_schema("target", found, known)?;
    let (pieces, arriving) = mpsc::channel(WAITING);
    let (read, written) = tokio::join!(read(from.clone(), pieces), write(to.clone(), arriving));
    // Who failed first is who has something to say: the other only noticed.
    match (read, written) {
        (Err(error), Err(CopyError::Cut) | Ok(_)) => Err(error),
        (_, written) => written,
    }
}

async fn read(from: Address, pieces: mpsc::Sender<Piece>) -> Result<(), CopyError> {
    match from {
        Address::Sqlite(path) => tokio::task::spawn_blocking(move || sqlite::read(&path, &pieces)).await?,
        Address::Postgres(server) => postgres::read(&server, pieces).await,
    }
}

async fn write(to: Address, arriving: mpsc::Receiver<Piece>) -> Result<Copied, CopyError> {
    match to {
        Address::Sqlite(path) => tokio::task::spawn_blocking(move || sqlite::write(&path, arriving)).await?,
        Address::Postgres(server) => postgres::write(&server, arriving).await,
    }
}

/// Every column is named in what is copied, so both have to have this release's schema.
fn check_schema(which: &'static str, found: i64, known: i64) -> Result<(), CopyError> {
    match found {
        found if found < known => Err(CopyError::OldSource { found, known }),
        found if found > known => Err(CopyError::Newer { which, found, known }),
        _ => Ok(()),
    }
}

/// Whether what the target holds is what the source had.
fn check(source: &Copied, target: &Copied) -> Result<(), CopyError> {
    for ((table, source_rows), (_, target_rows)) in source.iter().zip(target) {
        if source_rows != target_rows {
            return Err(CopyError::Count { table, source_rows: *source_rows, target_rows: *target_rows });
        }
    }
    Ok(())
}
