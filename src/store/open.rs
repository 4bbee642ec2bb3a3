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

/// One step of a schema, to the next one.
///
/// For the author of the next step: while replicas are replaced one by one, the release before this one still runs, and
/// may be started again, on the new schema. So a step only expands: it adds tables, indexes, and columns that may be null
/// or have a default. What nothing reads any more is dropped (contract) by a step of a later release, which then says a
/// higher `compatible_from`. A step must not take long either: it holds its locks until the end, so large tables are
/// rewritten in batches by code, not here. Both kinds of store have steps of their own; a column has to be named in
/// `store/copy/tables.rs` too, which a test looks after.
pub(super) struct Step {
    pub sql: &'static str,
    /// The oldest schema whose releases can work on what this step makes. It is kept in the store, for those releases.
    pub compatible_from: i64,
}

/// From which schema to which a store was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: i64,
    /// The store's schema now: this release's own, or a newer one that this release can work on.
    pub to: i64,
    /// The schema that this release knows.
    pub known: i64,
}

impl Migrated {
    /// Whether the store was used by a newer release. It may hold what this one knows nothing of.
    pub fn is_newer(&self) -> bool {
        self.to > self.known
    }
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
        "the store has schema {found}, which needs a release that knows schema {needed}; this one knows {known}: run the newer release, or restore a backup that was made before it"
    )]
    Newer { found: i64, needed: i64, known: i64 },
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
