//! Mapping files as trees that remember where every value stands, so that problems can name file and line.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

/// Something wrong in a mapping file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the mappings folder, for example `acme/contacts.yaml`.
    pub file: Arc<str>,
    /// Counted from 1; 0 where the whole file is meant.
    pub line: u64,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// A value and its place. Two files may be merged into one tree: each node keeps its own place.
#[derive(Debug, Clone)]
pub struct Node {
    pub file: Arc<str>,
    pub line: u64,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(IndexMap<String, Node>),
}

impl Node {
    /// Parses one YAML document. Anchors and merges are resolved; duplicate keys are an error.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        let file: Arc<str> = file.into();
        // Only `true` and `false` are booleans: `no`, `on` and `y` are words that paths and enum values consist of.
        let options = serde_saphyr::options! { strict_booleans: true };
        match serde_saphyr::from_str_with_options::<Raw>(text, options) {
            Ok(raw) => Ok(raw.into_node(&Place { file: &file, text }, 1, None)),
            Err(error) => {
                let line = error.location().map_or(0, |location| location.line());
                let message = error.without_snippet().to_string();
                let hint = if message.contains("flow") || message.contains("mapping") {
                    "; a string that holds `{`, `}`, `#` or `: ` has to be quoted, or written in block style"
                } else {
                    ""
                };
                Err(Problem { file, line, message: format!("this is not valid YAML: {message}{hint}") })
            }
        }
    }

    /// A tree of JSON, which has no lines.
    pub fn of(file: &str, value: &Value) -> Self {
        let kind = match value {
            Value::Array(items) => Kind::List(items.iter().map(|item| Self::of(file, item)).collect()),
            Value::Object(members) => {
                Kind::Map(members.iter().map(|(name, value)| (name.clone(), Self::of(file, value))).collect())
            }
            scalar => Kind::Scalar(scalar.clone()),
        };
        Self { file: file.into(), line: 0, kind }
    }

    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { file: self.file.clone(), line: self.line, message: message.into() }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(map) => map.get(key),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The node at an RFC 6901 pointer, or the nearest one above it that exists.
    pub fn locate(&self, pointer: &str) -> &Node {
        let mut node = self;
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                Kind::Map(map) => map.get(&segment),
                Kind::List(list) => segment.parse::<usize>().ok().and_then(|index| list.get(index)),
                Kind::Scalar(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return node,
            }
        }
        node
    }

    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(list) => Value::Array(list.iter().map(Node::to_value).collect()),
            Kind::Map(map) => Value::Object(map.iter().map(|(key, node)| (key.clone(), node.to_value())).collect()),
        }
    }

    /// Lays `over` on this tree: maps merge, lists and scalars replace, null removes. Where a list in `over` holds the
    /// entry `inherit: true`, the list below stands there.
    pub fn lay_over(self, over: Node) -> Node {
        match (self.kind, over.kind) {
            (Kind::Map(mut below), Kind::Map(above)) => {
                for (key, node) in above {
                    if matches!(node.kind, Kind::Scalar(Value::Null)) {
                        below.shift_remove(&key);
                        continue;
                    }
                    let merged = match below.get_mut(&key) {
                        Some(slot) => std::mem::replace(slot, Node::empty(&over.file)).lay_over(node),
                        None => node,
                    };
                    below.insert(key, merged);
                }
                Node { file: over.file, line: over.line, kind: Kind::Map(below) }
            }
            (below, Kind::List(above)) => {
                let mut inherited = match below {
                    Kind::List(list) => Some(list),
                    single @ Kind::Map(_) => {
                        Some(vec![Node { file: self.file.clone(), line: self.line, kind: single }])
                    }
                    Kind::Scalar(_) => None,
                };
                let mut list = Vec::new();
                for node in above {
                    if is_inherit(&node) {
                        list.extend(inherited.take().into_iter().flatten());
                    } else {
                        list.push(node);
                    }
                }
                Node { file: over.file, line: over.line, kind: Kind::List(list) }
            }
            (_, kind) => Node { file: over.file, line: over.line, kind },
        }
    }

    /// Replaces `{name}` in every text and every name by the parameter of that name.
    pub fn substitute(&mut self, params: &Map<String, Value>) {
        match &mut self.kind {
            Kind::Scalar(Value::String(text)) => fill(text, params),
            Kind::Scalar(_) => {}
            Kind::List(list) => list.iter_mut().for_each(|node| node.substitute(params)),
            Kind::Map(map) => {
                map.values_mut().for_each(|node| node.substitute(params));
                if map.keys().any(|key| key.contains('{')) {
                    let named = std::mem::take(map).into_iter().map(|(mut key, node)| {
                        fill(&mut key, params);
                        (key, node)
                    });
                    *map = named.collect();
                }
            }
        }
    }

    fn empty(file: &Arc<str>) -> Self {
        Node { file: file.clone(), line: 0, kind: Kind::Scalar(Value::Null) }
    }
}

fn fill(text: &mut String, params: &Map<String, Value>) {
    if !text.contains('{') {
        return;
    }
    for (name, value) in params {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        *text = text.replace(&format!("{{{name}}}"), &value);
    }
}

fn is_inherit(node: &Node) -> bool {
    node.get("inherit").is_some_and(|flag| matches!(flag.kind, Kind::Scalar(Value::Bool(true))))
}

/// What the parser gives, before the file's name is known.
#[derive(Debug)]
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

/// The file that nodes are made of.
struct Place<'a> {
    file: &'a Arc<str>,
    text: &'a str,
}

impl Raw {
    fn into_node(self, place: &Place<'_>, line: u64, location: Option<Location>) -> Node {
        let kind = match self {
            Raw::Scalar(value) => Kind::Scalar(match value {
                Value::Number(number) => {
                    source_number(place.text, location).map_or(Value::Number(number), Value::Number)
                }
                other => other,
            }),
            Raw::List(list) => Kind::List(
                list.into_iter()
                    .map(|item| {
                        let location = item.referenced;
                        item.value.into_node(place, location.line(), Some(location))
                    })
                    .collect(),
            ),
            Raw::Map(map) => Kind::Map(
                map.into_iter()
                    .map(|(key, value)| {
                        let line = key.referenced.line();
                        (key.value, value.value.into_node(place, line, Some(value.referenced)))
                    })
                    .collect(),
            ),
        };
        Node { file: place.file.clone(), line, kind }
    }
}

/// A number as it was written: `12500.10` must not become `12500.1`.
fn source_number(text: &str, location: Option<Location>) -> Option<Number> {
    let span = location?.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let end = start + usize::try_from(span.byte_len()?).ok()?;
    text.get(start..end)?.trim().parse().ok()
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Scalar(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Scalar(Value::Null))
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Scalar(Value::Bool(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Scalar(Value::String(value.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    map.push(entry);
                }
                Ok(Raw::Map(map))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_lines() {
        let node = Node::parse("a.yaml", "a: 1\nb:\n  - x\n  - {c: \"1\"}\n").expect("valid YAML");
        assert_eq!(node.locate("/b/1/c").line, 4);
        assert_eq!(node.locate("/b/1/c").as_str(), Some("1"));
        assert_eq!(node.locate("/b/9").line, 2);
        assert_eq!(node.to_value(), serde_json::json!({"a": 1, "b": ["x", {"c": "1"}]}));
        let words = Node::parse("a.yaml", "[n, no, on, y, true]").expect("valid YAML").to_value();
        assert_eq!(words, serde_json::json!(["n", "no", "on", "y", true]));
        let node = Node::parse("a.yaml", "a: 12500.10\nb: [1.0, 2]\n").expect("valid YAML");
        assert_eq!(node.to_value().to_string(), r#"{"a":12500.10,"b":[1.0,2]}"#);
    }

    #[test]
    fn a_file_lies_over_another() {
        let base = Node::parse("b.yaml", "a: {x: 1, y: 2}\nl: [{r: 1}]\nm: {r: 2}\n").expect("valid YAML");
        let over = Node::parse("o.yaml", "a: {x: null, z: 3}\nl: [{r: 0}, {inherit: true}]\n").expect("valid YAML");
        let merged = base.lay_over(over);
        assert_eq!(
            merged.to_value(),
            serde_json::json!({"a": {"y": 2, "z": 3}, "l": [{"r": 0}, {"r": 1}], "m": {"r": 2}})
        );
    }

    #[test]
    fn faults_name_their_line() {
        let problem = Node::parse("a.yaml", "a: 1\nb: {request: GET /x/{id}}\n").expect_err("not valid YAML");
        assert_eq!(problem.line, 2, "{problem}");
        assert!(Node::parse("a.yaml", "a: 1\na: 2\n").is_err(), "duplicate keys are refused");
    }
}
