//! Get, create, update and delete: one record.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::exchange::{Answered, call_vars, judge, render, send};
use super::list::is_of;
use super::pieces::Pieces;
use super::plan::choose;
use super::probe::with_probe;
use super::read::{Wanted, columns};
use super::records::read_all;
use super::scope::Scope;
use super::steps::{Prepared, half_done, prepare};
use super::write::{Write, refusal, without_own_id};
use super::{Call, Reply, Vendor, version};
use crate::catalog::Variant;
use crate::catalog::spec::ThenSpec;
use crate::error::{Error, Kind, Outcome};
use crate::mapping::{Vars, merge};
use crate::model::{FieldSet, Operation, Warning, validate};

pub async fn get(call: Call, vendor: &Vendor) -> Result<Reply, Error> {
    let mut warnings = call.warnings.clone();
    let (record, version) = fetch_version(&call, vendor, &mut warnings).await?;
    Ok(Reply::Record { record, created: false, version, warnings })
}

pub async fn delete(call: Call, vendor: &Vendor) -> Result<Reply, Error> {
    check_id(&call).map_err(not_executed)?;
    let scope = Scope::of(&call);
    let variant = choose(&call.resource, call.operation, scope.value(), &call_vars(&call)).map_err(not_executed)?;
    delete_by(&call, vendor, variant, scope).await
}

/// A write that is answered by nothing.
pub async fn delete_by(call: &Call, vendor: &Vendor, variant: &Variant, scope: Scope) -> Result<Reply, Error> {
    execute(call, vendor, variant, scope, None).await.map_err(|error| with_probe(call, error))?;
    Ok(Reply::Deleted)
}

/// Create and update: what was sent to the vendor, then the record as the vendor now has it.
pub async fn write(call: Call, vendor: &Vendor) -> Result<Reply, Error> {
    check_id(&call).map_err(not_executed)?;
    super::plan::variants(&call.resource, call.operation).map_err(not_executed)?;
    let mut warnings = call.warnings.clone();
    let (variant, record) = ready(&call, &mut warnings).map_err(not_executed)?;
    finish(&call, vendor, variant, Scope::of(&call), record, warnings).await
}

/// Refuses a call for what is wrong with its id or its record whatever custom fields the account has.
pub fn check(call: &Call) -> Result<(), Error> {
    let early = |error: Error| if call.operation.is_write() { not_executed(error) } else { error };
    check_id(call).map_err(early)?;
    if !matches!(call.operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    if let Some(body) = &call.body {
        let body = without_own_id(call.id.as_deref(), body, &mut Vec::new());
        let verdict = validate(&call.resource.model, &body);
        if !verdict.is_good() {
            return Err(not_executed(refusal(verdict.invalid, verdict.unknown)));
        }
    }
    super::plan::variants(&call.resource, call.operation).map_err(not_executed)?;
    let mut call = call.clone();
    if call.body.as_ref().and_then(|body| body.get("custom_fields")).is_some_and(|custom| !custom.is_object()) {
        return ready(&call, &mut Vec::new()).map(drop).map_err(not_executed);
    }
    let custom = call.body.as_mut().and_then(|body| body.shift_remove("custom_fields")).is_some();
    if custom && call.body.as_ref().is_none_or(Map::is_empty) {
        return Ok(());
    }
    ready(&call, &mut Vec::new()).map(drop).map_err(not_executed)
}

/// The variant that does a create or an update, and the vendor's record for it. Nothing is sent.
pub fn ready<'c>(call: &'c Call, warnings: &mut Vec<Warning>) -> Result<(&'c Variant, Value), Error> {
    // `when` sees the record, and which fields the record may leave to the request depends on the variant.
    let uses: Vec<String> =
        call.resource.variants(call.operation).iter().flat_map(|variant| variant.uses.clone()).collect();
    let record = translate(call, &uses, warnings)?;
    let mut scope = Scope::of(call);
    scope.set("record", record.clone());
    let variant = choose(&call.resource, call.operation, scope.value(), &call_vars(call))?;
    let record = if variant.uses == uses { record } else { translate(call, &variant.uses, &mut Vec::new())? };
    Ok((variant, record))
}

/// The vendor's record of the caller's, without the fields that the request takes from it itself.
pub fn translate(call: &Call, uses: &[String], warnings: &mut Vec<Warning>) -> Result<Value, Error> {
    let no_body = Map::new();
    let write = Write {
        resource: &call.resource,
        operation: call.operation,
        id: call.id.as_deref(),
        uses,
        settings: call.settings(),
        now: call.now,
    };
    write.record(call.body.as_ref().unwrap_or(&no_body), warnings)
}

/// Sends a translated record and answers with the record as the vendor now has it.
pub async fn finish(
    call: &Call,
    vendor: &Vendor,
    variant: &Variant,
    scope: Scope,
    record: Value,
    warnings: Vec<Warning>,
) -> Result<Reply, Error> {
    send_and_read(call, vendor, variant, scope, record, warnings).await.map_err(|error| with_probe(call, error))
}

async fn send_and_read(
    call: &Call,
    vendor: &Vendor,
    variant: &Variant,
    scope: Scope,
    record: Value,
    mut warnings: Vec<Warning>,
) -> Result<Reply, Error> {
    let done = execute(call, vendor, variant, scope, Some(record)).await?;
    // From here the write has happened: whatever fails now is a warning, never an error.
    let vars = done.answered.vars(call, &done.input);
    let created = match (&done.variant.answer.created, call.operation) {
        (Some(created), _) => created.holds(&done.answered.body, &vars).unwrap_or_default(),
        (None, Operation::Upsert) => done.answered.status == 201,
        (None, operation) => operation == Operation::Create,
    };
    if created && unconfirmed(call, &done)? {
        return Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer names no id for the new record.")
            .outcome(Outcome::Unknown));
    }
    let (record, version) = match after(call, vendor, &done, &mut warnings).await {
        Ok(found) => found,
        Err((id, error)) => {
            let detail = format!("the write was executed, but the record could not be read back: {}", error.detail());
            warnings.push(Warning::new("read-back-failed", detail));
            (as_sent(call, id), None)
        }
    };
    Ok(Reply::Record { record, created, version, warnings })
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
    vendor: &Vendor,
    done: &Done<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(Value, Option<String>), (Option<String>, Error)> {
    let vars = done.answered.vars(call, &done.input);
    let body = &done.answered.body;
    let found = match &done.variant.answer.id {
        Some(leaf) => leaf.text(body, &vars).map_err(|error| (call.id.clone(), error))?,
        None => None,
    };
    let id = call.id.clone().or(found);
    if call.minimal {
        return Ok((json!({ "id": id }), None));
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
            return Ok((record, version::of(&call.resource, row, &vars)));
        }
    }
    let Some(id) = id else {
        return Err((None, Error::new(Kind::InvalidProviderResponse, "The answer names no id.")));
    };
    let read = Call { id: Some(id.clone()), query: call.query.clone(), ..call.part(Operation::Get) };
    Box::pin(fetch_version(&read, vendor, warnings)).await.map_err(|error| (Some(id), error))
}

/// Whether a vendor's answer holds every column that reading the wanted fields needs.
pub fn holds_all(call: &Call, row: &Value) -> bool {
    let Some(select) = &call.resource.select else { return false };
    let under = select.under.as_ref().map_or(Some(row), |under| under.get(row));
    let (Some(under), Some(columns)) = (under, columns(&call.resource, &call.query.fields, &[])) else { return false };
    !columns.is_empty() && columns.iter().all(|column| under.get(column).is_some()) && holds_rest(call, row)
}

/// Whether the row holds what wanted fields read beside the columns that are asked for by name.
fn holds_rest(call: &Call, row: &Value) -> bool {
    let wanted = call.resource.table.iter().filter(|(name, field)| {
        field.columns.is_empty() && !name.starts_with("custom_fields") && call.query.fields.wants(name)
    });
    wanted.flat_map(|(_, field)| field.roots()).all(|root| row.get(&root).is_some())
}

/// What is known without asking: the members sent, and the id.
pub fn as_sent(call: &Call, id: Option<String>) -> Value {
    let mut record = Map::new();
    record.insert("id".into(), id.map_or(Value::Null, Value::String));
    record.insert("created_at".into(), Value::Null);
    record.insert("updated_at".into(), Value::Null);
    for (name, value) in call.body.iter().flatten().filter(|(name, _)| *name != "id") {
        record.insert(name.clone(), value.clone());
    }
    Value::Object(record)
}

pub async fn fetch(call: &Call, vendor: &Vendor, warnings: &mut Vec<Warning>) -> Result<Value, Error> {
    fetch_version(call, vendor, warnings).await.map(|(record, _)| record)
}

/// The record and its version.
async fn fetch_version(
    call: &Call,
    vendor: &Vendor,
    warnings: &mut Vec<Warning>,
) -> Result<(Value, Option<String>), Error> {
    check_id(call)?;
    let scope = Scope::of(call);
    let variant = choose(&call.resource, call.operation, scope.value(), &call_vars(call))?;
    let (row, vars) = vendor_row(call, vendor, variant, scope).await?;
    let row = match row {
        Some(row @ Value::Object(_)) => row,
        None | Some(Value::Null) => return Err(not_found(call)),
        Some(_) => {
            return Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer is not a record."));
        }
    };
    if !is_of(&call.resource, &row) {
        return Err(not_found(call));
    }
    let wanted = Wanted { fields: &call.query.fields, raw: call.query.include_raw, lacks: &variant.lacks };
    let version = version::of(&call.resource, &row, &vars);
    let mut records = read_all(call, vec![row], &wanted, &vars, warnings).await?;
    records.pop().map(|record| (record, version)).ok_or_else(|| not_found(call))
}

/// The vendor's record, of as many requests as its columns take.
async fn vendor_row(
    call: &Call,
    vendor: &Vendor,
    variant: &Variant,
    mut scope: Scope,
) -> Result<(Option<Value>, Vars), Error> {
    let only: Vec<String> = call.resource.only.keys().cloned().collect();
    let columns = columns(&call.resource, &call.query.fields, &only);
    scope.set_columns(columns.as_deref());
    scope.set_wanted(call, variant);
    if prepare(call, vendor, variant, &mut scope).await? == Prepared::Nothing {
        return Err(not_found(call));
    }
    let mut found: Option<(Option<Value>, Vars)> = None;
    for (input, rendered) in Pieces::cut(call, variant, &mut scope, columns, &only)? {
        let answered = send(call, vendor, &variant.request, rendered).await?;
        let vars = answered.vars(call, &input);
        judge(call, &variant.answer, &answered, &vars)?;
        let row = match &variant.answer.record {
            Some(leaf) => leaf.evaluate(&answered.body, &vars)?,
            None => Some(answered.body),
        };
        match (&mut found, row) {
            (Some((Some(first), _)), Some(more)) => merge(first, more),
            (None, row) => found = Some((row, vars)),
            _ => {}
        }
    }
    found.ok_or_else(|| not_found(call))
}

/// A request that was sent and answered without an error.
struct Done<'c> {
    variant: &'c Variant,
    input: Arc<Value>,
    answered: Answered,
}

async fn execute<'c>(
    call: &Call,
    vendor: &Vendor,
    variant: &'c Variant,
    mut scope: Scope,
    record: Option<Value>,
) -> Result<Done<'c>, Error> {
    let early = |error: Error| match error.get_outcome() {
        None => not_executed(error),
        Some(_) => error,
    };
    let record = match record {
        Some(record) if variant.whole => Some(Box::pin(laid_over(call, vendor, record)).await.map_err(early)?),
        record => record,
    };
    scope.set_some("record", record.clone());
    if matches!(call.operation, Operation::Create | Operation::Update | Operation::Upsert) {
        let only: Vec<String> = call.resource.only.keys().cloned().collect();
        // A write that is not read back asks for no more than the id.
        let id = FieldSet::of(vec!["id".into()]);
        let wanted = if call.minimal { &id } else { &call.query.fields };
        scope.set_columns(columns(&call.resource, wanted, &only).as_deref());
    }
    scope.set_wanted(call, variant);
    let prepared = prepare(call, vendor, variant, &mut scope).await.map_err(early)?;
    if prepared == Prepared::Nothing {
        return Err(early(not_found(call)));
    }
    let done = main_request(call, vendor, variant, scope, record).await;
    if prepared == Prepared::Written { done.map_err(half_done) } else { done }
}

async fn main_request<'c>(
    call: &Call,
    vendor: &Vendor,
    variant: &'c Variant,
    scope: Scope,
    record: Option<Value>,
) -> Result<Done<'c>, Error> {
    let early = not_executed;
    let input = Arc::clone(scope.value());
    let rendered = render(call, &variant.request, &input, &call_vars(call), record).map_err(early)?;
    let answered = send(call, vendor, &variant.request, rendered).await?;
    let vars = answered.vars(call, &input);
    judge(call, &variant.answer, &answered, &vars).map_err(|error| match error.get_outcome() {
        // The answer could not be understood, but its status tells what became of the write.
        None if call.operation.is_write() && answered.status < 300 => error.outcome(Outcome::Executed),
        None if call.operation.is_write() => error.outcome(Outcome::Unknown),
        _ => error,
    })?;
    Ok(Done { variant, input, answered })
}

/// The record as the vendor has it, with what is written laid over it: for vendors that replace it as a whole.
async fn laid_over(call: &Call, vendor: &Vendor, record: Value) -> Result<Value, Error> {
    let read = Call { id: call.id.clone(), ..call.part(Operation::Get) };
    let scope = Scope::of(&read);
    let variant = choose(&read.resource, read.operation, scope.value(), &call_vars(&read))?;
    let (row, _) = vendor_row(&read, vendor, variant, scope).await?;
    let mut whole = row.filter(Value::is_object).ok_or_else(|| not_found(call))?;
    merge(&mut whole, record);
    Ok(whole)
}

/// An id that cannot be one of the vendor's never reaches a URL.
pub fn check_id(call: &Call) -> Result<(), Error> {
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

pub fn not_executed(error: Error) -> Error {
    error.outcome(Outcome::NotExecuted)
}

pub fn not_found(call: &Call) -> Error {
    if let Some(other) = &call.other {
        let (resource, other) = (&call.resource.name, &other.resource);
        return Error::new(Kind::NotFound, format!("There is no such association between {resource} and {other}."));
    }
    let id: String = call.id.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(80).collect();
    Error::new(Kind::NotFound, format!("There is no {} with the id {}.", call.resource.model.name, json!(id)))
}
