//! Writing by a natural key: by the vendor's own request where it has one, else by looking for the record first.

use serde_json::{Map, Value, json};

use super::conditions::encode_value;
use super::exchange::call_vars;
use super::plan::holds;
use super::scope::Scope;
use super::single::{finish, not_executed, translate, write};
use super::{Call, Reply, Shared, list};
use crate::catalog::{Field, Upsert};
use crate::error::{Error, Kind, Outcome, Violation};
use crate::model::{FieldSet, Filter, FilterOp, Operation, Query, Warning, escape};

pub async fn upsert(call: Call, shared: &Shared) -> Result<Reply, Error> {
    let way = way(&call).map_err(not_executed)?;
    let key = Key::of(&call).map_err(not_executed)?;
    match &way.native {
        Some(variant) => {
            let scope = key.scope(&call);
            let mut warnings = call.warnings.clone();
            let record = translate(&call, &variant.uses, &mut warnings).map_err(not_executed)?;
            let done = finish(&call, &shared.vendor, variant, scope, record, warnings).await;
            let repeatable = variant.request.repeatable && variant.steps.iter().all(|(_, step)| step.request.safe);
            done.map_err(|error| match error.get_outcome() {
                Some(Outcome::Unknown) if repeatable => error.retryable(true),
                _ => error,
            })
        }
        None => by_finding(call, shared, key).await,
    }
}

/// Refuses an upsert that names no way to match, or has no value to match by.
pub fn check(call: &Call) -> Result<(), Error> {
    if call.operation != Operation::Upsert {
        return Ok(());
    }
    way(call).map_err(not_executed)?;
    // Which column and value a custom field has only the account knows.
    match call.by.as_ref().is_some_and(|by| by.starts_with("custom_fields.")) {
        true => Ok(()),
        false => Key::of(call).map(drop).map_err(not_executed),
    }
}

/// The first way that matches by the field and whose `when` holds.
pub fn way(call: &Call) -> Result<&Upsert, Error> {
    let field = call.by.as_deref().unwrap_or_default();
    let upserts = &call.resource.upserts;
    // `when` sees the record, as far as it can be made without the account.
    let mut scope = Scope::of(call);
    let uses: Vec<String> =
        upserts.iter().filter_map(|upsert| upsert.native.as_ref()).flat_map(|native| native.uses.clone()).collect();
    scope.set_some("record", translate(call, &uses, &mut Vec::new()).ok());
    let (input, vars) = (scope.value(), call_vars(call));
    for upsert in upserts.iter().filter(|upsert| upsert.takes(field)) {
        if upsert.native.as_ref().map_or(Ok(true), |native| holds(native, input, &vars))? {
            return Ok(upsert);
        }
    }
    let known: Vec<String> = upserts.iter().flat_map(|upsert| upsert.fields.clone()).collect();
    if known.is_empty() {
        let detail = format!("{} cannot be written by a natural key here.", call.resource.name);
        return Err(Error::new(Kind::UnsupportedOperation, detail));
    }
    let detail = format!("{} cannot be matched by {field:?} here.", call.resource.name);
    let violation = Violation::parameter("match", "it cannot be matched by").expected(known.join(", "));
    Err(Error::new(Kind::InvalidRequest, detail).violation(violation).supported(known))
}

/// The natural key of a call: the field, its column and its value in both terms.
pub struct Key {
    field: String,
    column: String,
    value: Value,
    vendor: Value,
}

impl Key {
    pub fn of(call: &Call) -> Result<Self, Error> {
        let resource = &call.resource;
        let field = call.by.clone().unwrap_or_default();
        let path = resource.model.filter_target(&field);
        let no_body = Map::new();
        let value = value_at(call.body.as_ref().unwrap_or(&no_body), path).ok_or_else(|| {
            let pointer = format!("/{}", path.split('.').map(escape).collect::<Vec<_>>().join("/"));
            let violation = Violation::at(pointer, "the record is matched by it, so it must have a value");
            Error::new(Kind::ValidationFailed, format!("The record has no {field}, by which it would be matched."))
                .violation(violation)
        })?;
        let rule = resource.filters.get(&field);
        let filter = Filter { field: field.clone(), op: FilterOp::Eq, value: value.clone() };
        // Without a filter on it, a custom field is found by its line: the account has told its column and its form.
        let line = resource.table.get(&field).filter(|_| rule.is_none());
        let vendor = match (rule, line) {
            (Some(rule), _) => encode_value(rule, &filter)?,
            (None, Some(line)) => written(line, &value)?,
            (None, None) => value.clone(),
        };
        let of_line = line.and_then(Field::path).and_then(|path| path.names().last().map(|name| (*name).to_owned()));
        let own = of_line.unwrap_or_else(|| field.strip_prefix("custom_fields.").unwrap_or(&field).to_owned());
        let column = rule.and_then(|rule| rule.on.first().cloned()).unwrap_or(own);
        Ok(Self { field, column, value, vendor })
    }

    /// What requests see as `match`.
    pub fn to_value(&self) -> Value {
        json!({"field": self.field, "on": self.column, "value": self.vendor})
    }

    pub fn scope(&self, call: &Call) -> Scope {
        let mut scope = Scope::of(call);
        scope.set("match", self.to_value());
        scope
    }
}

/// A value in the form that the line writes.
fn written(line: &Field, value: &Value) -> Result<Value, Error> {
    let refused = |expected: String| {
        Error::new(Kind::ValidationFailed, "The record has a value that it cannot be matched by.")
            .violation(Violation::at("/custom_fields", "the value cannot be converted").expected(expected))
    };
    line.codecs.iter().rev().try_fold(value.clone(), |value, codec| codec.write(&value).map_err(refused))
}

/// The value of a dotted path in a record; of a list that of its primary item, else of the first.
pub fn value_at(record: &Map<String, Value>, path: &str) -> Option<Value> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let mut value = record.get(head)?;
    if let Value::Array(items) = value {
        let primary = items.iter().find(|item| item.get("primary") == Some(&Value::Bool(true)));
        value = primary.or(items.first())?;
    }
    match (rest, value) {
        (None, Value::Null | Value::Object(_) | Value::Array(_)) => None,
        (None, value) => Some(value.clone()).filter(|value| *value != ""),
        (Some(rest), Value::Object(inner)) => value_at(inner, rest),
        _ => None,
    }
}

/// Not atomic: between looking and writing somebody else may write. In this process one call of a key runs at a time.
async fn by_finding(mut call: Call, shared: &Shared, key: Key) -> Result<Reply, Error> {
    let turn = format!("{} {} {} {}", call.connection.id, call.resource.name, key.field, key.value);
    let _turn = shared.turns.wait(turn).await;
    let find = Call {
        query: Query {
            limit: Some(2),
            filters: vec![Filter { field: key.field.clone(), op: FilterOp::Eq, value: key.value }],
            fields: FieldSet::of(vec!["id".to_owned()]),
            ..Query::default()
        },
        ..call.part(Operation::List)
    };
    let found = list::list(find, &shared.vendor).await.map_err(not_executed)?;
    let Reply::List { records, next, .. } = found else {
        return Err(Error::internal("a list that is none"));
    };
    let ids: Vec<&str> = records.iter().filter_map(|record| record.get("id")?.as_str()).collect();
    let detail = "the provider has no such operation: the record was looked for first";
    call.warnings.push(Warning::new("upsert-not-atomic", detail));
    match (ids.as_slice(), next) {
        ([], _) => write(Call { operation: Operation::Create, ..call }, &shared.vendor).await,
        ([id], None) => {
            let id = Some((*id).to_owned());
            write(Call { operation: Operation::Update, id, ..call }, &shared.vendor).await
        }
        (ids, _) => {
            let detail = format!("Several {} have this {}: {}.", call.resource.name, key.field, ids.join(", "));
            Err(not_executed(Error::new(Kind::Conflict, detail)))
        }
    }
}
