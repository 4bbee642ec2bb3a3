//! Styles: how a vendor's query language looks, as data. Conditions, sorts and whole queries are rendered
//! by a style and never joined by hand, so a value cannot become syntax.
//!
//! A style renders text (`style_text`) or JSON (`style_json`). Conditions always have the shape
//! `{any: [{all: [{on, op, value, type}]}]}`; `on` may be a list of columns of which any may hold.

use super::style_json::JsonStyle;
use super::style_text::TextStyle;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Clone)]
pub enum Style {
    Text(TextStyle),
    Json(JsonStyle),
}

/// The styles of a provider by name.
#[derive(Debug, Clone, Default)]
pub struct Styles(pub BTreeMap<String, Style>);

impl Styles {
    /// All styles of a provider, or every fault with the name of the style it is in.
    pub fn parse<'a>(specs: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Result<Self, Vec<(String, String)>> {
        let mut styles = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, spec) in specs {
            match Style::parse(spec) {
                Ok(style) => {
                    styles.insert(name.clone(), style);
                }
                Err(found) => faults.extend(found.into_iter().map(|fault| (name.clone(), fault))),
            }
        }
        if faults.is_empty() { Ok(Self(styles)) } else { Err(faults) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StyleError {
    pub kind: StyleErrorKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StyleErrorKind {
    /// The caller's value is not of its type.
    InvalidValue,
    /// The language has no such operator.
    Unsupported,
    /// `in` of nothing: the answer is empty, no call is needed.
    EmptyList,
    /// The mapping is wrong: a column that is no name, conditions of another shape.
    Mapping,
}

impl StyleError {
    pub(super) fn mapping(message: impl Into<String>) -> Self {
        Self { kind: StyleErrorKind::Mapping, message: message.into() }
    }

    pub(super) fn unsupported(op: &str) -> Self {
        Self { kind: StyleErrorKind::Unsupported, message: format!("the operator {op:?} is not supported") }
    }

    pub(super) fn empty_list() -> Self {
        Self { kind: StyleErrorKind::EmptyList, message: "empty list".into() }
    }
}

impl fmt::Display for StyleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StyleError {}

pub(super) type Rendered<T> = Result<T, StyleError>;

impl Style {
    pub fn parse(spec: &Value) -> Result<Self, Vec<String>> {
        let Some(spec) = spec.as_object() else { return Err(vec!["a style is an object".into()]) };
        let is_template = |op: &Value| op.is_array() || op.as_object().is_some_and(|op| each_of(op).is_none());
        let ops = spec.get("ops").and_then(Value::as_object);
        let json = spec.get("json") == Some(&Value::Bool(true)) || ops.is_some_and(|ops| ops.values().any(is_template));
        if json { JsonStyle::parse(spec).map(Self::Json) } else { TextStyle::parse(spec).map(Self::Text) }
    }

    pub fn supports(&self, op: &str) -> bool {
        match self {
            Self::Text(style) => style.supports(op),
            Self::Json(style) => style.supports(op),
        }
    }

    /// No conditions have no value.
    pub fn where_(&self, conditions: &Value) -> Result<Option<Value>, StyleError> {
        let groups = groups(conditions)?;
        if groups.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Text(style) => style.conditions(&groups).map(|text| Some(Value::String(text))),
            Self::Json(style) => style.conditions(&groups).map(Some),
        }
    }

    /// `sort` is a list of `{on, desc}` or one of them.
    pub fn order(&self, sort: &Value) -> Result<Option<Value>, StyleError> {
        let sort = sorts(sort)?;
        if sort.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Text(style) => style.order(&sort).map(|text| Some(Value::String(text))),
            Self::Json(style) => style.order(&sort).map(Some),
        }
    }

    pub fn literal(&self, value: &Value, kind: &str) -> Result<Value, StyleError> {
        match self {
            Self::Text(style) => style.literal(value, kind).map(Value::String),
            Self::Json(style) => style.literal(value, kind),
        }
    }

    /// The statement with its parts; `None` when a part it cannot do without has no value. A JSON style
    /// has no statement: its query is what `where` renders.
    pub fn query(&self, parts: &Value) -> Result<Option<Value>, StyleError> {
        match self {
            Self::Text(style) => Ok(style.query(self, parts)?.map(Value::String)),
            Self::Json(_) => self.where_(parts.get("where").unwrap_or(&Value::Null)),
        }
    }
}

/// `{any: eq}`: the operator of which one must hold for one of the values.
pub(super) fn each_of(op: &serde_json::Map<String, Value>) -> Option<&str> {
    if op.len() == 1 { op.get("any").and_then(Value::as_str) } else { None }
}

/// One condition, taken apart and checked.
pub(super) struct Condition<'v> {
    pub(super) on: Vec<&'v str>,
    pub(super) op: &'v str,
    pub(super) value: &'v Value,
    pub(super) kind: &'v str,
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(entries) => entries,
        lone => std::slice::from_ref(lone),
    }
}

/// The groups of which any must hold. Where one of them is empty everything holds: no conditions.
fn groups(conditions: &Value) -> Rendered<Vec<Vec<Condition<'_>>>> {
    let shape = || StyleError::mapping("conditions are {any: [{all: [{on, op, value, type}]}]}");
    let any = match conditions {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) if map.is_empty() => return Ok(Vec::new()),
        Value::Object(map) if map.len() == 1 => list(map.get("any").ok_or_else(shape)?),
        _ => return Err(shape()),
    };
    let group = |group: &'_ Value| -> Option<()> {
        group.as_object().filter(|map| map.len() == 1 && map.contains_key("all")).map(|_| ())
    };
    let mut groups = Vec::new();
    for entry in any {
        group(entry).ok_or_else(shape)?;
        let all = list(entry.get("all").unwrap_or(&Value::Null));
        if all.is_empty() {
            return Ok(Vec::new());
        }
        groups.push(all.iter().map(condition).collect::<Rendered<Vec<_>>>()?);
    }
    Ok(groups)
}

fn condition(spec: &Value) -> Rendered<Condition<'_>> {
    const NULL: &Value = &Value::Null;
    let on: Option<Vec<&str>> = list(spec.get("on").unwrap_or(NULL)).iter().map(Value::as_str).collect();
    let on = on.filter(|on| !on.is_empty()).ok_or_else(|| StyleError::mapping("a condition has no column"))?;
    let op =
        spec.get("op").and_then(Value::as_str).ok_or_else(|| StyleError::mapping("a condition has no operator"))?;
    let value = spec.get("value").unwrap_or(NULL);
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or("string");
    // "exists: false" asks for the missing ones
    let op = match (op, value) {
        ("exists", Value::Bool(false)) => "missing",
        ("missing", Value::Bool(false)) => "exists",
        (op, _) => op,
    };
    Ok(Condition { on, op, value, kind })
}

fn sorts(sort: &Value) -> Rendered<Vec<(&str, bool)>> {
    let one = |entry: &'_ Value| -> Option<bool> {
        entry.get("on").and_then(Value::as_str)?;
        Some(entry.get("desc").and_then(Value::as_bool).unwrap_or(false))
    };
    let wrong = || StyleError::mapping("a sort is {on, desc}");
    list(sort)
        .iter()
        .map(|entry| {
            let desc = one(entry).ok_or_else(wrong)?;
            Ok((entry.get("on").and_then(Value::as_str).ok_or_else(wrong)?, desc))
        })
        .collect()
}

pub(super) fn values(value: &Value) -> &[Value] {
    list(value)
}
