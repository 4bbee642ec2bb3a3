//! The service that makes, lists, revokes and above all recognises API keys. A key that was seen lately is recognised
//! without the store: memory holds the hash and the caller, never the key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::{ApiKey, Caller, Hash, KeyRecord, KeyRepository, Memory, NewKey, Pepper, TenantId};
use crate::error::{Error, Kind, Result};
use crate::model::in_microseconds;

/// Keys that are recognised without a look-up; about 1 KB each.
const REMEMBERED: u64 = 100_000;
/// Ids that were looked up in vain, so that a client with a dead key does not become load on the store.
const ABSENT: u64 = 10_000;
const ABSENT_FOR: Duration = Duration::from_secs(3);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    repository: Arc<dyn KeyRepository>,
    pepper: Pepper,
    /// Of vault keys that were replaced: keys made under them stay good.
    older_peppers: Vec<Pepper>,
    clock: Clock,
    known: Memory<Arc<str>, Arc<Known>>,
    absent: moka::sync::Cache<Arc<str>, ()>,
    /// Keys used since the last flush, each once.
    used: Mutex<Vec<Arc<Known>>>,
}

/// A usable key in memory.
struct Known {
    hash: Hash,
    caller: Arc<Caller>,
    expires_at: Option<Timestamp>,
    used_at: AtomicI64,
    /// Whether it waits in `used`: then a further use costs no lock.
    noted: AtomicBool,
}

impl Keys {
    pub fn new(repository: Arc<dyn KeyRepository>, pepper: Pepper) -> Self {
        Self::with(repository, pepper, Vec::new(), Arc::new(Timestamp::now))
    }

    /// Also accepts keys whose hashes were made with `older_peppers`, and takes the time from `clock`.
    pub fn with(repository: Arc<dyn KeyRepository>, pepper: Pepper, older_peppers: Vec<Pepper>, clock: Clock) -> Self {
        let absent = moka::sync::Cache::builder().max_capacity(ABSENT).time_to_live(ABSENT_FOR).build();
        Self(Arc::new(Inner {
            repository,
            pepper,
            older_peppers,
            clock,
            known: Memory::with_capacity(REMEMBERED),
            absent,
            used: Mutex::default(),
        }))
    }

    /// Makes a key. Its text is returned here and can never be had again.
    pub async fn create(&self, tenant: TenantId, new: NewKey) -> Result<(String, KeyRecord)> {
        let now = self.now();
        new.check(now)?;
        let key = ApiKey::generate(new.mode)?;
        let record = KeyRecord {
            id: key.id().into(),
            tenant,
            mode: new.mode,
            hash: self.0.pepper.hash(&key),
            scopes: new.scopes,
            providers: new.providers,
            connections: new.connections,
            limits: new.limits,
            name: new.name,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.0.repository.insert(record.clone()).await?;
        Ok((key.expose().to_owned(), record))
    }

    pub async fn list(&self, tenant: TenantId) -> Result<Vec<KeyRecord>> {
        self.0.repository.list(tenant).await
    }

    /// Ends a key. Doing it twice is not an error.
    pub async fn revoke(&self, tenant: TenantId, id: &str) -> Result<()> {
        let id: Arc<str> = id.into();
        let found = self.0.repository.revoke(tenant, Arc::clone(&id), self.now()).await;
        // Also after a failure: it may have come after the write.
        self.0.known.forget(&id);
        if found? { Ok(()) } else { Err(Error::new(Kind::NotFound, "There is no key with this id.")) }
    }

    /// The caller behind the text of a key. Every way of not being a good key gets the same answer.
    pub async fn authenticate(&self, text: &str) -> Result<Arc<Caller>> {
        let key = ApiKey::parse(text).ok_or_else(refused)?;
        let known = self.known(key.id()).await?;
        // An unknown id costs the same hash and comparison as a wrong secret.
        let expected = known.as_ref().map_or(Hash([0; 32]), |known| known.hash);
        let genuine = self.is_hashed(&key, &expected);
        let now = (self.0.clock)();
        match known {
            Some(known) if genuine && known.expires_at.is_none_or(|at| now < at) => {
                self.note(&known, now);
                Ok(Arc::clone(&known.caller))
            }
            _ => Err(refused()),
        }
    }

    /// Whether the text may be that of a key in memory. It is not looked up anywhere else, and its secret not compared.
    pub fn remembers(&self, text: &str) -> bool {
        ApiKey::parse(text).is_some_and(|key| self.0.known.get(&key.id().into()).is_some())
    }

    /// Forgets what is in memory of one key, after it was changed.
    pub fn forget(&self, id: &Arc<str>) {
        self.0.known.forget(id);
        self.0.absent.invalidate(id);
    }

    /// Everything is asked for anew, for when the store was changed by somebody else.
    pub fn forget_all(&self) {
        self.0.known.doubt_all();
        self.0.absent.invalidate_all();
    }

    /// Writes down when keys were used last. On a failure the notes are kept for the next time.
    pub async fn flush(&self) -> Result<()> {
        let used = std::mem::take(&mut *self.0.used.lock());
        if used.is_empty() {
            return Ok(());
        }
        let note = |known: &Arc<Known>| {
            // Cleared before the time is read: a use in between is noted again, not lost.
            known.noted.store(false, Ordering::SeqCst);
            let at = Timestamp::from_microsecond(known.used_at.load(Ordering::SeqCst)).ok()?;
            Some((Arc::clone(&known.caller.key_id), at))
        };
        let batch = used.iter().filter_map(note).collect();
        let written = self.0.repository.touch(batch).await;
        if written.is_err() {
            let mut waiting = self.0.used.lock();
            waiting.extend(used.into_iter().filter(|known| !known.noted.swap(true, Ordering::SeqCst)));
        }
        written
    }

    /// Flushes every `period` until the future is dropped; `serve` runs this as a task and flushes once more at the end.
    pub async fn flush_every(self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "the time of last use of API keys could not be stored; it will be tried again");
            }
        }
    }

    async fn known(&self, id: &str) -> Result<Option<Arc<Known>>> {
        let id: Arc<str> = id.into();
        if let Some(known) = self.0.known.get(&id) {
            return Ok(Some(known));
        }
        if self.0.absent.contains_key(&id) {
            return Ok(None);
        }
        let load = || async {
            let found = self.0.repository.find(Arc::clone(&id)).await?;
            let usable = found.filter(|key| key.revoked_at.is_none());
            if usable.is_none() {
                self.0.absent.insert(Arc::clone(&id), ());
            }
            Ok(usable.map(|key| Arc::new(Known::from(&key))))
        };
        self.0.known.get_or_load(&id, load).await
    }

    fn is_hashed(&self, key: &ApiKey, expected: &Hash) -> bool {
        let peppers = std::iter::once(&self.0.pepper).chain(&self.0.older_peppers);
        // Every pepper is tried, whichever fits.
        peppers.fold(false, |genuine, pepper| genuine | pepper.hash(key).is(expected))
    }

    fn note(&self, known: &Arc<Known>, now: Timestamp) {
        known.used_at.fetch_max(now.as_microsecond(), Ordering::SeqCst);
        if !known.noted.load(Ordering::SeqCst) && !known.noted.swap(true, Ordering::SeqCst) {
            self.0.used.lock().push(Arc::clone(known));
        }
    }

    fn now(&self) -> Timestamp {
        in_microseconds((self.0.clock)())
    }
}

impl From<&KeyRecord> for Known {
    fn from(key: &KeyRecord) -> Self {
        Self {
            hash: key.hash,
            caller: Arc::new(Caller::of(key)),
            expires_at: key.expires_at,
            used_at: AtomicI64::new(i64::MIN),
            noted: AtomicBool::new(false),
        }
    }
}

fn refused() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "The API key is missing, unknown, revoked or expired; it goes into `Authorization: Bearer <key>`.",
    )
}
