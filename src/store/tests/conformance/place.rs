//! The stores that are tested, each empty.

use std::sync::Arc;

use super::model::Model;
use crate::audit::AuditRepository;
use crate::auth::{KeyRepository, base62};
use crate::connections::{
    AppRepository, ConnectRepository, ConnectionRepository, EventRepository, MappingRepository, RequestRepository,
    RevocationRepository, SealedRepository, TokenRepository,
};
use crate::idempotency::IdempotencyRepository;
use crate::store::tests::Scratch;
use crate::store::{Address, Location, Role, Store};
use crate::upstream::ReplicaRepository;

/// All repositories of one store, and what has to be cleaned up after it.
pub(in crate::store::tests) struct Place {
    pub keys: Arc<dyn KeyRepository>,
    pub connections: Arc<dyn ConnectionRepository>,
    pub tokens: Arc<dyn TokenRepository>,
    pub events: Arc<dyn EventRepository>,
    pub requests: Arc<dyn RequestRepository>,
    pub revocations: Arc<dyn RevocationRepository>,
    pub apps: Arc<dyn AppRepository>,
    pub connect: Arc<dyn ConnectRepository>,
    pub mappings: Arc<dyn MappingRepository>,
    pub sealed: Arc<dyn SealedRepository>,
    pub audit: Arc<dyn AuditRepository>,
    pub idempotency: Arc<dyn IdempotencyRepository>,
    pub replicas: Arc<dyn ReplicaRepository>,
    _folder: Option<Scratch>,
    _schema: Option<Schema>,
}

impl From<&Store> for Place {
    fn from(store: &Store) -> Self {
        Self {
            keys: store.keys(),
            connections: store.connections(),
            tokens: store.tokens(),
            events: store.events(),
            requests: store.requests(),
            revocations: store.revocations(),
            apps: store.apps(),
            connect: store.connect(),
            mappings: store.mappings(),
            sealed: store.sealed(),
            audit: store.audit(),
            idempotency: store.idempotency(),
            replicas: store.replicas(),
            _folder: None,
            _schema: None,
        }
    }
}

pub(super) fn model() -> Place {
    let model = Arc::new(Model::default());
    Place {
        keys: model.clone(),
        connections: model.clone(),
        tokens: model.clone(),
        events: model.clone(),
        requests: model.clone(),
        revocations: model.clone(),
        apps: model.clone(),
        connect: model.clone(),
        mappings: model.clone(),
        sealed: model.clone(),
        audit: model.clone(),
        idempotency: model.clone(),
        replicas: model,
        _folder: None,
        _schema: None,
    }
}

pub(super) fn memory() -> Place {
    Place::from(&Store::memory().expect("a store"))
}

pub(super) fn file() -> Place {
    let folder = Scratch::new();
    let store = Store::file(&folder.database(), Role::Serve).expect("a store");
    Place { _folder: Some(folder), ..Place::from(&store) }
}

/// `None` where there is no server to test with.
pub(super) async fn postgres() -> Option<Place> {
    let schema = Schema::new().await?;
    let store = Store::open(&schema.address(), Role::Command).await.expect("a store");
    Some(Place { _schema: Some(schema), ..Place::from(&store) })
}

/// The server to test with. THROUGHLINE_REQUIRE_POSTGRES makes its absence a failure.
pub(in crate::store::tests) fn postgres_url() -> Option<String> {
    let url = std::env::var("THROUGHLINE_TEST_POSTGRES").ok();
    if url.is_none() {
        let required = std::env::var_os("THROUGHLINE_REQUIRE_POSTGRES").is_some();
        assert!(!required, "THROUGHLINE_TEST_POSTGRES has to name a database");
        eprintln!("skipped: THROUGHLINE_TEST_POSTGRES names no PostgreSQL database (tests/run.sh starts one)");
    }
    url
}

/// A schema of its own, gone at the end of the test.
pub(in crate::store::tests) struct Schema {
    url: String,
    name: String,
}

impl Schema {
    pub(in crate::store::tests) async fn new() -> Option<Self> {
        let url = postgres_url()?;
        let name = format!("test_{}", base62::random(16).expect("random").to_ascii_lowercase());
        let schema = Self { url, name };
        run(&schema.url, &format!("CREATE SCHEMA {}", schema.name)).await.expect("the test server makes schemas");
        Some(schema)
    }

    /// The URL that leads into the schema.
    pub(in crate::store::tests) fn url(&self) -> String {
        let sign = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{sign}options=-csearch_path%3D{name}&application_name={name}", self.url, name = self.name)
    }

    pub(in crate::store::tests) fn address(&self) -> Address {
        Location::from(self.url().as_str()).address().expect("a good URL")
    }

    /// Runs statements in the schema, beside the store.
    pub(in crate::store::tests) async fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        run(&self.url(), sql).await
    }

    /// The first column of what a query answers.
    pub(in crate::store::tests) async fn texts(&self, sql: &str) -> Vec<String> {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.expect("a server");
        let connection = tokio::spawn(connection);
        let rows = client.query(sql, &[]).await.expect("an answer");
        connection.abort();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Ends the store's connections, as a server that restarts does.
    pub(in crate::store::tests) async fn cut(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}' AND pid <> pg_backend_pid()";
        self.run(&sql.replace("{}", &self.name)).await.expect("cut");
    }
}

async fn run(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(sql).await;
    connection.abort();
    done
}

impl Drop for Schema {
    fn drop(&mut self) {
        // This blocks the runtime of the test, and with it whatever of a store still holds locks there.
        let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}'";
        let sql = format!("{}; DROP SCHEMA {} CASCADE", ends.replace("{}", &self.name), self.name);
        let url = self.url.clone();
        // A runtime cannot be waited for from within another one.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(&url, &sql))
        });
        let _ = dropping.join();
    }
}
