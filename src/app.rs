//! What handlers and layers may hold. Built by `serve`; nothing is constructed here.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::audit::Audit;
use crate::auth::{AdminToken, Keys};
use crate::catalog::{Catalog, Overlays, Reloader, Shared};
use crate::connections::{Connect, Connections, Mappings, RequestLog, Vault};
use crate::error::Result;
use crate::idempotency::{Idempotency, Shield};
use crate::net::admission::Admission;
use crate::net::listen::{self, Lifecycle};
use crate::telemetry::{Metrics, Tracer};
use crate::{unified, upstream};

#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub audit: Audit,
    /// How much may be read through connections.
    pub budgets: upstream::Budgets,
    pub keys: Keys,
    pub connections: Connections,
    /// Whether credentials can be read back.
    pub credentials_export: bool,
    /// Links on which customers connect their accounts.
    pub connect: Connect,
    /// Overrides of tenants and connections, as text and compiled.
    pub mappings: Mappings,
    pub overlays: Overlays,
    /// Whether overrides that come by the API may hold expressions.
    pub expressions_in_overrides: bool,
    pub vault: Vault,
    pub catalog: Shared,
    pub reloader: Arc<Reloader>,
    pub metrics: Arc<Metrics>,
    /// What the admin listener asks for, if it asks for anything.
    pub admin_token: Option<AdminToken>,
    pub tracer: Tracer,
    /// The last requests through each connection.
    pub requests: RequestLog,
    /// Who is let in.
    pub admission: Admission,
    /// What callers' connections are bound to.
    pub edge: listen::Config,
    /// Whether the API is about to stop.
    pub lifecycle: Lifecycle,
    /// Whether the store answers.
    pub ping_store: Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>,
    /// Writes that callers have named by a key.
    pub idempotency: Idempotency,
    /// Writes that run, whoever waits for them.
    pub shield: Shield,
    /// The vendors' allowances.
    pub quota: upstream::Quota,
    /// Answers that are kept.
    pub cache: unified::ReadCache,
    pub unified: unified::Service,
    pub upstream: upstream::Service,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The catalog of this moment. A request takes one snapshot and keeps to it.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.load_full()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
