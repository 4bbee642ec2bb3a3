//! The parts that operations refer to. Those that nothing refers to are left out.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::served::Served;
use super::{examples, headers, parameters, problems, schemas};

pub struct Components(Map<String, Value>);

impl Components {
    /// `provider` is one that examples may name.
    pub fn of(served: &[Served<'_>], provider: Option<&str>) -> Self {
        let mut all_schemas: Map<String, Value> =
            served.iter().flat_map(|one| schemas::of_model(one, served)).collect();
        all_schemas.extend(fixed_schemas());
        all_schemas.values_mut().for_each(open);
        let named = |(name, value): (String, Value)| (name, json!({ "value": value }));
        let api = examples::api(provider).into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut all_examples: Map<String, Value> =
            served.iter().flat_map(examples::of_model).chain(api).map(named).collect();
        all_examples.extend(problems::examples());
        let mut components = Map::new();
        let mut put =
            |kind: &str, members: Map<String, Value>| components.insert(kind.to_owned(), Value::Object(members));
        put("schemas", all_schemas);
        put("parameters", parameters::shared());
        put("headers", headers::all());
        put("responses", problems::responses());
        put("examples", all_examples);
        Self(components)
    }

    /// What the paths refer to, and what that refers to.
    pub fn used_by(self, paths: &Map<String, Value>) -> Value {
        let mut used = HashSet::new();
        let mut found = Vec::new();
        paths.values().for_each(|item| references(item, &mut found));
        while let Some((kind, name)) = found.pop() {
            if used.insert((kind.clone(), name.clone())) {
                let part = self.0.get(&kind).and_then(|parts| parts.get(&name));
                part.into_iter().for_each(|part| references(part, &mut found));
            }
        }
        let mut components = self.0;
        for (kind, parts) in &mut components {
            if let Value::Object(parts) = parts {
                parts.retain(|name, _| used.contains(&(kind.clone(), name.clone())));
            }
        }
        let about = "An API key: `tl_live_…`, made by `throughline keys create` or `POST /v1/keys`. Passthrough routes \
            also take it where the provider's own credential goes.";
        let key = json!({"key": {"type": "http", "scheme": "bearer", "description": about}});
        components.insert("securitySchemes".into(), key);
        Value::Object(components)
    }
}

/// The schemas that do not depend on the models. No model's schemas may have their names.
pub fn fixed_schemas() -> Map<String, Value> {
    let mut schemas = schemas::api();
    schemas.extend(schemas::connect());
    schemas.extend(schemas::objects());
    schemas
}

/// Says of objects of which nothing else is said that they hold anything: some generators of clients take silence for
/// an object that is always empty.
fn open(part: &mut Value) {
    match part {
        Value::Object(words) => {
            let object = match words.get("type") {
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
                kind => kind.is_some_and(|kind| kind == "object"),
            };
            let said = ["properties", "additionalProperties", "patternProperties", "oneOf", "anyOf", "allOf"];
            let silent = object && !said.iter().any(|word| words.contains_key(*word));
            words.values_mut().for_each(open);
            if silent {
                words.insert("additionalProperties".into(), true.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}

/// Kind and name of every component that a part of the document refers to.
fn references(part: &Value, found: &mut Vec<(String, String)>) {
    match part {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            let target = target.and_then(|target| target.strip_prefix("#/components/")?.split_once('/'));
            found.extend(target.map(|(kind, name)| (kind.to_owned(), name.to_owned())));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
