//! Overrides of mappings, as text: those of a tenant and those of a connection. What they mean is the catalog's to say.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::connection::{Connection, ConnectionId};
use crate::auth::{Memory, TenantId};
use crate::error::Result;

/// Where overrides are kept: under a tenant, and under a connection of it or none.
pub trait MappingRepository: Send + Sync + 'static {
    fn find(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<Option<String>>>;

    fn put(&self, tenant: TenantId, connection: Option<ConnectionId>, text: String) -> BoxFuture<'_, Result<()>>;

    /// False if there was nothing to delete.
    fn delete(&self, tenant: TenantId, connection: Option<ConnectionId>) -> BoxFuture<'_, Result<bool>>;
}

/// Overrides that are served without the store.
const REMEMBERED: u64 = 200_000;

/// Whose override: a tenant's, or a connection's of it.
type Owner = (TenantId, Option<ConnectionId>);

/// Cheap to clone.
#[derive(Clone)]
pub struct Mappings {
    repository: Arc<dyn MappingRepository>,
    /// Empty text where there is none, so that its absence is remembered too.
    known: Arc<Memory<Owner, Arc<str>>>,
}

impl Mappings {
    pub fn new(repository: Arc<dyn MappingRepository>) -> Self {
        Self { repository, known: Arc::new(Memory::with_capacity(REMEMBERED)) }
    }

    /// The tenant's override and the connection's; empty where there is none. From memory if possible.
    pub async fn of(&self, connection: &Connection) -> Result<(Arc<str>, Arc<str>)> {
        let tenant = self.get(&connection.tenant, None).await?;
        Ok((tenant, self.get(&connection.tenant, Some(&connection.id)).await?))
    }

    /// One override; empty where there is none.
    pub async fn get(&self, tenant: &TenantId, connection: Option<&ConnectionId>) -> Result<Arc<str>> {
        let owner = (tenant.clone(), connection.cloned());
        let load = || async {
            let text = self.repository.find(owner.0.clone(), owner.1.clone()).await?;
            Ok(Some(Arc::from(text.unwrap_or_default())))
        };
        Ok(self.known.get_or_load(&owner, load).await?.unwrap_or_default())
    }

    pub async fn put(&self, tenant: &TenantId, connection: Option<&ConnectionId>, text: String) -> Result<()> {
        let owner = (tenant.clone(), connection.cloned());
        let written = self.repository.put(owner.0.clone(), owner.1.clone(), text).await;
        // Also after a failure: it may have come after the write.
        self.known.forget(&owner);
        written
    }

    /// False if there was none.
    pub async fn delete(&self, tenant: &TenantId, connection: Option<&ConnectionId>) -> Result<bool> {
        let owner = (tenant.clone(), connection.cloned());
        let deleted = self.repository.delete(owner.0.clone(), owner.1.clone()).await;
        self.known.forget(&owner);
        deleted
    }

    /// Forgets one override, after it was changed.
    pub fn forget(&self, tenant: &TenantId, connection: Option<&ConnectionId>) {
        self.known.forget(&(tenant.clone(), connection.cloned()));
    }

    /// Forgets everything, for when the store was changed by somebody else.
    pub fn forget_all(&self) {
        self.known.forget_all();
    }
}
