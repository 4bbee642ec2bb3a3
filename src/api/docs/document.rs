//! The OpenAPI document, as pages need it: operations by group, references resolved, and where each schema is shown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Schemas that no group has for itself are shown on a page of their own.
pub const SHARED: &str = "models";

pub struct Document<'a> {
    root: &'a Value,
    /// The group whose page shows the schema.
    homes: BTreeMap<&'a str, String>,
}

/// Operations under one tag.
pub struct Group<'a> {
    /// In the address of its page.
    pub slug: String,
    /// What people read: `Custom objects`.
    pub title: String,
    pub about: &'a str,
    pub operations: Vec<Operation<'a>>,
}

#[derive(Clone, Copy)]
pub struct Operation<'a> {
    pub id: &'a str,
    /// Lower-case.
    pub method: &'a str,
    pub path: &'a str,
    pub value: &'a Value,
}

impl<'a> Document<'a> {
    pub fn new(root: &'a Value) -> Self {
        let mut document = Self { root, homes: BTreeMap::new() };
        document.homes = document.settle();
        document
    }

    pub fn groups(&self) -> Vec<Group<'a>> {
        let tags = self.root.get("tags").and_then(Value::as_array).into_iter().flatten();
        tags.map(|tag| {
            let name = text(tag, "name");
            let of_tag =
                |operation: &Operation<'_>| operation.value.pointer("/tags/0").and_then(Value::as_str) == Some(name);
            let operations = self.operations().filter(of_tag).collect();
            Group { slug: slug(name), title: title(name), about: text(tag, "description"), operations }
        })
        .collect()
    }

    fn operations(&self) -> impl Iterator<Item = Operation<'a>> {
        members(self.root.get("paths")).flat_map(|(path, item)| {
            members(Some(item)).map(move |(method, value)| Operation {
                id: text(value, "operationId"),
                method,
                path,
                value,
            })
        })
    }

    /// The part that `value` refers to, or `value` itself.
    pub fn resolve(&self, value: &'a Value) -> &'a Value {
        let pointer = value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(value)
    }

    pub fn schema(&self, name: &str) -> Option<&'a Value> {
        self.root.pointer("/components/schemas")?.get(name)
    }

    /// Names of the schemas that a page shows, in the order of the document.
    pub fn shown_by(&self, slug: &str) -> Vec<&'a str> {
        members(self.root.pointer("/components/schemas"))
            .map(|(name, _)| name)
            .filter(|name| self.homes.get(name).is_some_and(|home| home == slug))
            .collect()
    }

    /// The page that shows a schema.
    pub fn home(&self, schema: &str) -> Option<&str> {
        self.homes.get(schema).map(String::as_str)
    }

    /// A schema belongs to the one group whose operations, or whose schemas, refer to it; if several do, to none.
    fn settle(&self) -> BTreeMap<&'a str, String> {
        let schemas: Vec<(&str, &Value)> = members(self.root.pointer("/components/schemas")).collect();
        let mut homes: BTreeMap<&'a str, String> = BTreeMap::new();
        let mut asked: BTreeMap<&'a str, BTreeSet<String>> = BTreeMap::new();
        for group in self.groups() {
            for operation in &group.operations {
                let mut found = Vec::new();
                references(operation.value, &mut found);
                found.into_iter().for_each(|name| {
                    asked.entry(name).or_default().insert(group.slug.clone());
                });
            }
        }
        // Round by round from the operations on: what an operation asks for is nearer to it than what that consists of.
        while !asked.is_empty() {
            let mut next: BTreeMap<&'a str, BTreeSet<String>> = BTreeMap::new();
            let settled: Vec<&str> = asked.keys().copied().collect();
            for (name, groups) in asked {
                let several = groups.len() > 1;
                let home = groups.into_iter().next().filter(|_| !several).unwrap_or_else(|| SHARED.to_owned());
                homes.insert(name, home);
            }
            for name in settled {
                let Some(schema) = self.schema(name) else { continue };
                let mut found = Vec::new();
                references(schema, &mut found);
                let home = homes.get(name).cloned().unwrap_or_default();
                for inner in found.into_iter().filter(|inner| !homes.contains_key(inner)) {
                    next.entry(inner).or_default().insert(home.clone());
                }
            }
            asked = next;
        }
        // Those of problems hang on answers, not on operations.
        for (name, _) in schemas {
            homes.entry(name).or_insert_with(|| SHARED.to_owned());
        }
        homes
    }
}

impl<'a> Operation<'a> {
    pub fn parameters(&self, document: &Document<'a>) -> Vec<&'a Value> {
        let parameters = self.value.get("parameters").and_then(Value::as_array).into_iter().flatten();
        parameters.map(|parameter| document.resolve(parameter)).collect()
    }

    /// Answers that are successes, with their statuses.
    pub fn successes(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        members(self.value.get("responses")).filter(|(status, _)| status.starts_with(['2', '3', 'd']))
    }

    /// Codes of problems, by status.
    pub fn problems(&self, document: &Document<'a>) -> Vec<(&'a str, Vec<&'a str>)> {
        let responses = members(self.value.get("responses")).filter(|(status, _)| status.starts_with(['4', '5']));
        responses
            .map(|(status, response)| {
                let media = document.resolve(response).pointer("/content/application~1problem+json/examples");
                (status, members(media).map(|(code, _)| code).collect())
            })
            .collect()
    }

    /// The schema of its body.
    pub fn body(&self) -> Option<&'a Value> {
        self.value.pointer("/requestBody/content/application~1json/schema")
    }
}

/// `#/components/schemas/Contact` as `Contact`.
pub fn schema_name(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

pub fn members(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// `CustomObjects` as `custom-objects`.
fn slug(name: &str) -> String {
    words(name, '-').to_lowercase()
}

/// `CustomObjects` as `Custom objects`.
fn title(name: &str) -> String {
    let words = words(name, ' ').to_lowercase();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn words(name: &str, gap: char) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(gap);
        }
        words.push(letter);
    }
    words
}

/// Names of all schemas that a part refers to.
fn references<'a>(part: &'a Value, found: &mut Vec<&'a str>) {
    found.extend(schema_name(part));
    match part {
        Value::Object(members) => members.values().for_each(|member| references(member, found)),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
