//! Decimal numbers as text: ids, amounts and codes never pass through a float.

use serde_json::{Number, Value};

/// A decimal number: digits x 10^-scale. Wide enough for every amount; what is wider is refused, not rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    scale: u32,
}

/// More digits than this in either direction are no amount.
const MAX_SCALE: u32 = 30;

impl Decimal {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let (digits, scale) = match u32::try_from(scale) {
            Ok(scale) if scale <= MAX_SCALE => (digits, scale),
            Ok(_) => return None,
            Err(_) => (digits.checked_mul(power(scale.unsigned_abs())?)?, 0),
        };
        Some(Self { digits: if negative { -digits } else { digits }, scale })
    }

    /// The number times 10^places.
    pub(super) fn shift(self, places: i32) -> Option<Self> {
        let scale = i32::try_from(self.scale).ok()?.checked_sub(places)?;
        match u32::try_from(scale) {
            Ok(scale) => Some(Self { scale, ..self }),
            Err(_) => Some(Self { digits: self.digits.checked_mul(power(scale.unsigned_abs())?)?, scale: 0 }),
        }
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(other.digits)?, scale: self.scale + other.scale })
    }

    /// The quotient, exact where it has an end within twelve more places, rounded there where not.
    pub(super) fn over(self, other: Self) -> Option<Self> {
        if other.digits == 0 {
            return None;
        }
        let mut digits = self.digits.checked_mul(power(other.scale)?)?;
        let mut scale = self.scale;
        for _ in 0..12 {
            if digits % other.digits == 0 {
                break;
            }
            digits = digits.checked_mul(10)?;
            scale += 1;
        }
        let (quotient, remainder) = (digits / other.digits, digits % other.digits);
        let up = remainder.checked_abs()?.checked_mul(2)? >= other.digits.checked_abs()?;
        let away = if (digits < 0) == (other.digits < 0) { 1 } else { -1 };
        Some(Self { digits: if up { quotient + away } else { quotient }, scale })
    }

    /// Without zeros at the end of the fraction.
    pub(super) fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }

    pub(super) fn integer(self) -> Option<i128> {
        let trimmed = self.trimmed();
        (trimmed.scale == 0).then_some(trimmed.digits)
    }

    /// Whole part (rounded down) and the digits of the fraction.
    pub(super) fn split(self) -> Option<(i128, String)> {
        let unit = power(self.scale)?;
        let (whole, fraction) = (self.digits.div_euclid(unit), self.digits.rem_euclid(unit));
        let width = usize::try_from(self.scale).ok()?;
        Some((whole, if width == 0 { String::new() } else { format!("{fraction:0width$}") }))
    }

    pub(super) fn number(self) -> Option<Value> {
        self.to_string().parse::<Number>().ok().map(Value::Number)
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - scale).unwrap_or((&digits, ""));
        let sign = if self.digits < 0 { "-" } else { "" };
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

/// The text of a number, of a JSON number or of text that is one; `None` for anything else. Plain decimals
/// keep their text to the last zero, an exponent is expanded.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.as_str(),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if all_digits(whole) && all_digits(fraction) && !leading_zero && text.len() <= 200 {
        return Some(text.to_owned());
    }
    Decimal::parse(text).map(|decimal| decimal.to_string())
}

/// A number as JSON, with the text it had.
pub(super) fn json(value: &Value) -> Option<Value> {
    text(value)?.parse::<Number>().ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_the_text_and_computes_exactly() {
        let parse = |text: &str| Decimal::parse(text).expect(text);
        for text in ["0", "12500.10", "-0.05", "6493490000001291001"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("1.5e3").to_string(), "1500");
        assert_eq!(parse("25e-3").to_string(), "0.025");
        assert_eq!(parse("12.5").shift(2).expect("fits").to_string(), "1250");
        assert_eq!(parse("1250").shift(-2).expect("fits").to_string(), "12.50");
        assert_eq!(parse("90").over(parse("60")).expect("fits").to_string(), "1.5");
        assert_eq!(parse("1").over(parse("3")).expect("fits").to_string(), "0.333333333333");
        assert_eq!(parse("-2").over(parse("3")).expect("fits").to_string(), "-0.666666666667");
        assert_eq!(parse("-1.5").split(), Some((-2, "5".to_owned())));
        for text in ["", ".", "-", "1x", "0x10", "1e999", "NaN", "١"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(text(&json!("00123")), Some("123".into()));
        assert_eq!(text(&json!(true)), None);
    }
}
