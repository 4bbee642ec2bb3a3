//! Whatever an answer's headers say of limits, what is made of it is bounded: nobody is told to wait for longer than a
//! week, every time can be added to the present, and no count is made up.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;
use throughline::catalog::{Catalog, Files, Heard, Options, Provider};
use throughline::model::Operation;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Every unit, read as it is and by the engine; the first row is about the rule, the others about whatever counted it.
const PROVIDER: &str = r#"title: Fake
base_url: https://api.fake.test
hosts: { api: ["https://api.fake.test"] }
auth: { token: { send: { X-Key: token } } }
limits:
  - { name: burst, count: 100, per: 10s }
limit_signals:
  - { quota: burst, when: '$exists($headers.a)', remaining: '$number($headers.a)', limit: '$headers.b', reset: { s: '$headers.c' } }
  - { remaining: '$number($regex($headers.a, "([0-9]+)$"))', retry_after: { ms: '$headers.b' } }
  - { reset: { epoch-s: '$headers.a' }, retry_after: { epoch-ms: '$headers.b' } }
  - { reset: { http-date: '$headers.a' }, retry_after: { s: '$number($headers.c) * 2' } }
errors:
  classify:
    - { status: 429, when: '$exists($headers.a)', is: rate-limited, retry_after: { s: '$headers.b' } }
"#;

static FAKE: LazyLock<Arc<Provider>> = LazyLock::new(|| {
    let files = Files::of([("fake/provider.yaml".to_owned(), PROVIDER.to_owned())]);
    let catalog = Catalog::load(&files, &Options::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    catalog.provider("fake").expect("the provider").clone()
});

/// The headers `a`, `b` and `c` in lines; what stands behind them is `Retry-After`.
pub fn holds(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, value) in ["a", "b", "c", "retry-after"].into_iter().zip(data.split(|byte| *byte == b'\n')) {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_bytes(value)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let now = Timestamp::now();
    for status in [200, 429] {
        let heard = Heard::new(status, &headers, &Value::Null, now);
        for hint in FAKE.quotas.hints(&heard) {
            for delay in [hint.reset, hint.retry_after].into_iter().flatten() {
                bounded(delay, data);
            }
            assert_ne!(hint.limit, Some(0), "an allowance of nothing: {}", data.escape_ascii());
            assert!(hint.rule.is_none_or(|rule| rule == 0));
        }
        let values = throughline::catalog::header_values(&headers);
        let classified = FAKE.errors.classify(status, &values, &Value::Null, Operation::Get, now);
        classified.retry_after.into_iter().for_each(|delay| bounded(delay, data));
    }
}

fn bounded(delay: Duration, data: &[u8]) {
    assert!(delay <= WEEK && Instant::now().checked_add(delay).is_some(), "{delay:?} of {}", data.escape_ascii());
}
