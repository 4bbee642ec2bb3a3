//! Delays that keep those who failed together from coming back together.

use std::time::Duration;

/// A number between 0 and 1. Without randomness it is 1: the longest delay is still a delay.
pub fn jitter() -> f64 {
    let mut random = [0; 4];
    match aws_lc_rs::rand::fill(&mut random) {
        Ok(()) => f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
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
    fn delays_grow_to_their_limit() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, at_most) in [(0, 1), (1, 1), (2, 2), (5, 16), (7, 60), (4_000_000, 60)] {
            let delay = jittered(first, longest, failures);
            assert!(delay >= Duration::from_millis(500), "{failures}");
            assert!(delay <= Duration::from_secs(at_most), "{failures}");
        }
    }
}
