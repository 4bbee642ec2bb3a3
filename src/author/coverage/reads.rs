//! What can be read, line by line of the fields table, and what an answer shows of it.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::Cell;
use super::fields::{free_place, leaves, place_path};
use crate::author::example::Example;
use crate::catalog::{Field, Node, Problem, Provider, Resource, Shape, Source, Table, Target};
use crate::model::escape;

/// The lines of all files of a provider. One that several resources share is shown by any of them.
#[derive(Default)]
pub struct Lines {
    /// The file, the line and the name, and what to say where it is not shown.
    cells: BTreeMap<(String, u64, String), Problem>,
    shown: HashSet<(String, u64, String)>,
}

impl Lines {
    pub fn add<'e>(
        &mut self,
        resource: &Resource,
        name: &str,
        node: &Node,
        examples: impl Iterator<Item = &'e Example>,
    ) {
        let keys: HashSet<String> = examples.flat_map(|example| shown(&resource.table, example)).collect();
        for cell in cells(resource) {
            let place = node.locate(&cell.pointer);
            let line = (place.file.to_string(), place.line, cell.key.clone());
            if keys.contains(&cell.key) {
                self.shown.insert(line);
            } else {
                let problem = place.problem(format!("{name}: no example shows {}", cell.key));
                self.cells.entry(line).or_insert(problem);
            }
        }
    }

    pub fn holes(self, provider: &Provider) -> Vec<Problem> {
        let add = format!("; add one to {}/examples with an answer of the vendor that has it", provider.name);
        let missing = self.cells.into_iter().filter(|(line, _)| !self.shown.contains(line));
        let own = missing.map(|(_, problem)| problem).filter(|problem| !problem.file.starts_with("overrides/"));
        own.map(|problem| Problem { message: problem.message + &add, ..problem }).collect()
    }
}

/// Every line that reads: parts of objects and of each place of a list are lines of their own.
fn cells(resource: &Resource) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (name, field) in &resource.table {
        collect(name, &format!("/fields/{}", escape(name)), field, &mut cells);
    }
    cells
}

fn collect(path: &str, pointer: &str, field: &Field, cells: &mut Vec<Cell>) {
    leaves(path, pointer, field, &mut |path, pointer, field| match &field.shape {
        Shape::Value { read, write } if read.is_empty() || is_one_path(read, write) => {}
        Shape::Value { .. } | Shape::Custom { .. } => {
            cells.push(Cell { key: key(path), pointer: pointer.to_owned(), add: String::new() });
        }
        _ => {}
    });
}

/// A path both ways: an example that writes it runs it, too, and each of them has to be shown.
fn is_one_path(read: &[Source], write: &Target) -> bool {
    matches!((read, write), ([Source::Path(from)], Target::Path(to)) if from == to)
}

fn key(path: &str) -> String {
    format!("how `{path}` is read")
}

/// The keys of the lines that have a value in the answer of an example.
fn shown(table: &Table, example: &Example) -> Vec<String> {
    let data = example.answer.as_ref().and_then(|answer| answer.data.as_ref());
    let rows = match data {
        Some(Value::Array(rows)) => rows.iter().collect(),
        one => one.into_iter().collect::<Vec<_>>(),
    };
    let batch = example.operation == "batch";
    let records = rows.into_iter().filter_map(|row| if batch { row.get("data") } else { Some(row) });
    let mut keys = Vec::new();
    records.filter_map(Value::as_object).for_each(|record| members("", table, record, &mut keys));
    keys
}

fn members(path: &str, table: &Table, record: &Map<String, Value>, keys: &mut Vec<String>) {
    for (name, value) in record {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (table.get(name), value) {
            (Some(field), Value::Object(custom))
                if name == "custom_fields" && matches!(field.shape, Shape::Custom { .. }) =>
            {
                let claimed = |own: &String| table.contains_key(&format!("custom_fields.{own}"));
                if custom.iter().any(|(own, value)| !value.is_null() && !claimed(own)) {
                    keys.push(key("custom_fields"));
                }
            }
            (Some(field), value) => mark(&path, field, value, keys),
            (None, _) => {}
        }
        if let (Value::Object(custom), "custom_fields") = (value, name.as_str()) {
            for (own, value) in custom {
                let own = format!("custom_fields.{own}");
                table.get(&own).into_iter().for_each(|field| mark(&own, field, value, keys));
            }
        }
    }
}

fn mark(path: &str, field: &Field, value: &Value, keys: &mut Vec<String>) {
    match (&field.shape, value) {
        (_, Value::Null) => {}
        (_, Value::Array(items)) if items.is_empty() => {}
        (Shape::Object { table, .. }, Value::Object(record)) => members(path, table, record, keys),
        (Shape::Object { table, .. } | Shape::Each { table, .. }, Value::Array(items)) => {
            items.iter().filter_map(Value::as_object).for_each(|item| members(path, table, item, keys));
        }
        (Shape::Places(places), Value::Array(items)) => {
            let mut taken = vec![false; places.len()];
            for item in items.iter().filter_map(Value::as_object) {
                let Some((index, place)) = free_place(places, &taken, item) else { continue };
                taken.iter_mut().skip(index).take(1).for_each(|taken| *taken = true);
                members(&place_path(path, place, index), &place.table, item, keys);
            }
        }
        _ => keys.push(key(path)),
    }
}
