//! Delays that keep those who failed together from coming back together.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

thread_local! {
    /// Delays are no secret: a small generator for each thread, begun at random.
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u8));
}

/// This thread's delays are the same from here on whenever it is given the same seed.
pub fn seed_jitter(seed: u64) {
    STATE.set(seed);
}

/// A number between 0 and 1.
pub fn jitter() -> f64 {
    // SplitMix64 (Steele, Lea, Flood 2014).
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let upper = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
    f64::from(upper) / f64::from(u32::MAX)
}

/// `first`, doubled for every failure after the first one, at most `longest`; between half of it and all of it.
pub fn jittered(first: Duration, longest: Duration, failures: u32) -> Duration {
    let full = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest);
    full.mul_f64(0.5 + jitter() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_delays_and_they_are_spread() {
        let drawn = |seed| {
            seed_jitter(seed);
            (0..1000).map(|_| jitter()).collect::<Vec<_>>()
        };
        let first = drawn(7);
        assert_eq!(first, drawn(7));
        assert_ne!(first, drawn(8));
        assert!(first.iter().all(|one| (0.0..=1.0).contains(one)));
        let mean = first.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }

    #[test]
    fn delays_grow_to_their_limit() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, at_most) in [(0, 1), (1, 1), (2, 2), (5, 16), (7, 60), (4_000_000, 60)] {
            let delay = jittered(first, longest, failures);
            assert!(delay >= Duration::from_millis(500), "{failures}");
            assert!(delay <= Duration::from_secs(at_most), "{failures}");
        }
    }
}
