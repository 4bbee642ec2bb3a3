//! The API of a vendor that calls everything as the models do, for providers that begin without a document.

use serde_json::{Map, Value, json};

use crate::model::{Model, Type};

/// More fields than these are noise at the beginning.
const FIELDS: usize = 8;

/// The paths of one resource, as an OpenAPI document has them.
pub fn paths(model: &Model, paths: &mut Map<String, Value>) {
    let mut properties = Map::new();
    properties.insert("id".into(), json!({"type": "string"}));
    for (name, member) in &model.members {
        let kind = match &member.kind {
            Type::Text => json!({"type": "string"}),
            Type::DateTime => json!({"type": "string", "format": "date-time"}),
            Type::Date => json!({"type": "string", "format": "date"}),
            Type::Decimal | Type::Number => json!({"type": "number"}),
            Type::Integer => json!({"type": "integer"}),
            Type::Boolean => json!({"type": "boolean"}),
            _ => continue,
        };
        if !member.list && properties.len() < FIELDS {
            properties.insert(name.clone(), kind);
        }
    }
    let record = json!({"type": "object", "properties": properties});
    let body = json!({"content": {"application/json": {"schema": record}}});
    let answer = |schema: Value| json!({"200": {"content": {"application/json": {"schema": schema}}}});
    let list = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": record}, "next_cursor": {"type": "string"},
    }});
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let one = answer(record.clone());
    paths.insert(
        format!("/{}", model.resource),
        json!({
            "get": {"parameters": [parameter("limit"), parameter("cursor")], "responses": answer(list)},
            "post": {"requestBody": body, "responses": one},
        }),
    );
    paths.insert(
        format!("/{}/{{id}}", model.resource),
        json!({"get": {"responses": one}, "patch": {"requestBody": body, "responses": one}, "delete": {}}),
    );
}
