//! The time that tokens are judged by. It counts from the process's start with the steady clock, so that a wall clock that
//! is set to another time makes no valid token look expired.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::model::in_microseconds;

/// Less is drift, not a jump.
const JUMP: SignedDuration = SignedDuration::from_secs(30);

#[derive(Debug)]
pub struct Clock {
    anchor: Mutex<(Instant, Timestamp)>,
    wall: fn() -> Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self::with(Timestamp::now)
    }
}

impl Clock {
    fn with(wall: fn() -> Timestamp) -> Self {
        Self { anchor: Mutex::new((Instant::now(), wall())), wall }
    }

    /// In microseconds, which is what stores keep.
    pub fn now(&self) -> Timestamp {
        let (instant, timestamp) = *self.anchor.lock();
        in_microseconds(timestamp.saturating_add(instant.elapsed()).unwrap_or(timestamp))
    }

    /// The moment at which it will be `at`; a moment that has passed is now.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let now = Instant::now();
        let ahead = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        now.checked_add(ahead).unwrap_or(now)
    }

    /// By how much the wall clock has left this one, if it has.
    pub fn jump(&self) -> Option<SignedDuration> {
        let apart = (self.wall)().duration_since(self.now());
        (apart.abs() > JUMP).then_some(apart)
    }

    /// An authorization server told the time. Where it agrees with the wall clock and not with this one, the process
    /// began with a wrong clock that was put right since.
    pub fn learn(&self, headers: &HeaderMap) {
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let Some(told) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else { return };
        let wall = (self.wall)();
        let agrees = wall.duration_since(told.timestamp()).abs() <= JUMP;
        if let (true, Some(jump)) = (agrees, self.jump()) {
            tracing::warn!(seconds = jump.as_secs(), "The clock was wrong when the process began; it is right now");
            *self.anchor.lock() = (Instant::now(), wall);
        }
    }
}

/// Time that also passes while the machine sleeps, from a point that means nothing.
pub fn unsleeping() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far_ahead() -> Timestamp {
        Timestamp::now().saturating_add(SignedDuration::from_hours(2)).expect("in range")
    }

    fn dated(at: Timestamp) -> HeaderMap {
        let text = jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).expect("a date");
        HeaderMap::from_iter([(header::DATE, text.parse().expect("a header"))])
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_jumps_moves_nothing_until_a_server_agrees_with_it() {
        let mut clock = Clock::default();
        let before = clock.now();
        clock.wall = far_ahead;
        assert!(clock.jump().is_some());
        assert!(clock.now().duration_since(before).as_secs() < 5);
        clock.learn(&dated(Timestamp::now()));
        assert!(clock.jump().is_some(), "the server's time is another one");
        clock.learn(&dated(far_ahead()));
        assert!(clock.jump().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_steady_clock() {
        let clock = Clock::default();
        let at = clock.now().saturating_add(Duration::from_secs(90)).expect("in range");
        let instant = clock.instant(at);
        assert!((instant - Instant::now()).as_secs() >= 89);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(clock.now() > at);
        assert!(clock.instant(at) <= Instant::now());
    }
}
