//! So many at a time, and who is let in next. Where there are not enough permits for all, writes go before reads and
//! reads before what can wait.

use std::collections::VecDeque;

/// What a request is when there is not room for all; the first is given up last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Write,
    Read,
    /// Many at once, or said by the caller to be of low priority.
    Batch,
}

impl Class {
    const ALL: [Self; 3] = [Self::Write, Self::Read, Self::Batch];

    /// How much of the capacity may be in use for one more of this class to be let in. Percent.
    fn share(self) -> usize {
        match self {
            Self::Write => 100,
            Self::Read => 95,
            Self::Batch => 80,
        }
    }
}

/// `W` is whatever tells one who waits.
#[derive(Debug)]
pub struct Permits<W> {
    capacity: usize,
    taken: usize,
    /// How many may wait in each line.
    patient: usize,
    waiting: [VecDeque<W>; 3],
}

impl<W> Permits<W> {
    /// Any number may wait, each for as long as its patience lasts.
    pub fn new(capacity: usize) -> Self {
        Self::with_patient(capacity, usize::MAX)
    }

    /// Of each class, so many may wait.
    pub fn with_patient(capacity: usize, patient: usize) -> Self {
        Self { capacity: capacity.max(1), taken: 0, patient, waiting: Default::default() }
    }

    /// True if it may go at once; it has to give the permit back.
    pub fn take(&mut self, class: Class) -> bool {
        let free = self.has_room(class);
        if free {
            self.taken += 1;
        }
        free
    }

    /// False if too many wait already. Those that have gone meanwhile are dropped, which `is_there` tells.
    pub fn wait(&mut self, class: Class, waiter: W, is_there: impl Fn(&W) -> bool) -> bool {
        const LONG: usize = 1024;
        let Some(lane) = self.waiting.get_mut(class as usize) else { return false };
        if lane.len() >= self.patient.min(LONG) {
            lane.retain(is_there);
        }
        let room = lane.len() < self.patient;
        if room {
            lane.push_back(waiter);
        }
        room
    }

    /// One has ended; the answer takes its permit over.
    pub fn give_back(&mut self) -> Option<W> {
        self.taken = self.taken.saturating_sub(1);
        for class in Class::ALL {
            if self.has_room(class)
                && let Some(waiter) = self.waiting.get_mut(class as usize).and_then(VecDeque::pop_front)
            {
                self.taken += 1;
                return Some(waiter);
            }
        }
        None
    }

    pub fn taken(&self) -> usize {
        self.taken
    }

    fn has_room(&self, class: Class) -> bool {
        // A small capacity has room for one of each class.
        self.taken < (self.capacity * class.share() / 100).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_kept_for_writes() {
        let mut permits = Permits::<()>::new(100);
        assert_eq!((0..200).filter(|_| permits.take(Class::Batch)).count(), 80);
        assert_eq!((0..200).filter(|_| permits.take(Class::Read)).count(), 15);
        assert_eq!((0..200).filter(|_| permits.take(Class::Write)).count(), 5);
        assert_eq!(permits.taken(), 100);
    }

    #[test]
    fn what_is_given_back_goes_to_writes_first_and_in_turn() {
        let mut permits = Permits::new(1);
        assert!(permits.take(Class::Batch));
        for (class, name) in [(Class::Batch, "b"), (Class::Read, "r"), (Class::Write, "w1"), (Class::Write, "w2")] {
            assert!(!permits.take(class));
            assert!(permits.wait(class, name, |_| true));
        }
        let order: Vec<_> = std::iter::from_fn(|| permits.give_back()).collect();
        assert_eq!(order, ["w1", "w2", "r", "b"]);
        assert_eq!(permits.taken(), 0);
    }

    #[test]
    fn a_line_can_be_too_long() {
        let mut permits = Permits::with_patient(1, 2);
        assert!(permits.take(Class::Read));
        let is_there = |name: &&str| *name != "gone";
        assert!(permits.wait(Class::Read, "gone", is_there) && permits.wait(Class::Read, "here", is_there));
        assert!(permits.wait(Class::Read, "next", is_there), "in the place of the one who has gone");
        assert!(!permits.wait(Class::Read, "over", is_there));
        assert!(permits.wait(Class::Write, "write", is_there), "it stands in another line");
    }

    #[test]
    fn those_who_have_gone_do_not_pile_up() {
        let mut permits = Permits::new(1);
        assert!(permits.take(Class::Read));
        for number in 0..100_000 {
            assert!(permits.wait(Class::Read, number, |_| false));
        }
        assert!(permits.waiting[Class::Read as usize].len() <= 1024);
    }
}
