//! A model's schemas: its records as they are read, as they are written, in pages, in batches.

use serde_json::{Map, Value, json};

use super::page;
use crate::api::openapi::operation::reference;
use crate::api::openapi::parameters::field_name;
use crate::api::openapi::search;
use crate::api::openapi::served::Served;

/// Words of model files that mean nothing to readers of the document.
const OURS: [&str; 3] = ["$schema", "x-resource", "x-filters"];

/// All schemas of a resource, by name. `all` are the resources that it may refer to.
pub fn of_model(served: &Served<'_>, all: &[Served<'_>]) -> Vec<(String, Value)> {
    let one = &served.one;
    vec![
        (one.clone(), readable(served, all)),
        (format!("{one}Write"), writable(served)),
        (format!("{one}Field"), field_name(&served.model.members)),
        (format!("{one}Page"), page(one)),
        (format!("{one}Search"), search::schema(served)),
        (format!("{one}Batch"), batch(one)),
        (format!("{one}BatchResults"), batch_results(one)),
    ]
}

/// A record as it is answered. With `fields` it holds no more than what was asked for.
fn readable(served: &Served<'_>, all: &[Served<'_>]) -> Value {
    let mut schema = served.model.schema.clone();
    let Value::Object(members) = &mut schema else { return schema };
    members.retain(|word, _| !OURS.contains(&word.as_str()));
    members.insert("required".into(), json!(["id", "created_at", "updated_at"]));
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        let about = "The record as the provider sent it, with `include=raw`.";
        properties.insert("raw".into(), json!({"readOnly": true, "description": about}));
        properties.values_mut().for_each(|property| expand(property, all));
    }
    schema
}

/// A reference may hold the record it leads to.
fn expand(property: &mut Value, all: &[Served<'_>]) {
    let refers = property.get("x-refers").and_then(Value::as_str);
    let Some(target) = all.iter().find(|served| refers == Some(&served.model.resource)) else { return };
    let record = json!({
        "description": "The record itself, with `expand`.",
        "allOf": [reference("schemas", &target.one)],
    });
    let inside = if property.get("items").is_some() { "/items/properties" } else { "/properties" };
    if let Some(Value::Object(members)) = property.pointer_mut(inside) {
        members.insert("record".into(), record);
    }
}

/// What can be sent: the members that some provider stores. Others are refused, so the schema is closed.
pub fn writable(served: &Served<'_>) -> Value {
    let mut schema = served.model.schema.clone();
    let Value::Object(members) = &mut schema else { return schema };
    members.retain(|word, _| !OURS.contains(&word.as_str()) && word != "required");
    members.insert("title".into(), format!("{} to be written", served.model.name).into());
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.retain(|name, _| served.writes(name));
        for (name, property) in properties.iter_mut() {
            // Custom fields go by the customer's names, which no schema knows.
            if name != "custom_fields" {
                close(property);
            }
        }
    }
    members.insert("additionalProperties".into(), false.into());
    schema
}

/// Closes the objects within, and takes away what is only read.
fn close(schema: &mut Value) {
    let Value::Object(words) = schema else { return };
    if let Some(items) = words.get_mut("items") {
        close(items);
    }
    if let Some(Value::Object(properties)) = words.get_mut("properties") {
        properties.retain(|_, property| property.get("readOnly") != Some(&Value::Bool(true)));
        properties.values_mut().for_each(close);
        words.insert("additionalProperties".into(), false.into());
    }
}

fn batch(one: &str) -> Value {
    let operation = json!({
        "type": "object",
        "required": ["operation"],
        "properties": {
            "operation": {"type": "string", "enum": ["create", "get", "update", "upsert", "delete"]},
            "id": {"type": "string", "description": "Of the record, for get, update and delete."},
            "match": {"type": "string", "description": "The field to find the record by, for upsert."},
            "data": reference("schemas", &format!("{one}Write")),
            "ref": {"type": ["string", "number"], "description": "A name of your own, which the result carries."},
        },
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "required": ["operations"],
        "properties": {"operations": {"type": "array", "minItems": 1, "maxItems": 100, "items": operation}},
        "additionalProperties": false,
    })
}

fn batch_results(one: &str) -> Value {
    let mut result = Map::new();
    result
        .insert("status".into(), json!({"type": "integer", "description": "As the operation by itself would answer."}));
    result.insert("ref".into(), json!({"type": ["string", "number"]}));
    result.insert("data".into(), reference("schemas", one));
    result.insert("error".into(), reference("schemas", "Problem"));
    result.insert("warnings".into(), json!({"type": "array", "items": reference("schemas", "Warning")}));
    json!({
        "type": "object",
        "required": ["results"],
        "properties": {
            "results": {
                "type": "array",
                "description": "In the order of the operations.",
                "items": {"type": "object", "required": ["status"], "properties": result},
            },
        },
    })
}
