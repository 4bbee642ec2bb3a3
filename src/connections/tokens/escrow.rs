//! Renewed tokens that the store did not take, in a file of their own until it does: sealed like those in the store,
//! appended and synced, readable for the owner only. Replayed at the start and whenever the store works again.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::{Fresh, Key};
use crate::auth::TenantId;
use crate::connections::connection::ConnectionId;
use crate::connections::service::Connections;

/// What was to be committed.
#[derive(Clone)]
pub(in crate::connections) struct Entry {
    pub(in crate::connections) key: Key,
    pub(in crate::connections) provider: Arc<str>,
    pub(in crate::connections) settings: Map<String, Value>,
    pub(super) epoch: u64,
    pub(in crate::connections) fresh: Fresh,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the escrow file {path} cannot be read or written ({source})", path = path.display())]
pub struct EscrowError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Default)]
pub struct Escrow {
    /// None keeps everything in memory: for stores that are gone with the process as well.
    path: Option<PathBuf>,
    entries: Mutex<Vec<Entry>>,
    /// One at a time commits what is kept.
    draining: tokio::sync::Mutex<()>,
}

impl Escrow {
    /// With what an earlier process left behind.
    pub fn open(path: &Path) -> Result<Self, EscrowError> {
        let failed = |source| EscrowError { path: path.to_owned(), source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut entries = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match read(line) {
                Some(entry) => entries.push(entry),
                // The last line of a process that was killed while it wrote.
                None => {
                    tracing::error!(line = number + 1, path = %path.display(), "A line of the escrow file is not readable")
                }
            }
        }
        Ok(Self { path: Some(path.to_owned()), entries: Mutex::new(entries), draining: tokio::sync::Mutex::default() })
    }

    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is kept of credentials that are newer than the stored ones.
    pub(in crate::connections) fn newer(&self, id: &ConnectionId, generation: u64) -> Option<Fresh> {
        let entries = self.entries.lock();
        let newer = entries.iter().filter(|entry| entry.key.id == *id && entry.fresh.generation > generation);
        newer.max_by_key(|entry| entry.fresh.generation).map(|entry| entry.fresh.clone())
    }

    pub(super) async fn keep(&self, entry: Entry) {
        let line = write(&entry);
        self.entries.lock().push(entry);
        let Some(path) = self.path.clone() else { return };
        let written = tokio::task::spawn_blocking(move || append(&path, &line)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "A renewed token is in memory only: neither the store nor the escrow file took it")
            }
            Err(error) => {
                tracing::error!(%error, "A renewed token is in memory only: writing the escrow file broke off")
            }
        }
    }

    /// Takes what was settled out of the file.
    async fn settled(&self, done: &Entry) {
        let left: Vec<String> = {
            let mut entries = self.entries.lock();
            entries.retain(|entry| entry.key != done.key || entry.fresh.generation != done.fresh.generation);
            entries.iter().map(write).collect()
        };
        let Some(path) = self.path.clone() else { return };
        let written = tokio::task::spawn_blocking(move || replace(&path, &left)).await;
        if !matches!(written, Ok(Ok(()))) {
            // Replaying it once more changes nothing: the generation has moved.
            tracing::warn!("The escrow file could not be shortened");
        }
    }
}

impl Connections {
    /// Tokens that wait for the store.
    pub fn in_escrow(&self) -> usize {
        self.0.escrow.len()
    }

    /// Commits what was kept; ends at the first entry that the store does not take.
    pub(in crate::connections) async fn drain_escrow(&self) {
        let escrow = &self.0.escrow;
        if escrow.is_empty() {
            return;
        }
        let _turn = escrow.draining.lock().await;
        let entries = escrow.entries.lock().clone();
        for entry in entries {
            let Entry { key, epoch, fresh, .. } = &entry;
            let settled = match self.0.tokens.commit(key.clone(), *epoch, fresh.clone(), Vec::new()).await {
                Ok(true) => Ok(true),
                Ok(false) => self.settle_late(&entry).await,
                Err(error) => Err(error),
            };
            match settled {
                Ok(_) => {
                    escrow.settled(&entry).await;
                    self.forget(&key.id);
                    tracing::info!(connection = %key.id, "A token from the escrow file is settled");
                }
                Err(_) => return,
            }
        }
    }
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = private().append(true).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

/// By renaming: a crash leaves the old file or the new one.
fn replace(path: &Path, lines: &[String]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = private().write(true).truncate(true).open(&beside)?;
    for line in lines {
        file.write_all(line.as_bytes())?;
    }
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_folder(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The name of a new file is on the disk only when its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

fn write(entry: &Entry) -> String {
    let Entry { key, provider, settings, epoch, fresh } = entry;
    let line = json!({
        "tenant": key.tenant.as_str(),
        "connection": key.id.as_str(),
        "provider": &**provider,
        "in_use": settings,
        "epoch": epoch,
        "generation": fresh.generation,
        "sealed": STANDARD.encode(&fresh.sealed),
        "settings": fresh.settings,
        "scopes": fresh.scopes,
        "refreshed_at": fresh.refreshed_at.to_string(),
        "expires_at": fresh.expires_at.map(|at| at.to_string()),
        "next_refresh_at": fresh.next_refresh_at.map(|at| at.to_string()),
    });
    format!("{line}\n")
}

fn read(line: &str) -> Option<Entry> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let time = |name: &str| text(name).and_then(|text| text.parse::<Timestamp>().ok());
    Some(Entry {
        key: Key { tenant: TenantId(text("tenant")?.into()), id: ConnectionId(text("connection")?.into()) },
        provider: text("provider")?.into(),
        settings: value.get("in_use")?.as_object()?.clone(),
        epoch: value.get("epoch")?.as_u64()?,
        fresh: Fresh {
            generation: value.get("generation")?.as_u64()?,
            sealed: STANDARD.decode(text("sealed")?).ok()?,
            settings: value.get("settings").and_then(Value::as_object).cloned(),
            scopes: value.get("scopes").and_then(|scopes| serde_json::from_value(scopes.clone()).ok()).flatten(),
            refreshed_at: time("refreshed_at")?,
            expires_at: time("expires_at"),
            next_refresh_at: time("next_refresh_at"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> Entry {
        let at: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a time");
        Entry {
            key: Key { tenant: TenantId("acme".into()), id: ConnectionId(id.into()) },
            provider: "blue".into(),
            settings: Map::new(),
            epoch: 3,
            fresh: Fresh {
                generation: 8,
                sealed: vec![1, 2, 3],
                settings: None,
                scopes: Some(vec!["a".into()]),
                refreshed_at: at,
                expires_at: Some(at),
                next_refresh_at: None,
            },
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_there_after_a_crash_and_gone_once_settled() {
        let folder = std::env::temp_dir().join(format!("throughline-escrow-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("escrow");
        let escrow = Escrow::open(&path).expect("no file yet");
        escrow.keep(entry("a")).await;
        escrow.keep(entry("b")).await;
        // A line that was cut off hides no other.
        append(&path, "{\"tenant\": \"ac").expect("appended");
        let again = Escrow::open(&path).expect("readable");
        assert_eq!(again.len(), 2);
        again.settled(&entry("a")).await;
        let last = Escrow::open(&path).expect("readable");
        assert_eq!(write(&last.entries.lock()[0]), write(&entry("b")));
        assert_eq!(last.len(), 1);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
