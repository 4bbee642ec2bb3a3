//! The composition root: from a configuration to everything that runs. The only place that knows which store it is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use crate::app::{App, Parts};
use crate::audit::{Audit, ReloadedBy};
use crate::auth::{AdminToken, AdminTokenError, Keys, Pepper, TenantId};
use crate::catalog::{self, Catalog, Files, Options, Overlays, Problem, Reload, Reloader, Sources};
use crate::config::Config;
use crate::connections::oauth::{App as OAuthApp, DeployedApps, OAuth, SigningKey};
use crate::connections::{
    self, Clock, Connect, ConnectionId, Connections, Escrow, EscrowError, KeySource, Mappings, RequestLog, Vault,
    VaultError, lasting_secret,
};
use crate::error::Error;
use crate::idempotency::{Idempotency, Shield};
use crate::net::admission::Admission;
use crate::net::listen::{self, Lifecycle, Listen, Phase, Serving, Tls, TlsError};
use crate::net::{Client, ClientError, Collector, Dial};
use crate::pipeline;
use crate::store::{AddressError, Changed, Changes, OpenError, Redis, Role, Store};
use crate::telemetry::trace::Spans;
use crate::telemetry::{Listener, Metrics, Tracer};
use crate::unified::{self, ReadCache};
use crate::upstream::{Budgets, Pool, Quota, Replicas};

/// How often the times at which keys were last used are written down.
const FLUSH: Duration = Duration::from_secs(30);

/// How long renewals that have begun may take when the server stops: a token that is on its way would be lost.
const LAST_RENEWALS: Duration = Duration::from_secs(20);

/// How long the last spans may take to get to the collector when the server stops.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// Connections changed by others that are read anew at the same time.
const LOOKS: usize = 16;

/// Why the process cannot serve. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the mappings have problems:\n{}", .0.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
    Mappings(Vec<Problem>),
    #[error("{}", .0.join("; "))]
    Cache(Vec<String>),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the vault's key cannot be used: {0}")]
    Vault(#[from] VaultError),
    #[error(
        "there is no vault key, without which credentials cannot be sealed: make one with `throughline vault init`, and name it as vault.key_file or in THROUGHLINE_VAULT_KEY"
    )]
    NoKey,
    #[error("admin_token_file: {0}")]
    AdminToken(#[from] AdminTokenError),
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] ClientError),
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("{0} cannot be listened on: {1}")]
    Listen(String, std::io::Error),
    #[error("the signals to stop cannot be listened to: {0}")]
    Signals(std::io::Error),
    #[error("the store cannot be read: {}", .0.detail())]
    Stored(Error),
    #[error("the private key {path} cannot be used: {1}", path = .0.display())]
    AppKey(std::path::PathBuf, String),
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    #[error("redis: {0}")]
    Redis(String),
    #[error("the system gives no randomness")]
    Randomness,
    #[error("store: {0}")]
    StoreAddress(#[from] AddressError),
}

/// Everything that serves, and what has to be looked after while it does.
pub struct Running {
    pub app: App,
    pub store: Store,
    tls: Option<Tls>,
    /// This server among those that share the store, where they are counted.
    replicas: Option<Arc<Replicas>>,
    /// What is told of requests, and who is told.
    traced: Option<(Collector, Spans)>,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Requests that had begun and were cut off.
    pub cut: usize,
}

/// The listeners, bound by whoever starts the server: tests bind port 0.
pub struct Listeners<L = TcpListener> {
    pub api: L,
    pub admin: L,
}

/// What the process has of the world outside besides its store: its time, and its way to others.
#[derive(Default)]
pub struct Surroundings {
    pub clock: Clock,
    /// None is the system's.
    pub dial: Option<Arc<dyn Dial>>,
}

/// Opens the configured store, for the server or for a command beside it.
pub async fn open_store(config: &Config, role: Role) -> Result<Store, StartError> {
    Ok(Store::open(&config.store.address()?, role).await?)
}

/// The vault with the configured key. `inline` is the value of THROUGHLINE_VAULT_KEY.
pub fn open_vault(config: &Config, inline: Option<&str>) -> Result<Vault, StartError> {
    match (inline, &config.vault.key_file, &config.vault.key_command) {
        (Some(key), _, _) => Ok(Vault::from_key_base64(key)?),
        (None, Some(file), _) => Ok(Vault::from_file(file)?),
        (None, None, Some(command)) => Ok(Vault::from_source(KeySource::Command(command.clone()))?),
        (None, None, None) => Err(StartError::NoKey),
    }
}

/// The keys of API callers, hashed under a secret of the deployment. It was the vault key's once; sealed in the store, it
/// stays the same when that key is replaced.
pub async fn keys(store: &Store, vault: &Vault) -> Result<Keys, Error> {
    const PURPOSE: &[u8] = b"throughline api keys";
    let secret = lasting_secret(store.sealed().as_ref(), vault, "api keys", vault.derive(PURPOSE)).await?;
    let older = vault.derive_older(PURPOSE).into_iter().map(Pepper::new).collect();
    Ok(Keys::with(store.keys(), Pepper::new(secret), older, Arc::new(jiff::Timestamp::now)))
}

/// Builds everything, with the mappings that the configuration names. Nothing listens yet.
pub async fn build(config: &Config, store: Store, vault: Vault) -> Result<Running, StartError> {
    let files = sources(config).read().map_err(|problem| StartError::Mappings(vec![problem]))?;
    build_with(config, store, vault, &files).await
}

fn sources(config: &Config) -> Sources {
    Sources { mappings: config.mappings.clone(), overrides: config.overrides.clone() }
}

/// What is said of a provider that nobody knows would have no effect.
fn no_strangers(config: &Config, catalog: &Catalog) -> Result<(), StartError> {
    let unknown = config.providers.keys().filter(|name| !catalog.providers.contains_key(*name));
    let problems = unknown.map(|name| {
        let near = catalog::nearest(name, catalog.providers.keys().map(String::as_str));
        let hint = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
        Problem {
            file: "configuration".into(),
            line: 0,
            message: format!("providers: there is no provider `{name}`{hint}"),
        }
    });
    let problems: Vec<Problem> = problems.collect();
    if problems.is_empty() { Ok(()) } else { Err(StartError::Mappings(problems)) }
}

/// The same with these mappings, until a reload.
pub async fn build_with(config: &Config, store: Store, vault: Vault, files: &Files) -> Result<Running, StartError> {
    build_in(Surroundings::default(), config, store, vault, files).await
}

/// The same in other surroundings than the system's.
pub async fn build_in(
    surroundings: Surroundings,
    config: &Config,
    store: Store,
    vault: Vault,
    files: &Files,
) -> Result<Running, StartError> {
    let Surroundings { clock, dial } = surroundings;
    let options = Options {
        engine: config.engine(),
        bases: config.bases(),
        addresses: config.addresses(),
        limits: config.limits(),
    };
    // What fails soonest comes before what takes longest.
    let admin_token = config.admin_token_file.as_deref().map(AdminToken::open).transpose()?;
    let sources = sources(config);
    let catalog = Catalog::load(files, &options).map_err(StartError::Mappings)?;
    no_strangers(config, &catalog)?;
    let metrics = Metrics::new()?;
    metrics.catalog_loaded(&catalog.vocabulary());
    store.count_in(metrics.clone());
    let unknown = unified::cache::unknown(&config.cache, &catalog);
    if !unknown.is_empty() {
        return Err(StartError::Cache(unknown));
    }
    let catalog = Arc::new(ArcSwap::from_pointee(catalog));
    let reloader = Arc::new(Reloader::new(sources, options, catalog.clone(), metrics.clone()));
    let keys = keys(&store, &vault).await.map_err(StartError::Stored)?;
    let client = Client::dialling(&config.upstream, dial)?;
    let (tracer, spans) = Tracer::new(&config.tracing, &metrics);
    let traced = Collector::new(&config.tracing, &config.upstream, &metrics)?.zip(spans);
    let connections = connections(config, clock, &store, &vault, &catalog, &client, &metrics)?;
    let connect =
        Connect::new(config.public_origin(), store.connect(), connections.clone(), vault.clone(), catalog.clone());
    let shield = Shield::default();
    let shielded = shield.clone();
    metrics.before_reading(move |metrics| metrics.writes_under_way(shielded.under_way()));
    let idempotency = Idempotency::new(
        store.idempotency(),
        vault.clone(),
        config.idempotency.clone(),
        shield.clone(),
        metrics.clone(),
    )
    .map_err(|_| StartError::Randomness)?;
    let budgets = Budgets::new(&config.budgets, connections.clone(), metrics.clone());
    let (quota, replicas) = quota(config, &store, &connections, &metrics).await?;
    let cache = ReadCache::new(&config.cache, config.cache_max_bytes, store.announcements(), metrics.clone());
    let upstream = pipeline::upstream(
        connections.clone(),
        quota.clone(),
        client,
        budgets.clone(),
        cache.witness(),
        metrics.clone(),
    );
    let unified = pipeline::unified(upstream.clone(), budgets.clone(), cache.clone(), metrics.clone());
    let tls = Tls::open(&config.tls)?;
    let pinged = store.clone();
    let requests = RequestLog::new(store.requests(), vault.clone(), &config.request_log);
    let app = App::new(Parts {
        admin_token,
        admission: Admission::new(config.edge.in_flight, config.edge.queue.get(), config.limits.clone()),
        edge: config.edge.clone(),
        lifecycle: Lifecycle::default(),
        ping_store: Box::new(move || {
            let store = pinged.clone();
            Box::pin(async move { store.ping().await })
        }),
        audit: Audit::new(store.audit(), &config.audit, metrics.clone()),
        budgets,
        keys,
        connections,
        credentials_export: config.credentials_export,
        connect,
        mappings: Mappings::new(store.mappings()),
        overlays: Overlays::default(),
        expressions_in_overrides: config.mapping.expressions_in_overrides,
        vault,
        catalog,
        reloader,
        metrics,
        tracer,
        requests,
        idempotency,
        shield,
        quota,
        cache,
        unified,
        upstream,
    });
    Ok(Running { app, store, tls, replicas, traced })
}

/// The vendors' allowances, with whoever counts the servers that share them.
async fn quota(
    config: &Config,
    store: &Store,
    connections: &Connections,
    metrics: &Arc<Metrics>,
) -> Result<(Quota, Option<Arc<Replicas>>), StartError> {
    let pool: Option<Arc<dyn Pool>> = match &config.redis {
        Some(url) => {
            let redis = Redis::new(url.expose(), config.redis_ca_file.as_deref(), metrics.clone());
            Some(Arc::new(redis.map_err(StartError::Redis)?))
        }
        None => None,
    };
    let quota = Quota::new(connections.clone(), pool, metrics.clone());
    quota.share_among(config.replicas.unwrap_or(1));
    if config.replicas.is_some() || !store.is_shared() {
        return Ok((quota, None));
    }
    let id = crate::auth::base62::random(12).map_err(|_| StartError::Randomness)?;
    let replicas = Arc::new(Replicas::new(id.into(), store.replicas()));
    // Before the first request: until the others have counted this one, too, it is at least one that knows.
    replicas.count(&quota).await;
    Ok((quota, Some(replicas)))
}

/// The connections of a store, with what renews and revokes their credentials.
pub fn connections(
    config: &Config,
    clock: Clock,
    store: &Store,
    vault: &Vault,
    catalog: &catalog::Shared,
    client: &Client,
    metrics: &Arc<Metrics>,
) -> Result<Connections, StartError> {
    let clock = Arc::new(clock);
    let oauth = OAuth::new(client.clone(), store.apps(), apps(config)?, vault.clone(), clock.clone());
    let parts = connections::Parts {
        repository: store.connections(),
        tokens: store.tokens(),
        events: store.events(),
        revocations: store.revocations(),
        oauth,
        client: client.clone(),
        vault: vault.clone(),
        escrow: escrow(config)?,
        clock,
        metrics: metrics.clone(),
        catalog: catalog.clone(),
    };
    Connections::new(parts).map_err(|_| StartError::Randomness)
}

/// The deployment's OAuth apps.
fn apps(config: &Config) -> Result<DeployedApps, StartError> {
    let mut apps = DeployedApps::new();
    for (provider, settings) in &config.providers {
        let Some(client_id) = &settings.client_id else { continue };
        let key = match &settings.private_key_file {
            Some(path) => {
                let pem = std::fs::read(path).map_err(|error| StartError::AppKey(path.clone(), error.to_string()))?;
                let key =
                    SigningKey::from_pem(&pem).map_err(|error| StartError::AppKey(path.clone(), error.to_string()))?;
                Some(Arc::new(key))
            }
            None => None,
        };
        let client_secret = settings.client_secret.as_ref().map(|secret| secret.expose().into());
        apps.insert(provider.clone(), OAuthApp { client_id: client_id.clone(), client_secret, key });
    }
    Ok(apps)
}

/// Where renewed tokens wait that the store does not take: beside the store, if it is a file.
fn escrow(config: &Config) -> Result<Escrow, StartError> {
    match config.escrow_path() {
        Some(path) => Ok(Escrow::open(&path)?),
        None => Ok(Escrow::default()),
    }
}

/// Serves until `shutdown`, then finishes what has begun and writes down what is only in memory.
pub async fn run<L: Listen>(running: Running, listeners: Listeners<L>, shutdown: impl Future<Output = ()>) -> Ended {
    let Running { app, store, tls, replicas, traced } = running;
    let flushing = tokio::spawn(app.keys.clone().flush_every(FLUSH));
    let auditing = tokio::spawn(app.audit.clone().look_after());
    let watching = tokio::spawn(forget_when_changed(app.clone(), store.changes()));
    let reloading = tokio::spawn(reload_when_asked(app.clone(), tls.clone()));
    let renewing = tokio::spawn(app.connections.clone().look_after());
    let sweeping = tokio::spawn(app.quota.clone().look_after());
    let counting = tokio::spawn(count_replicas(app.quota.clone(), replicas.clone()));
    let remembering = tokio::spawn(app.idempotency.clone().look_after());
    let keeping = tokio::spawn(app.cache.clone().look_after());
    let noting = tokio::spawn(app.requests.clone().look_after());
    let (stop_tracing, tracing_stopped) = oneshot::channel::<()>();
    let exporting = traced.map(|(collector, spans)| {
        tokio::spawn(collector.export(spans, async {
            let _ = tracing_stopped.await;
        }))
    });
    let serving = |name: Listener, tls: Option<Tls>, lifecycle: &Lifecycle| Serving {
        name,
        config: app.edge.clone(),
        tls,
        lifecycle: lifecycle.clone(),
        refuse: crate::api::unread,
        metrics: app.metrics.clone(),
    };
    // The admin listener has an end of its own: it tells of the API's.
    let admin_lifecycle = Lifecycle::default();
    let router = crate::api::admin(app.clone());
    let admin = tokio::spawn(listen::serve(listeners.admin, router, serving(Listener::Admin, None, &admin_lifecycle)));
    let router = pipeline::edge(app.clone());
    let api = tokio::spawn(listen::serve(listeners.api, router, serving(Listener::Api, tls, &app.lifecycle)));

    shutdown.await;
    let (delay, grace) = (app.edge.drain_delay, app.edge.drain);
    tracing::info!(drain_delay = %delay, drain = %grace, "Stopping: requests are taken until the delay is over");
    app.lifecycle.enter(Phase::Draining);
    tokio::time::sleep(delay.get()).await;
    tracing::info!("No connection is accepted any more; requests that have begun are finished");
    app.lifecycle.enter(Phase::Closing);
    let cut = api.await.unwrap_or_default();
    if cut > 0 {
        tracing::error!(cut, drain = %grace, "Requests had not ended when the process had to, and were cut off");
    }
    // While the store is open and the clients are there: what has begun to be written is finished and remembered.
    // They have as long again: one that began at the last moment would be unknown for ever.
    let unfinished = app.shield.finish(grace.get()).await;
    if unfinished > 0 {
        tracing::error!(unfinished, drain = %grace, "Writes had not ended when the process had to: their outcome is unknown");
    }
    flushing.abort();
    auditing.abort();
    watching.abort();
    reloading.abort();
    renewing.abort();
    remembering.abort();
    keeping.abort();
    sweeping.abort();
    counting.abort();
    noting.abort();
    app.cache.tell_peers().await;
    drop(stop_tracing);
    if let Some(replicas) = replicas {
        replicas.leave().await;
    }
    app.connections.finish_renewals(LAST_RENEWALS).await;
    app.connections.flush_uses().await;
    app.audit.flush().await;
    app.requests.flush().await;
    if let Err(error) = app.keys.flush().await {
        tracing::warn!(%error, "The times at which keys were last used could not be written");
    }
    if let Some(mut exporting) = exporting
        && tokio::time::timeout(LAST_SPANS, &mut exporting).await.is_err()
    {
        exporting.abort();
        tracing::warn!("The last spans did not get to the collector in time");
    }
    admin_lifecycle.enter(Phase::Closing);
    let _ = admin.await;
    store.close().await;
    Ended { cut: cut.max(unfinished) }
}

async fn count_replicas(quota: Quota, replicas: Option<Arc<Replicas>>) {
    if let Some(replicas) = replicas {
        replicas.keep_counting(&quota).await;
    }
}

/// A command beside the server, or another server, may have revoked a key or deleted a connection.
async fn forget_when_changed(app: App, mut changes: Changes) {
    let turns = Arc::new(Semaphore::new(LOOKS));
    while let Some(changed) = changes.next().await {
        match changed {
            Changed::All => {
                app.keys.forget_all();
                app.connections.forget_all();
                app.mappings.forget_all();
                app.cache.forget_all();
            }
            Changed::Connection(tenant, id) => look_again(&app, &turns, tenant, id),
            Changed::Records(_, id) => app.cache.forget(&id),
            Changed::Customer(tenant, customer) => app.connections.forget_customer(&tenant, &customer),
            Changed::Key(id) => app.keys.forget(&id),
            Changed::Mappings(tenant, connection) => app.mappings.forget(&tenant, connection.as_ref()),
        }
    }
}

/// Beside the others: requests go on with what is in memory meanwhile.
fn look_again(app: &App, turns: &Arc<Semaphore>, tenant: TenantId, id: ConnectionId) {
    let (connections, cache, turns) = (app.connections.clone(), app.cache.clone(), Arc::clone(turns));
    tokio::spawn(async move {
        // It is never closed.
        let _turn = turns.acquire_owned().await;
        connections.look_again(&tenant, &id).await;
        // It may lead to another account now, or to none.
        cache.forget(&id);
    });
}

/// On SIGHUP, and when the folders of mappings or the files of TLS have changed.
async fn reload_when_asked(app: App, tls: Option<Tls>) {
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
    let asked = async {
        let Ok(mut hangup) = hangup else { return std::future::pending().await };
        while hangup.recv().await.is_some() {
            // What is wrong has been logged.
            let Reload { before, now } = app.reloader.reload().await;
            app.audit.reloaded(ReloadedBy::Operator, &before, now.as_deref().ok()).await;
            if let Some(Err(error)) = app.admin_token.as_ref().map(AdminToken::reload) {
                tracing::error!(%error, "The admin listener's token stays as it was");
            }
            if let Some(Err(error)) = tls.as_ref().map(Tls::reload) {
                tracing::error!(%error, "The TLS certificate stays as it was");
            }
        }
    };
    let renewed = async {
        match &tls {
            Some(tls) => tls.look_after().await,
            None => std::future::pending().await,
        }
    };
    let changed = async {
        let mut watch = app.reloader.watch().await;
        loop {
            watch.changed().await;
            // What is wrong has been logged, and is seen again in what /reload answers.
            let Reload { before, now } = app.reloader.reload().await;
            app.audit.reloaded(ReloadedBy::Watcher, &before, now.as_deref().ok()).await;
        }
    };
    tokio::join!(asked, renewed, changed);
}
