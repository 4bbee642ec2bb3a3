//! What is kept of a connection, and what a place that keeps connections can do.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::connection::{Connection, ConnectionId, State};
use crate::auth::TenantId;
use crate::error::{Error, Result};

/// When things happened to a connection; kept apart from it because they change far more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub last_used_at: Option<Timestamp>,
    pub refreshed_at: Option<Timestamp>,
    pub next_refresh_at: Option<Timestamp>,
}

/// A connection as its owner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    pub connection: Connection,
    pub times: Times,
}

/// A connection as it is stored.
#[derive(Clone)]
pub struct Row {
    /// Its state is the one beneath a pause, so that ending the pause brings it back.
    pub connection: Connection,
    pub paused: bool,
    pub times: Times,
    /// Counts every change of the row.
    pub revision: u64,
    /// Counts every change of the credentials; the sealed text is bound to it.
    pub generation: u64,
    pub sealed: Vec<u8>,
}

impl Row {
    /// The connection with the state that shows.
    pub fn shown(&self) -> Connection {
        Overview::new(self.connection.clone(), self.paused, self.times).connection
    }

    pub fn overview(&self) -> Overview {
        Overview::new(self.connection.clone(), self.paused, self.times)
    }
}

impl Overview {
    pub fn new(mut connection: Connection, paused: bool, times: Times) -> Self {
        // A pause hides that a connection needs attention, but never that it is going away.
        if paused && connection.state != State::Deleting {
            connection.state = State::Paused;
        }
        Self { connection, times }
    }
}

/// Which connections to list, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub provider: Option<String>,
    pub customer_id: Option<String>,
    /// Only these providers and connections; none listed means all. Filled in from the caller's limits.
    pub providers: Vec<String>,
    pub connections: Vec<String>,
    pub after: Option<ConnectionId>,
    pub limit: usize,
}

/// A page of connections.
#[derive(Debug, Clone)]
pub struct Listed {
    pub data: Vec<Overview>,
    /// `after` of the next page, if there is one.
    pub next: Option<ConnectionId>,
}

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the customer has a connection to this provider already: {0}")]
    Taken(ConnectionId),
    #[error("the row was changed by somebody else in the meantime, or is gone")]
    Stale,
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Where connections are kept. Everything is looked up under its tenant: a foreign id finds nothing.
pub trait ConnectionRepository: Send + Sync + 'static {
    fn insert(&self, row: Row) -> BoxFuture<'_, Result<(), WriteError>>;

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>>;

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>>;

    /// At most `filter.limit` connections.
    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>>;

    /// Writes the whole row (its `revision` is the new one) if the stored revision is still `expected`.
    fn update(&self, row: Row, expected: u64) -> BoxFuture<'_, Result<(), WriteError>>;

    /// False if there was nothing to delete.
    fn delete(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<bool>>;
}
