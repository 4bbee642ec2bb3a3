//! `demo`: the proxy with stand-ins for the vendors, records in them, and lines to paste.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::server::{bind, finish, in_threads, until_signalled};
use crate::auth::{Caller, Mode, NewKey, Scope, Scopes, TenantId};
use crate::catalog::Sources;
use crate::config::{Config, ProviderConfig};
use crate::connections::{NewConnection, Vault};
use crate::limit::{KeyConfig, Time};
use crate::sandbox::{self, Sandbox};
use crate::serve::{self, Listeners, Running};
use crate::store::Store;
use crate::telemetry;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The API's port; 0 takes any.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The admin listener's port; 0 takes any.
    #[arg(long, default_value_t = 9090)]
    admin_port: u16,
    /// A folder of mapping files over the embedded ones, with stand-ins or without.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    /// What is logged; `debug` tells each request that a stand-in gets.
    #[arg(long, default_value = "warn")]
    log: String,
}

/// The credential that the stand-ins accept.
const TOKEN: &str = "demo-token";

pub fn demo(args: &DemoArgs) -> u8 {
    let logging = telemetry::init(telemetry::Format::Pretty, &args.log).map_err(|error| error.to_string());
    finish(logging.and_then(|_| in_threads(shown(args))))
}

async fn shown(args: &DemoArgs) -> Result<u8, String> {
    let (mut config, settings) = with_sandboxes(args.mappings.clone()).await?;
    let api = bind(&format!("127.0.0.1:{}", args.port)).await.map_err(|error| error.to_string())?;
    let admin = bind(&format!("127.0.0.1:{}", args.admin_port)).await.map_err(|error| error.to_string())?;
    config.public_url = Some(url(&api)?);
    let key = Vault::generate_key().map_err(|error| error.to_string())?;
    let vault = Vault::from_key_base64(&key).map_err(|error| error.to_string())?;
    let store = Store::memory().map_err(|error| error.to_string())?;
    let running = serve::build(&config, store, vault).await.map_err(|error| error.to_string())?;
    let seeded = seed(&running, settings).await?;
    announce(&api, &admin, &seeded)?;
    until_signalled(running, Listeners { api, admin }).await.map_err(|error| error.to_string())
}

/// Starts a stand-in for every provider that has one, and points the provider at it.
async fn with_sandboxes(mappings: Option<PathBuf>) -> Result<(Config, HashMap<String, Map<String, Value>>), String> {
    let sources = Sources { mappings: mappings.clone(), overrides: None };
    let files = sources.read().map_err(|problem| problem.to_string())?;
    let mut config = Config { mappings, store: "sqlite::memory:".into(), ..Config::default() };
    let mut settings = HashMap::new();
    for provider in files.providers() {
        let Some(text) = files.get(&format!("{provider}/sandbox.yaml")) else { continue };
        let sandbox = Sandbox::load(provider, text)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let base = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
        tokio::spawn(sandbox::serve(listener, Arc::new(sandbox.with_token(TOKEN)), std::future::pending()));
        config
            .providers
            .insert(provider.to_owned(), ProviderConfig { base_url: Some(base.clone()), ..ProviderConfig::default() });
        settings.insert(provider.to_owned(), Map::new());
    }
    config.upstream.dangerous_allow_private_addresses = true;
    // People try out what a machine can do, and end it when they have seen enough.
    config.limits.key = KeyConfig { rate: None, concurrency: None, ..KeyConfig::default() };
    config.limits.failed_authentications.per_minute = None;
    config.edge.drain_delay = Time::from_secs(0);
    Ok((config, settings))
}

struct Seeded {
    key: String,
    connections: Map<String, Value>,
}

/// A key that may do everything, and a connection to each stand-in.
async fn seed(running: &Running, settings: HashMap<String, Map<String, Value>>) -> Result<Seeded, String> {
    let tenant = TenantId::parse("demo").ok_or("no tenant")?;
    let scopes = [Scope::Read, Scope::Write, Scope::Passthrough, Scope::Connect, Scope::Admin];
    let new = NewKey::with_scopes(Mode::Test, Scopes::from_iter(scopes));
    let (key, _) = running.app.keys.create(tenant.clone(), new).await.map_err(|error| error.to_string())?;
    let caller = Caller::operator(tenant);
    let catalog = running.app.catalog();
    let mut connections = Map::new();
    for (name, provider) in catalog.providers.iter().filter(|(name, _)| settings.contains_key(*name)) {
        let body = json!({
            "provider": name,
            "customer_id": "demo-customer",
            "settings": provider.example_settings(),
            "credentials": {"type": "token", "token": TOKEN},
        });
        let new = NewConnection::from_json(&body).map_err(|error| format!("{name}: {error:?}"))?;
        let created =
            running.app.connections.create(&caller, new).await.map_err(|error| format!("{name}: {error:?}"))?;
        connections.insert(name.clone(), json!(created.overview.connection.id.as_str()));
    }
    Ok(Seeded { key, connections })
}

/// Lines to paste, then the one line that programs wait for.
fn announce(api: &TcpListener, admin: &TcpListener, seeded: &Seeded) -> Result<(), String> {
    let (api, admin) = (url(api)?, url(admin)?);
    println!("Throughline, with stand-ins for the vendors. Nothing leaves this machine, nothing is kept.\n");
    println!("  export TL={api}");
    println!("  export KEY={}", seeded.key);
    for (provider, connection) in &seeded.connections {
        // A name for the shell, so that the lines below and those of the manual stay short.
        println!("  export {}={}", shell_name(provider), connection.as_str().unwrap_or_default());
    }
    println!();
    for provider in seeded.connections.keys() {
        println!(
            "  curl -s \"$TL/v1/crm/contacts?limit=2\" -H \"Authorization: Bearer $KEY\" -H \"Throughline-Connection: ${}\"",
            shell_name(provider)
        );
    }
    println!("\nready {}", json!({"api": api, "admin": admin, "key": seeded.key, "connections": seeded.connections}));
    Ok(())
}

fn url(listener: &TcpListener) -> Result<String, String> {
    listener.local_addr().map(|at| format!("http://{at}")).map_err(|error| error.to_string())
}

fn shell_name(provider: &str) -> String {
    provider.to_ascii_uppercase().replace('-', "_")
}
