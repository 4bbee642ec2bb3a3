//! `store`: what an operator does to the store itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::keys::finish;
use super::mappings::in_runtime;
use super::server::ConfigArg;
use crate::serve;
use crate::store::{self, Location, Migrated, Role};

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Bring the schema up to date, as every start does, and say from where to where.
    Migrate(ConfigArg),
    /// Copy everything from one store into another, empty one: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE.
    /// Stop the servers first. What is sealed stays sealed, so the new store needs the same vault key.
    Copy(CopyArgs),
    /// Copy a SQLite store into a file, beside a server that may be running.
    Backup(BackupArgs),
}

#[derive(Debug, Args)]
pub struct CopyArgs {
    #[arg(long, value_name = "STORE", value_parser = as_it_is)]
    from: Location,
    #[arg(long, value_name = "STORE", value_parser = as_it_is)]
    to: Location,
}

/// Understood later: the words of the command line's own parser would repeat a password.
fn as_it_is(text: &str) -> Result<Location, std::convert::Infallible> {
    Ok(text.into())
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The new file.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub fn store(command: &StoreCommand) -> u8 {
    finish(match command {
        StoreCommand::Migrate(config) => in_runtime(migrate(config)).flatten(),
        StoreCommand::Copy(args) => in_runtime(copy(args)).flatten(),
        StoreCommand::Backup(args) => backup(args),
    })
}

async fn migrate(config: &ConfigArg) -> Result<Vec<String>, String> {
    let config = config.load()?;
    let store = serve::open_store(&config, Role::Command).await.map_err(|error| error.to_string())?;
    let Migrated { from, to, known } = store.migrated();
    store.close().await;
    let place = &config.store;
    Ok(vec![match from {
        _ if to > known => {
            format!("{place}: has schema {to}, of a newer release; this one knows {known} and can work on it")
        }
        0 => format!("{place}: made with schema {to}"),
        from if from == to => format!("{place}: has schema {to} already"),
        from => format!("{place}: brought from schema {from} to {to}"),
    }])
}

async fn copy(args: &CopyArgs) -> Result<Vec<String>, String> {
    let from = args.from.address().map_err(|error| format!("--from: {error}"))?;
    let to = args.to.address().map_err(|error| format!("--to: {error}"))?;
    let copied = store::copy(&from, &to).await.map_err(|error| error.to_string())?;
    let all: u64 = copied.iter().map(|(_, rows)| rows).sum();
    let mut lines: Vec<_> = copied.iter().map(|(table, rows)| format!("{table}\t{rows}")).collect();
    lines.push(format!("copied {all} rows from {from} to {to}"));
    Ok(lines)
}

fn backup(args: &BackupArgs) -> Result<Vec<String>, String> {
    let config = args.config.load()?;
    let address = config.store.address().map_err(|error| error.to_string())?;
    store::backup(&address, &args.to).map_err(|error| error.to_string())?;
    Ok(vec![format!("wrote {}", args.to.display())])
}
