//! The proxy in this process, as `demo` builds it: an in-memory store, the shipped sandboxes, a key that may do
//! everything and a connection to each sandbox.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use throughline::app::App;
use throughline::auth::{Caller, Mode, NewKey, Scope, Scopes, TenantId};
use throughline::catalog::{Files, QuotaChange};
use throughline::config::{Config, ProviderConfig};
use throughline::connections::{NewConnection, Vault};
use throughline::limit::Time;
use throughline::sandbox::Sandbox;
use throughline::serve::{self, Listeners};
use throughline::store::Store;

use super::Client;
use super::vendor::FakeVendor;

/// The credential that the sandboxes accept.
pub const TOKEN: &str = "demo-token-canary";

pub struct Server {
    pub app: App,
    pub store: Store,
    pub api: SocketAddr,
    pub admin: SocketAddr,
    /// May do everything.
    pub key: String,
    connections: HashMap<String, String>,
    seen: HashMap<String, Arc<AtomicU64>>,
    stop: Option<oneshot::Sender<()>>,
}

/// One server for all scenarios of a test file that do not disturb each other: starting one reads all mappings.
pub fn on_shared<F: Future<Output = ()>>(scenario: impl FnOnce(&'static Server) -> F) {
    static SHARED: LazyLock<(Runtime, Server)> = LazyLock::new(|| {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(start());
        (runtime, server)
    });
    SHARED.0.block_on(scenario(&SHARED.1));
}

/// The server with the sandboxes.
pub async fn start() -> Server {
    start_with(Vec::<(String, String)>::new(), &[]).await
}

/// The server with the sandboxes and further mapping files; a provider named in `vendors` is served from there, and has
/// a connection with a token.
pub async fn start_with<N, T>(files: Vec<(N, T)>, vendors: &[(&str, &FakeVendor)]) -> Server
where
    N: Into<String>,
    T: Into<String>,
{
    start_from(Files::embedded(), files, vendors, Store::memory().expect("a store in memory"), |_| {}).await
}

/// The server with these files alone, besides the models: it starts in no time.
pub async fn start_alone(files: Vec<(String, String)>, vendors: &[(&str, &FakeVendor)]) -> Server {
    start_configured(files, vendors, Store::memory().expect("a store in memory"), |_| {}).await
}

/// The same on this store, with a configuration that the test has changed.
pub async fn start_configured(
    files: Vec<(String, String)>,
    vendors: &[(&str, &FakeVendor)],
    store: Store,
    configure: impl FnOnce(&mut Config),
) -> Server {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/models");
    let models = Files::folder(std::path::Path::new(models)).unwrap_or_else(|problem| panic!("{problem}"));
    start_from(models.below("models"), files, vendors, store, configure).await
}

async fn start_from<N, T>(
    embedded: Files,
    files: Vec<(N, T)>,
    vendors: &[(&str, &FakeVendor)],
    store: Store,
    configure: impl FnOnce(&mut Config),
) -> Server
where
    N: Into<String>,
    T: Into<String>,
{
    let mut config = Config { store: "sqlite::memory:".into(), ..Config::default() };
    config.upstream.dangerous_allow_private_addresses = true;
    // Scenarios about wrong keys all come from one address, and none is about a balancer that has to notice the end.
    config.limits.failed_authentications.per_minute = None;
    config.edge.drain_delay = Time::from_secs(0);
    let mut seen = HashMap::new();
    for provider in embedded.providers() {
        let Some(text) = embedded.get(&format!("{provider}/sandbox.yaml")) else { continue };
        let sandbox = Sandbox::load(provider, text).unwrap_or_else(|problems| panic!("{provider}: {problems:?}"));
        // The vendors' limits are real, and tests are faster than people.
        let sandbox =
            ["search", "burst", "requests"].iter().fold(sandbox, |sandbox, limit| sandbox.with_limit(limit, 1_000_000));
        let behind = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = behind.local_addr().expect("an address");
        tokio::spawn(throughline::sandbox::serve(behind, Arc::new(sandbox.with_token(TOKEN)), std::future::pending()));
        let (front, count) = counting(at).await;
        seen.insert(provider.to_owned(), count);
        config.providers.insert(
            provider.to_owned(),
            ProviderConfig {
                base_url: Some(format!("http://{front}")),
                limits: no_limits(embedded.get(&format!("{provider}/provider.yaml")).unwrap_or_default()),
                ..ProviderConfig::default()
            },
        );
    }
    let vault = Vault::from_key_base64(&Vault::generate_key().expect("randomness")).expect("a key");
    for (name, vendor) in vendors {
        config
            .providers
            .insert((*name).to_owned(), ProviderConfig { base_url: Some(vendor.url()), ..ProviderConfig::default() });
    }
    let api = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    config.public_url = Some(format!("http://{}", api.local_addr().expect("an address")));
    configure(&mut config);
    let files = embedded.laid_over(Files::of(files));
    let running =
        serve::build_with(&config, store.clone(), vault, &files).await.unwrap_or_else(|error| panic!("{error}"));

    let app = running.app.clone();
    let admin = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (stop, stopped) = oneshot::channel();
    let mut server = Server {
        api: api.local_addr().expect("an address"),
        admin: admin.local_addr().expect("an address"),
        key: String::new(),
        connections: HashMap::new(),
        seen,
        stop: Some(stop),
        store,
        app,
    };
    server.key = server.make_key("demo", "read,write,passthrough,connect,admin").await;
    let named: Vec<String> = server.seen.keys().cloned().chain(vendors.iter().map(|(n, _)| (*n).to_owned())).collect();
    for provider in named {
        let id = server.connect("demo", &provider, "demo-customer").await;
        server.connections.insert(provider, id);
    }
    tokio::spawn(serve::run(running, Listeners { api, admin }, async {
        let _ = stopped.await;
    }));
    server
}

impl Server {
    /// As SIGTERM does. Returns at once.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// A client with the key that may do everything, and no connection.
    pub fn client(&self) -> Client {
        Client::new(self.api).key(&self.key)
    }

    /// The same, with the connection to this provider.
    pub fn on(&self, provider: &str) -> Client {
        self.client().connection(self.connection(provider))
    }

    pub fn connection(&self, provider: &str) -> &str {
        self.connections.get(provider).unwrap_or_else(|| panic!("no connection to {provider}"))
    }

    /// How many sandboxes there are, each with a connection.
    pub fn stand_ins(&self) -> usize {
        self.seen.len()
    }

    /// Requests that a sandbox has seen.
    pub fn seen(&self, provider: &str) -> u64 {
        self.seen.get(provider).map_or(0, |count| count.load(Ordering::SeqCst))
    }

    pub fn seen_by_all(&self) -> u64 {
        self.seen.values().map(|count| count.load(Ordering::SeqCst)).sum()
    }

    pub async fn make_key(&self, tenant: &str, scopes: &str) -> String {
        let scopes: Scopes = scopes.parse().unwrap_or_else(|error| panic!("{scopes}: {error}"));
        self.make_key_as(tenant, NewKey::with_scopes(Mode::Test, scopes)).await.0
    }

    /// The key's text and id.
    pub async fn make_key_as(&self, tenant: &str, new: NewKey) -> (String, String) {
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let (key, record) = self.app.keys.create(tenant, new).await.expect("a key");
        (key, record.id.to_string())
    }

    /// A connection with the sandboxes' token.
    pub async fn connect(&self, tenant: &str, provider: &str, customer: &str) -> String {
        let settings = self.app.catalog().provider(provider).expect("a provider").example_settings();
        let credentials = json!({"type": "token", "token": TOKEN});
        self.connect_as(
            tenant,
            json!({"provider": provider, "customer_id": customer, "settings": settings, "credentials": credentials}),
        )
        .await
    }

    pub async fn connect_as(&self, tenant: &str, body: Value) -> String {
        let caller = Caller::operator(TenantId::parse(tenant).expect("a tenant"));
        let new = NewConnection::from_json(&body).expect("a good body");
        let created = self.app.connections.create(&caller, new).await.expect("a connection");
        created.overview.connection.id.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// Changes that lift the limits of a provider file, which tests would meet as well as the sandbox's.
fn no_limits(provider: &str) -> IndexMap<String, QuotaChange> {
    let file: Value = serde_saphyr::from_str(provider).expect("YAML");
    let limits = file["limits"].as_array().cloned().unwrap_or_default();
    let lifted = limits.iter().map(|limit| {
        let of = |word: &str| limit[word].is_number().then_some(1_000_000);
        let change = QuotaChange { count: of("count"), concurrency: of("concurrency"), per: None };
        (limit["name"].as_str().expect("a name").to_owned(), change)
    });
    lifted.collect()
}

/// Stands before a sandbox and counts the requests: every one is a connection of its own.
async fn counting(behind: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let Ok(mut vendor) = TcpStream::connect(behind).await else { return };
                let (mut from_caller, mut to_caller) = caller.split();
                let (mut from_vendor, mut to_vendor) = vendor.split();
                let upload = async {
                    let mut part = vec![0; 16 * 1024];
                    while let Ok(read @ 1..) = from_caller.read(&mut part).await {
                        // The proxy writes a head in one piece, and heads end in the name of the protocol.
                        let heads = part[..read].windows(11).filter(|text| text == b" HTTP/1.1\r\n").count();
                        counted.fetch_add(heads as u64, Ordering::SeqCst);
                        if to_vendor.write_all(&part[..read]).await.is_err() {
                            break;
                        }
                    }
                };
                let download = tokio::io::copy(&mut from_vendor, &mut to_caller);
                tokio::select! {
                    () = upload => {}
                    _ = download => {}
                }
            });
        }
    });
    (at, count)
}
