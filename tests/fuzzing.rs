//! The fuzz targets without a fuzzer: every input that was kept, then two seconds (`FUZZ_SECONDS` is another number) of
//! random bytes and of inputs that were kept, changed here and there. `tests/fuzz/run.sh` goes on from there, guided by
//! what the inputs reach.

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// Pieces that mean something to one reader or another.
const PIECES: &[&str] = &[
    "%",
    "%2e",
    "%252e",
    "%2f",
    "/",
    "//",
    "..",
    ";",
    "?",
    "#",
    "\\",
    "\0",
    "\r\n",
    "\n",
    ":",
    ",",
    " ",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "&",
    "*",
    "=",
    "-1",
    "0",
    "18446744073709551615",
    "1e400",
    "null",
    "\u{feff}",
    "\u{10ffff}",
    "$",
    "tl_live_",
    "<<: *a",
];

fn holds(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut kept = Vec::new();
    for file in files {
        let path = file.expect("a file").path();
        let data = std::fs::read(&path).expect("a file that can be read");
        println!("{}", path.display());
        target(&data);
        kept.push(data);
    }
    assert!(!kept.is_empty(), "{} is empty", folder.display());

    let piece = prop_oneof![
        prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    // Each change takes some bytes away at a place and puts a piece there.
    let changes = prop::collection::vec((any::<Index>(), 0..6_usize, piece), 1..6);
    let changed = (prop::sample::select(kept), changes).prop_map(|(mut data, changes)| {
        for (place, gone, piece) in changes {
            let from = place.index(data.len() + 1);
            let to = (from + gone).min(data.len());
            data.splice(from..to, piece);
        }
        data
    });
    let input = prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..200), 3 => changed];
    let seconds = std::env::var("FUZZ_SECONDS").map_or(2, |seconds| seconds.parse().expect("a number of seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut runner = TestRunner::new(Config { cases: 16, failure_persistence: None, ..Config::default() });
    while Instant::now() < until {
        let run = runner.run(&input, |data| {
            target(&data);
            Ok(())
        });
        if let Err(proptest::test_runner::TestError::Fail(reason, data)) = run {
            panic!("{name}: {reason}; keep it in tests/fuzz/corpus/{name}: b\"{}\"", data.escape_ascii());
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            holds(stringify!($name), targets::$name::holds);
        }
    )*};
}

targets!(path headers delays cursor expression style yaml catalog key requests signals);
