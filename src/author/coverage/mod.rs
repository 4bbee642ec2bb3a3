//! What of a mapping no example shows: a line that nothing has ever run may say anything.

mod errors;
mod fields;
mod operations;
mod reads;

use std::collections::HashSet;

use serde_json::Value;

use super::example::{Example, Placed};
use crate::catalog::{Catalog, Files, Node, Problem, Provider, Resource, resource_node};
use crate::model::{Operation, escape};

/// A cell of a mapping: what it is called when examples are counted, where it stands, and what would show it.
struct Cell {
    key: String,
    pointer: String,
    add: String,
}

/// Every cell of a provider that no example shows, with its line and what to add.
pub fn holes(catalog: &Catalog, provider: &str, files: &Files, examples: &[Placed]) -> Vec<Problem> {
    let Some(provider) = catalog.provider(provider) else { return Vec::new() };
    let examples: Vec<&Example> = examples.iter().map(|placed| &placed.example).collect();
    let mut holes = errors::holes(provider, files, &examples);
    let mut read = reads::Lines::default();
    for (name, resource) in &provider.resources {
        let Ok(node) = resource_node(files, &provider.name, name, Vec::new()) else { continue };
        let own = || examples.iter().filter(|example| example.resource == *name && example.answer.is_some());
        read.add(resource, name, &node, own().copied());
        let shown: HashSet<String> = own().flat_map(|example| shown(resource, &node, example)).collect();
        let file = format!("{}/examples/{name}.yaml", provider.name);
        holes.extend(errors::never_fails(name, &node, &file, &examples));
        let missing = cells(resource, &node).into_iter().filter(|cell| !shown.contains(&cell.key));
        holes.extend(missing.filter_map(|cell| hole(provider, name, &node, &cell)));
    }
    holes.extend(read.holes(provider));
    holes.sort();
    holes
}

/// Lines of a deployment's own have no place for examples.
fn hole(provider: &Provider, resource: &str, node: &Node, cell: &Cell) -> Option<Problem> {
    let place = node.locate(&cell.pointer);
    let file = format!("{}/examples/{resource}.yaml", provider.name);
    let message = format!("{resource}: no example shows {}; add one to {file} with {}", cell.key, cell.add);
    (!place.file.starts_with("overrides/")).then(|| place.problem(message))
}

/// Operations, filters, sorts, the text search and what can be written.
fn cells(resource: &Resource, node: &Node) -> Vec<Cell> {
    let mut cells = operations::cells(resource, node);
    for (name, rule) in &resource.filters {
        cells.extend(rule.ops.iter().map(|op| Cell {
            key: filter_key(name, op.as_str()),
            pointer: format!("/filters/{}", escape(name)),
            add: format!("`call: {{ filter: {{ {name}: {{ {}: … }} }} }}`", op.as_str()),
        }));
    }
    cells.extend(resource.sorts.keys().map(|name| Cell {
        key: sort_key(name),
        pointer: format!("/sorts/{}", escape(name)),
        add: format!("`call: {{ sort: {name} }}`"),
    }));
    if resource.variants(Operation::List).iter().any(|variant| variant.accepts.q) {
        let (key, pointer) = (Q.to_owned(), "/operations/list".to_owned());
        cells.push(Cell { key, pointer, add: "`call: { q: … }`".to_owned() });
    }
    if [Operation::Create, Operation::Update, Operation::Upsert].into_iter().any(|one| resource.supports(one)) {
        cells.extend(fields::cells(resource));
    }
    cells
}

const Q: &str = "the text search `q`";

fn filter_key(field: &str, op: &str) -> String {
    format!("`filter[{field}][{op}]`")
}

fn sort_key(field: &str) -> String {
    format!("the sort by `{field}`")
}

/// The keys of the cells that an example shows.
fn shown(resource: &Resource, node: &Node, example: &Example) -> Vec<String> {
    let call = &example.call;
    let mut shown = operations::shown(node, example);
    for (field, ops) in &call.filter {
        // A custom field that only the account knows stands for all of them.
        let own = resource.filters.contains_key(field) || !field.starts_with("custom_fields.");
        let field = if own { field } else { operations::ANY_CUSTOM };
        match ops {
            Value::Object(ops) => shown.extend(ops.keys().map(|op| filter_key(field, op))),
            _ => shown.push(filter_key(field, "eq")),
        }
    }
    let sorts = call.sort.iter().flat_map(|sort| sort.split(','));
    shown.extend(sorts.map(|sort| sort_key(sort.trim().trim_start_matches('-'))));
    shown.extend(call.q.iter().map(|_| Q.to_owned()));
    let bodies = call.body.iter().chain(call.operations.iter().filter_map(|item| item.data.as_ref()));
    shown.extend(bodies.flat_map(|body| fields::written(&resource.table, body)));
    shown
}
