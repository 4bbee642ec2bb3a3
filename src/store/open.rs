//! Opening a store: who may, and what to do when it does not work.

use std::path::PathBuf;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To serve requests. One process at a time on a SQLite file; any number on PostgreSQL, where each tells the others.
    Serve,
    /// For a command that runs beside the server.
    Command,
}

/// From which schema to which a store was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: i64,
    pub to: i64,
}

/// Why a store cannot be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "another `throughline serve` uses the store {path}; stop it first, or give this one a store of its own (`store:` in the config file)"
    )]
    InUse { path: PathBuf },
    #[error(
        "the lock file {path} cannot be used ({source}); the store's folder must exist, be writable and be on a file system with locks"
    )]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("the store {path} cannot be opened ({source}); its folder must exist and be writable for this user")]
    File { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the store {path} cannot keep a write-ahead log; put it on a local disk")]
    NoLog { path: PathBuf },
    #[error(
        "the store has schema {found}, this release knows {known}: it was used by a newer release; run that one, or restore a backup"
    )]
    Newer { found: i64, known: i64 },
    #[error("the store's schema could not be brought up to date ({0}); nothing was changed")]
    Migration(String),
    #[error("SQLite {found} is linked in, at least 3.51.3 is needed; build with the bundled SQLite")]
    OldLibrary { found: i32 },
    #[error(
        "the store {server} cannot be used ({why}); the server must run, the database exist, and the user have the right to connect to it"
    )]
    Unreachable { server: String, why: String },
    #[error("the store's thread could not be started ({0})")]
    Thread(std::io::Error),
}
