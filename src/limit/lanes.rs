//! Those who wait, in lanes by urgency. Within a lane callers take turns, so that one with a thousand requests holds up
//! another's single one by one place; each caller's own keep their order. Every second the oldest of each caller moves up
//! a lane: nobody starves behind what is more urgent, and a crowd that has waited long does not become urgent as a whole.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// After so long in one lane a request moves up.
const AGES: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Lanes<T, const LEVELS: usize> {
    lanes: [Lane<T>; LEVELS],
    len: usize,
    aged: Instant,
}

#[derive(Debug)]
struct Lane<T> {
    /// Whose turn it is next; each caller with something in the lane stands here once.
    turns: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<(Instant, T)>>,
}

impl<T, const LEVELS: usize> Lanes<T, LEVELS> {
    pub fn new(now: Instant) -> Self {
        Self { lanes: std::array::from_fn(|_| Lane::new()), len: 0, aged: now }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// At most so many go before one that comes now: all in more urgent lanes, and in its own all, or one for each place
    /// of its caller's queue and each caller, whichever is less.
    pub fn ahead(&self, level: usize, caller: &str) -> usize {
        let urgent: usize = self.lanes.iter().take(level).map(Lane::len).sum();
        let own = self.lanes.get(level).map_or(0, |lane| {
            let mine = lane.waiting.get(caller).map_or(0, VecDeque::len);
            lane.waiting.values().map(|theirs| theirs.len().min(mine + 1)).sum::<usize>()
        });
        urgent + own
    }

    /// `level` 0 goes first.
    pub fn push(&mut self, level: usize, caller: Arc<str>, item: T, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(level.min(LEVELS - 1)) {
            lane.push(caller, now, item);
            self.len += 1;
        }
    }

    pub fn pop(&mut self, now: Instant) -> Option<T> {
        self.age(now);
        let item = self.lanes.iter_mut().find_map(Lane::pop)?;
        self.len -= 1;
        Some(item)
    }

    /// Takes out all that `gone` says.
    pub fn take_out(&mut self, mut gone: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut out = Vec::new();
        for lane in &mut self.lanes {
            for queue in lane.waiting.values_mut() {
                let (leave, stay): (VecDeque<_>, VecDeque<_>) = queue.drain(..).partition(|(_, item)| gone(item));
                *queue = stay;
                out.extend(leave.into_iter().map(|(_, item)| item));
            }
            lane.tidy();
        }
        self.len -= out.len();
        out
    }

    fn age(&mut self, now: Instant) {
        if self.len == 0 || now.saturating_duration_since(self.aged) < AGES {
            return;
        }
        self.aged = now;
        let mut risen = Vec::new();
        for (level, lane) in self.lanes.iter_mut().enumerate().skip(1) {
            for (caller, queue) in &mut lane.waiting {
                if queue.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) >= AGES) {
                    risen.extend(queue.pop_front().map(|(_, item)| (level - 1, Arc::clone(caller), item)));
                }
            }
            lane.tidy();
        }
        for (level, caller, item) in risen {
            if let Some(lane) = self.lanes.get_mut(level) {
                lane.push(caller, now, item);
            }
        }
    }
}

impl<T> Lane<T> {
    fn new() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new() }
    }

    fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    fn push(&mut self, caller: Arc<str>, now: Instant, item: T) {
        let queue = self.waiting.entry(Arc::clone(&caller)).or_default();
        if queue.is_empty() {
            self.turns.push_back(caller);
        }
        queue.push_back((now, item));
    }

    fn pop(&mut self) -> Option<T> {
        let caller = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&caller)?;
        let (_, item) = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&caller);
        } else {
            self.turns.push_back(caller);
        }
        Some(item)
    }

    fn tidy(&mut self) {
        self.waiting.retain(|_, queue| !queue.is_empty());
        let waiting = &self.waiting;
        self.turns.retain(|caller| waiting.contains_key(caller));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(lanes: &mut Lanes<&'static str, 8>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| lanes.pop(now)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_urgent_go_first_and_callers_take_turns() {
        let now = Instant::now();
        let mut lanes = Lanes::new(now);
        for item in ["a1", "a2", "a3"] {
            lanes.push(3, "a".into(), item, now);
        }
        assert_eq!((lanes.ahead(3, "b"), lanes.ahead(3, "a"), lanes.ahead(2, "b")), (1, 3, 0));
        lanes.push(3, "b".into(), "b1", now);
        lanes.push(0, "c".into(), "urgent", now);
        lanes.push(7, "c".into(), "last", now);
        assert_eq!(lanes.len(), 6);
        assert_eq!(drained(&mut lanes, now), ["urgent", "a1", "b1", "a2", "a3", "last"]);
        assert!(lanes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_long_enough_is_as_urgent_as_anybody() {
        let mut now = Instant::now();
        let mut lanes = Lanes::new(now);
        lanes.push(3, "a".into(), "old", now);
        for _ in 0..3 {
            now += AGES;
            lanes.push(0, "b".into(), "new", now);
            assert_eq!(lanes.pop(now), Some("new"));
        }
        lanes.push(0, "b".into(), "new", now);
        assert_eq!(drained(&mut lanes, now), ["old", "new"]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_left_are_taken_out() {
        let now = Instant::now();
        let mut lanes: Lanes<_, 8> = Lanes::new(now);
        for item in ["a", "b", "c"] {
            lanes.push(3, item.into(), item, now);
        }
        assert_eq!(lanes.take_out(|item| *item != "b").len(), 2);
        assert_eq!((lanes.len(), lanes.pop(now), lanes.pop(now)), (1, Some("b"), None));
    }
}
