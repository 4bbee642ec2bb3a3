//! What several processes share of one allowance beyond what each has for itself.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::limit::Window;

/// One part in so many of an allowance is divided among the processes beforehand, the rest is leased.
const DIVIDED: u32 = 5;
/// Slots of a span at the pool. A lease is good until the end of its slot.
pub const SLOTS: u32 = 10;
/// The pool answers in less; whoever waits is woken by its answer.
const ANSWERS: Duration = Duration::from_millis(20);
/// After the pool was lost it is asked again so often.
const AGAIN: Duration = Duration::from_secs(1);
/// For so long at most nobody takes more than its own part after the pool was lost or forgot everything: what was leased
/// before still counts at the vendor.
const CAREFUL: Duration = Duration::from_secs(60);
/// Who has heard for longer than this that the pool is away does not know it any more: it is asked every second, and its
/// silence takes a second.
const KNOWN: Duration = Duration::from_secs(2);
/// For so long nobody leases anything when the pool is back: by then all others know it too, and have told it what they
/// used without it.
const RETURNING: Duration = Duration::from_secs(3);

/// Who leases permits. An answer that takes too long is none.
pub trait Pool: Send + Sync + 'static {
    fn lease(&self, ask: Ask) -> BoxFuture<'_, Option<Lease>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The allowance's name among all; not secret.
    pub key: String,
    /// What is leased in a span, to all together.
    pub count: u32,
    pub per: Duration,
    pub want: u32,
    /// What is left of an earlier lease, and its slot.
    pub back: u32,
    pub back_slot: u64,
    /// What this process has used without a lease.
    pub add: u32,
    /// A pool that is younger than that knows too little to lease anything.
    pub careful: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub granted: u32,
    pub slot: u64,
    /// Counted from before it was asked for, so that it ends early rather than late.
    pub good_for: Duration,
    /// When there may be more, for an empty one.
    pub opens: Duration,
}

/// This process's side of it.
#[derive(Debug)]
pub struct Share {
    /// What it has for itself.
    own: Window,
    left: u32,
    slot: u64,
    until: Instant,
    asking: bool,
    ask_after: Instant,
    lost: Option<Instant>,
    /// When it was last heard that it is away.
    away_at: Instant,
    /// It is back, and nothing is leased before that.
    back_at: Option<Instant>,
    /// The pool has not been told yet what was used without it.
    silent: bool,
}

impl Share {
    pub fn new(per: Duration, now: Instant) -> Self {
        let own = Window::new(1, per, now);
        Self {
            own,
            left: 0,
            slot: 0,
            until: now,
            asking: false,
            ask_after: now,
            lost: None,
            away_at: now,
            back_at: None,
            silent: true,
        }
    }

    /// Takes a permit that belongs to this process.
    pub fn take(&mut self, count: u32, replicas: u32, now: Instant) -> bool {
        let own = own_part(count, replicas);
        self.own.resize(own);
        if own > 0 && self.own.take(now).is_some() {
            return true;
        }
        let leased = self.left > 0 && now < self.until;
        self.left -= u32::from(leased);
        leased
    }

    /// A permit was taken while the pool was gone: when it is back, the own part is not there once more.
    pub fn taken_without(&mut self, count: u32, replicas: u32, now: Instant) {
        self.own.resize(own_part(count, replicas));
        let _ = self.own.take(now);
    }

    /// Whether there is a permit that belongs to this process.
    pub fn has(&mut self, count: u32, replicas: u32, now: Instant) -> bool {
        let own = own_part(count, replicas);
        self.own.resize(own);
        self.left > 0 && now < self.until || own > 0 && self.own.opens(0, now) <= now
    }

    /// One that was not used.
    pub fn give_back(&mut self, now: Instant) {
        self.own.give_back(now);
    }

    /// The pool was lost so long ago that nothing of it counts any more, and is still away: everybody keeps to an equal part.
    pub fn is_gone(&self, per: Duration, now: Instant) -> bool {
        now < self.away_at + KNOWN && self.lost.is_some_and(|lost| now >= lost + per.min(CAREFUL))
    }

    /// When there may be another permit.
    pub fn opens(&mut self, count: u32, replicas: u32, now: Instant) -> Instant {
        if self.has(count, replicas, now) {
            return now;
        }
        let leased = if self.asking { now + ANSWERS } else { self.ask_after.max(now) };
        if own_part(count, replicas) == 0 { leased } else { self.own.opens(0, now).min(leased) }
    }

    /// What to ask the pool for, if it is time: ahead of need, when less than half of a batch is left.
    pub fn ask(
        &mut self,
        count: u32,
        per: Duration,
        used: u32,
        waiting: usize,
        replicas: u32,
        now: Instant,
    ) -> Option<Ask> {
        let own = own_part(count, replicas);
        let pool = count - own * replicas;
        let batch = (pool / (8 * replicas)).max(1);
        let left = if now < self.until { self.left } else { 0 };
        let own_left = if own == 0 { 0 } else { self.own.left(now).remaining };
        // While it is lost nothing of it is used, and nobody would learn that it is back.
        let enough = self.lost.is_none() && if waiting > 0 { left > 0 } else { own_left > own / 2 || left > batch / 2 };
        if self.asking || now < self.ask_after || enough {
            return None;
        }
        self.asking = true;
        // Those who wait leave at the rate: more than a slot's worth would come back unused.
        let slots_worth = if per > CAREFUL { u32::MAX } else { count / SLOTS + 1 };
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let want = batch.saturating_add(waiting).min(slots_worth.max(batch)).saturating_sub(left).max(1);
        let ended = now >= self.until;
        let back = if ended { std::mem::take(&mut self.left) } else { 0 };
        let add = if self.silent { used.saturating_sub(own) } else { 0 };
        Some(Ask {
            key: String::new(),
            count: pool,
            per,
            want,
            back,
            back_slot: self.slot,
            add,
            careful: per.min(CAREFUL),
        })
    }

    /// `asked` is when the pool was asked.
    pub fn answered(&mut self, lease: Option<Lease>, asked: Instant, now: Instant) {
        self.asking = false;
        let Some(lease) = lease else {
            self.lost.get_or_insert(now);
            self.away_at = now;
            self.back_at = None;
            self.silent = true;
            self.ask_after = now + AGAIN;
            return;
        };
        self.silent = false;
        if self.lost.take().is_some() {
            self.back_at = Some(now + RETURNING);
        }
        if let Some(back) = self.back_at.filter(|back| now < *back) {
            // It was told; what it gave goes back with the next question.
            (self.left, self.slot, self.until) = (lease.granted, lease.slot, now);
            self.ask_after = back;
            return;
        }
        self.back_at = None;
        if lease.granted == 0 {
            self.ask_after = asked + lease.opens.max(Duration::from_millis(1));
            return;
        }
        // Of two leases in one slot the second adds to the first; one of an older slot has ended.
        self.left = if lease.slot == self.slot { self.left.saturating_add(lease.granted) } else { lease.granted };
        self.slot = lease.slot;
        self.until = asked + lease.good_for;
        self.ask_after = now;
    }
}

fn own_part(count: u32, replicas: u32) -> u32 {
    count / DIVIDED / replicas.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use super::super::rate::Rate;
    use super::*;

    const COUNT: u32 = 20;
    const SPAN: u64 = 1_000;
    const TICK: u64 = 5;
    const OUT_FROM: u64 = 3_000;
    const OUT_UNTIL: u64 = 9_000;

    /// What Redis does with an ask, in milliseconds.
    #[derive(Default)]
    struct Played(BTreeMap<u64, u32>);

    impl Played {
        fn lease(&mut self, ask: &Ask, now: u64) -> Lease {
            let length = SPAN / u64::from(SLOTS);
            let slot = now / length;
            if let Some(leased) = self.0.get_mut(&ask.back_slot) {
                *leased = leased.saturating_sub(ask.back);
            }
            *self.0.entry(slot).or_default() += ask.add;
            self.0.retain(|known, _| *known + u64::from(SLOTS) + 1 >= slot);
            let used: u32 = self.0.values().sum();
            let granted = ask.want.min(ask.count.saturating_sub(used));
            *self.0.entry(slot).or_default() += granted;
            let oldest = self.0.iter().find(|(_, leased)| **leased > 0).map_or(slot, |(slot, _)| *slot);
            let opens = ((oldest + u64::from(SLOTS) + 2) * length).saturating_sub(now);
            let (good_for, opens) = (Duration::from_millis((slot + 1) * length - now), Duration::from_millis(opens));
            Lease { granted, slot, good_for, opens }
        }
    }

    /// Two servers that would send all they may from `busy_from` on, while the pool is out for six seconds, and takes so
    /// long to say nothing. When permits were given.
    fn played(busy_from: [u64; 2], silent_for: u64) -> Vec<u64> {
        let began = Instant::now();
        let at = |milliseconds: u64| began + Duration::from_millis(milliseconds);
        let mut pool = Played::default();
        let mut servers = busy_from.map(|from| (Rate::new(COUNT, Duration::from_millis(SPAN), true, began), from));
        let mut asked: [VecDeque<(u64, u64, Option<Lease>)>; 2] = Default::default();
        let mut given = Vec::new();
        for now in (0..20_000).step_by(TICK as usize) {
            for ((rate, from), asked) in servers.iter_mut().zip(&mut asked) {
                while let Some((_, since, lease)) = asked.pop_front_if(|(answers, ..)| *answers <= now) {
                    rate.answered(lease, at(since), at(now));
                }
                if now < *from {
                    continue;
                }
                while rate.take(2, at(now)).is_some() {
                    given.push(now);
                }
                if let Some(ask) = rate.ask(5, 2, at(now)) {
                    let out = (OUT_FROM..OUT_UNTIL).contains(&now);
                    let lease = (!out).then(|| pool.lease(&ask, now));
                    asked.push_back((now + if out { silent_for } else { TICK }, now, lease));
                }
            }
        }
        given
    }

    /// However it goes away and comes back, and whoever notices it first.
    #[test]
    fn a_pool_that_comes_back_gives_nothing_twice() {
        for silent_for in [TICK, 1_000] {
            // The other has work all the time, or begins when it is out, or in the second in which it comes back, or later.
            for second in [0, 5_000, OUT_UNTIL - 500, OUT_UNTIL + 5, OUT_UNTIL + 700, OUT_UNTIL + 2_500] {
                // Who begins before the first one has asked again finds a pool that knows nothing of what that one used,
                // and has not heard that it was out.
                let unknowing = second > OUT_UNTIL && second < OUT_UNTIL + 2_000;
                let most = if unknowing { COUNT + COUNT / 2 } else { COUNT };
                let given = played([0, second], silent_for);
                for first in &given {
                    let within = given.iter().filter(|at| (*first..first + SPAN).contains(*at)).count();
                    assert!(within <= most as usize, "{within} from {first} ms on; {silent_for} ms, {second} ms");
                }
                let late = given.iter().filter(|at| **at >= OUT_UNTIL + 5_000).count();
                // Six seconds are left.
                assert!(late >= 6 * COUNT as usize * 3 / 4, "it is used again: {late} of 120");
            }
        }
    }
}
