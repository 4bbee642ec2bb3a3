//! How a style writes one value: rendered anew from what it means, then bare or quoted and escaped.

use super::codec::{self, Codec};
use super::style::{StyleError, StyleErrorKind};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(super) enum Literal {
    Quoted(Quoted),
    Bare(Option<regex::Regex>),
    /// The text itself: what stands for null.
    Fixed(String),
    /// A JSON value in another form.
    Coded(Codec),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Quoted {
    pub(super) quote: String,
    pub(super) escape: BTreeMap<char, String>,
}

/// Types whose canonical form holds no character that could end a literal.
const SAFE_BARE: &[&str] = &["number", "integer", "decimal", "boolean", "date", "date-time"];

pub(super) fn parse_escape(spec: &Value) -> Result<BTreeMap<char, String>, String> {
    let mut escape = BTreeMap::new();
    for (from, to) in spec.as_object().into_iter().flatten() {
        let mut chars = from.chars();
        match (chars.next(), chars.next(), to.as_str()) {
            (Some(c), None, Some(to)) => escape.insert(c, to.to_owned()),
            _ => return Err(format!("escape maps a character to text, not {from:?}")),
        };
    }
    Ok(escape)
}

impl Quoted {
    fn parse(spec: &Value) -> Result<Self, String> {
        let quote = spec.get("quote").and_then(Value::as_str).unwrap_or_default().to_owned();
        let escape = parse_escape(spec.get("escape").unwrap_or(&Value::Null))?;
        if let Some(open) = quote.chars().find(|c| !escape.contains_key(c)) {
            return Err(format!("escape does not say how {open:?} is written inside of quotes"));
        }
        // a text that begins with the escape sign itself would otherwise swallow the quote behind it
        let introducers = escape.iter().filter_map(|(c, text)| text.chars().next().filter(|first| first != c));
        if let Some(bare) = introducers.into_iter().find(|first| !escape.contains_key(first)) {
            return Err(format!("escape uses {bare:?} but does not escape it"));
        }
        Ok(Self { quote, escape })
    }

    /// Whether this text of the style's own, put between the quotes, cannot end the literal nor swallow what
    /// comes behind it.
    pub(super) fn holds(&self, text: &str) -> bool {
        let introduces = |c: char| self.escape.iter().any(|(of, text)| *of != c && text.starts_with(c));
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = match self.escape.get(&c) {
                Some(_) if introduces(c) => rest.get(c.len_utf8()..).and_then(|rest| {
                    let mut escaped = rest.chars();
                    escaped.next().map(|_| escaped.as_str())
                }),
                Some(escaped) => rest.strip_prefix(escaped.as_str()),
                None => rest.get(c.len_utf8()..),
            };
            match after {
                Some(after) if after.len() < rest.len() => rest = after,
                _ => return false,
            }
        }
        true
    }

    /// One pass: `also` goes before the escapes of the literal.
    pub(super) fn inner(&self, text: &str, also: &BTreeMap<char, String>) -> String {
        let mut inner = String::with_capacity(text.len());
        for c in text.chars() {
            match also.get(&c).or_else(|| self.escape.get(&c)) {
                Some(escaped) => inner.push_str(escaped),
                None => inner.push(c),
            }
        }
        inner
    }
}

impl Literal {
    pub(super) fn parse(kind: &str, spec: &Value) -> Result<Self, String> {
        let wrong = |why: String| format!("literals.{kind}: {why}");
        match spec {
            Value::String(text) if kind == "null" => Ok(Self::Fixed(text.clone())),
            Value::String(word) if word == "bare" => match SAFE_BARE.contains(&kind) {
                true => Ok(Self::Bare(None)),
                false => Err(wrong("a bare literal of this type needs a pattern: {bare: …}".into())),
            },
            Value::String(word) => {
                // `epoch-ms-text` is the codec and then text
                let codec = match word.strip_suffix("-text") {
                    Some(inner) => Codec::parse(&serde_json::json!([inner, "text"])),
                    None => Codec::parse(spec),
                };
                codec.map(Self::Coded).map_err(wrong)
            }
            Value::Object(map) => match (map.get("bare"), map.get("codec")) {
                (Some(Value::String(pattern)), _) => {
                    full_match(pattern).map(|pattern| Self::Bare(Some(pattern))).map_err(wrong)
                }
                (_, Some(codec)) => Codec::parse(codec).map(Self::Coded).map_err(wrong),
                _ => Quoted::parse(spec).map(Self::Quoted).map_err(wrong),
            },
            _ => Err(wrong("bare, {bare: pattern}, {quote, escape} or a codec".into())),
        }
    }

    /// The literal as text of a query.
    pub(super) fn text(&self, value: &Value, kind: &str) -> Result<String, StyleError> {
        let text = canonical(value, kind)?;
        match self {
            Self::Quoted(quoted) => {
                Ok(format!("{}{}{}", quoted.quote, quoted.inner(&text, &BTreeMap::new()), quoted.quote))
            }
            Self::Bare(None) => Ok(text),
            Self::Bare(Some(pattern)) if pattern.is_match(&text) => Ok(text),
            Self::Bare(Some(_)) => Err(invalid(kind)),
            Self::Fixed(fixed) => Ok(fixed.clone()),
            Self::Coded(codec) => {
                let coded = codec.write(value).map_err(|_| invalid(kind))?;
                codec::scalar_text(&coded).ok_or_else(|| invalid(kind))
            }
        }
    }

    /// The literal as a JSON value.
    pub(super) fn json(&self, value: &Value, kind: &str) -> Result<Value, StyleError> {
        match self {
            Self::Coded(codec) => codec.write(value).map_err(|_| invalid(kind)),
            other => other.text(value, kind).map(Value::String),
        }
    }
}

pub(super) fn full_match(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|_| format!("{pattern:?} is no valid pattern"))
}

pub(super) fn invalid(kind: &str) -> StyleError {
    let an = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    StyleError { kind: StyleErrorKind::InvalidValue, message: format!("the value is not {an} {kind}") }
}

/// The one way to write a value of this type, whatever way it was written in.
pub(super) fn canonical(value: &Value, kind: &str) -> Result<String, StyleError> {
    let text = match kind {
        "number" | "decimal" => codec::to_decimal(value).ok(),
        "integer" => Codec::Integer.write(value).ok().and_then(|number| codec::scalar_text(&number)),
        "boolean" => match codec::scalar_text(value).as_deref() {
            Some(flag @ ("true" | "false")) => Some(flag.to_owned()),
            _ => None,
        },
        "date" => codec::to_date(value).ok(),
        "date-time" => codec::to_instant(value).ok(),
        _ => codec::scalar_text(value),
    };
    text.ok_or_else(|| invalid(kind))
}
