//! Holds a mapping file against the grammar and reports everything at once: words that do not exist, values of the
//! wrong kind, words that are missing. The grammar is the JSON Schema generated from `spec`, the one editors use too.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::source::{Kind, Node, Problem};
use super::suggest::nearest;

/// The JSON Schema of one kind of file.
pub fn schema<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}

/// The schemas made so far: there are few, and each serves many files.
static SCHEMAS: LazyLock<Mutex<HashMap<TypeId, Arc<Value>>>> = LazyLock::new(Mutex::default);

fn kept_schema<T: JsonSchema + 'static>() -> Arc<Value> {
    SCHEMAS.lock().entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(schema::<T>())).clone()
}

/// The file as its type, or every fault in it.
pub fn read<T: JsonSchema + DeserializeOwned + 'static>(node: &Node) -> Result<T, Vec<Problem>> {
    let schema = kept_schema::<T>();
    let mut problems = Vec::new();
    Checker { root: &schema, problems: &mut problems }.check(&schema, node, "");
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(node.to_value()).map_err(|error| vec![node.problem(error.to_string())])
}

struct Checker<'s, 'p> {
    root: &'s Value,
    problems: &'p mut Vec<Problem>,
}

impl<'s> Checker<'s, '_> {
    fn check(&mut self, schema: &'s Value, node: &Node, name: &str) {
        let schema = self.resolve(schema);
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        if let Some(alternatives) = alternatives {
            return self.check_alternatives(alternatives, node, name);
        }
        if !self.fits_kind(schema, node) {
            self.wrong_kind(std::slice::from_ref(schema), node, name);
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && let Kind::Scalar(value) = &node.kind
            && !allowed.contains(value)
        {
            let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            let hint = node.as_str().and_then(|text| nearest(text, allowed.iter().copied())).map(did_you_mean);
            self.problems.push(node.problem(format!(
                "{} is not possible here: one of {}{}",
                show(node),
                allowed.join(", "),
                hint.unwrap_or_default()
            )));
        }
        match &node.kind {
            Kind::Map(map) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let others = schema.get("additionalProperties");
                for (key, child) in map {
                    match (properties.and_then(|known| known.get(key)), others) {
                        (Some(property), _) => self.check(property, child, key),
                        (None, Some(Value::Bool(false))) => self.unknown_word(schema, key, child, name),
                        (None, Some(other)) => self.check(other, child, key),
                        (None, None) => {}
                    }
                }
                for missing in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                    let Some(missing) = missing.as_str() else { continue };
                    if !map.contains_key(missing) {
                        self.problems.push(node.problem(format!("`{missing}` is missing{}", within(name))));
                    }
                }
            }
            Kind::List(list) => {
                if let Some(items) = schema.get("items") {
                    list.iter().for_each(|item| self.check(items, item, name));
                }
            }
            Kind::Scalar(_) => {}
        }
    }

    /// Of several alternatives, those of the node's own kind count: their faults are told, not "none matched".
    fn check_alternatives(&mut self, alternatives: &'s [Value], node: &Node, name: &str) {
        let fitting: Vec<&'s Value> = alternatives
            .iter()
            .flat_map(|schema| {
                let schema = self.resolve(schema);
                match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
                    Some(inner) => inner.iter().map(|inner| self.resolve(inner)).collect(),
                    None => vec![schema],
                }
            })
            .filter(|schema| self.fits_kind(schema, node))
            .collect();
        match fitting.as_slice() {
            [] => self.wrong_kind(alternatives, node, name),
            [one] => self.check(one, node, name),
            several => {
                let mut fewest: Option<Vec<Problem>> = None;
                for schema in several {
                    let mut problems = Vec::new();
                    Checker { root: self.root, problems: &mut problems }.check(schema, node, name);
                    if fewest.as_ref().is_none_or(|fewest| problems.len() < fewest.len()) {
                        fewest = Some(problems);
                    }
                }
                self.problems.extend(fewest.unwrap_or_default());
            }
        }
    }

    /// The schema behind a `$ref`, as long as it refers to the generated `$defs`.
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn fits_kind(&self, schema: &Value, node: &Node) -> bool {
        let schema = self.resolve(schema);
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => {
                if let Some(constant) = schema.get("const") {
                    return matches!(&node.kind, Kind::Scalar(value) if value == constant);
                }
                return true;
            }
        };
        let has = |kind: &str| types.contains(&kind);
        match &node.kind {
            Kind::Map(_) => has("object"),
            Kind::List(_) => has("array"),
            Kind::Scalar(Value::Null) => has("null"),
            Kind::Scalar(Value::Bool(_)) => has("boolean"),
            Kind::Scalar(Value::Number(number)) => has("number") || has("integer") && !number.is_f64(),
            Kind::Scalar(_) => has("string"),
        }
    }

    fn unknown_word(&mut self, schema: &Value, key: &str, child: &Node, name: &str) {
        let known: Vec<&str> = schema
            .get("properties")
            .and_then(Value::as_object)
            .map(|known| known.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => did_you_mean(near),
            None => format!("; known are {}", known.join(", ")),
        };
        self.problems.push(child.problem(format!("`{key}` is not a word of the grammar{}{hint}", within(name))));
    }

    fn wrong_kind(&mut self, alternatives: &[Value], node: &Node, name: &str) {
        let mut wanted: Vec<String> = Vec::new();
        for schema in alternatives {
            let schema = self.resolve(schema);
            match schema.get("type") {
                Some(Value::String(one)) => wanted.push(one.clone()),
                Some(Value::Array(several)) => {
                    wanted.extend(several.iter().filter_map(Value::as_str).map(str::to_owned))
                }
                _ => wanted.extend(schema.get("const").map(Value::to_string)),
            }
        }
        wanted.retain(|kind| kind != "null");
        wanted.dedup();
        let label = if name.is_empty() { "this".to_owned() } else { format!("`{name}`") };
        // What would be a secret, were it in quotes, is one all the same.
        let secret =
            alternatives.iter().any(|schema| self.resolve(schema).get("writeOnly") == Some(&Value::Bool(true)));
        let shown = if secret { kind_of(node).to_owned() } else { show(node) };
        self.problems.push(node.problem(format!("{label} is {shown}, it has to be {}", wanted.join(" or "))));
    }
}

fn show(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(value) => format!("`{value}`"),
        _ => kind_of(node).into(),
    }
}

fn kind_of(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Map(_) => "a map",
        Kind::List(_) => "a list",
        Kind::Scalar(Value::Number(_)) => "a number (put it in quotes)",
        Kind::Scalar(Value::Bool(_)) => "a boolean (put it in quotes)",
        Kind::Scalar(_) => "a scalar",
    }
}

fn within(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" (in `{name}`)") }
}

fn did_you_mean(near: &str) -> String {
    format!("; did you mean `{near}`?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::spec::ResourceSpec;

    #[test]
    fn all_faults_are_told_with_their_lines() {
        let text = "fileds: {}\nlimit: {default: many}\nfields:\n  name: 5\n  city: {pth: a}\noperations:\n  list:\n    reqest: GET /x\n";
        let node = Node::parse("a/b.yaml", text).expect("valid YAML");
        let problems = read::<ResourceSpec>(&node).expect_err("four faults");
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("b.yaml:1") && texts[0].contains("did you mean `fields`"), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains(":2") && text.contains("integer")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains(":4") && text.contains("string or object")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains(":5") && text.contains("did you mean `path`")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains(":8") && text.contains("did you mean `request`")), "{texts:?}");
    }
}
