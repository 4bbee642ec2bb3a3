//! `vault`: the key that credentials are sealed with, made and replaced.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::zeroize::Zeroizing;

use super::keys::finish;
use super::mappings::in_runtime;
use super::server::{ConfigArg, vault_key};
use crate::audit::{Action, Entry, deployment};
use crate::config::Config;
use crate::connections::{Vault, reseal_all};
use crate::serve;
use crate::store::{Migrated, Role};

#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Write a new key to a file that only this user can read, or with `-` to standard output. Refuses to replace one.
    Init(VaultInit),
    /// Put a new key before the others in the key file and seal everything anew with it, beside servers that are running.
    Rotate(VaultRotate),
}

#[derive(Debug, Args)]
pub struct VaultInit {
    #[arg(default_value = "vault.key")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct VaultRotate {
    #[command(flatten)]
    config: ConfigArg,
    /// Make no new key: seal with the first one there is. For keys from a command or the environment, and to find out
    /// whether anything is left under an older one.
    #[arg(long)]
    no_new_key: bool,
}

pub fn vault(command: &VaultCommand) -> u8 {
    finish(match command {
        // The key is the one line then: what stands before a `>` or a `|` takes it.
        VaultCommand::Init(args) if args.file.as_os_str() == "-" => new_key().map(|key| vec![key.to_string()]),
        VaultCommand::Init(args) => init(&args.file).map(|()| vec![format!("wrote {}", args.file.display())]),
        VaultCommand::Rotate(args) => rotate(args),
    })
}

fn new_key() -> Result<Zeroizing<String>, String> {
    Vault::generate_key().map_err(|error| error.to_string())
}

fn init(file: &Path) -> Result<(), String> {
    write_new(file, &format!("{}\n", new_key()?.as_str()))
}

fn rotate(args: &VaultRotate) -> Result<Vec<String>, String> {
    let config = args.config.load()?;
    let inline = vault_key();
    in_runtime(knows_all(&config)).flatten()?;
    if !args.no_new_key {
        match (&config.vault.key_file, &inline) {
            (Some(file), None) => put_first(file)?,
            _ => {
                return Err("the vault key does not come from vault.key_file: make the new key its first one where it comes from \
                    (the old one stays behind it), and run this again with --no-new-key"
                    .to_owned());
            }
        }
    }
    let vault = serve::open_vault(&config, inline.as_deref()).map_err(|error| error.to_string())?;
    let done = in_runtime(async {
        let store = serve::open_store(&config, Role::Command).await.map_err(|error| error.to_string())?;
        let done = reseal_all(store.sealed().as_ref(), &vault).await;
        if let Ok(done) = &done {
            let entry = Entry::by_operator(deployment(), Action::VaultRotated);
            let words = format!("{} sealed anew, {} under the first key already", done.resealed, done.fresh);
            store.audit().append(vec![entry.detail(words)]).await.map_err(|error| error.to_string())?;
        }
        store.close().await;
        done.map_err(|error| {
            format!("{error}; what was sealed anew stays so, and running this again with --no-new-key goes on")
        })
    })
    .flatten()?;
    let mut lines = vec![format!(
        "sealed anew: {}, under the first key already: {}, changed meanwhile: {}",
        done.resealed, done.fresh, done.changed
    )];
    lines.push(match done.resealed + done.changed {
        0 => "nothing is under an older key: the older ones may be taken out".to_owned(),
        _ => "servers that are running find the new key by themselves within a minute; run this with --no-new-key after that, \
              and take the older keys out when it says that nothing is under them"
            .to_owned(),
    });
    Ok(lines)
}

/// Before anything changes: what only a newer release knows to be sealed would stay under the older key, and that key be
/// called free to go.
async fn knows_all(config: &Config) -> Result<(), String> {
    let store = serve::open_store(config, Role::Command).await.map_err(|error| error.to_string())?;
    store.close().await;
    let migrated = store.migrated();
    if migrated.is_newer() {
        let Migrated { to, known, .. } = migrated;
        return Err(format!("the store has schema {to}, this release knows {known}: rotate with the newer release"));
    }
    Ok(())
}

/// A new key as the first line, by renaming: a crash leaves the old file or the new one.
fn put_first(file: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let before = std::fs::read_to_string(file).map_err(failed)?;
    let key = new_key()?;
    let beside = file.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    write_new(&beside, &format!("{}\n{before}", key.as_str()))?;
    std::fs::rename(&beside, file).map_err(failed)
}

fn write_new(file: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()).map_err(failed)
}
