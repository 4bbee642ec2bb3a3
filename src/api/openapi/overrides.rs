//! The operations on mapping overrides.

use serde_json::json;

use super::operation::Operation;
use super::{parameters, problems};

const TAG: &str = "Mapping";

fn get(id: &str, whose: &str) -> Operation {
    Operation::new(id, TAG, format!("Get the mapping lines of {whose}"))
        .about("Needs the scope `admin`.")
        .parameter(json!({
            "name": "view",
            "in": "query",
            "description": "`effective`: the whole table as it is used, and where each line comes from.",
            "schema": {"type": "string", "enum": ["effective"]},
        }))
        .parameters(parameters::plain())
        .answer(200, "The lines.", "Mapping", "Mapping", &[])
        .problems(&problems::CONNECTION)
}

fn put(id: &str, whose: &str) -> Operation {
    Operation::new(id, TAG, format!("Put the mapping lines of {whose}"))
        .about("Needs the scope `admin`.")
        .about("They replace the lines that were there, and are checked before they are kept.")
        .parameters(parameters::plain())
        .body("Mapping", "Mapping")
        .answer(200, "The lines.", "Mapping", "Mapping", &[])
        .problems(&problems::CHANGE)
}

fn delete(id: &str, whose: &str) -> Operation {
    Operation::new(id, TAG, format!("Delete the mapping lines of {whose}"))
        .about("Needs the scope `admin`.")
        .parameters(parameters::plain())
        .done("The shipped mapping holds.")
        .problems(&problems::CONNECTION)
}

pub fn get_of_connection() -> Operation {
    get("getConnectionMapping", "a connection")
}

pub fn put_of_connection() -> Operation {
    put("putConnectionMapping", "a connection")
}

pub fn delete_of_connection() -> Operation {
    delete("deleteConnectionMapping", "a connection")
}

pub fn get_of_tenant() -> Operation {
    get("getMapping", "the tenant")
}

pub fn put_of_tenant() -> Operation {
    put("putMapping", "the tenant")
}

pub fn delete_of_tenant() -> Operation {
    delete("deleteMapping", "the tenant")
}
