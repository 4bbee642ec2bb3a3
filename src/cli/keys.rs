//! `keys`: who may call.

use std::sync::Arc;

use clap::Subcommand;

use super::mappings::in_runtime;
use super::server::{ConfigArg, vault_key};
use crate::audit::{Action, AuditRepository, Entry};
use crate::auth::{Keys, Mode, NewKey, Scopes, TenantId};
use crate::limit::KeyLimits;
use crate::serve;
use crate::store::Role;

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key. It is the only line on standard output, and is shown this once.
    Create {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        tenant: String,
        /// Some of read, write, passthrough, connect, admin, export.
        #[arg(long, default_value = "read,write")]
        scopes: String,
        #[arg(long)]
        name: Option<String>,
        /// Only these providers, separated by commas.
        #[arg(long, value_delimiter = ',')]
        providers: Vec<String>,
        /// Only these connections, separated by commas.
        #[arg(long, value_delimiter = ',')]
        connections: Vec<String>,
        /// Requests in a second, instead of what the configuration says.
        #[arg(long)]
        rate: Option<u32>,
        /// Requests that may come at once before the rate counts; the rate, if that is given alone.
        #[arg(long)]
        burst: Option<u32>,
        /// Requests at a time, instead of what the configuration says.
        #[arg(long)]
        concurrency: Option<u32>,
    },
    /// List a tenant's keys, without their secrets.
    List {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        tenant: String,
    },
    /// End a key. A running server knows within five seconds.
    Revoke {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        tenant: String,
        /// The key's id: the eight characters after tl_live_.
        id: String,
    },
}

pub fn keys(command: &KeysCommand) -> u8 {
    finish(match command {
        KeysCommand::Create { config, tenant, scopes, name, providers, connections, rate, burst, concurrency } => {
            let limits = KeyLimits { rate: *rate, burst: *burst, concurrency: *concurrency };
            with_keys(config, |keys, audit| {
                let (tenant, scopes) = (parse_tenant(tenant), scopes.parse::<Scopes>());
                let (name, providers, connections) = (name.clone(), providers.clone(), connections.clone());
                async move {
                    let scopes = scopes.map_err(|error| error.to_string())?;
                    let mode = Mode::Live;
                    let new = NewKey { mode, scopes, providers, connections, limits, name, expires_at: None };
                    let (secret, record) = keys.create(tenant?, new).await.map_err(|error| error.to_string())?;
                    let entry = Entry::by_operator(record.tenant, Action::KeyCreated).about(record.id);
                    audit.append(vec![entry]).await.map_err(|error| error.to_string())?;
                    Ok(vec![secret])
                }
            })
        }
        KeysCommand::List { config, tenant } => with_keys(config, |keys, _| {
            let tenant = parse_tenant(tenant);
            async move {
                let listed = keys.list(tenant?).await.map_err(|error| error.to_string())?;
                Ok(listed
                    .iter()
                    .map(|key| {
                        let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
                        let name = key.name.as_deref().unwrap_or("-");
                        format!("{}\t{state}\t{}\t{name}\tcreated {}", key.id, key.scopes, key.created_at)
                    })
                    .collect())
            }
        }),
        KeysCommand::Revoke { config, tenant, id } => with_keys(config, |keys, audit| {
            let (tenant, id) = (parse_tenant(tenant), id.clone());
            async move {
                let tenant = tenant?;
                keys.revoke(tenant.clone(), &id).await.map_err(|error| error.to_string())?;
                let entry = Entry::by_operator(tenant, Action::KeyRevoked).about(id.as_str());
                audit.append(vec![entry]).await.map_err(|error| error.to_string())?;
                Ok(vec![format!("revoked {id}")])
            }
        }),
    })
}

pub(super) fn parse_tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).ok_or_else(|| format!("{text:?} is not the name of a tenant: letters, digits, - and _"))
}

/// Runs `work` with the keys of the configured store, beside a server that may be running.
fn with_keys<F: Future<Output = Result<Vec<String>, String>>>(
    config: &ConfigArg,
    work: impl FnOnce(Keys, Arc<dyn AuditRepository>) -> F,
) -> Result<Vec<String>, String> {
    let config = config.load()?;
    let vault = serve::open_vault(&config, vault_key().as_deref()).map_err(|e| e.to_string())?;
    in_runtime(async {
        let store = serve::open_store(&config, Role::Command).await.map_err(|error| error.to_string())?;
        let keys = serve::keys(&store, &vault).await.map_err(|error| error.to_string())?;
        let lines = work(keys, store.audit()).await;
        store.close().await;
        lines
    })
    .flatten()
}

/// The exit code, after the lines or the words were said.
pub(super) fn finish(lines: Result<Vec<String>, String>) -> u8 {
    match lines {
        Ok(lines) => {
            lines.iter().for_each(super::say);
            0
        }
        Err(text) => {
            eprintln!("throughline: {text}");
            1
        }
    }
}
