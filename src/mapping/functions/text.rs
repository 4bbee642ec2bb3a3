//! Texts, encodings, digests and instants.

use super::{Answer, Args, arg, string, text_arg};
use crate::mapping::codec::{self, Codec};
use crate::mapping::style::Styles;
use crate::model::hex;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;

pub(super) fn starts_with(args: Args, _: Option<&Styles>) -> Answer {
    let (Some(text), Some(start)) = (text_arg(args, 0)?, text_arg(args, 1)?) else { return Ok(None) };
    Ok(Some(Value::Bool(text.starts_with(start))))
}

pub(super) fn ends_with(args: Args, _: Option<&Styles>) -> Answer {
    let (Some(text), Some(end)) = (text_arg(args, 0)?, text_arg(args, 1)?) else { return Ok(None) };
    Ok(Some(Value::Bool(text.ends_with(end))))
}

thread_local! {
    static PATTERNS: RefCell<HashMap<String, regex::Regex>> = RefCell::new(HashMap::new());
}
const MAX_PATTERNS: usize = 64;

fn pattern(text: &str) -> Result<regex::Regex, String> {
    PATTERNS.with_borrow_mut(|patterns| {
        if let Some(pattern) = patterns.get(text) {
            return Ok(pattern.clone());
        }
        let pattern = regex::RegexBuilder::new(text).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
        let pattern = pattern.map_err(|_| "the pattern is not valid".to_owned())?;
        if patterns.len() >= MAX_PATTERNS {
            patterns.clear();
        }
        patterns.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    })
}

/// `$regex(s, re, group = 1)`: the group of the first match; all of it where the pattern has no group.
pub(super) fn regex(args: Args, _: Option<&Styles>) -> Answer {
    let (Some(text), Some(source)) = (text_arg(args, 0)?, text_arg(args, 1)?) else { return Ok(None) };
    let pattern = pattern(source)?;
    let Some(captures) = pattern.captures(text) else { return Ok(None) };
    let group = match arg(args, 2) {
        None => captures.get(1.min(captures.len().saturating_sub(1))),
        Some(Value::String(name)) => captures.name(name),
        Some(number) => {
            let number = codec::to_decimal(number).ok().and_then(|text| text.parse::<usize>().ok());
            captures.get(number.ok_or("the group is a number or a name")?)
        }
    };
    Ok(group.map(|group| Value::String(group.as_str().to_owned())))
}

pub(super) fn base64(args: Args, _: Option<&Styles>) -> Answer {
    text_arg(args, 0)?.map_or(Ok(None), |text| string(STANDARD.encode(text)))
}

pub(super) fn base64url(args: Args, _: Option<&Styles>) -> Answer {
    text_arg(args, 0)?.map_or(Ok(None), |text| string(URL_SAFE.encode(text)))
}

pub(super) fn unbase64(args: Args, _: Option<&Styles>) -> Answer {
    match text_arg(args, 0)? {
        Some(text) => codec::decode_base64(text).map(|text| Some(Value::String(text))).map_err(expected),
        None => Ok(None),
    }
}

fn expected(what: String) -> String {
    format!("expected {what}")
}

/// `$instant(x, unit?)`: a date-time, or a number of "s" or "ms" (the default) since 1970, as RFC 3339 in UTC.
pub(super) fn instant(args: Args, _: Option<&Styles>) -> Answer {
    let Some(value) = arg(args, 0).filter(|value| !value.is_null()) else { return Ok(None) };
    let unit = text_arg(args, 1)?;
    if unit.is_none() && value.is_string() {
        return codec::to_instant(value).map(|text| Some(Value::String(text))).map_err(expected);
    }
    epoch_codec(unit)?.read(value).map(Some).map_err(expected)
}

/// `$epoch(s, unit?)`: the other way.
pub(super) fn epoch(args: Args, _: Option<&Styles>) -> Answer {
    let Some(value) = arg(args, 0).filter(|value| !value.is_null()) else { return Ok(None) };
    epoch_codec(text_arg(args, 1)?)?.write(value).map(Some).map_err(expected)
}

fn epoch_codec(unit: Option<&str>) -> Result<Codec, String> {
    match unit {
        None | Some("ms") => Ok(Codec::EpochMillis),
        Some("s") => Ok(Codec::EpochSeconds),
        Some(_) => Err("the unit is \"s\" or \"ms\"".into()),
    }
}

pub(super) fn date(args: Args, _: Option<&Styles>) -> Answer {
    let Some(value) = arg(args, 0).filter(|value| !value.is_null()) else { return Ok(None) };
    codec::to_date(value).map(|date| Some(Value::String(date))).map_err(expected)
}

pub(super) fn json(args: Args, _: Option<&Styles>) -> Answer {
    arg(args, 0).map_or(Ok(None), |value| string(value.to_string()))
}

const MAX_JSON: usize = 1 << 20;

/// The parser refuses what is nested more than 128 deep.
pub(super) fn unjson(args: Args, _: Option<&Styles>) -> Answer {
    let Some(text) = text_arg(args, 0)? else { return Ok(None) };
    if text.len() > MAX_JSON {
        return Err("the text is longer than 1 MiB".into());
    }
    serde_json::from_str(text).map(Some).map_err(|_| "the text is not JSON".into())
}

/// `$phone(s)`: digits and a leading plus.
pub(super) fn phone(args: Args, _: Option<&Styles>) -> Answer {
    let Some(text) = arg(args, 0).and_then(codec::scalar_text) else { return Ok(None) };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plus = if text.trim_start().trim_start_matches('(').starts_with('+') { "+" } else { "" };
    Ok((!digits.is_empty()).then(|| Value::String(format!("{plus}{digits}"))))
}

pub(super) fn sha256hex(args: Args, _: Option<&Styles>) -> Answer {
    use aws_lc_rs::digest::{SHA256, digest};
    text_arg(args, 0)?.map_or(Ok(None), |text| string(hex(digest(&SHA256, text.as_bytes()).as_ref())))
}

/// Some vendors name records by the MD5 of an address; it protects nothing.
pub(super) fn md5hex(args: Args, _: Option<&Styles>) -> Answer {
    text_arg(args, 0)?.map_or(Ok(None), |text| string(hex(&md5(text.as_bytes()))))
}

/// RFC 1321.
fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let bits = (message.len() as u64).wrapping_mul(8).to_le_bytes();
    let end = padded.len() - 8;
    padded.splice(end.., bits);
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> =
            block.chunks_exact(4).map(|w| w.iter().rev().fold(0, |n, b| (n << 8) | u32::from(*b))).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64_usize {
            let (mixed, word) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sine = ((step as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32;
            let word = words.get(word).copied().unwrap_or_default();
            let sum = a.wrapping_add(mixed).wrapping_add(sine).wrapping_add(word);
            (a, d, c) = (d, c, b);
            let shift = SHIFTS.get(step / 16).and_then(|round| round.get(step % 4)).copied().unwrap_or_default();
            b = b.wrapping_add(sum.rotate_left(shift));
        }
        for (part, add) in state.iter_mut().zip([a, b, c, d]) {
            *part = part.wrapping_add(add);
        }
    }
    let mut digest = [0; 16];
    for (byte, out) in state.iter().flat_map(|part| part.to_le_bytes()).zip(digest.iter_mut()) {
        *out = byte;
    }
    digest
}

pub(super) fn decode_url(args: Args, _: Option<&Styles>) -> Answer {
    let Some(text) = text_arg(args, 0)? else { return Ok(None) };
    match percent_encoding::percent_decode_str(text).decode_utf8() {
        Ok(decoded) => string(decoded),
        Err(_) => Err("the text is not percent-encoded UTF-8".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
        ] {
            assert_eq!(hex(&md5(text.as_bytes())), expected);
        }
    }
}
