//! How much was read through one connection in the last hour and in the last day. Plain state; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::{BudgetOf, BudgetWindow};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// An hour is counted in twelve steps and a day in twenty-four: what is older than that, to within a step, counts no more.
const HOUR_STEPS: usize = 12;
const DAY_STEPS: usize = 24;

/// What may be read before somebody is told. `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EgressBudget {
    pub rows_per_hour: Option<u64>,
    pub bytes_per_hour: Option<u64>,
    pub rows_per_day: Option<u64>,
    pub bytes_per_day: Option<u64>,
}

/// A bound that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    pub what: BudgetOf,
    pub window: BudgetWindow,
    pub read: u64,
    pub bound: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    pub rows: u64,
    pub bytes: u64,
}

/// What was read through one connection; about 700 bytes.
#[derive(Debug)]
pub struct Egress {
    hour: Window<HOUR_STEPS>,
    day: Window<DAY_STEPS>,
}

#[derive(Debug)]
struct Window<const STEPS: usize> {
    began: Instant,
    length: Duration,
    /// The step that `sums` was brought up to, counted from `began`.
    step: u64,
    sums: [Amount; STEPS],
    /// Rows and bytes: until when nothing more is said of them.
    told: [Option<Instant>; 2],
}

impl EgressBudget {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Egress {
    pub fn new(now: Instant) -> Self {
        Self { hour: Window::new(now, HOUR), day: Window::new(now, DAY) }
    }

    /// Adds what was read; returns the bounds that this passed, each at most once in the time it is for.
    pub fn read(&mut self, amount: Amount, budget: &EgressBudget, now: Instant) -> Vec<Exceeded> {
        let mut exceeded = Vec::new();
        let hour = [budget.rows_per_hour, budget.bytes_per_hour];
        let day = [budget.rows_per_day, budget.bytes_per_day];
        self.hour.read(amount, hour, BudgetWindow::Hour, now, &mut exceeded);
        self.day.read(amount, day, BudgetWindow::Day, now, &mut exceeded);
        exceeded
    }
}

impl<const STEPS: usize> Window<STEPS> {
    fn new(now: Instant, length: Duration) -> Self {
        Self { began: now, length, step: 0, sums: [Amount::default(); STEPS], told: [None; 2] }
    }

    fn read(
        &mut self,
        amount: Amount,
        bounds: [Option<u64>; 2],
        window: BudgetWindow,
        now: Instant,
        exceeded: &mut Vec<Exceeded>,
    ) {
        self.pass(now);
        let steps = STEPS as u64;
        if let Some(sum) = self.sums.get_mut((self.step % steps) as usize) {
            sum.rows = sum.rows.saturating_add(amount.rows);
            sum.bytes = sum.bytes.saturating_add(amount.bytes);
        }
        let read = self.sums.iter().fold((0, 0), |(rows, bytes): (u64, u64), sum| {
            (rows.saturating_add(sum.rows), bytes.saturating_add(sum.bytes))
        });
        let all = [(BudgetOf::Rows, read.0), (BudgetOf::Bytes, read.1)];
        for (((what, read), bound), told) in all.into_iter().zip(bounds).zip(&mut self.told) {
            let Some(bound) = bound.filter(|bound| read > *bound) else { continue };
            if told.is_none_or(|until| now >= until) {
                *told = Some(now + self.length);
                exceeded.push(Exceeded { what, window, read, bound });
            }
        }
    }

    /// Empties the steps that have become too old.
    fn pass(&mut self, now: Instant) {
        let length = self.length.as_secs() / STEPS as u64;
        let step = now.saturating_duration_since(self.began).as_secs() / length.max(1);
        let passed = step.saturating_sub(self.step).min(STEPS as u64);
        for number in 0..passed {
            let at = (step - number) % STEPS as u64;
            if let Some(sum) = self.sums.get_mut(at as usize) {
                *sum = Amount::default();
            }
        }
        self.step = self.step.max(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: u64) -> Amount {
        Amount { rows, bytes: 0 }
    }

    fn shown(exceeded: &[Exceeded]) -> Vec<(&str, &str, u64)> {
        exceeded.iter().map(|one| (one.what.as_str(), one.window.as_str(), one.read)).collect()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_bound_is_told_once_in_its_time() {
        let (now, budget) = (
            Instant::now(),
            EgressBudget { rows_per_hour: Some(100), rows_per_day: Some(250), ..EgressBudget::default() },
        );
        let mut egress = Egress::new(now);
        assert_eq!(egress.read(rows(100), &budget, now), []);
        assert_eq!(shown(&egress.read(rows(1), &budget, now)), [("rows", "hour", 101)]);
        assert_eq!(egress.read(rows(50), &budget, now + 50 * MINUTE), []);
        // The first hundred are older than an hour; those of the day count on.
        assert_eq!(
            shown(&egress.read(rows(100), &budget, now + 70 * MINUTE)),
            [("rows", "hour", 150), ("rows", "day", 251)]
        );
        assert_eq!(egress.read(rows(500), &budget, now + 71 * MINUTE), []);
        assert_eq!(shown(&egress.read(rows(101), &budget, now + 131 * MINUTE)), [("rows", "hour", 101)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_does_not_count() {
        let (now, budget) = (Instant::now(), EgressBudget { bytes_per_hour: Some(100), ..EgressBudget::default() });
        let mut egress = Egress::new(now);
        // Forty-five every half hour is never more than a hundred in an hour.
        for half in 0..200 {
            let amount = Amount { rows: 0, bytes: 45 };
            assert_eq!(egress.read(amount, &budget, now + 30 * half * MINUTE), [], "{half}");
        }
        // After a long silence nothing is left.
        assert_eq!(egress.read(Amount { rows: 0, bytes: 100 }, &budget, now + 60 * 600 * MINUTE), []);
        assert_eq!(egress.read(Amount { rows: 9, bytes: 1 }, &budget, now + 60 * 600 * MINUTE).len(), 1);
    }
}
