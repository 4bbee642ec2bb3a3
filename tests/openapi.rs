//! The OpenAPI document: complete against the router, sound in itself, and every change of it in sight.

mod common;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use throughline::api::openapi::{Made, document, document_of, routes};
use throughline::catalog::{Catalog, Files, Options};
use throughline::model::Operation;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/openapi");

/// Two invented providers, so that the golden document changes with the code alone.
fn small() -> Catalog {
    let files = Files::folder(&Path::new(FOLDER).join("mappings")).expect("the folder of mappings");
    Catalog::load(&files, &Options::default()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn the_document_of_a_small_catalog_is_the_golden_one() {
    let path = Path::new(FOLDER).join("openapi.json");
    let made = format!("{:#}\n", document(&small()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = made.lines().zip(golden.lines()).position(|(made, golden)| made != golden);
    let line = differ.unwrap_or_else(|| made.lines().count().min(golden.lines().count())) + 1;
    assert!(
        made == golden,
        "it differs from line {line} on; if that is meant: UPDATE_GOLDEN=1 cargo test --test openapi, and look at the diff"
    );
}

/// What is said of routes is read off the router's source: axum does not tell what it has.
#[test]
fn every_route_is_described_and_every_described_route_exists() {
    let routed = routed(include_str!("../src/api/mod.rs"));
    assert!(routed.contains(&("get".into(), "/v1/crm/{resource}".into())), "{routed:?}");
    let live = routes().into_iter().filter(|route| route.live);
    let described: BTreeSet<(String, String)> = live.map(|route| (route.method.to_owned(), route.path)).collect();
    let missing: Vec<_> = routed.difference(&described).collect();
    assert!(missing.is_empty(), "routes that src/api/openapi/routes.rs does not switch on: {missing:?}");
    let invented: Vec<_> = described.difference(&routed).collect();
    assert!(invented.is_empty(), "routes that the router does not have: {invented:?}");
}

/// Method and path of each `.route("…", get(…).post(…))`, and of those of `records` for each of its bases.
fn routed(source: &str) -> BTreeSet<(String, String)> {
    let quoted = |text: &str| text.split('"').nth(1).unwrap_or_default().to_owned();
    let bases: Vec<String> = source.split("records(\"").skip(1).map(|part| quoted(&format!("\"{part}"))).collect();
    let mut routes = BTreeSet::new();
    for part in source.split(".route(").skip(1) {
        let mut depth = 1;
        let end = part.find(|letter| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            depth == 0
        });
        let call = part[..end.expect("the end of a route")].trim_start();
        let paths: Vec<String> = if call.starts_with('"') {
            vec![quoted(call)]
        } else if call.starts_with("base") {
            bases.clone()
        } else {
            bases.iter().map(|base| format!("{base}{}", quoted(call))).collect()
        };
        for method in ["get", "post", "put", "patch", "delete", "any"] {
            let called = format!("{method}(");
            let whole = |at: usize| !call[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if call.match_indices(&called).any(|(at, _)| whole(at)) {
                routes.extend(paths.iter().map(|path| (method.to_owned(), path.clone())));
            }
        }
    }
    routes
}

#[test]
fn documents_are_sound() {
    sound(&document(&small()));
    sound(&document(&common::CATALOG));
    // What is described before it is served has to be good as well.
    sound(&document_of(&small(), |_| true));
}

#[test]
fn the_document_of_the_shipped_mappings_has_every_operation() {
    let document = document(&common::CATALOG);
    for provider in common::CATALOG.providers.values() {
        for (name, resource) in &provider.resources {
            for (operation, method, rest) in [
                (Operation::List, "get", ""),
                (Operation::List, "post", "/search"),
                (Operation::Create, "post", ""),
                (Operation::Upsert, "put", ""),
                (Operation::Batch, "post", "/batch"),
                (Operation::Fields, "get", "/fields"),
                (Operation::Get, "get", "/{id}"),
                (Operation::Update, "patch", "/{id}"),
                (Operation::Delete, "delete", "/{id}"),
                (Operation::Associations, "get", "/{id}/associations/{other}"),
                (Operation::Associate, "put", "/{id}/associations/{other}/{other_id}"),
                (Operation::Dissociate, "delete", "/{id}/associations/{other}/{other_id}"),
            ] {
                let of_type = if name == "objects" { "/{type}" } else { "" };
                let path = format!("/v1/crm/{name}{of_type}{rest}");
                let able = resource.supports(operation);
                assert!(!able || document["paths"][&path][method].is_object(), "{method} {path}");
            }
        }
    }
}

/// References lead somewhere, names are unique, parameters are declared, everything is explained, nothing is left over.
fn sound(document: &Value) {
    let mut referred = BTreeSet::new();
    references(document, &mut referred);
    for reference in &referred {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (kind, parts) in document["components"].as_object().expect("components") {
        for name in parts.as_object().expect("parts").keys().filter(|_| kind != "securitySchemes") {
            assert!(referred.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is used nowhere");
        }
    }
    let mut ids: BTreeMap<&str, String> = BTreeMap::new();
    let tags: Vec<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let place = format!("{method} {path}");
            let id = operation["operationId"].as_str().expect("an id");
            if let Some(other) = ids.insert(id, place.clone()) {
                panic!("{place} and {other} are both called {id}");
            }
            assert!(operation["tags"][0].as_str().is_some_and(|tag| tags.contains(&tag)), "{place}: its tag");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place}: its summary");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2') || status == "default"), "{place}");
            assert!(responses.keys().any(|status| status.starts_with('4')), "{place}: its problems");
            check_parameters(path, operation, &place);
        }
    }
}

fn check_parameters(path: &str, operation: &Value, place: &str) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let mut names = BTreeSet::new();
    for parameter in parameters.iter().filter(|parameter| parameter.get("$ref").is_none()) {
        let key = (parameter["in"].as_str().expect("a place"), parameter["name"].as_str().expect("a name"));
        assert!(names.insert(key), "{place}: {key:?} stands there twice");
        assert!(parameter["description"].is_string() && parameter["schema"].is_object(), "{place}: {key:?}");
    }
    let in_path: BTreeSet<&str> =
        path.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect();
    let declared: BTreeSet<&str> = names.iter().filter(|(kind, _)| *kind == "path").map(|(_, name)| *name).collect();
    assert_eq!(in_path, declared, "{place}");
}

fn references(part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn aliases_describe_nothing_of_their_own() {
    let routes = routes();
    for alias in routes.iter().filter(|route| matches!(route.made, Made::Alias)) {
        let whole = format!("{}/{{*path}}", alias.path.trim_end_matches('/'));
        assert!(routes.iter().any(|route| route.path == whole), "{} spells no other route", alias.path);
    }
}

#[tokio::test]
async fn the_document_is_served_without_a_key() {
    let server = support::start().await;
    let anyone = support::Client::new(server.api);
    let answer = anyone.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), document(&server.app.catalog()));
    assert_eq!(anyone.get("/openapi.json").await.json(), answer.json(), "the kept one");
    anyone.get("/openapi.json?page=2").await.problem(400, "unknown-parameter");
    anyone.post("/openapi.json", Value::Null).await.problem(405, "unsupported-operation");
    anyone.get("/v1/providers").await.problem(401, "unauthenticated");
    anyone.get("/nothing").await.problem(401, "unauthenticated");
}
