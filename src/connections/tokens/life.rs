//! When a token is renewed: in the background once its soft point has passed, with callers waiting only behind the guard
//! before its end.

use std::time::Duration;

use jiff::Timestamp;

use crate::limit::jitter;
use crate::model::in_microseconds;

/// The margin before the end is a fifth of the lifetime within these bounds, but never more than half of it.
const LEAST_MARGIN: Duration = Duration::from_secs(60);
const MOST_MARGIN: Duration = Duration::from_secs(15 * 60);
/// Requests that are on their way when a token ends would be refused: no longer than this before it is handed out.
const MOST_GUARD: Duration = Duration::from_secs(60);

/// The points of a token's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// From here on it is renewed in the background.
    pub soft: Timestamp,
    /// From here on callers wait for its successor.
    pub hard: Timestamp,
    pub end: Timestamp,
}

impl Life {
    /// Of a token that was issued and ends at these times. The soft point varies by a tenth of its margin, so that
    /// tokens that were issued together are not renewed together.
    pub fn new(issued: Timestamp, end: Timestamp) -> Self {
        let lifetime = Duration::try_from(end.duration_since(issued)).unwrap_or_default();
        let margin = margin(lifetime).mul_f64(1.0 - jitter() / 10.0);
        Self { soft: before(end, margin), hard: before(end, guard(lifetime)), end }
    }
}

fn margin(lifetime: Duration) -> Duration {
    (lifetime / 5).clamp(LEAST_MARGIN, MOST_MARGIN).min(lifetime / 2)
}

fn guard(lifetime: Duration) -> Duration {
    (lifetime / 10).min(MOST_GUARD)
}

fn before(end: Timestamp, margin: Duration) -> Timestamp {
    in_microseconds(end.saturating_sub(margin).unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_follow_the_lifetime_within_bounds() {
        for (lifetime, margin_is, guard_is) in
            [(10, 5, 1), (60, 30, 6), (300, 60, 30), (1800, 360, 60), (3600, 720, 60), (86_400, 900, 60)]
        {
            let lifetime = Duration::from_secs(lifetime);
            assert_eq!((margin(lifetime).as_secs(), guard(lifetime).as_secs()), (margin_is, guard_is), "{lifetime:?}");
        }
    }

    #[test]
    fn the_points_come_in_their_order() {
        let issued = Timestamp::UNIX_EPOCH;
        for seconds in [0, 1, 10, 900, 3600, 86_400] {
            let life = Life::new(issued, issued.saturating_add(Duration::from_secs(seconds)).expect("in range"));
            assert!(issued <= life.soft && life.soft <= life.hard && life.hard <= life.end, "{life:?}");
        }
    }
}
