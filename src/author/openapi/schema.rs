//! What a schema says of an object, as far as a mapping needs it: its members, with `allOf` and alternatives laid together.

use indexmap::IndexMap;
use serde_json::Value;

use super::document::Document;

/// Recursive schemas end here: no mapping looks deeper.
const MAX_DEPTH: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Object,
    List,
    Unknown,
}

pub type Properties<'d> = IndexMap<String, &'d Value>;

/// The members of an object, each with its own schema.
pub fn properties<'d>(document: &'d Document, schema: &'d Value) -> Properties<'d> {
    let mut found = Properties::new();
    collect(document, schema, 0, &mut found);
    found
}

fn collect<'d>(document: &'d Document, schema: &'d Value, depth: usize, found: &mut Properties<'d>) {
    if depth > MAX_DEPTH {
        return;
    }
    let schema = document.resolve(schema);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        found.entry(name.clone()).or_insert_with(|| document.resolve(property));
    }
    for part in parts(schema) {
        collect(document, part, depth + 1, found);
    }
}

/// What a schema is laid together of, or one of which it is.
fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten()
}

pub fn required(document: &Document, schema: &Value) -> Vec<String> {
    let schema = document.resolve(schema);
    let own = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let mut names: Vec<String> = own.filter_map(Value::as_str).map(str::to_owned).collect();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        let part = document.resolve(part);
        let more = part.get("required").and_then(Value::as_array).into_iter().flatten();
        names.extend(more.filter_map(Value::as_str).map(str::to_owned));
    }
    names
}

pub fn kind(document: &Document, schema: &Value) -> Kind {
    kind_at(document, schema, 0)
}

fn kind_at(document: &Document, schema: &Value, depth: usize) -> Kind {
    let schema = document.resolve(schema);
    let word = match schema.get("type") {
        Some(Value::String(word)) => Some(word.as_str()),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).find(|word| *word != "null"),
        _ => None,
    };
    match word {
        Some("string") => Kind::Text,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some("object") => Kind::Object,
        Some("array") => Kind::List,
        _ if schema.get("properties").is_some() => Kind::Object,
        _ if schema.get("items").is_some() => Kind::List,
        _ if schema.get("enum").is_some() => Kind::Text,
        _ if depth > MAX_DEPTH => Kind::Unknown,
        _ => {
            let kinds = parts(schema).map(|part| kind_at(document, part, depth + 1));
            let known = kinds.into_iter().find(|kind| *kind != Kind::Unknown);
            known.unwrap_or(Kind::Unknown)
        }
    }
}

/// The schema of a list's entries.
pub fn items<'d>(document: &'d Document, schema: &'d Value) -> &'d Value {
    items_at(document, schema, 0).unwrap_or(&Value::Null)
}

fn items_at<'d>(document: &'d Document, schema: &'d Value, depth: usize) -> Option<&'d Value> {
    let schema = document.resolve(schema);
    let own = schema.get("items").map(|items| document.resolve(items));
    let deeper = || parts(schema).filter(|_| depth <= MAX_DEPTH).find_map(|part| items_at(document, part, depth + 1));
    own.or_else(deeper)
}

pub fn text<'d>(schema: &'d Value, word: &str) -> Option<&'d str> {
    schema.get(word).and_then(Value::as_str)
}

/// Values that it lists, texts alone.
pub fn choices(schema: &Value) -> Vec<&str> {
    schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A value that the document gives for it.
pub fn example(schema: &Value) -> Option<&Value> {
    let first = || schema.get("examples").and_then(Value::as_array).and_then(|examples| examples.first());
    schema.get("example").or_else(first).or_else(|| schema.get("default")).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_laid_together_and_recursion_ends() {
        let text = r##"{"openapi": "3.1.0", "paths": {"/a": {}}, "components": {"schemas": {
            "base": {"properties": {"id": {"type": "integer"}}, "required": ["id"]},
            "node": {"allOf": [{"$ref": "#/components/schemas/base"}, {"$ref": "#/components/schemas/node"},
                {"properties": {"child": {"$ref": "#/components/schemas/node"}, "name": {"type": ["string", "null"]}}}]}}}}"##;
        let document = Document::parse(text).expect("a document");
        let node = document.at("/components/schemas/node");
        let found = properties(&document, node);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["id", "child", "name"]);
        assert_eq!(found.get("name").map(|name| kind(&document, name)), Some(Kind::Text));
        assert_eq!(kind(&document, node), Kind::Object);
        assert_eq!(required(&document, node), ["id"]);
    }
}
