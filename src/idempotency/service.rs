//! The promise that a key makes, kept: who may do the write, and what the others are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Answer, Claim, Claimed, Config, End, IdempotencyRepository, Key, Parts, Place, Shield};
use crate::auth::base62;
use crate::connections::{Connection, SealedAt, Vault};
use crate::error::{Error, Kind, Outcome, Result};
use crate::telemetry::{Metrics, Replay};

/// A process that gives no sign of life for so long is believed dead. Longer than a store is away when it restarts.
const LEASE: Duration = Duration::from_secs(60);
/// No write lasts as long. A claim that is older was lost between here and the store, and must not be kept alive by others.
const LONGEST: Duration = Duration::from_secs(600);
/// Several signs of life fit into a lease, so that one may be lost.
const BEAT: Duration = Duration::from_secs(15);
/// Beats between two looks for places whose time is over.
const SWEEP_EVERY: u32 = 20;
/// Places that are deleted at once: the store has other things to do.
const SWEEP: usize = 1_000;

/// How long an end is tried to be written that the store does not take at once, and how often.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
const RETRIES: u32 = 12;

/// An answer waits at least so long for its end to be written down, and as long as its caller does.
const PATIENCE: Duration = Duration::from_millis(250);

/// A write takes a second or so; who asks again then finds the answer.
const COME_BACK: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub struct Idempotency(Arc<Inner>);

struct Inner {
    repository: Arc<dyn IdempotencyRepository>,
    vault: Vault,
    config: Config,
    shield: Shield,
    metrics: Arc<Metrics>,
    /// This process.
    owner: Arc<str>,
    in_flight: AtomicUsize,
}

/// What a request with a key is to do.
pub enum Begun {
    /// The write: nobody else does it.
    New(Claimant),
    /// Give this answer once more.
    Replay(Answer),
}

/// The right to do a write, and the duty to tell how it ended.
pub struct Claimant {
    idempotency: Idempotency,
    place: Place,
    fingerprint: Arc<str>,
    claim: Arc<str>,
    /// For so long the caller waits.
    by: Instant,
    _counted: Counted,
}

struct Counted(Idempotency);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Idempotency {
    pub fn new(
        repository: Arc<dyn IdempotencyRepository>,
        vault: Vault,
        config: Config,
        shield: Shield,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let owner = base62::random(16).map_err(Error::internal)?.into();
        let in_flight = AtomicUsize::new(0);
        Ok(Self(Arc::new(Inner { repository, vault, config, shield, metrics, owner, in_flight })))
    }

    pub fn keeps_bodies(&self) -> bool {
        self.0.config.keep_body
    }

    /// Claims the write, durably; or says why not, or how it ended the first time. `by` is the caller's deadline.
    pub async fn begin(&self, connection: &Connection, key: &Key, parts: &Parts<'_>, by: Instant) -> Result<Begun> {
        let inner = &self.0;
        let place = key.place(&connection.tenant, &connection.id, parts);
        let fingerprint = parts.fingerprint();
        let claim: Arc<str> = base62::random(16).map_err(Error::internal).map_err(not_executed)?.into();
        // Counted first, so that the beats keep it alive from its beginning.
        inner.in_flight.fetch_add(1, Ordering::Relaxed);
        let claimant = Claimant {
            idempotency: self.clone(),
            place: place.clone(),
            fingerprint: fingerprint.clone(),
            claim: claim.clone(),
            by,
            _counted: Counted(self.clone()),
        };
        let asked = Claim { id: claim, owner: inner.owner.clone(), fingerprint, lease: LEASE, ttl: inner.config.ttl() };
        match inner.repository.claim(place, asked).await {
            Ok(Claimed::New) => {
                inner.metrics.idempotency(Replay::New);
                Ok(Begun::New(claimant))
            }
            Ok(Claimed::InFlight) => {
                inner.metrics.idempotency(Replay::InFlight);
                let detail = "A request with this Idempotency-Key is still running.";
                let error = Error::new(Kind::IdempotencyInFlight, detail).retry_after(Some(COME_BACK));
                Err(error.outcome(Outcome::Unknown).idempotency_key(&key.0))
            }
            Ok(Claimed::Mismatch) => {
                inner.metrics.idempotency(Replay::Mismatch);
                let detail = "This Idempotency-Key was sent with another request to the same path: with another body, \
                              query, content type or preference. A new request needs a new key.";
                Err(not_executed(Error::new(Kind::IdempotencyMismatch, detail).idempotency_key(&key.0)))
            }
            Ok(Claimed::Unknown(sealed)) => {
                inner.metrics.idempotency(Replay::Unknown);
                let known = sealed.map(|sealed| claimant.open(&sealed)).transpose()?;
                Err(unknown_before(key, known.and_then(|known| known.probe)))
            }
            Ok(Claimed::Done(sealed)) => {
                let answer = claimant.open(&sealed)?;
                inner.metrics.idempotency(Replay::Replayed);
                Ok(Begun::Replay(answer))
            }
            Err(error) => {
                // The store may have taken it and lost the word of it.
                claimant.release(delays());
                Err(unavailable(error))
            }
        }
    }

    /// Signs of life and cleaning up, for as long as the process runs.
    pub async fn look_after(self) {
        let inner = &self.0;
        match inner.repository.give_up_dead(inner.owner.clone()).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "Writes that a process was at when it ended have an unknown outcome"),
            Err(error) => tracing::warn!(%error, "Writes of processes that ended could not be looked for"),
        }
        let mut beats = tokio::time::interval(BEAT);
        let mut beat = 0_u32;
        loop {
            beats.tick().await;
            if inner.in_flight.load(Ordering::Relaxed) > 0
                && let Err(error) = inner.repository.renew(inner.owner.clone(), LEASE, LONGEST).await
            {
                tracing::warn!(%error, "Writes that are in flight could not be kept alive in the store");
            }
            if beat.is_multiple_of(SWEEP_EVERY) {
                self.sweep().await;
            }
            beat = beat.wrapping_add(1);
        }
    }

    async fn sweep(&self) {
        loop {
            match self.0.repository.sweep(SWEEP).await {
                Ok(count) if count >= SWEEP as u64 => tokio::task::yield_now().await,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "Idempotency keys whose time is over could not be deleted");
                    return;
                }
            }
        }
    }
}

impl Claimant {
    /// The write was done: the answer is kept.
    pub async fn done(self, answer: &Answer) {
        match self.seal(answer) {
            Ok(sealed) => self.settle(End::Done(sealed)).await,
            Err(error) => {
                tracing::error!(?error, "An answer could not be sealed");
                self.settle(End::Unknown(None)).await;
            }
        }
    }

    /// Nobody knows whether the write was done.
    pub async fn unknown(self, probe: Option<&str>) {
        let known = probe.and_then(|probe| self.seal(&Answer::unknown(probe.to_owned())).ok());
        self.settle(End::Unknown(known)).await;
    }

    /// Nothing was done: the same key may do it yet.
    pub async fn not_executed(self) {
        let until = self.patience();
        let _ = timeout_at(until, self.release(at_once())).await;
    }

    /// The answer does not wait for a store that is slow or away; at worst the end is unknown once the lease has run out.
    async fn settle(self, end: End) {
        let until = self.patience();
        let shield = self.idempotency.0.shield.clone();
        let written = shield.spawn(async move {
            for delay in at_once() {
                pause(delay).await;
                if self.try_settle(&end).await {
                    return;
                }
            }
            tracing::error!(
                "How a write with an idempotency key ended could not be written down: it counts as unknown"
            );
        });
        let _ = timeout_at(until, written).await;
    }

    fn patience(&self) -> Instant {
        self.by.max(Instant::now() + PATIENCE)
    }

    async fn try_settle(&self, end: &End) -> bool {
        let repository = &self.idempotency.0.repository;
        match repository.settle(self.place.clone(), self.claim.clone(), end.clone()).await {
            Ok(true) => true,
            // The connection was deleted meanwhile, and its keys with it.
            Ok(false) => true,
            Err(error) => {
                tracing::warn!(%error, "How a write ended could not be written down; it is tried again");
                false
            }
        }
    }

    /// Beside whoever waits for it.
    fn release(self, delays: impl Iterator<Item = Duration> + Send + 'static) -> JoinHandle<()> {
        let shield = self.idempotency.0.shield.clone();
        shield.spawn(async move {
            for delay in delays {
                pause(delay).await;
                let repository = &self.idempotency.0.repository;
                match repository.release(self.place.clone(), self.claim.clone()).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(%error, "An idempotency key could not be given back; it is tried again");
                    }
                }
            }
        })
    }

    fn seal(&self, answer: &Answer) -> Result<Vec<u8>> {
        let plain = answer.to_bytes().map_err(Error::internal)?;
        self.at().with_place(|place| self.idempotency.0.vault.seal(place, &plain)).map_err(Error::internal)
    }

    fn open(&self, sealed: &[u8]) -> Result<Answer> {
        let plain = self.at().with_place(|place| self.idempotency.0.vault.open(place, sealed));
        let answer = plain.map(|plain| Answer::from_bytes(&plain)).map_err(Error::internal);
        let answer = answer.and_then(|answer| answer.ok_or_else(|| Error::internal("a kept answer in no known form")));
        // It was done, whatever became of the answer.
        answer.map_err(|error| error.outcome(Outcome::Unknown))
    }

    fn at(&self) -> SealedAt {
        let Place { tenant, connection, id } = self.place.clone();
        SealedAt::Answer { tenant, connection, id, fingerprint: self.fingerprint.clone() }
    }
}

fn delays() -> impl Iterator<Item = Duration> {
    (0..RETRIES).map(|retry| FIRST_RETRY.saturating_mul(2_u32.saturating_pow(retry)).min(LAST_RETRY))
}

fn at_once() -> impl Iterator<Item = Duration> {
    std::iter::once(Duration::ZERO).chain(delays())
}

/// Without a pause not even the clock's next tick is waited for.
async fn pause(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

fn not_executed(error: Error) -> Error {
    error.outcome(Outcome::NotExecuted)
}

/// Asked again, a write that may have happened is a conflict between the caller's two requests.
fn unknown_before(key: &Key, probe: Option<String>) -> Error {
    let detail = "The first request with this Idempotency-Key was sent to the provider, and how it ended is not known. \
                  Look whether it was executed; to write again, send a new key.";
    let error = Error::new(Kind::OutcomeUnknown, detail).origin(crate::error::Origin::Caller);
    let error = error.outcome(Outcome::Unknown).idempotency_key(&key.0);
    match probe {
        Some(probe) => error.probe(probe),
        None => error,
    }
}

/// Without the store there is no promise, and without the promise no write.
fn unavailable(error: Error) -> Error {
    let detail =
        "The Idempotency-Key cannot be kept at the moment, so nothing was sent; without the header it would be.";
    let delay = error.get_retry_after().unwrap_or(Duration::from_secs(2));
    let result = Error::new(Kind::Overloaded, detail).retry_after(Some(delay)).outcome(Outcome::NotExecuted);
    result.caused_by(error)
}
