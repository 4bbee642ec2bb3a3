//! The connections service: what it holds in memory, and how that is filled and forgotten. What it does stands beside:
//! [`super::resolve`] and [`super::access`] for requests, [`super::manage`] for owners.

use std::sync::Arc;

use super::access::Held;
use super::clock::Clock;
use super::connection::{Connection, ConnectionId};
use super::events::EventRepository;
use super::oauth::OAuth;
use super::repository::{ConnectionRepository, Row};
use super::revocations::RevocationRepository;
use super::standing::Written;
use super::tokens::{Endpoints, Escrow, Flights, Reacted, TokenRepository};
use super::vault::Vault;
use crate::auth::{Memory, TenantId, base62};
use crate::catalog::{self, Provider};
use crate::error::{Error, Kind, Result};
use crate::net::Client;
use crate::telemetry::Metrics;

/// Connections that are served without the store; about 1 KB each.
const REMEMBERED: u64 = 200_000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Connections(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) repository: Arc<dyn ConnectionRepository>,
    pub(super) tokens: Arc<dyn TokenRepository>,
    pub(super) events: Arc<dyn EventRepository>,
    pub(super) revocations: Arc<dyn RevocationRepository>,
    pub(super) oauth: OAuth,
    pub(super) client: Client,
    pub(super) vault: Vault,
    pub(super) escrow: Escrow,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
    catalog: catalog::Shared,
    pub(super) known: Memory<ConnectionId, Arc<Connection>>,
    customers: Memory<(TenantId, Arc<str>), Arc<[ConnectionId]>>,
    pub(super) access: Memory<ConnectionId, Arc<Held>>,
    pub(super) flights: Flights,
    pub(super) endpoints: Endpoints,
    pub(super) reacted: Reacted,
    pub(super) standings: Written,
    /// This process among those that use the store.
    pub(super) owner: Arc<str>,
}

/// What the service is made of.
pub struct Parts {
    pub repository: Arc<dyn ConnectionRepository>,
    pub tokens: Arc<dyn TokenRepository>,
    pub events: Arc<dyn EventRepository>,
    pub revocations: Arc<dyn RevocationRepository>,
    pub oauth: OAuth,
    pub client: Client,
    pub vault: Vault,
    pub escrow: Escrow,
    pub clock: Arc<Clock>,
    pub metrics: Arc<Metrics>,
    pub catalog: catalog::Shared,
}

impl Connections {
    pub fn new(parts: Parts) -> Result<Self> {
        let Parts { repository, tokens, events, revocations, oauth, client, vault, escrow, clock, metrics, catalog } =
            parts;
        Ok(Self(Arc::new(Inner {
            repository,
            tokens,
            events,
            revocations,
            oauth,
            client,
            vault,
            escrow,
            clock,
            metrics,
            catalog,
            known: Memory::with_capacity(REMEMBERED),
            customers: Memory::with_capacity(REMEMBERED),
            access: Memory::with_capacity(REMEMBERED),
            flights: Flights::default(),
            endpoints: Endpoints::default(),
            reacted: Reacted::default(),
            standings: Written::default(),
            owner: base62::random(12)?.into(),
        })))
    }

    /// Tenants' apps, and the way to authorization servers.
    pub fn oauth(&self) -> &OAuth {
        &self.0.oauth
    }

    /// Forgets what is in memory of one connection, after it was changed. The access first: whoever has the new connection
    /// must not read the old account.
    pub fn forget(&self, id: &ConnectionId) {
        self.0.access.forget(id);
        if let Some(connection) = self.0.known.get(id) {
            self.forget_customer(&connection.tenant, &connection.customer_id);
        }
        self.0.known.forget(id);
    }

    /// A connection was changed by somebody else: it is read anew. Until that is done, and where the store cannot be
    /// reached, what is in memory serves on: a token that another process has renewed is good for a while yet. The access
    /// first, as above.
    pub async fn look_again(&self, tenant: &TenantId, id: &ConnectionId) {
        let before = self.0.known.get(id);
        let held = || async {
            let Some(row) = self.row(tenant, id).await? else { return Ok(None) };
            Ok(Some(Arc::new(self.hold(&row)?)))
        };
        self.0.access.look_again(id, held).await;
        self.0.known.look_again(id, || self.shown(tenant, id)).await;
        let Some(before) = before else { return };
        if self.0.known.get(id).is_none_or(|now| now.customer_id != before.customer_id) {
            self.forget_customer(&before.tenant, &before.customer_id);
        }
    }

    /// Everything is asked for anew, for when the store was changed by somebody else.
    pub fn forget_all(&self) {
        self.0.access.doubt_all();
        self.0.known.doubt_all();
        self.0.customers.doubt_all();
    }

    /// Forgets which connections a customer has.
    pub fn forget_customer(&self, tenant: &TenantId, customer: &Arc<str>) {
        self.0.customers.forget(&(tenant.clone(), Arc::clone(customer)));
    }

    /// A connection of `tenant`, from memory if possible.
    pub(super) async fn known(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Arc<Connection>>> {
        let known = self.0.known.get_or_load(id, || self.shown(tenant, id)).await?;
        // Memory is shared by all tenants: this line keeps them apart.
        Ok(known.filter(|connection| connection.tenant == *tenant))
    }

    async fn shown(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Arc<Connection>>> {
        Ok(self.row(tenant, id).await?.map(|row| Arc::new(row.shown())))
    }

    /// The ids of a customer's connections, from memory if possible.
    pub(super) async fn of_customer(&self, tenant: &TenantId, customer: &str) -> Result<Arc<[ConnectionId]>> {
        let key = (tenant.clone(), Arc::from(customer));
        let load = || async {
            let ids = self.0.repository.find_by_customer(tenant.clone(), Arc::clone(&key.1)).await?;
            Ok((!ids.is_empty()).then(|| ids.into()))
        };
        Ok(self.0.customers.get_or_load(&key, load).await?.unwrap_or_else(|| Arc::from([])))
    }

    pub(super) async fn row(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Row>> {
        self.0.repository.find(tenant.clone(), id.clone()).await
    }

    pub(crate) fn provider(&self, name: &str) -> Result<Arc<Provider>> {
        let catalog = self.0.catalog.load();
        if let Some(provider) = catalog.provider(name) {
            return Ok(Arc::clone(provider));
        }
        let error = Error::new(Kind::ProviderNotFound, "The catalog holds no provider with this name.");
        Err(error.supported(catalog.provider_names()))
    }
}
