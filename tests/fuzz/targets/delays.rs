//! Whatever `Retry-After` says, it can be added to the present and waited for, and an HTTP date means what it says.

use std::time::{Duration, Instant};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use throughline::upstream::retry_after;

/// A clock goes on between two looks at it.
const SLACK: Duration = Duration::from_secs(5);

pub fn holds(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
    let text = super::text(data);
    let text = text.trim();
    let Some(delay) = retry_after(&headers) else {
        let digits = !text.is_empty() && text.len() < 19 && text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(!digits, "seconds are understood: {text}");
        return;
    };
    assert!(Instant::now().checked_add(delay).is_some(), "{text} is past all time");
    assert!(delay <= Duration::from_secs(366 * 86_400), "{text} is past all sense");
    if let Ok(seconds @ 0..=86_400) = text.parse::<u64>() {
        assert_eq!(delay, Duration::from_secs(seconds), "{text}");
    }
    if let Ok(date) = jiff::fmt::rfc2822::parse(text) {
        let ahead = Duration::try_from(date.timestamp().duration_since(Timestamp::now())).unwrap_or_default();
        assert!(delay <= ahead + SLACK, "{text} is {ahead:?} ahead, not {delay:?}");
    }
}
