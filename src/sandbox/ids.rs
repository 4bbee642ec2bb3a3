//! Ids of new records and of held lists: a counter, written in some base, inside a fixed text.

use super::words::{Problems, Words};
use crate::catalog::Node;

const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LOWER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

#[derive(Debug, Clone)]
pub(super) struct Ids {
    pub(super) from: u64,
    pub(super) step: u64,
    base: u64,
    width: usize,
    before: String,
    after: String,
    /// Many vendors' ids have a shorter spelling that means the same: so many characters of it.
    short: Option<usize>,
    /// The first ids are words of the vendor's own.
    names: Vec<String>,
}

impl Ids {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let base = words.number("base").unwrap_or(10);
        if !matches!(base, 10 | 36 | 62) {
            problems.add(node, "`base` is 10, 36 (small letters) or 62");
        }
        let text = words.text("text").unwrap_or("{}");
        let (before, after) = text.split_once("{}").unwrap_or_else(|| {
            problems.add(node, "`text` holds `{}` where the counter stands");
            (text, "")
        });
        let ids = Self {
            from: words.number("from").unwrap_or(1),
            step: words.number("step").unwrap_or(1).max(1),
            base: base.clamp(2, 62),
            width: words.number("digits").unwrap_or(0).min(20) as usize,
            before: before.to_owned(),
            after: after.to_owned(),
            short: words.number("short").map(|short| short as usize),
            names: words.texts("names"),
        };
        words.finish();
        ids
    }

    pub(super) fn write(&self, mut number: u64) -> String {
        let place = number.checked_sub(self.from).map(|place| place / self.step);
        if let Some(name) = place.and_then(|place| self.names.get(usize::try_from(place).ok()?)) {
            return name.clone();
        }
        let alphabet = self.alphabet();
        let mut digits = Vec::new();
        while number > 0 || digits.is_empty() {
            digits.extend(alphabet.get((number % self.base) as usize));
            number /= self.base;
        }
        digits.resize(digits.len().max(self.width), b'0');
        let digits: String = digits.iter().rev().map(|digit| char::from(*digit)).collect();
        format!("{}{digits}{}", self.before, self.after)
    }

    /// The number that an id was written from; `None` for a text that is no id of this kind.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        if let Some(place) = self.names.iter().position(|name| name == id) {
            return self.from.checked_add((place as u64).checked_mul(self.step)?);
        }
        let short = self.short.filter(|short| *short == id.len());
        let rest = id.strip_prefix(self.before.as_str())?;
        let digits = if short.is_some() { rest } else { rest.strip_suffix(self.after.as_str())? };
        let mut number: u64 = 0;
        for digit in digits.bytes() {
            let value = self.alphabet().iter().position(|known| *known == digit)? as u64;
            number = number.checked_mul(self.base)?.checked_add(value)?;
        }
        let written = self.write(number);
        let same = if short.is_some() { written.starts_with(id) } else { written == id };
        same.then_some(number)
    }

    fn alphabet(&self) -> &'static [u8] {
        if self.base == 36 { LOWER } else { DIGITS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Ids {
        let problems = Problems::default();
        let ids = Ids::read(&Node::parse("t.yaml", text).expect("valid YAML"), &problems);
        assert_eq!(problems.into_sorted(), []);
        ids
    }

    #[test]
    fn ids_are_read_as_they_were_written() {
        let ids = ids("{ base: 36, digits: 5, text: '0035e00000{}AAA', short: 15 }");
        assert_eq!(ids.write(37), "0035e0000000011AAA");
        assert_eq!(ids.number("0035e0000000011AAA"), Some(37));
        assert_eq!(ids.number("0035e0000000011"), Some(37), "the short spelling");
        for other in ["0035e0000000011AAB", "0035e00000011AAA", "", "x", "0035e0000000011A"] {
            assert_eq!(ids.number(other), None, "{other}");
        }
    }

    #[test]
    fn numbers_with_leading_zeros_are_other_ids() {
        let ids = ids("{ from: 101, step: 50 }");
        assert_eq!(ids.number("101"), Some(101));
        assert_eq!(ids.number("0101"), None);
        assert_eq!(ids.number("18446744073709551616"), None);
    }
}
