//! A vendor's allowance of so many requests in a time, counted so that no span of that time ever holds more.
//!
//! A rate with a burst ([`super::Gcra`]) admits nearly twice its count in one span: the burst, and what grows meanwhile.
//! Vendors count spans, so the requests themselves are counted here, in 32 slots of a span. One leaves the count when its
//! slot is older than the span and one slot more: by so much requests may overtake each other on their way.

use std::time::Duration;

use tokio::time::Instant;

use super::jittered;

/// Slots of a span. What is not used for their coarseness is one or two of them: 3 to 6 %.
const SLOTS: u32 = 32;
const KEPT: usize = SLOTS as usize + 2;

/// The share of the count that is used, in parts: halved when the vendor says "too much" and nothing else.
const WHOLE: u32 = 16;
/// What a vendor is left alone for that refuses without saying how long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Of a longer span the vendor's word counts more than ours: it begins anew at a time that only the vendor knows.
pub const LONG: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub struct Window {
    count: u32,
    per: Duration,
    /// At most so many, however many the vendor allows: this process's part.
    part: u32,
    slot: Duration,
    began: Instant,
    slots: [u32; KEPT],
    /// The number of the newest slot.
    at: u64,
    used: u32,
    /// Permits given so far: a permit's number tells which of two answers is newer.
    given: u64,
    told: u64,
    held: Option<Instant>,
    share: u32,
    grows: Instant,
    refusals: u32,
    /// When the next of those who wait may go: they leave at the rate, not all at once when a slot ends.
    turn: Instant,
}

/// What is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub count: u32,
    pub per: Duration,
    pub remaining: u32,
    /// Until all that remains or one at least can be used.
    pub reset: Duration,
}

impl Window {
    /// `count` in `per`; neither is zero.
    pub fn new(count: u32, per: Duration, now: Instant) -> Self {
        Self {
            count: count.max(1),
            per,
            part: u32::MAX,
            slot: (per / SLOTS).max(Duration::from_nanos(1)),
            began: now,
            slots: [0; KEPT],
            at: 0,
            used: 0,
            given: 0,
            told: 0,
            held: None,
            share: WHOLE,
            grows: now,
            refusals: 0,
            turn: now,
        }
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    /// Permits given so far, which is the number of the newest.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Another count from now on.
    pub fn resize(&mut self, count: u32) {
        self.count = count.max(1);
    }

    /// How many are counted at the moment.
    pub fn used(&mut self, now: Instant) -> u32 {
        self.advance(now);
        self.used
    }

    /// Keeps to so many, although the vendor allows more.
    pub fn keep_to(&mut self, part: u32) {
        self.part = part.max(1);
    }

    /// Takes one if there is one, and gives its number.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        self.advance(now);
        if self.held(now).is_some() || self.used >= self.capacity() {
            return None;
        }
        self.add(1);
        self.given += 1;
        Some(self.given)
    }

    /// The same for somebody who has waited: one after the other, at the rate.
    pub fn take_in_turn(&mut self, now: Instant) -> Option<u64> {
        if now < self.turn {
            return None;
        }
        let taken = self.take(now)?;
        self.turn = now + self.pace();
        Some(taken)
    }

    /// One that was taken and not used after all.
    pub fn give_back(&mut self, now: Instant) {
        self.advance(now);
        self.forget(1);
    }

    /// When the one behind `ahead` others can be had, if nothing comes between.
    pub fn opens(&mut self, ahead: u32, now: Instant) -> Instant {
        self.advance(now);
        let capacity = self.capacity();
        let mut needed = u64::from(self.used) + u64::from(ahead) + 1;
        let mut at = now;
        if needed > u64::from(capacity) {
            // More than may be used now were used before it was made less; all of them leave within a span.
            let over = u64::from(self.used.saturating_sub(capacity));
            needed -= u64::from(capacity) + over;
            // So many spans have to pass as a whole.
            let rounds = needed.saturating_sub(1) / u64::from(capacity);
            needed = needed - rounds * u64::from(capacity) + over;
            at = self.frees(needed, now) + self.per.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        }
        let in_turn = self.turn.max(now) + self.pace() * ahead;
        at.max(in_turn).max(self.held(now).unwrap_or(now))
    }

    /// The vendor's word: with the permit of this number, so many remained. What is told with a newer one is newer.
    pub fn tell(&mut self, number: u64, remaining: Option<u32>, count: Option<u32>, part_of: u32, now: Instant) {
        self.advance(now);
        if let Some(count) = count.filter(|count| *count > 0) {
            self.count = count;
        }
        let Some(remaining) = remaining.filter(|_| number >= self.told) else { return };
        self.told = number;
        // Those given since may not be in the vendor's figure yet.
        let since = u32::try_from(self.given - number.min(self.given)).unwrap_or(u32::MAX);
        let free = remaining.saturating_sub(since) / part_of.max(1);
        let known = self.capacity().saturating_sub(self.used);
        if free < known {
            self.add(known - free);
        } else if self.per >= LONG {
            // It has begun anew there. Of short spans ours is never far off, and the vendor's figure soon old.
            self.forget(free - known);
        }
    }

    /// Nothing before `until`: the vendor said so.
    pub fn hold(&mut self, until: Instant) {
        self.held = Some(self.held.map_or(until, |before| before.max(until)));
    }

    /// The vendor refused and did not say for how long: half the rate for a while, and a pause that grows. Refusals that
    /// come together count once.
    pub fn refused(&mut self, now: Instant) -> Instant {
        if let Some(until) = self.held(now) {
            return until;
        }
        self.share = (self.share / 2).max(1);
        self.refusals = self.refusals.saturating_add(1);
        let until = now + jittered(FIRST_PAUSE, LONGEST_PAUSE, self.refusals);
        self.hold(until);
        self.grows = until + self.step();
        until
    }

    /// An answer that was no refusal: after each span without one a little more is used again.
    pub fn accepted(&mut self, now: Instant) {
        if self.share < WHOLE && now >= self.grows {
            self.share += 1;
            self.grows = now + self.step();
        }
        if self.refusals > 0 && self.share == WHOLE {
            self.refusals = 0;
        }
    }

    /// Until when nothing is sent, if it is not now.
    pub fn held(&self, now: Instant) -> Option<Instant> {
        self.held.filter(|until| *until > now)
    }

    pub fn left(&mut self, now: Instant) -> Left {
        self.advance(now);
        let held = self.held(now);
        let free = self.capacity().saturating_sub(self.used);
        let remaining = if held.is_some() { 0 } else { free };
        let reset = match held {
            Some(until) => until,
            None if self.used > 0 => self.frees(u64::from(self.used), now),
            None => now,
        };
        Left { count: self.count, per: self.per, remaining, reset: reset - now }
    }

    /// Whether forgetting it would change nothing.
    pub fn is_idle(&mut self, now: Instant) -> bool {
        self.advance(now);
        self.used == 0 && self.held(now).is_none() && self.share == WHOLE
    }

    fn capacity(&self) -> u32 {
        let shared = u64::from(self.count) * u64::from(self.share) / u64::from(WHOLE);
        u32::try_from(shared).unwrap_or(u32::MAX).clamp(1, self.part)
    }

    /// Between two of those who wait. Long spans are not stretched out: a day's allowance is there to be used.
    fn pace(&self) -> Duration {
        if self.per > Duration::from_secs(60) { Duration::ZERO } else { self.per / self.capacity() }
    }

    fn step(&self) -> Duration {
        self.per.clamp(FIRST_PAUSE, LONGEST_PAUSE)
    }

    fn add(&mut self, number: u32) {
        self.used = self.used.saturating_add(number);
        if let Some(slot) = self.slots.get_mut((self.at % KEPT as u64) as usize) {
            *slot = slot.saturating_add(number);
        }
    }

    /// Newest first: a permit that comes back was given just now.
    fn forget(&mut self, mut number: u32) {
        for back in 0..KEPT as u64 {
            let at = (self.at + KEPT as u64 - back) % KEPT as u64;
            let Some(slot) = self.slots.get_mut(at as usize) else { continue };
            let taken = number.min(*slot);
            *slot -= taken;
            self.used -= taken;
            number -= taken;
        }
    }

    /// When so many of those that are counted are counted no more.
    fn frees(&self, number: u64, now: Instant) -> Instant {
        let mut freed = 0;
        for number_of_slot in self.at.saturating_sub(KEPT as u64 - 1)..=self.at {
            let slot = self.slots.get((number_of_slot % KEPT as u64) as usize).copied().unwrap_or_default();
            freed += u64::from(slot);
            if slot > 0 && freed >= number {
                return self.begin_of(number_of_slot + KEPT as u64).max(now);
            }
        }
        now + self.per
    }

    fn begin_of(&self, slot: u64) -> Instant {
        self.began + Duration::from_nanos(u64::try_from(self.slot.as_nanos()).unwrap_or(u64::MAX).saturating_mul(slot))
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.began).as_nanos() / self.slot.as_nanos();
        let to = u64::try_from(passed).unwrap_or(u64::MAX);
        for slot in (self.at + 1..=to).take(KEPT) {
            if let Some(slot) = self.slots.get_mut((slot % KEPT as u64) as usize) {
                self.used -= *slot;
                *slot = 0;
            }
        }
        self.at = self.at.max(to);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn take_all(window: &mut Window, now: Instant) -> u32 {
        std::iter::from_fn(|| window.take(now)).count() as u32
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_count_at_once_and_then_nothing_for_a_span() {
        let start = Instant::now();
        let mut window = Window::new(10, SECOND * 10, start);
        assert_eq!(take_all(&mut window, start), 10);
        let opens = window.opens(0, start);
        assert!(opens >= start + SECOND * 10 && opens <= start + SECOND * 11, "{:?}", opens - start);
        assert_eq!(take_all(&mut window, opens - Duration::from_millis(1)), 0);
        assert_eq!(take_all(&mut window, opens), 10);
        assert!(window.opens(25, opens) > opens + SECOND * 20, "whole spans have to pass");
    }

    #[tokio::test(start_paused = true)]
    async fn a_smaller_limit_is_open_again_within_a_span() {
        let start = Instant::now();
        let mut window = Window::new(100, SECOND * 10, start);
        take_all(&mut window, start);
        window.tell(window.given(), None, Some(4), 1, start);
        let opens = window.opens(0, start);
        assert!(opens <= start + SECOND * 11, "{:?}", opens - start);
        assert_eq!(take_all(&mut window, opens), 4);
        assert!(window.opens(4, opens) >= opens + SECOND * 20, "those who wait go four at a time");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_leave_at_the_rate() {
        let start = Instant::now();
        let mut window = Window::new(10, SECOND * 10, start);
        take_all(&mut window, start);
        let mut now = window.opens(0, start);
        assert!(window.take_in_turn(now).is_some());
        assert!(window.take_in_turn(now).is_none());
        now += SECOND;
        assert!(window.take_in_turn(now).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_vendors_word_drains_and_an_older_word_changes_nothing() {
        let start = Instant::now();
        let mut window = Window::new(100, SECOND * 10, start);
        let first = window.take(start).expect("there are some");
        let second = window.take(start).expect("there are some");
        window.tell(second, Some(5), None, 1, start);
        window.tell(first, Some(90), None, 1, start);
        assert_eq!(window.left(start).remaining, 5);
        assert_eq!(take_all(&mut window, start), 5);
        // A figure from before those five were sent says nothing of them.
        window.tell(second, Some(5), None, 1, start);
        assert_eq!(take_all(&mut window, start), 0);
        // And more than was counted is believed of long spans only.
        window.tell(7, Some(50), None, 1, start);
        assert_eq!(take_all(&mut window, start), 0);
        let mut day = Window::new(100, SECOND * 86_400, start);
        let last = (0..60).filter_map(|_| day.take(start)).last().expect("there are some");
        day.tell(last, Some(99), None, 1, start);
        assert_eq!(day.left(start).remaining, 99);
    }

    #[tokio::test(start_paused = true)]
    async fn another_plan_is_adopted_and_a_part_is_kept_to() {
        let start = Instant::now();
        let mut window = Window::new(100, SECOND * 10, start);
        let number = window.take(start).expect("there are some");
        window.tell(number, Some(189), Some(190), 1, start);
        assert_eq!(window.left(start).remaining, 189);
        window.keep_to(95);
        assert_eq!(window.left(start).remaining, 94);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_halve_the_rate_and_answers_bring_it_back() {
        let start = Instant::now();
        let mut window = Window::new(16, SECOND, start);
        let until = window.refused(start);
        assert!(until >= start + FIRST_PAUSE / 2);
        assert_eq!(window.refused(start), until, "the same refusal, told by another request");
        assert_eq!(take_all(&mut window, until), 8);
        let mut now = until;
        for _ in 0..8 {
            now += SECOND * 2;
            window.accepted(now);
        }
        assert_eq!(take_all(&mut window, now), 16);
        assert!(!window.is_idle(now) && window.is_idle(now + SECOND * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_goes_while_it_is_held() {
        let start = Instant::now();
        let mut window = Window::new(10, SECOND, start);
        window.hold(start + SECOND * 3600);
        window.hold(start + SECOND);
        assert!(window.take(start + SECOND * 3599).is_none());
        assert_eq!(window.opens(0, start), start + SECOND * 3600);
        assert_eq!(window.left(start).remaining, 0);
    }

    proptest! {
        /// Whatever comes when: no span holds more than the count, and the vendor's words only ever take away.
        #[test]
        fn no_span_holds_more_than_the_count(
            count in 1_u32..40,
            steps in prop::collection::vec((0_u64..900, 0_u32..12, prop::option::of(0_u32..40)), 1..120),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().start_paused(true).enable_time().build();
            runtime.expect("a runtime").block_on(async {
                let start = Instant::now();
                let per = SECOND * 2;
                let mut window = Window::new(count, per, start);
                let mut now = start;
                let mut taken: Vec<Instant> = Vec::new();
                for (pause, asks, told) in steps {
                    now += Duration::from_millis(pause);
                    let left = window.left(now).remaining;
                    let mut got = 0;
                    for _ in 0..asks {
                        if let Some(number) = window.take(now) {
                            taken.push(now);
                            got += 1;
                            if got == asks && let Some(told) = told {
                                window.tell(number, Some(told), None, 1, now);
                                assert!(window.left(now).remaining <= told);
                            }
                        }
                    }
                    assert!(got <= left);
                    let opens = window.opens(0, now);
                    assert!(window.take(opens).map(|_| taken.push(opens)).is_some(), "it opens when it says");
                    now = opens;
                }
                for (index, first) in taken.iter().enumerate() {
                    let within = taken.iter().skip(index).filter(|at| **at - *first <= per).count();
                    assert!(within <= count as usize, "{within} of {count}");
                }
            });
        }
    }
}
