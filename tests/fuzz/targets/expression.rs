//! Whatever an expression says, and whatever it is given, it ends soon: as a value within its limits, or as a problem that
//! says something. What is compiled once gives the same twice.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use throughline::mapping::{Engine, Expression, Limits, Vars};

/// Far more than the limit: the machines of a build are slow and busy, and what is at stake is "never".
const PATIENCE: Duration = Duration::from_secs(5);
/// These give something else each time.
const CHANGING: &[&str] = &["random", "shuffle", "now", "millis"];

static SAMPLE: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "a": [1, 2.50, {"b": "x", "c": [null, true]}], "name": "O'Driscoll", "n": 9_007_199_254_740_993_i64,
        "emails": [{"value": "a@example.test", "primary": true}], "deep": {"er": {"est": []}}, "none": null, "": "",
    })
});

pub fn holds(data: &[u8]) {
    let (source, input) = super::two(data);
    let source = super::text(source);
    let input: Value = serde_json::from_slice(input).unwrap_or_else(|_| SAMPLE.clone());
    let limits = Limits { time: Duration::from_millis(20), depth: 100, items: 10_000, output: 64 * 1024 };
    let started = Instant::now();
    match Expression::compile(&source, Engine::Core) {
        Err(problem) => assert!(!problem.message.is_empty(), "a problem that says nothing"),
        Ok(expression) => {
            assert_eq!(expression.source(), source);
            let first = expression.evaluate(&input, &Vars::none(), &limits);
            match &first {
                Ok(Some(value)) => {
                    let size = value.to_string().len();
                    assert!(size <= 16 * limits.output, "{size} bytes with a limit of {}", limits.output);
                }
                Ok(None) => {}
                Err(problem) => assert!(!problem.message.is_empty(), "a problem that says nothing"),
            }
            // Whether there is enough time is not the same twice.
            let second = expression.evaluate(&input, &Vars::none(), &limits);
            if let (Ok(first), Ok(second)) = (first, second)
                && !CHANGING.iter().any(|name| source.contains(name))
            {
                assert_eq!(first, second);
            }
        }
    }
    assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
}
