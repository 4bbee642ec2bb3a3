//! Values of the model's types, read from text without passing through a float.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Number, Value};

use super::Type;

/// The source text of a JSON number, or the text of a string that holds one.
pub fn number_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.trim().parse::<Number>().is_ok() => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// Cut to what stores keep: what was written equals what is read.
pub fn in_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A decimal number without an exponent (`3.5E8` becomes `350000000`); other digits stay as they are.
/// `None` when it is no number, or would be longer than 400 characters.
pub fn plain_decimal(text: &str) -> Option<String> {
    text.parse::<Number>().ok()?;
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Some(text.to_owned()) };
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() < 400)?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let plain = if point <= 0 {
        format!("0.{}{all}", "0".repeat(point.unsigned_abs() as usize))
    } else if point as usize >= all.len() {
        format!("{all}{}", "0".repeat(point as usize - all.len()))
    } else {
        let (whole, fraction) = all.split_at(point as usize);
        format!("{whole}.{fraction}")
    };
    let plain = match plain.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
        }
        None => plain,
    };
    let trimmed = plain.trim_start_matches('0');
    let plain = if trimmed.is_empty() || trimmed.starts_with('.') { format!("0{trimmed}") } else { trimmed.to_owned() };
    (plain.len() <= 400).then(|| format!("{sign}{plain}"))
}

/// A strict RFC 3339 date-time of a caller, as UTC text with the fraction it came with.
pub fn instant(text: &str) -> Option<String> {
    let timestamp: Timestamp = text.parse().ok()?;
    let digits = text.split_once('.').map_or(0, |(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
    Some(format!("{timestamp:.precision$}", precision = digits.min(9)))
}

/// A filter's value from a query string, typed by the model. The error says what was expected.
pub fn parse_filter_value(kind: &Type, text: &str) -> Result<Value, String> {
    let refused = || kind.describe();
    match kind {
        Type::Integer => {
            let number = text.parse::<i64>().map_err(|_| refused())?;
            Ok(Value::Number(number.into()))
        }
        Type::Number => text.parse::<Number>().map(Value::Number).map_err(|_| refused()),
        Type::Decimal => plain_decimal(text).map(Value::String).ok_or_else(refused),
        Type::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("true or false".into()),
        },
        Type::Date => text.parse::<Date>().map(|date| Value::String(date.to_string())).map_err(|_| refused()),
        Type::DateTime => instant(text).map(Value::String).ok_or_else(refused),
        Type::Enum(values) if !values.iter().any(|known| known == text) => Err(refused()),
        Type::Object(_) => Err("a member of the object, such as `company.id`".into()),
        Type::Enum(_) | Type::Id | Type::Text | Type::Any => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_lose_their_exponent_and_nothing_else() {
        for (text, plain) in [
            ("500", "500"),
            ("12500.10", "12500.10"),
            ("35000.0", "35000.0"),
            ("3.5E8", "350000000"),
            ("1.25e-3", "0.00125"),
            ("-2.50e1", "-25"),
            ("6493490000001291001", "6493490000001291001"),
        ] {
            assert_eq!(plain_decimal(text).as_deref(), Some(plain), "{text}");
        }
        assert_eq!(plain_decimal("1e400"), None);
        assert_eq!(plain_decimal("abc"), None);
    }

    #[test]
    fn instants_become_utc_and_keep_their_fraction() {
        assert_eq!(instant("2026-09-01T02:00:00.120+02:00").as_deref(), Some("2026-09-01T00:00:00.120Z"));
        assert_eq!(instant("2026-09-01T00:00:00Z").as_deref(), Some("2026-09-01T00:00:00Z"));
        assert_eq!(instant("2026-09-01"), None);
    }
}
