//! The operations of the pages for people.

use serde_json::{Value, json};

use super::operation::Operation;
use super::problems;

fn page(id: &str, summary: &str) -> Operation {
    let text = json!({"schema": {"type": "string"}});
    Operation::new(id, "About", summary)
        .about("Needs no key. A page without scripts, made of this document.")
        .open()
        .response("200", "The page.", json!({"text/html": text, "text/css": text}), &["ETag"])
        .response("304", "It has the `ETag` of `If-None-Match`.", Value::Null, &["ETag"])
}

pub fn guide() -> Operation {
    page("getDocs", "How to use the API").problems(&problems::OPEN)
}

pub fn page_named() -> Operation {
    found(page("getDocsPage", "The list of problems, small clients, the stylesheet"))
}

pub fn group() -> Operation {
    found(page("getDocsGroup", "A resource or a group of routes"))
}

pub fn problem() -> Operation {
    found(page("getDocsProblem", "What a problem means"))
}

fn found(operation: Operation) -> Operation {
    let html = json!({"text/html": {"schema": {"type": "string"}}});
    operation
        .response("404", "There is no such page; this one says which there are.", html, &["ETag"])
        .problems(&problems::OPEN)
}
