//! Real processes: their end, their restart behind nginx, and their tokens: `serve` as it is deployed, a real
//! authorization server with rotating refresh tokens that ends a family when one of them is used twice, and faults
//! between them.
//!
//! They need node, `oidc-provider`, PostgreSQL, Redis and nginx, and say that they skip without;
//! THROUGHLINE_REQUIRE_PROCESSES=1, which `tests/run.sh` sets, makes that a failure.

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../support/client.rs"]
mod client;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../support/process.rs"]
mod process;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../support/redis.rs"]
mod redis;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../support/vendor.rs"]
mod vendor;

mod authorization;
mod canary;
mod deployment;
mod postgres;
mod traffic;

mod backup;
mod cached;
mod clock;
mod killed;
mod many;
mod replicas;
mod restarted;
mod rolling;
mod shutdown;
mod slow;
mod unwritable;
mod upgrade;

use process::free_port;

/// Says why a test does not run.
pub fn skipped<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("THROUGHLINE_REQUIRE_PROCESSES").is_none_or(|value| value != "1"), "{why}");
    eprintln!("skipped: {why}");
    None
}
