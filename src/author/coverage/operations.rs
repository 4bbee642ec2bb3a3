//! The operations of a resource, each with its own lines: ways to match, requests for many, other resources.

use super::Cell;
use crate::author::example::Example;
use crate::catalog::{Node, Resource};
use crate::model::Operation;

/// What an upsert matches by when any custom field will do.
pub const ANY_CUSTOM: &str = "custom_fields.*";

pub fn cells(resource: &Resource, node: &Node) -> Vec<Cell> {
    let mut cells = Vec::new();
    for operation in Operation::ALL.into_iter().filter(|operation| resource.supports(*operation)) {
        let name = operation.as_str();
        let plain = |pointer: String| Cell {
            key: key(name),
            pointer,
            add: format!("`operation: {name}` that ends in an `answer`"),
        };
        match operation {
            Operation::Upsert => {
                let fields = resource.upserts.iter().flat_map(|upsert| &upsert.fields);
                cells.extend(fields.map(|field| Cell {
                    key: match_key(field),
                    pointer: "/operations/upsert".to_owned(),
                    add: format!("`operation: upsert` and `call: {{ match: {field} }}`"),
                }));
            }
            // What goes one by one is shown by the operations themselves.
            Operation::Batch => {
                let native = Operation::ALL.into_iter().filter(|one| resource.batch(*one).is_some());
                cells.extend(native.map(|one| Cell {
                    key: batch_key(one.as_str()),
                    pointer: format!("/operations/batch/{}", one.as_str()),
                    add: format!("`operation: batch` and two operations `{}`", one.as_str()),
                }));
            }
            Operation::Fields => cells.extend(resource.metadata.as_ref().map(|_| plain("/metadata".to_owned()))),
            Operation::Types => cells.push(plain("/types".to_owned())),
            Operation::Associations | Operation::Associate | Operation::Dissociate => {
                associations(resource, node, operation, &mut cells);
            }
            _ => cells.push(plain(format!("/operations/{name}"))),
        }
    }
    cells
}

/// One line may stand for many other resources: then any of them shows it.
fn associations(resource: &Resource, node: &Node, operation: Operation, cells: &mut Vec<Cell>) {
    for (other, association) in resource.associations.iter() {
        let key = association_key(operation.as_str(), line(node, other));
        if association.supports(operation) && cells.iter().all(|cell| cell.key != key) {
            cells.push(Cell {
                key,
                pointer: format!("/associations/{}", line(node, other)),
                add: format!("`operation: {}` and `call: {{ other: {other} }}`", operation.as_str()),
            });
        }
    }
}

/// The line of the file that another resource is under.
fn line<'a>(node: &Node, other: &'a str) -> &'a str {
    match node.get("associations").and_then(|lines| lines.get(other)) {
        Some(_) => other,
        None => "*",
    }
}

/// The keys of the cells that an example shows.
pub fn shown(node: &Node, example: &Example) -> Vec<String> {
    let call = &example.call;
    let mut shown = vec![key(&example.operation)];
    if let Some(field) = &call.r#match {
        shown.push(match_key(field));
        if field.starts_with("custom_fields.") {
            shown.push(match_key(ANY_CUSTOM));
        }
    }
    shown.extend(call.operations.iter().map(|item| batch_key(&item.operation)));
    shown.extend(call.other.iter().map(|other| association_key(&example.operation, line(node, other))));
    shown
}

fn key(operation: &str) -> String {
    format!("the operation `{operation}`")
}

fn match_key(field: &str) -> String {
    format!("the upsert by `{field}`")
}

fn batch_key(operation: &str) -> String {
    format!("the batch of `{operation}`")
}

fn association_key(operation: &str, line: &str) -> String {
    format!("the operation `{operation}` with `{line}`")
}
