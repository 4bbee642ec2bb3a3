//! The schemas of what is known at run time only: an account's fields and types, associations, overrides.

use serde_json::{Map, Value, json};

use super::{members, page};

pub fn objects() -> Map<String, Value> {
    let labels = json!({"type": "array", "items": {"type": "string"}});
    members(json!({
        "FieldDescription": {
            "type": "object",
            "description": "A field as the customer's account has it.",
            "required": ["name", "label", "type", "list", "custom", "writable", "required", "options"],
            "properties": {
                "name": {"type": "string", "description": "Custom ones stand under it in `custom_fields`."},
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
                        "properties": {"value": {}, "label": {"type": "string"}},
                    },
                },
            },
        },
        "FieldDescriptionPage": page("FieldDescription"),
        "Association": {
            "type": "object",
            "required": ["id", "labels"],
            "properties": {
                "id": {"type": "string", "description": "The record on the other side."},
                "labels": labels,
            },
        },
        "AssociationPage": page("Association"),
        "AssociationWrite": {
            "type": "object",
            "properties": {"labels": labels},
            "additionalProperties": false,
        },
        "CustomObjectType": {
            "type": "object",
            "required": ["name", "label"],
            "properties": {
                "name": {"type": "string", "description": "As it stands in paths."},
                "label": {"type": "string"},
                "plural_label": {"type": ["string", "null"]},
                "description": {"type": ["string", "null"]},
            },
        },
        "CustomObjectTypePage": page("CustomObjectType"),
        "ConnectionMapping": lines("By resource: lines over the provider's fields table, and filters on them."),
        "TenantMapping": {
            "type": "object",
            "description": "By provider, then by resource: lines that hold for all connections to it.",
            "additionalProperties": lines("By resource."),
        },
        "MappingView": {
            "type": "object",
            "description": "The lines as they were put; with `view=effective`, by resource, the whole table and where each line comes from.",
            "additionalProperties": {"type": "object"},
        },
    }))
}

fn lines(about: &str) -> Value {
    json!({
        "type": "object",
        "description": about,
        "additionalProperties": {
            "type": "object",
            "properties": {
                "fields": {"type": "object", "description": "One line a field, as in a mapping file."},
                "filters": {"type": "object"},
            },
        },
    })
}
