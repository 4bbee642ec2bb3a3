//! One allowance of one account: who may go now, who waits, and who is told at once that waiting is of no use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::pool::{Ask, Pool};
use super::rate::Rate;
use crate::catalog::Allows;
use crate::limit::{Lanes, Left};
use crate::model::Priority;

/// Those who may wait for one allowance. Ten seconds of a fast vendor's are fewer.
pub const QUEUE: usize = 1_000;
/// Those who may wait in the whole process; each holds a request in memory.
pub const WAITING: usize = 10_000;
/// The driver's shortest sleep, so that a rounding error is no busy loop.
const TICK: Duration = Duration::from_millis(1);

/// What all allowances of a process have in common.
pub struct Common {
    /// Processes that share the allowances, this one included.
    pub replicas: AtomicU32,
    waiting: AtomicUsize,
    /// What leases permits to all of them.
    pool: Option<Arc<dyn Pool>>,
}

impl Default for Common {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Common {
    pub fn new(pool: Option<Arc<dyn Pool>>) -> Self {
        Self { replicas: AtomicU32::new(1), waiting: AtomicUsize::new(0), pool }
    }

    pub fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed).max(1)
    }
}

pub struct Bucket {
    /// Its name among all buckets.
    key: String,
    pub provider: Arc<str>,
    pub rule: Arc<str>,
    common: Arc<Common>,
    state: Mutex<State>,
    /// Wakes who serves the queue: it opens earlier or later than was thought.
    changed: Notify,
}

struct State {
    gate: Gate,
    lanes: Lanes<Waiter, { Priority::LEVELS }>,
    /// A task is serving the queue.
    driven: bool,
}

enum Gate {
    Rate(Box<Rate>),
    AtOnce { most: u32, out: u32 },
}

struct Waiter {
    /// Not longer.
    by: Instant,
    answer: oneshot::Sender<Result<Permit, Refusal>>,
}

/// Who asks, for its place among those who wait.
#[derive(Debug, Clone)]
pub struct Asks {
    pub priority: Priority,
    /// Callers take turns by this.
    pub caller: Arc<str>,
    pub by: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not before that time has passed, if that is known.
    Later(Option<Duration>),
    /// Too many wait already.
    Full,
}

/// Leave to send one request. Dropped without [`Permit::spend`] it goes back.
pub struct Permit {
    bucket: Arc<Bucket>,
    /// Tells which of two answers is newer.
    pub number: u64,
    spent: bool,
    /// The vendor counts the request for as long as it is being answered.
    pub lasts: bool,
}

impl Bucket {
    pub fn new(key: String, provider: Arc<str>, rule: Arc<str>, allows: Allows, common: Arc<Common>) -> Self {
        let now = Instant::now();
        let gate = match allows {
            Allows::Rate { count, per } => Gate::Rate(Box::new(Rate::new(count, per, common.pool.is_some(), now))),
            Allows::AtOnce(most) => Gate::AtOnce { most, out: 0 },
        };
        let state = State { gate, lanes: Lanes::new(now), driven: false };
        Self { key, provider, rule, common, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Waits until `asks.by` at the longest, and not at all if it is known that it would be longer.
    pub async fn take(self: &Arc<Self>, asks: &Asks) -> Result<Permit, Refusal> {
        let answered = match self.enter(asks)? {
            Entered::Granted(permit) => return Ok(permit),
            Entered::Waits(answered) => answered,
        };
        let _counted = Counted::new(&self.common);
        match timeout_at(asks.by, answered).await {
            Ok(Ok(answer)) => answer,
            _ => Err(Refusal::Later(self.opens(0))),
        }
    }

    fn enter(self: &Arc<Self>, asks: &Asks) -> Result<Entered, Refusal> {
        let now = Instant::now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let replicas = self.common.replicas();
        if state.lanes.is_empty()
            && let Some(number) = state.gate.take(replicas, now)
        {
            let lasts = matches!(state.gate, Gate::AtOnce { .. });
            self.lease(state, now);
            return Ok(Entered::Granted(self.permit(number, lasts)));
        }
        if let Gate::Rate(rate) = &mut state.gate {
            let ahead = state.lanes.ahead(asks.priority.level(), &asks.caller);
            let opens = rate.opens(ahead, replicas, now);
            if opens > asks.by {
                return Err(Refusal::Later(Some(opens - now)));
            }
        }
        if state.lanes.len() >= QUEUE {
            state.lanes.take_out(|waiter| waiter.answer.is_closed());
        }
        if state.lanes.len() >= QUEUE || self.common.waiting.load(Ordering::Relaxed) >= WAITING {
            return Err(Refusal::Full);
        }
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter { by: asks.by, answer };
        state.lanes.push(asks.priority.level(), Arc::clone(&asks.caller), waiter, now);
        self.lease(state, now);
        if matches!(state.gate, Gate::Rate(_)) && !state.driven {
            state.driven = true;
            tokio::spawn(Arc::clone(self).drive());
        }
        Ok(Entered::Waits(answered))
    }

    /// Asks the pool for more, if it is time, without anybody's waiting for it here.
    fn lease(self: &Arc<Self>, state: &mut State, now: Instant) {
        let Gate::Rate(rate) = &mut state.gate else { return };
        let (Some(pool), replicas) = (self.common.pool.clone(), self.common.replicas()) else { return };
        let Some(ask) = rate.ask(state.lanes.len(), replicas, now) else { return };
        let bucket = Arc::clone(self);
        tokio::spawn(async move {
            let ask = Ask { key: bucket.key.clone(), ..ask };
            let asked = Instant::now();
            let lease = pool.lease(ask).await;
            if let Gate::Rate(rate) = &mut bucket.state.lock().gate {
                rate.answered(lease, asked, Instant::now());
            }
            bucket.changed.notify_one();
        });
    }

    fn permit(self: &Arc<Self>, number: u64, lasts: bool) -> Permit {
        Permit { bucket: Arc::clone(self), number, spent: false, lasts }
    }

    /// Serves the queue until it is empty.
    async fn drive(self: Arc<Self>) {
        loop {
            let Some(next) = self.serve(Instant::now()) else { return };
            let next = next.max(Instant::now() + TICK);
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Lets go who may, and sends away whose time will be over before. When to look again; none once nobody waits.
    fn serve(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let mut unwanted = Vec::new();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Gate::Rate(rate) = &mut state.gate else { return None };
        let replicas = self.common.replicas();
        state.lanes.take_out(|waiter| waiter.answer.is_closed());
        while !state.lanes.is_empty() {
            let Some(number) = rate.take_in_turn(replicas, now) else { break };
            match state.lanes.pop(now) {
                Some(waiter) => unwanted.extend(waiter.answer.send(Ok(self.permit(number, false))).err()),
                None => break,
            }
        }
        let next = rate.opens(0, replicas, now);
        for waiter in state.lanes.take_out(|waiter| waiter.by < next) {
            // An error means that it has left.
            let _ = waiter.answer.send(Err(Refusal::Later(Some(next - now))));
        }
        state.driven = !state.lanes.is_empty();
        let again = state.driven.then_some(next);
        if state.driven {
            self.lease(state, now);
        }
        drop(guard);
        // They lock the state when they go back.
        drop(unwanted);
        again
    }

    /// What the vendor told with the permit of this number; without one it is as new as it can be.
    pub fn tell(&self, number: Option<u64>, remaining: Option<u32>, limit: Option<u32>, reset: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        match &mut state.gate {
            Gate::Rate(rate) => rate.tell(number, remaining, limit, reset, self.common.replicas(), now),
            Gate::AtOnce { most, .. } => *most = limit.unwrap_or(*most).max(1),
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing is sent for so long.
    pub fn hold(&self, delay: Duration, exhausted: bool) {
        if let Gate::Rate(rate) = &mut self.state.lock().gate {
            rate.hold(Instant::now() + delay, exhausted);
        }
        self.changed.notify_one();
    }

    /// The vendor said "too much" and nothing else. For how long nothing is sent now.
    pub fn refused(&self) -> Option<Duration> {
        let now = Instant::now();
        let delay = match &mut self.state.lock().gate {
            Gate::Rate(rate) => Some(rate.window.refused(now) - now),
            Gate::AtOnce { .. } => None,
        };
        self.changed.notify_one();
        delay
    }

    pub fn accepted(&self) {
        if let Gate::Rate(rate) = &mut self.state.lock().gate {
            rate.window.accepted(Instant::now());
        }
    }

    /// What is left of a rate; none of what counts requests at the same time.
    pub fn left(&self) -> Option<Left> {
        match &mut self.state.lock().gate {
            Gate::Rate(rate) => Some(rate.left(self.common.replicas(), Instant::now())),
            Gate::AtOnce { .. } => None,
        }
    }

    /// Whether the vendor says that it is used up, for longer than a request can wait.
    pub fn is_exhausted(&self) -> bool {
        match &self.state.lock().gate {
            Gate::Rate(rate) => rate.is_exhausted(Instant::now()),
            Gate::AtOnce { .. } => false,
        }
    }

    fn opens(&self, ahead: usize) -> Option<Duration> {
        let now = Instant::now();
        match &mut self.state.lock().gate {
            Gate::Rate(rate) => Some(rate.opens(ahead, self.common.replicas(), now) - now),
            Gate::AtOnce { .. } => None,
        }
    }

    /// Whether forgetting it would change nothing.
    pub fn is_idle(&self) -> bool {
        let mut state = self.state.lock();
        state.lanes.is_empty()
            && match &mut state.gate {
                Gate::Rate(rate) => rate.window.is_idle(Instant::now()),
                Gate::AtOnce { out, .. } => *out == 0,
            }
    }

    fn give_back(self: &Arc<Self>) {
        let now = Instant::now();
        let mut unwanted = Vec::new();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        match &mut state.gate {
            Gate::Rate(rate) => rate.give_back(now),
            Gate::AtOnce { most, out } => {
                *out = out.saturating_sub(1);
                let part = (*most / self.common.replicas()).max(1);
                while *out < part
                    && let Some(waiter) = state.lanes.pop(now)
                {
                    // Who has left is passed over here, so that its permit does not come back through its own drop.
                    if !waiter.answer.is_closed() {
                        *out += 1;
                        unwanted.extend(waiter.answer.send(Ok(self.permit(0, true))).err());
                    }
                }
            }
        }
        drop(guard);
        drop(unwanted);
        self.changed.notify_one();
    }
}

enum Entered {
    Granted(Permit),
    Waits(oneshot::Receiver<Result<Permit, Refusal>>),
}

impl Gate {
    fn take(&mut self, replicas: u32, now: Instant) -> Option<u64> {
        match self {
            Gate::Rate(rate) => rate.take(replicas, now),
            Gate::AtOnce { most, out } => {
                let part = (*most / replicas).max(1);
                (*out < part).then(|| *out += 1).map(|()| 0)
            }
        }
    }
}

impl Permit {
    /// The request is being sent: the vendor counts it.
    pub fn spend(&mut self) {
        self.spent = true;
    }

    /// It was not sent after all.
    pub fn unspend(&mut self) {
        self.spent = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.spent || self.lasts {
            self.bucket.give_back();
        }
    }
}

/// One of those who wait, however its waiting ends.
struct Counted<'c>(&'c Common);

impl<'c> Counted<'c> {
    fn new(common: &'c Common) -> Self {
        common.waiting.fetch_add(1, Ordering::Relaxed);
        Self(common)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bucket(allows: Allows) -> Arc<Bucket> {
        Arc::new(Bucket::new("key".into(), "acme".into(), "burst".into(), allows, Arc::default()))
    }

    fn asks(caller: &str, patience: Duration) -> Asks {
        Asks { priority: Priority::READ, caller: caller.into(), by: Instant::now() + patience }
    }

    async fn spent(bucket: &Arc<Bucket>, asks: Asks) -> Result<Duration, Refusal> {
        let began = Instant::now();
        let mut permit = bucket.take(&asks).await?;
        permit.spend();
        Ok(began.elapsed())
    }

    /// S-42: ten thousand at once. A bounded number waits, for a bounded time; the others are told at once.
    #[tokio::test(start_paused = true)]
    async fn a_crowd_waits_in_bounds() {
        let bucket = bucket(Allows::Rate { count: 100, per: SECOND });
        let began = Instant::now();
        let crowd = (0..10_000).map(|number| {
            let bucket = Arc::clone(&bucket);
            let asks = asks(&format!("caller {}", number % 7), SECOND * 10);
            tokio::spawn(async move { (spent(&bucket, asks).await, Instant::now()) })
        });
        let crowd: Vec<_> = crowd.collect();
        let (mut sent, mut at_once, mut longest) = (Vec::new(), 0, Duration::ZERO);
        for one in crowd {
            match one.await.expect("no panic") {
                (Ok(waited), at) => {
                    longest = longest.max(waited);
                    sent.push(at);
                }
                (Err(_), at) => at_once += usize::from(at == began),
            }
        }
        assert!(longest <= SECOND * 10, "{longest:?}");
        assert!((900..=1_100).contains(&sent.len()), "{}", sent.len());
        assert!(at_once >= 8_900, "{at_once}");
        sent.sort();
        for first in &sent {
            let within = sent.iter().filter(|at| **at >= *first && **at - *first < SECOND).count();
            assert!(within <= 100, "{within}");
        }
        assert!(bucket.state.lock().lanes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_sends_away_those_whose_time_is_over_before() {
        let bucket = bucket(Allows::Rate { count: 1, per: SECOND });
        assert_eq!(spent(&bucket, asks("a", SECOND)).await, Ok(Duration::ZERO));
        let waiting = tokio::spawn({
            let bucket = Arc::clone(&bucket);
            async move { spent(&bucket, asks("a", SECOND * 10)).await }
        });
        tokio::task::yield_now().await;
        bucket.hold(SECOND * 3600, false);
        let began = Instant::now();
        assert!(matches!(waiting.await.expect("no panic"), Err(Refusal::Later(Some(delay))) if delay >= SECOND * 3599));
        assert!(began.elapsed() < SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_spent_goes_back() {
        let bucket = bucket(Allows::AtOnce(1));
        let held = bucket.take(&asks("a", SECOND)).await.expect("free");
        assert_eq!(spent(&bucket, asks("b", SECOND)).await, Err(Refusal::Later(None)), "for a second");
        let next = tokio::spawn({
            let bucket = Arc::clone(&bucket);
            async move { spent(&bucket, asks("b", SECOND)).await }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(next.await.expect("no panic").is_ok());
        assert!(bucket.is_idle());
        let rate = self::bucket(Allows::Rate { count: 1, per: SECOND });
        drop(rate.take(&asks("a", SECOND)).await.expect("free"));
        assert_eq!(spent(&rate, asks("a", SECOND)).await, Ok(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_several_processes_keeps_to_its_part() {
        let common = Arc::new(Common::default());
        common.replicas.store(4, Ordering::Relaxed);
        let allows = Allows::Rate { count: 10, per: SECOND };
        let bucket = Arc::new(Bucket::new("key".into(), "acme".into(), "burst".into(), allows, common));
        let mut sent = 0;
        while spent(&bucket, asks("a", Duration::ZERO)).await.is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 2, "a quarter of ten");
    }
}
