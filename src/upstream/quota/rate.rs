//! The window of one allowance with this process's part in it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::limit::{LONG, Left, Window};

/// Vendors begin a day anew at midnight of some time zone, which is a whole or half hour everywhere.
const HALF_HOUR: i64 = 1_800;

#[derive(Debug)]
pub struct Rate {
    pub window: Window,
    per: Duration,
    exhausted: bool,
}

impl Rate {
    pub fn new(count: u32, per: Duration, now: Instant) -> Self {
        Self { window: Window::new(count, per, now), per, exhausted: false }
    }

    pub fn take(&mut self, replicas: u32, now: Instant) -> Option<u64> {
        self.keep_to(replicas);
        self.window.take(now)
    }

    pub fn take_in_turn(&mut self, replicas: u32, now: Instant) -> Option<u64> {
        self.keep_to(replicas);
        self.window.take_in_turn(now)
    }

    pub fn opens(&mut self, ahead: usize, replicas: u32, now: Instant) -> Instant {
        self.keep_to(replicas);
        self.window.opens(u32::try_from(ahead).unwrap_or(u32::MAX), now)
    }

    pub fn give_back(&mut self, now: Instant) {
        self.window.give_back(now);
    }

    pub fn tell(
        &mut self,
        number: Option<u64>,
        remaining: Option<u32>,
        limit: Option<u32>,
        reset: Option<Duration>,
        replicas: u32,
        now: Instant,
    ) {
        let number = number.unwrap_or_else(|| self.window.given());
        match (remaining, reset) {
            // A probe finds out when it has begun anew, which the vendor did not say.
            (Some(0), None) if self.per >= LONG => {
                self.window.tell(number, Some(replicas), limit, replicas, now);
                self.hold(now + until_half_hour(), true);
            }
            (Some(0), Some(reset)) => {
                self.window.tell(number, remaining, limit, replicas, now);
                self.hold(now + reset, self.per >= LONG);
            }
            _ => self.window.tell(number, remaining, limit, replicas, now),
        }
    }

    pub fn hold(&mut self, until: Instant, exhausted: bool) {
        self.window.hold(until);
        self.exhausted |= exhausted;
    }

    pub fn is_exhausted(&self, now: Instant) -> bool {
        self.per >= LONG || self.exhausted && self.window.held(now).is_some()
    }

    pub fn left(&mut self, replicas: u32, now: Instant) -> Left {
        self.keep_to(replicas);
        self.window.left(now)
    }

    fn keep_to(&mut self, replicas: u32) {
        let part = if replicas == 1 { u32::MAX } else { self.window.count() / replicas };
        self.window.keep_to(part);
    }
}

pub fn until_half_hour() -> Duration {
    let second = Timestamp::now().as_second().rem_euclid(HALF_HOUR);
    Duration::from_secs(u64::try_from(HALF_HOUR - second).unwrap_or_default())
}
