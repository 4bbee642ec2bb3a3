//! `/openapi.json`: the API described for machines (OpenAPI 3.1), made of the same catalog that serves it.

mod components;
mod connect;
mod examples;
mod headers;
mod management;
mod operation;
mod overrides;
mod pages;
mod parameters;
mod passthrough;
mod problems;
mod records;
mod relations;
mod routes;
mod schemas;
mod search;
mod serve;
mod served;

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Coverage};

use components::Components;
pub use problems::example_problem;
pub use routes::{Made, Route, routes};
pub use serve::{Rendered, get};
use served::Served;

const ABOUT: &str = "One REST API for your customers' CRMs. Every request is passed through, in real time, to the \
    customer's own CRM: translated there, translated back, and not stored.\n\n\
    A request names the customer's account by `Throughline-Connection`, or by `Throughline-Customer`, unless its key is \
    limited to one connection. What each provider can do stands at `/v1/providers/{name}`; whatever it cannot do is \
    refused with a problem document (RFC 9457) that lists what it can. What had to be left out of a success is named in \
    the header `Throughline-Warning`.";

/// The document of what is served.
pub fn document(catalog: &Catalog) -> Value {
    document_of(catalog, |route| route.live)
}

/// The document of some routes.
pub fn document_of(catalog: &Catalog, wanted: impl Fn(&Route) -> bool) -> Value {
    let coverage: Vec<Coverage> = catalog.providers.values().map(|provider| Coverage::of(provider)).collect();
    let served = Served::all(catalog, &coverage);
    let mut paths = Map::new();
    for route in routes().into_iter().filter(|route| wanted(route)) {
        for (path, method, operation) in route.operations(&served) {
            let item = paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(item) = item {
                item.insert(method.to_owned(), operation);
            }
        }
    }
    let components = Components::of(&served, coverage.first().map(|provider| provider.name.as_str()));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Throughline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document was fetched from."}],
        "security": [{"key": []}],
        "tags": tags(&served, &paths),
        "components": components.used_by(&paths),
        "paths": paths,
    })
}

/// In the order of the document: resources first, then what is around them.
fn tags(served: &[Served<'_>], paths: &Map<String, Value>) -> Vec<Value> {
    let used: Vec<&str> = paths
        .values()
        .filter_map(Value::as_object)
        .flat_map(Map::values)
        .filter_map(|operation| operation.pointer("/tags/0")?.as_str())
        .collect();
    let resources = served.iter().map(|served| (served.tag(), served.model.description.as_str()));
    let others = operation::TAGS.iter().map(|(name, about)| ((*name).to_owned(), *about));
    let all = resources.chain(others).filter(|(name, _)| used.contains(&name.as_str()));
    all.map(|(name, about)| json!({"name": name, "description": about})).collect()
}
