//! `connections`: what an operator sees of customers' accounts, and how they are ended from the machine itself.

use clap::Subcommand;
use serde_json::json;

use super::keys::{finish, parse_tenant};
use super::mappings::in_runtime;
use super::server::{ConfigArg, vault_key};
use crate::connections::{ConnectionRepository, Row, revoke};
use crate::serve;
use crate::store::Role;

#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// List connections with their states, one JSON object a line. Credentials are no part of it.
    List {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        which: Which,
    },
    /// End connections: their credentials are wiped and a server that is running gives them back to the provider.
    Revoke {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        which: Which,
        /// What the owners are shown.
        #[arg(long, default_value = "revoked by the operator")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct Which {
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long)]
    provider: Option<String>,
    /// One connection by its id.
    #[arg(long)]
    id: Option<String>,
}

const PAGE: usize = 200;

pub fn connections(command: &ConnectionsCommand) -> u8 {
    finish(match command {
        ConnectionsCommand::List { config, which } => with_rows(config, which, async |_, row| Ok(Some(shown(&row)))),
        ConnectionsCommand::Revoke { which: Which { tenant: None, provider: None, id: None }, .. } => {
            Err("say which: --tenant, --provider or --id".to_owned())
        }
        ConnectionsCommand::Revoke { config, which, reason } => with_rows(config, which, async |repository, row| {
            let id = row.connection.id.clone();
            let revoked = revoke(repository, row, reason).await.map_err(|error| error.to_string())?;
            Ok(revoked.then(|| format!("revoked {id}")))
        }),
    })
}

fn with_rows(
    config: &ConfigArg,
    which: &Which,
    mut act: impl AsyncFnMut(&dyn ConnectionRepository, Row) -> Result<Option<String>, String>,
) -> Result<Vec<String>, String> {
    let config = config.load()?;
    // Nothing is opened, but who may not open anything has no business here.
    serve::open_vault(&config, vault_key().as_deref()).map_err(|error| error.to_string())?;
    let tenant = which.tenant.as_deref().map(parse_tenant).transpose()?;
    in_runtime(async {
        let store = serve::open_store(&config, Role::Command).await.map_err(|error| error.to_string())?;
        let repository = store.connections();
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let provider = which.provider.as_deref().map(Into::into);
            let rows = repository.rows(tenant.clone(), provider, after, PAGE).await.map_err(|e| e.to_string())?;
            let Some(last) = rows.last() else { break };
            after = Some(last.connection.id.clone());
            for row in rows {
                if which.id.as_deref().is_none_or(|id| id == row.connection.id.as_str()) {
                    lines.extend(act(repository.as_ref(), row).await?);
                }
            }
        }
        store.close().await;
        Ok(lines)
    })
    .flatten()
}

fn shown(row: &Row) -> String {
    let connection = row.shown();
    let times = row.times;
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": connection.id.as_str(),
        "tenant": connection.tenant.as_str(),
        "provider": &*connection.provider,
        "customer_id": &*connection.customer_id,
        "state": connection.state.as_str(),
        "state_reason": connection.state_reason,
        "last_error": connection.last_error,
        "last_used_at": time(times.last_used_at),
        "refreshed_at": time(times.refreshed_at),
        "next_refresh_at": time(times.next_refresh_at),
        "expires_at": time(times.expires_at),
    })
    .to_string()
}
