//! OAuth apps that tenants bring: with which client id and secret their customers' accounts are authorised.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::auth::TenantId;
use crate::error::Result;

/// A tenant's app as it is stored; the secret is sealed for tenant and provider.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredApp {
    pub tenant: TenantId,
    pub provider: Arc<str>,
    pub client_id: String,
    pub sealed: Vec<u8>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

pub trait AppRepository: Send + Sync + 'static {
    /// Puts it in the place of the one there is; `created_at` stays the old one's.
    fn put(&self, app: StoredApp) -> BoxFuture<'_, Result<()>>;

    fn find(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<Option<StoredApp>>>;

    /// In the order of providers.
    fn list(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<StoredApp>>>;

    /// False if there was nothing to delete.
    fn delete(&self, tenant: TenantId, provider: Arc<str>) -> BoxFuture<'_, Result<bool>>;
}
