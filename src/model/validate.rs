//! A caller's record held against its model, before anything is sent anywhere.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{Member, Members, Model, Type, instant, plain_decimal};
use crate::error::Violation;

/// What is wrong with a record. Unknown members are kept apart, because they have a code of their own.
#[derive(Debug, Default)]
pub struct Verdict {
    pub invalid: Vec<Violation>,
    pub unknown: Vec<Violation>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.invalid.is_empty() && self.unknown.is_empty()
    }
}

/// Checks names and types of all members. Which of them a provider can store is the mapping's to say.
pub fn validate(model: &Model, record: &Map<String, Value>) -> Verdict {
    let mut verdict = Verdict::default();
    object(&model.members, record, "", &mut verdict);
    verdict
}

/// The same for one member that stands by itself.
pub fn validate_member(member: &Member, value: &Value, at: &str) -> Verdict {
    let mut verdict = Verdict::default();
    check(member, value, at, &mut verdict);
    verdict
}

fn object(members: &Members, record: &Map<String, Value>, at: &str, verdict: &mut Verdict) {
    for (name, value) in record {
        let pointer = format!("{at}/{}", escape(name));
        match members.get(name) {
            None => {
                let known = members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let violation = Violation::at(pointer, format!("`{name}` is not a member of this object"));
                verdict.unknown.push(violation.expected(format!("one of {known}")));
            }
            Some(member) if at.is_empty() && member.read_only && name != "id" => {
                verdict.invalid.push(Violation::at(pointer, format!("`{name}` is read-only")));
            }
            Some(member) => check(member, value, &pointer, verdict),
        }
    }
}

fn check(member: &Member, value: &Value, at: &str, verdict: &mut Verdict) {
    if !member.list {
        return one(member, value, at, verdict);
    }
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let at = format!("{at}/{index}");
                if item.is_null() {
                    wrong(member, &at, verdict);
                } else {
                    one(member, item, &at, verdict);
                }
            }
        }
        _ => verdict.invalid.push(
            Violation::at(at, format!("{} is not a list", name_of(value)))
                .expected(format!("array of {}", member.kind.describe())),
        ),
    }
}

fn one(member: &Member, value: &Value, at: &str, verdict: &mut Verdict) {
    let good = match (&member.kind, value) {
        (_, Value::Null) => member.nullable,
        (Type::Object(object_type), Value::Object(inner)) => {
            object(&object_type.members, inner, at, verdict);
            for (name, part) in &object_type.members {
                if part.required && !inner.contains_key(name) {
                    verdict.invalid.push(
                        Violation::at(format!("{at}/{name}"), format!("`{name}` is missing"))
                            .expected(part.kind.describe()),
                    );
                }
            }
            true
        }
        (Type::Id | Type::Text, Value::String(_)) | (Type::Boolean, Value::Bool(_)) | (Type::Any, _) => true,
        (Type::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (Type::Number, Value::Number(_)) => true,
        // A plain JSON number is accepted for an amount: its source text is kept, so nothing is lost.
        (Type::Decimal, Value::Number(number)) => plain_decimal(&number.to_string()).is_some(),
        (Type::Decimal, Value::String(text)) => plain_decimal(text).is_some(),
        (Type::Date, Value::String(text)) => text.len() == 10 && text.parse::<Date>().is_ok(),
        (Type::DateTime, Value::String(text)) => instant(text).is_some(),
        (Type::Enum(values), Value::String(text)) => values.contains(text),
        _ => false,
    };
    if !good {
        let detail = match (&member.kind, value) {
            (_, Value::String(text)) if !matches!(member.kind, Type::Object(_) | Type::Boolean) => {
                format!("{:?} is not valid here", text.chars().take(80).collect::<String>())
            }
            _ => format!("{} is not valid here", name_of(value)),
        };
        verdict.invalid.push(Violation::at(at, detail).expected(expected(member)));
    }
}

fn wrong(member: &Member, at: &str, verdict: &mut Verdict) {
    verdict.invalid.push(Violation::at(at, "null is not valid here").expected(member.kind.describe()));
}

fn expected(member: &Member) -> String {
    if member.nullable { format!("{} or null", member.kind.describe()) } else { member.kind.describe() }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A name as a segment of an RFC 6901 pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
