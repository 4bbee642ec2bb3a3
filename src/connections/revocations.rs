//! Credentials that are to be given back to their provider: a row that outlives the connection, tried until the provider
//! takes it or has been asked often enough.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::connection::ConnectionId;
use super::now;
use super::repository::Row;
use crate::auth::{TenantId, base62};
use crate::error::Result;

/// One such row.
#[derive(Debug, Clone, PartialEq)]
pub struct Revocation {
    pub id: Arc<str>,
    pub tenant: TenantId,
    pub connection: ConnectionId,
    pub provider: Arc<str>,
    pub settings: Map<String, Value>,
    /// What `sealed` is bound to besides tenant and connection.
    pub generation: u64,
    pub sealed: Vec<u8>,
    pub attempts: u32,
    pub created_at: Timestamp,
}

impl Revocation {
    /// For the credentials of `row`; `None` if they were revoked already.
    pub(super) fn of(row: &Row) -> Result<Option<Self>> {
        if row.sealed.is_empty() {
            return Ok(None);
        }
        let connection = &row.connection;
        Ok(Some(Self {
            id: base62::random(20)?.into(),
            tenant: connection.tenant.clone(),
            connection: connection.id.clone(),
            provider: Arc::clone(&connection.provider),
            settings: connection.settings.clone(),
            generation: row.generation,
            sealed: row.sealed.clone(),
            attempts: 0,
            created_at: now(),
        }))
    }
}

pub trait RevocationRepository: Send + Sync + 'static {
    /// For credentials that came after their connection had gone; the others are written along with the connection.
    fn insert(&self, revocation: Revocation) -> BoxFuture<'_, Result<()>>;

    /// Takes rows whose time has come; nobody else gets them for `hold`.
    fn claim(&self, now: Timestamp, hold: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Revocation>>>;

    fn done(&self, id: Arc<str>) -> BoxFuture<'_, Result<()>>;

    fn failed(&self, id: Arc<str>, error: String, next_attempt_at: Timestamp) -> BoxFuture<'_, Result<()>>;
}
