//! An OpenAPI document: read within bounds, local references followed.

use std::io::Read;
use std::path::Path;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Nobody's API needs more; a file that does is not one. Bytes.
const MAX_BYTES: u64 = 100 * 1024 * 1024;
/// A reference to a reference to a reference: longer chains go round in circles.
const MAX_REFERENCES: usize = 16;

pub struct Document {
    root: Value,
}

const NOTHING: &Value = &Value::Null;

impl Document {
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |reason: String| format!("{}: {reason}", path.display());
        let file = std::fs::File::open(path).map_err(|error| named(error.to_string()))?;
        let mut text = String::new();
        let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
        read.map_err(|error| named(format!("it is no text: {error}")))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(named(format!("it is larger than {} MB", MAX_BYTES / 1024 / 1024)));
        }
        Self::parse(&text).map_err(named)
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let json = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
        let root = if json { of_json(text)? } else { of_yaml(text)? };
        match (root.get("openapi").map(version), root.get("swagger").map(version)) {
            (Some(version), _) if version.starts_with("3.") => {}
            (Some(version), _) => return Err(format!("this is OpenAPI {version}; 3.0 and 3.1 can be read")),
            (None, Some(version)) => {
                return Err(format!("this is Swagger {version}; convert it to OpenAPI 3 first (swagger2openapi does)"));
            }
            (None, None) => return Err("this is no OpenAPI document: it has no `openapi: 3.…`".into()),
        }
        if root.get("paths").and_then(Value::as_object).is_none_or(Map::is_empty) {
            return Err("the document has no `paths`, so there is nothing to make operations of".into());
        }
        Ok(Self { root })
    }

    /// The member of the document itself.
    pub fn get(&self, name: &str) -> &Value {
        self.root.get(name).unwrap_or(NOTHING)
    }

    pub fn at(&self, pointer: &str) -> &Value {
        self.root.pointer(pointer).unwrap_or(NOTHING)
    }

    /// The node, or what it refers to. A reference that leads nowhere, or out of the document, is nothing.
    pub fn resolve<'d>(&'d self, node: &'d Value) -> &'d Value {
        let mut node = node;
        for _ in 0..MAX_REFERENCES {
            match node.get("$ref").and_then(Value::as_str) {
                Some(reference) => node = self.target(reference).unwrap_or(NOTHING),
                None => return node,
            }
        }
        NOTHING
    }

    fn target(&self, reference: &str) -> Option<&Value> {
        let pointer = percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
        self.root.pointer(&pointer)
    }

    /// References that are not followed: to other files, or to what is not there.
    pub fn lost_references(&self) -> Vec<String> {
        let mut lost = Vec::new();
        let mut pending = vec![&self.root];
        while let Some(node) = pending.pop() {
            match node {
                Value::Object(members) => {
                    let reference = members.get("$ref").and_then(Value::as_str);
                    if let Some(reference) = reference.filter(|reference| self.target(reference).is_none())
                        && !lost.iter().any(|known| known == reference)
                    {
                        lost.push(reference.to_owned());
                    }
                    pending.extend(members.values());
                }
                Value::Array(items) => pending.extend(items),
                _ => {}
            }
        }
        lost.sort();
        lost
    }

    /// The paths with what can be done at them.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Value)> {
        let paths = self.get("paths").as_object().into_iter().flatten();
        paths.filter(|(path, _)| path.starts_with('/')).map(|(path, item)| (path.as_str(), self.resolve(item)))
    }
}

fn version(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn of_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| format!("this is not valid JSON: {error}"))
}

fn of_yaml(text: &str) -> Result<Value, String> {
    // Large documents are the rule here; what protects against aliases of aliases stays.
    let budget = serde_saphyr::budget! {
        max_nodes: 20_000_000,
        max_events: 60_000_000,
        max_total_scalar_bytes: 2 * 100 * 1024 * 1024,
        max_depth: 120,
    };
    let options = serde_saphyr::options! { strict_booleans: true, budget: budget };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(String::new(), |location| format!(" (line {})", location.line()));
        format!("this is not valid YAML{line}: {}", error.without_snippet())
    })
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn what_is_no_document_is_told() {
        let refused = |text: &str| Document::parse(text).err().unwrap_or_default();
        for (text, part) in [
            ("{\"openapi\": \"3.0.0\", ", "not valid JSON"),
            ("a: b: c", "not valid YAML"),
            ("swagger: '2.0'\npaths: {}", "Swagger 2.0"),
            ("openapi: 4.0.0\npaths: {}", "OpenAPI 4.0.0"),
            ("hello", "no OpenAPI document"),
            ("openapi: 3.1.0", "no `paths`"),
        ] {
            assert!(refused(text).contains(part), "{text}: {}", refused(text));
        }
        let deep = format!("{{\"openapi\": \"3.0.0\", \"paths\": {}{}}}", "[".repeat(500), "]".repeat(500));
        assert!(refused(&deep).contains("recursion"), "{}", refused(&deep));
    }

    #[test]
    fn references_are_followed_and_circles_end() {
        let text = "openapi: 3.0.0\npaths: {/a: {}}\nx: {$ref: '#/y'}\ny: {$ref: '#/x'}\nz: {$ref: '#/paths/~1a'}\nw: {$ref: other.yaml#/v}\n";
        let document = Document::parse(text).expect("a document");
        assert!(document.resolve(document.get("x")).is_null());
        assert!(document.resolve(document.get("z")).is_object());
        assert_eq!(document.lost_references(), ["other.yaml#/v"]);
    }
}
