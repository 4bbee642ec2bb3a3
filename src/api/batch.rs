//! `POST …/batch`: up to a hundred operations, each with its own result.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::body;
use super::place::Place;
use super::prefer::pairs;
use super::problem::{Refusal, document};
use super::record::RequestId;
use super::target::{Target, not_executed, run, unexpected};
use crate::app::App;
use crate::auth::Scope;
use crate::error::{Error, Kind, Violation};
use crate::model::Operation;
use crate::unified::{Asked, Call, Item, Reply};

/// Operations of one request.
const MOST: usize = 100;
const OPERATIONS: [Operation; 5] =
    [Operation::Create, Operation::Get, Operation::Update, Operation::Upsert, Operation::Delete];

pub async fn batch(State(app): State<App>, place: Place, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let target = Target::find(&app, &parts, &place, Scope::Read).await.map_err(not_executed)?;
    target.supports(Operation::Batch)?;
    let query = Asked::record(&target.resource.model, &pairs(&parts)?).map_err(not_executed)?.query;
    let body = body::object(&parts, body).await?;
    let read = read(&body).map_err(not_executed)?;
    if read.iter().any(|(item, _)| item.operation.is_write()) {
        super::target::caller(&parts)?.require(Scope::Write).map_err(not_executed)?;
    }
    let (items, refs): (Vec<Item>, Vec<Option<Value>>) = read.into_iter().unzip();
    let call = Call { items, query, ..target.call(Operation::Batch) };
    let results = match run(&app, call).await? {
        Reply::Batch { results } => results,
        other => return Err(unexpected(&other)),
    };
    let id = parts.extensions.get::<RequestId>().map_or("", |id| &id.0);
    let results: Vec<Value> = results.iter().zip(&refs).map(|(result, own)| entry(result, own, &place, id)).collect();
    Ok(Json(json!({ "results": results })).into_response())
}

fn entry(result: &Result<Reply, Error>, own: &Option<Value>, place: &Place, request_id: &str) -> Value {
    let mut entry = Map::new();
    let (status, outcome) = match result {
        Ok(Reply::Record { record, created, .. }) => {
            (json!(if *created { 201 } else { 200 }), Some(("data", record.clone())))
        }
        Ok(_) => (json!(204), None),
        Err(error) => {
            let problem = document(&place.probed(error.clone()), request_id);
            (problem.get("status").cloned().unwrap_or_default(), Some(("error", problem)))
        }
    };
    entry.insert("status".into(), status);
    entry.extend(own.clone().map(|own| ("ref".to_owned(), own)));
    entry.extend(outcome.map(|(name, value)| (name.to_owned(), value)));
    if let Ok(reply) = result
        && !reply.warnings().is_empty()
    {
        entry.insert("warnings".into(), json!(reply.warnings()));
    }
    Value::Object(entry)
}

/// The operations and the callers' own names for them, or everything that is wrong with the list.
fn read(body: &Map<String, Value>) -> Result<Vec<(Item, Option<Value>)>, Error> {
    let refused = |violations: Vec<Violation>| {
        Error::new(Kind::ValidationFailed, "The batch is not valid.").violations(violations)
    };
    let unknown = body.keys().filter(|name| *name != "operations");
    let unknown: Vec<Violation> =
        unknown.map(|name| Violation::at(format!("/{name}"), "it is not known").expected("operations")).collect();
    if !unknown.is_empty() {
        return Err(refused(unknown));
    }
    let operations = match body.get("operations") {
        Some(Value::Array(operations)) if (1..=MOST).contains(&operations.len()) => operations,
        Some(Value::Array(operations)) => {
            let detail = format!("there are {} operations", operations.len());
            return Err(refused(vec![Violation::at("/operations", detail).expected(format!("1 to {MOST}"))]));
        }
        _ => return Err(refused(vec![Violation::at("/operations", "it is not a list").expected("a list")])),
    };
    let mut violations = Vec::new();
    let mut items = Vec::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        match item(operation, &format!("/operations/{index}")) {
            Ok(item) => items.push(item),
            Err(found) => violations.extend(found),
        }
    }
    if violations.is_empty() { Ok(items) } else { Err(refused(violations)) }
}

fn item(given: &Value, at: &str) -> Result<(Item, Option<Value>), Vec<Violation>> {
    let Some(members) = given.as_object() else {
        return Err(vec![Violation::at(at, "it is not an object").expected("an operation")]);
    };
    let named = members.get("operation").and_then(Value::as_str).and_then(Operation::parse);
    let Some(operation) = named.filter(|operation| OPERATIONS.contains(operation)) else {
        let known = OPERATIONS.map(Operation::as_str).join(", ");
        return Err(vec![Violation::at(format!("{at}/operation"), "it is not an operation").expected(known)]);
    };
    let by_id = matches!(operation, Operation::Get | Operation::Update | Operation::Delete);
    let writes = matches!(operation, Operation::Create | Operation::Update | Operation::Upsert);
    let upsert = operation == Operation::Upsert;
    let mut violations = Vec::new();
    let mut wrong = |name: &str, detail: String, expected: &str| {
        violations.push(Violation::at(format!("{at}/{name}"), detail).expected(expected));
    };
    for (name, wanted, kind) in
        [("id", by_id, "text"), ("match", upsert, "the name of a field"), ("data", writes, "a record")]
    {
        let value = members.get(name);
        let fits = value.is_some_and(|value| if name == "data" { value.is_object() } else { value.is_string() });
        match (wanted, value) {
            (true, None) => wrong(name, format!("{} needs it", operation.as_str()), kind),
            (true, Some(_)) if !fits => wrong(name, "it is of another type".into(), kind),
            (false, Some(_)) => wrong(name, format!("{} takes none", operation.as_str()), "nothing"),
            _ => {}
        }
    }
    for name in members.keys().filter(|name| !["operation", "id", "match", "data", "ref"].contains(&name.as_str())) {
        wrong(name, "it is not known".into(), "operation, id, match, data or ref");
    }
    if members.get("ref").is_some_and(|own| !own.is_string() && !own.is_number()) {
        wrong("ref", "it is of another type".into(), "text or a number");
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
    let body = members.get("data").and_then(Value::as_object).cloned();
    Ok((Item { operation, id: text("id"), by: text("match"), body }, members.get("ref").cloned()))
}
