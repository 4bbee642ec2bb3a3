//! `connections`: what an operator sees of customers' accounts, and how they are ended from the machine itself.

use clap::Subcommand;
use serde_json::json;

use super::keys::finish;
use super::server::{ConfigArg, VAULT_KEY};
use crate::auth::TenantId;
use crate::connections::{Along, ConnectionRepository, Event, EventKind, Revocation, Row, State, WriteError};
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
/// How often a write is tried again when a server was faster.
const RACES: usize = 5;

pub fn connections(command: &ConnectionsCommand) -> u8 {
    finish(match command {
        ConnectionsCommand::List { config, which } => with_rows(config, which, async |_, row| Ok(Some(shown(&row)))),
        ConnectionsCommand::Revoke { which: Which { tenant: None, provider: None, id: None }, .. } => {
            Err("say which: --tenant, --provider or --id".to_owned())
        }
        ConnectionsCommand::Revoke { config, which, reason } => with_rows(config, which, async |repository, row| {
            Ok(revoke(repository, row, reason).await?.map(|id| format!("revoked {id}")))
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
    serve::open_vault(&config, std::env::var(VAULT_KEY).ok().as_deref()).map_err(|error| error.to_string())?;
    let tenant = match &which.tenant {
        Some(name) => Some(TenantId::parse(name).ok_or_else(|| format!("{name:?} is not the name of a tenant"))?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
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

/// The id, unless it was revoked before or has gone.
async fn revoke(repository: &dyn ConnectionRepository, row: Row, reason: &str) -> Result<Option<String>, String> {
    let mut row = Some(row);
    for _ in 0..RACES {
        let Some(found) = row.take().filter(|row| row.connection.state != State::Revoked) else { return Ok(None) };
        let along = Along {
            events: vec![Event::now(EventKind::Revoked, reason.to_owned())],
            revocation: Revocation::of(&found).map_err(|error| error.to_string())?,
        };
        match repository.update(found.revoked(reason), found.revision, along).await {
            Ok(()) => return Ok(Some(found.connection.id.to_string())),
            Err(WriteError::Failed(error)) => return Err(error.to_string()),
            Err(WriteError::Stale | WriteError::Taken(_)) => {
                let (tenant, id) = (found.connection.tenant, found.connection.id);
                row = repository.find(tenant, id).await.map_err(|error| error.to_string())?;
            }
        }
    }
    Err("the connection is being changed by others at the same time".to_owned())
}
