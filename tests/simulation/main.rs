//! The whole server in a simulation: two replicas with all their layers on a network, a clock, a store and a vendor that
//! fail by a seed, and callers who do what callers do. Whatever happens, the promises hold ([`oracle`]).
//!
//! `THROUGHLINE_SEED=7` plays that seed alone and tells its story; `THROUGHLINE_SEEDS=1000` plays so many.

mod callers;
mod chance;
mod http;
mod ledger;
#[path = "../../src/store/tests/conformance/model/mod.rs"]
mod model;
mod net;
mod oracle;
mod provider;
mod store;
mod vendor;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
// Where the model, which is the crate's own, looks for them.
use throughline::{audit, auth, connections, error, idempotency, upstream};

use world::run;

/// Few enough for everyday; `tests/run.sh` plays a thousand.
const SEEDS: u64 = 30;

/// So many seeds have seen everything.
const ENOUGH: u64 = 500;
const SEEN: [&str; 34] = [
    "answers for a limit",
    "answers that a token is awaited",
    "breakers that closed",
    "breakers that opened",
    "commits",
    "commits under an old epoch",
    "conflicts of two with one key",
    "connections that were given up",
    "crashes of a replica",
    "crashes of the vendor",
    "executed writes",
    "failed operations of the store",
    "forgiven reuses",
    "holds",
    "keys for something else",
    "leases after one that was interrupted",
    "leases that another held",
    "leases that were lost",
    "leases that were slept over",
    "lost answers of the store",
    "needs of a new consent",
    "orphans",
    "outages of the vendor",
    "partitions",
    "refusals without the store",
    "replays",
    "requests over the vendor's limit",
    "requests that a breaker refused",
    "requests with a token that has ended",
    "requests with another tenant's key",
    "resends",
    "reuses",
    "unknown ends",
    "unknown ends told again",
];

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: a number, not `{text}`")))
}

#[test]
fn whatever_happens_the_promises_hold() {
    if let Some(seed) = variable("THROUGHLINE_SEED") {
        let outcome = run(seed);
        outcome.entries.story.iter().for_each(|line| println!("{line}"));
        println!("{:#?}", outcome.entries.counts);
        assert!(outcome.violations.is_empty(), "seed {seed}:\n{}", outcome.violations.join("\n"));
        return;
    }
    let seeds = variable("THROUGHLINE_SEEDS").unwrap_or(SEEDS);
    let (next, counts) = (AtomicU64::new(0), Mutex::new(BTreeMap::<&str, u64>::new()));
    let failed = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let outcome = run(seed);
                    for (what, count) in outcome.entries.counts {
                        *counts.lock().entry(what).or_default() += count;
                    }
                    if let Some(first) = outcome.violations.first() {
                        failed.lock().push(format!("THROUGHLINE_SEED={seed}: {first}"));
                    }
                }
            });
        }
    });
    println!("{seeds} seeds: {:#?}", counts.lock());
    let mut failed = failed.into_inner();
    failed.sort();
    assert!(failed.is_empty(), "{} of {seeds} seeds failed:\n{}", failed.len(), failed.join("\n"));
    if seeds >= ENOUGH {
        let counts = counts.lock();
        let missing: Vec<_> = SEEN.iter().filter(|what| counts.get(**what).is_none_or(|count| *count == 0)).collect();
        assert!(missing.is_empty(), "nothing was learned about {missing:?}: it never happened");
    }
}

#[test]
fn a_seed_is_always_the_same_story() {
    let (first, again) = (run(4), run(4));
    assert!(first.entries.story.len() > 50, "something happens");
    for (one, other) in first.entries.story.iter().zip(&again.entries.story) {
        assert_eq!(one, other);
    }
    assert_eq!(first.entries.story.len(), again.entries.story.len());
}
