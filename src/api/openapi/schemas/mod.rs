//! The schemas: those that follow from the models, and those of the API itself.

mod api;
mod connect;
mod models;
mod objects;

pub use api::api;
pub use connect::connect;
pub use models::{of_model, writable};
pub use objects::objects;

use serde_json::{Map, Value, json};

use super::operation::reference;

/// A page of records or of anything else.
pub fn page(item: &str) -> Value {
    json!({
        "type": "object",
        "required": ["data", "next_cursor"],
        "properties": {
            "data": {"type": "array", "items": reference("schemas", item)},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "The `cursor` of the next page; null on the last one.",
            },
            "warnings": {"type": "array", "items": reference("schemas", "Warning")},
        },
    })
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
