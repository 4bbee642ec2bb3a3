//! What is missing of the vendor's errors: rows of `errors.classify` that no example meets, files without any, resources
//! that no example shows failing.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::author::example::{Example, ResponseSpec};
use crate::catalog::{Files, Node, Problem, Provider};
use crate::error::Kind;
use crate::mapping::Vars;
use crate::model::Operation;

pub fn holes(provider: &Provider, files: &Files, examples: &[&Example]) -> Vec<Problem> {
    let file = format!("{}/provider.yaml", provider.name);
    let Ok(node) = Node::parse(&file, files.get(&file).unwrap_or_default()) else { return Vec::new() };
    let shown: HashSet<usize> = examples.iter().flat_map(|example| met(provider, example)).collect();
    let mut holes = silent(provider, &node);
    let missing = provider.errors.rows().enumerate().filter(|(index, _)| !shown.contains(index));
    holes.extend(missing
        .map(|(index, kind)| {
            let place = node.locate(&format!("/errors/classify/{index}"));
            let (code, folder) = (code(kind), format!("{}/examples", provider.name));
            place.problem(format!(
                "no example meets this row; add one to {folder}/ that ends in `problem: {{ code: {code} }}` by an answer that no row above meets"
            ))
        }));
    holes
}

/// Without these words callers are told the status alone.
fn silent(provider: &Provider, node: &Node) -> Vec<Problem> {
    let place = node.locate("/errors");
    let mut holes = Vec::new();
    if !provider.errors.reads_words() {
        holes.push(place.problem("nothing says where an error's words are, so callers see the status alone; add `errors: { read: { code: path, message: path } }`"));
    }
    if provider.errors.rows().next().is_none() {
        holes.push(place.problem("`errors.classify` has no row, so only statuses tell errors apart; add one for each code of the vendor's that callers should know, such as `{ status: 400, code: taken, is: duplicate }`"));
    }
    holes
}

/// A resource that no example shows failing: nothing proves that its errors are read.
pub fn never_fails(resource: &str, node: &Node, file: &str, examples: &[&Example]) -> Option<Problem> {
    let fails = |example: &&&Example| example.problem.is_some() && !example.exchanges.is_empty();
    let shown = examples.iter().filter(fails).any(|example| example.resource == resource);
    let message = format!(
        "{resource}: no example shows how an error of the vendor is read; add one to {file} whose last answer is an error and that ends in a `problem`"
    );
    (!shown).then(|| node.locate("/operations").problem(message))
}

/// The rows that the answers of an example meet, as far as the example ends as they say.
fn met(provider: &Provider, example: &Example) -> Vec<usize> {
    let (Some(problem), Some(operation)) = (&example.problem, Operation::parse(&example.operation)) else {
        return Vec::new();
    };
    let kinds: Vec<Kind> = provider.errors.rows().collect();
    let answers = example.exchanges.iter().flat_map(|exchange| judged(provider, example, &exchange.response));
    answers
        .filter_map(|(status, headers, body)| provider.errors.row(status, &headers, &body, operation))
        .filter(|row| kinds.get(*row).is_some_and(|kind| code(*kind) == problem.code))
        .collect()
}

/// The code that callers see: a refused credential of the connection is not about their own key.
fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthenticated => Kind::NeedsReauth.code(),
        other => other.code(),
    }
}

/// An answer as the table sees it: as it is, or what a success carries as its error.
fn judged(provider: &Provider, example: &Example, response: &ResponseSpec) -> Vec<(u16, Value, Value)> {
    let mut headers = Map::new();
    if response.body.as_ref().is_some_and(|body| !body.is_string()) {
        headers.insert("content-type".into(), "application/json".into());
    }
    for (name, value) in &response.headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.insert(name.to_ascii_lowercase(), text.into());
    }
    let headers = Value::Object(headers);
    let body = match &response.body {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        other => other.clone().unwrap_or_default(),
    };
    let vars = Vars::none().with("status", Value::from(response.status)).with("headers", headers.clone());
    let operation = Operation::parse(&example.operation);
    let resource = provider.resource(&example.resource);
    let variants = resource.zip(operation).map(|(resource, operation)| resource.variants(operation));
    let inner = variants.unwrap_or_default().iter().filter_map(|variant| {
        let error = variant.answer.error.as_ref()?.evaluate(&body, &vars).ok()??;
        let status = error.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        Some((status.unwrap_or(response.status), headers.clone(), error.get("body").cloned().unwrap_or_default()))
    });
    let mut all: Vec<_> = inner.filter(|_| response.status < 300).collect();
    all.push((response.status, headers.clone(), body.clone()));
    all
}
