//! Whether a host is out: a breaker that opens for failures in a row, or for more failures than successes, and that one
//! customer alone cannot open while others are served.

use std::time::Duration;

use tokio::time::Instant;

use super::{Breaker, Permit};

/// Failures in a row.
const RUN: u32 = 5;
/// In a window, at least so many ends of which more than half are failures.
const WINDOW: Duration = Duration::from_secs(30);
const SAMPLE: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct Outage {
    breaker: Breaker,
    window: Window,
    /// Failures since the last success.
    run: u32,
    /// Whose these were.
    failing: Few,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    good: u32,
    bad: u32,
    seen: Few,
}

/// Some customers, told apart as far as it matters: none, one, several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Few {
    #[default]
    None,
    One(u64),
    Several,
}

/// The permission to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticket {
    Ordinary,
    /// Its end decides whether the host is back.
    Probe,
}

/// How a request ended, as far as it tells whether the host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Good,
    Bad,
    /// It says nothing of that: a refusal for a customer's limits, a caller that left.
    Neither,
}

impl Outage {
    pub fn new(now: Instant) -> Self {
        Self {
            // It is told when to open.
            breaker: Breaker::new(1, FIRST_PAUSE, LONGEST_PAUSE),
            window: Window { since: now, good: 0, bad: 0, seen: Few::None },
            run: 0,
            failing: Few::None,
        }
    }

    /// A ticket, or how long nothing will be sent.
    pub fn ask(&mut self, now: Instant) -> Result<Ticket, Duration> {
        let ticket = if self.breaker.is_closed() { Ticket::Ordinary } else { Ticket::Probe };
        match self.breaker.ask(now) {
            Permit::Granted => Ok(ticket),
            Permit::Refused(pause) => Err(pause),
        }
    }

    /// The end of a request of the customer `who`. True if that opened it.
    pub fn ended(&mut self, ticket: Ticket, who: u64, end: End, now: Instant) -> bool {
        match (ticket, end) {
            (Ticket::Probe, End::Good) => self.close(now),
            (Ticket::Probe, End::Bad) => {
                self.breaker.failed(now);
                return true;
            }
            (Ticket::Probe, End::Neither) => self.breaker.undecided(now),
            // What began before it opened says nothing new.
            (Ticket::Ordinary, _) if !self.breaker.is_closed() => {}
            (Ticket::Ordinary, End::Neither) => {}
            (Ticket::Ordinary, end) => return self.count(who, end == End::Good, now),
        }
        false
    }

    pub fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Nothing worth remembering: it may be forgotten.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.is_closed() && self.run == 0 && now.duration_since(self.window.since) > WINDOW * 2
    }

    fn count(&mut self, who: u64, good: bool, now: Instant) -> bool {
        if now.duration_since(self.window.since) >= WINDOW {
            self.window = Window { since: now, good: 0, bad: 0, seen: self.failing };
        }
        self.window.seen.add(who);
        if good {
            self.window.good += 1;
            self.run = 0;
            self.failing = Few::None;
            return false;
        }
        self.window.bad += 1;
        self.run += 1;
        self.failing.add(who);
        let ended = self.window.good + self.window.bad;
        let out = self.run >= RUN || ended >= SAMPLE && self.window.bad > self.window.good;
        // While others are served or silent, the failures of one customer are that customer's.
        let of_all = self.failing == Few::Several || self.failing == self.window.seen;
        if out && of_all {
            self.breaker.failed(now);
        }
        out && of_all
    }

    fn close(&mut self, now: Instant) {
        self.breaker.succeeded();
        self.run = 0;
        self.failing = Few::None;
        self.window = Window { since: now, good: 0, bad: 0, seen: Few::None };
    }
}

impl Few {
    fn add(&mut self, who: u64) {
        *self = match *self {
            Self::None => Self::One(who),
            Self::One(before) if before == who => Self::One(who),
            _ => Self::Several,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(outage: &mut Outage, who: u64, end: End, times: u32) -> bool {
        let now = Instant::now();
        (0..times).any(|_| match outage.ask(now) {
            Ok(ticket) => outage.ended(ticket, who, end, now),
            Err(_) => false,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_one_good_answer_closes_it() {
        let mut outage = Outage::new(Instant::now());
        assert!(!ends(&mut outage, 1, End::Bad, RUN - 1));
        assert!(!ends(&mut outage, 1, End::Good, 1));
        assert!(ends(&mut outage, 1, End::Bad, RUN));
        assert_eq!(outage.ask(Instant::now()), Err(FIRST_PAUSE));
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(outage.ask(Instant::now()), Ok(Ticket::Probe));
        assert!(outage.ask(Instant::now()).is_err(), "one finds out, the others wait");
        assert!(!outage.ended(Ticket::Probe, 1, End::Good, Instant::now()));
        assert_eq!(outage.ask(Instant::now()), Ok(Ticket::Ordinary));
    }

    #[tokio::test(start_paused = true)]
    async fn one_customers_failures_are_not_an_outage_while_others_are_served() {
        let mut outage = Outage::new(Instant::now());
        ends(&mut outage, 2, End::Good, 1);
        assert!(!ends(&mut outage, 1, End::Bad, 100));
        assert!(ends(&mut outage, 2, End::Bad, 1), "now it is everybody's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_fails_more_often_than_not_is_out() {
        let mut outage = Outage::new(Instant::now());
        let opened = (0..SAMPLE).any(|_| {
            ends(&mut outage, 1, End::Good, 1) || ends(&mut outage, 1, End::Bad, 1) || ends(&mut outage, 2, End::Bad, 1)
        });
        assert!(opened);
    }

    #[tokio::test(start_paused = true)]
    async fn limits_neither_open_nor_close_it() {
        let mut outage = Outage::new(Instant::now());
        assert!(!ends(&mut outage, 1, End::Neither, 100));
        ends(&mut outage, 1, End::Bad, RUN);
        tokio::time::advance(FIRST_PAUSE).await;
        let now = Instant::now();
        assert_eq!(outage.ask(now), Ok(Ticket::Probe));
        outage.ended(Ticket::Probe, 1, End::Neither, now);
        assert!(!outage.is_closed());
        assert_eq!(outage.ask(now), Ok(Ticket::Probe), "the next one may try");
        outage.ended(Ticket::Probe, 1, End::Bad, now);
        assert_eq!(outage.ask(now), Err(FIRST_PAUSE * 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_it_opened_does_not_prolong_it() {
        let mut outage = Outage::new(Instant::now());
        let now = Instant::now();
        let late = outage.ask(now).expect("a ticket");
        ends(&mut outage, 1, End::Bad, RUN);
        outage.ended(late, 1, End::Bad, now);
        assert_eq!(outage.ask(now), Err(FIRST_PAUSE));
    }
}
