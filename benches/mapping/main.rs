//! What translation costs: every shipped provider, read and write, lists of 1, 10 and 100 records, filters; and what
//! stands beside it on the path of a request: query strings, cursors, the vault.
//!
//!     cargo bench --bench mapping                  the ratio below, and times; about three minutes
//!     cargo bench --bench mapping -- ratio         the ratio alone
//!     cargo bench --bench mapping -- list/zoho     what has this in its name
//!     cargo test --bench mapping                   the checks, and everything once
//!
//! Inputs are checked before they are timed: an answer is the one of its example, and both engines give the same.
//!
//! The ratio is the CPU time of a list of 100 contacts (from the vendor's bytes to those of the answer) beside that of
//! `serde_json` parsing the vendor's bytes and writing them again, in a line `ratio OURS_US SERDE_US RATIO`. The goal is at most 2.0.

mod cases;
mod vendor;

use std::hint::black_box;
use std::time::Duration;

use cases::{Case, Mappings};
use criterion::{BatchSize, Criterion};
use jiff::Timestamp;
use regex::Regex;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use throughline::connections::Vault;
use throughline::unified::{Asked, Continuation, Cursor, Position, Reply};
use tokio::runtime::{Builder, Runtime};

const CONTACTS: &[u8] = include_bytes!("../contacts.json");
const UNIFIED: &[u8] = include_bytes!("../unified-contacts.json");
/// The provider whose shape `contacts.json` has.
const PINNED: &str = "hubspot";

const FILTERS: [(&str, &str); 5] = [
    ("filter[email][in]", "ada@analytical.test,grace@navy.test"),
    ("filter[updated_at][gte]", "2026-09-01T00:00:00Z"),
    ("filter[last_name]", "Lovelace"),
    ("fields", "first_name,last_name,emails"),
    ("sort", "-updated_at"),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let said = |word: &str| words.iter().any(|known| known == word);
    // `cargo bench` says --bench, `cargo test` does not.
    let timed = said("--bench") && !said("--test");
    let filter = words.iter().find(|word| !word.starts_with("--"));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mappings = Mappings::load();
    let pinned = runtime.block_on(mappings.pinned(PINNED, CONTACTS, UNIFIED));
    if filter.is_none_or(|filter| filter == "ratio") {
        ratio(&runtime, &pinned, if timed { 500 } else { 3 });
    }
    if filter.is_some_and(|filter| filter == "ratio") {
        return;
    }

    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    // What is not asked for is not prepared either.
    let filter = filter.map(|filter| Regex::new(filter).expect("a regular expression"));
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| filter.is_match(name));
    translation(&mut criterion, &runtime, &mappings, wanted);
    beside(&mut criterion, &mappings, &pinned);
    criterion.final_summary();
}

fn translation(criterion: &mut Criterion, runtime: &Runtime, mappings: &Mappings, wanted: impl Fn(&str) -> bool) {
    let mut time = |case: &Case| {
        criterion.bench_function(&case.name, |bencher| {
            bencher.iter_batched(|| case.call.clone(), |call| runtime.block_on(case.run(call)), BatchSize::SmallInput);
        });
    };
    for provider in mappings.providers() {
        let sizes = [1, 10, 100].into_iter().filter(|size| wanted(&format!("list/{provider}/{size}")));
        for size in sizes {
            time(&runtime.block_on(mappings.list(provider, size)));
        }
        for operation in ["get", "create", "update"] {
            if wanted(&format!("{operation}/{provider}")) {
                time(&runtime.block_on(mappings.single(provider, operation)));
            }
        }
        if wanted(&format!("filters/{provider}")) {
            time(&runtime.block_on(mappings.filters(provider)));
        }
    }
}

fn beside(criterion: &mut Criterion, mappings: &Mappings, list: &Case) {
    let model = mappings.core.model("contacts").expect("a model");
    let pairs = FILTERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let asked = Asked::list(model, &pairs).expect("good parameters");
    criterion.bench_function("query string", |bencher| bencher.iter(|| Asked::list(model, black_box(&pairs))));

    let vault = Vault::from_key_base64(&Vault::generate_key().expect("randomness")).expect("a key");
    let from = Continuation { variant: 0, position: Position::Cursor("601".into()) };
    let now = Timestamp::now();
    let cursor = Cursor::new(from, asked.query, now);
    let connection = &list.call.connection;
    let sealed = cursor.seal(&vault, connection, "contacts").expect("sealed");
    let open = |text: &str| Cursor::open(text, &vault, connection, "contacts", now);
    assert_eq!(open(&sealed).expect("opened"), cursor);
    criterion.bench_function("cursor/seal", |bencher| bencher.iter(|| cursor.seal(&vault, connection, "contacts")));
    criterion.bench_function("cursor/open", |bencher| bencher.iter(|| open(black_box(&sealed))));

    let context: [&[u8]; 4] = [b"tenant", b"conn_bench", b"access_token", b"1"];
    // As long as a token is.
    let token = [b'a'; 200];
    let sealed = vault.seal(&context, &token).expect("sealed");
    assert_eq!(vault.open(&context, &sealed).expect("opened").as_slice(), token);
    criterion.bench_function("vault/seal", |bencher| bencher.iter(|| vault.seal(&context, black_box(&token))));
    criterion.bench_function("vault/open", |bencher| bencher.iter(|| vault.open(&context, black_box(&sealed))));
}

/// Prints the ratio of the head of this file: medians of CPU times, taken in turns.
fn ratio(runtime: &Runtime, list: &Case, times: usize) {
    let (mut ours, mut serde) = (Vec::new(), Vec::new());
    for _ in 0..times {
        ours.push(cpu(|| match runtime.block_on(list.run(list.call.clone())) {
            Reply::List { records, .. } => serde_json::to_vec(&records).expect("JSON"),
            other => panic!("{other:?}"),
        }));
        serde.push(cpu(|| {
            let parsed: Value = serde_json::from_slice(black_box(CONTACTS)).expect("JSON");
            serde_json::to_vec(&parsed).expect("JSON")
        }));
    }
    let [ours, serde] = [ours, serde].map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    });
    println!("ratio {ours:.0} {serde:.0} {:.2}", ours / serde);
}

/// CPU time of this thread, without that of dropping the result.
fn cpu<T>(work: impl FnOnce() -> T) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
    };
    let began = now();
    let result = black_box(work());
    let used = now() - began;
    drop(result);
    used
}
