//! The store of several processes: one PostgreSQL database, a pool of connections to it, and one more that hears what
//! the others write.

mod announce;
mod apps;
mod audit;
mod columns;
mod connect;
mod connections;
mod events;
mod failure;
mod idempotency;
mod keys;
mod listen;
mod mappings;
mod notify;
mod replicas;
mod requests;
mod revocations;
mod rows;
mod schema;
mod sealed;
mod server;
mod tls;
mod tokens;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

pub(super) use self::schema::{SCHEMA, words};
pub use self::server::Server;
use super::Migrated;
use super::changed::{Changed, Changes, KEPT};
use super::clocked::Clocked;
use super::open::{OpenError, Role};
use crate::auth::base62;
use crate::error::Result;
use crate::telemetry::Metrics;

/// More would queue inside the server instead of here.
const CONNECTIONS: usize = 16;
/// How long an operation waits for a connection of the pool.
const ACQUIRE: Duration = Duration::from_secs(3);

/// What every connection is set to. A connection that is kept for long outlives changes of these settings on the server.
/// What was answered must be on the disk: a rotated token that is lost cannot be had again.
const SETTINGS: &str = "SET statement_timeout = '8s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '30s'; SET bytea_output = 'hex'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// A connection beside any pool, which ends when it is dropped.
pub(super) async fn connect(server: &Server) -> Result<tokio_postgres::Client, OpenError> {
    let unreachable = |why: String| OpenError::Unreachable { server: server.to_string(), why };
    schema::connect(server, &tls::connector(server).map_err(unreachable)?).await
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Postgres(Arc<Inner>);

struct Inner {
    pool: Pool,
    calls: AtomicU64,
    clocked: Clocked,
    /// Tells the news of this process from those of others.
    origin: String,
    changed: broadcast::Sender<Changed>,
    listener: Option<AbortHandle>,
    migrated: Migrated,
}

impl Postgres {
    pub(super) async fn open(server: &Server, role: Role) -> Result<Self, OpenError> {
        let unreachable = |why: String| OpenError::Unreachable { server: server.to_string(), why };
        let tls = tls::connector(server).map_err(unreachable)?;
        let migrated = schema::migrate(server, &tls).await?;
        let origin = base62::random(12).map_err(|error| unreachable(error.to_string()))?;
        let (changed, _) = broadcast::channel(KEPT);
        let listener = match role {
            Role::Serve => {
                let listening = listen::start(server, &tls, &origin, changed.clone());
                Some(listening.await.map_err(|error| unreachable(error.to_string()))?)
            }
            Role::Command => None,
        };
        let manager =
            Manager::from_config(server.config.clone(), tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: Some(ACQUIRE), create: Some(server::CONNECT), recycle: Some(ACQUIRE) })
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            pool,
            calls: AtomicU64::new(0),
            clocked: Clocked::default(),
            origin,
            changed,
            listener,
            migrated,
        })))
    }

    pub(super) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub(super) fn count_in(&self, metrics: Arc<Metrics>) {
        self.0.clocked.count_in(metrics);
    }

    pub(super) fn changes(&self) -> Changes {
        Changes::new(self.0.changed.subscribe())
    }

    pub(super) fn migrated(&self) -> Migrated {
        self.0.migrated
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.rows_aside("SELECT 1", &[]).await?;
        Ok(())
    }

    /// Operations that have begun keep their connections until they are through.
    pub(super) async fn close(&self) {
        self.0.pool.close();
        if let Some(listener) = &self.0.listener {
            listener.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}
