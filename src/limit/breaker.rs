//! A breaker: after failures in a row nothing is sent for a while, then one request finds out whether it works again.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Clone)]
pub struct Breaker {
    /// Failures in a row that open it.
    threshold: u32,
    first_pause: Duration,
    longest_pause: Duration,
    failures: u32,
    /// How often it opened since it last worked.
    openings: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One request is on its way; whoever comes meanwhile waits for what becomes of it, but not beyond `until`.
    Probing {
        until: Instant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Granted,
    /// Not before that time has passed.
    Refused(Duration),
}

impl Breaker {
    pub fn new(threshold: u32, first_pause: Duration, longest_pause: Duration) -> Self {
        Self { threshold, first_pause, longest_pause, failures: 0, openings: 0, state: State::Closed }
    }

    pub fn ask(&mut self, now: Instant) -> Permit {
        match self.state {
            State::Closed => Permit::Granted,
            State::Open { until } | State::Probing { until } if until > now => Permit::Refused(until - now),
            State::Open { .. } | State::Probing { .. } => {
                // A probe that never tells its end must not keep it shut.
                self.state = State::Probing { until: now + self.pause() };
                Permit::Granted
            }
        }
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.openings = 0;
        self.state = State::Closed;
    }

    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let probing = matches!(self.state, State::Probing { .. });
        if probing || self.failures >= self.threshold {
            self.open_until(now + self.pause());
        }
    }

    /// The probe's end says nothing: the next request is the probe.
    pub fn undecided(&mut self, now: Instant) {
        if matches!(self.state, State::Probing { .. }) {
            self.state = State::Open { until: now };
        }
    }

    /// Opens it for a time that is known, whatever came before.
    pub fn open_until(&mut self, until: Instant) {
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { until };
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    fn pause(&self) -> Duration {
        self.first_pause.saturating_mul(2_u32.saturating_pow(self.openings)).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_one_request_closes_it() {
        let mut breaker = Breaker::new(3, SECOND, SECOND * 4);
        let start = Instant::now();
        for _ in 0..2 {
            breaker.failed(start);
            assert_eq!(breaker.ask(start), Permit::Granted);
        }
        breaker.failed(start);
        assert_eq!(breaker.ask(start), Permit::Refused(SECOND));
        let later = start + SECOND;
        assert_eq!(breaker.ask(later), Permit::Granted);
        assert!(matches!(breaker.ask(later), Permit::Refused(_)), "one at a time");
        breaker.succeeded();
        assert_eq!(breaker.ask(later), Permit::Granted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_for_longer() {
        let mut breaker = Breaker::new(1, SECOND, SECOND * 4);
        let mut now = Instant::now();
        for pause in [1, 2, 4, 4] {
            breaker.failed(now);
            assert_eq!(breaker.ask(now), Permit::Refused(SECOND * pause));
            now += SECOND * pause;
            assert_eq!(breaker.ask(now), Permit::Granted);
        }
        assert!(!breaker.is_closed());
    }
}
