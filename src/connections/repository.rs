//! What is kept of a connection, and what a place that keeps connections can do.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::connection::{Connection, ConnectionId, State};
use super::events::Event;
use super::revocations::Revocation;
use crate::audit;
use crate::auth::TenantId;
use crate::error::{Error, Result};

/// When things happened to a connection; kept apart from it because they change far more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub last_used_at: Option<Timestamp>,
    pub refreshed_at: Option<Timestamp>,
    /// When the credentials are looked at next: to renew them, to try again, or to keep an unused grant alive.
    pub next_refresh_at: Option<Timestamp>,
    /// When the access token stops working, as far as the provider tells.
    pub expires_at: Option<Timestamp>,
}

/// How long renewing has been failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    pub count: u32,
    pub since: Timestamp,
}

/// What is written in the same transaction as a row.
#[derive(Debug, Clone, Default)]
pub struct Along {
    pub events: Vec<Event>,
    pub revocation: Option<Revocation>,
    /// Of the row's tenant.
    pub audit: Vec<audit::Entry>,
}

impl Along {
    pub fn event(event: Event) -> Self {
        Self { events: vec![event], ..Self::default() }
    }

    pub fn audited(mut self, entry: audit::Entry) -> Self {
        self.audit.push(entry);
        self
    }
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
    /// Empty after the credentials were revoked.
    pub sealed: Vec<u8>,
    pub failing: Option<Failing>,
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
        // A pause hides that a connection needs attention.
        if paused {
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
    fn insert(&self, row: Row, along: Along) -> BoxFuture<'_, Result<(), WriteError>>;

    fn find(&self, tenant: TenantId, id: ConnectionId) -> BoxFuture<'_, Result<Option<Row>>>;

    fn find_by_customer(&self, tenant: TenantId, customer: Arc<str>) -> BoxFuture<'_, Result<Vec<ConnectionId>>>;

    /// At most `filter.limit` connections.
    fn list(&self, tenant: TenantId, filter: Filter) -> BoxFuture<'_, Result<Vec<Overview>>>;

    /// Writes the whole row (its `revision` is the new one) if the stored revision is still `expected`. Another generation
    /// than the stored one ends a running lease: what its holder gains belongs to credentials that are gone.
    fn update(&self, row: Row, expected: u64, along: Along) -> BoxFuture<'_, Result<(), WriteError>>;

    /// Rows of all tenants, or of one, in the order of their ids: for what an operator does to all of them.
    fn rows(
        &self,
        tenant: Option<TenantId>,
        provider: Option<Arc<str>>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Row>>>;

    /// Deletes the row if the stored revision is still `expected`, with its overrides and events. False if it is not.
    fn delete(&self, tenant: TenantId, id: ConnectionId, expected: u64, along: Along) -> BoxFuture<'_, Result<bool>>;
}
