//! What is kept of a key, and what a place that keeps keys can do.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{Hash, Mode, Scopes, TenantId};
use crate::error::{Error, Kind, Result, Violation};
use crate::limit::KeyLimits;

/// A key as it is stored: everything but the key.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    pub id: Arc<str>,
    pub tenant: TenantId,
    pub mode: Mode,
    pub hash: Hash,
    pub scopes: Scopes,
    /// Providers the key is limited to; none listed means no limit.
    pub providers: Vec<String>,
    /// Connections the key is limited to; none listed means no limit.
    pub connections: Vec<String>,
    /// What the key may do besides the deployment's own limits.
    pub limits: KeyLimits,
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Late by up to one flush.
    pub last_used_at: Option<Timestamp>,
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub mode: Mode,
    pub scopes: Scopes,
    pub providers: Vec<String>,
    pub connections: Vec<String>,
    pub limits: KeyLimits,
    pub name: Option<String>,
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    pub fn with_scopes(mode: Mode, scopes: Scopes) -> Self {
        let (providers, connections, limits) = (Vec::new(), Vec::new(), KeyLimits::default());
        Self { mode, scopes, providers, connections, limits, name: None, expires_at: None }
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<()> {
        let mut violations = Vec::new();
        if self.scopes.is_empty() {
            violations.push(Violation::at("/scopes", "a key needs at least one scope"));
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            violations.push(Violation::at("/expires_at", "the time has passed already"));
        }
        if self.name.as_deref().is_some_and(|name| name.chars().count() > 200 || name.chars().any(char::is_control)) {
            violations.push(
                Violation::at("/name", "it is too long or holds control characters")
                    .expected("a line of at most 200 characters"),
            );
        }
        let KeyLimits { rate, burst, concurrency } = self.limits;
        for (name, count) in [("rate", rate), ("burst", burst), ("concurrency", concurrency)] {
            if count == Some(0) {
                violations
                    .push(Violation::at(format!("/limits/{name}"), "0 lets nothing through").expected("1 or more"));
            }
        }
        if violations.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::ValidationFailed, "The key cannot be made like this.").violations(violations))
    }
}

/// Where keys are kept. Revoked keys are kept too: the list shows them.
pub trait KeyRepository: Send + Sync + 'static {
    fn insert(&self, key: KeyRecord) -> BoxFuture<'_, Result<()>>;

    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<KeyRecord>>>;

    /// The newest first.
    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<KeyRecord>>>;

    /// False if the tenant has no such key. A key that is revoked already keeps its first date.
    fn revoke(&self, tenant: TenantId, id: Arc<str>, at: Timestamp) -> BoxFuture<'_, Result<bool>>;

    /// Notes when keys were used last; never sets a date back.
    fn touch(&self, used: Vec<(Arc<str>, Timestamp)>) -> BoxFuture<'_, Result<()>>;
}
