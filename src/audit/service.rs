//! The log as the rest of the server sees it: record, count, look back.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::uses::Uses;
use super::{Action, AuditRepository, Entry, Recorded, Use, Wanted, deployment};
use crate::auth::TenantId;
use crate::error::Result;
use crate::model::cut;
use crate::telemetry::{Metrics, Written};

/// How long uses wait in memory.
const FLUSH: Duration = Duration::from_secs(120);
const SWEEP: Duration = Duration::from_secs(3600);
/// Rows of one log that go in one transaction.
const BATCH: usize = 1_000;
/// Entries that are written in one transaction.
const CHUNK: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days that rows are kept. 0 keeps them for ever.
    pub keep_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep_days: 365 }
    }
}

/// Why the mappings were loaded anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadedBy {
    /// By HTTP or by a signal.
    Operator,
    /// The server noticed that a folder had changed.
    Watcher,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    repository: Arc<dyn AuditRepository>,
    uses: Uses,
    /// Held while sums are written.
    writing: tokio::sync::Mutex<()>,
    keep_days: u32,
    metrics: Arc<Metrics>,
}

/// Rows, the newest first.
pub struct Page {
    pub data: Vec<Recorded>,
    /// `before` of the next page, if there is one.
    pub next: Option<u64>,
}

impl Audit {
    pub fn new(repository: Arc<dyn AuditRepository>, config: &Config, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            repository,
            uses: Uses::default(),
            writing: tokio::sync::Mutex::default(),
            keep_days: config.keep_days,
            metrics,
        }))
    }

    /// Writes down what was done, before its caller hears of it.
    pub async fn record(&self, entry: Entry) -> Result<()> {
        self.counted(1, self.0.repository.append(vec![entry]).await)
    }

    /// The mappings were loaded anew: the revision before, and the one that is in place now, or none if it was refused. It
    /// has happened, so that a failure is only logged.
    pub async fn reloaded(&self, by: ReloadedBy, before: &str, now: Option<&str>) {
        let entry = match by {
            ReloadedBy::Operator => Entry::by_operator(deployment(), Action::MappingsReloaded),
            ReloadedBy::Watcher => Entry::by_itself(deployment(), Action::MappingsReloaded),
        };
        let why = match by {
            ReloadedBy::Operator => "it was asked for",
            ReloadedBy::Watcher => "a watched folder had changed",
        };
        let entry = entry.detail(format!("{why}; the revision before was {before}"));
        let entry = match now {
            Some(revision) => entry.about(revision),
            None => entry.outcome("refused"),
        };
        if let Err(error) = self.record(entry).await {
            tracing::error!(%error, "A reload of the mappings could not be written into the audit log");
        }
    }

    /// Counts a use of a connection. Memory only.
    pub fn used(&self, of: Use) {
        self.0.uses.count(of, Timestamp::now());
    }

    pub async fn page(&self, tenant: &TenantId, wanted: Wanted) -> Result<Page> {
        let limit = wanted.limit.max(1);
        // One more than asked for tells whether there is a next page.
        let wanted = Wanted { limit: limit.saturating_add(1), ..wanted };
        let mut data = self.0.repository.list(tenant.clone(), wanted).await?;
        let next = cut(&mut data, limit, |last| last.number);
        Ok(Page { data, next })
    }

    /// Writes down what was counted. What the store does not take is said in the log of the process, and is lost: a sum
    /// that is kept could be written twice, since a failure may come after the write.
    pub async fn flush(&self) {
        let audit = self.clone();
        // A task of its own: whoever gives up waiting does not take the sums along.
        let _ = tokio::spawn(async move { audit.write_uses().await }).await;
    }

    async fn write_uses(&self) {
        let _turn = self.0.writing.lock().await;
        let entries = self.0.uses.take();
        for chunk in entries.chunks(CHUNK) {
            if let Err(error) = self.counted(chunk.len(), self.0.repository.append_aside(chunk.to_vec()).await) {
                let uses: u64 = chunk.iter().map(|entry| entry.count).sum();
                tracing::error!(%error, uses, "Use of connections could not be written into the audit log");
            }
        }
    }

    fn counted(&self, entries: usize, written: Result<()>) -> Result<()> {
        self.0.metrics.audited(if written.is_ok() { Written::Ok } else { Written::Failed }, entries);
        written
    }

    /// Deletes what is older than is kept.
    pub async fn sweep(&self) {
        let Some(before) = self.oldest() else { return };
        loop {
            match self.0.repository.sweep(before, BATCH).await {
                Ok(0) => return,
                Ok(rows) => tracing::info!(rows, "Rows of the audit log were deleted for their age"),
                Err(error) => return tracing::warn!(%error, "The audit log could not be swept"),
            }
        }
    }

    fn oldest(&self) -> Option<Timestamp> {
        let days = i64::from(self.0.keep_days);
        (days > 0).then(|| Timestamp::now().saturating_sub(SignedDuration::from_hours(days * 24)).ok()).flatten()
    }

    /// Flushes and sweeps until the future is dropped; `serve` runs this as a task and flushes once more at the end.
    pub async fn look_after(self) {
        let mut flush = tokio::time::interval(FLUSH);
        let mut sweep = tokio::time::interval(SWEEP);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = flush.tick() => self.flush().await,
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }
}
