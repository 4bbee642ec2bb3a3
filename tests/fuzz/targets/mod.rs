//! What holds for every input, whoever made it up: one file for each place where bytes of strangers are read. Each
//! `holds` panics where its invariant is broken. libFuzzer calls it (`fuzz_targets/`), and so does `tests/fuzzing.rs`.

#![allow(dead_code, reason = "every fuzz target uses one of them")]

pub mod catalog;
pub mod cursor;
pub mod delays;
pub mod expression;
pub mod headers;
pub mod key;
pub mod path;
pub mod requests;
pub mod signals;
pub mod style;
pub mod yaml;

use std::borrow::Cow;

/// Text of arbitrary bytes: what is no UTF-8 becomes a sign that is.
fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Two inputs in one: what stands before and behind the first zero.
fn two(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}
