//! One request to the vendor for many records, and what became of each.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::exchange::{Answered, call_vars, problem, render, send_bulk};
use super::probe::with_probe;
use super::read::{Wanted, columns};
use super::records::read_all;
use super::scope::Scope;
use super::single::{as_sent, fetch, holds_all, not_executed, not_found, ready, translate};
use super::upsert::Key;
use super::{Call, Reply, Shared, list};
use crate::catalog::Batch;
use crate::error::{Error, Kind, Outcome};
use crate::mapping::Vars;
use crate::model::{FieldSet, Filter, FilterOp, Operation, Query, Warning};

/// Records that are read back one by one at the same time.
const AT_ONCE: usize = 4;

type Result<T = Reply> = std::result::Result<T, Error>;

/// What became of a request for many.
pub enum Sent {
    /// One for each call, in their order.
    Results(Vec<Result>),
    /// The vendor refused all because of one: nothing was done, and each is to be tried by itself.
    Refused(Vec<Call>),
}

/// A call whose record has been translated, or what was wrong with it.
struct Ready {
    call: Call,
    warnings: Vec<Warning>,
    /// What the request sees of it as an item.
    item: Result<Value>,
}

impl Ready {
    /// The record's own fault, else that of the whole request.
    fn failed(self, whole: &Error) -> Result {
        let Self { call, item, .. } = self;
        item.and_then(|_| Err(with_probe(&call, whole.clone())))
    }
}

/// Sends the calls, which have the same operation, in one request.
pub async fn bulk(whole: &Call, batch: &Batch, calls: Vec<Call>, shared: &Shared) -> Sent {
    let ready: Vec<Ready> = calls.into_iter().enumerate().map(|(index, call)| item_of(index, call)).collect();
    let operation = ready.first().map_or(Operation::Get, |first| first.call.operation);
    let items: Vec<Value> = ready.iter().filter_map(|ready| ready.item.as_ref().ok().cloned()).collect();
    if items.is_empty() {
        return Sent::Results(ready.into_iter().map(|ready| ready.item.and(Ok(Reply::Deleted))).collect());
    }
    let call = Call { query: whole.query.clone(), ..whole.part(operation) };
    let answered = match exchange(&call, batch, &items, shared).await {
        Ok(answered) => answered,
        Err(error) if items.len() > 1 && is_about_one(operation, &error) => {
            return Sent::Refused(ready.into_iter().map(|ready| ready.call).collect());
        }
        Err(error) => {
            return Sent::Results(ready.into_iter().map(|ready| ready.failed(&error)).collect());
        }
    };
    let (answered, vars) = answered;
    let rows = match rows(batch, &items, &answered, &vars) {
        Ok(rows) => rows,
        Err(error) => {
            let error = if operation.is_write() { error.outcome(Outcome::Unknown) } else { error };
            return Sent::Results(ready.into_iter().map(|ready| ready.failed(&error)).collect());
        }
    };
    let mut rows = rows.into_iter();
    let mut done = Vec::with_capacity(ready.len());
    for Ready { call, warnings, item } in ready {
        let row = match item {
            Ok(_) => {
                outcome(&call, batch, rows.next().flatten(), &answered, &vars).map_err(|error| with_probe(&call, error))
            }
            Err(error) => Err(error),
        };
        done.push((call, warnings, row));
    }
    Sent::Results(records(&call, batch, done, &vars, shared).await)
}

fn item_of(index: usize, call: Call) -> Ready {
    let mut warnings = call.warnings.clone();
    let item = item(index, &call, &mut warnings).map_err(not_executed);
    Ready { call, warnings, item }
}

fn item(index: usize, call: &Call, warnings: &mut Vec<Warning>) -> Result<Value> {
    let mut item = Map::new();
    item.insert("index".into(), index.into());
    item.extend(call.id.clone().map(|id| ("id".to_owned(), Value::String(id))));
    item.extend(call.body.clone().map(|body| ("input".to_owned(), Value::Object(body))));
    if call.operation == Operation::Upsert {
        item.insert("match".into(), Key::of(call)?.to_value());
    }
    let record = match call.operation {
        Operation::Create | Operation::Update => Some(ready(call, warnings)?.1),
        Operation::Upsert => Some(translate(call, &[], warnings)?),
        _ => None,
    };
    item.extend(record.map(|record| ("record".to_owned(), record)));
    Ok(Value::Object(item))
}

async fn exchange(call: &Call, batch: &Batch, items: &[Value], shared: &Shared) -> Result<(Answered, Vars)> {
    let mut scope = Scope::of(call);
    scope.set("items", items.to_vec());
    scope.set_columns(columns(&call.resource, &call.query.fields, &[]).as_deref());
    let input = Arc::clone(scope.value());
    let early = |error: Error| if call.operation.is_write() { not_executed(error) } else { error };
    let rendered = render(call, &batch.request, &input, &call_vars(call), None).map_err(early)?;
    let answered = send_bulk(call, &shared.vendor, &batch.request, rendered).await?;
    let vars = answered.vars(call, &input);
    let ok = match &batch.ok {
        Some(ok) => ok.holds(&answered.body, &vars)?,
        None => (200..300).contains(&answered.status),
    };
    if ok {
        return Ok((answered, vars));
    }
    let inner = match &batch.error {
        Some(error) if answered.status < 300 => error.evaluate(&answered.body, &vars)?,
        _ => None,
    };
    Err(told(call, inner.as_ref(), &answered))
}

/// The problem that an answer, or a row of it, is.
fn told(call: &Call, said: Option<&Value>, answered: &Answered) -> Error {
    let status = said.and_then(|said| said.get("status")?.as_u64()).and_then(|status| u16::try_from(status).ok());
    let body = said.and_then(|said| said.get("body")).unwrap_or(&answered.body);
    problem(call, status.unwrap_or(answered.status), &answered.headers, body, None)
}

/// Whether the refusal may be about one record of many, or about how much was asked for at once.
fn is_about_one(operation: Operation, error: &Error) -> bool {
    if operation == Operation::Get && error.get_provider().is_none() && error.kind() == Kind::InvalidRequest {
        return true;
    }
    let kinds = [
        Kind::ValidationFailed,
        Kind::InvalidRequest,
        Kind::UnknownField,
        Kind::Duplicate,
        Kind::Conflict,
        Kind::NotFound,
        Kind::Forbidden,
    ];
    error.get_provider().is_some() && kinds.contains(&error.kind()) && error.get_outcome() != Some(Outcome::Unknown)
}

/// The row of each item: by its key, else by its place.
fn rows(batch: &Batch, items: &[Value], answered: &Answered, vars: &Vars) -> Result<Vec<Option<Value>>> {
    let rows = match batch.results.evaluate(&answered.body, vars)? {
        Some(Value::Array(rows)) => rows,
        Some(row @ Value::Object(_)) => vec![row],
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer holds no results.")),
    };
    let Some((of_item, of_row)) = &batch.key else {
        if rows.len() != items.len() {
            let detail = format!("The provider answered {} results for {} records.", rows.len(), items.len());
            return Err(Error::new(Kind::InvalidProviderResponse, detail));
        }
        return Ok(rows.into_iter().map(Some).collect());
    };
    let mut by_key: HashMap<String, Value> = HashMap::new();
    for row in rows {
        if let Some(key) = of_row.text(&row, vars)? {
            by_key.insert(key, row);
        }
    }
    items.iter().map(|item| Ok(of_item.text(item, vars)?.and_then(|key| by_key.remove(&key)))).collect()
}

/// What a row says of its record.
struct Row {
    id: Option<String>,
    record: Option<Value>,
    created: bool,
}

fn outcome(call: &Call, batch: &Batch, row: Option<Value>, answered: &Answered, vars: &Vars) -> Result<Row> {
    let write = call.operation.is_write();
    let Some(row) = row else {
        // A record that was asked for and is not in the answer is not there; a write without a row is anybody's guess.
        return Err(match write {
            false => not_found(call),
            true => Error::new(Kind::InvalidProviderResponse, "The provider's answer has no result for this record.")
                .outcome(Outcome::Unknown),
        });
    };
    let unsure = |error: Error| if write { error.outcome(Outcome::Unknown) } else { error };
    let ok = batch.row.ok.as_ref().map_or(Ok(true), |ok| ok.holds(&row, vars)).map_err(unsure)?;
    if !ok {
        let said = match &batch.row.error {
            Some(error) => error.evaluate(&row, vars).map_err(unsure)?,
            None => Some(json!({"body": row})),
        };
        return Err(told(call, said.as_ref(), answered));
    }
    let id = batch.row.id.as_ref().map_or(Ok(None), |id| id.text(&row, vars)).map_err(unsure)?;
    let record = batch.row.record.as_ref().map_or(Ok(None), |record| record.evaluate(&row, vars)).map_err(unsure)?;
    let created = match &batch.row.created {
        Some(created) => created.holds(&row, vars).unwrap_or_default(),
        None => call.operation == Operation::Create,
    };
    Ok(Row { id: call.id.clone().or(id), record: record.filter(Value::is_object), created })
}

/// The unified records: from the rows where they hold everything, the others read back together.
async fn records(
    whole: &Call,
    batch: &Batch,
    done: Vec<(Call, Vec<Warning>, Result<Row>)>,
    vars: &Vars,
    shared: &Shared,
) -> Vec<Result> {
    let complete = |call: &Call, record: &Value| {
        !call.operation.is_write() || holds_all(call, record) || call.resource.select.is_none()
    };
    let lacking: Vec<String> = done
        .iter()
        .filter_map(|(call, _, row)| {
            let row = row.as_ref().ok()?;
            let written = call.operation != Operation::Delete && !call.minimal;
            let lacks = !row.record.as_ref().is_some_and(|record| complete(call, record));
            row.id.clone().filter(|_| written && lacks)
        })
        .collect();
    let (mut found, told) = read_back(whole, &lacking, shared).await;
    let mut results = Vec::with_capacity(done.len());
    for (call, mut warnings, row) in done {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                results.push(Err(error));
                continue;
            }
        };
        if call.operation == Operation::Delete {
            results.push(Ok(Reply::Deleted));
            continue;
        }
        if row.created && row.id.is_none() && batch.row.id.is_some() {
            let detail = "The provider's answer names no id for the new record.";
            results.push(Err(Error::new(Kind::InvalidProviderResponse, detail).outcome(Outcome::Unknown)));
            continue;
        }
        let read = match (row.record.filter(|record| complete(&call, record)), &row.id) {
            _ if call.minimal => Ok(json!({ "id": row.id })),
            (Some(record), _) => read_one(&call, record, &batch.lacks, vars, &mut warnings).await,
            (None, Some(id)) => {
                warnings.extend(told.iter().cloned());
                found.remove(id).unwrap_or_else(|| Err(not_found(&call)))
            }
            (None, None) => Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer names no id.")),
        };
        let record = match read {
            Ok(record) => record,
            Err(error) if !call.operation.is_write() => {
                results.push(Err(error));
                continue;
            }
            Err(error) => {
                let detail =
                    format!("the write was executed, but the record could not be read back: {}", error.detail());
                warnings.push(Warning::new("read-back-failed", detail));
                as_sent(&call, row.id)
            }
        };
        results.push(Ok(Reply::Record { record, created: row.created, version: None, warnings }));
    }
    results
}

async fn read_one(
    call: &Call,
    row: Value,
    lacks: &[String],
    vars: &Vars,
    warnings: &mut Vec<Warning>,
) -> Result<Value> {
    for name in lacks.iter().filter(|name| call.query.fields.wants(name)) {
        let detail = format!("{} does not give `{name}` of several records at once", call.provider.title);
        warnings.push(Warning::at("field-not-available", format!("/{name}"), detail));
    }
    let wanted = Wanted { fields: &call.query.fields, raw: call.query.include_raw, lacks };
    let mut records = read_all(call, vec![row], &wanted, vars, warnings).await?;
    records.pop().ok_or_else(|| not_found(call))
}

/// Records by their ids: one list where the vendor can, else a few at a time.
async fn read_back(whole: &Call, ids: &[String], shared: &Shared) -> (HashMap<String, Result<Value>>, Vec<Warning>) {
    let mut found = HashMap::new();
    if ids.is_empty() {
        return (found, Vec::new());
    }
    if let Ok((records, warnings)) = by_ids(whole, ids, &whole.query, shared).await {
        for record in records {
            if let Some(id) = record.get("id").and_then(Value::as_str) {
                found.insert(id.to_owned(), Ok(record.clone()));
            }
        }
        return (found, warnings);
    }
    let reads =
        ids.iter().map(|id| Call { id: Some(id.clone()), query: whole.query.clone(), ..whole.part(Operation::Get) });
    let singles = reads.collect::<Vec<_>>().into_iter().map(|read| {
        let vendor = shared.vendor.clone();
        async move {
            let record = fetch(&read, &vendor, &mut Vec::new()).await;
            (read.id.unwrap_or_default(), record)
        }
    });
    found.extend(stream::iter(singles).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    (found, Vec::new())
}

/// Records of the call's resource by their ids, by one request for many or one list; those that are not there are
/// left out. With what was said of them. `unsupported-filter` where the vendor can do neither.
pub async fn by_ids(call: &Call, ids: &[String], query: &Query, shared: &Shared) -> Result<(Vec<Value>, Vec<Warning>)> {
    let mut said: Vec<Warning> = Vec::new();
    if let Some(batch) = call.resource.batch(Operation::Get) {
        let mut records = Vec::new();
        for chunk in ids.chunks(batch.max) {
            let gets =
                chunk.iter().map(|id| Call { id: Some(id.clone()), query: query.clone(), ..call.part(Operation::Get) });
            let whole = Call { query: query.clone(), ..call.part(Operation::Get) };
            let results = match Box::pin(bulk(&whole, batch, gets.collect(), shared)).await {
                Sent::Results(results) => results,
                Sent::Refused(_) => return listed_by_ids(call, ids, query, shared).await,
            };
            for result in results {
                match result {
                    Ok(Reply::Record { record, warnings, .. }) => {
                        records.push(record);
                        say_once(&mut said, warnings);
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == Kind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        return Ok((records, said));
    }
    listed_by_ids(call, ids, query, shared).await
}

/// What was said of one record need not be said of all.
fn say_once(said: &mut Vec<Warning>, more: Vec<Warning>) {
    for warning in more {
        if !said.contains(&warning) {
            said.push(warning);
        }
    }
}

async fn listed_by_ids(
    call: &Call,
    ids: &[String],
    query: &Query,
    shared: &Shared,
) -> Result<(Vec<Value>, Vec<Warning>)> {
    let rule = call.resource.filters.get("id").filter(|rule| rule.ops.contains(&FilterOp::In));
    if rule.is_none() {
        let detail = format!("{} cannot be found by several ids at once.", call.resource.name);
        return Err(Error::new(Kind::UnsupportedFilter, detail));
    }
    let (mut records, mut said) = (Vec::new(), Vec::<Warning>::new());
    for chunk in ids.chunks(call.resource.limit.max.max(1) as usize) {
        let value = Value::Array(chunk.iter().map(|id| Value::String(id.clone())).collect());
        let filters = vec![Filter { field: "id".into(), op: FilterOp::In, value }];
        let limit = u32::try_from(chunk.len()).ok();
        let list = Call {
            query: Query {
                limit,
                filters,
                fields: query.fields.clone(),
                include_raw: query.include_raw,
                ..Query::default()
            },
            ..call.part(Operation::List)
        };
        match list::list(list, &shared.vendor).await? {
            Reply::List { records: page, warnings, .. } => {
                records.extend(page);
                say_once(&mut said, warnings);
            }
            _ => return Err(Error::internal("a list that is none")),
        }
    }
    Ok((records, said))
}

/// All fields, for records that stand in other records.
pub fn everything() -> Query {
    Query { fields: FieldSet::all(), ..Query::default() }
}
