//! Where the time of one request went, how often the provider was asked for it, and what is left of the limits it met.
//! Shared by all that work on it and read once: for `Server-Timing`, `RateLimit` and what is written down of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Allowance, Trace, Transcript};

/// Statuses of a provider that are remembered of one request: the first ones.
const STATUSES: usize = 8;

/// Sums in nanoseconds; a request that asks the provider twice adds twice.
#[derive(Debug, Default)]
pub struct Timings {
    upstream: AtomicU64,
    quota: AtomicU64,
    mapping: AtomicU64,
    allowances: Mutex<Vec<Allowance>>,
    attempts: AtomicU32,
    retries: AtomicU32,
    statuses: Mutex<Statuses>,
    trace: Trace,
    transcript: OnceLock<Arc<Transcript>>,
}

/// What the provider answered, in that order; 0 stands for no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Statuses {
    count: usize,
    first: [u16; STATUSES],
}

impl Timings {
    /// Of a request that is traced so.
    pub fn under(trace: Trace) -> Self {
        Self { trace, ..Self::default() }
    }

    /// The span of the whole request.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// From here on what is said is taken down.
    pub fn transcribe(&self) {
        self.transcript.get_or_init(Transcript::begin);
    }

    /// Where what is said is taken down, if it is.
    pub fn transcript(&self) -> Option<&Arc<Transcript>> {
        self.transcript.get()
    }

    /// The provider is asked.
    pub fn begin_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// The provider answered with this status, or not at all.
    pub fn end_attempt(&self, status: Option<u16>) {
        let mut statuses = self.statuses.lock();
        let count = statuses.count;
        if let Some(slot) = statuses.first.get_mut(count) {
            *slot = status.unwrap_or_default();
            statuses.count += 1;
        }
    }

    /// The same is sent once more after a failure.
    pub fn add_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// What the provider answered at first; none where there was no answer.
    pub fn statuses(&self) -> Vec<Option<u16>> {
        let statuses = *self.statuses.lock();
        statuses.first.iter().take(statuses.count).map(|status| (*status > 0).then_some(*status)).collect()
    }

    /// Waiting for the provider: from sending a request to the last byte of the answer that was read here.
    pub fn add_upstream(&self, time: Duration) {
        add(&self.upstream, time);
    }

    /// Waiting for a permit of the provider's allowance.
    pub fn add_quota(&self, time: Duration) {
        add(&self.quota, time);
    }

    /// Computing mappings, both ways.
    pub fn add_mapping(&self, time: Duration) {
        add(&self.mapping, time);
    }

    /// A limit that the request met. Of two words on one policy the later one counts.
    pub fn tell_allowance(&self, allowance: Allowance) {
        let mut allowances = self.allowances.lock();
        allowances.retain(|told| told.policy != allowance.policy);
        allowances.push(allowance);
    }

    /// All limits that the request met.
    pub fn allowances(&self) -> Vec<Allowance> {
        self.allowances.lock().clone()
    }

    pub fn upstream(&self) -> Duration {
        Duration::from_nanos(self.upstream.load(Ordering::Relaxed))
    }

    pub fn quota(&self) -> Duration {
        Duration::from_nanos(self.quota.load(Ordering::Relaxed))
    }

    pub fn mapping(&self) -> Duration {
        Duration::from_nanos(self.mapping.load(Ordering::Relaxed))
    }

    /// What of `total` is neither the provider's time nor waiting for its allowance. Mapping is part of it. Zero where
    /// requests ran side by side and add up to more than the whole.
    pub fn overhead(&self, total: Duration) -> Duration {
        total.saturating_sub(self.upstream()).saturating_sub(self.quota())
    }

    /// The value of `Server-Timing`, in milliseconds.
    pub fn server_timing(&self, total: Duration) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        format!(
            "upstream;dur={:.3}, quota;dur={:.3}, mapping;dur={:.3}, overhead;dur={:.3}",
            ms(self.upstream()),
            ms(self.quota()),
            ms(self.mapping()),
            ms(self.overhead(total))
        )
    }
}

fn add(sum: &AtomicU64, time: Duration) {
    sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_their_first_answers_remembered() {
        let timings = Timings::default();
        for status in [Some(503), None, Some(200)].into_iter().chain([Some(201); 9]) {
            timings.begin_attempt();
            timings.end_attempt(status);
        }
        timings.begin_attempt();
        assert_eq!((timings.attempts(), timings.statuses().len()), (13, STATUSES));
        assert_eq!(timings.statuses()[..4], [Some(503), None, Some(200), Some(201)]);
    }

    #[test]
    fn overhead_is_what_is_ours() {
        let timings = Timings::default();
        timings.add_upstream(Duration::from_millis(80));
        timings.add_upstream(Duration::from_millis(20));
        timings.add_quota(Duration::from_millis(5));
        timings.add_mapping(Duration::from_micros(1500));
        let text = timings.server_timing(Duration::from_millis(108));
        assert_eq!(text, "upstream;dur=100.000, quota;dur=5.000, mapping;dur=1.500, overhead;dur=3.000");
        assert_eq!(timings.overhead(Duration::from_millis(1)), Duration::ZERO);
    }
}
