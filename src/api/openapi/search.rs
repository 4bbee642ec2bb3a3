//! The body of a search: a list's parameters as JSON.

use serde_json::{Map, Value, json};

use super::parameters::{CUSTOM_NAME, both_ways, expandable, field, filter_value};
use super::served::Served;
use crate::catalog::ANY_CUSTOM;
use crate::model::FilterOp;

pub fn schema(served: &Served<'_>) -> Value {
    let mut properties = Map::new();
    let mut put = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    put("limit", json!({"type": "integer", "minimum": 1, "maximum": 10_000}));
    put("cursor", json!({"type": "string"}));
    put("fields", json!({"type": "array", "items": field(served)}));
    let references = expandable(served);
    if !references.is_empty() {
        put("expand", json!({"type": "array", "items": {"type": "string", "enum": references}}));
    }
    put("include", json!({"type": "string", "enum": ["raw"]}));
    let sorts = served.sorts();
    if !sorts.is_empty() {
        put("sort", json!({"type": "array", "items": {"type": "string", "enum": both_ways(&sorts)}}));
    }
    if !served.with(|resource| resource.q).is_empty() {
        put("q", json!({"type": "string"}));
    }
    put("filter", filters(served));
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// By field, then by operator; all must hold. A value alone stands for `eq`.
fn filters(served: &Served<'_>) -> Value {
    let mut fields: Map<String, Value> = Map::new();
    let all = served.filters();
    for (name, _) in &all {
        let ops = all.iter().filter(|(other, _)| other == name).map(|(_, op)| *op);
        let operators: Map<String, Value> =
            ops.map(|op| (op.as_str().to_owned(), filter_value(served, name, op))).collect();
        let alone = operators.get(FilterOp::Eq.as_str()).cloned();
        let by_operator =
            json!({"type": "object", "properties": operators, "additionalProperties": false, "minProperties": 1});
        let either = match alone {
            Some(value) => json!({"anyOf": [value, by_operator]}),
            None => by_operator,
        };
        fields.insert((*name).to_owned(), either);
    }
    // The names of custom fields are the account's.
    let custom = fields.shift_remove(ANY_CUSTOM).map(|schema| json!({ CUSTOM_NAME: schema }));
    let mut schema = json!({
        "type": "object",
        "description": "Conditions by field and operator, all of which must hold. A value alone stands for `eq`.",
        "properties": fields,
        "additionalProperties": false,
    });
    if let (Value::Object(schema), Some(custom)) = (&mut schema, custom) {
        schema.insert("patternProperties".into(), custom);
    }
    schema
}

pub fn example(served: &Served<'_>) -> Value {
    let mut example = json!({"limit": 10});
    let Value::Object(members) = &mut example else { return example };
    if let Some(sort) = served.sorts().first() {
        members.insert("sort".into(), json!([format!("-{sort}")]));
    }
    let filters = served.filters();
    let since = filters.iter().find(|(name, op)| *name == "updated_at" && *op == FilterOp::Gte);
    if since.is_some() {
        members.insert("filter".into(), json!({"updated_at": {"gte": "2026-09-01T00:00:00Z"}}));
    }
    example
}
