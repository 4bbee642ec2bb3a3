//! What a store has to do so that credentials are renewed once, whoever else tries at the same time.
//!
//! The statements that decide (lease, commit, fail) compare and write in one step. Times of leases are the store's own:
//! the clocks of two processes may differ.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::auth::TenantId;
use crate::connections::connection::{ConnectionId, State};
use crate::connections::events::Event;
use crate::connections::repository::{Failing, Row};
use crate::error::Result;

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub tenant: TenantId,
    pub id: ConnectionId,
}

/// The answer to whoever wants to renew.
pub enum Leased {
    Granted(Box<Lease>),
    /// Somebody else is at it.
    Held,
    /// The credentials are others than those that were to be renewed, or their state is not one to renew, or the row is
    /// gone: read again.
    Moved,
}

/// The right to renew one connection's credentials, for a time.
pub struct Lease {
    /// Higher than that of everybody who held it before; what is written under a lower one is refused.
    pub epoch: u64,
    /// As of the moment of the grant.
    pub row: Row,
    /// An earlier holder never told its end: the stored refresh token may have been spent.
    pub interrupted: bool,
    /// Sealed credentials of a renewal that lost its lease, and the generation that they are sealed under.
    pub orphan: Option<(u64, Vec<u8>)>,
}

/// Renewed credentials. Their generation is the next after the row's.
#[derive(Clone)]
pub struct Fresh {
    pub generation: u64,
    pub sealed: Vec<u8>,
    /// `None` leaves them as they are.
    pub settings: Option<Map<String, Value>>,
    pub scopes: Option<Vec<String>>,
    pub refreshed_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub next_refresh_at: Option<Timestamp>,
}

impl Fresh {
    /// The row as it is with these.
    pub(in crate::connections) fn over(self, mut row: Row) -> Row {
        row.generation = self.generation;
        row.sealed = self.sealed;
        row.times.refreshed_at = Some(self.refreshed_at);
        row.times.expires_at = self.expires_at;
        row.times.next_refresh_at = self.next_refresh_at;
        row.failing = None;
        let connection = &mut row.connection;
        (connection.state, connection.state_reason, connection.last_error) = (State::Active, None, None);
        connection.settings = self.settings.unwrap_or_else(|| std::mem::take(&mut connection.settings));
        connection.scopes = self.scopes.unwrap_or_else(|| std::mem::take(&mut connection.scopes));
        row
    }
}

/// Why a connection whose renewed token was lost between provider and store has to be authorised again.
pub const LOST_ROTATION: &str = "lost_rotation";

/// A renewal that failed.
#[derive(Debug, Clone)]
pub struct Failed {
    pub state: State,
    pub state_reason: Option<String>,
    pub last_error: String,
    pub failing: Failing,
    pub next_refresh_at: Option<Timestamp>,
}

/// A connection whose turn has come.
#[derive(Debug, Clone)]
pub struct Due {
    pub key: Key,
    pub provider: Arc<str>,
    pub generation: u64,
    pub last_used_at: Option<Timestamp>,
    pub refreshed_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// A provider, a state, and how many connections are in it.
pub type Counted = (Arc<str>, State, u64);

pub trait TokenRepository: Send + Sync + 'static {
    /// Takes the lease if the row still has `generation`, is active or degraded, not paused, and nobody holds a lease
    /// that has not run out. Notes the intent.
    fn lease(&self, key: Key, generation: u64, owner: Arc<str>, ttl: Duration) -> BoxFuture<'_, Result<Leased>>;

    /// Holds the lease for longer and shows the row as it is now; `None` if the lease is another's or the generation has
    /// moved.
    fn extend(&self, key: Key, epoch: u64, generation: u64, ttl: Duration) -> BoxFuture<'_, Result<Option<Lease>>>;

    /// Writes what was gained and gives the lease back, if it still has `epoch` and the generation is the one before:
    /// state active, nothing failing, no orphan. Durable when it returns true. The row's revision counts up.
    fn commit(&self, key: Key, epoch: u64, fresh: Fresh, events: Vec<Event>) -> BoxFuture<'_, Result<bool>>;

    /// Writes the failure and gives the lease back, under the same condition.
    fn fail(&self, key: Key, epoch: u64, failed: Failed, events: Vec<Event>) -> BoxFuture<'_, Result<bool>>;

    /// The same for whoever lost the lease on the way, if nobody renewed since, nobody holds a lease, and the row is
    /// active, degraded, or given up with the reason `lost_rotation`: what was thought lost is here.
    fn adopt(&self, key: Key, fresh: Fresh, events: Vec<Event>) -> BoxFuture<'_, Result<bool>>;

    /// Keeps credentials that came too late beside the row's. False if the row is gone.
    fn keep_orphan(&self, key: Key, generation: u64, sealed: Vec<u8>) -> BoxFuture<'_, Result<bool>>;

    /// At most `limit` rows, active or degraded, not paused, without a running lease, whose `next_refresh_at` has come;
    /// the last used first.
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>>>;

    /// Moves the next renewal, if the row still has `generation`.
    fn postpone(&self, key: Key, generation: u64, until: Option<Timestamp>) -> BoxFuture<'_, Result<()>>;

    /// Writes down when connections were last used; an older time than the stored one changes nothing.
    fn touch(&self, used: Vec<(Key, Timestamp)>) -> BoxFuture<'_, Result<()>>;

    /// How many connections there are of each provider in each state; paused ones count as paused.
    fn census(&self) -> BoxFuture<'_, Result<Vec<Counted>>>;
}
