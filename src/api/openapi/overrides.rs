//! The operations on mapping overrides.

use serde_json::{Value, json};

use super::operation::Operation;
use super::{parameters, problems};

const TAG: &str = "Mapping";

fn get(id: &str, whose: &str, example: &str) -> Operation {
    let views = json!({"type": "string", "enum": ["own", "effective"], "default": "own"});
    Operation::new(id, TAG, format!("Get the mapping lines of {whose}"))
        .about("Needs one of the scopes `admin`, `read`.")
        .parameter(query("view", "`effective`: the whole table as it is used, and where each line comes from.", views))
        .parameter(query("resource", "For the effective view: only this resource.", json!({"type": "string"})))
        .parameters(parameters::plain())
        .answer(200, "The lines, or the view.", "MappingView", example, &[])
        .problems(&problems::MAPPING)
}

fn put(id: &str, whose: &str, schema: &str) -> Operation {
    Operation::new(id, TAG, format!("Put the mapping lines of {whose}"))
        .about("Needs the scope `admin`.")
        .about("They replace the lines that were there, and are checked before they are kept. At most 64 KiB.")
        .parameters(parameters::plain())
        .body(schema, schema)
        .answer(200, "The lines.", schema, schema, &[])
        .problems(&problems::NEW_MAPPING)
}

fn delete(id: &str, whose: &str) -> Operation {
    Operation::new(id, TAG, format!("Delete the mapping lines of {whose}"))
        .about("Needs the scope `admin`.")
        .parameters(parameters::plain())
        .done("There are none any more.")
        .problems(&problems::CONNECTION)
}

fn query(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}

pub fn get_of_connection() -> Operation {
    get("getConnectionMapping", "a connection", "ConnectionMapping")
}

pub fn put_of_connection() -> Operation {
    put("putConnectionMapping", "a connection", "ConnectionMapping")
}

pub fn delete_of_connection() -> Operation {
    delete("deleteConnectionMapping", "a connection")
}

pub fn get_of_tenant() -> Operation {
    let about = "The provider whose table is meant; the effective view needs it.";
    get("getMapping", "the tenant", "TenantMapping").parameter(query("provider", about, json!({"type": "string"})))
}

pub fn put_of_tenant() -> Operation {
    put("putMapping", "the tenant", "TenantMapping")
}

pub fn delete_of_tenant() -> Operation {
    delete("deleteMapping", "the tenant")
}
