//! Requests wait in memory for a few seconds, the newest of each connection, and are then written together.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Request;
use crate::auth::TenantId;
use crate::connections::{ConnectionId, Key, Vault};
use crate::error::{Error, Result};
use crate::model::{cut, in_microseconds};
use crate::telemetry::left_out;

/// How long requests wait in memory.
const FLUSH: Duration = Duration::from_secs(5);
const SWEEP: Duration = Duration::from_secs(3600);
/// Requests that wait in the whole process, about 500 bytes each. Past that, further ones are not written down.
const WAITING: usize = 20_000;
/// Requests that are written in one transaction, and rows that are deleted in one.
const CHUNK: usize = 500;
const BATCH: usize = 1_000;
/// The most that can be kept of one connection.
const MOST: u32 = 1_000;
/// Bodies that wait in the whole process. Past that, requests are written down without theirs. Bytes.
const BODIES_WAITING: usize = 32 * 1024 * 1024;
/// Bodies go before their requests do. Hours.
const BODIES_HOURS: i64 = 24;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Requests that are kept of each connection; 0 switches the log off.
    pub keep: u32,
    /// Hours that they are kept.
    pub keep_hours: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep: 100, keep_hours: 72 }
    }
}

impl Config {
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.keep > MOST {
            faults.push(format!("request_log.keep: {} is more than can be kept of a connection ({MOST})", self.keep));
        }
        if !(1..=24 * 365).contains(&self.keep_hours) {
            faults
                .push("request_log.keep_hours: it has to be 1 to 8760 (a year); `keep: 0` switches the log off".into());
        }
        faults
    }
}

/// A request on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub of: Key,
    pub at: Timestamp,
    /// JSON.
    pub text: String,
    /// Sealed.
    pub bodies: Option<Vec<u8>>,
}

/// A request as it is kept, with its place in the log, which only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub number: u64,
    pub text: String,
    pub bodies: Option<Vec<u8>>,
}

pub trait RequestRepository: Send + Sync + 'static {
    /// Writes requests by the clock: it does not count as an operation of a request. Of each of their connections the
    /// newest `keep` stay. Those of connections that are gone are left out.
    fn append_aside(&self, requests: Vec<Written>, keep: usize) -> BoxFuture<'_, Result<()>>;

    /// At most `limit` requests before the one of the number `before`, the newest first.
    fn list(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Kept>>>;

    /// Deletes what came before `before`, at most `limit` of them. Returns how many went.
    fn sweep(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>>;

    /// Deletes the bodies of what came before `before`, at most so many. Returns how many went.
    fn sweep_bodies(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>>;
}

/// Cheap to clone.
#[derive(Clone)]
pub struct RequestLog(Arc<Inner>);

struct Inner {
    repository: Arc<dyn RequestRepository>,
    vault: Vault,
    waiting: Mutex<Waiting>,
    /// Held while requests are written, so that their order stays.
    writing: tokio::sync::Mutex<()>,
    config: Config,
}

#[derive(Default)]
struct Waiting {
    of: HashMap<ConnectionId, Few>,
    count: usize,
    /// What their bodies take. Bytes.
    bodies: usize,
    /// Not written down since the last flush, for want of room.
    left_out: u64,
    /// Written down without their bodies.
    without_bodies: u64,
}

struct Few {
    tenant: TenantId,
    requests: VecDeque<Request>,
}

/// Requests, the newest first.
pub struct Page {
    pub data: Vec<Value>,
    /// `before` of the next page, if there is one.
    pub next: Option<u64>,
}

impl RequestLog {
    pub fn new(repository: Arc<dyn RequestRepository>, vault: Vault, config: &Config) -> Self {
        Self(Arc::new(Inner {
            repository,
            vault,
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            config: config.clone(),
        }))
    }

    pub fn is_on(&self) -> bool {
        self.0.config.keep > 0
    }

    /// Takes a request down. Memory only.
    pub fn record(&self, of: &Key, request: Request) {
        if self.is_on() {
            self.0.waiting.lock().push(of, request, self.0.config.keep as usize);
        }
    }

    /// What has gone through a connection, as far as it is kept. What this process has taken down is written first. Bodies
    /// are shown to those only who `may_read` records.
    pub async fn page(&self, of: Key, before: Option<u64>, limit: usize, may_read: bool) -> Result<Page> {
        if before.is_none() {
            self.write(Some(of.id.clone())).await?;
        }
        // One more than asked for tells whether there is a next page.
        let mut rows =
            self.0.repository.list(of.tenant.clone(), of.id.clone(), before, limit.saturating_add(1)).await?;
        let next = cut(&mut rows, limit, |kept| kept.number);
        let data = rows.iter().map(|kept| self.shown(&of, kept, may_read));
        Ok(Page { data: data.collect::<Result<_>>()?, next })
    }

    fn shown(&self, of: &Key, kept: &Kept, may_read: bool) -> Result<Value> {
        let mut request: Value = serde_json::from_str(&kept.text).map_err(Error::internal)?;
        let at = request.get("at").and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
        // They are swept by the hour.
        let is_old = at.zip(ago(BODIES_HOURS)).is_none_or(|(at, oldest)| at < oldest);
        let bodies = match &kept.bodies {
            Some(sealed) if !is_old => self.opened(of, &request, sealed, may_read)?,
            _ => Value::Null,
        };
        if let Value::Object(members) = &mut request {
            members.insert("bodies".into(), bodies);
        }
        Ok(request)
    }

    fn opened(&self, of: &Key, request: &Value, sealed: &[u8], may_read: bool) -> Result<Value> {
        let id = request.get("request_id").and_then(Value::as_str).unwrap_or_default();
        let read = |text: &[u8]| serde_json::from_slice(text).map_err(Error::internal);
        if !may_read {
            return read(left_out("they are shown to keys with the scope read or admin").as_bytes());
        }
        match self.0.vault.open(&place(of, id), sealed) {
            Ok(text) => read(&text),
            Err(_) => read(left_out("they were sealed with a vault key that is not there any more").as_bytes()),
        }
    }

    /// Writes down what waits. What the store does not take is said in the log of the process, and is lost.
    pub async fn flush(&self) {
        let (left_out, without_bodies) = self.0.waiting.lock().take_left_out();
        if without_bodies > 0 {
            tracing::warn!(
                requests = without_bodies,
                "Too many bodies waited to be written into the logs of connections"
            );
        }
        if left_out > 0 {
            tracing::warn!(requests = left_out, "Too many requests waited to be written into the logs of connections");
        }
        if let Err(error) = self.write(None).await {
            tracing::warn!(%error, "The last requests could not be written into the logs of their connections");
        }
    }

    /// Of one connection, or of all.
    async fn write(&self, only: Option<ConnectionId>) -> Result<()> {
        let _turn = self.0.writing.lock().await;
        let waiting = self.0.waiting.lock().take(only.as_ref());
        let mut failed = Ok(());
        for chunk in waiting.chunks(CHUNK) {
            let texts = chunk.iter().map(|(of, request)| self.written(of, request));
            let written = async {
                self.0.repository.append_aside(texts.collect::<Result<_>>()?, self.0.config.keep as usize).await
            };
            // The others may still go through.
            if let Err(error) = written.await {
                failed = Err(error);
            }
        }
        failed
    }

    fn written(&self, of: &Key, request: &Request) -> Result<Written> {
        let seal = |bodies: &String| self.0.vault.seal(&place(of, &request.id), bodies.as_bytes());
        let bodies = request.bodies.as_ref().map(seal).transpose().map_err(Error::internal)?;
        Ok(Written { of: of.clone(), at: in_microseconds(request.at), text: request.to_json().to_string(), bodies })
    }

    async fn sweep(&self) {
        let repository = &self.0.repository;
        let swept = async {
            if let Some(before) = ago(BODIES_HOURS) {
                while repository.sweep_bodies(before, BATCH).await? > 0 {}
            }
            if let Some(before) = ago(i64::from(self.0.config.keep_hours)) {
                while repository.sweep(before, BATCH).await? > 0 {}
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = swept.await {
            tracing::warn!(%error, "The logs of connections' requests could not be swept");
        }
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

fn ago(hours: i64) -> Option<Timestamp> {
    Timestamp::now().saturating_sub(SignedDuration::from_hours(hours)).ok()
}

/// Where a request's bodies belong; they open nowhere else.
fn place<'a>(of: &'a Key, request: &'a str) -> [&'a [u8]; 4] {
    [b"request bodies", of.tenant.as_str().as_bytes(), of.id.as_str().as_bytes(), request.as_bytes()]
}

impl Waiting {
    fn push(&mut self, of: &Key, mut request: Request, keep: usize) {
        // Of a connection that is busy, only what will be kept waits.
        let full = self.count >= WAITING;
        let few = match self.of.get_mut(&of.id) {
            Some(few) => few,
            None if full => {
                self.left_out += 1;
                return;
            }
            None => {
                let few = Few { tenant: of.tenant.clone(), requests: VecDeque::new() };
                self.of.entry(of.id.clone()).or_insert(few)
            }
        };
        if few.requests.len() >= keep || full {
            self.left_out += u64::from(few.requests.len() < keep);
            let gone = few.requests.pop_front();
            self.bodies -= gone.map_or(0, |gone| size(&gone));
            self.count -= 1;
        }
        if self.bodies + size(&request) > BODIES_WAITING {
            request.bodies = Some(left_out("too many waited to be written down"));
            self.without_bodies += 1;
        }
        self.bodies += size(&request);
        few.requests.push_back(request);
        self.count += 1;
    }

    fn take(&mut self, only: Option<&ConnectionId>) -> Vec<(Key, Request)> {
        let taken: Vec<(ConnectionId, Few)> = match only {
            Some(id) => self.of.remove_entry(id).into_iter().collect(),
            None => self.of.drain().collect(),
        };
        let keyed = taken.into_iter().flat_map(|(id, few)| {
            let key = Key { tenant: few.tenant, id };
            few.requests.into_iter().map(move |request| (key.clone(), request))
        });
        let requests: Vec<_> = keyed.collect();
        self.count -= requests.len();
        self.bodies -= requests.iter().map(|(_, request)| size(request)).sum::<usize>();
        requests
    }

    /// How many were not written down since the last time, and how many without their bodies.
    fn take_left_out(&mut self) -> (u64, u64) {
        (mem::take(&mut self.left_out), mem::take(&mut self.without_bodies))
    }
}

/// Of its bodies. Bytes.
fn size(request: &Request) -> usize {
    request.bodies.as_ref().map_or(0, String::len)
}
