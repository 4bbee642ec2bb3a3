//! How a list goes on: which parameter says how many rows, which one where, and what of the answer says where to.

use serde_json::{Map, Value, json};

use super::collection;
use super::document::Document;
use super::schema::{self, Kind};
use super::words;

/// The words of a list variant that page it.
#[derive(Default)]
pub struct Paging {
    /// Parameter and leaf.
    pub query: Map<String, Value>,
    pub next: Option<Value>,
    /// The most rows in a page.
    pub max: Option<u64>,
    pub limited: bool,
    /// The path of the next cursor, for examples.
    pub cursor: Option<Vec<String>>,
}

pub fn paging(document: &Document, list: &Value) -> Paging {
    let parameters = collection::parameters(document, list, "query");
    let find =
        |known: &[&str]| known.iter().find_map(|word| parameters.keys().find(|name| words::plain(last(name)) == *word));
    let mut paging = Paging::default();
    if let Some(name) = find(words::LIMIT) {
        paging.query.insert(name.clone(), json!("limit"));
        paging.limited = true;
        let schema = parameters.get(name).and_then(|parameter| parameter.get("schema"));
        paging.max = schema.and_then(|schema| document.resolve(schema).get("maximum")).and_then(Value::as_u64);
    }
    let answer = collection::answer(document, list);
    let next = next(document, answer, &mut Vec::new(), 0);
    let cursor = find(words::CURSOR);
    match (cursor, next) {
        (Some(name), Some((path, false))) => {
            paging.query.insert(name.clone(), json!("cursor"));
            paging.next = Some(json!(dotted(&path)));
            paging.cursor = Some(path);
        }
        (None, Some((path, true))) => paging.next = Some(json!({"link": dotted(&path)})),
        _ => {
            let counted = find(words::PAGE).map(|name| (name, json!({"page": 1})));
            let counted = counted.or_else(|| find(words::OFFSET).map(|name| (name, json!({"offset": 0}))));
            if let Some((name, next)) = counted {
                paging.query.insert(name.clone(), json!("cursor"));
                paging.next = Some(next);
            }
        }
    }
    paging
}

/// `page[size]` is a size.
fn last(name: &str) -> &str {
    name.strip_suffix(']').and_then(|name| name.rsplit_once('[')).map_or(name, |(_, last)| last)
}

/// The likeliest place of the next position, and whether it is a link.
fn next<'d>(
    document: &'d Document,
    schema: &'d Value,
    at: &mut Vec<String>,
    depth: usize,
) -> Option<(Vec<String>, bool)> {
    let properties = schema::properties(document, schema);
    let known = words::NEXT.iter().find_map(|word| {
        let (name, property) = properties.iter().find(|(name, _)| words::plain(name) == *word)?;
        (schema::kind(document, property) != Kind::Object).then_some((name, *property))
    });
    if let Some((name, property)) = known {
        let path: Vec<String> = at.iter().cloned().chain([name.clone()]).collect();
        return Some((path, is_link(name, property, at)));
    }
    if depth >= 3 {
        return None;
    }
    for (name, property) in properties {
        if schema::kind(document, property) != Kind::Object {
            continue;
        }
        at.push(name);
        let found = next(document, property, at, depth + 1);
        at.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is_link(name: &str, schema: &Value, at: &[String]) -> bool {
    let example = schema::example(schema).and_then(Value::as_str).unwrap_or_default();
    let format = schema::text(schema, "format").unwrap_or_default();
    let above = at.last().is_some_and(|above| words::plain(above).contains("link"));
    matches!(format, "uri" | "url") || above || example.starts_with("http") || name == "next_link"
}

/// The path as mappings write it.
pub fn dotted(path: &[String]) -> String {
    if path.is_empty() {
        return "$".to_owned();
    }
    let segment = |name: &String| {
        let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let operator = ["and", "or", "in", "true", "false", "null"].contains(&name.as_str());
        if word && begins && !operator { name.clone() } else { format!("`{name}`") }
    };
    path.iter().map(segment).collect::<Vec<_>>().join(".")
}
