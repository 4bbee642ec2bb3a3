//! Looks every second for connections whose turn has come, in the store rather than in memory: what it costs does not
//! depend on how many there are. Every replica looks; the lease decides who renews.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Due;
use crate::connections::service::Connections;
use crate::limit::jitter;

const TICK: Duration = Duration::from_secs(1);
/// Connections that are looked at together: more than fall due in a tick where a hundred thousand have tokens of half an
/// hour, so that their leases and their new tokens go to the disk together.
const BATCH: usize = 128;
/// Renewals that this process has under way at most, those of requests included.
const FLIGHTS: usize = 256;
/// A connection that nobody used for so long is left to its next use.
const HOT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often the times of use are written down.
const FLUSH: Duration = Duration::from_secs(60);
const CENSUS: Duration = Duration::from_secs(15);
/// How often somebody looks for credentials to give back.
const REVOKE: Duration = Duration::from_secs(5);
/// A provider that is not in the catalog may come back with the next reload.
const NO_PROVIDER: SignedDuration = SignedDuration::from_hours(1);

impl Connections {
    /// Until it is dropped. A panic ends one round, not the looking after.
    pub async fn look_after(self) {
        while AssertUnwindSafe(self.look_after_once()).catch_unwind().await.is_err() {
            tracing::error!("Looking after connections panicked; it begins anew");
            tokio::time::sleep(TICK).await;
        }
    }

    async fn look_after_once(&self) {
        // Replicas that were started together do not look together.
        tokio::time::sleep(TICK.mul_f64(jitter())).await;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut flushed, mut counted, mut revoked) = (Instant::now(), None, Instant::now());
        let mut jumped = false;
        loop {
            tick.tick().await;
            self.drain_escrow().await;
            self.begin_renewals().await;
            if revoked.elapsed() >= REVOKE {
                revoked = Instant::now();
                self.give_back_due().await;
            }
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.flush_uses().await;
                // The key may have been replaced beside us: from now on the new one seals.
                if let Err(error) = self.0.vault.reload() {
                    tracing::error!(%error, "The vault's keys could not be read anew");
                }
                let jump = self.0.clock.jump();
                if let (Some(jump), false) = (jump, jumped) {
                    tracing::warn!(
                        seconds = jump.as_secs(),
                        "The wall clock was set to another time; tokens are judged by the steady clock"
                    );
                }
                jumped = jump.is_some();
            }
            if counted.is_none_or(|at: Instant| at.elapsed() >= CENSUS) {
                counted = Some(Instant::now());
                self.count().await;
            }
        }
    }

    /// Waits for the renewals that are under way, and tells the store what it has not taken yet.
    pub async fn finish_renewals(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.0.flights.len() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.drain_escrow().await;
        let left = self.in_escrow();
        if left > 0 {
            tracing::error!(left, "Renewed tokens wait in the escrow file for the next start: keep it");
        }
    }

    /// Begins what is due, as far as there is room; the rest is due a second later as well.
    async fn begin_renewals(&self) {
        while self.0.flights.len() < FLIGHTS {
            let room = BATCH.min(FLIGHTS - self.0.flights.len());
            let due = match self.0.tokens.due(self.0.clock.now(), room).await {
                Ok(due) => due,
                Err(error) => return tracing::warn!(%error, "The store was not able to tell which tokens are due"),
            };
            let found = due.len();
            let mut begun = 0;
            for due in due {
                match self.moved_to(&due) {
                    None => {
                        begun += 1;
                        self.renew_in_background(&due.key, due.generation);
                    }
                    Some(until) => {
                        let postponed = self.0.tokens.postpone(due.key.clone(), due.generation, until).await;
                        if let Err(error) = postponed {
                            return tracing::warn!(%error, "The store did not take a later time");
                        }
                    }
                }
            }
            // Those that have begun are due until they have the lease: asking again at once would find them again.
            if found < room || begun > 0 {
                return;
            }
        }
    }

    /// `None` if it is to be renewed now, otherwise when to look again, if ever. What nobody uses is renewed by its next
    /// use, and now and then so that the provider does not forget an unused grant.
    fn moved_to(&self, due: &Due) -> Option<Option<Timestamp>> {
        let now = self.0.clock.now();
        let Ok(provider) = self.provider(&due.provider) else {
            return Some(now.saturating_add(NO_PROVIDER).ok());
        };
        let Some(grant) = &provider.grant else { return Some(None) };
        let in_memory = self.0.access.get(&due.key.id).and_then(|held| held.used_at());
        let used = due.last_used_at.max(in_memory).unwrap_or(due.created_at);
        if now.duration_since(used) < HOT {
            return None;
        }
        let keep_alive = grant.refresh_lifetime.map(|lifetime| lifetime / 3);
        let renewed = due.refreshed_at.unwrap_or(due.created_at);
        let until = keep_alive.and_then(|after| renewed.saturating_add(after).ok());
        match until {
            Some(until) if until <= now => None,
            until => Some(until),
        }
    }

    /// Writes down when connections were used since the last time.
    pub async fn flush_uses(&self) {
        let used = self.0.access.values().filter_map(|held| Some((held.key.clone(), held.use_to_note()?)));
        let used: Vec<_> = used.collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.0.tokens.touch(used).await {
            tracing::warn!(%error, "The times at which connections were last used could not be written");
        }
    }

    async fn count(&self) {
        let now = Instant::now();
        self.0.metrics.tokens(self.0.access.values().map(|held| held.stage(now).label()));
        match self.0.tokens.census().await {
            Ok(census) => {
                let counted = census.into_iter().map(|(provider, state, number)| (provider, state.into(), number));
                self.0.metrics.census(counted, self.in_escrow());
            }
            Err(error) => tracing::warn!(%error, "The store was not able to count connections"),
        }
    }
}
