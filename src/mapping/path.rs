//! Paths: where a value stands in a document, read and written natively, both ways.
//!
//! Every path is also valid JSONata, but it is walked strictly here: a path never maps over an array, and
//! null is something else than nothing.

use serde_json::{Map, Value};
use std::fmt;

/// A parsed path such as ``emails[type="work"].`e-mail` ``. The path `$` has no segments: the whole value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    pub name: String,
    pub pick: Option<Pick>,
}

/// Which entry of an array is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pick {
    Index(usize),
    Where { key: String, equals: String },
}

/// A written index is created with everything before it, so it must be small.
const MAX_INDEX: usize = 9_999;

impl Path {
    /// `None` for anything that is not a path; then it is an expression or an error.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "$" {
            return Some(Self { segments: Vec::new() });
        }
        let mut rest = text;
        let mut segments = Vec::new();
        loop {
            let bare = !rest.starts_with('`');
            let (name, after) = parse_name(rest)?;
            // these words are literals in JSONata, so as a first name they would mean two things
            if bare && segments.is_empty() && matches!(name.as_str(), "true" | "false" | "null" | "function") {
                return None;
            }
            let (pick, after) = match after.strip_prefix('[') {
                Some(inner) => parse_pick(inner).map(|(pick, after)| (Some(pick), after))?,
                None => (None, after),
            };
            segments.push(Segment { name, pick });
            if after.is_empty() {
                return Some(Self { segments });
            }
            rest = after.strip_prefix('.')?;
        }
    }

    /// A path of plain names.
    pub fn of<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { segments: names.into_iter().map(|name| Segment { name: name.into(), pick: None }).collect() }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn names(&self) -> Vec<&str> {
        self.segments.iter().map(|segment| segment.name.as_str()).collect()
    }

    /// The first name; empty for `$`.
    pub fn first(&self) -> &str {
        self.segments.first().map_or("", |segment| segment.name.as_str())
    }

    /// The names joined by dots, without entries of arrays.
    pub fn dotted(&self) -> String {
        self.names().join(".")
    }

    /// What remains of this path below `prefix`.
    pub fn strip_prefix(&self, prefix: &Path) -> Option<Path> {
        self.segments.strip_prefix(prefix.segments.as_slice()).map(|rest| Path { segments: rest.to_vec() })
    }

    /// The path that begins here and goes on with `rest`.
    pub fn join(&self, rest: &Path) -> Path {
        Path { segments: [self.segments.as_slice(), rest.segments.as_slice()].concat() }
    }

    /// The value at this path; null is a value.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.segments.iter().try_fold(value, |value, segment| {
            let member = value.as_object()?.get(&segment.name)?;
            match &segment.pick {
                Some(pick) => pick.get(member),
                None => Some(member),
            }
        })
    }

    /// Writes the value, creating objects, arrays and entries on the way. What stands in the way and is
    /// no object or array is replaced.
    pub fn set(&self, target: &mut Value, value: Value) {
        let mut place = target;
        for segment in &self.segments {
            let Some(object) = object(place) else { return };
            let member = object.entry(segment.name.clone()).or_insert(Value::Null);
            let entry = match &segment.pick {
                Some(pick) => pick.place(member),
                None => Some(member),
            };
            let Some(entry) = entry else { return };
            place = entry;
        }
        *place = value;
    }
}

impl Pick {
    fn get<'v>(&self, member: &'v Value) -> Option<&'v Value> {
        let hits = |entry: &Value| match self {
            Pick::Index(_) => true,
            Pick::Where { key, equals } => entry.get(key).and_then(Value::as_str) == Some(equals),
        };
        match (self, member) {
            (Pick::Index(index), Value::Array(entries)) => entries.get(*index),
            (Pick::Where { .. }, Value::Array(entries)) => entries.iter().find(|entry| hits(entry)),
            // a lone entry stands for a list of one, as in JSONata
            (Pick::Index(0), lone) => Some(lone),
            (Pick::Where { .. }, lone) if hits(lone) => Some(lone),
            _ => None,
        }
    }

    fn place<'v>(&self, member: &'v mut Value) -> Option<&'v mut Value> {
        let entries = array(member)?;
        let index = match self {
            Pick::Index(index) => *index,
            Pick::Where { key, equals } => {
                let found = entries.iter().position(|entry| entry.get(key).and_then(Value::as_str) == Some(equals));
                found.unwrap_or_else(|| {
                    let mut entry = Map::new();
                    entry.insert(key.clone(), Value::String(equals.clone()));
                    entries.push(Value::Object(entry));
                    entries.len().saturating_sub(1)
                })
            }
        };
        while entries.len() <= index {
            entries.push(Value::Null);
        }
        entries.get_mut(index)
    }
}

/// The value as an object, made one if it was none: always there.
fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The value as an array, made one if it was none: always there.
fn array(value: &mut Value) -> Option<&mut Vec<Value>> {
    if !value.is_array() {
        *value = match value.take() {
            Value::Null => Value::Array(Vec::new()),
            lone => Value::Array(vec![lone]),
        };
    }
    value.as_array_mut()
}

/// Merges deep: objects merge member by member, everything else replaces; null is a value.
pub fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                match target.get_mut(&name) {
                    Some(present) => merge(present, value),
                    None => {
                        target.insert(name, value);
                    }
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn parse_name(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('`') {
        let (name, rest) = quoted.split_once('`')?;
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    is_name(name).then(|| (name.to_owned(), rest))
}

/// What follows `[`: an index or `key="literal"`, and the closing bracket.
fn parse_pick(text: &str) -> Option<(Pick, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if end > 0 {
        let (digits, rest) = text.split_at(end);
        let index = digits.parse().ok().filter(|index| *index <= MAX_INDEX)?;
        return Some((Pick::Index(index), rest.strip_prefix(']')?));
    }
    let (key, rest) = parse_name(text)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut equals = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                escaped @ ('\\' | '"' | '\'') => equals.push(escaped),
                'n' => equals.push('\n'),
                't' => equals.push('\t'),
                _ => return None,
            },
            c if c == quote => {
                let rest = rest.get(at + 1..)?.trim_start().strip_prefix(']')?;
                return Some((Pick::Where { key, equals }, rest));
            }
            c => equals.push(c),
        }
    }
    None
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str, first: bool) -> fmt::Result {
    let reserved = first && matches!(name, "true" | "false" | "null" | "function");
    if is_name(name) && !reserved { f.write_str(name) } else { write!(f, "`{name}`") }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("$");
        }
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            write_name(f, &segment.name, at == 0)?;
            match &segment.pick {
                Some(Pick::Index(index)) => write!(f, "[{index}]")?,
                Some(Pick::Where { key, equals }) => {
                    f.write_str("[")?;
                    write_name(f, key, false)?;
                    let escaped = equals.replace('\\', "\\\\").replace('"', "\\\"");
                    write!(f, "=\"{}\"]", escaped.replace('\n', "\\n").replace('\t', "\\t"))?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> Path {
        Path::parse(text).expect(text)
    }

    #[test]
    fn what_is_a_path_and_what_is_not() {
        for text in
            ["a", "a.b[0].`x y`", "emails[type=\"work\"].email", "$", "_x.`true`", "`true`.a", "a[`k k`=\"\\\"q\\\\\"]"]
        {
            assert_eq!(path(&path(text).to_string()), path(text), "{text}");
        }
        for text in [
            "",
            "a.",
            ".a",
            "true",
            "null",
            "a b",
            "a-b",
            "a[",
            "a[-1]",
            "a[b=c]",
            "$x",
            "a[0][1]",
            "application/json",
            "a[99999999]",
            "1a",
            "``",
        ] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }

    #[test]
    fn walks_strictly() {
        let value: Value = serde_json::from_str(
            r#"{"id":6493490000001291001,"amount":12500.10,"n":null,"l":[{"t":"a","v":1},{"t":"b"}],"one":{"t":"a","v":2}}"#,
        )
        .expect("json");
        assert_eq!(path("id").get(&value).expect("id").to_string(), "6493490000001291001");
        assert_eq!(path("amount").get(&value).expect("amount").to_string(), "12500.10");
        assert_eq!(path("n").get(&value), Some(&Value::Null));
        assert_eq!(path("missing").get(&value), None);
        assert_eq!(path("l.t").get(&value), None);
        assert_eq!(path("l[1].t").get(&value), Some(&json!("b")));
        assert_eq!(path("l[t=\"a\"].v").get(&value), Some(&json!(1)));
        assert_eq!(path("one[0].t").get(&value), Some(&json!("a")));
        assert_eq!(path("one[1].t").get(&value), None);
        assert_eq!(path("$").get(&value), Some(&value));
    }

    #[test]
    fn writes_what_it_reads() {
        let mut value = json!({});
        for (text, written) in [
            ("a.b", json!(1)),
            ("l[1].x", json!(2)),
            ("m[type=\"work\"].v", json!(3)),
            ("m[type=\"home\"].v", Value::Null),
        ] {
            path(text).set(&mut value, written.clone());
            assert_eq!(path(text).get(&value), Some(&written), "{text}");
        }
        path("m[type=\"work\"].v").set(&mut value, json!(4));
        assert_eq!(value, json!({"a":{"b":1},"l":[null,{"x":2}],"m":[{"type":"work","v":4},{"type":"home","v":null}]}));
    }

    #[test]
    fn prefixes_and_merging() {
        assert_eq!(path("a.b.c").strip_prefix(&path("a")), Some(path("b.c")));
        assert_eq!(path("a.b").strip_prefix(&path("b")), None);
        let mut target = json!({"a":{"b":1,"c":[1,2]},"d":1});
        merge(&mut target, json!({"a":{"c":[3],"e":null},"d":{"x":1}}));
        assert_eq!(target, json!({"a":{"b":1,"c":[3],"e":null},"d":{"x":1}}));
    }
}
