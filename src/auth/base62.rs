//! Ids and secrets in `0-9A-Za-z`: they survive a double click, a URL and a header.

use crate::error::{Error, Result};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` characters from the operating system's randomness, each equally likely.
pub(crate) fn random(length: usize) -> Result<String> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("the operating system gives no random bytes"))?;
        // Bytes from 248 on are thrown away: a plain remainder would favour the first eight characters.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.filter_map(|byte| digit(u32::from(*byte) % 62)).take(length - text.len()));
    }
    Ok(text)
}

/// `number` in six characters, which is enough for 32 bits.
pub(crate) fn six(mut number: u32) -> String {
    let mut digits = [0_u32; 6];
    for place in digits.iter_mut().rev() {
        *place = number % 62;
        number /= 62;
    }
    digits.into_iter().filter_map(digit).collect()
}

pub(crate) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn digit(value: u32) -> Option<char> {
    ALPHABET.get(value as usize).map(|byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_texts_are_long_enough_and_differ() {
        let (one, two) = (random(200).expect("random"), random(200).expect("random"));
        assert_eq!((one.len(), two.len()), (200, 200));
        assert!(is_base62(&one) && one != two);
    }

    #[test]
    fn six_characters_hold_any_checksum() {
        assert_eq!(six(0), "000000");
        assert_eq!(six(61), "00000z");
        assert_eq!(six(62), "000010");
        assert_eq!(six(u32::MAX), "4gfFC3");
    }
}
