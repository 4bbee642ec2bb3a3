//! How records hang together: listing, adding and removing the records of another resource that belong to one of this.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::exchange::call_vars;
use super::page::fetch;
use super::paging::Paging;
use super::plan::first_that_holds;
use super::scope::Scope;
use super::single::{check_id, delete_by, fetch as fetch_record, not_executed, not_found, write};
use super::{Call, Continuation, Other, Reply, Shared, list};
use crate::catalog::{Association, Requests, Resource};
use crate::error::{Error, Kind, Outcome, Violation};
use crate::model::{FieldSet, Filter, FilterOp, Operation, Query};

/// Page size where the caller names none.
const DEFAULT: u32 = 100;

pub async fn associations(call: Call, shared: &Shared) -> Result<Reply, Error> {
    check_id(&call)?;
    let other = other(&call)?.clone();
    match association(&call, &other)? {
        Association::Field { field, .. } => {
            let ids = references(&call, &call.resource, call.id.as_deref(), field, shared).await?;
            let records = ids.into_iter().map(|id| json!({"id": id, "labels": []})).collect();
            Ok(Reply::List { records, next: None, warnings: Vec::new() })
        }
        Association::Other { resource, by, .. } => {
            let resource = resource_of(&call, resource)?;
            let id = call.id.clone().unwrap_or_default();
            let filter = Filter { field: format!("{by}.id"), op: FilterOp::Eq, value: Value::String(id) };
            let fields = FieldSet::of(vec!["id".into()]);
            let query = Query { limit: call.query.limit, filters: vec![filter], fields, ..Query::default() };
            let listed = Call { query, from: call.from.clone(), ..call.part_on(resource, Operation::List) };
            match list::list(listed, &shared.vendor).await? {
                Reply::List { records, next, warnings } => {
                    let records = records.iter().map(|record| json!({"id": record.get("id"), "labels": []}));
                    Ok(Reply::List { records: records.collect(), next, warnings })
                }
                other => Ok(other),
            }
        }
        Association::Requests(requests) => listed(&call, requests, shared).await,
    }
}

/// Adds or removes one.
pub async fn change(call: Call, shared: &Shared) -> Result<Reply, Error> {
    check_id(&call).map_err(not_executed)?;
    let other = other(&call).map_err(not_executed)?.clone();
    let add = call.operation == Operation::Associate;
    let labelled = |reply: Reply| match add {
        true => Reply::Record {
            record: json!({"id": other.id, "labels": other.labels}),
            created: false,
            version: None,
            warnings: reply.warnings().to_vec(),
        },
        false => Reply::Deleted,
    };
    let other_id = other.id.clone().unwrap_or_default();
    // An id that cannot be one of the other resource's never reaches the vendor either.
    if let Some(resource) = call.provider.resource(&other.resource) {
        let there = Call { id: other.id.clone(), ..call.part_on(resource.clone(), Operation::Get) };
        check_id(&there).map_err(not_executed)?;
    }
    let way = association(&call, &other).map_err(not_executed)?;
    let takes_labels = matches!(way, Association::Requests(requests) if requests.takes_labels);
    if !other.labels.is_empty() && !takes_labels {
        let detail =
            format!("{} has no labels between {} and {}.", call.provider.title, call.resource.name, other.resource);
        let violation = Violation::at("/labels", "there are no labels here");
        return Err(not_executed(Error::new(Kind::ValidationFailed, detail).violation(violation)));
    }
    match way {
        Association::Field { field, .. } => {
            let record = call.id.clone().unwrap_or_default();
            refer(&call, call.resource.clone(), &record, field, &other_id, shared).await.map(labelled)
        }
        Association::Other { resource, by, .. } => {
            let resource = resource_of(&call, resource).map_err(not_executed)?;
            let id = call.id.clone().unwrap_or_default();
            refer(&call, resource, &other_id, by, &id, shared).await.map(labelled)
        }
        Association::Requests(requests) => {
            let variants = if add { &requests.add } else { &requests.remove };
            let seen = Scope::of(&call);
            let variant = first_that_holds(variants, seen.value(), &call_vars(&call)).map_err(not_executed)?;
            let variant = variant.ok_or_else(|| not_executed(unsupported(&call, &other.resource)))?;
            let mut scope = Scope::of(&call);
            scope.set("other", requests.other.clone());
            delete_by(&call, &shared.vendor, variant, scope).await.map(labelled)
        }
    }
}

async fn listed(call: &Call, requests: &Requests, shared: &Shared) -> Result<Reply, Error> {
    let Some(variant) = &requests.list else {
        return Err(unsupported(call, &other(call)?.resource));
    };
    let most = variant.limit.as_ref().map_or(DEFAULT, |limit| limit.max);
    let limit = call.query.limit.unwrap_or(DEFAULT).min(most);
    let position = call.from.as_ref().map(|from| &from.position);
    let mut scope = Scope::of(call);
    scope.set("other", requests.other.clone());
    let paging = Paging { call, variant, sort: &[], limit, position };
    let mut warnings = Vec::new();
    let Some(page) = fetch(&paging, &shared.vendor, scope, None, &mut warnings).await? else {
        return Ok(Reply::List { records: Vec::new(), next: None, warnings });
    };
    let mut records = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let Some(id) = requests.id.text(row, &page.vars)? else {
            return Err(Error::new(Kind::InvalidProviderResponse, "The provider sent an association without an id."));
        };
        let labels = match &requests.labels {
            Some(labels) => texts(labels.evaluate(row, &page.vars)?),
            None => Vec::new(),
        };
        records.push(json!({"id": id, "labels": labels}));
    }
    let next = page.next.map(|position| Continuation { variant: 0, position });
    Ok(Reply::List { records, next, warnings })
}

fn texts(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.into_iter().flat_map(|one| texts(Some(one))).collect(),
        _ => Vec::new(),
    }
}

/// The ids in a reference, or list of references, of a record.
async fn references(
    call: &Call,
    resource: &Arc<Resource>,
    id: Option<&str>,
    field: &str,
    shared: &Shared,
) -> Result<Vec<String>, Error> {
    let fields = FieldSet::of(vec![field.to_owned()]);
    let read = Call {
        id: id.map(str::to_owned),
        query: Query { fields, ..Query::default() },
        ..call.part_on(resource.clone(), Operation::Get)
    };
    let record = fetch_record(&read, &shared.vendor, &mut Vec::new()).await?;
    let id = |value: &Value| value.get("id").and_then(Value::as_str).map(str::to_owned);
    Ok(match record.get(field) {
        Some(Value::Array(items)) => items.iter().filter_map(id).collect(),
        Some(one) => id(one).into_iter().collect(),
        None => Vec::new(),
    })
}

/// Writes the reference of a record so that it holds, or no longer holds, the target.
async fn refer(
    call: &Call,
    resource: Arc<Resource>,
    record: &str,
    field: &str,
    target: &str,
    shared: &Shared,
) -> Result<Reply, Error> {
    let add = call.operation == Operation::Associate;
    let list = resource.model.members.get(field).is_some_and(|member| member.list);
    let body = if add && !list {
        json!({ "id": target })
    } else {
        let mut ids = references(call, &resource, Some(record), field, shared).await.map_err(not_executed)?;
        let there = ids.iter().any(|id| id == target);
        match (add, there) {
            (true, true) => return Ok(Reply::Deleted),
            (true, false) => ids.push(target.to_owned()),
            (false, true) => ids.retain(|id| id != target),
            (false, false) => {
                let detail = format!("The two records are not associated: {record:?} and {target:?}.");
                return Err(Error::new(Kind::NotFound, detail).outcome(Outcome::NotExecuted));
            }
        }
        match list {
            true => ids.into_iter().map(|id| json!({ "id": id })).collect(),
            false => Value::Null,
        }
    };
    let update = Call {
        id: Some(record.to_owned()),
        body: Some(Map::from_iter([(field.to_owned(), body)])),
        minimal: true,
        ..call.part_on(resource, Operation::Update)
    };
    write(update, &shared.vendor).await
}

fn other(call: &Call) -> Result<&Other, Error> {
    call.other.as_ref().ok_or_else(|| not_found(call))
}

fn association<'c>(call: &'c Call, other: &Other) -> Result<&'c Association, Error> {
    let found = call.resource.associations.get(&other.resource);
    let found = found.filter(|association| association.supports(call.operation));
    found.ok_or_else(|| unsupported(call, &other.resource))
}

fn unsupported(call: &Call, other: &str) -> Error {
    let able = call.resource.associations.iter().filter(|(_, way)| way.supports(call.operation));
    let shown: String = other.chars().filter(|c| !c.is_control()).take(80).collect();
    let detail = format!(
        "{} cannot {} {} and {shown:?} here.",
        call.provider.title,
        match call.operation {
            Operation::Associations => "list associations of",
            Operation::Associate => "associate",
            _ => "dissociate",
        },
        call.resource.name
    );
    Error::new(Kind::UnsupportedOperation, detail).supported(able.map(|(name, _)| name.clone()))
}

fn resource_of(call: &Call, name: &str) -> Result<Arc<Resource>, Error> {
    call.provider.resource(name).cloned().ok_or_else(|| {
        Error::new(
            Kind::MappingFailed,
            format!("{} has no {name}, which an association leads to.", call.provider.title),
        )
    })
}
