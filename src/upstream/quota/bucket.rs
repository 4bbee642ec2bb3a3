//! One allowance of one account: who may go now, who waits, and who is told at once that waiting is of no use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

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
#[derive(Debug)]
pub struct Common {
    /// Processes that share the allowances, this one included.
    pub replicas: AtomicU32,
    waiting: AtomicUsize,
}

impl Default for Common {
    fn default() -> Self {
        Self { replicas: AtomicU32::new(1), waiting: AtomicUsize::new(0) }
    }
}

impl Common {
    pub fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed).max(1)
    }
}

#[derive(Debug)]
pub struct Bucket {
    pub provider: Arc<str>,
    pub rule: Arc<str>,
    common: Arc<Common>,
    state: Mutex<State>,
    /// Wakes who serves the queue: it opens earlier or later than was thought.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    lanes: Lanes<Waiter, { Priority::LEVELS }>,
    /// A task is serving the queue.
    driven: bool,
}

#[derive(Debug)]
enum Gate {
    Rate(Box<Rate>),
    AtOnce { most: u32, out: u32 },
}

#[derive(Debug)]
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
#[derive(Debug)]
pub struct Permit {
    bucket: Arc<Bucket>,
    /// Tells which of two answers is newer.
    pub number: u64,
    spent: bool,
    /// The vendor counts the request for as long as it is being answered.
    pub lasts: bool,
}

impl Bucket {
    pub fn new(provider: Arc<str>, rule: Arc<str>, allows: Allows, common: Arc<Common>) -> Self {
        let now = Instant::now();
        let gate = match allows {
            Allows::Rate { count, per } => Gate::Rate(Box::new(Rate::new(count, per, now))),
            Allows::AtOnce(most) => Gate::AtOnce { most, out: 0 },
        };
        let state = State { gate, lanes: Lanes::new(now), driven: false };
        Self { provider, rule, common, state: Mutex::new(state), changed: Notify::new() }
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
        if matches!(state.gate, Gate::Rate(_)) && !state.driven {
            state.driven = true;
            tokio::spawn(Arc::clone(self).drive());
        }
        Ok(Entered::Waits(answered))
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
