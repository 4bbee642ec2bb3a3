//! The window of one allowance with this process's part in it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::pool::{Ask, Lease, Share};
use crate::limit::{LONG, Left, Window};

/// Vendors begin a day anew at midnight of some time zone, which is a whole or half hour everywhere.
const HALF_HOUR: i64 = 1_800;

#[derive(Debug)]
pub struct Rate {
    pub window: Window,
    per: Duration,
    exhausted: bool,
    /// Where there is a pool: counted only while there are others.
    share: Option<Box<Share>>,
}

impl Rate {
    pub fn new(count: u32, per: Duration, pooled: bool, now: Instant) -> Self {
        let share = pooled.then(|| Box::new(Share::new(per, now)));
        Self { window: Window::new(count, per, now), per, exhausted: false, share }
    }

    pub fn take(&mut self, replicas: u32, now: Instant) -> Option<u64> {
        self.keep_to(replicas, now);
        let number = self.window.take(now)?;
        self.if_ours(number, replicas, now)
    }

    pub fn take_in_turn(&mut self, replicas: u32, now: Instant) -> Option<u64> {
        self.keep_to(replicas, now);
        let count = self.window.count();
        // Looked at before, so that nobody's turn goes by for want of a permit.
        if self.pooled(replicas, now).is_some_and(|share| !share.has(count, replicas, now)) {
            return None;
        }
        let number = self.window.take_in_turn(now)?;
        self.if_ours(number, replicas, now)
    }

    pub fn opens(&mut self, ahead: usize, replicas: u32, now: Instant) -> Instant {
        self.keep_to(replicas, now);
        let opens = self.window.opens(u32::try_from(ahead).unwrap_or(u32::MAX), now);
        let count = self.window.count();
        match self.pooled(replicas, now) {
            Some(share) => share.opens(count, replicas, now).max(opens),
            None => opens,
        }
    }

    pub fn give_back(&mut self, now: Instant) {
        self.window.give_back(now);
        if let Some(share) = &mut self.share {
            share.give_back(now);
        }
    }

    /// What to ask the pool for, if it is time.
    pub fn ask(&mut self, waiting: usize, replicas: u32, now: Instant) -> Option<Ask> {
        // One that is gone is asked as well, or nobody would learn that it is back.
        let share = self.share.as_deref_mut().filter(|_| replicas > 1)?;
        share.ask(self.window.count(), self.per, self.window.used(now), waiting, replicas, now)
    }

    pub fn answered(&mut self, lease: Option<Lease>, asked: Instant, now: Instant) {
        if let Some(share) = &mut self.share {
            share.answered(lease, asked, now);
        }
    }

    /// The vendor allows it; this process may do it only with a permit of its own.
    fn if_ours(&mut self, number: u64, replicas: u32, now: Instant) -> Option<u64> {
        let count = self.window.count();
        let ours = match self.pooled(replicas, now) {
            Some(share) => share.take(count, replicas, now),
            None => {
                if let Some(share) = &mut self.share {
                    share.taken_without(count, replicas, now);
                }
                true
            }
        };
        if !ours {
            self.window.give_back(now);
        }
        ours.then_some(number)
    }

    fn pooled(&mut self, replicas: u32, now: Instant) -> Option<&mut Share> {
        let per = self.per;
        self.share.as_deref_mut().filter(|share| replicas > 1 && !share.is_gone(per, now))
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
                // It holds until then and is whole again after it: nothing has to be counted for it.
                self.window.tell(number, None, limit, replicas, now);
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
        self.keep_to(replicas, now);
        self.window.left(now)
    }

    fn keep_to(&mut self, replicas: u32, now: Instant) {
        let whole = replicas == 1 || self.pooled(replicas, now).is_some();
        let part = if whole { u32::MAX } else { self.window.count() / replicas };
        self.window.keep_to(part);
    }
}

pub fn until_half_hour() -> Duration {
    let second = Timestamp::now().as_second().rem_euclid(HALF_HOUR);
    Duration::from_secs(u64::try_from(HALF_HOUR - second).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WEEK: u64 = 7 * 86_400;

    /// What one answer tells: what is left, the limit, and in how many seconds it begins anew; and whether it holds.
    type Told = (Option<u32>, Option<u32>, Option<u64>, bool);

    fn tellings() -> impl Strategy<Value = Vec<(Told, u64)>> {
        let number = || prop::option::of(prop_oneof![Just(0_u32), 1..200_u32, any::<u32>()]);
        // A limit of nothing is none, and no time is longer than a week: the catalog sees to both.
        let limit = number().prop_map(|limit| limit.filter(|limit| *limit > 0));
        let told = (number(), limit, prop::option::of(0..=WEEK), any::<bool>());
        prop::collection::vec((told, 0..100_000_u64), 1..20)
    }

    proptest! {
        #[test]
        fn whatever_a_vendor_tells_a_permit_comes_in_bounded_time(
            count in 1..2_000_u32,
            per in prop_oneof![1..100_u64, Just(86_400)],
            replicas in 1..6_u32,
            pooled in any::<bool>(),
            tellings in tellings(),
        ) {
            let (began, per) = (Instant::now(), Duration::from_secs(per));
            let mut now = began;
            let mut rate = Rate::new(count, per, pooled, now);
            for ((remaining, limit, reset, holds), later) in tellings {
                let number = rate.take(replicas, now);
                let reset = reset.map(Duration::from_secs);
                rate.tell(number, remaining, limit, reset, replicas, now);
                if let (true, Some(reset)) = (holds, reset) {
                    rate.hold(now + reset, reset >= LONG);
                }
                now += Duration::from_millis(later);
            }
            // The longest hold, a day that begins anew, and a span with its slots; a lost pool is left after a minute.
            let longest = now + Duration::from_secs(WEEK) + per * 2 + Duration::from_secs(120);
            let opens = rate.opens(0, replicas, now);
            prop_assert!(opens <= longest, "{:?}", opens - now);
            rate.answered(None, now, now);
            while rate.take(replicas, now).is_none() {
                prop_assert!(now <= longest, "nothing after {:?}", now - began);
                // Whoever waits asks the pool, which stays away.
                if rate.ask(1, replicas, now).is_some() {
                    rate.answered(None, now, now);
                }
                now = rate.opens(0, replicas, now).max(now + Duration::from_millis(1));
            }
        }
    }
}
