//! What can be written, line by line of the fields table, and what a body writes of it.

use serde_json::{Map, Value};

use super::Cell;
use crate::catalog::{Field, Place, Resource, Shape, Table};
use crate::model::escape;

/// Every line that writes: parts of objects and of each place of a list are lines of their own.
pub fn cells(resource: &Resource) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (name, field) in &resource.table {
        // The model keeps these from callers, whatever the mapping says.
        if !field.member.read_only || name == "id" {
            collect(name, &format!("/fields/{}", escape(name)), field, &mut cells);
        }
    }
    cells
}

fn collect(path: &str, pointer: &str, field: &Field, cells: &mut Vec<Cell>) {
    leaves(path, pointer, field, &mut |path, pointer, field| {
        // What always has one value shows itself in every record that is read.
        let constant = matches!(field.shape, Shape::Const(_) | Shape::Absent(_));
        if !constant && field.is_writable() {
            cells.push(Cell { key: key(path), pointer: pointer.to_owned(), add: "a `body` that sets it".to_owned() });
        }
    });
}

/// Hands over every line below `field`: parts of objects and of each place of a list are lines of their own.
pub fn leaves(path: &str, pointer: &str, field: &Field, leaf: &mut impl FnMut(&str, &str, &Field)) {
    match &field.shape {
        Shape::Object { table, .. } | Shape::Each { table, .. } => {
            for (name, field) in table {
                leaves(&format!("{path}.{name}"), &format!("{pointer}/fields/{}", escape(name)), field, leaf);
            }
        }
        Shape::Places(places) => {
            for (index, place) in places.iter().enumerate() {
                for (name, field) in &place.table {
                    let path = format!("{}.{name}", place_path(path, place, index));
                    leaves(&path, &format!("{pointer}/places/{index}/{}", escape(name)), field, leaf);
                }
            }
        }
        Shape::Const(_) | Shape::Absent(_) | Shape::Value { .. } | Shape::Custom { .. } => leaf(path, pointer, field),
    }
}

fn key(path: &str) -> String {
    format!("how `{path}` is written")
}

pub fn place_path(path: &str, place: &Place, index: usize) -> String {
    match place.kind() {
        Some(kind) => format!("{path}[{index}, {kind}]"),
        None => format!("{path}[{index}]"),
    }
}

/// The keys of the lines that a body gives values to.
pub fn written(table: &Table, body: &Map<String, Value>) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, value) in body {
        match (name.as_str(), value) {
            ("custom_fields", Value::Object(fields)) => {
                for (name, value) in fields {
                    let own = format!("custom_fields.{name}");
                    match table.get(&own) {
                        Some(field) => mark(&own, field, value, &mut keys),
                        None => keys.push(key("custom_fields")),
                    }
                }
            }
            _ => table.get(name).into_iter().for_each(|field| mark(name, field, value, &mut keys)),
        }
    }
    keys
}

/// Null clears, which shows nothing of how a value is written.
fn mark(path: &str, field: &Field, value: &Value, keys: &mut Vec<String>) {
    match (&field.shape, value) {
        (_, Value::Null) => {}
        (Shape::Object { table, .. }, Value::Object(members)) => mark_members(path, table, members, keys),
        (Shape::Each { table, .. }, Value::Array(items)) => {
            items.iter().filter_map(Value::as_object).for_each(|item| mark_members(path, table, item, keys));
        }
        (Shape::Places(places), Value::Array(items)) => {
            let mut taken = vec![false; places.len()];
            for item in items.iter().filter_map(Value::as_object) {
                let Some((index, place)) = free_place(places, &taken, item) else { continue };
                taken.iter_mut().skip(index).take(1).for_each(|taken| *taken = true);
                mark_members(&place_path(path, place, index), &place.table, item, keys);
            }
        }
        _ => keys.push(key(path)),
    }
}

fn mark_members(path: &str, table: &Table, members: &Map<String, Value>, keys: &mut Vec<String>) {
    for (name, value) in members {
        table.get(name).into_iter().for_each(|field| mark(&format!("{path}.{name}"), field, value, keys));
    }
}

/// The place that an item goes to: that of its type; without one the primary place for a primary item, or the first.
pub fn free_place<'p>(places: &'p [Place], taken: &[bool], item: &Map<String, Value>) -> Option<(usize, &'p Place)> {
    let free = || places.iter().enumerate().filter(|(index, _)| taken.get(*index) == Some(&false));
    match item.get("type").and_then(Value::as_str) {
        Some(kind) => free().find(|(_, place)| place.kind() == Some(kind)),
        None if item.get("primary") == Some(&Value::Bool(true)) => {
            free().find(|(_, place)| place.is_primary()).or_else(|| free().next())
        }
        None => free().next(),
    }
}
