//! What is left of a limit, told to the caller in `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).

use std::time::Duration;

/// One limit as it stood when the request met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The policy's name: plain ASCII.
    pub policy: &'static str,
    /// Requests in `window`.
    pub quota: Option<u64>,
    pub window: Option<Duration>,
    pub remaining: u64,
    /// Until there are more.
    pub reset: Option<Duration>,
}

impl Allowance {
    /// Its member of `RateLimit-Policy`; none if nobody knows what the limit is.
    pub fn policy_member(&self) -> Option<String> {
        let quota = self.quota?;
        let window = self.window.map(|window| format!(";w={}", seconds(window))).unwrap_or_default();
        Some(format!("\"{}\";q={quota}{window}", self.policy))
    }

    /// Its member of `RateLimit`.
    pub fn state_member(&self) -> String {
        let reset = self.reset.map(|reset| format!(";t={}", seconds(reset))).unwrap_or_default();
        format!("\"{}\";r={}{reset}", self.policy, self.remaining)
    }
}

/// Whole seconds, rounded up: who comes back then is not too early.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_two_headers() {
        let known = Allowance {
            policy: "vendor-burst",
            quota: Some(100),
            window: Some(Duration::from_secs(10)),
            remaining: 37,
            reset: Some(Duration::from_millis(3_500)),
        };
        assert_eq!(known.policy_member().as_deref(), Some(r#""vendor-burst";q=100;w=10"#));
        assert_eq!(known.state_member(), r#""vendor-burst";r=37;t=4"#);
        let vague = Allowance { quota: None, window: None, reset: None, ..known };
        assert_eq!((vague.policy_member(), vague.state_member().as_str()), (None, r#""vendor-burst";r=37"#));
    }
}
