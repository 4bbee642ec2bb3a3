//! What the store has to be able to do. Its own clock decides what has run out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::auth::TenantId;
use crate::connections::ConnectionId;
use crate::error::Result;

/// Where a write is remembered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub tenant: TenantId,
    pub connection: ConnectionId,
    /// Stands for method, path and key.
    pub id: Arc<str>,
}

/// Somebody's wish to do the write.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Tells this try from all others: whatever is written about it later has to name it.
    pub id: Arc<str>,
    /// The process, which keeps its claims alive.
    pub owner: Arc<str>,
    /// Stands for the request.
    pub fingerprint: Arc<str>,
    /// How long it is believed to be at work without a sign of life.
    pub lease: Duration,
    /// How long the key is remembered.
    pub ttl: Duration,
}

/// What there was when a write was to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing. From here on there is this claim, on the disk.
    New,
    /// Somebody is at it.
    InFlight,
    /// The key stands for another request.
    Mismatch,
    /// It was begun, and nobody knows how it ended. With what was known of it, sealed.
    Unknown(Option<Vec<u8>>),
    /// It was done: the sealed answer.
    Done(Vec<u8>),
}

/// How a write ended that has to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Done(Vec<u8>),
    Unknown(Option<Vec<u8>>),
}

pub trait IdempotencyRepository: Send + Sync + 'static {
    /// Of all who claim a place at the same time one gets [`Claimed::New`].
    fn claim(&self, at: Place, claim: Claim) -> BoxFuture<'_, Result<Claimed>>;

    /// Writes the end down; false if the place is not this claim's any more. A claim whose lease ran out may still end.
    fn settle(&self, at: Place, claim: Arc<str>, end: End) -> BoxFuture<'_, Result<bool>>;

    /// Forgets a claim that did nothing.
    fn release(&self, at: Place, claim: Arc<str>) -> BoxFuture<'_, Result<()>>;

    /// A sign of life for all claims of a process that are not older than `longest`, which no write lasts.
    fn renew(&self, owner: Arc<str>, lease: Duration, longest: Duration) -> BoxFuture<'_, Result<()>>;

    /// At the start of a process: what others were at that cannot be alive any more has an unknown end. Returns how many.
    fn give_up_dead(&self, owner: Arc<str>) -> BoxFuture<'_, Result<u64>>;

    /// Deletes at most `limit` places whose time is over. Returns how many.
    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64>>;
}
