//! What is kept of the logs, and what a place that keeps them can do. There is no way to change a row.

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{Action, Entry};
use crate::auth::TenantId;
use crate::error::Result;

/// An entry in its place in its tenant's log. Numbers begin at 1 and have no gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub number: u64,
    pub entry: Entry,
    pub hash: [u8; 32],
}

/// Where a log begins and ends. The first row that is kept follows on `swept`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chain {
    /// The last row that was deleted for its age; 0 if none was.
    pub swept: u64,
    pub swept_hash: [u8; 32],
    /// The newest row.
    pub head: u64,
    pub head_hash: [u8; 32],
}

/// Which rows to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub connection: Option<String>,
    pub actor: Option<String>,
    pub action: Option<Action>,
    /// From here on.
    pub since: Option<Timestamp>,
    /// Up to here, and not this moment itself.
    pub until: Option<Timestamp>,
    /// Rows before this one.
    pub before: Option<u64>,
    pub limit: usize,
}

pub trait AuditRepository: Send + Sync + 'static {
    /// Adds the entries to the logs of their tenants, in their order and all or none.
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>>;

    /// The same by the clock: it does not count as an operation of a request.
    fn append_aside(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<()>>;

    fn list(&self, tenant: TenantId, wanted: Wanted) -> BoxFuture<'_, Result<Vec<Recorded>>>;

    /// At most `limit` rows after `after`, the oldest first.
    fn rows(&self, tenant: TenantId, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Recorded>>>;

    /// The beginning and the end of a log; zeros if it has none.
    fn chain(&self, tenant: TenantId) -> BoxFuture<'_, Result<Chain>>;

    /// Deletes rows from before `before` at the beginning of each log, at most `limit` of each, and remembers the hash of
    /// the last one. A row behind a younger one stays. Returns how many went.
    fn sweep(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>>;
}
