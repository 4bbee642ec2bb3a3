//! Codecs: the form a value has at the vendor and the form it has with us, both ways.
//!
//! Numbers are computed as decimal text. Null passes by, except where a codec is about null. Errors are
//! short and name what was expected, never the value.

use super::decimal::{self, Decimal};
use super::expression::{Expression, Limits, Vars};
use super::time::{self, Instant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::Value;

/// `read` turns the vendor's form into ours, `write` ours into the vendor's.
#[derive(Debug, Clone)]
pub enum Codec {
    /// The vendor has everything as text.
    Text,
    Integer,
    Number,
    /// The vendor has decimal numbers as text.
    Decimal,
    /// The vendor's words for true and false.
    BooleanText(String, String),
    /// The vendor counts in the smallest unit: cents, so many digits of them.
    Minor(i32),
    /// The vendor has the number times this.
    Scale(String),
    Date,
    DateTime,
    /// A date-time without fractions of a second.
    DateTimeSeconds,
    LocalDateTime(TimeZone),
    EpochSeconds,
    EpochMillis,
    EpochDays,
    Json,
    Base64,
    List(String),
    Affix(String, String),
    NullIs(Value),
    /// Of `provider.yaml`: one expression each way; the value is the context and `$value`.
    Custom {
        read: Option<Expression>,
        write: Option<Expression>,
    },
    /// Written from first to last, read from last to first.
    Chain(Vec<Codec>),
}

type Coded = Result<Value, String>;

impl Codec {
    /// A word, an object of one word and its options, or a list of codecs.
    pub fn parse(spec: &Value) -> Result<Self, String> {
        match spec {
            Value::String(word) => Self::of(word, &Value::Null),
            Value::Array(list) => list.iter().map(Self::parse).collect::<Result<_, _>>().map(Self::Chain),
            Value::Object(map) => match map.iter().next() {
                Some((word, options)) if map.len() == 1 => Self::of(word, options),
                _ => Err("a codec is one word with its options, such as {minor: 2}".into()),
            },
            _ => Err("a codec is a word, an object or a list".into()),
        }
    }

    fn of(word: &str, options: &Value) -> Result<Self, String> {
        let option = |name: &str| options.get(name).unwrap_or(options);
        let text = |name: &str| option(name).as_str().map(str::to_owned);
        Ok(match word {
            "text" => Self::Text,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "decimal" => Self::Decimal,
            "boolean-text" => match options {
                Value::Null => Self::BooleanText("true".into(), "false".into()),
                _ => pair(options)
                    .map(|(yes, no)| Self::BooleanText(yes, no))
                    .ok_or("boolean-text takes [true, false]")?,
            },
            "minor" => {
                let digits = if options.is_null() { Some(2) } else { option("digits").as_i64() };
                let digits =
                    digits.and_then(|digits| i32::try_from(digits).ok()).filter(|digits| (0..=12).contains(digits));
                Self::Minor(digits.ok_or("minor takes the number of digits, 0 to 12")?)
            }
            "scale" => {
                let factor = decimal::text(option("factor"))
                    .filter(|text| Decimal::parse(text).is_some_and(|n| n.over(n).is_some()));
                Self::Scale(factor.ok_or("scale takes a number that is not 0")?)
            }
            "date" => Self::Date,
            "datetime" | "date-time" => Self::DateTime,
            "datetime-s" => Self::DateTimeSeconds,
            "local-datetime" => {
                let zone = text("zone").ok_or("local-datetime takes a zone, such as Europe/Berlin")?;
                Self::LocalDateTime(TimeZone::get(&zone).map_err(|_| format!("{zone:?} is no known time zone"))?)
            }
            "epoch-s" => Self::EpochSeconds,
            "epoch-ms" => Self::EpochMillis,
            "epoch-days" => Self::EpochDays,
            "json" => Self::Json,
            "base64" => Self::Base64,
            "list" => Self::List(text("separator").filter(|text| !text.is_empty()).ok_or("list takes a separator")?),
            "affix" => {
                pair(options).map(|(before, after)| Self::Affix(before, after)).ok_or("affix takes [before, after]")?
            }
            "null_is" => Self::NullIs(options.clone()),
            _ => return Err(format!("there is no codec {word:?}; known: {}", WORDS.join(", "))),
        })
    }

    /// The vendor's form into ours.
    pub fn read(&self, value: &Value) -> Coded {
        match self {
            Self::NullIs(null) => return Ok(if value == null { Value::Null } else { value.clone() }),
            Self::Chain(codecs) => {
                return codecs.iter().rev().try_fold(value.clone(), |value, codec| codec.read(&value));
            }
            _ if value.is_null() => return Ok(Value::Null),
            _ => {}
        }
        match self {
            Self::Integer => integer(value),
            Self::Number | Self::Decimal => decimal::json(value).ok_or_else(|| "a number".to_owned()),
            Self::BooleanText(yes, no) => boolean(value, yes, no),
            Self::Minor(digits) => number(value)?.shift(-digits).and_then(Decimal::number).ok_or_else(too_large),
            Self::Scale(factor) => {
                let quotient = number(value)?.over(Decimal::parse(factor).ok_or_else(too_large)?);
                quotient.and_then(|quotient| quotient.trimmed().number()).ok_or_else(too_large)
            }
            Self::Date => to_date(value).map(Value::String),
            Self::DateTime => to_instant(value).map(Value::String),
            Self::DateTimeSeconds => without_fraction(value),
            Self::LocalDateTime(zone) => from_local(value, zone),
            Self::EpochSeconds => epoch(number(value)?),
            Self::EpochMillis => epoch(number(value)?.shift(-3).ok_or_else(too_large)?),
            Self::EpochDays => {
                let days = number(value)?.integer().and_then(|days| i64::try_from(days).ok());
                // the days that have four digits in their year
                let days = days.filter(|days| (-719_162..=2_932_896).contains(days));
                days.map(|days| Value::String(time::date_of(days))).ok_or_else(|| "a number of days".into())
            }
            Self::Json => {
                let text = value.as_str().ok_or("JSON as text")?;
                serde_json::from_str(text).map_err(|_| "JSON as text".into())
            }
            Self::Base64 => decode_base64(value.as_str().ok_or("text in base64")?).map(Value::String),
            Self::List(separator) => Ok(split(value, separator)),
            Self::Affix(before, after) => Ok(match value {
                Value::String(text) => {
                    let inner = text.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                    Value::String(inner.unwrap_or(text).to_owned())
                }
                other => other.clone(),
            }),
            Self::Custom { read, .. } => evaluate(read.as_ref(), value),
            // the model's type says what the text means
            Self::Text | Self::NullIs(_) | Self::Chain(_) => Ok(value.clone()),
        }
    }

    /// Our form into the vendor's.
    pub fn write(&self, value: &Value) -> Coded {
        match self {
            Self::NullIs(null) => return Ok(if value.is_null() { null.clone() } else { value.clone() }),
            Self::Chain(codecs) => return codecs.iter().try_fold(value.clone(), |value, codec| codec.write(&value)),
            _ if value.is_null() => return Ok(Value::Null),
            _ => {}
        }
        match self {
            Self::Text => scalar_text(value).map(Value::String).ok_or_else(|| "text, a number or a boolean".into()),
            Self::Integer => integer(value),
            Self::Number => decimal::json(value).ok_or_else(|| "a number".into()),
            Self::Decimal => to_decimal(value).map(Value::String),
            Self::BooleanText(yes, no) => boolean(value, "true", "false")
                .map(|flag| Value::String(if flag == Value::Bool(true) { yes.clone() } else { no.clone() })),
            Self::Minor(digits) => {
                let shifted = number(value)?.shift(*digits).and_then(Decimal::integer);
                let shifted = shifted.ok_or_else(|| format!("a number with at most {digits} decimals"))?;
                shifted.to_string().parse().map(Value::Number).map_err(|_| too_large())
            }
            Self::Scale(factor) => {
                let product = number(value)?.times(Decimal::parse(factor).ok_or_else(too_large)?);
                product.and_then(|product| product.trimmed().number()).ok_or_else(too_large)
            }
            Self::Date => to_date(value).map(Value::String),
            Self::DateTime => to_instant(value).map(Value::String),
            Self::DateTimeSeconds => without_fraction(value),
            Self::LocalDateTime(zone) => to_local(value, zone),
            Self::EpochSeconds => Ok(Value::from(instant(value)?.seconds)),
            Self::EpochMillis => Ok(Value::from(instant(value)?.millis())),
            Self::EpochDays => {
                let date = to_date(value)?;
                time::parse_date(&date).map(Value::from).ok_or_else(|| "a date such as 2026-09-02".into())
            }
            Self::Json => Ok(Value::String(value.to_string())),
            Self::Base64 => Ok(Value::String(STANDARD.encode(scalar_text(value).ok_or("text")?))),
            Self::List(separator) => join(value, separator),
            Self::Affix(before, after) => {
                let text = scalar_text(value).ok_or("text or a number")?;
                Ok(Value::String(format!("{before}{text}{after}")))
            }
            Self::Custom { write, .. } => evaluate(write.as_ref(), value),
            Self::NullIs(_) | Self::Chain(_) => Ok(value.clone()),
        }
    }
}

/// All words, for messages and the schema.
#[rustfmt::skip]
pub const WORDS: &[&str] = &[
    "text", "integer", "number", "decimal", "boolean-text", "minor", "scale", "date", "datetime", "datetime-s",
    "local-datetime", "epoch-s", "epoch-ms", "epoch-days", "json", "base64", "list", "affix", "null_is",
];

fn pair(options: &Value) -> Option<(String, String)> {
    match options.as_array()?.as_slice() {
        [first, second] => Some((first.as_str()?.to_owned(), second.as_str()?.to_owned())),
        _ => None,
    }
}

fn too_large() -> String {
    "a number of ordinary size".into()
}

fn number(value: &Value) -> Result<Decimal, String> {
    decimal::text(value).and_then(|text| Decimal::parse(&text)).ok_or_else(|| "a number".into())
}

fn integer(value: &Value) -> Coded {
    let whole = number(value)?.integer().ok_or("a whole number")?;
    whole.to_string().parse().map(Value::Number).map_err(|_| too_large())
}

fn boolean(value: &Value, yes: &str, no: &str) -> Coded {
    match value {
        Value::Bool(flag) => Ok(Value::Bool(*flag)),
        other => match scalar_text(other).unwrap_or_default() {
            text if text == yes => Ok(Value::Bool(true)),
            text if text == no => Ok(Value::Bool(false)),
            text if text.eq_ignore_ascii_case(yes) || text == "1" => Ok(Value::Bool(true)),
            text if text.eq_ignore_ascii_case(no) || text == "0" => Ok(Value::Bool(false)),
            _ => Err(format!("{yes} or {no}")),
        },
    }
}

/// Text, a number or a boolean as text.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number_text(number)),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A number's text as it came, an exponent expanded.
pub fn number_text(number: &serde_json::Number) -> String {
    decimal::text(&Value::Number(number.clone())).unwrap_or_else(|| number.to_string())
}

fn instant(value: &Value) -> Result<Instant, String> {
    value.as_str().and_then(Instant::parse).ok_or_else(|| "a date-time such as 2026-09-02T10:00:00Z".into())
}

/// A date-time as RFC 3339 in UTC, with the fraction it came with.
pub fn to_instant(value: &Value) -> Result<String, String> {
    instant(value).map(|instant| instant.to_string())
}

/// A date, also the one a date-time begins with: a birthday has no time zone.
pub fn to_date(value: &Value) -> Result<String, String> {
    let expected = || "a date such as 2026-09-02".to_owned();
    let text = value.as_str().ok_or_else(expected)?.trim();
    let date = match Instant::parse_local(text) {
        Some((local, _)) => local.date(),
        None => return Err(expected()),
    };
    Ok(date)
}

/// The text of a number; `12500.10` keeps its zero, an exponent is expanded.
pub fn to_decimal(value: &Value) -> Result<String, String> {
    decimal::text(value).ok_or_else(|| "a number".into())
}

fn without_fraction(value: &Value) -> Coded {
    let instant = Instant { fraction: String::new(), ..instant(value)? };
    Ok(Value::String(instant.to_string()))
}

fn epoch(seconds: Decimal) -> Coded {
    let mut instant = Instant::of_epoch(seconds).ok_or("a number of seconds since 1970")?;
    if instant.fraction.bytes().all(|b| b == b'0') {
        instant.fraction.clear();
    }
    Ok(Value::String(instant.to_string()))
}

fn from_local(value: &Value, zone: &TimeZone) -> Coded {
    let expected = || "a local date-time such as 2026-09-02T10:00:00".to_owned();
    let (wall, offset) = value.as_str().and_then(Instant::parse_local).ok_or_else(expected)?;
    if offset.is_some() {
        return to_instant(value).map(Value::String);
    }
    let text = format!("{}T{}", wall.date(), Instant { fraction: String::new(), ..wall.clone() }.clock());
    let local: civil::DateTime = text.parse().map_err(|_| expected())?;
    // a time that the clock shows twice is the earlier one, one that it skips the later
    let zoned = zone.to_ambiguous_zoned(local).compatible().map_err(|_| expected())?;
    let instant = Instant { seconds: zoned.timestamp().as_second(), fraction: wall.fraction };
    Ok(Value::String(instant.to_string()))
}

fn to_local(value: &Value, zone: &TimeZone) -> Coded {
    let instant = instant(value)?;
    let timestamp = jiff::Timestamp::from_second(instant.seconds).map_err(|_| "a date-time".to_owned())?;
    let wall = Instant { seconds: instant.seconds + i64::from(zone.to_offset(timestamp).seconds()), ..instant };
    Ok(Value::String(format!("{}T{}", wall.date(), wall.clock())))
}

/// Standard or URL alphabet, with or without padding.
pub(super) fn decode_base64(text: &str) -> Result<String, String> {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    let plain = plain.replace('-', "+").replace('_', "/");
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(plain);
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| "text in base64".into())
}

fn split(value: &Value, separator: &str) -> Value {
    match value {
        Value::String(text) => {
            let items = text.split(separator).map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        Value::Array(_) => value.clone(),
        lone => Value::Array(vec![lone.clone()]),
    }
}

fn join(value: &Value, separator: &str) -> Coded {
    let Value::Array(items) = value else {
        return scalar_text(value).map(Value::String).ok_or_else(|| "a list of texts".into());
    };
    let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
    let texts = texts.ok_or("a list of texts")?;
    if texts.iter().any(|text| text.contains(separator)) {
        return Err(format!("texts without {separator:?}"));
    }
    Ok(Value::String(texts.join(separator)))
}

fn evaluate(expression: Option<&Expression>, value: &Value) -> Coded {
    let Some(expression) = expression else { return Ok(value.clone()) };
    let vars = Vars::none().with("value", value.clone());
    let result = expression.evaluate(value, &vars, &Limits::default());
    result.map(Option::unwrap_or_default).map_err(|problem| format!("a value its codec can take ({problem})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn there_and_back() {
        // codec, vendor's form, ours; read and written
        for (spec, vendor, ours) in [
            (r#""integer""#, "6493490000001291001", "6493490000001291001"),
            (r#""number""#, "12500.10", "12500.10"),
            (r#""decimal""#, r#""12500.10""#, "12500.10"),
            (r#""boolean-text""#, r#""true""#, "true"),
            (r#"{"boolean-text":["Y","N"]}"#, r#""N""#, "false"),
            (r#"{"minor":2}"#, "1250010", "12500.10"),
            (r#"{"minor":{"digits":0}}"#, "12", "12"),
            (r#"{"scale":1000}"#, "1500", "1.5"),
            (r#"{"scale":0.01}"#, "0.5", "50"),
            (r#""date""#, r#""2026-09-02""#, r#""2026-09-02""#),
            (r#""epoch-s""#, "1756684800", r#""2025-09-01T00:00:00Z""#),
            (r#""epoch-ms""#, "1756684800250", r#""2025-09-01T00:00:00.250Z""#),
            (r#""epoch-days""#, "20332", r#""2025-09-01""#),
            (r#"["epoch-ms","text"]"#, r#""-1000""#, r#""1969-12-31T23:59:59Z""#),
            (r#"{"local-datetime":{"zone":"Europe/Berlin"}}"#, r#""2026-07-01T12:00:00""#, r#""2026-07-01T10:00:00Z""#),
            (r#""json""#, r#""{\"a\":12500.10}""#, r#"{"a":12500.10}"#),
            (r#""base64""#, r#""w7xiZXI=""#, r#""über""#),
            (r#"{"list":";"}"#, r#""a;b""#, r#"["a","b"]"#),
            (r#"{"affix":["/accounts(",")"]}"#, r#""/accounts(7)""#, r#""7""#),
            (r#"{"null_is":false}"#, "false", "null"),
            (r#"{"null_is":false}"#, "1", "1"),
            (r#""epoch-s""#, "null", "null"),
        ] {
            let codec = Codec::parse(&json(spec)).expect(spec);
            assert_eq!(codec.read(&json(vendor)).expect(spec), json(ours), "{spec} reads {vendor}");
            assert_eq!(codec.write(&json(ours)).expect(spec), json(vendor), "{spec} writes {ours}");
        }
    }

    #[test]
    fn one_way() {
        let codec = |spec: &str| Codec::parse(&json(spec)).expect(spec);
        assert_eq!(codec(r#""text""#).write(&json("12500.10")), Ok(json(r#""12500.10""#)));
        assert_eq!(codec(r#""integer""#).read(&json(r#""12.0""#)), Ok(json("12")));
        assert_eq!(codec(r#""epoch-s""#).read(&json("1756684800.5")), Ok(json(r#""2025-09-01T00:00:00.5Z""#)));
        assert_eq!(
            codec(r#""datetime-s""#).write(&json(r#""2026-09-02T10:00:01.5+02:00""#)),
            Ok(json(r#""2026-09-02T08:00:01Z""#))
        );
        assert_eq!(codec(r#""date""#).read(&json(r#""2026-09-02T23:00:00-05:00""#)), Ok(json(r#""2026-09-02""#)));
        assert_eq!(to_decimal(&json("1.5e3")), Ok("1500".to_owned()));
        assert!(to_decimal(&json("true")).is_err());
    }

    #[test]
    fn refusals_say_what_was_expected() {
        for (spec, value, needle) in [
            (r#"{"minor":2}"#, "12.345", "at most 2 decimals"),
            (r#""integer""#, "1.5", "whole"),
            (r#"{"list":";"}"#, r#"["a;b"]"#, "without"),
            (r#""epoch-ms""#, r#""yesterday""#, "date-time"),
            (r#""decimal""#, r#""abc""#, "number"),
        ] {
            let error = Codec::parse(&json(spec)).expect(spec).write(&json(value)).expect_err(spec);
            assert!(error.contains(needle), "{spec}: {error}");
        }
        for spec in [
            r#""nope""#,
            r#"{"minor":-1}"#,
            r#"{"scale":0}"#,
            r#"{"affix":"x"}"#,
            r#"{"list":""}"#,
            "7",
            r#"{"local-datetime":"Nowhere/Atlantis"}"#,
        ] {
            assert!(Codec::parse(&json(spec)).is_err(), "{spec}");
        }
    }
}
