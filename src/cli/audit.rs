//! `audit`: the log of who did what, taken out of the store and checked.

use clap::{Args, Subcommand};
use serde_json::json;

use super::keys::{finish, parse_tenant};
use super::mappings::in_runtime;
use super::server::{ConfigArg, VAULT_KEY};
use crate::api::audit::shown;
use crate::audit::{AuditRepository, Verifier, deployment};
use crate::auth::TenantId;
use crate::model::hex;
use crate::serve;
use crate::store::Role;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Write a log to standard output, one JSON object a line, the oldest row first.
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[arg(long, required_unless_present = "deployment", conflicts_with = "deployment")]
    tenant: Option<String>,
    /// The log of what was done to the whole deployment: kill switch, vault, mappings.
    #[arg(long)]
    deployment: bool,
    /// Hold each row against the one before it; the last line says that the log is whole. A log that is not is an error.
    #[arg(long)]
    verify: bool,
}

const PAGE: usize = 500;

pub fn audit(command: &AuditCommand) -> u8 {
    let AuditCommand::Export(args) = command;
    finish(export(args).map(|()| Vec::new()))
}

fn export(args: &ExportArgs) -> Result<(), String> {
    let config = args.config.load()?;
    // Nothing is opened, but who may not open anything has no business here.
    serve::open_vault(&config, std::env::var(VAULT_KEY).ok().as_deref()).map_err(|error| error.to_string())?;
    let tenant = match &args.tenant {
        Some(name) => parse_tenant(name)?,
        None => deployment(),
    };
    in_runtime(async {
        let store = serve::open_store(&config, Role::Command).await.map_err(|error| error.to_string())?;
        let written = write(store.audit().as_ref(), &tenant, args.verify).await;
        store.close().await;
        written
    })
    .flatten()
}

async fn write(repository: &dyn AuditRepository, tenant: &TenantId, verify: bool) -> Result<(), String> {
    // Read first: rows that come meanwhile are more than it promises, not less.
    let chain = repository.chain(tenant.clone()).await.map_err(|error| error.to_string())?;
    let mut verifier = Verifier::new(&chain);
    let mut after = 0;
    loop {
        let rows = repository.rows(tenant.clone(), after, PAGE).await.map_err(|error| error.to_string())?;
        let Some(last) = rows.last() else { break };
        after = last.number;
        for row in &rows {
            super::say(shown(row));
            if verify {
                verifier.next(row).map_err(|fault| format!("the log is not what was written: {fault}"))?;
            }
        }
    }
    if verify {
        let whole = verifier.finish().map_err(|fault| format!("the log is not what was written: {fault}"))?;
        super::say(json!({"verified": whole.rows, "last": whole.last, "hash": hex(&whole.hash)}));
    }
    Ok(())
}
