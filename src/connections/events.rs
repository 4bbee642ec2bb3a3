//! What happened to connections, for their owners to read. Written in the transaction of the change that it tells of, so
//! that whatever is delivered elsewhere later can trust it.

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::connection::ConnectionId;
use crate::auth::TenantId;
use crate::error::Result;

/// How many events of one connection are kept; the oldest go first.
pub const KEPT: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    pub kind: EventKind,
    /// In words, without values and secrets.
    pub detail: Option<String>,
}

/// An event with its place in the log, which only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub number: u64,
    pub event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Created,
    Reconnected,
    Changed,
    Paused,
    Resumed,
    Refreshed,
    RefreshFailed,
    Recovered,
    /// The provider answers that the credentials are not good.
    Refused,
    NeedsReauth,
    Verified,
    VerifyFailed,
    Exported,
    BudgetExceeded,
    Revoked,
}

impl EventKind {
    const NAMES: [(EventKind, &str); 15] = [
        (EventKind::Created, "created"),
        (EventKind::Reconnected, "reconnected"),
        (EventKind::Changed, "changed"),
        (EventKind::Paused, "paused"),
        (EventKind::Resumed, "resumed"),
        (EventKind::Refreshed, "refreshed"),
        (EventKind::RefreshFailed, "refresh_failed"),
        (EventKind::Recovered, "recovered"),
        (EventKind::Refused, "refused"),
        (EventKind::NeedsReauth, "needs_reauth"),
        (EventKind::Verified, "verified"),
        (EventKind::VerifyFailed, "verify_failed"),
        (EventKind::Exported, "exported"),
        (EventKind::BudgetExceeded, "budget_exceeded"),
        (EventKind::Revoked, "revoked"),
    ];

    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|(kind, _)| *kind)
    }

    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

impl Event {
    pub fn now(kind: EventKind, detail: impl Into<Option<String>>) -> Self {
        Self { at: super::now(), kind, detail: detail.into() }
    }
}

/// Where events are read. They are written along with what they tell of; see [`super::repository::Along`].
pub trait EventRepository: Send + Sync + 'static {
    /// For what changes nothing else.
    fn append(&self, tenant: TenantId, connection: ConnectionId, event: Event) -> BoxFuture<'_, Result<()>>;

    /// At most `limit` events before `before`, the newest first.
    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Logged>>>;
}
