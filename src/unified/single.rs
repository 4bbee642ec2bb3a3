//! Get, create, update and delete: one record.

use serde_json::{Map, Value, json};

use super::exchange::{Answered, call_vars, judge, render, send};
use super::plan::choose;
use super::read::{Wanted, columns};
use super::records::read_all;
use super::scope::Scope;
use super::steps::prepare;
use super::write::write_record;
use super::{Call, Reply};
use crate::catalog::Variant;
use crate::catalog::spec::ThenSpec;
use crate::error::{Error, Kind, Outcome};
use crate::model::{Operation, Warning};
use crate::upstream;

pub async fn get(call: Call, upstream: &upstream::Service) -> Result<Reply, Error> {
    let mut warnings = Vec::new();
    let record = fetch(&call, upstream, &mut warnings).await?;
    Ok(Reply::Record { record, created: false, warnings })
}

pub async fn delete(call: Call, upstream: &upstream::Service) -> Result<Reply, Error> {
    check_id(&call)?;
    execute(&call, upstream, None).await?;
    Ok(Reply::Deleted)
}

/// Create and update: what was sent to the vendor, then the record as the vendor now has it.
pub async fn write(call: Call, upstream: &upstream::Service) -> Result<Reply, Error> {
    check_id(&call).map_err(not_executed)?;
    super::plan::variants(&call.resource, call.operation).map_err(not_executed)?;
    let mut warnings = Vec::new();
    let no_body = Map::new();
    let body = call.body.as_ref().unwrap_or(&no_body);
    let settings = call.settings();
    let record = write_record(&call.resource, call.operation, call.id.as_deref(), body, &settings, &mut warnings)
        .map_err(not_executed)?;
    let done = execute(&call, upstream, Some(record)).await?;
    // From here the write has happened: whatever fails now is a warning, never an error.
    let created = call.operation == Operation::Create;
    if created && unconfirmed(&call, &done)? {
        return Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer names no id for the new record.")
            .outcome(Outcome::Unknown));
    }
    let record = match after(&call, upstream, &done, &mut warnings).await {
        Ok(record) => record,
        Err((id, error)) => {
            let detail = format!("the write was executed, but the record could not be read back: {}", error.detail());
            warnings.push(Warning::new("read-back-failed", detail));
            as_sent(&call, id)
        }
    };
    Ok(Reply::Record { record, created, warnings })
}

/// Whether the answer to a create lacks the id that the mapping says it has: then nobody knows what was created.
fn unconfirmed(call: &Call, done: &Done<'_>) -> Result<bool, Error> {
    let Some(leaf) = &done.variant.answer.id else { return Ok(false) };
    let vars = done.answered.vars(call, &done.input);
    let id = leaf.text(&done.answered.body, &vars).map_err(|error| error.outcome(Outcome::Unknown))?;
    Ok(id.is_none_or(|id| id.is_empty()))
}

/// The record after a write: from the answer if that is complete, else read back. On failure with the id, if known.
async fn after(
    call: &Call,
    upstream: &upstream::Service,
    done: &Done<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Value, (Option<String>, Error)> {
    let vars = done.answered.vars(call, &done.input);
    let body = &done.answered.body;
    let found = match &done.variant.answer.id {
        Some(leaf) => leaf.text(body, &vars).map_err(|error| (call.id.clone(), error))?,
        None => None,
    };
    let id = call.id.clone().or(found);
    if call.minimal {
        return Ok(json!({ "id": id }));
    }
    let row = match &done.variant.answer.record {
        Some(leaf) => leaf.evaluate(body, &vars).map_err(|error| (id.clone(), error))?,
        None => Some(body.clone()),
    };
    let row = row.filter(Value::is_object);
    let complete = row.as_ref().filter(|row| done.variant.then == ThenSpec::None || holds_all(call, row));
    if let Some(row) = complete {
        let wanted = Wanted { fields: &call.query.fields, raw: call.query.include_raw, lacks: &done.variant.lacks };
        if let Ok(mut records) = read_all(call, vec![row.clone()], &wanted, &vars, warnings).await
            && let Some(record) = records.pop()
        {
            return Ok(record);
        }
    }
    let Some(id) = id else {
        return Err((None, Error::new(Kind::InvalidProviderResponse, "The answer names no id.")));
    };
    let read = Call { operation: Operation::Get, id: Some(id.clone()), body: None, ..call.clone() };
    Box::pin(fetch(&read, upstream, warnings)).await.map_err(|error| (Some(id), error))
}

/// Whether a vendor's answer holds every column that reading the wanted fields needs.
fn holds_all(call: &Call, row: &Value) -> bool {
    let Some(select) = &call.resource.select else { return false };
    let under = select.under.as_ref().map_or(Some(row), |under| under.get(row));
    let (Some(under), Some(columns)) = (under, columns(&call.resource, &call.query.fields, &[])) else { return false };
    !columns.is_empty() && columns.iter().all(|column| under.get(column).is_some())
}

/// What is known without asking: the members sent, and the id.
fn as_sent(call: &Call, id: Option<String>) -> Value {
    let mut record = Map::new();
    record.insert("id".into(), id.map_or(Value::Null, Value::String));
    record.insert("created_at".into(), Value::Null);
    record.insert("updated_at".into(), Value::Null);
    for (name, value) in call.body.iter().flatten().filter(|(name, _)| *name != "id") {
        record.insert(name.clone(), value.clone());
    }
    Value::Object(record)
}

async fn fetch(call: &Call, upstream: &upstream::Service, warnings: &mut Vec<Warning>) -> Result<Value, Error> {
    check_id(call)?;
    let done = execute(call, upstream, None).await?;
    let vars = done.answered.vars(call, &done.input);
    let row = match &done.variant.answer.record {
        Some(leaf) => leaf.evaluate(&done.answered.body, &vars)?,
        None => Some(done.answered.body.clone()),
    };
    let row = match row {
        Some(row @ Value::Object(_)) => row,
        None | Some(Value::Null) => return Err(not_found(call)),
        Some(_) => {
            return Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer is not a record."));
        }
    };
    for (column, value) in &call.resource.only {
        if row.get(column).is_some_and(|found| found != value) {
            return Err(not_found(call));
        }
    }
    let wanted = Wanted { fields: &call.query.fields, raw: call.query.include_raw, lacks: &done.variant.lacks };
    let mut records = read_all(call, vec![row], &wanted, &vars, warnings).await?;
    records.pop().ok_or_else(|| not_found(call))
}

/// A request that was sent and answered without an error.
struct Done<'c> {
    variant: &'c Variant,
    input: Value,
    answered: Answered,
}

async fn execute<'c>(call: &'c Call, upstream: &upstream::Service, record: Option<Value>) -> Result<Done<'c>, Error> {
    let mut scope = Scope::of(call);
    scope.set_some("record", record.clone());
    if call.operation != Operation::Delete {
        let only: Vec<String> = call.resource.only.keys().cloned().collect();
        scope.set_columns(columns(&call.resource, &call.query.fields, &only));
    }
    let early = |error: Error| if call.operation.is_write() { not_executed(error) } else { error };
    let variant = choose(&call.resource, call.operation, &scope.to_value(), &call_vars(call)).map_err(early)?;
    if !prepare(call, upstream, variant, &mut scope).await.map_err(early)? {
        return Err(early(not_found(call)));
    }
    let input = scope.to_value();
    let rendered = render(call, &variant.request, &input, &call_vars(call), record).map_err(early)?;
    let answered = send(call, upstream, &variant.request, rendered).await?;
    let vars = answered.vars(call, &input);
    judge(call, &variant.answer, &answered, &vars).map_err(|error| match error.get_outcome() {
        // The answer could not be understood, but its status tells what became of the write.
        None if call.operation.is_write() && answered.status < 300 => error.outcome(Outcome::Executed),
        None if call.operation.is_write() => error.outcome(Outcome::Unknown),
        _ => error,
    })?;
    Ok(Done { variant, input, answered })
}

/// An id that cannot be one of the vendor's never reaches a URL.
fn check_id(call: &Call) -> Result<(), Error> {
    let Some(id) = &call.id else { return Ok(()) };
    let fits = match &call.resource.id_pattern {
        Some(pattern) => pattern.is_match(id),
        // What could mean something else to whoever takes the URL apart is no part of an id unless the mapping says so.
        None => !id.chars().any(|c| c.is_whitespace() || matches!(c, '/' | '\\' | '%' | '?' | '#' | ';')),
    };
    // A segment of dots would climb the path at whoever normalises URLs.
    let dots = id.chars().all(|c| c == '.');
    if dots || !fits || id.len() > MAX_ID || id.chars().any(char::is_control) {
        return Err(not_found(call));
    }
    Ok(())
}

/// No vendor has longer ids. Bytes.
const MAX_ID: usize = 512;

fn not_executed(error: Error) -> Error {
    error.outcome(Outcome::NotExecuted)
}

fn not_found(call: &Call) -> Error {
    let id: String = call.id.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(80).collect();
    Error::new(Kind::NotFound, format!("There is no {} with the id {}.", call.resource.model.name, json!(id)))
}
