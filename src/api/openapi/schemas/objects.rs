//! The schemas of what is known at run time only: custom objects, fields, associations, overrides.

use serde_json::{Map, Value, json};

use super::{members, page};
use crate::api::openapi::operation::reference;

pub fn objects() -> Map<String, Value> {
    let time = json!({"type": ["string", "null"], "format": "date-time", "readOnly": true});
    members(json!({
        "FieldList": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "array", "items": reference("schemas", "FieldDescription")}},
        },
        "FieldDescription": {
            "type": "object",
            "description": "A field of the customer's account.",
            "required": ["name", "label", "type", "list", "custom", "writable", "required"],
            "properties": {
                "name": {"type": "string", "description": "As `fields`, filters and records write it."},
                "label": {"type": "string", "description": "As the customer's people read it."},
                "type": {"type": "string"},
                "list": {"type": "boolean"},
                "custom": {"type": "boolean"},
                "writable": {"type": "boolean"},
                "required": {"type": "boolean"},
                "options": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["value", "label"],
                        "properties": {"value": {"type": "string"}, "label": {"type": "string"}},
                    },
                },
            },
        },
        "AssociationList": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "data": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id", "labels"],
                        "properties": {
                            "id": {"type": "string"},
                            "labels": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                },
            },
        },
        "CustomObjectType": {
            "type": "object",
            "required": ["name", "label"],
            "properties": {"name": {"type": "string"}, "label": {"type": "string"}},
        },
        "CustomObjectTypePage": page("CustomObjectType"),
        "CustomObject": {
            "type": "object",
            "description": "A record of a kind that the account has of its own.",
            "required": ["id", "created_at", "updated_at", "custom_fields"],
            "properties": {
                "id": {"type": "string", "format": "id", "readOnly": true},
                "created_at": time,
                "updated_at": time,
                "custom_fields": {"type": ["object", "null"]},
            },
        },
        "CustomObjectWrite": {
            "type": "object",
            "properties": {"custom_fields": {"type": "object"}},
            "additionalProperties": false,
        },
        "CustomObjectPage": page("CustomObject"),
        "Mapping": {
            "type": "object",
            "description": "By resource: lines over the shipped fields table, and filters on them.",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "fields": {"type": "object", "description": "One line a field, as in a mapping file."},
                    "filters": {"type": "object"},
                },
                "additionalProperties": false,
            },
        },
    }))
}
