//! What one API key has used of its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limit::{Gcra, KeyLimits};
use crate::telemetry::{Allowance, Shed};

pub(super) struct Key {
    rate: Option<Rate>,
    most: Option<u32>,
    in_flight: Arc<AtomicU32>,
}

struct Rate {
    burst: u32,
    window: Duration,
    state: Mutex<Gcra>,
}

/// One request of a key, until this is dropped.
pub struct KeyPermit(Arc<AtomicU32>);

pub struct Admitted {
    pub permit: KeyPermit,
    pub allowance: Option<Allowance>,
}

pub struct Refused {
    /// What it is counted under.
    pub reason: Shed,
    /// When it is worth trying again.
    pub after: Duration,
    pub allowance: Option<Allowance>,
}

impl Key {
    pub(super) fn new(limits: &KeyLimits) -> Self {
        let rate = limits.rate.map(|rate| {
            let burst = limits.burst.unwrap_or(rate);
            let state = Mutex::new(Gcra::with_burst(rate, burst));
            Rate { burst, window: Duration::from_secs(1) * burst / rate.max(1), state }
        });
        Self { rate, most: limits.concurrency, in_flight: Arc::default() }
    }

    pub(super) fn enter(&self, now: Instant) -> Result<Admitted, Refused> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let permit = KeyPermit(self.in_flight.clone());
        if self.most.is_some_and(|most| before >= most) {
            let allowance = self.rate.as_ref().map(|rate| rate.allowance(&rate.state.lock(), now));
            return Err(Refused { reason: Shed::KeyConcurrency, after: Duration::from_secs(1), allowance });
        }
        let Some(rate) = &self.rate else { return Ok(Admitted { permit, allowance: None }) };
        let mut state = rate.state.lock();
        let taken = state.take(now);
        let allowance = Some(rate.allowance(&state, now));
        match taken {
            Ok(()) => Ok(Admitted { permit, allowance }),
            Err(after) => Err(Refused { reason: Shed::KeyRate, after, allowance }),
        }
    }
}

impl Rate {
    fn allowance(&self, state: &Gcra, now: Instant) -> Allowance {
        Allowance {
            policy: "key",
            quota: Some(self.burst.into()),
            window: Some(self.window),
            remaining: state.left(now).into(),
            reset: Some(state.until_full(now)),
        }
    }
}

impl Drop for KeyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_and_a_number_at_a_time() {
        let key = Key::new(&KeyLimits { rate: Some(2), burst: Some(4), concurrency: Some(3) });
        let now = Instant::now();
        let held: Vec<_> = (0..3).map(|_| key.enter(now).map(|in_| in_.permit).map_err(|no| no.reason)).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(key.enter(now).map(|_| ()).map_err(|no| no.reason), Err(Shed::KeyConcurrency));
        drop(held);
        let last = key.enter(now).map_err(|no| no.reason).expect("the fourth of the burst").allowance.expect("a rate");
        assert_eq!((last.quota, last.window, last.remaining), (Some(4), Some(Duration::from_secs(2)), 0));
        let no = key.enter(now).map(|_| ()).expect_err("over the burst");
        assert_eq!((no.reason, no.after), (Shed::KeyRate, Duration::from_millis(500)));
        assert!(key.enter(now + Duration::from_millis(500)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_nothing_is_refused_or_told() {
        let key = Key::new(&KeyLimits::default());
        let all: Vec<_> = (0..10_000).map(|_| key.enter(Instant::now())).collect();
        assert!(all.iter().all(|one| one.as_ref().is_ok_and(|one| one.allowance.is_none())));
    }
}
