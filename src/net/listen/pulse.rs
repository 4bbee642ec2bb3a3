//! What one caller's connection is about at the moment, told without locks: by the socket that bytes come, by the service
//! that requests begin and end. From it follows when the connection has had its time.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Of the time since the connection was accepted.
type Millis = AtomicU64;

pub(super) struct Pulse {
    accepted: Instant,
    head_timeout: Duration,
    keep_alive: Duration,
    /// Requests being answered, the body of the answer included.
    active: AtomicU32,
    /// Since when a head has been coming.
    head_since: Millis,
    /// A head has begun since this was last asked.
    head_began: AtomicBool,
    /// Since when there has been nothing to answer.
    idle_since: Millis,
    /// A request has come at all.
    used: AtomicBool,
    http2: AtomicBool,
    /// A request has come since all that was to be written had been.
    owes: AtomicBool,
}

/// What a look at the connection says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is wrong before then.
    LookAgain(Instant),
    /// Nobody uses it: it may end in order.
    Idle,
    /// What was begun does not come to its end.
    Late,
}

impl Pulse {
    pub(super) fn new(head_timeout: Duration, keep_alive: Duration) -> Self {
        Self {
            accepted: Instant::now(),
            head_timeout,
            keep_alive,
            active: AtomicU32::new(0),
            head_since: Millis::new(0),
            head_began: AtomicBool::new(false),
            idle_since: Millis::new(0),
            used: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            owes: AtomicBool::new(false),
        }
    }

    /// Bytes have come.
    pub(super) fn read(&self) {
        // Most bytes belong to a body, or to a head that is coming already.
        if self.active.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            // Never 0, which stands for none.
            self.head_since.store(self.now().max(1), Ordering::Relaxed);
            self.head_began.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn request_began(&self, http2: bool) {
        self.active.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Relaxed);
        self.head_began.store(false, Ordering::Relaxed);
        self.http2.store(http2, Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
        self.owes.store(true, Ordering::Relaxed);
    }

    pub(super) fn request_ended(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
        self.active.fetch_sub(1, Ordering::AcqRel);
    }

    /// Nothing waits to be written.
    pub(super) fn flushed(&self) {
        // Of an answer whose body is still being read, more will come.
        if self.active.load(Ordering::Acquire) == 0 {
            self.owes.store(false, Ordering::Relaxed);
        }
    }

    /// Whether what is written now may be part of an answer.
    pub(super) fn owes(&self) -> bool {
        self.owes.load(Ordering::Relaxed)
    }

    /// Whether a head has begun to come since this was last asked.
    pub(super) fn take_head_began(&self) -> bool {
        self.head_began.load(Ordering::Relaxed) && self.head_began.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    pub(super) fn look(&self) -> Verdict {
        if self.active.load(Ordering::Acquire) > 0 {
            return Verdict::LookAgain(Instant::now() + self.head_timeout);
        }
        // Between the requests of HTTP/2 there are frames that begin none: only its first head is timed.
        let head = self.head_since.load(Ordering::Relaxed);
        let timed = !self.is_used() || (head > 0 && !self.is_http2());
        if timed {
            return self.until(head, self.head_timeout, Verdict::Late);
        }
        self.until(self.idle_since.load(Ordering::Relaxed), self.keep_alive, Verdict::Idle)
    }

    fn until(&self, since: u64, limit: Duration, over: Verdict) -> Verdict {
        let end = self.accepted + Duration::from_millis(since) + limit;
        if Instant::now() < end { Verdict::LookAgain(end) } else { over }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const KEEP: Duration = Duration::from_secs(75);

    fn in_seconds(seconds: u64) -> Verdict {
        Verdict::LookAgain(Instant::now() + Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_used_soon_and_a_head_comes_in_one_go() {
        let pulse = Pulse::new(HEAD, KEEP);
        advance(Duration::from_secs(4)).await;
        assert_eq!(pulse.look(), in_seconds(6), "nothing has come");
        pulse.read();
        assert!(pulse.take_head_began() && !pulse.take_head_began());
        advance(Duration::from_secs(9)).await;
        pulse.read();
        assert_eq!(pulse.look(), in_seconds(1), "a further byte gives no further time");
        advance(Duration::from_secs(1)).await;
        assert_eq!(pulse.look(), Verdict::Late);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_it_may_rest_but_not_dawdle() {
        let pulse = Pulse::new(HEAD, KEEP);
        pulse.read();
        pulse.request_began(false);
        advance(Duration::from_secs(500)).await;
        assert_eq!(pulse.look(), in_seconds(10), "a request takes as long as it takes");
        pulse.request_ended();
        advance(Duration::from_secs(70)).await;
        assert_eq!(pulse.look(), in_seconds(5));
        pulse.read();
        assert_eq!(pulse.look(), in_seconds(10));
        advance(HEAD).await;
        assert_eq!(pulse.look(), Verdict::Late);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_requests_of_http2_are_no_head() {
        let pulse = Pulse::new(HEAD, KEEP);
        pulse.request_began(true);
        pulse.request_ended();
        pulse.read();
        advance(Duration::from_secs(74)).await;
        assert_eq!(pulse.look(), in_seconds(1));
        advance(Duration::from_secs(1)).await;
        assert_eq!(pulse.look(), Verdict::Idle);
    }
}
