//! The generic cell rate algorithm: a rate with a burst, kept as one point in time.

use std::time::Duration;

use tokio::time::Instant;

/// So many in a time, of which the first may all come at once.
#[derive(Debug, Clone)]
pub struct Gcra {
    /// Between two of them at the full rate.
    interval: Duration,
    /// How far ahead of the rate the burst may run.
    ahead: Duration,
    /// When the next one would come if all came at the full rate.
    due: Option<Instant>,
}

impl Gcra {
    /// `count` in `per`, at once if need be. Neither is zero.
    pub fn new(count: u32, per: Duration) -> Self {
        let interval = per / count.max(1);
        Self { interval, ahead: per.saturating_sub(interval), due: None }
    }

    /// Takes one if there is one; otherwise how long until there is.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let due = self.due.map_or(now, |due| due.max(now));
        let early = due.saturating_duration_since(now);
        if early > self.ahead {
            return Err(early - self.ahead);
        }
        self.due = Some(due + self.interval);
        Ok(())
    }

    /// `rate` in a second, of which `burst` may come at once.
    pub fn with_burst(rate: u32, burst: u32) -> Self {
        let burst = burst.max(1);
        Self::new(burst, Duration::from_secs(1) * burst / rate.max(1))
    }

    /// How many could be taken at once.
    pub fn left(&self, now: Instant) -> u32 {
        let free = (self.ahead + self.interval).saturating_sub(self.until_full(now));
        u32::try_from(free.as_nanos() / self.interval.as_nanos().max(1)).unwrap_or(u32::MAX)
    }

    /// Until the whole burst could be taken again.
    pub fn until_full(&self, now: Instant) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Nothing before `until`: the other side said so.
    pub fn hold(&mut self, until: Instant) {
        let due = until + self.ahead;
        self.due = Some(self.due.map_or(due, |before| before.max(due)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_rate() {
        let mut rate = Gcra::new(10, Duration::from_secs(10));
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(rate.take(start), Ok(()));
        }
        assert_eq!(rate.take(start), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(start + Duration::from_secs(1)), Ok(()));
        assert!(rate.take(start + Duration::from_secs(1)).is_err());
        assert_eq!(rate.take(start + Duration::from_secs(60)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_counted() {
        let mut rate = Gcra::with_burst(10, 20);
        let start = Instant::now();
        assert_eq!((rate.left(start), rate.until_full(start)), (20, Duration::ZERO));
        for left in (0..20).rev() {
            assert_eq!(rate.take(start), Ok(()));
            assert_eq!(rate.left(start), left);
        }
        assert_eq!(rate.until_full(start), Duration::from_secs(2));
        assert_eq!(rate.take(start), Err(Duration::from_millis(100)));
        assert_eq!(rate.left(start + Duration::from_secs(1)), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_comes_back_with_one_at_a_time() {
        let mut rate = Gcra::new(2, Duration::from_secs(2));
        let start = Instant::now();
        rate.hold(start + Duration::from_secs(5));
        assert_eq!(rate.take(start), Err(Duration::from_secs(5)));
        assert_eq!(rate.take(start + Duration::from_secs(5)), Ok(()));
        assert!(rate.take(start + Duration::from_secs(5)).is_err());
    }
}
