//! Which examples a resource gets: one for each operation, one for a refusal.

use serde_json::{Map, Value, json};

use super::record::Scene;
use super::resource::Resource;

/// Calls whose answers follow from the sample record. `known` is what a get of it gives.
pub fn scenes(
    resource: &Resource,
    get: bool,
    errors: Option<&Value>,
    known: Option<&Map<String, Value>>,
) -> Vec<Scene> {
    let word = super::words::singular(&resource.name);
    let supports = |operation: &str| resource.spec.pointer(&format!("/operations/{operation}")).is_some();
    let record = Value::Object(resource.lines.sample.clone());
    let whole = || Some(wrapped(&resource.record, record.clone()));
    let id = known.and_then(|known| known.get("id")?.as_str()).unwrap_or("7").to_owned();
    let only = |fields: &[&str]| fields.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let fields: Vec<&str> = resource
        .lines
        .table
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "id" && *name != "custom_fields")
        .collect();
    let scene = |title: String, operation, call, answers| Scene {
        title,
        resource: resource.name.clone(),
        operation,
        call,
        answers,
    };
    let mut scenes = Vec::new();
    if supports("list") {
        let mut rows = wrapped(&resource.rows, json!([record]));
        if let Some(cursor) = &resource.paging.cursor {
            set(&mut rows, cursor, json!("c2"));
        }
        let mut call = Map::from_iter([("fields".to_owned(), json!(only(&fields)))]);
        if resource.paging.limited {
            call.insert("limit".into(), json!(1));
        }
        scenes.push(scene(format!("lists {}", resource.name), "list", Value::Object(call), vec![(200, Some(rows))]));
    }
    if supports("get") {
        let call = json!({"id": id, "fields": only(&fields)});
        scenes.push(scene(format!("gets a {word}"), "get", call, vec![(200, whole())]));
        if let Some(errors) = errors {
            let call = json!({"id": id});
            scenes.push(scene(format!("is refused a {word}"), "get", call, vec![(403, Some(errors.clone()))]));
        }
    }
    let body = |written: &[String]| -> Map<String, Value> {
        let value = |name: &String| Some((name.clone(), sendable(known?.get(name)?)?));
        written.iter().filter_map(value).collect()
    };
    let short = fields.iter().take(3).copied().collect::<Vec<_>>();
    let created = body(&resource.lines.created);
    if supports("create") && !created.is_empty() {
        let call = json!({"fields": only(&short), "body": created});
        let first =
            if get { wrapped(&resource.record, id_alone(resource)) } else { wrapped(&resource.record, record.clone()) };
        scenes.push(scene(format!("creates a {word}"), "create", call, vec![(201, Some(first)), (200, whole())]));
    }
    let updated: Map<String, Value> = body(&resource.lines.updated).into_iter().take(1).collect();
    if supports("update") && !updated.is_empty() {
        let call = json!({"id": id, "fields": only(&short), "body": updated});
        let first = if get { None } else { whole() };
        scenes.push(scene(
            format!("updates a {word}"),
            "update",
            call,
            vec![(if get { 204 } else { 200 }, first), (200, whole())],
        ));
    }
    if supports("delete") {
        scenes.push(scene(format!("deletes a {word}"), "delete", json!({"id": id}), vec![(204, None)]));
    }
    scenes
}

/// What callers may send of a value that was read: of a reference its id.
fn sendable(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Object(members) => members.get("id").map(|id| json!({"id": id})),
        Value::Array(items) => {
            let kept = |item: &Value| match item {
                Value::Object(members) => Value::Object(
                    members
                        .iter()
                        .filter(|(_, value)| !value.is_null())
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect(),
                ),
                other => other.clone(),
            };
            Some(Value::Array(items.iter().map(kept).collect()))
        }
        other => Some(other.clone()),
    }
}

fn id_alone(resource: &Resource) -> Value {
    let id = resource.lines.table.get("id").and_then(|id| id.get("read")).and_then(Value::as_str).unwrap_or("id");
    let id = id.trim_matches('`');
    let value = resource.lines.sample.get(id).cloned().unwrap_or_else(|| json!("7"));
    json!({ id: value })
}

/// The value at the end of this path.
pub fn wrapped(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| json!({ name: value }))
}

fn set(target: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *target = value;
        return;
    };
    if let Value::Object(members) = target {
        set(members.entry(first.clone()).or_insert_with(|| json!({})), rest, value);
    }
}
